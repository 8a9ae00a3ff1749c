//! Chat's own members without a canonical word, as its writers and readers use the [`Rest`] that keeps them.
//!
//! Chat nests (`tools[].function`, `image_url`, `message`): what is left of an inner object is kept with its place, so that it is
//! told as lost under its true path, and goes back to where it was.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::super::{
    Dialect,
    canon::{Raw, Rest},
};
use crate::protocol::json::{Fields, Node, ObjectWriter};

/// Keeps what is left of the object `inner` of the object that `rest` belongs to.
pub(super) fn keep<'a>(rest: &mut Rest<'a>, inner: &'static str, fields: Fields<'a>) {
    rest.keep(Dialect::Chat, inner, fields);
}

/// Puts one member back that turned out to be none of ours.
pub(super) fn put_back<'a>(rest: &mut Rest<'a>, name: &'static str, value: Node<'a>) {
    rest.of = Some(Dialect::Chat);
    rest.members.push((Cow::Borrowed(name), Cow::Borrowed(value.raw())));
}

/// Writes the members of the object itself, without those of objects within.
pub(super) fn write_outer(rest: &Rest<'_>, object: &mut ObjectWriter<'_>) {
    if rest.of == Some(Dialect::Chat) {
        for (name, json) in &rest.members {
            object.raw(name, json);
        }
    }
}

/// Writes the members of the object `inner`.
pub(super) fn write_inner(rest: &Rest<'_>, inner: &str, object: &mut ObjectWriter<'_>) {
    rest.write_within(Dialect::Chat, inner, object);
}

/// Whether anything is kept of the object `inner`.
pub(super) fn has_inner(rest: &Rest<'_>, inner: &str) -> bool {
    rest.has_within(Dialect::Chat, inner)
}

/// Whether Chat's own member `name` is kept.
pub(super) fn has(rest: &Rest<'_>, name: &str) -> bool {
    rest.of == Some(Dialect::Chat) && rest.members.iter().any(|(key, _)| key == name)
}

/// JSON text that was made here, as a canonical value.
pub(super) fn made(json: String) -> Raw<'static> {
    RawValue::from_string(json).map_or(Cow::Borrowed(RawValue::NULL), Cow::Owned)
}
