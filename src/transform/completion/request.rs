//! A legacy request out of its body, into a dialect's.

use std::borrow::Cow;

use crate::{
    protocol::json::{Fields, Node, Shape, WrongShape},
    transform::{
        Loss, Refused,
        generate::{
            Asked, Dialect, Target,
            canon::{Block, CacheWish, Part, Request, Rest, Role, Sampling, State, Text, Thinking, Turn},
            spoke::spoke,
        },
    },
};

/// How a model that is talked to is asked to fill a gap.
const BETWEEN: &str = "The user gives you the beginning of a text. Write only what belongs between it and the following ending. \
    Repeat neither the beginning nor the ending, and explain nothing. The ending:\n\n";

/// A request for a text completion.
#[derive(Debug)]
pub struct Prompted<'a> {
    request: Request<'a>,
    echo: bool,
    prompt: Text<'a>,
    /// Losses that no dialect can help: they are told whatever the target.
    losses: Vec<Loss>,
}

impl<'a> Prompted<'a> {
    /// Reads the body of `/v1/completions`.
    ///
    /// # Errors
    /// It is not what OpenAI says, or its prompt is not one text.
    pub fn read(body: Node<'a>, asked: Asked<'a>) -> Result<Self, Refused> {
        let mut fields = body.members()?;
        for known in ["model", "stream"] {
            fields.take(known);
        }
        let prompt = prompt(&mut fields)?;
        let mut losses = Vec::new();
        let suffix = fields.text("suffix")?.filter(|suffix| !suffix.is_empty());
        if suffix.is_some() {
            losses.push(Loss::changed("suffix", "the model is asked in words to write what stands before it"));
        }
        let echo = fields.bool("echo")?.unwrap_or(false);
        let sampling = sampling(&mut fields, &mut losses)?;
        if echo && sampling.logprobs == Some(true) {
            losses.push(Loss::changed("logprobs", "told of the completion only, not of the prompt"));
        }
        let max_tokens = fields.unsigned("max_tokens")?;
        let include_usage = match fields.object("stream_options")? {
            Some(mut options) => options.bool("include_usage").map_err(|fault| fault.under("stream_options"))?,
            None => None,
        };
        let user = fields.text("user")?;
        let words = |text: Text<'a>| Block {
            part: Part::Text { text, citations: Vec::new() },
            cache: None,
            seal: None,
            at: 0,
            rest: Rest::default(),
        };
        let turn = Turn { role: Role::User, blocks: vec![words(prompt.clone())], at: 0, id: None, name: None, rest: Rest::default() };
        let request = Request {
            from: Dialect::Chat,
            model: Cow::Borrowed(asked.model),
            streams: asked.streams,
            instructions: suffix.map(|suffix| words(Cow::Owned(format!("{BETWEEN}{suffix}")))).into_iter().collect(),
            turns: vec![turn],
            tools: Vec::new(),
            tool_choice: None,
            parallel_calls: None,
            format: None,
            thinking: Thinking::default(),
            sampling,
            max_tokens,
            cache: CacheWish::default(),
            state: State::default(),
            user,
            metadata: None,
            service_tier: None,
            verbosity: None,
            modalities: Vec::new(),
            include_usage,
            // Providers beyond OpenAI take the same further members on both of its old calls.
            rest: Rest::of(Dialect::Chat, fields),
        };
        Ok(Self { request, echo, prompt, losses })
    }

    /// The body of a dialect's call.
    ///
    /// # Errors
    /// The dialect has no form for it.
    pub fn written(&self, to: Dialect, target: Target, losses: &mut Vec<Loss>) -> Result<Vec<u8>, Refused> {
        losses.extend(self.losses.iter().cloned());
        let before = losses.len();
        let body = spoke(to).lower_request(&self.request, target, losses)?;
        // The canon speaks of a Chat request; the caller wrote an older one.
        for loss in &mut losses[before..] {
            if loss.path == "max_completion_tokens" {
                "max_tokens".clone_into(&mut loss.path);
            } else if loss.path == "top_logprobs" {
                "logprobs".clone_into(&mut loss.path);
            } else if loss.path.starts_with("messages") {
                "prompt".clone_into(&mut loss.path);
            }
        }
        Ok(body)
    }

    /// The prompt, where the caller wants it before its completion.
    #[must_use]
    pub fn echo(&self) -> Option<&str> {
        self.echo.then_some(&*self.prompt)
    }

    /// Whether a stream shall end with usage.
    #[must_use]
    pub fn include_usage(&self) -> bool {
        self.request.include_usage == Some(true)
    }

    /// The canonical form.
    #[cfg(test)]
    pub(super) fn request(&self) -> &Request<'a> {
        &self.request
    }
}

/// The one text of the prompt.
fn prompt<'a>(fields: &mut Fields<'a>) -> Result<Text<'a>, Refused> {
    let given = fields.some("prompt").ok_or_else(|| WrongShape::missing("prompt", "a string"))?;
    let (text, at) = match given.array().as_deref() {
        None => (given, "prompt".to_owned()),
        Some([only]) => (*only, "prompt[0]".to_owned()),
        Some([]) => return Err(WrongShape::new("prompt", "an empty array", "a string").into()),
        Some([first, ..]) if first.shape() == Shape::Number => (*first, "prompt".to_owned()),
        Some(_) => return Err(Refused::impossible("prompt", "it holds several prompts; send one request for each")),
    };
    match text.shape() {
        Shape::Number | Shape::Array => {
            Err(Refused::impossible(at, "it is given as token ids, which only their own provider can read; send text"))
        }
        Shape::Text => text.text().filter(|text| !text.is_empty()).ok_or_else(|| WrongShape::new(at, "an empty string", "a prompt").into()),
        Shape::Null | Shape::Bool | Shape::Object => Err(text.wrong(&at, "a string").into()),
    }
}

fn sampling<'a>(fields: &mut Fields<'a>, losses: &mut Vec<Loss>) -> Result<Sampling<'a>, WrongShape> {
    let n = fields.unsigned("n")?;
    if fields.unsigned("best_of")?.is_some_and(|best_of| best_of > n.unwrap_or(1)) {
        losses.push(Loss::dropped_because("best_of", "only the completions that are given are made"));
    }
    // The number is that of the likeliest tokens in each place; 0 asks for the chosen ones alone.
    let likeliest = fields.unsigned("logprobs")?;
    Ok(Sampling {
        temperature: fields.number("temperature")?,
        top_p: fields.number("top_p")?,
        frequency_penalty: fields.number("frequency_penalty")?,
        presence_penalty: fields.number("presence_penalty")?,
        seed: fields.signed("seed")?,
        stop: stop(fields)?,
        logprobs: likeliest.map(|_| true),
        top_logprobs: likeliest.filter(|likeliest| *likeliest > 0),
        logit_bias: fields.some("logit_bias").map(|bias| Cow::Borrowed(bias.raw())),
        n,
        ..Sampling::default()
    })
}

fn stop<'a>(fields: &mut Fields<'a>) -> Result<Vec<Text<'a>>, WrongShape> {
    let Some(stop) = fields.some("stop") else { return Ok(Vec::new()) };
    if let Some(text) = stop.text() {
        return Ok(vec![text]);
    }
    let all = stop.array().ok_or_else(|| stop.wrong("stop", "a string or an array of strings"))?;
    let text = |(at, node): (usize, Node<'a>)| node.text().ok_or_else(|| node.wrong("", "a string").at(at).under("stop"));
    all.into_iter().enumerate().map(text).collect()
}
