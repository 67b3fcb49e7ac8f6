//! `local-queue serve --template infra/template.yaml`: the very template that is deployed, with the very program that is,
//! on a laptop. S3 is a server of somebody else's.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader, ErrorKind, Read, Write},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use aws_sdk_sqs::{
    Client,
    config::{BehaviorVersion, Config, Credentials, Region},
};
use futures_util::TryStreamExt as _;
use local_queue::{
    LocalQueue,
    engine::Limits,
    faults::Fault,
    server::{Bounds, Server},
    template,
};
use object_store::{ObjectStore as _, ObjectStoreExt as _};
use serde_json::{Value, json};
use tests::{
    binaries,
    s3_folder::{KEY_PAIR, S3Folder, bucket},
};

/// Longer than any of this takes on a busy machine.
const PATIENCE: Duration = Duration::from_mins(2);

fn template() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../infra/template.yaml")
}

fn serve<A: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = A>) -> Command {
    let mut command = Command::new(binaries::local_queue());
    command.args(["serve", "--listen", "127.0.0.1:0"]).args(arguments).env_remove("RUST_LOG");
    command
        .env("AWS_ACCESS_KEY_ID", KEY_PAIR[0])
        .env("AWS_SECRET_ACCESS_KEY", KEY_PAIR[1])
        .env("AWS_REGION", "us-east-1");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A server that ends, with its functions, when the test does.
struct Serving(Child);

impl Serving {
    /// Waits for a line of its output; gives the URL that it listens on, and that line.
    fn wait_for(&mut self, part: &str) -> (String, String) {
        let mut lines = BufReader::new(self.0.stdout.take().unwrap()).lines().map(Result::unwrap);
        let endpoint_url = lines.next().unwrap().split(' ').nth(3).unwrap().to_owned();
        (endpoint_url, lines.find(|line| line.contains(part)).unwrap().trim().to_owned())
    }

    /// Ends it as Ctrl-C would, and waits.
    fn stop(&mut self) -> String {
        let id = self.0.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        let mut log = String::new();
        self.0.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        assert!(self.0.wait().unwrap().success(), "{log}");
        log
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn client(endpoint_url: &str) -> Client {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(endpoint_url)
        .credentials_provider(Credentials::new(KEY_PAIR[0], KEY_PAIR[1], None, None, "test"))
        .http_client(aws_smithy_http_client::Builder::new().build_http());
    Client::from_conf(config.build())
}

/// Waits until something is there, without being told when.
async fn eventually(what: &str, is_there: impl AsyncFn() -> bool) {
    let waited = tokio::time::timeout(PATIENCE, async {
        while !is_there().await {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    waited.await.unwrap_or_else(|_| panic!("{what} did not come about"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_deployed_template_runs_the_deployed_program() {
    let folder = tempfile::tempdir().unwrap();
    let [source, target] = ["source", "target"].map(|name| format!("local-{name}-000000000000-us-east-1"));
    for bucket in [&source, &target] {
        fs::create_dir(folder.path().join(bucket)).unwrap();
    }
    let photo =
        image::RgbImage::from_fn(640, 480, |x, y| image::Rgb([x, y, x + y].map(|value| value.to_le_bytes()[0])));
    photo.save(folder.path().join(&source).join("cat.jpg")).unwrap();
    fs::write(folder.path().join(&source).join("text.jpg"), "no image").unwrap();
    let s3 = S3Folder::serve(folder.path()).await;
    let arguments = [
        "--template".to_owned(),
        template().display().to_string(),
        "--function".to_owned(),
        format!("ResizeFunction={}", binaries::handler().display()),
        "--env".to_owned(),
        format!("AWS_ENDPOINT_URL_S3={}", s3.endpoint_url()),
    ];
    let mut serving = Serving(tokio::task::block_in_place(|| serve(&arguments).spawn().unwrap()));
    let (endpoint_url, works) = serving.wait_for("works on");
    assert_eq!(works, "local-ResizeFunction works on local-jobs");

    let client = client(&endpoint_url);
    let url = |name: &str| format!("{endpoint_url}/000000000000/{name}");
    let announced = |key: &str| {
        json!({ "Records": [{ "eventSource": "aws:s3", "eventName": "ObjectCreated:Put",
            "s3": { "bucket": { "name": source }, "object": { "key": key, "size": 1 } } }] })
    };
    let job = json!({
        "source": format!("s3://{source}/cat.jpg"),
        "outputs": [{ "target": format!("s3://{target}/own.png"), "width": 64, "format": "png" }],
    });
    for body in [announced("cat.jpg"), announced("text.jpg"), job] {
        client.send_message().queue_url(url("local-jobs")).message_body(body.to_string()).send().await.unwrap();
    }

    let made = folder.path().join(&target);
    for output in ["cat.jpg/320.webp", "own.png"] {
        eventually(output, async || made.join(output).exists()).await;
    }
    assert_eq!(image::image_dimensions(made.join("own.png")).unwrap(), (64, 48));
    assert!(
        !made.join("cat.jpg/1280.webp").exists() || image::image_dimensions(made.join("cat.jpg/1280.webp")).is_ok()
    );
    let dead_letters = url("local-DeadLetterQueue");
    let receive =
        client.receive_message().queue_url(&dead_letters).wait_time_seconds(20).message_attribute_names("All");
    let received = receive.send().await.unwrap().messages.unwrap();
    let reason = received[0].message_attributes.as_ref().unwrap()["FailureMessage"].string_value.clone().unwrap();
    assert!(reason.contains("not a known image format"), "{reason}");

    // The numbers say the same, with the test event of the template's bucket, which stands here too.
    eventually("four messages deleted", async || {
        let metrics = metrics(&endpoint_url).await;
        metrics
            .contains("local_queue_mapping_deleted_total{function=\"local-ResizeFunction\",queue=\"local-jobs\"} 4\n")
    })
    .await;
    let log = tokio::task::block_in_place(|| serving.stop());
    assert!(log.contains("local-ResizeFunction") && log.contains("REPORT RequestId: "), "{log}");
}

/// Files below a folder, each by its path there.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in walkdir::WalkDir::new(folder).sort_by_file_name() {
        let entry = entry.unwrap();
        if entry.file_type().is_file() {
            let path = entry.path().strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
            files.push((path, fs::read(entry.path()).unwrap()));
        }
    }
    files
}

/// What `resize run` makes of the photos, by the key that the template's function gives it.
fn made_offline(photos: &Path) -> BTreeMap<String, Vec<u8>> {
    let folder = tempfile::tempdir().unwrap();
    let outputs = json!([
        { "target": "{key}/{width}.{format}", "width": 320, "format": "webp" },
        { "target": "{key}/{width}.{format}", "width": 1280, "format": "webp" },
    ]);
    let (renditions, out) = (folder.path().join("renditions.json"), folder.path().join("out"));
    fs::write(&renditions, outputs.to_string()).unwrap();
    let mut run = Command::new(binaries::resize());
    run.arg("run").arg(photos).arg("--renditions").arg(&renditions).arg("--out").arg(&out);
    assert_eq!(run.stdin(Stdio::null()).stdout(Stdio::null()).status().unwrap().code(), Some(1), "one photo is broken");
    files(&out).into_iter().collect()
}

/// A job for the template's buckets, whose renditions are those of an upload.
fn job([source, target]: &[String; 2], to: &str, from: &str) -> String {
    let output =
        |width: u32| json!({ "target": format!("s3://{target}/{to}/{width}.webp"), "width": width, "format": "webp" });
    json!({ "source": format!("s3://{source}/{from}"), "outputs": [output(320), output(1280)] }).to_string()
}

/// Gives a job to a route of an API, whose answer is that of SQS.
async fn post(route: &str, job: String) {
    let answer = reqwest::Client::new().post(route).body(job).send().await.unwrap();
    let (status, text) = (answer.status().as_u16(), answer.text().await.unwrap());
    assert!(status == 200 && text.contains("<MessageId>"), "{status} {text}");
}

/// The kinds of failures of dead letters, in order.
fn kinds(letters: &[Value]) -> Vec<String> {
    let mut kinds = letters.iter().map(|it| it["attributes"]["FailureKind"]["value"].to_string()).collect::<Vec<_>>();
    kinds.sort();
    kinds
}

#[tokio::test(flavor = "multi_thread")]
async fn one_process_takes_uploads_and_makes_of_them_what_a_run_offline_makes() {
    const ROUNDS: usize = 4;
    const POSTS: usize = 10;
    let photos_folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("photos");
    let (expected, photos) = tokio::task::block_in_place(|| (made_offline(&photos_folder), files(&photos_folder)));
    let photos = photos.into_iter().filter(|(path, _)| path != "README.md").collect::<Vec<_>>();
    let arguments = [
        "--template".to_owned(),
        template().display().to_string(),
        "--function".to_owned(),
        format!("ResizeFunction={}", binaries::handler().display()),
    ];
    let mut serving = Serving(tokio::task::block_in_place(|| serve(&arguments).spawn().unwrap()));
    let (endpoint_url, _) = serving.wait_for("works on");
    let names = ["source", "target"].map(|name| format!("local-{name}-000000000000-us-east-1"));
    let [source, target] = names.each_ref().map(|name| bucket(&endpoint_url, "us-east-1", name));
    let client = client(&endpoint_url);
    let url = |name: &str| format!("{endpoint_url}/000000000000/{name}");

    // Uploads, each announced by its bucket, and jobs. The source of one job is not there yet.
    for round in 0..ROUNDS {
        for (path, photo) in &photos {
            source.put(&format!("{round}/{path}").into(), photo.clone().into()).await.unwrap();
        }
    }
    let lighthouse = "portrait/lighthouse.jpg";
    let job = |to: &str, from: &str| job(&names, to, from);
    for (from, to) in [(format!("0/{lighthouse}"), "jobs/lighthouse"), ("late.jpg".to_owned(), "jobs/late")] {
        client.send_message().queue_url(url("local-jobs")).message_body(job(to, &from)).send().await.unwrap();
    }
    // The template's own route takes jobs too, and what is none.
    let route = format!("{endpoint_url}/_local-queue/apis/Api/jobs");
    for number in 0..POSTS {
        post(&route, job(&format!("posted/{number}"), &format!("0/{lighthouse}"))).await;
    }
    post(&route, "no job".to_owned()).await;
    let count = async || target.list(None).map_ok(|_| 1).try_fold(0, async |sum, one| Ok(sum + one)).await.unwrap();
    eventually("all renditions", async || count().await == expected.len() * ROUNDS + 2 + 2 * POSTS).await;
    let made = async |key: String| target.get(&key.into()).await.unwrap().bytes().await.unwrap();
    for (key, bytes) in &expected {
        for round in 0..ROUNDS {
            assert!(made(format!("{round}/{key}")).await == *bytes, "{round}/{key} is another one than offline");
        }
    }
    let by_job = async |name: &str| {
        for width in [320, 1280] {
            let expected = &expected[&format!("{lighthouse}/{width}.webp")];
            assert!(made(format!("{name}/{width}.webp")).await == *expected, "{name}, {width} pixels wide");
        }
    };
    by_job("jobs/lighthouse").await;
    for number in 0..POSTS {
        by_job(&format!("posted/{number}")).await;
    }

    // What is broken, and what was not there, is in the dead-letter queue with its reason.
    let peeked = format!("{endpoint_url}/_local-queue/queues/local-DeadLetterQueue/messages?max=100");
    let letters = async || {
        let text = reqwest::get(&peeked).await.unwrap().text().await.unwrap();
        serde_json::from_str::<Value>(&text).unwrap()["messages"].as_array().unwrap().clone()
    };
    eventually("the dead letters", async || letters().await.len() == ROUNDS + 2).await;
    let kinds = kinds(&letters().await);
    assert_eq!(kinds[..ROUNDS], vec!["\"bad-image\""; ROUNDS]);
    assert_eq!(kinds[ROUNDS..], ["\"bad-job\"", "\"source-not-found\""]);

    // Sent back when the cause is mended, the job is done.
    let (_, photo) = photos.iter().find(|(path, _)| path == lighthouse).unwrap();
    source.put(&"late.jpg".into(), photo.clone().into()).await.unwrap();
    let arn = |name: &str| format!("arn:aws:sqs:us-east-1:000000000000:{name}");
    let redrive = client.start_message_move_task().source_arn(arn("local-DeadLetterQueue"));
    redrive.destination_arn(arn("local-jobs")).send().await.unwrap();
    // Two by its upload, two by its job.
    eventually("the late job", async || count().await == expected.len() * ROUNDS + 2 + 2 * POSTS + 4).await;
    by_job("jobs/late").await;
    eventually("what is broken, once more", async || letters().await.len() == ROUNDS + 1).await;
    tokio::task::block_in_place(|| serving.stop());
}

/// Queues of the template at an SQS endpoint of its own, which can be stopped.
struct Elsewhere {
    queues: LocalQueue,
    endpoint_url: String,
    serving: tokio::task::JoinHandle<()>,
    stop: tokio::sync::oneshot::Sender<()>,
}

impl Elsewhere {
    async fn serve(address: SocketAddr) -> Self {
        let queues = LocalQueue::builder().build();
        let text = fs::read_to_string(template()).unwrap();
        let stack = template::read(&text, &template::Options::default(), &Limits::STRICT).unwrap();
        queues.declare(&stack.queues).unwrap();
        let server = taken(async || Server::bind(address, queues.clone(), Bounds::default()).await).await;
        let endpoint_url = format!("http://{}", server.local_address().unwrap());
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let serving = tokio::spawn(server.run(async { drop(stopped.await) }));
        Self { queues, endpoint_url, serving, stop }
    }

    /// Ends it, long polls and all.
    async fn stop(self) {
        self.stop.send(()).unwrap();
        self.serving.await.unwrap();
    }

    /// How many messages are in a queue, wherever there, and how often one of them was received.
    fn messages(&self, queue: &str) -> (usize, u32) {
        let found = self.queues.peek(&self.queues.scope().arn(queue), 0, 10).unwrap();
        (found.len(), found.iter().map(|message| message.receive_count).max().unwrap_or_default())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_function_works_on_queues_of_another_endpoint() {
    let folder = tempfile::tempdir().unwrap();
    for bucket in ["photos", "thumbs"] {
        fs::create_dir(folder.path().join(bucket)).unwrap();
    }
    image::RgbImage::from_pixel(64, 48, image::Rgb([9, 99, 199])).save(folder.path().join("photos/cat.jpg")).unwrap();
    let s3 = S3Folder::serve(folder.path()).await;
    let elsewhere = Elsewhere::serve(([127, 0, 0, 1], 0).into()).await;
    let handler = format!("ResizeFunction={}", binaries::handler().display());
    let s3 = format!("AWS_ENDPOINT_URL_S3={}", s3.endpoint_url());
    let template = template().display().to_string();
    let mut serving = Serving(tokio::task::block_in_place(|| {
        let arguments =
            ["--template", &template, "--function", &handler, "--env", &s3, "--source", &elsewhere.endpoint_url];
        serve(arguments).spawn().unwrap()
    }));
    let (own_url, works) = serving.wait_for("works on");
    assert_eq!(works, format!("local-ResizeFunction works on local-jobs at {}", elsewhere.endpoint_url));
    assert_eq!(client(&own_url).list_queues().send().await.unwrap().queue_urls, None, "no queues of its own");

    let client = client(&elsewhere.endpoint_url);
    let url = format!("{}/000000000000/local-jobs", elsewhere.endpoint_url);
    let job = |source: &str| {
        let target = format!("s3://thumbs/{source}.png");
        let output = json!({ "target": target, "width": 32, "format": "png" });
        json!({ "source": format!("s3://photos/{source}"), "outputs": [output] }).to_string()
    };
    client.send_message().queue_url(&url).message_body(job("cat.jpg")).send().await.unwrap();
    eventually("the message of a job that worked deleted", async || elsewhere.messages("local-jobs").0 == 0).await;
    assert_eq!(image::image_dimensions(folder.path().join("thumbs/cat.jpg.png")).unwrap(), (32, 24));

    // A job that cannot be done goes to the dead-letter queue, which is there as well; while that takes no messages, the
    // job has failed and stays.
    let fault = Fault::internal_error().on("SendMessage").queue("local-DeadLetterQueue");
    elsewhere.queues.faults().inject(fault).unwrap();
    client.send_message().queue_url(&url).message_body(job("gone.jpg")).send().await.unwrap();
    let failed = "mapping_failed_invoke_total{function=\"local-ResizeFunction\",queue=\"local-jobs\"} 1\n";
    eventually("a job that failed", async || metrics(&own_url).await.contains(failed)).await;
    assert_eq!(elsewhere.messages("local-jobs"), (1, 1), "left where it was");
    assert_eq!(elsewhere.messages("local-DeadLetterQueue").0, 0);
    tokio::task::block_in_place(|| serving.stop());
}

/// An image that is uploaded to LocalStack, whose S3 announces it to LocalStack's SQS, becomes renditions in its S3.
#[tokio::test(flavor = "multi_thread")]
async fn the_function_works_on_what_localstack_announces() {
    let Some(path) = std::env::var_os("LOCALSTACK_STACK") else {
        let line = "skipped: LocalStack, because LOCALSTACK_STACK names no stack; .ci/run does where it can\n";
        std::io::stderr().write_all(line.as_bytes()).unwrap();
        return;
    };
    let stack: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let text = |name: &str| stack[name].as_str().unwrap();
    let (endpoint_url, region) = (text("endpoint"), text("region"));
    let stack_name = text("queueUrl").rsplit('/').next().unwrap().strip_suffix("-jobs").unwrap();
    let mut arguments =
        ["--template", template().to_str().unwrap(), "--stack-name", stack_name].map(String::from).to_vec();
    arguments.extend(["--region", region, "--source", endpoint_url].map(String::from));
    arguments.extend(["--function".to_owned(), format!("ResizeFunction={}", binaries::handler().display())]);
    // What has no name of its own has another one there.
    for (name, value) in [
        ("AWS_ENDPOINT_URL_S3", endpoint_url.to_owned()),
        ("DEAD_LETTER_QUEUE_URL", text("deadLetterQueueUrl").to_owned()),
        (
            "RENDITIONS",
            json!([{ "target": format!("s3://{}/served/{{stem}}.png", text("targetBucket")),
            "width": 32, "format": "png" }])
            .to_string(),
        ),
    ] {
        arguments.extend(["--env".to_owned(), format!("{name}={value}")]);
    }
    let mut serving =
        Serving(tokio::task::block_in_place(|| serve(&arguments).env("AWS_REGION", region).spawn().unwrap()));
    serving.wait_for("works on");

    let mut photo = std::io::Cursor::new(Vec::new());
    image::RgbImage::from_pixel(64, 48, image::Rgb([9, 99, 199]))
        .write_to(&mut photo, image::ImageFormat::Jpeg)
        .unwrap();
    let [source, target] = ["sourceBucket", "targetBucket"].map(|name| bucket(endpoint_url, region, text(name)));
    source.put(&"uploaded.jpg".into(), photo.into_inner().into()).await.unwrap();
    let made = "served/uploaded.png".into();
    eventually("a rendition", async || target.get(&made).await.is_ok()).await;
    let bytes = target.get(&made).await.unwrap().bytes().await.unwrap();
    assert!(bytes.starts_with(b"\x89PNG"));
    tokio::task::block_in_place(|| serving.stop());
}

/// Takes an address that was given up a moment ago. A process that another test is starting has copies of this one's sockets
/// until it becomes its program, and so long the address is in use.
async fn taken<T>(take: impl AsyncFn() -> std::io::Result<T>) -> T {
    let until = tokio::time::Instant::now() + PATIENCE;
    loop {
        match take().await {
            Err(error) if error.kind() == ErrorKind::AddrInUse && tokio::time::Instant::now() < until => {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            taken => return taken.unwrap(),
        }
    }
}

/// Takes connections and ends them: so many that one attempt of an SDK, with its retries, does not account for them.
async fn take_and_drop(address: SocketAddr) {
    let listener = taken(async || tokio::net::TcpListener::bind(address).await).await;
    for _ in 0..7 {
        listener.accept().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_is_down_is_asked_again_and_told_of_once() {
    let elsewhere = Elsewhere::serve(([127, 0, 0, 1], 0).into()).await;
    let endpoint_url = elsewhere.endpoint_url.clone();
    let address = endpoint_url.strip_prefix("http://").unwrap().parse().unwrap();
    let handler = format!("ResizeFunction={}", binaries::handler().display());
    let template = template().display().to_string();
    elsewhere.stop().await;

    // Down at the start.
    let arguments = ["--template", &template, "--function", &handler, "--source", &endpoint_url];
    let mut serving = Serving(tokio::task::block_in_place(|| serve(arguments).spawn().unwrap()));
    take_and_drop(address).await;
    let elsewhere = Elsewhere::serve(address).await;
    tokio::task::block_in_place(|| serving.wait_for("works on"));

    // Down while the mapping works.
    elsewhere.stop().await;
    take_and_drop(address).await;
    let log = tokio::task::block_in_place(|| serving.stop());

    let [first, ended, second] = log.lines().collect::<Vec<_>>()[..] else { panic!("{log}") };
    let queue = "messages of arn:aws:sqs:us-east-1:000000000000:local-jobs";
    for down in [first, second] {
        let said = format!("{queue} cannot be received, trying again: {endpoint_url}");
        assert!(down.contains(&said) && down.contains("cannot be reached"), "{log}");
    }
    assert!(ended.contains(&format!("{queue} can be received again after ")), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_is_missing_at_the_endpoint_is_one_error() {
    let elsewhere = Elsewhere::serve(([127, 0, 0, 1], 0).into()).await;
    let handler = format!("ResizeFunction={}", binaries::handler().display());
    let template = template().display().to_string();
    let named = ["--template", &template, "--stack-name", "other", "--function", &handler];
    let mut command = serve(named.into_iter().chain(["--source", &elsewhere.endpoint_url]));
    let output = tokio::task::block_in_place(|| command.output().unwrap());
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), said.lines().count()), (Some(2), 1), "{said}");
    let expected = format!("ResizeFunction: queue other-jobs does not exist at {}; create it", elsewhere.endpoint_url);
    assert!(said.contains(&expected), "{said}");
}

async fn metrics(endpoint_url: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let address = endpoint_url.strip_prefix("http://").unwrap();
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!("GET /_local-queue/metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[test]
fn what_is_wrong_is_said_in_one_line_with_exit_code_2() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("template.yaml");
    let text = fs::read_to_string(template()).unwrap();
    let given = |text: &str, more: &[&str]| {
        fs::write(&path, text).unwrap();
        let mut arguments = vec!["--template".to_owned(), path.display().to_string()];
        arguments.extend(more.iter().map(ToString::to_string));
        let output = serve(&arguments).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), said.lines().count()), (Some(2), 1), "{said}");
        said
    };
    let broken = folder.path().join("broken");
    fs::write(&broken, "no program").unwrap();
    let unbuilt = format!("ResizeFunction={}", broken.display());
    let works = format!("ResizeFunction={}", binaries::handler().display());
    for (text, more, expected) in [
        ("Resources: [".to_owned(), vec![], "it is not YAML"),
        (
            text.replace(
                "!GetAtt DeadLetterQueue.Arn\n        maxReceiveCount",
                "!GetAtt Nothing.Arn\n        maxReceiveCount",
            ),
            vec![],
            "JobsQueue: there is no parameter or resource Nothing",
        ),
        (
            text.replace("maxReceiveCount: !Ref MaxReceiveCount", "maxReceiveCount: !ImportValue x"),
            vec![],
            "JobsQueue: RedrivePolicy needs deadLetterTargetArn and maxReceiveCount, and has Fn::ImportValue x",
        ),
        (
            text.replace(
                "Queue: !GetAtt JobsQueue.Arn\n            BatchSize",
                "Queue: arn:aws:sqs:us-east-1:000000000000:other\n            BatchSize",
            ),
            vec!["--function", &works],
            "ResizeFunction: queue other: Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.\
             NonExistentQueue.",
        ),
        (text.clone(), vec![], "ResizeFunction: no program; name it with --function ResizeFunction=PATH"),
        (text.clone(), vec!["--function", "Nope=x"], "has no such function; it has ResizeFunction"),
        (text.clone(), vec!["--function", &unbuilt], "is not executable"),
        (text.clone(), vec!["--parameter", "BatchSize=11"], "parameter BatchSize is 11; expected 1 to 10"),
        (
            text,
            vec!["--clock", "manual", "--source", "http://127.0.0.1:1"],
            "--clock manual cannot be combined with --source",
        ),
    ] {
        let said = given(&text, &more);
        assert!(said.contains(expected), "{said:?} lacks {expected:?}");
    }
}
