//! What is done is written down: by whom, to what, from where, and without secrets.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{ADMIN, ALICE, House, PEER};
use crate::{
    base::UserId,
    store::{
        persist::RecordsExt as _,
        record::{NewUser, Role},
    },
};

async fn entries(house: &House, query: &str) -> Vec<Value> {
    house.ok(Method::GET, &format!("/admin/audit{query}"), Value::Null).await.as_array().unwrap().clone()
}

/// The newest entry.
async fn last(house: &House) -> Value {
    entries(house, "?limit=1").await.remove(0)
}

#[tokio::test]
async fn every_kind_of_change_leaves_one_entry() {
    let house = House::new().await;
    let made = |path: &'static str, body: Value| async { house.ok(Method::POST, path, body).await["id"].as_i64().unwrap() };
    let provider = made("/admin/providers", json!({"name": "p", "channel": "openai"})).await;
    let user = made("/admin/users", json!({"name": "bob", "password": "canary-one"})).await;
    let organization = made("/admin/orgs", json!({"name": "acme"})).await;
    let route = made("/admin/routes", json!({"name": "fast"})).await;
    let credential =
        house.ok(Method::POST, &format!("/admin/providers/{provider}/credentials"), json!({"api_key": "sk-canary"})).await["id"].clone();
    let model = house.ok(Method::POST, &format!("/admin/providers/{provider}/models"), json!({"model_id": "m"})).await["id"].clone();
    let permission = house.ok(Method::POST, &format!("/admin/users/{user}/permissions"), json!({"pattern": "*"})).await["id"].clone();
    let key = house.ok(Method::POST, &format!("/admin/users/{user}/keys"), json!({})).await["id"].clone();
    let told: Vec<Value> = entries(&house, "").await.into_iter().rev().collect();
    let expected = [
        ("provider", json!(provider)),
        ("user", json!(user)),
        ("organization", json!(organization)),
        ("route", json!(route)),
        ("credential", credential.clone()),
        ("model", model.clone()),
        ("permission", permission.clone()),
        ("key", key.clone()),
    ];
    assert_eq!(told.len(), expected.len());
    for (entry, (kind, id)) in told.iter().zip(&expected) {
        assert_eq!((&entry["action"], &entry["target_kind"], &entry["target_id"]), (&json!("create"), &json!(kind), id));
        assert_eq!((&entry["actor_id"], &entry["actor_name"], &entry["role"]), (&json!(house.admin), &json!("admin"), &json!("admin")));
        assert_eq!((&entry["peer"], &entry["before"]), (&json!(PEER.to_string()), &Value::Null));
    }
    for (path, id, kind) in [
        ("/admin/user-keys", key, "key"),
        ("/admin/permissions", permission, "permission"),
        ("/admin/provider-models", model, "model"),
        ("/admin/credentials", credential, "credential"),
        ("/admin/routes", json!(route), "route"),
        ("/admin/orgs", json!(organization), "organization"),
        ("/admin/users", json!(user), "user"),
        ("/admin/providers", json!(provider), "provider"),
    ] {
        house.ok(Method::DELETE, &format!("{path}/{id}"), Value::Null).await;
        let entry = last(&house).await;
        assert_eq!((&entry["action"], &entry["target_kind"], &entry["target_id"]), (&json!("delete"), &json!(kind), &id));
        assert!(entry["before"].is_object() && entry["after"].is_null(), "{entry}");
    }
    house.ok(Method::POST, "/admin/settings", json!({"mask_sensitive_info": false})).await;
    let entry = last(&house).await;
    assert_eq!((&entry["target_kind"], &entry["before"]), (&json!("settings"), &json!({"mask_sensitive_info": true})));
    assert_eq!(entry["after"], json!({"mask_sensitive_info": false}));
    house.ok(Method::POST, "/admin/health/reset", json!({})).await;
    let entry = last(&house).await;
    assert_eq!((&entry["action"], &entry["target_kind"], &entry["after"]), (&json!("reset"), &json!("health"), &json!({"accounts": 0})));
}

#[tokio::test]
async fn an_update_tells_what_differs_and_no_secret() {
    let house = House::new().await;
    let settings = json!({"base_url": "https://u:canary@host.example", "headers": {"x-a": "canary"}});
    let provider = json!({"name": "p", "channel": "custom", "settings": settings, "proxy": "http://u:canary@proxy.example:1"});
    let provider = house.ok(Method::POST, "/admin/providers", provider).await["id"].clone();
    house.ok(Method::PATCH, &format!("/admin/providers/{provider}"), json!({"enabled": false})).await;
    let entry = last(&house).await;
    assert_eq!((&entry["before"], &entry["after"]), (&json!({"enabled": true}), &json!({"enabled": false})));
    let credential =
        house.ok(Method::POST, &format!("/admin/providers/{provider}/credentials"), json!({"api_key": "canary-key-of-it"})).await["id"]
            .clone();
    house.ok(Method::PATCH, &format!("/admin/credentials/{credential}"), json!({"api_key": "another-canary-key", "name": "main"})).await;
    let entry = last(&house).await;
    assert_eq!(entry["after"], json!({"secret_sealed": "***", "name": "main"}), "that the secret changed is told, and not which it is");
    house.ok(Method::PATCH, &format!("/admin/users/{}", house.alice), json!({"password": "canary horse"})).await;
    assert_eq!(last(&house).await["after"], json!({"password_hash": "***"}));
    let set = house.ok(Method::POST, "/admin/rule-sets", json!({"name": "s"})).await["id"].clone();
    let config = json!({"name": "x-api-key", "value": "canary"}).to_string();
    house
        .ok(Method::POST, &format!("/admin/rule-sets/{set}/rules"), json!({"kind": "header", "config_json": config, "sort_order": 1}))
        .await;
    assert_eq!(last(&house).await["after"]["config_json"], json!({"name": "x-api-key", "value": "***"}));
    house.ok(Method::POST, "/admin/settings", json!({"hf_token": "canary", "proxy": "http://u:canary@proxy.example:1"})).await;
    let text = Value::Array(entries(&house, "?limit=1000").await).to_string();
    assert!(!text.contains("canary") && !text.contains("enc:v2") && !text.contains("$argon2"), "{text}");
}

#[tokio::test]
async fn logins_are_told_with_the_name_of_whom_they_are_of() {
    let house = House::new().await;
    house.ok(Method::PATCH, &format!("/admin/users/{}", house.alice), json!({"password": "right horse"})).await;
    let login =
        |name: &'static str, password: &'static str| house.call(None, Method::POST, "/login", json!({"name": name, "password": password}));
    assert_eq!(login("alice", "right horse").await.0, StatusCode::OK);
    let entry = last(&house).await;
    assert_eq!((&entry["action"], &entry["actor_name"], &entry["peer"]), (&json!("login"), &json!("alice"), &json!(PEER.to_string())));
    assert_eq!(login("alice", "wrong").await.0, StatusCode::UNAUTHORIZED);
    let entry = last(&house).await;
    assert_eq!((&entry["action"], &entry["target_id"]), (&json!("login_failed"), &json!(house.alice)));
    assert_eq!(login("right, in the wrong field", "x").await.0, StatusCode::UNAUTHORIZED);
    let entry = last(&house).await;
    assert_eq!((&entry["action"], &entry["actor_name"], &entry["target_id"]), (&json!("login_failed"), &Value::Null, &Value::Null));
    assert!(!Value::Array(entries(&house, "").await).to_string().contains("wrong field"));
}

#[tokio::test]
async fn an_organizations_admin_sees_what_concerns_its_organization() {
    let house = House::new().await;
    let (own, other) = (
        house.ok(Method::POST, "/admin/orgs", json!({"name": "own"})).await["id"].clone(),
        house.ok(Method::POST, "/admin/orgs", json!({"name": "other"})).await["id"].clone(),
    );
    let alice = house.store.save(
        Some(UserId(house.alice)),
        NewUser { role: Role::OrganizationAdmin, organization_id: Some(own.as_i64().unwrap().into()), ..NewUser::named("alice") },
    );
    alice.await.unwrap();
    let user = |name: &'static str, organization: &Value| json!({"name": name, "organization_id": organization});
    house.ok(Method::POST, "/admin/users", user("theirs", &own)).await;
    house.ok(Method::POST, "/admin/users", user("others", &other)).await;
    house.ok(Method::POST, "/admin/providers", json!({"name": "p", "channel": "openai"})).await;
    let (status, key, _) = house.call(Some(ALICE), Method::POST, "/user/keys", json!({"label": "mine"})).await;
    assert_eq!(status, StatusCode::OK, "{key}");
    let (status, seen, _) = house.call(Some(ALICE), Method::GET, "/admin/audit", Value::Null).await;
    assert_eq!(status, StatusCode::OK, "{seen}");
    let seen: Vec<(&str, &Value)> =
        seen.as_array().unwrap().iter().map(|entry| (entry["target_kind"].as_str().unwrap(), &entry["organization_id"])).collect();
    assert_eq!(seen, [("key", &own), ("user", &own), ("organization", &own)]);
    let foreign = format!("/admin/audit?organization_id={other}");
    assert_eq!(house.call(Some(ALICE), Method::GET, &foreign, Value::Null).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn entries_are_narrowed_and_paged() {
    let house = House::new().await;
    for number in 0..5 {
        house.ok(Method::POST, "/admin/orgs", json!({"name": format!("o{number}")})).await;
    }
    let first = entries(&house, "?limit=2").await;
    let rest = entries(&house, &format!("?before={}", first[1]["id"])).await;
    assert_eq!((first.len(), rest.len()), (2, 3));
    assert_eq!(entries(&house, "?action=delete").await, Vec::<Value>::new());
    assert_eq!(entries(&house, &format!("?target_kind=organization&target_id={}", first[0]["target_id"])).await, first[..1]);
    assert_eq!(entries(&house, &format!("?actor_id={}&action=create", house.admin)).await.len(), 5);
    assert_eq!(entries(&house, &format!("?from_ms={}", first[0]["at"].as_u64().unwrap() + 1)).await, Vec::<Value>::new());
    for (query, field) in [("action=made", "action"), ("limit=1001", "limit"), ("actor=1", "actor"), ("before=x", "before")] {
        let (status, body) = house.refused(Method::GET, &format!("/admin/audit?{query}"), Value::Null).await;
        assert_eq!((status, &body["error"]["field"]), (StatusCode::BAD_REQUEST, &json!(field)), "{query}");
    }
    let refused = house.refused(Method::POST, "/admin/orgs", json!({"name": "o1"})).await;
    assert_eq!(refused.0, StatusCode::CONFLICT);
    assert_eq!(entries(&house, "").await.len(), 5, "what was refused was not done");
    let (status, ..) = house.call(Some(ADMIN), Method::DELETE, "/admin/audit", Value::Null).await;
    assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED, "nobody takes an entry away");
}
