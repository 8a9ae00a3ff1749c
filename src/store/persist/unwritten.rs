//! A journal for engines that make no call.

use super::{Journal, JournalFault};
use crate::store::record::Entry;

/// A journal that nobody writes to, since no call is made. What is written all the same is refused.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unwritten;

impl Journal for Unwritten {
    fn append(&self, _: &Entry) -> Result<(), JournalFault> {
        Err(JournalFault::Unwritable)
    }

    fn backlog(&self) -> u64 {
        0
    }
}
