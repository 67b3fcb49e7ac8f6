//! GIF: the logical screen and the blocks of its first frame.

use std::ops::Range;

use super::{Icc, Probe, check_size};
use crate::area::Size;
use crate::error::PixelError;
use crate::fields::{ByteOrder, slice};
use crate::format::InputFormat;
use crate::limits::{Limits, Truncated};
use crate::orientation::Orientation;

const FORMAT: InputFormat = InputFormat::Gif;

/// No code of LZW with twelve bits stands for more pixels, and none has fewer than two bits.
const PIXELS_PER_CODE_MAX: u64 = 4096;

/// The first frame of a file.
pub(crate) struct Frame {
    /// What it is part of.
    pub(crate) screen: Size,
    pub(crate) left: u32,
    pub(crate) top: u32,
    pub(crate) size: Size,
    /// Where the colours are that its pixels choose from: its own, or those of all frames; none where the file has none.
    pub(crate) table: Option<Range<usize>>,
    pub(crate) transparent: Option<u8>,
    pub(crate) is_interlaced: bool,
    /// Where the width of the first codes is, and behind it the data.
    pub(crate) data_at: usize,
}

impl Frame {
    /// Walks the blocks up to the data of the first frame.
    pub(crate) fn read(bytes: &[u8], limits: &Limits) -> Result<Self, PixelError> {
        let cut = || PixelError::truncated(FORMAT, "its first frame is incomplete");
        let screen = size_at(bytes, 6).ok_or_else(cut)?;
        limits.check_source(screen)?;
        let shared = color_table(13, *bytes.get(10).ok_or_else(cut)?);
        let mut at = shared.as_ref().map_or(13, |table| table.end);
        let mut transparent = None;
        loop {
            match *bytes.get(at).ok_or_else(cut)? {
                0x21 => {
                    if let Some([0xf9, 4, flags, _, _, number]) = slice(bytes, at + 1, 6) {
                        transparent = (flags & 1 == 1).then_some(*number);
                    }
                    at = skip_data(bytes, at + 2).ok_or_else(cut)?.0;
                }
                0x2c => break,
                0x3b => return Err(PixelError::corrupt(FORMAT, "it holds no frame")),
                other => return Err(PixelError::corrupt(FORMAT, format!("it has a block of type {other}"))),
            }
        }
        let place = size_at(bytes, at + 1).ok_or_else(cut)?;
        let size = size_at(bytes, at + 5).ok_or_else(cut)?;
        check_size(FORMAT, size, limits)?;
        let flags = *bytes.get(at + 9).ok_or_else(cut)?;
        let own = color_table(at + 10, flags);
        let data_at = own.as_ref().map_or(at + 10, |table| table.end);
        // A screen of nothing is as large as its first frame, as in browsers.
        let (screen, place) = if screen.pixels() == 0 { (size, Size { width: 0, height: 0 }) } else { (screen, place) };
        Ok(Self {
            screen,
            left: place.width,
            top: place.height,
            size,
            table: own.or(shared),
            transparent,
            is_interlaced: flags & 0x40 != 0,
            data_at,
        })
    }

    /// The next part of the data, and where the one after it is; none at the end of the data, or of the file.
    pub(crate) fn part(bytes: &[u8], at: usize) -> Option<(&[u8], usize)> {
        let length = usize::from(*bytes.get(at)?);
        let rest = bytes.get(at + 1..)?;
        let part = rest.get(..length).unwrap_or(rest);
        (!part.is_empty()).then_some((part, at + 1 + length))
    }
}

/// Walks the blocks up to the end of the first frame, which must be whole unless cut files are allowed. What follows is looked
/// at but not needed: many files lack the trailer.
pub(super) fn probe(bytes: &[u8], limits: &Limits) -> Result<Probe, PixelError> {
    let frame = Frame::read(bytes, limits)?;
    let data = skip_data(bytes, frame.data_at + 1);
    let truncated = data.is_none() && limits.truncated == Truncated::Allow && bytes.len() > frame.data_at + 2;
    let (after, data_bytes) = match data {
        None if truncated => (bytes.len(), (bytes.len() - frame.data_at) as u64),
        data => data.ok_or_else(|| PixelError::truncated(FORMAT, "its first frame is incomplete"))?,
    };
    if !truncated && frame.size.pixels() > data_bytes.saturating_mul(8 / 2).saturating_mul(PIXELS_PER_CODE_MAX) {
        return Err(PixelError::too_short(FORMAT, frame.size));
    }
    Ok(Probe {
        format: FORMAT,
        width: frame.screen.width,
        height: frame.screen.height,
        orientation: Orientation::Upright,
        // What a frame leaves uncovered is transparent, whatever its colours are.
        has_alpha: true,
        animated: has_frame(bytes, after),
        palette: true,
        truncated,
        icc: Icc::Absent,
        color_bytes: 0,
        channels: 4,
        is_inks: false,
        channel_bytes: 1,
        // A row of numbers. The table of LZW is small.
        decoder_bytes: frame.size.width.into(),
        jpeg: None,
    })
}

fn size_at(bytes: &[u8], at: usize) -> Option<Size> {
    Some(Size { width: ByteOrder::Little.u16(bytes, at)?.into(), height: ByteOrder::Little.u16(bytes, at + 2)?.into() })
}

fn color_table(at: usize, flags: u8) -> Option<Range<usize>> {
    (flags & 0x80 != 0).then(|| at..at + (3 << ((flags & 7) + 1)))
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
