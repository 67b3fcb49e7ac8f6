//! Objects of one bucket.

use std::sync::Arc;

use async_trait::async_trait;
use aws_smithy_types::date_time::{DateTime, Format};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, ETAG, IF_MATCH, IF_NONE_MATCH, LAST_MODIFIED, RANGE};
use http::{HeaderMap, Method};
use tokio::time::Instant;

use super::Client;
use super::answer::ErrorAnswer;
use super::request::{Answer, Body, RETRIES_MAX, RETRY_WITHIN, Request, deepest, pause, some_of};
use crate::storage::{About, Grant, Head, Headers, Object, PutMode, Store, StoreError};

/// Bytes of the answer to a put, which is empty unless it is an error.
const PUT_ANSWER_BYTES_MAX: usize = 64 * 1024;

// AWS: without s3:ListBucket an object that is not there is answered with 403 (documentation: "GetObject", "HeadObject").
const READING_NEEDS: &str =
    "s3:GetObject, and s3:ListBucket on the bucket to tell a missing object from a forbidden one";
const WRITING_NEEDS: &str = "s3:PutObject";
const TAGGING_NEEDS: &str = "s3:PutObject, and s3:PutObjectTagging for the tags";

#[derive(Clone, Debug)]
pub(super) struct Bucket {
    pub(super) client: Arc<Client>,
    pub(super) name: String,
}

impl Bucket {
    async fn ask(&self, method: Method, key: &str, headers: Vec<(String, String)>) -> Result<Answer, StoreError> {
        let request = Request {
            method,
            bucket: &self.name,
            key: Some(key),
            query: &[],
            headers,
            body: Bytes::new(),
            needs: READING_NEEDS,
        };
        self.client.send(&request).await
    }
}

#[async_trait]
impl Store for Bucket {
    async fn get(&self, key: &str, _: Grant) -> Result<Object, StoreError> {
        let answer = self.ask(Method::GET, key, Vec::new()).await?;
        let header = |name| answer.headers.get(name).and_then(|value| value.to_str().ok());
        let bytes = header(CONTENT_LENGTH).and_then(|length| length.parse().ok()).ok_or_else(|| {
            StoreError::Unreachable(format!("{} did not say how long the object is", self.client.endpoint))
        })?;
        let named = answer.headers.iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
        let headers = Headers::of_answer(named);
        let reading = Reading {
            etag: header(ETAG).map(ToOwned::to_owned),
            bucket: self.clone(),
            key: key.to_owned(),
            bytes,
            at: 0,
            skip: 0,
            body: answer.body,
            until: answer.until,
            began: Instant::now(),
            resumed: 0,
        };
        Ok(Object { bytes, headers, body: stream::unfold(Some(reading), Reading::next).boxed() })
    }

    async fn head(&self, key: &str) -> Result<Head, StoreError> {
        let answer = match self.ask(Method::HEAD, key, Vec::new()).await {
            // The answer to a HEAD has no document, so that credentials that ended look like a right that is missing. To
            // the same request as a GET it has one.
            Err(StoreError::Denied(_) | StoreError::Refused(_)) => {
                self.ask(Method::GET, key, vec![(RANGE.to_string(), "bytes=0-0".to_owned())]).await?
            }
            answer => answer?,
        };
        let modified = answer.headers.get(LAST_MODIFIED).and_then(|value| value.to_str().ok());
        let modified = modified.and_then(|text| DateTime::from_str(text, Format::HttpDate).ok());
        Ok(Head { modified: modified.and_then(|modified| modified.try_into().ok()) })
    }

    async fn put(&self, key: &str, body: Bytes, about: &About, mode: PutMode) -> Result<(), StoreError> {
        let mut headers = about.headers.sent();
        if mode == PutMode::Create {
            headers.push((IF_NONE_MATCH.to_string(), "*".to_owned()));
        }
        headers.push((CONTENT_TYPE.as_str().to_owned(), about.content_type.to_owned()));
        let needs = if about.headers.tags().next().is_some() { TAGGING_NEEDS } else { WRITING_NEEDS };
        let (method, bucket, key) = (Method::PUT, self.name.as_str(), Some(key));
        let request = Request { method, bucket, key, query: &[], headers, body, needs };
        let mut answer = self.client.send(&request).await?;
        // Read to its end, so that the connection can be used again. What is in it was not stored.
        let text = some_of(&mut answer.body, PUT_ANSWER_BYTES_MAX, answer.until).await.unwrap_or_default();
        let refusal = ErrorAnswer::read(500, &HeaderMap::new(), &text);
        if refusal.code.is_some() { Err(refusal.into_error(&self.client, &self.name, needs)) } else { Ok(()) }
    }
}

/// A body under way. When it breaks off, the rest is asked for, of the same object only.
struct Reading {
    bucket: Bucket,
    key: String,
    etag: Option<String>,
    bytes: u64,
    /// Bytes that came.
    at: u64,
    /// Bytes that come once more, because the server begins at the beginning.
    skip: u64,
    body: Body,
    until: Instant,
    began: Instant,
    resumed: u32,
}

impl Reading {
    async fn next(reading: Option<Self>) -> Option<(Result<Bytes, StoreError>, Option<Self>)> {
        let mut reading = reading?;
        loop {
            let reason = match tokio::time::timeout_at(reading.until, reading.body.next()).await {
                Ok(Some(Ok(mut chunk))) => {
                    let again = chunk.len().min(usize::try_from(reading.skip).unwrap_or(usize::MAX));
                    drop(chunk.split_to(again));
                    reading.skip -= again as u64;
                    if chunk.is_empty() {
                        continue;
                    }
                    reading.at += chunk.len() as u64;
                    return Some((Ok(chunk), Some(reading)));
                }
                Ok(None) if reading.at >= reading.bytes => return None,
                Ok(None) => format!("the body ended after {} of {} bytes", reading.at, reading.bytes),
                Ok(Some(Err(error))) => deepest(&*error),
                Err(_) => "timed out waiting for the body".to_owned(),
            };
            if let Err(error) = reading.resume(reason).await {
                return Some((Err(error), None));
            }
        }
    }

    async fn resume(&mut self, reason: String) -> Result<(), StoreError> {
        let broken = StoreError::Unreachable(format!("{reason} ({})", self.bucket.client.endpoint));
        if self.resumed >= RETRIES_MAX || self.began.elapsed() >= RETRY_WITHIN {
            return Err(broken);
        }
        let Some(etag) = self.etag.clone() else { return Err(broken) };
        pause(self.resumed).await;
        self.resumed += 1;
        let headers = vec![(IF_MATCH.to_string(), etag.clone()), (RANGE.to_string(), format!("bytes={}-", self.at))];
        let answer = self.bucket.ask(Method::GET, &self.key, headers).await?;
        let is_same = answer.headers.get(ETAG).is_some_and(|now| now.as_bytes() == etag.as_bytes());
        self.skip = match answer.status {
            206 if is_same => 0,
            // Some servers know no ranges.
            200 if is_same => self.at,
            _ => return Err(StoreError::Conflict),
        };
        (self.body, self.until) = (answer.body, answer.until);
        Ok(())
    }
}
