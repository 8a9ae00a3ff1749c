//! `generationConfig`, read.

use std::borrow::Cow;

use super::{
    super::{
        Dialect,
        canon::{Format, Request, Rest, Schema, Text, Thinking},
    },
    fields,
    lift_part::leftover,
    models,
};
use crate::protocol::json::{Fields, WrongShape};

/// Takes what the canonical form knows into `request`; the rest goes to `left`.
pub(super) fn lift<'a>(mut members: Fields<'a>, request: &mut Request<'a>, left: &mut Rest<'a>) -> Result<(), WrongShape> {
    let config = &mut members;
    request.max_tokens = fields::count(config, "maxOutputTokens")?;
    let sampling = &mut request.sampling;
    sampling.temperature = fields::number(config, "temperature")?;
    sampling.top_p = fields::number(config, "topP")?;
    sampling.top_k = fields::number(config, "topK")?;
    sampling.frequency_penalty = fields::number(config, "frequencyPenalty")?;
    sampling.presence_penalty = fields::number(config, "presencePenalty")?;
    sampling.seed = fields::whole(config, "seed")?;
    sampling.stop = fields::texts(config, "stopSequences")?;
    sampling.logprobs = fields::flag(config, "responseLogprobs")?;
    sampling.top_logprobs = fields::count(config, "logprobs")?;
    sampling.n = fields::count(config, "candidateCount")?;
    request.format = format(config)?;
    request.modalities = modalities(config, left)?;
    if let Some(thinking) = fields::object(config, "thinkingConfig")? {
        request.thinking = self::thinking(thinking, left).map_err(|fault| fault.under("thinkingConfig"))?;
    }
    leftover("generationConfig", members, left);
    Ok(())
}

fn format<'a>(config: &mut Fields<'a>) -> Result<Option<Format<'a>>, WrongShape> {
    // Choosing one of several words has no canonical form: it is left whole.
    if config.peek_text("responseMimeType").or_else(|| config.peek_text("response_mime_type")).as_deref() == Some("text/x.enum") {
        return Ok(None);
    }
    let mime = fields::text(config, "responseMimeType")?;
    let schema = match fields::take(config, "responseJsonSchema") {
        Some(schema) => Some(Schema::Json(Cow::Borrowed(schema.raw()))),
        None => fields::take(config, "responseSchema").map(|schema| Schema::Google(Cow::Borrowed(schema.raw()))),
    };
    Ok(match (schema, mime.as_deref()) {
        (Some(schema), _) => Some(Format::Schema { name: None, description: None, schema, strict: None }),
        (None, Some("application/json")) => Some(Format::Json),
        (None, Some(_)) => Some(Format::Text),
        (None, None) => None,
    })
}

/// Kinds of output beyond words. That words are wanted too goes without saying; that they are not is left whole.
fn modalities<'a>(config: &mut Fields<'a>, left: &mut Rest<'a>) -> Result<Vec<Text<'a>>, WrongShape> {
    let node = fields::peek(config, "responseModalities");
    let all = fields::texts(config, "responseModalities")?;
    let is = |word: &Text<'a>, kind: &str| word.eq_ignore_ascii_case(kind);
    if let Some(node) = node.filter(|_| all.iter().any(|word| is(word, "IMAGE")) && !all.iter().any(|word| is(word, "TEXT"))) {
        left.of = Some(Dialect::Gemini);
        left.inner.push(("generationConfig", Cow::Borrowed("responseModalities"), Cow::Borrowed(node.raw())));
    }
    Ok(all.into_iter().filter(|word| !is(word, "TEXT")).map(|word| Cow::Owned(word.to_ascii_lowercase())).collect())
}

fn thinking<'a>(mut config: Fields<'a>, left: &mut Rest<'a>) -> Result<Thinking<'a>, WrongShape> {
    let mut thinking = Thinking { shown: fields::flag(&mut config, "includeThoughts")?, ..Thinking::default() };
    match fields::whole(&mut config, "thinkingBudget")? {
        Some(0) => (thinking.on, thinking.budget) = (Some(false), Some(0)),
        Some(budget @ 1..) => (thinking.on, thinking.budget) = (Some(true), Some(budget.unsigned_abs())),
        Some(_) => (thinking.on, thinking.adaptive) = (Some(true), true),
        None => {}
    }
    // A level of tomorrow is left whole.
    let level = fields::peek(&config, "thinkingLevel").and_then(crate::protocol::json::Node::text);
    if let Some(effort) = level.and_then(|level| models::effort(&level)) {
        fields::take(&mut config, "thinkingLevel");
        (thinking.on, thinking.effort) = (Some(true), Some(effort));
    }
    leftover("generationConfig.thinkingConfig", config, left);
    Ok(thinking)
}
