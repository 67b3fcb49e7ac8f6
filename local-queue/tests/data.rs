//! Queues that are kept, on the command line.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

mod process;

use std::{
    fs,
    io::{self, BufReader},
    path::Path,
    process::{Command, Output, Stdio},
};

use self::process::{Running, address, ask, post};

fn local_queue(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_local-queue"));
    command.args(arguments);
    command
}

fn run(arguments: &[&str]) -> Output {
    local_queue(arguments).output().unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// A server that keeps its queues in `data`.
fn serve(data: &Path, more: &[&str]) -> (Running, String) {
    let mut command = local_queue(&["serve", "--listen", "127.0.0.1:0", "--data", data.to_str().unwrap()]);
    command.args(more).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut running = Running(command.spawn().unwrap());
    let address = address(&mut BufReader::new(running.0.stdout.take().unwrap()));
    (running, address)
}

fn handle(received: &str) -> String {
    received.split(r#""ReceiptHandle":""#).nth(1).unwrap().split('"').next().unwrap().to_owned()
}

/// Ends a server as Ctrl-C does.
#[cfg(unix)]
fn stop(mut running: Running) {
    let pid = running.0.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    assert!(running.0.wait().unwrap().success());
}

fn names(data: &Path) -> Vec<String> {
    let mut names = fs::read_dir(data).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names = names.by_ref().collect::<Vec<_>>();
    names.sort();
    names
}

#[test]
fn a_receipt_handle_of_before_a_kill_deletes_its_message_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let (running, address) = serve(folder.path(), &["--create", "jobs"]);
    post(&address, "SendMessage", r#"{"QueueUrl":"jobs","MessageBody":"alpha"}"#);
    let receive = r#"{"QueueUrl":"jobs","VisibilityTimeout":600}"#;
    let kept = handle(&post(&address, "ReceiveMessage", receive));
    drop(running);
    let (_running, address) = serve(folder.path(), &["--create", "jobs"]);
    post(&address, "SendMessage", r#"{"QueueUrl":"jobs","MessageBody":"omega"}"#);
    let deleted = post(&address, "DeleteMessage", &format!(r#"{{"QueueUrl":"jobs","ReceiptHandle":"{kept}"}}"#));
    assert!(deleted.starts_with("HTTP/1.1 200 "), "{deleted}");
    let left = ask(&address, "GET", "queues/jobs/messages", "");
    assert!(left.contains("omega") && !left.contains("alpha"), "{left}");
}

#[cfg(unix)]
#[test]
fn a_clean_stop_leaves_one_snapshot_and_declared_attributes_hold_at_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("queues.toml");
    let data = folder.path().join("data");
    let declare = |seconds: u32| {
        fs::write(&config, format!("[queues.jobs]\nattributes = {{ VisibilityTimeout = {seconds} }}\n")).unwrap();
    };
    declare(60);
    let config = config.to_str().unwrap();
    let (running, address) = serve(&data, &["--config", config]);
    post(&address, "SendMessage", r#"{"QueueUrl":"jobs","MessageBody":"kept"}"#);
    stop(running);
    let left = names(&data);
    assert_eq!(
        (left.len(), left[0].strip_suffix(".snapshot").is_some(), left[1].as_str()),
        (2, true, "lock"),
        "{left:?}"
    );
    declare(90);
    let (running, address) = serve(&data, &["--config", config]);
    let attributes = post(&address, "GetQueueAttributes", r#"{"QueueUrl":"jobs","AttributeNames":["All"]}"#);
    assert!(attributes.contains(r#""VisibilityTimeout":"90""#), "{attributes}");
    assert!(attributes.contains(r#""ApproximateNumberOfMessages":"1""#), "{attributes}");
    // Another process does not get the folder, also not one that only repairs.
    let second = run(&["serve", "--listen", "127.0.0.1:0", "--data", data.to_str().unwrap()]);
    let pid = running.0.id().to_string();
    assert!(!second.status.success() && said(&second).contains("failed to open"), "{}", said(&second));
    let repair = run(&["journal", "repair", data.to_str().unwrap()]);
    assert!(!repair.status.success() && said(&repair).contains("failed to open"), "{}", said(&repair));
    assert_eq!(fs::read_to_string(data.join("lock")).unwrap(), pid);
}

#[test]
fn a_damaged_file_stops_the_start_and_is_checked_dumped_and_repaired() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let (running, address) = serve(folder.path(), &["--create", "jobs"]);
    for body in ["one", "two", "three", "four"] {
        post(&address, "SendMessage", &format!(r#"{{"QueueUrl":"jobs","MessageBody":"{body}"}}"#));
    }
    drop(running);
    let checked = run(&["journal", "check", data]);
    assert!(checked.status.success() && said(&checked).contains("1 queues, after 5 records"), "{}", said(&checked));
    let log = names(folder.path()).into_iter().find(|name| name.strip_suffix(".log").is_some()).unwrap();
    let path = folder.path().join(&log);
    let mut file = fs::read(&path).unwrap();
    let at = file.windows(3).position(|bytes| bytes == b"two").unwrap();
    file[at] = b'T';
    fs::write(&path, &file).unwrap();
    let refused = run(&["serve", "--listen", "127.0.0.1:0", "--data", data]);
    let text = said(&refused);
    assert!(!refused.status.success() && text.contains(&log) && text.contains("is damaged at byte"), "{text}");
    assert!(!run(&["journal", "check", data]).status.success());
    let dumped = said(&run(&["journal", "dump", data]));
    let records = dumped.lines().filter(|line| line.contains("Send {")).count();
    assert!(records == 3 && dumped.contains("bytes that cannot be read"), "{dumped}");
    let repaired = run(&["journal", "repair", data]);
    assert!(repaired.status.success() && said(&repaired).contains(".damaged"), "{}", said(&repaired));
    assert_eq!(fs::read(folder.path().join(format!("{log}.damaged"))).unwrap(), file, "kept as it was");
    let again = run(&["journal", "repair", data]);
    assert!(said(&again).contains("no damage found"), "{}", said(&again));
    let (_running, address) = serve(folder.path(), &[]);
    let left = ask(&address, "GET", "queues/jobs/messages", "");
    assert!(left.contains("one") && !left.contains("two") && !left.contains("four"), "{left}");
}

#[test]
fn a_state_is_taken_to_another_place_where_old_handles_mean_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let [here, there, file] = ["here", "there", "state"].map(|name| folder.path().join(name));
    let [from, to, state] = [&here, &there, &file].map(|path| path.to_str().unwrap());
    let (_running, address) = serve(&here, &["--create", "jobs"]);
    post(&address, "SendMessage", r#"{"QueueUrl":"jobs","MessageBody":"travels"}"#);
    let old = handle(&post(&address, "ReceiveMessage", r#"{"QueueUrl":"jobs","VisibilityTimeout":600}"#));
    let saved = run(&["snapshot", "save", state, "--data", from]);
    assert!(saved.status.success(), "{}", said(&saved));
    let loaded = run(&["snapshot", "load", state, "--data", to]);
    assert!(loaded.status.success(), "{}", said(&loaded));
    let twice = run(&["snapshot", "load", state, "--data", to]);
    assert!(!twice.status.success() && said(&twice).contains("there are queues in it"), "{}", said(&twice));
    let (_elsewhere, address) = serve(&there, &[]);
    let left = ask(&address, "GET", "queues/jobs/messages", "");
    assert!(left.contains("travels"), "{left}");
    let answer = post(&address, "DeleteMessage", &format!(r#"{{"QueueUrl":"jobs","ReceiptHandle":"{old}"}}"#));
    assert!(answer.contains("ReceiptHandleIsInvalid"), "{answer}");
}

#[test]
fn what_an_answer_means_is_said_at_start() {
    let folder = tempfile::tempdir().unwrap();
    for (more, expected) in [(&[][..], "what is answered is on the disk"), (&["--durability", "relaxed"], "relaxed")] {
        let mut command = local_queue(&["serve", "--listen", "127.0.0.1:0", "--data", folder.path().to_str().unwrap()]);
        let mut running = Running(command.args(more).stdout(Stdio::piped()).spawn().unwrap());
        let mut first = String::new();
        let mut lines = BufReader::new(running.0.stdout.take().unwrap());
        std::io::BufRead::read_line(&mut lines, &mut first).unwrap();
        assert!(first.contains(expected), "{first}");
    }
    let alone = run(&["serve", "--durability", "relaxed"]);
    assert_eq!(alone.status.code(), Some(2), "{}", said(&alone));
}

#[cfg(unix)]
#[test]
fn a_server_that_nobody_reads_keeps_what_it_answers_and_ends_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    for round in 1..=2 {
        let mut command = local_queue(&["serve", "--listen", "127.0.0.1:0", "--create", "jobs", "--data", data]);
        let command = command.env("RUST_LOG", "debug").stdout(Stdio::piped()).stderr(io::pipe().unwrap().1);
        let mut running = Running(command.spawn().unwrap());
        // The pipe is closed when the first line has been read.
        let address = address(&mut BufReader::new(running.0.stdout.take().unwrap()));
        let sent = post(&address, "SendMessage", r#"{"QueueUrl":"jobs","MessageBody":"kept"}"#);
        assert!(sent.starts_with("HTTP/1.1 200 "), "{sent}");
        let attributes = post(&address, "GetQueueAttributes", r#"{"QueueUrl":"jobs","AttributeNames":["All"]}"#);
        assert!(attributes.contains(&format!(r#""ApproximateNumberOfMessages":"{round}""#)), "{attributes}");
        stop(running);
        let left = names(folder.path());
        assert!(left.len() == 2 && left[0].strip_suffix(".snapshot").is_some(), "one snapshot and the lock: {left:?}");
    }
}

#[cfg(unix)]
#[test]
fn a_second_signal_while_the_queues_are_written_ends_at_once_and_loses_nothing() {
    const BATCHES: usize = 250;
    let folder = tempfile::tempdir().unwrap();
    let (mut running, address) = serve(folder.path(), &["--create", "jobs"]);
    let body = "x".repeat(20_000);
    let entries = (0..10).map(|id| format!(r#"{{"Id":"{id}","MessageBody":"{body}"}}"#)).collect::<Vec<_>>();
    let batch = format!(r#"{{"QueueUrl":"jobs","Entries":[{}]}}"#, entries.join(","));
    for _ in 0..BATCHES {
        assert!(post(&address, "SendMessageBatch", &batch).starts_with("HTTP/1.1 200 "));
    }
    let pid = running.0.id().to_string();
    let terminate = || assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    terminate();
    // The snapshot of a clean stop has begun, or is there already.
    while !names(folder.path()).iter().any(|name| name.contains(".snapshot")) {
        std::thread::yield_now();
    }
    terminate();
    let code = running.0.wait().unwrap().code();
    assert!(matches!(code, Some(0 | 143)), "{code:?}");
    let (_running, address) = serve(folder.path(), &[]);
    let attributes = post(&address, "GetQueueAttributes", r#"{"QueueUrl":"jobs","AttributeNames":["All"]}"#);
    let expected = format!(r#""ApproximateNumberOfMessages":"{}""#, 10 * BATCHES);
    assert!(attributes.contains(&expected), "{attributes}");
}
