//! Many rows at once: all of them or none, under the same rules as one by one.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{ADMIN, ALICE, House};
use crate::{
    base::UserId,
    store::{
        persist::{Records as _, RecordsExt as _},
        record::{NewUser, Role},
    },
};

async fn made(house: &House, path: &str, body: Value) -> i64 {
    house.ok(Method::POST, path, body).await["id"].as_i64().unwrap()
}

async fn organizations(house: &House, count: usize) -> Vec<i64> {
    let mut ids = Vec::new();
    for number in 0..count {
        ids.push(made(house, "/admin/orgs", json!({"name": format!("o{number}")})).await);
    }
    ids
}

#[tokio::test]
async fn many_are_switched_and_forgotten_in_one_step() {
    let house = House::new().await;
    let ids = organizations(&house, 5).await;
    let revision = house.store.revision().await.unwrap();
    let batch = |action: &'static str, ids: Vec<i64>| house.ok(Method::POST, "/admin/batch/orgs", json!({"action": action, "ids": ids}));
    assert_eq!(batch("disable", vec![ids[0], ids[1], ids[1]]).await, json!({"changed": 2, "unchanged": 0}));
    assert_eq!(house.store.revision().await.unwrap(), revision + 1, "one transaction");
    assert_eq!(batch("disable", ids[..3].to_vec()).await, json!({"changed": 1, "unchanged": 2}));
    assert_eq!(batch("disable", ids[..3].to_vec()).await, json!({"changed": 0, "unchanged": 3}));
    let enabled = || {
        let snapshot = house.control.snapshot().load();
        snapshot.rows().organizations.iter().filter(|row| row.enabled).map(|row| row.id.0).collect::<Vec<_>>()
    };
    assert_eq!(enabled(), ids[3..], "they serve so at once");
    assert_eq!(batch("enable", ids.clone()).await, json!({"changed": 3, "unchanged": 2}));
    assert_eq!(batch("delete", ids[1..].to_vec()).await, json!({"changed": 4, "unchanged": 0}));
    assert_eq!(enabled(), ids[..1]);
    let entries = house.ok(Method::GET, "/admin/audit?target_kind=organization&limit=4", Value::Null).await;
    let told: Vec<(&Value, i64)> =
        entries.as_array().unwrap().iter().rev().map(|entry| (&entry["action"], entry["target_id"].as_i64().unwrap())).collect();
    assert_eq!(told, ids[1..].iter().map(|id| (&entries[0]["action"], *id)).collect::<Vec<_>>());
    assert_eq!(entries[0]["action"], json!("delete"));
}

#[tokio::test]
async fn one_that_cannot_be_done_stops_all() {
    let house = House::new().await;
    let ids = organizations(&house, 3).await;
    made(&house, "/admin/users", json!({"name": "bob", "organization_id": ids[2]})).await;
    let before = house.control.snapshot().load().rows().clone();
    let entries = house.ok(Method::GET, "/admin/audit", Value::Null).await;
    for (path, body, status, field) in [
        ("orgs", json!({"action": "delete", "ids": [ids[0], 999]}), StatusCode::NOT_FOUND, None),
        ("orgs", json!({"action": "delete", "ids": ids}), StatusCode::CONFLICT, None),
        ("users", json!({"action": "disable", "ids": [house.alice, house.admin]}), StatusCode::CONFLICT, None),
        ("users", json!({"action": "delete", "ids": [house.alice, house.admin]}), StatusCode::CONFLICT, None),
        ("quotas", json!({"action": "enable", "ids": [1]}), StatusCode::NOT_FOUND, None),
        ("orgs", json!({"action": "delete", "ids": []}), StatusCode::BAD_REQUEST, Some("ids")),
        ("orgs", json!({"action": "delete", "ids": (0..1001).collect::<Vec<i64>>()}), StatusCode::BAD_REQUEST, Some("ids")),
        ("orgs", json!({"action": "remove", "ids": [1]}), StatusCode::BAD_REQUEST, Some("action")),
        ("orgs", json!({"action": "delete"}), StatusCode::BAD_REQUEST, Some("ids")),
    ] {
        let (told, answer) = house.refused(Method::POST, &format!("/admin/batch/{path}"), body.clone()).await;
        assert_eq!(told, status, "{path} {body}: {answer}");
        assert_eq!(answer["error"]["field"].as_str(), field, "{path} {body}: {answer}");
    }
    assert_eq!(house.control.snapshot().load().rows(), &before);
    assert_eq!(house.ok(Method::GET, "/admin/audit", Value::Null).await, entries, "what was not done is not told");
}

#[tokio::test]
async fn what_has_no_switch_can_be_forgotten_only() {
    let house = House::new().await;
    let quota = made(&house, "/admin/quotas", json!({"scope": "user", "scope_id": house.alice, "total": "1"})).await;
    let (status, answer) = house.refused(Method::POST, "/admin/batch/quotas", json!({"action": "disable", "ids": [quota]})).await;
    assert_eq!((status, &answer["error"]["field"]), (StatusCode::BAD_REQUEST, &json!("action")), "{answer}");
    house.ok(Method::POST, "/admin/batch/quotas", json!({"action": "delete", "ids": [quota]})).await;
    assert_eq!(house.control.snapshot().load().rows().quotas.len(), 0);
}

#[tokio::test]
async fn an_organizations_admin_does_it_in_its_organization_only() {
    let house = House::new().await;
    let ids = organizations(&house, 2).await;
    let row = NewUser { role: Role::OrganizationAdmin, organization_id: Some(ids[0].into()), ..NewUser::named("alice") };
    house.store.save(Some(UserId(house.alice)), row).await.unwrap();
    let ours = made(&house, "/admin/users", json!({"name": "ours", "organization_id": ids[0]})).await;
    let theirs = made(&house, "/admin/users", json!({"name": "theirs", "organization_id": ids[1]})).await;
    let key = made(&house, &format!("/admin/users/{theirs}/keys"), json!({})).await;
    let quota = made(&house, "/admin/quotas", json!({"scope": "organization", "scope_id": ids[0], "total": "1"})).await;
    let provider = made(&house, "/admin/providers", json!({"name": "p", "channel": "openai"})).await;
    let call = |path: &'static str, ids: Value| {
        house.call(
            Some(ALICE),
            Method::POST,
            path,
            json!({"action": if path.ends_with("quotas") { "delete" } else { "disable" }, "ids": ids}),
        )
    };
    assert_eq!(call("/admin/batch/users", json!([ours, theirs])).await.0, StatusCode::NOT_FOUND);
    assert_eq!(call("/admin/batch/users", json!([house.admin])).await.0, StatusCode::NOT_FOUND);
    assert_eq!(call("/admin/batch/user-keys", json!([key])).await.0, StatusCode::NOT_FOUND);
    assert_eq!(call("/admin/batch/quotas", json!([quota])).await.0, StatusCode::FORBIDDEN, "the organization's own");
    assert_eq!(call("/admin/batch/providers", json!([provider])).await.0, StatusCode::FORBIDDEN);
    assert_eq!(call("/admin/batch/orgs", json!([ids[0]])).await.0, StatusCode::FORBIDDEN);
    let (status, answer, _) = call("/admin/batch/users", json!([ours])).await;
    assert_eq!((status, answer), (StatusCode::OK, json!({"changed": 1, "unchanged": 0})));
    let rows = house.store.load().await.unwrap();
    let enabled = |id: i64| rows.users.get(UserId(id)).unwrap().enabled;
    assert!(!enabled(ours) && enabled(theirs) && enabled(house.admin));
    assert_eq!(house.call(Some(ADMIN), Method::GET, "/admin/batch/users", Value::Null).await.0, StatusCode::METHOD_NOT_ALLOWED);
}
