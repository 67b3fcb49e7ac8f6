//! One request: signed, sent, and sent again when that may help.

use std::error::Error;
use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings, UriPathNormalizationMode,
    sign,
};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::http::HttpConnector as _;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use http::header::IF_NONE_MATCH;
use http::{HeaderMap, Method};
use http_body_util::BodyDataStream;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::time::Instant;

use super::Client;
use super::answer::ErrorAnswer;
use crate::storage::StoreError;

/// The queue is the outer retry, with its own backoff: within one invocation a request is repeated only briefly.
pub(super) const RETRIES_MAX: u32 = 3;
pub(super) const RETRY_WITHIN: Duration = Duration::from_secs(10);
const PAUSES: std::ops::RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(2);
/// The time for a request, its answer's body included.
const REQUEST_WITHIN: Duration = Duration::from_mins(1);
/// Bytes of an answer that says why a request failed.
const REFUSAL_BYTES_MAX: usize = 64 * 1024;

/// What stays as it is in a path or a query (documentation: "Create a signed AWS API request", `UriEncode`).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// In a path the slashes stay as well.
const PATH_ENCODED: &AsciiSet = &ENCODED.remove(b'/');

/// What is sent, but for the signature.
pub(super) struct Request<'a> {
    pub(super) method: Method,
    pub(super) bucket: &'a str,
    /// The key as it is; none of a request about the bucket.
    pub(super) key: Option<&'a str>,
    pub(super) query: &'a [(&'a str, &'a str)],
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Bytes,
    /// The permissions that it takes, for whoever lacks one.
    pub(super) needs: &'static str,
}

impl Request<'_> {
    /// Whether an object that is there is to stay.
    fn creates(&self) -> bool {
        self.headers.iter().any(|(name, _)| *name == IF_NONE_MATCH.as_str())
    }
}

/// The body of an answer, as it comes.
pub(super) type Body = BodyDataStream<SdkBody>;

/// What came back, with a status of success.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Body,
    /// When the body must have come.
    pub(super) until: Instant,
}

/// How one attempt failed.
enum Attempt {
    /// Nobody answered.
    Unanswered(String),
    /// The answer was an error.
    Refused(ErrorAnswer),
    /// It could not even be sent.
    Unsent(StoreError),
}

impl Client {
    /// Sends until there is an answer that stands.
    pub(super) async fn send(&self, request: &Request<'_>) -> Result<Answer, StoreError> {
        let began = Instant::now();
        let mut attempts = 0;
        let mut renewed = false;
        loop {
            let attempt = match self.attempt(request).await {
                Ok(answer) => return Ok(answer),
                Err(attempt) => attempt,
            };
            let may_retry = attempts < RETRIES_MAX && began.elapsed() < RETRY_WITHIN;
            match attempt {
                Attempt::Refused(refusal) if refusal.is_about_credentials() && !renewed => {
                    renewed = true;
                    self.credentials.forget().await;
                }
                Attempt::Refused(refusal) if may_retry && refusal.is_transient() => pause(attempts).await,
                Attempt::Unanswered(_) if may_retry => pause(attempts).await,
                Attempt::Refused(ErrorAnswer { status: 412, .. }) if request.creates() => {
                    return Err(StoreError::AlreadyExists);
                }
                Attempt::Refused(refusal) => return Err(refusal.into_error(self, request.bucket, request.needs)),
                Attempt::Unanswered(reason) => return Err(StoreError::Unreachable(reason)),
                Attempt::Unsent(error) => return Err(error),
            }
            attempts += 1;
        }
    }

    async fn attempt(&self, request: &Request<'_>) -> Result<Answer, Attempt> {
        let credentials = self.credentials.get().await.map_err(Attempt::Unsent)?;
        let signed = self.signed(request, credentials).map_err(|error| {
            Attempt::Unsent(StoreError::BadLocation(format!("the request cannot be written: {error}")))
        })?;
        let until = Instant::now() + REQUEST_WITHIN;
        let unanswered = |reason: String| Attempt::Unanswered(format!("{reason} ({})", self.endpoint));
        let answer = tokio::time::timeout_at(until, self.connector().call(signed)).await;
        let answer = answer
            .map_err(|_| unanswered(format!("no answer within {} seconds", REQUEST_WITHIN.as_secs())))?
            .map_err(|error| unanswered(deepest(&error)))?;
        let answer = answer.try_into_http1x().map_err(|error| unanswered(deepest(&error)))?;
        let (parts, body) = answer.into_parts();
        let (status, mut body) = (parts.status.as_u16(), BodyDataStream::new(body));
        if parts.status.is_success() {
            return Ok(Answer { status, headers: parts.headers, body, until });
        }
        // Why it failed is worth knowing, but the status alone decides when that does not come.
        let text = some_of(&mut body, REFUSAL_BYTES_MAX, until).await.unwrap_or_default();
        Err(Attempt::Refused(ErrorAnswer::read(status, &parts.headers, &text)))
    }

    fn signed(
        &self,
        request: &Request<'_>,
        credentials: Credentials,
    ) -> Result<HttpRequest, Box<dyn Error + Send + Sync>> {
        let uri = self.uri(request);
        let identity = credentials.into();
        let mut settings = SigningSettings::default();
        // AWS: for S3 the path is signed as it is sent, encoded once and not normalised (documentation: "Create a signed
        // AWS API request").
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name("s3")
            .time(now())
            .settings(settings)
            .build()?
            .into();
        let headers = request.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let body = SignableBody::Bytes(&request.body);
        let signable = SignableRequest::new(request.method.as_str(), &uri, headers, body)?;
        let (instructions, _) = sign(signable, &params)?.into_parts();
        let mut signed = http::Request::builder().method(&request.method).uri(uri);
        for (name, value) in &request.headers {
            signed = signed.header(name, value);
        }
        let mut signed = signed.body(SdkBody::from(request.body.clone()))?;
        instructions.apply_to_request_http1x(&mut signed);
        Ok(signed.try_into()?)
    }

    fn uri(&self, request: &Request<'_>) -> String {
        let mut uri = format!("{}/{}", self.endpoint, request.bucket);
        if let Some(key) = request.key {
            let _ = write!(uri, "/{}", utf8_percent_encode(key, PATH_ENCODED));
        }
        for (index, (name, value)) in request.query.iter().enumerate() {
            let separator = if index == 0 { '?' } else { '&' };
            let _ = write!(uri, "{separator}{name}={}", utf8_percent_encode(value, ENCODED));
        }
        uri
    }
}

/// Reads a body of at most so many bytes; a longer one is cut.
pub(super) async fn some_of(body: &mut Body, bytes_max: usize, until: Instant) -> Result<Bytes, String> {
    let mut read = BytesMut::new();
    loop {
        let next = tokio::time::timeout_at(until, body.next()).await;
        match next.map_err(|_| "timed out waiting for the end of the response".to_owned())? {
            Some(Ok(chunk)) => read.extend_from_slice(&chunk[..chunk.len().min(bytes_max - read.len())]),
            Some(Err(error)) => return Err(deepest(&*error)),
            None => return Ok(read.freeze()),
        }
        if read.len() == bytes_max {
            return Ok(read.freeze());
        }
    }
}

/// Waits before the next attempt: up to twice as long each time, by full jitter.
pub(super) async fn pause(attempts: u32) {
    let longest = PAUSES.start().saturating_mul(1 << attempts.min(10)).min(*PAUSES.end());
    tokio::time::sleep(longest.mul_f64(fastrand::f64())).await;
}

/// The text of the innermost cause, which is the plain one.
pub(super) fn deepest(error: &(dyn Error + 'static)) -> String {
    let mut error = error;
    while let Some(cause) = error.source() {
        error = cause;
    }
    error.to_string()
}

#[expect(clippy::disallowed_methods, reason = "a signature is dated by the wall clock")]
fn now() -> SystemTime {
    SystemTime::now()
}
