//! A server with short times on a real socket, and a client that writes bytes.

use std::{
    net::SocketAddr,
    sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use local_queue::{
    LocalQueue,
    server::{Bounds, Server},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::oneshot,
};

/// After this long an open connection without an answer counts as a hang; far above every bound of the server.
const HANG: Duration = Duration::from_secs(10);
/// Room for a busy machine between the end of a bound and the moment it is seen. On an idle one it takes milliseconds.
pub(crate) const SLACK: Duration = Duration::from_secs(3);
pub(crate) const BODY_BYTES_MAX: usize = 2 * 1024 * 1024;

static PANICS: AtomicUsize = AtomicUsize::new(0);

/// Counts panics of threads of the server and of the runtimes, because one in a connection's task only ends the connection.
/// A test that fails does so on its own thread, which has the test's name.
fn count_panics() {
    static INSTALLED: OnceLock<()> = OnceLock::new();
    INSTALLED.get_or_init(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let is_test = std::thread::current().name().is_some_and(|name| name.contains("::"));
            PANICS.fetch_add(usize::from(!is_test), Ordering::SeqCst);
            previous(panic);
        }));
    });
}

/// Short times, so that a test of one takes a moment.
pub(crate) fn short() -> Bounds {
    Bounds {
        header_timeout: Duration::from_millis(300),
        idle_timeout: Duration::from_millis(600),
        body_timeout: Duration::from_millis(300),
        answer_timeout: Duration::from_millis(600),
        body_bytes_max: BODY_BYTES_MAX,
        ..Bounds::default()
    }
}

/// A running server with the queue `jobs`.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) queues: LocalQueue,
    stop: oneshot::Sender<()>,
    task: tokio::task::JoinHandle<()>,
}

impl Running {
    pub(crate) async fn start(bounds: Bounds) -> Self {
        Self::start_with(bounds, |server| server).await
    }

    pub(crate) async fn start_with(bounds: Bounds, set_up: impl FnOnce(Server) -> Server) -> Self {
        count_panics();
        let queues = LocalQueue::builder().build();
        queues.create_queue("jobs", &[]).unwrap();
        let server = Server::bind("127.0.0.1:0".parse().unwrap(), queues.clone(), bounds).await.unwrap();
        let address = server.local_address().unwrap();
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(set_up(server).run(async { drop(stopped.await) }));
        Self { address, queues, stop, task }
    }

    /// Stops the server, which must not take longer than it promises, and looks for panics.
    pub(crate) async fn stop(self) {
        self.assert_answers("all of that").await;
        self.stop_without_asking().await;
    }

    pub(crate) async fn stop_without_asking(self) {
        self.stop.send(()).unwrap();
        tokio::time::timeout(HANG, self.task).await.expect("the server stops").unwrap();
        assert_eq!(PANICS.load(Ordering::SeqCst), 0, "something panicked");
    }

    pub(crate) async fn connect(&self) -> Client {
        Client::connect(self.address).await
    }

    /// Sends bytes on a connection of their own and takes the first answer.
    pub(crate) async fn send(&self, bytes: &[u8]) -> Outcome {
        let mut client = self.connect().await;
        client.write(bytes).await;
        client.read().await
    }

    /// Returns when so many receives wait.
    pub(crate) async fn until_waiting(&self, count: usize) {
        let expected = format!("local_queue_long_polls_waiting {count}\n");
        let metrics = self.request("GET /_local-queue/metrics HTTP/1.1", "", b"");
        let waited = tokio::time::timeout(HANG, async {
            while !self.send(&metrics).await.body().contains(&expected) {
                tokio::task::yield_now().await;
            }
        });
        waited.await.unwrap_or_else(|_| panic!("there are never {count} receives that wait"));
    }

    pub(crate) async fn assert_answers(&self, after: &str) {
        let outcome = self.send(&self.json("ListQueues", "{}")).await;
        assert_eq!(outcome.status(), 200, "a normal request after {after}: {outcome:?}");
    }

    /// Runs cases one by one; each has the statuses that are right, 0 being the connection's end.
    pub(crate) async fn check(&self, cases: Vec<(&str, Vec<u8>, &[u16])>) -> usize {
        let count = cases.len();
        for (name, bytes, expected) in cases {
            let outcome = self.send(&bytes).await;
            assert!(expected.contains(&outcome.status()), "{name}: expected {expected:?}, got {outcome:?}");
            self.assert_answers(name).await;
        }
        count
    }

    pub(crate) fn request(&self, line: &str, headers: &str, body: &[u8]) -> Vec<u8> {
        let mut bytes = format!("{line}\r\nHost: {}\r\n{headers}\r\n", self.address).into_bytes();
        bytes.extend_from_slice(body);
        bytes
    }

    pub(crate) fn json(&self, action: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
        let body = body.as_ref();
        let headers = format!("{}Content-Length: {}\r\n", json_headers(action), body.len());
        self.request("POST / HTTP/1.1", &headers, body)
    }

    pub(crate) fn form(&self, body: impl AsRef<[u8]>) -> Vec<u8> {
        let body = body.as_ref();
        let headers = format!("Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n", body.len());
        self.request("POST / HTTP/1.1", &headers, body)
    }
}

pub(crate) fn json_headers(action: &str) -> String {
    format!("Content-Type: application/x-amz-json-1.0\r\nX-Amz-Target: AmazonSQS.{action}\r\n")
}

/// A body in chunks of this many bytes.
pub(crate) fn chunked(body: &[u8], bytes: usize) -> Vec<u8> {
    let mut encoded = Vec::new();
    for chunk in body.chunks(bytes) {
        encoded.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        encoded.extend_from_slice(chunk);
        encoded.extend_from_slice(b"\r\n");
    }
    encoded.extend_from_slice(b"0\r\n\r\n");
    encoded
}

/// What came of a request.
#[derive(Debug)]
pub(crate) enum Outcome {
    Answer { status: u16, header: String, body: String },
    Closed,
    Hang,
}

impl Outcome {
    /// The status, 0 for a connection that ended without, 1 for one that never did.
    pub(crate) fn status(&self) -> u16 {
        match self {
            Self::Answer { status, .. } => *status,
            Self::Closed => 0,
            Self::Hang => 1,
        }
    }

    pub(crate) fn body(&self) -> &str {
        match self {
            Self::Answer { body, .. } => body,
            _ => "",
        }
    }

    pub(crate) fn header(&self) -> &str {
        match self {
            Self::Answer { header, .. } => header,
            _ => "",
        }
    }
}

/// One connection.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    buffer: Vec<u8>,
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self { stream: TcpStream::connect(address).await.unwrap(), buffer: Vec::new() }
    }

    /// Writes what the server will take; it may have answered and closed before the end.
    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        let _ = tokio::time::timeout(HANG, self.stream.write_all(bytes)).await.expect("the server reads or closes");
    }

    /// Reads one answer.
    pub(crate) async fn read(&mut self) -> Outcome {
        tokio::time::timeout(HANG, self.read_answer()).await.unwrap_or(Outcome::Hang)
    }

    async fn read_answer(&mut self) -> Outcome {
        loop {
            if let Some(outcome) = self.parse() {
                return outcome;
            }
            let mut bytes = vec![0; 64 * 1024];
            match self.stream.read(&mut bytes).await {
                Ok(0) | Err(_) => return Outcome::Closed,
                Ok(count) => self.buffer.extend_from_slice(&bytes[..count]),
            }
        }
    }

    fn parse(&mut self) -> Option<Outcome> {
        let end = self.buffer.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
        let header = String::from_utf8_lossy(&self.buffer[..end]).to_lowercase();
        let status = header.split(' ').nth(1)?.parse().ok()?;
        let length = header.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
        let length = length.unwrap_or(0);
        let body = self.buffer.get(end..end + length)?;
        let body = String::from_utf8_lossy(body).into_owned();
        self.buffer.drain(..end + length);
        Some(Outcome::Answer { status, header, body })
    }
}
