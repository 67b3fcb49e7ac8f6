//! What the binary writes while it serves, searched for what must not be there.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Command, Stdio},
};

const BODY: &str = "planted-body-7f3a";
const HEADER: &str = "planted-header-91c2";
const KEY: &str = "PLANTEDKEY5D0E";
const SECRET: &str = "planted-secret-e8b4";

fn send(address: &str, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let request = String::from_utf8_lossy(request).replace("HOST", address);
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn json(address: &str, target: &str, body: &str) -> String {
    let length = body.len();
    let request = format!(
        "POST / HTTP/1.1\r\nHost: HOST\r\nX-Amz-Target: {target}\r\nContent-Type: application/x-amz-json-1.0\r\n\
         Authorization: AWS4-HMAC-SHA256 Credential={KEY}/20260101/us-east-1/sqs/aws4_request, \
         SignedHeaders=host, Signature={HEADER}\r\nX-Amz-Security-Token: {HEADER}\r\nCookie: {HEADER}\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    send(address, request.as_bytes())
}

/// A session with a secret in every place that can hold one; gives the receipt handle that was seen.
fn session(address: &str) -> String {
    json(address, "AmazonSQS.SendMessage", &format!(r#"{{"QueueUrl":"jobs","MessageBody":"{BODY}"}}"#));
    let received = json(address, "AmazonSQS.ReceiveMessage", r#"{"QueueUrl":"jobs"}"#);
    let handle = received.split("\"ReceiptHandle\":\"").nth(1).and_then(|rest| rest.split('"').next());
    let handle = handle.unwrap_or_default().to_owned();
    json(address, "AmazonSQS.DeleteMessage", &format!(r#"{{"QueueUrl":"jobs","ReceiptHandle":"{handle}"}}"#));
    // Errors tempt to quote what they are about.
    json(address, "AmazonSQS.DeleteMessage", &format!(r#"{{"QueueUrl":"jobs","ReceiptHandle":"{BODY}"}}"#));
    json(address, "AmazonSQS.SendMessage", &format!(r#"{{"QueueUrl":"jobs","MessageBody":"{BODY}"#));
    json(address, "AmazonSQS.SendMessage", &format!("{BODY}\u{0}"));
    let close = "Connection: close\r\n\r\n";
    for request in [
        format!("GET /?Action=SendMessage&QueueUrl=jobs&MessageBody={BODY} HTTP/1.1\r\nHost: HOST\r\n{close}"),
        format!("GET /{BODY} HTTP/1.1\r\nHost: {HEADER}.example\r\n{close}"),
        format!("GET / HTTP/1.1\r\nHost: HOST\r\nOrigin: http://{HEADER}.example\r\n{close}"),
        format!("POST / HTTP/1.1\r\nHost: HOST\r\nContent-Type: text/{HEADER}\r\n{close}"),
        format!("POST / HTTP/1.1\r\nHost: HOST\r\nContent-Length: 9\r\nX-Bad: {HEADER}\0\r\n{close}"),
        format!("{HEADER}\r\n\r\n"),
        format!("GET /\u{1b}[31m\u{7}\u{9b} HTTP/1.1\r\nHost: HOST\r\n{close}"),
        format!("POST / HTTP/1.1\r\nHost: HOST\r\nX-Amz-Target: a\tb\u{e9}\u{9b}[2J\r\n{close}"),
    ] {
        send(address, request.as_bytes());
    }
    handle
}

/// All that is written during a session, at the most talkative level.
fn output(arguments: &[&str]) -> (String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_local-queue"));
    command.args(["serve", "--listen", "127.0.0.1:0", "--create", "jobs"]).args(arguments);
    command.env("RUST_LOG", "trace").env("AWS_ACCESS_KEY_ID", KEY).env("AWS_SECRET_ACCESS_KEY", SECRET);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut written = String::new();
    stdout.read_line(&mut written).unwrap();
    let address = written.split("http://").nth(1).unwrap().split(' ').next().unwrap().to_owned();
    let handle = session(&address);
    child.kill().unwrap();
    stdout.read_to_string(&mut written).unwrap();
    child.stderr.take().unwrap().read_to_string(&mut written).unwrap();
    child.wait().unwrap();
    (written, handle)
}

#[test]
fn logs_hold_no_body_no_credentials_no_handle_and_no_control_characters() {
    let (open, handle) = output(&[]);
    assert!(handle.len() > 20, "the session received nothing: {open}");
    assert!(open.contains("answered") && open.contains("AmazonSQS.SendMessage"), "nothing is logged: {open}");
    assert!(open.contains("MisdirectedRequest") && open.contains("ForeignOrigin"), "{open}");
    let (signed, _) = output(&["--require-signature"]);
    assert!(signed.contains("IncompleteSignature") || signed.contains("SignatureDoesNotMatch"), "{signed}");
    for written in [open, signed] {
        // The one path with a planted text is logged, below `info`.
        let written = written.replace(&format!("path=\"/{BODY}\""), "");
        for secret in [BODY, HEADER, KEY, SECRET, handle.as_str()] {
            assert!(!written.contains(secret), "{secret} in: {written}");
        }
        let control = written.chars().find(|character| character.is_control() && *character != '\n');
        assert_eq!(control, None, "{written:?}");
    }
}
