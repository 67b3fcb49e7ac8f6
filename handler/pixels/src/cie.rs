//! From the numbers of sRGB to amounts of light and to the lightness that is seen, and back: what libvips has in its `colour`.
//!
//! Light is from 0 to 1, lightness (`L*` of CIE 1976) from 0 to 100, and white is that of D65.

use std::sync::LazyLock;

/// Steps of the table from light to bytes: between two of them the curve is as good as straight.
const STEPS: usize = 4096;

/// White of D65, where all of each light is 1.
const WHITE: [f32; 3] = [0.950_470, 1.0, 1.088_827];

/// The curve of sRGB (IEC 61966-2-1) and back.
struct Curve {
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

/// The light of red, green and blue.
pub(super) fn light(rgb: [u8; 3]) -> [f32; 3] {
    let curve = &*CURVE;
    rgb.map(|value| curve.light[usize::from(value)])
}

/// The byte for an amount of light, which is cut to what there is.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within the table, and within a byte")]
pub(super) fn byte(light: f32) -> u8 {
    #[expect(clippy::cast_precision_loss, reason = "the steps are few")]
    let place = light.clamp(0.0, 1.0) * STEPS as f32;
    let step = (place as usize).min(STEPS - 1);
    #[expect(clippy::cast_precision_loss, reason = "the steps are few")]
    let part = place - step as f32;
    let [below, above] = [CURVE.bytes[step], CURVE.bytes[step + 1]];
    (below + (above - below) * part + 0.5) as u8
}

/// The gray of the same light as a colour: parts of its light, not of its numbers, as in libvips.
pub(super) fn gray(rgb: [u8; 3]) -> u8 {
    byte(luminance(light(rgb)))
}

/// Y of what shines red, green and blue.
fn luminance([red, green, blue]: [f32; 3]) -> f32 {
    0.212_6 * red + 0.715_2 * green + 0.072_2 * blue
}

/// X, Y and Z of a colour; Y of white is 1.
pub(super) fn xyz(rgb: [u8; 3]) -> [f32; 3] {
    let [red, green, blue] = light(rgb);
    [
        0.412_4 * red + 0.357_6 * green + 0.180_5 * blue,
        luminance([red, green, blue]),
        0.019_3 * red + 0.119_2 * green + 0.950_5 * blue,
    ]
}

/// The colour of X, Y and Z, as near as sRGB has one.
fn rgb([x, y, z]: [f32; 3]) -> [u8; 3] {
    [
        byte(3.240_6 * x - 1.537_2 * y - 0.498_6 * z),
        byte(-0.968_9 * x + 1.875_8 * y + 0.041_5 * z),
        byte(0.055_7 * x - 0.204_0 * y + 1.057_0 * z),
    ]
}

/// Below this the cube root goes on as a straight line.
const CUBE_MIN: f32 = 216.0 / 24_389.0;
/// The slope of that line, times 116.
const LINE: f32 = 24_389.0 / 27.0;

/// The response of the eye to a part of white.
fn response(part: f32) -> f32 {
    if part > CUBE_MIN { part.cbrt() } else { (LINE * part + 16.0) / 116.0 }
}

fn part_of_white(response: f32) -> f32 {
    let cube = response * response * response;
    if cube > CUBE_MIN { cube } else { (116.0 * response - 16.0) / LINE }
}

/// The lightness of a colour.
pub(super) fn lightness(rgb: [u8; 3]) -> f32 {
    116.0 * response(xyz(rgb)[1]) - 16.0
}

/// The same colour with another lightness: what it has of green or red and of blue or yellow stays.
pub(super) fn with_lightness(color: [u8; 3], lightness: f32) -> [u8; 3] {
    let [x, y, z] = xyz(color);
    let [x, y, z] = [response(x / WHITE[0]), response(y / WHITE[1]), response(z / WHITE[2])];
    let new = (lightness + 16.0) / 116.0;
    let [x, y, z] = [new + (x - y), new, new - (y - z)].map(part_of_white);
    rgb([x * WHITE[0], y * WHITE[1], z * WHITE[2]])
}

/// How far a colour is from green towards red: `a*`.
pub(super) fn redness([x, y, _]: [f32; 3]) -> f32 {
    500.0 * (response(x / WHITE[0]) - response(y / WHITE[1]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_comes_back_from_its_light() {
        for value in 0..=255 {
            let [red, ..] = light([value, 0, 0]);
            assert_eq!(byte(red), value);
        }
        assert_eq!((byte(-1.0), byte(2.0), byte(f32::NAN)), (0, 255, 0));
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
            assert!((lightness(color) - expected).abs() < 0.05, "{color:?}: {}", lightness(color));
        }
        assert!((redness(xyz([255, 0, 0])) - 80.09).abs() < 0.1);
        assert!((redness(xyz([0, 255, 0])) + 86.18).abs() < 0.1);
    }

    #[test]
    fn a_colour_with_its_own_lightness_is_the_same_colour() {
        let mut random = fastrand::Rng::with_seed(12);
        for _ in 0..5000 {
            let color = [random.u8(..), random.u8(..), random.u8(..)];
            let same = with_lightness(color, lightness(color));
            assert!(color.iter().zip(same).all(|(one, other)| one.abs_diff(other) <= 1), "{color:?} became {same:?}");
        }
        for (lightness, expected) in [(0.0, 0), (50.03, 119), (100.0, 255), (140.0, 255), (-9.0, 0)] {
            let [red, green, blue] = with_lightness([90, 90, 90], lightness);
            assert!(red.abs_diff(expected) <= 1 && green.abs_diff(expected) <= 1 && blue.abs_diff(expected) <= 1);
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
