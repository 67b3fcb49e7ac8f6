//! Queues that are kept in a folder: what their answers cost, how soon they are there again, and how long they stop for a
//! snapshot.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use local_queue::{
    LocalQueue,
    engine::{MessageBody, SendMessage},
    journal::Durability,
};

use super::{
    ROUND, ROUNDS,
    load::{self, Load},
    median,
    process::Served,
};

/// Makes this program one that fills a folder, and ends as one that is killed does.
pub(super) const ARGUMENT: &str = "fill";

const BODY_BYTES: usize = 256;
/// After this long everything is with the disk.
const SETTLED: Duration = Duration::from_secs(2);

/// `fill FOLDER MESSAGES`.
pub(super) fn fill(arguments: &[String]) {
    let (queues, _) = open(Path::new(&arguments[1]));
    send(&queues, arguments[2].parse().unwrap());
    // The log gets to the disk; then the process ends as by a kill.
    thread::sleep(SETTLED);
    std::process::abort();
}

fn open(folder: &Path) -> (LocalQueue, local_queue::journal::Opened) {
    LocalQueue::builder().data(folder).durability(Durability::Relaxed).open().unwrap()
}

/// Sends so many messages, and says how long each took.
fn send(queues: &LocalQueue, messages: usize) -> Vec<Duration> {
    let jobs = queues.create_queue("jobs", &[]).unwrap();
    let body = MessageBody::parse("x".repeat(BODY_BYTES)).unwrap();
    let timed = |_| {
        let began = Instant::now();
        queues.send(&jobs, SendMessage::new(body.clone())).unwrap();
        began.elapsed()
    };
    (0..messages).map(timed).collect()
}

pub(super) fn measure(ours: &Path) {
    println!(
        "\nqueues that are kept: SendMessage, {BODY_BYTES} bytes, requests a second of the clock (of the processor)"
    );
    let modes = [("in memory", None), ("--data, relaxed", Some("relaxed")), ("--data", Some("synced"))];
    for connections in [16, 64] {
        for (name, durability) in modes {
            println!("{name:<17} {connections} connections: {}", throughput(ours, durability, connections));
        }
    }
    for messages in [100_000, 1_000_000] {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let filled = Command::new(std::env::current_exe().unwrap())
            .args([ARGUMENT, data.to_str().unwrap(), &messages.to_string()])
            .status();
        assert!(!filled.unwrap().success(), "it ends as if it were killed");
        let after_kill = ready(ours, &data);
        let after_stop = ready(ours, &data);
        println!("{messages} messages: ready {after_kill:?} after a kill, {after_stop:?} after a clean stop");
        if messages == 1_000_000 {
            pause(&data);
        }
    }
}

fn throughput(ours: &Path, durability: Option<&str>, connections: usize) -> String {
    let (mut clock, mut processor, mut said) = (Vec::new(), Vec::new(), String::new());
    for _ in 0..ROUNDS {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(ours);
        command.args(["serve", "--listen", "127.0.0.1:0"]);
        if let Some(durability) = durability {
            command.args(["--durability", durability, "--data"]).arg(folder.path());
        }
        let served = Served::start(&mut command);
        let measured = load::run(&served, Load::Send, connections, ROUND);
        clock.push(measured.per_second());
        processor.push(measured.per_processor_second());
        if durability.is_some() {
            let metrics = get(&served, "metrics");
            let value =
                |name: &str| metrics.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<f64>().ok());
            let records = value("local_queue_journal_records_total").unwrap();
            let per_sync = records / value("local_queue_journal_syncs_total").unwrap().max(1.0);
            let in_log = bytes(folder.path()) / records;
            served.stop();
            let in_snapshot = bytes(folder.path()) / records;
            said = format!(
                ", {per_sync:.1} records a sync, {in_log:.0} bytes each in the log, {in_snapshot:.0} in a snapshot"
            );
        }
    }
    format!("{:.0} ({:.0}){said}", median(clock.into_iter()), median(processor.into_iter()))
}

/// Asks the developer's API.
fn get(served: &Served, path: &str) -> String {
    let mut stream = TcpStream::connect(served.address).unwrap();
    write!(stream, "GET /_local-queue/{path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// Bytes of logs and snapshots, with the room that is taken ahead.
fn bytes(folder: &Path) -> f64 {
    files(folder).map(|path| path.metadata().map_or(0, |metadata| metadata.len())).sum::<u64>() as f64
}

fn files(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|it| it == "log" || it == "snapshot" || it == "tmp"))
}

/// From the start of the server to its first answer; then it is stopped.
fn ready(ours: &Path, data: &Path) -> Duration {
    let began = Instant::now();
    let mut command = Command::new(ours);
    command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(data).stderr(std::process::Stdio::null());
    let served = Served::start(&mut command);
    assert!(get(&served, "health").contains("ok"));
    let ready = began.elapsed();
    served.stop();
    ready
}

/// How long a call takes at most while a snapshot is made: sends, until one has been.
fn pause(data: &Path) {
    let (queues, _) = open(data);
    let snapshots = || files(data).filter(|path| path.extension().is_some_and(|it| it == "snapshot")).max();
    let (before, is_made) = (snapshots(), AtomicBool::new(false));
    let mut times = Vec::new();
    thread::scope(|scope| {
        scope.spawn(|| {
            while snapshots() == before {
                thread::sleep(Duration::from_millis(10));
            }
            is_made.store(true, Ordering::Relaxed);
        });
        while !is_made.load(Ordering::Relaxed) {
            times.extend(send(&queues, 10_000));
        }
    });
    times.sort_unstable();
    let (longest, most) = (times[times.len() - 1], times[times.len() - 1 - times.len() / 10_000]);
    println!(
        "a call while a snapshot of {} messages is made: {longest:?} at most, {most:?} of 9,999 in 10,000",
        1_000_000 + times.len()
    );
}
