//! The secret in a provider's settings: it rests sealed, is shown masked, and comes back as it was.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::House;
use crate::{
    base::{ProviderId, Secret},
    credentials::Sealer,
    snapshot::secret,
    store::persist::{Records as _, RecordsExt as _},
    store::record::NewProvider,
};

fn settings(token_url: &str, client_secret: &str) -> Value {
    let oauth = json!({"token_url": token_url, "client_id": "c", "client_secret": client_secret});
    json!({"base_url": "https://up.example", "oauth": oauth})
}

/// The settings as they rest, and as they open.
async fn rest(house: &House, id: i64) -> (String, Value) {
    let row = house.store.load().await.unwrap().providers.get(ProviderId(id)).unwrap().row.clone();
    let sealer = Sealer::new(Secret::new("k".to_owned()));
    let opened = secret::open_settings(&sealer, &row.settings_json).unwrap().into_owned();
    (row.settings_json, serde_json::from_str(&opened).unwrap())
}

#[tokio::test]
async fn a_client_secret_rests_sealed_and_survives_its_mask() {
    let house = House::new().await;
    let given = settings("https://id.example/token", "hush");
    let made = house.ok(Method::POST, "/admin/providers", json!({"name": "p", "channel": "custom", "settings": given})).await;
    assert_eq!(made["settings"]["oauth"]["client_secret"], json!("***"));
    let (id, path) = (made["id"].as_i64().unwrap(), format!("/admin/providers/{}", made["id"]));
    let (text, opened) = rest(&house, id).await;
    assert!(!text.contains("hush") && text.contains("enc:v2:"), "{text}");
    assert_eq!(opened, given);
    assert_eq!(house.ok(Method::GET, "/admin/faults", Value::Null).await, json!([]), "it serves");
    // What was shown comes back, with another address: the secret is sealed for that.
    let moved = settings("https://other.example/token", "***");
    house.ok(Method::PATCH, &path, json!({"settings": moved})).await;
    assert_eq!(rest(&house, id).await.1, settings("https://other.example/token", "hush"));
    house.ok(Method::PATCH, &path, json!({"enabled": false})).await;
    assert_eq!(rest(&house, id).await.1, settings("https://other.example/token", "hush"), "a change of something else keeps it");
    house.ok(Method::PATCH, &path, json!({"settings": {"base_url": "https://up.example"}})).await;
    assert_eq!(rest(&house, id).await.1, json!({"base_url": "https://up.example"}));
    let (status, answer) = house.refused(Method::PATCH, &path, json!({"settings": moved})).await;
    assert_eq!((status, &answer["error"]["field"]), (StatusCode::BAD_REQUEST, &json!("settings.oauth.client_secret")), "{answer}");
}

#[tokio::test]
async fn a_sealed_client_secret_is_sent_nowhere_else() {
    let house = House::new().await;
    let given = settings("https://id.example/token", "hush");
    let made = house.ok(Method::POST, "/admin/providers", json!({"name": "p", "channel": "custom", "settings": given})).await;
    let id = ProviderId(made["id"].as_i64().unwrap());
    let row = house.store.load().await.unwrap().providers.get(id).unwrap().row.clone();
    let settings_json = row.settings_json.replace("id.example", "evil.example");
    house.store.save(Some(id), NewProvider { settings_json, ..row }).await.unwrap();
    house.control.refresh().await.unwrap();
    let faults = house.ok(Method::GET, "/admin/faults", Value::Null).await;
    assert_eq!(faults[0]["path"], json!("settings.oauth.client_secret"), "{faults}");
    assert!(house.control.snapshot().load().provider("p").is_none());
}
