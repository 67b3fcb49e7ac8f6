//! Objects: put, shown, copied, removed.

use std::{ops::Range as ByteRange, sync::Arc};

use http::StatusCode;
use md5::{Digest as _, Md5};
use s3s::{
    S3Error, S3ErrorCode, S3Request, S3Response, S3Result,
    dto::{
        Checksum, ChecksumType, CopyObjectInput, CopyObjectOutput, CopyObjectResult, DeleteObjectsInput,
        DeleteObjectsOutput, DeletedObject, Error as DeleteError, GetObjectInput, GetObjectOutput, HeadObjectInput,
        HeadObjectOutput, MetadataDirective, PutObjectInput, PutObjectOutput, TaggingDirective,
    },
};

use super::super::{
    content::Content,
    event::EventName,
    keep::refused,
    object::Object,
    receive::{self, ALGORITHMS, Expected, Received},
    store::hex,
};
use super::{
    Actions, Cause, check_version,
    conditions::{Reads, Writes, failed, selected},
    etag,
    listing::PAGE_MAX,
    tags::tags_of_header,
    timestamp,
};

/// What S3 says of an object of which nothing was said.
pub(super) const BINARY: &str = "binary/octet-stream";

/// Whether a client said that it compares checksums.
pub(super) fn shows_checksum(mode: Option<&s3s::dto::ChecksumMode>) -> bool {
    mode.is_some_and(|mode| mode.as_str() == s3s::dto::ChecksumMode::ENABLED)
}

pub(super) fn md5_of(content: &Content) -> S3Result<[u8; 16]> {
    let mut md5 = Md5::new();
    let read = content.read(|piece| {
        md5.update(piece);
        Ok(())
    });
    read.map_err(|error| refused(&error))?;
    Ok(md5.finalize().into())
}

pub(super) fn content_range(object: &Object, range: &ByteRange<u64>, is_part: bool) -> Option<String> {
    (is_part && range.end > range.start)
        .then(|| format!("bytes {}-{}/{}", range.start, range.end - 1, object.content.bytes()))
}

/// The conditions that a request for an object brings.
macro_rules! reads {
    ($input:expr) => {
        Reads {
            if_match: $input.if_match.as_ref(),
            if_none_match: $input.if_none_match.as_ref(),
            if_modified_since: $input.if_modified_since.as_ref(),
            if_unmodified_since: $input.if_unmodified_since.as_ref(),
        }
    };
}

/// What is said of an object with its bytes and without them, beside what `$said` says.
macro_rules! described {
    ($output:ident, $said:expr, $object:expr, $checksum:expr, $range:expr, $is_part:expr, $part_number:expr) => {{
        let (properties, checksum) = ($object.properties.clone(), $checksum);
        $output {
            accept_ranges: Some("bytes".to_owned()),
            content_length: i64::try_from($range.end - $range.start).ok(),
            content_range: content_range(&$object, &$range, $is_part),
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
            e_tag: Some(etag(&$object.etag)),
            expires: properties.expires,
            last_modified: Some(timestamp($object.modified)),
            metadata: properties.metadata,
            parts_count: $part_number.and(i32::try_from($object.parts.len()).ok().filter(|count| *count > 0)),
            version_id: $object.version_id.clone(),
            ..$said
        }
    }};
}

impl Actions {
    pub(super) async fn put(
        &self,
        request: S3Request<PutObjectInput>,
        name: EventName,
    ) -> S3Result<S3Response<PutObjectOutput>> {
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

    pub(super) fn get(&self, request: &S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        let input = &request.input;
        let (object, content) = self.0.store().read(&input.bucket, &input.key)?;
        check_version(input.version_id.as_deref(), &object)?;
        let reads = reads!(input);
        reads.check(&object)?;
        let (range, is_part) = selected(&object, input.range, input.part_number)?;
        let is_whole = !is_part || range.end - range.start == object.content.bytes();
        let checksum = if shows_checksum(input.checksum_mode.as_ref()) && is_whole {
            object.checksum.clone()
        } else {
            Checksum::default()
        };
        let said = GetObjectOutput {
            body: Some(content.part(range.clone()).into_body()),
            tag_count: i32::try_from(object.tags.len()).ok().filter(|count| *count > 0),
            ..GetObjectOutput::default()
        };
        let output = described!(GetObjectOutput, said, object, checksum, range, is_part, input.part_number);
        Ok(S3Response::new(output))
    }

    pub(super) fn head(&self, request: &S3Request<HeadObjectInput>) -> S3Result<S3Response<HeadObjectOutput>> {
        let input = &request.input;
        let object = self.object(&input.bucket, &input.key)?;
        check_version(input.version_id.as_deref(), &object)?;
        let reads = reads!(input);
        reads.check(&object)?;
        let (range, is_part) = selected(&object, input.range, input.part_number)?;
        let checksum =
            if shows_checksum(input.checksum_mode.as_ref()) { object.checksum.clone() } else { Checksum::default() };
        let said = HeadObjectOutput::default();
        let output = described!(HeadObjectOutput, said, object, checksum, range, is_part, input.part_number);
        let mut response = S3Response::new(output);
        response.status = is_part.then_some(StatusCode::PARTIAL_CONTENT);
        Ok(response)
    }

    pub(super) fn copy(&self, request: S3Request<CopyObjectInput>) -> S3Result<S3Response<CopyObjectOutput>> {
        let cause = Cause::of(&request);
        let mut input = request.input;
        let (bucket, key, source, content) = self.source(&input.copy_source)?;
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
        let object = Object {
            // The copy is one object, whatever parts the source came in.
            etag: if source.parts.is_empty() { source.etag.clone() } else { hex(&md5_of(&content)?) },
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

    pub(super) fn delete_many(
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

    pub(super) fn set_tags(
        &self,
        bucket: &str,
        key: &str,
        tags: Vec<(String, String)>,
        name: EventName,
        cause: Cause,
    ) -> S3Result<Option<String>> {
        let object = self.0.store().tag(bucket, key, tags)?;
        self.publish(bucket, key, &object, object.version_id.clone(), name, cause);
        Ok(object.version_id.clone())
    }
}
