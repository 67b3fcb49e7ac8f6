//! Something like a photo: slopes of all sizes, edges, and the grain of a sensor.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "the picture is made of small numbers"
)]

/// Lengths of the slopes, in pixels of a picture that is 4000 wide.
const PERIODS: [f32; 8] = [900.0, 370.0, 160.0, 67.0, 29.0, 13.0, 6.0, 3.0];

/// Red, green and blue of such a picture, row by row; the same for the same numbers. Grain is in levels, and does not grow
/// with the picture.
pub(crate) fn photo(width: u32, height: u32, grain: f32, seed: u64) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(seed);
    let lattice: Vec<f32> = (0..1 << 16).map(|_| random.f32() - 0.5).collect();
    let per_pixel = 4000.0 / width as f32;
    let mut pixels = Vec::with_capacity(width as usize * height as usize * 3);
    for y in 0..height {
        let lattice_rows = PERIODS.map(|period| Row::at(y as f32 * per_pixel / period));
        for x in 0..width {
            let (across, down) = (x as f32 * per_pixel, y as f32 * per_pixel);
            let slopes = |octaves: std::ops::Range<usize>| -> f32 {
                let octave = |octave: usize| {
                    let period = PERIODS[octave];
                    lattice_rows[octave].value(&lattice, across / period, octave) * period.powf(0.55)
                };
                octaves.map(octave).sum()
            };
            let (hills, detail) = (slopes(0..3), slopes(3..8));
            // A ridge cuts the picture into things of their own light, and some are smooth.
            let side = if hills > 6.0 { 42.0 } else { -18.0 };
            let rough = if hills.rem_euclid(40.0) < 9.0 { 0.15 } else { 1.0 };
            let light = 108.0 + hills * 1.2 + side + detail * rough * 4.6;
            let tint = [28.0, 2.0, -26.0].map(|tint| tint * (down * 0.0011 + hills * 0.05).sin());
            let noise = (random.f32() + random.f32() + random.f32() - 1.5) * grain;
            for tint in tint {
                let own = (random.f32() - 0.5) * grain;
                pixels.push((light + tint + noise + own).clamp(0.0, 255.0) as u8);
            }
        }
    }
    pixels
}

/// One row of a lattice of slopes.
struct Row {
    row: usize,
    down: f32,
}

impl Row {
    fn at(y: f32) -> Self {
        Self { row: y as usize, down: smooth(y.fract()) }
    }

    fn value(&self, lattice: &[f32], x: f32, octave: usize) -> f32 {
        let (column, across) = (x as usize, smooth(x.fract()));
        let point = |x: usize, y: usize| lattice[(x * 31 + y * 1009 + octave * 7919) & 0xffff];
        let row = |y: usize| point(column, y) * (1.0 - across) + point(column + 1, y) * across;
        row(self.row) * (1.0 - self.down) + row(self.row + 1) * self.down
    }
}

fn smooth(t: f32) -> f32 {
    t * t * (3.0 - 2.0 * t)
}
