//! Who is asked when somebody fails, over real sockets: what the client gets, who was asked in which order, what is on record.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use gproxy::{
    base::Secret,
    credentials::Sealer,
    runtime::{Clock as _, native},
    snapshot::secret::seal_api_key,
    store::{
        persist::{Records as _, RecordsExt as _, memory::MemoryStore},
        record::{Ended, NewCredential, NewProvider, NewRoute, NewRouteMember, Strategy},
    },
    testing::SteppedClock,
};
use serde_json::json;
use tokio::io::AsyncReadExt as _;

use crate::{
    harness::{Answer, Gateway, KEY},
    identity::{chunked, streams},
};

const PATH: &str = "/v1/chat/completions";
const WHOLE: &str =
    r#"{"id":"c","object":"chat.completion","model":"m","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}"#;
const CALL: &[u8] = br#"{"model":"smart","messages":[]}"#;

/// A route `smart` over two models of the provider, `big` before `small`, and so many credentials.
async fn configure(store: &MemoryStore, credentials: usize) {
    let rows = store.load().await.unwrap();
    let provider_id = rows.providers.iter().next().unwrap().id;
    let settings_json = Some(r#"{"timers":{"first_content":30}}"#.to_owned());
    let (namespace, name) = (String::new(), "smart".to_owned());
    let route = NewRoute { namespace, name, strategy: Strategy::Failover, description: None, settings_json, enabled: true };
    let route_id = store.save(None, route).await.unwrap().id;
    for (upstream_model, tier) in [("big".to_owned(), 0), ("small".to_owned(), 1)] {
        store.save(None, NewRouteMember { route_id, provider_id, upstream_model, weight: 1, tier, enabled: true }).await.unwrap();
    }
    let (sealer, (platform, _tasks)) = (Sealer::new(Secret::new("test".to_owned())), native::platform());
    for number in 1..credentials {
        let sealed = seal_api_key(&sealer, provider_id, &Secret::new(format!("sk-more-{number}")), &*platform.entropy);
        store.save(None, NewCredential::of(provider_id, "api_key", sealed)).await.unwrap();
    }
}

async fn gateway(credentials: usize) -> (Gateway, Arc<SteppedClock>) {
    let clock = SteppedClock::new();
    let gateway = Gateway::timed(Arc::clone(&clock) as _, async |store: &MemoryStore| configure(store, credentials).await).await;
    (gateway, clock)
}

/// The models that were asked, in order, each with a mark of the credential: its last character.
fn asked(gateway: &Gateway) -> Vec<String> {
    let of = |got: &crate::harness::Got| {
        let body: serde_json::Value = serde_json::from_slice(&got.body).unwrap();
        let key = got.head.lines().find_map(|line| line.strip_prefix("authorization: bearer ")).unwrap().to_owned();
        format!("{}/{}", body["model"].as_str().unwrap(), key.chars().last().unwrap())
    };
    gateway.upstream.got().iter().map(of).collect()
}

async fn call(gateway: &Gateway, clock: &SteppedClock, body: &[u8]) -> Answer {
    call_at(gateway, clock, PATH, body).await
}

/// Sends a call, and lets the time go on wherever the gateway pauses.
async fn call_at(gateway: &Gateway, clock: &SteppedClock, path: &str, body: &[u8]) -> Answer {
    let answer = gateway.post(path, body);
    let time = async {
        loop {
            tokio::task::yield_now().await;
            clock.advance(Duration::from_millis(1));
        }
    };
    tokio::select! {
        answer = answer => answer,
        () = time => unreachable!("time has no end"),
    }
}

/// An answer of the provider: status, headers, body.
type Said = (u16, &'static str, &'static str);

/// A name, how many credentials, what the provider answers, the client's status, who is asked.
type Case<'a> = (&'a str, usize, &'a [Said], u16, &'a [&'a str]);

const OK: Said = (200, "", WHOLE);
const BAD: Said = (503, "", r#"{"error":{"message":"down"}}"#);

#[tokio::test]
async fn the_next_one_answers() {
    let busy: Said = (429, "retry-after: 60\r\n", "{}");
    let soon: Said = (429, "retry-after-ms: 20\r\n", "{}");
    let wrong: Said = (401, "", "{}");
    let own: Said = (400, "", r#"{"error":{"message":"context_length_exceeded"}}"#);
    let within: Said = (200, "", r#"{"error":{"code":503,"message":"down"}}"#);
    let cases: [Case<'_>; 12] = [
        ("well", 1, &[OK], 200, &["big/y"]),
        ("a first failure", 1, &[BAD, OK], 200, &["big/y", "big/y"]),
        ("a second one", 1, &[BAD, BAD, OK], 200, &["big/y", "big/y", "small/y"]),
        ("everybody", 1, &[BAD, BAD, BAD, BAD], 503, &["big/y", "big/y", "small/y", "small/y"]),
        ("a limit", 1, &[busy, OK], 200, &["big/y", "small/y"]),
        ("a short limit", 1, &[soon, OK], 200, &["big/y", "big/y"]),
        ("a limit of one credential", 2, &[busy, OK], 200, &["big/y", "big/1"]),
        ("a wrong credential", 2, &[wrong, OK], 200, &["big/y", "big/1"]),
        ("a wrong credential alone", 1, &[wrong, wrong], 502, &["big/y"]),
        ("the client's own fault", 2, &[own], 400, &["big/y"]),
        ("an error that looks well", 1, &[within, within, OK], 200, &["big/y", "big/y", "small/y"]),
        ("a web page", 1, &[(200, "", "<html>"), (200, "", "{\"id\":"), OK], 200, &["big/y", "big/y", "small/y"]),
    ];
    for (name, credentials, script, status, expected) in cases {
        let (gateway, clock) = gateway(credentials).await;
        for (status, headers, body) in script {
            gateway.upstream.answers_with(*status, headers, body);
        }
        let answer = call(&gateway, &clock, CALL).await;
        assert_eq!(
            (answer.status, asked(&gateway)),
            (status, expected.iter().map(ToString::to_string).collect()),
            "{name}: {}",
            answer.text()
        );
        let row = gateway.journal.rows(1).await.remove(0);
        let served = expected.last().unwrap().split('/').next().unwrap();
        if answer.header("x-gproxy-provider").is_some() {
            let told = ["provider", "model", "attempts"].map(|what| answer.header(&format!("x-gproxy-{what}")).unwrap().to_owned());
            assert_eq!(told, ["up", served, &expected.len().to_string()], "{name}");
        } else {
            assert_eq!(status, 502, "{name}: an answer tells who gave it");
        }
        assert_eq!((&*row.begun.model, row.ended == Ended::Complete), (served, status == 200), "{name}");
        assert_eq!(row.usage.total(), if status == 200 { 3 } else { 0 }, "{name}: failed attempts are not billed");
    }
}

#[tokio::test]
async fn what_has_failed_rests_and_is_asked_again_by_one_probe() {
    let (gateway, clock) = gateway(1).await;
    for said in [BAD, BAD, OK, OK] {
        gateway.upstream.answers_with(said.0, said.1, said.2);
    }
    for _ in 0..2 {
        assert_eq!(call(&gateway, &clock, CALL).await.status, 200);
    }
    clock.advance(Duration::from_secs(15));
    // The probe fails, is not tried again, and the call is answered all the same.
    for said in [BAD, OK, OK] {
        gateway.upstream.answers_with(said.0, said.1, said.2);
    }
    assert_eq!(call(&gateway, &clock, CALL).await.status, 200);
    clock.advance(Duration::from_secs(15));
    assert_eq!(call(&gateway, &clock, CALL).await.status, 200);
    assert_eq!(asked(&gateway), ["big/y", "big/y", "small/y", "small/y", "big/y", "small/y", "big/y"]);
    assert_eq!(gateway.engine.health.reports(0), []);
}

#[tokio::test]
async fn when_everybody_rests_the_client_hears_when_to_come_back() {
    let (gateway, clock) = gateway(1).await;
    for _ in 0..2 {
        gateway.upstream.answers_with(429, "retry-after: 30\r\n", r#"{"error":{"message":"slow down"}}"#);
    }
    let first = call(&gateway, &clock, CALL).await;
    assert_eq!((first.status, first.header("retry-after")), (429, Some("30")));
    clock.advance(Duration::from_secs(10));
    let second = call(&gateway, &clock, CALL).await;
    assert_eq!(second.status, 429);
    let wait: u64 = second.header("retry-after").unwrap().parse().unwrap();
    assert!((19..=20).contains(&wait), "{wait}");
    assert_eq!(gateway.upstream.got().len(), 2, "nobody was asked");
}

#[tokio::test]
async fn a_stream_that_says_nothing_or_breaks_before_it_does_is_somebody_elses_turn() {
    for (path, body, stream) in streams() {
        let first = stream.find("\n\n").or_else(|| stream.find("\r\n\r\n")).unwrap();
        let error = match path {
            "/v1/messages" => "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"x\"}}\n\n",
            "/v1/responses" => "event: error\ndata: {\"type\":\"error\",\"code\":\"server_error\",\"message\":\"x\"}\n\n",
            _ => "data: {\"error\":{\"code\":503,\"message\":\"x\"}}\n\n",
        };
        let cut = chunked(&stream[..first / 2], &[]);
        for bad in [chunked(error, &[]), cut[..2].to_vec(), chunked("data: {\"half\":\n\n", &[])] {
            let (gateway, clock) = gateway(1).await;
            gateway.upstream.answers(bad.clone());
            gateway.upstream.answers(bad);
            gateway.upstream.answers(chunked(stream, &[]));
            let path = path.replace("up/m", "smart");
            let body = body.replace("up/m", "smart");
            let answer = call_at(&gateway, &clock, &path, body.as_bytes()).await;
            assert_eq!((answer.status, answer.text()), (200, stream), "{path}");
            let row = gateway.journal.rows(1).await.remove(0);
            assert_eq!((&*row.begun.model, row.ended, row.usage.total()), ("small", Ended::Complete, 10), "{path}");
        }
    }
}

#[tokio::test]
async fn whoever_breaks_off_in_the_midst_comes_after_the_others_for_a_while() {
    let (gateway, clock) = gateway(1).await;
    let (path, body, stream) = streams()[0];
    let content = stream.find("content").unwrap();
    let first = content + stream[content..].find("\n\n").unwrap() + 2;
    gateway.upstream.answers(chunked(&stream[..first], &[]));
    gateway.upstream.answers(chunked(stream, &[]));
    let body = body.replace("up/m", "smart");
    for _ in 0..2 {
        assert_eq!(gateway.post(path, body.as_bytes()).await.status, 200);
    }
    assert_eq!(asked(&gateway), ["big/y", "small/y"]);
    clock.advance(Duration::from_secs(15));
    assert_eq!(gateway.engine.health.reports(clock.unix_ms()), []);
}

#[tokio::test]
async fn a_client_hears_that_the_line_is_open_while_somebody_else_is_asked() {
    let (gateway, clock) = gateway(1).await;
    let (_, _, stream) = streams()[0];
    let mut silent = chunked(stream, &[])[..1].to_vec();
    silent.push(Bytes::new());
    gateway.upstream.answers(silent);
    gateway.upstream.answers(chunked(stream, &[]));
    let body = br#"{"model":"smart","stream":true,"stream_options":{"include_usage":true},"messages":[]}"#;
    let bearer = format!("Bearer {KEY}");
    let mut client = gateway.open("POST", PATH, &[("authorization", &bearer), ("content-type", "application/json")], body).await;
    clock.asked_for(Duration::from_secs(30)).await;
    clock.advance(Duration::from_secs(15));
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains(": keep-alive") {
        assert!(client.read_buf(&mut seen).await.unwrap() > 0, "{}", String::from_utf8_lossy(&seen));
    }
    clock.advance(Duration::from_secs(15));
    client.read_to_end(&mut seen).await.unwrap();
    let answer = Answer::parse(&seen);
    assert!(answer.whole && answer.header("content-type") == Some("text/event-stream"), "{}", answer.head);
    assert_eq!(answer.text().replace(": keep-alive\n\n", ""), stream);
    assert_eq!(asked(&gateway), ["big/y", "small/y"], "silence is not tried again where it was");
    gateway.upstream.gone.notified().await;
}

#[tokio::test]
async fn a_head_that_was_given_early_ends_in_the_dialects_error_where_nobody_answers() {
    for (path, body, stream) in streams() {
        let (gateway, clock) = gateway(1).await;
        let mut silent = chunked(stream, &[])[..1].to_vec();
        silent.push(Bytes::new());
        gateway.upstream.answers(silent);
        gateway.upstream.answers_with(400, "", r#"{"error":{"message":"no such thing","type":"invalid_request_error"}}"#);
        let (path, body) = (path.replace("up/m", "smart"), body.replace("up/m", "smart"));
        let bearer = format!("Bearer {KEY}");
        let mut client =
            gateway.open("POST", &path, &[("authorization", &bearer), ("content-type", "application/json")], body.as_bytes()).await;
        clock.asked_for(Duration::from_secs(30)).await;
        clock.advance(Duration::from_secs(15));
        let mut seen = Vec::new();
        while !String::from_utf8_lossy(&seen).contains("\r\n\r\n") {
            assert!(client.read_buf(&mut seen).await.unwrap() > 0);
        }
        clock.advance(Duration::from_secs(15));
        client.read_to_end(&mut seen).await.unwrap();
        let answer = Answer::parse(&seen);
        assert_eq!(answer.status, 200);
        assert!(answer.whole && answer.text().contains("no such thing") && answer.text().contains("error"), "{path}: {}", answer.text());
        let row = gateway.journal.rows(1).await.remove(0);
        assert_eq!((row.ended, row.status), (Ended::Failed, 400));
    }
}

/// The share of a conversation of fifty turns that a provider that caches by credential could answer from its cache, and how
/// many of eight credentials it went to.
async fn cached_share(is_on: bool) -> (f64, usize) {
    let clock = SteppedClock::new();
    let configure = async |store: &MemoryStore| {
        configure(store, 8).await;
        let row = store.load().await.unwrap().providers.iter().next().unwrap().clone();
        let mut settings: serde_json::Value = serde_json::from_str(&row.row.settings_json).unwrap();
        settings["credential_cache_affinity_enabled"] = is_on.into();
        store.save(Some(row.id), NewProvider { settings_json: settings.to_string(), ..row.row }).await.unwrap();
    };
    let gateway = Gateway::timed(Arc::clone(&clock) as _, configure).await;
    let mut seen = std::collections::HashMap::<String, Vec<String>>::new();
    let (mut cached, mut cacheable) = (0_u32, 0_u32);
    let mut said = vec![json!({"role": "system", "content": "tools and rules ".repeat(400)})];
    for turn in 0..50 {
        said.push(json!({"role": "user", "content": format!("question {turn} {}", "and more ".repeat(20))}));
        let body = json!({"messages": said, "model": "smart"}).to_string();
        gateway.upstream.answers_with(200, "", WHOLE);
        assert_eq!(gateway.post(PATH, body.as_bytes()).await.status, 200);
        let got = gateway.upstream.last();
        let prompt = String::from_utf8(got.body).unwrap();
        let credential = got.head.lines().find(|line| line.starts_with("authorization")).unwrap().to_owned();
        let known = seen.entry(credential).or_default();
        let shared = |other: &String| prompt.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count();
        cached += u32::try_from(known.iter().map(shared).max().unwrap_or(0)).unwrap();
        cacheable += u32::try_from(prompt.len()).unwrap();
        known.push(prompt);
        said.push(json!({"role": "assistant", "content": format!("answer {turn}")}));
        clock.advance(Duration::from_secs(20));
    }
    (f64::from(cached) / f64::from(cacheable), seen.len())
}

#[tokio::test]
async fn a_conversation_stays_with_the_credential_that_knows_it() {
    let (with, credentials) = cached_share(true).await;
    assert!(with >= 0.95 && credentials == 1, "{with:.3} from the cache of {credentials} credentials");
    let (without, credentials) = cached_share(false).await;
    assert!(without <= with - 0.1 && credentials == 8, "{without:.3} from the cache of {credentials} credentials");
}

#[tokio::test]
async fn what_is_made_once_is_asked_for_once() {
    let (gateway, clock) = gateway(2).await;
    let batch = r#"{"input_file_id":"f","endpoint":"/v1/responses","completion_window":"24h"}"#;
    for (count, (path, body)) in [("/up/v1/batches", batch), ("/up/v1/videos", "{}")].into_iter().enumerate() {
        gateway.upstream.answers_with(BAD.0, BAD.1, BAD.2);
        let answer = call_at(&gateway, &clock, path, body.as_bytes()).await;
        assert_eq!(answer.status, 503, "{path}: {}", answer.text());
        assert_eq!(gateway.upstream.got().len(), count + 1, "{path}");
    }
}

#[tokio::test]
async fn a_provider_that_refuses_a_call_for_its_own_sake_is_well() {
    let (gateway, clock) = gateway(1).await;
    let own: Said = (400, "", r#"{"error":{"message":"no such field"}}"#);
    for said in [BAD, BAD, OK] {
        gateway.upstream.answers_with(said.0, said.1, said.2);
    }
    assert_eq!(call(&gateway, &clock, CALL).await.status, 200);
    clock.advance(Duration::from_secs(15));
    for said in [own, OK] {
        gateway.upstream.answers_with(said.0, said.1, said.2);
    }
    assert_eq!([call(&gateway, &clock, CALL).await.status, call(&gateway, &clock, CALL).await.status], [400, 200]);
    assert_eq!(asked(&gateway), ["big/y", "big/y", "small/y", "big/y", "big/y"]);
}

/// A provider that does not stream, whatever it is asked.
#[tokio::test]
async fn a_whole_answer_to_a_call_for_a_stream_is_an_answer() {
    let (gateway, clock) = gateway(1).await;
    gateway.upstream.answers_with(OK.0, OK.1, OK.2);
    let body = br#"{"model":"smart","stream":true,"stream_options":{"include_usage":true},"messages":[]}"#;
    let passed = call(&gateway, &clock, body).await;
    assert_eq!((passed.status, passed.text()), (200, WHOLE));
    assert_eq!(asked(&gateway), ["big/y"]);
    assert_eq!(gateway.journal.rows(1).await[0].usage.total(), 3);
    let turned = Gateway::start("anthropic").await;
    turned.upstream.answers_json(
        r#"{"id":"m","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"hi"}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":1,"output_tokens":2}}"#,
    );
    let path = "/v1beta/models/up/m:streamGenerateContent?alt=sse";
    let answer = turned.post(path, br#"{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}"#).await;
    assert_eq!(answer.header("content-type"), Some("text/event-stream"));
    assert!(answer.text().contains("\"text\":\"hi\"") && answer.text().contains("\"finishReason\":\"STOP\""), "{}", answer.text());
}
