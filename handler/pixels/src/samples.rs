//! Small files for the tests, made on the spot: every format, every orientation, and headers that lie.

use std::io::Cursor;

use image::{DynamicImage, ImageFormat, Rgba, RgbaImage};

use super::format::InputFormat;

/// The formats that are written here.
pub(super) const FORMATS: [InputFormat; 6] =
    [InputFormat::Jpeg, InputFormat::Png, InputFormat::Webp, InputFormat::Gif, InputFormat::Tiff, InputFormat::Bmp];

/// The colours of the four quarters: top left, top right, bottom left, bottom right.
pub(super) const QUARTERS: [[u8; 3]; 4] = [[220, 30, 30], [30, 200, 30], [30, 30, 220], [230, 230, 230]];

/// A picture whose corners tell how it lies.
pub(super) fn quarters(width: u32, height: u32) -> DynamicImage {
    let picture = RgbaImage::from_fn(width, height, |x, y| {
        let [r, g, b] = QUARTERS[usize::from(x >= width / 2) + 2 * usize::from(y >= height / 2)];
        Rgba([r, g, b, 255])
    });
    DynamicImage::ImageRgba8(picture)
}

/// How `upright` must be stored so that the EXIF orientation turns it back, by `image`'s own turns.
pub(super) fn stored(upright: &DynamicImage, orientation: u16) -> DynamicImage {
    match orientation {
        2 => upright.fliph(),
        3 => upright.rotate180(),
        4 => upright.flipv(),
        5 => upright.rotate90().fliph(),
        6 => upright.rotate270(),
        7 => upright.rotate270().fliph(),
        8 => upright.rotate90(),
        _ => upright.clone(),
    }
}

/// A picture as a file. WebP is lossless here; see [`lossy_webp`].
pub(super) fn file(picture: &DynamicImage, format: InputFormat) -> Vec<u8> {
    let rgb = DynamicImage::ImageRgb8(picture.to_rgb8());
    let (picture, format) = match format {
        InputFormat::Jpeg => return jpeg(picture, false),
        InputFormat::Png => (picture, ImageFormat::Png),
        InputFormat::Webp => (picture, ImageFormat::WebP),
        InputFormat::Gif => (picture, ImageFormat::Gif),
        InputFormat::Tiff => (picture, ImageFormat::Tiff),
        InputFormat::Bmp => (&rgb, ImageFormat::Bmp),
        InputFormat::Heic => unreachable!("nothing here writes HEIC"),
    };
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

pub(super) fn jpeg(picture: &DynamicImage, progressive: bool) -> Vec<u8> {
    let rgb = picture.to_rgb8();
    let mut bytes = Vec::new();
    let mut encoder = jpeg_encoder::Encoder::new(&mut bytes, 92);
    encoder.set_progressive(progressive);
    let side = |side: u32| u16::try_from(side).unwrap();
    encoder.encode(&rgb, side(rgb.width()), side(rgb.height()), jpeg_encoder::ColorType::Rgb).unwrap();
    bytes
}

pub(super) fn lossy_webp(picture: &DynamicImage) -> Vec<u8> {
    let rgba = picture.to_rgba8();
    webp::Encoder::from_rgba(&rgba, rgba.width(), rgba.height()).encode_simple(false, 92.0).unwrap().to_vec()
}

/// A file of the quarters that says how it lies. Formats without a place for it are not asked.
pub(super) fn oriented(upright: &DynamicImage, format: InputFormat, orientation: u16) -> Vec<u8> {
    let picture = stored(upright, orientation);
    match format {
        InputFormat::Jpeg => {
            with_jpeg_segment(&file(&picture, format), 0xe1, &[b"Exif\0\0", exif(orientation).as_slice()].concat())
        }
        InputFormat::Png => with_png_chunk(&file(&picture, format), *b"eXIf", &exif(orientation)),
        InputFormat::Webp => {
            with_webp_exif(&lossy_webp(&picture), picture.width(), picture.height(), &exif(orientation))
        }
        InputFormat::Tiff => tiff(&picture, orientation, None),
        InputFormat::Gif | InputFormat::Bmp | InputFormat::Heic => unreachable!("carries no orientation"),
    }
}

/// A block of EXIF with an orientation and a text that must not survive.
pub(super) fn exif(orientation: u16) -> Vec<u8> {
    let mut block = b"MM\0*\0\0\0\x08\0\x02".to_vec();
    block.extend(b"\x01\x12\0\x03\0\0\0\x01");
    block.extend(orientation.to_be_bytes());
    block.extend(b"\0\0");
    block.extend(b"\x82\x98\0\x02\0\0\0\x0a\0\0\0\x22\0\0\0\0");
    block.extend(b"SECRET-GPS");
    block
}

pub(super) fn with_jpeg_segment(file: &[u8], marker: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len() + 2).unwrap().to_be_bytes();
    [&file[..2], &[0xff, marker], &length, body, &file[2..]].concat()
}

pub(super) fn with_png_chunk(file: &[u8], kind: [u8; 4], body: &[u8]) -> Vec<u8> {
    let header_end = 8 + 25;
    [&file[..header_end], &png_chunk(kind, body), &file[header_end..]].concat()
}

/// A file of a picture with a colour profile, of the kinds that carry one.
pub(super) fn profiled(picture: &DynamicImage, format: InputFormat, icc: &[u8]) -> Vec<u8> {
    match format {
        InputFormat::Jpeg => {
            // In parts of unequal length, the last one first.
            let parts: Vec<&[u8]> = icc.chunks(icc.len().div_ceil(3).min(60_000)).collect();
            let count = u8::try_from(parts.len()).unwrap();
            (1..).zip(parts).fold(file(picture, format), |file, (number, part)| {
                with_jpeg_segment(&file, 0xe2, &[b"ICC_PROFILE\0", [number, count].as_slice(), part].concat())
            })
        }
        InputFormat::Png => with_png_chunk(&file(picture, format), *b"iCCP", &png_profile(icc)),
        InputFormat::Webp => {
            let simple = file(picture, format);
            let side = |side: u32| (side - 1).to_le_bytes()[..3].to_vec();
            let header = [vec![0x20, 0, 0, 0], side(picture.width()), side(picture.height())].concat();
            riff(&[webp_chunk(*b"VP8X", &header), webp_chunk(*b"ICCP", icc), simple[12..].to_vec()].concat())
        }
        InputFormat::Tiff => tiff(picture, 1, Some(icc)),
        InputFormat::Gif | InputFormat::Bmp | InputFormat::Heic => unreachable!("carries no profile that is read"),
    }
}

/// The body of the chunk of a profile.
pub(super) fn png_profile(icc: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut deflated = flate2::write::ZlibEncoder::new(b"a name\0\0".to_vec(), flate2::Compression::best());
    deflated.write_all(icc).unwrap();
    deflated.finish().unwrap()
}

pub(super) fn png_chunk(kind: [u8; 4], body: &[u8]) -> Vec<u8> {
    let covered = [&kind, body].concat();
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    [length.as_slice(), &covered, &crc32(&covered).to_be_bytes()].concat()
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 })
    })
}

/// Wraps a simple lossy WebP in the extended container.
fn with_webp_exif(simple: &[u8], width: u32, height: u32, exif: &[u8]) -> Vec<u8> {
    let side = |side: u32| (side - 1).to_le_bytes()[..3].to_vec();
    let header = [vec![0x08, 0, 0, 0], side(width), side(height)].concat();
    let body = [webp_chunk(*b"VP8X", &header), simple[12..].to_vec(), webp_chunk(*b"EXIF", exif)].concat();
    riff(&body)
}

pub(super) fn riff(chunks: &[u8]) -> Vec<u8> {
    [b"RIFF".as_slice(), &u32::try_from(chunks.len() + 4).unwrap().to_le_bytes(), b"WEBP", chunks].concat()
}

pub(super) fn webp_chunk(kind: [u8; 4], body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap().to_le_bytes();
    [kind.as_slice(), &length, body, &[0][..body.len() % 2]].concat()
}

/// An uncompressed TIFF of one strip.
fn tiff(picture: &DynamicImage, orientation: u16, icc: Option<&[u8]>) -> Vec<u8> {
    let rgb = picture.to_rgb8();
    let (icc, pixels_at) = (icc.unwrap_or_default(), 8 + 2 + 10 * 12 + 4 + 6);
    let length = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap();
    let entries: [(u16, u16, u32, u32); 10] = [
        (256, 4, 1, rgb.width()),
        (257, 4, 1, rgb.height()),
        (258, 3, 3, pixels_at - 6),
        (262, 3, 1, 2),
        (273, 4, 1, pixels_at),
        (274, 3, 1, orientation.into()),
        (277, 3, 1, 3),
        (278, 4, 1, rgb.height()),
        (279, 4, 1, length(&rgb)),
        (if icc.is_empty() { 40_000 } else { 34_675 }, 7, length(icc), pixels_at + length(&rgb)),
    ];
    let mut bytes = b"II*\0\x08\0\0\0\x0a\0".to_vec();
    for (tag, kind, count, value) in entries {
        bytes.extend(tag.to_le_bytes());
        bytes.extend(kind.to_le_bytes());
        bytes.extend(count.to_le_bytes());
        bytes.extend(value.to_le_bytes());
    }
    bytes.extend([0, 0, 0, 0, 8, 0, 8, 0, 8, 0]);
    bytes.extend(rgb.as_raw());
    bytes.extend(icc);
    bytes
}

/// Files of a few bytes whose headers claim an image of this size.
pub(super) fn lying(format: InputFormat, width: u32, height: u32) -> Vec<u8> {
    let short = |side: u32| u16::try_from(side).unwrap();
    let mut bytes = file(&quarters(16, 16), format);
    match format {
        InputFormat::Jpeg => {
            let at = bytes.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap() + 5;
            bytes[at..at + 2].copy_from_slice(&short(height).to_be_bytes());
            bytes[at + 2..at + 4].copy_from_slice(&short(width).to_be_bytes());
        }
        InputFormat::Png => {
            let mut header = [width.to_be_bytes(), height.to_be_bytes()].concat();
            header.extend(&bytes[24..29]);
            bytes.splice(8..33, png_chunk(*b"IHDR", &header));
        }
        InputFormat::Webp => {
            let fields = (width - 1) | (height - 1) << 14;
            bytes[21..25].copy_from_slice(&fields.to_le_bytes());
        }
        InputFormat::Gif => {
            bytes[6..8].copy_from_slice(&short(width).to_le_bytes());
            bytes[8..10].copy_from_slice(&short(height).to_le_bytes());
        }
        InputFormat::Tiff => {
            bytes = tiff(&quarters(16, 16), 1, None);
            bytes[18..22].copy_from_slice(&width.to_le_bytes());
            bytes[30..34].copy_from_slice(&height.to_le_bytes());
        }
        InputFormat::Bmp => {
            bytes[18..22].copy_from_slice(&width.to_le_bytes());
            bytes[22..26].copy_from_slice(&height.to_le_bytes());
        }
        InputFormat::Heic => unreachable!("nothing here writes HEIC"),
    }
    bytes
}
