//! Listening: a task of its own for each channel, which connects again for as long as somebody listens.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{
    StreamExt as _,
    future::{Either, select},
};
use redis::{
    RedisError,
    aio::{PubSubSink, PubSubStream},
};

use super::{
    RedisStore,
    link::{Link, PATIENCE, fault},
};
use crate::{
    runtime::Clock,
    store::cache::{
        CacheFault, Heard, Inbox,
        inbox::{Outlet, inbox},
    },
};

/// How long after a connection broke the next is tried.
const AGAIN: Duration = Duration::from_millis(250);
/// How often a silent server is asked whether it is there.
const ASK: Duration = Duration::from_secs(10);

impl RedisStore {
    /// Listens from now on: the first subscription stands when this returns.
    pub(super) async fn listen(&self, channel: String) -> Result<Inbox, CacheFault> {
        let (outlet, inbox) = inbox();
        let first = subscribe(&self.link, &channel).await?;
        let link = Arc::clone(&self.link);
        self.spawn.spawn(Box::pin(async move {
            // Ends when the inbox is dropped; what it leaves is a connection, which closes.
            let deserted = std::pin::pin!(outlet.sender.closed());
            let listening = std::pin::pin!(keep_listening(&link, &channel, &outlet, first));
            select(deserted, listening).await;
        }));
        Ok(inbox)
    }
}

async fn keep_listening(link: &Link, channel: &str, outlet: &Outlet, first: (PubSubSink, PubSubStream)) {
    let mut open = Some(first);
    loop {
        if let Some((sink, stream)) = open.take() {
            pass_on(&*link.clock, outlet, sink, stream).await;
        }
        link.clock.sleep(AGAIN).await;
        if let Ok(next) = subscribe(link, channel).await {
            open = Some(next);
            if !outlet.tell(Heard::Missed) {
                return;
            }
        }
    }
}

/// Hands messages over until the connection breaks, or the server does not answer.
async fn pass_on(clock: &dyn Clock, outlet: &Outlet, mut sink: PubSubSink, mut stream: PubSubStream) {
    loop {
        // Whichever is second is dropped: a sleep, or a look at the stream, which loses nothing.
        match select(stream.next(), clock.sleep(ASK)).await {
            Either::Left((Some(message), _)) => {
                if !outlet.tell(Heard::Message(Bytes::copy_from_slice(message.get_payload_bytes()))) {
                    return;
                }
            }
            Either::Left((None, _)) => return,
            Either::Right(_) => {
                let ping = std::pin::pin!(sink.ping::<redis::Value>());
                match select(ping, clock.sleep(PATIENCE)).await {
                    Either::Left((Ok(_), _)) => {}
                    Either::Left((Err(_), _)) | Either::Right(_) => return,
                }
            }
        }
    }
}

async fn subscribe(link: &Link, channel: &str) -> Result<(PubSubSink, PubSubStream), CacheFault> {
    let connect = async {
        let mut connection = link.client.get_async_pubsub().await?;
        connection.subscribe(channel).await?;
        Ok::<_, RedisError>(connection.split())
    };
    match select(std::pin::pin!(connect), link.clock.sleep(PATIENCE)).await {
        Either::Left((open, _)) => open.map_err(fault),
        Either::Right(_) => Err(CacheFault::Unavailable("no subscription in time".into())),
    }
}
