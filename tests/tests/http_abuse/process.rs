//! The emulator as a process of its own, whose memory can be measured.

use std::{
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::{Value, json};
use tests::binaries;

use super::harness::{Client, Outcome};

/// `local-queue serve`, with the queue `jobs`; killed when it is dropped.
pub(crate) struct Process {
    pub(crate) address: SocketAddr,
    child: Child,
    log: Arc<Mutex<String>>,
}

impl Drop for Process {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Process {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let mut command = Command::new(binaries::local_queue());
        command.args(["serve", "--listen", "127.0.0.1:0", "--create", "jobs"]).args(arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).env_remove("RUST_LOG").spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = lines.next().expect("it says where it listens").unwrap();
        let address = first.split("http://").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let (errors, kept) = (BufReader::new(child.stderr.take().unwrap()), Arc::clone(&log));
        std::thread::spawn(move || {
            for line in errors.lines().map_while(Result::ok) {
                kept.lock().unwrap().push_str(&(line + "\n"));
            }
        });
        // Nobody reads what else it says, which is little.
        std::thread::spawn(move || lines.map_while(Result::ok).count());
        Self { address, child, log }
    }

    /// What it has written to standard error.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// What it has written to standard error, as soon as `text` is in it.
    pub(crate) async fn until_log(&self, text: &str) -> String {
        let waited = tokio::time::timeout(Duration::from_secs(60), async {
            while !self.log().contains(text) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        waited.await.unwrap_or_else(|_| panic!("it never writes {text:?}, but {:?}", self.log()));
        self.log()
    }

    /// A line of its status, in KiB: `VmRSS`, or `VmHWM` for the most there has been.
    pub(crate) fn status_kib(&self, name: &str) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap_or_default();
        line.split_whitespace().next().and_then(|kib| kib.parse().ok()).unwrap_or_default()
    }

    /// How many descriptors and threads it has.
    pub(crate) fn descriptors_and_threads(&self) -> (usize, usize) {
        let count = |folder| {
            let entries = std::fs::read_dir(format!("/proc/{}/{folder}", self.child.id()));
            entries.map_or(0, Iterator::count)
        };
        (count("fd"), count("task"))
    }

    pub(crate) fn request(&self, action: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
        let (address, body) = (self.address, body.as_ref());
        let head = format!(
            "POST / HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/x-amz-json-1.0\r\n\
             X-Amz-Target: AmazonSQS.{action}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        [head.as_bytes(), body].concat()
    }

    pub(crate) async fn connect(&self) -> Caller {
        Caller { client: Client::connect(self.address).await, address: self.address }
    }

    /// A number of its metrics, which have no labels.
    pub(crate) async fn metric(&self, name: &str) -> u64 {
        let mut client = Client::connect(self.address).await;
        let request = format!("GET /_local-queue/metrics HTTP/1.1\r\nHost: {}\r\n\r\n", self.address);
        client.write(request.as_bytes()).await;
        let outcome = client.read().await;
        let line = outcome.body().lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("there is no {name} in {outcome:?}")).parse().unwrap()
    }

    /// Returns when a metric has a value.
    pub(crate) async fn until_metric(&self, name: &str, value: u64) {
        let waited = tokio::time::timeout(Duration::from_secs(60), async {
            while self.metric(name).await != value {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        waited.await.unwrap_or_else(|_| panic!("{name} never is {value}"));
    }
}

/// One connection to a process.
pub(crate) struct Caller {
    pub(crate) client: Client,
    address: SocketAddr,
}

impl Caller {
    /// Asks for an action and takes the answer.
    pub(crate) async fn call(&mut self, action: &str, parameters: &Value) -> Outcome {
        let (address, body) = (self.address, parameters.to_string());
        let head = format!(
            "POST / HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/x-amz-json-1.0\r\n\
             X-Amz-Target: AmazonSQS.{action}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.client.write(head.as_bytes()).await;
        self.client.read().await
    }

    /// Asks for an action that must succeed.
    pub(crate) async fn ok(&mut self, action: &str, parameters: &Value) -> Value {
        let outcome = self.call(action, parameters).await;
        assert_eq!(outcome.status(), 200, "{action} {parameters:.200}: {outcome:?}");
        if outcome.body().is_empty() { Value::Null } else { serde_json::from_str(outcome.body()).unwrap() }
    }

    /// Receives up to ten messages.
    pub(crate) async fn receive(&mut self, queue: &str) -> Vec<Value> {
        let parameters = json!({ "QueueUrl": queue, "MaxNumberOfMessages": 10 });
        self.ok("ReceiveMessage", &parameters).await["Messages"].as_array().cloned().unwrap_or_default()
    }
}
