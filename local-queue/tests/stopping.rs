//! How `local-queue serve` ends while functions run, and what it writes until then. The functions are shell scripts that never
//! ask for an invocation: they are at work from their start to the end that the emulator makes of them.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]
#![expect(clippy::disallowed_methods, reason = "processes live by the clock of the machine")]

mod process;

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{ChildStderr, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

use self::process::{Running, address, ask, post};

/// Longer than any of this takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Starts a process that has left the session, says which, and waits.
const LEAVES: &str = "setsid sleep 1000 & echo child $!; wait";

const TEMPLATE: &str = "
Transform: AWS::Serverless-2016-10-31
Resources:
  Jobs: {Type: AWS::SQS::Queue, Properties: {QueueName: jobs, VisibilityTimeout: 900}}
  F:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: .
      Handler: bootstrap
      Runtime: provided.al2023
      Timeout: 900
      Events: {E: {Type: SQS, Properties: {Queue: !GetAtt Jobs.Arn}}}
";

/// A server that ends with the test.
struct Serving {
    process: Running,
    address: String,
    _folder: TempDir,
}

fn local_queue(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_local-queue"));
    command.args(["serve", "--listen", "127.0.0.1:0"]).args(arguments).env_remove("RUST_LOG");
    command.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test").env("AWS_REGION", "us-east-1");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

impl Serving {
    /// A function that is this script, on the queue `jobs`.
    fn start(script: &str, arguments: &[&str], stderr: Stdio) -> Self {
        Self::start_with(script, arguments, Stdio::null(), stderr)
    }

    fn start_with(script: &str, arguments: &[&str], stdin: Stdio, stderr: Stdio) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        fs::write(path("template.yaml"), TEMPLATE).unwrap();
        fs::write(path("bootstrap"), format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(path("bootstrap"), fs::Permissions::from_mode(0o755)).unwrap();
        let (template, function) = (path("template.yaml"), format!("F={}", path("bootstrap")));
        let mut command = local_queue(&["--template", &template, "--function", &function]);
        let mut process = Running(command.args(arguments).stdin(stdin).stderr(stderr).spawn().unwrap());
        let address = address(&mut BufReader::new(process.0.stdout.take().unwrap()));
        Self { process, address, _folder: folder }
    }

    /// The same, at work on a message; and the process that has left the session.
    fn at_work(arguments: &[&str]) -> (Self, BufReader<ChildStderr>, u32) {
        Self::at_work_with(arguments, Stdio::null())
    }

    fn at_work_with(arguments: &[&str], stdin: Stdio) -> (Self, BufReader<ChildStderr>, u32) {
        let mut serving = Self::start_with(LEAVES, arguments, stdin, Stdio::piped());
        let mut log = BufReader::new(serving.process.0.stderr.take().unwrap());
        serving.send("a");
        let line = line_with(&mut log, "| child ");
        let pid = line.rsplit(' ').next().unwrap().trim().parse().unwrap();
        assert!(is_alive(pid), "{line}");
        (serving, log, pid)
    }

    fn send(&self, body: &str) {
        let sent = post(&self.address, "SendMessage", &format!(r#"{{"QueueUrl":"jobs","MessageBody":"{body}"}}"#));
        assert!(sent.starts_with("HTTP/1.1 200"), "{sent}");
    }

    /// The line of a metric, by two parts of it.
    fn metric(&self, name: &str, label: &str) -> String {
        let metrics = ask(&self.address, "GET", "metrics", "");
        metrics.lines().find(|line| line.contains(name) && line.contains(label)).unwrap_or_default().to_owned()
    }

    fn signal(&self, name: &str) {
        let id = self.process.0.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &id]).status().unwrap().success());
    }

    fn ended(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.process.0.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "the program does not end");
            std::thread::park_timeout(Duration::from_millis(2));
        }
    }
}

/// Reads until there is such a line.
fn line_with(log: &mut impl BufRead, part: &str) -> String {
    let mut before = String::new();
    loop {
        let mut line = String::new();
        assert!(log.read_line(&mut line).unwrap() > 0, "the log ended without {part:?}: {before}");
        if line.contains(part) {
            return line;
        }
        before.push_str(&line);
    }
}

fn rest(mut log: impl Read) -> String {
    let mut text = Vec::new();
    log.read_to_end(&mut text).unwrap();
    String::from_utf8_lossy(&text).into_owned()
}

fn is_alive(pid: u32) -> bool {
    let stat = fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
}

fn is_gone(pid: u32) {
    let deadline = Instant::now() + PATIENCE;
    while is_alive(pid) {
        assert!(Instant::now() < deadline, "process {pid} lives on");
        std::thread::park_timeout(Duration::from_millis(2));
    }
}

#[test]
fn a_stop_says_what_it_waits_for_kills_it_in_time_and_leaves_nothing() {
    for signal in ["INT", "TERM"] {
        let (mut serving, log, pid) = Serving::at_work(&["--stop-within", "2s"]);
        let began = Instant::now();
        serving.signal(signal);
        assert!(serving.ended().success());
        assert!(began.elapsed() >= Duration::from_millis(900), "it has time to end by itself");
        let log = rest(log);
        let waiting = "stopping: waiting up to 2 s for 1 invocation of local-F (";
        assert!(log.contains(waiting) && log.contains("a second signal exits immediately"), "{log}");
        assert!(log.contains("stopping: killed 1 invocation of local-F ("), "{log}");
        assert!(log.contains("was ended after") && log.contains("because the mapping stops"), "{log}");
        is_gone(pid);
    }
}

#[test]
fn a_second_signal_ends_everything_at_once() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let (mut serving, mut log, pid) = Serving::at_work(&["--stop-within", "1h"]);
        serving.signal("INT");
        line_with(&mut log, "stopping: waiting up to 3600 s");
        serving.signal(signal);
        assert_eq!(serving.ended().code(), Some(code));
        // It was killed before the program ended, and the system ends it when it comes to it.
        is_gone(pid);
        assert!(rest(log).contains("local-queue: stopped at once"));
    }
}

#[test]
fn the_end_of_standard_input_ends_a_server_that_waits_for_it_and_no_other() {
    for is_waiting in [true, false] {
        let mut command = local_queue(if is_waiting { &["--until-stdin-closes"] } else { &[] });
        let mut process = Running(command.stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap());
        let address = address(&mut BufReader::new(process.0.stdout.take().unwrap()));
        let mut stdin = process.0.stdin.take().unwrap();
        stdin.write_all(b"what is written means nothing\n\x03\x04").unwrap();
        stdin.flush().unwrap();
        let mut serving = Serving { process, address, _folder: tempfile::tempdir().unwrap() };
        assert!(ask(&serving.address, "GET", "health", "").starts_with("HTTP/1.1 200"));
        drop(stdin);
        if is_waiting {
            assert!(serving.ended().success());
        } else {
            assert!(ask(&serving.address, "GET", "health", "").starts_with("HTTP/1.1 200"));
        }
    }
}

#[test]
fn the_end_of_standard_input_gives_functions_the_time_that_a_signal_gives() {
    let arguments = ["--until-stdin-closes", "--stop-within", "2s"];
    let (mut serving, log, pid) = Serving::at_work_with(&arguments, Stdio::piped());
    drop(serving.process.0.stdin.take());
    assert!(serving.ended().success());
    let log = rest(log);
    assert!(log.contains("stopping: killed 1 invocation of local-F ("), "{log}");
    is_gone(pid);
}

#[test]
fn what_has_left_its_session_does_not_outlive_a_kill_of_the_program() {
    let (mut serving, _log, pid) = Serving::at_work(&[]);
    serving.signal("KILL");
    serving.ended();
    is_gone(pid);
}

#[test]
fn a_stop_is_heard_while_a_queue_elsewhere_does_not_answer() {
    let mut serving = Serving::start(LEAVES, &["--source", "http://127.0.0.1:1"], Stdio::piped());
    let mut log = BufReader::new(serving.process.0.stderr.take().unwrap());
    let line = line_with(&mut log, "cannot be reached");
    assert!(line.contains("http://127.0.0.1:1") && line.contains("GetQueueUrl") && line.contains("refused"), "{line}");
    assert!(line.contains("check the address"), "{line}");
    serving.signal("TERM");
    assert!(serving.ended().success());
}

#[test]
fn a_source_that_is_no_url_is_a_usage_error() {
    for url in ["nowhere", "ftp://a", "http://", "localhost:4566"] {
        let output = local_queue(&["--template", "t.yaml", "--source", url]).output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{url}");
        assert!(error.contains("expected a URL such as http://localhost:4566"), "{error}");
    }
}

#[test]
fn messages_of_a_queue_elsewhere_are_given_back() {
    let mut elsewhere = local_queue(&["--create", "jobs"]);
    let mut process = Running(elsewhere.stderr(Stdio::null()).spawn().unwrap());
    let address = address(&mut BufReader::new(process.0.stdout.take().unwrap()));
    let elsewhere = Serving { process, address, _folder: tempfile::tempdir().unwrap() };
    let hide = r#"{"QueueUrl":"jobs","Attributes":{"VisibilityTimeout":"900"}}"#;
    assert!(post(&elsewhere.address, "SetQueueAttributes", hide).starts_with("HTTP/1.1 200"));
    elsewhere.send("a");

    let source = format!("http://{}", elsewhere.address);
    let mut serving = Serving::start(LEAVES, &["--source", &source, "--stop-within", "2s"], Stdio::piped());
    let mut log = BufReader::new(serving.process.0.stderr.take().unwrap());
    line_with(&mut log, "| child ");
    serving.signal("TERM");
    assert!(serving.ended().success());
    let received = post(&elsewhere.address, "ReceiveMessage", r#"{"QueueUrl":"jobs","WaitTimeSeconds":1}"#);
    assert!(received.contains(r#""Body":"a""#), "{received}{}", rest(log));
}

#[test]
fn a_batch_that_fails_leaves_its_reason_in_the_log_and_the_metrics() {
    let mut serving = Serving::start("exit 3", &[], Stdio::piped());
    let mut log = BufReader::new(serving.process.0.stderr.take().unwrap());
    serving.send("a");
    let line = line_with(&mut log, "failed: ");
    for part in [" WARN ", "local-F: a batch of 1 message of jobs failed: function crashed: ", "exit status 3"] {
        assert!(line.contains(part), "{line}");
    }
    assert!(line.contains("(Runtime.ExitError, request "), "{line}");
    let counted = serving.metric("failed_batches_total", "\"crash\"");
    assert!(counted.ends_with(" 1"), "{counted}");
}

#[test]
fn a_function_cannot_command_the_terminal() {
    let script = r"printf '\033]0;x\007 \302\2332J \342\200\256 end\n'; exit 1";
    let mut serving = Serving::start(script, &[], Stdio::piped());
    let mut log = BufReader::new(serving.process.0.stderr.take().unwrap());
    serving.send("a");
    let line = line_with(&mut log, " end");
    assert!(line.contains(r"\u{1b}]0;x\u{7} \u{9b}2J \u{202e} end"), "{line:?}");
}

#[test]
fn a_log_that_nobody_reads_any_more_is_silence() {
    let mut serving = Serving::start("exit 3", &[], Stdio::piped());
    drop(serving.process.0.stderr.take());
    serving.send("a");
    let (counts, deadline) = (r#"{"QueueUrl":"jobs","AttributeNames":["All"]}"#, Instant::now() + PATIENCE);
    while !post(&serving.address, "GetQueueAttributes", counts).contains(r#"NotVisible":"1""#) {
        assert!(Instant::now() < deadline, "the message is not taken");
    }
    serving.send("b");
    serving.signal("TERM");
    assert!(serving.ended().success());
}

#[test]
fn a_log_that_cannot_be_written_is_an_error_in_the_end() {
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut serving = Serving::start(LEAVES, &["--stop-within", "1s"], full.into());
    serving.send("a");
    let (counts, deadline) = (r#"{"QueueUrl":"jobs","AttributeNames":["All"]}"#, Instant::now() + PATIENCE);
    while !post(&serving.address, "GetQueueAttributes", counts).contains(r#"NotVisible":"1""#) {
        assert!(Instant::now() < deadline, "the message is not taken");
    }
    serving.signal("TERM");
    assert_eq!(serving.ended().code(), Some(1));
}

#[test]
fn a_terminal_that_takes_no_output_holds_up_neither_work_nor_the_end() {
    // Far more than the pipe holds, and nobody reads it.
    let mut serving = Serving::start("yes | head -c 1000000; exit 3", &["--stop-within", "4s"], Stdio::piped());
    for count in 1..=3 {
        serving.send("a");
        let deadline = Instant::now() + PATIENCE;
        let expected = format!(" {count}");
        while !serving.metric("failed_batches_total", "\"crash\"").ends_with(&expected) {
            assert!(Instant::now() < deadline, "batch {count} is not worked on");
        }
    }
    serving.signal("TERM");
    serving.ended();
}

/// An answer to one request of S3's protocol, which has a connection of its own.
fn s3(address: &str, method: &str, target: &str, body: &str) -> String {
    let Ok(mut stream) = TcpStream::connect(address) else { return String::new() };
    let length = body.len();
    let head = format!(
        "{method} {target} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"
    );
    // Whoever is killed meanwhile answers nothing.
    let _ = stream.write_all(format!("{head}{body}").as_bytes());
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    answer
}

fn buckets_in(folder: &Path) -> (Running, String) {
    let mut command = local_queue(&["--buckets", folder.to_str().unwrap()]);
    let mut process = Running(command.stderr(Stdio::piped()).spawn().unwrap());
    // Nobody reads on: a pipe that is closed ends nothing.
    let address = address(&mut BufReader::new(process.0.stdout.take().unwrap()));
    (process, address)
}

#[test]
fn buckets_in_a_folder_outlive_a_kill_with_every_object_whole() {
    let folder = tempfile::tempdir().unwrap();
    let mut accepted = BTreeMap::<String, usize>::new();
    for round in 0..4 {
        let (mut process, address) = buckets_in(folder.path());
        assert!(s3(&address, "PUT", "/photos", "").starts_with("HTTP/1.1 200"));
        for (key, version) in &accepted {
            let answer = s3(&address, "GET", &format!("/photos/{key}"), "");
            let body = answer.split("\r\n\r\n").nth(1).unwrap_or_default();
            let number: usize = body.split(' ').next().unwrap().parse().unwrap_or_else(|_| panic!("{key}: {answer}"));
            assert_eq!(body, content(number), "{key} is not whole");
            assert!(number >= *version, "{key} is older than what was accepted");
        }
        let second = local_queue(&["--buckets", folder.path().to_str().unwrap()]).output().unwrap();
        let said = String::from_utf8(second.stderr).unwrap();
        assert!(second.status.code() == Some(2) && said.contains("is in use by another local-queue"), "{said}");
        let killer = process.0.id().to_string();
        let killing = std::thread::spawn(move || {
            std::thread::park_timeout(Duration::from_millis(200 + 50 * round));
            assert!(Command::new("kill").args(["-KILL", &killer]).status().unwrap().success());
        });
        let mut version = 1000 * usize::try_from(round).unwrap();
        while process.0.try_wait().unwrap().is_none() {
            version += 1;
            let key = format!("{}/cat.jpg", version % 7);
            if s3(&address, "PUT", &format!("/photos/{key}"), &content(version)).starts_with("HTTP/1.1 200") {
                accepted.insert(key, version);
            }
            if killing.is_finished() {
                break;
            }
        }
        killing.join().unwrap();
        process.0.wait().unwrap();
    }
    assert!(accepted.len() > 3, "{accepted:?}");
}

/// What cannot be cut anywhere without being seen.
fn content(version: usize) -> String {
    format!("{version} {} {version}", "x".repeat(version % 100 * 3000))
}
