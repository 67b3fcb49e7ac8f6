//! The operations of SQS: one row each.

mod auto_create;
mod batches;
#[cfg(feature = "server")]
mod looked;
mod messages;
mod move_tasks;
mod queues;

use std::{borrow::Cow, cell::Cell};

use bytes::Bytes;
use http::Request;

#[cfg(feature = "server")]
pub(super) use self::looked::Looked;
pub(super) use self::messages::Receiving;
#[cfg(feature = "console")]
pub(crate) use self::move_tasks::handle as move_task_handle;
use super::{Caller, document::Document, error::WireError, fields::Fields, queue_url};
use crate::{
    LocalQueue,
    action::Action,
    engine::{QueueArn, Scope, Time},
    faults::EntryFailures,
    local_queue::Answered,
    recorded::Recorded,
};

/// One request on its way to the engine.
pub(super) struct Call<'a> {
    pub(super) queues: &'a LocalQueue,
    /// Where the client has found us; not known of an API's actions, which show no URL.
    pub(super) request: Option<&'a Request<Bytes>>,
    /// The client of a server, if it is one.
    pub(super) caller: Option<&'a Caller>,
    /// The region and account that the request comes from.
    pub(super) scope: Cow<'a, Scope>,
    pub(super) fields: Fields<'a>,
    /// The queue that the request's own path names, for those that name it nowhere else.
    pub(super) path: &'a str,
    /// The X-Ray trace of the request itself.
    pub(super) trace_header: Option<&'a str>,
    /// The entries that an injected fault lets fail, if the request is a batch.
    pub(super) failed_entries: Option<&'a EntryFailures>,
    /// The record after which this may be answered.
    pub(super) number: &'a Cell<u64>,
}

impl Call<'_> {
    /// Calls the engine, whose answer is given when it is on the disk.
    fn call<T>(&self, call: impl FnOnce(&mut Recorded<'_>, Time) -> T) -> T {
        let Answered { value, number } = self.queues.begin_call(call);
        self.answer_for(number);
        value
    }

    fn answer_for(&self, number: u64) {
        self.number.set(self.number.get().max(number));
    }

    /// The ARN of the queue that `QueueUrl` names, or else the path.
    fn queue(&self) -> Result<QueueArn, WireError> {
        let url = self.fields.text("QueueUrl")?.unwrap_or(Cow::Borrowed(self.path));
        Ok(queue_url::queue(&url, &self.scope))
    }

    /// The URL of a queue, as this client reaches it.
    fn queue_url(&self, queue: &QueueArn) -> Document {
        let endpoint = self.request.map(queue_url::endpoint).unwrap_or_default();
        Document::Text(format!("{endpoint}/{}/{}", queue.account(), queue.name()))
    }
}

/// What an operation answers: nothing at all, or a document.
pub(super) type Answer = Result<Option<Document>, WireError>;

/// What comes of an operation at once.
pub(super) enum Outcome {
    Answer(Option<Document>),
    /// A receive waits, for messages or for the memory to show them.
    Receiving(Box<Receiving>),
}

/// Carries an action out. An operation is added here and nowhere else.
pub(super) fn run(action: Action, call: &Call<'_>) -> Result<Outcome, WireError> {
    auto_create::create(action, call)?;
    let answer = match action {
        Action::AddPermission => queues::add_permission(call),
        Action::CancelMessageMoveTask => move_tasks::cancel_message_move_task(call),
        Action::ChangeMessageVisibility => messages::change_message_visibility(call),
        Action::ChangeMessageVisibilityBatch => batches::change_message_visibility_batch(call),
        Action::CreateQueue => queues::create_queue(call),
        Action::DeleteMessage => messages::delete_message(call),
        Action::DeleteMessageBatch => batches::delete_message_batch(call),
        Action::DeleteQueue => queues::delete_queue(call),
        Action::GetQueueAttributes => queues::get_queue_attributes(call),
        Action::GetQueueUrl => queues::get_queue_url(call),
        Action::ListDeadLetterSourceQueues => queues::list_dead_letter_source_queues(call),
        Action::ListMessageMoveTasks => move_tasks::list_message_move_tasks(call),
        Action::ListQueueTags => queues::list_queue_tags(call),
        Action::ListQueues => queues::list_queues(call),
        Action::PurgeQueue => queues::purge_queue(call),
        Action::ReceiveMessage => return messages::receive_message(call),
        Action::RemovePermission => queues::remove_permission(call),
        Action::SendMessage => messages::send_message(call),
        Action::SendMessageBatch => batches::send_message_batch(call),
        Action::SetQueueAttributes => queues::set_queue_attributes(call),
        Action::StartMessageMoveTask => move_tasks::start_message_move_task(call),
        Action::TagQueue => queues::tag_queue(call),
        Action::UntagQueue => queues::untag_queue(call),
    };
    answer.map(Outcome::Answer)
}
