//! How secrets of configuration rest: what is sealed, and what each seal is bound to.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use zeroize::Zeroize as _;

use crate::{
    base::{ProviderId, Secret},
    credentials::{Grant, SealFault, Sealer},
    runtime::Entropy,
};

/// The kind of credential that is one API key.
pub const API_KEY: &str = "api_key";

/// Why a stored secret cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SecretFault {
    /// The seal does not open.
    #[error("the secret cannot be opened; expected one that was sealed for this provider under the current DATABASE_SECRET_KEY")]
    Sealed(#[source] SealFault),
    /// It opens, and is something else.
    #[error("expected a JSON object with one member \"api_key\", a string that is not blank")]
    Shape,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ApiKey {
    api_key: String,
}

/// What a credential's seal is bound to, so that one provider's secret cannot be moved to another, where it would be sent elsewhere.
fn context(provider: ProviderId) -> String {
    format!("credentials.secret/{provider}")
}

/// What the seal of the tokenizer download's token is bound to.
pub const HF_TOKEN: &str = "settings.hf_token";

/// Seals an API key for a provider.
#[must_use]
pub fn seal_api_key(sealer: &Sealer, provider: ProviderId, api_key: &Secret<String>, entropy: &dyn Entropy) -> String {
    let plain = Secret::new(serde_json::json!({ API_KEY: api_key.expose() }).to_string());
    sealer.seal(&context(provider), plain.expose(), entropy)
}

/// Seals a credential's secret, whatever its kind, for a provider.
#[must_use]
pub fn seal(sealer: &Sealer, provider: ProviderId, plain: &Secret<String>, entropy: &dyn Entropy) -> String {
    sealer.seal(&context(provider), plain.expose(), entropy)
}

/// Opens a credential's secret, whatever its kind.
///
/// # Errors
/// [`SecretFault::Sealed`].
pub fn open(sealer: &Sealer, provider: ProviderId, sealed: &str) -> Result<Secret<String>, SecretFault> {
    sealer.open(&context(provider), sealed).map_err(SecretFault::Sealed)
}

/// Opens an API key.
///
/// # Errors
/// [`SecretFault`].
pub fn open_api_key(sealer: &Sealer, provider: ProviderId, sealed: &str) -> Result<Secret<String>, SecretFault> {
    Ok(open_kept(sealer, provider, sealed)?.api_key)
}

/// A credential's secret as it rests: what the operator gave, and what renewals made of it.
#[derive(Clone, Debug)]
pub struct Kept {
    /// What the operator gave: a key, or the first refresh token. Another one makes all else here worthless.
    pub api_key: Secret<String>,
    /// What stands of renewals.
    pub renewed: Option<Standing>,
    /// Who renews it now, and until when, Unix milliseconds.
    pub lease: Option<(String, u64)>,
}

/// What stands of a credential's renewals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The latest grant.
    Granted(Grant),
    /// The refresh token was refused for good.
    Refused,
}

impl Kept {
    /// What the next renewal is asked with.
    #[must_use]
    pub fn refresh_token(&self) -> &Secret<String> {
        match &self.renewed {
            Some(Standing::Granted(grant)) => &grant.refresh_token,
            Some(Standing::Refused) | None => &self.api_key,
        }
    }

    /// Seals it for a provider.
    #[must_use]
    pub fn seal(&self, sealer: &Sealer, provider: ProviderId, entropy: &dyn Entropy) -> String {
        let renewed = self.renewed.as_ref().map(|standing| match standing {
            Standing::Granted(grant) => RenewedText {
                access_token: grant.access_token.expose().clone(),
                expires_at: grant.expires_at,
                refresh_token: grant.refresh_token.expose().clone(),
                refused: false,
            },
            Standing::Refused => RenewedText { refused: true, ..RenewedText::default() },
        });
        let lease = self.lease.clone().map(|(holder, until)| LeaseText { holder, until });
        let mut text = KeptText { api_key: self.api_key.expose().clone(), renewed, lease };
        let plain = Secret::new(serde_json::json!(text).to_string());
        text.wipe();
        sealer.seal(&context(provider), plain.expose(), entropy)
    }
}

/// The same as JSON. `api_key` alone is what a credential has that was never renewed.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeptText {
    api_key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    renewed: Option<RenewedText>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lease: Option<LeaseText>,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RenewedText {
    access_token: String,
    expires_at: u64,
    refresh_token: String,
    refused: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LeaseText {
    holder: String,
    until: u64,
}

impl KeptText {
    fn wipe(&mut self) {
        self.api_key.zeroize();
        if let Some(renewed) = &mut self.renewed {
            renewed.access_token.zeroize();
            renewed.refresh_token.zeroize();
        }
    }
}

/// Opens an API key, and what renewals made of it.
///
/// # Errors
/// [`SecretFault`].
pub fn open_kept(sealer: &Sealer, provider: ProviderId, sealed: &str) -> Result<Kept, SecretFault> {
    let plain = sealer.open(&context(provider), sealed).map_err(SecretFault::Sealed)?;
    let KeptText { api_key, renewed, lease } = serde_json::from_str(plain.expose()).map_err(|_| SecretFault::Shape)?;
    let renewed = renewed.map(|text| match text {
        RenewedText { refused: true, .. } => Standing::Refused,
        RenewedText { access_token, expires_at, refresh_token, refused: false } => {
            Standing::Granted(Grant { access_token: Secret::new(access_token), expires_at, refresh_token: Secret::new(refresh_token) })
        }
    });
    let (api_key, lease) = (Secret::new(api_key), lease.map(|lease| (lease.holder, lease.until)));
    if api_key.expose().trim().is_empty() { Err(SecretFault::Shape) } else { Ok(Kept { api_key, renewed, lease }) }
}

/// Reads `{"api_key":"..."}`.
///
/// # Errors
/// [`SecretFault::Shape`].
pub fn parse_api_key(secret_json: &str) -> Result<Secret<String>, SecretFault> {
    let parsed: ApiKey = serde_json::from_str(secret_json).map_err(|_| SecretFault::Shape)?;
    let api_key = Secret::new(parsed.api_key);
    if api_key.expose().trim().is_empty() { Err(SecretFault::Shape) } else { Ok(api_key) }
}

/// What of a provider's settings rests sealed: `oauth.client_secret`. It is bound to the address that it is sent to, so that whoever
/// writes to the database cannot have it sent elsewhere.
fn client_secret(settings: &mut Map<String, Value>) -> Option<(String, &mut String)> {
    let oauth = settings.get_mut("oauth")?.as_object_mut()?;
    let address = oauth.get("token_url").and_then(Value::as_str).unwrap_or_default();
    let context = format!("providers.settings.oauth.client_secret/{address}");
    match oauth.get_mut("client_secret")? {
        Value::String(secret) => Some((context, secret)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A provider's settings as they rest, of those that were given.
#[must_use]
pub fn seal_settings(sealer: &Sealer, settings_json: &str, entropy: &dyn Entropy) -> String {
    let Ok(mut settings) = serde_json::from_str::<Map<String, Value>>(settings_json) else { return settings_json.to_owned() };
    let Some((context, secret)) = client_secret(&mut settings) else { return settings_json.to_owned() };
    let sealed = sealer.seal(&context, secret, entropy);
    std::mem::replace(secret, sealed).zeroize();
    Value::Object(settings).to_string()
}

/// A provider's settings as they are used. What rests open, as earlier versions kept it, is used as it is.
///
/// # Errors
/// [`SecretFault::Sealed`].
pub fn open_settings<'a>(sealer: &Sealer, settings_json: &'a str) -> Result<Cow<'a, str>, SecretFault> {
    let Ok(mut settings) = serde_json::from_str::<Map<String, Value>>(settings_json) else { return Ok(settings_json.into()) };
    let Some((context, secret)) = client_secret(&mut settings).filter(|(_, secret)| Sealer::is_sealed(secret)) else {
        return Ok(settings_json.into());
    };
    let opened = sealer.open(&context, secret).map_err(SecretFault::Sealed)?;
    secret.clone_from(opened.expose());
    Ok(Value::Object(settings).to_string().into())
}

/// How the secret of a provider's settings rests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rests {
    /// There is none.
    Nothing,
    /// As it was given.
    Open,
    /// Sealed.
    Sealed,
}

/// How the secret of a provider's settings rests.
#[must_use]
pub fn rests(settings_json: &str) -> Rests {
    let Ok(mut settings) = serde_json::from_str::<Map<String, Value>>(settings_json) else { return Rests::Nothing };
    match client_secret(&mut settings) {
        None => Rests::Nothing,
        Some((_, secret)) if Sealer::is_sealed(secret) => Rests::Sealed,
        Some(_) => Rests::Open,
    }
}
