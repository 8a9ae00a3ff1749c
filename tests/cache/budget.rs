//! A budget under concurrency: exactly what it is worth, never more, in memory and with two instances on one Redis.

use std::sync::Arc;

use futures_util::future::join_all;
use gproxy::store::cache::{Admission, Counts, End, Spend, Window, memory::MemoryCounters};

use crate::{
    laws::{NOON, Store, claim, draw, id, meter},
    server::Shared,
};

const COST: i64 = 1_234_567;
const WORTH: i64 = 100;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Served {
    Yes,
    No,
}

/// One request: admitted, served for its fixed cost, settled.
async fn request(store: Store, number: u64) -> Served {
    let (budget, slots) = (meter(1, Counts::NanoDollars, Window::Total), meter(2, Counts::Concurrency, Window::Total));
    let draws = [draw(budget, WORTH * COST, COST), draw(slots, 1_000, 1)];
    match store.admit(claim(number, NOON, &draws)).await.unwrap() {
        Admission::Admitted(_) => {
            tokio::task::yield_now().await;
            let spend = [Spend { meter: budget, amount: COST }];
            assert_eq!(store.settle(id(number), NOON, &spend).await.unwrap(), End::Now);
            Served::Yes
        }
        Admission::Refused(refusal) => {
            assert_eq!((refusal.meter, refusal.asked), (budget, COST));
            assert!(refusal.limit - refusal.used - refusal.reserved < COST, "{refusal:?}");
            Served::No
        }
    }
}

async fn exactly_a_hundred_of_a_thousand(instances: &[Store]) {
    #[expect(clippy::disallowed_methods, reason = "a test waits for what it starts")]
    let requests = (0..1_000_u64).zip(instances.iter().cycle()).map(|(number, store)| tokio::spawn(request(Arc::clone(store), number)));
    let served = join_all(requests).await.into_iter().filter(|served| *served.as_ref().unwrap() == Served::Yes).count();
    assert_eq!(served, 100);
    let reading = instances[0].read(&[meter(1, Counts::NanoDollars, Window::Total)], NOON).await.unwrap()[0];
    assert_eq!((reading.spent, reading.reserved), (WORTH * COST, 0));
    let audit = instances[0].audit().await.unwrap();
    assert!(audit.agrees() && audit.reservations == 0 && audit.reserved == [0; 4], "{audit:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_thousand_requests_on_a_budget_worth_a_hundred_in_memory() {
    exactly_a_hundred_of_a_thousand(&[Arc::new(MemoryCounters::new())]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_thousand_requests_on_a_budget_worth_a_hundred_on_two_instances() {
    let shared = Shared::new();
    exactly_a_hundred_of_a_thousand(&[Arc::new(shared.store()), Arc::new(shared.store())]).await;
    shared.clean().await;
}

/// Threads that admit and end at random across each other's scopes: nothing waits for ever, and all comes back.
#[test]
fn threads_on_one_memory_never_pass_a_limit() {
    const LIMIT: i64 = 40;
    let store = MemoryCounters::new();
    let meters: Vec<_> = (0..8).map(|scope| gproxy::store::cache::Meter { scope, ..meter(1, Counts::Tokens, Window::Total) }).collect();
    std::thread::scope(|scope| {
        for thread in 0..8_u64 {
            let (store, meters) = (&store, &meters);
            scope.spawn(move || {
                let mut seed = thread + 1;
                let mut next = || {
                    seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    usize::try_from(seed >> 40).unwrap()
                };
                for round in 0..5_000_u64 {
                    let number = thread * 1_000_000 + round;
                    let draws: Vec<_> = (0..4).map(|_| draw(meters[next() % 8], LIMIT, 1 + i64::try_from(next() % 9).unwrap())).collect();
                    if let Ok(Admission::Admitted(rooms)) = store.admit_now(claim(number, NOON, &draws)) {
                        assert!(rooms.iter().all(|room| room.remaining >= 0 && room.remaining < LIMIT));
                        assert_eq!(store.release_now(id(number)), End::Now);
                    }
                }
            });
        }
    });
    let audit = gproxy::store::cache::Counters::audit(&store).take().unwrap().unwrap();
    assert!(audit.agrees() && audit.reservations == 0 && audit.reserved == [0; 4], "{audit:?}");
}
