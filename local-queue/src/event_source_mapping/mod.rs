//! Lambda's event source mapping for SQS: takes messages from a queue, gives them to a function in batches, and deletes
//! what the function has done.
//!
//! - [`Planner`] decides, purely: time is an argument, effects and the next wake-up are results.
//! - [`Driver`] carries out what the planner decides, on a [`Source`] (the queue) and an [`Invoker`] (the function).
//! - [`FilterCriteria`] says which messages the function gets, [`BatchOutcome`] what its reply means for each of them.
//! - [`Handle`] stops a mapping, waits for it, and reads its [`Metrics`].
//!
//! Sources: [`QueueSource`] is a queue of this process, `SdkSource` (feature `sdk`) any that the AWS SDK reaches.
//!
//! Rules that hold everywhere:
//! - Nothing is deleted before the function has said that it is done, or the filter that nobody wants it.
//! - While it runs, the mapping only receives and deletes. A visibility timeout that the function changed stays as the
//!   function changed it; redrive to a dead-letter queue is done by the queue.
//! - When it stops, what it has received and the function has not seen to the end becomes visible again.
//! - What works as it was told to, and probably not as it was meant to, leaves a line once: see `advice`.
//! - Each batch that fails as a whole leaves a line in the log that says why, at the level `warn`. A panic of the invoker
//!   or the source is such a failure, and nothing else ends by it.
//! - No message is received that cannot be invoked at the end of its batching window, but for what does not fit into an
//!   event of [`EVENT_BYTES_MAX`]: that begins the next batch.
//! - A dropped message ([`DropReason`]) becomes visible again at the end of its visibility timeout.
//! - Of a message group of a FIFO queue at most one batch is with the function.
//!
//! What of AWS's behaviour is recorded, documented or decided here is in the crate's README.
//!
//! ```
//! use bytes::Bytes;
//! use local_queue::{
//!     LocalQueue,
//!     engine::{MessageBody, SendMessage},
//!     event_source_mapping::{EventSourceMapping, InProcess, Invocation, QueueSource},
//! };
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let queues = LocalQueue::builder().build();
//! let jobs = queues.create_queue("jobs", &[])?;
//! queues.send(&jobs, SendMessage::new(MessageBody::parse("hello")?))?;
//!
//! let mapping = EventSourceMapping { report_batch_item_failures: true, ..EventSourceMapping::new("resize") };
//! let function = InProcess::new(|invocation: Invocation| async move {
//!     assert!(invocation.event.starts_with(b"{\"Records\":["));
//!     Ok(Bytes::from_static(b"{\"batchItemFailures\":[]}"))
//! });
//! let source = QueueSource::new(queues.clone(), jobs);
//! let (driver, handle) = mapping.connect(source, function, queues.clock().clone()).await?;
//! let running = tokio::spawn(driver.run());
//! handle.drained().await?;
//! handle.stop();
//! running.await?;
//! # Ok(())
//! # }
//! ```

mod advice;
mod driver;
mod event;
pub mod filter;
mod handle;
mod invoker;
mod mapping;
mod metrics;
mod outage;
mod planner;
mod response;
mod scaling;
mod source;

#[cfg(feature = "server")]
pub(crate) use self::invoker::invoke_caught;
#[cfg(feature = "sdk")]
pub use self::source::SdkSource;
pub use self::{
    driver::{Driver, Observation},
    event::{EVENT_BYTES_MAX, event_json, record_bytes},
    filter::{FilterCriteria, FilterError},
    handle::{DrainError, Handle},
    invoker::{FunctionError, InProcess, Invocation, Invoker, RESPONSE_BYTES_MAX},
    mapping::{EventSourceMapping, EventSourceMappingError, ProvisionedPollers, ScaleUp},
    metrics::{FailedBatches, Metrics},
    planner::{Arrival, Batch, BatchId, CloseReason, DropReason, Planner, PlannerAction, PlannerSettings, Settled},
    response::{BatchFailure, BatchOutcome},
    scaling::Scaling,
    source::{DeleteFailure, Depth, ENTRIES_MAX, QueueSource, Source, SourceError, SourceMessage, SystemAttributes},
};
