//! Ids in the form that this dialect takes: known prefixes, at most 64 characters.

use std::borrow::Cow;

use super::super::alphabet::shortened;

const LONGEST: usize = 64;
/// What is kept of a foreign id: prefix and number must fit beside it.
const KEPT: usize = 40;

/// The id of an answer; foreign ones get the prefix.
pub(super) fn answer(id: &str, request_id: &str) -> String {
    if id.starts_with("resp_") {
        return id.to_owned();
    }
    format!("resp_{}", plain(if id.is_empty() { request_id } else { id }))
}

/// What the ids of an answer's items are made from.
pub(super) fn base(answer_id: &str) -> String {
    plain(answer_id.strip_prefix("resp_").unwrap_or(answer_id))
}

/// The id of an answer's item.
pub(super) fn item(prefix: &str, base: &str, number: usize) -> String {
    format!("{prefix}_{base}_{number}")
}

fn plain(id: &str) -> String {
    id.chars().filter(char::is_ascii_alphanumeric).take(KEPT).collect()
}

/// A call's id within the limit; the same text always gives the same id.
pub(super) fn call(id: &str) -> Cow<'_, str> {
    shortened(id, LONGEST)
}
