//! Reads query strings into typed questions.

use std::borrow::Cow;

use crate::{
    admin::{
        AdminFault,
        usage::{LIMIT_MAX, UsageQuery},
    },
    base::{KeyId, OrganizationId, ProviderId, RequestId, TeamId, UserId},
    snapshot::name,
    store::{persist::UsageFilter, record::ScopeKind},
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
        names.iter().find(|known| **known == name).map(|known| (*known, value.into_owned())).filter(|(_, value)| !value.is_empty())
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

/// Refuses any question.
pub(super) fn none(query: Option<&str>) -> Result<(), AdminFault> {
    Parameters::of(query).close(&[])
}

/// Reads whose rows a list shall have.
pub(super) fn scope(query: Option<&str>) -> Result<(Option<ScopeKind>, Option<i64>), AdminFault> {
    let mut given = Parameters::of(query);
    let kind = given.take(&["scope"]).map(|(_, word)| {
        ScopeKind::parse(&word)
            .ok_or_else(|| AdminFault::invalid("scope", format!("is {word:?}; expected key, user, team or organization")))
    });
    let id = given.number(&["scope_id"])?;
    given.close(&["scope", "scope_id"])?;
    Ok((kind.transpose()?, id))
}

const USAGE: &[&str] = &["from_ms", "to_ms", "user_id", "key_id", "provider_id", "team_id", "organization_id", "model", "before", "limit"];

/// Reads the question of a usage list or summary.
pub(super) fn usage(query: Option<&str>) -> Result<UsageQuery, AdminFault> {
    let mut given = Parameters::of(query);
    let filter = UsageFilter {
        from_ms: given.number(&["from_ms", "from_unix_ms"])?,
        to_ms: given.number(&["to_ms", "to_unix_ms"])?,
        user_id: given.number(&["user_id"])?.map(UserId),
        key_id: given.number(&["key_id", "user_key_id"])?.map(KeyId),
        provider_id: given.number(&["provider_id"])?.map(ProviderId),
        team_id: given.number(&["team_id"])?.map(TeamId),
        organization_id: given.number(&["organization_id", "org_id"])?.map(OrganizationId),
        model: given.take(&["model"]).map(|(_, model)| model),
    };
    let question = UsageQuery { filter, before: given.request_id(&["before", "before_id"])?, limit: given.limit()? };
    given.close(USAGE)?;
    Ok(question)
}

/// Reads the question of a list of requests.
pub(super) fn page(query: Option<&str>) -> Result<(Option<RequestId>, Option<u64>), AdminFault> {
    let mut given = Parameters::of(query);
    let question = (given.request_id(&["before", "before_id"])?, given.limit()?);
    given.close(&["before", "limit"])?;
    Ok(question)
}
