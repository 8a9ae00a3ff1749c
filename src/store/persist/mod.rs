//! What must outlive the process: three traits, because they fail and scale differently.

use std::fmt;

use crate::{
    base::{CredentialId, KeyId, ModelId, ProviderId, RequestId, UserId},
    runtime::BoxFuture,
    store::record::{
        ConfigRows, CredentialRow, DownstreamRow, Entry, KeyRow, ModelRow, NewCredential, NewKey, NewModel, NewPermission, NewProvider,
        NewUser, PermissionRow, ProviderRow, SettingsRow, UpstreamRow, UsageRow, UserRow,
    },
};

#[cfg(test)]
mod fixture;
#[cfg(feature = "native")]
pub mod journal;
mod kept;
pub mod memory;
#[cfg(feature = "native")]
pub mod sql;
#[cfg(feature = "native")]
pub mod writer;

pub use kept::{Kept, Link, Page};

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
    /// The store is down, or refused.
    #[error("store failed: {0}")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// What a store answers.
pub type Stored<'a, T> = BoxFuture<'a, Result<T, StoreFault>>;

/// Configuration, read whole and written row by row. `save_*` with an id changes that row, without one makes a row.
pub trait Records: Send + Sync + fmt::Debug {
    /// Everything, consistently.
    fn load(&self) -> Stored<'_, ConfigRows>;
    /// Whether no provider and no user was ever stored.
    fn is_fresh(&self) -> Stored<'_, bool>;
    /// Replaces the settings.
    fn save_settings(&self, settings: SettingsRow) -> Stored<'_, ()>;
    /// Makes or changes a provider. [`StoreFault::Taken`] on another's name.
    fn save_provider(&self, id: Option<ProviderId>, row: NewProvider) -> Stored<'_, ProviderRow>;
    /// Forgets a provider, its credentials and its models.
    fn delete_provider(&self, id: ProviderId) -> Stored<'_, ()>;
    /// Makes or changes a credential.
    fn save_credential(&self, id: Option<CredentialId>, row: NewCredential) -> Stored<'_, CredentialRow>;
    /// Forgets a credential.
    fn delete_credential(&self, id: CredentialId) -> Stored<'_, ()>;
    /// Makes or changes a model; the pair of provider and model id is unique.
    fn save_model(&self, id: Option<ModelId>, row: NewModel) -> Stored<'_, ModelRow>;
    /// Forgets a model.
    fn delete_model(&self, id: ModelId) -> Stored<'_, ()>;
    /// Makes or changes a user.
    fn save_user(&self, id: Option<UserId>, row: NewUser) -> Stored<'_, UserRow>;
    /// Forgets a user, its keys and its permissions.
    fn delete_user(&self, id: UserId) -> Stored<'_, ()>;
    /// Makes or changes a key.
    fn save_key(&self, id: Option<KeyId>, row: NewKey) -> Stored<'_, KeyRow>;
    /// Forgets a key.
    fn delete_key(&self, id: KeyId) -> Stored<'_, ()>;
    /// Makes a permission; the same pair again gives the row that stands.
    fn save_permission(&self, row: NewPermission) -> Stored<'_, PermissionRow>;
    /// Forgets a permission.
    fn delete_permission(&self, id: i64) -> Stored<'_, ()>;
}

/// Which usage rows to show. All that is set must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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
}

/// Sums over usage rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct UsageSummary {
    /// Rows.
    pub requests: u64,
    /// Tokens by bucket, in the order of [`crate::base::Bucket::ALL`].
    pub tokens: [u64; 7],
}

/// The ledger: what calls left behind. Writes are idempotent by request id.
pub trait Ledger: Send + Sync + fmt::Debug {
    /// Writes usage rows in one transaction; a row whose `request_id` is there already changes nothing.
    fn write_usages(&self, rows: Vec<UsageRow>) -> Stored<'_, ()>;
    /// Writes the wire's rows in one transaction, idempotent likewise (by request id; by request id and attempt).
    fn write_wire(&self, downstream: Vec<DownstreamRow>, upstream: Vec<UpstreamRow>) -> Stored<'_, ()>;
    /// Newest first, at most `limit` rows, those before `before` where it is set.
    fn usages(&self, filter: UsageFilter, before: Option<RequestId>, limit: u64) -> Stored<'_, Vec<UsageRow>>;
    /// Sums over the same rows.
    fn usage_summary(&self, filter: UsageFilter) -> Stored<'_, UsageSummary>;
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
