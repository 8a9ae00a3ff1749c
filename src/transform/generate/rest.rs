//! What a dialect says beyond the canonical form: written back by itself, told as lost by the others.

use std::borrow::Cow;

use super::{
    Dialect,
    canon::{Raw, Rest},
};
use crate::{
    protocol::json::{Fields, ObjectWriter},
    transform::Loss,
};

impl<'a> Rest<'a> {
    /// What is left of an object of `of` after a lift has taken what it knows.
    pub(in crate::transform) fn of(of: Dialect, fields: Fields<'a>) -> Self {
        let members: Vec<_> = fields.rest().into_iter().map(|(name, value)| (name, Cow::Borrowed(value.raw()))).collect();
        Self { of: (!members.is_empty()).then_some(of), members, ..Self::default() }
    }

    /// Adds what is left of `of`'s object within at `place`.
    pub(super) fn keep(&mut self, of: Dialect, place: &'static str, fields: Fields<'a>) {
        for (name, value) in fields.rest() {
            self.of = Some(of);
            self.inner.push((place, name, Cow::Borrowed(value.raw())));
        }
    }

    /// Adds all that another one of the same dialect keeps.
    pub(super) fn join(&mut self, other: Self) {
        self.of = self.of.or(other.of);
        self.members.extend(other.members);
        self.inner.extend(other.inner);
        self.hints.extend(other.hints);
    }

    /// Whether something is kept of `of`'s object within at `place`.
    pub(super) fn has_within(&self, of: Dialect, place: &str) -> bool {
        self.of == Some(of) && self.inner.iter().any(|(at, ..)| *at == place)
    }

    /// Writes back what is kept of `writer`'s own object within at `place`.
    pub(super) fn write_within(&self, writer: Dialect, place: &str, object: &mut ObjectWriter<'_>) {
        if self.of == Some(writer) {
            for (_, name, json) in self.inner.iter().filter(|(at, ..)| *at == place) {
                object.raw(name, json);
            }
        }
    }

    /// Writes the members back where they are `writer`'s own; else each is a loss at `path`, which is asked for only then
    /// and is empty for the body as a whole.
    pub(in crate::transform) fn write(
        &self,
        writer: Dialect,
        object: &mut ObjectWriter<'_>,
        path: impl FnOnce() -> String,
        losses: &mut Vec<Loss>,
    ) {
        if self.of == Some(writer) {
            for (name, json) in &self.members {
                object.raw(name, json);
            }
        } else {
            self.lose(path, losses);
        }
    }

    /// Adds a hint of `of`'s for itself.
    pub(super) fn hint(&mut self, of: Dialect, name: &'static str, json: Raw<'a>) {
        self.of = Some(of);
        self.hints.push((name, json));
    }

    /// The hint `name`, where there is one.
    pub(super) fn hinted(&self, name: &str) -> Option<&Raw<'a>> {
        self.hints.iter().find(|(hint, _)| *hint == name).map(|(_, json)| json)
    }

    /// Tells each member as lost: for places in which not even its owner could write it back.
    pub(in crate::transform) fn lose(&self, path: impl FnOnce() -> String, losses: &mut Vec<Loss>) {
        if self.members.is_empty() && self.inner.is_empty() {
            return;
        }
        let path = path();
        let joint = if path.is_empty() { "" } else { "." };
        losses.extend(self.members.iter().map(|(name, _)| Loss::dropped(format!("{path}{joint}{name}"))));
        losses.extend(self.inner.iter().map(|(place, name, _)| Loss::dropped(format!("{path}{joint}{place}.{name}"))));
    }
}
