//! Which format an image is in, by its first bytes alone, and what size its header says.
//!
//! Only formats are known here that browsers show and that cannot run anything: an SVG or a page is none, whatever its
//! object's media type says.

/// A format that pages show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Jpeg,
    Png,
    WebP,
    Gif,
}

impl Format {
    pub(super) fn recognise(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [0xff, 0xd8, 0xff, ..] => Some(Self::Jpeg),
            [0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, ..] => Some(Self::Png),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(Self::WebP),
            [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some(Self::Gif),
            _ => None,
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Jpeg => "JPEG",
            Self::Png => "PNG",
            Self::WebP => "WebP",
            Self::Gif => "GIF",
        }
    }

    pub(super) const fn media_type(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::WebP => "image/webp",
            Self::Gif => "image/gif",
        }
    }

    /// Width and height in pixels, as they are stored; none if these bytes do not reach that far.
    pub(super) fn size(self, bytes: &[u8]) -> Option<(u32, u32)> {
        let size = match self {
            Self::Png => (number(bytes, 16, 4, true)?, number(bytes, 20, 4, true)?),
            Self::Gif => (number(bytes, 6, 2, false)?, number(bytes, 8, 2, false)?),
            Self::WebP => webp_size(bytes)?,
            Self::Jpeg => jpeg_size(bytes)?,
        };
        (size.0 > 0 && size.1 > 0).then_some(size)
    }
}

/// The number of so many bytes at a place.
fn number(bytes: &[u8], at: usize, count: usize, is_big_endian: bool) -> Option<u32> {
    let bytes = bytes.get(at..at.checked_add(count)?)?;
    let add = |number: u32, byte: &u8| (number << 8) | u32::from(*byte);
    Some(if is_big_endian { bytes.iter().fold(0, add) } else { bytes.iter().rev().fold(0, add) })
}

/// By the first chunk (WebP container specification): lossy, lossless or extended.
fn webp_size(bytes: &[u8]) -> Option<(u32, u32)> {
    match bytes.get(12..16)? {
        b"VP8 " => Some((number(bytes, 26, 2, false)? & 0x3fff, number(bytes, 28, 2, false)? & 0x3fff)),
        b"VP8L" => {
            let bits = number(bytes, 21, 4, false)?;
            Some(((bits & 0x3fff) + 1, ((bits >> 14) & 0x3fff) + 1))
        }
        b"VP8X" => Some((number(bytes, 24, 3, false)? + 1, number(bytes, 27, 3, false)? + 1)),
        _ => None,
    }
}

/// By the frame header, which stands behind any number of segments.
fn jpeg_size(bytes: &[u8]) -> Option<(u32, u32)> {
    let mut at = 2;
    loop {
        if *bytes.get(at)? != 0xff {
            return None;
        }
        match *bytes.get(at + 1)? {
            // Fill bytes may stand before a marker.
            0xff => at += 1,
            // Frame headers of every process; the three between are tables and an extension.
            0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf => {
                return Some((number(bytes, at + 7, 2, true)?, number(bytes, at + 5, 2, true)?));
            }
            // Without a length.
            0x01 | 0xd0..=0xd7 => at += 2,
            // The data, or the end, before any frame.
            0xd8..=0xda => return None,
            _ => {
                let length = usize::try_from(number(bytes, at + 2, 2, true)?).ok()?;
                at += 2 + length.max(2);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The name of a format, and the size.
    type Seen = (&'static str, Option<(u32, u32)>);

    fn size(bytes: &[u8]) -> Option<Seen> {
        let format = Format::recognise(bytes)?;
        Some((format.name(), format.size(bytes)))
    }

    fn webp(chunk: &[u8], rest: &[u8]) -> Vec<u8> {
        [&b"RIFF\0\0\0\0WEBP"[..], chunk, b"\0\0\0\0", rest].concat()
    }

    #[test]
    fn formats_are_known_by_their_first_bytes_and_sizes_by_their_headers() {
        let png = [&b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"[..], &[0, 0, 1, 0x40, 0, 0, 0, 0xf0]].concat();
        // A segment, a restart marker, fill bytes, then the frame.
        let jpeg = b"\xff\xd8\xff\xe0\0\x04ab\xff\xd0\xff\xff\xc2\0\x0b\x08\x01\x40\x00\xf0";
        let gif = b"GIF89a\x40\x01\xf0\x00";
        let lossy = webp(b"VP8 ", &[0, 0, 0, 0x9d, 1, 0x2a, 0x40, 0x41, 0xf0, 0x80]);
        let lossless = webp(b"VP8L", &[0x2f, 0x3f, 0xc1, 0x3b, 0]);
        let extended = webp(b"VP8X", &[0, 0, 0, 0, 0x3f, 1, 0, 0xef, 0, 0]);
        let cases: [(&[u8], Seen); 8] = [
            (&png, ("PNG", Some((320, 240)))),
            (jpeg, ("JPEG", Some((240, 320)))),
            (gif, ("GIF", Some((320, 240)))),
            (&lossy, ("WebP", Some((320, 240)))),
            (&lossless, ("WebP", Some((320, 240)))),
            (&extended, ("WebP", Some((320, 240)))),
            (b"\xff\xd8\xff\xda\0\x04", ("JPEG", None)),
            (b"\x89PNG\r\n\x1a\n", ("PNG", None)),
        ];
        for (bytes, expected) in cases {
            assert_eq!(size(bytes), Some(expected));
            // However early it ends, it is looked at without a panic.
            for end in 0..bytes.len() {
                let cut = size(&bytes[..end]);
                assert!(cut.is_none_or(|(name, _)| name == expected.0), "{cut:?}");
            }
        }
    }

    #[test]
    fn what_could_run_is_no_image() {
        for bytes in [
            &b"<svg xmlns='http://www.w3.org/2000/svg'><script>own()</script></svg>"[..],
            b"<!doctype html><script>own()</script>",
            b"<?xml version='1.0'?><svg/>",
            b"%PDF-1.7",
            b"\0\0\0\x18ftypheic",
            b"BM6",
            b"",
            b"\xff\xd8",
            b"RIFF\0\0\0\0WAVE",
        ] {
            assert_eq!(Format::recognise(bytes), None, "{}", bytes.escape_ascii());
        }
    }
}
