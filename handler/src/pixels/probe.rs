//! What a file claims to be, read from its header by code of our own: dimensions, orientation, price in memory.
//!
//! - One pass over the file's structure, no allocation, no decoding.
//! - The limits are checked the moment the dimensions are known.
//! - A file whose end is missing is refused here: decoders fill what is missing with grey and say nothing.
//! - A file too short to hold what it claims, at the best compression its format has, is refused here too.

use super::error::PixelError;
use super::format::InputFormat;
use super::geometry::{Plan, Size};
use super::jpeg::Frame;
use super::limits::Limits;
use super::options::Rendition;
use super::orientation::Orientation;

mod bmp;
mod gif;
mod jpeg;
mod png;
mod tiff;
mod webp;

/// What a decoder and the resampler need besides the pixels: tables, rows, the state of a decompressor.
const BASE_BYTES: u64 = 4 * 1024 * 1024;

/// An encoder's working copies and its output, by output pixel.
const ENCODER_BYTES_PER_PIXEL: u64 = 12;

/// How many pixels a kernel reaches beyond a crop at a scale of one.
const KERNEL_REACH: f64 = 3.0;

/// What the header of an accepted file says. Only [`probe`] makes one, so that holding it proves that the limits hold.
#[derive(Clone, Debug, PartialEq, Eq)]
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

    /// The most memory, in bytes, that decoding takes, or afterwards scaling to a size no larger than the source.
    ///
    /// The file's own bytes and the outputs with their encoders are not counted: a budget that knows the renditions
    /// spends [`Probe::memory_bytes_max`] instead.
    #[must_use]
    pub fn decoded_bytes_max(&self) -> u64 {
        let output = self.output_bytes();
        let eight_bit = self.size().pixels().saturating_mul(u64::from(self.channels));
        // The resampler's intermediate image, and before it a premultiplied copy if there is alpha.
        let scaling = if self.has_alpha { eight_bit.saturating_mul(2) } else { eight_bit };
        BASE_BYTES.saturating_add(output).saturating_add(self.decoder_bytes.max(scaling))
    }

    /// The most memory, in bytes, that decoding and then making these renditions one after the other takes, with the
    /// encoded outputs and without the file's own bytes.
    ///
    /// Checked by hand against the peak of a process at 12 MP, with outputs of 200 and 2500 pixels, for baseline JPEG,
    /// PNG, lossless WebP, GIF, TIFF and BMP of eight bits: from just above the measured value to 2.6 times it (GIF).
    /// Not measured at that size: progressive JPEG, lossy and animated WebP, 16-bit channels.
    #[must_use]
    pub fn memory_bytes_max(&self, renditions: &[Rendition]) -> u64 {
        let channels = u64::from(self.channels);
        let premultiplied = if self.has_alpha { self.size().pixels().saturating_mul(channels) } else { 0 };
        let scaling = |rendition: &Rendition| {
            let plan = Plan::new(self.oriented_size(), rendition);
            let region = self.orientation.stored_region(plan.source, self.size());
            let scaled = self.orientation.apply(plan.scaled);
            // The resampler works on columns first: as wide as what is read, as high as what is written.
            let reach = KERNEL_REACH * (region.width / f64::from(scaled.width)).max(1.0);
            let read_width = saturating(region.width + 2.0 * reach + 2.0).min(u64::from(self.width));
            let intermediate = read_width.saturating_mul(u64::from(scaled.height)).saturating_mul(channels);
            // The scaled, the turned and the embedded copy; at most two at a time, with four channels at most.
            let copies = plan.canvas.pixels().saturating_mul(8);
            let encoder = plan.canvas.pixels().saturating_mul(ENCODER_BYTES_PER_PIXEL);
            premultiplied.saturating_add(intermediate).saturating_add(copies).saturating_add(encoder)
        };
        let scaling = renditions.iter().map(scaling).max().unwrap_or(0);
        let outputs = renditions.iter().fold(0_u64, |sum, rendition| {
            sum.saturating_add(Plan::new(self.oriented_size(), rendition).canvas.pixels().saturating_mul(2))
        });
        let peak = self.decoder_bytes.max(scaling);
        BASE_BYTES.saturating_add(self.output_bytes()).saturating_add(peak).saturating_add(outputs)
    }

    /// The length of the decoder's output buffer, and the most that decoding may allocate in all.
    pub(super) fn decoding_bytes(&self) -> (u64, u64) {
        let output = self.output_bytes();
        (output, BASE_BYTES.saturating_add(output).saturating_add(self.decoder_bytes))
    }

    fn output_bytes(&self) -> u64 {
        self.size().pixels().saturating_mul(u64::from(self.channels)).saturating_mul(u64::from(self.channel_bytes))
    }
}

/// Reads a file's header and checks it against the limits, before any allocation that depends on it.
pub fn probe(bytes: &[u8], limits: &Limits) -> Result<Probe, PixelError> {
    limits.check_file(bytes)?;
    let format = InputFormat::recognise(bytes)?;
    let probe = match format {
        InputFormat::Jpeg => jpeg::probe(bytes, limits)?,
        InputFormat::Png => png::probe(bytes, limits)?,
        InputFormat::Webp => webp::probe(bytes, limits)?,
        InputFormat::Gif => gif::probe(bytes, limits)?,
        InputFormat::Tiff => tiff::probe(bytes, limits)?,
        InputFormat::Bmp => bmp::probe(bytes, limits)?,
    };
    limits.check_memory(probe.decoding_bytes().1)?;
    Ok(probe)
}

/// Checks what every format's dimensions must obey.
fn check_size(format: InputFormat, size: Size, limits: &Limits) -> Result<(), PixelError> {
    if size.width == 0 || size.height == 0 {
        return Err(PixelError::corrupt(format, format!("its size is {}x{}", size.width, size.height)));
    }
    limits.check_source(size)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a length in pixels, never negative; the cast saturates"
)]
fn saturating(value: f64) -> u64 {
    value as u64
}

#[cfg(test)]
mod tests;
