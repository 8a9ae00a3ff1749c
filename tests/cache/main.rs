//! One contract for every store of counters and values, run in memory and on a real Redis; and what happens when that stops.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, helpers included")]
#![expect(clippy::disallowed_methods, reason = "the server's address comes from the environment")]

mod affinity;
mod budget;
mod health;
mod laws;
mod model;
mod outage;
mod server;
mod values;

use std::sync::Arc;

use gproxy::{
    store::cache::memory::{MemoryCache, MemoryCounters},
    testing::ManualClock,
};
use server::Shared;

#[tokio::test]
async fn counters_in_memory_uphold_the_contract() {
    laws::uphold(&|| Arc::new(MemoryCounters::new())).await;
}

#[tokio::test]
async fn counters_on_redis_uphold_the_contract() {
    let shared = Shared::new();
    laws::uphold(&|| Arc::new(shared.another())).await;
    shared.clean().await;
}

#[tokio::test]
async fn values_in_memory_uphold_the_contract() {
    let clock = ManualClock::new();
    let cache = MemoryCache::new(Arc::clone(&clock) as _);
    values::uphold((&cache, &cache), &|span| clock.advance(span)).await;
}

#[tokio::test]
async fn values_on_redis_uphold_the_contract() {
    let shared = Shared::new();
    values::uphold((&shared.store(), &shared.store()), &|_| ()).await;
    shared.clean().await;
}

#[test]
fn histories_in_memory_agree_with_the_model() {
    model::check(300, || (MemoryCounters::new(), ()), |()| async {});
}

#[test]
fn histories_on_redis_agree_with_the_model() {
    let with_store = || {
        let shared = Shared::new();
        (shared.store(), shared)
    };
    model::check(30, with_store, |shared: Shared| async move { shared.clean().await });
}
