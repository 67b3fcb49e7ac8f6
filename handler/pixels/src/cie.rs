//! From the numbers of sRGB to amounts of light and to the lightness that is seen, and back: what libvips has in its `colour`.
//!
//! Light is from 0 to 1, lightness (`L*` of CIE 1976) from 0 to 100, and white is that of D65.
//!
//! Lightness is computed of several pixels at once, in [`Lanes`].

#![expect(clippy::inline_always, reason = "lanes are vectorised only in one body")]

use std::sync::LazyLock;

/// Pixels that are computed at once.
pub(super) const LANES: usize = 16;

/// A number of each of them.
pub(super) type Lanes = [f32; LANES];

/// Steps of the table from light to bytes: between two of them the curve is as good as straight.
const STEPS: usize = 4096;

/// White of D65, where all of each light is 1.
const WHITE: [f32; 3] = [0.950_470, 1.0, 1.088_827];

/// The curve of sRGB (IEC 61966-2-1) and back.
pub(super) struct Curve {
    light: [f32; 256],
    bytes: [f32; STEPS + 1],
}

static CURVE: LazyLock<Curve> = LazyLock::new(|| {
    let mut curve = Curve { light: [0.0; 256], bytes: [0.0; STEPS + 1] };
    for (byte, light) in (0..=u8::MAX).zip(&mut curve.light) {
        let value = f64::from(byte) / 255.0;
        *light = single(if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) });
    }
    for (step, byte) in (0_u16..).zip(&mut curve.bytes) {
        #[expect(clippy::cast_precision_loss, reason = "the steps are few")]
        let light = f64::from(step) / STEPS as f64;
        let value = if light <= 0.003_130_8 { light * 12.92 } else { 1.055 * light.powf(1.0 / 2.4) - 0.055 };
        *byte = single(value * 255.0);
    }
    curve
});

#[expect(clippy::cast_possible_truncation, reason = "that is what it is for")]
fn single(value: f64) -> f32 {
    value as f32
}

impl Curve {
    /// The one there is.
    pub(super) fn get() -> &'static Self {
        &CURVE
    }

    /// The light of red, green and blue.
    #[inline(always)]
    fn light(&self, rgb: [u8; 3]) -> [f32; 3] {
        rgb.map(|value| self.light[usize::from(value)])
    }

    /// The light of red, green and blue of as many pixels as there are, at most [`LANES`]. Gray ones have as much of each.
    #[inline(always)]
    pub(super) fn lights(&self, pixels: &[u8], channels: usize) -> [Lanes; 3] {
        let [mut reds, mut greens, mut blues] = [[0.0; LANES]; 3];
        let lanes = reds.iter_mut().zip(&mut greens).zip(&mut blues);
        for (((red, green), blue), pixel) in lanes.zip(pixels.chunks_exact(channels)) {
            [*red, *green, *blue] = match *pixel {
                [red, green, blue, ..] => self.light([red, green, blue]),
                [gray, ..] => self.light([gray; 3]),
                [] => [0.0; 3],
            };
        }
        [reds, greens, blues]
    }

    /// The byte for an amount of light, which is cut to what there is.
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within the table, and within a byte")]
    pub(super) fn byte(&self, light: f32) -> u8 {
        #[expect(clippy::cast_precision_loss, reason = "the steps are few")]
        let place = light.clamp(0.0, 1.0) * STEPS as f32;
        let step = (place as usize).min(STEPS - 1);
        #[expect(clippy::cast_precision_loss, reason = "the steps are few")]
        let part = place - step as f32;
        let [below, above] = [self.bytes[step], self.bytes[step + 1]];
        (below + (above - below) * part + 0.5) as u8
    }
}

/// The gray of the same light as a colour: parts of its light, not of its numbers, as in libvips.
pub(super) fn gray(rgb: [u8; 3]) -> u8 {
    let curve = Curve::get();
    curve.byte(luminance(curve.light(rgb)))
}

/// Y of what shines red, green and blue.
#[inline(always)]
fn luminance([red, green, blue]: [f32; 3]) -> f32 {
    0.212_6 * red + 0.715_2 * green + 0.072_2 * blue
}

/// X, Y and Z of a colour; Y of white is 1.
pub(super) fn xyz(rgb: [u8; 3]) -> [f32; 3] {
    xyz_of_light(Curve::get().light(rgb))
}

#[inline(always)]
fn xyz_of_light([red, green, blue]: [f32; 3]) -> [f32; 3] {
    [
        0.412_4 * red + 0.357_6 * green + 0.180_5 * blue,
        luminance([red, green, blue]),
        0.019_3 * red + 0.119_2 * green + 0.950_5 * blue,
    ]
}

/// The light of X, Y and Z.
#[inline(always)]
fn light_of_xyz([x, y, z]: [f32; 3]) -> [f32; 3] {
    [
        3.240_6 * x - 1.537_2 * y - 0.498_6 * z,
        -0.968_9 * x + 1.875_8 * y + 0.041_5 * z,
        0.055_7 * x - 0.204_0 * y + 1.057_0 * z,
    ]
}

/// Below this the cube root goes on as a straight line.
const CUBE_MIN: f32 = 216.0 / 24_389.0;
/// The slope of that line, times 116.
const LINE: f32 = 24_389.0 / 27.0;

/// The cube root of what is not negative: the nearest number that there is, as not every C library has it.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "that is what it is for")]
fn cube_root(value: f32) -> f32 {
    // A third of the exponent is within a twentieth, and each step by Halley's method has three times the digits.
    let mut root = f64::from(f32::from_bits(value.to_bits() / 3 + 0x2a51_19f2));
    let value = f64::from(value);
    for _ in 0..2 {
        let cube = root * root * root;
        root = root * (value + value + cube) / (cube + cube + value);
    }
    root as f32
}

/// The response of the eye to a part of white.
#[inline(always)]
fn response(part: f32) -> f32 {
    if part > CUBE_MIN { cube_root(part) } else { (LINE * part + 16.0) / 116.0 }
}

#[inline(always)]
fn part_of_white(response: f32) -> f32 {
    let cube = response * response * response;
    if cube > CUBE_MIN { cube } else { (116.0 * response - 16.0) / LINE }
}

/// The lightness of what shines red, green and blue.
#[inline(always)]
pub(super) fn lightness([reds, greens, blues]: &[Lanes; 3]) -> Lanes {
    let mut lightness = [0.0; LANES];
    for lane in 0..LANES {
        lightness[lane] = 116.0 * response(luminance([reds[lane], greens[lane], blues[lane]])) - 16.0;
    }
    lightness
}

/// The same colours with another lightness: what they have of green or red and of blue or yellow stays.
#[inline(always)]
pub(super) fn with_lightness([reds, greens, blues]: &[Lanes; 3], lightness: &Lanes) -> [Lanes; 3] {
    let mut lights = [[0.0; LANES]; 3];
    for lane in 0..LANES {
        let [x, y, z] = xyz_of_light([reds[lane], greens[lane], blues[lane]]);
        let [x, y, z] = [response(x / WHITE[0]), response(y / WHITE[1]), response(z / WHITE[2])];
        let new = (lightness[lane] + 16.0) / 116.0;
        let (x, y, z) = (part_of_white(new + (x - y)), part_of_white(new), part_of_white(new - (y - z)));
        let [red, green, blue] = light_of_xyz([x * WHITE[0], y * WHITE[1], z * WHITE[2]]);
        (lights[0][lane], lights[1][lane], lights[2][lane]) = (red, green, blue);
    }
    lights
}

/// How far a colour is from green towards red: `a*`.
pub(super) fn redness([x, y, _]: [f32; 3]) -> f32 {
    500.0 * (response(x / WHITE[0]) - response(y / WHITE[1]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lightness_of(color: [u8; 3]) -> f32 {
        lightness(&Curve::get().lights(&color, 3))[0]
    }

    fn with_lightness_of(color: [u8; 3], lightness: f32) -> [u8; 3] {
        let curve = Curve::get();
        with_lightness(&curve.lights(&color, 3), &[lightness; LANES]).map(|lanes| curve.byte(lanes[0]))
    }

    #[test]
    fn a_byte_comes_back_from_its_light() {
        let curve = Curve::get();
        for value in 0..=255 {
            let [red, ..] = curve.light([value, 0, 0]);
            assert_eq!(curve.byte(red), value);
        }
        assert_eq!((curve.byte(-1.0), curve.byte(2.0), curve.byte(f32::NAN)), (0, 255, 0));
    }

    #[test]
    fn cube_roots_are_the_nearest() {
        let mut random = fastrand::Rng::with_seed(13);
        for _ in 0..200_000 {
            let value = CUBE_MIN + random.f32() * 1.2;
            assert_eq!(cube_root(value).to_bits(), single(f64::from(value).cbrt()).to_bits(), "{value}");
        }
    }

    /// From the tables of the standard: gray 119 has a lightness of 50, and red is 53.24, 80.09, 67.2.
    #[test]
    fn lightness_is_that_of_the_standard() {
        for (color, expected) in [
            ([0, 0, 0], 0.0),
            ([255, 255, 255], 100.0),
            ([119, 119, 119], 50.03),
            ([255, 0, 0], 53.24),
            ([0, 255, 0], 87.73),
            ([0, 0, 255], 32.3),
        ] {
            assert!((lightness_of(color) - expected).abs() < 0.05, "{color:?}: {}", lightness_of(color));
        }
        assert!((redness(xyz([255, 0, 0])) - 80.09).abs() < 0.1);
        assert!((redness(xyz([0, 255, 0])) + 86.18).abs() < 0.1);
    }

    #[test]
    fn a_colour_with_its_own_lightness_is_the_same_colour() {
        let mut random = fastrand::Rng::with_seed(12);
        for _ in 0..5000 {
            let color = [random.u8(..), random.u8(..), random.u8(..)];
            let same = with_lightness_of(color, lightness_of(color));
            assert!(color.iter().zip(same).all(|(one, other)| one.abs_diff(other) <= 1), "{color:?} became {same:?}");
        }
        for (lightness, expected) in [(0.0, 0), (50.03, 119), (100.0, 255), (140.0, 255), (-9.0, 0)] {
            let [red, green, blue] = with_lightness_of([90, 90, 90], lightness);
            assert!(red.abs_diff(expected) <= 1 && green.abs_diff(expected) <= 1 && blue.abs_diff(expected) <= 1);
        }
    }

    /// Gray, colours, and either with alpha; the rest of the lanes has no light.
    #[test]
    fn the_light_of_pixels_is_that_of_their_colours() {
        let curve = Curve::get();
        let pixels: Vec<u8> = (0..60).map(|value| value * 4).collect();
        for channels in 1..=4 {
            let lights = curve.lights(&pixels[..channels * 7], channels);
            for (lane, pixel) in pixels.chunks(channels).take(7).enumerate() {
                let expected = if channels < 3 { [pixel[0]; 3] } else { [pixel[0], pixel[1], pixel[2]] };
                let found = lights.map(|lanes| lanes[lane].to_bits());
                assert_eq!(found, curve.light(expected).map(f32::to_bits));
            }
            assert!(lights.iter().all(|lanes| lanes[7..].iter().all(|light| light.to_bits() == 0)));
        }
    }

    #[test]
    fn gray_is_of_the_light_and_not_of_the_numbers() {
        // 0.2126, 0.7152 and 0.0722 of the light of white, by the curve of sRGB.
        for (color, expected) in [
            ([255, 0, 0], 127),
            ([0, 255, 0], 220),
            ([0, 0, 255], 76),
            ([255, 255, 255], 255),
            ([0, 0, 0], 0),
            ([77, 77, 77], 77),
        ] {
            assert_eq!(gray(color), expected, "{color:?}");
        }
        for value in 0..=255 {
            assert_eq!(gray([value; 3]), value);
        }
    }
}
