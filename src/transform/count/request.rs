//! A request for a count out of one family's shape, into another's.

use crate::{
    protocol::{
        Family,
        json::{Node, ObjectWriter, WrongShape, object},
    },
    transform::{
        Loss, Refused,
        generate::{
            Asked, Dialect, Target,
            canon::{Request, Sampling, Thinking},
            disguise,
            spoke::spoke,
        },
    },
};

/// Google's member for what is more than `contents`.
const WHOLE: &str = "generateContentRequest";

/// A request for a count.
#[derive(Debug)]
pub struct Counting<'a> {
    request: Request<'a>,
    /// What stands around it in the sender's body; empty where nothing does.
    within: &'static str,
}

impl<'a> Counting<'a> {
    /// Reads the body of a family's count. Summaries of ours in an OpenAI body are [opened](crate::transform::compact::opened) already.
    ///
    /// # Errors
    /// It is not what its family says.
    pub fn read(family: Family, body: Node<'a>, model: &'a str) -> Result<Self, Refused> {
        let whole = if family == Family::Gemini { body.members()?.some(WHOLE) } else { None };
        let within = if whole.is_some() { WHOLE } else { "" };
        let asked = Asked { model, streams: false, goes_on_from: None };
        let lifted = spoke(dialect(family)).lift_request(whole.unwrap_or(body), asked);
        Ok(Self { request: counted(lifted.map_err(|fault| placed(fault, within))?), within })
    }

    /// The body of another family's count.
    ///
    /// # Errors
    /// The family has no form for it.
    pub fn written(mut self, to: Family, losses: &mut Vec<Loss>) -> Result<Vec<u8>, Refused> {
        let before = losses.len();
        disguise::put_on(&mut self.request, dialect(to), losses);
        let lowered = spoke(dialect(to)).lower_request(&self.request, Target::default(), losses);
        if !self.within.is_empty() {
            for loss in &mut losses[before..] {
                loss.path = format!("{}.{}", self.within, loss.path);
            }
        }
        Ok(trimmed(to, &lowered.map_err(|fault| placed(fault, self.within))?, &self.request.model)?)
    }

    /// The canonical form.
    #[cfg(test)]
    pub(super) fn request(&self) -> &Request<'a> {
        &self.request
    }

    #[cfg(test)]
    pub(super) fn of(request: Request<'a>) -> Self {
        Self { request: counted(request), within: "" }
    }
}

/// The dialect in which a family counts.
const fn dialect(family: Family) -> Dialect {
    match family {
        Family::OpenAi => Dialect::Responses,
        Family::Claude => Dialect::Claude,
        Family::Gemini => Dialect::Gemini,
    }
}

/// Only what makes the prompt longer or shorter.
fn counted(mut request: Request<'_>) -> Request<'_> {
    request.streams = false;
    request.thinking = Thinking::default();
    request.sampling = Sampling::default();
    request.max_tokens = None;
    request.user = None;
    request.metadata = None;
    request.service_tier = None;
    request.verbosity = None;
    request.modalities.clear();
    request.include_usage = None;
    request.state.store = None;
    request.state.background = None;
    request
}

fn placed(fault: Refused, within: &str) -> Refused {
    match fault {
        fault if within.is_empty() => fault,
        Refused::Shape(fault) => Refused::Shape(fault.under(within)),
        Refused::Impossible { path, why } => Refused::Impossible { path: format!("{within}.{path}"), why },
    }
}

/// A request for content as the count takes it.
pub(super) fn trimmed(to: Family, body: &[u8], model: &str) -> Result<Vec<u8>, WrongShape> {
    let members = Node::parse(body)?.members()?.rest();
    let mut out = Vec::with_capacity(body.len() + 64);
    let write = |o: &mut ObjectWriter<'_>| {
        for (name, value) in &members {
            if is_counted(to, name) {
                o.raw(name, value.raw());
            }
        }
    };
    let plain = members.iter().all(|(name, _)| name == "contents" || !is_counted(to, name));
    object(&mut out, |o| match to {
        Family::OpenAi | Family::Claude => write(o),
        Family::Gemini if plain => write(o),
        Family::Gemini => {
            o.object(WHOLE, |o| {
                o.text("model", &if model.contains('/') { model.to_owned() } else { format!("models/{model}") });
                write(o);
            });
        }
    });
    Ok(out)
}

/// Whether a family's count takes a member of its request for content. The others are refused, or are of no meaning there.
fn is_counted(family: Family, name: &str) -> bool {
    match family {
        Family::OpenAi => matches!(
            name,
            "model"
                | "input"
                | "instructions"
                | "tools"
                | "tool_choice"
                | "parallel_tool_calls"
                | "text"
                | "truncation"
                | "previous_response_id"
                | "conversation"
        ),
        Family::Claude => {
            matches!(name, "model" | "messages" | "system" | "tools" | "tool_choice" | "output_config" | "cache_control" | "mcp_servers")
        }
        Family::Gemini => matches!(name, "contents" | "systemInstruction" | "tools" | "toolConfig" | "cachedContent" | "generationConfig"),
    }
}
