//! One round: every fault, side by side, through one gateway, from one dialect to another.

use std::{path::Path, time::Duration};

use futures_util::future::join_all;
use toml::Table;

use super::{
    client::{Client, Seen},
    dialect::Dialect,
    fault::{self, FAULTS, Fault, OUTAGE, Outage, Variant},
    gateway::{Gateway, Manner, Route},
    judge::{Observed, Verdict, judge},
    provider::Provider,
    run::LabFault,
};
use crate::runtime::Platform;

/// From the start of one fault to the next, so that not all of them knock at once.
const APART: Duration = Duration::from_millis(150);
/// How long the healthy request may take that tells whether the gateway lives.
const ALIVE_WITHIN: Duration = Duration::from_secs(20);

/// Who asks in which dialect, and which one the provider speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pair {
    pub(super) client: Dialect,
    pub(super) upstream: Dialect,
}

/// What all rounds of a run have in common.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setting<'a> {
    pub(super) platform: &'a Platform,
    pub(super) exe: &'a Path,
    /// The operator's configuration.
    pub(super) own: Option<&'a Table>,
    /// The numbers of the faults to play.
    pub(super) faults: &'a [u8],
    pub(super) outage: Outage,
    pub(super) manner: Manner,
}

/// One fault as it was played in one way, and what was thought of it.
#[derive(Debug)]
pub(super) struct Played {
    pub(super) fault: &'static Fault,
    pub(super) observed: Observed,
    pub(super) verdict: Verdict,
}

/// One way to play one fault.
struct Case {
    fault: &'static Fault,
    name: String,
    route: Route,
    alive: Route,
}

impl Case {
    fn new(fault: &'static Fault, variant: Variant, (pair, outage): (Pair, Outage)) -> Self {
        let tail = match variant {
            Variant::Plain => "",
            Variant::Ends => "-ends",
        };
        let name = format!("{:02}{tail}", fault.number);
        let run = format!("{}-{}", pair.client, pair.upstream);
        let route = Route {
            name: format!("lab-{name}"),
            primary: fault::model(fault.number, (variant, outage), &run),
            fallback: fault::fallback(fault.number, &format!("{run}-{name}")),
        };
        let healthy = |side: &str| format!("healthy.{run}-{name}-alive-{side}");
        let alive = Route { name: format!("lab-{name}-alive"), primary: healthy("primary"), fallback: healthy("fallback") };
        Self { fault, name, route, alive }
    }
}

/// Plays the faults between two dialects. They come back in order.
pub(super) async fn round(setting: Setting<'_>, provider: &Provider, pair: Pair) -> Result<Vec<Played>, LabFault> {
    let faults = FAULTS.iter().filter(|fault| setting.faults.contains(&fault.number));
    let cases: Vec<Case> =
        faults.flat_map(|fault| fault.variants.iter().map(move |variant| Case::new(fault, *variant, (pair, setting.outage)))).collect();
    let names: Vec<String> = cases.iter().map(|case| case.name.clone()).collect();
    let at = (provider.address(), pair.upstream);
    let gateway = Gateway::start(setting.platform, setting.exe, (setting.own, &names), at).await?;
    let client = gateway.client(setting.platform);
    let routes: Vec<(String, Route)> =
        cases.iter().flat_map(|case| [&case.route, &case.alive].map(|route| (case.name.clone(), route.clone()))).collect();
    gateway.route(&client, &routes, setting.manner).await?;
    let plays = cases.iter().zip(0u32..).map(|(case, index)| {
        let client = &client;
        async move {
            setting.platform.clock.sleep(APART * index).await;
            play(setting, (provider, client), (case, pair)).await
        }
    });
    Ok(join_all(plays).await)
}

async fn play(setting: Setting<'_>, (provider, client): (&Provider, &Client), (case, pair): (&Case, Pair)) -> Played {
    let seen = ask(setting, client, (case, pair)).await;
    let alive = client.ask(pair.client, &case.alive.name, ALIVE_WITHIN).await;
    let observed = Observed {
        fault: case.fault.number,
        outage: setting.outage,
        seen,
        primary: provider.attempts(Some(&case.route.primary)),
        fallback: provider.attempts(Some(&case.route.fallback)),
        alive: alive.is_complete(),
    };
    let verdict = judge(&observed);
    Played { fault: case.fault, observed, verdict }
}

/// Asks once, or for as long as the outage lasts.
async fn ask(setting: Setting<'_>, client: &Client, (case, pair): (&Case, Pair)) -> Vec<Seen> {
    let once = || client.ask(pair.client, &case.route.name, case.fault.wall);
    if case.fault.number != OUTAGE {
        return vec![once().await];
    }
    let outage = setting.outage;
    let calls = (0..outage.requests()).map(|index| async move {
        setting.platform.clock.sleep(outage.every() * index).await;
        once().await
    });
    join_all(calls).await
}
