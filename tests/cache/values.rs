//! What every store of values must do.

use std::time::Duration;

use bytes::Bytes;
use gproxy::store::cache::{Cache, Heard};

const SHORT: Duration = Duration::from_millis(30);
const LONG: Duration = Duration::from_mins(10);

/// Holds a store, seen by two instances, to the contract of [`Cache`]. `pass` moves the store's clock where it does not move by itself.
pub(crate) async fn uphold((one, two): (&dyn Cache, &dyn Cache), pass: &dyn Fn(Duration)) {
    values(one, two).await;
    values_end(one, two, pass).await;
    locks(one, two, pass).await;
    channels(one, two).await;
}

fn bytes(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

/// Asks until the answer is as it must be at last.
macro_rules! until {
    ($done:expr) => {{
        let mut tries = 0_u32;
        while !$done {
            tries += 1;
            assert!(tries < 1_000_000, "it never came to {}", stringify!($done));
            tokio::task::yield_now().await;
        }
    }};
}
pub(crate) use until;

async fn values(one: &dyn Cache, two: &dyn Cache) {
    assert_eq!(one.get("a").await.unwrap(), None);
    one.set("a", bytes("1"), None).await.unwrap();
    assert_eq!(two.get("a").await.unwrap(), Some(bytes("1")));
    assert!(!two.set_if_absent("a", bytes("2"), None).await.unwrap());
    assert!(!two.compare_and_swap("a", b"2", bytes("3"), None).await.unwrap());
    assert!(two.compare_and_swap("a", b"1", bytes("\0\r\n"), None).await.unwrap());
    assert_eq!(one.get("a").await.unwrap(), Some(bytes("\0\r\n")));
    assert!(one.delete("a").await.unwrap());
    assert!(!two.delete("a").await.unwrap());
    assert!(!two.compare_and_swap("a", b"\0\r\n", bytes("4"), None).await.unwrap());
    assert!(!two.compare_and_swap("a", b"", bytes("4"), None).await.unwrap());
    assert!(two.set_if_absent("a", bytes(""), Some(LONG)).await.unwrap());
    assert_eq!(one.get("a").await.unwrap(), Some(bytes("")));
}

async fn values_end(one: &dyn Cache, two: &dyn Cache, pass: &dyn Fn(Duration)) {
    one.set("b", bytes("1"), Some(SHORT)).await.unwrap();
    assert!(two.compare_and_swap("b", b"1", bytes("2"), None).await.unwrap());
    one.set("c", bytes("0"), Some(SHORT)).await.unwrap();
    assert!(two.compare_and_swap("c", b"0", bytes("1"), Some(LONG)).await.unwrap());
    pass(SHORT);
    until!(two.get("b").await.unwrap().is_none());
    assert!(one.set_if_absent("b", bytes("3"), None).await.unwrap());
    assert_eq!(two.get("c").await.unwrap(), Some(bytes("1")));
}

async fn locks(one: &dyn Cache, two: &dyn Cache, pass: &dyn Fn(Duration)) {
    assert!(one.lock("job", b"one", LONG).await.unwrap());
    assert!(!two.lock("job", b"two", LONG).await.unwrap());
    assert!(!two.unlock("job", b"two").await.unwrap());
    assert!(one.lock("job", b"one", LONG).await.unwrap(), "its owner may renew it");
    assert!(one.unlock("job", b"one").await.unwrap());
    assert!(!one.unlock("job", b"one").await.unwrap());
    assert!(two.lock("job", b"two", SHORT).await.unwrap());
    assert_eq!(two.get("job").await.unwrap(), None, "locks are no values");
    pass(SHORT);
    until!(one.lock("job", b"one", LONG).await.unwrap());
    assert!(!two.unlock("job", b"two").await.unwrap());
}

async fn channels(one: &dyn Cache, two: &dyn Cache) {
    one.publish("news", bytes("nobody")).await.unwrap();
    let mut inboxes = [one.subscribe("news").await.unwrap(), two.subscribe("news").await.unwrap()];
    let mut other = one.subscribe("other").await.unwrap();
    for message in ["1", "", "\0\n"] {
        two.publish("news", bytes(message)).await.unwrap();
    }
    one.publish("other", bytes("else")).await.unwrap();
    for inbox in &mut inboxes {
        for message in ["1", "", "\0\n"] {
            assert_eq!(inbox.next().await, Some(Heard::Message(bytes(message))));
        }
    }
    assert_eq!(other.next().await, Some(Heard::Message(bytes("else"))));
}
