//! Log probabilities of tokens.

use std::borrow::Cow;

use super::super::canon::Logprob;
use crate::protocol::json::{ArrayWriter, Fields, Node, ObjectWriter};

/// Takes the tokens of `content`; what is no token is passed over.
pub(super) fn lift<'a>(logprobs: &mut Fields<'a>) -> Vec<Logprob<'a>> {
    tokens(logprobs.array("content").ok().flatten().unwrap_or_default())
}

fn tokens(nodes: Vec<Node<'_>>) -> Vec<Logprob<'_>> {
    nodes.into_iter().filter_map(token).collect()
}

fn token(node: Node<'_>) -> Option<Logprob<'_>> {
    let mut fields = node.object()?;
    Some(Logprob {
        token: fields.text("token").ok()??,
        logprob: fields.number("logprob").ok()??,
        bytes: fields.some("bytes").map(|bytes| Cow::Borrowed(bytes.raw())),
        top: tokens(fields.array("top_logprobs").ok().flatten().unwrap_or_default()),
    })
}

/// Writes the member `logprobs`: an object, or `null` where there are none.
pub(super) fn write(all: &[Logprob<'_>], choice: &mut ObjectWriter<'_>) {
    if all.is_empty() {
        choice.null("logprobs");
        return;
    }
    choice.object("logprobs", |logprobs| {
        logprobs.array("content", |list| write_tokens(all, Depth::Chosen, list)).null("refusal");
    });
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Depth {
    Chosen,
    Others,
}

fn write_tokens(all: &[Logprob<'_>], depth: Depth, list: &mut ArrayWriter<'_>) {
    for one in all {
        list.object(|token| {
            token.text("token", &one.token).number("logprob", one.logprob);
            match &one.bytes {
                Some(bytes) => token.raw("bytes", bytes),
                None => token.null("bytes"),
            };
            if depth == Depth::Chosen {
                token.array("top_logprobs", |list| write_tokens(&one.top, Depth::Others, list));
            }
        });
    }
}
