//! The Lambda's binary when nobody reads what it logs, beside a Runtime API of a few lines.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

fn function(runtime_api: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_handler"));
    command.env_clear().env("AWS_LAMBDA_RUNTIME_API", runtime_api).env("AWS_LAMBDA_FUNCTION_NAME", "resize");
    command.env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512").env("AWS_LAMBDA_FUNCTION_VERSION", "1");
    command.env("AWS_REGION", "us-east-1").env("AWS_ACCESS_KEY_ID", "id").env("AWS_SECRET_ACCESS_KEY", "secret");
    command.stdin(Stdio::null());
    command
}

/// A pipe that nobody reads.
fn closed() -> io::PipeWriter {
    io::pipe().unwrap().1
}

/// One request: its path and its body.
fn request(stream: &TcpStream) -> (String, Vec<u8>) {
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first).unwrap();
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    (first.split(' ').nth(1).unwrap().to_owned(), body)
}

fn answer(mut stream: &TcpStream, headers: &str, body: &str) {
    let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n{headers}\r\n", body.len());
    stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
}

#[test]
fn invocations_are_answered_although_nobody_reads_the_log() {
    for format in ["JSON", "Text"] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut command = function(&listener.local_addr().unwrap().to_string());
        command.env("AWS_LAMBDA_LOG_FORMAT", format).env("AWS_LAMBDA_LOG_LEVEL", "DEBUG");
        let mut child = command.stdout(closed()).stderr(closed()).spawn().unwrap();
        let mut answers = Vec::new();
        let mut invocations = 0;
        while answers.len() < 3 {
            let (stream, _) = listener.accept().unwrap();
            let (path, body) = request(&stream);
            if path.ends_with("/next") {
                invocations += 1;
                let record = json!({ "messageId": "m1", "body": "no job", "eventSource": "aws:sqs" });
                let headers = format!(
                    "lambda-runtime-aws-request-id: {invocations}\r\nlambda-runtime-deadline-ms: 99999999999999\r\n\
                     lambda-runtime-invoked-function-arn: arn:aws:lambda:us-east-1:000000000000:function:resize\r\n"
                );
                answer(&stream, &headers, &json!({ "Records": [record] }).to_string());
            } else {
                assert!(path.ends_with(&format!("/{invocations}/response")), "{path}");
                answers.push(serde_json::from_slice::<Value>(&body).unwrap());
                answer(&stream, "", "{}");
            }
        }
        assert!(answers.iter().all(|answer| *answer == json!({ "batchItemFailures": [{ "itemIdentifier": "m1" }] })));
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

#[test]
fn a_function_that_cannot_start_ends_with_1_and_says_why_if_anybody_reads() {
    let wrong = || {
        let mut command = function("127.0.0.1:1");
        command.env("MAX_PIXELS", "-1\u{1b}[31m");
        command
    };
    assert_eq!(wrong().stdout(closed()).stderr(closed()).status().unwrap().code(), Some(1));
    let output = wrong().output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        output.status.code() == Some(1)
            && said.starts_with("failed to start the function: the settings are wrong: MAX_PIXELS=")
    );
    assert!(!said.contains('\u{1b}') && said.contains("expected a whole number from 1 to"), "{said}");
}
