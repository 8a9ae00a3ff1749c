//! The administrators' routes.

use schemars::JsonSchema;
use serde::Serialize;

use super::{
    answer::{Answer, Json, csv, done, json},
    query::{AuditPage, DoctorPage, HealthPage, PageQuery},
    route::{
        Body, Call, Query, Route,
        admin::{ask, delete, get, patch, post},
    },
};
use crate::{
    admin::{
        Admin, AdminFault, audit, channels, credentials, doctor, health,
        keys::{self, FreshKey, KeyView, Saved},
        login, models, permissions, providers, requests, settings, usage, users,
    },
    base::{CredentialId, KeyId, ModelId, PermissionId, ProviderId, RequestId, UserId},
};

/// A saved key, with its secret part where it is new: this answer and no other shows it.
#[derive(Serialize, JsonSchema)]
pub(super) struct SavedKey {
    #[serde(flatten)]
    view: KeyView,
    /// The whole key, where it was just made.
    #[serde(skip_serializing_if = "Option::is_none")]
    api_key: Option<String>,
}

pub(super) fn saved_key(saved: Saved) -> Answer<Json<SavedKey>> {
    json(&match saved {
        Saved::Made(FreshKey { view, key }) => SavedKey { view, api_key: Some(key.expose().to_owned()) },
        Saved::Changed(view) => SavedKey { view, api_key: None },
    })
}

/// The id of the path into an input; another one in the body is refused.
pub(super) fn pinned<I: PartialEq>(path: I, body: Option<I>) -> Result<Option<I>, AdminFault> {
    match body {
        Some(body) if body != path => Err(AdminFault::invalid("id", "differs from the id in the path")),
        _ => Ok(Some(path)),
    }
}

/// All of them.
pub(super) fn routes() -> impl Iterator<Item = Route> {
    let people = users().into_iter().chain(user_keys()).chain(user_permissions());
    let upstream = all_providers().into_iter().chain(provider_credentials()).chain(provider_models());
    people.chain(upstream).chain(instance()).chain(left_behind())
}

fn users() -> Vec<Route> {
    vec![
        Route::public("/login", "Log in: a fresh key that expires after 12 hours", |call| Box::pin(log_in(call))),
        get("/admin/users", "All users, with their permissions", |admin, _| Box::pin(async move { json(&users::list(admin).await?) })),
        post("/admin/users", "Make or change a user", |admin, call| {
            Box::pin(async move { json(&users::save(admin, call.input()?).await?) })
        }),
        get("/admin/users/{id}", "One user", |admin, call| {
            Box::pin(async move { json(&users::get(admin, UserId(call.number("user")?)).await?) })
        }),
        patch("/admin/users/{id}", "Change a user", |admin, call| Box::pin(patch_user(admin, call))),
        delete("/admin/users/{id}", "Forget a user, its keys and its permissions", |admin, call| {
            Box::pin(async move { Ok(done(users::delete(admin, UserId(call.number("user")?)).await?)) })
        }),
    ]
}

fn user_keys() -> Vec<Route> {
    vec![
        get("/admin/users/{id}/keys", "A user's keys", |admin, call| {
            Box::pin(async move { json(&keys::list(admin, Some(UserId(call.number("user")?))).await?) })
        }),
        post("/admin/users/{id}/keys", "Make a key, or change one", |admin, call| {
            Box::pin(async move { saved_key(keys::save(admin, Some(UserId(call.number("user")?)), call.input()?).await?) })
        }),
        get("/admin/user-keys", "Everybody's keys", |admin, _| Box::pin(async move { json(&keys::list(admin, None).await?) })),
        get("/admin/user-keys/{id}", "One key", |admin, call| {
            Box::pin(async move { json(&keys::get(admin, KeyId(call.number("key")?)).await?) })
        }),
        patch("/admin/user-keys/{id}", "Change a key", |admin, call| Box::pin(patch_key(admin, call))),
        delete("/admin/user-keys/{id}", "Forget a key", |admin, call| {
            Box::pin(async move { Ok(done(keys::delete(admin, KeyId(call.number("key")?)).await?)) })
        }),
    ]
}

fn user_permissions() -> Vec<Route> {
    vec![
        get("/admin/users/{id}/permissions", "A user's permissions", |admin, call| {
            Box::pin(async move { json(&permissions::list(admin, UserId(call.number("user")?)).await?) })
        }),
        post("/admin/users/{id}/permissions", "Let a user use what fits a pattern", |admin, call| {
            Box::pin(async move { json(&permissions::save(admin, UserId(call.number("user")?), call.input()?).await?) })
        }),
        delete("/admin/permissions/{id}", "Take a permission back", |admin, call| {
            Box::pin(async move { Ok(done(permissions::delete(admin, PermissionId(call.number("permission")?)).await?)) })
        }),
    ]
}

fn all_providers() -> Vec<Route> {
    vec![
        get("/admin/channels", "Which channels there are", |admin, _| Box::pin(async move { json(&channels::list(admin)) })),
        get("/admin/providers", "All providers", |admin, _| Box::pin(async move { json(&providers::list(admin).await?) })),
        post("/admin/providers", "Make or change a provider", |admin, call| {
            Box::pin(async move { json(&providers::save(admin, call.input()?).await?) })
        }),
        get("/admin/providers/{id}", "One provider", |admin, call| {
            Box::pin(async move { json(&providers::get(admin, ProviderId(call.number("provider")?)).await?) })
        }),
        patch("/admin/providers/{id}", "Change a provider", |admin, call| Box::pin(patch_provider(admin, call))),
        delete("/admin/providers/{id}", "Forget a provider, its credentials and its models", |admin, call| {
            Box::pin(async move { Ok(done(providers::delete(admin, ProviderId(call.number("provider")?)).await?)) })
        }),
    ]
}

fn provider_credentials() -> Vec<Route> {
    vec![
        get("/admin/providers/{id}/credentials", "A provider's credentials, without their secrets", |admin, call| {
            Box::pin(async move { json(&credentials::list(admin, Some(ProviderId(call.number("provider")?))).await?) })
        }),
        post("/admin/providers/{id}/credentials", "Make or change a credential", |admin, call| {
            Box::pin(async move { json(&credentials::save(admin, Some(ProviderId(call.number("provider")?)), call.input()?).await?) })
        }),
        get("/admin/credentials/{id}", "One credential", |admin, call| {
            Box::pin(async move { json(&credentials::get(admin, CredentialId(call.number("credential")?)).await?) })
        }),
        patch("/admin/credentials/{id}", "Change a credential", |admin, call| Box::pin(patch_credential(admin, call))),
        delete("/admin/credentials/{id}", "Forget a credential", |admin, call| {
            Box::pin(async move { Ok(done(credentials::delete(admin, CredentialId(call.number("credential")?)).await?)) })
        }),
    ]
}

fn provider_models() -> Vec<Route> {
    vec![
        get("/admin/providers/{id}/models", "The models that are listed for a provider", |admin, call| {
            Box::pin(async move { json(&models::list(admin, ProviderId(call.number("provider")?)).await?) })
        }),
        post("/admin/providers/{id}/models", "List a model, or change one", |admin, call| {
            Box::pin(async move { json(&models::save(admin, Some(ProviderId(call.number("provider")?)), call.input()?).await?) })
        }),
        get("/admin/provider-models/{id}", "One model", |admin, call| {
            Box::pin(async move { json(&models::get(admin, ModelId(call.number("model")?)).await?) })
        }),
        patch("/admin/provider-models/{id}", "Change a model", |admin, call| Box::pin(patch_model(admin, call))),
        delete("/admin/provider-models/{id}", "Forget a model", |admin, call| {
            Box::pin(async move { Ok(done(models::delete(admin, ModelId(call.number("model")?)).await?)) })
        }),
    ]
}

fn instance() -> Vec<Route> {
    vec![
        get("/admin/health", "Who is resting or dead, why, and until when", |admin, _| Box::pin(async move { json(&health::list(admin)) })),
        ask("/admin/health/history", "How health changed, newest first", |admin, call| Box::pin(list_health(admin, call))),
        ask("/admin/doctor/cache", "What each session lost of its provider's prompt cache, the worst first", |admin, call| {
            Box::pin(async move { show_doctor(admin, call) })
        }),
        post("/admin/health/reset", "Forget the health of a credential, of a provider, or of everybody", |admin, call| {
            Box::pin(async move { json(&health::reset(admin, call.input()?).await?) })
        }),
        get("/admin/settings", "What applies to the whole instance", |admin, _| {
            Box::pin(async move { json(&settings::get(admin).await?) })
        }),
        post("/admin/settings", "Change what applies to the whole instance", |admin, call| {
            Box::pin(async move { json(&settings::save(admin, call.input()?).await?) })
        }),
        get("/admin/faults", "What of the configuration does not work, and why", |admin, _| {
            Box::pin(async move { json(&admin.control().faults()) })
        }),
    ]
}

fn left_behind() -> Vec<Route> {
    vec![
        ask("/admin/usage", "Usage rows, newest first", |admin, call| {
            Box::pin(async move { json(&usage::list(admin, call.question()?).await?) })
        }),
        ask("/admin/usage/export", "Usage rows as CSV, up to 50,000", |admin, call| {
            Box::pin(async move { Ok(csv(usage::export(admin, call.question()?).await?)) })
        }),
        ask("/admin/usage/summary", "The sums of usage rows", |admin, call| {
            Box::pin(async move { json(&usage::summary(admin, call.question()?).await?) })
        }),
        ask("/admin/audit", "What was done in the control plane, newest first", |admin, call| Box::pin(list_audit(admin, call))),
        ask("/admin/requests", "Request records, where they are kept, newest first", |admin, call| Box::pin(list_requests(admin, call))),
        get("/admin/requests/{id}", "One request, with its attempts", |admin, call| {
            Box::pin(async move {
                let id = RequestId::parse(call.id).ok_or_else(|| AdminFault::missing("request", call.id))?;
                json(&requests::get(admin, id).await?)
            })
        })
        .keyed::<RequestId>(),
    ]
}

/// A login that went well.
#[derive(Serialize, JsonSchema)]
pub(super) struct LoginView {
    /// Who it is.
    user_id: UserId,
    /// The name.
    name: String,
    /// Whether the whole admin API is open.
    is_admin: bool,
    /// A fresh key, whole.
    api_key: String,
    /// Always: an older key is never given out.
    generated: bool,
    /// The key's id.
    key_id: KeyId,
    /// When it stops working, Unix milliseconds.
    expires_at: Option<i64>,
}

impl LoginView {
    pub(super) fn of(session: login::Session) -> Self {
        Self {
            user_id: session.user_id,
            name: session.name,
            is_admin: session.is_admin,
            api_key: session.key.key.expose().to_owned(),
            generated: true,
            key_id: session.key.view.id,
            expires_at: session.key.view.expires_at,
        }
    }
}

async fn log_in(call: Call<'_, Body<login::LoginInput>>) -> Answer<Json<LoginView>> {
    json(&LoginView::of(login::login(call.control, call.input()?, call.peer).await?))
}

async fn patch_user(admin: Admin<'_>, call: Call<'_, Body<users::UserInput>>) -> Answer<Json<users::UserView>> {
    let mut input = call.input()?;
    input.id = pinned(UserId(call.number("user")?), input.id)?;
    json(&users::save(admin, input).await?)
}

async fn patch_key(admin: Admin<'_>, call: Call<'_, Body<keys::KeyInput>>) -> Answer<Json<SavedKey>> {
    let mut input = call.input()?;
    input.id = pinned(KeyId(call.number("key")?), input.id)?;
    saved_key(keys::save(admin, None, input).await?)
}

async fn patch_provider(admin: Admin<'_>, call: Call<'_, Body<providers::ProviderInput>>) -> Answer<Json<providers::ProviderView>> {
    let mut input = call.input()?;
    input.id = pinned(ProviderId(call.number("provider")?), input.id)?;
    json(&providers::save(admin, input).await?)
}

async fn patch_credential(
    admin: Admin<'_>,
    call: Call<'_, Body<credentials::CredentialInput>>,
) -> Answer<Json<credentials::CredentialView>> {
    let mut input = call.input()?;
    input.id = pinned(CredentialId(call.number("credential")?), input.id)?;
    json(&credentials::save(admin, None, input).await?)
}

async fn patch_model(admin: Admin<'_>, call: Call<'_, Body<models::ModelInput>>) -> Answer<Json<models::ModelView>> {
    let mut input = call.input()?;
    input.id = pinned(ModelId(call.number("model")?), input.id)?;
    json(&models::save(admin, None, input).await?)
}

async fn list_audit(admin: Admin<'_>, call: Call<'_, Query<AuditPage>>) -> Answer<Json<Vec<audit::AuditView>>> {
    json(&audit::list(admin, call.question()?.into()).await?)
}

fn show_doctor(admin: Admin<'_>, call: Call<'_, Query<DoctorPage>>) -> Answer<Json<doctor::ReportView>> {
    json(&doctor::list(admin, call.question()?.into())?)
}

async fn list_health(admin: Admin<'_>, call: Call<'_, Query<HealthPage>>) -> Answer<Json<Vec<health::HealthEventView>>> {
    json(&health::history(admin, call.question()?.into()).await?)
}

async fn list_requests(admin: Admin<'_>, call: Call<'_, Query<PageQuery>>) -> Answer<Json<Vec<requests::RequestView>>> {
    let PageQuery { before, limit } = call.question()?;
    json(&requests::list(admin, before, limit).await?)
}
