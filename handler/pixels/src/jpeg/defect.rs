//! What the decoder finds wrong.

use crate::error::PixelError;
use crate::format::InputFormat;

const FORMAT: InputFormat = InputFormat::Jpeg;

/// What is wrong with a file, in few bytes for the hot loops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Defect {
    /// What is missing.
    Truncated(&'static str),
    /// What is contradictory.
    Corrupt(&'static str),
    /// More scans than this.
    TooManyScans(u32),
    /// The machine has no memory for a few rows.
    OutOfMemory,
}

impl From<Defect> for PixelError {
    fn from(defect: Defect) -> Self {
        match defect {
            Defect::Truncated(missing) => Self::truncated(FORMAT, missing),
            Defect::Corrupt(reason) => Self::corrupt(FORMAT, reason),
            Defect::TooManyScans(scans_max) => Self::TooManyScans { scans_max },
            Defect::OutOfMemory => Self::OutOfMemory { bytes: 0 },
        }
    }
}
