//! The limits that stand between a stranger's file and the memory of the machine, as data in one table.

use super::area::Size;
use super::error::PixelError;

/// What to do with a file that lacks data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Truncated {
    /// It is an error.
    #[default]
    Refuse,
    /// What is missing, or follows a defect, is gray.
    Allow,
}

/// What is refused before anything is decoded. [`Limits::default`] is the documented policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the encoded file.
    pub file_bytes_max: u64,
    /// Pixels of the source, and of each output.
    pub pixels_max: u64,
    /// Pixels along one side of the source.
    pub side_max: u32,
    /// Scans of one JPEG. A file of nothing but empty scans keeps a decoder busy for seconds a megabyte.
    pub jpeg_scans_max: u32,
    /// Bytes of a colour profile, which may be compressed, and what a decoder may spend on metadata beyond the price of the
    /// pixels.
    pub metadata_bytes_max: u64,
    /// Bytes of memory for decoding, scaling and encoding one job.
    pub memory_bytes_max: u64,
    /// What is made of a file that ends before its image does.
    pub truncated: Truncated,
}

impl Limits {
    /// The documented policy: what a large camera writes passes, what only a bomb writes does not.
    pub const DEFAULT: Self = Self {
        file_bytes_max: 256 * 1024 * 1024,
        pixels_max: 50_000_000,
        side_max: 65_535,
        jpeg_scans_max: 100,
        metadata_bytes_max: 4 * 1024 * 1024,
        memory_bytes_max: 1024 * 1024 * 1024,
        truncated: Truncated::Refuse,
    };

    /// Checks the dimensions that a header claims.
    pub(super) fn check_source(&self, size: Size) -> Result<(), PixelError> {
        if size.pixels() > self.pixels_max {
            return Err(PixelError::TooManyPixels { size, pixels_max: self.pixels_max });
        }
        if size.width.max(size.height) > self.side_max {
            return Err(PixelError::SideTooLong { size, side_max: self.side_max });
        }
        Ok(())
    }

    /// Checks the length of the file.
    pub(super) fn check_file(&self, bytes: &[u8]) -> Result<(), PixelError> {
        let length = bytes.len() as u64;
        if length > self.file_bytes_max {
            return Err(PixelError::FileTooLong { bytes: length, bytes_max: self.file_bytes_max });
        }
        Ok(())
    }

    /// Checks the length of a colour profile.
    pub(super) fn check_profile(&self, bytes: u64) -> Result<(), PixelError> {
        if bytes > self.metadata_bytes_max {
            return Err(PixelError::ProfileTooLong { bytes_max: self.metadata_bytes_max });
        }
        Ok(())
    }

    /// Checks the dimensions of an output.
    pub(super) fn check_output(&self, size: Size) -> Result<(), PixelError> {
        if size.pixels() > self.pixels_max {
            return Err(PixelError::OutputTooManyPixels { size, pixels_max: self.pixels_max });
        }
        Ok(())
    }

    /// Checks the price of a whole job.
    pub(super) fn check_memory(&self, bytes: u64) -> Result<(), PixelError> {
        if bytes > self.memory_bytes_max {
            return Err(PixelError::OverMemory { bytes, bytes_max: self.memory_bytes_max });
        }
        Ok(())
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}
