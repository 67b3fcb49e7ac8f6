//! What S3 writes into a message: records as they were recorded from AWS, members in their order.

use serde::Serialize;
use time::{OffsetDateTime, format_description::FormatItem, macros::format_description};

use crate::engine::Time;

const MILLIS: &[FormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
/// Who did it, and who has the bucket: there are no accounts of people here.
const PRINCIPAL: &str = "AWS:AIDALOCALQUEUE";
const OWNER: &str = "ALOCALQUEUE";

/// What happened to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EventName {
    CreatedPut,
    CreatedPost,
    CreatedCopy,
    CreatedMultipart,
    RemovedDelete,
    RemovedMarker,
    TaggingPut,
    TaggingDelete,
}

impl EventName {
    /// As in a record; a configuration has `s3:` before it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::CreatedPut => "ObjectCreated:Put",
            Self::CreatedPost => "ObjectCreated:Post",
            Self::CreatedCopy => "ObjectCreated:Copy",
            Self::CreatedMultipart => "ObjectCreated:CompleteMultipartUpload",
            Self::RemovedDelete => "ObjectRemoved:Delete",
            Self::RemovedMarker => "ObjectRemoved:DeleteMarkerCreated",
            Self::TaggingPut => "ObjectTagging:Put",
            Self::TaggingDelete => "ObjectTagging:Delete",
        }
    }

    /// Of records about tags. Those are of a later version, and without size and sequencer.
    const fn is_tagging(self) -> bool {
        matches!(self, Self::TaggingPut | Self::TaggingDelete)
    }

    const fn is_removal(self) -> bool {
        matches!(self, Self::RemovedDelete | Self::RemovedMarker)
    }
}

/// An event, for as many configurations as want it.
#[derive(Clone, Debug)]
pub(super) struct Event {
    pub(super) name: EventName,
    pub(super) time: Time,
    pub(super) region: String,
    pub(super) bucket: String,
    pub(super) key: String,
    pub(super) bytes: u64,
    pub(super) etag: String,
    pub(super) version_id: Option<String>,
    /// Grows.
    pub(super) sequence: u64,
    pub(super) request: RequestIds,
    /// The header `X-Amzn-Trace-Id` of the request.
    pub(super) trace: Option<String>,
}

/// By what a request is known.
#[derive(Clone, Debug)]
pub(super) struct RequestIds {
    /// `x-amz-request-id`: 16 characters.
    pub(super) id: String,
    /// `x-amz-id-2`.
    pub(super) host_id: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Record<'a> {
    event_version: &'static str,
    event_source: &'static str,
    aws_region: &'a str,
    event_time: String,
    event_name: &'static str,
    user_identity: Identity,
    request_parameters: RequestParameters,
    response_elements: ResponseElements<'a>,
    s3: S3<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Identity {
    principal_id: &'static str,
}

#[derive(Serialize)]
struct RequestParameters {
    #[serde(rename = "sourceIPAddress")]
    source_ip_address: &'static str,
}

#[derive(Serialize)]
struct ResponseElements<'a> {
    #[serde(rename = "x-amz-request-id")]
    request_id: &'a str,
    #[serde(rename = "x-amz-id-2")]
    host_id: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct S3<'a> {
    #[serde(rename = "s3SchemaVersion")]
    schema_version: &'static str,
    configuration_id: &'a str,
    bucket: Bucket<'a>,
    object: Object<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Bucket<'a> {
    name: &'a str,
    owner_identity: Identity,
    arn: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Object<'a> {
    key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(rename = "eTag", skip_serializing_if = "Option::is_none")]
    etag: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sequencer: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Records<'a> {
    records: [Record<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct TestEvent<'a> {
    service: &'static str,
    event: &'static str,
    time: String,
    bucket: &'a str,
    request_id: &'a str,
    host_id: &'a str,
}

impl Event {
    /// The body of a message for one configuration.
    pub(super) fn to_json(&self, configuration_id: &str) -> String {
        let (is_tagging, is_removal) = (self.name.is_tagging(), self.name.is_removal());
        let record = Record {
            event_version: if is_tagging { "2.3" } else { "2.1" },
            event_source: "aws:s3",
            aws_region: &self.region,
            event_time: time_text(self.time),
            event_name: self.name.name(),
            user_identity: Identity { principal_id: PRINCIPAL },
            request_parameters: RequestParameters { source_ip_address: "127.0.0.1" },
            response_elements: ResponseElements { request_id: &self.request.id, host_id: &self.request.host_id },
            s3: S3 {
                schema_version: "1.0",
                configuration_id,
                bucket: Bucket {
                    name: &self.bucket,
                    owner_identity: Identity { principal_id: OWNER },
                    arn: format!("arn:aws:s3:::{}", self.bucket),
                },
                object: Object {
                    key: form_encoded(&self.key),
                    size: (!is_tagging && !is_removal).then_some(self.bytes),
                    etag: (!is_removal).then_some(&*self.etag),
                    version_id: self.version_id.as_deref(),
                    sequencer: (!is_tagging).then(|| format!("{:016X}", self.sequence)),
                },
            },
        };
        serde_json::to_string(&Records { records: [record] }).expect("a record is made of texts and numbers")
    }
}

/// What S3 sends to each queue of a new configuration.
pub(super) fn test_event(bucket: &str, now: Time, request: &RequestIds) -> String {
    let event = TestEvent {
        service: "Amazon S3",
        event: "s3:TestEvent",
        time: time_text(now),
        bucket,
        request_id: &request.id,
        host_id: &request.host_id,
    };
    serde_json::to_string(&event).expect("an event is made of texts")
}

fn time_text(time: Time) -> String {
    let nanos = i128::from(time.as_millis()) * 1_000_000;
    let time = OffsetDateTime::from_unix_timestamp_nanos(nanos).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    time.format(MILLIS).unwrap_or_default()
}

/// A time as EventBridge writes it.
pub(super) fn seconds_text(time: Time) -> String {
    let text = time_text(time);
    text.split_once('.').map_or_else(|| text.clone(), |(seconds, _)| format!("{seconds}Z"))
}

/// A key as in a form: a blank is a plus, a slash stays (recorded; documentation: "Event message structure").
fn form_encoded(key: &str) -> String {
    use std::fmt::Write as _;

    key.bytes().fold(String::with_capacity(key.len()), |mut text, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'*' | b'_' | b'/' => text.push(char::from(byte)),
            b' ' => text.push('+'),
            byte => {
                let _ = write!(text, "%{byte:02X}");
            }
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(name: EventName) -> Event {
        Event {
            name,
            time: Time::from_millis(1_800_000_000_123),
            region: "eu-central-1".to_owned(),
            bucket: "photos".to_owned(),
            key: "a b/c@d+\u{e4}.jpg".to_owned(),
            bytes: 12,
            etag: "d41d8cd98f00b204e9800998ecf8427e".to_owned(),
            version_id: None,
            sequence: 0x5f,
            request: RequestIds { id: "0123456789ABCDEF".to_owned(), host_id: "host".to_owned() },
            trace: None,
        }
    }

    #[test]
    fn a_record_has_the_members_of_its_event_in_the_order_of_aws() {
        let whole = r#"{"Records":[{"eventVersion":"2.1","eventSource":"aws:s3","awsRegion":"eu-central-1","eventTime":"2027-01-15T08:00:00.123Z","eventName":"ObjectCreated:Put","userIdentity":{"principalId":"AWS:AIDALOCALQUEUE"},"requestParameters":{"sourceIPAddress":"127.0.0.1"},"responseElements":{"x-amz-request-id":"0123456789ABCDEF","x-amz-id-2":"host"},"s3":{"s3SchemaVersion":"1.0","configurationId":"new","bucket":{"name":"photos","ownerIdentity":{"principalId":"ALOCALQUEUE"},"arn":"arn:aws:s3:::photos"},"object":{"key":"a+b/c%40d%2B%C3%A4.jpg","size":12,"eTag":"d41d8cd98f00b204e9800998ecf8427e","sequencer":"000000000000005F"}}}]}"#;
        assert_eq!(event(EventName::CreatedPut).to_json("new"), whole);
        for (name, version, object) in [
            (EventName::CreatedPost, "2.1", r#""size":12,"eTag":"d41d8cd98f00b204e9800998ecf8427e","sequencer":"#),
            (EventName::CreatedCopy, "2.1", r#""size":12,"eTag":"d41d8cd98f00b204e9800998ecf8427e","sequencer":"#),
            (EventName::CreatedMultipart, "2.1", r#""size":12,"eTag":"#),
            (EventName::RemovedDelete, "2.1", r#"%A4.jpg","sequencer":"#),
            (EventName::RemovedMarker, "2.1", r#"%A4.jpg","sequencer":"#),
            (EventName::TaggingPut, "2.3", r#"%A4.jpg","eTag":"d41d8cd98f00b204e9800998ecf8427e"}"#),
            (EventName::TaggingDelete, "2.3", r#"%A4.jpg","eTag":"d41d8cd98f00b204e9800998ecf8427e"}"#),
        ] {
            let json = event(name).to_json("new");
            assert!(json.contains(&format!(r#"{{"eventVersion":"{version}""#)), "{json}");
            assert!(json.contains(object) && json.contains(name.name()), "{json}");
        }
        let versioned = Event { version_id: Some("v1".to_owned()), ..event(EventName::RemovedMarker) };
        assert!(versioned.to_json("new").contains(r#""versionId":"v1","sequencer""#));
    }

    #[test]
    fn the_test_event_is_one_object() {
        let json = test_event("photos", Time::from_millis(1_800_000_000_000), &event(EventName::CreatedPut).request);
        let expected = r#"{"Service":"Amazon S3","Event":"s3:TestEvent","Time":"2027-01-15T08:00:00.000Z","Bucket":"photos","RequestId":"0123456789ABCDEF","HostId":"host"}"#;
        assert_eq!(json, expected);
    }
}
