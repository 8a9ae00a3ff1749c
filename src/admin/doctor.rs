//! What each session lost of its provider's prompt cache, as this instance has seen it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Admin, AdminFault,
    usage::{LIMIT, LIMIT_MAX},
};
use crate::{
    base::{CredentialId, KeyId, Nanos, OrganizationId, ProviderId, UserId},
    doctor::{Cause, Loss, Report, Seen},
    snapshot::Snapshot,
    store::persist::UsageFilter,
};

/// What was lost for one cause, and what helps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CauseView {
    /// Why.
    pub cause: Cause,
    /// At so many turns.
    pub turns: u64,
    /// Prompt tokens that could have been read from the cache, and were not.
    pub lost_tokens: u64,
    /// What they cost more than if they had been read.
    pub lost: Nanos,
    /// So many of them have no price, and are not in `lost`.
    pub unpriced_tokens: u64,
    /// What helps.
    pub remedy: String,
}

/// Where a prompt changed within what was sent before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChangeView {
    /// The way to it. `*` stands for a name that is none of the dialect's words.
    pub path: String,
    /// The first byte that differs, of the body as it was sent to the provider.
    pub byte: u64,
}

/// The prompts of a session, or of all of them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "CachedPrompts")]
pub struct PromptsView {
    /// Turns.
    pub turns: u64,
    /// Turns with one before them that they could be compared with.
    pub compared: u64,
    /// Turns whose body is larger than what is kept, or could not be read as a prompt.
    pub unread: u64,
    /// Prompt tokens that came from no cache and went into none.
    pub input_tokens: u64,
    /// Prompt tokens read from the cache.
    pub cache_read_tokens: u64,
    /// Prompt tokens written to it.
    pub cache_write_tokens: u64,
    /// Of the turns that were compared: tokens that could have been read, an estimate.
    pub could_tokens: u64,
    /// The share of them that was read; `null` where none could be.
    pub hit_rate: Option<f64>,
    /// Tokens that could have been read, and were not.
    pub lost_tokens: u64,
    /// What they cost more than if they had been read.
    pub lost: Nanos,
    /// So many of them have no price, and are not in `lost`.
    pub unpriced_tokens: u64,
}

/// One session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "CachedSession")]
pub struct SessionView {
    /// By what it is called here: a digest of what its client calls it, or of how it began.
    pub session: String,
    /// Whether its client names it.
    pub is_named: bool,
    /// Whose it is.
    pub user_id: UserId,
    /// The user's name, where it is still there.
    pub user: Option<String>,
    /// The key of its first turn.
    pub key_id: KeyId,
    /// The user's organization at that time.
    pub organization_id: Option<OrganizationId>,
    /// Who answered last.
    pub provider_id: ProviderId,
    /// The provider's name, where it is still there.
    pub provider: Option<String>,
    /// With which credential.
    pub credential_id: Option<CredentialId>,
    /// And which model.
    pub model: String,
    /// Its first turn here, Unix milliseconds.
    pub first_at: u64,
    /// Its last turn, Unix milliseconds.
    pub last_at: u64,
    /// Its prompts.
    #[serde(flatten)]
    pub prompts: PromptsView,
    /// What cost the most.
    pub cause: Option<Cause>,
    /// All that was found, the dearest first.
    pub causes: Vec<CauseView>,
    /// Where the prompt changed last within what was sent before.
    pub first_difference: Option<ChangeView>,
}

/// What prompt caches lose.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "CacheReport")]
pub struct ReportView {
    /// Whether the doctor is on: the setting `cache_doctor`.
    pub is_on: bool,
    /// Sessions that are known of those asked for.
    pub known: u64,
    /// All of them together.
    pub totals: PromptsView,
    /// The worst of them first.
    pub sessions: Vec<SessionView>,
}

/// Which sessions are wanted; all that is set must hold.
#[derive(Clone, Debug, Default)]
pub struct DoctorQuery {
    /// Of this user.
    pub user_id: Option<UserId>,
    /// Of this key.
    pub key_id: Option<KeyId>,
    /// Of this organization.
    pub organization_id: Option<OrganizationId>,
    /// That this provider answered last.
    pub provider_id: Option<ProviderId>,
    /// With this model.
    pub model: Option<String>,
    /// How many at most.
    pub limit: Option<u64>,
}

/// What each session lost, as this instance has seen it.
///
/// # Errors
/// [`AdminFault::Missing`] of another organization, where the caller reaches only its own.
pub fn list(admin: Admin<'_>, query: DoctorQuery) -> Result<ReportView, AdminFault> {
    let DoctorQuery { user_id, key_id, organization_id, provider_id, model, limit } = query;
    let organization_id = admin.narrowed(UsageFilter { organization_id, ..UsageFilter::default() })?.organization_id;
    let is_asked_for = |report: &Report| {
        user_id.is_none_or(|id| report.whose.user == id)
            && key_id.is_none_or(|id| report.whose.key == id)
            && organization_id.is_none_or(|id| report.whose.organization == Some(id))
            && provider_id.is_none_or(|id| report.provider == id)
            && model.as_deref().is_none_or(|model| *report.model == *model)
    };
    let control = admin.control();
    let snapshot = control.snapshot().load();
    let reports = control.doctor().reports(control.now_ms(), is_asked_for);
    let (mut seen, mut lost) = (Seen::default(), Loss::default());
    for report in &reports {
        seen.add(&report.seen);
        lost.add(&report.lost());
    }
    let limit = usize::try_from(limit.unwrap_or(LIMIT).min(LIMIT_MAX)).unwrap_or(usize::MAX);
    Ok(ReportView {
        is_on: snapshot.settings().cache_doctor,
        known: reports.len() as u64,
        totals: PromptsView::of(&seen, &lost),
        sessions: reports.iter().take(limit).map(|report| SessionView::of(report, &snapshot)).collect(),
    })
}

impl PromptsView {
    fn of(seen: &Seen, lost: &Loss) -> Self {
        Self {
            turns: seen.turns,
            compared: seen.compared,
            unread: seen.unread,
            input_tokens: seen.fresh,
            cache_read_tokens: seen.read,
            cache_write_tokens: seen.written,
            could_tokens: seen.could,
            hit_rate: share(seen.did, seen.could),
            lost_tokens: lost.tokens,
            lost: lost.cost,
            unpriced_tokens: lost.unpriced,
        }
    }
}

/// A share with four decimals.
fn share(part: u64, whole: u64) -> Option<f64> {
    let parts = u128::from(part) * 10_000 / u128::from(whole).max(1);
    (whole > 0).then(|| f64::from(u32::try_from(parts).unwrap_or(10_000)) / 10_000.0)
}

impl SessionView {
    fn of(report: &Report, snapshot: &Snapshot) -> Self {
        let mut causes: Vec<CauseView> = report.losses.iter().map(|(cause, loss)| CauseView::of(*cause, loss)).collect();
        causes.sort_by_key(|view| std::cmp::Reverse((view.lost, view.lost_tokens, view.turns)));
        Self {
            session: report.id.clone(),
            is_named: report.is_named,
            user_id: report.whose.user,
            user: snapshot.rows().users.get(report.whose.user).map(|user| user.name.clone()),
            key_id: report.whose.key,
            organization_id: report.whose.organization,
            provider_id: report.provider,
            provider: snapshot.provider_of(report.provider).map(|provider| provider.name.to_string()),
            credential_id: report.credential,
            model: report.model.to_string(),
            first_at: report.first_ms,
            last_at: report.last_ms,
            prompts: PromptsView::of(&report.seen, &report.lost()),
            cause: causes.first().map(|view| view.cause),
            causes,
            first_difference: report.changed.as_ref().map(|place| ChangeView { path: place.path.clone(), byte: place.byte as u64 }),
        }
    }
}

impl CauseView {
    fn of(cause: Cause, loss: &Loss) -> Self {
        let Loss { turns, tokens, cost, unpriced } = *loss;
        Self { cause, turns, lost_tokens: tokens, lost: cost, unpriced_tokens: unpriced, remedy: cause.remedy().to_owned() }
    }
}
