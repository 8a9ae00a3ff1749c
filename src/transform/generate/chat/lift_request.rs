//! A request out of its body.

use std::borrow::Cow;

use super::{
    super::{
        Dialect,
        canon::{CacheWish, Effort, Format, Request, Rest, Sampling, Schema, State, Text, Thinking},
        spoke::Asked,
    },
    leftovers::{keep, put_back},
    lift_messages, lift_tools,
};
use crate::{
    protocol::json::{Fields, Node, Shape, WrongShape},
    transform::Refused,
};

/// Reads a request.
pub(super) fn lift<'a>(body: Node<'a>, asked: Asked<'a>) -> Result<Request<'a>, Refused> {
    let mut fields = body.members()?;
    let mut rest = Rest::default();
    fields.take("model");
    fields.take("stream");
    let turns = lift_messages::lift(&mut fields)?;
    let tools = lift_tools::tools(&mut fields)?;
    let request = Request {
        from: Dialect::Chat,
        model: asked.model.into(),
        streams: asked.streams,
        instructions: Vec::new(),
        turns,
        tools,
        tool_choice: lift_tools::choice(&mut fields)?,
        parallel_calls: fields.bool("parallel_tool_calls")?,
        format: format(&mut fields, &mut rest)?,
        thinking: thinking(&mut fields, &mut rest)?,
        sampling: sampling(&mut fields)?,
        max_tokens: max_tokens(&mut fields)?,
        cache: CacheWish {
            key: fields.text("prompt_cache_key")?,
            retention: fields.text("prompt_cache_retention")?,
            ..CacheWish::default()
        },
        state: State { store: fields.bool("store")?, ..State::default() },
        user: user(&mut fields)?,
        metadata: fields.some("metadata").map(|node| Cow::Borrowed(node.raw())),
        service_tier: fields.text("service_tier")?,
        verbosity: fields.text("verbosity")?,
        modalities: modalities(&mut fields)?,
        include_usage: include_usage(&mut fields, &mut rest)?,
        rest: Rest::default(),
    };
    let outer = Rest::of(Dialect::Chat, fields);
    rest.join(outer);
    Ok(Request { rest, ..request })
}

fn format<'a>(fields: &mut Fields<'a>, rest: &mut Rest<'a>) -> Result<Option<Format<'a>>, WrongShape> {
    let Some(node) = fields.some("response_format") else { return Ok(None) };
    let mut outer = node.members().map_err(|fault| fault.under("response_format"))?;
    let kind = outer.required_text("type").map_err(|fault| fault.under("response_format"))?;
    let format = match &*kind {
        "text" => Format::Text,
        "json_object" => Format::Json,
        "json_schema" => schema(&mut outer, rest).map_err(|fault| fault.under("response_format"))?,
        _ => {
            put_back(rest, "response_format", node);
            return Ok(None);
        }
    };
    keep(rest, "response_format", outer);
    Ok(Some(format))
}

fn schema<'a>(outer: &mut Fields<'a>, rest: &mut Rest<'a>) -> Result<Format<'a>, WrongShape> {
    let mut inner = outer.object("json_schema")?.ok_or_else(|| WrongShape::missing("json_schema", "an object"))?;
    let read = |fault: WrongShape| fault.under("json_schema");
    let (name, description) = (inner.text("name").map_err(read)?, inner.text("description").map_err(read)?);
    let strict = inner.bool("strict").map_err(read)?;
    let schema = inner.some("schema");
    keep(rest, "response_format.json_schema", inner);
    // Without a schema any object will do.
    Ok(schema.map_or(Format::Json, |schema| Format::Schema {
        name,
        description,
        schema: Schema::Json(Cow::Borrowed(schema.raw())),
        strict,
    }))
}

/// OpenAI's `reasoning_effort`, OpenRouter's `reasoning`, the `thinking` of DeepSeek and others, Qwen's `enable_thinking`.
fn thinking<'a>(fields: &mut Fields<'a>, rest: &mut Rest<'a>) -> Result<Thinking<'a>, WrongShape> {
    let mut thinking = Thinking::default();
    if let Some(node) = fields.some("reasoning_effort") {
        thinking.effort = node.text().and_then(|word| Effort::parse(&word));
        if thinking.effort.is_none() {
            put_back(rest, "reasoning_effort", node);
        }
    }
    if let Some(mut reasoning) = fields.object("reasoning")? {
        let word = reasoning.text("effort").map_err(|fault| fault.under("reasoning"))?;
        thinking.effort = thinking.effort.or(word.and_then(|word| Effort::parse(&word)));
        thinking.budget = reasoning.unsigned("max_tokens").map_err(|fault| fault.under("reasoning"))?;
        thinking.on = reasoning.bool("enabled").map_err(|fault| fault.under("reasoning"))?;
        thinking.shown = reasoning.bool("exclude").map_err(|fault| fault.under("reasoning"))?.map(|exclude| !exclude);
        keep(rest, "reasoning", reasoning);
    }
    if let Some(mut switch) = fields.object("thinking")? {
        let kind = switch.text("type").map_err(|fault| fault.under("thinking"))?;
        thinking.on = kind.as_deref().map(|kind| kind != "disabled");
        thinking.adaptive = kind.as_deref() == Some("adaptive");
        thinking.budget = switch.unsigned("budget_tokens").map_err(|fault| fault.under("thinking"))?.or(thinking.budget);
        keep(rest, "thinking", switch);
    }
    thinking.on = fields.bool("enable_thinking")?.or(thinking.on);
    thinking.budget = fields.unsigned("thinking_budget")?.or(thinking.budget);
    if thinking.effort.is_none() && thinking.budget == Some(0) {
        thinking.on = Some(false);
    }
    if thinking.effort == Some(Effort::None) {
        thinking.on = Some(false);
    }
    Ok(thinking)
}

fn sampling<'a>(fields: &mut Fields<'a>) -> Result<Sampling<'a>, WrongShape> {
    Ok(Sampling {
        temperature: fields.number("temperature")?,
        top_p: fields.number("top_p")?,
        top_k: fields.number("top_k")?,
        frequency_penalty: fields.number("frequency_penalty")?,
        presence_penalty: fields.number("presence_penalty")?,
        seed: fields.signed("seed")?,
        stop: stop(fields)?,
        logprobs: fields.bool("logprobs")?,
        top_logprobs: fields.unsigned("top_logprobs")?,
        logit_bias: fields.some("logit_bias").map(|node| Cow::Borrowed(node.raw())),
        n: fields.unsigned("n")?,
    })
}

fn stop<'a>(fields: &mut Fields<'a>) -> Result<Vec<Text<'a>>, WrongShape> {
    let Some(node) = fields.some("stop") else { return Ok(Vec::new()) };
    match node.shape() {
        Shape::Text => Ok(node.text().into_iter().collect()),
        Shape::Array => texts(node, "stop"),
        Shape::Null | Shape::Bool | Shape::Number | Shape::Object => Err(node.wrong("stop", "a string or an array of strings")),
    }
}

fn texts<'a>(node: Node<'a>, name: &str) -> Result<Vec<Text<'a>>, WrongShape> {
    let elements = node.array().unwrap_or_default().into_iter().enumerate();
    elements.map(|(at, element)| element.text().ok_or_else(|| element.wrong("", "a string").at(at).under(name))).collect()
}

/// The newer word first; where both are said the older one is kept as it is.
fn max_tokens(fields: &mut Fields<'_>) -> Result<Option<u64>, WrongShape> {
    match fields.unsigned("max_completion_tokens")? {
        Some(most) => Ok(Some(most)),
        None => fields.unsigned("max_tokens"),
    }
}

/// The older word first; where both are said the newer one is kept as it is.
fn user<'a>(fields: &mut Fields<'a>) -> Result<Option<Text<'a>>, WrongShape> {
    match fields.text("user")? {
        Some(user) => Ok(Some(user)),
        None => fields.text("safety_identifier"),
    }
}

fn modalities<'a>(fields: &mut Fields<'a>) -> Result<Vec<Text<'a>>, WrongShape> {
    let Some(node) = fields.some("modalities") else { return Ok(Vec::new()) };
    if node.shape() != Shape::Array {
        return Err(node.wrong("modalities", "an array of strings"));
    }
    Ok(texts(node, "modalities")?.into_iter().filter(|kind| kind != "text").collect())
}

fn include_usage<'a>(fields: &mut Fields<'a>, rest: &mut Rest<'a>) -> Result<Option<bool>, WrongShape> {
    let Some(mut options) = fields.object("stream_options")? else { return Ok(None) };
    let include = options.bool("include_usage").map_err(|fault| fault.under("stream_options"))?;
    keep(rest, "stream_options", options);
    Ok(include)
}
