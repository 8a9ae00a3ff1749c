//! Tables and laws of prices.

mod listed;
mod reckoned;

use super::*;
use crate::base::{Bucket, Modality, ProviderId, Usage};

fn tariff(text: &str) -> Tariff {
    Tariff::parse(text).unwrap_or_else(|fault| panic!("{text}: {fault}"))
}

/// A usage of words, and of pieces: `input 100, cache_read 50, images 2`.
fn usage(text: &str) -> Usage {
    let mut usage = Usage::default();
    for word in text.split(", ").filter(|word| !word.is_empty()) {
        let (name, count) = word.split_once(' ').expect("a name and a count");
        let count = count.parse().expect("a count");
        match name {
            "images" => usage.counts.images = count,
            "millis" => usage.counts.millis = count,
            "searches" => usage.counts.searches = count,
            _ => match Unit::parse(name).expect("a unit") {
                Unit::Tokens(bucket, modality) => usage.set(bucket, modality, count),
                Unit::Piece(piece) => panic!("{piece:?} is not used by this name"),
            },
        }
    }
    usage
}

fn rule(id: i64, provider: Option<i64>, matches: Match, pattern: &str, input: &str) -> PriceRule {
    PriceRule {
        id,
        provider: provider.map(ProviderId),
        matches,
        pattern: pattern.to_owned(),
        rates_json: format!(r#"{{"input": "{input}"}}"#),
        revision: 7,
        date: "2026-11-01".to_owned(),
        enabled: true,
    }
}

const LIST: &str = "version\t1\nsource\tsomebody 1\thttps://prices.example\n\
    price\topenai\tgpt-5\t1000\t500\t0\t2026-10-01\tinput=1\n\
    price\topenai\tgpt-5-2025-08-07\t\t\t0\t2026-10-02\tinput=2\n\
    alias\tchatgpt\topenai\n";

fn list() -> std::sync::Arc<Catalogue> {
    Catalogue::parse(LIST).expect("the list is read").into()
}

/// The price of fresh input that a book finds, and the version of its row.
fn found(book: &PriceBook, provider: i64, vendor: &str, model: &str) -> Option<(String, String)> {
    match book.find(ProviderId(provider), book.vendor(vendor, ""), model) {
        Lookup::Priced(entry) => {
            let price = entry.tariff.bands()[0].get(Unit::Tokens(Bucket::Input, Modality::Text)).expect("a price");
            Some((price.to_string(), entry.version.to_string()))
        }
        Lookup::Unpriced => None,
    }
}

#[test]
fn the_most_particular_rule_wins() {
    // Each rule alone would price the model; they are taken away one after the other, the winner first.
    let ranked = [
        (rule(20, Some(1), Match::Exact, "gpt-5", "20"), "20"),
        (rule(21, Some(1), Match::Exact, "gpt-5", "21"), "21"),
        (rule(10, None, Match::Exact, "gpt-5", "10"), "10"),
        (rule(32, Some(1), Match::Glob, "gpt*5", "32"), "32"),
        (rule(30, Some(1), Match::Glob, "gpt*", "30"), "30"),
        (rule(31, Some(1), Match::Glob, "*t-5", "31"), "31"),
        (rule(40, None, Match::Glob, "gpt-?", "40"), "40"),
    ];
    for first in 0..ranked.len() {
        let mut rules: Vec<PriceRule> = ranked[first..].iter().map(|(rule, _)| rule.clone()).collect();
        rules.extend([rule(1, Some(1), Match::Default, "", "91"), rule(2, None, Match::Default, "", "92")]);
        rules.reverse();
        let (book, faults) = PriceBook::build(list(), &rules);
        assert_eq!(faults, []);
        let (rule, price) = &ranked[first];
        let wanted = ((*price).to_owned(), format!("rule:{}@7", rule.id));
        assert_eq!(found(&book, 1, "openai", "gpt-5"), Some(wanted), "from rank {first}");
    }
}

#[test]
fn a_default_prices_only_what_nothing_else_does() {
    let rules = [rule(1, Some(1), Match::Default, "", "91"), rule(2, None, Match::Default, "", "92")];
    let (book, _) = PriceBook::build(list(), &rules);
    let price = |provider, vendor, model| found(&book, provider, vendor, model).map(|(price, _)| price);
    assert_eq!(price(1, "openai", "gpt-5").as_deref(), Some("1"), "the catalogue comes first");
    assert_eq!(price(1, "openai", "gpt-6").as_deref(), Some("91"));
    assert_eq!(price(2, "openai", "gpt-6").as_deref(), Some("92"));
    let (bare, _) = PriceBook::build(list(), &[]);
    assert_eq!(found(&bare, 1, "openai", "gpt-6"), None);
    assert_eq!(found(&bare, 1, "nobody", "gpt-5"), None, "a vendor that is not listed has no prices");
}

#[test]
fn a_rule_of_one_provider_is_not_another_ones() {
    let (book, _) = PriceBook::build(list(), &[rule(1, Some(1), Match::Exact, "gpt-5", "20"), rule(2, Some(1), Match::Glob, "*", "30")]);
    assert_eq!(found(&book, 2, "openai", "gpt-5"), Some(("1".into(), "1".into())));
}

#[test]
fn a_rule_that_is_off_or_broken_does_not_hold() {
    let off = PriceRule { enabled: false, ..rule(1, None, Match::Exact, "gpt-5", "20") };
    let broken = PriceRule { rates_json: r#"{"input": 3}"#.to_owned(), ..rule(2, None, Match::Exact, "gpt-5", "20") };
    let empty = rule(3, None, Match::Glob, "", "20");
    let named = rule(4, None, Match::Default, "gpt", "20");
    let (book, faults) = PriceBook::build(list(), &[off, broken, empty, named]);
    assert_eq!(found(&book, 1, "openai", "gpt-5"), Some(("1".into(), "1".into())));
    let told: Vec<String> = faults.iter().map(RuleFault::to_string).collect();
    assert_eq!(
        told,
        [
            r#"price rule 2: input is 3; expected a string like "1.25""#,
            "price rule 3: the pattern is empty; expected an upstream model's id or a glob",
            r#"price rule 4: the pattern is "gpt"; a default rule has none"#,
        ]
    );
}

#[test]
fn a_dated_id_has_the_price_of_its_model_unless_it_has_one() {
    let list = list();
    let vendor = list.vendor("chatgpt").expect("the alias");
    let date = |model| list.find(vendor, model).map(|row| &*row.entry.date);
    for (model, day) in [
        ("gpt-5", Some("2026-10-01")),
        ("gpt-5-2025-08-07", Some("2026-10-02")),
        ("gpt-5-2025-09-09", Some("2026-10-01")),
        ("gpt-5-20250909", Some("2026-10-01")),
        ("gpt-5@20250909", Some("2026-10-01")),
        ("gpt-5@default", Some("2026-10-01")),
        ("gpt-5@beta", None),
        ("gpt-5-10250909", None),
        ("gpt-5-mini", None),
        ("gpt-5-2025-0x-09", None),
        ("é-2025-08-07", None),
        ("", None),
    ] {
        assert_eq!(date(model), day, "{model}");
    }
}

#[test]
fn a_list_that_is_wrong_is_refused_with_its_line() {
    for (line, reason) in [
        ("price\topenai\tgpt-5\t\t\t0\t2026-10-01\tinput=1", "\"gpt-5\" stands twice"),
        ("price\topenai\tx\t\t\t1\t2026-10-01\tinput=1", "no source \"1\" stands above"),
        ("price\topenai\tx\t\t\t0\ttoday\tinput=1", "\"today\" is no date; expected one like 2026-11-25"),
        ("price\topenai\tx\tmany\t\t0\t2026-10-01\tinput=1", "the limit \"many\" is no number of tokens"),
        ("price\topenai\tx\t\t\t0\t2026-10-01\tinput=-1", "input: \"-1\" is below zero"),
        ("price\topenai\tx", "expected 7 fields after the first"),
        ("alias\tx\ty", "the alias \"x\" is of \"y\", which sells nothing above"),
        ("model\tx", "\"model\" begins no record; expected version, source, price, alias or excuse"),
    ] {
        let fault = Catalogue::parse(&format!("{LIST}{line}\n")).expect_err(line);
        assert_eq!((fault.line, &*fault.reason), (6, reason));
    }
    assert_eq!(Catalogue::parse("# nothing\n").expect_err("no version").line, 1);
}

#[test]
fn rules_travel_as_text() {
    let lines = [
        RuleLine {
            provider: Some("my openai".into()),
            matches: Match::Exact,
            pattern: "gpt-5".into(),
            tariff: tariff("input=1.25 output=10; tier=flex times=0.5"),
            enabled: true,
        },
        RuleLine { provider: None, matches: Match::Glob, pattern: "*-mini".into(), tariff: tariff("input=1"), enabled: false },
        RuleLine { provider: None, matches: Match::Default, pattern: "".into(), tariff: tariff("request=0.01"), enabled: true },
    ];
    assert_eq!(import(&export(&lines)), Ok(lines.to_vec()));
    let faults = import("# x\n\nrule\ton\t*\tregex\tx\tinput=1\nrule\tyes\t*\texact\tx\tinput=1\nrule\ton\t*\texact\tx\tinput=1e3\nrule\n");
    let told: Vec<String> = faults.expect_err("faults").iter().map(RuleLineFault::to_string).collect();
    assert_eq!(
        told,
        [
            "line 3: the match is \"regex\"; expected exact, glob or default",
            "line 4: the switch is \"yes\"; expected on or off",
            "line 5: input: \"1e3\" is no amount; expected decimal digits like \"12\" or \"0.25\"",
            "line 6: expected `rule` and five more fields, separated by tabs",
        ]
    );
}

const NO_UNIT: &str =
    "is nothing that has a price; expected one of input, cache_read, output, image and so on, or above, tier, times, bands";

#[test]
fn rates_that_are_wrong_say_where() {
    for (json, fault) in [
        ("[]", "rates is []; expected an object"),
        ("{}", "a band needs prices, or a tier with times"),
        (r#"{"input": 1.25}"#, r#"input is 1.25; expected a string like "1.25""#),
        (r#"{"input": "1.2345678901"}"#, r#"input: "1.2345678901" has more than 9 decimals"#),
        (r#"{"input": "1", "bands": {}}"#, "bands is {}; expected a list of objects"),
        (r#"{"input": "1", "bands": [{"above": -5, "input": "1"}]}"#, "above is \"-5\"; expected a number of tokens above 0"),
        (r#"{"input": "1", "bands": [{"times": "2"}]}"#, "a band needs prices, or a tier with times"),
        (
            r#"{"input": "1", "bands": [{"tier": "flex", "times": "1001"}]}"#,
            "times is \"1001\"; expected a multiplier like \"0.5\", at most 1000",
        ),
        (r#"{"input": "1", "bands": [{"tier": "a b", "times": "1"}]}"#, "tier is \"a b\"; expected a name of letters, digits, -, _ and ."),
        (r#"{"input": "1", "bands": [{"input": "2"}]}"#, "the band above=0 stands twice"),
    ] {
        assert_eq!(Tariff::from_json(json).expect_err(json).to_string(), fault, "{json}");
    }
    for name in ["tokens", "input.smell"] {
        let json = format!("{{\"{name}\": \"1\"}}");
        assert_eq!(Tariff::from_json(&json).expect_err(name).to_string(), format!("{name:?} {NO_UNIT}"));
    }
    assert_eq!(Unit::parse("input."), None);
    assert_eq!(tariff("input=1; tier=Flex times=0.5"), tariff("input.text=1; tier=flex times=0.5"));
    assert_eq!(Tariff::parse("input=1 input.text=2").expect_err("twice").to_string(), "input.text stands twice");
    let many = format!("input=1{}", (1..65).map(|above| format!("; above={above} input=1")).collect::<String>());
    assert_eq!(Tariff::parse(&many).expect_err("many").to_string(), "65 bands; at most 64");
    assert_eq!(Tariff::parse("input=1 input=2").expect_err("twice").to_string(), "input stands twice");
    assert_eq!(Tariff::parse("input").expect_err("no price").to_string().get(..7), Some("\"input\""));
}
