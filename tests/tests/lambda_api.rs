//! Lambda's API of `local-queue serve` over HTTP: with a template's functions as processes, and with what keeps others out.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::{
    fs,
    io::{BufRead, BufReader, Lines, Read, Write},
    net::{SocketAddr, TcpStream},
    process::{Child, ChildStdout, Command, Stdio},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use local_queue::{
    LocalQueue,
    lambda_api::LambdaApi,
    server::{Bounds, KeyPair, Server},
};
use serde_json::{Value, json};
use tests::binaries;

const FUNCTIONS: &str = "/2015-03-31/functions";
const MAPPINGS: &str = "/2015-03-31/event-source-mappings";

const TEMPLATE: &str = "
Transform: AWS::Serverless-2016-10-31
Resources:
  Jobs: { Type: 'AWS::SQS::Queue' }
  Dead: { Type: 'AWS::SQS::Queue' }
  Worker:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.12
      Handler: index.handler
      Environment: { Variables: { FROM: template } }
      InlineCode: |
        import sys, time
        def handler(event, context):
            print('event', event, context.invoked_function_arn)
            if event.get('fail'):
                raise ValueError('as asked')
            if event.get('slow'):
                time.sleep(100)
            if event.get('exit'):
                sys.exit(3)
            return {'records': len(event.get('Records', []))}
  Never:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.12
      Handler: index.handler
      ReservedConcurrentExecutions: 0
      InlineCode: 'def handler(event, context): pass'
  Gone: { Type: 'AWS::Serverless::Function', Properties: { Runtime: java21, Handler: a.B } }
";

/// A server of this template, which ends when the test does.
struct Serving {
    process: Child,
    output: Lines<BufReader<ChildStdout>>,
    address: String,
    _folder: tempfile::TempDir,
}

impl Drop for Serving {
    fn drop(&mut self) {
        // Its functions end with it.
        let _ = Command::new("kill").args(["-TERM", &self.process.id().to_string()]).status();
        let _ = self.process.wait();
    }
}

impl Serving {
    fn start(template: &str, arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("template.yaml"), template).unwrap();
        let mut command = Command::new(binaries::local_queue());
        command.args(["serve", "--listen", "127.0.0.1:0", "--template", "template.yaml"]).args(arguments);
        command.current_dir(folder.path()).env_remove("RUST_LOG").stdin(Stdio::null()).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap()).lines();
        let first = output.next().unwrap().unwrap();
        let address = first.split(' ').nth(3).unwrap().trim_start_matches("http://").to_owned();
        Self { process, output, address, _folder: folder }
    }

    /// The line of the table about a resource.
    fn row(&mut self, id: &str) -> String {
        let mut lines = self.output.by_ref().map(Result::unwrap);
        lines.find(|line| line.trim().starts_with(&format!("{id} "))).unwrap()
    }

    fn ask(&self, method: &str, path: &str, headers: &str, body: &str) -> Answer {
        ask(&self.address, method, path, headers, body)
    }

    /// Asks until the answer is as wanted: what is added at the start is there a moment after the table.
    fn ask_until(&self, method: &str, path: &str, body: &str, is_wanted: impl Fn(&Answer) -> bool) -> Answer {
        loop {
            let answer = self.ask(method, path, "", body);
            if is_wanted(&answer) {
                return answer;
            }
            std::thread::yield_now();
        }
    }
}

#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(this, _)| this.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

fn ask(address: &str, method: &str, path: &str, headers: &str, body: &str) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    let host = if headers.contains("Host: ") { String::new() } else { format!("Host: {address}\r\n") };
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\n{host}{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}

fn has_python() -> bool {
    let answer = Command::new("python3").arg("--version").stdin(Stdio::null()).output();
    let has = answer.is_ok_and(|answer| answer.status.success());
    if !has {
        std::io::stderr().write_all(b"skipped: there is no python3 on this machine\n").unwrap();
    }
    has
}

#[test]
fn functions_that_no_queue_invokes_run_for_clients() {
    if !has_python() {
        return;
    }
    let mut serving = Serving::start(TEMPLATE, &[]);
    assert!(serving.row("Worker").contains("runs: index.handler of index.py of the template, by Python"));
    assert!(serving.row("Never").ends_with(", when it is invoked by Lambda's API"));
    assert!(serving.row("Gone").contains("skipped: java21 does not run here"));
    let uri = format!("{FUNCTIONS}/local-Worker/invocations");
    let reply = serving.ask_until("POST", &uri, "{\"a\": 1}", |answer| answer.status != 404);
    assert_eq!((reply.status, reply.body.as_str()), (200, "{\"records\": 0}"));

    // On a busy machine a line of a function may be read only after its invocation.
    let (reply, log) = loop {
        let reply = serving.ask("POST", &uri, "X-Amz-Log-Type: Tail\r\n", "{\"a\": 1}");
        let log = String::from_utf8(STANDARD.decode(reply.header("x-amz-log-result").unwrap()).unwrap()).unwrap();
        if log.lines().count() == 4 {
            break (reply, log);
        }
    };
    assert_eq!(reply.header("x-amz-executed-version"), Some("$LATEST"));
    let request_id = reply.header("x-amzn-requestid").unwrap();
    let lines = log.lines().collect::<Vec<_>>();
    assert_eq!(lines[0], format!("START RequestId: {request_id} Version: $LATEST"), "{log}");
    let arn = "arn:aws:lambda:us-east-1:000000000000:function:local-Worker";
    assert_eq!(lines[1], format!("event {{'a': 1}} {arn}"));
    assert!(lines[2].starts_with("END RequestId: ") && lines[3].starts_with("REPORT RequestId: "), "{log}");

    // What fails is told as the function or Lambda tells it.
    let failed = serving.ask("POST", &uri, "", "{\"fail\": 1}");
    assert_eq!((failed.status, failed.header("x-amz-function-error")), (200, Some("Unhandled")));
    let document = failed.json();
    assert_eq!((&document["errorType"], &document["errorMessage"]), (&json!("ValueError"), &json!("as asked")));
    assert!(document["stackTrace"][0].as_str().unwrap().contains("raise ValueError"), "{document}");
    let failed = serving.ask("POST", &uri, "", "{\"slow\": 1}");
    let text = failed.json()["errorMessage"].as_str().unwrap().to_owned();
    assert!(text.ends_with(" Error: Task timed out after 3.00 seconds"), "{text}");
    let failed = serving.ask("POST", &uri, "", "{\"exit\": 1}");
    assert_eq!((failed.status, &failed.json()["errorType"]), (200, &json!("Runtime.ExitError")), "{failed:?}");
    let throttled = serving.ask("POST", &format!("{FUNCTIONS}/Never/invocations"), "", "{}");
    assert_eq!((throttled.status, throttled.header("x-amzn-errortype")), (429, Some("TooManyRequestsException")));
    assert_eq!(throttled.json()["Reason"], "ReservedFunctionConcurrentInvocationLimitExceeded");

    let listed = serving.ask("GET", FUNCTIONS, "", "").json();
    let names = listed["Functions"].as_array().unwrap().iter().map(|it| it["FunctionName"].as_str().unwrap());
    assert_eq!(names.collect::<Vec<_>>(), ["local-Never", "local-Worker"]);
    let shown = serving.ask("GET", &format!("{FUNCTIONS}/Worker/configuration"), "", "").json();
    assert_eq!(
        (&shown["FunctionArn"], &shown["Runtime"], &shown["Timeout"]),
        (&json!(arn), &json!("python3.12"), &json!(3))
    );
    assert_eq!(shown["Environment"], json!({ "Variables": { "FROM": "template" } }));
}

#[test]
fn a_mapping_and_a_function_of_a_client_work_as_those_of_a_template() {
    if !has_python() {
        return;
    }
    let serving = Serving::start(TEMPLATE, &["--lambda-api", "write"]);
    let asked =
        json!({ "FunctionName": "local-Worker", "EventSourceArn": "arn:aws:sqs:us-east-1:000000000000:local-Jobs" });
    let made = serving.ask_until("POST", MAPPINGS, &asked.to_string(), |answer| answer.status != 404);
    assert_eq!((made.status, &made.json()["State"]), (202, &json!("Creating")), "{made:?}");
    let send = |queue: &str| {
        let form = "Content-Type: application/x-www-form-urlencoded\r\n";
        serving.ask("POST", &format!("/000000000000/{queue}"), form, "Action=SendMessage&MessageBody=1")
    };
    assert_eq!(send("local-Jobs").status, 200);
    let numbers = |wanted: &str| {
        serving.ask_until("GET", "/_local-queue/metrics", "", |answer| answer.body.contains(wanted));
    };
    numbers("local_queue_mapping_deleted_total{function=\"local-Worker\",queue=\"local-Jobs\"} 1\n");

    // A function of a package, which sees what those of the template see.
    let package = zip(
        "app.py",
        b"import os\ndef handler(event, context): return os.environ['AWS_ENDPOINT_URL'] + os.environ['B']\n",
    );
    let asked = json!({ "FunctionName": "made", "Runtime": "python3.12", "Handler": "app.handler", "Role": "r",
        "Environment": { "Variables": { "B": "/b" } }, "Code": { "ZipFile": STANDARD.encode(package) } });
    let made = serving.ask("POST", FUNCTIONS, "", &asked.to_string());
    assert_eq!((made.status, &made.json()["State"]), (201, &json!("Active")), "{made:?}");
    let reply = serving.ask("POST", &format!("{FUNCTIONS}/made/invocations"), "", "");
    assert_eq!(reply.body, format!("\"http://{}/b\"", serving.address));
    for (package, text) in [
        (zip("../app.py", b"x"), "is a path outside the package"),
        (zip("other.py", b"x"), "the package has no app.py or app/__init__.py"),
        (b"no archive".to_vec(), "the package cannot be unpacked: it is not a ZIP archive"),
    ] {
        let asked = json!({ "ZipFile": STANDARD.encode(package) });
        let refused = serving.ask("PUT", &format!("{FUNCTIONS}/made/code"), "", &asked.to_string());
        assert_eq!((refused.status, refused.header("x-amzn-errortype")), (400, Some("InvalidParameterValueException")));
        assert!(refused.body.contains(text), "{}", refused.body);
    }
    assert_eq!(serving.ask("DELETE", &format!("{FUNCTIONS}/made"), "", "").status, 204);
    assert_eq!(serving.ask("GET", &format!("{FUNCTIONS}/made"), "", "").status, 404);
}

/// An archive of one file, which is stored as it is.
fn zip(name: &str, content: &[u8]) -> Vec<u8> {
    let sizes = [content.len(), 30 + name.len() + content.len()];
    let [content_bytes, directory_at] = sizes.map(|size| u32::try_from(size).unwrap().to_le_bytes());
    let directory_bytes = u32::try_from(46 + name.len()).unwrap().to_le_bytes();
    let name_bytes = u16::try_from(name.len()).unwrap().to_le_bytes();
    let common = [&[0_u8; 12][..], &content_bytes, &content_bytes, &name_bytes, &[0; 2]].concat();
    let header = [&b"PK\x03\x04\x14\0"[..], &common, name.as_bytes(), content].concat();
    let entry = [&b"PK\x01\x02\x14\x03\x14\0"[..], &common, &[0; 14], name.as_bytes()].concat();
    let end = [&b"PK\x05\x06\0\0\0\0\x01\0\x01\0"[..], &directory_bytes, &directory_at, &[0; 2]].concat();
    [header, entry, end].concat()
}

#[test]
fn clients_change_nothing_unless_that_was_said() {
    if !has_python() {
        return;
    }
    let serving = Serving::start(TEMPLATE, &[]);
    for (method, path) in [("POST", MAPPINGS.to_owned()), ("DELETE", format!("{FUNCTIONS}/local-Worker"))] {
        let refused = serving.ask(method, &path, "", "{}");
        assert_eq!((refused.status, refused.header("x-amzn-errortype")), (403, Some("AccessDeniedException")));
        assert!(refused.body.contains("start local-queue with --lambda-api write"), "{}", refused.body);
    }
    let off = Serving::start(TEMPLATE, &["--lambda-api", "off"]);
    let signed = "Authorization: AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/lambda/aws4_request, Signature=0\r\n";
    let refused = off.ask("GET", FUNCTIONS, signed, "");
    assert_eq!(refused.status, 501);
    assert!(refused.body.contains(", not lambda. Where there is lambda"), "{}", refused.body);
}

/// A server with Lambda's API and without functions, at `address`.
async fn serve(address: SocketAddr, key_pair: Option<KeyPair>) -> String {
    let queues = LocalQueue::builder().build();
    let lambda = LambdaApi::builder(queues.clone()).build();
    let server = Server::bind(address, queues, Bounds::default()).await.unwrap().lambda_api(lambda, true);
    let server = match key_pair {
        Some(key_pair) => server.require_signature(key_pair),
        None => server,
    };
    let address = server.local_address().unwrap().to_string();
    tokio::spawn(server.run(std::future::pending()));
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn no_web_page_and_no_other_machine_gets_at_it() {
    let local = SocketAddr::from(([127, 0, 0, 1], 0));
    let address = serve(local, None).await;
    let at = |path: &str| tokio::task::block_in_place(|| ask(&address, "GET", path, "", ""));
    assert_eq!(at(FUNCTIONS).body, "{\"Functions\":[]}");
    for (method, headers, status, code) in [
        ("POST", "Origin: http://evil.example\r\n", 403, "ForeignOrigin"),
        ("GET", "Sec-Fetch-Site: cross-site\r\n", 403, "ForeignOrigin"),
        ("GET", "Host: evil.example\r\n", 421, "MisdirectedRequest"),
        ("PATCH", "", 405, "MethodNotAllowed"),
    ] {
        let refused = tokio::task::block_in_place(|| ask(&address, method, FUNCTIONS, headers, ""));
        assert_eq!((refused.status, refused.header("x-amzn-errortype")), (status, Some(code)), "{refused:?}");
        assert!(refused.json()["Message"].is_string());
    }
    // With a key pair everything is signed.
    let key_pair = KeyPair::new("local", "secret").unwrap();
    let signed = serve(local, Some(key_pair)).await;
    let refused = tokio::task::block_in_place(|| ask(&signed, "GET", FUNCTIONS, "", ""));
    assert_eq!((refused.status, refused.header("x-amzn-errortype")), (403, Some("AccessDeniedException")));
    // Whoever else reaches it changes nothing.
    let open = serve(SocketAddr::from(([0, 0, 0, 0], 0)), None).await;
    let port = open.rsplit(':').next().unwrap();
    let Some(own) = own_address() else { return };
    let address = format!("{own}:{port}");
    let (read, refused) = tokio::task::block_in_place(|| {
        (ask(&address, "GET", FUNCTIONS, "", ""), ask(&address, "POST", MAPPINGS, "", "{}"))
    });
    assert_eq!(read.status, 200);
    assert_eq!(refused.status, 403);
    assert!(refused.body.contains("--require-signature"), "{}", refused.body);
    let by_loopback = tokio::task::block_in_place(|| ask(&format!("127.0.0.1:{port}"), "POST", MAPPINGS, "", "{}"));
    assert_eq!(by_loopback.status, 400, "nothing is named");
}

/// An address of this machine that is not a loopback address, if it has one. No packet is sent for that.
fn own_address() -> Option<std::net::IpAddr> {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_loopback() && !address.is_unspecified()).then_some(address)
}
