//! A long run in which everything goes wrong at once: how many calls still get their whole answer, and at what price.

use std::{
    fmt,
    path::Path,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use futures_util::future::join_all;
use serde::Serialize;
use toml::Table;

use super::{
    Dialect,
    client::Client,
    gateway::{Gateway, Manner, Member, Order, Route, speaking},
    ledger::Ending,
    proof::{Proof, proof},
    provider::{Provider, Settings},
    run::{LabFault, OnStreamFault, PACE, Profile, loopback},
};
use crate::runtime::{Instant, Platform};

/// Callers at once. Each asks, and pauses, and asks again.
const CALLERS: u32 = 16;
const PAUSE: Duration = Duration::from_millis(200);
/// When a call is cut.
const WALL: Duration = Duration::from_mins(2);
/// How often the process is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// Looks before this share of the run do not count: the process still grows into its load.
const WARM: usize = 4;
/// What must hold: whole answers of ten thousand calls, attempts of a hundred calls, memory of a hundred after a while.
const SUCCESS: u64 = 9_990;
const ATTEMPTS: u64 = 120;
const GROWTH: u64 = 110;

/// How long it takes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mix {
    span: Duration,
}

impl Mix {
    /// A run of so many minutes.
    #[must_use]
    pub(super) fn over(minutes: u32) -> Self {
        Self { span: Duration::from_mins(minutes.into()) }
    }
}

/// The process at one moment.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Look {
    /// Seconds since the start.
    pub(super) at_s: u64,
    /// Resident memory, kilobytes.
    pub(super) memory_kb: u64,
    /// Open files and sockets.
    pub(super) handles: usize,
}

/// What came of a run.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Report {
    /// How long it took, seconds.
    pub(super) seconds: u64,
    /// Calls.
    pub(super) calls: u64,
    /// Those that got the whole answer.
    pub(super) whole: u64,
    /// Attempts at the targets.
    pub(super) attempts: u64,
    /// Those that the targets spoiled or left.
    pub(super) spoiled: u64,
    /// Both ledgers, and what `gproxy verify` says; or why they cannot be read.
    pub(super) proof: Result<Proof, String>,
    /// The times of calls in milliseconds: the middle, the ninety-ninth of a hundred, the longest.
    pub(super) ms: [u64; 3],
    /// What went wrong, and how often.
    pub(super) failures: Vec<(String, u64)>,
    /// The process now and then.
    pub(super) looks: Vec<Look>,
}

/// What the callers have seen so far.
#[derive(Debug, Default)]
struct Tally {
    ms: Vec<u64>,
    whole: u64,
    failures: std::collections::BTreeMap<String, u64>,
}

/// Runs it, and tells now and then how it goes.
///
/// # Errors
/// [`LabFault`], where it cannot be run at all.
pub(super) async fn run(platform: &Platform, exe: &Path, mix: Mix, tell: &(dyn Fn(&str) + Sync)) -> Result<Report, LabFault> {
    let provider = Provider::start(platform, Settings { listen: loopback(), pace: PACE, secured: None }).await.map_err(LabFault::Listen)?;
    let members: Vec<(String, Table)> = Dialect::ALL
        .into_iter()
        .flat_map(|dialect| ["a", "b", "c"].map(|target| (format!("lab-{dialect}-{target}"), speaking(dialect))))
        .collect();
    let gateway = Gateway::start(platform, exe, (None, &members), provider.address()).await?;
    let client = gateway.client(platform);
    let manner = Manner { profile: Profile::Interactive, on_stream_fault: OnStreamFault::Rescue };
    gateway.route(&client, &Dialect::ALL.map(route), (Order::Turns, manner)).await?;
    let (begun, tally) = (platform.clock.now(), Mutex::<Tally>::default());
    let callers = (0..CALLERS).map(|caller| call(platform, &client, (caller, begun, mix), &tally));
    let told = |look| tell(&line(look, &tally));
    let watch = look(platform, &gateway, (begun, mix), &told);
    let (_, looks) = futures_util::future::join(join_all(callers), watch).await;
    let span = platform.clock.now().since(begun);
    let proof = proof(platform, (&gateway, &client), &provider).await;
    Ok(report(&provider, tally, (looks, span, proof)))
}

/// Three targets; the middle one dies now and then.
fn route(dialect: Dialect) -> Route {
    let member =
        |target: &str, kind: &str| Member { provider: format!("lab-{dialect}-{target}"), model: format!("{kind}.{dialect}-{target}") };
    let members = vec![member("a", "chaos"), member("b", "chaos-dying"), member("c", "chaos")];
    Route { name: format!("chaos-{dialect}"), members }
}

/// One caller: each call in another dialect, to providers of yet another.
async fn call(platform: &Platform, client: &Client, (caller, begun, mix): (u32, Instant, Mix), tally: &Mutex<Tally>) {
    platform.clock.sleep(PAUSE * caller / CALLERS).await;
    for round in 0.. {
        if platform.clock.now().since(begun) >= mix.span {
            return;
        }
        let dialect = |number: u32| Dialect::ALL[number as usize % Dialect::ALL.len()];
        let (own, other) = (dialect(caller + round), dialect(caller / 4 + round / 4));
        let seen = client.ask(own, &format!("chaos-{other}"), WALL).await;
        {
            let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
            tally.ms.push(seen.ms);
            if seen.is_complete() {
                tally.whole += 1;
            } else {
                *tally.failures.entry(format!("{own} from {other}: {:?}", seen.ending)).or_default() += 1;
            }
        }
        platform.clock.sleep(PAUSE).await;
    }
}

async fn look(platform: &Platform, gateway: &Gateway, (begun, mix): (Instant, Mix), tell: &(dyn Fn(Look) + Sync)) -> Vec<Look> {
    let mut looks = Vec::new();
    loop {
        platform.clock.sleep(LOOK_EVERY).await;
        let since = platform.clock.now().since(begun);
        if since >= mix.span {
            return looks;
        }
        if let Some((memory_kb, handles)) = gateway.size() {
            let look = Look { at_s: since.as_secs(), memory_kb, handles };
            tell(look);
            looks.push(look);
        }
    }
}

fn line(look: Look, tally: &Mutex<Tally>) -> String {
    let tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
    let (calls, whole) = (tally.ms.len(), tally.whole);
    format!("{:>5} s: {whole} of {calls} calls got the whole answer; {} MB, {} handles", look.at_s, look.memory_kb / 1024, look.handles)
}

fn report(provider: &Provider, tally: Mutex<Tally>, (looks, span, proof): (Vec<Look>, Duration, Result<Proof, String>)) -> Report {
    let Tally { mut ms, whole, failures } = tally.into_inner().unwrap_or_else(PoisonError::into_inner);
    ms.sort_unstable();
    let at = |percent: usize| ms.get((ms.len() * percent / 100).min(ms.len().saturating_sub(1))).copied().unwrap_or(0);
    let totals = provider.totals();
    let mut failures: Vec<(String, u64)> = failures.into_iter().collect();
    failures.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    Report {
        seconds: span.as_secs(),
        calls: ms.len() as u64,
        whole,
        attempts: totals.attempts,
        spoiled: totals.attempts - totals.ended(Ending::Whole),
        proof,
        ms: [at(50), at(99), at(100)],
        failures,
        looks,
    }
}

impl Report {
    /// Whether all of it is as it must be.
    #[must_use]
    pub(super) fn is_clean(&self) -> bool {
        self.checks().iter().all(|(_, holds)| *holds)
    }

    /// What must hold, with its figure.
    fn checks(&self) -> Vec<(String, bool)> {
        let calls = self.calls.max(1);
        let (success, amplified) = (self.whole * 10_000 / calls, self.attempts * 100 / calls);
        let mut checks = vec![
            (format!("{}.{:02} % of calls got the whole answer; expected 99.9 %", success / 100, success % 100), success >= SUCCESS),
            (format!("{}.{:02} attempts a call; expected 1.2 at most", amplified / 100, amplified % 100), amplified <= ATTEMPTS),
        ];
        match &self.proof {
            Ok(proof) => checks.extend(proof.checks()),
            Err(fault) => checks.push((format!("the ledgers: {fault}"), false)),
        }
        // Memory and handles are judged where there is enough to compare.
        let warm = &self.looks[self.looks.len() / WARM..];
        if let (Some((first, later)), true) = (warm.split_first(), self.looks.len() >= 2 * WARM) {
            let most = |of: fn(&Look) -> u64| later.iter().rev().take(WARM).map(of).min().unwrap_or(0);
            let (memory, handles) = (most(|look| look.memory_kb), most(|look| look.handles as u64));
            let text = format!("memory {} KB, then {memory} KB; expected flat within a tenth", first.memory_kb);
            checks.push((text, memory * 100 <= first.memory_kb * GROWTH));
            let text = format!("handles {}, then {handles}; expected flat within a tenth and 16", first.handles);
            checks.push((text, handles * 100 <= (first.handles as u64 + 16) * GROWTH));
        }
        checks
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [middle, late, longest] = self.ms;
        writeln!(f, "{} calls in {} s, {} attempts, {} of them spoiled", self.calls, self.seconds, self.attempts, self.spoiled)?;
        writeln!(f, "times: half within {middle} ms, 99 of 100 within {late} ms, the longest {longest} ms")?;
        if let Ok(Proof { sent, recorded, rescued, .. }) = &self.proof {
            let (sent, recorded) = (sent.broken_tokens, recorded.broken_tokens);
            writeln!(f, "{rescued} broken answers were gone on with by another target")?;
            writeln!(f, "broken answers had {sent} tokens; the gateway, who is not told, estimates {recorded}")?;
        }
        self.failures.iter().take(20).try_for_each(|(what, count)| writeln!(f, "failed {count} times: {what}"))?;
        let word = |holds: bool| if holds { "holds" } else { "FAILS" };
        self.checks().iter().try_for_each(|(text, holds)| writeln!(f, "{}: {text}", word(*holds)))
    }
}

#[cfg(test)]
mod tests {
    use super::{Look, Proof, Report};
    use crate::lab::proof::Count;

    fn report() -> Report {
        let look = |at_s: u64| Look { at_s, memory_kb: 50_000 + at_s, handles: 50 };
        Report {
            seconds: 600,
            calls: 10_000,
            whole: 9_990,
            attempts: 12_000,
            spoiled: 1_500,
            proof: Ok(Proof { sent: Count::default(), recorded: Count::default(), rescued: 0, verify: String::new() }),
            ms: [250, 10_000, 22_000],
            failures: Vec::new(),
            looks: (1..60).map(|tens| look(tens * 10)).collect(),
        }
    }

    #[test]
    fn a_run_is_clean_up_to_its_bars_and_no_further() {
        assert!(report().is_clean());
        assert!(!Report { whole: 9_989, ..report() }.is_clean());
        assert!(!Report { attempts: 12_100, ..report() }.is_clean());
        assert!(!Report { proof: Err("gone".into()), ..report() }.is_clean());
        let grown = |grow: fn(&mut Look)| {
            let mut report = report();
            report.looks.iter_mut().filter(|look| look.at_s > 300).for_each(grow);
            report.is_clean()
        };
        assert!(grown(|look| look.memory_kb += 4_000) && grown(|look| look.handles += 10));
        assert!(!grown(|look| look.memory_kb += 9_000) && !grown(|look| look.handles += 30));
    }
}
