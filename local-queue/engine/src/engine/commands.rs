//! What is asked of an engine, as a value: so that it can be written down, and asked again of another engine, which then is in
//! the same state.
//!
//! Only what changes something is a command, and what time alone changes is none: the same commands at the same times bring
//! everything between them about, each at its own moment, however often somebody has looked meanwhile. So there is a command
//! for time only where it had an effect that somebody heard of: a receive that had waited was answered.
//!
//! Commands that were refused need not be asked again. What may be refused for want of memory or of places to wait depends
//! on who has looked, so that an engine to which commands are given again must be [without these bounds](Engine::unbounded).

use std::{borrow::Cow, collections::BTreeMap, time::Duration};

use super::{Engine, Output, Received};
use crate::{
    Attribute, Delivery, EngineError, IdSource, Limits, QueueName, ReceiptHandle, Receive, Scope, SendMessage, Time,
    WaiterId,
    codec::{Decoder, Encoder, Malformed, malformed},
};

/// One of the calls that change the state of an [`Engine`].
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "each is a method of the engine, and documented there")]
pub enum Command<'a> {
    Advance,
    CreateQueue { scope: Cow<'a, Scope>, name: Cow<'a, str>, attributes: Cow<'a, [Attribute]> },
    DeleteQueue { queue: Cow<'a, str> },
    SetQueueAttributes { queue: Cow<'a, str>, attributes: Cow<'a, [Attribute]> },
    PurgeQueue { queue: Cow<'a, str> },
    TagQueue { queue: Cow<'a, str>, tags: Cow<'a, BTreeMap<String, String>> },
    UntagQueue { queue: Cow<'a, str>, keys: Vec<Cow<'a, str>> },
    Send { queue: Cow<'a, str>, message: Cow<'a, SendMessage> },
    Receive { queue: Cow<'a, str>, request: Cow<'a, Receive> },
    Cancel { waiter: WaiterId },
    TakeBack { queue: Cow<'a, str>, handles: Vec<ReceiptHandle>, attempt_id: Option<Cow<'a, str>> },
    Delete { queue: Cow<'a, str>, handle: ReceiptHandle },
    ChangeVisibility { queue: Cow<'a, str>, handle: ReceiptHandle, timeout: Duration },
    StartMoveTask { source: Cow<'a, str>, destination: Option<Cow<'a, str>>, messages_per_second: Option<u32> },
    CancelMoveTask { source: Cow<'a, str>, id: Cow<'a, str> },
    Duplicate { queue: Cow<'a, str>, handle: ReceiptHandle },
    Postpone { queue: Cow<'a, str>, count: usize },
    Reset,
}

impl Command<'_> {
    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Advance => "Advance",
            Self::CreateQueue { .. } => "CreateQueue",
            Self::DeleteQueue { .. } => "DeleteQueue",
            Self::SetQueueAttributes { .. } => "SetQueueAttributes",
            Self::PurgeQueue { .. } => "PurgeQueue",
            Self::TagQueue { .. } => "TagQueue",
            Self::UntagQueue { .. } => "UntagQueue",
            Self::Send { .. } => "Send",
            Self::Receive { .. } => "Receive",
            Self::Cancel { .. } => "Cancel",
            Self::TakeBack { .. } => "TakeBack",
            Self::Delete { .. } => "Delete",
            Self::ChangeVisibility { .. } => "ChangeVisibility",
            Self::StartMoveTask { .. } => "StartMoveTask",
            Self::CancelMoveTask { .. } => "CancelMoveTask",
            Self::Duplicate { .. } => "Duplicate",
            Self::Postpone { .. } => "Postpone",
            Self::Reset => "Reset",
        }
    }

    /// Writes it.
    pub fn encode(&self, to: &mut Encoder<'_>) {
        match self {
            Self::Advance => to.byte(0),
            Self::CreateQueue { scope, name, attributes } => {
                to.byte(1);
                for text in [&*scope.region, &*scope.account, name] {
                    to.text(text);
                }
                Attribute::encode_all(attributes, to);
            }
            Self::DeleteQueue { queue } => of_queue(2, queue, to),
            Self::SetQueueAttributes { queue, attributes } => {
                of_queue(3, queue, to);
                Attribute::encode_all(attributes, to);
            }
            Self::PurgeQueue { queue } => of_queue(4, queue, to),
            Self::TagQueue { queue, tags } => {
                of_queue(5, queue, to);
                to.each(tags.iter(), |to, (key, value)| {
                    to.text(key);
                    to.text(value);
                });
            }
            Self::UntagQueue { queue, keys } => {
                of_queue(6, queue, to);
                to.each(keys.iter(), |to, key| to.text(key));
            }
            Self::Send { queue, message } => {
                of_queue(7, queue, to);
                message.encode(to);
            }
            Self::Receive { queue, request } => {
                of_queue(8, queue, to);
                request.encode(to);
            }
            Self::Cancel { waiter } => {
                to.byte(9);
                to.number(waiter.0);
            }
            Self::TakeBack { queue, handles, attempt_id } => {
                of_queue(10, queue, to);
                to.each(handles.iter(), |to, handle| handle.encode(to));
                to.option(attempt_id.as_deref(), Encoder::text);
            }
            Self::Delete { queue, handle } => of_message(11, queue, *handle, to),
            Self::ChangeVisibility { queue, handle, timeout } => {
                of_message(12, queue, *handle, to);
                to.duration(*timeout);
            }
            Self::StartMoveTask { source, destination, messages_per_second } => {
                of_queue(13, source, to);
                to.option(destination.as_deref(), Encoder::arn);
                to.option(*messages_per_second, |to, rate| to.number(rate.into()));
            }
            Self::CancelMoveTask { source, id } => {
                of_queue(14, source, to);
                to.text(id);
            }
            Self::Duplicate { queue, handle } => of_message(15, queue, *handle, to),
            Self::Postpone { queue, count } => {
                of_queue(16, queue, to);
                to.count(*count);
            }
            Self::Reset => to.byte(17),
        }
    }
}

impl<'a> Command<'a> {
    /// Reads one, for the engine that is known by `store`.
    pub fn decode(from: &mut Decoder<'a>, store: u64) -> Result<Self, Malformed> {
        let tag = from.byte()?;
        match tag {
            0 => return Ok(Self::Advance),
            1 => {
                let scope = Cow::Owned(Scope::new(from.text()?, from.text()?));
                let name = from.text()?.into();
                return Ok(Self::CreateQueue { scope, name, attributes: Attribute::decode_all(from)?.into() });
            }
            9 => return Ok(Self::Cancel { waiter: WaiterId(from.number()?) }),
            17 => return Ok(Self::Reset),
            _ => {}
        }
        let queue = Cow::Owned(from.arn()?.as_str().to_owned());
        Ok(match tag {
            2 => Self::DeleteQueue { queue },
            3 => Self::SetQueueAttributes { queue, attributes: Attribute::decode_all(from)?.into() },
            4 => Self::PurgeQueue { queue },
            5 => {
                let tags = (0..from.count()?).map(|_| Ok((from.text()?.to_owned(), from.text()?.to_owned())));
                Self::TagQueue { queue, tags: Cow::Owned(tags.collect::<Result<_, Malformed>>()?) }
            }
            6 => {
                let keys = (0..from.count()?).map(|_| from.text().map(Cow::Borrowed));
                Self::UntagQueue { queue, keys: keys.collect::<Result<_, _>>()? }
            }
            7 => Self::Send { queue, message: Cow::Owned(SendMessage::decode(from)?) },
            8 => Self::Receive { queue, request: Cow::Owned(Receive::decode(from)?) },
            10 => {
                let handles = (0..from.count()?).map(|_| ReceiptHandle::decode(from, store));
                let handles = handles.collect::<Result<_, _>>()?;
                Self::TakeBack { queue, handles, attempt_id: from.option(Decoder::text)?.map(Cow::Borrowed) }
            }
            11 => Self::Delete { queue, handle: ReceiptHandle::decode(from, store)? },
            12 => {
                let handle = ReceiptHandle::decode(from, store)?;
                Self::ChangeVisibility { queue, handle, timeout: from.duration()? }
            }
            13 => {
                let destination = from.option(Decoder::arn)?.map(|arn| Cow::Owned(arn.as_str().to_owned()));
                let messages_per_second = from.option(Decoder::number32)?;
                Self::StartMoveTask { source: queue, destination, messages_per_second }
            }
            14 => Self::CancelMoveTask { source: queue, id: from.text()?.into() },
            15 => Self::Duplicate { queue, handle: ReceiptHandle::decode(from, store)? },
            16 => Self::Postpone { queue, count: usize::try_from(from.number()?).unwrap_or(usize::MAX) },
            _ => return Err(malformed("a command is unknown")),
        })
    }
}

fn of_queue(tag: u8, queue: &str, to: &mut Encoder<'_>) {
    to.byte(tag);
    to.arn(queue);
}

fn of_message(tag: u8, queue: &str, handle: ReceiptHandle, to: &mut Encoder<'_>) {
    of_queue(tag, queue, to);
    handle.encode(to);
}

/// By which two engines that were asked the same see that they have come to the same: who was handed what, and how far
/// their counters are. Two that differ agree by chance once in four thousand million times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fingerprint(u64);

impl Fingerprint {
    /// A number that was answered.
    pub fn add(&mut self, number: u64) {
        self.0 = IdSource::mix(self.0.rotate_left(5) ^ number.wrapping_add(0x9e37_79b9_7f4a_7c15));
    }

    /// What a receive was handed.
    pub fn add_deliveries(&mut self, deliveries: &[Delivery]) {
        for Delivery { receipt_handle: handle, receive_count, .. } in deliveries {
            self.add(handle.sequence);
            self.add(u64::from(handle.slot) << 32 | u64::from(handle.receive));
            self.add(u64::from(handle.queue.number) << 32 | u64::from(*receive_count));
        }
    }

    /// What was said to a receive that had waited.
    pub fn add_output(&mut self, output: &Output) {
        let Output::Answer { waiter, result } = output;
        self.add(waiter.0);
        if let Ok(deliveries) = result {
            self.add_deliveries(deliveries);
        }
    }

    /// How far the counters of an engine are.
    pub fn add_counters(&mut self, engine: &Engine) {
        self.add(engine.ids.state());
        self.add(engine.sequence);
        self.add(engine.waiters.last() << 32 | u64::from(engine.queues_created));
    }

    /// How many messages a queue has, if it is there: one that was just asked for, so that what is due in it is true.
    pub fn add_queue(&mut self, engine: &Engine, arn: &str) {
        if let Some(slot) = engine.by_arn.get(arn) {
            let queue = &engine.queues[*slot];
            self.add((queue.ready() as u64) << 32 | queue.in_flight() as u64);
        }
    }

    /// Its last 32 bits.
    #[must_use]
    pub const fn short(self) -> u32 {
        (self.0 & 0xffff_ffff) as u32
    }
}

impl Engine {
    /// Does what a command says, which was done before by another engine in the same state.
    pub fn carry_out(&mut self, now: Time, command: Command<'_>, seen: &mut Fingerprint) -> Result<(), EngineError> {
        match command {
            Command::Advance => self.advance(now),
            Command::CreateQueue { scope, name, attributes } => {
                let name = QueueName::parse(&name, &self.limits)?;
                self.create_queue(now, &scope, &name, &attributes)?;
            }
            Command::DeleteQueue { queue } => self.delete_queue(now, &queue)?,
            Command::SetQueueAttributes { queue, attributes } => {
                self.set_queue_attributes(now, &queue, &attributes)?;
                seen.add_queue(self, &queue);
            }
            Command::PurgeQueue { queue } => {
                self.purge_queue(now, &queue)?;
                seen.add_queue(self, &queue);
            }
            Command::TagQueue { queue, tags } => self.tag_queue(&queue, tags.into_owned())?,
            Command::UntagQueue { queue, keys } => self.untag_queue(&queue, keys.iter().map(AsRef::as_ref))?,
            Command::Send { queue, message } => {
                self.send(now, &queue, message.into_owned())?;
                seen.add_queue(self, &queue);
            }
            Command::Receive { queue, request } => {
                if let Received::Now(deliveries) = self.receive(now, &queue, request.into_owned())? {
                    seen.add_deliveries(&deliveries);
                }
            }
            Command::Cancel { waiter } => self.cancel(waiter),
            Command::TakeBack { queue, handles, attempt_id } => {
                self.take_back(now, &queue, handles.into_iter(), attempt_id.as_deref());
                seen.add_queue(self, &queue);
            }
            Command::Delete { queue, handle } => {
                self.delete(now, &queue, handle)?;
                seen.add_queue(self, &queue);
            }
            Command::ChangeVisibility { queue, handle, timeout } => {
                self.change_visibility(now, &queue, handle, timeout)?;
                seen.add_queue(self, &queue);
            }
            Command::StartMoveTask { source, destination, messages_per_second } => {
                self.start_move_task(now, &source, destination.as_deref(), messages_per_second.map(Into::into))?;
                seen.add_queue(self, &source);
            }
            Command::CancelMoveTask { source, id } => {
                let moved = self.cancel_move_task(now, &source, &id)?;
                seen.add(moved);
            }
            Command::Duplicate { queue, handle } => {
                self.duplicate(now, &queue, handle)?;
                seen.add_queue(self, &queue);
            }
            Command::Postpone { queue, count } => self.postpone(now, &queue, count)?,
            Command::Reset => self.reset(now),
        }
        Ok(())
    }

    /// Whether an effect is to be carried out.
    #[must_use]
    pub fn has_output(&self) -> bool {
        !self.outputs.is_empty()
    }

    /// The last number that a message was given; one that moves to another queue is given a new one.
    #[must_use]
    pub const fn last_sequence(&self) -> u64 {
        self.sequence
    }

    /// Takes away the bounds of memory and of waiting receives and the quotas, for commands that have been accepted before.
    pub fn unbounded(&mut self, limits: Limits) {
        let (stored_bytes_max, waiting_receives_max) = (u64::MAX, usize::MAX);
        self.limits = Limits { stored_bytes_max, waiting_receives_max, fifo_calls_per_second: None, ..limits };
    }

    /// Begins anew with what there is, after those who waited have gone with their process: with these limits, and with
    /// numbers and identifiers that nobody has been given, should some have been given that were forgotten.
    pub fn begin_anew(&mut self, limits: Limits, skipped: u64) {
        let waiting = self.waiters.iter().map(|(waiter, ..)| waiter).collect::<Vec<_>>();
        for waiter in waiting {
            if let Some(slot) = self.forget(waiter) {
                self.update_wakeup(slot);
            }
        }
        self.limits = limits;
        if skipped > 0 {
            self.sequence += skipped;
            self.ids = IdSource::seeded(IdSource::mix(self.ids.state()) ^ skipped);
        }
    }
}
