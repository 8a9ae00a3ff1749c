//! The judge's table: what was seen, and the verdict.

use gproxy::lab::{
    Attempt, Dialect, Ending, Heard, Seen,
    fault::Outage,
    judge::{
        Observed,
        Score::{self, Fail, Partial, Pass},
        judge,
    },
    text,
};

fn seen(ending: Heard, ms: u64) -> Seen {
    let text = if ending == Heard::Complete { text() } else { String::new() };
    Seen { status: Some(200), ending, text, model: Some("healthy.x".into()), usage: Some(60), first_ms: Some(ms), ms }
}

fn complete(ms: u64) -> Seen {
    seen(Heard::Complete, ms)
}

fn failed(message: &str) -> Seen {
    seen(Heard::Failed(message.into()), 100)
}

fn attempt(at_ms: u64, ending: Ending) -> Attempt {
    Attempt {
        model: "m".into(),
        dialect: Dialect::Chat,
        number: 1,
        at_ms,
        stream: true,
        prefill: false,
        connection: None,
        status: None,
        events: 0,
        tokens: 0,
        told: false,
        ended_ms: Some(at_ms),
        ending: Some(ending),
    }
}

fn attempts(times: &[u64]) -> Vec<Attempt> {
    times.iter().map(|at| attempt(*at, Ending::Refused)).collect()
}

fn observed(fault: u8, seen: Seen, primary: &[u64], fallback: &[u64]) -> Observed {
    let (primary, fallback) = (attempts(primary), attempts(fallback));
    Observed { fault, outage: Outage::Full, seen: vec![seen], primary, fallback, billed: Some(0), alive: true }
}

fn check(observed: &Observed, score: Score, reason: &str) {
    let verdict = judge(observed);
    let reasons = [verdict.failed.clone(), verdict.lacking.clone()].concat().join("; ");
    assert_eq!(verdict.score, score, "fault {}: {reasons}", observed.fault);
    assert!(reasons.contains(reason), "fault {}: {reason:?} in {reasons:?}", observed.fault);
    assert_eq!(verdict.failed.is_empty(), score != Fail);
}

#[test]
fn what_must_hold_fails_and_what_should_hold_is_partial() {
    let unnamed = Seen { model: Some("fault-16.x".into()), ..complete(9) };
    let uncounted = Seen { usage: None, ..complete(9) };
    for (fault, seen, primary, fallback, score, reason) in [
        (1, complete(2_100), &[0, 2_000][..], &[][..], Pass, ""),
        (1, complete(2_100), &[0, 1_700], &[], Partial, "first gap 1.70 s"),
        (1, complete(100), &[0], &[5], Partial, "1 attempts on the primary"),
        (1, complete(100), &[0, 20, 40], &[], Fail, "within 1.5 s"),
        (1, failed("rate limited"), &[0, 2_000], &[], Fail, "no answer"),
        (2, complete(900), &[0, 300, 900], &[950], Pass, ""),
        (2, complete(900), &[0, 300, 900, 1_500, 2_900], &[], Fail, "5 attempts on the primary within 3 s"),
        (2, complete(900), &[0, 2_000, 4_000, 6_000, 8_000, 10_000], &[11_000], Fail, "7 attempts; expected 6"),
        (2, failed("rate limited"), &[0], &[], Fail, "no answer"),
        (3, complete(300), &[0, 200], &[], Pass, ""),
        (3, complete(300), &[0], &[10], Partial, "1 attempts on the primary; expected 2"),
        (4, complete(300), &[0, 200], &[210], Pass, ""),
        (4, complete(300), &[0, 1, 2, 3, 4, 5], &[6], Fail, "7 attempts"),
        (4, failed("unavailable"), &[0, 200], &[], Fail, "no answer"),
        (5, complete(300), &[0, 200], &[], Pass, ""),
        (5, seen(Heard::Hung, 20_000), &[0], &[], Fail, "hangs"),
        (6, complete(10_200), &[0], &[10_000], Pass, ""),
        (6, complete(20_200), &[0, 10_000], &[20_000], Partial, "2 attempts on the primary; expected 1"),
        (6, complete(100_001), &[0], &[100_000], Fail, "expected 100.00 s at most"),
        (7, complete(12_500), &[0], &[12_000], Pass, ""),
        (7, complete(20_500), &[0], &[], Partial, "expected 15 s"),
        (7, seen(Heard::Hung, 60_000), &[0], &[], Fail, "hangs"),
        (8, complete(900), &[0], &[500], Pass, ""),
        (8, failed("the provider broke off"), &[0], &[], Pass, ""),
        (8, seen(Heard::Truncated, 500), &[0], &[], Fail, "truncated success"),
        (8, seen(Heard::Cut("reset".into()), 500), &[0], &[], Fail, "without an error of the dialect"),
        (9, failed("silent"), &[0], &[], Pass, ""),
        (9, complete(45_001), &[0], &[], Fail, "expected 45.00 s"),
        (10, complete(500), &[0], &[], Pass, ""),
        (10, failed("no JSON"), &[0], &[], Partial, "no complete answer"),
        (10, seen(Heard::Malformed("garbage".into()), 500), &[0], &[], Fail, "malformed: garbage"),
        (11, complete(2_500), &[0], &[], Pass, ""),
        (11, Seen { ms: 8_001, ..complete(0) }, &[0], &[], Fail, "expected 8.00 s"),
        (11, uncounted.clone(), &[0], &[], Partial, "no usage"),
        (12, failed("context_length_exceeded"), &[0], &[], Pass, ""),
        (12, complete(90), &[0], &[40], Pass, ""),
        (12, failed("context_length_exceeded"), &[0, 1], &[], Fail, "exactly 1"),
        (13, failed("it says content_policy_violation"), &[0], &[], Pass, ""),
        (13, complete(90), &[0], &[40], Partial, "reason does not reach"),
        (13, failed("bad request"), &[0], &[], Partial, "reason does not reach"),
        (13, failed("content_policy_violation"), &[0, 1], &[], Fail, "exactly 1"),
        (14, complete(900), &[0], &[400, 500], Pass, ""),
        (14, failed("the provider broke off"), &[0], &[], Pass, ""),
        (14, failed("this model takes no prefill"), &[0], &[400], Fail, "refusal of the prefill"),
        (14, seen(Heard::Truncated, 500), &[0], &[], Fail, "truncated success"),
        (16, complete(300), &[0, 200], &[210], Pass, ""),
        (16, unnamed, &[0, 200], &[210], Fail, "names the model \"fault-16.x\""),
        (16, uncounted, &[0, 200], &[210], Partial, "no usage"),
        (16, complete(300), &[0, 1, 2, 3, 4, 5], &[6], Fail, "7 attempts"),
    ] {
        check(&observed(fault, seen, primary, fallback), score, reason);
    }
}

#[test]
fn who_is_dead_afterwards_fails_whatever_was_answered() {
    check(&Observed { alive: false, ..observed(9, complete(500), &[0], &[400]) }, Fail, "no healthy answer afterwards");
}

#[test]
fn who_bills_failed_attempts_fails() {
    check(&Observed { billed: Some(60), ..observed(16, complete(300), &[0, 200], &[210]) }, Fail, "failed attempts are billed");
}

/// Twenty calls; the primary is asked at `down` while it refuses, and once more at `back`.
fn outage(down: &[u64], back: Option<u64>) -> Observed {
    let mut primary = attempts(down);
    primary.extend(back.map(|at| attempt(at, Ending::Whole)));
    Observed { seen: vec![complete(100); 20], primary, ..observed(15, complete(100), &[], &[]) }
}

#[test]
fn an_outage_wants_service_return_and_few_probes() {
    check(&outage(&[0, 200, 16_000, 32_000, 48_000], Some(64_000)), Pass, "");
    check(&outage(&[0, 200, 16_000, 32_000, 48_000], Some(90_000)), Pass, "");
    check(&outage(&[0, 200, 16_000, 32_000, 48_000], Some(90_001)), Fail, "back on the primary 30.00 s after");
    check(&outage(&[0, 200, 16_000], None), Fail, "never back");
    let every: Vec<u64> = (0..15).map(|index| index * 4_000).collect();
    check(&outage(&every, Some(60_000)), Partial, "15 attempts on the primary while it was down; expected 9");
    let mut unserved = outage(&[0, 200], Some(64_000));
    unserved.seen[7] = failed("unavailable");
    check(&unserved, Fail, "1 of 20 calls were not served");
}
