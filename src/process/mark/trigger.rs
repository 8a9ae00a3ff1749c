//! Trigger texts: found and taken out of JSON text.
//!
//! They are of letters, digits and underscores, so they stand in JSON as in the string, and taking one out leaves JSON.

use memchr::memmem;

use crate::protocol::cache_mark::{CacheTtl, TRIGGER, TRIGGER_ENDS};

/// Whether a text may have one.
pub(in crate::process) fn is_in(text: &str) -> bool {
    memmem::find(text.as_bytes(), TRIGGER.as_bytes()).is_some()
}

/// The text without its triggers, and what the first asked for; `None` where there are none.
pub(in crate::process) fn strip(text: &str) -> Option<(String, CacheTtl)> {
    let mut found = None;
    let mut out = String::new();
    let mut at = 0;
    for start in memmem::find_iter(text.as_bytes(), TRIGGER.as_bytes()) {
        let end = start + TRIGGER.len();
        let Some((ending, ttl)) = TRIGGER_ENDS.iter().find(|(ending, _)| text[end..].starts_with(ending)) else { continue };
        found.get_or_insert(*ttl);
        out.push_str(&text[at..start]);
        at = end + ending.len();
    }
    out.push_str(&text[at..]);
    found.map(|ttl| (out, ttl))
}
