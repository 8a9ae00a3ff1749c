//! What happens when Redis stops, hangs, and comes back; and what each policy makes of it.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use gproxy::store::cache::{
    Admission, Cache, CacheFault, Counters, Counts, End, Heard, Spend, Window,
    guarded::{Guarded, Policy},
};

use crate::{
    laws::{NOON, claim, draw, id, meter},
    server::{Private, store_at},
    values::until,
};

/// Longer than any call may take: a second for the connection, one for the answer.
const PATIENCE: Duration = Duration::from_millis(2_500);

async fn within_patience<T>(call: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, call).await.unwrap_or_else(|_| panic!("no answer within {PATIENCE:?}"))
}

#[tokio::test]
async fn a_stopped_server_is_told_quickly_and_works_again_by_itself() {
    let mut server = Private::start();
    let store = store_at(&server.address(), "t");
    let slots = [draw(meter(1, Counts::Concurrency, Window::Total), 1, 1)];
    store.set("a", Bytes::from_static(b"1"), None).await.unwrap();
    assert!(matches!(store.admit(claim(1, NOON, &slots)).await, Ok(Admission::Admitted(_))));
    server.stop();
    for number in 0..50 {
        let fault = within_patience(store.admit(claim(number, NOON, &slots))).await.unwrap_err();
        assert!(fault.is_outage(), "{fault}");
        assert!(within_patience(store.get("a")).await.unwrap_err().is_outage());
    }
    server.start_again();
    until!(store.get("a").await.is_ok());
    assert!(matches!(store.admit(claim(2, NOON, &slots)).await, Ok(Admission::Admitted(_))));
    // What stopped and came back between two calls is not even noticed.
    server.stop();
    server.start_again();
    assert!(matches!(store.admit(claim(3, NOON, &slots)).await, Ok(Admission::Admitted(_))));
}

#[tokio::test]
async fn a_server_that_hangs_is_told_in_time() {
    let server = Private::start();
    let store = store_at(&server.address(), "t");
    store.set("a", Bytes::from_static(b"1"), None).await.unwrap();
    server.signal("-STOP");
    let calls = (0..100).map(|_| within_patience(store.get("a")));
    for answer in futures_util::future::join_all(calls).await {
        assert!(answer.unwrap_err().is_outage());
    }
    let fault = within_patience(store.sweep(NOON)).await.unwrap_err();
    assert!(fault.is_outage(), "{fault}");
    server.signal("-CONT");
    until!(store.get("a").await.is_ok());
}

#[tokio::test]
async fn a_listener_hears_that_it_may_have_missed_something_and_then_listens_again() {
    let mut server = Private::start();
    let store = store_at(&server.address(), "t");
    let mut inbox = store.subscribe("news").await.unwrap();
    store.publish("news", Bytes::from_static(b"1")).await.unwrap();
    assert_eq!(inbox.next().await, Some(Heard::Message(Bytes::from_static(b"1"))));
    server.stop();
    server.start_again();
    assert_eq!(inbox.next().await, Some(Heard::Missed));
    until!(store.publish("news", Bytes::from_static(b"2")).await.is_ok());
    assert_eq!(inbox.next().await, Some(Heard::Message(Bytes::from_static(b"2"))));
}

#[tokio::test]
async fn an_address_that_cannot_be_read_is_refused_without_its_password() {
    let spawn = || Arc::new(gproxy::runtime::native::Tasks::default());
    let clock = || Arc::new(gproxy::runtime::native::SystemClock::new());
    for (address, prefix) in [("http://user:hidden@host", "t"), ("redis://127.0.0.1", "a b"), ("redis://127.0.0.1", "")] {
        let fault = gproxy::store::cache::redis::RedisStore::new(address, prefix, clock(), spawn()).unwrap_err();
        assert!(matches!(fault, CacheFault::Address(_)) && !fault.to_string().contains("hidden"), "{fault}");
    }
}

/// A guarded store, whose server is stopped after a first admission of ten of the budget.
async fn after_an_outage(policy: Policy) -> (Private, Guarded) {
    let mut server = Private::start();
    let guarded = Guarded::new(Arc::new(store_at(&server.address(), "t")), policy);
    assert!(matches!(guarded.admit(claim(1, NOON, &BUDGET)).await, Ok(Admission::Admitted(_))));
    assert_eq!(guarded.health().degraded_since, None);
    server.stop();
    (server, guarded)
}

const MONEY: gproxy::store::cache::Meter = meter(1, Counts::NanoDollars, Window::Total);
const BUDGET: [gproxy::store::cache::Draw; 1] = [draw(MONEY, 100, 10)];

fn spends(amount: i64) -> [Spend; 1] {
    [Spend { meter: MONEY, amount }]
}

#[tokio::test]
async fn a_closed_door_lets_nobody_in_while_the_store_is_down() {
    let (mut server, guarded) = after_an_outage(Policy::Closed).await;
    assert_eq!(guarded.release(id(1)).await.unwrap(), End::Owed);
    assert_eq!(guarded.health().degraded_since, Some(NOON));
    assert!(guarded.admit(claim(2, NOON + 5, &BUDGET)).await.unwrap_err().is_outage());
    assert_eq!((guarded.health().degraded_since, guarded.health().owed), (Some(NOON), 1));
    server.start_again();
    until!(guarded.admit(claim(4, NOON + 7, &BUDGET)).await.is_ok());
    assert_eq!(guarded.health().degraded_since, None);
}

#[tokio::test]
async fn an_open_door_lets_everybody_in_and_their_spend_is_told_later() {
    let (mut server, guarded) = after_an_outage(Policy::Open).await;
    for number in 2..30 {
        assert_eq!(guarded.admit(claim(number, NOON, &BUDGET)).await.unwrap(), Admission::Admitted(Vec::new()));
        assert_eq!(guarded.settle(id(number), NOON, &spends(10)).await.unwrap(), End::Now);
    }
    assert_eq!(guarded.settle(id(1), NOON, &spends(3)).await.unwrap(), End::Owed);
    let health = guarded.health();
    assert_eq!((health.degraded_since, health.owed, health.lost), (Some(NOON), 29, 0));
    assert!(guarded.sweep(NOON).await.unwrap_err().is_outage());
    assert_eq!(guarded.health().owed, 29);
    server.start_again();
    until!(guarded.sweep(NOON).await.is_ok());
    // The server lost what it held: the first reservation went with it, so its settlement found nothing to end.
    assert_eq!(guarded.read(&[MONEY], NOON).await.unwrap()[0].spent, 28 * 10);
    assert_eq!((guarded.health().owed, guarded.health().degraded_since), (0, None));
}

#[tokio::test]
async fn each_instance_grants_its_share_while_the_store_is_down() {
    let (_server, guarded) = after_an_outage(Policy::Share { instances: 4 }).await;
    for number in [2, 3] {
        assert!(matches!(guarded.admit(claim(number, NOON, &BUDGET)).await, Ok(Admission::Admitted(_))));
    }
    let Ok(Admission::Refused(refusal)) = guarded.admit(claim(4, NOON, &BUDGET)).await else { panic!("more than a quarter") };
    assert_eq!((refusal.limit, refusal.reserved), (25, 20));
    assert_eq!(guarded.release(id(2)).await.unwrap(), End::Now);
    assert!(matches!(guarded.admit(claim(4, NOON, &BUDGET)).await, Ok(Admission::Admitted(_))));
    assert_eq!(guarded.health().owed, 0);
}

#[tokio::test]
async fn an_end_during_a_hang_reaches_the_store_once() {
    let server = Private::start();
    let guarded = Guarded::new(Arc::new(store_at(&server.address(), "t")), Policy::Closed);
    assert!(matches!(guarded.admit(claim(1, NOON, &BUDGET)).await, Ok(Admission::Admitted(_))));
    server.signal("-STOP");
    // The server will find this in its socket when it goes on, and then be told once more.
    assert_eq!(guarded.settle(id(1), NOON, &spends(7)).await.unwrap(), End::Owed);
    server.signal("-CONT");
    until!(guarded.sweep(NOON).await.is_ok());
    let reading = guarded.read(&[MONEY], NOON).await.unwrap()[0];
    assert_eq!((reading.spent, reading.reserved, guarded.health().owed), (7, 0, 0));
}
