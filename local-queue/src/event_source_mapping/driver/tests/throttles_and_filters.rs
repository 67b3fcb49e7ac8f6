//! What the mapping does with messages beside giving them to the function: trying again, dropping, filtering out, cutting
//! batches, keeping groups in order. And how it counts.

use super::*;
use crate::event_source_mapping::{EVENT_BYTES_MAX, FilterCriteria, Metrics};

fn throttled() -> FunctionError {
    FunctionError::Throttled { reason: "ReservedFunctionConcurrentInvocationLimitExceeded".to_owned() }
}

/// A function that is throttled the first times, and then does everything.
fn throttled_at_first(times: usize) -> impl Invoker {
    let calls = AtomicUsize::new(0);
    InProcess::new(move |_| {
        let call = calls.fetch_add(1, Ordering::SeqCst);
        async move { if call < times { Err(throttled()) } else { Ok(Bytes::new()) } }
    })
}

#[tokio::test(start_paused = true)]
async fn a_throttled_batch_is_tried_again_and_its_messages_are_received_once() {
    let world = World::new(1);
    world.send_all(3);
    let running = world.connect(mapping(), throttled_at_first(3)).await;
    let handle = running.handle.clone();
    running.drain_and_stop().await;
    assert!((1..30_000).contains(&world.now_millis()), "before the visibility timeout");
    let log: Vec<String> = world.log().iter().map(|line| line.split_once(' ').unwrap().1.to_owned()).collect();
    let again = ["invoked 3 BatchingWindow", "throttled: ReservedFunctionConcurrentInvocationLimitExceeded"];
    let expected = [&["polled 3"][..], &again, &again, &again, &[again[0], "succeeded", "deleted 3"]].concat();
    assert_eq!(log, expected);
    let expected = Metrics { polled: 3, invoked: 12, deleted: 3, ..Metrics::default() };
    assert_eq!(handle.metrics(), expected, "being throttled is no failure");
}

#[tokio::test(start_paused = true)]
async fn a_function_that_is_always_throttled_spends_the_receives_of_its_messages() {
    let world = World::new(1);
    world.send("one");
    let running = world.connect(mapping(), throttled_at_first(usize::MAX)).await;
    let handle = running.handle.clone();
    running.drain_and_stop().await;
    let log = world.log();
    let told: Vec<&String> = log.iter().filter(|line| line.contains("polled") || line.contains("dropped")).collect();
    let reason =
        "function was throttled until the visibility timeout ended: ReservedFunctionConcurrentInvocationLimitExceeded";
    let expected = [
        "0 polled 1".to_owned(),
        format!("30000 dropped 1: {reason}"),
        "30000 polled 1".to_owned(),
        format!("60000 dropped 1: {reason}"),
        "60000 polled 1".to_owned(),
        format!("90000 dropped 1: {reason}"),
    ];
    assert_eq!(told, expected.iter().collect::<Vec<_>>());
    assert_eq!(world.dead_letters().await, BTreeSet::from(["one".to_owned()]));
    let metrics = handle.metrics();
    assert_eq!((metrics.polled, metrics.dropped, metrics.failed_invoke, metrics.deleted), (3, 3, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn what_the_filter_refuses_is_deleted_unseen_and_the_others_come_as_they_were_sent() {
    let world = World::new(1);
    let wanted = "{ \"kind\" :\t\"photo\", \"n\": 1.50e+00, \"n\": 2 }";
    for body in [wanted, r#"{"kind":"film"}"#, "photo"] {
        world.send(body);
    }
    let seen = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&seen);
    let function = InProcess::new(move |invocation: Invocation| {
        keep.lock().unwrap().extend(records(&invocation).into_iter().map(|(_, body)| body));
        async { Ok(Bytes::new()) }
    });
    let filter_criteria = FilterCriteria::parse([r#"{"body":{"kind":["photo"]}}"#]).unwrap();
    let running = world.connect(EventSourceMapping { filter_criteria, ..mapping() }, function).await;
    let handle = running.handle.clone();
    running.drain_and_stop().await;
    assert_eq!(*seen.lock().unwrap(), [wanted]);
    let expected = ["0 polled 3", "0 filtered out 2", "0 invoked 1 BatchingWindow", "0 succeeded", "0 deleted 1"];
    assert_eq!(world.log(), expected);
    let expected = Metrics { polled: 3, filtered_out: 2, invoked: 1, deleted: 1, ..Metrics::default() };
    assert_eq!(handle.metrics(), expected);
    assert_eq!(
        serde_json::to_string(&handle.metrics()).unwrap(),
        concat!(
            r#"{"PolledEventCount":3,"FilteredOutEventCount":2,"InvokedEventCount":1,"FailedInvokeEventCount":0,"#,
            r#""DroppedEventCount":0,"DeletedEventCount":1,"GivenBackEventCount":0,"FailedBatchCount":{"#,
            r#""function_error":0,"crash":0,"timeout":0,"response_too_large":0,"invalid_response":0}}"#
        )
    );
}

#[tokio::test(start_paused = true)]
async fn a_filter_that_lets_nothing_pass_empties_the_queue() {
    let world = World::new(1);
    world.send_all(250);
    let filter_criteria = FilterCriteria::parse([r#"{"body":["nothing"]}"#]).unwrap();
    let running = world.connect(EventSourceMapping { filter_criteria, ..mapping() }, fails_bad()).await;
    running.drain_and_stop().await;
    assert_eq!((world.depth(), world.now_millis()), ((0, 0), 0));
}

#[tokio::test(start_paused = true)]
async fn no_event_is_larger_than_lambda_takes_and_what_does_not_fit_comes_with_the_next() {
    let world = World::new(1);
    for index in 0..10 {
        world.send(&format!("{index}{}", "x".repeat(1_048_575)));
    }
    let seen = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&seen);
    let function = InProcess::new(move |invocation: Invocation| {
        keep.lock().unwrap().push((invocation.event.len(), records(&invocation).len()));
        async { Ok(Bytes::new()) }
    });
    let running = world.connect(mapping(), function).await;
    let handle = running.handle.clone();
    running.drain_and_stop().await;
    let seen = std::mem::take(&mut *seen.lock().unwrap());
    assert_eq!(seen.iter().map(|(_, records)| *records).collect::<Vec<_>>(), [5, 5]);
    assert!(seen.iter().all(|(bytes, _)| (5 * 1_048_576..EVENT_BYTES_MAX).contains(bytes)), "{seen:?}");
    assert!(world.log().contains(&"0 invoked 5 PayloadSize".to_owned()));
    let expected = Metrics { polled: 10, invoked: 10, deleted: 10, ..Metrics::default() };
    assert_eq!(handle.metrics(), expected, "each was received once");
}

#[tokio::test(start_paused = true)]
async fn groups_of_a_fifo_queue_run_beside_each_other_and_each_in_its_order() {
    let world = World::fifo(1);
    for index in 0..40 {
        for group in ["a", "b", "c"] {
            let body = MessageBody::parse(format!("{group}{index:02}")).unwrap();
            let (group_id, deduplication_id) = (Some(group.to_owned()), Some(format!("{group}{index}")));
            let message = SendMessage { group_id, deduplication_id, ..SendMessage::new(body) };
            world.queues.send(&world.jobs, message).unwrap();
        }
    }
    let done = Arc::new(Mutex::new(Vec::new()));
    let (running_groups, most) = (Arc::new(Mutex::new(BTreeSet::new())), Arc::new(AtomicUsize::new(0)));
    let shared = (Arc::clone(&done), Arc::clone(&running_groups), Arc::clone(&most));
    let function = InProcess::new(move |invocation: Invocation| {
        let (done, running_groups, most) = shared.clone();
        async move {
            let records = records(&invocation);
            let groups: BTreeSet<String> = records.iter().map(|(_, body)| body[..1].to_owned()).collect();
            let count = {
                let mut running = running_groups.lock().unwrap();
                for group in &groups {
                    assert!(running.insert(group.clone()), "group {group} runs twice");
                }
                running.len()
            };
            most.fetch_max(count, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_secs(2)).await;
            running_groups.lock().unwrap().retain(|group| !groups.contains(group));
            // The first time that it comes to b13, the rest of its group is reported too.
            let mut done = done.lock().unwrap();
            let stumbles = !done.contains(&"stumbled".to_owned());
            let at = records.iter().position(|(_, body)| stumbles && body == "b13").unwrap_or(records.len());
            let (good, bad): (Vec<_>, Vec<_>) =
                records.iter().enumerate().partition(|(index, (_, body))| *index < at || !body.starts_with('b'));
            done.extend(good.into_iter().map(|(_, (_, body))| body.clone()));
            done.extend((!bad.is_empty()).then(|| "stumbled".to_owned()));
            Ok(report(bad.into_iter().map(|(_, (id, _))| id)))
        }
    });
    let running = world.connect(EventSourceMapping { batch_size: 7, ..mapping() }, function).await;
    let metrics = running.handle.clone();
    running.drain_and_stop().await;
    let done = done.lock().unwrap();
    for group in ["a", "b", "c"] {
        let order: Vec<&String> = done.iter().filter(|body| body.len() == 3 && body.starts_with(group)).collect();
        let expected: Vec<String> = (0..40).map(|index| format!("{group}{index:02}")).collect();
        assert_eq!(order, expected.iter().collect::<Vec<_>>());
    }
    assert_eq!(most.load(Ordering::SeqCst), 3, "as many at a time as there are groups");
    assert_eq!((metrics.metrics().deleted, world.depth()), (120, (0, 0)));
}

#[tokio::test(start_paused = true)]
async fn concurrency_grows_by_five_a_second_while_there_is_a_backlog() {
    let world = World::new(1);
    world.send_all(2_000);
    let unlimited = EventSourceMapping { function_timeout: Duration::from_secs(20), ..mapping() };
    let running = world.connect(unlimited, takes(world.queues.clock().clone(), Duration::from_secs(15))).await;
    let mut in_flight = Vec::new();
    settle().await;
    for _ in 0..4 {
        in_flight.push(world.depth().1 / 10);
        pass(Duration::from_secs(1)).await;
    }
    assert_eq!(in_flight, [5, 10, 15, 20]);
    running.drain_and_stop().await;
    assert_eq!(world.depth(), (0, 0));
}
