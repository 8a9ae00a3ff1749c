//! The prompt-cache doctor over real sockets: a provider that caches as the real ones do, clients that break its cache, and what is told of it.

use std::{
    collections::HashMap,
    net::SocketAddr,
    process::Command,
    sync::{Arc, Mutex},
    time::Duration,
};

use gproxy::{
    access::key,
    admin::{Control, Stores, password::Passwords},
    base::{Nanos, Secret},
    credentials::Sealer,
    observe::Metrics,
    pipeline::{Engine, Limits},
    runtime::{Platform, native},
    store::{
        persist::{Records as _, RecordsExt as _, memory::MemoryStore},
        record::{NewKey, NewOrganization, NewPermission, NewUser, Role},
    },
    testing::SteppedClock,
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use crate::{
    harness::{Answer, Got, Notebook, read_request, serve_both},
    program::Program,
};

const CHAT: &str = "/v1/chat/completions";
const CLAUDE: &str = "/v1/messages";
const RESPONSES: &str = "/v1/responses";
/// The provider caches no shorter prompt; a byte of it is a token.
const LEAST: usize = 1024;
/// What a fresh token costs, a written one and a read one, in nano-dollars.
const INPUT: i64 = 2_500;
const WRITE: i64 = 3_125;
const READ: i64 = 250;

/// A provider that remembers prompts, each credential by itself.
struct Caching {
    address: SocketAddr,
    got: Arc<Mutex<Vec<Got>>>,
    known: Arc<Mutex<HashMap<String, Vec<String>>>>,
}

impl Caching {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (got, known) = (Arc::<Mutex<Vec<Got>>>::default(), Arc::<Mutex<HashMap<String, Vec<String>>>>::default());
        let caching = Self { address, got: Arc::clone(&got), known: Arc::clone(&known) };
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let Some(request) = read_request(&mut stream).await else { continue };
                let answer = answer(&request, &mut known.lock().unwrap());
                got.lock().unwrap().push(request);
                let length = answer.len();
                let kind = if answer.starts_with("data:") { "text/event-stream" } else { "application/json" };
                let head = format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n");
                stream.write_all(format!("{head}{answer}").as_bytes()).await.unwrap();
            }
        });
        caching
    }

    /// Lets go of everything.
    fn forget(&self) {
        self.known.lock().unwrap().clear();
    }

    /// The bodies that came, in their order.
    fn bodies(&self) -> Vec<String> {
        self.got.lock().unwrap().iter().map(|got| String::from_utf8(got.body.clone()).unwrap()).collect()
    }
}

/// The prompt as it is cached: tools, system, messages.
fn prompt(body: &Value) -> String {
    fn bare(value: &Value) -> String {
        match value {
            Value::Array(parts) => parts.iter().map(bare).collect(),
            Value::Object(part) if part.get("type") == Some(&"text".into()) => bare(&part["text"]),
            Value::Object(members) => members.iter().filter(|(name, _)| *name != "cache_control").map(|(_, value)| bare(value)).collect(),
            plain => plain.to_string(),
        }
    }
    ["tools", "system", "messages"].into_iter().map(|name| bare(&body[name])).collect()
}

fn answer(request: &Got, known: &mut HashMap<String, Vec<String>>) -> String {
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    let is_credential = |line: &&str| line.starts_with("authorization") || line.starts_with("x-api-key");
    let credential = request.head.lines().find(is_credential).unwrap().to_owned();
    let known = known.entry(format!("{credential} {}", body["model"])).or_default();
    let prompt = prompt(&body);
    let shared = |other: &String| prompt.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count();
    let longest = known.iter().map(shared).max().filter(|shared| *shared >= LEAST).unwrap_or(0);
    let (all, is_claude) = (prompt.len(), request.head.contains("/messages"));
    let is_marked = String::from_utf8_lossy(&request.body).contains("cache_control");
    if !is_claude || is_marked {
        known.push(prompt);
    }
    if body["stream"] == true {
        let usage = json!({"prompt_tokens": all, "completion_tokens": 1, "total_tokens": all + 1,
            "prompt_tokens_details": {"cached_tokens": longest}});
        let chunk = |choices: Value, usage: Value| {
            let chunk =
                json!({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": choices, "usage": usage});
            format!("data: {chunk}\n\n")
        };
        let said = json!([{"index": 0, "delta": {"role": "assistant", "content": "done"}, "finish_reason": "stop"}]);
        return format!("{}{}data: [DONE]\n\n", chunk(said, Value::Null), chunk(json!([]), usage));
    }
    if !is_claude {
        return json!({"id": "c", "object": "chat.completion", "created": 1, "model": "m",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": "done"}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": all, "completion_tokens": 1, "total_tokens": all + 1, "prompt_tokens_details": {"cached_tokens": longest}}})
        .to_string();
    }
    let (read, written) = if is_marked { (longest, all - longest) } else { (0, 0) };
    json!({"id": "m", "type": "message", "role": "assistant", "model": "m", "content": [{"type": "text", "text": "done"}],
        "stop_reason": "end_turn", "stop_sequence": null, "usage": {"input_tokens": all - read - written, "output_tokens": 1,
            "cache_read_input_tokens": read, "cache_creation_input_tokens": written}})
    .to_string()
}

/// A gateway with its control plane and a doctor; two providers over one address, and a user of each sort.
struct House {
    address: SocketAddr,
    provider: Caching,
    clock: Arc<SteppedClock>,
    journal: Arc<Notebook>,
}

fn token(name: &str) -> String {
    format!("sk-{name}-0123456789abcdef")
}

impl House {
    /// `settings` go to both providers, besides their address.
    async fn new(credentials: usize, settings: Value) -> Self {
        let clock = SteppedClock::new();
        let (platform, _tasks) = native::platform();
        let platform = Platform { clock: Arc::clone(&clock) as _, ..platform };
        let store = Arc::new(MemoryStore::new(Arc::clone(&platform.clock)));
        people(&store).await;
        let control = Control::new(Stores::of(&store), Sealer::new(Secret::new("k".to_owned())), platform.clone());
        let control = Arc::new(control.with_passwords(Passwords::cheap()));
        control.refresh().await.unwrap();
        let journal = Arc::<Notebook>::default();
        let metrics = Arc::<Metrics>::default();
        let engine = Engine::new(control.snapshot().clone(), platform, Arc::clone(&journal) as _, metrics, Limits::default());
        let engine = engine.with_health(Arc::clone(control.health())).with_doctor(Arc::clone(control.doctor()));
        let address = serve_both(control, engine).await;
        let house = Self { address, provider: Caching::start().await, clock, journal };
        house.furnish(credentials, settings).await;
        house
    }

    async fn furnish(&self, credentials: usize, settings: Value) {
        for (name, channel) in [("up", "custom"), ("claude", "anthropic")] {
            let mut settings = settings.clone();
            settings["base_url"] = format!("http://{}", self.provider.address).into();
            if channel == "custom" {
                settings.as_object_mut().unwrap().remove("cache_breakpoints");
            }
            let made = self.admin("POST", "/admin/providers", json!({"name": name, "channel": channel, "settings": settings})).await;
            for number in 0..credentials {
                let path = format!("/admin/providers/{}/credentials", made["id"]);
                self.admin("POST", &path, json!({"name": format!("c{number}"), "api_key": format!("sk-credential-{number}")})).await;
            }
        }
        let rates = json!({"input": "2.5", "cache_write_5m": "3.125", "cache_read": "0.25", "output": "10"});
        self.admin("POST", "/admin/price-rules", json!({"match_kind": "exact", "pattern": "m", "rates_json": rates.to_string()})).await;
    }

    async fn call(&self, who: &str, (method, path): (&str, &str), headers: &[(&str, &str)], body: &Value) -> Answer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let mut head = format!(
            "{method} {path} HTTP/1.1\r\nhost: gateway\r\nconnection: close\r\nauthorization: Bearer {}\r\ncontent-length: {}\r\n",
            token(who),
            body.len()
        );
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(format!("{head}\r\n{body}").as_bytes()).await.unwrap();
        let mut data = Vec::new();
        stream.read_to_end(&mut data).await.unwrap();
        Answer::parse(&data)
    }

    async fn admin(&self, method: &str, path: &str, body: Value) -> Value {
        let answer = self.call("owner", (method, path), &[], &body).await;
        assert_eq!(answer.status, 200, "{method} {path}: {}", answer.text());
        answer.json()
    }

    async fn turn_on(&self) {
        self.admin("POST", "/admin/settings", json!({"cache_doctor": true})).await;
    }

    /// A turn, and a little while until the next one.
    async fn say(&self, who: &str, path: &str, body: &Value) {
        let answer = self.call(who, ("POST", path), &[("content-type", "application/json")], body).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        self.clock.advance(Duration::from_secs(20));
    }

    async fn report(&self) -> Value {
        self.admin("GET", "/admin/doctor/cache", Value::Null).await
    }
}

/// An owner, a viewer; of two organizations an administrator and a member each.
async fn people(store: &MemoryStore) {
    let save = async |row: NewUser| {
        let user = store.save(None, row).await.unwrap();
        let text = token(&user.row.name);
        store.save(None, NewKey::of(user.id, key::digest_text(&text), key::prefix(&text))).await.unwrap();
        store.ensure(NewPermission::of(user.id, "*")).await.unwrap();
    };
    save(NewUser { role: Role::Owner, ..NewUser::named("owner") }).await;
    save(NewUser { role: Role::Viewer, ..NewUser::named("viewer") }).await;
    for name in ["acme", "other"] {
        let row = NewOrganization { name: name.into(), description: None, enabled: true };
        let organization = store.save(None, row).await.unwrap().id;
        store.ensure(NewPermission::of(organization, "*")).await.unwrap();
        let organization_id = Some(organization);
        save(NewUser { role: Role::OrganizationAdmin, organization_id, ..NewUser::named(format!("{name}-boss")) }).await;
        save(NewUser { organization_id, ..NewUser::named(format!("{name}-member")) }).await;
    }
    store.load().await.unwrap();
}

/// A conversation of a client that says what it was told to say first.
struct Talk {
    said: Vec<Value>,
    model: &'static str,
}

impl Talk {
    fn new(model: &'static str, system: &str) -> Self {
        Self { model, said: vec![json!({"role": "system", "content": system}), json!({"role": "user", "content": "canary-question"})] }
    }

    fn body(&self) -> Value {
        json!({"model": self.model, "messages": self.said})
    }

    /// The same as a client of Responses says it.
    fn responses(&self) -> Value {
        json!({"model": self.model, "store": false, "instructions": self.said[0]["content"], "input": self.said[1..]})
    }

    /// What was answered, and what is said next.
    fn go_on(&mut self, turn: usize) {
        self.said.push(json!({"role": "assistant", "content": "done"}));
        self.said.push(json!({"role": "user", "content": format!("and then {turn} {}", "more ".repeat(80))}));
    }
}

fn rules() -> String {
    "You are careful. ".repeat(120)
}

fn nanos(dollars: &Value) -> i64 {
    Nanos::parse(dollars.as_str().unwrap()).unwrap().get()
}

fn causes(session: &Value) -> Vec<(String, u64)> {
    let cause = |view: &Value| (view["cause"].as_str().unwrap().to_owned(), view["turns"].as_u64().unwrap());
    session["causes"].as_array().unwrap().iter().map(cause).collect()
}

#[tokio::test]
async fn a_healthy_session_reads_all_that_it_could_and_loses_nothing() {
    let house = House::new(1, json!({})).await;
    house.turn_on().await;
    let mut talk = Talk::new("up/m", &rules());
    for turn in 0..20 {
        house.say("acme-member", CHAT, &talk.body()).await;
        talk.go_on(turn);
    }
    let report = house.report().await;
    let session = &report["sessions"][0];
    assert_eq!(
        (&report["is_on"], &report["known"], &session["turns"], &session["compared"]),
        (&json!(true), &json!(1), &json!(20), &json!(19))
    );
    assert!(session["hit_rate"].as_f64().unwrap() >= 0.999, "{session}");
    assert_eq!((&session["lost_tokens"], nanos(&session["lost"]), causes(session)), (&json!(0), 0, Vec::new()), "{session}");
    assert_eq!((&session["user"], &session["provider"], &session["model"]), (&json!("acme-member"), &json!("up"), &json!("m")));
    assert_eq!((&session["first_difference"], &session["is_named"]), (&Value::Null, &json!(false)));
}

#[tokio::test]
async fn a_clock_in_the_system_prompt_is_told_by_path_and_byte_and_costs_what_the_bill_says() {
    let house = House::new(1, json!({})).await;
    house.turn_on().await;
    let mut talk = Talk::new("up/m", "");
    let mut expected = 0;
    for turn in 0..5 {
        talk.said[0]["content"] = format!("It is 12:0{turn} now. {} canary-system", rules()).into();
        house.say("acme-member", CHAT, &talk.body()).await;
        // Each turn but the last could have been read whole by the next one.
        let sent: Value = serde_json::from_str(house.provider.bodies().last().unwrap()).unwrap();
        expected += if turn < 4 { i64::try_from(prompt(&sent).len()).unwrap() } else { 0 };
        talk.go_on(turn);
    }
    let report = house.report().await;
    let session = &report["sessions"][0];
    assert_eq!(causes(session), [("prefix_changed".to_owned(), 4)], "{session}");
    assert_eq!(session["lost_tokens"], expected);
    assert_eq!(nanos(&session["lost"]), expected * (INPUT - READ));
    assert_eq!((&session["hit_rate"], &report["totals"]["lost"]), (&json!(0.0), &session["lost"]));
    let bodies = house.provider.bodies();
    let (before, last) = (&bodies[3], &bodies[4]);
    let byte = before.bytes().zip(last.bytes()).take_while(|(one, other)| one == other).count();
    assert_eq!(session["first_difference"], json!({"path": "messages[0].content", "byte": byte}));
    assert!(session["causes"][0]["remedy"].as_str().unwrap().contains("dates"));
    // What it used is what its rows say.
    let fresh: u64 = house.journal.rows(5).await.iter().map(|row| row.usage.bucket(gproxy::base::Bucket::Input)).sum();
    assert_eq!(session["input_tokens"], fresh);
}

#[tokio::test]
async fn credentials_that_take_turns_are_told_as_such() {
    let house = House::new(3, json!({"credential_cache_affinity_enabled": false})).await;
    house.turn_on().await;
    let mut talk = Talk::new("up/m", &rules());
    for turn in 0..9 {
        house.say("acme-member", CHAT, &talk.body()).await;
        talk.go_on(turn);
    }
    let report = house.report().await;
    let session = &report["sessions"][0];
    let [(cause, turns)] = &causes(session)[..] else { panic!("{session}") };
    assert_eq!(cause, "another_credential");
    // Two turns find nothing, each of the others what was said three turns ago.
    assert_eq!(*turns, 8, "{session}");
    assert!(nanos(&session["lost"]) > 0 && session["hit_rate"].as_f64().unwrap() < 0.9, "{session}");
}

#[tokio::test]
async fn a_converted_prompt_is_judged_as_it_was_sent() {
    let house = House::new(1, json!({})).await;
    house.turn_on().await;
    let mut talk = Talk::new("claude/m", &rules());
    for turn in 0..4 {
        house.say("acme-member", RESPONSES, &talk.responses()).await;
        talk.go_on(turn);
    }
    let report = house.report().await;
    assert_eq!(causes(&report["sessions"][0]), [("no_mark".to_owned(), 3)], "{report}");
    // The same with the provider's own marks, the last of which moves on at every turn.
    let marks = json!([{"target": "system", "position": "last"}, {"target": "messages", "position": "last"}]);
    let house = House::new(1, json!({"cache_breakpoints": marks})).await;
    house.turn_on().await;
    let mut talk = Talk::new("claude/m", &rules());
    for turn in 0..6 {
        if turn == 5 {
            talk.said[0]["content"] = rules().replacen("careful", "hasty", 1).into();
        }
        house.say("acme-member", RESPONSES, &talk.responses()).await;
        talk.go_on(turn);
    }
    let report = house.report().await;
    let session = &report["sessions"][0];
    assert_eq!(causes(session), [("prefix_changed".to_owned(), 1)], "{session}");
    assert_eq!(session["compared"], 5);
    let bodies = house.provider.bodies();
    let path = session["first_difference"]["path"].as_str().unwrap();
    assert_eq!(path, "system[0].text");
    let byte = usize::try_from(session["first_difference"]["byte"].as_u64().unwrap()).unwrap();
    assert!(bodies[5][byte..].starts_with("hasty"), "{}", &bodies[5][byte..byte + 20]);
    // What was written again would have been read.
    assert_eq!(nanos(&session["lost"]), session["lost_tokens"].as_i64().unwrap() * (WRITE - READ));
}

#[tokio::test]
async fn a_long_pause_and_another_model_are_told() {
    let house = House::new(1, json!({})).await;
    house.turn_on().await;
    let mut talk = Talk::new("up/m", &rules());
    house.say("acme-member", CHAT, &talk.body()).await;
    talk.go_on(0);
    house.clock.advance(Duration::from_mins(6));
    house.provider.forget();
    house.say("acme-member", CHAT, &talk.body()).await;
    talk.go_on(1);
    talk.model = "up/n";
    house.say("acme-member", CHAT, &talk.body()).await;
    let report = house.report().await;
    let session = &report["sessions"][0];
    let mut found = causes(session);
    found.sort();
    assert_eq!(found, [("gap_too_long".to_owned(), 1), ("model_changed".to_owned(), 1)], "{session}");
    // The other model has no price, and that is no zero.
    assert!(session["unpriced_tokens"].as_u64().unwrap() > 0, "{session}");
}

#[tokio::test]
async fn nothing_is_watched_before_it_is_asked_for_and_nothing_is_left_behind() {
    let house = House::new(1, json!({})).await;
    let talk = Talk::new("up/m", &rules());
    house.say("acme-member", CHAT, &talk.body()).await;
    assert_eq!(house.report().await["sessions"], json!([]));
    assert_eq!(house.report().await["is_on"], json!(false));
    house.turn_on().await;
    house.say("acme-member", CHAT, &talk.body()).await;
    assert_eq!(house.report().await["known"], json!(1));
    house.admin("POST", "/admin/settings", json!({"cache_doctor": false})).await;
    assert_eq!(house.report().await["known"], json!(0));
    house.say("acme-member", CHAT, &talk.body()).await;
    assert_eq!(house.report().await["known"], json!(0));
    house.turn_on().await;
    house.say("acme-member", CHAT, &talk.body()).await;
    house.clock.advance(Duration::from_hours(1));
    assert_eq!(house.report().await["known"], json!(0), "an hour is enough");
}

#[tokio::test]
async fn each_role_sees_its_own_and_nobody_sees_what_was_said() {
    let house = House::new(1, json!({})).await;
    house.turn_on().await;
    for who in ["acme-member", "other-member"] {
        let mut talk = Talk::new("claude/m", &format!("canary-system {}", rules()));
        for turn in 0..3 {
            let tool = json!({"type": "function", "function": {"name": "canary_tool", "description": "canary-description",
                "parameters": {"type": "object", "properties": {"canary_property": {"type": "string", "description": format!("canary {turn}")}}}}});
            let body = json!({"model": talk.model, "messages": talk.said, "tools": [tool], "prompt_cache_key": "canary-session"});
            house.say(who, CHAT, &body).await;
            talk.go_on(turn);
        }
    }
    let path = "/admin/doctor/cache";
    for (who, status, known) in
        [("owner", 200, 2), ("viewer", 200, 2), ("acme-boss", 200, 1), ("other-boss", 200, 1), ("acme-member", 403, 0)]
    {
        let answer = house.call(who, ("GET", path), &[], &Value::Null).await;
        assert_eq!(answer.status, status, "{who}: {}", answer.text());
        assert!(!answer.text().contains("canary"), "{}", answer.text());
        if status == 200 {
            assert_eq!(answer.json()["known"], json!(known), "{who}");
        }
    }
    let own = house.call("acme-boss", ("GET", path), &[], &Value::Null).await.json();
    assert_eq!((&own["sessions"][0]["user"], &own["sessions"][0]["is_named"]), (&json!("acme-member"), &json!(true)));
    assert_eq!(own["totals"]["turns"], json!(3), "the totals are of its own too");
    let organization = own["sessions"][0]["organization_id"].as_i64().unwrap();
    let theirs = format!("{path}?organization_id={}", organization + 1);
    assert_eq!(house.call("acme-boss", ("GET", &theirs), &[], &Value::Null).await.status, 404);
    for (query, known) in
        [(format!("organization_id={organization}"), 1), ("limit=1".into(), 2), ("model=n".into(), 0), ("user_id=999".into(), 0)]
    {
        let report = house.admin("GET", &format!("{path}?{query}"), Value::Null).await;
        assert_eq!(report["known"], json!(known), "{query}");
        assert!(report["sessions"].as_array().unwrap().len() <= 1, "{query}");
    }
    assert_eq!(house.call("owner", ("GET", &format!("{path}?user=1")), &[], &Value::Null).await.status, 400);
}

#[tokio::test]
async fn callers_of_one_session_name_are_watched_each_for_itself() {
    let house = House::new(1, json!({})).await;
    house.turn_on().await;
    let body = |content: String| json!({"model": "up/m", "messages": [{"role": "user", "content": content}]});
    for who in ["acme-member", "other-member"] {
        for turn in 0..2 {
            let headers = [("content-type", "application/json"), ("x-gproxy-session-id", "one")];
            let answer = house.call(who, ("POST", CHAT), &headers, &body(format!("{} {turn}", rules()))).await;
            assert_eq!(answer.status, 200, "{}", answer.text());
        }
    }
    let report = house.report().await;
    assert_eq!(report["known"], json!(2));
    for session in report["sessions"].as_array().unwrap() {
        // Two conversations that have nothing of each other: none is held against the other.
        assert_eq!((&session["turns"], &session["compared"], &session["is_named"]), (&json!(2), &json!(0), &json!(true)), "{session}");
    }
    assert_ne!(report["sessions"][0]["session"], report["sessions"][1]["session"]);
}

#[tokio::test]
async fn tools_in_another_order_are_told_of_a_claude_client() {
    let house = House::new(1, json!({})).await;
    house.turn_on().await;
    let mark = json!({"type": "ephemeral"});
    let tool = |name: &str| json!({"name": name, "input_schema": {"type": "object"}});
    let mut tools = vec![tool("read"), tool("write")];
    let mut said = vec![json!({"role": "user", "content": [{"type": "text", "text": rules(), "cache_control": mark}]})];
    for turn in 0..3 {
        let body = json!({"model": "claude/m", "max_tokens": 10, "tools": tools, "messages": said});
        house.say("acme-member", CLAUDE, &body).await;
        said.push(json!({"role": "assistant", "content": "done"}));
        said.push(json!({"role": "user", "content": [{"type": "text", "text": "and then", "cache_control": mark}]}));
        if turn == 1 {
            tools.reverse();
        }
    }
    let report = house.report().await;
    let session = &report["sessions"][0];
    assert_eq!(causes(session), [("tools_changed".to_owned(), 1)], "{session}");
    assert_eq!((&session["first_difference"]["path"], &session["compared"]), (&json!("tools[0].name"), &json!(2)));
}

#[tokio::test]
async fn streams_are_watched_as_whole_answers_are() {
    let house = House::new(1, json!({})).await;
    house.turn_on().await;
    let mut talk = Talk::new("up/m", &rules());
    for turn in 0..3 {
        let mut body = talk.body();
        body["stream"] = true.into();
        house.say("acme-member", CHAT, &body).await;
        talk.go_on(turn);
    }
    let report = house.report().await;
    let session = &report["sessions"][0];
    assert_eq!((&session["compared"], &session["hit_rate"], causes(session)), (&json!(2), &json!(1.0), Vec::new()), "{session}");
}

/// What the program of an operator prints, asked of the program of a gateway.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_asks_a_running_gateway() {
    let provider = Caching::start().await;
    let program = Program::start();
    let run = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gproxy"));
        let url = format!("http://{}", program.address());
        command
            .env_clear()
            .env("GPROXY_ADMIN_KEY", &program.key)
            .args(["doctor", "cache"])
            .args(if more.contains(&"--url") { vec![] } else { vec!["--url", &url] })
            .args(more);
        let output = command.current_dir(program.folder.path()).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.success(), text(output.stdout), text(output.stderr))
    };
    let (is_good, told, _) = run(&[]);
    assert!(is_good && told.contains("The doctor is off") && told.contains(r#"{"cache_doctor": true}"#), "{told}");
    program.ok("POST", "/admin/settings", &json!({"cache_doctor": true}));
    assert!(run(&[]).1.starts_with("Nothing was seen yet"));
    let settings = json!({"base_url": format!("http://{}", provider.address)});
    let made = program.ok("POST", "/admin/providers", &json!({"name": "up", "channel": "custom", "settings": settings}));
    program.ok("POST", &format!("/admin/providers/{}/credentials", made["id"]), &json!({"api_key": "sk-credential"}));
    for turn in 0..3 {
        let mut talk = Talk::new("up/m", &format!("It is 12:0{turn}. {}", rules()));
        talk.go_on(0);
        program.ok("POST", CHAT, &talk.body());
    }
    let (is_good, table, _) = run(&[]);
    assert!(is_good && table.contains("messages[0].content at byte ") && table.contains("no price"), "{table}");
    assert!(table.contains("the prompt changed within what was sent before:"), "{table}");
    let (_, text, _) = run(&["--json", "--limit", "5", "--model", "m"]);
    let report: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&report["sessions"][0]["turns"], &report["sessions"][0]["user"]), (&json!(3), &json!("admin")), "{text}");
    assert!(run(&["--model", "other"]).1.starts_with("Nothing was seen yet"));
    let (is_good, _, told) = run(&["--admin-key", "sk-nobody-0123456789abcdef"]);
    assert!(!is_good && told.contains("401"), "{told}");
    let (is_good, _, told) = run(&["--url", "http://127.0.0.1:1"]);
    assert!(!is_good && told.contains("no gateway answers"), "{told}");
}
