//! What a file claims to be, read from its header by code of our own: dimensions, orientation, price in memory.
//!
//! - One pass over the file's structure, no allocation, no decoding.
//! - The limits are checked the moment the dimensions are known.
//! - A file whose end is missing is refused here, unless that is allowed: decoders fill what is missing with grey and say
//!   nothing.
//! - A file too short to hold what it claims, at the best compression its format has, is refused here too.

use super::error::PixelError;
use super::format::InputFormat;
use super::geometry::{Plan, ScaledBox, Size};
use super::jpeg::{Fidelity, Frame, Scale, Truncated, memory_bytes_max};
use super::limits::Limits;
use super::options::Rendition;
use super::orientation::Orientation;

pub(super) use icc::Icc;

mod bmp;
mod gif;
mod icc;
mod jpeg;
mod png;
mod tiff;
mod webp;

/// What a decoder and the resampler need besides the pixels: tables, rows, the state of a decompressor.
const BASE_BYTES: u64 = 4 * 1024 * 1024;

/// A colour profile unpacked, copied, read and made into tables, by its own length.
const PROFILE_COPIES: u64 = 8;

/// An encoder's working copies and its output, by output pixel.
const ENCODER_BYTES_PER_PIXEL: u64 = 12;

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
    color_bytes: u64,
    /// Channels of a decoded pixel.
    channels: u8,
    /// Bytes of a decoded channel.
    channel_bytes: u8,
    /// Bytes that the decoder needs besides its output.
    decoder_bytes: u64,
    /// What our own decoder of JPEG needs to know for its price; none where another decoder reads the file.
    jpeg: Option<JpegShape>,
}

/// A JPEG file that can be decoded straight to a reduced scale.
#[derive(Clone, Debug, PartialEq, Eq)]
struct JpegShape {
    frame: Frame,
    /// Whether its first scan has all components.
    interleaved: bool,
}

impl Probe {
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

    /// Whether this is a JPEG of a rare kind (CMYK, for one) that the decoder for reduced scales does not take, so that it
    /// costs the time and the memory of all its pixels. Worth counting.
    #[must_use]
    pub fn is_jpeg_fallback(&self) -> bool {
        self.format == InputFormat::Jpeg && self.jpeg.is_none()
    }

    /// The most memory, in bytes, that decoding takes, or afterwards scaling to a size no larger than the source.
    ///
    /// The file's own bytes and the outputs with their encoders are not counted: a budget that knows the renditions
    /// spends [`Probe::memory_bytes_max`] instead.
    #[must_use]
    pub fn decoded_bytes_max(&self) -> u64 {
        let eight_bit = self.size().pixels().saturating_mul(u64::from(self.channels));
        // The resampler's intermediate image, and before it a premultiplied copy if there is alpha.
        let scaling = if self.has_alpha { eight_bit.saturating_mul(2) } else { eight_bit };
        self.peak(Scale::Full, scaling)
    }

    /// The most memory, in bytes, that decoding and then making these renditions one after the other takes, with the
    /// encoded outputs and without the file's own bytes.
    ///
    /// Checked by hand against the peak of a process at 12 MP, with outputs of 200 and 2500 pixels, for PNG, lossless WebP,
    /// GIF, TIFF and BMP of eight bits: from just above the measured value to 2.6 times it (GIF). Not measured at that
    /// size: lossy and animated WebP, 16-bit channels.
    #[must_use]
    pub fn memory_bytes_max(&self, renditions: &[Rendition]) -> u64 {
        let plans = renditions.iter().map(|rendition| {
            let plan = Plan::new(self.oriented_size(), rendition);
            (plan, plan.stored_box(self.orientation, self.size(), rendition.kernel))
        });
        let (plans, boxes): (Vec<Plan>, Vec<ScaledBox>) = plans.unzip();
        let scale = self.jpeg_scale(&boxes).unwrap_or_default();
        let size = scale.apply(self.size());
        let channels = u64::from(self.channels);
        let premultiplied = if self.has_alpha { size.pixels().saturating_mul(channels) } else { 0 };
        let scaling = plans.iter().zip(boxes).map(|(plan, stored)| {
            let needed = stored.divided(scale.denominator().into()).needed(size).size();
            // The resampler works on columns first: as wide as what is read, as high as what is written.
            let rows = u64::from(stored.scaled.height);
            let intermediate = u64::from(needed.width).saturating_mul(rows).saturating_mul(channels);
            // The scaled, the turned and the embedded copy; at most two at a time, with four channels at most.
            let copies = plan.canvas.pixels().saturating_mul(8);
            let encoder = plan.canvas.pixels().saturating_mul(ENCODER_BYTES_PER_PIXEL);
            premultiplied.saturating_add(intermediate).saturating_add(copies).saturating_add(encoder)
        });
        let scaling = scaling.max().unwrap_or(0);
        let outputs = plans.iter().fold(0_u64, |sum, plan| sum.saturating_add(plan.canvas.pixels().saturating_mul(2)));
        self.peak(scale, scaling).saturating_add(outputs)
    }

    /// The scale at which a JPEG is decoded for all of these boxes; none for what has no scales.
    pub(super) fn jpeg_scale(&self, boxes: &[ScaledBox]) -> Option<Scale> {
        self.jpeg.as_ref()?;
        let scale = |wanted: &ScaledBox| {
            if wanted.exact {
                return Scale::Full;
            }
            Scale::covering(wanted.region.width, wanted.region.height, wanted.scaled, Fidelity::default())
        };
        Some(boxes.iter().map(scale).min().unwrap_or_default())
    }

    /// The most memory that decoding at a scale, or scaling with so many bytes after it, takes.
    fn peak(&self, scale: Scale, scaling: u64) -> u64 {
        let working = match &self.jpeg {
            // The decoder's buffers stay in the arena while the image is scaled.
            Some(shape) => memory_bytes_max(&shape.frame, shape.interleaved, scale).saturating_add(scaling),
            None => self.decoder_bytes.max(scaling),
        };
        let working = working.saturating_add(self.color_bytes);
        BASE_BYTES.saturating_add(self.output_bytes(scale)).saturating_add(working)
    }

    /// The length of the output buffer of `image`'s decoder, and the most that decoding may allocate in all.
    pub(super) fn decoding_bytes(&self) -> (u64, u64) {
        let output = self.output_bytes(Scale::Full);
        (output, BASE_BYTES.saturating_add(output).saturating_add(self.decoder_bytes))
    }

    /// The least memory that anything can be made of the file with.
    fn decoding_bytes_min(&self) -> u64 {
        if self.jpeg.is_some() { self.peak(Scale::Eighth, 0) } else { self.decoding_bytes().1 }
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
    };
    let mut probe = found.map_err(|error| not_in_part(error, limits))?;
    probe.color_bytes = probe.icc.bytes_max(limits).saturating_mul(PROFILE_COPIES);
    limits.check_memory(probe.decoding_bytes_min())?;
    Ok(probe)
}

/// Where files may be read in part, says which cannot.
fn not_in_part(error: PixelError, limits: &Limits) -> PixelError {
    match error {
        PixelError::Truncated {
            format: format @ (InputFormat::Webp | InputFormat::Gif | InputFormat::Tiff),
            missing,
        } if limits.truncated == Truncated::Allow => {
            PixelError::truncated(format, format!("{missing}; only JPEG, PNG and BMP can be read in part"))
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
