//! Plays one script on one connection.

use std::{io, time::Duration};

use tokio::io::AsyncWriteExt;

use super::{
    Dialect,
    answer::{self, Parts},
    ask::{Ask, Delivery, Form},
    ledger::{Ending, Entry},
    line::Stream,
    provider::Desk,
    script::Script,
    wire::Connection,
};

/// What becomes of the connection.
#[derive(Debug)]
pub(super) enum After {
    /// It may take another request.
    Open(Connection),
    /// It is gone.
    Closed,
}

/// One attempt as it is played.
pub(super) struct Play<'a> {
    pub(super) desk: &'a Desk,
    pub(super) ask: &'a Ask,
    pub(super) script: &'a Script,
    pub(super) entry: Entry,
    /// The HTTP/2 stream that it came by, where it came by one.
    pub(super) stream: Option<Stream>,
}

/// Why a play ends before its end.
enum Stop {
    /// The peer is gone, or the socket is broken.
    Left,
    /// The script says so: the connection is closed.
    Cut,
    /// The script says so: the body ends in good order, and the connection stays.
    Short,
}

impl From<io::Error> for Stop {
    fn from(_: io::Error) -> Self {
        Self::Left
    }
}

impl Play<'_> {
    /// Plays it to its end, and writes down how it ended.
    pub(super) async fn run(self, mut connection: Connection) -> After {
        let played = self.perform(&mut connection).await;
        let (ending, open) = match played {
            Ok(ending) => (ending, ending == Ending::Whole || ending == Ending::Refused),
            Err(Stop::Left) => (Ending::Left, false),
            Err(Stop::Cut) => (Ending::Cut, false),
            Err(Stop::Short) => (Ending::Cut, true),
        };
        let reset = ending == Ending::Reset;
        self.desk.ledger.end(self.entry, ending, self.desk.clock.now());
        if open {
            return After::Open(connection);
        }
        if reset && let Err(error) = connection.reset() {
            tracing::warn!(%error, "a connection cannot be reset");
        }
        After::Closed
    }

    async fn perform(&self, connection: &mut Connection) -> Result<Ending, Stop> {
        self.wait(connection, self.script.head_wait()).await?;
        if self.script.reset {
            return Ok(Ending::Reset);
        }
        if self.script.goaway {
            if let Some(stream) = &self.stream {
                stream.refuse();
            }
            return Ok(Ending::GoneAway);
        }
        if self.script.refuses_prefill && self.ask.prefill {
            let message = "this model does not take a conversation that ends with the assistant's turn (prefill)";
            return self.refuse(connection, 400, (Some("invalid_prefill"), message)).await;
        }
        if let Some(status) = self.script.status.filter(|status| *status != 200) {
            return self.refuse(connection, status, (self.script.code.as_deref(), &self.script.message())).await;
        }
        match self.ask.delivery {
            Delivery::Whole => self.whole(connection).await,
            Delivery::Stream => self.stream(connection).await,
        }
    }

    async fn refuse(&self, connection: &mut Connection, status: u16, (code, message): (Option<&str>, &str)) -> Result<Ending, Stop> {
        self.desk.ledger.note(self.entry, |attempt| attempt.status = Some(status));
        let body = answer::error(self.ask.dialect, status, code, message).to_string();
        connection.json(status, &self.headers(), &body).await?;
        Ok(Ending::Refused)
    }

    async fn whole(&self, connection: &mut Connection) -> Result<Ending, Stop> {
        self.desk.ledger.note(self.entry, |attempt| attempt.status = Some(200));
        let mut body = answer::whole(self.ask, self.entry.id).to_string();
        if self.script.garbage_event.is_some() {
            body.truncate(body.len() / 2);
        }
        let mut headers = vec![("content-type", "application/json")];
        headers.extend(self.headers());
        connection.head(200, &headers, Some(body.len())).await?;
        self.wait(connection, self.script.content_wait()).await?;
        let broken = self.script.cut_event.or(self.script.stall_event).or(self.script.end_event).is_some();
        let sent = self.script.cut_byte.unwrap_or(if broken { body.len() / 2 } else { body.len() }).min(body.len());
        connection.stream.write_all(&body.as_bytes()[..sent]).await?;
        if sent < body.len() {
            self.wait(connection, Duration::from_millis(self.script.stall_ms)).await?;
            return Err(Stop::Cut);
        }
        self.desk.ledger.note(self.entry, |attempt| {
            attempt.tokens = self.ask.tokens();
            attempt.told = true;
        });
        Ok(Ending::Whole)
    }

    async fn stream(&self, connection: &mut Connection) -> Result<Ending, Stop> {
        self.desk.ledger.note(self.entry, |attempt| attempt.status = Some(200));
        let kind = match self.ask.form {
            Form::Events => "text/event-stream; charset=utf-8",
            Form::Array => "application/json; charset=UTF-8",
        };
        let mut headers = vec![("content-type", kind), ("cache-control", "no-cache")];
        headers.extend(self.headers());
        connection.head(200, &headers, None).await?;
        self.wait(connection, self.script.content_wait()).await?;
        let Parts { opening, content, closing, terminal, garbage } = answer::stream(self.ask, self.entry.id);
        let mut room = self.script.cut_byte.unwrap_or(usize::MAX);
        for event in &opening {
            send(connection, event, &mut room).await?;
        }
        for (index, event) in content.iter().enumerate() {
            self.before(connection, index, (&garbage, &mut room)).await?;
            send(connection, event, &mut room).await?;
            self.desk.ledger.note(self.entry, |attempt| {
                attempt.events += 1;
                attempt.tokens += 1;
            });
            self.wait(connection, self.desk.pace).await?;
        }
        let terminal = terminal.filter(|_| !(self.script.without_done && self.ask.dialect == Dialect::Chat));
        for event in closing.iter().chain(&terminal) {
            send(connection, event, &mut room).await?;
        }
        self.desk.ledger.note(self.entry, |attempt| attempt.told = true);
        self.wait(connection, Duration::from_millis(self.script.linger_ms)).await?;
        connection.chunk(b"").await?;
        Ok(Ending::Whole)
    }

    /// What the script wants before the content event of this index is sent, which is after as many were.
    async fn before(&self, connection: &mut Connection, index: usize, (garbage, room): (&[u8], &mut usize)) -> Result<(), Stop> {
        let script = self.script;
        if let Some(stream) = self.stream.as_ref().filter(|_| script.goaway_event == Some(index)) {
            stream.be_last();
        }
        if script.garbage_event == Some(index + 1) {
            send(connection, garbage, room).await?;
        }
        if script.pause_event == Some(index) {
            self.wait(connection, Duration::from_millis(script.pause_ms)).await?;
        }
        if script.stall_event == Some(index) {
            self.wait(connection, Duration::from_millis(script.stall_ms)).await?;
            return Err(Stop::Cut);
        }
        if script.cut_event == Some(index) {
            return Err(Stop::Cut);
        }
        if script.end_event == Some(index) {
            connection.chunk(b"").await?;
            return Err(Stop::Short);
        }
        Ok(())
    }

    fn headers(&self) -> Vec<(&str, &str)> {
        let retry_after = self.script.retry_after.as_deref().map(|value| ("retry-after", value));
        let more = self.script.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        [("x-request-id", "req_lab")].into_iter().chain(retry_after).chain(more).collect()
    }

    /// Waits, but no longer than the peer is there.
    async fn wait(&self, connection: &Connection, span: Duration) -> Result<(), Stop> {
        if span.is_zero() {
            return Ok(());
        }
        // Neither branch holds anything that its cancellation could lose.
        tokio::select! {
            biased;
            () = connection.closed() => Err(Stop::Left),
            () = self.desk.clock.sleep(span) => Ok(()),
        }
    }
}

/// Sends an event as a chunk of its own, or what there is room for.
async fn send(connection: &mut Connection, event: &[u8], room: &mut usize) -> Result<(), Stop> {
    let sent = event.len().min(*room);
    if sent > 0 {
        connection.chunk(&event[..sent]).await?;
    }
    *room -= sent;
    if sent < event.len() { Err(Stop::Cut) } else { Ok(()) }
}
