//! What compiles, what does not, and what is said of it.

use std::sync::Arc;

use super::{Capture, Compiler, Snapshot, compile, name, secret};
use crate::{
    base::{CredentialId, ProviderId, Secret},
    credentials::Sealer,
    store::record::{ConfigRows, CredentialRow, NewCredential, NewProvider, ProviderRow, SettingsRow, Table},
    testing::platform,
};

fn sealer() -> Sealer {
    Sealer::new(Secret::new("a key".to_owned()))
}

fn provider(id: i64, name: &str) -> ProviderRow {
    let row = NewProvider::of(name, "openai");
    ProviderRow { id: ProviderId(id), row, created_at: 0, updated_at: 0 }
}

fn credential(id: i64, provider: i64, sealed_for: i64) -> CredentialRow {
    let key = Secret::new(format!("sk-canary-{id}"));
    let secret_sealed = secret::seal_api_key(&sealer(), ProviderId(sealed_for), &key, &*platform().entropy);
    let row = NewCredential::of(ProviderId(provider), "api_key", secret_sealed);
    CredentialRow { id: CredentialId(id), row, created_at: 0, updated_at: 0 }
}

fn compiled(rows: &ConfigRows) -> Snapshot {
    compile(rows, Compiler { sealer: &sealer(), platform: &platform() })
}

#[test]
fn a_broken_provider_is_absent_and_explained_and_the_rest_serves() {
    type Break = fn(&mut ProviderRow);
    let breaks: [(Break, &str, &str); 6] = [
        (|row| row.row.channel = "opnai".into(), "channel", "did you mean \"openai\"?"),
        (|row| row.row.settings_json = r#"{"base_ulr":"https://x"}"#.into(), "settings.base_ulr", "did you mean `base_url`?"),
        (|row| row.row.settings_json = r#"{"base_url":"x"}"#.into(), "settings.base_url", "http:// or https://"),
        (|row| row.row.settings_json = "[1]".into(), "settings", "expected a JSON object"),
        (|row| row.row.proxy = Some("ftp://x".into()), "proxy", "socks5://"),
        (|row| row.row.name = "admin".into(), "name", "a path of the gateway itself"),
    ];
    for (breaks, path, message) in breaks {
        let mut broken = provider(2, "broken");
        breaks(&mut broken);
        let snapshot =
            compiled(&ConfigRows { providers: Table::from_iter([provider(1, "good"), broken.clone()]), ..ConfigRows::default() });
        assert!(snapshot.provider("good").is_some() && snapshot.provider(&broken.name).is_none());
        let [fault] = snapshot.faults() else { panic!("{:?}", snapshot.faults()) };
        assert_eq!((fault.what, fault.name.as_str(), fault.path.as_str()), ("provider", broken.name.as_str(), path));
        assert!(fault.message.contains(message), "{fault}");
    }
}

#[test]
fn a_secret_serves_only_the_provider_that_it_was_sealed_for() {
    let rows = ConfigRows {
        providers: Table::from_iter([provider(1, "one"), provider(2, "two")]),
        credentials: Table::from_iter([credential(11, 1, 1), credential(12, 1, 2), credential(10, 1, 1)]),
        ..ConfigRows::default()
    };
    let snapshot = compiled(&rows);
    let one = snapshot.provider("one").unwrap();
    assert_eq!(one.credentials.iter().map(|credential| credential.id.0).collect::<Vec<_>>(), [10, 11]);
    assert_eq!(one.credentials[0].secret.as_ref().unwrap().expose(), "sk-canary-10");
    assert_eq!(snapshot.faults().iter().map(|fault| (fault.what, fault.name.as_str())).collect::<Vec<_>>(), [("credential", "one/12")]);
    assert!(snapshot.provider("two").unwrap().credentials.is_empty());
    assert!(!format!("{snapshot:?}").contains("canary"));
}

#[test]
fn what_is_disabled_does_not_serve_and_is_no_fault() {
    let mut rows = ConfigRows {
        providers: Table::from_iter([provider(1, "one"), provider(2, "two")]),
        credentials: Table::from_iter([credential(3, 1, 1)]),
        ..ConfigRows::default()
    };
    rows.providers.put(ProviderRow { row: NewProvider { enabled: false, ..provider(2, "two").row }, ..provider(2, "two") });
    rows.credentials.put(CredentialRow { row: NewCredential { enabled: false, ..credential(3, 1, 1).row }, ..credential(3, 1, 1) });
    let snapshot = compiled(&rows);
    assert_eq!(snapshot.providers().len(), 1);
    assert!(snapshot.provider("one").unwrap().credentials.is_empty());
    assert_eq!(snapshot.faults(), []);
}

#[test]
fn a_providers_own_proxy_wins_over_the_instances() {
    let settings = SettingsRow { proxy: Some("http://global:1".into()), ..SettingsRow::default() };
    let mut rows = ConfigRows { settings, providers: Table::from_iter([provider(1, "one"), provider(2, "two")]), ..ConfigRows::default() };
    let own = NewProvider { proxy: Some("socks5://own:2".into()), ..provider(2, "two").row };
    rows.providers.put(ProviderRow { row: own, ..provider(2, "two") });
    let snapshot = compiled(&rows);
    let proxy = |name: &str| snapshot.provider(name).unwrap().profile.proxy.clone();
    assert_eq!((proxy("one"), proxy("two")), (Some(Arc::from("http://global:1")), Some(Arc::from("socks5://own:2"))));
}

#[test]
fn bodies_are_captured_only_where_nothing_is_masked() {
    for (log, body, mask, capture) in [
        (false, true, false, Capture::Off),
        (true, false, false, Capture::Heads),
        (true, true, true, Capture::Heads),
        (true, true, false, Capture::Bodies),
    ] {
        let settings =
            SettingsRow { enable_upstream_log: log, enable_upstream_log_body: body, mask_sensitive_info: mask, ..SettingsRow::default() };
        let snapshot = compiled(&ConfigRows { settings, ..ConfigRows::default() });
        assert_eq!((snapshot.settings().upstream, snapshot.settings().downstream), (capture, Capture::Off));
    }
}

#[test]
fn an_address_is_shown_without_what_stands_before_its_at() {
    for (address, shown) in [
        ("http://user:pass@host:1/x", "http://***@host:1/x"),
        ("socks5://host:1", "socks5://host:1"),
        ("http://a@b@host", "http://***@host"),
        ("http://host/a@b", "http://host/a@b"),
        ("user:pass@host", "***@host"),
    ] {
        assert_eq!(name::without_userinfo(address), shown);
    }
}
