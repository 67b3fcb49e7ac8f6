//! The API as a client sees it, without a process. What is expected was measured on AWS's own Runtime Interface
//! Emulator; a test beside this package runs the same requests against both.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

use super::*;
use crate::engine::Time;

const INVOCATION: &str = "/2018-06-01/runtime/invocation";
const NEXT: &str = "/2018-06-01/runtime/invocation/next";
const INIT_ERROR: &str = "/2018-06-01/runtime/init/error";
const REGISTER: &str = "/2020-01-01/extension/register";
const EVENT_NEXT: &str = "/2020-01-01/extension/event/next";
const WAIT: Duration = Duration::from_secs(10);

/// An API, as the one who runs the process has it.
struct Fixture {
    api: RuntimeApi,
}

#[derive(Debug, PartialEq, Eq)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        let is_it = |line: &&str| line.split_once(':').is_some_and(|(it, _)| it.eq_ignore_ascii_case(name));
        Some(self.head.lines().find(is_it)?.split_once(':')?.1.trim())
    }
}

fn invoke(request_id: &str) -> Arc<Invoke> {
    Arc::new(Invoke {
        request_id: request_id.into(),
        invocation_id: format!("invocation of {request_id}"),
        deadline: Time::from_millis(1_700_000_003_000),
        function_arn: "arn:aws:lambda:us-east-1:000000000000:function:resize".into(),
        trace_id: "Root=1-2-3;Parent=4;Sampled=0".to_owned(),
        event: Bytes::from_static(b"{\"a\":1}"),
    })
}

impl Fixture {
    async fn start() -> Self {
        let identity = FunctionIdentity {
            name: "resize".to_owned(),
            version: "$LATEST".to_owned(),
            handler: "bootstrap".to_owned(),
        };
        Self { api: RuntimeApi::start(identity).await.unwrap() }
    }

    async fn send(&self, method: &str, path: &str, headers: &str, body: &[u8]) -> Answer {
        timeout(WAIT, send(self.api.address(), method, path, headers, body)).await.unwrap()
    }

    async fn check(&self, method: &str, path: &str, body: &str, status: u16, expected: &str) {
        let answer = self.send(method, path, "", body.as_bytes()).await;
        assert_eq!((answer.status, answer.body.as_str()), (status, expected), "{method} {path} {body}");
    }

    /// A request that is not answered yet.
    async fn begin(&self, path: &'static str, headers: &'static str) -> JoinHandle<Answer> {
        let address = self.api.address();
        let waiting = tokio::spawn(async move { send(address, "GET", path, headers, b"").await });
        if path == NEXT {
            self.until(Session::runtime_waits).await;
        }
        waiting
    }

    async fn until(&self, condition: impl FnMut(&Session) -> bool) {
        drop(timeout(WAIT, self.api.session().subscribe().wait_for(condition)).await.unwrap().unwrap());
    }

    /// Gives the invocation and lets the runtime get it.
    async fn run(&self, request_id: &str) -> Answer {
        let next = self.begin(NEXT, "").await;
        self.until(|session| session.init_result().is_some()).await;
        self.api.session().send_modify(|session| session.begin(invoke(request_id)));
        timeout(WAIT, next).await.unwrap().unwrap()
    }

    fn take_reply(&self) -> Option<Reply> {
        let mut reply = None;
        self.api.session().send_modify(|session| reply = session.take_reply());
        reply
    }
}

async fn send(address: SocketAddr, method: &str, path: &str, headers: &str, body: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {}\r\n{headers}\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let text = String::from_utf8(answer).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}

const INVALID_ID: &str = "{\"errorMessage\":\"Invalid request ID\",\"errorType\":\"InvalidRequestID\"}\n";
const OK: &str = "{\"status\":\"OK\"}\n";

fn transition(from: &str, to: &str) -> String {
    format!(
        "{{\"errorMessage\":\"State transition from {from} to {to} failed for runtime. Error: State transition is not \
         allowed\",\"errorType\":\"InvalidStateTransition\"}}\n"
    )
}

#[tokio::test]
async fn a_path_that_is_not_of_the_api_is_not_found() {
    let fixture = Fixture::start().await;
    for path in ["/", "/2018-06-01/nothing", "/2018-06-01/runtime/restore/next", "/2020-01-01/extension/nothing"] {
        let answer = fixture.send("GET", path, "", b"").await;
        assert_eq!((answer.status, answer.body.as_str()), (404, "404 page not found\n"), "{path}");
        assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
    }
    fixture.check("GET", "/2018-06-01/ping", "", 200, "pong").await;
}

#[tokio::test]
async fn a_wrong_method_is_answered_with_the_right_one() {
    let fixture = Fixture::start().await;
    let table = [
        ("POST", NEXT, "GET"),
        ("DELETE", NEXT, "GET"),
        ("GET", "/2018-06-01/runtime/invocation/x/response", "POST"),
        ("PUT", "/2018-06-01/runtime/invocation/x/error", "POST"),
        ("GET", INIT_ERROR, "POST"),
        ("GET", REGISTER, "POST"),
        ("POST", EVENT_NEXT, "GET"),
    ];
    for (method, path, allowed) in table {
        let answer = fixture.send(method, path, "", b"").await;
        assert_eq!((answer.status, answer.header("allow")), (405, Some(allowed)), "{method} {path}");
        assert_eq!(answer.body, "");
    }
}

#[tokio::test]
async fn next_waits_for_an_invocation_and_gives_it_with_its_headers() {
    let fixture = Fixture::start().await;
    let answer = fixture.run("r1").await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "{\"a\":1}"));
    let table = [
        ("content-type", "application/json"),
        ("lambda-runtime-aws-request-id", "r1"),
        ("lambda-runtime-deadline-ms", "1700000003000"),
        ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:000000000000:function:resize"),
        ("lambda-runtime-trace-id", "Root=1-2-3;Parent=4;Sampled=0"),
        ("lambda-runtime-invocation-id", "invocation of r1"),
    ];
    for (name, value) in table {
        assert_eq!(answer.header(name), Some(value), "{name}");
    }
    let again = fixture.send("GET", NEXT, "", b"").await;
    assert_eq!((again.header("lambda-runtime-aws-request-id"), again.body.as_str()), (Some("r1"), "{\"a\":1}"));
}

#[tokio::test]
async fn an_invocation_is_answered_once() {
    let fixture = Fixture::start().await;
    fixture.check("POST", &format!("{INVOCATION}/r1/response"), "x", 400, INVALID_ID).await;
    fixture.run("r1").await;
    fixture.check("POST", &format!("{INVOCATION}/r2/response"), "x", 400, INVALID_ID).await;
    fixture.check("POST", &format!("{INVOCATION}/r2/error"), "x", 400, INVALID_ID).await;
    fixture.check("POST", INIT_ERROR, "{}", 403, &transition("Running", "InitError")).await;
    fixture.check("POST", &format!("{INVOCATION}/r1/response"), "not json", 202, OK).await;
    let sent = "RuntimeResponseSentState";
    let (response, error) = (transition(sent, "InvocationResponse"), transition(sent, "InvocationErrorResponse"));
    fixture.check("POST", &format!("{INVOCATION}/r1/response"), "x", 403, &response).await;
    fixture.check("POST", &format!("{INVOCATION}/r1/error"), "x", 403, &error).await;
    fixture.check("POST", INIT_ERROR, "{}", 403, &transition(sent, "InitError")).await;
    assert!(!fixture.api.session().borrow().is_finished(), "the runtime has not asked for the next one");
    let _next = fixture.begin(NEXT, "").await;
    fixture.until(Session::is_finished).await;
    assert_eq!(fixture.take_reply(), Some(Reply::Response(Bytes::from_static(b"not json"))));
    fixture.check("POST", &format!("{INVOCATION}/r1/response"), "x", 400, INVALID_ID).await;
    fixture.check("POST", INIT_ERROR, "{}", 403, &transition("Ready", "InitError")).await;
}

#[tokio::test]
async fn an_error_is_an_answer_with_a_type() {
    let fixture = Fixture::start().await;
    fixture.run("r1").await;
    let header = "lambda-runtime-function-error-type: Function.Bad\r\n";
    let answer = fixture.send("POST", &format!("{INVOCATION}/r1/error"), header, b"{\"errorMessage\":\"no\"}").await;
    assert_eq!((answer.status, answer.body.as_str()), (202, OK));
    let _next = fixture.begin(NEXT, "").await;
    fixture.until(Session::is_finished).await;
    let document = Bytes::from_static(b"{\"errorMessage\":\"no\"}");
    let report = ErrorReport { error_type: "Function.Bad".to_owned(), message: "no".to_owned(), document };
    assert_eq!(fixture.take_reply(), Some(Reply::Error(report)));
}

#[tokio::test]
async fn a_reply_of_6_mib_and_100_bytes_passes_and_one_byte_more_does_not() {
    for (bytes, status) in [(RESPONSE_BYTES_MAX, 202), (RESPONSE_BYTES_MAX + 1, 413)] {
        let fixture = Fixture::start().await;
        fixture.run("r1").await;
        let answer = fixture.send("POST", &format!("{INVOCATION}/r1/response"), "", &vec![b'x'; bytes]).await;
        assert_eq!(answer.status, status, "{bytes}");
        if status == 413 {
            let expected = "{\"errorMessage\":\"Exceeded maximum allowed payload size (6291556 bytes).\",\
                            \"errorType\":\"RequestEntityTooLarge\"}\n";
            assert_eq!(answer.body, expected);
            let refusal = transition("RuntimeResponseSentState", "InvocationResponse");
            fixture.check("POST", &format!("{INVOCATION}/r1/response"), "x", 403, &refusal).await;
            assert_eq!(fixture.take_reply(), Some(Reply::TooLarge { bytes }));
        }
    }
}

#[tokio::test]
async fn a_body_that_ends_early_is_no_answer() {
    let fixture = Fixture::start().await;
    fixture.run("r1").await;
    let mut stream = TcpStream::connect(fixture.api.address()).await.unwrap();
    let head = format!("POST {INVOCATION}/r1/response HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n12345");
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = Vec::new();
    let _ = timeout(WAIT, stream.read_to_end(&mut answer)).await.unwrap();
    fixture.check("POST", &format!("{INVOCATION}/r1/response"), "whole", 202, OK).await;
    assert_eq!(fixture.take_reply(), Some(Reply::Response(Bytes::from_static(b"whole"))));
}

#[tokio::test]
async fn a_runtime_that_cannot_start_says_so_once_and_gets_nothing() {
    let fixture = Fixture::start().await;
    fixture.check("POST", INIT_ERROR, "{\"errorMessage\":\"m\",\"errorType\":\"T\"}", 202, OK).await;
    fixture.check("POST", INIT_ERROR, "{}", 403, &transition("InitError", "InitError")).await;
    fixture.check("GET", NEXT, "", 403, &transition("InitError", "Ready")).await;
    let document = Bytes::from_static(b"{\"errorMessage\":\"m\",\"errorType\":\"T\"}");
    let report = ErrorReport { error_type: "T".to_owned(), message: "m".to_owned(), document };
    assert_eq!(fixture.api.session().borrow().init_result(), Some(Err(report)));
}

#[tokio::test]
async fn an_extension_registers_with_a_name_and_events_that_it_can_have() {
    let fixture = Fixture::start().await;
    let refused = |error_type: &str, message: &str| {
        format!("{{\"errorMessage\":\"{message}\",\"errorType\":\"{error_type}\"}}\n")
    };
    let table = [
        ("", "", refused("Extension.InvalidExtensionName", "Empty extension name")),
        ("a", "", refused("InvalidRequestFormat", "unexpected end of JSON input")),
        (
            "a",
            "{\"events\":[\"SHUTDOWN\"]}",
            refused("Extension.InvalidEventType", "SHUTDOWN: ShutdownEventNotSupportedForInternalExtension"),
        ),
        ("a", "{\"events\":[\"FOO\"]}", refused("Extension.InvalidEventType", "FOO: ErrorInvalidEventType")),
    ];
    for (name, body, expected) in table {
        let header = format!("lambda-extension-name: {name}\r\n");
        let answer = fixture.send("POST", REGISTER, &header, body.as_bytes()).await;
        assert_eq!((answer.status, answer.body), (403, expected), "{name} {body}");
    }
    let answer = fixture.send("POST", REGISTER, "lambda-extension-name: a\r\n", b"{\"events\":[]}").await;
    let registered = "{\"functionName\":\"resize\",\"functionVersion\":\"$LATEST\",\"handler\":\"bootstrap\"}\n";
    assert_eq!((answer.status, answer.body.as_str()), (200, registered));
    assert_eq!(answer.header("lambda-extension-identifier").unwrap().len(), 36);
    let answer = fixture.send("POST", REGISTER, "lambda-extension-name: a\r\n", b"{}").await;
    let expected = refused("Extension.InvalidExtensionState", "Extension with this name already registered");
    assert_eq!((answer.status, answer.body), (403, expected));
    let missing = refused("Extension.MissingExtensionIdentifier", "Missing Lambda-Extension-Identifier header");
    fixture.check("GET", EVENT_NEXT, "", 403, &missing).await;
    for (identifier, expected) in [
        ("abc", refused("Extension.InvalidExtensionIdentifier", "Invalid Lambda-Extension-Identifier")),
        (
            "00000000-0000-0000-0000-000000000000",
            refused("Extension.UnknownExtensionIdentifier", "Unknown extension 00000000-0000-0000-0000-000000000000"),
        ),
    ] {
        let header = format!("lambda-extension-identifier: {identifier}\r\n");
        let answer = fixture.send("GET", EVENT_NEXT, &header, b"").await;
        assert_eq!((answer.status, answer.body), (403, expected));
    }
    let _next = fixture.begin(NEXT, "").await;
    let answer = fixture.send("POST", REGISTER, "lambda-extension-name: b\r\n", b"{}").await;
    let expected = refused("Extension.RegistrationClosed", "Extension registration closed already");
    assert_eq!((answer.status, answer.body), (403, expected));
}

#[tokio::test]
async fn initialisation_and_invocation_wait_for_each_extension() {
    let fixture = Fixture::start().await;
    let answer = fixture.send("POST", REGISTER, "lambda-extension-name: a\r\n", b"{\"events\":[\"INVOKE\"]}").await;
    let identifier = answer.header("lambda-extension-identifier").unwrap();
    let header: &'static str = format!("lambda-extension-identifier: {identifier}\r\n").leak();
    let next = fixture.begin(NEXT, "").await;
    assert_eq!(fixture.api.session().borrow().init_result(), None);
    let event = fixture.begin(EVENT_NEXT, header).await;
    fixture.until(|session| session.init_result() == Some(Ok(()))).await;
    fixture.api.session().send_modify(|session| session.begin(invoke("r1")));
    let (next, event) = (timeout(WAIT, next).await.unwrap().unwrap(), timeout(WAIT, event).await.unwrap().unwrap());
    assert_eq!(next.body, "{\"a\":1}");
    let expected = "{\"eventType\":\"INVOKE\",\"deadlineMs\":1700000003000,\"requestId\":\"r1\",\"invokedFunctionArn\":\
                    \"arn:aws:lambda:us-east-1:000000000000:function:resize\",\"tracing\":{\"type\":\"X-Amzn-Trace-Id\",\
                    \"value\":\"Root=1-2-3;Parent=4;Sampled=0\"}}\n";
    assert_eq!((event.status, event.body.as_str()), (200, expected));
    fixture.check("POST", &format!("{INVOCATION}/r1/response"), "{}", 202, OK).await;
    let _next = fixture.begin(NEXT, "").await;
    assert!(!fixture.api.session().borrow().is_finished(), "the extension has not asked for the next one");
    let _event = fixture.begin(EVENT_NEXT, header).await;
    fixture.until(Session::is_finished).await;
}
