//! One request and its answer: the bounds, the guard and the signature, then the protocol.

use std::{
    net::IpAddr,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Request, Response, StatusCode,
    header::{CONTENT_TYPE, EXPECT},
    request::Parts,
};
use http_body_util::{BodyExt, Either, Full};
use hyper::body::{Body, Frame, Incoming, SizeHint};

use super::{
    Bounds, Guard, KeyPair, Reached,
    connection::Activity,
    foreign,
    front::{self, Front},
    guard::{self, Pages, Sender},
    pieces::{FREE_BYTES, Pieces},
    refusal::Refusal,
    routing::{Route, route},
    signature,
    token::{Admission, Token},
};
use crate::{
    LocalQueue, apis,
    buckets::{self, Buckets},
    clock::Clock,
    console, developer, drop_in,
    lambda_api::{Access, LambdaApi},
    memory::{Memory, Share},
    protocol::{self, Answering, Caller, Counted, HeavyWork, LIGHT_BYTES, Later, PATIENCE},
};

/// How often a body is in memory at the most: as it came, in parts, as a message.
const COPIES: usize = 3;
/// How long the rest of a refused body is read, so that a client that writes before it reads gets to see the answer.
const LINGER: Duration = Duration::from_secs(1);

/// What all connections of a server have in common.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) queues: LocalQueue,
    pub(super) bounds: Bounds,
    pub(super) guard: Guard,
    /// The same for who comes by HTTPS.
    pub(super) secure_guard: Guard,
    pub(super) key_pair: Option<KeyPair>,
    pub(super) buckets: Option<Buckets>,
    /// Lambda's API, and whether clients may change what it shows.
    pub(super) lambda: Option<(LambdaApi, bool)>,
    /// What the developer's API and the console show of functions, whether Lambda's API is answered or not.
    pub(super) functions: Option<LambdaApi>,
    pub(super) front: Option<Front>,
    pub(super) memory: Memory,
    /// What pages say with what they change.
    pub(super) token: Token,
    live: console::Live,
    activity: developer::activity::Activity,
    heavy: HeavyWork,
}

/// Whether a request to the developer's API needs no signature: its token has been checked.
#[derive(Clone, Copy)]
struct Granted(bool);

/// Marks a request that is for an endpoint of another emulator.
#[derive(Clone, Copy)]
struct ForDropIn;

/// The allowed origin of a page that may read the answer, and whether it only asks what it may do.
pub(super) type Readers = Box<(HeaderValue, bool)>;

/// How far a request has come.
#[expect(clippy::large_enum_variant, reason = "every request begins as the largest, which is not worth a box")]
pub(super) enum Exchange<'a> {
    Answered(Response<Bytes>),
    /// Its body is being read.
    Reading(Reading),
    /// It waits for something, for which it holds no more than it needs.
    Later(Later<'a>),
    /// Its body is read by what answers it, and neither need ever be whole.
    Streaming(Pin<Box<dyn Future<Output = Response<buckets::Body>> + Send + 'a>>),
    /// The answer has been given.
    Over,
}

/// An answer, whole or in pieces.
pub(super) type Answer = Response<Either<Full<Bytes>, buckets::Body>>;

/// A request whose header has been let in, and what has come of its body.
pub(super) struct Reading {
    parts: Parts,
    body: Incoming,
    pieces: Pieces,
    /// The memory for these.
    share: Share,
    /// The API that it is for, if it is for one.
    target: Option<Box<apis::Target>>,
}

impl Exchange<'_> {
    /// Begins to read a body.
    fn read(parts: Parts, body: Incoming, target: Option<apis::Target>) -> Self {
        let (pieces, share) = (Pieces::default(), Share::default());
        Self::Reading(Reading { parts, body, pieces, share, target: target.map(Box::new) })
    }
}

impl Service {
    pub(super) fn new(queues: LocalQueue, bounds: Bounds) -> Self {
        let memory = Memory::new(bounds.under_way_bytes_max);
        Self {
            queues,
            bounds,
            guard: Guard::default(),
            secure_guard: Guard::default().over_https(),
            key_pair: None,
            buckets: None,
            lambda: None,
            functions: None,
            front: None,
            memory,
            token: Token::random(),
            live: console::Live::default(),
            activity: developer::activity::Activity::default(),
            heavy: HeavyWork::default(),
        }
    }

    /// Begins with a request that came from `peer` to what it has `reached`. Says too which page is to be let read the answer.
    pub(super) fn begin(
        &self,
        request: Request<Incoming>,
        (peer, reached): (IpAddr, Reached),
    ) -> (Exchange<'_>, Option<Readers>) {
        let (mut parts, body) = request.into_parts();
        let target = self.front.as_ref().and_then(|front| front.target(&parts.uri, &parts.headers, peer));
        let sender = match self.check_header(&parts, reached, target) {
            Ok(sender) => sender,
            Err(refusal) => {
                name_api(&mut parts, target);
                return (self.refuse_unread(refusal, parts, body), None);
            }
        };
        if target.is_some() {
            // What pages may read of its answers, an API says itself.
            front::prepare(&mut parts.extensions, sender.origin.filter(|origin| self.guard.allows_origin(origin)));
            return (Exchange::read(parts, body, target), None);
        }
        if protocol::shows_urls(&parts.headers) {
            let endpoint = self.guard_of(reached).endpoint(&parts.headers, &sender, reached.address);
            parts.extensions.insert(endpoint);
        }
        let is_preflight = guard::is_preflight(&parts.method, &parts.headers);
        let readers = sender.origin.map(|origin| Box::new((origin, is_preflight)));
        if is_preflight && readers.is_some() {
            return (Exchange::Answered(no_content()), readers);
        }
        let has_bucket = |name: &str| self.buckets.as_ref().is_some_and(|buckets| buckets.has_bucket(name));
        let is_buckets_host = |buckets: &Buckets| buckets.bucket_of_host(&parts.headers, &parts.uri).is_some();
        let is_buckets_host = self.buckets.as_ref().is_some_and(is_buckets_host);
        match (route(&parts, has_bucket, is_buckets_host, self.lambda.is_some()), &self.buckets) {
            // What SQS asks of a request is not asked of the developer's API.
            (route @ (Route::Developer | Route::DropIn), _) => {
                if route == Route::DropIn {
                    parts.extensions.insert(ForDropIn);
                }
                let admission = self.token.admit(&parts, readers.is_some(), self.key_pair.is_some());
                match admission {
                    Admission::Refused(response) => return (self.answer_unread(*response, parts, body), readers),
                    Admission::Granted if console::is_events(&parts.method, parts.uri.path()) => {
                        return (Exchange::Streaming(Box::pin(std::future::ready(self.events()))), readers);
                    }
                    admission => parts.extensions.insert(Granted(matches!(admission, Admission::Granted))),
                };
            }
            (Route::Buckets, Some(buckets)) => {
                return (Exchange::Streaming(Box::pin(self.stream(buckets, parts, body))), readers);
            }
            (Route::Lambda, _) => {
                if let Err(refusal) = guard::check_lambda_content(&parts.method, &parts.headers) {
                    return (self.refuse_unread(refusal, parts, body), readers);
                }
                parts.extensions.insert(self.lambda_access(reached));
            }
            // With a key pair, the signature is asked for first, and is for SQS.
            (Route::Foreign(service), _) if self.key_pair.is_none() => {
                let response = foreign::refuse(&parts, service);
                return (self.answer_unread(response, parts, body), readers);
            }
            (Route::Queues | Route::Buckets | Route::Foreign(_), _) => {
                if let Err(refusal) = guard::check_content(&parts.method, &parts.headers) {
                    return (self.refuse_unread(refusal, parts, body), readers);
                }
            }
        }
        (Exchange::read(parts, body, None), readers)
    }

    /// What a request of Lambda's API may do.
    fn lambda_access(&self, reached: Reached) -> Access {
        match &self.lambda {
            // The signature has been checked when that is asked.
            Some((_, true)) if self.key_pair.is_some() || reached.address.ip().is_loopback() => Access::Write,
            Some((_, true)) => Access::ReadUnsigned,
            Some((_, false)) | None => Access::Read,
        }
    }

    /// What a client is to the protocol.
    pub(super) fn caller(&self, activity: &Activity) -> Caller {
        Caller::new(activity.hasty(), self.memory.clone(), self.heavy.clone())
    }

    const fn guard_of(&self, reached: Reached) -> &Guard {
        if reached.is_secure { &self.secure_guard } else { &self.guard }
    }

    fn check_header(&self, parts: &Parts, reached: Reached, target: Option<apis::Target>) -> Result<Sender, Refusal> {
        if header_bytes(parts) > self.bounds.header_bytes_max {
            let message = format!("The header is longer than {} bytes.", self.bounds.header_bytes_max);
            return Err(Refusal::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "HeaderTooLarge", message));
        }
        let pages = self.front.as_ref().zip(target).map(|(front, target)| front.pages(target));
        let pages = pages.as_ref().map(|pages| -> &dyn Pages { pages });
        self.guard_of(reached).check_sender(parts, reached.address, self.key_pair.is_some(), pages)
    }

    /// Goes on with a request of `caller`, whose answer is given once. Tells `activity` when its body has been read.
    pub(super) fn poll<'a>(
        &'a self,
        exchange: &mut Exchange<'a>,
        activity: &Activity,
        caller: &'a Caller,
        cx: &mut Context<'_>,
    ) -> Poll<Answer> {
        loop {
            let read = match exchange {
                Exchange::Reading(reading) => ready!(self.poll_reading(reading, activity, cx)),
                Exchange::Later(response) => {
                    let response = ready!(response.as_mut().poll(cx));
                    *exchange = Exchange::Over;
                    return Poll::Ready(whole(response));
                }
                Exchange::Streaming(response) => {
                    let response = ready!(response.as_mut().poll(cx));
                    *exchange = Exchange::Over;
                    return Poll::Ready(response.map(Either::Right));
                }
                Exchange::Answered(_) => Ok(()),
                Exchange::Over => return Poll::Pending,
            };
            *exchange = match (std::mem::replace(exchange, Exchange::Over), read) {
                (Exchange::Answered(response), _) => return Poll::Ready(whole(response)),
                (Exchange::Reading(reading), Ok(())) => {
                    activity.begin_answer();
                    self.answer(reading, caller)
                }
                (Exchange::Reading(Reading { mut parts, target, .. }), Err(Unread::InTime)) => {
                    name_api(&mut parts, target.map(|target| *target));
                    let seconds = self.bounds.body_timeout.as_secs();
                    let message = format!("Timed out after {seconds} seconds waiting for the body.");
                    let refusal = Refusal::new(StatusCode::REQUEST_TIMEOUT, "RequestTimeout", message);
                    Exchange::Answered(refuse(&refusal, &parts))
                }
                (Exchange::Reading(Reading { mut parts, body, target, .. }), Err(Unread::Refused(refusal))) => {
                    name_api(&mut parts, target.map(|target| *target));
                    self.refuse_unread(refusal, parts, body)
                }
                (other, _) => other,
            };
        }
    }

    fn answer<'a>(&'a self, reading: Reading, caller: &'a Caller) -> Exchange<'a> {
        let target = reading.target.as_deref().copied();
        let (mut parts, bytes) = reading.into_parts();
        let access = parts.extensions.get::<Access>().copied();
        let service = match (target, access) {
            (Some(_), _) => "execute-api",
            (None, Some(_)) => "lambda",
            (None, None) => "sqs",
        };
        if let Some(key_pair) = &self.key_pair
            && !parts.extensions.get::<Granted>().is_some_and(|granted| granted.0)
            && let Err(refusal) = signature::check(key_pair, service, Clock::wall_now(), &parts, &bytes)
        {
            tracing::info!(code = refusal.code, "refused a request");
            name_api(&mut parts, target);
            return Exchange::Answered(refusal.respond_to(&parts));
        }
        if let (Some(front), Some(target)) = (&self.front, target) {
            return match front.begin(target, parts, bytes) {
                Answering::Later(response) => Exchange::Later(Box::pin(async move {
                    let response = response.await;
                    if is_held(&response) { response } else { self.hold(response).await }
                })),
                Answering::Answered(response) => self.answered(response),
            };
        }
        let mut request = Request::from_parts(parts, bytes);
        if let (Some((lambda, _)), Some(access)) = (&self.lambda, access) {
            return Exchange::Later(Box::pin(async move {
                let response = lambda.respond(request, access).await;
                if is_held(&response) { response } else { self.hold(response).await }
            }));
        }
        if request.extensions().get::<ForDropIn>().is_some() {
            let mut response = drop_in::respond(&self.queues, &request, self.in_use());
            console::add_headers(&mut response);
            return self.begun(self.when_kept(request.uri().path(), response));
        }
        if developer::is_reset(&request)
            && let Some(Err(error)) = self.buckets.as_ref().map(Buckets::reset)
        {
            return Exchange::Answered(developer::failed(&error.to_string()));
        }
        if let Some(answering) = developer::functions::respond(self.functions.as_ref(), &request) {
            return Exchange::Later(Box::pin(async move {
                let mut response = answering.await;
                console::add_headers(&mut response);
                if is_held(&response) { response } else { self.hold(response).await }
            }));
        }
        developer::to_sqs(&mut request);
        let begun = match console::respond(self.shown(), &request, self.token.as_str()) {
            Some(page) => self.when_kept(request.uri().path(), page),
            None => match self.respond_to_developer(&request) {
                Some(response) => self.when_kept(request.uri().path(), response),
                None => self.begin_action(request, caller),
            },
        };
        self.begun(begun)
    }

    /// With an answer that is there, or that waits.
    fn begun<'a>(&'a self, begun: Answering<'a>) -> Exchange<'a> {
        match begun {
            Answering::Answered(response) => self.answered(response),
            Answering::Later(response) => Exchange::Later(response),
        }
    }

    /// Which services beside SQS have something.
    fn in_use(&self) -> drop_in::InUse {
        drop_in::InUse {
            s3: self.buckets.as_ref().is_some_and(|buckets| !buckets.buckets().is_empty()),
            lambda: self.lambda.as_ref().is_some_and(|(lambda, _)| lambda.is_in_use()),
        }
    }

    /// An answer of the developer's API, or a page: given when what it shows is on the disk.
    fn when_kept(&self, path: &str, response: Response<Bytes>) -> Answering<'_> {
        let number = self.queues.last_number();
        let tells_of_failures = developer::tells_of_failures(path) || drop_in::tells_of_failures(path);
        if self.queues.is_kept(number) || tells_of_failures {
            return Answering::Answered(response);
        }
        Answering::Later(Box::pin(async move {
            match self.queues.kept(number).await {
                Ok(()) if is_held(&response) => response,
                Ok(()) => self.hold(response).await,
                Err(error) => developer::unavailable(&error.to_string()),
            }
        }))
    }

    /// With an answer that is there.
    fn answered(&self, response: Response<Bytes>) -> Exchange<'_> {
        if is_held(&response) { Exchange::Answered(response) } else { Exchange::Later(Box::pin(self.hold(response))) }
    }

    /// Lets buckets answer, and reads what they have left of a body that they refused.
    async fn stream(&self, buckets: &Buckets, parts: Parts, body: Incoming) -> Response<buckets::Body> {
        let (headers, body) = (parts.headers.clone(), Shared(Arc::new(Mutex::new(body))));
        let request = Request::from_parts(parts, buckets::Body::http_body(body.clone()));
        let response = buckets.respond_streamed(request).await;
        if response.status().is_client_error() && !body.is_end_stream() {
            self.drain(&headers, body).await;
        }
        response
    }

    /// Counts an answer until the client has taken it.
    async fn hold(&self, response: Response<Bytes>) -> Response<Bytes> {
        if let Some(share) = self.memory.take(response.body().len(), PATIENCE).await {
            return response.map(|body| share.keep_with(body));
        }
        let (mut request, ()) = Request::new(()).into_parts();
        if response.headers().get(CONTENT_TYPE) == Some(&protocol::JSON) {
            request.headers.insert("x-amz-target", HeaderValue::from_static(""));
        }
        refuse(&out_of_memory(), &request)
    }

    /// Ready when all of the body has come, or will not come any more.
    fn poll_reading(
        &self,
        reading: &mut Reading,
        activity: &Activity,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Unread>> {
        match reading.poll(&self.bounds, &self.memory, cx) {
            Poll::Ready(read) => Poll::Ready(read.map_err(Unread::Refused)),
            // When its time ends is the connection's to say, so that no request needs a timer of its own.
            Poll::Pending if activity.is_body_over() => Poll::Ready(Err(Unread::InTime)),
            Poll::Pending => Poll::Pending,
        }
    }

    fn respond_to_developer(&self, request: &Request<Bytes>) -> Option<Response<Bytes>> {
        let response = developer::activity::respond(&self.activity, request);
        let mut response = response.or_else(|| developer::respond(&self.queues, request))?;
        console::add_headers(&mut response);
        Some(response)
    }

    /// Begins with an action of SQS, which is noted if somebody looks.
    fn begin_action<'a>(&'a self, request: Request<Bytes>, caller: &'a Caller) -> Answering<'a> {
        let noted = self.activity.begin(&self.queues, &request);
        let begun = protocol::begin(&self.queues, request, Some(caller));
        let Some(noted) = noted else { return begun };
        match begun {
            Answering::Answered(response) => {
                noted.end(&response);
                Answering::Answered(response)
            }
            Answering::Later(later) => Answering::Later(Box::pin(async move {
                let response = later.await;
                noted.end(&response);
                response
            })),
        }
    }

    /// What pages show.
    fn shown(&self) -> console::Shown<'_> {
        console::Shown {
            queues: &self.queues,
            buckets: self.buckets.as_ref(),
            apis: self.front.as_ref().map(Front::apis),
            lambda: self.functions.as_ref(),
            live: &self.live,
            activity: &self.activity,
        }
    }

    /// The events of a page, which go on until it is closed.
    fn events(&self) -> Response<buckets::Body> {
        let mut response = Response::new(buckets::Body::http_body(self.live.events(self.shown())));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        console::add_headers(&mut response);
        response
    }

    /// Gives this answer when the body has been read and forgotten.
    fn answer_unread(&self, response: Response<Bytes>, parts: Parts, body: Incoming) -> Exchange<'_> {
        Exchange::Later(Box::pin(async move {
            self.drain(&parts.headers, body).await;
            response
        }))
    }

    /// Answers a request whose body has not been read to its end.
    fn refuse_unread(&self, refusal: Refusal, parts: Parts, body: Incoming) -> Exchange<'_> {
        Exchange::Later(Box::pin(async move {
            self.drain(&parts.headers, body).await;
            refuse(&refusal, &parts)
        }))
    }

    /// Reads and forgets what is left of a refused body: ended without that, the connection is reset, and a client that
    /// has not read the answer yet loses it.
    async fn drain(&self, headers: &HeaderMap, mut body: impl Body<Data = Bytes> + Unpin) {
        // This client waits for the answer before it sends the body.
        if headers.contains_key(EXPECT) {
            return;
        }
        let mut left = self.bounds.body_bytes_max.saturating_mul(4);
        let drain = async {
            while let Some(Ok(frame)) = body.frame().await {
                left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
                if left == 0 {
                    return;
                }
            }
        };
        let _ = tokio::time::timeout(LINGER.min(self.bounds.body_timeout), drain).await;
    }
}

/// A body that one reads to its end if another did not.
#[derive(Clone)]
struct Shared(Arc<Mutex<Incoming>>);

impl Shared {
    fn with<T>(&self, act: impl FnOnce(Pin<&mut Incoming>) -> T) -> T {
        act(Pin::new(&mut self.0.lock().expect("nothing panics with a body in hand")))
    }
}

impl Body for Shared {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        self.with(|body| body.poll_frame(cx))
    }

    fn is_end_stream(&self) -> bool {
        self.with(|body| body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.with(|body| body.size_hint())
    }
}

fn whole(response: Response<Bytes>) -> Answer {
    response.map(|body| Either::Left(Full::new(body)))
}

/// Why a body could not be read.
enum Unread {
    /// It did not come in time.
    InTime,
    Refused(Refusal),
}

impl Reading {
    /// Ready when all of the body has come.
    fn poll(&mut self, bounds: &Bounds, memory: &Memory, cx: &mut Context<'_>) -> Poll<Result<(), Refusal>> {
        let bytes_max = if self.target.is_some() { front::bytes_max(bounds) } else { bounds.body_bytes_max };
        let too_long = || {
            let message = format!("The body is longer than {bytes_max} bytes.");
            Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "RequestTooLarge", message)
        };
        if self.body.size_hint().lower() > u64::try_from(bytes_max).unwrap_or(u64::MAX) {
            return Poll::Ready(Err(too_long()));
        }
        // Where the header says how long it is, its end is known without asking for more.
        while !self.body.is_end_stream() {
            let Some(frame) = ready!(Pin::new(&mut self.body).poll_frame(cx)) else { break };
            let Ok(frame) = frame else {
                let message = "The body ended early or its framing contradicts the headers.";
                return Poll::Ready(Err(Refusal::new(StatusCode::BAD_REQUEST, "IncompleteBody", message)));
            };
            let Ok(data) = frame.into_data() else { continue };
            let bytes = self.pieces.bytes() + data.len();
            if bytes > bytes_max {
                return Poll::Ready(Err(too_long()));
            }
            if bytes > FREE_BYTES && !memory.grow(&mut self.share, bytes * COPIES) {
                return Poll::Ready(Err(out_of_memory()));
            }
            self.pieces.push(data);
        }
        Poll::Ready(Ok(()))
    }

    /// The request's header, and its body with its part of the memory.
    fn into_parts(self) -> (Parts, Bytes) {
        let bytes = self.pieces.join();
        let bytes = if self.share.is_empty() { bytes } else { self.share.keep_with(bytes) };
        (self.parts, bytes)
    }
}

/// Says in a request which API it is for: a refusal is in the words of that.
fn name_api(parts: &mut Parts, target: Option<apis::Target>) {
    if let Some(target) = target {
        parts.extensions.insert(target);
    }
}

/// Whether an answer takes no memory that is counted, or has been counted.
fn is_held(response: &Response<Bytes>) -> bool {
    response.body().len() <= LIGHT_BYTES || response.extensions().get::<Counted>().is_some()
}

fn refuse(refusal: &Refusal, parts: &Parts) -> Response<Bytes> {
    tracing::info!(code = refusal.code, "refused a request");
    refusal.respond_and_close(parts)
}

fn out_of_memory() -> Refusal {
    let message = "The memory for requests and responses in progress is used up. Try again.";
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable", message)
}

fn no_content() -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

/// As they were on the wire, but for spaces around values.
fn header_bytes(parts: &Parts) -> usize {
    let line = parts.method.as_str().len() + parts.uri.path().len() + parts.uri.query().map_or(0, str::len);
    let authority = parts.uri.authority().map_or(0, |authority| authority.as_str().len());
    let fields = parts.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len());
    line + authority + " HTTP/1.1\r\n".len() + fields.sum::<usize>()
}
