//! What a function can do wrong, and what becomes of its messages.

use super::*;

#[tokio::test(start_paused = true)]
async fn reported_messages_come_back_at_their_visibility_timeout_and_end_in_the_dead_letter_queue() {
    let world = World::new(1);
    for body in ["good 1", "bad 1", "good 2", "bad 2"] {
        world.send(body);
    }
    let running = world.connect(mapping(), fails_bad()).await;
    running.drain_and_stop().await;
    let expected = [
        "0 polled 4",
        "0 invoked 4 BatchingWindow",
        "0 partially failed {1, 3}",
        "0 deleted 2",
        "30000 polled 2",
        "30000 invoked 2 BatchingWindow",
        "30000 partially failed {0, 1}",
        "60000 polled 2",
        "60000 invoked 2 BatchingWindow",
        "60000 partially failed {0, 1}",
    ];
    assert_eq!(world.log(), expected);
    assert_eq!(world.now_millis(), 90_000, "moved when they would have been received a fourth time");
    assert_eq!(world.dead_letters().await, BTreeSet::from(["bad 1".to_owned(), "bad 2".to_owned()]));
}

/// Runs one batch of three through a function that fails as a whole the first time, and checks that all come back.
async fn fails_whole_batch<Reply>(first_reply: fn(Invocation) -> Reply, reason: &str, ends_at: u64)
where
    Reply: Future<Output = Result<Bytes, FunctionError>> + Send + 'static,
{
    let world = World::new(1);
    world.send_all(3);
    let calls = AtomicUsize::new(0);
    let function = InProcess::new(move |invocation| {
        let reply = (calls.fetch_add(1, Ordering::SeqCst) == 0).then(|| first_reply(invocation));
        async move {
            match reply {
                Some(reply) => reply.await,
                None => Ok(Bytes::new()),
            }
        }
    });
    let running = world.connect(mapping(), function).await;
    running.drain_and_stop().await;
    let expected = [
        "0 polled 3".to_owned(),
        "0 invoked 3 BatchingWindow".to_owned(),
        format!("{ends_at} failed: {reason}"),
        "30000 polled 3".to_owned(),
        "30000 invoked 3 BatchingWindow".to_owned(),
        "30000 succeeded".to_owned(),
        "30000 deleted 3".to_owned(),
    ];
    assert_eq!(world.log(), expected);
}

#[tokio::test(start_paused = true)]
async fn after_a_function_error_nothing_is_deleted_and_the_messages_return() {
    let reply = |_| async { Err(FunctionError::Failed { error_type: "Oops".to_owned(), message: "no".to_owned() }) };
    fails_whole_batch(reply, "function failed with Oops: no", 0).await;
}

#[tokio::test(start_paused = true)]
async fn at_the_function_timeout_the_invocation_is_dropped_and_the_messages_return() {
    let reply = |_| async {
        // Longer than the function's timeout, in paused time.
        tokio::time::sleep(NEVER).await;
        Ok(Bytes::new())
    };
    fails_whole_batch(reply, "function timed out after 10.00 seconds", 10_000).await;
}

#[tokio::test(start_paused = true)]
async fn a_reply_at_the_very_deadline_still_counts() {
    // Many times, because without the rule it would be a matter of chance.
    for _ in 0..20 {
        let world = World::new(1);
        world.send("one");
        let running = world.connect(mapping(), takes(world.queues.clock().clone(), Duration::from_secs(10))).await;
        running.drain_and_stop().await;
        assert_eq!(world.log()[2], "10000 succeeded");
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_panic_nothing_is_deleted_and_the_next_invocation_works() {
    let reply = |_| async {
        // Work before the panic, in paused time.
        tokio::time::sleep(Duration::from_secs(1)).await;
        panic!("the {} failed", "pixels");
    };
    fails_whole_batch(reply, "function crashed: the pixels failed", 1_000).await;
}

#[tokio::test(start_paused = true)]
async fn a_panic_before_the_function_returns_a_future_is_a_crash_too() {
    fn reply(_: Invocation) -> std::future::Ready<Result<Bytes, FunctionError>> {
        panic!("at once")
    }
    fails_whole_batch(reply, "function crashed: at once", 0).await;
}

#[tokio::test(start_paused = true)]
async fn a_malformed_reply_deletes_nothing_although_other_items_are_named_well() {
    let reply = |invocation: Invocation| async move {
        let known = records(&invocation).remove(0).0;
        Ok(report(&[known, "of another batch".to_owned()]))
    };
    let reason = "itemIdentifier \"of another batch\" of batchItemFailures[1] is not in the batch";
    fails_whole_batch(reply, reason, 0).await;
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_is_too_large_is_a_function_error() {
    let reply = |_| async { Ok(Bytes::from(vec![b' '; crate::event_source_mapping::RESPONSE_BYTES_MAX + 1])) };
    let reason = "response payload size (6291557 bytes) exceeded maximum allowed payload size (6291556 bytes)";
    fails_whole_batch(reply, reason, 0).await;
}

#[tokio::test(start_paused = true)]
async fn the_functions_own_visibility_change_of_a_reported_message_survives() {
    let world = World::new(1);
    world.send("bad");
    let queue = world.clone();
    let function = InProcess::new(move |invocation: Invocation| {
        let queue = queue.clone();
        async move {
            let event: serde_json::Value = serde_json::from_slice(&invocation.event).unwrap();
            let record = &event["Records"][0];
            let handle = queue.queues.seal().decode(record["receiptHandle"].as_str().unwrap()).unwrap();
            queue.queues.change_visibility(&queue.jobs, handle, Duration::from_secs(77)).unwrap();
            Ok(report(&[record["messageId"].as_str().unwrap().to_owned()]))
        }
    });
    let running = world.connect(mapping(), function).await;
    running.drain_and_stop().await;
    let polled: Vec<String> = world.log().into_iter().filter(|line| line.contains("polled")).collect();
    assert_eq!(polled, ["0 polled 1", "77000 polled 1", "154000 polled 1"]);
}

#[tokio::test(start_paused = true)]
async fn the_whole_reason_of_a_failed_batch_reaches_the_observer() {
    let world = World::new(1);
    world.send("one");
    let failures = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&failures);
    let function = InProcess::new(|_| async { Ok(Bytes::from_static(b"[]")) });
    let (driver, handle) = mapping().connect(world.source(), function, world.queues.clock().clone()).await.unwrap();
    let driver = driver.observe(move |observation| {
        if let Observation::Finished { outcome: BatchOutcome::Failed(failure), .. } = observation {
            keep.lock().unwrap().push(failure.clone());
        }
    });
    Running { handle, task: tokio::spawn(driver.run()) }.drain_and_stop().await;
    assert_eq!(*failures.lock().unwrap(), vec![BatchFailure::NotAnObject { found: "an array" }; 3]);
}
