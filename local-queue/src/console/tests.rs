mod functions;

use std::{sync::LazyLock, time::Duration};

use super::*;
use crate::{
    Fault,
    clock::{Clock, ManualClock},
    engine::{
        Attribute, Limits, MessageAttribute, MessageAttributeValue, MessageAttributes, MessageBody, QueueArn, Receive,
        RedrivePolicy, SendMessage, Time,
    },
};

const TOKEN: &str = "token-of-this-start";
/// Texts that would do something if they were taken for markup, of which each says so by the name `own`.
const HOSTILE: [&str; 15] = [
    "<script>own()</script>",
    "<img src=x onerror=own()>",
    "<svg onload=own()>",
    "\"><script>own()</script>",
    "' onmouseover='own()",
    "\" autofocus onfocus=\"own()",
    "</pre><script>own()</script>",
    "</textarea><script>own()</script>",
    "</title><script>own()</script>",
    "</code></td></table><iframe srcdoc=\"<script>own()</script>\"></iframe>",
    "javascript:own()",
    "<a href=javascript:own()>x</a>",
    "<meta http-equiv=refresh content=0;url=javascript:own()>",
    "<!--><script>own()</script>",
    "{{ own }} ${own()} <base href=//own.example>",
];

fn queues() -> (LocalQueue, ManualClock) {
    let clock = ManualClock::new(Time::from_millis(1_800_000_000_000));
    (LocalQueue::builder().clock(Clock::manual(&clock)).seed(1).build(), clock)
}

/// With nothing beside the queues.
fn shown<'a>(queues: &'a LocalQueue, live: &'a Live) -> Shown<'a> {
    static NONE: LazyLock<Activity> = LazyLock::new(Activity::default);
    Shown { queues, buckets: None, apis: None, lambda: None, live, activity: &NONE }
}

fn ask(queues: &LocalQueue, path: &str) -> Response<Bytes> {
    let request = Request::get(path).body(Bytes::new()).unwrap();
    respond(shown(queues, &Live::default()), &request, TOKEN).expect("the path is one of the console")
}

fn html(queues: &LocalQueue, path: &str) -> String {
    let response = ask(queues, path);
    assert_eq!(response.status(), StatusCode::OK, "{path}");
    String::from_utf8(response.body().to_vec()).unwrap()
}

fn page_of(queue: &QueueArn) -> String {
    format!("/_local-queue/console/queue?arn={queue}")
}

fn page_of_message(queue: &QueueArn, id: impl std::fmt::Display) -> String {
    format!("/_local-queue/console/message?arn={queue}&id={id}")
}

fn message(body: &str) -> SendMessage {
    SendMessage::new(MessageBody::parse(body).unwrap())
}

fn attributes(given: &[(&str, &str)]) -> MessageAttributes {
    let given = given.iter().map(|(name, value)| ((*name).to_owned(), MessageAttribute::string(*value)));
    MessageAttributes::parse(given.collect(), &Limits::STRICT).unwrap()
}

/// A queue whose dead letters go to the other one.
fn with_dead_letters(queues: &LocalQueue) -> (QueueArn, QueueArn) {
    let dead = queues.create_queue("jobs-dead", &[]).unwrap();
    let policy = RedrivePolicy { dead_letter_target: dead.clone(), max_receive_count: 1 };
    (queues.create_queue("jobs", &[Attribute::RedrivePolicy(Some(policy))]).unwrap(), dead)
}

#[test]
fn what_belongs_to_no_page_is_left_to_others() {
    let (queues, _) = queues();
    for path in ["/", "/_local-queue", "/_local-queue/health", "/_local-queue/queues", "/photos/console/queue"] {
        let request = Request::get(path).body(Bytes::new()).unwrap();
        assert!(respond(shown(&queues, &Live::default()), &request, TOKEN).is_none(), "{path}");
    }
    assert_eq!(ask(&queues, "/_local-queue/console/nothing").status(), StatusCode::NOT_FOUND);
    let post = Request::post("/_local-queue/").body(Bytes::new()).unwrap();
    let refused = respond(shown(&queues, &Live::default()), &post, TOKEN).unwrap();
    assert_eq!(
        (refused.status(), &refused.headers()["allow"]),
        (StatusCode::METHOD_NOT_ALLOWED, &"GET, HEAD".parse().unwrap())
    );
}

#[test]
fn every_answer_tells_the_browser_to_run_nothing_but_the_module() {
    let (queues, _) = queues();
    for path in [
        "",
        "console/time",
        "console/console.js",
        "console/console.css",
        "console/icon.svg",
        "console/none",
        "console/queue",
    ] {
        let response = ask(&queues, &format!("/_local-queue/{path}"));
        let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(
            header("content-security-policy"),
            "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' blob:; \
             form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
        );
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert_eq!(header("cross-origin-resource-policy"), "same-origin");
        assert!(!response.headers().contains_key("set-cookie"));
    }
    let module = include_str!("console.js");
    for sink in ["innerHTML =", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "srcdoc"]
    {
        assert!(!module.contains(sink), "{sink}");
    }
}

#[tokio::test]
async fn looking_changes_no_count_and_no_visibility() {
    let (queues, clock) = queues();
    let (jobs, dead) = with_dead_letters(&queues);
    let sent = queues.send(&jobs, message("one")).unwrap();
    queues.send(&jobs, SendMessage { delay: Some(Duration::from_secs(60)), ..message("two") }).unwrap();
    queues.send(&dead, message("three")).unwrap();
    clock.advance(Duration::from_millis(1_500));
    queues.receive(&jobs, Receive::default()).await.unwrap();
    let state = || format!("{:?}", [&jobs, &dead].map(|queue| queues.peek(queue, 0, 10).unwrap()));
    let before = state();
    let pages = [
        "/_local-queue/".to_owned(),
        page_of(&jobs),
        page_of(&dead),
        page_of_message(&jobs, sent.message_id),
        "/_local-queue/console/time".to_owned(),
    ];
    for page in &pages {
        assert_eq!(html(&queues, page), html(&queues, page), "{page} shows the same when it is looked at again");
    }
    assert_eq!(state(), before);
}

#[tokio::test]
async fn a_message_says_why_it_is_not_visible_and_until_when() {
    let (queues, clock) = queues();
    let (jobs, dead) = with_dead_letters(&queues);
    let sent = queues.send(&jobs, message(r#"{"a":[1,2]}"#)).unwrap().message_id;
    let binary =
        MessageAttribute { data_type: "Binary".to_owned(), value: MessageAttributeValue::Binary(vec![0, 255]) };
    let binary = MessageAttributes::parse([("raw".to_owned(), binary)].into(), &Limits::STRICT).unwrap();
    let other =
        queues.send(&jobs, SendMessage { attributes: binary, delay: Some(Duration::from_secs(90)), ..message("text") });
    let page = page_of_message(&jobs, sent);
    let shown = html(&queues, &page);
    assert!(shown.contains("It can be received.") && shown.contains("&#34;a&#34;: ["), "{shown}");
    queues.receive(&jobs, Receive::default()).await.unwrap();
    clock.advance(Duration::from_secs(10));
    let shown = html(&queues, &page);
    let why = "Receive 1 of it, 10 s ago, holds it for another 20 s unless it is deleted.";
    assert!(shown.contains(why) && shown.contains(">in 20 s</time>"), "{shown}");
    let shown = html(&queues, &page_of_message(&jobs, other.unwrap().message_id));
    assert!(shown.contains("Its delay ends in 80 s.") && shown.contains("00 ff"), "{shown}");
    clock.advance(Duration::from_secs(20));
    assert!(queues.receive(&jobs, Receive::default()).await.unwrap().is_empty());
    let shown = html(&queues, &page);
    assert!(shown.contains("It moved to the dead-letter queue jobs-dead 0 s ago"), "{shown}");
    let there = page_of_message(&dead, sent);
    assert!(html(&queues, &there).contains("It can be received."), "{there}");
}

#[test]
fn a_message_or_queue_that_is_not_there_is_a_page_that_says_so() {
    let (queues, _) = queues();
    let jobs = queues.create_queue("jobs", &[]).unwrap();
    let none = jobs.as_str().replace("jobs", "none");
    let id = "01234567-89ab-4def-bedc-ba9876543210";
    for path in [
        format!("queue?arn={none}"),
        "queue?arn=%3Cscript%3E".to_owned(),
        format!("message?arn={jobs}&id={id}"),
        format!("message?arn={none}&id={id}"),
        format!("message?arn={jobs}&id=x"),
    ] {
        let response = ask(&queues, &format!("{PREFIX}{path}"));
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
        assert!(!String::from_utf8_lossy(response.body()).contains("<script>"), "{path}");
    }
}

#[test]
fn ten_thousand_messages_are_shown_page_by_page() {
    let (queues, _) = queues();
    let jobs = queues.create_queue("jobs", &[]).unwrap();
    for number in 0..10_000 {
        queues.send(&jobs, message(&format!("body-{number}."))).unwrap();
    }
    let (mut path, mut seen) = (page_of(&jobs), 0);
    loop {
        let shown = html(&queues, &path);
        assert!(shown.len() < 200_000, "{} bytes", shown.len());
        for number in seen..seen + 100 {
            assert!(shown.contains(&format!(">body-{number}.<")), "{number} on {path}");
        }
        seen += 100;
        let Some((_, next)) = shown.split_once("rel=\"next\" href=\"") else { break };
        path = next.split('"').next().unwrap().replace("&amp;", "&").replace("&#38;", "&");
    }
    assert_eq!(seen, 10_000);
}

#[test]
fn no_text_of_a_stranger_becomes_markup() {
    let (queues, _) = queues();
    let (jobs, dead) = with_dead_letters(&queues);
    let mut pages =
        vec!["/_local-queue/".to_owned(), page_of(&jobs), page_of(&dead), "/_local-queue/console/time".to_owned()];
    for hostile in HOSTILE {
        let attributes =
            attributes(&[("FailureKind", hostile), ("FailureBlame", hostile), ("FailureMessage", hostile)]);
        let sent = SendMessage { attributes, trace_header: Some(hostile.to_owned()), ..message(hostile) };
        let id = queues.send(&dead, sent).unwrap().message_id;
        pages.push(page_of_message(&dead, id));
        queues.tag_queue(&jobs, [(hostile.to_owned(), hostile.to_owned())].into()).unwrap();
        queues.faults().inject(Fault::throttle().queue(hostile)).unwrap();
        let encoded = percent_encoding::utf8_percent_encode(hostile, percent_encoding::NON_ALPHANUMERIC);
        pages.push(format!("{}&kind={encoded}&place={encoded}&skip={encoded}", page_of(&dead)));
    }
    for page in &pages {
        let shown = html(&queues, page);
        let tags = shown.split('<').skip(1).map(|rest| rest.split('>').next().unwrap());
        for tag in tags {
            // What is ours has no such name in a tag, outside of quotes.
            let outside = tag.split('"').step_by(2).collect::<String>();
            assert!(!outside.contains("own("), "<{tag}> on {page}");
            let name = tag.trim_start_matches('/').split([' ', '\n']).next().unwrap();
            assert!(!["iframe", "img", "base", "object", "embed"].contains(&name), "<{tag}> on {page}");
            assert!(name != "svg" || tag == "/svg" || tag.starts_with("svg class=\"stack\" "), "<{tag}> on {page}");
            assert!(!tag.contains("href=\"javascript:"), "<{tag}> on {page}");
        }
        assert_eq!(shown.matches("<script").count(), 1, "{page}");
        assert_eq!(shown.matches("<meta").count(), 4, "{page}");
    }
}

#[test]
fn dead_letters_are_grouped_by_kind_and_blame() {
    let (queues, _) = queues();
    let (_, dead) = with_dead_letters(&queues);
    for (kind, blame, reason) in
        [("bad-image", "source", "JPEG is truncated"), ("bad-image", "source", "other"), ("too-large", "job", "x")]
    {
        let attributes = attributes(&[("FailureKind", kind), ("FailureBlame", blame), ("FailureMessage", reason)]);
        queues.send(&dead, SendMessage { attributes, ..message("{}") }).unwrap();
    }
    queues.send(&dead, message("poison")).unwrap();
    let shown = html(&queues, &page_of(&dead));
    for text in ["bad-image", "JPEG is truncated", "too-large", "receives used up", ">jobs</a>"] {
        assert!(shown.contains(text), "{text}: {shown}");
    }
    let shown = html(&queues, &format!("{}&kind=bad-image", page_of(&dead)));
    assert_eq!(shown.matches("class=\"preview\"").count(), 2);
    let shown = html(&queues, &format!("{}&kind=", page_of(&dead)));
    assert!(shown.matches("class=\"preview\"").count() == 1 && shown.contains("poison"), "{shown}");
}

#[tokio::test]
async fn what_happens_next_is_told_in_order_and_leads_there_by_a_manual_clock() {
    let (queues, clock) = queues();
    let jobs = queues.create_queue("jobs", &[]).unwrap();
    queues.send(&jobs, message("taken")).unwrap();
    queues.receive(&jobs, Receive::default()).await.unwrap();
    queues.send(&jobs, SendMessage { delay: Some(Duration::from_secs(5)), ..message("later") }).unwrap();
    let shown = html(&queues, "/_local-queue/console/time");
    let (first, second) = (shown.find(">in 5 s</time>").unwrap(), shown.find(">in 30 s</time>").unwrap());
    assert!(first < second, "{shown}");
    assert!(shown.contains(&format!("value=\"{}\"", clock.now().as_millis() + 5_000)), "{shown}");
    let system = LocalQueue::builder().build();
    assert!(!html(&system, "/_local-queue/console/time").contains("clock/advance"));
}

#[tokio::test(start_paused = true)]
async fn an_open_page_hears_of_changes_four_times_a_second_at_most() {
    use http_body_util::BodyExt;

    let queues = LocalQueue::virtual_time();
    let jobs = queues.create_queue("jobs", &[]).unwrap();
    let live = Live::default();
    let (mut events, mut others) = (live.events(shown(&queues, &live)), live.events(shown(&queues, &live)));
    let mut next = async || events.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(next().await, "retry: 1000\n\n");
    let began = tokio::time::Instant::now();
    for _ in 0..8 {
        queues.send(&jobs, message("hello")).unwrap();
        queues.send(&jobs, message("hello")).unwrap();
        assert_eq!(next().await, "event: change\ndata:\n\n");
    }
    assert_eq!(began.elapsed(), 8 * Duration::from_millis(250));
    // The plots move on until what was sent has left them.
    let (quiet, mut moves) = (tokio::time::Instant::now(), 0);
    while next().await == "event: change\ndata:\n\n" {
        moves += 1;
    }
    let elapsed = quiet.elapsed().as_secs();
    assert!((95..=103).contains(&moves) && (300..330).contains(&elapsed), "{moves} moves in {elapsed} s");
    assert_eq!(others.frame().await.unwrap().unwrap().into_data().unwrap(), "retry: 1000\n\n");
}

/// An image in a bucket, and what is made of it.
async fn with_pictures(queues: &LocalQueue) -> (QueueArn, Buckets) {
    let buckets = Buckets::new(queues);
    let objects: [(&str, &str, &'static [u8]); 3] = [
        ("photos", "cat.jpg", &b"\xff\xd8\xff\xc0\0\x0b\x08\x01\x40\x00\xf0"[..]),
        ("photos", "page.jpg", b"<script>own()</script>"),
        ("thumbs", "cat-320.webp", b"RIFF\0\0\0\0WEBPVP8X\0\0\0\0\0\0\0\0\x3f\x01\0\xef\0\0"),
    ];
    for (bucket, key, body) in objects {
        buckets.create_bucket(bucket).unwrap();
        let put = Request::put(format!("http://localhost/{bucket}/{key}")).body(Bytes::from_static(body)).unwrap();
        assert_eq!(buckets.respond(put).await.status(), 200);
    }
    (queues.create_queue("resize", &[]).unwrap(), buckets)
}

fn ask_with(queues: &LocalQueue, buckets: &Buckets, path: &str) -> Response<Bytes> {
    let live = Live::default();
    let request = Request::get(path).body(Bytes::new()).unwrap();
    respond(Shown { buckets: Some(buckets), ..shown(queues, &live) }, &request, TOKEN).unwrap()
}

#[tokio::test]
async fn a_job_is_shown_with_its_pictures_also_when_it_is_done() {
    let (queues, clock) = queues();
    let (resize, buckets) = with_pictures(&queues).await;
    clock.advance(Duration::from_secs(5));
    let job = r#"{"source":"s3://photos/cat.jpg","outputs":[{"target":"s3://thumbs/cat-320.webp"},
        {"target":"s3://thumbs/none.webp"},{"target":"https://example.com/own.webp"}]}"#;
    let id = queues.send(&resize, message(job)).unwrap().message_id;
    queues.send(&resize, message("no job")).unwrap();
    let text = |path: &str| String::from_utf8(ask_with(&queues, &buckets, path).into_body().to_vec()).unwrap();
    let page = page_of_message(&resize, id);
    let facts = ["JPEG, 240 x 320, 11 bytes", "WebP, 320 x 240, 30 bytes", "Not there.", "In no bucket of this server"];
    for path in [page.as_str(), "/_local-queue/console/pictures"] {
        let shown = text(path);
        assert!(facts.iter().all(|fact| shown.contains(fact)), "{shown}");
        assert_eq!(shown.matches("data-picture=").count(), 2, "{shown}");
        // What a message names is neither fetched nor linked.
        assert!(!shown.contains("=\"https:"), "{shown}");
    }
    let received = queues.receive(&resize, Receive::default()).await.unwrap();
    clock.advance(Duration::from_millis(1_500));
    queues.delete(&resize, received[0].receipt_handle).unwrap();
    let shown = text("/_local-queue/console/pictures");
    assert!(shown.contains("done in 1.50 s") && facts.iter().all(|fact| shown.contains(fact)), "{shown}");
    let shown = text(&page);
    assert!(shown.contains("A receiver deleted it") && facts.iter().all(|fact| shown.contains(fact)), "{shown}");
    let event = r#"{"Records":[{"s3":{"bucket":{"name":"photos"},"object":{"key":"cat.jpg"}}}]}"#;
    let id = queues.send(&resize, message(event)).unwrap().message_id;
    let shown = text(&page_of_message(&resize, id));
    assert!(facts[..2].iter().all(|fact| shown.contains(fact)) && shown.contains("named after it"), "{shown}");
}

#[tokio::test]
async fn only_images_are_answered_and_nothing_of_them_runs() {
    let (queues, _) = queues();
    let (_, buckets) = with_pictures(&queues).await;
    let ask = |query: &str| ask_with(&queues, &buckets, &format!("/_local-queue/console/picture?{query}"));
    let image = ask("bucket=photos&key=cat.jpg");
    let header = |name: &str| image.headers()[name].to_str().unwrap();
    assert_eq!((image.status(), header("content-type")), (StatusCode::OK, "image/jpeg"));
    assert_eq!(header("content-security-policy"), "default-src 'none'; sandbox; frame-ancestors 'none'");
    assert_eq!((header("x-content-type-options"), image.body().len()), ("nosniff", 11));
    for (query, expected) in [
        ("bucket=photos&key=page.jpg", StatusCode::UNSUPPORTED_MEDIA_TYPE),
        ("bucket=photos&key=none.jpg", StatusCode::NOT_FOUND),
        ("bucket=none&key=cat.jpg", StatusCode::NOT_FOUND),
        ("bucket=photos&key=..%2Fphotos%2Fcat.jpg", StatusCode::NOT_FOUND),
        ("key=cat.jpg", StatusCode::NOT_FOUND),
        ("", StatusCode::NOT_FOUND),
    ] {
        let refused = ask(query);
        assert_eq!(refused.status(), expected, "{query}");
        assert_eq!(refused.headers()["content-type"], "text/plain; charset=utf-8");
        assert!(!String::from_utf8_lossy(refused.body()).contains("own("), "{query}");
    }
}

#[tokio::test]
async fn the_stack_is_drawn_from_what_runs_and_also_told_in_words() {
    use crate::buckets::{Destination, Notification};

    let (queues, _) = queues();
    let (jobs, _) = with_dead_letters(&queues);
    let policy = r#"{"Statement":[{"Effect":"Allow","Principal":"*","Action":"sqs:SendMessage","Resource":"*"}]}"#;
    queues.set_queue_attributes(&jobs, &[Attribute::Policy(Some(policy.to_owned()))]).unwrap();
    let buckets = Buckets::new(&queues);
    buckets.create_bucket("photos").unwrap();
    let (events, rules) = (vec!["s3:ObjectCreated:*".to_owned()], Vec::new());
    let notification = Notification { id: None, destination: Destination::Queue(jobs.clone()), events, rules };
    buckets.notify("photos", vec![notification]).unwrap();
    let put = Request::put("http://localhost/photos/cat.jpg").body("meow".into()).unwrap();
    buckets.respond(put).await;
    let shown = String::from_utf8(ask_with(&queues, &buckets, "/_local-queue/").into_body().to_vec()).unwrap();
    for text in [
        "1 bucket, 1 queue, 1 dead-letter queue, and 2 arrows between them",
        "photos (bucket) announces objects to <a",
        ">jobs</a> (queue): 1 event.",
        ">jobs-dead</a> (dead letters): 0 messages.",
        // With the test event.
        "2 ready",
        "1 object",
    ] {
        assert!(shown.contains(text), "{text}: {shown}");
    }
    for number in 0..30 {
        queues.create_queue(&format!("more-{number}"), &[]).unwrap();
    }
    let shown = String::from_utf8(ask_with(&queues, &buckets, "/_local-queue/").into_body().to_vec()).unwrap();
    assert!(shown.contains("More than 30 parts run") && !shown.contains("svg class=\"stack\""), "{shown}");
}
