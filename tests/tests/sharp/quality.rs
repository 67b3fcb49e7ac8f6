//! What a picture should have become, in floats, and how far another is from it.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "sides and samples of a picture are small numbers"
)]

use std::io::Cursor;

use image::{ImageReader, Limits};
use ssimulacra2::{ColorPrimaries, Rgb, TransferCharacteristic, compute_frame_ssimulacra2};

/// Samples of 0 to 255: red, green and blue multiplied by alpha, and alpha.
pub(crate) struct Picture {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) pixels: Vec<[f32; 4]>,
}

/// Which colours the numbers of a file mean.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Gamut {
    Srgb,
    DisplayP3,
}

impl Picture {
    /// Decodes a file of eight bits a channel in full, by `image`.
    pub(crate) fn decode(bytes: &[u8], gamut: Gamut) -> Self {
        let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format().expect("memory can be read");
        reader.limits(Limits::no_limits());
        let picture = reader.decode().expect("it was just written").into_rgba8();
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        let to_srgb = gamut.to_srgb();
        let pixels = picture.pixels().map(|pixel| {
            let [red, green, blue, alpha] = pixel.0;
            let [red, green, blue] = to_srgb([red, green, blue]);
            let alpha = f32::from(alpha);
            [red, green, blue, 255.0].map(|sample| sample * alpha / 255.0)
        });
        Self { width, height, pixels: pixels.collect() }
    }

    /// The whole picture in another size, by a Lanczos kernel of three lobes.
    pub(crate) fn lanczos(&self, width: usize, height: usize) -> Self {
        let columns = weights(self.width, width);
        let narrow = self
            .pixels
            .chunks_exact(self.width)
            .flat_map(|row| columns.iter().map(|(first, weights)| sum(weights, |tap| row[first + tap])));
        let narrow: Vec<[f32; 4]> = narrow.collect();
        let rows = weights(self.height, height);
        let pixels = rows.iter().flat_map(|(first, weights)| {
            let narrow = &narrow;
            (0..width).map(move |x| sum(weights, |tap| narrow[(first + tap) * width + x]))
        });
        let pixels = pixels.map(|pixel| pixel.map(|sample| sample.clamp(0.0, 255.0)));
        Self { width, height, pixels: pixels.collect() }
    }

    /// SSIMULACRA2 of another picture of the same size, on gray: 100 is the same, 90 cannot be told apart, 70 is good.
    pub(crate) fn score(&self, other: &Self) -> f64 {
        compute_frame_ssimulacra2(self.on_gray(), other.on_gray()).expect("both have the same size")
    }

    fn on_gray(&self) -> Rgb {
        let flat = |pixel: &[f32; 4]| {
            let [red, green, blue, alpha] = *pixel;
            [red, green, blue].map(|sample| (sample + 128.0 * (1.0 - alpha / 255.0)) / 255.0)
        };
        let pixels = self.pixels.iter().map(flat).collect();
        Rgb::new(pixels, self.width, self.height, TransferCharacteristic::SRGB, ColorPrimaries::BT709)
            .expect("there are as many pixels as the size says")
    }
}

impl Gamut {
    fn to_srgb(self) -> impl Fn([u8; 3]) -> [f32; 3] {
        let linear: Vec<f32> = (0..=255_u8)
            .map(|level| f32::from(level) / 255.0)
            .map(|level| if level <= 0.040_45 { level / 12.92 } else { ((level + 0.055) / 1.055).powf(2.4) })
            .collect();
        move |levels: [u8; 3]| match self {
            Self::Srgb => levels.map(f32::from),
            Self::DisplayP3 => {
                let from = levels.map(|level| linear[usize::from(level)]);
                P3_TO_SRGB.map(|row| row.iter().zip(from).map(|(factor, value)| factor * value).sum()).map(gamma)
            }
        }
    }
}

/// Linear light of Display P3 to that of sRGB; both have the white point D65.
const P3_TO_SRGB: [[f32; 3]; 3] =
    [[1.224_94, -0.224_94, 0.0], [-0.042_057, 1.042_057, 0.0], [-0.019_638, -0.078_636, 1.098_274]];

/// Linear light of 0 to 1 as a level of sRGB.
fn gamma(light: f32) -> f32 {
    let light = light.clamp(0.0, 1.0);
    255.0 * if light <= 0.003_130_8 { light * 12.92 } else { 1.055 * light.powf(1.0 / 2.4) - 0.055 }
}

/// For each place of a new side: the first place of the old one that it is made from, and the weights from there on.
fn weights(from: usize, to: usize) -> Vec<(usize, Vec<f32>)> {
    let scale = from as f64 / to as f64;
    let stretch = scale.max(1.0);
    let one = |place: usize| {
        let center = (place as f64 + 0.5) * scale;
        let first = (center - 3.0 * stretch).floor().max(0.0) as usize;
        let end = ((center + 3.0 * stretch).ceil() as usize).min(from);
        let weights: Vec<f64> = (first..end).map(|tap| lanczos3((tap as f64 + 0.5 - center) / stretch)).collect();
        let whole: f64 = weights.iter().sum();
        (first, weights.iter().map(|weight| (weight / whole) as f32).collect())
    };
    (0..to).map(one).collect()
}

fn lanczos3(x: f64) -> f64 {
    let sinc =
        |x: f64| if x.abs() < 1e-9 { 1.0 } else { (x * std::f64::consts::PI).sin() / (x * std::f64::consts::PI) };
    if x.abs() < 3.0 { sinc(x) * sinc(x / 3.0) } else { 0.0 }
}

fn sum(weights: &[f32], pixel: impl Fn(usize) -> [f32; 4]) -> [f32; 4] {
    let mut sum = [0.0; 4];
    for (tap, weight) in weights.iter().enumerate() {
        let pixel = pixel(tap);
        for (sum, sample) in sum.iter_mut().zip(pixel) {
            *sum += sample * weight;
        }
    }
    sum
}
