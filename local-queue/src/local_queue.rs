//! The engine with a clock and a lock: what every way in calls.

mod builder;
mod draining;
#[cfg(feature = "journal")]
mod durable;
mod kept;
mod timers;
mod waiting;

use std::{
    collections::{BTreeMap, HashMap},
    future::poll_fn,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

pub use self::builder::Builder;
#[cfg(feature = "journal")]
pub use self::durable::Durable;
pub(crate) use self::{
    kept::Answered,
    waiting::{ReceiveStart, Waiting},
};
use self::{timers::Timers, waiting::Parked};
use crate::{
    clock::Clock,
    declaration::{self, AutoCreate, DeclarationError, QueueDeclaration, Reconciled},
    engine::{
        Attribute, Delivery, Engine, EngineError, IdSource, Limits, Located, MessageId, Peeked, QueueArn,
        QueueAttributes, QueueName, ReceiptHandle, Receive, Received, Scope, SendMessage, Sent, Time, Uuid, WaiterId,
    },
    faults::{Faults, Shuffle},
    metrics::{Latencies, RequestCounts, Sample, Samplers},
    receipt_handle::Seal,
    recorded::{Journal, Recorded, Tape},
};

/// All queues of one emulator. Clones share them.
///
/// ```
/// use local_queue::{LocalQueue, engine::{MessageBody, Receive, SendMessage}};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), local_queue::engine::EngineError> {
/// let queues = LocalQueue::builder().build();
/// let jobs = queues.create_queue("jobs", &[])?;
/// queues.send(&jobs, SendMessage::new(MessageBody::parse("hello")?))?;
/// let received = queues.receive(&jobs, Receive::default()).await?;
/// assert_eq!(received[0].message.body.as_str(), "hello");
/// queues.delete(&jobs, received[0].receipt_handle)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct LocalQueue {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    clock: Clock,
    limits: Limits,
    scope: Scope,
    /// Which queues are created when a request names them.
    auto_create: Vec<AutoCreate>,
    seal: Seal,
    faults: Faults,
    request_counts: RequestCounts,
    latencies: Latencies,
    samplers: Samplers,
    state: Mutex<State>,
    /// What keeps what is answered, if anything does.
    journal: Option<Arc<Journal>>,
    /// The seed of request ids, and how many there have been.
    requests: (u64, AtomicU64),
}

#[derive(Debug)]
struct State {
    engine: Engine,
    /// What the engine is asked under this lock, for the journal.
    tape: Option<Tape>,
    refusals: Refusals,
    /// The receives that wait.
    parked: HashMap<WaiterId, Parked>,
    timers: Timers,
    /// The queues that a reset makes anew.
    declared: Vec<QueueDeclaration>,
}

/// What has been said of messages that were refused for want of room.
#[derive(Debug, Default)]
struct Refusals {
    seen: u64,
    warned_at: Option<Time>,
}

impl Refusals {
    /// What is to be said of a refusal, at most once in this time.
    const INTERVAL: Duration = Duration::from_secs(60);

    fn warn_of(&mut self, engine: &Engine, now: Time) -> Option<String> {
        let refused = engine.refused_for_room();
        let is_new = refused != std::mem::replace(&mut self.seen, refused);
        if !is_new || self.warned_at.is_some_and(|at| now.since(at) < Self::INTERVAL) {
            return None;
        }
        self.warned_at = Some(now);
        let (bytes, bytes_max) = (engine.stored_bytes(), engine.limits().stored_bytes_max);
        Some(format!(
            "sends are refused: queues and messages take {bytes} bytes of memory, of at most {bytes_max} (--memory-max); \
             they are accepted again when messages are deleted or a queue is purged"
        ))
    }
}

impl LocalQueue {
    /// The way to one with another clock, other limits, or a seed.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Queues for a test in virtual time: they live by tokio's clock, from 2027-01-15 08:00 UTC on, and every identifier is
    /// the same in every run. Under `start_paused` hours pass as soon as nobody has anything to do before they are over.
    ///
    /// ```
    /// use local_queue::LocalQueue;
    ///
    /// # // In a test of yours: #[tokio::test(start_paused = true)]
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let queues = LocalQueue::virtual_time();
    /// queues.create_queue("jobs", &[])?;
    /// let client = queues.client();
    ///
    /// // From here on everything is the AWS SDK's. A queue's name will do as its URL.
    /// client.send_message().queue_url("jobs").message_body("hello").delay_seconds(600).send().await?;
    /// let mut received = Vec::new();
    /// while received.is_empty() {
    ///     let request = client.receive_message().queue_url("jobs").wait_time_seconds(20);
    ///     received = request.send().await?.messages.unwrap_or_default();
    /// }
    /// assert_eq!(received[0].body(), Some("hello"));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn virtual_time() -> Self {
        Self::builder().clock(Clock::tokio(Time::from_millis(1_800_000_000_000))).seed(1).build()
    }

    /// The clock that this emulator lives by.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.shared.clock
    }

    /// The region and account of requests that do not say.
    #[must_use]
    pub fn scope(&self) -> &Scope {
        &self.shared.scope
    }

    /// The limits of requests, for who reads one while the queues are not locked. What is bounded later, waiting receives and
    /// memory, only the engine knows.
    pub(crate) fn limits(&self) -> &Limits {
        &self.shared.limits
    }

    /// Which queues are created when a request names them.
    #[must_use]
    pub fn auto_create(&self) -> &[AutoCreate] {
        &self.shared.auto_create
    }

    /// The faults that are injected on purpose.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.shared.faults
    }

    /// By which receipt handles are written and read.
    pub(crate) fn seal(&self) -> &Seal {
        &self.shared.seal
    }

    /// Has numbers of somebody else shown in the developer's API beside those of the queues. `sampler` is called whenever
    /// somebody looks, and must not block.
    pub fn add_metrics(&self, sampler: impl Fn() -> Vec<Sample> + Send + Sync + 'static) {
        self.shared.samplers.add(Box::new(sampler));
    }

    pub(crate) fn samplers(&self) -> &Samplers {
        &self.shared.samplers
    }

    /// How long requests took.
    pub(crate) fn latencies(&self) -> &Latencies {
        &self.shared.latencies
    }

    /// How often each action was requested.
    pub(crate) fn request_counts(&self) -> &RequestCounts {
        &self.shared.request_counts
    }

    /// Creates a queue in this emulator's own region and account, or finds it.
    pub fn create_queue(&self, name: &str, attributes: &[Attribute]) -> Result<QueueArn, EngineError> {
        self.commit(|engine, now| {
            let name = QueueName::parse(name, engine.limits())?;
            engine.create_queue(now, &self.shared.scope, &name, attributes)
        })
    }

    /// Deletes a queue with its messages.
    pub fn delete_queue(&self, queue: &QueueArn) -> Result<(), EngineError> {
        self.commit(|engine, now| engine.delete_queue(now, queue.as_str()))
    }

    /// What there is to know about a queue.
    pub fn queue_attributes(&self, queue: &QueueArn) -> Result<QueueAttributes, EngineError> {
        self.commit(|engine, now| engine.queue_attributes(now, queue.as_str()))
    }

    /// Changes settings of a queue, all or none.
    pub fn set_queue_attributes(&self, queue: &QueueArn, attributes: &[Attribute]) -> Result<(), EngineError> {
        self.commit(|engine, now| engine.set_queue_attributes(now, queue.as_str(), attributes))
    }

    /// Deletes all messages of a queue.
    pub fn purge_queue(&self, queue: &QueueArn) -> Result<(), EngineError> {
        self.commit(|engine, now| engine.purge_queue(now, queue.as_str()))
    }

    /// All queues of this emulator's own region and account, in the order of their names.
    #[must_use]
    pub fn list_queues(&self) -> Vec<QueueArn> {
        self.call(|engine, _| engine.list_queues(&self.shared.scope, "", None, usize::MAX))
    }

    /// The tags of a queue.
    pub fn tags(&self, queue: &QueueArn) -> Result<BTreeMap<String, String>, EngineError> {
        self.commit(|engine, _| engine.tags(queue.as_str()).cloned())
    }

    /// Adds tags to a queue, all or none; a tag that is there gets the new value.
    pub fn tag_queue(&self, queue: &QueueArn, tags: BTreeMap<String, String>) -> Result<(), EngineError> {
        self.commit(|engine, _| engine.tag_queue(queue.as_str(), tags))
    }

    /// Looks at up to `max` messages of a queue, ready, delayed and in flight alike, the oldest first, after leaving out
    /// `skip`. It changes nothing: no count and no visibility.
    ///
    /// ```
    /// use local_queue::{LocalQueue, engine::{MessageBody, Place, SendMessage}};
    ///
    /// let queues = LocalQueue::builder().build();
    /// let jobs = queues.create_queue("jobs", &[])?;
    /// queues.send(&jobs, SendMessage::new(MessageBody::parse("hello")?))?;
    /// let messages = queues.peek(&jobs, 0, 10)?;
    /// assert_eq!((messages[0].message.body.as_str(), messages[0].place), ("hello", Place::Ready));
    /// assert_eq!(messages[0].receive_count, 0);
    /// # Ok::<(), local_queue::engine::EngineError>(())
    /// ```
    pub fn peek(&self, queue: &QueueArn, skip: usize, max: usize) -> Result<Vec<Peeked>, EngineError> {
        self.commit(|engine, now| engine.peek(now, queue.as_str(), skip, max))
    }

    /// Says where a message is: in the queue, and if it is not visible why and until when; or how it left the queue, if that
    /// was among the [last that left one](Builder::remember_departures). It changes nothing, and looks at every message of
    /// the queue.
    ///
    /// ```
    /// use std::time::Duration;
    /// use local_queue::{LocalQueue, engine::{DepartureCause, Located, MessageBody, Receive, SendMessage, Visibility}};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), local_queue::engine::EngineError> {
    /// let queues = LocalQueue::builder().build();
    /// let jobs = queues.create_queue("jobs", &[])?;
    /// let sent = queues.send(&jobs, SendMessage::new(MessageBody::parse("hello")?))?;
    /// let received = queues.receive(&jobs, Receive::default()).await?;
    /// let Located::Here(message) = queues.locate(&jobs, sent.message_id)? else { panic!("it is there") };
    /// let Visibility::InFlight { until, receive, received_at, .. } = message.visibility else { panic!("it was received") };
    /// assert_eq!((receive, until.since(received_at)), (1, Duration::from_secs(30)));
    ///
    /// queues.delete(&jobs, received[0].receipt_handle)?;
    /// let Located::Gone(departure) = queues.locate(&jobs, sent.message_id)? else { panic!("it was deleted") };
    /// assert_eq!(departure.cause, DepartureCause::Deleted);
    /// # Ok(())
    /// # }
    /// ```
    pub fn locate(&self, queue: &QueueArn, message_id: MessageId) -> Result<Located, EngineError> {
        self.commit(|engine, now| engine.locate(now, queue.as_str(), message_id))
    }

    /// Creates queues that belong together, all or none, in this emulator's own region and account. A reset makes them
    /// anew.
    pub fn declare(&self, queues: &[QueueDeclaration]) -> Result<Vec<QueueArn>, DeclarationError> {
        let mut state = self.shared.lock();
        let now = self.shared.clock.now();
        let created = declaration::create(&mut state.recorded(now), now, &self.shared.scope, queues);
        if created.is_ok() {
            state.declared.extend_from_slice(queues);
        }
        let number = self.shared.finish(state);
        self.wait(number)?;
        created
    }

    /// As [`declare`](Self::declare), of queues some of which may have been kept: these get the attributes and tags of their
    /// declaration, and what was changed is said. What a declaration does not name stays as it is.
    pub fn reconcile(&self, queues: &[QueueDeclaration]) -> Result<Reconciled, DeclarationError> {
        let mut state = self.shared.lock();
        let now = self.shared.clock.now();
        let reconciled = declaration::reconcile(&mut state.recorded(now), now, &self.shared.scope, queues);
        if reconciled.is_ok() {
            state.declared.extend_from_slice(queues);
        }
        let number = self.shared.finish(state);
        self.wait(number)?;
        reconciled
    }

    /// Forgets every queue with its messages, every fault, and what was counted; then creates the declared queues anew.
    /// Names of deleted queues can be used again at once. The clock goes on.
    pub fn reset(&self) {
        let mut state = self.shared.lock();
        let now = self.shared.clock.now();
        let declared = state.declared.clone();
        let mut engine = state.recorded(now);
        engine.reset(now);
        let created = declaration::create(&mut engine, now, &self.shared.scope, &declared);
        // Of a journal that takes nothing any more everybody is told who asks for something.
        created.map_or_else(
            |error| assert!(self.shared.journal.is_some(), "what could be created once can be again: {error}"),
            drop,
        );
        self.shared.finish(state);
        self.shared.faults.reset();
        self.shared.request_counts.clear();
        self.shared.latencies.clear();
    }

    /// Puts a message into a queue.
    pub fn send(&self, queue: &QueueArn, message: SendMessage) -> Result<Sent, EngineError> {
        self.commit(|engine, now| engine.send(now, queue.as_str(), message))
    }

    /// Receives messages, and waits for one if the request or the queue says so. Dropping the future gives up the wait; no
    /// message is lost with it.
    ///
    /// A receive that waits is timed by the tokio runtime that polls it, so that receives of several runtimes can wait for
    /// one emulator, and any of these may end. Outside of a runtime nothing but the calls of others ends a wait.
    pub async fn receive(&self, queue: &QueueArn, request: Receive) -> Result<Vec<Delivery>, EngineError> {
        match self.begin_receive(queue, request)? {
            ReceiveStart::Done(Answered { value, number }) => {
                self.kept(number).await?;
                Ok(value)
            }
            ReceiveStart::Waiting(mut waiting) => poll_fn(|cx| waiting.poll(cx)).await,
        }
    }

    /// As [`receive`](Self::receive), as far as it goes without waiting.
    pub(crate) fn begin_receive(&self, queue: &QueueArn, request: Receive) -> Result<ReceiveStart, EngineError> {
        let faults = &self.shared.faults;
        let reorder = || self.call(|engine, now| faults.reorder(engine, now, queue));
        let shuffle = if faults.is_empty() { None } else { reorder() };
        // What a wait is to give back when its caller goes.
        let attempt_id = request.attempt_id.clone();
        let mut state = self.shared.lock();
        let now = self.shared.clock.now();
        let received = state.recorded(now).receive(now, queue.as_str(), request);
        // Whoever waits is entered before anybody else can answer it.
        if let Ok(Received::Waiting(waiter)) = received {
            let waiting = Waiting::begin(self, state, waiter, (queue.clone(), attempt_id), shuffle);
            return Ok(ReceiveStart::Waiting(Box::new(waiting)));
        }
        let number = self.shared.finish(state);
        match received? {
            Received::Now(deliveries) => {
                Ok(ReceiveStart::Done(Answered { value: self.end_receive(queue, deliveries, shuffle), number }))
            }
            Received::Waiting(waiter) => unreachable!("{waiter:?} has been entered"),
        }
    }

    /// Lets the injected faults of delivery strike what was received.
    fn end_receive(&self, queue: &QueueArn, mut deliveries: Vec<Delivery>, shuffle: Option<Shuffle>) -> Vec<Delivery> {
        if let Some(mut shuffle) = shuffle {
            shuffle.shuffle(&mut deliveries);
        }
        let faults = &self.shared.faults;
        if !faults.is_empty() {
            self.call(|engine, now| faults.duplicate(engine, now, queue, &deliveries));
        }
        deliveries
    }

    /// How many receives wait for a message at this moment.
    #[must_use]
    pub fn waiting_receives(&self) -> usize {
        self.call(|engine, _| engine.waiting_receives())
    }

    /// Takes back what a receive was handed and could not pass on, as if it had not been received.
    pub(crate) fn take_back(&self, queue: &QueueArn, deliveries: &[Delivery], attempt_id: Option<&str>) {
        let handles = deliveries.iter().map(|delivery| delivery.receipt_handle);
        self.call(|engine, now| engine.take_back(now, queue.as_str(), handles, attempt_id));
    }

    /// Deletes a received message.
    pub fn delete(&self, queue: &QueueArn, handle: ReceiptHandle) -> Result<(), EngineError> {
        self.commit(|engine, now| engine.delete(now, queue.as_str(), handle))
    }

    /// Lets a received message become visible `timeout` from now.
    pub fn change_visibility(
        &self,
        queue: &QueueArn,
        handle: ReceiptHandle,
        timeout: Duration,
    ) -> Result<(), EngineError> {
        self.commit(|engine, now| engine.change_visibility(now, queue.as_str(), handle, timeout))
    }

    /// What other sources of identifiers are seeded by.
    #[cfg(any(feature = "apis", feature = "buckets"))]
    pub(crate) fn seed(&self) -> u64 {
        self.shared.requests.0
    }

    /// A new identifier for a request.
    pub(crate) fn next_request_id(&self) -> Uuid {
        let (seed, count) = &self.shared.requests;
        let count = count.fetch_add(1, Ordering::Relaxed);
        Uuid::from_random(IdSource::mix(seed ^ count), IdSource::mix(seed.wrapping_add(count)))
    }

    /// Calls the engine at the present time and carries out the effects: the one way to its state. What is answered may not be
    /// on the disk yet.
    pub(crate) fn call<T>(&self, call: impl FnOnce(&mut Recorded<'_>, Time) -> T) -> T {
        self.begin_call(call).value
    }

    /// As [`call`](Self::call), and says by which record it is to be answered for.
    pub(crate) fn begin_call<T>(&self, call: impl FnOnce(&mut Recorded<'_>, Time) -> T) -> Answered<T> {
        let mut state = self.shared.lock();
        let now = self.shared.clock.now();
        let value = call(&mut state.recorded(now), now);
        let State { engine, refusals, .. } = &mut *state;
        let warning = refusals.warn_of(engine, now);
        let number = self.shared.finish(state);
        if let Some(warning) = warning {
            tracing::warn!("{warning}");
        }
        Answered { value, number }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic inside the engine is a bug that must not be papered over by going on with half-changed state.
        self.state.lock().expect("no call into the engine has panicked")
    }

    /// Carries out the effects of a call, lets the state go, and says up to which record.
    fn finish(self: &Arc<Self>, mut state: MutexGuard<'_, State>) -> u64 {
        let number = state.drain();
        let State { engine, timers, .. } = &mut *state;
        let timer = timers.start_for_moves(engine);
        drop(state);
        if let Some(timer) = timer {
            timer.run(self);
        }
        number
    }
}
