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
/// What a long body is collected in.
const BLOCK_BYTES: usize = 64 * 1024;
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

/// A body as it comes. Most bodies come in one piece and are not copied; the others are copied into blocks and put together
/// when they are whole. A buffer that grows would leave its smaller selves behind, which an allocator keeps for a while.
#[derive(Default)]
struct Pieces {
    first: Bytes,
    blocks: Vec<BytesMut>,
    bytes: usize,
}

impl Pieces {
    fn push(&mut self, mut data: Bytes) {
        self.bytes += data.len();
        if self.bytes == data.len() {
            self.first = data;
            return;
        }
        while !data.is_empty() {
            let room = self.blocks.last().map_or(0, |block| block.capacity() - block.len());
            match self.blocks.last_mut() {
                Some(block) if room > 0 => block.extend_from_slice(&data.split_to(room.min(data.len()))),
                None => self.blocks.push(BytesMut::with_capacity(FREE_BYTES)),
                Some(_) => self.blocks.push(BytesMut::with_capacity(BLOCK_BYTES)),
            }
        }
    }

    fn join(self) -> Bytes {
        if self.blocks.is_empty() {
            return self.first;
        }
        let mut whole = BytesMut::with_capacity(self.bytes);
        whole.extend_from_slice(&self.first);
        for block in self.blocks {
            whole.extend_from_slice(&block);
        }
        whole.freeze()
    }
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
        let mut share = Share::default();
        let mut pieces = Pieces::default();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| {
                let message = "The body ended early or is not framed as the header says.";
                Refusal::new(StatusCode::BAD_REQUEST, "IncompleteBody", message)
            })?;
            let Ok(data) = frame.into_data() else { continue };
            let bytes = pieces.bytes + data.len();
            if bytes > bytes_max {
                return Err(too_long());
            }
            if bytes > FREE_BYTES && !self.memory.grow(&mut share, bytes * COPIES) {
                return Err(out_of_memory());
            }
            pieces.push(data);
        }
        Ok(Collected { bytes: pieces.join(), _share: share })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_what_came_in_however_many_pieces() {
        let body = (0..200_000_u32).map(|index| u8::try_from(index % 251).unwrap()).collect::<Vec<_>>();
        for size in [1, 2, 1_000, FREE_BYTES, FREE_BYTES + 1, BLOCK_BYTES, BLOCK_BYTES + 1, 150_000, body.len()] {
            let mut pieces = Pieces::default();
            // An empty piece is none.
            pieces.push(Bytes::new());
            for piece in body.chunks(size) {
                pieces.push(Bytes::copy_from_slice(piece));
                pieces.push(Bytes::new());
            }
            let taken = pieces.blocks.iter().map(BytesMut::capacity).sum::<usize>();
            assert!(taken <= body.len() + FREE_BYTES + BLOCK_BYTES, "{taken} bytes for pieces of {size}");
            assert_eq!(pieces.join(), body, "pieces of {size} bytes");
        }
        assert!(Pieces::default().join().is_empty());
    }
}
