//! JPEG: markers from the start of the image to its end.

use super::{Probe, check_size};
use crate::pixels::error::PixelError;
use crate::pixels::fields::{ByteOrder, slice};
use crate::pixels::format::InputFormat;
use crate::pixels::geometry::Size;
use crate::pixels::limits::Limits;
use crate::pixels::orientation::Orientation;

const FORMAT: InputFormat = InputFormat::Jpeg;

/// Coefficients of a block, two bytes each.
const BLOCK_BYTES: u64 = 64 * 2;

/// What the frame header says.
struct Frame {
    size: Size,
    progressive: bool,
    components: u8,
    /// Blocks of eight by eight samples over all components.
    blocks: u64,
}

/// Walks every marker up to the end marker.
///
/// Decoders fill what a cut file lacks with grey, so that the end marker is the only sign that nothing is missing. A
/// file that ends after its last scan without the marker is refused too, as sharp does by default: nothing tells it
/// from one that was cut in its last row.
pub(super) fn probe(bytes: &[u8], limits: &Limits) -> Result<Probe, PixelError> {
    let mut frame = None;
    let mut orientation = None;
    let (mut scans, mut entropy_bytes) = (0_u32, 0_u64);
    let mut at = 2;
    loop {
        let (marker, body_at) = next_marker(bytes, at).ok_or_else(|| PixelError::truncated(FORMAT, "no end marker"))?;
        at = body_at;
        match marker {
            0xd9 => break,
            0x01 | 0xd8 => continue,
            _ => {}
        }
        let body = segment(bytes, body_at)?;
        at += 2 + body.len();
        match marker {
            0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf => {
                if frame.is_some() {
                    return Err(PixelError::corrupt(FORMAT, "it has two frame headers"));
                }
                frame = Some(read_frame(marker, body, limits)?);
            }
            0xda => {
                scans += 1;
                if scans > limits.jpeg_scans_max {
                    return Err(PixelError::TooManyScans { scans_max: limits.jpeg_scans_max });
                }
                let end = next_marker(bytes, at).map_or(bytes.len(), |(_, after)| after);
                entropy_bytes += (end - at) as u64;
            }
            // The first block wins; later ones are of thumbnails or of editors that append.
            0xe1 if orientation.is_none() && body.starts_with(b"Exif\0\0") => {
                orientation = Orientation::from_exif_block(body);
            }
            _ => {}
        }
    }
    let frame = frame.ok_or_else(|| PixelError::corrupt(FORMAT, "it has no frame header"))?;
    if scans == 0 {
        return Err(PixelError::corrupt(FORMAT, "it has no scan"));
    }
    check_entropy(&frame, entropy_bytes)?;
    // The decoder (zune-jpeg 0.5.15) returns wrong colours for these without saying so.
    if scans > 1 && !frame.progressive {
        return Err(PixelError::unsupported(FORMAT, "baseline coding in several scans"));
    }
    Ok(describe(&frame, bytes.len(), orientation.unwrap_or_default()))
}

/// The shortest code is one bit: a baseline block has at least two codes, a block's first progressive scan one.
fn check_entropy(frame: &Frame, entropy_bytes: u64) -> Result<(), PixelError> {
    let bits_min = if frame.progressive { frame.blocks } else { frame.blocks * 2 };
    if entropy_bytes * 8 < bits_min {
        return Err(PixelError::too_short(FORMAT, frame.size));
    }
    Ok(())
}

fn describe(frame: &Frame, length: usize, orientation: Orientation) -> Probe {
    // The coefficients of the whole image are kept until the last scan.
    let coefficients = if frame.progressive { frame.blocks * BLOCK_BYTES } else { 0 };
    // A baseline decoder keeps rows of blocks: six bytes a sample, eight rows, with the sides of the widest sampling.
    let rows = u64::from(frame.size.width) * u64::from(frame.components) * 32 * 6;
    Probe {
        format: FORMAT,
        width: frame.size.width,
        height: frame.size.height,
        orientation,
        has_alpha: false,
        animated: false,
        channels: if frame.components == 1 { 1 } else { 3 },
        channel_bytes: 1,
        // The decoder copies its input.
        decoder_bytes: coefficients + rows + length as u64,
    }
}

fn read_frame(marker: u8, body: &[u8], limits: &Limits) -> Result<Frame, PixelError> {
    let unsupported = |feature: &str| Err(PixelError::unsupported(FORMAT, feature));
    match marker {
        0xc0..=0xc2 => {}
        0xc3 | 0xc7 => return unsupported("lossless coding"),
        0xc9..=0xcf => return unsupported("arithmetic coding"),
        _ => return unsupported("hierarchical coding"),
    }
    let cut = || PixelError::corrupt(FORMAT, "its frame header is too short");
    let &[bits, _, _, _, _, components] =
        body.get(..6).and_then(|head| <&[u8; 6]>::try_from(head).ok()).ok_or_else(cut)?;
    let height = ByteOrder::Big.u16(body, 1).ok_or_else(cut)?;
    let width = ByteOrder::Big.u16(body, 3).ok_or_else(cut)?;
    if bits != 8 {
        return unsupported(&format!("{bits} bits a sample"));
    }
    if height == 0 {
        return unsupported("a height that follows the first scan");
    }
    if !matches!(components, 1 | 3 | 4) {
        return unsupported(&format!("{components} components"));
    }
    let size = Size { width: width.into(), height: height.into() };
    check_size(FORMAT, size, limits)?;
    let samplings = slice(body, 6, usize::from(components) * 3).ok_or_else(cut)?.as_chunks::<3>().0;
    let blocks = count_blocks(size, samplings)?;
    Ok(Frame { size, progressive: marker == 0xc2, components, blocks })
}

fn count_blocks(size: Size, components: &[[u8; 3]]) -> Result<u64, PixelError> {
    let factors = || components.iter().map(|[_, sampling, _]| (u64::from(sampling >> 4), u64::from(sampling & 15)));
    if !factors().all(|(across, down)| (1..=4).contains(&across) && (1..=4).contains(&down)) {
        return Err(PixelError::corrupt(FORMAT, "a sampling factor is not between 1 and 4"));
    }
    let across_max = factors().map(|(across, _)| across).max().unwrap_or(1);
    let down_max = factors().map(|(_, down)| down).max().unwrap_or(1);
    let blocks = |side: u32, factor: u64, max: u64| (u64::from(side) * factor).div_ceil(max).div_ceil(8);
    Ok(factors()
        .map(|(across, down)| blocks(size.width, across, across_max) * blocks(size.height, down, down_max))
        .sum())
}

/// The next marker at or after `at`, and where its segment starts. Skips coded data: stuffed zeros, restart markers and
/// fill bytes are no markers.
fn next_marker(bytes: &[u8], mut at: usize) -> Option<(u8, usize)> {
    loop {
        at += bytes.get(at..)?.iter().position(|byte| *byte == 0xff)?;
        match *bytes.get(at + 1)? {
            0x00 | 0xd0..=0xd7 => at += 2,
            0xff => at += 1,
            marker => return Some((marker, at + 2)),
        }
    }
}

/// The body of the segment whose length field is at `at`.
fn segment(bytes: &[u8], at: usize) -> Result<&[u8], PixelError> {
    let cut = || PixelError::truncated(FORMAT, "it ends within its header");
    let length = usize::from(ByteOrder::Big.u16(bytes, at).ok_or_else(cut)?);
    let length =
        length.checked_sub(2).ok_or_else(|| PixelError::corrupt(FORMAT, "a segment is shorter than its length"))?;
    slice(bytes, at + 2, length).ok_or_else(cut)
}
