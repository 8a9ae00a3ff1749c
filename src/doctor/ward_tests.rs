//! Sessions as they are watched: what is found of them, and how much is kept.

use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::{
    base::{Bucket, Modality},
    doctor::{Cause, Loss},
};

const CHAT: OperationKind = OperationKind::OpenAiChatCompletions;

fn usage(fresh: u64, read: u64) -> Usage {
    let mut usage = Usage::default();
    usage.set(Bucket::Input, Modality::Text, fresh);
    usage.set(Bucket::CacheRead, Modality::Text, read);
    usage
}

/// Ten nanos a fresh token, one a read one.
fn price(usage: &Usage) -> Option<Nanos> {
    i64::try_from(usage.bucket(Bucket::Input) * 10 + usage.bucket(Bucket::CacheRead)).ok().map(Nanos::new)
}

struct Bench {
    doctor: Doctor,
    now_ms: u64,
}

impl Bench {
    fn new() -> Self {
        Self { doctor: Doctor::default(), now_ms: 1_000_000 }
    }

    fn turn(&self, session: Option<u8>, body: &Value, (credential, usage): (i64, Usage)) {
        self.raw(session, body.to_string().into_bytes(), (credential, usage));
    }

    fn raw(&self, session: Option<u8>, body: Vec<u8>, (credential, usage): (i64, Usage)) {
        let to = Sent {
            provider: ProviderId(1),
            credential: Some(CredentialId(credential)),
            model: Arc::from("m"),
            kind: CHAT,
            at_ms: self.now_ms,
        };
        let whose = Whose { user: UserId(1), key: KeyId(2), organization: None };
        self.doctor.settle(Turn { session: session.map(|byte| [byte; 16]), whose, to, body: Some(body), usage }, self.now_ms, price);
    }

    fn reports(&self) -> Vec<Report> {
        self.doctor.reports(self.now_ms, |_| true)
    }
}

fn said(first: &str, turns: usize) -> Value {
    let more = (0..turns).map(|turn| json!({"role": "user", "content": format!("turn {turn}")}));
    let all: Vec<Value> =
        [json!({"role": "system", "content": "rules"}), json!({"role": "user", "content": first})].into_iter().chain(more).collect();
    json!({"messages": all})
}

#[test]
fn a_healthy_session_loses_nothing_and_a_miss_costs_what_it_costs() {
    let bench = Bench::new();
    bench.turn(None, &said("a", 0), (1, usage(2000, 0)));
    bench.turn(None, &said("a", 1), (1, usage(1000, 2000)));
    let report = bench.reports().remove(0);
    assert_eq!((report.seen.turns, report.seen.compared, report.seen.could, report.seen.did), (2, 1, 2000, 2000));
    assert_eq!((report.lost(), report.is_named), (Loss::default(), false));
    bench.turn(None, &said("a", 2), (2, usage(4000, 0)));
    let report = bench.reports().remove(0);
    let lost = Loss { turns: 1, tokens: 3000, cost: Nanos::new(27_000), unpriced: 0 };
    assert_eq!(report.losses.into_iter().collect::<Vec<_>>(), [(Cause::AnotherCredential, lost)]);
}

#[test]
fn conversations_of_one_session_are_told_apart() {
    let bench = Bench::new();
    for turn in 0..6 {
        let count = |turn: u64| if turn == 0 { usage(2000, 0) } else { usage(100, 1900 + turn * 100) };
        for first in ["main", "agent", "another agent"] {
            bench.turn(Some(7), &said(first, turn), (1, count(turn as u64)));
        }
    }
    let report = bench.reports().remove(0);
    assert_eq!((report.seen.turns, report.seen.compared, report.lost().tokens, report.is_named), (18, 15, 0, true), "{report:?}");
}

#[test]
fn a_changed_prompt_is_told_with_its_place_and_of_sessions_the_worst_comes_first() {
    let bench = Bench::new();
    bench.turn(Some(1), &said("a", 0), (1, usage(2000, 0)));
    bench.turn(Some(1), &said("a", 1), (1, usage(100, 2000)));
    let system = |time: &str| {
        let mut body = said("b", 1);
        body["messages"][0]["content"] = format!("a long prompt with its time in it: {time}").into();
        body
    };
    bench.turn(Some(2), &system("1"), (1, usage(5000, 0)));
    bench.turn(Some(2), &system("2"), (1, usage(5000, 0)));
    let reports = bench.reports();
    assert_eq!(reports.iter().map(|report| report.lost().tokens).collect::<Vec<_>>(), [5000, 0]);
    let place = reports[0].changed.clone().unwrap();
    assert_eq!(place.path, "messages[0].content");
    assert_eq!(&system("2").to_string()[place.byte..=place.byte], "2");
    assert_eq!(bench.doctor.reports(bench.now_ms, |report| report.changed.is_none()).len(), 1);
}

#[test]
fn sessions_and_bytes_are_bounded_and_what_is_quiet_is_forgotten() {
    let mut bench = Bench::new();
    for session in 0..SESSIONS + 50 {
        bench.turn(None, &said(&format!("session {session}"), 0), (1, usage(2000, 0)));
    }
    assert_eq!(bench.reports().len(), SESSIONS);
    assert!(bench.reports().iter().all(|report| report.seen.turns == 1));
    let long = "x".repeat(LARGEST / 2);
    for session in 0..36 {
        bench.turn(Some(session), &said(&format!("{session}{long}"), 0), (1, usage(2000, 0)));
        assert!(bench.doctor.bytes() <= BYTES, "{}", bench.doctor.bytes());
    }
    assert!(bench.doctor.bytes() > BYTES / 2, "{}", bench.doctor.bytes());
    // The first of them has no body any more: its next turn is a first one.
    bench.turn(Some(0), &said(&format!("0{long}"), 1), (1, usage(2000, 0)));
    let is_first = |report: &Report| report.id == "0000000000000000";
    assert_eq!(bench.doctor.reports(bench.now_ms, is_first)[0].seen.compared, 0);
    bench.turn(Some(0), &said(&format!("0{long}"), 2), (1, usage(2000, 0)));
    assert_eq!(bench.doctor.reports(bench.now_ms, is_first)[0].seen.compared, 1);
    bench.now_ms += KEPT_MS - 1;
    bench.turn(Some(1), &said("again", 0), (1, usage(2000, 0)));
    assert_eq!(bench.reports().len(), SESSIONS);
    bench.now_ms += 1;
    bench.doctor.expire(bench.now_ms);
    assert_eq!((bench.reports().len(), bench.doctor.bytes() < 4096), (1, true));
    bench.doctor.clear();
    assert_eq!((bench.reports().len(), bench.doctor.bytes()), (0, 0));
}

#[test]
fn what_is_too_large_or_no_prompt_is_told_and_not_kept() {
    let bench = Bench::new();
    bench.raw(Some(1), said(&"x".repeat(LARGEST), 0).to_string().into_bytes(), (1, usage(9000, 0)));
    bench.raw(Some(1), b"\xff{".to_vec(), (1, usage(10, 0)));
    let report = bench.reports().remove(0);
    assert_eq!((report.seen.turns, report.seen.unread, report.seen.compared, bench.doctor.bytes()), (2, 2, 0, 0));
    bench.raw(None, b"{}".to_vec(), (1, usage(10, 0)));
    assert_eq!(bench.reports().len(), 1, "nothing to know it by");
}

#[test]
fn one_session_keeps_a_few_prompts() {
    let bench = Bench::new();
    for first in 0..20 {
        bench.turn(Some(1), &said(&format!("{first}{}", "y".repeat(10_000)), 0), (1, usage(2000, 0)));
    }
    assert!(bench.doctor.bytes() < 5 * 10_200, "{}", bench.doctor.bytes());
}

#[test]
fn nothing_of_a_prompt_is_in_what_is_printed_of_the_doctor() {
    let bench = Bench::new();
    bench.turn(Some(1), &said("canary-in-a-prompt", 0), (1, usage(2000, 0)));
    let body = Some(b"canary-in-a-prompt".to_vec());
    let to = Sent { provider: ProviderId(1), credential: None, model: Arc::from("m"), kind: CHAT, at_ms: 0 };
    let whose = Whose { user: UserId(1), key: KeyId(2), organization: None };
    let turn = Turn { session: None, whose, to, body, usage: Usage::default() };
    let printed = format!("{:?} {:?} {turn:?}", bench.doctor, bench.reports());
    assert!(printed.contains("sessions: 1") && !printed.contains("canary"), "{printed}");
}
