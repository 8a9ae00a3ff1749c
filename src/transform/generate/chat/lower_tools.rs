//! What the model may call, and which of it.

use std::borrow::Cow;

use super::{
    super::{
        Dialect,
        canon::{Raw, ServerTool, Text, Tool, ToolChoice, ToolKind},
        names::Field,
        schema, strict,
    },
    leftovers::{write_inner, write_outer},
    lower_request::Task,
};
use crate::{
    protocol::json::{ArrayWriter, Node, ObjectWriter},
    transform::Loss,
};

/// The schema of a function that takes nothing.
const EMPTY: &str = r#"{"type":"object","properties":{}}"#;

/// Writes `tools`, `web_search_options`, `tool_choice` and `parallel_tool_calls`.
pub(super) fn write(task: &Task<'_>, body: &mut ObjectWriter<'_>, losses: &mut Vec<Loss>) {
    let (listed, others): (Vec<&Tool<'_>>, Vec<_>) = task.request.tools.iter().partition(|tool| is_listed(&tool.kind));
    if !listed.is_empty() {
        body.array("tools", |list| listed.iter().for_each(|tool| write_tool(task, tool, list, losses)));
    }
    let mut searched = false;
    for tool in others {
        match &tool.kind {
            ToolKind::Server { tool: ServerTool::WebSearch, of, json } if !searched && (task.own || task.profile.searches) => {
                searched = true;
                write_search(*of, json, tool.at, body, losses);
            }
            ToolKind::Server { .. } | ToolKind::Function { .. } | ToolKind::Custom { .. } => losses.push(Loss::dropped(tool_path(tool.at))),
        }
        tool.rest.lose(|| tool_path(tool.at), losses);
    }
    // Both are refused where there are no tools.
    if task.own || !listed.is_empty() {
        if let Some(choice) = &task.request.tool_choice {
            write_choice(task, choice, body, losses);
        }
        if let Some(parallel) = task.request.parallel_calls {
            body.bool("parallel_tool_calls", parallel);
        }
    } else if matches!(task.request.tool_choice, Some(ToolChoice::Required | ToolChoice::Named(_) | ToolChoice::Among { .. })) {
        task.drop(Field::ToolChoice, losses);
    }
}

/// Whether a tool stands in `tools`; `web_search_options` of our own stand beside it.
fn is_listed(kind: &ToolKind<'_>) -> bool {
    match kind {
        ToolKind::Function { .. } | ToolKind::Custom { .. } => true,
        ToolKind::Server { of, json, .. } => *of == Dialect::Chat && typed(json),
    }
}

fn typed(json: &Raw<'_>) -> bool {
    Node::parse(json.get().as_bytes()).ok().and_then(Node::object).is_some_and(|fields| fields.peek("type").is_some())
}

fn tool_path(at: usize) -> String {
    format!("tools[{at}]")
}

fn write_tool(task: &Task<'_>, tool: &Tool<'_>, list: &mut ArrayWriter<'_>, losses: &mut Vec<Loss>) {
    if let ToolKind::Server { json, .. } = &tool.kind {
        list.raw(json);
        return;
    }
    if let ToolKind::Function { namespace: Some(_), .. } = &tool.kind {
        losses.push(Loss::dropped(format!("{}.namespace", tool_path(tool.at))));
    }
    if tool.cache.is_some() {
        losses.push(Loss::dropped(format!("{}.cache_control", tool_path(tool.at))));
    }
    list.object(|outer| {
        match &tool.kind {
            ToolKind::Function { name, description, schema, strict, .. } => outer.text("type", "function").object("function", |inner| {
                inner.text("name", name).some_text("description", description.as_deref());
                let schema = schema.as_ref().map(schema::json).or_else(|| (!task.own).then_some(Cow::Borrowed(EMPTY)));
                if let Some(schema) = &schema {
                    inner.json("parameters", schema);
                }
                let path = || format!("{}.strict", tool_path(tool.at));
                if let Some(strict) = strict::kept(*strict, task.request.from, schema.as_deref().unwrap_or(EMPTY), path, losses) {
                    inner.bool("strict", strict);
                }
                write_inner(&tool.rest, "function", inner);
            }),
            ToolKind::Custom { name, description, format } => outer.text("type", "custom").object("custom", |inner| {
                inner.text("name", name).some_text("description", description.as_deref());
                if let Some(format) = format {
                    write_format(format, inner);
                }
                write_inner(&tool.rest, "custom", inner);
            }),
            ToolKind::Server { .. } => outer,
        };
        if task.own {
            write_outer(&tool.rest, outer);
        } else {
            tool.rest.lose(|| tool_path(tool.at), losses);
        }
    });
}

/// A grammar: flat in the canonical form, one level down in Chat.
fn write_format(format: &Raw<'_>, custom: &mut ObjectWriter<'_>) {
    let Some(mut flat) = Node::parse(format.get().as_bytes()).ok().and_then(Node::object) else { return };
    custom.object("format", |out| {
        let kind = flat.take("type");
        let grammar = kind.and_then(Node::text).as_deref() == Some("grammar");
        if let Some(kind) = kind {
            out.raw("type", kind.raw());
        }
        let write = |members: &mut ObjectWriter<'_>| {
            for (name, value) in flat.rest() {
                members.raw(&name, value.raw());
            }
        };
        if grammar {
            out.object("grammar", write);
        } else {
            write(out);
        }
    });
}

/// A search of the web: our own options as they stand, another's as far as there is a word.
fn write_search(of: Dialect, json: &Raw<'_>, at: usize, body: &mut ObjectWriter<'_>, losses: &mut Vec<Loss>) {
    if of == Dialect::Chat {
        body.raw("web_search_options", json);
        return;
    }
    let mut fields = Node::parse(json.get().as_bytes()).ok().and_then(Node::object).unwrap_or_default();
    fields.take("type");
    fields.take("name");
    body.object("web_search_options", |options| {
        if let Some(size) = fields.some("search_context_size") {
            options.raw("search_context_size", size.raw());
        }
        if let Some(mut place) = fields.object("user_location").ok().flatten() {
            place.take("type");
            options.object("user_location", |location| {
                location.text("type", "approximate").object("approximate", |inner| {
                    for (name, value) in place.rest().into_iter().filter(|(_, value)| !value.is_null()) {
                        inner.raw(&name, value.raw());
                    }
                });
            });
        }
    });
    losses.extend(fields.rest().into_iter().map(|(name, _)| Loss::dropped(format!("{}.{name}", tool_path(at)))));
}

fn write_choice(task: &Task<'_>, choice: &ToolChoice<'_>, body: &mut ObjectWriter<'_>, losses: &mut Vec<Loss>) {
    let mut word = |word: &str| {
        body.text("tool_choice", word);
    };
    match choice {
        ToolChoice::Auto => word("auto"),
        ToolChoice::None => word("none"),
        ToolChoice::Required => word("required"),
        ToolChoice::Named(name) => {
            body.object("tool_choice", |choice| write_named(task, name, choice));
        }
        ToolChoice::Among { names, required } => {
            body.object("tool_choice", |choice| {
                choice.text("type", "allowed_tools").object("allowed_tools", |allowed| {
                    allowed.text("mode", if *required { "required" } else { "auto" }).array("tools", |list| {
                        for name in names {
                            list.object(|tool| write_named(task, name, tool));
                        }
                    });
                });
            });
        }
        ToolChoice::Opaque { of: Dialect::Chat, json } => {
            body.raw("tool_choice", json);
        }
        ToolChoice::Opaque { .. } => task.drop(Field::ToolChoice, losses),
    }
}

fn write_named(task: &Task<'_>, name: &Text<'_>, object: &mut ObjectWriter<'_>) {
    let custom = task.request.tools.iter().any(|tool| matches!(&tool.kind, ToolKind::Custom { name: known, .. } if known == name));
    let kind = if custom { "custom" } else { "function" };
    object.text("type", kind).object(kind, |inner| {
        inner.text("name", name);
    });
}
