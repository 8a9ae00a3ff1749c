//! The schema as numbered steps. A step that was released is never edited: add another.

mod first;

/// One step of the schema.
#[derive(Clone, Copy, Debug)]
pub(super) struct Migration {
    /// Its number, counting up from 1.
    pub(super) version: i64,
    /// Its statements, with the words of `Dialect::ddl`. Each can be run twice, for engines that cannot roll tables back.
    pub(super) statements: &'static [&'static str],
}

/// Every table that the steps make, besides `schema_migrations`.
pub(super) const TABLES: [&str; 29] = [
    "organizations",
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
    "permissions",
    "rate_limits",
    "quotas",
    "price_rules",
    "instance_settings",
    "config_changes",
    "usages",
    "downstream_requests",
    "upstream_requests",
    "kept_things",
    "kept_items",
    "usage_rollups",
    "usage_head",
    "audit_logs",
    "health",
    "health_events",
];

/// All steps, in order. Step 1 was the schema before the first release; a database that has no other is refused.
pub(super) const MIGRATIONS: &[Migration] = &[
    first::STEP,
    super::kept::STEP,
    super::rollup::STEP,
    super::audit::STEP,
    super::head::STEP,
    super::health::STEP,
    super::usage::STEP,
    super::settings::STEP,
];

/// The oldest version that a step can begin from.
pub(super) const OLDEST: i64 = 2;

/// The table of the steps that were taken. `applied_at` is 0 while one is under way on an engine without transactional schemas.
pub(super) const LEDGER_OF_STEPS: &str =
    "CREATE TABLE IF NOT EXISTS schema_migrations (version BIGINT NOT NULL PRIMARY KEY, applied_at BIGINT NOT NULL) {end}";
