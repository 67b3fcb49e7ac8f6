//! A disk that refuses, at every call: nothing that was answered is lost, and after a sync that failed nothing is answered.

use std::io::ErrorKind;

use super::{
    disk::{Failure, Loss, MemoryDisk},
    workload::{START, Workload, catch_up, open, options},
};
use crate::{
    clock::ManualClock,
    engine::{EngineError, IdSource, MessageBody, Receive, SendMessage},
    journal::recovery,
    local_queue::ReceiveStart,
};

const STEPS: usize = 120;

/// How often the disk is called in the workload of a seed.
fn calls(seed: u64) -> u64 {
    let (disk, clock) = (MemoryDisk::default(), ManualClock::new(START));
    let (queues, _) = open(&disk, &clock, options()).unwrap();
    let mut workload = Workload::new(queues, clock, seed);
    for _ in 0..STEPS {
        workload.step(&disk).unwrap();
    }
    disk.calls()
}

#[test]
fn a_disk_that_fails_at_any_call_loses_nothing_that_was_answered() {
    let mut failures = 0;
    for seed in 20..26 {
        for at in 0..calls(seed) {
            for kind in [ErrorKind::StorageFull, ErrorKind::Other] {
                for lasts in [false, true] {
                    let case = format!("workload {seed}, {kind:?} at call {at}, lasting: {lasts}");
                    fail(seed, Failure { at, kind, lasts }, &case);
                    failures += 1;
                }
            }
        }
    }
    assert!(failures > 1_000, "only {failures}");
}

fn fail(seed: u64, failure: Failure, case: &str) {
    let (disk, clock) = (MemoryDisk::failing(failure), ManualClock::new(START));
    // Where nothing can be written there are no queues, and nobody was promised any.
    let Ok((queues, _)) = open(&disk, &clock, options()) else { return };
    let mut workload = Workload::new(queues, clock, seed);
    for _ in 0..STEPS {
        let had_failed = workload.queues.failure().is_some();
        let _ = workload.step(&disk);
        let is_answered = workload.queues.wait(0).is_ok();
        assert!(!had_failed || !is_answered, "{case}: nothing is answered after a failure");
    }
    if workload.queues.failure().is_some() {
        let refused = workload.queues.create_queue("one-more", &[]);
        assert!(matches!(refused, Err(EngineError::Unavailable { .. })), "{case}: {refused:?}");
        assert!(workload.queues.close().is_ok(), "{case}: there is nothing to close");
    }
    let mut dice = IdSource::seeded(seed ^ failure.at);
    let after_a_kill = disk.sectors();
    let after_a_loss = after_a_kill.after(Loss::Some, &mut dice);
    for sectors in [after_a_kill, after_a_loss] {
        let recovered = recovery::read(&MemoryDisk::holding(sectors), u64::MAX);
        let recovered = recovered.unwrap_or_else(|error| panic!("{case}: {error}"));
        let Some(mut recovered) = recovered else {
            assert_eq!(workload.answered, 0, "{case}");
            continue;
        };
        assert!(recovered.last >= workload.answered, "{case}");
        let at = recovered.opened.last_at;
        catch_up(&mut recovered.engine, at);
        workload.compare(&recovered.engine, recovered.last, case);
    }
}

#[test]
fn a_full_disk_refuses_what_grows_and_lets_receives_and_deletes_go_on() {
    let (disk, clock) = (MemoryDisk::default(), ManualClock::new(START));
    let (queues, _) = open(&disk, &clock, options()).unwrap();
    let jobs = queues.create_queue("jobs", &[]).unwrap();
    let send = || queues.send(&jobs, SendMessage::new(MessageBody::parse("x".repeat(100)).unwrap()));
    for _ in 0..3 {
        send().unwrap();
    }
    disk.fail(Failure { at: disk.calls(), kind: ErrorKind::StorageFull, lasts: true });
    disk.only_room_fails();
    let refused = std::iter::repeat_with(send).take(100).find_map(Result::err).unwrap();
    assert!(refused.to_string().contains("the disk of the journal is full"), "{refused}");
    assert_eq!(queues.failure(), None, "that is no failure");
    let received = queues.begin_receive(&jobs, Receive::default()).unwrap();
    let ReceiveStart::Done(received) = received else { panic!("there are messages") };
    queues.delete(&jobs, received.value[0].receipt_handle).unwrap();
    disk.get_well();
    send().unwrap();
    let recovered = recovery::read(&MemoryDisk::holding(disk.sectors()), u64::MAX).unwrap().unwrap();
    assert_eq!(recovered.last, queues.journal_figures().unwrap().0);
}

#[test]
fn above_the_bytes_that_are_allowed_only_what_grows_is_refused() {
    let (disk, clock) = (MemoryDisk::default(), ManualClock::new(START));
    let options = crate::journal::Options { bytes_max: 20_000, ..options() };
    let (queues, _) = open(&disk, &clock, options).unwrap();
    let jobs = queues.create_queue("jobs", &[]).unwrap();
    let send = || queues.send(&jobs, SendMessage::new(MessageBody::parse("x".repeat(100)).unwrap()));
    let refused = std::iter::repeat_with(send).take(1_000).find_map(Result::err).unwrap();
    assert!(refused.to_string().contains("--data-max"), "{refused}");
    let bytes = disk.bytes();
    assert!((5_000..=20_000).contains(&bytes), "{bytes} bytes");
    // What is deleted makes room again.
    let receive = || match queues.begin_receive(&jobs, Receive { max_messages: 10, ..Receive::default() }).unwrap() {
        ReceiveStart::Done(received) => received.value,
        ReceiveStart::Waiting(_) => Vec::new(),
    };
    let mut deleted = 0;
    loop {
        let deliveries = receive();
        if deliveries.is_empty() {
            break;
        }
        for delivery in deliveries {
            queues.delete(&jobs, delivery.receipt_handle).unwrap();
            deleted += 1;
        }
    }
    assert!(deleted > 10, "{deleted} deleted");
    let accepted = (0..50).filter(|_| send().is_ok()).count();
    assert!(accepted >= 20, "{accepted} of 50 after everything was deleted");
}
