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
    runtime_api::{Function, Interpreted, LogLine},
};

const STARTS: usize = 40;
const INVOCATIONS: usize = 3_000;
const SAVES: usize = 20;
const MESSAGES: usize = 20_000;

fn main() {
    if env::var_os("AWS_LAMBDA_RUNTIME_API").is_some() {
        do_nothing();
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let this = env::current_exe().unwrap();
        let handler = handler();
        println!("From the start of a process to its first /next, and to its first answer, {STARTS} starts");
        for (name, program) in [("nothing", Some(&this)), ("the handler", handler.as_ref())] {
            match program {
                Some(program) => start(name, || function(program)).await,
                None => println!("  {name}: not measured, because target/release/handler is not built"),
            }
        }
        let programs = Interpreter::all();
        for program in &programs {
            start(program.name, || program.function(false)).await;
        }
        println!("\nAn invocation of a process that waits, a batch of 10, {INVOCATIONS} invocations");
        warm("nothing", &function(&this)).await;
        for program in &programs {
            warm(program.name, &program.function(false)).await;
        }
        println!("\nFrom saving a changed file to the answer of the new code, {SAVES} times");
        for program in &programs {
            save(program).await;
        }
        println!("\nFrom the timeout of an invocation until its process is killed and the error is there");
        timeouts(&this).await;
        println!("\nQueue, mapping, process, delete: batches of 10 out of {MESSAGES} messages, two processes at most");
        through("nothing", function(&this), MESSAGES).await;
        for program in &programs {
            through(program.name, program.function(false), MESSAGES / 4).await;
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

/// A function that does nothing in Python or Node.js, by a client of the Runtime API.
struct Interpreter {
    name: &'static str,
    folder: tempfile::TempDir,
    file: &'static str,
    text: &'static str,
    /// The interpreter and `Runtime` of a function that our client runs; without it the folder has a bootstrap.
    ours: Option<(PathBuf, &'static str)>,
}

const PYTHON: (&str, &str) = ("app.py", "def handle(event, context):\n    return 0\n");
const NODE: (&str, &str) = ("app.mjs", "export async function handle() { return 0; }\n");

impl Interpreter {
    /// Those that this machine has, ours and AWS's.
    fn all() -> Vec<Self> {
        let clients = clients();
        let python = |environment: &str| std::path::absolute(clients.join(environment).join("bin/python")).unwrap();
        let says = |program: &Path, arguments: [&str; 2]| {
            let output = std::process::Command::new(program).args(arguments).output().ok()?;
            output.status.success().then(|| String::from_utf8(output.stdout).unwrap().trim().to_owned())
        };
        let node = says(Path::new("node"), ["-p", "process.execPath"]);
        // The same interpreter, in an environment where our client would not give way to AWS's.
        let ours = says(&python("python-aio"), ["-c", "import sys; print(sys.executable)"]);
        let ours = ours.or_else(|| says(Path::new("python3"), ["-c", "import sys; print(sys.executable)"]));
        let ric = says(&python("python"), ["-c", "import awslambdaric"]);
        let node_ric = clients.join("node_modules/aws-lambda-ric/bin/index.mjs").canonicalize().ok();
        let by_ours = |name, (file, text), program: Option<String>, runtime| {
            Some(Self { name, folder: folder(file, text), file, text, ours: Some((program?.into(), runtime)) })
        };
        let by_bootstrap = |name, (file, text), command: Option<String>| {
            let folder = folder(file, text);
            let bootstrap = folder.path().join("bootstrap");
            // Python would not tell two changes within a second apart by what it has compiled.
            let script = format!("#!/bin/sh\nexport PYTHONDONTWRITEBYTECODE=1\nexec {} app.handle\n", command?);
            fs::write(&bootstrap, script).unwrap();
            fs::set_permissions(&bootstrap, fs::Permissions::from_mode(0o755)).unwrap();
            Some(Self { name, folder, file, text, ours: None })
        };
        let ric = ric.map(|_| format!("{} -m awslambdaric", python("python").display()));
        let node_ric = node_ric.map(|file| format!("node {}", file.display()));
        let all = [
            ("Python", by_ours("Python", PYTHON, ours, "python3.12")),
            ("awslambdaric (Python)", by_bootstrap("awslambdaric (Python)", PYTHON, ric)),
            ("Node", by_ours("Node", NODE, node, "nodejs20.x")),
            ("aws-lambda-ric (Node)", by_bootstrap("aws-lambda-ric (Node)", NODE, node_ric)),
        ];
        let there = |(name, program): (&str, Option<Self>)| {
            if program.is_none() {
                println!("  {name}: not measured, because this machine and .cache/clients do not have it");
            }
            program
        };
        all.into_iter().filter_map(there).collect()
    }

    fn function(&self, reload: bool) -> Function {
        let builder = match &self.ours {
            Some((program, runtime)) => {
                Function::interpreted("resize", Interpreted::new(runtime, program, self.folder.path()).unwrap())
            }
            None => Function::builder("resize", self.folder.path()),
        };
        let builder = builder.handler("app.handle").timeout(Duration::from_secs(20)).memory_mib(1024);
        builder.reload(reload).concurrency_max(2).logs(|_: &LogLine| {}).build().unwrap()
    }

    fn save(&self, text: &str) {
        fs::write(self.folder.path().join(self.file), text).unwrap();
    }
}

fn folder(file: &str, text: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(file), text).unwrap();
    folder
}

fn function(program: &Path) -> Function {
    let builder = Function::builder("resize", program).timeout(Duration::from_secs(20)).memory_mib(1024);
    builder.concurrency_max(2).logs(|_: &LogLine| {}).build().unwrap()
}

async fn invoke(function: &Function, event: &Bytes, number: usize) -> Duration {
    answer(function, event, number).await.1
}

/// The answer, and how long it took.
async fn answer(function: &Function, event: &Bytes, number: usize) -> (Bytes, Duration) {
    let invocation = Invocation {
        event: event.clone(),
        request_id: format!("request-{number}"),
        function_arn: "arn:aws:lambda:us-east-1:000000000000:function:resize".into(),
        deadline: Time::EPOCH,
    };
    let began = Instant::now();
    let reply = function.invoke(invocation).await.unwrap();
    (reply, began.elapsed())
}

fn percentiles(name: &str, values: &mut [Duration]) {
    values.sort_unstable();
    let at = |share: usize| values[(values.len() - 1) * share / 100].as_secs_f64() * 1e3;
    println!("  {name}: p50 {:.3} ms, p90 {:.3} ms, p99 {:.3} ms", at(50), at(90), at(99));
}

async fn start(name: &str, function: impl Fn() -> Function) {
    let event = Bytes::from_static(b"{\"Records\":[]}");
    let (mut starts, mut answers, mut memory) = (Vec::new(), Vec::new(), 0);
    for number in 0..STARTS {
        let function = function();
        answers.push(invoke(&function, &event, number).await);
        let metrics = function.metrics();
        starts.push(metrics.init_duration);
        memory = metrics.memory_peak_bytes.max(memory);
        function.shut_down().await;
    }
    percentiles(&format!("{name}, to /next"), &mut starts);
    percentiles(&format!("{name}, to its answer"), &mut answers);
    println!("  {name}: {:.1} MiB resident at most, after one invocation", memory as f64 / 1024.0 / 1024.0);
}

fn batch() -> Bytes {
    let body = "x".repeat(400);
    let record = format!("{{\"messageId\":\"01234567-0123-0123-0123-0123456789ab\",\"body\":\"{body}\"}}");
    Bytes::from(format!("{{\"Records\":[{}]}}", vec![record; 10].join(",")))
}

async fn warm(name: &str, function: &Function) {
    let event = batch();
    let mut durations = Vec::new();
    for number in 0..INVOCATIONS {
        durations.push(invoke(function, &event, number).await);
    }
    assert_eq!(function.metrics().cold_starts, 1);
    percentiles(name, &mut durations[1..]);
    function.shut_down().await;
}

async fn save(program: &Interpreter) {
    let (event, function) = (batch(), program.function(true));
    let mut durations = Vec::new();
    for number in 1..=SAVES {
        let before = answer(&function, &event, number).await.0;
        let began = Instant::now();
        program.save(&program.text.replace("return 0", &format!("return {number}")));
        while answer(&function, &event, number).await.0 == before {}
        durations.push(began.elapsed());
    }
    percentiles(program.name, &mut durations);
    function.shut_down().await;
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

async fn through(name: &str, function: Function, messages: usize) {
    let queues = LocalQueue::builder().build();
    let jobs = queues.create_queue("jobs", &[]).unwrap();
    for number in 0..messages {
        queues.send(&jobs, SendMessage::new(MessageBody::parse(number.to_string()).unwrap())).unwrap();
    }
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
