//! Holds the shape of the house: floors, platform switches, the channel registry, headers and lengths, crates and their rooms.
//!
//! Each rule is a function of paths and texts, so that the tests can plant a fault of each kind and see it found.

use std::{fmt, fs, path::Path};

#[path = "architecture/reading.rs"]
mod reading;

use reading::{Source, attributes, skip_attributes, test_modules};

/// Something that stands where it must not.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    path: String,
    line: usize,
    rule: &'static str,
    advice: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}: {}", self.path, self.line, self.rule, self.advice)
    }
}

fn finding(source: &Source<'_>, at: usize, rule: &'static str, advice: String) -> Finding {
    Finding { path: source.path.to_owned(), line: source.line(at), rule, advice }
}

/// What a room may import.
enum May {
    /// These rooms.
    Only(&'static [&'static str]),
    /// Every room up to a floor, and these.
    UpTo(u8, &'static [&'static str]),
}

/// One row of the floor table.
struct Floor {
    level: u8,
    room: &'static str,
    may: May,
}

const fn row(level: u8, room: &'static str, may: May) -> Floor {
    Floor { level, room, may }
}

/// The floors. An arrow goes only downward, and rooms of floor 3 do not know each other.
const FLOORS: &[Floor] = &[
    row(0, "base", May::Only(&[])),
    row(1, "protocol", May::Only(&["base"])),
    row(1, "runtime", May::Only(&["base"])),
    row(1, "observe", May::Only(&["base"])),
    row(2, "transform", May::Only(&["base", "protocol"])),
    row(2, "process", May::Only(&["base", "protocol"])),
    row(2, "tokenize", May::Only(&["base", "protocol"])),
    row(2, "usage", May::Only(&["base", "protocol"])),
    row(2, "store", May::Only(&["base", "protocol", "runtime", "observe"])),
    row(3, "access", May::UpTo(2, &[])),
    row(3, "route", May::UpTo(2, &[])),
    row(3, "credentials", May::UpTo(2, &[])),
    row(3, "health", May::UpTo(2, &[])),
    row(3, "billing", May::UpTo(2, &[])),
    row(3, "doctor", May::UpTo(2, &[])),
    row(4, "channel", May::Only(&["base", "protocol", "runtime", "access", "credentials"])),
    row(5, "snapshot", May::UpTo(4, &[])),
    row(6, "pipeline", May::UpTo(5, &[])),
    row(7, "admin", May::UpTo(5, &[])),
    row(7, "app", May::UpTo(6, &["admin"])),
    row(7, "selfupdate", May::Only(&["base", "runtime"])),
    row(8, "http", May::UpTo(7, &[])),
    row(8, "lab", May::UpTo(7, &[])),
];

/// Of `access`, a channel may know the proof of admission and nothing else.
const CHANNEL_KNOWS_OF_ACCESS: &str = "Permit";

/// Files in which the platform may be chosen.
const SWITCHBOARDS: &[&str] = &[
    "src/lib.rs",
    "src/main.rs",
    "src/app/mod.rs",
    "src/http/mod.rs",
    "src/runtime/mod.rs",
    "src/store/mod.rs",
    "src/store/cache/mod.rs",
    "src/store/persist/mod.rs",
    // Vocabularies are larger than what may be deployed on the edge, which estimates.
    "src/tokenize/mod.rs",
];

/// Crates that have rooms of their own, with the paths under `src/` that may use them.
const CRATES: &[(&[&str], &[&str])] = &[
    (&["hyper", "hyper_util"], &["runtime/native", "http/native", "store/cache/redis", "lab/", "main.rs"]),
    (
        &[
            "hyper_rustls",
            "rustls",
            "tokio_rustls",
            "rustls_native_certs",
            "webpki_roots",
            "wreq",
            "tokio_tungstenite",
            "tower_service",
            "socket2",
        ],
        &["runtime/native", "http/native", "store/cache/redis", "lab/", "main.rs"],
    ),
    (&["tokio"], &["runtime/native", "http/native", "store/persist/", "store/cache/redis", "app/", "selfupdate/", "lab/", "main.rs"]),
    (&["sea_orm", "sea_query", "sqlx"], &["store/persist/sql"]),
    (&["redis"], &["store/cache/redis"]),
    (&["h2"], &["runtime/native"]),
    (&["ring"], &["runtime/native", "lab/"]),
    (&["wasm_bindgen", "wasm_bindgen_futures", "js_sys", "web_sys", "send_wrapper"], &["runtime/edge", "http/edge"]),
    (&["clap", "tracing_subscriber"], &["app/", "http/native", "main.rs"]),
    (&["tiktoken_rs", "fancy_regex"], &["tokenize/native"]),
    (&["axum", "tower_http", "reqwest", "anyhow", "hdrhistogram"], &[]),
];

/// What of tokio needs no platform, and who may use it.
const TOKIO_SYNC_FROM_FLOOR: u8 = 2;
const TOKIO_MACROS: &[&str] = &["select", "join", "pin"];
const TOKIO_MACRO_ROOMS: &[&str] = &["store", "pipeline", "app", "http", "lab"];

const LONGEST_FILE: usize = 600;

// ---- the rules ----

fn floors(source: &Source<'_>) -> Vec<Finding> {
    const RULE: &str = "floors";
    let Some(room) = source.room() else { return Vec::new() };
    let Some(here) = FLOORS.iter().find(|floor| floor.room == room) else {
        let advice = format!("the room `{room}` has no row in FLOORS; give it one, with its floor and what it may import");
        return vec![finding(source, 0, RULE, advice)];
    };
    let mut found = Vec::new();
    for path in source.paths() {
        let climbed = source.rooted(&path);
        let Some([target, rest @ ..]) = climbed else { continue };
        if target == room {
            continue;
        }
        let Some(there) = FLOORS.iter().find(|floor| floor.room == *target) else {
            if path.parts[0] == "crate" {
                found.push(finding(
                    source,
                    path.at,
                    RULE,
                    format!("`crate::{target}` is no room of the house; import from the room that has it"),
                ));
            }
            continue;
        };
        let allowed = match here.may {
            May::Only(rooms) => rooms.contains(&there.room),
            May::UpTo(floor, also) => there.level <= floor || also.contains(&there.room),
        };
        if !allowed {
            let advice = format!(
                "`{room}` (floor {}) may not import `{target}` (floor {}); move the shared word to a lower room, or take it as an argument",
                here.level, there.level
            );
            found.push(finding(source, path.at, RULE, advice));
        } else if room == "channel" && target == "access" && rest.first().map(String::as_str) != Some(CHANNEL_KNOWS_OF_ACCESS) {
            found.push(finding(source, path.at, RULE, "of `access` a channel may import `Permit` only".into()));
        }
    }
    found
}

fn switches(source: &Source<'_>) -> Vec<Finding> {
    const RULE: &str = "platform switch";
    let mut found = Vec::new();
    for attribute in attributes(&source.text, &source.code) {
        if !(attribute.inside.starts_with("cfg") && chooses_platform(attribute.inside)) {
            continue;
        }
        if !SWITCHBOARDS.contains(&source.path) {
            let advice = "the platform is chosen in the mod.rs of runtime, store, app and http only; put the difference into a file of its own there";
            found.push(finding(source, attribute.from, RULE, advice.into()));
            continue;
        }
        let item = &source.code[skip_attributes(source.code.as_bytes(), attribute.to)..];
        if !["mod ", "pub mod ", "pub(crate) mod ", "pub use "].iter().any(|start| item.starts_with(start)) {
            found.push(finding(
                source,
                attribute.from,
                RULE,
                "a switch stands only before `mod` or `pub use`; split the item into files".into(),
            ));
        }
    }
    for (at, _) in source.code.match_indices("cfg!") {
        if source.text[at..].lines().next().is_some_and(chooses_platform) {
            found.push(finding(source, at, RULE, "no switch inside a function; split it into files".into()));
        }
    }
    found
}

fn chooses_platform(condition: &str) -> bool {
    let condition: String = condition.chars().filter(|c| !c.is_whitespace()).collect();
    condition.contains("target_") || condition.contains("feature=\"native\"") || condition.contains("feature=\"edge\"")
}

fn headers_and_lengths(path: &str, text: &str) -> Vec<Finding> {
    if path.ends_with("/tests.rs") {
        return Vec::new();
    }
    let at = |line, rule, advice: String| Finding { path: path.to_owned(), line, rule, advice };
    let mut found = Vec::new();
    if !text.starts_with("//!") {
        found.push(at(1, "header", "the first line must be `//!` and say what the file is for".into()));
    }
    let lines = text.lines().count();
    if lines > LONGEST_FILE {
        found.push(at(lines, "length", format!("{lines} lines; {LONGEST_FILE} are allowed: split it by what it is about")));
    }
    found
}

fn registry(folders: &[String], registry: &Source<'_>) -> Vec<Finding> {
    const RULE: &str = "registry";
    let table = registry.code.find("static CHANNELS").unwrap_or(registry.code.len());
    let (before, rows) = registry.code.split_at(table);
    let mut found = Vec::new();
    for folder in folders.iter().filter(|folder| *folder != "kit") {
        if !before.contains(&format!("mod {folder};")) {
            found.push(finding(registry, 0, RULE, format!("src/channel/{folder}/ has no `mod {folder};` here; add it above CHANNELS")));
        }
        if !rows.contains(&format!("{folder}::")) {
            let advice = format!("src/channel/{folder}/ has no row in CHANNELS; add `folder::<{folder}::…>(&[])`");
            found.push(finding(registry, table, RULE, advice));
        }
    }
    found
}

fn crates(source: &Source<'_>) -> Vec<Finding> {
    let inside = source.path.strip_prefix("src/").unwrap_or(source.path);
    let mut found = Vec::new();
    for path in source.paths() {
        let name = path.parts[0].as_str();
        let Some((_, rooms)) = CRATES.iter().find(|(names, _)| names.contains(&name)) else { continue };
        if rooms.iter().any(|room| inside.starts_with(room)) || (name == "tokio" && is_neutral(source, &path.parts)) {
            continue;
        }
        let advice = match rooms {
            [] => format!("`{name}` has no place in the library; see CRATES in tests/architecture.rs"),
            rooms => format!("`{name}` belongs to {}; use the traits of `runtime` or `store` here", rooms.join(", ")),
        };
        found.push(finding(source, path.at, "crates", advice));
    }
    found
}

fn is_neutral(source: &Source<'_>, parts: &[String]) -> bool {
    let room = source.room().unwrap_or_default();
    let floor = FLOORS.iter().find(|floor| floor.room == room).map_or(0, |floor| floor.level);
    match parts.get(1).map(String::as_str) {
        Some("sync") => floor >= TOKIO_SYNC_FROM_FLOOR,
        Some(word) => TOKIO_MACROS.contains(&word) && TOKIO_MACRO_ROOMS.contains(&room),
        None => false,
    }
}

/// Every rule on the files of `src/`.
fn check_all(files: &[(String, String)]) -> Vec<Finding> {
    let modules: Vec<String> = files.iter().flat_map(|(path, text)| test_modules(path, text)).collect();
    let of_tests = |path: &str| {
        modules.iter().any(|module| path.strip_prefix(module.as_str()).is_some_and(|rest| rest == ".rs" || rest.starts_with('/')))
    };
    files.iter().flat_map(|(path, text)| if of_tests(path) { headers_and_lengths(path, text) } else { check(path, text) }).collect()
}

/// Every rule on one file.
fn check(path: &str, text: &str) -> Vec<Finding> {
    let mut found = headers_and_lengths(path, text);
    if is_exempt(path) {
        return found;
    }
    let source = Source::new(path, text);
    found.extend(floors(&source));
    found.extend(switches(&source));
    found.extend(crates(&source));
    found.dedup();
    found
}

/// Tests and their helpers may look into every room.
fn is_exempt(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.contains("/tests/") || path.starts_with("src/testing")
}

// ---- the house as it stands ----

/// Every Rust file under a folder of the repository, with its path from there, in order.
fn sources(folder: &str) -> Vec<(String, String)> {
    let mut files = Vec::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), folder, &mut files);
    files.sort();
    files
}

fn collect(at: &Path, name: &str, files: &mut Vec<(String, String)>) {
    let Ok(entries) = fs::read_dir(at) else { return };
    for entry in entries.flatten() {
        let name = format!("{name}/{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            collect(&entry.path(), &name, files);
        } else if Path::new(&name).extension().is_some_and(|extension| extension == "rs")
            && let Ok(text) = fs::read_to_string(entry.path())
        {
            files.push((name, text));
        }
    }
}

fn channel_folders(files: &[(String, String)]) -> Vec<String> {
    let inside = files.iter().filter_map(|(path, _)| path.strip_prefix("src/channel/")?.split_once('/'));
    let mut folders: Vec<String> = inside.map(|(folder, _)| folder.to_owned()).collect();
    folders.dedup();
    folders
}

fn assert_none(found: &[Finding]) {
    let list: Vec<String> = found.iter().map(Finding::to_string).collect();
    assert!(found.is_empty(), "{} things stand where they must not:\n{}", found.len(), list.join("\n"));
}

#[test]
fn every_source_file_keeps_the_rules() {
    let files = sources("src");
    assert!(files.len() > 20, "src/ was not found");
    assert_none(&check_all(&files));
}

#[test]
fn a_module_of_tests_is_exempt_and_its_neighbours_are_not() {
    let file = |path: &str, text: &str| (path.to_owned(), text.to_owned());
    let climbs = "//! x\nuse crate::http::reply;\n";
    let files = [
        file("src/access/mod.rs", "//! x\n#[cfg(test)]\npub(crate) mod contract;\nmod contracts;\n"),
        file("src/access/contract.rs", climbs),
        file("src/access/contract/more.rs", climbs),
        file("src/access/contracts.rs", climbs),
    ];
    let found: Vec<String> = check_all(&files).into_iter().map(|finding| finding.path).collect();
    assert_eq!(found, ["src/access/contracts.rs"]);
}

#[test]
fn tests_and_tools_say_what_they_are_for() {
    let files = ["tests", "bench", "examples"].into_iter().flat_map(sources);
    let found: Vec<Finding> = files.flat_map(|(path, text)| headers_and_lengths(&path, &text)).collect();
    assert_none(&found);
}

#[test]
fn every_channel_folder_has_its_row() {
    let files = sources("src");
    let (path, text) = files.iter().find(|(path, _)| path == "src/channel/registry.rs").expect("the registry");
    let folders = channel_folders(&files);
    assert!(folders.iter().any(|folder| folder == "kit"), "src/channel/ was not found");
    assert_none(&registry(&folders, &Source::new(path, text)));
}

// ---- the rules themselves ----

/// A file that a rule must find fault with, on one line.
struct Planted {
    path: &'static str,
    text: &'static str,
    rule: &'static str,
    line: usize,
}

const fn planted(rule: &'static str, line: usize, path: &'static str, text: &'static str) -> Planted {
    Planted { path, text, rule, line }
}

#[test]
fn each_planted_fault_is_found_where_it_stands() {
    for plant in [
        planted("floors", 2, "src/access/x.rs", "//! x\nuse crate::channel::Order;\n"),
        planted("floors", 3, "src/access/x.rs", "//! x\nuse crate::{base::Glob,\n  route::{Plan, Target}};\n"),
        planted("floors", 3, "src/billing/x.rs", "//! x\nfn f() {\n    let p = crate::health::State::new();\n}\n"),
        planted("floors", 2, "src/store/x.rs", "//! x\nuse crate::snapshot::Snapshot;\n"),
        planted("floors", 2, "src/store/x/y.rs", "//! x\nuse super::super::super::pipeline::execute;\n"),
        planted("floors", 2, "src/base/x.rs", "//! x\npub use crate::protocol::Operation;\n"),
        planted("floors", 2, "src/channel/x.rs", "//! x\nuse crate::access::{Permit, Directory};\n"),
        planted("floors", 2, "src/channel/x.rs", "//! x\nuse crate::access;\n"),
        planted("floors", 2, "src/admin/x.rs", "//! x\nuse crate::pipeline::Trail;\n"),
        planted("floors", 2, "src/usage/x.rs", "//! x\nuse crate::runtime::Body;\n"),
        planted("floors", 2, "src/access/x.rs", "//! x\nuse crate::utils::pad;\n"),
        planted("floors", 1, "src/utils/x.rs", "//! x\n"),
        planted("floors", 3, "src/access/x.rs", "//! x\n#[cfg(not(test))]\nuse crate::http::reply;\n"),
        planted("platform switch", 2, "src/pipeline/x.rs", "//! x\n#[cfg(feature = \"native\")]\nmod y;\n"),
        planted("platform switch", 3, "src/store/mod.rs", "//! x\n\n#[cfg(not(feature=\"edge\"))]\nfn f() {}\n"),
        planted("platform switch", 2, "src/runtime/mod.rs", "//! x\n#[cfg(target_arch = \"wasm32\")]\nuse std::fmt;\n"),
        planted("platform switch", 2, "src/pipeline/x.rs", "//! x\nfn f() -> bool { cfg!(target_os = \"linux\") }\n"),
        planted("platform switch", 2, "src/pipeline/x.rs", "//! x\n#[cfg_attr(feature = \"native\", derive(Debug))]\nstruct X;\n"),
        planted("header", 1, "src/access/x.rs", "use std::fmt;\n"),
        planted("crates", 2, "src/access/x.rs", "//! x\nuse hyper::body::Incoming;\n"),
        planted("crates", 3, "src/http/data.rs", "//! x\nuse std::fmt;\nuse tokio::{sync::Notify, net::TcpStream};\n"),
        planted("crates", 2, "src/protocol/x.rs", "//! x\nuse tokio::sync::Notify;\n"),
        planted("crates", 2, "src/access/x.rs", "//! x\nfn f() { tokio::select! {} }\n"),
        planted("crates", 2, "src/pipeline/x.rs", "//! x\nfn f() { tokio::spawn(async {}); }\n"),
        planted("crates", 2, "src/store/persist/journal/x.rs", "//! x\nuse sea_orm::Database;\n"),
        planted("crates", 2, "src/http/native/x.rs", "//! x\nuse axum::Router;\n"),
        planted("crates", 2, "src/store/cache/guarded.rs", "//! x\nuse redis::Script;\n"),
    ] {
        let found = check(plant.path, plant.text);
        let lines: Vec<(&str, usize)> = found.iter().map(|finding| (finding.rule, finding.line)).collect();
        assert_eq!(lines, [(plant.rule, plant.line)], "in {}:\n{}\nfound {found:?}", plant.path, plant.text);
    }
}

#[test]
fn what_is_allowed_is_not_found() {
    for (path, text) in [
        ("src/store/x.rs", "//! x\nuse crate::{base::UserId, protocol::Operation, runtime::BoxFuture, store::record::KeyRow};\n"),
        ("src/channel/demo/mod.rs", "//! x\nuse crate::{access::Permit, channel::Order, credentials::Pool};\n"),
        (
            "src/access/x.rs",
            "//! x\n// use crate::channel::Order;\n/* use hyper::Uri; /* crate::http */ */\nconst X: &str = \"crate::channel::Order\";\n",
        ),
        (
            "src/access/x.rs",
            "//! x\nconst X: &str = r#\"a \" crate::channel::Order\"#;\nconst Q: char = '\"';\nconst L: &'static str = \"\";\n",
        ),
        ("src/access/x.rs", "//! x\n#[cfg(test)]\nmod tests {\n    use crate::channel::Order;\n    use tokio::time::pause;\n}\n"),
        ("src/access/x.rs", "//! x\n#[cfg(any(test, feature = \"testing\"))]\nuse crate::{channel::Order, http::reply};\n"),
        ("src/access/tests.rs", "use crate::channel::Order;\n"),
        ("src/testing/mod.rs", "//! x\nuse crate::http::reply;\nuse tokio::net::TcpStream;\n"),
        (
            "src/runtime/mod.rs",
            "//! x\n#[cfg(feature = \"native\")]\n#[doc(hidden)]\npub mod native;\n#[cfg(feature = \"edge\")]\npub use edge::x;\n",
        ),
        ("src/pipeline/x.rs", "//! x\nuse tokio::sync::mpsc;\nasync fn f() { tokio::select! {} }\n"),
        ("src/http/x.rs", "//! x\nuse http::Request;\nuse crate::http::reply;\n#[cfg(debug_assertions)]\nmod y;\n"),
        ("src/main.rs", "//! x\nuse gproxy::app;\nuse tokio::runtime::Builder;\n"),
        ("src/store/persist/sql/x.rs", "//! x\nuse super::super::record::KeyRow;\nuse sea_orm::Database;\n"),
        ("src/access/x.rs", "//! x\nmod inner {\n    use super::super::Caller;\n}\n"),
    ] {
        assert_eq!(check(path, text), [], "in {path}:\n{text}");
    }
}

#[test]
fn a_file_that_is_too_long_is_found() {
    let text = "//! x\n".to_owned() + &"// y\n".repeat(LONGEST_FILE);
    assert_eq!(check("src/access/x.rs", &text).iter().map(|finding| finding.rule).collect::<Vec<_>>(), ["length"]);
    assert_eq!(check("src/access/tests.rs", &text), []);
}

#[test]
fn a_channel_without_its_row_or_its_mod_line_is_found() {
    let folders = ["kit", "openai", "claude"].map(String::from);
    let lacking = |text: &str| registry(&folders, &Source::new("src/channel/registry.rs", text)).len();
    let whole = "mod openai;\nmod claude;\npub static CHANNELS: &[Row] = &[folder::<openai::X>(), folder::<claude::Y>()];\n";
    assert_eq!(lacking(whole), 0);
    assert_eq!(lacking(&whole.replace("mod claude;", "")), 1);
    assert_eq!(lacking(&whole.replace(", folder::<claude::Y>()", " /* folder::<claude::Y>() */")), 1);
    assert_eq!(lacking(""), 4);
}
