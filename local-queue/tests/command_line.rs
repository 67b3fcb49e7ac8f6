//! The binary `local-queue` as a person runs it.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
};

fn local_queue(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_local-queue"));
    command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A server that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn post(address: &str, target: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let length = body.len();
    write!(
        stream,
        "POST / HTTP/1.1\r\nHost: {address}\r\nX-Amz-Target: AmazonSQS.{target}\r\nContent-Type: \
         application/x-amz-json-1.0\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn serve_says_where_it_listens_creates_queues_and_answers_aws_json() {
    let child = local_queue(&["serve", "--listen", "127.0.0.1:0", "--create", "jobs"]).spawn().unwrap();
    let mut running = Running(child);
    let mut lines = BufReader::new(running.0.stdout.take().unwrap()).lines();
    let first = lines.next().unwrap().unwrap();
    let address = first.split("http://").nth(1).unwrap().split(' ').next().unwrap().to_owned();
    assert_eq!(lines.next().unwrap().unwrap().trim(), format!("http://{address}/000000000000/jobs"));

    let answer = post(&address, "GetQueueUrl", r#"{"QueueName":"jobs"}"#);
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with(&format!("{{\"QueueUrl\":\"http://{address}/000000000000/jobs\"}}")), "{answer}");

    let answer = post(&address, "PurgeQueue", r#"{"QueueUrl":"jobs"}"#);
    assert!(answer.to_lowercase().contains("content-length: 0\r\n"), "{answer}");

    let answer = post(&address, "GetQueueUrl", r#"{"QueueName":"nothing"}"#);
    assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{answer}");
    assert!(answer.contains("x-amzn-query-error: AWS.SimpleQueueService.NonExistentQueue;Sender\r\n"), "{answer}");
    let body = r#"{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"The specified queue does not exist."}"#;
    assert!(answer.ends_with(body), "{answer}");
}

#[test]
fn a_port_in_use_is_said_in_one_line_and_ends_the_program() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = local_queue(&["serve", "--listen", &address]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.starts_with(&format!("local-queue: failed to listen on {address}: ")), "{stderr}");
    assert!(stderr.contains("in use"), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
}

#[test]
fn only_loopback_is_listened_on_unless_requests_are_signed_or_the_network_is_trusted() {
    let output = local_queue(&["serve", "--listen", "0.0.0.0:0"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.starts_with("local-queue: 0.0.0.0 is not a loopback address"), "{stderr}");
    assert!(stderr.contains("--require-signature") && stderr.contains("--trust-network"), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
}

#[test]
fn a_trusted_network_is_warned_of_once() {
    let child = local_queue(&["serve", "--listen", "0.0.0.0:0", "--trust-network"]).spawn().unwrap();
    let mut running = Running(child);
    let mut first = String::new();
    BufReader::new(running.0.stdout.take().unwrap()).read_line(&mut first).unwrap();
    assert!(first.contains("http://0.0.0.0:"), "{first}");
    let port = first.split("http://0.0.0.0:").nth(1).unwrap().split(' ').next().unwrap();
    assert!(post(&format!("127.0.0.1:{port}"), "ListQueues", "{}").starts_with("HTTP/1.1 200 OK\r\n"));
    running.0.kill().unwrap();
    let mut stderr = String::new();
    running.0.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert!(stderr.starts_with("local-queue: warning: anybody who reaches 0.0.0.0"), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
}

#[test]
fn a_required_signature_needs_a_key_pair_in_the_environment() {
    let mut command = local_queue(&["serve", "--listen", "127.0.0.1:0", "--require-signature"]);
    let output = command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.starts_with("local-queue: --require-signature needs AWS_ACCESS_KEY_ID"), "{stderr}");
}

#[test]
fn names_and_origins_that_would_be_anybody_are_refused() {
    for arguments in
        [["--allow-host", "*"], ["--allow-host", "a b"], ["--allow-origin", "*"], ["--allow-origin", "null"]]
    {
        let output = local_queue(&["serve", "--listen", "127.0.0.1:0"]).args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.contains(arguments[1]), "{stderr}");
    }
}

#[test]
fn a_wrong_argument_is_a_usage_error() {
    for arguments in [&["serve", "--listen", "nowhere"][..], &["serve", "--create", "a b"], &["srve"], &[]] {
        let output = local_queue(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(!output.stderr.is_empty(), "{arguments:?}");
    }
}
