//! Node.js: kinds of modules and of answers, the log and packages.

use local_queue::{event_source_mapping::FunctionError, runtime_api::LogFormat};
use serde_json::{Value, json};

use super::{super::fixture::Fixture, NODE, failed, failure, own_lines, send};

pub(super) async fn styles() {
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

pub(super) async fn init_errors() {
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

pub(super) async fn logs() {
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

pub(super) async fn packages() {
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

pub(super) async fn late_failure() {
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
