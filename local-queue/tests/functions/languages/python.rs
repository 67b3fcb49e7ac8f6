//! Python: handlers, replies, the log and packages.

use local_queue::runtime_api::LogFormat;
use serde_json::{Value, json};

use super::{super::fixture::Fixture, PYTHON, failed, failure, own_lines, send};

pub(super) async fn handlers() {
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

pub(super) async fn init_errors() {
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

pub(super) async fn replies() {
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

pub(super) async fn logs() {
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

pub(super) async fn packages() {
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
