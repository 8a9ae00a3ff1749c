use tokio::sync::mpsc;

use super::*;
use crate::{
    base::RequestId,
    store::cache::{Counts, Draw, ScopeKind, Window},
};

const LIMIT: i64 = 10;

fn meter(counts: Counts) -> Meter {
    Meter { kind: ScopeKind::Key, scope: 1, record: 1, counts, window: Window::Total }
}

fn claim(number: u64) -> Claim {
    let draws = vec![Draw { meter: meter(Counts::NanoDollars), limit: LIMIT, amount: 4 }];
    Claim { id: id(number), now_ms: 1, lease_ms: 1000, draws }
}

fn id(number: u64) -> RequestId {
    RequestId::new(number, &[0; 10])
}

fn spend(amount: i64) -> [Spend; 1] {
    [Spend { meter: meter(Counts::NanoDollars), amount }]
}

/// An heir's counters, and what its giver is asked.
fn handed() -> (Arc<Handed>, mpsc::Receiver<super::super::line::Said>) {
    let (mouth, asked) = mpsc::channel(16);
    (Arc::new(Handed::new(mouth, Arc::default())), asked)
}

/// The giver does one step.
async fn serve(giver: &MemoryCounters, heir: &Handed, asked: &mut mpsc::Receiver<super::super::line::Said>) {
    let Some((Word::Ask { number, step }, None)) = asked.recv().await else { panic!("a step is asked") };
    heir.told(number, done(giver, step));
}

#[tokio::test]
async fn both_count_in_one_place_and_the_heir_goes_on_with_it() {
    let (giver, (heir, mut asked)) = (MemoryCounters::new(), handed());
    giver.admit_now(claim(1)).unwrap();
    let (admitted, ()) = tokio::join!(heir.admit(claim(2)), serve(&giver, &heir, &mut asked));
    assert_eq!(admitted.unwrap(), Admission::Admitted(Vec::new()));
    let (refused, ()) = tokio::join!(heir.admit(claim(3)), serve(&giver, &heir, &mut asked));
    assert!(matches!(refused, Ok(Admission::Refused(_))), "8 of 10 are reserved");
    // The giver ends its call, and tells while a step of the heir's is under way.
    giver.settle_now(id(1), 2, &spend(1));
    let settling = heir.settle(id(2), 2, &spend(3));
    let (settled, strangers) = tokio::join!(settling, async { heir.take_over(giver.holdings()) });
    assert_eq!((settled.unwrap(), strangers), (End::Now, Vec::new()));
    let reading = heir.read(&[meter(Counts::NanoDollars)], 2).take().unwrap().unwrap()[0];
    assert_eq!((reading.spent, reading.reserved), (4, 0), "each step was done once");
    assert!(heir.audit().take().unwrap().unwrap().agrees());
}

#[tokio::test]
async fn reservations_of_the_givers_own_calls_are_told_apart() {
    let (giver, (heir, mut asked)) = (MemoryCounters::new(), handed());
    giver.admit_now(claim(1)).unwrap();
    let (_admitted, ()) = tokio::join!(heir.admit(claim(2)), serve(&giver, &heir, &mut asked));
    let strangers = heir.take_over(giver.holdings());
    assert_eq!(strangers.iter().map(|standing| standing.id).collect::<Vec<_>>(), [id(1)]);
    let reading = heir.read(&[meter(Counts::NanoDollars)], 2).take().unwrap().unwrap()[0];
    assert_eq!(reading.reserved, 8);
}

#[tokio::test]
async fn a_giver_that_dies_leaves_the_heirs_own_reservations() {
    let (giver, (heir, mut asked)) = (MemoryCounters::new(), handed());
    giver.admit_now(claim(1)).unwrap();
    let (_admitted, ()) = tokio::join!(heir.admit(claim(2)), serve(&giver, &heir, &mut asked));
    drop(asked);
    let waiting = heir.admit(claim(3));
    let (admitted, ()) = tokio::join!(waiting, async { heir.go_on_alone() });
    assert!(matches!(admitted, Ok(Admission::Admitted(_))), "the dead one's call holds nothing");
    let reading = heir.read(&[meter(Counts::NanoDollars)], 2).take().unwrap().unwrap()[0];
    assert_eq!((reading.spent, reading.reserved), (0, 8));
}

#[tokio::test]
async fn what_is_reserved_for_a_call_that_is_gone_is_given_back() {
    let (giver, (heir, mut asked)) = (MemoryCounters::new(), handed());
    let mut leaving = Box::pin(heir.admit(claim(1)));
    assert!(std::future::poll_fn(|cx| std::task::Poll::Ready(leaving.as_mut().poll(cx).is_pending())).await);
    drop(leaving);
    serve(&giver, &heir, &mut asked).await;
    serve(&giver, &heir, &mut asked).await;
    assert_eq!(giver.holdings().standing, Vec::new());
}
