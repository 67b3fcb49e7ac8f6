//! What a source says about itself besides its pixels and their profile, as far as an output may say it too.
//!
//! | source | EXIF | XMP |
//! | --- | --- | --- |
//! | JPEG | segment APP1 | segment APP1 |
//! | PNG | chunk `eXIf` | chunk `iTXt` |
//! | WebP | chunk `EXIF` | chunk `XMP ` |
//! | TIFF | its own directory | tag 700 |
//! | HEIC | item `Exif` | |
//!
//! - The first of each is taken, as for the orientation.
//! - EXIF is written anew from what is understood of it; see [`exif`]. XMP is left as it is but for what says where a photo was
//!   taken; see [`xmp`].
//! - What is broken, or longer than [`BYTES_MAX`], is left out. None of it is ever an error: the picture is what counts.

mod exif;
mod xmp;

use std::borrow::Cow;
use std::io::Read as _;

use flate2::read::ZlibDecoder;

use super::area::Size;
use super::fields::{ByteOrder, slice};
use super::format::InputFormat;
#[cfg(feature = "heic")]
use super::heif;
use super::jpeg::Segments;
use super::probe::{Probe, png};

/// Bytes of EXIF and of XMP: what a segment of a JPEG can hold of the latter.
const BYTES_MAX: usize = 65_502;

/// How XMP begins in a JPEG.
const JPEG_XMP: &[u8] = b"http://ns.adobe.com/xap/1.0/\0";
/// And what it is called in a PNG.
const PNG_XMP: &[u8] = b"XML:com.adobe.xmp\0";

/// What is kept, but for what depends on the output.
#[derive(Default)]
pub(super) struct Kept<'a> {
    exif: Option<&'a [u8]>,
    xmp: Option<Vec<u8>>,
}

impl<'a> Kept<'a> {
    /// Finds what there is in a probed file.
    pub(super) fn open(bytes: &'a [u8], probe: &Probe) -> Self {
        let (exif, xmp) = match probe.format {
            InputFormat::Jpeg => in_jpeg(bytes),
            InputFormat::Png => in_png(bytes),
            InputFormat::Webp => in_webp(bytes),
            InputFormat::Tiff => (Some(bytes), exif::value(bytes, exif::XMP).map(Cow::Borrowed)),
            #[cfg(feature = "heic")]
            InputFormat::Heic => (heif::exif(bytes), None),
            #[cfg(not(feature = "heic"))]
            InputFormat::Heic => (None, None),
            InputFormat::Gif | InputFormat::Bmp => (None, None),
        };
        let xmp = xmp.filter(|packet| packet.len() <= BYTES_MAX).and_then(|packet| xmp::placeless(&packet));
        Self { exif, xmp }
    }

    /// A block of EXIF for an upright output of this size.
    pub(super) fn exif(&self, size: Size) -> Option<Vec<u8>> {
        exif::rebuilt(self.exif?, size)
    }

    /// A packet of XMP.
    pub(super) fn xmp(&self) -> Option<&[u8]> {
        self.xmp.as_deref()
    }
}

/// A block of EXIF, and a packet of XMP.
type Found<'a> = (Option<&'a [u8]>, Option<Cow<'a, [u8]>>);

fn in_jpeg(bytes: &[u8]) -> Found<'_> {
    let (mut exif, mut xmp) = (None, None);
    for segment in Segments::new(bytes).map_while(Result::ok).take_while(|segment| segment.marker != 0xda) {
        if segment.marker == 0xe1 {
            exif = exif.or_else(|| segment.body.starts_with(b"Exif\0\0").then_some(segment.body));
            xmp = xmp.or_else(|| segment.body.strip_prefix(JPEG_XMP).map(Cow::Borrowed));
        }
    }
    (exif, xmp)
}

fn in_png(bytes: &[u8]) -> Found<'_> {
    let (mut exif, mut xmp) = (None, None);
    let mut at = 8;
    while let Ok((kind, body, next)) = png::chunk(bytes, at) {
        at = next;
        match kind {
            b"eXIf" => exif = exif.or(Some(body)),
            b"iTXt" if xmp.is_none() => xmp = body.strip_prefix(PNG_XMP).and_then(text),
            b"IEND" => break,
            _ => {}
        }
    }
    (exif, xmp)
}

/// The text of an `iTXt` chunk, behind its name.
fn text(body: &[u8]) -> Option<Cow<'_, [u8]>> {
    let (&compressed, rest) = body.split_first()?;
    let (method, rest) = rest.split_first()?;
    // A language, and the name in that language.
    let mut parts = rest.splitn(3, |byte| *byte == 0);
    let text = parts.nth(2)?;
    match (compressed, method) {
        (0, _) => Some(Cow::Borrowed(text)),
        (1, 0) => {
            let mut packet = Vec::new();
            ZlibDecoder::new(text).take(BYTES_MAX as u64 + 1).read_to_end(&mut packet).ok()?;
            Some(Cow::Owned(packet))
        }
        _ => None,
    }
}

fn in_webp(bytes: &[u8]) -> Found<'_> {
    let (mut exif, mut xmp) = (None, None);
    let mut at = 12_usize;
    while let Some(kind) = slice(bytes, at, 4) {
        let Some(length) = ByteOrder::Little.u32(bytes, at + 4).and_then(|length| usize::try_from(length).ok()) else {
            break;
        };
        let Some(body) = slice(bytes, at + 8, length) else { break };
        match kind {
            b"EXIF" => exif = exif.or(Some(body)),
            b"XMP " => xmp = xmp.or(Some(Cow::Borrowed(body))),
            _ => {}
        }
        at += 8 + length + length % 2;
    }
    (exif, xmp)
}

#[cfg(test)]
mod tests;
