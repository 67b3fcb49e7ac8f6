//! The main job, whole: a queue, a mapping, the handler's batch and a storage that fails, in memory and in virtual time.
//!
//! Every test ends with the ledger's check: each message is done, with its images as specified, or dead, with its reason;
//! nothing is lost, and nothing was deleted before.

use std::{collections::BTreeSet, time::Duration};

use tests::{
    SeedOnFailure,
    faults::{Fault, Operation},
    jobs::Job,
    ledger::Explained,
    seeds,
    stack::{Setup, Stack},
};
use tokio::time::Instant;

/// Of [`Setup::new`].
const VISIBILITY_TIMEOUT: Duration = Duration::from_secs(180);
const REDELIVERY: Explained = Explained { redelivery: true, redrive_after: None };

/// So many jobs in a drawn order, of which the given numbers are hopeless and fail twice before they work.
fn submit_mixed(stack: &Stack, count: usize, poison: usize, flaky: usize, random: &mut fastrand::Rng) {
    let mut jobs: Vec<Job> = (0..count)
        .map(|index| match index {
            _ if index < poison => Job::poison(index, index),
            _ if index < poison + flaky => Job::flaky(index, 2, random),
            _ => Job::good(index, random),
        })
        .collect();
    random.shuffle(&mut jobs);
    for job in jobs {
        stack.submit(job);
    }
}

#[tokio::test(start_paused = true)]
async fn of_two_hundred_jobs_each_is_done_or_dead_and_none_is_lost() {
    for seed in seeds(8) {
        let _seed = SeedOnFailure(seed);
        let stack = Stack::new(Setup::new(seed));
        submit_mixed(&stack, 200, 20, 20, &mut fastrand::Rng::with_seed(seed));
        let began = Instant::now();
        stack.run().await;
        stack.assert_all_is_well(Explained::default()).await;
        assert!(began.elapsed() < VISIBILITY_TIMEOUT, "what failed comes back after its own pause, which is shorter");
        // No message is delivered more often than its faults demand.
        for (name, deliveries) in stack.ledger().deliveries() {
            assert_eq!(deliveries, if name.contains("with 2 times") { 3 } else { 1 }, "{name}");
        }
        assert!(stack.answers().iter().all(|answer| answer.error.is_none()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_seed_repeats_its_run() {
    let seed = seeds(1)[0];
    let _seed = SeedOnFailure(seed);
    let mut runs = Vec::new();
    for _ in 0..3 {
        let stack = Stack::new(Setup::new(seed));
        submit_mixed(&stack, 100, 10, 20, &mut fastrand::Rng::with_seed(seed));
        stack.run().await;
        runs.push(format!("{:#?}", stack.answers()));
    }
    assert_eq!(runs[0], runs[1]);
    assert_eq!(runs[0], runs[2]);
}

#[tokio::test(start_paused = true)]
async fn without_a_dead_letter_queue_url_the_queues_own_redrive_ends_hopeless_jobs() {
    for seed in seeds(2) {
        let _seed = SeedOnFailure(seed);
        let max_receive_count = 3;
        let stack = Stack::new(Setup { direct_dead_letters: false, max_receive_count, ..Setup::new(seed) });
        submit_mixed(&stack, 60, 14, 6, &mut fastrand::Rng::with_seed(seed));
        stack.run().await;
        stack.assert_all_is_well(Explained { redelivery: false, redrive_after: Some(max_receive_count) }).await;
        for (name, deliveries) in stack.ledger().deliveries() {
            assert_eq!(deliveries, if name.starts_with("good") && !name.contains("with") { 1 } else { 3 }, "{name}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_one_of_ten_jobs_costs_that_job_alone_and_the_next_batch_works() {
    for operation in [Operation::Get, Operation::Put] {
        let stack = Stack::new(Setup::new(1));
        let function = stack.function().await;
        let random = &mut fastrand::Rng::with_seed(1);
        let mut panicking = String::new();
        for index in 0..10 {
            let job = Job::good(index, random);
            if index == 4 {
                panicking = stack.submit(job.failing(operation, Fault::Panics, 1));
            } else {
                stack.submit(job);
            }
        }
        stack.run_with(function.clone()).await;
        let answers = stack.answers();
        let (first, second) = (&answers[0], &answers[1]);
        assert_eq!((answers.len(), first.messages.len(), &first.error), (2, 10, &None));
        assert_eq!(first.reported, std::slice::from_ref(&panicking), "exactly the one that panicked is reported");
        assert_eq!((second.messages.as_slice(), second.reported.len()), ([panicking].as_slice(), 0));

        for index in 10..20 {
            stack.submit(Job::good(index, random));
        }
        stack.run_with(function).await;
        let next = &stack.answers()[2];
        assert_eq!((next.messages.len(), next.reported.len(), &next.error), (10, 0, &None));
        stack.assert_all_is_well(Explained::default()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_deadline_in_the_middle_of_a_batch_reports_what_was_not_done_and_that_is_done_later() {
    // Ten at once, four seconds each, nine seconds of work: twenty are done, ten are cut off, ten are never started.
    let stack = Stack::new(Setup {
        function_timeout: Duration::from_secs(10),
        batch_size: 40,
        batching_window: Duration::from_secs(1),
        latency_millis: 2000..=2000,
        ..Setup::new(1)
    });
    let random = &mut fastrand::Rng::with_seed(1);
    for index in 0..40 {
        stack.submit(Job::good(index, random));
    }
    let began = Instant::now();
    stack.run().await;
    assert!(began.elapsed() < VISIBILITY_TIMEOUT, "what had no time is soon retried");
    let answers = stack.answers();
    let first = &answers[0];
    assert_eq!((first.messages.len(), &first.error), (40, &None));
    assert_eq!(first.duration, Duration::from_secs(9), "the answer is out a reserve before the deadline");
    assert_eq!(first.reported, first.messages[20..], "what was cut off or never started comes back, and nothing else");
    let later: BTreeSet<_> = answers[1..].iter().flat_map(|answer| &answer.messages).collect();
    assert_eq!(later, first.reported.iter().collect());
    assert!(answers.iter().all(|answer| answer.error.is_none() && answer.duration <= Duration::from_secs(9)));
    stack.assert_all_is_well(Explained::default()).await;
}

#[tokio::test(start_paused = true)]
async fn a_function_with_less_time_than_its_reserve_does_its_jobs_all_the_same() {
    // A reserve of one second out of one second would leave no time at all: every message would be postponed untried until
    // its queue gives it up.
    let setup = Setup { function_timeout: Duration::from_secs(1), latency_millis: 100..=200, ..Setup::new(1) };
    let stack = Stack::new(setup);
    let random = &mut fastrand::Rng::with_seed(1);
    for index in 0..30 {
        stack.submit(Job::good(index, random));
    }
    stack.run().await;
    stack.assert_all_is_well(Explained::default()).await;
    assert!(stack.ledger().deliveries().values().all(|deliveries| *deliveries == 1));
    assert!(stack.answers().iter().all(|answer| answer.duration <= Duration::from_millis(750)));
}

#[tokio::test(start_paused = true)]
async fn a_message_that_was_postponed_is_not_received_again_at_once() {
    // A batch of ten takes one slow photo: nine are done, and the slow one is cut off four times before it is fast enough.
    let stack = Stack::new(Setup { function_timeout: Duration::from_secs(5), ..Setup::new(3) });
    let random = &mut fastrand::Rng::with_seed(3);
    let slow = Fault::Slow(Duration::from_secs(10));
    stack.submit(Job::good(0, random).failing(Operation::Get, slow, 4));
    let began = Instant::now();
    stack.run().await;
    stack.assert_all_is_well(Explained::default()).await;
    assert_eq!(stack.answers().len(), 5);
    let worked: Duration = stack.answers().iter().map(|answer| answer.duration).sum();
    let paused = began.elapsed().saturating_sub(worked);
    assert!((Duration::from_secs(4)..=Duration::from_secs(25)).contains(&paused), "four pauses took {paused:?}");
}

#[tokio::test(start_paused = true)]
async fn a_storage_that_never_answers_holds_neither_the_answer_nor_the_neighbours() {
    for operation in [Operation::Get, Operation::Put] {
        let stack = Stack::new(Setup::new(1));
        let random = &mut fastrand::Rng::with_seed(1);
        let hanging = stack.submit(Job::good(0, random).failing(operation, Fault::Hangs, 1));
        for index in 1..10 {
            stack.submit(Job::good(index, random));
        }
        stack.run().await;
        let first = &stack.answers()[0];
        assert_eq!((&first.reported, &first.error), (&vec![hanging], &None));
        assert_eq!(first.duration, Duration::from_secs(29));
        stack.assert_all_is_well(Explained::default()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn messages_that_are_delivered_twice_do_no_harm() {
    for seed in seeds(3) {
        let _seed = SeedOnFailure(seed);
        // With a window a batch is collected from several receives, so both copies may be in one batch.
        let batching_window = Duration::from_secs(3);
        let stack = Stack::new(Setup { copies_percent: 50, batch_size: 40, batching_window, ..Setup::new(seed) });
        submit_mixed(&stack, 120, 14, 12, &mut fastrand::Rng::with_seed(seed));
        stack.run().await;
        stack.assert_all_is_well(REDELIVERY).await;
        let delivered: u32 = stack.ledger().deliveries().values().sum();
        assert!(delivered > 120 + 24 + 30, "{delivered} deliveries: many were copied");
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_that_is_received_again_while_it_runs_is_done_and_not_lost() {
    for seed in seeds(3) {
        let _seed = SeedOnFailure(seed);
        let stack = Stack::new(Setup {
            // Enough that somebody is free to receive what comes back while the others still work on it.
            maximum_concurrency: 20,
            max_receive_count: 100,
            visibility_timeout_later: Some(Duration::from_secs(5)),
            ..Setup::new(seed)
        });
        let random = &mut fastrand::Rng::with_seed(seed);
        for index in 0..60 {
            let slow = Fault::Slow(Duration::from_secs(8));
            stack.submit(match index % 6 {
                0 => Job::good(index, random).failing(Operation::Get, slow, 2),
                1 => Job::good(index, random).failing(Operation::Put, slow, 1),
                2 => Job::poison(index, index / 6),
                _ => Job::good(index, random),
            });
        }
        stack.run().await;
        stack.assert_all_is_well(REDELIVERY).await;
        let again = stack.ledger().deliveries().values().filter(|deliveries| **deliveries > 1).count();
        assert!(again >= 20, "{again} messages came back while they were worked on");
    }
}
