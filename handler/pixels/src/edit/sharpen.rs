//! Sharpening of the lightness alone, as `vips_sharpen` does it: what a blur takes away is added once more, little of it where
//! the picture is flat and more where it is not, within bounds.

#![expect(clippy::inline_always, reason = "lanes are vectorised only in one body")]

use super::mask::{Down, Mask, across};
use crate::cie::{Curve, LANES, lightness, with_lightness};
use crate::dispatch::{HotLoop, dispatch};
use crate::error::PixelError;
use crate::raster::Raster;

/// Sharp's defaults: up to so many steps of lightness a difference counts as flat,
const FLAT_MAX: f32 = 2.0;
/// it is added so many times there,
const FLAT_SLOPE: f32 = 1.0;
/// and what is beyond so many times;
const JAGGED_SLOPE: f32 = 2.0;
/// at most so much is made brighter
const BRIGHTER_MAX: f32 = 10.0;
/// and so much darker.
const DARKER_MAX: f32 = 20.0;

/// How libvips counts lightness: from 0 to 32767.
const PER_STEP: f32 = 327.67;

/// The part of its height down to which a gauss is taken here.
const AMPLITUDE_MIN: f64 = 0.1;

/// What is added for a difference from the mean around.
#[inline(always)]
fn added(difference: f32) -> f32 {
    let beyond = (difference.abs() - FLAT_MAX).max(0.0);
    let flat = difference.abs().min(FLAT_MAX);
    (FLAT_SLOPE * flat + JAGGED_SLOPE * beyond).copysign(difference).clamp(-DARKER_MAX, BRIGHTER_MAX)
}

/// Sharpens an image with the gauss of a sigma.
pub(super) fn sharpen(image: &mut Raster, sigma: f64) -> Result<(), PixelError> {
    let mask = Mask::gauss(sigma, AMPLITUDE_MIN);
    let (width, channels) = (image.size.width as usize, image.layout.channels());
    if mask.is_nothing() || image.data.is_empty() {
        return Ok(());
    }
    let mut own = zeroed(image.size.pixels())?;
    dispatch(Count { pixels: &image.data, channels, counts: &mut own });
    let (mut around, mut prefix) = (zeroed(image.size.pixels())?, Vec::new());
    for (from, to) in own.chunks_exact(width).zip(around.chunks_exact_mut(width)) {
        across(&mask, from, 1, &mut prefix, to);
    }
    let mut down = Down::new(&mask, &around, width);
    let mut means = zeroed(image.size.width.into())?;
    for (own, pixels) in own.chunks_exact(width).zip(image.data.chunks_exact_mut(width * channels)) {
        down.row(|at, mean| means[at] = mean);
        dispatch(Sharpen { own, means: &means, channels, pixels });
    }
    Ok(())
}

/// Counts the lightness of pixels.
struct Count<'a> {
    pixels: &'a [u8],
    channels: usize,
    counts: &'a mut [u16],
}

impl HotLoop for Count<'_> {
    type Output = ();

    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "lightness is from 0 to 100")]
    fn run(self) {
        let curve = Curve::get();
        for (pixels, counts) in self.pixels.chunks(LANES * self.channels).zip(self.counts.chunks_mut(LANES)) {
            let mut all = [0; LANES];
            for (count, lightness) in all.iter_mut().zip(lightness(&curve.lights(pixels, self.channels))) {
                *count = (lightness.clamp(0.0, 100.0) * PER_STEP) as u16;
            }
            counts.copy_from_slice(&all[..counts.len()]);
        }
    }
}

/// Adds to pixels what the means around them lack.
struct Sharpen<'a> {
    own: &'a [u16],
    means: &'a [u16],
    channels: usize,
    pixels: &'a mut [u8],
}

impl HotLoop for Sharpen<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let curve = Curve::get();
        let counts = self.own.chunks(LANES).zip(self.means.chunks(LANES));
        for (pixels, (own, means)) in self.pixels.chunks_mut(LANES * self.channels).zip(counts) {
            let [mut mores, mut lightness] = [[0.0; LANES]; 2];
            for ((more, lightness), (own, mean)) in mores.iter_mut().zip(&mut lightness).zip(own.iter().zip(means)) {
                let (own, mean) = (f32::from(*own), f32::from(*mean));
                *more = (added((own - mean) / PER_STEP) * PER_STEP).round();
                *lightness = (own + *more).clamp(0.0, 32_767.0) / PER_STEP;
            }
            let [reds, greens, blues] = with_lightness(&curve.lights(pixels, self.channels), &lightness);
            for (lane, pixel) in pixels.chunks_exact_mut(self.channels).enumerate() {
                // What stays as light as it was need not go there and back.
                if mores[lane] != 0.0 {
                    let [red, green, blue] = [reds[lane], greens[lane], blues[lane]].map(|light| curve.byte(light));
                    match pixel {
                        [r, g, b, ..] => (*r, *g, *b) = (red, green, blue),
                        [gray, ..] => *gray = green,
                        [] => {}
                    }
                }
            }
        }
    }
}

/// A count for each pixel, or an error where `vec!` would abort the process.
fn zeroed(pixels: u64) -> Result<Vec<u16>, PixelError> {
    let refused = PixelError::OutOfMemory { bytes: pixels.saturating_mul(2) };
    let Ok(length) = usize::try_from(pixels) else { return Err(refused) };
    let mut counts = Vec::new();
    counts.try_reserve_exact(length).map_err(|_| refused)?;
    counts.resize(length, 0);
    Ok(counts)
}
