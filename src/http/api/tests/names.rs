//! Routes, aliases and rule sets by the API.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{ALICE, House};

async fn made(house: &House, path: &str, input: Value) -> i64 {
    house.ok(Method::POST, path, input).await["id"].as_i64().unwrap()
}

#[tokio::test]
async fn a_route_its_members_and_an_alias_are_made_changed_and_forgotten() {
    let house = House::new().await;
    let demo = made(&house, "/admin/providers", json!({"name": "demo", "channel": "demo"})).await;
    let route = house.ok(Method::POST, "/admin/routes", json!({"name": "fast"})).await;
    assert_eq!((&route["strategy"], &route["namespace"], &route["enabled"]), (&json!("failover"), &json!(""), &json!(true)));
    let route = route["id"].as_i64().unwrap();
    let members = format!("/admin/routes/{route}/members");
    let member = house.ok(Method::POST, &members, json!({"provider_id": demo, "upstream_model": "m"})).await;
    assert_eq!((&member["route_id"], &member["weight"], &member["tier"]), (&json!(route), &json!(100), &json!(0)));
    let changed = house.ok(Method::POST, &members, json!({"id": member["id"], "weight": 7})).await;
    assert_eq!((&changed["weight"], &changed["upstream_model"]), (&json!(7), &json!("m")));
    let other = made(&house, "/admin/routes", json!({"name": "other-*", "strategy": "weighted", "settings_json": {"a": 1}})).await;
    assert_eq!(house.ok(Method::GET, &format!("/admin/routes/{other}"), Value::Null).await["settings_json"], json!("{\"a\":1}"));
    let (status, _) = house.refused(Method::POST, &format!("/admin/routes/{other}/members"), json!({"id": member["id"]})).await;
    assert_eq!(status, StatusCode::NOT_FOUND, "a member of another route is as if it were not there");
    assert_eq!(house.ok(Method::GET, &format!("/admin/routes/{other}/members"), Value::Null).await, json!([]));
    assert_eq!(house.refused(Method::GET, "/admin/routes/999/members", Value::Null).await.0, StatusCode::NOT_FOUND);
    let alias = made(&house, "/admin/aliases", json!({"alias": "gpt-(.*)", "target": "demo/$1"})).await;
    let snapshot = house.control.snapshot().load();
    assert_eq!(snapshot.names().global("gpt-m").as_deref(), Some("demo/m"));
    assert_eq!(snapshot.names().plan("", "fast", &|_| None).unwrap().stops.len(), 1);
    assert_eq!(house.refused(Method::POST, "/admin/routes", json!({"name": "fast"})).await.0, StatusCode::CONFLICT);
    house.ok(Method::DELETE, &format!("/admin/aliases/{alias}"), Value::Null).await;
    house.ok(Method::DELETE, &format!("/admin/routes/{route}"), Value::Null).await;
    let path = format!("/admin/route-members/{}", member["id"]);
    assert_eq!(house.refused(Method::GET, &path, Value::Null).await.0, StatusCode::NOT_FOUND);
    assert!(house.control.snapshot().load().names().global("gpt-m").is_none());
}

#[tokio::test]
async fn a_rule_set_is_shared_by_the_providers_that_it_is_attached_to() {
    let house = House::new().await;
    let demo = made(&house, "/admin/providers", json!({"name": "demo", "channel": "demo"})).await;
    let set = made(&house, "/admin/rule-sets", json!({"name": "clients"})).await;
    let rules = format!("/admin/rule-sets/{set}/rules");
    let rule = json!({"kind": "header", "config_json": {"name": "x", "value": "v"}, "filter_operation_keys": ["generate_content"]});
    let rule = house.ok(Method::POST, &rules, rule).await;
    assert_eq!(rule["config_json"], json!(r#"{"name":"x","value":"v"}"#));
    let sets = format!("/admin/providers/{demo}/rule-sets");
    let place = house.ok(Method::POST, &sets, json!({"rule_set_id": set})).await;
    let has_rules = || !house.control.snapshot().load().provider("demo").unwrap().rules.is_empty();
    assert!(has_rules());
    assert_eq!(house.refused(Method::POST, &sets, json!({"rule_set_id": set})).await.0, StatusCode::CONFLICT);
    house.ok(Method::PATCH, &format!("/admin/rules/{}", rule["id"]), json!({"enabled": false})).await;
    assert!(!has_rules());
    house.ok(Method::PATCH, &format!("/admin/rules/{}", rule["id"]), json!({"enabled": true})).await;
    house.ok(Method::DELETE, &format!("/admin/provider-rule-sets/{}", place["id"]), Value::Null).await;
    assert!(!has_rules());
    assert_eq!(house.ok(Method::GET, &rules, Value::Null).await.as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn what_no_name_or_rule_can_be_is_refused_by_name() {
    let house = House::new().await;
    let demo = made(&house, "/admin/providers", json!({"name": "demo", "channel": "demo"})).await;
    let route = made(&house, "/admin/routes", json!({"name": "fast"})).await;
    let set = made(&house, "/admin/rule-sets", json!({"name": "clients"})).await;
    let (members, rules) = (format!("routes/{route}/members"), format!("rule-sets/{set}/rules"));
    for (path, input, field, told) in [
        ("routes", json!({"name": "*a*"}), "name", "at most one"),
        ("routes", json!({"name": "a", "strategy": "fastest"}), "strategy", "unknown variant"),
        ("routes", json!({"name": "a", "namespace": "demo"}), "namespace", "name of a provider"),
        ("routes", json!({"name": "a", "namespace": "admin"}), "namespace", "path of the gateway"),
        ("routes", json!({"name": "a", "settings_json": [1]}), "settings_json", "expected a JSON object"),
        ("routes", json!({"nam": "a"}), "nam", "did you mean \"name\"?"),
        (&members, json!({"provider_id": demo, "upstream_model": ""}), "upstream_model", "1 to 256"),
        (&members, json!({"provider_id": demo, "upstream_model": "m", "weight": -1}), "weight", "0 or more"),
        (&members, json!({"provider_id": demo, "upstream_model": "m-*"}), "upstream_model", "has none"),
        ("aliases", json!({"alias": "(", "target": "x"}), "alias", "no regular expression"),
        ("aliases", json!({"alias": "a", "target": ""}), "target", "1 to 256"),
        ("aliases", json!({"alias": "a", "target": "b", "provider": "demi"}), "provider", "did you mean \"demo\"?"),
        ("rule-sets", json!({"name": " "}), "name", "1 to 256"),
        (&rules, json!({"kind": "heder", "config_json": {}}), "kind", "header"),
        (&rules, json!({"kind": "header", "config_json": {"value": "v"}}), "config_json.name", "missing"),
        (
            &rules,
            json!({"kind": "header", "config_json": {"name": "x", "value": "v"}, "filter_header_pattern": "("}),
            "filter_header_pattern",
            "is",
        ),
    ] {
        let (status, body) = house.refused(Method::POST, &format!("/admin/{path}"), input.clone()).await;
        assert_eq!((status, &body["error"]["field"]), (StatusCode::BAD_REQUEST, &json!(field)), "{input}: {body}");
        assert!(body["error"]["message"].as_str().unwrap().contains(told), "{input}: {body}");
    }
    for id in [999, -1] {
        let (status, body) =
            house.refused(Method::POST, &format!("/admin/{members}"), json!({"provider_id": id, "upstream_model": "m"})).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{body}");
    }
}

#[tokio::test]
async fn a_team_with_users_stays_in_its_organization() {
    let house = House::new().await;
    let (acme, other) =
        (made(&house, "/admin/orgs", json!({"name": "acme"})).await, made(&house, "/admin/orgs", json!({"name": "other"})).await);
    let blue = made(&house, &format!("/admin/orgs/{acme}/teams"), json!({"name": "blue"})).await;
    let team = format!("/admin/teams/{blue}");
    house.ok(Method::PATCH, &team, json!({"organization_id": other})).await;
    house.ok(Method::PATCH, &format!("/admin/users/{}", house.alice), json!({"organization_id": other, "team_id": blue})).await;
    let (status, body) = house.refused(Method::PATCH, &team, json!({"organization_id": acme})).await;
    assert_eq!((status, &body["error"]["field"]), (StatusCode::BAD_REQUEST, &json!("organization_id")));
    let (status, _) = house.refused(Method::POST, &format!("/admin/orgs/{acme}/teams"), json!({"id": blue, "name": "red"})).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_user_sees_what_counts_for_its_calls_and_nothing_else() {
    let house = House::new().await;
    let acme = made(&house, "/admin/orgs", json!({"name": "acme"})).await;
    let other = made(&house, "/admin/orgs", json!({"name": "other"})).await;
    let blue = made(&house, &format!("/admin/orgs/{acme}/teams"), json!({"name": "blue"})).await;
    let user = format!("/admin/users/{}", house.alice);
    house.ok(Method::PATCH, &user, json!({"organization_id": acme, "team_id": blue})).await;
    let key = house.ok(Method::GET, &format!("{user}/keys"), Value::Null).await[0]["id"].clone();
    let scopes = [("key", key), ("user", json!(house.alice)), ("team", json!(blue)), ("organization", json!(acme))];
    let strangers = [("user", json!(house.admin)), ("organization", json!(other))];
    for (scope, id) in scopes.iter().chain(&strangers) {
        for (path, member) in [
            ("quotas", json!({"daily": "1.5"})),
            ("rate-limits", json!({"concurrency": 2})),
            ("route-permissions", json!({"pattern": "a"})),
        ] {
            let mut input = member;
            (input["scope"], input["scope_id"]) = (json!(scope), id.clone());
            house.ok(Method::POST, &format!("/admin/{path}"), input).await;
        }
    }
    for (path, member, value) in [
        ("quota", "daily", json!("1.5")),
        ("rate-limits", "concurrency", json!(2)),
        ("permissions", "pattern", json!("a")),
        ("route-permissions", "pattern", json!("a")),
    ] {
        let (status, rows, _) = house.call(Some(ALICE), Method::GET, &format!("/user/{path}"), Value::Null).await;
        assert_eq!(status, StatusCode::OK);
        let told: Vec<_> = rows.as_array().unwrap().iter().map(|row| (row["source"].as_str().unwrap(), row["scope_id"].clone())).collect();
        assert_eq!(told, scopes, "{path}");
        assert!(rows.as_array().unwrap().iter().all(|row| row[member] == value), "{rows}");
    }
}

#[tokio::test]
async fn a_credential_has_a_weight_and_limits_and_a_key_says_what_a_hung_up_client_means() {
    let house = House::new().await;
    let demo = made(&house, "/admin/providers", json!({"name": "demo", "channel": "demo"})).await;
    let path = format!("/admin/providers/{demo}/credentials");
    let credential = house.ok(Method::POST, &path, json!({"api_key": "sk-one", "rpm_limit": 60})).await;
    assert_eq!((&credential["weight"], &credential["rpm_limit"], &credential["tpm_limit"]), (&json!(100), &json!(60), &json!(null)));
    let item = format!("/admin/credentials/{}", credential["id"]);
    let changed = house.ok(Method::PATCH, &item, json!({"weight": 0, "rpm_limit": null, "concurrency_limit": 4})).await;
    assert_eq!((&changed["weight"], &changed["rpm_limit"], &changed["concurrency_limit"]), (&json!(0), &json!(null), &json!(4)));
    for member in ["weight", "rpm_limit", "tpm_limit", "concurrency_limit"] {
        let (status, body) = house.refused(Method::PATCH, &item, json!({ member: -1 })).await;
        assert_eq!((status, &body["error"]["field"]), (StatusCode::BAD_REQUEST, &json!(member)), "{body}");
    }
    let keys = format!("/admin/users/{}/keys", house.alice);
    let key = house.ok(Method::POST, &keys, json!({"label": "x", "on_disconnect": "drain"})).await;
    assert_eq!(key["on_disconnect"], json!("drain"));
    let key = format!("/admin/user-keys/{}", key["id"]);
    assert_eq!(house.ok(Method::PATCH, &key, json!({"label": "y"})).await["on_disconnect"], json!("drain"));
    assert_eq!(house.refused(Method::PATCH, &key, json!({"on_disconnect": "wait"})).await.0, StatusCode::BAD_REQUEST);
}
