//! A queue as bytes. State that follows from its messages is rebuilt, not stored.

use std::{collections::BTreeMap, sync::Arc};

use super::{Entry, Line, Queue, new_line};
use crate::{
    Attribute, FifoSettings, Message, MoveTask, MoveTaskStatus, Place, QueueNumber, QueueSettings,
    codec::{Decoder, Encoder, Malformed, malformed},
    fifo::{Attempts, Deduplication},
    order::Order,
    slab::Slab,
};

/// Bytes after which what has been written is handed on.
const PIECE: usize = 128 * 1024;

/// Why a task failed: one of the engine's reasons.
const FAILURES: [&str; 2] = ["CouldNotDetermineMessageSource", "AWS.SimpleQueueService.NonExistentQueue"];

impl Queue {
    /// Writes everything, and hands it on in pieces.
    pub(crate) fn save(&self, to: &mut Encoder<'_>, piece: &mut dyn FnMut(&[u8])) {
        to.arn(self.arn.as_str());
        to.number(self.number.number.into());
        Attribute::encode_all(&attributes_of(&self.settings), to);
        to.count(self.tags.len());
        for (key, value) in &self.tags {
            to.text(key);
            to.text(value);
        }
        to.time(self.created_at);
        to.time(self.modified_at);
        to.option(self.purged_at, Encoder::time);
        self.deduplication.save(to);
        self.attempts.save(to);
        to.each(self.move_tasks.iter(), |to, task| save_task(task, to));
        let mut ranks = self.ranks.iter().collect::<Vec<_>>();
        ranks.sort_unstable();
        to.count(ranks.len());
        for (slot, rank) in ranks {
            to.number((*slot).into());
            to.number(*rank);
        }
        let (free, slots) = self.messages.free();
        to.count(slots);
        to.each(free.iter(), |to, slot| to.number((*slot).into()));
        for (slot, entry) in self.messages.iter() {
            to.number(slot.into());
            entry.save(to);
            if to.len() >= PIECE {
                to.drain(&mut *piece);
            }
        }
        match &self.line {
            Line::Standard(tenants) => tenants.save(to),
            Line::Fifo(groups) => groups.save(to),
        }
    }

    /// A queue of the engine that is known by `store`.
    pub(crate) fn load(from: &mut Decoder<'_>, store: u64) -> Result<Self, Malformed> {
        let (arn, number) = (from.arn()?, QueueNumber { store, number: from.number32()? });
        let mut settings = QueueSettings::new(arn.is_fifo());
        Attribute::decode_all(from)?.into_iter().for_each(|attribute| settings.set(attribute));
        let mut tags = BTreeMap::new();
        for _ in 0..from.count()? {
            tags.insert(from.text()?.to_owned(), from.text()?.to_owned());
        }
        let created_at = from.time()?;
        let mut queue = Self::new(arn, number, settings, created_at);
        queue.change_own(|queue| queue.tags = tags);
        queue.modified_at = from.time()?;
        queue.purged_at = from.option(Decoder::time)?;
        queue.deduplication = Deduplication::load(from)?;
        queue.attempts = Attempts::load(from)?;
        queue.move_tasks = (0..from.count()?).map(|_| load_task(from)).collect::<Result<_, _>>()?;
        for _ in 0..from.count()? {
            let (slot, rank) = (from.number32()?, from.number()?);
            check_order(rank, slot)?;
            queue.ranks.insert(slot, rank);
        }
        // Every message takes more than a byte, and every free place one.
        let (slots, free) = (from.count()?, from.count()?);
        let free = (0..free).map(|_| from.number32()).collect::<Result<Vec<_>, _>>()?;
        let count = slots.checked_sub(free.len()).ok_or(malformed("more places are free than there are"))?;
        let entries = (0..count).map(|_| Ok((from.number32()?, Entry::load(from)?)));
        let entries = entries.collect::<Result<Vec<_>, Malformed>>()?;
        queue.messages = Slab::restored(entries, free, slots).ok_or(malformed("places of messages do not add up"))?;
        queue.index_all()?;
        match &mut queue.line {
            Line::Standard(tenants) => tenants.restore(from)?,
            Line::Fifo(groups) => groups.restore(from)?,
        }
        Ok(queue)
    }

    fn index_all(&mut self) -> Result<(), Malformed> {
        self.line = new_line(&self.arn);
        let slots = self.messages.iter().map(|(slot, _)| slot).collect::<Vec<_>>();
        if self.ranks.keys().any(|slot| self.messages.get(*slot).is_none()) {
            return Err(malformed("a rank is that of no message"));
        }
        for slot in slots {
            check_order(self.messages[slot].sequence, slot)?;
            self.index(slot, self.messages[slot].enqueued_at);
        }
        Ok(())
    }
}

/// An order has fewer bits than a number.
fn check_order(sequence: u64, slot: u32) -> Result<(), Malformed> {
    if Order::fits(sequence, slot) { Ok(()) } else { Err(malformed("a sequence or a place is too large")) }
}

impl Entry {
    fn save(&self, to: &mut Encoder<'_>) {
        self.message.encode(to);
        to.number(self.sequence);
        for time in [self.visible_at, self.enqueued_at, self.received_at, self.first_received_at] {
            to.time(time);
        }
        to.number(self.receive_count.into());
        to.number(self.receive_count_here.into());
        to.byte(match self.place {
            Place::Ready => 0,
            Place::Delayed => 1,
            Place::InFlight => 2,
        });
        to.flag(self.changed);
    }

    fn load(from: &mut Decoder<'_>) -> Result<Self, Malformed> {
        let entry = Self {
            message: Arc::new(Message::decode(from)?),
            sequence: from.number()?,
            visible_at: from.time()?,
            enqueued_at: from.time()?,
            received_at: from.time()?,
            first_received_at: from.time()?,
            receive_count: from.number32()?,
            receive_count_here: from.number32()?,
            group: 0,
            place: match from.byte()? {
                0 => Place::Ready,
                1 => Place::Delayed,
                2 => Place::InFlight,
                _ => return Err(malformed("a message is nowhere")),
            },
            changed: from.flag()?,
        };
        let was_received = entry.receive_count_here > 0 || entry.place != Place::InFlight;
        let is_whole = was_received && entry.receive_count >= entry.receive_count_here;
        if is_whole { Ok(entry) } else { Err(malformed("the receives of a message do not add up")) }
    }
}

/// What makes these settings of the default ones, in this order: a key turns SQS's own encryption off.
fn attributes_of(settings: &QueueSettings) -> Vec<Attribute> {
    let mut attributes = vec![
        Attribute::Delay(settings.delay),
        Attribute::KmsMasterKeyId(settings.kms_master_key_id.clone().unwrap_or_default()),
        Attribute::SqsManagedSse(settings.sqs_managed_sse),
        Attribute::KmsDataKeyReusePeriod(settings.kms_data_key_reuse_period),
        Attribute::MaximumMessageSize(settings.maximum_message_size),
        Attribute::Policy(settings.policy.clone()),
        Attribute::RedriveAllowPolicy(settings.redrive_allow_policy.clone()),
        Attribute::RedrivePolicy(settings.redrive_policy.clone()),
        Attribute::RetentionPeriod(settings.retention_period),
        Attribute::VisibilityTimeout(settings.visibility_timeout),
        Attribute::WaitTime(settings.wait_time),
    ];
    if let Some(FifoSettings { content_based_deduplication, deduplication_scope, throughput_limit }) = settings.fifo {
        attributes.push(Attribute::ContentBasedDeduplication(content_based_deduplication));
        attributes.push(Attribute::DeduplicationScope(deduplication_scope));
        attributes.push(Attribute::FifoThroughputLimit(throughput_limit));
    }
    attributes
}

fn save_task(task: &MoveTask, to: &mut Encoder<'_>) {
    to.uuid(task.id);
    to.option(task.destination.as_ref(), |to, destination| to.arn(destination.as_str()));
    to.option(task.messages_per_second, |to, rate| to.number(rate.into()));
    to.time(task.started_at);
    to.byte(match task.status {
        MoveTaskStatus::Running => 0,
        MoveTaskStatus::Completed => 1,
        MoveTaskStatus::Cancelled => 2,
        MoveTaskStatus::Failed { reason } if reason == FAILURES[0] => 3,
        MoveTaskStatus::Failed { .. } => 4,
    });
    to.number(task.moved);
    to.number(task.to_move);
    to.option(task.next_at, Encoder::time);
}

fn load_task(from: &mut Decoder<'_>) -> Result<MoveTask, Malformed> {
    let task = MoveTask {
        id: from.uuid()?,
        destination: from.option(Decoder::arn)?,
        messages_per_second: from.option(Decoder::number32)?,
        started_at: from.time()?,
        status: match from.byte()? {
            0 => MoveTaskStatus::Running,
            1 => MoveTaskStatus::Completed,
            2 => MoveTaskStatus::Cancelled,
            3 => MoveTaskStatus::Failed { reason: FAILURES[0] },
            4 => MoveTaskStatus::Failed { reason: FAILURES[1] },
            _ => return Err(malformed("the status of a task is unknown")),
        },
        moved: from.number()?,
        to_move: from.number()?,
        next_at: from.option(Decoder::time)?,
    };
    let is_running = task.status == MoveTaskStatus::Running;
    if is_running == task.next_at.is_some() && task.messages_per_second != Some(0) {
        Ok(task)
    } else {
        Err(malformed("a task is neither running nor at its end"))
    }
}
