//! How many tokens a prompt has, between the three families, and from a count of our own.
//!
//! A count's request is a request for content without the wishes for its answer: it is lifted by the family's dialect and
//! lowered by the other's. What does not change the length of a prompt (sampling, limits, streams) is left out without a
//! loss, since the figure is the same.

mod request;

#[cfg(test)]
mod tests;

use crate::protocol::{
    Family,
    json::{Fields, Node, WrongShape, object},
};

pub use request::Counting;

/// How a figure was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Origin {
    /// The provider, or the model's own tokenizer, counted.
    #[default]
    Counted,
    /// It is near the truth, and says so.
    Estimated,
}

/// A count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Tokens of the prompt.
    pub tokens: u64,
    /// How many of them a cache holds, where the provider tells (Google).
    pub cached: Option<u64>,
    /// How the figure was found.
    pub origin: Origin,
}

impl Count {
    /// A count of our own.
    #[must_use]
    pub const fn local(tokens: u64, origin: Origin) -> Self {
        Self { tokens, cached: None, origin }
    }

    /// Reads a provider's answer.
    ///
    /// # Errors
    /// It holds no count.
    pub fn read(family: Family, body: Node<'_>) -> Result<Self, WrongShape> {
        let mut fields = body.members()?;
        let (name, cached) = match family {
            Family::OpenAi | Family::Claude => ("input_tokens", None),
            Family::Gemini => ("totalTokens", fields.unsigned("cachedContentTokenCount")?),
        };
        let tokens = match fields.unsigned(name)? {
            Some(tokens) => tokens,
            // Google leaves out what is zero.
            None if family == Family::Gemini && !is_error(&fields) => 0,
            None => return Err(WrongShape::missing(name, "a number of tokens")),
        };
        let origin = if fields.bool("gproxy_estimated")? == Some(true) { Origin::Estimated } else { Origin::Counted };
        Ok(Self { tokens, cached, origin })
    }

    /// The body of an answer. An estimate has a member more that says so; clients pass over members that they do not know.
    #[must_use]
    pub fn written(&self, family: Family) -> Vec<u8> {
        let mut out = Vec::with_capacity(96);
        object(&mut out, |o| {
            match family {
                Family::OpenAi => o.text("object", "response.input_tokens").unsigned("input_tokens", self.tokens),
                Family::Claude => o.unsigned("input_tokens", self.tokens),
                Family::Gemini => o.unsigned("totalTokens", self.tokens),
            };
            if let (Family::Gemini, Some(cached)) = (family, self.cached) {
                o.unsigned("cachedContentTokenCount", cached);
            }
            if self.origin == Origin::Estimated {
                o.bool("gproxy_estimated", true);
            }
        });
        out
    }
}

fn is_error(fields: &Fields<'_>) -> bool {
    fields.peek("error").is_some()
}

/// An answer of one family in another's shape.
///
/// # Errors
/// The body holds no count.
pub fn answer(body: &[u8], from: Family, to: Family) -> Result<Vec<u8>, WrongShape> {
    Ok(Count::read(from, Node::parse(body)?)?.written(to))
}
