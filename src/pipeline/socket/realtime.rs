//! A voice session: admitted once, relayed message by message in both directions, metered as it runs.

use crate::{
    channel::Dispatch,
    pipeline::{
        Engine,
        attempt::{self, Failure, Prepared},
        attempts,
        authorize::Admitted,
        error::GatewayError,
        renew,
        trail::{Counted, Fact, Trail},
    },
    protocol::fault::FaultKind,
    runtime::{Message, Socket},
    store::record::{Ended, Source},
    usage::{Meter, Shape},
};

/// An open socket to the provider.
#[derive(Debug)]
pub(super) struct Dialled {
    upstream: Box<dyn Socket>,
    meter: Meter,
}

/// Opens the provider's socket.
pub(super) async fn dial(engine: &Engine, mut admitted: Admitted, trail: &mut Trail) -> Result<Dialled, GatewayError> {
    let targets = admitted.call.targets.clone();
    let (target, credential) = attempts::one(engine, &targets, &admitted.call, trail)?;
    let armed = match credential {
        Some(credential) => Some(renew::armed(engine, &target.provider, credential, None).await.map_err(Failure::into_error)?),
        None => None,
    };
    let Prepared { key, provider, dispatch, .. } = attempt::prepare(&mut admitted, target, armed.as_ref())?;
    let Dispatch::Send(request) = dispatch else {
        return Err(GatewayError::new(FaultKind::Unsupported, format!("provider {:?} has no realtime sessions", provider.name)));
    };
    trail.note(Fact::Sent(engine.platform.clock.now()));
    let upstream = engine.platform.transport.dial(*request).await?;
    attempt::note_begun(engine, trail)?;
    Ok(Dialled { upstream, meter: Meter::new(key, Shape::Whole) })
}

/// A session whose provider is connected.
#[derive(Debug)]
pub struct Session {
    dialled: Dialled,
    trail: Box<Trail>,
}

impl Session {
    pub(super) fn new(dialled: Dialled, trail: Box<Trail>) -> Self {
        Self { dialled, trail }
    }

    pub(super) async fn run(self, engine: &Engine, mut client: Box<dyn Socket>) {
        let Dialled { mut upstream, mut meter } = self.dialled;
        let mut trail = self.trail;
        trail.note(Fact::Head(101, &http::HeaderMap::new()));
        engine.metrics.streams.inc();
        let how = relay(&mut *client, &mut *upstream, &mut meter).await;
        engine.metrics.streams.dec();
        let metered = meter.finish();
        let source = if metered.usage.is_some() { Source::Upstream } else { Source::None };
        let counted = Counted { usage: metered.usage.unwrap_or_default(), source, tier: metered.service_tier.as_deref() };
        let row = trail.end(101, how, &counted);
        trail.close(row, None);
    }
}

/// Passes messages until one side closes; tells how it ended.
async fn relay(client: &mut dyn Socket, upstream: &mut dyn Socket, meter: &mut Meter) -> Ended {
    loop {
        // Both receives are cancel-safe: a message is taken only when it is whole.
        let (message, from_upstream) = tokio::select! {
            message = client.receive() => (message, false),
            message = upstream.receive() => (message, true),
        };
        let (to, other): (&mut dyn Socket, bool) = if from_upstream { (&mut *client, true) } else { (&mut *upstream, false) };
        match message {
            Some(Ok(Message::Close(code, reason))) => {
                // The session is over either way; a peer that is gone already cannot be told.
                let _told = to.send(Message::Close(code, reason)).await;
                return Ended::Complete;
            }
            Some(Ok(message)) => {
                if let (true, Message::Text(text)) = (other, &message) {
                    meter.message(text);
                }
                if to.send(message).await.is_err() {
                    return Ended::Interrupted;
                }
            }
            Some(Err(_)) | None => return Ended::Interrupted,
        }
    }
}
