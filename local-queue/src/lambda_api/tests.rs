//! The API against functions that are closures, in virtual time.

use std::{
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{Request, Response};
use serde_json::{Value, json};

use super::*;
use crate::{
    LocalQueue,
    engine::{MessageBody, QueueArn, SendMessage},
    event_source_mapping::{FunctionError, InProcess, Invocation},
};

const FUNCTIONS: &str = "/2015-03-31/functions";
const MAPPINGS: &str = "/2015-03-31/event-source-mappings";

/// The events that a function has been given, and how long it takes for each.
#[derive(Clone, Debug, Default)]
struct Seen(Arc<Mutex<Vec<(u64, Value)>>>);

struct Fixture {
    queues: LocalQueue,
    jobs: QueueArn,
    lambda: LambdaApi,
    seen: Seen,
}

impl Fixture {
    /// A queue `jobs`, and a function `resize` that does what the event asks for.
    fn new() -> Self {
        let queues = LocalQueue::virtual_time();
        let jobs = queues.create_queue("jobs", &[]).unwrap();
        let lambda = LambdaApi::builder(queues.clone()).build();
        let seen = Seen::default();
        let (told, clock) = (seen.clone(), queues.clock().clone());
        let function = InProcess::new(move |invocation: Invocation| {
            let (told, clock) = (told.clone(), clock.clone());
            async move {
                let event: Value = serde_json::from_slice(&invocation.event).unwrap();
                told.0.lock().unwrap().push((clock.now().as_millis(), event.clone()));
                let order = match event["Records"][0]["body"].as_str() {
                    Some(body) => serde_json::from_str(body).unwrap_or(Value::Null),
                    None => event,
                };
                if let Some(seconds) = order["seconds"].as_u64() {
                    tokio::time::sleep(Duration::from_secs(seconds)).await;
                }
                match order["fail"].as_str() {
                    None => Ok(Bytes::from(json!({ "done": order }).to_string())),
                    Some("throttle") => Err(FunctionError::Throttled { reason: "Full".to_owned() }),
                    Some(message) => {
                        Err(FunctionError::Failed { error_type: "Bad".to_owned(), message: message.to_owned() })
                    }
                }
            }
        });
        let mut configuration = FunctionConfiguration::new("resize");
        configuration.logical_id = Some("Resize".to_owned());
        configuration.aliases = vec!["live".to_owned()];
        configuration.timeout = Duration::from_secs(20);
        configuration.runtime = Some("python3.12".to_owned());
        configuration.environment.insert("A".to_owned(), "1".to_owned());
        lambda.add_function(configuration, function);
        Self { queues, jobs, lambda, seen }
    }

    async fn send(&self, method: &str, uri: &str, headers: &[(&str, &str)], body: &str) -> Response<Bytes> {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Bytes::copy_from_slice(body.as_bytes())).unwrap();
        self.lambda.respond(request, Access::Write).await
    }

    /// The status, the error's type and the document of an answer.
    async fn ask(&self, method: &str, uri: &str, body: &Value) -> (u16, String, Value) {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let response = self.send(method, uri, &[], &body).await;
        let code = response.headers().get("x-amzn-errortype").map(|code| code.to_str().unwrap().to_owned());
        let document = serde_json::from_slice(response.body()).unwrap_or(Value::Null);
        (response.status().as_u16(), code.unwrap_or_default(), document)
    }

    async fn create(&self, settings: Value) -> (u16, String, Value) {
        let mut asked = json!({ "EventSourceArn": self.jobs.as_str(), "FunctionName": "resize" });
        asked.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
        self.ask("POST", MAPPINGS, &asked).await
    }

    async fn state(&self, uuid: &str) -> String {
        let (status, _, document) = self.ask("GET", &format!("{MAPPINGS}/{uuid}"), &Value::Null).await;
        if status == 404 { "gone".to_owned() } else { document["State"].as_str().unwrap().to_owned() }
    }

    fn send_message(&self, body: &str) {
        self.queues.send(&self.jobs, SendMessage::new(MessageBody::parse(body).unwrap())).unwrap();
    }

    /// How many records each invocation has had so far.
    fn batches(&self) -> Vec<usize> {
        let seen = self.seen.0.lock().unwrap();
        seen.iter().map(|(_, event)| event["Records"].as_array().map_or(0, Vec::len)).collect()
    }

    fn left(&self) -> usize {
        let attributes = self.queues.queue_attributes(&self.jobs).unwrap();
        attributes.messages + attributes.messages_not_visible
    }

    async fn seconds(&self, seconds: u64) {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
    }
}

fn uuid(document: &Value) -> String {
    document["UUID"].as_str().unwrap().to_owned()
}

#[tokio::test(start_paused = true)]
async fn a_function_is_invoked_and_its_reply_comes_back() {
    let fixture = Fixture::new();
    for name in ["resize", "Resize", "resize:live", "arn:aws:lambda:us-east-1:000000000000:function:resize:$LATEST"] {
        let uri = format!("{FUNCTIONS}/{name}/invocations");
        let response = fixture.send("POST", &uri, &[], r#"{"a": 1}"#).await;
        assert_eq!(response.status(), 200, "{name}");
        assert_eq!(response.body(), r#"{"done":{"a":1}}"#);
        assert_eq!(response.headers()["x-amz-executed-version"], "$LATEST");
        assert_eq!(response.headers()["x-amzn-requestid"].len(), 36);
        assert!(!response.headers().contains_key("x-amz-function-error"));
    }
    let uri = format!("{FUNCTIONS}/resize/invocations");
    let failed = fixture.send("POST", &uri, &[], r#"{"fail": "no"}"#).await;
    assert_eq!(
        (failed.status().as_u16(), &failed.headers()["x-amz-function-error"]),
        (200, &"Unhandled".parse().unwrap())
    );
    assert_eq!(failed.body(), r#"{"errorMessage":"no","errorType":"Bad"}"#);
    let late = fixture.send("POST", &uri, &[], r#"{"seconds": 21}"#).await;
    assert!(late.body().ends_with(br#"Task timed out after 20.00 seconds","errorType":"Sandbox.Timedout"}"#));
    let empty = fixture.send("POST", &uri, &[("x-amz-invocation-type", "RequestResponse")], "").await;
    assert_eq!(empty.body(), r#"{"done":{}}"#);
    let before = fixture.batches().len();
    let dry = fixture.send("POST", &uri, &[("x-amz-invocation-type", "DryRun")], "{}").await;
    assert_eq!((dry.status().as_u16(), dry.body().len(), fixture.batches().len()), (204, 0, before));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_invoked_is_refused_as_lambda_does() {
    let fixture = Fixture::new();
    let large = format!("\"{}\"", "x".repeat(6 * 1024 * 1024 - 1));
    let large_event = format!("\"{}\"", "x".repeat(1024 * 1024 - 1));
    let arn = "Function not found: arn:aws:lambda:us-east-1:000000000000:function:";
    let [nobody, dead] = ["nobody:$LATEST", "resize:dead"].map(|name| format!("{arn}{name}"));
    let sync = "RequestResponse";
    let [too_large, not_there] = ["RequestTooLargeException", "ResourceNotFoundException"];
    for (name, kind, body, status, code, text) in [
        ("nobody", sync, "{}", 404, not_there, nobody.as_str()),
        ("resize:dead", "DryRun", "{}", 404, not_there, dead.as_str()),
        (
            "resize",
            sync,
            "{",
            400,
            "InvalidRequestContentException",
            "Could not parse request body into json: EOF while parsing an object",
        ),
        (
            "resize",
            sync,
            large.as_str(),
            413,
            too_large,
            "6291457 byte payload is too large for the RequestResponse invocation type (limit 6291456 bytes)",
        ),
        (
            "resize",
            "Event",
            large_event.as_str(),
            413,
            too_large,
            "1048577 byte payload is too large for the Event invocation type (limit 1048576 bytes)",
        ),
        (
            "resize",
            "Later",
            "{}",
            400,
            "ValidationException",
            "Member must satisfy enum value set: [Event, RequestResponse, DryRun]",
        ),
        ("resize", sync, r#"{"fail": "throttle"}"#, 429, "TooManyRequestsException", "Rate Exceeded."),
    ] {
        let uri = format!("{FUNCTIONS}/{name}/invocations");
        let response = fixture.send("POST", &uri, &[("x-amz-invocation-type", kind)], body).await;
        let document: Value = serde_json::from_slice(response.body()).unwrap();
        let found = (response.status().as_u16(), response.headers()["x-amzn-errortype"].to_str().unwrap());
        assert_eq!(found, (status, code), "{name} {kind}: {document}");
        assert!(document["Message"].as_str().unwrap().contains(text), "{document}");
        assert_eq!(document["Type"], "User");
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_is_tried_again_after_one_minute_and_after_two() {
    let fixture = Fixture::new();
    let uri = format!("{FUNCTIONS}/resize/invocations");
    let event = [("x-amz-invocation-type", "Event")];
    let accepted = fixture.send("POST", &uri, &event, r#"{"fail": "no"}"#).await;
    assert_eq!((accepted.status().as_u16(), accepted.body().len()), (202, 0));
    fixture.seconds(3_600).await;
    let times = |seen: &Seen| {
        let seen = seen.0.lock().unwrap();
        seen.iter().map(|(at, _)| (at - seen[0].0 + 500) / 1_000).collect::<Vec<_>>()
    };
    assert_eq!(times(&fixture.seen), [0, 60, 180]);
    // A throttled one comes back for six hours.
    fixture.seen.0.lock().unwrap().clear();
    fixture.send("POST", &uri, &event, r#"{"fail": "throttle"}"#).await;
    fixture.seconds(12 * 3_600).await;
    let times = times(&fixture.seen);
    assert_eq!(times[..6], [0, 1, 3, 7, 15, 31]);
    assert!((21_000..=21_600).contains(times.last().unwrap()), "{times:?}");
}

#[tokio::test(start_paused = true)]
async fn a_mapping_pauses_changes_and_goes_on_while_its_messages_are_safe() {
    let fixture = Fixture::new();
    let (status, _, document) = fixture.create(json!({ "BatchSize": 2 })).await;
    assert_eq!((status, &document["State"]), (202, &json!("Creating")));
    let uuid = uuid(&document);
    let uri = format!("{MAPPINGS}/{uuid}");
    assert_eq!(fixture.state(&uuid).await, "Enabled");
    fixture.send_message(r#"{"seconds": 10}"#);
    fixture.seconds(1).await;
    assert_eq!(fixture.batches(), [1]);

    // It pauses when the running invocation has ended; its message is deleted.
    let (status, _, document) = fixture.ask("PUT", &uri, &json!({ "Enabled": false })).await;
    assert_eq!((status, &document["State"]), (202, &json!("Disabling")));
    let (status, code, document) = fixture.ask("PUT", &uri, &json!({ "Enabled": true })).await;
    assert_eq!((status, code.as_str()), (400, "ResourceInUseException"), "{document}");
    (0..7).for_each(|_| fixture.send_message("{}"));
    fixture.seconds(5).await;
    assert_eq!(fixture.state(&uuid).await, "Disabling");
    fixture.seconds(10).await;
    assert_eq!((fixture.state(&uuid).await.as_str(), fixture.batches(), fixture.left()), ("Disabled", vec![1], 7));
    fixture.seconds(3_600).await;
    assert_eq!(fixture.batches(), [1], "nobody takes messages meanwhile");

    // Other settings, still paused.
    let (_, _, document) = fixture.ask("PUT", &uri, &json!({ "BatchSize": 5 })).await;
    assert_eq!((&document["State"], &document["BatchSize"]), (&json!("Updating"), &json!(5)));
    assert_eq!(fixture.state(&uuid).await, "Disabled");
    let (_, _, document) = fixture.ask("PUT", &uri, &json!({ "Enabled": true })).await;
    assert_eq!(document["State"], "Enabling");
    fixture.seconds(30).await;
    assert_eq!((fixture.state(&uuid).await.as_str(), fixture.left()), ("Enabled", 0));
    let mut batches = fixture.batches();
    batches.sort_unstable();
    assert_eq!(batches, [1, 2, 5]);

    // While it runs.
    let window = json!({ "BatchSize": 100, "MaximumBatchingWindowInSeconds": 5 });
    let (_, _, document) = fixture.ask("PUT", &uri, &window).await;
    assert_eq!(document["State"], "Updating");
    fixture.seconds(1).await;
    (0..30).for_each(|_| fixture.send_message("{}"));
    fixture.seconds(30).await;
    assert_eq!((fixture.batches().last(), fixture.left()), (Some(&30), 0));
    let metrics = fixture.lambda.mapping_metrics();
    assert_eq!((metrics[0].queue.as_str(), metrics[0].function.as_str()), ("jobs", "resize"));
    assert_eq!((metrics[0].metrics.deleted, metrics[0].metrics.failed_invoke), (38, 0), "of all its settings");

    let (status, _, document) = fixture.ask("DELETE", &uri, &Value::Null).await;
    assert_eq!((status, &document["State"]), (202, &json!("Deleting")));
    fixture.seconds(30).await;
    assert_eq!(fixture.state(&uuid).await, "gone");
    fixture.send_message("{}");
    fixture.seconds(60).await;
    assert_eq!(fixture.left(), 1);
    let (status, code, document) = fixture.ask("DELETE", &uri, &Value::Null).await;
    assert_eq!((status, code.as_str()), (404, "ResourceNotFoundException"));
    assert_eq!(document["Message"], "The resource you requested does not exist.");
}

#[tokio::test(start_paused = true)]
async fn a_mapping_is_described_as_lambda_does_and_made_with_all_it_is_told() {
    let fixture = Fixture::new();
    let (_, _, document) = fixture
        .create(json!({
            "Enabled": false,
            "ScalingConfig": { "MaximumConcurrency": 3 },
            "FunctionResponseTypes": ["ReportBatchItemFailures"],
            "FilterCriteria": { "Filters": [{ "Pattern": "{\"body\": {\"kind\": [\"photo\"]}}" }] },
        }))
        .await;
    let uuid = uuid(&document);
    assert_eq!(fixture.state(&uuid).await, "Disabled");
    let (_, _, mut document) = fixture.ask("GET", &format!("{MAPPINGS}/{uuid}"), &Value::Null).await;
    let modified = document.as_object_mut().unwrap().remove("LastModified").unwrap();
    assert!(modified.as_f64().unwrap() > 0.0);
    let expected = json!({
        "UUID": uuid,
        "EventSourceMappingArn": format!("arn:aws:lambda:us-east-1:000000000000:event-source-mapping:{uuid}"),
        "EventSourceArn": "arn:aws:sqs:us-east-1:000000000000:jobs",
        "FunctionArn": "arn:aws:lambda:us-east-1:000000000000:function:resize",
        "BatchSize": 10,
        "MaximumBatchingWindowInSeconds": 0,
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "ScalingConfig": { "MaximumConcurrency": 3 },
        "FilterCriteria": { "Filters": [{ "Pattern": "{\"body\": {\"kind\": [\"photo\"]}}" }] },
        "State": "Disabled",
        "StateTransitionReason": "USER_INITIATED",
    });
    assert_eq!(document, expected);
    // What is not named stays; an empty one is taken away.
    let change = json!({ "ScalingConfig": {}, "FilterCriteria": {}, "FunctionResponseTypes": [] });
    let (_, _, document) = fixture.ask("PUT", &format!("{MAPPINGS}/{uuid}"), &change).await;
    assert_eq!((&document["ScalingConfig"], &document["FilterCriteria"]), (&Value::Null, &Value::Null));
    assert_eq!((&document["FunctionResponseTypes"], &document["BatchSize"]), (&json!([]), &json!(10)));
}

#[tokio::test(start_paused = true)]
async fn a_mapping_that_lambda_refuses_is_refused_in_its_words() {
    let fixture = Fixture::new();
    let (_, _, document) = fixture.create(json!({})).await;
    let uuid = uuid(&document);
    let arn = "arn:aws:sqs:us-east-1:000000000000";
    fixture.queues.create_queue("other", &[]).unwrap();
    let other = format!("{arn}:other");
    let exists = format!(
        "An event source mapping with SQS arn (\" {arn}:jobs \") and function (\" resize \") already exists. Please \
         update or delete the existing mapping with UUID {uuid}"
    );
    let gone = "Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. SQS Error \
                Message: The specified queue does not exist.";
    let window = "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10";
    let nobody = "Function not found: arn:aws:lambda:us-east-1:000000000000:function:nobody";
    let filters = json!({ "Filters": [{ "Pattern": "[]" }] });
    let kinesis = "arn:aws:kinesis:us-east-1:000000000000:stream/a";
    let [invalid, not_in] = ["InvalidParameterValueException", "ValidationException"];
    let of_other = |name: &str, value: Value| json!({ "EventSourceArn": other, name: value });
    for (settings, status, code, text) in [
        (json!({}), 409, "ResourceConflictException", exists.as_str()),
        (json!({ "FunctionName": "nobody" }), 404, "ResourceNotFoundException", nobody),
        (json!({ "EventSourceArn": format!("{arn}:gone") }), 400, invalid, gone),
        (json!({ "EventSourceArn": kinesis }), 400, invalid, "EventSourceArn takes the ARN of a queue"),
        (of_other("BatchSize", json!(11)), 400, invalid, window),
        (of_other("BatchSize", json!("ten")), 400, invalid, "BatchSize takes a whole number"),
        (of_other("FilterCriteria", filters), 400, invalid, "Invalid filter pattern definition."),
        (of_other("FunctionResponseTypes", json!(["Report"])), 400, not_in, "set: [ReportBatchItemFailures]"),
        (
            of_other("ScalingConfig", json!({ "MaximumConcurrency": 1 })),
            400,
            invalid,
            "MaximumConcurrency 1 is not between 2 and 1000",
        ),
    ] {
        let (found, kind, document) = fixture.create(settings).await;
        assert_eq!((found, kind.as_str()), (status, code), "{document}");
        assert!(document["Message"].as_str().unwrap().contains(text), "{document} lacks {text}");
    }
    let short = [crate::engine::Attribute::VisibilityTimeout(Duration::from_secs(19))];
    fixture.queues.create_queue("short", &short).unwrap();
    let (_, _, document) = fixture.create(json!({ "EventSourceArn": format!("{arn}:short") })).await;
    let text = "Queue visibility timeout: 19 seconds is less than Function timeout: 20 seconds";
    assert_eq!(document["Message"], text);
    // What was refused is not there, and what was refused of a change has changed nothing.
    let uri = format!("{MAPPINGS}/{uuid}");
    let (status, ..) = fixture.ask("PUT", &uri, &json!({ "BatchSize": 0 })).await;
    assert_eq!((status, fixture.state(&uuid).await.as_str()), (400, "Enabled"));
    let (_, _, document) = fixture.ask("GET", MAPPINGS, &Value::Null).await;
    assert_eq!((document["EventSourceMappings"].as_array().unwrap().len(), &document["NextMarker"]), (1, &Value::Null));
    fixture.send_message("{}");
    fixture.seconds(5).await;
    assert_eq!(fixture.left(), 0);
}

#[tokio::test(start_paused = true)]
async fn lists_are_filtered_and_come_page_by_page() {
    let fixture = Fixture::new();
    for index in 0..5 {
        let name = format!("other-{index}");
        let function = InProcess::new(|_| async { Ok(Bytes::from_static(b"null")) });
        fixture.lambda.add_function(FunctionConfiguration::new(&name), function);
        let queue = fixture.queues.create_queue(&name, &[]).unwrap();
        let (status, ..) = fixture.create(json!({ "EventSourceArn": queue.as_str(), "FunctionName": name })).await;
        assert_eq!(status, 202);
    }
    fixture.create(json!({ "FunctionName": "other-0" })).await;
    for (uri, list, name, total) in
        [(FUNCTIONS, "Functions", "FunctionName", 6), (MAPPINGS, "EventSourceMappings", "UUID", 6)]
    {
        let (mut found, mut marker) = (Vec::new(), String::new());
        loop {
            let (_, _, document) = fixture.ask("GET", &format!("{uri}?MaxItems=4&Marker={marker}"), &Value::Null).await;
            let page = document[list].as_array().unwrap();
            assert!(page.len() <= 4);
            found.extend(page.iter().map(|it| it[name].as_str().unwrap().to_owned()));
            match document["NextMarker"].as_str() {
                Some(next) => next.clone_into(&mut marker),
                None => break,
            }
        }
        found.sort();
        found.dedup();
        assert_eq!(found.len(), total, "{found:?}");
    }
    for (filter, count) in [
        ("FunctionName=other-0", 2),
        ("FunctionName=arn:aws:lambda:us-east-1:000000000000:function:other-1", 1),
        ("FunctionName=nobody", 0),
        ("EventSourceArn=arn:aws:sqs:us-east-1:000000000000:jobs", 1),
        ("EventSourceArn=arn:aws:sqs:us-east-1:000000000000:other-0&FunctionName=other-0", 1),
        ("EventSourceArn=arn:aws:sqs:us-east-1:000000000000:jobs&FunctionName=other-1", 0),
    ] {
        let (_, _, document) = fixture.ask("GET", &format!("{MAPPINGS}/?{filter}"), &Value::Null).await;
        assert_eq!(document["EventSourceMappings"].as_array().unwrap().len(), count, "{filter}");
    }
    let (status, code, _) = fixture.ask("GET", &format!("{FUNCTIONS}?MaxItems=0"), &Value::Null).await;
    assert_eq!((status, code.as_str()), (400, "InvalidParameterValueException"));
}

/// Makes functions that answer with their package, unless that is `broken`.
struct Echoes;

impl fmt::Debug for Echoes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Echoes")
    }
}

impl Workshop for Echoes {
    fn make(&self, configuration: &FunctionConfiguration, package: &[u8]) -> Result<Arc<dyn Runner>, String> {
        if package == b"broken" {
            return Err("the package cannot be unpacked".to_owned());
        }
        let reply = json!([String::from_utf8_lossy(package), configuration.handler]).to_string();
        Ok(Arc::new(InProcess::new(move |_| {
            let reply = Bytes::from(reply.clone());
            async move { Ok(reply) }
        })))
    }
}

#[tokio::test(start_paused = true)]
async fn a_function_is_made_changed_and_deleted() {
    let fixture = Fixture::new();
    let lambda = LambdaApi::builder(fixture.queues.clone()).workshop(Echoes).build();
    let fixture = Fixture { lambda, ..fixture };
    let zip = |text: &str| STANDARD.encode(text);
    let asked = json!({ "FunctionName": "made", "Runtime": "python3.12", "Role": "arn:aws:iam::000000000000:role/r",
        "Handler": "app.handler", "Timeout": 5, "MemorySize": 256, "Environment": { "Variables": { "A": "1" } },
        "Code": { "ZipFile": zip("one") } });
    let changed = |changes: Value| {
        let mut asked = asked.clone();
        asked.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        asked
    };
    for (asked, text) in [
        (changed(json!({ "Code": { "S3Bucket": "b" } })), "Packages must be uploaded as ZipFile"),
        (changed(json!({ "Code": { "ZipFile": "*" } })), "ZipFile is not in base64"),
        (changed(json!({ "Code": { "ZipFile": zip("broken") } })), "the package cannot be unpacked"),
        (changed(json!({ "FunctionName": "a b" })), "is not a function"),
        (changed(json!({ "FunctionName": "x".repeat(65) })), "FunctionName takes 1 to 64"),
        (changed(json!({ "Timeout": 901 })), "Timeout takes 1 to 900"),
        (changed(json!({ "Handler": null })), "Runtime and Handler are mandatory"),
    ] {
        let (status, code, document) = fixture.ask("POST", FUNCTIONS, &asked).await;
        assert_eq!((status, code.as_str()), (400, "InvalidParameterValueException"), "{document}");
        assert!(document["Message"].as_str().unwrap().contains(text), "{document}");
    }
    let (status, _, document) = fixture.ask("POST", FUNCTIONS, &asked).await;
    assert_eq!(status, 201, "{document}");
    for (name, value) in [
        ("FunctionArn", json!("arn:aws:lambda:us-east-1:000000000000:function:made")),
        ("CodeSize", json!(3)),
        ("State", json!("Active")),
        ("Timeout", json!(5)),
        ("MemorySize", json!(256)),
        ("Environment", json!({ "Variables": { "A": "1" } })),
        ("Version", json!("$LATEST")),
        ("PackageType", json!("Zip")),
    ] {
        assert_eq!(document[name], value, "{name}");
    }
    let (status, code, document) = fixture.ask("POST", FUNCTIONS, &asked).await;
    assert_eq!((status, code.as_str()), (409, "ResourceConflictException"));
    assert_eq!(document["Message"], "Function already exist: made");

    let uri = format!("{FUNCTIONS}/made");
    let reply = async || fixture.send("POST", &format!("{uri}/invocations"), &[], "{}").await;
    assert_eq!(reply().await.body(), r#"["one","app.handler"]"#);
    fixture.ask("PUT", &format!("{uri}/code"), &json!({ "ZipFile": zip("two") })).await;
    let (_, _, document) = fixture.ask("PUT", &format!("{uri}/configuration"), &json!({ "Handler": "b.c" })).await;
    assert_eq!((&document["Handler"], &document["Timeout"]), (&json!("b.c"), &json!(5)));
    assert_eq!(reply().await.body(), r#"["two","b.c"]"#);
    let (_, _, document) = fixture.ask("GET", &uri, &Value::Null).await;
    assert_eq!(document["Configuration"]["Handler"], "b.c");
    let (status, _, document) = fixture.ask("DELETE", &uri, &Value::Null).await;
    assert_eq!((status, document), (204, Value::Null));
    let (status, _, document) = fixture.ask("GET", &format!("{uri}/configuration"), &Value::Null).await;
    let text = "Function not found: arn:aws:lambda:us-east-1:000000000000:function:made";
    assert_eq!((status, &document["Message"]), (404, &json!(text)));
}

#[tokio::test(start_paused = true)]
async fn the_mappings_of_a_deleted_function_stay_and_take_no_messages() {
    let fixture = Fixture::new();
    let lambda = LambdaApi::builder(fixture.queues.clone()).workshop(Echoes).build();
    let fixture = Fixture { lambda, ..fixture };
    let made = json!({ "FunctionName": "resize", "Runtime": "python3.12", "Role": "arn:aws:iam::000000000000:role/r",
        "Handler": "app.handler", "Code": { "ZipFile": STANDARD.encode("one") } });
    assert_eq!(fixture.ask("POST", FUNCTIONS, &made).await.0, 201);
    let (_, _, document) = fixture.create(json!({})).await;
    let uuid = uuid(&document);
    let uri = format!("{MAPPINGS}/{uuid}");
    assert_eq!(fixture.ask("DELETE", &format!("{FUNCTIONS}/resize"), &Value::Null).await.0, 204);
    fixture.seconds(30).await;
    let (status, _, document) = fixture.ask("GET", &uri, &Value::Null).await;
    assert_eq!((status, &document["State"]), (200, &json!("Disabled")), "{document}");
    assert_eq!(document["LastProcessingResult"], "PROBLEM: Function not found");

    fixture.send_message("{}");
    fixture.seconds(600).await;
    let looked_at = fixture.queues.peek(&fixture.jobs, 0, 10).unwrap();
    assert_eq!(looked_at.iter().map(|message| message.receive_count).collect::<Vec<_>>(), [0], "nobody received it");
    let (status, code, document) = fixture.ask("PUT", &uri, &json!({ "Enabled": true })).await;
    assert_eq!((status, code.as_str()), (404, "ResourceNotFoundException"), "{document}");
    assert_eq!(fixture.ask("PUT", &uri, &json!({ "BatchSize": 3 })).await.0, 202, "its settings are still its own");

    // One of the same name is its function again, when somebody enables it.
    assert_eq!(fixture.ask("POST", FUNCTIONS, &made).await.0, 201);
    fixture.seconds(600).await;
    assert_eq!((fixture.state(&uuid).await.as_str(), fixture.left()), ("Disabled", 1));
    assert_eq!(fixture.create(json!({})).await.1, "ResourceConflictException");
    assert_eq!(fixture.ask("PUT", &uri, &json!({ "Enabled": true })).await.0, 202);
    fixture.seconds(30).await;
    assert_eq!((fixture.state(&uuid).await.as_str(), fixture.left()), ("Enabled", 0));
    let (_, _, document) = fixture.ask("GET", &uri, &Value::Null).await;
    assert_eq!(document["LastProcessingResult"], Value::Null);
}

#[tokio::test(start_paused = true)]
async fn what_changes_something_needs_the_permission_to() {
    let fixture = Fixture::new();
    let ask = async |method: &str, uri: &str, access| {
        let request = Request::builder().method(method).uri(uri).body(Bytes::from_static(b"{}")).unwrap();
        let response = fixture.lambda.respond(request, access).await;
        (response.status().as_u16(), String::from_utf8_lossy(response.body()).into_owned())
    };
    for (method, uri) in [
        ("POST", FUNCTIONS.to_owned()),
        ("DELETE", format!("{FUNCTIONS}/resize")),
        ("PUT", format!("{FUNCTIONS}/resize/code")),
        ("PUT", format!("{FUNCTIONS}/resize/configuration")),
        ("POST", MAPPINGS.to_owned()),
        ("PUT", format!("{MAPPINGS}/x")),
        ("DELETE", format!("{MAPPINGS}/x")),
    ] {
        for (access, option) in [(Access::Read, "--lambda-api write"), (Access::ReadUnsigned, "--require-signature")] {
            let (status, text) = ask(method, &uri, access).await;
            assert!(status == 403 && text.contains(option), "{method} {uri}: {status} {text}");
        }
    }
    assert_eq!(ask("GET", FUNCTIONS, Access::Read).await.0, 200);
    assert_eq!(ask("POST", &format!("{FUNCTIONS}/resize/invocations"), Access::ReadUnsigned).await.0, 200);
    assert_eq!(fixture.lambda.function_names(), ["resize"]);
}

#[tokio::test(start_paused = true)]
async fn what_stops_starts_nothing_any_more() {
    let fixture = Fixture::new();
    let (_, _, document) = fixture.create(json!({})).await;
    fixture.send_message(r#"{"seconds": 10}"#);
    fixture.seconds(1).await;
    // It is being changed when everything is told to stop.
    fixture.ask("PUT", &format!("{MAPPINGS}/{}", uuid(&document)), &json!({ "BatchSize": 1 })).await;
    fixture.lambda.stop();
    fixture.lambda.stopped(true).await;
    assert_eq!(fixture.left(), 0, "what ran has ended");
    fixture.send_message("{}");
    fixture.seconds(60).await;
    assert_eq!((fixture.left(), fixture.batches()), (1, vec![1]));
    let (status, ..) = fixture.create(json!({ "FunctionName": "resize:live" })).await;
    assert_eq!(status, 500);
}
