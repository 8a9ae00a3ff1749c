//! Ids and models that clients name end up in the paths that providers are asked by, with the operator's credential: none of them leads
//! elsewhere.

use std::borrow::Cow;

use gproxy::runtime::native;
use percent_encoding::percent_decode_str;
use serde_json::json;

use crate::harness::{Gateway, KEY, NARROW, Upstream};

/// What a reader may find in a path: each of its segments, however often its encoding is undone.
fn leads_elsewhere(path: &str) -> bool {
    let mut reading = Cow::Borrowed(path);
    for _ in 0..8 {
        if reading.split(['/', '\\']).any(|segment| [".", ".."].contains(&segment.split(';').next().unwrap_or_default())) {
            return true;
        }
        reading = Cow::Owned(percent_decode_str(&reading).decode_utf8_lossy().into_owned());
    }
    false
}

#[tokio::test]
async fn an_id_or_a_model_that_leads_elsewhere_is_refused_in_the_callers_dialect() {
    let gateway = Gateway::start("custom").await;
    let bearer = ("authorization", "Bearer sk-test-everything");
    let (claude, google) = (("anthropic-version", "2023-06-01"), ("x-goog-api-key", KEY));
    for (method, path, family, kind) in [
        ("GET", "/v1/models/up/cheap/../../organization/api_keys", bearer, "invalid_request_error"),
        ("GET", "/up/v1/models/cheap/%2e%2e/%2e%2e/organization/api_keys", bearer, "invalid_request_error"),
        ("GET", "/v1/models/up/cheap//x", bearer, "invalid_request_error"),
        ("GET", "/v1/models/up/cheap%5c..%5cx", bearer, "invalid_request_error"),
        ("GET", "/v1/models/up/a%0ab", claude, "invalid_request_error"),
        ("POST", "/v1beta/models/up/cheap/../costly:generateContent", google, "INVALID_ARGUMENT"),
        ("POST", "/up/v1beta/models/cheap%2f..%2f..%2fx:generateContent", google, "INVALID_ARGUMENT"),
        ("POST", "/up/v1beta/models/./costly:generateContent", google, "INVALID_ARGUMENT"),
        ("POST", "/up/v1beta/models/%252e%252e:countTokens", google, "INVALID_ARGUMENT"),
        ("GET", "/up/v1/files/..", bearer, "invalid_request_error"),
        ("GET", "/up/v1/files/%2e%2e", claude, "invalid_request_error"),
        ("DELETE", "/up/v1/files/a%2f..%2f..%2fbatches%2fb", bearer, "invalid_request_error"),
        ("GET", "/up/v1/files/%252e%252e/content", bearer, "invalid_request_error"),
        ("GET", "/up/v1/messages/batches/../results", claude, "invalid_request_error"),
        ("POST", "/up/v1/videos/..;x/remix", bearer, "invalid_request_error"),
    ] {
        let key = ("authorization", "Bearer sk-test-everything");
        let answer = gateway.call(method, path, &[key, family], b"{}").await;
        assert_eq!(answer.status, 400, "{method} {path}: {}", answer.text());
        assert!(answer.text().contains(kind), "{method} {path}: {}", answer.text());
    }
    for model in ["", "up/", "up/./m", "up/a/../m", "up//m", "up/a\\m", "up/a\nm", "up/%2e%2e/m", "up/a%252f..%252fm"] {
        let answer = gateway.post("/v1/chat/completions", json!({"model": model, "messages": []}).to_string().as_bytes()).await;
        assert_eq!((answer.status, &answer.json()["error"]["param"]), (400, &"model".into()), "{model:?}: {}", answer.text());
    }
    assert!(gateway.upstream.got().is_empty(), "a refused call reached the provider");
}

#[tokio::test]
async fn models_with_slashes_pass_as_they_are() {
    let gateway = Gateway::start("custom").await;
    gateway.upstream.always(200, "{}");
    for model in ["meta/llama-3", "@cf/meta/x", "accounts/a/models/m", "m..n", "...", "a b"] {
        let body = json!({"model": format!("up/{model}"), "input": "x"}).to_string();
        assert_eq!(gateway.post("/v1/embeddings", body.as_bytes()).await.status, 200, "{model}");
        let sent: serde_json::Value = serde_json::from_slice(&gateway.upstream.last().body).unwrap();
        assert_eq!(sent["model"], model);
        let path = format!("/v1/models/up/{}", model.replace(' ', "%20"));
        let answer = gateway.call("GET", &path, &[("authorization", "Bearer sk-test-everything")], b"").await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        let wanted = format!("get {} http/1.1", path.replace("/up/", "/"));
        assert_eq!(gateway.upstream.last().head.lines().next(), Some(&*wanted));
    }
}

#[tokio::test]
async fn whatever_is_accepted_begins_with_the_providers_base_and_stays_below_it() {
    let upstream = Upstream::start().await;
    upstream.always(200, r#"{"totalTokens":1}"#);
    let (platform, _tasks) = native::platform();
    let gateway = Gateway::before(&format!("http://{}/base", upstream.address), platform).await;
    let pieces = ["", ".", "..", "%2e", "%252e%252e", "/", "%2f", "%252F", "a", ";"];
    let (mut sent, mut refused) = (0, 0);
    for one in pieces {
        for two in pieces {
            for three in pieces {
                let text = [one, two, three].concat();
                for (method, path) in [
                    ("GET", format!("/up/v1/models/{text}")),
                    ("POST", format!("/up/v1beta/models/{text}:countTokens")),
                    ("DELETE", format!("/up/v1/files/{text}")),
                ] {
                    let answer = gateway.call(method, &path, &[("authorization", "Bearer sk-test-everything")], b"{}").await;
                    let got = upstream.got();
                    if answer.status == 200 && got.len() > sent {
                        sent = got.len();
                        let head = got.last().unwrap().head.clone();
                        let asked = head.split(' ').nth(1).unwrap();
                        assert!(asked.starts_with("/base/v1") && !leads_elsewhere(asked), "{path} became {asked}");
                    } else {
                        refused += 1;
                        assert!(
                            [400, 404, 405].contains(&answer.status) && got.len() == sent,
                            "{path}: {} {}",
                            answer.status,
                            answer.text()
                        );
                    }
                }
            }
        }
    }
    assert!(sent > 50 && refused > 1000, "{sent} sent, {refused} refused");
}

#[tokio::test]
async fn a_pattern_is_not_dodged_by_another_spelling_of_the_model() {
    let gateway = Gateway::start("custom").await;
    for model in ["up/allowed/../other", "up/allowed-1/%2e%2e/other", "up/./allowed", "up/allowed//x"] {
        let body = json!({"model": model, "messages": []}).to_string();
        let answer = gateway.call("POST", "/v1/chat/completions", &[("authorization", &format!("Bearer {NARROW}"))], body.as_bytes()).await;
        assert_eq!(answer.status, 400, "{model}: {}", answer.text());
    }
    assert!(gateway.upstream.got().is_empty());
}
