//! The connection: one for all calls, made when it is wanted, dropped when it fails, and not tried again for a moment after.

use std::{
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use redis::{AsyncConnectionConfig, Client, ErrorKind, RedisError, ServerErrorKind, aio::MultiplexedConnection};

use crate::{
    runtime::{Clock, Instant},
    store::cache::CacheFault,
};

/// How long a connection may take, and how long an answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);
/// How long nobody tries to connect after it failed.
const REST: Duration = Duration::from_millis(250);

/// The way to the server.
pub(super) struct Link {
    pub(super) client: Client,
    pub(super) clock: Arc<dyn Clock>,
    state: Mutex<State>,
    connecting: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    /// How many connections were made: the name of the one that stands.
    made: u64,
    connection: Option<MultiplexedConnection>,
    failed: Option<Instant>,
}

/// Whether a step may be sent again when the connection broke under it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repeat {
    /// Done twice it comes to the same.
    Harmless,
    /// Done twice it would tell, or do, something else.
    Never,
}

impl Link {
    pub(super) fn new(address: &str, clock: Arc<dyn Clock>) -> Result<Self, CacheFault> {
        // The client's own message may repeat the address, which holds the password.
        let client = Client::open(address)
            .map_err(|_| CacheFault::Address("expected redis://[[user]:password@]host[:port][/database], or rediss:// for TLS".into()))?;
        Ok(Self { client, clock, state: Mutex::default(), connecting: tokio::sync::Mutex::new(()) })
    }

    /// Runs a step. It is sent once more, over a new connection, where the old one turned out to be broken and that is harmless.
    pub(super) async fn run<T, F>(&self, repeat: Repeat, step: impl Fn(MultiplexedConnection) -> F) -> Result<T, CacheFault>
    where
        F: Future<Output = Result<T, RedisError>>,
    {
        let (number, connection) = self.connection().await?;
        let error = match step(connection).await {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        if !self.drop_if_lost(number, &error) || repeat == Repeat::Never || error.is_timeout() {
            return Err(fault(error));
        }
        let (number, connection) = self.connection().await?;
        step(connection).await.map_err(|error| {
            self.drop_if_lost(number, &error);
            fault(error)
        })
    }

    async fn connection(&self) -> Result<(u64, MultiplexedConnection), CacheFault> {
        if let Some(standing) = self.standing() {
            return Ok(standing);
        }
        let _turn = self.connecting.lock().await;
        if let Some(standing) = self.standing() {
            return Ok(standing);
        }
        if let Some(failed) = self.state().failed
            && let Some(rest) = REST.checked_sub(self.clock.now().since(failed))
            && !rest.is_zero()
        {
            return Err(CacheFault::Resting(u64::try_from(rest.as_millis()).unwrap_or(u64::MAX).max(1)));
        }
        let config = AsyncConnectionConfig::new().set_connection_timeout(Some(PATIENCE)).set_response_timeout(Some(PATIENCE));
        match self.client.get_multiplexed_async_connection_with_config(&config).await {
            Ok(connection) => {
                let mut state = self.state();
                state.made += 1;
                state.failed = None;
                state.connection = Some(connection.clone());
                Ok((state.made, connection))
            }
            Err(error) => {
                self.state().failed = Some(self.clock.now());
                Err(CacheFault::Unavailable(Box::new(error)))
            }
        }
    }

    fn standing(&self) -> Option<(u64, MultiplexedConnection)> {
        let state = self.state();
        state.connection.clone().map(|connection| (state.made, connection))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change is a few assignments, so a panic elsewhere leaves nothing half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Drops the connection where the error says that it is of no more use; whether it does.
    fn drop_if_lost(&self, number: u64, error: &RedisError) -> bool {
        let lost = error.is_io_error() || error.is_connection_dropped() || error.is_unrecoverable_error();
        let mut state = self.state();
        if lost && state.made == number {
            state.connection = None;
        }
        lost
    }
}

/// What the server's word means to us.
pub(super) fn fault(error: RedisError) -> CacheFault {
    let down = match error.kind() {
        ErrorKind::Io | ErrorKind::AuthenticationFailed => true,
        ErrorKind::Server(kind) => matches!(
            kind,
            ServerErrorKind::BusyLoading
                | ServerErrorKind::TryAgain
                | ServerErrorKind::ClusterDown
                | ServerErrorKind::MasterDown
                | ServerErrorKind::ReadOnly
        ),
        // Its list is open; among the codes it has no kind for these say that the server can write nothing now.
        _ => matches!(error.code(), Some("OOM" | "MISCONF" | "NOAUTH" | "NOREPLICAS" | "BUSY")) || error.is_unrecoverable_error(),
    };
    if down { CacheFault::Unavailable(Box::new(error)) } else { CacheFault::Refused(Box::new(error)) }
}

/// An answer that this program does not understand.
pub(super) fn strange(expected: &'static str) -> CacheFault {
    CacheFault::Refused(format!("expected {expected}").into())
}
