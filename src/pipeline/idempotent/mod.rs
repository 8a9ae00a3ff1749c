//! `Idempotency-Key`: calls of one caller under one key are one call, with one bill. Who comes while it is made hears it too, from its
//! beginning; who comes within a day after its good end is given the same answer; what failed is made anew.
//!
//! `asked` knows a call again, `shelf` what became of it, here, and `common` at other instances, `flight` lets several clients hear one answer, `pilot` makes the call, `held`
//! counts the room that answers take. What holds for clients is in docs/idempotency.md.

mod asked;
mod common;
mod flight;
mod held;
mod pilot;
mod shelf;

use std::{collections::VecDeque, sync::Arc};

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{AGE, DATE, RETRY_AFTER},
};

use super::{
    Outbound,
    authenticate::Authenticated,
    cues::Cue,
    engine::{Engine, Place},
    error::GatewayError,
    resolve::coding,
    trail::{Fact, Trail},
};
use crate::{
    base::RequestId,
    observe::Repeat,
    protocol::{Family, fault::FaultKind},
    runtime::{Body, Reply},
    snapshot::Snapshot,
};
use asked::{Asked, SHOWN};
use flight::{Head, Hearing, Seat};
use pilot::{Flown, Pilot};
use shelf::{Entered, Gone, Kept};

pub(super) use pilot::Outcome;
pub use shelf::Idempotency;
pub(super) use shelf::Shelf;

/// Cues an answer that was made for an earlier call, as Stripe does.
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
/// The call that it was made for.
const ORIGINAL: HeaderName = HeaderName::from_static("x-gproxy-original-request-id");
/// Headers that told of the moment of the first call.
const STALE: [HeaderName; 4] = [DATE, AGE, RETRY_AFTER, HeaderName::from_static("server-timing")];
const STALE_PREFIXES: [&str; 2] = ["x-ratelimit-", "anthropic-ratelimit-"];

/// Whether a call is one of those that a key makes one.
pub(super) fn concerns(engine: &Engine, call: &Authenticated) -> bool {
    let classified = &call.call;
    let inbound = &classified.inbound;
    inbound.cues.has(Cue::IdempotencyKey)
        && engine.repeats.is_open()
        && asked::covers(classified.row)
        // All calls of a socket have the headers of its handshake.
        && inbound.memory.is_none()
        && coding(&inbound.headers).is_none()
}

/// Makes a call once, whoever else asks for it under its key.
pub(super) async fn serve(
    engine: &Engine,
    mut call: Authenticated,
    snapshot: Arc<Snapshot>,
    (mut trail, place): (Box<Trail>, Place),
) -> Outbound {
    let key = call.call.row.key(false);
    let asked = match Asked::read(engine, &mut call).await {
        Ok(asked) => asked,
        Err(error) => return trail.refuse(error, key.kind().family()),
    };
    let entered = engine.repeats.enter(asked, trail.request_id(), engine.platform.clock.now());
    let repeat = match entered {
        Entered::First(flight, seat) => {
            let outcome = Arc::<Outcome>::default();
            trail.note(Fact::Watched(Arc::clone(&outcome)));
            let pilot = Pilot { engine: engine.clone(), asked, flight, outcome };
            engine.platform.spawn.spawn(Box::pin(pilot.fly(Flown { call, snapshot, trail, place })));
            return first(seat, key.kind().family()).await;
        }
        Entered::Joined(seat) => {
            engine.metrics.repeat(Repeat::Joined);
            seat.head().await.map(|head| joined(seat, head, place))
        }
        Entered::Kept(kept) => {
            engine.metrics.repeat(Repeat::Replayed);
            Ok(replayed(&kept))
        }
        Entered::Gone(gone) => {
            engine.metrics.repeat(Repeat::Gone);
            Err(refusal(FaultKind::AnswerGone, lost(gone)))
        }
        Entered::Other => {
            engine.metrics.repeat(Repeat::Other);
            Err(refusal(FaultKind::KeyReused, OTHER.to_owned()))
        }
    };
    trail.note(Fact::Repeats(key));
    match repeat {
        Ok(reply) => {
            trail.note(Fact::Head(reply.status.as_u16(), &reply.headers));
            trail.close(None, None);
            Outbound::Answer(reply)
        }
        Err(error) => trail.refuse(error, key.kind().family()),
    }
}

/// The answer as the client hears it whose call is made.
async fn first(seat: Seat, family: Family) -> Outbound {
    match seat.head().await {
        Ok(head) => {
            let body = Hearing::body(seat, &head, None);
            Outbound::Answer(Reply::new(head.status, head.headers, body))
        }
        Err(error) => Outbound::Refused(Box::new(error), family),
    }
}

fn joined(seat: Seat, head: Head, place: Place) -> Reply {
    let request_id = seat.request_id();
    let body = Hearing::body(seat, &head, Some(place));
    Reply::new(head.status, again(head.headers, request_id), body)
}

fn replayed(kept: &Kept) -> Reply {
    let Head { status, headers, length: _ } = kept.head.clone();
    Reply::new(status, again(headers, kept.request_id), Body::Pieces(VecDeque::from(kept.pieces.clone())))
}

/// The headers of an answer that is given once more.
fn again(mut headers: HeaderMap, request_id: RequestId) -> HeaderMap {
    let is_stale = |name: &HeaderName| STALE.contains(name) || STALE_PREFIXES.iter().any(|prefix| name.as_str().starts_with(prefix));
    let stale: Vec<HeaderName> = headers.keys().filter(|name| is_stale(name)).cloned().collect();
    for name in stale {
        headers.remove(name);
    }
    headers.insert(REPLAYED, HeaderValue::from_static("true"));
    // One that another instance made says which it was.
    if !headers.contains_key(ORIGINAL)
        && let Ok(id) = HeaderValue::from_bytes(&request_id.digits())
    {
        headers.insert(ORIGINAL, id);
    }
    headers
}

/// What a client is told whose key belongs to another call.
const OTHER: &str =
    "the header Idempotency-Key names an earlier call with another path, query or body; expected the same again, or another key";

fn lost(gone: Gone) -> String {
    let why = match gone {
        Gone::TooLarge => "is too large to be kept",
        Gone::Dropped => "was dropped, since later answers needed its room",
    };
    format!(
        "the call of this {SHOWN} was answered and billed, but its answer {why}; expected another key, under which it is made and billed anew"
    )
}

/// A refusal that trying again does not change, which SDKs are told.
fn refusal(kind: FaultKind, message: String) -> GatewayError {
    let told = HeaderMap::from_iter([(HeaderName::from_static("x-should-retry"), HeaderValue::from_static("false"))]);
    GatewayError { headers: Some(Box::new(told)), ..GatewayError::new(kind, message).at(SHOWN) }
}
