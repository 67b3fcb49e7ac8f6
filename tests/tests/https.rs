//! `local-queue serve --tls` as a process: clients that trust its certificate authority reach everything, and nobody else does.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use rustls::pki_types::{CertificateDer, pem::PemObject};
use tests::{binaries, https_client};

/// A server, and what it has said of itself.
struct Serving {
    process: Child,
    address: SocketAddr,
    /// The lines before its first request.
    lines: Vec<String>,
    environment: BTreeMap<String, String>,
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-TERM", &self.process.id().to_string()]).status();
        let _ = self.process.wait();
    }
}

impl Serving {
    /// Starts one, and reads what it says up to this.
    fn start(arguments: &[&str], folder: &Path, last: &str) -> Self {
        let mut command = Command::new(binaries::local_queue());
        command.args(["serve", "--listen", "127.0.0.1:0", "--tls"]).args(arguments).current_dir(folder);
        command.env_remove("RUST_LOG").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut lines = Vec::new();
        while !lines.last().is_some_and(|line: &String| line.contains(last)) {
            lines.push(output.next().unwrap_or_else(|| panic!("it ended after {lines:?}")).unwrap());
        }
        let address = lines[0].split("https://").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
        let path = lines.iter().find_map(|line| line.strip_prefix("  environment of clients: ")).unwrap();
        // As a shell reads it.
        let shell =
            Command::new("sh").arg("-c").arg("set -a; . \"$0\"; printenv").arg(path).env_clear().output().unwrap();
        let text = String::from_utf8(shell.stdout).unwrap();
        let variables = text.lines().filter_map(|line| line.split_once('='));
        let environment = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Self { process, address, lines, environment }
    }

    fn authority(&self) -> PathBuf {
        self.environment["AWS_CA_BUNDLE"].clone().into()
    }

    /// Asks by a name, for which the certificate must be. Says the answer.
    fn ask(&self, name: &str, line: &str, headers: &str, body: &str) -> Result<String, String> {
        let trusted = CertificateDer::from_pem_file(self.authority()).unwrap();
        let (port, length) = (self.address.port(), body.len());
        let request = format!(
            "{line} HTTP/1.1\r\nHost: {name}:{port}\r\nConnection: close\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
        );
        https_client::send(self.address, (name, &trusted), &["http/1.1"], &request).map(|answer| answer.text)
    }
}

const GET_QUEUE_URL: &str = "X-Amz-Target: AmazonSQS.GetQueueUrl\r\nContent-Type: application/x-amz-json-1.0\r\n";

#[test]
fn who_trusts_the_authority_reaches_the_server_by_each_of_its_names() {
    let folder = tempfile::tempdir().unwrap();
    let arguments =
        ["--tls-dir", "tls files", "--create", "jobs", "--tls-name", "sqs.internal", "--ready-file", "ready.json"];
    let serving = Serving::start(&arguments, folder.path(), "environment of clients:");
    let port = serving.address.port();
    assert!(serving.lines.contains(&format!("  https://127.0.0.1:{port}/000000000000/jobs")), "{:?}", serving.lines);
    assert!(
        serving.lines.contains(&format!("  console: https://127.0.0.1:{port}/_local-queue/")),
        "{:?}",
        serving.lines
    );
    assert_eq!(serving.environment["AWS_ENDPOINT_URL"], format!("https://127.0.0.1:{port}"));
    let authority = folder.path().canonicalize().unwrap().join("tls files/ca.pem");
    for name in ["AWS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE"] {
        assert_eq!(Path::new(&serving.environment[name]), authority, "{name}");
    }
    for name in ["127.0.0.1", "localhost", "sqs.internal"] {
        let answer = serving.ask(name, "POST /", GET_QUEUE_URL, r#"{"QueueName":"jobs"}"#).unwrap();
        let url = format!("{{\"QueueUrl\":\"https://{name}:{port}/000000000000/jobs\"}}");
        assert!(answer.ends_with(&url), "{name}: {answer}");
    }
    let refused = serving.ask("other.internal", "GET /_local-queue/health", "", "").unwrap_err();
    assert!(refused.contains("NotValidForName"), "{refused}");
    // The health check, which trusts by the file that is named.
    let health = |arguments: &[&str]| {
        let mut command = Command::new(binaries::local_queue());
        let output = command.arg("health").args(arguments).current_dir(folder.path()).output().unwrap();
        (output.status.code(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
    };
    let (code, text) = health(&["--ready-file", "ready.json"]);
    assert_eq!((code, text), (Some(0), format!("local-queue 0.1.0 at https://127.0.0.1:{port} is healthy: 1 queue\n")));
    let url = format!("https://localhost:{port}");
    let (code, text) = health(&["--address", &url]);
    assert!(code == Some(1) && text.contains("--certificate-authority FILE"), "{text}");
    let (code, text) = health(&["--address", &url, "--certificate-authority", "tls files/ca.pem"]);
    assert_eq!(code, Some(0), "{text}");
    // Buckets, by path and by host.
    assert!(serving.ask("localhost", "PUT /photos", "", "").unwrap().starts_with("HTTP/1.1 200 "));
    assert!(serving.ask("photos.s3.localhost", "PUT /cat", "", "meow").unwrap().starts_with("HTTP/1.1 200 "));
    assert!(serving.ask("localhost", "GET /photos/cat", "", "").unwrap().ends_with("meow"));
    // The console, and what its pages send.
    let page = serving.ask("localhost", "GET /_local-queue/", "", "").unwrap();
    assert!(page.starts_with("HTTP/1.1 200 ") && page.contains("<html"), "{page}");
    let token = page.split("data-token=\"").nth(1).or_else(|| page.split("name=\"token\" content=\"").nth(1));
    let token = token.and_then(|rest| rest.split('"').next()).unwrap_or_else(|| panic!("no token in {page}"));
    let of_page = |scheme: &str| {
        let origin = format!("Origin: {scheme}://localhost:{port}\r\nSec-Fetch-Site: same-origin\r\n");
        let headers = format!("{origin}x-local-queue-token: {token}\r\nContent-Type: application/json\r\n");
        let action = "POST /_local-queue/actions/SendMessage";
        serving.ask("localhost", action, &headers, r#"{"QueueUrl":"jobs","MessageBody":"a"}"#).unwrap()
    };
    assert!(of_page("https").starts_with("HTTP/1.1 200 "));
    assert!(of_page("http").starts_with("HTTP/1.1 403 "));
}

#[test]
fn an_authority_is_kept_for_the_next_start_or_gone_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let start = || Serving::start(&["--tls-dir", "tls"], folder.path(), "environment of clients:");
    let first = start();
    let authority = fs::read(first.authority()).unwrap();
    drop(first);
    let second = start();
    assert_eq!(fs::read(second.authority()).unwrap(), authority);
    assert!(second.ask("localhost", "GET /_local-queue/health", "", "").unwrap().starts_with("HTTP/1.1 200 "));
    assert!(
        fs::read_to_string(folder.path().join("tls/local-queue.env")).unwrap().contains("AWS_ENDPOINT_URL=https://")
    );

    let temporary = Serving::start(&[], folder.path(), "environment of clients:");
    let authority = temporary.authority();
    assert!(authority.exists() && !authority.with_file_name("ca-key.pem").exists());
    assert!(temporary.ask("localhost", "GET /_local-queue/health", "", "").unwrap().starts_with("HTTP/1.1 200 "));
    drop(temporary);
    assert!(!authority.parent().unwrap().exists());
}

#[test]
fn functions_reach_the_server_without_its_authority() {
    const TEMPLATE: &str = "
Transform: AWS::Serverless-2016-10-31
Resources:
  Jobs: { Type: 'AWS::SQS::Queue', Properties: { QueueName: jobs } }
  Sender:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.12
      Handler: index.handler
      FunctionName: sender
      Environment: { Variables: { QUEUE_URL: !Ref Jobs } }
      InlineCode: |
        import os, urllib.parse, urllib.request
        def handler(event, context):
            form = urllib.parse.urlencode({'Action': 'SendMessage', 'MessageBody': 'from a function'})
            urllib.request.urlopen(os.environ['QUEUE_URL'], form.encode()).read()
            return os.environ['AWS_ENDPOINT_URL']
";
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("template.yaml"), TEMPLATE).unwrap();
    let arguments = ["--template", "template.yaml", "--ready-file", "ready.json"];
    let serving = Serving::start(&arguments, folder.path(), "Sender");
    let port = serving.address.port();
    let shown = format!("https://127.0.0.1:{port}/000000000000/jobs");
    assert!(serving.lines.iter().any(|line| line.ends_with(&shown)), "{:?}", serving.lines);
    let path = "POST /2015-03-31/functions/sender/invocations";
    // The function is there when the file is.
    let is_ready = (0..10_000).any(|_| {
        let health = serving.ask("localhost", "GET /_local-queue/health", "", "");
        health.is_ok() && folder.path().join("ready.json").exists()
    });
    assert!(is_ready);
    let invoked = serving.ask("localhost", path, "", "{}").unwrap();
    assert!(invoked.starts_with("HTTP/1.1 200 ") && invoked.contains("\"http://127.0.0.1:"), "{invoked}");
    let headers = GET_QUEUE_URL.replace("GetQueueUrl", "ReceiveMessage");
    let received = serving.ask("localhost", "POST /", &headers, r#"{"QueueUrl":"jobs"}"#).unwrap();
    assert!(received.contains(r#""Body":"from a function""#), "{received}");
}

#[test]
fn what_cannot_be_is_said_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("ca.pem"), "x").unwrap();
    let path = folder.path().to_str().unwrap();
    for (arguments, expected) in [
        (&["--tls-dir", path][..], "--tls"),
        (&["--tls", "--tls-dir", path], "ca.pem is there without"),
        (&["--tls", "--tls-name", "a b"], "\"a b\" is not a host"),
    ] {
        let mut command = Command::new(binaries::local_queue());
        let output = command.args(["serve", "--listen", "127.0.0.1:0"]).args(arguments).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(2) && stderr.contains(expected), "{arguments:?}: {stderr}");
    }
}
