//! Calls that carry an `Idempotency-Key`, between instances on one Redis: who makes a call holds a lease on its key, and leaves what
//! became of it to the others. While Redis is away each instance knows its own calls alone.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::{BufMut as _, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};

use super::{
    asked::{Asked, Digest},
    shelf::{Gone, Idempotency, Kept},
};
use crate::{
    base::RequestId,
    runtime::{Clock, Reply},
    store::cache::{Cache, CacheFault},
};

/// How long a lease stands that nobody renews, and how often it is renewed.
const LEASE: Duration = Duration::from_secs(30);
const RENEW: Duration = Duration::from_secs(10);
/// How often one who waits for another instance's call looks whether it is made.
const LOOK: Duration = Duration::from_millis(200);

/// The calls that this instance shares.
#[derive(Debug)]
pub(super) struct Common {
    cache: Arc<dyn Cache>,
    bounds: Idempotency,
    written: Mutex<Written>,
}

/// The answers that this instance has written.
#[derive(Debug, Default)]
struct Written {
    /// Each with its bytes, oldest first.
    answers: VecDeque<(Digest, RequestId, u64)>,
    bytes: u64,
}

impl Written {
    /// Puts one more behind them; gives those that have to make room for it.
    fn put(&mut self, name: Digest, request_id: RequestId, len: u64, most: u64) -> Vec<(Digest, RequestId)> {
        self.answers.push_back((name, request_id, len));
        self.bytes += len;
        let mut dropped = Vec::new();
        while self.bytes > most
            && let Some((name, id, len)) = self.answers.pop_front()
        {
            self.bytes -= len;
            dropped.push((name, id));
        }
        dropped
    }
}

/// What all instances know of a key.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    /// What was asked under it, as hexadecimal digits.
    content: String,
    request_id: String,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum State {
    /// It is being made, as long as its lease stands.
    Flying,
    /// Its answer is here.
    Kept,
    TooLarge,
    Dropped,
}

/// What becomes of a call that is this instance's first with its key.
#[derive(Debug)]
pub(super) enum Claimed {
    /// It is made here.
    Ours,
    /// It was made elsewhere: the call that it was, and its answer.
    Made(RequestId, Box<Reply>),
    /// It was made elsewhere, and its answer is not there.
    Gone(Gone),
    /// Its key belongs to another call.
    Other,
}

impl Common {
    pub(super) fn new(cache: Arc<dyn Cache>, bounds: Idempotency) -> Self {
        Self { cache, bounds, written: Mutex::default() }
    }

    /// Claims a key, and waits as long as another instance makes its call.
    ///
    /// # Errors
    /// Of the cache: nobody else can know.
    pub(super) async fn claim(&self, asked: Asked, request_id: RequestId, clock: &dyn Clock) -> Result<Claimed, CacheFault> {
        loop {
            if let Some(claimed) = self.found(asked).await? {
                return Ok(claimed);
            }
            if self.lease(asked.name, request_id).await? {
                // Whoever had it may have ended between the two.
                if let Some(claimed) = self.found(asked).await? {
                    self.give_back(asked.name, request_id).await;
                    return Ok(claimed);
                }
                self.note(asked, request_id, State::Flying).await?;
                return Ok(Claimed::Ours);
            }
            clock.sleep(LOOK).await;
        }
    }

    /// Keeps the lease for as long as this is awaited.
    pub(super) async fn hold(&self, asked: Asked, request_id: RequestId, clock: &dyn Clock) -> std::convert::Infallible {
        loop {
            clock.sleep(RENEW).await;
            // One that could not be renewed may be next time.
            if self.lease(asked.name, request_id).await.unwrap_or(false) {
                let _renewed = self.note(asked, request_id, State::Flying).await;
            }
        }
    }

    /// A call has ended, with an answer that is given again or is not; `None`: its key is free.
    pub(super) async fn ended(&self, asked: Asked, request_id: RequestId, how: Option<Result<Arc<Kept>, Gone>>) {
        // Whoever has taken the key over since is left alone.
        if !self.lease(asked.name, request_id).await.unwrap_or(false) {
            return;
        }
        let told = match how {
            None => self.cache.delete(&key(asked.name)).await.map(drop),
            Some(Err(Gone::TooLarge)) => self.note(asked, request_id, State::TooLarge).await,
            Some(Err(Gone::Dropped)) => self.note(asked, request_id, State::Dropped).await,
            Some(Ok(kept)) => self.keep(asked, request_id, &kept).await,
        };
        if let Err(fault) = told {
            tracing::debug!(%request_id, %fault, "other instances are not told how a call with an Idempotency-Key ended");
        }
        self.give_back(asked.name, request_id).await;
    }

    /// Writes an answer, at the cost of those that this instance wrote before.
    async fn keep(&self, asked: Asked, request_id: RequestId, kept: &Kept) -> Result<(), CacheFault> {
        let text = packed(kept);
        let len = text.len() as u64;
        let dropped = self.written().put(asked.name, request_id, len, self.bounds.bytes);
        for (name, id) in dropped {
            self.cache.delete(&answer_key(name, id)).await?;
        }
        self.cache.set(&answer_key(asked.name, request_id), text, Some(self.bounds.span)).await?;
        self.note(asked, request_id, State::Kept).await
    }

    async fn found(&self, asked: Asked) -> Result<Option<Claimed>, CacheFault> {
        let text = self.cache.get(&key(asked.name)).await?;
        let Some(record) = text.and_then(|text| serde_json::from_slice::<Record>(&text).ok()) else { return Ok(None) };
        if record.content != hex(asked.content) {
            return Ok(Some(Claimed::Other));
        }
        let request_id = RequestId::parse(&record.request_id);
        Ok(match (record.state, request_id) {
            (State::Flying, _) => None,
            (State::TooLarge, _) => Some(Claimed::Gone(Gone::TooLarge)),
            (State::Dropped, _) | (State::Kept, None) => Some(Claimed::Gone(Gone::Dropped)),
            (State::Kept, Some(id)) => {
                let answer = self.cache.get(&answer_key(asked.name, id)).await?.and_then(unpacked);
                Some(answer.map_or(Claimed::Gone(Gone::Dropped), |reply| Claimed::Made(id, Box::new(reply))))
            }
        })
    }

    async fn lease(&self, name: Digest, request_id: RequestId) -> Result<bool, CacheFault> {
        self.cache.lock(&key(name), &request_id.digits(), LEASE).await
    }

    async fn give_back(&self, name: Digest, request_id: RequestId) {
        // One that cannot be given back ends by itself.
        let _given = self.cache.unlock(&key(name), &request_id.digits()).await;
    }

    async fn note(&self, asked: Asked, request_id: RequestId, state: State) -> Result<(), CacheFault> {
        let record = Record { content: hex(asked.content), request_id: request_id.to_string(), state };
        let text = serde_json::to_vec(&record).unwrap_or_default();
        let ttl = if state == State::Flying { LEASE } else { self.bounds.span };
        self.cache.set(&key(asked.name), text.into(), Some(ttl)).await
    }

    fn written(&self) -> MutexGuard<'_, Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn hex(digest: Digest) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn key(name: Digest) -> String {
    format!("idempotency:{}", hex(name))
}

fn answer_key(name: Digest, request_id: RequestId) -> String {
    format!("idempotency:{}:{request_id}", hex(name))
}

/// What an answer begins with, as it is written: a header's value byte by byte, since it need not be UTF-8.
#[derive(Serialize, Deserialize)]
struct Top {
    status: u16,
    headers: Vec<(String, String)>,
}

/// An answer as one value: the length of its top, the top, the body.
fn packed(kept: &Kept) -> Bytes {
    let wide = |value: &HeaderValue| value.as_bytes().iter().map(|byte| char::from(*byte)).collect();
    let headers = kept.head.headers.iter().map(|(name, value)| (name.as_str().to_owned(), wide(value))).collect();
    let top = serde_json::to_vec(&Top { status: kept.head.status.as_u16(), headers }).unwrap_or_default();
    let mut text = BytesMut::new();
    text.put_u32(u32::try_from(top.len()).unwrap_or(0));
    text.put_slice(&top);
    kept.pieces.iter().for_each(|piece| text.put_slice(piece));
    text.freeze()
}

fn unpacked(mut text: Bytes) -> Option<Reply> {
    let len = usize::try_from(u32::from_be_bytes(text.get(..4)?.try_into().ok()?)).ok()?;
    let top: Top = serde_json::from_slice(text.get(4..4 + len)?).ok()?;
    let mut headers = HeaderMap::with_capacity(top.headers.len());
    for (name, value) in top.headers {
        let narrow: Option<Vec<u8>> = value.chars().map(|letter| u8::try_from(u32::from(letter)).ok()).collect();
        headers.append(HeaderName::try_from(name).ok()?, HeaderValue::from_bytes(&narrow?).ok()?);
    }
    Some(Reply::new(StatusCode::from_u16(top.status).ok()?, headers, text.split_off(4 + len).into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::idempotent::{flight::Head, held::Room};

    #[tokio::test]
    async fn an_answer_comes_back_as_it_went() {
        let mut headers = HeaderMap::new();
        headers.append("x-odd", HeaderValue::from_bytes(b"\xff\t\"").unwrap());
        headers.append("x-two", HeaderValue::from_static("1"));
        headers.append("x-two", HeaderValue::from_static("2"));
        let head = Head { status: StatusCode::CREATED, headers: headers.clone(), length: None };
        let pieces = vec![Bytes::from_static(b"one\0"), Bytes::from_static(b""), Bytes::from_static("zwei ü".as_bytes())];
        let kept = Kept { request_id: RequestId::new(1, &[0; 10]), head, pieces: pieces.clone(), _held: Room::new(0).none() };
        let text = packed(&kept);
        let reply = unpacked(text.clone()).unwrap();
        assert_eq!((reply.status, &reply.headers), (StatusCode::CREATED, &headers));
        assert_eq!(reply.body.collect(99).await.unwrap(), pieces.concat());
        for cut in 0..text.len() - pieces.concat().len() {
            assert!(unpacked(text.slice(..cut)).is_none(), "{cut}");
        }
    }
}
