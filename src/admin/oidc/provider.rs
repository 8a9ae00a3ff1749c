//! What is asked of the identity provider: how it is reached, its keys, a token for a code, and what it tells of a person.
//!
//! How it is reached and its keys are remembered for an hour. Keys are read anew where a token names one that is not known, but then not
//! again for ten seconds, whoever sends such tokens.

use std::sync::Arc;

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, StatusCode, Uri,
    header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, USER_AGENT},
};
use serde::Deserialize;
use serde_json::{Map, Value};
use tokio::sync::Mutex;

use super::{SignInFault, jwks, jwks::Jwk, settings::Settings};
use crate::{
    admin::Control,
    base::Secret,
    channel::kit::oauth,
    runtime::{Body, Profile, Timers, UpstreamRequest},
};

/// How long what was read counts.
const FRESH_MS: u64 = 60 * 60 * 1000;
/// How long keys that were read anew are not read again.
const KEYS_PAUSE_MS: u64 = 10_000;
/// How long a provider that did not answer is left alone.
const REST_MS: u64 = 5_000;
/// The largest answer, in bytes.
const ANSWER: u64 = 512 * 1024;

/// How a provider is reached (OpenID Connect Discovery 1.0, section 3), as far as it matters here.
#[derive(Debug, Deserialize)]
pub(super) struct Metadata {
    issuer: String,
    pub(super) authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    userinfo_endpoint: Option<String>,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    /// Whether every way back names the issuer (RFC 9207).
    #[serde(default)]
    pub(super) authorization_response_iss_parameter_supported: bool,
}

/// What a code was exchanged for.
#[derive(Debug, Deserialize)]
struct Answer {
    id_token: Option<String>,
    access_token: Option<String>,
}

/// What a code was exchanged for.
#[derive(Debug)]
pub(super) struct Tokens {
    pub(super) id: Secret<String>,
    pub(super) access: Option<Secret<String>>,
}

/// What is remembered of the provider. Whoever reads holds the lock, so that all others wait for what it reads.
#[derive(Debug, Default)]
pub(super) struct Memory(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    metadata: Option<(u64, Arc<Metadata>)>,
    keys: Option<(u64, Arc<[Jwk]>)>,
    /// Until when keys are not read anew.
    keys_until: u64,
    rests_until: u64,
}

/// The provider, as one sign-in asks it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Provider<'a> {
    pub(super) control: &'a Control,
    pub(super) settings: &'a Settings,
    pub(super) memory: &'a Memory,
}

impl Provider<'_> {
    /// How it is reached.
    pub(super) async fn metadata(self) -> Result<Arc<Metadata>, SignInFault> {
        let mut known = self.memory.0.lock().await;
        let now = self.control.now_ms();
        match &known.metadata {
            Some((at, metadata)) if now.saturating_sub(*at) < FRESH_MS => return Ok(Arc::clone(metadata)),
            _ if now < known.rests_until => return Err(SignInFault::Provider),
            _ => {}
        }
        let read = self.discover().await.map(Arc::new);
        match &read {
            Ok(metadata) => known.metadata = Some((now, Arc::clone(metadata))),
            Err(_) => known.rests_until = now.saturating_add(REST_MS),
        }
        read
    }

    async fn discover(self) -> Result<Metadata, SignInFault> {
        let issuer = self.settings.issuer.strip_suffix('/').unwrap_or(&self.settings.issuer);
        let body = self.get(&format!("{issuer}/.well-known/openid-configuration"), None).await?;
        let metadata: Metadata =
            serde_json::from_slice(&body).map_err(|error| failed(&format!("its configuration cannot be read: {error}")))?;
        // Else one provider could stand in for another.
        if metadata.issuer != self.settings.issuer {
            return Err(failed(&format!(
                "it says that it is the issuer {:?}, and {:?} was expected",
                metadata.issuer, self.settings.issuer
            )));
        }
        let endpoints = [&metadata.authorization_endpoint, &metadata.token_endpoint, &metadata.jwks_uri];
        if let Some(address) = endpoints.into_iter().chain(&metadata.userinfo_endpoint).find(|address| !is_safe(address)) {
            return Err(failed(&format!("its endpoint {address:?} is neither https:// nor of this machine")));
        }
        Ok(metadata)
    }

    /// Its keys as they are known; read where they are not.
    pub(super) async fn keys(self, metadata: &Metadata) -> Result<Arc<[Jwk]>, SignInFault> {
        let mut known = self.memory.0.lock().await;
        let now = self.control.now_ms();
        match &known.keys {
            Some((at, keys)) if now.saturating_sub(*at) < FRESH_MS => Ok(Arc::clone(keys)),
            _ => self.read_keys(metadata, &mut known, now).await,
        }
    }

    /// Its keys as they are now, where they were not read anew just before.
    pub(super) async fn keys_anew(self, metadata: &Metadata) -> Result<Arc<[Jwk]>, SignInFault> {
        let mut known = self.memory.0.lock().await;
        let now = self.control.now_ms();
        match &known.keys {
            Some((_, keys)) if now < known.keys_until => Ok(Arc::clone(keys)),
            _ => {
                known.keys_until = now.saturating_add(KEYS_PAUSE_MS);
                self.read_keys(metadata, &mut known, now).await
            }
        }
    }

    async fn read_keys(self, metadata: &Metadata, known: &mut Known, now: u64) -> Result<Arc<[Jwk]>, SignInFault> {
        if now < known.rests_until {
            return Err(SignInFault::Provider);
        }
        let body = self.get(&metadata.jwks_uri, None).await;
        match body.and_then(|body| jwks::read(&body).ok_or_else(|| failed("its keys cannot be read"))) {
            Ok(keys) => Ok(Arc::clone(&known.keys.insert((now, keys.into())).1)),
            Err(fault) => {
                known.rests_until = now.saturating_add(REST_MS);
                Err(fault)
            }
        }
    }

    /// Exchanges a code (RFC 6749, section 4.1.3; RFC 7636, section 4.5).
    pub(super) async fn exchange(self, metadata: &Metadata, code: &str, verifier: &str) -> Result<Tokens, SignInFault> {
        let Settings { client_id, client_secret, .. } = self.settings;
        let basic = client_secret.as_ref().filter(|_| metadata.takes_basic());
        let form = self.form((code, verifier), if basic.is_none() { client_secret.as_ref() } else { None });
        let authorization = basic.and_then(|secret| oauth::basic(client_id, secret));
        let (status, body) = self.send(Method::POST, &metadata.token_endpoint, authorization, form).await?;
        if !status.is_success() {
            return Err(not_exchanged(status, &body));
        }
        let answer: Answer = serde_json::from_slice(&body).map_err(|_| failed("its answer to a code cannot be read"))?;
        let id = answer.id_token.ok_or_else(|| failed("it gave no id_token for a code; the scope openid may be missing"))?;
        Ok(Tokens { id: Secret::new(id), access: answer.access_token.map(Secret::new) })
    }

    /// What a code is exchanged with; the secret stands in it only where it stands in no header.
    fn form(self, (code, verifier): (&str, &str), secret: Option<&Secret<String>>) -> String {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "authorization_code").append_pair("code", code).append_pair("code_verifier", verifier);
        form.append_pair("redirect_uri", &self.settings.redirect_url).append_pair("client_id", &self.settings.client_id);
        if let Some(secret) = secret {
            form.append_pair("client_secret", secret.expose());
        }
        form.finish()
    }

    /// What it tells of the person behind an access token (OpenID Connect Core 1.0, section 5.3).
    pub(super) async fn person(self, metadata: &Metadata, token: &Secret<String>) -> Result<Option<Map<String, Value>>, SignInFault> {
        let Some(address) = &metadata.userinfo_endpoint else { return Ok(None) };
        let bearer = HeaderValue::try_from(format!("Bearer {}", token.expose()));
        let body = self.get(address, Some(bearer.map_err(|_| failed("its access token is no text for a header"))?)).await?;
        serde_json::from_slice(&body).map(Some).map_err(|_| failed("what it tells of a person is no JSON object"))
    }

    async fn get(self, address: &str, authorization: Option<HeaderValue>) -> Result<Bytes, SignInFault> {
        match self.send(Method::GET, address, authorization, String::new()).await? {
            (StatusCode::OK, body) => Ok(body),
            (status, _) => Err(failed(&format!("{address} answered with the status {status}"))),
        }
    }

    async fn send(
        self,
        method: Method,
        address: &str,
        authorization: Option<HeaderValue>,
        form: String,
    ) -> Result<(StatusCode, Bytes), SignInFault> {
        let uri: Uri = address.parse().map_err(|_| failed(&format!("{address:?} is no address")))?;
        let mut headers = HeaderMap::with_capacity(5);
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("gproxy/", env!("CARGO_PKG_VERSION"))));
        if method == Method::POST {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        }
        if let Some(mut authorization) = authorization {
            authorization.set_sensitive(true);
            headers.insert(AUTHORIZATION, authorization);
        }
        let proxy = self.control.snapshot().load().rows().settings.proxy.as_deref().filter(|proxy| !proxy.is_empty()).map(Into::into);
        let request =
            UpstreamRequest { method, uri, headers, body: Body::from(form), profile: Profile { proxy }, timers: Timers::INTERACTIVE };
        let reply = self.control.platform().transport.send(request).await.map_err(|fault| failed(&format!("{address}: {fault}")))?;
        let body = reply.body.collect(ANSWER).await.map_err(|fault| failed(&format!("{address}: {fault}")))?;
        Ok((reply.status, body))
    }
}

impl Metadata {
    /// Whether the client says who it is by Basic authentication, which is usual where nothing else is said.
    fn takes_basic(&self) -> bool {
        let methods = self.token_endpoint_auth_methods_supported.as_deref();
        methods.is_none_or(|methods| {
            let takes = |wanted: &str| methods.iter().any(|method| method == wanted);
            takes("client_secret_basic") || !takes("client_secret_post")
        })
    }
}

/// Whether what goes to an address is read by nobody on the way: it is encrypted, or stays on this machine.
#[must_use]
pub fn is_safe(address: &str) -> bool {
    let Ok(uri) = address.parse::<Uri>() else { return false };
    let host = uri.host().unwrap_or("").trim_matches(['[', ']']);
    match uri.scheme_str() {
        Some("https") => !host.is_empty(),
        Some("http") => host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback()),
        _ => false,
    }
}

/// The provider refused a code, or the gateway.
fn not_exchanged(status: StatusCode, body: &[u8]) -> SignInFault {
    let said: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
    match said["error"].as_str() {
        Some("invalid_grant") => SignInFault::Declined("the code was used before, is too old, or is another client's".to_owned()),
        Some(code @ ("invalid_client" | "unauthorized_client" | "invalid_request" | "unsupported_grant_type" | "invalid_scope")) => {
            failed(&format!("it refused a code with {code}: client_id, client_secret or redirect_url do not fit what is registered there"))
        }
        _ => failed(&format!("its token endpoint answered with the status {status}")),
    }
}

/// Says why in the log. What goes wrong on the way may name addresses, which are the operator's.
fn failed(why: &str) -> SignInFault {
    tracing::warn!(why, "the identity provider cannot be asked");
    SignInFault::Provider
}
