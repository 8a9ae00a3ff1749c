//! Random histories against a model that remembers every single amount, and knows no slots.

use std::collections::BTreeMap;

use gproxy::store::cache::{Admission, Counters, Counts, Draw, End, Meter, Spend, Window};
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};

use crate::laws::{NOON, claim, draw, id, meter};

const DAY: u64 = 86_400_000;
const LEASE: u64 = 60_000;

/// The meters of the model, and their limits.
const METERS: [(Meter, i64); 6] = [
    (meter(1, Counts::Requests, Window::Sliding(1_000)), 5),
    (meter(2, Counts::Tokens, Window::Sliding(60_000)), 300),
    (meter(3, Counts::NanoDollars, Window::Sliding(5 * 3_600_000)), 1_500),
    (meter(4, Counts::NanoDollars, Window::Day), 2_000),
    (meter(5, Counts::NanoDollars, Window::Total), 9_000),
    (meter(6, Counts::Concurrency, Window::Total), 6),
];

#[derive(Clone, Debug)]
enum Step {
    /// Asks for so many tokens and nano-dollars of the meters in the mask.
    Admit {
        mask: u8,
        amount: i64,
    },
    /// Ends one of the live requests, for so many hundredths of what it reserved.
    Settle {
        which: usize,
        percent: i64,
    },
    Release {
        which: usize,
    },
    /// Its process dies: nobody will end it.
    Crash {
        which: usize,
    },
    Extend {
        which: usize,
    },
    /// Ends one whose lease is over, for so many nano-dollars.
    EndLate {
        which: usize,
        amount: i64,
    },
    /// Ends one that has ended.
    EndAgain {
        which: usize,
    },
    Pass {
        ms: u64,
    },
    Sweep,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (any::<u8>(), 0..150_i64).prop_map(|(mask, amount)| Step::Admit { mask, amount }),
        3 => (any::<usize>(), 0..=100_i64).prop_map(|(which, percent)| Step::Settle { which, percent }),
        1 => any::<usize>().prop_map(|which| Step::Release { which }),
        1 => any::<usize>().prop_map(|which| Step::Crash { which }),
        1 => any::<usize>().prop_map(|which| Step::Extend { which }),
        1 => (any::<usize>(), 0..150_i64).prop_map(|(which, amount)| Step::EndLate { which, amount }),
        1 => any::<usize>().prop_map(|which| Step::EndAgain { which }),
        4 => prop_oneof![0..50_u64, 0..2_000_u64, 0..100_000_u64, 0..DAY].prop_map(|ms| Step::Pass { ms }),
        1 => Just(Step::Sweep),
    ]
}

/// How much an amount may be forgotten too late: a slot, and what rounding slots up to milliseconds adds.
fn late(length: u64) -> u64 {
    length.div_ceil(60) + 60
}

/// What was spent, when, and what is reserved, by whom.
#[derive(Default)]
struct Model {
    now: u64,
    next: u64,
    spent: Vec<(Meter, u64, i64)>,
    /// What was spent by those who had given their room back, and so beyond all limits.
    late: Vec<(Meter, u64, i64)>,
    live: BTreeMap<u64, (u64, Vec<Draw>)>,
    crashed: BTreeMap<u64, (u64, Vec<Draw>)>,
    /// Those whose lease was over, and when their end is no longer spent.
    lapsed: BTreeMap<u64, u64>,
    ended: Vec<u64>,
}

impl Model {
    fn reserved(&self, meter: Meter) -> i64 {
        let draws = self.live.values().chain(self.crashed.values()).flat_map(|(_, draws)| draws);
        draws.filter(|draw| draw.meter == meter && meter.counts != Counts::Requests).map(|draw| draw.amount).sum()
    }

    /// The least and the most that a store may count as spent now.
    fn spent(&self, meter: Meter) -> (i64, i64) {
        let counts = |from: u64, (on, at, _): &&(Meter, u64, i64)| *on == meter && *at >= from;
        let all = || self.spent.iter().chain(&self.late);
        let since = |from: u64| -> i64 { all().filter(|spent| counts(from, spent)).map(|(.., amount)| amount).sum() };
        match meter.window {
            Window::Sliding(length) => (since(self.now - length + 1), since(self.now - length - late(length))),
            Window::Day => (since(self.now / DAY * DAY), since(self.now / DAY * DAY)),
            Window::Total => (since(0), since(0)),
            Window::Week | Window::Month => panic!("not in METERS"),
        }
    }

    fn pick(&self, which: usize) -> Option<u64> {
        self.live.keys().nth(which % self.live.len().max(1)).copied()
    }

    async fn admit(&mut self, store: &impl Counters, mask: u8, amount: i64) {
        let asked = |(at, (meter, limit)): (usize, (Meter, i64))| {
            let amount = if matches!(meter.counts, Counts::Requests | Counts::Concurrency) { 1 } else { amount };
            (mask >> at & 1 == 1).then_some(draw(meter, limit, amount))
        };
        let draws: Vec<Draw> = METERS.into_iter().enumerate().filter_map(asked).collect();
        self.next += 1;
        match store.admit(claim(self.next, self.now, &draws)).await.unwrap() {
            Admission::Admitted(_) => {
                let requests = draws.iter().filter(|draw| draw.meter.counts == Counts::Requests);
                self.spent.extend(requests.map(|draw| (draw.meter, self.now, draw.amount)));
                self.live.insert(self.next, (self.now + LEASE, draws.clone()));
                for draw in draws {
                    let (least, _) = self.spent(draw.meter);
                    assert!(least + self.reserved(draw.meter) <= draw.limit, "over the limit of {:?}", draw.meter);
                }
            }
            Admission::Refused(refusal) => {
                let (least, most) = self.spent(refusal.meter);
                let reserved = self.reserved(refusal.meter);
                assert!((least..=most).contains(&refusal.used), "{refusal:?}, {least}..={most}");
                assert_eq!(refusal.reserved, reserved);
                assert!(refusal.limit - most - reserved < refusal.asked, "refused although it fits: {refusal:?}");
            }
        }
    }

    async fn settle(&mut self, store: &impl Counters, number: u64, percent: i64) {
        let Some((_, draws)) = self.live.remove(&number) else { return };
        let settles = draws.iter().filter(|draw| matches!(draw.meter.counts, Counts::Tokens | Counts::NanoDollars));
        let spends: Vec<Spend> = settles.map(|draw| Spend { meter: draw.meter, amount: draw.amount * percent / 100 }).collect();
        assert_eq!(store.settle(id(number), self.now, &spends).await.unwrap(), End::Now);
        self.spent.extend(spends.iter().map(|spend| (spend.meter, self.now, spend.amount)));
        self.ended.push(number);
    }

    async fn sweep(&mut self, store: &impl Counters) {
        let overdue = |(number, (until, _)): (&u64, &(u64, Vec<Draw>))| (*until <= self.now).then_some(*number);
        let mut expected: Vec<u64> = self.live.iter().chain(&self.crashed).filter_map(overdue).collect();
        expected.sort_unstable();
        let mut swept = store.sweep(self.now).await.unwrap();
        swept.sort();
        assert_eq!(swept, expected.iter().map(|number| id(*number)).collect::<Vec<_>>());
        for number in expected {
            self.live.remove(&number);
            self.crashed.remove(&number);
            self.lapsed.insert(number, self.now + DAY);
        }
    }

    async fn take(&mut self, store: &impl Counters, step: Step) {
        match step {
            Step::Admit { mask, amount } => self.admit(store, mask, amount).await,
            Step::Settle { which, percent } => {
                if let Some(number) = self.pick(which) {
                    self.settle(store, number, percent).await;
                }
            }
            Step::Release { which } => {
                if let Some(number) = self.pick(which) {
                    assert_eq!(store.release(id(number)).await.unwrap(), End::Now);
                    self.live.remove(&number);
                    self.ended.push(number);
                }
            }
            Step::Crash { which } => {
                if let Some((number, held)) = self.pick(which).and_then(|number| self.live.remove_entry(&number)) {
                    self.crashed.insert(number, held);
                }
            }
            Step::Extend { which } => {
                if let Some((number, (until, _))) = self.pick(which).and_then(|number| Some((number, self.live.get_mut(&number)?))) {
                    *until = (*until).max(self.now + LEASE);
                    store.extend(&[id(number)], *until).await.unwrap();
                }
            }
            Step::EndLate { which, amount } => {
                let number = self.lapsed.keys().nth(which % self.lapsed.len().max(1)).copied();
                if let Some((number, until)) = number.and_then(|number| self.lapsed.remove_entry(&number)) {
                    let (meter, _) = METERS[4];
                    let end = store.settle(id(number), self.now, &[Spend { meter, amount }]).await.unwrap();
                    // A store may forget it later than it may.
                    assert!(end == End::Now || self.now >= until);
                    if end == End::Now {
                        self.late.push((meter, self.now, amount));
                    }
                    self.ended.push(number);
                }
            }
            Step::EndAgain { which } => {
                if let Some(number) = self.ended.get(which % self.ended.len().max(1)) {
                    let spends = METERS.map(|(meter, _)| Spend { meter, amount: 50 });
                    assert_eq!(store.settle(id(*number), self.now, &spends).await.unwrap(), End::Already);
                    assert_eq!(store.release(id(*number)).await.unwrap(), End::Already);
                }
            }
            Step::Pass { ms } => self.now += ms,
            Step::Sweep => self.sweep(store).await,
        }
    }

    /// The figures of the store lie where the model says.
    async fn compare(&self, store: &impl Counters) {
        let readings = store.read(&METERS.map(|(meter, _)| meter), self.now).await.unwrap();
        for ((meter, _), reading) in METERS.into_iter().zip(readings) {
            let (least, most) = self.spent(meter);
            assert!((least..=most).contains(&reading.spent), "{meter:?}: {reading:?}, {least}..={most}");
            assert_eq!(reading.reserved, self.reserved(meter), "{meter:?}");
        }
        let audit = store.audit().await.unwrap();
        assert!(audit.agrees(), "{audit:?}");
        assert_eq!(audit.reservations, (self.live.len() + self.crashed.len()) as u64);
    }
}

/// No span of a window's length ever held more than the limit, wherever it begins.
fn no_span_held_more(spent: &[(Meter, u64, i64)]) {
    for (meter, limit) in METERS {
        let Window::Sliding(length) = meter.window else { continue };
        let of_meter: Vec<_> = spent.iter().filter(|(on, ..)| *on == meter).collect();
        for (_, begin, _) in &of_meter {
            let span = begin..&(begin + length);
            let held: i64 = of_meter.iter().filter(|(_, at, _)| span.contains(&at)).map(|(.., amount)| amount).sum();
            assert!(held <= limit, "{held} of {limit} within {length} ms from {begin} on");
        }
    }
}

async fn history(store: &impl Counters, steps: Vec<Step>) {
    let mut model = Model { now: NOON, ..Model::default() };
    for step in steps {
        model.take(store, step).await;
        model.compare(store).await;
    }
    model.now += 2 * LEASE;
    model.sweep(store).await;
    model.compare(store).await;
    assert_eq!(store.audit().await.unwrap().reserved, [0; 4], "all comes back");
    no_span_held_more(&model.spent);
}

/// Runs so many histories, each on a store of its own.
pub(crate) fn check<S: Counters, H, F: Future<Output = ()>>(cases: u32, make: impl Fn() -> (S, H), end: impl Fn(H) -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, max_shrink_iters: 2_000, ..Config::default() });
    let histories = prop::collection::vec(step(), 1..120);
    let checked = runner.run(&histories, |steps| {
        runtime.block_on(async {
            let (store, held) = make();
            history(&store, steps).await;
            end(held).await;
        });
        Ok(())
    });
    checked.unwrap_or_else(|error| panic!("{error}"));
}
