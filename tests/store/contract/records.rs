//! Configuration: names are unique, ids are found or missed, children go with their parents.

use gproxy::{
    base::{CredentialId, KeyId, ModelId, ProviderId, UserId},
    store::{
        persist::{Records, StoreFault},
        record::{ConfigRows, NewCredential, NewKey, NewModel, NewPermission, NewProvider, NewUser, SettingsRow},
    },
};

const NOBODY: i64 = 987_654_321;

pub(crate) async fn uphold(store: &impl Records) {
    assert_eq!(store.load().await.unwrap(), ConfigRows::default());
    settings_are_replaced_whole(store).await;
    assert!(store.is_fresh().await.unwrap(), "settings alone leave a store fresh");
    rows_are_made_changed_and_read_back(store).await;
    names_are_unique_to_the_letter(store).await;
    missing_ids_are_told(store).await;
    permissions_stand_once(store).await;
    children_go_with_their_parents(store).await;
    assert!(!store.is_fresh().await.unwrap(), "a store that was used is never fresh again");
}

async fn settings_are_replaced_whole(store: &impl Records) {
    for proxy in [Some("http://one".to_owned()), None] {
        let settings = SettingsRow {
            proxy,
            hf_token_sealed: Some("enc:v2:a:b".to_owned()),
            mask_sensitive_info: false,
            enable_upstream_log_body: true,
            ..SettingsRow::default()
        };
        store.save_settings(settings.clone()).await.unwrap();
        let kept = store.load().await.unwrap().settings;
        assert!(kept.updated_at > 1_700_000_000_000, "{}", kept.updated_at);
        assert_eq!(SettingsRow { updated_at: 0, ..kept }, settings);
    }
}

async fn rows_are_made_changed_and_read_back(store: &impl Records) {
    let made = store.save_provider(None, provider("first")).await.unwrap();
    assert!(!store.is_fresh().await.unwrap());
    assert_eq!(made.row, provider("first"));
    assert!(made.created_at > 1_700_000_000_000 && made.updated_at >= made.created_at);
    let changed = NewProvider {
        settings_json: "{\"base_url\":\"https://ü.example\"}".to_owned(),
        dispatch_json: Some("[]".to_owned()),
        proxy: Some("socks5://p".to_owned()),
        enabled: false,
        ..provider("first anew 模型")
    };
    let kept = store.save_provider(Some(made.id), changed.clone()).await.unwrap();
    assert_eq!((kept.id, kept.created_at, &kept.row), (made.id, made.created_at, &changed));
    let named = NewCredential { name: Some("label".to_owned()), ..credential(made.id) };
    let credential = store.save_credential(None, named).await.unwrap();
    let model = store.save_model(None, model(made.id, "gpt-5")).await.unwrap();
    let user = store.save_user(None, NewUser { password_hash: Some("$argon2id$x".to_owned()), ..user("ann") }).await.unwrap();
    let key = store.save_key(None, NewKey { expires_at: Some(1_800_000_000_000), ..key(user.id, "d1") }).await.unwrap();
    let permission = store.save_permission(permission(user.id, "*")).await.unwrap();
    let rows = store.load().await.unwrap();
    assert_eq!(rows.providers, [kept]);
    assert_eq!(rows.credentials, [credential]);
    assert_eq!(rows.models, [model]);
    assert_eq!(rows.users, [user]);
    assert_eq!(rows.keys, [key]);
    assert_eq!(rows.permissions, [permission]);
}

async fn names_are_unique_to_the_letter(store: &impl Records) {
    let taken = store.save_provider(None, provider("second")).await.unwrap();
    // Letters of another case make another name, on every engine.
    let other = store.save_provider(None, provider("Second")).await.unwrap();
    assert_taken(store.save_provider(None, provider("second")).await, "provider", "second");
    assert_taken(store.save_provider(Some(other.id), provider("second")).await, "provider", "second");
    store.save_provider(Some(other.id), provider("Second")).await.unwrap();
    let ann = store.save_user(None, user("bob")).await.unwrap();
    assert_taken(store.save_user(None, user("bob")).await, "user", "bob");
    store.save_key(None, key(ann.id, "d2")).await.unwrap();
    assert!(matches!(store.save_key(None, key(ann.id, "d2")).await, Err(StoreFault::Taken { what: "key", .. })));
    store.save_model(None, model(taken.id, "m")).await.unwrap();
    assert_taken(store.save_model(None, model(taken.id, "m")).await, "model", "m");
    store.save_model(None, model(other.id, "m")).await.unwrap();
    // A refused row leaves nothing behind.
    assert_eq!(store.load().await.unwrap().models.len(), 3);
}

async fn missing_ids_are_told(store: &impl Records) {
    let (provider_id, user_id) = (ProviderId(NOBODY), UserId(NOBODY));
    assert_missing(store.save_provider(Some(provider_id), provider("x")).await, "provider");
    assert_missing(store.save_user(Some(user_id), user("x")).await, "user");
    let rows = store.load().await.unwrap();
    let (real_provider, real_user) = (rows.providers[0].id, rows.users[0].id);
    assert_missing(store.save_credential(Some(CredentialId(NOBODY)), credential(real_provider)).await, "credential");
    assert_missing(store.save_model(Some(ModelId(NOBODY)), model(real_provider, "x")).await, "model");
    assert_missing(store.save_key(Some(KeyId(NOBODY)), key(real_user, "x")).await, "key");
    assert_missing(store.save_credential(None, credential(provider_id)).await, "provider");
    assert_missing(store.save_model(None, model(provider_id, "x")).await, "provider");
    assert_missing(store.save_key(None, key(user_id, "x")).await, "user");
    assert_missing(store.save_permission(permission(user_id, "x")).await, "user");
    assert_missing(store.delete_provider(provider_id).await, "provider");
    assert_missing(store.delete_credential(CredentialId(NOBODY)).await, "credential");
    assert_missing(store.delete_model(ModelId(NOBODY)).await, "model");
    assert_missing(store.delete_user(user_id).await, "user");
    assert_missing(store.delete_key(KeyId(NOBODY)).await, "key");
    assert_missing(store.delete_permission(NOBODY).await, "permission");
}

async fn permissions_stand_once(store: &impl Records) {
    let user = store.save_user(None, user("cid")).await.unwrap();
    let one = store.save_permission(permission(user.id, "openai/*")).await.unwrap();
    assert_eq!(store.save_permission(permission(user.id, "openai/*")).await.unwrap(), one);
    let other = store.save_permission(permission(user.id, "OpenAI/*")).await.unwrap();
    assert_ne!(other.id, one.id);
    store.delete_permission(one.id).await.unwrap();
    assert!(!store.load().await.unwrap().permissions.contains(&one));
}

async fn children_go_with_their_parents(store: &impl Records) {
    let rows = store.load().await.unwrap();
    assert!(!rows.credentials.is_empty() && !rows.models.is_empty() && !rows.keys.is_empty() && !rows.permissions.is_empty());
    for provider in rows.providers {
        store.delete_provider(provider.id).await.unwrap();
    }
    for user in rows.users {
        store.delete_user(user.id).await.unwrap();
    }
    let left = store.load().await.unwrap();
    assert_eq!(ConfigRows { settings: SettingsRow::default(), ..left }, ConfigRows::default());
    // An id is never given twice: usage rows still name the old one.
    let last = rows.keys.iter().map(|key| key.id).max();
    let user = store.save_user(None, user("dan")).await.unwrap();
    let key = store.save_key(None, key(user.id, "d9")).await.unwrap();
    assert!(Some(key.id) > last);
    store.delete_key(key.id).await.unwrap();
    store.delete_user(user.id).await.unwrap();
}

fn assert_taken<T: std::fmt::Debug>(answer: Result<T, StoreFault>, noun: &str, name: &str) {
    let fault = answer.unwrap_err();
    assert!(matches!(&fault, StoreFault::Taken { what, value } if *what == noun && value == name), "{fault}");
}

fn assert_missing<T: std::fmt::Debug>(answer: Result<T, StoreFault>, noun: &str) {
    let fault = answer.unwrap_err();
    assert!(matches!(&fault, StoreFault::Missing { what, id: NOBODY } if *what == noun), "{noun}: {fault}");
}

fn provider(name: &str) -> NewProvider {
    NewProvider {
        name: name.to_owned(),
        channel: "openai".to_owned(),
        settings_json: "{}".to_owned(),
        dispatch_json: None,
        proxy: None,
        enabled: true,
    }
}

fn credential(provider_id: ProviderId) -> NewCredential {
    NewCredential { provider_id, name: None, kind: "api_key".to_owned(), secret_sealed: "enc:v2:x:y".to_owned(), enabled: true }
}

fn model(provider_id: ProviderId, id: &str) -> NewModel {
    NewModel { provider_id, model_id: id.to_owned(), display_name: None, enabled: true }
}

fn user(name: &str) -> NewUser {
    NewUser { name: name.to_owned(), password_hash: None, is_admin: false, enabled: true }
}

fn key(user_id: UserId, digest: &str) -> NewKey {
    NewKey {
        user_id,
        digest: digest.to_owned(),
        prefix: "sk-abc".to_owned(),
        label: Some("laptop".to_owned()),
        expires_at: None,
        enabled: true,
    }
}

fn permission(user_id: UserId, pattern: &str) -> NewPermission {
    NewPermission { user_id, pattern: pattern.to_owned() }
}
