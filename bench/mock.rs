//! A provider that answers faster than anything in front of it can ask, and counts what it gave.
//!
//! Anthropic messages on `/v1/messages`, `OpenAI` chat
//! completions on any other; the model's name chooses the [`Behaviour`]. `GET /__stats` shows the counts, `POST /__reset` zeroes them,
//! `POST /__release` lets the streams of `bench-slow` end.

#![expect(clippy::disallowed_methods, reason = "a bench tool stands outside the runtime room")]

mod answers;
mod clock;
mod messages;
mod wire;

use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use clap::Parser;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    time::{Instant, sleep_until},
};

use crate::{
    answers::{Ask, Behaviour, Shape, Template, Tokens},
    wire::Body,
};

/// Of a body, this much is read for what it asks; the rest is only counted.
const SNIFFED: usize = 64 * 1024;

#[derive(Debug, Parser)]
struct Options {
    /// Where to listen.
    #[arg(long)]
    listen: SocketAddr,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let listener = TcpListener::bind(Options::parse().listen).await?;
    let desk = Arc::new(Desk::default());
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let desk = Arc::clone(&desk);
        tokio::spawn(async move { Visit::new(stream, &desk).run().await });
    }
}

macro_rules! counts {
    ($($(#[$doc:meta])* $name:ident),+) => {
        #[derive(Debug, Default)]
        struct Counts { $($(#[$doc])* $name: AtomicU64),+ }

        impl Counts {
            fn json(&self) -> String {
                serde_json::json!({ $(stringify!($name): self.$name.load(Relaxed)),+ }).to_string()
            }

            fn reset(&self) {
                $(self.$name.store(0, Relaxed);)+
            }
        }
    };
}

counts! {
    /// Requests read in whole.
    requests,
    /// Requests answered in whole.
    answered,
    /// Answers whose reader went away.
    broken,
    /// Requests for a model that is not ours.
    unknown,
    /// Content events of the answers given in whole.
    events,
    /// Bytes of request bodies.
    body_bytes,
    /// Tokens of the answers given in whole.
    prompt_tokens,
    /// Of these, from a cache.
    cached_tokens,
    /// Tokens of the answers given in whole.
    completion_tokens,
    /// Of these, reasoning.
    reasoning_tokens,
    /// Slow streams that are open now.
    held
}

/// What all connections share.
#[derive(Debug)]
struct Desk {
    counts: Counts,
    serial: AtomicU64,
    templates: Mutex<HashMap<(u32, bool, Shape), Arc<Template>>>,
    release: watch::Sender<u64>,
}

impl Default for Desk {
    fn default() -> Self {
        Self { counts: Counts::default(), serial: AtomicU64::new(1), templates: Mutex::default(), release: watch::channel(0).0 }
    }
}

impl Desk {
    fn template(&self, events: u32, ask: Ask) -> Arc<Template> {
        let mut templates = self.templates.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(templates.entry((events, ask.usage, ask.shape)).or_insert_with(|| Arc::new(Template::new(events, ask))))
    }

    fn answered(&self, tokens: Tokens, events: u32) {
        let counts = &self.counts;
        counts.answered.fetch_add(1, Relaxed);
        counts.events.fetch_add(u64::from(events), Relaxed);
        counts.prompt_tokens.fetch_add(tokens.prompt, Relaxed);
        counts.cached_tokens.fetch_add(tokens.cached, Relaxed);
        counts.completion_tokens.fetch_add(tokens.completion, Relaxed);
        counts.reasoning_tokens.fetch_add(tokens.reasoning, Relaxed);
    }
}

/// What came in.
#[derive(Debug)]
enum Call {
    Stats,
    Reset,
    Release,
    Ask(Shape, Option<Ask>),
}

/// One connection.
#[derive(Debug)]
struct Visit<'a> {
    stream: TcpStream,
    desk: &'a Desk,
    buffer: Vec<u8>,
    filled: usize,
    body: Vec<u8>,
    out: Vec<u8>,
}

impl<'a> Visit<'a> {
    fn new(stream: TcpStream, desk: &'a Desk) -> Self {
        Self { stream, desk, buffer: vec![0; SNIFFED], filled: 0, body: Vec::new(), out: Vec::new() }
    }

    async fn run(mut self) {
        // The peer may hang up whenever it likes; only an answer that it left half read is worth a count.
        while let Ok(Some(call)) = self.read().await {
            self.out.clear();
            if self.answer(call).await.is_err() {
                self.desk.counts.broken.fetch_add(1, Relaxed);
                return;
            }
        }
    }

    async fn fill(&mut self) -> io::Result<usize> {
        let count = self.stream.read(&mut self.buffer[self.filled..]).await?;
        self.filled += count;
        Ok(count)
    }

    /// Reads one request; `None` where the peer is done.
    async fn read(&mut self) -> io::Result<Option<Call>> {
        let (mut call, mut framing) = loop {
            if let Some(head) = wire::head(&self.buffer[..self.filled]).map_err(malformed)? {
                let call = match head.line {
                    line if line.starts_with(b"GET /__stats ") => Call::Stats,
                    line if line.starts_with(b"POST /__reset ") => Call::Reset,
                    line if line.starts_with(b"POST /__release ") => Call::Release,
                    line if line.starts_with(b"POST /v1/messages ") => Call::Ask(Shape::Messages, None),
                    _ => Call::Ask(Shape::Chat, None),
                };
                let (framing, length) = (head.body, head.len);
                self.consume(length);
                break (call, framing);
            }
            if self.filled == self.buffer.len() || self.fill().await? == 0 {
                return Ok(None);
            }
        };
        self.read_body(&mut framing).await?;
        if let Call::Ask(shape, ask) = &mut call {
            self.desk.counts.requests.fetch_add(1, Relaxed);
            *ask = Ask::read(*shape, &self.body);
        }
        Ok(Some(call))
    }

    async fn read_body(&mut self, framing: &mut Body) -> io::Result<()> {
        self.body.clear();
        let mut size = 0;
        loop {
            let body = &mut self.body;
            let taken = framing
                .feed(&self.buffer[..self.filled], |data| {
                    size += data.len() as u64;
                    let room = SNIFFED.saturating_sub(body.len()).min(data.len());
                    body.extend_from_slice(&data[..room]);
                })
                .map_err(malformed)?;
            self.consume(taken);
            if framing.is_done() {
                break;
            }
            if self.fill().await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        self.desk.counts.body_bytes.fetch_add(size, Relaxed);
        Ok(())
    }

    fn consume(&mut self, count: usize) {
        self.buffer.copy_within(count..self.filled, 0);
        self.filled -= count;
    }

    async fn answer(&mut self, call: Call) -> io::Result<()> {
        let ask = match call {
            Call::Stats => return self.tell(&self.desk.counts.json()).await,
            Call::Reset => {
                self.desk.counts.reset();
                return self.tell("{}").await;
            }
            Call::Release => {
                self.desk.release.send_modify(|round| *round += 1);
                return self.tell("{}").await;
            }
            Call::Ask(_, None) => {
                self.desk.counts.unknown.fetch_add(1, Relaxed);
                answers::whole(&mut self.out, "404 Not Found", br#"{"error":{"message":"no such model","type":"invalid_request_error"}}"#);
                return self.stream.write_all(&self.out).await;
            }
            Call::Ask(_, Some(ask)) => ask,
        };
        let n = self.desk.serial.fetch_add(1, Relaxed);
        let tokens = Tokens::of(n);
        let events = match ask.behaviour {
            Behaviour::Plain => {
                answers::plain(&mut self.out, n, (ask.shape, tokens));
                self.stream.write_all(&self.out).await?;
                0
            }
            Behaviour::Burst { events } => self.burst(events, ask, tokens).await?,
            Behaviour::Paced { events, every_ms } => self.paced(events, Duration::from_millis(every_ms), (ask, tokens)).await?,
            Behaviour::Slow => self.slow(ask, tokens).await?,
        };
        self.desk.answered(tokens, events);
        Ok(())
    }

    async fn tell(&mut self, body: &str) -> io::Result<()> {
        answers::whole(&mut self.out, "200 OK", body.as_bytes());
        self.stream.write_all(&self.out).await
    }

    /// The whole stream in one write: a model that is far faster than the line, or a provider that held its events back.
    async fn burst(&mut self, events: u32, ask: Ask, tokens: Tokens) -> io::Result<u32> {
        let template = self.desk.template(events, ask);
        self.out.extend_from_slice(&template.bytes);
        let now = clock::now_ns();
        for at in &template.stamps {
            answers::stamp(&mut self.out[*at..], now);
        }
        answers::tail(&mut self.out, ask, tokens);
        self.stream.write_all(&self.out).await?;
        Ok(events)
    }

    async fn paced(&mut self, events: u32, every: Duration, (ask, tokens): (Ask, Tokens)) -> io::Result<u32> {
        let template = self.desk.template(events, ask);
        self.out.extend_from_slice(&template.bytes);
        let (mut sent, mut due) = (0, Instant::now());
        for (at, end) in template.stamps.iter().zip(&template.ends) {
            if sent > 0 {
                due += every;
                sleep_until(due).await;
            }
            answers::stamp(&mut self.out[*at..], clock::now_ns());
            self.stream.write_all(&self.out[sent..*end]).await?;
            sent = *end;
        }
        self.finish(ask, tokens).await?;
        Ok(events)
    }

    async fn slow(&mut self, ask: Ask, tokens: Tokens) -> io::Result<u32> {
        let mut released = self.desk.release.subscribe();
        let template = self.desk.template(1, ask);
        self.out.extend_from_slice(&template.bytes);
        answers::stamp(&mut self.out[template.stamps[0]..], clock::now_ns());
        self.stream.write_all(&self.out).await?;
        self.desk.counts.held.fetch_add(1, Relaxed);
        // Both branches may be dropped half way: a read that is lost belongs to a peer that broke off.
        let left = tokio::select! {
            _ = released.changed() => false,
            _ = self.stream.read(&mut self.buffer) => true,
        };
        self.desk.counts.held.fetch_sub(1, Relaxed);
        if left {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.finish(ask, tokens).await?;
        Ok(1)
    }

    async fn finish(&mut self, ask: Ask, tokens: Tokens) -> io::Result<()> {
        self.out.clear();
        answers::tail(&mut self.out, ask, tokens);
        self.stream.write_all(&self.out).await
    }
}

fn malformed(wire::Malformed(text): wire::Malformed) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text)
}
