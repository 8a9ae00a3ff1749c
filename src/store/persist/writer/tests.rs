//! The writer's laws: every appended row reaches the ledger once, whatever fails or is killed in between.

use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::store::persist::{
    Journal,
    fixture::{FlakyLedger, HastyClock, begun, downstream, ended, entries, request_id},
    journal::JournalConfig,
};

fn config(folder: &Path) -> JournalConfig {
    JournalConfig { segment_bytes: 4096, ..JournalConfig::beside(folder) }
}

fn open(folder: &Path) -> Replay {
    FileJournal::open(config(folder)).unwrap()
}

async fn drain(replay: Replay, ledger: &Arc<FlakyLedger>) -> Arc<HastyClock> {
    let clock = Arc::new(HastyClock::default());
    let writer = Writer::new(replay, Arc::clone(ledger) as Arc<dyn Ledger>, Arc::clone(&clock) as Arc<dyn Clock>, WriterConfig::default());
    writer.drain().await;
    clock
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn a_ledger_that_fails_some_times_loses_nothing(all in entries(80), faults in 0..12_u64, kill_after in 0..80_usize) {
        block_on(async move {
            let folder = tempfile::tempdir().unwrap();
            let ledger = Arc::new(FlakyLedger::failing(faults));
            // Killed somewhere in between, with the writer just having caught up or not at all.
            let (first, second) = all.split_at(kill_after.min(all.len()));
            let replay = open(folder.path());
            let journal = Arc::clone(&replay.journal);
            for entry in first {
                journal.append(entry).unwrap();
            }
            if faults % 2 == 0 {
                drain(replay, &ledger).await;
            } else {
                drop(replay);
            }
            drop(journal);
            let replay = open(folder.path());
            let journal = Arc::clone(&replay.journal);
            for entry in second {
                journal.append(entry).unwrap();
            }
            drain(replay, &ledger).await;
            assert_eq!(journal.backlog(), 0);
            for entry in &all {
                match entry {
                    Entry::Begun(_) => {}
                    // Entries repeat their numbers: the first row of an id stands, also an interrupted one.
                    Entry::Ended(row) => assert!(ledger.usages.lock().unwrap().contains_key(&row.begun.request_id)),
                    Entry::Downstream(row) => assert!(ledger.downstream.lock().unwrap().contains_key(&row.request_id)),
                    Entry::Upstream(row) => assert!(ledger.upstream.lock().unwrap().contains_key(&(row.request_id, row.attempt))),
                }
            }
        });
    }

    #[test]
    fn two_replays_give_the_same_rows(all in entries(80)) {
        block_on(async move {
            let folder = tempfile::tempdir().unwrap();
            let journal = open(folder.path()).journal;
            for entry in &all {
                journal.append(entry).unwrap();
            }
            drop(journal);
            let copy = tempfile::tempdir().unwrap();
            std::fs::create_dir(copy.path().join("journal")).unwrap();
            for file in std::fs::read_dir(folder.path().join("journal")).unwrap() {
                let file = file.unwrap();
                std::fs::copy(file.path(), copy.path().join("journal").join(file.file_name())).unwrap();
            }
            let (once, twice) = (Arc::new(FlakyLedger::default()), Arc::new(FlakyLedger::default()));
            drain(open(folder.path()), &once).await;
            drain(open(copy.path()), &twice).await;
            assert_eq!(once.rows(), twice.rows());
            // The same files once more into the same ledger, as after a kill before the checkpoint.
            let _ = std::fs::remove_file(copy.path().join("journal/checkpoint"));
            drain(open(copy.path()), &twice).await;
            assert_eq!(once.rows(), twice.rows());
            assert_eq!(*once.upstream.lock().unwrap(), *twice.upstream.lock().unwrap());
        });
    }
}

#[tokio::test]
async fn a_call_killed_in_flight_becomes_one_interrupted_row() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(folder.path()).journal;
    journal.append(&Entry::Begun(begun(1))).unwrap();
    journal.append(&Entry::Begun(begun(2))).unwrap();
    journal.append(&Entry::Ended(Arc::new(ended(1)))).unwrap();
    drop(journal);
    let ledger = Arc::new(FlakyLedger::default());
    let replay = open(folder.path());
    // A call of this life is not interrupted: it may yet end.
    replay.journal.append(&Entry::Begun(begun(3))).unwrap();
    drain(replay, &ledger).await;
    assert_eq!(ledger.rows(), vec![ended(1), interrupted(&begun(2))]);
    drain(open(folder.path()), &ledger).await;
    assert_eq!(ledger.rows(), vec![ended(1), interrupted(&begun(2)), interrupted(&begun(3))]);
    let replay = open(folder.path());
    assert!(replay.interrupted.is_empty(), "told once");
    assert_eq!(replay.journal.backlog(), 0);
}

#[tokio::test]
async fn written_segments_go_and_open_calls_are_carried_on() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Arc::new(FlakyLedger::default());
    let replay = open(folder.path());
    let journal = Arc::clone(&replay.journal);
    journal.append(&Entry::Begun(begun(1))).unwrap();
    for number in 2..200 {
        journal.append(&Entry::Begun(begun(number))).unwrap();
        journal.append(&Entry::Ended(Arc::new(ended(number)))).unwrap();
    }
    drain(replay, &ledger).await;
    assert!(journal.segments_before(u64::MAX).is_empty(), "only the segment in use stands");
    assert!(journal.used_bytes() < 8192);
    drop(journal);
    let replay = open(folder.path());
    assert_eq!(replay.interrupted, vec![begun(1)]);
    drain(replay, &ledger).await;
    assert_eq!(ledger.rows().len(), 199);
}

#[tokio::test]
async fn rows_that_came_by_memory_are_not_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let replay = FileJournal::open(JournalConfig { segment_bytes: 1 << 20, ..config(folder.path()) }).unwrap();
    let journal = Arc::clone(&replay.journal);
    let ledger = Arc::new(FlakyLedger::default());
    let few = WriterConfig { queue_capacity: 4, ..WriterConfig::default() };
    let writer = Writer::new(replay, Arc::clone(&ledger) as Arc<dyn Ledger>, Arc::new(HastyClock::default()), few);
    let append = |ids: std::ops::Range<u64>| ids.for_each(|id| journal.append(&Entry::Ended(Arc::new(ended(id)))).unwrap());
    // The first look is into the files; three rows are held, ten are more than that.
    writer.drain().await;
    for ids in [1..4, 4..14] {
        append(ids);
        writer.drain().await;
        assert_eq!(journal.backlog(), 0);
    }
    assert_eq!(ledger.rows(), (1..14).map(ended).collect::<Vec<_>>());
}

#[tokio::test]
async fn pauses_grow_up_to_five_seconds_while_the_database_is_down() {
    let folder = tempfile::tempdir().unwrap();
    let replay = open(folder.path());
    let journal = Arc::clone(&replay.journal);
    journal.append(&Entry::Ended(Arc::new(ended(1)))).unwrap();
    journal.append(&Entry::Ended(Arc::new(ended(2)))).unwrap();
    // One by one each try is two writes, so a fault of the database costs two from the sixth on.
    let clock = drain(replay, &Arc::new(FlakyLedger::failing(5 + 2 * 3))).await;
    let expected: u64 = [100, 200, 400, 800, 1600, 3200, 5000, 5000].into_iter().sum();
    assert_eq!(*clock.slept.lock().unwrap(), Duration::from_millis(expected));
    assert_eq!(journal.backlog(), 0);
}

#[tokio::test]
async fn a_row_that_the_database_refuses_does_not_keep_the_others_out() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Arc::new(FlakyLedger::default());
    let replay = open(folder.path());
    let journal = Arc::clone(&replay.journal);
    for number in 0..3 {
        let mut row = ended(number);
        if number == 1 {
            row.begun.model = "poison".into();
        }
        journal.append(&Entry::Ended(Arc::new(row))).unwrap();
    }
    drain(replay, &ledger).await;
    assert_eq!(ledger.rows(), vec![ended(0), ended(2)]);
    let kept = std::fs::read_to_string(folder.path().join("journal/refused.jsonl")).unwrap();
    let row: UsageRow = serde_json::from_str(kept.trim()).unwrap();
    assert_eq!(row.begun.request_id, request_id(1));
}

#[tokio::test]
async fn a_damaged_segment_is_kept_under_another_name() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(folder.path()).journal;
    for number in 0..3 {
        journal.append(&Entry::Ended(Arc::new(ended(number)))).unwrap();
    }
    drop(journal);
    let path = folder.path().join("journal/00000000000000000001.journal");
    let mut bytes = std::fs::read(&path).unwrap();
    // The second of three.
    let middle = bytes.iter().rposition(|byte| *byte != 0).unwrap() / 2;
    bytes[middle] ^= 0x55;
    std::fs::write(&path, bytes).unwrap();
    let ledger = Arc::new(FlakyLedger::default());
    drain(open(folder.path()), &ledger).await;
    assert_eq!(ledger.rows(), vec![ended(0), ended(2)]);
    assert!(!path.exists());
    assert!(path.with_extension("journal.damaged").exists());
}

#[tokio::test]
async fn a_batch_is_no_larger_than_allowed() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Arc::new(FlakyLedger::default());
    let replay = open(folder.path());
    for number in 0..2500 {
        replay.journal.append(&Entry::Ended(Arc::new(ended(number)))).unwrap();
        replay.journal.append(&Entry::Downstream(Arc::new(downstream(number, 3)))).unwrap();
    }
    drain(replay, &ledger).await;
    assert_eq!(ledger.rows().len(), 2500);
    assert_eq!(ledger.largest_batch.load(Ordering::SeqCst), 1024);
}

#[tokio::test]
async fn the_writer_wakes_by_itself_and_stops_when_drained() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Arc::new(FlakyLedger::default());
    let replay = open(folder.path());
    let journal = Arc::clone(&replay.journal);
    let clock = Arc::new(HastyClock::default());
    let writer = Writer::new(replay, Arc::clone(&ledger) as Arc<dyn Ledger>, clock, WriterConfig::default());
    let work = async {
        for number in 0..10 {
            journal.append(&Entry::Ended(Arc::new(ended(number)))).unwrap();
            while journal.backlog() > 0 {
                tokio::task::yield_now().await;
            }
        }
        writer.drain().await;
    };
    tokio::join!(writer.run(), work);
    assert_eq!(ledger.rows().len(), 10);
}
