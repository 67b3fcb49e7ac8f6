//! S3 beside the queues: buckets whose objects are in memory or in a folder, and whose events come into queues as those of S3 do.
//!
//! ```
//! use http::Request;
//! use local_queue::{LocalQueue, buckets::Buckets};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let queues = LocalQueue::virtual_time();
//! let buckets = Buckets::new(&queues);
//! buckets.create_bucket("photos")?;
//! let put = Request::put("http://localhost/photos/cat.jpg").body("meow".into())?;
//! assert_eq!(buckets.respond(put).await.status(), 200);
//! let get = Request::get("http://localhost/photos/cat.jpg").body("".into())?;
//! assert_eq!(buckets.respond(get).await.body(), "meow");
//! # Ok(())
//! # }
//! ```
//!
//! The protocol is that of [`s3s`]: XML, headers, signatures. What is here is what it is about: `store` (buckets, objects,
//! uploads in parts), `receive` (bodies, bounded and hashed), `content` (bytes that are shared and never copied),
//! `notifications`, `event` and `policy` (what goes to which queue, and whether it may), `chunked` (the framing of SDKs).
//!
//! What S3 has and this has not: old versions (a versioned bucket gives each object a version id and keeps the newest),
//! access control, encryption, lifecycles, storage classes, websites, and events to topics.

mod chunked;
mod content;
mod event;
mod event_bridge;
#[cfg(unix)]
mod folder;
mod host;
mod keep;
mod looking;
mod notifications;
mod object;
mod policy;
mod receive;
mod s3;
mod store;

use std::{
    borrow::Cow,
    collections::BTreeMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

pub use self::event_bridge::{RuleInput, RuleTarget};
#[cfg(unix)]
pub use self::folder::FolderError;
pub use self::looking::{BucketFlow, Glance};
use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Uri,
    header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, HOST, RANGE},
};
use http_body_util::BodyExt as _;
pub use s3s::Body;
use s3s::{
    S3Error, S3ErrorCode, S3Result,
    auth::SimpleAuth,
    config::{S3Config, StaticConfigProvider},
    dto::{NotificationConfiguration, StreamingBlob},
    service::{S3Service, S3ServiceBuilder},
};

use self::{
    chunked::{Trailers, Unframed},
    event::{Event, EventName, RequestIds},
    event_bridge::Rule,
    host::{Hosts, bucket_of},
    keep::{Keep, Memory},
    notifications::Reach,
    object::{Object, Settings},
    receive::Room,
    s3::Actions,
    store::{Bucket, Store},
};
use crate::{
    LocalQueue,
    engine::{IdSource, QueueArn},
    protocol::escape_xml,
};

/// An object, unless [`Buckets::object_bytes_max`] says otherwise: as much as S3 takes in one request.
const OBJECT_BYTES_MAX: u64 = 5 * 1024 * 1024 * 1024;
/// All objects, unless [`Buckets::bytes_max`] says otherwise.
const BYTES_MAX: u64 = 1024 * 1024 * 1024;
/// A document of a request: a thousand of the longest keys, escaped, or ten thousand parts with checksums.
const DOCUMENT_BYTES_MAX: usize = 8 * 1024 * 1024;
/// A file that a form uploads, which is in memory before it is counted.
const FORM_FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Kept apart from the seed of messages, so that a bucket changes no message's id.
const IDS: u64 = 0x0053_3300;

static REQUEST_ID: HeaderName = HeaderName::from_static("x-amz-request-id");
static HOST_ID: HeaderName = HeaderName::from_static("x-amz-id-2");
static CONTENT_SHA256: HeaderName = HeaderName::from_static("x-amz-content-sha256");
static DECODED_LENGTH: HeaderName = HeaderName::from_static("x-amz-decoded-content-length");
/// How an error says more than its text, on its way to [`finish`].
static ARGUMENTS: HeaderName = HeaderName::from_static("x-local-queue-arguments");

/// Buckets and their objects. Clones are the same buckets.
#[derive(Clone)]
pub struct Buckets {
    shared: Arc<Shared>,
    service: S3Service,
    checks_signatures: bool,
}

/// What all requests share.
#[derive(Debug)]
struct Shared {
    queues: LocalQueue,
    store: Mutex<Store>,
    keep: Arc<dyn Keep>,
    room: Room,
    object_bytes_max: u64,
    ids: Mutex<IdSource>,
    sequence: AtomicU64,
    functions: OnceLock<Arc<dyn Functions>>,
    rules: Mutex<Vec<Rule>>,
    announced: notifications::Announced,
    /// What was said of buckets in this process, to which a reset goes back.
    declared: Mutex<BTreeMap<String, Settings>>,
}

/// Why a bucket could not be created or configured.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct BucketError {
    /// S3's code, such as `InvalidBucketName`.
    pub code: String,
    /// What is wrong, in S3's words.
    pub message: String,
}

/// Buckets that are about to be made.
#[derive(Clone, Debug)]
pub struct Builder {
    queues: LocalQueue,
    object_bytes_max: u64,
    bytes_max: Option<u64>,
}

impl Builder {
    /// Maximum size of an object or of a part of an upload, in bytes. Default: 5 GiB.
    #[must_use]
    pub fn object_bytes_max(mut self, bytes: u64) -> Self {
        self.object_bytes_max = bytes;
        self
    }

    /// Maximum total size of all objects and parts, in bytes. Default: 1 GiB in memory, unlimited in a folder.
    #[must_use]
    pub fn bytes_max(mut self, bytes: u64) -> Self {
        self.bytes_max = Some(bytes);
        self
    }

    /// In memory.
    #[must_use]
    pub fn build(self) -> Buckets {
        let room = Room::new(self.bytes_max.unwrap_or(BYTES_MAX));
        self.with(Arc::new(Memory), room, BTreeMap::new())
    }

    /// In a folder, with what is there already: objects are files that one can look at. Says what was found damaged there.
    #[cfg(unix)]
    pub fn open(self, path: &std::path::Path) -> Result<(Buckets, Vec<String>), FolderError> {
        let room = Room::new(self.bytes_max.unwrap_or(u64::MAX));
        let folder::Opened { folder, buckets, findings } = folder::open(path, &room)?;
        Ok((self.with(Arc::new(folder), room, buckets), findings))
    }

    fn with(self, keep: Arc<dyn Keep>, room: Room, buckets: BTreeMap<String, Bucket>) -> Buckets {
        let shared = Arc::new(Shared {
            store: Mutex::new(Store::new(Arc::clone(&keep), buckets)),
            keep,
            room,
            object_bytes_max: self.object_bytes_max,
            ids: Mutex::new(IdSource::seeded(self.queues.seed() ^ IDS)),
            queues: self.queues,
            sequence: AtomicU64::new(0),
            functions: OnceLock::new(),
            rules: Mutex::default(),
            announced: notifications::Announced::default(),
            declared: Mutex::default(),
        });
        let service = builder(&shared).build();
        Buckets { shared, service, checks_signatures: false }
    }
}

/// Which events of a bucket go where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// Its name; one is made if it has none.
    pub id: Option<String>,
    /// Where they go.
    pub destination: Destination,
    /// Such as `s3:ObjectCreated:*`.
    pub events: Vec<String>,
    /// What keys must begin and end with: `("prefix", "in/")`, `("suffix", ".jpg")`.
    pub rules: Vec<(String, String)>,
}

/// Where events of a bucket go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// To a queue whose policy lets S3 send.
    Queue(QueueArn),
    /// To a function, by its ARN, which [`Buckets::invoke`] must know. The function's own policy is not asked.
    Function(String),
}

/// The functions that buckets can invoke.
pub trait Functions: fmt::Debug + Send + Sync {
    /// Whether there is a function of this ARN, which may have a version or an alias behind it.
    fn has(&self, arn: &str) -> bool;

    /// Gives an event to a function that there is. What becomes of it is the function's affair: nobody waits for that.
    fn invoke(&self, arn: &str, event: String);
}

impl Buckets {
    /// No buckets yet, in memory. Their events go to queues of `queues`, whose clock and region are theirs too.
    #[must_use]
    pub fn new(queues: &LocalQueue) -> Self {
        Self::builder(queues).build()
    }

    /// Buckets with bounds or a place of their own.
    #[must_use]
    pub fn builder(queues: &LocalQueue) -> Builder {
        Builder { queues: queues.clone(), object_bytes_max: OBJECT_BYTES_MAX, bytes_max: None }
    }

    /// Answers only requests that are signed with this key pair.
    #[must_use]
    pub fn require_signature(&self, access_key_id: &str, secret_access_key: &str) -> Self {
        let mut builder = builder(&self.shared);
        builder.set_auth(SimpleAuth::from_single(access_key_id, secret_access_key));
        Self { shared: Arc::clone(&self.shared), service: builder.build(), checks_signatures: true }
    }

    /// Makes a bucket. One that is there already is left as it is.
    pub fn create_bucket(&self, name: &str) -> Result<(), BucketError> {
        if !s3s::path::check_bucket_name(name) {
            let message = format!("The specified bucket is not valid: {name:?}");
            return Err(BucketError { code: "InvalidBucketName".to_owned(), message });
        }
        let created = self.shared.store().create(name, self.shared.queues.clock().now());
        created.and_then(|_| self.shared.declare(name)).map_err(|error| BucketError::from(&error))
    }

    /// Gives each object of a bucket a version, or ends that. Old versions are not kept.
    pub fn set_versioning(&self, bucket: &str, is_enabled: bool) -> Result<(), BucketError> {
        let changed = self.shared.store().change(bucket, |settings| settings.is_versioned = is_enabled);
        changed.and_then(|()| self.shared.declare(bucket)).map_err(|error| BucketError::from(&error))
    }

    /// Lets buckets announce their objects to these functions too. What was said first holds.
    pub fn invoke(&self, functions: Arc<dyn Functions>) {
        let _ = self.shared.functions.set(functions);
    }

    /// Announces objects of a bucket to queues and functions, instead of to those that were named before. Each queue gets a
    /// test event.
    ///
    /// Refused, as by S3, if a queue does not exist, is FIFO or has no policy that lets S3 send, or a function does not exist.
    pub fn notify(&self, bucket: &str, notifications: Vec<Notification>) -> Result<(), BucketError> {
        let mut configuration = notifications::to_configuration(notifications);
        let before = self.shared.store().bucket(bucket).map(|bucket| bucket.settings.notifications.clone());
        configuration.event_bridge_configuration = before.unwrap_or_default().event_bridge_configuration;
        let request = self.shared.next_request();
        let configured = self.shared.configure(bucket, configuration, false, &request);
        configured.and_then(|()| self.shared.declare(bucket)).map_err(|error| BucketError::from(&error))
    }

    /// Gives events of a bucket to EventBridge too, in whose form rules see them; or ends that.
    pub fn set_event_bridge(&self, bucket: &str, is_enabled: bool) -> Result<(), BucketError> {
        let configuration = is_enabled.then(s3s::dto::EventBridgeConfiguration::default);
        let changed = self.shared.store().change(bucket, |settings| {
            settings.notifications.event_bridge_configuration = configuration;
        });
        changed.and_then(|()| self.shared.declare(bucket)).map_err(|error| BucketError::from(&error))
    }

    /// Whether there is a bucket of this name.
    #[must_use]
    pub fn has_bucket(&self, name: &str) -> bool {
        self.shared.store().has(name)
    }

    /// The bucket that a request names by its host, such as `BUCKET.s3.localhost`: what its path names is a key then.
    #[must_use]
    pub fn bucket_of_host<'a>(&self, headers: &'a HeaderMap, uri: &'a Uri) -> Option<&'a str> {
        let in_header = headers.get(HOST).map(|host| host.to_str().unwrap_or_default());
        let host = in_header.or_else(|| Some(uri.authority()?.as_str()))?;
        bucket_of(host, |name| self.has_bucket(name))
    }

    /// Adds a rule of EventBridge's default bus: events of buckets that ask for EventBridge, and match the pattern, go to these
    /// targets. A queue is sent to if its policy lets `events.amazonaws.com` send for this rule, which is asked at each event.
    pub fn add_rule(&self, name: &str, pattern: &str, targets: Vec<RuleTarget>) -> Result<(), BucketError> {
        let rule = Rule::new(name.to_owned(), pattern, targets)
            .map_err(|message| BucketError { code: "InvalidEventPatternException".to_owned(), message })?;
        self.shared.rules().push(rule);
        Ok(())
    }

    /// The names of all buckets, in their order.
    #[must_use]
    pub fn buckets(&self) -> Vec<String> {
        self.shared.store().all().map(|(name, _)| name.clone()).collect()
    }

    /// The keys of a bucket, in their order; none if there is no such bucket.
    #[must_use]
    pub fn keys(&self, bucket: &str) -> Vec<String> {
        let store = self.shared.store();
        store.bucket(bucket).map(|bucket| bucket.objects.keys().cloned().collect()).unwrap_or_default()
    }

    /// An object's bytes.
    #[must_use]
    pub fn object(&self, bucket: &str, key: &str) -> Option<Bytes> {
        let (_, content) = self.shared.store().read(bucket, key).ok()?;
        content.to_bytes().ok()
    }

    /// Bytes of all objects and parts of uploads.
    #[must_use]
    pub fn used_bytes(&self) -> u64 {
        self.shared.room.used_bytes()
    }

    /// Forgets all buckets with their objects; then makes those anew that were made here and not by a request, with the
    /// notifications that they had here. No test event is sent.
    pub fn reset(&self) -> Result<(), BucketError> {
        let declared = self.shared.declared().clone();
        let reset = self.shared.store().reset(&declared);
        self.shared.announced.clear();
        reset.map_err(|error| BucketError::from(&error))
    }

    /// Answers one request of S3's protocol, path style. A signature is looked at only if
    /// [one is required](Self::require_signature).
    pub async fn respond(&self, request: Request<Bytes>) -> Response<Bytes> {
        let (parts, body) = self.respond_streamed(request.map(Body::from)).await.into_parts();
        let body = body.collect().await.map(http_body_util::Collected::to_bytes);
        match body {
            Ok(body) => Response::from_parts(parts, body),
            Err(_) => internal_error().map(|_| Bytes::new()),
        }
    }

    /// As [`respond`](Self::respond), of bodies that come and go in pieces.
    pub async fn respond_streamed(&self, request: Request<Body>) -> Response<Body> {
        let ids = self.shared.next_request();
        let mut request = request;
        let is_head = request.method() == http::Method::HEAD;
        let resource = request.uri().path().to_owned();
        if !self.checks_signatures {
            request = unsigned(request);
        }
        request.extensions_mut().insert(ids.clone());
        let is_hosted = self.bucket_of_host(request.headers(), request.uri()).is_some();
        if takes_document(&request, is_hosted) && content_length(&request) > Some(DOCUMENT_BYTES_MAX as u64) {
            let error = S3Error::with_message(S3ErrorCode::MaxMessageLengthExceeded, "Your request was too big.");
            let refused = error.to_http_response().unwrap_or_else(|_| internal_error());
            return finish(refused, &ids, &resource, is_head).await;
        }
        let response = match self.service.call(request).await {
            Ok(response) => response,
            Err(error) => {
                tracing::error!(?error, "failed to answer an S3 request");
                internal_error()
            }
        };
        finish(response, &ids, &resource, is_head).await
    }
}

fn builder(shared: &Arc<Shared>) -> S3ServiceBuilder {
    let mut config = S3Config::default();
    config.xml_max_body_size = DOCUMENT_BYTES_MAX;
    config.post_object_max_file_size = FORM_FILE_BYTES_MAX.min(shared.object_bytes_max);
    let mut builder = S3ServiceBuilder::new(Actions(Arc::clone(shared)));
    builder.set_config(Arc::new(StaticConfigProvider::new(Arc::new(config))));
    builder.set_host(Hosts(Arc::clone(shared)));
    builder
}

impl fmt::Debug for Buckets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buckets").field("buckets", &self.buckets()).finish_non_exhaustive()
    }
}

impl From<&S3Error> for BucketError {
    fn from(error: &S3Error) -> Self {
        let arguments = error.headers().and_then(|headers| headers.get(&ARGUMENTS)).and_then(Arguments::parse);
        let arguments = arguments.unwrap_or_default().0.into_iter();
        // Of each pair of arguments the second says why.
        let reasons = arguments.filter(|(name, _)| name.starts_with("ArgumentValue")).map(|(_, value)| value);
        let message = error.message().unwrap_or(error.code().as_str()).to_owned();
        let message = reasons.fold(message, |message, reason| format!("{message}: {reason}"));
        Self { code: error.code().as_str().to_owned(), message }
    }
}

impl Shared {
    fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().expect("nothing panics with the buckets in hand")
    }

    fn rules(&self) -> MutexGuard<'_, Vec<Rule>> {
        self.rules.lock().expect("nothing panics with the rules in hand")
    }

    fn declared(&self) -> MutexGuard<'_, BTreeMap<String, Settings>> {
        self.declared.lock().expect("nothing panics with what was declared in hand")
    }

    /// A bucket as it is now is one that a reset brings back.
    fn declare(&self, bucket: &str) -> S3Result<()> {
        let settings = self.store().bucket(bucket)?.settings.clone();
        self.declared().insert(bucket.to_owned(), settings);
        Ok(())
    }

    fn ids(&self) -> MutexGuard<'_, IdSource> {
        self.ids.lock().expect("nothing panics with the identifiers in hand")
    }

    fn next_request(&self) -> RequestIds {
        let mut ids = self.ids();
        let id = format!("{:016X}", ids.next_u64());
        let host_id = format!("{:016x}{:016x}{:016x}", ids.next_u64(), ids.next_u64(), ids.next_u64());
        RequestIds { id, host_id }
    }

    fn next_uuid(&self) -> String {
        let mut ids = self.ids();
        crate::engine::Uuid::from_random(ids.next_u64(), ids.next_u64()).to_string()
    }

    fn next_version_id(&self) -> String {
        let mut ids = self.ids();
        format!("{:016x}{:016x}", ids.next_u64(), ids.next_u64())
    }

    fn next_upload_id(&self) -> String {
        let mut ids = self.ids();
        format!("{:016x}{:016x}{:016x}", ids.next_u64(), ids.next_u64(), ids.next_u64())
    }

    #[expect(clippy::too_many_arguments, reason = "what a record says")]
    fn event(
        &self,
        bucket: &str,
        key: &str,
        object: &Object,
        version_id: Option<String>,
        name: EventName,
        request: RequestIds,
        trace: Option<String>,
    ) -> Event {
        let time = self.queues.clock().now();
        // Grows with time, and within one of its milliseconds too.
        let at_least = time.as_millis() << 16;
        let grown = |last: u64| Some(at_least.max(last + 1));
        let sequence = self.sequence.fetch_update(Ordering::Relaxed, Ordering::Relaxed, grown);
        let sequence = sequence.map_or(at_least, |last| at_least.max(last + 1));
        Event {
            name,
            time,
            region: self.queues.scope().region.to_string(),
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            bytes: object.content.bytes(),
            etag: object.etag.clone(),
            version_id,
            sequence,
            request,
            trace,
        }
    }

    /// Where events can go.
    fn reach(&self) -> Reach<'_> {
        let functions = self.functions.get().map(|functions| &**functions);
        Reach { queues: &self.queues, functions, announced: &self.announced }
    }

    fn configure(
        &self,
        bucket: &str,
        configuration: NotificationConfiguration,
        skips_destinations: bool,
        request: &RequestIds,
    ) -> S3Result<()> {
        self.store().bucket(bucket)?;
        let next_id = || self.next_uuid();
        let checked = notifications::check(configuration, skips_destinations, bucket, &self.reach(), next_id)?;
        self.store().change(bucket, |settings| settings.notifications = checked.clone())?;
        if !skips_destinations {
            notifications::announce(&checked, bucket, &self.queues, self.queues.clock().now(), request);
        }
        Ok(())
    }
}

/// Whether the body of a request is a document, which is read as a whole, and not an object.
fn takes_document<T>(request: &Request<T>, is_hosted: bool) -> bool {
    let is_form = request.headers().get(http::header::CONTENT_TYPE);
    let is_form = is_form.is_some_and(|kind| kind.as_bytes().starts_with(b"multipart/form-data"));
    let path = request.uri().path().trim_start_matches('/');
    let key = if is_hosted { path } else { path.split_once('/').map_or("", |(_, key)| key) };
    let has_key = !key.is_empty();
    let query = request.uri().query().unwrap_or_default();
    let mut names = query.split('&').map(|pair| pair.split('=').next().unwrap_or_default());
    match *request.method() {
        http::Method::POST => !is_form,
        http::Method::PUT => {
            !has_key || names.any(|name| matches!(name, "tagging" | "acl" | "retention" | "legal-hold"))
        }
        _ => false,
    }
}

fn content_length<T>(request: &Request<T>) -> Option<u64> {
    request.headers().get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// The headers behind a framed body.
#[derive(Clone, Debug)]
struct Framing(Trailers);

/// Takes from a request what only a signature needs, and the frames off its body.
fn unsigned(request: Request<Body>) -> Request<Body> {
    let (mut parts, mut body) = request.into_parts();
    let is_signed = parts.headers.remove(AUTHORIZATION).is_some();
    // HTTP: a range that is none is no reason to refuse (RFC 9110, section 14.2).
    let is_range = |range: &HeaderValue| range.to_str().is_ok_and(|range| s3s::dto::Range::parse(range).is_ok());
    if parts.headers.get(RANGE).is_some_and(|range| !is_range(range)) {
        parts.headers.remove(RANGE);
    }
    let sent = parts.headers.remove(&CONTENT_SHA256);
    let is_streaming = sent.as_ref().is_some_and(|value| value.as_bytes().starts_with(b"STREAMING-"));
    let says_chunked = parts.headers.get_all(CONTENT_ENCODING).iter().any(|value| {
        let names = value.to_str().unwrap_or_default().split(',');
        names.map(str::trim).any(|name| name.eq_ignore_ascii_case("aws-chunked"))
    });
    if is_streaming || (is_signed && says_chunked && parts.headers.contains_key(&DECODED_LENGTH)) {
        let decoded = parts.headers.remove(&DECODED_LENGTH);
        let bytes = decoded.as_ref().and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        let (unframed, trailers) = Unframed::new(body, bytes);
        parts.extensions.insert(Framing(trailers));
        match decoded.filter(|_| bytes.is_some()) {
            Some(decoded) => parts.headers.insert(CONTENT_LENGTH, decoded),
            None => parts.headers.remove(CONTENT_LENGTH),
        };
        body = Body::from(StreamingBlob::new(unframed));
    }
    if let Some(query) = parts.uri.query().filter(|query| query.contains("Signature=") || query.contains("X-Amz-")) {
        let kept = query.split('&').filter(|pair| {
            let name = pair.split('=').next().unwrap_or_default();
            !SIGNATURE_PARAMETERS.iter().any(|parameter| parameter.eq_ignore_ascii_case(name))
        });
        let kept = kept.collect::<Vec<_>>().join("&");
        let path = parts.uri.path();
        let target = if kept.is_empty() { path.to_owned() } else { format!("{path}?{kept}") };
        if let Ok(uri) = Uri::try_from(target) {
            parts.uri = uri;
        }
    }
    Request::from_parts(parts, body)
}

/// What a signed address has besides what it asks for, in both versions of signatures.
const SIGNATURE_PARAMETERS: [&str; 11] = [
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-SignedHeaders",
    "X-Amz-Signature",
    "X-Amz-Security-Token",
    "X-Amz-Content-Sha256",
    "AWSAccessKeyId",
    "Signature",
    "x-amz-sdk-checksum-algorithm",
];

/// What an error says besides its text: elements of its document.
#[derive(Debug, Default)]
struct Arguments(Vec<(String, String)>);

impl Arguments {
    /// An error with more elements than code and text.
    fn refuse(code: S3ErrorCode, text: impl Into<Cow<'static, str>>, arguments: &[(&str, &str)]) -> S3Error {
        let mut error = S3Error::with_message(code, text);
        let text = serde_json::to_string(arguments).unwrap_or_default();
        // As JSON in ASCII, which a header can hold.
        let ascii = text.chars().flat_map(|character| if character.is_ascii() { vec![character] } else { vec!['?'] });
        if let Ok(value) = HeaderValue::try_from(ascii.collect::<String>()) {
            error.set_headers(HeaderMap::from_iter([(ARGUMENTS.clone(), value)]));
        }
        error
    }

    fn parse(value: &HeaderValue) -> Option<Self> {
        serde_json::from_slice(value.as_bytes()).ok().map(Self)
    }
}

/// What every answer of S3 has, and every error's document.
async fn finish(response: Response<Body>, ids: &RequestIds, resource: &str, is_head: bool) -> Response<Body> {
    let (mut parts, mut body) = response.into_parts();
    let arguments = parts.headers.remove(&ARGUMENTS);
    let is_error = parts.status.is_client_error() || parts.status.is_server_error();
    if is_error || parts.status == StatusCode::NOT_MODIFIED {
        let document = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        // An answer to HEAD has no body, nor has one that says that nothing is new.
        let document = if is_head || !is_error {
            String::new()
        } else {
            error_document(&document, arguments.as_ref(), ids, resource)
        };
        parts.headers.remove(CONTENT_LENGTH);
        body = Body::from(document);
    }
    let headers = &mut parts.headers;
    for (name, value) in [(&REQUEST_ID, &ids.id), (&HOST_ID, &ids.host_id)] {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name.clone(), value);
        }
    }
    headers.insert("server", HeaderValue::from_static("AmazonS3"));
    // An uploaded page must not act as one of this server's own.
    headers.insert("content-security-policy", HeaderValue::from_static("sandbox"));
    headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    Response::from_parts(parts, body)
}

fn error_document(document: &[u8], arguments: Option<&HeaderValue>, ids: &RequestIds, resource: &str) -> String {
    let document = String::from_utf8_lossy(document);
    let (before, after) = document.rsplit_once("</Error>").unwrap_or((&document, ""));
    let mut text = before.to_owned();
    let arguments = arguments.and_then(Arguments::parse).unwrap_or_default().0;
    let rest = [("Resource", resource), ("RequestId", &ids.id), ("HostId", &ids.host_id)];
    let rest = rest.into_iter().filter(|(name, _)| !before.contains(&format!("<{name}>")));
    let arguments = arguments.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    for (name, value) in arguments.chain(rest) {
        text.extend(["<", name, ">"]);
        escape_xml(value, &mut text);
        text.extend(["</", name, ">"]);
    }
    text.extend(["</Error>", after]);
    text
}

fn internal_error() -> Response<Body> {
    let document = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>InternalError</Code><Message>We encountered an \
                    internal error. Please try again.</Message></Error>";
    let mut response = Response::new(Body::from(document.to_owned()));
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response.headers_mut().insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    response
}

#[cfg(test)]
mod tests;
