//! Amazon SQS as a pure state machine: queues, messages, long polls, redrive.
//!
//! It has no clock, randomness, async, socket or file, and no log without the feature `tracing`. Its contract:
//! - **Time is an argument.** Every call says what time it is; time never runs backwards. What became true since the
//!   last call (a delay ended, a wait was over) happens first, each at its own moment.
//! - **Effects are results.** After a call, take [`Engine::poll_output`] until it is empty: these are the answers to
//!   receives that were waiting.
//! - **The next wake-up is a result.** Call [`Engine::advance`] no later than [`Engine::next_wakeup`]. There is one
//!   only while a receive waits or messages are being moved: a queue that nobody waits for needs no timer.
//! - **Nothing is scanned.** Every call costs O(log n) in messages, queues and waiting receives, amortised over the
//!   messages that it moves.
//!
//! Whatever drives it - `local-queue`, a simulation, a fuzzer - owns the clock and carries out the effects.
//!
//! Where things are, from the ground up:
//! - `time`, `ids`, `limits`, `characters`, `arn`, `attributes`, `error`, `names`, `settings`, `message_attribute`,
//!   `message`, `visibility`: the words of SQS, parsed once.
//! - `slab`, `ordered_set`, `order`: where messages lie and how they are ordered.
//! - `standard`, `fifo`: which message is next, fair between tenants or in order within groups.
//! - `queue`: one queue, with its `quota` and its `move_task`s; `waiters`: receives that wait; `footprint`: memory.
//! - `history`: what becomes of messages, as far as somebody wants to know.
//! - `engine`: all queues; its actions in a file for each kind.
//! - `canary` (feature `canaries`): bugs that can be planted, for the tests that must find them.
//!
//! ```
//! use local_queue_engine::{Engine, Limits, MessageBody, QueueName, Receive, Received, Scope, SendMessage, Time};
//!
//! let mut engine = Engine::new(Limits::STRICT, 1);
//! let now = Time::from_millis(1_000);
//! let name = QueueName::parse("jobs", &Limits::STRICT)?;
//! let queue = engine.create_queue(now, &Scope::default(), &name, &[])?;
//! engine.send(now, queue.as_str(), SendMessage::new(MessageBody::parse("hello")?))?;
//! let Received::Now(deliveries) = engine.receive(now, queue.as_str(), Receive::default())? else { panic!("it is there") };
//! assert_eq!(deliveries[0].message.body.as_str(), "hello");
//! engine.delete(now, queue.as_str(), deliveries[0].receipt_handle)?;
//! # Ok::<(), local_queue_engine::EngineError>(())
//! ```

/// Whether a bug is planted at this place, which needs the feature `canaries`.
#[cfg(feature = "canaries")]
macro_rules! canary {
    ($name:ident) => {
        crate::canary::is_planted(crate::canary::Canary::$name)
    };
}
#[cfg(not(feature = "canaries"))]
macro_rules! canary {
    ($name:ident) => {
        false
    };
}

mod arn;
mod attributes;
#[cfg(feature = "canaries")]
pub mod canary;
mod characters;
pub mod codec;
mod counts;
mod engine;
mod error;
mod fifo;
mod footprint;
mod history;
mod ids;
mod limits;
mod message;
mod message_attribute;
mod move_task;
mod names;
mod order;
mod ordered_set;
mod queue;
mod quota;
mod settings;
mod slab;
mod standard;
#[cfg(test)]
mod tests;
mod time;
mod visibility;
mod waiters;

pub use self::{
    arn::{QueueArn, Scope},
    attributes::{
        Attribute, AttributeName, DeduplicationScope, FifoThroughputLimit, RedriveAllowPolicy, RedrivePolicy,
    },
    counts::{MessageSizes, QueueCounts},
    engine::{Command, Engine, Fingerprint, Located, Output, Peeked, Received},
    error::{EngineError, MessageAttributeProblem, MoveTaskProblem},
    history::{Deleted, Departure, DepartureCause},
    ids::{IdSource, MessageId, Uuid},
    limits::Limits,
    message::{Delivery, Message, MessageBody, QueueNumber, ReceiptHandle, Receive, SendMessage, Sent, SequenceNumber},
    message_attribute::{MessageAttribute, MessageAttributeValue, MessageAttributes},
    move_task::{MoveTask, MoveTaskStatus, TaskId},
    names::QueueName,
    queue::Traffic,
    quota::QuotaAction,
    settings::{FifoSettings, QueueAttributes, QueueSettings},
    time::Time,
    visibility::{Place, Visibility},
    waiters::WaiterId,
};
