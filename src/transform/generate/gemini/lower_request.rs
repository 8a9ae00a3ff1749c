//! A request, written. What grows with the conversation stands last, so that a longer one begins like a shorter one.

use super::{
    super::{
        Dialect,
        canon::{Block, Part, Request, Role, Turn},
        names::{Field, path},
        spoke::Target,
    },
    lower_config, lower_tools,
    lower_turns::Speech,
    models::{self, Family},
    nested,
};
use crate::{
    protocol::json::{ObjectWriter, object},
    transform::{Loss, Refused},
};

/// What every part of the writing looks at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scene<'r> {
    pub(super) request: &'r Request<'r>,
    pub(super) family: Family,
    pub(super) target: Target,
    /// Whether the request came in Google's own dialect: it gets back what it said, wise or not.
    pub(super) own: bool,
}

impl Scene<'_> {
    /// The sender's name of an option.
    pub(super) fn path(&self, field: Field) -> &'static str {
        path(self.request.from, field)
    }
}

/// Writes the whole body.
///
/// # Errors
/// The request leans on what another provider keeps.
pub(super) fn lower(request: &Request<'_>, target: Target, losses: &mut Vec<Loss>) -> Result<Vec<u8>, Refused> {
    let scene = Scene { request, family: models::of(&request.model), target, own: request.from == Dialect::Gemini };
    refuse(scene)?;
    let leading = leading(request);
    let (before, turns) = request.turns.split_at(leading);
    let mut out = Vec::with_capacity(2048);
    object(&mut out, |o| {
        instructions(scene, before, o, losses);
        lower_tools::write(scene, o, losses);
        lower_config::write(scene, o, losses);
        options(scene, o, losses);
        nested::outer(&request.rest, o, String::new, losses);
        o.array("contents", |a| Speech::new(scene, losses).write(turns, a));
    });
    Ok(out)
}

/// How many turns are the operator's first words. Somebody has to be answered: where the operator alone speaks, it is in the
/// last of its turns.
fn leading(request: &Request<'_>) -> usize {
    let leading = request.turns.iter().take_while(|turn| matches!(turn.role, Role::System | Role::Developer)).count();
    if leading == request.turns.len() { leading.saturating_sub(1) } else { leading }
}

fn refuse(scene: Scene<'_>) -> Result<(), Refused> {
    let state = &scene.request.state;
    for (field, there) in [(Field::Previous, state.previous.is_some()), (Field::Conversation, state.conversation.is_some())] {
        if there {
            return Err(Refused::impossible(scene.path(field), "Google keeps no conversations; send the whole of it"));
        }
    }
    Ok(())
}

fn instructions(scene: Scene<'_>, before: &[Turn<'_>], out: &mut ObjectWriter<'_>, losses: &mut Vec<Loss>) {
    let request = scene.request;
    let (list, inner) = request.from.lists();
    let outside = request.instructions.iter().map(|block| (block, format!("{}[{}]", scene.path(Field::Instructions), block.at)));
    let turns =
        before.iter().flat_map(|turn| turn.blocks.iter().map(move |block| (block, format!("{list}[{}].{inner}[{}]", turn.at, block.at))));
    let all: Vec<_> = outside.chain(turns).collect();
    for turn in before {
        turn.rest.lose(|| format!("{list}[{}]", turn.at), losses);
    }
    if all.is_empty() {
        return;
    }
    out.object("systemInstruction", |o| {
        nested::within(&request.rest, "systemInstruction", o);
        o.array("parts", |a| {
            for (block, path) in all {
                instruction(block, path, a, losses);
            }
        });
    });
}

fn instruction(block: &Block<'_>, path: String, out: &mut crate::protocol::json::ArrayWriter<'_>, losses: &mut Vec<Loss>) {
    if block.cache.is_some() {
        losses.push(Loss::dropped(format!("{path}.cache_control")));
    }
    match &block.part {
        Part::Text { text, .. } => {
            out.object(|o| {
                o.text("text", text);
                nested::outer(&block.rest, o, || path, losses);
            });
        }
        Part::Opaque { of: Dialect::Gemini, json } => {
            out.raw(json);
        }
        Part::Refusal(_)
        | Part::Reasoning(_)
        | Part::Call(_)
        | Part::Result(_)
        | Part::Media(_)
        | Part::ServerCall(_)
        | Part::ServerResult(_)
        | Part::Opaque { .. } => losses.push(Loss::dropped_because(path, "Google's instructions are words only")),
    }
}

/// Options beside `generationConfig`, and those that Google does not have.
fn options(scene: Scene<'_>, out: &mut ObjectWriter<'_>, losses: &mut Vec<Loss>) {
    let request = scene.request;
    out.some_text("cachedContent", request.cache.content.as_deref());
    match &request.metadata {
        Some(labels) if scene.own => {
            out.raw("labels", labels);
        }
        // Vertex has labels, of a narrower alphabet; AI Studio refuses them.
        Some(_) => losses.push(Loss::dropped(scene.path(Field::Metadata))),
        None => {}
    }
    tier(scene, out, losses);
    let lost = [
        (Field::User, request.user.is_some()),
        (Field::CacheKey, request.cache.key.is_some()),
        (Field::CacheRetention, request.cache.retention.is_some()),
        (Field::CacheMark, request.cache.mark.is_some()),
        (Field::Store, request.state.store == Some(true)),
        (Field::Background, request.state.background == Some(true)),
        (Field::Verbosity, request.verbosity.is_some()),
        (Field::ParallelCalls, request.parallel_calls == Some(false)),
        (Field::LogitBias, request.sampling.logit_bias.is_some()),
    ];
    losses.extend(lost.into_iter().filter(|(_, there)| *there).map(|(field, _)| Loss::dropped(scene.path(field))));
}

fn tier(scene: Scene<'_>, out: &mut ObjectWriter<'_>, losses: &mut Vec<Loss>) {
    let Some(tier) = scene.request.service_tier.as_deref() else { return };
    match tier {
        tier if scene.own => _ = out.text("serviceTier", tier),
        "flex" | "priority" => _ = out.text("serviceTier", tier),
        "default" | "standard" | "standard_only" => _ = out.text("serviceTier", "standard"),
        _ => losses.push(Loss::dropped(scene.path(Field::ServiceTier))),
    }
}
