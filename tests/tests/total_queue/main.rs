//! Nothing is lost and nothing is invented: 16 producers and 16 consumers that crash and come back, against the program
//! `local-queue serve` over HTTP, with injected faults, judged by what the clients saw.
//!
//! After Jepsen's test of queues: every message is *lost* (it was acknowledged and never came), *unexpected* (it came and
//! was never sent, or its sender was told that nothing was done), *recovered* (its sender never knew, and it came), or
//! simply delivered; and whatever comes twice must have a reason. `SLOW=1` sends 100,000 messages, otherwise fewer.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

mod checker;
mod client;
mod clients;

use std::{
    env,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::{Value, json};

use self::{
    checker::{Findings, History},
    client::Client,
};

const PRODUCERS: usize = 16;
const CONSUMERS: usize = 16;
/// Of each producer; more than a batch has entries, so that a batch never holds two messages of a group.
const GROUPS_EACH: usize = 63;
const VISIBILITY: Duration = Duration::from_secs(2);
/// How often a process is killed that keeps its queues.
const KILLS: usize = 6;

/// What is done to one queue.
struct Run {
    queue: &'static str,
    fifo: bool,
    messages: usize,
    /// Whether messages are delivered twice on purpose.
    duplicates: bool,
    address: SocketAddr,
    history: Mutex<History>,
}

/// The emulator as a process, which ends with the test.
struct Emulator(Child, SocketAddr);

impl Emulator {
    fn start(address: &str, data: Option<&Path>) -> Self {
        let mut command = Command::new(tests::binaries::local_queue());
        command.args(["serve", "--listen", address]).stdout(Stdio::piped()).stderr(Stdio::null());
        if let Some(data) = data {
            command.arg("--data").arg(data);
        }
        let mut child = command.spawn().unwrap();
        let first = BufReader::new(child.stdout.take().unwrap()).lines().next().unwrap().unwrap();
        let address = first.split("http://").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
        Self(child, address)
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn messages() -> usize {
    if env::var_os("SLOW").is_some_and(|slow| slow == "1") { 50_000 } else { 6_000 }
}

/// Kills the emulator so often while messages are sent, and starts it again, which goes on with what it has kept.
async fn kill(run: Arc<Run>, mut emulator: Emulator, data: PathBuf, kills: usize) -> Emulator {
    for kill in 1..=kills {
        while run.history.lock().unwrap().acknowledged() < kill * run.messages / 2 / kills {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        drop(emulator);
        emulator = Emulator::start(&run.address.to_string(), Some(&data));
        run.inject_faults(&mut Client::new(run.address)).await;
    }
    emulator
}

async fn run(queue: &'static str, duplicates: bool, messages: usize, kills: usize) -> Findings {
    let data = tempfile::tempdir().unwrap();
    let emulator = Emulator::start("127.0.0.1:0", (kills > 0).then_some(data.path()));
    let address = emulator.1;
    let fifo = queue.strip_suffix(".fifo").is_some();
    let history = Mutex::new(History::new());
    let run = Arc::new(Run { queue, fifo, messages, duplicates, address, history });
    let mut admin = Client::new(address);
    let mut attributes = json!({ "VisibilityTimeout": VISIBILITY.as_secs().to_string() });
    if fifo {
        attributes["FifoQueue"] = json!("true");
    }
    admin.call("CreateQueue", &json!({ "QueueName": queue, "Attributes": attributes })).await.unwrap();
    run.inject_faults(&mut admin).await;

    let (stop, stopped) = tokio::sync::watch::channel(false);
    let consumers: Vec<_> = (0..CONSUMERS)
        .map(|number| tokio::spawn(clients::consume(Arc::clone(&run), number, stopped.clone())))
        .collect();
    let producers: Vec<_> =
        (0..PRODUCERS).map(|number| tokio::spawn(clients::produce(Arc::clone(&run), number))).collect();
    let emulator = kill(Arc::clone(&run), emulator, data.path().to_owned(), kills).await;
    for producer in producers {
        producer.await.unwrap();
    }
    // Its connection has been idle, perhaps for longer than the server keeps one.
    admin.crash();
    admin.developer("DELETE", "faults", &Value::Null).await.unwrap();
    let struck = admin.developer("GET", "faults", &Value::Null).await.unwrap()["struck"].clone();
    while admin.messages_left(queue).await > 0 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    stop.send(true).unwrap();
    for consumer in consumers {
        consumer.await.unwrap();
    }
    let duplications = struck["duplicate_delivery"].as_u64().unwrap_or(0);
    drop(emulator);
    let run = Arc::into_inner(run).expect("all clients have ended");
    run.history.into_inner().unwrap().judge(fifo, VISIBILITY, duplications)
}

impl Run {
    async fn inject_faults(&self, admin: &mut Client) {
        let mut faults = vec![
            json!({ "effect": "lost_response", "probability": 0.02 }),
            json!({ "effect": "latency", "milliseconds": 10, "probability": 0.05 }),
            json!({ "effect": "internal_error", "probability": 0.01 }),
            json!({ "effect": "throttle", "probability": 0.01 }),
            json!({ "effect": "partial_failure", "share": 0.3, "probability": 0.03 }),
            json!({ "effect": "reordering", "probability": 0.1 }),
        ];
        if self.duplicates {
            faults.push(json!({ "effect": "duplicate_delivery", "probability": 0.02 }));
        }
        for mut fault in faults {
            fault["queue"] = json!(self.queue);
            admin.developer("POST", "faults", &fault).await.unwrap();
        }
    }
}

fn judged(queue: &'static str, duplicates: bool, messages: usize, kills: usize) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let findings = runtime.block_on(run(queue, duplicates, messages, kills));
    println!("{queue}{}, killed {kills} times: {findings}", if duplicates { " with duplicates" } else { "" });
    findings.assert(messages);
    if queue.strip_suffix(".fifo").is_some() {
        assert!(findings.groups >= 1_000, "{} groups", findings.groups);
    }
}

#[test]
fn a_standard_queue_loses_nothing_and_invents_nothing() {
    judged("jobs", false, messages() / 2, 0);
}

#[test]
fn a_standard_queue_that_delivers_twice_loses_nothing_and_invents_nothing() {
    judged("jobs", true, messages() / 2, 0);
}

#[test]
fn a_fifo_queue_keeps_the_order_of_its_groups_and_delivers_nothing_after_its_delete() {
    judged("jobs.fifo", false, messages() / 2, 0);
}

#[test]
fn a_fifo_queue_that_delivers_twice_keeps_its_order_and_delivers_nothing_after_its_delete() {
    judged("jobs.fifo", true, messages() / 2, 0);
}

#[test]
fn a_standard_queue_whose_process_is_killed_loses_nothing_and_invents_nothing() {
    judged("jobs", false, messages() / 2, KILLS);
}

#[test]
fn a_fifo_queue_whose_process_is_killed_keeps_its_order_and_delivers_nothing_after_its_delete() {
    judged("jobs.fifo", false, messages() / 2, KILLS);
}
