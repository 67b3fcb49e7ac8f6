//! Good files at a pixel limit, one for each way of coding that has a price of its own.

use std::io::Cursor;

use image::codecs::webp::WebPEncoder;
use image::{ExtendedColorType, ImageEncoder as _};
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};

use super::bmp::Bmp;
use super::bytes::{deflated, gif_data, png_chunk, riff_chunk, webp_file};
use super::heic;
use super::samples::{Png, gif_file, gif_frame, webp_frame, webp_header};
use super::tiff;

/// How to make a file of a width and a height.
pub type Make = fn(u32, u32) -> Vec<u8>;

/// Every way of coding: its name and how to make a file.
pub const INPUTS: [(&str, Make); 35] = [
    ("jpeg 4:2:0", |width, height| {
        jpeg(width, height, ColorType::Rgb, |encoder| encoder.set_sampling_factor(SamplingFactor::F_2_2))
    }),
    ("jpeg 4:4:4", |width, height| {
        jpeg(width, height, ColorType::Rgb, |encoder| encoder.set_sampling_factor(SamplingFactor::F_1_1))
    }),
    ("jpeg gray", |width, height| jpeg(width, height, ColorType::Luma, |_| {})),
    ("jpeg several scans", |width, height| {
        jpeg(width, height, ColorType::Rgb, |encoder| encoder.set_optimized_huffman_tables(true))
    }),
    ("jpeg progressive", |width, height| jpeg(width, height, ColorType::Rgb, |encoder| encoder.set_progressive(true))),
    ("jpeg CMYK", |width, height| jpeg(width, height, ColorType::Cmyk, |_| {})),
    ("jpeg CMYK several scans", |width, height| {
        jpeg(width, height, ColorType::Cmyk, |encoder| encoder.set_optimized_huffman_tables(true))
    }),
    ("jpeg YCCK progressive", |width, height| {
        jpeg(width, height, ColorType::CmykAsYcck, |encoder| encoder.set_progressive(true))
    }),
    ("png gray 1", |width, height| png(width, height, 1, 0)),
    ("png palette 8", |width, height| png(width, height, 8, 3)),
    ("png transparent palette 8", |width, height| {
        let transparent = png_chunk(*b"tRNS", &[0, 100, 200]);
        Png { before: [Png::of(8, 3).before, transparent].concat(), ..large_png(width, height, 8, 3) }.file()
    }),
    ("png RGB 8", |width, height| png(width, height, 8, 2)),
    ("png RGBA 8", |width, height| png(width, height, 8, 6)),
    ("png RGB 16", |width, height| png(width, height, 16, 2)),
    ("png RGBA 16", |width, height| png(width, height, 16, 6)),
    ("webp lossy", |width, height| lossy(width, height, 3)),
    ("webp lossy with alpha", |width, height| lossy(width, height, 4)),
    ("webp lossless", |width, height| lossless(width, height, ExtendedColorType::Rgb8)),
    ("webp lossless with alpha", |width, height| lossless(width, height, ExtendedColorType::Rgba8)),
    ("webp animated", |width, height| {
        let frame = webp_frame(0, 0, width, height, &lossless(width, height, ExtendedColorType::Rgba8));
        webp_file(&[webp_header(0x12, width, height), riff_chunk(*b"ANIM", &[0; 6]), frame].concat())
    }),
    ("gif", |width, height| {
        let indices: Vec<u8> = texture(width as usize, height as usize).iter().map(|byte| byte & 3).collect();
        let (width, height) = (side(width), side(height));
        gif_file((width, height), &gif_frame((0, 0), (width, height), 0, &gif_data(&indices, 2)))
    }),
    ("heic tiles", heic::large),
    ("heic alpha in tiles", |width, height| {
        assert_eq!((width, height), (4000, 3000));
        heic::flat_with_alpha()
    }),
    ("heic 4:2:0", |width, height| heic_of_one_picture(width, height, false)),
    ("heic 4:4:4", |width, height| heic_of_one_picture(width, height, true)),
    ("tiff RGB 8", |width, height| tiff::large(width, height, 3, 8, false)),
    ("tiff RGB 8 deflate", |width, height| tiff::large(width, height, 3, 8, true)),
    ("tiff RGBA 8", |width, height| tiff::large(width, height, 4, 8, false)),
    ("tiff gray 16", |width, height| tiff::large(width, height, 1, 16, true)),
    ("tiff RGB 16", |width, height| tiff::large(width, height, 3, 16, true)),
    ("tiff JPEG", |width, height| tiff::around_jpeg(width, height, jpeg(width, height, ColorType::Rgb, |_| {}), 3)),
    ("tiff JPEG CMYK", |width, height| {
        tiff::around_jpeg(width, height, jpeg(width, height, ColorType::Cmyk, |_| {}), 4)
    }),
    ("bmp 8", |width, height| bmp(width, height, 8)),
    ("bmp 24", |width, height| bmp(width, height, 24)),
    ("bmp 32", |width, height| bmp(width, height, 32)),
];

fn side(side: u32) -> u16 {
    u16::try_from(side).expect("sides here are short")
}

/// Rows of some texture, each a little different.
pub(crate) fn texture(row_bytes: usize, rows: usize) -> Vec<u8> {
    let mut rng = fastrand::Rng::with_seed(1);
    let noise: Vec<u8> = (0..row_bytes + 512).map(|at| (at / 16).to_le_bytes()[0].wrapping_add(rng.u8(..24))).collect();
    (0..rows).flat_map(|row| noise[row % 512..][..row_bytes].iter().copied()).collect()
}

fn jpeg(width: u32, height: u32, color: ColorType, set: fn(&mut Encoder<&mut Vec<u8>>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, 80);
    set(&mut encoder);
    let channels = match color {
        ColorType::Luma => 1,
        ColorType::Cmyk | ColorType::CmykAsYcck => 4,
        _ => 3,
    };
    let pixels = texture(width as usize * channels, height as usize);
    encoder.encode(&pixels, side(width), side(height), color).expect("it fits");
    bytes
}

fn large_png(width: u32, height: u32, depth: u8, color: u8) -> Png {
    let samples = [1, 0, 3, 1, 2, 0, 4][usize::from(color)];
    let row_bytes = (width as usize * samples * usize::from(depth)).div_ceil(8) + 1;
    let mut rows = texture(row_bytes, height as usize);
    rows.iter_mut().step_by(row_bytes).for_each(|filter| *filter = 0);
    Png { width, height, data: deflated(&rows), ..Png::of(depth, color) }
}

fn png(width: u32, height: u32, depth: u8, color: u8) -> Vec<u8> {
    large_png(width, height, depth, color).file()
}

fn lossy(width: u32, height: u32, channels: u32) -> Vec<u8> {
    let pixels = texture((width * channels) as usize, height as usize);
    let layout = if channels == 4 { webp::PixelLayout::Rgba } else { webp::PixelLayout::Rgb };
    let mut config = webp::WebPConfig::new().expect("the library is the one it was built with");
    // As quickly as can be: what counts is what decoding takes.
    (config.method, config.alpha_compression) = (0, 0);
    webp::Encoder::new(&pixels, layout, width, height).encode_advanced(&config).expect("it fits").to_vec()
}

fn lossless(width: u32, height: u32, color: ExtendedColorType) -> Vec<u8> {
    let pixels = texture(width as usize * usize::from(color.channel_count()), height as usize);
    let mut bytes = Cursor::new(Vec::new());
    WebPEncoder::new_lossless(&mut bytes).write_image(&pixels, width, height, color).expect("it fits");
    bytes.into_inner()
}

fn bmp(width: u32, height: u32, bits: u16) -> Vec<u8> {
    let row_bytes = (width as usize * usize::from(bits)).div_ceil(32) * 4;
    Bmp { width, height, data: texture(row_bytes, height as usize), ..Bmp::of(8, 8, bits) }.file()
}

/// Nothing here codes pictures as HEVC: there is one size.
fn heic_of_one_picture(width: u32, height: u32, full_chroma: bool) -> Vec<u8> {
    assert_eq!((width, height), (4000, 3000));
    heic::flat(full_chroma)
}
