//! A client that speaks either protocol to an emulator without a socket, and reads the answers of both into one form:
//! that of AWS JSON.

use std::{
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use local_queue::{
    LocalQueue,
    clock::{Clock, ManualClock},
    engine::{Limits, Time},
    protocol,
};
use serde_json::{Map, Value, json};

use crate::{errors::Error, xml::Element};

/// The moment at which every emulator of a rule begins.
pub(crate) const START_MILLIS: u64 = 1_800_000_000_123;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Json,
    Query,
}

/// An emulator, and a client of one protocol.
pub(crate) struct Sqs {
    pub(crate) queues: LocalQueue,
    pub(crate) clock: ManualClock,
    pub(crate) protocol: Protocol,
}

impl Sqs {
    pub(crate) fn new(protocol: Protocol) -> Self {
        Self::with_limits(protocol, Limits::STRICT)
    }

    pub(crate) fn with_limits(protocol: Protocol, limits: Limits) -> Self {
        let clock = ManualClock::new(Time::from_millis(START_MILLIS));
        let queues = LocalQueue::builder().clock(Clock::manual(&clock)).limits(limits).seed(1).build();
        Self { queues, clock, protocol }
    }

    pub(crate) fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    pub(crate) fn request(&self, operation: &str, parameters: &Value) -> Request<Bytes> {
        match self.protocol {
            Protocol::Json => json_request(operation, parameters.to_string()),
            Protocol::Query => form_request("/", form(operation, parameters)),
        }
    }

    /// Sends a request and takes the answer, which must be there at once.
    pub(crate) fn call(&self, operation: &str, parameters: &Value) -> Answer {
        self.start(operation, parameters).answer()
    }

    /// Sends a request whose answer may take its time.
    pub(crate) fn start(&self, operation: &str, parameters: &Value) -> Pending {
        let request = self.request(operation, parameters);
        let queues = self.queues.clone();
        let response = Box::pin(async move { protocol::respond(&queues, request).await });
        let mut pending = Pending { response, early: None, protocol: self.protocol, operation: operation.to_owned() };
        pending.early = pending.poll();
        pending
    }

    /// Sends a request as it is.
    pub(crate) fn raw(&self, request: Request<Bytes>) -> Answer {
        let mut response = Box::pin(protocol::respond(&self.queues, request));
        let Poll::Ready(response) = response.as_mut().poll(&mut Context::from_waker(Waker::noop())) else {
            panic!("the answer is there at once");
        };
        Answer::new(self.protocol, "", response)
    }

    /// The result of a request that must succeed.
    pub(crate) fn ok(&self, operation: &str, parameters: &Value) -> Value {
        self.call(operation, parameters).ok()
    }

    pub(crate) fn create(&self, name: &str, attributes: &Value) -> String {
        let created = self.ok("CreateQueue", &json!({ "QueueName": name, "Attributes": attributes }));
        created["QueueUrl"].as_str().unwrap().to_owned()
    }

    /// Creates a standard queue called `jobs`.
    pub(crate) fn jobs(&self) {
        self.create("jobs", &json!({}));
    }

    /// Creates a FIFO queue called `jobs.fifo` that deduplicates by content.
    pub(crate) fn jobs_fifo(&self) {
        self.create("jobs.fifo", &json!({ "FifoQueue": "true", "ContentBasedDeduplication": "true" }));
    }

    pub(crate) fn send(&self, queue: &str, body: &str) -> Value {
        self.ok("SendMessage", &json!({ "QueueUrl": queue, "MessageBody": body }))
    }

    pub(crate) fn send_to_group(&self, queue: &str, group: &str, body: &str) -> Value {
        self.ok("SendMessage", &json!({ "QueueUrl": queue, "MessageBody": body, "MessageGroupId": group }))
    }

    /// Up to ten messages with all their attributes.
    pub(crate) fn receive(&self, queue: &str) -> Vec<Value> {
        self.receive_with(queue, &json!({ "MaxNumberOfMessages": 10 }))
    }

    /// Messages with all their attributes.
    pub(crate) fn receive_with(&self, queue: &str, more: &Value) -> Vec<Value> {
        let mut parameters = json!({ "QueueUrl": queue, "AttributeNames": ["All"], "MessageAttributeNames": ["All"] });
        parameters.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.ok("ReceiveMessage", &parameters)["Messages"].as_array().cloned().unwrap_or_default()
    }

    pub(crate) fn delete(&self, queue: &str, handle: &Value) -> Answer {
        self.call("DeleteMessage", &json!({ "QueueUrl": queue, "ReceiptHandle": handle }))
    }

    pub(crate) fn hide(&self, queue: &str, handle: &Value, seconds: i64) -> Answer {
        let parameters = json!({ "QueueUrl": queue, "ReceiptHandle": handle, "VisibilityTimeout": seconds });
        self.call("ChangeMessageVisibility", &parameters)
    }

    pub(crate) fn set(&self, queue: &str, attributes: &Value) -> Answer {
        self.call("SetQueueAttributes", &json!({ "QueueUrl": queue, "Attributes": attributes }))
    }

    pub(crate) fn attributes(&self, queue: &str) -> Value {
        let parameters = json!({ "QueueUrl": queue, "AttributeNames": ["All"] });
        self.ok("GetQueueAttributes", &parameters)["Attributes"].clone()
    }

    /// Messages that are visible, in flight, and delayed.
    pub(crate) fn counts(&self, queue: &str) -> [u32; 3] {
        let attributes = self.attributes(queue);
        ["", "NotVisible", "Delayed"]
            .map(|place| attributes[format!("ApproximateNumberOfMessages{place}")].as_str().unwrap().parse().unwrap())
    }
}

pub(crate) fn bodies(messages: &[Value]) -> Vec<&str> {
    messages.iter().map(|message| message["Body"].as_str().unwrap()).collect()
}

pub(crate) fn json_request(operation: &str, body: String) -> Request<Bytes> {
    let request = Request::post("/").header("host", "localhost:9324").header("x-amzn-query-mode", "true");
    let request = request.header("content-type", "application/x-amz-json-1.0");
    request.header("x-amz-target", format!("AmazonSQS.{operation}")).body(body.into()).unwrap()
}

pub(crate) fn form_request(path: &str, form: String) -> Request<Bytes> {
    let request = Request::post(path).header("host", "localhost:9324");
    request.header("content-type", "application/x-www-form-urlencoded").body(form.into()).unwrap()
}

pub(crate) fn get_request(path_and_query: &str) -> Request<Bytes> {
    Request::get(path_and_query).header("host", "localhost:9324").body(Bytes::new()).unwrap()
}

/// The form of a request of the Query protocol, from the parameters that AWS JSON has.
pub(crate) fn form(operation: &str, parameters: &Value) -> String {
    let mut form = format!("Action={operation}&Version=2012-11-05");
    write_members(&mut form, operation, "", parameters);
    form
}

fn write_members(form: &mut String, operation: &str, prefix: &str, members: &Value) {
    for (name, value) in members.as_object().unwrap() {
        let element = match name.as_str() {
            "Attributes" => "Attribute".to_owned(),
            "tags" | "Tags" => "Tag".to_owned(),
            "TagKeys" => "TagKey".to_owned(),
            "AttributeNames" => "AttributeName".to_owned(),
            "MessageAttributeNames" => "MessageAttributeName".to_owned(),
            "MessageSystemAttributeNames" => "MessageSystemAttributeName".to_owned(),
            "MessageAttributes" => "MessageAttribute".to_owned(),
            "MessageSystemAttributes" => "MessageSystemAttribute".to_owned(),
            "StringListValues" => "StringListValue".to_owned(),
            "BinaryListValues" => "BinaryListValue".to_owned(),
            "AWSAccountIds" => "AWSAccountId".to_owned(),
            "Actions" => "ActionName".to_owned(),
            "Entries" => format!("{operation}RequestEntry"),
            plain => plain.to_owned(),
        };
        write_value(form, operation, &format!("{prefix}{element}"), value);
    }
}

fn write_value(form: &mut String, operation: &str, name: &str, value: &Value) {
    let key = if name.ends_with("Tag") { "Key" } else { "Name" };
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                write_value(form, operation, &format!("{name}.{}", index + 1), item);
            }
        }
        // Structures stand in lists and as values of message attributes; every other object is a map.
        Value::Object(_) if name.ends_with(|last: char| last.is_ascii_digit()) || name.ends_with(".Value") => {
            write_members(form, operation, &format!("{name}."), value);
        }
        Value::Object(entries) => {
            for (index, (entry, value)) in entries.iter().enumerate() {
                let name = format!("{name}.{}", index + 1);
                write_value(form, operation, &format!("{name}.{key}"), &json!(entry));
                write_value(form, operation, &format!("{name}.Value"), value);
            }
        }
        Value::String(text) => form.extend(["&", name, "=", &encode(text)]),
        plain => form.extend(["&", name, "=", &plain.to_string()]),
    }
}

/// Form encoding, of everything that is no letter or digit.
pub(crate) fn encode(text: &str) -> String {
    let encoded = text.bytes().map(|byte| match byte {
        b' ' => "+".to_owned(),
        letter if letter.is_ascii_alphanumeric() => char::from(letter).to_string(),
        other => format!("%{other:02X}"),
    });
    encoded.collect()
}

/// A request that has not been answered yet.
pub(crate) struct Pending {
    response: Pin<Box<dyn Future<Output = Response<Bytes>>>>,
    early: Option<Response<Bytes>>,
    protocol: Protocol,
    operation: String,
}

impl Pending {
    fn poll(&mut self) -> Option<Response<Bytes>> {
        match self.response.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(response) => Some(response),
            Poll::Pending => None,
        }
    }

    /// Whether it still waits.
    pub(crate) fn is_waiting(&mut self) -> bool {
        if self.early.is_none() {
            self.early = self.poll();
        }
        self.early.is_none()
    }

    /// The answer, which must be there by now.
    pub(crate) fn answer(mut self) -> Answer {
        assert!(!self.is_waiting(), "{} is answered", self.operation);
        Answer::new(self.protocol, &self.operation, self.early.take().unwrap())
    }
}

/// An answer of either protocol.
#[derive(Debug)]
pub(crate) struct Answer {
    protocol: Protocol,
    operation: String,
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    fn new(protocol: Protocol, operation: &str, response: Response<Bytes>) -> Self {
        let (parts, body) = response.into_parts();
        let body = String::from_utf8(body.to_vec()).unwrap();
        Self { protocol, operation: operation.to_owned(), status: parts.status.as_u16(), headers: parts.headers, body }
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The result in the form of AWS JSON; null if the action has none.
    ///
    /// On the way it checks what holds for every answer: status, content type, request id, and in AWS JSON that there is
    /// no blank and that members come in alphabetical order.
    pub(crate) fn ok(self) -> Value {
        assert_eq!(self.status, 200, "{} succeeds: {}", self.operation, self.body);
        assert!(!self.header("x-amzn-requestid").is_empty(), "every answer has a request id");
        match self.protocol {
            Protocol::Json => {
                assert_eq!(self.header("content-type"), "application/x-amz-json-1.0");
                if self.body.is_empty() {
                    return Value::Null;
                }
                let result: Value = serde_json::from_str(&self.body).unwrap();
                assert_eq!(sorted(&result).to_string(), self.body, "JSON is compact and in alphabetical order");
                result
            }
            Protocol::Query => {
                assert_eq!(self.header("content-type"), "text/xml");
                let root = Element::parse(&self.body);
                assert_eq!(root.name, format!("{}Response", self.operation));
                assert_eq!(root.attributes, "xmlns=\"http://queue.amazonaws.com/doc/2012-11-05/\"");
                let request_id = root.child("ResponseMetadata").and_then(|metadata| metadata.child_text("RequestId"));
                assert_eq!(request_id, Some(self.header("x-amzn-requestid")));
                let result = root.child(&format!("{}Result", self.operation));
                result.map_or(Value::Null, |result| normalise(&self.operation, result))
            }
        }
    }

    /// Checks that this is an error of this kind with this text, in the form of the protocol.
    pub(crate) fn refused(self, error: Error, message: &str) {
        assert_eq!(self.error(error), message);
    }

    /// Checks that this is an error of this kind; its text is not known from AWS.
    pub(crate) fn refused_somehow(self, error: Error) {
        self.error(error);
    }

    fn error(self, expected: Error) -> String {
        assert_eq!(self.status, expected.status, "{} is refused: {}", self.operation, self.body);
        let fault = if expected.status < 500 { "Sender" } else { "Receiver" };
        assert!(!self.header("x-amzn-requestid").is_empty(), "every answer has a request id");
        match self.protocol {
            Protocol::Json => {
                assert_eq!(self.header("content-type"), "application/x-amz-json-1.0");
                let body: Map<String, Value> = serde_json::from_str(&self.body).unwrap();
                let names = body.keys().collect::<Vec<_>>();
                assert_eq!(names, ["__type", "message"], "an error has a type and a text");
                assert_eq!(body["__type"], expected.json_type, "{}", self.body);
                assert_eq!(self.header("x-amzn-query-error"), format!("{};{fault}", expected.code));
                body["message"].as_str().unwrap().to_owned()
            }
            Protocol::Query => {
                assert_eq!(self.header("content-type"), "text/xml");
                let root = Element::parse(&self.body);
                assert_eq!(root.name, "ErrorResponse");
                assert_eq!(root.child_text("RequestId"), Some(self.header("x-amzn-requestid")));
                let error = root.child("Error").unwrap();
                let names = error.children.iter().map(|child| child.name.as_str()).collect::<Vec<_>>();
                assert_eq!(names, ["Type", "Code", "Message", "Detail"]);
                assert_eq!((error.child_text("Type"), error.child_text("Detail")), (Some(fault), Some("")));
                assert_eq!(error.child_text("Code"), Some(expected.code), "{}", self.body);
                error.child_text("Message").unwrap().to_owned()
            }
        }
    }
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let mut members = members.iter().map(|(name, value)| (name.clone(), sorted(value))).collect::<Vec<_>>();
            members.sort_by(|one, other| one.0.cmp(&other.0));
            Value::Object(members.into_iter().collect())
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        plain => plain.clone(),
    }
}

/// The JSON of a result in XML, whose lists and maps are flat.
fn normalise(operation: &str, element: &Element) -> Value {
    let mut members = Map::new();
    for child in &element.children {
        let name = child.name.as_str();
        let list = match (operation, name) {
            ("ListQueues", "QueueUrl") => Some("QueueUrls"),
            ("ListDeadLetterSourceQueues", "QueueUrl") => Some("queueUrls"),
            ("ReceiveMessage", "Message") => Some("Messages"),
            ("ListMessageMoveTasks", "ListMessageMoveTasksResultEntry") => Some("Results"),
            (_, "BatchResultErrorEntry") => Some("Failed"),
            (_, entry) if entry == format!("{operation}ResultEntry") => Some("Successful"),
            _ => None,
        };
        let map = match name {
            "Attribute" => Some(("Attributes", "Name")),
            "MessageAttribute" => Some(("MessageAttributes", "Name")),
            "Tag" => Some(("Tags", "Key")),
            _ => None,
        };
        if let Some(list) = list {
            let item = if child.children.is_empty() { json!(child.text) } else { normalise(operation, child) };
            let list = members.entry(list).or_insert_with(|| json!([]));
            list.as_array_mut().unwrap().push(item);
        } else if let Some((map, key)) = map {
            let value = child.child("Value").unwrap();
            let value = if value.children.is_empty() { json!(value.text) } else { normalise(operation, value) };
            members.entry(map).or_insert_with(|| json!({}))[child.child_text(key).unwrap()] = value;
        } else {
            members.insert(name.to_owned(), plain(name, &child.text));
        }
    }
    Value::Object(members)
}

/// A value of a member that AWS JSON does not write as text.
fn plain(name: &str, text: &str) -> Value {
    match name {
        "SenderFault" => json!(text.parse::<bool>().unwrap()),
        "ApproximateNumberOfMessagesMoved"
        | "ApproximateNumberOfMessagesToMove"
        | "MaxNumberOfMessagesPerSecond"
        | "StartedTimestamp" => json!(text.parse::<u64>().unwrap()),
        _ => json!(text),
    }
}
