//! A file that is about to be decoded.

use super::arena::Arena;
use super::headers::{ColorHints, Colors, Frame, Scan};
use super::planes::ComponentPlane;
use super::price::memory_bytes_max;
use super::scale::Scale;
use super::segments::{Segment, Segments, marker};
use crate::area::{Size, Window};
use crate::error::PixelError;
use crate::format::InputFormat;
use crate::limits::{Limits, Truncated};

const FORMAT: InputFormat = InputFormat::Jpeg;

/// Decoded pixels: rows without padding, from the top, of one channel (gray), three (red, green, blue) or four (the inks
/// cyan, magenta, yellow and black, from none to all).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// That of the window.
    pub size: Size,
    /// Bytes of a pixel.
    pub channels: usize,
    /// The pixels.
    pub data: Vec<u8>,
}

/// A JPEG file that this decoder takes, with its headers read.
#[derive(Clone, Debug)]
pub struct Decoder<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) frame: Frame,
    pub(super) colors: Colors,
    /// Whether the first scan has all components.
    pub(super) interleaved: bool,
    pub(super) scans_max: u32,
    pub(super) truncated: Truncated,
    pub(super) to_the_last_row: bool,
    /// Whether the scans of a progressive file are read one after the other, whatever memory that takes; for tests.
    pub(super) scans_one_by_one: bool,
}

impl<'a> Decoder<'a> {
    /// Reads the headers up to the first scan.
    pub fn new(bytes: &'a [u8], limits: &Limits) -> Result<Self, PixelError> {
        let mut frame: Option<Frame> = None;
        let mut hints = ColorHints::default();
        let mut segments = Segments::new(bytes);
        while let Some(Segment { marker, body, .. }) = segments.next().transpose()? {
            match marker {
                marker::END => return Err(PixelError::corrupt(FORMAT, "it has no scan")),
                marker::SCAN => {
                    let frame = frame.ok_or_else(|| PixelError::corrupt(FORMAT, "a scan comes before the frame"))?;
                    return Self::with_frame(bytes, frame, hints, body, limits);
                }
                _ if marker::begins_frame(marker) => {
                    if frame.is_some() {
                        return Err(PixelError::corrupt(FORMAT, "it has two frame headers"));
                    }
                    frame = Some(Frame::read(marker, body)?);
                }
                _ => hints.note(marker, body),
            }
        }
        Err(PixelError::truncated(FORMAT, "no scan"))
    }

    fn with_frame(
        bytes: &'a [u8],
        frame: Frame,
        hints: ColorHints,
        first_scan: &[u8],
        limits: &Limits,
    ) -> Result<Self, PixelError> {
        limits.check_source(frame.size)?;
        if frame.size.pixels() == 0 {
            let Size { width, height } = frame.size;
            return Err(PixelError::corrupt(FORMAT, format!("its size is {width}x{height}")));
        }
        let colors = hints.colors(&frame);
        let scan = Scan::read(first_scan, &frame)?;
        let interleaved = scan.components.len() == frame.components.len();
        let truncated = Truncated::default();
        let (scans_max, to_the_last_row) = (limits.jpeg_scans_max, false);
        let scans_one_by_one = false;
        Ok(Self { bytes, frame, colors, interleaved, scans_max, truncated, to_the_last_row, scans_one_by_one })
    }

    /// Says whether a single scan is read to its last row, whatever is wanted of it: only then it is known that nothing is
    /// missing, where no end marker says so.
    #[must_use]
    pub(crate) fn with_last_row(self, to_the_last_row: bool) -> Self {
        Self { to_the_last_row, ..self }
    }

    #[cfg(test)]
    pub(super) fn with_scans_one_by_one(self) -> Self {
        Self { scans_one_by_one: true, ..self }
    }

    /// Says what to do when data are missing.
    #[must_use]
    pub fn with_truncated(self, truncated: Truncated) -> Self {
        Self { truncated, ..self }
    }

    /// Says what three components mean, where the file around this one knows it. One or four are left as they are stored.
    #[must_use]
    pub(crate) fn with_ycbcr(self, is_ycbcr: bool) -> Self {
        let colors = match self.colors.channels() {
            1 => Colors::Gray,
            3 if is_ycbcr => Colors::YCbCr,
            3 => Colors::Rgb,
            _ => Colors::Stored,
        };
        Self { colors, ..self }
    }

    /// Whether the pixels are four inks.
    #[must_use]
    pub fn is_inks(&self) -> bool {
        self.colors.channels() == 4
    }

    /// The image as stored.
    #[must_use]
    pub fn size(&self) -> Size {
        self.frame.size
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

    /// The most memory, in bytes, that decoding takes, without the file and the output, however many scans there are.
    #[must_use]
    pub fn memory_bytes_max(&self, scale: Scale) -> u64 {
        memory_bytes_max(&self.frame, self.interleaved, u32::MAX, scale)
    }

    /// Decodes a window of the image at a scale into one buffer, which may come from the arena and may go back there.
    pub fn decode(&self, scale: Scale, window: &Window, arena: &mut Arena) -> Result<Decoded, PixelError> {
        let size = window.size();
        let channels = self.colors.channels();
        let length = usize::try_from(size.pixels() * channels as u64).unwrap_or(usize::MAX);
        let mut data = arena.output(length)?;
        self.decode_buffer(scale, window, arena, &mut data)?;
        Ok(Decoded { size, channels, data })
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
    /// those of an RGB file are red, green and blue. Four inks are not decoded this way.
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
