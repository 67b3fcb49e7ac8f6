//! Events in EventBridge's form, for buckets that ask for it: the default bus, as far as it has rules about them.

use serde_json::{Value, json};

use super::{
    Destination,
    event::{Event, EventName, seconds_text},
    policy::Sender,
};
use crate::event_source_mapping::FilterCriteria;

/// Who sends.
const SERVICE: &str = "events.amazonaws.com";

/// Which events go where.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub(super) name: String,
    /// The pattern, within one for bodies, which are compared by the same language.
    pattern: FilterCriteria,
    pub(super) targets: Vec<RuleTarget>,
}

/// Where events go that match a rule of EventBridge, and what of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleTarget {
    /// Where.
    pub destination: Destination,
    /// What.
    pub input: RuleInput,
    /// `SqsParameters.MessageGroupId`: the message group in a FIFO queue.
    pub group: Option<String>,
}

/// What a target gets of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuleInput {
    /// The event.
    Matched,
    /// `Input`: always the same JSON text.
    Constant(String),
    /// `InputPath`: a part of the event, such as `$.detail.object`.
    Path(String),
}

impl Rule {
    pub(super) fn new(name: String, pattern: &str, targets: Vec<RuleTarget>) -> Result<Self, String> {
        let is_object = serde_json::from_str::<Value>(pattern).is_ok_and(|pattern| pattern.is_object());
        let reason = |reason: &str| format!("Event pattern is not valid. Reason: {reason}");
        if !is_object {
            return Err(reason("it is not a JSON object"));
        }
        let pattern = FilterCriteria::parse([&*format!(r#"{{"body":{pattern}}}"#)]);
        let pattern = pattern.map_err(|error| {
            reason(&std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string))
        })?;
        Ok(Self { name, pattern, targets })
    }

    pub(super) fn matches(&self, event: &str) -> bool {
        self.pattern.matches_body(event)
    }

    pub(super) fn arn(&self, region: &str, account: &str) -> String {
        format!("arn:aws:events:{region}:{account}:rule/{}", self.name)
    }
}

/// EventBridge, when a rule of this ARN sends.
pub(super) const fn sender<'a>(rule_arn: &'a str, account: &'a str) -> Sender<'a> {
    Sender { service: SERVICE, arn: rule_arn, account }
}

impl RuleTarget {
    /// What it gets of an event.
    pub(super) fn input(&self, event: &str) -> Option<String> {
        match &self.input {
            RuleInput::Matched => Some(event.to_owned()),
            RuleInput::Constant(text) => Some(text.clone()),
            RuleInput::Path(path) => {
                let event: Value = serde_json::from_str(event).ok()?;
                let mut names = path.strip_prefix('$')?.split('.').skip(1);
                names.try_fold(&event, |part, name| part.get(name)).map(ToString::to_string)
            }
        }
    }
}

/// An event in EventBridge's form (documentation: "Event message structure", Amazon S3). The key is as it is.
pub(super) fn to_json(event: &Event, id: &str, account: &str) -> String {
    let (kind, reason) = match event.name {
        EventName::CreatedPut => ("Object Created", Some("PutObject")),
        EventName::CreatedPost => ("Object Created", Some("POST Object")),
        EventName::CreatedCopy => ("Object Created", Some("CopyObject")),
        EventName::CreatedMultipart => ("Object Created", Some("CompleteMultipartUpload")),
        EventName::RemovedDelete | EventName::RemovedMarker => ("Object Deleted", Some("DeleteObject")),
        EventName::TaggingPut => ("Object Tags Added", None),
        EventName::TaggingDelete => ("Object Tags Deleted", None),
    };
    let deletion = match event.name {
        EventName::RemovedDelete => Some("Permanently Deleted"),
        EventName::RemovedMarker => Some("Delete Marker Created"),
        _ => None,
    };
    let mut object = json!({ "key": event.key });
    let mut add = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            object[name] = value;
        }
    };
    let is_created = kind == "Object Created";
    add("size", is_created.then(|| event.bytes.into()));
    add("etag", (deletion != Some("Delete Marker Created")).then(|| event.etag.as_str().into()));
    add("version-id", event.version_id.as_deref().map(Into::into));
    add("sequencer", reason.map(|_| format!("{:016X}", event.sequence).into()));
    let mut detail = json!({
        "version": "0",
        "bucket": { "name": event.bucket },
        "object": object,
        "request-id": event.request.id,
        "requester": account,
        "source-ip-address": "127.0.0.1",
    });
    for (name, value) in [("reason", reason), ("deletion-type", deletion)] {
        if let Some(value) = value {
            detail[name] = value.into();
        }
    }
    json!({
        "version": "0",
        "id": id,
        "detail-type": kind,
        "source": "aws.s3",
        "account": account,
        "time": seconds_text(event.time),
        "region": event.region,
        "resources": [format!("arn:aws:s3:::{}", event.bucket)],
        "detail": detail,
    })
    .to_string()
}
