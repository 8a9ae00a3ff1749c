//! As many rows as the file has, less what the report names.

use gproxy::store::record::{ConfigRows, Role, ScopeKind, Strategy};

use crate::house::House;

/// Whether the report says that so many of so many were taken.
fn told(said: &str, what: &str, taken: usize, of: usize) {
    let line = said.lines().find(|line| line.starts_with("read as ")).expect("a report");
    let wanted = format!("{taken} of {of} {what}");
    let parts: Vec<&str> = line.split_once("): ").unwrap().1.split(", ").collect();
    assert!(parts.contains(&wanted.as_str()), "{wanted} is not in {line}");
}

/// The same with the writer's figures; those without an `_all` are all there are.
fn told_as_counted(house: &House, said: &str, what: &str) {
    let taken = house.facts.count(what);
    let all = format!("{what}_all");
    told(said, what, taken, if house.has(&all) { house.facts.count(&all) } else { taken });
}

fn of_users(rows: &ConfigRows, name: &str) -> Role {
    rows.users.iter().find(|user| user.name == name).unwrap().role
}

#[tokio::test]
async fn one_api_is_taken_to_its_last_row() {
    shop("one-api").await;
}

#[tokio::test]
async fn new_api_is_taken_to_its_last_row() {
    shop("new-api").await;
}

async fn shop(format: &str) {
    let house = House::of(format);
    let said = house.move_in();
    let (rows, facts) = (house.rows().await, &house.facts);
    assert!(said.contains(&format!("read as {format} (")), "{said}");
    for what in ["channels", "users", "tokens", "abilities", "prices", "options"] {
        told_as_counted(&house, &said, what);
    }
    told(&said, "keys of channels", facts.count("credentials"), facts.count("credentials"));
    told(&said, "models", facts.count("models"), facts.count("models"));
    assert_eq!(rows.providers.len(), facts.count("channels"));
    assert_eq!(rows.credentials.len(), facts.count("credentials"));
    assert_eq!(rows.users.len(), facts.count("users"));
    assert_eq!(rows.keys.len(), facts.count("tokens"));
    assert_eq!(rows.quotas.len(), facts.count("quotas"));
    assert_eq!(rows.routes.len(), facts.count("models"));
    assert_eq!(rows.price_rules.len(), facts.count("prices"));
    let of = |scope| rows.permissions.iter().filter(|row| row.scope == scope).count();
    assert_eq!((of(ScopeKind::Organization), of(ScopeKind::Key)), (facts.count("pairs"), facts.count("key_permissions")));
    // Nobody may govern this gateway by what was a client's token there.
    assert!(rows.users.iter().all(|user| user.role == Role::Member && user.name != "admin"));
    // 500,000 units are a dollar, to the nano-dollar.
    let alice = rows.users.iter().find(|user| user.name == "alice").unwrap().id;
    assert_eq!(
        rows.quotas.iter().find(|quota| quota.scope == ScopeKind::User && quota.scope_id == alice.0).unwrap().total,
        Some(3_000_000_000)
    );
    // A ratio of 0.075 is fifteen cents for a million tokens.
    let mini = rows.price_rules.iter().find(|rule| rule.pattern == "gpt-4o-mini").unwrap();
    assert_eq!(mini.rates_json, r#"{"input":"0.15","output":"0.6"}"#);
    let name = |number: &str| rows.providers.iter().any(|provider| provider.name == number);
    assert!(name("main") && name("vip-only") && name("OpenAI"));
    let second = rows.providers.iter().find(|provider| provider.name == "vip-only").unwrap().id;
    let switches: Vec<bool> = rows.credentials.iter().filter(|row| row.provider_id == second).map(|row| row.enabled).collect();
    assert_eq!(switches, [true, format == "one-api"], "new-api switches keys of a channel off one by one");
}

#[tokio::test]
async fn litellm_is_taken_to_its_last_deployment() {
    let house = House::of("litellm");
    let said = house.move_in();
    let (rows, facts) = (house.rows().await, &house.facts);
    for what in ["deployments", "prices", "aliases", "fallbacks", "keys"] {
        told_as_counted(&house, &said, what);
    }
    told(&said, "model names", facts.count("models"), facts.count("models"));
    assert_eq!(rows.routes.len(), facts.count("models"));
    // Each deployment, and the members that two fallbacks add.
    assert_eq!(rows.route_members.len(), facts.count("deployments") + 2);
    assert_eq!((rows.price_rules.len(), rows.aliases.len(), rows.keys.len()), (facts.count("prices"), facts.count("aliases"), 1));
    assert!(rows.routes.iter().all(|route| route.strategy == Strategy::Weighted));
    let shared: Vec<(i64, i64)> = members(&rows, "shared");
    assert_eq!(shared, [(0, 3), (1, 1)], "order becomes tiers, weight stays");
    assert_eq!(members(&rows, "gpt-4o").iter().filter(|(tier, _)| *tier == 1).count(), 1, "a fallback is a later tier");
    let of_house = rows.providers.iter().find(|provider| provider.settings_json.contains(&house.upstream.address)).unwrap().id;
    let limits = rows.credentials.iter().find(|row| row.provider_id == of_house).map(|row| (row.rpm_limit, row.tpm_limit));
    assert_eq!(limits, Some((Some(600), Some(100_000))));
    let price = rows.price_rules.iter().find(|rule| rule.pattern == "grok-3").unwrap();
    assert_eq!(price.rates_json, r#"{"input":"1.25","output":"10"}"#);
    assert_eq!(of_users(&rows, "litellm-master"), Role::Admin);
}

fn members(rows: &ConfigRows, route: &str) -> Vec<(i64, i64)> {
    let id = rows.routes.iter().find(|row| row.name == route).unwrap().id;
    rows.route_members.iter().filter(|row| row.route_id == id).map(|row| (row.tier, row.weight)).collect()
}

#[tokio::test]
async fn the_first_tables_are_taken_to_their_last_row() {
    first("first").await;
}

#[tokio::test]
async fn the_first_tables_are_taken_sealed_as_well() {
    first("sealed").await;
}

async fn first(format: &str) {
    let house = House::of(format);
    let said = house.move_in();
    let (rows, facts) = (house.rows().await, &house.facts);
    for what in ["providers", "credentials", "users", "user_keys"] {
        told_as_counted(&house, &said, what);
    }
    assert_eq!(rows.providers.len(), facts.count("providers"));
    assert_eq!(rows.credentials.len(), facts.count("credentials"));
    // The administrator's key has a user and a key of its own, and everybody may use everything.
    assert_eq!((rows.users.len(), rows.keys.len()), (facts.count("users") + 1, facts.count("user_keys") + 1));
    assert_eq!(rows.permissions.len(), facts.count("permissions"));
    assert_eq!(of_users(&rows, "admin"), Role::Admin);
    assert!(!rows.settings.mask_sensitive_info);
    // Passwords that stood open rest as hashes.
    let hashed = |name: &str| {
        rows.users.iter().any(|user| user.name == name && user.password_hash.as_ref().is_some_and(|hash| hash.starts_with("$argon2id$")))
    };
    assert!(hashed("eve") && hashed("mallory") && !hashed("off"));
    assert!(rows.users.iter().any(|user| user.name == "off" && !user.enabled));
}

#[tokio::test]
async fn the_tables_with_tenants_are_taken_to_their_last_row() {
    let house = House::of("tenants");
    let said = house.move_in();
    let (rows, facts) = (house.rows().await, &house.facts);
    for what in
        ["providers", "credentials", "users", "user_keys", "user_permissions", "user_rate_limits", "user_quotas", "models", "model_aliases"]
    {
        told_as_counted(&house, &said, what);
    }
    assert_eq!((rows.users.len(), rows.keys.len()), (facts.count("users"), facts.count("user_keys")));
    assert_eq!((rows.permissions.len(), rows.rate_limits.len()), (facts.count("user_permissions"), facts.count("user_rate_limits")));
    assert_eq!((rows.quotas.len(), rows.models.len(), rows.aliases.len()), (facts.count("user_quotas"), facts.count("models"), 1));
    // What was spent there is not counted here.
    let eve = rows.users.iter().find(|user| user.name == "eve").unwrap().id;
    assert_eq!(
        rows.quotas.iter().find(|quota| quota.scope == ScopeKind::User && quota.scope_id == eve.0).unwrap().total,
        Some(10_250_000_000)
    );
    assert_eq!(of_users(&rows, "boss"), Role::Admin);
    assert!(rows.settings.enable_upstream_log && rows.settings.mask_sensitive_info);
}

#[tokio::test]
async fn the_later_tables_are_taken_to_their_last_row() {
    later("later").await;
}

#[tokio::test]
async fn what_the_later_program_exports_is_taken_to_its_last_row() {
    later("bundle").await;
}

async fn later(format: &str) {
    let house = House::of(format);
    let said = house.move_in();
    let (rows, facts) = (house.rows().await, &house.facts);
    for what in [
        "orgs",
        "teams",
        "users",
        "user_keys",
        "providers",
        "credentials",
        "provider_models",
        "routes",
        "route_members",
        "aliases",
        "rule_sets",
        "rules",
        "provider_rule_sets",
        "route_permissions",
        "rate_limits",
        "quotas",
        "price_rules",
        "instance_settings",
    ] {
        told_as_counted(&house, &said, what);
    }
    assert_eq!(rows.organizations.len(), facts.count("orgs"));
    assert_eq!(rows.teams.len(), facts.count("teams"));
    assert_eq!(rows.users.len(), facts.count("users"));
    assert_eq!(rows.keys.len(), facts.count("user_keys"));
    assert_eq!(rows.providers.len(), facts.count("providers"));
    assert_eq!(rows.credentials.len(), facts.count("credentials"));
    assert_eq!(rows.models.len(), facts.count("provider_models"));
    assert_eq!((rows.routes.len(), rows.route_members.len()), (facts.count("routes"), facts.count("route_members")));
    assert_eq!((rows.aliases.len(), rows.rules.len()), (facts.count("aliases"), facts.count("rules")));
    assert_eq!((rows.rule_sets.len(), rows.provider_rule_sets.len()), (facts.count("rule_sets"), facts.count("provider_rule_sets")));
    assert_eq!(rows.permissions.len(), facts.count("route_permissions"));
    assert_eq!(rows.rate_limits.len(), facts.count("rate_limits_kept"));
    assert_eq!(rows.quotas.len(), facts.count("quotas"));
    assert_eq!(rows.price_rules.len(), facts.count("price_rules"));
    let eve = rows.users.iter().find(|user| user.name == "eve").unwrap().id;
    let limit = rows.rate_limits.iter().find(|limit| limit.scope == ScopeKind::User && limit.scope_id == eve.0).unwrap();
    assert_eq!((limit.requests_per_minute, limit.tokens_per_day), (Some(60), Some(10_000_000)), "the strictest of two");
    let quota = rows.quotas.iter().find(|quota| quota.scope == ScopeKind::User && quota.scope_id == eve.0).unwrap();
    assert_eq!((quota.total, quota.rolling_5h), (Some(87_654_321_099), Some(1_000_000_000)));
    assert_eq!(of_users(&rows, "boss"), Role::Admin);
    assert!(rows.settings.enable_upstream_log && rows.settings.mask_sensitive_info);
    assert!(rows.providers.iter().any(|provider| provider.name == "claude" && provider.channel == "anthropic"));
    assert!(rows.price_rules.iter().any(|rule| rule.pattern == "*gpt-5*" && rule.rates_json.contains(r#""output":"15""#)));
}
