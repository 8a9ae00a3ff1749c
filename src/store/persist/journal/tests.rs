//! The journal's laws: what was appended is read again, whatever was cut off or overwritten around it.

use std::{fs, path::Path};

use proptest::prelude::*;

use super::*;
use crate::store::persist::fixture::{begun, downstream, ended, entries, upstream};

fn config(folder: &Path) -> JournalConfig {
    JournalConfig { segment_bytes: 4096, ..JournalConfig::beside(folder) }
}

/// Everything in a journal's closed segments, in order, and how many bytes of them were no frames.
fn read_back(replay: &Replay) -> (Vec<Record>, u64) {
    let (mut records, mut lost) = (Vec::new(), 0);
    for segment in replay.journal.segments_before(u64::MAX) {
        let end = replay.journal.length(segment).unwrap();
        let mut reader = replay.journal.read(Position { segment, offset: 0 }).unwrap();
        while let Some(found) = reader.next(end).unwrap() {
            match found {
                Found::Record(record) => records.push(record),
                Found::Damage(bytes) | Found::Torn(bytes) => lost += bytes,
                Found::Newer(version) => panic!("version {version}"),
            }
        }
    }
    (records, lost)
}

fn as_records(entries: &[Entry]) -> Vec<Record> {
    entries.iter().cloned().map(Record::Entry).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_reopened_journal_has_every_appended_entry(all in entries(60), later in proptest::collection::vec(any::<bool>(), 60)) {
        let folder = tempfile::tempdir().unwrap();
        let journal = FileJournal::open(config(folder.path())).unwrap().journal;
        // What came by `soon` is safe once an `append` has followed it.
        let (mut written, mut pending) = (Vec::new(), Vec::new());
        for (entry, later) in all.iter().zip(later) {
            pending.push(entry.clone());
            if later {
                journal.soon(entry).unwrap();
            } else {
                journal.append(entry).unwrap();
                written.append(&mut pending);
            }
        }
        drop(journal);
        let (records, lost) = read_back(&FileJournal::open(config(folder.path())).unwrap());
        prop_assert_eq!(lost, 0);
        prop_assert_eq!(records, as_records(&written));
    }

    #[test]
    fn any_truncation_yields_a_prefix_of_the_entries(all in entries(20), cut in any::<prop::sample::Index>()) {
        let folder = tempfile::tempdir().unwrap();
        let big = JournalConfig { segment_bytes: 1 << 20, ..config(folder.path()) };
        let journal = FileJournal::open(big.clone()).unwrap().journal;
        for entry in &all {
            journal.append(entry).unwrap();
        }
        let path = journal.folder.segment(1);
        drop(journal);
        let bytes = fs::read(&path).unwrap();
        let cut = cut.index(bytes.len() + 1);
        fs::write(&path, &bytes[..cut]).unwrap();
        let (records, lost) = read_back(&FileJournal::open(big).unwrap());
        prop_assert_eq!(&records[..], &as_records(&all)[..records.len()]);
        prop_assert!(records.len() == all.len() || cut < bytes.len());
        let whole: usize = records.iter().map(frame_length).sum();
        prop_assert_eq!(whole as u64 + lost, cut as u64);
    }

    #[test]
    fn damage_in_the_middle_costs_only_the_entries_it_touches(all in entries(20), at in any::<prop::sample::Index>(), by in 1..=255_u8) {
        let folder = tempfile::tempdir().unwrap();
        let big = JournalConfig { segment_bytes: 1 << 20, ..config(folder.path()) };
        let journal = FileJournal::open(big.clone()).unwrap().journal;
        for entry in &all {
            journal.append(entry).unwrap();
        }
        let path = journal.folder.segment(1);
        drop(journal);
        let mut bytes = fs::read(&path).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= by;
        fs::write(&path, &bytes).unwrap();
        let (mut expected, mut start, mut length) = (as_records(&all), 0, 0);
        let touched = expected.iter().position(|record| {
            start += length;
            length = frame_length(record);
            at < start + length
        }).unwrap();
        expected.remove(touched);
        match FileJournal::open(big) {
            Ok(replay) => {
                let (records, lost) = read_back(&replay);
                prop_assert_eq!(records, expected);
                prop_assert_eq!(lost, length as u64);
            }
            Err(fault) => prop_assert!(false, "{fault}"),
        }
    }
}

fn frame_length(record: &Record) -> usize {
    let mut out = Vec::new();
    match record {
        Record::Entry(entry) => codec::write(&mut out, entry).unwrap(),
        Record::Carried(begun) => codec::write_carried(&mut out, begun).unwrap(),
    }
    out.len()
}

#[test]
fn the_bytes_of_version_1_never_change() {
    let mut out = Vec::new();
    codec::write(&mut out, &Entry::Ended(Box::new(ended(7)))).unwrap();
    let hex: String = out.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, GOLDEN);
}

const GOLDEN: &str = "630000008a11a946010301a0c4506c077707870707070707070787d8c1a28c34020406001172657472696576655f726573706f6e73650667656d696e69076d6f64656c2d37150000000000000000000000000000000000000000020000000000000000010000c80101070e";

#[test]
fn an_append_takes_what_was_left_for_soon_with_it_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let journal = FileJournal::open(config(folder.path())).unwrap().journal;
    let first = Entry::Begun(begun(1));
    let second = Entry::Ended(Box::new(ended(2)));
    journal.soon(&first).unwrap();
    assert_eq!(journal.end().offset, 0, "soon writes nothing by itself");
    journal.append(&second).unwrap();
    drop(journal);
    let (records, _) = read_back(&FileJournal::open(config(folder.path())).unwrap());
    assert_eq!(records, as_records(&[first, second]));
}

#[test]
fn a_second_process_is_refused_until_the_first_has_gone() {
    let folder = tempfile::tempdir().unwrap();
    let first = FileJournal::open(config(folder.path())).unwrap();
    assert!(matches!(FileJournal::open(config(folder.path())), Err(OpenFault::Busy { .. })));
    drop(first);
    assert!(FileJournal::open(config(folder.path())).is_ok());
}

#[test]
fn a_journal_of_a_newer_program_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let journal = FileJournal::open(config(folder.path())).unwrap().journal;
    let path = journal.folder.segment(1);
    drop(journal);
    let payload = [9, 1, 0];
    let mut frame = 3_u32.to_le_bytes().to_vec();
    frame.extend(crc32fast::hash(&payload).to_le_bytes());
    frame.extend(payload);
    fs::write(path, frame).unwrap();
    assert!(matches!(FileJournal::open(config(folder.path())), Err(OpenFault::Newer { version: 9, .. })));
}

#[test]
fn a_full_journal_refuses_new_work_and_sheds_the_wire_but_never_usage() {
    let folder = tempfile::tempdir().unwrap();
    let budget_bytes = 64 << 10;
    let journal = FileJournal::open(JournalConfig { budget_bytes, ..config(folder.path()) }).unwrap().journal;
    let mut number = 0;
    let mut fill = |upto: u64| {
        while journal.used_bytes() <= upto {
            journal.append(&Entry::Ended(Box::new(ended(number)))).unwrap();
            number += 1;
        }
    };
    let wire = Entry::Downstream(Box::new(downstream(1, 100)));
    fill(budget_bytes / 2);
    journal.append(&wire).unwrap();
    assert_eq!(journal.shed(), Shed::default());
    fill(budget_bytes / 4 * 3);
    journal.append(&wire).unwrap();
    journal.soon(&Entry::Upstream(Box::new(upstream(1, 1)))).unwrap();
    assert_eq!(journal.shed(), Shed { bodies: 2, rows: 0 });
    fill(budget_bytes / 8 * 7);
    journal.append(&wire).unwrap();
    assert_eq!(journal.shed(), Shed { bodies: 2, rows: 1 });
    journal.append(&Entry::Begun(begun(1))).unwrap();
    fill(budget_bytes);
    for refused in [journal.append(&Entry::Begun(begun(2))), journal.soon(&Entry::Begun(begun(2)))] {
        assert!(matches!(refused, Err(JournalFault::Full { budget, .. }) if budget == budget_bytes));
    }
    let before = journal.backlog();
    journal.append(&Entry::Ended(Box::new(ended(9999)))).unwrap();
    assert_eq!(journal.backlog(), before + 1);
    // And none of it is a promise only: the file has what was taken.
    drop(journal);
    let (records, _) = read_back(&FileJournal::open(config(folder.path())).unwrap());
    let usages = records.iter().filter(|record| matches!(record, Record::Entry(Entry::Ended(_)))).count();
    assert_eq!(usages as u64, number + 1);
}

#[test]
fn calls_without_an_end_are_told_at_the_next_opening() {
    let folder = tempfile::tempdir().unwrap();
    let journal = FileJournal::open(config(folder.path())).unwrap().journal;
    for number in 0..5 {
        journal.append(&Entry::Begun(begun(number))).unwrap();
    }
    for number in [0, 3] {
        journal.append(&Entry::Ended(Box::new(ended(number)))).unwrap();
    }
    drop(journal);
    let replay = FileJournal::open(config(folder.path())).unwrap();
    assert_eq!(replay.interrupted, vec![begun(1), begun(2), begun(4)]);
    assert_eq!(replay.journal.backlog(), 2 + 3);
}

#[tokio::test]
async fn the_flusher_writes_what_soon_left() {
    let folder = tempfile::tempdir().unwrap();
    let journal = FileJournal::open(config(folder.path())).unwrap().journal;
    let clock = Arc::new(crate::store::persist::fixture::HastyClock::default());
    let flusher = journal.keep_flushed(clock);
    let work = async {
        journal.soon(&Entry::Begun(begun(1))).unwrap();
        journal.written().await;
        assert!(journal.end().offset > 0);
    };
    tokio::select! {
        () = flusher => panic!("the flusher ended"),
        () = work => {}
    }
}
