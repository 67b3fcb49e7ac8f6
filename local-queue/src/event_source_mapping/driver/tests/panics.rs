//! Panics of what the mapping runs: of the function, around it, and of the queue.

use super::*;

/// Panics outside of the function's own future while `panics` is more than zero.
struct Careless {
    panics: AtomicUsize,
}

impl Invoker for Careless {
    async fn invoke(&self, _: Invocation) -> Result<Bytes, FunctionError> {
        Ok(Bytes::new())
    }

    fn enforces_timeout(&self) -> bool {
        let left = self.panics.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        assert!(left.is_err(), "nobody expected this");
        false
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_an_invoker_fails_its_batch_and_no_other() {
    let world = World::new(1);
    world.send_all(25);
    let one = EventSourceMapping { maximum_concurrency: Some(2), ..mapping() };
    let running = world.connect(one, Careless { panics: AtomicUsize::new(1) }).await;
    pass(Duration::from_secs(1)).await;
    assert_eq!(world.depth(), (0, 10), "the batch of the panic waits for its visibility timeout");
    let failed = world.log().into_iter().find(|line| line.contains("failed")).unwrap();
    assert_eq!(failed, "0 failed: function crashed: nobody expected this");
    running.handle.drained().await.unwrap();
    let metrics = running.handle.metrics();
    assert_eq!((metrics.failed_batches.crash, metrics.deleted), (1, 25));
    running.stop().await;
}

/// Panics in each action, as often as `panics` says.
struct Shaky {
    inner: QueueSource,
    receive: AtomicUsize,
    delete: AtomicUsize,
    give_back: AtomicUsize,
}

fn panic_while(left: &AtomicUsize) {
    let left = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
    assert!(left.is_err(), "the queue fell over");
}

impl Source for Shaky {
    fn queue_arn(&self) -> &QueueArn {
        self.inner.queue_arn()
    }

    async fn visibility_timeout(&self) -> Result<Duration, SourceError> {
        self.inner.visibility_timeout().await
    }

    async fn receive(&self, request: Receive) -> Result<Vec<SourceMessage>, SourceError> {
        panic_while(&self.receive);
        self.inner.receive(request).await
    }

    async fn delete(&self, receipt_handles: Vec<String>) -> Result<Vec<DeleteFailure>, SourceError> {
        panic_while(&self.delete);
        self.inner.delete(receipt_handles).await
    }

    async fn give_back(&self, receipt_handles: Vec<String>) -> Result<Vec<DeleteFailure>, SourceError> {
        panic_while(&self.give_back);
        self.inner.give_back(receipt_handles).await
    }

    async fn depth(&self) -> Result<Depth, SourceError> {
        self.inner.depth().await
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_a_queue_is_a_failed_request_that_is_tried_again() {
    let world = World::new(1);
    world.send_all(2);
    let one = || AtomicUsize::new(1);
    let source = Shaky { inner: world.source(), receive: one(), delete: one(), give_back: one() };
    let clock = world.queues.clock().clone();
    let (driver, handle) = mapping().connect(source, fails_bad(), clock).await.unwrap();
    let log = Arc::clone(&world.log);
    let driver = driver.seed(1).observe(move |observation| log.lock().unwrap().push(line(observation)));
    let task = tokio::spawn(driver.run());
    handle.drained().await.unwrap();
    handle.stop();
    task.await.unwrap();
    let expected = [
        "receive failed: the source panicked: the queue fell over",
        "polled 2",
        "invoked 2 BatchingWindow",
        "succeeded",
        "delete failed 2: the source panicked: the queue fell over",
        "polled 2",
        "invoked 2 BatchingWindow",
        "succeeded",
        "deleted 2",
    ];
    assert_eq!(world.log(), expected);
}
