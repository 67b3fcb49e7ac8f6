//! Clients of other languages against the emulator over HTTP, each a script of `tests/clients/` that does what its users
//! do. Each has a server of its own, and an S3 server for those that keep large messages there.
//!
//! They need packages, which `.ci/install_clients` installs into `.cache/clients`, some of them from Debian. A client that
//! is not installed is ignored, and a line says so.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

#[path = "clients/https.rs"]
mod https;
#[path = "clients/object_store.rs"]
mod object_store;

use std::{
    env,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use self::https::Secure;
use bytes::Bytes;
use libtest_mimic::{Arguments, Failed, Trial};
use local_queue::{
    LocalQueue,
    buckets::Buckets,
    event_source_mapping::{FunctionError, InProcess, Invocation},
    lambda_api::{FunctionConfiguration, LambdaApi, Runner, Workshop},
    server::{Bounds, KeyPair, Server},
};
use tests::s3_folder::S3Folder;
use tokio::{process::Command, runtime::Runtime, time::timeout};

/// Clients end long before, but on a machine that is busy; one that waits for a message that never comes ends here.
const LIMIT: Duration = Duration::from_mins(5);

/// What `.ci/install_clients` installs, unless `CLIENTS` names another folder.
fn packages() -> PathBuf {
    let beside_the_workspace = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../.cache/clients");
    let packages = env::var_os("CLIENTS").map_or_else(beside_the_workspace, PathBuf::from);
    packages.canonicalize().unwrap_or(packages)
}

/// With which requests are signed where they must be.
const KEY_PAIR: [&str; 2] = ["local", "secret"];

struct Client {
    name: &'static str,
    program: PathBuf,
    /// What is there if the client is.
    needs: PathBuf,
    arguments: Vec<PathBuf>,
    /// It is given HTTPS, by the environment that `serve --tls` writes.
    is_secure: bool,
}

impl Client {
    fn over_https(self) -> Self {
        Self { is_secure: true, ..self }
    }
}

fn clients(packages: &Path) -> Vec<Client> {
    let script = |name: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("clients").join(name);
    let other = |name, program: &str, needs: &str, file: &str| Client {
        name,
        program: program.into(),
        needs: packages.join(needs),
        arguments: vec![script(file)],
        is_secure: false,
    };
    let python = |name, environment: &str, needs: &str, file: &str| {
        let environment = packages.join(environment);
        let program = environment.join("bin/python");
        let needs = environment.join("bin").join(needs);
        Client { name, program, needs, arguments: vec![script(file)], is_secure: false }
    };
    let node = |name, package: &str, file: &str| Client {
        name,
        program: "node".into(),
        needs: packages.join("node_modules").join(package),
        arguments: vec![script(file), package.into()],
        is_secure: false,
    };
    let built = |name, program: &str| {
        let program = packages.join(program);
        Client { name, needs: program.clone(), program, arguments: Vec::new(), is_secure: false }
    };
    vec![
        python("boto3, over JSON", "python", "python", "boto3_client.py"),
        python("boto3, over HTTPS", "python", "python", "boto3_client.py").over_https(),
        python("boto3 1.26, over Query and HTTPS", "python-boto3-1.26", "python", "boto3_client.py").over_https(),
        other("the AWS command line, over HTTPS", "bash", "python/bin/aws", "aws_cli.sh").over_https(),
        node("the JavaScript SDK v3, over HTTPS", "@aws-sdk/client-sqs", "sdk_v3_client.mjs").over_https(),
        python("boto3, Lambda's API", "python", "python", "boto3_lambda_client.py"),
        python("boto3 1.26, over Query", "python-boto3-1.26", "python", "boto3_client.py"),
        python("aiobotocore and a taskiq worker", "python-aio", "taskiq", "aiobotocore_client.py"),
        python("kombu and a celery worker", "python", "celery", "celery_client.py"),
        python("a dramatiq worker", "python", "dramatiq", "dramatiq_client.py"),
        python("amazon-sqs-extended-client", "python", "dramatiq", "extended_client.py"),
        other("the AWS command line", "bash", "python/bin/aws", "aws_cli.sh"),
        other("the AWS command line, Lambda's API", "bash", "python/bin/aws", "aws_cli_lambda.sh"),
        python("boto3, buckets", "python", "python", "s3_boto3_client.py"),
        other("the AWS command line, buckets", "bash", "python/bin/aws", "s3_cli.sh"),
        node("the JavaScript SDK v3, buckets", "@aws-sdk/client-s3", "s3_sdk_v3_client.mjs"),
        node("the JavaScript SDK v3, over JSON", "@aws-sdk/client-sqs", "sdk_v3_client.mjs"),
        node("the JavaScript SDK v3, Lambda's API", "@aws-sdk/client-lambda", "sdk_v3_lambda_client.mjs"),
        node("the JavaScript SDK v3.445, over Query", "client-sqs-3-445", "sdk_v3_client.mjs"),
        node("the JavaScript SDK v3.272, whose Host has no port", "client-sqs-3-272", "sdk_v3_client.mjs"),
        node("the JavaScript SDK v2.1693, over JSON", "aws-sdk-2-1693", "sdk_v2_client.mjs"),
        node("the JavaScript SDK v2.1400, over Query", "aws-sdk-2-1400", "sdk_v2_client.mjs"),
        node("sqs-consumer, sqs-producer and NestJS", "@ssut/nestjs-sqs", "sqs_consumer_client.mjs"),
        node("squiss-ts", "squiss-ts", "squiss_client.mjs"),
        node("aws-lite, over both", "@aws-lite/sqs", "aws_lite_client.mjs"),
        built("the Go SDK v1, over Query", "go/v1"),
        built("the Go SDK v2, over Query", "go/v2"),
        other("async-aws for PHP, over Query", "php", "/usr/share/php/AsyncAws/Sqs", "async_aws_client.php"),
        other(
            "the Ruby SDK v1, whose Host has no port",
            "ruby",
            "/usr/lib/ruby/vendor_ruby/aws/sqs.rb",
            "ruby_v1_client.rb",
        ),
    ]
}

impl Client {
    fn trial(self, packages: PathBuf) -> Trial {
        let is_missing = !self.needs.exists();
        if is_missing {
            eprintln!(
                "skipped: {}, because {} is not there; .ci/install_clients installs it",
                self.name,
                self.needs.display()
            );
        }
        Trial::test(self.name, move || in_runtime(self.run(&packages))).with_ignored_flag(is_missing)
    }

    /// Runs it to its last line, `done`, against servers of its own.
    async fn run(self, packages: &Path) -> Result<(), Failed> {
        let objects = tempfile::tempdir().unwrap();
        std::fs::create_dir(objects.path().join("payloads")).unwrap();
        let s3 = S3Folder::serve(objects.path()).await;
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).kill_on_drop(true);
        command.env("CLIENTS", packages).env("ENDPOINT", serve(None).await).env("S3_ENDPOINT", s3.endpoint_url());
        let key_pair = KeyPair::new(KEY_PAIR[0], KEY_PAIR[1]).unwrap();
        command.env("SIGNED_ENDPOINT", serve(Some(key_pair)).await);
        command.env("PATH", on_path(packages.join("python/bin")));
        let secure = if self.is_secure { Some(Secure::start().await) } else { None };
        if let Some(secure) = &secure {
            command.envs(secure.environment.clone()).env("ENDPOINT", secure.endpoint_url());
        }
        let output = timeout(LIMIT, command.output()).await.map_err(|_| format!("still running after {LIMIT:?}"))??;
        let stdout = String::from_utf8_lossy(&output.stdout);
        if output.status.success() && stdout.trim_end().ends_with("done") {
            return Ok(());
        }
        Err(format!("{}\n{stdout}\n{}", output.status, String::from_utf8_lossy(&output.stderr)).into())
    }
}

/// The path to look for programs on, with one more folder, where the AWS command line is.
fn on_path(folder: PathBuf) -> std::ffi::OsString {
    let path = env::var_os("PATH").unwrap_or_default();
    env::join_paths(std::iter::once(folder).chain(env::split_paths(&path))).unwrap()
}

/// Makes functions that answer with the size of their package.
#[derive(Debug)]
struct Sizes;

impl Workshop for Sizes {
    fn make(&self, _: &FunctionConfiguration, package: &[u8]) -> Result<Arc<dyn Runner>, String> {
        let size = Bytes::from(package.len().to_string());
        Ok(Arc::new(InProcess::new(move |_| std::future::ready(Ok(size.clone())))))
    }
}

/// Starts a server that runs as long as the runtime does, and says where it is. It has a function `echo`, which fails if its
/// event says so; with a key pair, everything must be signed.
async fn serve(key_pair: Option<KeyPair>) -> String {
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    let queues = LocalQueue::builder().build();
    let lambda = LambdaApi::builder(queues.clone()).workshop(Sizes).build();
    let echo = InProcess::new(|invocation: Invocation| async move {
        if invocation.event.starts_with(b"{\"fail\"") {
            return Err(FunctionError::Failed { error_type: "Bad".to_owned(), message: "as asked".to_owned() });
        }
        Ok(invocation.event)
    });
    lambda.add_function(FunctionConfiguration::new("echo"), echo);
    let server = Server::bind(address, queues.clone(), Bounds::default()).await.unwrap().lambda_api(lambda, true);
    let server = match key_pair {
        Some(key_pair) => server.require_signature(key_pair),
        None => server,
    };
    let endpoint = format!("http://{}", server.local_address().unwrap());
    tokio::spawn(server.buckets(Buckets::new(&queues)).run(std::future::pending()));
    endpoint
}

fn in_runtime(test: impl Future<Output = Result<(), Failed>>) -> Result<(), Failed> {
    Runtime::new().unwrap().block_on(test)
}

/// Over HTTP, or over HTTPS to a server whose authority is trusted.
async fn rust_sdk(secure: Option<Secure>) -> Result<(), Failed> {
    use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
    use aws_smithy_http_client::{Builder, tls};

    let (http_client, endpoint_url) = match &secure {
        None => (Builder::new().build_http(), serve(None).await),
        Some(secure) => {
            let trusted = tls::TrustStore::empty().with_pem_certificate(secure.authority());
            let context = tls::TlsContext::builder().with_trust_store(trusted).build()?;
            let provider = tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring);
            let client = Builder::new().tls_provider(provider).tls_context(context).build_https();
            (client, secure.endpoint_url().to_owned())
        }
    };
    let config = aws_sdk_sqs::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(http_client)
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("local", "local", None, None, "test"))
        .endpoint_url(endpoint_url);
    let client = aws_sdk_sqs::Client::from_conf(config.build());
    let url = client.create_queue().queue_name("jobs").send().await?.queue_url.unwrap();
    let waiting = tokio::spawn({
        let receive = client.receive_message().queue_url(&url).wait_time_seconds(20);
        async move { receive.send().await.unwrap().messages.unwrap() }
    });
    client.send_message().queue_url(&url).message_body("hello").send().await?;
    let messages = waiting.await?;
    assert_eq!(messages[0].body(), Some("hello"));
    let handle = messages[0].receipt_handle().unwrap();
    client.delete_message().queue_url(&url).receipt_handle(handle).send().await?;
    let error = client.get_queue_url().queue_name("nothing").send().await.unwrap_err();
    assert!(error.into_service_error().is_queue_does_not_exist());
    Ok(())
}

fn main() -> ExitCode {
    let packages = packages();
    let mut trials = vec![
        Trial::test("the Rust SDK", || in_runtime(rust_sdk(None))),
        Trial::test("the Rust SDK, over HTTPS", || in_runtime(async { rust_sdk(Some(Secure::start().await)).await })),
        Trial::test("object_store, buckets", || in_runtime(object_store::all(None))),
        Trial::test("object_store, buckets that ask for signatures", || in_runtime(object_store::all(Some(KEY_PAIR)))),
    ];
    trials.extend(clients(&packages).into_iter().map(|client| client.trial(packages.clone())));
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}
