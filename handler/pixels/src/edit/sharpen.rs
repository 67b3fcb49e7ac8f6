//! Sharpening of the lightness alone, as `vips_sharpen` does it: what a blur takes away is added once more, little of it where
//! the picture is flat and more where it is not, within bounds.

use super::mask::{Down, Mask, across};
use crate::cie;
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
fn added(difference: f32) -> f32 {
    let beyond = (difference.abs() - FLAT_MAX).max(0.0);
    let flat = difference.abs().min(FLAT_MAX);
    (FLAT_SLOPE * flat + JAGGED_SLOPE * beyond).copysign(difference).clamp(-DARKER_MAX, BRIGHTER_MAX)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "lightness is from 0 to 100")]
fn counted(lightness: f32) -> u16 {
    (lightness.clamp(0.0, 100.0) * PER_STEP) as u16
}

fn color(pixel: &[u8]) -> [u8; 3] {
    match *pixel {
        [red, green, blue, ..] => [red, green, blue],
        [gray, ..] => [gray; 3],
        [] => [0; 3],
    }
}

/// Sharpens an image with the gauss of a sigma.
pub(super) fn sharpen(image: &mut Raster, sigma: f64) -> Result<(), PixelError> {
    let mask = Mask::gauss(sigma, AMPLITUDE_MIN);
    let (width, channels) = (image.size.width as usize, image.layout.channels());
    if mask.is_nothing() || image.data.is_empty() {
        return Ok(());
    }
    let lightness = samples(
        image.size.pixels(),
        image.data.chunks_exact(channels).map(|pixel| counted(cie::lightness(color(pixel)))),
    )?;
    let mut blurred = samples(image.size.pixels(), std::iter::repeat_n(0, lightness.len()))?;
    let mut prefix = Vec::new();
    for (from, to) in lightness.chunks_exact(width).zip(blurred.chunks_exact_mut(width)) {
        across(&mask, from, 1, &mut prefix, to);
    }
    let mut down = Down::new(&mask, &blurred, width);
    for (own, row) in lightness.chunks_exact(width).zip(image.data.chunks_exact_mut(width * channels)) {
        down.row(|at, mean| {
            let (own, mean) = (f32::from(own[at]), f32::from(mean));
            let more = (added((own - mean) / PER_STEP) * PER_STEP).round();
            // What stays as light as it was need not go there and back.
            if more != 0.0 {
                let pixel = &mut row[at * channels..][..channels];
                let [red, green, blue] =
                    cie::with_lightness(color(pixel), (own + more).clamp(0.0, 32_767.0) / PER_STEP);
                match pixel {
                    [r, g, b, ..] => (*r, *g, *b) = (red, green, blue),
                    [gray, ..] => *gray = green,
                    [] => {}
                }
            }
        });
    }
    Ok(())
}

/// As many samples as there are pixels, or an error where `collect` would abort the process.
fn samples(pixels: u64, values: impl Iterator<Item = u16>) -> Result<Vec<u16>, PixelError> {
    let refused = PixelError::OutOfMemory { bytes: pixels.saturating_mul(2) };
    let Ok(length) = usize::try_from(pixels) else { return Err(refused) };
    let mut samples = Vec::new();
    samples.try_reserve_exact(length).map_err(|_| refused)?;
    samples.extend(values);
    Ok(samples)
}
