//! The wire: HTTP requests in, HTTP answers out, without a socket. The in-process client calls [`respond`], the server
//! `begin`, which answers at once what need not wait.
//!
//! A request is decoded into `fields::Fields`, an operation of the table turns them into engine calls and the results
//! into a `document::Document`, and that is written in the protocol of the request. Errors leave by one way.

pub(crate) mod attributes;
mod caller;
pub(crate) mod digest;
mod document;
mod error;
mod fields;
mod operations;
#[cfg(feature = "apis")]
mod parameters;
#[cfg(feature = "server")]
mod peek;
mod policy;
mod query;
mod queue_url;
mod subject;
mod xml;

use std::{borrow::Cow, cell::Cell, pin::Pin};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, header};
use tokio::{runtime::Handle, time::Instant};

#[cfg(feature = "server")]
pub(crate) use self::caller::PATIENCE;
pub(crate) use self::caller::{Caller, Counted};
pub(crate) use self::caller::{HeavyWork, LIGHT_BYTES};
#[cfg(feature = "console")]
pub(crate) use self::operations::move_task_handle;
#[cfg(feature = "apis")]
pub(crate) use self::parameters::{Parameters, begin_action};
#[cfg(any(feature = "buckets", feature = "server"))]
pub(crate) use self::xml::escape as escape_xml;
use self::{
    document::Document,
    error::{ErrorKind, WireError},
    fields::Fields,
    operations::{Call, Outcome, Receiving},
    query::FormNode,
};
#[cfg(feature = "server")]
pub(crate) use self::{
    peek::peek,
    queue_url::{Endpoint, is_plain_path},
    subject::{action as action_of, is_read_only, queue as queue_of, shows_urls},
    xml::query_error_json,
};
use crate::{
    LocalQueue,
    action::Action,
    engine::{Scope, Uuid},
    faults::{Effect, EntryFailures, RequestFaults, ResponseLost},
    json::{self, Object},
};

pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/x-amz-json-1.0");
const PLAIN_JSON: HeaderValue = HeaderValue::from_static("application/json");
const XML: HeaderValue = HeaderValue::from_static("text/xml");
pub(crate) static TARGET: HeaderName = HeaderName::from_static("x-amz-target");
static TRACE_ID: HeaderName = HeaderName::from_static("x-amzn-trace-id");
static REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const TARGET_PREFIX: &str = "AmazonSQS.";
/// Bytes of a request that brings no message. The longest sets a queue's policy and all its tags.
const PLAIN_BODY_BYTES_MAX: usize = 256 * 1024;

/// Answers one request, in the protocol it came in, as far as the injected faults let it. Dropping the future gives up a
/// long poll.
///
/// An answer that carries the extension [`ResponseLost`] must not reach the client.
pub async fn respond(queues: &LocalQueue, request: Request<Bytes>) -> Response<Bytes> {
    match begin(queues, request, None) {
        Answering::Answered(response) => response,
        Answering::Later(response) => response.await,
    }
}

/// How far a request has come at once.
pub(crate) enum Answering<'a> {
    Answered(Response<Bytes>),
    /// It waits for something, for which it holds no more than it needs: of a long poll, nothing of the request.
    Later(Later<'a>),
}

pub(crate) type Later<'a> = Pin<Box<dyn Future<Output = Response<Bytes>> + Send + 'a>>;

/// As [`respond`], to a client of a server, and at once what can be done at once.
pub(crate) fn begin<'a>(queues: &'a LocalQueue, request: Request<Bytes>, caller: Option<&'a Caller>) -> Answering<'a> {
    let action = subject::action(&request);
    if !queues.faults().is_empty() {
        return Answering::Later(Box::pin(respond_under_faults(queues, request, action, caller)));
    }
    let end = End::begin(queues, action);
    if let Some((heavy, caller)) = caller.and_then(|caller| caller.beside(request.body())) {
        return Answering::Later(Box::pin(carry_out_beside(request, heavy, caller, end)));
    }
    match carry_out(queues, &request, action, caller, end.request_id) {
        Carried::Out(written) if queues.is_kept(written.number) => Answering::Answered(end.finish(written.response)),
        Carried::Out(written) => Answering::Later(Box::pin(async move { end.finish(written.kept(queues).await) })),
        Carried::Receiving(receiving, form) => {
            let end = End { has_waited: receiving.is_waiting(), ..end };
            Answering::Later(Box::pin(async move { end.finish(receive(receiving, form, queues, caller).await) }))
        }
    }
}

/// Answers a request that injected faults may strike.
async fn respond_under_faults(
    queues: &LocalQueue,
    mut request: Request<Bytes>,
    action: Option<Action>,
    caller: Option<&Caller>,
) -> Response<Bytes> {
    let mut faults = queues.faults().of_request(action, &scope(queues, &request).account, || subject::queue(&request));
    let end = End::under_faults(queues, action, &faults).await;
    let request_id = end.request_id;
    if let Some(failures) = faults.failed_entries.take() {
        request.extensions_mut().insert(failures);
    }
    if let Some(effect) = faults.refusal {
        return end.finish(Form::wanted_by(&request, request_id).error(&refusal(&effect)));
    }
    if let Some((heavy, caller)) = caller.and_then(|caller| caller.beside(request.body())) {
        return carry_out_beside(request, heavy, caller, end).await;
    }
    let carried = carry_out(queues, &request, action, caller, request_id);
    drop(request);
    match carried {
        Carried::Out(written) => end.finish(written.kept(queues).await),
        Carried::Receiving(receiving, form) => {
            let end = End { has_waited: receiving.is_waiting(), ..end };
            end.finish(receive(receiving, form, queues, caller).await)
        }
    }
}

/// What is done with every answer.
#[derive(Clone, Copy)]
struct End<'a> {
    queues: &'a LocalQueue,
    action: Option<Action>,
    request_id: Uuid,
    began: Instant,
    /// Whether it is a receive that waited for a message.
    has_waited: bool,
    response_is_lost: bool,
}

impl<'a> End<'a> {
    /// That of a request that has come just now.
    fn begin(queues: &'a LocalQueue, action: Option<Action>) -> Self {
        let request_id = queues.next_request_id();
        Self { queues, action, request_id, began: Instant::now(), has_waited: false, response_is_lost: false }
    }

    /// That of a request that injected faults strike, when it has waited as long as they make it wait.
    async fn under_faults(queues: &'a LocalQueue, action: Option<Action>, faults: &RequestFaults) -> Self {
        let began = Instant::now();
        if !faults.latency.is_zero() {
            queues.clock().sleep_until(queues.clock().now() + faults.latency).await;
        }
        Self { began, response_is_lost: faults.response_is_lost, ..Self::begin(queues, action) }
    }

    fn finish(self, mut response: Response<Bytes>) -> Response<Bytes> {
        let mut request_id = String::with_capacity(36);
        self.request_id.write_to(&mut request_id);
        if let Ok(request_id) = HeaderValue::try_from(request_id) {
            response.headers_mut().insert(REQUEST_ID.clone(), request_id);
        }
        self.finish_bare(response)
    }

    /// As [`finish`](Self::finish), without the header that SQS gives its answers.
    fn finish_bare(self, mut response: Response<Bytes>) -> Response<Bytes> {
        if self.response_is_lost {
            response.extensions_mut().insert(ResponseLost);
        }
        self.queues.request_counts().count(self.action, response.status());
        self.queues.latencies().count(self.action, self.has_waited, self.began.elapsed());
        response
    }
}

/// A request that has been carried out, but for a receive that waits or whose answer is long.
enum Carried {
    Out(Written),
    Receiving(Box<Receiving>, Form),
}

/// An answer that is written, and given when what it is about is on the disk.
struct Written {
    response: Response<Bytes>,
    number: u64,
    form: Form,
}

impl Written {
    async fn kept(self, queues: &LocalQueue) -> Response<Bytes> {
        match queues.kept(self.number).await {
            Ok(()) => self.response,
            Err(error) => self.form.error(&error.into()),
        }
    }
}

/// Carries a request with a long body out, beside others.
async fn carry_out_beside(request: Request<Bytes>, heavy: HeavyWork, caller: Caller, end: End<'_>) -> Response<Bytes> {
    let End { queues, action, request_id, .. } = end;
    let (queues, runtime) = (queues.clone(), Handle::current());
    let work = move || match carry_out(&queues, &request, action, Some(&caller), request_id) {
        Carried::Out(written) => runtime.block_on(written.kept(&queues)),
        Carried::Receiving(receiving, form) => runtime.block_on(receive(receiving, form, &queues, Some(&caller))),
    };
    end.finish(heavy.run(work).await)
}

fn carry_out(
    queues: &LocalQueue,
    request: &Request<Bytes>,
    action: Option<Action>,
    caller: Option<&Caller>,
    request_id: Uuid,
) -> Carried {
    let form = Form::wanted_by(request, request_id);
    let number = Cell::new(0);
    let done = match form.kind {
        FormKind::Json => run_json(queues, request, action, caller, &number),
        FormKind::Xml | FormKind::PlainJson => run_query(queues, request, caller, &number),
    };
    let response = match done {
        Ok((action, Outcome::Answer(document))) => form.document(action, document.as_ref()),
        Ok((_, Outcome::Receiving(receiving))) => return Carried::Receiving(receiving, form),
        Err(Refused::With(error)) => form.error(&error),
        Err(Refused::NoAction) => response(StatusCode::NOT_FOUND, XML, "<UnknownOperationException/>".to_owned()),
    };
    Carried::Out(Written { response, number: number.get(), form })
}

/// Waits for the messages of a receive and for the memory to show them, and answers.
async fn receive(
    receiving: Box<Receiving>,
    form: Form,
    queues: &LocalQueue,
    caller: Option<&Caller>,
) -> Response<Bytes> {
    let (document, reserved) = match receiving.end(queues, caller).await {
        Ok(received) => received,
        Err(error) => return form.error(&error),
    };
    let Some(reserved) = reserved else { return form.document(Action::ReceiveMessage, Some(&document)) };
    let bytes = reserved.bytes();
    let write = move || form.text(Action::ReceiveMessage, Some(&document), bytes);
    let text = Caller::work(caller, Some(&reserved), write).await;
    let mut response = response(StatusCode::OK, form.content_type(), String::new()).map(|_| reserved.keep_with(text));
    response.extensions_mut().insert(Counted);
    response
}

/// How an answer is written.
#[derive(Clone, Copy)]
struct Form {
    kind: FormKind,
    request_id: Uuid,
}

#[derive(Clone, Copy)]
enum FormKind {
    Json,
    /// In the Query protocol.
    Xml,
    /// In the Query protocol, for a client that wants JSON instead of XML.
    PlainJson,
}

impl Form {
    fn wanted_by(request: &Request<Bytes>, request_id: Uuid) -> Self {
        let headers = request.headers();
        let kind = if headers.contains_key(&TARGET) {
            FormKind::Json
        } else if accepts_only_json(headers) {
            FormKind::PlainJson
        } else {
            FormKind::Xml
        };
        Self { kind, request_id }
    }

    const fn content_type(self) -> HeaderValue {
        match self.kind {
            FormKind::Json => JSON,
            FormKind::Xml => XML,
            FormKind::PlainJson => PLAIN_JSON,
        }
    }

    /// An answer that is not long.
    fn document(self, action: Action, document: Option<&Document>) -> Response<Bytes> {
        response(StatusCode::OK, self.content_type(), self.text(action, document, 0))
    }

    /// The text of an answer, for which room for so many bytes is made at once, or for a short answer.
    fn text(self, action: Action, document: Option<&Document>, bytes: usize) -> String {
        match self.kind {
            FormKind::Json => document.map(|document| document.to_json(bytes)).unwrap_or_default(),
            FormKind::Xml => xml::response(action.name(), document, self.request_id, bytes),
            FormKind::PlainJson => xml::json_response(action.name(), document, &self.request_id.to_string()),
        }
    }

    fn error(self, error: &WireError) -> Response<Bytes> {
        let status = error.kind.row().status;
        let message = match error.kind {
            // The two protocols word this one differently (recorded).
            ErrorKind::QueueDoesNotExist => "The specified queue does not exist for this wsdl version.",
            _ => &error.message,
        };
        match self.kind {
            FormKind::Json => json_error(error),
            FormKind::Xml => response(status, XML, xml::error(error, message, &self.request_id.to_string())),
            FormKind::PlainJson => {
                response(status, PLAIN_JSON, xml::json_error(error, message, &self.request_id.to_string()))
            }
        }
    }
}

/// The error by which a fault refuses a request.
fn refusal(effect: &Effect) -> WireError {
    match effect {
        Effect::Throttle => WireError::new(ErrorKind::RequestThrottled, error::THROTTLED),
        Effect::ThrottlingException => WireError::new(ErrorKind::Throttling, "Rate exceeded"),
        Effect::ServiceUnavailable => WireError::new(
            ErrorKind::ServiceUnavailable,
            "The request has failed due to a temporary failure of the server.",
        ),
        _ => WireError::internal(),
    }
}

/// Why a request failed.
enum Refused {
    With(WireError),
    /// It is in the Query protocol and names no action, for which AWS has an answer that is no error.
    NoAction,
}

impl From<WireError> for Refused {
    fn from(error: WireError) -> Self {
        Self::With(error)
    }
}

type Done = Result<(Action, Outcome), Refused>;

fn run_json(
    queues: &LocalQueue,
    request: &Request<Bytes>,
    action: Option<Action>,
    caller: Option<&Caller>,
    number: &Cell<u64>,
) -> Done {
    let action = action.ok_or_else(|| {
        let target = request.headers().get(&TARGET).and_then(|target| target.to_str().ok()).unwrap_or_default();
        WireError::new(ErrorKind::UnknownOperation, format!("Unknown operation {target:?}."))
    })?;
    check_size(action, request.body().len())?;
    let members = parse_json(request.body())?;
    let call = call((queues, number), request, caller, Fields::Json(&members), "");
    Ok((action, operations::run(action, &call)?))
}

fn json_error(error: &WireError) -> Response<Bytes> {
    let row = error.kind.row();
    let members = vec![("__type", Document::text(row.json_type)), ("message", Document::text(&*error.message))];
    let mut response = response(row.status, JSON, Document::Struct(members).to_json(0));
    if let Ok(code) = HeaderValue::try_from(format!("{};{}", row.code, row.fault())) {
        response.headers_mut().insert("x-amzn-query-error", code);
    }
    response
}

fn run_query(queues: &LocalQueue, request: &Request<Bytes>, caller: Option<&Caller>, number: &Cell<u64>) -> Done {
    let path = request.uri().path();
    let body = std::str::from_utf8(request.body())
        .map_err(|_| WireError::new(ErrorKind::MalformedInput, "The request body is not valid UTF-8."))?;
    let parameters = FormNode::parse(&[request.uri().query().unwrap_or_default(), body])?;
    let name = parameters.text("Action").ok_or(Refused::NoAction)?;
    let is_queue_path = queue_url::is_queue_path(path);
    // AWS (validated): an action that is about no queue is as unknown on a queue's own URL as one that does not exist.
    let action = Action::parse(name)
        .filter(|action| !is_queue_path || !matches!(action, Action::CreateQueue | Action::ListQueues))
        .ok_or_else(|| {
            let message = format!("The action {name} is not valid for this endpoint.");
            WireError::new(ErrorKind::UnknownOperation, message)
        })?;
    check_size(action, request.body().len())?;
    parameters.check_lists()?;
    let fields = Fields::Query { node: &parameters, operation: action.name() };
    let call = call((queues, number), request, caller, fields, path);
    Ok((action, operations::run(action, &call)?))
}

/// Whether a client of the Query protocol wants JSON instead of XML.
pub(crate) fn accepts_only_json(headers: &HeaderMap) -> bool {
    headers.get(header::ACCEPT).is_some_and(|accept| accept.as_bytes().eq_ignore_ascii_case(b"application/json"))
}

fn response(status: StatusCode, content_type: HeaderValue, body: String) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    response
}

fn call<'a>(
    (queues, number): (&'a LocalQueue, &'a Cell<u64>),
    request: &'a Request<Bytes>,
    caller: Option<&'a Caller>,
    fields: Fields<'a>,
    path: &'a str,
) -> Call<'a> {
    let trace_header = request.headers().get(&TRACE_ID).and_then(|trace| trace.to_str().ok());
    let failed_entries = request.extensions().get::<EntryFailures>();
    let scope = scope(queues, request);
    Call { queues, request: Some(request), caller, scope, fields, path, trace_header, failed_entries, number }
}

/// Only messages make a request long. Of any other action a long body is refused before it is taken apart: its parts
/// would take many times its size, for as long as a long poll lasts.
fn check_size(action: Action, bytes: usize) -> Result<(), WireError> {
    if bytes <= PLAIN_BODY_BYTES_MAX || matches!(action, Action::SendMessage | Action::SendMessageBatch) {
        return Ok(());
    }
    let message = format!("The body of {} is longer than {PLAIN_BODY_BYTES_MAX} bytes.", action.name());
    Err(WireError::new(ErrorKind::MalformedInput, message))
}

fn parse_json(body: &[u8]) -> Result<Object<'_>, WireError> {
    if body.is_empty() {
        return Ok(Object::default());
    }
    json::parse_object(body)
        .map_err(|error| WireError::new(ErrorKind::MalformedInput, format!("The request body {error}.")))
}

/// The region of the signature's credential scope, and the account if the access key id is one of 12 digits.
/// A signature is a header, or parameters of the URL's query.
pub(crate) fn scope<'a>(queues: &'a LocalQueue, request: &Request<Bytes>) -> Cow<'a, Scope> {
    let default = queues.scope();
    let authorization = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let signature = authorization.or_else(|| request.uri().query()).unwrap_or_default();
    // As SDKs write it, or wherever it is.
    let credential = signature.strip_prefix("AWS4-HMAC-SHA256 Credential=");
    let credential = credential.or_else(|| Some(signature.split_once("Credential=")?.1)).unwrap_or_default();
    let end = credential.bytes().position(|byte| matches!(byte, b',' | b' ' | b'&')).unwrap_or(credential.len());
    let credential = &credential[..end];
    let decoded;
    let credential = if credential.contains('%') {
        decoded = credential.replace("%2F", "/");
        &*decoded
    } else {
        credential
    };
    let mut parts = credential.split('/');
    let (key, _date, region) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
    let is_account = key.len() == 12 && key.bytes().all(|byte| byte.is_ascii_digit());
    let region = region.filter(|region| !region.is_empty()).unwrap_or(&default.region);
    let account = if is_account { key } else { &default.account };
    if *region == *default.region && *account == *default.account {
        return Cow::Borrowed(default);
    }
    Cow::Owned(Scope::new(region, account))
}
