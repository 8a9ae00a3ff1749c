//! The misbehaving provider: one port, four dialects, and a ledger of what it was asked.

use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::net::{TcpListener, TcpStream};

use super::{
    Dialect, answer,
    ask::Ask,
    control,
    fault::Role,
    ledger::{Attempt, Entry, Ledger, Totals},
    line::Lines,
    play::{After, Play},
    script::Script,
    secured::Front,
    wire::{Connection, Request},
};
use crate::runtime::{Clock, Platform};

/// How a provider is started.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Where it listens; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// From one token to the next.
    pub pace: Duration,
    /// Where it listens for TLS, by which HTTP/2 is spoken too; nowhere where nothing is said.
    pub secured: Option<SocketAddr>,
}

/// A running provider. It serves as long as the runtime does.
#[derive(Clone, Debug)]
pub struct Provider {
    address: SocketAddr,
    secured: Option<Secured>,
    desk: Arc<Desk>,
}

/// Where a provider is reached by TLS.
#[derive(Clone, Debug)]
pub struct Secured {
    /// Where it listens.
    pub address: SocketAddr,
    /// The certificate that its clients have to trust (DER).
    pub certificate: Arc<[u8]>,
}

/// What all connections share.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) pace: Duration,
    pub(super) ledger: Ledger,
    /// The HTTP/2 connections.
    lines: Arc<Lines>,
    /// Scripts by model, one an attempt; the last one stays.
    scripts: Mutex<HashMap<String, Vec<Script>>>,
}

impl Provider {
    /// Starts one.
    ///
    /// # Errors
    /// The system's, for instance where the port is taken.
    pub async fn start(platform: &Platform, settings: Settings) -> io::Result<Self> {
        let listener = TcpListener::bind(settings.listen).await?;
        let address = listener.local_addr()?;
        let clock = Arc::clone(&platform.clock);
        let ledger = Ledger::new(clock.now());
        let desk = Arc::new(Desk { clock, pace: settings.pace, ledger, lines: Arc::default(), scripts: Mutex::default() });
        let secured = match settings.secured {
            Some(listen) => Some(secure(platform, listen, (&desk.lines, address)).await?),
            None => None,
        };
        let (serving, spawn) = (Arc::clone(&desk), Arc::clone(&platform.spawn));
        platform.spawn.spawn(Box::pin(async move {
            loop {
                match listener.accept().await {
                    Ok((stream, _)) => {
                        let desk = Arc::clone(&serving);
                        spawn.spawn(Box::pin(async move { serve(stream, &desk).await }));
                    }
                    Err(error) => {
                        tracing::warn!(%error, "the provider cannot accept a connection");
                        serving.clock.sleep(Duration::from_millis(50)).await;
                    }
                }
            }
        }));
        Ok(Self { address, secured, desk })
    }

    /// Where it is reached by TLS.
    #[must_use]
    pub fn secured(&self) -> Option<&Secured> {
        self.secured.as_ref()
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The attempts on a model, or all of them, in order.
    #[must_use]
    pub fn attempts(&self, model: Option<&str>) -> Vec<Attempt> {
        self.desk.ledger.of(model)
    }

    /// Sums over all attempts, those that are let go of too.
    pub(super) fn totals(&self) -> Totals {
        self.desk.ledger.totals()
    }

    /// Sets what a model does: one script an attempt, the last one for all that follow.
    pub fn script(&self, model: &str, scripts: Vec<Script>) {
        self.desk.set(model, scripts);
    }
}

impl Desk {
    pub(super) fn set(&self, model: &str, scripts: Vec<Script>) {
        self.scripts.lock().unwrap_or_else(PoisonError::into_inner).insert(model.to_owned(), scripts);
    }

    /// Takes the scripts away and forgets the attempts.
    pub(super) fn reset(&self) {
        self.scripts.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.ledger.reset();
    }

    fn script(&self, model: &str, entry: Entry) -> Result<Script, String> {
        let scripts = self.scripts.lock().unwrap_or_else(PoisonError::into_inner);
        let given = scripts.get(model).and_then(|scripts| scripts.get(entry.number as usize - 1).or(scripts.last()));
        match given {
            Some(script) => Ok(script.clone()),
            None => Ok(Role::of(model)?.script(model, entry.number, entry.since)),
        }
    }
}

/// Serves TLS in front of the provider at an address.
async fn secure(platform: &Platform, listen: SocketAddr, (lines, provider): (&Arc<Lines>, SocketAddr)) -> io::Result<Secured> {
    let (front, certificate) = Front::new(Arc::clone(lines), Arc::clone(&platform.spawn), provider)?;
    let listener = TcpListener::bind(listen).await?;
    let address = listener.local_addr()?;
    platform.spawn.spawn(Box::pin(front.serve(listener)));
    Ok(Secured { address, certificate: certificate.as_ref().into() })
}

async fn serve(stream: TcpStream, desk: &Desk) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot set TCP_NODELAY");
    }
    let mut connection = Connection::new(stream);
    loop {
        let request = match connection.request().await {
            Ok(Some(request)) => request,
            Ok(None) => return,
            Err(error) => return tracing::debug!(%error, "a connection to the provider ended badly"),
        };
        match answer(connection, &request, desk).await {
            Ok(After::Open(open)) => connection = open,
            Ok(After::Closed) => return,
            Err(error) => return tracing::debug!(%error, "a connection to the provider ended badly"),
        }
    }
}

async fn answer(mut connection: Connection, request: &Request, desk: &Desk) -> io::Result<After> {
    if let Some(path) = request.path.strip_prefix(control::PREFIX) {
        let (status, body) = control::serve(desk, (&request.method, path), &request.body);
        connection.json(status, &[], &body).await?;
        return Ok(After::Open(connection));
    }
    let Some(ask) = Ask::read(request) else {
        let message = format!("{} {} is no call of content with a JSON body", request.method, request.path);
        connection.json(404, &[], &answer::error(Dialect::Chat, 404, None, &message).to_string()).await?;
        return Ok(After::Open(connection));
    };
    let entry = desk.ledger.begin(&ask, desk.clock.now());
    let script = desk.script(&ask.model, entry).unwrap_or_else(|message| Script { code: Some(message), ..Script::refusal(404) });
    let stream = request.stream.as_deref().and_then(|name| desk.lines.find(name));
    if let Some(stream) = &stream {
        desk.ledger.note(entry, |attempt| attempt.connection = Some(stream.line.number));
    }
    Ok(Play { desk, ask: &ask, script: &script, entry, stream }.run(connection).await)
}
