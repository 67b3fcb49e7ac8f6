//! Actions on queues.

use std::collections::{BTreeMap, BTreeSet};

use super::Engine;
use crate::{
    Attribute, EngineError, Output, QueueArn, QueueAttributes, QueueName, QueueNumber, QueueSettings, RedrivePolicy,
    Scope, Time, history::Transition, queue::Queue,
};

impl Engine {
    /// Creates a queue, or finds the one that is there with the attributes named in the request.
    pub fn create_queue(
        &mut self,
        now: Time,
        scope: &Scope,
        name: &QueueName,
        attributes: &[Attribute],
    ) -> Result<QueueArn, EngineError> {
        self.advance(now);
        let arn = scope.arn(name.as_str());
        if name.is_fifo() != attributes.contains(&Attribute::FifoQueue(true)) {
            return Err(EngineError::QueueTypeMismatch { name: name.as_str().to_owned() });
        }
        for attribute in attributes {
            attribute.check(&self.limits, name.is_fifo())?;
        }
        if let Some(&queue) = self.by_arn.get(&arn) {
            // AWS (validated): only what the request names is compared, and with the present value.
            let settings = &self.queues[queue].settings;
            return match attributes.iter().find(|attribute| !settings.has(attribute)) {
                Some(differs) => Err(EngineError::QueueNameExists { attribute: differs.name() }),
                None => Ok(arn),
            };
        }
        let interval = self.limits.recreate_interval;
        let interval = if canary!(RecreateTooEarly) { interval / 2 } else { interval };
        self.deleted.retain(|_, deleted_at| *deleted_at + interval > now);
        if self.deleted.contains_key(&arn) {
            return Err(EngineError::QueueDeletedRecently { queue: arn });
        }
        let mut settings = QueueSettings::new(name.is_fifo());
        self.apply(&mut settings, &arn, attributes)?;
        let number = QueueNumber { store: self.store, number: self.queues_created + 1 };
        let queue = Queue::new(arn.clone(), number, settings.clone(), self.now);
        self.check_room(queue.stored_bytes())?;
        self.link_to_dead_letter_queue(&arn, None, settings.redrive_policy.as_ref());
        self.queues_created += 1;
        let queue = self.queues.insert(queue);
        self.by_arn.insert(arn.clone(), queue);
        self.weigh(queue);
        Ok(arn)
    }

    fn apply(
        &mut self,
        settings: &mut QueueSettings,
        arn: &QueueArn,
        attributes: &[Attribute],
    ) -> Result<(), EngineError> {
        for attribute in attributes {
            attribute.check(&self.limits, arn.is_fifo())?;
            if let Attribute::Policy(Some(policy)) = attribute {
                self.check_room(policy.len() as u64)?;
            }
            if let Attribute::RedrivePolicy(Some(policy)) = attribute {
                self.check_redrive_policy(policy, arn)?;
            }
            settings.set(attribute.clone());
        }
        settings.check_together(attributes)
    }

    /// AWS (documented): whether the target admits this source is asked now, and never again.
    fn check_redrive_policy(&self, policy: &RedrivePolicy, arn: &QueueArn) -> Result<(), EngineError> {
        let policy_again = || policy.clone();
        let target = &policy.dead_letter_target;
        if target.is_fifo() != arn.is_fifo() {
            return Err(EngineError::DeadLetterTargetOfOtherType { policy: policy_again() });
        }
        if target == arn {
            return Ok(());
        }
        let Some(&slot) = self.by_arn.get(target) else {
            return Err(EngineError::DeadLetterTargetDoesNotExist { policy: policy_again() });
        };
        match &self.queues[slot].settings.redrive_allow_policy {
            Some(allow) if !allow.allows(arn) && !canary!(AllowPolicyIgnored) => {
                Err(EngineError::DeadLetterTargetDenies { policy: policy_again() })
            }
            _ => Ok(()),
        }
    }

    pub(super) fn link_to_dead_letter_queue(
        &mut self,
        arn: &QueueArn,
        before: Option<&RedrivePolicy>,
        after: Option<&RedrivePolicy>,
    ) {
        if let Some(policy) = before
            && let Some(sources) = self.sources_by_target.get_mut(&policy.dead_letter_target)
        {
            sources.remove(arn);
            if sources.is_empty() {
                self.sources_by_target.remove(&policy.dead_letter_target);
            }
        }
        if let Some(policy) = after {
            self.sources_by_target.entry(policy.dead_letter_target.clone()).or_default().insert(arn.clone());
        }
    }

    /// Finds a queue by its ARN.
    pub fn find_queue(&self, arn: &str) -> Result<QueueArn, EngineError> {
        let found = self.by_arn.get_key_value(arn).map(|(arn, _)| arn.clone());
        found.ok_or_else(|| EngineError::QueueDoesNotExist { queue: arn.to_owned() })
    }

    /// Whether a queue can be created by this name: none has it, and none that had it was deleted a moment ago.
    #[must_use]
    pub fn is_free(&self, now: Time, arn: &QueueArn) -> bool {
        let deleted_at = self.deleted.get(arn);
        let was_deleted_recently = deleted_at.is_some_and(|at| *at + self.limits.recreate_interval > now);
        !self.by_arn.contains_key(arn) && !was_deleted_recently
    }

    /// The queues of a scope in the order of their names: those that start with `prefix` and come after the name
    /// `after`, at most `max`.
    #[must_use]
    pub fn list_queues(&self, scope: &Scope, prefix: &str, after: Option<&str>, max: usize) -> Vec<QueueArn> {
        use std::ops::Bound::{Excluded, Included, Unbounded};
        let first = scope.arn(prefix);
        let from = match after.map(|name| scope.arn(name)) {
            Some(after) if after >= first => Excluded(after),
            _ => Included(first.clone()),
        };
        let matching = self.by_arn.range((from, Unbounded)).map(|(arn, _)| arn);
        matching.take_while(|arn| arn.as_str().starts_with(first.as_str())).take(max).cloned().collect()
    }

    /// All queues of all scopes.
    pub fn queues(&self) -> impl Iterator<Item = &QueueArn> {
        self.by_arn.keys()
    }

    /// The queues whose redrive policy names this one, in the order of their ARNs.
    #[must_use]
    pub fn dead_letter_sources(&self, arn: &str) -> Option<&BTreeSet<QueueArn>> {
        self.sources_by_target.get(arn)
    }

    /// Deletes a queue with its messages. Receives that wait for it get an error.
    pub fn delete_queue(&mut self, now: Time, arn: &str) -> Result<(), EngineError> {
        self.advance(now);
        let queue = self.drop_queue(arn)?;
        self.deleted.insert(queue, self.now);
        Ok(())
    }

    /// Forgets every queue, as if the engine were new. Names can be used again at once.
    pub fn reset(&mut self, now: Time) {
        self.advance(now);
        while let Some(arn) = self.by_arn.keys().next().cloned() {
            self.drop_queue(arn.as_str()).expect("a registered queue exists");
        }
        self.deleted.clear();
        self.history.clear();
    }

    fn drop_queue(&mut self, arn: &str) -> Result<QueueArn, EngineError> {
        let slot = self.slot(arn)?;
        let queue = self.queues.remove(slot).expect("a registered queue exists");
        self.stored_bytes -= queue.weighed;
        if self.history.is_on() {
            for entry in queue.entries() {
                let transition = Transition::QueueDeleted;
                self.history.note(self.now, &queue.arn, entry.message.id, entry.receive_count, transition);
            }
        }
        for waiter in &queue.waiting {
            self.waiters.remove(*waiter);
            let result = Err(EngineError::QueueDoesNotExist { queue: arn.to_owned() });
            self.outputs.push_back(Output::Answer { waiter: *waiter, result });
        }
        if let Some(wakeup) = queue.wakeup {
            self.wakeups.remove(&(wakeup, slot));
        }
        if let Some(move_at) = queue.move_tasks.last().and_then(|task| task.next_at) {
            self.moving.remove(&(move_at, slot));
        }
        self.link_to_dead_letter_queue(&queue.arn, queue.settings.redrive_policy.as_ref(), None);
        self.by_arn.remove(arn);
        Ok(queue.arn)
    }

    /// What there is to know about a queue.
    pub fn queue_attributes(&mut self, now: Time, arn: &str) -> Result<QueueAttributes, EngineError> {
        let slot = self.enter(now, arn)?;
        Ok(self.queues[slot].attributes())
    }

    /// Changes settings of a queue, all or none. They hold from now on, also for messages that are already in it.
    pub fn set_queue_attributes(&mut self, now: Time, arn: &str, attributes: &[Attribute]) -> Result<(), EngineError> {
        let slot = self.enter(now, arn)?;
        let queue = &self.queues[slot];
        let (mut settings, arn) = (queue.settings.clone(), queue.arn.clone());
        self.apply(&mut settings, &arn, attributes)?;
        let queue = &mut self.queues[slot];
        queue.modified_at = self.now;
        let before = std::mem::replace(&mut queue.settings, settings);
        queue.change_own(|_| ());
        let after = queue.settings.redrive_policy.clone();
        self.link_to_dead_letter_queue(&arn, before.redrive_policy.as_ref(), after.as_ref());
        self.settle(slot);
        Ok(())
    }

    /// Deletes all messages of a queue, also delayed ones and those in flight.
    pub fn purge_queue(&mut self, now: Time, arn: &str) -> Result<(), EngineError> {
        let slot = self.enter(now, arn)?;
        let queue = &mut self.queues[slot];
        let interval = self.limits.purge_interval / (1 + u32::from(canary!(PurgeTooEarly)));
        if queue.purged_at.is_some_and(|purged_at| purged_at + interval > self.now) {
            return Err(EngineError::PurgeQueueInProgress { queue: queue.arn.clone() });
        }
        if self.history.is_on() {
            for entry in queue.entries() {
                self.history.note(self.now, &queue.arn, entry.message.id, entry.receive_count, Transition::Purged);
            }
        }
        queue.purge(self.now);
        self.settle(slot);
        Ok(())
    }

    /// The tags of a queue.
    pub fn tags(&self, arn: &str) -> Result<&BTreeMap<String, String>, EngineError> {
        Ok(&self.queues[self.slot(arn)?].tags)
    }

    /// Adds tags to a queue, all or none; a tag that is there gets the new value.
    pub fn tag_queue(&mut self, arn: &str, tags: BTreeMap<String, String>) -> Result<(), EngineError> {
        let slot = self.slot(arn)?;
        let queue = &self.queues[slot];
        let added = tags.keys().filter(|key| !queue.tags.contains_key(*key)).count();
        let tags_max = self.limits.tags_max;
        if queue.tags.len() + added > tags_max {
            return Err(EngineError::TooManyTags { queue: queue.arn.clone(), tags_max });
        }
        let bytes = tags.iter().map(|(key, value)| (key.len() + value.len()) as u64).sum();
        self.check_room(bytes)?;
        self.queues[slot].change_own(|queue| queue.tags.extend(tags));
        self.weigh(slot);
        Ok(())
    }

    /// Removes tags of a queue; those that are not there are ignored.
    pub fn untag_queue<'a>(&mut self, arn: &str, keys: impl IntoIterator<Item = &'a str>) -> Result<(), EngineError> {
        let slot = self.slot(arn)?;
        self.queues[slot].change_own(|queue| {
            for key in keys {
                queue.tags.remove(key);
            }
        });
        self.weigh(slot);
        Ok(())
    }
}
