//! Dotted paths into a body: `messages.0.content`, `tools.*.name`. A backslash before a dot makes it part of the name.

use super::tree::{Entries, Tree};
use crate::protocol::{
    json::{Fields, Node, WrongShape},
    rule::Json,
};

/// A path, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Path(Vec<Step>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    /// A member; in an array the element of that number.
    Name(String),
    /// All that an object or an array holds.
    Any,
}

impl Step {
    fn index(&self) -> Option<usize> {
        match self {
            Self::Name(name) => name.parse().ok(),
            Self::Any => None,
        }
    }
}

impl Path {
    /// Reads a path.
    pub(super) fn parse(text: &str) -> Result<Self, WrongShape> {
        let mut steps = vec![String::new()];
        let mut chars = text.chars();
        while let Some(char) = chars.next() {
            match char {
                '\\' => steps.last_mut().into_iter().for_each(|step| step.extend(chars.next())),
                '.' => steps.push(String::new()),
                other => steps.last_mut().into_iter().for_each(|step| step.push(other)),
            }
        }
        if steps.iter().any(String::is_empty) {
            return Err(WrongShape::new("", format!("{text:?}"), "a dotted path without empty parts, such as `tools.0.name`"));
        }
        Ok(Self(steps.into_iter().map(|step| if step == "*" { Step::Any } else { Step::Name(step) }).collect()))
    }

    /// Shows every value that the path leads to. Returns whether any of them was changed.
    pub(super) fn each<'a>(&self, tree: &mut Tree<'a>, visit: &mut dyn FnMut(&mut Tree<'a>) -> bool) -> bool {
        each(&self.0, tree, visit)
    }

    /// Sets what the path leads to. Objects on the way are made where they are absent or null.
    pub(super) fn set<'a>(&self, tree: &mut Tree<'a>, value: &'a Json) -> bool {
        set(&self.0, tree, value.as_str())
    }

    /// Deletes what the path leads to.
    pub(super) fn delete(&self, tree: &mut Tree<'_>) -> bool {
        let Some((last, way)) = self.0.split_last() else { return false };
        each(way, tree, &mut |parent| match (last, parent) {
            (Step::Any, parent) => parent.entries().is_some_and(Entries::clear),
            (Step::Name(name), parent) => match (parent.array().is_some(), last.index()) {
                (true, Some(at)) => parent.array().is_some_and(|entries| entries.remove_at(at)),
                (true, None) => false,
                (false, _) => parent.object().is_some_and(|entries| entries.remove_named(name)),
            },
        })
    }

    /// Sets members of the objects that the path leads to.
    pub(super) fn merge<'a>(&self, tree: &mut Tree<'a>, value: &'a Json) -> bool {
        let members = Node::parse(value.as_str().as_bytes()).ok().and_then(Node::object);
        let members = members.map(Fields::rest).unwrap_or_default();
        each(&self.0, tree, &mut |found| {
            let Some(entries) = found.object() else { return false };
            let mut changed = false;
            for (name, value) in &members {
                changed |= put(entries, name, value.json());
            }
            changed
        })
    }
}

/// Sets a member, each one of that name, or adds it.
fn put<'a>(entries: &mut Entries<'a>, name: &str, json: &'a str) -> bool {
    if entries.named(name).is_none() {
        entries.push_named(name, Tree::closed(json));
        return true;
    }
    let mut changed = false;
    for value in entries.all_named(name) {
        changed |= value.set(json.into());
    }
    changed
}

fn each<'a>(steps: &[Step], tree: &mut Tree<'a>, visit: &mut dyn FnMut(&mut Tree<'a>) -> bool) -> bool {
    let Some((step, rest)) = steps.split_first() else { return visit(tree) };
    let mut changed = false;
    match step {
        Step::Any => {
            for value in tree.entries().into_iter().flat_map(Entries::values) {
                changed |= each(rest, value, visit);
            }
        }
        Step::Name(name) => {
            if let Some(entries) = tree.object() {
                for value in entries.all_named(name) {
                    changed |= each(rest, value, visit);
                }
            } else if let Some(value) = step.index().and_then(|at| tree.element(at)) {
                changed = each(rest, value, visit);
            }
        }
    }
    changed
}

fn set<'a>(steps: &[Step], tree: &mut Tree<'a>, json: &'a str) -> bool {
    let Some((step, rest)) = steps.split_first() else { return tree.set(json.into()) };
    if tree.is_null() && can_be_made(steps) {
        tree.set("{}".into());
    }
    let Step::Name(name) = step else {
        return tree.entries().is_some_and(|entries| set_all(entries.values(), rest, json));
    };
    let Some(entries) = tree.object() else {
        return step.index().and_then(|at| tree.element(at)).is_some_and(|value| set(rest, value, json));
    };
    if entries.named(name).is_some() {
        return set_all(entries.all_named(name), rest, json);
    }
    can_be_made(rest) && entries.push_named(name, Tree::closed("null")).is_some_and(|value| set(rest, value, json) || rest.is_empty())
}

/// Sets it in all of them, and tells whether any was changed.
fn set_all<'t, 'a: 't>(values: impl Iterator<Item = &'t mut Tree<'a>>, steps: &[Step], json: &'a str) -> bool {
    let mut changed = false;
    for value in values {
        changed |= set(steps, value, json);
    }
    changed
}

/// Whether objects can be made for these steps: not for `*`, which is no name, and not for numbers, which mean an array.
fn can_be_made(steps: &[Step]) -> bool {
    steps.iter().all(|step| *step != Step::Any && step.index().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Json {
        Json::of(Node::parse(text.as_bytes()).unwrap())
    }

    fn after(body: &str, edit: impl for<'a> FnOnce(&mut Tree<'a>) -> bool) -> (String, bool) {
        let mut tree = Tree::closed(body.to_owned());
        let changed = edit(&mut tree);
        let mut out = String::new();
        tree.write(&mut out);
        (out, changed)
    }

    #[test]
    fn a_value_is_set_with_the_objects_around_it() {
        for (body, path, value, expected) in [
            (r#"{"a": 1}"#, "a", "2", r#"{"a": 2}"#),
            (r#"{"a": 1}"#, "b.c", "null", r#"{"a": 1,"b":{"c":null}}"#),
            ("{ }", "a", "1.50", r#"{"a":1.50}"#),
            (r#"{"a": null}"#, "a.b", "{}", r#"{"a": {"b":{}}}"#),
            (r#"{"a": [1, {"b": 2}]}"#, "a.1.b", "3", r#"{"a": [1, {"b": 3}]}"#),
            (r#"{"a": [1]}"#, "a.1", "3", r#"{"a": [1]}"#),
            (r#"{"a": "x"}"#, "a.b", "3", r#"{"a": "x"}"#),
            (r#"{"a": [{"n":1}, {}, 5]}"#, "a.*.n", "0", r#"{"a": [{"n":0}, {"n":0}, 5]}"#),
            ("{}", "a.0.b", "1", "{}"),
            ("{}", "a.*", "1", "{}"),
            (r#"{"7": 1}"#, "7", "2", r#"{"7": 2}"#),
            (r#"{"a.b": 1}"#, r"a\.b", "2", r#"{"a.b": 2}"#),
            (r#"{"a":1,"a":2}"#, "a", "3", r#"{"a":3,"a":3}"#),
            (r#"{"a": 1}"#, "a", "1", r#"{"a": 1}"#),
        ] {
            let (path, value) = (Path::parse(path).unwrap(), json(value));
            let value: &'static Json = Box::leak(Box::new(value));
            let mut tree = Tree::closed(body);
            let changed = path.set(&mut tree, value);
            let mut out = String::new();
            tree.write(&mut out);
            assert_eq!((out.as_str(), changed), (expected, body != expected), "{body} {path:?}");
        }
    }

    #[test]
    fn a_value_is_deleted_with_its_comma() {
        for (body, path, expected) in [
            (r#"{"a": 1, "b": 2}"#, "a", r#"{ "b": 2}"#),
            (r#"{"a": 1, "b": 2}"#, "b", r#"{"a": 1}"#),
            (r#"{"a": 1}"#, "a", "{}"),
            (r#"{"a": 1}"#, "b.c", r#"{"a": 1}"#),
            (r#"{"a": [1, 2, 3]}"#, "a.1", r#"{"a": [1, 3]}"#),
            (r#"{"a": [1]}"#, "a.x", r#"{"a": [1]}"#),
            (r#"{"m": [{"c":1,"d":2}, {"c":1}]}"#, "m.*.c", r#"{"m": [{"d":2}, {}]}"#),
            (r#"{"m": [1, 2]}"#, "m.*", r#"{"m": []}"#),
        ] {
            let path = Path::parse(path).unwrap();
            assert_eq!(after(body, |tree| path.delete(tree)), (expected.to_owned(), body != expected), "{body} {path:?}");
        }
    }

    #[test]
    fn members_are_merged_into_an_object_that_is_there() {
        let value: &'static Json = Box::leak(Box::new(json(r#"{"x": 9, "z": [0]}"#)));
        for (body, path, expected) in [
            (r#"{"a": {"x": 1, "y": 2}}"#, "a", r#"{"a": {"x": 9, "y": 2,"z":[0]}}"#),
            (r#"{"a": 1}"#, "a", r#"{"a": 1}"#),
            ("{}", "a", "{}"),
        ] {
            let path = Path::parse(path).unwrap();
            let mut tree = Tree::closed(body);
            let changed = path.merge(&mut tree, value);
            let mut out = String::new();
            tree.write(&mut out);
            assert_eq!((out.as_str(), changed), (expected, body != expected));
        }
    }

    #[test]
    fn a_path_without_a_name_is_refused() {
        for text in ["", ".", "a.", ".a", "a..b"] {
            assert!(Path::parse(text).is_err(), "{text}");
        }
    }
}
