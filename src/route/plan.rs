//! Whom a call may ask, in order.

use std::sync::Arc;

use super::{balance::MemberState, policy::Policy};
use crate::base::{ProviderId, RouteId, RouteMemberId};

/// A route's members in the order in which they are asked. It has at least one.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The name under which the client asked, by which it is permitted.
    pub route: Arc<str>,
    /// The route's row.
    pub id: RouteId,
    /// How its members are treated.
    pub policy: Arc<Policy>,
    /// In order.
    pub stops: Vec<Stop>,
}

/// One member of a plan.
#[derive(Clone, Debug)]
pub struct Stop {
    /// Its row.
    pub member: RouteMemberId,
    /// Its provider's row.
    pub provider: ProviderId,
    /// Its tier: lower ones come first.
    pub tier: i64,
    /// The upstream's id of the model, with the run that the route's `*` stood for in place.
    pub model: Arc<str>,
    /// What is counted of it.
    pub state: Arc<MemberState>,
}
