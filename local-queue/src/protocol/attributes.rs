//! Queue attributes between their text on the wire and their typed values.

use std::{borrow::Cow, time::Duration};

use serde_json::{Map, Value};

use super::{
    error::{ErrorKind, WireError},
    fields::TextMap,
    policy, xml,
};
use crate::engine::{
    Attribute, AttributeName, DeduplicationScope, FifoThroughputLimit, QueueArn, QueueAttributes, RedriveAllowPolicy,
    RedrivePolicy,
};

/// The redrive policy among attributes as they came.
pub(super) fn given_redrive_policy<'a>(given: &'a TextMap<'_>) -> Option<&'a str> {
    given.iter().find(|(name, _)| *name == "RedrivePolicy").map(|(_, policy)| &**policy)
}

/// Reads the attributes that a request sets on a queue, in the order of their names: JSON has no other, and an error names
/// the first.
pub(super) fn parse_all(mut given: TextMap<'_>, queue: &QueueArn) -> Result<Vec<Attribute>, WireError> {
    given.sort_by_key(|(name, _)| *name);
    let parse = |(name, value): &(&str, Cow<'_, str>)| {
        // AWS (recorded): on a standard queue FifoQueue is an unknown attribute, whatever its value. That it is true is
        // the engine's to judge, because then the name of a new queue may be what is wrong.
        if *name == "FifoQueue" && !queue.is_fifo() && parse_flag(value) != Some(true) {
            return Err(WireError::unknown_attribute(name));
        }
        if *name == "Policy" {
            policy::check_account(value, queue.account())?;
        }
        parse(name, value)
    };
    given.iter().map(parse).collect()
}

/// Reads one attribute.
pub(crate) fn parse(name: &str, value: &str) -> Result<Attribute, WireError> {
    let unknown = || WireError::unknown_attribute(name);
    let invalid = || WireError::attribute_value(name);
    let number = || value.parse::<u64>().map_err(|_| invalid());
    let seconds = || number().map(Duration::from_secs);
    let flag = || parse_flag(value).ok_or_else(invalid);
    // What no answer in XML could show again.
    if !value.chars().all(xml::is_xml) {
        return Err(invalid());
    }
    match AttributeName::parse(name).ok_or_else(unknown)? {
        AttributeName::ContentBasedDeduplication => flag().map(Attribute::ContentBasedDeduplication),
        AttributeName::DeduplicationScope => match value {
            "queue" => Ok(Attribute::DeduplicationScope(DeduplicationScope::Queue)),
            "messageGroup" => Ok(Attribute::DeduplicationScope(DeduplicationScope::MessageGroup)),
            _ => Err(invalid()),
        },
        AttributeName::DelaySeconds => seconds().map(Attribute::Delay),
        AttributeName::FifoQueue => flag().map(Attribute::FifoQueue),
        AttributeName::FifoThroughputLimit => match value {
            "perQueue" => Ok(Attribute::FifoThroughputLimit(FifoThroughputLimit::PerQueue)),
            "perMessageGroupId" => Ok(Attribute::FifoThroughputLimit(FifoThroughputLimit::PerMessageGroupId)),
            _ => Err(invalid()),
        },
        AttributeName::KmsDataKeyReusePeriodSeconds => seconds().map(Attribute::KmsDataKeyReusePeriod),
        AttributeName::KmsMasterKeyId => Ok(Attribute::KmsMasterKeyId(value.to_owned())),
        AttributeName::MaximumMessageSize => number().map(Attribute::MaximumMessageSize),
        AttributeName::MessageRetentionPeriod => seconds().map(Attribute::RetentionPeriod),
        AttributeName::Policy => policy::check(value).map(Attribute::Policy),
        AttributeName::ReceiveMessageWaitTimeSeconds => seconds().map(Attribute::WaitTime),
        AttributeName::RedriveAllowPolicy => redrive_allow_policy(value).map(Attribute::RedriveAllowPolicy),
        AttributeName::RedrivePolicy => redrive_policy(value).map(Attribute::RedrivePolicy),
        AttributeName::SqsManagedSseEnabled => flag().map(Attribute::SqsManagedSse),
        AttributeName::VisibilityTimeout => seconds().map(Attribute::VisibilityTimeout),
        AttributeName::ApproximateNumberOfMessages
        | AttributeName::ApproximateNumberOfMessagesDelayed
        | AttributeName::ApproximateNumberOfMessagesNotVisible
        | AttributeName::CreatedTimestamp
        | AttributeName::LastModifiedTimestamp
        | AttributeName::QueueArn => Err(unknown()),
    }
}

/// Reads a boolean, in whatever case it is written (validated against AWS).
pub(crate) fn parse_flag(text: &str) -> Option<bool> {
    let is = |word: &str| text.eq_ignore_ascii_case(word);
    is("true").then_some(true).or_else(|| is("false").then_some(false))
}

/// What is wrong with a tag, if anything is (developer guide, "Amazon SQS queue quotas"; the texts are not AWS's own).
pub(crate) fn check_tag(key: &str, value: &str) -> Result<(), &'static str> {
    if !(1..=128).contains(&key.chars().count()) {
        return Err("Tag keys must be between 1 and 128 characters in length.");
    }
    if key.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("aws:")) {
        return Err("Tag keys beginning with 'aws:' are reserved for AWS use.");
    }
    if value.chars().count() > 256 {
        return Err("Tag values must be between 0 and 256 characters in length.");
    }
    // Documented are letters, numbers, spaces and a few signs. Refused is only what can be in no tag: control characters,
    // and what an answer in XML cannot show.
    if !key.chars().chain(value.chars()).all(|character| !character.is_control() && xml::is_xml(character)) {
        return Err("Tag keys and values can only include letters, numbers, spaces, and the characters _.:/=+-@.");
    }
    Ok(())
}

/// The text of an attribute; `None` if this queue has none of that name.
pub(crate) fn render(name: AttributeName, queue: &QueueAttributes) -> Option<String> {
    let settings = &queue.settings;
    let seconds = |duration: Duration| duration.as_secs().to_string();
    Some(match name {
        AttributeName::ApproximateNumberOfMessages => queue.messages.to_string(),
        AttributeName::ApproximateNumberOfMessagesDelayed => queue.messages_delayed.to_string(),
        AttributeName::ApproximateNumberOfMessagesNotVisible => queue.messages_not_visible.to_string(),
        AttributeName::ContentBasedDeduplication => settings.fifo?.content_based_deduplication.to_string(),
        AttributeName::CreatedTimestamp => queue.created_at.as_secs().to_string(),
        AttributeName::DeduplicationScope => match settings.fifo?.deduplication_scope {
            DeduplicationScope::Queue => "queue".to_owned(),
            DeduplicationScope::MessageGroup => "messageGroup".to_owned(),
        },
        AttributeName::DelaySeconds => seconds(settings.delay),
        AttributeName::FifoQueue => settings.fifo.map(|_| "true".to_owned())?,
        AttributeName::FifoThroughputLimit => match settings.fifo?.throughput_limit {
            FifoThroughputLimit::PerQueue => "perQueue".to_owned(),
            FifoThroughputLimit::PerMessageGroupId => "perMessageGroupId".to_owned(),
        },
        // Shown only beside a key (recorded).
        AttributeName::KmsDataKeyReusePeriodSeconds => {
            settings.kms_master_key_id.as_ref().map(|_| seconds(settings.kms_data_key_reuse_period))?
        }
        AttributeName::KmsMasterKeyId => settings.kms_master_key_id.clone()?,
        AttributeName::LastModifiedTimestamp => queue.modified_at.as_secs().to_string(),
        AttributeName::MaximumMessageSize => settings.maximum_message_size.to_string(),
        AttributeName::MessageRetentionPeriod => seconds(settings.retention_period),
        AttributeName::Policy => settings.policy.clone()?,
        AttributeName::QueueArn => queue.arn.to_string(),
        AttributeName::ReceiveMessageWaitTimeSeconds => seconds(settings.wait_time),
        AttributeName::RedriveAllowPolicy => render_redrive_allow_policy(settings.redrive_allow_policy.as_ref()?),
        AttributeName::RedrivePolicy => {
            let policy = settings.redrive_policy.as_ref()?;
            // AWS answers its own order of keys, and the count as a number however it was given (recorded).
            let (target, count) = (&policy.dead_letter_target, policy.max_receive_count);
            format!("{{\"deadLetterTargetArn\":\"{target}\",\"maxReceiveCount\":{count}}}")
        }
        AttributeName::SqsManagedSseEnabled => settings.sqs_managed_sse.to_string(),
        AttributeName::VisibilityTimeout => seconds(settings.visibility_timeout),
    })
}

fn render_redrive_allow_policy(policy: &RedriveAllowPolicy) -> String {
    match policy {
        RedriveAllowPolicy::AllowAll => "{\"redrivePermission\":\"allowAll\"}".to_owned(),
        RedriveAllowPolicy::DenyAll => "{\"redrivePermission\":\"denyAll\"}".to_owned(),
        RedriveAllowPolicy::ByQueue(sources) => {
            let sources = sources.iter().map(|source| format!("\"{source}\"")).collect::<Vec<_>>().join(",");
            format!("{{\"redrivePermission\":\"byQueue\",\"sourceQueueArns\":[{sources}]}}")
        }
    }
}

/// Reads who may use a queue as a dead-letter queue; the empty text removes it.
fn redrive_allow_policy(text: &str) -> Result<Option<RedriveAllowPolicy>, WireError> {
    const NAME: &str = "RedriveAllowPolicy";
    const SOURCES_MAX: usize = 10;
    if text.is_empty() {
        return Ok(None);
    }
    let invalid = |reason: &str| WireError::invalid_value(text, NAME, reason);
    let Ok(members) = serde_json::from_str::<Map<String, Value>>(text) else {
        return Err(invalid("Redrive allow policy is not a valid JSON map."));
    };
    if members.keys().any(|name| name != "redrivePermission" && name != "sourceQueueArns") {
        return Err(invalid("Only following attributes are supported: [sourceQueueArns, redrivePermission]."));
    }
    let permission = members.get("redrivePermission").and_then(Value::as_str);
    let sources = match members.get("sourceQueueArns") {
        None => Vec::new(),
        Some(Value::Array(sources)) => sources
            .iter()
            .map(|source| source.as_str().and_then(QueueArn::parse))
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| invalid("Invalid value for sourceQueueArns: each must be the ARN of a queue."))?,
        Some(_) => return Err(invalid("Invalid value for sourceQueueArns: it must be a list.")),
    };
    if sources.len() > SOURCES_MAX {
        return Err(invalid("The maximum number of source queue ARNs is 10."));
    }
    match permission {
        Some("byQueue") if sources.is_empty() => Err(invalid(
            "When you specify the byQueue permission type, you must also specify one or more sourceQueueArns values.",
        )),
        Some("byQueue") => Ok(Some(RedriveAllowPolicy::ByQueue(sources))),
        Some("allowAll" | "denyAll") if !sources.is_empty() => {
            Err(invalid("To specify one or more source queue ARNs, you must set redrivePermission to byQueue."))
        }
        Some("allowAll") => Ok(Some(RedriveAllowPolicy::AllowAll)),
        Some("denyAll") => Ok(Some(RedriveAllowPolicy::DenyAll)),
        _ => Err(invalid("Invalid value for redrivePermission: it must be allowAll, denyAll or byQueue.")),
    }
}

/// Reads a redrive policy; the empty text removes it.
fn redrive_policy(text: &str) -> Result<Option<RedrivePolicy>, WireError> {
    const NAME: &str = "RedrivePolicy";
    if text.is_empty() {
        return Ok(None);
    }
    let invalid = |reason: &str| WireError::invalid_value(text, NAME, reason);
    let Ok(members) = serde_json::from_str::<Map<String, Value>>(text) else {
        let message = "Invalid value for the parameter RedrivePolicy. Reason: Redrive policy is not a valid JSON map.";
        return Err(WireError::new(ErrorKind::InvalidAttributeValue, message));
    };
    let member = |name: &str| {
        let reason = format!("Redrive policy does not contain mandatory attribute: {name}.");
        members.get(name).filter(|value| !value.is_null()).ok_or_else(|| invalid(&reason))
    };
    let count = member("maxReceiveCount")?;
    let target = member("deadLetterTargetArn")?;
    if members.len() > 2 {
        return Err(invalid("Only following attributes are supported: [maxReceiveCount, deadLetterTargetArn]."));
    }
    // A number, or a number as text.
    let count_number = match count {
        Value::String(digits) => digits.parse().ok(),
        other => other.as_i64(),
    };
    let max_receive_count = count_number.and_then(|count| u32::try_from(count).ok()).ok_or_else(|| {
        let shown = count.as_str().map_or_else(|| count.to_string(), str::to_owned);
        invalid(&format!("Invalid value for maxReceiveCount: {shown}, valid values are from 1 to 1000 both inclusive."))
    })?;
    let dead_letter_target = target
        .as_str()
        .and_then(QueueArn::parse)
        .ok_or_else(|| invalid("Dead-letter target ARN should be fully qualified ARN."))?;
    Ok(Some(RedrivePolicy { dead_letter_target, max_receive_count }))
}
