//! Applies the rules that fit a call to what the provider is sent.

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;

use super::{
    compile::{Compiled, Edit, RuleBook},
    draft::Draft,
    filter::{Dialect, RuleScope},
    response::ResponseRules,
    tree::framed,
};
use crate::protocol::json::Node;

/// A rule that changed something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// Its set and its place there, `clients[2]`; or the provider's setting.
    pub rule: Arc<str>,
    /// Its kind.
    pub kind: &'static str,
}

/// What became of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The body. Where nothing changed it is the one that came.
    pub body: Bytes,
    /// What changed it, or the headers.
    pub applied: Vec<Applied>,
}

/// The rules that fit one call.
#[derive(Clone, Debug)]
pub struct RequestRules<'b> {
    book: &'b RuleBook,
    rules: Vec<&'b Compiled>,
    dialect: Option<Dialect>,
}

impl RuleBook {
    /// The rules that fit a call; `None` where there are none, so that the body need not be looked at.
    #[must_use]
    pub fn request(&self, scope: &RuleScope<'_>) -> Option<RequestRules<'_>> {
        if self.is_empty() {
            return None;
        }
        let fits = |rule: &&Compiled| rule.edit.on_request() && rule.filter.fits(scope);
        let rules: Vec<_> = self.rules.iter().filter(fits).collect();
        let dialect = scope.dialect();
        let by_settings = dialect.is_some() && !self.cache.is_empty();
        (by_settings || !rules.is_empty()).then_some(RequestRules { book: self, rules, dialect })
    }

    /// The rules that fit a call's answer; `None` where there are none, so that it can pass as it comes.
    #[must_use]
    pub fn response(&self, scope: &RuleScope<'_>) -> Option<ResponseRules> {
        let fits = |rule: &&Compiled| rule.edit.on_response().is_some() && rule.filter.fits(scope);
        ResponseRules::of(self.rules.iter().filter(fits).filter_map(|rule| rule.edit.on_response()))
    }

    /// Applies the rules that fit to a request's body and to the headers that go with it.
    #[must_use]
    pub fn apply_request(&self, body: Bytes, headers: &mut HeaderMap, scope: &RuleScope<'_>) -> Outcome {
        match self.request(scope) {
            Some(rules) => rules.apply(body, headers),
            None => Outcome { body, applied: Vec::new() },
        }
    }

    /// Applies the rules that fit to a whole answer.
    #[must_use]
    pub fn apply_response(&self, body: Bytes, scope: &RuleScope<'_>) -> Bytes {
        match self.response(scope) {
            Some(mut rules) => rules.apply(body),
            None => body,
        }
    }
}

impl RequestRules<'_> {
    /// Whether the body is wanted; where it is not, [`RequestRules::apply`] may be given an empty one.
    #[must_use]
    pub fn wants_body(&self) -> bool {
        let settings = self.dialect.is_some() && !self.book.cache.is_empty();
        settings || self.rules.iter().any(|rule| !matches!(rule.edit, Edit::Header(_)))
    }

    /// Applies them in their order. A body that is no JSON stays as it is; headers are set all the same.
    #[must_use]
    pub fn apply(&self, body: Bytes, headers: &mut HeaderMap) -> Outcome {
        let mut applied = Vec::new();
        let text = if self.wants_body() { self.edited(&body, &mut applied) } else { None };
        let body = text.map_or(body, Bytes::from);
        for rule in &self.rules {
            if let Edit::Header(header) = &rule.edit
                && header.apply(headers)
            {
                applied.push(Applied { rule: Arc::clone(&rule.label), kind: rule.kind });
            }
        }
        Outcome { body, applied }
    }

    /// The body as the rules leave it, where that is something else.
    fn edited(&self, body: &[u8], applied: &mut Vec<Applied>) -> Option<String> {
        let text = std::str::from_utf8(body).ok()?;
        let json = text.strip_prefix('\u{feff}').unwrap_or(text);
        let root = Node::parse(json.as_bytes()).ok()?.json();
        let mut draft = Draft::new(root, self.dialect);
        let behind_system = self.rules.partition_point(|rule| matches!(rule.edit, Edit::System(_)));
        let (system, others) = self.rules.split_at(behind_system);
        run(&mut draft, system, applied);
        draft.settings(&self.book.cache, applied);
        run(&mut draft, others, applied);
        (!applied.is_empty()).then(|| framed(&draft.root, root, text))
    }
}

fn run<'a>(draft: &mut Draft<'a>, rules: &[&'a Compiled], applied: &mut Vec<Applied>) {
    for rule in rules {
        if draft.edit(&rule.edit) {
            applied.push(Applied { rule: Arc::clone(&rule.label), kind: rule.kind });
        }
    }
}
