//! What becomes of messages: traced as it happens with the feature `tracing`, and remembered for a while when they leave.
//!
//! Without the feature, and while nothing is to be remembered, a transition costs a comparison at most.

use std::{collections::VecDeque, sync::Arc};

use crate::{Message, MessageId, QueueArn, Time};

/// How a message left its queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Departure {
    /// Which message.
    pub message_id: MessageId,
    /// The queue that it left.
    pub queue: QueueArn,
    /// When it left.
    pub at: Time,
    /// How often it had been received, over all queues it was in.
    pub receive_count: u32,
    /// Why the message left the queue.
    pub cause: DepartureCause,
}

/// Why a message left its queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DepartureCause {
    /// A receiver deleted it.
    Deleted,
    /// It had used up its receives, and the next receive moved it to the dead-letter queue, under the same id.
    DeadLettered {
        /// The dead-letter queue.
        to: QueueArn,
    },
    /// A message move task sent it on.
    Moved {
        /// The queue where it is now.
        to: QueueArn,
        /// Its id there.
        message_id: MessageId,
    },
    /// Its retention period ended.
    Expired,
    /// Its queue was purged.
    Purged,
    /// Its queue was deleted.
    QueueDeleted,
}

/// A message that a receiver has deleted.
#[derive(Clone, Debug)]
pub struct Deleted {
    /// The message.
    pub message: Arc<Message>,
    /// The queue that it was in.
    pub queue: QueueArn,
    /// When it was received last.
    pub received_at: Time,
    /// When it was deleted.
    pub at: Time,
}

/// A change of the place of a message.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(not(feature = "tracing"), expect(dead_code, reason = "some are only traced"))]
pub(crate) enum Transition<'a> {
    Sent { visible_at: Time },
    DelayEnded,
    Delivered { visible_at: Time },
    VisibilityChanged { visible_at: Time },
    Returned,
    Copied,
    Deleted,
    DeadLettered { to: &'a QueueArn },
    Moved { to: &'a QueueArn, message_id: MessageId },
    Expired,
    Purged,
    QueueDeleted,
}

impl Transition<'_> {
    fn departure_cause(self) -> Option<DepartureCause> {
        match self {
            Self::Sent { .. }
            | Self::DelayEnded
            | Self::Delivered { .. }
            | Self::VisibilityChanged { .. }
            | Self::Returned
            | Self::Copied => None,
            Self::Deleted => Some(DepartureCause::Deleted),
            Self::DeadLettered { to } => Some(DepartureCause::DeadLettered { to: to.clone() }),
            Self::Moved { to, message_id } => Some(DepartureCause::Moved { to: to.clone(), message_id }),
            Self::Expired => Some(DepartureCause::Expired),
            Self::Purged => Some(DepartureCause::Purged),
            Self::QueueDeleted => Some(DepartureCause::QueueDeleted),
        }
    }
}

/// The messages that left their queues last, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct History {
    departures: VecDeque<Departure>,
    departures_max: usize,
    /// What was deleted last, as long as it is not much.
    deleted: VecDeque<Deleted>,
    deleted_bytes: u64,
}

/// Deleted messages that are remembered whole, how large one may be, and all together.
const DELETED_MAX: usize = 256;
const DELETED_BYTES_MAX: u64 = 64 * 1024;
const ALL_DELETED_BYTES_MAX: u64 = 2 * 1024 * 1024;

impl History {
    pub(crate) fn remember(&mut self, departures_max: usize) {
        self.departures_max = departures_max;
        let surplus = self.departures.len().saturating_sub(departures_max);
        self.departures.drain(..surplus);
    }

    /// Whether anybody hears of a transition, for who would walk over messages to tell of them.
    pub(crate) const fn is_on(&self) -> bool {
        self.departures_max > 0 || cfg!(feature = "tracing")
    }

    #[inline]
    pub(crate) fn note(
        &mut self,
        at: Time,
        queue: &QueueArn,
        message_id: MessageId,
        receive_count: u32,
        transition: Transition<'_>,
    ) {
        #[cfg(feature = "tracing")]
        trace(at, queue, message_id, receive_count, transition);
        if self.departures_max == 0 {
            return;
        }
        if let Some(cause) = transition.departure_cause() {
            if self.departures.len() == self.departures_max {
                self.departures.pop_front();
            }
            self.departures.push_back(Departure { message_id, queue: queue.clone(), at, receive_count, cause });
        }
    }

    /// Remembers a message whole that a receiver has deleted.
    #[inline]
    pub(crate) fn keep(&mut self, at: Time, queue: &QueueArn, message: Arc<Message>, received_at: Time) {
        let bytes = message.footprint();
        if self.departures_max == 0 || bytes > DELETED_BYTES_MAX {
            return;
        }
        self.deleted_bytes += bytes;
        self.deleted.push_back(Deleted { message, queue: queue.clone(), received_at, at });
        while self.deleted.len() > DELETED_MAX || self.deleted_bytes > ALL_DELETED_BYTES_MAX {
            let Some(oldest) = self.deleted.pop_front() else { return };
            self.deleted_bytes -= oldest.message.footprint();
        }
    }

    /// The messages that were deleted last, the newest first.
    pub(crate) fn deleted(&self) -> impl Iterator<Item = &Deleted> {
        self.deleted.iter().rev()
    }

    /// How a message last left a queue.
    pub(crate) fn find(&self, queue: &str, message_id: MessageId) -> Option<&Departure> {
        let mut newest_first = self.departures.iter().rev();
        newest_first.find(|departure| departure.message_id == message_id && departure.queue.as_str() == queue)
    }

    pub(crate) fn clear(&mut self) {
        self.departures.clear();
        self.deleted.clear();
        self.deleted_bytes = 0;
    }
}

#[cfg(feature = "tracing")]
fn trace(at: Time, queue: &QueueArn, message_id: MessageId, receive_count: u32, transition: Transition<'_>) {
    macro_rules! event {
        ($name:literal $(, $field:ident = $value:expr)*) => {
            tracing::trace!(
                at = at.as_millis(), %queue, %message_id, receive_count $(, $field = $value)*, concat!("message ", $name)
            )
        };
    }
    match transition {
        Transition::Sent { visible_at } => event!("sent", visible_at = visible_at.as_millis()),
        Transition::DelayEnded => event!("delay ended"),
        Transition::Delivered { visible_at } => event!("delivered", visible_at = visible_at.as_millis()),
        Transition::VisibilityChanged { visible_at } => {
            event!("visibility changed", visible_at = visible_at.as_millis());
        }
        Transition::Returned => event!("returned"),
        Transition::Copied => event!("copied"),
        Transition::Deleted => event!("deleted"),
        Transition::DeadLettered { to } => event!("dead-lettered", to = to.as_str()),
        Transition::Moved { to, message_id } => {
            event!("moved", to = to.as_str(), new_message_id = tracing::field::display(message_id));
        }
        Transition::Expired => event!("expired"),
        Transition::Purged => event!("purged"),
        Transition::QueueDeleted => event!("deleted with its queue"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{IdSource, Scope};

    #[test]
    fn only_the_last_departures_are_remembered_and_the_newest_of_a_message_is_found() {
        let (mut history, mut ids) = (History::default(), IdSource::seeded(1));
        let queue = Scope::default().arn("jobs");
        let sent = [(); 4].map(|()| ids.next_uuid());
        let leave = |history: &mut History, message, at, transition| {
            history.note(Time::from_millis(at), &queue, message, 1, transition);
        };
        leave(&mut history, sent[0], 1, Transition::Deleted);
        assert_eq!(history.find(queue.as_str(), sent[0]), None, "nothing is remembered unless it is asked for");
        history.remember(3);
        leave(&mut history, sent[0], 2, Transition::Returned);
        assert_eq!(history.find(queue.as_str(), sent[0]), None, "it is still there");
        for (message, at) in [(sent[0], 3), (sent[1], 4), (sent[1], 5), (sent[2], 6)] {
            leave(&mut history, message, at, Transition::Expired);
        }
        let left_at = |history: &History| {
            sent.map(|message| history.find(queue.as_str(), message).map(|departure| departure.at.as_millis()))
        };
        assert_eq!(left_at(&history), [None, Some(5), Some(6), None]);
        assert_eq!(history.find("other", sent[1]), None);
        history.remember(1);
        assert_eq!(left_at(&history), [None, None, Some(6), None]);
    }
}
