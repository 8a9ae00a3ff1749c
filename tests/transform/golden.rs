//! The matrix: twelve crossed cells by the scenarios of `tests/fixtures/generate`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use gproxy::{
    protocol::frame::{Framing, sse::Splitter},
    transform::{
        Loss,
        generate::{self, Asked, Collector, Dialect, Memory, StreamConverter, Target, Telling, Wire},
    },
};
use serde_json::Value;

use crate::said::{self, Said};

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

/// What one cell gave for one scenario.
struct Cell {
    text: String,
    /// What the request lost, and what the answer lost on its way back.
    losses: [Vec<Loss>; 2],
}

/// One cell of the matrix for one scenario; `None` where neither side has the scenario.
fn cell(client: Dialect, upstream: Dialect, scenario: &str) -> Option<Cell> {
    let mut lost: [Vec<Loss>; 2] = Default::default();
    let mut text = String::new();
    let mut memory = Memory::default();
    if let Some(body) = fixture(client, scenario, "request.json") {
        let asked = Asked { model: model(upstream), streams: false };
        match generate::request(client, upstream, body.as_bytes(), asked, Target::default()) {
            Ok(converted) => {
                same_request((client, &value(body.as_bytes())), (upstream, &value(&converted.body)), scenario);
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
        same_answer((upstream, &value(body.as_bytes())), (client, &value(&told)), scenario);
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
        same_stream((upstream, &stream), (client, &whole), scenario, &told);
        write!(text, "## stream\n{whole}\n## losses\n{}\n", list(&losses)).unwrap();
    }
    (!text.is_empty()).then_some(Cell { text, losses: lost })
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

/// The page of losses: for each pair of dialects what its request and its answer lost in any scenario.
fn page(lost: &BTreeMap<(Dialect, Dialect), [BTreeSet<(String, String)>; 2]>) -> String {
    let mut page = String::from(
        "# What conversions lose\n\nMade by `make golden` from the scenarios of `tests/fixtures/generate`; do not edit. Paths are in the words of the \
         sender: of the client for requests, of the provider for answers. See [conversion.md](conversion.md).\n",
    );
    for ((client, upstream), ways) in lost {
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

fn note(what: &str, one: Dialect, other: Dialect, scenario: &str) -> String {
    format!("{what}: {} to {}, {scenario}", one.id(), other.id())
}

fn same_request((from, before): (Dialect, &Value), (to, after): (Dialect, &Value), scenario: &str) {
    let (before, after) = (said::request(from, before), said::request(to, after));
    let note = |what: &str| note(what, from, to, scenario);
    let squeezed = |said: &Said| said.text.split_whitespace().collect::<String>();
    match scenario {
        // The target may have no turn for the operator's words in the middle: they are kept, in other clothes.
        "mid_system" => assert!(squeezed(&after).contains("AnswerinFrench."), "{}", note("words")),
        // What a provider's own tools found goes over as words where there is no place for it.
        "web_search" | "code_execution" => assert!(squeezed(&after).contains(&squeezed(&before)), "{}", note("words")),
        _ => assert_eq!(squeezed(&after), squeezed(&before), "{}", note("words")),
    }
    if scenario != "custom_tool" {
        assert_eq!(after.calls, before.calls, "{}", note("calls"));
    }
    assert_eq!(after.results, before.results, "{}", note("results"));
    assert_eq!(after.media, before.media, "{}", note("media"));
    assert_eq!(after.tools, before.tools, "{}", note("tools"));
}

fn same_answer((from, before): (Dialect, &Value), (to, after): (Dialect, &Value), scenario: &str) {
    same_said(&said::answer(from, before), &said::answer(to, after), (from, to, scenario));
}

fn same_said(before: &Said, after: &Said, (from, to, scenario): (Dialect, Dialect, &str)) {
    let note = |what: &str| note(what, from, to, scenario);
    // One answer is all that two of the dialects have.
    if scenario == "n_choices" && matches!(to, Dialect::Claude | Dialect::Responses) {
        assert!(before.text.starts_with(&after.text), "{}", note("words"));
    } else {
        assert_eq!(after.text.trim(), before.text.trim(), "{}", note("words"));
    }
    assert_eq!(after.reasoning, before.reasoning, "{}", note("reasoning"));
    if scenario != "custom_tool" {
        assert_eq!(after.calls, before.calls, "{}", note("calls"));
    }
    // Responses says a refusal with a part of its own and ends as usual.
    let ends = |stop: &str| if scenario == "refusal" && stop == "end" { "filter".to_owned() } else { stop.to_owned() };
    assert_eq!(ends(&after.stop), ends(&before.stop), "{}", note("stop"));
    assert_eq!(after.usage, before.usage, "{}", note("usage"));
}

fn same_stream((from, before): (Dialect, &str), (to, after): (Dialect, &str), scenario: &str, telling: &Telling) {
    let (Some(before_whole), Some(after_whole)) = (said::whole(from, before), said::whole(to, after)) else {
        panic!("{}", note("a stream that ended well became one that did not", from, to, scenario));
    };
    same_answer((from, &before_whole), (to, &after_whole), scenario);
    // Gathered into one piece it says the same.
    let mut collector = Collector::new(from, Framing::Sse(Splitter::default()));
    collector.push(before.as_bytes()).unwrap();
    let (gathered, _) = collector.finish(to, telling).unwrap();
    same_said(&said::answer(to, &after_whole), &said::answer(to, &value(&gathered)), (from, to, scenario));
}

#[test]
fn every_cell_is_as_its_golden_says() {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let (mut cases, mut stale, mut lost) = (0, Vec::new(), BTreeMap::new());
    for client in Dialect::ALL {
        for upstream in Dialect::ALL.into_iter().filter(|upstream| *upstream != client) {
            let folder = root().join("golden").join(format!("{}-on-{}", client.id(), upstream.id()));
            for scenario in scenarios() {
                let Some(Cell { text, losses }) = cell(client, upstream, &scenario) else { continue };
                let ways: &mut [BTreeSet<_>; 2] = lost.entry((client, upstream)).or_default();
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
    println!("{cases} cases");
    assert!(stale.is_empty(), "{} goldens differ; UPDATE_GOLDEN=1 writes them anew: {}", stale.len(), stale.join(", "));
    assert!(cases >= 400, "only {cases} cases");
}

#[test]
fn a_stream_that_breaks_off_never_ends_well() {
    for upstream in Dialect::ALL {
        for scenario in ["plain", "tool_call", "thinking"] {
            let Some(stream) = fixture(upstream, scenario, "stream.sse") else { continue };
            let events: Vec<&str> = stream.split_inclusive("\n\n").collect();
            for client in Dialect::ALL.into_iter().filter(|client| *client != upstream) {
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
