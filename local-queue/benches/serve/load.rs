//! Clients that send the next request when they have the answer to the last.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{pages::Pages, process::Served, stack::ROUTE};

const GROUPS: u64 = 100;
/// Before anything is measured.
const WARM_UP: Duration = Duration::from_millis(500);

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Load {
    Send,
    Fifo,
    /// Ten sends, then a receive of up to ten, then a delete of what came.
    Cycle,
    /// A request to an API whose route sends.
    Post,
}

/// What was answered, and what it took.
pub(super) struct Measured {
    requests: u64,
    elapsed: Duration,
    processor_time: Duration,
}

impl Measured {
    pub(super) fn per_second(&self) -> f64 {
        self.requests as f64 / self.elapsed.as_secs_f64()
    }

    pub(super) fn per_processor_second(&self) -> f64 {
        self.requests as f64 / self.processor_time.as_secs_f64()
    }
}

/// Loads a server for so long.
pub(super) fn run(served: &Served, load: Load, connections: usize, duration: Duration) -> Measured {
    run_with_pages(served, load, connections, duration, 0)
}

/// The same while so many pages of the console are open.
pub(super) fn run_with_pages(
    served: &Served,
    load: Load,
    connections: usize,
    duration: Duration,
    pages: usize,
) -> Measured {
    // One thread: the processors are the server's.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (name, attributes) = match load {
            Load::Fifo => ("jobs.fifo", r#","Attributes":{"FifoQueue":"true"}"#),
            Load::Send | Load::Cycle | Load::Post => ("jobs", ""),
        };
        let mut first = Client::connect(served.address, load, 0).await;
        first.exchange("CreateQueue", &format!(r#"{{"QueueName":"{name}"{attributes}}}"#)).await;
        let mut clients = vec![first];
        for number in 1..connections as u64 {
            clients.push(Client::connect(served.address, load, number).await);
        }
        let _pages = Pages::open(served.address, pages);
        let clients = work(clients, WARM_UP).await.0;
        let (started, busy) = (Instant::now(), served.processor_time());
        let (_, requests) = work(clients, duration).await;
        Measured { requests, elapsed: started.elapsed(), processor_time: served.processor_time().saturating_sub(busy) }
    })
}

/// Lets all work for so long; says how many requests were answered.
async fn work(clients: Vec<Client>, duration: Duration) -> (Vec<Client>, u64) {
    let end = Instant::now() + duration;
    let working = clients.into_iter().map(|mut client| {
        tokio::spawn(async move {
            let mut requests = 0;
            while Instant::now() < end {
                requests += client.turn().await;
            }
            (client, requests)
        })
    });
    let (mut clients, mut requests) = (Vec::new(), 0);
    for worker in working.collect::<Vec<_>>() {
        let (client, count) = worker.await.unwrap();
        clients.push(client);
        requests += count;
    }
    (clients, requests)
}

struct Client {
    stream: TcpStream,
    address: SocketAddr,
    load: Load,
    /// Sets its deduplication ids apart from those of others.
    number: u64,
    sent: u64,
    request: Vec<u8>,
    answer: Vec<u8>,
}

impl Client {
    async fn connect(address: SocketAddr, load: Load, number: u64) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, address, load, number, sent: 0, request: Vec::new(), answer: Vec::with_capacity(16 * 1024) }
    }

    /// The next requests, and how many they were.
    async fn turn(&mut self) -> u64 {
        if self.load != Load::Cycle {
            self.send().await;
            return 1;
        }
        for _ in 0..10 {
            self.send().await;
        }
        self.exchange("ReceiveMessage", r#"{"QueueUrl":"jobs","MaxNumberOfMessages":10}"#).await;
        let answer = String::from_utf8_lossy(&self.answer);
        let handles = answer.split(r#""ReceiptHandle":""#).skip(1).filter_map(|rest| rest.split('"').next());
        let entries = handles.enumerate().map(|(id, handle)| format!(r#"{{"Id":"{id}","ReceiptHandle":"{handle}"}}"#));
        let entries = entries.collect::<Vec<_>>();
        if entries.is_empty() {
            return 11;
        }
        let delete = format!(r#"{{"QueueUrl":"jobs","Entries":[{}]}}"#, entries.join(","));
        self.exchange("DeleteMessageBatch", &delete).await;
        12
    }

    async fn send(&mut self) {
        const BODY: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\
                            0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\
                            0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\
                            0123456789abcdef";
        self.sent += 1;
        if self.load == Load::Post {
            return self.post(BODY).await;
        }
        let (queue, rest) = match self.load {
            Load::Fifo => {
                let (group, id) = ((self.sent + self.number * 7) % GROUPS, self.sent);
                let ids = format!(r#","MessageGroupId":"g{group}","MessageDeduplicationId":"d{}-{id}""#, self.number);
                ("jobs.fifo", ids)
            }
            Load::Send | Load::Cycle | Load::Post => ("jobs", String::new()),
        };
        self.exchange("SendMessage", &format!(r#"{{"QueueUrl":"{queue}","MessageBody":"{BODY}"{rest}}}"#)).await;
    }

    /// Sends a request with the header of an SDK.
    async fn exchange(&mut self, action: &str, body: &str) {
        use std::io::Write as _;
        self.request.clear();
        write!(
            self.request,
            "POST / HTTP/1.1\r\nHost: {}\r\nUser-Agent: aws-sdk\r\nAccept-Encoding: identity\r\nContent-Type: \
             application/x-amz-json-1.0\r\nX-Amz-Target: AmazonSQS.{action}\r\nX-Amz-Date: 20260101T000000Z\r\n\
             Authorization: AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/sqs/aws4_request, \
             SignedHeaders=content-type;host;x-amz-date;x-amz-target, Signature={:064}\r\nContent-Length: {}\r\n\r\n{body}",
            self.address,
            0,
            body.len()
        )
        .unwrap();
        self.read().await;
    }

    /// Sends a request to an API, with the header of curl.
    async fn post(&mut self, body: &str) {
        use std::io::Write as _;
        self.request.clear();
        write!(
            self.request,
            "POST {ROUTE} HTTP/1.1\r\nHost: {}\r\nUser-Agent: curl/8.5.0\r\nAccept: */*\r\nContent-Type: \
             application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        )
        .unwrap();
        self.read().await;
    }

    /// Sends the request, and reads the whole answer.
    async fn read(&mut self) {
        self.stream.write_all(&self.request).await.unwrap();
        self.answer.clear();
        loop {
            assert!(self.stream.read_buf(&mut self.answer).await.unwrap() > 0, "the server has closed the connection");
            let Some(end) = self.answer.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
            let head = std::str::from_utf8(&self.answer[..end]).unwrap();
            assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
            let length = head.split("content-length: ").nth(1).unwrap().split('\r').next().unwrap();
            if self.answer.len() >= end + 4 + length.parse::<usize>().unwrap() {
                return;
            }
        }
    }
}
