//! An HTTP client that loses its connection, and says what it does not know.

use std::{net::SocketAddr, time::Duration};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};

/// Why a request failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The connection ended without an answer: whether anything was done is not known.
    Lost,
    /// The server says that nothing was done.
    Refused(u16),
}

/// Connects, as soon as the server is there that is being started again: what is sent meanwhile would all be lost.
async fn connect(address: SocketAddr) -> std::io::Result<TcpStream> {
    for _ in 0..1_000 {
        match TcpStream::connect(address).await {
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            connected => return connected,
        }
    }
    TcpStream::connect(address).await
}

pub(crate) struct Client {
    address: SocketAddr,
    stream: Option<BufReader<TcpStream>>,
}

impl Client {
    pub(crate) const fn new(address: SocketAddr) -> Self {
        Self { address, stream: None }
    }

    /// Calls an action of SQS.
    pub(crate) async fn call(&mut self, action: &str, parameters: &Value) -> Result<Value, Failure> {
        let request = self.request(action, parameters);
        self.send(&request).await
    }

    /// Sends a request and crashes: nobody reads the answer, and the next request goes over a new connection.
    pub(crate) async fn call_and_crash(&mut self, action: &str, parameters: &Value) {
        let request = self.request(action, parameters);
        if let Ok(stream) = self.connected().await {
            let _ = stream.write_all(&request).await;
        }
        self.crash();
    }

    /// Loses the connection.
    pub(crate) fn crash(&mut self) {
        self.stream = None;
    }

    pub(crate) async fn developer(&mut self, method: &str, path: &str, body: &Value) -> Result<Value, Failure> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let line = format!("{method} /_local-queue/{path} HTTP/1.1");
        let request = self.bytes(&line, "Content-Type: application/json\r\n", &body);
        self.send(&request).await
    }

    /// Messages in whatever place.
    pub(crate) async fn messages_left(&mut self, queue: &str) -> u64 {
        let parameters = json!({ "QueueUrl": queue, "AttributeNames": ["All"] });
        let attributes = self.call("GetQueueAttributes", &parameters).await.unwrap()["Attributes"].clone();
        let count = |name: &str| attributes[name].as_str().unwrap().parse::<u64>().unwrap();
        count("ApproximateNumberOfMessages") + count("ApproximateNumberOfMessagesNotVisible")
    }

    fn request(&self, action: &str, parameters: &Value) -> Vec<u8> {
        let headers = format!("Content-Type: application/x-amz-json-1.0\r\nX-Amz-Target: AmazonSQS.{action}\r\n");
        self.bytes("POST / HTTP/1.1", &headers, &parameters.to_string())
    }

    fn bytes(&self, line: &str, headers: &str, body: &str) -> Vec<u8> {
        format!("{line}\r\nHost: {}\r\n{headers}Content-Length: {}\r\n\r\n{body}", self.address, body.len())
            .into_bytes()
    }

    async fn connected(&mut self) -> std::io::Result<&mut BufReader<TcpStream>> {
        if self.stream.is_none() {
            let stream = connect(self.address).await?;
            stream.set_nodelay(true)?;
            self.stream = Some(BufReader::new(stream));
        }
        Ok(self.stream.as_mut().expect("it was just connected"))
    }

    async fn send(&mut self, request: &[u8]) -> Result<Value, Failure> {
        match self.exchange(request).await {
            Ok((200..300, body)) => Ok(serde_json::from_slice(&body).unwrap_or_default()),
            Ok((status, _)) => Err(Failure::Refused(status)),
            Err(_) => {
                self.crash();
                Err(Failure::Lost)
            }
        }
    }

    async fn exchange(&mut self, request: &[u8]) -> std::io::Result<(u16, Vec<u8>)> {
        let stream = self.connected().await?;
        stream.write_all(request).await?;
        let (mut status, mut length, mut line) = (0, 0, String::new());
        loop {
            line.clear();
            if stream.read_line(&mut line).await? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            let line = line.trim_end().to_ascii_lowercase();
            if let Some(rest) = line.strip_prefix("http/1.1 ") {
                status = rest[..3].parse().unwrap();
            } else if let Some(rest) = line.strip_prefix("content-length: ") {
                length = rest.parse().unwrap();
            } else if line.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await?;
        Ok((status, body))
    }
}
