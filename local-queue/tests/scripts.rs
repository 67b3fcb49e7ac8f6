//! What scripts have of the binary `local-queue`: a line of JSON when it is ready, and an exit code for its health.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

mod process;

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _},
    net::TcpListener,
    path::Path,
    process::{Command, Output, Stdio},
};

use serde_json::Value;

use self::process::{Running, ask, post};

const KEYS: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "key"), ("AWS_SECRET_ACCESS_KEY", "secret")];

fn local_queue() -> Command {
    Command::new(env!("CARGO_BIN_EXE_local-queue"))
}

/// A server that prints its line, which is read.
fn serve(arguments: &[&str]) -> (Running, Value) {
    let mut command = local_queue();
    command.args(["serve", "--listen", "127.0.0.1:0", "--print-json"]).args(arguments).envs(KEYS);
    let mut running = Running(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap());
    let mut line = String::new();
    BufReader::new(running.0.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    (running, serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}")))
}

fn health(arguments: &[&str]) -> Output {
    local_queue().arg("health").args(arguments).output().unwrap()
}

/// Exit code, standard output and standard error.
fn said(output: Output) -> (Option<i32>, String, String) {
    (output.status.code(), String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
}

#[cfg(unix)]
fn terminate(running: &mut Running) -> Option<i32> {
    let pid = rustix::process::Pid::from_child(&running.0);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    running.0.wait().unwrap().code()
}

#[test]
fn the_line_says_how_the_server_is_reached_and_lines_for_people_go_elsewhere() {
    let (mut running, line) = serve(&["--create", "jobs", "--account", "123456789012", "--region", "eu-west-1"]);
    let address = format!("{}:{}", line["host"].as_str().unwrap(), line["port"]);
    assert_eq!(line["endpoint_url"], format!("http://{address}"));
    assert_eq!(line["queues"]["jobs"], format!("http://{address}/123456789012/jobs"));
    assert_eq!(line["pid"], running.0.id());
    assert_eq!((&line["account"], &line["region"]), (&"123456789012".into(), &"eu-west-1".into()));
    assert_eq!(line["credentials"]["access_key_id"], "test");
    let answer = post(&address, "GetQueueUrl", r#"{"QueueName":"jobs"}"#);
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");

    let mut lines = BufReader::new(running.0.stderr.take().unwrap());
    assert_eq!(process::address(&mut lines), address, "as people are told");
    running.0.kill().unwrap();
    let mut stdout = String::new();
    running.0.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
    assert_eq!(stdout, "", "one line only");
}

#[cfg(unix)]
#[test]
fn the_ready_file_is_there_while_requests_are_answered() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ready \u{e9}.json");
    let file = path.to_str().unwrap();
    // What a server that was killed has left.
    fs::write(&path, "{\"endpoint_url\":\"http://127.0.0.1:1\"}\n").unwrap();
    let (mut running, line) = serve(&["--ready-file", file]);
    let written = fs::read_to_string(&path).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&written).unwrap(), line, "the file is the line");
    assert!(written.ends_with("}\n") && written.lines().count() == 1, "{written:?}");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o400, 0o400);

    let (code, stdout, _) = said(health(&["--ready-file", file]));
    assert_eq!(code, Some(0));
    let expected =
        format!("local-queue {} at {} is healthy: 0 queues\n", env!("CARGO_PKG_VERSION"), written_url(&line));
    assert_eq!(stdout, expected);

    assert_eq!(terminate(&mut running), Some(0));
    assert!(!path.exists(), "it goes with the server");
    assert_eq!(names(folder.path()), Vec::<String>::new());
    let (code, _, stderr) = said(health(&["--ready-file", file]));
    assert!(code == Some(1) && stderr.contains("failed to read the ready file"), "{stderr}");
}

fn written_url(line: &Value) -> &str {
    line["endpoint_url"].as_str().unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[cfg(unix)]
#[test]
fn the_ready_file_of_another_server_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ready.json");
    let (mut first, _) = serve(&["--ready-file", path.to_str().unwrap()]);
    let (_second, line) = serve(&["--ready-file", path.to_str().unwrap()]);
    assert_eq!(terminate(&mut first), Some(0));
    assert_eq!(serde_json::from_str::<Value>(&fs::read_to_string(&path).unwrap()).unwrap(), line);
}

#[test]
fn a_file_that_is_no_ready_file_is_not_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("template.yaml");
    fs::write(&path, "Resources: {}").unwrap();
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--ready-file", path.to_str().unwrap()];
    let (code, stdout, stderr) = said(local_queue().args(arguments).output().unwrap());
    assert_eq!((code, &*stdout), (Some(2), ""));
    assert!(stderr.contains("a file that is no ready file is there; name another one"), "{stderr}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "Resources: {}");
}

#[cfg(unix)]
#[test]
fn where_requests_must_be_signed_the_ready_file_has_the_token_and_is_private() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ready.json");
    let file = path.to_str().unwrap();
    let (_running, line) = serve(&["--ready-file", file, "--require-signature"]);
    assert!(line["credentials"].is_null() && line["token"].is_string(), "{line}");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(health(&["--ready-file", file]).status.code(), Some(0));
    let (code, _, stderr) = said(health(&["--address", written_url(&line)]));
    assert_eq!(code, Some(1));
    assert!(stderr.contains("needs its token") && stderr.contains("--ready-file"), "{stderr}");
}

#[test]
fn health_is_an_exit_code() {
    let (running, line) = serve(&["--create", "jobs"]);
    let url = written_url(&line).to_owned();
    let address = url.trim_start_matches("http://").to_owned();
    for arguments in [["--address", &url], ["--address", &address]] {
        let (code, stdout, stderr) = said(health(&arguments));
        assert_eq!((code, &*stderr), (Some(0), ""));
        assert!(stdout.ends_with("is healthy: 1 queue\n"), "{stdout}");
    }
    assert!(ask(&address, "GET", "health", "").contains("\"status\":\"ok\""));
    drop(running);
    let (code, stdout, stderr) = said(health(&["--address", &url]));
    assert_eq!((code, &*stdout), (Some(1), ""));
    assert!(stderr.starts_with(&format!("local-queue: failed to connect to {url}: ")), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    let (code, _, stderr) = said(health(&["--address", "ftp://localhost:9324"]));
    assert_eq!(code, Some(2), "wrong arguments are no answer");
    assert!(stderr.contains("expected ADDRESS:PORT, http://ADDRESS:PORT or https://ADDRESS:PORT"), "{stderr}");
}

#[test]
fn a_server_that_does_not_answer_is_not_healthy() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let (code, _, stderr) = said(health(&["--address", &address, "--timeout", "1"]));
    assert_eq!(code, Some(1));
    assert_eq!(stderr, format!("local-queue: http://{address} did not answer within 1 s\n"));
}

#[test]
fn completions_and_manual_pages_are_made_of_the_arguments() {
    let (code, stdout, _) = said(local_queue().args(["completions", "bash"]).output().unwrap());
    assert!(code == Some(0) && stdout.contains("--ready-file"), "{stdout}");
    let folder = tempfile::tempdir().unwrap();
    let pages = folder.path().join("man");
    let (code, _, stderr) = said(local_queue().arg("man").arg(&pages).output().unwrap());
    assert_eq!((code, &*stderr), (Some(0), ""));
    assert!(names(&pages).contains(&"local-queue.1".to_owned()));
    fs::write(folder.path().join("file"), "").unwrap();
    let (code, _, stderr) = said(local_queue().arg("man").arg(folder.path().join("file")).output().unwrap());
    assert!(code == Some(2) && stderr.contains("failed to write manual pages into"), "{stderr}");
}
