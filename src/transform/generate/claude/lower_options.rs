//! The options of a request on their way out: everything but its conversation.

use std::borrow::Cow;

use super::{
    OWN, lower_tools,
    models::{Model, Samples},
    schema::{self, Rigor},
    thinking::{Mode, Plan, word},
};
use crate::{
    protocol::json::ObjectWriter,
    transform::{
        Loss, Refused,
        generate::{
            canon::{Format, Request, Rest, Schema, ToolChoice},
            names::{Field, path},
        },
    },
};

/// Refuses what Anthropic cannot do and must not be left out.
pub(super) fn check(request: &Request<'_>) -> Result<(), Refused> {
    let at = |field| path(request.from, field);
    let stored = "the target keeps no conversations; send the whole conversation";
    if request.state.previous.is_some() {
        return Err(Refused::impossible(at(Field::Previous), stored));
    }
    if request.state.conversation.is_some() {
        return Err(Refused::impossible(at(Field::Conversation), stored));
    }
    if request.cache.content.is_some() {
        return Err(Refused::impossible(
            at(Field::CachedContent),
            "the cached part of the prompt lies with another provider; send it whole",
        ));
    }
    if request.state.background == Some(true) {
        return Err(Refused::impossible(at(Field::Background), "the target answers at once or not at all; leave it out"));
    }
    Ok(())
}

/// Writes the options, all but tools, their choice and what stands in the system prompt.
pub(super) fn write(request: &Request<'_>, model: &Model, plan: &Plan, object: &mut ObjectWriter<'_>, losses: &mut Vec<Loss>) {
    object.unsigned("max_tokens", plan.max_tokens);
    if request.streams {
        object.bool("stream", true);
    }
    sampling(request, model, plan, object, losses);
    thinking(request, plan, object, losses);
    output(request, model, plan, object, losses);
    metadata(request, object, losses);
    if let Some(tier) = tier(request, losses) {
        object.text("service_tier", &tier);
    }
    lose_foreign(request, losses);
    plain_rest(&request.rest, object, losses);
}

/// Members that stay as they are; those of options with a dot in their names are written with their option.
fn plain_rest(rest: &Rest<'_>, object: &mut ObjectWriter<'_>, losses: &mut Vec<Loss>) {
    if rest.of != Some(OWN) {
        return rest.lose(String::new, losses);
    }
    for (name, json) in rest.members.iter().filter(|(name, _)| option(name).is_none()) {
        object.raw(name, json);
    }
}

/// The option that a kept member belongs to, and its name there.
fn option(name: &str) -> Option<(&str, &str)> {
    name.split_once('.').filter(|(option, _)| ["thinking", "output_config", "metadata"].contains(option))
}

fn kept<'r>(request: &'r Request<'_>, of: &'r str) -> impl Iterator<Item = (&'r str, &'r str)> {
    let own = request.rest.of == Some(OWN);
    let members = request.rest.members.iter().filter(move |_| own);
    members.filter_map(move |(name, json)| option(name).filter(|(option, _)| *option == of).map(|(_, name)| (name, json.get())))
}

fn sampling(request: &Request<'_>, model: &Model, plan: &Plan, object: &mut ObjectWriter<'_>, losses: &mut Vec<Loss>) {
    let sampling = &request.sampling;
    let mut lose = |field, note| losses.push(Loss::dropped_because(path(request.from, field), note));
    let thinks = "the target takes none while it thinks";
    let refuses = model.samples == Samples::Never;
    let temperature = sampling.temperature.filter(|value| {
        let kept = !refuses && (!plan.thinks() || (*value - 1.0).abs() < f64::EPSILON);
        if !kept {
            lose(Field::Temperature, if refuses { "the model takes none" } else { thinks });
        }
        kept
    });
    let top_p = sampling.top_p.filter(|value| {
        let crowded = model.samples == Samples::OneOf && temperature.is_some();
        let kept = !refuses && !crowded && (!plan.thinks() || *value >= 0.95);
        if !kept {
            lose(
                Field::TopP,
                if crowded {
                    "the model takes temperature or top_p"
                } else if refuses {
                    "the model takes none"
                } else {
                    thinks
                },
            );
        }
        kept
    });
    let top_k = sampling.top_k.filter(|_| {
        let kept = !refuses && !plan.thinks();
        if !kept {
            lose(Field::TopK, if refuses { "the model takes none" } else { thinks });
        }
        kept
    });
    if let Some(temperature) = temperature {
        if temperature > 1.0 {
            losses.push(Loss::changed(path(request.from, Field::Temperature), "the target takes 1 at most"));
        }
        if temperature < 0.0 {
            losses.push(Loss::changed(path(request.from, Field::Temperature), "the target takes 0 at least"));
        }
        object.number("temperature", temperature.clamp(0.0, 1.0));
    }
    for (name, value) in [("top_p", top_p), ("top_k", top_k)] {
        if let Some(value) = value {
            object.number(name, value);
        }
    }
    stops(request, object, losses);
}

fn stops(request: &Request<'_>, object: &mut ObjectWriter<'_>, losses: &mut Vec<Loss>) {
    let blank = |stop: &Cow<'_, str>| stop.trim().is_empty();
    let stops = &request.sampling.stop;
    if stops.iter().any(blank) {
        losses.push(Loss::dropped_because(path(request.from, Field::Stop), "the target takes no sequence of white space"));
    }
    if stops.iter().any(|stop| !blank(stop)) {
        object.array("stop_sequences", |array| {
            for stop in stops.iter().filter(|stop| !blank(stop)) {
                array.text(stop);
            }
        });
    }
}

fn thinking(request: &Request<'_>, plan: &Plan, object: &mut ObjectWriter<'_>, losses: &mut Vec<Loss>) {
    let (kind, budget) = match plan.mode {
        Mode::Unsaid => {
            if request.thinking.shown == Some(true) && request.thinking.effort.is_none() && request.thinking.on.is_none() {
                losses.push(Loss::dropped_because(path(request.from, Field::Thinking), "nothing is shown where nobody asks to think"));
            }
            return;
        }
        Mode::Off => ("disabled", None),
        Mode::Budget(budget) => ("enabled", Some(budget)),
        Mode::Adaptive => ("adaptive", None),
    };
    // Where a budget is all that a model knows, its thinking is always shown.
    let shown = request.thinking.shown.filter(|_| request.from == OWN || plan.mode == Mode::Adaptive);
    object.object("thinking", |thinking| {
        thinking.text("type", kind);
        if let Some(budget) = budget {
            thinking.unsigned("budget_tokens", budget);
        }
        if plan.thinks() {
            thinking.some_text("display", shown.map(|shown| if shown { "summarized" } else { "omitted" }));
        }
        for (name, json) in kept(request, "thinking") {
            thinking.json(name, json);
        }
    });
}

fn output(request: &Request<'_>, model: &Model, plan: &Plan, object: &mut ObjectWriter<'_>, losses: &mut Vec<Loss>) {
    if let Some(Format::Schema { description: Some(_), .. }) = &request.format {
        losses.push(Loss::dropped(format!("{}.description", path(request.from, Field::Format))));
    }
    let schema = match &request.format {
        Some(Format::Schema { schema, .. }) if takes(request, model, schema) => Some(self::schema(request, schema, losses)),
        Some(Format::Schema { .. } | Format::Json | Format::Text) | None => None,
    };
    if schema.is_none() && plan.effort.is_none() && kept(request, "output_config").next().is_none() {
        return;
    }
    object.object("output_config", |config| {
        config.some_text("effort", plan.effort.map(word));
        if let Some(schema) = schema {
            config.object("format", |format| {
                format.text("type", "json_schema").json("schema", &schema);
            });
        }
        for (name, json) in kept(request, "output_config") {
            config.json(name, json);
        }
    });
}

/// Whether the model's option for the shape of its answer takes a schema.
fn takes(request: &Request<'_>, model: &Model, schema: &Schema<'_>) -> bool {
    request.from == OWN || model.schemas && !schema::is_recursive(schema)
}

fn schema<'s>(request: &Request<'_>, schema: &'s Schema<'_>, losses: &mut Vec<Loss>) -> Cow<'s, str> {
    let rigor = if request.from == OWN { Rigor::Open } else { Rigor::Closed };
    let (text, changed) = schema::write(schema, rigor);
    if changed {
        losses.push(Loss::changed(path(request.from, Field::Format), "objects are closed and bounds left out: the target takes no others"));
    }
    text
}

/// What the system prompt must say where the model has no option for the shape of its answer.
pub(super) fn spoken_format(request: &Request<'_>, model: &Model, losses: &mut Vec<Loss>) -> Option<String> {
    let words = match &request.format {
        Some(Format::Json) => "Answer with one JSON object and nothing else.".to_owned(),
        Some(Format::Schema { schema, .. }) if !takes(request, model, schema) => {
            let (text, _) = schema::write(schema, Rigor::Open);
            format!("Answer with JSON and nothing else. It follows this JSON schema: {text}")
        }
        Some(Format::Schema { .. } | Format::Text) | None => return None,
    };
    losses.push(Loss::changed(path(request.from, Field::Format), "asked for in words, at the end of the system prompt"));
    Some(words)
}

fn metadata(request: &Request<'_>, object: &mut ObjectWriter<'_>, losses: &mut Vec<Loss>) {
    if request.metadata.is_some() {
        losses.push(Loss::dropped(path(request.from, Field::Metadata)));
    }
    if request.user.is_none() && kept(request, "metadata").next().is_none() {
        return;
    }
    object.object("metadata", |metadata| {
        metadata.some_text("user_id", request.user.as_deref());
        for (name, json) in kept(request, "metadata") {
            metadata.json(name, json);
        }
    });
}

fn tier<'r>(request: &'r Request<'_>, losses: &mut Vec<Loss>) -> Option<Cow<'r, str>> {
    let tier = request.service_tier.as_deref()?;
    let at = path(request.from, Field::ServiceTier);
    match tier {
        _ if request.from == OWN => Some(Cow::Borrowed(tier)),
        "auto" => Some(Cow::Borrowed("auto")),
        "default" | "standard" | "standard_only" => Some(Cow::Borrowed("standard_only")),
        "priority" => {
            losses.push(Loss::changed(at, "the target serves with priority where it can: auto"));
            Some(Cow::Borrowed("auto"))
        }
        _ => {
            losses.push(Loss::dropped(at));
            None
        }
    }
}

/// Options that Anthropic has nothing for. Those that say only what is the rule anyway are no loss.
fn lose_foreign(request: &Request<'_>, losses: &mut Vec<Loss>) {
    let sampling = &request.sampling;
    let cache = &request.cache;
    let lost = [
        (Field::FrequencyPenalty, sampling.frequency_penalty.is_some_and(|penalty| penalty != 0.0)),
        (Field::PresencePenalty, sampling.presence_penalty.is_some_and(|penalty| penalty != 0.0)),
        (Field::Seed, sampling.seed.is_some()),
        (Field::Logprobs, sampling.logprobs == Some(true)),
        (Field::TopLogprobs, sampling.top_logprobs.is_some_and(|count| count > 0)),
        (Field::LogitBias, sampling.logit_bias.is_some()),
        (Field::N, sampling.n.is_some_and(|count| count > 1)),
        (Field::CacheKey, cache.key.is_some()),
        (Field::CacheRetention, cache.retention.is_some()),
        (Field::Store, request.state.store == Some(true)),
        (Field::Verbosity, request.verbosity.is_some()),
        (Field::Modalities, request.modalities.iter().any(|kind| !kind.eq_ignore_ascii_case("text"))),
    ];
    losses.extend(lost.into_iter().filter(|(_, lost)| *lost).map(|(field, _)| Loss::dropped(path(request.from, field))));
}

/// Writes tools and their choice.
pub(super) fn write_tools(request: &Request<'_>, tools: Option<&str>, object: &mut ObjectWriter<'_>, losses: &mut Vec<Loss>) {
    if let Some(tools) = tools {
        object.json("tools", tools);
        lower_tools::write_choice(request, object, losses);
    } else if let Some(choice) = &request.tool_choice
        && !matches!(choice, ToolChoice::Auto | ToolChoice::None)
    {
        losses.push(Loss::dropped_because(path(request.from, Field::ToolChoice), "there is no tool to choose"));
    }
}
