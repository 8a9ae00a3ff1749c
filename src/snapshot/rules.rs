//! A provider's rules: those of its settings with its cache breakpoints and trigger texts, and the sets attached to it.
//!
//! Within a kind the provider's own rules come first, then its sets by the order of their attachments.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::Fault;
use crate::{
    base::{ProviderId, RuleSetId},
    process::{ProviderCache, RuleBook, RuleSet},
    protocol::{cache_mark::CacheMark, json::WrongShape, rule::Rule},
    store::record::{ConfigRows, NewRule, RuleRow, RuleSetRow},
};

/// A set at a provider, with its enabled rules.
pub(super) struct Attached<'a> {
    set: &'a RuleSetRow,
    sort_order: i64,
    rules: Vec<&'a RuleRow>,
}

/// Every enabled attachment of an enabled set.
pub(super) fn attached(rows: &ConfigRows) -> impl Iterator<Item = (ProviderId, Attached<'_>)> {
    let mut rules = HashMap::<RuleSetId, Vec<&RuleRow>>::new();
    for row in rows.rules.iter().filter(|row| row.enabled) {
        rules.entry(row.rule_set_id).or_default().push(row);
    }
    rows.provider_rule_sets.iter().filter(|row| row.enabled).filter_map(move |row| {
        let set = rows.rule_sets.get(row.rule_set_id).filter(|set| set.enabled)?;
        let rules = rules.get(&set.id).cloned().unwrap_or_default();
        Some((row.provider_id, Attached { set, sort_order: row.sort_order, rules }))
    })
}

/// Checks a rule as it is kept: whether it would do what it says, were it enabled.
///
/// # Errors
/// [`WrongShape`] with the member at fault.
pub fn check(row: &NewRule) -> Result<(), WrongShape> {
    let rule = Rule { enabled: true, ..read(row)? };
    let set = RuleSet { rules: vec![Ok(rule)], ..RuleSet::default() };
    let (_, faults) = RuleBook::compile(&[set], ProviderCache::default());
    faults.into_iter().next().map_or(Ok(()), |wrong| Err(wrong.fault))
}

fn read(row: &NewRule) -> Result<Rule, WrongShape> {
    let members = json!({
        "kind": row.kind,
        "config_json": row.config_json,
        "filter_model_pattern": row.filter_model_pattern,
        "filter_operation_keys": row.filter_operation_keys,
        "filter_header_pattern": row.filter_header_pattern,
        "sort_order": row.sort_order,
        "enabled": row.enabled,
    });
    Rule::parse(&members.to_string())
}

/// The rules of one attachment that can be used; the others are told.
fn usable(name: &str, attached: &Attached<'_>, faults: &mut Vec<Fault>) -> RuleSet {
    let Attached { set, sort_order, rules } = attached;
    let usable = rules.iter().filter_map(|row| match check(row).and_then(|()| read(row)) {
        Ok(rule) => Some(Ok(rule)),
        Err(wrong) => {
            let path = format!("rule_sets.{}.{}", set.name, row.id);
            faults.push(Fault::new("provider", name, path, wrong.to_string()));
            None
        }
    });
    RuleSet { name: set.name.clone(), sort_order: *sort_order, rules: usable.collect() }
}

/// Makes the rules of one provider ready. What is wrong is skipped and told.
pub(super) fn compile(name: &str, settings: &Map<String, Value>, attached: &[Attached<'_>], faults: &mut Vec<Fault>) -> RuleBook {
    let shared: Vec<RuleSet> = attached.iter().map(|attached| usable(name, attached, faults)).collect();
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
    // No attachment can stand before a provider's own rules.
    let own = RuleSet { name: "rules".to_owned(), sort_order: i64::MIN, rules };
    let sets: Vec<RuleSet> = std::iter::once(own).chain(shared).collect();
    let (book, wrong) = RuleBook::compile(&sets, cache);
    for wrong in wrong {
        fault(format!("rules[{}]", wrong.rule), wrong.fault.to_string());
    }
    book
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use serde_json::json;

    use super::{attached, check, compile};
    use crate::{
        base::{ProviderId, ProviderRuleSetId, RuleId, RuleSetId},
        process::RuleScope,
        protocol::{Operation, OperationKind},
        store::record::{ConfigRows, NewProviderRuleSet, NewRule, NewRuleSet, ProviderRuleSetRow, RuleRow, RuleSetRow, Standing},
    };

    fn set(id: i64, enabled: bool) -> RuleSetRow {
        let row = NewRuleSet { name: format!("set{id}"), description: None, enabled };
        Standing { id: RuleSetId(id), row, created_at: 0, updated_at: 0 }
    }

    fn rule(id: i64, set: i64, sort_order: i64, value: &str) -> RuleRow {
        let row = NewRule {
            rule_set_id: RuleSetId(set),
            kind: "header".to_owned(),
            config_json: json!({ "name": "x", "value": value, "mode": "merge" }).to_string(),
            filter_model_pattern: None,
            filter_operation_keys: None,
            filter_header_pattern: None,
            sort_order,
            enabled: true,
        };
        Standing { id: RuleId(id), row, created_at: 0, updated_at: 0 }
    }

    fn place(id: i64, provider: i64, set: i64, sort_order: i64) -> ProviderRuleSetRow {
        let row = NewProviderRuleSet { provider_id: ProviderId(provider), rule_set_id: RuleSetId(set), sort_order, enabled: true };
        Standing { id: ProviderRuleSetId(id), row, created_at: 0, updated_at: 0 }
    }

    /// What the rules of provider 1 make of the header `x`, and what was told of them.
    fn header(rows: &ConfigRows) -> (String, Vec<String>) {
        let settings = json!({ "rules": [{ "kind": "header", "config_json": { "name": "x", "value": "own", "mode": "merge" } }] });
        let sets: Vec<_> = attached(rows).filter(|(provider, _)| provider.0 == 1).map(|(_, set)| set).collect();
        let mut faults = Vec::new();
        let book = compile("one", settings.as_object().unwrap(), &sets, &mut faults);
        let (mut headers, none) = (HeaderMap::new(), HeaderMap::new());
        let scope = RuleScope {
            operation: Operation::GenerateContent,
            kind: OperationKind::ClaudeMessages,
            inbound_model: "m",
            upstream_model: "m",
            headers: &none,
        };
        let _ = book.apply_request("{}".into(), &mut headers, &scope);
        (headers["x"].to_str().unwrap().replace(' ', ""), faults.into_iter().map(|fault| fault.path).collect())
    }

    #[test]
    fn a_providers_own_rules_come_first_then_its_sets_in_their_order() {
        let mut rows = ConfigRows {
            rule_sets: [set(1, true), set(2, true), set(3, false), set(4, true)].into_iter().collect(),
            rules: [rule(1, 1, 5, "a5"), rule(2, 1, 1, "a1"), rule(3, 2, 9, "b9"), rule(4, 3, 0, "off"), rule(5, 4, 0, "other")]
                .into_iter()
                .collect(),
            provider_rule_sets: [place(1, 1, 1, 7), place(2, 1, 2, -7), place(3, 1, 3, 0), place(4, 2, 4, 0)].into_iter().collect(),
            ..ConfigRows::default()
        };
        assert_eq!(header(&rows), ("own,b9,a1,a5".to_owned(), vec![]));
        rows.provider_rule_sets.put(place(1, 1, 1, -8));
        let mut broken = rule(3, 2, 9, "");
        broken.row.config_json = "{}".to_owned();
        rows.rules.put(broken);
        assert_eq!(header(&rows), ("own,a1,a5".to_owned(), vec!["rule_sets.set2.3".to_owned()]));
        let mut off = rule(2, 1, 1, "a1");
        off.row.enabled = false;
        rows.rules.put(off);
        assert_eq!(header(&rows).0, "own,a5");
    }

    #[test]
    fn a_rule_is_checked_although_it_is_off() {
        let wrong = |change: fn(&mut NewRule)| {
            let mut row = NewRule { enabled: false, ..rule(1, 1, 0, "v").row };
            change(&mut row);
            check(&row).map_err(|wrong| wrong.path)
        };
        assert_eq!(wrong(|_| {}), Ok(()));
        assert_eq!(wrong(|row| row.kind = "heder".to_owned()), Err("kind".to_owned()));
        assert_eq!(wrong(|row| row.config_json = r#"{"name":"x y","value":"v"}"#.to_owned()), Err("config_json.name".to_owned()));
        assert_eq!(wrong(|row| row.filter_header_pattern = Some("(".to_owned())), Err("filter_header_pattern".to_owned()));
        assert_eq!(wrong(|row| row.filter_operation_keys = Some(r#"["x"]"#.to_owned())), Err("filter_operation_keys[0]".to_owned()));
    }
}
