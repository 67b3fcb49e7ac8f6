//! Outdoor scenes. Each is a function of a place: `x` from 0 to the proportion of the picture, `y` from 0 at the top to 1.

use crate::noise::{Rgb, add, cell, fractal, lerp, mix, ridged, scale, smooth, step, whole};

/// Ranges of hills in the haze of a low sun.
pub(crate) fn hills(x: f64, y: f64) -> Rgb {
    let sun = (x - 1.02).hypot((y - 0.40) * 1.15);
    let mut color = mix([0.24, 0.33, 0.55], [0.99, 0.72, 0.44], step(0.0, 0.55, y));
    let cloud = fractal(x * 2.2 + y, y * 11.0, 6, 3);
    color = mix(color, [0.97, 0.58, 0.47], step(0.50, 0.72, cloud) * step(0.5, 0.15, y) * 0.75);
    color = add(color, scale([1.0, 0.72, 0.40], 0.75 * (-sun * 7.0).exp()));
    color = mix(color, [1.0, 0.97, 0.86], step(0.048, 0.042, sun));
    for layer in 0..6_u32 {
        let depth = f64::from(layer) / 5.0;
        let seed = 40 + layer * 11;
        let wide = ridged(x * lerp(1.9, 0.9, depth) + 3.7 * depth, 0.3, 6, seed);
        let crest = lerp(0.47, 0.90, depth.powf(0.9)) - lerp(0.15, 0.22, depth) * (wide - 0.45);
        let trees = if layer > 2 { 0.016 * depth * fractal(x * 90.0, f64::from(layer), 3, seed + 5) } else { 0.0 };
        let below = y - (crest - trees);
        if below > 0.0 {
            let haze = mix([0.95, 0.66, 0.48], [0.55, 0.45, 0.50], depth);
            let slope = fractal(x * 14.0, y * 30.0, 4, seed + 7) * 0.10 * (0.3 + depth);
            let ground =
                add(mix([0.72, 0.50, 0.47], [0.06, 0.09, 0.10], depth.powf(0.7)), [slope, slope * 0.9, slope * 0.6]);
            color = mix(ground, haze, step(0.0, 0.22, below) * (1.0 - depth) * 0.8);
            color = add(color, scale([0.55, 0.30, 0.12], 0.5 * (-sun * 4.0).exp() * (1.0 - depth)));
        }
    }
    color
}

/// Snowy mountains and their reflection in a lake.
pub(crate) fn lake(x: f64, y: f64) -> Rgb {
    const SHORE: f64 = 0.52;
    if y < SHORE {
        return above_lake(x, y);
    }
    // Ripples grow towards the viewer.
    let near = (y - SHORE) / (1.0 - SHORE);
    let row = 1.0 / (near + 0.045);
    let ripple = fractal(x * 26.0 * row.sqrt(), row * 34.0, 4, 71) - 0.5;
    let swell = smooth(x * 5.0, row * 9.0, 75) - 0.5;
    let mirrored = SHORE - (y - SHORE) * 0.92 + (ripple * 0.055 + swell * 0.02) * (0.15 + near);
    let reflected = above_lake(x + ripple * 0.012 * (0.3 + near), mirrored.clamp(0.0, SHORE - 0.002));
    let water = mix(scale(reflected, 0.86), [0.05, 0.17, 0.22], 0.16 + 0.34 * near);
    let glint = step(0.23, 0.38, ripple) * 0.16 * near;
    let mut color = add(water, [glint, glint, glint * 1.1]);
    let bed = step(0.80, 1.05, near + 0.25 * (fractal(x * 3.0, 1.0, 4, 77) - 0.5));
    let stones = fractal(x * 22.0, y * 50.0, 5, 79);
    color = mix(color, scale([0.42, 0.38, 0.30], 0.35 + stones), bed * 0.75);
    mix(color, [0.16, 0.19, 0.15], step(0.006, 0.0, y - SHORE) * 0.7)
}

fn above_lake(x: f64, y: f64) -> Rgb {
    let mut color = mix([0.20, 0.45, 0.80], [0.76, 0.87, 0.95], step(0.0, 0.46, y));
    let cloud = fractal(x * 2.6 + 4.0, y * 6.5, 7, 11);
    let shade = fractal(x * 2.6 + 3.93, y * 6.5 - 0.25, 5, 11);
    let white = mix([1.0, 1.0, 1.0], [0.70, 0.75, 0.82], step(0.48, 0.75, shade));
    color = mix(color, white, step(0.53, 0.70, cloud) * step(0.46, 0.26, y));
    let crest = 0.44 - 0.52 * (ridged(x * 1.15 + 0.35, 0.2, 8, 21) - 0.52).max(-0.05);
    if y > crest {
        let light = fractal(x * 9.0 + y * 7.0, y * 9.0 - x * 5.0, 7, 23);
        let rock = scale([0.50, 0.52, 0.58], 0.45 + 0.85 * light);
        let snow = mix([0.62, 0.70, 0.84], [0.99, 0.99, 1.0], step(0.40, 0.60, light));
        let line = 0.31 + 0.16 * (fractal(x * 7.0, y * 3.0, 5, 25) - 0.5) + 0.10 * (light - 0.5);
        color = mix(mix(rock, snow, step(line + 0.025, line - 0.025, y)), [0.66, 0.76, 0.88], 0.22 * step(0.2, 0.5, y));
    }
    let hill = 0.49 - 0.10 * (fractal(x * 2.6, 0.4, 4, 31) - 0.3) - 0.014 * fractal(x * 130.0, 0.0, 3, 33);
    if y > hill {
        let leaf = fractal(x * 70.0, y * 85.0, 4, 35);
        let sunny = step(0.35, 0.65, fractal(x * 4.0, y * 8.0, 3, 37));
        color = mix(scale([0.10, 0.22, 0.14], 0.4 + leaf), scale([0.36, 0.45, 0.16], 0.35 + leaf), sunny * 0.8);
    }
    color
}

/// A lighthouse at night; the proportion is 3:4, upright.
pub(crate) fn lighthouse(x: f64, y: f64) -> Rgb {
    const LAMP: (f64, f64) = (0.475, 0.262);
    let mut color = mix([0.015, 0.03, 0.10], [0.16, 0.24, 0.38], step(0.0, 0.78, y));
    let band = step(0.35, 0.0, (y * 0.55 + x - 0.62).abs()) * fractal(x * 6.0, y * 6.0, 6, 91);
    color = add(color, scale([0.30, 0.27, 0.36], band * 0.55));
    color = add(color, stars(x, y));
    let moon = (x - 0.15).hypot(y - 0.155);
    color = add(color, scale([0.55, 0.60, 0.70], 0.30 * (-moon * 13.0).exp()));
    let face = 0.74 + 0.26 * fractal(x * 38.0, y * 38.0, 4, 95);
    color = mix(color, scale([0.98, 0.96, 0.88], face), step(0.040, 0.0375, moon));
    // The beam, wider and weaker with distance.
    let (along, aside) = (x - LAMP.0, (y - LAMP.1) + (x - LAMP.0) * 0.10);
    let width = 0.008 + 0.13 * along.abs();
    let beam = (-(aside / width).powi(2)).exp() * (-along.abs() * 3.2).exp();
    color = add(color, scale([1.0, 0.90, 0.62], beam * 0.75 * (0.75 + 0.4 * fractal(x * 9.0, y * 9.0, 4, 97))));
    color = sea(color, x, y);
    color = tower(color, x, y);
    let cliff = 0.80 + 0.30 * (x - 0.47).abs().powf(1.25) - 0.07 * (fractal(x * 6.0, 0.7, 6, 101) - 0.35);
    if y > cliff {
        let rock = fractal(x * 16.0 + y * 5.0, y * 26.0, 6, 103);
        let grass = step(0.05, 0.0, y - cliff - 0.03 * rock);
        color = mix(scale([0.20, 0.19, 0.21], 0.25 + rock), scale([0.13, 0.20, 0.10], 0.35 + rock), grass);
    }
    let glow = (x - LAMP.0).hypot(y - LAMP.1);
    add(color, scale([1.0, 0.86, 0.55], 0.85 * (-glow * 26.0).exp()))
}

fn stars(x: f64, y: f64) -> Rgb {
    const CELLS: f64 = 90.0;
    let (column, row) = (whole(x * CELLS), whole(y * CELLS));
    let bright = cell(column, row, 111);
    if bright < 0.80 {
        return [0.0; 3];
    }
    let center =
        |cells: i64, seed| (f64::from(i32::try_from(cells).unwrap_or(0)) + 0.2 + 0.6 * cell(column, row, seed)) / CELLS;
    let away = (x - center(column, 113)).hypot(y - center(row, 115));
    let warm = cell(column, row, 117);
    scale([0.8 + 0.2 * warm, 0.9, 1.0 - 0.2 * warm], ((bright - 0.80) * 6.5).powi(2) * (-(away * 950.0).powi(2)).exp())
}

fn sea(sky: Rgb, x: f64, y: f64) -> Rgb {
    const HORIZON: f64 = 0.765;
    if y < HORIZON {
        return sky;
    }
    let row = 1.0 / (y - HORIZON + 0.02);
    let wave = fractal(x * 9.0 * row.sqrt(), row * 9.0, 5, 121);
    let path = (-((x - 0.15) / 0.075).powi(2)).exp() * step(0.46, 0.66, wave);
    add(scale([0.09, 0.15, 0.24], 0.5 + 0.8 * wave), scale([0.75, 0.78, 0.80], path * 0.7))
}

fn tower(behind: Rgb, x: f64, y: f64) -> Rgb {
    let (top, foot) = (0.300, 0.86);
    let half = lerp(0.040, 0.066, (y - top) / (foot - top));
    let across = (x - 0.475) / half;
    let round = (1.0 - across * across).max(0.0).sqrt();
    let lit = 0.16 + 0.62 * round * (0.62 - 0.38 * across);
    if y > top && y < foot && across.abs() < 1.0 {
        let turn = (y - top) * 10.5 + 0.10 * round;
        let paint = if whole(turn) % 2 == 0 { [0.80, 0.13, 0.12] } else { [0.95, 0.93, 0.88] };
        let window =
            across.abs() < 0.16 && (0.35..0.72).contains(&(turn * 0.5).fract()) && y < 0.72 && whole(turn) % 2 == 1;
        let worn = 0.90 + 0.18 * fractal(x * 60.0, y * 25.0, 4, 131);
        return if window { [0.95, 0.78, 0.42] } else { scale(paint, lit * worn) };
    }
    let wide = ((x - 0.475) / 0.055).abs();
    if (0.288..=0.300).contains(&y) && wide < 1.0 {
        return scale([0.34, 0.34, 0.38], lit + 0.2);
    }
    let narrow = ((x - 0.475) / 0.030).abs();
    if (0.238..0.288).contains(&y) && narrow < 1.0 {
        let bar = (narrow * 3.0).fract() < 0.12;
        return if bar { [0.10, 0.10, 0.12] } else { mix([1.0, 0.93, 0.68], [0.95, 0.65, 0.30], narrow * 0.8) };
    }
    let roof = (0.238 - y) / 0.045;
    if (0.0..1.0).contains(&roof) && narrow < 1.25 * (1.0 - roof) {
        return scale([0.62, 0.11, 0.10], 0.35 + 0.5 * (1.0 - (x - 0.475) / 0.04 * 0.6));
    }
    behind
}

/// Dunes in the evening.
pub(crate) fn dunes(x: f64, y: f64) -> Rgb {
    let mut color = mix([0.33, 0.55, 0.80], [0.96, 0.86, 0.72], step(0.0, 0.45, y));
    for layer in 0..5_u32 {
        let depth = f64::from(layer) / 4.0;
        let seed = 150 + layer * 9;
        let crest = |x: f64| {
            lerp(0.40, 0.82, depth) - 0.20 * (ridged(x * lerp(1.8, 0.75, depth) + 2.0 * depth, 0.6, 3, seed) - 0.5)
        };
        let below = y - crest(x);
        if below <= 0.0 {
            continue;
        }
        // The side that falls away from the sun lies in shadow.
        let lean =
            (crest(x + 0.02) - crest(x - 0.02)) / 0.04 + 0.9 * (smooth(x * 3.0, y * 4.0 + below * 6.0, seed + 3) - 0.5);
        let light = step(-0.35, 0.45, lean);
        let bend = 6.0 * fractal(x * 2.5, y * 3.5, 3, seed + 5);
        let ripples =
            ((x * 60.0 + y * lerp(420.0, 190.0, depth) + bend * 6.0).sin() * 0.5 + 0.5) * 0.10 * (0.25 + depth);
        let grain = 0.05 * (fractal(x * 160.0, y * 160.0, 2, seed + 7) - 0.5);
        let sand = mix([0.46, 0.25, 0.16], [0.97, 0.69, 0.40], light);
        color = mix(scale(sand, 0.94 + ripples + grain), [0.93, 0.80, 0.66], (1.0 - depth) * 0.45);
    }
    color
}
