//! A request's body while the rules work on it.

use super::{
    apply::Applied,
    compile::{Edit, ProviderCache},
    filter::Dialect,
    mark::{Mark, Marks, trigger},
    system,
    tree::Tree,
};
use crate::protocol::rule::RewriteAction;

#[derive(Debug)]
pub(super) struct Draft<'a> {
    pub(super) root: Tree<'a>,
    dialect: Option<Dialect>,
    /// The cache marks that are there, once anybody asked.
    marks: Option<Marks>,
}

impl<'a> Draft<'a> {
    pub(super) fn new(json: &'a str, dialect: Option<Dialect>) -> Self {
        Self { root: Tree::closed(json), dialect, marks: None }
    }

    /// Does what one rule says; tells whether that is a change.
    pub(super) fn edit(&mut self, edit: &'a Edit) -> bool {
        match edit {
            Edit::System(rule) => self.dialect.is_some_and(|dialect| system::add(&mut self.root, dialect, rule)),
            Edit::Mark(mark) => self.mark(mark),
            Edit::Rewrite(path, action) => match action {
                RewriteAction::Set(value) => path.set(&mut self.root, value),
                RewriteAction::Delete => path.delete(&mut self.root),
                RewriteAction::Merge(value) => path.merge(&mut self.root, value),
            },
            Edit::Replace(rule) => rule.apply(&mut self.root, &mut rule.limit.unwrap_or(u64::MAX)),
            Edit::Header(_) => false,
        }
    }

    /// Does what the provider's settings say of caching: trigger texts first, then its own marks.
    pub(super) fn settings(&mut self, cache: &ProviderCache, applied: &mut Vec<Applied>) {
        let Some(dialect) = self.dialect else { return };
        let mut note = |rule: &str, changed: bool| {
            if changed {
                applied.push(Applied { rule: rule.into(), kind: "cache_breakpoint" });
            }
        };
        if cache.claude_triggers || cache.openai_triggers {
            let marks = match dialect {
                Dialect::Claude => cache.claude_triggers,
                Dialect::Chat | Dialect::Responses => cache.openai_triggers,
                Dialect::Gemini => false,
            };
            note("trigger texts", self.triggers(marks));
        }
        if dialect == Dialect::Claude {
            for mark in &cache.marks {
                note("cache_breakpoints", self.mark(&Mark::from(*mark)));
            }
        }
    }

    fn mark(&mut self, mark: &Mark) -> bool {
        let Some((marks, root)) = self.marks() else { return false };
        marks.place(root, mark)
    }

    /// Takes trigger texts out, and marks where they stood if that is wanted.
    fn triggers(&mut self, marks: bool) -> bool {
        let mut body = String::new();
        self.root.write(&mut body);
        if !trigger::is_in(&body) {
            return false;
        }
        if marks {
            return self.marks().is_some_and(|(marks, root)| marks.take_triggers(root));
        }
        let stripped = trigger::strip(&body);
        stripped.map(|(body, _)| self.root = Tree::closed(body)).is_some()
    }

    fn marks(&mut self) -> Option<(&mut Marks, &mut Tree<'a>)> {
        if self.marks.is_none() {
            self.marks = Marks::read(&mut self.root, self.dialect?);
        }
        Some((self.marks.as_mut()?, &mut self.root))
    }
}
