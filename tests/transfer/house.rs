//! Instances to export from and to import into.

use std::sync::Arc;

use gproxy::{
    admin::{Control, Stores},
    app::transfer::{Bundle, extract},
    base::{ProviderId, Secret},
    credentials::Sealer,
    snapshot::secret::seal_api_key,
    store::{
        persist::{AuditLog, HealthBook, Ledger, Records, RecordsExt as _, memory::MemoryStore},
        record::{
            Admission, Change, NewAlias, NewCredential, NewKey, NewModel, NewOrganization, NewPermission, NewPriceRule, NewProvider,
            NewProviderRuleSet, NewQuota, NewRateLimit, NewRoute, NewRouteMember, NewRule, NewRuleSet, NewTeam, NewUser, PriceMatch, Role,
            ScopeKind, SettingsRow, Strategy, Tabled as _, made_by,
        },
    },
    testing::{ManualClock, platform},
};

/// A secret that must stand in no bundle in the open.
pub(crate) const CANARY: &str = "sk-provider-canary";

/// An instance over a store, with a key of its own for secrets at rest.
pub(crate) fn instance<S: Records + Ledger + AuditLog + HealthBook + 'static>(store: Arc<S>, key: &str) -> Control {
    let stores = Stores::of(&store);
    Control::new(stores, Sealer::new(Secret::new(key.to_owned())), platform())
}

/// An instance in memory, whose ids begin after `used` others.
pub(crate) async fn in_memory(key: &str, used: usize) -> Control {
    let control = instance(Arc::new(MemoryStore::new(ManualClock::new())), key);
    for _ in 0..used {
        let made = control.records().save(None, NewProvider::of("gone", "openai")).await.unwrap();
        control.records().delete::<NewProvider>(made.id).await.unwrap();
    }
    control
}

/// What stands in an instance; everything in it can be told.
pub(crate) async fn bundle(control: &Control) -> Bundle {
    let extracted = extract(&control.records().load().await.unwrap(), control.sealer());
    assert_eq!(extracted.notes, Vec::<String>::new());
    extracted.bundle
}

/// The fleet of one tenant: rows of every noun, each naming others; `number` makes it another tenant's.
pub(crate) async fn furnish(control: &Control, number: usize) {
    let provider = made(control, provider(number)).await;
    let id = ProviderId(provider);
    for secret in [CANARY, "sk-second"] {
        // Two credentials that nothing but their order tells apart.
        let sealed = seal_api_key(control.sealer(), id, &Secret::new(format!("{secret}-{number}")), &*control.platform().entropy);
        made(control, NewCredential::of(id, "api_key", sealed).into_row()).await;
    }
    control.records().apply(rows(provider, number).into_iter().map(Change::Make).collect()).await.unwrap();
    let token = control.sealer().seal(gproxy::snapshot::secret::HF_TOKEN, "hf-canary", &*control.platform().entropy);
    let proxy = Some("http://somebody:proxy-canary@proxy.example:3128".to_owned());
    let settings = SettingsRow { proxy, hf_token_sealed: Some(token), enable_upstream_log: true, ..SettingsRow::default() };
    control.records().save_settings(settings).await.unwrap();
}

async fn made(control: &Control, row: gproxy::store::record::Row) -> i64 {
    control.records().apply(vec![Change::Make(row)]).await.unwrap()[0].id
}

fn provider(number: usize) -> gproxy::store::record::Row {
    let settings_json = r#"{"headers":{"x-team":"header-canary"}}"#.to_owned();
    NewProvider { settings_json, label: Some("Ours".into()), ..NewProvider::of(format!("up{number}"), "openai") }.into_row()
}

fn rows(provider: i64, number: usize) -> Vec<gproxy::store::record::Row> {
    let (id, provider) = (made_by, ProviderId(provider));
    vec![
        NewOrganization { name: format!("acme{number}"), description: None, enabled: true }.into_row(),
        NewTeam { organization_id: id(0).into(), name: "blue".into(), enabled: number.is_multiple_of(2) }.into_row(),
        NewUser {
            organization_id: Some(id(0).into()),
            team_id: Some(id(1).into()),
            role: Role::Billing,
            password_hash: Some("$argon2id$hash-canary".into()),
            ..NewUser::named(format!("eve{number}"))
        }
        .into_row(),
        NewKey::of(id(2).into(), format!("digest{number}"), "sk-eve").into_row(),
        NewModel { context_window: Some(128_000), ..NewModel::of(provider, "gpt-6") }.into_row(),
        NewRoute {
            namespace: String::new(),
            name: format!("fast{number}"),
            strategy: Strategy::Weighted,
            description: None,
            settings_json: None,
            enabled: true,
        }
        .into_row(),
        member(id(5), provider, 3),
        member(id(5), provider, 7),
        NewAlias { provider: "*".into(), alias: format!("a{number}"), target: "fast".into(), sort_order: -1, enabled: false }.into_row(),
        NewRuleSet { name: format!("polite{number}"), description: None, enabled: true }.into_row(),
        NewRule {
            rule_set_id: id(9).into(),
            kind: "system_text".into(),
            config_json: r#"{"text":"please"}"#.into(),
            filter_model_pattern: None,
            filter_operation_keys: None,
            filter_header_pattern: None,
            sort_order: 5,
            enabled: true,
        }
        .into_row(),
        NewProviderRuleSet { provider_id: provider, rule_set_id: id(9).into(), sort_order: 1, enabled: true }.into_row(),
        permission(ScopeKind::Key, id(3)),
        permission(ScopeKind::Team, id(1)),
        NewRateLimit {
            scope: ScopeKind::User,
            scope_id: id(2),
            pattern: "*".into(),
            requests_per_minute: Some(5),
            requests_per_day: None,
            tokens_per_minute: None,
            tokens_per_day: None,
            concurrency: None,
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
        price(Some(provider), number),
        price(None, number),
    ]
}

fn member(route: i64, provider_id: ProviderId, weight: i64) -> gproxy::store::record::Row {
    NewRouteMember { route_id: route.into(), provider_id, upstream_model: "gpt-6".into(), weight, tier: 0, enabled: true }.into_row()
}

fn permission(scope: ScopeKind, scope_id: i64) -> gproxy::store::record::Row {
    NewPermission { scope, scope_id, pattern: "*".into(), operation_group: String::new() }.into_row()
}

fn price(provider_id: Option<ProviderId>, number: usize) -> gproxy::store::record::Row {
    let pattern = format!("gpt-{number}-*");
    NewPriceRule { provider_id, match_kind: PriceMatch::Glob, pattern, rates_json: r#"{"input":"1.5"}"#.into(), enabled: true }.into_row()
}
