//! How secrets of configuration rest: what is sealed, and what each seal is bound to.

use serde::{Deserialize, Serialize};

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
