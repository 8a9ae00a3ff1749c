//! What a referee asks the provider itself: its ledger, and what its models shall do.

use std::collections::BTreeMap;

use serde_json::json;

use super::{provider::Desk, script::Script};

/// What paths of the referee begin with.
pub(super) const PREFIX: &str = "/__lab/";

/// Answers a call by method and path behind the prefix, with a status and JSON.
pub(super) fn serve(desk: &Desk, (method, path): (&str, &str), body: &[u8]) -> (u16, String) {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    match (method, path) {
        ("GET", "ledger") => {
            let model = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "model").map(|(_, value)| value);
            (200, json!({ "attempts": desk.ledger.of(model.as_deref()) }).to_string())
        }
        ("POST", "reset") => {
            desk.reset();
            (200, "{}".to_owned())
        }
        ("POST", "scripts") => scripts(desk, body),
        _ => fault(404, "expected GET ledger[?model=], POST scripts or POST reset"),
    }
}

/// `{"model": [script, ...]}`, one script an attempt.
fn scripts(desk: &Desk, body: &[u8]) -> (u16, String) {
    let mut reader = serde_json::Deserializer::from_slice(body);
    let read: Result<BTreeMap<String, Vec<Script>>, _> = serde_path_to_error::deserialize(&mut reader);
    match read {
        Ok(models) if models.values().all(|scripts| !scripts.is_empty()) => {
            for (model, scripts) in models {
                desk.set(&model, scripts);
            }
            (200, "{}".to_owned())
        }
        Ok(_) => fault(400, "a model without a script; expected one script or more, one an attempt"),
        Err(error) => fault(400, &format!("{}: {}; expected {{model: [script, ...]}}", error.path(), error.inner())),
    }
}

fn fault(status: u16, message: &str) -> (u16, String) {
    (status, json!({ "error": { "message": message } }).to_string())
}
