//! Arguments of a call that arrive piece by piece: `partialArgs`, each with the path of the value that it adds to.

use serde_json::{Map, Value};

use super::fields;
use crate::protocol::json::{Fields, Node};

/// A call in the making.
#[derive(Debug)]
pub(super) struct Partial {
    /// The block that it became.
    pub(super) block: usize,
    args: Value,
}

impl Partial {
    pub(super) fn new(block: usize) -> Self {
        Self { block, args: Value::Object(Map::new()) }
    }

    /// Takes the next piece of the call.
    pub(super) fn add(&mut self, call: &mut Fields<'_>) {
        if let Some(args) = fields::take(call, "args").and_then(|node| serde_json::from_str::<Map<String, Value>>(node.json()).ok()) {
            self.args = Value::Object(args);
        }
        for mut piece in fields::list(call, "partialArgs").into_iter().filter_map(Node::object) {
            let path = fields::text(&mut piece, "jsonPath").ok().flatten().unwrap_or_default();
            if let Some(slot) = slot(&mut self.args, &path) {
                put(slot, &mut piece);
            }
        }
    }

    /// The arguments as far as they came.
    pub(super) fn json(&self) -> String {
        self.args.to_string()
    }
}

/// Sets a value, or continues a string.
fn put(slot: &mut Value, piece: &mut Fields<'_>) {
    if let Ok(Some(more)) = fields::text(piece, "stringValue") {
        match slot {
            Value::String(text) => text.push_str(&more),
            _ => *slot = Value::String(more.into_owned()),
        }
    } else if let Some(value) = fields::take(piece, "numberValue").or_else(|| fields::take(piece, "boolValue")) {
        *slot = serde_json::from_str(value.json()).unwrap_or_default();
    } else if piece.peek("nullValue").is_some() || piece.peek("null_value").is_some() {
        *slot = Value::Null;
    }
}

/// The place that a path such as `$.plan.steps[0]['a b']` leads to; it is made where it is not there.
fn slot<'v>(root: &'v mut Value, path: &str) -> Option<&'v mut Value> {
    let mut here = root;
    let mut rest = path.strip_prefix('$')?;
    while !rest.is_empty() {
        let (step, behind) = step(rest)?;
        rest = behind;
        here = match step {
            Step::Member(name) => {
                if !here.is_object() {
                    *here = Value::Object(Map::new());
                }
                here.as_object_mut()?.entry(name).or_insert(Value::Null)
            }
            // The pieces come in order: an index far beyond the end is a mistake.
            Step::Element(index) => {
                if !here.is_array() {
                    *here = Value::Array(Vec::new());
                }
                let all = here.as_array_mut()?;
                if index == all.len() {
                    all.push(Value::Null);
                }
                all.get_mut(index)?
            }
        };
    }
    Some(here)
}

enum Step {
    Member(String),
    Element(usize),
}

fn step(path: &str) -> Option<(Step, &str)> {
    if let Some(path) = path.strip_prefix('.') {
        let end = path.find(['.', '[']).unwrap_or(path.len());
        let (name, rest) = path.split_at(end);
        return Some((Step::Member(name.to_owned()), rest));
    }
    let (inner, rest) = path.strip_prefix('[')?.split_once(']')?;
    let name = inner.trim_matches(['\'', '"']);
    let step = if name.len() == inner.len() { Step::Element(inner.parse().ok()?) } else { Step::Member(name.to_owned()) };
    Some((step, rest))
}

#[cfg(test)]
mod tests {
    use super::Partial;
    use crate::protocol::json::Node;

    #[test]
    fn pieces_find_their_places() {
        let mut partial = Partial::new(0);
        for piece in [
            r#"{"partialArgs":[{"jsonPath":"$.city","stringValue":"Par","willContinue":true}]}"#,
            r#"{"partial_args":[{"json_path":"$.city","string_value":"is"},{"jsonPath":"$.days[0]","numberValue":1.5}]}"#,
            r#"{"partialArgs":[{"jsonPath":"$.days[1]['a b']","boolValue":true},{"jsonPath":"$.none","nullValue":"NULL_VALUE"}]}"#,
            r#"{"partialArgs":[{"jsonPath":"$.days[99]","boolValue":true}]}"#,
        ] {
            partial.add(&mut Node::parse(piece.as_bytes()).unwrap().object().unwrap());
        }
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&partial.json()).unwrap(),
            serde_json::json!({"city": "Paris", "days": [1.5, {"a b": true}], "none": null})
        );
    }
}
