//! Messages, requests and handles as bytes.

use std::collections::BTreeMap;

use super::{Message, MessageBody, QueueNumber, Rare, ReceiptHandle, Receive, SendMessage, SequenceNumber};
use crate::{
    MessageAttribute, MessageAttributeValue, MessageAttributes,
    codec::{Decoder, Encoder, Malformed, malformed},
};

impl MessageBody {
    fn encode(&self, to: &mut Encoder<'_>) {
        to.text(&self.text);
        to.option(self.digest(), |to, digest| to.array(&digest));
    }

    fn decode(from: &mut Decoder<'_>) -> Result<Self, Malformed> {
        let body = Self::parse(from.text()?).map_err(|_| malformed("a body has characters that none has"))?;
        let digest = from.option(|from| from.array(16))?;
        Ok(match digest.and_then(|digest| digest.try_into().ok()) {
            Some(digest) => body.with_digest(digest),
            None => body,
        })
    }
}

impl MessageAttributes {
    fn encode(&self, to: &mut Encoder<'_>) {
        to.count(self.len());
        for (name, attribute) in self.iter() {
            to.text(name);
            to.text(&attribute.data_type);
            to.flag(matches!(attribute.value, MessageAttributeValue::Binary(_)));
            to.blob(attribute.value_bytes());
        }
    }

    fn decode(from: &mut Decoder<'_>) -> Result<Self, Malformed> {
        let mut attributes = BTreeMap::new();
        for _ in 0..from.count()? {
            let (name, data_type) = (from.text()?.to_owned(), from.text()?.to_owned());
            let value = if from.flag()? {
                MessageAttributeValue::Binary(from.blob()?.to_vec())
            } else {
                MessageAttributeValue::Text(from.text()?.to_owned())
            };
            attributes.insert(name, MessageAttribute { data_type, value });
        }
        Ok(Self::known(attributes))
    }
}

/// Most messages have none of what few have, which is one byte then.
fn encode_rare(rare: &Rare, to: &mut Encoder<'_>) {
    rare.attributes.encode(to);
    for text in [&rare.trace_header, &rare.group_id, &rare.deduplication_id] {
        to.option(text.as_deref(), Encoder::text);
    }
    to.option(rare.sequence_number, |to, SequenceNumber(number)| to.number(number));
    to.option(rare.dead_letter_source.as_ref(), |to, source| to.arn(source.as_str()));
}

fn decode_rare(from: &mut Decoder<'_>) -> Result<Rare, Malformed> {
    Ok(Rare {
        attributes: MessageAttributes::decode(from)?,
        trace_header: from.option(Decoder::text)?.map(str::to_owned),
        group_id: from.option(Decoder::text)?.map(str::to_owned),
        deduplication_id: from.option(Decoder::text)?.map(str::to_owned),
        sequence_number: from.option(Decoder::number)?.map(SequenceNumber),
        dead_letter_source: from.option(Decoder::arn)?,
    })
}

impl Message {
    pub(crate) fn encode(&self, to: &mut Encoder<'_>) {
        to.uuid(self.id);
        self.body.encode(to);
        to.time(self.sent_at);
        to.option(self.rare.as_deref(), |to, rare| encode_rare(rare, to));
    }

    pub(crate) fn decode(from: &mut Decoder<'_>) -> Result<Self, Malformed> {
        let (id, body, sent_at) = (from.uuid()?, MessageBody::decode(from)?, from.time()?);
        Ok(Self { id, body, sent_at, rare: from.option(decode_rare)?.map(Box::new) })
    }
}

impl SendMessage {
    pub(crate) fn encode(&self, to: &mut Encoder<'_>) {
        self.body.encode(to);
        to.option(self.delay, Encoder::duration);
        let is_plain = self.attributes.is_empty()
            && [&self.trace_header, &self.group_id, &self.deduplication_id].iter().all(|text| text.is_none());
        to.option((!is_plain).then_some(self), |to, message| {
            message.attributes.encode(to);
            for text in [&message.trace_header, &message.group_id, &message.deduplication_id] {
                to.option(text.as_deref(), Encoder::text);
            }
        });
    }

    pub(crate) fn decode(from: &mut Decoder<'_>) -> Result<Self, Malformed> {
        let body = MessageBody::decode(from)?;
        let mut message = Self { delay: from.option(Decoder::duration)?, ..Self::new(body) };
        if from.flag()? {
            message.attributes = MessageAttributes::decode(from)?;
            for text in [&mut message.trace_header, &mut message.group_id, &mut message.deduplication_id] {
                *text = from.option(Decoder::text)?.map(str::to_owned);
            }
        }
        Ok(message)
    }
}

impl Receive {
    pub(crate) fn encode(&self, to: &mut Encoder<'_>) {
        to.number(self.max_messages);
        to.option(self.visibility_timeout, Encoder::duration);
        to.option(self.wait_time, Encoder::duration);
        to.option(self.attempt_id.as_deref(), Encoder::text);
    }

    pub(crate) fn decode(from: &mut Decoder<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            max_messages: from.number()?,
            visibility_timeout: from.option(Decoder::duration)?,
            wait_time: from.option(Decoder::duration)?,
            attempt_id: from.option(Decoder::text)?.map(str::to_owned),
        })
    }
}

impl ReceiptHandle {
    pub(crate) fn encode(self, to: &mut Encoder<'_>) {
        to.number(self.queue.number.into());
        to.number(self.slot.into());
        to.number(self.sequence);
        to.number(self.receive.into());
    }

    /// A handle of the engine that is known by `store`.
    pub(crate) fn decode(from: &mut Decoder<'_>, store: u64) -> Result<Self, Malformed> {
        let queue = QueueNumber { store, number: from.number32()? };
        Ok(Self { queue, slot: from.number32()?, sequence: from.number()?, receive: from.number32()? })
    }
}
