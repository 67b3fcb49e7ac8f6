//! Attributes of queues as bytes.

use super::{Attribute, DeduplicationScope, FifoThroughputLimit, RedriveAllowPolicy, RedrivePolicy};
use crate::codec::{Decoder, Encoder, Malformed, malformed};

impl Attribute {
    pub(crate) fn encode(&self, to: &mut Encoder<'_>) {
        match self {
            Self::ContentBasedDeduplication(enabled) => tagged(to, 0, |to| to.flag(*enabled)),
            Self::DeduplicationScope(scope) => {
                tagged(to, 1, |to| to.flag(*scope == DeduplicationScope::MessageGroup));
            }
            Self::Delay(delay) => tagged(to, 2, |to| to.duration(*delay)),
            Self::FifoQueue(is_fifo) => tagged(to, 3, |to| to.flag(*is_fifo)),
            Self::FifoThroughputLimit(limit) => {
                tagged(to, 4, |to| to.flag(*limit == FifoThroughputLimit::PerMessageGroupId));
            }
            Self::KmsDataKeyReusePeriod(period) => tagged(to, 5, |to| to.duration(*period)),
            Self::KmsMasterKeyId(key) => tagged(to, 6, |to| to.text(key)),
            Self::MaximumMessageSize(bytes) => tagged(to, 7, |to| to.number(*bytes)),
            Self::Policy(policy) => tagged(to, 8, |to| to.option(policy.as_deref(), Encoder::text)),
            Self::RedriveAllowPolicy(policy) => tagged(to, 9, |to| to.option(policy.as_ref(), encode_allow_policy)),
            Self::RedrivePolicy(policy) => tagged(to, 10, |to| {
                to.option(policy.as_ref(), |to, policy| {
                    to.arn(policy.dead_letter_target.as_str());
                    to.number(policy.max_receive_count.into());
                });
            }),
            Self::RetentionPeriod(period) => tagged(to, 11, |to| to.duration(*period)),
            Self::SqsManagedSse(enabled) => tagged(to, 12, |to| to.flag(*enabled)),
            Self::VisibilityTimeout(timeout) => tagged(to, 13, |to| to.duration(*timeout)),
            Self::WaitTime(wait) => tagged(to, 14, |to| to.duration(*wait)),
        }
    }

    pub(crate) fn decode(from: &mut Decoder<'_>) -> Result<Self, Malformed> {
        Ok(match from.byte()? {
            0 => Self::ContentBasedDeduplication(from.flag()?),
            1 if from.flag()? => Self::DeduplicationScope(DeduplicationScope::MessageGroup),
            1 => Self::DeduplicationScope(DeduplicationScope::Queue),
            2 => Self::Delay(from.duration()?),
            3 => Self::FifoQueue(from.flag()?),
            4 if from.flag()? => Self::FifoThroughputLimit(FifoThroughputLimit::PerMessageGroupId),
            4 => Self::FifoThroughputLimit(FifoThroughputLimit::PerQueue),
            5 => Self::KmsDataKeyReusePeriod(from.duration()?),
            6 => Self::KmsMasterKeyId(from.text()?.to_owned()),
            7 => Self::MaximumMessageSize(from.number()?),
            8 => Self::Policy(from.option(Decoder::text)?.map(str::to_owned)),
            9 => Self::RedriveAllowPolicy(from.option(decode_allow_policy)?),
            10 => Self::RedrivePolicy(from.option(|from| {
                Ok(RedrivePolicy { dead_letter_target: from.arn()?, max_receive_count: from.number32()? })
            })?),
            11 => Self::RetentionPeriod(from.duration()?),
            12 => Self::SqsManagedSse(from.flag()?),
            13 => Self::VisibilityTimeout(from.duration()?),
            14 => Self::WaitTime(from.duration()?),
            _ => return Err(malformed("an attribute is unknown")),
        })
    }

    pub(crate) fn encode_all(attributes: &[Self], to: &mut Encoder<'_>) {
        to.each(attributes.iter(), |to, attribute| attribute.encode(to));
    }

    pub(crate) fn decode_all(from: &mut Decoder<'_>) -> Result<Vec<Self>, Malformed> {
        (0..from.count()?).map(|_| Self::decode(from)).collect()
    }
}

fn tagged(to: &mut Encoder<'_>, tag: u8, write: impl FnOnce(&mut Encoder<'_>)) {
    to.byte(tag);
    write(to);
}

fn encode_allow_policy(to: &mut Encoder<'_>, policy: &RedriveAllowPolicy) {
    match policy {
        RedriveAllowPolicy::AllowAll => to.byte(0),
        RedriveAllowPolicy::DenyAll => to.byte(1),
        RedriveAllowPolicy::ByQueue(queues) => tagged(to, 2, |to| {
            to.each(queues.iter(), |to, queue| to.arn(queue.as_str()));
        }),
    }
}

fn decode_allow_policy(from: &mut Decoder<'_>) -> Result<RedriveAllowPolicy, Malformed> {
    Ok(match from.byte()? {
        0 => RedriveAllowPolicy::AllowAll,
        1 => RedriveAllowPolicy::DenyAll,
        2 => {
            let queues = (0..from.count()?).map(|_| from.arn());
            RedriveAllowPolicy::ByQueue(queues.collect::<Result<_, _>>()?)
        }
        _ => return Err(malformed("an allow policy is unknown")),
    })
}
