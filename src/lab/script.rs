//! What the provider does with one attempt, written down as data.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// What is done with one attempt. Nothing said is the healthy answer.
///
/// As JSON it is what `POST /__lab/scripts` takes; as a model's name it is `script,status=503,retry_after=2`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Script {
    /// Closes the connection with a reset, before any byte.
    pub reset: bool,
    /// Milliseconds until the head, or until the reset.
    pub head_ms: u64,
    /// A refusal with this status instead of an answer.
    pub status: Option<u16>,
    /// The refusal's code, which is also named in its message.
    pub code: Option<String>,
    /// `Retry-After`, as it stands.
    pub retry_after: Option<String>,
    /// More headers.
    pub headers: BTreeMap<String, String>,
    /// Milliseconds between the head and the first content.
    pub content_ms: u64,
    /// An event of broken JSON stands before this content event, counted from 1.
    pub garbage_event: Option<usize>,
    /// After so many content events nothing comes for `stall_ms`; then the connection is closed.
    pub stall_event: Option<usize>,
    /// How long a stall lasts, in milliseconds.
    pub stall_ms: u64,
    /// After so many content events nothing comes for `pause_ms`; then the stream goes on.
    pub pause_event: Option<usize>,
    /// How long a pause lasts, in milliseconds.
    pub pause_ms: u64,
    /// After so many content events the connection is closed inside of the body.
    pub cut_event: Option<usize>,
    /// After so many bytes of the body the connection is closed.
    pub cut_byte: Option<usize>,
    /// After so many content events the body ends in good order, as if it were whole.
    pub end_event: Option<usize>,
    /// Leaves out `[DONE]`, where the dialect has it.
    pub without_done: bool,
    /// Milliseconds that the body stays open after the last event.
    pub linger_ms: u64,
    /// Over HTTP/2: a GOAWAY says before the head that this request was not begun with. Over HTTP/1.1, which has no such word, the
    /// connection is closed before any byte.
    pub goaway: bool,
    /// Over HTTP/2: after so many content events a GOAWAY says that this is the last request of its connection; the stream goes on. Over
    /// HTTP/1.1 nothing.
    pub goaway_event: Option<usize>,
    /// Refuses a request whose last turn is the assistant's, with 400.
    pub refuses_prefill: bool,
}

impl Script {
    /// Reads the name of a model that is a script. `None` where it is no script.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    #[must_use]
    pub fn named(model: &str) -> Option<Result<Self, String>> {
        let pairs = model.strip_prefix("script")?;
        if !(pairs.is_empty() || pairs.starts_with(',')) {
            return None;
        }
        let members: Map<String, Value> = pairs.split(',').filter(|pair| !pair.is_empty()).map(member).collect();
        Some(serde_json::from_value(Value::Object(members)).map_err(|error| error.to_string()))
    }

    /// A refusal.
    #[must_use]
    pub fn refusal(status: u16) -> Self {
        Self { status: Some(status), ..Self::default() }
    }

    /// What the refusal says.
    #[must_use]
    pub fn message(&self) -> String {
        let status = self.status.unwrap_or_default();
        match &self.code {
            Some(code) => format!("the lab refuses with {status}: {code}"),
            None => format!("the lab refuses with {status}"),
        }
    }

    pub(super) fn head_wait(&self) -> Duration {
        Duration::from_millis(self.head_ms)
    }

    pub(super) fn content_wait(&self) -> Duration {
        Duration::from_millis(self.content_ms)
    }
}

/// A member of a script from `name=value`; a name alone is a switch.
fn member(pair: &str) -> (String, Value) {
    let (name, value) = pair.split_once('=').unwrap_or((pair, "true"));
    let is_text = matches!(name, "retry_after" | "code");
    let value = if is_text { json!(value) } else { serde_json::from_str(value).unwrap_or_else(|_| json!(value)) };
    (name.to_owned(), value)
}

#[cfg(test)]
mod tests {
    use super::Script;

    #[test]
    fn a_models_name_may_be_a_script() {
        let script = Script::named("script,status=429,retry_after=2,head_ms=50").unwrap().unwrap();
        let expected = Script { status: Some(429), retry_after: Some("2".into()), head_ms: 50, ..Script::default() };
        assert_eq!(script, expected);
        assert_eq!(Script::named("script,reset").unwrap().unwrap(), Script { reset: true, ..Script::default() });
        assert_eq!(Script::named("script").unwrap().unwrap(), Script::default());
        assert!(Script::named("scripted-1").is_none());
        assert!(Script::named("script,stutus=1").unwrap().unwrap_err().contains("stutus"));
        assert!(Script::named("script,status=many").unwrap().is_err());
    }
}
