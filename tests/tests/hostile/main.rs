//! Hostile images: nothing panics, nothing takes more memory than was named or more time than is due, every refusal says why.
//!
//! Memory can only be measured for a whole process. This program therefore runs itself again: each [`work`] is shared out
//! among as many processes as there are cores, each of one thread under an allocator with a ceiling and, as a second net,
//! a limit on its address space. A process that dies of a file is a finding like any other, and the next one goes on after
//! that file.
//!
//! `SEED=7` sets the seed of the mutants, `MUTANTS=1000` their number, `PRICES=all` makes each input into each output instead
//! of every other one, `SLOW=1` makes all of it what a release needs.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

mod meter;
mod report;
mod work;
mod workers;

use libtest_mimic::{Arguments, Trial};

use self::work::Work;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, flag, work, share, start] = arguments.as_slice()
        && flag == workers::FLAG
    {
        return work::run(work, share, start);
    }
    let mut arguments = Arguments::from_args();
    // One after the other: each takes all cores.
    arguments.test_threads = Some(1);
    let trials = Work::ALL.map(|work| Trial::test(work.name(), move || workers::run(work)));
    libtest_mimic::run(&arguments, trials.into()).exit();
}
