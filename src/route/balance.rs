//! The order of a route's members. Deterministic: the same state and the same call give the same order.

use std::{
    cmp::Reverse,
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use crate::{
    base::{ProviderId, RouteMemberId},
    store::record::Strategy,
};

/// What a failed call counts as, in microseconds, so that a member that fails at once does not look quick.
const FAILED_US: u64 = 60_000_000;

/// A member as it is ordered.
#[derive(Clone, Debug)]
pub struct Member {
    /// Its row.
    pub id: RouteMemberId,
    /// Its provider's row.
    pub provider: ProviderId,
    /// The upstream's id, where `*` repeats the route's.
    pub model: Arc<str>,
    /// Its share; negative ones count as none.
    pub weight: i64,
    /// Lower ones first.
    pub tier: i64,
    /// What is counted of it.
    pub state: Arc<MemberState>,
}

/// What is counted of a route: whose turn it is.
#[derive(Debug, Default)]
pub struct RouteState {
    turn: AtomicUsize,
    /// Each member's standing in the smooth weighted turns.
    standing: Mutex<HashMap<RouteMemberId, i64>>,
}

/// What is counted of a member.
#[derive(Debug, Default)]
pub struct MemberState {
    /// Moving average of its latency, microseconds; 0 where it was never tried.
    latency_us: AtomicU64,
    underway: AtomicUsize,
}

impl MemberState {
    /// Counts a call as under way until what it gives is dropped.
    #[must_use]
    pub fn begin(self: &Arc<Self>) -> Underway {
        self.underway.fetch_add(1, Ordering::Relaxed);
        Underway(Arc::clone(self))
    }

    /// Notes how a call ended: microseconds to its answer's head, `None` where it failed. The newest weighs a quarter.
    pub fn observe(&self, latency_us: Option<u64>) {
        let seen = latency_us.unwrap_or(FAILED_US).clamp(1, FAILED_US);
        let next = |before: u64| Some(if before == 0 { seen } else { (before * 3 + seen) / 4 });
        // The closure always gives a value, so this cannot fail.
        let _ = self.latency_us.try_update(Ordering::Relaxed, Ordering::Relaxed, next);
    }
}

/// A call under way.
#[derive(Debug)]
pub struct Underway(Arc<MemberState>);

impl Drop for Underway {
    fn drop(&mut self) {
        self.0.underway.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The members in the order in which a call asks them. `cost` gives a member's price in any unit; those without one come last.
pub fn order<'m>(strategy: Strategy, state: &RouteState, members: &'m [Member], cost: &dyn Fn(&Member) -> Option<u64>) -> Vec<&'m Member> {
    let mut all: Vec<&Member> = members.iter().collect();
    // What no strategy tells apart keeps this order.
    all.sort_by_key(|member| (member.tier, Reverse(member.weight), member.id));
    let turn = if strategy == Strategy::RoundRobin { state.turn.fetch_add(1, Ordering::Relaxed) } else { 0 };
    for tier in all.chunk_by_mut(|a, b| a.tier == b.tier) {
        match strategy {
            Strategy::Failover => {}
            Strategy::RoundRobin => {
                tier.sort_by_key(|member| member.id);
                tier.rotate_left(turn % tier.len());
            }
            Strategy::Weighted => {
                let first = weighted(state, tier);
                tier[..=first].rotate_right(1);
            }
            Strategy::LeastLatency => tier.sort_by_key(|member| member.state.latency_us.load(Ordering::Relaxed)),
            Strategy::LeastBusy => tier.sort_by_key(|member| member.state.underway.load(Ordering::Relaxed)),
            Strategy::LowestCost => tier.sort_by_key(|member| cost(member).unwrap_or(u64::MAX)),
        }
    }
    all
}

/// Whose turn it is by weight: each gains its weight, the highest goes first and pays for all. So turns are spread evenly.
fn weighted(state: &RouteState, tier: &[&Member]) -> usize {
    let none = tier.iter().all(|member| member.weight <= 0);
    // Bounded, so that no sum overflows.
    let weight = |member: &Member| if none { 1 } else { member.weight.clamp(0, 1 << 32) };
    let total: i64 = tier.iter().map(|member| weight(member)).sum();
    let mut standing = state.standing.lock().unwrap_or_else(PoisonError::into_inner);
    let mut best = (0, i64::MIN);
    for (at, member) in tier.iter().enumerate().filter(|(_, member)| weight(member) > 0) {
        let own = standing.entry(member.id).or_default();
        *own += weight(member);
        if *own > best.1 {
            best = (at, *own);
        }
    }
    if let Some(own) = standing.get_mut(&tier[best.0].id) {
        *own -= total;
    }
    best.0
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, sync::Arc};

    use super::{Member, MemberState, RouteState, order};
    use crate::{
        base::{ProviderId, RouteMemberId},
        store::record::Strategy,
    };

    fn members(of: &[(i64, i64)]) -> Vec<Member> {
        let made = of.iter().zip(1..).map(|((weight, tier), id)| Member {
            id: RouteMemberId(id),
            provider: ProviderId(id),
            model: "m".into(),
            weight: *weight,
            tier: *tier,
            state: Arc::default(),
        });
        made.collect()
    }

    fn ids(strategy: Strategy, state: &RouteState, members: &[Member]) -> Vec<i64> {
        order(strategy, state, members, &|member| u64::try_from(10 - member.id.0).ok().filter(|cost| *cost != 9))
            .iter()
            .map(|member| member.id.0)
            .collect()
    }

    #[test]
    fn tiers_come_first_and_the_strategy_orders_within_them() {
        let members = members(&[(1, 2), (1, 1), (5, 1), (3, 1), (9, 2)]);
        let cases = [
            (Strategy::Failover, vec![vec![3, 4, 2, 5, 1]; 2]),
            (Strategy::RoundRobin, vec![vec![2, 3, 4, 1, 5], vec![3, 4, 2, 5, 1], vec![4, 2, 3, 1, 5]]),
            (Strategy::LowestCost, vec![vec![4, 3, 2, 5, 1]]),
        ];
        for (strategy, expected) in cases {
            let state = RouteState::default();
            for order in expected {
                assert_eq!(ids(strategy, &state, &members), order, "{strategy:?}");
            }
        }
    }

    #[test]
    fn weights_are_kept_exactly_and_spread_evenly() {
        for (weights, shares) in [(vec![7, 2, 1], vec![70, 20, 10]), (vec![1, 0, 1], vec![50, 0, 50]), (vec![0, 0], vec![50, 50])] {
            let members = members(&weights.iter().map(|weight| (*weight, 0)).collect::<Vec<_>>());
            let state = RouteState::default();
            let mut seen = BTreeMap::<i64, i32>::new();
            for _ in 0..100 {
                let order = ids(Strategy::Weighted, &state, &members);
                assert_eq!(order.len(), members.len());
                *seen.entry(order[0]).or_default() += 1;
            }
            let found: Vec<i32> = (1..).take(weights.len()).map(|id| seen.get(&id).copied().unwrap_or_default()).collect();
            assert_eq!(found, shares, "{weights:?}");
        }
    }

    #[test]
    fn the_untried_come_before_the_quick_and_failures_last() {
        let members = members(&[(1, 0), (1, 0), (1, 0)]);
        let state = RouteState::default();
        members[0].state.observe(Some(500));
        members[1].state.observe(Some(100));
        assert_eq!(ids(Strategy::LeastLatency, &state, &members), [3, 2, 1]);
        members[2].state.observe(Some(50));
        members[1].state.observe(None);
        assert_eq!(ids(Strategy::LeastLatency, &state, &members), [3, 1, 2]);
    }

    #[test]
    fn calls_under_way_count_until_they_are_dropped() {
        let members = members(&[(1, 0), (1, 0)]);
        let state = RouteState::default();
        let call = MemberState::begin(&members[0].state);
        assert_eq!(ids(Strategy::LeastBusy, &state, &members), [2, 1]);
        drop(call);
        assert_eq!(ids(Strategy::LeastBusy, &state, &members), [1, 2]);
    }
}
