//! What the mock provider answers: `OpenAI` chat completions, or Anthropic messages, whose token numbers differ from call to call.
//!
//! Each event's content is `@` and the 20 digits of the moment of its sending,
//! so the client can say how long it was on its way.

use std::io::Write;

use memchr::memmem;

use crate::messages;

/// Digits of a stamp.
pub(crate) const STAMP: usize = 20;

/// What a model does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Behaviour {
    /// `bench-plain`: a whole answer.
    Plain,
    /// `bench-sse-N`: a stream of N events, all in one write.
    Burst { events: u32 },
    /// `bench-sse-N-every-MS`: a stream of N events, one every MS milliseconds, the first at once.
    Paced { events: u32, every_ms: u64 },
    /// `bench-slow`: a stream of one event that stays open until it is released.
    Slow,
}

impl Behaviour {
    fn of(model: &str) -> Option<Self> {
        let name = model.strip_prefix("bench-")?;
        if name == "plain" {
            return Some(Self::Plain);
        }
        if name == "slow" {
            return Some(Self::Slow);
        }
        let shape = name.strip_prefix("sse-")?;
        match shape.split_once("-every-") {
            Some((events, pace)) => Some(Self::Paced { events: events.parse().ok()?, every_ms: pace.parse().ok()? }),
            None => Some(Self::Burst { events: shape.parse().ok()? }),
        }
    }
}

/// In which shape it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Shape {
    /// `OpenAI` chat completions.
    Chat,
    /// Anthropic messages.
    Messages,
}

/// What a request asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask {
    /// In which shape.
    pub(crate) shape: Shape,
    /// What to do.
    pub(crate) behaviour: Behaviour,
    /// Whether a stream shall end with its usage.
    pub(crate) usage: bool,
}

impl Ask {
    /// Reads the body, or its beginning where it is long. `None` for a model that is not ours.
    pub(crate) fn read(shape: Shape, body: &[u8]) -> Option<Self> {
        let behaviour = Behaviour::of(string_after(body, b"\"model\"")?)?;
        Some(Self { shape, behaviour, usage: is_true_after(body, b"\"include_usage\"") })
    }
}

fn string_after<'a>(body: &'a [u8], key: &[u8]) -> Option<&'a str> {
    let value = value_after(body, key)?.strip_prefix(b"\"")?;
    std::str::from_utf8(&value[..memchr::memchr(b'"', value)?]).ok()
}

fn is_true_after(body: &[u8], key: &[u8]) -> bool {
    value_after(body, key).is_some_and(|value| value.starts_with(b"true"))
}

fn value_after<'a>(body: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    let rest = &body[memmem::find(body, key)? + key.len()..];
    Some(rest.trim_ascii_start().strip_prefix(b":")?.trim_ascii_start())
}

/// The tokens of one call.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tokens {
    /// All of the prompt.
    pub(crate) prompt: u64,
    /// Of these, read from a cache.
    pub(crate) cached: u64,
    /// All of the answer.
    pub(crate) completion: u64,
    /// Of these, reasoning.
    pub(crate) reasoning: u64,
}

impl Tokens {
    /// The tokens of the `n`th call: different enough that equal sums mean equal rows.
    pub(crate) fn of(n: u64) -> Self {
        let (prompt, completion) = (10 + n % 997, 1 + n % 293);
        let cached = if n.is_multiple_of(4) { prompt / 2 } else { 0 };
        let reasoning = if n.is_multiple_of(5) { completion / 3 } else { 0 };
        Self { prompt, cached, completion, reasoning }
    }

    fn write(self, out: &mut Vec<u8>) {
        let Self { prompt, cached, completion, reasoning } = self;
        let total = prompt + completion;
        put(
            out,
            format_args!(
                r#""usage":{{"prompt_tokens":{prompt},"completion_tokens":{completion},"total_tokens":{total},"prompt_tokens_details":{{"cached_tokens":{cached},"audio_tokens":0}},"completion_tokens_details":{{"reasoning_tokens":{reasoning},"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}}}"#
            ),
        );
    }
}

pub(crate) fn put(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    // Writing into a Vec cannot fail.
    drop(out.write_fmt(text));
}

/// Writes a whole answer with its head.
pub(crate) fn plain(out: &mut Vec<u8>, n: u64, (shape, tokens): (Shape, Tokens)) {
    if shape == Shape::Messages {
        return messages::plain(out, n, tokens);
    }
    let mut body = Vec::with_capacity(768);
    put(
        &mut body,
        format_args!(
            r#"{{"id":"chatcmpl-bench{n:012}","object":"chat.completion","created":1780000000,"model":"bench-plain","choices":[{{"index":0,"message":{{"role":"assistant","content":"All is well, and here is a sentence of about the length that a short answer has.","refusal":null,"annotations":[]}},"logprobs":null,"finish_reason":"stop"}}],"#
        ),
    );
    tokens.write(&mut body);
    body.extend_from_slice(br#","service_tier":"default","system_fingerprint":"fp_bench0001"}"#);
    whole(out, "200 OK", &body);
}

/// Writes an answer of known length.
pub(crate) fn whole(out: &mut Vec<u8>, status: &str, body: &[u8]) {
    let length = body.len();
    put(
        out,
        format_args!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\nopenai-processing-ms: 12\r\nx-request-id: req_bench\r\ncontent-length: {length}\r\n\r\n"
        ),
    );
    out.extend_from_slice(body);
}

/// A stream's head and content events, ready but for their stamps. Each event is a chunk of its own, as providers send them.
#[derive(Debug)]
pub(crate) struct Template {
    /// Everything.
    pub(crate) bytes: Vec<u8>,
    /// Where the digits of each event's stamp begin.
    pub(crate) stamps: Vec<usize>,
    /// Where each event's chunk ends.
    pub(crate) ends: Vec<usize>,
}

impl Template {
    /// Makes the stream of `events` events; with usage asked for, each says that its own is null, as the vendor's do.
    pub(crate) fn new(events: u32, ask: Ask) -> Self {
        if ask.shape == Shape::Messages {
            return messages::template(events);
        }
        let mut template = Self::headed();
        for index in 0..events {
            let role = if index == 0 { r#""role":"assistant","# } else { "" };
            let delta = format!(r#"{{{role}"content":"@{:020} "}}"#, 0);
            template.piece(&event(&delta, "null", ask));
        }
        template
    }

    /// The head alone.
    pub(crate) fn headed() -> Self {
        let bytes = Vec::from(&b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ncache-control: no-cache\r\nopenai-processing-ms: 12\r\nx-request-id: req_bench\r\ntransfer-encoding: chunked\r\n\r\n"[..]);
        Self { bytes, stamps: Vec::new(), ends: Vec::new() }
    }

    /// Adds an event with a stamp.
    pub(crate) fn piece(&mut self, event: &[u8]) {
        let start = self.bytes.len();
        chunk(&mut self.bytes, event);
        let stamp = memchr::memchr(b'@', &self.bytes[start..]).unwrap_or_default();
        self.stamps.push(start + stamp + 1);
        self.ends.push(self.bytes.len());
    }
}

/// Writes `now` into the digits of a stamp.
pub(crate) fn stamp(digits: &mut [u8], mut now: u64) {
    for digit in digits[..STAMP].iter_mut().rev() {
        *digit = b'0' + u8::try_from(now % 10).unwrap_or_default();
        now /= 10;
    }
}

/// Writes the end of a stream: the reason, the usage where it was asked for, and the end of the body.
pub(crate) fn tail(out: &mut Vec<u8>, ask: Ask, tokens: Tokens) {
    if ask.shape == Shape::Messages {
        return messages::tail(out, tokens);
    }
    chunk(out, &event("{}", "\"stop\"", ask));
    if ask.usage {
        let mut last = Vec::with_capacity(512);
        last.extend_from_slice(PRELUDE.as_bytes());
        last.extend_from_slice(b"\"choices\":[],");
        tokens.write(&mut last);
        last.extend_from_slice(b"}\n\n");
        chunk(out, &last);
    }
    chunk(out, b"data: [DONE]\n\n");
    out.extend_from_slice(b"0\r\n\r\n");
}

const PRELUDE: &str = r#"data: {"id":"chatcmpl-bench000000000000","object":"chat.completion.chunk","created":1780000000,"model":"bench","service_tier":"default","system_fingerprint":"fp_bench0001","#;

fn event(delta: &str, reason: &str, ask: Ask) -> Vec<u8> {
    let usage = if ask.usage { r#","usage":null"# } else { "" };
    format!("{PRELUDE}\"choices\":[{{\"index\":0,\"delta\":{delta},\"logprobs\":null,\"finish_reason\":{reason}}}]{usage}}}\n\n")
        .into_bytes()
}

pub(crate) fn chunk(out: &mut Vec<u8>, data: &[u8]) {
    put(out, format_args!("{:x}\r\n", data.len()));
    out.extend_from_slice(data);
    out.extend_from_slice(b"\r\n");
}
