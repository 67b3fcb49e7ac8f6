use super::*;
use crate::{
    Fault,
    clock::Clock,
    declaration::QueueDeclaration,
    engine::{
        Attribute, Departure, DepartureCause, Limits, MessageAttribute, MessageAttributes, MessageBody, MessageId,
        Place, Receive, RedrivePolicy, Scope, SendMessage, Visibility,
    },
    protocol,
};

const START: u64 = 1_800_000_000_000;

fn queues() -> (LocalQueue, ManualClock) {
    let clock = ManualClock::new(Time::from_millis(START));
    let queues = LocalQueue::builder().clock(Clock::manual(&clock)).seed(1).build();
    let jobs = QueueDeclaration::named("jobs", &Limits::STRICT).unwrap();
    queues.declare(&[jobs]).unwrap();
    (queues, clock)
}

fn ask(queues: &LocalQueue, method: &str, path: &str, body: &str) -> Response<Bytes> {
    let request = Request::builder().method(method).uri(path).body(Bytes::from(body.to_owned())).unwrap();
    respond(queues, &request).expect("the path is one of this API")
}

/// Status and JSON of an answer.
fn json_of(queues: &LocalQueue, method: &str, path: &str, body: &str) -> (u16, Value) {
    let response = ask(queues, method, path, body);
    let value = serde_json::from_slice(response.body()).unwrap_or(Value::Null);
    (response.status().as_u16(), value)
}

fn message(body: &str) -> SendMessage {
    SendMessage::new(MessageBody::parse(body).unwrap())
}

/// One message ready, one delayed, one in flight, one expired.
async fn fill(queues: &LocalQueue, clock: &ManualClock) {
    let jobs = queues.list_queues().remove(0);
    let attributes = [("color".to_owned(), MessageAttribute::string("red"))].into();
    let attributes = MessageAttributes::parse(attributes, &Limits::STRICT).unwrap();
    queues.send(&jobs, SendMessage { attributes, group_id: Some("tenant".to_owned()), ..message("taken") }).unwrap();
    clock.advance(Duration::from_millis(500));
    queues.receive(&jobs, Receive::default()).await.unwrap();
    queues.send(&jobs, message("ready")).unwrap();
    queues.send(&jobs, SendMessage { delay: Some(Duration::from_secs(60)), ..message("later") }).unwrap();
}

#[test]
fn only_paths_under_the_prefix_are_answered_here() {
    let (queues, _) = queues();
    for path in ["/", "/000000000000/jobs", "/_local-queue", "/_local-queues/health"] {
        let request = Request::get(path).body(Bytes::new()).unwrap();
        assert!(respond(&queues, &request).is_none(), "{path}");
    }
    let (status, answer) = json_of(&queues, "GET", "/_local-queue/nothing", "");
    assert_eq!(status, 404);
    assert!(answer["error"].as_str().unwrap().starts_with("There is no /_local-queue/nothing. Under "), "{answer}");
}

#[test]
fn a_wrong_method_is_refused_with_those_that_there_are() {
    let (queues, _) = queues();
    for (method, path, allow) in [
        ("POST", "health", "GET"),
        ("POST", "metrics", "GET"),
        ("PUT", "queues", "GET"),
        ("DELETE", "queues/jobs/messages", "GET"),
        ("POST", "queues/jobs/messages/1", "GET, DELETE"),
        ("GET", "queues/jobs/messages/1/visibility", "PUT"),
        ("GET", "queues/jobs/messages/1/redrive", "POST"),
        ("GET", "queues/jobs/redrive", "POST"),
        ("POST", "queues/jobs/dead-letters", "GET"),
        ("POST", "clock/next", "GET"),
        ("GET", "reset", "POST"),
        ("POST", "clock", "GET, PUT"),
        ("GET", "clock/advance", "POST"),
        ("PUT", "faults", "GET, POST, DELETE"),
        ("GET", "faults/1", "DELETE"),
    ] {
        let response = ask(&queues, method, &format!("{PREFIX}{path}"), "");
        assert_eq!((response.status().as_u16(), &response.headers()["allow"]), (405, &HeaderValue::from_static(allow)));
    }
}

#[test]
fn health_says_that_it_is_up() {
    let (queues, _) = queues();
    let (status, answer) = json_of(&queues, "GET", "/_local-queue/health", "");
    assert_eq!((status, &answer["status"], &answer["queues"]), (200, &json!("ok"), &json!(1)));
}

#[tokio::test]
async fn peeking_shows_messages_in_every_place_and_changes_none() {
    let (queues, clock) = queues();
    fill(&queues, &clock).await;
    let path = "/_local-queue/queues/jobs/messages";
    let (status, answer) = json_of(&queues, "GET", path, "");
    assert_eq!(status, 200);
    let messages = answer["messages"].as_array().unwrap();
    let shown = messages.iter().map(|it| (it["body"].as_str().unwrap(), it["place"].as_str().unwrap()));
    assert_eq!(shown.collect::<Vec<_>>(), [("taken", "in_flight"), ("ready", "ready"), ("later", "delayed")]);
    assert_eq!(answer["next_skip"], Value::Null);
    let taken = &messages[0];
    assert_eq!(taken["attributes"], json!({ "color": { "type": "String", "value": "red" } }));
    assert_eq!((&taken["group_id"], &taken["receive_count"]), (&json!("tenant"), &json!(1)));
    assert_eq!((&taken["sent_at"], &taken["visible_at"]), (&json!(START), &json!(START + 30_500)));
    assert_eq!(messages[2]["visible_at"], json!(START + 60_500));
    assert_eq!(json_of(&queues, "GET", path, "").1, answer, "looking again shows the same");
    let (_, listed) = json_of(&queues, "GET", "/_local-queue/queues", "");
    let jobs = json!({ "name": "jobs", "arn": "arn:aws:sqs:us-east-1:000000000000:jobs", "ready": 1, "delayed": 1, "in_flight": 1 });
    assert_eq!(listed["queues"][0], jobs);
}

#[tokio::test]
async fn a_message_says_why_it_is_not_visible_and_how_it_left() {
    let (queues, clock) = queues();
    let (jobs, dead) = (queues.list_queues().remove(0), queues.create_queue("dead", &[]).unwrap());
    let redrive = RedrivePolicy { dead_letter_target: dead.clone(), max_receive_count: 1 };
    queues.set_queue_attributes(&jobs, &[Attribute::RedrivePolicy(Some(redrive))]).unwrap();
    let delay = Some(Duration::from_secs(60));
    let delayed = queues.send(&jobs, SendMessage { delay, ..message("later") }).unwrap().message_id.to_string();
    let sent = queues.send(&jobs, message("now")).unwrap().message_id.to_string();
    let look = |queue: &str, id: &str| {
        let (status, mut answer) = json_of(&queues, "GET", &format!("/_local-queue/queues/{queue}/messages/{id}"), "");
        assert_eq!((status, &answer["message_id"]), (200, &json!(id)), "{answer}");
        (answer["place"].as_str().unwrap().to_owned(), answer["why"].take())
    };
    let expect = |queue: &str, id: &str, place: &str, why: Value| assert_eq!(look(queue, id), (place.to_owned(), why));
    let why = json!({ "reason": "delayed", "text": "Its delay ends in 60 s.", "until": START + 60_000 });
    expect("jobs", &delayed, "delayed", why);
    expect("jobs", &sent, "ready", json!({ "reason": "visible", "text": "It can be received." }));
    queues.receive(&jobs, Receive::default()).await.unwrap();
    clock.advance(Duration::from_millis(1_500));
    let why = json!({
        "reason": "in_flight",
        "text": "Receive 1 of it, 1.5 s ago, holds it for another 28.5 s unless it is deleted.",
        "until": START + 30_000,
        "receive": 1,
        "received_at": START,
        "attempt_id": null,
    });
    expect("jobs", &sent, "in_flight", why.clone());
    let (_, listed) = json_of(&queues, "GET", "/_local-queue/queues/jobs/messages?place=in_flight", "");
    assert_eq!(listed["messages"][0]["why"], why, "a list says the same");
    clock.set(Time::from_millis(START + 30_000));
    let text = "Its maxReceiveCount of 1 is used up: the next receive moves it to dead.";
    let why = json!({
        "reason": "out_of_receives", "text": text, "dead_letter_queue": dead.as_str(), "max_receive_count": 1
    });
    expect("jobs", &sent, "ready", why);
    assert!(queues.receive(&jobs, Receive::default()).await.unwrap().is_empty());
    let text = "It moved to the dead-letter queue dead 0 s ago, under the same id.";
    let why = json!({ "reason": "dead_lettered", "text": text, "at": START + 30_000, "to": dead.as_str() });
    expect("jobs", &sent, "gone", why);
    let received = queues.receive(&dead, Receive::default()).await.unwrap();
    queues.delete(&dead, received[0].receipt_handle).unwrap();
    clock.advance(Duration::from_secs(2));
    let why = json!({ "reason": "deleted", "text": "A receiver deleted it 2 s ago.", "at": START + 30_000 });
    expect("dead", &sent, "gone", why);
}

/// The reasons that need more of a queue than a test over HTTP wants to build.
#[test]
fn every_reason_is_told_in_a_sentence_and_in_members() {
    let (now, until) = (Time::from_millis(START), Time::from_millis(START + 3_070));
    let id = MessageId::parse("01234567-89ab-4def-bedc-ba9876543210").unwrap();
    let queue = Scope::default().arn("jobs");
    let reasons = [
        Visibility::BehindGroup { blocked_by: id, place: Place::Delayed, until },
        Visibility::BehindTenants { next: id, in_flight: 30, in_flight_total: 40, until },
        Visibility::InFlightFull { in_flight_max: 120_000, until },
    ];
    let told = reasons.map(|reason| why::here(&reason, now));
    let departures = [
        DepartureCause::Moved { to: queue.clone(), message_id: id },
        DepartureCause::Expired,
        DepartureCause::Purged,
        DepartureCause::QueueDeleted,
    ];
    let gone = departures.map(|cause| {
        let departure = Departure { message_id: id, queue: queue.clone(), at: now, receive_count: 1, cause };
        why::gone(&departure, until)
    });
    let until = until.as_millis();
    let expected = [
        json!({
            "reason": "behind_group", "until": until, "blocked_by": id.to_string(), "blocked_by_place": "delayed",
            "text": format!("Message {id} of its group comes before it, and is delayed for another 3.07 s."),
        }),
        json!({
            "reason": "behind_tenants", "until": until, "next": id.to_string(), "in_flight": 30, "in_flight_total": 40,
            "text": format!(
                "Its tenant is noisy, with 30 of 40 messages in flight: message {id} of a quieter one comes first."
            ),
        }),
        json!({
            "reason": "in_flight_full", "until": until, "in_flight_max": 120_000,
            "text": "120000 messages of its queue are in flight, the limit; the first becomes visible again in 3.07 s.",
        }),
        json!({
            "reason": "moved", "at": START, "to": queue.as_str(), "message_id": id.to_string(),
            "text": format!("A message move task sent it to jobs 3.07 s ago, as message {id}."),
        }),
        json!({ "reason": "expired", "at": START, "text": "Its retention period ended 3.07 s ago." }),
        json!({ "reason": "purged", "at": START, "text": "Its queue was purged 3.07 s ago." }),
        json!({ "reason": "queue_deleted", "at": START, "text": "Its queue was deleted 3.07 s ago." }),
    ];
    assert_eq!(told.into_iter().chain(gone).collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn peeking_goes_by_pages_and_by_place() {
    let (queues, clock) = queues();
    fill(&queues, &clock).await;
    let page = |query: &str| {
        let (_, answer) = json_of(&queues, "GET", &format!("/_local-queue/queues/jobs/messages?{query}"), "");
        let bodies = answer["messages"].as_array().unwrap().iter().map(|it| it["body"].as_str().unwrap().to_owned());
        (bodies.collect::<Vec<_>>().join(","), answer["next_skip"].as_u64())
    };
    assert_eq!(page("max=2"), ("taken,ready".to_owned(), Some(2)));
    assert_eq!(page("max=2&skip=2"), ("later".to_owned(), None));
    assert_eq!(page("place=delayed&max=1"), ("later".to_owned(), None));
    assert_eq!(page("place=in_flight"), ("taken".to_owned(), None));
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn a_wrong_question_is_refused_by_the_name_of_its_field() {
    let (queues, _) = queues();
    for (method, path, body, status, text) in [
        ("GET", "queues/jobs/messages?max=0", "", 400, "max: must be from 1 to 1000, not 0."),
        ("GET", "queues/jobs/messages?skip=x", "", 400, "skip: must be a whole number."),
        (
            "GET",
            "queues/jobs/messages?place=lost",
            "",
            400,
            "place: must be ready, delayed or in_flight, not \"lost\".",
        ),
        (
            "GET",
            "queues/jobs/messages?state=ready",
            "",
            400,
            "state: is unknown. There are place, skip, max, region and account.",
        ),
        (
            "GET",
            "queues/none/messages?region=eu-west-1",
            "",
            404,
            "There is no queue arn:aws:sqs:eu-west-1:000000000000:none.",
        ),
        ("GET", "queues/jobs/messages/1", "", 400, "1 is not the id of a message."),
        (
            "GET",
            "queues/jobs/messages/01234567-89ab-4def-bedc-ba9876543210?max=1",
            "",
            400,
            "max: is unknown. There are region and account.",
        ),
        (
            "GET",
            "queues/jobs/messages/01234567-89AB-4def-bedc-ba9876543210",
            "",
            404,
            "There is no message 01234567-89ab-4def-bedc-ba9876543210 in arn:aws:sqs:us-east-1:000000000000:jobs, and it \
          is not among those that left a queue last.",
        ),
        (
            "GET",
            "queues/none/messages/01234567-89ab-4def-bedc-ba9876543210?account=1",
            "",
            404,
            "There is no queue arn:aws:sqs:us-east-1:1:none.",
        ),
        ("PUT", "clock", "{}", 400, "now: is missing. It takes milliseconds since the Unix epoch."),
        ("PUT", "clock", r#"{"now": "noon"}"#, 400, "now: must be a whole number, not \"noon\"."),
        ("PUT", "clock", r#"{"now": 5}"#, 400, "now: the clock is already at 1800000000000 and cannot go back."),
        ("POST", "clock/advance", "{}", 400, "seconds: is missing, and so is milliseconds. Give one of them."),
        ("POST", "clock/advance", r#"{"hours": 1}"#, 400, "hours: is unknown. There is seconds and milliseconds."),
        ("POST", "clock/advance", "[]", 400, "The body is not a JSON object."),
        (
            "POST",
            "clock/advance",
            "{",
            400,
            "The body is not valid JSON: EOF while parsing an object at line 1 column 1.",
        ),
        ("DELETE", "faults/7", "", 404, "There is no fault 7."),
        (
            "POST",
            "faults",
            r#"{"effect": "throttle", "actoin": "SendMessage"}"#,
            400,
            "actoin: is unknown. A fault has \
          account, action, effect, entries, milliseconds, probability, queue, share, times.",
        ),
        (
            "POST",
            "faults",
            r#"{"effect": "throttle", "action": "Send"}"#,
            400,
            "action: \"Send\" is not an action of SQS.",
        ),
        ("POST", "faults", r#"{"effect": "throttle", "times": -1}"#, 400, "times: must be a whole number, not -1."),
        (
            "POST",
            "faults",
            r#"{"effect": "throttle", "account": "12"}"#,
            400,
            "account: must have 12 digits, not \"12\".",
        ),
        ("POST", "faults", r#"{"effect": "latency"}"#, 400, "milliseconds: is missing. latency says how long."),
        ("POST", "faults", r#"{"effect": "throttle", "share": 1}"#, 400, "share: is not for throttle."),
        (
            "POST",
            "faults",
            r#"{"effect": "partial_failure"}"#,
            400,
            "share: partial_failure takes either a share or entries.",
        ),
        (
            "POST",
            "faults",
            "{}",
            400,
            "effect: is missing. It is throttle, throttling_exception, internal_error, \
          service_unavailable, lost_response, duplicate_delivery, reordering, latency or partial_failure.",
        ),
    ] {
        let answer = json_of(&queues, method, &format!("{PREFIX}{path}"), body);
        assert_eq!(answer, (status, json!({ "error": text })), "{method} {path} {body}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_manual_clock_is_read_advanced_and_set_and_long_polls_follow() {
    let (queues, _) = queues();
    let jobs = queues.list_queues().remove(0);
    queues.send(&jobs, SendMessage { delay: Some(Duration::from_secs(900)), ..message("a") }).unwrap();
    let waiting = tokio::spawn({
        let (queues, jobs) = (queues.clone(), jobs.clone());
        let wait_time = Some(Duration::from_secs(20));
        async move { queues.receive(&jobs, Receive { wait_time, ..Receive::default() }).await.unwrap().len() }
    });
    tokio::task::yield_now().await;
    assert_eq!(json_of(&queues, "GET", "/_local-queue/clock", "").1, json!({ "kind": "manual", "now": START }));
    let advanced = json_of(&queues, "POST", "/_local-queue/clock/advance", r#"{"seconds": 1, "milliseconds": 500}"#);
    assert_eq!(advanced, (200, json!({ "kind": "manual", "now": START + 1_500 })));
    let set = json_of(&queues, "PUT", "/_local-queue/clock", &format!(r#"{{"now": {}}}"#, START + 20_000));
    assert_eq!(set.0, 200);
    assert_eq!(waiting.await.unwrap(), 0, "its 20 seconds are over");
}

#[test]
fn a_clock_that_is_advanced_beyond_the_end_of_time_stops_there() {
    let (queues, _) = queues();
    let jobs = queues.list_queues().remove(0);
    queues.send(&jobs, message("a")).unwrap();
    let by = format!(r#"{{"seconds": {0}, "milliseconds": {0}}}"#, u64::MAX);
    let (status, answer) = json_of(&queues, "POST", "/_local-queue/clock/advance", &by);
    assert_eq!((status, &answer["now"]), (200, &json!(u64::MAX)));
    assert!(queues.peek(&jobs, 0, 10).unwrap().is_empty(), "its retention is over");
}

#[test]
fn another_clock_cannot_be_moved() {
    let queues = LocalQueue::builder().build();
    for (method, path) in [("PUT", "/_local-queue/clock"), ("POST", "/_local-queue/clock/advance")] {
        let (status, answer) = json_of(&queues, method, path, r#"{"now": 1}"#);
        assert_eq!(status, 409);
        let text = "The system clock cannot be moved. Start with --clock manual.";
        assert_eq!(answer["error"], text);
    }
    assert_eq!(json_of(&queues, "GET", "/_local-queue/clock", "").1["kind"], "system");
}

#[test]
fn faults_are_added_listed_and_removed() {
    let (queues, _) = queues();
    let path = "/_local-queue/faults";
    let body = r#"{"effect": "throttle", "action": "SendMessage", "queue": "jobs", "times": 2}"#;
    let first =
        json!({ "id": 1, "effect": "throttle", "action": "SendMessage", "queue": "jobs", "times": 2, "struck": 0 });
    assert_eq!(json_of(&queues, "POST", path, body), (201, first.clone()));
    for body in [
        r#"{"effect": "latency", "milliseconds": 250, "probability": 0.5}"#,
        r#"{"effect": "partial_failure", "entries": ["b", "a"]}"#,
        r#"{"effect": "partial_failure", "share": 0.5, "times": null}"#,
        r#"{"effect": "reordering", "account": "123456789012"}"#,
    ] {
        assert_eq!(json_of(&queues, "POST", path, body).0, 201, "{body}");
    }
    let (_, listed) = json_of(&queues, "GET", path, "");
    let expected = json!([
        first,
        { "id": 2, "effect": "latency", "milliseconds": 250, "probability": 0.5, "struck": 0 },
        { "id": 3, "effect": "partial_failure", "entries": ["a", "b"], "struck": 0 },
        { "id": 4, "effect": "partial_failure", "share": 0.5, "struck": 0 },
        { "id": 5, "effect": "reordering", "account": "123456789012", "struck": 0 },
    ]);
    assert_eq!(listed["faults"], expected);
    assert_eq!(json_of(&queues, "DELETE", "/_local-queue/faults/2", "").0, 204);
    assert_eq!(queues.faults().list().len(), 4);
    assert_eq!(json_of(&queues, "DELETE", path, "").0, 204);
    assert!(queues.faults().list().is_empty());
}

/// What is shown of one queue, but for what depends on the machine.
const METRICS: &str = r#"# HELP local_queue_messages Messages of a queue, by their place.
# TYPE local_queue_messages gauge
local_queue_messages{region="us-east-1",account="000000000000",queue="jobs",place="ready"} 2
local_queue_messages{region="us-east-1",account="000000000000",queue="jobs",place="delayed"} 1
local_queue_messages{region="us-east-1",account="000000000000",queue="jobs",place="in_flight"} 1
# HELP local_queue_oldest_message_age_seconds Age of the oldest message; 0 without one.
# TYPE local_queue_oldest_message_age_seconds gauge
local_queue_oldest_message_age_seconds{region="us-east-1",account="000000000000",queue="jobs"} 1.5
# HELP NumberOfMessagesSent Messages sent.
# TYPE NumberOfMessagesSent counter
NumberOfMessagesSent{region="us-east-1",account="000000000000",queue="jobs"} 4
# HELP NumberOfMessagesReceived Messages that receives brought.
# TYPE NumberOfMessagesReceived counter
NumberOfMessagesReceived{region="us-east-1",account="000000000000",queue="jobs"} 1
# HELP NumberOfMessagesDeleted Messages that receivers deleted.
# TYPE NumberOfMessagesDeleted counter
NumberOfMessagesDeleted{region="us-east-1",account="000000000000",queue="jobs"} 0
# HELP NumberOfEmptyReceives Receives that brought nothing.
# TYPE NumberOfEmptyReceives counter
NumberOfEmptyReceives{region="us-east-1",account="000000000000",queue="jobs"} 0
# HELP ApproximateAgeOfOldestMessage Age of the oldest message in seconds; 0 without one.
# TYPE ApproximateAgeOfOldestMessage gauge
ApproximateAgeOfOldestMessage{region="us-east-1",account="000000000000",queue="jobs"} 1.5
# HELP ApproximateNumberOfMessagesVisible Messages that are ready.
# TYPE ApproximateNumberOfMessagesVisible gauge
ApproximateNumberOfMessagesVisible{region="us-east-1",account="000000000000",queue="jobs"} 2
# HELP ApproximateNumberOfMessagesNotVisible Messages in flight.
# TYPE ApproximateNumberOfMessagesNotVisible gauge
ApproximateNumberOfMessagesNotVisible{region="us-east-1",account="000000000000",queue="jobs"} 1
# HELP ApproximateNumberOfMessagesDelayed Messages that are delayed.
# TYPE ApproximateNumberOfMessagesDelayed gauge
ApproximateNumberOfMessagesDelayed{region="us-east-1",account="000000000000",queue="jobs"} 1
# HELP SentMessageSize Bytes of the messages sent.
# TYPE SentMessageSize histogram
SentMessageSize_bucket{region="us-east-1",account="000000000000",queue="jobs",le="64"} 4
SentMessageSize_sum{region="us-east-1",account="000000000000",queue="jobs"} 30
SentMessageSize_count{region="us-east-1",account="000000000000",queue="jobs"} 4
# HELP local_queue_long_polls_waiting Receives that wait for a message.
# TYPE local_queue_long_polls_waiting gauge
local_queue_long_polls_waiting 0
# HELP local_queue_stored_bytes Memory of queues and messages, estimated from above.
# TYPE local_queue_stored_bytes gauge
local_queue_stored_bytes STORED
# HELP local_queue_refused_for_memory_total Messages and queues refused because there was no memory for them.
# TYPE local_queue_refused_for_memory_total counter
local_queue_refused_for_memory_total 0
# HELP local_queue_requests_total Requests to SQS, by action and status of the answer.
# TYPE local_queue_requests_total counter
local_queue_requests_total{action="SendMessage",status="200"} 1
local_queue_requests_total{action="SendMessage",status="403"} 1
local_queue_requests_total{action="unknown",status="400"} 1
# HELP local_queue_request_duration_seconds Time to the answer of a request that did not wait, by action.
# TYPE local_queue_request_duration_seconds histogram
local_queue_request_duration_seconds_count{action="SendMessage"} 2
# HELP local_queue_long_poll_duration_seconds Time to the answer of a receive that waited.
# TYPE local_queue_long_poll_duration_seconds histogram
local_queue_long_poll_duration_seconds_count 0
# HELP local_queue_faults_total Faults that have struck, by effect.
# TYPE local_queue_faults_total counter
local_queue_faults_total{effect="throttle"} 1
"#;

#[tokio::test]
async fn metrics_count_messages_by_place_ages_requests_polls_and_faults() {
    let (queues, clock) = queues();
    fill(&queues, &clock).await;
    let sqs = |action: &str| {
        let request = Request::post("/").header("x-amz-target", format!("AmazonSQS.{action}"));
        request.body(Bytes::from_static(br#"{"QueueUrl":"jobs","MessageBody":"a"}"#)).unwrap()
    };
    protocol::respond(&queues, sqs("SendMessage")).await;
    queues.faults().inject(Fault::throttle().times(1)).unwrap();
    protocol::respond(&queues, sqs("SendMessage")).await;
    protocol::respond(&queues, sqs("Nothing")).await;
    clock.advance(Duration::from_secs(1));
    let response = ask(&queues, "GET", "/_local-queue/metrics", "");
    assert_eq!(response.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    let shown = std::str::from_utf8(response.body()).unwrap();
    // An estimate, which may change as the engine does: four messages take something.
    let stored = shown.lines().find_map(|line| line.strip_prefix("local_queue_stored_bytes ")).unwrap();
    assert!(stored.parse::<u64>().unwrap() > 0);
    // The time that a request takes is this machine's; of the other steps one is enough.
    let is_of_time = |line: &str| line.contains("duration_seconds_bucket") || line.contains("duration_seconds_sum");
    let is_step = |line: &str| line.contains("_bucket{") && !line.contains("le=\"64\"");
    let lines = shown.lines().filter(|line| !is_of_time(line) && !is_step(line));
    let lines = lines.flat_map(|line| [line, "\n"]).collect::<String>();
    assert_eq!(lines, METRICS.replace("STORED", stored));
}

#[tokio::test(start_paused = true)]
async fn requests_and_long_polls_are_measured_apart_and_queues_counted() {
    let queues = LocalQueue::virtual_time();
    let jobs = queues.create_queue("jobs", &[]).unwrap();
    let sqs = async |action: &str, body: &'static str| {
        let request = Request::post("/").header("x-amz-target", format!("AmazonSQS.{action}"));
        protocol::respond(&queues, request.body(Bytes::from_static(body.as_bytes())).unwrap()).await
    };
    sqs("ReceiveMessage", r#"{"QueueUrl":"jobs"}"#).await;
    sqs("ReceiveMessage", r#"{"QueueUrl":"jobs","WaitTimeSeconds":7}"#).await;
    queues.send(&jobs, message(&"x".repeat(300))).unwrap();
    sqs("ReceiveMessage", r#"{"QueueUrl":"jobs","WaitTimeSeconds":7}"#).await;
    let shown = ask(&queues, "GET", "/_local-queue/metrics", "");
    let shown = std::str::from_utf8(shown.body()).unwrap();
    let of_jobs = r#"region="us-east-1",account="000000000000",queue="jobs""#;
    for line in [
        r#"local_queue_request_duration_seconds_bucket{action="ReceiveMessage",le="0.00001"} 2"#.to_owned(),
        r#"local_queue_request_duration_seconds_count{action="ReceiveMessage"} 2"#.to_owned(),
        r#"local_queue_long_poll_duration_seconds_bucket{le="5"} 0"#.to_owned(),
        r#"local_queue_long_poll_duration_seconds_bucket{le="10"} 1"#.to_owned(),
        r#"local_queue_long_poll_duration_seconds_bucket{le="+Inf"} 1"#.to_owned(),
        format!("NumberOfEmptyReceives{{{of_jobs}}} 2"),
        format!("NumberOfMessagesReceived{{{of_jobs}}} 1"),
        format!(r#"SentMessageSize_bucket{{{of_jobs},le="256"}} 0"#),
        format!(r#"SentMessageSize_bucket{{{of_jobs},le="1024"}} 1"#),
        format!("SentMessageSize_sum{{{of_jobs}}} 300"),
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line}: {shown}");
    }
    assert!(shown.contains("\nlocal_queue_long_poll_duration_seconds_sum 7"), "{shown}");
    queues.reset();
    let shown = ask(&queues, "GET", "/_local-queue/metrics", "");
    let shown = std::str::from_utf8(shown.body()).unwrap();
    assert!(!shown.contains("ReceiveMessage") && shown.contains("long_poll_duration_seconds_count 0"), "{shown}");
}

#[tokio::test]
async fn a_reset_forgets_everything_but_declares_again_what_was_declared() {
    let (queues, clock) = queues();
    fill(&queues, &clock).await;
    queues.create_queue("other", &[]).unwrap();
    queues.faults().inject(Fault::throttle()).unwrap();
    assert_eq!(json_of(&queues, "POST", "/_local-queue/reset", "").0, 204);
    let jobs = queues.list_queues();
    assert_eq!((jobs.len(), jobs[0].name()), (1, "jobs"));
    assert!(queues.peek(&jobs[0], 0, 10).unwrap().is_empty());
    assert!(queues.faults().list().is_empty());
    queues.create_queue("other", &[]).unwrap();
}

#[tokio::test]
async fn a_message_is_deleted_or_made_visible_whoever_holds_it() {
    let (queues, clock) = queues();
    fill(&queues, &clock).await;
    let jobs = queues.list_queues().remove(0);
    let [taken, ready, later] = [0, 1, 2].map(|at| queues.peek(&jobs, at, 1).unwrap()[0].message.id.to_string());
    let path = |id: &str, rest: &str| format!("/_local-queue/queues/jobs/messages/{id}{rest}");
    let (status, answer) = json_of(&queues, "PUT", &path(&ready, "/visibility"), r#"{"seconds": 5}"#);
    let text = "The message is not in flight; only messages in flight have a visibility timeout.";
    assert_eq!((status, &answer["error"]), (409, &json!(text)));
    assert_eq!(json_of(&queues, "PUT", &path(&taken, "/visibility"), "{}").0, 400);
    assert_eq!(json_of(&queues, "PUT", &path(&taken, "/visibility"), r#"{"seconds": 50000}"#).0, 400);
    assert_eq!(json_of(&queues, "PUT", &path(&taken, "/visibility"), r#"{"seconds": 0}"#).0, 204);
    assert_eq!(queues.peek(&jobs, 0, 1).unwrap()[0].place, Place::Ready);
    for id in [&taken, &ready, &later] {
        assert_eq!(json_of(&queues, "DELETE", &path(id, ""), "").0, 204);
        assert_eq!(json_of(&queues, "DELETE", &path(id, ""), "").0, 404);
    }
    assert!(queues.peek(&jobs, 0, 10).unwrap().is_empty());
}

#[tokio::test]
async fn a_fifo_queue_deletes_only_what_is_in_flight() {
    let (queues, _) = queues();
    let fifo = queues.create_queue("f.fifo", &[Attribute::FifoQueue(true)]).unwrap();
    let ids = SendMessage { group_id: Some("g".to_owned()), deduplication_id: Some("d".to_owned()), ..message("one") };
    let path = format!("/_local-queue/queues/f.fifo/messages/{}", queues.send(&fifo, ids).unwrap().message_id);
    let (status, answer) = json_of(&queues, "DELETE", &path, "");
    let text = "A FIFO queue deletes a message only while it is in flight.";
    assert_eq!((status, &answer["error"]), (409, &json!(text)));
    queues.receive(&fifo, Receive::default()).await.unwrap();
    assert_eq!(json_of(&queues, "DELETE", &path, "").0, 204);
}

fn dead_letters(queues: &LocalQueue, kinds: &[Option<&str>]) -> Vec<String> {
    let dead = queues.create_queue("dead", &[]).unwrap();
    let redrive = RedrivePolicy { dead_letter_target: dead.clone(), max_receive_count: 1 };
    let jobs = queues.list_queues().into_iter().find(|queue| queue.name() == "jobs").unwrap();
    queues.set_queue_attributes(&jobs, &[Attribute::RedrivePolicy(Some(redrive))]).unwrap();
    let sent = kinds.iter().enumerate().map(|(number, kind)| {
        let texts = kind
            .iter()
            .flat_map(|kind| [("FailureKind", *kind), ("FailureBlame", "source"), ("FailureMessage", "truncated")]);
        let attributes = texts.map(|(name, value)| (name.to_owned(), MessageAttribute::string(value))).collect();
        let attributes = MessageAttributes::parse(attributes, &Limits::STRICT).unwrap();
        let sent = queues.send(&dead, SendMessage { attributes, ..message(&format!("body {number}")) });
        sent.unwrap().message_id.to_string()
    });
    sent.collect()
}

#[test]
fn dead_letters_are_grouped_and_go_back_by_kind() {
    let (queues, _) = queues();
    let sent = dead_letters(&queues, &[Some("a"), None, Some("b"), Some("a"), Some("a")]);
    let path = "/_local-queue/queues/dead/dead-letters";
    let group = |kind: Option<&str>, count: u64| {
        let (blame, reason) = (kind.map(|_| "source"), kind.map(|_| "truncated"));
        json!({ "kind": kind, "blame": blame, "count": count, "reason": reason })
    };
    let expected = json!({ "groups": [group(Some("a"), 3), group(None, 1), group(Some("b"), 1)], "is_all": true });
    assert_eq!(json_of(&queues, "GET", path, ""), (200, expected));
    let redrive = |body: &str| json_of(&queues, "POST", "/_local-queue/queues/dead/redrive", body);
    assert_eq!(redrive(r#"{"kind": "a", "max": 2}"#), (200, json!({ "moved": 2, "is_last": false })));
    assert_eq!(redrive(r#"{"kind": "a"}"#), (200, json!({ "moved": 1, "is_last": true })));
    assert_eq!(redrive(r#"{"kind": null}"#), (200, json!({ "moved": 1, "is_last": true })));
    assert_eq!(redrive(r#"{"kind": "a", "max": 0}"#).0, 400);
    assert_eq!(redrive(r#"{"kind": 1}"#).0, 400);
    let bodies = |queue: &str| {
        let (_, answer) = json_of(&queues, "GET", &format!("/_local-queue/queues/{queue}/messages"), "");
        let bodies = answer["messages"].as_array().unwrap().iter().map(|it| it["body"].as_str().unwrap().to_owned());
        bodies.collect::<Vec<_>>()
    };
    assert_eq!(bodies("jobs"), ["body 0", "body 3", "body 4", "body 1"]);
    assert_eq!(bodies("dead"), ["body 2"]);
    let (_, gone) = json_of(&queues, "GET", &format!("/_local-queue/queues/dead/messages/{}", sent[0]), "");
    assert_eq!(gone["why"]["reason"], "deleted");
}

#[test]
fn a_dead_letter_goes_back_as_it_is_or_mended_and_never_halfway() {
    let (queues, _) = queues();
    let sent = dead_letters(&queues, &[Some("a"), Some("b"), None]);
    let redrive = |id: &str, body: &str| {
        json_of(&queues, "POST", &format!("/_local-queue/queues/dead/messages/{id}/redrive"), body)
    };
    assert_eq!(redrive(&sent[0], r#"{"body": ""}"#).0, 400);
    assert_eq!(redrive(&sent[0], r#"{"boby": "x"}"#).0, 400);
    assert_eq!(redrive(&sent[0], r#"{"to": "nowhere"}"#).0, 409);
    let dead = queues.list_queues().into_iter().find(|queue| queue.name() == "dead").unwrap();
    assert_eq!(queues.peek(&dead, 0, 10).unwrap().len(), 3, "what was refused is still there");
    let (status, answer) = redrive(&sent[0], r#"{"body": "mended"}"#);
    assert_eq!((status, &answer["to"]), (200, &json!("arn:aws:sqs:us-east-1:000000000000:jobs")));
    assert_eq!(redrive(&sent[1], "{}").0, 200);
    assert_eq!(redrive(&sent[0], "{}").0, 404, "it has gone");
    let jobs = queues.list_queues().into_iter().find(|queue| queue.name() == "jobs").unwrap();
    let peeked = queues.peek(&jobs, 0, 10).unwrap();
    let bodies = peeked.iter().map(|it| (it.message.body.as_str(), it.receive_count)).collect::<Vec<_>>();
    assert_eq!(bodies, [("mended", 0), ("body 1", 0)]);
    assert!(peeked[1].message.attributes().get("FailureKind").is_some());
    // With two queues that it could be from, it has to be said.
    let policy = RedrivePolicy { dead_letter_target: dead, max_receive_count: 1 };
    queues.create_queue("other", &[Attribute::RedrivePolicy(Some(policy))]).unwrap();
    let (status, answer) = redrive(&sent[2], "{}");
    assert_eq!(status, 409, "{answer}");
    assert_eq!(redrive(&sent[2], r#"{"to": "other"}"#).0, 200);
}

#[tokio::test]
async fn what_happens_next_is_listed_soonest_first() {
    let (queues, clock) = queues();
    fill(&queues, &clock).await;
    let next = |query: &str| json_of(&queues, "GET", &format!("/_local-queue/clock/next{query}"), "");
    let (status, answer) = next("");
    assert_eq!(status, 200);
    let events = answer["events"].as_array().unwrap().iter().map(|event| (event["at"].clone(), event["what"].clone()));
    let expected = [(START + 30_500, "visibility_timeout_ends"), (START + 60_500, "delay_ends")];
    assert_eq!(events.collect::<Vec<_>>(), expected.map(|(at, what)| (json!(at), json!(what))));
    assert_eq!(next("?max=1").1["events"].as_array().unwrap().len(), 1);
    assert_eq!((next("?max=0").0, next("?min=1").0), (400, 400));
}

#[cfg(feature = "server")]
#[tokio::test]
async fn an_action_of_sqs_needs_no_sdk() {
    let (queues, _) = queues();
    let path = "/_local-queue/actions/SendMessage?region=us-east-1";
    let request = Request::post(path).body(Bytes::from(r#"{"QueueUrl": "jobs", "MessageBody": "hello"}"#)).unwrap();
    let sent = async |mut request: Request<Bytes>| {
        to_sqs(&mut request);
        protocol::respond(&queues, request).await.status()
    };
    assert_eq!(sent(request).await, StatusCode::OK);
    let request = Request::post("/_local-queue/actions/CreateQueue?region=eu-west-1");
    let request = request.body(Bytes::from(r#"{"QueueName": "there"}"#)).unwrap();
    assert_eq!(sent(request).await, StatusCode::OK);
    let arns = queues.call(|engine, _| engine.queues().map(ToString::to_string).collect::<Vec<_>>());
    assert_eq!(arns, ["arn:aws:sqs:eu-west-1:000000000000:there", "arn:aws:sqs:us-east-1:000000000000:jobs"]);
    for request in [Request::get("/_local-queue/actions/ListQueues"), Request::post("/_local-queue/queues")] {
        let mut request = request.body(Bytes::new()).unwrap();
        to_sqs(&mut request);
        assert!(request.uri().path().starts_with(PREFIX), "it is none of SQS's");
    }
}
