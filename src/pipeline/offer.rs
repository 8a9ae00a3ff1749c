//! The offer that begins a voice session over WebRTC: SDP alone, or a form with the session's settings beside it, which may name a model.

use std::ops::Range;

use super::{error::GatewayError, form};
use crate::protocol::{fault::FaultKind, peek::Peek};

/// Where the session's settings name a model, as a JSON string.
///
/// # Errors
/// A body that is neither, settings that are no JSON object, a model that is given more than once.
pub(super) fn model(body: &[u8], content_type: &str) -> Result<Option<Range<usize>>, GatewayError> {
    if !form::is_form(content_type) {
        if body.starts_with(b"v=") {
            return Ok(None);
        }
        return Err(bad("the body is no SDP; expected SDP, or a form with the parts \"sdp\" and \"session\""));
    }
    let parts = form::scan(body, content_type).map_err(bad)?;
    let Some(session) = parts.only("session").map_err(|message| bad(message).at("session"))? else { return Ok(None) };
    let settings = &body[session.clone()];
    let peek = Peek::scan(settings).map_err(|fault| bad(format!("\"session\": {fault}")).at("session"))?;
    if peek.text(settings, "model")?.is_none() {
        return Ok(None);
    }
    let mut models = peek.all(settings, "model").map(|member| session.start + member.value.start..session.start + member.value.end);
    match (models.next(), models.next()) {
        (model, None) => Ok(model),
        (_, Some(_)) => Err(bad("\"model\" of \"session\" is given more than once").at("session.model")),
    }
}

fn bad(message: impl Into<String>) -> GatewayError {
    GatewayError::new(FaultKind::BadRequest, message)
}

#[cfg(test)]
mod tests {
    use super::model;

    const FORM: &str = "multipart/form-data; boundary=B";

    fn form(session: &str, more: &str) -> String {
        let part = |head: &str, value: &str| format!("--B\r\nContent-Disposition: form-data; {head}\r\n\r\n{value}\r\n");
        part("name=\"sdp\"", "v=0") + &part(&format!("name=\"session\"{more}"), session) + "--B--\r\n"
    }

    #[test]
    fn the_sessions_model_is_found_and_what_hides_one_is_refused() {
        for more in ["", "; filename=\"blob\""] {
            for (session, found) in [
                (r#"{"type":"realtime","model":"up/m"}"#, Some(r#""up/m""#)),
                (r#"{"mod\u0065l":"up/m"}"#, Some(r#""up/m""#)),
                (r#"{"type":"realtime"}"#, None),
                (r#"{"model":null}"#, None),
            ] {
                let body = form(session, more);
                assert_eq!(model(body.as_bytes(), FORM).unwrap().map(|at| &body[at]), found, "{body}");
            }
            for session in ["", "[]", r#"{"model":7}"#, r#"{"model":"a","model":"b"}"#, r#"{"model":"a","model":null}"#] {
                assert!(model(form(session, more).as_bytes(), FORM).is_err(), "{session}");
            }
        }
        let twice = form("{}", "").replace("name=\"sdp\"", "name=\"session\"");
        assert!(model(twice.as_bytes(), FORM).is_err());
        assert_eq!(model(b"v=0\r\n", "application/sdp").unwrap(), None);
        assert!(model(form("{}", "").as_bytes(), "application/sdp").is_err());
        assert!(model(br#"{"session":{"model":"x"}}"#, "application/json").is_err());
    }
}
