//! The administrators' routes of nouns whose rows are shown as they rest.

use super::{
    answer::{done, json},
    query::ScopeQuery,
    route::{
        Route,
        admin::{ask, delete, get, patch, post},
    },
};
use crate::{
    admin::plain::{self, Plain},
    store::record::{
        NewAlias, NewOrganization, NewPermission, NewPriceRule, NewProvider, NewProviderRuleSet, NewQuota, NewRateLimit, NewRoute,
        NewRouteMember, NewRule, NewRuleSet, NewTeam, Record,
    },
};

/// All of them.
pub(super) fn routes() -> impl Iterator<Item = Route> {
    let who_may = organizations().into_iter().chain(noun::<NewTeam>("/admin/teams", "/admin/teams/{id}"));
    let how_much = [
        scoped::<NewPermission>("/admin/route-permissions", "/admin/route-permissions/{id}"),
        scoped::<NewRateLimit>("/admin/rate-limits", "/admin/rate-limits/{id}"),
        scoped::<NewQuota>("/admin/quotas", "/admin/quotas/{id}"),
        noun::<NewPriceRule>("/admin/price-rules", "/admin/price-rules/{id}"),
    ];
    let names = [
        noun::<NewRoute>("/admin/routes", "/admin/routes/{id}"),
        noun::<NewRouteMember>("/admin/route-members", "/admin/route-members/{id}"),
        noun::<NewAlias>("/admin/aliases", "/admin/aliases/{id}"),
        noun::<NewRuleSet>("/admin/rule-sets", "/admin/rule-sets/{id}"),
    ];
    let children = child::<NewRule>("/admin/rules/{id}").into_iter().chain(child::<NewProviderRuleSet>("/admin/provider-rule-sets/{id}"));
    let nested = [
        nested::<NewOrganization, NewTeam>("/admin/orgs/{id}/teams"),
        nested::<NewRoute, NewRouteMember>("/admin/routes/{id}/members"),
        nested::<NewRuleSet, NewRule>("/admin/rule-sets/{id}/rules"),
        nested::<NewProvider, NewProviderRuleSet>("/admin/providers/{id}/rule-sets"),
    ];
    who_may.chain(how_much.into_iter().flatten()).chain(names.into_iter().flatten()).chain(children).chain(nested.into_iter().flatten())
}

/// What a summary calls a row of a noun.
fn word<N: Record>() -> String {
    N::NOUN.name().replace('_', " ")
}

/// An organization goes only when nobody is in it.
fn organizations() -> Vec<Route> {
    let (collection, item) = ("/admin/orgs", "/admin/orgs/{id}");
    let deleted = delete(item, "Forget one organization, its teams and limits", |admin, call| {
        Box::pin(async move { Ok(done(plain::delete_organization(admin, call.number("organization")?).await?)) })
    });
    vec![
        all::<NewOrganization>(collection),
        made::<NewOrganization>(collection),
        one::<NewOrganization>(item),
        changed::<NewOrganization>(item),
        deleted,
    ]
}

fn noun<N: Plain>(collection: &'static str, item: &'static str) -> [Route; 5] {
    [all::<N>(collection), made::<N>(collection), one::<N>(item), changed::<N>(item), deleted::<N>(item)]
}

/// One whose rows are somebody's.
fn scoped<N: Plain>(collection: &'static str, item: &'static str) -> [Route; 5] {
    let all = ask(collection, format!("Every {}, or those of one scope", word::<N>()), |admin, call| {
        Box::pin(async move {
            let ScopeQuery { scope, scope_id } = call.question()?;
            json(&plain::list::<N>(admin, move |row| plain::is_of(row, scope, scope_id)).await?)
        })
    });
    [all, made::<N>(collection), one::<N>(item), changed::<N>(item), deleted::<N>(item)]
}

/// One that hangs on another: it is listed and made there.
fn child<N: Plain>(item: &'static str) -> [Route; 3] {
    [one::<N>(item), changed::<N>(item), deleted::<N>(item)]
}

/// The rows of one noun that hang on a row of another.
fn nested<P: Record, N: Plain>(path: &'static str) -> [Route; 2] {
    let (child, parent) = (word::<N>(), word::<P>());
    [
        get(path, format!("Every {child} of one {parent}"), |admin, call| {
            Box::pin(async move { json(&plain::list_below::<P, N>(admin, call.number(P::NOUN.name())?).await?) })
        }),
        post(path, format!("Make or change one {child} of one {parent}"), |admin, call| {
            Box::pin(async move { json(&plain::save_below::<P, N>(admin, call.number(P::NOUN.name())?, call.input()?).await?) })
        }),
    ]
}

fn all<N: Plain>(collection: &'static str) -> Route {
    get(collection, format!("Every {}", word::<N>()), |admin, _| Box::pin(async move { json(&plain::list::<N>(admin, |_| true).await?) }))
}

fn made<N: Plain>(collection: &'static str) -> Route {
    post(collection, format!("Make or change one {}", word::<N>()), |admin, call| {
        Box::pin(async move { json(&plain::save::<N>(admin, None, call.input()?).await?) })
    })
}

fn one<N: Plain>(item: &'static str) -> Route {
    get(item, format!("One {}", word::<N>()), |admin, call| {
        Box::pin(async move { json(&plain::get::<N>(admin, call.number(N::NOUN.name())?).await?) })
    })
}

fn changed<N: Plain>(item: &'static str) -> Route {
    patch(item, format!("Change one {}", word::<N>()), |admin, call| {
        Box::pin(async move { json(&plain::save::<N>(admin, Some(call.number(N::NOUN.name())?), call.input()?).await?) })
    })
}

fn deleted<N: Plain>(item: &'static str) -> Route {
    delete(item, format!("Forget one {}", word::<N>()), |admin, call| {
        Box::pin(async move { Ok(done(plain::delete::<N>(admin, call.number(N::NOUN.name())?).await?)) })
    })
}
