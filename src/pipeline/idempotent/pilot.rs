//! Makes the call that several clients may wait for, in a task of its own: whoever of them leaves, it goes on.

use std::{
    any::Any,
    future::poll_fn,
    panic::AssertUnwindSafe,
    pin::{Pin, pin},
    sync::{Arc, OnceLock},
    task::Poll,
};

use bytes::Bytes;
use futures_util::{
    FutureExt as _,
    future::{Either, select},
};

use super::{
    asked::Asked,
    common::Claimed,
    flight::{End, Flight, Head},
};
use crate::{
    base::RequestId,
    observe::Repeat,
    pipeline::{
        self, Outbound,
        authenticate::Authenticated,
        engine::{Engine, Place},
        error::GatewayError,
        trail::{Fact, Trail},
    },
    protocol::fault::FaultKind,
    runtime::{Body, Reply},
    snapshot::Snapshot,
    store::record::Ended,
};

/// How a call ended, as it is on record.
#[derive(Debug, Default)]
pub(in crate::pipeline) struct Outcome(OnceLock<Ended>);

impl Outcome {
    /// Notes the end. What was noted first stands.
    pub(in crate::pipeline) fn end(&self, how: Ended) {
        let _first = self.0.set(how);
    }

    fn is_complete(&self) -> bool {
        self.0.get() == Some(&Ended::Complete)
    }

    fn is_failed(&self) -> bool {
        self.0.get().is_some_and(|how| *how != Ended::Complete)
    }
}

/// Who makes a call for those who wait for it.
pub(super) struct Pilot {
    pub(super) engine: Engine,
    pub(super) asked: Asked,
    pub(super) flight: Arc<Flight>,
    pub(super) outcome: Arc<Outcome>,
}

/// A call on its way, as far as it has come.
pub(super) struct Flown {
    pub(super) call: Authenticated,
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) trail: Box<Trail>,
    pub(super) place: Place,
}

impl Pilot {
    /// Makes the call, unless another instance has made it or does.
    pub(super) async fn fly(self, flown: Flown) {
        if let Err(panic) = AssertUnwindSafe(self.go(flown)).catch_unwind().await {
            self.panicked(&*panic);
        }
    }

    async fn go(&self, flown: Flown) {
        let Some(common) = self.engine.repeats.common() else { return self.walk(flown).await };
        let (clock, request_id) = (&*self.engine.platform.clock, self.flight.request_id);
        match common.claim(self.asked, request_id, clock).await {
            Ok(Claimed::Ours) => {
                let made = pin!(AssertUnwindSafe(self.walk(flown)).catch_unwind());
                // The lease is held until the call is made, and never ends by itself.
                let made = match select(made, pin!(common.hold(self.asked, request_id, clock))).await {
                    Either::Left((made, _)) => made,
                    Either::Right((never, _)) => match never {},
                };
                if let Err(panic) = made {
                    self.forget();
                    self.panicked(&*panic);
                }
                common.ended(self.asked, request_id, self.engine.repeats.became(self.asked, request_id)).await;
            }
            Ok(Claimed::Made(original, reply)) => self.repeat(flown, original, *reply).await,
            Ok(Claimed::Gone(gone)) => {
                self.engine.metrics.repeat(Repeat::Gone);
                self.refuse(flown, super::refusal(FaultKind::AnswerGone, super::lost(gone)));
            }
            Ok(Claimed::Other) => {
                self.engine.metrics.repeat(Repeat::Other);
                self.refuse(flown, super::refusal(FaultKind::KeyReused, super::OTHER.to_owned()));
            }
            Err(fault) => {
                tracing::debug!(%request_id, %fault, "other instances cannot be asked for a call with an Idempotency-Key; it is made here");
                self.walk(flown).await;
            }
        }
    }

    /// Makes the call.
    async fn walk(&self, Flown { call, snapshot, trail, place }: Flown) {
        match Box::pin(pipeline::walk(&self.engine, call, &snapshot, (trail, place))).await {
            Outbound::Refused(error, _) => {
                self.forget();
                self.flight.head(Err(*error));
            }
            Outbound::Answer(reply) => {
                if !reply.status.is_success() {
                    self.outcome.end(Ended::Failed);
                    self.forget();
                }
                self.flight.head(Ok(Head::of(&reply)));
                self.relay(reply.body).await;
            }
        }
    }

    /// Gives the answer that another instance's call had.
    async fn repeat(&self, Flown { call, mut trail, .. }: Flown, original: RequestId, reply: Reply) {
        self.engine.metrics.repeat(Repeat::Replayed);
        let reply = Reply { headers: super::again(reply.headers, original), ..reply };
        trail.note(Fact::Repeats(call.call.row.key(false)));
        trail.note(Fact::Head(reply.status.as_u16(), &reply.headers));
        trail.close(None, None);
        self.outcome.end(Ended::Complete);
        self.flight.head(Ok(Head::of(&reply)));
        self.relay(reply.body).await;
    }

    fn refuse(&self, Flown { call, mut trail, .. }: Flown, error: GatewayError) {
        let key = call.call.row.key(false);
        trail.note(Fact::Repeats(key));
        self.forget();
        if let Outbound::Refused(error, _) = trail.refuse(error, key.kind().family()) {
            self.flight.head(Err(*error));
        }
    }

    async fn relay(&self, mut body: Body) {
        loop {
            let heard = poll_fn(|cx| match Pin::new(&mut body).poll_data(cx) {
                Poll::Ready(piece) => Poll::Ready(Some(piece)),
                Poll::Pending => self.flight.poll_deserted(cx).map(|()| None),
            });
            let piece = match heard.await {
                Some(Some(piece)) => piece,
                Some(None) => break,
                None => return self.forget(),
            };
            // On record before its last bytes leave: who comes back after them finds the key free.
            if self.outcome.is_failed() {
                self.forget();
            }
            let Ok(piece) = piece else {
                self.forget();
                return self.flight.end(End::Broken);
            };
            if !self.tell(piece).await && !is_over(&mut body) {
                return self.forget();
            }
        }
        if self.outcome.is_complete() {
            self.engine.repeats.ended(self.asked, &self.flight, self.engine.platform.clock.now());
        } else {
            self.forget();
        }
        self.flight.end(End::Whole);
    }

    /// Tells a piece; `false` where it is not kept and nobody listens.
    async fn tell(&self, piece: Bytes) -> bool {
        if self.engine.repeats.keep(&self.flight, &piece) {
            return true;
        }
        self.flight.keep_no_longer();
        self.flight.push(piece);
        poll_fn(|cx| self.flight.poll_heard(cx)).await
    }

    fn forget(&self) {
        self.engine.repeats.forget(self.asked, self.flight.request_id);
    }

    fn panicked(&self, panic: &(dyn Any + Send)) {
        let words = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("");
        self.engine.metrics.panics.inc();
        tracing::error!(request_id = %self.flight.request_id, panic = words, "a call panicked; this is a bug of the gateway");
    }
}

/// Whether nothing more comes of an answer: then it is no matter that nobody hears it.
fn is_over(body: &mut Body) -> bool {
    matches!(poll_fn(|cx| Pin::new(&mut *body).poll_data(cx)).now_or_never(), Some(None))
}

impl Drop for Pilot {
    fn drop(&mut self) {
        // However it ended: what nobody ended before is broken off, and its key is free.
        self.engine.repeats.left(self.asked, &self.flight);
    }
}
