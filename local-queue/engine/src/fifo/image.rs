//! What a FIFO queue knows beside its messages, as bytes.

use super::{Attempts, Deduplication, Groups};
use crate::{
    SequenceNumber,
    codec::{Decoder, Encoder, Malformed, malformed},
    footprint,
};

impl Groups {
    /// The line of groups, which decides whose turn is next.
    pub(crate) fn save(&self, to: &mut Encoder<'_>) {
        to.number(self.turns);
        to.count(self.line.len());
        for (turn, key) in &self.line {
            to.number(*turn);
            to.text(&self.by_key[*key].name);
        }
    }

    /// Puts the groups into line again, when all messages are there.
    pub(crate) fn restore(&mut self, from: &mut Decoder<'_>) -> Result<(), Malformed> {
        let (turns, count) = (from.number()?, from.count()?);
        if count != self.line.len() {
            return Err(malformed("other groups are in line than can be received"));
        }
        let in_line = std::mem::take(&mut self.line);
        for _ in 0..count {
            let (turn, name) = (from.number()?, from.text()?);
            let key = *self.by_name.get(name).ok_or(malformed("a group has no messages"))?;
            let group = &mut self.by_key[key];
            if turn > turns || group.turn.replace(turn).is_none() || self.line.insert(turn, key).is_some() {
                return Err(malformed("the line of groups is none"));
            }
        }
        self.turns = turns;
        let in_line = in_line.into_values().collect::<std::collections::BTreeSet<_>>();
        let is_same = in_line == self.line.values().copied().collect();
        if is_same { Ok(()) } else { Err(malformed("other groups are in line than can be received")) }
    }
}

impl Deduplication {
    pub(crate) fn save(&self, to: &mut Encoder<'_>) {
        to.count(self.by_age.len());
        for seen in &self.by_age {
            to.text(&seen.key.text);
            to.uuid(seen.message_id);
            to.number(seen.sequence_number.0);
            to.time(seen.sent_at);
        }
    }

    pub(crate) fn load(from: &mut Decoder<'_>) -> Result<Self, Malformed> {
        let mut seen = Self::default();
        for _ in 0..from.count()? {
            let key = seen.key(from.text()?);
            let message = (from.uuid()?, SequenceNumber(from.number()?));
            seen.remember(key, message, from.time()?);
        }
        Ok(seen)
    }
}

impl Attempts {
    pub(crate) fn save(&self, to: &mut Encoder<'_>) {
        to.count(self.by_age.len());
        for (at, id) in &self.by_age {
            to.time(*at);
            to.text(id);
        }
        let mut attempts = self.by_id.iter().collect::<Vec<_>>();
        attempts.sort_unstable_by_key(|(id, _)| *id);
        to.count(attempts.len());
        for (id, (at, handed)) in attempts {
            to.text(id);
            to.time(*at);
            to.count(handed.len());
            for &(slot, sequence, receive) in handed {
                for number in [slot.into(), sequence, receive.into()] {
                    to.number(number);
                }
            }
        }
    }

    pub(crate) fn load(from: &mut Decoder<'_>) -> Result<Self, Malformed> {
        let mut attempts = Self::default();
        for _ in 0..from.count()? {
            attempts.by_age.push_back((from.time()?, from.text()?.to_owned()));
        }
        for _ in 0..from.count()? {
            let (id, at) = (from.text()?.to_owned(), from.time()?);
            let handed = (0..from.count()?).map(|_| Ok((from.number32()?, from.number()?, from.number32()?)));
            let handed = handed.collect::<Result<Vec<_>, Malformed>>()?;
            attempts.bytes += footprint::of_attempt(&id, handed.len());
            if attempts.by_id.insert(id, (at, handed)).is_some() {
                return Err(malformed("two attempts have one id"));
            }
        }
        Ok(attempts)
    }
}
