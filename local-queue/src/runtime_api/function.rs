//! A function of which processes are started as invocations need them.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, Weak},
    time::Duration,
};

use bytes::Bytes;
use tokio::time::{Instant, sleep_until};

use super::{
    bootstrap::BootstrapError,
    changes::{Code, fingerprint},
    configuration::{Configuration, VERSION},
    instance::{Failure, Instance},
    logs::Log,
    metrics::{Counters, FunctionMetrics, count},
    pool::Pool,
    process::describe_end,
    recent::RecentLog,
    report::{self, Report},
    session::{Invoke, Reply},
};
use crate::{
    clock::Clock,
    engine::IdSource,
    event_source_mapping::{FunctionError, Invocation, Invoker},
};

/// A function that is an unmodified Lambda program (`bootstrap`), run as Lambda runs it.
///
/// Each invocation has a process of its own: one that waits, or a new one as long as fewer run than may. A process is
/// stopped between invocations, killed at its timeout, and replaced when it has ended. Clones share the processes,
/// which end when the last of them is gone; [`shut_down`](Self::shut_down) lets them end in their own way.
#[derive(Clone, Debug)]
pub struct Function {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    configuration: Configuration,
    log: Arc<Log>,
    counters: Counters,
    running: Mutex<Running>,
    pool: Mutex<Pool<Instance>>,
    ids: Mutex<IdSource>,
    /// If a change of it replaces processes.
    code: Option<Mutex<Code>>,
    /// Itself, for the task that ends processes that nobody needs.
    me: Weak<Self>,
}

/// When the invocations that run have begun.
#[derive(Debug, Default)]
struct Running {
    begun: u64,
    since: BTreeMap<u64, Instant>,
}

/// The right to run one invocation.
struct Slot<'a> {
    running: &'a Mutex<Running>,
    number: u64,
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        lock(self.running).since.remove(&self.number);
    }
}

/// An invocation that has begun, told in the log if it is dropped.
struct UnfinishedInvocation<'a> {
    shared: &'a Shared,
    request_id: &'a Arc<str>,
    is_over: bool,
}

impl Drop for UnfinishedInvocation<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            let text = format!("RequestId: {} was given up; its process is killed", self.request_id);
            self.shared.log.platform(Some(self.request_id), text);
        }
    }
}

/// A process for an invocation.
struct Acquired {
    instance: Instance,
    /// If it was started before the invocation began: how long that took.
    init_duration: Option<Duration>,
    /// When the invocation began.
    began: Instant,
}

/// What came of an invocation, and what stands beside its reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invoked {
    /// The reply.
    pub reply: Result<Bytes, FunctionError>,
    /// What the function itself has written about its failure, which need not be JSON.
    pub error_document: Option<Bytes>,
    /// The end of its log, at most 4 KiB, if it was asked for.
    pub log_tail: Vec<u8>,
}

/// How an invocation ended.
struct Ended {
    reply: Result<Bytes, FunctionError>,
    error_document: Option<Bytes>,
    duration: Duration,
    init_duration: Option<Duration>,
    memory_peak: Option<u64>,
    status: Option<(&'static str, Option<String>)>,
}

impl Function {
    /// A function whose settings are checked, and whose log is taken.
    pub(super) fn new(configuration: Configuration, log: Log) -> Self {
        let code = configuration.code().map(|root| Mutex::new(Code::new(root, Instant::now())));
        let shared = Arc::new_cyclic(|me| Shared {
            pool: Mutex::new(Pool::new(configuration.keep_warm)),
            configuration,
            log: Arc::new(log),
            counters: Counters::default(),
            running: Mutex::default(),
            ids: Mutex::new(IdSource::seeded(fastrand::u64(..))),
            code,
            me: Weak::clone(me),
        });
        Self { shared }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.shared.configuration.name
    }

    /// How long an invocation may take.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.shared.configuration.timeout
    }

    /// What has come of its invocations so far.
    #[must_use]
    pub fn metrics(&self) -> FunctionMetrics {
        let Shared { counters, running, log, .. } = &*self.shared;
        counters.snapshot(lock(running).since.len() as u64, log.dropped_lines())
    }

    /// The last lines of its log.
    #[must_use]
    pub fn recent_log(&self) -> Arc<RecentLog> {
        Arc::clone(self.shared.log.recent())
    }

    /// How long the invocation has run that has run longest; nothing if none runs.
    #[must_use]
    pub fn longest_running(&self) -> Option<Duration> {
        lock(&self.shared.running).since.values().next().map(Instant::elapsed)
    }

    /// Runs it once, and tells what stands beside its reply; the end of the log only if `with_log`.
    pub async fn invoke_told(&self, invocation: Invocation, with_log: bool) -> Invoked {
        // The state of an invocation is large, and there is one.
        Box::pin(self.shared.run(invocation, with_log)).await
    }

    /// Ends the processes that wait, each with the time that Lambda gives it, and those that run when they are done. No
    /// invocation begins any more. Waits for a moment until the log is taken.
    pub async fn shut_down(&self) {
        let waiting = lock(&self.shared.pool).close();
        end_all(waiting).await;
        self.shared.configuration.clean_up();
        self.shared.log.flush().await;
    }
}

async fn end_all(instances: Vec<Instance>) {
    let ending = instances.into_iter().map(|instance| tokio::spawn(instance.shut_down())).collect::<Vec<_>>();
    for instance in ending {
        let _ = instance.await;
    }
}

impl Invoker for Function {
    async fn invoke(&self, invocation: Invocation) -> Result<Bytes, FunctionError> {
        self.invoke_told(invocation, false).await.reply
    }

    fn enforces_timeout(&self) -> bool {
        true
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("nobody panics with it in hand")
}

impl Shared {
    async fn run(&self, invocation: Invocation, with_log: bool) -> Invoked {
        let _slot = match self.take_slot() {
            Ok(slot) => slot,
            Err(error) => return Invoked { reply: Err(error), error_document: None, log_tail: Vec::new() },
        };
        let request_id: Arc<str> = invocation.request_id.as_str().into();
        let mut begun = UnfinishedInvocation { shared: self, request_id: &request_id, is_over: false };
        count(&self.counters.invocations);
        let tail = with_log.then(|| self.log.tail(&request_id));
        let ended = self.run_begun(invocation, &request_id).await;
        begun.is_over = true;
        self.tell_end(&request_id, &ended);
        let log_tail = tail.map(|tail| tail.bytes()).unwrap_or_default();
        Invoked { reply: ended.reply, error_document: ended.error_document, log_tail }
    }

    fn take_slot(&self) -> Result<Slot<'_>, FunctionError> {
        let is_closed = lock(&self.pool).is_closed();
        let mut running = lock(&self.running);
        if running.since.len() < self.configuration.concurrency_max as usize && !is_closed {
            let number = running.begun;
            running.begun += 1;
            running.since.insert(number, Instant::now());
            return Ok(Slot { running: &self.running, number });
        }
        drop(running);
        count(&self.counters.throttles);
        let reason = "ReservedFunctionConcurrentInvocationLimitExceeded".to_owned();
        Err(FunctionError::Throttled { reason })
    }

    async fn run_begun(&self, invocation: Invocation, request_id: &Arc<str>) -> Ended {
        let acquired = match self.acquire(request_id).await {
            Ok(acquired) => acquired,
            Err(ended) => return ended,
        };
        let Acquired { mut instance, init_duration, began } = acquired;
        let deadline = began + self.configuration.time_to_run();
        let invoke = self.describe(invocation, Arc::clone(request_id), deadline);
        let result = instance.invoke(Arc::new(invoke), deadline).await;
        let memory_peak = instance.memory_peak();
        let ended = match result {
            Ok(reply) => {
                let duration = began.elapsed();
                self.lives();
                self.keep(instance).await;
                let mut error_document = None;
                let (reply, status) = match reply {
                    Reply::Response(payload) => (Ok(payload), None),
                    Reply::Error(report) => {
                        error_document = Some(report.document);
                        (Err(FunctionError::Failed { error_type: report.error_type, message: report.message }), None)
                    }
                    Reply::TooLarge { bytes } => {
                        let error = FunctionError::ResponseTooLarge { bytes };
                        let error_type = error.error_type().to_owned();
                        self.log.platform(Some(request_id), report::too_large(request_id, bytes));
                        (Err(error), Some(("error", Some(error_type))))
                    }
                };
                Ended { reply, error_document, duration, init_duration, memory_peak, status }
            }
            Err(failure) => {
                if !matches!(failure, Failure::TimedOut) {
                    self.died();
                }
                self.failed(request_id, failure, began)
            }
        };
        Ended { init_duration, memory_peak, ..ended }
    }

    /// A process that waits for an invocation, or else a new one.
    async fn acquire(&self, request_id: &Arc<str>) -> Result<Acquired, Ended> {
        self.look_for_changes().await;
        while let Some(mut instance) = self.pop() {
            let Some(status) = instance.has_ended() else {
                self.tell_start(request_id);
                return Ok(Acquired { instance, init_duration: None, began: Instant::now() });
            };
            let end = describe_end(status);
            let end = end.as_deref().unwrap_or("exit status 0");
            self.log.platform(None, format!("a process ended between two invocations: {end}"));
        }
        self.start(request_id).await
    }

    /// Ends the processes that wait if the code is not any more what they were started with.
    async fn look_for_changes(&self) {
        let Some(code) = &self.code else { return };
        let Some(root) = lock(code).begin_look(Instant::now()) else { return };
        let Ok(found) = tokio::task::spawn_blocking(move || fingerprint(&root)).await else { return };
        if lock(code).saw(found) {
            let waiting = lock(&self.pool).drain();
            let count = waiting.len();
            let text =
                format!("the code has changed: {count} warm process{} replaced", if count == 1 { "" } else { "es" });
            self.log.platform(None, text);
            end_all(waiting).await;
        }
    }

    /// The state of the code that a process starts with.
    fn generation(&self) -> u64 {
        self.code.as_ref().map_or(0, |code| lock(code).generation())
    }

    fn pop(&self) -> Option<Instance> {
        lock(&self.pool).take()
    }

    /// Starts a process: in the time of the initialisation, and if that fails, again in the time of the invocation.
    async fn start(&self, request_id: &Arc<str>) -> Result<Acquired, Ended> {
        let start_at = lock(&self.pool).start_at();
        if let Some(start_at) = start_at.filter(|at| *at > Instant::now()) {
            sleep_until(start_at).await;
        }
        count(&self.counters.cold_starts);
        let started = Instant::now();
        let first = self.start_until(request_id, started + self.configuration.time_to_start()).await;
        let began = Instant::now();
        let init_duration = began - started;
        self.counters.add_init(init_duration);
        let failure = match first {
            Ok(instance) => {
                self.tell_start(request_id);
                return Ok(Acquired { instance, init_duration: Some(init_duration), began });
            }
            Err(StartFailure::Bootstrap(error)) => {
                self.died();
                self.tell_start(request_id);
                return Err(self.cannot_start(request_id, &error, began));
            }
            Err(StartFailure::Init(failure)) => failure,
        };
        self.tell_init(None, init_duration, "init", &failure);
        self.tell_start(request_id);
        match self.start_until(request_id, began + self.configuration.time_to_run()).await {
            Ok(instance) => Ok(Acquired { instance, init_duration: None, began }),
            Err(StartFailure::Bootstrap(error)) => {
                self.died();
                Err(self.cannot_start(request_id, &error, began))
            }
            Err(StartFailure::Init(failure)) => {
                self.died();
                self.tell_init(Some(request_id), began.elapsed(), "invoke", &failure);
                Err(self.failed(request_id, failure, began))
            }
        }
    }

    async fn start_until(&self, request_id: &Arc<str>, deadline: Instant) -> Result<Instance, StartFailure> {
        let log_stream = self.log_stream();
        let request_id = Some(Arc::clone(request_id));
        let mut instance = Instance::start(&self.configuration, &self.log, &log_stream, request_id, self.generation())
            .await
            .map_err(StartFailure::Bootstrap)?;
        match instance.initialise(deadline).await {
            Ok(()) => Ok(instance),
            Err(failure) => Err(StartFailure::Init(failure)),
        }
    }

    /// Lets a process wait for the next invocation.
    async fn keep(&self, instance: Instance) {
        if instance.is_broken() {
            return;
        }
        if instance.generation() != self.generation() {
            instance.shut_down().await;
            return;
        }
        let (superfluous, is_first) = {
            let mut pool = lock(&self.pool);
            let is_first = pool.next_expiry().is_none();
            (pool.put(Instant::now(), instance), is_first)
        };
        match superfluous {
            Some(instance) => instance.shut_down().await,
            None if is_first => drop(tokio::spawn(end_idle(Weak::clone(&self.me)))),
            None => {}
        }
    }

    fn lives(&self) {
        lock(&self.pool).lives();
    }

    fn died(&self) {
        lock(&self.pool).died(Instant::now());
    }

    fn describe(&self, invocation: Invocation, request_id: Arc<str>, deadline: Instant) -> Invoke {
        let Invocation { event, function_arn, .. } = invocation;
        // The function has the time of the machine, whatever the queue's clock says.
        let now = Clock::wall_now();
        let mut ids = lock(&self.ids);
        let (high, low, parent) = (ids.next_u64() >> 32, ids.next_u64(), ids.next_u64());
        let root = format!("1-{:08x}-{high:08x}{low:016x}", now.as_secs());
        Invoke {
            request_id,
            invocation_id: ids.next_uuid().to_string(),
            deadline: now + deadline.saturating_duration_since(Instant::now()),
            function_arn,
            trace_id: format!("Root={root};Parent={parent:016x};Sampled=0"),
            event,
        }
    }

    fn log_stream(&self) -> String {
        let seconds = i64::try_from(Clock::wall_now().as_secs()).unwrap_or_default();
        let date = time::OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(time::OffsetDateTime::UNIX_EPOCH);
        let (year, month, day) = (date.year(), u8::from(date.month()), date.day());
        let mut ids = lock(&self.ids);
        format!("{year}/{month:02}/{day:02}/[{VERSION}]{:016x}{:016x}", ids.next_u64(), ids.next_u64())
    }

    fn cannot_start(&self, request_id: &Arc<str>, error: &BootstrapError, began: Instant) -> Ended {
        self.log.platform(Some(request_id), error.to_string());
        let (error_type, message) =
            ("Runtime.InvalidEntrypoint".to_owned(), format!("RequestId: {request_id} Error: {error}"));
        let status = Some(("error", Some(error_type.clone())));
        let reply = Err(FunctionError::Failed { error_type, message });
        let (error_document, duration) = (None, began.elapsed());
        Ended { reply, error_document, duration, init_duration: None, memory_peak: None, status }
    }

    fn failed(&self, request_id: &Arc<str>, failure: Failure, began: Instant) -> Ended {
        let mut error_document = None;
        let (status, reply) = match failure {
            Failure::TimedOut => {
                count(&self.counters.timeouts);
                let timeout = self.configuration.timeout;
                self.log.platform(Some(request_id), report::timed_out(request_id, timeout));
                (("timeout", None), FunctionError::TimedOut { timeout })
            }
            Failure::Exited(end) => {
                let message = report::exit_message(request_id, end.as_deref());
                self.log.platform(Some(request_id), message.clone());
                (("error", Some("Runtime.ExitError".to_owned())), FunctionError::Crashed { message })
            }
            Failure::Reported(report) => {
                error_document = Some(report.document);
                let status = ("error", Some(report.error_type.clone()));
                (status, FunctionError::Failed { error_type: report.error_type, message: report.message })
            }
        };
        let duration = began.elapsed();
        let (reply, status) = (Err(reply), Some(status));
        Ended { reply, error_document, duration, init_duration: None, memory_peak: None, status }
    }

    fn tell_start(&self, request_id: &Arc<str>) {
        self.log.platform(Some(request_id), report::start(request_id));
    }

    fn tell_init(&self, request_id: Option<&Arc<str>>, duration: Duration, phase: &str, failure: &Failure) {
        let (status, error_type) = match failure {
            Failure::TimedOut => ("timeout", None),
            Failure::Exited(_) => ("error", Some("Runtime.ExitError")),
            Failure::Reported(report) => ("error", Some(report.error_type.as_str())),
        };
        self.log.platform(request_id, report::init_report(duration, phase, status, error_type));
    }

    fn tell_end(&self, request_id: &Arc<str>, ended: &Ended) {
        self.counters.add_duration(ended.duration);
        if let Some(bytes) = ended.memory_peak {
            self.counters.saw_memory(bytes);
        }
        if ended.reply.is_err() {
            count(&self.counters.errors);
        }
        let report = Report {
            request_id,
            duration: ended.duration,
            init_duration: ended.init_duration,
            memory_mib: self.configuration.memory_mib,
            memory_peak_bytes: ended.memory_peak,
            status: ended.status.as_ref().map(|(status, error_type)| (*status, error_type.as_deref())),
        };
        self.log.platform(Some(request_id), report::end(request_id));
        self.log.platform(Some(request_id), report.line());
    }
}

/// Why no process is available.
enum StartFailure {
    Bootstrap(BootstrapError),
    Init(Failure),
}

/// Ends processes that have waited long enough, until none waits.
async fn end_idle(function: Weak<Shared>) {
    loop {
        let Some(shared) = function.upgrade() else { return };
        let (expired, next_expiry) = {
            let mut pool = lock(&shared.pool);
            (pool.expired(Instant::now()), pool.next_expiry())
        };
        drop(shared);
        end_all(expired).await;
        match next_expiry {
            Some(at) => sleep_until(at).await,
            None => return,
        }
    }
}
