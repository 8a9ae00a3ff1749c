//! Applies transform rules to what a provider answers, whole or event by event.

use std::sync::Arc;

use bytes::Bytes;

use super::{
    text::Replacing,
    tree::{Tree, framed},
};
use crate::protocol::json::Node;

/// The rules that fit one call's answer. They count their replacements over the whole of it.
#[derive(Clone, Debug)]
pub struct ResponseRules {
    rules: Vec<(Arc<Replacing>, u64)>,
}

impl ResponseRules {
    pub(super) fn of<'r>(rules: impl Iterator<Item = &'r Arc<Replacing>>) -> Option<Self> {
        let rules: Vec<_> = rules.map(|rule| (Arc::clone(rule), rule.limit.unwrap_or(u64::MAX))).collect();
        (!rules.is_empty()).then_some(Self { rules })
    }

    /// Applies them to a whole answer, or to the JSON of one event of a stream. What is no JSON, and what no rule
    /// changes, is given back as it came. Text that is split over events is seen in its parts only.
    #[must_use]
    pub fn apply(&mut self, json: Bytes) -> Bytes {
        let edited = self.edited(&json);
        edited.map_or(json, Bytes::from)
    }

    fn edited(&mut self, json: &[u8]) -> Option<String> {
        let text = std::str::from_utf8(json).ok()?;
        let root = Node::parse(json).ok()?.json();
        let mut tree = Tree::closed(root);
        let mut changed = false;
        for (rule, left) in &mut self.rules {
            changed |= rule.apply(&mut tree, left);
        }
        changed.then(|| framed(&tree, root, text))
    }
}
