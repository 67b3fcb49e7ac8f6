//! Queues that are created because a request names them, before the request is carried out.

use http::Method;

use super::{Call, queues};
use crate::{action::Action, declaration, protocol::error::WireError};

/// Whether an action creates the queue that it names: it does if it makes sense of an empty one. Who deletes a queue, or has a
/// receipt handle of one, is told that it is not there.
const fn creates(action: Action) -> bool {
    match action {
        Action::GetQueueAttributes
        | Action::GetQueueUrl
        | Action::ListQueueTags
        | Action::PurgeQueue
        | Action::ReceiveMessage
        | Action::SendMessage
        | Action::SendMessageBatch
        | Action::SetQueueAttributes
        | Action::TagQueue => true,
        Action::AddPermission
        | Action::CancelMessageMoveTask
        | Action::ChangeMessageVisibility
        | Action::ChangeMessageVisibilityBatch
        | Action::CreateQueue
        | Action::DeleteMessage
        | Action::DeleteMessageBatch
        | Action::DeleteQueue
        | Action::ListDeadLetterSourceQueues
        | Action::ListMessageMoveTasks
        | Action::ListQueues
        | Action::RemovePermission
        | Action::StartMessageMoveTask
        | Action::UntagQueue => false,
    }
}

/// Actions that only read, which a page may be let send by GET: by that it creates nothing.
const fn reads(action: Action) -> bool {
    matches!(action, Action::GetQueueAttributes | Action::GetQueueUrl | Action::ListQueueTags)
}

/// Creates the queue that a request names, if it is not there and is to be created.
pub(super) fn create(action: Action, call: &Call<'_>) -> Result<(), WireError> {
    let rules = call.queues.auto_create();
    if rules.is_empty()
        || !creates(action)
        || (reads(action) && call.request.is_some_and(|request| request.method() == Method::GET))
    {
        return Ok(());
    }
    let queue = if action == Action::GetQueueUrl { queues::named(call)? } else { call.queue()? };
    if call.call(|engine, now| declaration::create_missing(engine, now, rules, &queue))? {
        tracing::info!(queue = queue.name(), action = action.name(), "created a queue that a request names");
    }
    Ok(())
}
