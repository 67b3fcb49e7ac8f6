//! What a file claims to be, read from its header by code of our own: dimensions, orientation, price in memory.
//!
//! - One pass over the file's structure, no allocation, no decoding.
//! - The limits are checked the moment the dimensions are known.
//! - A file whose end is missing is refused here, unless that is allowed: decoders fill what is missing with gray and say
//!   nothing.
//! - A file too short to hold what it claims, at the best compression its format has, is refused here too.

use super::area::Size;
use super::error::PixelError;
use super::format::InputFormat;
use super::jpeg::{Frame, Scale, memory_bytes_max, planes_bytes_max};
use super::limits::{Limits, Truncated};
use super::orientation::Orientation;

pub(super) use icc::Icc;

pub(super) mod bmp;
pub(super) mod gif;
#[cfg(feature = "heic")]
mod heif;
mod icc;
mod jpeg;
pub(super) mod png;
mod tiff;
mod webp;

/// What a decoder and the resampler need besides the pixels: tables, rows, the state of a decompressor.
const BASE_BYTES: u64 = 4 * 1024 * 1024;

/// A colour profile unpacked, copied, read and made into tables, by its own length.
const PROFILE_COPIES: u64 = 8;

/// The table of every 16th amount of four inks that a profile becomes, and what it is made of.
const INKS_TABLE_BYTES: u64 = 4 * 1024 * 1024;

/// What the header of an accepted file says. Only [`probe`] makes one, so that holding it proves that the limits hold.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts of a header")]
#[non_exhaustive]
pub struct Probe {
    /// The format, by content.
    pub format: InputFormat,
    /// Pixels, as stored.
    pub width: u32,
    /// Pixels, as stored.
    pub height: u32,
    /// How the stored image is turned upright.
    pub orientation: Orientation,
    /// Whether the file can hold transparent pixels. The pixels may turn out to be all opaque.
    pub has_alpha: bool,
    /// Whether there is more than the one frame that is read.
    pub animated: bool,
    /// Whether the pixels are numbers of a palette.
    pub palette: bool,
    /// Whether the file ends before its image does, which [`Limits::truncated`] must allow.
    pub truncated: bool,
    /// Where its colour profile is.
    pub(super) icc: Icc,
    /// Bytes that reading and applying it takes.
    pub(super) color_bytes: u64,
    /// Channels of a decoded pixel.
    pub(super) channels: u8,
    /// Whether the file's colours are amounts of four inks, of which the decoder makes RGB.
    pub(super) is_inks: bool,
    /// Bytes of a decoded channel.
    channel_bytes: u8,
    /// Bytes that the decoder needs besides its output.
    decoder_bytes: u64,
    /// What the decoder of JPEG needs to know for its price; none for other formats.
    pub(super) jpeg: Option<JpegShape>,
}

/// A JPEG file that can be decoded straight to a reduced scale.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct JpegShape {
    pub(super) frame: Frame,
    /// Whether its first scan has all components.
    interleaved: bool,
    scans: u32,
    /// No end marker says that nothing is missing.
    pub(super) is_open: bool,
}

/// How a JPEG is decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum JpegDecoding {
    /// To pixels, with chroma brought to the size of luma as well as can be.
    Pixels(Scale),
    /// To planes, each component at its own scale.
    Planes([Scale; 3]),
}

impl Default for JpegDecoding {
    fn default() -> Self {
        Self::Pixels(Scale::Full)
    }
}

impl Probe {
    /// Whether the file's colours are amounts of four inks (CMYK, YCCK), which become sRGB by their profile or, where there is
    /// none that can be used, by the simple formula.
    #[must_use]
    pub fn is_inks(&self) -> bool {
        self.is_inks
    }

    /// The size as stored.
    #[must_use]
    pub fn size(&self) -> Size {
        Size { width: self.width, height: self.height }
    }

    /// The size as seen, after turning.
    #[must_use]
    pub fn oriented_size(&self) -> Size {
        self.orientation.apply(self.size())
    }

    /// The most memory, in bytes, that decoding takes, or afterwards scaling to a size no larger than the source.
    ///
    /// The file's own bytes and the outputs with their encoders are not counted: a budget that knows the renditions
    /// spends [`Probe::memory_bytes_max`] instead.
    #[must_use]
    pub fn decoded_bytes_max(&self) -> u64 {
        let eight_bit = self.size().pixels().saturating_mul(u64::from(self.channels));
        // The resampler's intermediate image, and before it a premultiplied copy if there is alpha.
        let scaling = if self.has_alpha { self.size().pixels().saturating_mul(8) } else { eight_bit };
        self.peak(JpegDecoding::default(), scaling)
    }

    /// The most memory that decoding, or scaling with so many bytes after it, takes.
    pub(super) fn peak(&self, decoding: JpegDecoding, scaling: u64) -> u64 {
        let working = match (&self.jpeg, decoding) {
            // The decoder's buffers stay in the arena while the image is scaled.
            (Some(shape), JpegDecoding::Planes(scales)) => {
                // The header does not tell whether the components are red, green and blue, which are all like luma.
                let planes = |scales| planes_bytes_max(&shape.frame, shape.scans, scales);
                planes(scales).max(planes([scales[0]; 3])).saturating_add(scaling)
            }
            (Some(shape), JpegDecoding::Pixels(scale)) => {
                memory_bytes_max(&shape.frame, shape.interleaved, shape.scans, scale)
                    .saturating_add(scaling)
                    .saturating_add(self.output_bytes(scale))
            }
            (None, _) => self.decoder_bytes.max(scaling).saturating_add(self.output_bytes(Scale::Full)),
        };
        let working = working.saturating_add(self.color_bytes);
        BASE_BYTES.saturating_add(working)
    }

    /// The length of the output buffer of `image`'s decoder, and the most that decoding may allocate in all.
    pub(super) fn decoding_bytes(&self) -> (u64, u64) {
        let output = self.output_bytes(Scale::Full);
        (output, BASE_BYTES.saturating_add(output).saturating_add(self.decoder_bytes))
    }

    /// The least memory that anything can be made of the file with.
    fn decoding_bytes_min(&self) -> u64 {
        let least =
            if self.is_inks { JpegDecoding::Pixels(Scale::Eighth) } else { JpegDecoding::Planes([Scale::Eighth; 3]) };
        if self.jpeg.is_some() { self.peak(least, 0) } else { self.decoding_bytes().1 }
    }

    /// Whether a decoded pixel is gray, with or without alpha.
    pub(super) fn is_gray(&self) -> bool {
        self.channels <= 2
    }

    fn output_bytes(&self, scale: Scale) -> u64 {
        let bytes_per_pixel = u64::from(self.channels) * u64::from(self.channel_bytes);
        scale.apply(self.size()).pixels().saturating_mul(bytes_per_pixel)
    }
}

/// Reads a file's header and checks it against the limits, before any allocation that depends on it.
pub fn probe(bytes: &[u8], limits: &Limits) -> Result<Probe, PixelError> {
    limits.check_file(bytes)?;
    let format = InputFormat::recognise(bytes)?;
    let found = match format {
        InputFormat::Jpeg => jpeg::probe(bytes, limits),
        InputFormat::Png => png::probe(bytes, limits),
        InputFormat::Webp => webp::probe(bytes, limits),
        InputFormat::Gif => gif::probe(bytes, limits),
        InputFormat::Tiff => tiff::probe(bytes, limits),
        InputFormat::Bmp => bmp::probe(bytes, limits),
        #[cfg(feature = "heic")]
        InputFormat::Heic => heif::probe(bytes, limits),
        #[cfg(not(feature = "heic"))]
        InputFormat::Heic => Err(PixelError::InputNotBuilt { format, feature: "heic" }),
    };
    let mut probe = found.map_err(|error| not_in_part(error, limits))?;
    probe.color_bytes = probe.icc.bytes_max(limits).saturating_mul(PROFILE_COPIES);
    if probe.is_inks && probe.color_bytes > 0 {
        probe.color_bytes += INKS_TABLE_BYTES;
    }
    limits.check_memory(probe.decoding_bytes_min())?;
    Ok(probe)
}

/// Where files may be read in part, says which cannot.
fn not_in_part(error: PixelError, limits: &Limits) -> PixelError {
    match error {
        PixelError::Truncated {
            format: format @ (InputFormat::Webp | InputFormat::Tiff | InputFormat::Heic),
            missing,
        } if limits.truncated == Truncated::Allow => {
            PixelError::truncated(format, format!("{missing}; only JPEG, PNG, GIF and BMP can be read in part"))
        }
        error => error,
    }
}

/// Checks what every format's dimensions must obey.
fn check_size(format: InputFormat, size: Size, limits: &Limits) -> Result<(), PixelError> {
    if size.width == 0 || size.height == 0 {
        return Err(PixelError::corrupt(format, format!("its size is {}x{}", size.width, size.height)));
    }
    limits.check_source(size)
}

#[cfg(test)]
mod tests;
