//! What the provider was asked, and how each attempt ended.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde::Serialize;

use super::{
    Dialect,
    ask::{Ask, Delivery},
};
use crate::runtime::Instant;

/// How many attempts are kept; the oldest are let go of.
const KEPT: usize = 100_000;

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// With the whole answer.
    Whole,
    /// With a refusal.
    Refused,
    /// With a reset, before any byte.
    Reset,
    /// Broken off by the provider.
    Cut,
    /// The peer went away.
    Left,
    /// Not begun with: the connection takes its leave.
    GoneAway,
}

/// One attempt.
#[derive(Clone, Debug, Serialize)]
pub struct Attempt {
    /// The model that was asked for.
    pub model: String,
    /// The dialect in which.
    pub dialect: Dialect,
    /// The how manieth on this model, from 1.
    pub number: u32,
    /// When it came, in milliseconds since the provider began.
    pub at_ms: u64,
    /// Whether a stream was asked for.
    pub stream: bool,
    /// Whether the last turn was the assistant's.
    pub prefill: bool,
    /// The number of the HTTP/2 connection that it came by.
    pub connection: Option<u64>,
    /// The status that was sent; none before the head.
    pub status: Option<u16>,
    /// Content events that were sent.
    pub events: usize,
    /// Tokens of the answer that a provider would bill.
    pub tokens: usize,
    /// Whether its usage was sent.
    pub told: bool,
    /// When it ended, in milliseconds since the provider began.
    pub ended_ms: Option<u64>,
    /// How it ended.
    pub ending: Option<Ending>,
}

/// All attempts.
#[derive(Debug)]
pub(super) struct Ledger {
    begun: Instant,
    book: Mutex<Book>,
}

#[derive(Debug, Default)]
struct Book {
    attempts: VecDeque<Attempt>,
    /// How many attempts were let go of.
    gone: u64,
    models: HashMap<String, (u32, Instant)>,
    totals: Totals,
}

/// Sums over attempts.
#[derive(Clone, Debug, Default)]
pub(super) struct Totals {
    /// All that began.
    pub(super) attempts: u64,
    /// The tokens of those that ended.
    pub(super) tokens: u64,
    /// How many told their usage, and their tokens.
    pub(super) told: u64,
    pub(super) told_tokens: u64,
    /// How many began an answer and did not.
    pub(super) broken: u64,
    endings: BTreeMap<Ending, u64>,
}

impl Totals {
    /// How many ended like this.
    pub(super) fn ended(&self, ending: Ending) -> u64 {
        self.endings.get(&ending).copied().unwrap_or(0)
    }
}

/// An attempt that was just begun.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    /// Its place among all.
    pub(super) id: u64,
    /// The how manieth on its model.
    pub(super) number: u32,
    /// The time since the first one on its model.
    pub(super) since: Duration,
}

impl Book {
    /// An attempt that is still kept.
    fn find(&mut self, entry: Entry) -> Option<&mut Attempt> {
        let at = usize::try_from(entry.id.checked_sub(self.gone)?).ok()?;
        self.attempts.get_mut(at)
    }
}

impl Ledger {
    pub(super) fn new(now: Instant) -> Self {
        Self { begun: now, book: Mutex::default() }
    }

    pub(super) fn begin(&self, ask: &Ask, now: Instant) -> Entry {
        let mut book = self.book();
        let (count, first) = book.models.entry(ask.model.clone()).or_insert((0, now));
        *count += 1;
        let (number, since) = (*count, now.since(*first));
        let attempt = Attempt {
            model: ask.model.clone(),
            dialect: ask.dialect,
            number,
            at_ms: self.ms(now),
            stream: ask.delivery == Delivery::Stream,
            prefill: ask.prefill,
            connection: None,
            status: None,
            events: 0,
            tokens: 0,
            told: false,
            ended_ms: None,
            ending: None,
        };
        book.totals.attempts += 1;
        book.attempts.push_back(attempt);
        if book.attempts.len() > KEPT {
            book.attempts.pop_front();
            book.gone += 1;
        }
        Entry { id: book.gone + book.attempts.len() as u64 - 1, number, since }
    }

    pub(super) fn note(&self, entry: Entry, change: impl FnOnce(&mut Attempt)) {
        if let Some(attempt) = self.book().find(entry) {
            change(attempt);
        }
    }

    pub(super) fn end(&self, entry: Entry, ending: Ending, now: Instant) {
        let ended = self.ms(now);
        let mut book = self.book();
        let Some(attempt) = book.find(entry) else { return };
        attempt.ended_ms = Some(ended);
        attempt.ending = Some(ending);
        let (tokens, told) = (attempt.tokens as u64, attempt.told);
        book.totals.tokens += tokens;
        if told {
            book.totals.told += 1;
            book.totals.told_tokens += tokens;
        } else if tokens > 0 {
            book.totals.broken += 1;
        }
        *book.totals.endings.entry(ending).or_default() += 1;
    }

    pub(super) fn totals(&self) -> Totals {
        self.book().totals.clone()
    }

    /// The attempts on a model, or all of them, in order.
    pub(super) fn of(&self, model: Option<&str>) -> Vec<Attempt> {
        self.book().attempts.iter().filter(|attempt| model.is_none_or(|model| attempt.model == model)).cloned().collect()
    }

    /// Forgets everything, so that each model begins anew.
    pub(super) fn reset(&self) {
        let mut book = self.book();
        // Attempts under way must not write into later ones.
        book.gone += book.attempts.len() as u64;
        book.attempts.clear();
        book.models.clear();
        book.totals = Totals::default();
    }

    fn ms(&self, now: Instant) -> u64 {
        u64::try_from(now.since(self.begun).as_millis()).unwrap_or(u64::MAX)
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
