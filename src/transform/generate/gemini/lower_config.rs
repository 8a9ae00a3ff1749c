//! `generationConfig`, written.

use super::{
    super::{
        Dialect,
        canon::{Effort, Format, Schema, Thinking, ToolKind},
        names::Field,
    },
    lower_request::Scene,
    lower_tools,
    models::{self, Thinks},
    nested, schema,
};
use crate::{protocol::json::ObjectWriter, transform::Loss};

/// Google takes so many stop sequences.
const STOPS: usize = 5;

/// Writes the member, as far as there is something to write.
pub(super) fn write(scene: Scene<'_>, out: &mut ObjectWriter<'_>, losses: &mut Vec<Loss>) {
    nested::filled(out, "generationConfig", |o| {
        sampling(scene, o, losses);
        max_tokens(scene, o, losses);
        stops(scene, o, losses);
        format(scene, o, losses);
        modalities(scene, o);
        let rest = &scene.request.rest;
        nested::filled(o, "thinkingConfig", |o| {
            thinking(scene, o, losses);
            nested::within(rest, "generationConfig.thinkingConfig", o);
        });
        nested::within(rest, "generationConfig", o);
    });
}

fn sampling(scene: Scene<'_>, out: &mut ObjectWriter<'_>, losses: &mut Vec<Loss>) {
    let sampling = &scene.request.sampling;
    let mut within = |field: Field, value: Option<f64>, (min, max): (f64, f64)| {
        let value = value?;
        if value >= min && value <= max || scene.own {
            return Some(value);
        }
        losses.push(Loss::changed(scene.path(field), "it is beyond what Google takes, and set to the nearest it does"));
        Some(value.clamp(min, max))
    };
    let numbers = [
        ("temperature", within(Field::Temperature, sampling.temperature, (0.0, 2.0))),
        ("topP", within(Field::TopP, sampling.top_p, (0.0, 1.0))),
        ("topK", sampling.top_k),
        ("presencePenalty", within(Field::PresencePenalty, sampling.presence_penalty, (-2.0, 1.99))),
        ("frequencyPenalty", within(Field::FrequencyPenalty, sampling.frequency_penalty, (-2.0, 1.99))),
    ];
    for (name, value) in numbers {
        if let Some(value) = value {
            out.number(name, value);
        }
    }
    match sampling.seed {
        Some(seed) if scene.own || i32::try_from(seed).is_ok() => _ = out.signed("seed", seed),
        Some(_) => losses.push(Loss::dropped_because(scene.path(Field::Seed), "Google's seeds have 32 bits")),
        None => {}
    }
    if let Some(n) = sampling.n {
        out.unsigned("candidateCount", n);
    }
    if let Some(wanted) = sampling.logprobs {
        out.bool("responseLogprobs", wanted);
    }
    if let Some(top) = sampling.top_logprobs {
        out.unsigned("logprobs", top);
    }
}

fn max_tokens(scene: Scene<'_>, out: &mut ObjectWriter<'_>, losses: &mut Vec<Loss>) {
    let Some(wanted) = scene.request.max_tokens else { return };
    let most = scene.target.max_output_tokens.filter(|_| !scene.own).unwrap_or(u64::MAX);
    if wanted > most {
        losses.push(Loss::changed(scene.path(Field::MaxTokens), "the model answers with fewer tokens"));
    }
    out.unsigned("maxOutputTokens", wanted.min(most));
}

fn stops(scene: Scene<'_>, out: &mut ObjectWriter<'_>, losses: &mut Vec<Loss>) {
    let stops: Vec<_> = scene.request.sampling.stop.iter().filter(|stop| scene.own || !stop.is_empty()).collect();
    let most = if scene.own { usize::MAX } else { STOPS };
    if stops.len() > most {
        losses.push(Loss::changed(scene.path(Field::Stop), "Google takes five stop sequences: the first five"));
    }
    if !stops.is_empty() {
        out.array("stopSequences", |a| {
            for stop in stops.into_iter().take(most) {
                a.text(stop);
            }
        });
    }
}

fn format(scene: Scene<'_>, out: &mut ObjectWriter<'_>, losses: &mut Vec<Loss>) {
    let Some(format) = &scene.request.format else { return };
    let functions = scene.request.tools.iter().any(|tool| matches!(tool.kind, ToolKind::Function { .. }));
    let path = scene.path(Field::Format);
    if functions && !scene.own && !scene.family.third && !matches!(format, Format::Text) {
        losses.push(Loss::dropped_because(path, "this model gives no JSON where functions are declared"));
        return;
    }
    if !scene.own && !scene.family.third && !matches!(format, Format::Text) && lower_tools::serves(scene) {
        losses.push(Loss::dropped_because(path, "this model gives no JSON beside tools of Google's own"));
        return;
    }
    match format {
        Format::Text => _ = out.text("responseMimeType", "text/plain"),
        Format::Json => _ = out.text("responseMimeType", "application/json"),
        // A schema's name is a label that means nothing to Google; its description does.
        Format::Schema { description, schema, .. } => {
            if description.is_some() {
                losses.push(Loss::dropped(format!("{path}.description")));
            }
            out.text("responseMimeType", "application/json");
            match schema {
                Schema::Json(json) if scene.family.json_schema || scene.own => {
                    out.json("responseJsonSchema", &schema::without_dialect(json.get()));
                }
                Schema::Json(json) => _ = out.json("responseSchema", &schema::to_google(json.get(), path, losses)),
                Schema::Google(json) => _ = out.raw("responseSchema", json),
            }
        }
    }
}

fn modalities(scene: Scene<'_>, out: &mut ObjectWriter<'_>) {
    let wanted: Vec<String> = scene.request.modalities.iter().map(|word| word.to_ascii_uppercase()).filter(|word| word != "TEXT").collect();
    let said = scene.request.rest.members.iter().any(|(name, _)| name == "generationConfig.responseModalities");
    if wanted.is_empty() || said {
        return;
    }
    out.array("responseModalities", |a| {
        // Models that draw also speak; models that sound do nothing else.
        if wanted.iter().any(|word| word != "AUDIO") {
            a.text("TEXT");
        }
        for word in &wanted {
            a.text(word);
        }
    });
}

fn thinking(scene: Scene<'_>, out: &mut ObjectWriter<'_>, losses: &mut Vec<Loss>) {
    let thinking = &scene.request.thinking;
    if scene.own {
        own(thinking, out);
        return;
    }
    match scene.family.thinks {
        Thinks::No if thinking.on == Some(true) || thinking.effort.is_some_and(|effort| effort != Effort::None) => {
            losses.push(Loss::dropped_because(scene.path(Field::Thinking), "this model does not think"));
            return;
        }
        Thinks::No => return,
        Thinks::Budget { min, max } => budget(scene, (min, max), out, losses),
        Thinks::Level { lowest, medium } => level(scene, (lowest, medium), out, losses),
    }
    // Claude shows what it thinks unless it is told not to; Google hides it.
    let usual = (scene.request.from == Dialect::Claude && thinking.on == Some(true)).then_some(true);
    if let Some(shown) = thinking.shown.or(usual) {
        out.bool("includeThoughts", shown);
    }
}

/// What Google's own client said.
fn own(thinking: &Thinking<'_>, out: &mut ObjectWriter<'_>) {
    match (thinking.budget, thinking.adaptive) {
        (Some(budget), _) => _ = out.unsigned("thinkingBudget", budget),
        (None, true) => _ = out.signed("thinkingBudget", -1),
        (None, false) => {}
    }
    let word = match thinking.effort {
        Some(Effort::Minimal) => Some("MINIMAL"),
        Some(Effort::Low) => Some("LOW"),
        Some(Effort::Medium) => Some("MEDIUM"),
        Some(Effort::High) => Some("HIGH"),
        Some(Effort::XHigh | Effort::Max) => Some("XHIGH"),
        Some(Effort::None) | None => None,
    };
    out.some_text("thinkingLevel", word);
    if let Some(shown) = thinking.shown {
        out.bool("includeThoughts", shown);
    }
}

fn budget(scene: Scene<'_>, (min, max): (u64, u64), out: &mut ObjectWriter<'_>, losses: &mut Vec<Loss>) {
    let thinking = &scene.request.thinking;
    let changed = |why| Loss::changed(scene.path(if thinking.effort.is_some() { Field::Effort } else { Field::Thinking }), why);
    if thinking.on == Some(false) || thinking.effort == Some(Effort::None) {
        if !scene.family.off {
            losses.push(changed("this model cannot but think: as little as it can"));
        }
        out.unsigned("thinkingBudget", if scene.family.off { 0 } else { min });
        return;
    }
    let Some(wanted) = thinking.budget.or_else(|| thinking.effort.map(Effort::budget)) else {
        if thinking.adaptive {
            out.signed("thinkingBudget", -1);
        }
        return;
    };
    // Google's limit of the answer counts thoughts: some of it must be left for words.
    let room = scene.request.max_tokens.map_or(max, |tokens| tokens.saturating_sub(1));
    let given = wanted.min(max).min(room).max(min);
    if thinking.budget.is_some_and(|wanted| wanted != given) {
        losses.push(changed("the nearest budget that the model and the answer's limit allow"));
    }
    out.unsigned("thinkingBudget", given);
}

fn level(scene: Scene<'_>, (lowest, medium): (&'static str, bool), out: &mut ObjectWriter<'_>, losses: &mut Vec<Loss>) {
    let thinking = &scene.request.thinking;
    let told = if thinking.on == Some(false) { Some(Effort::None) } else { thinking.effort };
    let Some(effort) = told.or_else(|| thinking.budget.map(Effort::of_budget)) else { return };
    let (word, same) = models::level(effort, lowest, medium);
    if told.is_none() {
        losses.push(Loss::changed(scene.path(Field::Thinking), "the model takes a level of thinking in place of a budget"));
    } else if !same {
        let field = if thinking.effort.is_some() { Field::Effort } else { Field::Thinking };
        losses.push(Loss::changed(scene.path(field), "the nearest level of thinking that the model has"));
    }
    out.text("thinkingLevel", word);
}
