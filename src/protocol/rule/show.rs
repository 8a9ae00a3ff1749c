//! Writing rules as they are read.

use serde::{Serialize, Serializer, ser::SerializeMap as _};
use serde_json::{Map, Value, json};

use super::{HeaderMode, Locate, Phase, RewriteAction, Rule, RuleKind, Side, TextAction, words::word};
use crate::protocol::cache_mark::{CacheFrom, CacheTarget, CacheTtl};

pub(super) fn rule<S: Serializer>(rule: &Rule, serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(None)?;
    map.serialize_entry("kind", rule.kind.id())?;
    map.serialize_entry("config_json", &Config(&rule.kind))?;
    if let Some(pattern) = &rule.filter.model_pattern {
        map.serialize_entry("filter_model_pattern", pattern)?;
    }
    if let Some(operations) = &rule.filter.operation_keys {
        map.serialize_entry("filter_operation_keys", operations)?;
    }
    if let Some(pattern) = &rule.filter.header_pattern {
        map.serialize_entry("filter_header_pattern", pattern)?;
    }
    map.serialize_entry("sort_order", &rule.sort_order)?;
    map.serialize_entry("enabled", &rule.enabled)?;
    map.end()
}

struct Config<'a>(&'a RuleKind);

impl Serialize for Config<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let RuleKind::Rewrite(rewrite) = self.0 else { return config(self.0).serialize(serializer) };
        // Not by way of a tree: the value keeps its numbers as they were written.
        let (action, value) = match &rewrite.action {
            RewriteAction::Set(value) => ("set", Some(value)),
            RewriteAction::Delete => ("delete", None),
            RewriteAction::Merge(value) => ("merge", Some(value)),
        };
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("path", &rewrite.path)?;
        map.serialize_entry("action", action)?;
        if let Some(value) = value {
            map.serialize_entry("value_json", value)?;
        }
        map.end()
    }
}

fn config(kind: &RuleKind) -> Value {
    match kind {
        RuleKind::SystemText(rule) => json!({"text": rule.text, "position": word(Side::WORDS, rule.position)}),
        RuleKind::CacheBreakpoint(rule) => {
            let nth = i64::try_from(rule.pick.nth).unwrap_or(i64::MAX);
            let index = if rule.pick.from == CacheFrom::End { -nth } else { nth };
            json!({"target": word(CacheTarget::WORDS, rule.target), "index": index, "ttl": word(CacheTtl::WORDS, rule.ttl)})
        }
        RuleKind::Rewrite(rule) => json!({"path": rule.path}),
        RuleKind::Transform(rule) => {
            let mut map = Map::new();
            map.insert("phase".into(), word(Phase::WORDS, rule.phase).into());
            let locate = match &rule.locate {
                Locate::Paths(paths) => json!({"paths": paths}),
                Locate::Match(pattern) => json!({"match": pattern}),
            };
            map.insert("locate".into(), locate);
            map.insert("actions".into(), rule.actions.iter().map(text_action).collect());
            map.extend(rule.limit.map(|limit| ("limit".to_owned(), limit.into())));
            Value::Object(map)
        }
        RuleKind::Header(rule) => json!({"name": rule.name, "value": rule.value, "mode": word(HeaderMode::WORDS, rule.mode)}),
    }
}

fn text_action(action: &TextAction) -> Value {
    match action {
        TextAction::ReplaceText { from: Some(from), with } => json!({"op": "replace_text", "from": from, "with": with}),
        TextAction::ReplaceText { from: None, with } => json!({"op": "replace_text", "with": with}),
        TextAction::ReplaceRegex { pattern, with } => json!({"op": "replace_regex", "pattern": pattern, "with": with}),
    }
}
