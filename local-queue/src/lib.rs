//! An Amazon SQS emulator: one engine, reached in three ways.
//!
//! | way in | for |
//! | --- | --- |
//! | [`LocalQueue`] | typed calls |
//! | [`LocalQueue::client`] (feature `sdk`) | the real `aws_sdk_sqs::Client`, in process, without a socket |
//! | [`server`] (feature `server`) and the binary `local-queue serve` | any SDK in any language |
//!
//! Time comes from a [`clock::Clock`]: the system's, tokio's - so that a test under `start_paused` jumps through a
//! twelve-hour visibility timeout - or one that a test moves by hand.
//!
//! Where things are, from the inside out:
//! - [`engine`]: queues and messages as a pure state machine. No clock, no input or output.
//! - [`LocalQueue`]: the engine with a lock, a clock and the timer that wakes long polls.
//! - [`protocol`]: AWS JSON 1.0 to engine calls and back; the table of operations, the table of errors.
//! - `client`, [`server`]: what carries the protocol.

#[cfg(feature = "sdk")]
mod client;
pub mod clock;
pub mod engine;
pub mod event_source_mapping;
mod local_queue;
pub mod protocol;
#[cfg(feature = "server")]
pub mod server;

pub use self::local_queue::{Builder, LocalQueue};
