//! An event source mapping over real sockets, in real time: the AWS SDK with its own HTTP client, and a server.
//!
//! The server is the emulator's. `SQS_ENDPOINT=http://127.0.0.1:4566 cargo test -p tests --test mapping_over_http` takes
//! another one, such as LocalStack or `ElasticMQ`.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use aws_sdk_sqs::{
    Client,
    config::{BehaviorVersion, Builder, Credentials, Region, retry::RetryConfig},
    types::{MessageAttributeValue, QueueAttributeName},
};
use bytes::Bytes;
use local_queue::{
    LocalQueue,
    clock::Clock,
    event_source_mapping::{EventSourceMapping, FilterCriteria, InProcess, Invocation, SdkSource, Source, SourceError},
    server::{Bounds, Server},
};
use serde_json::{Value, json};

const MESSAGES: usize = 24;

fn client(endpoint: &str) -> Client {
    let config = Builder::new()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(endpoint)
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .retry_config(RetryConfig::disabled())
        .http_client(aws_smithy_http_client::Builder::new().build_http());
    Client::from_conf(config.build())
}

/// A queue whose messages come back after two seconds and die after two receives; its URL and its dead-letter queue's.
async fn create_queues(client: &Client) -> (String, String) {
    let unique = fastrand::u32(..);
    let name = |stem: &str| format!("{stem}-{unique}");
    let dead = client.create_queue().queue_name(name("dead")).send().await.unwrap().queue_url.unwrap();
    let arn = client.get_queue_attributes().queue_url(&dead).attribute_names(QueueAttributeName::QueueArn);
    let arn = arn.send().await.unwrap().attributes.unwrap().remove(&QueueAttributeName::QueueArn).unwrap();
    let policy = json!({ "deadLetterTargetArn": arn, "maxReceiveCount": 2 }).to_string();
    let jobs = client.create_queue().queue_name(name("jobs"));
    let jobs = jobs.attributes(QueueAttributeName::RedrivePolicy, policy);
    let jobs = jobs.attributes(QueueAttributeName::VisibilityTimeout, "2").send().await.unwrap().queue_url.unwrap();
    (jobs, dead)
}

async fn bodies(client: &Client, url: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    loop {
        let received = client.receive_message().queue_url(url).max_number_of_messages(10).send().await.unwrap();
        let Some(messages) = received.messages.filter(|messages| !messages.is_empty()) else { return found };
        found.extend(messages.into_iter().map(|message| message.body.unwrap()));
    }
}

async fn scenario(endpoint: &str) {
    let client = client(endpoint);
    let (jobs, dead) = create_queues(&client).await;
    let kind = |index: usize| ["good", "good", "bad", "noise"][index % 4];
    for index in 0..MESSAGES {
        let attribute = MessageAttributeValue::builder().data_type("Number").string_value(index.to_string());
        let request = client.send_message().queue_url(&jobs).message_body(format!("{} {index}", kind(index)));
        request.message_attributes("index", attribute.build().unwrap()).send().await.unwrap();
    }
    let seen = Arc::new(Mutex::new(BTreeSet::new()));
    let keep = Arc::clone(&seen);
    let function = InProcess::new(move |invocation: Invocation| {
        let event: Value = serde_json::from_slice(&invocation.event).unwrap();
        let mut failed = Vec::new();
        for record in event["Records"].as_array().unwrap() {
            let body = record["body"].as_str().unwrap();
            assert!(body.ends_with(record["messageAttributes"]["index"]["stringValue"].as_str().unwrap()), "{record}");
            keep.lock().unwrap().insert(body.to_owned());
            if body.starts_with("bad") {
                failed.push(json!({ "itemIdentifier": record["messageId"] }));
            }
        }
        async move { Ok(Bytes::from(json!({ "batchItemFailures": failed }).to_string())) }
    });
    let mapping = EventSourceMapping {
        report_batch_item_failures: true,
        function_timeout: Duration::from_secs(1),
        filter_criteria: FilterCriteria::parse([r#"{"body":[{"anything-but":{"prefix":"noise"}}]}"#]).unwrap(),
        ..EventSourceMapping::new("resize")
    };
    let source = SdkSource::connect(client.clone(), &jobs, Clock::system()).await.unwrap();
    let (driver, handle) = mapping.connect(source.clone(), function, Clock::system()).await.unwrap();
    let running = tokio::spawn(driver.run());
    tokio::time::timeout(Duration::from_mins(1), handle.drained())
        .await
        .expect("the queue is empty in the end")
        .unwrap();
    handle.stop();
    running.await.unwrap();
    let metrics = handle.metrics();
    let counts = (metrics.filtered_out, metrics.deleted, metrics.failed_invoke);
    let quarter = MESSAGES as u64 / 4;
    assert_eq!(counts, (quarter, 2 * quarter, 2 * quarter), "bad ones fail twice: {metrics:?}");
    let expected = |kinds: &[&str]| {
        let chosen = (0..MESSAGES).filter(|index| kinds.contains(&kind(*index)));
        chosen.map(|index| format!("{} {index}", kind(index))).collect::<BTreeSet<_>>()
    };
    assert_eq!(*seen.lock().unwrap(), expected(&["good", "bad"]));
    assert_eq!(bodies(&client, &dead).await, expected(&["bad"]));
    client.delete_queue().queue_url(&jobs).send().await.unwrap();
    client.delete_queue().queue_url(&dead).send().await.unwrap();
    let gone = source.depth().await.unwrap_err();
    assert!(matches!(gone, SourceError::QueueDoesNotExist { .. }), "{gone:?}");
}

#[tokio::test]
async fn a_mapping_reads_a_queue_over_http() {
    if let Ok(endpoint) = std::env::var("SQS_ENDPOINT") {
        return scenario(&endpoint).await;
    }
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    let server = Server::bind(address, LocalQueue::builder().build(), Bounds::default()).await.unwrap();
    let endpoint = format!("http://{}", server.local_address().unwrap());
    let running = tokio::spawn(server.run(std::future::pending()));
    scenario(&endpoint).await;
    running.abort();
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named() {
    // Bound and closed again: nobody listens there.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let url = format!("{endpoint}/000000000000/jobs");
    let error = SdkSource::connect(client(&endpoint), &url, Clock::system()).await.unwrap_err();
    assert!(matches!(error, SourceError::Unreachable { .. }), "{error:?}");
    let text = error.to_string();
    assert!(
        text.starts_with(&format!("{url} cannot be reached (GetQueueAttributes): ")) && text.contains("refused"),
        "{text}"
    );
}
