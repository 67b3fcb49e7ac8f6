//! What goes along with the pixels in a file, in the places that JPEG and PNG have for it.

use crate::area::Size;

/// What an output says about itself besides its pixels.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Carried<'a> {
    /// A colour profile.
    pub(crate) icc: Option<&'a [u8]>,
    /// A block of EXIF, from its byte order on; at most 65,527 bytes.
    pub(crate) exif: Option<&'a [u8]>,
    /// A packet of XMP, at most 65,502 bytes.
    pub(crate) xmp: Option<&'a [u8]>,
}

/// Where the first segment of a JPEG ends, which says that it is one.
const JPEG_START_BYTES: usize = 20;
/// Where the header of a PNG ends.
const PNG_START_BYTES: usize = 33;

/// Puts EXIF and XMP behind the first segment of a JPEG.
pub(super) fn into_jpeg(file: Vec<u8>, carried: &Carried<'_>) -> Option<Vec<u8>> {
    let segment = |start: &[u8], body: &[u8]| {
        let length = u16::try_from(2 + start.len() + body.len()).ok()?.to_be_bytes();
        Some([b"\xff\xe1", length.as_slice(), start, body].concat())
    };
    let mut parts = Vec::new();
    if let Some(exif) = carried.exif {
        parts.extend(segment(b"Exif\0\0", exif)?);
    }
    if let Some(xmp) = carried.xmp {
        parts.extend(segment(b"http://ns.adobe.com/xap/1.0/\0", xmp)?);
    }
    inserted(file, JPEG_START_BYTES, parts)
}

/// Puts EXIF and XMP behind the header of a PNG.
pub(super) fn into_png(file: Vec<u8>, carried: &Carried<'_>) -> Option<Vec<u8>> {
    let chunk = |kind: &[u8; 4], start: &[u8], body: &[u8]| {
        let length = u32::try_from(start.len() + body.len()).ok()?.to_be_bytes();
        let mut sum = flate2::Crc::new();
        for part in [kind.as_slice(), start, body] {
            sum.update(part);
        }
        Some([length.as_slice(), kind, start, body, &sum.sum().to_be_bytes()].concat())
    };
    let mut parts = Vec::new();
    if let Some(exif) = carried.exif {
        parts.extend(chunk(b"eXIf", &[], exif)?);
    }
    if let Some(xmp) = carried.xmp {
        // Not compressed, in no language, and without a name in it.
        parts.extend(chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0", xmp)?);
    }
    inserted(file, PNG_START_BYTES, parts)
}

fn inserted(mut file: Vec<u8>, at: usize, parts: Vec<u8>) -> Option<Vec<u8>> {
    if parts.is_empty() {
        return Some(file);
    }
    file.try_reserve_exact(parts.len()).ok()?;
    (at <= file.len()).then(|| {
        file.splice(at..at, parts);
        file
    })
}

/// Flags of the extended header of a WebP.
const HAS_PROFILE: u8 = 0x20;
const HAS_ALPHA: u8 = 0x10;
const HAS_EXIF: u8 = 0x08;
const HAS_XMP: u8 = 0x04;

/// Puts all of it into a WebP, as "WebP Container Specification" says: a profile behind the extended header, which a file that
/// has nothing but one image lacks, and the rest behind the image.
pub(super) fn into_webp(file: &[u8], size: Size, has_alpha: bool, carried: &Carried<'_>) -> Option<Vec<u8>> {
    let parts =
        [(*b"ICCP", carried.icc, HAS_PROFILE), (*b"EXIF", carried.exif, HAS_EXIF), (*b"XMP ", carried.xmp, HAS_XMP)];
    if parts.iter().all(|(_, body, _)| body.is_none()) {
        return Some(file.to_vec());
    }
    let chunks = file.get(12..)?;
    let (mut header, image) = if chunks.starts_with(b"VP8X") {
        let (header, image) = chunks.split_at_checked(18)?;
        (header.to_vec(), image)
    } else {
        let less_one = |side: u32| side.checked_sub(1).map(u32::to_le_bytes);
        let ([w0, w1, w2, _], [h0, h1, h2, _]) = (less_one(size.width)?, less_one(size.height)?);
        let flags = if has_alpha { HAS_ALPHA } else { 0 };
        (chunk(*b"VP8X", &[flags, 0, 0, 0, w0, w1, w2, h0, h1, h2])?, chunks)
    };
    let (mut before, mut after) = (Vec::new(), Vec::new());
    for (kind, body, flag) in parts {
        if let Some(body) = body {
            *header.get_mut(8)? |= flag;
            let place = if flag == HAS_PROFILE { &mut before } else { &mut after };
            place.extend(chunk(kind, body)?);
        }
    }
    let body = [header.as_slice(), &before, image, &after].concat();
    let length = u32::try_from(body.len() + 4).ok()?;
    Some([b"RIFF".as_slice(), &length.to_le_bytes(), b"WEBP", &body].concat())
}

fn chunk(kind: [u8; 4], body: &[u8]) -> Option<Vec<u8>> {
    let length = u32::try_from(body.len()).ok()?.to_le_bytes();
    Some([kind.as_slice(), &length, body, &[0][..body.len() % 2]].concat())
}
