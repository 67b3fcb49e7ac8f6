//! Files that are not what was written.

use super::{
    disk::MemoryDisk,
    workload::{START, Workload, catch_up, open, options},
};
use crate::{
    clock::ManualClock,
    engine::{MessageBody, SendMessage},
    journal::{
        Options,
        disk::Disk,
        error::JournalError,
        format::{Header, VERSION, segment_name, snapshot_name},
        reader::{Frames, Tail},
        recovery,
    },
};

const LEN: usize = 64 * 1024;

/// One segment that is never rotated.
fn one_segment() -> Options {
    Options { segment_bytes: u64::MAX, step_bytes: LEN as u64, ..options() }
}

/// A journal of at least 64 KiB in one file, and the state after each of its records.
fn journal() -> (Workload, String, Vec<u8>) {
    let (disk, clock) = (MemoryDisk::default(), ManualClock::new(START));
    let (queues, _) = open(&disk, &clock, one_segment()).unwrap();
    let mut workload = Workload::new(queues, clock, 3);
    let name = segment_name(1);
    let len = |disk: &MemoryDisk| {
        let file = disk.read(&name).unwrap();
        let mut frames = Frames::new(&file, Header::decode(&file).unwrap().1, 1);
        frames.by_ref().for_each(drop);
        frames.at()
    };
    while len(&disk) < LEN {
        workload.step(&disk).unwrap();
        // Long records, so that there are few of them for so many bytes.
        let queues = workload.queues.clone();
        if let Some(queue) = queues.list_queues().into_iter().find(|queue| !queue.is_fifo()) {
            let body = MessageBody::parse("x".repeat(1_500)).unwrap();
            queues.send(&queue, SendMessage::new(body)).unwrap();
            workload.note_state();
        }
    }
    workload.queues.wait(workload.queues.journal_figures().unwrap().0).unwrap();
    let mut file = disk.read(&name).unwrap();
    file.truncate(len(&disk));
    (workload, name, file)
}

/// Opens a file in which the bytes from `from` to `to` may be wrong, and says how far it could be read.
fn judge(workload: &Workload, name: &str, file: &[u8], changed: usize) -> u64 {
    let disk = MemoryDisk::default();
    disk.create(name).unwrap().write_at(file, 0).unwrap();
    match recovery::read(&disk, u64::MAX) {
        Ok(recovered) => {
            let mut recovered = recovered.unwrap();
            let at = recovered.opened.last_at;
            catch_up(&mut recovered.engine, at);
            workload.compare(&recovered.engine, recovered.last, "changed");
            if let Some((place, offset, _)) = recovered.opened.torn {
                assert!(place.ends_with(name) && offset <= changed, "changed at {changed}, torn from {offset}");
            }
            recovered.last
        }
        Err(JournalError::Damaged { place, offset, .. }) => {
            assert!(place.ends_with(name) && offset <= changed, "changed at {changed}, damaged at {offset}");
            0
        }
        Err(JournalError::Foreign { .. } | JournalError::Newer { .. }) if changed < 12 => 0,
        Err(error) => panic!("changed at {changed}: {error}"),
    }
}

#[test]
fn no_changed_byte_of_a_journal_makes_a_wrong_state_and_each_is_said_where_it_is() {
    let (workload, name, file) = journal();
    let last = *workload.states.keys().last().unwrap();
    assert!(file.len() >= LEN);
    assert_eq!(judge(&workload, &name, &file, file.len()), last, "unchanged");
    let (_, header) = Header::decode(&file).unwrap();
    let starts = Frames::new(&file, header, 1).map(|(at, _)| at).collect::<Vec<_>>();
    for at in 0..file.len() {
        let mut changed = file.clone();
        changed[at] ^= 1 << (at % 8);
        if at < header {
            assert!(Header::decode(&changed).is_err(), "byte {at} of the header may be anything");
        } else {
            // What is before the changed frame is read, which is what it was; the frame is not, and is said to be damaged.
            let mut frames = Frames::new(&changed, header, 1);
            let whole = starts.partition_point(|start| *start <= at) - 1;
            assert_eq!(frames.by_ref().count(), whole, "byte {at}");
            assert_eq!(frames.at(), starts[whole], "byte {at}");
            assert_ne!(frames.tail(), Tail::Clean, "byte {at}");
        }
        if at < header || at % 8 == 0 {
            let read = judge(&workload, &name, &changed, at);
            assert!(read < last, "byte {at} may be anything");
        }
    }
}

#[test]
fn a_journal_that_is_cut_anywhere_is_read_as_far_as_it_goes() {
    let (workload, name, file) = journal();
    // Without states: what is read of a file that was cut is the same as of the whole file.
    let (_, header) = Header::decode(&file).unwrap();
    let mut starts = Frames::new(&file, header, 1).map(|(at, _)| at).collect::<Vec<_>>();
    starts.push(file.len());
    for len in 0..file.len() {
        let cut = &file[..len];
        let whole = starts.partition_point(|start| *start <= len).saturating_sub(1);
        if len < header {
            assert!(Header::decode(cut).is_err(), "cut at {len}");
            continue;
        }
        let mut frames = Frames::new(cut, header, 1);
        assert_eq!(frames.by_ref().count(), whole, "cut at {len}");
        assert!(!matches!(frames.tail(), Tail::Damaged { .. }), "cut at {len}");
        if len % 16 == 0 || starts.contains(&len) {
            assert_eq!(judge(&workload, &name, cut, len), whole as u64, "cut at {len}");
        }
    }
}

type Change<'a> = &'a dyn Fn(&MemoryDisk);

/// A folder with two segments and a snapshot, the rest of a run that was killed.
fn folder() -> MemoryDisk {
    let (disk, clock) = (MemoryDisk::default(), ManualClock::new(START));
    let (queues, _) = open(&disk, &clock, one_segment()).unwrap();
    let mut workload = Workload::new(queues, clock.clone(), 5);
    for _ in 0..40 {
        workload.step(&disk).unwrap();
    }
    workload.queues.close().unwrap();
    let (queues, _) = open(&disk, &clock, options()).unwrap();
    let mut workload = Workload::new(queues, clock, 6);
    for _ in 0..4 {
        workload.step(&disk).unwrap();
    }
    workload.queues.wait(workload.queues.journal_figures().unwrap().0).unwrap();
    MemoryDisk::holding(disk.sectors())
}

#[test]
fn what_is_missing_or_not_ours_stops_the_start_and_is_named() {
    let names = folder().list().unwrap();
    let find = |suffix: &str| names.iter().find(|name| name.ends_with(suffix)).unwrap().clone();
    let (snapshot, segment) = (find(".snapshot"), find(".log"));
    let cases: [(&str, Change<'_>, &str); 7] = [
        ("nothing", &|_| (), ""),
        ("the snapshot is gone", &|disk| disk.remove(&snapshot).unwrap(), "are missing from"),
        ("a byte of the snapshot", &|disk| disk.meddle(&snapshot, |file| file[700] ^= 1), "is damaged at byte"),
        ("the end of the snapshot", &|disk| disk.meddle(&snapshot, |file| file.truncate(900)), "is damaged at byte"),
        ("another file", &|disk| disk.meddle(&segment, |file| file[0] = b'x'), "is not a file of local-queue"),
        ("a later format", &|disk| disk.meddle(&segment, |file| file[8] = 9), "has format 9"),
        (
            "a segment under another name",
            &|disk| disk.rename(&segment, &segment_name(1)).unwrap(),
            "it is not the segment of its name",
        ),
    ];
    for (case, change, expected) in cases {
        let disk = folder();
        change(&disk);
        match recovery::read(&disk, u64::MAX) {
            Ok(recovered) => assert!(expected.is_empty() && recovered.is_some(), "{case}"),
            Err(error) => {
                let text = error.to_string();
                assert!(!expected.is_empty() && text.contains(expected), "{case}: {text}");
                assert!(text.contains("/memory/"), "{case}: {text}");
            }
        }
    }
    const { assert!(VERSION < 9) };
}

#[test]
fn an_older_snapshot_will_do_if_everything_since_is_there() {
    let (disk, clock) = (MemoryDisk::default(), ManualClock::new(START));
    let (queues, _) = open(&disk, &clock, one_segment()).unwrap();
    let jobs = queues.create_queue("jobs", &[]).unwrap();
    queues.send(&jobs, SendMessage::new(MessageBody::parse("a").unwrap())).unwrap();
    let segment = segment_name(1);
    // As if a snapshot had been made beside, whose disk then lost it.
    let broken = snapshot_name(2);
    disk.create(&broken).unwrap().write_at(b"LQJOURNL and then nothing", 0).unwrap();
    let recovered = recovery::read(&MemoryDisk::holding(disk.sectors()), u64::MAX).unwrap().unwrap();
    assert_eq!((recovered.last, recovered.opened.replayed), (2, 2));
    disk.remove(&segment).unwrap();
    let error = recovery::read(&MemoryDisk::holding(disk.sectors()), u64::MAX).unwrap_err();
    assert!(error.to_string().contains(&broken), "{error}");
}
