//! Reads query strings into typed questions.

use std::borrow::Cow;

use schemars::JsonSchema;

use crate::{
    admin::{
        AdminFault,
        audit::AuditQuery,
        doctor::DoctorQuery,
        health::HistoryQuery,
        usage::{LIMIT_MAX, UsageQuery},
    },
    base::{CredentialId, KeyId, OrganizationId, ProviderId, RequestId, TeamId, UserId},
    snapshot::name,
    store::{
        persist::{AuditFilter, HealthFilter, UsageFilter},
        record::{AuditAction, ScopeKind},
    },
};

/// The parameters of a request, each taken at most once.
pub(super) struct Parameters<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Parameters<'a> {
    pub(super) fn of(query: Option<&'a str>) -> Self {
        Self(form_urlencoded::parse(query.unwrap_or("").as_bytes()).collect())
    }

    /// Takes a parameter by any of its names.
    pub(super) fn take(&mut self, names: &[&'static str]) -> Option<(&'static str, String)> {
        let at = self.0.iter().position(|(name, _)| names.contains(&&**name))?;
        let (name, value) = self.0.swap_remove(at);
        names.iter().find(|known| **known == name).map(|known| (*known, value.into_owned()))
    }

    fn number<T: std::str::FromStr>(&mut self, names: &[&'static str]) -> Result<Option<T>, AdminFault> {
        let Some((name, value)) = self.take(names) else { return Ok(None) };
        value.parse().map(Some).map_err(|_| AdminFault::invalid(name, format!("expected a whole number, not {value:?}")))
    }

    fn request_id(&mut self, names: &[&'static str]) -> Result<Option<RequestId>, AdminFault> {
        let Some((name, value)) = self.take(names) else { return Ok(None) };
        RequestId::parse(&value).map(Some).ok_or_else(|| AdminFault::invalid(name, format!("expected a request id, not {value:?}")))
    }

    fn limit(&mut self) -> Result<Option<u64>, AdminFault> {
        let limit = self.number(&["limit"])?;
        match limit {
            Some(limit) if !(1..=LIMIT_MAX).contains(&limit) => {
                Err(AdminFault::invalid("limit", format!("expected 1 to {LIMIT_MAX}, not {limit}")))
            }
            limit => Ok(limit),
        }
    }

    /// Refuses what nobody took.
    fn close(&self, known: &[&'static str]) -> Result<(), AdminFault> {
        self.0.first().map_or(Ok(()), |(given, _)| {
            Err(AdminFault::invalid(
                &**given,
                format!("unknown or repeated parameter {given:?}{}", name::hint(given, known.iter().copied())),
            ))
        })
    }
}

/// A question in a query string. The members of its schema are the parameters.
pub(super) trait Question: JsonSchema + Sized {
    /// Reads it.
    ///
    /// # Errors
    /// The parameter at fault, and what was expected.
    fn read(query: Option<&str>) -> Result<Self, AdminFault>;
}

/// Refuses any question.
pub(super) fn none(query: Option<&str>) -> Result<(), AdminFault> {
    Parameters::of(query).close(&[])
}

/// Whose rows a list shall have.
#[derive(Debug, JsonSchema)]
pub(super) struct ScopeQuery {
    /// Of such a one.
    pub(super) scope: Option<ScopeKind>,
    /// Of the one with this id.
    pub(super) scope_id: Option<i64>,
}

impl Question for ScopeQuery {
    fn read(query: Option<&str>) -> Result<Self, AdminFault> {
        let mut given = Parameters::of(query);
        let scope = given.take(&["scope"]).map(|(_, word)| {
            ScopeKind::parse(&word)
                .ok_or_else(|| AdminFault::invalid("scope", format!("is {word:?}; expected key, user, team or organization")))
        });
        let scope_id = given.number(&["scope_id"])?;
        given.close(&["scope", "scope_id"])?;
        Ok(Self { scope: scope.transpose()?, scope_id })
    }
}

const FILTER: &[&str] = &["from_ms", "to_ms", "user_id", "key_id", "provider_id", "team_id", "organization_id", "model"];
const PAGE: &[&str] = &["before", "limit"];

/// Takes the parameters of a usage filter.
fn filter(given: &mut Parameters<'_>) -> Result<UsageFilter, AdminFault> {
    Ok(UsageFilter {
        from_ms: given.number(&["from_ms", "from_unix_ms"])?,
        to_ms: given.number(&["to_ms", "to_unix_ms"])?,
        user_id: given.number(&["user_id"])?.map(UserId),
        key_id: given.number(&["key_id", "user_key_id"])?.map(KeyId),
        provider_id: given.number(&["provider_id"])?.map(ProviderId),
        team_id: given.number(&["team_id"])?.map(TeamId),
        organization_id: given.number(&["organization_id", "org_id"])?.map(OrganizationId),
        model: given.take(&["model"]).map(|(_, model)| model),
    })
}

impl Question for UsageFilter {
    fn read(query: Option<&str>) -> Result<Self, AdminFault> {
        let mut given = Parameters::of(query);
        let question = filter(&mut given)?;
        given.close(FILTER)?;
        Ok(question)
    }
}

impl Question for UsageQuery {
    fn read(query: Option<&str>) -> Result<Self, AdminFault> {
        let mut given = Parameters::of(query);
        let filter = filter(&mut given)?;
        let question = Self { filter, before: given.request_id(&["before", "before_id"])?, limit: given.limit()? };
        given.close(&[FILTER, PAGE].concat())?;
        Ok(question)
    }
}

/// Which page of a list is wanted.
#[derive(Debug, JsonSchema)]
pub(super) struct PageQuery {
    /// Only requests before this one.
    pub(super) before: Option<RequestId>,
    /// Rows at most.
    #[schemars(range(min = 1, max = LIMIT_MAX))]
    pub(super) limit: Option<u64>,
}

impl Question for PageQuery {
    fn read(query: Option<&str>) -> Result<Self, AdminFault> {
        let mut given = Parameters::of(query);
        let question = Self { before: given.request_id(&["before", "before_id"])?, limit: given.limit()? };
        given.close(PAGE)?;
        Ok(question)
    }
}

/// Which entries of the audit are wanted.
#[derive(Debug, JsonSchema)]
pub(super) struct AuditPage {
    /// At or after, Unix milliseconds.
    from_ms: Option<u64>,
    /// Before, Unix milliseconds.
    to_ms: Option<u64>,
    /// Of this user.
    actor_id: Option<UserId>,
    /// What was done.
    action: Option<AuditAction>,
    /// To what: a noun, `settings`, `health` or `bundle`.
    target_kind: Option<String>,
    /// To which one.
    target_id: Option<i64>,
    /// Within this organization.
    organization_id: Option<OrganizationId>,
    /// Only entries before this one.
    before: Option<i64>,
    /// Entries at most.
    #[schemars(range(min = 1, max = LIMIT_MAX))]
    limit: Option<u64>,
}

const AUDIT: &[&str] = &["from_ms", "to_ms", "actor_id", "action", "target_kind", "target_id", "organization_id", "before", "limit"];

impl Question for AuditPage {
    fn read(query: Option<&str>) -> Result<Self, AdminFault> {
        let mut given = Parameters::of(query);
        let action = given.take(&["action"]).map(|(_, word)| {
            let known: Vec<&str> = AuditAction::ALL.iter().map(|action| action.word()).collect();
            AuditAction::parse(&word)
                .ok_or_else(|| AdminFault::invalid("action", format!("is {word:?}; expected one of {}", known.join(", "))))
        });
        let question = Self {
            from_ms: given.number(&["from_ms", "from_unix_ms"])?,
            to_ms: given.number(&["to_ms", "to_unix_ms"])?,
            actor_id: given.number(&["actor_id"])?.map(UserId),
            action: action.transpose()?,
            target_kind: given.take(&["target_kind", "target"]).map(|(_, kind)| kind),
            target_id: given.number(&["target_id"])?,
            organization_id: given.number(&["organization_id", "org_id"])?.map(OrganizationId),
            before: given.number(&["before", "before_id"])?,
            limit: given.limit()?,
        };
        given.close(AUDIT)?;
        Ok(question)
    }
}

impl From<AuditPage> for AuditQuery {
    fn from(page: AuditPage) -> Self {
        let AuditPage { from_ms, to_ms, actor_id, action, target_kind, target_id, organization_id, before, limit } = page;
        let filter = AuditFilter { from_ms, to_ms, actor_id, action, target_kind, target_id, organization_id };
        Self { filter, before, limit }
    }
}

/// Whose health's history is wanted.
#[derive(Debug, JsonSchema)]
pub(super) struct HealthPage {
    /// At or after, Unix milliseconds.
    from_ms: Option<u64>,
    /// Before, Unix milliseconds.
    to_ms: Option<u64>,
    /// Of this provider and its credentials.
    provider_id: Option<ProviderId>,
    /// Of this credential.
    credential_id: Option<CredentialId>,
    /// Of this model.
    model: Option<String>,
    /// Only events before this one.
    before: Option<i64>,
    /// Events at most.
    #[schemars(range(min = 1, max = LIMIT_MAX))]
    limit: Option<u64>,
}

const HEALTH: &[&str] = &["from_ms", "to_ms", "provider_id", "credential_id", "model", "before", "limit"];

impl Question for HealthPage {
    fn read(query: Option<&str>) -> Result<Self, AdminFault> {
        let mut given = Parameters::of(query);
        let question = Self {
            from_ms: given.number(&["from_ms", "from_unix_ms"])?,
            to_ms: given.number(&["to_ms", "to_unix_ms"])?,
            provider_id: given.number(&["provider_id"])?.map(ProviderId),
            credential_id: given.number(&["credential_id"])?.map(CredentialId),
            model: given.take(&["model"]).map(|(_, model)| model),
            before: given.number(&["before", "before_id"])?,
            limit: given.limit()?,
        };
        given.close(HEALTH)?;
        Ok(question)
    }
}

impl From<HealthPage> for HistoryQuery {
    fn from(page: HealthPage) -> Self {
        let HealthPage { from_ms, to_ms, provider_id, credential_id, model, before, limit } = page;
        Self { filter: HealthFilter { from_ms, to_ms, provider_id, credential_id, model }, before, limit }
    }
}

/// Which sessions are wanted of those that the prompt-cache doctor watches.
#[derive(Debug, JsonSchema)]
pub(super) struct DoctorPage {
    /// Of this user.
    user_id: Option<UserId>,
    /// Of this key.
    key_id: Option<KeyId>,
    /// Of this organization.
    organization_id: Option<OrganizationId>,
    /// That this provider answered last.
    provider_id: Option<ProviderId>,
    /// With this model.
    model: Option<String>,
    /// Sessions at most.
    #[schemars(range(min = 1, max = LIMIT_MAX))]
    limit: Option<u64>,
}

const DOCTOR: &[&str] = &["user_id", "key_id", "organization_id", "provider_id", "model", "limit"];

impl Question for DoctorPage {
    fn read(query: Option<&str>) -> Result<Self, AdminFault> {
        let mut given = Parameters::of(query);
        let question = Self {
            user_id: given.number(&["user_id"])?.map(UserId),
            key_id: given.number(&["key_id", "user_key_id"])?.map(KeyId),
            organization_id: given.number(&["organization_id", "org_id"])?.map(OrganizationId),
            provider_id: given.number(&["provider_id"])?.map(ProviderId),
            model: given.take(&["model"]).map(|(_, model)| model),
            limit: given.limit()?,
        };
        given.close(DOCTOR)?;
        Ok(question)
    }
}

impl From<DoctorPage> for DoctorQuery {
    fn from(page: DoctorPage) -> Self {
        let DoctorPage { user_id, key_id, organization_id, provider_id, model, limit } = page;
        Self { user_id, key_id, organization_id, provider_id, model, limit }
    }
}
