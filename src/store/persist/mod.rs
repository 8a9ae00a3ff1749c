//! What must outlive the process: three traits, because they fail and scale differently.

use std::{fmt, sync::Arc};

use crate::{
    base::{KeyId, Nanos, OrganizationId, ProviderId, RequestId, TeamId, UserId},
    runtime::BoxFuture,
    store::record::{
        Change, ChangeSet, ConfigRows, Delta, DownstreamRow, Entry, Record, SettingsRow, Stamp, Standing, UpstreamRow, UsageRow,
    },
};

mod audit;
mod books;
#[cfg(test)]
mod fixture;
mod health;
#[cfg(feature = "native")]
pub mod journal;
mod kept;
pub mod memory;
pub mod private;
#[cfg(feature = "native")]
mod seal;
#[cfg(feature = "native")]
pub mod sql;
mod unwritten;
#[cfg(feature = "native")]
pub mod writer;

pub use audit::{AuditFilter, AuditLog};
pub use books::{Books, Head, Retention, Retired, SealedRow, StandingSums};
pub use health::{HealthBook, HealthFilter, HealthNews};
pub use kept::{Kept, Link, Page};
#[cfg(feature = "native")]
pub use seal::{SealKey, SealKeys};
pub use unwritten::Unwritten;

/// Why a store did not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreFault {
    /// Another row has this name.
    #[error("{what} {value:?} exists already")]
    Taken {
        /// The noun, such as `user`.
        what: &'static str,
        /// The name.
        value: String,
    },
    /// No such row.
    #[error("no {what} with id {id}")]
    Missing {
        /// The noun.
        what: &'static str,
        /// The id.
        id: i64,
    },
    /// The database's schema is not one that this program knows.
    #[error("{0}")]
    Schema(String),
    /// The changes were made for another revision than the one that stands.
    #[error("the configuration changed meanwhile; nothing was written, try again")]
    Moved,
    /// The store is down, or refused.
    #[error("store failed: {0}")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// What a store answers.
pub type Stored<'a, T> = BoxFuture<'a, Result<T, StoreFault>>;

/// Configuration: read whole or by what changed, written in batches of changes.
pub trait Records: Send + Sync + fmt::Debug {
    /// Everything, consistently.
    fn load(&self) -> Stored<'_, ConfigRows>;
    /// The number of the last change.
    fn revision(&self) -> Stored<'_, i64>;
    /// What changed after a revision; `None` where the log of changes does not reach back so far.
    fn since(&self, revision: i64) -> Stored<'_, Option<Delta>>;
    /// Whether no row was ever stored.
    fn is_fresh(&self) -> Stored<'_, bool>;
    /// Replaces the settings.
    fn save_settings(&self, settings: SettingsRow) -> Stored<'_, ()>;
    /// Makes all changes in their order, or none of them. A row may name one that an earlier change of the batch makes
    /// ([`crate::store::record::made_by`]).
    ///
    /// # Errors
    /// [`StoreFault::Taken`] on another's name, [`StoreFault::Missing`] where a row, or what it names, does not stand.
    fn apply(&self, changes: Vec<Change>) -> Stored<'_, Vec<Stamp>> {
        self.apply_set(changes.into())
    }
    /// The same, with settings and what else a set of changes has.
    ///
    /// # Errors
    /// As [`Records::apply`]; [`StoreFault::Moved`] where the set was made for another revision.
    fn apply_set(&self, set: ChangeSet) -> Stored<'_, Vec<Stamp>>;
}

/// One change at a time.
pub trait RecordsExt: Records {
    /// Makes a row, or changes the one of an id.
    fn save<N: Record>(&self, id: Option<N::Id>, row: N) -> Stored<'_, Standing<N>> {
        let change = match id {
            Some(id) => Change::Set(id.into(), row.clone().into_row()),
            None => Change::Make(row.clone().into_row()),
        };
        Box::pin(async move { kept(row, &self.apply(vec![change]).await?) })
    }

    /// The same, where nothing at all changed since a revision.
    fn save_at<N: Record>(&self, base: i64, id: N::Id, row: N) -> Stored<'_, Standing<N>> {
        let changes = vec![Change::Set(id.into(), row.clone().into_row())];
        let set = ChangeSet { changes, base: Some(base), ..ChangeSet::default() };
        Box::pin(async move { kept(row, &self.apply_set(set).await?) })
    }

    /// Makes a row unless one that is alike stands; gives the one that stands.
    fn ensure<N: Record>(&self, row: N) -> Stored<'_, Standing<N>> {
        let change = Change::Ensure(row.clone().into_row());
        Box::pin(async move { kept(row, &self.apply(vec![change]).await?) })
    }

    /// Forgets a row, and what hangs on it.
    fn delete<N: Record>(&self, id: N::Id) -> Stored<'_, ()> {
        Box::pin(async move { self.apply(vec![Change::Delete(N::NOUN, id.into())]).await.map(drop) })
    }
}

impl<R: Records + ?Sized> RecordsExt for R {}

fn kept<N: Record>(row: N, stamps: &[Stamp]) -> Result<Standing<N>, StoreFault> {
    let stamp = stamps.first().ok_or_else(|| StoreFault::Failed("the store told nothing of its change".into()))?;
    Ok(Standing { id: stamp.id.into(), row, created_at: stamp.created_at, updated_at: stamp.updated_at })
}

/// Which usage rows to show. All that is set must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, schemars::JsonSchema)]
pub struct UsageFilter {
    /// At or after, Unix milliseconds.
    pub from_ms: Option<u64>,
    /// Before, Unix milliseconds.
    pub to_ms: Option<u64>,
    /// Of a user.
    pub user_id: Option<UserId>,
    /// Of a key.
    pub key_id: Option<KeyId>,
    /// Of a provider.
    pub provider_id: Option<ProviderId>,
    /// Of a model.
    pub model: Option<String>,
    /// Of a team.
    pub team_id: Option<TeamId>,
    /// Of an organization.
    pub organization_id: Option<OrganizationId>,
}

/// Sums over usage rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct UsageSummary {
    /// Rows.
    pub requests: u64,
    /// Tokens by bucket, in the order of [`crate::base::Bucket::ALL`].
    pub tokens: [u64; 7],
    /// What the priced ones cost.
    pub cost: Nanos,
    /// Rows without a price that used tokens.
    pub unpriced: u64,
}

/// The ledger: what calls left behind. Writes are idempotent by request id.
pub trait Ledger: Send + Sync + fmt::Debug {
    /// Writes usage rows in one transaction; a row whose `request_id` is there already changes nothing.
    fn write_usages(&self, rows: Vec<Arc<UsageRow>>) -> Stored<'_, ()>;
    /// Writes the wire's rows in one transaction, idempotent likewise (by request id; by request id and attempt).
    fn write_wire(&self, downstream: Vec<DownstreamRow>, upstream: Vec<UpstreamRow>) -> Stored<'_, ()>;
    /// Newest first, at most `limit` rows, those before `before` where it is set.
    fn usages(&self, filter: UsageFilter, before: Option<RequestId>, limit: u64) -> Stored<'_, Vec<UsageRow>>;
    /// Sums over the same rows.
    fn usage_summary(&self, filter: UsageFilter) -> Stored<'_, UsageSummary>;
    /// What the same rows cost, by slots of `slot_ms` of the calls' beginnings: pairs of a slot's beginning and its sum.
    fn spent(&self, filter: UsageFilter, slot_ms: u64) -> Stored<'_, Vec<(u64, i64)>>;
    /// Newest first, at most `limit` rows.
    fn downstream(&self, before: Option<RequestId>, limit: u64) -> Stored<'_, Vec<DownstreamRow>>;
    /// The attempts of one call, in order.
    fn upstream(&self, request_id: RequestId) -> Stored<'_, Vec<UpstreamRow>>;
    /// Answers when the database does.
    fn ping(&self) -> Stored<'_, ()>;
}

/// Why the journal took no entry.
#[derive(Debug, thiserror::Error)]
pub enum JournalFault {
    /// Its disk budget is spent: the database has been away for too long.
    #[error("journal is full: {used} of {budget} bytes wait for the database")]
    Full {
        /// Bytes that wait.
        used: u64,
        /// Bytes allowed.
        budget: u64,
    },
    /// The disk took no writes when it was last tried: what is in memory would not outlive the machine.
    #[error("the journal's disk takes no writes")]
    Unwritable,
    /// The disk refused.
    #[error("journal cannot be written: {0}")]
    Disk(#[source] std::io::Error),
}

/// An append-only log beside the database. An entry that `append` accepted survives a kill of the process.
pub trait Journal: Send + Sync + fmt::Debug {
    /// Writes one entry.
    ///
    /// # Errors
    /// [`JournalFault`]; the entry is then not in the journal.
    fn append(&self, entry: &Entry) -> Result<(), JournalFault>;
    /// Entries that wait for the database.
    fn backlog(&self) -> u64;
}
