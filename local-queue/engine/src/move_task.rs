//! Message move tasks, as the API reports them.

use crate::{QueueArn, Time, Uuid};

/// The identifier of a task: a UUID, like that of a message.
pub type TaskId = Uuid;

/// How a task is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MoveTaskStatus {
    /// It is moving messages.
    Running,
    /// Nothing is left that could be moved.
    Completed,
    /// It was cancelled.
    Cancelled,
    /// A message could not be moved.
    Failed {
        /// Why, in AWS's words.
        reason: &'static str,
    },
}

/// A task that moves messages away from a dead-letter queue.
#[derive(Clone, Debug)]
pub struct MoveTask {
    /// Its identifier.
    pub id: TaskId,
    /// Where to; `None` moves every message to the queue that gave it up.
    pub destination: Option<QueueArn>,
    /// Messages a second; as fast as possible when absent.
    pub messages_per_second: Option<u32>,
    /// When it started.
    pub started_at: Time,
    /// How it is doing.
    pub status: MoveTaskStatus,
    /// Messages moved so far.
    pub moved: u64,
    /// Messages that were there to be moved when it started.
    pub to_move: u64,
    /// When the next message moves, while it runs; by which the engine knows it.
    pub(crate) next_at: Option<Time>,
}
