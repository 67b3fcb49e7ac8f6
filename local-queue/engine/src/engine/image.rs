//! The whole state as bytes and back: what a snapshot is made of.
//!
//! An engine that is loaded goes on exactly as the one that was saved: it gives the same identifiers, numbers and places to
//! what comes. What is not saved: how messages left their queues, calls counted for a quota, and what was refused for room.

use std::collections::BTreeSet;

use super::Engine;
use crate::{
    IdSource, Limits, MoveTaskStatus, Receive,
    codec::{Decoder, Encoder, Malformed, malformed},
    queue::Queue,
    slab::Slab,
};

impl Engine {
    /// Writes everything, and hands it on in pieces. ARNs that begin with `prefix` are written without it.
    pub fn save(&self, prefix: &str, piece: &mut dyn FnMut(&[u8])) {
        debug_assert!(self.outputs.is_empty(), "a state is whole when its effects have been taken");
        let mut bytes = Vec::new();
        let mut to = Encoder::new(&mut bytes, prefix);
        to.number(self.ids.state());
        to.time(self.now);
        to.number(self.sequence);
        to.number(self.queues_created.into());
        to.count(self.deleted.len());
        for (arn, at) in &self.deleted {
            to.arn(arn.as_str());
            to.time(*at);
        }
        let (free, slots) = self.queues.free();
        to.count(slots);
        to.each(free.iter(), |to, slot| to.number((*slot).into()));
        for (slot, queue) in self.queues.iter() {
            to.number(slot.into());
            queue.save(&mut to, piece);
        }
        to.number(self.waiters.last());
        let waiting = self.waiters.iter().collect::<Vec<_>>();
        to.count(waiting.len());
        for (id, waiter, deadline) in waiting {
            to.number(id.0);
            to.number(waiter.queue.into());
            waiter.request.encode(&mut to);
            to.time(deadline);
        }
        to.drain(piece);
    }

    /// The engine whose pieces, one behind the other, are `bytes`; with these limits, and known by `store` as it was.
    pub fn load(limits: Limits, store: u64, bytes: &[u8], prefix: &str) -> Result<Self, Malformed> {
        let mut from = Decoder::new(bytes, prefix);
        let from = &mut from;
        let mut engine = Self::new(limits, 0).with_store(store);
        engine.ids = IdSource::seeded(from.number()?);
        engine.now = from.time()?;
        engine.sequence = from.number()?;
        engine.queues_created = from.number32()?;
        for _ in 0..from.count()? {
            engine.deleted.insert(from.arn()?, from.time()?);
        }
        let (slots, free) = (from.count()?, from.count()?);
        let free = (0..free).map(|_| from.number32()).collect::<Result<Vec<_>, _>>()?;
        let count = slots.checked_sub(free.len()).ok_or(malformed("more places are free than there are"))?;
        let queues = (0..count).map(|_| Ok((from.number32()?, Queue::load(from, store)?)));
        let queues = queues.collect::<Result<Vec<_>, Malformed>>()?;
        engine.queues = Slab::restored(queues, free, slots).ok_or(malformed("places of queues do not add up"))?;
        engine.link_all()?;
        engine.load_waiting(from)?;
        if !from.is_empty() {
            return Err(malformed("there is more than there should be"));
        }
        let slots = engine.by_arn.values().copied().collect::<Vec<_>>();
        for slot in slots {
            engine.update_wakeup(slot);
        }
        Ok(engine)
    }

    fn link_all(&mut self) -> Result<(), Malformed> {
        let slots = self.queues.iter().map(|(slot, _)| slot).collect::<Vec<_>>();
        let mut numbers = BTreeSet::new();
        for slot in slots {
            let queue = &self.queues[slot];
            let (arn, number) = (queue.arn.clone(), queue.number().number);
            let policy = queue.settings.redrive_policy.clone();
            if !numbers.insert(number)
                || number > self.queues_created
                || self.by_arn.insert(arn.clone(), slot).is_some()
            {
                return Err(malformed("two queues are one"));
            }
            for (at, task) in queue.move_tasks.iter().enumerate() {
                let is_last = at + 1 == queue.move_tasks.len();
                if task.status == MoveTaskStatus::Running && !is_last {
                    return Err(malformed("two tasks of a queue are running"));
                }
                self.moving.extend(task.next_at.map(|next_at| (next_at, slot)));
            }
            self.link_to_dead_letter_queue(&arn, None, policy.as_ref());
        }
        Ok(())
    }

    fn load_waiting(&mut self, from: &mut Decoder<'_>) -> Result<(), Malformed> {
        let last = from.number()?;
        for _ in 0..from.count()? {
            let (id, slot, request) = (from.number()?, from.number32()?, Receive::decode(from)?);
            let before = id.checked_sub(1).filter(|before| *before >= self.waiters.last() && *before < last);
            let queue = self.queues.get_mut(slot).ok_or(malformed("a receive waits for no queue"))?;
            self.waiters.go_on_after(before.ok_or(malformed("receives do not wait in order"))?);
            let waiter = self.waiters.park(slot, request, from.time()?);
            queue.waiting.insert(waiter);
        }
        self.waiters.go_on_after(last);
        Ok(())
    }
}
