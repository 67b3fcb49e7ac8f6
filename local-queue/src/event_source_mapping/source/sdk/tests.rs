//! The same mapping on a queue of this process and on the same queue behind the SDK, in virtual time.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use serde_json::Value;

use super::*;
use crate::{
    LocalQueue,
    engine::{Attribute, MessageBody, RedrivePolicy, SendMessage},
    event_source_mapping::{
        BatchOutcome, EventSourceMapping, EventSourceMappingError, FilterCriteria, Handle, InProcess, Invocation,
        Metrics, Observation, QueueSource,
    },
    faults::Fault,
};

const START: Time = Time::from_millis(1_700_000_000_000);

fn queues() -> (LocalQueue, QueueArn) {
    let queues = LocalQueue::builder().clock(Clock::tokio(START)).seed(7).build();
    let dead_letter_target = queues.create_queue("dead-letters", &[]).unwrap();
    let policy = RedrivePolicy { dead_letter_target, max_receive_count: 3 };
    let jobs = queues.create_queue("jobs", &[Attribute::RedrivePolicy(Some(policy))]).unwrap();
    (queues, jobs)
}

async fn sdk(queues: &LocalQueue) -> SdkSource {
    SdkSource::connect(queues.client(), "jobs", queues.clock().clone()).await.unwrap()
}

fn send(queues: &LocalQueue, jobs: &QueueArn, body: &str) {
    let blob = MessageAttribute { data_type: "Binary".to_owned(), value: MessageAttributeValue::Binary(vec![0, 255]) };
    let attributes = BTreeMap::from([("kind".to_owned(), MessageAttribute::string("photo")), ("b".to_owned(), blob)]);
    let message = SendMessage {
        attributes: MessageAttributes::parse(attributes, &Limits::STRICT).unwrap(),
        trace_header: Some("Root=1-5f-1".to_owned()),
        group_id: Some("tenant".to_owned()),
        ..SendMessage::new(MessageBody::parse(body).unwrap())
    };
    queues.send(jobs, message).unwrap();
}

/// What happened, with times and whole events but for the receipt handles, and what the counts say.
async fn story<S: Source>(
    queues: &LocalQueue,
    jobs: &QueueArn,
    source: S,
    mapping: &EventSourceMapping,
) -> (Vec<String>, Metrics) {
    let log = Arc::new(Mutex::new(Vec::new()));
    let (told, clock) = (Arc::clone(&log), queues.clock().clone());
    let tell = move |line: String| told.lock().unwrap().push(format!("{} {line}", clock.now()));
    let events = tell.clone();
    let function = InProcess::new(move |invocation: Invocation| {
        let mut event: Value = serde_json::from_slice(&invocation.event).unwrap();
        let mut failed = Vec::new();
        for record in event["Records"].as_array_mut().unwrap() {
            record["receiptHandle"].take();
            if record["body"].as_str().unwrap().starts_with("bad") {
                failed.push(serde_json::json!({"itemIdentifier": record["messageId"]}));
            }
        }
        events(event.to_string());
        async move { Ok(Bytes::from(serde_json::json!({ "batchItemFailures": failed }).to_string())) }
    });
    let clock = queues.clock().clone();
    let (driver, handle) = mapping.connect(source, function, clock.clone()).await.unwrap();
    let driver = driver.seed(1).observe(move |observation| {
        if let Observation::Finished { outcome: BatchOutcome::Failed(failure), .. } = observation {
            tell(format!("{failure}"));
        }
    });
    let running = tokio::spawn(driver.run());
    for (wait, bodies) in [(0, &["good 1", "bad 1", "noise"][..]), (1_300, &["good 2"]), (40_000, &["good 3", "bad 2"])]
    {
        clock.sleep_until(clock.now() + Duration::from_millis(wait)).await;
        for body in bodies {
            send(queues, jobs, body);
        }
    }
    finish(handle.clone(), running).await;
    (std::mem::take(&mut *log.lock().unwrap()), handle.metrics())
}

async fn finish<S: Source>(handle: Handle<S>, running: tokio::task::JoinHandle<()>) {
    handle.drained().await.unwrap();
    handle.stop();
    running.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_mapping_does_the_same_behind_the_sdk_as_in_process() {
    let filter_criteria = FilterCriteria::parse([r#"{"body":[{"anything-but":"noise"}]}"#]).unwrap();
    for window in [0, 3] {
        let mapping = EventSourceMapping {
            report_batch_item_failures: true,
            maximum_batching_window: Duration::from_secs(window),
            filter_criteria: filter_criteria.clone(),
            ..EventSourceMapping::new("resize")
        };
        let (queues_1, jobs) = queues();
        let source = QueueSource::new(queues_1.clone(), jobs.clone());
        let (in_process, counts) = story(&queues_1, &jobs, source, &mapping).await;
        let (queues_2, jobs) = queues();
        let (behind_sdk, sdk_counts) = story(&queues_2, &jobs, sdk(&queues_2).await, &mapping).await;
        assert_eq!(behind_sdk, in_process, "window {window}");
        assert_eq!(sdk_counts, counts);
        assert_eq!((counts.filtered_out, counts.deleted, counts.failed_invoke), (1, 3, 6), "{in_process:#?}");
        let dead = queues_2.queue_attributes(&queues_2.scope().arn("dead-letters")).unwrap();
        assert_eq!(dead.messages, 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_receive_asks_for_the_visibility_timeout_and_ends_with_its_wait() {
    let (queues, jobs) = queues();
    let source = sdk(&queues).await;
    assert_eq!(source.queue_arn(), &jobs);
    assert_eq!(source.visibility_timeout().await.unwrap(), Duration::from_secs(30));
    assert!(source.redrive_policy().await.unwrap().unwrap().contains("\"maxReceiveCount\":3"));
    let request = |millis| Receive {
        max_messages: 10,
        visibility_timeout: Some(Duration::from_secs(77)),
        wait_time: Some(Duration::from_millis(millis)),
        attempt_id: None,
    };
    for millis in [0, 300, 1_000, 2_700, 20_000] {
        let began = queues.clock().now();
        assert_eq!(source.receive(request(millis)).await.unwrap(), []);
        assert_eq!(queues.clock().now().since(began), Duration::from_millis(millis));
    }
    send(&queues, &jobs, "one");
    let received = source.receive(request(1_000)).await.unwrap();
    assert_eq!(received.len(), 1);
    assert_eq!(source.depth().await.unwrap(), Depth { in_flight: 1, ..Depth::default() });
    tokio::time::sleep(Duration::from_millis(76_999)).await;
    assert_eq!(source.depth().await.unwrap().ready, 0);
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(source.depth().await.unwrap().ready, 1);
    // Each entry of a delete has its own result.
    let handles = vec!["garbage".to_owned(), received[0].receipt_handle.clone()];
    let failures = source.delete(handles).await.unwrap();
    assert!(
        matches!(&failures[..], [DeleteFailure { index: 0, error: SourceError::ReceiptHandleIsInvalid }]),
        "{failures:?}"
    );
    assert!(source.depth().await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_goes_wrong_at_the_start_is_said_in_clear_words() {
    let (queues, _) = queues();
    let clock = queues.clock().clone();
    let error =
        SdkSource::connect(queues.client(), "http://q.localhost/123456789012/gone", clock.clone()).await.unwrap_err();
    assert_eq!(error.to_string(), "queue arn:aws:sqs:us-east-1:123456789012:gone does not exist");

    let config = aws_sdk_sqs::config::Builder::new().behavior_version(aws_sdk_sqs::config::BehaviorVersion::latest());
    let config = config.region(aws_sdk_sqs::config::Region::new("us-east-1")).endpoint_url("http://127.0.0.1:1");
    let client = Client::from_conf(config.build());
    let error = SdkSource::connect(client, "jobs", clock.clone()).await.unwrap_err();
    let SourceError::NotAnswered { call: "GetQueueAttributes", queue_url, .. } = &error else { panic!("{error:?}") };
    assert!(queue_url == "jobs" && error.to_string().contains("check that it is an SQS endpoint, the credentials"));

    let nobody = || async { Err(CredentialsError::not_loaded("the profile is empty")) };
    let provider = aws_credential_types::credential_fn::provide_credentials_fn(nobody);
    let client = Client::from_conf(queues.client_config().credentials_provider(provider).build());
    let error = SdkSource::connect(client, "jobs", clock.clone()).await.unwrap_err();
    assert!(matches!(error, SourceError::CredentialsMissing { .. }), "{error:?}");
    assert!(error.to_string().starts_with("no AWS credentials (GetQueueAttributes): set AWS_ACCESS_KEY_ID"), "{error}");

    queues.faults().inject(Fault::lost_response()).unwrap();
    let error = SdkSource::connect(queues.client(), "jobs", clock.clone()).await.unwrap_err();
    assert!(error.to_string().starts_with("jobs cannot be reached (GetQueueAttributes): "), "{error}");
    queues.faults().clear();

    queues.faults().inject(Fault::service_unavailable()).unwrap();
    let error = SdkSource::connect(queues.client(), "jobs", clock).await.unwrap_err();
    assert!(matches!(&error, SourceError::Refused { code, .. } if code == "ServiceUnavailable"), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn a_queue_is_found_by_its_name_as_soon_as_somebody_answers() {
    let (queues, jobs) = queues();
    let clock = queues.clock().clone();
    let find = |queue: QueueArn| {
        let (client, clock) = (queues.client(), clock.clone());
        tokio::spawn(async move { SdkSource::find(client, "http://sqs.localhost", &queue, clock).await })
    };
    assert_eq!(find(jobs.clone()).await.unwrap().unwrap().queue_arn(), &jobs);
    let error = find(queues.scope().arn("gone")).await.unwrap().unwrap_err();
    assert!(matches!(&error, SourceError::QueueDoesNotExist { queue } if queue.name() == "gone"), "{error:?}");

    let fault = queues.faults().inject(Fault::lost_response().on("GetQueueUrl")).unwrap();
    let finding = find(jobs.clone());
    tokio::time::sleep(Duration::from_hours(1)).await;
    assert!(!finding.is_finished());
    let asked = queues.faults().list().iter().find(|active| active.id == fault).unwrap().struck;
    assert!((100..=1_000).contains(&asked), "{asked} requests in an hour");
    queues.faults().clear();
    assert_eq!(finding.await.unwrap().unwrap().queue_arn(), &jobs);
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_survived_and_so_is_a_queue_that_is_made_anew() {
    let (queues, jobs) = queues();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let done = Arc::clone(&seen);
    let function = InProcess::new(move |invocation: Invocation| {
        done.lock().unwrap().push(invocation.event);
        async { Ok(Bytes::new()) }
    });
    let mapping = EventSourceMapping::new("resize");
    let (driver, handle) = mapping.connect(sdk(&queues).await, function, queues.clock().clone()).await.unwrap();
    let errors = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&errors);
    let driver = driver.seed(1).observe(move |observation| {
        if let Observation::ReceiveFailed { error, .. } = observation {
            told.lock().unwrap().push(error.to_string());
        }
    });
    let running = tokio::spawn(driver.run());
    queues.faults().inject(Fault::service_unavailable().on("ReceiveMessage")).unwrap();
    tokio::time::sleep(Duration::from_mins(10)).await;
    let failures = std::mem::take(&mut *errors.lock().unwrap());
    assert!((15..=80).contains(&failures.len()), "{} in ten minutes", failures.len());
    assert!(
        failures.iter().all(|error| error.starts_with("jobs refuses ReceiveMessage: ServiceUnavailable: ")),
        "{failures:?}"
    );
    queues.faults().clear();
    send(&queues, &jobs, "after the outage");
    handle.drained().await.unwrap();

    queues.delete_queue(&jobs).unwrap();
    tokio::time::sleep(Duration::from_mins(5)).await;
    let failures = std::mem::take(&mut *errors.lock().unwrap());
    assert!(failures.contains(&format!("queue {jobs} does not exist")), "{failures:?}");
    queues.create_queue("jobs", &[]).unwrap();
    send(&queues, &jobs, "in the new queue");
    finish(handle, running).await;
    assert_eq!(seen.lock().unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_mapping_of_a_queue_that_went_away_is_refused_in_the_words_of_aws() {
    let (queues, jobs) = queues();
    let source = sdk(&queues).await;
    queues.delete_queue(&jobs).unwrap();
    let function = InProcess::new(|_| async { Ok(Bytes::new()) });
    let refused =
        EventSourceMapping::new("resize").connect(source, function, queues.clock().clone()).await.unwrap_err();
    assert!(matches!(refused, EventSourceMappingError::QueueDoesNotExist { .. }));
    assert_eq!(refused.code(), "InvalidParameterValueException");
}
