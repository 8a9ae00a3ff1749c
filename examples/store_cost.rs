//! What a usage row costs: CPU time of the ledger's hot write, of the journal's append, and of the whole way from a call to
//! its row. Run by hand: `cargo run --release --example store_cost -- [rows] [dsn]`

#![expect(clippy::print_stdout, clippy::cast_precision_loss, reason = "a tool that prints rounded figures")]

use std::{sync::Arc, time::Duration};

use gproxy::{
    base::{Bucket, CredentialId, KeyId, Modality, Nanos, ProviderId, RequestId, Usage, UserId},
    protocol::{Operation, OperationKind},
    runtime::{BoxFuture, Clock, Instant},
    store::{
        persist::{
            Journal, Ledger, UsageFilter,
            journal::{FileJournal, JournalConfig},
            sql::SqlStore,
            writer::{Writer, WriterConfig},
        },
        record::{Begun, Billed, Ended, Entry, Source, UsageRow},
    },
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let rows: u64 = arguments.next().map_or(Ok(200_000), |rows| rows.parse())?;
    let folder = tempfile::tempdir()?;
    let dsn = arguments.next().unwrap_or_else(|| format!("sqlite://{}/cost.db?mode=rwc", folder.path().display()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(ledger(&dsn, rows))?;
    runtime.block_on(whole_way(&dsn, folder.path(), rows))
}

/// Begins and ends calls in the journal, then lets the writer bring them home.
async fn whole_way(dsn: &str, folder: &std::path::Path, rows: u64) -> Result<(), Box<dyn std::error::Error>> {
    let ledger = Arc::new(SqlStore::open(dsn).await?);
    let replay = FileJournal::open(JournalConfig::beside(folder))?;
    let journal = Arc::clone(&replay.journal);
    let writer = Writer::new(replay, ledger.clone(), Arc::new(Unwaiting), WriterConfig::default());
    for round in 10..13 {
        let calls: Vec<UsageRow> = (0..rows).map(|row| usage(round * rows + row)).collect();
        let (begun, ended): (Vec<Entry>, Vec<Entry>) =
            calls.into_iter().map(|call| (Entry::Begun(call.begun.clone()), Entry::Ended(Arc::new(call)))).unzip();
        let before = cpu_ns()?;
        for (begun, ended) in begun.iter().zip(&ended) {
            journal.append(begun)?;
            journal.append(ended)?;
        }
        let appended = cpu_ns()? - before;
        writer.drain().await;
        let home = cpu_ns()? - before - appended;
        println!("journal: {:.2} us a call (begun and ended), writer: {:.2} us a row", per(appended, rows), per(home, rows));
    }
    Ok(())
}

fn per(ns: u64, rows: u64) -> f64 {
    ns as f64 / 1000.0 / rows as f64
}

#[derive(Debug)]
struct Unwaiting;

impl Clock for Unwaiting {
    fn unix_ms(&self) -> u64 {
        0
    }

    fn now(&self) -> Instant {
        Instant(0)
    }

    fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
        Box::pin(std::future::ready(()))
    }
}

async fn ledger(dsn: &str, rows: u64) -> Result<(), Box<dyn std::error::Error>> {
    let store = SqlStore::open(dsn).await?;
    for round in 0..5 {
        let batch = |batch: u64| (0..1024).map(|row| Arc::new(usage((round * rows) + batch * 1024 + row))).collect();
        let batches: Vec<Vec<Arc<UsageRow>>> = (0..rows / 1024).map(batch).collect();
        let (count, before) = (batches.len() * 1024, cpu_ns()?);
        for batch in batches {
            store.write_usages(batch).await?;
        }
        let spent = cpu_ns()? - before;
        println!("ledger: {:.2} us a row", per(spent, count as u64));
    }
    println!("{:?}", store.usage_summary(UsageFilter::default()).await?);
    store.close().await?;
    Ok(())
}

fn usage(number: u64) -> UsageRow {
    let mut random = [0; 10];
    random[2..].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes());
    let mut usage = Usage::default();
    usage.set(Bucket::Input, Modality::Text, 1200 + number % 1000);
    usage.set(Bucket::CacheRead, Modality::Text, 800);
    usage.set(Bucket::Output, Modality::Text, 300 + number % 77);
    UsageRow {
        begun: Begun {
            request_id: RequestId::new(1_790_000_000_000 + number / 50, &random),
            at: 1_790_000_000_000 + number / 50,
            user_id: UserId(7),
            key_id: KeyId(9),
            team_id: None,
            organization_id: None,
            provider_id: ProviderId(3),
            credential_id: Some(CredentialId(4)),
            operation: Operation::StreamGenerateContent,
            kind: OperationKind::OpenAiChatCompletions,
            model: "gpt-5-mini-2026-08-07".into(),
        },
        usage,
        source: Source::Upstream,
        ended: Ended::Complete,
        status: 200,
        first_byte_us: Some(350_000),
        latency_us: 1_900_000,
        phases: None,
        billed: Some(Billed { cost: Nanos::new(i64::try_from(number).unwrap_or(0) * 1250), price: "2026-11-25".into() }),
        losses: Vec::new(),
    }
}

/// CPU time of all threads so far, nanoseconds.
fn cpu_ns() -> std::io::Result<u64> {
    let mut sum = 0;
    for task in std::fs::read_dir("/proc/self/task")? {
        let text = std::fs::read_to_string(task?.path().join("schedstat"))?;
        sum += text.split(' ').next().and_then(|first| first.parse::<u64>().ok()).unwrap_or(0);
    }
    Ok(sum)
}
