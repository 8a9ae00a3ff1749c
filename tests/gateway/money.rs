//! Limits and budgets over sockets: what is let in, what is refused and how, what is billed.

use std::sync::Arc;

use gproxy::{
    app::counting,
    base::{KeyId, Nanos, ProviderId, RequestId, Usage, UserId},
    protocol::{Operation, OperationKind},
    runtime::native,
    store::{
        cache::{Counters as _, Counts, Meter, Window, memory::MemoryCounters},
        persist::{Ledger as _, RecordsExt as _, memory::MemoryStore},
        record::{
            Admission, Begun, Billed, Ended, Entry, NewOrganization, NewPriceRule, NewQuota, NewRateLimit, NewUser, PriceMatch, ScopeKind,
            Source, UsageRow, UserRow,
        },
    },
};
use serde_json::json;

use crate::harness::{Gateway, KEY};

const ASK: &[u8] = br#"{"model":"up/gpt-5","max_tokens":10,"messages":[{"role":"user","content":"hi"}]}"#;

fn answer() -> String {
    let usage = json!({"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7});
    let message = json!({"role": "assistant", "content": "ok"});
    let choice = json!({"index": 0, "message": message, "finish_reason": "stop"});
    json!({"id": "c", "object": "chat.completion", "created": 1, "model": "gpt-5", "choices": [choice], "usage": usage}).to_string()
}

/// A price of one cent for each call, whatever it uses.
pub(crate) async fn priced(store: &MemoryStore) {
    let row = NewPriceRule {
        provider_id: None,
        match_kind: PriceMatch::Glob,
        pattern: "*".into(),
        rates_json: json!({"request": "0.01"}).to_string(),
        enabled: true,
    };
    store.save(None, row).await.unwrap();
}

pub(crate) async fn user(store: &MemoryStore) -> UserRow {
    let rows = gproxy::store::persist::Records::load(store).await.unwrap();
    rows.users.iter().find(|user| user.name == "all").unwrap().clone()
}

pub(crate) fn quota(scope: ScopeKind, scope_id: i64, total: i64) -> NewQuota {
    NewQuota {
        scope,
        scope_id,
        total: Some(total),
        daily: None,
        weekly: None,
        monthly: None,
        rolling_5h: None,
        rolling_7d: None,
        admission: Admission::Strict,
    }
}

fn rows(gateway: &Gateway) -> Vec<Arc<UsageRow>> {
    let entries = gateway.journal.entries();
    entries.into_iter().filter_map(|entry| if let Entry::Ended(row) = entry { Some(row) } else { None }).collect()
}

pub(crate) const CENT: i64 = 10_000_000;

#[tokio::test]
async fn of_a_thousand_calls_at_once_a_budget_of_a_hundred_serves_a_hundred() {
    let gateway = Gateway::configured("openai", async |store| {
        priced(store).await;
        let organization = NewOrganization { name: "acme".into(), description: None, enabled: true };
        let organization = store.save(None, organization).await.unwrap();
        let user = user(store).await;
        store.save(Some(user.id), NewUser { organization_id: Some(organization.id), ..user.row }).await.unwrap();
        store.save(None, quota(ScopeKind::Organization, organization.id.0, 100 * CENT)).await.unwrap();
    })
    .await;
    gateway.upstream.always(200, &answer());
    let mut served = 0;
    let mut refused = 0;
    // A thousand at once, as far as one test may open sockets: in waves of a hundred.
    for _ in 0..10 {
        let wave = (0..100).map(|_| gateway.post("/v1/chat/completions", ASK));
        for answer in futures_util::future::join_all(wave).await {
            match answer.status {
                200 => served += 1,
                429 => {
                    refused += 1;
                    assert_eq!(answer.header("x-should-retry"), Some("false"));
                    let error = &answer.json()["error"];
                    assert_eq!((&error["type"], &error["code"]), (&json!("insufficient_quota"), &json!("insufficient_quota")));
                    assert!(error["message"].as_str().unwrap().contains("organization's total budget of 1"), "{error}");
                }
                other => panic!("{other}"),
            }
        }
    }
    assert_eq!((served, refused), (100, 900));
    let rows = rows(&gateway);
    let spent: i64 = rows.iter().map(|row| row.billed.as_ref().unwrap().cost.get()).sum();
    assert_eq!((rows.len(), spent), (100, 100 * CENT));
    assert!(rows.iter().all(|row| row.begun.organization_id.is_some() && row.billed.as_ref().unwrap().price.starts_with("rule:")));
    let audit = gateway.engine.counters().audit().await.unwrap();
    assert!(audit.agrees() && audit.reservations == 0, "{audit:?}");
}

#[tokio::test]
async fn what_a_call_did_not_use_is_given_back() {
    let gateway = Gateway::configured("openai", async |store| {
        let rates = json!({"input": "1000", "output": "100000"}).to_string();
        let rule =
            NewPriceRule { provider_id: None, match_kind: PriceMatch::Exact, pattern: "gpt-5".into(), rates_json: rates, enabled: true };
        store.save(None, rule).await.unwrap();
        let user = user(store).await;
        store.save(None, quota(ScopeKind::User, user.id.0, 3_000 * CENT / 10)).await.unwrap();
    })
    .await;
    gateway.upstream.always(200, &answer());
    // 5 x 0.001 + 2 x 0.1 dollars; a worst case of 1 dollar and more is reserved, and two of them never fit at once.
    for _ in 0..2 {
        assert_eq!(gateway.post("/v1/chat/completions", ASK).await.status, 200);
    }
    let spent: Vec<Nanos> = rows(&gateway).iter().map(|row| row.billed.as_ref().unwrap().cost).collect();
    assert_eq!(spent, [Nanos::new(205_000_000), Nanos::new(205_000_000)]);
    gateway.upstream.always(500, r#"{"error":{"message":"no"}}"#);
    assert_eq!(gateway.post("/v1/chat/completions", ASK).await.status, 500);
    let audit = gateway.engine.counters().audit().await.unwrap();
    assert!(audit.agrees() && audit.reservations == 0, "a failed call gives all of it back: {audit:?}");
}

/// A million tokens in, on a service tier.
fn on_tier(tier: Option<&str>) -> String {
    let mut answer: serde_json::Value = serde_json::from_str(&answer()).unwrap();
    answer["usage"] = json!({"prompt_tokens": 1_000_000, "completion_tokens": 0, "total_tokens": 1_000_000});
    if let Some(tier) = tier {
        answer["service_tier"] = tier.into();
    }
    answer.to_string()
}

const TIERED: &str = r#"{"input": "1", "output": "0", "bands": [{"tier": "flex", "times": "0.5"}, {"tier": "priority", "input": "4"}]}"#;

async fn tiered(store: &MemoryStore) {
    let (provider_id, pattern, rates_json) = (None, "gpt-5".into(), TIERED.to_owned());
    store.save(None, NewPriceRule { provider_id, match_kind: PriceMatch::Exact, pattern, rates_json, enabled: true }).await.unwrap();
}

#[tokio::test]
async fn a_call_is_billed_on_the_tier_that_the_provider_tells_and_its_row_says_so() {
    for streamed in [false, true] {
        let gateway = Gateway::configured("openai", tiered).await;
        let cases = [
            // What was asked, what was told, what it cost in cents, and the tier of the price.
            (None, None, 100, None),
            (Some("priority"), None, 100, None),
            (Some("priority"), Some("default"), 100, None),
            (Some("priority"), Some("priority"), 400, Some("priority")),
            (Some("auto"), Some("priority"), 400, Some("priority")),
            (Some("flex"), Some("flex"), 50, Some("flex")),
            (None, Some("FLEX"), 50, Some("flex")),
            (None, Some("turbo"), 100, None),
        ];
        for (at, (asked, told, cents, tier)) in cases.into_iter().enumerate() {
            let mut ask: serde_json::Value = serde_json::from_slice(ASK).unwrap();
            if let Some(asked) = asked {
                ask["service_tier"] = asked.into();
            }
            if streamed {
                ask["stream"] = true.into();
                let mut chunk: serde_json::Value = serde_json::from_str(&on_tier(told)).unwrap();
                chunk["object"] = "chat.completion.chunk".into();
                chunk["choices"][0] = json!({"index": 0, "delta": {"content": "ok"}, "finish_reason": "stop"});
                let body = format!("data: {chunk}\n\ndata: [DONE]\n\n");
                let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
                gateway.upstream.answers(vec![head.into(), body.into()]);
            } else {
                gateway.upstream.answers_json(&on_tier(told));
            }
            let answer = gateway.post("/v1/chat/completions", ask.to_string().as_bytes()).await;
            assert_eq!(answer.status, 200, "{}", answer.text());
            let row = gateway.journal.rows(at + 1).await.pop().unwrap();
            let billed = row.billed.unwrap();
            let named = billed.price.split_once(' ');
            assert_eq!(billed.cost.get(), cents * CENT, "{streamed} {asked:?} {told:?}");
            assert_eq!(named.map(|(_, tier)| tier), tier, "{streamed} {asked:?} {told:?}: {}", billed.price);
            assert!(billed.price.starts_with("rule:"));
        }
    }
}

#[tokio::test]
async fn a_dearer_tier_that_is_asked_for_is_reserved_before_the_call() {
    let words = "w".repeat(400_000);
    let body = |tier: &str| {
        let message = json!({"role": "user", "content": words});
        json!({"model": "up/gpt-5", "max_tokens": 1, "service_tier": tier, "messages": [message]}).to_string()
    };
    // A prompt of a hundred thousand tokens: 10 cents, or 40 on the dear tier. There are 30 cents.
    let gateway = Gateway::configured("openai", async |store| {
        tiered(store).await;
        let user = user(store).await;
        store.save(None, quota(ScopeKind::User, user.id.0, 30 * CENT)).await.unwrap();
    })
    .await;
    gateway.upstream.always(200, &answer());
    for (tier, status) in [("priority", 429), ("PRIORITY", 429), ("flex", 200), ("auto", 200), ("default", 200), ("unheard-of", 200)] {
        let answered = gateway.post("/v1/chat/completions", body(tier).as_bytes()).await;
        assert_eq!(answered.status, status, "{tier}: {}", answered.text());
    }
    let audit = gateway.engine.counters().audit().await.unwrap();
    assert!(audit.agrees() && audit.reservations == 0, "{audit:?}");
}

#[tokio::test]
async fn a_model_without_a_price_is_refused_to_a_caller_with_a_budget_only() {
    let limited = Gateway::configured("openai", async |store| {
        let user = user(store).await;
        store.save(None, quota(ScopeKind::User, user.id.0, 1)).await.unwrap();
    })
    .await;
    let ask = br#"{"model":"up/nobody-knows-this","messages":[]}"#;
    let answered = limited.post("/v1/chat/completions", ask).await;
    assert_eq!(answered.status, 403);
    assert!(answered.json()["error"]["message"].as_str().unwrap().contains("has no price here"));
    let free = Gateway::start("openai").await;
    free.upstream.always(200, &answer());
    assert_eq!(free.post("/v1/chat/completions", ask).await.status, 200);
    assert_eq!(rows(&free)[0].billed, None, "no price is never zero");
}

#[tokio::test]
async fn a_rate_limit_says_what_is_left_and_when_to_come_back() {
    let gateway = Gateway::configured("openai", async |store| {
        let user = user(store).await;
        let limit = NewRateLimit {
            scope: ScopeKind::User,
            scope_id: user.id.0,
            pattern: "up/*".into(),
            requests_per_minute: Some(2),
            requests_per_day: None,
            tokens_per_minute: None,
            tokens_per_day: None,
            concurrency: None,
        };
        store.save(None, limit).await.unwrap();
    })
    .await;
    gateway.upstream.always(200, &answer());
    for left in ["1", "0"] {
        let answered = gateway.post("/v1/chat/completions", ASK).await;
        assert_eq!((answered.status, answered.header("x-ratelimit-remaining-requests")), (200, Some(left)));
        assert_eq!(answered.header("x-ratelimit-limit-requests"), Some("2"));
    }
    let answered = gateway.post("/v1/chat/completions", ASK).await;
    assert_eq!(answered.status, 429);
    let retry_after: u64 = answered.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=61).contains(&retry_after), "{retry_after}");
    assert_eq!(answered.json()["error"]["code"], "rate_limit_exceeded");
    let claude = [("x-api-key", KEY), ("content-type", "application/json"), ("anthropic-version", "2023-06-01")];
    let answered = gateway.call("POST", "/v1/messages", &claude, ASK).await;
    assert_eq!((answered.status, &answered.json()["error"]["type"]), (429, &json!("rate_limit_error")));
    assert_eq!(answered.header("anthropic-ratelimit-requests-remaining"), Some("0"));
}

#[tokio::test]
async fn a_budget_that_begins_to_count_knows_what_was_spent_before() {
    let clock = native::platform().0.clock;
    let now_ms = clock.unix_ms();
    let store = MemoryStore::new(clock);
    let user = store.save(None, NewUser::named("ann")).await.unwrap();
    let budget = NewQuota { rolling_5h: Some(CENT), monthly: Some(CENT), ..quota(ScopeKind::User, user.id.0, CENT) };
    let budget = store.save(None, budget).await.unwrap();
    // One call just now, one six hours and one two months ago, and one of somebody else.
    let spent = [(0, user.id.0, 1), (6 * 3_600_000, user.id.0, 10), (62 * 86_400_000, user.id.0, 100), (0, user.id.0 + 1, 1000)];
    store.write_usages(spent.map(|(ago, user, cost)| Arc::new(row(now_ms - ago, user, cost))).to_vec()).await.unwrap();
    let rows = gproxy::store::persist::Records::load(&store).await.unwrap();
    let counters = MemoryCounters::new();
    assert_eq!(counting::seed(&counters, &store, &rows, now_ms).await.unwrap(), 3);
    let meter = |window| Meter { kind: budget.scope.into(), scope: user.id.0, record: budget.id.0, counts: Counts::NanoDollars, window };
    let windows = [Window::Total, Window::Sliding(5 * 3_600_000)].map(meter);
    let readings = counters.read(&windows, now_ms).await.unwrap();
    assert_eq!(readings.iter().map(|reading| reading.spent).collect::<Vec<_>>(), [111, 1]);
    assert_eq!(counting::seed(&counters, &store, &rows, now_ms).await.unwrap(), 0, "what counts already is left alone");
}

fn row(at: u64, user: i64, cost: i64) -> UsageRow {
    UsageRow {
        begun: Begun {
            request_id: RequestId::new(at, &user.to_be_bytes().repeat(2)[..10].try_into().unwrap()),
            at,
            user_id: UserId(user),
            key_id: KeyId(1),
            team_id: None,
            organization_id: None,
            provider_id: ProviderId(1),
            credential_id: None,
            operation: Operation::GenerateContent,
            kind: OperationKind::ClaudeMessages,
            model: "m".into(),
        },
        usage: Usage::default(),
        source: Source::Upstream,
        ended: Ended::Complete,
        status: 200,
        first_byte_us: None,
        latency_us: 1,
        phases: None,
        billed: Some(Billed { cost: Nanos::new(cost), price: "p".into() }),
        losses: Vec::new(),
    }
}
