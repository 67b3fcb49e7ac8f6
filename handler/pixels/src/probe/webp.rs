//! WebP: the chunks of a RIFF container.

use super::{Icc, Probe, check_size};
use crate::area::Size;
use crate::error::PixelError;
use crate::fields::{ByteOrder, slice};
use crate::format::InputFormat;
use crate::limits::Limits;
use crate::orientation::Orientation;

const FORMAT: InputFormat = InputFormat::Webp;

/// How the image, or the first frame, is coded, from the cheapest on. A file that has several is priced by the dearest:
/// which of them is decoded hangs on flags and on their order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Coding {
    Lossy,
    Lossless,
    Frames,
}

#[derive(Default)]
struct FoundChunks {
    size: Option<Size>,
    has_alpha: bool,
    coding: Option<Coding>,
    orientation: Option<Orientation>,
    icc: Icc,
}

/// Walks every chunk that the container's length covers.
pub(super) fn probe(bytes: &[u8], limits: &Limits) -> Result<Probe, PixelError> {
    let cut = || PixelError::truncated(FORMAT, "it is shorter than its container says");
    let length = usize::try_from(ByteOrder::Little.u32(bytes, 4).ok_or_else(cut)?).map_err(|_| cut())?;
    let mut found = FoundChunks::default();
    let mut at = 12;
    while at + 8 <= length + 8 {
        let kind = slice(bytes, at, 4).ok_or_else(cut)?;
        let chunk_bytes = usize::try_from(ByteOrder::Little.u32(bytes, at + 4).ok_or_else(cut)?).map_err(|_| cut())?;
        // The dimensions come first, so that a file that lies about them is refused for that.
        read_size(kind, slice(bytes, at + 8, chunk_bytes.min(10)).ok_or_else(cut)?, &mut found, limits)?;
        let body = slice(bytes, at + 8, chunk_bytes).ok_or_else(cut)?;
        match kind {
            b"VP8 " => found.coding = found.coding.max(Some(Coding::Lossy)),
            b"VP8L" => found.coding = found.coding.max(Some(Coding::Lossless)),
            b"ANMF" if found.coding == Some(Coding::Frames) => {}
            b"ANMF" => {
                check_frame(body, found.size)?;
                found.coding = Some(Coding::Frames);
            }
            b"ICCP" if found.icc == Icc::Absent => found.icc = Icc::plain(at + 8..at + 8 + chunk_bytes, limits)?,
            b"ALPH" => found.has_alpha = true,
            // The first block decides, also by saying nothing.
            b"EXIF" => {
                found.orientation.get_or_insert_with(|| Orientation::from_exif_block(body).unwrap_or_default());
            }
            _ => {}
        }
        at += 8 + chunk_bytes + chunk_bytes % 2;
    }
    // The padding of the last chunk is often missing.
    if bytes.len() + 1 < length + 8 {
        return Err(cut());
    }
    match (found.size, found.coding) {
        (Some(size), Some(coding)) => Ok(describe(size, coding, found)),
        _ => Err(PixelError::corrupt(FORMAT, "it holds no image")),
    }
}

fn describe(size: Size, coding: Coding, found: FoundChunks) -> Probe {
    // Lossless: four bytes a pixel and the images of its transforms. Lossy: the planes, and with alpha a lossless image.
    let bytes_per_pixel = match coding {
        Coding::Frames => 14,
        Coding::Lossless => 6,
        Coding::Lossy if found.has_alpha => 9,
        Coding::Lossy => 2,
    };
    Probe {
        format: FORMAT,
        width: size.width,
        height: size.height,
        orientation: found.orientation.unwrap_or_default(),
        has_alpha: found.has_alpha,
        animated: coding == Coding::Frames,
        palette: false,
        truncated: false,
        icc: found.icc,
        color_bytes: 0,
        channels: if found.has_alpha { 4 } else { 3 },
        is_inks: false,
        channel_bytes: 1,
        decoder_bytes: size.pixels() * bytes_per_pixel,
        jpeg: None,
    }
}

/// Takes the dimensions from the first chunk that has any, and holds the pictures after it against them.
fn read_size(kind: &[u8], head: &[u8], found: &mut FoundChunks, limits: &Limits) -> Result<(), PixelError> {
    match (kind, found.size) {
        (b"VP8X", None) => {
            let corrupt = || PixelError::corrupt(FORMAT, "its image header is broken");
            let [flags, _, _, _, w0, w1, w2, h0, h1, h2] = *<&[u8; 10]>::try_from(head).map_err(|_| corrupt())?;
            found.has_alpha = flags & 0x10 != 0;
            let size = Size {
                width: u32::from_le_bytes([w0, w1, w2, 0]) + 1,
                height: u32::from_le_bytes([h0, h1, h2, 0]) + 1,
            };
            check_size(FORMAT, size, limits)?;
            found.size = Some(size);
        }
        (b"VP8 " | b"VP8L", None) => {
            let (size, has_alpha) = picture(kind, head)?;
            check_size(FORMAT, size, limits)?;
            (found.size, found.has_alpha) = (Some(size), has_alpha);
        }
        (b"VP8 " | b"VP8L", Some(size)) => check_picture(kind, head, size)?,
        _ => {}
    }
    Ok(())
}

/// The dimensions of a picture by its own header, and whether it has alpha.
fn picture(kind: &[u8], head: &[u8]) -> Result<(Size, bool), PixelError> {
    let corrupt = || PixelError::corrupt(FORMAT, "its image header is broken");
    if kind == b"VP8L" {
        let fields = ByteOrder::Little.u32(head, 1).filter(|_| head[0] == 0x2f).ok_or_else(corrupt)?;
        let size = Size { width: (fields & 0x3fff) + 1, height: (fields >> 14 & 0x3fff) + 1 };
        return Ok((size, fields >> 28 & 1 != 0));
    }
    let side = |at| ByteOrder::Little.u16(head, at).map(|side| u32::from(side & 0x3fff));
    if slice(head, 3, 3) != Some(&[0x9d, 0x01, 0x2a]) {
        return Err(corrupt());
    }
    Ok((Size { width: side(6).ok_or_else(corrupt)?, height: side(8).ok_or_else(corrupt)? }, false))
}

/// A decoder makes room for what the picture says before it compares that with what is around it, if it ever does.
fn check_picture(kind: &[u8], head: &[u8], around: Size) -> Result<(), PixelError> {
    let (own, _) = picture(kind, head)?;
    if own != around {
        let (Size { width, height }, around) = (own, format!("{}x{}", around.width, around.height));
        return Err(PixelError::corrupt(FORMAT, format!("its header says {around}, its picture {width}x{height}")));
    }
    Ok(())
}

/// Checks that a frame lies within the image, and that its picture is as large as the frame.
fn check_frame(body: &[u8], around: Option<Size>) -> Result<(), PixelError> {
    let corrupt = || PixelError::corrupt(FORMAT, "its first frame is broken");
    let field = |at| ByteOrder::Little.u32(body, at).map(|field| field & 0x00ff_ffff).ok_or_else(corrupt);
    let size = Size { width: field(6)? + 1, height: field(9)? + 1 };
    // Offsets are stored halved.
    let (right, bottom) = (field(0)? * 2 + size.width, field(3)? * 2 + size.height);
    if let Some(Size { width, height }) = around
        && (right > width || bottom > height)
    {
        let reason = format!("its first frame ends at {right}x{bottom}, the image at {width}x{height}");
        return Err(PixelError::corrupt(FORMAT, reason));
    }
    let mut at = 16;
    loop {
        let kind = slice(body, at, 4).ok_or_else(corrupt)?;
        let length =
            usize::try_from(ByteOrder::Little.u32(body, at + 4).ok_or_else(corrupt)?).map_err(|_| corrupt())?;
        if matches!(kind, b"VP8 " | b"VP8L") {
            return check_picture(kind, slice(body, at + 8, length.min(10)).ok_or_else(corrupt)?, size);
        }
        at = at.saturating_add(8 + length + length % 2);
    }
}
