//! Resizes images for jobs from an SQS queue, as an AWS Lambda function or as a worker on any SQS endpoint.
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
//!
//! # Glossary
//!
//! One term for one thing, in code, messages and documentation:
//!
//! | term | meaning |
//! | --- | --- |
//! | job | one message's work: a source and its outputs |
//! | source, target | the location of the original image; the location of an output |
//! | output | an entry of a job's `outputs`: one image or document to make |
//! | rendition | the image made for an output; also its template in the setting `RENDITIONS` |
//! | location | `s3://bucket/key` or `file:///path` |
//! | batch, record | the messages of one invocation; one of them, as it stands in the event |
//! | attempt | one run of a job |
//! | retry | another attempt, after the message became visible again |
//! | lease | a message that a worker holds, with a visibility timeout that the worker extends |
//! | release | to end a lease, so that the message is visible at once |
//! | dead letter | a message in the dead-letter queue: unchanged, with the reason in its attributes |
//! | redrive | to send dead letters back to a queue |
//! | kind, blame | the stable word for a failure; whose fault it is |
//! | deadline | the instant at which an invocation ends |

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
