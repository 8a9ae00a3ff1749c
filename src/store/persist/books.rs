//! What the proof of a ledger reads: every row with its seal, every rollup, and what they come to.

use std::fmt;

use super::{Stored, UsageFilter};
use crate::{
    base::RequestId,
    store::record::{ConfigRows, Dimensions, Span, Sums, UsageRow},
};

/// A usage row as it stands, and whether it is what was written.
#[derive(Clone, Debug)]
pub struct SealedRow {
    /// Its key in the table.
    pub id: String,
    /// When it says that it began, Unix milliseconds.
    pub at: i64,
    /// What it says; else why it cannot be read.
    pub row: Result<UsageRow, String>,
    /// Its seal; zero where it has none.
    pub seal: i64,
    /// Whether it is as it was when it was sealed.
    pub is_intact: bool,
    /// The seal of its dimensions, by which its rollups are found.
    pub digest: i64,
    /// A column that is negative and may not be.
    pub negative: Option<&'static str>,
    /// What it cost, nano-dollars.
    pub cost: Option<i64>,
    /// The version of its price.
    pub price: String,
}

/// A rollup as it stands.
#[derive(Clone, Debug)]
pub struct StandingSums {
    /// Its beginning, Unix milliseconds.
    pub at: i64,
    /// The seal of its dimensions as it stands in its key.
    pub digest: i64,
    /// What its calls have in common; else why it cannot be read.
    pub dimensions: Result<Dimensions, String>,
    /// Whether the seal in its key is that of its dimensions.
    pub is_named: bool,
    /// The sums.
    pub sums: Sums,
    /// Whether its calls' rows may be gone: it was proven and sealed before the first of them went.
    pub is_closed: bool,
    /// Whether that seal, where it has one, is right.
    pub is_intact: bool,
}

/// The sum over all days, under a seal of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// Calls that were ever written down.
    pub requests: i64,
    /// What they cost, nano-dollars.
    pub cost: i64,
    /// Their seals, added up.
    pub seal: i64,
    /// Calls that had no seal when this ledger began to be sealed, and were given one then.
    pub adopted: i64,
    /// Whether it is as it was written, by the key in use.
    pub is_intact: bool,
    /// Whether it was written under the key in use.
    pub is_ours: bool,
}

/// One moment's view of a ledger. What is read later does not show in it.
pub trait Books: Send + Sync + fmt::Debug {
    /// The configuration of that moment.
    fn configuration(&self) -> Stored<'_, ConfigRows>;
    /// The sum over all days; `None` where it is missing.
    fn head(&self) -> Stored<'_, Option<Head>>;
    /// Usage rows behind an id, in the order of their ids.
    fn rows(&self, behind: String, limit: u64) -> Stored<'_, Vec<SealedRow>>;
    /// Rollups behind a place, in the order of their beginnings and digests.
    fn sums(&self, span: Span, behind: (i64, i64), limit: u64) -> Stored<'_, Vec<StandingSums>>;
    /// The ids of other rows with the same seal, at most two.
    fn alike(&self, id: String, seal: i64) -> Stored<'_, Vec<String>>;
    /// The rows of these calls, as many as stand.
    fn find(&self, ids: Vec<RequestId>) -> Stored<'_, Vec<UsageRow>>;
    /// What calls cost that began at or after `from_ms`, and what those cost that began before and ended at or after it.
    fn spent_since(&self, filter: UsageFilter, from_ms: u64) -> Stored<'_, (i64, i64)>;
}

/// What one step of letting go did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retired {
    /// Nothing is due.
    Nothing,
    /// So many rows went.
    Rows(u64),
    /// The rows of this hour stay: they are not what its sums say.
    Unproven {
        /// Its beginning, Unix milliseconds.
        hour_ms: u64,
    },
}

/// Letting go of old records. Sums over usage stay for ever.
pub trait Retention: Send + Sync + fmt::Debug {
    /// Lets go of usage rows of the oldest hour behind `behind_ms` that ended before `before_ms`, at most `most`. An hour's sums are
    /// proven and sealed before the first of its rows goes.
    fn retire_usages(&self, behind_ms: u64, before_ms: u64, most: u64) -> Stored<'_, Retired>;
    /// Lets go of records of the wire from before a moment, at most about `most` of each side. Gives how many went.
    fn retire_wire(&self, before_ms: u64, most: u64) -> Stored<'_, u64>;
    /// Lets go of entries of the audit from before a moment, at most `most`. Gives how many went.
    fn retire_audit(&self, before_ms: u64, most: u64) -> Stored<'_, u64>;
    /// Before which hour usage rows must go so that at most about this many stay; `None` where they all may stay.
    fn usages_fit(&self, rows: u64) -> Stored<'_, Option<u64>>;
    /// The same for records of the wire.
    fn wire_fits(&self, rows: u64) -> Stored<'_, Option<u64>>;
    /// The same for entries of the audit.
    fn audit_fits(&self, rows: u64) -> Stored<'_, Option<u64>>;
}
