//! Stopping, dropping and waiting for an empty queue.

use super::*;

#[tokio::test(start_paused = true)]
async fn stopping_lets_running_invocations_end_and_loses_nothing() {
    let world = World::new(1);
    world.send_all(35);
    let two = EventSourceMapping { maximum_concurrency: Some(2), ..mapping() };
    let running = world.connect(two, takes(world.queues.clock().clone(), Duration::from_secs(4))).await;
    pass(Duration::from_secs(5)).await;
    assert_eq!(world.depth(), (0, 15), "the second round is running");
    world.send("after the stop");
    running.stop().await;
    assert_eq!(world.now_millis(), 8_000);
    assert_eq!(world.depth(), (1, 0), "what was running is done and deleted, the rest is untouched");
}

#[tokio::test(start_paused = true)]
async fn stopping_gives_back_what_an_open_window_has_collected() {
    let world = World::new(1);
    world.send("one");
    let windowed = EventSourceMapping { maximum_batching_window: Duration::from_mins(5), ..mapping() };
    let running = world.connect(windowed, fails_bad()).await;
    pass(Duration::from_secs(1)).await;
    running.stop().await;
    assert_eq!(world.log(), ["0 polled 1", "1000 given back 1"]);
    assert_eq!(world.depth(), (1, 0), "it can be received at once");
}

#[tokio::test(start_paused = true)]
async fn stopping_at_once_ends_running_invocations_and_gives_their_messages_back() {
    let world = World::new(1);
    world.send_all(15);
    let running = world.connect(mapping(), takes(world.queues.clock().clone(), Duration::from_secs(9))).await;
    pass(Duration::from_secs(1)).await;
    running.handle.stop();
    pass(Duration::from_secs(1)).await;
    assert_eq!(world.depth(), (0, 15), "the first word is not the last: what runs goes on");
    running.handle.stop_at_once();
    // A word that says less than the one before changes nothing.
    let handle = running.handle.clone();
    running.stop().await;
    assert_eq!(world.now_millis(), 2_000);
    assert_eq!(world.depth(), (15, 0));
    let metrics = handle.metrics();
    assert_eq!((metrics.given_back, metrics.deleted, metrics.failed_invoke), (15, 0, 15));
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_cannot_give_back_does_not_hold_a_stop_up() {
    let world = World::new(1);
    world.send("one");
    let source = sources::Faulty::give_back(world.source());
    let clock = world.queues.clock().clone();
    let function = takes(clock.clone(), Duration::from_secs(9));
    let (driver, handle) = mapping().connect(source, function, clock).await.unwrap();
    let log = Arc::clone(&world.log);
    let driver = driver.observe(move |observation| log.lock().unwrap().push(line(observation)));
    let task = tokio::spawn(driver.run());
    settle().await;
    handle.stop_at_once();
    task.await.unwrap();
    assert_eq!(world.now_millis(), 0);
    assert_eq!(world.log().last().unwrap(), "give back failed 1: queue jobs is on fire");
    assert_eq!(world.depth(), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn dropping_the_driver_gives_the_messages_back_at_their_visibility_timeout() {
    let world = World::new(1);
    world.send("one");
    let running = world.connect(mapping(), takes(world.queues.clock().clone(), Duration::from_secs(9))).await;
    pass(Duration::from_secs(1)).await;
    running.task.abort();
    assert!(matches!(running.handle.drained().await, Err(DrainError::Stopped)));
    running.handle.stopped().await;
    pass(Duration::from_secs(29)).await;
    assert_eq!(world.depth(), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn drained_waits_for_delayed_messages_and_those_in_flight_elsewhere() {
    let world = World::new(1);
    let body = MessageBody::parse("later").unwrap();
    let delayed = SendMessage { delay: Some(Duration::from_secs(40)), ..SendMessage::new(body) };
    world.queues.send(&world.jobs, delayed).unwrap();
    let running = world.connect(mapping(), fails_bad()).await;
    running.handle.drained().await.unwrap();
    assert_eq!(world.now_millis(), 40_000);

    running.handle.stop();
    running.task.await.unwrap();
    world.send("elsewhere");
    let other = world.queues.receive(&world.jobs, Receive::default()).await.unwrap();
    let running = world.connect(mapping(), fails_bad()).await;
    let (queues, jobs) = (world.queues.clone(), world.jobs.clone());
    tokio::spawn(async move {
        // At a moment of paused time that the test can name.
        tokio::time::sleep(Duration::from_millis(12_345)).await;
        queues.delete(&jobs, other[0].receipt_handle).unwrap();
    });
    running.drain_and_stop().await;
    assert_eq!(world.now_millis(), 53_000, "noticed within a second");
}

#[tokio::test(start_paused = true)]
async fn drained_waits_for_an_invocation_whose_messages_are_gone_already() {
    let world = World::new(1);
    world.send("one");
    let queue = world.clone();
    let function = InProcess::new(move |_| {
        let queue = queue.clone();
        async move {
            queue.queues.purge_queue(&queue.jobs).unwrap();
            tokio::time::sleep(Duration::from_millis(4_567)).await;
            Ok(Bytes::new())
        }
    });
    let running = world.connect(mapping(), function).await;
    pass(Duration::from_secs(1)).await;
    running.handle.drained().await.unwrap();
    assert_eq!(world.now_millis(), 4_567);
    running.stop().await;
}
