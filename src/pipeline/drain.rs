//! Calls of keys that want an answer read to its end, whoever listens: made in a task of their own. Who leaves only stops
//! listening.

use std::{
    any::Any,
    future::poll_fn,
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::FutureExt as _;
use http_body::{Frame, SizeHint};
use tokio::sync::oneshot;

use super::{
    Outbound,
    authenticate::Authenticated,
    engine::{Engine, Place},
    error::GatewayError,
    trail::Trail,
};
use crate::{
    protocol::{Family, fault::FaultKind},
    runtime::{Body, BodyFault, Reply, Spawn},
    snapshot::Snapshot,
    store::record::OnDisconnect,
};

/// Whether a call goes on without its client: one that is paid, of a key that says so.
pub(super) fn concerns(call: &Authenticated) -> bool {
    call.caller.on_disconnect() == OnDisconnect::Drain && call.call.row.metered()
}

/// Makes a call in a task of its own, and gives its answer to who still listens.
pub(super) async fn serve(engine: &Engine, call: Authenticated, snapshot: Arc<Snapshot>, on: (Box<Trail>, Place)) -> Outbound {
    let family = call.call.row.key(false).kind().family();
    let (told, heard) = oneshot::channel();
    let own = engine.clone();
    engine.platform.spawn.spawn(Box::pin(async move {
        let walk = AssertUnwindSafe(Box::pin(super::walk(&own, call, &snapshot, on)));
        let outbound = walk.catch_unwind().await.unwrap_or_else(|panic| panicked(&own, &*panic, family));
        // Where nobody waits it comes back, and is read to its end as it is dropped.
        drop(told.send(drained(outbound, &own.platform.spawn)));
    }));
    heard.await.unwrap_or_else(|_| failed(family))
}

fn drained(outbound: Outbound, spawn: &Arc<dyn Spawn>) -> Outbound {
    match outbound {
        Outbound::Answer(reply) => {
            let body = match reply.body {
                body @ (Body::Empty | Body::Pieces(_)) => body,
                body @ Body::Stream(_) => Body::stream(Drained { body: Some(body), spawn: Arc::clone(spawn) }),
            };
            Outbound::Answer(Reply { body, ..reply })
        }
        refused @ Outbound::Refused(..) => refused,
    }
}

fn panicked(engine: &Engine, panic: &(dyn Any + Send), family: Family) -> Outbound {
    engine.metrics.panics.inc();
    let words = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("");
    tracing::error!(panic = words, "a call panicked; this is a bug of the gateway");
    failed(family)
}

fn failed(family: Family) -> Outbound {
    let message = "the gateway failed on this call; its operator finds why in the log";
    Outbound::Refused(Box::new(GatewayError::new(FaultKind::Internal, message)), family)
}

/// An answer that is read on by a task of its own where its client leaves.
struct Drained {
    /// Until it was at its end.
    body: Option<Body>,
    spawn: Arc<dyn Spawn>,
}

impl http_body::Body for Drained {
    type Data = Bytes;
    type Error = BodyFault;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        let this = self.get_mut();
        let Some(body) = &mut this.body else { return Poll::Ready(None) };
        let polled = Pin::new(body).poll_frame(cx);
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            this.body = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(http_body::Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(SizeHint::default, http_body::Body::size_hint)
    }
}

impl Drop for Drained {
    fn drop(&mut self) {
        if let Some(mut body) = self.body.take().filter(|body| !http_body::Body::is_end_stream(body)) {
            self.spawn.spawn(Box::pin(async move {
                // Its own timers end one that hangs.
                while let Some(Ok(_)) = poll_fn(|cx| Pin::new(&mut body).poll_data(cx)).await {}
            }));
        }
    }
}
