//! Operations on single messages.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    future::poll_fn,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use super::{Answer, Call, Outcome};
use crate::{
    LocalQueue,
    engine::{
        Delivery, EngineError, Limits, Message, MessageAttribute, MessageAttributeValue, MessageAttributes,
        MessageBody, QueueArn, QuotaAction, ReceiptHandle, Receive, SendMessage, Sent, Time,
    },
    local_queue::{Answered, ReceiveStart, Waiting},
    protocol::{
        Caller, LIGHT_BYTES,
        caller::Reserved,
        digest::{self, Digest},
        document::{Body, Document, members},
        error::{ErrorKind, WireError},
        fields::Fields,
    },
    receipt_handle::Seal,
    recorded::Recorded,
};

const TRACE_HEADER: &str = "AWSTraceHeader";

pub(super) fn send_message(call: &Call<'_>) -> Answer {
    let queue = call.queue()?;
    let prepared = Prepared::parse(call, &call.fields, "SendMessage");
    let (digests, sent) = call.call(|engine, now| {
        engine.admit(now, queue.as_str(), QuotaAction::Send)?;
        let Prepared { request, digests } = prepared?;
        Ok::<_, WireError>((digests, engine.send(now, queue.as_str(), request)?))
    })?;
    Ok(Some(Document::Struct(digests.answer(sent))))
}

/// A message with its digests, read before the queues are locked.
pub(super) struct Prepared {
    pub(super) request: SendMessage,
    pub(super) digests: Digests,
}

/// The digests by which a sender sees that its message has come as it was.
pub(super) struct Digests {
    body: Digest,
    attributes: Option<Digest>,
    system_attributes: Option<Digest>,
}

impl Prepared {
    /// Reads what is to be sent, from a request or from an entry of a batch, for this operation.
    pub(super) fn parse(call: &Call<'_>, fields: &Fields<'_>, operation: &str) -> Result<Self, WireError> {
        let request = parse_message(fields, call.queues.limits(), call.trace_header, operation)?;
        let (body, body_digest) = Digest::keep(request.body);
        let request = SendMessage { body, ..request };
        let attributes = &request.attributes;
        let digests = Digests {
            body: body_digest,
            attributes: (!attributes.is_empty()).then(|| digest::attributes_md5(attributes.iter())),
            system_attributes: request.trace_header.as_ref().map(|trace| {
                let attribute = MessageAttribute::string(trace.clone());
                digest::attributes_md5([(TRACE_HEADER, &attribute)])
            }),
        };
        Ok(Self { request, digests })
    }
}

impl Digests {
    /// The members of the answer.
    pub(super) fn answer(self, Sent { message_id, sequence_number }: Sent) -> Vec<(&'static str, Document)> {
        members! {
            "MD5OfMessageAttributes": self.attributes.map(Document::Digest),
            "MD5OfMessageBody": Some(Document::Digest(self.body)),
            "MD5OfMessageSystemAttributes": self.system_attributes.map(Document::Digest),
            "MessageId": Some(Document::Id(message_id)),
            "SequenceNumber": sequence_number.map(|number| Document::Text(number.to_string())),
        }
    }
}

fn parse_message(
    fields: &Fields<'_>,
    limits: &Limits,
    trace_header: Option<&str>,
    operation: &str,
) -> Result<SendMessage, WireError> {
    let body = MessageBody::parse(&*fields.text("MessageBody")?.unwrap_or_default())?;
    let attributes = |parameter| parse_message_attributes(fields, parameter, operation);
    let given = parse_trace_header(attributes("MessageSystemAttributes")?)?;
    Ok(SendMessage {
        body,
        delay: seconds(fields, "DelaySeconds", 0, |value| {
            let (min, max) = (*limits.delay_seconds.start(), *limits.delay_seconds.end());
            EngineError::OutOfRange { parameter: "DelaySeconds", value, min, max }
        })?,
        attributes: MessageAttributes::parse(attributes("MessageAttributes")?, limits)?,
        trace_header: given.or_else(|| trace_header.map(str::to_owned)),
        group_id: fields.text("MessageGroupId")?.map(Into::into),
        deduplication_id: fields.text("MessageDeduplicationId")?.map(Into::into),
    })
}

/// The one system attribute that can be sent: a trace header, which is text.
fn parse_trace_header(attributes: BTreeMap<String, MessageAttribute>) -> Result<Option<String>, WireError> {
    let invalid = |message| Err(WireError::new(ErrorKind::InvalidParameterValue, message));
    let mut header = None;
    for (name, attribute) in attributes {
        if name != TRACE_HEADER {
            return invalid(format!("Message system attribute name '{name}' is invalid."));
        }
        header = match (attribute.data_type.as_str(), attribute.value) {
            ("String", MessageAttributeValue::Text(text)) if !text.is_empty() => Some(text),
            ("String", _) => {
                return invalid(format!(
                    "Message (system) attribute '{name}' must contain a non-empty value of type 'String'."
                ));
            }
            _ => {
                return invalid(format!(
                    "The type of message (system) attribute '{name}' is invalid. You must use only the following \
                     supported type prefixes: String."
                ));
            }
        };
    }
    Ok(header)
}

fn parse_message_attributes(
    fields: &Fields<'_>,
    parameter: &str,
    operation: &str,
) -> Result<BTreeMap<String, MessageAttribute>, WireError> {
    let mut attributes = BTreeMap::new();
    for (name, value) in fields.structure_map(parameter)? {
        if value.has_items("StringListValues")? || value.has_items("BinaryListValues")? {
            let message = format!("Message attribute list values in {operation} operation are not supported.");
            return Err(WireError::new(ErrorKind::UnsupportedOperation, message));
        }
        let data_type = value.text("DataType")?.unwrap_or_default().into_owned();
        let value = match (value.text("StringValue")?, value.blob("BinaryValue")?) {
            (None, Some(bytes)) => MessageAttributeValue::Binary(bytes),
            (text, _) => MessageAttributeValue::Text(text.unwrap_or_default().into_owned()),
        };
        if attributes.insert(name.to_owned(), MessageAttribute { data_type, value }).is_some() {
            // Only Query can say a name twice; the text is not known from AWS.
            let message = format!("Message (user) attribute name '{name}' already exists.");
            return Err(WireError::new(ErrorKind::InvalidParameterValue, message));
        }
    }
    Ok(attributes)
}

/// Reads a number of seconds; one below `min` gets the error that `refuse` makes of it.
fn seconds(
    fields: &Fields<'_>,
    name: &str,
    min: i64,
    refuse: impl Fn(i64) -> EngineError,
) -> Result<Option<Duration>, WireError> {
    let Some(value) = fields.integer(name)? else { return Ok(None) };
    match u64::try_from(value) {
        Ok(seconds) if value >= min => Ok(Some(Duration::from_secs(seconds))),
        _ => Err(refuse(value).into()),
    }
}

pub(super) fn receive_message(call: &Call<'_>) -> Result<Outcome, WireError> {
    let queue = call.queue()?;
    let limits = call.queues.limits();
    // Without quotas everybody is admitted.
    if limits.fifo_calls_per_second.is_some() {
        call.call(|engine, now| engine.admit(now, queue.as_str(), QuotaAction::Receive))?;
    }
    let request = parse_receive(&call.fields, limits)?;
    let wanted = Wanted::parse(&call.fields)?;
    let attempt_id = request.attempt_id.clone();
    let (begun, is_query) = (call.queues.begin_receive(&queue, request)?, call.fields.is_query());
    if let ReceiveStart::Done(Answered { value: deliveries, number }) = &begun
        && (call.caller.is_none() || rendered_bytes(deliveries, is_query) <= LIGHT_BYTES)
    {
        call.answer_for(*number);
        return Ok(Outcome::Answer(Some(wanted.render_all(deliveries, &queue, call.queues.seal()))));
    }
    Ok(Outcome::Receiving(Box::new(Receiving { begun, queue, attempt_id, wanted, is_query })))
}

/// A receive that waits, for messages or for the memory to show them, with all that it needs to go on.
pub(in crate::protocol) struct Receiving {
    begun: ReceiveStart,
    queue: QueueArn,
    attempt_id: Option<String>,
    wanted: Wanted,
    is_query: bool,
}

impl Receiving {
    /// Whether it waits for a message.
    pub(in crate::protocol) const fn is_waiting(&self) -> bool {
        matches!(self.begun, ReceiveStart::Waiting(_))
    }

    /// The answer, and the memory for it if it is long.
    pub(in crate::protocol) async fn end(
        self: Box<Self>,
        queues: &LocalQueue,
        caller: Option<&Caller>,
    ) -> Result<(Document, Option<Reserved>), WireError> {
        let Self { begun, queue, attempt_id, wanted, is_query } = *self;
        let deliveries = match begun {
            ReceiveStart::Done(Answered { value, number }) => {
                queues.kept(number).await?;
                value
            }
            ReceiveStart::Waiting(waiting) => received(waiting, caller).await?,
        };
        let reserved = match caller {
            Some(caller) => caller.reserve(rendered_bytes(&deliveries, is_query)).await.map_err(|_| {
                queues.take_back(&queue, &deliveries, attempt_id.as_deref());
                out_of_memory()
            })?,
            None => None,
        };
        let queues = queues.clone();
        let render = move || wanted.render_all(&deliveries, &queue, queues.seal());
        Ok((Caller::work(caller, reserved.as_ref(), render).await, reserved))
    }
}

/// What a receive that waits gets, at the latest when its client may have gone.
async fn received(mut waiting: Box<Waiting>, caller: Option<&Caller>) -> Result<Vec<Delivery>, EngineError> {
    poll_fn(|cx| match waiting.poll(cx) {
        Poll::Pending if caller.is_some_and(Caller::is_hasty) && !waiting.has_stopped() => {
            waiting.stop();
            waiting.poll(cx)
        }
        polled => polled,
    })
    .await
}

/// How long the messages of an answer may be, without looking at each of their bytes.
fn rendered_bytes(deliveries: &[Delivery], is_query: bool) -> usize {
    deliveries.iter().map(|delivery| message_bytes(&delivery.message, is_query)).sum()
}

/// How long a message may be in an answer, without looking at each of its bytes.
fn message_bytes(message: &Message, is_query: bool) -> usize {
    /// Names and elements around the texts, handle and digests.
    const AROUND: usize = 1_024;
    // A quotation mark takes two bytes in JSON and six in XML.
    let growth = if is_query { 6 } else { 2 };
    let attributes = message.attributes().iter().map(|(name, attribute)| {
        let value = match &attribute.value {
            MessageAttributeValue::Text(text) => growth * text.len(),
            MessageAttributeValue::Binary(bytes) => 2 * bytes.len(),
        };
        // Twice: they are copied for the answer.
        2 * (AROUND + name.len() + value)
    });
    AROUND + growth * message.body.as_str().len() + attributes.sum::<usize>()
}

fn out_of_memory() -> WireError {
    let message = "Requests and answers under way take all memory that there is for them (--memory-max). Try again.";
    WireError::new(ErrorKind::ServiceUnavailable, message)
}

fn parse_receive(fields: &Fields<'_>, limits: &Limits) -> Result<Receive, WireError> {
    let out_of_range = |parameter, value, range: &std::ops::RangeInclusive<u64>| EngineError::OutOfRange {
        parameter,
        value,
        min: *range.start(),
        max: *range.end(),
    };
    let max_messages = match fields.integer("MaxNumberOfMessages")? {
        None => 1,
        Some(max) => {
            u64::try_from(max).map_err(|_| out_of_range("MaxNumberOfMessages", max, &limits.receive_messages))?
        }
    };
    Ok(Receive {
        max_messages,
        visibility_timeout: seconds(fields, "VisibilityTimeout", 0, |value| {
            out_of_range("VisibilityTimeout", value, &limits.visibility_timeout_seconds)
        })?,
        wait_time: seconds(fields, "WaitTimeSeconds", 0, |value| {
            out_of_range("WaitTimeSeconds", value, &limits.wait_time_seconds)
        })?,
        attempt_id: fields.text("ReceiveRequestAttemptId")?.map(Into::into),
    })
}

/// Which attributes a receiver wants to see.
pub(super) struct Wanted {
    system: BTreeSet<&'static str>,
    user: Vec<String>,
}

/// Every system attribute that a message can have, in alphabetical order.
const SYSTEM_ATTRIBUTES: [&str; 9] = [
    TRACE_HEADER,
    "ApproximateFirstReceiveTimestamp",
    "ApproximateReceiveCount",
    "DeadLetterQueueSourceArn",
    "MessageDeduplicationId",
    "MessageGroupId",
    "SenderId",
    "SentTimestamp",
    "SequenceNumber",
];

impl Wanted {
    fn parse(fields: &Fields<'_>) -> Result<Self, WireError> {
        let mut system = BTreeSet::new();
        for parameter in ["AttributeNames", "MessageSystemAttributeNames"] {
            let names = fields.texts(parameter)?;
            for name in &names {
                // AWS (quoted by users): what is no attribute of a message is ignored, also if it is one of queues.
                let wanted = |known: &&str| name == "All" || known == name;
                system.extend(SYSTEM_ATTRIBUTES.into_iter().filter(wanted));
            }
            // AWS (recorded): in Query the second list is ignored when the first is there; in JSON both count.
            if fields.is_query() && !names.is_empty() {
                break;
            }
        }
        let user = fields.texts("MessageAttributeNames")?.into_iter().map(Into::into).collect();
        Ok(Self { system, user })
    }

    #[cfg(feature = "server")]
    pub(super) fn all() -> Self {
        Self { system: SYSTEM_ATTRIBUTES.into(), user: vec!["All".to_owned()] }
    }

    /// Whether a message attribute was asked for: by name, by all, or by what comes before `.*` (recorded: the dot
    /// itself need not be in the name).
    fn wants(&self, name: &str) -> bool {
        self.user.iter().any(|wanted| match wanted.as_str() {
            "All" | "*" | ".*" => true,
            wanted => wanted.strip_suffix(".*").map_or(wanted == name, |prefix| name.starts_with(prefix)),
        })
    }

    fn render_all(&self, deliveries: &[Delivery], queue: &QueueArn, seal: &Seal) -> Document {
        let render = |delivery: &Delivery| self.render(delivery, queue, seal.encode(delivery.receipt_handle));
        let messages = deliveries.iter().map(render).collect::<Vec<_>>();
        Document::Struct(members! { "Messages": (!messages.is_empty()).then_some(Document::List(messages)) })
    }

    pub(super) fn render(&self, delivery: &Delivery, queue: &QueueArn, handle: String) -> Document {
        let message = &delivery.message;
        let attributes = message.attributes().iter().filter(|(name, _)| self.wants(name)).collect::<Vec<_>>();
        let attributes_md5 =
            (!attributes.is_empty()).then(|| Document::Digest(digest::attributes_md5(attributes.iter().copied())));
        let attributes = attributes.iter().map(|(name, attribute)| ((*name).to_owned(), message_attribute(attribute)));
        let attributes = attributes.collect::<Vec<_>>();
        let system = self.system.iter().filter_map(|name| {
            let text = system_attribute(name, delivery, queue)?;
            Some(((*name).to_owned(), Document::Text(text)))
        });
        let system = system.collect::<Vec<_>>();
        Document::Struct(members! {
            "Attributes": (!system.is_empty()).then_some(Document::Map(system)),
            "Body": Some(Document::Body(Body(Arc::clone(message)))),
            "MD5OfBody": Some(Document::Digest(Digest::kept(&message.body))),
            "MD5OfMessageAttributes": attributes_md5,
            "MessageAttributes": (!attributes.is_empty()).then_some(Document::Map(attributes)),
            "MessageId": Some(Document::Id(message.id)),
            "ReceiptHandle": Some(Document::Plain(handle)),
        })
    }
}

fn system_attribute(name: &str, delivery: &Delivery, queue: &QueueArn) -> Option<String> {
    let message = &delivery.message;
    match name {
        "ApproximateFirstReceiveTimestamp" => Some(delivery.first_received_at.as_millis().to_string()),
        "ApproximateReceiveCount" => Some(delivery.receive_count.to_string()),
        "DeadLetterQueueSourceArn" => message.dead_letter_source().map(ToString::to_string),
        "MessageDeduplicationId" => message.deduplication_id().map(str::to_owned),
        "MessageGroupId" => message.group_id().map(str::to_owned),
        // Who calls is not known here; the queue's own account stands for them.
        "SenderId" => Some(queue.account().to_owned()),
        "SequenceNumber" => message.sequence_number().map(|number| number.to_string()),
        "SentTimestamp" => Some(message.sent_at.as_millis().to_string()),
        TRACE_HEADER => message.trace_header().map(str::to_owned),
        _ => None,
    }
}

fn message_attribute(attribute: &MessageAttribute) -> Document {
    use base64::{Engine as _, prelude::BASE64_STANDARD};
    let (text, binary) = match &attribute.value {
        MessageAttributeValue::Text(text) => (Some(Document::text(text)), None),
        MessageAttributeValue::Binary(bytes) => (None, Some(Document::Text(BASE64_STANDARD.encode(bytes)))),
    };
    Document::Struct(members! {
        "BinaryValue": binary,
        "DataType": Some(Document::text(&attribute.data_type)),
        "StringValue": text,
    })
}

pub(super) fn delete_message(call: &Call<'_>) -> Answer {
    let queue = call.queue()?;
    // AWS (quoted by users): outside of batches the handle that lacks has another name.
    let handle = parse_handle(call, &call.fields, || "MessageHandle".to_owned());
    call.call(|engine, now| {
        engine.admit(now, queue.as_str(), QuotaAction::Delete)?;
        delete(engine, now, &queue, handle)
    })?;
    Ok(None)
}

/// Deletes one message.
pub(super) fn delete(
    engine: &mut Recorded<'_>,
    now: Time,
    queue: &QueueArn,
    handle: Result<Handle<'_>, WireError>,
) -> Result<(), WireError> {
    engine.find_queue(queue.as_str())?;
    let Handle { text, handle } = handle?;
    engine.delete(now, queue.as_str(), handle).map_err(|error| WireError::from_handle(error, &text))
}

/// A receipt handle, and how it was written.
pub(super) struct Handle<'a> {
    text: Cow<'a, str>,
    handle: ReceiptHandle,
}

/// Reads a receipt handle, which is done before the queues are locked. `missing` is what an error calls one that
/// is not there.
pub(super) fn parse_handle<'a>(
    call: &Call<'_>,
    fields: &Fields<'a>,
    missing: impl FnOnce() -> String,
) -> Result<Handle<'a>, WireError> {
    let text = fields.text("ReceiptHandle")?.filter(|text| !text.is_empty());
    let text = text.ok_or_else(|| WireError::missing(&missing()))?;
    match call.queues.seal().decode(&text) {
        Some(handle) => Ok(Handle { text, handle }),
        None => Err(WireError::receipt_handle(&text)),
    }
}

pub(super) fn change_message_visibility(call: &Call<'_>) -> Answer {
    let queue = call.queue()?;
    let handle = parse_handle(call, &call.fields, || "ReceiptHandle".to_owned());
    call.call(|engine, now| {
        engine.admit(now, queue.as_str(), QuotaAction::ChangeVisibility)?;
        change_visibility(engine, now, &queue, handle, &call.fields, "")
    })?;
    Ok(None)
}

/// Changes the visibility of one message; `prefix` is what an error puts before the name of a parameter that is not there.
pub(super) fn change_visibility(
    engine: &mut Recorded<'_>,
    now: Time,
    queue: &QueueArn,
    handle: Result<Handle<'_>, WireError>,
    fields: &Fields<'_>,
    prefix: &str,
) -> Result<(), WireError> {
    engine.find_queue(queue.as_str())?;
    let value = fields.integer("VisibilityTimeout")?;
    let Handle { text, handle } = handle?;
    let range = engine.limits().visibility_timeout_seconds.clone();
    let value = value.ok_or_else(|| WireError::missing(&format!("{prefix}VisibilityTimeout")))?;
    let seconds = u64::try_from(value).ok().filter(|seconds| range.contains(seconds)).ok_or_else(|| {
        let reason = format!("VisibilityTimeout must be an integer between {} and {}.", range.start(), range.end());
        WireError::invalid_value(value, "VisibilityTimeout", &reason)
    })?;
    engine
        .change_visibility(now, queue.as_str(), handle, Duration::from_secs(seconds))
        .map_err(|error| WireError::from_handle(error, &text))
}
