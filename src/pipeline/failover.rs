//! What to do next, told from what happened so far. Pure: no clock, no dice, no network.
//!
//! What its provider did not begin with is sent again at once, once. The first failure of the provider's own making is tried again where it
//! happened, once; the second one goes to the next
//! member of the route. What is a credential's fault goes to the next credential. A short wait that the provider asked for
//! is kept to. What is the client's own fault goes to nobody else.
//!
//! An answer that breaks off after its first content is committed: it is never simply tried again. Where its route says so,
//! the next one is asked to go on with it.

use std::time::Duration;

use crate::{
    health::Standing,
    route::{Cause, OnStreamFault},
};

/// The most tries of one call.
const MOST_TRIES: usize = 8;
/// The most answers of one call that may break off after their first content before it is given up.
const MOST_CUTS: usize = 3;
/// A rest that a provider asks for is waited for where it was asked, rather than going elsewhere, up to this.
const SHORT: Duration = Duration::from_millis(2_500);
/// How long one is left alone, where nobody else is left, that asked for patience and did not say how much.
const PATIENCE: Duration = Duration::from_secs(1);
/// A rest is waited for where nobody else is left, up to this.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// One credential of one member: a place that a call may go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    /// Its member's place in the plan.
    pub(super) member: usize,
    /// Its credential's place at the provider; `None` where that has none.
    pub(super) credential: Option<usize>,
    /// It is asked only where the call was declined for this.
    pub(super) cause: Option<Cause>,
}

/// How a try failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The provider or the way to it failed.
    Broken,
    /// The provider said that it did not begin with the call, since its connection takes no more of them.
    Unbegun,
    /// It said nothing for too long, and would again.
    Silent,
    /// Too much for now; how long it asked to be left alone.
    Limited(Option<Duration>),
    /// The credential was refused, or its money is spent.
    Refused,
    /// The member cannot serve this call, nor could its other credentials.
    Unfit,
    /// Whoever is asked would answer so: the client's own fault.
    Final,
    /// Its model, or its provider's policy, does not take the call: whoever the route has for that may.
    Declined(Cause),
    /// Its answer broke off after its first content, which the client has.
    Cut,
    /// Asked to go on with another's answer, it said something else.
    Diverged,
}

/// A try that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tried {
    /// The candidate's place.
    pub(super) at: usize,
    pub(super) outcome: Outcome,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Ask the candidate at this place, after a while.
    Try { at: usize, after: Duration },
    /// Ask the candidate at this place, after a while, to go on with what the client has.
    Rescue { at: usize, after: Duration },
    /// Nobody is left: the client gets what the last one said.
    Stop,
    /// Nobody could be asked at all; the first may be again at this moment, Unix milliseconds.
    Rest(u64),
}

/// What the next step depends on.
pub(super) struct View<'a> {
    /// Those that a call may go to, in the order of the plan.
    pub(super) candidates: &'a [Candidate],
    /// How each of them is doing now.
    pub(super) standing: &'a dyn Fn(usize) -> Standing,
    /// What failed so far.
    pub(super) tried: &'a [Tried],
    /// Whether the provider's budget lets a call be tried over again; asked only where it would be.
    pub(super) may_retry: &'a dyn Fn(usize) -> bool,
    /// The same where nobody else is left: then one that was asked whether it is well again may be asked once more.
    pub(super) may_return: &'a dyn Fn(usize) -> bool,
    /// What the route does with an answer that broke off after its first content.
    pub(super) on_stream_fault: OnStreamFault,
    /// Whether a candidate goes on from the beginning of an answer; asked only where that is needed.
    pub(super) continues: &'a dyn Fn(usize) -> bool,
    /// How long to pause before such a try.
    pub(super) pause: Duration,
    /// Now, Unix milliseconds.
    pub(super) now_ms: u64,
    /// Until when the call has to be answered.
    pub(super) end_ms: u64,
}

/// What to do next.
pub(super) fn next(view: &View<'_>) -> Step {
    if view.tried.len() >= MOST_TRIES || view.now_ms >= view.end_ms {
        return Step::Stop;
    }
    if view.tried.iter().any(|tried| tried.outcome == Outcome::Cut) {
        return view.rescue();
    }
    let Some(last) = view.tried.last() else { return view.elsewhere().unwrap_or_else(|| view.wait()) };
    let again = match last.outcome {
        Outcome::Final | Outcome::Cut | Outcome::Diverged => return Step::Stop,
        // The others of its own would say the same: only those are asked who stand by for it, and none of them is where none does.
        Outcome::Declined(_) => return view.elsewhere().unwrap_or_else(|| view.wait()),
        Outcome::Broken => view.once_more(last.at, view.pause),
        Outcome::Unbegun => view.at_once(last.at),
        Outcome::Limited(Some(span)) if span <= SHORT && !view.has_sibling(last.at) => view.once_more(last.at, span),
        Outcome::Silent | Outcome::Limited(_) | Outcome::Refused | Outcome::Unfit => None,
    };
    again.or_else(|| view.elsewhere()).or_else(|| view.last_resort(&|_| true)).unwrap_or_else(|| view.wait())
}

impl View<'_> {
    /// Who goes on with an answer that broke off: somebody else, or the same one where nobody else is there, or the first of
    /// those that rest, where that is soon.
    fn rescue(&self) -> Step {
        let cuts = self.tried.iter().filter(|tried| tried.outcome == Outcome::Cut).count();
        let last = self.tried.last().filter(|last| !matches!(last.outcome, Outcome::Final | Outcome::Declined(_)) && cuts < MOST_CUTS);
        let Some(last) = last.filter(|_| self.on_stream_fault == OnStreamFault::Rescue) else { return Step::Stop };
        // Whose answer is another one than what the client has says so to everybody who only asks again.
        let diverged = self.tried.iter().any(|tried| tried.outcome == Outcome::Diverged);
        let fits = |at: usize| !diverged || (self.continues)(at);
        let once_more = || if last.outcome == Outcome::Unbegun { self.at_once(last.at) } else { self.once_more(last.at, self.pause) };
        let again = if fits(last.at) { once_more() } else { None };
        let step = match last.outcome {
            Outcome::Broken | Outcome::Unbegun => again.or_else(|| self.elsewhere_among(&fits)),
            Outcome::Cut => self.elsewhere_among(&fits).or(again),
            Outcome::Silent
            | Outcome::Limited(_)
            | Outcome::Refused
            | Outcome::Unfit
            | Outcome::Diverged
            | Outcome::Declined(_)
            | Outcome::Final => self.elsewhere_among(&fits),
        };
        match step.or_else(|| self.last_resort(&fits)).unwrap_or_else(|| self.wait_among(&fits)) {
            Step::Try { at, after } => Step::Rescue { at, after },
            Step::Rescue { .. } | Step::Stop | Step::Rest(_) => Step::Stop,
        }
    }

    /// Before the client hears that nobody is left, those are asked again that failed once: whoever was heard comes first, and
    /// whoever said nothing last, and only where somebody else has failed too: one that is alone would be silent twice.
    fn last_resort(&self, fits: &dyn Fn(usize) -> bool) -> Option<Step> {
        let may = |at: usize| {
            fits(at) && self.is_meant(at) && self.tries(at) == 1 && !self.is_closed(at) && (self.standing)(at) < Standing::Condemned
        };
        let alone = self.tried.iter().all(|tried| Some(tried.at) == self.tried.first().map(|first| first.at));
        [(Outcome::Cut, self.pause), (Outcome::Broken, self.pause), (Outcome::Limited(None), PATIENCE), (Outcome::Silent, self.pause)]
            .into_iter()
            .filter(|(outcome, after)| (*outcome != Outcome::Silent || !alone) && self.in_time(*after))
            .find_map(|(outcome, after)| {
                let mut once = self.tried.iter().filter(|tried| tried.outcome == outcome && may(tried.at));
                let tried = once.find(|tried| (self.may_return)(tried.at))?;
                Some(Step::Try { at: tried.at, after })
            })
    }

    /// Whether the call, as far as it has come, is for this candidate: for those of its route, or for those who stand by for why it
    /// was declined last.
    fn is_meant(&self, at: usize) -> bool {
        let declined = self.tried.iter().rev().find_map(|tried| match tried.outcome {
            Outcome::Declined(cause) => Some(cause),
            Outcome::Broken
            | Outcome::Unbegun
            | Outcome::Silent
            | Outcome::Limited(_)
            | Outcome::Refused
            | Outcome::Unfit
            | Outcome::Final
            | Outcome::Cut
            | Outcome::Diverged => None,
        });
        self.candidates[at].cause == declined
    }

    fn tries(&self, at: usize) -> usize {
        self.tried.iter().filter(|tried| tried.at == at).count()
    }

    /// The same candidate a second time.
    fn once_more(&self, at: usize, after: Duration) -> Option<Step> {
        let may = self.tries(at) == 1 && ((self.standing)(at) < Standing::Condemned || self.is_short_rest(at));
        (may && self.in_time(after) && (self.may_retry)(at)).then_some(Step::Try { at, after })
    }

    /// The same candidate a second time, without a pause and at nobody's expense: the first time did not count.
    fn at_once(&self, at: usize) -> Option<Step> {
        let may = self.tries(at) == 1 && (self.standing)(at) < Standing::Condemned;
        may.then_some(Step::Try { at, after: Duration::ZERO })
    }

    /// Whether the candidate rests only because it has just said so.
    fn is_short_rest(&self, at: usize) -> bool {
        matches!((self.standing)(at), Standing::Resting(until) if until.saturating_sub(self.now_ms) <= millis(SHORT))
    }

    /// Whether another credential of the same member can be asked.
    fn has_sibling(&self, at: usize) -> bool {
        let member = self.candidates[at].member;
        (0..self.candidates.len()).any(|other| self.candidates[other].member == member && self.may_go(other, Standing::Ready))
    }

    fn may_go(&self, at: usize, worst: Standing) -> bool {
        self.tries(at) == 0 && self.is_meant(at) && !self.is_closed(at) && (self.standing)(at) <= worst
    }

    /// Whether the member cannot serve the call, whatever the credential.
    fn is_closed(&self, at: usize) -> bool {
        let member = self.candidates[at].member;
        self.tried.iter().any(|tried| tried.outcome == Outcome::Unfit && self.candidates[tried.at].member == member)
    }

    /// Whether the member failed by itself, so that its other credentials are hardly better.
    fn is_doubted(&self, at: usize) -> bool {
        let member = self.candidates[at].member;
        let failed = |tried: &&Tried| matches!(tried.outcome, Outcome::Broken | Outcome::Silent | Outcome::Cut);
        self.tried.iter().filter(failed).any(|tried| self.candidates[tried.at].member == member)
    }

    /// The best of those that were not asked yet: by their standing, then by whether their member has failed, then in order.
    fn elsewhere(&self) -> Option<Step> {
        self.elsewhere_among(&|_| true)
    }

    fn elsewhere_among(&self, fits: &dyn Fn(usize) -> bool) -> Option<Step> {
        [Standing::Ready, Standing::Doubtful, Standing::Condemned].into_iter().find_map(|worst| {
            let mut open = (0..self.candidates.len()).filter(|at| self.may_go(*at, worst) && fits(*at));
            let first = open.next()?;
            let best = std::iter::once(first).chain(open).find(|at| !self.is_doubted(*at));
            Some(Step::Try { at: best.unwrap_or(first), after: Duration::ZERO })
        })
    }

    /// The first of those that rest to come back, where that is soon. One wait is enough for a call.
    fn wait(&self) -> Step {
        self.wait_among(&|_| true)
    }

    fn wait_among(&self, fits: &dyn Fn(usize) -> bool) -> Step {
        let resting =
            (0..self.candidates.len()).filter(|at| !self.is_closed(*at) && self.is_meant(*at) && self.tries(*at) < 2 && fits(*at));
        let soonest = resting.filter_map(|at| match (self.standing)(at) {
            Standing::Resting(until) => Some((until, at)),
            Standing::Ready | Standing::Doubtful | Standing::Condemned => None,
        });
        let Some((until, at)) = soonest.min() else { return Step::Stop };
        let after = Duration::from_millis(until.saturating_sub(self.now_ms));
        let waited = self.tried.iter().any(|tried| self.tries(tried.at) > 1);
        if !waited && after <= LONGEST_WAIT && self.in_time(after) {
            Step::Try { at, after }
        } else if self.tried.is_empty() {
            Step::Rest(until)
        } else {
            Step::Stop
        }
    }

    fn in_time(&self, after: Duration) -> bool {
        self.now_ms.saturating_add(millis(after)) < self.end_ms
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{
        Candidate,
        Cause::{ContentPolicy, ContextLength},
        OnStreamFault,
        Outcome::{self, Broken, Cut, Diverged, Final, Limited, Refused, Silent, Unbegun, Unfit},
        Standing::{self, Condemned, Doubtful, Ready, Resting},
        Step, Tried, View, next,
    };

    const NOW: u64 = 1_000_000;
    const PAUSE: Duration = Duration::from_millis(70);
    /// One that was asked whether it is well again.
    const PROBE: usize = 5;

    const fn go(at: usize) -> Step {
        Step::Try { at, after: Duration::ZERO }
    }

    const fn again(at: usize, ms: u64) -> Step {
        Step::Try { at, after: Duration::from_millis(ms) }
    }

    const fn later(ms: u64) -> Outcome {
        Limited(Some(Duration::from_millis(ms)))
    }

    /// Candidates as the members that they belong to.
    fn told(members: &[usize], standing: &[Standing], tried: &[(usize, Outcome)], may_retry: bool, left: u64) -> Step {
        let candidates: Vec<Candidate> =
            members.iter().enumerate().map(|(at, member)| Candidate { member: *member, credential: Some(at), cause: None }).collect();
        let tried: Vec<Tried> = tried.iter().map(|(at, outcome)| Tried { at: *at, outcome: *outcome }).collect();
        next(&View {
            candidates: &candidates,
            standing: &|at| standing[at],
            tried: &tried,
            may_retry: &|at| may_retry && at != PROBE,
            may_return: &|_| may_retry,
            on_stream_fault: OnStreamFault::Rescue,
            // The odd ones go on from a beginning.
            continues: &|at| at % 2 == 1,
            pause: PAUSE,
            now_ms: NOW,
            end_ms: NOW + left,
        })
    }

    /// A call of a route with one member, and those who stand by: one for long prompts, two for what its policy is against.
    fn declined(standing: &[Standing], tried: &[(usize, Outcome)]) -> Step {
        let causes = [None, Some(ContextLength), Some(ContentPolicy), Some(ContentPolicy)];
        let candidates: Vec<Candidate> =
            causes.iter().enumerate().map(|(member, cause)| Candidate { member, credential: None, cause: *cause }).collect();
        let tried: Vec<Tried> = tried.iter().map(|(at, outcome)| Tried { at: *at, outcome: *outcome }).collect();
        next(&View {
            candidates: &candidates,
            standing: &|at| standing[at],
            tried: &tried,
            may_retry: &|_| true,
            may_return: &|_| true,
            on_stream_fault: OnStreamFault::Rescue,
            continues: &|_| true,
            pause: PAUSE,
            now_ms: NOW,
            end_ms: NOW + 60_000,
        })
    }

    /// A name, how they stand, what failed, what is next.
    type Stood<'a> = (&'a str, &'a [Standing], &'a [(usize, Outcome)], Step);

    #[test]
    fn who_stands_by_for_a_cause_is_asked_for_that_alone() {
        let (well, long, other) = ([Ready; 4], Outcome::Declined(ContextLength), Outcome::Declined(ContentPolicy));
        let rest = Resting(NOW + 3_000);
        let rows: [Stood<'_>; 15] = [
            ("nobody else at first", &well, &[], go(0)),
            ("nor where its own is away", &[rest, Ready, Ready, Ready], &[], again(0, 3_000)),
            ("nor where that fails", &well, &[(0, Silent)], Step::Stop),
            ("one's own fault stays so", &well, &[(0, Final)], Step::Stop),
            ("a prompt that is too long", &well, &[(0, long)], go(1)),
            ("too long for that one too", &well, &[(0, long), (1, long)], Step::Stop),
            ("what a policy is against", &well, &[(0, other)], go(2)),
            ("the next of them where the first fails", &well, &[(0, other), (2, Silent)], go(3)),
            ("or declines it too", &well, &[(0, other), (2, other)], go(3)),
            ("all of them do", &well, &[(0, other), (2, other), (3, other)], Step::Stop),
            ("a failure of theirs is tried again there", &well, &[(0, long), (1, Broken)], again(1, 70)),
            ("one cause after the other", &well, &[(0, long), (1, other)], go(2)),
            ("a short rest is waited for", &[Ready, rest, Ready, Ready], &[(0, long)], again(1, 3_000)),
            ("its own come first", &[Doubtful, Ready, Ready, Ready], &[(0, Broken)], again(0, 70)),
            (
                "a cut answer of theirs is theirs to go on with",
                &well,
                &[(0, other), (2, Cut)],
                Step::Rescue { at: 3, after: Duration::ZERO },
            ),
        ];
        for (name, standing, tried, expected) in rows {
            assert_eq!(declined(standing, tried), expected, "{name}");
        }
    }

    type Row<'a> = (&'a str, &'a [usize], &'a [Standing], &'a [(usize, Outcome)], Step);

    #[test]
    fn the_table() {
        let rows: [Row<'_>; 35] = [
            ("the first of the plan", &[0, 1], &[Ready, Ready], &[], go(0)),
            ("the doubtful step back", &[0, 1], &[Doubtful, Ready], &[], go(1)),
            ("but serve where nobody else does", &[0, 1], &[Doubtful, Resting(NOW + 60_000)], &[], go(0)),
            ("the dead come last", &[0, 0, 1], &[Condemned, Condemned, Doubtful], &[], go(2)),
            ("and are asked rather than nobody", &[0, 0], &[Condemned, Condemned], &[], go(0)),
            ("a short rest is waited for", &[0, 1], &[Resting(NOW + 4_000), Resting(NOW + 3_000)], &[], again(1, 3_000)),
            ("a long one is told", &[0, 1], &[Resting(NOW + 60_000), Resting(NOW + 9_000)], &[], Step::Rest(NOW + 9_000)),
            ("a first failure is tried again", &[0, 1], &[Doubtful, Ready], &[(0, Broken)], again(0, 70)),
            ("a second one is not", &[0, 1], &[Doubtful, Ready], &[(0, Broken), (0, Broken)], go(1)),
            ("what was not begun with is sent again at once", &[0, 1], &[Ready, Ready], &[(0, Unbegun)], go(0)),
            ("and once only", &[0, 1], &[Doubtful, Ready], &[(0, Unbegun), (0, Broken)], go(1)),
            ("silence is not tried again", &[0, 1], &[Doubtful, Ready], &[(0, Silent)], go(1)),
            ("a broken circuit is not", &[0, 1], &[Resting(NOW + 15_000), Ready], &[(0, Broken)], go(1)),
            (
                "members before credentials where the member failed",
                &[0, 0, 1],
                &[Doubtful, Ready, Ready],
                &[(0, Broken), (0, Broken)],
                go(2),
            ),
            ("then the other credentials", &[0, 0, 1], &[Doubtful, Ready, Doubtful], &[(0, Silent), (2, Silent)], go(1)),
            ("credentials before members where the credential failed", &[0, 0, 1], &[Condemned, Ready, Ready], &[(0, Refused)], go(1)),
            ("so too at a limit", &[0, 0, 1], &[Resting(NOW + 2_000), Ready, Ready], &[(0, later(2_000))], go(1)),
            ("a short limit is waited for", &[0, 1], &[Resting(NOW + 2_000), Ready], &[(0, later(2_000))], again(0, 2_000)),
            ("a longer one is not", &[0, 1], &[Resting(NOW + 3_000), Ready], &[(0, later(3_000))], go(1)),
            ("nor one without a figure", &[0, 1], &[Doubtful, Ready], &[(0, Limited(None))], go(1)),
            ("nor the second time", &[0, 1], &[Resting(NOW + 2_000), Ready], &[(0, later(2_000)), (0, later(2_000))], go(1)),
            ("one that is the last resort is waited for longer", &[0], &[Resting(NOW + 4_000)], &[(0, later(4_000))], again(0, 4_000)),
            ("and not for ever", &[0], &[Resting(NOW + 6_000)], &[(0, later(6_000))], Step::Stop),
            ("nor twice", &[0], &[Resting(NOW + 1_000)], &[(0, later(1_000)), (0, later(1_000))], Step::Stop),
            ("nobody is left", &[0], &[Doubtful], &[(0, Broken), (0, Broken)], Step::Stop),
            ("a limit without a figure is, by the last one", &[0], &[Doubtful], &[(0, Limited(None))], again(0, 1_000)),
            ("silence everywhere is asked once more", &[0, 1], &[Doubtful, Doubtful], &[(0, Silent), (1, Silent)], again(0, 70)),
            ("after whoever said something", &[0, 1], &[Doubtful, Doubtful], &[(0, Silent), (1, Limited(None))], again(1, 1_000)),
            ("one that is alone is silent once", &[0], &[Doubtful], &[(0, Silent)], Step::Stop),
            ("the client's own fault", &[0, 1], &[Ready, Ready], &[(0, Final)], Step::Stop),
            ("a member that cannot serve it", &[0, 0, 1], &[Ready, Ready, Ready], &[(0, Unfit)], go(2)),
            ("nobody can serve it", &[0, 0], &[Ready, Ready], &[(0, Unfit)], Step::Stop),
            ("a refused credential and nobody else", &[0], &[Resting(NOW + 30_000)], &[(0, Refused)], Step::Stop),
            ("nobody at all", &[], &[], &[], Step::Stop),
            (
                "eight tries are enough",
                &[0, 1, 2, 3, 4],
                &[Doubtful, Doubtful, Doubtful, Doubtful, Ready],
                &[(0, Broken), (0, Broken), (1, Broken), (1, Broken), (2, Broken), (2, Broken), (3, Broken), (3, Broken)],
                Step::Stop,
            ),
        ];
        for (name, members, standing, tried, expected) in rows {
            assert_eq!(told(members, standing, tried, true, 60_000), expected, "{name}");
        }
    }

    const fn go_on(at: usize, ms: u64) -> Step {
        Step::Rescue { at, after: Duration::from_millis(ms) }
    }

    #[test]
    fn the_table_of_answers_that_broke_off() {
        let rows: [Row<'_>; 17] = [
            ("the next one goes on", &[0, 1], &[Doubtful, Ready], &[(0, Cut)], go_on(1, 0)),
            ("another member before its other credentials", &[0, 0, 1], &[Doubtful, Ready, Ready], &[(0, Cut)], go_on(2, 0)),
            ("its other credential where nobody else is", &[0, 0], &[Doubtful, Ready], &[(0, Cut)], go_on(1, 0)),
            ("itself where it is alone", &[0], &[Doubtful], &[(0, Cut)], go_on(0, 70)),
            ("once", &[0], &[Doubtful], &[(0, Cut), (0, Cut)], Step::Stop),
            ("rather than one that rests", &[0, 1], &[Doubtful, Resting(NOW + 900)], &[(0, Cut)], go_on(0, 70)),
            ("one that rests is waited for", &[0, 1], &[Resting(NOW + 9_000), Resting(NOW + 900)], &[(0, Cut)], go_on(1, 900)),
            ("not for long", &[0, 1], &[Resting(NOW + 9_000), Resting(NOW + 9_000)], &[(0, Cut)], Step::Stop),
            ("a failure on the way is tried again", &[0, 1, 2], &[Doubtful, Doubtful, Ready], &[(0, Cut), (1, Broken)], go_on(1, 70)),
            (
                "and then the next one is asked",
                &[0, 1, 2],
                &[Doubtful, Doubtful, Ready],
                &[(0, Cut), (1, Broken), (1, Broken)],
                go_on(2, 0),
            ),
            (
                "one that was heard is asked again before it is given up",
                &[0, 1],
                &[Doubtful, Doubtful],
                &[(0, Cut), (1, Silent)],
                go_on(0, 70),
            ),
            ("a refusal of the call ends it", &[0, 1, 2], &[Doubtful, Ready, Ready], &[(0, Cut), (1, Final)], Step::Stop),
            ("one that cannot take it does not", &[0, 1, 2], &[Doubtful, Ready, Ready], &[(0, Cut), (1, Unfit)], go_on(2, 0)),
            (
                "after another answer those that go on from a beginning",
                &[0, 1, 2, 3],
                &[Doubtful, Ready, Ready, Ready],
                &[(0, Cut), (2, Diverged)],
                go_on(1, 0),
            ),
            ("where there are none it ends", &[0, 1, 2], &[Doubtful, Resting(NOW + 9_000), Ready], &[(0, Cut), (2, Diverged)], Step::Stop),
            ("a second one may break off", &[0, 1, 2], &[Doubtful, Doubtful, Ready], &[(0, Cut), (1, Cut)], go_on(2, 0)),
            ("a third one ends it", &[0, 1, 2, 3], &[Doubtful, Doubtful, Doubtful, Ready], &[(0, Cut), (1, Cut), (2, Cut)], Step::Stop),
        ];
        for (name, members, standing, tried, expected) in rows {
            assert_eq!(told(members, standing, tried, true, 60_000), expected, "{name}");
        }
        assert_eq!(told(&[0, 1], &[Doubtful, Ready], &[(0, Cut)], true, 0), Step::Stop, "not after the end of the call's time");
    }

    #[test]
    fn without_rescue_an_answer_that_broke_off_is_nobody_elses_turn() {
        let candidates = [Candidate { member: 0, credential: None, cause: None }, Candidate { member: 1, credential: None, cause: None }];
        let view = View {
            candidates: &candidates,
            standing: &|_| Ready,
            tried: &[Tried { at: 0, outcome: Cut }],
            may_retry: &|_| true,
            may_return: &|_| true,
            on_stream_fault: OnStreamFault::Error,
            continues: &|_| true,
            pause: PAUSE,
            now_ms: NOW,
            end_ms: NOW + 1,
        };
        assert_eq!(next(&view), Step::Stop);
    }

    #[test]
    fn without_budget_nothing_is_tried_over_again() {
        assert_eq!(told(&[0, 1], &[Doubtful, Ready], &[(0, Broken)], false, 60_000), go(1));
        assert_eq!(told(&[0], &[Doubtful], &[(0, Broken)], false, 60_000), Step::Stop);
        assert_eq!(told(&[0], &[Ready], &[(0, Unbegun)], false, 60_000), go(0), "what was not begun with costs nobody anything");
    }

    #[test]
    fn a_probe_is_tried_over_again_only_where_nobody_else_is_left() {
        let members = [0, 1, 2, 3, 4, 5];
        let mut standing = [Doubtful; 6];
        let tried = [(PROBE, Broken), (0, Silent), (1, Silent), (2, Silent), (3, Silent)];
        assert_eq!(told(&members, &standing, &tried[..1], true, 60_000), go(0));
        assert_eq!(told(&members, &standing, &tried, true, 60_000), go(4));
        standing[4] = Resting(NOW + 60_000);
        assert_eq!(told(&members, &standing, &tried, true, 60_000), again(PROBE, 70));
        assert_eq!(told(&members, &standing, &tried, false, 60_000), Step::Stop, "within the budget");
        standing[PROBE] = Resting(NOW + 60_000);
        assert_eq!(told(&members, &standing, &tried, true, 60_000), again(0, 70), "not one that rests: whoever was silent");
    }

    #[test]
    fn nothing_begins_after_the_end() {
        assert_eq!(told(&[0, 1], &[Ready, Ready], &[(0, Silent)], true, 0), Step::Stop);
        assert_eq!(told(&[0], &[Resting(NOW + 2_000)], &[(0, later(2_000))], true, 1_000), Step::Stop);
    }
}
