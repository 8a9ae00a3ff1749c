//! The names of one configuration: its aliases, the variants of its models, its routes.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use serde_json::Value;

use super::{
    alias::Aliases,
    balance::{Member, MemberState, RouteState, order},
    plan::{Plan, Stop},
    policy::Policy,
};
use crate::{
    base::{ProviderId, RouteId, RouteMemberId},
    store::record::{AliasRow, ConfigRows, RouteMemberRow, RouteRow, Strategy},
};

/// Every name of a configuration, compiled.
#[derive(Debug, Default)]
pub struct Names {
    aliases: HashMap<String, Aliases>,
    variants: HashMap<ProviderId, HashMap<String, Arc<str>>>,
    /// By namespace, then name.
    exact: BTreeMap<String, BTreeMap<String, Arc<Route>>>,
    /// By namespace; those with the longest literal first.
    patterns: BTreeMap<String, Vec<Arc<Route>>>,
}

/// A name that does not serve, or not fully, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameFault {
    /// The noun.
    pub what: &'static str,
    /// Which one.
    pub name: String,
    /// The field at fault.
    pub path: &'static str,
    /// What it was and what was expected.
    pub message: String,
}

/// A route ready for use.
#[derive(Debug)]
pub struct Route {
    /// Its row.
    pub id: RouteId,
    /// Its name; one `*` stands for any run of characters.
    pub name: Arc<str>,
    /// The first segment of its paths; empty for the plain ones.
    pub namespace: String,
    strategy: Strategy,
    members: Vec<Member>,
    policy: Arc<Policy>,
    state: Arc<RouteState>,
}

impl Route {
    /// What the route's `*` stands for in a name.
    fn run<'n>(&self, name: &'n str) -> Option<&'n str> {
        let (head, tail) = self.name.split_once('*')?;
        name.strip_prefix(head)?.strip_suffix(tail)
    }

    fn plan(&self, asked: &str, run: Option<&str>, cost: &dyn Fn(&Member) -> Option<u64>) -> Plan {
        let stops = order(self.strategy, &self.state, &self.members, cost).into_iter().map(|member| Stop {
            member: member.id,
            provider: member.provider,
            tier: member.tier,
            model: run.map_or_else(|| Arc::clone(&member.model), |run| member.model.replacen('*', run, 1).into()),
            state: Arc::clone(&member.state),
        });
        Plan { route: asked.into(), id: self.id, policy: Arc::clone(&self.policy), stops: stops.collect() }
    }
}

impl Names {
    /// Compiles rows. What is counted of routes and members that were there `before` goes on.
    #[must_use]
    pub fn compile(rows: &ConfigRows, before: Option<&Self>) -> (Self, Vec<NameFault>) {
        let (mut names, mut faults) = (Self::default(), Vec::new());
        names.read_aliases(rows, &mut faults);
        names.read_variants(rows, &mut faults);
        names.read_routes(rows, before, &mut faults);
        (names, faults)
    }

    fn read_aliases(&mut self, rows: &ConfigRows, faults: &mut Vec<NameFault>) {
        let mut by_provider = HashMap::<&str, Vec<&AliasRow>>::new();
        for row in rows.aliases.iter().filter(|row| row.enabled) {
            by_provider.entry(&row.provider).or_default().push(row);
        }
        for (provider, rows) in by_provider {
            let (made, wrong) = Aliases::compile(rows);
            self.aliases.insert(provider.to_owned(), made);
            faults.extend(wrong.into_iter().map(|(name, message)| NameFault { what: "alias", name, path: "alias", message }));
        }
    }

    fn read_variants(&mut self, rows: &ConfigRows, faults: &mut Vec<NameFault>) {
        for row in rows.models.iter().filter(|row| row.enabled) {
            let Some(json) = row.variants_json.as_deref().filter(|json| !json.is_empty()) else { continue };
            let read: Option<Vec<String>> = serde_json::from_str(json).ok().and_then(|mut value: Value| {
                let list = if value.is_object() { value["variants"].take() } else { value };
                serde_json::from_value(list).ok()
            });
            let Some(read) = read else {
                let message = "expected an array of names, or {\"variants\": [...]}".to_owned();
                faults.push(NameFault { what: "model", name: row.model_id.clone(), path: "variants_json", message });
                continue;
            };
            let model: Arc<str> = row.model_id.as_str().into();
            self.variants.entry(row.provider_id).or_default().extend(read.into_iter().map(|name| (name, Arc::clone(&model))));
        }
    }

    fn read_routes(&mut self, rows: &ConfigRows, before: Option<&Self>, faults: &mut Vec<NameFault>) {
        let kept: HashMap<RouteId, &Arc<Route>> = before.into_iter().flat_map(Self::all).map(|route| (route.id, route)).collect();
        let known: HashMap<RouteMemberId, &Arc<MemberState>> =
            kept.values().flat_map(|route| route.members.iter().map(|member| (member.id, &member.state))).collect();
        let mut members = HashMap::<RouteId, Vec<Member>>::new();
        for row in rows.route_members.iter().filter(|row| row.enabled) {
            if rows.providers.get(row.provider_id).is_some_and(|provider| provider.enabled) {
                members.entry(row.route_id).or_default().push(member(row, known.get(&row.id).copied()));
            }
        }
        for row in rows.routes.iter().filter(|row| row.enabled) {
            let fault = |path, message: &str| NameFault { what: "route", name: row.name.clone(), path, message: message.to_owned() };
            let Some(members) = members.remove(&row.id) else {
                faults.push(fault("members", "has no enabled member at an enabled provider"));
                continue;
            };
            let mut policy = Policy::read(row.settings_json.as_deref()).unwrap_or_else(|message| {
                faults.push(fault("settings_json", &message));
                Policy::default()
            });
            if policy.affinity.is_some() && matches!(row.strategy, Strategy::Failover | Strategy::LowestCost) {
                policy.affinity = None;
                let message =
                    format!("\"affinity\" means nothing with the strategy {}, which says who is first; expected another one", row.strategy);
                faults.push(fault("settings_json", &message));
            }
            match row.name.matches('*').count() {
                0 | 1 => self.insert(row, (members, policy), kept.get(&row.id).copied()),
                _ => faults.push(fault("name", "has more than one \"*\"; expected one at most")),
            }
        }
        for list in self.patterns.values_mut() {
            list.sort_by_key(|route| (Reverse(route.name.len()), Arc::clone(&route.name)));
        }
        self.look_for_fallbacks(faults);
    }

    /// Routes to fall back to that nobody could be asked by.
    fn look_for_fallbacks(&self, faults: &mut Vec<NameFault>) {
        for route in self.all() {
            for (_, name) in route.policy.fallback.routes().filter(|(_, name)| !self.has_fallback(&route.namespace, name)) {
                let message = format!("\"fallback\" names {name:?}, which is no enabled route; expected the name of one");
                faults.push(NameFault { what: "route", name: route.name.to_string(), path: "settings_json", message });
            }
        }
    }

    fn has_fallback(&self, namespace: &str, name: &str) -> bool {
        let has = |namespace: &str| {
            self.exact.get(namespace).is_some_and(|routes| routes.contains_key(name))
                || self.patterns.get(namespace).is_some_and(|routes| routes.iter().any(|route| route.run(name).is_some()))
        };
        has(namespace) || has("")
    }

    /// The plan of a route to fall back to: one of the same namespace, or a plain one.
    #[must_use]
    pub fn fallback(&self, namespace: &str, name: &str, cost: &dyn Fn(&Member) -> Option<u64>) -> Option<Plan> {
        self.plan(namespace, name, cost).or_else(|| self.plan("", name, cost))
    }

    fn insert(&mut self, row: &RouteRow, (members, policy): (Vec<Member>, Policy), before: Option<&Arc<Route>>) {
        let route = Arc::new(Route {
            id: row.id,
            name: row.name.as_str().into(),
            namespace: row.namespace.clone(),
            strategy: row.strategy,
            members,
            policy: Arc::new(policy),
            state: before.map(|route| Arc::clone(&route.state)).unwrap_or_default(),
        });
        if row.name.contains('*') {
            self.patterns.entry(row.namespace.clone()).or_default().push(route);
        } else {
            self.exact.entry(row.namespace.clone()).or_default().insert(row.name.clone(), route);
        }
    }

    fn all(&self) -> impl Iterator<Item = &Arc<Route>> {
        self.exact.values().flat_map(BTreeMap::values).chain(self.patterns.values().flatten())
    }

    /// Whether some route answers under a first segment.
    #[must_use]
    pub fn has_namespace(&self, namespace: &str) -> bool {
        !namespace.is_empty() && (self.exact.contains_key(namespace) || self.patterns.contains_key(namespace))
    }

    /// What a global alias makes of a name that no path scopes.
    #[must_use]
    pub fn global(&self, named: &str) -> Option<String> {
        self.aliases.get("*")?.apply(named)
    }

    /// What a provider's own alias makes of a name.
    #[must_use]
    pub fn of_provider(&self, provider: &str, named: &str) -> Option<String> {
        self.aliases.get(provider)?.apply(named)
    }

    /// The model of which a name is a variant.
    #[must_use]
    pub fn variant(&self, provider: ProviderId, named: &str) -> Option<&Arc<str>> {
        self.variants.get(&provider)?.get(named)
    }

    /// Whom a name stands for: the route of that name, else the pattern with the longest literal that fits it.
    /// `cost` gives a member's price in any unit.
    #[must_use]
    pub fn plan(&self, namespace: &str, named: &str, cost: &dyn Fn(&Member) -> Option<u64>) -> Option<Plan> {
        if let Some(route) = self.exact.get(namespace).and_then(|routes| routes.get(named)) {
            return Some(route.plan(named, None, cost));
        }
        let fitting = |route: &Arc<Route>| route.run(named).map(|run| route.plan(named, Some(run), cost));
        self.patterns.get(namespace)?.iter().find_map(fitting)
    }

    /// The names of the routes of a namespace, patterns left out: nobody can call those by their own name.
    pub fn listed(&self, namespace: &str) -> impl Iterator<Item = &Arc<str>> {
        self.exact.get(namespace).into_iter().flat_map(BTreeMap::values).map(|route| &route.name)
    }
}

fn member(row: &RouteMemberRow, state: Option<&Arc<MemberState>>) -> Member {
    Member {
        id: row.id,
        provider: row.provider_id,
        model: row.upstream_model.as_str().into(),
        weight: row.weight,
        tier: row.tier,
        state: state.map(Arc::clone).unwrap_or_default(),
    }
}
