//! What an admission costs in memory: nanoseconds of CPU for admit and settle of a request with four scopes, ten limits and three
//! quotas, of one key after another. Run by hand: `cargo run --release --example admit_cost -- [keys] [rounds]`; under
//! `valgrind --tool=callgrind`, twice with different rounds, the difference says how many instructions one takes.

#![expect(clippy::print_stdout, clippy::cast_precision_loss, reason = "a tool that prints rounded figures")]
#![expect(clippy::disallowed_methods, reason = "it measures time, with the machine's own clock where the system tells no CPU time")]

use std::{error::Error, fs, hint::black_box, time::Instant};

use gproxy::{
    base::RequestId,
    store::cache::{
        Admission, Claim,
        Counts::{Concurrency, NanoDollars, Requests, Tokens},
        Draw, End, Meter,
        ScopeKind::{Key, Organization, Team, User},
        Spend, Window,
        memory::MemoryCounters,
    },
};

/// A moment of the year 2025, Unix milliseconds.
const BEGIN: u64 = 1_760_529_600_000;
/// Rounds of which the fastest counts.
const TRIES: usize = 7;
const MINUTE: u64 = 60_000;
const DAY: u64 = 86_400_000;
/// Tokens and nano-dollars reserved and then used by one request.
const RESERVED: i64 = 4_000;
const USED: i64 = 900;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let keys: i64 = arguments.next().map_or(Ok(10_000), |keys| keys.parse())?;
    let rounds: u64 = arguments.next().map_or(Ok(100_000), |rounds| rounds.parse())?;
    let store = MemoryCounters::new();
    let mut number = 0;
    let mut least = (f64::MAX, f64::MAX);
    for _ in 0..TRIES {
        let cost = batch(&store, keys, rounds, &mut number)?;
        least = (least.0.min(cost.0), least.1.min(cost.1));
    }
    println!("{:>8} {:>22} {:>22}", "keys", "admit and settle, ns", "with making them, ns");
    println!("{keys:8} {:22.0} {:22.0}", least.0, least.1);
    Ok(())
}

/// Nanoseconds of an admission with its settlement, without and with what the caller does to ask.
fn batch(store: &MemoryCounters, keys: i64, rounds: u64, number: &mut u64) -> Result<(f64, f64), Box<dyn Error>> {
    let whole = Cpu::start();
    // Asked for before the clock starts, a thousand at a time, so that what is measured is the store.
    let mut spent = 0;
    for begin in (0..rounds).step_by(1_000) {
        let requests: Vec<(Claim, Vec<Spend>)> = (begin..rounds.min(begin + 1_000))
            .map(|_| {
                *number += 1;
                request(keys, *number)
            })
            .collect();
        let cpu = Cpu::start();
        for (claim, spends) in requests {
            let (id, now_ms) = (claim.id, claim.now_ms + 700);
            let Admission::Admitted(rooms) = black_box(store.admit_now(claim)?) else { return Err("refused".into()) };
            drop(black_box(rooms));
            if store.settle_now(id, now_ms, black_box(&spends)) != End::Now {
                return Err("not held".into());
            }
        }
        spent += cpu.elapsed();
    }
    Ok((spent as f64 / rounds as f64, whole.elapsed() as f64 / rounds as f64))
}

/// One of many keys, of one of a hundred users in ten teams of one organization; a millisecond after the one before.
fn request(keys: i64, number: u64) -> (Claim, Vec<Spend>) {
    let now_ms = BEGIN + number;
    let key = i64::try_from(number % keys.unsigned_abs().max(1)).unwrap_or_default();
    let (user, team) = (key % 100, key % 10);
    let meter = |(kind, scope), record, counts, window| Meter { kind, scope, record, counts, window };
    let [key, user, team, organization] = [(Key, key), (User, user), (Team, team), (Organization, 1)];
    let meters = [
        meter(key, 1, Requests, Window::Sliding(MINUTE)),
        meter(key, 2, Tokens, Window::Sliding(MINUTE)),
        meter(key, 3, Concurrency, Window::Total),
        meter(user, 4, Requests, Window::Sliding(MINUTE)),
        meter(user, 5, Tokens, Window::Sliding(MINUTE)),
        meter(user, 6, Requests, Window::Sliding(DAY)),
        meter(team, 7, Tokens, Window::Sliding(DAY)),
        meter(team, 8, Requests, Window::Sliding(MINUTE)),
        meter(organization, 9, Requests, Window::Sliding(MINUTE)),
        meter(organization, 10, Tokens, Window::Sliding(MINUTE)),
        meter(key, 1, NanoDollars, Window::Day),
        meter(team, 2, NanoDollars, Window::Month),
        meter(organization, 3, NanoDollars, Window::Total),
    ];
    let one = |meter: Meter| matches!(meter.counts, Requests | Concurrency);
    let draws = meters.map(|meter| Draw { meter, limit: i64::MAX / 2, amount: if one(meter) { 1 } else { RESERVED } });
    let spends = meters.into_iter().filter(|meter| !one(*meter)).map(|meter| Spend { meter, amount: USED }).collect();
    let mut random = [0; 10];
    random[2..].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    let id = RequestId::new(now_ms, &random);
    (Claim { id, now_ms, lease_ms: MINUTE, draws: draws.to_vec() }, spends)
}

/// CPU time of this thread where the system tells it, else time.
enum Cpu {
    Thread(u64),
    Wall(Instant),
}

impl Cpu {
    fn start() -> Self {
        thread_ns().map_or_else(|| Self::Wall(Instant::now()), Self::Thread)
    }

    fn elapsed(&self) -> u64 {
        match self {
            Self::Thread(begin) => thread_ns().map_or(0, |now| now - begin),
            Self::Wall(begin) => u64::try_from(begin.elapsed().as_nanos()).unwrap_or(u64::MAX),
        }
    }
}

fn thread_ns() -> Option<u64> {
    fs::read_to_string("/proc/thread-self/schedstat").ok()?.split(' ').next()?.parse().ok()
}
