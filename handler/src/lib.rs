//! Resizes images for jobs from an SQS queue, as an AWS Lambda or wherever else a queue is worked on.
//!
//! The way of a batch through the crate, and where each part lives:
//!
//! ```text
//! event        the SQS event, record by record; event::body: what a message's body asks for
//!   batch      runs the jobs, keeps order, deadline and neighbours safe, makes the partial batch response
//!     resize   one job: fetch, probe, spend, render, store
//!       storage    s3://, file:// below a root; memory:// for tests
//!       pixels     the crate `image-renditions`: bytes in, bytes out
//!   dead_letter    where hopeless messages go, and when others come back
//! ```
//!
//! Beside them: [`job`] is the schema of a job, [`failure`] says whose fault a failure is and whether a retry can help,
//! [`budget`] is time and memory as values that are spent, [`settings`] is the environment, [`aws`] the SDK's configuration,
//! [`telemetry`] logs and metrics, and [`worker`] the pull worker, which needs no Lambda.
//!
//! [`batch`] knows nothing of images and can be used for any other kind of job: see its example, and `examples/`.

#![warn(clippy::print_stdout, clippy::print_stderr)] // they panic when nobody reads: write by `local_queue_terminal`

pub mod aws;
pub mod batch;
pub mod budget;
pub mod dead_letter;
pub mod event;
pub mod failure;
pub mod job;
pub mod resize;
pub mod settings;
pub mod storage;
pub mod telemetry;
pub mod worker;

pub use image_renditions as pixels;
