//! What one core converts, of every pair of dialects: calls (a request there, its whole answer back) and events of a stream, each a
//! second. A table in Markdown; `bench-parts pairs [PAIR] [ROUNDS]` measures one, such as `chat-on-claude`, and under
//! `valgrind --tool=callgrind` with few rounds says where the time goes.

use std::{fs, hint::black_box, path::Path, process::ExitCode, time::Instant};

use clap::Args;
use gproxy::{
    protocol::frame::{Framing, sse::Splitter},
    transform::generate::{self, Asked, Dialect, Memory, StreamConverter, Target, Telling, Wire},
};

use crate::Outcome;

/// Events of a stream between its beginning and its end.
const PIECES: usize = 1000;
/// The read of a socket holds so many of them.
const CHUNK: usize = 8192;
/// Rounds of which the fastest counts.
const TRIES: usize = 7;

/// Which pairs, and how often.
#[derive(Clone, Debug, Args)]
pub(crate) struct Options {
    /// Only pairs whose name holds this, such as `chat-on-claude`.
    #[arg(default_value = "")]
    pair: String,
    /// Streams in each try; requests and answers twenty times as many.
    #[arg(default_value_t = 50)]
    rounds: usize,
}

/// Measures and prints.
pub(crate) fn run(options: &Options) -> Outcome<ExitCode> {
    println!("| client-on-upstream | calls/s | request, us | answer, us | events/s |\n|---|--:|--:|--:|--:|");
    for client in Dialect::ALL {
        for upstream in Dialect::ALL.into_iter().filter(|upstream| *upstream != client) {
            let pair = format!("{}-on-{}", client.id(), upstream.id());
            if pair.contains(&options.pair) {
                measure(&pair, (client, upstream), options.rounds)?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn measure(pair: &str, (client, upstream): (Dialect, Dialect), rounds: usize) -> Outcome<()> {
    let request = fixture(client, "tool_result", "request.json")?;
    let answer = fixture(upstream, "plain", "answer.json")?;
    let stream = prolonged(upstream, &fixture(upstream, "plain", "stream.sse")?);
    let asked = Asked { model: "model", streams: false, goes_on_from: None };
    let told = Memory::default().telling(Telling::new("0197c0ffee".into(), 1_760_000_000, "model".into(), 20, Wire::Sse));
    let event = best(rounds, PIECES, || {
        let mut converter = StreamConverter::new(upstream, Framing::Sse(Splitter::default()), client, &told);
        for chunk in stream.as_bytes().chunks(CHUNK) {
            black_box(converter.push(chunk)?);
        }
        black_box(converter.finish());
        Ok(())
    })?;
    let request = best(rounds * 20, 1, || {
        black_box(generate::request(client, upstream, request.as_bytes(), asked, Target::default())?);
        Ok(())
    })?;
    let answer = best(rounds * 20, 1, || {
        black_box(generate::answer(upstream, client, answer.as_bytes(), &told)?);
        Ok(())
    })?;
    let (calls, events) = (1e9 / (request + answer), 1e9 / event);
    println!("| {pair} | {calls:.0} | {:.1} | {:.1} | {events:.0} |", request / 1e3, answer / 1e3);
    Ok(())
}

fn fixture(dialect: Dialect, scenario: &str, file: &str) -> Result<String, std::io::Error> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/generate");
    let text = fs::read_to_string(root.join(dialect.id()).join(scenario).join(file))?;
    Ok(text.replace("\r\n", "\n"))
}

/// A stream with its first piece of text many times over.
fn prolonged(dialect: Dialect, stream: &str) -> String {
    let mark = match dialect {
        Dialect::Chat => r#""delta":{"content""#,
        Dialect::Responses => r#""response.output_text.delta""#,
        Dialect::Claude => r#""text_delta""#,
        Dialect::Gemini => r#""parts":[{"text":"#,
    };
    let mut out = String::new();
    let mut done = false;
    for frame in stream.split_inclusive("\n\n") {
        let times = if !done && frame.contains(mark) { PIECES } else { 1 };
        done |= times > 1;
        out.push_str(&frame.repeat(times));
    }
    out
}

/// Nanoseconds of one of `parts` of a round, in the fastest of several tries.
fn best(rounds: usize, parts: usize, mut round: impl FnMut() -> Outcome<()>) -> Outcome<f64> {
    let mut least = f64::MAX;
    for _ in 0..TRIES {
        let begin = Instant::now();
        for _ in 0..rounds {
            round()?;
        }
        least = least.min(begin.elapsed().as_nanos() as f64 / (rounds * parts) as f64);
    }
    Ok(least)
}
