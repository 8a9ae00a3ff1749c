//! What was done in the control plane, and by whom.

use super::{Role, cell::words};
use crate::base::{KeyId, OrganizationId, UserId};

words! {
    /// What somebody did.
    AuditAction {
        /// Made something.
        Create = "create",
        /// Changed something.
        Update = "update",
        /// Took something away.
        Delete = "delete",
        /// Logged in.
        Login = "login",
        /// Tried to log in, with a wrong name or password.
        LoginFailed = "login_failed",
        /// Had the health of somebody forgotten.
        Reset = "reset",
        /// Made a bundle stand.
        Import = "import",
        /// Sealed all secrets anew.
        Rotate = "rotate",
    }
}

/// What somebody did, to be written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAudit {
    /// When, Unix milliseconds.
    pub at: u64,
    /// Who; none where nobody was known, or a command of the program did it.
    pub actor_id: Option<UserId>,
    /// With which key.
    pub key_id: Option<KeyId>,
    /// The actor's name at that time; of a command its name.
    pub actor_name: Option<String>,
    /// The actor's role at that time.
    pub role: Option<Role>,
    /// What was done.
    pub action: AuditAction,
    /// To what: a noun's name, or another word such as `settings`.
    pub target_kind: String,
    /// To which one. In a set of changes it may name one that the set makes ([`super::made_by`]).
    pub target_id: Option<i64>,
    /// The organization that it belongs to. In a set of changes it may name one that the set makes.
    pub organization_id: Option<OrganizationId>,
    /// The address that the call came from.
    pub peer: Option<String>,
    /// What stood before, a JSON object without secrets; of a change only the members that differ.
    pub before_json: Option<String>,
    /// What stands since, likewise.
    pub after_json: Option<String>,
}

/// What somebody did, as it was written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRow {
    /// Its id; later ones are higher.
    pub id: i64,
    /// What was done.
    pub entry: NewAudit,
}

impl NewAudit {
    /// The same with ids that stand for those that name a change; `resolve` gives them.
    ///
    /// # Errors
    /// Those of `resolve`.
    pub(in crate::store) fn resolved<E>(mut self, resolve: impl Fn(i64) -> Result<i64, E>) -> Result<Self, E> {
        self.target_id = self.target_id.map(&resolve).transpose()?;
        self.organization_id = self.organization_id.map(|id| resolve(id.0).map(OrganizationId)).transpose()?;
        Ok(self)
    }
}
