//! What a file claims to be, read from its header by code of our own: dimensions, orientation, price in memory.
//!
//! - One pass over the file's structure, no allocation, no decoding.
//! - The limits are checked the moment the dimensions are known.
//! - A file whose end is missing is refused here, unless that is allowed: decoders fill what is missing with grey and say
//!   nothing.
//! - A file too short to hold what it claims, at the best compression its format has, is refused here too.

use super::error::PixelError;
use super::format::InputFormat;
use super::geometry::{Plan, Region, ScaledBox, Size};
use super::jpeg::{Fidelity, Frame, Scale, Truncated, memory_bytes_max, planes_bytes_max};
use super::limits::Limits;
use super::options::{Metadata, Rendition};
use super::orientation::Orientation;
use super::picture::{self, Demand};

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
        let scaling = if self.has_alpha { self.size().pixels().saturating_mul(8) } else { eight_bit };
        self.peak(JpegDecoding::default(), scaling)
    }

    /// The most memory, in bytes, that decoding and then making these renditions takes, with the encoded outputs and
    /// without the file's own bytes.
    ///
    /// Checked by hand against the peak of a process at 12 MP, with outputs of 200 and 2500 pixels, for PNG, lossless WebP,
    /// GIF, TIFF and BMP of eight bits: from just above the measured value to 2.6 times it (GIF). Not measured at that
    /// size: lossy and animated WebP, 16-bit channels.
    #[must_use]
    pub fn memory_bytes_max(&self, renditions: &[Rendition]) -> u64 {
        let plans = renditions.iter().map(|rendition| {
            let plan = Plan::new(self.oriented_size(), rendition);
            (plan, Demand::new(&plan, rendition, self, self.color_bytes > 0 && rendition.metadata == Metadata::Strip))
        });
        let (plans, demands): (Vec<Plan>, Vec<Demand>) = plans.unzip();
        let sources = picture::sources(&demands);
        let roots = picture::roots(&demands, &sources);
        let decoding = self.jpeg_decoding(&roots).unwrap_or_default();
        let channels = u64::from(self.channels);
        // The resampler's copy of what it reads, with colours, and these multiplied by their alpha.
        let premultiplied = |source: Option<usize>| match source {
            _ if !self.has_alpha => 0,
            None if channels == 4 && picture::premultiplies(&roots) => 0,
            None => self.size().pixels().saturating_mul(4),
            Some(larger) => demands[larger].luma.scaled.pixels().saturating_mul(4),
        };
        let scaling = plans.iter().zip(&demands).zip(&sources).map(|((plan, demand), source)| {
            let working = self.scaling_bytes(decoding, demand).saturating_add(premultiplied(*source));
            // The turned, the converted and the embedded copy; at most two at a time, with four channels at most.
            let copies = plan.canvas.pixels().saturating_mul(8);
            let encoder = plan.canvas.pixels().saturating_mul(ENCODER_BYTES_PER_PIXEL);
            working.saturating_add(copies).saturating_add(encoder)
        });
        let scaling = scaling.max().unwrap_or(0);
        // A larger one is held while smaller ones are made from it; the file of each is held to the end.
        let held = demands.iter().zip(&plans).fold(0_u64, |sum, (demand, plan)| {
            let scaled = demand.luma.scaled.pixels().saturating_mul(channels);
            sum.saturating_add(scaled).saturating_add(plan.canvas.pixels().saturating_mul(2))
        });
        self.peak(decoding, scaling).saturating_add(held)
    }

    /// What the resampler needs besides its source, in whatever form, and its result.
    fn scaling_bytes(&self, decoding: JpegDecoding, demand: &Demand) -> u64 {
        // It works on columns first: as wide as what is read, as high as what is written.
        let intermediate = |wanted: ScaledBox, size: Size, per_sample: (f64, f64), channels: u64| {
            let needed = wanted.divided(per_sample).needed(size).size();
            u64::from(needed.width).saturating_mul(wanted.scaled.height.into()).saturating_mul(channels)
        };
        match (decoding, &self.jpeg) {
            (JpegDecoding::Planes(scales), Some(shape)) => {
                let planes = (0..shape.frame.components.len()).zip(scales).map(|(component, scale)| {
                    let (per_sample, size) = shape.frame.plane(component, scale);
                    let wanted = demand.of(component);
                    let working = intermediate(wanted, size, per_sample, 1);
                    // A box that reaches beyond the image, by a pixel of the output, is read from a wider copy.
                    let beyond = wanted.shrink();
                    let wider = Size {
                        width: size.width.saturating_add(samples_up(beyond.0 / per_sample.0)),
                        height: size.height.saturating_add(samples_up(beyond.1 / per_sample.1)),
                    };
                    let is_wider = component > 0 && demand.half_chroma;
                    working.saturating_add(if is_wider { wider.pixels() } else { 0 })
                });
                planes.max().unwrap_or(0)
            }
            (JpegDecoding::Pixels(scale), _) => {
                let (size, denominator) = (scale.apply(self.size()), f64::from(scale.denominator()));
                // What is gray with alpha is scaled as if it had colours.
                let channels = if self.has_alpha { 4 } else { self.channels.into() };
                intermediate(demand.luma, size, (denominator, denominator), channels)
            }
            (JpegDecoding::Planes(_), None) => 0,
        }
    }

    /// How a JPEG is decoded for all of these demands; none for what is decoded whole.
    pub(super) fn jpeg_decoding(&self, demands: &[Demand]) -> Option<JpegDecoding> {
        let frame = &self.jpeg.as_ref()?.frame;
        let scale = |wanted: ScaledBox, per_sample: (f64, f64)| {
            if wanted.exact {
                return Scale::Full;
            }
            let Region { width, height, .. } = wanted.region.divided(per_sample);
            Scale::covering(width, height, wanted.scaled, Fidelity::default())
        };
        if demands.iter().any(Demand::needs_pixels) {
            let scales = demands.iter().map(|demand| scale(demand.luma, (1.0, 1.0)));
            return Some(JpegDecoding::Pixels(scales.min().unwrap_or_default()));
        }
        let mut scales = [Scale::Full; 3];
        for (component, own) in scales.iter_mut().enumerate().take(frame.components.len()) {
            let per_sample = frame.pixels_per_sample(component);
            *own = demands.iter().map(|demand| scale(demand.of(component), per_sample)).min().unwrap_or_default();
        }
        Some(JpegDecoding::Planes(scales))
    }

    /// The most memory that decoding, or scaling with so many bytes after it, takes.
    fn peak(&self, decoding: JpegDecoding, scaling: u64) -> u64 {
        let working = match (&self.jpeg, decoding) {
            // The decoder's buffers stay in the arena while the image is scaled.
            (Some(shape), JpegDecoding::Planes(scales)) => {
                // The header does not tell whether the components are red, green and blue, which are all like luma.
                let planes = planes_bytes_max(&shape.frame, scales);
                planes.max(planes_bytes_max(&shape.frame, [scales[0]; 3])).saturating_add(scaling)
            }
            (Some(shape), JpegDecoding::Pixels(scale)) => memory_bytes_max(&shape.frame, shape.interleaved, scale)
                .saturating_add(scaling)
                .saturating_add(self.output_bytes(scale)),
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
        let least = JpegDecoding::Planes([Scale::Eighth; 3]);
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

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive; the cast saturates")]
fn samples_up(value: f64) -> u32 {
    value.ceil() as u32
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
