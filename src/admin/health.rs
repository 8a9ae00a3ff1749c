//! How providers and their credentials are doing, as this process has learnt it; and forgetting it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Admin, AdminFault};
use crate::{
    base::{CredentialId, ProviderId},
    health::{Account, Report, Trouble},
    store::record::{AuditAction, NewAudit},
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
    pub reason: &'static str,
    /// Until when, Unix milliseconds; `null` for a dead credential.
    pub until: Option<u64>,
    /// Failures in a row.
    pub failures: u32,
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
            state: if why == Trouble::Refused.id() { "dead" } else { "partial" },
            reason: why,
            until: until_ms,
            failures,
        }
    };
    control.health().reports(control.now_ms()).into_iter().map(view).collect()
}

/// Forgets what stands against those that are meant: they are asked again at once.
///
/// # Errors
/// Of the store, where it takes no entry of the audit; the health is forgotten then all the same.
pub async fn reset(admin: Admin<'_>, reset: Reset) -> Result<Forgotten, AdminFault> {
    let Reset { provider_id, credential_id } = reset;
    let is_meant = |account: &Account| {
        provider_id.is_none_or(|id| account.provider == id)
            && credential_id.is_none_or(|id| account.credential.is_some_and(|(own, _)| own == id))
    };
    let accounts = admin.control().health().forget(is_meant);
    let (target, target_id) = match (provider_id, credential_id) {
        (_, Some(id)) => ("credential", Some(id.0)),
        (Some(id), None) => ("provider", Some(id.0)),
        (None, None) => ("health", None),
    };
    let after_json = Some(json!({ "accounts": accounts }).to_string());
    admin.actor().note(NewAudit { target_id, after_json, ..admin.actor().blank(AuditAction::Reset, target) }).await?;
    Ok(Forgotten { accounts })
}
