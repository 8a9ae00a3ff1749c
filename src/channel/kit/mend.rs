//! Mends answers as they pass: whole JSON bodies, and the data of SSE events. All else passes as bytes.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http_body::Frame;
use memchr::{memchr, memmem, memrchr};

use crate::{
    protocol::{peek::Peek, splice::Document},
    runtime::{Body, BodyFault, Reply},
};

/// What is to be mended.
#[derive(Clone, Copy, Debug)]
pub struct Mend {
    /// Texts of which one stands in whatever needs mending; where none does, nothing is even looked at. None at all: always.
    pub marks: &'static [&'static str],
    /// The change to one JSON object.
    pub edit: fn(&mut Document),
}

/// A body that grows beyond this is not a document that anybody mends.
const LIMIT: usize = 32 << 20;

/// Puts the mending around a reply's body, where that is JSON or a stream of events.
#[must_use]
pub fn reply(mut reply: Reply, mend: Mend) -> Reply {
    let coded = reply.headers.get(CONTENT_ENCODING).is_some_and(|coding| coding != "identity");
    let kind = reply.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("");
    let framing = match kind.split(';').next().map(str::trim) {
        Some("application/json") => Framing::Whole,
        Some("text/event-stream") => Framing::Lines,
        Some(_) | None => return reply,
    };
    if coded {
        return reply;
    }
    reply.headers.remove(CONTENT_LENGTH);
    reply.body = Body::stream(Mending { inner: reply.body, mend, framing, held: BytesMut::new() });
    reply
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    /// One JSON object.
    Whole,
    /// Lines, of which those of event data hold an object each.
    Lines,
    /// Too large: the rest passes.
    Passing,
    /// Nothing is left.
    Over,
}

struct Mending {
    inner: Body,
    mend: Mend,
    framing: Framing,
    held: BytesMut,
}

impl Mending {
    /// Takes bytes in and gives those that are ready.
    fn push(&mut self, data: Bytes) -> Bytes {
        match self.framing {
            Framing::Passing | Framing::Over => data,
            Framing::Whole => {
                self.held.extend_from_slice(&data);
                self.overflow()
            }
            Framing::Lines => {
                let Some(end) = memrchr(b'\n', &data) else {
                    self.held.extend_from_slice(&data);
                    return self.overflow();
                };
                let rest = data.slice(end + 1..);
                let mut lines = data.slice(..=end);
                if !self.held.is_empty() {
                    self.held.extend_from_slice(&lines);
                    lines = self.held.split().freeze();
                }
                self.held.extend_from_slice(&rest);
                self.lines(lines)
            }
        }
    }

    fn overflow(&mut self) -> Bytes {
        if self.held.len() <= LIMIT {
            return Bytes::new();
        }
        self.framing = Framing::Passing;
        self.held.split().freeze()
    }

    /// What is held at the end.
    fn finish(&mut self) -> Bytes {
        let held = self.held.split().freeze();
        match std::mem::replace(&mut self.framing, Framing::Over) {
            Framing::Whole => self.object(&held).unwrap_or(held),
            Framing::Lines => self.lines(held),
            Framing::Passing | Framing::Over => held,
        }
    }

    fn lines(&self, lines: Bytes) -> Bytes {
        if !self.marked(&lines) {
            return lines;
        }
        let mut out = BytesMut::with_capacity(lines.len() + 64);
        let mut at = 0;
        while at < lines.len() {
            let end = memchr(b'\n', &lines[at..]).map_or(lines.len(), |step| at + step + 1);
            let line = lines.slice(at..end);
            at = end;
            let text = line.trim_ascii_end();
            match text.strip_prefix(b"data:").and_then(|data| self.object(&lines.slice_ref(data.trim_ascii_start()))) {
                Some(mended) => {
                    out.extend_from_slice(b"data: ");
                    out.extend_from_slice(&mended);
                    out.extend_from_slice(&line[text.len()..]);
                }
                None => out.extend_from_slice(&line),
            }
        }
        out.freeze()
    }

    /// The mended object; `None` where there is nothing to mend.
    fn object(&self, data: &Bytes) -> Option<Bytes> {
        if !self.marked(data) {
            return None;
        }
        let mut document = Document::new(data.clone(), Peek::scan(data).ok()?);
        (self.mend.edit)(&mut document);
        (!document.is_verbatim()).then(|| document.into_pieces().concat().into())
    }

    fn marked(&self, data: &[u8]) -> bool {
        self.mend.marks.is_empty() || self.mend.marks.iter().any(|mark| memmem::find(data, mark.as_bytes()).is_some())
    }
}

impl http_body::Body for Mending {
    type Data = Bytes;
    type Error = BodyFault;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        let this = self.get_mut();
        loop {
            if this.framing == Framing::Over {
                return Poll::Ready(None);
            }
            let ready = match Pin::new(&mut this.inner).poll_data(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Err(fault))) => return Poll::Ready(Some(Err(fault))),
                Poll::Ready(Some(Ok(data))) => this.push(data),
                Poll::Ready(None) => this.finish(),
            };
            if !ready.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(ready))));
            }
        }
    }
}

/// Fills what `OpenAI`'s model objects need and others leave out. For lists and for single models.
pub fn openai_models(document: &mut Document) {
    if document.value("data").is_some() {
        fill(document, "object", "\"list\"");
        super::edit::elements(document, "data", |model| {
            openai_model(model);
            super::edit::Keep::Yes
        });
    } else if document.value("id").is_some() {
        openai_model(document);
    }
}

fn openai_model(model: &mut Document) {
    fill(model, "object", "\"model\"");
    fill(model, "created", "0");
    let id = super::edit::text(model, "id").unwrap_or_default();
    let owner = id.split_once('/').map_or("", |(owner, _)| owner);
    fill(model, "owned_by", &serde_json::Value::from(owner).to_string());
}

fn fill(document: &mut Document, name: &str, json: &str) {
    if document.value(name).is_none_or(|value| value == b"null") {
        document.set(name, json.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::{HeaderMap, HeaderValue, StatusCode, header::CONTENT_TYPE};

    use super::{Mend, reply};
    use crate::{
        channel::contract::read,
        runtime::{Body, Reply},
    };

    const MEND: Mend = Mend { marks: &["\"old\""], edit: |document| document.set("k", "\"new\"") };

    fn mended(kind: &'static str, pieces: &[&str]) -> String {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(kind))]);
        let body = Body::from(pieces.iter().map(|piece| Bytes::copy_from_slice(piece.as_bytes())).collect::<Vec<_>>());
        String::from_utf8(read(reply(Reply::new(StatusCode::OK, headers, body), MEND).body).concat()).unwrap()
    }

    #[test]
    fn events_are_mended_wherever_the_stream_is_cut() {
        let stream = "event: a\r\ndata: {\"k\":\"old\", \"n\":1.0}\r\n\r\n: old\n\ndata:{\"k\":\"x\"}\n\ndata: \"old\"\n\ndata: [DONE]\n\ndata: {\"k\":\"old\"}";
        let wanted = "event: a\r\ndata: {\"k\":\"new\", \"n\":1.0}\r\n\r\n: old\n\ndata:{\"k\":\"x\"}\n\ndata: \"old\"\n\ndata: [DONE]\n\ndata: {\"k\":\"new\"}";
        for cut in 0..=stream.len() {
            let (head, tail) = stream.split_at(cut);
            assert_eq!(mended("text/event-stream; charset=utf-8", &[head, tail]), wanted, "cut at {cut}");
        }
    }

    #[test]
    fn whole_bodies_are_mended_and_other_types_are_not() {
        for (kind, out) in [
            ("application/json", "{\"a\":[ 1 ],\"k\":\"new\"}"),
            ("application/json; charset=utf-8", "{\"a\":[ 1 ],\"k\":\"new\"}"),
            ("text/plain", "{\"a\":[ 1 ],\"k\":\"old\"}"),
        ] {
            assert_eq!(mended(kind, &["{\"a\":[ 1 ]", ",\"k\":\"old\"}"]), out);
        }
        assert_eq!(mended("application/json", &["{\"k\":\"old\""]), "{\"k\":\"old\"");
    }
}
