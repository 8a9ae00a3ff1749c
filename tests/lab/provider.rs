//! Each of the sixteen, attempt by attempt, in each dialect, over real sockets.

use std::{sync::Arc, time::Duration};

use gproxy::{
    lab::{Attempt, Client, Dialect, Ending, Heard, Provider, Seen, Settings, TOKENS, text},
    runtime::{Platform, native},
};

use crate::clock::{GUARD, StepClock};

/// A provider whose time stands still until it is moved, and a client of it.
pub(crate) struct Bench {
    pub(crate) provider: Provider,
    pub(crate) client: Client,
    pub(crate) clock: Arc<StepClock>,
    pub(crate) platform: Platform,
}

impl Bench {
    pub(crate) async fn start() -> Self {
        let (platform, _tasks) = native::platform();
        let clock = StepClock::new();
        let still = Platform { clock: Arc::clone(&clock) as _, ..platform.clone() };
        let settings = Settings { listen: "127.0.0.1:0".parse().unwrap(), pace: Duration::ZERO, secured: None };
        let provider = Provider::start(&still, settings).await.unwrap();
        let client = Client::new(&platform, format!("http://{}", provider.address()), "sk-lab".into());
        Self { provider, client, clock, platform }
    }

    async fn ask(&self, dialect: Dialect, model: &str) -> Seen {
        self.client.ask(dialect, model, GUARD).await
    }

    /// The last attempt, once it ended.
    async fn ended(&self) -> Attempt {
        let ended = async {
            loop {
                match self.provider.attempts(None).pop() {
                    Some(attempt) if attempt.ending.is_some() => return attempt,
                    Some(_) | None => tokio::task::yield_now().await,
                }
            }
        };
        tokio::time::timeout(GUARD, ended).await.expect("the attempt ends")
    }
}

/// What a client sees of one attempt.
#[derive(Clone, Copy, Debug)]
enum Shows {
    /// A refusal that names this.
    Refusal(u16, &'static str),
    /// A connection that breaks before the head.
    Reset,
    /// The whole answer.
    Whole,
    /// So many words, and then the connection breaks.
    Broken(usize),
    /// So many words, and then the end, without the dialect's own.
    Short(usize),
    /// So many words, and then something that is no JSON.
    Garbage(usize),
}

fn assert_shows(shows: Shows, seen: &Seen, at: &str) {
    let words = seen.text.split_whitespace().count();
    let (status, expected, holds) = match shows {
        Shows::Refusal(status, code) => (Some(status), 0, matches!(&seen.ending, Heard::Failed(message) if message.contains(code))),
        Shows::Reset => (None, 0, matches!(seen.ending, Heard::Cut(_))),
        Shows::Whole => (Some(200), TOKENS, seen.is_complete() && seen.usage == Some(60)),
        Shows::Broken(words) => (Some(200), words, matches!(seen.ending, Heard::Cut(_))),
        Shows::Short(words) => (Some(200), words, seen.ending == Heard::Truncated),
        Shows::Garbage(words) => (Some(200), words, matches!(&seen.ending, Heard::Malformed(what) if what.contains("garbage"))),
    };
    assert!(holds && seen.status == status && words == expected, "{at}: {shows:?} expected, seen {seen:?}");
    assert!(text().starts_with(&seen.text), "{at}");
}

#[tokio::test]
async fn each_fault_shows_what_it_should_attempt_by_attempt() {
    use Shows::{Broken, Garbage, Refusal, Reset, Short, Whole};
    let bench = Bench::start().await;
    for (model, shows) in [
        ("healthy", vec![Whole, Whole]),
        ("healthy-without-prefill", vec![Whole]),
        ("fault-01", vec![Refusal(429, "429"), Whole, Whole]),
        ("fault-02", vec![Refusal(429, "429"); 7]),
        ("fault-03", vec![Refusal(500, "500"), Whole, Whole]),
        ("fault-04", vec![Refusal(503, "503"); 7]),
        ("fault-05", vec![Reset, Whole, Whole]),
        ("fault-08", vec![Broken(40), Broken(40)]),
        ("fault-08-ends", vec![Short(40), Short(40)]),
        ("fault-10", vec![Garbage(9), Garbage(9)]),
        ("fault-12", vec![Refusal(400, "context_length_exceeded"); 2]),
        ("fault-13", vec![Refusal(400, "content_policy_violation"); 2]),
        ("fault-14", vec![Broken(40)]),
        ("fault-14-ends", vec![Short(40)]),
        ("fault-16", vec![Refusal(503, "503"); 7]),
        ("fault-17", vec![Refusal(404, "fault-17")]),
    ] {
        for dialect in Dialect::ALL {
            let name = format!("{model}.{dialect}");
            for (shows, number) in shows.iter().zip(1..) {
                let seen = bench.ask(dialect, &name).await;
                assert_shows(*shows, &seen, &format!("{name}, attempt {number}"));
                assert!(seen.model.is_none_or(|said| said == name), "{name}");
            }
            assert_eq!(bench.provider.attempts(Some(&name)).len(), shows.len());
        }
    }
}

#[tokio::test]
async fn the_tenth_event_alone_is_garbage() {
    let bench = Bench::start().await;
    for (dialect, events) in [(Dialect::Chat, 62), (Dialect::Responses, 68), (Dialect::Claude, 66), (Dialect::Gemini, 61)] {
        let wire = crate::scripts::stream(&bench, dialect, &format!("fault-10.{dialect}")).await;
        let data: Vec<&str> = wire.lines().filter_map(|line| line.strip_prefix("data: ")).filter(|data| *data != "[DONE]").collect();
        let is_json = |data: &&str| serde_json::from_str::<serde_json::Value>(data).is_ok();
        let broken: Vec<usize> = (0..data.len()).filter(|at| !is_json(&data[*at])).collect();
        let first = data.iter().position(|data| data.contains("\"one\"")).unwrap();
        assert_eq!(broken, [first + 9], "{dialect}");
        assert_eq!(data.len() - 1, events, "{dialect}: {data:#?}");
    }
}

#[tokio::test]
async fn a_complete_chat_without_done_ends_with_its_usage() {
    let bench = Bench::start().await;
    let seen = bench.ask(Dialect::Chat, "fault-11-ends").await;
    assert_shows(Shows::Short(60), &seen, "chat");
    assert_eq!(seen.usage, Some(60));
    // The others have no such word.
    for dialect in [Dialect::Responses, Dialect::Claude, Dialect::Gemini] {
        assert_shows(Shows::Whole, &bench.ask(dialect, "fault-11-ends").await, dialect.id());
    }
}

/// Asks, and meanwhile tells how long the provider sleeps, what it had sent by then, and what the client sees once the time is over.
async fn slept(bench: &Bench, dialect: Dialect, model: &str) -> (Duration, Attempt, Seen) {
    let wake = async {
        let span = bench.clock.asleep().await;
        let before = bench.provider.attempts(Some(model)).pop().unwrap();
        bench.clock.advance(span);
        (span, before)
    };
    let (seen, (span, before)) = tokio::join!(bench.ask(dialect, model), wake);
    (span, before, seen)
}

#[tokio::test]
async fn what_waits_waits_as_long_as_it_should() {
    for dialect in Dialect::ALL {
        let bench = Bench::start().await;
        let after_all = if dialect == Dialect::Chat { Shows::Short(60) } else { Shows::Whole };
        for (model, seconds, status, events, shows) in [
            ("fault-06", 120, None, 0, Shows::Reset),
            ("fault-07", 20, Some(200), 0, Shows::Whole),
            ("fault-09", 30, Some(200), 20, Shows::Broken(20)),
            ("fault-11", 60, Some(200), 60, after_all),
        ] {
            let (span, before, seen) = slept(&bench, dialect, model).await;
            assert_eq!((span, before.status, before.events), (Duration::from_secs(seconds), status, events), "{model} {dialect}");
            assert_shows(shows, &seen, &format!("{model} {dialect}"));
        }
    }
}

#[tokio::test]
async fn an_outage_lasts_from_the_first_attempt_on() {
    let bench = Bench::start().await;
    bench.clock.advance(Duration::from_secs(1000));
    for (model, down) in [("fault-15", 60), ("fault-15-fast", 8)] {
        for dialect in Dialect::ALL {
            let name = format!("{model}.{dialect}");
            for (step, shows) in
                [(0, Shows::Refusal(503, "503")), (down - 1, Shows::Refusal(503, "503")), (1, Shows::Whole), (1, Shows::Whole)]
            {
                bench.clock.advance(Duration::from_secs(step));
                assert_shows(shows, &bench.ask(dialect, &name).await, &name);
            }
        }
    }
}

#[tokio::test]
async fn the_ledger_says_who_went_away_and_when() {
    let bench = Bench::start().await;
    bench.clock.advance(Duration::from_millis(250));
    // Neither branch is asked again: the first one is dropped, which closes its connection.
    tokio::select! {
        _ = bench.ask(Dialect::Claude, "fault-06") => panic!("it never answers"),
        span = bench.clock.asleep() => {
            assert_eq!(span, Duration::from_mins(2));
            bench.clock.advance(Duration::from_secs(119));
        }
    }
    let attempt = bench.ended().await;
    assert_eq!((attempt.ending, attempt.at_ms, attempt.ended_ms), (Some(Ending::Left), 250, Some(250 + 119_000)));
    assert_eq!((attempt.status, attempt.events, attempt.tokens, attempt.number), (None, 0, 0, 1));
    assert!(attempt.stream && !attempt.prefill);
}

#[tokio::test]
async fn the_ledger_says_how_each_attempt_ended() {
    let bench = Bench::start().await;
    for (model, ending, status, tokens) in [
        ("healthy", Ending::Whole, Some(200), 60),
        ("fault-04", Ending::Refused, Some(503), 0),
        ("fault-05", Ending::Reset, None, 0),
        ("fault-08", Ending::Cut, Some(200), 40),
        ("fault-08-ends", Ending::Cut, Some(200), 40),
    ] {
        bench.ask(Dialect::Gemini, model).await;
        let attempt = bench.ended().await;
        assert_eq!((attempt.ending, attempt.status, attempt.tokens), (Some(ending), status, tokens), "{model}");
        assert_eq!((attempt.model.as_str(), attempt.dialect), (model, Dialect::Gemini));
    }
}
