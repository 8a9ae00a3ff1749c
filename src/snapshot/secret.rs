//! How secrets of configuration rest: what is sealed, and what each seal is bound to.

use serde::{Deserialize, Serialize};

use crate::{
    base::{ProviderId, Secret},
    credentials::{SealFault, Sealer},
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
    let plain = sealer.open(&context(provider), sealed).map_err(SecretFault::Sealed)?;
    parse_api_key(plain.expose())
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
