//! Clients go on with the keys that they have, and those that did not work do not work now.

use serde_json::json;

use crate::house::{ANSWER, Gateway, House};

/// A key works on a model, and the provider is asked with its own key for its own name of it.
fn works(house: &House, gateway: &Gateway, key: &str, model: &str, upstream: &str) {
    let before = house.upstream.calls();
    let (status, answer) = gateway.ask(house.facts.key(key), model);
    assert_eq!((status, answer["choices"][0]["message"]["content"].as_str()), (200, Some(ANSWER)), "{key} {model}: {answer}");
    assert_eq!(house.upstream.calls(), before + 1);
    assert_eq!(house.upstream.last().1, upstream);
}

/// A key is refused, and the provider is not asked.
fn is_refused(house: &House, gateway: &Gateway, key: &str, model: &str, wanted: u16) {
    let before = house.upstream.calls();
    let (status, answer) = gateway.ask(house.facts.key(key), model);
    assert_eq!(status, wanted, "{key} {model}: {answer}");
    assert_eq!(house.upstream.calls(), before);
}

#[test]
fn tokens_of_one_api_and_new_api_go_on() {
    for format in ["one-api", "new-api"] {
        let house = House::of(format);
        house.import(&[]);
        let gateway = house.serve();
        works(&house, &gateway, "works", "gpt-4o-mini", "gpt-4o-mini");
        assert_eq!(house.upstream.last().0, house.facts.upstream_key());
        works(&house, &gateway, "works", "gpt-4o", "gpt-4o-2024-11-20");
        works(&house, &gateway, "budget", "gpt-4o-mini", "gpt-4o-mini");
        works(&house, &gateway, "vip", "house-model", "house-model");
        works(&house, &gateway, "limited", "gpt-4o", "gpt-4o-2024-11-20");
        is_refused(&house, &gateway, "limited", "gpt-4o-mini", 403);
        is_refused(&house, &gateway, "works", "house-model", 403);
        is_refused(&house, &gateway, "elsewhere", "gpt-4o-mini", 401);
        for key in ["off", "expired", "past", "of_deleted"] {
            is_refused(&house, &gateway, key, "gpt-4o-mini", 401);
        }
        is_refused(&house, &gateway, "of_disabled", "gpt-4o-mini", 401);
        for key in ["spent", "of_broke"] {
            is_refused(&house, &gateway, key, "gpt-4o-mini", 429);
        }
        // A client's token opens no more than it did.
        assert_eq!(gateway.call(house.facts.key("works"), "GET", "/admin/users", &json!({})).0, 403);
    }
}

#[test]
fn the_master_key_of_litellm_goes_on() {
    let house = House::of("litellm");
    house.import(&["--format", "litellm"]);
    let gateway = house.serve();
    works(&house, &gateway, "works", "house", "house-model");
    assert_eq!(house.upstream.last().0, house.facts.upstream_key());
    works(&house, &gateway, "works", "house-small", "small/model");
    works(&house, &gateway, "works", "shared", "shared-a");
    assert_eq!(house.upstream.last().0, "sk-shared-0123456789");
    works(&house, &gateway, "works", "any/thing-7", "thing-7");
    assert_eq!(house.upstream.last().0, "sk-from-the-file-0123456789");
    works(&house, &gateway, "works", "house (old)", "house-model");
    works(&house, &gateway, "works", "hidden", "small/model");
    assert_eq!(gateway.call(house.facts.key("works"), "GET", "/admin/users", &json!({})).0, 200);
}

#[test]
fn keys_and_passwords_of_the_first_tables_go_on() {
    for format in ["first", "sealed"] {
        first(&House::of(format));
    }
}

fn first(house: &House) {
    house.import(&["--format", "reference"]);
    let gateway = house.serve();
    works(house, &gateway, "works", "house/any-model", "any-model");
    assert_eq!(house.upstream.last().0, house.facts.upstream_key());
    works(house, &gateway, "admin", "house/any-model", "any-model");
    assert_eq!(gateway.call(house.facts.key("admin"), "GET", "/admin/users", &json!({})).0, 200);
    for key in ["off", "of_disabled"] {
        is_refused(house, &gateway, key, "house/any-model", 401);
    }
    let login = json!({ "name": "eve", "password": house.facts.password("eve") });
    let (status, answer) = gateway.call("", "POST", "/login", &login);
    assert_eq!(status, 200, "{answer}");
}

#[test]
fn keys_of_the_tables_with_tenants_go_on() {
    let house = House::of("tenants");
    house.import(&[]);
    let gateway = house.serve();
    works(&house, &gateway, "works", "house/house-model", "house-model");
    works(&house, &gateway, "works", "fast (new)", "house-model");
    works(&house, &gateway, "limited", "house/other-model", "other-model");
    is_refused(&house, &gateway, "limited", "house/house-model", 403);
    is_refused(&house, &gateway, "broke", "house/house-model", 429);
    assert_eq!(gateway.call(house.facts.key("boss"), "GET", "/admin/users", &json!({})).0, 200);
}

#[test]
fn keys_of_the_later_tables_go_on_sealed_or_not() {
    for format in ["later", "bundle"] {
        let house = House::of(format);
        house.import(&[]);
        let gateway = house.serve();
        works(&house, &gateway, "works", "quick", "house-model");
        assert_eq!(house.upstream.last().0, house.facts.upstream_key());
        works(&house, &gateway, "works", "house/old", "house-model");
        works(&house, &gateway, "limited", "house/other-model", "other-model");
        is_refused(&house, &gateway, "limited", "house/house-model", 403);
        for key in ["off", "of_closed"] {
            is_refused(&house, &gateway, key, "quick", 401);
        }
        if format == "later" {
            works(&house, &gateway, "sealed", "quick", "house-model");
        }
    }
}
