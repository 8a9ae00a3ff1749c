//! Usage and wire: written once by id, read back exactly, newest first.

use std::sync::Arc;

use gproxy::{
    base::{Bucket, Counts, CredentialId, KeyId, Modality, Nanos, OrganizationId, ProviderId, RequestId, TeamId, Usage, UserId},
    protocol::{Operation, OperationKind},
    store::{
        persist::{Ledger, UsageFilter, UsageSummary},
        record::{Begun, Billed, DownstreamRow, Ended, Phases, Source, UpstreamRow, UsageRow},
    },
};
use proptest::{collection::vec, prelude::*, sample::select, strategy::ValueTree, test_runner::TestRunner};

const START: u64 = 1_790_000_000_000;

pub(crate) async fn uphold(store: &impl Ledger) {
    usage_rows_come_back_exactly_and_are_written_once(store).await;
    filters_hold_together(store).await;
    wire_rows_come_back_exactly_and_are_written_once(store).await;
    odd_texts_do_not_stop_the_writer(store).await;
}

async fn usage_rows_come_back_exactly_and_are_written_once(store: &impl Ledger) {
    // As many as to need every size of statement.
    let mut runner = TestRunner::deterministic();
    let mut rows: Vec<UsageRow> = (0..1400).map(|number| numbered(usage_row().new_tree(&mut runner).unwrap().current(), number)).collect();
    store.write_usages(Vec::new()).await.unwrap();
    let (first, second) = rows.split_at(1365);
    store.write_usages(first.iter().cloned().map(Arc::new).collect()).await.unwrap();
    // A replay after a kill: rows that stand, in another guise, and rows that do not.
    let mut replay: Vec<UsageRow> = first[1000..].iter().map(|row| UsageRow { status: 599, ..row.clone() }).collect();
    replay.extend(second.to_vec());
    store.write_usages(replay.into_iter().map(Arc::new).collect()).await.unwrap();
    rows.reverse();
    let all = store.usages(UsageFilter::default(), None, 5000).await.unwrap();
    assert_eq!(all.len(), rows.len());
    for (kept, row) in all.iter().zip(&rows) {
        assert_eq!(kept, row);
    }
    let mut pages = Vec::new();
    while let page = store.usages(UsageFilter::default(), pages.last().map(|row: &UsageRow| row.begun.request_id), 333).await.unwrap()
        && !page.is_empty()
    {
        pages.extend(page);
    }
    assert_eq!(pages, rows);
}

async fn filters_hold_together(store: &impl Ledger) {
    let all = store.usages(UsageFilter::default(), None, 5000).await.unwrap();
    let none = UsageFilter::default();
    for filter in [
        none.clone(),
        UsageFilter { from_ms: Some(START + 300_000), ..none.clone() },
        UsageFilter { to_ms: Some(START + 300_000), ..none.clone() },
        UsageFilter { from_ms: Some(START + 100_000), to_ms: Some(START + 200_000), user_id: Some(UserId(1)), ..none.clone() },
        UsageFilter { key_id: Some(KeyId(2)), provider_id: Some(ProviderId(1)), ..none.clone() },
        UsageFilter { team_id: Some(TeamId(2)), ..none.clone() },
        UsageFilter { organization_id: Some(OrganizationId(1)), ..none.clone() },
        UsageFilter { model: Some("Model-A".to_owned()), ..none.clone() },
        UsageFilter { model: Some("absent".to_owned()), ..none },
    ] {
        let expected: Vec<UsageRow> = all.iter().filter(|row| fits(row, &filter)).cloned().collect();
        assert_eq!(store.usages(filter.clone(), None, 5000).await.unwrap(), expected, "{filter:?}");
        let mut sum = UsageSummary { requests: expected.len() as u64, ..UsageSummary::default() };
        for row in &expected {
            for (sum, bucket) in sum.tokens.iter_mut().zip(Bucket::ALL) {
                *sum += row.usage.bucket(bucket);
            }
            match &row.billed {
                Some(billed) => sum.cost = sum.cost.checked_add(billed.cost).unwrap(),
                None => sum.unpriced += u64::from(row.usage.total() > 0),
            }
        }
        assert_eq!(store.usage_summary(filter.clone()).await.unwrap(), sum);
        for slot_ms in [7_000, i64::MAX.unsigned_abs()] {
            let slots = store.spent(filter.clone(), slot_ms).await.unwrap();
            let mut expected_slots = std::collections::BTreeMap::<u64, i64>::new();
            for row in expected.iter().filter(|row| row.billed.is_some()) {
                *expected_slots.entry(row.begun.at - row.begun.at % slot_ms).or_default() += row.billed.as_ref().unwrap().cost.get();
            }
            assert_eq!(slots, expected_slots.into_iter().collect::<Vec<_>>(), "{slot_ms}");
        }
    }
}

fn fits(row: &UsageRow, filter: &UsageFilter) -> bool {
    let begun = &row.begun;
    filter.from_ms.is_none_or(|from| begun.at >= from)
        && filter.to_ms.is_none_or(|to| begun.at < to)
        && filter.user_id.is_none_or(|user| begun.user_id == user)
        && filter.key_id.is_none_or(|key| begun.key_id == key)
        && filter.team_id.is_none_or(|team| begun.team_id == Some(team))
        && filter.organization_id.is_none_or(|organization| begun.organization_id == Some(organization))
        && filter.provider_id.is_none_or(|provider| begun.provider_id == provider)
        && filter.model.as_ref().is_none_or(|model| *begun.model == **model)
}

async fn wire_rows_come_back_exactly_and_are_written_once(store: &impl Ledger) {
    let downstream: Vec<DownstreamRow> = (0..5).map(downstream_row).collect();
    let upstream = [upstream_row(1, 1), upstream_row(1, 2), upstream_row(2, 1)];
    for _ in 0..2 {
        store.write_wire(downstream.clone(), upstream.to_vec()).await.unwrap();
    }
    let other = DownstreamRow { status: 599, ..downstream_row(0) };
    store.write_wire(vec![other], vec![UpstreamRow { status: Some(599), ..upstream_row(1, 1) }]).await.unwrap();
    let mut newest_first = downstream;
    newest_first.reverse();
    assert_eq!(store.downstream(None, 100).await.unwrap(), newest_first);
    assert_eq!(store.downstream(Some(newest_first[1].request_id), 2).await.unwrap(), newest_first[2..4]);
    assert_eq!(store.upstream(request_id(1)).await.unwrap(), upstream[..2]);
    assert_eq!(store.upstream(request_id(3)).await.unwrap(), []);
}

async fn odd_texts_do_not_stop_the_writer(store: &impl Ledger) {
    let mut row = numbered(usage_row().new_tree(&mut TestRunner::deterministic()).unwrap().current(), 5000);
    row.begun.model = format!("nul \0 quote ' \" \\ emoji 🦀 {}", "long".repeat(5000)).into();
    store.write_usages(vec![Arc::new(row.clone())]).await.unwrap();
    let kept = store.usages(UsageFilter::default(), None, 1).await.unwrap();
    assert_eq!(kept[0].begun.model.replace('\u{fffd}', "\0"), *row.begun.model);
}

fn request_id(number: u64) -> RequestId {
    RequestId::new(START + number * 500, &[3; 10])
}

fn usage() -> impl Strategy<Value = Usage> {
    let cell = (select(Bucket::ALL.to_vec()), select(Modality::ALL.to_vec()), 0..1_u64 << 40);
    let text_only = vec((select(Bucket::ALL.to_vec()), Just(Modality::Text), 0..1_u64 << 40), 0..7);
    let counts = (0..3_u64, 0..2_u64, 0..2_u64).prop_map(|(images, millis, searches)| Counts { images, millis, searches });
    let counts = prop_oneof![Just(Counts::default()), counts];
    (prop_oneof![text_only, vec(cell, 0..9)], counts).prop_map(|(cells, counts)| {
        let mut usage = Usage::default();
        usage.counts = counts;
        for (bucket, modality, tokens) in cells {
            usage.set(bucket, modality, tokens);
        }
        usage
    })
}

fn usage_row() -> impl Strategy<Value = UsageRow> {
    let who = (1..4_i64, 1..4_i64, 1..4_i64, proptest::option::of(1..4_i64));
    let what = (select(Operation::ALL.to_vec()), select(OperationKind::ALL.to_vec()), select(vec!["Model-A", "model-a", "", "模型"]));
    let source = select(vec![Source::Upstream, Source::Counted, Source::Estimated, Source::None]);
    let ended = select(vec![Ended::Complete, Ended::Interrupted, Ended::Failed]);
    let times = (proptest::option::of(0..1_u64 << 50), 0..1_u64 << 50, 0..600_u16);
    (who, what, usage(), source, ended, times).prop_map(|(who, what, usage, source, ended, times)| UsageRow {
        begun: Begun {
            request_id: request_id(0),
            at: START,
            user_id: UserId(who.0),
            key_id: KeyId(who.1),
            team_id: who.3.map(TeamId),
            organization_id: who.3.map(|id| OrganizationId(id / 2)),
            provider_id: ProviderId(who.2),
            credential_id: who.3.map(CredentialId),
            operation: what.0,
            kind: what.1,
            model: what.2.into(),
        },
        usage,
        source,
        ended,
        status: times.2,
        first_byte_us: times.0,
        latency_us: times.1,
        phases: times.0.map(|us| Phases {
            auth_us: 9,
            head_us: u32::try_from(us % (1 << 32)).unwrap_or(0),
            tail_us: u32::MAX,
            ..Phases::default()
        }),
        billed: (times.1 % 3 > 0).then(|| Billed { cost: Nanos::new(i64::from(times.2) * 1_000_003), price: "2026-11-25".into() }),
        losses: if times.1 % 5 == 0 { vec!["messages[0].name dropped".to_owned(), "temperature changed".to_owned()] } else { Vec::new() },
    })
}

/// Gives a row its place in time. The row's own time may differ a little from the id's.
fn numbered(mut row: UsageRow, number: u64) -> UsageRow {
    row.begun.request_id = request_id(number);
    row.begun.at = START + number * 500 + number % 7;
    row
}

fn downstream_row(number: u64) -> DownstreamRow {
    let odd = number % 2 == 1;
    DownstreamRow {
        request_id: request_id(number),
        at: START + number,
        user_id: odd.then_some(UserId(1)),
        key_id: odd.then_some(KeyId(2)),
        method: "POST".to_owned(),
        path: "/v1/chat/completions".to_owned(),
        query: odd.then(|| "stream=true".to_owned()),
        request_headers_json: "{\"user-agent\":\"ü\"}".to_owned(),
        request_body: odd.then(|| vec![0, 255, 128, b'\'']),
        status: 200,
        response_headers_json: "{}".to_owned(),
        // Larger than a MySQL TEXT, as answers are.
        response_body: odd.then(|| vec![7; 1 << 20]),
    }
}

fn upstream_row(number: u64, attempt: u32) -> UpstreamRow {
    UpstreamRow {
        request_id: request_id(number),
        attempt,
        at: START + number,
        provider_id: ProviderId(1),
        credential_id: (attempt > 1).then_some(CredentialId(5)),
        method: "POST".to_owned(),
        url: format!("https://api.example/v1?{}", "q".repeat(3000)),
        request_headers_json: "{}".to_owned(),
        request_body: None,
        status: (attempt > 1).then_some(200),
        response_headers_json: "{}".to_owned(),
        response_body: Some(b"connection reset".to_vec()),
        latency_us: 1_234_567,
    }
}
