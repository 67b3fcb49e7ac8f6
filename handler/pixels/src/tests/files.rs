//! Files of every kind, written by hand from the formats' own specifications, so that no encoder's habits are in them.

use image::DynamicImage;

use super::samples::{QUARTERS, png_chunk, riff, webp_chunk};

/// The picture of these files: four quarters of one colour each.
pub(super) const WIDTH: usize = 34;
pub(super) const HEIGHT: usize = 26;

/// Which quarter a pixel is in.
pub(super) fn quarter(x: usize, y: usize) -> usize {
    usize::from(x >= WIDTH / 2) + 2 * usize::from(y >= HEIGHT / 2)
}

fn color(x: usize, y: usize) -> [u8; 3] {
    QUARTERS[quarter(x, y)]
}

/// What the quarters are in gray pictures, in steps that one bit cannot say.
pub(super) const GRAYS: [u8; 4] = [0, 85, 170, 255];

fn deflated(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn long(value: usize) -> u32 {
    u32::try_from(value).unwrap()
}

fn short(value: usize) -> u16 {
    u16::try_from(value).unwrap()
}

/// Samples of so many bits, the first in the highest, rows from whole bytes.
fn packed(samples: &[u16], depth: u8) -> Vec<u8> {
    match depth {
        16 => samples.iter().flat_map(|sample| sample.to_be_bytes()).collect(),
        _ => samples
            .chunks(usize::from(8 / depth))
            .map(|chunk| {
                let joined = chunk.iter().fold(0_u16, |byte, sample| byte << depth | sample);
                let missing = usize::from(8 / depth) - chunk.len();
                u8::try_from(joined << (missing * usize::from(depth))).unwrap()
            })
            .collect(),
    }
}

/// Colour types of PNG.
pub(super) const GRAY: u8 = 0;
pub(super) const RGB: u8 = 2;
pub(super) const PALETTE: u8 = 3;
pub(super) const GRAY_ALPHA: u8 = 4;
pub(super) const RGB_ALPHA: u8 = 6;

fn png_sample(x: usize, y: usize, depth: u8, color_type: u8) -> Vec<u16> {
    let most = (1_u32 << depth) - 1;
    let scaled = |value: u8| u16::try_from((u32::from(value) * most + 127) / 255).unwrap();
    let gray = scaled(GRAYS[quarter(x, y)]);
    let rgb = color(x, y).map(scaled).to_vec();
    let opaque = scaled(255);
    match color_type {
        GRAY => vec![gray],
        RGB => rgb,
        // One bit tells only left from right.
        PALETTE if depth == 1 => vec![short(quarter(x, 0))],
        PALETTE => vec![short(quarter(x, y))],
        GRAY_ALPHA => vec![gray, opaque],
        _ => [rgb, vec![opaque]].concat(),
    }
}

/// A PNG without filters. `before` are chunks in front of the pixels.
pub(super) fn png(depth: u8, color_type: u8, interlaced: bool, before: &[u8]) -> Vec<u8> {
    let passes: &[[usize; 4]] = if interlaced {
        &[[0, 0, 8, 8], [4, 0, 8, 8], [0, 4, 4, 8], [2, 0, 4, 4], [0, 2, 2, 4], [1, 0, 2, 2], [0, 1, 1, 2]]
    } else {
        &[[0, 0, 1, 1]]
    };
    let mut rows = Vec::new();
    for [left, top, step_x, step_y] in passes {
        for y in (*top..HEIGHT).step_by(*step_y) {
            let samples: Vec<u16> =
                (*left..WIDTH).step_by(*step_x).flat_map(|x| png_sample(x, y, depth, color_type)).collect();
            rows.push(0);
            rows.extend(packed(&samples, depth));
        }
    }
    let (width, height) = (long(WIDTH).to_be_bytes(), long(HEIGHT).to_be_bytes());
    let header = [width.as_slice(), &height, &[depth, color_type, 0, 0, u8::from(interlaced)]].concat();
    let palette = if color_type == PALETTE { png_chunk(*b"PLTE", &QUARTERS.concat()) } else { Vec::new() };
    [
        b"\x89PNG\r\n\x1a\n".to_vec(),
        png_chunk(*b"IHDR", &header),
        palette,
        before.to_vec(),
        png_chunk(*b"IDAT", &deflated(&rows)),
        png_chunk(*b"IEND", &[]),
    ]
    .concat()
}

/// How the pixels of a TIFF are packed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Packing {
    None = 1,
    Lzw = 5,
    Deflate = 8,
    PackBits = 32_773,
}

impl Packing {
    pub(super) const ALL: [Self; 4] = [Self::None, Self::Lzw, Self::Deflate, Self::PackBits];

    fn pack(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::None => bytes.to_vec(),
            Self::Deflate => deflated(bytes),
            Self::PackBits => {
                bytes.chunks(100).flat_map(|run| [&[u8::try_from(run.len() - 1).unwrap()], run].concat()).collect()
            }
            Self::Lzw => {
                // Nothing but literals of nine bits, with a new table before it needs ten.
                let mut codes = Vec::new();
                for run in bytes.chunks(200) {
                    codes.push(256);
                    codes.extend(run.iter().map(|byte| u32::from(*byte)));
                }
                codes.push(257);
                let mut bits: Vec<bool> =
                    codes.iter().flat_map(|code| (0..9).rev().map(move |bit| code >> bit & 1 == 1)).collect();
                bits.resize(bits.len().next_multiple_of(8), false);
                bits.chunks(8).map(|byte| byte.iter().fold(0, |byte, bit| byte << 1 | u8::from(*bit))).collect()
            }
        }
    }
}

/// A TIFF in strips of seven rows or tiles of 16 by 16, in RGB or in four inks.
pub(super) fn tiff(packing: Packing, tiled: bool, inks: bool) -> Vec<u8> {
    let pixel = |x: usize, y: usize| {
        let [r, g, b] = color(x.min(WIDTH - 1), y.min(HEIGHT - 1));
        if inks { vec![255 - r, 255 - g, 255 - b, 0] } else { vec![r, g, b] }
    };
    let (wide, high) = if tiled { (16, 16) } else { (WIDTH, 7) };
    let mut parts = Vec::new();
    for top in (0..HEIGHT).step_by(high) {
        for left in (0..WIDTH).step_by(wide) {
            let bottom = if tiled { top + high } else { (top + high).min(HEIGHT) };
            let rows = (top..bottom).flat_map(|y| (left..left + wide).flat_map(move |x| pixel(x, y)));
            parts.push(packing.pack(&rows.collect::<Vec<u8>>()));
        }
    }
    let samples = if inks { 4_u32 } else { 3 };
    let entries = if tiled { 11 } else { 10 };
    let tables_at = 8 + 2 + entries * 12 + 4;
    let (offsets_at, data_at) = (tables_at + 8, tables_at + 8 + parts.len() * 8);
    let lengths_at = offsets_at + parts.len() * 4;
    let mut tags: Vec<(u16, u16, usize, u32)> = vec![
        (256, 4, 1, long(WIDTH)),
        (257, 4, 1, long(HEIGHT)),
        (258, 3, samples as usize, long(tables_at)),
        (259, 3, 1, packing as u32),
        (262, 3, 1, if inks { 5 } else { 2 }),
    ];
    if tiled {
        tags.extend([(277, 3, 1, samples), (284, 3, 1, 1), (322, 4, 1, long(wide)), (323, 4, 1, long(high))]);
        tags.extend([(324, 4, parts.len(), long(offsets_at)), (325, 4, parts.len(), long(lengths_at))]);
    } else {
        tags.extend([(273, 4, parts.len(), long(offsets_at)), (277, 3, 1, samples), (278, 4, 1, long(high))]);
        tags.extend([(279, 4, parts.len(), long(lengths_at)), (284, 3, 1, 1)]);
    }
    let mut bytes = [b"II*\0\x08\0\0\0".as_slice(), &short(tags.len()).to_le_bytes()].concat();
    for (tag, kind, count, value) in tags {
        bytes.extend(tag.to_le_bytes());
        bytes.extend(kind.to_le_bytes());
        bytes.extend(long(count).to_le_bytes());
        bytes.extend(value.to_le_bytes());
    }
    bytes.extend([0; 4]);
    bytes.extend([8, 0, 8, 0, 8, 0, 8, 0]);
    let mut at = data_at;
    for part in &parts {
        bytes.extend(long(at).to_le_bytes());
        at += part.len();
    }
    bytes.extend(parts.iter().flat_map(|part| long(part.len()).to_le_bytes()));
    assert_eq!(bytes.len(), data_at);
    bytes.extend(parts.concat());
    bytes
}

/// A BMP of so many bits a pixel; those of eight or fewer have a palette. `runs` packs eight bits.
pub(super) fn bmp(bits: u16, from_top: bool, runs: bool) -> Vec<u8> {
    let mut rows = Vec::new();
    for row in 0..HEIGHT {
        let y = if from_top { row } else { HEIGHT - 1 - row };
        let mut bytes = Vec::new();
        for x in 0..WIDTH {
            let [r, g, b] = color(x, y);
            match bits {
                32 => bytes.extend([b, g, r, 255]),
                24 => bytes.extend([b, g, r]),
                16 => {
                    let five = |value: u8| u16::from(value >> 3);
                    bytes.extend((five(r) << 10 | five(g) << 5 | five(b)).to_le_bytes());
                }
                _ => bytes.push(u8::try_from(quarter(x, y)).unwrap()),
            }
        }
        if runs {
            // Two runs, one of each half, and the end of the line.
            let half = u8::try_from(WIDTH / 2).unwrap();
            rows.extend([half, bytes[0], half, bytes[WIDTH / 2], 0, 0]);
            continue;
        }
        if bits < 8 {
            let numbers: Vec<u16> = bytes.iter().map(|number| u16::from(*number) & ((1 << bits) - 1)).collect();
            bytes = packed(&numbers, u8::try_from(bits).unwrap());
        }
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        rows.extend(bytes);
    }
    if runs {
        rows.extend([0, 1]);
    }
    let palette: Vec<u8> = match bits {
        1 => [&QUARTERS[..2]].concat().iter().flat_map(|[r, g, b]| [*b, *g, *r, 0]).collect(),
        4 | 8 => QUARTERS.iter().flat_map(|[r, g, b]| [*b, *g, *r, 0]).collect(),
        _ => Vec::new(),
    };
    let height = i32::try_from(HEIGHT).unwrap() * if from_top { -1 } else { 1 };
    let pixels_at = long(54 + palette.len());
    let mut bytes = b"BM".to_vec();
    bytes.extend((pixels_at + long(rows.len())).to_le_bytes());
    bytes.extend([0; 4]);
    bytes.extend(pixels_at.to_le_bytes());
    bytes.extend(40_u32.to_le_bytes());
    bytes.extend(long(WIDTH).to_le_bytes());
    bytes.extend(height.to_le_bytes());
    bytes.extend(1_u16.to_le_bytes());
    bytes.extend(bits.to_le_bytes());
    bytes.extend(u32::from(runs).to_le_bytes());
    bytes.extend(long(rows.len()).to_le_bytes());
    bytes.extend([0; 8]);
    bytes.extend(long(palette.len() / 4).to_le_bytes());
    bytes.extend([0; 4]);
    [bytes, palette, rows].concat()
}

/// An animated WebP whose first frame covers only a part, in front of one that would hide it.
pub(super) fn animated_webp(first: &DynamicImage, left: u32, top: u32, canvas: (u32, u32)) -> Vec<u8> {
    let three = |value: u32| value.to_le_bytes()[..3].to_vec();
    let frame = |picture: &DynamicImage, left: u32, top: u32| {
        let simple = super::samples::file(picture, super::InputFormat::Webp);
        let (width, height) = (three(picture.width() - 1), three(picture.height() - 1));
        let head = [three(left / 2), three(top / 2), width, height, three(100), vec![0]].concat();
        webp_chunk(*b"ANMF", &[head, simple[12..].to_vec()].concat())
    };
    let second =
        DynamicImage::ImageRgba8(image::RgbaImage::from_pixel(canvas.0, canvas.1, image::Rgba([0, 0, 0, 255])));
    let header = [vec![0x12, 0, 0, 0], three(canvas.0 - 1), three(canvas.1 - 1)].concat();
    let animation = webp_chunk(*b"ANIM", &[255, 0, 255, 255, 0, 0]);
    riff(&[webp_chunk(*b"VP8X", &header), animation, frame(first, left, top), frame(&second, 0, 0)].concat())
}

/// A GIF of one frame that covers a part of the screen.
pub(super) fn offset_gif(picture: &DynamicImage, left: u8, top: u8, screen: (u8, u8)) -> Vec<u8> {
    let mut bytes = super::samples::file(picture, super::InputFormat::Gif);
    let side = |side: u32| side.to_le_bytes()[0];
    let descriptor = [0x2c, 0, 0, 0, 0, side(picture.width()), 0, side(picture.height()), 0];
    let at = bytes.windows(9).position(|window| window == descriptor).unwrap();
    (bytes[at + 1], bytes[at + 3]) = (left, top);
    (bytes[6], bytes[8]) = screen;
    bytes
}
