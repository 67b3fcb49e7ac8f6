//! Which format a file is, by its first bytes and never by its name.

use super::error::PixelError;
use super::fields::ByteOrder;
use super::format::InputFormat;

impl InputFormat {
    /// Recognises the format of a file by its first bytes.
    ///
    /// Known formats that are not read are named in the error.
    pub fn recognise(bytes: &[u8]) -> Result<Self, PixelError> {
        if bytes.is_empty() {
            return Err(PixelError::Empty);
        }
        let accepted = ACCEPTED_MAGIC.iter().find(|(_, at, magic)| has(bytes, *at, magic)).map(|(format, ..)| *format);
        // RIFF also holds sound and video: only its form type says that it is WebP.
        match accepted {
            Some(format) if format != Self::Webp || has(bytes, 8, b"WEBP") => Ok(format),
            None if is_heic(bytes) && Self::Heic.is_built() => Ok(Self::Heic),
            None if is_heic(bytes) => Err(PixelError::InputNotBuilt { format: Self::Heic, feature: "heic" }),
            _ => Err(match refused_format(bytes) {
                Some(found) => PixelError::UnsupportedFormat { found },
                None => PixelError::Unrecognised,
            }),
        }
    }
}

const ACCEPTED_MAGIC: &[(InputFormat, usize, &[u8])] = &[
    (InputFormat::Jpeg, 0, b"\xff\xd8\xff"),
    (InputFormat::Png, 0, b"\x89PNG\r\n\x1a\n"),
    (InputFormat::Webp, 0, b"RIFF"),
    (InputFormat::Gif, 0, b"GIF87a"),
    (InputFormat::Gif, 0, b"GIF89a"),
    (InputFormat::Tiff, 0, b"II*\0"),
    (InputFormat::Tiff, 0, b"MM\0*"),
    (InputFormat::Tiff, 0, b"II+\0"),
    (InputFormat::Tiff, 0, b"MM\0+"),
    (InputFormat::Bmp, 0, b"BM"),
];

/// Formats that people do send and that are named when they are refused.
const REFUSED_MAGIC: &[(&str, usize, &[u8])] = &[
    ("AVIF", 4, b"ftypavif"),
    ("AVIF", 4, b"ftypavis"),
    // With other brands that name this coding.
    ("AVIF", 4, b"ftypmif1"),
    ("AVIF", 4, b"ftypmif2"),
    ("AVIF", 4, b"ftypmsf1"),
    ("AVIF", 4, b"ftypmiaf"),
    ("a Canon raw photo", 4, b"ftypcrx"),
    ("a video (MP4 or QuickTime)", 4, b"ftyp"),
    ("JPEG XL", 0, b"\xff\x0a"),
    ("JPEG XL", 0, b"\0\0\0\x0cJXL "),
    ("JPEG 2000", 0, b"\0\0\0\x0cjP  "),
    ("JPEG 2000", 0, b"\xff\x4f\xff\x51"),
    ("a Photoshop document", 0, b"8BPS"),
    ("an icon (ICO)", 0, b"\0\0\x01\0"),
    ("a cursor (CUR)", 0, b"\0\0\x02\0"),
    ("PDF", 0, b"%PDF"),
    ("PostScript", 0, b"%!PS"),
    ("OpenEXR", 0, b"v/1\x01"),
    ("Radiance HDR", 0, b"#?RADIANCE"),
    ("QOI", 0, b"qoif"),
    ("DDS", 0, b"DDS "),
    ("a RIFF file other than WebP", 0, b"RIFF"),
    ("a ZIP archive", 0, b"PK\x03\x04"),
    ("gzip data", 0, b"\x1f\x8b"),
];

/// Brands of HEIF that say that pictures are coded as HEVC, by their first letters.
const HEVC_BRANDS: [&[u8]; 2] = [b"hei", b"hev"];

/// Brands of HEIF that do not name the codec. The probe reports other codecs.
const OPEN_BRANDS: [&[u8]; 4] = [b"mif1", b"mif2", b"msf1", b"miaf"];

/// Brands that the start of a file is searched for.
const BRANDS_MAX: usize = 32;

/// Whether a file is HEIF with pictures that may be coded as HEVC. An open brand is not enough for that where those that the
/// file is compatible with name another coding and not this one.
fn is_heic(bytes: &[u8]) -> bool {
    let is_hevc = |brand: &[u8]| HEVC_BRANDS.iter().any(|start| brand.starts_with(start));
    if !has(bytes, 4, b"ftyp") {
        return false;
    }
    let Some(major) = bytes.get(8..12) else { return false };
    let end = ByteOrder::Big.u32(bytes, 0).and_then(|length| usize::try_from(length).ok()).unwrap_or(0);
    let brands = || bytes.get(16..end.min(bytes.len())).unwrap_or_default().chunks_exact(4).take(BRANDS_MAX);
    let is_other = || brands().any(|brand| matches!(brand, b"avif" | b"avis")) && !brands().any(is_hevc);
    is_hevc(major) || OPEN_BRANDS.contains(&major) && !is_other()
}

/// How far a text file is read to tell what it is.
const TEXT_BYTES_MAX: usize = 1024;

fn refused_format(bytes: &[u8]) -> Option<&'static str> {
    REFUSED_MAGIC.iter().find(|(_, at, magic)| has(bytes, *at, magic)).map(|(name, ..)| *name).or_else(|| {
        let head = &bytes[..bytes.len().min(TEXT_BYTES_MAX)];
        let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
        if !head.starts_with(b"<") {
            return None;
        }
        let contains = |word: &[u8]| head.windows(word.len()).any(|window| window.eq_ignore_ascii_case(word));
        match () {
            () if contains(b"<svg") => Some("SVG"),
            () if contains(b"<html") || contains(b"<!doctype html") => Some("an HTML page"),
            () => Some("XML"),
        }
    })
}

fn has(bytes: &[u8], at: usize, magic: &[u8]) -> bool {
    bytes.get(at..).is_some_and(|rest| rest.starts_with(magic))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_decides() {
        let heic = if cfg!(feature = "heic") {
            Ok(InputFormat::Heic)
        } else {
            Err(PixelError::InputNotBuilt { format: InputFormat::Heic, feature: "heic" })
        };
        let table: &[(&[u8], Result<InputFormat, PixelError>)] = &[
            (b"\xff\xd8\xff\xe0", Ok(InputFormat::Jpeg)),
            (b"\x89PNG\r\n\x1a\n", Ok(InputFormat::Png)),
            (b"RIFF\x10\0\0\0WEBPVP8 ", Ok(InputFormat::Webp)),
            (b"GIF89a", Ok(InputFormat::Gif)),
            (b"II*\0\x08\0\0\0", Ok(InputFormat::Tiff)),
            (b"MM\0+\0\x08\0\0", Ok(InputFormat::Tiff)),
            (b"BM\0\0", Ok(InputFormat::Bmp)),
            (b"", Err(PixelError::Empty)),
            (b"hello", Err(PixelError::Unrecognised)),
            (b"\0\0\0\x1cftypavif\0", Err(PixelError::UnsupportedFormat { found: "AVIF" })),
            (b"\0\0\0\x18ftypheic\0", heic.clone()),
            (b"\0\0\0\x18ftyphevx\0", heic.clone()),
            (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", heic.clone()),
            (b"\0\0\0\x18ftypmif1\0\0\0\0mif1miaf", heic.clone()),
            (b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifheic", heic.clone()),
            (b"\0\0\0\x18ftypmif1\0\0\0\0mif1avif", Err(PixelError::UnsupportedFormat { found: "AVIF" })),
            (b"\0\0\0\x14ftypqt  \0", Err(PixelError::UnsupportedFormat { found: "a video (MP4 or QuickTime)" })),
            (b"RIFF\x10\0\0\0WAVEfmt ", Err(PixelError::UnsupportedFormat { found: "a RIFF file other than WebP" })),
            (b"%PDF-1.7", Err(PixelError::UnsupportedFormat { found: "PDF" })),
            (b"8BPS\0\x01", Err(PixelError::UnsupportedFormat { found: "a Photoshop document" })),
            (b"\0\0\x01\0\x01\0", Err(PixelError::UnsupportedFormat { found: "an icon (ICO)" })),
            (b"\xff\x0a\x01", Err(PixelError::UnsupportedFormat { found: "JPEG XL" })),
            (b"<?xml version='1.0'?>\n<svg/>", Err(PixelError::UnsupportedFormat { found: "SVG" })),
            (b"\xef\xbb\xbf <SVG/>", Err(PixelError::UnsupportedFormat { found: "SVG" })),
            (b"<!DOCTYPE html><p>", Err(PixelError::UnsupportedFormat { found: "an HTML page" })),
        ];
        for (bytes, expected) in table {
            assert_eq!(&InputFormat::recognise(bytes), expected, "{bytes:?}");
        }
    }
}
