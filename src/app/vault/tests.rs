use std::sync::Arc;

use super::*;
use crate::{
    admin::Stores,
    base::ProviderId,
    credentials::{Grant, Sealer},
    runtime::{Clock as _, Platform},
    store::{
        persist::{Records as _, memory::MemoryStore},
        record::NewProvider,
    },
    testing::{ManualClock, platform_with},
};

fn secret(text: &str) -> Secret<String> {
    Secret::new(text.to_owned())
}

fn grant(number: u64, expires_at: u64) -> Grant {
    Grant { access_token: secret(&format!("access-{number}")), expires_at, refresh_token: secret(&format!("refresh-{number}")) }
}

/// Two instances on one store, with a credential whose secret is `seed`.
struct House {
    clock: Arc<ManualClock>,
    store: Arc<MemoryStore>,
    vaults: [RecordVault; 2],
    id: CredentialId,
    seed: Secret<String>,
}

impl House {
    async fn start() -> Self {
        let clock = ManualClock::new();
        let platform: Platform = platform_with(Arc::clone(&clock) as _);
        let store = Arc::new(MemoryStore::new(Arc::clone(&platform.clock)));
        let seed = secret("seed");
        let provider: ProviderId = store.save(None, NewProvider::of("up", "custom")).await.unwrap().id;
        let sealed = secret::seal_api_key(&Sealer::new(secret("k")), provider, &seed, &*platform.entropy);
        let id = store.save(None, NewCredential::of(provider, secret::API_KEY, sealed)).await.unwrap().id;
        let vaults = [(); 2].map(|()| {
            let stores = Stores::of(&store);
            RecordVault::new(Arc::new(Control::new(stores, Sealer::new(secret("k")), platform.clone())))
        });
        Self { clock, store, vaults, id, seed }
    }

    async fn claim(&self, at: usize, stale: Option<&Secret<String>>) -> Claim {
        self.vaults[at].claim(self.id, &self.seed, stale).await.unwrap()
    }

    async fn ours(&self, at: usize) -> Lease {
        match self.claim(at, None).await {
            Claim::Ours(lease) => lease,
            other => panic!("{other:?}"),
        }
    }

    async fn close(&self, at: usize, lease: &Lease, renewed: Renewed) {
        self.vaults[at].close(lease, &self.seed, &renewed).await.unwrap();
    }

    fn in_an_hour(&self) -> u64 {
        self.clock.unix_ms() + 3_600_000
    }
}

#[tokio::test]
async fn one_renews_and_the_other_gets_what_it_gave() {
    let house = House::start().await;
    let lease = house.ours(0).await;
    assert_eq!(lease.refresh_token, house.seed);
    assert!(matches!(house.claim(1, None).await, Claim::Others));
    house.close(0, &lease, Renewed::Granted(grant(1, house.in_an_hour()))).await;
    let Claim::Stands(standing) = house.claim(1, None).await else { panic!("it stands") };
    assert_eq!(standing, grant(1, house.in_an_hour()));
    // One that was refused is renewed, with what came with it.
    let Claim::Ours(next) = house.claim(1, Some(&standing.access_token)).await else { panic!("it is stale") };
    assert_eq!(next.refresh_token, standing.refresh_token);
}

#[tokio::test]
async fn a_lease_ends_by_itself_and_what_comes_late_is_kept_unless_somebody_renewed() {
    let house = House::start().await;
    let dead = house.ours(0).await;
    house.clock.advance(LEASE + Duration::from_millis(1));
    let second = house.ours(1).await;
    // The first one lives after all, and its grant is the only one there is.
    house.close(0, &dead, Renewed::Granted(grant(1, house.in_an_hour()))).await;
    assert!(matches!(house.claim(0, None).await, Claim::Stands(_)));
    // The second one was refused, since it came with what was spent; that says nothing any more.
    house.close(1, &second, Renewed::Granted(grant(2, house.in_an_hour()))).await;
    let Claim::Stands(standing) = house.claim(0, None).await else { panic!("it stands") };
    assert_eq!(standing.access_token, secret("access-1"));
}

#[tokio::test]
async fn what_is_refused_waits_for_another_secret() {
    let house = House::start().await;
    let lease = house.ours(0).await;
    house.close(0, &lease, Renewed::Refused).await;
    let before = house.store.revision().await.unwrap();
    assert!(matches!(house.claim(1, None).await, Claim::Refused));
    assert_eq!(house.store.revision().await.unwrap(), before, "asking again writes nothing");
    let row = house.store.load().await.unwrap().credentials.iter().next().unwrap().clone();
    let sealed =
        secret::seal_api_key(&Sealer::new(secret("k")), row.provider_id, &secret("another"), &*house.vaults[0].control.platform().entropy);
    house.store.save(Some(house.id), NewCredential { secret_sealed: sealed, ..row.row.clone() }).await.unwrap();
    assert!(matches!(house.vaults[0].claim(house.id, &house.seed, None).await, Err(VaultFault::Changed)));
    assert!(matches!(house.vaults[0].claim(house.id, &secret("another"), None).await, Ok(Claim::Ours(_))));
}

#[tokio::test]
async fn a_renewal_that_failed_is_free_at_once_and_a_lease_of_a_wrong_clock_too() {
    let house = House::start().await;
    let lease = house.ours(0).await;
    house.close(0, &lease, Renewed::Failed).await;
    house.ours(1).await;
    let kept = Kept { api_key: secret("seed"), renewed: None, lease: Some(("x".into(), house.in_an_hour())) };
    assert!(matches!(claimed(&kept, (house.id, None), ("y", house.clock.unix_ms())).0, Claim::Ours(_)));
}

#[tokio::test]
async fn nothing_of_it_rests_in_the_open() {
    let house = House::start().await;
    let lease = house.ours(0).await;
    house.close(0, &lease, Renewed::Granted(grant(1, house.in_an_hour()))).await;
    let row = house.store.load().await.unwrap().credentials.iter().next().unwrap().clone();
    for text in ["seed", "access-1", "refresh-1"] {
        assert!(!format!("{row:?}").contains(text), "{text}");
    }
    let opened = secret::open_kept(&Sealer::new(secret("k")), row.provider_id, &row.secret_sealed).unwrap();
    assert_eq!((opened.api_key, opened.lease), (house.seed.clone(), None));
}
