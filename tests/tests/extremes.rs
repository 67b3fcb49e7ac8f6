//! Numbers at the ends of their ranges, and far beyond, wherever a number is taken: in SQS's requests and in the
//! developer's, at times up to the end of time. Each is answered, and nothing panics.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::{
    fmt::Write as _,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use local_queue::{
    LocalQueue,
    clock::{Clock, ManualClock},
    developer,
    engine::Time,
    protocol,
};
use proptest::{
    collection::vec,
    prelude::{Strategy, any, prop_assert, proptest},
    prop_oneof,
    test_runner::{Config, TestCaseError},
};
use serde_json::{Value, json};

/// Numbers as texts, because not all of them are numbers to a parser.
fn number() -> impl Strategy<Value = String> {
    let ends = [
        0,
        1,
        2,
        59,
        60,
        61,
        300,
        900,
        901,
        1_000,
        1_001,
        43_200,
        43_201,
        1_209_600,
        1_209_601,
        1 << 31,
        1 << 32,
        1 << 53,
        i64::MAX as u64 - 1,
        i64::MAX as u64,
        1 << 63,
        u64::MAX / 1_000,
        u64::MAX / 1_000 + 1,
        u64::MAX - 1_000,
        u64::MAX - 1,
        u64::MAX,
    ];
    prop_oneof![
        4 => proptest::sample::select(ends.to_vec()).prop_map(|number| number.to_string()),
        1 => any::<u64>().prop_map(|number| number.to_string()),
        1 => any::<i64>().prop_map(|number| number.to_string()),
        1 => proptest::sample::select(vec!["-1", "-9223372036854775808", "18446744073709551616", "1e300", "0.5", "-0"])
            .prop_map(str::to_owned),
    ]
}

/// A request that takes numbers, for which `N` stands in its JSON.
#[derive(Clone, Debug)]
struct Asked {
    path: &'static str,
    json: &'static str,
    numbers: Vec<String>,
    is_query: bool,
}

const REQUESTS: &[(&str, &str)] = &[
    ("PUT clock", r#"{"now":N}"#),
    ("POST clock/advance", r#"{"seconds":N,"milliseconds":N}"#),
    ("POST faults", r#"{"effect":"latency","milliseconds":N,"times":N}"#),
    ("POST faults", r#"{"effect":"duplicate_delivery","probability":N}"#),
    ("POST faults", r#"{"effect":"reordering","times":N}"#),
    ("POST faults", r#"{"effect":"partial_failure","share":N,"times":N}"#),
    ("DELETE faults", ""),
    ("GET queues/jobs/messages?max=N&skip=N", ""),
    ("GET metrics", ""),
    ("CreateQueue", r#"{"QueueName":"N","Attributes":{"DelaySeconds":"N","MessageRetentionPeriod":"N"}}"#),
    ("SetQueueAttributes", r#"{"QueueUrl":"jobs","Attributes":{"DelaySeconds":"N"}}"#),
    ("SetQueueAttributes", r#"{"QueueUrl":"jobs","Attributes":{"VisibilityTimeout":"N"}}"#),
    ("SetQueueAttributes", r#"{"QueueUrl":"jobs","Attributes":{"MessageRetentionPeriod":"N"}}"#),
    ("SetQueueAttributes", r#"{"QueueUrl":"jobs","Attributes":{"MaximumMessageSize":"N"}}"#),
    ("SetQueueAttributes", r#"{"QueueUrl":"jobs","Attributes":{"ReceiveMessageWaitTimeSeconds":"N"}}"#),
    ("SetQueueAttributes", r#"{"QueueUrl":"jobs","Attributes":{"KmsDataKeyReusePeriodSeconds":"N"}}"#),
    (
        "SetQueueAttributes",
        r#"{"QueueUrl":"jobs","Attributes":{"RedrivePolicy":"{\"deadLetterTargetArn\":\"arn:aws:sqs:us-east-1:000000000000:dead\",\"maxReceiveCount\":N}"}}"#,
    ),
    ("SendMessage", r#"{"QueueUrl":"jobs","MessageBody":"a","DelaySeconds":N}"#),
    ("SendMessage", r#"{"QueueUrl":"jobs","MessageBody":"a"}"#),
    ("SendMessage", r#"{"QueueUrl":"jobs.fifo","MessageBody":"N","MessageGroupId":"g","MessageDeduplicationId":"N"}"#),
    (
        "SendMessage",
        r#"{"QueueUrl":"jobs","MessageBody":"a","MessageAttributes":{"a":{"DataType":"Number","StringValue":"N"}}}"#,
    ),
    ("SendMessageBatch", r#"{"QueueUrl":"jobs","Entries":[{"Id":"N","MessageBody":"a","DelaySeconds":N}]}"#),
    ("ReceiveMessage", r#"{"QueueUrl":"jobs"}"#),
    ("ReceiveMessage", r#"{"QueueUrl":"jobs","MaxNumberOfMessages":N,"VisibilityTimeout":N,"WaitTimeSeconds":N}"#),
    ("ReceiveMessage", r#"{"QueueUrl":"jobs.fifo","MaxNumberOfMessages":N,"ReceiveRequestAttemptId":"N"}"#),
    ("ReceiveMessage", r#"{"QueueUrl":"dead","VisibilityTimeout":N}"#),
    ("ChangeMessageVisibility", r#"{"QueueUrl":"jobs","ReceiptHandle":"HANDLE","VisibilityTimeout":N}"#),
    (
        "ChangeMessageVisibilityBatch",
        r#"{"QueueUrl":"jobs","Entries":[{"Id":"a","ReceiptHandle":"HANDLE","VisibilityTimeout":N}]}"#,
    ),
    ("DeleteMessage", r#"{"QueueUrl":"jobs","ReceiptHandle":"HANDLE"}"#),
    ("ListQueues", r#"{"MaxResults":N,"NextToken":"N"}"#),
    ("ListDeadLetterSourceQueues", r#"{"QueueUrl":"dead","MaxResults":N}"#),
    (
        "StartMessageMoveTask",
        r#"{"SourceArn":"arn:aws:sqs:us-east-1:000000000000:dead","MaxNumberOfMessagesPerSecond":N}"#,
    ),
    ("ListMessageMoveTasks", r#"{"SourceArn":"arn:aws:sqs:us-east-1:000000000000:dead","MaxResults":N}"#),
    ("GetQueueAttributes", r#"{"QueueUrl":"jobs","AttributeNames":["All"]}"#),
    ("PurgeQueue", r#"{"QueueUrl":"jobs"}"#),
];

fn asked() -> impl Strategy<Value = Asked> {
    let request = proptest::sample::select(REQUESTS.to_vec());
    (request, vec(number(), 3), any::<bool>()).prop_map(|((path, json), numbers, is_query)| Asked {
        path,
        json,
        numbers,
        is_query,
    })
}

/// An emulator whose queues hold what the requests are about.
struct Subject {
    queues: LocalQueue,
    handle: String,
}

impl Subject {
    fn new() -> Self {
        let clock = ManualClock::new(Time::from_millis(1_800_000_000_000));
        let queues = LocalQueue::builder().clock(Clock::manual(&clock)).seed(1).build();
        let mut subject = Self { queues, handle: "none".to_owned() };
        for name in ["dead", "jobs"] {
            subject.sqs("CreateQueue", &json!({ "QueueName": name }).to_string(), false);
        }
        let fifo = json!({ "QueueName": "jobs.fifo", "Attributes": { "FifoQueue": "true" } });
        subject.sqs("CreateQueue", &fifo.to_string(), false);
        subject
    }

    /// Asks, and takes the answer if it is there at once.
    fn ask(&mut self, asked: &Asked) -> Option<Response<Bytes>> {
        let Asked { path, json, numbers, is_query } = asked;
        let mut numbers = numbers.iter().cycle();
        let mut fill = |text: &str| {
            let mut parts = text.split('N');
            let mut filled = parts.next().unwrap().to_owned();
            for part in parts {
                // A capital N within a word is none of ours.
                let in_word = filled.ends_with(|it: char| it.is_ascii_alphanumeric())
                    || part.starts_with(|it: char| it.is_ascii_alphanumeric());
                filled += if in_word { "N" } else { numbers.next().unwrap() };
                filled += part;
            }
            filled
        };
        if let Some((method, path)) = path.split_once(' ') {
            let uri = format!("/_local-queue/{}", fill(path));
            let body = Bytes::from(fill(json));
            return developer::respond(&self.queues, &Request::builder().method(method).uri(uri).body(body).unwrap());
        }
        let json = fill(json).replace("HANDLE", &self.handle);
        self.sqs(path, &json, *is_query)
    }

    fn sqs(&mut self, action: &str, json: &str, is_query: bool) -> Option<Response<Bytes>> {
        // What is no JSON, with such a number, is sent as it is.
        let form = serde_json::from_str::<Value>(json).ok().filter(|_| is_query).map(|json| {
            let mut form = format!("Action={action}");
            flatten("", &json, &mut form);
            form
        });
        let request = if let Some(form) = form {
            Request::post("/").body(Bytes::from(form))
        } else {
            let target = format!("AmazonSQS.{action}");
            Request::post("/").header("x-amz-target", target).body(Bytes::copy_from_slice(json.as_bytes()))
        };
        let mut response = Box::pin(protocol::respond(&self.queues, request.unwrap()));
        match response.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(response) => {
                let body: Value = serde_json::from_slice(response.body()).unwrap_or_default();
                if let Some(handle) = body["Messages"][0]["ReceiptHandle"].as_str() {
                    handle.clone_into(&mut self.handle);
                }
                Some(response)
            }
            // It waits, for a message or for a moment that a fault made it wait for; then it leaves.
            Poll::Pending => None,
        }
    }
}

/// The members of a structure as a form, as far as these requests have them.
fn flatten(name: &str, value: &Value, form: &mut String) {
    match value {
        Value::Object(members) if name.ends_with("Attributes") && !name.starts_with("Message") => {
            for (index, (key, value)) in members.iter().enumerate() {
                let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                write!(form, "&Attribute.{0}.Name={key}&Attribute.{0}.Value={value}", index + 1).unwrap();
            }
        }
        Value::Object(members) => {
            for (key, value) in members {
                let name = if name.is_empty() { key.clone() } else { format!("{name}.{key}") };
                flatten(&name, value, form);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                flatten(&format!("{name}.{}", index + 1), item, form);
            }
        }
        Value::String(text) => write!(form, "&{name}={text}").unwrap(),
        other => write!(form, "&{name}={other}").unwrap(),
    }
}

fn check(requests: &[Asked]) -> Result<(), TestCaseError> {
    let mut subject = Subject::new();
    for asked in requests {
        if let Some(response) = subject.ask(asked) {
            prop_assert!(response.status() != StatusCode::INTERNAL_SERVER_ERROR, "{asked:?}: {response:?}");
        }
    }
    // A panic behind the lock would show now at the latest.
    let health = Asked { path: "GET metrics", json: "", numbers: vec!["0".to_owned()], is_query: false };
    prop_assert!(subject.ask(&health).is_some_and(|response| response.status() == StatusCode::OK));
    Ok(())
}

proptest! {
    #![proptest_config(Config { cases: if std::env::var_os("SLOW").is_some() { 20_000 } else { 1_500 }, failure_persistence: None, ..Config::default() })]

    #[test]
    fn no_number_makes_anything_panic(requests in vec(asked(), 1..40)) {
        check(&requests)?;
    }
}

/// The one that was found first: two durations that have no sum.
#[test]
fn a_clock_can_be_moved_to_the_end_of_time_and_everything_goes_on_there() {
    let number = |number: u64| number.to_string();
    let asked = |path, json, numbers: &[u64]| Asked {
        path,
        json,
        numbers: numbers.iter().copied().map(number).collect(),
        is_query: false,
    };
    let send = asked("SendMessage", r#"{"QueueUrl":"jobs","MessageBody":"a"}"#, &[0]);
    let receive = asked("ReceiveMessage", r#"{"QueueUrl":"jobs","VisibilityTimeout":N}"#, &[43_200]);
    let advance = r#"{"seconds":N,"milliseconds":N}"#;
    for by in [[u64::MAX, 1_000], [u64::MAX, u64::MAX], [0, u64::MAX]] {
        let mut requests = vec![send.clone(), receive.clone(), asked("POST clock/advance", advance, &by)];
        requests.extend([send.clone(), receive.clone(), receive.clone(), asked("POST clock/advance", advance, &by)]);
        check(&requests).unwrap();
    }
}
