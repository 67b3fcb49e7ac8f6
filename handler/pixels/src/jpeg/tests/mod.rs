//! The whole decoder: against libjpeg, against itself, and against broken files.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "the numbers of the tests are small"
)]

mod broken;
mod corpus;
mod inks;
mod odd;
mod planes;
mod reference;
mod scans;

use super::*;
use crate::area::Size;
use crate::error::PixelError;
use crate::limits::Limits;

/// A picture of soft slopes, hard edges and some noise: every coefficient has its turn.
fn picture(random: &mut fastrand::Rng, width: u32, height: u32) -> Vec<u8> {
    let mut wave = || (random.f32() * 0.5, random.f32() * 0.5, random.f32() * 6.0, random.f32() * 110.0);
    let waves = [wave(), wave(), wave()];
    let (edge, noise) = (random.u32(0..=width), random.i32(0..40));
    let mut pixels = Vec::with_capacity((width * height * 3) as usize);
    for y in 0..height {
        for x in 0..width {
            let jump = if x > edge && (y / 5) % 2 == 0 { 90.0 } else { 0.0 };
            for (across, down, phase, height) in waves {
                let slope = (x as f32 * across + y as f32 * down + phase).sin() * height;
                let value = 120.0 + slope + jump + random.i32(-noise..=noise) as f32;
                pixels.push(value.clamp(0.0, 255.0) as u8);
            }
        }
    }
    pixels
}

/// A picture as a file, by the encoder that writes our outputs.
fn encoded(
    seed: u64,
    size: (u16, u16),
    sampling: jpeg_encoder::SamplingFactor,
    set: impl FnOnce(&mut jpeg_encoder::Encoder<&mut Vec<u8>>),
) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(seed);
    let pixels = picture(&mut random, size.0.into(), size.1.into());
    let mut bytes = Vec::new();
    let mut encoder = jpeg_encoder::Encoder::new(&mut bytes, 85);
    encoder.set_sampling_factor(sampling);
    set(&mut encoder);
    encoder.encode(&pixels, size.0, size.1, jpeg_encoder::ColorType::Rgb).unwrap();
    bytes
}

fn open(bytes: &[u8]) -> Decoder<'_> {
    Decoder::new(bytes, &Limits::default()).unwrap()
}

fn decoded(bytes: &[u8], scale: Scale) -> Result<Decoded, PixelError> {
    let decoder = open(bytes);
    decoder.decode(scale, &Window::whole(scale.apply(decoder.size())), &mut Arena::default())
}

/// The part of an image that a window shows.
fn cut(whole: &Decoded, window: &Window) -> Vec<u8> {
    let channels = whole.channels;
    let row_bytes = whole.size.width as usize * channels;
    let columns = window.columns.start as usize * channels..window.columns.end as usize * channels;
    let rows = whole.data.chunks_exact(row_bytes).skip(window.rows.start as usize).take(window.size().height as usize);
    rows.flat_map(|row| &row[columns.clone()]).copied().collect()
}

#[test]
fn the_scale_leaves_at_least_what_the_fidelity_asks() {
    let table = [
        ((4000.0, 3000.0), (500, 375), 4, 4),
        ((4000.0, 3000.0), (434, 325), 8, 4),
        ((4000.0, 3000.0), (435, 326), 4, 4),
        ((4000.0, 3000.0), (501, 375), 4, 2),
        ((4000.0, 2999.0), (500, 375), 4, 2),
        ((4000.0, 3000.0), (200, 150), 8, 8),
        ((4000.0, 3000.0), (250, 188), 8, 4),
        ((4000.0, 3000.0), (1600, 1200), 2, 1),
        ((4000.0, 3000.0), (4000, 10), 1, 1),
        ((100.0, 100.0), (300, 300), 1, 1),
        ((8.0, 8.0), (1, 1), 4, 4),
        ((3.0, 3.0), (1, 1), 2, 1),
        ((399.999_999_999, 300.0), (50, 30), 4, 4),
    ];
    for ((width, height), wanted, fast, fine) in table {
        let wanted = Size { width: wanted.0, height: wanted.1 };
        let denominator = |fidelity| Scale::covering(width, height, wanted, fidelity).denominator();
        assert_eq!((denominator(Fidelity::Fast), denominator(Fidelity::Fine)), (fast, fine), "{width} to {wanted:?}");
    }
}

/// Every window is the same part of the whole image, however little of the file is read for it, and in bands too.
#[test]
fn windows_are_parts_of_the_whole() {
    use jpeg_encoder::SamplingFactor::{F_1_1, F_1_2, F_2_1, F_2_2, F_4_1};
    let mut arena = Arena::default();
    for (seed, sampling) in [F_1_1, F_2_1, F_1_2, F_2_2, F_4_1].into_iter().enumerate() {
        for way in 0..4 {
            let bytes = encoded(seed as u64, (93, 71), sampling, |encoder| match way {
                0 => encoder.set_restart_interval(3),
                1 => encoder.set_progressive(true),
                2 => encoder.set_optimized_huffman_tables(true),
                _ => {}
            });
            let decoder = open(&bytes);
            for scale in Scale::ALL {
                let size = scale.apply(decoder.size());
                let whole = decoded(&bytes, scale).unwrap();
                let mut random = fastrand::Rng::with_seed(seed as u64);
                for _ in 0..20 {
                    let (left, top) = (random.u32(0..size.width), random.u32(0..size.height));
                    let window = Window {
                        columns: left..random.u32(left + 1..=size.width),
                        rows: top..random.u32(top + 1..=size.height),
                    };
                    let part = decoder.decode(scale, &window, &mut arena).unwrap();
                    assert!(part.data == cut(&whole, &window), "{sampling:?} {way} {scale:?} {window:?}");
                    let (mut bands, mut rows) = (Vec::new(), 0);
                    let take = |first: u32, band: &[u8]| {
                        assert_eq!(first, rows);
                        rows += (band.len() / (window.columns.len() * 3)) as u32;
                        bands.extend_from_slice(band);
                    };
                    decoder.decode_bands(scale, &window, &mut arena, take).unwrap();
                    assert!(bands == part.data);
                    arena.recycle(part.data);
                }
            }
        }
    }
}

#[test]
fn a_window_outside_of_the_image_is_refused() {
    let bytes = encoded(1, (20, 20), jpeg_encoder::SamplingFactor::F_1_1, |_| {});
    for (columns, rows) in [(0..21, 0..20), (0..20, 0..21), (5..5, 0..20), (0..20, 20..20)] {
        let window = Window { columns, rows };
        let error = open(&bytes).decode(Scale::Full, &window, &mut Arena::default()).unwrap_err();
        assert_eq!(error.fault(), crate::error::Fault::Ours);
    }
}

/// A buffer is never larger than its price, whatever was decoded before.
#[test]
fn memory_stays_within_the_price() {
    for way in 0..3 {
        let bytes = encoded(7, (300, 200), jpeg_encoder::SamplingFactor::F_2_2, |encoder| match way {
            0 => encoder.set_progressive(true),
            1 => encoder.set_optimized_huffman_tables(true),
            _ => {}
        });
        let decoder = open(&bytes);
        let mut prices = Vec::new();
        for scale in Scale::ALL {
            let mut arena = Arena::default();
            decoder.decode(scale, &Window::whole(scale.apply(decoder.size())), &mut arena).unwrap();
            let price = decoder.memory_bytes_max(scale);
            assert!(arena.bytes() as u64 <= price, "{way} {scale:?}: {} of {price}", arena.bytes());
            prices.push(price);
        }
        assert!(prices.is_sorted_by(|larger, smaller| larger > smaller));
    }
}

#[test]
fn what_is_not_read_is_refused_by_its_name() {
    let bytes = encoded(3, (20, 20), jpeg_encoder::SamplingFactor::F_1_1, |_| {});
    let frame_at = bytes.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    let with = |changes: &[(usize, u8)]| {
        let mut changed = bytes.clone();
        for (at, value) in changes {
            changed[frame_at + at] = *value;
        }
        Decoder::new(&changed, &Limits::default()).map(drop).map_err(|error| error.to_string())
    };
    assert_eq!(with(&[(1, 0xc1)]), Ok(()), "extended");
    assert_eq!(with(&[(11, 0x31), (14, 0x21)]), Ok(()), "a sampling of three to two");
    let named = [
        (1, 0xc3, "lossless coding"),
        (1, 0xc5, "hierarchical coding"),
        (1, 0xc9, "arithmetic coding"),
        (1, 0xca, "arithmetic coding"),
        (1, 0xcb, "arithmetic coding"),
        (1, 0xcd, "arithmetic coding"),
        (4, 12, "12 bits a sample"),
        (9, 2, "2 components"),
    ];
    for (at, value, name) in named {
        assert_eq!(with(&[(at, value)]), Err(format!("JPEG uses {name}, which is not supported")), "{at} {value:x}");
    }
    assert!(with(&[(11, 0x50)]).is_err());
    let small = Limits { pixels_max: 399, ..Limits::default() };
    assert!(matches!(Decoder::new(&bytes, &small), Err(PixelError::TooManyPixels { .. })));
}
