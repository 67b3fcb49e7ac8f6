//! Clients of other languages against the emulator over HTTP, each a script of `tests/clients/`.
//!
//! They need packages of PyPI and npm, which `.ci/run` installs into `.cache/clients`. Without them each test says what
//! it skips.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::{
    env,
    io::Write,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use local_queue::{
    LocalQueue,
    server::{Bounds, Server},
};

/// Where the packages are, unless `CLIENTS` says otherwise.
fn packages() -> PathBuf {
    let beside_the_workspace = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../.cache/clients");
    env::var_os("CLIENTS").map_or_else(beside_the_workspace, PathBuf::from)
}

/// Says that a test does not run. Written past the test runner, which shows what a passed test prints to nobody.
fn skip(test: &str, missing: &Path) {
    let line = format!("skipped: {test}, because {} is not there; .ci/run installs it\n", missing.display());
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}

/// Runs a script against a server of its own, if `needed` is installed.
async fn run_client(test: &str, needed: &str, command: impl FnOnce(&Path) -> Command + Send + 'static) {
    let packages = packages();
    let needed = packages.join(needed);
    if !needed.exists() {
        return skip(test, &needed);
    }
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    let server = Server::bind(address, LocalQueue::builder().build(), Bounds::default()).await.unwrap();
    let endpoint = format!("http://{}", server.local_address().unwrap());
    let running = tokio::spawn(server.run(std::future::pending()));
    let packages = packages.canonicalize().unwrap();
    let run = move || command(&packages).env("ENDPOINT", endpoint).env("CLIENTS", packages).output().unwrap();
    let Output { status, stdout, stderr } = tokio::task::spawn_blocking(run).await.unwrap();
    running.abort();
    let (stdout, stderr) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success() && stdout.trim_end().ends_with("done"), "{status}\n{stdout}\n{stderr}");
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("clients").join(name)
}

fn python(packages: &Path, name: &str) -> Command {
    let mut command = Command::new(packages.join("python/bin/python"));
    command.arg(script(name));
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn boto3_finds_what_it_finds_on_aws() {
    run_client("boto3", "python/bin/python", |packages| python(packages, "boto3_client.py")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kombu_and_a_celery_worker_run_tasks() {
    run_client("kombu and celery", "python/bin/celery", |packages| python(packages, "celery_client.py")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_aws_command_line_creates_sends_receives_and_catches_errors() {
    let command = |packages: &Path| {
        let path = env::join_paths([packages.join("python/bin"), "/usr/bin".into(), "/bin".into()]).unwrap();
        let mut command = Command::new("bash");
        command.arg(script("aws_cli.sh")).env("PATH", path);
        command
    };
    run_client("the AWS command line", "python/bin/aws", command).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_javascript_sdk_and_sqs_consumer_find_what_they_find_on_aws() {
    let command = |_: &Path| {
        let mut command = Command::new("node");
        command.arg(script("sdk_v3_client.mjs"));
        command
    };
    run_client("the JavaScript SDK and sqs-consumer", "node_modules/sqs-consumer", command).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rust_sdk_works_over_http_too() {
    use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    let server = Server::bind(address, LocalQueue::builder().build(), Bounds::default()).await.unwrap();
    let endpoint = format!("http://{}", server.local_address().unwrap());
    tokio::spawn(server.run(std::future::pending()));
    let config = aws_sdk_sqs::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("local", "local", None, None, "test"))
        .endpoint_url(endpoint);
    let client = aws_sdk_sqs::Client::from_conf(config.build());
    let url = client.create_queue().queue_name("jobs").send().await.unwrap().queue_url.unwrap();
    let waiting = tokio::spawn({
        let receive = client.receive_message().queue_url(&url).wait_time_seconds(20);
        async move { receive.send().await.unwrap().messages.unwrap() }
    });
    client.send_message().queue_url(&url).message_body("hello").send().await.unwrap();
    let messages = waiting.await.unwrap();
    assert_eq!(messages[0].body(), Some("hello"));
    let handle = messages[0].receipt_handle().unwrap();
    client.delete_message().queue_url(&url).receipt_handle(handle).send().await.unwrap();
    let error = client.get_queue_url().queue_name("nothing").send().await.unwrap_err();
    assert!(error.into_service_error().is_queue_does_not_exist());
}
