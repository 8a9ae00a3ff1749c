//! A provider's rules out of its settings: the rules themselves, its cache breakpoints, and its trigger texts.

use serde_json::{Map, Value};

use super::Fault;
use crate::{
    process::{ProviderCache, RuleBook, RuleSet},
    protocol::{cache_mark::CacheMark, rule::Rule},
};

/// Makes the rules of one provider ready. What is wrong is skipped and told.
pub(super) fn compile(name: &str, settings: &Map<String, Value>, faults: &mut Vec<Fault>) -> RuleBook {
    let mut fault = |path: String, message: String| faults.push(Fault::new("provider", name, format!("settings.{path}"), message));
    let rules = match settings.get("rules") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(rules)) => rules.iter().map(|rule| Rule::parse(&rule.to_string())).collect(),
        Some(other) => {
            fault("rules".to_owned(), format!("is {other}; expected an array of rules"));
            Vec::new()
        }
    };
    let marks = settings.get("cache_breakpoints").map_or(Ok(Vec::new()), |marks| serde_json::from_value::<Vec<CacheMark>>(marks.clone()));
    let marks = marks.unwrap_or_else(|error| {
        fault("cache_breakpoints".to_owned(), error.to_string());
        Vec::new()
    });
    let is_on = |member: &str| settings.get(member).and_then(Value::as_bool).unwrap_or(false);
    let cache = ProviderCache {
        marks,
        claude_triggers: is_on("enable_magic_cache") || is_on("enable_claude_magic_cache"),
        openai_triggers: is_on("enable_openai_magic_cache"),
    };
    let (book, wrong) = RuleBook::compile(&[RuleSet { name: "rules".to_owned(), sort_order: 0, rules }], cache);
    for wrong in wrong {
        fault(format!("rules[{}]", wrong.rule), wrong.fault.to_string());
    }
    book
}
