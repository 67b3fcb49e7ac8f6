//! The server as its users have it: `cargo bench --profile release -p local-queue --bench serve`.
//!
//! It is started as a process, as it ships, and loaded from this one over 16 connections, in turn with a bare hyper server
//! that answers constants: the floor, which no server on hyper comes below. What a request costs is processor time of the
//! server, which other processes disturb least; requests a second of the clock stand beside it. Another binary, such as one
//! of an earlier commit, is measured with `-- PATH`. At the end stand queues that are kept: on the disk of `TMPDIR`.

#![expect(clippy::unwrap_used, reason = "a benchmark stops at the first thing that goes wrong")]
#![expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
#![expect(clippy::cast_precision_loss, reason = "figures for people")]

mod floor;
mod kept;
mod load;
mod pages;
mod process;
mod stack;

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use self::{
    load::{Load, Measured},
    process::Served,
};

const CONNECTIONS: usize = 16;
/// Pages of the console that are open beside these.
const PAGES: usize = 50;
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(3);

fn main() {
    let arguments = std::env::args().skip(1).filter(|argument| argument != "--bench").collect::<Vec<_>>();
    if arguments.first().is_some_and(|argument| argument == floor::ARGUMENT) {
        return floor::serve();
    }
    if arguments.first().is_some_and(|argument| argument == kept::ARGUMENT) {
        return kept::fill(&arguments);
    }
    let ours = arguments.first().map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_local-queue")), PathBuf::from);
    println!("{} at commit {}, on {}", ours.display(), commit(), machine());
    println!("{:<42} {:>9} {:>9} {:>6}   {:>9} {:>9} {:>6}", "", "ours", "floor", "ratio", "ours", "floor", "ratio");
    println!("{:<42} {:^26}   {:^26}", "requests", "a second of the processor", "a second of the clock");
    let template = stack::small();
    for (name, load, connections) in [
        ("SendMessage, 256 bytes", Load::Send, CONNECTIONS),
        ("the same to a FIFO queue, 100 groups", Load::Fifo, CONNECTIONS),
        ("10 sends, a receive and a delete of 10", Load::Cycle, CONNECTIONS),
        ("SendMessage, 256 bytes, one connection", Load::Send, 1),
        ("POST to an API that sends, 256 bytes", Load::Post, CONNECTIONS),
    ] {
        let (mut measured, mut beside) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let floor = Served::start(Command::new(std::env::current_exe().unwrap()).arg(floor::ARGUMENT));
            beside.push(load::run(&floor, load, connections, ROUND));
            drop(floor);
            let mut command = Command::new(&ours);
            command.args(["serve", "--listen", "127.0.0.1:0"]);
            if load == Load::Post {
                command.arg("--template").arg(template.path());
            }
            let ours = Served::start(&mut command);
            measured.push(load::run(&ours, load, connections, ROUND));
        }
        let both = |figure: fn(&Measured) -> f64| [&measured, &beside].map(|rounds| median(rounds.iter().map(figure)));
        let [busy, clock] = [both(Measured::per_processor_second), both(Measured::per_second)];
        let ratio = |[ours, floor]: [f64; 2]| format!("{ours:>9.0} {floor:>9.0} {:>6.2}", ours / floor);
        println!("{name:<42} {}   {}", ratio(busy), ratio(clock));
    }
    with_pages(&ours);
    stack::measure(&ours);
    kept::measure(&ours);
}

/// What open pages of the console cost a load.
fn with_pages(ours: &Path) {
    let mut measured = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        for (rounds, pages) in measured.iter_mut().zip([0, PAGES]) {
            let served = Served::start(Command::new(ours).args(["serve", "--listen", "127.0.0.1:0"]));
            rounds.push(load::run_with_pages(&served, Load::Cycle, CONNECTIONS, ROUND, pages));
        }
    }
    let [without, with] = measured.map(|rounds| {
        [Measured::per_processor_second, Measured::per_second].map(|figure| median(rounds.iter().map(figure)))
    });
    println!(
        "{PAGES} open pages of the console leave {:.1} % of the requests a second of the processor, and {:.1} % of the clock",
        with[0] / without[0] * 100.0,
        with[1] / without[1] * 100.0
    );
}

fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut figures = figures.collect::<Vec<_>>();
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

fn commit() -> String {
    let git = Command::new("git").args(["describe", "--always", "--dirty"]).output();
    let commit = git.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default();
    if commit.is_empty() { "(unknown)".to_owned() } else { commit }
}

fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let about = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = about.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    format!("{cores} cores of {}", model.map_or(std::env::consts::ARCH, |(_, model)| model))
}
