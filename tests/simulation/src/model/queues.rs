//! Actions on queues.

use std::{collections::BTreeMap, time::Duration};

use local_queue_engine::{
    Attribute, AttributeName, DeduplicationScope, EngineError, FifoThroughputLimit, Limits, QueueArn, QueueAttributes,
    QueueName, QueueSettings, RedriveAllowPolicy, Scope,
};

use super::{Answer, Model, Queue};

impl Model {
    pub(crate) fn create_queue(&mut self, name: &QueueName, attributes: &[Attribute]) -> Answer<QueueArn> {
        let arn = Scope::default().arn(name.as_str());
        let is_fifo = name.is_fifo();
        let mut faults = self.attribute_faults(&arn, attributes);
        if is_fifo != attributes.contains(&Attribute::FifoQueue(true)) {
            faults.push(EngineError::QueueTypeMismatch { name: name.as_str().to_owned() });
        }
        if let Some(place) = self.find(arn.as_str()) {
            let queue = self.at(place);
            let differs = attributes.iter().find(|attribute| !has(&queue.settings, attribute));
            if let Some(attribute) = differs {
                faults.push(EngineError::QueueNameExists { attribute: attribute.name() });
            } else {
                // Whether the target of a redrive policy is there and allows it is not asked again.
                faults.retain(|fault| !is_about_target(fault));
            }
            return if faults.is_empty() { Ok(arn) } else { Err(faults) };
        }
        let (now, interval) = (self.now, self.limits.recreate_interval);
        if self.deleted.iter().any(|(deleted, at)| *deleted == arn && *at + interval > now) {
            faults.push(EngineError::QueueDeletedRecently { queue: arn.clone() });
        }
        let mut settings = defaults(is_fifo);
        faults.extend(apply(&mut settings, attributes));
        if !faults.is_empty() {
            return Err(faults);
        }
        self.created += 1;
        let queue = Some(Queue::new(self.created, arn.clone(), settings, now));
        match self.freed.pop() {
            Some(place) => self.places[place] = queue,
            None => self.places.push(queue),
        }
        Ok(arn)
    }

    pub(crate) fn delete_queue(&mut self, arn: &str) -> Answer<()> {
        let place = self.place(arn)?;
        let queue = self.drop_queue(place);
        self.deleted.push((queue, self.now));
        Ok(())
    }

    pub(crate) fn reset(&mut self) {
        for arn in self.list("", None, usize::MAX) {
            let place = self.find(arn.as_str()).expect("it was listed");
            self.drop_queue(place);
        }
        self.deleted.clear();
    }

    /// Who waits for a queue that is deleted gets an error.
    fn drop_queue(&mut self, place: usize) -> QueueArn {
        let queue = self.places[place].take().expect("the place is taken");
        self.freed.push(place);
        while let Some(index) = self.waiters.iter().position(|waiter| waiter.place == place) {
            self.wake(index, Err(EngineError::QueueDoesNotExist { queue: queue.arn.as_str().to_owned() }));
        }
        queue.arn
    }

    pub(crate) fn set_attributes(&mut self, arn: &str, attributes: &[Attribute]) -> Answer<()> {
        let (place, now) = (self.place(arn)?, self.now);
        let arn = self.at(place).arn.clone();
        let mut settings = self.at(place).settings.clone();
        let mut faults = self.attribute_faults(&arn, attributes);
        faults.extend(apply(&mut settings, attributes));
        if !faults.is_empty() {
            return Err(faults);
        }
        let queue = self.at(place);
        queue.settings = settings;
        queue.modified_at = now;
        self.settle(place);
        Ok(())
    }

    pub(crate) fn attributes(&self, arn: &str) -> Answer<QueueAttributes> {
        Ok(self.places[self.place(arn)?].as_ref().expect("it was just found").attributes())
    }

    pub(crate) fn purge(&mut self, arn: &str) -> Answer<()> {
        let (place, now, interval) = (self.place(arn)?, self.now, self.limits.purge_interval);
        let queue = self.at(place);
        if queue.purged_at.is_some_and(|at| at + interval > now) {
            return Err(vec![EngineError::PurgeQueueInProgress { queue: queue.arn.clone() }]);
        }
        queue.purge(now);
        Ok(())
    }

    pub(crate) fn tags(&self, arn: &str) -> Answer<BTreeMap<String, String>> {
        Ok(self.places[self.place(arn)?].as_ref().expect("it was just found").tags.clone())
    }

    pub(crate) fn tag(&mut self, arn: &str, tags: BTreeMap<String, String>) -> Answer<()> {
        let (place, tags_max) = (self.place(arn)?, self.limits.tags_max);
        let queue = self.at(place);
        let mut all = queue.tags.clone();
        all.extend(tags);
        if all.len() > tags_max {
            return Err(vec![EngineError::TooManyTags { queue: queue.arn.clone(), tags_max }]);
        }
        queue.tags = all;
        Ok(())
    }

    pub(crate) fn untag(&mut self, arn: &str, keys: &[&str]) -> Answer<()> {
        let place = self.place(arn)?;
        self.at(place).tags.retain(|key, _| !keys.contains(&key.as_str()));
        Ok(())
    }

    pub(crate) fn list(&self, prefix: &str, after: Option<&str>, max: usize) -> Vec<QueueArn> {
        let matching = self
            .queues()
            .map(|queue| &queue.arn)
            .filter(|arn| arn.name().starts_with(prefix) && after.is_none_or(|after| arn.name() > after));
        let mut matching: Vec<QueueArn> = matching.cloned().collect();
        matching.sort();
        matching.truncate(max);
        matching
    }

    /// The queues that name this one as their dead-letter queue.
    pub(crate) fn sources(&self, arn: &str) -> Vec<QueueArn> {
        let policy = |queue: &Queue| queue.settings.redrive_policy.clone();
        let sources =
            self.queues().filter(|queue| policy(queue).is_some_and(|it| it.dead_letter_target.as_str() == arn));
        let mut sources: Vec<QueueArn> = sources.map(|queue| queue.arn.clone()).collect();
        sources.sort();
        sources
    }

    fn attribute_faults(&self, arn: &QueueArn, attributes: &[Attribute]) -> Vec<EngineError> {
        let mut faults: Vec<EngineError> =
            attributes.iter().filter_map(|attribute| fault(attribute, arn.is_fifo(), &self.limits)).collect();
        for attribute in attributes {
            let Attribute::RedrivePolicy(Some(policy)) = attribute else { continue };
            let (target, policy) = (&policy.dead_letter_target, policy.clone());
            if target.is_fifo() != arn.is_fifo() {
                faults.push(EngineError::DeadLetterTargetOfOtherType { policy });
            } else if let Some(queue) = self.queues().find(|queue| queue.arn == *target) {
                let allows = match &queue.settings.redrive_allow_policy {
                    None | Some(RedriveAllowPolicy::AllowAll) => true,
                    Some(RedriveAllowPolicy::DenyAll) => false,
                    Some(RedriveAllowPolicy::ByQueue(sources)) => sources.contains(arn),
                };
                if !allows && target != arn {
                    faults.push(EngineError::DeadLetterTargetDenies { policy });
                }
            } else if target != arn {
                faults.push(EngineError::DeadLetterTargetDoesNotExist { policy });
            }
        }
        let has_key = attributes.iter().any(|it| matches!(it, Attribute::KmsMasterKeyId(key) if !key.is_empty()));
        if has_key && attributes.contains(&Attribute::SqsManagedSse(true)) {
            faults.push(EngineError::TwoKindsOfEncryption);
        }
        faults
    }
}

const fn is_about_target(fault: &EngineError) -> bool {
    matches!(fault, EngineError::DeadLetterTargetDenies { .. } | EngineError::DeadLetterTargetDoesNotExist { .. })
}

/// What is wrong with an attribute by itself.
fn fault(attribute: &Attribute, is_fifo: bool, limits: &Limits) -> Option<EngineError> {
    let seconds = |value: &Duration, min, max| (min..=max).contains(&value.as_secs());
    let name = attribute.name();
    let fifo_only = [
        AttributeName::ContentBasedDeduplication,
        AttributeName::DeduplicationScope,
        AttributeName::FifoQueue,
        AttributeName::FifoThroughputLimit,
    ];
    if fifo_only.contains(&name) && !is_fifo {
        return Some(EngineError::AttributeUnknown { attribute: name });
    }
    let fits = match attribute {
        Attribute::FifoQueue(false) => return Some(EngineError::QueueTypeCannotChange),
        Attribute::RedrivePolicy(Some(policy)) if !limits.receive_count.contains(&policy.max_receive_count.into()) => {
            return Some(EngineError::MaxReceiveCountInvalid { policy: policy.clone() });
        }
        Attribute::Delay(value) => seconds(value, 0, 900),
        Attribute::VisibilityTimeout(value) => seconds(value, 0, 43_200),
        Attribute::RetentionPeriod(value) => seconds(value, 60, 1_209_600),
        Attribute::WaitTime(value) => seconds(value, 0, 20),
        Attribute::KmsDataKeyReusePeriod(value) => seconds(value, 60, 86_400),
        Attribute::MaximumMessageSize(bytes) => (1_024..=1_048_576).contains(bytes),
        _ => true,
    };
    (!fits).then_some(EngineError::AttributeValueInvalid { attribute: name })
}

fn defaults(is_fifo: bool) -> QueueSettings {
    QueueSettings {
        delay: Duration::ZERO,
        fifo: is_fifo.then(Default::default),
        kms_master_key_id: None,
        kms_data_key_reuse_period: Duration::from_secs(300),
        maximum_message_size: 1_048_576,
        policy: None,
        redrive_allow_policy: None,
        redrive_policy: None,
        retention_period: Duration::from_secs(345_600),
        sqs_managed_sse: true,
        visibility_timeout: Duration::from_secs(30),
        wait_time: Duration::ZERO,
    }
}

/// Changes settings one after the other, and says whether they go together.
fn apply(settings: &mut QueueSettings, attributes: &[Attribute]) -> Option<EngineError> {
    for attribute in attributes {
        set(settings, attribute.clone());
    }
    let fifo = settings.fifo?;
    let by_queue = fifo.deduplication_scope == DeduplicationScope::Queue;
    let limited_by_group = fifo.throughput_limit == FifoThroughputLimit::PerMessageGroupId;
    (by_queue && limited_by_group).then_some(EngineError::ThroughputLimitNeedsGroupScope)
}

fn set(settings: &mut QueueSettings, attribute: Attribute) {
    let mut fifo = settings.fifo.unwrap_or_default();
    match attribute {
        Attribute::ContentBasedDeduplication(value) => fifo.content_based_deduplication = value,
        Attribute::DeduplicationScope(value) => fifo.deduplication_scope = value,
        Attribute::FifoThroughputLimit(value) => fifo.throughput_limit = value,
        Attribute::FifoQueue(_) => {}
        Attribute::Delay(value) => settings.delay = value,
        Attribute::KmsDataKeyReusePeriod(value) => settings.kms_data_key_reuse_period = value,
        Attribute::KmsMasterKeyId(key) => {
            // A key turns Amazon's own encryption off; without one it stays as it is.
            settings.sqs_managed_sse &= key.is_empty();
            settings.kms_master_key_id = Some(key).filter(|key| !key.is_empty());
        }
        Attribute::MaximumMessageSize(value) => settings.maximum_message_size = value,
        Attribute::Policy(value) => settings.policy = value,
        Attribute::RedriveAllowPolicy(value) => settings.redrive_allow_policy = value,
        Attribute::RedrivePolicy(value) => settings.redrive_policy = value,
        Attribute::RetentionPeriod(value) => settings.retention_period = value,
        Attribute::SqsManagedSse(value) => settings.sqs_managed_sse = value,
        Attribute::VisibilityTimeout(value) => settings.visibility_timeout = value,
        Attribute::WaitTime(value) => settings.wait_time = value,
    }
    if settings.fifo.is_some() {
        settings.fifo = Some(fifo);
    }
}

/// Whether an attribute is what it is asked to be.
fn has(settings: &QueueSettings, attribute: &Attribute) -> bool {
    let mut changed = settings.clone();
    set(&mut changed, attribute.clone());
    changed == *settings
}
