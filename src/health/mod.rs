//! How providers and their credentials are doing: who may be asked now, who is resting, who is dead.
//!
//! Learnt from answers, by [`Health::fail`] and [`Health::succeed`]; asked by [`Health::standing`]. No clock of its own:
//! every call brings the time. While all are well, asking costs one load of an atomic.
//!
//! What is learnt here is gathered for whoever follows ([`Health::follow`], [`Health::take_news`]), who keeps it and tells other
//! instances; what those tell comes in by [`Health::learn`]. Nothing here waits for either.

mod account;
mod budget;
mod news;
mod reset;

use std::{
    collections::HashMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use account::State;
pub use account::{Account, Report, Standing, Trouble};
pub use budget::RetryBudget;
use news::News;
pub use reset::told;

use crate::store::{
    persist::HealthNews,
    record::{HealthReset, HealthRow, HealthWord},
};

/// The most accounts that something stands against, as others tell it.
const ACCOUNTS: usize = 65_536;

/// The health of every credential, and of every provider without one.
#[derive(Debug, Default)]
pub struct Health {
    known: Mutex<Known>,
    /// How many states there are, for asking without the lock.
    troubled: AtomicUsize,
    /// Whether there is news, likewise.
    has_news: AtomicBool,
}

#[derive(Debug, Default)]
struct Known {
    states: HashMap<Account, State>,
    news: News,
}

impl Health {
    /// Whether a model may be asked by an account. Of a provider's own trouble and the credential's the worse counts.
    #[must_use]
    pub fn standing(&self, account: Account, model: &str, now_ms: u64) -> Standing {
        if self.is_well() {
            return Standing::Ready;
        }
        let states = &self.lock().states;
        let own = states.get(&account).map_or(Standing::Ready, |state| state.standing(model, now_ms));
        let whole = states.get(&account.whole()).map_or(Standing::Ready, |state| state.breaker(model, now_ms));
        own.max(whole)
    }

    /// A call goes out; tells whether the account was in trouble, so that this is the probe of whether that is over.
    pub fn begin(&self, account: Account, model: &str, now_ms: u64) -> bool {
        if self.is_well() {
            return false;
        }
        let states = &mut self.lock().states;
        let mut probes = false;
        for account in [account, account.whole()] {
            if let Some(state) = states.get_mut(&account) {
                probes |= state.probe(model, now_ms);
            }
        }
        probes
    }

    /// A call failed through the account's or its provider's fault.
    pub fn fail(&self, account: Account, model: &str, trouble: &Trouble, now_ms: u64) {
        let mut known = self.lock();
        known.fail(account, model, trouble, now_ms);
        if trouble.is_the_providers() && account != account.whole() {
            known.fail(account.whole(), model, trouble, now_ms);
        }
        self.changed(&known);
    }

    /// A call was answered: what stood against the account for this model is over. The moment is asked for only where there was
    /// something.
    pub fn succeed(&self, account: Account, model: &str, now_ms: impl FnOnce() -> u64) {
        if self.is_well() {
            return;
        }
        let mut known = self.lock();
        let now_ms = now_ms();
        for account in [account, account.whole()] {
            known.succeed(account, model, now_ms);
        }
        self.changed(&known);
    }

    /// Forgets what stands against those that an operator means; gives against how many accounts it was.
    pub fn reset(&self, reset: HealthReset) -> usize {
        let mut known = self.lock();
        let count = known.reset(reset, true);
        self.changed(&known);
        count
    }

    /// From here on what is learnt is gathered, for one who takes it again and again.
    pub fn follow(&self) {
        self.lock().news.is_followed = true;
    }

    /// Takes what was learnt since the last time. Costs one load of an atomic where there is nothing.
    #[must_use]
    pub fn take_news(&self, now_ms: u64) -> HealthNews {
        if !self.has_news.swap(false, Ordering::Relaxed) {
            return HealthNews::default();
        }
        let Known { states, news } = &mut *self.lock();
        news.take(|(account, model)| states.get(account)?.row(model.as_ref()), now_ms)
    }

    /// Takes over what other instances, or an earlier life of this one, have learnt. It is no news of ours.
    pub fn learn(&self, resets: &[HealthReset], rows: &[HealthRow], now_ms: u64) {
        let mut known = self.lock();
        for reset in resets {
            known.reset(*reset, false);
        }
        for row in rows {
            known.learn(row, now_ms);
        }
        self.changed(&known);
    }

    /// What stands against whom, at a moment; sorted. What is over is left out.
    #[must_use]
    pub fn reports(&self, now_ms: u64) -> Vec<Report> {
        let states = &self.lock().states;
        let mut reports: Vec<Report> = states.iter().flat_map(|(account, state)| state.reports(*account, now_ms)).collect();
        reports.sort_by(|a, b| (a.account, &a.model).cmp(&(b.account, &b.model)));
        reports
    }

    fn is_well(&self) -> bool {
        self.troubled.load(Ordering::Relaxed) == 0
    }

    fn changed(&self, known: &Known) {
        self.troubled.store(known.states.len(), Ordering::Relaxed);
        if !known.news.is_empty() {
            self.has_news.store(true, Ordering::Relaxed);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn fail(&mut self, account: Account, model: &str, trouble: &Trouble, now_ms: u64) {
        let state = self.states.entry(account).or_default();
        let (model, is_news) = state.fail(model, trouble, now_ms);
        if !self.news.is_followed {
            return;
        }
        let rest = state.row(model.as_ref()).map(|(_, rest)| rest);
        let whom = (account, model);
        if is_news {
            self.news.happened(&whom, trouble.word(), rest.as_ref(), now_ms);
        }
        self.news.change(whom);
    }

    fn succeed(&mut self, account: Account, model: &str, now_ms: u64) {
        let Some(state) = self.states.get_mut(&account) else { return };
        for model in state.succeed(model) {
            let whom = (account, model);
            self.news.clear(&whom, now_ms);
            self.news.happened(&whom, HealthWord::Recovered, None, now_ms);
        }
        if state.is_empty() {
            self.states.remove(&account);
        }
    }

    /// Forgets what was learnt of those that are meant before the moment of the reset.
    fn reset(&mut self, reset: HealthReset, is_ours: bool) -> usize {
        let mut accounts = 0;
        let news = &mut self.news;
        self.states.retain(|account, state| {
            if !reset.means(account.provider, account.credential.map(|(id, _)| id)) {
                return true;
            }
            let before: Vec<_> = if is_ours { state.whom().collect() } else { Vec::new() };
            // Here all goes, whatever another instance's clock says.
            state.clear_before(if is_ours { u64::MAX } else { reset.at_ms });
            accounts += usize::from(state.is_empty());
            for model in before {
                let whom = (*account, model);
                if state.row(whom.1.as_ref()).is_none() {
                    news.clear(&whom, reset.at_ms);
                    news.happened(&whom, HealthWord::Reset, None, reset.at_ms);
                }
            }
            !state.is_empty()
        });
        news.reset(reset, is_ours);
        accounts
    }

    fn learn(&mut self, row: &HealthRow, now_ms: u64) {
        let account = Account::of(row);
        let Some(rest) = &row.rest else {
            if let Some(state) = self.states.get_mut(&account) {
                state.clear(row.model.as_deref(), row.noted_ms);
                if state.is_empty() {
                    self.states.remove(&account);
                }
            }
            return;
        };
        let is_over = !rest.is_dead && rest.until_ms <= now_ms;
        let whom = (account, row.model.as_deref().map(Into::into));
        if is_over || self.news.is_outdated(&whom, row.noted_ms) || self.states.len() >= ACCOUNTS {
            return;
        }
        self.states.entry(account).or_default().join(row, rest, now_ms);
    }
}

#[cfg(test)]
mod tests;
