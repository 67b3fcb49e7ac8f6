//! Functions in Python and Node.js, by the interpreters of this machine.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use bytes::Bytes;
use libtest_mimic::Trial;
use local_queue::{
    engine::Time,
    event_source_mapping::{FunctionError, Invocation, Invoker},
    runtime_api::{Builder, Function, Interpreted},
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::{Instant, timeout};

use super::{
    fixture::{Fixture, WAIT},
    test,
};

mod debug;
mod node;
mod python;

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        test("python: a batch is answered in part, by one process", || both(PYTHON, answers_in_part)),
        test("node: a batch is answered in part, by one process", || both(NODE, answers_in_part)),
        test("python: a handler that fails is told by type and message, and its process lives", || both(PYTHON, fails)),
        test("node: a handler that fails is told by type and message, and its process lives", || both(NODE, fails)),
        test("python: an invocation ends at its timeout, and the next one has a process of its own", || {
            both(PYTHON, times_out)
        }),
        test("node: an invocation ends at its timeout, and the next one has a process of its own", || {
            both(NODE, times_out)
        }),
        test("python: a process that ends is told, and replaced", || both(PYTHON, exits)),
        test("node: a process that ends is told, and replaced", || both(NODE, exits)),
        test("python: a change of the code replaces the process after its invocation", || both(PYTHON, reloads)),
        test("node: a change of the code replaces the process after its invocation", || both(NODE, reloads)),
        test("python: nothing of this process's environment reaches a function", || both(PYTHON, sees_nothing)),
        test("node: nothing of this process's environment reaches a function", || both(NODE, sees_nothing)),
        test("python: handlers are found by every form of their name", python::handlers),
        test("python: what cannot be loaded is told in the words of AWS's runtime", python::init_errors),
        test("python: replies that are no JSON are refused by what they are", python::replies),
        test("python: the log has the form of Lambda's, as text and as JSON", python::logs),
        test("python: packages are found in the layers, and last in what the runtime brings", python::packages),
        test("node: every kind of module and every way to answer works", node::styles),
        test("node: what cannot be loaded is told in the words of AWS's runtime", node::init_errors),
        test("node: the log has the form of Lambda's, as text and as JSON", node::logs),
        test("node: packages are found in the layers by both kinds of modules", node::packages),
        test("node: a function that is debugged has no timeout, and a debugger can connect", debug::node),
        test("node: the inspector of a function that is debugged says its version", debug::node_version),
        test("python: the debug adapter of a function that is debugged answers", debug::python),
        test("node: what runs after the answer ends the process if it fails", node::late_failure),
    ]
}

/// A language, and a function in it that does as its event says.
#[derive(Clone, Copy)]
struct Language {
    program: &'static str,
    /// Prints the path of the interpreter itself.
    question: [&'static str; 2],
    runtime: &'static str,
    file: &'static str,
    text: &'static str,
    error_type: &'static str,
}

const PYTHON: Language = Language {
    program: "python3",
    question: ["-c", "import sys; print(sys.executable)"],
    runtime: "python3.12",
    file: "app.py",
    text: r#"
import os, sys, time

started = os.getpid()


def handler(event, context):
    do = event.get("do")
    if do == "fail":
        raise ValueError("told to fail")
    if do == "sleep":
        time.sleep(60)
    if do == "exit":
        os._exit(3)
    if do == "environment":
        return dict(os.environ)
    if do == "version":
        return 1
    failures = [record["messageId"] for record in event["Records"] if record["body"] == "bad"]
    return {
        "batchItemFailures": [{"itemIdentifier": id} for id in failures],
        "process": started,
        "context": [context.aws_request_id, context.function_name, context.function_version,
                    context.invoked_function_arn, context.memory_limit_in_mb, context.log_group_name],
        "hasTime": 0 < context.get_remaining_time_in_millis() <= 20000,
    }
"#,
    error_type: "ValueError",
};

const NODE: Language = Language {
    program: "node",
    question: ["-e", "console.log(process.execPath)"],
    runtime: "nodejs20.x",
    file: "app.mjs",
    text: r#"
const started = process.pid;

export async function handler(event, context) {
    switch (event.do) {
        case "fail": throw new RangeError("told to fail");
        case "sleep": await new Promise((resolve) => setTimeout(resolve, 60000)); break;
        case "exit": process.exit(3);
        case "environment": return process.env;
        case "version": return 1;
    }
    const failures = event.Records.filter((record) => record.body === "bad");
    const time = context.getRemainingTimeInMillis();
    return {
        batchItemFailures: failures.map((record) => ({ itemIdentifier: record.messageId })),
        process: started,
        context: [context.awsRequestId, context.functionName, context.functionVersion,
                  context.invokedFunctionArn, context.memoryLimitInMB, context.logGroupName],
        hasTime: 0 < time && time <= 20000,
    };
}
"#,
    error_type: "RangeError",
};

impl Language {
    /// The interpreter, if this machine has it; otherwise says that a test does not run.
    fn interpreter(self) -> Option<PathBuf> {
        let answer = Command::new(self.program).args(self.question).stdin(Stdio::null()).output();
        let text = answer.ok().filter(|answer| answer.status.success()).map(|answer| answer.stdout);
        if text.is_none() {
            eprintln!("skipped: there is no {} on this machine", self.program);
        }
        Some(PathBuf::from(String::from_utf8(text?).unwrap().trim()))
    }

    fn app(self, files: &[(&str, &str)], handler: &str) -> Option<App> {
        let folder = tempfile::tempdir().unwrap();
        for (file, text) in files {
            write(folder.path(), file, text);
        }
        let function = Interpreted::new(self.runtime, self.interpreter()?, folder.path()).unwrap();
        Some(App { folder, function, handler: handler.to_owned() })
    }
}

fn write(folder: &Path, file: &str, text: &str) {
    let path = folder.join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// Code in a folder, and how it is run.
struct App {
    folder: TempDir,
    function: Interpreted,
    handler: String,
}

impl App {
    fn builder(&self) -> Builder {
        let builder = Function::interpreted("worker", self.function.clone()).handler(&self.handler);
        builder.timeout(Duration::from_secs(20)).memory_mib(256)
    }

    fn start(&self) -> Fixture {
        Fixture::of(self.builder())
    }
}

async fn both<Run: Future<Output = ()>>(language: Language, probe: impl Fn(App, &'static str) -> Run) {
    if let Some(app) = language.app(&[(language.file, language.text)], "app.handler") {
        probe(app, language.error_type).await;
    }
}

async fn send(function: &Function, event: &Value) -> Result<Value, FunctionError> {
    let invocation = Invocation {
        event: Bytes::from(event.to_string()),
        request_id: "8f5a".to_owned(),
        function_arn: "arn:aws:lambda:us-east-1:000000000000:function:worker".into(),
        deadline: Time::EPOCH,
    };
    let reply = timeout(WAIT, function.invoke(invocation)).await.unwrap()?;
    Ok(serde_json::from_slice(&reply).unwrap_or_else(|_| panic!("{reply:?} is no JSON")))
}

fn failed(error_type: &str, message: &str) -> FunctionError {
    FunctionError::Failed { error_type: error_type.to_owned(), message: message.to_owned() }
}

/// The error of a function that could not start.
async fn failure(fixture: &Fixture) -> (String, String) {
    match send(&fixture.function, &json!({})).await {
        Err(FunctionError::Failed { error_type, message }) => (error_type, message),
        other => panic!("{other:?}"),
    }
}

async fn answers_in_part(app: App, _: &str) {
    let fixture = app.start();
    let record = |id: &str, body: &str| json!({ "messageId": id, "body": body });
    let mut processes = Vec::new();
    for _ in 0..2 {
        let batch = json!({ "Records": [record("a", "good"), record("b", "bad"), record("ü", "bad")] });
        let mut reply = send(&fixture.function, &batch).await.unwrap();
        processes.push(reply["process"].take());
        let arn = "arn:aws:lambda:us-east-1:000000000000:function:worker";
        let expected = json!({
            "batchItemFailures": [{ "itemIdentifier": "b" }, { "itemIdentifier": "ü" }],
            "process": null,
            "context": ["8f5a", "worker", "$LATEST", arn, "256", "/aws/lambda/worker"],
            "hasTime": true,
        });
        assert_eq!(reply, expected);
    }
    assert_eq!(processes[0], processes[1], "the module is loaded once");
}

async fn fails(app: App, error_type: &'static str) {
    let fixture = app.start();
    for _ in 0..2 {
        let error = send(&fixture.function, &json!({ "do": "fail" })).await.unwrap_err();
        assert_eq!(error, failed(error_type, "told to fail"));
    }
    assert_eq!(fixture.function.metrics().cold_starts, 1);
}

async fn times_out(app: App, _: &str) {
    let fixture = Fixture::of(app.builder().timeout(Duration::from_secs(2)));
    let error = send(&fixture.function, &json!({ "do": "sleep" })).await.unwrap_err();
    assert_eq!(error, FunctionError::TimedOut { timeout: Duration::from_secs(2) });
    assert_eq!(send(&fixture.function, &json!({ "do": "version" })).await.unwrap(), 1);
    assert_eq!(fixture.function.metrics().cold_starts, 2);
}

async fn exits(app: App, _: &str) {
    let fixture = app.start();
    let error = send(&fixture.function, &json!({ "do": "exit" })).await.unwrap_err();
    let message = "RequestId: 8f5a Error: Runtime exited with error: exit status 3".to_owned();
    assert_eq!(error, FunctionError::Crashed { message });
    assert_eq!(send(&fixture.function, &json!({ "do": "version" })).await.unwrap(), 1);
}

async fn reloads(app: App, _: &str) {
    let fixture = Fixture::of(app.builder().reload(true));
    let version = json!({ "do": "version" });
    assert_eq!(send(&fixture.function, &version).await.unwrap(), 1);
    let file = fs::read_dir(app.folder.path()).unwrap().next().unwrap().unwrap().path();
    // Of the same length and within the same second.
    fs::write(&file, fs::read_to_string(&file).unwrap().replace("return 1", "return 2")).unwrap();
    let saved = Instant::now();
    while send(&fixture.function, &version).await.unwrap() != 2 {
        assert!(saved.elapsed() < WAIT, "the change is not seen");
    }
    let text = fixture.wait_for_line("the code has changed").await;
    assert_eq!(text, "the code has changed: 1 warm process replaced");
    assert_eq!(fixture.function.metrics().cold_starts, 2);
    let made = fs::read_dir(app.folder.path()).unwrap().count();
    assert_eq!(made, 1, "nothing is written beside the code");
}

async fn sees_nothing(app: App, _: &str) {
    let fixture = Fixture::of(app.builder().environment([("OWN", "declared")]));
    let environment = send(&fixture.function, &json!({ "do": "environment" })).await.unwrap();
    let environment = environment.as_object().unwrap();
    assert_eq!(environment["OWN"], "declared");
    assert_eq!(environment["AWS_EXECUTION_ENV"], format!("AWS_Lambda_{}", app.function.runtime));
    assert_eq!(environment["LAMBDA_TASK_ROOT"], app.folder.path().canonicalize().unwrap().to_str().unwrap());
    for name in ["HOME", "CARGO_MANIFEST_DIR", "RUST_LOG", "USER", "PWD"] {
        assert!(!environment.contains_key(name), "{name} is {}", environment[name]);
    }
    // What was written for it goes with it, although somebody may still have the function.
    let client = Path::new(environment["LAMBDA_RUNTIME_DIR"].as_str().unwrap());
    assert!(client.is_dir(), "{}", client.display());
    fixture.function.shut_down().await;
    assert!(!client.exists(), "{} is left", client.display());
}

/// A line with its time as TIME.
fn without_time(line: &str) -> String {
    let is_time = |word: &str| word.len() >= 20 && word.as_bytes()[10] == b'T' && word.ends_with('Z');
    let words = line.split_inclusive(['\t', '"']);
    words
        .map(|word| {
            let bare = word.trim_end_matches(['\t', '"']);
            if is_time(bare) { word.replace(bare, "TIME") } else { word.to_owned() }
        })
        .collect()
}

/// The function's own lines of a log, each with its time as TIME.
async fn own_lines(fixture: &Fixture) -> Vec<String> {
    fixture.wait_for_line("REPORT RequestId").await;
    let platform = ["START ", "END ", "REPORT ", "INIT_REPORT "];
    let log = fixture.log().into_iter().filter(|line| !platform.iter().any(|start| line.starts_with(start)));
    log.map(|line| without_time(&line)).collect()
}
