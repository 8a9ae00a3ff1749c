//! Which calls a rule is for.

use http::HeaderMap;
use regex::Regex;

use crate::{
    base::Glob,
    protocol::{Operation, OperationKind, json::WrongShape, rule::RuleFilter},
};

/// A call as rules see it.
#[derive(Clone, Copy, Debug)]
pub struct RuleScope<'a> {
    /// What the provider is asked for.
    pub operation: Operation,
    /// In which wire shape the provider is asked.
    pub kind: OperationKind,
    /// The model as the client named it.
    pub inbound_model: &'a str,
    /// The model as the provider is asked for it.
    pub upstream_model: &'a str,
    /// The headers as the client sent them.
    pub headers: &'a HeaderMap,
}

/// A shape of content generation, which alone has a system prompt and a cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    Chat,
    Responses,
    Claude,
    Gemini,
}

impl RuleScope<'_> {
    /// The dialect, where the call generates content.
    pub(super) fn dialect(&self) -> Option<Dialect> {
        if !matches!(self.operation, Operation::GenerateContent | Operation::StreamGenerateContent) {
            return None;
        }
        match self.kind {
            OperationKind::OpenAiChatCompletions => Some(Dialect::Chat),
            OperationKind::OpenAiResponses | OperationKind::OpenAiResponsesWebSocket => Some(Dialect::Responses),
            OperationKind::ClaudeMessages => Some(Dialect::Claude),
            OperationKind::GeminiGenerateContent => Some(Dialect::Gemini),
            OperationKind::OpenAi | OperationKind::Claude | OperationKind::Gemini => None,
        }
    }
}

/// A filter, compiled.
#[derive(Clone, Debug, Default)]
pub(super) struct Filter {
    model: Option<Glob>,
    operations: Option<Vec<Operation>>,
    header: Option<Regex>,
}

impl Filter {
    pub(super) fn compile(filter: &RuleFilter) -> Result<Self, WrongShape> {
        let header = filter.header_pattern.as_deref().map(|pattern| super::text::regex(pattern, super::text::Case::Ignored));
        Ok(Self {
            model: filter.model_pattern.as_deref().map(Glob::new),
            operations: filter.operation_keys.clone(),
            header: header.transpose().map_err(|fault| fault.under("filter_header_pattern"))?,
        })
    }

    pub(super) fn fits(&self, scope: &RuleScope<'_>) -> bool {
        self.operations.as_ref().is_none_or(|operations| operations.contains(&scope.operation))
            && self.model.as_ref().is_none_or(|model| model.matches(scope.upstream_model) || model.matches(scope.inbound_model))
            && self.header.as_ref().is_none_or(|pattern| any_line(pattern, scope.headers))
    }
}

/// Whether a pattern fits one of the headers, written `name: value`.
fn any_line(pattern: &Regex, headers: &HeaderMap) -> bool {
    headers.iter().any(|(name, value)| {
        let line = format!("{name}: {}", String::from_utf8_lossy(value.as_bytes()));
        pattern.is_match(&line)
    })
}
