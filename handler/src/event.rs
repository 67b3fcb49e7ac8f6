//! The SQS event, and what a message's body asks for.

pub mod body;

pub use sqs_batch::event::*;
