//! JPEG, decoded straight to a reduced scale.
//!
//! ```text
//! bytes - segments -> headers -+- bits -> sequential -------------+-> strips -> rows of pixels
//!                              `- bits -> progressive -> coefficients `-> planes as they are
//! ```
//!
//! - Taken is what cameras and the web write: Huffman coding with eight bits, sequential or progressive, gray, YCbCr or
//!   RGB, any whole sampling, any order of scans. For the rest [`Decoder::new`] returns none, and another decoder is asked.
//! - At a reduced scale the coefficients that it does not need are read over, not stored; blocks outside of the window are
//!   read over whole, and what follows the window's last row is not read at all.
//! - The samples are those of libjpeg's `djpeg -scale` with its accurate transform and smooth upsampling, to the bit.
//! - Pixels are planes brought to one size and converted. Whoever resamples anyway asks for the planes alone, each at its
//!   own scale.
//! - Memory is a strip of rows, apart from the output; for progressive files also the coefficients, and for sequential ones
//!   in several scans also the reduced planes. [`Decoder::memory_bytes_max`] is the price.
//! - A file that contradicts itself or lacks data is an error; [`Truncated::Allow`] makes grey of what is missing.

#![expect(clippy::inline_always, reason = "the state of the hot loops stays in registers only when all is in one body")]

use std::ops::Range;

mod arena;
mod bits;
mod color;
mod decode;
mod dispatch;
mod headers;
mod huffman;
mod layout;
mod planes;
mod progressive;
mod segments;
mod sequential;
mod strips;
mod transform;
mod upsample;

pub use arena::Arena;
pub(crate) use headers::{Coding, Frame};
pub(crate) use segments::{next_marker, segment};

use headers::{ColorHints, Colors, Scan};
use layout::Layout;

use super::error::PixelError;
use super::format::InputFormat;
use super::geometry::Size;
use super::limits::Limits;
use super::planes::Plane;

const FORMAT: InputFormat = InputFormat::Jpeg;

/// How much smaller than the image its pixels are decoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scale {
    /// As stored.
    #[default]
    Full,
    /// Half the width and height.
    Half,
    /// A quarter of the width and height.
    Quarter,
    /// An eighth of the width and height.
    Eighth,
}

/// How much is left to the resampler when an image is decoded at a reduced scale.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fidelity {
    /// At least a factor of 1.15. Below that hardly anything is left to a good kernel; sharp decodes twice the size there,
    /// and up to a factor of 1.125, 1.25 or 1.5 for an eighth, a quarter and a half. What this loses to it in between, the
    /// planes make up for, whose chroma is resampled once instead of twice.
    #[default]
    Fast,
    /// At least a factor of two: up to two points of SSIMULACRA2 better where [`Fidelity::Fast`] leaves a factor of 1.2 to
    /// 1.5, for up to twice the time.
    Fine,
}

impl Scale {
    /// All scales, from the largest image to the smallest.
    pub const ALL: [Self; 4] = [Self::Full, Self::Half, Self::Quarter, Self::Eighth];

    /// How many pixels of the image become one, along each side.
    #[must_use]
    pub fn denominator(self) -> u32 {
        match self {
            Self::Full => 1,
            Self::Half => 2,
            Self::Quarter => 4,
            Self::Eighth => 8,
        }
    }

    /// The size of an image at this scale. The last pixel of a side may stand for a part of one.
    #[must_use]
    pub fn apply(self, size: Size) -> Size {
        let shrunk = |side: u32| side.div_ceil(self.denominator());
        Size { width: shrunk(size.width), height: shrunk(size.height) }
    }

    /// The smallest scale at which a part of an image, so many pixels wide and high, still has as many more pixels than
    /// are wanted of it, along each side, as the fidelity asks.
    #[must_use]
    pub fn covering(width: f64, height: f64, wanted: Size, fidelity: Fidelity) -> Self {
        /// What the sums that lead to a part's size may lose.
        const ROUNDING: f64 = 1e-6;

        let covers = |scale: &&Self| {
            let denominator = f64::from(scale.denominator());
            let side = |side: f64, wanted: u32| match fidelity {
                Fidelity::Fast => side / denominator + ROUNDING >= f64::from(wanted) * 1.15,
                Fidelity::Fine => side / denominator + ROUNDING >= f64::from(wanted) * 2.0,
            };
            side(width, wanted.width) && side(height, wanted.height)
        };
        Self::ALL.iter().rev().find(covers).copied().unwrap_or_default()
    }

    /// The side of a block's samples, for components of the full resolution.
    fn block_side(self) -> usize {
        8 / self.denominator() as usize
    }
}

/// What to do with a file that lacks data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Truncated {
    /// It is an error.
    #[default]
    Refuse,
    /// What is missing, or follows a defect, is grey.
    Allow,
}

/// A part of the image at the scale it is decoded at, in pixels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// From the left.
    pub columns: Range<u32>,
    /// From the top.
    pub rows: Range<u32>,
}

impl Window {
    /// All of an image.
    #[must_use]
    pub fn whole(size: Size) -> Self {
        Self { columns: 0..size.width, rows: 0..size.height }
    }

    /// Its size; empty when an end lies before its start.
    #[must_use]
    pub fn size(&self) -> Size {
        let length = |range: &Range<u32>| range.end.saturating_sub(range.start);
        Size { width: length(&self.columns), height: length(&self.rows) }
    }

    /// What covers both.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let both = |one: &Range<u32>, other: &Range<u32>| one.start.min(other.start)..one.end.max(other.end);
        Self { columns: both(&self.columns, &other.columns), rows: both(&self.rows, &other.rows) }
    }

    fn is_within(&self, size: Size) -> bool {
        let own = self.size();
        own.width > 0 && own.height > 0 && self.columns.end <= size.width && self.rows.end <= size.height
    }
}

/// Decoded pixels: rows without padding, from the top, of one (gray) or three channels (red, green, blue).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// That of the window.
    pub size: Size,
    /// Whether a pixel is one byte.
    pub gray: bool,
    /// The pixels.
    pub data: Vec<u8>,
}

/// A component of a part of an image, at a scale.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComponentPlane {
    /// The samples.
    pub plane: Plane,
    /// Samples to the left of these, in the whole image at this scale.
    pub left: u32,
    /// Samples above these.
    pub top: u32,
}

/// A JPEG file that this decoder takes, with its headers read.
#[derive(Clone, Debug)]
pub struct Decoder<'a> {
    bytes: &'a [u8],
    frame: Frame,
    colors: Colors,
    /// Whether the first scan has all components.
    interleaved: bool,
    scans_max: u32,
    truncated: Truncated,
}

impl<'a> Decoder<'a> {
    /// Reads the headers up to the first scan. None for a kind of JPEG that is not taken; an error for one that no
    /// decoder should.
    pub fn new(bytes: &'a [u8], limits: &Limits) -> Result<Option<Self>, PixelError> {
        let mut frame: Option<Frame> = None;
        let mut hints = ColorHints::default();
        let mut at = 2;
        loop {
            let (marker, body_at) = next_marker(bytes, at).ok_or_else(|| PixelError::truncated(FORMAT, "no scan"))?;
            at = body_at;
            match marker {
                0xd9 => return Err(PixelError::corrupt(FORMAT, "it has no scan")),
                0x01 | 0xd8 => continue,
                _ => {}
            }
            let body = segment(bytes, body_at)?;
            at += 2 + body.len();
            match marker {
                0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf => match Frame::read(marker, body) {
                    Ok(read) if frame.is_none() => frame = Some(read),
                    Ok(_) => return Err(PixelError::corrupt(FORMAT, "it has two frame headers")),
                    Err(PixelError::UnsupportedFeature { .. }) => return Ok(None),
                    Err(error) => return Err(error),
                },
                0xda => {
                    let frame = frame.ok_or_else(|| PixelError::corrupt(FORMAT, "a scan comes before the frame"))?;
                    return Self::with_frame(bytes, frame, hints, body, limits);
                }
                marker => hints.note(marker, body),
            }
        }
    }

    fn with_frame(
        bytes: &'a [u8],
        frame: Frame,
        hints: ColorHints,
        first_scan: &[u8],
        limits: &Limits,
    ) -> Result<Option<Self>, PixelError> {
        limits.check_source(frame.size)?;
        let Some(colors) = hints.colors(&frame) else { return Ok(None) };
        if frame.size.pixels() == 0 || !is_taken(&frame) {
            return Ok(None);
        }
        let scan = Scan::read(first_scan, &frame)?;
        let interleaved = scan.components.len() == frame.components.len();
        let truncated = Truncated::default();
        Ok(Some(Self { bytes, frame, colors, interleaved, scans_max: limits.jpeg_scans_max, truncated }))
    }

    /// Says what to do when data are missing.
    #[must_use]
    pub fn with_truncated(self, truncated: Truncated) -> Self {
        Self { truncated, ..self }
    }

    /// The image as stored.
    #[must_use]
    pub fn size(&self) -> Size {
        self.frame.size
    }

    /// Whether the pixels have one channel.
    #[must_use]
    pub fn is_gray(&self) -> bool {
        self.colors == Colors::Gray
    }

    /// Whether the planes are luma and chroma.
    #[must_use]
    pub fn is_ycbcr(&self) -> bool {
        self.colors == Colors::YCbCr
    }

    /// How many pixels of the image, across and down, a sample of each component stands for at the full scale.
    pub fn pixels_per_sample(&self) -> impl Iterator<Item = (f64, f64)> {
        (0..self.frame.components.len()).map(|component| self.frame.pixels_per_sample(component))
    }

    /// The most memory, in bytes, that decoding takes, without the file and the output.
    #[must_use]
    pub fn memory_bytes_max(&self, scale: Scale) -> u64 {
        memory_bytes_max(&self.frame, self.interleaved, scale)
    }

    /// Decodes a window of the image at a scale into one buffer, which may come from the arena and may go back there.
    pub fn decode(&self, scale: Scale, window: &Window, arena: &mut Arena) -> Result<Decoded, PixelError> {
        let size = window.size();
        let channels = if self.is_gray() { 1 } else { 3 };
        let length = usize::try_from(size.pixels() * channels).unwrap_or(usize::MAX);
        let mut data = arena.output(length)?;
        self.decode_buffer(scale, window, arena, &mut data)?;
        Ok(Decoded { size, gray: self.is_gray(), data })
    }

    /// Decodes a window of the image at a scale a few rows at a time. `take` gets the number of the first row, within the
    /// window, and the rows.
    pub fn decode_bands(
        &self,
        scale: Scale,
        window: &Window,
        arena: &mut Arena,
        mut take: impl FnMut(u32, &[u8]),
    ) -> Result<(), PixelError> {
        self.decode_to(scale, window, arena, &mut take)
    }

    /// Decodes the planes of a window of the image, in pixels as stored, each component at its own scale: first luma, then
    /// the two of chroma, or one for gray. Nothing is brought to the size of anything else, and no colour is converted;
    /// those of an RGB file are red, green and blue.
    ///
    /// Planes begin and end with whole MCUs, so that they may show more than the window.
    pub fn decode_planes(
        &self,
        scales: [Scale; 3],
        window: &Window,
        arena: &mut Arena,
    ) -> Result<Vec<ComponentPlane>, PixelError> {
        self.decode_whole_planes(scales, window, arena)
    }
}

/// Whether the samplings of a frame are of whole ratios, at every scale.
pub(crate) fn is_taken(frame: &Frame) -> bool {
    matches!(frame.components.len(), 1 | 3) && Scale::ALL.iter().all(|scale| Layout::new(frame, *scale).is_some())
}

/// Tables, and the chunk of bytes that are read at once.
const TABLES_BYTES: u64 = 96 * 1024;

/// The most memory, in bytes, that decoding the planes of a frame takes, with the planes and without the file.
pub(crate) fn planes_bytes_max(frame: &Frame, scales: [Scale; 3]) -> u64 {
    let layout = Layout::of_planes(frame, scales);
    let coefficients = if frame.coding == Coding::Progressive { layout.coefficients() } else { 0 };
    TABLES_BYTES + Arena::planes_bytes(&layout) + coefficients * 2
}

/// The most memory, in bytes, that decoding a frame takes, without the file and the output.
pub(crate) fn memory_bytes_max(frame: &Frame, interleaved: bool, scale: Scale) -> u64 {
    let Some(layout) = Layout::new(frame, scale) else { return u64::MAX };
    let (mcu_rows, coefficients) = match frame.coding {
        Coding::Progressive => (1, layout.coefficients()),
        Coding::Sequential if interleaved => (1, 0),
        Coding::Sequential => (layout.mcus.1, 0),
    };
    TABLES_BYTES + Arena::strip_bytes(&layout, mcu_rows) + coefficients * 2
}

/// A row of pixels of three planes' rows: of luma and chroma, or of red, green and blue.
pub(crate) fn weave(rows: [&[u8]; 3], is_ycbcr: bool, pixels: &mut [u8]) {
    if is_ycbcr { color::from_ycbcr(rows, pixels) } else { color::from_rgb(rows, pixels) }
}

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

#[cfg(test)]
mod tests;
