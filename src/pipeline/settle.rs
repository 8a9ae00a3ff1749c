//! The answer on its way to the client, metered as it passes, and settled exactly once: before its last byte leaves.

use http::{
    HeaderMap, HeaderValue,
    header::{CONTENT_LENGTH, CONTENT_TYPE},
};

use super::{
    Outbound,
    attempt::Attempted,
    bill::Bill,
    caught::{Caught, Told},
    engine::{Engine, Place},
    kept::Watch,
    rescue::{Relay, Rescue},
    settling::{Gather, Settling, Shaping},
    trail::{Fact, Trail},
    translate::Translation,
};
use crate::{
    protocol::{Operation, OperationKey, OperationKind},
    runtime::{Body, Reply},
    usage::Shape,
};

/// Settles an answer as it passes, and turns it into the client's shape where that is another one.
pub(super) async fn settle(
    engine: &Engine,
    (mut attempted, kind): (Box<Attempted>, OperationKind),
    trail: Box<Trail>,
    place: Place,
) -> Outbound {
    let told = |shape| Told { engine: engine.clone(), request_id: trail.request_id(), kind, shape };
    match attempted.translation.take() {
        None => {
            let told = told(shape(&attempted.reply.headers, attempted.key));
            Outbound::Answer(pass(engine, *attempted, told, (trail, place)))
        }
        Some(translation) => {
            let told = told(if translation.client_streams { Shape::Sse } else { Shape::Whole });
            Box::pin(turn(engine, (attempted, told), translation, (trail, place))).await
        }
    }
}

/// The same for a stream that somebody else may go on with.
pub(super) fn with_rescue(
    engine: &Engine,
    (mut attempted, kind): (Box<Attempted>, OperationKind),
    rescue: Rescue,
    (trail, place): (Box<Trail>, Place),
) -> Outbound {
    let passes = attempted.translation.is_none();
    let told = Told { engine: engine.clone(), request_id: trail.request_id(), kind, shape: Shape::Sse };
    let Some(mut translation) = rescue.translation(&mut attempted) else {
        let told = Told { shape: shape(&attempted.reply.headers, attempted.key), ..told };
        return Outbound::Answer(pass(engine, *attempted, told, (trail, place)));
    };
    let shape = shape(&attempted.reply.headers, attempted.key);
    let (mut bill, mut reply) = Bill::open(engine, *attempted, shape, (trail, place));
    let body = std::mem::take(&mut reply.body);
    let mut headers = if passes { reply.headers } else { translation.headers(&reply.headers, true, &[]) };
    headers.remove(CONTENT_LENGTH);
    unbuffered(&mut headers);
    if let Some(open) = bill.as_mut() {
        open.trail.note(Fact::Losses(&translation.losses));
        open.note_head(reply.status.as_u16(), &headers);
    }
    let draft = translation.draft.take();
    let settling = Settling::new(body, bill, shape, Shaping::Convert(translation.rescuable(shape)));
    let settling = settling.watched(draft.map(|draft| Watch::new(engine, draft))).relayed(Relay::new(rescue));
    let body = Body::stream(Caught::new(settling, told));
    Outbound::Answer(Reply { headers, body, ..reply })
}

/// Wraps an answer's body so that passing it settles the call.
fn pass(engine: &Engine, attempted: Attempted, told: Told, on: (Box<Trail>, Place)) -> Reply {
    let shape = told.shape;
    let (bill, mut reply) = Bill::open(engine, attempted, shape, on);
    if shape != Shape::Whole {
        // What is cut out of a stream would make a stated length a lie.
        reply.headers.remove(CONTENT_LENGTH);
    }
    if shape == Shape::Sse {
        unbuffered(&mut reply.headers);
    }
    let body = std::mem::take(&mut reply.body);
    Reply { body: Body::stream(Caught::new(Settling::new(body, bill, shape, Shaping::None), told)), ..reply }
}

/// The same for an answer that has to be turned.
async fn turn(
    engine: &Engine,
    (attempted, words): (Box<Attempted>, Told),
    mut translation: Box<Translation>,
    on: (Box<Trail>, Place),
) -> Outbound {
    let shape = shape(&attempted.reply.headers, attempted.key);
    let (mut bill, mut reply) = Bill::open(engine, *attempted, shape, on);
    if let Some(open) = bill.as_mut() {
        open.trail.note(Fact::Losses(&translation.losses));
    }
    let draft = translation.draft.take();
    let body = std::mem::take(&mut reply.body);
    let told = match (reply.status.is_success(), shape, translation.client_streams) {
        (false, ..) => {
            let problem = body.collect(PROBLEM).await.unwrap_or_default();
            Ok(translation.problem(reply.status, &problem))
        }
        (true, Shape::Whole, false) => bill.gather(body).await.and_then(|whole| translation.whole(&whole)),
        (true, Shape::Sse | Shape::Ndjson | Shape::JsonArray, false) => bill.collect(body, &translation, shape).await,
        (true, shape, true) => {
            let mut headers = translation.headers(&reply.headers, true, &[]);
            unbuffered(&mut headers);
            if let Some(open) = bill.as_mut() {
                open.note_head(reply.status.as_u16(), &headers);
            }
            let shaping = match shape {
                Shape::Whole => Shaping::Gather(Box::new(Gather::new(translation, engine))),
                Shape::Sse | Shape::Ndjson | Shape::JsonArray => Shaping::Convert(translation.converter(shape)),
            };
            let settling = Settling::new(body, bill, shape, shaping).watched(draft.map(|draft| Watch::new(engine, draft)));
            return Outbound::Answer(Reply { headers, body: Body::stream(Caught::new(settling, words)), ..reply });
        }
    };
    // The client's next call may come as soon as it has this answer: what that one leans on stands before.
    if let (Ok(told), Some(draft)) = (&told, draft)
        && told.status.is_success()
    {
        draft.write(engine, &told.body).await;
    }
    bill.tell(told, &translation, &reply.headers)
}

/// Proxies such as nginx would gather a stream into lumps.
fn unbuffered(headers: &mut HeaderMap) {
    headers.entry("x-accel-buffering").or_insert(HeaderValue::from_static("no"));
}

/// The largest refusal of a provider that is read, in bytes.
const PROBLEM: u64 = 1 << 20;

/// How the answer's pieces are framed. Only Google streams as one JSON array: elsewhere JSON in answer to a call for a stream is
/// the whole answer, of a provider that does not stream.
pub(super) fn shape(headers: &HeaderMap, key: OperationKey) -> Shape {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    if content_type.starts_with("text/event-stream") {
        Shape::Sse
    } else if content_type.starts_with("application/x-ndjson") {
        Shape::Ndjson
    } else if content_type.starts_with("application/json")
        && key.operation() == Operation::StreamGenerateContent
        && key.kind() == OperationKind::GeminiGenerateContent
    {
        Shape::JsonArray
    } else {
        Shape::Whole
    }
}
