//! `tools` and `toolConfig`, written.

use std::borrow::Cow;

use super::{
    super::{
        Dialect,
        canon::{Raw, Schema, ServerTool, Text, Tool, ToolChoice, ToolKind},
        names::Field,
    },
    lower_request::Scene,
    nested, schema,
};
use crate::{
    protocol::json::{Node, ObjectWriter},
    transform::Loss,
};

/// One entry of `tools`: functions, and tools of Google's own as members of it.
#[derive(Debug, Default)]
struct Entry<'r> {
    at: usize,
    functions: Vec<&'r Tool<'r>>,
    servers: Vec<Member<'r>>,
}

/// A tool of the provider's own as a member of its entry: its name and its JSON.
type Member<'r> = (Cow<'r, str>, &'r str);

/// Writes both members, as far as there is something to write.
pub(super) fn write(scene: Scene<'_>, out: &mut ObjectWriter<'_>, losses: &mut Vec<Loss>) {
    let entries = entries(scene, losses);
    let functions = entries.iter().any(|entry| !entry.functions.is_empty());
    let mixed = functions && entries.iter().any(|entry| !entry.servers.is_empty());
    if !entries.is_empty() {
        out.array("tools", |a| {
            for entry in &entries {
                a.object(|o| write_entry(scene, entry, o, losses));
            }
        });
    }
    let rest = &scene.request.rest;
    nested::filled(out, "toolConfig", |o| {
        // The third generation takes its own tools beside functions only when told that they shall be shown.
        if mixed && !scene.own {
            o.bool("includeServerSideToolInvocations", true);
        }
        nested::filled(o, "functionCallingConfig", |o| {
            if functions || scene.own {
                choice(scene, o, losses);
            } else if matches!(scene.request.tool_choice, Some(ToolChoice::Required | ToolChoice::Named(_) | ToolChoice::Among { .. })) {
                losses.push(Loss::dropped_because(scene.path(Field::ToolChoice), "there is no function to choose"));
            }
            nested::within(rest, "toolConfig.functionCallingConfig", o);
        });
        nested::within(rest, "toolConfig", o);
    });
}

fn entries<'r>(scene: Scene<'r>, losses: &mut Vec<Loss>) -> Vec<Entry<'r>> {
    let tools = &scene.request.tools;
    let functions = tools.iter().any(|tool| matches!(tool.kind, ToolKind::Function { .. }));
    let mut entries: Vec<Entry<'r>> = Vec::new();
    for tool in tools {
        let path = || format!("{}[{}]", scene.path(Field::Tools), tool.at);
        if tool.cache.is_some() {
            losses.push(Loss::dropped(format!("{}.cache_control", path())));
        }
        match &tool.kind {
            ToolKind::Function { .. } => {
                let found = entries.iter().position(|entry| if scene.own { entry.at == tool.at } else { !entry.functions.is_empty() });
                let index = found.unwrap_or_else(|| {
                    entries.push(Entry { at: tool.at, ..Entry::default() });
                    entries.len() - 1
                });
                entries[index].functions.push(tool);
            }
            ToolKind::Custom { .. } => losses.push(Loss::dropped_because(path(), "Google's functions take JSON only")),
            ToolKind::Server { tool: kind, of, json } => match server(kind, *of, json) {
                Some(_) if functions && !scene.own && !scene.family.third => {
                    losses.push(Loss::dropped_because(path(), "this model takes no tools of Google's own beside functions"));
                }
                Some(member) => {
                    if *of != Dialect::Gemini && has_options(json) {
                        losses.push(Loss::changed(path(), "Google's own tool stands in its place, without its options"));
                    }
                    put(&mut entries, (scene.own, tool.at), member);
                }
                None => losses.push(Loss::dropped(path())),
            },
        }
    }
    entries
}

fn put<'r>(entries: &mut Vec<Entry<'r>>, (own, at): (bool, usize), member: Member<'r>) {
    if let Some(entry) = entries.iter_mut().find(|entry| own && entry.at == at) {
        entry.servers.push(member);
    } else if !entries.iter().any(|entry| entry.servers.contains(&member)) {
        entries.push(Entry { at, servers: vec![member], ..Entry::default() });
    }
}

/// The member of an entry that a tool of the provider's own is; `None` where Google has none for it.
fn server<'r>(kind: &ServerTool, of: Dialect, json: &'r Raw<'_>) -> Option<Member<'r>> {
    if of == Dialect::Gemini {
        let (name, node) = Node::of(json).object()?.rest().into_iter().next()?;
        return Some((name, node.json()));
    }
    let name = match kind {
        ServerTool::WebSearch => "googleSearch",
        ServerTool::WebFetch => "urlContext",
        ServerTool::CodeExecution => "codeExecution",
        // Others' computers are driven by other actions, their files and servers lie elsewhere; pictures are a modality.
        ServerTool::FileSearch | ServerTool::ImageGeneration | ServerTool::ComputerUse | ServerTool::Mcp | ServerTool::Other(_) => {
            return None;
        }
    };
    Some((Cow::Borrowed(name), "{}"))
}

/// Whether Google has a tool of its own for one that is declared.
pub(super) fn serves(scene: Scene<'_>) -> bool {
    scene.request.tools.iter().any(|tool| match &tool.kind {
        ToolKind::Server { tool, of, json } => server(tool, *of, json).is_some(),
        ToolKind::Function { .. } | ToolKind::Custom { .. } => false,
    })
}

/// Whether a definition says more than which tool it is.
fn has_options(json: &Raw<'_>) -> bool {
    let Some(fields) = Node::parse(json.get().as_bytes()).ok().and_then(Node::object) else { return true };
    fields.rest().iter().any(|(name, _)| !matches!(&**name, "type" | "name"))
}

fn write_entry(scene: Scene<'_>, entry: &Entry<'_>, out: &mut ObjectWriter<'_>, losses: &mut Vec<Loss>) {
    if !entry.functions.is_empty() {
        out.array("functionDeclarations", |a| {
            for (index, tool) in entry.functions.iter().enumerate() {
                let path = if scene.own {
                    format!("tools[{}].functionDeclarations[{index}]", tool.at)
                } else {
                    format!("{}[{}]", scene.path(Field::Tools), tool.at)
                };
                a.object(|o| function(scene, (tool, path), o, losses));
            }
        });
    }
    for (name, json) in &entry.servers {
        out.json(name, json);
    }
}

fn function(scene: Scene<'_>, (tool, path): (&Tool<'_>, String), out: &mut ObjectWriter<'_>, losses: &mut Vec<Loss>) {
    let ToolKind::Function { name, namespace, description, schema, strict } = &tool.kind else { return };
    if namespace.is_some() {
        losses.push(Loss::dropped(format!("{path}.namespace")));
    }
    if *strict == Some(true) {
        losses.push(Loss::dropped(format!("{path}.strict")));
    }
    out.text("name", name);
    out.some_text("description", description.as_deref());
    match schema {
        Some(Schema::Json(json)) if scene.family.json_schema || scene.own => {
            out.json("parametersJsonSchema", &schema::without_dialect(json.get()));
        }
        Some(Schema::Json(json)) => {
            out.json("parameters", &schema::to_google(json.get(), &format!("{path}.parameters"), losses));
        }
        Some(Schema::Google(json)) => {
            out.raw("parameters", json);
        }
        None => {}
    }
    nested::outer(&tool.rest, out, || path, losses);
}

fn choice(scene: Scene<'_>, out: &mut ObjectWriter<'_>, losses: &mut Vec<Loss>) {
    let mut allowed = |mode: &str, names: &[Text<'_>]| {
        out.text("mode", mode);
        if !names.is_empty() {
            out.array("allowedFunctionNames", |a| {
                for name in names {
                    a.text(name);
                }
            });
        }
    };
    match &scene.request.tool_choice {
        None => {}
        Some(ToolChoice::Auto) => allowed("AUTO", &[]),
        Some(ToolChoice::None) => allowed("NONE", &[]),
        Some(ToolChoice::Required) => allowed("ANY", &[]),
        Some(ToolChoice::Named(name)) => allowed("ANY", std::slice::from_ref(name)),
        Some(ToolChoice::Among { names, required }) => allowed(if *required { "ANY" } else { "VALIDATED" }, names),
        Some(ToolChoice::Opaque { of: Dialect::Gemini, .. }) => allowed("VALIDATED", &[]),
        Some(ToolChoice::Opaque { .. }) => losses.push(Loss::dropped(scene.path(Field::ToolChoice))),
    }
}
