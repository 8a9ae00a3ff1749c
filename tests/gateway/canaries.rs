//! Secrets put into every input of the real program appear in no sink: no answer, no log line, no metric, no file.

use std::{fs, path::Path};

use serde_json::json;

use crate::program::Program;

/// Secrets of inputs that rest in clear where the configuration does: they are looked for everywhere but in the files.
/// (docs/security.md says so.)
const RESTING: &[&str] = &["canary-base-url", "canary-setting-header", "canary-provider-proxy", "canary-instance-proxy"];
/// All others.
const SECRET: &[&str] = &[
    "sk-canary-credential",
    "sk-canary-in-json",
    "canary-password",
    "canary-changed-password",
    "canary-guess",
    "canary-token",
    "sk-canary-bearer",
    "sk-canary-header",
    "sk-canary-query",
    "canary-cookie",
    "canary-wrong-member",
    "canary-wrong-list",
    "canary-wrong-text",
    "canary-prompt",
];

fn files(folder: &Path, found: &mut Vec<(String, Vec<u8>)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push((path.display().to_string(), fs::read(&path).unwrap()));
        }
    }
}

fn holds(text: &[u8], secret: &str) -> bool {
    text.windows(secret.len()).any(|window| window == secret.as_bytes())
}

/// The calls that were recorded, once the one that failed at its provider is among them with its attempts. Records are written
/// behind the answers, so they are asked for until they are there.
fn recorded(program: &Program) -> Vec<String> {
    let ids = || {
        let rows = program.ok("GET", "/admin/requests", &json!({}));
        rows.as_array().unwrap().iter().map(|row| row["request_id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let is_tried = |id: &String| {
        let call = program.with(&program.key, "GET", &format!("/admin/requests/{id}"), "").json();
        call["upstream"].as_array().is_some_and(|attempts| !attempts.is_empty())
    };
    let mut tries = std::iter::repeat_with(ids).take(10_000);
    tries.find(|ids| ids.iter().any(is_tried)).expect("the records come")
}

#[test]
fn no_secret_of_any_input_is_in_any_sink() {
    let mut program = Program::start();
    let owner = program.key.clone();
    let mut answers: Vec<(String, Vec<u8>)> = Vec::new();
    let mut send = |method: &str, path: &str, headers: &[(&str, &str)], body: &str| {
        let answer = program.call(method, path, headers, body);
        answers.push((format!("{method} {path}"), [answer.head.as_bytes(), &answer.body].concat()));
        answer
    };
    let bearer = format!("Bearer {owner}");
    let own: &[(&str, &str)] = &[("authorization", &bearer)];
    let records = json!({"proxy": "http://u:canary-instance-proxy@127.0.0.1:9", "hf_token": "canary-token",
        "enable_downstream_log": true, "enable_downstream_log_body": true, "enable_upstream_log": true, "enable_upstream_log_body": true});
    assert_eq!(send("POST", "/admin/settings", own, &records.to_string()).status, 200);
    let provider = json!({"name": "closed", "channel": "custom", "proxy": "http://u:canary-provider-proxy@127.0.0.1:9",
        "settings": {"base_url": "http://u:canary-base-url@127.0.0.1:9", "headers": {"x-secret": "canary-setting-header"}}});
    let made = send("POST", "/admin/providers", own, &provider.to_string());
    assert_eq!(made.status, 200, "{}", made.text());
    let credentials = format!("/admin/providers/{}/credentials", made.json()["id"]);
    for input in [json!({"api_key": "sk-canary-credential"}), json!({"secret_json": {"api_key": "sk-canary-in-json"}})] {
        assert_eq!(send("POST", &credentials, own, &input.to_string()).status, 200);
    }
    let user = send("POST", "/admin/users", own, &json!({"name": "ann", "password": "canary-password"}).to_string()).json();
    let ann = format!("/admin/users/{}", user["id"]);
    assert_eq!(send("PATCH", &ann, own, r#"{"password":"canary-changed-password"}"#).status, 200);
    assert_eq!(send("POST", "/login", &[], r#"{"name":"ann","password":"canary-guess"}"#).status, 401);
    for input in
        [r#"{"password":{"canary-wrong-member":1}}"#, r#"{"password":["canary-wrong-list"]}"#, r#"{"id":1,"password":"canary-wrong-text"#]
    {
        assert_eq!(send("POST", "/admin/users", own, input).status, 400, "{input}");
    }
    for input in
        [r#"{"secret_json":["canary-wrong-list"]}"#, r#"{"secret_json":"{canary-wrong-text"}"#, r#"{"api_key":{"canary-wrong-member":1}}"#]
    {
        assert_eq!(send("POST", &credentials, own, input).status, 400, "{input}");
    }
    let chat = |model: &str| json!({"model": model, "messages": [{"role": "user", "content": "canary-prompt"}]}).to_string();
    for path in ["/admin/users", "/v1/chat/completions", "/v1/nothing"] {
        let method = if path.starts_with("/admin") { "GET" } else { "POST" };
        assert!(send(method, path, &[("authorization", "Bearer sk-canary-bearer")], "").status >= 400);
        assert!(send(method, path, &[("x-api-key", "sk-canary-header"), ("cookie", "session=canary-cookie")], "").status >= 400);
        assert!(send(method, &format!("{path}?key=sk-canary-query"), &[], "").status >= 400);
    }
    let cookie: &[(&str, &str)] = &[("authorization", &bearer), ("content-type", "application/json"), ("cookie", "session=canary-cookie")];
    assert!(send("POST", "/v1/chat/completions", cookie, &chat("closed/m")).status >= 500);
    // What the built-in provider says back is the client's own; it is no sink.
    let echo = program.call("POST", "/v1/chat/completions?key=sk-canary-query", cookie, &chat("demo/echo"));
    assert_eq!(echo.status, 200, "{}", echo.text());
    let minted = program.ok("POST", &format!("{ann}/keys"), &json!({}))["api_key"].as_str().unwrap().to_owned();
    let entered = program.call("POST", "/login", &[], r#"{"name":"ann","password":"canary-changed-password"}"#);
    let session = entered.json()["api_key"].as_str().unwrap().to_owned();
    let mut send = |path: &str| {
        let answer = program.with(&owner, "GET", path, "");
        answers.push((path.to_owned(), [answer.head.as_bytes(), &answer.body].concat()));
    };
    for (_, pattern, _) in gproxy::http::api::routes().filter(|(method, ..)| **method == "GET") {
        for id in 1..=8 {
            send(&pattern.replace("{id}", &id.to_string()));
        }
    }
    for id in recorded(&program) {
        send(&format!("/admin/requests/{id}"));
    }
    for path in ["/metrics", "/health", "/"] {
        send(path);
    }
    let log = program.stop();
    assert!(log.contains("control plane changed") && log.contains("call failed"), "the log has something in it");
    let mut rest = Vec::new();
    files(program.folder.path(), &mut rest);
    assert!(rest.iter().any(|(path, _)| path.ends_with("gproxy.db")) && rest.len() > 1, "the database and the journal were found");
    let keys = [owner.as_str(), &minted, &session];
    for secret in SECRET.iter().chain(&keys) {
        let leak = rest.iter().find(|(_, bytes)| holds(bytes, secret));
        assert!(leak.is_none(), "{secret} is in the file {}", leak.unwrap().0);
    }
    for secret in SECRET.iter().chain(RESTING).chain(&keys) {
        let line = log.lines().find(|line| line.contains(secret));
        assert!(line.is_none(), "{secret} is in the log: {}", line.unwrap());
        let leak = answers.iter().find(|(_, bytes)| holds(bytes, secret));
        assert!(leak.is_none(), "{secret} is in the answer of {}", leak.unwrap().0);
    }
}
