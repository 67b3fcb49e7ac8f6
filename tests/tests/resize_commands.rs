//! `resize work` and `resize dead-letters` as processes beside an emulator over HTTP: streams, signals, errors, and what they
//! say.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]
#![expect(clippy::disallowed_methods, reason = "processes live by the clock of the machine")]

use std::{
    collections::BTreeMap,
    fs,
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use aws_sdk_sqs::{
    Client,
    config::{BehaviorVersion, Config, Credentials, Region},
    primitives::Blob,
    types::{Message, MessageAttributeValue, MessageSystemAttributeName, QueueAttributeName},
};
use local_queue::{
    LocalQueue,
    server::{Bounds, Server},
};
use serde_json::{Value, json};
use tests::{binaries, s3_folder::KEY_PAIR};

/// An emulator of its own for each test, and a folder for `file://`.
struct Place {
    endpoint: String,
    client: Client,
    folder: tempfile::TempDir,
}

impl Place {
    async fn new() -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let server = Server::bind(address, LocalQueue::builder().build(), Bounds::default()).await.unwrap();
        let endpoint = format!("http://{}", server.local_address().unwrap());
        tokio::spawn(server.run(std::future::pending()));
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .endpoint_url(&endpoint)
            .credentials_provider(Credentials::new(KEY_PAIR[0], KEY_PAIR[1], None, None, "test"))
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .build();
        Self { endpoint, client: Client::from_conf(config), folder: tempfile::tempdir().unwrap() }
    }

    async fn queue(&self, name: &str, attributes: &[(QueueAttributeName, String)]) -> String {
        let mut request = self.client.create_queue().queue_name(name);
        for (name, value) in attributes {
            request = request.attributes(name.clone(), value);
        }
        request.send().await.unwrap().queue_url.unwrap()
    }

    async fn send(&self, queue_url: &str, body: &str) {
        self.client.send_message().queue_url(queue_url).message_body(body).send().await.unwrap();
    }

    /// Jobs of a photo below the folder.
    async fn send_jobs(&self, queue_url: &str, count: usize) {
        let photo = self.folder.path().join("photo.png");
        image::RgbImage::from_pixel(16, 12, image::Rgb([9, 8, 7])).save(&photo).unwrap();
        for number in 0..count {
            let target = format!("file://{}/out/{number}.png", self.folder.path().display());
            let job = json!({
                "source": format!("file://{}", photo.display()),
                "outputs": [{ "target": target, "width": 8, "format": "png" }],
            });
            self.send(queue_url, &job.to_string()).await;
        }
    }

    async fn attributes(&self, queue_url: &str) -> BTreeMap<String, String> {
        let request = self.client.get_queue_attributes().queue_url(queue_url).attribute_names(QueueAttributeName::All);
        let attributes = request.send().await.unwrap().attributes.unwrap();
        attributes.into_iter().map(|(name, value)| (name.as_str().to_owned(), value)).collect()
    }

    /// Visible messages, and those in flight.
    async fn depth(&self, queue_url: &str) -> [usize; 2] {
        let attributes = self.attributes(queue_url).await;
        ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
            .map(|name| attributes[name].parse().unwrap())
    }

    async fn receive(&self, queue_url: &str) -> Vec<Message> {
        let request = self.client.receive_message().queue_url(queue_url).max_number_of_messages(10);
        let request = request.message_attribute_names("All");
        request.message_system_attribute_names(MessageSystemAttributeName::All).send().await.unwrap().messages.unwrap()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = resize(&self.endpoint, arguments);
        command.current_dir(self.folder.path()).env("XDG_STATE_HOME", self.folder.path().join("state"));
        command
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        let mut command = self.command(arguments);
        Ran::of(tokio::task::block_in_place(|| command.output().unwrap()))
    }

    fn work(&self, queue_url: &str, more: &[&str]) -> Command {
        let root = self.folder.path().to_str().unwrap();
        self.command(&[&["work", "--queue-url", queue_url, "--file-root", root], more].concat())
    }
}

fn resize(endpoint: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(binaries::resize());
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).env_remove("RUST_LOG");
    command.env("AWS_ENDPOINT_URL", endpoint).env("AWS_REGION", "us-east-1");
    command.env("AWS_ACCESS_KEY_ID", KEY_PAIR[0]).env("AWS_SECRET_ACCESS_KEY", KEY_PAIR[1]);
    command
}

#[derive(Debug)]
struct Ran {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Ran {
    fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

fn signal(child: &Child, signal: &str) {
    assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
}

/// The lines of a child's standard error, as they come.
fn lines(child: &mut Child) -> impl Iterator<Item = String> + use<> {
    BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap)
}

#[tokio::test(flavor = "multi_thread")]
async fn work_goes_on_when_nobody_reads_what_it_says() {
    let place = Place::new().await;
    let jobs = place.queue("jobs", &[]).await;
    place.send_jobs(&jobs, 20).await;
    place.send(&jobs, "no job").await;
    let closed = || io::pipe().unwrap().1;
    let mut command = place.work(&jobs, &["--drain", "--dead-letter-queue-url", &place.queue("dead", &[]).await]);
    command.env("RUST_LOG", "debug").stdout(closed()).stderr(closed());
    let status = tokio::task::block_in_place(|| command.status().unwrap());
    assert_eq!((status.code(), place.depth(&jobs).await), (Some(0), [0, 0]));
    assert_eq!(fs::read_dir(place.folder.path().join("out")).unwrap().count(), 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn work_reports_its_first_failed_receive_at_once_and_in_one_line() {
    // A queue that says what it is, and is never heard of again.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let answering = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = BufReader::new(stream.try_clone().unwrap());
        let mut length = 0;
        loop {
            let mut line = String::new();
            request.read_line(&mut line).unwrap();
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            if line.trim().is_empty() {
                break;
            }
        }
        request.read_exact(&mut vec![0; length]).unwrap();
        let body = r#"{"Attributes":{"QueueArn":"arn:aws:sqs:us-east-1:000000000000:jobs","VisibilityTimeout":"30"}}"#;
        let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
        stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
    });
    let queue_url = format!("{endpoint}/000000000000/jobs");
    let mut child =
        resize(&endpoint, &["work", "--queue-url", &queue_url]).env("AWS_MAX_ATTEMPTS", "1").spawn().unwrap();
    let line = lines(&mut child).next().unwrap();
    let expected = format!("ReceiveMessage on {queue_url} failed: no connection to {endpoint}: ");
    assert!(line.contains("WARN") && line.contains(&expected) && line.len() < 420, "{line}");
    signal(&child, "-TERM");
    assert_eq!(child.wait().unwrap().code(), Some(0));
    answering.join().unwrap();
}

/// An S3 that takes connections and never answers.
fn silent_s3() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    (listener, endpoint)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_stops_work_within_its_time_and_a_second_one_at_once() {
    for (stop_within, second, code, depth) in
        [("2", None, 0, [1, 0]), ("600", Some("-INT"), 130, [0, 1]), ("600", Some("-TERM"), 143, [0, 1])]
    {
        let (listener, s3) = silent_s3();
        let place = Place::new().await;
        let jobs = place.queue("jobs", &[]).await;
        let job = json!({ "source": "s3://photos/a.jpg", "outputs": [{ "target": "s3://thumbs/a.jpg", "width": 8 }] });
        place.send(&jobs, &job.to_string()).await;
        let mut command = place.work(&jobs, &["--stop-within", stop_within]);
        let mut child = command.env("AWS_ENDPOINT_URL_S3", &s3).spawn().unwrap();
        // The job runs as soon as it asks for its photo, and as long as it is not answered.
        let _connection = tokio::task::block_in_place(|| listener.accept().unwrap());
        let mut lines = lines(&mut child);
        signal(&child, "-TERM");
        let began = Instant::now();
        let line = tokio::task::block_in_place(|| lines.next().unwrap());
        assert!(line.contains(&format!("waiting up to {stop_within} s for running jobs;")), "{line}");
        if let Some(second) = second {
            signal(&child, second);
        }
        let status = tokio::task::block_in_place(|| child.wait().unwrap());
        assert_eq!(status.code(), Some(code));
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
        assert_eq!(place.depth(&jobs).await, depth, "after {stop_within} s or {second:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_listed_can_be_edited_and_sent_and_is_the_same() {
    let place = Place::new().await;
    let (dead, jobs) = (place.queue("dead", &[]).await, place.queue("jobs", &[]).await);
    let text = MessageAttributeValue::builder().data_type("Number").string_value("0012").build().unwrap();
    let bytes: Vec<u8> = (0..=255).collect();
    let binary =
        MessageAttributeValue::builder().data_type("Binary.raw").binary_value(Blob::new(bytes)).build().unwrap();
    let body = "{\"z\":1,  \"a\":[1e3]}\n\t\u{e9}\u{9b}\u{202e}\u{1f600}";
    let request = place.client.send_message().queue_url(&dead).message_body(body);
    let request = request.message_attributes("price", text.clone()).message_attributes("raw", binary.clone());
    request.send().await.unwrap();
    for number in 0..34 {
        place.send(&dead, &format!("letter {number}")).await;
    }
    let listed = place.run(&["dead-letters", "list", "--json", "--queue-url", &dead]);
    assert_eq!((listed.code, listed.stderr.as_str()), (Some(0), ""), "{listed:?}");
    assert!(!listed.stdout.contains(['\u{9b}', '\u{202e}']), "the terminal is not commanded");
    let mut list: Vec<Value> = serde_json::from_str(&listed.stdout).unwrap();
    assert_eq!(list.len(), 35, "more than one receive returns");
    let edited = list.iter_mut().find(|letter| letter["body"] == "letter 7").unwrap();
    edited["body"] = "letter seven".into();
    edited["messageAttributes"]["note"] = json!({ "dataType": "String", "stringValue": "mended" });
    fs::write(place.folder.path().join("letters.json"), Value::from(list).to_string()).unwrap();

    let sent = place.run(&["dead-letters", "send", "--queue-url", &jobs, "--file", "letters.json"]);
    assert_eq!(
        (sent.code, sent.stdout.as_str()),
        (Some(0), format!("35 messages sent to {jobs}\n").as_str()),
        "{sent:?}"
    );
    let mut received = BTreeMap::new();
    for _ in 0..4 {
        let messages = place.receive(&jobs).await;
        received.extend(messages.into_iter().map(|message| (message.body.clone().unwrap(), message)));
    }
    assert_eq!(received.len(), 35);
    let attributes = received[body].message_attributes.clone().unwrap();
    assert_eq!(attributes, [("price".to_owned(), text), ("raw".to_owned(), binary)].into());
    let attributes = received["letter seven"].message_attributes.clone().unwrap();
    assert_eq!(attributes["note"].string_value(), Some("mended"));
    assert_eq!(place.depth(&dead).await, [35, 0], "looking has taken nothing and given all back");
}

#[tokio::test(flavor = "multi_thread")]
async fn looking_does_not_raise_the_tries_it_shows() {
    let place = Place::new().await;
    let dead = place.queue("dead", &[]).await;
    let arn = place.attributes(&dead).await["QueueArn"].clone();
    let policy = json!({ "deadLetterTargetArn": arn, "maxReceiveCount": 2 }).to_string();
    let attributes =
        [(QueueAttributeName::RedrivePolicy, policy), (QueueAttributeName::VisibilityTimeout, "0".to_owned())];
    let jobs = place.queue("jobs", &attributes).await;
    place.send(&jobs, "poison").await;
    for _ in 0..2 {
        assert_eq!(place.receive(&jobs).await.len(), 1);
    }
    let request = place.client.receive_message().queue_url(&jobs);
    assert!(request.send().await.unwrap().messages.unwrap_or_default().is_empty(), "the third moves it");
    for _ in 0..4 {
        let listed = place.run(&["dead-letters", "list", "--json", "--queue-url", &dead]);
        let list: Value = serde_json::from_str(&listed.stdout).unwrap();
        assert_eq!((&list[0]["receives"], &list[0]["kind"]), (&json!(2), &json!("max-receive-count")), "{list}");
        assert_eq!(list[0]["reason"], "not done after 2 tries");
        let shown = place.run(&["dead-letters", "show", "--queue-url", &dead, list[0]["messageId"].as_str().unwrap()]);
        assert_eq!(serde_json::from_str::<Value>(&shown.stdout).unwrap()["receives"], 2, "{shown:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_with_a_redrive_policy_of_its_own_is_not_emptied_by_looking() {
    let place = Place::new().await;
    let last = place.queue("last", &[]).await;
    let arn = place.attributes(&last).await["QueueArn"].clone();
    let policy = json!({ "deadLetterTargetArn": arn, "maxReceiveCount": 1 }).to_string();
    let dead = place.queue("dead", &[(QueueAttributeName::RedrivePolicy, policy)]).await;
    for number in 0..3 {
        place.send(&dead, &format!("letter {number}")).await;
    }
    for _ in 0..3 {
        for arguments in [["list", "--json"], ["show", "some-id"]] {
            let arguments = [&["dead-letters"], &arguments[..], &["--queue-url", &dead]].concat();
            let refused = place.run(&arguments);
            assert_eq!((refused.code, refused.stdout.as_str()), (Some(2), ""), "{refused:?}");
            assert!(
                refused.stderr.contains("(maxReceiveCount 1)") && refused.stderr.contains(&format!("moved to {arn}")),
                "{refused:?}"
            );
            assert!(refused.stderr.contains("--despite-redrive-policy"), "{refused:?}");
        }
    }
    assert_eq!((place.depth(&dead).await, place.depth(&last).await), ([3, 0], [0, 0]));
    let looked = place.run(&["dead-letters", "list", "--json", "--despite-redrive-policy", "--queue-url", &dead]);
    assert_eq!(serde_json::from_str::<Vec<Value>>(&looked.stdout).unwrap().len(), 3, "{looked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_fifo_queue_it_is_said_what_cannot_be_seen() {
    let place = Place::new().await;
    let attributes = [
        (QueueAttributeName::FifoQueue, "true".to_owned()),
        (QueueAttributeName::ContentBasedDeduplication, "true".to_owned()),
    ];
    let dead = place.queue("dead.fifo", &attributes).await;
    for number in 0..25 {
        let request = place.client.send_message().queue_url(&dead).message_group_id("g");
        request.message_body(format!("letter {number:02}")).send().await.unwrap();
    }
    for _ in 0..2 {
        let listed = place.run(&["dead-letters", "list", "--queue-url", &dead]);
        assert_eq!(listed.code, Some(0), "{listed:?}");
        let last = listed.stdout.lines().last().unwrap();
        assert!(last.starts_with("10 of 25 messages: the rest of the group is locked"), "{listed:?}");
        assert!(listed.stdout.contains("letter 00") && listed.stdout.contains("letter 09"), "{listed:?}");
        assert_eq!(place.depth(&dead).await, [25, 0]);
    }
    let listed = place.run(&["dead-letters", "list", "--json", "--queue-url", &dead]);
    assert!(listed.stderr.contains("10 of 25 messages: "), "{listed:?}");
    assert_eq!(serde_json::from_str::<Vec<Value>>(&listed.stdout).unwrap().len(), 10);
}

/// Dead letters with reasons: so many of each kind.
async fn fill(place: &Place, queue_url: &str, kinds: &[(&str, usize)]) {
    for (kind, count) in kinds {
        for number in 0..*count {
            let value = MessageAttributeValue::builder().data_type("String").string_value(*kind).build().unwrap();
            let request = place.client.send_message().queue_url(queue_url).message_attributes("FailureKind", value);
            request.message_body(format!("{kind} {number:02}")).send().await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_counted_saved_edited_sent_and_deleted_by_a_selection() {
    let place = Place::new().await;
    let (dead, jobs) = (place.queue("dead", &[]).await, place.queue("jobs", &[]).await);
    fill(&place, &dead, &[("bad-image", 12), ("access-denied", 3)]).await;
    let on =
        |command: &str, more: &[&str]| place.run(&[&["dead-letters", command, "--queue-url", &dead], more].concat());

    let counts = on("list", &["--counts"]).stdout;
    let rows = counts.lines().filter(|line| line.contains("-image") || line.contains("-denied")).collect::<Vec<_>>();
    assert!(rows.len() == 2 && rows[0].contains(" 12 ") && rows[1].contains(" 3 "), "{counts}");

    let saved = on("list", &["--kind", "access-denied", "--since", "1h", "--save", "letters.jsonl"]);
    assert_eq!((saved.code, saved.stdout.as_str()), (Some(0), "3 messages saved to letters.jsonl\n"), "{saved:?}");
    assert_eq!(on("list", &["--since", "2999-01-01T00:00:00Z"]).stdout, "no messages\n");
    let path = place.folder.path().join("letters.jsonl");
    let lines = fs::read_to_string(&path).unwrap();
    assert_eq!(lines.lines().count(), 3);
    fs::write(&path, lines.replace("access-denied 01", "access granted 01")).unwrap();
    let command = ["dead-letters", "send", "--queue-url", &jobs, "--file", "letters.jsonl"];
    let rehearsed = place.run(&[&command[..], &["--dry-run"]].concat());
    assert!(rehearsed.stdout.ends_with(&format!("3 messages would be sent to {jobs}; nothing was\n")), "{rehearsed:?}");
    assert_eq!(place.depth(&jobs).await, [0, 0]);
    assert_eq!(place.run(&command).code, Some(0));
    let mut sent = place.receive(&jobs).await;
    sent.sort_by(|one, other| one.body.cmp(&other.body));
    let bodies = sent.iter().map(|message| message.body.as_deref().unwrap()).collect::<Vec<_>>();
    assert_eq!(bodies, ["access granted 01", "access-denied 00", "access-denied 02"]);
    assert!(sent.iter().all(|message| message.message_attributes.is_none()), "without their reasons: {sent:?}");

    for (arguments, expected) in [
        (&["delete"][..], "delete needs a selection"),
        (&["delete", "--kind", "access-denied"], "--yes confirms the deletion"),
        (&["purge"], "--yes confirms the deletion"),
    ] {
        let refused = on(arguments[0], &arguments[1..]);
        assert!(refused.code == Some(2) && refused.stderr.contains(expected), "{arguments:?}: {refused:?}");
    }
    let rehearsed = on("delete", &["--body-contains", "denied", "--dry-run"]);
    assert!(rehearsed.stdout.ends_with("3 messages would be deleted; nothing was\n"), "{rehearsed:?}");
    assert_eq!(place.depth(&dead).await, [15, 0]);
    let deleted = on("delete", &["--body-contains", "denied", "--yes"]);
    assert_eq!((deleted.code, deleted.stdout.as_str()), (Some(0), "3 messages deleted\n"), "{deleted:?}");
    assert_eq!(place.depth(&dead).await, [12, 0], "what is left is visible at once");
    let nobody = io::pipe().unwrap().1;
    let mut closed = place.command(&["dead-letters", "list", "--queue-url", &dead]);
    assert_eq!(tokio::task::block_in_place(|| closed.stdout(nobody).status().unwrap()).code(), Some(0));
    assert_eq!(on("purge", &["--yes"]).code, Some(0));
    assert_eq!(place.depth(&dead).await, [0, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redrive_that_was_interrupted_goes_on_and_needs_nothing_but_the_endpoint() {
    let place = Place::new().await;
    let dead = place.queue("dead", &[]).await;
    let arn = place.attributes(&dead).await["QueueArn"].clone();
    let policy = json!({ "deadLetterTargetArn": arn, "maxReceiveCount": 3 }).to_string();
    let jobs = place.queue("jobs", &[(QueueAttributeName::RedrivePolicy, policy)]).await;
    fill(&place, &dead, &[("bad-image", 6)]).await;
    let redrive = |more: &[&str]| {
        let mut command = Command::new(binaries::resize());
        command.env_clear().env("AWS_ENDPOINT_URL", &place.endpoint).env("HOME", place.folder.path());
        command.args(["dead-letters", "redrive", "--queue-url", &dead]).args(more);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    };
    let rehearsed = Ran::of(tokio::task::block_in_place(|| redrive(&["--dry-run"]).output().unwrap()));
    assert!(rehearsed.stdout.ends_with("6 messages would be sent; nothing was\n"), "{rehearsed:?}");
    let child = redrive(&["--rate", "1"]).spawn().unwrap();
    while place.depth(&jobs).await[0] < 2 {
        tokio::task::yield_now().await;
    }
    signal(&child, "-INT");
    let stopped = Ran::of(tokio::task::block_in_place(|| child.wait_with_output().unwrap()));
    assert!(stopped.code == Some(130) && stopped.stderr.contains("the same command resumes"), "{stopped:?}");
    let sent = place.depth(&jobs).await[0];
    assert_eq!((place.depth(&dead).await, sent < 6), ([6 - sent, 0], true), "{stopped:?}");
    let ended = Ran::of(tokio::task::block_in_place(|| redrive(&[]).output().unwrap()));
    let expected = format!("{} messages sent to {}\n", 6 - sent, place.attributes(&jobs).await["QueueArn"]);
    assert_eq!((ended.code, ended.stdout), (Some(0), expected), "{}", ended.stderr);
    assert_eq!((place.depth(&dead).await, place.depth(&jobs).await), ([0, 0], [6, 0]));
    assert_eq!(fs::read_dir(place.folder.path().join(".local/state/resize")).unwrap().count(), 0, "no journal is left");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_leaves_a_saved_file_as_it_was() {
    let place = Place::new().await;
    let dead = place.queue("dead", &[]).await;
    let disk = place.folder.path().join("disk");
    fs::create_dir(&disk).unwrap();
    let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=8k", "tmpfs"]).arg(&disk).output();
    if !mount.is_ok_and(|mount| mount.status.success()) {
        eprintln!("not run: a small disk takes root");
        return;
    }
    fill(&place, &dead, &[("bad-image", 1)]).await;
    let save = ["dead-letters", "list", "--queue-url", &dead, "--save", "disk/letters"];
    let saved = place.run(&save);
    let before = fs::read(disk.join("letters")).unwrap();
    place.send(&dead, &"x".repeat(20_000)).await;
    let refused = place.run(&save);
    let (after, files) = (fs::read(disk.join("letters")).unwrap(), fs::read_dir(&disk).unwrap().count());
    let redrive = ["dead-letters", "redrive", "--queue-url", &dead, "--to", &dead, "--journal", "disk/journal"];
    fs::write(disk.join("filler"), [0; 4096]).unwrap();
    let journal = place.run(&redrive);
    assert!(Command::new("umount").arg(&disk).status().unwrap().success());
    assert_eq!((saved.code, refused.code, after == before, files), (Some(0), Some(2), true, 1), "{refused:?}");
    assert!(
        refused.stderr.contains("cannot save to disk/letters; the file is unchanged: No space left"),
        "{refused:?}"
    );
    assert!(
        journal.code == Some(2) && journal.stderr.contains("cannot write to the journal disk/journal"),
        "{journal:?}"
    );
    assert_eq!(place.depth(&dead).await, [2, 0], "nothing was sent, all is given back");
}
