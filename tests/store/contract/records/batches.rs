//! Batches of changes: all or none, rows that name rows of the same batch, what hangs on what, and what changed since.

use gproxy::store::{
    persist::{Records, RecordsExt, StoreFault},
    record::{
        Admission, Change, ConfigRows, NewAlias, NewKey, NewOrganization, NewPermission, NewPriceRule, NewProvider, NewProviderRuleSet,
        NewQuota, NewRateLimit, NewRoute, NewRouteMember, NewRule, NewRuleSet, NewTeam, NewUser, Noun, PriceMatch, Role, Row, ScopeKind,
        Stamp, Strategy, Tabled as _, made_by,
    },
};

pub(super) async fn uphold(store: &impl Records) {
    let before = store.load().await.unwrap();
    a_batch_is_whole_or_nothing(store, &before).await;
    every_noun_is_read_back(store).await;
    what_changed_leads_to_what_stands(store).await;
    a_scope_takes_its_allowances_along(store).await;
    a_team_leaves_its_users_behind(store).await;
    let organizations = store.load().await.unwrap().organizations;
    for organization in &organizations {
        store.delete::<NewOrganization>(organization.id).await.unwrap();
    }
    let after = store.load().await.unwrap();
    assert_eq!(ConfigRows { revision: 0, ..after }, ConfigRows { revision: 0, ..before });
}

/// One row of every noun, each naming the ones before it.
fn everything() -> Vec<Row> {
    let id = made_by;
    vec![
        NewOrganization { name: "acme".into(), description: Some("a tenant".into()), enabled: true }.into_row(),
        NewTeam { organization_id: id(0).into(), name: "blue".into(), enabled: true }.into_row(),
        NewUser { organization_id: Some(id(0).into()), team_id: Some(id(1).into()), role: Role::Billing, ..NewUser::named("eve") }
            .into_row(),
        NewKey { allowed_ips: Some("10.0.0.0/8,::1".into()), ..NewKey::of(id(2).into(), "d-eve", "sk-eve") }.into_row(),
        NewProvider { label: Some("Open".into()), credential_strategy: Some("sticky".into()), ..NewProvider::of("third", "openai") }
            .into_row(),
        super::credential(id(4).into()).into_row(),
        super::model(id(4).into(), "gpt-6").into_row(),
        NewRoute {
            namespace: String::new(),
            name: "fast".into(),
            strategy: Strategy::LeastLatency,
            description: None,
            settings_json: Some("{}".into()),
            enabled: true,
        }
        .into_row(),
        NewRouteMember {
            route_id: id(7).into(),
            provider_id: id(4).into(),
            upstream_model: "gpt-6".into(),
            weight: 3,
            tier: 1,
            enabled: true,
        }
        .into_row(),
        NewAlias { provider: "*".into(), alias: "gpt-(.*)".into(), target: "third/gpt-$1".into(), sort_order: -1, enabled: false }
            .into_row(),
        NewRuleSet { name: "polite".into(), description: None, enabled: true }.into_row(),
        NewRule {
            rule_set_id: id(10).into(),
            kind: "system_text".into(),
            config_json: "{\"text\":\"please\"}".into(),
            filter_model_pattern: Some("gpt-*".into()),
            filter_operation_keys: None,
            filter_header_pattern: None,
            sort_order: 5,
            enabled: true,
        }
        .into_row(),
        NewProviderRuleSet { provider_id: id(4).into(), rule_set_id: id(10).into(), sort_order: 1, enabled: true }.into_row(),
        NewPermission { scope: ScopeKind::Team, scope_id: id(1), pattern: "third/*".into(), operation_group: "embeddings".into() }
            .into_row(),
        NewRateLimit {
            scope: ScopeKind::Key,
            scope_id: id(3),
            pattern: "*".into(),
            requests_per_minute: Some(5),
            requests_per_day: None,
            tokens_per_minute: None,
            tokens_per_day: Some(9),
            concurrency: Some(1),
        }
        .into_row(),
        NewQuota {
            scope: ScopeKind::Organization,
            scope_id: id(0),
            total: Some(i64::MAX),
            daily: None,
            weekly: None,
            monthly: Some(1),
            rolling_5h: None,
            rolling_7d: None,
            admission: Admission::Estimate,
        }
        .into_row(),
        NewPriceRule {
            provider_id: Some(id(4).into()),
            match_kind: PriceMatch::Glob,
            pattern: "gpt-*".into(),
            rates_json: "{}".into(),
            enabled: true,
        }
        .into_row(),
    ]
}

fn make_all() -> Vec<Change> {
    everything().into_iter().map(Change::Make).collect()
}

async fn a_batch_is_whole_or_nothing(store: &impl Records, before: &ConfigRows) {
    let mut changes = make_all();
    changes.push(Change::Make(super::user("eve").into_row()));
    let fault = store.apply(changes).await.unwrap_err();
    assert!(matches!(&fault, StoreFault::Taken { what: "user", value } if value == "eve"), "{fault}");
    let mut changes = make_all();
    changes.push(Change::Make(super::credential(made_by(99).into()).into_row()));
    let fault = store.apply(changes).await.unwrap_err();
    assert!(matches!(fault, StoreFault::Missing { .. }), "{fault}");
    assert_eq!(&store.load().await.unwrap(), before);
}

async fn every_noun_is_read_back(store: &impl Records) {
    let rows = everything();
    assert_eq!(rows.iter().map(Row::noun).collect::<Vec<_>>(), Noun::ALL, "the list above lacks a noun");
    let stamps = store.apply(make_all()).await.unwrap();
    let kept = store.load().await.unwrap();
    let id = |place: usize| stamps[place].id;
    let user = kept.users.get(id(2).into()).unwrap();
    assert_eq!(
        user.row,
        NewUser { organization_id: Some(id(0).into()), team_id: Some(id(1).into()), role: Role::Billing, ..NewUser::named("eve") }
    );
    let quota = kept.quotas.get(id(15).into()).unwrap();
    assert_eq!((quota.scope, quota.scope_id, quota.total, quota.monthly), (ScopeKind::Organization, id(0), Some(i64::MAX), Some(1)));
    assert_eq!((quota.daily, quota.admission), (None, Admission::Estimate));
    let member = kept.route_members.get(id(8).into()).unwrap();
    assert_eq!((member.route_id.0, member.provider_id.0, member.weight, member.tier), (id(7), id(4), 3, 1));
    assert_eq!(kept.routes.get(id(7).into()).unwrap().strategy, Strategy::LeastLatency);
    assert_eq!(kept.price_rules.get(id(16).into()).unwrap().provider_id, Some(id(4).into()));
    assert_eq!(kept.rules.get(id(11).into()).unwrap().sort_order, 5);
    assert_eq!(kept.keys.get(id(3).into()).unwrap().allowed_ips.as_deref(), Some("10.0.0.0/8,::1"));
    let again: Vec<Stamp> = store.apply(vec![Change::Ensure(everything().swap_remove(10))]).await.unwrap();
    assert_eq!(again[0].id, id(10), "the one that stands");
}

async fn what_changed_leads_to_what_stands(store: &impl Records) {
    let mut seen = store.load().await.unwrap();
    assert_eq!(store.since(seen.revision).await.unwrap().map(|delta| (delta.rows.revision, delta.gone)), Some((seen.revision, Vec::new())));
    let provider = store.load().await.unwrap().providers.iter().last().unwrap().clone();
    let made = store.save(None, NewProvider::of("fourth", "openai")).await.unwrap();
    store.save(Some(made.id), NewProvider { enabled: false, ..made.row.clone() }).await.unwrap();
    store.delete::<NewProvider>(provider.id).await.unwrap();
    store.delete::<NewProvider>(made.id).await.unwrap();
    store.save(None, super::user("fay")).await.unwrap();
    let delta = store.since(seen.revision).await.unwrap().unwrap();
    let mut touched = delta.gone.clone();
    touched.sort_unstable();
    assert!(touched.contains(&(Noun::Provider, provider.id.0)) && touched.contains(&(Noun::Provider, made.id.0)), "{touched:?}");
    assert!(touched.iter().any(|(noun, _)| *noun == Noun::RouteMember), "what hung on it: {touched:?}");
    seen.apply(&delta);
    let standing = store.load().await.unwrap();
    assert_eq!(seen, standing);
    assert_eq!(store.revision().await.unwrap(), standing.revision);
    let fay = standing.users.iter().find(|user| user.name == "fay").unwrap().id;
    store.delete::<NewUser>(fay).await.unwrap();
}

async fn a_scope_takes_its_allowances_along(store: &impl Records) {
    let rows = store.load().await.unwrap();
    let key = rows.keys.iter().find(|key| key.prefix == "sk-eve").unwrap();
    assert!(rows.rate_limits.iter().any(|limit| limit.scope_id == key.id.0));
    store.delete::<NewKey>(key.id).await.unwrap();
    assert!(store.load().await.unwrap().rate_limits.is_empty());
}

async fn a_team_leaves_its_users_behind(store: &impl Records) {
    let rows = store.load().await.unwrap();
    let team = rows.teams.iter().next().unwrap();
    store.delete::<NewTeam>(team.id).await.unwrap();
    let rows = store.load().await.unwrap();
    let eve = rows.users.iter().find(|user| user.name == "eve").unwrap();
    assert_eq!((eve.team_id, eve.organization_id.is_some()), (None, true));
    assert!(rows.permissions.iter().all(|row| row.scope != ScopeKind::Team));
    for route in &rows.routes {
        store.delete::<NewRoute>(route.id).await.unwrap();
    }
    for alias in &rows.aliases {
        store.delete::<NewAlias>(alias.id).await.unwrap();
    }
    for set in &rows.rule_sets {
        store.delete::<NewRuleSet>(set.id).await.unwrap();
    }
}
