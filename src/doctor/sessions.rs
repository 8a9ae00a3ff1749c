//! What is known of one session.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    Cause, Place,
    verdict::{Tokens, Verdict},
    ward::{Sent, Whose},
};
use crate::base::{CredentialId, Nanos, ProviderId};

/// What was lost for one cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Loss {
    /// At so many turns.
    pub turns: u64,
    /// Tokens that could have been read from the cache, and were not.
    pub tokens: u64,
    /// What they cost more than read ones, as far as they have a price.
    pub cost: Nanos,
    /// So many of the tokens have none.
    pub unpriced: u64,
}

impl Loss {
    /// Adds another one.
    pub fn add(&mut self, other: &Self) {
        self.turns += other.turns;
        self.tokens = self.tokens.saturating_add(other.tokens);
        self.cost = self.cost.checked_add(other.cost).unwrap_or(Nanos::MAX);
        self.unpriced = self.unpriced.saturating_add(other.unpriced);
    }
}

/// The prompts of a session, as they were counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Turns.
    pub turns: u64,
    /// Turns with one before them that they could be compared with.
    pub compared: u64,
    /// Turns whose body is too large to be kept, or is no prompt that could be read.
    pub unread: u64,
    /// Prompt tokens that came from no cache and went into none.
    pub fresh: u64,
    /// Prompt tokens read from the cache.
    pub read: u64,
    /// Prompt tokens written to it.
    pub written: u64,
    /// Of the turns that were compared: tokens that could have been read.
    pub could: u64,
    /// Of those, the ones that were.
    pub did: u64,
}

impl Seen {
    /// Adds another session's.
    pub fn add(&mut self, other: &Self) {
        let Self { turns, compared, unread, fresh, read, written, could, did } = other;
        let sums = [
            (&mut self.turns, turns),
            (&mut self.compared, compared),
            (&mut self.unread, unread),
            (&mut self.fresh, fresh),
            (&mut self.read, read),
            (&mut self.written, written),
            (&mut self.could, could),
            (&mut self.did, did),
        ];
        for (sum, more) in sums {
            *sum = sum.saturating_add(*more);
        }
    }
}

/// What is told of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// By what it is called here: a digest.
    pub id: String,
    /// Whether its client names it.
    pub is_named: bool,
    /// Whose it is.
    pub whose: Whose,
    /// Who answered last.
    pub provider: ProviderId,
    /// With which credential.
    pub credential: Option<CredentialId>,
    /// And which model.
    pub model: Arc<str>,
    /// Its first turn here, Unix milliseconds.
    pub first_ms: u64,
    /// Its last turn, Unix milliseconds.
    pub last_ms: u64,
    /// Its prompts.
    pub seen: Seen,
    /// What was lost, by cause.
    pub losses: BTreeMap<Cause, Loss>,
    /// Where the prompt changed last within what was sent before.
    pub changed: Option<Place>,
}

impl Report {
    /// All that was lost.
    #[must_use]
    pub fn lost(&self) -> Loss {
        let mut all = Loss::default();
        self.losses.values().for_each(|loss| all.add(loss));
        all
    }

    pub(super) fn begin((id, is_named): (String, bool), whose: Whose, to: &Sent, now_ms: u64) -> Self {
        Self {
            id,
            is_named,
            whose,
            provider: to.provider,
            credential: to.credential,
            model: Arc::clone(&to.model),
            first_ms: now_ms,
            last_ms: now_ms,
            seen: Seen::default(),
            losses: BTreeMap::new(),
            changed: None,
        }
    }

    /// Counts a turn.
    pub(super) fn turn(&mut self, to: &Sent, tokens: Tokens, now_ms: u64) {
        self.provider = to.provider;
        self.credential = to.credential;
        self.model = Arc::clone(&to.model);
        self.last_ms = now_ms;
        let Tokens { fresh, read, written } = tokens;
        self.seen.add(&Seen { turns: 1, fresh, read, written, ..Seen::default() });
    }

    /// Counts what was found of a turn.
    pub(super) fn found(&mut self, (verdict, read): (Verdict, u64), cost: Option<Nanos>, changed: Option<Place>) {
        let Verdict { could, lost, cause } = verdict;
        self.seen.add(&Seen { compared: 1, could, did: could.min(read), ..Seen::default() });
        let Some(cause) = cause else { return };
        let unpriced = if cost.is_none() { lost } else { 0 };
        self.losses.entry(cause).or_default().add(&Loss { turns: 1, tokens: lost, cost: cost.unwrap_or_default(), unpriced });
        if matches!(cause, Cause::PrefixChanged | Cause::ToolsChanged) {
            self.changed = changed;
        }
    }
}
