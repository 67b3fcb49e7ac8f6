//! Invocations that fail as a whole: before, in the middle of, or after the work. And functions that lie, which the
//! ledger has to find out.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use local_queue::event_source_mapping::{FunctionError, Invocation};
use serde_json::Value;
use tests::{
    SeedOnFailure,
    faults::{Fault, Operation},
    jobs::{Fate, Job, POISONS, Reason},
    ledger::Explained,
    seeds,
    stack::{Reply, Setup, Stack},
};

/// How an invocation is spoilt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spoilt {
    /// It fails before any work.
    ErrorBefore,
    /// It fails when all is done.
    ErrorAfter,
    /// It panics when all is done.
    CrashAfter,
    /// It is killed in the middle of the work.
    Killed,
    /// It does all and never answers.
    TimesOut,
    /// It does all and answers nonsense.
    Nonsense,
}

const WAYS: [Spoilt; 6] =
    [Spoilt::ErrorBefore, Spoilt::ErrorAfter, Spoilt::CrashAfter, Spoilt::Killed, Spoilt::TimesOut, Spoilt::Nonsense];

fn error(message: &str) -> Result<Bytes, FunctionError> {
    Err(FunctionError::Failed { error_type: "Spoilt".to_owned(), message: message.to_owned() })
}

async fn spoil(way: Spoilt, work: Reply) -> Result<Bytes, FunctionError> {
    match way {
        Spoilt::ErrorBefore => return error("before"),
        Spoilt::Killed => {
            let _ = tokio::time::timeout(Duration::from_millis(700), work).await;
            return error("killed");
        }
        _ => {}
    }
    work.await?;
    match way {
        Spoilt::CrashAfter => panic!("spoilt after the work"),
        Spoilt::TimesOut => std::future::pending().await,
        Spoilt::Nonsense => Ok(Bytes::from_static(b"{\"batchItemFailures\":[{\"itemIdentifier\":\"\"}]}")),
        _ => error("after"),
    }
}

/// Spoils some of the first invocations, drawn from the seed: the first of each way, then whatever comes. Those in whose
/// event the cursed text occurs are always spoilt.
fn spoiling(
    seed: u64,
    invocations: usize,
    cursed: &'static str,
    function: impl Fn(Invocation) -> Reply + Send + Sync + 'static,
) -> impl Fn(Invocation) -> Reply + Send + Sync + 'static {
    let random = Mutex::new(fastrand::Rng::with_seed(seed));
    let count = AtomicUsize::new(0);
    move |invocation| {
        let is_cursed = std::str::from_utf8(&invocation.event).unwrap().contains(cursed);
        let work = function(invocation);
        let number = count.fetch_add(1, Ordering::SeqCst);
        let random = &mut *random.lock().unwrap();
        let way = if number < WAYS.len() { WAYS[number] } else { WAYS[random.usize(..WAYS.len())] };
        let is_spoilt = is_cursed || number < WAYS.len() || (number < invocations && random.u8(..100) < 60);
        if is_spoilt { Box::pin(spoil(way, work)) } else { work }
    }
}

fn submit_mixed(stack: &Stack, count: usize, random: &mut fastrand::Rng) {
    for index in 0..count {
        stack.submit(match index % 5 {
            0 => Job::poison(index, index / 5),
            1 => Job::flaky(index, 2, random),
            _ => Job::good(index, random),
        });
    }
}

#[tokio::test(start_paused = true)]
async fn after_invocations_that_fail_in_every_way_all_is_done_or_dead() {
    for seed in seeds(4) {
        let _seed = SeedOnFailure(seed);
        let stack = Stack::new(Setup { max_receive_count: 100, ..Setup::new(seed) });
        submit_mixed(&stack, 5 * POISONS, &mut fastrand::Rng::with_seed(seed));
        stack.run_with(spoiling(seed, 20, "no job", stack.function().await)).await;
        let failed = stack.answers().iter().filter(|answer| answer.error.is_some()).count();
        assert!(failed >= WAYS.len(), "{failed} invocations failed");
        stack.assert_all_is_well(Explained { redelivery: true, redrive_after: None }).await;
    }
}

#[tokio::test(start_paused = true)]
async fn invocations_that_go_on_failing_end_in_redrive_and_never_in_loss() {
    let max_receive_count = 3;
    for seed in seeds(4) {
        let _seed = SeedOnFailure(seed);
        let stack = Stack::new(Setup { max_receive_count, ..Setup::new(seed) });
        for index in 0..60 {
            let random = &mut fastrand::Rng::with_seed(seed + index as u64);
            let job = if index % 6 == 0 { Job::poison(index, index / 6) } else { Job::good(index, random) };
            stack.submit(job);
        }
        stack.run_with(spoiling(seed, usize::MAX, "photos/001/photo", stack.function().await)).await;
        stack.assert_all_is_well(Explained { redelivery: true, redrive_after: Some(max_receive_count) }).await;
        let strict = stack.violations(Explained { redelivery: true, redrive_after: None }).await;
        let cursed = "good 1: dead-lettered without need after 3 deliveries";
        assert!(strict.iter().any(|line| line.starts_with(cursed)), "{strict:?}");
        assert!(stack.ledger().deliveries().values().all(|deliveries| *deliveries <= max_receive_count));
    }
}

#[tokio::test(start_paused = true)]
async fn a_function_that_does_not_look_at_its_deadline_is_cut_off_and_its_batch_comes_back() {
    let stack = Stack::new(Setup { deadline_reserve: None, ..Setup::new(1) });
    let random = &mut fastrand::Rng::with_seed(1);
    for index in 0..10 {
        let job = Job::good(index, random);
        stack.submit(if index == 7 { job.failing(Operation::Put, Fault::Hangs, 1) } else { job });
    }
    stack.run().await;
    let answers = stack.answers();
    let error = answers[0].error.as_deref();
    assert_eq!((error, answers[0].reported.len()), (Some("function timed out after 30.00 seconds"), 10));
    stack.assert_all_is_well(Explained::default()).await;
    assert!(stack.ledger().deliveries().values().all(|deliveries| *deliveries == 2));
}

/// Gives the function another event than it was sent.
fn altered(
    function: impl Fn(Invocation) -> Reply + Send + Sync + 'static,
    alter: impl Fn(&mut String) + Send + Sync + 'static,
) -> Box<dyn Fn(Invocation) -> Reply + Send + Sync> {
    Box::new(move |mut invocation| {
        let mut event: Value = serde_json::from_slice(&invocation.event).unwrap();
        for record in event["Records"].as_array_mut().unwrap() {
            let mut body = record["body"].as_str().unwrap().to_owned();
            alter(&mut body);
            record["body"] = body.into();
        }
        invocation.event = event.to_string().into();
        function(invocation)
    })
}

/// Gives the mapping another answer than the function's.
fn answering(
    answer: Result<&'static str, FunctionError>,
    function: impl Fn(Invocation) -> Reply + Send + Sync + 'static,
) -> Box<dyn Fn(Invocation) -> Reply + Send + Sync> {
    let function = Arc::new(function);
    Box::new(move |invocation| {
        let (function, answer) = (function.clone(), answer.clone());
        Box::pin(async move {
            let _ = function(invocation).await;
            answer.map(|answer| Bytes::from_static(answer.as_bytes()))
        })
    })
}

/// The checker is checked: whatever a function does wrong, the ledger says so, in these words.
#[tokio::test(start_paused = true)]
async fn a_function_that_does_wrong_is_found_out() {
    let nothing = || |_: Invocation| -> Reply { Box::pin(async { Ok(Bytes::new()) }) };
    for (name, expected) in [
        ("does nothing", "good 1: deleted before it was done: 001/"),
        ("does nothing", "good 1: lost: 001/"),
        ("does nothing", "poison 0: not JSON: not in the dead-letter queue"),
        ("reports nothing", "of Get: deleted before it was done: 002/"),
        ("always fails", "good 1: dead-lettered without need after 5 deliveries"),
        ("always fails", "poison 0: not JSON: more than one dead letter: 5 sent and 1 redriven after 5 deliveries"),
        ("makes other sizes", "good 1: deleted before it was done: 001/0.png is (8, 11), not 8x8"),
        ("makes other formats", "is Ok(WebP), not Png"),
        ("takes other photos", "another job's photo?"),
        ("writes elsewhere", "nobody asked for elsewhere/001/"),
        ("changes bodies", "poison 0: not JSON: its body was changed to"),
        ("gives other reasons", "poison 0: not JSON: expected Reason { kind: \"loop\""),
    ] {
        let stack = Stack::new(Setup::new(1));
        let random = &mut fastrand::Rng::with_seed(1);
        let mut poison = Job::poison(0, 6);
        if name == "gives other reasons" {
            poison.fate = Fate::Dead(Reason { kind: "loop", blame: "job", names: "outputs[0].target" });
        }
        stack.submit(poison);
        stack.submit(Job::good(1, random));
        stack.submit(Job::good(2, random).failing(Operation::Get, Fault::Status(503), 1));
        for index in 3..9 {
            stack.submit(Job::good(index, random));
        }
        let function = stack.function().await;
        let replace = |from: &'static str, to: &'static str| move |body: &mut String| *body = body.replace(from, to);
        stack
            .run_with(match name {
                "does nothing" => Box::new(nothing()),
                "reports nothing" => answering(Ok("{}"), function),
                "always fails" => answering(error("always").map(|_| ""), function),
                "makes other sizes" => altered(function, replace("\"height\"", "\"quality\"")),
                "makes other formats" => altered(function, replace("\"format\":\"png\"", "\"format\":\"webp\"")),
                "takes other photos" => altered(function, replace("photos/001", "photos/003")),
                "writes elsewhere" => altered(function, replace("thumbs/", "thumbs/elsewhere/")),
                "changes bodies" => altered(function, |body| body.push(' ')),
                _ => Box::new(function),
            })
            .await;
        let violations = stack.violations(Explained::default()).await;
        assert!(violations.iter().any(|line| line.contains(expected)), "{name}: {expected}\n{}", violations.join("\n"));
    }
}
