//! The actions of S3 that there are, by the protocol of `s3s`.

use std::{collections::BTreeMap, ops::Range as ByteRange, sync::Arc};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::StatusCode;
use md5::{Digest as _, Md5};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use s3s::{
    S3, S3Error, S3ErrorCode, S3Request, S3Response, S3Result,
    dto::{
        AbortMultipartUploadInput, AbortMultipartUploadOutput, Bucket as ListedBucket, BucketLocationConstraint,
        BucketVersioningStatus, Checksum, ChecksumType, CommonPrefix, CompleteMultipartUploadInput,
        CompleteMultipartUploadOutput, CopyObjectInput, CopyObjectOutput, CopyObjectResult, CopyPartResult, CopySource,
        CreateBucketInput, CreateBucketOutput, CreateMultipartUploadInput, CreateMultipartUploadOutput,
        DeleteBucketInput, DeleteBucketOutput, DeleteBucketTaggingInput, DeleteBucketTaggingOutput, DeleteObjectInput,
        DeleteObjectOutput, DeleteObjectTaggingInput, DeleteObjectTaggingOutput, DeleteObjectsInput,
        DeleteObjectsOutput, DeletedObject, ETag, ETagCondition, EncodingType, Error as DeleteError,
        GetBucketLocationInput, GetBucketLocationOutput, GetBucketNotificationConfigurationInput,
        GetBucketNotificationConfigurationOutput, GetBucketTaggingInput, GetBucketTaggingOutput,
        GetBucketVersioningInput, GetBucketVersioningOutput, GetObjectInput, GetObjectOutput, GetObjectTaggingInput,
        GetObjectTaggingOutput, HeadBucketInput, HeadBucketOutput, HeadObjectInput, HeadObjectOutput, ListBucketsInput,
        ListBucketsOutput, ListMultipartUploadsInput, ListMultipartUploadsOutput, ListObjectsInput, ListObjectsOutput,
        ListObjectsV2Input, ListObjectsV2Output, ListPartsInput, ListPartsOutput, MetadataDirective, MultipartUpload,
        Object as ListedObject, ObjectStorageClass, Owner, Part as ListedPart, PutBucketNotificationConfigurationInput,
        PutBucketNotificationConfigurationOutput, PutBucketTaggingInput, PutBucketTaggingOutput,
        PutBucketVersioningInput, PutBucketVersioningOutput, PutObjectInput, PutObjectOutput, PutObjectTaggingInput,
        PutObjectTaggingOutput, Range, Tag, TaggingDirective, Timestamp, UploadPartCopyInput, UploadPartCopyOutput,
        UploadPartInput, UploadPartOutput, VersioningConfiguration,
    },
    s3_error,
};

use super::{
    Framing, Shared,
    content::Content,
    event::{EventName, RequestIds},
    notifications,
    receive::{self, ALGORITHMS, Behind, Expected, Received, Share},
    store::{Bucket, Listed, NamedPart, Object, PARTS_MAX, Part, Properties, Upload, hex},
};
use crate::engine::Time;

/// What a page of a listing may hold (documentation: `ListObjectsV2`).
const PAGE_MAX: usize = 1_000;
const TAGS_MAX: usize = 10;
const BUCKET_TAGS_MAX: usize = 50;
const OWNER_ID: &str = "local-queue";
/// What a listing leaves as it is when it encodes keys.
const KEY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');

/// The actions, on the buckets that others share.
#[derive(Clone, Debug)]
pub(super) struct Actions(pub(super) Arc<Shared>);

/// What an event says besides the object.
struct Cause {
    request: RequestIds,
    trace: Option<String>,
}

impl Cause {
    fn of<T>(request: &S3Request<T>) -> Self {
        let ids = request.extensions.get::<RequestIds>().cloned();
        let request_ids = ids.unwrap_or_else(|| RequestIds { id: String::new(), host_id: String::new() });
        let trace = request.headers.get("x-amzn-trace-id").and_then(|trace| trace.to_str().ok()).map(str::to_owned);
        Self { request: request_ids, trace }
    }
}

impl Actions {
    fn now(&self) -> Time {
        self.0.queues.clock().now()
    }

    /// Does something with a bucket, under the lock.
    fn with<T>(&self, bucket: &str, act: impl FnOnce(&mut Bucket) -> S3Result<T>) -> S3Result<T> {
        self.0.store().bucket_mut(bucket).and_then(act)
    }

    fn object(&self, bucket: &str, key: &str) -> S3Result<Arc<Object>> {
        self.with(bucket, |bucket| bucket.object(key).map(Arc::clone))
    }

    /// Puts an object in its place and says so to those who want to know.
    fn store(
        &self,
        bucket: &str,
        key: &str,
        object: Object,
        conditions: &Writes,
        name: EventName,
        cause: Cause,
    ) -> S3Result<Arc<Object>> {
        let mut object = object;
        let object = self.with(bucket, |place| {
            conditions.check(place.objects.get(key).map(|object| &**object))?;
            object.version_id = place.is_versioned.then(|| self.0.next_version_id());
            let object = Arc::new(object);
            place.objects.insert(key.to_owned(), Arc::clone(&object));
            Ok(object)
        })?;
        self.publish(bucket, key, &object, object.version_id.clone(), name, cause);
        Ok(object)
    }

    fn publish(
        &self,
        bucket: &str,
        key: &str,
        object: &Object,
        version_id: Option<String>,
        name: EventName,
        cause: Cause,
    ) {
        let event = self.0.event(bucket, key, object, version_id, name, cause.request, cause.trace);
        let Ok(configuration) = self.with(bucket, |bucket| Ok(bucket.notifications.clone())) else { return };
        notifications::publish(&configuration, &event, &self.0.reach());
    }

    /// Takes one object away. One that is not there is none the worse for it.
    fn remove(&self, bucket: &str, key: &str, version_id: Option<&str>, cause: Cause) -> S3Result<DeleteObjectOutput> {
        let (removed, marker) = self.with(bucket, |place| {
            // Of the versions there is only the newest. One that is named and is another is gone already.
            let is_named = place.objects.get(key).is_some_and(|object| names(version_id, object));
            let marker = (place.is_versioned && version_id.is_none()).then(|| self.0.next_version_id());
            Ok((is_named.then(|| place.objects.remove(key)).flatten(), marker))
        })?;
        let output = DeleteObjectOutput {
            delete_marker: marker.is_some().then_some(true),
            version_id: marker.clone().or_else(|| version_id.map(str::to_owned)),
            ..DeleteObjectOutput::default()
        };
        // S3 says so too of what was not there (documentation of versioned buckets); without versions it does not.
        if let Some(removed) = removed {
            let name = if marker.is_some() { EventName::RemovedMarker } else { EventName::RemovedDelete };
            let version_id = marker.or_else(|| removed.version_id.clone());
            self.publish(bucket, key, &removed, version_id, name, cause);
        }
        Ok(output)
    }

    async fn receive<T>(
        &self,
        request: &S3Request<T>,
        body: Option<s3s::dto::StreamingBlob>,
        expected: Expected,
    ) -> S3Result<Received> {
        let mut expected = expected;
        // The protocol's own field is of another header, which is of multipart uploads.
        let named = request.headers.get("x-amz-sdk-checksum-algorithm").and_then(|name| name.to_str().ok());
        expected.algorithm = expected.algorithm.or_else(|| named.map(str::to_ascii_uppercase));
        let trailer =
            request.headers.get("x-amz-trailer").and_then(|name| name.to_str().ok()).map(str::to_ascii_lowercase);
        if let Some(name) = trailer {
            let framing = request.extensions.get::<Framing>().map(|framing| Behind::Unframed(framing.0.clone()));
            let behind = framing.or_else(|| request.trailing_headers.clone().map(Behind::Verified));
            expected.trailer = behind.map(|behind| (name, behind));
        }
        receive::receive(body, expected, &self.0.room, self.0.object_bytes_max).await
    }

    fn source(&self, source: &CopySource) -> S3Result<(String, String, Arc<Object>)> {
        let CopySource::Bucket { bucket, key, version_id } = source else {
            return Err(s3_error!(NotImplemented, "A copy from an access point is not implemented."));
        };
        let object = self.object(bucket, key)?;
        check_version(version_id.as_deref(), &object)?;
        Ok((bucket.to_string(), key.to_string(), object))
    }

    /// A copy of content has a share of its own: that of the source may go before it.
    fn share(&self, content: &Content) -> S3Result<Share> {
        self.0.room.share(content.bytes())
    }
}

/// Whether a request with this version means this object.
fn names(version_id: Option<&str>, object: &Object) -> bool {
    version_id.is_none_or(|version_id| version_id == object.version_id.as_deref().unwrap_or("null"))
}

fn check_version(version_id: Option<&str>, object: &Object) -> S3Result<()> {
    if names(version_id, object) {
        return Ok(());
    }
    Err(s3_error!(NoSuchVersion, "The specified version does not exist. local-queue keeps the newest version only."))
}

fn etag(text: &str) -> ETag {
    ETag::Strong(text.to_owned())
}

fn timestamp(time: Time) -> Timestamp {
    // S3 shows whole seconds in headers and zeros behind them in documents.
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    time::OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(time::OffsetDateTime::UNIX_EPOCH).into()
}

fn owner() -> Owner {
    Owner { display_name: None, id: Some(OWNER_ID.to_owned()) }
}

/// The conditions of a write.
#[derive(Debug, Default)]
struct Writes {
    if_match: Option<ETagCondition>,
    if_none_match: Option<ETagCondition>,
}

impl Writes {
    fn check(&self, present: Option<&Object>) -> S3Result<()> {
        if let Some(condition) = &self.if_match {
            let Some(object) = present else {
                return Err(s3_error!(NoSuchKey, "The specified key does not exist."));
            };
            if !meets(condition, object) {
                return Err(failed("If-Match"));
            }
        }
        match (&self.if_none_match, present) {
            (Some(condition), Some(object)) if meets(condition, object) => Err(failed("If-None-Match")),
            _ => Ok(()),
        }
    }
}

fn meets(condition: &ETagCondition, object: &Object) -> bool {
    match condition {
        ETagCondition::Any => true,
        ETagCondition::ETag(etag) => etag.value() == object.etag,
    }
}

fn failed(condition: &'static str) -> S3Error {
    super::Arguments::refuse(
        S3ErrorCode::PreconditionFailed,
        "At least one of the pre-conditions you specified did not hold",
        &[("Condition", condition)],
    )
}

/// The conditions of a read, in the order that HTTP asks for.
#[derive(Debug, Default)]
#[expect(clippy::struct_field_names, reason = "the names of the headers")]
struct Reads<'a> {
    if_match: Option<&'a ETagCondition>,
    if_none_match: Option<&'a ETagCondition>,
    if_modified_since: Option<&'a Timestamp>,
    if_unmodified_since: Option<&'a Timestamp>,
}

impl Reads<'_> {
    fn check(&self, object: &Object) -> S3Result<()> {
        let modified = timestamp(object.modified);
        match (self.if_match, self.if_unmodified_since) {
            (Some(condition), _) if !meets(condition, object) => return Err(failed("If-Match")),
            (None, Some(since)) if modified > *since => return Err(failed("If-Unmodified-Since")),
            _ => {}
        }
        let is_not_modified = match (self.if_none_match, self.if_modified_since) {
            (Some(condition), _) => meets(condition, object),
            (None, Some(since)) => modified <= *since,
            (None, None) => false,
        };
        if is_not_modified {
            let mut error = S3Error::with_message(S3ErrorCode::NotModified, "Not Modified");
            error.set_status_code(StatusCode::NOT_MODIFIED);
            return Err(error);
        }
        Ok(())
    }
}

/// An error whose code is in no list of S3's.
fn other(code: &'static str, status: StatusCode, text: impl Into<std::borrow::Cow<'static, str>>) -> S3Error {
    let mut error = S3Error::with_message(S3ErrorCode::Custom(code.into()), text);
    error.set_status_code(status);
    error
}

/// Those of `object` that a range or a part's number means, and the header that says so.
fn selected(object: &Object, range: Option<Range>, part: Option<i32>) -> S3Result<(ByteRange<u64>, bool)> {
    let bytes = object.content.bytes();
    if let Some(number) = part {
        if range.is_some() {
            return Err(s3_error!(InvalidRequest, "Cannot specify both Range header and partNumber query parameter"));
        }
        let index = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
        let parts = if object.parts.is_empty() { std::slice::from_ref(&bytes) } else { &object.parts[..] };
        let start = |index: usize| parts[..index].iter().sum::<u64>();
        let found = index.filter(|index| *index < parts.len()).map(|index| start(index)..start(index) + parts[index]);
        let error = || {
            other("InvalidPartNumber", StatusCode::RANGE_NOT_SATISFIABLE, "The requested partnumber is not satisfiable")
        };
        return found.map(|found| (found, !object.parts.is_empty())).ok_or_else(error);
    }
    let Some(range) = range else { return Ok((0..bytes, false)) };
    let range = range.check(bytes).map_err(|_| {
        super::Arguments::refuse(
            S3ErrorCode::InvalidRange,
            "The requested range is not satisfiable",
            &[("ActualObjectSize", &bytes.to_string())],
        )
    })?;
    Ok((range, true))
}

/// What is computed of an upload's parts for the object, if they have checksums.
fn checksum_of_parts(upload: &Upload, named: &[NamedPart], content: &Content) -> S3Result<Checksum> {
    let Some(algorithm) = upload.algorithm.as_deref() else { return Ok(Checksum::default()) };
    let mut hasher = receive::hasher_of(algorithm)?;
    if upload.is_full_checksum {
        content.blocks().iter().for_each(|block| hasher.update(block));
        let mut checksum = hasher.finalize();
        checksum.checksum_type = Some(ChecksumType::from_static(ChecksumType::FULL_OBJECT));
        return Ok(checksum);
    }
    for part in named {
        let value = upload.parts.get(&part.number).and_then(|part| receive::value(&part.checksum, algorithm));
        hasher.update(&BASE64_STANDARD.decode(value.unwrap_or_default()).unwrap_or_default());
    }
    let mut checksum = hasher.finalize();
    let count = named.len();
    for value in [
        &mut checksum.checksum_crc32,
        &mut checksum.checksum_crc32c,
        &mut checksum.checksum_crc64nvme,
        &mut checksum.checksum_sha1,
        &mut checksum.checksum_sha256,
    ] {
        *value = value.take().map(|value| format!("{value}-{count}"));
    }
    checksum.checksum_type = Some(ChecksumType::from_static(ChecksumType::COMPOSITE));
    Ok(checksum)
}

/// The tags of a header, which is a form.
fn tags_of_header(header: Option<&str>) -> S3Result<Vec<(String, String)>> {
    let Some(header) = header.filter(|header| !header.is_empty()) else { return Ok(Vec::new()) };
    let decode = |text: &str| {
        let text = text.replace('+', " ");
        percent_encoding::percent_decode_str(&text).decode_utf8().ok().map(std::borrow::Cow::into_owned)
    };
    let pairs = header.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let tags = pairs.map(|(key, value)| Some((decode(key)?, decode(value)?))).collect::<Option<Vec<_>>>();
    let text = "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name \
                duplicates.";
    checked(tags, TAGS_MAX).ok_or_else(|| S3Error::with_message(S3ErrorCode::InvalidArgument, text))
}

/// Tags, if they may be those of one thing.
fn checked(tags: Option<Vec<(String, String)>>, max: usize) -> Option<Vec<(String, String)>> {
    let tags = tags?;
    let names = tags.iter().map(|(key, _)| key).collect::<std::collections::BTreeSet<_>>();
    let is_allowed =
        |(key, value): &(String, String)| (1..=128).contains(&key.chars().count()) && value.chars().count() <= 256;
    (names.len() == tags.len() && tags.len() <= max && tags.iter().all(is_allowed)).then_some(tags)
}

fn tags_of_set(set: Vec<Tag>, max: usize) -> S3Result<Vec<(String, String)>> {
    if set.len() > max {
        let text = format!("Object tags cannot be greater than {max}");
        return Err(other("BadRequest", StatusCode::BAD_REQUEST, text));
    }
    let tags = set.into_iter().map(|tag| Some((tag.key?, tag.value.unwrap_or_default()))).collect();
    checked(tags, max).ok_or_else(|| s3_error!(InvalidTag, "The tag provided was not a valid tag."))
}

fn tag_set(tags: &[(String, String)]) -> Vec<Tag> {
    tags.iter().map(|(key, value)| Tag { key: Some(key.clone()), value: Some(value.clone()) }).collect()
}

/// A key in a listing, encoded if the client asked for that.
fn shown(text: &str, encoding: Option<&EncodingType>) -> String {
    if encoding.is_some_and(|encoding| encoding.as_str() == EncodingType::URL) {
        utf8_percent_encode(text, KEY).to_string()
    } else {
        text.to_owned()
    }
}

fn page_size(asked: Option<i32>) -> S3Result<usize> {
    let error = |_| s3_error!(InvalidArgument, "Argument maxKeys must be an integer between 0 and 2147483647");
    usize::try_from(asked.unwrap_or(1_000)).map(|asked| asked.min(PAGE_MAX)).map_err(error)
}

/// What both kinds of listing show of a page.
struct Shown {
    contents: Vec<ListedObject>,
    prefixes: Vec<CommonPrefix>,
    is_truncated: bool,
    /// The last that is shown, as it is.
    last: Option<String>,
}

fn list(
    bucket: &Bucket,
    prefix: &str,
    delimiter: &str,
    after: &str,
    max: usize,
    encoding: Option<&EncodingType>,
    shows_owner: bool,
) -> Shown {
    // Of nothing there is no next page.
    let page = if max == 0 { super::store::Page::default() } else { bucket.page(prefix, delimiter, after, max) };
    let mut shown_page = Shown {
        contents: Vec::new(),
        prefixes: Vec::new(),
        is_truncated: page.is_truncated,
        last: page.entries.last().map(|entry| entry.name().to_owned()),
    };
    for entry in page.entries {
        match entry {
            Listed::Object(key, object) => shown_page.contents.push(ListedObject {
                e_tag: Some(etag(&object.etag)),
                key: Some(shown(key, encoding)),
                last_modified: Some(timestamp(object.modified)),
                owner: shows_owner.then(owner),
                size: i64::try_from(object.content.bytes()).ok(),
                storage_class: Some(ObjectStorageClass::from_static(ObjectStorageClass::STANDARD)),
                ..ListedObject::default()
            }),
            Listed::Prefix(prefix) => {
                shown_page.prefixes.push(CommonPrefix { prefix: Some(shown(prefix, encoding)) });
            }
            Listed::Said => {}
        }
    }
    shown_page
}

macro_rules! properties {
    ($input:expr) => {
        Properties {
            cache_control: $input.cache_control.take(),
            content_disposition: $input.content_disposition.take(),
            content_encoding: $input.content_encoding.take().and_then(|encoding| without_framing(&encoding)),
            content_language: $input.content_language.take(),
            content_type: $input.content_type.take(),
            expires: $input.expires.take(),
            metadata: $input.metadata.take(),
        }
    };
}

macro_rules! sent_checksum {
    ($input:expr) => {
        Checksum {
            checksum_crc32: $input.checksum_crc32.take(),
            checksum_crc32c: $input.checksum_crc32c.take(),
            checksum_crc64nvme: $input.checksum_crc64nvme.take(),
            checksum_sha1: $input.checksum_sha1.take(),
            checksum_sha256: $input.checksum_sha256.take(),
            checksum_type: None,
        }
    };
}

/// S3 does not keep `aws-chunked`, which is how the body came.
fn without_framing(encoding: &str) -> Option<String> {
    let kept = encoding.split(',').map(str::trim).filter(|name| !name.eq_ignore_ascii_case("aws-chunked"));
    let kept = kept.filter(|name| !name.is_empty()).collect::<Vec<_>>().join(",");
    (!kept.is_empty()).then_some(kept)
}

/// Whether a client said that it compares checksums.
fn shows_checksum(mode: Option<&s3s::dto::ChecksumMode>) -> bool {
    mode.is_some_and(|mode| mode.as_str() == s3s::dto::ChecksumMode::ENABLED)
}

#[async_trait::async_trait]
impl S3 for Actions {
    async fn list_buckets(&self, _: S3Request<ListBucketsInput>) -> S3Result<S3Response<ListBucketsOutput>> {
        let store = self.0.store();
        let buckets = store.all().map(|(name, bucket)| ListedBucket {
            bucket_region: None,
            creation_date: Some(timestamp(bucket.created)),
            name: Some(name.clone()),
        });
        let buckets = Some(buckets.collect());
        Ok(S3Response::new(ListBucketsOutput { buckets, owner: Some(owner()), ..ListBucketsOutput::default() }))
    }

    async fn create_bucket(&self, request: S3Request<CreateBucketInput>) -> S3Result<S3Response<CreateBucketOutput>> {
        let name = request.input.bucket;
        let is_new = self.0.store().create(&name, self.now());
        // In us-east-1 an owner may create a bucket again (documentation: "BucketAlreadyOwnedByYou").
        if !is_new && *self.0.queues.scope().region != *"us-east-1" {
            let text = "Your previous request to create the named bucket succeeded and you already own it.";
            return Err(super::Arguments::refuse(S3ErrorCode::BucketAlreadyOwnedByYou, text, &[("BucketName", &name)]));
        }
        Ok(S3Response::new(CreateBucketOutput { location: Some(format!("/{name}")) }))
    }

    async fn delete_bucket(&self, request: S3Request<DeleteBucketInput>) -> S3Result<S3Response<DeleteBucketOutput>> {
        self.0.store().delete(&request.input.bucket)?;
        Ok(S3Response::with_status(DeleteBucketOutput::default(), StatusCode::NO_CONTENT))
    }

    async fn head_bucket(&self, request: S3Request<HeadBucketInput>) -> S3Result<S3Response<HeadBucketOutput>> {
        self.with(&request.input.bucket, |_| Ok(()))?;
        let bucket_region = Some(self.0.queues.scope().region.to_string());
        Ok(S3Response::new(HeadBucketOutput { bucket_region, ..HeadBucketOutput::default() }))
    }

    async fn get_bucket_location(
        &self,
        request: S3Request<GetBucketLocationInput>,
    ) -> S3Result<S3Response<GetBucketLocationOutput>> {
        self.with(&request.input.bucket, |_| Ok(()))?;
        let region = self.0.queues.scope().region.to_string();
        // That region has no name here (documentation).
        let location_constraint = (region != "us-east-1").then(|| BucketLocationConstraint::from(region));
        Ok(S3Response::new(GetBucketLocationOutput { location_constraint }))
    }

    async fn get_bucket_versioning(
        &self,
        request: S3Request<GetBucketVersioningInput>,
    ) -> S3Result<S3Response<GetBucketVersioningOutput>> {
        let is_versioned = self.with(&request.input.bucket, |bucket| Ok(bucket.is_versioned))?;
        let status = is_versioned.then(|| BucketVersioningStatus::from_static(BucketVersioningStatus::ENABLED));
        Ok(S3Response::new(GetBucketVersioningOutput { status, ..GetBucketVersioningOutput::default() }))
    }

    async fn put_bucket_versioning(
        &self,
        request: S3Request<PutBucketVersioningInput>,
    ) -> S3Result<S3Response<PutBucketVersioningOutput>> {
        let VersioningConfiguration { status, .. } = request.input.versioning_configuration;
        let is_versioned = status.is_some_and(|status| status.as_str() == BucketVersioningStatus::ENABLED);
        self.with(&request.input.bucket, |bucket| {
            bucket.is_versioned = is_versioned;
            Ok(())
        })?;
        Ok(S3Response::new(PutBucketVersioningOutput::default()))
    }

    async fn get_bucket_tagging(
        &self,
        request: S3Request<GetBucketTaggingInput>,
    ) -> S3Result<S3Response<GetBucketTaggingOutput>> {
        let tags = self.with(&request.input.bucket, |bucket| Ok(bucket.tags.clone()))?;
        if tags.is_empty() {
            return Err(s3_error!(NoSuchTagSet, "The TagSet does not exist"));
        }
        Ok(S3Response::new(GetBucketTaggingOutput { tag_set: tag_set(&tags) }))
    }

    async fn put_bucket_tagging(
        &self,
        request: S3Request<PutBucketTaggingInput>,
    ) -> S3Result<S3Response<PutBucketTaggingOutput>> {
        let tags = tags_of_set(request.input.tagging.tag_set, BUCKET_TAGS_MAX)?;
        self.with(&request.input.bucket, |bucket| {
            bucket.tags = tags;
            Ok(())
        })?;
        Ok(S3Response::with_status(PutBucketTaggingOutput::default(), StatusCode::NO_CONTENT))
    }

    async fn delete_bucket_tagging(
        &self,
        request: S3Request<DeleteBucketTaggingInput>,
    ) -> S3Result<S3Response<DeleteBucketTaggingOutput>> {
        self.with(&request.input.bucket, |bucket| {
            bucket.tags.clear();
            Ok(())
        })?;
        Ok(S3Response::with_status(DeleteBucketTaggingOutput::default(), StatusCode::NO_CONTENT))
    }

    async fn get_bucket_notification_configuration(
        &self,
        request: S3Request<GetBucketNotificationConfigurationInput>,
    ) -> S3Result<S3Response<GetBucketNotificationConfigurationOutput>> {
        let configuration = self.with(&request.input.bucket, |bucket| Ok(bucket.notifications.clone()))?;
        Ok(S3Response::new(GetBucketNotificationConfigurationOutput {
            event_bridge_configuration: configuration.event_bridge_configuration,
            lambda_function_configurations: configuration.lambda_function_configurations,
            queue_configurations: configuration.queue_configurations,
            topic_configurations: configuration.topic_configurations,
        }))
    }

    async fn put_bucket_notification_configuration(
        &self,
        request: S3Request<PutBucketNotificationConfigurationInput>,
    ) -> S3Result<S3Response<PutBucketNotificationConfigurationOutput>> {
        let cause = Cause::of(&request);
        let input = request.input;
        let skips = input.skip_destination_validation.unwrap_or_default();
        self.0.configure(&input.bucket, input.notification_configuration, skips, &cause.request)?;
        Ok(S3Response::new(PutBucketNotificationConfigurationOutput::default()))
    }

    async fn put_object(&self, request: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        // A form of a page comes by this way too.
        let is_form = request.method == http::Method::POST;
        self.put(request, if is_form { EventName::CreatedPost } else { EventName::CreatedPut }).await
    }

    async fn get_object(&self, request: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        let input = &request.input;
        let object = self.object(&input.bucket, &input.key)?;
        check_version(input.version_id.as_deref(), &object)?;
        let reads = Reads {
            if_match: input.if_match.as_ref(),
            if_none_match: input.if_none_match.as_ref(),
            if_modified_since: input.if_modified_since.as_ref(),
            if_unmodified_since: input.if_unmodified_since.as_ref(),
        };
        reads.check(&object)?;
        let (range, is_part) = selected(&object, input.range, input.part_number)?;
        let content_range = content_range(&object, &range, is_part);
        let is_whole = !is_part || range.end - range.start == object.content.bytes();
        let checksum = if shows_checksum(input.checksum_mode.as_ref()) && is_whole {
            object.checksum.clone()
        } else {
            Checksum::default()
        };
        let properties = object.properties.clone();
        let output = GetObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            content_length: i64::try_from(range.end - range.start).ok(),
            body: Some(object.content.part(range).into_body()),
            cache_control: properties.cache_control,
            checksum_crc32: checksum.checksum_crc32,
            checksum_crc32c: checksum.checksum_crc32c,
            checksum_crc64nvme: checksum.checksum_crc64nvme,
            checksum_sha1: checksum.checksum_sha1,
            checksum_sha256: checksum.checksum_sha256,
            checksum_type: checksum.checksum_type,
            content_disposition: properties.content_disposition,
            content_encoding: properties.content_encoding,
            content_language: properties.content_language,
            content_range,
            content_type: Some(properties.content_type.unwrap_or_else(|| BINARY.to_owned())),
            e_tag: Some(etag(&object.etag)),
            expires: properties.expires,
            last_modified: Some(timestamp(object.modified)),
            metadata: properties.metadata,
            parts_count: input.part_number.and(i32::try_from(object.parts.len()).ok().filter(|count| *count > 0)),
            tag_count: i32::try_from(object.tags.len()).ok().filter(|count| *count > 0),
            version_id: object.version_id.clone(),
            ..GetObjectOutput::default()
        };
        Ok(S3Response::new(output))
    }

    async fn head_object(&self, request: S3Request<HeadObjectInput>) -> S3Result<S3Response<HeadObjectOutput>> {
        let input = &request.input;
        let object = self.object(&input.bucket, &input.key)?;
        check_version(input.version_id.as_deref(), &object)?;
        let reads = Reads {
            if_match: input.if_match.as_ref(),
            if_none_match: input.if_none_match.as_ref(),
            if_modified_since: input.if_modified_since.as_ref(),
            if_unmodified_since: input.if_unmodified_since.as_ref(),
        };
        reads.check(&object)?;
        let (range, is_part) = selected(&object, input.range, input.part_number)?;
        let properties = object.properties.clone();
        let checksum =
            if shows_checksum(input.checksum_mode.as_ref()) { object.checksum.clone() } else { Checksum::default() };
        let output = HeadObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            content_length: i64::try_from(range.end - range.start).ok(),
            content_range: content_range(&object, &range, is_part),
            cache_control: properties.cache_control,
            checksum_crc32: checksum.checksum_crc32,
            checksum_crc32c: checksum.checksum_crc32c,
            checksum_crc64nvme: checksum.checksum_crc64nvme,
            checksum_sha1: checksum.checksum_sha1,
            checksum_sha256: checksum.checksum_sha256,
            checksum_type: checksum.checksum_type,
            content_disposition: properties.content_disposition,
            content_encoding: properties.content_encoding,
            content_language: properties.content_language,
            content_type: Some(properties.content_type.unwrap_or_else(|| BINARY.to_owned())),
            e_tag: Some(etag(&object.etag)),
            expires: properties.expires,
            last_modified: Some(timestamp(object.modified)),
            metadata: properties.metadata,
            parts_count: input.part_number.and(i32::try_from(object.parts.len()).ok().filter(|count| *count > 0)),
            version_id: object.version_id.clone(),
            ..HeadObjectOutput::default()
        };
        let mut response = S3Response::new(output);
        response.status = is_part.then_some(StatusCode::PARTIAL_CONTENT);
        Ok(response)
    }

    async fn copy_object(&self, request: S3Request<CopyObjectInput>) -> S3Result<S3Response<CopyObjectOutput>> {
        let cause = Cause::of(&request);
        let mut input = request.input;
        let (bucket, key, source) = self.source(&input.copy_source)?;
        let reads = Reads {
            if_match: input.copy_source_if_match.as_ref(),
            if_none_match: input.copy_source_if_none_match.as_ref(),
            if_modified_since: input.copy_source_if_modified_since.as_ref(),
            if_unmodified_since: input.copy_source_if_unmodified_since.as_ref(),
        };
        // Of a copy all conditions that fail are the same error (documentation).
        reads.check(&source).map_err(|_| failed("x-amz-copy-source-If-"))?;
        let replaces = |directive: Option<&str>, replace: &str| directive == Some(replace);
        let replaces_properties =
            replaces(input.metadata_directive.as_ref().map(MetadataDirective::as_str), MetadataDirective::REPLACE);
        let replaces_tags =
            replaces(input.tagging_directive.as_ref().map(TaggingDirective::as_str), TaggingDirective::REPLACE);
        if bucket == input.bucket && key == input.key && !replaces_properties && input.storage_class.is_none() {
            let text = "This copy request is illegal because it is trying to copy an object to itself without changing the \
                        object's metadata, storage class, website redirect location or encryption attributes.";
            return Err(S3Error::with_message(S3ErrorCode::InvalidRequest, text));
        }
        let content = source.content.clone();
        let object = Object {
            // The copy is one object, whatever parts the source came in.
            etag: if source.parts.is_empty() { source.etag.clone() } else { hex(&md5_of(&content)) },
            _share: Arc::new(self.share(&content)?),
            content,
            modified: self.now(),
            properties: if replaces_properties { properties!(input) } else { source.properties.clone() },
            tags: if replaces_tags { tags_of_header(input.tagging.as_deref())? } else { source.tags.clone() },
            checksum: if source.parts.is_empty() { source.checksum.clone() } else { Checksum::default() },
            version_id: None,
            parts: Vec::new(),
        };
        let object =
            self.store(&input.bucket, &input.key, object, &Writes::default(), EventName::CreatedCopy, cause)?;
        let result = CopyObjectResult {
            e_tag: Some(etag(&object.etag)),
            last_modified: Some(timestamp(object.modified)),
            ..CopyObjectResult::default()
        };
        Ok(S3Response::new(CopyObjectOutput {
            copy_object_result: Some(result),
            copy_source_version_id: source.version_id.clone(),
            version_id: object.version_id.clone(),
            ..CopyObjectOutput::default()
        }))
    }

    async fn delete_object(&self, request: S3Request<DeleteObjectInput>) -> S3Result<S3Response<DeleteObjectOutput>> {
        let cause = Cause::of(&request);
        let input = request.input;
        let output = self.remove(&input.bucket, &input.key, input.version_id.as_deref(), cause)?;
        Ok(S3Response::with_status(output, StatusCode::NO_CONTENT))
    }

    async fn delete_objects(
        &self,
        request: S3Request<DeleteObjectsInput>,
    ) -> S3Result<S3Response<DeleteObjectsOutput>> {
        let cause = Cause::of(&request);
        let input = request.input;
        self.with(&input.bucket, |_| Ok(()))?;
        if input.delete.objects.is_empty() || input.delete.objects.len() > PAGE_MAX {
            let text = "The XML you provided was not well-formed or did not validate against our published schema";
            return Err(S3Error::with_message(S3ErrorCode::MalformedXML, text));
        }
        let (mut deleted, mut errors) = (Vec::new(), Vec::new());
        for object in input.delete.objects {
            let cause = Cause { request: cause.request.clone(), trace: cause.trace.clone() };
            match self.remove(&input.bucket, &object.key, object.version_id.as_deref(), cause) {
                Ok(output) => deleted.push(DeletedObject {
                    delete_marker: output.delete_marker,
                    delete_marker_version_id: output.delete_marker.and(output.version_id),
                    key: Some(object.key),
                    version_id: object.version_id,
                }),
                Err(error) => errors.push(DeleteError {
                    code: Some(error.code().as_str().to_owned()),
                    key: Some(object.key),
                    message: error.message().map(str::to_owned),
                    version_id: object.version_id,
                }),
            }
        }
        if input.delete.quiet.unwrap_or_default() {
            deleted.clear();
        }
        let (deleted, errors) = (Some(deleted), Some(errors));
        Ok(S3Response::new(DeleteObjectsOutput { deleted, errors, ..DeleteObjectsOutput::default() }))
    }

    async fn list_objects(&self, request: S3Request<ListObjectsInput>) -> S3Result<S3Response<ListObjectsOutput>> {
        let input = request.input;
        let (prefix, delimiter) = (input.prefix.unwrap_or_default(), input.delimiter.unwrap_or_default());
        let (marker, max, encoding) =
            (input.marker.unwrap_or_default(), page_size(input.max_keys)?, input.encoding_type);
        let shown_page = self.with(&input.bucket, |bucket| {
            Ok(list(bucket, &prefix, &delimiter, &marker, max, encoding.as_ref(), true))
        })?;
        let encode = |text: &str| shown(text, encoding.as_ref());
        Ok(S3Response::new(ListObjectsOutput {
            // Only with a delimiter; without one the last key says where to go on (documentation).
            next_marker: shown_page
                .last
                .as_deref()
                .filter(|_| shown_page.is_truncated && !delimiter.is_empty())
                .map(encode),
            name: Some(input.bucket),
            prefix: Some(encode(&prefix)),
            marker: Some(encode(&marker)),
            max_keys: i32::try_from(max).ok(),
            is_truncated: Some(shown_page.is_truncated),
            contents: Some(shown_page.contents),
            common_prefixes: Some(shown_page.prefixes),
            delimiter: (!delimiter.is_empty()).then(|| encode(&delimiter)),
            encoding_type: encoding.clone(),
            ..ListObjectsOutput::default()
        }))
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let input = request.input;
        let (prefix, delimiter) = (input.prefix.unwrap_or_default(), input.delimiter.unwrap_or_default());
        let (max, encoding) = (page_size(input.max_keys)?, input.encoding_type);
        let token = input.continuation_token.as_deref().map(|token| {
            let after = BASE64_STANDARD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            after.ok_or_else(|| s3_error!(InvalidArgument, "The continuation token provided is incorrect"))
        });
        let after = token.transpose()?.or_else(|| input.start_after.clone()).unwrap_or_default();
        let shows_owner = input.fetch_owner.unwrap_or_default();
        let shown_page = self.with(&input.bucket, |bucket| {
            Ok(list(bucket, &prefix, &delimiter, &after, max, encoding.as_ref(), shows_owner))
        })?;
        let encode = |text: &str| shown(text, encoding.as_ref());
        let count = shown_page.contents.len() + shown_page.prefixes.len();
        let next = shown_page.last.filter(|_| shown_page.is_truncated).map(|last| BASE64_STANDARD.encode(last));
        Ok(S3Response::new(ListObjectsV2Output {
            name: Some(input.bucket),
            prefix: Some(encode(&prefix)),
            max_keys: i32::try_from(max).ok(),
            key_count: i32::try_from(count).ok(),
            continuation_token: input.continuation_token,
            is_truncated: Some(shown_page.is_truncated),
            next_continuation_token: next,
            contents: Some(shown_page.contents),
            common_prefixes: Some(shown_page.prefixes),
            delimiter: (!delimiter.is_empty()).then(|| encode(&delimiter)),
            start_after: input.start_after.as_deref().map(encode),
            encoding_type: encoding.clone(),
            ..ListObjectsV2Output::default()
        }))
    }

    async fn get_object_tagging(
        &self,
        request: S3Request<GetObjectTaggingInput>,
    ) -> S3Result<S3Response<GetObjectTaggingOutput>> {
        let object = self.object(&request.input.bucket, &request.input.key)?;
        let version_id = object.version_id.clone();
        Ok(S3Response::new(GetObjectTaggingOutput { tag_set: tag_set(&object.tags), version_id }))
    }

    async fn put_object_tagging(
        &self,
        request: S3Request<PutObjectTaggingInput>,
    ) -> S3Result<S3Response<PutObjectTaggingOutput>> {
        let cause = Cause::of(&request);
        let input = request.input;
        let tags = tags_of_set(input.tagging.tag_set, TAGS_MAX)?;
        let version_id = self.set_tags(&input.bucket, &input.key, tags, EventName::TaggingPut, cause)?;
        Ok(S3Response::new(PutObjectTaggingOutput { version_id }))
    }

    async fn delete_object_tagging(
        &self,
        request: S3Request<DeleteObjectTaggingInput>,
    ) -> S3Result<S3Response<DeleteObjectTaggingOutput>> {
        let cause = Cause::of(&request);
        let input = request.input;
        let version_id = self.set_tags(&input.bucket, &input.key, Vec::new(), EventName::TaggingDelete, cause)?;
        Ok(S3Response::with_status(DeleteObjectTaggingOutput { version_id }, StatusCode::NO_CONTENT))
    }

    async fn create_multipart_upload(
        &self,
        request: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        let mut input = request.input;
        let algorithm = input.checksum_algorithm.as_ref().map(|algorithm| algorithm.as_str().to_owned());
        if let Some(algorithm) = &algorithm {
            receive::hasher_of(algorithm)?;
        }
        let full = input.checksum_type.as_ref().map(|kind| kind.as_str() == ChecksumType::FULL_OBJECT);
        let upload = Upload {
            key: input.key.clone(),
            initiated: self.now(),
            tags: tags_of_header(input.tagging.as_deref())?,
            properties: properties!(input),
            // What S3 makes of an algorithm without a type (documentation: "Checking object integrity").
            is_full_checksum: full.unwrap_or(algorithm.as_deref() == Some("CRC64NVME")),
            algorithm: algorithm.clone(),
            parts: BTreeMap::new(),
        };
        let checksum_type = if upload.is_full_checksum { ChecksumType::FULL_OBJECT } else { ChecksumType::COMPOSITE };
        let upload_id = self.0.next_upload_id();
        self.with(&input.bucket, |bucket| {
            bucket.uploads.insert(upload_id.clone(), upload);
            Ok(())
        })?;
        Ok(S3Response::new(CreateMultipartUploadOutput {
            bucket: Some(input.bucket),
            checksum_type: algorithm.is_some().then(|| ChecksumType::from_static(checksum_type)),
            checksum_algorithm: input.checksum_algorithm,
            key: Some(input.key),
            upload_id: Some(upload_id),
            ..CreateMultipartUploadOutput::default()
        }))
    }

    async fn upload_part(&self, request: S3Request<UploadPartInput>) -> S3Result<S3Response<UploadPartOutput>> {
        let mut request = request;
        let input = &mut request.input;
        let (bucket, key, upload_id) = (input.bucket.clone(), input.key.clone(), input.upload_id.clone());
        let number = part_number(input.part_number)?;
        let algorithm = self.with(&bucket, |bucket| Ok(bucket.upload(&key, &upload_id)?.algorithm.clone()))?;
        let expected = Expected {
            md5: input.content_md5.take(),
            checksum: sent_checksum!(input),
            algorithm: input.checksum_algorithm.as_ref().map(|algorithm| algorithm.as_str().to_owned()).or(algorithm),
            trailer: None,
        };
        let body = input.body.take();
        let received = self.receive(&request, body, expected).await?;
        let part = self.add_part(&bucket, &key, &upload_id, number, received)?;
        Ok(S3Response::new(UploadPartOutput {
            checksum_crc32: part.checksum.checksum_crc32,
            checksum_crc32c: part.checksum.checksum_crc32c,
            checksum_crc64nvme: part.checksum.checksum_crc64nvme,
            checksum_sha1: part.checksum.checksum_sha1,
            checksum_sha256: part.checksum.checksum_sha256,
            e_tag: Some(part.etag),
            ..UploadPartOutput::default()
        }))
    }

    async fn upload_part_copy(
        &self,
        request: S3Request<UploadPartCopyInput>,
    ) -> S3Result<S3Response<UploadPartCopyOutput>> {
        let input = request.input;
        let number = part_number(input.part_number)?;
        let (_, _, source) = self.source(&input.copy_source)?;
        let range = input.copy_source_range.as_deref().map(|text| {
            Range::parse(text).map_err(|_| {
                s3_error!(
                    InvalidArgument,
                    "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the \
                     zero-based offsets of the first and last bytes to copy"
                )
            })
        });
        let (range, _) = selected(&source, range.transpose()?, None)?;
        let content = source.content.part(range);
        let received =
            Received { share: self.share(&content)?, md5: md5_of(&content), content, checksum: Checksum::default() };
        let part = self.add_part(&input.bucket, &input.key, &input.upload_id, number, received)?;
        let result = CopyPartResult {
            e_tag: Some(part.etag),
            last_modified: Some(timestamp(self.now())),
            ..CopyPartResult::default()
        };
        Ok(S3Response::new(UploadPartCopyOutput { copy_part_result: Some(result), ..UploadPartCopyOutput::default() }))
    }

    async fn complete_multipart_upload(
        &self,
        request: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let cause = Cause::of(&request);
        let input = request.input;
        let parts = input.multipart_upload.and_then(|upload| upload.parts).unwrap_or_default();
        let named = parts
            .into_iter()
            .map(|part| NamedPart { number: part.part_number.unwrap_or_default(), etag: part.e_tag })
            .collect::<Vec<_>>();
        let conditions = Writes { if_match: input.if_match, if_none_match: input.if_none_match };
        let object = self.with(&input.bucket, |bucket| {
            let present = bucket.objects.get(&input.key).cloned();
            let upload = bucket.upload(&input.key, &input.upload_id)?;
            upload.check(&named)?;
            conditions.check(present.as_deref())?;
            let mut upload = bucket.uploads.remove(&input.upload_id).ok_or(S3ErrorCode::NoSuchUpload)?;
            let (mut content, mut share, mut md5) = (Content::default(), self.0.room.empty_share(), Md5::new());
            for name in &named {
                if let Some(part) = upload.parts.get(&name.number) {
                    content.append(&part.content);
                    md5.update(part.md5);
                }
            }
            let checksum = checksum_of_parts(&upload, &named, &content)?;
            let sizes = named.iter().filter_map(|name| {
                let part = upload.parts.remove(&name.number)?;
                share.merge(part.share);
                Some(part.content.bytes())
            });
            Ok(Object {
                parts: sizes.collect(),
                etag: format!("{}-{}", hex(&md5.finalize()), named.len()),
                _share: Arc::new(share),
                content,
                modified: self.now(),
                properties: upload.properties,
                tags: upload.tags,
                checksum,
                version_id: None,
            })
        })?;
        let object =
            self.store(&input.bucket, &input.key, object, &Writes::default(), EventName::CreatedMultipart, cause)?;
        let checksum = object.checksum.clone();
        Ok(S3Response::new(CompleteMultipartUploadOutput {
            location: Some(format!("/{}/{}", input.bucket, utf8_percent_encode(&input.key, KEY))),
            bucket: Some(input.bucket),
            checksum_crc32: checksum.checksum_crc32,
            checksum_crc32c: checksum.checksum_crc32c,
            checksum_crc64nvme: checksum.checksum_crc64nvme,
            checksum_sha1: checksum.checksum_sha1,
            checksum_sha256: checksum.checksum_sha256,
            checksum_type: checksum.checksum_type,
            e_tag: Some(etag(&object.etag)),
            key: Some(input.key),
            version_id: object.version_id.clone(),
            ..CompleteMultipartUploadOutput::default()
        }))
    }

    async fn abort_multipart_upload(
        &self,
        request: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        let input = request.input;
        self.with(&input.bucket, |bucket| {
            bucket.upload(&input.key, &input.upload_id)?;
            bucket.uploads.remove(&input.upload_id);
            Ok(())
        })?;
        Ok(S3Response::with_status(AbortMultipartUploadOutput::default(), StatusCode::NO_CONTENT))
    }

    async fn list_parts(&self, request: S3Request<ListPartsInput>) -> S3Result<S3Response<ListPartsOutput>> {
        let input = request.input;
        let (max, after) = (page_size(input.max_parts)?, input.part_number_marker.unwrap_or_default());
        let (parts, is_truncated) = self.with(&input.bucket, |bucket| {
            let upload = bucket.upload(&input.key, &input.upload_id)?;
            let mut all = upload.parts.range(after.saturating_add(1)..);
            let parts = all.by_ref().take(max).map(|(number, part)| ListedPart {
                checksum_crc32: part.checksum.checksum_crc32.clone(),
                checksum_crc32c: part.checksum.checksum_crc32c.clone(),
                checksum_crc64nvme: part.checksum.checksum_crc64nvme.clone(),
                checksum_sha1: part.checksum.checksum_sha1.clone(),
                checksum_sha256: part.checksum.checksum_sha256.clone(),
                e_tag: Some(etag(&hex(&part.md5))),
                last_modified: Some(timestamp(part.modified)),
                part_number: Some(*number),
                size: i64::try_from(part.content.bytes()).ok(),
            });
            Ok((parts.collect::<Vec<_>>(), all.next().is_some()))
        })?;
        Ok(S3Response::new(ListPartsOutput {
            bucket: Some(input.bucket),
            is_truncated: Some(is_truncated),
            key: Some(input.key),
            max_parts: i32::try_from(max).ok(),
            next_part_number_marker: parts.last().and_then(|part| part.part_number).filter(|_| is_truncated),
            part_number_marker: Some(after),
            owner: Some(owner()),
            parts: Some(parts),
            upload_id: Some(input.upload_id),
            ..ListPartsOutput::default()
        }))
    }

    async fn list_multipart_uploads(
        &self,
        request: S3Request<ListMultipartUploadsInput>,
    ) -> S3Result<S3Response<ListMultipartUploadsOutput>> {
        let input = request.input;
        let prefix = input.prefix.unwrap_or_default();
        let uploads = self.with(&input.bucket, |bucket| {
            let uploads = bucket.uploads.iter().filter(|(_, upload)| upload.key.starts_with(&prefix));
            let mut uploads = uploads
                .map(|(id, upload)| MultipartUpload {
                    initiated: Some(timestamp(upload.initiated)),
                    key: Some(upload.key.clone()),
                    owner: Some(owner()),
                    upload_id: Some(id.clone()),
                    ..MultipartUpload::default()
                })
                .collect::<Vec<_>>();
            uploads.sort_by(|one, other| one.key.cmp(&other.key));
            Ok(uploads)
        })?;
        Ok(S3Response::new(ListMultipartUploadsOutput {
            bucket: Some(input.bucket),
            is_truncated: Some(false),
            prefix: Some(prefix),
            uploads: Some(uploads),
            ..ListMultipartUploadsOutput::default()
        }))
    }
}

/// What S3 says of an object of which nothing was said.
const BINARY: &str = "binary/octet-stream";

/// A part that has been taken in.
struct Added {
    etag: ETag,
    checksum: Checksum,
}

impl Actions {
    async fn put(&self, request: S3Request<PutObjectInput>, name: EventName) -> S3Result<S3Response<PutObjectOutput>> {
        let cause = Cause::of(&request);
        let mut request = request;
        let input = &mut request.input;
        let (bucket, key) = (input.bucket.clone(), input.key.clone());
        // Before the body is read: most that is refused is refused for this.
        let conditions = Writes { if_match: input.if_match.take(), if_none_match: input.if_none_match.take() };
        self.with(&bucket, |bucket| conditions.check(bucket.objects.get(&key).map(|object| &**object)))?;
        let (properties, tags) = (properties!(input), tags_of_header(input.tagging.as_deref())?);
        let expected = Expected {
            md5: input.content_md5.take(),
            checksum: sent_checksum!(input),
            algorithm: input.checksum_algorithm.as_ref().map(|algorithm| algorithm.as_str().to_owned()),
            trailer: None,
        };
        let body = input.body.take();
        let Received { content, share, md5, mut checksum } = self.receive(&request, body, expected).await?;
        if ALGORITHMS.into_iter().any(|algorithm| receive::value(&checksum, algorithm).is_some()) {
            checksum.checksum_type = Some(ChecksumType::from_static(ChecksumType::FULL_OBJECT));
        }
        let object = Object {
            content,
            etag: hex(&md5),
            modified: self.now(),
            properties,
            tags,
            checksum,
            version_id: None,
            parts: Vec::new(),
            _share: Arc::new(share),
        };
        let object = self.store(&bucket, &key, object, &conditions, name, cause)?;
        let checksum = object.checksum.clone();
        Ok(S3Response::new(PutObjectOutput {
            checksum_crc32: checksum.checksum_crc32,
            checksum_crc32c: checksum.checksum_crc32c,
            checksum_crc64nvme: checksum.checksum_crc64nvme,
            checksum_sha1: checksum.checksum_sha1,
            checksum_sha256: checksum.checksum_sha256,
            checksum_type: checksum.checksum_type,
            e_tag: Some(etag(&object.etag)),
            version_id: object.version_id.clone(),
            ..PutObjectOutput::default()
        }))
    }

    fn add_part(&self, bucket: &str, key: &str, upload_id: &str, number: i32, received: Received) -> S3Result<Added> {
        let Received { content, share, md5, checksum } = received;
        let added = Added { etag: etag(&hex(&md5)), checksum: checksum.clone() };
        self.with(bucket, |bucket| {
            let part = Part { content, share, md5, checksum, modified: self.now() };
            bucket.upload(key, upload_id)?.parts.insert(number, part);
            Ok(added)
        })
    }

    fn set_tags(
        &self,
        bucket: &str,
        key: &str,
        tags: Vec<(String, String)>,
        name: EventName,
        cause: Cause,
    ) -> S3Result<Option<String>> {
        let object = self.with(bucket, |place| {
            let object = Arc::new(Object { tags, ..Object::clone(place.object(key)?) });
            place.objects.insert(key.to_owned(), Arc::clone(&object));
            Ok(object)
        })?;
        self.publish(bucket, key, &object, object.version_id.clone(), name, cause);
        Ok(object.version_id.clone())
    }
}

fn part_number(number: i32) -> S3Result<i32> {
    if (1..=PARTS_MAX).contains(&number) {
        return Ok(number);
    }
    Err(s3_error!(InvalidArgument, "Part number must be an integer between 1 and 10000, inclusive"))
}

fn md5_of(content: &Content) -> [u8; 16] {
    let mut md5 = Md5::new();
    content.blocks().iter().for_each(|block| md5.update(block));
    md5.finalize().into()
}

fn content_range(object: &Object, range: &ByteRange<u64>, is_part: bool) -> Option<String> {
    (is_part && range.end > range.start)
        .then(|| format!("bytes {}-{}/{}", range.start, range.end - 1, object.content.bytes()))
}
