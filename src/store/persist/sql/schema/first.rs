//! The schema as it was first released.

use super::Migration;

pub(super) const STEP: Migration = Migration { version: 2, statements: STATEMENTS };

const STATEMENTS: &[&str] = &[
    "CREATE TABLE IF NOT EXISTS organizations ({id}, name {name} NOT NULL UNIQUE, description {text}, enabled BOOLEAN NOT NULL, \
     created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL) {end}",
    "CREATE TABLE IF NOT EXISTS teams ({id}, organization_id BIGINT NOT NULL, name {name} NOT NULL, enabled BOOLEAN NOT NULL, \
     created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL, UNIQUE (organization_id, name), \
     FOREIGN KEY (organization_id) REFERENCES organizations (id)) {end}",
    "CREATE TABLE IF NOT EXISTS users ({id}, name {name} NOT NULL UNIQUE, organization_id BIGINT, team_id BIGINT, external_id {text}, \
     password_hash {text}, role {word} NOT NULL, enabled BOOLEAN NOT NULL, created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL, \
     FOREIGN KEY (organization_id) REFERENCES organizations (id), FOREIGN KEY (team_id) REFERENCES teams (id)) {end}",
    "CREATE TABLE IF NOT EXISTS user_keys ({id}, user_id BIGINT NOT NULL, digest {name} NOT NULL UNIQUE, prefix {text} NOT NULL, \
     label {text}, expires_at BIGINT, allowed_ips {text}, on_disconnect {word} NOT NULL, enabled BOOLEAN NOT NULL, \
     created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL, FOREIGN KEY (user_id) REFERENCES users (id)) {end}",
    "CREATE TABLE IF NOT EXISTS providers ({id}, name {name} NOT NULL UNIQUE, channel {name} NOT NULL, label {text}, \
     settings_json {text} NOT NULL, dispatch_json {text}, credential_strategy {text}, proxy {text}, enabled BOOLEAN NOT NULL, \
     created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL) {end}",
    "CREATE TABLE IF NOT EXISTS credentials ({id}, provider_id BIGINT NOT NULL, name {text}, kind {name} NOT NULL, \
     secret_sealed {text} NOT NULL, weight BIGINT NOT NULL, rpm_limit BIGINT, tpm_limit BIGINT, concurrency_limit BIGINT, proxy {text}, \
     enabled BOOLEAN NOT NULL, created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL, \
     FOREIGN KEY (provider_id) REFERENCES providers (id)) {end}",
    "CREATE TABLE IF NOT EXISTS provider_models ({id}, provider_id BIGINT NOT NULL, model_id {name} NOT NULL, display_name {text}, \
     variants_json {text}, context_window BIGINT, max_output_tokens BIGINT, enabled BOOLEAN NOT NULL, created_at BIGINT NOT NULL, \
     updated_at BIGINT NOT NULL, UNIQUE (provider_id, model_id), FOREIGN KEY (provider_id) REFERENCES providers (id)) {end}",
    "CREATE TABLE IF NOT EXISTS routes ({id}, namespace {name} NOT NULL, name {name} NOT NULL, strategy {word} NOT NULL, description {text}, \
     settings_json {text}, enabled BOOLEAN NOT NULL, created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL, \
     UNIQUE (namespace, name)) {end}",
    "CREATE TABLE IF NOT EXISTS route_members ({id}, route_id BIGINT NOT NULL, provider_id BIGINT NOT NULL, upstream_model {text} NOT NULL, \
     weight BIGINT NOT NULL, tier BIGINT NOT NULL, enabled BOOLEAN NOT NULL, created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL, \
     FOREIGN KEY (route_id) REFERENCES routes (id), FOREIGN KEY (provider_id) REFERENCES providers (id)) {end}",
    "CREATE TABLE IF NOT EXISTS aliases ({id}, provider {name} NOT NULL, alias {pattern} NOT NULL, target {text} NOT NULL, \
     sort_order BIGINT NOT NULL, enabled BOOLEAN NOT NULL, created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL, \
     UNIQUE (provider, alias)) {end}",
    "CREATE TABLE IF NOT EXISTS rule_sets ({id}, name {name} NOT NULL UNIQUE, description {text}, enabled BOOLEAN NOT NULL, \
     created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL) {end}",
    "CREATE TABLE IF NOT EXISTS rules ({id}, rule_set_id BIGINT NOT NULL, kind {name} NOT NULL, config_json {text} NOT NULL, \
     filter_model_pattern {text}, filter_operation_keys {text}, filter_header_pattern {text}, sort_order BIGINT NOT NULL, \
     enabled BOOLEAN NOT NULL, created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL, \
     FOREIGN KEY (rule_set_id) REFERENCES rule_sets (id)) {end}",
    "CREATE TABLE IF NOT EXISTS provider_rule_sets ({id}, provider_id BIGINT NOT NULL, rule_set_id BIGINT NOT NULL, \
     sort_order BIGINT NOT NULL, enabled BOOLEAN NOT NULL, created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL, \
     UNIQUE (provider_id, rule_set_id), FOREIGN KEY (provider_id) REFERENCES providers (id), \
     FOREIGN KEY (rule_set_id) REFERENCES rule_sets (id)) {end}",
    "CREATE TABLE IF NOT EXISTS permissions ({id}, scope {word} NOT NULL, scope_id BIGINT NOT NULL, pattern {pattern} NOT NULL, \
     operation_group {word} NOT NULL, created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL, \
     UNIQUE (scope, scope_id, pattern, operation_group)) {end}",
    "CREATE TABLE IF NOT EXISTS rate_limits ({id}, scope {word} NOT NULL, scope_id BIGINT NOT NULL, pattern {pattern} NOT NULL, \
     requests_per_minute BIGINT, requests_per_day BIGINT, tokens_per_minute BIGINT, tokens_per_day BIGINT, concurrency BIGINT, \
     created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL, UNIQUE (scope, scope_id, pattern)) {end}",
    "CREATE TABLE IF NOT EXISTS quotas ({id}, scope {word} NOT NULL, scope_id BIGINT NOT NULL, total BIGINT, daily BIGINT, weekly BIGINT, \
     monthly BIGINT, rolling_5h BIGINT, rolling_7d BIGINT, admission {word} NOT NULL, created_at BIGINT NOT NULL, \
     updated_at BIGINT NOT NULL, UNIQUE (scope, scope_id)) {end}",
    "CREATE TABLE IF NOT EXISTS price_rules ({id}, provider_id BIGINT, match_kind {word} NOT NULL, pattern {text} NOT NULL, \
     rates_json {text} NOT NULL, enabled BOOLEAN NOT NULL, created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL, \
     FOREIGN KEY (provider_id) REFERENCES providers (id)) {end}",
    "CREATE TABLE IF NOT EXISTS instance_settings (id BIGINT NOT NULL PRIMARY KEY, was_used BOOLEAN NOT NULL, revision BIGINT NOT NULL, \
     proxy {text}, hf_url {text}, hf_token_sealed {text}, update_source {text}, mask_sensitive_info BOOLEAN NOT NULL, \
     enable_downstream_log BOOLEAN NOT NULL, enable_downstream_log_body BOOLEAN NOT NULL, enable_upstream_log BOOLEAN NOT NULL, \
     enable_upstream_log_body BOOLEAN NOT NULL, updated_at BIGINT NOT NULL) {end}",
    // What other instances read to learn what changed: the revision that touched a row, by the row.
    "CREATE TABLE IF NOT EXISTS config_changes ({id}, revision BIGINT NOT NULL, noun {word} NOT NULL, row_id BIGINT NOT NULL) {end}",
    // Ids are time ordered, so a range of time is a range of the primary key; further indexes would cost every call.
    "CREATE TABLE IF NOT EXISTS usages (request_id {uuid} NOT NULL PRIMARY KEY, at BIGINT NOT NULL, user_id BIGINT NOT NULL, \
     user_key_id BIGINT NOT NULL, team_id BIGINT, organization_id BIGINT, provider_id BIGINT NOT NULL, credential_id BIGINT, operation {name} NOT NULL, kind {name} NOT NULL, \
     model {text} NOT NULL, input_tokens BIGINT NOT NULL, cache_read_tokens BIGINT NOT NULL, cache_write_5m_tokens BIGINT NOT NULL, \
     cache_write_30m_tokens BIGINT NOT NULL, cache_write_1h_tokens BIGINT NOT NULL, output_tokens BIGINT NOT NULL, \
     reasoning_tokens BIGINT NOT NULL, metrics_json {text}, source {name} NOT NULL, ended {name} NOT NULL, status BIGINT NOT NULL, \
     first_byte_us BIGINT, latency_us BIGINT NOT NULL, cost_nanos BIGINT, price_version {word} NOT NULL) {keyed}",
    "CREATE TABLE IF NOT EXISTS downstream_requests (request_id {uuid} NOT NULL PRIMARY KEY, at BIGINT NOT NULL, user_id BIGINT, \
     user_key_id BIGINT, method {text} NOT NULL, path {text} NOT NULL, query {text}, request_headers_json {text} NOT NULL, \
     request_body {bytes}, status BIGINT NOT NULL, response_headers_json {text} NOT NULL, response_body {bytes}) {end}",
    "CREATE TABLE IF NOT EXISTS upstream_requests (request_id {uuid} NOT NULL, attempt BIGINT NOT NULL, at BIGINT NOT NULL, \
     provider_id BIGINT NOT NULL, credential_id BIGINT, method {text} NOT NULL, url {text} NOT NULL, \
     request_headers_json {text} NOT NULL, request_body {bytes}, status BIGINT, response_headers_json {text} NOT NULL, \
     response_body {bytes}, latency_us BIGINT NOT NULL, PRIMARY KEY (request_id, attempt)) {end}",
];
