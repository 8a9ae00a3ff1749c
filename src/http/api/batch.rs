//! The routes that do the same with many rows of one noun.

use super::{
    answer::json,
    route::{Route, admin::post},
};
use crate::{
    admin::batch,
    store::record::{
        NewAlias, NewCredential, NewKey, NewModel, NewOrganization, NewPermission, NewPriceRule, NewProvider, NewProviderRuleSet, NewQuota,
        NewRateLimit, NewRoute, NewRouteMember, NewRule, NewRuleSet, NewTeam, NewUser, Record,
    },
};

/// All of them, each under the name that its noun has elsewhere, by which its area is found.
pub(super) fn routes() -> [Route; 17] {
    [
        many::<NewUser>("/admin/batch/users"),
        many::<NewKey>("/admin/batch/user-keys"),
        many::<NewOrganization>("/admin/batch/orgs"),
        many::<NewTeam>("/admin/batch/teams"),
        many::<NewPermission>("/admin/batch/route-permissions"),
        many::<NewRateLimit>("/admin/batch/rate-limits"),
        many::<NewQuota>("/admin/batch/quotas"),
        many::<NewPriceRule>("/admin/batch/price-rules"),
        many::<NewProvider>("/admin/batch/providers"),
        many::<NewCredential>("/admin/batch/credentials"),
        many::<NewModel>("/admin/batch/provider-models"),
        many::<NewRoute>("/admin/batch/routes"),
        many::<NewRouteMember>("/admin/batch/route-members"),
        many::<NewAlias>("/admin/batch/aliases"),
        many::<NewRuleSet>("/admin/batch/rule-sets"),
        many::<NewRule>("/admin/batch/rules"),
        many::<NewProviderRuleSet>("/admin/batch/provider-rule-sets"),
    ]
}

fn many<N: Record>(path: &'static str) -> Route {
    let summary = format!("Switch on, switch off or forget many {} rows: all or none", N::NOUN.name().replace('_', " "));
    post(path, summary, |admin, call| Box::pin(async move { json(&batch::run::<N>(admin, call.input()?).await?) }))
}
