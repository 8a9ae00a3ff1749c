//! The life of a ledger after the load: old rows go and their sums stay, counters are compared with rows.

use std::sync::Arc;

use gproxy::{
    app::{
        counting,
        reconcile::Reconciler,
        retire::{self, Kept},
    },
    base::Secret,
    billing::verify::Check,
    credentials::Sealer,
    observe::Metrics,
    runtime::{BoxFuture, Clock, Instant, native},
    snapshot::{Compiler, SnapshotCell, compile},
    store::{
        cache::{Counters as _, memory::MemoryCounters},
        persist::{
            AuditFilter, AuditLog as _, Ledger as _, Records as _, UsageFilter,
            journal::{FileJournal, JournalConfig},
        },
        record::{AuditAction, NewAudit},
    },
};

use crate::{
    databases::{Server, mysql, postgres},
    house::{House, START},
};

const DAY_MS: u64 = 86_400_000;

/// A clock that stands, and never waits.
#[derive(Debug)]
struct At(u64);

impl Clock for At {
    fn unix_ms(&self) -> u64 {
        self.0
    }

    fn now(&self) -> Instant {
        Instant(0)
    }

    fn sleep(&self, _: std::time::Duration) -> BoxFuture<'static, ()> {
        Box::pin(std::future::ready(()))
    }
}

#[tokio::test]
async fn on_sqlite_old_rows_go_and_their_sums_stay() {
    let folder = tempfile::tempdir().unwrap();
    old_rows_go_and_their_sums_stay(&format!("sqlite://{}/gproxy.db?mode=rwc", folder.path().display())).await;
}

#[tokio::test]
async fn on_servers_old_rows_go_and_their_sums_stay() {
    for server in [postgres(), mysql()] {
        on(server).await;
    }
}

async fn on(server: Server) {
    let database = server.make().await;
    old_rows_go_and_their_sums_stay(database.dsn()).await;
    database.drop().await;
}

async fn old_rows_go_and_their_sums_stay(dsn: &str) {
    let mut house = House::build(dsn).await;
    house.load(500).await;
    let everything = UsageFilter::default();
    let before = house.store.usage_summary(everything.clone()).await.unwrap();
    let spent = house.store.spent(everything.clone(), i64::MAX.unsigned_abs()).await.unwrap();
    let rows = rows(&house).await;
    // All that began before noon of the second day is older than thirty days.
    let edge = START + DAY_MS;
    let clock = At(edge + 30 * DAY_MS);
    let kept = Kept { usage_days: 30, ..Kept::default() };
    let mut behind_ms = 0;
    while retire::batch(&*house.store, &clock, kept, &mut behind_ms).await.unwrap() {}
    let left = self::rows(&house).await;
    assert!(left > 0 && left < rows, "{left} of {rows}");
    let oldest = house.store.usages(everything.clone(), None, 5000).await.unwrap().last().unwrap().begun.at;
    assert!(oldest >= edge - edge % 3_600_000 && oldest < edge + 3_600_000, "whole hours go: {oldest}");
    assert_eq!(house.store.usage_summary(everything.clone()).await.unwrap(), before);
    assert_eq!(house.store.spent(everything.clone(), i64::MAX.unsigned_abs()).await.unwrap(), spent);
    let report = house.prove().await;
    let differing: Vec<Check> = report.checks.iter().filter(|line| line.differences > 0).map(|line| line.check).collect();
    assert_eq!(differing, [], "{report}");
    unproven_rows_stay(&house, &clock).await;
    old_entries_of_the_audit_go(&house, &clock).await;
    house.end().await;
}

async fn rows(house: &House) -> usize {
    house.store.usages(UsageFilter::default(), None, 5000).await.unwrap().len()
}

/// By number nearly all would go now; the hours that were tampered with stay.
async fn unproven_rows_stay(house: &House, clock: &At) {
    let rows = house.store.usages(UsageFilter::default(), None, 5000).await.unwrap();
    let altered = rows[rows.len() / 2].begun.clone();
    house.tamper(&format!("UPDATE usages SET latency_us = latency_us + 1 WHERE request_id = '{}'", altered.request_id)).await;
    let kept = Kept { usage_rows: 1, ..Kept::default() };
    let mut behind_ms = 0;
    while retire::batch(&*house.store, clock, kept, &mut behind_ms).await.unwrap() {}
    let left = house.store.usages(UsageFilter::default(), None, 5000).await.unwrap();
    let hour = |at: u64| at - at % 3_600_000;
    assert!(left.iter().any(|row| row.begun.request_id == altered.request_id), "what cannot be proven stays");
    let newest = hour(rows[0].begun.at);
    assert!(left.iter().all(|row| [hour(altered.at), newest].contains(&hour(row.begun.at))), "and nothing else but the newest");
}

/// By age and by number, in batches.
async fn old_entries_of_the_audit_go(house: &House, clock: &At) {
    let entry = |days: u64| NewAudit {
        at: clock.0 - days * DAY_MS,
        actor_id: None,
        key_id: None,
        actor_name: None,
        role: None,
        action: AuditAction::Reset,
        target_kind: "health".into(),
        target_id: None,
        organization_id: None,
        peer: None,
        before_json: None,
        after_json: None,
    };
    for days in (0..40).rev() {
        house.store.note(entry(days)).await.unwrap();
    }
    let mut behind_ms = 0;
    for (kept, left) in [
        (Kept { audit_days: 30, ..Kept::default() }, 31),
        (Kept { audit_rows: 10, ..Kept::default() }, 11),
        (Kept { audit_days: 3, audit_rows: 10, ..Kept::default() }, 4),
    ] {
        while retire::batch(&*house.store, clock, kept, &mut behind_ms).await.unwrap() {}
        let entries = house.store.entries(AuditFilter::default(), None, 1000).await.unwrap();
        assert_eq!(entries.len(), left, "{kept:?}");
        assert_eq!(entries[0].entry.at, clock.0, "the newest stay");
    }
}

#[tokio::test]
async fn a_counter_that_drifts_from_its_rows_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let mut house = House::build(&format!("sqlite://{}/gproxy.db?mode=rwc", folder.path().display())).await;
    house.load(200).await;
    let (platform, _tasks) = native::platform();
    let rows = house.store.load().await.unwrap();
    let sealer = Sealer::new(Secret::new("test".to_owned()));
    let journal = FileJournal::open(JournalConfig::beside(folder.path())).unwrap().journal;
    let counters = Arc::new(MemoryCounters::new());
    counting::seed(&*counters, &*house.store, &rows, house.now_ms).await.unwrap();
    let reconciler = Reconciler {
        counters: Arc::clone(&counters) as _,
        store: Arc::clone(&house.store),
        journal,
        snapshot: SnapshotCell::new(compile(&rows, Compiler { sealer: &sealer, platform: &platform })),
        metrics: Arc::<Metrics>::default(),
    };
    let clock = At(house.now_ms);
    assert_eq!(reconciler.round(&clock, 0).await.unwrap(), (Vec::new(), 0));
    let meter = house.some_meter();
    let spent = counters.read(&[meter], house.now_ms).await.unwrap()[0].spent;
    counters.seed(meter, house.now_ms, spent + 1).await.unwrap();
    let (differing, _) = reconciler.round(&clock, 0).await.unwrap();
    assert_eq!(differing.iter().map(|(meter, _)| *meter).collect::<Vec<_>>(), [meter], "one nano-dollar is enough");
    house.end().await;
}
