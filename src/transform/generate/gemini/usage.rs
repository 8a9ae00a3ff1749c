//! `usageMetadata`: Google's prompt figure includes what came from a cache, its answer figure excludes thoughts.

use super::{super::canon::Tokens, fields};
use crate::protocol::json::{Fields, Node, ObjectWriter};

/// Figures out of `usageMetadata`, and the tier that served; what cannot be read counts as nothing.
pub(super) fn lift(node: Node<'_>) -> Option<(Tokens, Option<String>)> {
    let mut usage = node.object()?;
    let figure = |usage: &mut Fields<'_>, name: &str| fields::count(usage, name).ok().flatten();
    let prompt = figure(&mut usage, "promptTokenCount");
    let output = figure(&mut usage, "candidatesTokenCount");
    if prompt.is_none() && output.is_none() {
        return None;
    }
    let cache_read = figure(&mut usage, "cachedContentTokenCount").unwrap_or(0);
    let tools = figure(&mut usage, "toolUsePromptTokenCount").unwrap_or(0);
    let tier = fields::text(&mut usage, "serviceTier").ok().flatten();
    let asked = details(&mut usage, "promptTokensDetails");
    let made = details(&mut usage, "candidatesTokensDetails");
    let tokens = Tokens {
        input: prompt.unwrap_or(0).saturating_sub(cache_read).saturating_add(tools),
        cache_read,
        output: output.unwrap_or(0),
        reasoning: figure(&mut usage, "thoughtsTokenCount").unwrap_or(0),
        input_audio: asked.0,
        input_image: asked.1,
        output_audio: made.0,
        output_image: made.1,
        ..Tokens::default()
    };
    Some((tokens, tier.map(std::borrow::Cow::into_owned)))
}

/// Tokens of sound and of pictures among the details.
fn details(usage: &mut Fields<'_>, name: &str) -> (u64, u64) {
    let (mut audio, mut image) = (0_u64, 0_u64);
    for mut part in fields::list(usage, name).into_iter().filter_map(Node::object) {
        let count = fields::count(&mut part, "tokenCount").ok().flatten().unwrap_or(0);
        match part.peek_text("modality").as_deref() {
            Some("AUDIO") => audio = audio.saturating_add(count),
            Some("IMAGE") => image = image.saturating_add(count),
            Some(_) | None => {}
        }
    }
    (audio, image)
}

/// Writes `usageMetadata`.
pub(super) fn lower(tokens: &Tokens, tier: Option<&str>, out: &mut ObjectWriter<'_>) {
    out.object("usageMetadata", |o| {
        o.unsigned("promptTokenCount", tokens.prompt());
        if tokens.output > 0 {
            o.unsigned("candidatesTokenCount", tokens.output);
        }
        o.unsigned("totalTokenCount", tokens.total());
        if tokens.cache_read > 0 {
            o.unsigned("cachedContentTokenCount", tokens.cache_read);
        }
        if tokens.prompt() > 0 {
            modalities(o, "promptTokensDetails", tokens.prompt(), (tokens.input_audio, tokens.input_image));
        }
        if tokens.output_audio > 0 || tokens.output_image > 0 {
            modalities(o, "candidatesTokensDetails", tokens.output, (tokens.output_audio, tokens.output_image));
        }
        if tokens.reasoning > 0 {
            o.unsigned("thoughtsTokenCount", tokens.reasoning);
        }
        o.some_text("serviceTier", tier);
    });
}

fn modalities(out: &mut ObjectWriter<'_>, name: &str, all: u64, (audio, image): (u64, u64)) {
    let words = all.saturating_sub(audio).saturating_sub(image);
    out.array(name, |a| {
        for (modality, count) in [("TEXT", words), ("AUDIO", audio), ("IMAGE", image)] {
            if count > 0 {
                a.object(|o| {
                    o.text("modality", modality).unsigned("tokenCount", count);
                });
            }
        }
    });
}
