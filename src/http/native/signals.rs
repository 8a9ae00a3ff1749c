//! What the process is told by signals: to stop, or to hand over to a new one.

use std::{pin::pin, sync::Arc, time::Duration};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::oneshot,
    task::{AbortHandle, JoinHandle},
};

use super::{
    handover::giver::{Giver, Rest},
    server::Ending,
};
use crate::app::health::HealthKeeper;

/// The signals that are heard.
pub(super) struct Signals {
    stop: Stop,
    /// SIGUSR2.
    hand_over: Option<Signal>,
}

/// What asks to stop.
struct Stop {
    /// SIGTERM and SIGINT.
    signals: Option<[Signal; 2]>,
    /// How long calls that run may take then.
    drain: Duration,
    /// Told when it began; what hears interrupts goes along, so that none is lost in between.
    began: Option<oneshot::Sender<Signal>>,
}

impl Signals {
    /// Hears from here on. The other value tells when a stop begins, and hears interrupts from then on.
    pub(super) fn hear(drain: Duration) -> (Self, oneshot::Receiver<Signal>) {
        let [terminate, interrupt, hand_over] =
            [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::user_defined2()].map(|kind| signal(kind).ok());
        let signals = terminate.zip(interrupt).map(<[Signal; 2]>::from);
        if signals.is_none() {
            tracing::warn!("signals cannot be heard; only a kill will stop this");
        }
        let (began, begins) = oneshot::channel();
        (Self { stop: Stop { signals, drain, began: Some(began) }, hand_over }, begins)
    }
}

impl Stop {
    /// Resolves when the process is asked to stop.
    async fn asked(&mut self) {
        let Some([mut terminate, mut interrupt]) = self.signals.take() else { return std::future::pending().await };
        // Hearing a signal twice or not at all loses nothing: the first one is enough.
        let by = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        };
        let seconds = self.drain.as_secs();
        tracing::info!(by, seconds, "stopping: calls that run have this time to end; another Ctrl-C (SIGINT) cuts them off");
        // Nobody has to listen.
        let _unheard = self.began.take().map(|began| began.send(interrupt));
    }
}

/// Lets what runs end, unless somebody grows impatient: an interrupt after a stop began cuts it off.
pub(super) async fn patiently(work: impl Future<Output = ()>, begins: oneshot::Receiver<Signal>) {
    let again = async {
        // Where nobody says so, another process takes the place, and waits for this one.
        let Ok(mut interrupt) = begins.await else { return std::future::pending().await };
        interrupt.recv().await;
    };
    tokio::select! {
        () = work => {}
        // The journal has what was answered; what is cut off becomes a row at the next start.
        () = again => tracing::warn!("interrupted again: calls that run are cut off"),
    }
}

/// Resolves when serving ends: at SIGTERM or SIGINT, or when another process serves that was started at SIGUSR2.
pub(super) async fn stop(
    mut signals: Signals,
    (giver, mut inherited, health): (Option<Giver>, Option<Inherited>, Arc<HealthKeeper>),
    given: oneshot::Sender<Rest>,
) -> Ending {
    let mut stop = pin!(signals.stop.asked());
    loop {
        let asked = async {
            match &mut signals.hand_over {
                Some(signal) => _ = signal.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = &mut stop => return Ending::Stop,
            () = asked => {}
        }
        let Some(giver) = &giver else {
            tracing::error!("this process cannot hand over: it does not know its own program; it goes on serving");
            continue;
        };
        let handing = async {
            inherit(&mut inherited).await;
            if let Err(fault) = health.write().await {
                tracing::warn!(%fault, "the new process does not know what was learnt last of credentials' health");
            }
            giver.give().await
        };
        // A process that was started and does not serve yet ends by itself when it is not waited for.
        let handed = tokio::select! {
            () = &mut stop => return Ending::Stop,
            handed = handing => handed,
        };
        match handed {
            Ok(new) => {
                // Who waits for it lives as long as this.
                let _heard = given.send(new.rest);
                return Ending::Onward(new.departures);
            }
            Err(fault) => tracing::error!(%fault, "not handed over; this process goes on serving"),
        }
    }
}

/// Waits until everything of the process before is taken over: only then can it be given on.
async fn inherit(inherited: &mut Option<Inherited>) {
    if let Some(Inherited(settling)) = inherited {
        if !settling.is_finished() {
            tracing::info!("the hand-over begins when the process before this one has ended");
        }
        if let Err(error) = settling.await {
            tracing::error!(%error, "taking over broke off");
        }
    }
    *inherited = None;
}

/// What is taken over from the process before, until all of it is.
pub(super) struct Inherited(pub(super) JoinHandle<()>);

impl Inherited {
    /// By which it is ended.
    pub(super) fn keeper(&self) -> AbortHandle {
        self.0.abort_handle()
    }
}
