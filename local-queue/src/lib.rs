//! An Amazon SQS emulator: one engine, reached in three ways.
//!
//! | way in | for |
//! | --- | --- |
//! | [`LocalQueue`] | typed calls |
//! | [`LocalQueue::client`] (feature `sdk`) | the real `aws_sdk_sqs::Client`, in process, without a socket |
//! | [`server`] (feature `server`) and the binary `local-queue serve` | any SDK in any language |
//!
//! In a test: [`LocalQueue::virtual_time`] and [`LocalQueue::client`], then the SDK as in production. [`LocalQueue::peek`]
//! looks without touching, [`LocalQueue::faults`] makes go wrong what a client must survive.
//!
//! Time comes from a [`clock::Clock`]: the system's, tokio's - so that a test under `start_paused` jumps through a
//! twelve-hour visibility timeout - or one that a test moves by hand.
//!
//! Where things are, from the inside out:
//! - [`engine`]: queues and messages as a pure state machine, the crate `local-queue-engine`. No clock, no input or output.
//! - `action`, `receipt_handle`, `metrics`: the names of SQS's actions, handles that nobody can make up, what is counted.
//! - `recorded`, `journal`: the engine with what it was asked written down, and kept on the disk.
//! - [`LocalQueue`]: the engine with a lock, a clock and the timer that wakes long polls.
//! - [`protocol`]: AWS JSON 1.0 and Query to engine calls and back; the table of operations, the table of errors.
//! - `client`, [`server`]: what carries the protocol.
//! - [`declaration`], `config`, `template`: queues that are there from the start, written in TOML or in a SAM template.
//! - [`event_source_mapping`]: what gives messages to a function in batches, as Lambda does.
//! - `runtime_api`: functions that are processes, run as Lambda runs them.
//! - `buckets`: S3 beside the queues, whose events come into them.
//! - `apis`: API Gateway before the queues and functions.
//! - `lambda_api`: Lambda's own API for these functions and their mappings.
//! - [`faults`]: what goes wrong on purpose.
//! - `console`: pages for people, which use that API.
//! - `drop_in`: endpoints of LocalStack and ElasticMQ, for tools that know these.
//! - [`developer`]: health, metrics, peeking, the clock and faults over HTTP, beside SQS's own requests.

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
