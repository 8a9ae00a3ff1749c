//! What each name stands for, over tables of rows.

use super::{NameFault, Names};
use crate::{
    base::{AliasId, ModelId, ProviderId, RouteId, RouteMemberId},
    store::record::{
        AliasRow, ConfigRows, ModelRow, NewAlias, NewModel, NewProvider, NewRoute, NewRouteMember, ProviderRow, RouteMemberRow, RouteRow,
        Strategy, Table,
    },
};

fn provider(id: i64, enabled: bool) -> ProviderRow {
    let row = NewProvider { enabled, ..NewProvider::of(format!("p{id}"), "openai") };
    ProviderRow { id: ProviderId(id), row, created_at: 0, updated_at: 0 }
}

fn route(id: i64, namespace: &str, name: &str, strategy: Strategy) -> RouteRow {
    let (namespace, name) = (namespace.to_owned(), name.to_owned());
    let row = NewRoute { namespace, name, strategy, description: None, settings_json: None, enabled: true };
    RouteRow { id: RouteId(id), row, created_at: 0, updated_at: 0 }
}

fn member(id: i64, route: i64, provider: i64, model: &str) -> RouteMemberRow {
    let upstream_model = model.to_owned();
    let (route_id, provider_id) = (RouteId(route), ProviderId(provider));
    let row = NewRouteMember { route_id, provider_id, upstream_model, weight: 1, tier: 0, enabled: true };
    RouteMemberRow { id: RouteMemberId(id), row, created_at: 0, updated_at: 0 }
}

fn rows() -> ConfigRows {
    let routes = [
        route(1, "", "best", Strategy::RoundRobin),
        route(2, "", "gpt-*", Strategy::Failover),
        route(3, "", "gpt-5-*-fast", Strategy::Failover),
        route(4, "team", "best", Strategy::Failover),
        route(5, "", "gone", Strategy::Failover),
        route(6, "", "a*b*c", Strategy::Failover),
        route(7, "", "gpt-4", Strategy::Failover),
    ];
    let members = [
        member(1, 1, 1, "x"),
        member(2, 1, 2, "y"),
        member(3, 1, 3, "off"),
        member(4, 2, 1, "vendor/gpt-*"),
        member(5, 3, 2, "quick-*"),
        member(6, 4, 2, "team-*"),
        member(7, 5, 3, "off"),
        member(8, 6, 1, "x"),
        member(9, 7, 1, "exact"),
    ];
    ConfigRows {
        providers: Table::from_iter([provider(1, true), provider(2, true), provider(3, false)]),
        routes: Table::from_iter(routes),
        route_members: Table::from_iter(members),
        ..ConfigRows::default()
    }
}

fn asked(names: &Names, namespace: &str, named: &str) -> Vec<(i64, String)> {
    let stops = names.plan(namespace, named, &|_| None).map(|plan| plan.stops).unwrap_or_default();
    stops.into_iter().map(|stop| (stop.provider.0, stop.model.to_string())).collect()
}

fn told(faults: &[NameFault]) -> Vec<(&str, &str)> {
    faults.iter().map(|fault| (fault.name.as_str(), fault.path)).collect()
}

/// Namespace, name, and the members' providers and models in order.
type Case<'a> = (&'a str, &'a str, &'a [(i64, &'a str)]);

#[test]
fn exact_names_come_before_patterns_and_long_patterns_before_short_ones() {
    let (names, faults) = Names::compile(&rows(), None);
    assert_eq!(told(&faults), vec![("gone", "members"), ("a*b*c", "name")]);
    let cases: [Case<'_>; 9] = [
        ("", "best", &[(1, "x"), (2, "y")]),
        ("", "best", &[(2, "y"), (1, "x")]),
        ("", "gpt-4", &[(1, "exact")]),
        ("", "gpt-4o", &[(1, "vendor/gpt-4o")]),
        ("", "gpt-5-mini-fast", &[(2, "quick-mini")]),
        ("", "gpt-5-fast", &[(1, "vendor/gpt-5-fast")]),
        ("team", "best", &[(2, "team-*")]),
        ("", "gone", &[]),
        ("nobody", "best", &[]),
    ];
    for (namespace, named, expected) in cases {
        let expected: Vec<(i64, String)> = expected.iter().map(|(id, model)| (*id, (*model).to_owned())).collect();
        assert_eq!(asked(&names, namespace, named), expected, "{namespace}/{named}");
    }
    assert!(names.has_namespace("team") && !names.has_namespace("") && !names.has_namespace("nobody"));
    assert_eq!(names.listed("").map(|name| &**name).collect::<Vec<_>>(), ["best", "gpt-4"]);
}

#[test]
fn what_is_counted_goes_over_to_the_next_table() {
    let (first, _) = Names::compile(&rows(), None);
    assert_eq!(asked(&first, "", "best")[0].0, 1);
    let (next, _) = Names::compile(&rows(), Some(&first));
    assert_eq!(asked(&next, "", "best")[0].0, 2);
    let (fresh, _) = Names::compile(&rows(), None);
    assert_eq!(asked(&fresh, "", "best")[0].0, 1);
}

#[test]
fn aliases_and_variants_belong_to_their_provider() {
    let alias = |id: i64, provider: &str, alias: &str, target: &str| {
        let (provider, alias, target) = (provider.to_owned(), alias.to_owned(), target.to_owned());
        AliasRow { id: AliasId(id), row: NewAlias { provider, alias, target, sort_order: 0, enabled: true }, created_at: 0, updated_at: 0 }
    };
    let model = |id: i64, variants: &str| {
        let row = NewModel { variants_json: Some(variants.to_owned()), ..NewModel::of(ProviderId(1), format!("m{id}")) };
        ModelRow { id: ModelId(id), row, created_at: 0, updated_at: 0 }
    };
    let rows = ConfigRows {
        aliases: Table::from_iter([alias(1, "*", "fast", "best"), alias(2, "p1", "f(.*)", "x$1"), alias(3, "p1", "(", "no")]),
        models: Table::from_iter([model(1, r#"["one","uno"]"#), model(2, r#"{"expose_base":true,"variants":["two"]}"#), model(3, "7")]),
        ..rows()
    };
    let (names, faults) = Names::compile(&rows, None);
    assert_eq!(told(&faults), vec![("(", "alias"), ("m3", "variants_json"), ("gone", "members"), ("a*b*c", "name")]);
    assert_eq!(names.global("fast").as_deref(), Some("best"));
    assert_eq!(names.of_provider("p1", "fast").as_deref(), Some("xast"));
    assert_eq!(names.of_provider("p2", "fast"), None);
    for (provider, named, expected) in [(1, "uno", Some("m1")), (1, "two", Some("m2")), (2, "uno", None), (1, "m1", None)] {
        assert_eq!(names.variant(ProviderId(provider), named).map(|model| &**model), expected, "{named}");
    }
}
