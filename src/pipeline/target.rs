//! Whom a call may go to: the members of the route that it names, or the one provider.

use std::sync::Arc;

use super::{error::GatewayError, kept};
use crate::{
    base::{Bucket, Modality, RouteId, RouteMemberId, Usage},
    billing::Lookup,
    protocol::{Operation, OperationKey, dispatch::Implementation, fault::FaultKind},
    route::{Cause, Member, MemberState, Plan, Policy, Stop},
    snapshot::{Provider, Snapshot},
};

/// One provider's model that may answer a call.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) provider: Arc<Provider>,
    /// The upstream's id; empty where the call has none.
    pub(super) model: Arc<str>,
    /// The provider's name for it that the client meant, before it turned out to be a variant.
    pub(super) inbound: Arc<str>,
    /// What the provider is asked; the client's own key where the client's bytes pass.
    pub(super) key: OperationKey,
    /// Whether the gateway answers by itself.
    pub(super) is_local: bool,
    /// What is counted of the route's member.
    pub(super) member: Option<Arc<MemberState>>,
    /// The member's row.
    pub(super) row: Option<RouteMemberId>,
    /// The member's tier.
    pub(super) tier: i64,
    /// Asked only where the call was declined for this.
    pub(super) cause: Option<Cause>,
}

/// Whom a name stands for.
#[derive(Debug)]
pub(super) struct Targets {
    /// In the order in which they are asked; at least one.
    pub(super) list: Vec<Target>,
    /// The route that the client named, by which it is permitted too.
    pub(super) route: Option<Arc<str>>,
    /// That route's row.
    pub(super) route_id: Option<RouteId>,
    /// How long each may take, and what becomes of a stream that one of them breaks off.
    pub(super) policy: Policy,
}

/// A provider's model, before it is known whether the call can be made of it.
struct Found {
    provider: Arc<Provider>,
    model: Arc<str>,
    inbound: Arc<str>,
    member: Option<(RouteMemberId, Arc<MemberState>)>,
    tier: i64,
    cause: Option<Cause>,
}

/// What is asked: the client's key, and whether it wants a stream.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    pub(super) key: OperationKey,
    pub(super) streams: bool,
}

/// Finds whom a call means: within a provider's paths its aliases and variants; else global aliases, then routes,
/// then `provider/model`.
///
/// # Errors
/// An unknown provider or model; an operation that none of those meant serves.
pub(super) fn find(wanted: Wanted, scope: Option<&str>, named: Option<&str>, snapshot: &Snapshot) -> Result<Targets, GatewayError> {
    if let Some(scope) = scope {
        if let Some(provider) = snapshot.provider(scope) {
            return alone(wanted, at_provider(provider, named.unwrap_or_default(), snapshot));
        }
        if snapshot.names().has_namespace(scope) {
            let plan = named.and_then(|named| plan(scope, named, snapshot));
            let plan = plan.ok_or_else(|| {
                let message = format!("unknown model {:?}; expected a route of the namespace {scope:?}", named.unwrap_or_default());
                GatewayError::new(FaultKind::ModelNotFound, message).at("model")
            })?;
            return along(wanted, (plan, scope), snapshot);
        }
        // `/openai/v1/...` without a provider of that name is the family's plain path (people's habit elsewhere).
        if !["openai", "anthropic", "gemini"].contains(&scope) {
            return Err(GatewayError::new(FaultKind::NotFound, format!("unknown provider {scope:?} in the path; {}", known(snapshot))));
        }
    }
    let Some(named) = named else {
        let message = format!("this call names no model, so its path must name the provider: /{{provider}}/v1/...; {}", known(snapshot));
        return Err(GatewayError::new(FaultKind::NotFound, message));
    };
    let renamed = snapshot.names().global(named);
    let meant = renamed.as_deref().unwrap_or(named);
    if let Some(plan) = plan("", meant, snapshot) {
        return along(wanted, (plan, ""), snapshot);
    }
    let split = meant.split_once('/').and_then(|(provider, model)| Some((snapshot.provider(provider)?, model)));
    let found = split.map(|(provider, model)| at_provider(provider, model, snapshot)).ok_or_else(|| {
        let message = format!("unknown model {named:?}; expected \"provider/model\" or the name of a route; {}", known(snapshot));
        GatewayError::new(FaultKind::ModelNotFound, message).at("model")
    })?;
    alone(wanted, found)
}

/// A model as one of a provider's, by its aliases and then its variants.
fn at_provider(provider: &Arc<Provider>, named: &str, snapshot: &Snapshot) -> Found {
    let names = snapshot.names();
    let inbound: Arc<str> = names.of_provider(&provider.name, named).map_or_else(|| named.into(), Into::into);
    let model = Arc::clone(names.variant(provider.id, &inbound).unwrap_or(&inbound));
    Found { provider: Arc::clone(provider), model, inbound, member: None, tier: 0, cause: None }
}

fn alone(wanted: Wanted, found: Found) -> Result<Targets, GatewayError> {
    Ok(Targets { list: vec![target(wanted, found)?], route: None, route_id: None, policy: Policy::default() })
}

fn plan(namespace: &str, named: &str, snapshot: &Snapshot) -> Option<Plan> {
    snapshot.names().plan(namespace, named, &|member| price(member, snapshot))
}

/// The members of a plan whose providers serve the call. All of them do it in the same way as the first: what the gateway
/// does by itself for one provider, another would have to be asked for.
fn along(wanted: Wanted, (plan, namespace): (Plan, &str), snapshot: &Snapshot) -> Result<Targets, GatewayError> {
    let (mut list, mut refused) = (Vec::with_capacity(plan.stops.len()), None);
    let own = plan.stops.into_iter().map(|stop| (stop, None));
    for (stop, cause) in own.chain(fallbacks(&plan.policy, namespace, snapshot)) {
        let Some(provider) = snapshot.provider_of(stop.provider) else { continue };
        let found = Found {
            cause,
            provider: Arc::clone(provider),
            inbound: Arc::clone(&stop.model),
            model: stop.model,
            member: Some((stop.member, stop.state)),
            tier: stop.tier,
        };
        match target(wanted, found) {
            Ok(target) => list.push(target),
            // Who stands by need not be able to.
            Err(_) if cause.is_some() => {}
            Err(error) => refused = refused.or(Some(error)),
        }
    }
    let Some(first) = list.first().filter(|first: &&Target| first.cause.is_none()) else {
        let nobody = || GatewayError::overloaded("no member of this route can be used now");
        return Err(refused.unwrap_or_else(nobody));
    };
    let manner = |target: &Target| (target.is_local, kept::is_kept_here(wanted.key, target.key, target.is_local));
    let first = manner(first);
    list.retain(|target| manner(target) == first);
    Ok(Targets { list, route: Some(plan.route), route_id: Some(plan.id), policy: Policy::clone(&plan.policy) })
}

/// The members of the routes that a call goes on to where it is declined.
fn fallbacks(policy: &Policy, namespace: &str, snapshot: &Snapshot) -> Vec<(Stop, Option<Cause>)> {
    let mut stops = Vec::new();
    for (cause, name) in policy.fallback.routes() {
        let plan = snapshot.names().fallback(namespace, name, &|member| price(member, snapshot));
        stops.extend(plan.into_iter().flat_map(|plan| plan.stops).map(|stop| (stop, Some(cause))));
    }
    stops
}

/// What a thousand fresh tokens and a thousand of answer cost at a member, in nano-dollars; `None` where it has no price.
fn price(member: &Member, snapshot: &Snapshot) -> Option<u64> {
    let provider = snapshot.provider_of(member.provider)?;
    let Lookup::Priced(entry) = snapshot.prices().find(provider.id, provider.vendor, &member.model) else { return None };
    let mut usage = Usage::default();
    usage.set(Bucket::Input, Modality::Text, 1000);
    usage.set(Bucket::Output, Modality::Text, 1000);
    u64::try_from(entry.tariff.cost(&usage, None).ok()?.nanos.get()).ok()
}

fn known(snapshot: &Snapshot) -> String {
    format!("{} providers are configured", snapshot.providers().len())
}

fn target(wanted: Wanted, found: Found) -> Result<Target, GatewayError> {
    let Found { provider, model, inbound, member, tier, cause } = found;
    let (key, is_local) = served(wanted, &provider)?;
    let (row, member) = member.unzip();
    Ok(Target { provider, model, inbound, key, is_local, member, row, tier, cause })
}

/// What the provider is asked, and whether the gateway answers by itself.
pub(super) fn served(Wanted { key, streams }: Wanted, provider: &Provider) -> Result<(OperationKey, bool), GatewayError> {
    match provider.dispatch.of(key, &*provider.channel) {
        Implementation::Passthrough => Ok((key, false)),
        Implementation::Local => Ok((key, true)),
        Implementation::TransformTo(target) => {
            // Calls that have no streamed key of their own stream where their target does.
            let streamed = OperationKey::new(Operation::StreamGenerateContent, target.kind()).filter(|key| provider.channel.serves(*key));
            let whole = target.operation() == Operation::GenerateContent && key.operation() == Operation::CreateCompletion;
            Ok((streamed.filter(|_| streams && whole).unwrap_or(target), false))
        }
        Implementation::Unsupported => {
            let message = format!(
                "provider {:?} does not serve {} in the {} shape; ask it in a dialect of its own (see the models and endpoints it lists)",
                provider.name,
                key.operation(),
                key.kind()
            );
            Err(GatewayError::new(FaultKind::Unsupported, message))
        }
    }
}
