//! Routes on what is the caller's own.

use super::{
    answer::{Answer, Json, csv, done, json},
    manage::{SavedKey, pinned, saved_key},
    route::{
        Body, Call, Route,
        member::{ask, delete, get, patch, post},
    },
};
use crate::{
    admin::{Member, keys, plain, usage, users},
    base::KeyId,
    store::record::{NewPermission, NewQuota, NewRateLimit},
};

/// All of them.
pub(super) fn routes() -> Vec<Route> {
    vec![
        get("/user/me", "Who I am", |member, _| Box::pin(async move { json(&users::me(member).await?) })),
        get("/user/keys", "My keys", |member, _| Box::pin(async move { json(&keys::own(member).await?) })),
        post("/user/keys", "Make a key of mine, or change one", |member, call| {
            Box::pin(async move { saved_key(keys::save_own(member, call.input()?).await?) })
        }),
        patch("/user/keys/{id}", "Change a key of mine", |member, call| Box::pin(patch_key(member, call))),
        delete("/user/keys/{id}", "Forget a key of mine", |member, call| {
            Box::pin(async move { Ok(done(keys::delete_own(member, KeyId(call.number("key")?)).await?)) })
        }),
        get("/user/permissions", "What counts for this key: its own, mine, my team's, my organization's", |member, _| {
            Box::pin(async move { json(&plain::own::<NewPermission>(member)?) })
        }),
        get("/user/route-permissions", "What counts for this key: its own, mine, my team's, my organization's", |member, _| {
            Box::pin(async move { json(&plain::own::<NewPermission>(member)?) })
        }),
        get("/user/rate-limits", "The limits that count for this key", |member, _| {
            Box::pin(async move { json(&plain::own::<NewRateLimit>(member)?) })
        }),
        get("/user/quota", "The budgets that count for this key", |member, _| {
            Box::pin(async move { json(&plain::own::<NewQuota>(member)?) })
        }),
        ask("/user/usage", "My usage rows, newest first", |member, call| {
            Box::pin(async move { json(&usage::own(member, call.question()?).await?) })
        }),
        ask("/user/usage/export", "My usage rows as CSV, up to 50,000", |member, call| {
            Box::pin(async move { Ok(csv(usage::own_export(member, call.question()?).await?)) })
        }),
        ask("/user/usage/summary", "The sums of my usage rows", |member, call| {
            Box::pin(async move { json(&usage::own_summary(member, call.question()?).await?) })
        }),
    ]
}

async fn patch_key(member: Member<'_>, call: Call<'_, Body<keys::KeyInput>>) -> Answer<Json<SavedKey>> {
    let mut input = call.input()?;
    input.id = pinned(KeyId(call.number("key")?), input.id)?;
    saved_key(keys::save_own(member, input).await?)
}
