//! The engine equals its model: random workloads in virtual time.
//!
//! `SEED=7` runs one seed, `SEEDS=1984` sets the number of the varying ones, `SEEDS_FROM=word` derives them from a word
//! instead of the commit, and `SLOW=1` is for a release.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::{
    env,
    hash::{DefaultHasher, Hash, Hasher},
    process::Command,
    sync::Mutex,
    thread,
};

use local_queue_engine::canary::{self, Canary};
use simulation::{Difference, Options, Report};

const SEEDS_FIXED: u64 = 64;
const SEEDS_VARYING: u64 = 436;
const SEEDS_SLOW: u64 = 198_400;
const STEPS: u64 = 2_500;

const OPTIONS: Options = Options { steps: STEPS, traces: false, checks: true };

fn is_slow() -> bool {
    env::var_os("SLOW").is_some_and(|slow| slow == "1")
}

fn seeds_varying() -> u64 {
    let wanted = if is_slow() { SEEDS_SLOW } else { SEEDS_VARYING };
    env::var("SEEDS").map_or(wanted, |count| count.parse().expect("SEEDS is a number"))
}

/// What the varying seeds are made from: `SEEDS_FROM`, else the commit, else nothing.
fn seeds_from() -> String {
    let commit = || {
        let output = Command::new("git").args(["rev-parse", "HEAD"]).output().ok()?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    env::var("SEEDS_FROM").ok().or_else(commit).unwrap_or_default()
}

fn seeds(varying: u64) -> Vec<u64> {
    let from = seeds_from();
    println!("{SEEDS_FIXED} fixed seeds, and {varying} from {from:?}");
    let varied = (0..varying).map(|index| {
        let mut hasher = DefaultHasher::new();
        (&from, index).hash(&mut hasher);
        hasher.finish()
    });
    (0..SEEDS_FIXED).chain(varied).collect()
}

/// Runs seeds on all cores, and hands each report to `see`.
fn run_all(seeds: &[u64], options: Options, see: impl Fn(u64, Report) + Sync) {
    let next = Mutex::new(seeds.iter());
    let failure: Mutex<Option<Box<Difference>>> = Mutex::new(None);
    let worker = || {
        while let Some(&seed) = next.lock().ok().and_then(|mut seeds| seeds.next()) {
            match simulation::run(seed, options) {
                Ok(report) => see(seed, report),
                Err(difference) => {
                    *failure.lock().unwrap() = Some(difference);
                    next.lock().unwrap().by_ref().for_each(drop);
                }
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(worker);
        }
    });
    if let Some(difference) = failure.into_inner().unwrap() {
        panic!("{difference}");
    }
}

#[test]
fn the_engine_equals_the_model() {
    let seeds = match env::var("SEED") {
        Ok(seed) => vec![seed.parse().expect("SEED is a number")],
        Err(_) => seeds(seeds_varying()),
    };
    let total = Mutex::new(Report::default());
    run_all(&seeds, OPTIONS, |_, report| {
        let mut total = total.lock().unwrap();
        total.operations += report.operations;
        total.simulated_millis += report.simulated_millis;
        total.deliveries += report.deliveries;
        total.fifo_deliveries += report.fifo_deliveries;
        total.fifo_groups += report.fifo_groups;
    });
    let total = total.into_inner().unwrap();
    println!("{} seeds: {total:?}, {} days in the queues", seeds.len(), total.simulated_millis / 86_400_000);
    if seeds.len() > 1 {
        assert!(total.operations >= seeds.len() as u64 * 2_450, "each seed asks much");
        assert!(total.fifo_groups * 2 >= seeds.len() as u64, "FIFO queues were seen with many groups");
    }
}

/// Calls within which a planted bug must be found.
const CANARY_OPERATIONS_MAX: u64 = 200_000;

/// Calls until a planted bug is found, if it is.
fn hunt(canary: Canary) -> Option<u64> {
    let options = Options { checks: false, ..OPTIONS };
    let mut operations = 0;
    canary::plant(Some(canary));
    for seed in 0.. {
        match simulation::run(seed, options) {
            Ok(report) => operations += report.operations,
            Err(difference) => {
                operations += difference.operations;
                break;
            }
        }
        if operations > CANARY_OPERATIONS_MAX {
            break;
        }
    }
    canary::plant(None);
    (operations <= CANARY_OPERATIONS_MAX).then_some(operations)
}

#[test]
fn every_planted_bug_is_found() {
    let found: Vec<(Canary, Option<u64>)> = Canary::ALL.into_iter().map(|canary| (canary, hunt(canary))).collect();
    for (canary, operations) in &found {
        println!("{:<32} {operations:?}", format!("{canary:?}"));
    }
    let survivors: Vec<Canary> = found.iter().filter(|found| found.1.is_none()).map(|found| found.0).collect();
    assert!(survivors.is_empty(), "these were not found: {survivors:?}");
}

#[test]
fn the_same_seed_makes_the_same_run() {
    let count = if is_slow() { 2_000 } else { 200 };
    let options = Options { steps: 1_000, traces: true, checks: false };
    let traces = |seeds: Vec<u64>| {
        let traces = Mutex::new(vec![0; count]);
        run_all(&seeds, options, |seed, report| {
            traces.lock().unwrap()[usize::try_from(seed).expect("a small seed")] = report.trace;
        });
        traces.into_inner().unwrap()
    };
    let once = traces((0..count as u64).collect());
    assert_eq!(once, traces((0..count as u64).rev().collect()));
    assert!(once.windows(2).all(|pair| pair[0] != pair[1]), "each seed makes another run");
}
