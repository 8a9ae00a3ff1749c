//! Where things rest: the records, the ledger of usage, the journal.

pub mod persist;
pub mod record;
