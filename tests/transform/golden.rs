//! The matrix: sixteen cells by the scenarios of `tests/fixtures/generate`. Within one dialect a body stays member for member.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use gproxy::{
    protocol::frame::{Framing, sse::Splitter},
    transform::{
        Loss, LossKind,
        generate::{self, Asked, Collector, Dialect, Memory, StreamConverter, Target, Telling, Wire},
    },
};
use serde_json::Value;

use crate::{
    laws::difference,
    said::{self, Said},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn scenarios() -> BTreeSet<String> {
    let folders = Dialect::ALL.iter().filter_map(|dialect| fs::read_dir(root().join("generate").join(dialect.id())).ok());
    folders.flatten().map(|entry| entry.unwrap().file_name().into_string().unwrap()).filter(|name| name != "errors").collect()
}

fn fixture(dialect: Dialect, scenario: &str, file: &str) -> Option<String> {
    fs::read_to_string(root().join("generate").join(dialect.id()).join(scenario).join(file)).ok()
}

fn model(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Chat | Dialect::Responses => "gpt-5.4",
        Dialect::Claude => "claude-opus-4-6",
        Dialect::Gemini => "gemini-3-pro",
    }
}

fn value(json: &[u8]) -> Value {
    serde_json::from_slice(json).unwrap_or_else(|fault| panic!("{fault}: {}", String::from_utf8_lossy(json)))
}

fn telling(memory: Memory, upstream: Dialect) -> Telling {
    memory.telling(Telling::new("0197c0ffee".to_owned(), 1_760_000_000, model(upstream).to_owned(), 20, Wire::Sse))
}

fn list(losses: &[Loss]) -> String {
    let mut sorted: Vec<String> = losses.iter().map(ToString::to_string).collect();
    sorted.sort();
    sorted.dedup();
    sorted.join("\n")
}

fn streamed(from: Dialect, to: Dialect, stream: &str, telling: &Telling, size: usize) -> (String, Vec<Loss>) {
    let mut converter = StreamConverter::new(from, Framing::Sse(Splitter::default()), to, telling);
    let mut out = Vec::new();
    for chunk in stream.as_bytes().chunks(size) {
        out.extend(converter.push(chunk).unwrap());
    }
    out.extend(converter.finish());
    (String::from_utf8(out).unwrap(), converter.losses().to_vec())
}

fn gathered(from: Dialect, to: Dialect, stream: &str, telling: &Telling) -> Value {
    let mut collector = Collector::new(from, Framing::Sse(Splitter::default()));
    collector.push(stream.as_bytes()).unwrap();
    value(&collector.finish(to, telling).unwrap().0)
}

/// What one cell gave for one scenario.
struct Cell {
    text: String,
    /// What the request lost, and what the answer lost on its way back.
    losses: [Vec<Loss>; 2],
    faults: Vec<String>,
}

/// One cell of the matrix for one scenario; `None` where neither side has the scenario.
fn cell(client: Dialect, upstream: Dialect, scenario: &str) -> Option<Cell> {
    let mut lost: [Vec<Loss>; 2] = Default::default();
    let (mut text, mut streamed_losses) = (String::new(), Vec::new());
    let mut memory = Memory::default();
    let mut there = Judge { from: client, to: upstream, scenario, faults: Vec::new() };
    let mut back = Judge { from: upstream, to: client, scenario, faults: Vec::new() };
    if let Some(body) = fixture(client, scenario, "request.json") {
        // Within one dialect nothing is asked of another model.
        let own = value(body.as_bytes())["model"].as_str().filter(|_| client == upstream).map(str::to_owned);
        let asked = Asked { model: own.as_deref().unwrap_or_else(|| model(upstream)), streams: false, goes_on_from: None };
        match generate::request(client, upstream, body.as_bytes(), asked, Target::default()) {
            Ok(converted) => {
                there.request(&value(body.as_bytes()), &value(&converted.body), &converted.losses);
                let pretty = serde_json::to_string_pretty(&value(&converted.body)).unwrap();
                write!(text, "## request\n{pretty}\n## losses\n{}\n", list(&converted.losses)).unwrap();
                lost[0] = converted.losses;
                memory = converted.memory;
            }
            Err(refused) => write!(text, "## request refused\n{refused}\n").unwrap(),
        }
    }
    let telling = telling(memory, upstream);
    if let Some(body) = fixture(upstream, scenario, "answer.json") {
        let (told, losses) = generate::answer(upstream, client, body.as_bytes(), &telling).unwrap();
        back.answer(&value(body.as_bytes()), &value(&told));
        let pretty = serde_json::to_string_pretty(&value(&told)).unwrap();
        write!(text, "## answer\n{pretty}\n## losses\n{}\n", list(&losses)).unwrap();
        lost[1].extend(losses);
    }
    if let Some(stream) = fixture(upstream, scenario, "stream.sse") {
        let mut told = telling.clone();
        told.include_usage = true;
        let (whole, losses) = streamed(upstream, client, &stream, &told, usize::MAX);
        for size in [1, 7, 64] {
            assert_eq!(streamed(upstream, client, &stream, &told, size).0, whole, "{client:?} {upstream:?} {scenario}: chunks of {size}");
        }
        back.stream(&stream, &whole, &told);
        write!(text, "## stream\n{whole}\n## losses\n{}\n", list(&losses)).unwrap();
        streamed_losses = losses;
    }
    if client == upstream {
        back.same("losses", &String::new(), &list(&lost.concat()));
        // The canonical form of a stream has no place for members that nobody knows: they are told.
        let told =
            if scenario == "unknown_fields" && client != Dialect::Chat { "x_new dropped: the target has no place for it" } else { "" };
        back.same("losses of the stream", &told, &list(&streamed_losses).as_str());
    }
    lost[1].extend(streamed_losses);
    let faults = [there.faults, back.faults].concat();
    (!text.is_empty()).then_some(Cell { text, losses: lost, faults })
}

/// A path without its indexes: the same loss in another place is the same line of the table.
fn anywhere(path: &str) -> String {
    let mut out = String::new();
    let mut inside = false;
    for letter in path.chars() {
        match letter {
            '[' => {
                inside = true;
                out.push_str("[]");
            }
            ']' => inside = false,
            _ if inside => {}
            letter => out.push(letter),
        }
    }
    out
}

/// What a pair's requests and answers lost: paths, and what became of them.
type Lost = BTreeMap<(Dialect, Dialect), [BTreeSet<(String, String)>; 2]>;

/// The page of losses: for each pair of dialects what its request and its answer lost in any scenario.
fn page(lost: &Lost) -> String {
    let mut page = String::from(
        "# What conversions lose\n\nMade by `make golden` from the scenarios of `tests/fixtures/generate`; do not edit. Paths are in the words of the \
         sender: of the client for requests, of the provider for answers. See [conversion.md](conversion.md).\n",
    );
    for ((client, upstream), ways) in lost.iter().filter(|((client, upstream), _)| client != upstream) {
        for (way, losses) in [("requests", &ways[0]), ("answers", &ways[1])].into_iter().filter(|(_, losses)| !losses.is_empty()) {
            write!(page, "\n## {} client, {} provider: {way}\n\n| Path | What becomes of it |\n|---|---|\n", client.id(), upstream.id())
                .unwrap();
            for (path, note) in losses {
                writeln!(page, "| `{path}` | {note} |").unwrap();
            }
        }
    }
    page
}

/// What must be equal on both sides of a conversion and is not.
struct Judge<'a> {
    from: Dialect,
    to: Dialect,
    scenario: &'a str,
    faults: Vec<String>,
}

impl Judge<'_> {
    fn same<T: PartialEq + std::fmt::Debug>(&mut self, what: &str, before: &T, after: &T) {
        if before != after {
            let (from, to, scenario) = (self.from.id(), self.to.id(), self.scenario);
            self.faults.push(format!("{from} to {to}, {scenario}: {what}: {before:?} became {after:?}"));
        }
    }

    /// Within one dialect the body itself stays: more than its meaning.
    fn body(&mut self, what: &str, before: &Value, after: &Value) {
        if self.from == self.to {
            self.same(what, &None, &difference(before, after, ""));
        }
    }

    fn request(&mut self, before: &Value, after: &Value, losses: &[Loss]) {
        self.body("request", before, after);
        let (before, after) = (said::request(self.from, before), said::request(self.to, after));
        let squeezed = |said: &Said| said.text.split_whitespace().collect::<String>();
        let (was, is) = (squeezed(&before), squeezed(&after));
        let reworded = losses.iter().any(|loss| loss.kind == LossKind::Changed);
        match self.scenario {
            // What a provider's own tools found goes over as words where there is no place for it; an operator's words in the
            // middle may stand in other clothes.
            "mid_system" | "web_search" | "code_execution" => self.same("words", &true, &is.contains(was.get(..3).unwrap_or_default())),
            // What is said instead of a member that the target lacks is told as a change.
            _ if reworded => self.same("words", &true, &(is.starts_with(&was) || is.ends_with(&was))),
            _ => self.same("words", &was, &is),
        }
        if self.scenario != "custom_tool" {
            self.same("calls", &before.calls, &after.calls);
        }
        self.same("results", &before.results, &after.results);
        if after.media != before.media {
            self.same("media is told as lost", &true, &!losses.is_empty());
        }
        self.same("tools", &before.tools, &after.tools);
    }

    fn answer(&mut self, before: &Value, after: &Value) {
        self.body("answer", before, after);
        self.said(&said::answer(self.from, before), &said::answer(self.to, after));
    }

    fn said(&mut self, before: &Said, after: &Said) {
        // One answer is all that two of the dialects have.
        if self.scenario == "n_choices" && matches!(self.to, Dialect::Claude | Dialect::Responses) {
            self.same("words", &true, &before.text.starts_with(&after.text));
        } else {
            self.same("words", &before.text.trim(), &after.text.trim());
        }
        self.same("reasoning", &before.reasoning, &after.reasoning);
        if self.scenario != "custom_tool" {
            self.same("calls", &before.calls, &after.calls);
        }
        // Responses says a refusal with a part of its own and ends as usual.
        let ends = |stop: &str| if self.scenario == "refusal" && stop == "end" { "filter".to_owned() } else { stop.to_owned() };
        let (was, is) = (ends(&before.stop), ends(&after.stop));
        self.same("stop", &was, &is);
        self.same("usage", &before.usage, &after.usage);
    }

    fn stream(&mut self, before: &str, after: &str, telling: &Telling) {
        let (Some(before_whole), Some(after_whole)) = (said::whole(self.from, before), said::whole(self.to, after)) else {
            return self.same("a stream that ended well", &true, &false);
        };
        self.said(&said::answer(self.from, &before_whole), &said::answer(self.to, &after_whole));
        // Gathered into one piece it says the same, and in its own dialect is the same.
        let whole = gathered(self.from, self.to, before, telling);
        self.said(&said::answer(self.to, &after_whole), &said::answer(self.to, &whole));
        // (Gemini's tier comes with the figures at its end, where a reader of streams no longer looks for it.)
        if self.scenario != "metadata" {
            self.body("gathered stream", &whole, &gathered(self.to, self.to, after, telling));
        }
    }
}

#[test]
fn every_cell_is_as_its_golden_says() {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let (mut cases, mut stale, mut wrong, mut lost) = (0, Vec::new(), Vec::new(), Lost::new());
    for client in Dialect::ALL {
        for upstream in Dialect::ALL {
            let folder = root().join("golden").join(format!("{}-on-{}", client.id(), upstream.id()));
            for scenario in scenarios() {
                let Some(Cell { text, losses, faults }) = cell(client, upstream, &scenario) else { continue };
                wrong.extend(faults);
                let ways = lost.entry((client, upstream)).or_default();
                for (way, losses) in ways.iter_mut().zip(losses) {
                    way.extend(losses.iter().map(|loss| (anywhere(&loss.path), format!("{}: {}", loss.kind.id(), loss.note))));
                }
                cases += text.matches("## answer").count() + text.matches("## stream").count() + text.matches("## request").count();
                let path = folder.join(format!("{scenario}.txt"));
                if update {
                    fs::create_dir_all(&folder).unwrap();
                    fs::write(&path, &text).unwrap();
                } else if fs::read_to_string(&path).ok().as_deref() != Some(&text) {
                    stale.push(path.strip_prefix(root()).unwrap().display().to_string());
                }
            }
        }
    }
    let (path, page) = (Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/losses.md"), page(&lost));
    if update {
        fs::write(&path, &page).unwrap();
    } else if fs::read_to_string(&path).ok().as_deref() != Some(&page) {
        stale.push("docs/losses.md".to_owned());
    }
    assert!(wrong.is_empty(), "{} faults:\n{}", wrong.len(), wrong.join("\n"));
    println!("{cases} cases");
    assert!(stale.is_empty(), "{} goldens differ; UPDATE_GOLDEN=1 writes them anew: {}", stale.len(), stale.join(", "));
    assert!(cases >= 1_600, "only {cases} cases");
}

#[test]
fn a_stream_that_breaks_off_never_ends_well() {
    for upstream in Dialect::ALL {
        for scenario in ["plain", "tool_call", "thinking"] {
            let Some(stream) = fixture(upstream, scenario, "stream.sse") else { continue };
            let events: Vec<&str> = stream.split_inclusive("\n\n").collect();
            for client in Dialect::ALL {
                for cut in 0..events.len() {
                    let part = events[..cut].concat();
                    if said::whole_or_none(upstream, &part).is_some() {
                        continue;
                    }
                    let (told, _) = streamed(upstream, client, &part, &telling(Memory::default(), upstream), usize::MAX);
                    assert_eq!(said::whole_or_none(client, &told), None, "{upstream:?} to {client:?}, {scenario} cut at {cut}: {told}");
                    assert!(told.contains("error"), "{upstream:?} to {client:?}, {scenario} cut at {cut}: {told}");
                }
            }
        }
    }
}
