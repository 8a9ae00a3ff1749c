//! A summary in the place where OpenAI keeps an encrypted one.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use memchr::memmem;

use super::HEAD;
use crate::protocol::json::{ArrayWriter, Node, WrongShape, object};

/// Says that the text behind it is a summary of ours. No dialect has this word, so a seal is never taken for somebody's signature.
const MARK: &str = "gproxy1.summary.";

/// A summary's text, sealed.
pub(super) fn sealed(summary: &str) -> String {
    format!("{MARK}{}", URL_SAFE_NO_PAD.encode(summary))
}

/// The summary in an `encrypted_content`, where it is one of ours.
pub(super) fn summary(encrypted: &str) -> Option<String> {
    let bytes = URL_SAFE_NO_PAD.decode(encrypted.strip_prefix(MARK)?.trim_end_matches('=')).ok()?;
    String::from_utf8(bytes).ok()
}

/// Whether a body may hold a sealed summary: a search that costs next to nothing.
#[must_use]
pub fn is_sealed(body: &[u8]) -> bool {
    memmem::find(body, MARK.as_bytes()).is_some()
}

/// A Responses body (also of a count, a compaction, or a WebSocket message) with each sealed summary of ours in its `input`
/// replaced by a user's message with its words. `None` where there is none: the body stays as it is.
///
/// # Errors
/// The body holds our mark and is no JSON object, or a seal is broken.
pub fn opened(body: &[u8]) -> Result<Option<Vec<u8>>, WrongShape> {
    if !is_sealed(body) {
        return Ok(None);
    }
    let fields = Node::parse(body)?.members()?;
    let Some(items) = fields.peek("input").and_then(Node::array) else { return Ok(None) };
    let mut summaries = Vec::with_capacity(items.len());
    for (at, item) in items.iter().enumerate() {
        summaries.push(of_item(*item).map_err(|fault| fault.at(at).under("input"))?);
    }
    if summaries.iter().all(Option::is_none) {
        return Ok(None);
    }
    let mut out = Vec::with_capacity(body.len());
    object(&mut out, |o| {
        for (name, value) in fields.rest() {
            if name == "input" {
                o.array("input", |a| items.iter().zip(&summaries).for_each(|(item, summary)| write(*item, summary.as_deref(), a)));
            } else {
                o.raw(&name, value.raw());
            }
        }
    });
    Ok(Some(out))
}

/// The summary in an item, where it is one of ours.
fn of_item(item: Node<'_>) -> Result<Option<String>, WrongShape> {
    let Some(fields) = item.object() else { return Ok(None) };
    // Codex has two further names for it.
    let compaction = matches!(fields.peek_text("type").as_deref(), Some("compaction" | "compaction_summary" | "context_compaction"));
    let Some(encrypted) = fields.peek_text("encrypted_content").filter(|text| compaction && text.starts_with(MARK)) else {
        return Ok(None);
    };
    summary(&encrypted).map(Some).ok_or_else(|| WrongShape::new("encrypted_content", "altered", "the summary as it was given"))
}

fn write(item: Node<'_>, summary: Option<&str>, a: &mut ArrayWriter<'_>) {
    let Some(summary) = summary else {
        a.raw(item.raw());
        return;
    };
    a.object(|o| {
        o.text("type", "message").text("role", "user").array("content", |a| {
            a.object(|o| {
                o.text("type", "input_text").text("text", &format!("{HEAD}{summary}"));
            });
        });
    });
}
