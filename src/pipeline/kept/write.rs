//! What is kept of a call: written when its answer is complete, and before its client sees the end.

use std::{
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::{
    FutureExt,
    future::{Either, select},
};

use super::{
    Keeping, items,
    memory::{Last, Memory},
    signed,
};
use crate::{
    base::UserId,
    observe::Metrics,
    pipeline::engine::Engine,
    protocol::{json::Node, peek::Peek, splice::Document},
    runtime::{BoxFuture, Platform},
    store::record::{Keep, KeptItem, KeptKind, KeptRow},
    transform::generate::Standing,
};

/// How long an answer's end waits for the store. What takes longer is written in the background.
const LONGEST: Duration = Duration::from_secs(5);
/// The events that carry a response which can be gone on from, as they begin on the wire.
const ENDS: [&[u8]; 2] = [b"event: response.completed\ndata: ", b"event: response.incomplete\ndata: "];

/// What is known of a call before its answer.
#[derive(Debug)]
pub(super) struct Before {
    /// The response that the client named.
    pub(super) named: Option<String>,
    pub(super) previous: Option<KeptRow>,
    pub(super) conversation: Option<KeptRow>,
    /// The items that the call itself brought.
    pub(super) input: Vec<String>,
    /// Whether the client wants the response kept, and whether it will be.
    pub(super) asks: bool,
    pub(super) stores: bool,
}

/// A response in the making.
#[derive(Debug)]
pub(in crate::pipeline) struct Draft {
    keeping: Keeping,
    user: UserId,
    before: Before,
    /// The socket that remembers the response, and all that was said up to it.
    remembering: Option<(Arc<Memory>, Vec<String>)>,
}

impl Draft {
    pub(super) fn new(keeping: &Keeping, user: UserId, before: Before) -> Self {
        Self { keeping: keeping.clone(), user, before, remembering: None }
    }

    /// The same, of a response that is kept nowhere else.
    pub(super) fn remembered(self, memory: Arc<Memory>, said: Vec<String>) -> Self {
        Self { remembering: Some((memory, said)), ..self }
    }

    /// What the answer says of where it stands.
    pub(in crate::pipeline) fn standing(&self) -> Standing {
        Standing {
            stores: self.before.asks.then_some(self.before.stores),
            previous: self.before.named.clone(),
            conversation: self.before.conversation.as_ref().map(|row| row.id.clone()),
        }
    }

    /// Keeps a response. Ready when it is kept, or cannot be, which is in the log; an answer that stands is not taken back for it.
    pub(in crate::pipeline) fn write(self, engine: &Engine, response: &[u8]) -> BoxFuture<'static, ()> {
        let Platform { clock, spawn, .. } = &engine.platform;
        let store = Arc::clone(&self.keeping.store);
        let things = self.things(response, clock.unix_ms());
        if things.is_empty() {
            return Box::pin(std::future::ready(()));
        }
        let metrics = Arc::clone(&engine.metrics);
        let write = async move { report(store.keep(things).await, &metrics) }.boxed().shared();
        // In a task of its own, so that a client that goes at the end of its answer can still go on from it.
        spawn.spawn(Box::pin(write.clone()));
        let silence = clock.sleep(LONGEST);
        Box::pin(async move {
            if let Either::Right(((), _)) = select(write, silence).await {
                tracing::warn!("the store is slow; a response is kept in the background");
            }
        })
    }

    fn things(self, response: &[u8], now_ms: u64) -> Vec<Keep> {
        let Some((id, output, body_json)) = taken_apart(response) else { return Vec::new() };
        let Self { keeping, user, before, remembering } = self;
        if let Some((memory, mut said)) = remembering {
            said.extend(output.iter().map(|item| item.json.clone()));
            memory.replace(Last { id: id.clone(), items: said });
        }
        let Before { previous, conversation, input, stores, .. } = before;
        let size = |items: &[String]| items.iter().map(|item| item.len() as u64).sum::<u64>();
        let answered: u64 = output.iter().map(|item| item.json.len() as u64).sum();
        let bytes = size(&input) + answered;
        let mut things = Vec::new();
        let expires_at = keeping.expiry(now_ms);
        if stores && bytes > keeping.bytes {
            tracing::warn!(bytes, limit = keeping.bytes, "a response is too large to be kept");
        } else if stores {
            let before = previous.as_ref().map_or(0, |row| row.bytes);
            let row = KeptRow {
                user_id: user,
                kind: KeptKind::Response,
                thread: previous.as_ref().map_or_else(|| id.clone(), |row| row.thread.clone()),
                depth: previous.as_ref().map_or(0, |row| row.depth + 1),
                previous: previous.map(|row| row.id),
                bytes: before.saturating_add(bytes),
                body_json,
                input_json: items::joined(input.iter().map(String::as_str)),
                created_at: signed(now_ms),
                expires_at,
                id: id.clone(),
            };
            things.push(Keep { row, items: output.clone() });
        }
        if let Some(row) = conversation {
            let said = input.into_iter().enumerate().filter(|(_, item)| items::reference(item).is_none());
            let named = |(at, json): (usize, String)| KeptItem { id: items::own_id(&json).unwrap_or_else(|| given(&id, at)), json };
            let items = said.map(named).chain(output).collect();
            things.push(Keep { row: KeptRow { expires_at, ..row }, items });
        }
        things
    }
}

/// The id of an item of a response's input that has none of its own.
pub(super) fn given(response: &str, at: usize) -> String {
    format!("msg_{}_in{at}", response.strip_prefix("resp_").unwrap_or(response))
}

/// A response's id, its output, and the rest of it.
fn taken_apart(response: &[u8]) -> Option<(String, Vec<KeptItem>, String)> {
    let mut fields = Node::parse(response).ok()?.object()?;
    let id = fields.peek_text("id")?.into_owned();
    let base = id.strip_prefix("resp_").unwrap_or(&id).to_owned();
    let output = fields.array("output").ok()??;
    let item = |(at, node): (usize, Node<'_>)| {
        let json = node.json().to_owned();
        KeptItem { id: items::own_id(&json).unwrap_or_else(|| format!("item_{base}_{at}")), json }
    };
    let output = output.into_iter().enumerate().map(item).collect();
    let mut document = Document::new(bytes::Bytes::copy_from_slice(response), Peek::scan(response).ok()?);
    document.set("output", "[]");
    Some((id, output, String::from_utf8(document.into_pieces().concat()).ok()?))
}

fn report(kept: Result<(), crate::store::persist::StoreFault>, metrics: &Metrics) {
    if let Err(fault) = kept {
        metrics.lost_records.inc();
        tracing::warn!(%fault, "a response could not be kept; nobody can go on from it");
    }
}

/// Looks for the end of a streamed answer, and holds it until the answer is kept.
pub(in crate::pipeline) struct Watch {
    engine: Engine,
    draft: Option<Box<Draft>>,
    writing: Option<BoxFuture<'static, ()>>,
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch").field("draft", &self.draft).field("writing", &self.writing.is_some()).finish_non_exhaustive()
    }
}

impl Watch {
    pub(in crate::pipeline) fn new(engine: &Engine, draft: Box<Draft>) -> Self {
        Self { engine: engine.clone(), draft: Some(draft), writing: None }
    }

    /// Sees what the client is about to get: whole events.
    pub(in crate::pipeline) fn see(&mut self, piece: &[u8]) {
        if let Some(response) = ends(piece)
            && let Some(draft) = self.draft.take()
        {
            self.writing = Some(draft.write(&self.engine, response));
        }
    }

    /// Pending while what was seen must not leave yet.
    pub(in crate::pipeline) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(writing) = &mut self.writing {
            std::task::ready!(writing.as_mut().poll(cx));
            self.writing = None;
        }
        Poll::Ready(())
    }
}

/// The response of the event that ends a stream well.
fn ends(piece: &[u8]) -> Option<&[u8]> {
    let begins = |at: usize| at == 0 || piece[at - 1] == b'\n';
    let data = ENDS.iter().find_map(|end| {
        let at = memchr::memmem::find_iter(piece, end).find(|at| begins(*at))?;
        Some(&piece[at + end.len()..])
    })?;
    let data = data.split(|byte| *byte == b'\n').next()?;
    Some(Node::parse(data).ok()?.object()?.peek("response")?.json().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::{ends, taken_apart};

    #[test]
    fn the_end_of_a_stream_is_an_event_and_never_its_name_in_a_text() {
        let delta = "event: response.output_text.delta\ndata: {\"delta\":\"event: response.completed\\ndata: {}\"}\n\n";
        assert_eq!(ends(delta.as_bytes()), None);
        for kind in ["completed", "incomplete"] {
            let piece = format!("{delta}event: response.{kind}\ndata: {{\"type\":\"x\",\"response\":{{\"id\":\"r\"}}}}\n\n");
            assert_eq!(ends(piece.as_bytes()), Some(b"{\"id\":\"r\"}".as_slice()));
        }
        assert_eq!(ends(b"event: response.failed\ndata: {\"response\":{}}\n\n"), None);
    }

    #[test]
    fn a_response_is_taken_apart_and_every_item_has_an_id() {
        let (id, output, rest) = taken_apart(br#"{"id":"resp_1","output":[{"id":"rs_1"},{"type":"x"}],"b":1}"#).unwrap();
        assert_eq!(id, "resp_1");
        assert_eq!(output.iter().map(|item| item.id.as_str()).collect::<Vec<_>>(), ["rs_1", "item_1_1"]);
        assert_eq!(rest, r#"{"id":"resp_1","output":[],"b":1}"#);
        assert_eq!(taken_apart(br#"{"error":{}}"#), None);
    }
}
