//! Credentials of providers: written, never read back.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Admin, AdminFault,
    input::{SecretText, clearable},
    plain::not_negative,
    providers,
};
use crate::{
    access::key,
    base::{CredentialId, ProviderId, Secret},
    snapshot::{
        name,
        secret::{self, Standing},
    },
    store::persist::StoreFault,
    store::record::{ConfigRows, CredentialRow, NewCredential},
};

/// A credential as it is shown: without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct CredentialView {
    /// Its id.
    pub id: CredentialId,
    /// Its provider.
    pub provider_id: ProviderId,
    /// A label.
    pub name: Option<String>,
    /// `api_key`.
    pub kind: String,
    /// Whether a secret is kept.
    pub has_secret: bool,
    /// Its share of the calls, next to its siblings'.
    pub weight: i64,
    /// Calls per minute that the provider allows it.
    pub rpm_limit: Option<i64>,
    /// Tokens per minute that the provider allows it.
    pub tpm_limit: Option<i64>,
    /// Calls at a time that the provider allows it.
    pub concurrency_limit: Option<i64>,
    /// Whether it serves.
    pub enabled: bool,
    /// Unix milliseconds.
    pub created_at: i64,
    /// Unix milliseconds.
    pub updated_at: i64,
}

impl From<&CredentialRow> for CredentialView {
    fn from(row: &CredentialRow) -> Self {
        Self {
            id: row.id,
            provider_id: row.provider_id,
            name: row.name.clone(),
            kind: row.kind.clone(),
            has_secret: !row.secret_sealed.is_empty(),
            weight: row.weight,
            rpm_limit: row.rpm_limit,
            tpm_limit: row.tpm_limit,
            concurrency_limit: row.concurrency_limit,
            enabled: row.enabled,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// Makes or changes a credential. With an `id` what is absent stays, and a blank secret too.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CredentialInput {
    /// Which one to change.
    pub id: Option<CredentialId>,
    /// A label; without one it is the key's beginning.
    #[serde(deserialize_with = "clearable")]
    pub name: Option<Option<String>>,
    /// `api_key`.
    pub kind: Option<String>,
    /// The key.
    pub api_key: Option<SecretText>,
    /// The key as `{"api_key":"..."}`, an object or a text.
    pub secret_json: Option<SecretJson>,
    /// Its share of the calls, next to its siblings'; 100 for a new one, 0 for one that only steps in.
    pub weight: Option<i64>,
    /// Calls per minute that the provider allows it.
    #[serde(deserialize_with = "clearable")]
    pub rpm_limit: Option<Option<i64>>,
    /// Tokens per minute that the provider allows it.
    #[serde(deserialize_with = "clearable")]
    pub tpm_limit: Option<Option<i64>>,
    /// Calls at a time that the provider allows it.
    #[serde(deserialize_with = "clearable")]
    pub concurrency_limit: Option<Option<i64>>,
    /// Whether it serves; `true` for a new one.
    pub enabled: Option<bool>,
}

/// `{"api_key":"..."}`, as an object or as a text.
#[derive(Clone, Debug)]
pub struct SecretJson(SecretText);

impl JsonSchema for SecretJson {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "SecretJson".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["object", "string"], "writeOnly": true })
    }
}

impl<'de> Deserialize<'de> for SecretJson {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = match Value::deserialize(deserializer)? {
            Value::String(text) => text,
            Value::Object(members) => Value::Object(members).to_string(),
            Value::Null => String::new(),
            Value::Bool(_) | Value::Number(_) | Value::Array(_) => return Err(serde::de::Error::custom("expected an object or a string")),
        };
        Ok(Self(SecretText(Secret::new(text))))
    }
}

/// Credentials of one provider, or of all.
///
/// # Errors
/// [`AdminFault::Missing`] where there is no such provider.
pub async fn list(admin: Admin<'_>, of: Option<ProviderId>) -> Result<Vec<CredentialView>, AdminFault> {
    let rows = admin.control().records().load().await?;
    if let Some(id) = of {
        providers::find(&rows, id)?;
    }
    Ok(rows.credentials.iter().filter(|row| of.is_none_or(|id| row.provider_id == id)).map(CredentialView::from).collect())
}

/// One credential.
///
/// # Errors
/// [`AdminFault::Missing`].
pub async fn get(admin: Admin<'_>, id: CredentialId) -> Result<CredentialView, AdminFault> {
    let rows = admin.control().records().load().await?;
    find(&rows, id).map(CredentialView::from)
}

/// Makes or changes a credential; `of` is `None` where the id alone says which. The same secret again is the same credential.
///
/// # Errors
/// [`AdminFault`].
pub async fn save(admin: Admin<'_>, of: Option<ProviderId>, input: CredentialInput) -> Result<CredentialView, AdminFault> {
    admin.may_configure()?;
    let given = given_secret(&input)?;
    let mut tries = 0;
    loop {
        match save_once(admin, of, (&input, given.as_ref())).await {
            Err(AdminFault::Store(StoreFault::Moved)) if tries < TRIES => tries += 1,
            saved => return saved,
        }
    }
}

/// How often a change is tried again that another one came before.
const TRIES: usize = 8;

/// The same, on what stands now. A renewal may write a new refresh token beside us, which must not be overwritten with the former.
async fn save_once(
    admin: Admin<'_>,
    of: Option<ProviderId>,
    (input, given): (&CredentialInput, Option<&Secret<String>>),
) -> Result<CredentialView, AdminFault> {
    let control = admin.control();
    let rows = control.records().load().await?;
    let standing = match (input.id, of) {
        (Some(id), of) => Some(find(&rows, id).and_then(|row| belongs(row, of))?),
        (None, Some(provider)) => {
            providers::find(&rows, provider)?;
            given.and_then(|secret| same_secret(admin, &rows, provider, secret))
        }
        (None, None) => return Err(AdminFault::invalid("id", "is required")),
    };
    let provider = standing.map_or(of, |row| Some(row.provider_id)).ok_or_else(|| AdminFault::invalid("provider_id", "is required"))?;
    let mut row = standing.map_or_else(|| blank(provider), |row| row.row.clone());
    limits(&mut row, input)?;
    row.kind = input.kind.clone().unwrap_or(row.kind);
    if row.kind != secret::API_KEY {
        return Err(AdminFault::invalid("kind", format!("unknown kind {:?}; expected {:?}", row.kind, secret::API_KEY)));
    }
    row.enabled = input.enabled.unwrap_or(row.enabled);
    row.name = input.name.clone().unwrap_or(row.name);
    if let Some(label) = &row.name {
        name::text(label).map_err(|message| AdminFault::invalid("name", message))?;
    }
    match given {
        Some(api_key) if standing.is_some_and(|row| goes_on(admin, row, api_key)) => {}
        Some(api_key) => {
            row.secret_sealed = secret::seal_api_key(control.sealer(), provider, api_key, &*control.platform().entropy);
            row.name = row.name.or_else(|| Some(format!("{}…", key::prefix(api_key.expose()))));
        }
        None if row.secret_sealed.is_empty() => return Err(AdminFault::invalid("api_key", "is required and must not be blank")),
        None => {}
    }
    let saved = match standing {
        Some(standing) => admin.actor().save_on(&rows, standing.id, row).await?,
        None => admin.actor().save(&rows, None, row).await?,
    };
    Ok(CredentialView::from(&saved))
}

/// Forgets a credential.
///
/// # Errors
/// [`AdminFault::Missing`].
pub async fn delete(admin: Admin<'_>, id: CredentialId) -> Result<(), AdminFault> {
    admin.may_configure()?;
    let rows = admin.control().records().load().await?;
    admin.actor().delete::<NewCredential>(&rows, id).await
}

fn limits(row: &mut NewCredential, input: &CredentialInput) -> Result<(), AdminFault> {
    row.weight = input.weight.unwrap_or(row.weight);
    row.rpm_limit = input.rpm_limit.unwrap_or(row.rpm_limit);
    row.tpm_limit = input.tpm_limit.unwrap_or(row.tpm_limit);
    row.concurrency_limit = input.concurrency_limit.unwrap_or(row.concurrency_limit);
    not_negative(&[
        ("weight", Some(row.weight)),
        ("rpm_limit", row.rpm_limit),
        ("tpm_limit", row.tpm_limit),
        ("concurrency_limit", row.concurrency_limit),
    ])
}

fn given_secret(input: &CredentialInput) -> Result<Option<Secret<String>>, AdminFault> {
    let (plain, json) = (input.api_key.as_ref(), input.secret_json.as_ref());
    let json = json.map(|text| text.0.0.expose()).filter(|text| !text.trim().is_empty());
    let plain = plain.map(|text| text.0.expose()).filter(|text| !text.trim().is_empty());
    let secret = match (plain, json) {
        (Some(_), Some(_)) => return Err(AdminFault::invalid("secret_json", "is given beside api_key; expected one of them")),
        (Some(plain), None) => Secret::new(plain.clone()),
        (None, Some(json)) => secret::parse_api_key(json).map_err(|fault| AdminFault::invalid("secret_json", fault.to_string()))?,
        (None, None) => return Ok(None),
    };
    if secret.expose().chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(AdminFault::invalid("api_key", "has blanks or control characters in it, which no header can carry"));
    }
    Ok(Some(secret))
}

/// Whether a credential has this secret and goes on with what renewals made of it. One that was refused for good begins anew.
fn goes_on(admin: Admin<'_>, row: &CredentialRow, given: &Secret<String>) -> bool {
    secret::open_kept(admin.control().sealer(), row.provider_id, &row.secret_sealed)
        .is_ok_and(|kept| kept.api_key == *given && kept.renewed != Some(Standing::Refused))
}

fn same_secret<'a>(admin: Admin<'_>, rows: &'a ConfigRows, provider: ProviderId, given: &Secret<String>) -> Option<&'a CredentialRow> {
    rows.credentials
        .iter()
        .filter(|row| row.provider_id == provider)
        .find(|row| secret::open_api_key(admin.control().sealer(), provider, &row.secret_sealed).is_ok_and(|standing| standing == *given))
}

fn find(rows: &ConfigRows, id: CredentialId) -> Result<&CredentialRow, AdminFault> {
    rows.credentials.iter().find(|row| row.id == id).ok_or_else(|| AdminFault::missing("credential", id))
}

fn belongs(row: &CredentialRow, of: Option<ProviderId>) -> Result<&CredentialRow, AdminFault> {
    if of.is_none_or(|provider| row.provider_id == provider) { Ok(row) } else { Err(AdminFault::missing("credential", row.id)) }
}

fn blank(provider_id: ProviderId) -> NewCredential {
    NewCredential::of(provider_id, secret::API_KEY, "")
}
