//! The load generator: closed loop, open loop, streams, and streams held open. One line of JSON tells the rest.
//!
//! - closed loop: `--connections C` and `--seconds D` or `--requests N`;
//! - open loop: `--rate R` besides: calls begin at random moments, R a second
//!   on the average, whether or not earlier ones are done, and a call's time
//!   counts from the moment it ought to have begun;
//! - streams: `--events N`, the content events of each answer;
//! - held streams: `--hold`, one call per connection; a first line says when
//!   every stream is open.

#![expect(clippy::disallowed_methods, reason = "a bench tool stands outside the runtime room")]
#![expect(clippy::cast_precision_loss, reason = "figures of a bench stay far below 2^52")]

mod client;
mod clock;
mod tally;
mod wire;

use std::{
    io::{self, Write},
    net::SocketAddr,
    os::fd::OwnedFd,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use clap::Parser;
use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime};
use tokio::{io::unix::AsyncFd, task::JoinSet};

use crate::{
    client::{Expect, Link, Order},
    tally::Tally,
};

#[derive(Clone, Debug, Parser)]
struct Options {
    /// Host and port to load.
    #[arg(long)]
    target: SocketAddr,
    /// Path of each request.
    #[arg(long, default_value = "/custom/v1/chat/completions")]
    path: String,
    /// Bearer key.
    #[arg(long, default_value = "sk-bench")]
    key: String,
    /// Model to ask for.
    #[arg(long, default_value = "bench-plain")]
    model: String,
    /// Connections; in the open loop those made beforehand.
    #[arg(long, default_value_t = 64)]
    connections: u64,
    /// Length of the counted window.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// What runs before the window.
    #[arg(long, default_value_t = 0.3)]
    warmup: f64,
    /// Calls instead of seconds; all of them count.
    #[arg(long)]
    requests: Option<u64>,
    /// Calls a second: makes it an open loop.
    #[arg(long)]
    rate: Option<f64>,
    /// Size of the request body, about.
    #[arg(long, default_value_t = 300)]
    body_bytes: usize,
    /// Content events of each answer: makes it a stream.
    #[arg(long)]
    events: Option<u64>,
    /// The stream begins with an event without content, as one does that was another dialect's.
    #[arg(long)]
    opening: bool,
    /// Ask for the usage at the end of a stream.
    #[arg(long)]
    ask_usage: bool,
    /// Read each event's stamp.
    #[arg(long)]
    stamps: bool,
    /// One stream per connection, and a line once all are open.
    #[arg(long)]
    hold: bool,
    /// Write the gateway's id of each whole answer to this file.
    #[arg(long)]
    ids: Option<PathBuf>,
}

impl Options {
    fn order(&self) -> Order {
        // What the client sees besides the content: an opening of its own where there is one, the reason, the usage where asked for, and [DONE].
        let expect =
            self.events.map_or(Expect::Json, |events| Expect::Events(events + 2 + u64::from(self.opening) + u64::from(self.ask_usage)));
        Order {
            target: self.target,
            request: self.request(),
            expect,
            stamps: self.stamps,
            ids: self.ids.is_some(),
            opened: AtomicU64::new(0),
        }
    }

    fn request(&self) -> Vec<u8> {
        let body = self.body();
        let (path, target, key, length) = (&self.path, self.target, &self.key, body.len());
        format!(
            "POST {path} HTTP/1.1\r\nhost: {target}\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\naccept: */*\r\nuser-agent: bench-load\r\ncontent-length: {length}\r\n\r\n{body}"
        )
        .into_bytes()
    }

    /// A conversation: many messages of up to 4 KB, with the escapes that real text has.
    fn body(&self) -> String {
        const WORDS: &str = r#"The fox said \"good day\" to the hen,\nand the hen, who was no fool, shut the door. "#;
        let stream = match (self.events, self.ask_usage) {
            (None, _) => "",
            (Some(_), false) => r#""stream":true,"#,
            (Some(_), true) => r#""stream":true,"stream_options":{"include_usage":true},"#,
        };
        let mut body = format!(
            r#"{{"model":"{}",{stream}"temperature":0.7,"max_tokens":256,"messages":[{{"role":"system","content":"You are a helpful assistant."}}"#,
            self.model
        );
        let mut turn = 0_u32;
        while turn == 0 || body.len() + 64 + WORDS.len() < self.body_bytes {
            let repeats = (self.body_bytes.saturating_sub(body.len() + 64) / WORDS.len()).clamp(1, 48);
            let role = if turn.is_multiple_of(2) { "user" } else { "assistant" };
            body.extend([r#",{"role":""#, role, r#"","content":""#, &WORDS.repeat(repeats), r#""}"#]);
            turn += 1;
        }
        body.push_str("]}");
        body
    }
}

/// When calls begin, when they count, and how many there may be.
#[derive(Debug)]
struct Window {
    from: u64,
    until: u64,
    left: Option<AtomicU64>,
}

impl Window {
    fn new(options: &Options) -> Self {
        let now = clock::now_ns();
        if let Some(requests) = options.requests {
            return Self { from: now, until: u64::MAX, left: Some(AtomicU64::new(requests)) };
        }
        let from = now + nanos(options.warmup);
        Self { from, until: from + nanos(options.seconds), left: None }
    }

    fn admits(&self, now: u64) -> bool {
        now < self.until && self.left.as_ref().is_none_or(|left| left.try_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok())
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a bench runs for minutes, and forward")]
fn nanos(seconds: f64) -> u64 {
    (seconds * 1e9) as u64
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let options = Options::parse();
    let order = Arc::new(options.order());
    let (tally, window_ns) = match options.rate {
        Some(rate) => open_loop(&options, &order, rate).await?,
        None => closed_loop(&options, &order).await,
    };
    if let Some(path) = &options.ids {
        std::fs::write(path, &tally.ids)?;
    }
    writeln!(io::stdout(), "{}", tally.json(window_ns))
}

/// Each connection asks again as soon as it has its answer.
async fn closed_loop(options: &Options, order: &Arc<Order>) -> (Tally, u64) {
    let mut tally = Tally::default();
    let mut links = Vec::new();
    for _ in 0..options.connections {
        match Link::open(order).await {
            Ok(link) => links.push(link),
            Err(fault) => tally.fault(&fault),
        }
    }
    let window = Arc::new(Window::new(options));
    let mut tasks = JoinSet::new();
    for link in links {
        tasks.spawn(stay(link, Arc::clone(order), Arc::clone(&window)));
    }
    if options.hold {
        tasks.spawn(tell_when_open(Arc::clone(order), options.connections));
    }
    while let Some(part) = tasks.join_next().await {
        tally.merge(part.unwrap_or_default());
    }
    let until = window.until.min(clock::now_ns());
    (tally, until - window.from)
}

async fn stay(mut link: Link, order: Arc<Order>, window: Arc<Window>) -> Tally {
    let mut tally = Tally::default();
    loop {
        let start = clock::now_ns();
        if !window.admits(start) {
            return tally;
        }
        let kept = tally.ids.len();
        let mut call = Tally::default();
        std::mem::swap(&mut call.ids, &mut tally.ids);
        let outcome = link.call(&order, start, &mut call).await;
        std::mem::swap(&mut call.ids, &mut tally.ids);
        if let Err(fault) = outcome {
            tally.ids.truncate(kept);
            tally.fault(&fault);
            return tally;
        }
        let end = clock::now_ns();
        if end < window.from || end > window.until {
            tally.total += call.total;
        } else {
            call.counted = 1;
            tally.merge(call);
        }
    }
}

async fn tell_when_open(order: Arc<Order>, connections: u64) -> Tally {
    while order.opened.load(Relaxed) < connections {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    // The reader of a broken pipe has gone and wants nothing told.
    drop(writeln!(io::stdout(), "{{\"open\":{connections}}}"));
    Tally::default()
}

/// Calls begin by the clock. The moments are random with a fixed seed, so that every target sees the same ones.
async fn open_loop(options: &Options, order: &Arc<Order>, rate: f64) -> io::Result<(Tally, u64)> {
    let shared = Arc::new(Shared::default());
    for _ in 0..options.connections {
        match Link::open(order).await {
            Ok(link) => locked(&shared.links).push(link),
            Err(fault) => locked(&shared.tally).fault(&fault),
        }
    }
    let timer = fine_timer()?;
    let window = Arc::new(Window::new(options));
    let mut tasks = JoinSet::new();
    let mut due = clock::now_ns() + 1_000_000;
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    while window.admits(due) {
        if clock::now_ns() < due {
            wait_until(&timer, due).await?;
        }
        tasks.spawn(once(Arc::clone(&shared), Arc::clone(order), due, Arc::clone(&window)));
        while tasks.try_join_next().is_some() {}
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        let uniform = ((seed >> 11) as f64 + 1.0) / (1_u64 << 53) as f64;
        due += nanos(-uniform.ln() / rate);
    }
    let until = window.until.min(clock::now_ns());
    while tasks.join_next().await.is_some() {}
    let tally = std::mem::take(&mut *locked(&shared.tally));
    Ok((tally, until - window.from))
}

#[derive(Debug, Default)]
struct Shared {
    links: Mutex<Vec<Link>>,
    tally: Mutex<Tally>,
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn once(shared: Arc<Shared>, order: Arc<Order>, due: u64, window: Arc<Window>) {
    let mut call = Tally::default();
    call.late.push(clock::now_ns().saturating_sub(due));
    let idle = locked(&shared.links).pop();
    let link = match idle {
        Some(link) => Ok(link),
        None => Link::open(&order).await,
    };
    let outcome = match link {
        Ok(mut link) => link.call(&order, due, &mut call).await.map(|()| locked(&shared.links).push(link)),
        Err(fault) => Err(fault),
    };
    let mut tally = locked(&shared.tally);
    match outcome {
        Err(fault) => tally.fault(&fault),
        Ok(()) if due < window.from => tally.total += call.total,
        Ok(()) => {
            call.counted = 1;
            tally.merge(call);
        }
    }
}

/// The kernel's fine timer: tokio's own is a millisecond coarse.
#[expect(deprecated, reason = "its follower is unsafe; an owned descriptor that never moves out is sound here")]
fn fine_timer() -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::new(timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?)
}

async fn wait_until(timer: &AsyncFd<OwnedFd>, due: u64) -> io::Result<()> {
    let due = Timespec { tv_sec: (due / 1_000_000_000).cast_signed(), tv_nsec: (due % 1_000_000_000).cast_signed() };
    let once = Itimerspec { it_interval: Timespec::default(), it_value: due };
    timerfd_settime(timer, TimerfdTimerFlags::ABSTIME, &once)?;
    // Not read, only re-armed: setting a timer anew clears what was left of the last.
    timer.readable().await?.clear_ready();
    Ok(())
}
