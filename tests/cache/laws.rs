//! What every store of counters must do.

use std::sync::Arc;

use gproxy::{
    base::RequestId,
    store::cache::{Admission, Audit, CacheFault, Claim, Counters, Counts, Draw, End, Meter, Reading, Refusal, ScopeKind, Spend, Window},
};

pub(crate) type Store = Arc<dyn Counters>;

/// A moment in the middle of a Wednesday.
pub(crate) const NOON: u64 = 1_760_529_600_000;
const MINUTE: u64 = 60_000;
const DAY: u64 = 86_400_000;

/// Holds stores to the contract of [`Counters`]: each law begins with an empty one.
pub(crate) async fn uphold(make: &dyn Fn() -> Store) {
    a_refused_request_consumes_nothing(&*make()).await;
    of_several_refusals_the_longest_is_told(&*make()).await;
    one_claim_may_draw_twice_on_one_meter(&*make()).await;
    a_reservation_has_one_owner_and_one_end(&*make()).await;
    what_is_settled_is_what_was_used(&*make()).await;
    a_lease_ends_unless_it_is_extended(&*make()).await;
    what_is_left_is_told_with_its_reset(&*make()).await;
    calendar_windows_begin_anew(&*make()).await;
    a_sliding_window_gives_back_what_left_it(&*make()).await;
    clocks_that_differ_do_not_turn_windows_back(&*make()).await;
    concurrency_is_what_is_held(&*make()).await;
    seeds_replace_and_forgetting_forgets(&*make()).await;
    sums_are_exact_to_the_last_unit(&*make()).await;
    many_reservations_are_swept(&*make()).await;
}

pub(crate) fn id(number: u64) -> RequestId {
    let mut random = [0; 10];
    random[2..].copy_from_slice(&number.to_be_bytes());
    RequestId::new(NOON, &random)
}

pub(crate) const fn meter(record: i64, counts: Counts, window: Window) -> Meter {
    Meter { kind: ScopeKind::User, scope: 7, record, counts, window }
}

pub(crate) const fn draw(meter: Meter, limit: i64, amount: i64) -> Draw {
    Draw { meter, limit, amount }
}

pub(crate) fn claim(number: u64, now_ms: u64, draws: &[Draw]) -> Claim {
    Claim { id: id(number), now_ms, lease_ms: MINUTE, draws: draws.to_vec() }
}

async fn admitted(store: &dyn Counters, claim: Claim) {
    match store.admit(claim).await.unwrap() {
        Admission::Admitted(_) => {}
        Admission::Refused(refusal) => panic!("{refusal:?}"),
    }
}

async fn refused(store: &dyn Counters, claim: Claim) -> Refusal {
    match store.admit(claim).await.unwrap() {
        Admission::Admitted(rooms) => panic!("{rooms:?}"),
        Admission::Refused(refusal) => refusal,
    }
}

/// Spent and reserved.
async fn holds(store: &dyn Counters, meter: Meter, now_ms: u64) -> (i64, i64) {
    let readings = store.read(&[meter], now_ms).await.unwrap();
    assert_eq!(readings.len(), 1);
    (readings[0].spent, readings[0].reserved)
}

async fn agrees(store: &dyn Counters, reservations: u64) -> Audit {
    let audit = store.audit().await.unwrap();
    assert!(audit.agrees(), "{audit:?}");
    assert_eq!(audit.reservations, reservations);
    audit
}

async fn a_refused_request_consumes_nothing(store: &dyn Counters) {
    let requests = meter(1, Counts::Requests, Window::Sliding(MINUTE));
    let tokens = meter(2, Counts::Tokens, Window::Sliding(MINUTE));
    let money = meter(3, Counts::NanoDollars, Window::Total);
    let draws = [draw(requests, 10, 1), draw(tokens, 100, 60), draw(money, 50, 51)];
    let refusal = refused(store, claim(1, NOON, &draws)).await;
    let expected = Refusal { meter: money, limit: 50, used: 0, reserved: 0, asked: 51, retry_after_ms: None };
    assert_eq!(refusal, expected);
    for meter in [requests, tokens, money] {
        assert_eq!(holds(store, meter, NOON).await, (0, 0), "{meter:?}");
    }
    agrees(store, 0).await;
    assert_eq!(store.settle(id(1), NOON, &[]).await.unwrap(), End::Already);
}

async fn of_several_refusals_the_longest_is_told(store: &dyn Counters) {
    let minute = meter(1, Counts::Requests, Window::Sliding(MINUTE));
    let day = meter(2, Counts::Requests, Window::Day);
    let total = meter(3, Counts::Requests, Window::Total);
    admitted(store, claim(1, NOON, &[draw(minute, 1, 1), draw(day, 1, 1), draw(total, 1, 1)])).await;
    let told = refused(store, claim(2, NOON, &[draw(minute, 1, 1), draw(day, 1, 1)])).await;
    assert_eq!((told.meter, told.retry_after_ms), (day, Some(DAY / 2)));
    let told = refused(store, claim(2, NOON, &[draw(total, 1, 1), draw(minute, 1, 1), draw(day, 1, 1)])).await;
    assert_eq!((told.meter, told.retry_after_ms), (total, None));
    let told = refused(store, claim(2, NOON, &[draw(minute, 1, 1), draw(day, 9, 1)])).await;
    assert_eq!((told.meter, told.used, told.asked), (minute, 1, 1));
    assert_eq!(holds(store, day, NOON).await, (1, 0));
}

async fn one_claim_may_draw_twice_on_one_meter(store: &dyn Counters) {
    let requests = meter(1, Counts::Requests, Window::Day);
    let money = meter(2, Counts::NanoDollars, Window::Total);
    let told = refused(store, claim(1, NOON, &[draw(requests, 1, 1), draw(requests, 1, 1)])).await;
    assert_eq!((told.used, told.asked), (1, 1));
    let told = refused(store, claim(1, NOON, &[draw(money, 10, 6), draw(money, 10, 6)])).await;
    assert_eq!((told.reserved, told.asked), (6, 6));
    agrees(store, 0).await;
    admitted(store, claim(1, NOON, &[draw(money, 10, 4), draw(money, 10, 6)])).await;
    assert_eq!(holds(store, money, NOON).await, (0, 10));
    agrees(store, 1).await;
    assert_eq!(store.release(id(1)).await.unwrap(), End::Now);
    assert_eq!(agrees(store, 0).await.reserved, [0; 4]);
}

async fn a_reservation_has_one_owner_and_one_end(store: &dyn Counters) {
    let money = meter(1, Counts::NanoDollars, Window::Total);
    let requests = meter(2, Counts::Requests, Window::Total);
    let draws = [draw(money, 100, 30), draw(requests, 100, 1)];
    admitted(store, claim(1, NOON, &draws)).await;
    assert!(matches!(store.admit(claim(1, NOON, &draws)).await, Err(CacheFault::Held(held)) if held == id(1)));
    assert_eq!((holds(store, money, NOON).await, holds(store, requests, NOON).await), ((0, 30), (1, 0)));
    let spend = [Spend { meter: money, amount: 20 }];
    assert_eq!(store.settle(id(1), NOON, &spend).await.unwrap(), End::Now);
    assert_eq!(store.settle(id(1), NOON, &spend).await.unwrap(), End::Already);
    assert_eq!(store.release(id(1)).await.unwrap(), End::Already);
    assert_eq!(holds(store, money, NOON).await, (20, 0));
    admitted(store, claim(2, NOON, &draws)).await;
    assert_eq!(store.release(id(2)).await.unwrap(), End::Now);
    assert_eq!(store.settle(id(2), NOON, &spend).await.unwrap(), End::Already);
    assert_eq!((holds(store, money, NOON).await, holds(store, requests, NOON).await), ((20, 0), (2, 0)));
    // A reservation of nothing has its end, too.
    admitted(store, claim(3, NOON, &[])).await;
    agrees(store, 1).await;
    assert_eq!(store.settle(id(3), NOON, &[]).await.unwrap(), End::Now);
    agrees(store, 0).await;
}

async fn what_is_settled_is_what_was_used(store: &dyn Counters) {
    let money = meter(1, Counts::NanoDollars, Window::Week);
    let tokens = meter(2, Counts::Tokens, Window::Sliding(MINUTE));
    let slots = meter(3, Counts::Concurrency, Window::Total);
    let unnamed = meter(4, Counts::NanoDollars, Window::Month);
    let requests = meter(5, Counts::Requests, Window::Day);
    admitted(store, claim(1, NOON, &[draw(money, 100, 30), draw(tokens, 100, 50), draw(slots, 1, 1)])).await;
    let spends = [(money, 70), (unnamed, 9), (requests, 1), (slots, 1), (tokens, -5)];
    let spends = spends.map(|(meter, amount)| Spend { meter, amount });
    assert_eq!(store.settle(id(1), NOON, &spends).await.unwrap(), End::Now);
    for (meter, spent) in [(money, 70), (tokens, 0), (slots, 0), (unnamed, 9), (requests, 0)] {
        assert_eq!(holds(store, meter, NOON).await, (spent, 0), "{meter:?}");
    }
    // More was used than reserved: the rest is what is left of it.
    refused(store, claim(2, NOON, &[draw(money, 100, 31)])).await;
    admitted(store, claim(2, NOON, &[draw(money, 100, 30)])).await;
}

async fn a_lease_ends_unless_it_is_extended(store: &dyn Counters) {
    let money = meter(1, Counts::NanoDollars, Window::Total);
    for number in 1..=3 {
        admitted(store, claim(number, NOON, &[draw(money, 100, 10)])).await;
    }
    assert_eq!(store.sweep(NOON + MINUTE - 1).await.unwrap(), []);
    store.extend(&[id(2), id(9)], NOON + 2 * MINUTE).await.unwrap();
    store.extend(&[id(2), id(3)], NOON + MINUTE / 2).await.unwrap();
    store.extend(&[], NOON + 9 * MINUTE).await.unwrap();
    let mut swept = store.sweep(NOON + MINUTE).await.unwrap();
    swept.sort();
    assert_eq!(swept, [id(1), id(3)]);
    assert_eq!(holds(store, money, NOON).await, (0, 10));
    // What gave its room back is spent all the same, once.
    let spend = [Spend { meter: money, amount: 5 }];
    assert_eq!(store.settle(id(1), NOON, &spend).await.unwrap(), End::Now);
    assert_eq!(store.settle(id(1), NOON, &spend).await.unwrap(), End::Already);
    assert_eq!(store.release(id(3)).await.unwrap(), End::Now);
    assert_eq!(store.settle(id(3), NOON, &spend).await.unwrap(), End::Already);
    assert_eq!(holds(store, money, NOON).await, (5, 10));
    assert_eq!(store.sweep(NOON + 2 * MINUTE - 1).await.unwrap(), []);
    assert_eq!(store.sweep(NOON + 2 * MINUTE).await.unwrap(), [id(2)]);
    assert_eq!(agrees(store, 0).await.reserved, [0; 4]);
    assert_eq!(holds(store, money, NOON).await, (5, 0));
}

async fn what_is_left_is_told_with_its_reset(store: &dyn Counters) {
    let requests = meter(1, Counts::Requests, Window::Sliding(MINUTE));
    let tokens = meter(2, Counts::Tokens, Window::Day);
    let total = meter(3, Counts::Requests, Window::Total);
    let money = meter(4, Counts::NanoDollars, Window::Day);
    let slots = meter(5, Counts::Concurrency, Window::Total);
    let draws = [draw(requests, 5, 1), draw(money, 9, 1), draw(tokens, 1_000, 300), draw(slots, 3, 1), draw(total, 2, 1)];
    for (number, left) in [(1, [4, 700, 1]), (2, [3, 400, 0])] {
        let Admission::Admitted(rooms) = store.admit(claim(number, NOON + 250, &draws)).await.unwrap() else { panic!("refused") };
        let told: Vec<_> = rooms.iter().map(|room| (room.meter, room.limit, room.remaining, room.reset_ms)).collect();
        let expected =
            [(requests, 5, left[0], Some(MINUTE + 750)), (tokens, 1_000, left[1], Some(DAY / 2 - 250)), (total, 2, left[2], None)];
        assert_eq!(told, expected);
    }
}

async fn calendar_windows_begin_anew(store: &dyn Counters) {
    // NOON is a Wednesday, the 15th of October.
    for (record, window, ends) in [(1, Window::Day, DAY / 2), (2, Window::Week, 4 * DAY + DAY / 2), (3, Window::Month, 16 * DAY + DAY / 2)]
    {
        let money = meter(record, Counts::NanoDollars, window);
        let number = u64::try_from(record).unwrap() * 10;
        admitted(store, claim(number, NOON, &[draw(money, 100, 60)])).await;
        assert_eq!(store.settle(id(number), NOON, &[Spend { meter: money, amount: 60 }]).await.unwrap(), End::Now);
        admitted(store, claim(number + 1, NOON, &[draw(money, 100, 30)])).await;
        let told = refused(store, claim(number + 2, NOON, &[draw(money, 100, 50)])).await;
        assert_eq!((told.used, told.reserved, told.retry_after_ms), (60, 30, Some(ends)));
        // What is only reserved goes soon, or is spent.
        let told = refused(store, claim(number + 2, NOON, &[draw(money, 100, 20)])).await;
        assert_eq!(told.retry_after_ms, Some(1_000));
        assert_eq!(refused(store, claim(number + 2, NOON, &[draw(money, 100, 101)])).await.retry_after_ms, None);
        assert_eq!(holds(store, money, NOON + ends - 1).await, (60, 30));
        assert_eq!(holds(store, money, NOON + ends).await, (0, 30));
        admitted(store, claim(number + 2, NOON + ends, &[draw(money, 100, 70)])).await;
        // It is spent when it is settled.
        assert_eq!(store.settle(id(number + 1), NOON + ends, &[Spend { meter: money, amount: 30 }]).await.unwrap(), End::Now);
        assert_eq!(holds(store, money, NOON + ends).await, (30, 70));
    }
}

async fn a_sliding_window_gives_back_what_left_it(store: &dyn Counters) {
    for (record, length) in [(1, 1_000), (2, MINUTE), (3, 5 * 60 * MINUTE), (4, 7 * DAY)] {
        let requests = meter(record, Counts::Requests, Window::Sliding(length));
        let number = u64::try_from(record).unwrap() * 100;
        let mut now = NOON;
        for step in 0..4 {
            admitted(store, claim(number + step, now, &[draw(requests, 4, 1)])).await;
            now += length / 4;
        }
        // A whole window after the first: it lies on its edge still.
        let wait = refused(store, claim(number + 10, now, &[draw(requests, 4, 1)])).await.retry_after_ms.unwrap();
        assert!(wait > 0 && wait <= length.div_ceil(60) + 60, "{wait} of {length}");
        refused(store, claim(number + 10, now + wait - 1, &[draw(requests, 4, 1)])).await;
        admitted(store, claim(number + 10, now + wait, &[draw(requests, 4, 1)])).await;
        // For three at once as many have to go.
        let wait_more = refused(store, claim(number + 11, now + wait, &[draw(requests, 4, 3)])).await.retry_after_ms.unwrap();
        refused(store, claim(number + 11, now + wait + wait_more - 1, &[draw(requests, 4, 3)])).await;
        admitted(store, claim(number + 11, now + wait + wait_more, &[draw(requests, 4, 3)])).await;
        let long_after = now + 100 * length;
        assert_eq!(holds(store, requests, long_after).await, (0, 0));
        admitted(store, claim(number + 12, long_after, &[draw(requests, 4, 4)])).await;
        assert_eq!(store.read(&[requests], long_after).await.unwrap()[0].reset_ms.unwrap() / length, 1);
    }
}

async fn clocks_that_differ_do_not_turn_windows_back(store: &dyn Counters) {
    let midnight = NOON + DAY / 2;
    let day = meter(1, Counts::Requests, Window::Day);
    let minute = meter(2, Counts::Requests, Window::Sliding(MINUTE));
    let draws = [draw(day, 2, 1), draw(minute, 2, 1)];
    admitted(store, claim(1, midnight + 5, &draws)).await;
    admitted(store, claim(2, midnight - 5, &draws)).await;
    assert_eq!(refused(store, claim(3, midnight - 5, &draws)).await.used, 2);
    assert_eq!(refused(store, claim(3, midnight + 10, &draws)).await.used, 2);
    assert_eq!((holds(store, day, midnight - 9).await, holds(store, minute, midnight - 9).await), ((2, 0), (2, 0)));
}

async fn concurrency_is_what_is_held(store: &dyn Counters) {
    let slots = meter(1, Counts::Concurrency, Window::Total);
    let draws = [draw(slots, 2, 1)];
    admitted(store, claim(1, NOON, &draws)).await;
    admitted(store, claim(2, NOON, &draws)).await;
    let told = refused(store, claim(3, NOON + 10 * DAY, &draws)).await;
    assert_eq!((told.used, told.reserved, told.retry_after_ms), (0, 2, Some(1_000)));
    assert_eq!(store.settle(id(1), NOON, &[]).await.unwrap(), End::Now);
    admitted(store, claim(3, NOON, &draws)).await;
    assert_eq!(store.release(id(2)).await.unwrap(), End::Now);
    assert_eq!(holds(store, slots, NOON).await, (0, 1));
}

async fn seeds_replace_and_forgetting_forgets(store: &dyn Counters) {
    let day = meter(1, Counts::NanoDollars, Window::Day);
    let hours = meter(2, Counts::NanoDollars, Window::Sliding(60 * MINUTE));
    let total = meter(3, Counts::NanoDollars, Window::Total);
    assert_eq!(store.read(&[day, total], NOON).await.unwrap(), [Reading::default(); 2]);
    store.seed(day, NOON - DAY, 40).await.unwrap();
    assert_eq!(holds(store, day, NOON).await, (0, 0));
    for spent in [7, 5] {
        store.seed(day, NOON, spent).await.unwrap();
        assert_eq!(holds(store, day, NOON + 1).await, (spent, 0));
    }
    store.seed(day, NOON - DAY, 40).await.unwrap();
    assert_eq!(holds(store, day, NOON).await, (5, 0));
    for (minutes, spent) in [(59, 1), (30, 10), (0, 100), (30, 20), (61, 7), (59, 2), (20, -4)] {
        store.seed(hours, NOON - minutes * MINUTE, spent).await.unwrap();
    }
    assert_eq!(holds(store, hours, NOON).await, (122, 0));
    assert_eq!(holds(store, hours, NOON + 2 * MINUTE).await, (120, 0));
    store.seed(total, 0, 9).await.unwrap();
    admitted(store, claim(1, NOON, &[draw(total, 10, 1)])).await;
    refused(store, claim(2, NOON, &[draw(total, 10, 1)])).await;
    store.forget(total).await.unwrap();
    store.forget(day).await.unwrap();
    assert_eq!(holds(store, total, NOON).await, (0, 1));
    assert_eq!(store.read(&[day], NOON).await.unwrap(), [Reading::default()]);
    agrees(store, 1).await;
    assert_eq!(store.settle(id(1), NOON, &[Spend { meter: total, amount: 1 }]).await.unwrap(), End::Now);
    assert_eq!(holds(store, total, NOON).await, (1, 0));
    agrees(store, 0).await;
}

async fn sums_are_exact_to_the_last_unit(store: &dyn Counters) {
    // Beyond 2^53 a double no longer tells one from the next.
    for (record, limit) in [(1, (1 << 53) + 1), (2, (1 << 60) + 3), (3, i64::MAX)] {
        let money = meter(record, Counts::NanoDollars, Window::Total);
        let number = u64::try_from(record).unwrap() * 10;
        store.seed(money, NOON, limit - 2).await.unwrap();
        admitted(store, claim(number, NOON, &[draw(money, limit, 1)])).await;
        refused(store, claim(number + 1, NOON, &[draw(money, limit, 2)])).await;
        admitted(store, claim(number + 1, NOON, &[draw(money, limit, 1)])).await;
        let told = refused(store, claim(number + 2, NOON, &[draw(money, limit, 1)])).await;
        assert_eq!((told.used, told.reserved), (limit - 2, 2));
        admitted(store, claim(number + 2, NOON, &[draw(money, limit, 0)])).await;
        assert_eq!(store.settle(id(number), NOON, &[Spend { meter: money, amount: 1 }]).await.unwrap(), End::Now);
        assert_eq!(holds(store, money, NOON).await, (limit - 1, 1));
    }
}

async fn many_reservations_are_swept(store: &dyn Counters) {
    let money = meter(1, Counts::NanoDollars, Window::Total);
    for number in 0..1_500 {
        admitted(store, claim(number, NOON, &[draw(money, 1_500, 1)])).await;
    }
    let mut swept = Vec::new();
    for expected in [1_000, 500, 0] {
        let some = store.sweep(NOON + MINUTE).await.unwrap();
        assert_eq!(some.len(), expected);
        swept.extend(some);
    }
    swept.sort();
    swept.dedup();
    assert_eq!(swept.len(), 1_500);
    assert_eq!(agrees(store, 0).await.reserved, [0; 4]);
}
