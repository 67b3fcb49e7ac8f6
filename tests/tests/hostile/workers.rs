//! The processes that do the work, seen from outside.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

use libtest_mimic::Failed;

use super::report::{Report, Verdict};
use super::work::{Work, seed};

/// Says that this program is a worker.
pub(crate) const FLAG: &str = "--worker";

/// A worker that says nothing for so long hangs. Time of the wall, so it is generous: the machine may be busy.
const SILENCE_MAX: Duration = Duration::from_secs(120);

/// Address space of a worker, in KiB: its ceiling, its files, its code, and what the system's allocator leaves unused.
const ADDRESS_SPACE_KIB: u64 = 4 * 1024 * 1024;

/// Findings after which nothing new is to be learned.
const PROBLEMS_MAX: usize = 50;

/// Does the work in as many processes as there are cores, and prints what came of it.
pub(crate) fn run(work: Work) -> Result<(), Failed> {
    let shares = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut report = Report::default();
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..shares).map(|share| scope.spawn(move || share_of(work, share, shares))).collect();
        for share in running {
            report.add(share.join().unwrap());
        }
    });
    print!("{report}");
    if report.problems.is_empty() {
        return Ok(());
    }
    let again = if work == Work::Mutants { format!("SEED={} ", seed()) } else { String::new() };
    let repeat = format!("repeat with: {again}cargo test -p tests --test hostile {}", work.name());
    Err(format!("{} findings\n{}\n{repeat}", report.problems.len(), report.problems.join("\n")).into())
}

/// One share of the work, in one process after the other as long as they die of files.
fn share_of(work: Work, share: usize, shares: usize) -> Report {
    let mut report = Report::default();
    let mut start = 0;
    while report.problems.len() < PROBLEMS_MAX {
        let mut worker = Worker::start(work, &format!("{share}/{shares}"), start);
        match worker.listen(&mut report) {
            None => break,
            Some(last) => start = last + 1,
        }
    }
    report
}

struct Worker {
    process: Child,
    lines: Receiver<String>,
}

impl Worker {
    fn start(work: Work, share: &str, start: u64) -> Self {
        let limit = format!("ulimit -v {ADDRESS_SPACE_KIB} && exec \"$@\"");
        let mut process = Command::new("sh")
            .args(["-c", &limit, "sh"])
            .arg(std::env::current_exe().unwrap())
            .args([FLAG, work.name(), share, &start.to_string()])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = process.stdout.take().unwrap();
        let (sender, lines) = sync_channel(1000);
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self { process, lines }
    }

    /// Reads what the worker says. The number of the file that it died of, if it did.
    fn listen(&mut self, report: &mut Report) -> Option<u64> {
        let mut current: Option<(u64, String, String)> = None;
        loop {
            let line = match self.lines.recv_timeout(SILENCE_MAX) {
                Ok(line) => line,
                Err(RecvTimeoutError::Timeout) => {
                    self.process.kill().unwrap();
                    self.process.wait().unwrap();
                    return current.map(|(number, _, name)| report.died(number, &name, "it hangs"));
                }
                Err(RecvTimeoutError::Disconnected) => {
                    let status = self.process.wait().unwrap();
                    return match current {
                        Some((number, _, name)) => {
                            Some(report.died(number, &name, &format!("the process ended: {status}")))
                        }
                        None if status.success() => None,
                        None => panic!("a worker ended between two files: {status}"),
                    };
                }
            };
            let fields: Vec<&str> = line.split('\t').collect();
            match (fields.as_slice(), &current) {
                (["began", number, family, name], _) => {
                    current = Some((number.parse().unwrap(), (*family).to_owned(), (*name).to_owned()));
                }
                (["problem", problem], Some((_, _, name))) => report.problems.push(format!("{name}: {problem}")),
                (["price", input, output, price, peak, made], _) => {
                    report.price(input, output, price.parse().unwrap(), peak.parse().unwrap(), *made == "1");
                }
                (["done", verdict, cpu, peak, probe], Some((_, family, name))) => {
                    let verdict = Verdict {
                        word: (*verdict).to_owned(),
                        cpu: Duration::from_micros(cpu.parse().unwrap()),
                        probe_cpu: Duration::from_micros(probe.parse().unwrap()),
                        peak_bytes: peak.parse().unwrap(),
                    };
                    report.note(family, name, &verdict);
                    current = None;
                }
                _ => panic!("a worker said {line:?}"),
            }
        }
    }
}
