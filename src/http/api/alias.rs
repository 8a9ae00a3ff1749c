//! The first format's routes: POST with filters in the body, `{"ok":true}`, errors as a text.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    alias_usage,
    answer::{Answer, Json, json},
    manage::{SavedKey, saved_key},
    route::{Body, Call, Route, admin, member},
};
use crate::{
    admin::{
        Admin, AdminFault, Member,
        credentials::{self, CredentialInput, SecretJson},
        input::SecretText,
        keys::{self, KeyInput, KeyView},
        providers::{self, ProviderInput},
        users::{self, UserInput},
    },
    base::{CredentialId, KeyId, ProviderId, UserId},
    channel,
};

/// Which values of a column are wanted.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[schemars(rename = "{T}Scope")]
pub(super) enum Scope<T> {
    /// Every value.
    #[default]
    All,
    /// This one.
    Eq(T),
    /// One of these.
    In(Vec<T>),
}

impl<T: PartialEq> Scope<T> {
    pub(super) fn fits(&self, value: &T) -> bool {
        match self {
            Self::All => true,
            Self::Eq(wanted) => wanted == value,
            Self::In(wanted) => wanted.contains(value),
        }
    }
}

/// All of them.
pub(super) fn routes() -> impl Iterator<Item = Route> {
    administrators().into_iter().chain(own()).map(Route::first_format)
}

fn administrators() -> Vec<Route> {
    vec![
        admin::post("/admin/users/query", "Users by filter", |admin, call| Box::pin(query_users(admin, call))),
        admin::post("/admin/users/upsert", "Make or change a user", |admin, call| Box::pin(upsert_user(admin, call))),
        admin::post("/admin/users/delete", "Forget a user", |admin, call| {
            Box::pin(async move { ok(users::delete(admin, UserId(by_id(&call)?)).await?) })
        }),
        admin::post("/admin/user-keys/query", "Keys by filter", |admin, call| Box::pin(query_keys(admin, call))),
        admin::post("/admin/user-keys/generate", "Make a key", |admin, call| Box::pin(generate_key(admin, call))),
        admin::post("/admin/user-keys/delete", "Forget a key", |admin, call| {
            Box::pin(async move { ok(keys::delete(admin, KeyId(by_id(&call)?)).await?) })
        }),
        admin::post("/admin/providers/query", "Providers by filter", |admin, call| Box::pin(query_providers(admin, call))),
        admin::post("/admin/providers/upsert", "Make or change a provider", |admin, call| Box::pin(upsert_provider(admin, call))),
        admin::post("/admin/providers/delete", "Forget a provider", |admin, call| {
            Box::pin(async move { ok(providers::delete(admin, ProviderId(by_id(&call)?)).await?) })
        }),
        admin::post("/admin/credentials/query", "Credentials by filter", |admin, call| Box::pin(query_credentials(admin, call))),
        admin::post("/admin/credentials/upsert", "Make or change a credential", |admin, call| Box::pin(upsert_credential(admin, call))),
        admin::post("/admin/credentials/delete", "Forget a credential", |admin, call| {
            Box::pin(async move { ok(credentials::delete(admin, CredentialId(by_id(&call)?)).await?) })
        }),
        admin::post("/admin/usages/query", "Usage rows by filter", |admin, call| Box::pin(alias_usage::query(admin, call))),
        admin::post("/admin/usages/summary", "The sums of usage rows by filter", |admin, call| Box::pin(alias_usage::summary(admin, call))),
    ]
}

fn own() -> [Route; 3] {
    [
        member::post("/user/keys/query", "My keys by filter", |member, call| Box::pin(query_own_keys(member, call))),
        member::post("/user/keys/generate", "Make a key of mine", |member, call| Box::pin(generate_own_key(member, call))),
        member::post("/user/keys/delete", "Forget a key of mine", |member, call| {
            Box::pin(async move { ok(keys::delete_own(member, KeyId(by_id(&call)?)).await?) })
        }),
    ]
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ById {
    id: i64,
}

fn by_id(call: &Call<'_, Body<ById>>) -> Result<i64, AdminFault> {
    call.input().map(|ById { id }| id)
}

/// That it is done.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Done")]
struct Okay {
    /// Always.
    ok: bool,
}

fn ok((): ()) -> Answer<Json<Okay>> {
    json(&Okay { ok: true })
}

/// That a row is saved.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Saved{I}")]
struct OkayId<I> {
    /// Always.
    ok: bool,
    /// Which one.
    id: I,
}

fn ok_id<I: Serialize>(id: I) -> Answer<Json<OkayId<I>>> {
    json(&OkayId { ok: true, id })
}

fn paged<T>(rows: impl Iterator<Item = T>, offset: Option<u64>, limit: Option<u64>) -> Vec<T> {
    let count = |number: Option<u64>, or: usize| number.map_or(or, |number| usize::try_from(number).unwrap_or(usize::MAX));
    rows.skip(count(offset, 0)).take(count(limit, usize::MAX)).collect()
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct UserFilter {
    id: Scope<UserId>,
    name: Scope<String>,
    enabled: Scope<bool>,
    limit: Option<u64>,
    offset: Option<u64>,
}

async fn query_users(admin: Admin<'_>, call: Call<'_, Body<UserFilter>>) -> Answer<Json<Vec<users::UserView>>> {
    let wanted = call.input()?;
    let rows = users::list(admin).await?;
    let rows = rows.into_iter().filter(|row| wanted.id.fits(&row.id) && wanted.name.fits(&row.name) && wanted.enabled.fits(&row.enabled));
    json(&paged(rows, wanted.offset, wanted.limit))
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct UserUpsert {
    id: Option<UserId>,
    name: Option<String>,
    password: Option<SecretText>,
    is_admin: Option<bool>,
    enabled: Option<bool>,
}

async fn upsert_user(admin: Admin<'_>, call: Call<'_, Body<UserUpsert>>) -> Answer<Json<OkayId<UserId>>> {
    let given = call.input()?;
    // The first format always sends a password; a blank one there means that it stays.
    let password = given.password.filter(|password| !password.0.expose().is_empty()).map(Some);
    let input =
        UserInput { id: given.id, name: given.name, password, is_admin: given.is_admin, enabled: given.enabled, ..UserInput::default() };
    ok_id(users::save(admin, input).await?.id)
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct KeyFilter {
    id: Scope<KeyId>,
    user_id: Scope<UserId>,
    label: Scope<String>,
    enabled: Scope<bool>,
    limit: Option<u64>,
    offset: Option<u64>,
}

impl KeyFilter {
    fn fits(&self, row: &KeyView) -> bool {
        let label = row.label.clone().unwrap_or_default();
        self.id.fits(&row.id) && self.user_id.fits(&row.user_id) && self.label.fits(&label) && self.enabled.fits(&row.enabled)
    }
}

async fn query_keys(admin: Admin<'_>, call: Call<'_, Body<KeyFilter>>) -> Answer<Json<Vec<KeyView>>> {
    let wanted = call.input()?;
    let rows = keys::list(admin, None).await?;
    json(&paged(rows.into_iter().filter(|row| wanted.fits(row)), wanted.offset, wanted.limit))
}

async fn query_own_keys(member: Member<'_>, call: Call<'_, Body<KeyFilter>>) -> Answer<Json<Vec<KeyView>>> {
    let wanted = call.input()?;
    let rows = keys::own(member).await?;
    json(&paged(rows.into_iter().filter(|row| wanted.fits(row)), wanted.offset, wanted.limit))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct KeyGenerate {
    user_id: UserId,
    #[serde(default)]
    label: Option<String>,
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct OwnKeyGenerate {
    label: Option<String>,
}

fn labelled(label: Option<String>) -> KeyInput {
    KeyInput { label: Some(label.filter(|label| !label.is_empty())), ..KeyInput::default() }
}

async fn generate_key(admin: Admin<'_>, call: Call<'_, Body<KeyGenerate>>) -> Answer<Json<SavedKey>> {
    let given = call.input()?;
    let saved = keys::save(admin, Some(given.user_id), labelled(given.label)).await;
    // The first format says 400 for an unknown user here.
    let saved = saved.map_err(|fault| match fault {
        AdminFault::Missing { what: "user", id } => AdminFault::invalid("user_id", format!("no user with id {id}")),
        fault => fault,
    });
    saved_key(saved?)
}

async fn generate_own_key(member: Member<'_>, call: Call<'_, Body<OwnKeyGenerate>>) -> Answer<Json<SavedKey>> {
    let given = call.input()?;
    saved_key(keys::save_own(member, labelled(given.label)).await?)
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct ProviderFilter {
    id: Scope<ProviderId>,
    channel: Scope<String>,
    name: Scope<String>,
    enabled: Scope<bool>,
    limit: Option<u64>,
    offset: Option<u64>,
}

#[derive(Serialize, JsonSchema)]
struct ProviderRowAnswer {
    id: ProviderId,
    name: String,
    channel: String,
    settings_json: String,
    dispatch_json: String,
    enabled: bool,
    created_at: i64,
    updated_at: i64,
}

impl From<providers::ProviderView> for ProviderRowAnswer {
    fn from(view: providers::ProviderView) -> Self {
        Self {
            id: view.id,
            name: view.name,
            channel: view.channel,
            settings_json: Value::Object(view.settings).to_string(),
            dispatch_json: view.dispatch.unwrap_or_else(|| Value::Object(Map::new())).to_string(),
            enabled: view.enabled,
            created_at: view.created_at,
            updated_at: view.updated_at,
        }
    }
}

async fn query_providers(admin: Admin<'_>, call: Call<'_, Body<ProviderFilter>>) -> Answer<Json<Vec<ProviderRowAnswer>>> {
    let wanted = call.input()?;
    let rows = providers::list(admin).await?.into_iter().filter(|row| {
        wanted.id.fits(&row.id) && wanted.channel.fits(&row.channel) && wanted.name.fits(&row.name) && wanted.enabled.fits(&row.enabled)
    });
    json(&paged(rows.map(ProviderRowAnswer::from), wanted.offset, wanted.limit))
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct ProviderUpsert {
    id: Option<ProviderId>,
    name: Option<String>,
    channel: Option<String>,
    settings_json: Option<String>,
    dispatch_json: Option<String>,
    enabled: Option<bool>,
}

async fn upsert_provider(admin: Admin<'_>, call: Call<'_, Body<ProviderUpsert>>) -> Answer<Json<OkayId<ProviderId>>> {
    let given = call.input()?;
    let has_base = given.settings_json.as_deref().is_some_and(|text| text.contains("\"base_url\""));
    let input = ProviderInput {
        id: given.id,
        name: given.name,
        channel: given.channel.map(|id| if channel::find(&id).is_none() && has_base { "custom".to_owned() } else { id }),
        settings_json: given.settings_json,
        dispatch_json: given.dispatch_json.map(|text| Some(text).filter(|text| text.trim() != "{}")),
        enabled: given.enabled,
        ..ProviderInput::default()
    };
    ok_id(providers::save(admin, input).await?.id)
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct CredentialFilter {
    id: Scope<CredentialId>,
    provider_id: Scope<ProviderId>,
    kind: Scope<String>,
    enabled: Scope<bool>,
    name_contains: Option<String>,
    limit: Option<u64>,
    offset: Option<u64>,
}

async fn query_credentials(admin: Admin<'_>, call: Call<'_, Body<CredentialFilter>>) -> Answer<Json<Vec<credentials::CredentialView>>> {
    let wanted = call.input()?;
    let rows = credentials::list(admin, None).await?;
    let rows = rows.into_iter().filter(|row| {
        let named = |part: &String| row.name.as_ref().is_some_and(|name| name.contains(part));
        wanted.id.fits(&row.id)
            && wanted.provider_id.fits(&row.provider_id)
            && wanted.kind.fits(&row.kind)
            && wanted.enabled.fits(&row.enabled)
            && wanted.name_contains.as_ref().is_none_or(named)
    });
    json(&paged(rows, wanted.offset, wanted.limit))
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct CredentialUpsert {
    id: Option<CredentialId>,
    provider_id: Option<ProviderId>,
    name: Option<String>,
    kind: Option<String>,
    settings_json: Option<String>,
    secret_json: Option<SecretJson>,
    enabled: Option<bool>,
}

async fn upsert_credential(admin: Admin<'_>, call: Call<'_, Body<CredentialUpsert>>) -> Answer<Json<OkayId<CredentialId>>> {
    let given = call.input()?;
    if given.settings_json.as_deref().is_some_and(|text| !matches!(text.trim(), "" | "{}" | "null")) {
        return Err(
            AdminFault::invalid("settings_json", "credentials have no settings of their own here; expected it absent or empty").into()
        );
    }
    if given.id.is_none() && given.provider_id.is_none() {
        return Err(AdminFault::invalid("provider_id", "is required").into());
    }
    let input = CredentialInput {
        id: given.id,
        name: given.name.map(Some),
        kind: given.kind,
        api_key: None,
        secret_json: given.secret_json,
        enabled: given.enabled,
        ..CredentialInput::default()
    };
    ok_id(credentials::save(admin, given.provider_id, input).await?.id)
}
