//! The life of one request. The files in walking order: `inbound`, `classify`, `authenticate`, `resolve` (with `target`),
//! `authorize`, `hold`, `attempts` (with `failover` and `prefix`; each `attempt`, where need be with a token of `renew`, goes through
//! `aim`, `translate`, `rules`, `opened` and `judge`), `settle` (with `rescue` where an answer breaks off). Beside the way `cues`
//! tells which headers decide it, `form` (with `disposition`) and `offer` look at bodies of several parts, `early` gives a head to a
//! client that waits for long, `trail` (with `laps`) and `capture` write down what happened, `caught` keeps a panic to its own answer,
//! `models` answers lists over all providers, `explain` tells what would become of a call, `kept` what responses leave behind for later
//! calls, `diagnose` shows the prompt-cache doctor what was sent and counted, `idempotent` makes calls of one
//! `Idempotency-Key` one, `socket` walks the same way for each message of a WebSocket, `gauge` brings a call as far as its admission for
//! those who measure that.

mod aim;
mod attempt;
mod attempts;
mod authenticate;
mod authorize;
mod bill;
mod bounds;
mod capture;
mod caught;
mod classify;
mod cues;
mod diagnose;
mod disposition;
mod drain;
mod early;
mod engine;
mod error;
mod explain;
mod failover;
mod form;
#[cfg(feature = "bench")]
mod gauge;
mod headers;
mod hold;
mod idempotent;
mod inbound;
mod judge;
mod kept;
mod known;
mod laps;
mod local;
mod models;
mod offer;
mod opened;
mod prefix;
mod renew;
mod rescue;
mod resolve;
mod rules;
mod settle;
mod settling;
pub mod socket;
mod target;
mod trail;
mod translate;

pub use classify::family_of;
pub use cues::{Cue, Cues};
pub use engine::{Engine, Limits, Parts, Timing};
pub use error::GatewayError;
pub use explain::{Explanation, Fate, explain};
#[cfg(feature = "bench")]
pub use gauge::{Gauge, Pass};
pub use idempotent::Idempotency;
pub use inbound::Inbound;
pub use kept::{Keeping, Memory};

use std::time::Duration;

use http::{HeaderMap, HeaderName};

use crate::{
    protocol::{Family, Operation},
    runtime::{Body, Reply},
    snapshot::Snapshot,
};
use authenticate::Authenticated;
use authorize::Admitted;
use engine::Place;
use trail::{Fact, Trail};

/// What the walk gives back.
#[derive(Debug)]
pub enum Outbound {
    /// The answer, in the client's kind.
    Answer(Reply),
    /// A refusal, to be written in the family's shape.
    Refused(Box<GatewayError>, Family),
}

impl Outbound {
    /// The same with more headers.
    fn with(mut self, more: HeaderMap) -> Self {
        match &mut self {
            Self::Answer(reply) => reply.headers.extend(more),
            Self::Refused(error, _) => error.headers.get_or_insert_default().extend(more),
        }
        self
    }
}

/// Says where a call's time went: W3C Server Timing.
const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// Walks one call through the rooms. What is rare stands in a box, so that the common walk stays small enough to be moved cheaply.
pub async fn execute(engine: &Engine, inbound: Box<Inbound>) -> Outbound {
    let snapshot = engine.snapshot.load();
    let mut trail = Box::new(Trail::begin(engine, &inbound, &snapshot));
    let Some(place) = engine.enter() else {
        let family = family_of(inbound.uri.path(), &inbound.headers, inbound.uri.query());
        return trail.refuse(
            Box::pin(unread(engine, inbound.body, GatewayError::overloaded("too many calls at once; try again soon"))).await,
            family,
        );
    };
    let classified = match classify::classify(inbound) {
        Ok(classified) => classified,
        Err((inbound, family, error)) => return trail.refuse(Box::pin(unread(engine, inbound.body, error)).await, family),
    };
    let family = classified.row.key(false).kind().family();
    trail.note(Fact::Row(classified.row));
    trail.note(Fact::Request(&classified));
    let authenticated = match authenticate::authenticate(classified, snapshot.directory()) {
        Ok(authenticated) => authenticated,
        Err((call, error)) => return trail.refuse(Box::pin(unread(engine, call.inbound.body, error)).await, family),
    };
    trail.note(Fact::Caller(&authenticated.caller));
    if idempotent::concerns(engine, &authenticated) {
        return Box::pin(idempotent::serve(engine, authenticated, snapshot, (trail, place))).await;
    }
    if drain::concerns(&authenticated) {
        return Box::pin(drain::serve(engine, authenticated, snapshot, (trail, place))).await;
    }
    walk(engine, authenticated, &snapshot, (trail, place)).await
}

/// The walk of a call whose caller is known.
async fn walk(engine: &Engine, authenticated: Authenticated, snapshot: &Snapshot, (mut trail, place): (Box<Trail>, Place)) -> Outbound {
    let family = authenticated.call.row.key(false).kind().family();
    let lists = authenticated.call.row.key(false).operation() == Operation::ListModels;
    if lists && !models::is_scoped(&authenticated, snapshot) {
        return Box::pin(models::list(engine, authenticated, trail, place)).await;
    }
    if kept::is_here(engine, &authenticated, snapshot) {
        return Box::pin(kept::serve(engine, authenticated, snapshot, (trail, place))).await;
    }
    let mut resolved = match resolve::resolve(authenticated, snapshot, engine.limits.body).await {
        Ok(resolved) => resolved,
        Err((_, error)) => return trail.refuse(error, family),
    };
    trail.note(Fact::Asked(&resolved));
    // Before admission, which has to know how large the prompt is.
    if kept::concerns(&resolved)
        && let Err(error) = Box::pin(kept::recall(engine, &mut resolved)).await
    {
        return trail.refuse(error, family);
    }
    let mut admitted = match authorize::authorize(resolved) {
        Ok(admitted) => admitted,
        Err((_, error)) => return trail.refuse(error, family),
    };
    let left = match hold::ask(&mut admitted.call, snapshot) {
        Ok(None) => None,
        Ok(Some(asked)) => match Box::pin(hold::hold(engine, asked)).await {
            Ok(hold::Held { hold, left }) => {
                trail.note(Fact::Held(hold));
                // In a box, since few calls have limits and all of them wait here.
                Some(Box::new(left))
            }
            Err(error) => return trail.refuse(error, family),
        },
        Err(error) => return trail.refuse(error, family),
    };
    if admitted.call.is_local() {
        return local::answer(admitted, trail, place);
    }
    let outbound = match early::Stream::of(&admitted) {
        Some(stream) => {
            let own = engine.clone();
            let answer = Box::pin(async move { answer(&own, admitted, trail, place).await });
            early::patiently(engine, answer, stream).await
        }
        None => answer(engine, admitted, trail, place).await,
    };
    match left {
        Some(left) => outbound.with(*left),
        None => outbound,
    }
}

/// Asks until somebody answers, and settles the answer as it passes.
async fn answer(engine: &Engine, mut admitted: Admitted, mut trail: Box<Trail>, place: Place) -> Outbound {
    let family = admitted.call.key.kind().family();
    match attempts::answer(engine, &mut admitted, &mut trail).await {
        Ok((mut attempted, stood)) => {
            if let Some(translation) = &mut attempted.translation {
                translation.draft = admitted.call.draft.take();
            }
            if admitted.lists_over_all() {
                attempted = Box::pin(models::prefixed(attempted)).await;
            } else if admitted.call.key.operation() == Operation::ListModels {
                attempted = match Box::pin(models::seen(attempted, &admitted.call.call.caller)).await {
                    Ok(attempted) => attempted,
                    Err(error) => return trail.refuse(error, family),
                };
            }
            let mut more = attempts::who(&admitted.call, &trail);
            if engine.limits.timing == Timing::Told {
                more.get_or_insert_default().insert(SERVER_TIMING, trail.server_timing());
            }
            let outbound = match stood {
                Some(stood) => {
                    let kind = admitted.call.key.kind();
                    let rescue = rescue::Rescue::new(engine, admitted, *stood);
                    settle::with_rescue(engine, (attempted, kind), rescue, (trail, place))
                }
                None => settle::settle(engine, (attempted, admitted.call.key.kind()), trail, place).await,
            };
            match more {
                Some(more) => outbound.with(more),
                None => outbound,
            }
        }
        Err(error) => trail.refuse(error, family),
    }
}

/// How much of a refused request's body is read away, and for how long, so that its connection can go on.
const REST: u64 = 256 * 1024;
const REST_TIME: Duration = Duration::from_secs(2);

/// A refusal of a call whose body nobody has read. What is short is read away; else the connection has to close.
async fn unread(engine: &Engine, body: Body, error: GatewayError) -> GatewayError {
    if read_away(engine, body).await { error } else { error.closing() }
}

/// Reads away the body of a refused request where it is short, and tells whether its connection can go on.
pub async fn read_away(engine: &Engine, body: Body) -> bool {
    // Whichever is first: giving up half-way loses nothing but the connection.
    tokio::select! {
        read = body.collect(REST) => read.is_ok(),
        () = engine.platform.clock.sleep(REST_TIME) => false,
    }
}
