//! Messages: what a sender gives, what the engine keeps, what a receiver gets.

mod encoding;

use std::{fmt, num::NonZeroU128, sync::Arc, time::Duration};

use crate::{EngineError, MessageAttributes, MessageId, QueueArn, Time, characters::first_refused_character};

/// The body of a message: not empty, and only of characters that SQS accepts.
#[derive(Clone)]
pub struct MessageBody {
    text: Box<str>,
    digest: Option<NonZeroU128>,
}

impl MessageBody {
    /// Checks a body. Its size is checked against the queue's own limit when it is sent.
    pub fn parse(raw: impl Into<Box<str>>) -> Result<Self, EngineError> {
        let body = raw.into();
        if body.is_empty() {
            return Err(EngineError::MessageEmpty);
        }
        if let Some(character) = first_refused_character(&body) {
            return Err(EngineError::MessageContentsInvalid { character: character.into() });
        }
        Ok(Self { text: body, digest: None })
    }

    /// Keeps a digest of the body with it, for whoever shows one at each receive. Nothing here computes or reads it.
    #[must_use]
    pub fn with_digest(self, digest: [u8; 16]) -> Self {
        // The one digest of zeros is as good as none.
        Self { digest: NonZeroU128::new(u128::from_be_bytes(digest)), ..self }
    }

    /// The digest that is kept with the body.
    #[must_use]
    pub fn digest(&self) -> Option<[u8; 16]> {
        self.digest.map(|digest| digest.get().to_be_bytes())
    }

    /// The body as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl PartialEq for MessageBody {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for MessageBody {}

impl fmt::Debug for MessageBody {
    /// Only the size: bodies do not belong into logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MessageBody({} bytes)", self.text.len())
    }
}

/// A deduplication id; behind its group and NUL, which is in none, if the queue's scope is the group.
#[derive(Debug)]
pub(crate) struct DeduplicationKey {
    pub(crate) text: Box<str>,
    /// The hash by which its queue finds it.
    pub(crate) hash: u64,
}

/// What a sender asks for.
#[derive(Clone, Debug)]
pub struct SendMessage {
    /// The body.
    pub body: MessageBody,
    /// How long nobody can receive it; the queue's own delay when absent.
    pub delay: Option<Duration>,
    /// Attributes that travel with it.
    pub attributes: MessageAttributes,
    /// The X-Ray trace that it belongs to (`AWSTraceHeader`). It does not count towards the size.
    pub trace_header: Option<String>,
    /// The tenant it belongs to. On a standard queue a mark for fair delivery, without an order.
    pub group_id: Option<String>,
    /// What it is known by for five minutes, on a FIFO queue.
    pub deduplication_id: Option<String>,
}

impl SendMessage {
    /// A message with nothing but a body.
    #[must_use]
    pub fn new(body: MessageBody) -> Self {
        Self {
            body,
            delay: None,
            attributes: MessageAttributes::default(),
            trace_header: None,
            group_id: None,
            deduplication_id: None,
        }
    }

    /// What counts towards the queue's limit: the UTF-8 bytes of the body and of each attribute's name, type and value.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.body.text.len() as u64 + self.attributes.bytes()
    }
}

/// What the engine answers to a sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The message's id; of a duplicate, the first message's.
    pub message_id: MessageId,
    /// The message's place in its FIFO queue; of a duplicate, the first message's.
    pub sequence_number: Option<SequenceNumber>,
}

/// The place of a message in a FIFO queue: grows with every message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SequenceNumber(pub(crate) u64);

impl fmt::Display for SequenceNumber {
    /// 20 digits, as AWS writes them (recorded).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", 18_850_000_000_000_000_000_u128 + u128::from(self.0) * 256)
    }
}

/// A message as it was sent. Shared between the queue and those who receive it.
#[derive(Clone, Debug)]
pub struct Message {
    /// Its id, the same in every queue it passes through.
    pub id: MessageId,
    /// Its body.
    pub body: MessageBody,
    /// When it was sent.
    pub sent_at: Time,
    /// What few messages have; boxed, so that the others pay eight bytes.
    rare: Option<Box<Rare>>,
}

#[derive(Clone, Debug, Default)]
struct Rare {
    attributes: MessageAttributes,
    trace_header: Option<String>,
    group_id: Option<String>,
    deduplication_id: Option<String>,
    sequence_number: Option<SequenceNumber>,
    dead_letter_source: Option<QueueArn>,
}

static NO_ATTRIBUTES: MessageAttributes = MessageAttributes::NONE;

impl Message {
    pub(crate) fn new(
        id: MessageId,
        sent_at: Time,
        sequence_number: Option<SequenceNumber>,
        request: SendMessage,
    ) -> Self {
        let SendMessage { body, attributes, trace_header, group_id, deduplication_id, delay: _ } = request;
        let plain = attributes.is_empty() && trace_header.is_none() && group_id.is_none();
        let dead_letter_source = None;
        let rare = Rare { attributes, trace_header, group_id, deduplication_id, sequence_number, dead_letter_source };
        Self { id, body, sent_at, rare: (!plain).then(|| Box::new(rare)) }
    }

    pub(crate) const fn has_rare(&self) -> bool {
        self.rare.is_some()
    }

    /// Its attributes.
    #[must_use]
    pub fn attributes(&self) -> &MessageAttributes {
        self.rare.as_ref().map_or(&NO_ATTRIBUTES, |rare| &rare.attributes)
    }

    /// The X-Ray trace that it belongs to.
    #[must_use]
    pub fn trace_header(&self) -> Option<&str> {
        self.rare.as_ref()?.trace_header.as_deref()
    }

    /// The group or tenant that it belongs to.
    #[must_use]
    pub fn group_id(&self) -> Option<&str> {
        self.rare.as_ref()?.group_id.as_deref()
    }

    /// What it was known by for five minutes in its FIFO queue.
    #[must_use]
    pub fn deduplication_id(&self) -> Option<&str> {
        self.rare.as_ref()?.deduplication_id.as_deref()
    }

    /// Its place in its FIFO queue.
    #[must_use]
    pub fn sequence_number(&self) -> Option<SequenceNumber> {
        self.rare.as_ref()?.sequence_number
    }

    /// The queue that gave it up, if it is in a dead-letter queue.
    #[must_use]
    pub fn dead_letter_source(&self) -> Option<&QueueArn> {
        self.rare.as_ref()?.dead_letter_source.as_ref()
    }

    /// Marks it as given up by `source`.
    ///
    /// AWS (developer guide, "Learn how to configure a dead-letter queue redrive"): in a FIFO dead-letter queue its id
    /// takes the place of its deduplication id, so that two messages with one deduplication id are both kept.
    pub(crate) fn set_dead_letter_source(&mut self, source: QueueArn) {
        let deduplication_id = source.is_fifo().then(|| self.id.to_string());
        let rare = self.rare.get_or_insert_default();
        rare.dead_letter_source = Some(source);
        if deduplication_id.is_some() {
            rare.deduplication_id = deduplication_id;
        }
    }

    /// The same message as one that is sent anew by a message move task: a new id, a new time, no past (developer guide,
    /// "Learn how to configure a dead-letter queue redrive").
    pub(crate) fn redriven(&self, id: MessageId, sent_at: Time, sequence_number: Option<SequenceNumber>) -> Self {
        let mut message = Self { id, sent_at, ..self.clone() };
        if let Some(rare) = &mut message.rare {
            if !canary!(MovedMessageKeepsSource) {
                rare.dead_letter_source = None;
            }
            rare.sequence_number = sequence_number;
        }
        message
    }
}

/// A queue among all of all engines; never used again, also after the queue is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct QueueNumber {
    /// Which engine ([`Engine::with_store`](crate::Engine::with_store)).
    pub store: u64,
    /// Which of all queues that it ever had.
    pub number: u32,
}

/// The right to delete a received message or to change its visibility, given by one receive.
///
/// Its parts are what whoever writes handles for others carries to and fro. The engine trusts none of them: it finds what a
/// handle stands for, or nothing; to keep others from making handles up is for whoever writes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ReceiptHandle {
    /// The queue that gave it.
    pub queue: QueueNumber,
    /// Where in the queue.
    pub slot: u32,
    /// Which message; never used again.
    pub sequence: u64,
    /// Which receive of the message, from 1.
    pub receive: u32,
}

/// What a receiver asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receive {
    /// At most so many messages, 1 to 10.
    pub max_messages: u64,
    /// How long the messages stay invisible to others; the queue's own timeout when absent.
    pub visibility_timeout: Option<Duration>,
    /// How long to wait for a first message; the queue's own wait time when absent.
    pub wait_time: Option<Duration>,
    /// Names this receive of a FIFO queue, so that it can be repeated when its answer was lost
    /// (`ReceiveRequestAttemptId`).
    pub attempt_id: Option<String>,
}

impl Default for Receive {
    fn default() -> Self {
        Self { max_messages: 1, visibility_timeout: None, wait_time: None, attempt_id: None }
    }
}

/// One message handed to a receiver.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The message.
    pub message: Arc<Message>,
    /// The right to delete it.
    pub receipt_handle: ReceiptHandle,
    /// How often it has been received, this time included, over all queues it was in.
    pub receive_count: u32,
    /// When it was received for the first time.
    pub first_received_at: Time,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Limits, MessageAttribute};

    #[test]
    fn a_body_is_not_empty_and_has_only_the_characters_of_xml() {
        for body in ["a", "\t\n\r", "\u{d7ff}\u{e000}\u{fffd}", "\u{10000}\u{10ffff}", "\u{7f}"] {
            assert!(MessageBody::parse(body).is_ok(), "{body:?}");
        }
        assert_eq!(MessageBody::parse(""), Err(EngineError::MessageEmpty));
        for (body, character) in [("a\0", 0), ("\u{b}", 0xb), ("ok\u{fffe}", 0xfffe), ("\u{ffff}", 0xffff)] {
            assert_eq!(MessageBody::parse(body), Err(EngineError::MessageContentsInvalid { character }), "{body:?}");
        }
    }

    #[test]
    fn a_message_has_at_most_ten_attributes_and_they_count_towards_its_size() {
        let raw = |count: usize| (0..count).map(|i| (format!("a{i:02}"), MessageAttribute::string("1234"))).collect();
        let attributes = MessageAttributes::parse(raw(10), &Limits::STRICT).unwrap();
        let message = SendMessage { attributes, ..SendMessage::new(MessageBody::parse("\u{e4}").unwrap()) };
        assert_eq!(message.bytes(), 2 + 10 * (3 + 6 + 4));
        assert_eq!(
            MessageAttributes::parse(raw(11), &Limits::STRICT),
            Err(EngineError::TooManyMessageAttributes { count: 11, count_max: 10 })
        );
    }
}
