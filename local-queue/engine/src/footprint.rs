//! What queues and messages take of memory, in bytes: an estimate from above, so that a bound on it is one on memory.
//!
//! The numbers are those of a 64-bit machine with an allocator that gives up to an eighth more than was asked for. They
//! are compared with a whole process by the tests of the server.

use crate::{Message, MessageAttributes, QueueArn, SendMessage, message::DeduplicationKey};

/// A queue without anything.
pub(crate) const QUEUE: u64 = 2_048;
/// A message without its body: the message, its entry, and its place in the indexes of a queue.
const MESSAGE: u64 = 304;
/// What few messages have, without the texts.
const RARE: u64 = 176;
/// A tree of up to eleven attributes, without the texts.
const ATTRIBUTES: u64 = 1_024;
/// A message group, or a tenant of a standard queue, without its name.
const GROUP: u64 = 640;
/// A deduplication id that is remembered, or an id of a receive, without the text.
const REMEMBERED: u64 = 256;
/// A message that such a receive was handed.
const HANDED: u64 = 32;

/// A text or value of so many bytes, by itself on the heap.
pub(crate) const fn of_bytes(bytes: usize) -> u64 {
    if bytes == 0 { 0 } else { (bytes + bytes / 8) as u64 + 16 }
}

pub(crate) fn of_text(text: Option<&str>) -> u64 {
    of_bytes(text.map_or(0, str::len))
}

/// A group keeps its name twice.
pub(crate) const fn of_group(name: &str) -> u64 {
    GROUP + 2 * of_bytes(name.len())
}

pub(crate) const fn of_deduplication(key: &DeduplicationKey) -> u64 {
    REMEMBERED + of_bytes(key.text.len())
}

/// An attempt keeps its id twice.
pub(crate) const fn of_attempt(id: &str, messages: usize) -> u64 {
    REMEMBERED + 2 * of_bytes(id.len()) + HANDED * messages as u64
}

fn of_attributes(attributes: &MessageAttributes) -> u64 {
    let texts = attributes.iter().map(|(name, attribute)| {
        of_bytes(name.len()) + of_bytes(attribute.data_type.len()) + of_bytes(attribute.value_bytes().len())
    });
    if attributes.is_empty() { 0 } else { ATTRIBUTES + texts.sum::<u64>() }
}

impl Message {
    /// What this message takes of memory in a queue, as [`Engine::stored_bytes`](crate::Engine::stored_bytes) counts it.
    #[must_use]
    pub fn footprint(&self) -> u64 {
        let plain = MESSAGE + of_bytes(self.body.as_str().len());
        if !self.has_rare() {
            return plain;
        }
        let texts = of_text(self.trace_header()) + of_text(self.group_id()) + of_text(self.deduplication_id());
        let source = of_text(self.dead_letter_source().map(QueueArn::as_str));
        plain + RARE + texts + source + of_attributes(self.attributes())
    }
}

impl SendMessage {
    /// What it would take of memory in a queue where it is the first of its group.
    pub(crate) fn footprint(&self, deduplication: Option<&DeduplicationKey>) -> u64 {
        let texts = [&self.trace_header, &self.group_id, &self.deduplication_id].map(|text| of_text(text.as_deref()));
        let group = self.group_id.as_deref().map_or(0, of_group);
        let plain = MESSAGE + RARE + of_bytes(self.body.as_str().len()) + of_attributes(&self.attributes);
        plain + texts.iter().sum::<u64>() + group + deduplication.map_or(0, of_deduplication)
    }
}
