//! The options of a request: everything but tools and messages.

use super::{
    super::{
        alphabet::{LONGEST_USER, fitted, shortened},
        canon::{Effort, Format, Text},
        effort::thinks_unasked,
        names::Field,
        schema, strict,
    },
    leftovers::{has, has_inner, write_inner},
    lower_request::Task,
    profile::{Knob, Tuning},
};
use crate::{
    protocol::json::ObjectWriter,
    transform::{Loss, generate::Dialect},
};

/// Writes the options.
pub(super) fn write(task: &Task<'_>, body: &mut ObjectWriter<'_>, losses: &mut Vec<Loss>) {
    stream_options(task, body);
    max_tokens(task, body, losses);
    let thinks = thinking(task, body, losses);
    sampling(task, thinks, body, losses);
    format(task, body, losses);
    modalities(task, body, losses);
    cache(task, body, losses);
    about(task, body, losses);
}

fn stream_options(task: &Task<'_>, body: &mut ObjectWriter<'_>) {
    // Every other dialect tells usage at the end of a stream.
    let include = if task.own { task.request.include_usage } else { Some(true) };
    let rest = &task.request.rest;
    if task.request.streams && (include.is_some() || has_inner(rest, "stream_options")) {
        body.object("stream_options", |options| {
            if let Some(include) = include {
                options.bool("include_usage", include);
            }
            write_inner(rest, "stream_options", options);
        });
    }
}

fn max_tokens(task: &Task<'_>, body: &mut ObjectWriter<'_>, losses: &mut Vec<Loss>) {
    let Some(mut most) = task.request.max_tokens else { return };
    if let Some(limit) = task.target.max_output_tokens.filter(|limit| *limit < most && !task.own) {
        losses.push(Loss::changed(task.path(Field::MaxTokens), "lowered to the most that the model answers with"));
        most = limit;
    }
    // Vendors know the older word, OpenAI's reasoning models only the newer one.
    body.unsigned(if task.profile.openai { "max_completion_tokens" } else { "max_tokens" }, most);
}

/// Writes how much to think; gives whether the model will.
fn thinking(task: &Task<'_>, body: &mut ObjectWriter<'_>, losses: &mut Vec<Loss>) -> bool {
    let thinking = &task.request.thinking;
    let asked = thinking.effort.is_some() || thinking.budget.is_some() || thinking.on.is_some();
    let effort = match (thinking.on, thinking.effort, thinking.budget) {
        (Some(false), ..) => Some(Effort::None),
        (_, Some(effort), _) => Some(effort),
        (_, None, budget) => budget.map(Effort::of_budget),
    };
    let thinks = effort.map_or(thinking.on == Some(true) || thinking.adaptive, |effort| effort != Effort::None);
    match task.profile.knob {
        Knob::Effort(lowest, highest) => write_effort(task, effort, (lowest, highest), body, losses),
        Knob::Switch => {
            if asked {
                body.object("thinking", |switch| {
                    switch.text("type", if thinks { "enabled" } else { "disabled" });
                    write_inner(&task.request.rest, "thinking", switch);
                });
            }
            if thinks && effort.is_some() {
                losses.push(Loss::changed(task.path(Field::Effort), "the model only thinks or does not"));
            }
        }
        Knob::Budget => {
            if asked {
                body.bool("enable_thinking", thinks);
            }
            if let Some(budget) = thinking.budget.or(effort.map(Effort::budget)).filter(|_| thinks) {
                body.unsigned("thinking_budget", budget);
            }
        }
        Knob::Absent => match thinking.effort {
            Some(effort) if task.own => {
                body.text("reasoning_effort", effort.word());
            }
            _ if thinks => task.drop(Field::Thinking, losses),
            _ => {}
        },
    }
    unsayable(task, losses);
    thinks
}

fn write_effort(
    task: &Task<'_>,
    effort: Option<Effort>,
    (lowest, highest): (Effort, Effort),
    body: &mut ObjectWriter<'_>,
    losses: &mut Vec<Loss>,
) {
    let Some(effort) = effort else { return };
    let thinking = &task.request.thinking;
    let taken = if task.own && thinking.effort.is_some() { effort } else { effort.clamp(lowest, highest) };
    if taken != effort {
        losses.push(Loss::changed(task.path(Field::Effort), "the nearest effort that the model knows"));
    } else if thinking.effort.is_none() && thinking.budget.is_some() {
        losses.push(Loss::changed(task.path(Field::Thinking), "a budget of tokens goes as an effort"));
    }
    body.text("reasoning_effort", taken.word());
}

/// How openly to think: Chat has no word for it.
fn unsayable(task: &Task<'_>, losses: &mut Vec<Loss>) {
    let thinking = &task.request.thinking;
    let path = |chat, responses, claude, gemini| match task.request.from {
        Dialect::Chat => chat,
        Dialect::Responses => responses,
        Dialect::Claude => claude,
        Dialect::Gemini => gemini,
    };
    if thinking.summary.is_some() || thinking.shown == Some(true) && task.request.from != Dialect::Chat {
        losses.push(Loss::dropped(path(
            "reasoning",
            "reasoning.summary",
            "thinking.display",
            "generationConfig.thinkingConfig.includeThoughts",
        )));
    }
    if thinking.shown == Some(false) && task.own {
        losses.push(Loss::dropped("reasoning.exclude"));
    }
    if thinking.sealed {
        losses.push(Loss::dropped(path("include", "include", "include", "include")));
    }
}

fn sampling(task: &Task<'_>, thinks: bool, body: &mut ObjectWriter<'_>, losses: &mut Vec<Loss>) {
    let sampling = &task.request.sampling;
    let fixed = match task.profile.tuning {
        Tuning::Free => false,
        Tuning::FreeUnlessThinking => thinks,
        Tuning::Fixed => true,
    } && !task.own;
    let off = task.request.thinking.on == Some(false) || task.request.thinking.effort == Some(Effort::None);
    let unasked = task.profile.tuning == Tuning::FreeUnlessThinking && !off && thinks_unasked(&task.request.model);
    let cold = fixed || unasked && !task.own;
    let tuned = [
        (Field::Temperature, "temperature", sampling.temperature, cold),
        (Field::TopP, "top_p", sampling.top_p, cold),
        (Field::FrequencyPenalty, "frequency_penalty", sampling.frequency_penalty, fixed),
        (Field::PresencePenalty, "presence_penalty", sampling.presence_penalty, fixed),
    ];
    for (field, name, value, refused) in tuned {
        let Some(value) = value else { continue };
        if refused {
            losses.push(Loss::dropped_because(task.path(field), "the model takes no sampling options"));
        } else if value > 2.0 && !task.own {
            losses.push(Loss::changed(task.path(field), "lowered to 2"));
            body.number(name, 2.0);
        } else {
            body.number(name, value);
        }
    }
    match sampling.top_k {
        Some(top_k) if task.own => {
            body.number("top_k", top_k);
        }
        Some(_) => task.drop(Field::TopK, losses),
        None => {}
    }
    if let Some(seed) = sampling.seed {
        body.signed("seed", seed);
    }
    stop(task, fixed, body, losses);
    logprobs(task, fixed, body, losses);
    if let Some(bias) = &sampling.logit_bias {
        body.raw("logit_bias", bias);
    }
    if let Some(n) = sampling.n {
        body.unsigned("n", n);
    }
}

fn stop(task: &Task<'_>, fixed: bool, body: &mut ObjectWriter<'_>, losses: &mut Vec<Loss>) {
    const MOST: usize = 4;
    let stop = &task.request.sampling.stop;
    if stop.is_empty() {
        return;
    }
    if fixed {
        losses.push(Loss::dropped_because(task.path(Field::Stop), "the model takes no stop sequences"));
        return;
    }
    let most = if task.own { stop.len() } else { MOST };
    if stop.len() > most {
        losses.push(Loss::changed(task.path(Field::Stop), "the first four"));
    }
    body.array("stop", |list| {
        stop.iter().take(most).for_each(|word| {
            list.text(word);
        });
    });
}

fn logprobs(task: &Task<'_>, fixed: bool, body: &mut ObjectWriter<'_>, losses: &mut Vec<Loss>) {
    let sampling = &task.request.sampling;
    if fixed && sampling.logprobs == Some(true) {
        losses.push(Loss::dropped_because(task.path(Field::Logprobs), "the model tells no log probabilities"));
        return;
    }
    if let Some(logprobs) = sampling.logprobs {
        body.bool("logprobs", logprobs);
    } else if sampling.top_logprobs.is_some() && !task.own {
        body.bool("logprobs", true);
    }
    if let Some(top) = sampling.top_logprobs {
        body.unsigned("top_logprobs", top);
    }
}

fn format(task: &Task<'_>, body: &mut ObjectWriter<'_>, losses: &mut Vec<Loss>) {
    let (Some(format), rest) = (&task.request.format, &task.request.rest) else { return };
    body.object("response_format", |outer| {
        match format {
            Format::Text => outer.text("type", "text"),
            Format::Json => outer.text("type", "json_object"),
            Format::Schema { name, description, schema, strict } => outer.text("type", "json_schema").object("json_schema", |inner| {
                let schema = schema::json(schema);
                let kept = strict::kept(*strict, task.request.from, &schema, || task.path(Field::Format).to_owned(), losses);
                let strict = kept.or_else(|| (!task.own && strict::holds(&schema)).then_some(true));
                inner.text("name", &schema_name(task, name.as_ref(), losses)).some_text("description", description.as_deref());
                inner.json("schema", &schema);
                if let Some(strict) = strict {
                    inner.bool("strict", strict);
                }
                write_inner(rest, "response_format.json_schema", inner);
            }),
        };
        write_inner(rest, "response_format", outer);
    });
}

/// The schema's name, in letters that OpenAI takes.
fn schema_name(task: &Task<'_>, name: Option<&Text<'_>>, losses: &mut Vec<Loss>) -> String {
    let Some(name) = name else { return "response".to_owned() };
    let Some(fit) = fitted(name, Dialect::Chat) else { return name.clone().into_owned() };
    losses.push(Loss::changed(format!("{}.name", task.path(Field::Format)), "in letters that OpenAI takes"));
    fit
}

fn modalities(task: &Task<'_>, body: &mut ObjectWriter<'_>, losses: &mut Vec<Loss>) {
    let all = &task.request.modalities;
    let told: Vec<&Text<'_>> =
        all.iter().filter(|kind| task.own || **kind == "audio" || **kind == "image" && !task.profile.openai).collect();
    if told.len() < all.len() {
        task.drop(Field::Modalities, losses);
    }
    if told.is_empty() {
        return;
    }
    body.array("modalities", |list| {
        list.text("text");
        for kind in &told {
            list.text(kind);
        }
    });
    if !task.own && told.iter().any(|kind| **kind == "audio") && !has(&task.request.rest, "audio") {
        losses.push(Loss::changed(task.path(Field::Modalities), "in a voice that the model has"));
        body.object("audio", |audio| {
            audio.text("voice", "alloy").text("format", "wav");
        });
    }
}

fn cache(task: &Task<'_>, body: &mut ObjectWriter<'_>, losses: &mut Vec<Loss>) {
    let cache = &task.request.cache;
    body.some_text("prompt_cache_key", cache.key.as_deref()).some_text("prompt_cache_retention", cache.retention.as_deref());
    // A mark on the request as a whole is what OpenAI does unasked.
    if cache.mark.is_some() && !task.profile.openai {
        task.drop(Field::CacheMark, losses);
    }
}

/// Who asks, and how it is to be served.
fn about(task: &Task<'_>, body: &mut ObjectWriter<'_>, losses: &mut Vec<Loss>) {
    let request = task.request;
    if let Some(user) = &request.user {
        let short = if task.own { user.as_ref().into() } else { shortened(user, LONGEST_USER) };
        if short != *user {
            losses.push(Loss::changed(task.path(Field::User), "the target takes 64 characters"));
        }
        body.text("user", &short);
    }
    if let Some(store) = request.state.store {
        body.bool("store", store);
    }
    match &request.metadata {
        Some(metadata) if task.own || request.state.store == Some(true) => {
            body.raw("metadata", metadata);
        }
        Some(_) => losses.push(Loss::dropped_because(task.path(Field::Metadata), "Chat Completions takes it only with store: true")),
        None => {}
    }
    match request.service_tier.as_deref() {
        Some("standard_only" | "standard" | "STANDARD") if !task.own => {
            body.text("service_tier", "default");
        }
        Some(tier) if task.own || matches!(tier, "auto" | "default" | "flex" | "scale" | "priority" | "fast") => {
            body.text("service_tier", tier);
        }
        Some(_) => task.drop(Field::ServiceTier, losses),
        None => {}
    }
    body.some_text("verbosity", request.verbosity.as_deref());
}
