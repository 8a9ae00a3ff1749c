//! Where things rest: the records, the ledger of usage, the journal, and the counters that change with every request.

pub mod cache;
pub mod persist;
pub mod record;
