//! Who acts: proofs that a use case asks for.

use super::{
    AdminFault, Control, Origin,
    role::{self, Access, Area, Reach},
};
use crate::{access::Caller, base::OrganizationId};

/// Proof that the caller's role opens an area of the control plane. Only [`Admin::prove`] makes one.
#[derive(Clone, Copy, Debug)]
pub struct Admin<'a> {
    control: &'a Control,
    caller: &'a Caller,
    within: Option<OrganizationId>,
}

impl<'a> Admin<'a> {
    /// Proves it by the table of roles, or gives nothing. Whoever reaches only its own organization must have one.
    #[must_use]
    pub fn prove(control: &'a Control, caller: &'a Caller, area: Area, access: Access) -> Option<Self> {
        let within = match role::reach(caller.role(), area, access) {
            Reach::All => None,
            Reach::Organization => Some(caller.organization()?),
            Reach::Nothing => return None,
        };
        Some(Self { control, caller, within })
    }

    /// The only organization that the caller reaches; `None` where it reaches everything.
    #[must_use]
    pub fn within(&self) -> Option<OrganizationId> {
        self.within
    }

    /// The control plane.
    #[must_use]
    pub fn control(&self) -> &'a Control {
        self.control
    }

    /// Who it is.
    #[must_use]
    pub fn caller(&self) -> &'a Caller {
        self.caller
    }

    /// Refuses changes to what the configuration file owns.
    pub(super) fn may_configure(&self) -> Result<(), AdminFault> {
        match self.control.origin() {
            Origin::Database => Ok(()),
            Origin::File(path) => Err(AdminFault::Conflict(format!(
                "the configuration file {} is the source of this; change it there, or start without --bootstrap-force-config",
                path.display()
            ))),
        }
    }

    /// Ends a mutation: it is audited, and serves from now on.
    pub(super) async fn changed(&self, action: &'static str, target: impl std::fmt::Display + Send) -> Result<(), AdminFault> {
        audit(self.caller, action, target);
        Ok(self.control.refresh().await?)
    }
}

/// Proof that a known caller acts on what is its own. Only [`Member::prove`] makes one.
#[derive(Clone, Copy, Debug)]
pub struct Member<'a> {
    control: &'a Control,
    caller: &'a Caller,
}

impl<'a> Member<'a> {
    /// Every caller is a member.
    #[must_use]
    pub fn prove(control: &'a Control, caller: &'a Caller) -> Self {
        Self { control, caller }
    }

    /// The control plane.
    #[must_use]
    pub fn control(&self) -> &'a Control {
        self.control
    }

    /// Who it is.
    #[must_use]
    pub fn caller(&self) -> &'a Caller {
        self.caller
    }

    /// Ends a mutation: it is audited, and serves from now on.
    pub(super) async fn changed(&self, action: &'static str, target: impl std::fmt::Display + Send) -> Result<(), AdminFault> {
        audit(self.caller, action, target);
        Ok(self.control.refresh().await?)
    }
}

fn audit(caller: &Caller, action: &'static str, target: impl std::fmt::Display) {
    tracing::info!(target: "gproxy::audit", actor = %caller.user(), name = caller.name(), key = %caller.key(), action, %target, "changed");
}
