//! Who knows a call's prompt at other instances, and the member of a route that a session stays with.

use std::{pin::pin, time::Duration};

use futures_util::future::{Either, select};

use super::{engine::Engine, prefix::Prefix, resolve::Resolved, target::Target};
use crate::{
    credentials::{Chooser, Digest, common},
    route::{RouteAffinity, Subject},
};

/// How long a call waits for what other instances know.
const PATIENCE: Duration = Duration::from_millis(25);
/// How long nobody is asked after one had to wait so long in vain.
const REST_MS: u64 = 1_000;
/// How long a session stays with a member after its last call, at least.
const SESSION_MS: u64 = 3_600_000;
/// The most beginnings that are remembered of one route.
const MOST: usize = 16_384;
/// So many providers of one call are looked at.
const PROVIDERS: usize = 3;

/// By what a session is known that stays with a member of its route.
#[derive(Debug)]
pub(super) struct Anchor {
    chooser: Chooser,
    binds: Vec<Digest>,
    ttl_ms: u64,
}

impl Anchor {
    /// The session stays with the member of a target from here on.
    pub(super) fn hold(&self, engine: &Engine, target: &Target) {
        let Some(row) = target.row else { return };
        let now_ms = engine.platform.clock.unix_ms();
        engine.affinity.bind(self.chooser, &self.binds, (row.0, now_ms.saturating_add(self.ttl_ms)), (MOST, now_ms));
    }
}

/// What of a call stays with a member of its route, and whose choice that is.
pub(super) fn subject(call: &Resolved) -> Option<(Chooser, Prefix, RouteAffinity)> {
    let (wanted, route) = (call.affinity?, call.route_id?);
    let whose = match wanted.subject {
        Subject::Session => Prefix::read(call)?,
        Subject::Key => Prefix::of_key(call),
    };
    Some((Chooser::Route(route), whose, wanted))
}

/// Puts the member first that a session stays with, where it is among those that come first at all.
pub(super) async fn anchored(
    engine: &Engine,
    (chooser, whose, wanted): (Chooser, Prefix, RouteAffinity),
    targets: &mut [Target],
) -> Box<Anchor> {
    let mut binds = whose.binds;
    recall(engine, chooser, &whose.known_by, MOST).await;
    let now_ms = engine.platform.clock.unix_ms();
    if let Some((bound, beginning)) = engine.affinity.find(chooser, &whose.known_by, now_ms) {
        if wanted.reanchor_ms.is_some_and(|span| now_ms.saturating_sub(bound.since_ms) >= span) {
            // The strategy chooses anew.
            whose.known_by.iter().for_each(|digest| engine.affinity.forget(chooser, digest));
        } else {
            stick(targets, bound.who);
        }
        if !binds.contains(&beginning) {
            binds.push(beginning);
        }
    }
    Box::new(Anchor { chooser, binds, ttl_ms: whose.ttl_ms.max(SESSION_MS) })
}

/// Puts a member before those of its tier, where that is the first one. Which one answers, health decides.
fn stick(targets: &mut [Target], member: i64) {
    let Some(tier) = targets.first().map(|first| first.tier) else { return };
    if let Some(at) = targets.iter().position(|target| target.row.is_some_and(|row| row.0 == member) && target.tier == tier) {
        targets[..=at].rotate_right(1);
    }
}

/// Asks other instances which credentials know a prompt that none is known for here.
pub(super) async fn recalled(engine: &Engine, targets: &[Target], prefix: &Prefix) {
    let chooses = |target: &&Target| target.provider.pool.remembers().is_some();
    for target in targets.iter().filter(chooses).take(PROVIDERS) {
        let known_by = prefix.of_model(&target.model).known_by;
        recall(engine, Chooser::Provider(target.provider.id), &known_by, target.provider.pool.remembers().unwrap_or(1)).await;
    }
}

async fn recall(engine: &Engine, chooser: Chooser, known_by: &[Digest], most: usize) {
    let Some(cache) = engine.shared() else { return };
    let clock = &engine.platform.clock;
    let now_ms = clock.unix_ms();
    if !engine.affinity.may_ask(now_ms) || engine.affinity.find(chooser, known_by, now_ms).is_some() {
        return;
    }
    // Whichever is second is dropped: a sleep, or a question that comes to nothing.
    match select(pin!(common::fetch(&**cache, chooser, known_by)), clock.sleep(PATIENCE)).await {
        Either::Left((Some(learnt), _)) => engine.affinity.learn(learnt, (most, now_ms)),
        Either::Left((None, _)) => {}
        Either::Right(_) => engine.affinity.rest(now_ms.saturating_add(REST_MS)),
    }
}
