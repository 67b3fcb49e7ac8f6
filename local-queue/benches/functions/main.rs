//! What it costs to run a function as a process: `cargo bench -p local-queue --bench functions`.
//!
//! The processes are the handler, if it is built (`HANDLER`, or `target/release/handler`), and this program itself as a
//! runtime that does nothing. Figures are printed, never asserted.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a benchmark stops at the first thing that goes wrong")]
#![expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
#![expect(clippy::cast_precision_loss, reason = "figures for people")]

use std::{
    env, fs,
    io::{Read, Write},
    net::TcpStream,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use bytes::Bytes;
use local_queue::{
    LocalQueue,
    engine::{MessageBody, SendMessage, Time},
    event_source_mapping::{EventSourceMapping, Invocation, Invoker, QueueSource},
    runtime_api::{Function, LogLine},
};

const STARTS: usize = 40;
const INVOCATIONS: usize = 3_000;
const MESSAGES: usize = 20_000;

fn main() {
    if env::var_os("AWS_LAMBDA_RUNTIME_API").is_some() {
        do_nothing();
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let this = env::current_exe().unwrap();
        let handler = handler();
        println!("From the start of a process to its first /next, {STARTS} starts");
        for (name, program) in [("nothing", Some(&this)), ("the handler", handler.as_ref())] {
            start(name, program).await;
        }
        println!("\nAn invocation of a process that waits, a batch of 10, {INVOCATIONS} invocations");
        warm(&this).await;
        println!("\nFrom the timeout of an invocation until its process is killed and the error is there");
        timeouts(&this).await;
        println!("\nQueue, mapping, process, delete: batches of 10 out of {MESSAGES} messages, two processes at most");
        through("nothing", &this, MESSAGES).await;
        for (name, package) in [("awslambdaric (Python)", python()), ("aws-lambda-ric (Node)", node())] {
            match package {
                Some(folder) => through(name, folder.path(), MESSAGES / 4).await,
                None => println!("  {name}: not measured, because .cache/clients does not have it"),
            }
        }
    });
}

/// A runtime that answers every invocation with nothing, over one connection.
fn do_nothing() -> ! {
    let address = env::var("AWS_LAMBDA_RUNTIME_API").unwrap();
    let mut stream = TcpStream::connect(&address).unwrap();
    stream.set_nodelay(true).unwrap();
    let mut buffer = vec![0; 64 * 1024];
    if env::var("_HANDLER").unwrap() == "hang" {
        loop {
            read_next(&address, &mut stream, &mut buffer);
            std::thread::park();
        }
    }
    loop {
        let head = read_next(&address, &mut stream, &mut buffer);
        let id = head.lines().find_map(|line| line.strip_prefix("lambda-runtime-aws-request-id: ")).unwrap();
        let request = format!(
            "POST /2018-06-01/runtime/invocation/{id}/response HTTP/1.1\r\nhost: {address}\r\ncontent-length: 4\r\n\r\nnull"
        );
        stream.write_all(request.as_bytes()).unwrap();
        read_answer(&mut stream, &mut buffer);
    }
}

/// Waits for an invocation, and gives its head.
fn read_next(address: &str, stream: &mut TcpStream, buffer: &mut [u8]) -> String {
    let request = format!("GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nhost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    read_answer(stream, buffer)
}

/// Reads one answer, and gives its head.
fn read_answer(stream: &mut TcpStream, buffer: &mut [u8]) -> String {
    let mut filled = 0;
    loop {
        filled += stream.read(&mut buffer[filled..]).unwrap();
        let Some(end) = buffer[..filled].windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = String::from_utf8(buffer[..end].to_vec()).unwrap();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        let whole = end + 4 + length.parse::<usize>().unwrap();
        while filled < whole {
            filled += stream.read(&mut buffer[filled..]).unwrap();
        }
        return head;
    }
}

fn handler() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/release/handler");
    let path = env::var_os("HANDLER").map_or_else(beside, PathBuf::from);
    path.exists().then_some(path)
}

fn clients() -> PathBuf {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../.cache/clients");
    env::var_os("CLIENTS").map_or_else(beside, PathBuf::from)
}

/// A Python function that does nothing.
fn python() -> Option<tempfile::TempDir> {
    let python = std::path::absolute(clients().join("python/bin/python")).unwrap();
    let has_module = std::process::Command::new(&python).args(["-c", "import awslambdaric"]).output();
    has_module.ok().filter(|output| output.status.success())?;
    let command = format!("exec {} -m awslambdaric app.handle", python.display());
    Some(package(&command, "app.py", "def handle(event, context):\n    return None\n"))
}

/// A Node function that does nothing.
fn node() -> Option<tempfile::TempDir> {
    let runtime = clients().join("node_modules/aws-lambda-ric/bin/index.mjs").canonicalize().ok()?;
    let command = format!("exec node {} app.handle", runtime.display());
    Some(package(&command, "app.mjs", "export async function handle() { return null; }\n"))
}

fn package(command: &str, file: &str, app: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let bootstrap = folder.path().join("bootstrap");
    fs::write(&bootstrap, format!("#!/bin/sh\n{command}\n")).unwrap();
    fs::set_permissions(&bootstrap, fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(folder.path().join(file), app).unwrap();
    folder
}

fn function(program: &Path) -> Function {
    let builder = Function::builder("resize", program).timeout(Duration::from_secs(20)).memory_mib(1024);
    builder.concurrency_max(2).logs(|_: &LogLine| {}).build().unwrap()
}

async fn invoke(function: &Function, event: &Bytes, number: usize) -> Duration {
    let invocation = Invocation {
        event: event.clone(),
        request_id: format!("request-{number}"),
        function_arn: "arn:aws:lambda:us-east-1:000000000000:function:resize".into(),
        deadline: Time::EPOCH,
    };
    let began = Instant::now();
    function.invoke(invocation).await.unwrap();
    began.elapsed()
}

fn percentiles(name: &str, values: &mut [Duration]) {
    values.sort_unstable();
    let at = |share: usize| values[(values.len() - 1) * share / 100].as_secs_f64() * 1e3;
    println!("  {name}: p50 {:.3} ms, p90 {:.3} ms, p99 {:.3} ms", at(50), at(90), at(99));
}

async fn start(name: &str, program: Option<&PathBuf>) {
    let Some(program) = program else {
        return println!("  {name}: not measured, because target/release/handler is not built");
    };
    let event = Bytes::from_static(b"{\"Records\":[]}");
    let (mut starts, mut memory) = (Vec::new(), 0);
    for number in 0..STARTS {
        let function = function(program);
        invoke(&function, &event, number).await;
        let metrics = function.metrics();
        starts.push(metrics.init_duration);
        memory = metrics.memory_peak_bytes.max(memory);
    }
    percentiles(name, &mut starts);
    println!("  {name}: {:.1} MiB resident at most, after one invocation", memory as f64 / 1024.0 / 1024.0);
}

async fn warm(program: &Path) {
    let body = "x".repeat(400);
    let record = format!("{{\"messageId\":\"01234567-0123-0123-0123-0123456789ab\",\"body\":\"{body}\"}}");
    let event = Bytes::from(format!("{{\"Records\":[{}]}}", vec![record; 10].join(",")));
    let function = function(program);
    let mut durations = Vec::new();
    for number in 0..INVOCATIONS {
        durations.push(invoke(&function, &event, number).await);
    }
    assert_eq!(function.metrics().cold_starts, 1);
    percentiles("nothing", &mut durations[1..]);
}

async fn timeouts(program: &Path) {
    let timeout = Duration::from_millis(200);
    let builder = Function::builder("resize", program).handler("hang").timeout(timeout).logs(|_: &LogLine| {});
    let function = builder.build().unwrap();
    let mut late = Vec::new();
    for number in 0..20 {
        let before = function.metrics().init_duration;
        let invocation = Invocation {
            event: Bytes::from_static(b"{}"),
            request_id: format!("request-{number}"),
            function_arn: "arn:aws:lambda:us-east-1:000000000000:function:resize".into(),
            deadline: Time::EPOCH,
        };
        let began = Instant::now();
        function.invoke(invocation).await.unwrap_err();
        let start = function.metrics().init_duration.saturating_sub(before);
        late.push(began.elapsed().saturating_sub(timeout + start));
    }
    percentiles("late by", &mut late);
}

async fn through(name: &str, program: &Path, messages: usize) {
    let queues = LocalQueue::builder().build();
    let jobs = queues.create_queue("jobs", &[]).unwrap();
    for number in 0..messages {
        queues.send(&jobs, SendMessage::new(MessageBody::parse(number.to_string()).unwrap())).unwrap();
    }
    let function = function(program);
    let mapping = EventSourceMapping {
        function_timeout: function.timeout(),
        maximum_concurrency: Some(2),
        ..EventSourceMapping::new("resize")
    };
    let source = QueueSource::new(queues.clone(), jobs);
    let (driver, handle) = mapping.connect(source, function.clone(), queues.clock().clone()).await.unwrap();
    let began = Instant::now();
    let running = tokio::spawn(driver.run());
    handle.drained().await.unwrap();
    let seconds = began.elapsed().as_secs_f64();
    handle.stop();
    running.await.unwrap();
    let batches = function.metrics().invocations;
    println!("  {name}: {:.0} batches/s ({batches} batches in {seconds:.2} s)", batches as f64 / seconds);
}
