//! Who may do what in the control plane, over sockets, as docs/admin-api.md says; and secrets that are seen nowhere.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use gproxy::{
    access::key,
    admin::{Control, Stores, password::Passwords},
    base::Secret,
    credentials::Sealer,
    http::api,
    observe::Metrics,
    pipeline::{Engine, Limits},
    runtime::native,
    store::{
        persist::{
            Ledger as _, Records, RecordsExt as _,
            journal::{FileJournal, JournalConfig},
            memory::MemoryStore,
            sql::SqlStore,
            writer::{Writer, WriterConfig},
        },
        record::{NewKey, NewOrganization, NewPermission, NewQuota, NewUser, Role, ScopeKind},
    },
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::harness::{Answer, Notebook, Upstream, serve_both};

/// A gateway with its control plane, and a user of every role.
struct House {
    address: SocketAddr,
    control: Arc<Control>,
}

fn token(name: &str) -> String {
    format!("sk-{name}-0123456789abcdef")
}

async fn user(records: &dyn Records, row: NewUser) -> i64 {
    let name = row.name.clone();
    let user = records.save(None, row).await.unwrap();
    let token = token(&name);
    records.save(None, NewKey::of(user.id, key::digest_text(&token), key::prefix(&token))).await.unwrap();
    user.id.0
}

impl House {
    async fn new() -> Self {
        let (platform, _tasks) = native::platform();
        let store = Arc::new(MemoryStore::new(Arc::clone(&platform.clock)));
        for role in Role::ALL {
            user(&*store, NewUser { role: *role, ..NewUser::named(role.word()) }).await;
        }
        Self::over(Stores::of(&store), Arc::<Notebook>::default() as _).await
    }

    async fn over(stores: Stores, journal: Arc<dyn gproxy::store::persist::Journal>) -> Self {
        let (platform, _tasks) = native::platform();
        let control = Control::new(stores, Sealer::new(Secret::new("k".to_owned())), platform.clone());
        let control = Arc::new(control.with_passwords(Passwords::cheap()));
        control.refresh().await.unwrap();
        let engine = Engine::new(control.snapshot().clone(), platform, journal, Arc::new(Metrics::new()), Limits::default());
        let address = serve_both(Arc::clone(&control), engine).await;
        Self { address, control }
    }

    /// A call over a connection of its own, by the user of a name.
    async fn call(&self, who: Option<&str>, method: &str, path: &str, body: &Value) -> Answer {
        let key = who.map(|name| format!("authorization: Bearer {}\r\n", token(name))).unwrap_or_default();
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let length = body.len();
        let head = format!("{method} {path} HTTP/1.1\r\nhost: gateway\r\nconnection: close\r\n{key}content-length: {length}\r\n\r\n");
        stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
        let mut data = Vec::new();
        stream.read_to_end(&mut data).await.unwrap();
        Answer::parse(&data)
    }

    async fn status(&self, who: &str, method: &str, path: &str, body: Value) -> u16 {
        self.call(Some(who), method, path, &body).await.status
    }

    async fn ok(&self, who: &str, method: &str, path: &str, body: Value) -> Value {
        let answer = self.call(Some(who), method, path, &body).await;
        assert!((200..300).contains(&answer.status), "{who}: {method} {path}: {}", answer.text());
        if answer.body.is_empty() { Value::Null } else { answer.json() }
    }

    fn id(&self, name: &str) -> i64 {
        let snapshot = self.control.snapshot().load();
        snapshot.rows().users.iter().find(|user| user.name == name).unwrap().id.0
    }
}

#[tokio::test]
async fn nobody_is_read_who_may_not_call_and_no_stranger_at_length() {
    let house = House::new().await;
    let key = |name| format!("authorization: Bearer {}\r\n", token(name));
    // Who, what, how long the body says that it is, how much of it comes, the status, and whether the connection goes on.
    for (who, line, length, sent, status, goes_on) in [
        (String::new(), "POST /admin/users", 10 << 20, 0, 401, false),
        ("x-api-key: sk-unknown\r\n".into(), "POST /admin/users", 10 << 20, 0, 401, false),
        (key("member"), "POST /admin/users", 10 << 20, 0, 403, false),
        (key("member"), "POST /admin/nothing", 10 << 20, 0, 403, false),
        (key("owner"), "POST /admin/nothing", 10 << 20, 0, 404, false),
        (key("owner"), "PUT /admin/users", 10 << 20, 0, 405, false),
        (String::new(), "POST /user/keys", 10 << 20, 0, 401, false),
        (String::new(), "POST /admin/users", 2, 2, 401, true),
        (String::new(), "POST /login", (16 << 10) + 1, 0, 413, false),
        (String::new(), "POST /login", 16 << 10, 16 << 10, 400, true),
        (key("owner"), "POST /admin/users", (10 << 20) + 1, 0, 413, false),
        (key("owner"), "POST /admin/users", 17 << 10, 17 << 10, 400, true),
    ] {
        let mut stream = TcpStream::connect(house.address).await.unwrap();
        let head = format!("{line} HTTP/1.1\r\nhost: gateway\r\n{who}content-length: {length}\r\n\r\n");
        stream.write_all(format!("{head}{}", "x".repeat(sent)).as_bytes()).await.unwrap();
        if goes_on {
            stream.write_all(b"GET /livez HTTP/1.1\r\nhost: gateway\r\nconnection: close\r\n\r\n").await.unwrap();
        }
        let mut data = Vec::new();
        stream.read_to_end(&mut data).await.unwrap();
        let answer = Answer::parse(&data);
        let text = String::from_utf8_lossy(&answer.body);
        assert_eq!((answer.status, answer.header("connection") != Some("close")), (status, goes_on), "{line} {length}: {text}");
        assert_eq!(text.ends_with("ok\n"), goes_on, "{line} {length}: {text}");
    }
}

/// The page's table: for each route the words of the roles that it is open to.
fn table() -> BTreeMap<String, Vec<String>> {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/admin-api.md")).unwrap();
    let rows = page.lines().skip_while(|line| !line.starts_with("| | owner |")).take_while(|line| line.starts_with('|'));
    let rows: Vec<Vec<&str>> = rows.map(|line| line.split('|').map(str::trim).collect()).collect();
    let heads = rows[0].clone();
    let mut open = BTreeMap::new();
    for row in &rows[2..] {
        let routes = row.iter().rev().nth(1).unwrap();
        let cells = heads.iter().zip(row).skip(2).take(Role::ALL.len()).filter(|(_, cell)| !cell.is_empty());
        let roles: Vec<String> = cells.map(|(head, _)| (*head).to_owned()).collect();
        for route in routes.split('`').skip(1).step_by(2) {
            assert!(open.insert(route.to_owned(), roles.clone()).is_none(), "{route} is there twice");
        }
    }
    open
}

#[tokio::test]
async fn every_route_answers_each_role_as_the_page_says() {
    let house = House::new().await;
    let organization = house.ok("owner", "POST", "/admin/orgs", json!({"name": "acme"})).await["id"].clone();
    let path = format!("/admin/users/{}", house.id("organization_admin"));
    house.ok("owner", "PATCH", &path, json!({"organization_id": organization})).await;
    let table = table();
    let mut told = 0;
    for (method, pattern, _) in api::routes() {
        let (path, method) = (pattern.replace("{id}", "999999"), method.as_str());
        let nobody = house.call(None, method, &path, &Value::Null).await;
        // Without an identity provider there is nothing to sign in at.
        let expected = match pattern {
            "/login" => 400,
            "/login/oidc" | "/login/oidc/callback" => 404,
            _ => 401,
        };
        assert_eq!(nobody.status, expected, "nobody: {method} {path}: {}", nobody.text());
        let roles = table.get(&format!("{method} {pattern}"));
        let governed = pattern.starts_with("/admin/") && pattern != "/admin/openapi.json";
        assert_eq!(roles.is_some(), governed, "{method} {pattern} in the page");
        told += usize::from(roles.is_some());
        for role in Role::ALL {
            let answer = house.call(Some(role.word()), method, &path, &Value::Null).await;
            let open = roles.is_none_or(|roles| roles.iter().any(|open| open == role.word()));
            let shut = answer.status == 403;
            assert!(answer.status != 401 && answer.status < 500 && shut != open, "{role}: {method} {path}: {}", answer.text());
        }
    }
    assert_eq!(told, table.len(), "the page has routes that are not there");
    for path in ["/admin", "/admin/nothing", "/admin/users/1/2/3"] {
        assert_eq!(house.call(None, "GET", path, &Value::Null).await.status, 401);
        for role in Role::ALL {
            let expected = if role.is_admin() { 404 } else { 403 };
            assert_eq!(house.status(role.word(), "GET", path, Value::Null).await, expected, "{role}: {path}");
        }
    }
}

#[tokio::test]
async fn only_owners_touch_owners_and_the_last_one_stays() {
    let house = House::new().await;
    let owner = format!("/admin/users/{}", house.id("owner"));
    for body in [json!({"password": "x"}), json!({"role": "member"}), json!({"enabled": false}), json!({"name": "y"})] {
        assert_eq!(house.status("admin", "PATCH", &owner, body.clone()).await, 403, "{body}");
    }
    assert_eq!(house.status("admin", "POST", &format!("{owner}/keys"), json!({})).await, 403);
    assert_eq!(house.status("admin", "POST", "/admin/user-keys/generate", json!({"user_id": house.id("owner")})).await, 403);
    assert_eq!(house.status("admin", "DELETE", &owner, Value::Null).await, 403);
    assert_eq!(house.status("admin", "POST", "/admin/users/delete", json!({"id": house.id("owner")})).await, 403);
    assert_eq!(house.status("admin", "POST", "/admin/users/upsert", json!({"id": house.id("owner"), "password": "x"})).await, 403);
    let key = house.ok("owner", "GET", &format!("{owner}/keys"), Value::Null).await[0]["id"].clone();
    for (method, body) in [("PATCH", json!({"enabled": false})), ("DELETE", Value::Null)] {
        assert_eq!(house.status("admin", method, &format!("/admin/user-keys/{key}"), body).await, 403);
    }
    let me = format!("/admin/users/{}", house.id("admin"));
    assert_eq!(house.status("admin", "PATCH", &me, json!({"role": "owner"})).await, 403);
    assert_eq!(house.status("admin", "POST", "/admin/users", json!({"name": "o", "role": "owner"})).await, 403);
    house.ok("admin", "POST", "/admin/users", json!({"name": "a", "role": "admin"})).await;

    let organization = house.ok("owner", "POST", "/admin/orgs", json!({"name": "acme"})).await["id"].clone();
    house.ok("owner", "PATCH", &owner, json!({"organization_id": organization})).await;
    let off = json!({"enabled": false});
    assert_eq!(house.status("admin", "PATCH", &format!("/admin/orgs/{organization}"), off.clone()).await, 403);
    assert_eq!(house.status("owner", "PATCH", &format!("/admin/orgs/{organization}"), off.clone()).await, 409);
    for body in [off, json!({"role": "admin"}), json!({"is_admin": false})] {
        assert_eq!(house.status("owner", "PATCH", &owner, body.clone()).await, 409, "{body}");
    }
    assert_eq!(house.status("owner", "DELETE", &owner, Value::Null).await, 409);
    let body = json!({"role": "viewer", "is_admin": true});
    assert_eq!(house.status("owner", "POST", "/admin/users", body).await, 400);
    house.ok("owner", "POST", "/admin/users", json!({"name": "second", "role": "owner"})).await;
    house.ok("owner", "DELETE", &owner, Value::Null).await;
}

#[tokio::test]
async fn of_two_owners_who_demote_each_other_at_once_one_stays() {
    let house = House::new().await;
    house.ok("owner", "PATCH", &format!("/admin/users/{}", house.id("member")), json!({"role": "owner"})).await;
    let paths = ["owner", "member"].map(|name| format!("/admin/users/{}", house.id(name)));
    let body = || json!({"role": "viewer"});
    let calls = tokio::join!(house.status("owner", "PATCH", &paths[1], body()), house.status("member", "PATCH", &paths[0], body()));
    assert_eq!([calls.0, calls.1].into_iter().filter(|status| *status == 200).count(), 1, "{calls:?}");
    let rows = house.control.snapshot().load();
    assert_eq!(rows.rows().users.iter().filter(|user| user.role == Role::Owner).count(), 1);
}

/// Two organizations, in each of them an admin, a member, a viewer of everything and an owner.
async fn tenants() -> (House, [i64; 2]) {
    let (platform, _tasks) = native::platform();
    let store = Arc::new(MemoryStore::new(Arc::clone(&platform.clock)));
    let mut organizations = [0; 2];
    for (at, name) in ["acme", "other"].into_iter().enumerate() {
        let row = NewOrganization { name: name.into(), description: None, enabled: true };
        let organization = store.save(None, row).await.unwrap().id;
        organizations[at] = organization.0;
        for (kind, role) in [("boss", Role::OrganizationAdmin), ("member", Role::Member), ("viewer", Role::Viewer), ("owner", Role::Owner)]
        {
            let row = NewUser { role, organization_id: Some(organization), ..NewUser::named(format!("{name}-{kind}")) };
            user(&*store, row).await;
        }
        store.save(None, NewPermission::of(organization, "up/*")).await.unwrap();
        let quota = NewQuota {
            scope: ScopeKind::Organization,
            scope_id: organization.0,
            total: Some(10_000_000_000),
            daily: None,
            weekly: None,
            monthly: None,
            rolling_5h: None,
            rolling_7d: None,
            admission: gproxy::store::record::Admission::Strict,
        };
        store.save(None, quota).await.unwrap();
    }
    let house = House::over(Stores::of(&store), Arc::<Notebook>::default() as _).await;
    (house, organizations)
}

#[tokio::test]
async fn an_organizations_admin_sees_only_its_own() {
    let (house, [own, other]) = tenants().await;
    let boss = "acme-boss";
    for path in ["/admin/users", "/admin/user-keys", "/admin/orgs", "/admin/teams", "/admin/route-permissions", "/admin/quotas"] {
        let mine = house.ok(boss, "GET", path, Value::Null).await;
        let all = house.ok("acme-owner", "GET", path, Value::Null).await;
        let (mine, all) = (mine.as_array().unwrap(), all.as_array().unwrap());
        assert_eq!(mine.len() * 2, all.len(), "{path}: {mine:?}");
        let foreign = all.iter().find(|row| !mine.contains(row));
        if let Some(foreign) = foreign {
            let (item, body) = (format!("{path}/{}", foreign["id"]), json!({"enabled": false}));
            assert_eq!(house.status(boss, "GET", &item, Value::Null).await, 404, "{item}");
            assert!([403, 404].contains(&house.status(boss, "PATCH", &item, body).await), "{item}");
            assert!([403, 404].contains(&house.status(boss, "DELETE", &item, Value::Null).await), "{item}");
        }
    }
    let stranger = house.id("other-member");
    for path in
        [format!("/admin/users/{stranger}/keys"), format!("/admin/users/{stranger}/permissions"), format!("/admin/orgs/{other}/teams")]
    {
        assert_eq!(house.status(boss, "GET", &path, Value::Null).await, 404, "{path}");
        let body = json!({"name": "t", "pattern": "up/x"});
        assert_ne!(house.status(boss, "POST", &path, body).await / 100, 2, "{path}");
    }
    assert_eq!(house.status(boss, "POST", &format!("/admin/users/{stranger}/keys"), json!({})).await, 404);
    for list in ["usage", "usage/summary", "usage/export"] {
        assert_eq!(house.status(boss, "GET", &format!("/admin/{list}?organization_id={other}"), Value::Null).await, 404, "{list}");
    }
    assert_eq!(house.ok(boss, "GET", &format!("/admin/usage?organization_id={own}"), Value::Null).await, json!([]));
}

#[tokio::test]
async fn an_organizations_admin_runs_its_own_and_gives_no_more_than_it_has() {
    let (house, [own, other]) = tenants().await;
    let boss = "acme-boss";
    let ann = house.ok(boss, "POST", "/admin/users", json!({"name": "ann"})).await;
    assert_eq!((&ann["organization_id"], &ann["role"]), (&json!(own), &json!("member")));
    let ann = ann["id"].as_i64().unwrap();
    let path = format!("/admin/users/{ann}");
    house.ok(boss, "POST", &format!("{path}/keys"), json!({"label": "laptop"})).await;
    let team = house.ok(boss, "POST", &format!("/admin/orgs/{own}/teams"), json!({"name": "red"})).await["id"].clone();
    let empty = house.ok(boss, "POST", "/admin/teams", json!({"name": "blue", "organization_id": own})).await["id"].clone();
    house.ok(boss, "PATCH", &path, json!({"team_id": team, "role": "organization_admin"})).await;
    house.ok(boss, "POST", &format!("{path}/permissions"), json!({"pattern": "up/gpt-*"})).await;
    house.ok(boss, "POST", "/admin/quotas", json!({"scope": "user", "scope_id": ann, "total": "10"})).await;
    house.ok(boss, "POST", "/admin/rate-limits", json!({"scope": "team", "scope_id": team, "requests_per_minute": 5})).await;
    for (path, body) in [
        ("/admin/users".to_owned(), json!({"id": ann, "role": "viewer"})),
        ("/admin/users".to_owned(), json!({"id": ann, "role": "admin"})),
        ("/admin/users".to_owned(), json!({"id": ann, "is_admin": true})),
        ("/admin/users".to_owned(), json!({"id": ann, "organization_id": other, "team_id": null})),
        ("/admin/users".to_owned(), json!({"id": ann, "organization_id": null, "team_id": null})),
        ("/admin/users".to_owned(), json!({"name": "bob", "organization_id": other})),
        (format!("/admin/users/{ann}/permissions"), json!({"pattern": "*"})),
        ("/admin/route-permissions".to_owned(), json!({"scope": "team", "scope_id": team, "pattern": "up*"})),
        ("/admin/route-permissions".to_owned(), json!({"scope": "organization", "scope_id": own, "pattern": "up/x"})),
        ("/admin/quotas".to_owned(), json!({"scope": "team", "scope_id": team, "total": "10.01"})),
        ("/admin/rate-limits".to_owned(), json!({"scope": "user", "scope_id": house.id("other-member"), "requests_per_day": 1})),
        ("/admin/teams".to_owned(), json!({"id": empty, "organization_id": other})),
    ] {
        assert_eq!(house.status(boss, "POST", &path, body.clone()).await, 403, "{path} {body}");
    }
    // The organization's own quota is not its admin's to lift, nor to turn into somebody else's.
    let quotas = house.ok(boss, "GET", &format!("/admin/quotas?scope=organization&scope_id={own}"), Value::Null).await;
    let quota = format!("/admin/quotas/{}", quotas[0]["id"]);
    assert_eq!(house.status(boss, "DELETE", &quota, Value::Null).await, 403);
    assert_eq!(house.status(boss, "PATCH", &quota, json!({"scope": "team", "scope_id": team})).await, 403);
    // People above it who happen to be in the organization.
    for name in ["acme-owner", "acme-viewer"] {
        let path = format!("/admin/users/{}", house.id(name));
        assert_eq!(house.status(boss, "PATCH", &path, json!({"password": "x"})).await, 403, "{name}");
        assert_eq!(house.status(boss, "POST", &format!("{path}/keys"), json!({})).await, 403, "{name}");
        assert_eq!(house.status(boss, "DELETE", &path, Value::Null).await, 403, "{name}");
    }
    house.ok("acme-owner", "PATCH", &format!("/admin/users/{}", house.id("acme-owner")), json!({"team_id": team})).await;
    assert_eq!(house.status(boss, "PATCH", &format!("/admin/teams/{team}"), json!({"enabled": false})).await, 403);
    house.ok(boss, "DELETE", &path, Value::Null).await;
}

/// Where log lines go.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn secrets_that_went_in_are_seen_in_no_sink() {
    let log = Log::default();
    let lines = log.clone();
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(move || lines.clone()).finish();
    let _logging = tracing::subscriber::set_default(subscriber);
    let folder = tempfile::tempdir().unwrap();
    let dsn = format!("sqlite://{}/gproxy.db?mode=rwc", folder.path().display());
    let store = Arc::new(SqlStore::open(&dsn).await.unwrap());
    user(&*store, NewUser { role: Role::Owner, ..NewUser::named("canary-owner") }).await;
    let replay = FileJournal::open(JournalConfig::beside(folder.path())).unwrap();
    let (platform, _tasks) = native::platform();
    let journal = Arc::clone(&replay.journal);
    let writer = Writer::new(replay, Arc::clone(&store) as _, platform.clock, WriterConfig::default());
    let writing = Arc::clone(&writer);
    tokio::spawn(async move { writing.run().await });
    let house = House::over(Stores::of(&store), journal).await;
    let owner = "canary-owner";
    let upstream = Upstream::start().await;
    let mut answers = String::new();
    let settings = json!({"base_url": format!("http://{}", upstream.address), "headers": {"x-up": "CANARY-header"}});
    let provider = house.ok(owner, "POST", "/admin/providers", json!({"name": "up", "channel": "custom", "settings": settings})).await;
    let settings = json!({"base_url": "https://u:CANARY-url@up.example"});
    house.ok(owner, "POST", "/admin/providers", json!({"name": "idle", "channel": "custom", "settings": settings})).await;
    let credentials = format!("/admin/providers/{}/credentials", provider["id"]);
    let id = house.id(owner);
    for (method, path, body) in [
        ("POST", credentials.as_str(), json!({"api_key": "sk-CANARY-credential", "name": "main"})),
        ("POST", credentials.as_str(), json!({"api_key": {"CANARY-object": 1}})),
        ("POST", credentials.as_str(), json!({"api_key": "CANARY blank"})),
        ("POST", "/admin/settings", json!({"hf_token": "CANARY-token", "proxy": null})),
        ("POST", "/admin/settings", json!({"hf_token": 7, "proxy": "CANARY-proxy\u{0}"})),
        ("POST", "/admin/users", json!({"name": "ann", "password": "CANARY-password"})),
        ("POST", "/admin/users", json!({"name": "bob", "password": ["CANARY-array"]})),
        ("POST", "/admin/users/upsert", json!({"id": id, "password": {"CANARY-upsert": 1}})),
        ("POST", "/login", json!({"name": "ann", "password": "CANARY-wrong"})),
        ("POST", "/login", json!({"name": "ann", "password": {"CANARY-login": 1}})),
        ("GET", "/admin/users?key=CANARY-query", Value::Null),
    ] {
        answers.push_str(house.call(Some(owner), method, path, &body).await.text());
    }
    house.ok(owner, "POST", &format!("/admin/users/{id}/permissions"), json!({"pattern": "*"})).await;
    let key = house.ok(owner, "POST", &format!("/admin/users/{id}/keys"), json!({"label": "fresh"})).await;
    let session = house.ok(owner, "POST", "/login", json!({"name": "ann", "password": "CANARY-password"})).await;
    let fresh = [&key["api_key"], &session["api_key"]].map(|key| key.as_str().unwrap().to_owned());
    upstream.answers_json("{\"CANARY-answer\": 1, \"usage\": {\"prompt_tokens\": 3, \"total_tokens\": 3}}");
    let call = json!({"model": "up/m", "messages": [{"role": "user", "content": "CANARY-content"}]});
    let answer = house.call(Some(owner), "POST", "/v1/chat/completions?x=1&key=CANARY-key", &call).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    for (_, path, _) in api::routes().filter(|(method, ..)| method.as_str() == "GET") {
        for id in 1..4 {
            answers.push_str(house.call(Some(owner), "GET", &path.replace("{id}", &id.to_string()), &Value::Null).await.text());
        }
    }
    let metrics = house.call(Some(owner), "GET", "/metrics", &Value::Null).await;
    writer.drain().await;
    assert_eq!(store.usages(gproxy::store::persist::UsageFilter::default(), None, 9).await.unwrap().len(), 1);
    store.close().await.unwrap();
    let log = String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned();
    assert!(log.contains("control plane changed") && metrics.text().contains("gproxy"), "the sinks have nothing in them");
    let mut sinks = vec![("answers", answers), ("log", log), ("metrics", metrics.text().to_owned())];
    let mut folders = vec![folder.path().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                sinks.push(("file", String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned()));
            }
        }
    }
    assert!(sinks.len() > 4, "the database and the journal were not found");
    for (sink, text) in &sinks {
        // The provider's settings rest in the database as they were given, and are masked wherever they are shown.
        let text = if *sink == "file" { text.replace("CANARY-url", "").replace("CANARY-header", "") } else { text.clone() };
        if let Some(at) = text.find("CANARY") {
            panic!("{sink}: {}", text.get(at.saturating_sub(200)..at + 60).unwrap_or(&text[at..at + 20]));
        }
        for key in fresh.iter().chain([&token(owner)]) {
            assert!(!text.contains(key.as_str()), "{sink} has a key");
        }
    }
}
