//! An identity provider in memory behind a [`Transport`], with keys of P-256, whose tokens a test may spoil.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex},
};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use ring::{
    hmac,
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::runtime::{Body, BoxFuture, Clock, Reply, Socket, Transport, TransportFault, UpstreamRequest};

pub(super) const ISSUER: &str = "https://id.example";
pub(super) const CLIENT: &str = "gateway";
pub(super) const SECRET: &str = "s3cret/+ of the client";

pub(super) fn encoded(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A key that signs.
pub(super) struct Key {
    pub(super) id: String,
    pair: EcdsaKeyPair,
}

impl Key {
    pub(super) fn new(id: &str) -> Self {
        let random = SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref(), &random).unwrap();
        Self { id: id.to_owned(), pair }
    }

    pub(super) fn point(&self) -> &[u8] {
        self.pair.public_key().as_ref()
    }

    pub(super) fn public(&self) -> Value {
        let point = self.point();
        json!({"kty": "EC", "crv": "P-256", "use": "sig", "kid": self.id, "x": encoded(&point[1..33]), "y": encoded(&point[33..])})
    }

    pub(super) fn sign(&self, header: &Value, claims: &Value) -> String {
        let message = message(header, claims);
        let signature = self.pair.sign(&SystemRandom::new(), message.as_bytes()).unwrap();
        format!("{message}.{}", encoded(signature))
    }
}

pub(super) fn message(header: &Value, claims: &Value) -> String {
    format!("{}.{}", encoded(header.to_string()), encoded(claims.to_string()))
}

/// A token under a shared secret.
pub(super) fn by_secret(claims: &Value, kid: &str, secret: &[u8]) -> String {
    let message = message(&json!({"alg": "HS256", "kid": kid}), claims);
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message.as_bytes());
    format!("{message}.{}", encoded(tag))
}

/// What a provider does, where a test wants it otherwise.
pub(super) struct Manners {
    pub(super) metadata: Value,
    /// What the ID token says beside what it must.
    pub(super) claims: Value,
    /// What is told of the person elsewhere.
    pub(super) person: Value,
    /// Spoils or replaces the ID token that would be given.
    pub(super) spoil: fn(&Key, Value) -> String,
    /// Addresses that answer with 503.
    pub(super) down: Vec<&'static str>,
}

fn honest(key: &Key, claims: Value) -> String {
    key.sign(&json!({"alg": "ES256", "kid": key.id}), &claims)
}

pub(super) struct FakeProvider {
    clock: Arc<dyn Clock>,
    pub(super) manners: Mutex<Manners>,
    pub(super) signs: Mutex<Arc<Key>>,
    pub(super) shows: Mutex<Vec<Arc<Key>>>,
    /// Codes that were not taken yet: the nonce and the challenge of their sign-in.
    codes: Mutex<HashMap<String, (String, String)>>,
    pub(super) asked: Mutex<BTreeMap<String, usize>>,
}

impl std::fmt::Debug for FakeProvider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FakeProvider")
    }
}

impl FakeProvider {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Arc<Self> {
        let key = Arc::new(Key::new("k1"));
        let at = |path: &str| format!("{ISSUER}/{path}");
        let metadata = json!({
            "issuer": ISSUER, "authorization_endpoint": at("authorize"), "token_endpoint": at("token"), "jwks_uri": at("jwks"),
            "userinfo_endpoint": at("person"), "scopes_supported": ["openid"],
        });
        let claims = json!({"email": "Ann@Example.com", "email_verified": true});
        let manners = Manners { metadata, claims, person: json!({"sub": "person-1"}), spoil: honest, down: Vec::new() };
        Arc::new(Self {
            clock,
            manners: Mutex::new(manners),
            signs: Mutex::new(Arc::clone(&key)),
            shows: Mutex::new(vec![key]),
            codes: Mutex::default(),
            asked: Mutex::default(),
        })
    }

    /// The person agrees: a code for the sign-in that came by this address.
    pub(super) fn approve(&self, location: &str) -> String {
        let query = parameters(location.split_once('?').unwrap().1);
        let mut codes = self.codes.lock().unwrap();
        let code = format!("code-{}-{}", codes.len(), query["state"]);
        codes.insert(code.clone(), (query["nonce"].clone(), query["code_challenge"].clone()));
        code
    }

    pub(super) fn asked(&self, path: &str) -> usize {
        self.asked.lock().unwrap().get(path).copied().unwrap_or(0)
    }

    fn answer(&self, path: &str, headers: &HeaderMap, body: &str) -> (u16, Value) {
        *self.asked.lock().unwrap().entry(path.to_owned()).or_default() += 1;
        let manners = self.manners.lock().unwrap();
        if manners.down.contains(&path) {
            return (503, Value::Null);
        }
        match path {
            "/.well-known/openid-configuration" => (200, manners.metadata.clone()),
            "/jwks" => (200, json!({"keys": self.shows.lock().unwrap().iter().map(|key| key.public()).collect::<Vec<_>>()})),
            "/token" => self.token(&manners, headers, body),
            "/person" if headers["authorization"] == "Bearer access" => (200, manners.person.clone()),
            _ => (404, Value::Null),
        }
    }

    fn token(&self, manners: &Manners, headers: &HeaderMap, body: &str) -> (u16, Value) {
        let form = parameters(body);
        let pair = |text: &str| format!("Basic {}", STANDARD.encode(text));
        if headers["authorization"] != pair("gateway:s3cret%2F%2B+of+the+client").as_str() || form.contains_key("client_secret") {
            return (401, json!({"error": "invalid_client"}));
        }
        assert_eq!((form["grant_type"].as_str(), form["redirect_uri"].as_str()), ("authorization_code", super::REDIRECT));
        let Some((nonce, challenge)) = self.codes.lock().unwrap().remove(&form["code"]) else {
            return (400, json!({"error": "invalid_grant"}));
        };
        if encoded(Sha256::digest(&form["code_verifier"])) != challenge {
            return (400, json!({"error": "invalid_grant"}));
        }
        let now = self.clock.unix_ms() / 1000;
        let mut claims = json!({"iss": ISSUER, "aud": CLIENT, "sub": "person-1", "iat": now, "exp": now + 300, "nonce": nonce});
        claims.as_object_mut().unwrap().extend(manners.claims.as_object().unwrap().clone());
        let key = self.signs.lock().unwrap();
        (200, json!({"id_token": (manners.spoil)(&key, claims), "access_token": "access", "token_type": "Bearer"}))
    }
}

impl Transport for FakeProvider {
    fn send(&self, request: UpstreamRequest) -> BoxFuture<'_, Result<Reply, TransportFault>> {
        Box::pin(async move {
            assert_eq!(request.uri.host(), Some("id.example"), "somebody else was asked");
            let body = request.body.collect(1 << 20).await.unwrap();
            let (status, said) = self.answer(request.uri.path(), &request.headers, std::str::from_utf8(&body).unwrap());
            let status = StatusCode::from_u16(status).unwrap();
            Ok(Reply::new(status, HeaderMap::new(), Body::from(Bytes::from(said.to_string()))))
        })
    }

    fn dial(&self, _request: UpstreamRequest) -> BoxFuture<'_, Result<Box<dyn Socket>, TransportFault>> {
        Box::pin(std::future::ready(Err(TransportFault::Unsupported("dialling in a test"))))
    }
}

pub(super) fn parameters(text: &str) -> HashMap<String, String> {
    form_urlencoded::parse(text.as_bytes()).into_owned().collect()
}
