//! Connections at rest, by where they lead and how they were made.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use http::{
    HeaderValue, Request, Uri,
    uri::{Authority, Parts, PathAndQuery, Scheme},
};
use hyper::client::conn::http2;
use tokio::time::Instant;

use super::exchange::Lane;
use crate::{
    base::QuickMap,
    runtime::{Body, Profile, TransportFault},
};

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

impl Origin {
    /// The address of a path here, or of the origin itself.
    pub(super) fn address(&self, path: Option<PathAndQuery>) -> Uri {
        let mut parts = Parts::default();
        parts.scheme = Some(if self.secure { Scheme::HTTPS } else { Scheme::HTTP });
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = Some(path.unwrap_or_else(|| PathAndQuery::from_static("/")));
        Uri::from_parts(parts).unwrap_or_default()
    }

    /// A request with its whole address, as HTTP/2 wants it, in the place of its path.
    pub(super) fn name_in(&self, mut request: Request<Body>) -> Request<Body> {
        let path = std::mem::take(request.uri_mut()).into_parts().path_and_query;
        *request.uri_mut() = self.address(path);
        request
    }
}

/// The connections of one origin, and what its requests have in common.
#[derive(Clone)]
pub(super) struct Shelf(Arc<Place>);

struct Place {
    /// The origin's name as the header `host` says it.
    host: HeaderValue,
    resting: Mutex<Resting>,
}

#[derive(Default)]
struct Resting {
    lanes: Vec<(Lane, Instant)>,
    shared: Option<http2::SendRequest<Body>>,
}

/// The connections at rest.
#[derive(Clone, Default)]
pub(super) struct Pool {
    shelves: Arc<Mutex<QuickMap<Origin, Shelf>>>,
}

/// What can carry a request at once.
pub(super) enum Found {
    /// An HTTP/1.1 connection, for this request alone.
    Lane(Lane),
    /// An HTTP/2 connection that others use too.
    Shared(http2::SendRequest<Body>),
}

impl Pool {
    /// The place of an origin's connections.
    ///
    /// # Errors
    /// [`TransportFault::Unusable`] where the origin's name cannot stand in a header.
    pub(super) fn shelf(&self, origin: &Origin) -> Result<Shelf, TransportFault> {
        let mut shelves = self.shelves.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shelf) = shelves.get(origin) {
            return Ok(shelf.clone());
        }
        let shelf = Shelf::of(&origin.authority)?;
        shelves.insert(origin.clone(), shelf.clone());
        Ok(shelf)
    }

    /// Closes what has rested for too long, and forgets origins that nobody uses.
    pub(super) fn sweep(&self) {
        let mut shelves = self.shelves.lock().unwrap_or_else(PoisonError::into_inner);
        shelves.retain(|_, shelf| shelf.sweep() || Arc::strong_count(&shelf.0) > 1);
    }
}

impl Shelf {
    /// An empty place for the connections to `authority`.
    ///
    /// # Errors
    /// [`TransportFault::Unusable`] where the name cannot stand in a header.
    pub(super) fn of(authority: &Authority) -> Result<Self, TransportFault> {
        let authority = authority.as_str();
        let host = memchr::memrchr(b'@', authority.as_bytes()).map_or(authority, |at| &authority[at + 1..]);
        let host = HeaderValue::from_str(host).map_err(|error| TransportFault::Unusable(error.to_string()))?;
        Ok(Self(Arc::new(Place { host, resting: Mutex::default() })))
    }

    /// The header `host` of the origin's requests.
    pub(super) fn host(&self) -> HeaderValue {
        self.0.host.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Resting> {
        self.0.resting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection that was used last; it is the least likely to have been closed.
    pub(super) fn take(&self, now: Instant) -> Option<Found> {
        let mut resting = self.lock();
        if let Some(shared) = &resting.shared {
            if !shared.is_closed() {
                return Some(Found::Shared(shared.clone()));
            }
            resting.shared = None;
        }
        let (lane, since) = resting.lanes.pop()?;
        if now.saturating_duration_since(since) > REST {
            // What lies below has rested longer still.
            resting.lanes.clear();
            return None;
        }
        Some(Found::Lane(lane))
    }

    pub(super) fn share(&self, sender: http2::SendRequest<Body>) {
        self.lock().shared = Some(sender);
    }

    pub(super) fn give_back(&self, lane: Lane, now: Instant) {
        let mut resting = self.lock();
        if resting.lanes.len() < LIMIT {
            resting.lanes.push((lane, now));
        }
    }

    /// Tells whether anything is left.
    fn sweep(&self) -> bool {
        let mut resting = self.lock();
        resting.lanes.retain(|(_, since)| since.elapsed() <= REST);
        resting.shared.take_if(|shared| shared.is_closed());
        !resting.lanes.is_empty() || resting.shared.is_some()
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pool")
    }
}
