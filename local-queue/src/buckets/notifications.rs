//! Which events of a bucket go to which queue or function: configurations, checked as S3 checks them, and asked at each event.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, PoisonError},
};

use s3s::{
    S3Error, S3ErrorCode, S3Result,
    dto::{
        FilterRule, FilterRuleName, LambdaFunctionConfiguration, NotificationConfiguration,
        NotificationConfigurationFilter, QueueConfiguration, S3KeyFilter,
    },
};

use super::{
    Arguments, Destination, Functions, Notification,
    event::{Event, RequestIds, test_event},
    event_bridge::{self, Rule, RuleTarget},
    policy::{self, Sender},
};
use crate::{
    LocalQueue,
    engine::{MessageBody, QueueArn, SendMessage, Time},
};

/// All events that can be asked for (documentation: "Supported event types").
const EVENTS: [&str; 27] = [
    "s3:IntelligentTiering",
    "s3:LifecycleExpiration:*",
    "s3:LifecycleExpiration:Delete",
    "s3:LifecycleExpiration:DeleteMarkerCreated",
    "s3:LifecycleTransition",
    "s3:ObjectAcl:Put",
    "s3:ObjectCreated:*",
    "s3:ObjectCreated:CompleteMultipartUpload",
    "s3:ObjectCreated:Copy",
    "s3:ObjectCreated:Post",
    "s3:ObjectCreated:Put",
    "s3:ObjectRemoved:*",
    "s3:ObjectRemoved:Delete",
    "s3:ObjectRemoved:DeleteMarkerCreated",
    "s3:ObjectRestore:*",
    "s3:ObjectRestore:Completed",
    "s3:ObjectRestore:Delete",
    "s3:ObjectRestore:Post",
    "s3:ObjectTagging:*",
    "s3:ObjectTagging:Delete",
    "s3:ObjectTagging:Put",
    "s3:ReducedRedundancyLostObject",
    "s3:Replication:*",
    "s3:Replication:OperationFailedReplication",
    "s3:Replication:OperationMissedThreshold",
    "s3:Replication:OperationNotTracked",
    "s3:Replication:OperationReplicatedAfterThreshold",
];
const UNVALIDATED: &str = "Unable to validate the following destination configurations";

/// Where events can go.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reach<'a> {
    pub(super) queues: &'a LocalQueue,
    pub(super) functions: Option<&'a dyn Functions>,
    pub(super) announced: &'a Announced,
}

/// How many events of a bucket were handed to whom, by his ARN.
#[derive(Debug, Default)]
pub(super) struct Announced(Mutex<BTreeMap<(String, String), u64>>);

impl Announced {
    fn count(&self, bucket: &str, arn: &str) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry((bucket.to_owned(), arn.to_owned())).or_default() += 1;
    }

    pub(super) fn get(&self, bucket: &str, arn: &str) -> u64 {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.get(&(bucket.to_owned(), arn.to_owned())).copied().unwrap_or_default()
    }

    pub(super) fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// Which events one configuration wants.
#[derive(Clone, Copy, Debug)]
struct Wanted<'a> {
    events: &'a [s3s::dto::Event],
    prefix: &'a str,
    suffix: &'a str,
}

/// Checks a configuration, gives those without a name one, and writes the names of filters as S3 does.
pub(super) fn check(
    configuration: NotificationConfiguration,
    skips_destinations: bool,
    bucket: &str,
    reach: &Reach<'_>,
    mut next_id: impl FnMut() -> String,
) -> S3Result<NotificationConfiguration> {
    let mut configuration = configuration;
    let mut ids = BTreeSet::new();
    let mut name = |id: &mut Option<String>| {
        let id = id.get_or_insert_with(&mut next_id);
        if ids.insert(id.clone()) { Ok(()) } else { Err(invalid("Configuration id must be unique", &[])) }
    };
    for queue in configuration.queue_configurations.iter_mut().flatten() {
        name(&mut queue.id)?;
        normalize(queue.filter.as_mut())?;
        check_events(&queue.events)?;
    }
    for function in configuration.lambda_function_configurations.iter_mut().flatten() {
        name(&mut function.id)?;
        normalize(function.filter.as_mut())?;
        check_events(&function.events)?;
    }
    for topic in configuration.topic_configurations.iter_mut().flatten() {
        name(&mut topic.id)?;
        normalize(topic.filter.as_mut())?;
        check_events(&topic.events)?;
    }
    check_overlaps(&configuration)?;
    check_destinations(&configuration, skips_destinations, bucket, reach)?;
    Ok(configuration)
}

fn invalid(text: impl Into<std::borrow::Cow<'static, str>>, arguments: &[(&str, &str)]) -> S3Error {
    Arguments::refuse(S3ErrorCode::InvalidArgument, text, arguments)
}

fn check_events(events: &[s3s::dto::Event]) -> S3Result<()> {
    if events.is_empty() {
        let text = "The XML you provided was not well-formed or did not validate against our published schema";
        return Err(S3Error::with_message(S3ErrorCode::MalformedXML, text));
    }
    match events.iter().find(|event| !EVENTS.contains(&event.as_ref())) {
        Some(event) => {
            Err(invalid("A specified event is not supported for notifications.", &[("Event", event.as_ref())]))
        }
        None => Ok(()),
    }
}

/// S3 (recorded) takes the names of filters in any case, answers them as `Prefix` and `Suffix`, and keeps empty values.
fn normalize(filter: Option<&mut NotificationConfigurationFilter>) -> S3Result<()> {
    let rules = filter.and_then(|filter| filter.key.as_mut()?.filter_rules.as_mut());
    let mut seen = BTreeSet::new();
    for rule in rules.into_iter().flatten() {
        let name = rule.name.as_ref().map(|name| name.as_str().to_ascii_lowercase()).unwrap_or_default();
        let name = match name.as_str() {
            "prefix" => "Prefix",
            "suffix" => "Suffix",
            _ => {
                let text = "filter rule name must be either prefix or suffix";
                return Err(invalid(text, &[("FilterRule.Name", &name)]));
            }
        };
        if !seen.insert(name) {
            let text = "Cannot specify more than one prefix or suffix rule in a filter.";
            return Err(invalid(text, &[("FilterRule.Name", name)]));
        }
        rule.name = Some(FilterRuleName::from_static(name));
    }
    Ok(())
}

fn rule<'a>(filter: Option<&'a NotificationConfigurationFilter>, name: &str) -> &'a str {
    let rules = filter.and_then(|filter| filter.key.as_ref()?.filter_rules.as_deref()).unwrap_or_default();
    let rule = rules.iter().find(|rule| rule.name.as_ref().is_some_and(|found| found.as_str() == name));
    rule.and_then(|rule| rule.value.as_deref()).unwrap_or_default()
}

impl<'a> Wanted<'a> {
    fn new(events: &'a [s3s::dto::Event], filter: Option<&'a NotificationConfigurationFilter>) -> Self {
        Self { events, prefix: rule(filter, "Prefix"), suffix: rule(filter, "Suffix") }
    }

    /// Whether an event of this name, without `s3:`, is one of these.
    fn has(&self, name: &str) -> bool {
        self.events.iter().map(AsRef::as_ref).any(|event: &str| {
            let event = event.strip_prefix("s3:").unwrap_or(event);
            event.strip_suffix('*').map_or(event == name, |kind| name.starts_with(kind))
        })
    }

    fn matches(&self, event: &Event) -> bool {
        self.has(event.name.name()) && event.key.starts_with(self.prefix) && event.key.ends_with(self.suffix)
    }

    /// Whether some event could be both's.
    fn overlaps(&self, other: &Self) -> bool {
        let meet =
            |one: &str, other: &str| one == other || one.strip_suffix('*').is_some_and(|kind| other.starts_with(kind));
        let has_common = self.events.iter().any(|one| {
            other.events.iter().any(|other| meet(one.as_ref(), other.as_ref()) || meet(other.as_ref(), one.as_ref()))
        });
        has_common
            && (self.prefix.starts_with(other.prefix) || other.prefix.starts_with(self.prefix))
            && (self.suffix.ends_with(other.suffix) || other.suffix.ends_with(self.suffix))
    }
}

fn check_overlaps(configuration: &NotificationConfiguration) -> S3Result<()> {
    let queues = configuration.queue_configurations.iter().flatten();
    let functions = configuration.lambda_function_configurations.iter().flatten();
    let topics = configuration.topic_configurations.iter().flatten();
    let all = queues
        .map(|queue| (&queue.events[..], queue.filter.as_ref()))
        .chain(functions.map(|function| (&function.events[..], function.filter.as_ref())))
        .chain(topics.map(|topic| (&topic.events[..], topic.filter.as_ref())))
        .collect::<Vec<_>>();
    let wanted = all.iter().map(|(events, filter)| Wanted::new(events, *filter)).collect::<Vec<_>>();
    let overlap =
        wanted.iter().enumerate().any(|(index, one)| wanted[index + 1..].iter().any(|other| one.overlaps(other)));
    if overlap {
        let text = "Configurations overlap. Configurations on the same bucket cannot share a common event type.";
        return Err(invalid(text, &[]));
    }
    Ok(())
}

fn check_destinations(
    configuration: &NotificationConfiguration,
    skips_destinations: bool,
    bucket: &str,
    reach: &Reach<'_>,
) -> S3Result<()> {
    let all = configuration.queue_configurations.iter().flatten();
    for queue in all.clone() {
        if QueueArn::parse(&queue.queue_arn).is_none() {
            let arguments = [("ArgumentName", "Queue"), ("ArgumentValue", &*queue.queue_arn)];
            return Err(invalid("The ARN could not be parsed", &arguments));
        }
    }
    if skips_destinations {
        return Ok(());
    }
    let refused = all.filter_map(|queue| Some((&*queue.queue_arn, refusal(&queue.queue_arn, bucket, reach.queues)?)));
    let functions = configuration.lambda_function_configurations.iter().flatten();
    let functions = functions
        .map(|function| &*function.lambda_function_arn)
        .filter(|arn| !reach.functions.is_some_and(|functions| functions.has(arn)))
        .map(|arn| (arn, "The destination Lambda function does not exist"));
    let topics = configuration.topic_configurations.iter().flatten();
    let topics =
        topics.map(|topic| (&*topic.topic_arn, "The destination topic does not exist: local-queue has no SNS"));
    let refused = refused.chain(functions).chain(topics).collect::<Vec<_>>();
    if refused.is_empty() {
        return Ok(());
    }
    let names = (1..=refused.len()).map(|number| (format!("ArgumentName{number}"), format!("ArgumentValue{number}")));
    let names = names.collect::<Vec<_>>();
    let arguments = names
        .iter()
        .zip(&refused)
        .flat_map(|((name, value), (arn, reason))| [(name.as_str(), *arn), (value.as_str(), *reason)]);
    Err(invalid(UNVALIDATED, &arguments.collect::<Vec<_>>()))
}

/// Why events cannot be sent to a queue.
fn refusal(arn: &str, bucket: &str, queues: &LocalQueue) -> Option<&'static str> {
    let arn = QueueArn::parse(arn)?;
    let Ok(attributes) = queues.queue_attributes(&arn) else { return Some("The destination queue does not exist") };
    if arn.is_fifo() {
        return Some("FIFO SQS queues are not supported as the destination of S3 notifications");
    }
    let policy = attributes.settings.policy.as_deref();
    let bucket_arn = format!("arn:aws:s3:::{bucket}");
    let sender = Sender { service: policy::S3, arn: &bucket_arn, account: &queues.scope().account };
    let decision = policy::decide(policy, &arn, sender);
    if !decision.passed_over.is_empty() {
        let conditions = decision.passed_over.join(", ");
        tracing::info!(
            queue = arn.name(),
            bucket,
            conditions,
            "these conditions of the queue's policy are not asked here"
        );
    }
    (!decision.is_allowed)
        .then_some("Permissions on the destination queue do not allow S3 to publish notifications from this bucket")
}

/// Sends the test event to each queue of a configuration, as S3 does when it is put.
pub(super) fn announce(
    configuration: &NotificationConfiguration,
    bucket: &str,
    queues: &LocalQueue,
    now: Time,
    request: &RequestIds,
) {
    let arns = configuration.queue_configurations.iter().flatten().map(|queue| &*queue.queue_arn);
    for arn in arns.collect::<BTreeSet<_>>() {
        send(queues, arn, bucket, test_event(bucket, now, request), None);
    }
}

/// Sends an event to the queues and functions whose configurations want it.
pub(super) fn publish(configuration: &NotificationConfiguration, event: &Event, reach: &Reach<'_>) {
    for wanted in configuration.lambda_function_configurations.iter().flatten() {
        let arn = &wanted.lambda_function_arn;
        if !Wanted::new(&wanted.events, wanted.filter.as_ref()).matches(event) {
            continue;
        }
        match reach.functions.filter(|functions| functions.has(arn)) {
            Some(functions) => {
                functions.invoke(arn, event.to_json(wanted.id.as_deref().unwrap_or_default()));
                reach.announced.count(&event.bucket, arn);
            }
            None => {
                tracing::warn!(
                    bucket = event.bucket,
                    function = arn,
                    "the function of a bucket's notification does not exist"
                );
            }
        }
    }
    for QueueConfiguration { events, filter, id, queue_arn } in configuration.queue_configurations.iter().flatten() {
        if !Wanted::new(events, filter.as_ref()).matches(event) {
            continue;
        }
        if let Some(reason) = refusal(queue_arn, &event.bucket, reach.queues) {
            tracing::warn!(bucket = event.bucket, queue = queue_arn, reason, "an event of a bucket was not sent");
            continue;
        }
        let body = event.to_json(id.as_deref().unwrap_or_default());
        if send(reach.queues, queue_arn, &event.bucket, body, event.trace.clone()) {
            reach.announced.count(&event.bucket, queue_arn);
        }
    }
}

/// Gives an event in EventBridge's form to the targets of the rules that it matches.
pub(super) fn publish_to_rules(rules: &[Rule], event: &Event, id: &str, reach: &Reach<'_>) {
    let (region, account) = (&reach.queues.scope().region, &reach.queues.scope().account);
    let text = event_bridge::to_json(event, id, account);
    for rule in rules.iter().filter(|rule| rule.matches(&text)) {
        for target in &rule.targets {
            let failed =
                |reason: &str| tracing::warn!(rule = rule.name, reason, "failed to deliver an event to a target");
            let Some(input) = target.input(&text) else {
                failed("the event has nothing at its InputPath");
                continue;
            };
            match &target.destination {
                Destination::Function(arn) => match reach.functions.filter(|functions| functions.has(arn)) {
                    Some(functions) => {
                        functions.invoke(arn, input);
                        reach.announced.count(&event.bucket, arn);
                    }
                    None => failed("the function does not exist"),
                },
                Destination::Queue(queue) => {
                    let arn = rule.arn(region, account);
                    match send_for_rule(reach.queues, queue, target, &arn, input) {
                        Ok(()) => reach.announced.count(&event.bucket, queue.as_str()),
                        Err(reason) => failed(&reason),
                    }
                }
            }
        }
    }
}

fn send_for_rule(
    queues: &LocalQueue,
    queue: &QueueArn,
    target: &RuleTarget,
    rule: &str,
    body: String,
) -> Result<(), String> {
    let attributes = queues.queue_attributes(queue).map_err(|_| format!("the queue {queue} does not exist"))?;
    let sender = event_bridge::sender(rule, &queues.scope().account);
    if !policy::decide(attributes.settings.policy.as_deref(), queue, sender).is_allowed {
        return Err(format!("the policy of {queue} does not let events.amazonaws.com send for {rule}"));
    }
    let message = MessageBody::parse(body).map_err(|error| error.to_string())?;
    let message = SendMessage { group_id: target.group.clone(), ..SendMessage::new(message) };
    queues.send(queue, message).map(|_| ()).map_err(|error| error.to_string())
}

/// Says whether it was sent.
fn send(queues: &LocalQueue, arn: &str, bucket: &str, body: String, trace_header: Option<String>) -> bool {
    let Some(arn) = QueueArn::parse(arn) else { return false };
    let message = MessageBody::parse(body).map(|body| SendMessage { trace_header, ..SendMessage::new(body) });
    let sent = message.and_then(|message| queues.send(&arn, message));
    if let Err(error) = &sent {
        tracing::warn!(bucket, queue = arn.name(), %error, "an event of a bucket was not sent");
    }
    sent.is_ok()
}

/// These notifications as S3 has them.
pub(super) fn to_configuration(notifications: Vec<Notification>) -> NotificationConfiguration {
    let (mut queues, mut functions) = (Vec::new(), Vec::new());
    for Notification { id, destination, events, rules } in notifications {
        let rule =
            |(name, value): (String, String)| FilterRule { name: Some(FilterRuleName::from(name)), value: Some(value) };
        let rules = rules.into_iter().map(rule).collect::<Vec<_>>();
        let key = (!rules.is_empty()).then_some(rules).map(|rules| S3KeyFilter { filter_rules: Some(rules) });
        let filter = key.map(|key| NotificationConfigurationFilter { key: Some(key) });
        let events = events.into_iter().map(s3s::dto::Event::from).collect();
        match destination {
            Destination::Queue(queue) => {
                queues.push(QueueConfiguration { events, filter, id, queue_arn: queue.as_str().to_owned() });
            }
            Destination::Function(lambda_function_arn) => {
                functions.push(LambdaFunctionConfiguration { events, filter, id, lambda_function_arn });
            }
        }
    }
    NotificationConfiguration {
        queue_configurations: Some(queues),
        lambda_function_configurations: Some(functions),
        ..NotificationConfiguration::default()
    }
}
