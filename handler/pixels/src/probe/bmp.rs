//! BMP: two headers and the place of the pixels.

use super::{Icc, Probe, check_size};
use crate::area::Size;
use crate::error::PixelError;
use crate::fields::ByteOrder;
use crate::format::InputFormat;
use crate::limits::{Limits, Truncated};
use crate::orientation::Orientation;

const FORMAT: InputFormat = InputFormat::Bmp;

/// A run of 255 pixels takes two bytes; a jump can leave more untouched, but never more than the screen at its end.
const RUN_LENGTH: [u32; 2] = [1, 2];

/// Reads the headers and, for uncompressed pixels, checks that all rows lie within the file.
pub(super) fn probe(bytes: &[u8], limits: &Limits) -> Result<Probe, PixelError> {
    let cut = || PixelError::truncated(FORMAT, "it ends within its header");
    let long = |at| ByteOrder::Little.u32(bytes, at).ok_or_else(cut);
    let short = |at| ByteOrder::Little.u16(bytes, at).ok_or_else(cut);
    let (pixels_at, header_bytes) = (long(10)?, long(14)?);
    let (size, bits, compression) = match header_bytes {
        12 => (Size { width: short(18)?.into(), height: short(20)?.into() }, short(24)?, 0),
        // A negative height means rows from the top.
        40.. => (Size { width: long(18)?, height: long(22)?.cast_signed().unsigned_abs() }, short(28)?, long(30)?),
        _ => return Err(PixelError::corrupt(FORMAT, format!("its header has {header_bytes} bytes"))),
    };
    check_size(FORMAT, size, limits)?;
    // Other decoders would draw them.
    if u64::from(pixels_at) < 14 + u64::from(header_bytes) {
        let reason = format!("its pixels would begin at byte {pixels_at}, within its headers");
        return Err(PixelError::corrupt(FORMAT, reason));
    }
    if !matches!(bits, 1 | 2 | 4 | 8 | 16 | 24 | 32) {
        return Err(PixelError::corrupt(FORMAT, format!("it has {bits} bits a pixel")));
    }
    let row_bytes = (u64::from(size.width) * u64::from(bits)).div_ceil(32) * 4;
    let truncated = limits.truncated == Truncated::Allow
        && !RUN_LENGTH.contains(&compression)
        && u64::from(pixels_at) + row_bytes * u64::from(size.height) > bytes.len() as u64;
    if truncated || RUN_LENGTH.contains(&compression) {
        if u64::from(pixels_at) >= bytes.len() as u64 {
            return Err(PixelError::truncated(FORMAT, "its pixels lie beyond its end"));
        }
    } else if u64::from(pixels_at) + row_bytes * u64::from(size.height) > bytes.len() as u64 {
        return Err(PixelError::truncated(FORMAT, "its last rows are missing"));
    }
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
        channel_bytes: 1,
        decoder_bytes: row_bytes * 4,
        jpeg: None,
    })
}
