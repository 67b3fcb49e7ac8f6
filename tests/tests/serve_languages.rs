//! `local-queue serve --template` for projects in Python and Node.js, by the interpreters of this machine: the project of the
//! README, word for word, and what goes wrong.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::{
    fs,
    io::{BufRead, BufReader, Lines, Write},
    path::Path,
    process::{Child, ChildStderr, ChildStdout, Command, Stdio},
};

use aws_sdk_sqs::{
    Client,
    config::{BehaviorVersion, Config, Credentials, Region},
};
use serde_json::json;
use tests::binaries;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// A server with its two outputs, which ends when the test does.
struct Serving {
    process: Child,
    output: Lines<BufReader<ChildStdout>>,
    log: Lines<BufReader<ChildStderr>>,
    endpoint_url: String,
}

impl Drop for Serving {
    fn drop(&mut self) {
        // Its functions end with it.
        let _ = Command::new("kill").args(["-TERM", &self.process.id().to_string()]).status();
        let _ = self.process.wait();
    }
}

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(binaries::local_queue());
    command.args(["serve", "--listen", "127.0.0.1:0", "--template", "template.yaml"]).args(arguments);
    command.current_dir(folder).env_remove("RUST_LOG").stdin(Stdio::null());
    command
}

impl Serving {
    fn start(folder: &Path, arguments: &[&str]) -> Self {
        Self::spawn(command(folder, arguments))
    }

    fn spawn(mut command: Command) -> Self {
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap()).lines();
        let log = BufReader::new(process.stderr.take().unwrap()).lines();
        let first = output.next().unwrap().unwrap();
        let endpoint_url = first.split(' ').nth(3).unwrap().to_owned();
        Self { process, output, log, endpoint_url }
    }

    /// The lines of its output until all functions run.
    fn table(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let line = self.output.next().unwrap().unwrap();
            lines.push(line.replace(&self.endpoint_url, "URL"));
            if line.contains(" works on ") {
                return lines;
            }
        }
    }

    /// The next line of the log with this in it, without what stands before it.
    fn logged(&mut self, part: &str) -> String {
        let line = self.log.by_ref().map(Result::unwrap).find(|line| line.contains(part)).unwrap();
        line.split_once(" | ").map_or(line.clone(), |(_, text)| text.to_owned())
    }

    async fn send(&self, queue: &str, body: &str) {
        self.send_to(queue, body, None).await;
    }

    async fn send_to(&self, queue: &str, body: &str, group: Option<&str>) {
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .endpoint_url(&self.endpoint_url)
            .credentials_provider(Credentials::new("test", "test", None, None, "test"))
            .http_client(aws_smithy_http_client::Builder::new().build_http());
        let client = Client::from_conf(config.build());
        let url = format!("{}/000000000000/{queue}", self.endpoint_url);
        let send = client.send_message().queue_url(url).message_body(body);
        send.set_message_group_id(group.map(ToOwned::to_owned)).send().await.unwrap();
    }
}

/// Whether this machine has an interpreter; otherwise says that a test does not run.
fn has(program: &str) -> bool {
    let answer = Command::new(program).arg("--version").stdin(Stdio::null()).output();
    let has = answer.is_ok_and(|answer| answer.status.success());
    if !has {
        std::io::stderr().write_all(format!("skipped: there is no {program} on this machine\n").as_bytes()).unwrap();
    }
    has
}

/// Whether Python functions find AWS's SDK.
fn has_boto3() -> bool {
    let answer = Command::new("python3").args(["-c", "import boto3"]).stdin(Stdio::null()).output();
    answer.is_ok_and(|answer| answer.status.success())
}

/// What an API answers to a request in JSON.
async fn post(url: &str, body: &str) -> (u16, String) {
    ask("POST", url, body).await
}

async fn ask(method: &str, url: &str, body: &str) -> (u16, String) {
    let rest = url.strip_prefix("http://").unwrap();
    let (host, path) = rest.split_at(rest.find('/').unwrap());
    let mut stream = tokio::net::TcpStream::connect(host).await.unwrap();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: \
         close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (header, body) = answer.split_once("\r\n\r\n").unwrap();
    (header.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

fn write(folder: &Path, file: &str, text: &str) {
    let path = folder.join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// A function and its queue.
const WORKER: &str = "Transform: AWS::Serverless-2016-10-31
Resources:
  Jobs: { Type: AWS::SQS::Queue }
  Worker:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.11
      Handler: app.handler
      CodeUri: src
      Events:
        Jobs: { Type: SQS, Properties: { Queue: !GetAtt Jobs.Arn, FunctionResponseTypes: [ReportBatchItemFailures] } }
";

/// The first block of a language behind a heading of the README.
fn block(language: &str) -> String {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../local-queue/README.md");
    let readme = fs::read_to_string(readme).unwrap();
    let (_, section) = readme.split_once("### Your stack in three minutes").unwrap();
    let (_, rest) = section.split_once(&format!("```{language}\n")).unwrap();
    rest.split_once("```").unwrap().0.to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stack_of_the_readme_runs_in_one_command_and_again_when_it_is_saved() {
    if !has("python3") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "template.yaml", &block("yaml"));
    write(folder.path(), "src/app.py", &block("python"));
    let mut serving = Serving::start(folder.path(), &[]);
    let version = |line: &str| line.split_once("by Python").map_or(line.to_owned(), |(start, _)| start.to_owned());
    let expected = block("console").replace("http://127.0.0.1:9324", "URL");
    let expected = expected.lines().skip(2).map(version).collect::<Vec<_>>();
    let table = serving.table();
    // A machine may have another version, which is said.
    let table = table.iter().filter(|line| !line.contains("note: ")).map(|line| version(line)).collect::<Vec<_>>();
    assert_eq!(table, expected);

    // By the API, if its function has what it imports.
    if has_boto3() {
        let url = format!("{}/_local-queue/apis/ServerlessHttpApi/jobs", serving.endpoint_url);
        let (status, id) = post(&url, r#"{"name": "world"}"#).await;
        assert_eq!((status, id.len()), (202, 36), "{id}");
    } else {
        serving.send("local-Jobs", r#"{"name": "world"}"#).await;
    }
    assert_eq!(serving.logged("hello"), "hello, world");
    write(folder.path(), "src/app.py", &block("python").replace("hello,", "good day,"));
    // What was saved a moment before a batch may not be seen yet; it is within a second.
    loop {
        serving.send("local-Jobs", r#"{"name": "again"}"#).await;
        if serving.logged(" again") == "good day, again" {
            break;
        }
    }
}

const TWO_LANGUAGES: &str = "
Transform: AWS::Serverless-2016-10-31
Resources:
  Jobs: { Type: 'AWS::SQS::Queue', Properties: { FifoQueue: true, ContentBasedDeduplication: true } }
  Numbers: { Type: 'AWS::SQS::Queue' }
  Table: { Type: 'AWS::DynamoDB::Table' }
  Python:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.12
      Handler: index.handler
      InlineCode: |
        import os, urllib.request
        def handler(event, context):
            request = urllib.request.Request(os.environ['AWS_ENDPOINT_URL'], method='POST', data=b'{}', headers={
                'X-Amz-Target': 'DynamoDB_20120810.ListTables',
                'Authorization': 'AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/dynamodb/aws4_request, Signature=0'})
            try:
                urllib.request.urlopen(request)
            except urllib.error.HTTPError as error:
                print(error.code, error.read().decode())
            print('variables', os.environ['OF_ALL'], os.environ['OF_ONE'])
      Environment: { Variables: { OF_ALL: template, OF_ONE: template } }
      Events: { Own: { Type: SQS, Properties: { Queue: !GetAtt Numbers.Arn } } }
  Node:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: nodejs20.x
      Handler: app.handler
      CodeUri: node
      Events: { Own: { Type: SQS, Properties: { Queue: !GetAtt Jobs.Arn, BatchSize: 1 } } }
  Java:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: java21
      Handler: a.B
      Events: { Own: { Type: SQS, Properties: { Queue: !GetAtt Numbers.Arn } } }
  Unbuilt:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: nodejs20.x
      Handler: gone.handler
      CodeUri: node
      Events: { Own: { Type: SQS, Properties: { Queue: !GetAtt Numbers.Arn } } }
  Web: { Type: 'AWS::Serverless::Function', Properties: { Runtime: python3.12, Handler: app.handler } }
";

#[tokio::test(flavor = "multi_thread")]
async fn functions_of_two_languages_work_side_by_side_and_others_are_passed_over() {
    if !has("python3") || !has("node") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "template.yaml", TWO_LANGUAGES);
    let node =
        "exports.handler = async (event) => { console.log('order', event.Records.map((it) => it.body).join()); };";
    write(folder.path(), "node/app.js", node);
    write(
        folder.path(),
        "env.json",
        &json!({ "Parameters": { "OF_ALL": "file" }, "Python": { "OF_ONE": 2 } }).to_string(),
    );

    let output = command(folder.path(), &["--env-file", "env.json", "--check"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    for (name, expected) in [
        ("Python", "function               runs: index.handler of index.py of the template, by Python"),
        ("Node", "function               runs: app.handler of node (CodeUri), by Node.js"),
        ("Java", "function               skipped: java21 does not run here; --function Java=PATH"),
        ("Unbuilt", "function               skipped: ./node has no gone.js or gone.mjs or gone.cjs; run sam build"),
        ("Web", "function               skipped: . has no app.py or app/__init__.py; run sam build"),
        ("Table", "AWS::DynamoDB::Table   skipped: not emulated"),
    ] {
        let line = text.lines().find(|line| line.trim().starts_with(&format!("{name} "))).unwrap();
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words(line).starts_with(&format!("{name} {}", words(expected))), "{text}");
    }

    let mut serving = Serving::start(folder.path(), &["--env-file", "env.json", "--env", "OF_ALL=line"]);
    serving.table();
    serving.send("local-Numbers", "1").await;
    let refused = serving.logged("local-queue emulates SQS");
    assert!(refused.starts_with("501 ") && refused.contains("--env AWS_ENDPOINT_URL_DYNAMODB=URL"), "{refused}");
    assert_eq!(serving.logged("variables"), "variables line 2");
}

const ORDERS: &str = "
Transform: AWS::Serverless-2016-10-31
Globals:
  Function: { Handler: app.handler, CodeUri: src }
Resources:
  PythonOrders:
    Type: AWS::SQS::Queue
    Properties: &orders { FifoQueue: true, ContentBasedDeduplication: true, VisibilityTimeout: 3 }
  NodeOrders: { Type: AWS::SQS::Queue, Properties: *orders }
  Python:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.12
      Events:
        Own:
          Type: SQS
          Properties: { Queue: !GetAtt PythonOrders.Arn, FunctionResponseTypes: [ReportBatchItemFailures] }
  Node:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: nodejs20.x
      Events:
        Own:
          Type: SQS
          Properties: { Queue: !GetAtt NodeOrders.Arn, FunctionResponseTypes: [ReportBatchItemFailures] }
";
// As AWS advises: after one that fails, the rest of its group is reported too, without being tried.
const ORDERS_IN_PYTHON: &str = "
def handler(event, context):
    failed, groups = [], set()
    for record in event['Records']:
        group = record['attributes']['MessageGroupId']
        if record['body'] == 'a2' and record['attributes']['ApproximateReceiveCount'] == '1':
            print('order failed', record['body'])
            groups.add(group)
        if group in groups:
            failed.append({'itemIdentifier': record['messageId']})
        else:
            print('order done', record['body'])
    return {'batchItemFailures': failed}
";
const ORDERS_IN_NODE: &str = "
exports.handler = async (event) => {
    const failed = [], groups = new Set();
    for (const { attributes, body, messageId } of event.Records) {
        const group = attributes.MessageGroupId;
        if (body === 'a2' && attributes.ApproximateReceiveCount === '1') {
            console.log('order failed', body);
            groups.add(group);
        }
        if (groups.has(group)) failed.push({ itemIdentifier: messageId });
        else console.log('order done', body);
    }
    return { batchItemFailures: failed };
};
";

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_fails_holds_up_its_group_and_no_other() {
    if !has("python3") || !has("node") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "template.yaml", ORDERS);
    write(folder.path(), "src/app.py", ORDERS_IN_PYTHON);
    write(folder.path(), "src/app.js", ORDERS_IN_NODE);
    let mut serving = Serving::start(folder.path(), &[]);
    serving.table();
    serving.table();
    for queue in ["local-PythonOrders.fifo", "local-NodeOrders.fifo"] {
        for body in ["a1", "a2", "b1", "a3", "b2"] {
            serving.send_to(queue, body, Some(&body[..1])).await;
        }
        let mut seen = Vec::new();
        while seen.last().is_none_or(|last| last != "done a4") {
            let line = serving.logged("order ");
            seen.push(line.split_once("order ").unwrap().1.to_owned());
            if seen.last().is_some_and(|last| last == "failed a2") {
                // Behind the group that is held up, and before it goes on.
                serving.send_to(queue, "a4", Some("a")).await;
                serving.send_to(queue, "b3", Some("b")).await;
            }
        }
        let of = |group: &str| {
            let own = seen.iter().filter(|line| line.split(' ').nth(1).unwrap().starts_with(group));
            own.map(String::as_str).collect::<Vec<_>>()
        };
        assert_eq!(of("a"), ["done a1", "failed a2", "done a2", "done a3", "done a4"], "{queue}: {seen:?}");
        assert_eq!(of("b"), ["done b1", "done b2", "done b3"], "{queue}: {seen:?}");
        let at = |line: &str| seen.iter().position(|seen| seen == line).unwrap();
        assert!(at("done b3") < at("done a2"), "{queue}: group b waited for group a: {seen:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_the_template_is_said_with_what_must_be_started_again() {
    if !has("python3") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let template = WORKER.to_owned();
    write(folder.path(), "template.yaml", &template);
    write(folder.path(), "src/app.py", &block("python"));
    let mut serving = Serving::start(folder.path(), &[]);
    serving.table();
    let handler = "Handler: app.handler";
    for (text, expected) in [
        (
            template.replace(handler, "Handler: app.handler\n      Timeout: 9"),
            "restart local-queue for function Worker",
        ),
        (template.replace("Jobs.Arn", "Tasks.Arn"), "and would be refused; the running stack is unchanged"),
        (format!("# as it was\n{template}"), "nothing that runs here is affected"),
    ] {
        assert_ne!(text, template);
        write(folder.path(), "template.yaml", &text);
        let said = serving.logged("template.yaml changed");
        assert!(said.ends_with(expected), "{said:?} lacks {expected:?}");
    }
}

#[test]
fn samconfig_gives_parameters_and_a_variable_that_is_given_needs_no_value() {
    let folder = tempfile::tempdir().unwrap();
    let text = "
Transform: AWS::Serverless-2016-10-31
Parameters:
  Stage: { Type: String, Default: dev, AllowedValues: [dev, test, prod] }
Resources:
  Key: { Type: AWS::KMS::Key }
  Jobs: { Type: AWS::SQS::Queue, Properties: { QueueName: !Ref Stage } }
  Worker:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: provided.al2023
      Handler: bootstrap
      Environment: { Variables: { KEY_ID: !Ref Key } }
";
    write(folder.path(), "template.yaml", text);
    write(
        folder.path(),
        "samconfig.toml",
        "[default.deploy.parameters]\nparameter_overrides = \"Stage=test Other=ignored\"\n[prod.global.parameters]\n\
         parameter_overrides = [\"Stage=prod\"]\n[wrong.deploy.parameters]\nparameter_overrides = 3\n",
    );
    let warning = "variables with a placeholder";
    for (arguments, queue, is_warned) in [
        (&[][..], "  test ", true),
        (&["--env", "KEY_ID=x"], "  test ", false),
        (&["--no-samconfig"], "  dev ", true),
        (&["--config-env", "prod"], "  prod ", true),
        (&["--config-env", "prod", "--parameter", "Stage=dev"], "  dev ", true),
    ] {
        let output = command(folder.path(), arguments).arg("--check").output().unwrap();
        let (said, warned) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        assert!(output.status.success() && said.contains(queue), "{arguments:?}: {said}{warned}");
        assert_eq!(warned.contains(warning), is_warned, "{arguments:?}: {warned}");
    }
    for (arguments, expected) in [
        (["--config-env", "wrong"], "samconfig.toml:6: [wrong.deploy.parameters] parameter_overrides: expected"),
        (["--config-env", "gone"], "samconfig.toml: it has no environment gone; it has default, prod, wrong"),
    ] {
        let output = command(folder.path(), &arguments).arg("--check").output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(2) && said.contains(expected), "{said}");
    }
}

#[test]
fn what_is_wrong_with_an_option_is_said_in_one_line_with_exit_code_2() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "template.yaml", WORKER);
    write(folder.path(), "src/app.py", &block("python"));
    write(folder.path(), "bad.json", "{\"Worker\": 1}");
    for (arguments, expected) in [
        (["--env-file", "bad.json"], "bad.json: expected {\"LOGICAL-ID\": {\"NAME\": \"value\"}}"),
        (["--env-file", "gone.json"], "failed to read gone.json"),
        (["--pass-env", "NO_SUCH_VARIABLE"], "--pass-env NO_SUCH_VARIABLE: environment variable not found"),
        (["--debug", "Nobody"], "--debug Nobody: template.yaml has no such function; it has Worker"),
        (["--python", "/no/such/python"], "/no/such/python cannot be started"),
        (["--function", "Worker=gone"], "gone does not exist"),
    ] {
        let output = command(folder.path(), &arguments).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), said.lines().count()), (Some(2), 1), "{said}");
        assert!(said.contains(expected), "{said:?} lacks {expected:?}");
    }
}

/// A function with its code in the template, and what the template says of it besides.
fn inline(code: &str, properties: &str) -> String {
    format!(
        "Transform: AWS::Serverless-2016-10-31
Resources:
  Jobs: {{ Type: 'AWS::SQS::Queue', Properties: {{ VisibilityTimeout: 60 }} }}
  Worker:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.12
      Handler: index.handler
      InlineCode: |
        {code}
      Events: {{ Own: {{ Type: SQS, Properties: {{ Queue: !GetAtt Jobs.Arn }} }} }}
      {properties}
"
    )
}

#[test]
fn what_the_start_refuses_the_check_refuses_in_the_same_words() {
    if !has("python3") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let large = format!("Environment: {{ Variables: {{ A: {} }} }}", "x".repeat(5_000));
    for (properties, expected) in [
        ("Timeout: 61", "Worker: Queue visibility timeout: 60 seconds is less than Function timeout: 61"),
        ("Environment: { Variables: { AWS_REGION: x } }", "Reserved keys used in this request: AWS_REGION"),
        (large.as_str(), "exceeded the 4KB limit"),
        ("MemorySize: 64", "MemorySize takes 128 to 10240 MB, not 64"),
    ] {
        write(folder.path(), "template.yaml", &inline("def handler(event, context): pass", properties));
        for arguments in [&["--check"][..], &[]] {
            let output = command(folder.path(), arguments).output().unwrap();
            let said = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(2), "{properties}, {arguments:?}: {said}");
            assert!(said.contains(expected) && said.contains("template.yaml:"), "{arguments:?}: {said:?}");
        }
    }
    // Everything at once.
    write(folder.path(), "template.yaml", &inline("def handler(event, context): pass", "Timeout: 61"));
    let two = fs::read_to_string(folder.path().join("template.yaml")).unwrap();
    let (_, worker) = two.split_once("  Worker:").unwrap();
    write(folder.path(), "template.yaml", &format!("{two}  Second:{worker}"));
    let output = command(folder.path(), &["--check"]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(said.matches("is less than Function timeout").count(), 2, "{said}");
}

/// What is in a folder for temporary files.
fn left_in(folder: &Path) -> Vec<String> {
    fs::read_dir(folder).unwrap().map(|it| it.unwrap().file_name().into_string().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stack_waits_for_a_manual_clock_and_its_functions_do_not() {
    if !has("python3") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let code = "def handler(event, context): r = event['Records'][0]; \
                print('try', r['attributes']['ApproximateReceiveCount'], context.get_remaining_time_in_millis() > 5000); \
                1 / 0";
    write(folder.path(), "template.yaml", &inline(code, "Timeout: 10"));
    let mut serving = Serving::start(folder.path(), &["--clock", "manual"]);
    serving.table();
    serving.send("local-Jobs", "1").await;
    assert_eq!(serving.logged("try "), "try 1 True");
    serving.logged("failed: function failed with ZeroDivisionError");
    // The visibility timeout of a minute passes by hand alone, before and after the function's own time.
    let advance = format!("{}/_local-queue/clock/advance", serving.endpoint_url);
    assert_eq!(post(&advance, r#"{"seconds": 59}"#).await.0, 200);
    let counts = format!("{}/_local-queue/queues/local-Jobs/messages?max=1", serving.endpoint_url);
    let (_, waiting) = ask("GET", &counts, "").await;
    assert!(waiting.contains(r#""place":"in_flight""#), "{waiting}");
    assert_eq!(post(&advance, r#"{"seconds": 2}"#).await.0, 200);
    assert_eq!(serving.logged("try "), "try 2 True");
}

#[tokio::test]
async fn no_temporary_file_is_left_by_whatever_signal_it_ends() {
    if !has("python3") {
        return;
    }
    let (folder, temporary) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let code = "def handler(event, context): print('at work'); import time; time.sleep(1000)";
    write(folder.path(), "template.yaml", &inline(code, "Timeout: 60"));
    let start = || {
        let mut command = command(folder.path(), &[]);
        command.env("TMPDIR", temporary.path());
        Serving::spawn(command)
    };
    let mut killed = start();
    killed.table();
    killed.process.kill().unwrap();
    killed.process.wait().unwrap();
    let left = left_in(temporary.path());
    assert_eq!(left.len(), 1, "it could remove nothing: {left:?}");
    let mut serving = start();
    serving.table();
    let own = left_in(temporary.path());
    assert!(own.len() == 1 && own != left, "the next one removes what is left: {own:?}");
    serving.send("local-Jobs", "1").await;
    serving.logged("at work");
    let id = serving.process.id().to_string();
    let terminate = || assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    terminate();
    serving.logged("a second signal exits immediately");
    terminate();
    assert_eq!(serving.process.wait().unwrap().code(), Some(143));
    assert_eq!(left_in(temporary.path()), [""; 0]);
}

const UNFINISHED: &str = "Transform: AWS::Serverless-2016-10-31
Resources:
  Jobs:
    Type: AWS::SQS::Queue
    Properties:
      VisibilityTimeout: 17
      RedrivePolicy: { maxReceiveCount: 1, deadLetterTargetArn: !GetAtt Dead.Arn }
  Numbers: { Type: 'AWS::SQS::Queue' }
  Dead: { Type: 'AWS::SQS::Queue' }
  Python:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.12
      Handler: app.handler
      CodeUri: python
      Events: { Own: { Type: SQS, Properties: { Queue: !GetAtt Jobs.Arn, BatchSize: 1 } } }
  Node:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: nodejs20.x
      Handler: app.handler
      CodeUri: node
      Events:
        Own:
          Type: SQS
          Properties: { Queue: !GetAtt Numbers.Arn, BatchSize: 1, FunctionResponseTypes: [ReportBatchItemFailures] }
";

#[tokio::test(flavor = "multi_thread")]
async fn what_works_otherwise_than_it_was_meant_is_told_once() {
    if !has("python3") || !has("node") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "template.yaml", UNFINISHED);
    let python = "import threading, time
def handler(event, context):
    threading.Thread(target=time.sleep, args=(0.2,), name='left').start()
    return {'batchItemFailures': [{'itemIdentifier': event['Records'][0]['messageId']}]}";
    write(folder.path(), "python/app.py", python);
    let node = "exports.handler = async (event) => {
        setTimeout(() => {}, 200);
        return { BatchItemFailures: [{ itemIdentifier: event.Records[0].messageId }] };
    };";
    write(folder.path(), "node/app.js", node);
    let mut serving = Serving::start(folder.path(), &[]);
    // Each queue is sent to twice. A mapping tells it once, each process of a function once.
    for queue in ["local-Jobs", "local-Numbers", "local-Jobs", "local-Numbers"] {
        serving.send(queue, "1").await;
    }
    let expected = [
        "the handler has returned, but threads it started continue (left)",
        "the handler's promise is fulfilled, but work it started continues (Timeout)",
        "local-Python: a reply names 1 of 1 messages of local-Jobs in batchItemFailures, and all of them are deleted: the \
         mapping has no FunctionResponseTypes",
        "local-Node: a reply names 1 of 1 messages of local-Numbers in BatchItemFailures, and all of them are deleted: \
         Lambda reads only batchItemFailures",
        "local-Python: the visibility timeout of local-Jobs, 17 s, is less than the 18 s that Lambda advises",
        "local-Python: maxReceiveCount of local-Jobs is 1",
    ];
    let mut lines = Vec::<String>::new();
    let count = |lines: &[String], part: &str| lines.iter().filter(|line| line.contains(part)).count();
    while count(&lines, "REPORT RequestId") < 4 || expected.iter().any(|part| count(&lines, part) == 0) {
        lines.push(serving.log.next().unwrap().unwrap());
    }
    for part in expected {
        let count_max = if part.starts_with("the handler") { 2 } else { 1 };
        assert!(count(&lines, part) <= count_max, "{part:?}: {lines:#?}");
    }
}

const FRONTS: &str = "
Transform: AWS::Serverless-2016-10-31
Globals:
  Function: { CodeUri: src, Timeout: 1 }
Resources:
  Dead: { Type: AWS::SQS::Queue }
  PythonJobs: &jobs
    Type: AWS::SQS::Queue
    Properties: { VisibilityTimeout: 1, RedrivePolicy: { deadLetterTargetArn: !GetAtt Dead.Arn, maxReceiveCount: 2 } }
  NodeJobs: *jobs
  PythonFront:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.12
      Handler: app.submit
      Timeout: 20
      Environment: { Variables: { QUEUE_URL: !Ref PythonJobs } }
      Events: { Post: { Type: HttpApi, Properties: { Path: '/python/{name}', Method: post } } }
  NodeFront:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: nodejs20.x
      Handler: app.submit
      Timeout: 20
      Environment: { Variables: { QUEUE_URL: !Ref NodeJobs } }
      Events: { Post: { Type: Api, Properties: { Path: '/node/{name}', Method: post } } }
  Python:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.12
      Handler: app.work
      Events: { Jobs: { Type: SQS, Properties: { Queue: !GetAtt PythonJobs.Arn, BatchSize: 1 } } }
  Node:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: nodejs20.x
      Handler: app.work
      Events: { Jobs: { Type: SQS, Properties: { Queue: !GetAtt NodeJobs.Arn, BatchSize: 1 } } }
";
const FRONTS_IN_PYTHON: &str = "
import json, os, urllib.parse, urllib.request

def submit(event, context):
    name = event['pathParameters']['name']
    form = urllib.parse.urlencode({'Action': 'SendMessage', 'MessageBody': json.dumps({'name': name, 'body': event['body']})})
    urllib.request.urlopen(os.environ['QUEUE_URL'], data=form.encode())
    return {'statusCode': 202, 'headers': {'x-name': name}, 'body': 'taken ' + name}

def work(event, context):
    for record in event['Records']:
        job = json.loads(record['body'])
        if 'poison' in job['name']:
            raise ValueError('cannot do ' + job['name'])
        print('job done', job['name'], job['body'])
";
const FRONTS_IN_NODE: &str = "
exports.submit = async (event) => {
    const { name } = event.pathParameters;
    const MessageBody = JSON.stringify({ name, body: event.body });
    const form = new URLSearchParams({ Action: 'SendMessage', MessageBody });
    await fetch(process.env.QUEUE_URL, { method: 'POST', body: form });
    return { statusCode: 202, headers: { 'x-name': name }, body: `taken ${name}` };
};
exports.work = async (event) => {
    for (const record of event.Records) {
        const job = JSON.parse(record.body);
        if (job.name.includes('poison')) throw new Error(`cannot do ${job.name}`);
        console.log('job done', job.name, job.body);
    }
};
";

#[tokio::test(flavor = "multi_thread")]
async fn requests_to_an_api_become_messages_of_a_worker_and_dead_letters() {
    if !has("python3") || !has("node") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "template.yaml", FRONTS);
    write(folder.path(), "src/app.py", FRONTS_IN_PYTHON);
    write(folder.path(), "src/app.js", FRONTS_IN_NODE);
    let mut serving = Serving::start(folder.path(), &["--api", "ServerlessHttpApi=127.0.0.1:0"]);
    let table = [serving.table(), serving.table()].concat();
    let url = |key: &str| {
        let line = table.iter().find(|line| line.trim_start().starts_with(key)).unwrap();
        let url = line.split_once("runs: POST ").unwrap().1.split(',').next().unwrap().to_owned();
        url.replace("URL", &serving.endpoint_url)
    };
    // One has an address of its own.
    let fronts = [url("POST /python"), url("POST /node")];
    assert!(
        !fronts[0].contains("_local-queue") && fronts[1].contains("/_local-queue/apis/ServerlessRestApi/Prod/node/")
    );
    for front in &fronts {
        for name in ["one", "poison"] {
            let (status, text) = post(&front.replace("{name}", name), "{}").await;
            assert_eq!((status, text), (202, format!("taken {name}")), "{front}");
        }
    }
    for _ in &fronts {
        let done = serving.logged("job done");
        assert!(done.ends_with("job done one {}"), "{done}");
    }
    let dead = format!("{}/_local-queue/queues/local-Dead/messages?max=10", serving.endpoint_url);
    let letters = loop {
        let (_, text) = ask("GET", &dead, "").await;
        let found = serde_json::from_str::<serde_json::Value>(&text).unwrap()["messages"].as_array().unwrap().clone();
        if found.len() == 2 {
            break found;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    };
    for letter in letters {
        assert!(letter.to_string().contains("poison"), "{letter}");
    }
}
