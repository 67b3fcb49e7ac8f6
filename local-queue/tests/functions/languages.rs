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
    runtime_api::{Builder, Function, Interpreted, LogFormat},
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::{Instant, timeout};

use super::{
    fixture::{Fixture, WAIT},
    test,
};

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
        test("python: handlers are found by every form of their name", python_handlers),
        test("python: what cannot be loaded is told in the words of AWS's runtime", python_init_errors),
        test("python: replies that are no JSON are refused by what they are", python_replies),
        test("python: the log has the form of Lambda's, as text and as JSON", python_logs),
        test("python: packages are found in the layers, and last in what the runtime brings", python_packages),
        test("node: every kind of module and every way to answer works", node_styles),
        test("node: what cannot be loaded is told in the words of AWS's runtime", node_init_errors),
        test("node: the log has the form of Lambda's, as text and as JSON", node_logs),
        test("node: packages are found in the layers by both kinds of modules", node_packages),
        test("node: a function that is debugged has no timeout, and a debugger can connect", node_debug),
        test("node: what runs after the answer ends the process if it fails", node_late_failure),
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

async fn python_handlers() {
    let text = "def handler(event, context):\n    return __name__\n";
    for (handler, file, name) in [
        ("app.handler", "app.py", "app"),
        ("src/app.handler", "src/app.py", "src.app"),
        ("src.deep.app.handler", "src/deep/app.py", "src.deep.app"),
        ("package.handler", "package/__init__.py", "package"),
    ] {
        let Some(app) = PYTHON.app(&[(file, text)], handler) else { return };
        assert_eq!(send(&app.start().function, &json!({})).await.unwrap(), name, "{handler}");
    }
}

async fn python_init_errors() {
    for (text, handler, error_type, message) in [
        (
            "",
            "app",
            "Runtime.MalformedHandlerName",
            "Bad handler 'app': not enough values to unpack (expected 2, got 1)",
        ),
        ("", "sys.handler", "Runtime.BuiltInModuleConflict", "Cannot use built-in module sys as a handler module"),
        ("", "gone.handler", "Runtime.ImportModuleError", "Unable to import module 'gone': No module named 'gone'"),
        (
            "import nothing_of_this_name",
            "app.handler",
            "Runtime.ImportModuleError",
            "Unable to import module 'app': No module named 'nothing_of_this_name'",
        ),
        ("", "app.handler", "Runtime.HandlerNotFound", "Handler 'handler' missing on module 'app'"),
        ("raise KeyError('x')", "app.handler", "KeyError", "'x'"),
    ] {
        let Some(app) = PYTHON.app(&[("app.py", text)], handler) else { return };
        let expected = (error_type.to_owned(), message.to_owned());
        assert_eq!(failure(&app.start()).await, expected, "{text:?} {handler}");
    }
    let Some(app) = PYTHON.app(&[("app.py", "def handler(:\n")], "app.handler") else { return };
    let (error_type, message) = failure(&app.start()).await;
    assert_eq!(error_type, "Runtime.UserCodeSyntaxError");
    assert!(
        message.starts_with("Syntax error in module 'app': ") && message.ends_with("(app.py, line 1)"),
        "{message}"
    );
    // What is there and is no function is found out by calling it.
    let Some(app) = PYTHON.app(&[("app.py", "handler = 3\n")], "app.handler") else { return };
    let expected = ("TypeError".to_owned(), "'int' object is not callable".to_owned());
    assert_eq!(failure(&app.start()).await, expected);
}

async fn python_replies() {
    let text = "
import collections, datetime, decimal

def handler(event, context):
    kind = event['kind']
    if kind == 'coroutine':
        async def work(): pass
        coroutine = work()
        coroutine.close()
        return coroutine
    if kind == 'generator':
        async def work(): yield 1
        return work()
    Named = collections.namedtuple('Named', 'a b')
    return {
        'set': {1}, 'date': datetime.date(2026, 1, 1), 'bytes': b'{\"raw\": 1}', 'tuple': (1, 2), 'named': Named(1, [b'x']),
        'decimal': {'price': decimal.Decimal('1.10'), 'text': 'é'}, 'none': None,
    }[kind]
";
    let Some(app) = PYTHON.app(&[("app.py", text)], "app.handler") else { return };
    let fixture = app.start();
    for (kind, name) in [("coroutine", "coroutine"), ("generator", "async_generator"), ("set", "set"), ("date", "date")]
    {
        let error = send(&fixture.function, &json!({ "kind": kind })).await.unwrap_err();
        let message = format!("Unable to marshal response: Object of type {name} is not JSON serializable");
        assert_eq!(error, failed("Runtime.MarshalError", &message));
    }
    for (kind, expected) in [
        ("bytes", json!({ "raw": 1 })),
        ("tuple", json!([1, 2])),
        ("named", json!({ "a": 1, "b": ["x"] })),
        ("decimal", json!({ "price": 1.1, "text": "é" })),
        ("none", Value::Null),
    ] {
        assert_eq!(send(&fixture.function, &json!({ "kind": kind })).await.unwrap(), expected, "{kind}");
    }
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

async fn python_logs() {
    let text = "
import logging
log = logging.getLogger('jobs')
log.setLevel('INFO')
print('at import')

def handler(event, context):
    print('printed')
    log.debug('not seen')
    log.info('of %s', 'info', extra={'order': 7})
    try:
        1 / 0
    except ZeroDivisionError:
        log.exception('caught')
    raise ValueError('two\\nlines')
";
    let Some(app) = PYTHON.app(&[("app.py", text)], "app.handler") else { return };
    let root = app.folder.path().canonicalize().unwrap();
    let root = root.display();
    let fixture = app.start();
    send(&fixture.function, &json!({})).await.unwrap_err();
    let lines = own_lines(&fixture).await;
    let divide = format!("  File \"{root}/app.py\", line 12, in handler");
    assert_eq!(
        lines[..5],
        [
            "at import",
            "printed",
            "[INFO]\tTIME\t8f5a\tof info",
            "[ERROR]\tTIME\t8f5a\tcaught",
            "Traceback (most recent call last):",
        ]
    );
    assert_eq!(lines[5], divide);
    let last = lines.last().unwrap().replace('\u{a0}', " ");
    assert_eq!(last, format!(
        "[ERROR] ValueError: two\nlines\rTraceback (most recent call last):\r  File \"{root}/app.py\", line 15, in handler\r    \
         raise ValueError('two\\nlines')"
    ).rsplit('\n').next().unwrap());

    let json_format = LogFormat::Json { level: Some("INFO".to_owned()) };
    let fixture = Fixture::of(app.builder().log_format(json_format));
    send(&fixture.function, &json!({})).await.unwrap_err();
    let lines = own_lines(&fixture).await;
    let documents = lines.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok()).collect::<Vec<_>>();
    let [info, caught, error] = &documents[..] else { panic!("{lines:#?}") };
    let expected = json!({
        "timestamp": "TIME", "level": "INFO", "message": "of info", "logger": "jobs", "requestId": "8f5a", "order": 7,
    });
    assert_eq!(*info, expected);
    assert_eq!((&caught["errorType"], &caught["message"]), (&json!("ZeroDivisionError"), &json!("caught")));
    let expected = json!({
        "timestamp": "TIME", "level": "ERROR", "errorMessage": "two\nlines", "errorType": "ValueError",
        "requestId": "8f5a",
        "stackTrace": [format!("  File \"{root}/app.py\", line 15, in handler\n    raise ValueError('two\\nlines')\n")],
    });
    assert_eq!(*error, expected);
}

async fn python_packages() {
    let files = [
        (
            "code/app.py",
            "import own, shared, brought\ndef handler(e, c):\n    return [own.of, shared.of, brought.of]\n",
        ),
        ("code/own.py", "of = 'code'\n"),
        ("layer/python/own.py", "of = 'layer'\n"),
        ("layer/python/shared.py", "of = 'layer'\n"),
        ("packages/shared.py", "of = 'packages'\n"),
        ("packages/brought.py", "of = 'packages'\n"),
    ];
    let Some(mut app) = PYTHON.app(&files, "app.handler") else { return };
    app.function.code = app.folder.path().join("code");
    app.function.layers = vec![app.folder.path().join("layer")];
    app.function.packages = vec![app.folder.path().join("packages")];
    let reply = send(&app.start().function, &json!({})).await.unwrap();
    assert_eq!(reply, json!(["code", "layer", "packages"]));
}

async fn node_styles() {
    let module = r#"{"type": "module"}"#;
    for (file, text, handler) in [
        ("app.js", "exports.handler = async () => 'answered';", "app.handler"),
        ("app.cjs", "module.exports.handler = async () => 'answered';", "app.handler"),
        ("app.mjs", "export const handler = async () => 'answered';", "app.handler"),
        ("esm/app.js", "export const handler = async () => 'answered';", "esm/app.handler"),
        (
            "esm/top.js",
            "const x = await Promise.resolve('answered'); export const handler = async () => x;",
            "esm/top.handler",
        ),
        ("app.js", "exports.a = { b: { c: async () => 'answered' } };", "app.a.b.c"),
        ("dir/app.js", "exports.handler = async () => 'answered';", "dir/app.handler"),
        ("app.js", "exports.handler = (event, context, callback) => callback(null, 'answered');", "app.handler"),
        (
            "app.js",
            "exports.handler = (e, c, callback) => setTimeout(() => callback(null, 'answered'), 1);",
            "app.handler",
        ),
        ("app.js", "exports.handler = (event, context) => { context.succeed('answered'); };", "app.handler"),
        ("app.js", "exports.handler = (event, context) => { context.done(null, 'answered'); };", "app.handler"),
        (
            "app.js",
            "exports.handler = (event, context, callback) => { context.callbackWaitsForEmptyEventLoop = false; \
             setInterval(() => {}, 1000); callback(null, 'answered'); };",
            "app.handler",
        ),
        ("app.js", "exports.handler = () => ({ then: (resolve) => resolve('answered') });", "app.handler"),
        (
            "app.mjs",
            "export const handler = awslambda.streamifyResponse(async (event, stream) => { stream.end('\"answered\"'); });",
            "app.handler",
        ),
    ] {
        let Some(app) = NODE.app(&[(file, text), ("esm/package.json", module)], handler) else { return };
        let fixture = app.start();
        for _ in 0..2 {
            assert_eq!(send(&fixture.function, &json!({})).await.unwrap(), "answered", "{file}: {text}");
        }
        assert_eq!(fixture.function.metrics().cold_starts, 1, "{file}: {text}");
    }
    for (text, expected) in [
        ("exports.handler = () => {};", Ok(Value::Null)),
        ("exports.handler = () => 'ignored';", Ok(Value::Null)),
        ("exports.handler = async () => {};", Ok(Value::Null)),
        ("exports.handler = (e, c, callback) => callback(new TypeError('no'));", Err(failed("TypeError", "no"))),
        ("exports.handler = (e, c, callback) => callback('no');", Err(failed("string", "no"))),
        ("exports.handler = (event, context) => context.fail();", Err(failed("string", "handled"))),
        ("exports.handler = () => { throw new TypeError('no'); };", Err(failed("TypeError", "no"))),
        ("exports.handler = async () => { throw { a: 1 }; };", Err(failed("object", "[object Object]"))),
        (
            "exports.handler = () => { setTimeout(() => { throw new TypeError('late'); }, 1); };",
            Err(failed("TypeError", "late")),
        ),
        (
            "exports.handler = () => new Promise(() => { Promise.reject(new Error('lost')); });",
            Err(failed("Runtime.UnhandledPromiseRejection", "Error: lost")),
        ),
    ] {
        let Some(app) = NODE.app(&[("app.js", text)], "app.handler") else { return };
        assert_eq!(send(&app.start().function, &json!({})).await, expected, "{text}");
    }
}

async fn node_init_errors() {
    for (text, handler, error_type, message) in [
        ("", "gone.handler", "Runtime.ImportModuleError", "Error: Cannot find module 'gone'"),
        ("require('nothing');", "app.handler", "Runtime.ImportModuleError", "Error: Cannot find module 'nothing'"),
        ("", "app.handler", "Runtime.HandlerNotFound", "app.handler is undefined or not exported"),
        ("exports.handler = 3;", "app.handler", "Runtime.HandlerNotFound", "app.handler is not a function"),
        ("let let = 1;", "app.handler", "Runtime.UserCodeSyntaxError", "SyntaxError: let is disallowed as a lexically"),
        ("", "app", "Runtime.MalformedHandlerName", "Bad handler"),
        (
            "",
            "../app.handler",
            "Runtime.MalformedHandlerName",
            "'../app.handler' is not a valid handler name. Use abso",
        ),
        ("throw new RangeError('at load');", "app.handler", "RangeError", "at load"),
        (
            "Promise.reject(new Error('lost')); exports.handler = async () => new Promise(() => {});",
            "app.handler",
            "Runtime.UnhandledPromiseRejection",
            "Error: lost",
        ),
    ] {
        let Some(app) = NODE.app(&[("app.js", text)], handler) else { return };
        let (found_type, found) = failure(&app.start()).await;
        assert_eq!(found_type, error_type, "{text:?} {handler}: {found}");
        assert!(found.starts_with(message), "{text:?} {handler}: {found}");
    }
}

async fn node_logs() {
    let text = "
console.log('at load');
exports.handler = async () => {
    console.log('of %s', 'log', { a: 1 });
    console.debug('debug');
    console.warn('two\\nlines');
    console.error(new TypeError('shown'));
    throw Object.assign(new RangeError('told'), { code: 'E1' });
};
";
    let Some(app) = NODE.app(&[("app.js", text)], "app.handler") else { return };
    let fixture = app.start();
    send(&fixture.function, &json!({})).await.unwrap_err();
    let lines = own_lines(&fixture).await;
    assert_eq!(
        lines[..4],
        [
            "TIME\tundefined\tINFO\tat load",
            "TIME\t8f5a\tINFO\tof log { a: 1 }",
            "TIME\t8f5a\tDEBUG\tdebug",
            "TIME\t8f5a\tWARN\ttwo\rlines",
        ]
    );
    assert!(lines[4].starts_with("TIME\t8f5a\tERROR\tTypeError: shown\r    at "), "{}", lines[4]);
    let start = "TIME\t8f5a\tERROR\tInvoke Error \t{\"errorType\":\"RangeError\",\"errorMessage\":\"told\",\"code\":\"E1\",\
                 \"stack\":[\"RangeError: told\",\"    at ";
    assert!(lines[5].starts_with(start), "{}", lines[5]);

    let fixture = Fixture::of(app.builder().log_format(LogFormat::Json { level: Some("INFO".to_owned()) }));
    send(&fixture.function, &json!({})).await.unwrap_err();
    let lines = own_lines(&fixture).await;
    let mut documents = lines.iter().map(|line| serde_json::from_str::<Value>(line).unwrap());
    assert_eq!(documents.next().unwrap(), json!({ "timestamp": "TIME", "level": "INFO", "message": "at load" }));
    let line = |level, message| json!({ "timestamp": "TIME", "level": level, "requestId": "8f5a", "message": message });
    assert_eq!(documents.next().unwrap(), line("INFO", "of log { a: 1 }"));
    assert_eq!(documents.next().unwrap(), line("WARN", "two\nlines"));
    let error = documents.next().unwrap();
    assert_eq!((&error["message"]["errorType"], &error["level"]), (&json!("TypeError"), &json!("ERROR")));
    let last = documents.next().unwrap();
    assert_eq!((&last["message"]["errorMessage"], &last["message"]["code"]), (&json!("told"), &json!("E1")));
    assert_eq!(documents.next(), None);
}

async fn node_packages() {
    let package = r#"{"name": "shared", "version": "1.0.0", "main": "index.js"}"#;
    for (file, text) in [
        ("code/app.mjs", "import shared from 'shared'; export const handler = async () => shared.of;"),
        ("code/app.js", "const shared = require('shared'); exports.handler = async () => shared.of;"),
    ] {
        for place in ["layer/nodejs", "packages"] {
            let files = [
                (file.to_owned(), text),
                (format!("{place}/node_modules/shared/package.json"), package),
                (format!("{place}/node_modules/shared/index.js"), "module.exports = { of: 'found' };"),
            ];
            let files = files.iter().map(|(file, text)| (file.as_str(), *text)).collect::<Vec<_>>();
            let Some(mut app) = NODE.app(&files, "app.handler") else { return };
            app.function.code = app.folder.path().join("code");
            app.function.layers = vec![app.folder.path().join("layer")];
            app.function.packages = vec![app.folder.path().join("packages")];
            assert_eq!(send(&app.start().function, &json!({})).await.unwrap(), "found", "{file} in {place}");
        }
    }
}

async fn node_debug() {
    let text =
        "exports.handler = async () => { await new Promise((resolve) => setTimeout(resolve, 1100)); return 'late'; };";
    let Some(mut app) = NODE.app(&[("app.js", text)], "app.handler") else { return };
    // A free port.
    app.function.debug_port = Some(0);
    let fixture = Fixture::of(app.builder().timeout(Duration::from_secs(1)).debug());
    assert_eq!(send(&fixture.function, &json!({})).await.unwrap(), "late");
    fixture.wait_for_line("Debugger listening on ws://127.0.0.1:").await;
}

async fn node_late_failure() {
    let text = "
let count = 0;
exports.handler = async () => {
    setImmediate(() => setTimeout(() => Promise.reject(new Error('forgotten')), 0));
    return ++count;
};
";
    let Some(app) = NODE.app(&[("app.js", text)], "app.handler") else { return };
    let fixture = app.start();
    assert_eq!(send(&fixture.function, &json!({})).await.unwrap(), 1);
    // The process goes on with its promise when it is continued, and ends by it; or it has ended before it was stopped.
    let second = send(&fixture.function, &json!({})).await;
    fixture.wait_for_line("Unhandled Promise Rejection").await;
    assert!(
        matches!(second, Ok(Value::Number(_)) | Err(FunctionError::Failed { .. } | FunctionError::Crashed { .. })),
        "{second:?}"
    );
}
