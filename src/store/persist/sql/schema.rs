//! The schema as numbered steps. A step that was released is never edited: add another.

/// One step of the schema.
#[derive(Clone, Copy, Debug)]
pub(super) struct Migration {
    /// Its number, counting up from 1.
    pub(super) version: i64,
    /// Its statements, with the words of `Dialect::ddl`. Each can be run twice, for engines that cannot roll tables back.
    pub(super) statements: &'static [&'static str],
}

/// Every table that the steps make, besides `schema_migrations`.
pub(super) const TABLES: [&str; 12] = [
    "providers",
    "credentials",
    "provider_models",
    "users",
    "user_keys",
    "route_permissions",
    "instance_settings",
    "usages",
    "downstream_requests",
    "upstream_requests",
    "kept_things",
    "kept_items",
];

/// All steps, in order.
pub(super) const MIGRATIONS: &[Migration] = &[Migration { version: 1, statements: FIRST }, super::kept::STEP];

/// The table of the steps that were taken. `applied_at` is 0 while one is under way on an engine without transactional schemas.
pub(super) const LEDGER_OF_STEPS: &str =
    "CREATE TABLE IF NOT EXISTS schema_migrations (version BIGINT NOT NULL PRIMARY KEY, applied_at BIGINT NOT NULL) {end}";

const FIRST: &[&str] = &[
    "CREATE TABLE IF NOT EXISTS providers ({id}, name {name} NOT NULL UNIQUE, channel {name} NOT NULL, settings_json {text} NOT NULL, \
     dispatch_json {text}, proxy {text}, enabled BOOLEAN NOT NULL, created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL) {end}",
    "CREATE TABLE IF NOT EXISTS credentials ({id}, provider_id BIGINT NOT NULL, name {text}, kind {name} NOT NULL, \
     secret_sealed {text} NOT NULL, enabled BOOLEAN NOT NULL, created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL, \
     FOREIGN KEY (provider_id) REFERENCES providers (id) ON DELETE CASCADE) {end}",
    "CREATE TABLE IF NOT EXISTS provider_models ({id}, provider_id BIGINT NOT NULL, model_id {name} NOT NULL, display_name {text}, \
     enabled BOOLEAN NOT NULL, created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL, UNIQUE (provider_id, model_id), \
     FOREIGN KEY (provider_id) REFERENCES providers (id) ON DELETE CASCADE) {end}",
    "CREATE TABLE IF NOT EXISTS users ({id}, name {name} NOT NULL UNIQUE, password_hash {text}, is_admin BOOLEAN NOT NULL, \
     enabled BOOLEAN NOT NULL, created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL) {end}",
    "CREATE TABLE IF NOT EXISTS user_keys ({id}, user_id BIGINT NOT NULL, digest {name} NOT NULL UNIQUE, prefix {text} NOT NULL, \
     label {text}, expires_at BIGINT, enabled BOOLEAN NOT NULL, created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL, \
     FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE) {end}",
    "CREATE TABLE IF NOT EXISTS route_permissions ({id}, scope {name} NOT NULL, user_id BIGINT NOT NULL, pattern {pattern} NOT NULL, \
     created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL, UNIQUE (user_id, pattern), \
     FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE) {end}",
    "CREATE TABLE IF NOT EXISTS instance_settings (id BIGINT NOT NULL PRIMARY KEY, was_used BOOLEAN NOT NULL, proxy {text}, hf_url {text}, hf_token_sealed {text}, \
     update_source {text}, mask_sensitive_info BOOLEAN NOT NULL, enable_downstream_log BOOLEAN NOT NULL, \
     enable_downstream_log_body BOOLEAN NOT NULL, enable_upstream_log BOOLEAN NOT NULL, enable_upstream_log_body BOOLEAN NOT NULL, \
     updated_at BIGINT NOT NULL) {end}",
    // Ids are time ordered, so a range of time is a range of the primary key; further indexes would cost every call.
    "CREATE TABLE IF NOT EXISTS usages (request_id {uuid} NOT NULL PRIMARY KEY, at BIGINT NOT NULL, user_id BIGINT NOT NULL, \
     user_key_id BIGINT NOT NULL, provider_id BIGINT NOT NULL, credential_id BIGINT, operation {name} NOT NULL, kind {name} NOT NULL, \
     model {text} NOT NULL, input_tokens BIGINT NOT NULL, cache_read_tokens BIGINT NOT NULL, cache_write_5m_tokens BIGINT NOT NULL, \
     cache_write_30m_tokens BIGINT NOT NULL, cache_write_1h_tokens BIGINT NOT NULL, output_tokens BIGINT NOT NULL, \
     reasoning_tokens BIGINT NOT NULL, metrics_json {text}, source {name} NOT NULL, ended {name} NOT NULL, status BIGINT NOT NULL, \
     first_byte_us BIGINT, latency_us BIGINT NOT NULL) {keyed}",
    "CREATE TABLE IF NOT EXISTS downstream_requests (request_id {uuid} NOT NULL PRIMARY KEY, at BIGINT NOT NULL, user_id BIGINT, \
     user_key_id BIGINT, method {text} NOT NULL, path {text} NOT NULL, query {text}, request_headers_json {text} NOT NULL, \
     request_body {bytes}, status BIGINT NOT NULL, response_headers_json {text} NOT NULL, response_body {bytes}) {end}",
    "CREATE TABLE IF NOT EXISTS upstream_requests (request_id {uuid} NOT NULL, attempt BIGINT NOT NULL, at BIGINT NOT NULL, \
     provider_id BIGINT NOT NULL, credential_id BIGINT, method {text} NOT NULL, url {text} NOT NULL, \
     request_headers_json {text} NOT NULL, request_body {bytes}, status BIGINT, response_headers_json {text} NOT NULL, \
     response_body {bytes}, latency_us BIGINT NOT NULL, PRIMARY KEY (request_id, attempt)) {end}",
];
