//! The field `if_exists` of an output: what is done about an object that is there.

use super::fields::JobFields;
use crate::failure::Failure;

/// What is done about an object in the place of an output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IfExists {
    /// It is replaced, which needs no look at it.
    #[default]
    Replace,
    /// It stays, and the output is not made.
    Skip,
    /// It stays if it is newer than the source.
    IfNewer,
}

const ACCEPTED: &str = "replace, skip or if-newer";

impl IfExists {
    /// As in a job.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Replace => "replace",
            Self::Skip => "skip",
            Self::IfNewer => "if-newer",
        }
    }

    /// Reads the field of an output.
    pub(super) fn read(fields: &mut JobFields<'_>) -> Result<Self, Failure> {
        let all = [Self::Replace, Self::Skip, Self::IfNewer];
        let from = |word: &str| all.into_iter().find(|each| each.word() == word);
        Ok(fields.word("if_exists", ACCEPTED, from)?.unwrap_or_default())
    }
}
