//! Whom of an identity provider a user is: seen, bound and freed, and by whom.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{ALICE, House};
use crate::{
    access::key::{digest_text, prefix},
    base::UserId,
    store::{
        persist::RecordsExt as _,
        record::{NewKey, NewUser, Role},
    },
};

const SESSION: &str = "sk-session-0123456789abcdef";

#[tokio::test]
async fn a_user_is_bound_and_freed_by_administrators_and_its_sessions_end_with_it() {
    let house = House::new().await;
    let path = format!("/admin/users/{}", house.alice);
    for (change, stands) in [
        (json!({"external_id": "https://id.example one"}), json!("https://id.example one")),
        (json!({"enabled": true}), json!("https://id.example one")),
        (json!({"external_id": null}), Value::Null),
    ] {
        let row = NewKey { label: Some("login".to_owned()), ..NewKey::of(UserId(house.alice), digest_text(SESSION), prefix(SESSION)) };
        let session = house.store.save(None, row).await.unwrap();
        house.control.refresh().await.unwrap();
        let shown = house.ok(Method::PATCH, &path, change.clone()).await;
        assert_eq!(shown["external_id"], stands, "{change}");
        let ended = house.call(Some(SESSION), Method::GET, "/user/me", Value::Null).await.0 == StatusCode::UNAUTHORIZED;
        assert_eq!(ended, change.get("external_id").is_some(), "{change}");
        if !ended {
            house.store.delete::<NewKey>(session.id).await.unwrap();
        }
        assert_eq!(house.call(Some(ALICE), Method::GET, "/user/me", Value::Null).await.0, StatusCode::OK, "no other key ends");
    }
    for wrong in [
        json!(""),
        json!("https://id.example"),
        json!(" one"),
        json!("https://id.example "),
        json!("a b\n"),
        json!("x".repeat(1025)),
        json!(7),
    ] {
        assert_eq!(house.refused(Method::PATCH, &path, json!({"external_id": wrong})).await.0, StatusCode::BAD_REQUEST, "{wrong}");
    }
}

#[tokio::test]
async fn an_organizations_admin_frees_its_users_and_binds_nobody() {
    let house = House::new().await;
    let own = house.ok(Method::POST, "/admin/orgs", json!({"name": "acme"})).await["id"].as_i64().unwrap().into();
    let boss = NewUser { role: Role::OrganizationAdmin, organization_id: Some(own), ..NewUser::named("alice") };
    house.store.save(Some(UserId(house.alice)), boss).await.unwrap();
    let external_id = Some("https://id.example one".to_owned());
    let member = house.store.save(None, NewUser { organization_id: Some(own), external_id, ..NewUser::named("bob") }).await.unwrap();
    house.control.refresh().await.unwrap();
    let path = format!("/admin/users/{}", member.id);
    for (value, status) in [(json!("https://id.example owner"), StatusCode::FORBIDDEN), (Value::Null, StatusCode::OK)] {
        assert_eq!(house.call(Some(ALICE), Method::PATCH, &path, json!({"external_id": value})).await.0, status, "{value}");
    }
}
