//! Routes on what is the caller's own.

use http::Method;

use super::{
    answer::{Answer, csv, done, json},
    manage::{pinned, saved_key},
    query,
    route::{Call, Route},
};
use crate::{
    admin::{Member, keys, plain, usage, users},
    base::KeyId,
    store::record::{NewPermission, NewQuota, NewRateLimit},
};

pub(super) static ROUTES: &[Route] = &[
    Route::member(Method::GET, "/user/me", |member, _| Box::pin(async move { json(&users::me(member).await?) })),
    Route::member(Method::GET, "/user/keys", |member, _| Box::pin(async move { json(&keys::own(member).await?) })),
    Route::member(Method::POST, "/user/keys", |member, call| {
        Box::pin(async move { saved_key(&keys::save_own(member, call.input()?).await?) })
    }),
    Route::member(Method::PATCH, "/user/keys/{id}", |member, call| Box::pin(patch_key(member, call))),
    Route::member(Method::DELETE, "/user/keys/{id}", |member, call| {
        Box::pin(async move { Ok(done(keys::delete_own(member, KeyId(call.number("key")?)).await?)) })
    }),
    Route::member(Method::GET, "/user/permissions", |member, _| Box::pin(async move { json(&plain::own::<NewPermission>(member)?) })),
    Route::member(Method::GET, "/user/route-permissions", |member, _| Box::pin(async move { json(&plain::own::<NewPermission>(member)?) })),
    Route::member(Method::GET, "/user/rate-limits", |member, _| Box::pin(async move { json(&plain::own::<NewRateLimit>(member)?) })),
    Route::member(Method::GET, "/user/quota", |member, _| Box::pin(async move { json(&plain::own::<NewQuota>(member)?) })),
    Route::member(Method::GET, "/user/usage", |member, call| {
        Box::pin(async move { json(&usage::own(member, query::usage(call.query)?).await?) })
    }),
    Route::member(Method::GET, "/user/usage/export", |member, call| {
        Box::pin(async move { Ok(csv(usage::own_export(member, query::usage(call.query)?).await?)) })
    }),
    Route::member(Method::GET, "/user/usage/summary", |member, call| {
        Box::pin(async move { json(&usage::own_summary(member, query::usage(call.query)?.filter).await?) })
    }),
];

async fn patch_key(member: Member<'_>, call: Call<'_>) -> Answer {
    let mut input: keys::KeyInput = call.input()?;
    input.id = pinned(KeyId(call.number("key")?), input.id)?;
    saved_key(&keys::save_own(member, input).await?)
}
