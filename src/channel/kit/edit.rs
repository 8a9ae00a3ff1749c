//! Changes below the top level of a JSON body. What is not changed keeps its bytes and its order: a schema whose
//! members change places is another prompt to a model, and to its cache.

use bytes::Bytes;
use serde_json::value::RawValue;

use crate::protocol::{peek::Peek, splice::Document};

/// What becomes of an element of an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// It stays.
    Yes,
    /// It goes.
    No,
}

/// Reads a JSON value as an object that can be changed; `None` where it is none.
#[must_use]
pub fn object(value: &[u8]) -> Option<Document> {
    let body = Bytes::copy_from_slice(value);
    let peek = Peek::scan(&body).ok()?;
    Some(Document::new(body, peek))
}

/// Changes the object that a member is. Anything else is left alone.
pub fn member(document: &mut Document, name: &str, edit: impl FnOnce(&mut Document)) {
    let Some(mut inner) = document.value(name).and_then(object) else { return };
    edit(&mut inner);
    if !inner.is_verbatim() {
        document.set(name, inner.into_pieces().concat());
    }
}

/// Changes the objects of the array that a member is, and tells how many elements are left; `None` where it is no array.
pub fn elements(document: &mut Document, name: &str, mut edit: impl FnMut(&mut Document) -> Keep) -> Option<usize> {
    let elements: Vec<&RawValue> = serde_json::from_slice(document.value(name)?).ok()?;
    let mut kept: Vec<Vec<u8>> = Vec::with_capacity(elements.len());
    let mut changed = false;
    for element in &elements {
        let bytes = element.get().as_bytes();
        let Some(mut inner) = object(bytes) else {
            kept.push(bytes.to_vec());
            continue;
        };
        if edit(&mut inner) == Keep::No {
            changed = true;
            continue;
        }
        changed |= !inner.is_verbatim();
        kept.push(inner.into_pieces().concat());
    }
    let left = kept.len();
    if changed {
        document.set(name, list(&kept));
    }
    Some(left)
}

/// The text of a string member of an object, as it came.
#[must_use]
pub fn text(document: &Document, name: &'static str) -> Option<String> {
    document.peek().text(document.body(), name).ok().flatten().map(std::borrow::Cow::into_owned)
}

/// Removes what a dotted path names: a segment is a member's name, an element's index, or `*` for each of them.
/// Gives the new value where something was removed.
#[must_use]
pub fn cut(value: &[u8], path: &[&str]) -> Option<Vec<u8>> {
    let (segment, rest) = path.split_first()?;
    match value.first() {
        Some(b'{') => cut_members(value, segment, rest),
        Some(b'[') => cut_elements(value, segment, rest),
        _ => None,
    }
}

fn cut_members(value: &[u8], segment: &str, rest: &[&str]) -> Option<Vec<u8>> {
    let mut document = object(value)?;
    cut_in(&mut document, segment, rest);
    (!document.is_verbatim()).then(|| document.into_pieces().concat())
}

/// [`cut`] on an object that is already at hand.
pub fn cut_in(document: &mut Document, segment: &str, rest: &[&str]) {
    match (segment, rest) {
        ("*", []) => document.clear(),
        ("*", _) => document.set_each(|value| cut(value, rest).map(Bytes::from)),
        (name, []) => document.remove(name),
        (name, _) => {
            if let Some(shorter) = document.value(name).and_then(|value| cut(value, rest)) {
                document.set(name, shorter);
            }
        }
    }
}

fn cut_elements(value: &[u8], segment: &str, rest: &[&str]) -> Option<Vec<u8>> {
    let elements: Vec<&RawValue> = serde_json::from_slice(value).ok()?;
    let mut kept: Vec<Vec<u8>> = Vec::with_capacity(elements.len());
    let mut changed = false;
    for (at, element) in elements.iter().enumerate() {
        let bytes = element.get().as_bytes();
        if segment != "*" && segment.parse() != Ok(at) {
            kept.push(bytes.to_vec());
        } else if rest.is_empty() {
            changed = true;
        } else if let Some(shorter) = cut(bytes, rest) {
            changed = true;
            kept.push(shorter);
        } else {
            kept.push(bytes.to_vec());
        }
    }
    changed.then(|| list(&kept))
}

fn list(elements: &[Vec<u8>]) -> Vec<u8> {
    let mut text = vec![b'['];
    text.extend(elements.join(&b','));
    text.push(b']');
    text
}

#[cfg(test)]
mod tests {
    use super::{Keep, cut, elements, object};

    #[test]
    fn a_cut_takes_only_what_its_path_names() {
        for (value, path, left) in [
            (r#"{"b":1,"a":{"y":1.50,"x":2}}"#, "a.x", Some(r#"{"b":1,"a":{"y":1.50}}"#)),
            (r#"{"z":[{"b":1,"a":2},{"a":3},4]}"#, "z.*.a", Some(r#"{"z":[{"b":1},{},4]}"#)),
            (r#"{"z":[1,2,3]}"#, "z.1", Some(r#"{"z":[1,3]}"#)),
            (r#"{"z":[1,2,3]}"#, "z.*", Some(r#"{"z":[]}"#)),
            (r#"{"z":{"p":{"k":1},"q":{"k":2}}}"#, "z.*.k", Some(r#"{"z":{"p":{},"q":{}}}"#)),
            (r#"{"z":{"p":{"k":1},"p":{"k":2,"l":3},"q":4}}"#, "z.*.k", Some(r#"{"z":{"p":{},"p":{"l":3},"q":4}}"#)),
            (r#"{"z":{"p":1,"q":2}}"#, "z.*", Some(r#"{"z":{}}"#)),
            (r#"{"z":{}}"#, "z.*", None),
            (r#"{"z":1}"#, "z.a", None),
            (r#"{"z":1}"#, "y", None),
        ] {
            let path: Vec<&str> = path.split('.').collect();
            assert_eq!(cut(value.as_bytes(), &path).map(|cut| String::from_utf8(cut).unwrap()).as_deref(), left, "{value} {path:?}");
        }
    }

    /// Work that grows with the square of the members would not end.
    #[test]
    fn a_star_costs_no_more_than_the_members_that_it_stands_for() {
        let object = |value: &str| format!("{{{}}}", (0..100_000).map(|at| format!("\"n{at}\":{value}")).collect::<Vec<_>>().join(","));
        assert!(cut(object("{\"k\":1}").as_bytes(), &["*", "k"]).unwrap() == object("{}").into_bytes());
        assert_eq!(cut(object("1").as_bytes(), &["*"]).unwrap(), b"{}");
    }

    #[test]
    fn untouched_elements_keep_their_bytes() {
        let mut body = object(br#"{"tools":[{"b":1.0, "a":0},{"type":"x"}, {"type":"y","q":[ ]}],"n":1}"#).unwrap();
        let left = elements(&mut body, "tools", |tool| {
            if tool.value("q").is_some() {
                tool.remove("type");
                return Keep::Yes;
            }
            if tool.value("type").is_some() { Keep::No } else { Keep::Yes }
        });
        assert_eq!(left, Some(2));
        assert_eq!(body.into_pieces().concat(), br#"{"tools":[{"b":1.0, "a":0},{"q":[ ]}],"n":1}"#);
    }
}
