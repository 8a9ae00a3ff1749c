//! Laws of the use cases that need no HTTP.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{
    Control, Stores,
    input::{self, SecretText},
    password::{Passwords, is_hash, judge},
    redact,
    throttle::Throttle,
    users::UserInput,
};
use crate::{
    base::Secret,
    credentials::Sealer,
    runtime::BoxFuture,
    store::{
        persist::{Records, RecordsExt, StoreFault, memory::MemoryStore},
        record::NewProvider,
    },
    testing::platform,
};

fn object(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

#[test]
fn settings_are_shown_without_secrets_and_taken_back_without_loss() {
    let kept = object(json!({
        "base_url": "https://user:canary@host.example/v1",
        "headers": {"x-anything": "canary", "x-other": "canary"},
        "api_key": "canary",
        "nested": {"refresh_token": "canary", "plain": "shown"},
        "list": [{"password": "canary"}],
        "credential_cache_affinity_max_keys": 4096,
        "token_url": "https://auth.example/token",
    }));
    let shown = redact::settings(&kept);
    let text = Value::Object(shown.clone()).to_string();
    assert!(!text.contains("canary"), "{text}");
    assert!(text.contains("shown") && text.contains("4096") && text.contains("https://auth.example/token"), "{text}");
    let mut back = redact::restore(shown, &kept);
    // Items of a list have no name by which to find their like, so they must be given anew.
    back.insert("list".into(), kept["list"].clone());
    assert_eq!(back, kept);
    let changed = redact::restore(object(json!({"api_key": "new", "base_url": "https://other.example"})), &kept);
    assert_eq!(Value::Object(changed), json!({"api_key": "new", "base_url": "https://other.example"}));
}

#[test]
fn the_sixth_failure_within_a_minute_waits_for_the_first_to_be_over() {
    let throttle = Throttle::default();
    let subjects = |address: &str| vec!["name alice".to_owned(), format!("address {address}")];
    for at in 0..5 {
        assert_eq!(throttle.enter(&subjects(&at.to_string()), 1_000_000 + at * 1000), Ok(()));
    }
    assert_eq!(throttle.enter(&subjects("9"), 1_005_000), Err(55));
    assert_eq!(throttle.enter(&["name bob".to_owned(), "address 9".to_owned()], 1_005_000), Ok(()));
    assert_eq!(throttle.enter(&subjects("9"), 1_060_000), Ok(()));
    assert_eq!(throttle.enter(&subjects("9"), 1_060_001), Err(1));
}

#[test]
fn attempts_that_were_right_do_not_count() {
    let throttle = Throttle::default();
    let subjects = ["name alice".to_owned()];
    for _ in 0..20 {
        throttle.enter(&subjects, 1_000_000).unwrap();
        throttle.forgive(&subjects);
    }
}

#[test]
fn a_password_is_behind_its_own_hash_only() {
    let (passwords, platform) = (Passwords::cheap(), platform());
    let hash = |password: &str| passwords.hash(password, &*platform.entropy).unwrap();
    let (one, again) = (hash("correct horse"), hash("correct horse"));
    assert!(is_hash(&one) && one != again && !is_hash("correct horse") && !is_hash("$argon2id$x"));
    assert!(passwords.verify("correct horse", Some(&one)) && passwords.verify("correct horse", Some(&again)));
    assert!(!passwords.verify("correct hors", Some(&one)) && !passwords.verify("decoy", None) && !passwords.verify("", Some("")));
    assert!(passwords.hash(" ", &*platform.entropy).is_err());
    for (chosen, wrong) in [("        ", "is blank"), ("seven77", "has 7 characters; expected at least 8"), ("sevenäö", "has 7 characters")]
    {
        let message = judge(chosen).unwrap_err();
        assert!(message.contains(wrong) && !message.contains("seven"), "{message}");
    }
    assert_eq!(judge("eight888"), Ok(()));
}

#[test]
fn an_unknown_member_is_named_with_the_nearest_known_one() {
    let parsed = |body: &str| input::parse::<UserInput>(body.as_bytes()).map(|_| ()).map_err(|fault| format!("{fault:?}"));
    assert!(parsed("").is_ok() && parsed(" {} ").is_ok());
    for (body, field, message) in [
        (r#"{"nmae":"x"}"#, "\"nmae\"", "did you mean `name`?"),
        (r#"{"name":1}"#, "\"name\"", "expected a string"),
        (r#"{"enabled":"yes"}"#, "\"enabled\"", "expected a boolean"),
        (r#"{"name":"#, "\"name\"", "EOF"),
        ("[1]", "\"\"", "expected a JSON object"),
        ("{} x", "\"\"", "trailing"),
    ] {
        let fault = parsed(body).unwrap_err();
        assert!(fault.contains(&format!("field: {field}")) && fault.contains(message), "{body}: {fault}");
    }
}

#[test]
fn a_secret_that_came_in_is_in_no_debug_output() {
    let input: UserInput = input::parse(br#"{"password":"canary"}"#).unwrap();
    assert!(!format!("{input:?} {:?}", SecretText(Secret::new("canary".to_owned()))).contains("canary"));
    let fault = input::parse::<UserInput>(br#"{"password":{"canary":1}}"#).unwrap_err();
    assert!(!format!("{fault:?}").contains("canary"), "{fault:?}");
}

/// A store whose first `load` is answered only after the second.
#[derive(Debug)]
struct Late {
    inner: MemoryStore,
    gate: std::sync::Mutex<Option<tokio::sync::oneshot::Receiver<()>>>,
}

macro_rules! forward {
    ($($name:ident($($arg:ident: $type:ty),*) -> $out:ty;)+) => {
        $(fn $name(&self, $($arg: $type),*) -> BoxFuture<'_, Result<$out, StoreFault>> { self.inner.$name($($arg),*) })+
    };
}

impl Records for Late {
    fn load(&self) -> BoxFuture<'_, Result<crate::store::record::ConfigRows, StoreFault>> {
        let gate = self.gate.lock().unwrap().take();
        let rows = self.inner.load();
        Box::pin(async move {
            let rows = rows.await;
            if let Some(gate) = gate {
                gate.await.unwrap();
            }
            rows
        })
    }

    forward! {
        revision() -> i64;
        since(revision: i64) -> Option<crate::store::record::Delta>;
        is_fresh() -> bool;
        save_settings(settings: crate::store::record::SettingsRow) -> ();
        apply_set(set: crate::store::record::ChangeSet) -> Vec<crate::store::record::Stamp>;
    }
}

#[tokio::test]
async fn a_refresh_that_read_earlier_does_not_overwrite_a_later_one() {
    let platform = platform();
    let (open, gate) = tokio::sync::oneshot::channel();
    let records = Arc::new(Late { inner: MemoryStore::new(Arc::clone(&platform.clock)), gate: Some(gate).into() });
    let ledger = Arc::new(MemoryStore::new(Arc::clone(&platform.clock)));
    let (audit, health) = (Arc::clone(&ledger) as _, Arc::clone(&ledger) as _);
    let stores = Stores { records: Arc::clone(&records) as _, audit, health, ledger };
    let control = Control::new(stores, Sealer::new(Secret::new("k".to_owned())), platform);
    let early = control.refresh();
    let later = async {
        records.save(None, NewProvider::of("new", "openai")).await.unwrap();
        control.refresh().await.unwrap();
        open.send(()).unwrap();
    };
    let (early, ()) = futures_util::future::join(early, later).await;
    early.unwrap();
    assert!(control.snapshot().load().provider("new").is_some());
}
