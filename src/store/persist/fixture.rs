//! What the tests of the journal and the writer share: entries, a ledger in memory that can fail, a clock that never waits.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use proptest::prelude::*;

use crate::{
    base::{Bucket, CredentialId, KeyId, Modality, Nanos, OrganizationId, ProviderId, RequestId, TeamId, Usage, UserId},
    protocol::{Operation, OperationKind},
    runtime::{BoxFuture, Clock, Instant},
    store::{
        persist::{Ledger, StoreFault, Stored, UsageFilter, UsageSummary},
        record::{Begun, Billed, DownstreamRow, Ended, Entry, Phases, Source, UpstreamRow, UsageRow},
    },
};

pub(crate) fn request_id(number: u64) -> RequestId {
    RequestId::new(1_790_000_000_000 + number, &[7; 10])
}

pub(crate) fn begun(number: u64) -> Begun {
    Begun {
        request_id: request_id(number),
        at: 1_790_000_000_000 + number,
        user_id: UserId(1),
        key_id: KeyId(2),
        team_id: number.is_multiple_of(3).then_some(TeamId(5)),
        organization_id: number.is_multiple_of(3).then_some(OrganizationId(6)),
        provider_id: ProviderId(3),
        credential_id: number.is_multiple_of(2).then_some(CredentialId(4)),
        operation: nth(Operation::ALL, number),
        kind: nth(OperationKind::ALL, number),
        model: format!("model-{number}").into(),
    }
}

fn nth<T: Copy>(all: &[T], number: u64) -> T {
    all[usize::try_from(number).unwrap() % all.len()]
}

pub(crate) fn ended(number: u64) -> UsageRow {
    let mut usage = Usage::default();
    usage.set(Bucket::Input, Modality::Text, number * 3);
    usage.set(Bucket::Output, Modality::Image, number % 5);
    usage.counts.searches = number % 3;
    UsageRow {
        begun: begun(number),
        usage,
        source: Source::Upstream,
        ended: Ended::Complete,
        status: 200,
        first_byte_us: Some(number),
        latency_us: number * 2,
        phases: (!number.is_multiple_of(3)).then(|| Phases { auth_us: 1, head_us: u32::try_from(number).unwrap(), ..Phases::default() }),
        billed: (!number.is_multiple_of(4))
            .then(|| Billed { cost: Nanos::new(i64::try_from(number).unwrap() * 7), price: "2026-11-25".into() }),
        losses: Vec::new(),
    }
}

pub(crate) fn downstream(number: u64, body: usize) -> DownstreamRow {
    DownstreamRow {
        request_id: request_id(number),
        at: number,
        user_id: Some(UserId(1)),
        key_id: None,
        method: "POST".to_owned(),
        path: "/v1/messages".to_owned(),
        query: None,
        request_headers_json: "{}".to_owned(),
        request_body: Some(vec![b'x'; body]),
        status: 200,
        response_headers_json: "{}".to_owned(),
        response_body: None,
    }
}

pub(crate) fn upstream(number: u64, attempt: u32) -> UpstreamRow {
    UpstreamRow {
        request_id: request_id(number),
        attempt,
        at: number,
        provider_id: ProviderId(3),
        credential_id: None,
        method: "POST".to_owned(),
        url: "https://api.example/v1/messages".to_owned(),
        request_headers_json: "{}".to_owned(),
        request_body: None,
        status: Some(503),
        response_headers_json: "{}".to_owned(),
        response_body: Some(b"busy".to_vec()),
        latency_us: 9,
    }
}

/// Entries of all kinds in any order.
pub(crate) fn entries(most: usize) -> impl Strategy<Value = Vec<Entry>> {
    let entry = (0..4_u8, 0..40_u64, 0..200_u16).prop_map(|(kind, number, body)| match kind {
        0 => Entry::Begun(begun(number)),
        1 => Entry::Ended(Arc::new(ended(number))),
        2 => Entry::Downstream(Arc::new(downstream(number, usize::from(body)))),
        _ => Entry::Upstream(Arc::new(upstream(number, u32::from(body)))),
    });
    proptest::collection::vec(entry, 1..most)
}

/// A clock whose sleeps end at once and are counted.
#[derive(Debug, Default)]
pub(crate) struct HastyClock {
    pub(crate) slept: Mutex<Duration>,
}

impl Clock for HastyClock {
    fn unix_ms(&self) -> u64 {
        1_790_000_000_000
    }

    fn now(&self) -> Instant {
        Instant(0)
    }

    fn sleep(&self, span: Duration) -> BoxFuture<'static, ()> {
        *self.slept.lock().unwrap() += span;
        Box::pin(tokio::task::yield_now())
    }
}

/// A ledger in memory. It fails as often as it is told to, and refuses rows of a model `poison` always.
#[derive(Debug, Default)]
pub(crate) struct FlakyLedger {
    pub(crate) usages: Mutex<BTreeMap<RequestId, UsageRow>>,
    pub(crate) downstream: Mutex<BTreeMap<RequestId, DownstreamRow>>,
    pub(crate) upstream: Mutex<BTreeMap<(RequestId, u32), UpstreamRow>>,
    pub(crate) faults_left: AtomicU64,
    pub(crate) largest_batch: AtomicU64,
}

impl FlakyLedger {
    pub(crate) fn failing(times: u64) -> Self {
        Self { faults_left: AtomicU64::new(times), ..Self::default() }
    }

    pub(crate) fn rows(&self) -> Vec<UsageRow> {
        self.usages.lock().unwrap().values().cloned().collect()
    }

    fn fault(&self) -> Result<(), StoreFault> {
        let left = self.faults_left.try_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        if left.is_ok() { Err(StoreFault::Failed("down".into())) } else { Ok(()) }
    }
}

impl Ledger for FlakyLedger {
    fn write_usages(&self, rows: Vec<Arc<UsageRow>>) -> Stored<'_, ()> {
        Box::pin(async move {
            self.fault()?;
            if rows.iter().any(|row| &*row.begun.model == "poison") {
                return Err(StoreFault::Failed("refused".into()));
            }
            self.largest_batch.fetch_max(rows.len() as u64, Ordering::SeqCst);
            let mut standing = self.usages.lock().unwrap();
            for row in rows {
                standing.entry(row.begun.request_id).or_insert_with(|| Arc::unwrap_or_clone(row));
            }
            Ok(())
        })
    }

    fn write_wire(&self, downstream: Vec<DownstreamRow>, upstream: Vec<UpstreamRow>) -> Stored<'_, ()> {
        Box::pin(async move {
            self.fault()?;
            for row in downstream {
                self.downstream.lock().unwrap().entry(row.request_id).or_insert(row);
            }
            for row in upstream {
                self.upstream.lock().unwrap().entry((row.request_id, row.attempt)).or_insert(row);
            }
            Ok(())
        })
    }

    fn usages(&self, _: UsageFilter, _: Option<RequestId>, _: u64) -> Stored<'_, Vec<UsageRow>> {
        Box::pin(async move { Ok(self.rows()) })
    }

    fn usage_summary(&self, _: UsageFilter) -> Stored<'_, UsageSummary> {
        Box::pin(async { Ok(UsageSummary::default()) })
    }

    fn spent(&self, _: UsageFilter, _: u64) -> Stored<'_, Vec<(u64, i64)>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn downstream(&self, _: Option<RequestId>, _: u64) -> Stored<'_, Vec<DownstreamRow>> {
        Box::pin(async move { Ok(self.downstream.lock().unwrap().values().cloned().collect()) })
    }

    fn upstream(&self, _: RequestId) -> Stored<'_, Vec<UpstreamRow>> {
        Box::pin(async move { Ok(self.upstream.lock().unwrap().values().cloned().collect()) })
    }

    fn ping(&self) -> Stored<'_, ()> {
        Box::pin(async { Ok(()) })
    }
}
