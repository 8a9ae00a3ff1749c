//! Rules and calls, shortly said.

use bytes::Bytes;
use http::HeaderMap;

use crate::{
    process::{Outcome, ProviderCache, RuleBook, RuleScope, RuleSet},
    protocol::{Operation, OperationKind, json::WrongShape, rule::Rule},
};

pub(super) const CHAT: OperationKind = OperationKind::OpenAiChatCompletions;
pub(super) const RESPONSES: OperationKind = OperationKind::OpenAiResponses;
pub(super) const CLAUDE: OperationKind = OperationKind::ClaudeMessages;
pub(super) const GEMINI: OperationKind = OperationKind::GeminiGenerateContent;

/// A book of rules, each `(kind, config)`, in one set.
pub(super) fn book(rules: &[(&str, &str)]) -> RuleBook {
    let rules: Vec<_> = rules.iter().map(|(kind, config)| rule(&format!(r#"{{"kind":"{kind}","config_json":{config}}}"#))).collect();
    compiled(&[RuleSet { name: "set".into(), sort_order: 0, rules }])
}

pub(super) fn rule(json: &str) -> Result<Rule, WrongShape> {
    Rule::parse(json)
}

pub(super) fn compiled(sets: &[RuleSet]) -> RuleBook {
    let (book, faults) = RuleBook::compile(sets, ProviderCache::default());
    assert_eq!(faults, []);
    book
}

/// A book of nothing but the provider's settings.
pub(super) fn settings(marks: &str, triggers: bool) -> RuleBook {
    let marks = serde_json::from_str(marks).unwrap();
    RuleBook::compile(&[], ProviderCache { marks, claude_triggers: triggers, openai_triggers: triggers }).0
}

pub(super) fn apply(book: &RuleBook, kind: OperationKind, body: &str) -> Outcome {
    let headers = HeaderMap::new();
    let scope = RuleScope { operation: Operation::GenerateContent, kind, inbound_model: "in", upstream_model: "up", headers: &headers };
    book.apply_request(Bytes::copy_from_slice(body.as_bytes()), &mut HeaderMap::new(), &scope)
}

/// What a body becomes.
pub(super) fn after(book: &RuleBook, kind: OperationKind, body: &str) -> String {
    String::from_utf8(apply(book, kind, body).body.to_vec()).unwrap()
}

/// Each row is a body and what it becomes.
pub(super) fn check(book: &RuleBook, kind: OperationKind, rows: &[(&str, &str)]) {
    for (body, expected) in rows {
        assert_eq!(after(book, kind, body), *expected, "{kind}: {body}");
        assert_eq!(apply(book, kind, body).applied.is_empty(), body == expected, "{kind}: {body}");
    }
}
