//! Streams that break off after their first content on a route that says `rescue`: somebody else goes on, the client reads one
//! answer, each attempt is on record.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use gproxy::{
    base::Secret,
    credentials::Sealer,
    protocol::frame::{Framing, sse::Splitter},
    runtime::{Clock as _, native},
    snapshot::secret::seal_api_key,
    store::{
        persist::{Records as _, RecordsExt as _, memory::MemoryStore},
        record::{Ended, NewCredential, NewProvider, NewRoute, NewRouteMember, ScopeKind, Strategy, UsageRow},
    },
    testing::SteppedClock,
    transform::generate::{
        Collector,
        Dialect::{self, Chat, Claude, Gemini, Responses},
        Telling,
    },
};
use serde_json::{Value, json};

use crate::{
    harness::{Gateway, KEY},
    identity::chunked,
    money::{CENT, priced, quota, user},
    rescue_streams::{Says, ask, check, read, stream},
};

const SAYS: Says<'static> = Says { words: &["one ", "two ", "three ", "f\u{f6}ur"], call: None };
const CALLS: Says<'static> = Says { words: &["I ", "look. "], call: Some(("weather", &["{\"city\":", "\"\u{4f60}\u{597d}\"", "}"])) };

/// A member: the dialect that its provider speaks, and the model.
type Member<'a> = (Dialect, &'a str);

/// A route `smart` over a model of the provider `up` and, behind it, one of another provider at the same address.
async fn configure(store: &MemoryStore, [first, second]: [Member<'_>; 2], on_stream_fault: &str) {
    let rows = store.load().await.unwrap();
    let up = rows.providers.iter().next().unwrap().clone();
    let route = NewRoute {
        namespace: String::new(),
        name: "smart".to_owned(),
        strategy: Strategy::Failover,
        description: None,
        settings_json: Some(json!({ "on_stream_fault": on_stream_fault }).to_string()),
        enabled: true,
    };
    let route_id = store.save(None, route).await.unwrap().id;
    let (sealer, (platform, _tasks)) = (Sealer::new(Secret::new("test".to_owned())), native::platform());
    let address = serde_json::from_str::<Value>(&up.settings_json).unwrap()["base_url"].clone();
    for (tier, (dialect, model)) in [first, second].into_iter().enumerate() {
        let settings_json = json!({ "base_url": address, "dialects": [dialect.kind().id()] }).to_string();
        let (id, name) = if tier == 0 { (Some(up.id), "up") } else { (None, "other") };
        let provider = store.save(id, NewProvider { settings_json, ..NewProvider::of(name, "custom") }).await.unwrap();
        if tier == 1 {
            let sealed = seal_api_key(&sealer, provider.id, &Secret::new("sk-other".to_owned()), &*platform.entropy);
            store.save(None, NewCredential::of(provider.id, "api_key", sealed)).await.unwrap();
        }
        let (provider_id, upstream_model, tier) = (provider.id, model.to_owned(), i64::try_from(tier).unwrap());
        store.save(None, NewRouteMember { route_id, provider_id, upstream_model, weight: 1, tier, enabled: true }).await.unwrap();
    }
}

async fn gateway(members: [Member<'_>; 2]) -> (Gateway, Arc<SteppedClock>) {
    let clock = SteppedClock::new();
    let gateway = Gateway::timed(Arc::clone(&clock) as _, async |store: &MemoryStore| configure(store, members, "rescue").await).await;
    (gateway, clock)
}

/// Only the first so many events of a stream; then the connection is closed in the midst of the body.
fn cut(events: &[String], count: usize) -> Vec<Bytes> {
    let mut pieces = chunked(&events[..count].concat(), &[]);
    pieces.pop();
    pieces
}

/// Where the event stands that says something for the first time.
fn at(events: &[String], says: &str) -> usize {
    events.iter().position(|event| event.contains(says)).unwrap() + 1
}

fn whole(events: &[String]) -> Vec<Bytes> {
    chunked(&events.concat(), &[])
}

/// What the client reads: the whole answer, or the words of an error.
fn folded(client: Dialect, stream: &str) -> Result<Value, String> {
    let mut collector = Collector::new(client, Framing::Sse(Splitter::default()));
    collector.push(stream.as_bytes()).unwrap();
    let (body, _) = collector.finish(client, &Telling::default()).map_err(|broken| broken.message)?;
    Ok(serde_json::from_slice(&body).unwrap())
}

/// Asks as a client of a dialect, and gives the stream that it gets.
async fn call(gateway: &Gateway, client: Dialect) -> String {
    let (path, body) = ask(client);
    let answer = tokio::time::timeout(Duration::from_secs(10), gateway.post(path, body.as_bytes())).await;
    let answer = answer.unwrap_or_else(|_| {
        let asked: Vec<String> = gateway.upstream.got().iter().map(|got| String::from_utf8_lossy(&got.body).into_owned()).collect();
        panic!("{client}: no answer; asked: {asked:#?}")
    });
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(answer.whole, "{client}: the body ends as it should");
    answer.text().to_owned()
}

fn rescued(rows: &[UsageRow], name: &str) {
    let ends: Vec<(Ended, &str)> = rows.iter().map(|row| (row.ended, &*row.begun.model)).collect();
    assert_eq!(ends, [(Ended::Rescued, "big"), (Ended::Complete, "small")], "{name}");
    assert_eq!(rows[0].begun.request_id.next(), rows[1].begun.request_id, "{name}: the rows stand beside each other");
    assert_eq!(rows[1].usage.total(), 10, "{name}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_cut_at_any_event_is_gone_on_with_and_folds_to_the_whole_answer() {
    for client in Dialect::ALL {
        for (number, upstream) in Dialect::ALL.into_iter().enumerate() {
            for says in [SAYS, CALLS] {
                let events = stream(upstream, &says);
                // Before its first content it is simply somebody else's turn; behind its last word it is complete.
                for count in at(&events, says.words[0])..at(&events, "END") {
                    let second = second(client, upstream, number + count);
                    let (gateway, _clock) = gateway([(upstream, "big"), (second, "small")]).await;
                    gateway.upstream.answers(cut(&events, count));
                    gateway.upstream.answers(whole(&stream(second, &says)));
                    let name = format!("{client} from {upstream} cut at {count}, then {second}");
                    let told = call(&gateway, client).await;
                    check(client, &told).unwrap_or_else(|fault| panic!("{name}: {fault}\n{told}"));
                    let body = folded(client, &told).unwrap_or_else(|fault| panic!("{name}: {fault}\n{told}"));
                    assert_eq!(read(client, &body), says.all(), "{name}: {told}");
                    rescued(&gateway.journal.rows(2).await, &name);
                    let [first, again] = <[_; 2]>::try_from(gateway.upstream.got()).unwrap();
                    if upstream == second {
                        let unnamed = |got: &crate::harness::Got| String::from_utf8_lossy(&got.body).replace("small", "big");
                        assert_eq!(unnamed(&again), unnamed(&first), "{name}: it is asked the same");
                    }
                }
            }
        }
    }
}

/// Who speaks to the second one, in turns. Of a Responses client's route either all members keep its responses, or none.
fn second(client: Dialect, upstream: Dialect, number: usize) -> Dialect {
    match (client, upstream) {
        (Responses, Responses) => Responses,
        (Responses, Chat | Claude | Gemini) => [Chat, Claude, Gemini][number % 3],
        (Chat | Claude | Gemini, _) => Dialect::ALL[number % 4],
    }
}

/// A name, what the first one says until it breaks off, where it does, and what the second one says.
type Case<'a> = (&'a str, &'a Says<'a>, &'a str, Says<'a>);

#[tokio::test(flavor = "multi_thread")]
async fn whoever_says_something_else_is_not_heard() {
    let other_words = Says { words: &["one ", "zwei ", "three "], call: None };
    let fewer = Says { words: &["one "], call: None };
    let other_call = Says { call: Some(("weather", &["{\"city\":\"Oslo\"}"])), ..CALLS };
    let no_call = Says { call: None, ..CALLS };
    let cases: [Case<'_>; 4] = [
        ("other words", &SAYS, "two ", other_words),
        ("fewer words", &SAYS, "two ", fewer),
        ("another call", &CALLS, "CALLED", other_call),
        ("no call", &CALLS, "CALLED", no_call),
    ];
    for client in Dialect::ALL {
        for upstream in Dialect::ALL {
            for (what, first, until, second) in &cases {
                // Chat says that a call is whole by what comes behind it, which is the end.
                if *until == "CALLED" && upstream == Chat {
                    continue;
                }
                let name = format!("{client} from {upstream}: {what}");
                let (gateway, _clock) = gateway([(upstream, "big"), (upstream, "small")]).await;
                let events = stream(upstream, first);
                gateway.upstream.answers(cut(&events, at(&events, until)));
                gateway.upstream.answers(whole(&stream(upstream, second)));
                let told = call(&gateway, client).await;
                let fault = folded(client, &told).expect_err(&name);
                assert!(fault.contains("another one's answer was a different one"), "{name}: {fault}");
                assert!(!told.contains("zwei") && !told.contains("Oslo"), "{name}: {told}");
                let ends: Vec<Ended> = gateway.journal.rows(2).await.iter().map(|row| row.ended).collect();
                assert_eq!(ends, [Ended::Rescued, Ended::Interrupted], "{name}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_goes_on_from_a_beginning_is_given_one() {
    for client in Dialect::ALL {
        for upstream in Dialect::ALL.into_iter().filter(|upstream| (client, *upstream) != (Responses, Responses)) {
            let name = format!("{client} from {upstream}");
            let (gateway, _clock) = gateway([(upstream, "big"), (Claude, "claude-sonnet-4-5")]).await;
            let events = stream(upstream, &SAYS);
            gateway.upstream.answers(cut(&events, at(&events, "two ")));
            gateway.upstream.answers(whole(&stream(Claude, &Says { words: &[" tres ", "quattro"], call: None })));
            let told = call(&gateway, client).await;
            check(client, &told).unwrap_or_else(|fault| panic!("{name}: {fault}\n{told}"));
            let body = folded(client, &told).unwrap();
            assert_eq!(read(client, &body), ("one two tres quattro".to_owned(), Vec::new()), "{name}: {told}");
            let asked: Value = serde_json::from_slice(&gateway.upstream.last().body).unwrap();
            let turns = asked["messages"].as_array().unwrap();
            let last = turns.last().unwrap();
            let words = last["content"].as_str().or_else(|| last["content"][0]["text"].as_str());
            assert_eq!((last["role"].as_str(), words), (Some("assistant"), Some("one two")), "{name}: {asked}");
            assert_eq!(turns[0]["role"], "user", "{name}");
        }
    }
}

#[tokio::test]
async fn without_rescue_the_stream_ends_with_an_error_and_nobody_else_is_asked() {
    for client in Dialect::ALL {
        let gateway = Gateway::configured("custom", async |store| configure(store, [(Chat, "big"), (Chat, "small")], "error").await).await;
        let events = stream(Chat, &SAYS);
        gateway.upstream.answers(cut(&events, at(&events, "two ")));
        let (path, body) = ask(client);
        let answer = gateway.post(path, body.as_bytes()).await;
        assert!(folded(client, answer.text()).is_err(), "{client}: {}", answer.text());
        let ends: Vec<Ended> = gateway.journal.rows(1).await.iter().map(|row| row.ended).collect();
        assert_eq!((ends.as_slice(), gateway.upstream.got().len()), (&[Ended::Interrupted][..], 1), "{client}");
    }
}

#[tokio::test]
async fn an_error_in_the_midst_and_an_end_without_one_are_breaks_too() {
    let error = |upstream| match upstream {
        Chat | Gemini => "data: {\"error\":{\"code\":503,\"message\":\"x\"}}\n\n",
        Claude => "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"x\"}}\n\n",
        Responses => "event: error\ndata: {\"type\":\"error\",\"code\":\"server_error\",\"message\":\"x\",\"sequence_number\":9}\n\n",
    };
    for upstream in Dialect::ALL {
        let events = stream(upstream, &SAYS);
        let begun = events[..at(&events, "two ")].concat();
        for (what, first) in [("error", format!("{begun}{}", error(upstream))), ("end", begun.clone())] {
            let (gateway, _clock) = gateway([(upstream, "big"), (Chat, "small")]).await;
            gateway.upstream.answers(chunked(&first, &[]));
            gateway.upstream.answers(whole(&stream(Chat, &SAYS)));
            let name = format!("{upstream}: {what}");
            let told = call(&gateway, Claude).await;
            check(Claude, &told).unwrap_or_else(|fault| panic!("{name}: {fault}\n{told}"));
            assert_eq!(read(Claude, &folded(Claude, &told).unwrap()), SAYS.all(), "{name}");
            rescued(&gateway.journal.rows(2).await, &name);
        }
    }
}

#[tokio::test]
async fn three_that_break_off_are_enough() {
    let (gateway, clock) = gateway([(Chat, "big"), (Chat, "small")]).await;
    let events = stream(Chat, &SAYS);
    for until in ["one ", "two ", "three "] {
        gateway.upstream.answers(cut(&events, at(&events, until)));
    }
    let call = call(&gateway, Chat);
    let time = async {
        loop {
            tokio::task::yield_now().await;
            clock.advance(Duration::from_millis(1));
        }
    };
    let told = tokio::select! {
        told = call => told,
        () = time => unreachable!("time has no end"),
    };
    assert!(folded(Chat, &told).is_err(), "{told}");
    let rows = gateway.journal.rows(3).await;
    let ends: Vec<Ended> = rows.iter().map(|row| row.ended).collect();
    assert_eq!((ends, gateway.upstream.got().len()), (vec![Ended::Rescued, Ended::Rescued, Ended::Interrupted], 3));
    assert!(told.contains("three ") && told.matches("one ").count() == 1, "{told}");
}

#[tokio::test]
async fn each_attempt_is_paid_and_no_budget_is_overspent() {
    // Room for both, and for one only.
    for (room, ends) in [(2 * CENT, vec![Ended::Rescued, Ended::Complete]), (2 * CENT - 1, vec![Ended::Rescued])] {
        let gateway = Gateway::configured("custom", async |store| {
            configure(store, [(Chat, "big"), (Chat, "small")], "rescue").await;
            priced(store).await;
            let user = user(store).await;
            store.save(None, quota(ScopeKind::User, user.id.0, room)).await.unwrap();
        })
        .await;
        let events = stream(Chat, &SAYS);
        gateway.upstream.answers(cut(&events, at(&events, "two ")));
        gateway.upstream.answers(whole(&events));
        let told = call(&gateway, Chat).await;
        assert_eq!(folded(Chat, &told).is_ok(), ends.len() == 2, "{told}");
        let rows = gateway.journal.rows(ends.len()).await;
        assert_eq!(rows.iter().map(|row| row.ended).collect::<Vec<_>>(), ends);
        assert!(rows.iter().all(|row| row.billed.as_ref().unwrap().cost.get() == CENT && row.usage.total() > 0), "{rows:?}");
        assert_eq!(gateway.upstream.got().len(), ends.len(), "who has no room is not asked for");
        let audit = gateway.engine.counters().audit().await.unwrap();
        assert!(audit.agrees() && audit.reservations == 0, "{audit:?}");
    }
}

#[tokio::test]
async fn a_client_may_leave_while_somebody_else_is_asked_and_while_that_one_answers() {
    let events = stream(Chat, &SAYS);
    let silent = || vec![Bytes::new()];
    let speaking = || {
        let mut pieces = cut(&events, at(&events, "three "));
        pieces.push(Bytes::new());
        pieces
    };
    for (what, second) in [("asked", silent()), ("answers", speaking())] {
        let gateway = Gateway::configured("custom", async |store| {
            configure(store, [(Chat, "big"), (Chat, "small")], "rescue").await;
            priced(store).await;
            let user = user(store).await;
            store.save(None, quota(ScopeKind::User, user.id.0, 10 * CENT)).await.unwrap();
        })
        .await;
        gateway.upstream.answers(cut(&events, at(&events, "two ")));
        gateway.upstream.answers(second);
        let (path, body) = ask(Chat);
        let bearer = format!("Bearer {KEY}");
        let client = gateway.open("POST", path, &[("authorization", &bearer), ("content-type", "application/json")], body.as_bytes()).await;
        gateway.upstream.spoken.notified().await;
        drop(client);
        gateway.upstream.gone.notified().await;
        let rows = gateway.journal.rows(2).await;
        let ends: Vec<Ended> = rows.iter().map(|row| row.ended).collect();
        assert_eq!(ends, [Ended::Rescued, Ended::Interrupted], "{what}");
        let audit = gateway.engine.counters().audit().await.unwrap();
        assert!(audit.agrees() && audit.reservations == 0, "{what}: {audit:?}");
    }
}

#[tokio::test]
async fn a_client_hears_that_the_line_is_open_while_somebody_else_is_asked() {
    let (gateway, clock) = gateway([(Chat, "big"), (Chat, "small")]).await;
    let events = stream(Chat, &SAYS);
    gateway.upstream.answers(cut(&events, at(&events, "two ")));
    gateway.upstream.answers(vec![Bytes::new()]);
    let (path, body) = ask(Chat);
    let bearer = format!("Bearer {KEY}");
    let mut client = gateway.open("POST", path, &[("authorization", &bearer), ("content-type", "application/json")], body.as_bytes()).await;
    gateway.upstream.spoken.notified().await;
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains(": keep-alive") {
        clock.advance(Duration::from_secs(15));
        let read = tokio::io::AsyncReadExt::read_buf(&mut client, &mut seen).await.unwrap();
        assert!(read > 0, "{}", String::from_utf8_lossy(&seen));
    }
    let seen = String::from_utf8_lossy(&seen);
    assert!(seen.contains("two ") && !seen.contains("three "), "{seen}");
    assert!(clock.unix_ms() > 0);
}
