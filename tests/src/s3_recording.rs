//! An S3 server in memory that keeps every key as it is, checks every signature, and remembers what was asked for.
//!
//! The protocol and the signatures are s3s's, so that they are not checked by whoever wrote them here.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{TryStreamExt, stream};
use http::{Response, StatusCode};
use hyper::service::service_fn;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use s3s::{
    Body, S3, S3Request, S3Response, S3Result,
    auth::SimpleAuth,
    dto::{
        ETag, ETagCondition, EncodingType, GetObjectInput, GetObjectOutput, HeadObjectInput, HeadObjectOutput,
        ListObjectsV2Input, ListObjectsV2Output, Object, PutObjectInput, PutObjectOutput, StreamingBlob, Timestamp,
    },
    s3_error,
    service::S3ServiceBuilder,
};
use tokio::{net::TcpListener, task::JoinHandle};

use crate::s3_folder::KEY_PAIR;

/// Keys on one page of a listing: few, so that a few objects are several pages.
const PAGE_KEYS: usize = 3;

/// An answer that is given instead of the right one.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its headers.
    pub headers: Vec<(&'static str, String)>,
    /// Its body.
    pub body: String,
}

/// One request as it came: nothing is decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// `GET`, `HEAD`, `PUT`.
    pub method: String,
    /// The path on the wire.
    pub path: String,
}

/// What is said of an object besides its bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// Its media type.
    pub content_type: Option<String>,
    /// `Cache-Control`.
    pub cache_control: Option<String>,
    /// `Content-Disposition`.
    pub content_disposition: Option<String>,
    /// `Content-Language`.
    pub content_language: Option<String>,
    /// The user's own, without their prefix.
    pub metadata: Option<HashMap<String, String>>,
    /// Its tags, as a query.
    pub tagging: Option<String>,
}

impl Said {
    fn of(input: &PutObjectInput) -> Self {
        Self {
            content_type: input.content_type.as_ref().map(ToString::to_string),
            cache_control: input.cache_control.clone(),
            content_disposition: input.content_disposition.clone(),
            content_language: input.content_language.clone(),
            metadata: input.metadata.clone(),
            tagging: input.tagging.clone(),
        }
    }
}

#[derive(Debug, Default)]
struct State {
    objects: BTreeMap<(String, String), Bytes>,
    said: HashMap<(String, String), Said>,
    modified: HashMap<(String, String), SystemTime>,
    asked: Vec<Asked>,
    answers: HashMap<String, Answer>,
    broken_once: HashSet<String>,
}

/// What the server knows.
#[derive(Clone, Debug, Default)]
struct Shared(Arc<Mutex<State>>);

/// A running server. Ends when dropped.
#[derive(Debug)]
pub struct RecordingS3 {
    address: SocketAddr,
    shared: Shared,
    accepting: JoinHandle<()>,
}

impl RecordingS3 {
    /// Serves on a free port of this machine.
    pub async fn serve() -> Self {
        let shared = Shared::default();
        let mut service = S3ServiceBuilder::new(shared.clone());
        service.set_auth(SimpleAuth::from_single(KEY_PAIR[0], KEY_PAIR[1]));
        let service = service.build();
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = shared.clone();
        let accepting = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                let (service, state) = (service.clone(), state.clone());
                let answering = service_fn(move |request: http::Request<hyper::body::Incoming>| {
                    let (service, path) = (service.clone(), request.uri().path().to_owned());
                    let answer = state.note(Asked { method: request.method().to_string(), path });
                    async move {
                        match answer {
                            Some(answer) => Ok(answer.into_response()),
                            None => service.call(request.map(Body::from)).await,
                        }
                    }
                });
                connections.spawn(async move {
                    let builder = auto::Builder::new(TokioExecutor::new());
                    // A client that goes away is none of the server's troubles.
                    let _ = builder.serve_connection(TokioIo::new(socket), answering).await;
                });
            }
        });
        Self { address, shared, accepting }
    }

    /// What `AWS_ENDPOINT_URL_S3` is to be.
    #[must_use]
    pub fn endpoint_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// An object, by its key as it is.
    #[must_use]
    pub fn object(&self, bucket: &str, key: &str) -> Option<Bytes> {
        self.shared.lock().objects.get(&(bucket.to_owned(), key.to_owned())).cloned()
    }

    /// What was said of an object when it was put there.
    #[must_use]
    pub fn said(&self, bucket: &str, key: &str) -> Option<Said> {
        self.shared.lock().said.get(&(bucket.to_owned(), key.to_owned())).cloned()
    }

    /// Puts an object there.
    pub fn insert(&self, bucket: &str, key: &str, body: impl Into<Bytes>) {
        self.shared.lock().objects.insert((bucket.to_owned(), key.to_owned()), body.into());
    }

    /// Takes an object away.
    pub fn remove(&self, bucket: &str, key: &str) {
        self.shared.lock().objects.remove(&(bucket.to_owned(), key.to_owned()));
    }

    /// All keys of a bucket.
    #[must_use]
    pub fn keys(&self, bucket: &str) -> Vec<String> {
        let state = self.shared.lock();
        state.objects.keys().filter(|(of, _)| of == bucket).map(|(_, key)| key.clone()).collect()
    }

    /// Requests so far, which are forgotten.
    #[must_use]
    pub fn take_asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.shared.lock().asked)
    }

    /// Sets since when an object is there, in seconds since 1970; without it that is not said.
    pub fn set_modified(&self, bucket: &str, key: &str, seconds: u64) {
        let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        self.shared.lock().modified.insert((bucket.to_owned(), key.to_owned()), modified);
    }

    /// Gives this answer to every request for a path, or for `METHOD PATH`.
    pub fn answer(&self, path: &str, answer: Answer) {
        self.shared.lock().answers.insert(path.to_owned(), answer);
    }

    /// Breaks the connection off in the middle of an object, the next time it is read.
    pub fn break_once(&self, key: &str) {
        self.shared.lock().broken_once.insert(key.to_owned());
    }
}

impl Drop for RecordingS3 {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Answer {
    fn into_response(self) -> Response<Body> {
        let mut response = Response::builder().status(self.status);
        for (name, value) in self.headers {
            response = response.header(name, value);
        }
        response.body(Body::from(self.body)).unwrap()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, asked: Asked) -> Option<Answer> {
        let mut state = self.lock();
        let by_method = state.answers.get(&format!("{} {}", asked.method, asked.path));
        let answer = by_method.or_else(|| state.answers.get(&asked.path)).cloned();
        state.asked.push(asked);
        answer
    }
}

#[async_trait]
impl S3 for Shared {
    async fn get_object(&self, request: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        let GetObjectInput { bucket, key, range, .. } = request.input;
        let mut state = self.lock();
        let Some(body) = state.objects.get(&(bucket.clone(), key.clone())).cloned() else {
            return Err(s3_error!(NoSuchKey));
        };
        let whole = body.len() as u64;
        let part = range.as_ref().map(|range| range.check(whole)).transpose()?;
        let sent = part.clone().unwrap_or(0..whole);
        let body = body.slice(usize::try_from(sent.start).unwrap()..usize::try_from(sent.end).unwrap());
        let mut output = GetObjectOutput {
            content_length: i64::try_from(body.len()).ok(),
            e_tag: Some(ETag::Strong("same".to_owned())),
            content_range: part.as_ref().map(|part| format!("bytes {}-{}/{whole}", part.start, part.end - 1)),
            ..GetObjectOutput::default()
        };
        if let Some(said) = state.said.get(&(bucket, key.clone())).cloned() {
            output.cache_control = said.cache_control;
            output.content_disposition = said.content_disposition;
            output.content_language = said.content_language;
            output.metadata = said.metadata;
        }
        output.body = Some(if state.broken_once.remove(&key) {
            let half = body.slice(..body.len() / 2);
            StreamingBlob::wrap(stream::iter([Ok(half), Err(std::io::Error::other("broken off"))]))
        } else {
            StreamingBlob::from(Body::from(body))
        });
        let mut response = S3Response::new(output);
        response.status = part.map(|_| StatusCode::PARTIAL_CONTENT);
        Ok(response)
    }

    async fn head_object(&self, request: S3Request<HeadObjectInput>) -> S3Result<S3Response<HeadObjectOutput>> {
        let HeadObjectInput { bucket, key, .. } = request.input;
        let state = self.lock();
        let at = (bucket, key);
        let Some(body) = state.objects.get(&at) else {
            return Err(s3_error!(NoSuchKey));
        };
        Ok(S3Response::new(HeadObjectOutput {
            content_length: i64::try_from(body.len()).ok(),
            last_modified: state.modified.get(&at).copied().map(Timestamp::from),
            ..HeadObjectOutput::default()
        }))
    }

    async fn put_object(&self, request: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        let said = Said::of(&request.input);
        let PutObjectInput { bucket, key, body, if_none_match, .. } = request.input;
        let chunks: Vec<Bytes> = match body {
            Some(body) => body.try_collect().await.map_err(|_| s3_error!(IncompleteBody))?,
            None => Vec::new(),
        };
        let mut state = self.lock();
        if if_none_match == Some(ETagCondition::Any) && state.objects.contains_key(&(bucket.clone(), key.clone())) {
            return Err(s3_error!(PreconditionFailed));
        }
        state.said.insert((bucket.clone(), key.clone()), said);
        state.objects.insert((bucket, key), chunks.concat().into());
        Ok(S3Response::new(PutObjectOutput::default()))
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let ListObjectsV2Input { bucket, prefix, continuation_token, encoding_type, .. } = request.input;
        let prefix = prefix.unwrap_or_default();
        let state = self.lock();
        let after = |key: &String| continuation_token.as_ref().is_none_or(|token| key > token);
        let below = state.objects.keys().filter(|(of, key)| *of == bucket && key.starts_with(&prefix));
        let mut keys: Vec<String> = below.map(|(_, key)| key.clone()).filter(after).collect();
        let is_truncated = keys.len() > PAGE_KEYS;
        keys.truncate(PAGE_KEYS);
        let next_continuation_token = keys.last().filter(|_| is_truncated).cloned();
        let is_encoded = encoding_type.is_some_and(|encoding| encoding.as_str() == EncodingType::URL);
        let shown = |key: String| if is_encoded { form_encoded(&key) } else { key };
        let contents = keys.into_iter().map(|key| Object { key: Some(shown(key)), ..Object::default() });
        Ok(S3Response::new(ListObjectsV2Output {
            contents: Some(contents.collect()),
            encoding_type: is_encoded.then(|| EncodingType::from_static(EncodingType::URL)),
            is_truncated: Some(is_truncated),
            next_continuation_token,
            ..ListObjectsV2Output::default()
        }))
    }
}

/// As S3 encodes keys where it is asked to: like the fields of a form.
fn form_encoded(key: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'*' | b'/' => char::from(byte).to_string(),
        b' ' => "+".to_owned(),
        other => format!("%{other:02X}"),
    };
    key.bytes().map(byte).collect()
}
