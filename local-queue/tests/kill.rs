//! The process is killed under load, again and again: what it answered is there.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]
#![expect(clippy::disallowed_methods, reason = "processes live by the clock of the machine")]

mod process;

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    ops::Range,
    path::Path,
    process::{Command, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::{self, SyncSender},
    },
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use self::process::{Running, address, ask, post};

/// Of which an eighth is records after which there is another segment, and a snapshot: small, so that it is soon made.
const DATA_MAX: &str = "64M";

/// How much is done before each kill, and how often. `SLOW=1` makes it what a release needs, `KILLS=100` sets the number.
struct Size {
    cycles: u64,
    clients: u64,
    /// Messages that are answered before a kill.
    answered: Range<usize>,
}

impl Size {
    fn new() -> Self {
        let slow = std::env::var_os("SLOW").is_some();
        let cycles = std::env::var("KILLS").map_or(if slow { 500 } else { 20 }, |kills| kills.parse().unwrap());
        if slow {
            Self { cycles, clients: 16, answered: 100..900 }
        } else {
            Self { cycles, clients: 8, answered: 20..400 }
        }
    }
}

fn start(data: &Path) -> (Running, String, BufReader<std::process::ChildStdout>) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_local-queue"))
        .args(["serve", "--listen", "127.0.0.1:0", "--data"])
        .arg(data)
        .args(["--data-max", DATA_MAX])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let address = address(&mut lines);
    (Running(child), address, lines)
}

/// A client on one connection, until the server goes.
struct Client {
    stream: BufReader<TcpStream>,
    address: String,
}

impl Client {
    fn connect(address: &str) -> Option<Self> {
        let stream = TcpStream::connect(address).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(30))).ok()?;
        Some(Self { stream: BufReader::new(stream), address: address.to_owned() })
    }

    /// The answer, if it came.
    fn ask(&mut self, action: &str, parameters: &Value) -> Option<Value> {
        let body = parameters.to_string();
        let (address, length) = (&self.address, body.len());
        let request = format!(
            "POST / HTTP/1.1\r\nHost: {address}\r\nX-Amz-Target: AmazonSQS.{action}\r\n\
             Content-Type: application/x-amz-json-1.0\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        self.stream.get_mut().write_all(request.as_bytes()).ok()?;
        let (mut status, mut length) = (String::new(), 0);
        self.stream.read_line(&mut status).ok()?;
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line).ok().filter(|read| *read > 0)?;
            if line == "\r\n" {
                break;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().ok()?;
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).ok()?;
        assert!(status.contains(" 200 "), "{status}{}", String::from_utf8_lossy(&body));
        if body.is_empty() { Some(Value::Null) } else { serde_json::from_slice(&body).ok() }
    }
}

/// What is known of the messages: of each that was tried to be sent, and of each that was tried to be deleted.
#[derive(Debug, Default)]
struct Ledger {
    tried: BTreeSet<String>,
    sent: BTreeSet<String>,
    /// Those whose delete was asked for, and those whose delete was answered.
    deleting: BTreeSet<String>,
    deleted: BTreeSet<String>,
}

/// What the clients share.
struct Load {
    next: AtomicU64,
    /// Bytes behind the number of each message.
    padding: usize,
    /// Messages of a receive.
    received_max: usize,
    ledger: Mutex<Ledger>,
    ends: AtomicBool,
    /// Tells of answered sends.
    tell: SyncSender<usize>,
}

impl Load {
    fn new(padding: usize, received_max: usize, tell: SyncSender<usize>) -> Self {
        let (next, ledger, ends) = (AtomicU64::new(0), Mutex::default(), AtomicBool::new(false));
        Self { next, padding, received_max, ledger, ends, tell }
    }
}

/// The number of a message, which is all that the ledger has of it.
fn number_of(body: &str) -> String {
    body.split('-').next().unwrap_or_default().to_owned()
}

/// Looks at the queue all the while: what somebody has seen there is there.
fn watch(address: &str, Load { ledger, ends, .. }: &Load) -> Option<()> {
    while !ends.load(Ordering::Relaxed) {
        let mut stream = TcpStream::connect(address).ok()?;
        let target = "/_local-queue/queues/jobs/messages?max=1000";
        write!(stream, "GET {target} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let seen = serde_json::from_str::<Value>(answer.split_once("\r\n\r\n")?.1).ok()?;
        let seen =
            seen["messages"].as_array().unwrap().iter().map(|message| number_of(message["body"].as_str().unwrap()));
        ledger.lock().unwrap().sent.extend(seen);
    }
    Some(())
}

fn load(address: &str, Load { next, padding, received_max, ledger, ends, tell }: &Load) -> Option<()> {
    let mut client = Client::connect(address)?;
    while !ends.load(Ordering::Relaxed) {
        let first = next.fetch_add(3, Ordering::Relaxed);
        let ids = [0, 1, 2].map(|at| (first + at).to_string());
        let body = |id: &str| format!("{id}-{}", "x".repeat(*padding));
        ledger.lock().unwrap().tried.extend(ids.iter().cloned());
        client.ask("SendMessage", &json!({ "QueueUrl": "jobs", "MessageBody": body(&ids[0]) }))?;
        ledger.lock().unwrap().sent.insert(ids[0].clone());
        // All of a batch are there or none.
        let entries = ids[1..].iter().enumerate();
        let entries =
            entries.map(|(at, id)| json!({ "Id": at.to_string(), "MessageBody": body(id) })).collect::<Vec<_>>();
        client.ask("SendMessageBatch", &json!({ "QueueUrl": "jobs", "Entries": entries }))?;
        ledger.lock().unwrap().sent.extend(ids[1..].iter().cloned());
        // Nobody hears of it any more when enough have been answered.
        let _ = tell.try_send(ids.len());
        let received =
            client.ask("ReceiveMessage", &json!({ "QueueUrl": "jobs", "MaxNumberOfMessages": received_max }))?;
        for message in received["Messages"].as_array().into_iter().flatten() {
            let body = number_of(message["Body"].as_str().unwrap());
            {
                let mut ledger = ledger.lock().unwrap();
                assert!(ledger.tried.contains(&body), "a message that nobody sent");
                assert!(!ledger.deleted.contains(&body), "a message came back whose delete was answered");
                ledger.deleting.insert(body.clone());
            }
            client.ask("DeleteMessage", &json!({ "QueueUrl": "jobs", "ReceiptHandle": message["ReceiptHandle"] }))?;
            ledger.lock().unwrap().deleted.insert(body);
        }
    }
    Some(())
}

/// The numbers of all messages that are there.
fn bodies(address: &str) -> BTreeSet<String> {
    let (mut bodies, mut page) = (BTreeSet::new(), "queues/jobs/messages?max=1000".to_owned());
    loop {
        let answer = ask(address, "GET", &page, "");
        let listed: Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
        for message in listed["messages"].as_array().unwrap() {
            bodies.insert(number_of(message["body"].as_str().unwrap()));
        }
        match listed["next_skip"].as_u64() {
            Some(next) => page = format!("queues/jobs/messages?max=1000&skip={next}"),
            None => return bodies,
        }
    }
}

fn check(address: &str, ledger: &Ledger, cycle: u64) {
    let there = bodies(address);
    let must = ledger.sent.difference(&ledger.deleting).cloned().collect::<BTreeSet<_>>();
    let lost = must.difference(&there).collect::<Vec<_>>();
    assert!(lost.is_empty(), "cycle {cycle}: {} answered messages are lost, such as {:.20}", lost.len(), lost[0]);
    let unexpected = there.iter().filter(|body| !ledger.tried.contains(*body) || ledger.deleted.contains(*body));
    let unexpected = unexpected.collect::<Vec<_>>();
    // Of each three messages the last two were sent as one batch.
    let number = |id: &str| id.parse::<u64>().unwrap();
    let whole = |numbers: BTreeSet<u64>| numbers.iter().map(|it| it / 3).collect::<BTreeSet<_>>();
    let untouched = there.iter().filter(|body| !ledger.deleting.contains(*body)).map(|body| number(body));
    let (first, second): (BTreeSet<_>, BTreeSet<_>) = untouched.filter(|it| it % 3 > 0).partition(|it| it % 3 == 1);
    let touched = whole(ledger.deleting.iter().map(|body| number(body)).collect());
    let (first, second) = (whole(first), whole(second));
    let halves = first.symmetric_difference(&second).filter(|batch| !touched.contains(batch)).collect::<Vec<_>>();
    assert!(halves.is_empty(), "cycle {cycle}: halves of batches are there: {halves:?}");
    assert!(unexpected.is_empty(), "cycle {cycle}: {} unexpected, such as {:.20}", unexpected.len(), unexpected[0]);
}

#[test]
fn a_process_that_is_killed_under_load_loses_nothing_that_it_answered() {
    let folder = tempfile::tempdir().unwrap();
    let (tell, told) = mpsc::sync_channel(1_000);
    let shared = Load::new(200, 3, tell);
    let size = Size::new();
    let mut dice = fastrand::Rng::with_seed(1);
    for cycle in 0..size.cycles {
        let (mut server, address, _lines) = start(folder.path());
        if cycle == 0 {
            post(&address, "CreateQueue", r#"{"QueueName":"jobs","Attributes":{"VisibilityTimeout":"1"}}"#);
        }
        check(&address, &shared.ledger.lock().unwrap(), cycle);
        told.try_iter().for_each(drop);
        under_load(&address, &shared, size.clients, || {
            // When so much has been answered, not after a time: so that a slow machine is killed under load too.
            let (enough, mut answered) = (dice.usize(size.answered.clone()), 0);
            while answered < enough {
                answered += told.recv_timeout(Duration::from_secs(60)).unwrap();
            }
            server.0.kill().unwrap();
            server.0.wait().unwrap();
        });
    }
    let (_server, address, _lines) = start(folder.path());
    let ledger = shared.ledger.into_inner().unwrap();
    check(&address, &ledger, size.cycles);
    let least = if std::env::var_os("SLOW").is_some() { 200_000 } else { 50 * size.cycles };
    assert!(ledger.sent.len() as u64 >= least, "only {} messages", ledger.sent.len());
}

/// Has clients at work, and one that looks, until `kill` has killed the server.
fn under_load(address: &str, shared: &Load, clients: u64, kill: impl FnOnce()) {
    shared.ends.store(false, Ordering::Relaxed);
    thread::scope(|scope| {
        for _ in 0..clients {
            scope.spawn(|| load(address, shared));
        }
        scope.spawn(|| watch(address, shared));
        kill();
        shared.ends.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_kill_while_a_snapshot_is_made_loses_nothing_either() {
    let folder = tempfile::tempdir().unwrap();
    let (tell, told) = mpsc::sync_channel(1_000);
    // Segments are full after some hundred of these.
    let shared = Load::new(40_000, 10, tell);
    let cycles = Size::new().cycles.div_ceil(4);
    let is_begun = || fs::read_dir(folder.path()).unwrap().any(|file| is_unfinished_snapshot(&file.unwrap().path()));
    for cycle in 0..cycles {
        let (mut server, address, _lines) = start(folder.path());
        if cycle == 0 {
            post(&address, "CreateQueue", r#"{"QueueName":"jobs","Attributes":{"VisibilityTimeout":"1"}}"#);
        }
        check(&address, &shared.ledger.lock().unwrap(), cycle);
        told.try_iter().for_each(drop);
        under_load(&address, &shared, 8, || {
            let deadline = Instant::now() + Duration::from_secs(120);
            while !is_begun() {
                assert!(Instant::now() < deadline, "cycle {cycle}: no snapshot was begun");
                thread::yield_now();
            }
            server.0.kill().unwrap();
            server.0.wait().unwrap();
        });
    }
    let (_server, address, _lines) = start(folder.path());
    check(&address, &shared.ledger.into_inner().unwrap(), cycles);
}

fn is_unfinished_snapshot(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "tmp")
        && path.file_stem().is_some_and(|stem| Path::new(stem).extension().is_some_and(|it| it == "snapshot"))
}

/// A disk of its own, which is full soon; where this is allowed to make one.
#[cfg(target_os = "linux")]
struct SmallDisk(tempfile::TempDir);

#[cfg(target_os = "linux")]
impl SmallDisk {
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=24m", "tmpfs"]).arg(folder.path()).stderr(Stdio::null());
        mount.status().is_ok_and(|status| status.success()).then(|| Self(folder))
    }
}

#[cfg(target_os = "linux")]
impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_is_full_for_real_refuses_what_grows_until_there_is_room_again() {
    let Some(disk) = SmallDisk::mount() else { return println!("no disk can be mounted here") };
    let data = disk.0.path().join("queues");
    let (mut server, address, _lines) = start(&data);
    post(&address, "CreateQueue", r#"{"QueueName":"jobs"}"#);
    let message = json!({ "QueueUrl": "jobs", "MessageBody": "x".repeat(100_000) }).to_string();
    let send = |address: &str| post(address, "SendMessage", &message);
    // How many are accepted, and the refusal of the next.
    let fill = |address: &str| {
        let mut accepted = 0;
        loop {
            let answer = send(address);
            if !answer.starts_with("HTTP/1.1 200") {
                return (accepted, answer);
            }
            accepted += 1;
            assert!(accepted < 400, "{accepted} messages of 100 kB on 24 MB");
        }
    };
    // What is refused has a snapshot made, for which room was kept, and after which there may be room for some more.
    let mut filled = 0;
    let refused = loop {
        let (more, answer) = fill(&address);
        filled += more;
        if more == 0 {
            break answer;
        }
    };
    assert!(filled >= 50, "{filled} messages of 100 kB on 24 MB");
    assert!(refused.starts_with("HTTP/1.1 503") && refused.contains("the disk of the journal is full"), "{refused}");
    assert!(ask(&address, "GET", "health", "").starts_with("HTTP/1.1 200"), "a full disk is no failure");
    // Killed, it starts on the full disk, too.
    server.0.kill().unwrap();
    server.0.wait().unwrap();
    let (_server, address, _lines) = start(&data);
    assert_eq!(bodies(&address).len(), 1, "all have the same body");
    let mut client = Client::connect(&address).unwrap();
    let mut deleted = 0;
    loop {
        let received = client.ask("ReceiveMessage", &json!({ "QueueUrl": "jobs", "MaxNumberOfMessages": 10 })).unwrap();
        let Some(messages) = received["Messages"].as_array() else { break };
        for message in messages {
            let delete = json!({ "QueueUrl": "jobs", "ReceiptHandle": message["ReceiptHandle"] });
            client.ask("DeleteMessage", &delete).unwrap();
            deleted += 1;
        }
    }
    assert_eq!(deleted, filled, "receives and deletes went on");
    // What was deleted makes room, with the next snapshot: the first that is refused asks for one.
    let again = (0..1_000).map(|_| fill(&address).0).find(|more| *more > 30);
    assert!(again.is_some(), "there is room again");
}
