//! A voice session: admitted before it is dialled, relayed message by message in both directions, and settled after each answer, when
//! room for the next one is taken.

use std::time::Duration;

use crate::{
    channel::Dispatch,
    pipeline::{
        Engine,
        attempt::{self, Failure, Prepared},
        attempts,
        authorize::Admitted,
        engine::Place,
        error::GatewayError,
        hold, renew,
        resolve::Resolved,
        trail::{Counted, Fact, Trail},
    },
    protocol::{OperationKey, fault::FaultKind},
    runtime::{Message, Socket},
    store::record::{Ended, Source},
    usage::{Meter, Shape},
};

/// How long a session lasts at most, as `OpenAI` has it. Who may no longer call is out by then.
const LONGEST: Duration = Duration::from_hours(1);
/// What a session is closed with that may not go on (RFC 6455, section 7.4.1: against a policy).
const REFUSED: u16 = 1008;

/// An open socket to the provider.
#[derive(Debug)]
pub(super) struct Dialled {
    upstream: Box<dyn Socket>,
    key: OperationKey,
    call: Box<Resolved>,
    _place: Place,
}

/// Opens the provider's socket.
pub(super) async fn dial(engine: &Engine, mut admitted: Admitted, trail: &mut Trail) -> Result<Dialled, GatewayError> {
    let place = engine.enter().ok_or_else(|| GatewayError::overloaded("too many calls at once; try again soon"))?;
    if let Some(asked) = hold::ask(&mut admitted.call, &engine.snapshot.load())? {
        trail.note(Fact::Held(hold::hold(engine, asked).await?.hold));
    }
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
    admitted.call.targets = vec![target.clone()];
    Ok(Dialled { upstream, key, call: admitted.call, _place: place })
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
        let Self { dialled: Dialled { mut upstream, key, call, _place }, mut trail } = self;
        trail.note(Fact::Head(101, &http::HeaderMap::new()));
        engine.metrics.streams.inc();
        let mut talk = Talk { engine, key, call, trail, meter: Meter::new(key, Shape::Whole) };
        let how = talk.relay(&mut *client, &mut *upstream).await;
        engine.metrics.streams.dec();
        talk.end(how);
    }
}

/// A session under way.
struct Talk<'e> {
    engine: &'e Engine,
    key: OperationKey,
    call: Box<Resolved>,
    trail: Box<Trail>,
    /// What was used since the last row.
    meter: Meter,
}

impl Talk<'_> {
    /// Passes messages until one side closes, or the session may not go on; tells how it ended.
    async fn relay(&mut self, client: &mut dyn Socket, upstream: &mut dyn Socket) -> Ended {
        let mut longest = self.engine.platform.clock.sleep(LONGEST);
        loop {
            // Both receives are cancel-safe: a message is taken only when it is whole.
            let (message, from_upstream) = tokio::select! {
                message = client.receive() => (message, false),
                message = upstream.receive() => (message, true),
                () = &mut longest => {
                    let error = GatewayError::new(FaultKind::BadRequest, "a realtime session lasts an hour at most; open another one");
                    return refuse(client, upstream, &error).await;
                }
            };
            let to: &mut dyn Socket = if from_upstream { &mut *client } else { &mut *upstream };
            match message {
                Some(Ok(Message::Close(code, reason))) => {
                    // The session is over either way; a peer that is gone already cannot be told.
                    let _told = to.send(Message::Close(code, reason)).await;
                    return Ended::Complete;
                }
                Some(Ok(message)) => {
                    let has_answered = match &message {
                        Message::Text(text) if from_upstream => self.meter.message(text),
                        _ => false,
                    };
                    if to.send(message).await.is_err() {
                        return Ended::Interrupted;
                    }
                    if has_answered && let Err(error) = self.go_on().await {
                        return refuse(client, upstream, &error).await;
                    }
                }
                Some(Err(_)) | None => return Ended::Interrupted,
            }
        }
    }

    /// Settles an answer, and reserves what the next one may take.
    async fn go_on(&mut self) -> Result<(), GatewayError> {
        self.settle();
        let asked = hold::ask_again(&self.call, &self.engine.snapshot.load(), (self.trail.row_id(), self.engine.platform.clock.unix_ms()))?;
        if let Some(asked) = asked {
            self.trail.note(Fact::Held(hold::hold(self.engine, asked).await?.hold));
        }
        Ok(())
    }

    /// Writes down what was used since the last row, where anything was.
    fn settle(&mut self) {
        let metered = std::mem::replace(&mut self.meter, Meter::new(self.key, Shape::Whole)).finish();
        let Some(usage) = metered.usage else { return };
        if !self.trail.is_open()
            && let Err(error) = attempt::note_begun(self.engine, &mut self.trail)
        {
            tracing::error!(%error, "an answer of a realtime session cannot be put on record");
        }
        self.trail.part(101, &Counted { usage, source: Source::Upstream, tier: metered.service_tier.as_deref() });
    }

    fn end(mut self, how: Ended) {
        self.settle();
        let row = self.trail.end(101, how, &Counted::nothing());
        self.trail.close(row, None);
    }
}

/// Ends a session that may not go on, and tells both sides.
async fn refuse(client: &mut dyn Socket, upstream: &mut dyn Socket, error: &GatewayError) -> Ended {
    let event = super::responses::refusal(error.kind, &error.public, None).to_string();
    // Whoever is gone already cannot be told.
    let _told = client.send(Message::Text(event.into())).await;
    let _closed = client.send(Message::Close(REFUSED, error.kind.id().to_owned())).await;
    let _left = upstream.send(Message::Close(1000, String::new())).await;
    Ended::Complete
}
