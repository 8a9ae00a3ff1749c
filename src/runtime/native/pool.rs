//! Connections at rest, by where they lead and how they were made.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use http::uri::Authority;
use hyper::client::conn::http2;
use tokio::time::Instant;

use super::exchange::Lane;
use crate::runtime::{Body, Profile};

/// How long a connection may rest. Shorter than the 60 s after which common servers and balancers hang up.
const REST: Duration = Duration::from_secs(50);
/// How many may rest for one origin.
const LIMIT: usize = 1024;

/// Where a connection leads, and how.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Origin {
    pub(super) secure: bool,
    pub(super) authority: Authority,
    pub(super) profile: Profile,
}

#[derive(Default)]
struct Shelf {
    lanes: Vec<(Lane, Instant)>,
    shared: Option<http2::SendRequest<Body>>,
}

/// The connections at rest.
#[derive(Clone, Default)]
pub(super) struct Pool {
    shelves: Arc<Mutex<HashMap<Origin, Shelf>>>,
}

/// What can carry a request at once.
pub(super) enum Found {
    /// An HTTP/1.1 connection, for this request alone.
    Lane(Box<Lane>),
    /// An HTTP/2 connection that others use too.
    Shared(http2::SendRequest<Body>),
}

impl Pool {
    /// The connection that was used last; it is the least likely to have been closed.
    pub(super) fn take(&self, origin: &Origin) -> Option<Found> {
        let mut shelves = self.shelves.lock().unwrap_or_else(PoisonError::into_inner);
        let shelf = shelves.get_mut(origin)?;
        if let Some(shared) = &shelf.shared {
            if !shared.is_closed() {
                return Some(Found::Shared(shared.clone()));
            }
            shelf.shared = None;
        }
        let (lane, since) = shelf.lanes.pop()?;
        if since.elapsed() > REST {
            // What lies below has rested longer still.
            shelf.lanes.clear();
            return None;
        }
        Some(Found::Lane(Box::new(lane)))
    }

    pub(super) fn share(&self, origin: &Origin, sender: http2::SendRequest<Body>) {
        let mut shelves = self.shelves.lock().unwrap_or_else(PoisonError::into_inner);
        shelves.entry(origin.clone()).or_default().shared = Some(sender);
    }

    /// The place that a connection goes back to.
    pub(super) fn keep(&self, origin: Arc<Origin>) -> Keep {
        Keep { pool: self.clone(), origin }
    }

    /// Closes what has rested for too long.
    pub(super) fn sweep(&self) {
        let mut shelves = self.shelves.lock().unwrap_or_else(PoisonError::into_inner);
        shelves.retain(|_, shelf| {
            shelf.lanes.retain(|(_, since)| since.elapsed() <= REST);
            shelf.shared.take_if(|shared| shared.is_closed());
            !shelf.lanes.is_empty() || shelf.shared.is_some()
        });
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pool")
    }
}

/// The place that a connection goes back to.
pub(super) struct Keep {
    pool: Pool,
    origin: Arc<Origin>,
}

impl Keep {
    pub(super) fn give_back(&self, lane: Lane) {
        let mut shelves = self.pool.shelves.lock().unwrap_or_else(PoisonError::into_inner);
        let shelf = match shelves.get_mut(&*self.origin) {
            Some(shelf) => shelf,
            None => shelves.entry((*self.origin).clone()).or_default(),
        };
        if shelf.lanes.len() < LIMIT {
            shelf.lanes.push((lane, Instant::now()));
        }
    }
}
