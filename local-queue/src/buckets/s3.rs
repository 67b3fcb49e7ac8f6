//! The actions of S3 that there are, by the protocol of `s3s`.

/// What a request says of its object, taken out of it.
macro_rules! properties {
    ($input:expr) => {
        $crate::buckets::object::Properties {
            cache_control: $input.cache_control.take(),
            content_disposition: $input.content_disposition.take(),
            content_encoding: $input
                .content_encoding
                .take()
                .and_then(|encoding| $crate::buckets::s3::without_framing(&encoding)),
            content_language: $input.content_language.take(),
            content_type: $input.content_type.take(),
            expires: $input.expires.take(),
            metadata: $input.metadata.take(),
        }
    };
}

/// The checksums that a request brings, taken out of it.
macro_rules! sent_checksum {
    ($input:expr) => {
        s3s::dto::Checksum {
            checksum_crc32: $input.checksum_crc32.take(),
            checksum_crc32c: $input.checksum_crc32c.take(),
            checksum_crc64nvme: $input.checksum_crc64nvme.take(),
            checksum_sha1: $input.checksum_sha1.take(),
            checksum_sha256: $input.checksum_sha256.take(),
            checksum_type: None,
        }
    };
}

// These use the macros above.
mod conditions;
mod listing;
mod objects;
mod tags;
mod uploads;

use std::sync::Arc;

use http::StatusCode;
use s3s::{
    S3, S3ErrorCode, S3Request, S3Response, S3Result,
    dto::{
        AbortMultipartUploadInput, AbortMultipartUploadOutput, Bucket as ListedBucket, BucketLocationConstraint,
        BucketVersioningStatus, CompleteMultipartUploadInput, CompleteMultipartUploadOutput, CopyObjectInput,
        CopyObjectOutput, CopySource, CreateBucketInput, CreateBucketOutput, CreateMultipartUploadInput,
        CreateMultipartUploadOutput, DeleteBucketInput, DeleteBucketOutput, DeleteBucketTaggingInput,
        DeleteBucketTaggingOutput, DeleteObjectInput, DeleteObjectOutput, DeleteObjectTaggingInput,
        DeleteObjectTaggingOutput, DeleteObjectsInput, DeleteObjectsOutput, ETag, GetBucketLocationInput,
        GetBucketLocationOutput, GetBucketNotificationConfigurationInput, GetBucketNotificationConfigurationOutput,
        GetBucketTaggingInput, GetBucketTaggingOutput, GetBucketVersioningInput, GetBucketVersioningOutput,
        GetObjectInput, GetObjectOutput, GetObjectTaggingInput, GetObjectTaggingOutput, HeadBucketInput,
        HeadBucketOutput, HeadObjectInput, HeadObjectOutput, ListBucketsInput, ListBucketsOutput,
        ListMultipartUploadsInput, ListMultipartUploadsOutput, ListObjectsInput, ListObjectsOutput, ListObjectsV2Input,
        ListObjectsV2Output, ListPartsInput, ListPartsOutput, Owner, PutBucketNotificationConfigurationInput,
        PutBucketNotificationConfigurationOutput, PutBucketTaggingInput, PutBucketTaggingOutput,
        PutBucketVersioningInput, PutBucketVersioningOutput, PutObjectInput, PutObjectOutput, PutObjectTaggingInput,
        PutObjectTaggingOutput, Timestamp, UploadPartCopyInput, UploadPartCopyOutput, UploadPartInput,
        UploadPartOutput, VersioningConfiguration,
    },
    s3_error,
};

use self::{
    conditions::Writes,
    tags::{BUCKET_TAGS_MAX, TAGS_MAX, tag_set, tags_of_set},
};
use super::{
    Framing, Shared,
    content::Content,
    event::{EventName, RequestIds},
    keep::refused,
    notifications,
    object::Object,
    receive::{self, Behind, Expected, Received, Share},
    store::Bucket,
};
use crate::engine::Time;

const OWNER_ID: &str = "local-queue";

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
        object.content = self.0.keep.settle(object.content).map_err(|error| refused(&error))?;
        let object = {
            let mut store = self.0.store();
            let place = store.bucket(bucket)?;
            conditions.check(place.objects.get(key).map(|object| &**object))?;
            object.version_id = place.settings.is_versioned.then(|| self.0.next_version_id());
            store.put(bucket, key, object)?
        };
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
        let Ok(configuration) = self.with(bucket, |bucket| Ok(bucket.settings.notifications.clone())) else { return };
        notifications::publish(&configuration, &event, &self.0.reach());
        if configuration.event_bridge_configuration.is_some() {
            let rules = self.0.rules().clone();
            notifications::publish_to_rules(&rules, &event, &self.0.next_uuid(), &self.0.reach());
        }
    }

    /// Takes one object away. One that is not there is none the worse for it.
    fn remove(&self, bucket: &str, key: &str, version_id: Option<&str>, cause: Cause) -> S3Result<DeleteObjectOutput> {
        let (removed, marker) = {
            let mut store = self.0.store();
            let place = store.bucket(bucket)?;
            // Of the versions there is only the newest. One that is named and is another is gone already.
            let is_named = place.objects.get(key).is_some_and(|object| names(version_id, object));
            let marker = (place.settings.is_versioned && version_id.is_none()).then(|| self.0.next_version_id());
            (if is_named { store.remove(bucket, key)? } else { None }, marker)
        };
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
        let gathering = self.0.keep.gather().map_err(|error| refused(&error))?;
        receive::receive(body, expected, gathering, refused, &self.0.room, self.0.object_bytes_max).await
    }

    /// What is copied, with its bytes.
    fn source(&self, source: &CopySource) -> S3Result<(String, String, Arc<Object>, Content)> {
        let CopySource::Bucket { bucket, key, version_id } = source else {
            return Err(s3_error!(NotImplemented, "A copy from an access point is not implemented."));
        };
        let (object, content) = self.0.store().read(bucket, key)?;
        check_version(version_id.as_deref(), &object)?;
        Ok((bucket.to_string(), key.to_string(), object, content))
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

/// S3 does not keep `aws-chunked`, which is how the body came.
fn without_framing(encoding: &str) -> Option<String> {
    let kept = encoding.split(',').map(str::trim).filter(|name| !name.eq_ignore_ascii_case("aws-chunked"));
    let kept = kept.filter(|name| !name.is_empty()).collect::<Vec<_>>().join(",");
    (!kept.is_empty()).then_some(kept)
}

#[async_trait::async_trait]
impl S3 for Actions {
    async fn list_buckets(&self, _: S3Request<ListBucketsInput>) -> S3Result<S3Response<ListBucketsOutput>> {
        let store = self.0.store();
        let buckets = store.all().map(|(name, bucket)| ListedBucket {
            bucket_region: None,
            creation_date: Some(timestamp(bucket.settings.created)),
            name: Some(name.clone()),
        });
        let buckets = Some(buckets.collect());
        Ok(S3Response::new(ListBucketsOutput { buckets, owner: Some(owner()), ..ListBucketsOutput::default() }))
    }

    async fn create_bucket(&self, request: S3Request<CreateBucketInput>) -> S3Result<S3Response<CreateBucketOutput>> {
        let name = request.input.bucket;
        let is_new = self.0.store().create(&name, self.now())?;
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
        let is_versioned = self.with(&request.input.bucket, |bucket| Ok(bucket.settings.is_versioned))?;
        let status = is_versioned.then(|| BucketVersioningStatus::from_static(BucketVersioningStatus::ENABLED));
        Ok(S3Response::new(GetBucketVersioningOutput { status, ..GetBucketVersioningOutput::default() }))
    }

    async fn put_bucket_versioning(
        &self,
        request: S3Request<PutBucketVersioningInput>,
    ) -> S3Result<S3Response<PutBucketVersioningOutput>> {
        let VersioningConfiguration { status, .. } = request.input.versioning_configuration;
        let is_versioned = status.is_some_and(|status| status.as_str() == BucketVersioningStatus::ENABLED);
        self.0.store().change(&request.input.bucket, |settings| settings.is_versioned = is_versioned)?;
        Ok(S3Response::new(PutBucketVersioningOutput::default()))
    }

    async fn get_bucket_tagging(
        &self,
        request: S3Request<GetBucketTaggingInput>,
    ) -> S3Result<S3Response<GetBucketTaggingOutput>> {
        let tags = self.with(&request.input.bucket, |bucket| Ok(bucket.settings.tags.clone()))?;
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
        self.0.store().change(&request.input.bucket, |settings| settings.tags = tags)?;
        Ok(S3Response::with_status(PutBucketTaggingOutput::default(), StatusCode::NO_CONTENT))
    }

    async fn delete_bucket_tagging(
        &self,
        request: S3Request<DeleteBucketTaggingInput>,
    ) -> S3Result<S3Response<DeleteBucketTaggingOutput>> {
        self.0.store().change(&request.input.bucket, |settings| settings.tags.clear())?;
        Ok(S3Response::with_status(DeleteBucketTaggingOutput::default(), StatusCode::NO_CONTENT))
    }

    async fn get_bucket_notification_configuration(
        &self,
        request: S3Request<GetBucketNotificationConfigurationInput>,
    ) -> S3Result<S3Response<GetBucketNotificationConfigurationOutput>> {
        let configuration = self.with(&request.input.bucket, |bucket| Ok(bucket.settings.notifications.clone()))?;
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
        self.get(&request)
    }

    async fn head_object(&self, request: S3Request<HeadObjectInput>) -> S3Result<S3Response<HeadObjectOutput>> {
        self.head(&request)
    }

    async fn copy_object(&self, request: S3Request<CopyObjectInput>) -> S3Result<S3Response<CopyObjectOutput>> {
        self.copy(request)
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
        self.delete_many(request)
    }

    async fn list_objects(&self, request: S3Request<ListObjectsInput>) -> S3Result<S3Response<ListObjectsOutput>> {
        self.first_listing(request)
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        self.listing(request)
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
        self.begin_upload(request)
    }

    async fn upload_part(&self, request: S3Request<UploadPartInput>) -> S3Result<S3Response<UploadPartOutput>> {
        self.take_part(request).await
    }

    async fn upload_part_copy(
        &self,
        request: S3Request<UploadPartCopyInput>,
    ) -> S3Result<S3Response<UploadPartCopyOutput>> {
        self.copy_part(request)
    }

    async fn complete_multipart_upload(
        &self,
        request: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        self.complete_upload(request)
    }

    async fn abort_multipart_upload(
        &self,
        request: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        self.abort_upload(request)
    }

    async fn list_parts(&self, request: S3Request<ListPartsInput>) -> S3Result<S3Response<ListPartsOutput>> {
        self.parts(request)
    }

    async fn list_multipart_uploads(
        &self,
        request: S3Request<ListMultipartUploadsInput>,
    ) -> S3Result<S3Response<ListMultipartUploadsOutput>> {
        self.uploads(request)
    }
}
