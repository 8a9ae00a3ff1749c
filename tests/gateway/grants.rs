//! What a permission for one model opens, and what only one for the whole provider does.

use gproxy::protocol::{
    Family, Operation,
    catalog::{CATALOG, ModelPosition},
};
use serde_json::{Value, json};

use crate::harness::{Gateway, KEY, NARROW};

const FORM: (&str, &str) = ("content-type", "multipart/form-data; boundary=B");

fn part(head: &str, value: &str) -> String {
    format!("--B\r\nContent-Disposition: form-data; {head}\r\n\r\n{value}\r\n")
}

async fn ask(gateway: &Gateway, key: &str, path: &str, body: &str, content_type: (&str, &str)) -> (u16, String) {
    let answer = gateway.call("POST", path, &[("authorization", &format!("Bearer {key}")), content_type], body.as_bytes()).await;
    (answer.status, answer.text().to_owned())
}

#[tokio::test]
async fn a_model_does_not_hide_in_a_form_however_it_is_spelled() {
    let gateway = Gateway::start("custom").await;
    gateway.upstream.always(200, r#"{"text":"x"}"#);
    let form = |head: &str, model: &str| part("name=\"file\"; filename=\"a.wav\"", "RIFF") + &part(head, model) + "--B--\r\n";
    let mut passed = 0;
    for head in [
        "name=\"model\"",
        "name=model",
        "name=\"model\"; xfilename=\"\"",
        "x_name=\"z\"; name=\"model\"",
        "name = \"model\"",
        "NAME=\"model\"",
    ] {
        let (status, said) = ask(&gateway, NARROW, "/up/v1/audio/transcriptions", &form(head, "costly"), FORM).await;
        assert!(status == 403 && said.contains("up/costly"), "{head}: {status} {said}");
        let (status, said) = ask(&gateway, NARROW, "/up/v1/audio/transcriptions", &form(head, "allowed-1"), FORM).await;
        assert_eq!(status, 200, "{head}: {said}");
        passed += 1;
    }
    for head in ["name=\"x\"; name=\"model\"", "name=\"mo\\del\"", "name=\"model\"; filename=\"a\"", "name*=UTF-8''model"] {
        let (status, said) = ask(&gateway, NARROW, "/up/v1/audio/transcriptions", &form(head, "costly"), FORM).await;
        assert_eq!(status, 400, "{head}: {said}");
    }
    let twice = part("name=\"model\"", "allowed-1") + &form("name=\"model\"", "allowed-1");
    assert_eq!(ask(&gateway, NARROW, "/up/v1/audio/transcriptions", &twice, FORM).await.0, 400);
    assert_eq!(gateway.upstream.got().len(), passed);
}

#[tokio::test]
async fn a_paid_call_without_a_model_takes_a_permission_for_the_whole_provider() {
    let gateway = Gateway::start("custom").await;
    gateway.upstream.always(200, "{}");
    let nameless = part("name=\"prompt\"", "x") + "--B--\r\n";
    for (path, body, content_type) in [
        ("/up/v1/audio/transcriptions", nameless.as_str(), FORM),
        ("/up/v1/images/edits", &nameless, FORM),
        ("/up/v1/videos", &nameless, FORM),
        ("/up/v1/images/generations", r#"{"prompt":"x"}"#, ("content-type", "application/json")),
        ("/up/v1/moderations", r#"{"input":"x"}"#, ("content-type", "application/json")),
        ("/up/v1/realtime/calls", "v=0\r\n", ("content-type", "application/sdp")),
    ] {
        let (status, said) = ask(&gateway, NARROW, path, body, content_type).await;
        assert!(status == 403 && said.contains("up/*"), "{path}: {status} {said}");
        let sent = gateway.upstream.got().len();
        assert_eq!(ask(&gateway, KEY, path, body, content_type).await.0, 200, "{path}");
        assert_eq!(gateway.upstream.got().len(), sent + 1);
    }
}

#[tokio::test]
async fn a_voice_sessions_own_model_is_the_querys_or_stands_for_it() {
    let gateway = Gateway::start("custom").await;
    gateway.upstream.always(201, "v=0");
    let offer = |session: &Value| part("name=\"sdp\"", "v=0") + &part("name=\"session\"", &session.to_string()) + "--B--\r\n";
    let of = |model: &str| offer(&json!({"type": "realtime", "model": model, "voice": "x"}));
    for (path, body, wanted) in [
        ("/up/v1/realtime/calls?model=allowed-1", of("costly"), 400),
        ("/up/v1/realtime/calls", of("costly"), 403),
        ("/up/v1/realtime/calls", offer(&json!({"type": "realtime"})), 403),
        ("/v1/realtime/calls", of("up/costly"), 403),
        ("/up/v1/realtime/calls?model=allowed-1", "x".to_owned(), 400),
    ] {
        let (status, said) = ask(&gateway, NARROW, path, &body, FORM).await;
        assert_eq!(status, wanted, "{path}: {said}");
    }
    let hidden = ask(&gateway, NARROW, "/up/v1/realtime/calls?model=allowed-1", &of("costly"), ("content-type", "application/sdp")).await;
    assert_eq!(hidden.0, 400, "a form under another name: {}", hidden.1);
    assert!(gateway.upstream.got().is_empty());
    let odd = "allowed\",\"model\":\"costly";
    for (path, model, line, sent) in [
        ("/up/v1/realtime/calls", "allowed-1", "/v1/realtime/calls ", "allowed-1"),
        ("/up/v1/realtime/calls?model=allowed-1", "allowed-1", "/v1/realtime/calls?model=allowed-1 ", "allowed-1"),
        ("/v1/realtime/calls?a=b", "up/allowed-1", "/v1/realtime/calls?a=b ", "allowed-1"),
        ("/v1/realtime/calls", &format!("up/{odd}"), "/v1/realtime/calls ", odd),
    ] {
        let (status, said) = ask(&gateway, NARROW, path, &of(model), FORM).await;
        assert_eq!(status, 201, "{path}: {said}");
        let got = gateway.upstream.last();
        assert!(got.head.starts_with(&format!("post {line}")), "{}", got.head);
        assert_eq!(String::from_utf8(got.body).unwrap(), offer(&json!({"type": "realtime", "model": sent, "voice": "x"})));
    }
}

#[tokio::test]
async fn what_a_provider_keeps_is_closed_to_a_permission_for_one_model() {
    let gateway = Gateway::start("custom").await;
    gateway.upstream.always(200, "{}");
    let mut rows = 0;
    for row in CATALOG.iter().filter(|row| row.model == ModelPosition::Absent && row.key(false).operation() != Operation::ListModels) {
        let path = format!("/up{}", row.path.replace("{id}", "id_1"));
        let family = if row.key(false).kind().family() == Family::Claude { "anthropic-version" } else { "x-plain" };
        let call = async |key: &str| {
            let headers = [("authorization", &*format!("Bearer {key}")), (family, "2023-06-01")];
            gateway.call(row.method.as_str(), &path, &headers, b"").await
        };
        let refused = call(NARROW).await;
        assert!(refused.status == 403 && refused.text().contains("up/*"), "{path}: {} {}", refused.status, refused.text());
        assert_eq!(gateway.upstream.got().len(), rows, "{path} reached the provider");
        let answer = call(KEY).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        rows += 1;
        assert_eq!(gateway.upstream.got().len(), rows, "{path}");
    }
    assert!(rows > 40, "{rows}");
}

#[tokio::test]
async fn a_providers_list_shows_what_the_caller_may_use() {
    let gateway = Gateway::start("custom").await;
    let list = r#"{"object":"list","data":[{"id":"allowed-1","object":"model","created":1,"owned_by":"x"},
        {"id":"costly","object":"model","created":1,"owned_by":"x"}],"odd":1}"#;
    for (key, ids) in [(NARROW, vec!["allowed-1"]), (KEY, vec!["allowed-1", "costly"])] {
        gateway.upstream.answers_json(list);
        let answer = gateway.call("GET", "/up/v1/models", &[("authorization", &format!("Bearer {key}"))], b"").await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let shown = answer.json();
        let shown: Vec<&str> = shown["data"].as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap()).collect();
        assert_eq!(shown, ids);
        assert_eq!(answer.text() == list, key == KEY, "whoever may use all of them gets the provider's bytes");
    }
    gateway.upstream.answers_json("no list");
    let answer = gateway.call("GET", "/up/v1/models", &[("authorization", &format!("Bearer {NARROW}"))], b"").await;
    assert_eq!(answer.status, 502, "{}", answer.text());
}
