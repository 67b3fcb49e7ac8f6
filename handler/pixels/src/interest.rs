//! Where the interest of a picture lies, by sharp's two strategies: those of `vips_smartcrop`.
//!
//! - *Attention* looks at the picture in 32x32 pixels: edges, the colours of skin, and red. Where there is most of them within
//!   the size of the crop, there is its middle.
//! - *Entropy* takes slices off the picture, again and again the one with fewer different values of two.
//!
//! The same picture always gives the same place. Neither needs the picture in the size that it is cropped from: see
//! [`looked_at`].

use super::area::{Region, Size};
use super::cie;
use super::error::PixelError;
use super::options::{Color, Kernel, Strategy};
use super::raster::{Layout, Raster};
use super::scale::{Alpha, Scaler};

/// The pixels along each side at which attention looks.
const SIDE: usize = CELLS as usize;
/// The same, as a number that is exact in floats.
const CELLS: u32 = 32;

/// The amounts of X, Y and Z of skin, in a vector of length one.
const SKIN: [f64; 3] = [0.78, 0.57, 0.44];

/// Y of white is 100; up to this much it is too dark for skin and colours.
const DARK_MAX: f64 = 5.0;

/// Slices by which entropy comes to its crop, along the side that loses most.
const SLICES: u32 = 8;

/// The longest side at which entropy looks.
const ENTROPY_SIDE_MAX: u32 = 512;

/// The size in which a strategy looks at a picture of this size. Of what is larger it would see no more.
pub(super) fn looked_at(whole: Size, strategy: Strategy) -> Size {
    match strategy {
        Strategy::Attention => Size { width: CELLS, height: CELLS },
        Strategy::Entropy => {
            let longest = whole.width.max(whole.height).max(1);
            let side = |side: u32| part(side, ENTROPY_SIDE_MAX.min(longest), longest);
            Size { width: side(whole.width), height: side(whole.height) }
        }
    }
}

/// Left and top of a crop of a picture, of which this is all in a size to look at. The crop is not larger than the picture.
pub(super) fn place(
    image: &mut Raster,
    whole: Size,
    size: Size,
    strategy: Strategy,
    scaler: &mut Scaler,
) -> Result<(u32, u32), PixelError> {
    match strategy {
        Strategy::Attention => attention(image, whole, size, scaler),
        Strategy::Entropy => {
            let seen = image.size;
            let kept = Size {
                width: part(size.width, seen.width, whole.width),
                height: part(size.height, seen.height, whole.height),
            };
            let (left, top) = entropy(image, kept);
            let place = |start: u32, seen: u32, whole: u32, size: u32| {
                (u64::from(start) * u64::from(whole) / u64::from(seen.max(1))).min(whole.saturating_sub(size).into())
            };
            let left = place(left, seen.width, whole.width, size.width);
            let top = place(top, seen.height, whole.height, size.height);
            Ok((u32::try_from(left).unwrap_or(0), u32::try_from(top).unwrap_or(0)))
        }
    }
}

/// `side * seen / whole`, rounded, at least one pixel.
fn part(side: u32, seen: u32, whole: u32) -> u32 {
    let whole = u64::from(whole.max(1));
    u32::try_from((u64::from(side) * u64::from(seen) * 2 + whole) / (whole * 2)).unwrap_or(u32::MAX).max(1)
}

fn attention(image: &mut Raster, whole: Size, size: Size, scaler: &mut Scaler) -> Result<(u32, u32), PixelError> {
    let (width, height) = (f64::from(image.size.width), f64::from(image.size.height));
    let region = Region { left: 0.0, top: 0.0, width, height };
    let small = Size { width: CELLS, height: CELLS };
    let small = scaler.scale(image, Alpha::Straight, region, small, Kernel::Lanczos3)?;
    // What is transparent has nothing to look at.
    let small = small.flattened(Color::BLACK)?.converted(Layout::Rgb)?;
    let (across, down) = (f64::from(CELLS) / f64::from(whole.width), f64::from(CELLS) / f64::from(whole.height));
    // Not by `hypot`, whose newest version of glibc Lambda does not have.
    let (cells_across, cells_down) = (f64::from(size.width) * across, f64::from(size.height) * down);
    let reach = (cells_across * cells_across + cells_down * cells_down).sqrt();
    let (x, y) = brightest(&blurred(&scores(&small.data), (reach / 10.0).max(1.0)));
    let start = |at: u32, per_cell: f64, length: u32, whole: u32| {
        let middle = whole_pixels(f64::from(at) / per_cell);
        middle.saturating_sub(length / 2).min(whole.saturating_sub(length))
    };
    Ok((start(x, across, size.width, whole.width), start(y, down, size.height, whole.height)))
}

/// How much there is to see in each of the small picture's pixels.
fn scores(rgb: &[u8]) -> Vec<f64> {
    let xyz: Vec<[f32; 3]> = rgb.as_chunks().0.iter().map(|pixel| cie::xyz(*pixel)).collect();
    let luminance = |x: usize, y: usize| f64::from(xyz[y * SIDE + x][1]) * 100.0;
    let score = |index: usize| {
        let (x, y) = (index % SIDE, index / SIDE);
        let beside = luminance(x.saturating_sub(1), y) + luminance((x + 1).min(SIDE - 1), y);
        let above = luminance(x, y.saturating_sub(1)) + luminance(x, (y + 1).min(SIDE - 1));
        let edges = (5.0 * (4.0 * luminance(x, y) - beside - above)).abs();
        if luminance(x, y) <= DARK_MAX {
            return edges;
        }
        let color = xyz[index].map(f64::from);
        let length = color.iter().map(|part| part * part).sum::<f64>().sqrt();
        let apart = color.iter().zip(SKIN).map(|(part, skin)| (part / length - skin).powi(2)).sum::<f64>().sqrt();
        edges + 100.0 * (1.0 - apart) + f64::from(cie::redness(xyz[index]))
    };
    (0..SIDE * SIDE).map(score).collect()
}

/// A Gaussian blur with the integer weights of libvips, whose ends go on.
fn blurred(scores: &[f64], sigma: f64) -> Vec<f64> {
    let height = |place: u32| (-f64::from(place).powi(2) / (2.0 * sigma * sigma)).exp();
    let weights: Vec<f64> = (0..CELLS).map(height).take_while(|height| *height >= 0.2).collect();
    let weights: Vec<f64> = weights.into_iter().map(|height| (20.0 * height).round()).collect();
    let scale = weights.iter().sum::<f64>() * 2.0 - weights[0];
    let along = |from: &[f64], step: usize, other: usize| -> Vec<f64> {
        let mean = |index: usize| {
            let (line, place) = (index / SIDE, index % SIDE);
            let at = |place: usize| from[line * other + place.min(SIDE - 1) * step];
            let pair = |(reach, weight): (usize, &f64)| match reach {
                0 => at(place) * weight,
                _ => (at(place.saturating_sub(reach)) + at(place + reach)) * weight,
            };
            weights.iter().enumerate().map(pair).sum::<f64>() / scale
        };
        (0..SIDE * SIDE).map(mean).collect()
    };
    // Rows of the first are rows; rows of the second are its columns, and so they come back.
    let rows = along(scores, 1, SIDE);
    let columns = along(&rows, SIDE, 1);
    (0..SIDE * SIDE).map(|index| columns[index % SIDE * SIDE + index / SIDE]).collect()
}

/// The first of the highest.
fn brightest(scores: &[f64]) -> (u32, u32) {
    let (mut best, mut highest) = (0, f64::NEG_INFINITY);
    for (index, score) in (0..).zip(scores) {
        if *score > highest {
            (best, highest) = (index, *score);
        }
    }
    (best % CELLS, best / CELLS)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within the picture")]
fn whole_pixels(value: f64) -> u32 {
    value as u32
}

/// A part of a picture in whole pixels.
#[derive(Clone, Copy)]
struct Part {
    left: u32,
    top: u32,
    size: Size,
}

fn entropy(image: &Raster, size: Size) -> (u32, u32) {
    let mut kept = Part { left: 0, top: 0, size: image.size };
    let over = |whole: u32, wanted: u32| whole.saturating_sub(wanted);
    let slice_max =
        over(kept.size.width, size.width).div_ceil(SLICES).max(over(kept.size.height, size.height).div_ceil(SLICES));
    while kept.size.width > size.width || kept.size.height > size.height {
        let slice = over(kept.size.width, size.width).min(slice_max);
        if slice > 0 {
            let part = Part { size: Size { width: slice, ..kept.size }, ..kept };
            let right = Part { left: kept.left + kept.size.width - slice, ..part };
            kept.left += if information(image, part) < information(image, right) { slice } else { 0 };
            kept.size.width -= slice;
        }
        let slice = over(kept.size.height, size.height).min(slice_max);
        if slice > 0 {
            let part = Part { size: Size { height: slice, ..kept.size }, ..kept };
            let bottom = Part { top: kept.top + kept.size.height - slice, ..part };
            kept.top += if information(image, part) < information(image, bottom) { slice } else { 0 };
            kept.size.height -= slice;
        }
    }
    (kept.left, kept.top)
}

/// The entropy of the values of all channels, those of colours multiplied by alpha, in bits.
fn information(image: &Raster, part: Part) -> f64 {
    let channels = image.layout.channels();
    let colors = if image.layout.has_alpha() { channels - 1 } else { channels };
    let mut counts = [[0_u32; 256]; 4];
    let stride = image.size.width as usize * channels;
    let start = part.top as usize * stride + part.left as usize * channels;
    for row in image.data[start..].chunks(stride).take(part.size.height as usize) {
        for pixel in row[..part.size.width as usize * channels].chunks_exact(channels) {
            let alpha = if colors < channels { u16::from(pixel[colors]) } else { 255 };
            for (counts, value) in counts.iter_mut().zip(&pixel[..colors]) {
                counts[usize::from(u16::from(*value) * alpha / 255)] += 1;
            }
            if colors < channels {
                counts[colors][usize::from(alpha)] += 1;
            }
        }
    }
    let counts = || counts.iter().flatten().filter(|count| **count > 0).map(|count| f64::from(*count));
    let all: f64 = counts().sum();
    -counts().map(|count| count / all * (count / all).log2()).sum::<f64>()
}

#[cfg(test)]
mod tests;
