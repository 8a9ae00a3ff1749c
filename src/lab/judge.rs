//! Decides about one fault from what was seen: pure, and a table to test.
//!
//! What must hold and does not is a failure, what should hold and does not is a flaw. A call that reached its wall hangs.

use serde::Serialize;

use super::{
    client::{Ending as Heard, Seen},
    fault::{OUTAGE, Outage},
    ledger::{Attempt, Ending},
};

/// Attempts within which a client gives up hope for a provider, in all.
const MOST: usize = 6;

/// How a fault was survived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Score {
    /// Something that must hold does not.
    Fail,
    /// Something that should hold does not.
    Partial,
    /// Rescued, and clean.
    Pass,
}

/// A judgement with its reasons.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// The score.
    pub score: Score,
    /// What must hold and does not.
    pub failed: Vec<String>,
    /// What should hold and does not.
    pub lacking: Vec<String>,
}

/// What was seen of one fault.
#[derive(Clone, Debug, Serialize)]
pub struct Observed {
    /// The fault's number.
    pub fault: u8,
    /// How long its outage lasts, where it has one.
    #[serde(skip)]
    pub outage: Outage,
    /// What the client saw, call by call.
    pub seen: Vec<Seen>,
    /// The attempts on the primary.
    pub primary: Vec<Attempt>,
    /// The attempts on the fallback.
    pub fallback: Vec<Attempt>,
    /// Tokens of answers that the gateway's records charge to the primary.
    pub billed: Option<u64>,
    /// Whether a healthy request succeeded afterwards.
    pub alive: bool,
}

/// Judges what was seen of one fault.
#[must_use]
pub fn judge(observed: &Observed) -> Verdict {
    let mut verdict = Verdict { score: Score::Pass, failed: Vec::new(), lacking: Vec::new() };
    for seen in &observed.seen {
        clean(seen, &mut verdict);
    }
    verdict.must(observed.alive, || "no healthy answer afterwards".into());
    let [seen, ..] = observed.seen.as_slice() else {
        verdict.must(false, || "nothing was asked".into());
        return verdict.scored();
    };
    rule(observed, seen, &mut verdict);
    verdict.scored()
}

/// What holds for every fault: no hang, no truncated success, nothing that the dialect does not say.
fn clean(seen: &Seen, verdict: &mut Verdict) {
    match &seen.ending {
        Heard::Complete | Heard::Failed(_) => {}
        Heard::Hung => verdict.failed.push("hangs until the wall".into()),
        Heard::Truncated => verdict.failed.push(format!("truncated success after {} words", seen.text.split_whitespace().count())),
        Heard::Cut(fault) => verdict.failed.push(format!("cut without an error of the dialect: {fault}")),
        Heard::Malformed(what) => verdict.failed.push(format!("malformed: {what}")),
    }
}

fn rule(observed: &Observed, seen: &Seen, verdict: &mut Verdict) {
    let Observed { primary, fallback, .. } = observed;
    let all = primary.len() + fallback.len();
    let times: Vec<u64> = primary.iter().map(|attempt| attempt.at_ms).collect();
    let gap = first_gap(primary);
    match observed.fault {
        1 => {
            answered(seen, verdict);
            verdict.must(most_within(&times, 1_500) <= 2, || "more than 2 attempts on the primary within 1.5 s".into());
            verdict.should(primary.len() == 2 && gap.is_some_and(|gap| gap >= 1_800), || {
                format!("{} attempts on the primary, first gap {}; expected 2, 1.8 s or more", primary.len(), seconds(gap))
            });
        }
        2 => {
            answered(seen, verdict);
            let most = most_within(&times, 3_000);
            verdict.must(most <= 4, || format!("{most} attempts on the primary within 3 s; expected 4 at most"));
            at_most(all, MOST, verdict);
        }
        3 => {
            answered(seen, verdict);
            verdict.should(primary.len() == 2, || format!("{} attempts on the primary; expected 2", primary.len()));
        }
        4 => {
            answered(seen, verdict);
            at_most(all, MOST, verdict);
        }
        5 => answered(seen, verdict),
        6 => {
            answered(seen, verdict);
            within(seen, 100_000, verdict);
            verdict.should(primary.len() == 1, || format!("{} attempts on the primary; expected 1", primary.len()));
        }
        7 => {
            answered(seen, verdict);
            verdict.should(seen.ms <= 15_000, || format!("took {}; expected 15 s at most", seconds(Some(seen.ms))));
        }
        9 => within(seen, 45_000, verdict),
        10 => verdict.should(seen.is_complete(), || "no complete answer".into()),
        11 => {
            answered(seen, verdict);
            within(seen, 8_000, verdict);
            verdict.should(seen.usage.is_some_and(|tokens| tokens > 0), || "no usage".into());
        }
        12 => exactly_once(primary, verdict),
        13 => {
            exactly_once(primary, verdict);
            let told = matches!(&seen.ending, Heard::Failed(message) if message.contains("content_policy_violation"));
            verdict.should(told, || "the provider's reason does not reach the client".into());
        }
        14 => {
            let told = matches!(&seen.ending, Heard::Failed(message) if message.contains("prefill"));
            verdict.must(!told, || "the refusal of the prefill is the final error".into());
        }
        OUTAGE => outage(observed, verdict),
        16 => {
            named(seen, all, verdict);
            verdict.must(observed.billed.unwrap_or(0) == 0, || "the failed attempts are billed".into());
        }
        // The eighth asks for nothing beyond what every answer must be.
        _ => {}
    }
}

fn answered(seen: &Seen, verdict: &mut Verdict) {
    if let Heard::Failed(message) = &seen.ending {
        verdict.failed.push(format!("no answer, though a healthy one was to be had: {message}"));
    }
}

fn at_most(attempts: usize, most: usize, verdict: &mut Verdict) {
    verdict.must(attempts <= most, || format!("{attempts} attempts; expected {most} at most"));
}

fn exactly_once(primary: &[Attempt], verdict: &mut Verdict) {
    verdict.must(primary.len() == 1, || format!("{} attempts on the primary; expected exactly 1", primary.len()));
}

fn within(seen: &Seen, limit: u64, verdict: &mut Verdict) {
    verdict.must(seen.ms <= limit, || format!("took {}; expected {} at most", seconds(Some(seen.ms)), seconds(Some(limit))));
}

fn named(seen: &Seen, attempts: usize, verdict: &mut Verdict) {
    answered(seen, verdict);
    at_most(attempts, MOST, verdict);
    let named = seen.model.as_deref().is_some_and(|model| model.starts_with("healthy"));
    verdict.must(named, || format!("the answer names the model {:?}; expected the fallback's", seen.model.as_deref().unwrap_or("none")));
    verdict.should(seen.usage.is_some_and(|tokens| tokens > 0), || "no usage".into());
}

/// Served throughout, back within 30 s, and few attempts while the primary is down.
fn outage(observed: &Observed, verdict: &mut Verdict) {
    let outage = observed.outage;
    let unserved = observed.seen.iter().filter(|seen| matches!(seen.ending, Heard::Failed(_))).count();
    verdict.must(unserved == 0, || format!("{unserved} of {} calls were not served", observed.seen.len()));
    let ms = |span: std::time::Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    let first = observed.primary.first().map_or(0, |attempt| attempt.at_ms);
    let recovered = first + ms(outage.down());
    let back = observed.primary.iter().find(|attempt| attempt.ending == Some(Ending::Whole)).map(|attempt| attempt.at_ms);
    verdict.must(back.is_some_and(|back| back <= recovered + 30_000), || match back {
        Some(back) => format!("back on the primary {} after its recovery; expected 30 s at most", seconds(back.checked_sub(recovered))),
        None => "never back on the primary".into(),
    });
    let down = observed.primary.iter().filter(|attempt| attempt.ending == Some(Ending::Refused)).count();
    let most = usize::try_from(ms(outage.down()) / ms(outage.every())).unwrap_or(usize::MAX) / 2 + 2;
    verdict.should(down <= most, || format!("{down} attempts on the primary while it was down; expected {most} at most"));
}

/// The most attempts in any span of `window` milliseconds.
fn most_within(times: &[u64], window: u64) -> usize {
    let count = |from: u64| times.iter().filter(|time| (from..=from + window).contains(*time)).count();
    times.iter().map(|from| count(*from)).max().unwrap_or(0)
}

/// Milliseconds from the first attempt to the second.
pub(super) fn first_gap(attempts: &[Attempt]) -> Option<u64> {
    match attempts {
        [first, second, ..] => Some(second.at_ms.saturating_sub(first.at_ms)),
        [_] | [] => None,
    }
}

/// Milliseconds as seconds, for people.
pub(super) fn seconds(ms: Option<u64>) -> String {
    ms.map_or_else(|| "none".to_owned(), |ms| format!("{}.{:02} s", ms / 1000, ms % 1000 / 10))
}

impl Verdict {
    fn must(&mut self, holds: bool, otherwise: impl FnOnce() -> String) {
        if !holds {
            self.failed.push(otherwise());
        }
    }

    fn should(&mut self, holds: bool, otherwise: impl FnOnce() -> String) {
        if !holds {
            self.lacking.push(otherwise());
        }
    }

    fn scored(mut self) -> Self {
        self.score = match (self.failed.is_empty(), self.lacking.is_empty()) {
            (false, _) => Score::Fail,
            (true, false) => Score::Partial,
            (true, true) => Score::Pass,
        };
        self
    }
}
