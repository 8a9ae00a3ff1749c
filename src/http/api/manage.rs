//! The administrators' routes.

use http::Method;
use serde::Serialize;

use super::{
    answer::{Answer, csv, done, json},
    query,
    route::{Call, Route},
};
use crate::{
    admin::{
        Admin, AdminFault, channels, credentials, health,
        keys::{self, FreshKey, KeyView, Saved},
        login, models, permissions, providers, requests, settings, usage, users,
    },
    base::{CredentialId, KeyId, ModelId, PermissionId, ProviderId, RequestId, UserId},
};

const GET: Method = Method::GET;
const POST: Method = Method::POST;
const PATCH: Method = Method::PATCH;
const DELETE: Method = Method::DELETE;

/// A key with its secret part: this answer and no other shows it.
#[derive(Serialize)]
pub(super) struct FreshKeyAnswer<'a> {
    #[serde(flatten)]
    view: &'a KeyView,
    api_key: &'a str,
}

impl<'a> From<&'a FreshKey> for FreshKeyAnswer<'a> {
    fn from(fresh: &'a FreshKey) -> Self {
        Self { view: &fresh.view, api_key: fresh.key.expose() }
    }
}

pub(super) fn saved_key(saved: &Saved) -> Answer {
    match saved {
        Saved::Made(fresh) => json(&FreshKeyAnswer::from(fresh)),
        Saved::Changed(view) => json(view),
    }
}

/// The id of the path into an input; another one in the body is refused.
pub(super) fn pinned<I: PartialEq>(path: I, body: Option<I>) -> Result<Option<I>, AdminFault> {
    match body {
        Some(body) if body != path => Err(AdminFault::invalid("id", "differs from the id in the path")),
        _ => Ok(Some(path)),
    }
}

pub(super) static ROUTES: &[Route] = &[
    Route::public(POST, "/login", |call| Box::pin(log_in(call))),
    // Users.
    Route::admin(GET, "/admin/users", |admin, _| Box::pin(async move { json(&users::list(admin).await?) })),
    Route::admin(POST, "/admin/users", |admin, call| Box::pin(async move { json(&users::save(admin, call.input()?).await?) })),
    Route::admin(GET, "/admin/users/{id}", |admin, call| {
        Box::pin(async move { json(&users::get(admin, UserId(call.number("user")?)).await?) })
    }),
    Route::admin(PATCH, "/admin/users/{id}", |admin, call| Box::pin(patch_user(admin, call))),
    Route::admin(DELETE, "/admin/users/{id}", |admin, call| {
        Box::pin(async move { Ok(done(users::delete(admin, UserId(call.number("user")?)).await?)) })
    }),
    // Health.
    Route::admin(GET, "/admin/health", |admin, _| Box::pin(async move { json(&health::list(admin)) })),
    Route::admin(POST, "/admin/health/reset", |admin, call| Box::pin(async move { json(&health::reset(admin, call.input()?).await?) })),
    // Keys.
    Route::admin(GET, "/admin/users/{id}/keys", |admin, call| {
        Box::pin(async move { json(&keys::list(admin, Some(UserId(call.number("user")?))).await?) })
    }),
    Route::admin(POST, "/admin/users/{id}/keys", |admin, call| {
        Box::pin(async move { saved_key(&keys::save(admin, Some(UserId(call.number("user")?)), call.input()?).await?) })
    }),
    Route::admin(GET, "/admin/user-keys", |admin, _| Box::pin(async move { json(&keys::list(admin, None).await?) })),
    Route::admin(GET, "/admin/user-keys/{id}", |admin, call| {
        Box::pin(async move { json(&keys::get(admin, KeyId(call.number("key")?)).await?) })
    }),
    Route::admin(PATCH, "/admin/user-keys/{id}", |admin, call| Box::pin(patch_key(admin, call))),
    Route::admin(DELETE, "/admin/user-keys/{id}", |admin, call| {
        Box::pin(async move { Ok(done(keys::delete(admin, KeyId(call.number("key")?)).await?)) })
    }),
    // Permissions.
    Route::admin(GET, "/admin/users/{id}/permissions", |admin, call| {
        Box::pin(async move { json(&permissions::list(admin, UserId(call.number("user")?)).await?) })
    }),
    Route::admin(POST, "/admin/users/{id}/permissions", |admin, call| {
        Box::pin(async move { json(&permissions::save(admin, UserId(call.number("user")?), call.input()?).await?) })
    }),
    Route::admin(DELETE, "/admin/permissions/{id}", |admin, call| {
        Box::pin(async move { Ok(done(permissions::delete(admin, PermissionId(call.number("permission")?)).await?)) })
    }),
    // Providers.
    Route::admin(GET, "/admin/channels", |admin, _| Box::pin(async move { json(&channels::list(admin)) })),
    Route::admin(GET, "/admin/providers", |admin, _| Box::pin(async move { json(&providers::list(admin).await?) })),
    Route::admin(POST, "/admin/providers", |admin, call| Box::pin(async move { json(&providers::save(admin, call.input()?).await?) })),
    Route::admin(GET, "/admin/providers/{id}", |admin, call| {
        Box::pin(async move { json(&providers::get(admin, ProviderId(call.number("provider")?)).await?) })
    }),
    Route::admin(PATCH, "/admin/providers/{id}", |admin, call| Box::pin(patch_provider(admin, call))),
    Route::admin(DELETE, "/admin/providers/{id}", |admin, call| {
        Box::pin(async move { Ok(done(providers::delete(admin, ProviderId(call.number("provider")?)).await?)) })
    }),
    // Credentials.
    Route::admin(GET, "/admin/providers/{id}/credentials", |admin, call| {
        Box::pin(async move { json(&credentials::list(admin, Some(ProviderId(call.number("provider")?))).await?) })
    }),
    Route::admin(POST, "/admin/providers/{id}/credentials", |admin, call| {
        Box::pin(async move { json(&credentials::save(admin, Some(ProviderId(call.number("provider")?)), call.input()?).await?) })
    }),
    Route::admin(GET, "/admin/credentials/{id}", |admin, call| {
        Box::pin(async move { json(&credentials::get(admin, CredentialId(call.number("credential")?)).await?) })
    }),
    Route::admin(PATCH, "/admin/credentials/{id}", |admin, call| Box::pin(patch_credential(admin, call))),
    Route::admin(DELETE, "/admin/credentials/{id}", |admin, call| {
        Box::pin(async move { Ok(done(credentials::delete(admin, CredentialId(call.number("credential")?)).await?)) })
    }),
    // Models.
    Route::admin(GET, "/admin/providers/{id}/models", |admin, call| {
        Box::pin(async move { json(&models::list(admin, ProviderId(call.number("provider")?)).await?) })
    }),
    Route::admin(POST, "/admin/providers/{id}/models", |admin, call| {
        Box::pin(async move { json(&models::save(admin, Some(ProviderId(call.number("provider")?)), call.input()?).await?) })
    }),
    Route::admin(GET, "/admin/provider-models/{id}", |admin, call| {
        Box::pin(async move { json(&models::get(admin, ModelId(call.number("model")?)).await?) })
    }),
    Route::admin(PATCH, "/admin/provider-models/{id}", |admin, call| Box::pin(patch_model(admin, call))),
    Route::admin(DELETE, "/admin/provider-models/{id}", |admin, call| {
        Box::pin(async move { Ok(done(models::delete(admin, ModelId(call.number("model")?)).await?)) })
    }),
    // The instance.
    Route::admin(GET, "/admin/settings", |admin, _| Box::pin(async move { json(&settings::get(admin).await?) })),
    Route::admin(POST, "/admin/settings", |admin, call| Box::pin(async move { json(&settings::save(admin, call.input()?).await?) })),
    Route::admin(GET, "/admin/faults", |admin, _| Box::pin(async move { json(&admin.control().faults()) })),
    // What calls left behind.
    Route::admin(GET, "/admin/usage", |admin, call| Box::pin(async move { json(&usage::list(admin, query::usage(call.query)?).await?) })),
    Route::admin(GET, "/admin/usage/export", |admin, call| {
        Box::pin(async move { Ok(csv(usage::export(admin, query::usage(call.query)?).await?)) })
    }),
    Route::admin(GET, "/admin/usage/summary", |admin, call| {
        Box::pin(async move { json(&usage::summary(admin, query::usage(call.query)?.filter).await?) })
    }),
    Route::admin(GET, "/admin/requests", |admin, call| Box::pin(list_requests(admin, call))),
    Route::admin(GET, "/admin/requests/{id}", |admin, call| {
        Box::pin(async move {
            let id = RequestId::parse(call.id).ok_or_else(|| AdminFault::missing("request", call.id))?;
            json(&requests::get(admin, id).await?)
        })
    }),
];

#[derive(Serialize)]
struct LoginAnswer<'a> {
    user_id: UserId,
    name: &'a str,
    is_admin: bool,
    api_key: &'a str,
    /// Always: an older key is never given out.
    generated: bool,
    key_id: KeyId,
    expires_at: Option<i64>,
}

async fn log_in(call: Call<'_>) -> Answer {
    let session = login::login(call.control, call.input()?, call.peer).await?;
    json(&LoginAnswer {
        user_id: session.user_id,
        name: &session.name,
        is_admin: session.is_admin,
        api_key: session.key.key.expose(),
        generated: true,
        key_id: session.key.view.id,
        expires_at: session.key.view.expires_at,
    })
}

async fn patch_user(admin: Admin<'_>, call: Call<'_>) -> Answer {
    let mut input: users::UserInput = call.input()?;
    input.id = pinned(UserId(call.number("user")?), input.id)?;
    json(&users::save(admin, input).await?)
}

async fn patch_key(admin: Admin<'_>, call: Call<'_>) -> Answer {
    let mut input: keys::KeyInput = call.input()?;
    input.id = pinned(KeyId(call.number("key")?), input.id)?;
    saved_key(&keys::save(admin, None, input).await?)
}

async fn patch_provider(admin: Admin<'_>, call: Call<'_>) -> Answer {
    let mut input: providers::ProviderInput = call.input()?;
    input.id = pinned(ProviderId(call.number("provider")?), input.id)?;
    json(&providers::save(admin, input).await?)
}

async fn patch_credential(admin: Admin<'_>, call: Call<'_>) -> Answer {
    let mut input: credentials::CredentialInput = call.input()?;
    input.id = pinned(CredentialId(call.number("credential")?), input.id)?;
    json(&credentials::save(admin, None, input).await?)
}

async fn patch_model(admin: Admin<'_>, call: Call<'_>) -> Answer {
    let mut input: models::ModelInput = call.input()?;
    input.id = pinned(ModelId(call.number("model")?), input.id)?;
    json(&models::save(admin, None, input).await?)
}

async fn list_requests(admin: Admin<'_>, call: Call<'_>) -> Answer {
    let (before, limit) = query::page(call.query)?;
    json(&requests::list(admin, before, limit).await?)
}
