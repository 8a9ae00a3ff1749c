//! Sign-ins over a provider in memory: the one way in, and every way that is none.

use std::{net::IpAddr, sync::Arc, time::Duration};

use serde_json::{Value, json};

use super::{
    id_token::{self, Expected},
    jwks, *,
};
use crate::{
    access::identify,
    admin::{Stores, password::Passwords},
    base::{OrganizationId, Secret},
    credentials::Sealer,
    runtime::{Platform, native::Signatures},
    store::{
        persist::{AuditFilter, AuditLog as _, Records as _, RecordsExt as _, memory::MemoryStore},
        record::{AuditRow, NewOrganization, Role, UserRow},
    },
    testing::{ManualClock, platform_with},
};

mod fake;

use fake::{CLIENT, FakeProvider, ISSUER, Key, SECRET, by_secret, encoded, message};

const REDIRECT: &str = "https://gateway.example/login/oidc/callback";
const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 7));

struct House {
    control: Control,
    store: Arc<MemoryStore>,
    clock: Arc<ManualClock>,
    provider: Arc<FakeProvider>,
}

fn settings() -> Settings {
    Settings {
        issuer: ISSUER.to_owned(),
        client_id: CLIENT.to_owned(),
        client_secret: Some(Secret::new(SECRET.to_owned())),
        redirect_url: REDIRECT.to_owned(),
        scopes: vec!["openid".to_owned(), "email".to_owned()],
        claim: EMAIL.to_owned(),
        allowed_domains: Vec::new(),
        newcomers: Newcomers::Refused,
        roles: None,
    }
}

impl House {
    /// A gateway whose only user is called as the person's address is.
    async fn new() -> Self {
        let house = Self::with(settings()).await;
        house.user(NewUser::named("ann@example.com")).await;
        house
    }

    async fn with(settings: Settings) -> Self {
        let clock = ManualClock::new();
        let provider = FakeProvider::new(Arc::clone(&clock) as _);
        let platform = Platform { transport: Arc::clone(&provider) as _, ..platform_with(Arc::clone(&clock) as _) };
        let store = Arc::new(MemoryStore::new(Arc::clone(&platform.clock)));
        let control = Control::new(Stores::of(&store), Sealer::new(Secret::new("k".to_owned())), platform);
        let control = control.with_passwords(Passwords::cheap()).with_oidc(Some(Oidc::new(settings, Arc::new(Signatures))));
        control.refresh().await.unwrap();
        Self { control, store, clock, provider }
    }

    async fn user(&self, row: NewUser) -> UserRow {
        let user = self.store.save(None, row).await.unwrap();
        self.control.refresh().await.unwrap();
        user
    }

    /// Begins a sign-in, and agrees to it at the provider.
    async fn agreed(&self) -> Arrival {
        let departure = depart(&self.control).await.unwrap();
        let state = fake::parameters(departure.location.split_once('?').unwrap().1)["state"].clone();
        Arrival {
            code: Some(self.provider.approve(&departure.location)),
            state: Some(state),
            passage: Some(departure.passage),
            ..Arrival::default()
        }
    }

    /// Begins a sign-in, agrees, and comes back, each time from another address.
    async fn sign_in(&self) -> Result<Session, SignInFault> {
        let arrival = self.agreed().await;
        self.arrive(arrival).await
    }

    async fn arrive(&self, arrival: Arrival) -> Result<Session, SignInFault> {
        match arrive(&self.control, arrival, None).await {
            Ok(session) => Ok(session),
            Err(AdminFault::SignIn(fault)) => Err(fault),
            Err(fault) => panic!("{fault}"),
        }
    }

    /// Comes back with what must not let anybody in.
    async fn refused(&self, arrival: Arrival) -> SignInFault {
        let before = self.store.load().await.unwrap();
        let fault = self.arrive(arrival).await.expect_err("somebody came in");
        let after = self.store.load().await.unwrap();
        assert_eq!((before.keys, before.users), (after.keys, after.users), "something was made");
        fault
    }

    async fn audit(&self) -> Vec<AuditRow> {
        self.store.entries(AuditFilter::default(), None, 1000).await.unwrap()
    }

    fn opens(&self, session: &Session) -> bool {
        let snapshot = self.control.snapshot().load();
        identify(snapshot.directory(), Some(session.key.key.expose()), self.control.now_ms(), None).is_ok()
    }
}

fn rejected(rejected: Rejected) -> SignInFault {
    SignInFault::Rejected(rejected)
}

#[tokio::test]
async fn the_person_comes_in_and_everything_is_written_down() {
    let house = House::new().await;
    let session = house.sign_in().await.unwrap();
    assert_eq!((session.name.as_str(), session.is_admin), ("ann@example.com", false));
    let now = i64::try_from(house.control.now_ms()).unwrap();
    assert_eq!(session.key.view.expires_at, Some(now + login::SESSION_MS));
    assert_eq!(session.key.view.label.as_deref(), Some("login"));
    assert!(house.opens(&session));
    let rows = house.store.load().await.unwrap();
    let user = rows.users.get(session.user_id).unwrap();
    assert_eq!(user.external_id.as_deref(), Some("https://id.example person-1"));
    let told: Vec<(AuditAction, Option<UserId>, Option<i64>)> =
        house.audit().await.into_iter().map(|row| (row.entry.action, row.entry.actor_id, row.entry.target_id)).collect();
    let who = (Some(user.id), Some(user.id.0));
    assert_eq!(told, [(AuditAction::Login, who.0, who.1), (AuditAction::Update, who.0, who.1)]);
    assert!(house.audit().await[0].entry.after_json.as_deref().unwrap().contains("oidc"));

    // The second time nothing changes but the key.
    let again = house.sign_in().await.unwrap();
    assert_ne!(again.key.view.id, session.key.view.id);
    assert_eq!(house.audit().await.len(), 3);
    house.clock.advance(Duration::from_millis(u64::try_from(login::SESSION_MS).unwrap()));
    assert!(!house.opens(&session) && !house.opens(&again), "a session did not end");
}

#[tokio::test]
async fn what_goes_to_the_provider_is_what_the_standards_ask_for() {
    let house = House::new().await;
    let departure = depart(&house.control).await.unwrap();
    let (address, query) = departure.location.split_once('?').unwrap();
    let query = fake::parameters(query);
    assert_eq!(address, "https://id.example/authorize");
    for (name, value) in [
        ("response_type", "code"),
        ("client_id", CLIENT),
        ("redirect_uri", REDIRECT),
        ("scope", "openid email"),
        ("code_challenge_method", "S256"),
    ] {
        assert_eq!(query[name], value);
    }
    assert!(is_encrypted(&house.control) && departure.passage.starts_with("enc:v2:"));
    let other = depart(&house.control).await.unwrap();
    let other = fake::parameters(other.location.split_once('?').unwrap().1);
    for name in ["state", "nonce", "code_challenge"] {
        assert_eq!(query[name].len(), 43, "{name}");
        assert_ne!(query[name], other[name], "{name}");
        assert!(!departure.passage.contains(&query[name]), "{name} is to be read in the cookie");
    }
    assert_eq!(house.provider.asked("/.well-known/openid-configuration"), 1, "it is asked once an hour");
}

type Spoil = fn(&Key, Value) -> String;

fn header(key: &Key) -> Value {
    json!({"alg": "ES256", "kid": key.id})
}

fn with(key: &Key, mut claims: Value, name: &str, value: Value) -> String {
    claims[name] = value;
    key.sign(&header(key), &claims)
}

fn without(key: &Key, mut claims: Value, name: &str) -> String {
    claims.as_object_mut().unwrap().remove(name);
    key.sign(&header(key), &claims)
}

fn moved(key: &Key, claims: Value, name: &str, seconds: i64) -> String {
    let at = claims["iat"].as_i64().unwrap() + seconds;
    with(key, claims, name, json!(at))
}

fn signed_as(key: &Key, claims: &Value, alg: &str) -> String {
    key.sign(&json!({"alg": alg, "kid": key.id}), claims)
}

fn unsigned(key: &Key, claims: &Value, alg: &str) -> String {
    format!("{}.", message(&json!({"alg": alg, "kid": key.id}), claims))
}

const SPOILT: &[(&str, Spoil, Rejected)] = &[
    ("alg none, unsigned", |key, claims| unsigned(key, &claims, "none"), Rejected::Algorithm),
    ("alg None, unsigned", |key, claims| unsigned(key, &claims, "None"), Rejected::Algorithm),
    ("alg NONE, signed", |key, claims| signed_as(key, &claims, "NONE"), Rejected::Algorithm),
    ("ES256, unsigned", |key, claims| unsigned(key, &claims, "ES256"), Rejected::Signature),
    ("HS256 under the client's secret", |key, claims| by_secret(&claims, &key.id, SECRET.as_bytes()), Rejected::Algorithm),
    ("HS256 under the public key's point", |key, claims| by_secret(&claims, &key.id, key.point()), Rejected::Algorithm),
    (
        "HS256 under the public key as it is shown",
        |key, claims| by_secret(&claims, &key.id, key.public().to_string().as_bytes()),
        Rejected::Algorithm,
    ),
    ("RS256 for a key of P-256", |key, claims| signed_as(key, &claims, "RS256"), Rejected::UnknownKey),
    ("ES384 for a key of P-256", |key, claims| signed_as(key, &claims, "ES384"), Rejected::UnknownKey),
    ("EdDSA for a key of P-256", |key, claims| signed_as(key, &claims, "EdDSA"), Rejected::UnknownKey),
    ("a key that nobody has", |key, claims| key.sign(&json!({"alg": "ES256", "kid": "k9"}), &claims), Rejected::UnknownKey),
    ("another's key without a name", |_, claims| Key::new("").sign(&json!({"alg": "ES256"}), &claims), Rejected::UnknownKey),
    ("another's key under its name", |key, claims| Key::new("").sign(&header(key), &claims), Rejected::Signature),
    (
        "a key that the header brings along",
        |key, claims| {
            let own = Key::new("own");
            own.sign(&json!({"alg": "ES256", "kid": key.id, "jwk": own.public()}), &claims)
        },
        Rejected::Signature,
    ),
    (
        "changed since",
        |key, mut claims| {
            let token = key.sign(&header(key), &claims);
            claims["sub"] = json!("somebody else");
            format!("{}.{}", message(&header(key), &claims), token.rsplit_once('.').unwrap().1)
        },
        Rejected::Signature,
    ),
    (
        "an extension that must be understood",
        |key, claims| key.sign(&json!({"alg": "ES256", "kid": key.id, "crit": ["exp"]}), &claims),
        Rejected::Critical,
    ),
    ("another issuer", |key, claims| with(key, claims, "iss", json!("https://other.example")), Rejected::Issuer),
    ("nearly the issuer", |key, claims| with(key, claims, "iss", json!("https://id.example/")), Rejected::Issuer),
    ("no issuer", |key, claims| without(key, claims, "iss"), Rejected::Issuer),
    ("another client", |key, claims| with(key, claims, "aud", json!("other")), Rejected::Audience),
    ("no client", |key, claims| without(key, claims, "aud"), Rejected::Audience),
    ("others only", |key, claims| with(key, claims, "aud", json!(["other"])), Rejected::Audience),
    ("others too, and nobody says who asked", |key, claims| with(key, claims, "aud", json!([CLIENT, "other"])), Rejected::Audience),
    ("for us, asked by another", |key, claims| with(key, claims, "azp", json!("other")), Rejected::Audience),
    ("expired", |key, claims| moved(key, claims, "exp", -120), Rejected::Expired),
    ("without an end", |key, claims| without(key, claims, "exp"), Rejected::Expired),
    ("with an end that is no number", |key, claims| with(key, claims, "exp", json!("never")), Rejected::Expired),
    ("without a beginning", |key, claims| without(key, claims, "iat"), Rejected::Untimely),
    ("from before the sign-in", |key, claims| moved(key, claims, "iat", -121), Rejected::Untimely),
    ("of the future", |key, claims| moved(key, claims, "iat", 121), Rejected::Untimely),
    ("not valid yet", |key, claims| moved(key, claims, "nbf", 121), Rejected::Untimely),
    ("of another sign-in", |key, claims| with(key, claims, "nonce", json!("n")), Rejected::Nonce),
    ("of no sign-in", |key, claims| without(key, claims, "nonce"), Rejected::Nonce),
    ("of nobody", |key, claims| without(key, claims, "sub"), Rejected::Subject),
    ("of nobody's name", |key, claims| with(key, claims, "sub", json!("")), Rejected::Subject),
    ("nothing", |_, _| String::new(), Rejected::Malformed),
    ("two parts", |key, claims| message(&header(key), &claims), Rejected::Malformed),
    ("four parts", |key, claims| format!("a.{}", key.sign(&header(key), &claims)), Rejected::Malformed),
    ("a header that is no JSON", |_, _| format!("{}.e30.AA", encoded("no")), Rejected::Malformed),
    ("base64 with padding", |key, claims| format!("{}=", key.sign(&header(key), &claims)), Rejected::Malformed),
    ("a list", |key, _| key.sign(&header(key), &json!([])), Rejected::Malformed),
];

#[tokio::test]
async fn no_spoilt_token_lets_anybody_in() {
    for (what, spoil, why) in SPOILT {
        let house = House::new().await;
        house.provider.manners.lock().unwrap().spoil = *spoil;
        let arrival = house.agreed().await;
        assert_eq!(house.refused(arrival).await, rejected(*why), "{what}");
        let told = house.audit().await;
        assert_eq!((told.len(), told[0].entry.action), (1, AuditAction::LoginFailed), "{what}");
        // Nothing that failed is remembered: the same person comes in as soon as the provider is honest.
        house.provider.manners.lock().unwrap().spoil = |key, claims| key.sign(&header(key), &claims);
        house.clock.advance(Duration::from_mins(1));
        house.sign_in().await.unwrap();
    }
}

#[tokio::test]
async fn what_is_unusual_and_right_lets_the_person_in() {
    let usual: &[(&str, Spoil)] = &[
        ("no name of the key", |key, claims| key.sign(&json!({"alg": "ES256"}), &claims)),
        ("for us in a list", |key, claims| with(key, claims, "aud", json!([CLIENT]))),
        ("asked by us", |key, claims| with(key, claims, "azp", json!(CLIENT))),
        ("for others too, asked by us", |key, mut claims| {
            claims["azp"] = json!(CLIENT);
            with(key, claims, "aud", json!(["other", CLIENT]))
        }),
        ("a clock that is behind", |key, claims| moved(key, claims, "exp", -119)),
        ("a clock that is ahead", |key, claims| moved(key, claims, "iat", 120)),
        ("parts of seconds", |key, claims| {
            let at = claims["exp"].as_f64().unwrap();
            with(key, claims, "exp", json!(at + 0.5))
        }),
    ];
    for (what, spoil) in usual {
        let house = House::new().await;
        house.provider.manners.lock().unwrap().spoil = *spoil;
        assert!(house.sign_in().await.is_ok(), "{what}");
    }
}

#[test]
fn tokens_of_another_library_are_believed_by_every_algorithm_and_by_no_other_key() {
    let fixture: Value = serde_json::from_str(include_str!("../../../tests/fixtures/jose/tokens.json")).unwrap();
    let keys = jwks::read(fixture.to_string().as_bytes()).unwrap();
    let tokens = fixture["tokens"].as_object().unwrap();
    assert_eq!((keys.len(), tokens.len()), (crate::runtime::Scheme::ALL.len(), crate::runtime::Scheme::ALL.len()));
    let expected = Expected { issuer: ISSUER, client_id: CLIENT, nonce: "n", since_ms: 1_760_000_000_000, now_ms: 1_760_000_100_000 };
    for (alg, token) in tokens {
        let token = token.as_str().unwrap();
        let check = |token: &str, keys: &[jwks::Jwk]| id_token::check(token, keys, &Signatures, &expected);
        assert_eq!(check(token, &keys).unwrap().subject, "person", "{alg}");
        let others: Vec<jwks::Jwk> = keys.iter().filter(|key| key.id.as_deref() != Some(alg)).cloned().collect();
        assert_eq!(check(token, &others), Err(Rejected::UnknownKey), "{alg}");
        let renamed = |key: &jwks::Jwk| jwks::Jwk { id: Some(alg.clone()), ..key.clone() };
        assert!(check(token, &others.iter().map(renamed).collect::<Vec<_>>()).is_err(), "{alg} under another key");
        // Any one character of the signature changed.
        let (message, signature) = token.rsplit_once('.').unwrap();
        for at in (0..signature.len() - 1).step_by(7) {
            let other = if &signature[at..=at] == "A" { "B" } else { "A" };
            let changed = format!("{message}.{}{other}{}", &signature[..at], &signature[at + 1..]);
            assert_eq!(check(&changed, &keys), Err(Rejected::Signature), "{alg} changed at {at}");
        }
    }
}

#[test]
fn of_a_set_of_keys_only_those_that_sign_are_taken() {
    let key = Key::new("k").public();
    let with = |name: &str, value: Value| {
        let mut key = key.clone();
        key[name] = value;
        key
    };
    let taken = |key: &Value| jwks::read(json!({"keys": [key]}).to_string().as_bytes()).unwrap().len();
    for (one, count) in [
        (key.clone(), 1),
        (with("alg", json!("ES256")), 1),
        (with("use", json!("enc")), 0),
        (with("alg", json!("HS256")), 0),
        (with("alg", json!("ECDH-ES")), 0),
        (with("crv", json!("P-521")), 0),
        (with("kty", json!("oct")), 0),
        (with("x", json!("AA")), 0),
        (with("y", json!("no base64!")), 0),
        (json!({"kty": "oct", "k": "AAAA"}), 0),
        (json!({"kty": "RSA", "n": "", "e": "AQAB"}), 0),
        (json!("key"), 0),
    ] {
        assert_eq!(taken(&one), count, "{one}");
    }
    assert_eq!(jwks::read(b"[]"), None);
}

/// What somebody else brings back.
type Change = Box<dyn Fn(Arrival) -> Arrival>;

#[tokio::test]
async fn only_the_browser_that_began_ends_it_and_once() {
    let house = House::new().await;
    let other = house.agreed().await;
    let foreign = House::with(settings()).await.agreed().await;
    let cases: Vec<(&str, Change)> = vec![
        ("no cookie", Box::new(|arrival| Arrival { passage: None, ..arrival })),
        ("no state", Box::new(|arrival| Arrival { state: None, ..arrival })),
        ("another state", Box::new(|arrival| Arrival { state: Some("s".repeat(43)), ..arrival })),
        ("an empty state", Box::new(|arrival| Arrival { state: Some(String::new()), ..arrival })),
        ("another's cookie", Box::new(move |arrival| Arrival { passage: other.passage.clone(), ..arrival })),
        ("a cookie that is none", Box::new(|arrival| Arrival { passage: Some("enc:v2:AAAA:AAAA".to_owned()), ..arrival })),
        (
            "a changed cookie",
            Box::new(|arrival| {
                let mut text = arrival.passage.unwrap();
                let last = if text.pop() == Some('A') { 'B' } else { 'A' };
                Arrival { passage: Some(format!("{text}{last}")), ..arrival }
            }),
        ),
        ("another gateway's sign-in", Box::new(move |_| Arrival { passage: foreign.passage.clone(), ..Arrival::default() })),
        (
            "something else that we sealed",
            Box::new(|arrival| {
                let sealer = Sealer::new(Secret::new("k".to_owned()));
                let state = arrival.state.as_deref().unwrap();
                let text = json!({"state": state, "nonce": "", "verifier": "", "since_ms": 1_760_000_000_000_u64}).to_string();
                Arrival { passage: Some(sealer.seal("credentials.secret", &text, &*platform_with(ManualClock::new()).entropy)), ..arrival }
            }),
        ),
    ];
    for (what, change) in cases {
        let arrival = change(house.agreed().await);
        assert_eq!(house.refused(arrival).await, SignInFault::Stale, "{what}");
    }
    assert_eq!(house.provider.asked("/token"), 0, "no code was shown to the provider");

    let late = house.agreed().await;
    house.clock.advance(Duration::from_millis(LASTS_MS));
    assert_eq!(house.refused(late).await, SignInFault::Stale, "too late");

    let first = house.agreed().await;
    let again = Arrival { code: first.code.clone(), state: first.state.clone(), passage: first.passage.clone(), ..Arrival::default() };
    house.arrive(first).await.unwrap();
    let code = again.code.clone();
    assert_eq!(house.refused(again).await, SignInFault::Stale, "a state is good once");
    let replayed = Arrival { code, ..house.agreed().await };
    assert!(matches!(house.refused(replayed).await, SignInFault::Declined(_)), "a code is good once");
}

#[tokio::test]
async fn a_code_of_another_sign_in_is_refused_by_its_verifier() {
    let house = House::new().await;
    let stolen = house.agreed().await;
    let injected = Arrival { code: stolen.code, ..house.agreed().await };
    assert!(matches!(house.refused(injected).await, SignInFault::Declined(_)));
}

#[tokio::test]
async fn what_the_provider_sends_instead_of_a_code_is_told_in_a_word() {
    let house = House::new().await;
    let declined = |word: &str| SignInFault::Declined(word.to_owned());
    for (error, told) in [("access_denied", "access_denied"), ("<script>", "it gave an error that cannot be shown")] {
        let arrival = Arrival { error: Some(error.to_owned()), ..house.agreed().await };
        assert_eq!(house.refused(arrival).await, declined(told));
    }
    for code in [None, Some(String::new())] {
        let arrival = Arrival { code, ..house.agreed().await };
        assert_eq!(house.refused(arrival).await, declined("no code came with it"));
    }
    let arrival = Arrival { issuer: Some("https://other.example".to_owned()), ..house.agreed().await };
    assert_eq!(house.refused(arrival).await, rejected(Rejected::Issuer));
    let arrival = Arrival { issuer: Some(ISSUER.to_owned()), ..house.agreed().await };
    house.arrive(arrival).await.unwrap();
    let house = House::new().await;
    house.provider.manners.lock().unwrap().metadata["authorization_response_iss_parameter_supported"] = json!(true);
    let arrival = house.agreed().await;
    assert_eq!(house.refused(arrival).await, rejected(Rejected::Issuer), "it always names itself, and did not");
}

#[tokio::test]
async fn five_failures_within_a_minute_slow_an_address_down() {
    let house = House::new().await;
    for _ in 0..5 {
        assert!(matches!(arrive(&house.control, Arrival::default(), Some(PEER)).await, Err(AdminFault::SignIn(SignInFault::Stale))));
    }
    let good = house.agreed().await;
    assert!(matches!(arrive(&house.control, good, Some(PEER)).await, Err(AdminFault::Throttled { retry_after: 60 })));
    house.clock.advance(Duration::from_mins(1));
    for _ in 0..10 {
        arrive(&house.control, house.agreed().await, Some(PEER)).await.unwrap();
    }
}

#[tokio::test]
async fn new_keys_are_read_when_they_are_needed_and_not_at_the_whim_of_a_token() {
    let house = House::new().await;
    house.sign_in().await.unwrap();
    assert_eq!(house.provider.asked("/jwks"), 1);
    let second = Arc::new(Key::new("k2"));
    *house.provider.shows.lock().unwrap() = vec![Arc::clone(&second)];
    *house.provider.signs.lock().unwrap() = second;
    house.sign_in().await.unwrap();
    assert_eq!(house.provider.asked("/jwks"), 2, "the new key was read");
    *house.provider.signs.lock().unwrap() = Arc::new(Key::new("nobody's"));
    for _ in 0..20 {
        let arrival = house.agreed().await;
        assert_eq!(house.refused(arrival).await, rejected(Rejected::UnknownKey));
    }
    assert_eq!(house.provider.asked("/jwks"), 2, "keys that were just read are not read again");
    house.clock.advance(Duration::from_secs(10));
    for _ in 0..20 {
        let arrival = house.agreed().await;
        house.refused(arrival).await;
    }
    assert_eq!(house.provider.asked("/jwks"), 3);
    // A key that the provider takes back is forgotten within an hour.
    let house = House::new().await;
    house.sign_in().await.unwrap();
    *house.provider.shows.lock().unwrap() = vec![Arc::new(Key::new("k1"))];
    house.clock.advance(Duration::from_hours(1));
    let arrival = house.agreed().await;
    assert_eq!(house.refused(arrival).await, rejected(Rejected::Signature));
}

#[tokio::test]
async fn a_provider_that_fails_is_left_alone_for_a_moment_and_nobody_is_blamed() {
    for path in ["/.well-known/openid-configuration", "/jwks", "/token"] {
        let house = House::new().await;
        house.provider.manners.lock().unwrap().down = vec![path];
        for _ in 0..10 {
            let fault = match depart(&house.control).await {
                Err(AdminFault::SignIn(fault)) => fault,
                Err(fault) => panic!("{fault}"),
                Ok(_) => {
                    let arrival = house.agreed().await;
                    house.refused(arrival).await
                }
            };
            assert_eq!(fault, SignInFault::Provider, "{path}");
        }
        assert_eq!(house.provider.asked(path), if path == "/token" { 10 } else { 1 }, "{path}");
        assert_eq!(house.audit().await.len(), 0, "{path}");
        house.provider.manners.lock().unwrap().down.clear();
        house.clock.advance(Duration::from_secs(5));
        house.sign_in().await.unwrap();
    }
}

#[tokio::test]
async fn a_provider_that_is_another_one_or_has_open_doors_is_not_asked() {
    for (member, value) in [
        ("issuer", json!("https://other.example")),
        ("issuer", json!("https://id.example/")),
        ("token_endpoint", json!("http://id.example/token")),
        ("jwks_uri", json!("http://id.example/jwks")),
        ("authorization_endpoint", json!("javascript:alert(1)")),
        ("userinfo_endpoint", json!("ftp://id.example/person")),
        ("jwks_uri", Value::Null),
    ] {
        let house = House::new().await;
        house.provider.manners.lock().unwrap().metadata[member] = value.clone();
        let fault = depart(&house.control).await.unwrap_err();
        assert!(matches!(fault, AdminFault::SignIn(SignInFault::Provider)), "{member}: {value}");
    }
    for (address, safe) in [
        ("https://id.example", true),
        ("http://localhost:8080", true),
        ("http://127.0.0.1:1", true),
        ("http://[::1]/realm", true),
        ("http://id.example", false),
        ("http://127.0.0.1.example", false),
        ("id.example", false),
        ("", false),
    ] {
        assert_eq!(is_safe(address), safe, "{address}");
    }
}

#[tokio::test]
async fn what_the_token_does_not_say_is_asked_for_and_must_be_of_the_same_person() {
    let verified = json!({"sub": "person-1", "email": "ann@example.com", "email_verified": true});
    let unverified = json!({"sub": "person-1", "email": "ann@example.com", "email_verified": false});
    let other = json!({"sub": "person-2", "email": "ann@example.com", "email_verified": true});
    for (claims, person, comes_in) in [
        (json!({}), verified.clone(), true),
        (json!({"email": "ann@example.com"}), verified.clone(), true),
        (json!({"email": "bob@example.com"}), verified.clone(), false),
        (json!({"email_verified": true}), unverified.clone(), false),
        (json!({"email": "ann@example.com", "email_verified": false}), verified.clone(), false),
        (json!({"email": "ann@example.com", "email_verified": "true"}), Value::Null, true),
        (json!({}), unverified, false),
        (json!({}), json!({"sub": "person-1"}), false),
        (json!({}), other, false),
        (json!({}), json!({"email": "ann@example.com", "email_verified": true}), false),
    ] {
        let house = House::new().await;
        {
            let mut manners = house.provider.manners.lock().unwrap();
            (manners.claims, manners.person) = (claims.clone(), person.clone());
        }
        assert_eq!(house.sign_in().await.is_ok(), comes_in, "{claims} and {person}");
    }
}

#[tokio::test]
async fn whoever_is_bound_stays_itself_and_nobody_else_becomes_it() {
    let house = House::new().await;
    let first = house.sign_in().await.unwrap();
    // The person's address changes, and later somebody else gets the old one.
    house.provider.manners.lock().unwrap().claims = json!({"email": "ann.smith@example.com", "email_verified": true});
    assert_eq!(house.sign_in().await.unwrap().user_id, first.user_id);
    house.provider.manners.lock().unwrap().claims = json!({"email": "ann@example.com", "email_verified": true, "sub": "person-2"});
    let arrival = house.agreed().await;
    assert!(matches!(house.refused(arrival).await, SignInFault::Stranger(_)));
}

#[tokio::test]
async fn a_disabled_user_is_refused_and_told_so() {
    let organization = NewOrganization { name: "acme".to_owned(), description: None, enabled: false };
    for (enabled, organization) in [(false, None), (true, Some(organization))] {
        let house = House::with(settings()).await;
        let organization_id = match organization {
            Some(row) => Some(house.store.save(None, row).await.unwrap().id),
            None => None,
        };
        house.user(NewUser { organization_id, enabled, ..NewUser::named("ann@example.com") }).await;
        let arrival = house.agreed().await;
        assert_eq!(house.refused(arrival).await, SignInFault::Stranger("the user is disabled".to_owned()));
        assert!(house.audit().await[0].entry.after_json.as_deref().unwrap().contains("ann@example.com"));
    }
}

#[tokio::test]
async fn strangers_stay_outside_unless_they_are_made_users() {
    let made = |organization: Option<&str>| Newcomers::Made { role: Role::Viewer, organization: organization.map(str::to_owned) };
    let cases: Vec<(&str, Settings, bool)> = vec![
        ("by default", settings(), false),
        ("where they are made", Settings { newcomers: made(None), ..settings() }, true),
        ("in an organization", Settings { newcomers: made(Some("acme")), ..settings() }, true),
        ("in one that is not there", Settings { newcomers: made(Some("other")), ..settings() }, false),
        ("of the domain", Settings { newcomers: made(None), allowed_domains: vec!["example.com".into()], ..settings() }, true),
        ("of another domain", Settings { newcomers: made(None), allowed_domains: vec!["ample.com".into()], ..settings() }, false),
        ("by their subject", Settings { newcomers: made(None), claim: "sub".into(), ..settings() }, true),
        ("by a claim that is not told", Settings { newcomers: made(None), claim: "name".into(), ..settings() }, false),
    ];
    for (what, settings, comes_in) in cases {
        let by_subject = settings.claim == "sub";
        let in_one = matches!(&settings.newcomers, Newcomers::Made { organization: Some(_), .. });
        let house = House::with(settings).await;
        house.user(NewUser::named("admin")).await;
        let acme = house.store.save(None, NewOrganization { name: "acme".to_owned(), description: None, enabled: true }).await.unwrap();
        let arrival = house.agreed().await;
        if !comes_in {
            assert!(matches!(house.refused(arrival).await, SignInFault::Stranger(_)), "{what}");
            continue;
        }
        let session = house.arrive(arrival).await.unwrap();
        let user = house.store.load().await.unwrap().users.get(session.user_id).unwrap().clone();
        let name = if by_subject { "person-1" } else { "ann@example.com" };
        let organization: Option<OrganizationId> = in_one.then_some(acme.id);
        assert_eq!((user.name.as_str(), user.role, user.organization_id), (name, Role::Viewer, organization), "{what}");
        assert!(house.opens(&session) && user.password_hash.is_none(), "{what}");
        let told: Vec<(AuditAction, Option<i64>)> =
            house.audit().await.into_iter().map(|row| (row.entry.action, row.entry.target_id)).collect();
        assert_eq!(told, [(AuditAction::Login, Some(user.id.0)), (AuditAction::Create, Some(user.id.0))], "{what}");
        assert_eq!(house.sign_in().await.unwrap().user_id, session.user_id, "{what}: the second time");
    }
}

#[tokio::test]
async fn no_claim_says_a_role_unless_it_is_told_to() {
    let roles = |by_value: &[(&str, Role)]| {
        let by_value = by_value.iter().map(|(value, role)| ((*value).to_owned(), *role)).collect();
        Some(RolesByClaim { claim: "groups".to_owned(), by_value, otherwise: Role::Member })
    };
    let both = [("ops", Role::Operator), ("admins", Role::Admin)];
    for (configured, groups, before, after) in [
        (None, json!(["admins"]), Role::Member, Role::Member),
        (None, json!(["admins"]), Role::Admin, Role::Admin),
        (roles(&both), json!(["ops", "admins", "others"]), Role::Member, Role::Admin),
        (roles(&both), json!(["admins", "ops"]), Role::Member, Role::Admin),
        (roles(&both), json!("ops"), Role::Member, Role::Operator),
        (roles(&both), json!(["others"]), Role::Admin, Role::Member),
        (roles(&both), json!([{"admins": true}, 7]), Role::Member, Role::Member),
        (roles(&both), Value::Null, Role::Viewer, Role::Member),
        (roles(&both), json!(["others"]), Role::Owner, Role::Owner),
    ] {
        let house = House::with(Settings { roles: configured.clone(), ..settings() }).await;
        house.user(NewUser { role: before, ..NewUser::named("ann@example.com") }).await;
        house.provider.manners.lock().unwrap().claims["groups"] = groups.clone();
        let session = house.sign_in().await.unwrap();
        let user = house.store.load().await.unwrap().users.get(session.user_id).unwrap().clone();
        assert_eq!((user.role, session.is_admin), (after, after.is_admin()), "{configured:?} {groups} {before}");
    }
}

#[tokio::test]
async fn addresses_mean_the_same_in_capitals_and_two_of_them_mean_nobody() {
    let house = House::with(settings()).await;
    let ann = house.user(NewUser::named("ANN@example.COM")).await;
    assert_eq!(house.sign_in().await.unwrap().user_id, ann.id);
    let house = House::with(settings()).await;
    house.user(NewUser::named("ANN@example.com")).await;
    house.user(NewUser::named("ann@example.com")).await;
    let arrival = house.agreed().await;
    assert!(matches!(house.refused(arrival).await, SignInFault::Stranger(_)));
}

#[tokio::test]
async fn of_two_first_sign_ins_at_once_one_makes_the_user() {
    let newcomers = Newcomers::Made { role: Role::Member, organization: None };
    let house = House::with(Settings { newcomers, ..settings() }).await;
    let (one, two) = (house.agreed().await, house.agreed().await);
    let (one, two) = tokio::join!(house.arrive(one), house.arrive(two));
    assert_eq!(one.unwrap().user_id, two.unwrap().user_id);
    assert_eq!(house.store.load().await.unwrap().users.iter().count(), 1);
}

#[tokio::test]
async fn without_a_provider_there_is_nothing_to_sign_in_at() {
    let house = House::new().await;
    let control = Control::new(Stores::of(&house.store), Sealer::new(Secret::new("k".to_owned())), house.control.platform().clone());
    assert!(matches!(depart(&control).await, Err(AdminFault::SignIn(SignInFault::NotSetUp))));
    assert!(matches!(arrive(&control, Arrival::default(), None).await, Err(AdminFault::SignIn(SignInFault::NotSetUp))));
}

#[tokio::test]
async fn a_browser_is_sent_on_with_a_cookie_that_only_the_gateway_reads() {
    let house = House::new().await;
    let visit = |path: String, cookie: String| {
        let request = http::Request::get(path).header("cookie", cookie).body(bytes::Bytes::new()).unwrap();
        crate::http::api::serve(&house.control, request, Some(PEER))
    };
    let away = visit("/login/oidc".to_owned(), String::new()).await;
    let text = |name: &str| away.headers()[name].to_str().unwrap().to_owned();
    let (location, cookie) = (text("location"), text("set-cookie"));
    assert_eq!((away.status().as_u16(), text("cache-control").as_str()), (302, "no-store"));
    let (pair, attributes) = cookie.split_once("; ").unwrap();
    assert!(pair.starts_with("__Host-gproxy-oidc=enc:v2:"), "{cookie}");
    assert_eq!(attributes, "Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=600");
    let state = fake::parameters(location.split_once('?').unwrap().1)["state"].clone();
    let back = format!("/login/oidc/callback?code={}&state={state}&session_state=x&scope=openid", house.provider.approve(&location));
    // A plain page may set any cookie but a guarded one.
    let tossed = visit(back.clone(), pair.replace("__Host-", "")).await;
    assert_eq!(tossed.status().as_u16(), 400);
    let inside = visit(back.clone(), format!("theme=dark; {pair}; other=1")).await;
    assert_eq!(inside.status().as_u16(), 200, "{:?}", inside.body());
    assert_eq!(inside.headers()["set-cookie"], "__Host-gproxy-oidc=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0");
    let session: Value = serde_json::from_slice(inside.body()).unwrap();
    assert_eq!((&session["name"], &session["generated"]), (&json!("ann@example.com"), &json!(true)));
    let again = visit(back, pair.to_owned()).await;
    assert_eq!(again.status().as_u16(), 400);
    let said: Value = serde_json::from_slice(again.body()).unwrap();
    assert_eq!(said["error"]["type"], "invalid_request_error");
    let gone = visit("/login/oidc/callback?error=access_denied".to_owned(), String::new()).await;
    assert_eq!(gone.status().as_u16(), 400, "without a sign-in an error is none of ours");
}

#[test]
fn used_states_take_a_bounded_room() {
    let oidc = Oidc::new(settings(), Arc::new(Signatures));
    for number in 0..USED + 10 {
        assert!(oidc.end(&number.to_string(), number as u64));
    }
    assert_eq!(oidc.used.lock().unwrap().len(), USED);
    assert!(!oidc.end(&(USED + 9).to_string(), USED as u64));
    assert!(oidc.end("x", u64::MAX), "what is over anyway is forgotten");
    assert_eq!(oidc.used.lock().unwrap().len(), 1);
}

#[test]
fn the_secret_is_shown_nowhere() {
    let oidc = Oidc::new(settings(), Arc::new(Signatures));
    assert!(!format!("{oidc:?}").contains("s3cret"));
}
