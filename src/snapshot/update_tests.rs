//! A law: a snapshot that followed every change is the one that is compiled anew.

use std::sync::Arc;

use proptest::prelude::*;

use super::{Compiler, Snapshot, compile};
use crate::{
    access::{
        identify,
        key::{digest_text, prefix},
    },
    base::Secret,
    credentials::Sealer,
    store::{
        persist::{Records as _, memory::MemoryStore},
        record::{
            Admission, Change, ConfigRows, NewKey, NewOrganization, NewPermission, NewPriceRule, NewProvider, NewQuota, NewRateLimit,
            NewTeam, NewUser, Noun, NounWork, PriceMatch, Record, Role, ScopeKind, Tabled as _,
        },
    },
    testing::platform,
};

/// One change, drawn: what it does, and which row or parent it takes.
type Step = (u8, u8, usize, usize);

fn ids(rows: &ConfigRows, noun: Noun) -> Vec<i64> {
    struct Ids<'a>(&'a ConfigRows);

    impl NounWork for Ids<'_> {
        type Output = Vec<i64>;

        fn of<N: Record>(self) -> Vec<i64> {
            N::table(self.0).iter().map(|row| row.id.into()).collect()
        }
    }

    noun.with(Ids(rows))
}

fn pick(rows: &ConfigRows, noun: Noun, which: usize) -> Option<i64> {
    let ids = ids(rows, noun);
    (!ids.is_empty()).then(|| ids[which % ids.len()])
}

/// A row of a noun, made of what stands.
fn row(rows: &ConfigRows, number: usize, (what, _, one, other): Step) -> Option<crate::store::record::Row> {
    let enabled = !one.is_multiple_of(5);
    let scope = ScopeKind::ALL[other % 4];
    Some(match what % 8 {
        0 => NewOrganization { name: format!("o{number}"), description: None, enabled }.into_row(),
        1 => NewTeam { organization_id: pick(rows, Noun::Organization, one)?.into(), name: format!("t{number}"), enabled }.into_row(),
        2 => NewUser {
            organization_id: pick(rows, Noun::Organization, one).map(Into::into),
            team_id: pick(rows, Noun::Team, other).map(Into::into),
            role: Role::ALL[other % Role::ALL.len()],
            enabled,
            ..NewUser::named(format!("u{number}"))
        }
        .into_row(),
        3 => {
            let token = format!("sk-token-{}", one % 12);
            NewKey { enabled, ..NewKey::of(pick(rows, Noun::User, other)?.into(), digest_text(&token), prefix(&token)) }.into_row()
        }
        4 => NewPermission {
            scope,
            scope_id: pick(rows, scope.noun(), one)?,
            pattern: format!("p{number}/*"),
            operation_group: String::new(),
        }
        .into_row(),
        5 => NewRateLimit {
            scope,
            scope_id: pick(rows, scope.noun(), one)?,
            pattern: format!("p{number}"),
            requests_per_minute: Some(1),
            requests_per_day: None,
            tokens_per_minute: None,
            tokens_per_day: None,
            concurrency: None,
        }
        .into_row(),
        6 => NewQuota {
            scope,
            scope_id: pick(rows, scope.noun(), one)?,
            total: Some(1),
            daily: None,
            weekly: None,
            monthly: None,
            rolling_5h: None,
            rolling_7d: None,
            admission: Admission::Strict,
        }
        .into_row(),
        _ if one.is_multiple_of(2) => NewProvider { enabled, ..NewProvider::of(format!("p{number}"), "openai") }.into_row(),
        _ => NewPriceRule {
            provider_id: pick(rows, Noun::Provider, other).map(Into::into),
            match_kind: PriceMatch::Glob,
            pattern: "*".into(),
            rates_json: if one.is_multiple_of(3) { "[]" } else { "{\"input\":\"1\"}" }.into(),
            enabled,
        }
        .into_row(),
    })
}

fn change(rows: &ConfigRows, number: usize, step: Step) -> Option<Change> {
    let row = row(rows, number, step)?;
    let standing = pick(rows, row.noun(), step.2);
    match step.1 % 4 {
        0 => standing.map(|id| Change::Delete(row.noun(), id)),
        1 => standing.map(|id| Change::Set(id, row)),
        _ => Some(Change::Make(row)),
    }
}

/// All that a request may see of a snapshot.
fn seen(snapshot: &Snapshot) -> Vec<String> {
    let callers = (0..12).map(|token| format!("{:?}", identify(snapshot.directory(), Some(&format!("sk-token-{token}")), 0, None)));
    let providers = snapshot.providers().iter().map(|provider| format!("{} {}", provider.id, provider.name));
    let mut faults: Vec<String> = snapshot.faults().iter().map(ToString::to_string).collect();
    faults.sort();
    callers.chain(providers).chain(faults).chain([format!("{:?}", snapshot.prices().find(1_i64.into(), None, "m"))]).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn an_updated_snapshot_is_the_compiled_one(steps in proptest::collection::vec((any::<u8>(), any::<u8>(), 0..64_usize, 0..64_usize), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (platform, sealer) = (platform(), Sealer::new(Secret::new("a key".to_owned())));
        let with = Compiler { sealer: &sealer, platform: &platform };
        let store = MemoryStore::new(Arc::clone(&platform.clock));
        let mut snapshot = compile(&ConfigRows::default(), with);
        for (number, step) in steps.into_iter().enumerate() {
            let rows = runtime.block_on(store.load()).unwrap();
            let Some(change) = change(&rows, number, step) else { continue };
            // A name that is taken changes nothing, and is no fault of this law.
            let _refused = runtime.block_on(store.apply(vec![change]));
            let delta = runtime.block_on(store.since(snapshot.rows().revision)).unwrap().unwrap();
            snapshot = snapshot.update(&delta, with);
            let standing = runtime.block_on(store.load()).unwrap();
            prop_assert_eq!(snapshot.rows(), &standing);
            prop_assert_eq!(seen(&snapshot), seen(&compile(&standing, with)));
        }
    }
}
