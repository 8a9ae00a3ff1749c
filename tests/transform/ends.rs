//! How a stream ends, as its client sees it.

use gproxy::transform::generate::Dialect;
use serde_json::Value;

/// How a told stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// With its dialect's terminal event.
    Well,
    /// With its dialect's error event.
    Error,
}

/// The one end of a stream of server-sent events.
///
/// # Errors
/// It has none, or several, or something stands behind it; or an event is no JSON.
pub(crate) fn end(dialect: Dialect, stream: &str) -> Result<End, String> {
    let mut ends = Vec::new();
    let mut said = false;
    for event in stream.split_terminator("\n\n") {
        let data: Vec<&str> = event.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
        let [data] = data[..] else { return Err(format!("an event without one line of data: {event:?}")) };
        if !ends.is_empty() {
            return Err(format!("behind the end: {event:?}"));
        }
        if data == "[DONE]" && dialect == Dialect::Chat {
            ends.push(End::Well);
            continue;
        }
        let json: Value = serde_json::from_str(data).map_err(|fault| format!("{fault}: {data:?}"))?;
        said |= finishes(&json);
        ends.extend(ending(dialect, &json));
    }
    match (dialect, &ends[..]) {
        (_, [End::Error]) => Ok(End::Error),
        // Google's streams end with the last of their chunks that says why, not with an event for it.
        (Dialect::Gemini, []) if said => Ok(End::Well),
        (Dialect::Chat, [End::Well]) if !said => Err(String::from("an end that no choice gave a reason for")),
        (_, [End::Well]) => Ok(End::Well),
        (_, other) => Err(format!("{} ends", other.len())),
    }
}

fn ending(dialect: Dialect, event: &Value) -> Option<End> {
    let kind = event["type"].as_str().unwrap_or_default();
    match (dialect, kind) {
        (Dialect::Responses, "response.completed" | "response.incomplete") | (Dialect::Claude, "message_stop") => Some(End::Well),
        (Dialect::Responses, "response.failed" | "error") | (Dialect::Claude, "error") => Some(End::Error),
        (Dialect::Chat | Dialect::Gemini, _) if event["error"].is_object() => Some(End::Error),
        (_, _) => None,
    }
}

fn finishes(event: &Value) -> bool {
    let said = |list: &str, member: &str| event[list].as_array().is_some_and(|all| all.iter().any(|one| one[member].is_string()));
    said("choices", "finish_reason") || said("candidates", "finishReason") || event["promptFeedback"].is_object()
}
