//! local-queue

pub mod clock;
pub mod engine;
mod local_queue;

pub use self::local_queue::{Builder, LocalQueue};
