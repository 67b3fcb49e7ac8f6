//! Seeded noise and the little arithmetic of colours.

/// Red, green and blue, 0 to 1 as displayed.
pub(crate) type Rgb = [f64; 3];

/// A repeatable number in 0 to 1 for a cell of a lattice.
pub(crate) fn cell(x: i64, y: i64, seed: u32) -> f64 {
    let mut hash =
        x.cast_unsigned().wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ u64::from(seed).wrapping_mul(0xd6e8_feb8_6659_fd93);
    hash = (hash ^ (hash >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93)
        ^ y.cast_unsigned().wrapping_mul(0xa076_1d64_78bd_642f);
    hash = (hash ^ (hash >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash ^= hash >> 32;
    f64::from(u32::try_from(hash & 0xffff_ffff).unwrap_or(0)) / f64::from(u32::MAX)
}

/// Smooth noise in 0 to 1 with features of size one.
pub(crate) fn smooth(x: f64, y: f64, seed: u32) -> f64 {
    let (left, top) = (whole(x), whole(y));
    let (across, down) = (ease(x - x.floor()), ease(y - y.floor()));
    let upper = lerp(cell(left, top, seed), cell(left + 1, top, seed), across);
    let lower = lerp(cell(left, top + 1, seed), cell(left + 1, top + 1, seed), across);
    lerp(upper, lower, down)
}

/// Noise with detail at every scale, in 0 to 1 around a half.
pub(crate) fn fractal(x: f64, y: f64, octaves: u32, seed: u32) -> f64 {
    let (mut sum, mut weights, mut weight, mut scale) = (0.0, 0.0, 1.0, 1.0);
    for octave in 0..octaves {
        sum += weight * smooth(x * scale + 17.0 * f64::from(octave), y * scale, seed + octave);
        weights += weight;
        weight *= 0.5;
        scale *= 2.03;
    }
    sum / weights
}

/// Fractal noise folded into sharp crests, in 0 to 1.
pub(crate) fn ridged(x: f64, y: f64, octaves: u32, seed: u32) -> f64 {
    1.0 - (fractal(x, y, octaves, seed) * 2.0 - 1.0).abs()
}

#[expect(clippy::cast_possible_truncation, reason = "coordinates are small")]
pub(crate) fn whole(value: f64) -> i64 {
    value.floor() as i64
}

pub(crate) fn ease(value: f64) -> f64 {
    let value = value.clamp(0.0, 1.0);
    value * value * (3.0 - 2.0 * value)
}

/// 0 below `from`, 1 above `to`, smooth between; the other way round if `from` is the larger.
pub(crate) fn step(from: f64, to: f64, value: f64) -> f64 {
    ease((value - from) / (to - from))
}

pub(crate) fn lerp(from: f64, to: f64, at: f64) -> f64 {
    from + (to - from) * at
}

pub(crate) fn mix(from: Rgb, to: Rgb, at: f64) -> Rgb {
    let at = at.clamp(0.0, 1.0);
    [lerp(from[0], to[0], at), lerp(from[1], to[1], at), lerp(from[2], to[2], at)]
}

pub(crate) fn scale(color: Rgb, by: f64) -> Rgb {
    color.map(|channel| channel * by)
}

pub(crate) fn add(one: Rgb, other: Rgb) -> Rgb {
    [one[0] + other[0], one[1] + other[1], one[2] + other[2]]
}
