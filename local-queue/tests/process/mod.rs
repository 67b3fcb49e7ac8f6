//! The binary as a process, for the tests that run it: where it listens, what it answers.

use std::{
    io::{BufRead, Read, Write},
    net::TcpStream,
    process::Child,
};

/// A process that ends with the test.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Where a server listens, from the first line that it writes.
pub(crate) fn address(lines: &mut impl BufRead) -> String {
    let mut first = String::new();
    lines.read_line(&mut first).unwrap();
    first
        .split("http://")
        .nth(1)
        .unwrap_or_else(|| panic!("no address in {first:?}"))
        .split(' ')
        .next()
        .unwrap()
        .to_owned()
}

/// Asks SQS.
pub(crate) fn post(address: &str, action: &str, body: &str) -> String {
    let headers = format!("X-Amz-Target: AmazonSQS.{action}\r\nContent-Type: application/x-amz-json-1.0");
    request(address, "POST /", &headers, body)
}

/// Asks the developer's API.
pub(crate) fn ask(address: &str, method: &str, path: &str, body: &str) -> String {
    request(address, &format!("{method} /_local-queue/{path}"), "Content-Type: application/json", body)
}

fn request(address: &str, target: &str, headers: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let length = body.len();
    write!(
        stream,
        "{target} HTTP/1.1\r\nHost: {address}\r\n{headers}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}
