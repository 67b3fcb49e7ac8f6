//! Queues that go wrong, or are not there.

use super::*;

#[tokio::test(start_paused = true)]
async fn nothing_spins_while_the_queue_is_empty() {
    let world = World::new(1);
    let receives = Arc::new(AtomicUsize::new(0));
    let source = Faulty { inner: world.source(), receives: Arc::clone(&receives), fault: Fault::None };
    let (driver, handle) = mapping().connect(source, fails_bad(), world.queues.clock().clone()).await.unwrap();
    let task = tokio::spawn(driver.run());
    pass(Duration::from_mins(10)).await;
    handle.stop();
    task.await.unwrap();
    assert_eq!(receives.load(Ordering::SeqCst), 31, "one long poll of 20 seconds after the other");
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_cannot_be_reached_is_tried_ever_more_slowly() {
    let world = World::new(1);
    let receives = Arc::new(AtomicUsize::new(0));
    let source = Faulty { inner: world.source(), receives: Arc::clone(&receives), fault: Fault::Receive };
    let (driver, handle) = mapping().connect(source, fails_bad(), world.queues.clock().clone()).await.unwrap();
    let task = tokio::spawn(driver.run());
    pass(Duration::from_mins(10)).await;
    handle.stop();
    task.await.unwrap();
    let receives = receives.load(Ordering::SeqCst);
    assert!((25..=80).contains(&receives), "{receives}: every 15 seconds on average");
}

#[tokio::test(start_paused = true)]
async fn messages_that_cannot_be_deleted_are_told_and_come_back() {
    let world = World::new(1);
    world.send_all(2);
    let source = Faulty { inner: world.source(), receives: Arc::default(), fault: Fault::Delete };
    let (driver, handle) = mapping().connect(source, fails_bad(), world.queues.clock().clone()).await.unwrap();
    let log = Arc::clone(&world.log);
    let driver = driver.observe(move |observation| log.lock().unwrap().push(line(observation)));
    let task = tokio::spawn(driver.run());
    settle().await;
    let expected = ["polled 2", "invoked 2 BatchingWindow", "succeeded", "delete failed 2: queue jobs is on fire"];
    assert_eq!(world.log(), expected);
    assert_eq!(world.depth(), (0, 2));
    handle.stop();
    task.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_mapping_is_refused_with_the_words_of_aws() {
    let world = World::new(1);
    let clock = world.queues.clock().clone();
    let slow = EventSourceMapping { function_timeout: Duration::from_mins(1), ..mapping() };
    let error = slow.connect(world.source(), fails_bad(), clock.clone()).await.unwrap_err();
    assert_eq!(error.to_string(), "Queue visibility timeout: 30 seconds is less than Function timeout: 60 seconds");
    let equal = EventSourceMapping { function_timeout: VISIBILITY_TIMEOUT, ..mapping() };
    assert!(equal.connect(world.source(), fails_bad(), clock.clone()).await.is_ok());

    world.queues.delete_queue(&world.jobs).unwrap();
    let error = mapping().connect(world.source(), fails_bad(), clock).await.unwrap_err();
    assert!(matches!(error, EventSourceMappingError::QueueDoesNotExist { .. }));
    assert_eq!(
        error.to_string(),
        "Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. SQS Error \
         Message: The specified queue does not exist."
    );
}

/// A source that goes wrong in one way.
pub(super) struct Faulty {
    inner: QueueSource,
    receives: Arc<AtomicUsize>,
    fault: Fault,
}

#[derive(PartialEq)]
enum Fault {
    None,
    Receive,
    Delete,
    GiveBack,
}

impl Faulty {
    /// Does everything but give back.
    pub(super) fn give_back(inner: QueueSource) -> Self {
        Self { inner, receives: Arc::default(), fault: Fault::GiveBack }
    }
}

fn on_fire() -> SourceError {
    SourceError::Other("queue jobs is on fire".into())
}

impl Source for Faulty {
    fn queue_arn(&self) -> &QueueArn {
        self.inner.queue_arn()
    }

    async fn visibility_timeout(&self) -> Result<Duration, SourceError> {
        self.inner.visibility_timeout().await
    }

    async fn receive(&self, request: Receive) -> Result<Vec<SourceMessage>, SourceError> {
        self.receives.fetch_add(1, Ordering::SeqCst);
        if self.fault == Fault::Receive {
            return Err(on_fire());
        }
        self.inner.receive(request).await
    }

    async fn delete(&self, receipt_handles: Vec<String>) -> Result<Vec<DeleteFailure>, SourceError> {
        if self.fault == Fault::Delete {
            return Err(on_fire());
        }
        self.inner.delete(receipt_handles).await
    }

    async fn give_back(&self, receipt_handles: Vec<String>) -> Result<Vec<DeleteFailure>, SourceError> {
        if self.fault == Fault::GiveBack {
            return Err(on_fire());
        }
        self.inner.give_back(receipt_handles).await
    }

    async fn depth(&self) -> Result<Depth, SourceError> {
        self.inner.depth().await
    }
}
