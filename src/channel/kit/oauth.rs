//! Access tokens by refresh token, as OAuth 2.0 has it (RFC 6749, section 6), for providers that take no lasting key.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{
    HeaderMap, HeaderValue, Method, StatusCode, Uri,
    header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, USER_AGENT},
};
use serde::Deserialize;
use serde_json::Value;

use crate::{
    base::Secret,
    channel::{NotRenewed, Renewal, SettingsFault, Site},
    credentials::Grant,
    runtime::{Body, Profile, Timers, UpstreamRequest},
};

/// How long a token lasts whose answer does not say: an hour, as is usual.
const USUAL_MS: u64 = 3_600_000;

/// Codes that say that the refresh token will never work again. The first is the standard's; the others are `OpenAI`'s.
const SPENT: [&str; 4] = ["invalid_grant", "refresh_token_expired", "refresh_token_reused", "refresh_token_invalidated"];
/// Codes that say that the operator's settings are wrong (RFC 6749, section 5.2).
const WRONG: [&str; 5] = ["invalid_request", "invalid_client", "unauthorized_client", "unsupported_grant_type", "invalid_scope"];

/// What can be set: the member `oauth` of a channel's settings.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where tokens are given.
    token_url: String,
    /// The client's id there.
    client_id: String,
    /// Its secret, where it has one.
    #[serde(default, deserialize_with = "secret")]
    client_secret: Option<Secret<String>>,
    /// How the client says who it is.
    #[serde(default)]
    client_auth: ClientAuth,
    /// What is asked for; what the login gave, where nothing is said.
    #[serde(default)]
    scope: Option<String>,
}

fn secret<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Secret<String>>, D::Error> {
    Option::<String>::deserialize(deserializer).map(|text| text.map(Secret::new))
}

/// How the client says who it is (RFC 6749, section 2.3.1).
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum ClientAuth {
    /// In the form.
    #[default]
    Body,
    /// As `Authorization: Basic`.
    Basic,
}

/// Renews credentials whose secret is a refresh token.
#[derive(Debug)]
pub struct RefreshToken {
    token_uri: Uri,
    client_id: String,
    client_secret: Option<Secret<String>>,
    client_auth: ClientAuth,
    scope: Option<String>,
    user_agent: HeaderValue,
}

impl RefreshToken {
    /// Takes the settings of one provider.
    ///
    /// # Errors
    /// [`SettingsFault`] naming the member.
    pub fn new(settings: Settings, site: &Site) -> Result<Self, SettingsFault> {
        let Settings { token_url, client_id, client_secret, client_auth, scope } = settings;
        let fault = |member: &str, message: String| SettingsFault { path: format!("oauth.{member}"), message };
        let token_uri = token_url
            .parse::<Uri>()
            .ok()
            .filter(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some())
            .ok_or_else(|| fault("token_url", format!("{token_url:?} must be an http:// or https:// address")))?;
        if client_id.is_empty() {
            return Err(fault("client_id", "must not be empty".into()));
        }
        if client_auth == ClientAuth::Basic && client_secret.is_none() {
            return Err(fault("client_auth", "\"basic\" needs a client_secret".into()));
        }
        let own = HeaderValue::from_static(concat!("gproxy/", env!("CARGO_PKG_VERSION")));
        let user_agent = site.user_agent.clone().unwrap_or(own);
        Ok(Self { token_uri, client_id, client_secret, client_auth, scope, user_agent })
    }

    fn form(&self, refresh_token: &Secret<String>) -> String {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "refresh_token").append_pair("refresh_token", refresh_token.expose());
        if self.client_auth == ClientAuth::Body {
            form.append_pair("client_id", &self.client_id);
            if let Some(secret) = &self.client_secret {
                form.append_pair("client_secret", secret.expose());
            }
        }
        if let Some(scope) = &self.scope {
            form.append_pair("scope", scope);
        }
        form.finish()
    }

    fn basic(&self) -> Option<HeaderValue> {
        let secret = self.client_secret.as_ref().filter(|_| self.client_auth == ClientAuth::Basic)?;
        basic(&self.client_id, secret)
    }
}

/// How a client says who it is in a header (RFC 6749, section 2.3.1): id and secret are encoded as in a form before they are joined.
#[must_use]
pub fn basic(client_id: &str, secret: &Secret<String>) -> Option<HeaderValue> {
    let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let pair = Secret::new(format!("{}:{}", encoded(client_id), encoded(secret.expose())));
    let mut value = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(pair.expose()))).ok()?;
    value.set_sensitive(true);
    Some(value)
}

impl Renewal for RefreshToken {
    fn ask(&self, refresh_token: &Secret<String>, profile: Profile) -> UpstreamRequest {
        let mut headers = HeaderMap::with_capacity(5);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        headers.insert(USER_AGENT, self.user_agent.clone());
        if let Some(basic) = self.basic() {
            headers.insert(AUTHORIZATION, basic);
        }
        let body = Body::from(self.form(refresh_token));
        UpstreamRequest { method: Method::POST, uri: self.token_uri.clone(), headers, body, profile, timers: Timers::INTERACTIVE }
    }

    fn read(&self, status: StatusCode, body: &[u8], (refresh_token, now_ms): (&Secret<String>, u64)) -> Result<Grant, NotRenewed> {
        let said: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
        if !status.is_success() {
            return Err(refusal(status, &said));
        }
        let text = |name: &str| said[name].as_str().filter(|text| !text.is_empty()).map(|text| Secret::new(text.to_owned()));
        let access_token = text("access_token").ok_or_else(|| NotRenewed::Failed("the answer has no access_token".into()))?;
        let is_bearer = said["token_type"].as_str().is_none_or(|kind| kind.eq_ignore_ascii_case("bearer"));
        if !is_bearer {
            return Err(NotRenewed::Settings("the token is no bearer token".into()));
        }
        // Some providers write the number as a text.
        let seconds = said["expires_in"].as_u64().or_else(|| said["expires_in"].as_str().and_then(|text| text.parse().ok()));
        let expires_at = now_ms.saturating_add(seconds.map_or(USUAL_MS, |seconds| seconds.saturating_mul(1000)));
        Ok(Grant { access_token, expires_at, refresh_token: text("refresh_token").unwrap_or_else(|| refresh_token.clone()) })
    }
}

/// What a refusal means. Its code may stand at `error`, at `error.code` or at `code`; nothing else of it is repeated, as it may hold
/// what was sent.
fn refusal(status: StatusCode, said: &Value) -> NotRenewed {
    let code = [&said["error"], &said["error"]["code"], &said["code"]].into_iter().find_map(Value::as_str).unwrap_or("");
    let known = |codes: &'static [&'static str]| codes.iter().find(|known| **known == code);
    let is_final = matches!(status.as_u16(), 400 | 401 | 403);
    match (known(&SPENT), known(&WRONG)) {
        (Some(code), _) if is_final => NotRenewed::Refused((*code).to_owned()),
        (_, Some(code)) if is_final => NotRenewed::Settings((*code).to_owned()),
        _ => NotRenewed::Failed(format!("status {status}")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::channel::BaseUrl;
    use crate::channel::contract::platform;

    fn renewal(settings: Value) -> Result<RefreshToken, SettingsFault> {
        let site = Site { base_url: BaseUrl::parse("https://x.test").unwrap(), user_agent: None, platform: platform() };
        RefreshToken::new(serde_json::from_value(settings).unwrap(), &site)
    }

    fn asked(settings: Value) -> (String, HeaderMap) {
        let secret = Secret::new("r/1 &".to_owned());
        let request = renewal(settings).unwrap().ask(&secret, Profile::default());
        assert_eq!((request.method, request.uri.to_string().as_str()), (Method::POST, "https://id.test/token"));
        let mut pieces = request.body.into_pieces().unwrap();
        (String::from_utf8(pieces.pop_front().unwrap().to_vec()).unwrap(), request.headers)
    }

    #[test]
    fn it_asks_as_the_standard_has_it() {
        let plain = json!({"token_url": "https://id.test/token", "client_id": "c"});
        assert_eq!(asked(plain).0, "grant_type=refresh_token&refresh_token=r%2F1+%26&client_id=c");
        let secret = json!({"token_url": "https://id.test/token", "client_id": "c", "client_secret": "s", "scope": "a b"});
        assert_eq!(asked(secret).0, "grant_type=refresh_token&refresh_token=r%2F1+%26&client_id=c&client_secret=s&scope=a+b");
        let basic = json!({"token_url": "https://id.test/token", "client_id": "a:b", "client_secret": "s", "client_auth": "basic"});
        let (form, headers) = asked(basic);
        assert_eq!(form, "grant_type=refresh_token&refresh_token=r%2F1+%26");
        assert_eq!(headers[AUTHORIZATION], "Basic YSUzQWI6cw==");
        assert!(headers[AUTHORIZATION].is_sensitive());
    }

    #[test]
    fn settings_that_cannot_work_are_named() {
        for (settings, path) in [
            (json!({"token_url": "id.test", "client_id": "c"}), "oauth.token_url"),
            (json!({"token_url": "https://id.test", "client_id": ""}), "oauth.client_id"),
            (json!({"token_url": "https://id.test", "client_id": "c", "client_auth": "basic"}), "oauth.client_auth"),
        ] {
            assert_eq!(renewal(settings.clone()).unwrap_err().path, path, "{settings}");
        }
    }

    #[test]
    fn every_answer_has_its_meaning() {
        let renewal = renewal(json!({"token_url": "https://id.test/token", "client_id": "c"})).unwrap();
        let read = |status: u16, body: Value| {
            renewal.read(StatusCode::from_u16(status).unwrap(), body.to_string().as_bytes(), (&Secret::new("old".to_owned()), 1000))
        };
        let granted = |body: Value| {
            let grant = read(200, body).unwrap();
            (grant.access_token.expose().clone(), grant.expires_at, grant.refresh_token.expose().clone())
        };
        assert_eq!(granted(json!({"access_token": "a", "expires_in": 60, "refresh_token": "new"})), ("a".into(), 61_000, "new".into()));
        assert_eq!(granted(json!({"access_token": "a", "expires_in": "60", "token_type": "bearer"})), ("a".into(), 61_000, "old".into()));
        assert_eq!(granted(json!({"access_token": "a"})), ("a".into(), 3_601_000, "old".into()));
        let refused = |code: &str| NotRenewed::Refused(code.to_owned());
        let failed = |message: &str| NotRenewed::Failed(message.to_owned());
        for (status, body, meaning) in [
            (400, json!({"error": "invalid_grant"}), refused("invalid_grant")),
            (401, json!({"error": {"code": "refresh_token_reused"}}), refused("refresh_token_reused")),
            (403, json!({"code": "refresh_token_expired"}), refused("refresh_token_expired")),
            (401, json!({"error": "invalid_client"}), NotRenewed::Settings("invalid_client".into())),
            (500, json!({"error": "invalid_grant"}), failed("status 500 Internal Server Error")),
            (400, json!({"error": "old"}), failed("status 400 Bad Request")),
            (429, Value::Null, failed("status 429 Too Many Requests")),
            (200, json!({"access_token": ""}), failed("the answer has no access_token")),
            (200, json!({"access_token": "a", "token_type": "mac"}), NotRenewed::Settings("the token is no bearer token".into())),
        ] {
            assert_eq!(read(status, body.clone()), Err(meaning), "{status} {body}");
        }
    }
}
