//! Reading Google's JSON: each member under its camel case name or its snake case one, numbers also as strings.
//!
//! So reads protojson on the server, and clients make use of it.

use std::borrow::Cow;

use crate::protocol::json::{Fields, Node, WrongShape};

/// Takes a member under either of its names; `null` counts as absent.
pub(super) fn take<'a>(fields: &mut Fields<'a>, name: &str) -> Option<Node<'a>> {
    let found = fields.some(name);
    if found.is_some() || !name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return found;
    }
    let mut room = [0; 64];
    fields.some(snake(name, &mut room)?)
}

/// Looks at a member under either of its names without taking it.
pub(super) fn peek<'a>(fields: &Fields<'a>, name: &str) -> Option<Node<'a>> {
    let mut room = [0; 64];
    fields.peek(name).or_else(|| fields.peek(snake(name, &mut room)?)).filter(|node| !node.is_null())
}

/// The snake case form of a name, without an allocation.
fn snake<'r>(name: &str, room: &'r mut [u8; 64]) -> Option<&'r str> {
    let mut length = 0;
    for byte in name.bytes() {
        if byte.is_ascii_uppercase() {
            *room.get_mut(length)? = b'_';
            length += 1;
        }
        *room.get_mut(length)? = byte.to_ascii_lowercase();
        length += 1;
    }
    std::str::from_utf8(&room[..length]).ok()
}

/// Takes a string.
pub(super) fn text<'a>(fields: &mut Fields<'a>, name: &str) -> Result<Option<Cow<'a, str>>, WrongShape> {
    read(fields, name, "a string", Node::text)
}

/// Takes a boolean.
pub(super) fn flag(fields: &mut Fields<'_>, name: &str) -> Result<Option<bool>, WrongShape> {
    read(fields, name, "a boolean", Node::bool)
}

/// Takes a whole number; protojson writes large ones as strings.
pub(super) fn whole(fields: &mut Fields<'_>, name: &str) -> Result<Option<i64>, WrongShape> {
    read(fields, name, "a whole number", whole_of)
}

/// Takes a whole number that is not negative.
pub(super) fn count(fields: &mut Fields<'_>, name: &str) -> Result<Option<u64>, WrongShape> {
    read(fields, name, "a whole number, not negative", |node| node.unsigned().or_else(|| node.text()?.parse().ok()))
}

/// Takes a number.
pub(super) fn number(fields: &mut Fields<'_>, name: &str) -> Result<Option<f64>, WrongShape> {
    read(fields, name, "a number", |node| node.number().or_else(|| node.text()?.parse().ok()))
}

/// Takes an object.
pub(super) fn object<'a>(fields: &mut Fields<'a>, name: &str) -> Result<Option<Fields<'a>>, WrongShape> {
    read(fields, name, "an object", Node::object)
}

/// Takes a list; one thing where a list is meant is a list of one.
pub(super) fn list<'a>(fields: &mut Fields<'a>, name: &str) -> Vec<Node<'a>> {
    take(fields, name).map(items).unwrap_or_default()
}

/// The elements of a list; one thing where a list is meant is a list of one.
pub(super) fn items(node: Node<'_>) -> Vec<Node<'_>> {
    node.array().unwrap_or_else(|| vec![node])
}

/// Takes a list of strings.
pub(super) fn texts<'a>(fields: &mut Fields<'a>, name: &str) -> Result<Vec<Cow<'a, str>>, WrongShape> {
    let each = list(fields, name).into_iter().enumerate();
    each.map(|(index, node)| node.text().ok_or_else(|| node.wrong("", "a string").at(index).under(name))).collect()
}

fn whole_of(node: Node<'_>) -> Option<i64> {
    node.signed().or_else(|| node.text()?.parse().ok())
}

fn read<'a, T>(
    fields: &mut Fields<'a>,
    name: &str,
    expected: &str,
    read: impl FnOnce(Node<'a>) -> Option<T>,
) -> Result<Option<T>, WrongShape> {
    let Some(value) = take(fields, name) else { return Ok(None) };
    read(value).map(Some).ok_or_else(|| value.wrong(name, expected))
}
