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
    store::record::{NewAlias, NewOrganization, NewPermission, NewPriceRule, NewQuota, NewRateLimit, NewRoute, NewRouteMember, NewTeam},
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

async fn teams(admin: Admin<'_>, call: Call<'_>) -> Answer {
    let organization = call.number("organization")?;
    plain::get::<NewOrganization>(admin, organization).await?;
    json(&plain::list::<NewTeam>(admin, move |team| team.organization_id.0 == organization).await?)
}

async fn make_team(admin: Admin<'_>, call: Call<'_>) -> Answer {
    let given = [("organization_id", call.number("organization")?)];
    json(&plain::save::<NewTeam>(admin, None, call.input()?, &given).await?)
}

async fn members(admin: Admin<'_>, call: Call<'_>) -> Answer {
    let route = call.number("route")?;
    plain::get::<NewRoute>(admin, route).await?;
    json(&plain::list::<NewRouteMember>(admin, move |member| member.route_id.0 == route).await?)
}

async fn make_member(admin: Admin<'_>, call: Call<'_>) -> Answer {
    let given = [("route_id", call.number("route")?)];
    json(&plain::save::<NewRouteMember>(admin, None, call.input()?, &given).await?)
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
static MEMBERS: [Route; 5] = noun!(
    NewRouteMember, "/admin/route-members", "/admin/route-members/{id}", "route_member", list all::<NewRouteMember>,
    delete plain::delete::<NewRouteMember>
);
static ALIASES: [Route; 5] =
    noun!(NewAlias, "/admin/aliases", "/admin/aliases/{id}", "alias", list all::<NewAlias>, delete plain::delete::<NewAlias>);
static NESTED: [Route; 4] = [
    Route::admin(GET, "/admin/routes/{id}/members", |admin, call| Box::pin(members(admin, call))),
    Route::admin(POST, "/admin/routes/{id}/members", |admin, call| Box::pin(make_member(admin, call))),
    Route::admin(GET, "/admin/orgs/{id}/teams", |admin, call| Box::pin(teams(admin, call))),
    Route::admin(POST, "/admin/orgs/{id}/teams", |admin, call| Box::pin(make_team(admin, call))),
];

/// All of them.
pub(super) fn routes() -> impl Iterator<Item = &'static Route> {
    let nouns = [&ORGANIZATIONS, &TEAMS, &PERMISSIONS, &LIMITS, &QUOTAS, &PRICES, &ROUTES, &MEMBERS, &ALIASES];
    nouns.into_iter().flatten().chain(&NESTED)
}
