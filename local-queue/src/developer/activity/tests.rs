use super::*;

const TARGET: &str = "AmazonSQS.SendMessage";

fn request(headers: &[(&str, &str)], target: &str, body: &str) -> Request<Bytes> {
    let mut request = Request::post(target);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Bytes::copy_from_slice(body.as_bytes())).unwrap()
}

/// Asks for an action as a server does.
async fn ask(activity: &Activity, queues: &LocalQueue, request: Request<Bytes>) {
    let noted = activity.begin(queues, &request);
    let response = protocol::respond(queues, request).await;
    if let Some(noted) = noted {
        noted.end(&response);
    }
}

async fn send(activity: &Activity, queues: &LocalQueue, body: &str) {
    ask(activity, queues, request(&[("x-amz-target", TARGET)], "/", body)).await;
}

fn all(activity: &Activity) -> Vec<Arc<PastRequest>> {
    activity.look(&Filter::default(), 0, REQUESTS_MAX).0
}

fn queues() -> LocalQueue {
    let queues = LocalQueue::virtual_time();
    queues.create_queue("jobs", &[]).unwrap();
    queues
}

const HELLO: &str = r#"{"QueueUrl":"jobs","MessageBody":"hello"}"#;

#[tokio::test(start_paused = true)]
async fn requests_are_recorded_while_somebody_looks_and_no_longer() {
    let (queues, activity) = (queues(), Activity::default());
    send(&activity, &queues, HELLO).await;
    assert!(all(&activity).is_empty(), "nobody had looked");
    send(&activity, &queues, HELLO).await;
    tokio::time::sleep(WATCH * 9 / 10).await;
    // A page is open.
    activity.keep_watched();
    tokio::time::sleep(WATCH * 9 / 10).await;
    send(&activity, &queues, HELLO).await;
    tokio::time::sleep(WATCH).await;
    send(&activity, &queues, HELLO).await;
    activity.keep_watched();
    send(&activity, &queues, HELLO).await;
    let requests = all(&activity);
    assert_eq!(
        requests.iter().map(|request| request.number).collect::<Vec<_>>(),
        [2, 1],
        "an open page begins nothing"
    );
    send(&activity, &queues, HELLO).await;
    assert_eq!(all(&activity).len(), 3);
}

#[tokio::test(start_paused = true)]
async fn an_outcome_is_a_status_with_its_code_or_why_there_is_none() {
    let (queues, activity) = (queues(), Activity::default());
    all(&activity);
    send(&activity, &queues, HELLO).await;
    send(&activity, &queues, r#"{"QueueUrl":"none","MessageBody":"hello"}"#).await;
    let form = [("content-type", "application/x-www-form-urlencoded")];
    ask(&activity, &queues, request(&form, "/", "Action=PurgeQueue&QueueUrl=none")).await;
    let json = [form[0], ("accept", "application/json")];
    ask(&activity, &queues, request(&json, "/", "Action=PurgeQueue&QueueUrl=none")).await;
    queues.faults().inject(crate::Fault::lost_response().times(1)).unwrap();
    send(&activity, &queues, HELLO).await;
    // A long poll whose client goes.
    let poll = request(&[("x-amz-target", "AmazonSQS.ReceiveMessage")], "/", r#"{"QueueUrl":"jobs"}"#);
    drop(activity.begin(&queues, &poll));
    let words = all(&activity).iter().rev().map(|it| (it.action.clone(), it.outcome.words())).collect::<Vec<_>>();
    let expected = [
        ("SendMessage", "200"),
        ("SendMessage", "400 AWS.SimpleQueueService.NonExistentQueue"),
        ("PurgeQueue", "400 AWS.SimpleQueueService.NonExistentQueue"),
        ("PurgeQueue", "400 AWS.SimpleQueueService.NonExistentQueue"),
        ("SendMessage", "answer lost"),
        ("ReceiveMessage", "client left"),
    ];
    assert_eq!(words, expected.map(|(action, words)| (action.to_owned(), words.to_owned())));
    let count = |action: &str, queue: &str, outcome: &str| {
        let filter = Filter { action: action.to_owned(), queue: queue.to_owned(), outcome: Wanted::parse(outcome) };
        activity.look(&filter, 0, REQUESTS_MAX).0.len()
    };
    assert_eq!((count("PurgeQueue", "", ""), count("", "ob", ""), count("", "", "failed")), (2, 3, 5));
    assert_eq!((count("", "", "200"), count("", "", "AWS.SimpleQueueService.NonExistentQueue")), (1, 3));
}

#[tokio::test(start_paused = true)]
async fn a_request_can_be_asked_again_without_its_signature() {
    let (queues, activity) = (queues(), Activity::default());
    all(&activity);
    let scope = "AWS4-HMAC-SHA256 Credential=123456789012/20260101/eu-west-1/sqs/aws4_request, Signature=abc";
    let signed = [("x-amz-target", TARGET), ("authorization", scope), ("x-amz-security-token", "secret")];
    ask(&activity, &queues, request(&signed, "/", r#"{"QueueUrl":"it's","MessageBody":"$(x)\n"}"#)).await;
    let here = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260101/us-east-1/sqs/aws4_request, Signature=abc";
    let signed = [("x-amz-target", "AmazonSQS.ListQueues"), ("authorization", here)];
    ask(&activity, &queues, request(&signed, "/", "{}")).await;
    let form = "Action=PurgeQueue&AWSAccessKeyId=secret&Signature=abc&Timestamp=now";
    ask(&activity, &queues, request(&[], "/000000000000/jobs", form)).await;
    let presigned = Request::get("/?Action=ListQueues&X-Amz-Signature=abc&X-Amz-Security-Token=secret");
    ask(&activity, &queues, presigned.body(Bytes::new()).unwrap()).await;
    send(&activity, &queues, &format!(r#"{{"QueueUrl":"jobs","MessageBody":"{}"}}"#, "x".repeat(5_000))).await;
    let commands = all(&activity).iter().rev().map(|it| curl::command(&it.asked, "localhost:1")).collect::<Vec<_>>();
    let json = "-H 'content-type: application/x-amz-json-1.0'";
    let other = "-H 'authorization: AWS4-HMAC-SHA256 Credential=123456789012/-/eu-west-1/sqs/aws4_request'";
    let expected = [
        Some(format!(
            r#"curl -sg 'http://localhost:1/' -H 'x-amz-target: {TARGET}' {json} {other} --data-raw '{{"QueueUrl":"it'\''s","MessageBody":"$(x)\n"}}'"#
        )),
        Some(format!(
            "curl -sg 'http://localhost:1/' -H 'x-amz-target: AmazonSQS.ListQueues' {json} --data-raw '{{}}'"
        )),
        Some("curl -sg 'http://localhost:1/000000000000/jobs' --data-raw 'Action=PurgeQueue'".to_owned()),
        Some("curl -sg 'http://localhost:1/?Action=ListQueues'".to_owned()),
        None,
    ];
    assert_eq!(commands, expected);
}

#[tokio::test(start_paused = true)]
async fn what_is_kept_has_bounds() {
    let (queues, activity) = (queues(), Activity::default());
    all(&activity);
    for _ in 0..REQUESTS_MAX + 3 {
        send(&activity, &queues, HELLO).await;
    }
    let long = "x".repeat(10_000);
    ask(&activity, &queues, request(&[("x-amz-target", &*long)], &format!("/{long}"), "{}")).await;
    let requests = all(&activity);
    assert_eq!((requests.len(), requests[0].number), (REQUESTS_MAX, REQUESTS_MAX as u64 + 4));
    let PastRequest { action, queue, asked, .. } = &*requests[0];
    for text in [action, queue, &asked.path, asked.target.as_ref().unwrap()] {
        assert!(text.len() <= 1_024, "{} bytes", text.len());
    }
}

#[tokio::test(start_paused = true)]
async fn the_api_tells_of_requests_in_json() {
    let (queues, activity) = (queues(), Activity::default());
    let list = |query: &str| {
        let request = Request::get(format!("/_local-queue/activity{query}")).header("host", "localhost:1");
        let response = respond(&activity, &request.body(Bytes::new()).unwrap()).unwrap();
        (response.status().as_u16(), serde_json::from_slice::<Value>(response.body()).unwrap())
    };
    assert_eq!(list("").1["requests"], json!([]));
    send(&activity, &queues, HELLO).await;
    send(&activity, &queues, r#"{"QueueUrl":"none"}"#).await;
    let (status, told) = list("?queue=jobs&outcome=200&max=3");
    let told = &told["requests"][0];
    assert_eq!((status, &told["action"], &told["queue"]), (200, &json!("SendMessage"), &json!("jobs")));
    assert_eq!((&told["status"], &told["code"], &told["body_bytes"]), (&json!(200), &Value::Null, &json!(HELLO.len())));
    assert!(told["curl"].as_str().unwrap().starts_with("curl -sg 'http://localhost:1/'"), "{told}");
    for wrong in ["?max=0", "?max=1001", "?from=3"] {
        assert_eq!(list(wrong).0, 400, "{wrong}");
    }
    let post = Request::post("/_local-queue/activity").body(Bytes::new()).unwrap();
    assert_eq!(respond(&activity, &post).unwrap().status(), 405);
    let other = Request::get("/_local-queue/queues").body(Bytes::new()).unwrap();
    assert!(respond(&activity, &other).is_none());
}
