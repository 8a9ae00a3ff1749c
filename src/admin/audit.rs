//! The audit: what is written down of a mutation, without secrets, and reading it back.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{
    Admin, AdminFault, Control,
    redact::{self, MASK},
    usage::{LIMIT, LIMIT_MAX},
};
use crate::{
    base::{KeyId, OrganizationId, UserId},
    store::{
        persist::AuditFilter,
        record::{AuditAction, AuditRow, ChangeSet, NewAudit, Noun, Record, Role, SettingsRow, Stamp},
    },
};

/// Columns that hold a secret, or what it could be guessed by.
const SECRET: [&str; 4] = ["password_hash", "digest", "secret_sealed", "hf_token_sealed"];

/// What somebody did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct AuditView {
    /// Its id; later ones are higher.
    pub id: i64,
    /// When, Unix milliseconds.
    pub at: u64,
    /// Who; `null` where nobody was known, or a command of the program did it.
    pub actor_id: Option<UserId>,
    /// With which key.
    pub key_id: Option<KeyId>,
    /// The actor's name at that time; of a command its name.
    pub actor_name: Option<String>,
    /// The actor's role at that time.
    pub role: Option<Role>,
    /// What was done.
    pub action: AuditAction,
    /// To what: a noun, `settings`, `health` or `bundle`.
    pub target_kind: String,
    /// To which one.
    pub target_id: Option<i64>,
    /// The organization that it belongs to.
    pub organization_id: Option<OrganizationId>,
    /// The address that the call came from.
    pub peer: Option<String>,
    /// What stood before, without secrets; of an update only what differs.
    pub before: Option<Map<String, Value>>,
    /// What stands since, likewise.
    pub after: Option<Map<String, Value>>,
}

impl From<AuditRow> for AuditView {
    fn from(row: AuditRow) -> Self {
        let AuditRow { id, entry } = row;
        let members = |text: Option<String>| text.and_then(|text| serde_json::from_str(&text).ok());
        Self {
            id,
            at: entry.at,
            actor_id: entry.actor_id,
            key_id: entry.key_id,
            actor_name: entry.actor_name,
            role: entry.role,
            action: entry.action,
            target_kind: entry.target_kind,
            target_id: entry.target_id,
            organization_id: entry.organization_id,
            peer: entry.peer,
            before: members(entry.before_json),
            after: members(entry.after_json),
        }
    }
}

/// Which entries are wanted.
#[derive(Clone, Debug, Default)]
pub struct AuditQuery {
    /// All that is set must hold.
    pub filter: AuditFilter,
    /// Only entries before this one.
    pub before: Option<i64>,
    /// How many at most.
    pub limit: Option<u64>,
}

/// What was done, newest first. One who reaches only an organization sees what was done to what belongs to it.
///
/// # Errors
/// [`AdminFault::Missing`] for another's organization; of the store.
pub async fn list(admin: Admin<'_>, query: AuditQuery) -> Result<Vec<AuditView>, AdminFault> {
    let AuditQuery { mut filter, before, limit } = query;
    match (admin.within(), filter.organization_id) {
        (None, _) => {}
        (Some(own), Some(other)) if own != other => return Err(AdminFault::missing("organization", other)),
        (Some(own), _) => filter.organization_id = Some(own),
    }
    let rows = admin.control().audit().entries(filter, before, limit.unwrap_or(LIMIT).min(LIMIT_MAX)).await?;
    Ok(rows.into_iter().map(AuditView::from).collect())
}

/// An entry of now that names nobody.
pub(super) fn blank(control: &Control, action: AuditAction, target: &str) -> NewAudit {
    NewAudit {
        at: control.now_ms(),
        actor_id: None,
        key_id: None,
        actor_name: None,
        role: None,
        action,
        target_kind: target.to_owned(),
        target_id: None,
        organization_id: None,
        peer: None,
        before_json: None,
        after_json: None,
    }
}

/// What is told of a command of the program, which nobody's key stands behind.
#[must_use]
pub fn by_command(control: &Control, command: &str, (action, target): (AuditAction, &str), after: &Value) -> NewAudit {
    NewAudit { actor_name: Some(command.to_owned()), after_json: Some(after.to_string()), ..blank(control, action, target) }
}

/// Makes changes and writes them down, all or none; they serve from now on.
pub(super) async fn apply(control: &Control, set: ChangeSet) -> Result<Vec<Stamp>, AdminFault> {
    let audit = set.audit.clone();
    let stamps = control.records().apply_set(set).await?;
    audit.iter().for_each(log);
    control.refresh().await?;
    Ok(stamps)
}

/// One line of the log. What a set of changes made has no id there; the record has it.
pub(super) fn log(entry: &NewAudit) {
    let NewAudit { actor_id, key_id, actor_name, action, target_kind, target_id, peer, .. } = entry;
    let (actor, key) = (actor_id.map(|id| id.0), key_id.map(|id| id.0));
    let (id, name, peer) = (target_id.filter(|id| *id > 0), actor_name.as_deref(), peer.as_deref());
    tracing::info!(target: "gproxy::audit", actor, name, key, %action, kind = %target_kind, id, peer, "control plane changed");
}

/// What is told of a row before and after: of a change only the members that differ. A secret that differs is told as one.
pub(super) fn told<N: Record>(before: Option<&N>, after: Option<&N>) -> (Option<String>, Option<String>) {
    let (before, after) = (before.map(members), after.map(members));
    differing(before, after, |members| shown(N::NOUN, members))
}

/// The same of the settings.
pub(super) fn told_settings(before: &SettingsRow, after: &SettingsRow) -> (Option<String>, Option<String>) {
    differing(Some(members(before)), Some(members(after)), |mut members| {
        members.remove("updated_at");
        members.into_iter().map(|(name, value)| masked(&name, value)).collect()
    })
}

fn differing(
    before: Option<Map<String, Value>>,
    after: Option<Map<String, Value>>,
    shown: impl Fn(Map<String, Value>) -> Map<String, Value>,
) -> (Option<String>, Option<String>) {
    let (before, after) = match (before, after) {
        (Some(mut before), Some(mut after)) => {
            let same: Vec<String> =
                before.iter().filter(|(name, value)| after.get(*name) == Some(value)).map(|(name, _)| name.clone()).collect();
            for name in same {
                before.remove(&name);
                after.remove(&name);
            }
            (Some(before), Some(after))
        }
        others => others,
    };
    let text = |members: Option<Map<String, Value>>| members.map(|members| Value::Object(shown(members)).to_string());
    (text(before), text(after))
}

fn members(row: &impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(row) {
        Ok(Value::Object(members)) => members,
        // A record is an object; what is none is told as nothing rather than as it is.
        Ok(_) | Err(_) => Map::new(),
    }
}

fn shown(noun: Noun, members: Map<String, Value>) -> Map<String, Value> {
    members
        .into_iter()
        .map(|(name, value)| match (noun, name.as_str()) {
            (Noun::Rule, "config_json") => (name, rule(value)),
            _ => masked(&name, value),
        })
        .collect()
}

/// A column without secrets. JSON is told as such.
fn masked(name: &str, value: Value) -> (String, Value) {
    let shown = match value {
        Value::String(_) if SECRET.contains(&name) => MASK.into(),
        Value::String(text) if name == "settings_json" => parsed(&text).map_or_else(|| MASK.into(), |value| redact::value("", &value)),
        Value::String(text) if name.ends_with("_json") => parsed(&text).unwrap_or_else(|| MASK.into()),
        Value::String(text) => redact::value("", &Value::String(text)),
        other => other,
    };
    (name.to_owned(), shown)
}

/// What a rule does; what it sets a header to may be a key.
fn rule(config: Value) -> Value {
    let Some(mut config) = config.as_str().and_then(parsed).filter(Value::is_object) else { return MASK.into() };
    if let Some(value) = config.get_mut("value").filter(|value| value.is_string()) {
        *value = MASK.into();
    }
    redact::value("", &config)
}

fn parsed(text: &str) -> Option<Value> {
    serde_json::from_str(text).ok()
}
