//! What the process is told by signals: to stop, or to hand over to a new one.

use std::{pin::pin, sync::Arc};

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
    /// SIGTERM and SIGINT.
    stop: Option<[Signal; 2]>,
    /// SIGUSR2.
    hand_over: Option<Signal>,
}

impl Signals {
    pub(super) fn hear() -> Self {
        let [terminate, interrupt, hand_over] =
            [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::user_defined2()].map(|kind| signal(kind).ok());
        let stop = terminate.zip(interrupt).map(<[Signal; 2]>::from);
        if stop.is_none() {
            tracing::warn!("signals cannot be heard; only a kill will stop this");
        }
        Self { stop, hand_over }
    }
}

/// Resolves when the process is asked to stop.
async fn stopped(stop: &mut Option<[Signal; 2]>) {
    let Some([terminate, interrupt]) = stop else { return std::future::pending().await };
    // Hearing a signal twice or not at all loses nothing: the first one is enough.
    tokio::select! {
        _ = terminate.recv() => tracing::info!("asked to stop; draining"),
        _ = interrupt.recv() => tracing::info!("interrupted; draining"),
    }
}

/// Resolves when serving ends: at SIGTERM or SIGINT, or when another process serves that was started at SIGUSR2.
pub(super) async fn stop(
    mut signals: Signals,
    (giver, mut inherited, health): (Option<Giver>, Option<Inherited>, Arc<HealthKeeper>),
    given: oneshot::Sender<Rest>,
) -> Ending {
    let mut stop = pin!(stopped(&mut signals.stop));
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
