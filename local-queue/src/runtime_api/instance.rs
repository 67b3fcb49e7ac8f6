//! One execution environment: a process, its Runtime API and the readers of its outputs, from its start to its end.

use std::{process::ExitStatus, sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    time::{Instant, sleep_until, timeout},
};

use super::{
    bootstrap::BootstrapError,
    configuration::{Configuration, VERSION},
    environment::environment,
    logs::{LineReader, Log},
    process::{Process, describe_end},
    recent::LogSource,
    server::{FunctionIdentity, RuntimeApi},
    session::{ErrorReport, Invoke, Reply, Session},
};

/// How long the log of an invocation may take to be read after its end.
const FLUSH_TIMEOUT: Duration = Duration::from_millis(20);
/// How long a runtime with an internal extension has to end by itself (documented: "Shutdown phase"). Without any
/// extension it has no time and is not asked.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_millis(500);

/// The end of a log stream's name is of its process alone, and so is known in the environment of whatever that starts.
const MARK_BYTES: usize = 32;

/// A process that waits for invocations, or is about to.
#[derive(Debug)]
pub(super) struct Instance {
    process: Process,
    api: RuntimeApi,
    stdout: LineReader,
    stderr: LineReader,
    request_id: watch::Sender<Option<Arc<str>>>,
    memory_peak: Option<u64>,
    /// The process has ended by itself after an answer.
    has_left: bool,
    /// It goes on between invocations.
    is_debugged: bool,
    /// With which state of the code it was started.
    generation: u64,
}

/// How a process that should have gone on ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    TimedOut,
    /// It exited, unless plainly with such words: see [`describe_end`].
    Exited(Option<String>),
    /// It said that it cannot start.
    Reported(ErrorReport),
}

impl Instance {
    /// Starts the program; it has not said anything yet.
    pub(super) async fn start(
        configuration: &Configuration,
        log: &Arc<Log>,
        log_stream: &str,
        request_id: Option<Arc<str>>,
        generation: u64,
    ) -> Result<Self, BootstrapError> {
        let bootstrap = configuration.find()?;
        let identity = FunctionIdentity {
            name: configuration.name.clone(),
            version: VERSION.to_owned(),
            handler: configuration.handler.clone(),
        };
        let fail = |error| BootstrapError::Failed { path: bootstrap.path.clone(), error };
        let api = RuntimeApi::start(identity).await.map_err(fail)?;
        let task_root = bootstrap.task_root.to_string_lossy();
        let environment = environment(configuration, &task_root, api.address(), log_stream);
        let mark = &log_stream[log_stream.len().saturating_sub(MARK_BYTES)..];
        let (process, stdout, stderr) = Process::start(&bootstrap, &environment, mark)?;
        let request_id = watch::Sender::new(request_id);
        let stdout = LineReader::start(stdout, LogSource::Stdout, Arc::clone(log), request_id.subscribe());
        let stderr = LineReader::start(stderr, LogSource::Stderr, Arc::clone(log), request_id.subscribe());
        let is_debugged = configuration.debug;
        let (memory_peak, has_left) = (None, false);
        Ok(Self { process, api, stdout, stderr, request_id, memory_peak, has_left, is_debugged, generation })
    }

    /// Waits until the runtime and its extensions wait for an invocation.
    pub(super) async fn initialise(&mut self, deadline: Instant) -> Result<(), Failure> {
        let mut changes = self.api.session().subscribe();
        let result = tokio::select! {
            biased;
            result = first(&mut changes, Session::init_result) => result.map_err(Failure::Reported),
            status = self.process.ended() => Err(Failure::Exited(describe(status))),
            () = sleep_until(deadline) => Err(Failure::TimedOut),
        };
        if matches!(result, Err(Failure::Reported(_))) {
            // It is to see the answer to its report, and will end by itself.
            let _ = timeout(SHUTDOWN_TIMEOUT, self.process.ended()).await;
        }
        if result.is_err() {
            self.kill().await;
        }
        result
    }

    /// Gives the process an invocation, and waits until it is answered and everything waits again. Then the process is
    /// stopped where it is, as Lambda freezes it; after a failure there is none any more.
    pub(super) async fn invoke(&mut self, invoke: Arc<Invoke>, deadline: Instant) -> Result<Reply, Failure> {
        self.request_id.send_replace(Some(Arc::clone(&invoke.request_id)));
        self.process.thaw();
        self.api.session().send_modify(|session| session.begin(invoke));
        let mut changes = self.api.session().subscribe();
        let ended = tokio::select! {
            // An answer in the last moment counts.
            biased;
            () = first(&mut changes, |session| session.is_finished().then_some(())) => Ok(()),
            status = self.process.ended() => Err(Failure::Exited(describe(status))),
            () = sleep_until(deadline) => Err(Failure::TimedOut),
        };
        if let Err(failure) = ended {
            self.kill().await;
            // What a runtime has answered counts although it does not live to ask for the next invocation (measured on
            // AWS's emulator), unless it lives too long.
            return match self.take_reply() {
                Some(reply) if failure != Failure::TimedOut => {
                    self.has_left = true;
                    Ok(reply)
                }
                _ => Err(failure),
            };
        }
        self.memory_peak = self.process.memory_peak().max(self.memory_peak);
        self.flush().await;
        let reply = self.take_reply();
        if self.is_broken() {
            self.kill().await;
        } else {
            if !self.is_debugged {
                self.process.freeze();
            }
            self.request_id.send_replace(None);
        }
        reply.ok_or(Failure::Exited(None))
    }

    fn take_reply(&self) -> Option<Reply> {
        let mut reply = None;
        self.api.session().send_if_modified(|session| {
            reply = session.take_reply();
            false
        });
        reply
    }

    /// Ends the group at once, and hands on what it had written.
    async fn kill(&mut self) {
        self.memory_peak = self.process.memory_peak().max(self.memory_peak);
        if let Err(error) = self.process.kill().await {
            tracing::warn!(%error, "failed to wait for the end of a function's process");
        }
        self.flush().await;
    }

    async fn flush(&self) {
        let flush = async { tokio::join!(self.stdout.flush(), self.stderr.flush()) };
        let _ = timeout(FLUSH_TIMEOUT, flush).await;
    }

    /// The most memory that the process had in use when it was last looked at, in bytes.
    pub(super) const fn memory_peak(&self) -> Option<u64> {
        self.memory_peak
    }

    /// With which state of the code it was started.
    pub(super) const fn generation(&self) -> u64 {
        self.generation
    }

    /// Whether the process must not be used again although it has answered.
    pub(super) fn is_broken(&self) -> bool {
        self.has_left || self.api.session().borrow().is_broken()
    }

    /// How the process has ended while nobody wanted anything of it, if it has.
    pub(super) fn has_ended(&mut self) -> Option<ExitStatus> {
        self.process.has_ended()
    }

    /// Ends the process as Lambda's shutdown phase does.
    pub(super) async fn shut_down(mut self) {
        let is_told = self.api.session().borrow().has_extensions();
        if is_told {
            self.process.terminate();
            let _ = timeout(SHUTDOWN_TIMEOUT, self.process.ended()).await;
        }
        self.kill().await;
    }
}

fn describe(status: std::io::Result<ExitStatus>) -> Option<String> {
    match status {
        Ok(status) => describe_end(status),
        Err(error) => Some(error.to_string()),
    }
}

/// Waits until something is found in the session.
async fn first<T>(changes: &mut watch::Receiver<Session>, find: impl Fn(&Session) -> Option<T>) -> T {
    loop {
        if let Some(found) = find(&changes.borrow_and_update()) {
            return found;
        }
        if changes.changed().await.is_err() {
            // The session lives as long as its instance, which waits here.
            std::future::pending::<()>().await;
        }
    }
}
