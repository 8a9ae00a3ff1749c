//! What admission costs: of a caller in four scopes (key, user, team, organization) with ten limits and three quotas in dollars, counted
//! in memory. The bar is 3 us of CPU.
//!
//! First it proves that each of the thirteen refuses once it is exhausted, so that no empty path is measured. `--count STEP` goes a
//! number of times through one step and measures nothing: `admission.py` counts instructions so.

use std::{
    hint::black_box,
    ops::Range,
    process::ExitCode,
    sync::{
        Barrier,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use clap::{Args, ValueEnum};
use futures_util::FutureExt as _;
use gproxy::{
    base::{Bucket, Modality, Usage},
    pipeline::{Engine, GatewayError, Gauge, Pass},
    protocol::fault::FaultKind,
    store::{cache::Counts, record::ScopeKind},
};
use rustix::time::{ClockId, clock_gettime};
use serde_json::json;

use crate::{
    Outcome,
    caller::{Figures, LIMITS, PLENTY, QUOTAS, bill, engine, gauge, id, moment},
};

/// The most that an admission may cost, in microseconds of CPU.
const BAR_US: f64 = 3.0;
/// Calls under way at a time.
const BATCH: u64 = 1000;
/// Threads that admit the same caller's calls at once.
const THREADS: u64 = 8;
/// How much later than its admission a call ends.
const LASTS_MS: u64 = 500;

/// How much is measured, and how it is told.
#[derive(Clone, Debug, Args)]
pub(crate) struct Options {
    /// Admissions in each repetition.
    #[arg(long, default_value_t = 1_000_000)]
    rounds: u64,
    /// Repetitions, of which the median counts.
    #[arg(long, default_value_t = 7)]
    repeat: usize,
    /// Print JSON in place of a table.
    #[arg(long)]
    json: bool,
    /// Go through one step `rounds` times, and print nothing.
    #[arg(long)]
    count: Option<Step>,
    /// Count without the quotas.
    #[arg(long)]
    without_quotas: bool,
}

/// How far the counted rounds go.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Step {
    /// The call is named anew.
    Name,
    /// A permission is looked for.
    Permit,
    /// Limits and quotas that count it are found.
    Find,
    /// It is admitted, and what it holds is given back.
    Release,
    /// It is admitted, and settled.
    Settle,
}

/// Proves, measures and prints.
pub(crate) fn run(options: &Options) -> Outcome<ExitCode> {
    if let Some(step) = options.count {
        count(step, options)?;
        return Ok(ExitCode::SUCCESS);
    }
    prove()?;
    let alone = measure(options, 1)?;
    let crowd = measure(options, THREADS)?;
    let rows = [("one thread", &alone), ("eight threads, the same caller", &crowd)];
    let holds = rows.iter().all(|(_, figures)| figures.admit.median() <= BAR_US);
    if options.json {
        let told = rows.map(|(name, figures)| json!({ "who": name, "admit": figures.admit.json(), "settle": figures.settle.json(), "release": figures.release.json() }));
        println!("{}", json!({ "bar_us": BAR_US, "rounds": options.rounds, "repeat": options.repeat, "rows": told, "holds": holds }));
    } else {
        println!("| CPU of a call, us: median (least to most) | admitted | settled | given back |\n|---|--:|--:|--:|");
        for (name, figures) in rows {
            println!("| {name} | {} | {} | {} |", figures.admit, figures.settle, figures.release);
        }
        println!("\nBar: at most {BAR_US} us for an admission: {}.", if holds { "holds" } else { "FAILS" });
    }
    Ok(if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The figures of each repetition, in microseconds of CPU a call.
#[derive(Debug, Default)]
struct Series(Vec<f64>);

impl Series {
    fn sorted(&self) -> Vec<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted
    }

    fn median(&self) -> f64 {
        self.sorted().get(self.0.len() / 2).copied().unwrap_or(f64::NAN)
    }

    fn ends(&self) -> (f64, f64) {
        let sorted = self.sorted();
        (sorted.first().copied().unwrap_or(f64::NAN), sorted.last().copied().unwrap_or(f64::NAN))
    }

    fn json(&self) -> serde_json::Value {
        let (least, most) = self.ends();
        json!({ "median_us": self.median(), "min_us": least, "max_us": most })
    }
}

impl std::fmt::Display for Series {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (least, most) = self.ends();
        write!(f, "{:.2} ({least:.2} to {most:.2})", self.median())
    }
}

#[derive(Debug, Default)]
struct Measured {
    admit: Series,
    settle: Series,
    release: Series,
}

/// Nanoseconds that one repetition took of each step, over all threads.
#[derive(Debug, Default)]
struct Spent {
    admit: AtomicU64,
    settle: AtomicU64,
    release: AtomicU64,
}

/// Measures calls of `threads` threads on one engine. Half of the calls are settled, half are given back.
fn measure(options: &Options, threads: u64) -> Outcome<Measured> {
    let engine = now(engine(&Figures::PLENTY))?;
    let mut gauges = (0..threads).map(|_| now(gauge(&engine))).collect::<Outcome<Vec<_>>>()?;
    let calls = BATCH / threads;
    let batches = (options.rounds / calls).max(2);
    let mut measured = Measured::default();
    // The first time everything is still cold.
    for repetition in 0..=options.repeat as u64 {
        let spent = repeat(&engine, &mut gauges, (repetition * batches..(repetition + 1) * batches, calls))?;
        if repetition > 0 {
            let each = |nanos: &AtomicU64, calls: u64| nanos.load(Ordering::Relaxed) as f64 / calls as f64 / 1e3;
            let settled = batches.div_ceil(2) * calls;
            measured.admit.0.push(each(&spent.admit, batches * calls));
            measured.settle.0.push(each(&spent.settle, settled));
            measured.release.0.push(each(&spent.release, batches * calls - settled));
        }
    }
    nothing_left(&engine)?;
    Ok(measured)
}

/// Lets each thread take batches of so many calls until there are none left.
fn repeat(engine: &Engine, gauges: &mut [Gauge], (batches, calls): (Range<u64>, u64)) -> Outcome<Spent> {
    let spent = Spent::default();
    let (next, gate) = (AtomicU64::new(0), Barrier::new(gauges.len()));
    let work = |gauge: &mut Gauge| -> Result<(), String> {
        gate.wait();
        loop {
            let batch = next.fetch_add(1, Ordering::Relaxed);
            if batch >= batches.end - batches.start {
                return Ok(());
            }
            let number = (batches.start + batch) * calls;
            play(engine, gauge, (number, batch), (calls, &spent)).map_err(|error| error.to_string())?;
        }
    };
    thread::scope(|scope| {
        let workers: Vec<_> = gauges.iter_mut().map(|gauge| scope.spawn(|| work(gauge))).collect();
        workers.into_iter().try_for_each(|worker| worker.join().unwrap_or_else(|_| Err("a thread panicked".to_owned())))
    })?;
    Ok(spent)
}

/// Admits a batch of calls, and then ends all of them in one of the two ways.
fn play(engine: &Engine, gauge: &mut Gauge, (number, batch): (u64, u64), (calls, spent): (u64, &Spent)) -> Outcome<()> {
    let mut passes = Vec::with_capacity(usize::try_from(calls)?);
    let begin = cpu();
    for number in number..number + calls {
        passes.push(admit(gauge, number)?);
    }
    let admitted = cpu();
    spent.admit.fetch_add(admitted - begin, Ordering::Relaxed);
    if batch % 2 == 0 {
        for (pass, number) in passes.into_iter().zip(number..) {
            end_settled(engine, pass, number)?;
        }
        spent.settle.fetch_add(cpu() - admitted, Ordering::Relaxed);
    } else {
        passes.into_iter().for_each(end_given_back);
        spent.release.fetch_add(cpu() - admitted, Ordering::Relaxed);
    }
    Ok(())
}

/// Nanoseconds of CPU of this thread, the kernel's part included.
fn cpu() -> u64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.tv_sec.unsigned_abs() * 1_000_000_000 + now.tv_nsec.unsigned_abs()
}

/// Goes through one step many times.
fn count(step: Step, options: &Options) -> Outcome<()> {
    let mut figures = Figures::PLENTY;
    if options.without_quotas {
        figures.quotas = [None; 3];
    }
    let engine = now(engine(&figures))?;
    let mut gauge = now(gauge(&engine))?;
    for number in 0..options.rounds {
        gauge.rename(id(number), moment(number));
        match step {
            Step::Name => _ = black_box(&mut gauge),
            Step::Permit => gauge.permit()?,
            Step::Find => _ = black_box(gauge.draws()?),
            Step::Release => end_given_back(admit(&mut gauge, number)?),
            Step::Settle => end_settled(&engine, admit(&mut gauge, number)?, number)?,
        }
    }
    Ok(())
}

/// Admits one call.
fn admit(gauge: &mut Gauge, number: u64) -> Result<Pass, GatewayError> {
    gauge.rename(id(number), moment(number));
    let pass = gauge.admit().now_or_never().transpose()?.flatten();
    pass.ok_or_else(|| GatewayError::new(FaultKind::Internal, "nothing counted the call, or it had to wait"))
}

/// Gives back what a call holds. Instructions are counted inside of it.
#[inline(never)]
fn end_given_back(pass: Pass) {
    drop(pass);
}

/// Settles one call: what it used is priced, and spent. Instructions are counted inside of it.
#[inline(never)]
fn end_settled(engine: &Engine, pass: Pass, number: u64) -> Result<(), GatewayError> {
    let mut usage = Usage::default();
    usage.set(Bucket::Input, Modality::Text, 250);
    usage.set(Bucket::Output, Modality::Text, 100 + number % 50);
    let cost = bill(engine, &usage).ok_or_else(|| GatewayError::new(FaultKind::Internal, "the call has no price"))?;
    pass.settle(moment(number) + LASTS_MS, usage.total(), cost);
    Ok(())
}

/// What stands in memory is there at once.
fn now<T>(step: impl Future<Output = Outcome<T>>) -> Outcome<T> {
    step.now_or_never().ok_or("a step in memory had to wait")?
}

/// Proves that each limit and each quota counts the call: exhausted by one call it refuses the next, and says so.
fn prove() -> Outcome<()> {
    let reserved = reserved()?;
    let whose = |kind: ScopeKind| gproxy::store::cache::ScopeKind::from(kind).name();
    for (at, (kind, _, what)) in LIMITS.into_iter().enumerate() {
        let mut figures = Figures::PLENTY;
        figures.limits[at] = Some(1);
        refuses(&figures, FaultKind::RateLimited, &format!("the {}'s limit of 1 {} is reached", whose(kind), what.words()))?;
    }
    for (at, (kind, span, _)) in QUOTAS.into_iter().enumerate() {
        let mut figures = Figures::PLENTY;
        figures.quotas[at] = Some(reserved[at]);
        refuses(&figures, FaultKind::QuotaSpent, &format!("the {}'s {} budget of ", whose(kind), span.word()))?;
    }
    Ok(())
}

/// The one call that there is room for is admitted, the next one is not, and once the first has ended one more is.
fn refuses(figures: &Figures, kind: FaultKind, words: &str) -> Outcome<()> {
    let engine = now(engine(figures))?;
    let mut gauge = now(gauge(&engine))?;
    let pass = admit(&mut gauge, 0)?;
    match admit(&mut gauge, 1) {
        Ok(_) => return Err(format!("not refused: expected \"{words}\"").into()),
        Err(error) if error.kind == kind && error.public.starts_with(words) => {}
        Err(error) => return Err(format!("refused with \"{error}\"; expected \"{words}\"").into()),
    }
    drop(pass);
    // What was reserved is there again; a request that was admitted stays counted.
    let again = admit(&mut gauge, 2);
    if again.is_ok() == words.contains(" requests ") {
        return Err(format!("given back, and {}: \"{words}\"", if again.is_ok() { "admitted" } else { "refused" }).into());
    }
    Ok(())
}

/// What one call reserves of each quota; on the way it proves that all thirteen count the call.
fn reserved() -> Outcome<[i64; 3]> {
    let all = now(engine(&Figures::PLENTY))?;
    let mut gauge = now(gauge(&all))?;
    let draws = gauge.draws()?;
    if draws != LIMITS.len() + QUOTAS.len() {
        return Err(format!("{draws} limits and quotas count the call; expected {}", LIMITS.len() + QUOTAS.len()).into());
    }
    let pass = admit(&mut gauge, 0)?;
    if pass.told != 6 {
        return Err(format!("{} headers say what is left; expected 6", pass.told).into());
    }
    drop(pass);
    nothing_left(&all)?;
    let mut amounts = [0; 3];
    for (at, amount) in amounts.iter_mut().enumerate() {
        let mut figures = Figures { quotas: [None; 3], ..Figures::PLENTY };
        figures.quotas[at] = Some(PLENTY);
        *amount = alone(&figures)?;
    }
    Ok(amounts)
}

/// What one call reserves of the only quota, in nano-dollars.
fn alone(figures: &Figures) -> Outcome<i64> {
    let engine = now(engine(figures))?;
    let mut gauge = now(gauge(&engine))?;
    let _pass = admit(&mut gauge, 0)?;
    let audit = engine.counters().audit().now_or_never().ok_or("the counters had to wait")??;
    let amount = i64::try_from(audit.reserved[Counts::NanoDollars as usize])?;
    if amount > 0 { Ok(amount) } else { Err("a call reserves nothing of a quota".into()) }
}

/// Proves that what was reserved was given back, all of it.
fn nothing_left(engine: &Engine) -> Outcome<()> {
    let audit = engine.counters().audit().now_or_never().ok_or("the counters had to wait")??;
    let is_clear = audit.agrees() && audit.reservations == 0 && audit.reserved == [0; 4];
    if is_clear { Ok(()) } else { Err(format!("something stays reserved: {audit:?}").into()) }
}
