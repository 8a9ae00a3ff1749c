//! What one socket remembers of itself: its last response, also one that is kept nowhere. Clients that want nothing kept
//! go on from it all the same, as `OpenAI`'s WebSocket mode lets them.

use std::sync::{Mutex, PoisonError};

/// The last response of a socket.
#[derive(Debug, Default)]
pub struct Memory(Mutex<Option<Last>>);

/// A response that is kept nowhere else.
#[derive(Clone, Debug)]
pub(super) struct Last {
    pub(super) id: String,
    /// Everything that was said up to it, its output included.
    pub(super) items: Vec<String>,
}

impl Memory {
    /// The items of the last response, where this is its id.
    pub(super) fn recall(&self, id: &str) -> Option<Vec<String>> {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.as_ref().filter(|last| last.id == id).map(|last| last.items.clone())
    }

    /// Remembers a response in the place of the one before.
    pub(super) fn replace(&self, last: Last) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(last);
    }
}
