//! The settings of a queue that a page shows and changes.

use std::time::Duration;

use crate::engine::QueueSettings;

/// A setting in seconds or bytes.
pub(super) struct Setting {
    /// Its name in SQS.
    pub(super) name: &'static str,
    pub(super) label: &'static str,
    pub(super) value: u64,
    pub(super) unit: &'static str,
}

pub(super) fn settings(settings: &QueueSettings) -> Vec<Setting> {
    let seconds = |name, label, value: Duration| Setting { name, label, value: value.as_secs(), unit: "s" };
    vec![
        seconds("VisibilityTimeout", "Visibility timeout", settings.visibility_timeout),
        seconds("DelaySeconds", "Delay", settings.delay),
        seconds("ReceiveMessageWaitTimeSeconds", "Wait time of a receive", settings.wait_time),
        seconds("MessageRetentionPeriod", "Retention period", settings.retention_period),
        Setting {
            name: "MaximumMessageSize",
            label: "Largest message",
            value: settings.maximum_message_size,
            unit: "bytes",
        },
    ]
}
