//! How providers and their credentials are doing, how that came about, and forgetting it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    Admin, AdminFault,
    usage::{LIMIT, LIMIT_MAX},
};
use crate::{
    base::{CredentialId, ProviderId},
    health::{Account, Report},
    store::{
        persist::HealthFilter,
        record::{AuditAction, HealthEventRow, HealthReset, HealthWord, NewAudit},
    },
};

/// What stands against a provider or one of its credentials.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct HealthView {
    /// The provider.
    pub provider_id: ProviderId,
    /// Its name, where it is still there.
    pub provider: Option<String>,
    /// The credential; `null` for all of the provider's.
    pub credential_id: Option<CredentialId>,
    /// The model; `null` for all of them.
    pub model: Option<String>,
    /// `partial` where some models cannot be asked for a while, `dead` where the credential is refused.
    pub state: &'static str,
    /// Why: `transient`, `rate_limited`, `exhausted`, `forbidden` or `dead`.
    pub reason: HealthWord,
    /// Until when, Unix milliseconds; `null` for a dead credential.
    pub until: Option<u64>,
    /// Failures in a row.
    pub failures: u32,
}

/// How somebody's health changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct HealthEventView {
    /// Its id; later ones are higher.
    pub id: i64,
    /// When, Unix milliseconds.
    pub at: u64,
    /// The provider.
    pub provider_id: ProviderId,
    /// Its name, where it is still there.
    pub provider: Option<String>,
    /// The credential; `null` where the provider itself is meant.
    pub credential_id: Option<CredentialId>,
    /// The model; `null` for all of them.
    pub model: Option<String>,
    /// What happened: `transient`, `rate_limited`, `exhausted`, `forbidden`, `dead`, `recovered` or `reset`.
    pub event: HealthWord,
    /// Until when others were asked first, Unix milliseconds.
    pub until: Option<u64>,
    /// Failures in a row.
    pub failures: u32,
}

/// Whose history is wanted.
#[derive(Clone, Debug, Default)]
pub struct HistoryQuery {
    /// All that is set must hold.
    pub filter: HealthFilter,
    /// Only events before this one.
    pub before: Option<i64>,
    /// How many at most.
    pub limit: Option<u64>,
}

/// Whose health is forgotten: one credential's, all of a provider's, or everybody's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reset {
    /// The provider.
    pub provider_id: Option<ProviderId>,
    /// The credential.
    pub credential_id: Option<CredentialId>,
}

/// What was forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Forgotten {
    /// How many accounts something stood against.
    pub accounts: usize,
}

/// Everything that stands against anybody now.
#[must_use]
pub fn list(admin: Admin<'_>) -> Vec<HealthView> {
    let control = admin.control();
    let snapshot = control.snapshot().load();
    let view = |report: Report| {
        let Report { account: Account { provider, credential }, model, why, until_ms, failures } = report;
        HealthView {
            provider_id: provider,
            provider: snapshot.provider_of(provider).map(|provider| provider.name.to_string()),
            credential_id: credential.map(|(id, _)| id),
            model: model.map(|model| model.to_string()),
            state: if why == HealthWord::Dead { "dead" } else { "partial" },
            reason: why,
            until: until_ms,
            failures,
        }
    };
    control.health().reports(control.now_ms()).into_iter().map(view).collect()
}

/// How health changed, newest first, as all instances on the database wrote it down.
///
/// # Errors
/// Of the store.
pub async fn history(admin: Admin<'_>, query: HistoryQuery) -> Result<Vec<HealthEventView>, AdminFault> {
    let HistoryQuery { filter, before, limit } = query;
    let control = admin.control();
    let rows = control.health_book().history(filter, before, limit.unwrap_or(LIMIT).min(LIMIT_MAX)).await?;
    let snapshot = control.snapshot().load();
    let view = |HealthEventRow { id, event }| HealthEventView {
        id,
        at: event.at,
        provider: snapshot.provider_of(event.provider_id).map(|provider| provider.name.to_string()),
        provider_id: event.provider_id,
        credential_id: event.credential_id,
        model: event.model,
        event: event.event,
        until: event.until_ms,
        failures: event.failures,
    };
    Ok(rows.into_iter().map(view).collect())
}

/// Forgets what stands against those that are meant: they are asked again at once.
///
/// # Errors
/// Of the store, where it takes no entry of the audit; the health is forgotten then all the same.
pub async fn reset(admin: Admin<'_>, reset: Reset) -> Result<Forgotten, AdminFault> {
    let Reset { provider_id, credential_id } = reset;
    let accounts = admin.control().health().reset(HealthReset { provider_id, credential_id, at_ms: admin.control().now_ms() });
    let (target, target_id) = match (provider_id, credential_id) {
        (_, Some(id)) => ("credential", Some(id.0)),
        (Some(id), None) => ("provider", Some(id.0)),
        (None, None) => ("health", None),
    };
    let after_json = Some(json!({ "accounts": accounts }).to_string());
    admin.actor().note(NewAudit { target_id, after_json, ..admin.actor().blank(AuditAction::Reset, target) }).await?;
    Ok(Forgotten { accounts })
}
