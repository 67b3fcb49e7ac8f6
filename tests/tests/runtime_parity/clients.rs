//! Our clients of the Runtime API beside those of AWS: the same functions under both, with equal replies, errors and logs.
//!
//! Our Python client lets `awslambdaric` take over where the interpreter has it, so the same function is run by two
//! interpreters. Evened out are times and the frames of the clients themselves.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use local_queue::{
    engine::Time,
    event_source_mapping::{FunctionError, Invocation, Invoker},
    runtime_api::{Builder, Function, Interpreted, LogFormat, LogLine, LogSource},
};

use super::foreign::packages;

/// What a function did under one client: what came of each invocation, and its log.
type Deeds = (Vec<String>, Vec<String>);

const PYTHON: &[&str] = &[
    // Replies of every kind.
    "
import collections, decimal, json, sys
Named = collections.namedtuple('Named', 'a b')
replies = [None, 1, 1.5, 'text ü \\u2028', [1, (2, 3)], {'a': {'b': True}}, b'raw', {'bytes': b'x'}, Named(1, [2]),
           decimal.Decimal('1.10'), {'n': decimal.Decimal('NaN')}, float('inf'), {1: 2}, {(1, 2): 3}, {1, 2}, object, '\\x7f']
count = -1
def handler(event, context):
    global count
    count += 1
    return replies[count]
",
    // Errors of every kind.
    "
class Own(Exception):
    pass
def deep(number):
    if number == 0:
        raise Own('own\\nlines') from KeyError('cause')
    deep(number - 1)
count = -1
def handler(event, context):
    global count
    count += 1
    if count == 0: raise ValueError
    if count == 1: deep(2)
    if count == 2: raise KeyError('ü')
    if count == 3: return event['missing']
    if count == 4: raise Own({'a': 1})
    if count == 5: return count.nothing
    return str(context).split('log_stream_name')[0]
",
    // The log.
    "
import logging, sys, warnings
print('at import')
logging.warning('at import')
log = logging.getLogger('own')
log.setLevel(logging.DEBUG)
def handler(event, context):
    print('printed', end='')
    print('to error', file=sys.stderr)
    log.debug('debug %d', 1)
    log.info({'a': 1}, extra={'order': 7})
    log.log(25, 'between')
    log.error('two\\nlines')
    logging.getLogger().info('root')
    try:
        {}['x']
    except KeyError:
        log.exception('caught')
    context.log('by context\\n')
    return [handler.__class__.__name__ for handler in logging.getLogger().handlers].count('x')
",
    // What does not load.
    "import nothing_of_this_name",
    "def handler(:",
    "raise ValueError('at import')",
    "value = 1",
];

const NODE: &[&str] = &[
    // Replies of every kind.
    "
const circle = {}; circle.self = circle;
const replies = [undefined, null, 1, 'text ü', [1, [2]], { a: undefined, b: 1 }, new Date(0), Buffer.from('x'), NaN, circle, 1n];
let count = -1;
exports.handler = async () => replies[++count];
",
    "
let count = -1;
const replies = [
    (callback) => callback(null, 'called'),
    (callback) => setTimeout(() => callback(undefined, { late: true }), 1),
    (callback, context) => { context.callbackWaitsForEmptyEventLoop = false; setTimeout(() => {}, 200); callback(null, 1); },
    (callback, context) => context.succeed('succeeded'),
    (callback, context) => context.done(null, 'done'),
    (callback, context) => context.fail(new TypeError('failed')),
    (callback, context) => context.fail('text'),
    (callback, context) => context.fail(),
    (callback) => callback(new RangeError('called back')),
    (callback) => callback({ an: 'object' }),
    (callback) => { callback(null, 'first'); callback(null, 'second'); },
    () => 'ignored',
    () => {},
];
exports.handler = (event, context, callback) => replies[++count](callback, context);
",
    // Errors of every kind.
    "
class Own extends Error { constructor(text) { super(text); this.name = 'Own'; this.extra = { a: 1 }; } }
let count = -1;
const errors = [new Error('plain'), new Own('own\\nlines'), 'text', 5, null, undefined, { a: 1 },
                Object.assign(new TypeError('coded'), { code: 'E1' })];
exports.handler = async () => { throw errors[++count]; };
",
    "exports.handler = () => { throw new TypeError('at once'); };",
    "exports.handler = () => new Promise(() => setTimeout(() => { throw new TypeError('late'); }, 1));",
    "exports.handler = () => new Promise(() => { Promise.reject(new TypeError('lost')); });",
    // The log.
    "
console.log('at load');
exports.handler = async (event, context) => {
    console.log('of %s and %d', 'text', 1, { a: { b: { c: { d: 1 } } } });
    for (const level of ['trace', 'debug', 'info', 'warn', 'error']) console[level](level);
    console.log('two\\nlines', [1]);
    console.log({ a: 1 });
    console.log();
    console.error('caught', new TypeError('shown'));
    console.warn(new RangeError('alone'));
    process.stdout.write('raw\\n');
    return Object.keys(context).sort();
};
",
    // What does not load.
    "require('nothing-of-this-name');",
    "exports.handler = function (;",
    "throw new RangeError('at load');",
    "exports.other = 1;",
    "exports.handler = 3;",
];

/// More invocations than any function here has answers for.
const INVOCATIONS: usize = 18;

#[tokio::test(flavor = "multi_thread")]
async fn python_functions_do_under_our_client_what_they_do_under_that_of_aws() {
    let theirs = packages().join("python/bin/python");
    if !super::is_there("our Python client beside that of AWS", &theirs) {
        return;
    }
    // Not resolved: a virtual environment is known by the path of its link.
    let theirs = std::path::absolute(theirs).unwrap();
    let ours = answer(&theirs, &["-c", "import sys; print(sys._base_executable)"]);
    let check = "import importlib.util as u; print(u.find_spec('awslambdaric') is not None)";
    assert_eq!([&ours, &theirs].map(|python| answer(python, &["-c", check])), ["False", "True"].map(PathBuf::from));
    for text in PYTHON {
        for format in [LogFormat::Text, LogFormat::Json { level: Some("INFO".to_owned()) }] {
            let [ours, theirs] = [&ours, &theirs].map(|python| {
                let folder = folder("app.py", text);
                let function = Interpreted::new("python3.12", python, folder.path()).unwrap();
                (Function::interpreted("resize", function), folder)
            });
            let theirs = deeds(theirs.0, &theirs.1, &format).await;
            let ours = deeds(ours.0, &ours.1, &format).await;
            assert_eq!(ours, theirs, "{format:?} of {text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn node_functions_do_under_our_client_what_they_do_under_that_of_aws() {
    let theirs = packages().join("node_modules/aws-lambda-ric/bin/index.mjs");
    if !super::is_there("our Node client beside that of AWS", &theirs) {
        return;
    }
    let theirs = theirs.canonicalize().unwrap();
    let node = answer(Path::new("node"), &["-p", "process.execPath"]);
    for text in NODE {
        for format in [LogFormat::Text, LogFormat::Json { level: Some("INFO".to_owned()) }] {
            let [our_folder, their_folder] = [(), ()].map(|()| folder("app.js", text));
            let function = Interpreted::new("nodejs20.x", &node, our_folder.path()).unwrap();
            let ours = deeds(Function::interpreted("resize", function), &our_folder, &format).await;
            let bootstrap = their_folder.path().join("bootstrap");
            let script = format!("#!/bin/sh\nexec {} {} \"$_HANDLER\"\n", node.display(), theirs.display());
            fs::write(&bootstrap, script).unwrap();
            fs::set_permissions(&bootstrap, fs::Permissions::from_mode(0o755)).unwrap();
            let mut theirs = deeds(Function::builder("resize", bootstrap), &their_folder, &format).await;
            theirs.1.retain(|line| !line.contains("in function directory"));
            assert_eq!(ours, theirs, "{format:?} of {text}");
        }
    }
}

/// What a program says, as a path.
fn answer(program: &Path, arguments: &[&str]) -> PathBuf {
    let answer = Command::new(program).args(arguments).stdin(Stdio::null()).output().unwrap();
    String::from_utf8(answer.stdout).unwrap().trim().into()
}

fn folder(file: &str, text: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(file), text).unwrap();
    folder
}

async fn deeds(builder: Builder, folder: &tempfile::TempDir, format: &LogFormat) -> Deeds {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&lines);
    let builder = builder.handler("app.handler").timeout(Duration::from_secs(20)).log_format(format.clone());
    let function = builder.logs(move |line: &LogLine| sink.lock().unwrap().push(line.clone())).build().unwrap();
    let root = folder.path().canonicalize().unwrap().display().to_string();
    let mut outcomes = Vec::new();
    for number in 0..INVOCATIONS {
        let invocation = Invocation {
            event: Bytes::from_static(b"{\"Records\":[]}"),
            request_id: format!("request-{number}"),
            function_arn: "arn:aws:lambda:us-east-1:012345678912:function:resize".into(),
            deadline: Time::EPOCH,
        };
        outcomes.push(match function.invoke(invocation).await {
            Ok(reply) => String::from_utf8_lossy(&reply).into_owned(),
            Err(FunctionError::Failed { error_type, message }) => even(&format!("{error_type}: {message}"), &root),
            Err(other) => even(&other.to_string(), &root),
        });
        let ended = function.metrics();
        // What does not load, or ends by itself, does so each time.
        if ended.cold_starts > 2 {
            break;
        }
    }
    function.shut_down().await;
    // Two outputs have no common order.
    let lines = lines.lock().unwrap();
    let of = |source| lines.iter().filter(move |line| line.source == source);
    let lines = of(LogSource::Stdout).chain(of(LogSource::Stderr));
    (outcomes, lines.map(|line| even(&line.text, &root)).collect())
}

/// A text without what is of one client or one moment: times, folders, and frames of the stack outside of the function.
fn even(text: &str, root: &str) -> String {
    let text = text.replace(root, "ROOT").split_inclusive(['\t', '"']).map(without_time).collect::<String>();
    if !text.contains("    at ") && !text.contains("Require stack") {
        return text;
    }
    let mut parts = Vec::new();
    // A stack comes as lines, as elements of a JSON array, or with the ends of lines escaped.
    for part in text.replace("\\n", "\r").replace("\",\"", "\r").split(['\r', '\n']) {
        let is_frame = part.trim_start().starts_with("at ") || part.trim_start().starts_with("- ");
        if !is_frame || part.contains("ROOT/app.") {
            // The last frame may be of either.
            parts.push(part.trim_end_matches(['"', ']', '}', '(', ')']).to_owned());
        }
    }
    parts.join("|")
}

fn without_time(word: &str) -> String {
    let bare = word.trim_end_matches(['\t', '"']);
    let is_time = bare.len() >= 20 && bare.as_bytes()[10] == b'T' && bare.ends_with('Z');
    if is_time { word.replace(bare, "TIME") } else { word.to_owned() }
}
