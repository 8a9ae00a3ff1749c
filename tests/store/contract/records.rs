//! Configuration: names are unique, ids are found or missed, children go with their parents.

use gproxy::{
    base::{CredentialId, KeyId, ModelId, PermissionId, ProviderId, UserId},
    store::{
        persist::{Records, RecordsExt, StoreFault},
        record::{ConfigRows, NewCredential, NewKey, NewModel, NewPermission, NewProvider, NewUser, SettingsRow},
    },
};

mod batches;

const NOBODY: i64 = 987_654_321;

pub(crate) async fn uphold(store: &impl Records) {
    assert_eq!(store.load().await.unwrap(), ConfigRows::default());
    settings_are_replaced_whole(store).await;
    assert!(store.is_fresh().await.unwrap(), "settings alone leave a store fresh");
    rows_are_made_changed_and_read_back(store).await;
    names_are_unique_to_the_letter(store).await;
    missing_ids_are_told(store).await;
    permissions_stand_once(store).await;
    batches::uphold(store).await;
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
            cache_doctor: true,
            ..SettingsRow::default()
        };
        store.save_settings(settings.clone()).await.unwrap();
        let kept = store.load().await.unwrap().settings;
        assert!(kept.updated_at > 1_700_000_000_000, "{}", kept.updated_at);
        assert_eq!(SettingsRow { updated_at: 0, ..kept }, settings);
    }
}

async fn rows_are_made_changed_and_read_back(store: &impl Records) {
    let made = store.save(None, provider("first")).await.unwrap();
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
    let kept = store.save(Some(made.id), changed.clone()).await.unwrap();
    assert_eq!((kept.id, kept.created_at, &kept.row), (made.id, made.created_at, &changed));
    let named = NewCredential { name: Some("label".to_owned()), ..credential(made.id) };
    let credential = store.save(None, named).await.unwrap();
    let model = store.save(None, model(made.id, "gpt-5")).await.unwrap();
    let user = store.save(None, NewUser { password_hash: Some("$argon2id$x".to_owned()), ..user("ann") }).await.unwrap();
    let key = store.save(None, NewKey { expires_at: Some(1_800_000_000_000), ..key(user.id, "d1") }).await.unwrap();
    let permission = store.ensure(permission(user.id, "*")).await.unwrap();
    let rows = store.load().await.unwrap();
    assert_eq!(rows.providers, [kept]);
    assert_eq!(rows.credentials, [credential]);
    assert_eq!(rows.models, [model]);
    assert_eq!(rows.users, [user]);
    assert_eq!(rows.keys, [key]);
    assert_eq!(rows.permissions, [permission]);
}

async fn names_are_unique_to_the_letter(store: &impl Records) {
    let taken = store.save(None, provider("second")).await.unwrap();
    // Letters of another case make another name, on every engine.
    let other = store.save(None, provider("Second")).await.unwrap();
    assert_taken(store.save(None, provider("second")).await, "provider", "second");
    assert_taken(store.save(Some(other.id), provider("second")).await, "provider", "second");
    store.save(Some(other.id), provider("Second")).await.unwrap();
    let ann = store.save(None, user("bob")).await.unwrap();
    assert_taken(store.save(None, user("bob")).await, "user", "bob");
    store.save(None, key(ann.id, "d2")).await.unwrap();
    assert!(matches!(store.save(None, key(ann.id, "d2")).await, Err(StoreFault::Taken { what: "key", .. })));
    store.save(None, model(taken.id, "m")).await.unwrap();
    assert_taken(store.save(None, model(taken.id, "m")).await, "model", "m");
    store.save(None, model(other.id, "m")).await.unwrap();
    // A refused row leaves nothing behind.
    assert_eq!(store.load().await.unwrap().models.len(), 3);
}

async fn missing_ids_are_told(store: &impl Records) {
    let (provider_id, user_id) = (ProviderId(NOBODY), UserId(NOBODY));
    assert_missing(store.save(Some(provider_id), provider("x")).await, "provider");
    assert_missing(store.save(Some(user_id), user("x")).await, "user");
    let rows = store.load().await.unwrap();
    let (real_provider, real_user) = (rows.providers.iter().next().unwrap().id, rows.users.iter().next().unwrap().id);
    assert_missing(store.save(Some(CredentialId(NOBODY)), credential(real_provider)).await, "credential");
    assert_missing(store.save(Some(ModelId(NOBODY)), model(real_provider, "x")).await, "model");
    assert_missing(store.save(Some(KeyId(NOBODY)), key(real_user, "x")).await, "key");
    assert_missing(store.save(None, credential(provider_id)).await, "provider");
    assert_missing(store.save(None, model(provider_id, "x")).await, "provider");
    assert_missing(store.save(None, key(user_id, "x")).await, "user");
    assert_missing(store.ensure(permission(user_id, "x")).await, "user");
    assert_missing(store.delete::<NewProvider>(provider_id).await, "provider");
    assert_missing(store.delete::<NewCredential>(CredentialId(NOBODY)).await, "credential");
    assert_missing(store.delete::<NewModel>(ModelId(NOBODY)).await, "model");
    assert_missing(store.delete::<NewUser>(user_id).await, "user");
    assert_missing(store.delete::<NewKey>(KeyId(NOBODY)).await, "key");
    assert_missing(store.delete::<NewPermission>(PermissionId(NOBODY)).await, "permission");
}

async fn permissions_stand_once(store: &impl Records) {
    let user = store.save(None, user("cid")).await.unwrap();
    let one = store.ensure(permission(user.id, "openai/*")).await.unwrap();
    assert_eq!(store.ensure(permission(user.id, "openai/*")).await.unwrap(), one);
    let other = store.ensure(permission(user.id, "OpenAI/*")).await.unwrap();
    assert_ne!(other.id, one.id);
    store.delete::<NewPermission>(one.id).await.unwrap();
    assert!(!store.load().await.unwrap().permissions.iter().any(|row| row == &one));
}

async fn children_go_with_their_parents(store: &impl Records) {
    let rows = store.load().await.unwrap();
    assert!(!rows.credentials.is_empty() && !rows.models.is_empty() && !rows.keys.is_empty() && !rows.permissions.is_empty());
    for provider in &rows.providers {
        store.delete::<NewProvider>(provider.id).await.unwrap();
    }
    for user in &rows.users {
        store.delete::<NewUser>(user.id).await.unwrap();
    }
    let left = store.load().await.unwrap();
    assert_eq!(ConfigRows { settings: SettingsRow::default(), revision: 0, ..left }, ConfigRows::default());
    // An id is never given twice: usage rows still name the old one.
    let last = rows.keys.iter().map(|key| key.id).max();
    let user = store.save(None, user("dan")).await.unwrap();
    let key = store.save(None, key(user.id, "d9")).await.unwrap();
    assert!(Some(key.id) > last);
    store.delete::<NewKey>(key.id).await.unwrap();
    store.delete::<NewUser>(user.id).await.unwrap();
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
    NewProvider::of(name, "openai")
}

fn credential(provider_id: ProviderId) -> NewCredential {
    NewCredential::of(provider_id, "api_key", "enc:v2:x:y")
}

fn model(provider_id: ProviderId, id: &str) -> NewModel {
    NewModel::of(provider_id, id)
}

fn user(name: &str) -> NewUser {
    NewUser::named(name)
}

fn key(user_id: UserId, digest: &str) -> NewKey {
    NewKey { label: Some("laptop".to_owned()), ..NewKey::of(user_id, digest, "sk-abc") }
}

fn permission(user_id: UserId, pattern: &str) -> NewPermission {
    NewPermission::of(user_id, pattern)
}
