//! Which outputs of a job are to be made, by what is in their places.

use futures_util::future::try_join_all;

use crate::failure::Failure;
use crate::job::{IfExists, Output, ResizeJob};
use crate::storage::Storage;

/// For each output, in the order of the job, whether it is to be made. Asks for nothing where a job replaces whatever is
/// there, and for the age of the source only where a target is there to be compared.
pub(super) async fn outputs(job: &ResizeJob, storage: &Storage) -> Result<Vec<bool>, Failure> {
    let look = async |output: &Output| match output.if_exists {
        IfExists::Replace => Ok(None),
        IfExists::Skip | IfExists::IfNewer => storage.existing(&output.target).await,
    };
    let existing = try_join_all(job.outputs().iter().map(look)).await?;
    let both = || job.outputs().iter().zip(&existing);
    let compares = both().any(|(output, existing)| output.if_exists == IfExists::IfNewer && existing.is_some());
    let source = if compares { Some(storage.head(job.source()).await?) } else { None };
    let is_due = |(output, existing): (&Output, &Option<_>)| match (output.if_exists, existing) {
        (IfExists::Replace, _) | (_, None) => true,
        (IfExists::Skip, Some(_)) => false,
        (IfExists::IfNewer, Some(existing)) => source.is_none_or(|source| source.may_be_newer_than(*existing)),
    };
    Ok(both().map(is_due).collect())
}
