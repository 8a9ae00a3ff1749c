//! The body of a request. `input` stands last, so that a longer conversation's body begins as the shorter one's.

use super::super::{
    Dialect,
    alphabet::{LONGEST_USER, fitted, shortened},
    canon::{Block, Effort, Format, Part, Request, Role, Turn},
    effort::thinks_unasked,
    names::{Field, path},
    schema, strict,
};
use super::{
    OWN,
    lower_items::Items,
    lower_tools::{self, Tools},
    models::{self, Family, Sampling},
};
use crate::{
    protocol::json::{ObjectWriter, object},
    transform::Loss,
};

/// The least `max_output_tokens` that the provider takes.
const LEAST_TOKENS: u64 = 16;

/// Lowers a request.
pub(super) fn lower(request: &Request<'_>, losses: &mut Vec<Loss>) -> Vec<u8> {
    let mut out = Vec::with_capacity(4096);
    let mut body = Body { request, family: models::of(&request.model), losses };
    object(&mut out, |o| body.write(o));
    out
}

struct Body<'b, 'r> {
    request: &'b Request<'r>,
    family: Family,
    losses: &'b mut Vec<Loss>,
}

impl Body<'_, '_> {
    fn own(&self) -> bool {
        self.request.from == OWN
    }

    fn lose(&mut self, field: Field) {
        self.losses.push(Loss::dropped(path(self.request.from, field)));
    }

    fn write(&mut self, o: &mut ObjectWriter<'_>) {
        let request = self.request;
        o.text("model", &request.model);
        if request.streams {
            o.bool("stream", true);
        }
        let marked = self.instructions(o);
        if !request.tools.is_empty() {
            o.array("tools", |a| Tools { from: request.from, losses: &mut *self.losses }.all(&request.tools, a));
        }
        lower_tools::choice(request, o, self.losses);
        if let Some(parallel) = request.parallel_calls {
            o.bool("parallel_tool_calls", parallel);
        }
        self.reasoning(o);
        self.text(o);
        self.include(o);
        self.sampling(o);
        self.limits(o);
        self.caller(o);
        self.state(o);
        self.rest(o);
        o.array("input", |a| {
            let mut items = Items { from: request.from, marks: self.family.marks, losses: &mut *self.losses };
            if let Some(turn) = &marked {
                items.turn(turn, a);
            }
            for turn in &request.turns {
                items.turn(turn, a);
            }
        });
    }

    /// Instructions; as a turn where they carry a mark that the string has no place for.
    fn instructions(&mut self, o: &mut ObjectWriter<'_>) -> Option<Turn<'static>> {
        let blocks = &self.request.instructions;
        if self.family.marks && blocks.iter().any(|block| block.cache.is_some()) {
            let blocks = blocks.iter().cloned().map(Block::into_owned).collect();
            return Some(Turn { role: Role::Developer, blocks, at: 0, id: None, name: None, rest: super::super::canon::Rest::default() });
        }
        let mut texts: Vec<&str> = Vec::new();
        for block in blocks {
            let place = || format!("{}[{}]", path(self.request.from, Field::Instructions), block.at);
            match &block.part {
                Part::Text { text, .. } => texts.push(text),
                _ => self.losses.push(Loss::dropped(place())),
            }
            if block.cache.is_some() {
                self.losses.push(Loss::dropped_because(format!("{}.cache_control", place()), "this model caches prompts by itself"));
            }
            block.rest.lose(place, self.losses);
        }
        if !texts.is_empty() {
            o.text("instructions", &texts.join("\n\n"));
        }
        None
    }

    fn reasoning(&mut self, o: &mut ObjectWriter<'_>) {
        let thinking = &self.request.thinking;
        let effort = if self.own() { thinking.effort } else { self.effort() };
        let summary = match (&thinking.summary, thinking.shown) {
            (Some(summary), _) => Some(&**summary),
            (None, Some(true)) if self.family.thinks() || !self.family.known => Some("auto"),
            (None, _) => None,
        };
        let left = self.left("reasoning.");
        if effort.is_none() && summary.is_none() && left.is_empty() {
            return;
        }
        o.object("reasoning", |o| {
            o.some_text("effort", effort.map(Effort::word)).some_text("summary", summary);
            for (name, json) in left {
                o.json(name, json);
            }
        });
    }

    /// The effort that another dialect's wish comes to.
    fn effort(&mut self) -> Option<Effort> {
        let thinking = &self.request.thinking;
        let wish = match (thinking.on, thinking.effort, thinking.budget) {
            (Some(false), _, _) => Effort::None,
            (_, Some(effort), _) => effort,
            (_, None, Some(budget)) => Effort::of_budget(budget).max(Effort::Minimal),
            (_, None, None) => return None,
        };
        let field = if thinking.effort.is_some() { Field::Effort } else { Field::Thinking };
        let place = path(self.request.from, field);
        let Some(nearest) = self.family.nearest(wish) else {
            if wish != Effort::None {
                self.losses.push(Loss::dropped_because(place, "the model does not think"));
            }
            return None;
        };
        if nearest != wish {
            self.losses.push(Loss::changed(place, "the nearest effort that the model has"));
        } else if thinking.effort.is_none() && thinking.budget.is_some() && wish != Effort::None {
            self.losses.push(Loss::changed(place, "the target knows efforts, not budgets"));
        }
        Some(nearest)
    }

    fn text(&mut self, o: &mut ObjectWriter<'_>) {
        let verbosity = self.verbosity();
        let (left, of_format) = (self.left("text."), self.left("text.format."));
        let left: Vec<_> = left.into_iter().filter(|(name, _)| !name.starts_with("format.")).collect();
        let (request, mut lost) = (self.request, Vec::new());
        if request.format.is_none() && verbosity.is_none() && left.is_empty() && of_format.is_empty() {
            return;
        }
        o.object("text", |o| {
            if request.format.is_some() || !of_format.is_empty() {
                o.object("format", |o| {
                    format(request, o, &mut lost);
                    for (name, json) in of_format {
                        o.json(name, json);
                    }
                });
            }
            o.some_text("verbosity", verbosity.as_deref());
            for (name, json) in left {
                o.json(name, json);
            }
        });
        self.losses.append(&mut lost);
    }

    /// How much to say; models that do not think take one word for it.
    fn verbosity(&mut self) -> Option<String> {
        let word = self.request.verbosity.as_deref()?;
        let plain = self.family.known && !self.family.thinks();
        let fits = if plain { word == "medium" } else { matches!(word, "low" | "medium" | "high") };
        if self.own() || fits {
            return Some(word.to_owned());
        }
        self.lose(Field::Verbosity);
        None
    }

    fn include(&mut self, o: &mut ObjectWriter<'_>) {
        let request = self.request;
        // Nobody but this dialect's clients can ask for it, and without it thinking is lost with the turn.
        let sealed = request.thinking.sealed || (!self.own() && self.family.thinks());
        let logprobs = request.sampling.logprobs == Some(true);
        let left = self.left("include[");
        if !sealed && !logprobs && left.is_empty() {
            return;
        }
        o.array("include", |a| {
            if sealed {
                a.text("reasoning.encrypted_content");
            }
            if logprobs {
                a.text("message.output_text.logprobs");
            }
            for (_, json) in left {
                a.json(json);
            }
        });
    }

    /// Whether a model that need not think will.
    fn thinks(&self) -> bool {
        let thinking = &self.request.thinking;
        match (thinking.on, thinking.effort) {
            (Some(false), _) | (_, Some(Effort::None)) => false,
            (Some(true), _) | (_, Some(_)) => true,
            (None, None) => thinking.budget.is_some() || thinking.adaptive || thinks_unasked(&self.request.model),
        }
    }

    fn sampling(&mut self, o: &mut ObjectWriter<'_>) {
        let request = self.request;
        let sampling = &request.sampling;
        let takes = self.own()
            || match self.family.sampling {
                Sampling::Always => true,
                Sampling::Unthinking => !self.thinks(),
                Sampling::Never => false,
            };
        let own = self.own();
        for (field, name, value) in [(Field::Temperature, "temperature", sampling.temperature), (Field::TopP, "top_p", sampling.top_p)] {
            match value {
                Some(_) if !takes => {
                    self.losses.push(Loss::dropped_because(path(request.from, field), "the model does not take it while it thinks"));
                }
                Some(value) if !own && name == "temperature" && value > 2.0 => {
                    self.losses.push(Loss::changed(path(request.from, field), "the most that the target takes is 2"));
                    o.number(name, 2.0);
                }
                Some(value) => {
                    o.number(name, value);
                }
                None => {}
            }
        }
        if let Some(top) = sampling.top_logprobs {
            o.unsigned("top_logprobs", top);
        }
        self.unsaid();
    }

    /// Options that this dialect has no words for.
    fn unsaid(&mut self) {
        let sampling = &self.request.sampling;
        let lost = [
            (sampling.top_k.is_some(), Field::TopK),
            (sampling.frequency_penalty.is_some_and(|value| value != 0.0), Field::FrequencyPenalty),
            (sampling.presence_penalty.is_some_and(|value| value != 0.0), Field::PresencePenalty),
            (sampling.seed.is_some(), Field::Seed),
            (!sampling.stop.is_empty(), Field::Stop),
            (sampling.logit_bias.is_some(), Field::LogitBias),
            (sampling.n.is_some_and(|n| n > 1), Field::N),
            (self.request.modalities.iter().any(|kind| !kind.eq_ignore_ascii_case("text")), Field::Modalities),
        ];
        for (_, field) in lost.into_iter().filter(|(is_lost, _)| *is_lost) {
            self.lose(field);
        }
        if self.request.cache.mark.is_some() {
            self.losses.push(Loss::dropped_because(path(self.request.from, Field::CacheMark), "the target caches prompts by itself"));
        }
    }

    fn limits(&mut self, o: &mut ObjectWriter<'_>) {
        let Some(most) = self.request.max_tokens else { return };
        let short = most < LEAST_TOKENS && !self.own();
        if short {
            self.losses.push(Loss::changed(path(self.request.from, Field::MaxTokens), "the least that the target takes is 16"));
        }
        o.unsigned("max_output_tokens", if short { LEAST_TOKENS } else { most });
    }

    fn caller(&mut self, o: &mut ObjectWriter<'_>) {
        let request = self.request;
        if let Some(user) = &request.user {
            let newer = request.rest.hinted("safety_identifier").is_some();
            let short = if self.own() { user.as_ref().into() } else { shortened(user, LONGEST_USER) };
            if short != *user {
                self.losses.push(Loss::changed(path(request.from, Field::User), "the target takes 64 characters"));
            }
            o.text(if newer { "safety_identifier" } else { "user" }, &short);
        }
        if let Some(metadata) = &request.metadata {
            o.raw("metadata", metadata);
        }
        match request.service_tier.as_deref() {
            None => {}
            Some(tier) if self.own() => {
                o.text("service_tier", tier);
            }
            Some(tier @ ("auto" | "default" | "flex" | "scale" | "priority")) => {
                o.text("service_tier", tier);
            }
            Some("standard_only" | "standard") => {
                o.text("service_tier", "default");
            }
            Some(_) => self.lose(Field::ServiceTier),
        }
        o.some_text("prompt_cache_key", request.cache.key.as_deref());
        o.some_text("prompt_cache_retention", request.cache.retention.as_deref());
    }

    fn state(&mut self, o: &mut ObjectWriter<'_>) {
        let state = &self.request.state;
        o.some_text("previous_response_id", state.previous.as_deref());
        if let Some(conversation) = &state.conversation {
            o.raw("conversation", conversation);
        }
        // Other dialects keep nothing unless they are asked to; this one would.
        if let Some(store) = state.store.or((!self.own()).then_some(false)) {
            o.bool("store", store);
        }
        if let Some(background) = state.background {
            o.bool("background", background);
        }
    }

    /// The members of a nested object that were kept under dotted names.
    fn left(&self, under: &str) -> Vec<(&str, &str)> {
        let rest = &self.request.rest;
        let own = rest.members.iter().filter(|_| rest.of == Some(OWN));
        own.filter_map(|(name, json)| Some((name.strip_prefix(under)?, json.get()))).collect()
    }

    fn rest(&mut self, o: &mut ObjectWriter<'_>) {
        let rest = &self.request.rest;
        if rest.of != Some(Dialect::Responses) {
            rest.lose(String::new, self.losses);
            return;
        }
        let nested = |name: &str| ["reasoning.", "text.", "include["].iter().any(|under| name.starts_with(under));
        for (name, json) in rest.members.iter().filter(|(name, _)| !nested(name)) {
            o.raw(name, json);
        }
    }
}

/// `text.format`.
fn format(request: &Request<'_>, o: &mut ObjectWriter<'_>, losses: &mut Vec<Loss>) {
    match &request.format {
        None => {}
        Some(Format::Text) => {
            o.text("type", "text");
        }
        Some(Format::Json) => {
            o.text("type", "json_object");
        }
        Some(Format::Schema { name, description, schema, strict }) => {
            let name = name.as_deref().filter(|name| !name.is_empty()).unwrap_or("answer");
            let fit = fitted(name, OWN);
            o.text("type", "json_schema").text("name", fit.as_deref().unwrap_or(name)).some_text("description", description.as_deref());
            let schema = schema::json(schema);
            o.json("schema", &schema);
            if let Some(strict) = strict::kept(*strict, request.from, &schema, || path(request.from, Field::Format).to_owned(), losses) {
                o.bool("strict", strict);
            }
        }
    }
}
