//! The operations of SQS: one row each.

mod batches;
mod messages;
mod move_tasks;
mod queues;

use std::{pin::Pin, sync::OnceLock};

use super::{Caller, caller::Reserved, document::Document, error::WireError, fields::Fields, queue_url};
use crate::{
    LocalQueue,
    engine::{QueueArn, Scope},
    faults::EntryFailures,
};

/// One request on its way to the engine.
pub(super) struct Call<'a> {
    pub(super) queues: &'a LocalQueue,
    /// The client of a server, if it is one.
    pub(super) caller: Option<&'a Caller>,
    /// The memory for the answer, if it is long.
    pub(super) reserved: OnceLock<Reserved>,
    /// The region and account that the request comes from.
    pub(super) scope: Scope,
    /// What queue URLs in the answer begin with: `http://localhost:9324`.
    pub(super) endpoint: &'a str,
    pub(super) fields: Fields<'a>,
    /// The queue that the request's own path names, for those that name it nowhere else.
    pub(super) path: &'a str,
    /// The X-Ray trace of the request itself.
    pub(super) trace_header: Option<&'a str>,
    /// The entries that an injected fault lets fail, if the request is a batch.
    pub(super) failed_entries: Option<&'a EntryFailures>,
}

impl Call<'_> {
    /// The ARN of the queue that `QueueUrl` names, or else the path.
    fn queue(&self) -> Result<QueueArn, WireError> {
        let url = self.fields.text("QueueUrl")?.unwrap_or(std::borrow::Cow::Borrowed(self.path));
        Ok(queue_url::queue(&url, &self.scope))
    }

    fn queue_url(&self, queue: &QueueArn) -> String {
        format!("{}/{}/{}", self.endpoint, queue.account(), queue.name())
    }
}

/// What an operation answers: nothing at all, or a document.
pub(super) type Answer = Result<Option<Document>, WireError>;

/// How an operation is carried out.
enum Run {
    /// At once.
    Now(fn(&Call<'_>) -> Answer),
    /// Perhaps after a wait.
    Waiting(for<'a> fn(&'a Call<'a>) -> Pin<Box<dyn Future<Output = Answer> + Send + 'a>>),
}

/// An operation of SQS.
pub(super) struct Operation {
    pub(super) name: &'static str,
    run: Run,
}

impl Operation {
    /// Carries the operation out.
    pub(super) async fn run(&self, call: &Call<'_>) -> Answer {
        match self.run {
            Run::Now(run) => run(call),
            Run::Waiting(run) => run(call).await,
        }
    }
}

const fn now(name: &'static str, run: fn(&Call<'_>) -> Answer) -> Operation {
    Operation { name, run: Run::Now(run) }
}

/// The table: an operation is added here and nowhere else.
static OPERATIONS: [Operation; 23] = [
    now("AddPermission", queues::add_permission),
    now("CancelMessageMoveTask", move_tasks::cancel_message_move_task),
    now("ChangeMessageVisibility", messages::change_message_visibility),
    now("ChangeMessageVisibilityBatch", batches::change_message_visibility_batch),
    now("CreateQueue", queues::create_queue),
    now("DeleteMessage", messages::delete_message),
    now("DeleteMessageBatch", batches::delete_message_batch),
    now("DeleteQueue", queues::delete_queue),
    now("GetQueueAttributes", queues::get_queue_attributes),
    now("GetQueueUrl", queues::get_queue_url),
    now("ListDeadLetterSourceQueues", queues::list_dead_letter_source_queues),
    now("ListMessageMoveTasks", move_tasks::list_message_move_tasks),
    now("ListQueueTags", queues::list_queue_tags),
    now("ListQueues", queues::list_queues),
    now("PurgeQueue", queues::purge_queue),
    Operation { name: "ReceiveMessage", run: Run::Waiting(messages::receive_message) },
    now("RemovePermission", queues::remove_permission),
    now("SendMessage", messages::send_message),
    now("SendMessageBatch", batches::send_message_batch),
    now("SetQueueAttributes", queues::set_queue_attributes),
    now("StartMessageMoveTask", move_tasks::start_message_move_task),
    now("TagQueue", queues::tag_queue),
    now("UntagQueue", queues::untag_queue),
];

/// The operation of this name.
pub(super) fn find(name: &str) -> Option<&'static Operation> {
    let index = OPERATIONS.binary_search_by(|operation| operation.name.cmp(name)).ok()?;
    Some(&OPERATIONS[index])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_of_the_table_is_found_by_its_name() {
        for operation in &OPERATIONS {
            assert_eq!(find(operation.name).map(|found| found.name), Some(operation.name));
        }
        assert!(find("DropQueue").is_none());
    }
}
