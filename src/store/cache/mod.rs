//! What instances share and what changes with every request: counters with reservations, small values, locks, hints.
//!
//! Two traits, since they fail and scale differently: [`Counters`] decides about money and limits, [`Cache`] keeps what may be lost.
//! [`memory`] serves one instance, [`redis`] several; [`guarded`] says what holds while the store is down.

use std::{fmt, time::Duration};

use bytes::Bytes;

use crate::base::RequestId;

mod answer;
mod claim;
mod counter;
pub mod guarded;
mod inbox;
pub mod memory;
mod meter;
#[cfg(feature = "native")]
pub mod redis;

pub use answer::Answer;
pub use claim::{Admission, Audit, Claim, Draw, End, Holdings, Reading, Refusal, Room, Spend, Standing};
pub use inbox::{Heard, Inbox};
pub use meter::{Counts, Meter, SLOTS, ScopeKind, Window};

/// Why a cache did not do it.
#[derive(Debug, thiserror::Error)]
pub enum CacheFault {
    /// The store cannot be reached, or does not answer in time. Whether the step was done is not known.
    #[error("cache unavailable: {0}")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The store was reached just now in vain, and is not asked again for a moment.
    #[error("cache unavailable: {0} ms until the next try")]
    Resting(u64),
    /// A request may hold one reservation only.
    #[error("request {0} holds a reservation already")]
    Held(RequestId),
    /// The store answers otherwise than this program understands, or refuses what it was told.
    #[error("cache refused: {0}")]
    Refused(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The address of the store cannot be used.
    #[error("unusable cache address: {0}")]
    Address(String),
}

impl CacheFault {
    /// Whether the store is down, so that the operator's policy decides.
    #[must_use]
    pub const fn is_outage(&self) -> bool {
        match self {
            Self::Unavailable(_) | Self::Resting(_) => true,
            Self::Held(_) | Self::Refused(_) | Self::Address(_) => false,
        }
    }
}

/// What a step answers.
pub type Counted<'a, T> = Answer<'a, Result<T, CacheFault>>;

/// Counters with reservations. Each step is atomic, over all meters that it names. Moments are Unix milliseconds.
///
/// At every moment what a meter holds as reserved is the sum of its amounts in the live reservations, and
/// what it shows as spent is the sum of what was settled (of requests: admitted) within its window.
pub trait Counters: Send + Sync + fmt::Debug {
    /// Checks every draw and then takes all of them, or refuses and takes none. Requests are spent at once, the rest is reserved
    /// until [`Self::settle`], [`Self::release`] or the end of the lease. [`CacheFault::Held`] where the id is held already.
    fn admit(&self, claim: Claim) -> Counted<'_, Admission>;
    /// Ends a reservation and spends what was really used, in the window that holds `now_ms`, also on meters that it did not name and
    /// also beyond what it reserved, and for a day after its lease was over. What is said of requests and of concurrency is passed over.
    /// [`End::Already`] changes nothing.
    fn settle(&self, id: RequestId, now_ms: u64, actuals: &[Spend]) -> Counted<'_, End>;
    /// Ends a reservation and spends nothing more. Requests stay spent. [`End::Already`] changes nothing.
    fn release(&self, id: RequestId) -> Counted<'_, End>;
    /// Moves the end of leases to a later moment; ids that hold nothing are passed over, a lease never becomes shorter.
    fn extend(&self, ids: &[RequestId], until_ms: u64) -> Counted<'_, ()>;
    /// Releases reservations whose lease ended at `now_ms` or before, at most 1,000, and names them. Zero of them: nothing is overdue.
    fn sweep(&self, now_ms: u64) -> Counted<'_, Vec<RequestId>>;
    /// Sets what was spent in the window that holds `at_ms` (of a sliding one: in its slot), in place of what stood there. A window
    /// that is over is left alone. Below zero counts as zero.
    fn seed(&self, meter: Meter, at_ms: u64, spent: i64) -> Counted<'_, ()>;
    /// What meters hold at `now_ms`, in the order asked.
    fn read(&self, meters: &[Meter], now_ms: u64) -> Counted<'_, Vec<Reading>>;
    /// Forgets what a meter spent. Reservations keep theirs until they end.
    fn forget(&self, meter: Meter) -> Counted<'_, ()>;
    /// Compares what the meters hold as reserved with what the reservations say, in one atomic look.
    fn audit(&self) -> Counted<'_, Audit>;
}

/// Small values that instances share. What is kept here may be lost: each user says what it does then.
pub trait Cache: Send + Sync + fmt::Debug {
    /// The value under a key.
    fn get(&self, key: &str) -> Counted<'_, Option<Bytes>>;
    /// Puts a value, for `ttl` where one is given (at least a millisecond), else until it is deleted.
    fn set(&self, key: &str, value: Bytes, ttl: Option<Duration>) -> Counted<'_, ()>;
    /// Puts a value where there is none; whether it did.
    fn set_if_absent(&self, key: &str, value: Bytes, ttl: Option<Duration>) -> Counted<'_, bool>;
    /// Puts `new` where `old` stands, for `ttl` where one is given, else with the time to live that is left; whether it did.
    fn compare_and_swap(&self, key: &str, old: &[u8], new: Bytes, ttl: Option<Duration>) -> Counted<'_, bool>;
    /// Deletes; whether there was something.
    fn delete(&self, key: &str) -> Counted<'_, bool>;
    /// Takes a lease on a name for `token`'s owner, or renews the one it has; whether it is its own now.
    fn lock(&self, name: &str, token: &[u8], ttl: Duration) -> Counted<'_, bool>;
    /// Gives a lease back; whether it was `token`'s.
    fn unlock(&self, name: &str, token: &[u8]) -> Counted<'_, bool>;
    /// Tells everybody who listens to a channel now. Nobody else will ever hear it.
    fn publish(&self, channel: &str, message: Bytes) -> Counted<'_, ()>;
    /// Listens to a channel from now on.
    fn subscribe(&self, channel: &str) -> Counted<'_, Inbox>;
}
