//! A credential that is renewed, under the hands of an administrator.

use super::*;
use crate::{
    app::vault::RecordVault,
    base::CredentialId,
    credentials::{Claim, Grant, Lease, Renewed, Vault},
    runtime::Clock as _,
};

/// Another instance on the same store, which renews.
fn vault(house: &House) -> RecordVault {
    let stores = Stores::of(&house.store);
    let control = Control::new(stores, Sealer::new(Secret::new("k".to_owned())), house.control.platform().clone());
    RecordVault::new(Arc::new(control))
}

async fn ours(vault: &RecordVault, id: CredentialId, seed: &Secret<String>) -> Lease {
    match vault.claim(id, seed, None).await.unwrap() {
        Claim::Ours(lease) => lease,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_an_administrator_changes_beside_a_renewal_costs_no_refresh_token() {
    let house = House::new().await;
    let provider = house.ok(Method::POST, "/admin/providers", json!({"name": "demo", "channel": "demo"})).await["id"].clone();
    let path = format!("/admin/providers/{provider}/credentials");
    let id = CredentialId(house.ok(Method::POST, &path, json!({"api_key": "first"})).await["id"].as_i64().unwrap());
    let (vault, seed, item) = (vault(&house), Secret::new("first".to_owned()), format!("/admin/credentials/{}", id.0));
    let text = |text: &str| Secret::new(text.to_owned());
    let grant = Grant { access_token: text("access"), expires_at: house.clock.unix_ms() + 3_600_000, refresh_token: text("second") };
    let lease = ours(&vault, id, &seed).await;
    vault.close(&lease, &seed, &Renewed::Granted(grant.clone())).await.unwrap();

    // Another weight, and the same secret once more: what was renewed stands.
    for change in [json!({"weight": 7}), json!({"api_key": "first"})] {
        house.ok(Method::PATCH, &item, change.clone()).await;
        let Claim::Stands(standing) = vault.claim(id, &seed, None).await.unwrap() else { panic!("{change}") };
        assert_eq!(standing, grant, "{change}");
    }
    let next = vault.claim(id, &seed, Some(&grant.access_token)).await.unwrap();
    let Claim::Ours(lease) = next else { panic!("{next:?}") };
    assert_eq!(lease.refresh_token, grant.refresh_token);

    // One that is refused for good begins anew with whatever secret is given, also the same.
    vault.close(&lease, &seed, &Renewed::Refused).await.unwrap();
    assert!(matches!(vault.claim(id, &seed, None).await.unwrap(), Claim::Refused));
    house.ok(Method::PATCH, &item, json!({"api_key": "first"})).await;
    assert_eq!(ours(&vault, id, &seed).await.refresh_token, seed);

    let shown = house.ok(Method::GET, &item, Value::Null).await.to_string();
    assert!(!["second", "access"].iter().any(|word| shown.contains(word)), "{shown}");
}
