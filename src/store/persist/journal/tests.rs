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

#[test]
fn a_disk_that_takes_no_writes_refuses_what_begins_and_keeps_what_ends() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = FileJournal::open(config(folder.path())).unwrap().journal;
    let begins = |journal: &FileJournal, id| journal.append(&Entry::Begun(begun(id)));
    begins(&journal, 1).unwrap();
    // Its lock, open for reading alone, stands for a file system that was made read-only.
    let only_read = fs::File::open(folder.path().join("journal/lock")).unwrap();
    let writes = Arc::get_mut(&mut journal).unwrap().folder.exchange(only_read);
    journal.watch();
    assert!(matches!(begins(&journal, 2), Err(JournalFault::Unwritable)));
    journal.append(&Entry::Ended(Arc::new(ended(1)))).unwrap();
    Arc::get_mut(&mut journal).unwrap().folder.exchange(writes);
    journal.watch();
    begins(&journal, 3).unwrap();
}

#[test]
fn a_look_from_outside_sees_no_damage_where_a_segment_is_used_again() {
    let data = tempfile::tempdir().unwrap();
    // More than is read at once.
    let large = JournalConfig { segment_bytes: 1 << 20, ..config(data.path()) };
    let journal = FileJournal::open(large).unwrap().journal;
    let mut ids = 1..;
    let mut append = || journal.append(&Entry::Ended(Arc::new(ended(ids.next().unwrap())))).unwrap();
    while journal.segments_before(u64::MAX).is_empty() {
        append();
    }
    let mut survey = Survey::begin(&data.path().join("journal")).unwrap();
    assert!(matches!(survey.next_seen().unwrap(), Some(Seen::Entry(Entry::Ended(first), _)) if *first == ended(1)));
    journal.forget(1, Damaged::No).unwrap();
    assert!(journal.lock().spare.is_some(), "it is used again");
    append();
    let mut rest = Vec::new();
    while let Some(seen) = survey.next_seen().unwrap() {
        rest.push(seen);
    }
    // The one that had no room in the first, and the last.
    assert!(matches!(rest.as_slice(), [Seen::Entry(..), Seen::Entry(..)]), "{} seen", rest.len());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_reopened_journal_has_every_appended_entry(all in entries(60)) {
        let folder = tempfile::tempdir().unwrap();
        let journal = FileJournal::open(config(folder.path())).unwrap().journal;
        for entry in &all {
            journal.append(entry).unwrap();
        }
        drop(journal);
        let (records, lost) = read_back(&FileJournal::open(config(folder.path())).unwrap());
        prop_assert_eq!(lost, 0);
        prop_assert_eq!(records, as_records(&all));
    }

    #[test]
    fn a_segment_that_is_used_again_holds_only_what_was_written_since(all in entries(120), each in 1..30_usize) {
        let folder = tempfile::tempdir().unwrap();
        let journal = FileJournal::open(config(folder.path())).unwrap().journal;
        let waiting = || journal.lock().spare.as_ref().map(Segment::number);
        // The first entry that may still stand, the first that must, and the number of the spare segment, which is there from the start.
        let (mut may, mut must, mut spare) = (0, 0, waiting());
        prop_assert!(spare.is_some());
        for (turn, entries) in all.chunks(each).enumerate() {
            for entry in entries {
                journal.append(entry).unwrap();
            }
            let full = journal.segments_before(u64::MAX);
            if full.is_empty() {
                continue;
            }
            (may, must) = (turn * each, turn * each + entries.len());
            prop_assert!(spare.is_none_or(|spare| full.contains(&spare) || journal.lock().segment.number() == spare));
            for segment in full {
                journal.forget(segment, Damaged::No).unwrap();
            }
            spare = waiting();
            // Calls that are open are told again, which may fill a segment.
            let since = journal.segments_before(u64::MAX).len();
            prop_assert!(spare.is_some() || since > 0);
            prop_assert!(folder::list(journal.folder.path()).unwrap().len() <= since + 2, "the one in use and the spare one");
        }
        drop(journal);
        let (records, lost) = read_back(&FileJournal::open(config(folder.path())).unwrap());
        prop_assert_eq!(lost, 0);
        let kept: Vec<Record> = records.into_iter().filter(|record| matches!(record, Record::Entry(_))).collect();
        prop_assert!((all.len() - must..=all.len() - may).contains(&kept.len()));
        prop_assert_eq!(&kept[..], &as_records(&all)[all.len() - kept.len()..]);
    }

    #[test]
    fn a_checkpoint_that_is_half_written_over_is_none(old in any::<(u64, u64)>(), new in any::<(u64, u64)>(), cut in 0..53_usize) {
        let data = tempfile::tempdir().unwrap();
        let folder = Folder::open(data.path()).unwrap();
        let (old, new) = (Position { segment: old.0, offset: old.1 }, Position { segment: new.0, offset: new.1 });
        prop_assert_eq!(folder.checkpoint(), Position::default());
        folder.save_checkpoint(old).unwrap();
        let former = fs::read(data.path().join("checkpoint")).unwrap();
        prop_assert_eq!(folder.checkpoint(), old);
        folder.save_checkpoint(new).unwrap();
        prop_assert_eq!(folder.checkpoint(), new);
        let mut torn = fs::read(data.path().join("checkpoint")).unwrap();
        torn[cut..].copy_from_slice(&former[cut..]);
        fs::write(data.path().join("checkpoint"), &torn).unwrap();
        prop_assert!([old, new, Position::default()].contains(&folder.checkpoint()));
    }

    #[test]
    fn what_is_held_in_memory_is_what_stands_in_the_files(all in entries(60), most in 1..20_usize, each in 1..20_usize) {
        let folder = tempfile::tempdir().unwrap();
        let journal = FileJournal::open(config(folder.path())).unwrap().journal;
        journal.hold(most);
        let (mut rows, mut at) = (Vec::new(), journal.recent_begins());
        for entries in all.chunks(15) {
            for entry in entries {
                journal.append(entry).unwrap();
            }
            match journal.recent(at, each) {
                Some((held, upto)) => {
                    let usages = held.iter().filter(|row| matches!(row, Entry::Ended(_))).count();
                    prop_assert!(upto >= at && usages <= each);
                    rows.extend(held);
                    at = upto;
                }
                // More came than was held: it begins again at a later place.
                None => {
                    prop_assert!(journal.recent_begins() > at);
                    at = journal.recent_begins();
                    rows.clear();
                }
            }
        }
        let written: Vec<Entry> = all.iter().filter(|entry| !matches!(entry, Entry::Begun(_))).cloned().collect();
        let behind = written.len() - journal.recent(at, usize::MAX).map_or(0, |(held, _)| held.len());
        prop_assert_eq!(&rows[..], &written[behind - rows.len()..behind]);
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
        let bytes = written(&path);
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
        let mut bytes = written(&path);
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

/// A segment's frames, without what was reserved behind them.
fn written(path: &Path) -> Vec<u8> {
    let mut bytes = fs::read(path).unwrap();
    let mut length = 0;
    while let Ok((_, frame)) = codec::read(&bytes[length..]) {
        length += frame;
    }
    bytes.truncate(length);
    bytes
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
fn the_bytes_of_version_4_never_change() {
    let mut out = Vec::new();
    let entry = Entry::Ended(Arc::new(ended(7)));
    codec::write(&mut out, &entry).unwrap();
    let golden: Vec<u8> = (0..GOLDEN.len()).step_by(2).map(|at| u8::from_str_radix(&GOLDEN[at..at + 2], 16).unwrap()).collect();
    assert_eq!(out, golden);
    assert_eq!(codec::read(&golden), Ok((Record::Entry(entry), golden.len())));
}

const GOLDEN: &str = "64000000fffb4003040301a0c4506c077707870707070707070787d8c1a28c340204000006001172657472696576655f726573706f6e73650667656d696e69076d6f64656c2d3703001515021e010000c80101070e0100010000000700000001620a323032362d31312d3235";

#[test]
fn a_kill_between_a_frame_and_its_head_leaves_a_torn_entry_and_no_damage() {
    let folder = tempfile::tempdir().unwrap();
    let journal = FileJournal::open(config(folder.path())).unwrap().journal;
    let (first, second) = (Entry::Begun(begun(1)), Entry::Begun(begun(2)));
    journal.append(&first).unwrap();
    journal.append(&second).unwrap();
    let path = journal.folder.segment(1);
    drop(journal);
    let mut bytes = fs::read(&path).unwrap();
    let half = frame_length(&Record::Entry(first.clone()));
    bytes[half..half + codec::HEAD].fill(0);
    fs::write(&path, &bytes).unwrap();
    let mut reader = Reader::open(&path, 0).unwrap();
    let end = bytes.len() as u64;
    assert_eq!(reader.next(end).unwrap(), Some(Found::Record(Record::Entry(first))));
    assert!(matches!(reader.next(end).unwrap(), Some(Found::Torn(_))));
    assert_eq!(reader.next(end).unwrap(), None);
}

#[test]
fn an_entry_longer_than_a_segment_has_one_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let journal = FileJournal::open(config(folder.path())).unwrap().journal;
    let all: Vec<Entry> = (0..3).map(|number| Entry::Downstream(Arc::new(downstream(number, 10_000)))).collect();
    for entry in &all {
        journal.append(entry).unwrap();
    }
    drop(journal);
    let (records, lost) = read_back(&FileJournal::open(config(folder.path())).unwrap());
    assert_eq!((records, lost), (as_records(&all), 0));
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
            journal.append(&Entry::Ended(Arc::new(ended(number)))).unwrap();
            number += 1;
        }
    };
    let wire = Entry::Downstream(Arc::new(downstream(1, 100)));
    fill(budget_bytes / 2);
    journal.append(&wire).unwrap();
    assert_eq!(journal.shed(), Shed::default());
    fill(budget_bytes / 4 * 3);
    journal.append(&wire).unwrap();
    journal.append(&Entry::Upstream(Arc::new(upstream(1, 1)))).unwrap();
    assert_eq!(journal.shed(), Shed { bodies: 2, rows: 0 });
    fill(budget_bytes / 8 * 7);
    journal.append(&wire).unwrap();
    assert_eq!(journal.shed(), Shed { bodies: 2, rows: 1 });
    journal.append(&Entry::Begun(begun(1))).unwrap();
    fill(budget_bytes);
    let refused = journal.append(&Entry::Begun(begun(2)));
    assert!(matches!(refused, Err(JournalFault::Full { budget, .. }) if budget == budget_bytes));
    let before = journal.backlog();
    journal.append(&Entry::Ended(Arc::new(ended(9999)))).unwrap();
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
        journal.append(&Entry::Ended(Arc::new(ended(number)))).unwrap();
    }
    drop(journal);
    let replay = FileJournal::open(config(folder.path())).unwrap();
    assert_eq!(replay.interrupted, vec![begun(1), begun(2), begun(4)]);
    assert_eq!(replay.journal.backlog(), 2 + 3);
}
