//! The operator's rules on a call: on what the provider is sent, in its own dialect, and on what it answers.

use std::{
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, header::CONTENT_LENGTH};
use http_body::Frame;

use super::{error::GatewayError, resolve::Resolved};
use crate::{
    channel::Payload,
    process::{RequestRules, ResponseRules, RuleBook, RuleScope},
    protocol::{frame::sse::Splitter, peek::Peek, splice::Document},
    runtime::{Body, BodyFault, Reply},
    usage::Shape,
};

/// The largest whole answer that rules look into, in bytes.
const ANSWER: u64 = 64 << 20;

/// The rules that fit a call.
#[derive(Debug, Default)]
pub(super) struct Fitting<'b> {
    request: Option<RequestRules<'b>>,
    pub(super) response: Option<ResponseRules>,
}

impl<'b> Fitting<'b> {
    /// Finds them, before the call is turned into its provider's dialect: filters look at the client's own headers.
    pub(super) fn find(book: &'b RuleBook, call: &Resolved) -> Self {
        if book.is_empty() {
            return Self::default();
        }
        let scope = RuleScope {
            operation: call.target.operation(),
            kind: call.target.kind(),
            inbound_model: &call.model,
            upstream_model: &call.model,
            headers: &call.call.call.inbound.headers,
        };
        Self { request: book.request(&scope), response: book.response(&scope) }
    }

    /// Applies them to what the provider is sent.
    ///
    /// # Errors
    /// A rule left a body that is no JSON object any more.
    pub(super) fn apply(&self, payload: &mut Payload, headers: &mut HeaderMap) -> Result<(), GatewayError> {
        let Some(rules) = &self.request else { return Ok(()) };
        let body = if rules.wants_body() { payload.json() } else { Bytes::new() };
        let outcome = rules.apply(body.clone(), headers);
        if !body.is_empty() && outcome.body != body {
            let peek = Peek::scan(&outcome.body)?;
            *payload = Payload::Json(Document::new(outcome.body, peek));
        }
        Ok(())
    }
}

/// Lets rules see an answer before anybody else does.
pub(super) async fn ruled(mut reply: Reply, rules: Option<ResponseRules>, shape: Shape) -> Result<Reply, GatewayError> {
    let Some(mut rules) = rules.filter(|_| reply.status.is_success()) else { return Ok(reply) };
    reply.headers.remove(CONTENT_LENGTH);
    reply.body = match shape {
        Shape::Sse => Body::stream(Ruled {
            body: reply.body,
            splitter: Splitter::default(),
            rules,
            ready: VecDeque::new(),
            seen: Vec::new(),
            base: 0,
        }),
        Shape::Whole => Body::from(rules.apply(reply.body.collect(ANSWER).await?)),
        // Google's array passes unruled: its providers are asked for events.
        Shape::Ndjson | Shape::JsonArray => reply.body,
    };
    Ok(reply)
}

/// A stream whose events pass the rules one by one. What they leave alone passes byte for byte.
struct Ruled {
    body: Body,
    splitter: Splitter,
    rules: ResponseRules,
    ready: VecDeque<Bytes>,
    /// Bytes that belong to no finished event yet, and where they begin in the stream.
    seen: Vec<u8>,
    base: u64,
}

impl Ruled {
    fn pass(&mut self, chunk: &[u8]) -> Result<(), BodyFault> {
        self.seen.extend_from_slice(chunk);
        let Self { splitter, rules, ready, seen, base, .. } = self;
        let mut done = *base;
        let mut out = Vec::new();
        splitter
            .push(chunk, &mut |event| {
                let data = Bytes::copy_from_slice(event.data);
                let ruled = rules.apply(data.clone());
                let place = |at: u64| usize::try_from(at - *base).unwrap_or(usize::MAX).min(seen.len());
                if ruled == data {
                    out.extend_from_slice(&seen[place(done)..place(event.raw.end)]);
                } else {
                    out.extend_from_slice(&seen[place(done)..place(event.raw.start)]);
                    if !event.name.is_empty() {
                        out.extend_from_slice(&[b"event: ", event.name, b"\n"].concat());
                    }
                    out.extend_from_slice(&[b"data: ", &*ruled, b"\n\n"].concat());
                }
                done = event.raw.end;
            })
            .map_err(|fault| BodyFault::Broken(fault.into()))?;
        let passed = usize::try_from(done - *base).unwrap_or(0).min(seen.len());
        seen.drain(..passed);
        *base = done;
        if !out.is_empty() {
            ready.push_back(out.into());
        }
        Ok(())
    }
}

impl http_body::Body for Ruled {
    type Data = Bytes;
    type Error = BodyFault;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        let this = self.get_mut();
        loop {
            if let Some(piece) = this.ready.pop_front() {
                return Poll::Ready(Some(Ok(Frame::data(piece))));
            }
            match std::task::ready!(Pin::new(&mut this.body).poll_data(cx)) {
                Some(Ok(chunk)) => {
                    if let Err(fault) = this.pass(&chunk) {
                        return Poll::Ready(Some(Err(fault)));
                    }
                }
                Some(Err(fault)) => return Poll::Ready(Some(Err(fault))),
                None if this.seen.is_empty() => return Poll::Ready(None),
                None => this.ready.push_back(std::mem::take(&mut this.seen).into()),
            }
        }
    }
}
