//! BMP: two headers and the place of the pixels.

use super::{Icc, Probe, check_size};
use crate::area::Size;
use crate::error::PixelError;
use crate::fields::{ByteOrder, slice};
use crate::format::InputFormat;
use crate::limits::{Limits, Truncated};
use crate::orientation::Orientation;

const FORMAT: InputFormat = InputFormat::Bmp;

/// Compressions, as Windows numbers them.
const RUNS_OF_BYTES: u32 = 1;
const RUNS_OF_HALVES: u32 = 2;
const BIT_FIELDS: u32 = 3;
const BIT_FIELDS_WITH_ALPHA: u32 = 6;

/// The header of the file, before that of the image.
const FILE_HEADER_BYTES: usize = 14;

/// The longest header of an image, with the palette behind it, in a file that is written anew.
const HEADERS_BYTES_MAX: u64 = 14 + 108 + 256 * 4;

/// What the headers say.
struct Header {
    size: Size,
    /// As stored: negative where rows come from the top.
    height: u32,
    bits: u16,
    compression: u32,
    /// Of a header that the decoder (image 0.25) does not know: those of OS/2 2.x.
    is_foreign: bool,
    /// Where the palette is, the bytes of a colour, and how many of these the file says there are, or would be if it did not.
    palette_at: usize,
    color_bytes: usize,
    colors: usize,
    /// Where the pixels are. Some programs leave it out, and put them behind the palette.
    pixels_at: usize,
    has_place: bool,
}

impl Header {
    fn read(bytes: &[u8]) -> Result<Self, PixelError> {
        let cut = || PixelError::truncated(FORMAT, "it ends within its header");
        let long = |at| ByteOrder::Little.u32(bytes, at).ok_or_else(cut);
        let short = |at| ByteOrder::Little.u16(bytes, at).ok_or_else(cut);
        let header_bytes = long(14)?;
        // OS/2 2.x: 64 bytes of which only the first 16 have to be there.
        let is_foreign = matches!(header_bytes, 16..=64) && !matches!(header_bytes, 40 | 52 | 56);
        let optional = |at: usize| if at + 4 <= 14 + header_bytes as usize { long(at) } else { Ok(0) };
        let (size, height, bits, compression, colors) = match header_bytes {
            12 => {
                let height = short(20)?.into();
                (Size { width: short(18)?.into(), height }, height, short(24)?, 0, 0)
            }
            16.. => {
                let height = long(22)?;
                let size = Size { width: long(18)?, height: height.cast_signed().unsigned_abs() };
                (size, height, short(28)?, optional(30)?, optional(46)?)
            }
            _ => return Err(PixelError::corrupt(FORMAT, format!("its header has {header_bytes} bytes"))),
        };
        if is_foreign {
            match compression {
                3 => return Err(PixelError::unsupported(FORMAT, "Huffman compression")),
                4 => return Err(PixelError::unsupported(FORMAT, "runs of 24 bits")),
                _ => {}
            }
        }
        let masks = match compression {
            BIT_FIELDS if header_bytes == 40 => 12,
            BIT_FIELDS_WITH_ALPHA if header_bytes == 40 => 16,
            _ => 0,
        };
        let palette_at = FILE_HEADER_BYTES + header_bytes as usize + masks;
        let color_bytes = if header_bytes == 12 { 3 } else { 4 };
        let colors = match (colors, bits) {
            (0, 1..=8) => 1 << bits,
            (colors, _) => colors as usize,
        };
        let place = long(10)? as usize;
        let pixels_at = if place > 0 { place } else { palette_at.saturating_add(colors.saturating_mul(color_bytes)) };
        Ok(Self {
            size,
            height,
            bits,
            compression,
            is_foreign,
            palette_at,
            color_bytes,
            colors,
            pixels_at,
            has_place: place > 0,
        })
    }

    /// Colours that a pixel can choose from.
    fn colors_max(&self) -> usize {
        if self.bits <= 8 { 1 << self.bits } else { usize::MAX }
    }

    fn is_in_runs(&self) -> bool {
        // A run of 255 pixels takes two bytes; a jump can leave more untouched, but never more than the screen at its end.
        matches!(self.compression, RUNS_OF_BYTES | RUNS_OF_HALVES)
    }

    fn row_bits(&self) -> u64 {
        u64::from(self.size.width) * u64::from(self.bits)
    }

    /// Where all rows end.
    fn end(&self) -> u64 {
        self.pixels_at as u64 + self.row_bits().div_ceil(32) * 4 * u64::from(self.size.height)
    }

    /// What fills the last row to whole words, which some programs do not write.
    fn padding(&self) -> u64 {
        self.row_bits().div_ceil(32) * 4 - self.row_bits().div_ceil(8)
    }

    /// Bytes that are missing behind the pixels of a file of this length, where they fill the last row and nothing else.
    fn missing_padding(&self, length: usize) -> Option<u64> {
        let missing = self.end().checked_sub(length as u64)?;
        (!self.is_in_runs() && missing > 0 && missing <= self.padding()).then_some(missing)
    }

    /// Whether the decoder would not read it, or not rightly.
    fn is_odd(&self, length: usize) -> bool {
        self.is_foreign
            || self.compression == BIT_FIELDS_WITH_ALPHA
            || self.colors > self.colors_max()
            || !self.has_place
            || self.missing_padding(length).is_some()
    }
}

/// Reads the headers and, for uncompressed pixels, checks that all rows lie within the file.
pub(super) fn probe(bytes: &[u8], limits: &Limits) -> Result<Probe, PixelError> {
    let header = Header::read(bytes)?;
    let Header { size, bits, pixels_at, .. } = header;
    check_size(FORMAT, size, limits)?;
    // Other decoders would draw them.
    if pixels_at < FILE_HEADER_BYTES + header_bytes(bytes) {
        let reason = format!("its pixels would begin at byte {pixels_at}, within its headers");
        return Err(PixelError::corrupt(FORMAT, reason));
    }
    if !matches!(bits, 1 | 2 | 4 | 8 | 16 | 24 | 32) {
        return Err(PixelError::corrupt(FORMAT, format!("it has {bits} bits a pixel")));
    }
    let is_cut =
        !header.is_in_runs() && header.end() > bytes.len() as u64 && header.missing_padding(bytes.len()).is_none();
    let truncated = is_cut && limits.truncated == Truncated::Allow;
    if is_cut && !truncated {
        return Err(PixelError::truncated(FORMAT, "its last rows are missing"));
    }
    if (truncated || header.is_in_runs()) && pixels_at >= bytes.len() {
        return Err(PixelError::truncated(FORMAT, "its pixels lie beyond its end"));
    }
    let row_bytes = header.row_bits().div_ceil(32) * 4;
    let copy = if header.is_odd(bytes.len()) { bytes.len() as u64 + HEADERS_BYTES_MAX } else { 0 };
    Ok(Probe {
        format: FORMAT,
        width: size.width,
        height: size.height,
        orientation: Orientation::Upright,
        has_alpha: matches!(bits, 16 | 32),
        animated: false,
        palette: bits <= 8,
        truncated,
        icc: Icc::Absent,
        color_bytes: 0,
        channels: if matches!(bits, 16 | 32) { 4 } else { 3 },
        is_inks: false,
        channel_bytes: 1,
        decoder_bytes: row_bytes * 4 + copy,
        jpeg: None,
    })
}

fn header_bytes(bytes: &[u8]) -> usize {
    ByteOrder::Little.u32(bytes, 14).unwrap_or(0) as usize
}

/// A copy of a file that the decoder would not read, or not rightly, with headers that it knows; none of a file that is well.
pub(crate) fn mended(bytes: &[u8]) -> Option<Vec<u8>> {
    let header = Header::read(bytes).ok().filter(|header| header.is_odd(bytes.len()))?;
    let fields = matches!(header.compression, BIT_FIELDS | BIT_FIELDS_WITH_ALPHA);
    // Masks follow the header, or are the next fields of a longer one.
    let masks = if fields { slice(bytes, FILE_HEADER_BYTES + 40, 16)? } else { &[] };
    let has_alpha_mask = match header_bytes(bytes) {
        40 => header.compression == BIT_FIELDS_WITH_ALPHA,
        length => length >= 56,
    };
    let colors = if header.bits <= 8 { header.colors.min(header.colors_max()) } else { 0 };
    let mut palette = Vec::new();
    if colors > 0 {
        let stored = bytes.get(header.palette_at..)?.chunks_exact(header.color_bytes).take(colors);
        palette.extend(stored.flat_map(|color| [color[0], color[1], color[2], 0]));
    }
    let header_length = if fields { 108 } else { 40 };
    let pixels = bytes.get(header.pixels_at..)?;
    let pixels_at = FILE_HEADER_BYTES + header_length + palette.len();
    let padding = usize::try_from(header.missing_padding(bytes.len()).unwrap_or(0)).ok()?;
    let mut copy = Vec::new();
    copy.try_reserve_exact(pixels_at + pixels.len() + padding).ok()?;
    let long = |value: usize| u32::try_from(value).ok().map(u32::to_le_bytes);
    copy.extend(b"BM\0\0\0\0\0\0\0\0");
    copy.extend(long(pixels_at)?);
    copy.extend(long(header_length)?);
    copy.extend(header.size.width.to_le_bytes());
    copy.extend(header.height.to_le_bytes());
    copy.extend(1_u16.to_le_bytes());
    copy.extend(header.bits.to_le_bytes());
    copy.extend(if fields { BIT_FIELDS } else { header.compression }.to_le_bytes());
    copy.extend([0; 12]);
    copy.extend(long(palette.len() / 4)?);
    copy.extend([0; 4]);
    copy.extend(masks);
    copy.resize(FILE_HEADER_BYTES + header_length, 0);
    if fields && !has_alpha_mask {
        copy.get_mut(FILE_HEADER_BYTES + 52..FILE_HEADER_BYTES + 56)?.fill(0);
    }
    copy.extend(palette);
    copy.extend_from_slice(pixels);
    copy.resize(copy.len() + padding, 0);
    Some(copy)
}
