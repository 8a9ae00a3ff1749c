//! The listening end of a channel: messages, and word of those that were missed.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use bytes::Bytes;
use tokio::sync::mpsc::{Receiver, Sender, channel, error::TrySendError};

/// Messages that wait for one listener. What comes beyond is dropped, and the listener told.
const WAITING: usize = 256;

/// What a listener hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// A message.
    Message(Bytes),
    /// Messages may have been lost: the connection broke and stands again, or the listener was too slow.
    Missed,
}

/// Listens to one channel until it is dropped.
#[derive(Debug)]
pub struct Inbox {
    receiver: Receiver<Heard>,
    missed: Arc<AtomicBool>,
}

impl Inbox {
    /// What comes next. `None` when the store has gone and nothing will come any more.
    pub async fn next(&mut self) -> Option<Heard> {
        // Before the messages, since what was lost may be older than they are.
        if self.missed.swap(false, Ordering::AcqRel) {
            return Some(Heard::Missed);
        }
        self.receiver.recv().await
    }
}

/// The speaking end of an [`Inbox`].
#[derive(Debug)]
pub(super) struct Outlet {
    /// Tells also when nobody listens any more.
    pub(super) sender: Sender<Heard>,
    missed: Arc<AtomicBool>,
}

impl Outlet {
    /// Hands a word over; whether anybody still listens.
    pub(super) fn tell(&self, word: Heard) -> bool {
        match self.sender.try_send(word) {
            Ok(()) => true,
            Err(TrySendError::Full(_)) => {
                self.missed.store(true, Ordering::Release);
                true
            }
            Err(TrySendError::Closed(_)) => false,
        }
    }
}

/// Both ends.
pub(super) fn inbox() -> (Outlet, Inbox) {
    let (sender, receiver) = channel(WAITING);
    let missed = Arc::new(AtomicBool::new(false));
    (Outlet { sender, missed: Arc::clone(&missed) }, Inbox { receiver, missed })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_slow_listener_hears_that_it_missed_something() {
        let (outlet, mut inbox) = inbox();
        for _ in 0..=WAITING {
            assert!(outlet.tell(Heard::Message(Bytes::from_static(b"m"))));
        }
        assert_eq!(inbox.next().await, Some(Heard::Missed));
        assert_eq!(inbox.next().await, Some(Heard::Message(Bytes::from_static(b"m"))));
        drop(inbox);
        assert!(!outlet.tell(Heard::Message(Bytes::from_static(b"m"))));
    }

    #[tokio::test]
    async fn a_break_is_heard_once() {
        let (outlet, mut inbox) = inbox();
        assert!(outlet.tell(Heard::Missed));
        assert!(outlet.tell(Heard::Message(Bytes::from_static(b"m"))));
        drop(outlet);
        assert_eq!(inbox.next().await, Some(Heard::Missed));
        assert_eq!(inbox.next().await, Some(Heard::Message(Bytes::from_static(b"m"))));
        assert_eq!(inbox.next().await, None);
    }
}
