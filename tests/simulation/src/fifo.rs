//! What FIFO queues promise, checked without the model: by what senders and receivers see, and by a look at the queue.
//!
//! - No message is handed out while an earlier one of its group is neither deleted nor in the same batch. So there is no
//!   inversion in a group, and no group is handed to two receivers at a time.
//! - No second copy of a message is taken in within the deduplication interval.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use local_queue_engine::{DeduplicationScope, Delivery, Engine, MessageId, QueueArn, SendMessage, Sent, Time};

/// A queue, the group if ids are unique by group, and the deduplication id.
type Key = (QueueArn, Option<String>, String);

#[derive(Debug, Default)]
pub(super) struct Checker {
    first_sent: HashMap<Key, (Time, MessageId)>,
    pub(super) groups: HashSet<(QueueArn, String)>,
    pub(super) deliveries: u64,
}

impl Checker {
    /// The queue was purged or deleted, and its deduplication with it.
    pub(super) fn forget(&mut self, queue: &QueueArn) {
        self.first_sent.retain(|key, _| key.0 != *queue);
    }

    pub(super) fn forget_all(&mut self) {
        self.first_sent.clear();
    }

    pub(super) fn check_copies(
        &mut self,
        engine: &mut Engine,
        now: Time,
        queue: &QueueArn,
        message: &SendMessage,
        sent: Option<&Sent>,
    ) -> Result<(), String> {
        let Some(sent) = sent.filter(|_| queue.is_fifo()) else { return Ok(()) };
        let settings = engine.queue_attributes(now, queue.as_str()).map_err(|error| error.to_string())?.settings;
        let scope = settings.fifo.unwrap_or_default().deduplication_scope;
        let group = message.group_id.clone().unwrap_or_default();
        self.groups.insert((queue.clone(), group.clone()));
        let group = (scope == DeduplicationScope::MessageGroup).then_some(group);
        let id = message.deduplication_id.clone().unwrap_or_else(|| format!("content {}", message.body.as_str()));
        let interval = engine.limits().deduplication_interval;
        let first = self.first_sent.entry((queue.clone(), group, id)).or_insert((now, sent.message_id));
        let is_copy = first.0 + interval > now;
        if is_copy != (first.1 == sent.message_id) {
            return Err(format!("{first:?} was sent before, and now {sent:?}"));
        }
        if !is_copy {
            *first = (now, sent.message_id);
        }
        Ok(())
    }

    pub(super) fn check_order(
        &mut self,
        engine: &mut Engine,
        now: Time,
        queue: &QueueArn,
        deliveries: &[Delivery],
    ) -> Result<(), String> {
        if !queue.is_fifo() || deliveries.is_empty() {
            return Ok(());
        }
        self.deliveries += deliveries.len() as u64;
        let Ok(there) = engine.peek(now, queue.as_str(), 0, usize::MAX) else { return Ok(()) };
        let position =
            |delivery: &Delivery| there.iter().position(|peeked| Arc::ptr_eq(&peeked.message, &delivery.message));
        let mut last_of_group: HashMap<&str, usize> = HashMap::new();
        for delivery in deliveries {
            // One that was handed out for no time at all may have moved on, and may even have come back as a dead letter.
            let Some(at) = position(delivery) else { continue };
            let group = delivery.message.group_id().unwrap_or_default();
            let earlier = there[..at].iter().filter(|peeked| peeked.message.group_id() == Some(group));
            for earlier in earlier {
                if !deliveries.iter().any(|other| other.message.id == earlier.message.id) {
                    return Err(format!(
                        "{:?} is handed out before {:?} of {group}",
                        delivery.message, earlier.message
                    ));
                }
            }
            if last_of_group.insert(group, at).is_some_and(|before| before > at) {
                return Err(format!("{:?} is handed out after a later one of {group}", delivery.message));
            }
        }
        Ok(())
    }
}
