//! Rule sets: edits of requests and answers that providers share.

use super::noun::record;
use crate::base::{ProviderId, ProviderRuleSetId, RuleId, RuleSetId};

record! {
    /// Rules that providers share.
    NewRuleSet(RuleSetId) in "rule_sets", unique [name], named name {
        /// Unique.
        name: String,
        /// For people.
        description: Option<String>,
        /// Whether its rules hold.
        enabled: bool,
    }
}

record! {
    /// A rule of a set.
    NewRule(RuleId) in "rules", unique [], named kind {
        /// Its set; with it, it goes.
        rule_set_id: RuleSetId,
        /// `system_text`, `cache_breakpoint`, `rewrite`, `transform` or `header`.
        kind: String,
        /// What it does, a JSON object of its kind.
        config_json: String,
        /// Only for models that fit this pattern.
        filter_model_pattern: Option<String>,
        /// Only for these operations, a JSON array of their ids.
        filter_operation_keys: Option<String>,
        /// Only for requests one of whose header lines fits this expression.
        filter_header_pattern: Option<String>,
        /// Lower ones come first.
        sort_order: i64,
        /// Whether it holds.
        enabled: bool,
    }
}

record! {
    /// A set's place at a provider.
    NewProviderRuleSet(ProviderRuleSetId) in "provider_rule_sets", unique [provider_id, rule_set_id], named rule_set_id {
        /// The provider.
        provider_id: ProviderId,
        /// The set.
        rule_set_id: RuleSetId,
        /// Lower ones come first.
        sort_order: i64,
        /// Whether it holds.
        enabled: bool,
    }
}
