//! The record of what was done in the control plane.

use std::fmt;

use super::Stored;
use crate::{
    base::{OrganizationId, UserId},
    store::record::{AuditAction, AuditRow, NewAudit},
};

/// Which entries to show. All that is set must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// At or after, Unix milliseconds.
    pub from_ms: Option<u64>,
    /// Before, Unix milliseconds.
    pub to_ms: Option<u64>,
    /// Of whom.
    pub actor_id: Option<UserId>,
    /// What was done.
    pub action: Option<AuditAction>,
    /// To what.
    pub target_kind: Option<String>,
    /// To which one.
    pub target_id: Option<i64>,
    /// Within which organization.
    pub organization_id: Option<OrganizationId>,
}

/// What was done, newest first. Entries of changes are written with them ([`crate::store::record::ChangeSet`]); nobody changes one.
pub trait AuditLog: Send + Sync + fmt::Debug {
    /// Writes down what changed no configuration.
    fn note(&self, entry: NewAudit) -> Stored<'_, ()>;
    /// At most `limit` entries, those before the one of an id where it is set.
    fn entries(&self, filter: AuditFilter, before: Option<i64>, limit: u64) -> Stored<'_, Vec<AuditRow>>;
}
