//! Who acts: proofs that a use case asks for, and the one place where mutations end.
//!
//! A mutation and what is written down of it are one transaction; it serves from then on.

use std::net::IpAddr;

use super::{
    AdminFault, Control, Origin, audit,
    role::{self, Access, Area, Reach},
};
use crate::{
    access::Caller,
    base::{KeyId, OrganizationId, UserId},
    store::record::{AuditAction, Change, ChangeSet, ConfigRows, NewAudit, NewUser, Noun, Record, Stamp, Standing, made_by},
};

/// A known caller, and where it calls from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Actor<'a> {
    control: &'a Control,
    caller: &'a Caller,
    peer: Option<IpAddr>,
}

/// Proof that the caller's role opens an area of the control plane. Only [`Admin::prove`] makes one.
#[derive(Clone, Copy, Debug)]
pub struct Admin<'a> {
    actor: Actor<'a>,
    within: Option<OrganizationId>,
}

impl<'a> Admin<'a> {
    /// Proves it by the table of roles, or gives nothing. Whoever reaches only its own organization must have one. `peer` is the
    /// address that the call comes from.
    #[must_use]
    pub fn prove(control: &'a Control, (caller, peer): (&'a Caller, Option<IpAddr>), area: Area, access: Access) -> Option<Self> {
        let within = match role::reach(caller.role(), area, access) {
            Reach::All => None,
            Reach::Organization => Some(caller.organization()?),
            Reach::Nothing => return None,
        };
        Some(Self { actor: Actor { control, caller, peer }, within })
    }

    /// The only organization that the caller reaches; `None` where it reaches everything.
    #[must_use]
    pub fn within(&self) -> Option<OrganizationId> {
        self.within
    }

    /// The control plane.
    #[must_use]
    pub fn control(&self) -> &'a Control {
        self.actor.control
    }

    /// Who it is.
    #[must_use]
    pub fn caller(&self) -> &'a Caller {
        self.actor.caller
    }

    /// Who changes something.
    pub(super) fn actor(&self) -> Actor<'a> {
        self.actor
    }

    /// Refuses changes to what the configuration file owns.
    pub(super) fn may_configure(&self) -> Result<(), AdminFault> {
        match self.control().origin() {
            Origin::Database => Ok(()),
            Origin::File(path) => Err(AdminFault::Conflict(format!(
                "the configuration file {} is the source of this; change it there, or start without --bootstrap-force-config",
                path.display()
            ))),
        }
    }
}

/// Proof that a known caller acts on what is its own. Only [`Member::prove`] makes one.
#[derive(Clone, Copy, Debug)]
pub struct Member<'a> {
    actor: Actor<'a>,
}

impl<'a> Member<'a> {
    /// Every caller is a member. `peer` is the address that the call comes from.
    #[must_use]
    pub fn prove(control: &'a Control, caller: &'a Caller, peer: Option<IpAddr>) -> Self {
        Self { actor: Actor { control, caller, peer } }
    }

    /// The control plane.
    #[must_use]
    pub fn control(&self) -> &'a Control {
        self.actor.control
    }

    /// Who it is.
    #[must_use]
    pub fn caller(&self) -> &'a Caller {
        self.actor.caller
    }

    /// Who changes something.
    pub(super) fn actor(&self) -> Actor<'a> {
        self.actor
    }
}

impl<'a> Actor<'a> {
    /// The control plane.
    pub(super) fn control(self) -> &'a Control {
        self.control
    }

    /// Makes a row, or changes the one of an id. `rows` is what stands.
    pub(super) async fn save<N: Record>(self, rows: &ConfigRows, id: Option<N::Id>, row: N) -> Result<Standing<N>, AdminFault> {
        let (change, entry) = self.saving(rows, id, &row);
        self.make(ChangeSet { changes: vec![change], audit: vec![entry], ..ChangeSet::default() }, row).await
    }

    /// The same, and forgets keys in the same step.
    pub(super) async fn save_ending(
        self,
        rows: &ConfigRows,
        (id, keys): (Option<UserId>, Vec<KeyId>),
        row: NewUser,
    ) -> Result<Standing<NewUser>, AdminFault> {
        let (change, entry) = self.saving(rows, id, &row);
        let changes = [change].into_iter().chain(keys.into_iter().map(|key| Change::Delete(Noun::Key, key.0))).collect();
        self.make(ChangeSet { changes, audit: vec![entry], ..ChangeSet::default() }, row).await
    }

    /// Changes the row of an id, where nothing at all changed since `rows`.
    pub(super) async fn save_on<N: Record>(self, rows: &ConfigRows, id: N::Id, row: N) -> Result<Standing<N>, AdminFault> {
        let (change, entry) = self.saving(rows, Some(id), &row);
        let set = ChangeSet { changes: vec![change], audit: vec![entry], base: Some(rows.revision), ..ChangeSet::default() };
        self.make(set, row).await
    }

    /// Makes a row unless one that is alike stands; gives the one that stands.
    pub(super) async fn ensure<N: Record>(self, rows: &ConfigRows, row: N) -> Result<Standing<N>, AdminFault> {
        let stands = N::table(rows).iter().any(|other| other.row.is_alike(&row));
        let audit = if stands { Vec::new() } else { vec![self.saving(rows, None, &row).1] };
        let changes = vec![Change::Ensure(row.clone().into_row())];
        self.make(ChangeSet { changes, audit, ..ChangeSet::default() }, row).await
    }

    /// Forgets a row, and what hangs on it.
    pub(super) async fn delete<N: Record>(self, rows: &ConfigRows, id: N::Id) -> Result<(), AdminFault> {
        let (change, entry) = self.deleting::<N>(rows, id)?;
        self.apply(ChangeSet { changes: vec![change], audit: vec![entry], ..ChangeSet::default() }).await.map(drop)
    }

    /// The change that makes a row, or changes the one of an id, and what is told of it; alone or first in its set.
    pub(super) fn saving<N: Record>(self, rows: &ConfigRows, id: Option<N::Id>, row: &N) -> (Change, NewAudit) {
        let before = id.and_then(|id| N::table(rows).get(id));
        let (action, target) = id.map_or((AuditAction::Create, made_by(0)), |id| (AuditAction::Update, id.into()));
        let (before_json, after_json) = audit::told(before.map(|before| &before.row), Some(row));
        let entry = self.entry(rows, (action, target), row);
        let row = row.clone().into_row();
        let change = id.map_or_else(|| Change::Make(row.clone()), |id| Change::Set(id.into(), row.clone()));
        (change, NewAudit { before_json, after_json, ..entry })
    }

    /// The change that forgets a row, and what is told of it.
    pub(super) fn deleting<N: Record>(self, rows: &ConfigRows, id: N::Id) -> Result<(Change, NewAudit), AdminFault> {
        let standing = N::table(rows).get(id).ok_or_else(|| AdminFault::missing(N::NOUN.name(), id))?;
        let (before_json, after_json) = audit::told(Some(&standing.row), None);
        let entry = self.entry(rows, (AuditAction::Delete, id.into()), &standing.row);
        Ok((Change::Delete(N::NOUN, id.into()), NewAudit { before_json, after_json, ..entry }))
    }

    fn entry<N: Record>(self, rows: &ConfigRows, (action, id): (AuditAction, i64), row: &N) -> NewAudit {
        let organization_id = super::reach::organization_of(rows, row, id);
        NewAudit { target_id: Some(id), organization_id, ..self.blank(action, N::NOUN.name()) }
    }

    /// What is told of an action on something that is no row.
    pub(super) fn blank(self, action: AuditAction, target: &str) -> NewAudit {
        let caller = self.caller;
        NewAudit {
            actor_id: Some(caller.user()),
            key_id: Some(caller.key()),
            actor_name: Some(caller.name().to_owned()),
            role: Some(caller.role()),
            peer: self.peer.map(|peer| peer.to_canonical().to_string()),
            ..audit::blank(self.control, action, target)
        }
    }

    async fn make<N: Record>(self, set: ChangeSet, row: N) -> Result<Standing<N>, AdminFault> {
        let stamps = self.apply(set).await?;
        let stamp = stamps.first().ok_or_else(|| AdminFault::Conflict("the store told nothing of its change".to_owned()))?;
        Ok(Standing { id: stamp.id.into(), row, created_at: stamp.created_at, updated_at: stamp.updated_at })
    }

    /// Makes changes and writes them down, all or none; they serve from now on.
    pub(super) async fn apply(self, set: ChangeSet) -> Result<Vec<Stamp>, AdminFault> {
        audit::apply(self.control, set).await
    }

    /// Writes down what changed no configuration.
    pub(super) async fn note(self, entry: NewAudit) -> Result<(), AdminFault> {
        audit::log(&entry);
        Ok(self.control.audit().note(entry).await?)
    }
}
