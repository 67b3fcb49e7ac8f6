//! Where buckets and objects are kept: in memory, which is all that [`Memory`] has to say, or in a folder.
//!
//! What there is, is known in memory either way; a keeper is told of each change before anybody sees it, and may refuse it.

use std::{fmt, io};

use s3s::{S3Error, S3ErrorCode};

use super::{
    content::{Content, Gathering, Sink},
    object::{Object, Settings},
};

/// Who keeps buckets and objects.
pub(super) trait Keep: fmt::Debug + Send + Sync {
    /// Where the body of an upload goes.
    fn gather(&self) -> io::Result<Box<dyn Sink>>;

    /// Brings content together so that [`put`](Keep::put) takes one step. It may take long, and needs no lock.
    fn settle(&self, content: Content) -> io::Result<Content>;

    /// Puts an object into its place, where that of before was. Returns its content as it is read from now on.
    fn put(&self, bucket: &str, key: &str, object: &Object, before: Option<&Object>) -> io::Result<Content>;

    /// Writes down what is said of an object whose content stays.
    fn describe(&self, bucket: &str, key: &str, object: &Object) -> io::Result<()>;

    fn remove(&self, bucket: &str, key: &str, object: &Object) -> io::Result<()>;

    fn put_bucket(&self, name: &str, settings: &Settings) -> io::Result<()>;

    /// Removes a bucket in which nothing is.
    fn remove_bucket(&self, name: &str) -> io::Result<()>;
}

/// In memory there is nothing more to do.
#[derive(Clone, Copy, Debug)]
pub(super) struct Memory;

impl Keep for Memory {
    fn gather(&self) -> io::Result<Box<dyn Sink>> {
        Ok(Box::<Gathering>::default())
    }

    fn settle(&self, content: Content) -> io::Result<Content> {
        Ok(content)
    }

    fn put(&self, _: &str, _: &str, object: &Object, _: Option<&Object>) -> io::Result<Content> {
        Ok(object.content.clone())
    }

    fn describe(&self, _: &str, _: &str, _: &Object) -> io::Result<()> {
        Ok(())
    }

    fn remove(&self, _: &str, _: &str, _: &Object) -> io::Result<()> {
        Ok(())
    }

    fn put_bucket(&self, _: &str, _: &Settings) -> io::Result<()> {
        Ok(())
    }

    fn remove_bucket(&self, _: &str) -> io::Result<()> {
        Ok(())
    }
}

/// What a client hears of a folder that does not take or give what it should.
pub(super) fn refused(error: &io::Error) -> S3Error {
    let is_full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
    let what =
        if is_full { "The disk of the folder with the buckets is full" } else { "The folder with the buckets failed" };
    tracing::warn!(%error, "{what}");
    S3Error::with_message(S3ErrorCode::InternalError, format!("{what}; nothing was changed: {error}"))
}
