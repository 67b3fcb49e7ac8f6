//! Lambda's Runtime API, and the processes that are run by it: a function is an unmodified Lambda program (`bootstrap`),
//! without a container.
//!
//! - [`Function`] is an [`Invoker`](crate::event_source_mapping::Invoker): it has a process for each invocation that
//!   runs, says what happened to it in the log as Lambda does, and counts. Its settings are in `configuration`, which `builder` checks.
//! - `instance` is one process from its start to its end; `process` starts, stops, continues and kills it, with what
//!   `environment` says, and `watchdog` kills it if this process was killed; `bootstrap` looks first whether there is a
//!   program for this machine, and `interpreted` has what runs functions in Python and Node.js; `changes` sees whether code has
//!   changed; `pool` decides which process an invocation gets, and which has waited long enough.
//! - `tree` finds and kills all that a process has started; [`Orphans`] is for a program that has functions and nothing else.
//! - `server` is the Runtime API of one process, on a port of its own; `session` knows what may be asked when, and
//!   `answer` what is said.
//! - `logs` reads what a process writes, of which `recent` keeps the last lines; `report` has the lines that Lambda adds.
//! - [`TemporaryFolder`] is for what is written or unpacked for a function.
//!
//! Rules that hold everywhere:
//! - A process sees nothing of this one: its environment is made from nothing, its input is empty.
//! - An invocation ends when it is answered and the runtime and each extension have asked for the next one; only then
//!   is the process stopped. Whatever an invocation does, it ends at its timeout.
//! - Nothing that a function does makes this process wait without a bound, keep memory without a bound, or start
//!   processes as fast as they die.
//!
//! - A process ends with all that it has started, also with what has left its group or its session.
//!
//! What has left the group is not stopped between invocations. On systems without `/proc` only the group is killed. Memory is
//! measured, not limited.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use local_queue::{
//!     LocalQueue,
//!     event_source_mapping::{EventSourceMapping, QueueSource},
//!     runtime_api::Function,
//! };
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let queues = LocalQueue::builder().build();
//! let jobs = queues.create_queue("jobs", &[])?;
//! let function = Function::builder("resize", "target/lambda/handler")
//!     .timeout(Duration::from_secs(30))
//!     .environment([("FILE_ROOT", "/tmp/photos")])
//!     .build()?;
//! let mapping = EventSourceMapping { function_timeout: function.timeout(), ..EventSourceMapping::new("resize") };
//! let source = QueueSource::new(queues.clone(), jobs);
//! let (driver, _handle) = mapping.connect(source, function.clone(), queues.clock().clone()).await?;
//! driver.run().await;
//! function.shut_down().await;
//! # Ok(())
//! # }
//! ```

mod answer;
mod bootstrap;
mod builder;
mod changes;
mod configuration;
mod environment;
mod function;
mod instance;
mod interpreted;
mod logs;
mod metrics;
#[cfg(unix)]
mod orphans;
mod own_files;
mod pool;
mod process;
mod recent;
mod report;
mod server;
mod session;
mod temporary;
#[cfg(unix)]
mod tree;
#[cfg(unix)]
mod watchdog;

#[cfg(unix)]
pub use self::orphans::{Orphans, kill_all_functions};

pub use self::{
    bootstrap::BootstrapError,
    builder::{Builder, FunctionBuildError},
    configuration::{Credentials, LogFormat},
    function::{Function, Invoked},
    interpreted::{Interpreted, Language},
    logs::{LINE_BYTES_MAX, LogLine, LogSink, QUEUED_BYTES_MAX, StderrSink},
    metrics::{Durations, FunctionMetrics},
    own_files::OwnFiles,
    recent::{LogSource, RECENT_BYTES_MAX, RECENT_LINES_MAX, RecentLine, RecentLog},
    temporary::{TemporaryFolder, remove_temporary_folders},
};
