//! Which messages come into which batch, when it is invoked, and with what.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_message_wakes_the_mapping_at_its_millisecond_and_is_deleted() {
    let world = World::new(1);
    let running = world.connect(mapping(), fails_bad()).await;
    pass(Duration::from_millis(54_321)).await;
    world.send("good");
    settle().await;
    assert_eq!(world.log(), ["54321 polled 1", "54321 invoked 1 BatchingWindow", "54321 succeeded", "54321 deleted 1"]);
    assert_eq!(world.depth(), (0, 0));
    running.drain_and_stop().await;
    assert_eq!(world.now_millis(), 54_321, "neither draining nor stopping waits for a long poll");
}

#[tokio::test(start_paused = true)]
async fn a_window_closes_at_the_exact_millisecond() {
    let world = World::new(1);
    let windowed = EventSourceMapping { maximum_batching_window: Duration::from_secs(7), batch_size: 100, ..mapping() };
    let running = world.connect(windowed, takes(world.queues.clock().clone(), Duration::from_millis(500))).await;
    pass(Duration::from_millis(1_001)).await;
    world.send_all(25);
    pass(Duration::from_millis(5_997)).await;
    world.send("last moment");
    running.handle.drained().await.unwrap();
    let expected = [
        "1001 polled 1",
        "1001 polled 10",
        "1001 polled 10",
        "1001 polled 4",
        "6998 polled 1",
        "7000 invoked 26 BatchingWindow",
        "7500 succeeded",
        "7500 deleted 26",
    ];
    assert_eq!(world.log(), expected);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_batch_takes_no_more_than_its_size() {
    let world = World::new(1);
    world.send_all(23);
    let small = EventSourceMapping { batch_size: 4, ..mapping() };
    let running = world.connect(small, fails_bad()).await;
    running.drain_and_stop().await;
    let sizes: Vec<String> = world.log().into_iter().filter(|line| line.contains("invoked")).collect();
    let full = ["0 invoked 4 BatchSize"; 5];
    assert_eq!(sizes[..5], full);
    assert_eq!(sizes[5..], ["0 invoked 3 BatchingWindow"]);
}

#[tokio::test(start_paused = true)]
async fn no_more_invocations_run_than_the_maximum_concurrency_and_no_message_waits_in_flight() {
    for (maximum, limit) in [(Some(2), 2), (Some(3), 3), (Some(5), 5)] {
        let world = World::new(1);
        world.send_all(200);
        let (running_now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let counted = (Arc::clone(&running_now), Arc::clone(&most));
        let function = InProcess::new(move |_| {
            let (running_now, most) = counted.clone();
            async move {
                most.fetch_max(running_now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                // Work, in paused time, so that invocations overlap.
                tokio::time::sleep(Duration::from_secs(1)).await;
                running_now.fetch_sub(1, Ordering::SeqCst);
                Ok(Bytes::new())
            }
        });
        let running = world.connect(EventSourceMapping { maximum_concurrency: maximum, ..mapping() }, function).await;
        settle().await;
        assert_eq!(world.depth(), (200 - 10 * limit, 10 * limit), "in flight is what is invoked");
        running.drain_and_stop().await;
        assert_eq!(most.load(Ordering::SeqCst), limit);
        assert_eq!(world.now_millis(), 20_usize.div_ceil(limit) as u128 * 1_000, "and it was used all the time");
    }
}

#[tokio::test(start_paused = true)]
async fn with_a_window_messages_stay_hidden_long_enough_for_window_and_function() {
    let world = World::new(1);
    world.send("bad");
    let windowed = EventSourceMapping { maximum_batching_window: Duration::from_secs(25), ..mapping() };
    let running = world.connect(windowed, fails_bad()).await;
    running.drain_and_stop().await;
    let log = world.log();
    // 25 s window + 10 s timeout do not fit into 30 s: 65 s from the receive.
    let polled: Vec<&String> = log.iter().filter(|line| line.contains("polled")).collect();
    assert_eq!(polled, ["0 polled 1", "65000 polled 1", "130000 polled 1"]);
}

#[tokio::test(start_paused = true)]
async fn the_function_gets_its_event_a_request_id_a_deadline_and_its_arn() {
    let world = World::new(1);
    world.send("one");
    let (seen, expected_event) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Vec::new())));
    let keep = Arc::clone(&seen);
    let function = InProcess::new(move |invocation: Invocation| {
        keep.lock().unwrap().push(invocation);
        async { Ok(Bytes::new()) }
    });
    let (driver, handle) = mapping().connect(world.source(), function, world.queues.clock().clone()).await.unwrap();
    let (keep, queue) = (Arc::clone(&expected_event), world.jobs.clone());
    let driver = driver.seed(7).observe(move |observation| {
        if let Observation::Invoked { messages, .. } = observation {
            *keep.lock().unwrap() = event_json(messages, &queue, Duration::ZERO);
        }
    });
    Running { handle, task: tokio::spawn(driver.run()) }.drain_and_stop().await;
    let invocations = std::mem::take(&mut *seen.lock().unwrap());
    let [invocation] = &invocations[..] else { panic!("one invocation: {invocations:?}") };
    assert_eq!(invocation.event, *expected_event.lock().unwrap());
    assert_eq!(invocation.deadline, START + Duration::from_secs(10));
    assert_eq!(&*invocation.function_arn, "arn:aws:lambda:us-east-1:000000000000:function:resize");
    assert_eq!((invocation.request_id.len(), &invocation.request_id[14..15]), (36, "4"));
}
