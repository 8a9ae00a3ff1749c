//! The administrators' routes of nouns whose rows are shown as they rest.

use http::Method;
use serde_json::{Map, Value};

use super::{
    answer::{Answer, done, json},
    query,
    route::{Call, Route},
};
use crate::{
    admin::{
        Admin,
        plain::{self, Plain},
    },
    store::record::{
        NewAlias, NewOrganization, NewPermission, NewPriceRule, NewProvider, NewProviderRuleSet, NewQuota, NewRateLimit, NewRoute,
        NewRouteMember, NewRule, NewRuleSet, NewTeam, Record,
    },
};

const GET: Method = Method::GET;
const POST: Method = Method::POST;
const PATCH: Method = Method::PATCH;
const DELETE: Method = Method::DELETE;

/// The routes of one noun: its list is given, all else is the same.
macro_rules! noun {
    ($record:ty, $collection:literal, $item:literal, $what:literal, list $list:expr, delete $delete:expr) => {
        [
            Route::admin(GET, $collection, |admin, call| Box::pin(async move { $list(admin, call).await })),
            Route::admin(POST, $collection, |admin, call| Box::pin(async move { save::<$record>(admin, call, None).await })),
            Route::admin(GET, $item, |admin, call| {
                Box::pin(async move { json(&plain::get::<$record>(admin, call.number($what)?).await?) })
            }),
            Route::admin(PATCH, $item, |admin, call| {
                Box::pin(async move { save::<$record>(admin, call, Some(call.number($what)?)).await })
            }),
            Route::admin(DELETE, $item, |admin, call| Box::pin(async move { Ok(done($delete(admin, call.number($what)?).await?)) })),
        ]
    };
}

/// The routes of the rows of one noun that hang on a row of another.
macro_rules! nested {
    ($child:ty, $parent:ty, $path:literal, $what:literal, $column:literal) => {
        [
            Route::admin(GET, $path, |admin, call| {
                Box::pin(async move { below::<$parent, $child>(admin, call.number($what)?, $column).await })
            }),
            Route::admin(POST, $path, |admin, call| {
                Box::pin(async move { save_below::<$child>(admin, call, ($column, call.number($what)?)).await })
            }),
        ]
    };
}

/// One that hangs on another: it is listed and made there.
macro_rules! child {
    ($record:ty, $item:literal, $what:literal) => {
        [
            Route::admin(GET, $item, |admin, call| {
                Box::pin(async move { json(&plain::get::<$record>(admin, call.number($what)?).await?) })
            }),
            Route::admin(PATCH, $item, |admin, call| {
                Box::pin(async move { save::<$record>(admin, call, Some(call.number($what)?)).await })
            }),
            Route::admin(DELETE, $item, |admin, call| {
                Box::pin(async move { Ok(done(plain::delete::<$record>(admin, call.number($what)?).await?)) })
            }),
        ]
    };
}

async fn save<N: Plain>(admin: Admin<'_>, call: Call<'_>, id: Option<i64>) -> Answer {
    let input: Map<String, Value> = call.input()?;
    json(&plain::save::<N>(admin, id, input, &[]).await?)
}

async fn all<N: Plain>(admin: Admin<'_>, call: Call<'_>) -> Answer {
    query::none(call.query)?;
    json(&plain::list::<N>(admin, |_| true).await?)
}

async fn scoped<N: Plain>(admin: Admin<'_>, call: Call<'_>) -> Answer {
    let (kind, id) = query::scope(call.query)?;
    json(&plain::list::<N>(admin, move |row| plain::is_of(row, kind, id)).await?)
}

async fn below<P: Record, N: Plain>(admin: Admin<'_>, parent: i64, column: &'static str) -> Answer {
    plain::stands::<P>(admin, parent).await?;
    json(&plain::list::<N>(admin, move |row| plain::link(row, column) == Some(parent)).await?)
}

async fn save_below<N: Plain>(admin: Admin<'_>, call: Call<'_>, given: (&'static str, i64)) -> Answer {
    json(&plain::save::<N>(admin, None, call.input()?, &[given]).await?)
}

static ORGANIZATIONS: [Route; 5] = noun!(
    NewOrganization, "/admin/orgs", "/admin/orgs/{id}", "organization", list all::<NewOrganization>, delete plain::delete_organization
);
static TEAMS: [Route; 5] =
    noun!(NewTeam, "/admin/teams", "/admin/teams/{id}", "team", list all::<NewTeam>, delete plain::delete::<NewTeam>);
static PERMISSIONS: [Route; 5] = noun!(
    NewPermission, "/admin/route-permissions", "/admin/route-permissions/{id}", "permission", list scoped::<NewPermission>,
    delete plain::delete::<NewPermission>
);
static LIMITS: [Route; 5] = noun!(
    NewRateLimit, "/admin/rate-limits", "/admin/rate-limits/{id}", "rate_limit", list scoped::<NewRateLimit>,
    delete plain::delete::<NewRateLimit>
);
static QUOTAS: [Route; 5] =
    noun!(NewQuota, "/admin/quotas", "/admin/quotas/{id}", "quota", list scoped::<NewQuota>, delete plain::delete::<NewQuota>);
static PRICES: [Route; 5] = noun!(
    NewPriceRule, "/admin/price-rules", "/admin/price-rules/{id}", "price_rule", list all::<NewPriceRule>,
    delete plain::delete::<NewPriceRule>
);
static ROUTES: [Route; 5] =
    noun!(NewRoute, "/admin/routes", "/admin/routes/{id}", "route", list all::<NewRoute>, delete plain::delete::<NewRoute>);
static ALIASES: [Route; 5] =
    noun!(NewAlias, "/admin/aliases", "/admin/aliases/{id}", "alias", list all::<NewAlias>, delete plain::delete::<NewAlias>);
static RULE_SETS: [Route; 5] =
    noun!(NewRuleSet, "/admin/rule-sets", "/admin/rule-sets/{id}", "rule_set", list all::<NewRuleSet>, delete plain::delete::<NewRuleSet>);
static MEMBERS: [Route; 5] = noun!(
    NewRouteMember, "/admin/route-members", "/admin/route-members/{id}", "route_member", list all::<NewRouteMember>,
    delete plain::delete::<NewRouteMember>
);
static RULES: [Route; 3] = child!(NewRule, "/admin/rules/{id}", "rule");
static ATTACHMENTS: [Route; 3] = child!(NewProviderRuleSet, "/admin/provider-rule-sets/{id}", "provider_rule_set");
static TEAMS_OF: [Route; 2] = nested!(NewTeam, NewOrganization, "/admin/orgs/{id}/teams", "organization", "organization_id");
static MEMBERS_OF: [Route; 2] = nested!(NewRouteMember, NewRoute, "/admin/routes/{id}/members", "route", "route_id");
static RULES_OF: [Route; 2] = nested!(NewRule, NewRuleSet, "/admin/rule-sets/{id}/rules", "rule_set", "rule_set_id");
static SETS_OF: [Route; 2] = nested!(NewProviderRuleSet, NewProvider, "/admin/providers/{id}/rule-sets", "provider", "provider_id");

/// All of them.
pub(super) fn routes() -> impl Iterator<Item = &'static Route> {
    let nouns = [&ORGANIZATIONS, &TEAMS, &PERMISSIONS, &LIMITS, &QUOTAS, &PRICES, &ROUTES, &MEMBERS, &ALIASES, &RULE_SETS];
    let children = [&RULES, &ATTACHMENTS];
    let nested = [&TEAMS_OF, &MEMBERS_OF, &RULES_OF, &SETS_OF];
    nouns.into_iter().flatten().chain(children.into_iter().flatten()).chain(nested.into_iter().flatten())
}
