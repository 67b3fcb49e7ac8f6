//! TIFF: the first directory and where its strips or tiles lie.

use std::ops::Range;

use super::{Icc, Probe, check_size};
use crate::area::Size;
use crate::error::PixelError;
use crate::fields::{ByteOrder, slice};
use crate::format::InputFormat;
use crate::jpeg::{Frame, Segment, Segments, marker};
use crate::limits::Limits;
use crate::orientation::Orientation;

const FORMAT: InputFormat = InputFormat::Tiff;
const ENTRY_BYTES: usize = 12;

/// Types of an entry whose values are bytes.
const TYPE_BYTE: u16 = 1;
const TYPE_UNDEFINED: u16 = 7;

/// A value of the compression tag.
const UNCOMPRESSED: u32 = 1;

/// A value of the compression tag: each strip or tile is a JPEG file.
const JPEG: u32 = 7;

/// Tiles are often larger than a small image.
const TILE_SIDE_MIN: u32 = 512;

/// Coefficients of a progressive JPEG, which its decoder keeps: two bytes, four of the picture to one of each colour.
const JPEG_BYTES_PER_SAMPLE: u64 = 3;

/// A value of the photometric tag.
const CMYK: u32 = 5;

/// Tags of one value, or of one for each sample, that the decoder reads whatever they say.
const COUNTED: [u16; 14] = [
    tag::WIDTH,
    tag::HEIGHT,
    tag::BITS,
    tag::COMPRESSION,
    tag::PHOTOMETRIC,
    tag::SAMPLES,
    tag::ROWS_PER_STRIP,
    tag::PLANAR,
    tag::PREDICTOR,
    tag::TILE_WIDTH,
    tag::TILE_HEIGHT,
    tag::EXTRA_SAMPLES,
    tag::SAMPLE_FORMAT,
    tag::CHROMA_SUBSAMPLING,
];

/// Values of such a tag, with room for samples that are not read.
const VALUES_MAX: usize = 64;

mod tag {
    pub(super) const WIDTH: u16 = 256;
    pub(super) const HEIGHT: u16 = 257;
    pub(super) const BITS: u16 = 258;
    pub(super) const COMPRESSION: u16 = 259;
    pub(super) const PHOTOMETRIC: u16 = 262;
    pub(super) const STRIP_OFFSETS: u16 = 273;
    pub(super) const ORIENTATION: u16 = 274;
    pub(super) const SAMPLES: u16 = 277;
    pub(super) const ROWS_PER_STRIP: u16 = 278;
    pub(super) const STRIP_BYTES: u16 = 279;
    pub(super) const PLANAR: u16 = 284;
    pub(super) const PREDICTOR: u16 = 317;
    pub(super) const TILE_WIDTH: u16 = 322;
    pub(super) const TILE_HEIGHT: u16 = 323;
    pub(super) const TILE_OFFSETS: u16 = 324;
    pub(super) const TILE_BYTES: u16 = 325;
    pub(super) const EXTRA_SAMPLES: u16 = 338;
    pub(super) const SAMPLE_FORMAT: u16 = 339;
    pub(super) const JPEG_TABLES: u16 = 347;
    pub(super) const CHROMA_SUBSAMPLING: u16 = 530;
    pub(super) const ICC: u16 = 34_675;
}

/// The first directory of a file.
struct Directory<'a> {
    bytes: &'a [u8],
    order: ByteOrder,
    entries: &'a [u8],
}

/// The values of an entry, which lie in it or elsewhere in the file.
struct Values<'a> {
    order: ByteOrder,
    width: usize,
    data: &'a [u8],
}

impl<'a> Directory<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, PixelError> {
        let cut = || PixelError::truncated(FORMAT, "its directory lies beyond its end");
        let order = if bytes.starts_with(b"II") { ByteOrder::Little } else { ByteOrder::Big };
        let at = usize::try_from(order.u32(bytes, 4).ok_or_else(cut)?).map_err(|_| cut())?;
        let count = usize::from(order.u16(bytes, at).ok_or_else(cut)?);
        let entries = slice(bytes, at + 2, count * ENTRY_BYTES).ok_or_else(cut)?;
        Ok(Self { bytes, order, entries })
    }

    fn values(&self, tag: u16) -> Result<Option<Values<'a>>, PixelError> {
        let has_tag = |entry: &&[u8]| self.order.u16(entry, 0) == Some(tag);
        let Some(entry) = self.entries.chunks_exact(ENTRY_BYTES).find(has_tag) else { return Ok(None) };
        let cut = || PixelError::truncated(FORMAT, "a table lies beyond its end");
        let width = match self.order.u16(entry, 2) {
            Some(1 | 7) => 1,
            Some(3) => 2,
            Some(4) => 4,
            kind => return Err(PixelError::corrupt(FORMAT, format!("tag {tag} is of type {}", kind.unwrap_or(0)))),
        };
        let count = usize::try_from(self.order.u32(entry, 4).ok_or_else(cut)?).map_err(|_| cut())?;
        let length = count.checked_mul(width).ok_or_else(cut)?;
        let data = if length <= 4 {
            slice(entry, 8, length)
        } else {
            let at = usize::try_from(self.order.u32(entry, 8).ok_or_else(cut)?).map_err(|_| cut())?;
            slice(self.bytes, at, length)
        };
        Ok(Some(Values { order: self.order, width, data: data.ok_or_else(cut)? }))
    }

    /// Where the bytes of an entry are, unless they are in the entry itself or beyond the end of the file.
    fn place(&self, tag: u16) -> Option<Range<usize>> {
        let entry = self.entries.chunks_exact(ENTRY_BYTES).find(|entry| self.order.u16(entry, 0) == Some(tag))?;
        if !matches!(self.order.u16(entry, 2), Some(TYPE_BYTE | TYPE_UNDEFINED)) {
            return None;
        }
        let length = usize::try_from(self.order.u32(entry, 4)?).ok().filter(|length| *length > 4)?;
        let at = usize::try_from(self.order.u32(entry, 8)?).ok()?;
        slice(self.bytes, at, length).map(|_| at..at + length)
    }

    fn value(&self, tag: u16) -> Result<Option<u32>, PixelError> {
        Ok(self.values(tag)?.and_then(|values| values.iter().next()))
    }

    fn required(&self, tag: u16) -> Result<u32, PixelError> {
        self.value(tag)?.ok_or_else(|| PixelError::corrupt(FORMAT, format!("tag {tag} is missing")))
    }
}

impl<'a> Values<'a> {
    fn iter(&self) -> impl Iterator<Item = u32> + 'a {
        let (order, width) = (self.order, self.width);
        self.data.chunks_exact(width).map(move |field| match width {
            1 => u32::from(field[0]),
            2 => order.u16(field, 0).unwrap_or(0).into(),
            _ => order.u32(field, 0).unwrap_or(0),
        })
    }
}

/// Reads the first directory and checks that every strip or tile lies within the file.
pub(super) fn probe(bytes: &[u8], limits: &Limits) -> Result<Probe, PixelError> {
    let directory = Directory::read(bytes)?;
    let size = Size { width: directory.required(tag::WIDTH)?, height: directory.required(tag::HEIGHT)? };
    check_size(FORMAT, size, limits)?;
    let bits = directory.values(tag::BITS)?.and_then(|bits| bits.iter().max()).unwrap_or(1);
    let samples = directory.value(tag::SAMPLES)?.unwrap_or(1);
    if bits == 0 || bits > 64 || samples == 0 || samples > 8 {
        return Err(PixelError::unsupported(FORMAT, format!("{samples} samples of {bits} bits")));
    }
    check_counts(&directory)?;
    let compression = directory.value(tag::COMPRESSION)?.unwrap_or(UNCOMPRESSED);
    let data_bytes = check_data(&directory, (compression == JPEG).then_some(size))?;
    let pixel_bits = u64::from(bits) * u64::from(samples);
    if compression == UNCOMPRESSED && data_bytes < (size.pixels() * pixel_bits).div_ceil(8) {
        return Err(PixelError::too_short(FORMAT, size));
    }
    let number = directory.value(tag::ORIENTATION).ok().flatten().and_then(|number| u16::try_from(number).ok());
    let cmyk = directory.value(tag::PHOTOMETRIC)?.unwrap_or(0) == CMYK;
    let channels = match samples {
        2 => 2,
        1 => 1,
        3 => 3,
        _ if cmyk => 3,
        _ => 4,
    };
    let icc = directory.place(tag::ICC).map_or(Ok(Icc::Absent), |place| Icc::plain(place, limits))?;
    let channel_bytes = u8::try_from(bits.div_ceil(8)).unwrap_or(8);
    // The decoder has a buffer of its own for the whole image, and one for a strip, which may be the whole image.
    let samples_all = size.pixels() * u64::from(samples);
    let coefficients = if compression == JPEG { samples_all * JPEG_BYTES_PER_SAMPLE + data_bytes } else { 0 };
    let decoder_bytes = samples_all * u64::from(channel_bytes) * 2 + coefficients;
    Ok(Probe {
        format: FORMAT,
        width: size.width,
        height: size.height,
        orientation: number.and_then(Orientation::from_exif).unwrap_or_default(),
        has_alpha: matches!(channels, 2 | 4),
        animated: false,
        palette: false,
        truncated: false,
        icc,
        color_bytes: 0,
        channels,
        channel_bytes,
        decoder_bytes,
        jpeg: None,
    })
}

/// The decoder makes room for all values of these before it looks where they are.
fn check_counts(directory: &Directory<'_>) -> Result<(), PixelError> {
    for tag in COUNTED {
        let count = directory.values(tag)?.map_or(0, |values| values.data.len() / values.width);
        if count > VALUES_MAX {
            let reason = format!("tag {tag} has {count} values; at most {VALUES_MAX} make sense");
            return Err(PixelError::corrupt(FORMAT, reason));
        }
    }
    Ok(())
}

/// The bytes of all strips or tiles, each of which must lie within the file; those that are JPEG files of an image of this
/// size must be no larger than their place in it.
fn check_data(directory: &Directory<'_>, jpeg: Option<Size>) -> Result<u64, PixelError> {
    let pairs = [(tag::STRIP_OFFSETS, tag::STRIP_BYTES), (tag::TILE_OFFSETS, tag::TILE_BYTES)];
    for (offsets, lengths) in pairs {
        let (Some(offsets), Some(lengths)) = (directory.values(offsets)?, directory.values(lengths)?) else { continue };
        let place = jpeg.map(|size| jpeg_place(directory, size)).transpose()?;
        let mut sum = 0;
        for (offset, length) in offsets.iter().zip(lengths.iter()) {
            let cut = || PixelError::truncated(FORMAT, "its pixels lie beyond its end");
            let data = slice(directory.bytes, offset as usize, length as usize).ok_or_else(cut)?;
            if let Some(place) = place {
                check_jpeg(data, place)?;
            }
            sum += u64::from(length);
        }
        return Ok(sum);
    }
    Err(PixelError::corrupt(FORMAT, "it has neither strips nor tiles"))
}

/// The most that one JPEG file of an image of this size may hold.
fn jpeg_place(directory: &Directory<'_>, size: Size) -> Result<Size, PixelError> {
    if directory.values(tag::JPEG_TABLES)?.is_some_and(|tables| tables.data.len() < 4) {
        return Err(PixelError::corrupt(FORMAT, "its JPEG tables are empty"));
    }
    let width = directory.value(tag::TILE_WIDTH)?.unwrap_or(size.width);
    let height = match directory.value(tag::TILE_HEIGHT)? {
        Some(height) => height,
        None => directory.value(tag::ROWS_PER_STRIP)?.unwrap_or(size.height).min(size.height),
    };
    // A tile may hang over the image, but one that is larger than the image has no reason.
    let reach = |side: u32| side.max(TILE_SIDE_MIN).saturating_mul(2);
    Ok(Size { width: width.min(reach(size.width)), height: height.min(reach(size.height)) })
}

/// The decoder makes room for what such a file says before anything is compared with its place.
fn check_jpeg(data: &[u8], place: Size) -> Result<(), PixelError> {
    let cut = || PixelError::corrupt(FORMAT, "a JPEG within it has no scan");
    let mut found = false;
    for segment in Segments::new(data) {
        let Segment { marker, body, .. } = segment.map_err(|_| cut())?;
        match marker {
            marker::SCAN if found => return Ok(()),
            marker::END | marker::SCAN => return Err(cut()),
            _ if !marker::begins_frame(marker) => {}
            _ if found => return Err(PixelError::corrupt(FORMAT, "a JPEG within it has two frame headers")),
            _ => {
                let Size { width, height } = Frame::read(marker, body)?.size;
                if width > place.width || height > place.height {
                    let text =
                        format!("a JPEG within it is {width}x{height}, its place is {}x{}", place.width, place.height);
                    return Err(PixelError::corrupt(FORMAT, text));
                }
                found = true;
            }
        }
    }
    Err(cut())
}
