//! Owners are touched by owners only, the last one stays, and nobody gives a role above his own.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{ADMIN, ALICE, House};
use crate::{
    base::{KeyId, UserId},
    store::{
        persist::{Records as _, RecordsExt as _},
        record::{NewPermission, NewUser, Role},
    },
};

/// The key of an administrator who is no owner.
const DEPUTY: &str = "sk-deputy-0123456789abcdef";

/// A house whose first administrator is an owner, and one who is not.
async fn with_deputy() -> (House, i64) {
    let house = House::new().await;
    let owner = house.store.load().await.unwrap().users.get(UserId(house.admin)).unwrap().clone();
    house.store.save(Some(owner.id), NewUser { role: Role::Owner, ..owner.row }).await.unwrap();
    let deputy = house.user("deputy", DEPUTY, true).await;
    house.control.refresh().await.unwrap();
    (house, deputy)
}

/// The id of the owner's key.
async fn owners_key(house: &House) -> i64 {
    house.ok(Method::GET, &format!("/admin/users/{}/keys", house.admin), Value::Null).await[0]["id"].as_i64().unwrap()
}

#[tokio::test]
async fn an_administrator_cannot_touch_an_owner_in_any_way() {
    let (house, _) = with_deputy().await;
    let key = owners_key(&house).await;
    let owner = format!("/admin/users/{}", house.admin);
    let (keys, key_path) = (format!("{owner}/keys"), format!("/admin/user-keys/{key}"));
    let before = house.control.snapshot().load().rows().clone();
    for (method, path, body) in [
        (Method::PATCH, &*owner, json!({"password": "mine now"})),
        (Method::PATCH, &*owner, json!({"name": "other"})),
        (Method::PATCH, &*owner, json!({"enabled": false})),
        (Method::PATCH, &*owner, json!({"role": "member"})),
        (Method::PATCH, &*owner, json!({"is_admin": false})),
        (Method::POST, "/admin/users", json!({"id": house.admin, "password": null})),
        (Method::DELETE, &*owner, Value::Null),
        (Method::POST, &*keys, json!({"label": "mine"})),
        (Method::PATCH, &*key_path, json!({"enabled": false})),
        (Method::PATCH, &*key_path, json!({"allowed_ips": "0.0.0.0/0"})),
        (Method::DELETE, &*key_path, Value::Null),
        (Method::POST, "/admin/users/upsert", json!({"id": house.admin, "name": "admin", "password": "mine now", "is_admin": true})),
        (Method::POST, "/admin/users/upsert", json!({"id": house.admin, "is_admin": false})),
        (Method::POST, "/admin/users/delete", json!({"id": house.admin})),
        (Method::POST, "/admin/user-keys/generate", json!({"user_id": house.admin, "label": "mine"})),
        (Method::POST, "/admin/user-keys/delete", json!({"id": key})),
    ] {
        let (status, answer, _) = house.call(Some(DEPUTY), method.clone(), path, body.clone()).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{method} {path} {body}: {answer}");
    }
    house.control.refresh().await.unwrap();
    assert_eq!(*house.control.snapshot().load().rows(), before, "nothing was kept");
}

#[tokio::test]
async fn an_owner_is_not_switched_off_by_its_team_or_organization() {
    let (house, _) = with_deputy().await;
    let acme = house.ok(Method::POST, "/admin/orgs", json!({"name": "acme"})).await["id"].clone();
    let blue = house.ok(Method::POST, "/admin/teams", json!({"name": "blue", "organization_id": acme})).await["id"].clone();
    house.ok(Method::PATCH, &format!("/admin/users/{}", house.admin), json!({"organization_id": acme, "team_id": blue})).await;
    let (org, team) = (format!("/admin/orgs/{acme}"), format!("/admin/teams/{blue}"));
    for (key, status) in [(DEPUTY, StatusCode::FORBIDDEN), (ADMIN, StatusCode::CONFLICT)] {
        for path in [&org, &team] {
            let (given, answer, _) = house.call(Some(key), Method::PATCH, path, json!({"enabled": false})).await;
            assert_eq!(given, status, "{path}: {answer}");
        }
    }
    // Without its team an owner goes on.
    house.ok(Method::DELETE, &team, Value::Null).await;
    assert_eq!(house.ok(Method::GET, "/user/me", Value::Null).await["team_id"], Value::Null);
}

#[tokio::test]
async fn the_last_enabled_owner_stays() {
    let (house, deputy) = with_deputy().await;
    let path = format!("/admin/users/{}", house.admin);
    let refused = async || {
        for (method, path, body) in [
            (Method::PATCH, &*path, json!({"enabled": false})),
            (Method::PATCH, &*path, json!({"role": "admin"})),
            (Method::PATCH, &*path, json!({"is_admin": false})),
            (Method::POST, "/admin/users/upsert", json!({"id": house.admin, "enabled": false})),
            (Method::POST, "/admin/users/upsert", json!({"id": house.admin, "is_admin": false})),
            (Method::POST, "/admin/users/delete", json!({"id": house.admin})),
            (Method::DELETE, &*path, Value::Null),
        ] {
            assert_eq!(house.refused(method, path, body.clone()).await.0, StatusCode::CONFLICT, "{path} {body}");
        }
    };
    refused().await;
    let other = format!("/admin/users/{deputy}");
    house.ok(Method::PATCH, &other, json!({"role": "owner", "enabled": false})).await;
    refused().await;
    house.ok(Method::PATCH, &other, json!({"enabled": true})).await;
    house.ok(Method::DELETE, &path, Value::Null).await;
    assert_eq!(house.call(Some(DEPUTY), Method::DELETE, &other, Value::Null).await.0, StatusCode::CONFLICT);
}

#[tokio::test]
async fn of_two_owners_who_remove_each_other_one_stays() {
    let (house, deputy) = with_deputy().await;
    house.ok(Method::PATCH, &format!("/admin/users/{deputy}"), json!({"role": "owner"})).await;
    let remove = async |key, id: i64| house.call(Some(key), Method::DELETE, &format!("/admin/users/{id}"), Value::Null).await.0;
    let (one, other) = futures_util::future::join(remove(ADMIN, deputy), remove(DEPUTY, house.admin)).await;
    assert_eq!([one, other].iter().filter(|status| **status == StatusCode::NO_CONTENT).count(), 1, "{one} {other}");
    let rows = house.control.snapshot().load().rows().clone();
    assert_eq!(rows.users.iter().filter(|user| user.role == Role::Owner).count(), 1);
}

#[tokio::test]
async fn nobody_gives_a_role_above_the_own() {
    let (house, deputy) = with_deputy().await;
    let alice = format!("/admin/users/{}", house.alice);
    for role in Role::ALL {
        let input = json!({"role": role.word()});
        let low = *role <= Role::Admin;
        let (status, answer, _) = house.call(Some(DEPUTY), Method::PATCH, &alice, input.clone()).await;
        assert_eq!(status.is_success(), low, "{role}: {answer}");
        let fresh = json!({"name": format!("new {role}"), "role": role.word()});
        let (status, answer, _) = house.call(Some(DEPUTY), Method::POST, "/admin/users", fresh).await;
        assert_eq!(status == StatusCode::FORBIDDEN, !low, "{role}: {answer}");
    }
    let itself = format!("/admin/users/{deputy}");
    assert_eq!(house.call(Some(DEPUTY), Method::PATCH, &itself, json!({"role": "owner"})).await.0, StatusCode::FORBIDDEN);
    for role in ["owner", "admin", "member"] {
        assert_eq!(house.ok(Method::PATCH, &alice, json!({"role": role})).await["role"], role);
    }
    let (status, answer) = house.refused(Method::PATCH, &alice, json!({"role": "viewer", "is_admin": true})).await;
    assert_eq!((status, &answer["error"]["field"]), (StatusCode::BAD_REQUEST, &json!("is_admin")));
    assert_eq!(house.call(Some(ALICE), Method::PATCH, &alice, json!({"role": "owner"})).await.0, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn an_administrator_still_manages_everybody_below_owners() {
    let (house, deputy) = with_deputy().await;
    let alice = format!("/admin/users/{}", house.alice);
    let ok = async |method: Method, path: &str, body: Value| {
        let (status, answer, _) = house.call(Some(DEPUTY), method, path, body).await;
        assert!(status.is_success(), "{path}: {answer}");
        answer
    };
    ok(Method::PATCH, &alice, json!({"password": "correct horse", "role": "operator"})).await;
    let key = ok(Method::POST, &format!("{alice}/keys"), json!({"label": "l"})).await;
    ok(Method::DELETE, &format!("/admin/user-keys/{}", key["id"]), Value::Null).await;
    ok(Method::PATCH, &format!("/admin/users/{deputy}"), json!({"name": "second"})).await;
    ok(Method::DELETE, &alice, Value::Null).await;
}

/// Else a key that was given for a day, for one address or for one dollar would be worth its user's.
#[tokio::test]
async fn a_key_that_is_narrower_than_its_user_makes_no_wider_one() {
    let house = House::new().await;
    let later = house.control.now_ms() + 60_000;
    for (input, narrowed, expected) in [
        (json!({"label": "plain"}), false, StatusCode::OK),
        (json!({"label": "short", "expires_at": later}), false, StatusCode::FORBIDDEN),
        (json!({"label": "bound", "allowed_ips": "203.0.113.0/24"}), false, StatusCode::FORBIDDEN),
        (json!({"label": "narrow"}), true, StatusCode::FORBIDDEN),
    ] {
        let made = house.ok(Method::POST, &format!("/admin/users/{}/keys", house.alice), input.clone()).await;
        if narrowed {
            let own = NewPermission::of(KeyId(made["id"].as_i64().unwrap()), "up/*");
            house.store.save(None, own).await.unwrap();
        }
        let key = made["api_key"].as_str().unwrap();
        let (status, answer, _) = house.call(Some(key), Method::POST, "/user/keys", json!({"label": "wide"})).await;
        assert_eq!(status, expected, "{input}: {answer}");
    }
}

/// By the password that it sets, by the user that it makes, by the session that it begins, without what narrows it.
#[tokio::test]
async fn an_administrators_narrow_key_finds_no_way_to_be_wider() {
    let house = House::new().await;
    let later = house.control.now_ms() + 60_000;
    let other = house.ok(Method::POST, &format!("/admin/users/{}/keys", house.alice), json!({"label": "other"})).await["id"].clone();
    for (input, narrowed, expected) in [
        (json!({"label": "plain"}), false, StatusCode::OK),
        (json!({"label": "short", "expires_at": later}), false, StatusCode::FORBIDDEN),
        (json!({"label": "bound", "allowed_ips": "203.0.113.0/24"}), false, StatusCode::FORBIDDEN),
        (json!({"label": "narrow"}), true, StatusCode::FORBIDDEN),
    ] {
        let made = house.ok(Method::POST, &format!("/admin/users/{}/keys", house.admin), input.clone()).await;
        let id = made["id"].as_i64().unwrap();
        let own = if narrowed { Some(house.store.save(None, NewPermission::of(KeyId(id), "up/*")).await.unwrap().id) } else { None };
        let key = made["api_key"].as_str().unwrap();
        let (admin, alice) = (format!("/admin/users/{}", house.admin), format!("/admin/users/{}", house.alice));
        let name = format!("{}-made", input["label"].as_str().unwrap());
        for (method, path, body) in [
            (Method::PATCH, admin.as_str(), json!({"password": "correct horse"})),
            (Method::PATCH, &alice, json!({"password": "correct horse"})),
            (Method::PATCH, &alice, json!({"external_id": "https://x.test s"})),
            (Method::PATCH, &alice, json!({"role": "member"})),
            (Method::POST, "/admin/users", json!({"name": name, "password": "correct horse", "is_admin": true})),
            (Method::POST, "/admin/route-permissions", json!({"scope": "key", "scope_id": other, "pattern": "*"})),
        ] {
            let (status, answer, _) = house.call(Some(key), method, path, body.clone()).await;
            let good = status.is_success() && expected == StatusCode::OK;
            assert!(good || status == expected, "{input}: {path} {body}: {status} {answer}");
        }
        let renamed = house.call(Some(key), Method::PATCH, &alice, json!({"name": "alice"})).await;
        assert_eq!(renamed.0, StatusCode::OK, "what opens nothing is done: {}", renamed.1);
        if let Some(own) = own {
            for (path, body) in
                [(format!("/admin/permissions/{}", own.0), Value::Null), (format!("/admin/route-permissions/{}", own.0), Value::Null)]
            {
                assert_eq!(house.call(Some(key), Method::DELETE, &path, body).await.0, StatusCode::FORBIDDEN, "{path}");
            }
            let batch = json!({"action": "delete", "ids": [own.0]});
            assert_eq!(house.call(Some(key), Method::POST, "/admin/batch/route-permissions", batch).await.0, StatusCode::FORBIDDEN);
        }
        let login = house.call(None, Method::POST, "/login", json!({"name": "admin", "password": key})).await;
        let wanted = if expected == StatusCode::OK { StatusCode::OK } else { StatusCode::UNAUTHORIZED };
        assert_eq!(login.0, wanted, "{input}: {}", login.1);
    }
}
