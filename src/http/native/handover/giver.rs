//! The process that goes: starts its program anew, hands it the listening socket, and then its connections and its counters.

use std::{
    io,
    os::{fd::OwnedFd, unix::net::UnixStream},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
};

use super::{
    Program, STDIN, VARIABLE,
    counters::done,
    line::{self, Ear, Mouth},
    words::{Told, VERSION, Word},
};
use crate::{
    http::native::leaving::Departure,
    runtime::Clock,
    store::cache::{Holdings, memory::MemoryCounters},
};

/// How long the new process may take until it serves.
const PATIENCE: Duration = Duration::from_secs(30);
/// Connections that may wait to be handed over. Who leaves then waits.
const LEAVING: usize = 256;
/// Meters and reservations that go in one line.
const PIECE: usize = 1000;

/// Why the place was not given.
#[derive(Debug, thiserror::Error)]
pub(in crate::http::native) enum GiveFault {
    #[error("process 1 cannot hand over: where it ends, its container ends")]
    First,
    #[error("the new process cannot be started: {0}")]
    Start(#[source] io::Error),
    #[error("the new process says: {0}")]
    Refused(String),
    #[error("the new process ended before it served: {0}")]
    Gone(String),
    #[error("the new process did not serve within {} s", PATIENCE.as_secs())]
    Late,
}

/// What is given, and to whom.
#[derive(Debug)]
pub(in crate::http::native) struct Giver {
    pub(in crate::http::native) program: Program,
    pub(in crate::http::native) listener: OwnedFd,
    /// The counters, where they are this process's own.
    pub(in crate::http::native) counters: Option<Arc<MemoryCounters>>,
    pub(in crate::http::native) clock: Arc<dyn Clock>,
}

/// A new process serves.
#[derive(Debug)]
pub(in crate::http::native) struct Given {
    /// Where connections go whose clients wait for nothing.
    pub(in crate::http::native) departures: mpsc::Sender<Departure>,
    pub(in crate::http::native) rest: Rest,
}

/// What is left to be told to it.
#[derive(Debug)]
pub(in crate::http::native) struct Rest {
    end: oneshot::Sender<()>,
    talking: JoinHandle<()>,
}

impl Rest {
    /// Tells the heir what the counters hold, once no call is left here.
    pub(in crate::http::native) async fn tell(self) {
        let _gone = self.end.send(());
        if let Err(error) = self.talking.await {
            tracing::error!(%error, "the new process was not told what is counted");
        }
    }
}

impl Giver {
    /// Starts the program anew and waits until it serves. Dropped before, the new process ends by itself.
    ///
    /// # Errors
    /// [`GiveFault`]; then everything is as it was.
    pub(in crate::http::native) async fn give(&self) -> Result<Given, GiveFault> {
        if std::process::id() == 1 {
            return Err(GiveFault::First);
        }
        let (ours, theirs) = UnixStream::pair().map_err(GiveFault::Start)?;
        let mut child = self.start(theirs.into()).map_err(GiveFault::Start)?;
        let process = child.id();
        tracing::info!(process, program = %self.program.path.display(), "handing over to a new process");
        let late = self.clock.sleep(PATIENCE);
        // Whichever is dropped, the line is closed with it, and the new process goes.
        let met = tokio::select! {
            met = self.meet(ours) => met,
            () = late => Err(GiveFault::Late),
        };
        if let Err(fault) = met {
            return Err(match (fault, end(&mut child)) {
                (GiveFault::Gone(_), Ok(status)) => GiveFault::Gone(status),
                (fault, _) => fault,
            });
        }
        tracing::info!(process, "the new process serves; this one drains");
        met
    }

    fn start(&self, line: OwnedFd) -> io::Result<Child> {
        // The command keeps its end of the line for as long as it lives: that is until here.
        Command::new(&self.program.path).args(&self.program.arguments).env(VARIABLE, STDIN).stdin(Stdio::from(line)).spawn()
    }

    #[expect(clippy::disallowed_methods, reason = "it outlives the platform's tasks: what they end is told over it")]
    async fn meet(&self, line: UnixStream) -> Result<Given, GiveFault> {
        let (mouth, ear, writing) = line::open(line).map_err(GiveFault::Start)?;
        let listener = self.listener.try_clone().map_err(GiveFault::Start)?;
        let mut talk = Talk { ear, mouth, counters: self.counters.clone() };
        talk.say(Word::Listener { version: VERSION }, Some(listener)).await;
        talk.until(|word| matches!(word, Word::Prepared)).await?;
        talk.say(Word::Serve, None).await;
        talk.until(|word| matches!(word, Word::Serving)).await?;
        let (departures, leaving) = mpsc::channel(LEAVING);
        let (end, ended) = oneshot::channel();
        let talking = tokio::spawn(async move {
            talk.go_on(leaving, ended).await;
            if let Err(error) = writing.await {
                tracing::error!(%error, "the line to the new process broke off");
            }
        });
        Ok(Given { departures, rest: Rest { end, talking } })
    }
}

/// Ends a process that did not take the place, and says how it ended.
fn end(child: &mut Child) -> io::Result<String> {
    child.kill()?;
    child.wait().map(|status| status.to_string())
}

/// The line as the giver uses it.
#[derive(Debug)]
struct Talk {
    ear: Ear,
    mouth: Mouth,
    counters: Option<Arc<MemoryCounters>>,
}

impl Talk {
    /// Says a word. That nobody hears is found by listening.
    async fn say(&self, word: Word, file: Option<OwnedFd>) {
        let _unheard = self.mouth.send((word, file)).await;
    }

    /// Listens for a word, and counts meanwhile.
    async fn until(&mut self, wanted: impl Fn(&Word) -> bool) -> Result<(), GiveFault> {
        loop {
            match self.ear.hear().await {
                Ok(Some(Word::Failed(why))) => return Err(GiveFault::Refused(why)),
                Ok(Some(word)) if wanted(&word) => return Ok(()),
                Ok(Some(word)) => self.count(word).await,
                Ok(None) => return Err(GiveFault::Gone("it closed the line".to_owned())),
                Err(error) => return Err(GiveFault::Gone(error.to_string())),
            }
        }
    }

    /// Does a step of the heir's on the counters.
    async fn count(&self, word: Word) {
        if let Word::Ask { number, step } = word {
            let told = match &self.counters {
                Some(counters) => done(counters, step),
                None => Told::Fault("the counters are elsewhere".to_owned()),
            };
            self.say(Word::Told { number, told }, None).await;
        }
    }

    /// Hands connections over and counts, until no call is left here; then tells what the counters hold.
    async fn go_on(mut self, mut leaving: mpsc::Receiver<Departure>, mut ended: oneshot::Receiver<()>) {
        loop {
            // Cancelled, hearing and receiving lose nothing.
            tokio::select! {
                heard = self.ear.hear() => match heard {
                    Ok(Some(word)) => self.count(word).await,
                    Ok(None) | Err(_) => {
                        tracing::error!("the new process is gone, while this one drains: nobody takes connections");
                        return;
                    }
                },
                Some(departure) = leaving.recv() => self.depart(departure).await,
                _ = &mut ended => break,
            }
        }
        while let Ok(departure) = leaving.try_recv() {
            self.depart(departure).await;
        }
        if let Some(counters) = &self.counters {
            let Holdings { meters, standing } = counters.holdings();
            for piece in meters.chunks(PIECE) {
                self.say(Word::Meters(piece.to_vec()), None).await;
            }
            for piece in standing.chunks(PIECE) {
                self.say(Word::Standing(piece.to_vec()), None).await;
            }
        }
        self.say(Word::Over, None).await;
    }

    async fn depart(&self, departure: Departure) {
        let Departure { socket, peer, read } = departure;
        self.say(Word::Connection { peer, read: read.to_vec() }, Some(socket)).await;
    }
}
