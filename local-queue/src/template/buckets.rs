//! Buckets and the policies of queues, which let buckets send to them.

use super::{
    Diagnostic, StackBucket, StackDestination, StackNotification,
    document::{Yaml, YamlData, refused},
    evaluate::{TemplateContext, Text},
    parts::BucketEvents,
};
use crate::engine::QueueArn;

/// What is read of a resource, and what is said of the rest.
pub(super) struct Read<T> {
    pub(super) value: T,
    pub(super) notes: Vec<(usize, String)>,
}

/// Reads `AWS::S3::Bucket`.
pub(super) fn bucket(scope: &TemplateContext<'_>, id: &str, resource: &Yaml) -> Result<Read<StackBucket>, Diagnostic> {
    let mut bucket = StackBucket {
        logical_id: id.to_owned(),
        file: None,
        line: resource.line,
        // Buckets have no capitals, so neither have the names that CloudFormation makes for them.
        name: scope.physical_name(id, resource)?.to_lowercase(),
        is_versioned: false,
        notifications: Vec::new(),
        event_bridge: false,
    };
    let mut notes = Vec::new();
    let properties = resource.get("Properties");
    let property = |name: &str| {
        properties.and_then(|properties| properties.get(name)).map_or(Ok(None), |node| scope.evaluate(node))
    };
    if let Some(versioning) = property("VersioningConfiguration")? {
        bucket.is_versioned = versioning.get("Status").and_then(Yaml::as_text) == Some("Enabled");
    }
    let Some(configuration) = property("NotificationConfiguration")? else { return Ok(Read { value: bucket, notes }) };
    for (kind, node) in configuration.entries() {
        match kind.as_str() {
            "QueueConfigurations" => {
                for item in node.as_list().unwrap_or_default() {
                    bucket.notifications.push(queue_notification(item)?);
                }
            }
            "LambdaConfigurations" => {
                for item in node.as_list().unwrap_or_default() {
                    let destination = StackDestination::Function(required(item, kind, "Function")?.to_owned());
                    let event = required(item, kind, "Event")?.to_owned();
                    let (line, rules) = (item.line, rules(item)?);
                    bucket.notifications.push(StackNotification { line, event, destination, rules });
                }
            }
            "EventBridgeConfiguration" => {
                bucket.event_bridge = node.get("EventBridgeEnabled").and_then(Yaml::as_flag) != Some(false);
            }
            "TopicConfigurations" => {
                notes.push((node.line, "its events do not go to topics, which are not emulated".to_owned()));
            }
            other => {
                return Err(refused(node, format!("a NotificationConfiguration has no property {other}")));
            }
        }
    }
    Ok(Read { value: bucket, notes })
}

/// Reads `Custom::S3BucketNotifications` of CDK, whose configuration is that of S3's own call.
pub(super) fn custom_notifications(
    scope: &TemplateContext<'_>,
    resource: &Yaml,
) -> Result<Read<BucketEvents>, Diagnostic> {
    let properties = resource.get("Properties");
    let property = |name: &str| {
        let node =
            properties.and_then(|properties| properties.get(name)).map(|node| scope.evaluate(node)).transpose()?;
        node.flatten().ok_or_else(|| refused(resource, format!("a Custom::S3BucketNotifications needs {name}")))
    };
    let name = property("BucketName")?;
    let bucket = name.as_text().filter(|_| name.first_unknown().is_none());
    let bucket =
        bucket.ok_or_else(|| refused(&name, "BucketName names a bucket of the template".to_owned()))?.to_owned();
    let (mut notifications, mut notes, mut event_bridge) = (Vec::new(), Vec::new(), false);
    for (kind, node) in property("NotificationConfiguration")?.entries() {
        let of = match kind.as_str() {
            "QueueConfigurations" => "QueueArn",
            "LambdaFunctionConfigurations" => "LambdaFunctionArn",
            "EventBridgeConfiguration" => {
                event_bridge = true;
                continue;
            }
            "TopicConfigurations" => {
                notes.push((node.line, "its events do not go to topics, which are not emulated".to_owned()));
                continue;
            }
            other => return Err(refused(node, format!("a NotificationConfiguration has no property {other}"))),
        };
        for item in node.as_list().unwrap_or_default() {
            let arn = required(item, kind, of)?;
            let destination = match QueueArn::parse(arn) {
                Some(queue) if of == "QueueArn" => StackDestination::Queue(queue),
                None if of == "QueueArn" => {
                    return Err(refused(item, format!("QueueArn needs the ARN of a queue, not {arn:?}")));
                }
                _ => StackDestination::Function(arn.to_owned()),
            };
            let filter = item.get("Filter").and_then(|filter| filter.get("Key")?.get("FilterRules"));
            let rules = filter_rules(filter)?;
            for event in item.get("Events").and_then(Yaml::as_list).unwrap_or_default() {
                let event = event
                    .as_text()
                    .ok_or_else(|| refused(event, format!("Events names events, not {}", event.kind())))?;
                let (line, event, destination) = (item.line, event.to_owned(), destination.clone());
                notifications.push(StackNotification { line, event, destination, rules: rules.clone() });
            }
        }
    }
    let (logical_id, line) = (String::new(), resource.line);
    Ok(Read { value: BucketEvents { bucket, logical_id, line, notifications, event_bridge }, notes })
}

fn queue_notification(node: &Yaml) -> Result<StackNotification, Diagnostic> {
    let kind = "QueueConfigurations";
    let (event, queue) = (required(node, kind, "Event")?.to_owned(), required(node, kind, "Queue")?);
    let arn = QueueArn::parse(queue);
    let queue = arn.ok_or_else(|| refused(node, format!("Queue needs the ARN of a queue, not {queue:?}")))?;
    let (destination, rules) = (StackDestination::Queue(queue), rules(node)?);
    Ok(StackNotification { line: node.line, event, destination, rules })
}

/// A text that an item of a list must have.
fn required<'a>(node: &'a Yaml, of: &str, name: &str) -> Result<&'a str, Diagnostic> {
    let part = node.get(name).ok_or_else(|| refused(node, format!("each of {of} needs {name}")))?;
    if let Some(what) = part.first_unknown() {
        return Err(refused(part, format!("{name} needs {what}")));
    }
    part.as_text().ok_or_else(|| refused(part, format!("{name} expects a string, not {}", part.kind())))
}

/// What keys must begin and end with.
fn rules(node: &Yaml) -> Result<Vec<(String, String)>, Diagnostic> {
    filter_rules(node.get("Filter").and_then(|filter| filter.get("S3Key")?.get("Rules")))
}

fn filter_rules(rules: Option<&Yaml>) -> Result<Vec<(String, String)>, Diagnostic> {
    let rules = rules.and_then(Yaml::as_list).unwrap_or_default();
    let rules = rules.iter().map(|rule| {
        let part = |name: &str| rule.get(name).and_then(Text::of).map(|text| text.text);
        let pair = part("Name").zip(part("Value"));
        pair.ok_or_else(|| refused(rule, "a rule of a filter has a Name and a Value".to_owned()))
    });
    rules.collect()
}

/// Reads an event of type S3 of a function: the name of the bucket, and what of it goes to the function of this ARN.
pub(super) fn event(event: &Yaml, function_arn: &str) -> Result<(String, Vec<StackNotification>), Diagnostic> {
    let bucket = required(event, "the events of type S3", "Bucket")?.to_owned();
    let events = event.get("Events").ok_or_else(|| refused(event, "an event of type S3 needs Events".to_owned()))?;
    let listed = events.as_list().unwrap_or(std::slice::from_ref(events));
    let rules = rules(event)?;
    let notifications = listed.iter().map(|name| {
        let name = name.as_text().ok_or_else(|| refused(name, format!("Events names events, not {}", name.kind())))?;
        let destination = StackDestination::Function(function_arn.to_owned());
        Ok(StackNotification { line: event.line, event: name.to_owned(), destination, rules: rules.clone() })
    });
    Ok((bucket, notifications.collect::<Result<_, _>>()?))
}

/// The policy of some queues.
pub(super) struct QueuePolicy {
    pub(super) line: usize,
    /// By name.
    pub(super) queues: Vec<String>,
    pub(super) document: String,
}

/// Reads `AWS::SQS::QueuePolicy`.
pub(super) fn queue_policy(scope: &TemplateContext<'_>, resource: &Yaml) -> Result<QueuePolicy, Diagnostic> {
    let properties = resource.get("Properties");
    let property = |name: &str| {
        let node =
            properties.and_then(|properties| properties.get(name)).map(|node| scope.evaluate(node)).transpose()?;
        node.flatten().ok_or_else(|| refused(resource, format!("an AWS::SQS::QueuePolicy needs {name}")))
    };
    let queues = property("Queues")?;
    let names = queues.as_list().unwrap_or_default().iter().map(|queue| {
        let url = queue.as_text().filter(|_| queue.first_unknown().is_none());
        let name = url.map(|url| url.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned());
        name.ok_or_else(|| refused(queue, "Queues lists URLs of queues, as Ref of a queue gives them".to_owned()))
    });
    let document = property("PolicyDocument")?;
    let text = match &document.data {
        YamlData::Scalar { text, .. } => text.clone(),
        _ => document.to_json().to_string(),
    };
    Ok(QueuePolicy { line: document.line, queues: names.collect::<Result<_, _>>()?, document: text })
}
