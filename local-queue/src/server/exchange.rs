//! One request and its answer: the bounds, the guard and the signature, then the protocol.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Request, Response, StatusCode, header::EXPECT, request::Parts};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{
    Bounds, Guard, KeyPair,
    guard::{self, Sender},
    refusal::Refusal,
    signature,
};
use crate::{LocalQueue, clock::Clock, developer, protocol};

/// The part of a body that is not counted: all connections together cannot fill much with it.
const FREE_BYTES: usize = 64 * 1024;
/// The unit in which the memory for bodies is shared out.
const SHARE_BYTES: usize = 1024;
/// How long the rest of a refused body is read, so that a client that writes before it reads gets to see the answer.
const LINGER: Duration = Duration::from_secs(1);

/// What all connections of a server have in common.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) queues: LocalQueue,
    pub(super) bounds: Bounds,
    pub(super) guard: Guard,
    pub(super) key_pair: Option<KeyPair>,
    /// What is left of [`Bounds::bodies_bytes_max`], in shares.
    pub(super) memory: Arc<Semaphore>,
}

/// A complete body, and its part of the memory until it is dropped.
struct Collected {
    bytes: Bytes,
    _memory: Option<OwnedSemaphorePermit>,
}

impl Exchange {
    pub(super) fn new(queues: LocalQueue, bounds: Bounds) -> Self {
        let memory = Arc::new(Semaphore::new(bounds.bodies_bytes_max / SHARE_BYTES));
        Self { queues, bounds, guard: Guard::default(), key_pair: None, memory }
    }

    /// Answers a request that came to the address `reached`. `on_complete` is called when its body has been read.
    pub(super) async fn answer(
        &self,
        request: Request<Incoming>,
        reached: SocketAddr,
        on_complete: impl FnOnce(),
    ) -> Response<Bytes> {
        let (mut parts, body) = request.into_parts();
        let Sender { origin, endpoint } = match self.check_header(&parts, reached) {
            Ok(sender) => sender,
            Err(refusal) => {
                self.drain(&parts.headers, body).await;
                return refuse(&refusal, &parts.headers);
            }
        };
        parts.extensions.insert(endpoint);
        let is_preflight = guard::is_preflight(&parts.method, &parts.headers);
        let mut response = match &origin {
            Some(_) if is_preflight => no_content(),
            _ => self.answer_checked(parts, body, on_complete).await,
        };
        if let Some(origin) = origin {
            guard::add_cors(response.headers_mut(), origin, is_preflight);
        }
        response
    }

    fn check_header(&self, parts: &Parts, reached: SocketAddr) -> Result<Sender, Refusal> {
        if header_bytes(parts) > self.bounds.header_bytes_max {
            let message = format!("The header is longer than {} bytes.", self.bounds.header_bytes_max);
            return Err(Refusal::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "HeaderTooLarge", message));
        }
        self.guard.check_sender(parts, reached, self.key_pair.is_some())
    }

    async fn answer_checked(&self, parts: Parts, mut body: Incoming, on_complete: impl FnOnce()) -> Response<Bytes> {
        // What SQS asks of a request's content is not asked of the developer's API.
        if !developer::is_path(parts.uri.path())
            && let Err(refusal) = guard::check_content(&parts.method, &parts.headers)
        {
            self.drain(&parts.headers, body).await;
            return refuse(&refusal, &parts.headers);
        }
        let collected = match tokio::time::timeout(self.bounds.body_timeout, self.collect(&mut body)).await {
            Ok(Ok(collected)) => collected,
            Ok(Err(refusal)) => {
                self.drain(&parts.headers, body).await;
                return refuse(&refusal, &parts.headers);
            }
            Err(_) => {
                let message = format!("The body did not come within {} seconds.", self.bounds.body_timeout.as_secs());
                let refusal = Refusal::new(StatusCode::REQUEST_TIMEOUT, "RequestTimeout", message);
                return refuse(&refusal, &parts.headers);
            }
        };
        on_complete();
        if let Some(key_pair) = &self.key_pair
            && let Err(refusal) = signature::check(key_pair, Clock::wall_now(), &parts, &collected.bytes)
        {
            tracing::info!(code = refusal.code, "refused a request");
            return refusal.respond(&parts.headers);
        }
        let request = Request::from_parts(parts, collected.bytes.clone());
        match developer::respond(&self.queues, &request) {
            Some(response) => response,
            None => protocol::respond(&self.queues, request).await,
        }
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
        let mut memory: Option<OwnedSemaphorePermit> = None;
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
            self.spend(&mut memory, bytes)?;
            if first.is_empty() && whole.is_empty() {
                first = data;
            } else {
                // Most bodies come in one piece and are not copied.
                whole.extend_from_slice(&std::mem::take(&mut first));
                whole.extend_from_slice(&data);
            }
        }
        let bytes = if whole.is_empty() { first } else { whole.freeze() };
        Ok(Collected { bytes, _memory: memory })
    }

    /// Makes sure that a body of so many bytes has its part of the memory.
    fn spend(&self, memory: &mut Option<OwnedSemaphorePermit>, bytes: usize) -> Result<(), Refusal> {
        let wanted = bytes.saturating_sub(FREE_BYTES).div_ceil(SHARE_BYTES);
        let missing = wanted.saturating_sub(memory.as_ref().map_or(0, OwnedSemaphorePermit::num_permits));
        if missing == 0 {
            return Ok(());
        }
        let shares = u32::try_from(missing).unwrap_or(u32::MAX);
        let more = Arc::clone(&self.memory).try_acquire_many_owned(shares).map_err(|_| {
            let message = "The bodies of other requests take all memory that there is for bodies.";
            Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable", message)
        })?;
        match memory {
            Some(memory) => memory.merge(more),
            None => *memory = Some(more),
        }
        Ok(())
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

fn refuse(refusal: &Refusal, headers: &HeaderMap) -> Response<Bytes> {
    tracing::info!(code = refusal.code, "refused a request");
    refusal.respond_and_close(headers)
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
