//! Queue attributes between their text on the wire and their typed values.

use std::time::Duration;

use serde_json::{Map, Value};

use super::error::{ErrorKind, WireError};
use crate::engine::{Attribute, AttributeName, QueueArn, QueueAttributes, RedrivePolicy};

/// Reads one attribute that a request sets.
pub(super) fn parse(name: &str, value: &str) -> Result<Attribute, WireError> {
    let unknown = || WireError::unknown_attribute(name);
    let number = || value.parse::<u64>().map_err(|_| WireError::attribute_value(name));
    let seconds = || number().map(Duration::from_secs);
    match AttributeName::parse(name).ok_or_else(unknown)? {
        AttributeName::DelaySeconds => seconds().map(Attribute::Delay),
        AttributeName::MaximumMessageSize => number().map(Attribute::MaximumMessageSize),
        AttributeName::MessageRetentionPeriod => seconds().map(Attribute::RetentionPeriod),
        AttributeName::ReceiveMessageWaitTimeSeconds => seconds().map(Attribute::WaitTime),
        AttributeName::RedrivePolicy => redrive_policy(value).map(Attribute::RedrivePolicy),
        AttributeName::SqsManagedSseEnabled => match value {
            "true" => Ok(Attribute::SqsManagedSse(true)),
            "false" => Ok(Attribute::SqsManagedSse(false)),
            _ => Err(WireError::attribute_value(name)),
        },
        AttributeName::VisibilityTimeout => seconds().map(Attribute::VisibilityTimeout),
        AttributeName::ApproximateNumberOfMessages
        | AttributeName::ApproximateNumberOfMessagesDelayed
        | AttributeName::ApproximateNumberOfMessagesNotVisible
        | AttributeName::CreatedTimestamp
        | AttributeName::LastModifiedTimestamp
        | AttributeName::QueueArn => Err(unknown()),
    }
}

/// The text of an attribute; `None` if this queue has none of that name.
pub(super) fn render(name: AttributeName, queue: &QueueAttributes) -> Option<String> {
    let settings = &queue.settings;
    let seconds = |duration: Duration| duration.as_secs().to_string();
    Some(match name {
        AttributeName::ApproximateNumberOfMessages => queue.messages.to_string(),
        AttributeName::ApproximateNumberOfMessagesDelayed => queue.messages_delayed.to_string(),
        AttributeName::ApproximateNumberOfMessagesNotVisible => queue.messages_not_visible.to_string(),
        AttributeName::CreatedTimestamp => queue.created_at.as_secs().to_string(),
        AttributeName::DelaySeconds => seconds(settings.delay),
        AttributeName::LastModifiedTimestamp => queue.modified_at.as_secs().to_string(),
        AttributeName::MaximumMessageSize => settings.maximum_message_size.to_string(),
        AttributeName::MessageRetentionPeriod => seconds(settings.retention_period),
        AttributeName::QueueArn => queue.arn.to_string(),
        AttributeName::ReceiveMessageWaitTimeSeconds => seconds(settings.wait_time),
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
