//! Listings, in pages.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use s3s::{
    S3Request, S3Response, S3Result,
    dto::{
        CommonPrefix, EncodingType, ListObjectsInput, ListObjectsOutput, ListObjectsV2Input, ListObjectsV2Output,
        Object as ListedObject, ObjectStorageClass,
    },
    s3_error,
};

use super::super::store::{Bucket, Listed};
use super::{Actions, etag, owner, timestamp};
use crate::buckets::store::Page;

/// What a page of a listing may hold (documentation: `ListObjectsV2`).
pub(super) const PAGE_MAX: usize = 1_000;

/// What a listing leaves as it is when it encodes keys.
pub(super) const KEY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');

/// A key in a listing, encoded if the client asked for that.
pub(super) fn shown(text: &str, encoding: Option<&EncodingType>) -> String {
    if encoding.is_some_and(|encoding| encoding.as_str() == EncodingType::URL) {
        utf8_percent_encode(text, KEY).to_string()
    } else {
        text.to_owned()
    }
}

pub(super) fn page_size(asked: Option<i32>) -> S3Result<usize> {
    let error = |_| s3_error!(InvalidArgument, "Argument maxKeys must be an integer between 0 and 2147483647");
    usize::try_from(asked.unwrap_or(1_000)).map(|asked| asked.min(PAGE_MAX)).map_err(error)
}

/// What both kinds of listing show of a page.
pub(super) struct Shown {
    pub(super) contents: Vec<ListedObject>,
    pub(super) prefixes: Vec<CommonPrefix>,
    pub(super) is_truncated: bool,
    /// The last that is shown, as it is.
    pub(super) last: Option<String>,
}

pub(super) fn list(
    bucket: &Bucket,
    prefix: &str,
    delimiter: &str,
    after: &str,
    max: usize,
    encoding: Option<&EncodingType>,
    shows_owner: bool,
) -> Shown {
    // Of nothing there is no next page.
    let page = if max == 0 { Page::default() } else { bucket.page(prefix, delimiter, after, max) };
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

impl Actions {
    pub(super) fn first_listing(
        &self,
        request: S3Request<ListObjectsInput>,
    ) -> S3Result<S3Response<ListObjectsOutput>> {
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

    pub(super) fn listing(&self, request: S3Request<ListObjectsV2Input>) -> S3Result<S3Response<ListObjectsV2Output>> {
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
}
