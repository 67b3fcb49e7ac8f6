//! A strip or tile that is a JPEG file, perhaps with its tables elsewhere.

use std::borrow::Cow;

use super::FORMAT;
use crate::area::{Size, Window};
use crate::error::PixelError;
use crate::jpeg::{self, Arena, Frame, Scale, Segment, Segments, marker};
use crate::limits::Limits;

/// Segments before a scan.
const SEGMENTS_MAX: usize = 64;

/// Tiles are often larger than a small image.
const TILE_SIDE_MIN: u32 = 512;

/// What each JPEG has to fit into.
pub(super) struct Place<'a> {
    /// That of a strip or tile.
    pub(super) chunk: Size,
    /// That of the image.
    pub(super) image: Size,
    /// Samples of a pixel.
    pub(super) samples: usize,
    /// Whether they are luma and chroma, of which RGB is to be made.
    pub(super) is_ycbcr: bool,
    /// What all of them have in common.
    pub(super) tables: &'a [u8],
    /// The most memory that one takes, with its pixels.
    pub(super) bytes_max: u64,
}

/// Decodes one after the other, in the same memory.
pub(super) struct Reader<'i, 'a> {
    place: &'i Place<'a>,
    limits: &'i Limits,
    arena: Arena,
}

impl<'i, 'a> Reader<'i, 'a> {
    pub(super) fn new(place: &'i Place<'a>, limits: &'i Limits) -> Self {
        Self { place, limits, arena: Arena::default() }
    }

    /// Decodes one to its samples, or to RGB if they are luma and chroma: these, and the bytes of a row.
    pub(super) fn decode(&mut self, data: &[u8]) -> Result<(Vec<u8>, usize), PixelError> {
        let place = self.place;
        let file = with_tables(place.tables, data);
        if place.memory_bytes(&file, data.len(), self.limits)? > place.bytes_max {
            return Err(PixelError::corrupt(FORMAT, "its JPEG tables contradict a JPEG within it"));
        }
        let decoder = jpeg::Decoder::new(&file, self.limits).map_err(within)?.with_ycbcr(place.is_ycbcr);
        let size = decoder.size();
        let pixels = decoder.decode(Scale::Full, &Window::whole(size), &mut self.arena).map_err(within)?;
        let (width, samples) = (place.chunk.width.min(place.image.width), pixels.channels);
        if samples != place.samples || size.width < width {
            let found = format!("a JPEG within it is {} pixels wide, of {samples} samples", size.width);
            return Err(PixelError::corrupt(FORMAT, format!("{found}, its place {width}, of {}", place.samples)));
        }
        Ok((pixels.data, size.width as usize * samples))
    }
}

/// The tables without the marker of their end, then the file without that of its beginning.
fn with_tables<'a>(tables: &[u8], data: &'a [u8]) -> Cow<'a, [u8]> {
    if tables.is_empty() {
        return Cow::Borrowed(data);
    }
    let tables = tables.strip_suffix(&[0xff, marker::END]).unwrap_or(tables);
    Cow::Owned([tables, data.get(2..).unwrap_or_default()].concat())
}

/// What is said of a JPEG, said of the file around it.
fn within(error: PixelError) -> PixelError {
    match error {
        PixelError::Truncated { missing, .. } => PixelError::truncated(FORMAT, format!("a JPEG within it: {missing}")),
        PixelError::Corrupt { reason, .. } => PixelError::corrupt(FORMAT, format!("a JPEG within it: {reason}")),
        PixelError::UnsupportedFeature { feature, .. } => {
            PixelError::unsupported(FORMAT, format!("a JPEG with {feature}"))
        }
        error => error,
    }
}

impl Place<'_> {
    /// The most that decoding one takes, with its pixels. One that is larger than its place is refused: a decoder makes room
    /// for what it says. `length` is that without tables.
    pub(super) fn memory_bytes(&self, data: &[u8], length: usize, limits: &Limits) -> Result<u64, PixelError> {
        let frame = frame(data)?;
        limits.check_source(frame.size)?;
        // A tile may reach beyond the image, but one that is larger than the image has no reason.
        let reach = |side: u32| side.max(TILE_SIDE_MIN).saturating_mul(2);
        let place = Size {
            width: self.chunk.width.min(reach(self.image.width)),
            height: self.chunk.height.min(reach(self.image.height)),
        };
        let Size { width, height } = frame.size;
        if width > place.width || height > place.height {
            let text = format!("a JPEG within it is {width}x{height}, its place is {}x{}", place.width, place.height);
            return Err(PixelError::corrupt(FORMAT, text));
        }
        let samples = frame.components.len() as u64;
        let files = 2 * (length + self.tables.len()) as u64;
        Ok(files + frame.size.pixels() * samples + jpeg::memory_bytes_max(&frame, false, u32::MAX, Scale::Full))
    }
}

/// The one frame that comes before the first scan.
fn frame(data: &[u8]) -> Result<Frame, PixelError> {
    let cut = || PixelError::corrupt(FORMAT, "a JPEG within it has no scan");
    let mut found = None;
    for segment in Segments::new(data).take(SEGMENTS_MAX) {
        let Segment { marker, body, .. } = segment.map_err(|_| cut())?;
        match marker {
            marker::SCAN => return found.ok_or_else(cut),
            marker::END => return Err(cut()),
            _ if !marker::begins_frame(marker) => {}
            _ if found.is_some() => {
                return Err(PixelError::corrupt(FORMAT, "a JPEG within it has two frame headers"));
            }
            _ => found = Some(Frame::read(marker, body).map_err(within)?),
        }
    }
    Err(cut())
}
