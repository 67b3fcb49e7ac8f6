//! Makes the photos of `tests/photos`: photograph-like renderings, so that nobody's rights and nobody's face are in them.
//!
//! ```text
//! cargo run -p tests --example make_photos            # writes tests/photos
//! cargo run -p tests --example make_photos -- DIR     # writes elsewhere
//! ```
//!
//! Everything follows from seeds: the same code writes the same pixels. The lossy files come from this project's own
//! encoders, through [`handler::pixels`], except for the baseline JPEG.

mod landscapes;
mod noise;
mod objects;

use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use handler::pixels::jpeg::Arena;
use handler::pixels::options::{Fit, OutputFormat, Rendition};
use handler::pixels::{Limits, probe, render};
use image::codecs::gif::GifEncoder;
use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, ImageFormat, Rgb, RgbImage, Rgba, RgbaImage};

fn main() -> Result<()> {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("photos");
    let folder = std::env::args_os().nth(1).map_or_else(default, PathBuf::from);
    let write = |name: &str, bytes: &[u8]| -> Result<()> {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap_or(&folder))
            .with_context(|| format!("creating the folder of {name}"))?;
        fs::write(&path, bytes).with_context(|| format!("writing {name}"))?;
        println!("{:>8} {name}", bytes.len());
        Ok(())
    };

    let hills = photo(1500, 1000, landscapes::hills);
    write("landscape/hills-at-dusk.jpg", &baseline_jpeg(&hills, 82)?)?;
    let lake = photo(1600, 1200, landscapes::lake);
    write("landscape/lake/mountain-lake.jpg", &encode(lake, OutputFormat::Jpeg, 78)?)?;
    // The camera was held upright: it stores the picture lying on its side and says so.
    let lighthouse = DynamicImage::ImageRgb8(photo(900, 1200, landscapes::lighthouse)).rotate270().to_rgb8();
    write("portrait/lighthouse.jpg", &with_exif_orientation(&encode(lighthouse, OutputFormat::Jpeg, 80)?, 6)?)?;
    write("still-life/fruit.webp", &encode(photo(1200, 900, objects::fruit), OutputFormat::Webp, 80)?)?;
    write("still-life/marble.png", &png(&DynamicImage::ImageRgba8(cut_out(400, objects::marble)))?)?;
    write("still-life/moon.gif", &gif(&photo(256, 256, objects::moon))?)?;
    let dunes = encode(photo(900, 600, landscapes::dunes), OutputFormat::Jpeg, 80)?;
    write("misnamed/a-jpeg-called.png", &dunes)?;
    let whole = encode(photo(900, 600, |x, y| landscapes::hills(x + 0.13, y)), OutputFormat::Jpeg, 80)?;
    write("broken/torn-in-half.jpg", &whole[..whole.len() / 2])
}

/// Samples a scene four times a pixel, darkens the corners as a lens does, and adds the grain of a sensor.
fn photo(width: u32, height: u32, scene: impl Fn(f64, f64) -> noise::Rgb) -> RgbImage {
    let side = f64::from(height);
    RgbImage::from_fn(width, height, |column, row| {
        let mut sum = [0.0; 3];
        for (right, down) in SAMPLES {
            sum = noise::add(sum, scene((f64::from(column) + right) / side, (f64::from(row) + down) / side));
        }
        let from_center = |at: u32, sides: u32| f64::from(at) / f64::from(sides) - 0.5;
        let corner = from_center(column, width).powi(2) + from_center(row, height).powi(2);
        let grain = (noise::cell(column.into(), row.into(), 7) - 0.5) * 0.018;
        Rgb(sum.map(|channel| to_byte(channel / 4.0 * (1.0 - 0.32 * corner) + grain)))
    })
}

/// Samples a scene with alpha; the colour of a pixel is the mean of what is visible in it.
fn cut_out(side: u32, scene: impl Fn(f64, f64) -> [f64; 4]) -> RgbaImage {
    RgbaImage::from_fn(side, side, |column, row| {
        let (mut color, mut alpha) = ([0.0; 3], 0.0);
        for (right, down) in SAMPLES {
            let at = |place: u32, within: f64| (f64::from(place) + within) / f64::from(side);
            let [r, g, b, a] = scene(at(column, right), at(row, down));
            color = noise::add(color, noise::scale([r.clamp(0.0, 1.0), g.clamp(0.0, 1.0), b.clamp(0.0, 1.0)], a));
            alpha += a;
        }
        let [red, green, blue] = if alpha > 0.0 { noise::scale(color, 1.0 / alpha) } else { color };
        Rgba([red, green, blue, alpha / 4.0].map(to_byte))
    })
}

/// Where in a pixel a scene is looked at: a turned square, which is kind to steep and to flat edges.
const SAMPLES: [(f64, f64); 4] = [(0.375, 0.125), (0.875, 0.375), (0.125, 0.625), (0.625, 0.875)];

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to a byte")]
fn to_byte(value: f64) -> u8 {
    (value.clamp(0.0, 1.0) * 255.0).round() as u8
}

/// Encodes at the picture's own size with the project's encoders.
fn encode(picture: RgbImage, format: OutputFormat, quality: u8) -> Result<Vec<u8>> {
    let source = png(&DynamicImage::ImageRgb8(picture))?;
    let limits = Limits::default();
    let probe = probe(&source, &limits)?;
    let rendition = Rendition {
        width: Some(probe.width),
        fit: Fit::Inside,
        format,
        quality: Some(quality),
        ..Rendition::default()
    };
    Ok(render(&source, &probe, &[rendition], &limits, &mut Arena::default())?.remove(0).bytes)
}

fn baseline_jpeg(picture: &RgbImage, quality: u8) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, quality).encode_image(picture)?;
    Ok(bytes)
}

fn png(picture: &DynamicImage) -> Result<Vec<u8>> {
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, ImageFormat::Png)?;
    Ok(bytes.into_inner())
}

fn gif(picture: &RgbImage) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    GifEncoder::new(&mut bytes).encode(picture, picture.width(), picture.height(), image::ExtendedColorType::Rgb8)?;
    Ok(bytes)
}

/// Puts a block of EXIF with nothing but the orientation behind the start of a JPEG.
fn with_exif_orientation(jpeg: &[u8], orientation: u8) -> Result<Vec<u8>> {
    let mut block = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
    block.extend([orientation, 0, 0, 0, 0, 0, 0]);
    let length = u16::try_from(block.len() + 2)?.to_be_bytes();
    let (start, rest) = jpeg.split_at(2);
    Ok([start, &[0xff, 0xe1], &length, &block, rest].concat())
}
