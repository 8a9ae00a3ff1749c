//! Whom an administrator reaches: its own organization's people, nobody above itself, and never the last owner.

use super::{Admin, AdminFault, keys};
use crate::{
    base::{Glob, OrganizationId, UserId},
    store::{
        persist::UsageFilter,
        record::{ConfigRows, NewPermission, NewQuota, NewUser, Noun, Record, Role, Scope, ScopeKind, Standing, UserRow},
    },
};

/// The organization that somebody belongs to.
fn home(rows: &ConfigRows, scope: Scope) -> Option<OrganizationId> {
    let of_user = |id: UserId| rows.users.get(id).and_then(|user| user.organization_id);
    match scope.kind {
        ScopeKind::Key => rows.keys.get(scope.id.into()).and_then(|key| of_user(key.user_id)),
        ScopeKind::User => of_user(scope.id.into()),
        ScopeKind::Team => rows.teams.get(scope.id.into()).map(|team| team.organization_id),
        ScopeKind::Organization => Some(scope.id.into()),
    }
}

/// The organization that a row belongs to, where it belongs to one; `id` is the row's own.
pub(super) fn organization_of<N: Record>(rows: &ConfigRows, row: &N, id: i64) -> Option<OrganizationId> {
    let linked = |noun: Noun| row.links().into_iter().find(|(link, _)| link.noun == noun).map(|(_, id)| id);
    match (row.scope(), N::NOUN) {
        (Some(scope), _) => home(rows, scope),
        (None, Noun::Organization) => Some(id.into()),
        (None, Noun::Team | Noun::User) => linked(Noun::Organization).map(Into::into),
        (None, Noun::Key) => linked(Noun::User).and_then(|user| rows.users.get(user.into())?.organization_id),
        (
            None,
            Noun::Provider
            | Noun::Credential
            | Noun::Model
            | Noun::Route
            | Noun::RouteMember
            | Noun::Alias
            | Noun::RuleSet
            | Noun::Rule
            | Noun::ProviderRuleSet
            | Noun::Permission
            | Noun::RateLimit
            | Noun::Quota
            | Noun::PriceRule,
        ) => None,
    }
}

/// The user behind a scope, where it is one user's.
fn person(rows: &ConfigRows, scope: Scope) -> Option<&UserRow> {
    match scope.kind {
        ScopeKind::Key => rows.keys.get(scope.id.into()).and_then(|key| rows.users.get(key.user_id)),
        ScopeKind::User => rows.users.get(scope.id.into()),
        ScopeKind::Team | ScopeKind::Organization => None,
    }
}

/// Whose a row is, as far as organizations go. `id` is the row's own, where it has one.
fn owner_of<N: Record>(row: &N, id: Option<i64>) -> Option<Scope> {
    let team = || row.links().into_iter().find(|(link, _)| link.noun == Noun::Organization).map(|(_, id)| OrganizationId(id).into());
    row.scope().or_else(|| match N::NOUN {
        Noun::Organization => id.map(|id| OrganizationId(id).into()),
        Noun::Team => team(),
        Noun::User
        | Noun::Key
        | Noun::Provider
        | Noun::Credential
        | Noun::Model
        | Noun::Route
        | Noun::RouteMember
        | Noun::Alias
        | Noun::RuleSet
        | Noun::Rule
        | Noun::ProviderRuleSet
        | Noun::Permission
        | Noun::RateLimit
        | Noun::Quota
        | Noun::PriceRule => None,
    })
}

impl Admin<'_> {
    /// Whether the caller reaches somebody.
    pub(super) fn sees(&self, rows: &ConfigRows, scope: impl Into<Scope>) -> bool {
        self.within().is_none_or(|own| home(rows, scope.into()) == Some(own))
    }

    /// Whether the caller reaches a row.
    pub(super) fn sees_row<N: Record>(&self, rows: &ConfigRows, row: &Standing<N>) -> bool {
        self.within().is_none() || owner_of(&row.row, Some(row.id.into())).is_some_and(|scope| self.sees(rows, scope))
    }

    /// Refuses a user whose role the caller's does not govern.
    pub(super) fn may_govern(&self, role: Role) -> Result<(), AdminFault> {
        let own = self.caller().role();
        if own.governs(role) {
            return Ok(());
        }
        Err(AdminFault::Forbidden(format!("the role {own} does not reach users of the role {role}")))
    }

    /// Refuses a row that one who reaches only an organization may not have so: another's, the organization's own, that of
    /// somebody above, or one that gives more than the organization has. Refuses what is a key's to one whose own key is narrow.
    pub(super) fn may_keep<N: Record>(&self, rows: &ConfigRows, row: &N) -> Result<(), AdminFault> {
        // A narrow key would take away what narrows it.
        if N::SCOPED && owner_of(row, None).is_some_and(|scope| scope.kind == ScopeKind::Key) {
            keys::may_give_keys(self.caller(), rows)?;
        }
        let Some(own) = self.within() else { return Ok(()) };
        let scope = owner_of(row, None).filter(|scope| self.sees(rows, *scope));
        let scope = scope.ok_or_else(|| AdminFault::Forbidden(format!("expected a {} within organization {own}", N::NOUN.name())))?;
        if N::SCOPED && scope.kind == ScopeKind::Organization {
            return Err(AdminFault::Forbidden("what the organization itself has is for administrators to change".to_owned()));
        }
        person(rows, scope).map_or(Ok(()), |user| self.may_govern(user.role))
    }

    /// Refuses a change that shuts out somebody above the caller, or the last owner or administrator.
    pub(super) fn may_shut_out(&self, before: &ConfigRows, after: &ConfigRows) -> Result<(), AdminFault> {
        let is_same = before.users.is_same(&after.users) && before.teams.is_same(&after.teams);
        if is_same && before.organizations.is_same(&after.organizations) {
            return Ok(());
        }
        let works_on = |user: &&UserRow| after.users.get(user.id).is_some_and(|user| works(after, user));
        for user in before.users.iter().filter(|user| works(before, user) && !works_on(user)) {
            self.may_govern(user.role)?;
        }
        let stands = |rows: &ConfigRows, rules: fn(&NewUser) -> bool| rows.users.iter().any(|user| rules(user) && works(rows, user));
        let lost = |rules: fn(&NewUser) -> bool| stands(before, rules) && !stands(after, rules);
        if lost(|user| user.role == Role::Owner) {
            return Err(AdminFault::Conflict("this is the last enabled owner; make another one first".to_owned()));
        }
        if lost(NewUser::is_admin) {
            return Err(AdminFault::Conflict("this is the last enabled administrator; make another one first".to_owned()));
        }
        Ok(())
    }

    /// Narrows a question about calls to those that the caller reaches.
    pub(super) fn narrowed(&self, filter: UsageFilter) -> Result<UsageFilter, AdminFault> {
        match (self.within(), filter.organization_id) {
            (None, _) => Ok(filter),
            (Some(own), Some(other)) if own != other => Err(AdminFault::missing("organization", other)),
            (Some(own), _) => Ok(UsageFilter { organization_id: Some(own), ..filter }),
        }
    }
}

/// Refuses a permission that opens what the organization's own do not.
pub(super) fn within_permissions(rows: &ConfigRows, own: OrganizationId, given: &NewPermission) -> Result<(), AdminFault> {
    let pattern = Glob::new(&given.pattern);
    let covers = |has: &NewPermission| {
        (has.operation_group.is_empty() || has.operation_group == given.operation_group) && Glob::new(&has.pattern).covers(&pattern)
    };
    if rows.permissions.iter().any(|has| has.is_of(own) && covers(has)) {
        return Ok(());
    }
    Err(AdminFault::Forbidden(format!("{:?} opens more than organization {own} may use", given.pattern)))
}

/// Refuses a quota above the organization's own.
pub(super) fn within_quota(rows: &ConfigRows, own: OrganizationId, given: &NewQuota) -> Result<(), AdminFault> {
    let Some(has) = rows.quotas.iter().find(|row| row.scope() == Some(own.into())) else { return Ok(()) };
    let above = |given: Option<i64>, has: Option<i64>| given.zip(has).is_some_and(|(given, has)| given > has);
    if given.windows().into_iter().zip(has.windows()).any(|((_, given), (_, has))| above(given, has)) {
        return Err(AdminFault::Forbidden(format!("the quota is above that of organization {own}")));
    }
    Ok(())
}

/// Whether a user, its team and its organization are switched on.
fn works(rows: &ConfigRows, user: &NewUser) -> bool {
    let team = user.team_id.and_then(|id| rows.teams.get(id));
    let organization = user.organization_id.and_then(|id| rows.organizations.get(id));
    user.enabled && team.is_none_or(|team| team.enabled) && organization.is_none_or(|organization| organization.enabled)
}
