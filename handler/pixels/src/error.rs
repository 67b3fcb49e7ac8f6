//! What can be wrong with an image or with what was asked of it, sorted by whose fault it is.
//!
//! Every text is a fragment that fits after "failed to resize: " and names what was found and what would be accepted.

use thiserror::Error;

use super::area::Size;
use super::format::{ACCEPTED, EncodedFormat, InputFormat};

/// Who has to change something before the same request can succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The file: it is broken, cut off, or of a kind that is not read.
    Input,
    /// The policy: the file may be fine, but it exceeds a configured limit.
    Limit,
    /// The request: it asks for something that no file can give.
    Request,
    /// This program or its machine.
    Ours,
}

/// Why an image was refused or an output could not be encoded.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PixelError {
    /// Nothing to read.
    #[error("file is empty; accepted are {ACCEPTED}")]
    Empty,
    /// The first bytes belong to no format that is known here.
    #[error("file is not a known image format; accepted are {ACCEPTED}")]
    Unrecognised,
    /// A known format that is not read.
    #[error("file is {found}, which is not supported; accepted are {ACCEPTED}")]
    UnsupportedFormat {
        /// The name of the format.
        found: &'static str,
    },
    /// A format that this build does not read, and another one does.
    #[error("file is {format}, which this build cannot read without the feature {feature}; accepted are {ACCEPTED}")]
    InputNotBuilt {
        /// The format of the file.
        format: InputFormat,
        /// The feature of the package that has it.
        feature: &'static str,
    },
    /// An accepted format with a feature that is not read.
    #[error("{format} uses {feature}, which is not supported")]
    UnsupportedFeature {
        /// The format of the file.
        format: InputFormat,
        /// What it uses.
        feature: String,
    },
    /// The file ends before the image does.
    #[error("{format} is truncated: {missing}")]
    Truncated {
        /// The format of the file.
        format: InputFormat,
        /// What should have followed.
        missing: String,
    },
    /// Even at the best possible compression the file cannot hold the pixels that its header claims.
    #[error("{format} is too short to hold the {width}x{height} pixels it claims")]
    TooShort {
        /// The format of the file.
        format: InputFormat,
        /// As claimed.
        width: u32,
        /// As claimed.
        height: u32,
    },
    /// The file contradicts its format.
    #[error("{format} is corrupt: {reason}")]
    Corrupt {
        /// The format of the file.
        format: InputFormat,
        /// What contradicts it.
        reason: String,
    },
    /// More pixels than the policy allows.
    #[error(
        "image is {}x{} ({} MP); the limit is {} MP (MAX_PIXELS)",
        .size.width,
        .size.height,
        megapixels(.size.pixels()),
        megapixels(*.pixels_max)
    )]
    TooManyPixels {
        /// As stored.
        size: Size,
        /// The limit.
        pixels_max: u64,
    },
    /// One side is longer than the policy allows.
    #[error("image is {}x{}; the limit for a side is {side_max} pixels", .size.width, .size.height)]
    SideTooLong {
        /// As stored.
        size: Size,
        /// The limit.
        side_max: u32,
    },
    /// The encoded file is longer than the policy allows.
    #[error("file has {bytes} bytes; the limit is {bytes_max} bytes")]
    FileTooLong {
        /// The length of the file.
        bytes: u64,
        /// The limit.
        bytes_max: u64,
    },
    /// A colour profile longer than the policy allows, unpacked.
    #[error("colour profile (ICC) has more than {bytes_max} bytes, which is the limit")]
    ProfileTooLong {
        /// The limit.
        bytes_max: u64,
    },
    /// More scans than a decent JPEG has; each one costs a pass over the whole image.
    #[error("JPEG has more than {scans_max} scans")]
    TooManyScans {
        /// The limit.
        scans_max: u32,
    },
    /// Decoding and scaling would need more memory than one job may take.
    #[error("image needs {bytes} bytes of memory; the limit for one job is {bytes_max} bytes")]
    OverMemory {
        /// The worst case for this image and these renditions.
        bytes: u64,
        /// The limit.
        bytes_max: u64,
    },
    /// A requested output has more pixels than the policy allows.
    #[error(
        "output would be {}x{} ({} MP); the limit is {} MP (MAX_PIXELS)",
        .size.width,
        .size.height,
        megapixels(.size.pixels()),
        megapixels(*.pixels_max)
    )]
    OutputTooManyPixels {
        /// The output.
        size: Size,
        /// The limit.
        pixels_max: u64,
    },
    /// The output's format cannot hold sides this long.
    #[error(
        "output of {}x{} cannot be encoded as {format}, whose sides end at {side_max} pixels",
        .size.width,
        .size.height
    )]
    SideNotEncodable {
        /// The output's format.
        format: EncodedFormat,
        /// The output.
        size: Size,
        /// The format's own limit.
        side_max: u32,
    },
    /// An output has more bytes than it may have, at the lowest quality that is tried.
    #[error(
        "{format} of {}x{} has {bytes} bytes{}; max_bytes is {bytes_max}",
        .size.width,
        .size.height,
        at_lowest(*.quality)
    )]
    OverMaxBytes {
        /// The output's format.
        format: EncodedFormat,
        /// The output.
        size: Size,
        /// The lowest that was tried; none where there is none to lower.
        quality: Option<u8>,
        /// The fewest that were reached.
        bytes: u64,
        /// The limit.
        bytes_max: u64,
    },
    /// A requested format that this build does not write.
    #[error("{format} is not written by this build, which lacks the feature {feature}")]
    FormatNotBuilt {
        /// The output's format.
        format: EncodedFormat,
        /// The feature of the package that has it.
        feature: &'static str,
    },
    /// The machine refused the memory that the policy allowed.
    #[error("out of memory: {bytes} bytes were refused")]
    OutOfMemory {
        /// The request that failed.
        bytes: u64,
    },
    /// An encoder or the resampler failed on pixels that were proven good.
    #[error("{stage} failed: {reason}")]
    Internal {
        /// The step.
        stage: &'static str,
        /// Its own words.
        reason: String,
    },
}

impl PixelError {
    /// Whose fault it is: decides who is notified and whether a retry can help.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self {
            Self::Empty
            | Self::Unrecognised
            | Self::UnsupportedFormat { .. }
            | Self::InputNotBuilt { .. }
            | Self::UnsupportedFeature { .. }
            | Self::Truncated { .. }
            | Self::TooShort { .. }
            | Self::Corrupt { .. } => Fault::Input,
            Self::TooManyPixels { .. }
            | Self::SideTooLong { .. }
            | Self::FileTooLong { .. }
            | Self::ProfileTooLong { .. }
            | Self::TooManyScans { .. }
            | Self::OverMemory { .. } => Fault::Limit,
            Self::OutputTooManyPixels { .. }
            | Self::SideNotEncodable { .. }
            | Self::OverMaxBytes { .. }
            | Self::FormatNotBuilt { .. } => Fault::Request,
            Self::OutOfMemory { .. } | Self::Internal { .. } => Fault::Ours,
        }
    }

    pub(super) fn truncated(format: InputFormat, missing: impl Into<String>) -> Self {
        Self::Truncated { format, missing: missing.into() }
    }

    pub(super) fn corrupt(format: InputFormat, reason: impl Into<String>) -> Self {
        Self::Corrupt { format, reason: reason.into() }
    }

    pub(super) fn unsupported(format: InputFormat, feature: impl Into<String>) -> Self {
        Self::UnsupportedFeature { format, feature: feature.into() }
    }

    pub(super) fn too_short(format: InputFormat, size: Size) -> Self {
        Self::TooShort { format, width: size.width, height: size.height }
    }
}

fn at_lowest(quality: Option<u8>) -> String {
    match quality {
        Some(quality) => format!(" at quality {quality}, the lowest that is tried"),
        None => " and no quality that could be lowered".to_owned(),
    }
}

/// Millions of pixels with at most two decimals, rounded up so that what exceeds a limit never reads as equal to it.
fn megapixels(pixels: u64) -> String {
    let hundredths = pixels.div_ceil(10_000);
    let (whole, rest) = (hundredths / 100, hundredths % 100);
    if rest == 0 { whole.to_string() } else { format!("{whole}.{rest:02}").trim_end_matches('0').to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_name_what_was_found_and_what_is_accepted() {
        let size = Size { width: 30_000, height: 30_000 };
        let table = [
            (
                PixelError::TooManyPixels { size, pixels_max: 50_000_000 },
                "image is 30000x30000 (900 MP); the limit is 50 MP (MAX_PIXELS)",
            ),
            (
                PixelError::TooManyPixels { size: Size { width: 7072, height: 7072 }, pixels_max: 50_000_000 },
                "image is 7072x7072 (50.02 MP); the limit is 50 MP (MAX_PIXELS)",
            ),
            (
                PixelError::UnsupportedFormat { found: "AVIF" },
                &format!("file is AVIF, which is not supported; accepted are {ACCEPTED}"),
            ),
            (
                PixelError::InputNotBuilt { format: InputFormat::Heic, feature: "heic" },
                &format!(
                    "file is HEIC, which this build cannot read without the feature heic; accepted are {ACCEPTED}"
                ),
            ),
            (PixelError::truncated(InputFormat::Jpeg, "no end marker"), "JPEG is truncated: no end marker"),
            (
                PixelError::SideNotEncodable {
                    format: EncodedFormat::Webp,
                    size: Size { width: 16_384, height: 1 },
                    side_max: 16_383,
                },
                "output of 16384x1 cannot be encoded as WebP, whose sides end at 16383 pixels",
            ),
            (
                PixelError::OverMaxBytes {
                    format: EncodedFormat::Jpeg,
                    size: Size { width: 320, height: 240 },
                    quality: Some(10),
                    bytes: 2042,
                    bytes_max: 2000,
                },
                "JPEG of 320x240 has 2042 bytes at quality 10, the lowest that is tried; max_bytes is 2000",
            ),
            (
                PixelError::OverMaxBytes {
                    format: EncodedFormat::Png,
                    size: Size { width: 32, height: 24 },
                    quality: None,
                    bytes: 501,
                    bytes_max: 500,
                },
                "PNG of 32x24 has 501 bytes and no quality that could be lowered; max_bytes is 500",
            ),
        ];
        for (error, text) in table {
            assert_eq!(error.to_string(), text);
        }
    }
}
