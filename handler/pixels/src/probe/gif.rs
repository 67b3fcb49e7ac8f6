//! GIF: the logical screen and the blocks of its first frame.

use super::{Icc, Probe, check_size};
use crate::area::Size;
use crate::error::PixelError;
use crate::fields::{ByteOrder, slice};
use crate::format::InputFormat;
use crate::limits::Limits;
use crate::orientation::Orientation;

const FORMAT: InputFormat = InputFormat::Gif;

/// No code of LZW with twelve bits stands for more pixels, and none has fewer than two bits.
const PIXELS_PER_CODE_MAX: u64 = 4096;

/// Walks the blocks up to the end of the first frame, which must be whole. What follows is looked at but not needed:
/// many files lack the trailer.
pub(super) fn probe(bytes: &[u8], limits: &Limits) -> Result<Probe, PixelError> {
    let cut = || PixelError::truncated(FORMAT, "its first frame is not whole");
    let screen = size_at(bytes, 6).ok_or_else(cut)?;
    check_size(FORMAT, screen, limits)?;
    let mut at = 13 + color_table_bytes(*bytes.get(10).ok_or_else(cut)?);
    loop {
        match *bytes.get(at).ok_or_else(cut)? {
            0x21 => at = skip_data(bytes, at + 2).ok_or_else(cut)?.0,
            0x2c => break,
            0x3b => return Err(PixelError::corrupt(FORMAT, "it holds no frame")),
            other => return Err(PixelError::corrupt(FORMAT, format!("it has a block of type {other}"))),
        }
    }
    let frame = size_at(bytes, at + 5).ok_or_else(cut)?;
    check_size(FORMAT, frame, limits)?;
    let table_bytes = color_table_bytes(*bytes.get(at + 9).ok_or_else(cut)?);
    // One byte for the width of the first codes precedes the data.
    let (after, data_bytes) = skip_data(bytes, at + 10 + table_bytes + 1).ok_or_else(cut)?;
    if frame.pixels() > data_bytes.saturating_mul(8 / 2).saturating_mul(PIXELS_PER_CODE_MAX) {
        return Err(PixelError::too_short(FORMAT, frame));
    }
    Ok(Probe {
        format: FORMAT,
        width: screen.width,
        height: screen.height,
        orientation: Orientation::Upright,
        // What a frame leaves uncovered is transparent, whatever its colours are.
        has_alpha: true,
        animated: has_frame(bytes, after),
        palette: true,
        truncated: false,
        icc: Icc::Absent,
        color_bytes: 0,
        channels: 4,
        channel_bytes: 1,
        decoder_bytes: frame.pixels() * 5 + screen.pixels(),
        jpeg: None,
    })
}

fn size_at(bytes: &[u8], at: usize) -> Option<Size> {
    Some(Size { width: ByteOrder::Little.u16(bytes, at)?.into(), height: ByteOrder::Little.u16(bytes, at + 2)?.into() })
}

fn color_table_bytes(flags: u8) -> usize {
    if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) }
}

/// Skips a chain of data blocks: where it ends, and how many bytes it holds.
fn skip_data(bytes: &[u8], mut at: usize) -> Option<(usize, u64)> {
    let mut data_bytes = 0;
    loop {
        let length = *bytes.get(at)?;
        at += 1 + slice(bytes, at + 1, length.into())?.len();
        data_bytes += u64::from(length);
        if length == 0 {
            return Some((at, data_bytes));
        }
    }
}

fn has_frame(bytes: &[u8], mut at: usize) -> bool {
    loop {
        match bytes.get(at) {
            Some(0x2c) => return true,
            Some(0x21) => match skip_data(bytes, at + 2) {
                Some((after, _)) => at = after,
                None => return false,
            },
            _ => return false,
        }
    }
}
