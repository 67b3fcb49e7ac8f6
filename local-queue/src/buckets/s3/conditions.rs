//! Conditions of reads and writes, ranges and parts.

use std::ops::Range as ByteRange;

use http::StatusCode;
use s3s::{
    S3Error, S3ErrorCode, S3Result,
    dto::{ETagCondition, Range, Timestamp},
    s3_error,
};

use super::super::object::Object;
use super::timestamp;
use crate::buckets::Arguments;

/// The conditions of a write.
#[derive(Debug, Default)]
pub(super) struct Writes {
    pub(super) if_match: Option<ETagCondition>,
    pub(super) if_none_match: Option<ETagCondition>,
}

impl Writes {
    pub(super) fn check(&self, present: Option<&Object>) -> S3Result<()> {
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

pub(super) fn meets(condition: &ETagCondition, object: &Object) -> bool {
    match condition {
        ETagCondition::Any => true,
        ETagCondition::ETag(etag) => etag.value() == object.etag,
    }
}

pub(super) fn failed(condition: &'static str) -> S3Error {
    Arguments::refuse(
        S3ErrorCode::PreconditionFailed,
        "At least one of the pre-conditions you specified did not hold",
        &[("Condition", condition)],
    )
}

/// The conditions of a read, in the order that HTTP asks for.
#[derive(Debug, Default)]
#[expect(clippy::struct_field_names, reason = "the names of the headers")]
pub(super) struct Reads<'a> {
    pub(super) if_match: Option<&'a ETagCondition>,
    pub(super) if_none_match: Option<&'a ETagCondition>,
    pub(super) if_modified_since: Option<&'a Timestamp>,
    pub(super) if_unmodified_since: Option<&'a Timestamp>,
}

impl Reads<'_> {
    pub(super) fn check(&self, object: &Object) -> S3Result<()> {
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
pub(super) fn other(
    code: &'static str,
    status: StatusCode,
    text: impl Into<std::borrow::Cow<'static, str>>,
) -> S3Error {
    let mut error = S3Error::with_message(S3ErrorCode::Custom(code.into()), text);
    error.set_status_code(status);
    error
}

/// Those of `object` that a range or a part's number means, and the header that says so.
pub(super) fn selected(object: &Object, range: Option<Range>, part: Option<i32>) -> S3Result<(ByteRange<u64>, bool)> {
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
        Arguments::refuse(
            S3ErrorCode::InvalidRange,
            "The requested range is not satisfiable",
            &[("ActualObjectSize", &bytes.to_string())],
        )
    })?;
    Ok((range, true))
}
