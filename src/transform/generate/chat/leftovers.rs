//! Members without a canonical word that stand one object deeper than the [`Rest`] that keeps them.
//!
//! Chat nests (`tools[].function`, `image_url`, `message`): what is left of the inner object is kept under a dotted name, so
//! that it is told as lost under its true path, and goes back to where it was.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::super::{
    Dialect,
    canon::{Raw, Rest},
};
use crate::protocol::json::{Fields, Node, ObjectWriter};

/// Keeps what is left of the object `inner` of the object that `rest` belongs to.
pub(super) fn keep<'a>(rest: &mut Rest<'a>, inner: &str, fields: Fields<'a>) {
    for (name, value) in fields.rest() {
        rest.of = Some(Dialect::Chat);
        rest.members.push((Cow::Owned(format!("{inner}.{name}")), Cow::Borrowed(value.raw())));
    }
}

/// Puts one member back that turned out to be none of ours.
pub(super) fn put_back<'a>(rest: &mut Rest<'a>, name: &'static str, value: Node<'a>) {
    rest.of = Some(Dialect::Chat);
    rest.members.push((Cow::Borrowed(name), Cow::Borrowed(value.raw())));
}

/// Writes the members of the object itself, without those of the objects named.
pub(super) fn write_outer(rest: &Rest<'_>, inner: &[&str], object: &mut ObjectWriter<'_>) {
    if rest.of != Some(Dialect::Chat) {
        return;
    }
    for (name, json) in &rest.members {
        if !inner.iter().any(|inner| under(name, inner).is_some()) {
            object.raw(name, json);
        }
    }
}

/// Writes the members of the object `inner`, without those of objects within it that are named.
pub(super) fn write_inner(rest: &Rest<'_>, inner: &str, deeper: &[&str], object: &mut ObjectWriter<'_>) {
    if rest.of != Some(Dialect::Chat) {
        return;
    }
    for (name, json) in &rest.members {
        if deeper.iter().any(|deeper| under(name, deeper).is_some()) {
            continue;
        }
        if let Some(name) = under(name, inner) {
            object.raw(name, json);
        }
    }
}

/// Whether anything is kept of the object `inner`.
pub(super) fn has_inner(rest: &Rest<'_>, inner: &str) -> bool {
    rest.of == Some(Dialect::Chat) && rest.members.iter().any(|(name, _)| under(name, inner).is_some())
}

/// Whether Chat's own member `name` is kept.
pub(super) fn has(rest: &Rest<'_>, name: &str) -> bool {
    rest.of == Some(Dialect::Chat) && rest.members.iter().any(|(key, _)| key == name)
}

/// JSON text that was made here, as a canonical value.
pub(super) fn made(json: String) -> Raw<'static> {
    RawValue::from_string(json).map_or(Cow::Borrowed(RawValue::NULL), Cow::Owned)
}

fn under<'n>(name: &'n str, inner: &str) -> Option<&'n str> {
    name.strip_prefix(inner)?.strip_prefix('.')
}
