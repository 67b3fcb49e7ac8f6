//! JPEG: markers from the start of the image to its end.

use super::icc::JpegParts;
use super::{Icc, JpegShape, Probe, check_size};
use crate::error::PixelError;
use crate::format::InputFormat;
use crate::jpeg::{Coding, Frame, Segment, Segments, marker};
use crate::limits::{Limits, Truncated};
use crate::orientation::Orientation;

const FORMAT: InputFormat = InputFormat::Jpeg;

/// Segments of one file. Those that the longest file has room for when each is as long as can be are half as many.
const SEGMENTS_MAX: u32 = 8192;

/// Walks every marker up to the end marker.
///
/// Of a single scan the decoder knows whether all of it is there, and so a file that lacks the end marker and nothing else is
/// read, as sharp does; of several only the marker tells. Where cut files are allowed, there must at least be a scan.
pub(super) fn probe(bytes: &[u8], limits: &Limits) -> Result<Probe, PixelError> {
    let mut frame = None;
    let (mut exif, mut first_scan) = (None, None);
    let (mut scans, mut entropy_bytes) = (0_u32, 0_u64);
    let mut parts = JpegParts::default();
    let (mut segments, mut count) = (Segments::new(bytes), 0);
    let mut has_end = true;
    let truncated = loop {
        let in_part = limits.truncated == Truncated::Allow && first_scan.is_some();
        let Some(segment) = segments.next() else {
            has_end = false;
            break in_part;
        };
        count += 1;
        check_segments(count)?;
        let Segment { marker, body, body_at } = match segment {
            Err(_) if in_part => break true,
            segment => segment?,
        };
        match marker {
            marker::END => break false,
            marker::SCAN => {
                scans += 1;
                first_scan.get_or_insert(body);
                if scans > limits.jpeg_scans_max {
                    return Err(PixelError::TooManyScans { scans_max: limits.jpeg_scans_max });
                }
                entropy_bytes += segments.coded_bytes();
            }
            _ if marker::begins_frame(marker) => {
                if frame.is_some() {
                    return Err(PixelError::corrupt(FORMAT, "it has two frame headers"));
                }
                let read = Frame::read(marker, body)?;
                check_size(FORMAT, read.size, limits)?;
                frame = Some(read);
            }
            // The first block decides, also by saying nothing; later ones are of thumbnails or of editors that append.
            0xe1 if exif.is_none() && body.starts_with(b"Exif\0\0") => exif = Some(body),
            0xe2 => parts.note(body, body_at),
            _ => {}
        }
    };
    let no_end = || PixelError::truncated(FORMAT, "no end marker");
    let is_open = !has_end && !truncated;
    if is_open && (frame.is_none() || first_scan.is_none()) {
        return Err(no_end());
    }
    let frame = frame.ok_or_else(|| PixelError::corrupt(FORMAT, "it has no frame header"))?;
    let Some(&[components, ..]) = first_scan else { return Err(PixelError::corrupt(FORMAT, "it has no scan")) };
    if !truncated {
        check_entropy(&frame, entropy_bytes)?;
    }
    let interleaved = usize::from(components) == frame.components.len();
    if is_open && !(interleaved && scans == 1 && frame.coding == Coding::Sequential) {
        return Err(no_end());
    }
    let orientation = exif.and_then(Orientation::from_exif_block).unwrap_or_default();
    let icc = parts.finish(limits)?;
    Ok(Probe { truncated, icc, ..describe(JpegShape { frame, interleaved, scans, is_open }, orientation) })
}

fn describe(shape: JpegShape, orientation: Orientation) -> Probe {
    let components = shape.frame.components.len();
    Probe {
        format: FORMAT,
        width: shape.frame.size.width,
        height: shape.frame.size.height,
        orientation,
        has_alpha: false,
        animated: false,
        palette: false,
        truncated: false,
        icc: Icc::Absent,
        color_bytes: 0,
        channels: if components == 1 { 1 } else { 3 },
        is_inks: components == 4,
        channel_bytes: 1,
        decoder_bytes: 0,
        jpeg: Some(shape),
    }
}

fn check_segments(segments: u32) -> Result<(), PixelError> {
    if segments > SEGMENTS_MAX {
        let reason =
            format!("it has more than {SEGMENTS_MAX} segments, which only a file made to keep a reader busy has");
        return Err(PixelError::corrupt(FORMAT, reason));
    }
    Ok(())
}

/// The shortest code is one bit: a baseline block has at least two codes, a block's first progressive scan one.
fn check_entropy(frame: &Frame, entropy_bytes: u64) -> Result<(), PixelError> {
    let bits_min = if frame.coding == Coding::Progressive { frame.blocks() } else { frame.blocks() * 2 };
    if entropy_bytes * 8 < bits_min {
        return Err(PixelError::too_short(FORMAT, frame.size));
    }
    Ok(())
}
