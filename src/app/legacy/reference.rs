//! The reference's later tables, from its SQLite file or its bundle: nearly the same nouns as here.
//!
//! Rows name each other by ids, so each noun's names are gathered before what hangs on it is read.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    Format, LegacyFault,
    draft::{Draft, NO_PROVIDER, Reading},
    reference_money, reference_people, sealed,
    tables::{Otherwise, Row, Tables},
};
use crate::{
    base::{RouteId, RuleSetId},
    channel,
    store::record::{
        NewAlias, NewCredential, NewModel, NewProvider, NewProviderRuleSet, NewRoute, NewRouteMember, NewRule, NewRuleSet, Strategy,
    },
};

/// The tables whose rows are wanted.
pub(super) const WANTED: &[&str] = &[
    "aliases",
    "credentials",
    "instance_settings",
    "orgs",
    "price_rule_rates",
    "price_rules",
    "provider_models",
    "provider_rule_sets",
    "providers",
    "quotas",
    "rate_limits",
    "route_members",
    "route_permissions",
    "routes",
    "rule_sets",
    "rules",
    "teams",
    "user_keys",
    "users",
];

/// Why the rest is left.
const KNOWN: &[(&str, &str)] = &[
    ("routing_rules", "each channel's own table holds here; where an operator's differed, set the provider's dispatch rules"),
    ("usages", "history is no configuration"),
    ("usage_rollups", "history is no configuration"),
    ("credential_usage_daily", "history is no configuration"),
    ("credential_quota_cycles", "history is no configuration"),
    ("credential_quota_cycle_models", "history is no configuration"),
    ("downstream_requests", "history is no configuration"),
    ("upstream_requests", "history is no configuration"),
    ("audit_logs", "history is no configuration"),
    ("credential_statuses", "health is found out anew"),
    ("credential_model_statuses", "health is found out anew"),
    ("codex_task_bindings", "what was bound to a credential is bound anew"),
    ("tokenizer_vocabs", "vocabularies ship with the program"),
    ("providers.tls_fingerprint", "this program shows itself as what it is"),
    ("credentials.tls_fingerprint", "this program shows itself as what it is"),
    ("routes.settings_json", "a route's settings are other ones here: see docs/routes.md"),
    ("price_rules.pricing_tiers_json", "write the bands by hand: see docs/prices.md"),
    ("price_rule_rates", "write the rates by hand: see docs/prices.md"),
];

/// Columns and tables that say nothing by themselves.
pub(super) const WORTHLESS: &[&str] = &[
    "id",
    "created_at",
    "updated_at",
    "schema_migrations",
    "seaql_migrations",
    "gproxy_kv",
    "instance_name",
    "spoof_emulation",
    "update_channel",
    "enable_auto_update_check",
    "enable_usage",
    "enable_tokenizer_download",
];

/// What names the rows of one noun, by their ids.
pub(super) type Names = BTreeMap<i64, Value>;

/// Reads the tables.
///
/// # Errors
/// [`LegacyFault`].
pub(super) fn read(tables: &Tables, reading: &Reading<'_>) -> Result<Draft, LegacyFault> {
    let mut draft = Draft::of(Format::Reference, tables.path());
    let owners = reference_people::read(tables, &mut draft)?;
    let providers = providers(tables, &mut draft, reading)?;
    models(tables, &providers, &mut draft)?;
    routes(tables, &providers, &mut draft)?;
    aliases(tables, &providers, &mut draft)?;
    rules(tables, &providers, &mut draft)?;
    reference_money::read(tables, &owners, &providers, &mut draft)?;
    reference_people::settings(tables, &mut draft)?;
    tables.tell_rest(&mut draft.report, KNOWN, WORTHLESS);
    Ok(draft)
}

/// The name that an id stands for, or a word in the report.
pub(super) fn named<'a>(
    draft: &mut Draft,
    names: &'a Names,
    row: &Row<'_>,
    column: &str,
    (what, label): (&str, &str),
) -> Result<Option<&'a Value>, LegacyFault> {
    let found = names.get(&row.need_int(column)?);
    if found.is_none() {
        draft.report.left_out(what, label, format!("what their {column} names is left out or gone"));
    }
    Ok(found)
}

/// Reads providers and credentials, of both of the reference's forms.
pub(super) fn providers(tables: &Tables, draft: &mut Draft, reading: &Reading<'_>) -> Result<Names, LegacyFault> {
    let mut names = Names::new();
    for row in tables.rows("providers") {
        let (id, name, wanted) = (row.need_int("id")?, row.need_text("name")?, row.need_text("channel")?);
        let members = row.object("settings_json")?;
        let strategy = strategy(&row, draft, &name)?;
        let proxy = row.text("proxy_url")?;
        let (enabled, label) = (row.flag("enabled", Otherwise::Yes)?, row.text("label")?);
        // Other addresses were channels of their own in the first form.
        let own = channel::find("custom").filter(|_| members.contains_key("base_url") && !tables.has("orgs") && wanted == name);
        let Some(found) = channel::find(&wanted).or(own) else {
            draft.report.left_out("providers", name, format!("their channel {wanted:?} is not served here"));
            continue;
        };
        let name = draft.provider_name("provider", &name, &id.to_string());
        let settings_json = draft.settings(found, &name, members, reading.platform);
        let new = NewProvider { label, settings_json, credential_strategy: strategy, proxy, enabled, ..NewProvider::of(&name, found.id) };
        draft.put(&new, []);
        draft.report.took("providers");
        names.insert(id, name.into());
    }
    for row in tables.rows("credentials") {
        credential(&row, &names, draft, reading)?;
    }
    Ok(names)
}

fn strategy(row: &Row<'_>, draft: &mut Draft, name: &str) -> Result<Option<String>, LegacyFault> {
    let word = row.text("credential_strategy")?;
    let known = word.clone().filter(|word| matches!(word.as_str(), "round_robin" | "sticky" | "least_busy"));
    if let (Some(word), None) = (word, &known) {
        draft.report.note("providers.credential_strategy", format!("{name}: {word}"), "are other words than here; credentials take turns");
    }
    Ok(known)
}

fn credential(row: &Row<'_>, providers: &Names, draft: &mut Draft, reading: &Reading<'_>) -> Result<(), LegacyFault> {
    let id = row.need_int("id")?;
    let (name, kind) = (row.text("name")?, row.text("kind")?.unwrap_or_else(|| "api_key".to_owned()));
    // The bundle calls a credential's name its label.
    let name = name.or(row.text("label")?);
    let label = format!("{id} {:?}", name.as_deref().unwrap_or_default());
    let secret = row.text("secret_json")?.unwrap_or_default();
    let (rpm_limit, tpm_limit) = (row.int("rpm_limit")?, row.int("tpm_limit")?);
    let (weight, proxy) = (row.int("weight")?.unwrap_or(100), row.text("proxy_url")?);
    let enabled = row.flag("enabled", Otherwise::Yes)?;
    let Some(provider) = named(draft, providers, row, "provider_id", ("credentials", &label))? else { return Ok(()) };
    if sealed::is_envelope(&secret) {
        let why = "are sealed in envelopes that only the program itself opens: export there, and import that file";
        draft.report.left_out("credentials", label, why);
        return Ok(());
    }
    let secret = sealed::opened(row, "secret_json", secret, reading)?;
    let Some(api_key) = sealed::api_key(&secret) else {
        draft.report.left_out(
            "credentials",
            label,
            format!("are of the kind {kind:?}, not one API key: log in anew where a channel here takes it"),
        );
        return Ok(());
    };
    let new = NewCredential { name, weight, rpm_limit, tpm_limit, proxy, enabled, ..NewCredential::of(NO_PROVIDER, "", "") };
    draft.api_key(provider.as_str().unwrap_or_default(), new, &api_key);
    draft.report.took("credentials");
    Ok(())
}

fn models(tables: &Tables, providers: &Names, draft: &mut Draft) -> Result<(), LegacyFault> {
    for row in tables.rows("provider_models") {
        let model = row.need_text("model_id")?;
        let Some(provider) = named(draft, providers, &row, "provider_id", ("provider_models", &model))? else { continue };
        let new = NewModel {
            display_name: row.text("display_name")?,
            variants_json: row.json("variants_json")?.filter(|value| !value.is_null()).map(|value| value.to_string()),
            context_window: row.int("context_window")?,
            max_output_tokens: row.int("max_output_tokens")?,
            enabled: row.flag("enabled", Otherwise::Yes)?,
            ..NewModel::of(NO_PROVIDER, model)
        };
        draft.put(&new, [("provider", provider.clone())]);
        draft.report.took("provider_models");
    }
    Ok(())
}

fn routes(tables: &Tables, providers: &Names, draft: &mut Draft) -> Result<(), LegacyFault> {
    let mut names = Names::new();
    for row in tables.rows("routes") {
        let (id, name) = (row.need_int("id")?, row.need_text("name")?);
        let word = row.text("strategy")?.unwrap_or_else(|| "failover".to_owned());
        let strategy = Strategy::parse(&word).ok_or_else(|| {
            row.fault_of("strategy", &word, "one of failover, round_robin, weighted, least_latency, least_busy, lowest_cost")
        })?;
        let new = NewRoute {
            namespace: String::new(),
            name: name.clone(),
            strategy,
            description: row.text("description")?,
            settings_json: None,
            enabled: row.flag("enabled", Otherwise::Yes)?,
        };
        draft.put(&new, []);
        draft.report.took("routes");
        names.insert(id, json!(["", name]));
    }
    for row in tables.rows("route_members") {
        let upstream_model = row.need_text("upstream_model_id")?;
        let Some(route) = named(draft, &names, &row, "route_id", ("route_members", &upstream_model))? else { continue };
        let Some(provider) = named(draft, providers, &row, "provider_id", ("route_members", &upstream_model))? else { continue };
        let new = NewRouteMember {
            route_id: RouteId(0),
            provider_id: NO_PROVIDER,
            upstream_model,
            weight: row.int("weight")?.unwrap_or(100),
            tier: row.int("tier")?.unwrap_or(0),
            enabled: row.flag("enabled", Otherwise::Yes)?,
        };
        draft.put(&new, [("route", route.clone()), ("provider", provider.clone())]);
        draft.report.took("route_members");
    }
    Ok(())
}

fn aliases(tables: &Tables, providers: &Names, draft: &mut Draft) -> Result<(), LegacyFault> {
    for row in tables.rows("aliases") {
        let (provider, alias) = (row.need_text("provider")?, row.need_text("alias")?);
        if provider != "*" && !providers.values().any(|name| name == provider.as_str()) {
            draft.report.left_out("aliases", format!("{provider} {alias}"), "their provider is left out or has another name here");
            continue;
        }
        let new = NewAlias {
            provider,
            alias,
            target: row.need_text("target")?,
            sort_order: row.int("sort_order")?.unwrap_or(0),
            enabled: row.flag("enabled", Otherwise::Yes)?,
        };
        draft.put(&new, []);
        draft.report.took("aliases");
    }
    Ok(())
}

fn rules(tables: &Tables, providers: &Names, draft: &mut Draft) -> Result<(), LegacyFault> {
    let mut sets = Names::new();
    for row in tables.rows("rule_sets") {
        let (id, name) = (row.need_int("id")?, row.need_text("name")?);
        let new = NewRuleSet { name: name.clone(), description: row.text("description")?, enabled: row.flag("enabled", Otherwise::Yes)? };
        draft.put(&new, []);
        draft.report.took("rule_sets");
        sets.insert(id, name.into());
    }
    for row in tables.rows("rules") {
        let kind = row.need_text("kind")?;
        // The first of the later versions called transform sanitize.
        let kind = if kind == "sanitize" { "transform".to_owned() } else { kind };
        let Some(set) = named(draft, &sets, &row, "rule_set_id", ("rules", &kind))? else { continue };
        let new = NewRule {
            rule_set_id: RuleSetId(0),
            kind,
            config_json: row.json("config_json")?.unwrap_or_else(|| json!({})).to_string(),
            filter_model_pattern: row.text("filter_model_pattern")?,
            filter_operation_keys: row.json("filter_operation_keys")?.filter(|value| !value.is_null()).map(|value| value.to_string()),
            filter_header_pattern: row.text("filter_header_pattern")?,
            sort_order: row.int("sort_order")?.unwrap_or(0),
            enabled: row.flag("enabled", Otherwise::Yes)?,
        };
        draft.put(&new, [("rule_set", set.clone())]);
        draft.report.took("rules");
    }
    for row in tables.rows("provider_rule_sets") {
        let label = row.place("rule_set_id");
        let Some(provider) = named(draft, providers, &row, "provider_id", ("provider_rule_sets", &label))? else { continue };
        let Some(set) = named(draft, &sets, &row, "rule_set_id", ("provider_rule_sets", &label))? else { continue };
        let new = NewProviderRuleSet {
            provider_id: NO_PROVIDER,
            rule_set_id: RuleSetId(0),
            sort_order: row.int("sort_order")?.unwrap_or(0),
            enabled: row.flag("enabled", Otherwise::Yes)?,
        };
        draft.put(&new, [("provider", provider.clone()), ("rule_set", set.clone())]);
        draft.report.took("provider_rule_sets");
    }
    Ok(())
}
