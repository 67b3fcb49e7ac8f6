//! From values by three curves to light, by a matrix to the light of sRGB, and by a table to its values: what most profiles of
//! cameras and screens take.

#![expect(clippy::inline_always, reason = "the conversion is vectorised only in one body")]

use std::sync::LazyLock;

use crate::dispatch::{HotLoop, dispatch};

/// Steps of light, each less than a value of sRGB where that is steepest. As many as the library has.
const LIGHTS: usize = 1 << 12;

/// Pixels that are converted at once.
const LANES: usize = 16;

/// The value of sRGB for each step of light.
static VALUES: LazyLock<Box<[u8; LIGHTS]>> = LazyLock::new(|| {
    let mut values = Box::new([0; LIGHTS]);
    for (step, value) in values.iter_mut().enumerate() {
        #[expect(clippy::cast_precision_loss, reason = "there are few steps")]
        let light = step as f64 / (LIGHTS - 1) as f64;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within a byte")]
        {
            *value = (encoded(light) * 255.0).round().clamp(0.0, 255.0) as u8;
        }
    }
    values
});

/// Curves and a matrix.
pub(super) struct Shaper {
    /// The light of each value, by channel.
    curves: Box<[[f32; 256]; 3]>,
    /// From light to steps of that of sRGB, row by row.
    matrix: [[f32; 3]; 3],
}

impl Shaper {
    /// From the light of each value, from zero to one, and a matrix from that to the light of sRGB.
    pub(super) fn new(mut curves: Box<[[f32; 256]; 3]>, matrix: [[f64; 3]; 3]) -> Self {
        // What a hostile curve has beyond is black or white.
        for light in curves.as_flattened_mut() {
            *light = within(*light, 1.0);
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "factors are small")]
        let matrix = matrix.map(|row| row.map(|factor| (factor * (LIGHTS - 1) as f64) as f32));
        Self { curves, matrix }
    }

    /// Converts pixels of three channels or, with alpha, four.
    pub(super) fn apply(&self, channels: usize, pixels: &mut [u8]) {
        let values = &**VALUES;
        match channels {
            3 => dispatch(Apply { shaper: self, values, pixels: pixels.as_chunks_mut::<3>().0 }),
            _ => dispatch(Apply { shaper: self, values, pixels: pixels.as_chunks_mut::<4>().0 }),
        }
    }

    #[inline(always)]
    fn lanes<const CHANNELS: usize>(&self, values: &[u8; LIGHTS], pixels: &mut [[u8; CHANNELS]; LANES]) {
        let [mut reds, mut greens, mut blues] = [[0.0_f32; LANES]; 3];
        for (lane, pixel) in pixels.iter().enumerate() {
            reds[lane] = self.curves[0][usize::from(pixel[0])];
            greens[lane] = self.curves[1][usize::from(pixel[1])];
            blues[lane] = self.curves[2][usize::from(pixel[2])];
        }
        for (channel, [by_red, by_green, by_blue]) in self.matrix.iter().enumerate() {
            let mut steps = [0_u32; LANES];
            for lane in 0..LANES {
                steps[lane] = nearest(reds[lane] * by_red + greens[lane] * by_green + blues[lane] * by_blue);
            }
            for (pixel, step) in pixels.iter_mut().zip(steps) {
                pixel[channel] = values[step as usize & (LIGHTS - 1)];
            }
        }
    }
}

/// The nearest step of light. What is no number is black.
#[inline(always)]
fn nearest(light: f32) -> u32 {
    /// Floats of this size have no fraction.
    const WHOLE: f32 = 8_388_608.0;
    /// The last step.
    const LAST: f32 = 4095.0;

    (within(light, LAST) + WHOLE).to_bits() & 0xfff
}

/// What is no number becomes zero.
#[inline(always)]
fn within(light: f32, last: f32) -> f32 {
    light.max(0.0).min(last)
}

/// Pixels to be converted.
struct Apply<'a, const CHANNELS: usize> {
    shaper: &'a Shaper,
    values: &'a [u8; LIGHTS],
    pixels: &'a mut [[u8; CHANNELS]],
}

impl<const CHANNELS: usize> HotLoop for Apply<'_, CHANNELS> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let (runs, rest) = self.pixels.as_chunks_mut::<LANES>();
        for run in runs {
            self.shaper.lanes(self.values, run);
        }
        if !rest.is_empty() {
            let mut run = [[0; CHANNELS]; LANES];
            run[..rest.len()].copy_from_slice(rest);
            self.shaper.lanes(self.values, &mut run);
            rest.copy_from_slice(&run[..rest.len()]);
        }
    }
}

/// IEC 61966-2-1: light as a value of sRGB.
pub(super) fn encoded(linear: f64) -> f64 {
    if linear <= 0.003_130_8 { linear * 12.92 } else { linear.powf(1.0 / 2.4).mul_add(1.055, -0.055) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As many pixels as there are, of either layout, whatever the rest of a run is.
    #[test]
    fn every_pixel_is_what_the_definition_says() {
        let gamma = |value: usize| (u16::try_from(value).map(f32::from).unwrap() / 255.0).powf(1.8);
        let matrix = [[1.2, -0.15, -0.05], [-0.04, 1.1, -0.06], [0.0, -0.1, 1.1]];
        let shaper = Shaper::new(Box::new([std::array::from_fn(gamma); 3]), matrix);
        let mut random = fastrand::Rng::with_seed(8);
        for count in [0, 1, 15, 16, 17, 1000] {
            let from: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(count * 4).collect();
            for channels in [3, 4] {
                let mut to = from.clone();
                let length = count * channels;
                shaper.apply(channels, &mut to[..length]);
                assert_eq!(to[length..], from[length..]);
                for (from, to) in from[..length].chunks(channels).zip(to.chunks(channels)) {
                    let light = |channel: usize| (f64::from(from[channel]) / 255.0).powf(1.8);
                    for (row, found) in matrix.iter().zip(to) {
                        let sum = row[0] * light(0) + row[1] * light(1) + row[2] * light(2);
                        let expected = encoded(sum.clamp(0.0, 1.0)) * 255.0;
                        assert!((f64::from(*found) - expected).abs() < 1.0, "{from:?}: {to:?}");
                    }
                    assert_eq!(from[3..], to[3..], "alpha stays");
                }
            }
        }
    }

    /// Curves of strangers may be anything.
    #[test]
    fn what_is_no_light_is_black_or_white() {
        let curve = |value| std::array::from_fn(|_| value);
        for (value, expected) in [(f32::NAN, 0), (f32::NEG_INFINITY, 0), (f32::INFINITY, 255), (3.0, 255)] {
            let shaper = Shaper::new(Box::new([curve(value); 3]), [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]);
            let mut pixels = [7; 3 * 5];
            shaper.apply(3, &mut pixels);
            assert_eq!(pixels, [expected; 3 * 5]);
        }
        let shaper =
            Shaper::new(Box::new([curve(1.0); 3]), [[f64::NAN; 3], [f64::INFINITY; 3], [f64::NEG_INFINITY; 3]]);
        let mut pixels = [7; 3];
        shaper.apply(3, &mut pixels);
        assert_eq!(pixels, [0, 255, 0]);
    }
}
