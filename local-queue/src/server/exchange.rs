//! One request and its answer: the bounds, the guard and the signature, then the protocol.

use std::{future::poll_fn, net::SocketAddr, pin::pin, task::Poll, time::Duration};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header::EXPECT, request::Parts};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};

use super::{
    Bounds, Guard, KeyPair,
    connection::Activity,
    guard::{self, Sender},
    refusal::Refusal,
    signature,
};
use crate::{
    LocalQueue,
    clock::Clock,
    developer,
    memory::{Memory, Share},
    protocol::{self, Caller, Counted, HeavyWork, LIGHT_BYTES, PATIENCE},
};

/// Headers and bodies up to here are not counted: they are no more than what a connection takes anyway.
pub(super) const FREE_BYTES: usize = 4 * 1024;
/// How often a body is in memory at the most: as it came, in parts, as a message.
const COPIES: usize = 3;
/// How long the rest of a refused body is read, so that a client that writes before it reads gets to see the answer.
const LINGER: Duration = Duration::from_secs(1);

/// What all connections of a server have in common.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) queues: LocalQueue,
    pub(super) bounds: Bounds,
    pub(super) guard: Guard,
    pub(super) key_pair: Option<KeyPair>,
    pub(super) memory: Memory,
    heavy: HeavyWork,
}

/// A complete body, and its part of the memory until it is dropped.
struct Collected {
    bytes: Bytes,
    _share: Share,
}

impl Exchange {
    pub(super) fn new(queues: LocalQueue, bounds: Bounds) -> Self {
        let memory = Memory::new(bounds.under_way_bytes_max);
        Self { queues, bounds, guard: Guard::default(), key_pair: None, memory, heavy: HeavyWork::default() }
    }

    /// Answers a request of `caller` that came to the address `reached`, and tells `activity` when its body has been read.
    pub(super) async fn answer(
        &self,
        request: Request<Incoming>,
        reached: SocketAddr,
        activity: &Activity,
        caller: &Caller,
    ) -> Response<Bytes> {
        let (mut parts, body) = request.into_parts();
        let sender = match self.check_header(&parts, reached) {
            Ok(sender) => sender,
            Err(refusal) => {
                self.drain(&parts.headers, body).await;
                return refuse(&refusal, &parts.headers);
            }
        };
        if protocol::shows_urls(&parts.headers) {
            let endpoint = self.guard.endpoint(&parts.headers, &sender, reached);
            parts.extensions.insert(endpoint);
        }
        let is_preflight = guard::is_preflight(&parts.method, &parts.headers);
        let mut response = match &sender.origin {
            Some(_) if is_preflight => no_content(),
            _ => self.answer_checked(parts, body, activity, caller).await,
        };
        if let Some(origin) = sender.origin {
            guard::add_cors(response.headers_mut(), origin, is_preflight);
        }
        response
    }

    /// What a client is to the protocol.
    pub(super) fn caller(&self, activity: &Activity) -> Caller {
        Caller::new(activity.hasty(), self.memory.clone(), self.heavy.clone())
    }

    fn check_header(&self, parts: &Parts, reached: SocketAddr) -> Result<Sender, Refusal> {
        if header_bytes(parts) > self.bounds.header_bytes_max {
            let message = format!("The header is longer than {} bytes.", self.bounds.header_bytes_max);
            return Err(Refusal::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "HeaderTooLarge", message));
        }
        self.guard.check_sender(parts, reached, self.key_pair.is_some())
    }

    async fn answer_checked(
        &self,
        parts: Parts,
        mut body: Incoming,
        activity: &Activity,
        caller: &Caller,
    ) -> Response<Bytes> {
        // What SQS asks of a request's content is not asked of the developer's API.
        if !developer::is_path(parts.uri.path())
            && let Err(refusal) = guard::check_content(&parts.method, &parts.headers)
        {
            self.drain(&parts.headers, body).await;
            return refuse(&refusal, &parts.headers);
        }
        let collected = match in_time(activity, self.collect(&mut body)).await {
            Some(Ok(collected)) => collected,
            Some(Err(refusal)) => {
                self.drain(&parts.headers, body).await;
                return refuse(&refusal, &parts.headers);
            }
            None => {
                let message = format!("The body did not come within {} seconds.", self.bounds.body_timeout.as_secs());
                let refusal = Refusal::new(StatusCode::REQUEST_TIMEOUT, "RequestTimeout", message);
                return refuse(&refusal, &parts.headers);
            }
        };
        activity.begin_answer();
        if let Some(key_pair) = &self.key_pair
            && let Err(refusal) = signature::check(key_pair, Clock::wall_now(), &parts, &collected.bytes)
        {
            tracing::info!(code = refusal.code, "refused a request");
            return refusal.respond(&parts.headers);
        }
        let is_json = parts.headers.contains_key(&protocol::TARGET);
        let request = Request::from_parts(parts, collected.bytes.clone());
        let response = match developer::respond(&self.queues, &request) {
            Some(response) => response,
            None => protocol::respond_to(&self.queues, request, Some(caller)).await,
        };
        self.hold(response, is_json).await
    }

    /// Counts an answer until the client has taken it, if that has not been done.
    async fn hold(&self, response: Response<Bytes>, is_json: bool) -> Response<Bytes> {
        let bytes = response.body().len();
        if bytes <= LIGHT_BYTES || response.extensions().get::<Counted>().is_some() {
            return response;
        }
        if let Some(share) = self.memory.take(bytes, PATIENCE).await {
            return response.map(|body| share.keep_with(body));
        }
        let mut request = HeaderMap::new();
        if is_json {
            request.insert("x-amz-target", HeaderValue::from_static(""));
        }
        refuse(&out_of_memory(), &request)
    }

    async fn collect(&self, body: &mut Incoming) -> Result<Collected, Refusal> {
        let too_long = || {
            let message = format!("The body is longer than {} bytes.", self.bounds.body_bytes_max);
            Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "RequestTooLarge", message)
        };
        let bytes_max = self.bounds.body_bytes_max;
        if body.size_hint().lower() > u64::try_from(bytes_max).unwrap_or(u64::MAX) {
            return Err(too_long());
        }
        let (mut whole, mut first) = (BytesMut::new(), Bytes::new());
        let mut share = Share::default();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| {
                let message = "The body ended early or is not framed as the header says.";
                Refusal::new(StatusCode::BAD_REQUEST, "IncompleteBody", message)
            })?;
            let Ok(data) = frame.into_data() else { continue };
            let bytes = first.len() + whole.len() + data.len();
            if bytes > bytes_max {
                return Err(too_long());
            }
            if bytes > FREE_BYTES && !self.memory.grow(&mut share, bytes * COPIES) {
                return Err(out_of_memory());
            }
            if first.is_empty() && whole.is_empty() {
                first = data;
            } else {
                // Most bodies come in one piece and are not copied.
                whole.extend_from_slice(&std::mem::take(&mut first));
                whole.extend_from_slice(&data);
            }
        }
        let bytes = if whole.is_empty() { first } else { whole.freeze() };
        Ok(Collected { bytes, _share: share })
    }

    /// Reads and forgets what is left of a refused body: ended without that, the connection is reset, and a client that
    /// has not read the answer yet loses it.
    async fn drain(&self, headers: &HeaderMap, mut body: Incoming) {
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

/// What comes of reading a body, unless its time ends before; that is the connection's to say, so that no request needs a
/// timer of its own.
async fn in_time<T>(activity: &Activity, reading: impl Future<Output = T>) -> Option<T> {
    let mut reading = pin!(reading);
    poll_fn(|cx| match reading.as_mut().poll(cx) {
        Poll::Ready(read) => Poll::Ready(Some(read)),
        Poll::Pending if activity.is_body_over() => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    })
    .await
}

fn refuse(refusal: &Refusal, headers: &HeaderMap) -> Response<Bytes> {
    tracing::info!(code = refusal.code, "refused a request");
    refusal.respond_and_close(headers)
}

fn out_of_memory() -> Refusal {
    let message = "Requests and answers under way take all memory that there is for them. Try again.";
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
