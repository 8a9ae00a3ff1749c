//! Tools and the choice among them, on their way out.

use std::borrow::Cow;

use super::{
    OWN,
    cache::Marks,
    models::Model,
    schema::{self, Rigor},
};
use crate::{
    protocol::json::{Fields, ObjectWriter, object},
    transform::{
        Loss,
        generate::{
            canon::{Request, Schema, ServerTool, Text, Tool, ToolChoice, ToolKind},
            names::{Field, path},
        },
    },
};

/// The most strict tools that Anthropic takes.
const STRICT: usize = 20;

/// Writes the tools as an array; `None` where there are none to write.
pub(super) fn write(request: &Request<'_>, model: &Model, marks: &mut Marks, losses: &mut Vec<Loss>) -> Option<String> {
    let mut pen = Pen { request, model, strict: 0, losses };
    let mut out = Vec::new();
    for tool in &request.tools {
        let before = out.len();
        out.push(if before == 0 { b'[' } else { b',' });
        if !pen.tool(tool, marks, &mut out) {
            out.truncate(before);
        }
    }
    if out.is_empty() {
        return None;
    }
    out.push(b']');
    String::from_utf8(out).ok()
}

struct Pen<'p> {
    request: &'p Request<'p>,
    model: &'p Model,
    strict: usize,
    losses: &'p mut Vec<Loss>,
}

impl Pen<'_> {
    fn tool(&mut self, tool: &Tool<'_>, marks: &mut Marks, out: &mut Vec<u8>) -> bool {
        let at = || format!("{}[{}]", path(self.request.from, Field::Tools), tool.at);
        match &tool.kind {
            ToolKind::Server { of, json, .. } if *of == OWN => {
                out.extend_from_slice(json.get().as_bytes());
                return true;
            }
            ToolKind::Server { tool: ServerTool::WebSearch, json, .. } => {
                self.served("web_search_20250305", "web_search", (json, at()), out);
            }
            ToolKind::Server { tool: ServerTool::WebFetch, json, .. } => self.served("web_fetch_20250910", "web_fetch", (json, at()), out),
            ToolKind::Server { tool: ServerTool::CodeExecution, json, .. } => {
                self.served("code_execution_20250825", "code_execution", (json, at()), out);
            }
            ToolKind::Server { .. } | ToolKind::Custom { .. } => {
                self.losses.push(Loss::dropped(at()));
                return false;
            }
            ToolKind::Function { .. } => {
                object(out, |o| self.function(tool, marks, o));
                return true;
            }
        }
        tool.rest.lose(at, self.losses);
        true
    }

    /// A tool of the provider's, declared anew in Anthropic's words.
    fn served(&mut self, kind: &str, name: &str, (json, at): (&serde_json::value::RawValue, String), out: &mut Vec<u8>) {
        let members = serde_json::from_str::<Fields<'_>>(json.get()).map(Fields::rest).unwrap_or_default();
        let settings = members.iter().any(|(name, value)| name != "type" && value.json() != "{}");
        if settings {
            self.losses.push(Loss::changed(at, "declared in the target's words, without its settings"));
        }
        object(out, |o| {
            o.text("type", kind).text("name", name);
        });
    }

    fn function(&mut self, tool: &Tool<'_>, marks: &mut Marks, object: &mut ObjectWriter<'_>) {
        let ToolKind::Function { name, namespace, description, schema, strict } = &tool.kind else { return };
        let from = self.request.from;
        let at = || format!("{}[{}]", path(from, Field::Tools), tool.at);
        if namespace.is_some() {
            self.losses.push(Loss::changed(format!("{}.namespace", at()), "the target has one space of names"));
        }
        object.text("name", name);
        if let Some(description) = description.as_deref().filter(|text| from == OWN || !text.is_empty()) {
            object.text("description", description);
        }
        let strict = self.strict(*strict, schema.as_ref(), &at);
        let rigor = if strict == Some(true) && from != OWN { Rigor::Closed } else { Rigor::Open };
        object.json("input_schema", &self.schema(schema.as_ref(), rigor, &at));
        if let Some(strict) = strict {
            object.bool("strict", strict);
        }
        marks.write((tool.cache, &tool.rest), object, at, self.losses);
        tool.rest.write(OWN, object, at, self.losses);
    }

    fn schema<'s>(&mut self, schema: Option<&'s Schema<'_>>, rigor: Rigor, at: &dyn Fn() -> String) -> Cow<'s, str> {
        if let (true, Some(Schema::Json(json))) = (self.request.from == OWN, schema) {
            return Cow::Borrowed(json.get());
        }
        let (text, changed) = schema::input(schema, rigor);
        if changed {
            self.losses.push(Loss::changed(format!("{}.parameters", at()), "put into the schema language that the target takes"));
        }
        text
    }

    fn strict(&mut self, strict: Option<bool>, schema: Option<&Schema<'_>>, at: &dyn Fn() -> String) -> Option<bool> {
        if strict != Some(true) || self.request.from == OWN {
            // Only Claude's own clients need to hear that a tool is not strict: it is the rule here.
            return strict.filter(|_| self.request.from == OWN);
        }
        if schema.is_some_and(schema::is_recursive) {
            self.losses.push(Loss::dropped_because(format!("{}.strict", at()), "a schema that holds itself is not held to strictly"));
            return None;
        }
        self.strict += 1;
        if self.model.schemas && self.strict <= STRICT {
            return Some(true);
        }
        self.losses.push(Loss::dropped_because(format!("{}.strict", at()), "the model takes no more strict tools"));
        None
    }
}

/// Writes the choice among the tools.
pub(super) fn write_choice(request: &Request<'_>, object: &mut ObjectWriter<'_>, losses: &mut Vec<Loss>) {
    let from = request.from;
    let single = request.parallel_calls.filter(|parallel| !parallel || from == OWN).map(|parallel| !parallel);
    let (kind, name) = match &request.tool_choice {
        None if single.is_some() => ("auto", None),
        None => return,
        Some(ToolChoice::Auto) => ("auto", None),
        Some(ToolChoice::None) => ("none", None),
        Some(ToolChoice::Required) => ("any", None),
        Some(ToolChoice::Named(name)) => ("tool", Some(name)),
        Some(ToolChoice::Among { names, required }) => among(names, *required, from, losses),
        Some(ToolChoice::Opaque { of, json }) => {
            if *of == OWN {
                object.raw("tool_choice", json);
            } else {
                losses.push(Loss::dropped(path(from, Field::ToolChoice)));
            }
            return;
        }
    };
    object.object("tool_choice", |choice| {
        choice.text("type", kind);
        if let Some(name) = name {
            choice.text("name", name);
        }
        if let Some(single) = single.filter(|_| kind != "none") {
            choice.bool("disable_parallel_tool_use", single);
        }
    });
}

fn among<'n, 'a>(
    names: &'n [Text<'a>],
    required: bool,
    from: crate::transform::generate::Dialect,
    losses: &mut Vec<Loss>,
) -> (&'static str, Option<&'n Text<'a>>) {
    if let ([name], true) = (names, required) {
        return ("tool", Some(name));
    }
    losses.push(Loss::changed(path(from, Field::ToolChoice), "the target chooses among all tools"));
    (if required { "any" } else { "auto" }, None)
}
