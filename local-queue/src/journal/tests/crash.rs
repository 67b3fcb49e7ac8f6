//! The power goes, at every change of the disk: what was answered is there, and nothing is half there.

use super::{
    disk::{Change, Loss, MemoryDisk, Sectors},
    workload::{START, Workload, catch_up, open, options, state_of},
};
use crate::{
    LocalQueue,
    clock::ManualClock,
    engine::IdSource,
    journal::recovery::{self, Recovered},
};

const STEPS: usize = 250;

/// Does a workload, and says what happened on the disk.
fn work(seed: u64) -> (Workload, Vec<Change>) {
    let (disk, clock) = (MemoryDisk::default(), ManualClock::new(START));
    let (queues, _) = open(&disk, &clock, options()).unwrap();
    let mut workload = Workload::new(queues, clock, seed);
    for _ in 0..STEPS {
        workload.step(&disk).unwrap();
    }
    let history = disk.history();
    (workload, history)
}

/// Opens what is left, and compares it with what must be there.
fn judge(sectors: Sectors, workload: &Workload, answered: u64, case: &str) -> Option<Recovered> {
    let disk = MemoryDisk::holding(sectors);
    let recovered = recovery::read(&disk, u64::MAX).unwrap_or_else(|error| panic!("{case}: {error}"));
    let Some(mut recovered) = recovered else {
        assert_eq!(answered, 0, "{case}: everything is lost");
        return None;
    };
    assert!(recovered.last >= answered, "{case}: record {answered} was answered, and {} is the last", recovered.last);
    let at = recovered.opened.last_at;
    catch_up(&mut recovered.engine, at);
    assert!(!recovered.engine.has_output(), "{case}: a record has all that it brought about");
    workload.compare(&recovered.engine, recovered.last, case);
    Some(recovered)
}

/// What had been answered when the disk had changed so often.
fn answered_by(workload: &Workload, changes: usize) -> u64 {
    let before = workload.answers.partition_point(|(at, _)| *at <= changes);
    before.checked_sub(1).map_or(0, |last| workload.answers[last].1)
}

fn crash_everywhere(seeds: impl Iterator<Item = u64>) -> usize {
    let mut images = 0;
    for seed in seeds {
        let (workload, history) = work(seed);
        let (mut sectors, mut dice) = (Sectors::default(), IdSource::seeded(seed));
        for (at, change) in history.iter().enumerate() {
            sectors.change(change);
            for loss in Loss::ALL {
                let case = format!("workload {seed}, after change {at} ({change:.60?}), {loss:?}");
                judge(sectors.after(loss, &mut dice), &workload, answered_by(&workload, at + 1), &case);
                images += 1;
            }
        }
    }
    images
}

#[test]
fn after_a_loss_of_power_at_any_change_of_the_disk_all_that_was_answered_is_there() {
    // `WORKLOADS=50` makes more than 60,000.
    let workloads = std::env::var("WORKLOADS").map_or(15, |count| count.parse::<u64>().unwrap());
    let threads = [0, 1].map(|first| std::thread::spawn(move || crash_everywhere((first..workloads).step_by(2))));
    let images = threads.map(|thread| thread.join().unwrap()).iter().sum::<usize>();
    assert!(images >= usize::try_from(workloads).unwrap() * 1_200, "only {images} images");
}

#[test]
fn a_start_that_loses_its_power_loses_nothing_and_the_next_goes_on() {
    for seed in [1, 2, 3] {
        let (workload, history) = work(seed);
        let (mut sectors, mut dice) = (Sectors::default(), IdSource::seeded(seed));
        for change in &history {
            sectors.change(change);
        }
        let left = sectors.after(Loss::Some, &mut dice);
        let recovered = judge(left.clone(), &workload, workload.answered, "before the start").unwrap();
        let starting = MemoryDisk::holding(left.clone());
        let now = workload.clock.now();
        let (queues, opened) = open(&starting, &ManualClock::new(now), options()).unwrap();
        assert!(opened.replayed > 0);
        drop(queues);
        let mut sectors = left;
        for (at, change) in starting.history().iter().enumerate() {
            sectors.change(change);
            for loss in Loss::ALL {
                let disk = MemoryDisk::holding(sectors.after(loss, &mut dice));
                let case = format!("workload {seed}, after change {at} of the start ({change:.60?}), {loss:?}");
                let again = recovery::read(&disk, u64::MAX).unwrap_or_else(|error| panic!("{case}: {error}"));
                assert_eq!(again.unwrap().last, recovered.last, "{case}");
                // It goes on: what is sent now is there after one more start.
                let clock = ManualClock::new(now);
                let (queues, _) = open(&disk, &clock, options()).unwrap();
                let mut loaded = recovery::read(&MemoryDisk::holding(disk.sectors()), u64::MAX).unwrap().unwrap();
                loaded.engine.begin_anew(queues.limits().clone(), 0);
                let live = queues.call(|engine, _| state_of(engine));
                assert_eq!(state_of(&loaded.engine), live, "{case}: what was kept is what was opened");
                let mut next = Workload::new(queues, clock.clone(), seed + 100);
                for _ in 0..5 {
                    next.step(&disk).unwrap();
                }
                let last = next.queues.journal_figures().unwrap().0;
                next.queues.wait(last).unwrap();
                let kept = recovery::read(&MemoryDisk::holding(disk.sectors()), u64::MAX).unwrap().unwrap();
                assert_eq!(kept.last, last, "{case}");
            }
        }
    }
}

#[test]
fn closed_queues_are_one_snapshot_and_come_back_as_they_were() {
    for seed in 10..20 {
        let (disk, clock) = (MemoryDisk::default(), ManualClock::new(START));
        let (queues, opened) = open(&disk, &clock, options()).unwrap();
        assert_eq!((opened.queues, opened.replayed, opened.snapshot), (0, 0, None));
        let mut workload = Workload::new(queues, clock.clone(), seed);
        for _ in 0..STEPS {
            workload.step(&disk).unwrap();
        }
        let (last, _) = workload.queues.journal_figures().unwrap();
        let count = workload.queues.list_queues().len();
        workload.queues.close().unwrap();
        assert!(workload.queues.create_queue("late", &[]).is_err(), "what is closed takes nothing");
        let names = crate::journal::disk::Disk::list(&disk).unwrap();
        assert_eq!(names, [crate::journal::format::snapshot_name(last)]);
        let (again, opened) = open(&disk, &clock, options()).unwrap();
        assert_eq!((opened.queues, opened.replayed, opened.snapshot), (count, 0, Some(last)));
        assert_eq!(again.waiting_receives(), 0, "who waited has gone");
        drop(again);
    }
}

#[test]
fn two_clones_close_once() {
    let (disk, clock) = (MemoryDisk::default(), ManualClock::new(START));
    let (queues, _) = open(&disk, &clock, options()).unwrap();
    queues.create_queue("jobs", &[]).unwrap();
    let clone = queues.clone();
    drop(queues);
    clone.create_queue("more", &[]).unwrap();
    drop(clone);
    let recovered = recovery::read(&disk, u64::MAX).unwrap().unwrap();
    assert_eq!((recovered.engine.queues().count(), recovered.opened.replayed), (2, 0));
}

#[test]
fn closed_queues_leave_their_folder_to_the_next_and_never_come_back_to_it() {
    let folder = tempfile::tempdir().unwrap();
    let open = || LocalQueue::builder().data(folder.path()).open();
    let (first, _) = open().unwrap();
    first.create_queue("jobs", &[]).unwrap();
    assert!(open().is_err(), "it is in use");
    first.close().unwrap();
    let (second, opened) = open().unwrap();
    assert_eq!(opened.queues, 1);
    second.create_queue("more", &[]).unwrap();
    // What the first knew is old: neither another close nor its end may write it.
    first.close().unwrap();
    drop(first);
    assert!(open().is_err(), "it is still the second's");
    drop(second);
    assert_eq!(open().unwrap().1.queues, 2);
}
