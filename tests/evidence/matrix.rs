//! Evidence: every recorded exchange through every cell of the matrix, there and back. What it says is read by eyes that know
//! nothing of the converter (`tests/transform/said.rs`).

use std::{fmt, fs, path::Path};

use gproxy::{
    protocol::{
        Family,
        frame::{Framing, sse::Splitter},
    },
    transform::{
        Loss, Refused,
        fault::Problem,
        generate::{self, Asked, Collector, Dialect, Memory, StreamConverter, Target, Telling, Wire},
    },
};
use serde_json::Value;

use crate::{
    recordings,
    said::{self, Said},
    say, skip,
};

/// One recorded exchange.
struct Exchange {
    name: String,
    dialect: Dialect,
    request: Value,
    status: u16,
    streams: bool,
    body: String,
}

fn exchanges(root: &Path) -> Vec<Exchange> {
    let mut all = Vec::new();
    for (folder, dialect) in
        [("chat", Dialect::Chat), ("responses", Dialect::Responses), ("anthropic", Dialect::Claude), ("gemini", Dialect::Gemini)]
    {
        for entry in fs::read_dir(root.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let file: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            all.push(Exchange {
                name: format!("{folder}/{}", path.file_stem().unwrap().to_string_lossy()),
                dialect,
                request: file["request"].clone(),
                status: file["status"].as_u64().and_then(|status| status.try_into().ok()).unwrap(),
                streams: file["content_type"].as_str().is_some_and(|kind| kind.contains("event-stream")),
                body: file["body"].as_str().unwrap().to_owned(),
            });
        }
    }
    all.sort_by(|one, other| one.name.cmp(&other.name));
    all
}

/// What was not equal on both sides, and how much was.
#[derive(Default)]
struct Judge {
    faults: Vec<String>,
    checked: usize,
    excepted: [usize; 2],
}

/// What cannot be equal on both sides. There is no other exception.
enum Exception {
    /// Responses made in the background are answered before they are made: `queued`, and nothing to tell. Nobody asks for them
    /// in another dialect, and there they are refused.
    NotMadeYet,
    /// Claude's answers always tell their tokens; where the provider told none, the estimate of the prompt stands.
    NoUsage,
}

impl Exception {
    fn of(before: &Said, to: Dialect) -> Option<Self> {
        match (before.usage, to) {
            _ if before.stop.contains("queued") => Some(Self::NotMadeYet),
            (None, Dialect::Claude) => Some(Self::NoUsage),
            (_, _) => None,
        }
    }
}

impl Judge {
    fn same<T: PartialEq + fmt::Debug>(&mut self, place: &str, what: &str, before: &T, after: &T) {
        self.checked += 1;
        if before != after {
            self.faults.push(format!("{place}: {what}:\n    {before:?}\n    {after:?}"));
        }
    }

    /// An answer on both sides of one conversion to `to`, or to there and back.
    fn answer(&mut self, (place, way, to): (&str, &str, Dialect), before: &Said, after: &Said) {
        let place = &format!("{place}, {way}");
        self.same(place, "words", &before.text, &after.text);
        // The pieces of a summary are paragraphs where thinking is one text.
        let dense = |text: &str| text.split_whitespace().collect::<String>();
        self.same(place, "reasoning", &dense(&before.reasoning), &dense(&after.reasoning));
        self.same(place, "calls", &before.calls, &after.calls);
        match Exception::of(before, to) {
            Some(Exception::NotMadeYet) => self.excepted[0] += 1,
            Some(Exception::NoUsage) => {
                self.same(place, "stop", &before.stop, &after.stop);
                self.excepted[1] += 1;
            }
            None => {
                self.same(place, "stop", &before.stop, &after.stop);
                self.same(place, "usage", &before.usage, &after.usage);
            }
        }
    }
}

fn value(json: &[u8]) -> Value {
    let read = serde_json::from_slice(json);
    assert!(read.is_ok(), "{read:?}: {}", String::from_utf8_lossy(json));
    read.unwrap()
}

fn telling(memory: Memory, to: Dialect) -> Telling {
    let model = String::from("the-model");
    let mut telling = memory.telling(Telling::new(String::from("0197c0ffee"), 1_760_000_000, model, 20, Wire::Sse));
    telling.include_usage = to == Dialect::Chat;
    telling
}

fn converted(from: Dialect, to: Dialect, stream: &str, size: usize) -> String {
    let mut converter = StreamConverter::new(from, Framing::Sse(Splitter::default()), to, &telling(Memory::default(), to));
    let mut out = Vec::new();
    for chunk in stream.as_bytes().chunks(size) {
        out.extend(converter.push(chunk).unwrap());
    }
    out.extend(converter.finish());
    String::from_utf8(out).unwrap()
}

fn whole(dialect: Dialect, stream: &str, place: &str) -> Said {
    let whole = said::whole_or_none(dialect, stream);
    assert!(whole.is_some(), "{place}: the stream did not end well: {stream}");
    said::answer(dialect, &whole.unwrap())
}

impl Exchange {
    fn cell(&self, to: Dialect, judge: &mut Judge) {
        let place = format!("{} to {}", self.name, to.id());
        match (self.status, self.streams) {
            (200, false) => self.answered(to, &place, judge),
            (200, true) => self.streamed(to, &place, judge),
            (_, _) => self.failed(to, &place, judge),
        }
    }

    /// A whole answer: told whole, told as a stream, and both told back.
    fn answered(&self, to: Dialect, place: &str, judge: &mut Judge) {
        let (from, body) = (self.dialect, self.body.as_bytes());
        let before = said::answer(from, &value(body));
        let (there, _) = generate::answer(from, to, body, &telling(Memory::default(), to)).unwrap();
        judge.answer((place, "whole", to), &before, &said::answer(to, &value(&there)));
        let (back, _) = generate::answer(to, from, &there, &telling(Memory::default(), from)).unwrap();
        judge.answer((place, "whole, and back", to), &before, &said::answer(from, &value(&back)));
        let (stream, _) = generate::stream_of_answer(from, to, body, &telling(Memory::default(), to)).unwrap();
        let stream = String::from_utf8(stream).unwrap();
        judge.answer((place, "as a stream", to), &before, &whole(to, &stream, place));
        let back = converted(to, from, &stream, 64);
        judge.answer((place, "as a stream, and back", to), &before, &whole(from, &back, place));
    }

    /// A stream: told as a stream, gathered, and both told back.
    fn streamed(&self, to: Dialect, place: &str, judge: &mut Judge) {
        let from = self.dialect;
        let before = whole(from, &self.body, place);
        let there = converted(from, to, &self.body, usize::MAX);
        judge.same(place, "in pieces", &there, &converted(from, to, &self.body, 7));
        judge.answer((place, "as a stream", to), &before, &whole(to, &there, place));
        let back = converted(to, from, &there, 64);
        judge.answer((place, "as a stream, and back", to), &before, &whole(from, &back, place));
        let mut collector = Collector::new(from, Framing::Sse(Splitter::default()));
        collector.push(self.body.as_bytes()).unwrap();
        let (gathered, _) = collector.finish(to, &telling(Memory::default(), to)).unwrap();
        judge.answer((place, "gathered", to), &before, &said::answer(to, &value(&gathered)));
        let (back, _) = generate::answer(to, from, &gathered, &telling(Memory::default(), from)).unwrap();
        judge.answer((place, "gathered, and back", to), &before, &said::answer(from, &value(&back)));
    }

    /// An error keeps its words and its status.
    fn failed(&self, to: Dialect, place: &str, judge: &mut Judge) {
        let family = |dialect| match dialect {
            Dialect::Chat | Dialect::Responses => Family::OpenAi,
            Dialect::Claude => Family::Claude,
            Dialect::Gemini => Family::Gemini,
        };
        let problem = Problem::read(family(self.dialect), self.status, self.body.as_bytes());
        let told = value(&problem.write(family(to), "r-1"));
        judge.same(place, "the error's words", &value(self.body.as_bytes())["error"]["message"], &told["error"]["message"]);
        judge.same(place, "the error's status", &self.status, &problem.status_for(family(to)));
    }

    /// The request to `to`, read there, and told back.
    fn asked(&self, to: Dialect, counts: &mut Counts, judge: &mut Judge) {
        let (from, place) = (self.dialect, format!("{} asked of {}", self.name, to.id()));
        let body = self.request.to_string();
        let asked = Asked { model: model(to), streams: self.streams, goes_on_from: None };
        let there = match generate::request(from, to, body.as_bytes(), asked, Target::default()) {
            Ok(there) => there,
            Err(Refused::Impossible { .. }) => return counts.refused += 1,
            // Some were sent in order to be refused.
            Err(Refused::Shape(_)) if self.status != 200 => return counts.refused += 1,
            Err(refused) => return judge.faults.push(format!("{place}: {refused}")),
        };
        let asked = Asked { model: model(from), streams: self.streams, goes_on_from: None };
        let back = match generate::request(to, from, &there.body, asked, Target::default()) {
            Ok(back) => back,
            Err(refused) => return judge.faults.push(format!("{place}: what went out is not read: {refused}")),
        };
        counts.requests += 1;
        let before = said::request(from, &self.request);
        let after = said::request(from, &value(&back.body));
        let losses: Vec<&Loss> = there.losses.iter().chain(&back.losses).collect();
        counts.told += usize::from(!losses.is_empty());
        let told = |places: &[&str]| losses.iter().any(|loss| places.iter().any(|place| loss.path.starts_with(place)));
        let turns = ["messages", "input", "contents", "system", "instructions"];
        // A shape that the model does not take is asked for in words.
        let words = [turns.as_slice(), &["response_format", "text.format", "generationConfig.response"]].concat();
        let differences = [
            ("words", before.text == after.text, words.as_slice()),
            ("reasoning", before.reasoning == after.reasoning, &turns),
            ("calls", before.calls == after.calls, &turns),
            ("results", before.results == after.results, &turns),
            ("media", before.media == after.media, &turns),
            ("tools", before.tools == after.tools, &["tools"]),
        ];
        for (what, same, places) in differences {
            judge.checked += 1;
            if !same && what == "reasoning" && !told(places) && shows_unsigned_thoughts(&self.request) {
                counts.unsigned += 1;
            } else if !same && !told(places) {
                judge.faults.push(format!("{place}: {what} lost and not told ({losses:?}):\n    {before:?}\n    {after:?}"));
            }
        }
    }
}

/// The one thing that a request loses untold: thoughts that were only shown. No provider takes back what nobody signed.
fn shows_unsigned_thoughts(request: &Value) -> bool {
    let parts = request["contents"].as_array().into_iter().flatten().flat_map(|turn| turn["parts"].as_array().into_iter().flatten());
    parts.into_iter().any(|part| part["thought"] == true && part["thoughtSignature"].is_null() && part["thought_signature"].is_null())
}

fn model(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Chat | Dialect::Responses => "gpt-5.4",
        Dialect::Claude => "claude-opus-4-6",
        Dialect::Gemini => "gemini-3-pro",
    }
}

/// What was checked.
#[derive(Default)]
struct Counts {
    answers: usize,
    streams: usize,
    errors: usize,
    requests: usize,
    told: usize,
    refused: usize,
    unsigned: usize,
}

#[test]
fn every_recorded_exchange_says_the_same_in_all_four_dialects() {
    let folder = recordings();
    if !folder.is_dir() {
        return skip(&format!("no recordings at {}", folder.display()));
    }
    let all = exchanges(&folder);
    let (mut counts, mut judge) = (Counts::default(), Judge::default());
    for exchange in &all {
        for to in Dialect::ALL {
            exchange.cell(to, &mut judge);
            exchange.asked(to, &mut counts, &mut judge);
        }
        match (exchange.status, exchange.streams) {
            (200, false) => counts.answers += 1,
            (200, true) => counts.streams += 1,
            (_, _) => counts.errors += 1,
        }
    }
    let Counts { answers, streams, errors, requests, told, refused, unsigned } = counts;
    say(&format!(
        "{} exchanges ({answers} answers, {streams} streams, {errors} errors) through 16 cells: {} checks",
        all.len(),
        judge.checked
    ));
    say(&format!("{requests} requests converted there and back ({told} of them tell losses), {refused} refused"));
    let [unmade, untold] = judge.excepted;
    say(&format!("excepted: {unmade} comparisons of answers not made yet, {untold} of answers without usage as Claude's"));
    say(&format!("excepted: {unsigned} requests without thoughts that nobody signed"));
    assert!(judge.faults.is_empty(), "{} faults:\n{}", judge.faults.len(), judge.faults.join("\n"));
    assert!(answers > 0 && streams > 0 && errors > 0, "no recordings in {}", folder.display());
}
