//! Tags of objects and buckets.

use http::StatusCode;
use s3s::{S3Error, S3ErrorCode, S3Result, dto::Tag, s3_error};

use super::conditions::other;

pub(super) const TAGS_MAX: usize = 10;

pub(super) const BUCKET_TAGS_MAX: usize = 50;

/// The tags of a header, which is a form.
pub(super) fn tags_of_header(header: Option<&str>) -> S3Result<Vec<(String, String)>> {
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
pub(super) fn checked(tags: Option<Vec<(String, String)>>, max: usize) -> Option<Vec<(String, String)>> {
    let tags = tags?;
    let names = tags.iter().map(|(key, _)| key).collect::<std::collections::BTreeSet<_>>();
    let is_allowed =
        |(key, value): &(String, String)| (1..=128).contains(&key.chars().count()) && value.chars().count() <= 256;
    (names.len() == tags.len() && tags.len() <= max && tags.iter().all(is_allowed)).then_some(tags)
}

pub(super) fn tags_of_set(set: Vec<Tag>, max: usize) -> S3Result<Vec<(String, String)>> {
    if set.len() > max {
        let text = format!("Object tags cannot be greater than {max}");
        return Err(other("BadRequest", StatusCode::BAD_REQUEST, text));
    }
    let tags = set.into_iter().map(|tag| Some((tag.key?, tag.value.unwrap_or_default()))).collect();
    checked(tags, max).ok_or_else(|| s3_error!(InvalidTag, "The tag provided was not a valid tag."))
}

pub(super) fn tag_set(tags: &[(String, String)]) -> Vec<Tag> {
    tags.iter().map(|(key, value)| Tag { key: Some(key.clone()), value: Some(value.clone()) }).collect()
}
