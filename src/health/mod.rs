//! How providers and their credentials are doing: who may be asked now, who is resting, who is dead.
//!
//! Learnt from answers, by [`Health::fail`] and [`Health::succeed`]; asked by [`Health::standing`]. No clock of its own:
//! every call brings the time. While all are well, asking costs one load of an atomic.

mod account;
mod budget;
mod reset;

use std::{
    collections::HashMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use account::State;
pub use account::{Account, Report, Standing, Trouble};
pub use budget::RetryBudget;
pub use reset::told;

/// The health of every credential, and of every provider without one.
#[derive(Debug, Default)]
pub struct Health {
    states: Mutex<HashMap<Account, State>>,
    /// How many states there are, for asking without the lock.
    troubled: AtomicUsize,
}

impl Health {
    /// Whether a model may be asked by an account. Of a provider's own trouble and the credential's the worse counts.
    #[must_use]
    pub fn standing(&self, account: Account, model: &str, now_ms: u64) -> Standing {
        if self.is_well() {
            return Standing::Ready;
        }
        let states = self.lock();
        let own = states.get(&account).map_or(Standing::Ready, |state| state.standing(model, now_ms));
        let whole = states.get(&account.whole()).map_or(Standing::Ready, |state| state.breaker(model, now_ms));
        own.max(whole)
    }

    /// A call goes out; tells whether the account was in trouble, so that this is the probe of whether that is over.
    pub fn begin(&self, account: Account, model: &str, now_ms: u64) -> bool {
        if self.is_well() {
            return false;
        }
        let mut states = self.lock();
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
        let mut states = self.lock();
        states.entry(account).or_default().fail(model, trouble, now_ms);
        if trouble.is_the_providers() && account != account.whole() {
            states.entry(account.whole()).or_default().fail(model, trouble, now_ms);
        }
        self.troubled.store(states.len(), Ordering::Relaxed);
    }

    /// A call was answered: what stood against the account for this model is over.
    pub fn succeed(&self, account: Account, model: &str) {
        if self.is_well() {
            return;
        }
        let mut states = self.lock();
        for account in [account, account.whole()] {
            if let Some(state) = states.get_mut(&account)
                && state.succeed(model)
            {
                states.remove(&account);
            }
        }
        self.troubled.store(states.len(), Ordering::Relaxed);
    }

    /// Forgets everything that stands against the accounts that `is_meant` picks; gives how many there were.
    pub fn forget(&self, is_meant: impl Fn(&Account) -> bool) -> usize {
        let mut states = self.lock();
        let before = states.len();
        states.retain(|account, _| !is_meant(account));
        self.troubled.store(states.len(), Ordering::Relaxed);
        before - states.len()
    }

    /// What stands against whom, at a moment; sorted. What is over is left out.
    #[must_use]
    pub fn reports(&self, now_ms: u64) -> Vec<Report> {
        let states = self.lock();
        let mut reports: Vec<Report> = states.iter().flat_map(|(account, state)| state.reports(*account, now_ms)).collect();
        reports.sort_by(|a, b| (a.account, &a.model).cmp(&(b.account, &b.model)));
        reports
    }

    fn is_well(&self) -> bool {
        self.troubled.load(Ordering::Relaxed) == 0
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Account, State>> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
