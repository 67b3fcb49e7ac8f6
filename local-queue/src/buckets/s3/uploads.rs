//! Uploads in parts.

use std::{collections::BTreeMap, sync::Arc};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::StatusCode;
use md5::{Digest as _, Md5};
use percent_encoding::utf8_percent_encode;
use s3s::{
    S3ErrorCode, S3Request, S3Response, S3Result,
    dto::{
        AbortMultipartUploadInput, AbortMultipartUploadOutput, Checksum, ChecksumType, CompleteMultipartUploadInput,
        CompleteMultipartUploadOutput, CopyPartResult, CreateMultipartUploadInput, CreateMultipartUploadOutput, ETag,
        ListMultipartUploadsInput, ListMultipartUploadsOutput, ListPartsInput, ListPartsOutput, MultipartUpload,
        Part as ListedPart, Range, UploadPartCopyInput, UploadPartCopyOutput, UploadPartInput, UploadPartOutput,
    },
    s3_error,
};

use super::super::{
    content::Content,
    event::EventName,
    keep::refused,
    object::Object,
    receive::{self, Expected, Received},
    store::{NamedPart, PARTS_MAX, Part, Upload, hex},
};
use super::{
    Actions, Cause,
    conditions::{Writes, selected},
    etag,
    listing::{KEY, page_size},
    objects::md5_of,
    owner,
    tags::tags_of_header,
    timestamp,
};

pub(super) fn part_number(number: i32) -> S3Result<i32> {
    if (1..=PARTS_MAX).contains(&number) {
        return Ok(number);
    }
    Err(s3_error!(InvalidArgument, "Part number must be an integer between 1 and 10000, inclusive"))
}

/// What is computed of an upload's parts for the object, if they have checksums.
pub(super) fn checksum_of_parts(upload: &Upload, named: &[NamedPart], content: &Content) -> S3Result<Checksum> {
    let Some(algorithm) = upload.algorithm.as_deref() else { return Ok(Checksum::default()) };
    let mut hasher = receive::hasher_of(algorithm)?;
    if upload.is_full_checksum {
        let read = content.read(|piece| {
            hasher.update(piece);
            Ok(())
        });
        read.map_err(|error| refused(&error))?;
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

/// A part that has been taken in.
pub(super) struct Added {
    etag: ETag,
    checksum: Checksum,
}

impl Actions {
    pub(super) fn begin_upload(
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

    pub(super) async fn take_part(
        &self,
        request: S3Request<UploadPartInput>,
    ) -> S3Result<S3Response<UploadPartOutput>> {
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

    pub(super) fn copy_part(
        &self,
        request: S3Request<UploadPartCopyInput>,
    ) -> S3Result<S3Response<UploadPartCopyOutput>> {
        let input = request.input;
        let number = part_number(input.part_number)?;
        let (_, _, source, content) = self.source(&input.copy_source)?;
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
        let content = self.0.keep.settle(content.part(range)).map_err(|error| refused(&error))?;
        let received =
            Received { share: self.share(&content)?, md5: md5_of(&content)?, content, checksum: Checksum::default() };
        let part = self.add_part(&input.bucket, &input.key, &input.upload_id, number, received)?;
        let result = CopyPartResult {
            e_tag: Some(part.etag),
            last_modified: Some(timestamp(self.now())),
            ..CopyPartResult::default()
        };
        Ok(S3Response::new(UploadPartCopyOutput { copy_part_result: Some(result), ..UploadPartCopyOutput::default() }))
    }

    pub(super) fn complete_upload(
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

    pub(super) fn abort_upload(
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

    pub(super) fn parts(&self, request: S3Request<ListPartsInput>) -> S3Result<S3Response<ListPartsOutput>> {
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

    pub(super) fn uploads(
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

    fn add_part(&self, bucket: &str, key: &str, upload_id: &str, number: i32, received: Received) -> S3Result<Added> {
        let Received { content, share, md5, checksum } = received;
        let added = Added { etag: etag(&hex(&md5)), checksum: checksum.clone() };
        self.with(bucket, |bucket| {
            let part = Part { content, share, md5, checksum, modified: self.now() };
            bucket.upload(key, upload_id)?.parts.insert(number, part);
            Ok(added)
        })
    }
}
