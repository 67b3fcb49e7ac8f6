//! The formats that are read, and those that are written.

use std::fmt;

/// The accepted formats, as texts for people list them.
#[cfg(feature = "heic")]
pub(super) const ACCEPTED: &str = "JPEG, PNG, WebP, GIF, TIFF, BMP and HEIC";
/// The accepted formats, as texts for people list them.
#[cfg(not(feature = "heic"))]
pub(super) const ACCEPTED: &str = "JPEG, PNG, WebP, GIF, TIFF and BMP";

/// A format that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum InputFormat {
    /// JPEG: baseline, extended and progressive, eight bits.
    Jpeg,
    /// PNG; of an animated one the default image.
    Png,
    /// WebP, lossy and lossless; of an animated one the first frame.
    Webp,
    /// GIF; the first frame.
    Gif,
    /// TIFF; the first page.
    Tiff,
    /// BMP.
    Bmp,
    /// HEIC: the primary image of a HEIF file that is coded as HEVC, where the feature `heic` is built in.
    Heic,
}

impl InputFormat {
    /// Every format that is read.
    pub const ALL: [Self; 7] = [Self::Jpeg, Self::Png, Self::Webp, Self::Gif, Self::Tiff, Self::Bmp, Self::Heic];

    /// Whether this build reads it.
    #[must_use]
    pub fn is_built(self) -> bool {
        self != Self::Heic || cfg!(feature = "heic")
    }

    /// The word for it in documents.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Jpeg => "jpeg",
            Self::Png => "png",
            Self::Webp => "webp",
            Self::Gif => "gif",
            Self::Tiff => "tiff",
            Self::Bmp => "bmp",
            Self::Heic => "heic",
        }
    }

    /// The format's name for people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Jpeg => "JPEG",
            Self::Png => "PNG",
            Self::Webp => "WebP",
            Self::Gif => "GIF",
            Self::Tiff => "TIFF",
            Self::Bmp => "BMP",
            Self::Heic => "HEIC",
        }
    }
}

impl fmt::Display for InputFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A format that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EncodedFormat {
    /// JPEG.
    Jpeg,
    /// PNG.
    Png,
    /// WebP, lossy or lossless.
    Webp,
    /// AVIF, where the feature `avif` is built in.
    Avif,
}

impl EncodedFormat {
    /// The media type, for a `Content-Type` header.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::Webp => "image/webp",
            Self::Avif => "image/avif",
        }
    }

    /// The word for it in jobs and documents.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Jpeg => "jpeg",
            Self::Png => "png",
            Self::Webp => "webp",
            Self::Avif => "avif",
        }
    }

    /// The usual extension of a file name, without its dot.
    #[must_use]
    pub fn extension(self) -> &'static str {
        match self {
            Self::Jpeg => "jpg",
            Self::Png => "png",
            Self::Webp => "webp",
            Self::Avif => "avif",
        }
    }

    /// The longest side that the format can express, in pixels.
    #[must_use]
    pub fn side_max(self) -> u32 {
        match self {
            Self::Jpeg | Self::Avif => 65_535,
            Self::Png => 0x7fff_ffff,
            Self::Webp => 16_383,
        }
    }
}

impl fmt::Display for EncodedFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Jpeg => "JPEG",
            Self::Png => "PNG",
            Self::Webp => "WebP",
            Self::Avif => "AVIF",
        })
    }
}
