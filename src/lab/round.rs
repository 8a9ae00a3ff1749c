//! One round: every fault, side by side, through one gateway, from one dialect to another.

use std::{path::Path, time::Duration};

use futures_util::future::join_all;
use toml::Table;

use super::{
    Dialect,
    client::{Client, Seen},
    fault::{self, FAULTS, Fault, OUTAGE, Outage, Variant},
    gateway::{Gateway, Manner, Member, Order, Route, speaking},
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
    /// What both providers are made after; without it they speak what the pair says.
    pub(super) pattern: Option<&'a Table>,
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

/// One way to play one fault. Its providers are its own, so that its faults touch no other's health.
struct Case {
    fault: &'static Fault,
    providers: [String; 2],
    route: Route,
    /// A route over healthy models of the same providers.
    alive: Route,
}

impl Case {
    fn new(fault: &'static Fault, variant: Variant, (pair, outage): (Pair, Outage)) -> Self {
        let tail = match variant {
            Variant::Plain => "",
            Variant::Ends => "-ends",
        };
        let name = format!("lab-{:02}{tail}", fault.number);
        let run = format!("{}-{}", pair.client, pair.upstream);
        let providers = ["primary", "fallback"].map(|side| format!("{name}-{side}"));
        let route = |name: String, models: [String; 2]| {
            let members = providers.iter().cloned().zip(models).map(|(provider, model)| Member { provider, model }).collect();
            Route { name, members }
        };
        let asked = [fault::model(fault.number, (variant, outage), &run), fault::fallback(fault.number, &format!("{run}-{name}"))];
        let healthy = ["primary", "fallback"].map(|side| format!("healthy.{run}-{name}-{side}"));
        Self { fault, route: route(name.clone(), asked), alive: route(format!("{name}-alive"), healthy), providers }
    }
}

/// Plays the faults between two dialects. They come back in order.
pub(super) async fn round(setting: Setting<'_>, provider: &Provider, pair: Pair) -> Result<Vec<Played>, LabFault> {
    let faults = FAULTS.iter().filter(|fault| setting.faults.contains(&fault.number));
    let cases: Vec<Case> =
        faults.flat_map(|fault| fault.variants.iter().map(move |variant| Case::new(fault, *variant, (pair, setting.outage)))).collect();
    let pattern = setting.pattern.cloned().unwrap_or_else(|| speaking(pair.upstream));
    let providers: Vec<(String, Table)> =
        cases.iter().flat_map(|case| case.providers.clone()).map(|name| (name, pattern.clone())).collect();
    let gateway = Gateway::start(setting.platform, setting.exe, (setting.own, &providers), provider.address()).await?;
    let client = gateway.client(setting.platform);
    let routes: Vec<Route> = cases.iter().flat_map(|case| [case.route.clone(), case.alive.clone()]).collect();
    gateway.route(&client, &routes, (Order::Failover, setting.manner)).await?;
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
    let [primary, fallback] = [0, 1].map(|place| case.route.members[place].model.as_str());
    let observed = Observed {
        fault: case.fault.number,
        outage: setting.outage,
        seen,
        primary: provider.attempts(Some(primary)),
        fallback: provider.attempts(Some(fallback)),
        billed: client.recorded(primary).await,
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
