//! What stands against one account: for some of its models, or for all of them.

use std::{collections::BTreeMap, sync::Arc};

use super::news::Whom;
use crate::{
    base::{CredentialId, ProviderId},
    store::record::{HealthRow, HealthWord, RestRow},
};

/// How long trouble of the provider's own making keeps a target behind its siblings, in milliseconds.
const TRANSIENT: u64 = 15_000;
/// The same where a credential may not use a model.
const FORBIDDEN: u64 = 5 * 60_000;
/// The same where the provider asked for patience and did not say how much.
const LIMITED: u64 = 60_000;
/// The same where a credential's money is spent, and the provider does not say until when.
const EXHAUSTED: u64 = 60 * 60_000;
/// So many failures in a row close a target to everybody but a probe.
const BREAKER: u32 = 5;
/// How long a probe may take before another one goes out.
const PROBE: u64 = 30_000;
/// When a call may come back that meets a probe under way.
const SOON: u64 = 1_000;
/// So many models of one account are remembered at most: clients choose the names.
const MODELS: usize = 1_000;
/// How long a dead credential is left alone, where nobody else is left to ask.
const DEAD: u64 = 30_000;

/// Who is asked: a credential as it was last changed, or a provider that has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Account {
    /// The provider.
    pub provider: ProviderId,
    /// The credential, and when its record was last changed: a changed one begins anew.
    pub credential: Option<(CredentialId, i64)>,
}

impl Account {
    /// The provider, whatever its credentials.
    pub(super) fn whole(self) -> Self {
        Self { credential: None, ..self }
    }

    /// Whom a row is about.
    #[must_use]
    pub fn of(row: &HealthRow) -> Self {
        Self { provider: row.provider_id, credential: row.credential_id.map(|id| (id, row.changed)) }
    }
}

/// What is known of somebody, as a row.
pub(super) fn row((account, model): &Whom, noted_ms: u64, rest: Option<RestRow>) -> HealthRow {
    HealthRow {
        provider_id: account.provider,
        credential_id: account.credential.map(|(id, _)| id),
        changed: account.credential.map_or(0, |(_, changed)| changed),
        model: model.as_deref().map(str::to_owned),
        noted_ms,
        rest,
    }
}

/// Whether an account may be asked; the better first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// It may.
    Ready,
    /// It failed lately, and nobody knows for how long: where nobody better is there.
    Doubtful,
    /// Its credential is dead: as the last resort, now and then.
    Condemned,
    /// Not before the moment, Unix milliseconds.
    Resting(u64),
}

/// Why a call failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The provider or the way to it: a 5xx, a reset, a timeout, an answer that is none.
    Transient,
    /// Too many calls; the milliseconds that the provider told to wait.
    Limited(Option<u64>),
    /// The credential's money or quota is spent, for every model; the milliseconds that the provider told.
    Exhausted(Option<u64>),
    /// The credential may not use this model.
    Forbidden,
    /// The credential is wrong.
    Refused,
}

impl Trouble {
    /// Whether it is no fault of the credential.
    pub(super) const fn is_the_providers(&self) -> bool {
        match self {
            Self::Transient => true,
            Self::Limited(_) | Self::Exhausted(_) | Self::Forbidden | Self::Refused => false,
        }
    }

    /// The stable word in records and on the console.
    #[must_use]
    pub const fn word(&self) -> HealthWord {
        match self {
            Self::Transient => HealthWord::Transient,
            Self::Limited(_) => HealthWord::RateLimited,
            Self::Exhausted(_) => HealthWord::Exhausted,
            Self::Forbidden => HealthWord::Forbidden,
            Self::Refused => HealthWord::Dead,
        }
    }
}

/// What stands against an account, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Whose.
    pub account: Account,
    /// The model; `None` for all of them.
    pub model: Option<Arc<str>>,
    /// Why.
    pub why: HealthWord,
    /// Until when, Unix milliseconds; `None` for a dead credential.
    pub until_ms: Option<u64>,
    /// Failures in a row.
    pub failures: u32,
}

/// A rest.
#[derive(Clone, Debug)]
struct Rest {
    why: HealthWord,
    /// When it was learnt.
    noted_ms: u64,
    until_ms: u64,
    /// Whether the provider said so itself.
    is_told: bool,
    failures: u32,
    /// Until when a probe is out.
    probe_until_ms: u64,
}

impl Rest {
    fn begin(before: Option<&Self>, trouble: &Trouble, now_ms: u64) -> Self {
        let (span, is_told) = match trouble {
            Trouble::Transient => (TRANSIENT, false),
            Trouble::Forbidden => (FORBIDDEN, false),
            Trouble::Limited(told) => (told.unwrap_or(LIMITED), told.is_some()),
            Trouble::Exhausted(told) => (told.unwrap_or(EXHAUSTED), true),
            Trouble::Refused => (DEAD, true),
        };
        let until_ms = now_ms.saturating_add(span);
        let failures = before.map_or(0, |rest| rest.failures).saturating_add(1);
        // A rest that was told never becomes shorter.
        let longer = before.filter(|rest| rest.is_told && rest.until_ms > until_ms);
        let (until_ms, is_told) = longer.map_or((until_ms, is_told), |rest| (rest.until_ms, true));
        Self { why: trouble.word(), noted_ms: now_ms, until_ms, is_told, failures, probe_until_ms: 0 }
    }

    /// What another instance, or the database, knows of the same, put together with what is known here: the later word counts, but
    /// for a rest that was told, which never becomes shorter.
    fn join(before: Option<&Self>, row: &RestRow, noted_ms: u64) -> Self {
        let RestRow { why, until_ms, is_told, is_dead: _, failures } = *row;
        let told = Self { why, noted_ms, until_ms, is_told, failures, probe_until_ms: 0 };
        let Some(before) = before else { return told };
        let (earlier, later) = if before.noted_ms > noted_ms { (&told, before) } else { (before, &told) };
        let failures = earlier.failures.max(later.failures);
        let longer = if earlier.is_told && earlier.until_ms > later.until_ms { earlier } else { later };
        Self { failures, until_ms: longer.until_ms, is_told: longer.is_told, probe_until_ms: before.probe_until_ms, ..later.clone() }
    }

    fn row(&self, is_dead: bool) -> (u64, RestRow) {
        let Self { why, noted_ms, until_ms, is_told, failures, .. } = *self;
        (noted_ms, RestRow { why, until_ms, is_told, is_dead, failures })
    }

    /// Whether it is news after another one: that it rests, why, or that it rests longer than by the way.
    fn is_news(&self, before: Option<&Self>, now_ms: u64) -> bool {
        before.is_none_or(|before| before.why != self.why || before.until_ms <= now_ms || before.is_broken() != self.is_broken())
    }

    fn is_broken(&self) -> bool {
        self.why == HealthWord::Transient && self.failures >= BREAKER
    }

    fn standing(&self, now_ms: u64) -> Standing {
        let probes = now_ms < self.probe_until_ms;
        if now_ms < self.until_ms {
            if self.is_told || self.is_broken() { Standing::Resting(self.until_ms) } else { Standing::Doubtful }
        } else if probes && self.is_broken() {
            Standing::Resting(now_ms + SOON)
        } else if probes {
            Standing::Doubtful
        } else {
            Standing::Ready
        }
    }
}

/// What stands against one account.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    /// For all models.
    all: Option<Rest>,
    dead: bool,
    models: BTreeMap<Arc<str>, Rest>,
}

impl State {
    pub(super) fn standing(&self, model: &str, now_ms: u64) -> Standing {
        let of = |rest: Option<&Rest>| rest.map_or(Standing::Ready, |rest| rest.standing(now_ms));
        let all = match of(self.all.as_ref()) {
            Standing::Ready | Standing::Doubtful if self.dead => Standing::Condemned,
            all => all,
        };
        all.max(of(self.models.get(model)))
    }

    /// What a provider's own failures mean for each of its credentials: nothing, until there are too many in a row.
    pub(super) fn breaker(&self, model: &str, now_ms: u64) -> Standing {
        self.models.get(model).filter(|rest| rest.is_broken()).map_or(Standing::Ready, |rest| rest.standing(now_ms))
    }

    /// Notes that a probe goes out, where a rest is over; tells whether anything stands against the model.
    pub(super) fn probe(&mut self, model: &str, now_ms: u64) -> bool {
        let mut stands = false;
        for rest in self.models.get_mut(model).into_iter().chain(self.all.as_mut()) {
            stands = true;
            if now_ms >= rest.until_ms {
                rest.probe_until_ms = now_ms.saturating_add(PROBE);
            }
        }
        stands
    }

    /// Notes a failure; gives the model that it is held against (`None`: all of them), and whether that is worth a line of history.
    pub(super) fn fail(&mut self, model: &str, trouble: &Trouble, now_ms: u64) -> (Option<Arc<str>>, bool) {
        match trouble {
            Trouble::Exhausted(_) | Trouble::Refused => {
                let rest = Rest::begin(self.all.as_ref(), trouble, now_ms);
                let is_dead = self.dead || *trouble == Trouble::Refused;
                let is_news = is_dead != self.dead || !self.dead && rest.is_news(self.all.as_ref(), now_ms);
                (self.dead, self.all) = (is_dead, Some(rest));
                (None, is_news)
            }
            Trouble::Transient | Trouble::Limited(_) | Trouble::Forbidden => {
                let standing = self.models.get_key_value(model);
                let rest = Rest::begin(standing.map(|(_, rest)| rest), trouble, now_ms);
                let is_news = rest.is_news(standing.map(|(_, rest)| rest), now_ms);
                let name: Arc<str> = standing.map_or_else(|| model.into(), |(name, _)| Arc::clone(name));
                self.put(Arc::clone(&name), rest, now_ms);
                (Some(name), is_news)
            }
        }
    }

    /// Takes over what others know of the account.
    pub(super) fn join(&mut self, row: &HealthRow, rest: &RestRow, now_ms: u64) {
        match row.model.as_deref() {
            None => {
                self.dead |= rest.is_dead;
                self.all = Some(Rest::join(self.all.as_ref(), rest, row.noted_ms));
            }
            Some(model) => {
                let joined = Rest::join(self.models.get(model), rest, row.noted_ms);
                self.put(model.into(), joined, now_ms);
            }
        }
    }

    fn put(&mut self, model: Arc<str>, rest: Rest, now_ms: u64) {
        if self.models.len() >= MODELS && !self.models.contains_key(&model) {
            self.make_room(now_ms);
        }
        self.models.insert(model, rest);
    }

    /// What is over is forgotten; where nothing is, what is over first.
    fn make_room(&mut self, now_ms: u64) {
        self.models.retain(|_, rest| rest.until_ms > now_ms);
        let first = self.models.iter().min_by_key(|(_, rest)| rest.until_ms).map(|(model, _)| Arc::clone(model));
        if let Some(first) = first.filter(|_| self.models.len() >= MODELS) {
            self.models.remove(&first);
        }
    }

    /// Clears what stands against the account for a model; gives against which models it was.
    pub(super) fn succeed(&mut self, model: &str) -> impl Iterator<Item = Option<Arc<str>>> + use<> {
        self.dead = false;
        let all = self.all.take().map(|_| None);
        all.into_iter().chain(self.models.remove_entry(model).map(|(model, _)| Some(model)))
    }

    /// Clears what others know to be over since a moment.
    pub(super) fn clear(&mut self, model: Option<&str>, noted_ms: u64) {
        let is_over = |rest: &Rest| rest.noted_ms <= noted_ms;
        match model {
            None if self.all.as_ref().is_none_or(is_over) => (self.all, self.dead) = (None, false),
            Some(model) if self.models.get(model).is_some_and(is_over) => drop(self.models.remove(model)),
            None | Some(_) => {}
        }
    }

    /// Clears what was learnt before a moment.
    pub(super) fn clear_before(&mut self, at_ms: u64) {
        self.clear(None, at_ms);
        self.models.retain(|_, rest| rest.noted_ms > at_ms);
    }

    /// Whether nothing stands against the account.
    pub(super) fn is_empty(&self) -> bool {
        self.all.is_none() && !self.dead && self.models.is_empty()
    }

    /// The models that something stands against; `None` for all of them.
    pub(super) fn whom(&self) -> impl Iterator<Item = Option<Arc<str>>> {
        self.all.iter().map(|_| None).chain(self.models.keys().cloned().map(Some))
    }

    /// What stands against a model, or against all of them, and when it was learnt.
    pub(super) fn row(&self, model: Option<&Arc<str>>) -> Option<(u64, RestRow)> {
        match model {
            None => self.all.as_ref().map(|rest| rest.row(self.dead)),
            Some(model) => self.models.get(model).map(|rest| rest.row(false)),
        }
    }

    pub(super) fn reports(&self, account: Account, now_ms: u64) -> impl Iterator<Item = Report> {
        let report = move |model: Option<&Arc<str>>, rest: &Rest, dead: bool| Report {
            account,
            model: model.cloned(),
            why: rest.why,
            until_ms: (!dead).then_some(rest.until_ms),
            failures: rest.failures,
        };
        let all = self.all.iter().filter(move |rest| self.dead || rest.until_ms > now_ms).map(move |rest| report(None, rest, self.dead));
        let models = self.models.iter().filter(move |(_, rest)| rest.until_ms > now_ms);
        all.chain(models.map(move |(model, rest)| report(Some(model), rest, false)))
    }
}
