//! The operator's rules on a call: on what the provider is sent, in its own dialect, and on what it answers.

use std::{
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, header::CONTENT_LENGTH};
use http_body::Frame;

use super::{aim::Aimed, error::GatewayError};
use crate::{
    channel::Payload,
    process::{Applied, RequestRules, ResponseRules, RuleBook, RuleScope},
    protocol::{
        frame::{Framing, json_array, ndjson, sse},
        peek::Peek,
        splice::Document,
    },
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
    pub(super) fn find(book: &'b RuleBook, call: &Aimed, client: &HeaderMap) -> Self {
        if book.is_empty() {
            return Self::default();
        }
        let scope = RuleScope {
            operation: call.key.operation(),
            kind: call.key.kind(),
            inbound_model: &call.inbound,
            upstream_model: &call.model,
            headers: client,
        };
        Self { request: book.request(&scope), response: book.response(&scope) }
    }

    /// Applies them to what the provider is sent; tells which changed something.
    ///
    /// # Errors
    /// A rule left a body that is no JSON object any more.
    pub(super) fn apply(&self, payload: &mut Payload, headers: &mut HeaderMap) -> Result<Vec<Applied>, GatewayError> {
        let Some(rules) = &self.request else { return Ok(Vec::new()) };
        let body = if rules.wants_body() { payload.json() } else { Bytes::new() };
        let outcome = rules.apply(body.clone(), headers);
        if !body.is_empty() && outcome.body != body {
            let peek = Peek::scan(&outcome.body)?;
            *payload = Payload::Json(Document::new(outcome.body, peek));
        }
        Ok(outcome.applied)
    }
}

/// Lets rules see an answer before anybody else does.
pub(super) async fn ruled(mut reply: Reply, rules: Option<ResponseRules>, shape: Shape) -> Result<Reply, GatewayError> {
    let Some(mut rules) = rules.filter(|_| reply.status.is_success()) else { return Ok(reply) };
    reply.headers.remove(CONTENT_LENGTH);
    reply.body = match shape {
        Shape::Whole => Body::from(rules.apply(reply.body.collect(ANSWER).await?)),
        Shape::Sse => Body::stream(Ruled::new(reply.body, Framing::Sse(sse::Splitter::default()), rules)),
        Shape::Ndjson => Body::stream(Ruled::new(reply.body, Framing::Ndjson(ndjson::Lines::default()), rules)),
        Shape::JsonArray => Body::stream(Ruled::new(reply.body, Framing::JsonArray(json_array::Elements::default()), rules)),
    };
    Ok(reply)
}

/// A stream whose events pass the rules one by one. What they leave alone passes byte for byte.
struct Ruled {
    body: Body,
    framing: Framing,
    rules: ResponseRules,
    ready: VecDeque<Bytes>,
    /// Bytes that belong to no finished event yet, and where they begin in the stream.
    seen: Vec<u8>,
    base: u64,
}

impl Ruled {
    fn new(body: Body, framing: Framing, rules: ResponseRules) -> Self {
        Self { body, framing, rules, ready: VecDeque::new(), seen: Vec::new(), base: 0 }
    }

    fn pass(&mut self, chunk: &[u8]) -> Result<(), BodyFault> {
        self.seen.extend_from_slice(chunk);
        let Self { framing, rules, ready, seen, base, .. } = self;
        let lies_bare = matches!(framing, Framing::JsonArray(_));
        let is_named = matches!(framing, Framing::Sse(_));
        let mut done = *base;
        let mut out = Vec::new();
        framing
            .push(chunk, &mut |event| {
                let data = Bytes::copy_from_slice(event.data);
                let ruled = rules.apply(data.clone());
                let place = |at: u64| usize::try_from(at - *base).unwrap_or(usize::MAX).min(seen.len());
                if ruled == data {
                    out.extend_from_slice(&seen[place(done)..place(event.raw.end)]);
                } else if lies_bare {
                    // The brackets and commas around an element stay as they came.
                    let end = event.body + event.data.len() as u64;
                    out.extend_from_slice(&seen[place(done)..place(event.body)]);
                    out.extend_from_slice(&ruled);
                    out.extend_from_slice(&seen[place(end)..place(event.raw.end)]);
                } else if !is_named {
                    out.extend_from_slice(&seen[place(done)..place(event.raw.start)]);
                    out.extend_from_slice(&[&*ruled, b"\n"].concat());
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

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::HeaderMap;

    use super::{Body, Framing, Ruled, json_array, ndjson, sse};
    use crate::{
        process::{ProviderCache, ResponseRules, RuleBook, RuleScope, RuleSet},
        protocol::{Operation, OperationKind, rule::Rule},
    };

    fn rules() -> ResponseRules {
        let config = r#"{"phase":"response","locate":{"path":"text"},"actions":[{"op":"replace_text","from":"sea","with":"ocean"}]}"#;
        let rule = Rule::parse(&format!(r#"{{"kind":"transform","config_json":{config}}}"#));
        let (book, faults) =
            RuleBook::compile(&[RuleSet { name: "set".into(), sort_order: 0, rules: vec![rule] }], ProviderCache::default());
        assert_eq!(faults, []);
        let headers = HeaderMap::new();
        let scope = RuleScope {
            operation: Operation::StreamGenerateContent,
            kind: OperationKind::GeminiGenerateContent,
            inbound_model: "m",
            upstream_model: "m",
            headers: &headers,
        };
        book.response(&scope).unwrap()
    }

    async fn ruled(framing: Framing, pieces: Vec<Bytes>) -> String {
        let body = Body::stream(Ruled::new(Body::from(pieces), framing, rules()));
        String::from_utf8(body.collect(1 << 20).await.unwrap().to_vec()).unwrap()
    }

    /// What no rule changes is the same to the byte, wherever the stream was cut.
    #[tokio::test]
    async fn events_of_every_framing_are_ruled_one_by_one() {
        type Made = fn() -> Framing;
        let cases: [(Made, &str, &str); 3] = [
            (
                || Framing::Sse(sse::Splitter::default()),
                ": hi\n\ndata: {\"text\": \"sky\"}\r\n\r\nevent: x\ndata: {\"text\":\"sea\"}\n\n",
                ": hi\n\ndata: {\"text\": \"sky\"}\r\n\r\nevent: x\ndata: {\"text\":\"ocean\"}\n\n",
            ),
            (
                || Framing::Ndjson(ndjson::Lines::default()),
                "{\"text\": \"sky\"}\r\n{\"text\":\"sea\"}\n\n{\"text\":\"end\"}",
                "{\"text\": \"sky\"}\r\n{\"text\":\"ocean\"}\n\n{\"text\":\"end\"}",
            ),
            (
                || Framing::JsonArray(json_array::Elements::default()),
                "[{\"text\": \"sky\"}\r\n,\r\n{\"text\":\"sea\"} , {\"x\":\"[,]\",\"text\":\"sea\"}\n]\n",
                "[{\"text\": \"sky\"}\r\n,\r\n{\"text\":\"ocean\"} , {\"x\":\"[,]\",\"text\":\"ocean\"}\n]\n",
            ),
        ];
        for (framing, stream, expected) in cases {
            for cut in 0..=stream.len() {
                let (one, two) = stream.split_at(cut);
                let pieces = [one, two].map(|piece| Bytes::copy_from_slice(piece.as_bytes()));
                assert_eq!(ruled(framing(), pieces.to_vec()).await, expected, "cut at {cut}");
            }
        }
    }
}
