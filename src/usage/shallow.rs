//! A whole body without the long list in it that tells nothing, so that only the rest must be walked.
//!
//! The list is found and skipped by counting brackets, so what stands in it is not checked to be JSON, but for its
//! UTF-8. Each list goes with the marks without which nothing in it is of interest to the meter; a list that has one of
//! them is kept.

use super::draft::Dialect;
use crate::protocol::{Operation, peek::Peek};

/// A list that may be left out.
struct List {
    key: &'static [u8],
    /// Any of these in it may tell something.
    marks: &'static [&'static [u8]],
}

/// Vectors by `OpenAI`'s name for them; elsewhere pictures go by it.
const DATA: List = List { key: b"data", marks: &[b"\"b64_json\"", b"\"url\""] };
/// Vectors by Google's name.
const EMBEDDINGS: List =
    List { key: b"embeddings", marks: &[b"\"statistics\"", b"\"parts\"", b"\"webSearchQueries\"", b"\"predictions\""] };

/// Only vectors are long enough to be worth the search: an answer of words is walked more quickly than it is searched
/// and walked for the rest, and its text is counted.
fn list(operation: Operation, dialect: Dialect) -> Option<&'static List> {
    match (operation, dialect) {
        (Operation::CreateEmbedding | Operation::BatchCreateEmbedding, Dialect::Other) => Some(&DATA),
        (Operation::BatchCreateEmbedding, Dialect::Gemini) => Some(&EMBEDDINGS),
        _ => None,
    }
}

/// The body with an empty list for the long one; `None` where the body must be walked as it is.
pub(super) fn shortened(body: &[u8], operation: Operation, dialect: Dialect) -> Option<Vec<u8>> {
    let list = list(operation, dialect)?;
    let peek = Peek::scan(body).ok()?;
    let mut short = Vec::new();
    let mut kept = 0;
    for member in peek.members() {
        let value = &body[member.value.clone()];
        // The meter reads keys as they are written, so one with escapes is another key.
        let key = &body[member.key.start + 1..member.key.end - 1];
        if key != list.key || !tells_nothing(value, list) {
            continue;
        }
        short.extend_from_slice(&body[kept..member.value.start]);
        short.extend_from_slice(b"[]");
        kept = member.value.end;
    }
    if kept == 0 {
        return None;
    }
    short.extend_from_slice(&body[kept..]);
    Some(short)
}

fn tells_nothing(value: &[u8], list: &List) -> bool {
    value.first() == Some(&b'[')
        && list.marks.iter().all(|mark| memchr::memmem::find(value, mark).is_none())
        && std::str::from_utf8(value).is_ok()
}
