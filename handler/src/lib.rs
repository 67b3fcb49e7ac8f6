//! Resizes images for jobs from an SQS queue, as an AWS Lambda or wherever else a queue is worked on.
//!
//! The way of a batch through the crate, and where each part lives:
//!
//! ```text
//! sqs_batch    the crate that reads an SQS event and runs its jobs, whatever they are
//!   event::body  what a message's body asks for
//!   resize       one job: fetch, probe, spend, render, store
//!     storage    s3://, file:// below a root; memory:// for tests
//!     pixels     the crate `image-renditions`: bytes in, bytes out
//! ```
//!
//! Beside them: [`job`] is the schema of a job, [`budget`] is time and memory as values that are spent, [`settings`] is the
//! environment, and [`telemetry`] logs and metrics.

#![warn(clippy::print_stdout, clippy::print_stderr)] // they panic when nobody reads: write by `local_queue_terminal`

pub mod budget;
pub mod event;
pub mod job;
pub mod resize;
pub mod settings;
pub mod storage;
pub mod telemetry;

pub use image_renditions as pixels;
pub use sqs_batch::{aws, batch, dead_letter, failure, worker};
