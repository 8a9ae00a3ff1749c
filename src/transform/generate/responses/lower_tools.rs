//! Definitions of tools, and which of them are to be called, into their wire form.

use std::borrow::Cow;

use super::super::{
    Dialect,
    canon::{Request, Rest, ServerTool, Tool, ToolChoice, ToolKind},
    names::{Field, path},
};
use super::{
    super::{schema, strict},
    OWN,
};
use crate::{
    protocol::json::{ArrayWriter, Fields, Node, ObjectWriter},
    transform::Loss,
};

/// The schema of a function that takes nothing.
const EMPTY: &str = r#"{"type":"object","properties":{}}"#;

/// Writes definitions.
#[derive(Debug)]
pub(super) struct Tools<'l> {
    pub(super) from: Dialect,
    pub(super) losses: &'l mut Vec<Loss>,
}

impl Tools<'_> {
    /// All definitions. Functions of one namespace that follow each other stand in it together.
    pub(super) fn all(&mut self, tools: &[Tool<'_>], array: &mut ArrayWriter<'_>) {
        let mut at = 0;
        while let Some(tool) = tools.get(at) {
            let many = namespace(tool).map_or(1, |name| tools[at..].iter().take_while(|next| namespace(next) == Some(name)).count());
            match namespace(tool) {
                Some(name) => self.namespace(name, &tools[at..at + many], array),
                None => self.one(tool, tools, array),
            }
            at += many;
        }
    }

    fn path(&self, tool: &Tool<'_>) -> String {
        format!("{}[{}]", path(self.from, Field::Tools), tool.at)
    }

    fn namespace(&mut self, name: &str, tools: &[Tool<'_>], array: &mut ArrayWriter<'_>) {
        let of_space = |tool: &Tool<'_>| -> Vec<(String, String)> {
            let own = tool.rest.members.iter().filter(|_| tool.rest.of == Some(OWN));
            own.filter_map(|(name, json)| Some((name.strip_prefix("namespace.")?.to_owned(), json.get().to_owned()))).collect()
        };
        array.object(|o| {
            o.text("type", "namespace").text("name", name);
            let own = tools.first().map(of_space).unwrap_or_default();
            if !own.iter().any(|(name, _)| name == "description") {
                o.text("description", name);
            }
            for (name, json) in &own {
                o.json(name, json);
            }
            o.array("tools", |a| {
                for tool in tools {
                    self.one(tool, tools, a);
                }
            });
        });
    }

    fn one(&mut self, tool: &Tool<'_>, all: &[Tool<'_>], array: &mut ArrayWriter<'_>) {
        let path = self.path(tool);
        if tool.cache.is_some() {
            self.losses.push(Loss::dropped_because(format!("{path}.cache_control"), "the target caches prompts by itself"));
        }
        match &tool.kind {
            ToolKind::Function { .. } => {
                array.object(|o| {
                    self.function(&tool.kind, &path, o);
                    self.rest(&tool.rest, path, o);
                });
            }
            ToolKind::Custom { name, description, format } => {
                array.object(|o| {
                    o.text("type", "custom").text("name", name).some_text("description", description.as_deref());
                    if let Some(format) = format {
                        o.raw("format", format);
                    }
                    self.rest(&tool.rest, path, o);
                });
            }
            ToolKind::Server { of, json, .. } if *of == OWN => {
                array.raw(json);
            }
            ToolKind::Server { tool: kind, json, .. } => {
                self.server((kind, json.get()), &path, all, array);
                tool.rest.lose(|| path, self.losses);
            }
        }
    }

    fn function(&mut self, kind: &ToolKind<'_>, path: &str, o: &mut ObjectWriter<'_>) {
        let ToolKind::Function { name, description, schema, strict, .. } = kind else { return };
        let schema = schema.as_ref().map(schema::json).or_else(|| (self.from != OWN).then_some(Cow::Borrowed(EMPTY)));
        o.text("type", "function").text("name", name).some_text("description", description.as_deref());
        if let Some(schema) = &schema {
            o.json("parameters", schema);
        }
        match strict::kept(*strict, self.from, schema.as_deref().unwrap_or(EMPTY), || format!("{path}.strict"), self.losses) {
            Some(strict) => {
                o.bool("strict", strict);
            }
            // Here absence means strict, elsewhere it does not.
            None if self.from != OWN => {
                o.bool("strict", false);
            }
            None => {}
        }
    }

    fn rest(&mut self, rest: &Rest<'_>, path: String, o: &mut ObjectWriter<'_>) {
        if rest.of == Some(OWN) {
            for (name, json) in rest.members.iter().filter(|(name, _)| !name.starts_with("namespace.")) {
                o.raw(name, json);
            }
        } else {
            rest.lose(|| path, self.losses);
        }
    }

    /// A tool of another provider's own: what this one has like it.
    fn server(&mut self, (kind, json): (&ServerTool, &str), path: &str, all: &[Tool<'_>], array: &mut ArrayWriter<'_>) {
        let searches = all.iter().any(|tool| matches!(&tool.kind, ToolKind::Server { tool: ServerTool::WebSearch, .. }));
        match kind {
            ServerTool::WebSearch => {
                let fields = Node::parse(json.as_bytes()).ok().and_then(Node::object).unwrap_or_default();
                array.object(|o| {
                    o.text("type", "web_search");
                    self.search(fields, path, o);
                });
            }
            ServerTool::WebFetch if searches => {
                self.losses.push(Loss::changed(path, "the target's web search opens pages too"));
            }
            ServerTool::WebFetch => {
                self.losses.push(Loss::changed(path, "the target opens pages in its web search only"));
                array.object(|o| {
                    o.text("type", "web_search");
                });
            }
            ServerTool::CodeExecution => {
                array.object(|o| {
                    o.text("type", "code_interpreter").object("container", |o| {
                        o.text("type", "auto");
                    });
                });
            }
            ServerTool::ImageGeneration => {
                array.object(|o| {
                    o.text("type", "image_generation");
                });
            }
            ServerTool::ComputerUse => self.losses.push(Loss::dropped_because(path, "its actions have other words here")),
            ServerTool::FileSearch | ServerTool::Mcp | ServerTool::Other(_) => self.losses.push(Loss::dropped(path)),
        }
    }

    /// The settings of a web search that have a place here, by the names that several providers share.
    fn search(&mut self, fields: Fields<'_>, path: &str, o: &mut ObjectWriter<'_>) {
        for (name, value) in fields.rest() {
            match &*name {
                "type" | "name" | "googleSearch" | "google_search" => {}
                "allowed_domains" => {
                    o.object("filters", |o| {
                        o.raw("allowed_domains", value.raw());
                    });
                }
                "search_context_size" => {
                    o.raw("search_context_size", value.raw());
                }
                "user_location" => location(value, o),
                _ => self.losses.push(Loss::dropped(format!("{path}.{name}"))),
            }
        }
    }
}

fn namespace<'t>(tool: &'t Tool<'_>) -> Option<&'t str> {
    match &tool.kind {
        ToolKind::Function { namespace, .. } => namespace.as_deref(),
        ToolKind::Custom { .. } | ToolKind::Server { .. } => None,
    }
}

fn location(value: Node<'_>, o: &mut ObjectWriter<'_>) {
    let Some(mut fields) = value.object() else { return };
    // Chat nests the place one level deeper.
    if let Some(inner) = fields.take("approximate").and_then(Node::object) {
        fields = inner;
    }
    fields.take("type");
    o.object("user_location", |o| {
        o.text("type", "approximate");
        for (name, value) in fields.rest() {
            o.raw(&name, value.raw());
        }
    });
}

/// `tool_choice`.
pub(super) fn choice(request: &Request<'_>, o: &mut ObjectWriter<'_>, losses: &mut Vec<Loss>) {
    let Some(choice) = &request.tool_choice else { return };
    match choice {
        ToolChoice::Auto => o.text("tool_choice", "auto"),
        ToolChoice::None => o.text("tool_choice", "none"),
        ToolChoice::Required => o.text("tool_choice", "required"),
        ToolChoice::Named(name) if request.from != OWN && !is_callers(name, request) => {
            losses.push(Loss::changed(path(request.from, Field::ToolChoice), "only the caller's own tools can be named"));
            o.text("tool_choice", "required")
        }
        ToolChoice::Named(name) => o.object("tool_choice", |o| named(name, request, o)),
        ToolChoice::Among { names, required } => o.object("tool_choice", |o| {
            o.text("type", "allowed_tools").text("mode", if *required { "required" } else { "auto" });
            o.array("tools", |a| {
                for name in names {
                    a.object(|o| named(name, request, o));
                }
            });
        }),
        ToolChoice::Opaque { of, json } if *of == OWN => o.raw("tool_choice", json),
        ToolChoice::Opaque { .. } => {
            losses.push(Loss::dropped(path(request.from, Field::ToolChoice)));
            o
        }
    };
}

fn is_callers(name: &str, request: &Request<'_>) -> bool {
    request.tools.iter().any(|tool| match &tool.kind {
        ToolKind::Function { name: own, .. } | ToolKind::Custom { name: own, .. } => own == name,
        ToolKind::Server { .. } => false,
    })
}

fn named(name: &str, request: &Request<'_>, o: &mut ObjectWriter<'_>) {
    let custom = request.tools.iter().any(|tool| matches!(&tool.kind, ToolKind::Custom { name: own, .. } if own == name));
    o.text("type", if custom { "custom" } else { "function" }).text("name", name);
}
