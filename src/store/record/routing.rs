//! What names mean: routes with their members, and aliases.

use super::{cell::words, noun::record};
use crate::base::{AliasId, ProviderId, RouteId, RouteMemberId};

words! {
    /// How a route orders its members of one tier.
    Strategy {
        /// By weight, heaviest first.
        Failover = "failover",
        /// One after the other.
        RoundRobin = "round_robin",
        /// In turns, as often as their weights say.
        Weighted = "weighted",
        /// The quickest first.
        LeastLatency = "least_latency",
        /// The one with the fewest calls under way first.
        LeastBusy = "least_busy",
        /// The cheapest first.
        LowestCost = "lowest_cost",
    }
}

record! {
    /// A name of the gateway's own that stands for models of providers.
    NewRoute(RouteId) in "routes", unique [namespace, name], named name {
        /// The first segment of the paths on which it answers (`/{namespace}/v1/...`); empty for the plain ones.
        namespace: String,
        /// What clients call it. `*` in it stands for any run of characters, which a member's model may repeat.
        name: String,
        /// How its members take turns.
        strategy: Strategy,
        /// For people.
        description: Option<String>,
        /// How it treats its members, a JSON object: how long it waits for them.
        settings_json: Option<String>,
        /// Whether it serves.
        enabled: bool,
    }
}

record! {
    /// A model of a provider behind a route.
    NewRouteMember(RouteMemberId) in "route_members", unique [], named upstream_model {
        /// Its route; with it, it goes.
        route_id: RouteId,
        /// The provider; with it, it goes.
        provider_id: ProviderId,
        /// The upstream's id of the model; `*` repeats what the route's `*` stood for.
        upstream_model: String,
        /// Its share among the members of its tier.
        weight: i64,
        /// Lower tiers come first; the next is asked where all of one failed.
        tier: i64,
        /// Whether it serves.
        enabled: bool,
    }
}

record! {
    /// Another name of a model: a regular expression over the whole name, and what it becomes.
    NewAlias(AliasId) in "aliases", unique [provider, alias], named alias {
        /// The name of the provider whose models it renames, or `*` for names that no path scopes.
        provider: String,
        /// The expression; it has to fit the whole name.
        alias: String,
        /// What takes the name's place; `$1` repeats a group.
        target: String,
        /// Lower ones are tried first.
        sort_order: i64,
        /// Whether it holds.
        enabled: bool,
    }
}
