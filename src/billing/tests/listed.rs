//! The shipped list: whole, sane, and checked by hand against its sources where it matters.

use super::{tariff, usage};
use crate::billing::{Catalogue, Oddity, Tariff, check};

#[test]
fn the_shipped_list_is_read_whole() {
    let list = Catalogue::parse(Catalogue::TEXT).expect("the shipped list is read");
    assert!(list.rows().len() >= 3000, "only {} rows", list.rows().len());
    for vendor in ["openai", "anthropic", "aistudio", "vertex", "deepseek", "groq", "openrouter", "vercel", "xai", "mistral"] {
        let id = list.vendor(vendor).unwrap_or_else(|| panic!("{vendor} is missing"));
        assert_eq!(list.vendor_name(id), vendor);
    }
    assert_eq!(list.vendor("vertexexpress"), list.vendor("vertex"));
    assert!(list.rows().iter().all(|row| row.source < list.sources().len()));
    assert_eq!(Catalogue::shipped().rows().len(), list.rows().len());
}

#[test]
fn every_oddity_of_the_list_is_excused_and_every_excuse_is_needed() {
    let list = Catalogue::shipped();
    let fits = |pattern: &str, model: &str| crate::base::Glob::new(pattern).matches(model);
    let mut needed = vec![false; list.excuses().len()];
    for row in list.rows() {
        let vendor = list.vendor_name(row.vendor);
        for oddity in check(&row.entry.tariff) {
            let excuse = list
                .excuses()
                .iter()
                .position(|[of, models, what, _]| **of == *vendor && fits(models, &row.model) && **what == *oddity.name());
            needed[excuse.unwrap_or_else(|| panic!("{vendor}/{}: {oddity}: {}", row.model, row.entry.tariff))] = true;
        }
    }
    assert_eq!(needed.iter().position(|needed| !needed), None, "an excuse excuses nothing: {:?}", list.excuses());
}

#[test]
fn every_tariff_reads_back_as_text_and_as_json() {
    for row in Catalogue::shipped().rows() {
        let tariff = &row.entry.tariff;
        assert_eq!(Tariff::parse(&tariff.to_string()).as_ref(), Ok(tariff), "{}", row.model);
        assert_eq!(Tariff::from_json(&tariff.to_json()).as_ref(), Ok(tariff), "{}", row.model);
    }
}

#[test]
fn each_kind_of_oddity_is_seen() {
    for (text, oddities) in [
        ("input=1 cache_read=0.1 cache_write_5m=1.25 cache_write_1h=2 output=5", &[][..]),
        ("input=0 output=0", &[Oddity::Free]),
        ("input=1 cache_read=1.1 output=5", &[Oddity::CacheRead]),
        ("input=1 cache_write_1h=4.1 output=5", &[Oddity::CacheWrite]),
        ("input=1 cache_write_5m=0.9 output=5", &[Oddity::CacheWrite]),
        ("input=1 output=31", &[Oddity::Output]),
        ("input=1 output=0.4", &[Oddity::Output]),
        ("input=1 output=5; above=1000 input=0.9", &[Oddity::Above]),
        ("input=1 output=5; tier=flex output=6", &[Oddity::CheapTier]),
        ("input=1 output=5; tier=priority input=0.5", &[Oddity::DearTier]),
        ("input=21", &[Oddity::Dear]),
        ("input=1001 output=1001", &[Oddity::Dear]),
        ("image=0.04", &[]),
    ] {
        assert_eq!(check(&tariff(text)), oddities, "{text}");
    }
}

/// Rows that a person compared with what the named collection says, member by member.
///
/// L is litellm 1.110.2, G is genai-prices 0.2.3. An hour's cache write of the rows marked with `*` follows from
/// Anthropic's own rule, twice the input.
const BY_HAND: &[(&str, &str, &str, &str)] = &[
    (
        "openai",
        "gpt-5",
        "L",
        "input=1.25 cache_read=0.125 output=10 search=0.01; tier=batch input=0.625 cache_read=0.0625 output=5; \
        tier=flex input=0.625 cache_read=0.0625 output=5; tier=priority input=2.5 cache_read=0.25 output=20",
    ),
    (
        "openai",
        "gpt-5.6",
        "L",
        "input=4 cache_read=0.4 cache_write_30m=5 output=20 search=0.01; \
        above=272000 input=8 cache_read=0.8 cache_write_30m=10 output=30; \
        tier=batch input=2 cache_read=0.2 cache_write_30m=2.5 output=10; \
        above=272000 tier=batch input=4 cache_read=0.4 cache_write_30m=5 output=15; \
        tier=flex input=2 cache_read=0.2 cache_write_30m=2.5 output=10; \
        above=272000 tier=flex input=4 cache_read=0.4 cache_write_30m=5 output=15; \
        tier=priority input=8 cache_read=0.8 cache_write_30m=10 output=40; \
        above=272000 tier=priority input=16 cache_read=1.6 cache_write_30m=20 output=60",
    ),
    (
        "openai",
        "gpt-realtime",
        "L",
        "input=4 input.image=5 input.audio=32 cache_read=0.4 cache_read.image=0.5 cache_read.audio=0.4 \
        output=16 output.audio=64",
    ),
    (
        "openai",
        "gpt-4o-mini",
        "L",
        "input=0.15 cache_read=0.075 output=0.6 search=0.025; tier=batch input=0.075 output=0.3; \
        tier=priority input=0.25 cache_read=0.125 output=1",
    ),
    (
        "openai",
        "gpt-4o-2024-05-13",
        "G",
        "input=5 output=15 search=0.01; tier=batch input=2.5 output=7.5; tier=fast input=8.75 output=26.25; \
        tier=priority input=8.75 output=26.25",
    ),
    ("openai", "text-embedding-3-small", "L", "input=0.02; tier=batch input=0.01"),
    ("openai", "whisper-1", "L", "second=0.0001"),
    (
        "anthropic",
        "claude-opus-5-5",
        "L",
        "input=4 cache_read=0.2 cache_write_5m=5 cache_write_1h=8 output=20 search=0.01; \
        tier=batch input=2 cache_read=0.1 cache_write_5m=2.5 cache_write_1h=4 output=10; tier=fast times=2",
    ),
    (
        "anthropic",
        "claude-haiku-5-5",
        "L",
        "input=0.1 cache_read=0.01 cache_write_5m=0.125 cache_write_1h=0.2 output=0.5 search=0.01; \
        above=100000 input=0.5 cache_read=0.05 cache_write_5m=0.625 cache_write_1h=1 output=2.5; \
        tier=batch input=0.05 cache_read=0.005 cache_write_5m=0.0625 cache_write_1h=0.1 output=0.25; \
        above=100000 tier=batch input=0.25 cache_read=0.025 cache_write_5m=0.3125 cache_write_1h=0.5 output=1.25",
    ),
    (
        "anthropic",
        "claude-sonnet-4-5",
        "L",
        "input=3 cache_read=0.3 cache_write_5m=3.75 cache_write_1h=6 output=15 search=0.01; \
        tier=batch input=1.5 cache_read=0.15 cache_write_5m=1.875 cache_write_1h=3 output=7.5",
    ),
    (
        "anthropic",
        "claude-fable-5-2",
        "G",
        "input=8 cache_read=0.2 cache_write_5m=10 cache_write_1h=16 output=40 search=0.01; \
        tier=batch input=4 cache_read=0.1 cache_write_5m=5 cache_write_1h=8 output=20; \
        tier=fast input=16 cache_read=0.4 cache_write_5m=20 cache_write_1h=32 output=80",
    ),
    (
        "aistudio",
        "gemini-2.5-pro",
        "L",
        "input=1.25 cache_read=0.125 output=10 search=0.035; \
        above=200000 input=2.5 cache_read=0.25 output=15; tier=batch input=0.625 output=5; above=200000 tier=batch input=1.25 output=7.5; \
        tier=flex input=0.625 output=5; above=200000 tier=flex input=1.25 output=7.5; \
        tier=priority input=2.25 cache_read=0.225 output=18; above=200000 tier=priority input=4.5 cache_read=0.45 output=27",
    ),
    (
        "aistudio",
        "gemini-2.5-flash",
        "L",
        "input=0.3 input.audio=1 cache_read=0.03 cache_read.audio=0.1 output=2.5 search=0.035; \
        tier=batch input=0.15 input.audio=0.5 output=1.25; tier=flex input=0.15 input.audio=0.5 output=1.25; \
        tier=priority input=0.54 input.audio=1.8 cache_read=0.054 cache_read.audio=0.18 output=4.5",
    ),
    (
        "vertex",
        "claude-opus-5-5@default",
        "L",
        "input=4 cache_read=0.2 cache_write_5m=5 cache_write_1h=8 output=20 search=0.01; \
        tier=batch input=2.5 cache_read=0.1 cache_write_5m=2.5 output=12.5",
    ),
    ("deepseek", "deepseek-v4-pro", "L", "input=1.32 cache_read=0.044 output=3.96"),
    ("groq", "openai/gpt-oss-120b", "L", "input=0.15 cache_read=0.075 output=0.6 search=0.005"),
    ("groq", "llama-3.3-70b-versatile", "G", "input=0.59 output=0.79"),
    ("xai", "grok-4.6", "L", "input=2 cache_read=0.5 output=6; above=200000 input=4 cache_read=1 output=12"),
    ("mistral", "mistral-large-latest", "L", "input=0.5 cache_read=0.05 output=1.5"),
    ("vercel", "anthropic/claude-haiku-4.5", "L*", "input=1 cache_read=0.1 cache_write_5m=1.25 cache_write_1h=2 output=5"),
    (
        "openrouter",
        "anthropic/claude-sonnet-4.5",
        "G*",
        "input=3 cache_read=0.3 cache_write_5m=3.75 cache_write_1h=6 output=15; \
        above=200000 input=6 cache_read=0.6 cache_write_5m=7.5 cache_write_1h=12 output=22.5",
    ),
    ("openrouter", "deepseek/deepseek-chat-v3-0324:free", "G", "input=0 output=0"),
    ("cohere", "rerank-v4.0-pro", "L", "search=0.0025"),
    ("dashscope", "qwen-flash", "L", "input=0.05 output=0.4; above=256000 input=0.25 output=2"),
];

#[test]
fn rows_that_were_checked_by_hand_stand_as_they_were() {
    let list = Catalogue::shipped();
    for (vendor, model, source, rates) in BY_HAND {
        let id = list.vendor(vendor).expect("the vendor");
        let row = list.find(id, model).unwrap_or_else(|| panic!("{vendor}/{model} is missing"));
        assert_eq!(row.entry.tariff.to_string(), tariff(rates).to_string(), "{vendor}/{model}");
        let collection = if source.starts_with('L') { "litellm 1.110.2" } else { "genai-prices 0.2.3" };
        assert!(list.sources()[row.source].collection.contains(collection), "{vendor}/{model}: {:?}", list.sources()[row.source]);
    }
}

#[test]
fn a_model_is_found_by_its_dated_id() {
    let list = Catalogue::shipped();
    let anthropic = list.vendor("anthropic").expect("anthropic");
    for model in ["claude-opus-4-1-20250805", "claude-3-5-haiku-20241022", "claude-sonnet-4-20250514"] {
        assert!(list.find(anthropic, model).is_some(), "{model}");
    }
    let row = list.find(anthropic, "claude-opus-4-1-20250805").expect("the row");
    let cost = row.entry.tariff.cost(&usage("input 1000000, output 1000000"), Some("standard")).expect("a cost");
    assert_eq!(cost.nanos.to_string(), "90");
}
