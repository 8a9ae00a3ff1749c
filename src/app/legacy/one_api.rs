//! one-api's and new-api's database: channels become providers, what they offer becomes routes.
//!
//! Whoever may use a group's channels is told by permissions of an organization of the group's name.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::{
    Format, LegacyFault,
    channel_types::{Upstream, upstream},
    draft::{Draft, NO_PROVIDER, Reading},
    one_api_people, one_api_prices,
    tables::{Row, Tables},
};
use crate::{
    base::RouteId,
    channel,
    store::record::{NewCredential, NewModel, NewProvider, NewRoute, NewRouteMember, ScopeKind, Strategy},
};

/// The tables whose rows are wanted.
pub(super) const WANTED: &[&str] = &["abilities", "channels", "options", "tokens", "users"];

/// Why the rest is left.
const KNOWN: &[(&str, &str)] = &[
    ("logs", "history is no configuration"),
    ("quota_data", "history is no configuration"),
    ("midjourneys", "history is no configuration"),
    ("tasks", "history is no configuration"),
    ("redemptions", "there are no codes to redeem here"),
    ("top_ups", "payments are not taken here"),
    ("topups", "payments are not taken here"),
    ("users.email", "users have no address here"),
    ("users.display_name", "users have one name here"),
    ("users.access_token", "it opens the other program's own API; make a key here"),
    ("users.used_quota", "what was spent is history; what is left is the quota"),
    ("tokens.used_quota", "what was spent is history; what is left is the quota"),
    ("channels.used_quota", "what was spent is history"),
    ("channels.balance", "the vendor's balance is not kept here"),
    ("channels.param_override", "set it as a rule of the provider"),
    ("channels.header_override", "set it as a rule of the provider"),
    ("channels.system_prompt", "set it as a rule of the provider"),
];

/// Columns that say nothing by themselves.
const WORTHLESS: &[&str] = &[
    "id",
    "created_time",
    "created_at",
    "updated_at",
    "test_time",
    "response_time",
    "balance_updated_time",
    "accessed_time",
    "test_model",
    "request_count",
    "last_login_at",
    "aff_code",
    "setups",
    "auto_ban",
    "auth_version",
    "deleted_at",
];

/// A channel as it stands here.
#[derive(Debug)]
pub(super) struct Served {
    /// Its provider.
    pub provider: String,
    /// Whether it serves.
    pub enabled: bool,
    /// Whose it is.
    pub groups: BTreeSet<String>,
    /// What it offers.
    pub models: BTreeSet<String>,
}

/// A member of a route in the making.
#[derive(Debug)]
struct Member {
    provider: String,
    upstream: String,
    priority: i64,
    weight: i64,
}

/// What stands behind each name.
type Members = BTreeMap<String, Vec<Member>>;

/// Reads the database.
///
/// # Errors
/// [`LegacyFault`].
pub(super) fn read(tables: &Tables, format: Format, reading: &Reading<'_>) -> Result<Draft, LegacyFault> {
    let mut draft = Draft::of(format, tables.path());
    let (mut served, mut members) = (BTreeMap::new(), Members::new());
    for row in tables.rows("channels") {
        if let Some((id, channel)) = channel_of(&row, format, &mut members, &mut draft, reading)? {
            served.insert(id, channel);
        }
    }
    let options = one_api_prices::options(tables, &mut draft)?;
    one_api_people::read(tables, &served, &upstreams(&members), &options, &mut draft)?;
    routes(members, &mut draft);
    abilities(tables, &served, &mut draft)?;
    one_api_prices::read(&options, &mut draft);
    tables.tell_rest(&mut draft.report, KNOWN, WORTHLESS);
    Ok(draft)
}

fn channel_of(
    row: &Row<'_>,
    format: Format,
    members: &mut Members,
    draft: &mut Draft,
    reading: &Reading<'_>,
) -> Result<Option<(i64, Served)>, LegacyFault> {
    let id = row.need_int("id")?;
    let kind = row.need_int("type")?;
    let called = row.text("name")?.unwrap_or_default();
    let label = format!("{id} {called:?}");
    let base_url = row.text("base_url")?.map(|url| url.trim_end_matches('/').to_owned());
    let (channel, base_url) = match placed(upstream(format, kind), base_url) {
        Ok(placed) => placed,
        Err(why) => {
            draft.report.left_out("channels", label, format!("type {kind}: {why}"));
            for column in ["key", "status", "models", "model_mapping", "group", "weight", "priority", "channel_info"] {
                row.skip(column);
            }
            return Ok(None);
        }
    };
    let provider = draft.provider_name("channel", &called, &id.to_string());
    let status = row.int("status")?.unwrap_or(1);
    if status == 3 {
        draft.report.note("channels", &label, "the other program switched them off by itself; they stand disabled");
    }
    let enabled = status == 1;
    let found = channel::find(channel).ok_or_else(|| row.fault_of("type", channel, "a channel of this program"))?;
    let mut settings = Map::new();
    if let Some(base_url) = base_url {
        settings.insert("base_url".to_owned(), base_url.into());
    }
    if channel == "custom" {
        settings.insert("dialects".to_owned(), json!(["chat"]));
    }
    let settings_json = draft.settings(found, &provider, settings, reading.platform);
    let row_of =
        NewProvider { settings_json, enabled, label: Some(called).filter(|name| !name.is_empty()), ..NewProvider::of(&provider, channel) };
    draft.put(&row_of, []);
    draft.report.took("channels");
    keys(row, &provider, draft)?;
    let models = offered(row, &provider, members, draft)?;
    let groups = list(&row.text("group")?.unwrap_or_else(|| "default".to_owned()));
    Ok(Some((id, Served { provider, enabled, groups, models })))
}

/// The channel of this program and its address, or why there is none.
fn placed(upstream: Option<Upstream>, given: Option<String>) -> Result<(&'static str, Option<String>), String> {
    match upstream {
        Some(Upstream::Channel(id)) => Ok((id, given)),
        Some(Upstream::Chat(address)) => Ok(("custom", Some(given.unwrap_or_else(|| address.to_owned())))),
        Some(Upstream::ChatAt) => match given {
            Some(url) if url.contains('{') => Err("its address has a place for the model, which nothing here fills".to_owned()),
            Some(url) => Ok(("custom", Some(url.trim_end_matches("/chat/completions").to_owned()))),
            None => Err("it has no base_url".to_owned()),
        },
        Some(Upstream::Nothing(what)) => Err(format!("{what} has no channel here")),
        None => Err("the number is not known".to_owned()),
    }
}

/// The keys of a channel, one a line.
fn keys(row: &Row<'_>, provider: &str, draft: &mut Draft) -> Result<(), LegacyFault> {
    let info = row.object("channel_info")?;
    let states = info.get("multi_key_status_list").and_then(Value::as_object);
    let text = row.text("key")?.unwrap_or_default();
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    if lines.is_empty() {
        draft.report.note("channels", provider, "have no key");
    }
    for (at, line) in lines.iter().enumerate() {
        let state = states.and_then(|states| states.get(&at.to_string())).and_then(Value::as_i64).unwrap_or(1);
        let name = (lines.len() > 1).then(|| format!("key {}", at + 1));
        let credential = NewCredential { name, enabled: state == 1, ..NewCredential::of(NO_PROVIDER, "", "") };
        draft.api_key(provider, credential, line);
        draft.report.took("keys of channels");
    }
    Ok(())
}

/// What a channel offers: its provider's models, and members of the routes of their names.
fn offered(row: &Row<'_>, provider: &str, members: &mut Members, draft: &mut Draft) -> Result<BTreeSet<String>, LegacyFault> {
    let mapping = row.object("model_mapping")?;
    let models = list(&row.text("models")?.unwrap_or_default());
    let (priority, weight) = (row.int("priority")?.unwrap_or(0), row.int("weight")?.unwrap_or(0));
    let mut listed = BTreeSet::new();
    for model in &models {
        let upstream = match mapping.get(model) {
            None => model.clone(),
            Some(Value::String(upstream)) if !upstream.trim().is_empty() => upstream.trim().to_owned(),
            Some(_) => return Err(row.fault("model_mapping", format!("a JSON object of texts, also for {model:?}"))),
        };
        if listed.insert(upstream.clone()) {
            draft.put(&NewModel::of(NO_PROVIDER, &upstream), [("provider", provider.into())]);
        }
        members.entry(model.clone()).or_default().push(Member { provider: provider.to_owned(), upstream, priority, weight });
    }
    for renamed in mapping.keys().filter(|name| !models.contains(*name)) {
        draft.report.note("channels.model_mapping", format!("{provider}: {renamed}"), "are models that the channel does not offer");
    }
    Ok(models)
}

/// One route for each name, its members in tiers by priority.
fn routes(members: Members, draft: &mut Draft) {
    for (name, members) in members {
        if name.matches('*').count() > 1 {
            draft.report.left_out("models", name, "a route's name holds one * at most");
            continue;
        }
        let priorities: BTreeSet<i64> = members.iter().map(|member| member.priority).collect();
        let route = NewRoute {
            namespace: String::new(),
            name: name.clone(),
            strategy: Strategy::Weighted,
            description: None,
            settings_json: None,
            enabled: true,
        };
        draft.put(&route, []);
        draft.report.took("models");
        for member in members {
            let tier = priorities.iter().rev().position(|priority| *priority == member.priority).unwrap_or_default();
            let row = NewRouteMember {
                route_id: RouteId(0),
                provider_id: NO_PROVIDER,
                upstream_model: member.upstream,
                // A weight of 0 is usual there, and never first here.
                weight: member.weight.max(1),
                tier: i64::try_from(tier).unwrap_or(i64::MAX),
                enabled: true,
            };
            draft.put(&row, [("route", json!(["", name])), ("provider", member.provider.into())]);
        }
    }
}

/// The upstream names of each model, for keys that may use some of them only.
fn upstreams(members: &Members) -> BTreeMap<String, BTreeSet<String>> {
    members.iter().map(|(name, members)| (name.clone(), members.iter().map(|member| member.upstream.clone()).collect())).collect()
}

/// What a group may use: one permission for each of its channels. The table itself is made of the channels' groups and models;
/// where it differs from them that is told.
fn abilities(tables: &Tables, served: &BTreeMap<i64, Served>, draft: &mut Draft) -> Result<(), LegacyFault> {
    let mut groups: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for channel in served.values() {
        for group in &channel.groups {
            groups.entry(group).or_default().push(&channel.provider);
        }
    }
    for (group, providers) in groups {
        for provider in providers {
            draft.permission(ScopeKind::Organization, group, format!("{provider}/*"));
        }
    }
    for row in tables.rows("abilities") {
        let (id, group, model) = (row.need_int("channel_id")?, row.need_text("group")?, row.need_text("model")?);
        let enabled = row.flag("enabled", super::tables::Otherwise::Yes)?;
        for column in ["priority", "weight", "tag"] {
            row.skip(column);
        }
        let label = || format!("{group} {model} at channel {id}");
        match served.get(&id) {
            None => draft.report.left_out("abilities", label(), "their channel is left out or gone"),
            Some(channel) if !channel.groups.contains(&group) || !channel.models.contains(&model) => {
                draft.report.left_out("abilities", label(), "their channel does not have that group and model any more");
            }
            Some(channel) if channel.enabled && !enabled => {
                draft.report.note("abilities", label(), "are switched off one by one; here the whole channel serves");
                draft.report.took("abilities");
            }
            Some(_) => draft.report.took("abilities"),
        }
    }
    Ok(())
}

/// The parts of a list with commas.
pub(super) fn list(text: &str) -> BTreeSet<String> {
    text.split(',').map(str::trim).filter(|one| !one.is_empty()).map(str::to_owned).collect()
}
