//! Every command of the documents is known: those of our programs have the options that they use, requests to the developer's
//! API are answered, and of the rest it is said where they are run.

use std::{fs, process::Command};

use tests::binaries;

use super::documents::{all, workspace};

/// A command, its continued lines joined.
#[derive(Clone, Debug)]
struct Line {
    document: String,
    text: String,
}

/// How commands of others begin, and the file that runs them, with the words by which it does.
const ELSEWHERE: &[(&str, &str, &str)] = &[
    ("cargo install --locked --path local-queue", "local-queue/Cargo.toml", "name = \"local-queue\""),
    ("cargo install --locked --path handler --bin resize", "handler/Cargo.toml", "name = \"resize\""),
    ("cargo test --workspace", ".ci/run", "cargo test --workspace"),
    ("cargo run -p sqs-batch --example word_count", "handler/batch/examples/word_count.rs", "fn main"),
    ("cargo build --release -p handler --bin handler --no-default-features", "tests/src/binaries.rs", "\"handler\""),
    ("cargo bench -p handler --no-default-features --bench sharp", "handler/Cargo.toml", "name = \"sharp\""),
    (".ci/install_sharp", ".ci/run", ".ci/install_sharp"),
    ("aws s3 ", "tests/clients/s3_cli.sh", "s3 "),
    ("aws --endpoint-url ", "tests/clients/aws_cli.sh", "sqs "),
    ("aws sqs ", "tests/clients/aws_cli.sh", "sqs "),
    ("aws lambda ", "tests/clients/aws_cli_lambda.sh", "lambda "),
    ("curl http://127.0.0.1:9324/ -H 'X-Amz-Target: AmazonSQS.SendMessage'", "local-queue/GUIDES.md", "X-Amz-Target"),
    ("curl --json '{\"name\": \"world\"}'", "tests/tests/serve_languages.rs", "ServerlessHttpApi/jobs"),
    ("curl -d @job.json", "tests/tests/serve_template.rs", "apis/Api"),
    ("curl -s -o /dev/null", "tests/tests/serve_template.rs", "apis/Api"),
    ("curl --aws-sigv4 ", "infra/template.yaml", "AWS_IAM"),
    ("curl -X PUT ", "local-queue/src/buckets/folder/tests.rs", "a//b"),
    ("curl -T ", "local-queue/src/buckets/folder/tests.rs", "a//b"),
    ("find objects/photos", "local-queue/src/buckets/folder/tests.rs", ".escaped"),
    ("cat reply.json", "tests/clients/aws_cli_lambda.sh", "invoke"),
    ("pip install aws-sam-cli cargo-lambda", "tests/infra/requirements-build.txt", "cargo-lambda"),
    ("pip install --target DIR/python boto3", "local-queue/src/bin/local-queue/packages.rs", "pip install --target"),
    ("npm install --prefix DIR/nodejs", "local-queue/src/bin/local-queue/packages.rs", "npm install --prefix"),
    ("npm install --silent \"$PACKAGES\"", ".ci/check_packages", "From nothing to a first test"),
    ("node --test ", ".ci/check_packages", "From nothing to a first test"),
    ("python3 -m venv .venv", ".ci/check_packages", "From nothing to a first test"),
    (".venv/bin/", ".ci/check_packages", "From nothing to a first test"),
    ("skopeo copy ", ".ci/use_packages", "skopeo"),
    ("docker run ", ".ci/use_packages", "oci"),
    ("rustup target add aarch64-unknown-linux-gnu", "infra/template.yaml", "arm64"),
    ("sam build", ".ci/infra", "sam"),
    ("sam deploy", ".ci/infra", "moto"),
    ("sam delete", "infra/template.yaml", "DeletionPolicy"),
];

/// What only sets the scene.
const SHELL: [&str; 4] = ["export ", "cd ", "until ", "set -a"];

fn commands() -> Vec<Line> {
    let documents = all();
    let of_document = |document: &super::documents::Document| {
        let blocks = document.blocks(None).into_iter().filter(|it| matches!(it.language.as_str(), "console" | "sh"));
        // The guides' are run as they stand.
        let blocks = blocks.filter(|_| document.name != "local-queue/GUIDES.md");
        blocks.flat_map(|block| lines(&block.language, &block.text)).collect::<Vec<_>>()
    };
    let lines = documents.iter().flat_map(|document| {
        of_document(document).into_iter().map(|text| Line { document: document.name.clone(), text })
    });
    lines.collect()
}

/// The commands of a block, without prompts, comments and what they print.
fn lines(language: &str, block: &str) -> Vec<String> {
    let joined = block.replace("\\\n", "");
    let commands = joined.lines().filter_map(|line| match language {
        "console" => line.strip_prefix("$ "),
        _ => (!line.trim().is_empty() && !line.starts_with('#')).then_some(line),
    });
    let bare = commands.map(|line| line.split("  #").next().unwrap_or(line).trim_end_matches(" &"));
    bare.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

/// The program of ours that a command runs, with its arguments.
fn ours(command: &str) -> Option<(&'static str, &str)> {
    let known = [
        ("local-queue ", "local-queue"),
        ("cargo run -p local-queue -- ", "local-queue"),
        ("resize ", "resize"),
        ("cargo run -- ", "resize"),
    ];
    known.into_iter().find_map(|(begin, program)| Some((program, command.strip_prefix(begin)?)))
}

/// A request to the developer's API: what curl gets.
fn request(command: &str) -> Option<&str> {
    command.strip_prefix("curl -s ").filter(|rest| rest.contains("localhost:9324/_local-queue/"))
}

#[test]
fn every_command_is_known() {
    let mut used = vec![false; ELSEWHERE.len()];
    let mut unknown = Vec::new();
    for line in commands() {
        let text = line.text.as_str();
        if ours(text).is_some() || request(text).is_some() || SHELL.iter().any(|begin| text.starts_with(begin)) {
            continue;
        }
        match ELSEWHERE.iter().position(|(begin, ..)| text.starts_with(begin)) {
            Some(index) => used[index] = true,
            None => unknown.push(format!("{}: {text}", line.document)),
        }
    }
    assert_eq!(unknown, Vec::<String>::new(), "say in this table where they are run");
    let unused = ELSEWHERE.iter().zip(used).filter(|(_, used)| !used);
    assert_eq!(unused.map(|(row, _)| row.0).collect::<Vec<_>>(), Vec::<&str>::new(), "no document has them");
    for (begin, file, words) in ELSEWHERE {
        let text = fs::read_to_string(workspace().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert!(text.contains(words), "{begin} is not run by {file}, which lacks {words:?}");
    }
}

#[test]
fn our_programs_have_the_options() {
    for line in commands() {
        let Some((program, arguments)) = ours(&line.text) else { continue };
        let program = if program == "resize" { binaries::resize() } else { binaries::local_queue() };
        // Help ends a command after what stands before it is read, and before anything is done.
        let script = format!("{} {arguments} --help", program.display());
        let variables = ["QUEUE", "DEAD", "DEAD_LETTERS"].map(|name| (name, "https://queue"));
        let mut command = Command::new("bash");
        let ran = command.args(["-c", &script]).current_dir(workspace()).envs(variables).output().unwrap();
        let said = String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.success(), "{}: {}\n{said}", line.document, line.text);
    }
}

/// Requests to the developer's API, each with messages to work on, by which a fault of the documents is seen: an unknown
/// path, field or method.
#[test]
fn requests_to_the_developers_api_are_answered() {
    let folder = tempfile::tempdir().unwrap();
    let template = folder.path().join("template.yaml");
    fs::write(&template, WITH_A_FUNCTION).unwrap();
    let queues = ["--create", "jobs", "--create", "jobs-dead", "--clock", "manual"];
    let served = Served::start(&[queues.as_slice(), &["--template", template.to_str().unwrap()]].concat());
    let (status, mappings) = served.curl("URL/_local-queue/mappings");
    let mappings: serde_json::Value = serde_json::from_str(&mappings).unwrap();
    let mapping = mappings["mappings"][0]["uuid"].as_str().unwrap_or_else(|| panic!("{status} {mappings}"));
    let mut count = 0;
    for line in commands() {
        let Some(arguments) = request(&line.text) else { continue };
        // Faults of earlier requests would meet these.
        served.curl("-X DELETE URL/_local-queue/faults");
        served.curl("URL/_local-queue/actions/CreateQueue -d '{\"QueueName\": \"jobs\"}'");
        served.curl("URL/_local-queue/actions/CreateQueue -d '{\"QueueName\": \"jobs-dead\"}'");
        let queue = if arguments.contains("jobs-dead") { "jobs-dead" } else { "jobs" };
        let message = format!(
            "URL/_local-queue/actions/SendMessage -d '{{\"QueueUrl\": \"{queue}\", \"MessageBody\": \"hello\"}}'"
        );
        let (code, sent) = served.curl(&message);
        assert_eq!(code, 200, "{sent}");
        let sent: serde_json::Value = serde_json::from_str(&sent).unwrap();
        if arguments.contains("faults/1") {
            served.curl("URL/_local-queue/faults -d '{\"effect\": \"throttle\"}'");
        }
        let arguments = arguments.split(" | ").next().unwrap_or(arguments).split(" # ").next().unwrap_or(arguments);
        let arguments = arguments.replace("localhost:9324", "URL");
        let arguments = arguments.replace("$MESSAGE_ID", sent["MessageId"].as_str().unwrap()).replace("$UUID", mapping);
        let (status, body) = served.curl(&arguments);
        // A message that is not in flight has no visibility timeout, and an id of a fault is drawn once.
        let is_fine = (200..300).contains(&status) || status == 409 || arguments.contains("faults/1");
        assert!(is_fine, "{}: {}\n{status} {body}", line.document, line.text);
        count += 1;
    }
    assert!(count > 20, "{count} requests: they are written otherwise");
}

/// The function that the documents name, with a mapping of a queue that they do not.
const WITH_A_FUNCTION: &str = r#"Resources:
  Work: { Type: AWS::SQS::Queue }
  resize:
    Type: AWS::Lambda::Function
    Properties:
      Runtime: python3.12
      Handler: index.handler
      Role: arn:aws:iam::000000000000:role/resize
      Code: { ZipFile: "def handler(event, context): return event" }
  OfWork:
    Type: AWS::Lambda::EventSourceMapping
    Properties: { FunctionName: !Ref resize, EventSourceArn: !GetAtt Work.Arn }
"#;

/// A server of its own.
struct Served {
    process: std::process::Child,
    url: String,
}

impl Served {
    fn start(arguments: &[&str]) -> Self {
        use std::io::BufRead as _;
        let mut command = Command::new(binaries::local_queue());
        command.args(["serve", "--listen", "127.0.0.1:0"]).args(arguments).stdout(std::process::Stdio::piped());
        let mut process = command.spawn().unwrap();
        let mut lines = std::io::BufReader::new(process.stdout.take().unwrap()).lines().map(Result::unwrap);
        let line = lines.find(|line| line.contains("listens on")).unwrap();
        let url = line.split_whitespace().find(|word| word.starts_with("http://")).unwrap().to_owned();
        Self { process, url }
    }

    /// What curl gets by these arguments, in which `URL` is this server.
    fn curl(&self, arguments: &str) -> (u16, String) {
        let script = format!("curl -s -w '\\n%{{http_code}}' {}", arguments.replace("URL", &self.url));
        let ran = Command::new("bash").args(["-c", &script]).output().unwrap();
        let said = String::from_utf8_lossy(&ran.stdout);
        let (body, status) = said.rsplit_once('\n').unwrap_or_else(|| panic!("{script}: {ran:?}"));
        (status.parse().unwrap_or_else(|_| panic!("{script}: {said}")), body.to_owned())
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
