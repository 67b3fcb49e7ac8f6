//! PNG: chunks from the header to the end.

use super::{Icc, Probe, check_size};
use crate::area::Size;
use crate::error::PixelError;
use crate::fields::{ByteOrder, slice};
use crate::format::InputFormat;
use crate::limits::{Limits, Truncated};
use crate::orientation::Orientation;

const FORMAT: InputFormat = InputFormat::Png;

/// Deflate's best: 258 bytes for two bits.
const DEFLATE_RATIO_MAX: u64 = 1032;

/// What the first chunk says.
struct Header {
    size: Size,
    depth: u8,
    color: u8,
    /// Of a pixel.
    samples: u64,
    is_interlaced: bool,
}

/// Reads the first chunk, and says where the next one starts.
fn read_header(bytes: &[u8], limits: &Limits) -> Result<(Header, usize), PixelError> {
    let (first, header, next) = chunk(bytes, 8)?;
    if first != b"IHDR" || header.len() != 13 {
        return Err(PixelError::corrupt(FORMAT, "it does not start with its header"));
    }
    let cut = || PixelError::corrupt(FORMAT, "its header is too short");
    let size = Size {
        width: ByteOrder::Big.u32(header, 0).ok_or_else(cut)?,
        height: ByteOrder::Big.u32(header, 4).ok_or_else(cut)?,
    };
    check_size(FORMAT, size, limits)?;
    let (depth, color) = (header[8], header[9]);
    let samples = match color {
        0 | 3 => 1,
        2 => 3,
        4 => 2,
        6 => 4,
        _ => return Err(PixelError::corrupt(FORMAT, format!("its colour type is {color}"))),
    };
    if !matches!(depth, 1 | 2 | 4 | 8 | 16) {
        return Err(PixelError::corrupt(FORMAT, format!("it has {depth} bits a sample")));
    }
    Ok((Header { size, depth, color, samples, is_interlaced: header[12] != 0 }, next))
}

/// Walks every chunk up to the end chunk. Their checksums are the decoder's business.
pub(super) fn probe(bytes: &[u8], limits: &Limits) -> Result<Probe, PixelError> {
    let (Header { size, depth, color, samples, is_interlaced }, mut at) = read_header(bytes, limits)?;
    let (mut data_bytes, mut transparency, mut animated, mut exif) = (0_u64, false, false, None);
    // What a profile has to come before.
    let (mut icc, mut truncated, mut has_colors) = (None, false, false);
    let mut is_mended = false;
    loop {
        let (kind, body, next) = match chunk(bytes, at) {
            Err(_) if limits.truncated == Truncated::Allow && holds_data(bytes, at, data_bytes) => {
                truncated = true;
                break;
            }
            // Whether all pixels are there the decoder finds out.
            Err(_) if is_open_at(bytes, at, data_bytes) => {
                is_mended = true;
                break;
            }
            chunk => chunk?,
        };
        let body_at = at + 8;
        at = next;
        match kind {
            b"IDAT" => (data_bytes, has_colors) = (data_bytes + body.len() as u64, true),
            b"PLTE" => {
                if color == 3 {
                    check_palette(body)?;
                }
                has_colors = true;
            }
            b"tRNS" => {
                transparency = true;
                is_mended |= masked(body, color, depth).is_some();
            }
            b"iCCP" if !has_colors => icc = icc.or_else(|| Some(Icc::png(body, body_at))),
            b"acTL" => animated = true,
            b"eXIf" => exif = exif.or(Some(body)),
            b"IEND" => break,
            _ => {}
        }
    }
    // Its rows are spread over seven passes: what is there is not a part of the picture but dots all over it.
    if truncated && is_interlaced {
        return Err(PixelError::truncated(FORMAT, "no end chunk; an interlaced one cannot be read in part"));
    }
    let row_bytes = (u64::from(size.width) * samples * u64::from(depth)).div_ceil(8) + 1;
    if !truncated && row_bytes * u64::from(size.height) > data_bytes.saturating_mul(DEFLATE_RATIO_MAX) {
        return Err(PixelError::too_short(FORMAT, size));
    }
    let has_alpha = transparency || matches!(color, 4 | 6);
    let colors = if matches!(color, 0 | 4) { 1 } else { 3 };
    Ok(Probe {
        format: FORMAT,
        width: size.width,
        height: size.height,
        orientation: exif.and_then(Orientation::from_exif_block).unwrap_or_default(),
        has_alpha,
        animated,
        palette: color == 3,
        truncated,
        icc: icc.unwrap_or_default(),
        color_bytes: 0,
        channels: colors + u8::from(has_alpha),
        is_inks: false,
        channel_bytes: if depth == 16 { 2 } else { 1 },
        // Rows before and after filtering; an interlaced image also keeps a row of each pass. A file that is mended is copied.
        decoder_bytes: row_bytes * 8 + if is_mended { bytes.len() as u64 + END.len() as u64 } else { 0 },
        jpeg: None,
    })
}

/// Whether a file that ends at or within the chunk at `at` lacks none of its pixels, as far as its chunks tell.
fn is_open_at(bytes: &[u8], at: usize, data_bytes: u64) -> bool {
    data_bytes > 0 && slice(bytes, at + 4, 4) != Some(b"IDAT")
}

/// The end chunk.
const END: &[u8] = b"\0\0\0\0IEND\xae\x42\x60\x82";

/// A copy of a file that the decoder would not read, or not rightly: with an end chunk where there is none, and with a
/// transparent gray of as many bits as a pixel has. None of a file that is well.
pub(crate) fn mended(bytes: &[u8]) -> Option<Vec<u8>> {
    let (depth, color) = (*bytes.get(24)?, *bytes.get(25)?);
    let (mut at, mut gray) = (8, None);
    let end = loop {
        match chunk(bytes, at) {
            Ok((b"IEND", ..)) => break None,
            Ok((kind, body, next)) => {
                if kind == b"tRNS" && gray.is_none() {
                    gray = masked(body, color, depth).map(|gray| (at + 8, gray));
                }
                at = next;
            }
            Err(_) => break Some(at),
        }
    };
    if end.is_none() && gray.is_none() {
        return None;
    }
    let mut copy = Vec::new();
    copy.try_reserve_exact(bytes.len() + END.len()).ok()?;
    copy.extend_from_slice(bytes.get(..end.unwrap_or(bytes.len()))?);
    if end.is_some() {
        copy.extend_from_slice(END);
    }
    if let Some((at, gray)) = gray {
        copy.get_mut(at..at + 2)?.copy_from_slice(&gray);
        let mut sum = flate2::Crc::new();
        sum.update(copy.get(at - 4..at + 2)?);
        copy.get_mut(at + 2..at + 6)?.copy_from_slice(&sum.sum().to_be_bytes());
    }
    Some(copy)
}

/// The transparent gray of a chunk that has bits which no pixel has, without them: as in libpng they do not count.
fn masked(body: &[u8], color: u8, depth: u8) -> Option<[u8; 2]> {
    let &[high, low] = body else { return None };
    if color != 0 || depth >= 8 {
        return None;
    }
    let gray = low & ((1 << depth) - 1);
    (high != 0 || low != gray).then_some([0, gray])
}

/// The decoder (png 0.18.1) panics at a palette that ends within a colour.
fn check_palette(body: &[u8]) -> Result<(), PixelError> {
    let bytes = body.len();
    if bytes == 0 || bytes > 3 * 256 || !bytes.is_multiple_of(3) {
        let reason = format!("its palette has {bytes} bytes instead of three for each of 1 to 256 colours");
        return Err(PixelError::corrupt(FORMAT, reason));
    }
    Ok(())
}

/// Whether some pixels come before the place where a file ends.
fn holds_data(bytes: &[u8], at: usize, data_bytes: u64) -> bool {
    data_bytes > 0 || (slice(bytes, at + 4, 4) == Some(b"IDAT") && bytes.len() > at + 8)
}

/// The type and body of the chunk at `at`, and where the next one starts.
pub(crate) fn chunk(bytes: &[u8], at: usize) -> Result<(&[u8], &[u8], usize), PixelError> {
    let cut = || PixelError::truncated(FORMAT, "no end chunk");
    let length = usize::try_from(ByteOrder::Big.u32(bytes, at).ok_or_else(cut)?).map_err(|_| cut())?;
    let kind = slice(bytes, at + 4, 4).ok_or_else(cut)?;
    let body = slice(bytes, at + 8, length).ok_or_else(cut)?;
    slice(bytes, at + 8 + length, 4).ok_or_else(cut)?;
    Ok((kind, body, at + 12 + length))
}
