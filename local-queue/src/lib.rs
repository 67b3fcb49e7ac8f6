//! An Amazon SQS emulator: one engine, reached in three ways.
//!
//! | way in | for |
//! | --- | --- |
//! | [`LocalQueue`] | typed calls |
//! | [`LocalQueue::client`] (feature `sdk`) | the real `aws_sdk_sqs::Client`, in process, without a socket |
//! | [`server`] (feature `server`) and the binary `local-queue serve` | any SDK in any language |
//!
//! In a test: [`LocalQueue::virtual_time`] and [`LocalQueue::client`], then the SDK as in production. [`LocalQueue::peek`]
//! reads messages without receiving them; [`LocalQueue::faults`] injects the failures that a client must survive.
//!
//! Time comes from a [`clock::Clock`]: the system clock, tokio's clock (a test under `start_paused` passes a twelve-hour
//! visibility timeout at once), or a manual clock that a test moves.
//!
//! The modules, from the inside out:
//! - [`engine`]: queues and messages as a pure state machine, the crate `local-queue-engine`. No clock, no I/O.
//! - `action`, `receipt_handle`, `metrics`: the names of SQS's actions, unforgeable receipt handles, counters.
//! - `recorded`, `journal`: the engine with a log of its commands, on the disk.
//! - [`LocalQueue`]: the engine with a lock, a clock and the timer that wakes long polls.
//! - [`protocol`]: AWS JSON 1.0 and Query to engine calls and back; the table of operations, the table of errors.
//! - `client`, [`server`]: the transports of the protocol.
//! - [`declaration`], `config`, `template`: queues created at start, declared in TOML or in a SAM template.
//! - [`event_source_mapping`]: invokes a function with batches of messages, as Lambda does.
//! - `runtime_api`: functions as processes, run through Lambda's Runtime API.
//! - `buckets`: S3 beside the queues, with event notifications.
//! - `apis`: API Gateway in front of queues and functions.
//! - `lambda_api`: the Lambda API for these functions and their mappings.
//! - [`faults`]: injected faults.
//! - `drop_in`: endpoints of LocalStack and ElasticMQ, for tools that use them.
//! - [`developer`]: endpoints that SQS lacks: health, metrics, peeking, the clock and faults, over HTTP.
//! - `console`: the web console, a client of `developer`.
//!
//! # Glossary
//!
//! One term for one thing, in code, messages and documentation:
//!
//! | term | meaning |
//! | --- | --- |
//! | queue, message | as in SQS |
//! | ready, delayed, in flight | the three places of a message: it can be received, its delay runs, its visibility timeout runs |
//! | visibility timeout | the time from a receive until the message becomes visible again |
//! | receive count | the number of times that a message was received |
//! | release | to set the visibility timeout of a received message to 0, so that it is visible at once |
//! | retry | another receive of a message after a failed attempt |
//! | dead letter | a message in a dead-letter queue, moved there by a redrive policy or sent there with its reason |
//! | redrive | to send dead letters back to a queue |
//! | group, tenant | the messages with one `MessageGroupId`: in order on a FIFO queue, served fairly on a standard one |
//! | mapping | an event source mapping: reads a queue and invokes a function |
//! | batch | the messages of one invocation |
//! | function, instance | a Lambda function; one process of it |
//! | partial batch response | the function's reply that names the failed messages of its batch |
//! | injected fault | a failure that a test or a developer asked for |
//! | virtual time | a clock that a test moves, or tokio's paused clock |

#![warn(clippy::print_stdout, clippy::print_stderr)] // they panic when nobody reads: write by `local_queue_terminal`

mod action;
#[cfg(feature = "apis")]
pub mod apis;
#[cfg(feature = "buckets")]
pub mod buckets;
#[cfg(feature = "sdk")]
mod client;
pub mod clock;
#[cfg(feature = "config")]
pub mod config;
#[cfg(all(feature = "console", feature = "server"))]
mod console;
pub mod declaration;
pub mod developer;
#[cfg(feature = "server")]
mod drop_in;
pub mod event_source_mapping;
pub mod faults;
#[cfg(feature = "journal")]
pub mod journal;
mod json;
#[cfg(feature = "server")]
pub mod lambda_api;
mod local_queue;
#[cfg_attr(not(feature = "server"), expect(dead_code, reason = "only a server shares out memory"))]
mod memory;
mod metrics;
pub mod protocol;
mod receipt_handle;
mod recorded;
#[cfg(feature = "functions")]
pub mod runtime_api;
#[cfg(feature = "server")]
pub mod server;
#[cfg(feature = "template")]
pub mod template;

pub use local_queue_engine as engine;

#[cfg(feature = "journal")]
pub use self::local_queue::Durable;
pub use self::{
    faults::Fault,
    local_queue::{Builder, LocalQueue},
};
