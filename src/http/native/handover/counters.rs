//! An heir's counters: as long as the giver has calls of its own it counts for both, then the heir goes on with what it held.
//!
//! A step that the giver did not answer before it told what it holds was not done there, and is done here: so each is done once. Where
//! the giver dies without a word, budgets begin from the usage rows, and the reservations of the heir's own calls stand.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::oneshot;

use super::{
    line::Mouth,
    words::{Step, Told, Word},
};
use crate::{
    base::RequestId,
    store::cache::{
        Admission, Answer, Audit, CacheFault, Claim, Counted, Counters, End, Holdings, Meter, Reading, Spend, Standing,
        memory::MemoryCounters,
    },
};

/// Counters that are another process's for a while.
#[derive(Debug)]
pub(in crate::http::native) struct Handed {
    here: Arc<MemoryCounters>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Where the giver is asked; `None` where the counting is done here.
    giver: Option<Mouth>,
    asked: u64,
    /// Steps that were not answered yet.
    waiting: HashMap<u64, (Step, oneshot::Sender<Told>)>,
    /// What the giver reserved for calls of this process.
    mine: HashMap<RequestId, Standing>,
}

/// Where a step goes.
enum Way {
    Here,
    There(Mouth, u64, oneshot::Receiver<Told>),
}

impl Handed {
    /// Counters that a giver keeps so far; `here` goes on with them.
    pub(super) fn new(giver: Mouth, here: Arc<MemoryCounters>) -> Self {
        let state = State { giver: Some(giver), asked: 0, waiting: HashMap::new(), mine: HashMap::new() };
        Self { here, state: Mutex::new(state) }
    }

    /// Notes what the giver answered.
    pub(super) fn told(&self, number: u64, told: Told) {
        let mut state = self.state();
        let Some((step, asker)) = state.waiting.remove(&number) else { return };
        match (&step, &told) {
            (Step::Admit(claim), Told::Admission(Admission::Admitted(_))) => {
                let until_ms = claim.now_ms.saturating_add(claim.lease_ms);
                state.mine.insert(claim.id, Standing { id: claim.id, until_ms, draws: claim.draws.clone() });
            }
            (Step::Settle { id, .. } | Step::Release(id), Told::End(_)) => _ = state.mine.remove(id),
            _ => {}
        }
        if let Err(Told::Admission(Admission::Admitted(_))) = asker.send(told)
            && let (Step::Admit(claim), Some(giver)) = (step, &state.giver)
        {
            // Whoever asked is gone: nobody will end what was reserved. Where the line is full, its lease ends it.
            let _full = giver.try_send((Word::Ask { number: 0, step: Step::Release(claim.id) }, None));
            state.mine.remove(&claim.id);
        }
    }

    /// Counts here from now on, beginning with what the giver held. Gives the reservations that are the giver's own: calls whose end
    /// only their rows tell.
    pub(super) fn take_over(&self, holdings: Holdings) -> Vec<Standing> {
        let mut state = self.state();
        let strangers = holdings.standing.iter().filter(|standing| !state.mine.contains_key(&standing.id)).cloned().collect();
        self.here.take_over(holdings);
        state.go_on(&self.here);
        strangers
    }

    /// Counts here from now on, with the reservations of this process's calls; what was spent stands in [`Self::here`] already.
    pub(super) fn go_on_alone(&self) {
        let mut state = self.state();
        let standing = state.mine.values().cloned().collect();
        self.here.take_over(Holdings { meters: Vec::new(), standing });
        state.go_on(&self.here);
    }

    /// The counters that go on.
    pub(in crate::http::native) fn here(&self) -> &Arc<MemoryCounters> {
        &self.here
    }

    fn way(&self, step: &Step) -> Way {
        let mut state = self.state();
        let Some(giver) = state.giver.clone() else { return Way::Here };
        state.asked += 1;
        let (number, (asker, answer)) = (state.asked, oneshot::channel());
        state.waiting.insert(number, (step.clone(), asker));
        Way::There(giver, number, answer)
    }

    /// Does a step where the counting is done.
    fn ask<'a, T: Send + 'a>(&'a self, step: Step, read: impl FnOnce(Told) -> Result<T, CacheFault> + Send + 'a) -> Counted<'a, T> {
        let (mouth, number, answer) = match self.way(&step) {
            Way::Here => return Answer::now(read(done(&self.here, step))),
            Way::There(mouth, number, answer) => (mouth, number, answer),
        };
        Answer::later(async move {
            // Where nobody hears any more, the step waits for the counting to be done here.
            let _unheard = mouth.send((Word::Ask { number, step }, None)).await;
            drop(mouth);
            read(answer.await.unwrap_or_else(|_| Told::Fault("the counters are gone".to_owned())))
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change is whole between two locks.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn go_on(&mut self, here: &MemoryCounters) {
        self.giver = None;
        self.mine = HashMap::new();
        let mut waiting: Vec<_> = self.waiting.drain().collect();
        // In the order in which they were asked.
        waiting.sort_unstable_by_key(|(number, _)| *number);
        for (_, (step, asker)) in waiting {
            let admits = if let Step::Admit(claim) = &step { Some(claim.id) } else { None };
            if let (Err(_gone), Some(id)) = (asker.send(done(here, step)), admits) {
                here.release_now(id);
            }
        }
    }
}

/// Does a step on counters in memory.
pub(super) fn done(counters: &MemoryCounters, step: Step) -> Told {
    /// In memory every answer stands.
    fn stands<T>(answer: Counted<'_, T>, tell: impl FnOnce(T) -> Told) -> Told {
        match answer.take() {
            Ok(Ok(value)) => tell(value),
            Ok(Err(CacheFault::Held(id))) => Told::Held(id),
            Ok(Err(fault)) => Told::Fault(fault.to_string()),
            Err(_) => Told::Fault("counters in memory did not answer".to_owned()),
        }
    }
    let nothing = |()| Told::Done;
    match step {
        Step::Admit(claim) => stands(counters.admit(claim), Told::Admission),
        Step::Settle { id, now_ms, actuals } => stands(counters.settle(id, now_ms, &actuals), Told::End),
        Step::Release(id) => stands(counters.release(id), Told::End),
        Step::Extend { ids, until_ms } => stands(counters.extend(&ids, until_ms), nothing),
        Step::Sweep(now_ms) => stands(counters.sweep(now_ms), Told::Swept),
        Step::Seed { meter, at_ms, spent } => stands(counters.seed(meter, at_ms, spent), nothing),
        Step::Read { meters, now_ms } => stands(counters.read(&meters, now_ms), Told::Readings),
        Step::Forget(meter) => stands(counters.forget(meter), nothing),
        Step::Audit => stands(counters.audit(), |audit| Told::Audit(Box::new(audit))),
    }
}

/// What is none of the answers that a step may have.
fn otherwise(told: Told) -> CacheFault {
    match told {
        Told::Held(id) => CacheFault::Held(id),
        told => CacheFault::Refused(format!("the counters answer {told:?}").into()),
    }
}

impl Counters for Handed {
    fn admit(&self, claim: Claim) -> Counted<'_, Admission> {
        self.ask(Step::Admit(claim), |told| if let Told::Admission(admission) = told { Ok(admission) } else { Err(otherwise(told)) })
    }

    fn settle(&self, id: RequestId, now_ms: u64, actuals: &[Spend]) -> Counted<'_, End> {
        let step = Step::Settle { id, now_ms, actuals: actuals.to_vec() };
        self.ask(step, |told| if let Told::End(end) = told { Ok(end) } else { Err(otherwise(told)) })
    }

    fn release(&self, id: RequestId) -> Counted<'_, End> {
        self.ask(Step::Release(id), |told| if let Told::End(end) = told { Ok(end) } else { Err(otherwise(told)) })
    }

    fn extend(&self, ids: &[RequestId], until_ms: u64) -> Counted<'_, ()> {
        self.ask(Step::Extend { ids: ids.to_vec(), until_ms }, nothing)
    }

    fn sweep(&self, now_ms: u64) -> Counted<'_, Vec<RequestId>> {
        self.ask(Step::Sweep(now_ms), |told| if let Told::Swept(ids) = told { Ok(ids) } else { Err(otherwise(told)) })
    }

    fn seed(&self, meter: Meter, at_ms: u64, spent: i64) -> Counted<'_, ()> {
        self.ask(Step::Seed { meter, at_ms, spent }, nothing)
    }

    fn read(&self, meters: &[Meter], now_ms: u64) -> Counted<'_, Vec<Reading>> {
        let step = Step::Read { meters: meters.to_vec(), now_ms };
        self.ask(step, |told| if let Told::Readings(readings) = told { Ok(readings) } else { Err(otherwise(told)) })
    }

    fn forget(&self, meter: Meter) -> Counted<'_, ()> {
        self.ask(Step::Forget(meter), nothing)
    }

    fn audit(&self) -> Counted<'_, Audit> {
        self.ask(Step::Audit, |told| if let Told::Audit(audit) = told { Ok(*audit) } else { Err(otherwise(told)) })
    }
}

fn nothing(told: Told) -> Result<(), CacheFault> {
    if let Told::Done = told { Ok(()) } else { Err(otherwise(told)) }
}

#[cfg(test)]
mod tests;
