//! Every combination of samples, extra samples, predictor, planes, tiles, order of bits, depth and compression.

use super::file::{File, Form, HEIGHT, LONG, SHORT, WIDTH, bits, pack};
use super::{decoded, mutate};

/// A kind of file.
#[derive(Clone, Copy, Debug)]
struct Case {
    form: Form,
    samples: usize,
    /// What the photometric tag says, and how many samples that takes.
    photometric: u64,
    colored: usize,
    /// What the first extra sample is; the others are nothing.
    extra: u64,
    predictor: u64,
    planar: bool,
    tiled: bool,
    reversed: bool,
    bits: u64,
    compression: u64,
}

impl Case {
    fn most(self) -> u64 {
        (1 << self.bits) - 1
    }

    /// A sample, also beyond the image, where a tile has some.
    fn sample(self, x: usize, y: usize, sample: usize) -> u64 {
        let alpha = sample == self.colored && x.is_multiple_of(7);
        if alpha {
            return if y.is_multiple_of(2) { self.most() } else { 0 };
        }
        let word = (x * 2_654_435 + y * 40_503 + sample * 9_973 + 77) as u64;
        (word ^ word >> 7) & self.most()
    }

    fn plane_row(self, y: usize, columns: std::ops::Range<usize>, samples: &[usize]) -> Vec<u8> {
        let mut row: Vec<u64> =
            columns.flat_map(|x| samples.iter().map(move |sample| self.sample(x, y, *sample))).collect();
        if self.predictor == 2 && matches!(self.compression, 5 | 8) {
            for at in (samples.len()..row.len()).rev() {
                row[at] = row[at].wrapping_sub(row[at - samples.len()]) & self.most();
            }
        }
        match self.bits {
            8 => bits(&row, 8),
            depth => row.iter().flat_map(|sample| self.form.number(*sample, depth as usize / 8)).collect(),
        }
    }

    fn file(self) -> Vec<u8> {
        let (wide, high) = if self.tiled { (16, 16) } else { (WIDTH, 5) };
        let together: Vec<usize> = (0..self.samples).collect();
        let planes: Vec<Vec<usize>> =
            if self.planar { together.iter().map(|sample| vec![*sample]).collect() } else { vec![together] };
        let mut chunks = Vec::new();
        for plane in planes {
            for top in (0..HEIGHT).step_by(high) {
                for left in (0..WIDTH).step_by(wide) {
                    let bottom = if self.tiled { top + high } else { HEIGHT.min(top + high) };
                    let rows = (top..bottom).flat_map(|y| self.plane_row(y, left..left + wide, &plane));
                    let mut packed = pack(self.compression, &rows.collect::<Vec<u8>>());
                    if self.reversed {
                        packed = packed.into_iter().map(u8::reverse_bits).collect();
                    }
                    chunks.push(packed);
                }
            }
        }
        let mut file = File::new(self.form, self.photometric, self.samples, self.bits)
            .with(259, SHORT, &[self.compression])
            .with(266, SHORT, &[1 + u64::from(self.reversed)])
            .with(284, SHORT, &[1 + u64::from(self.planar)])
            .with(317, SHORT, &[self.predictor]);
        if self.samples > self.colored {
            let mut kinds = vec![0; self.samples - self.colored];
            kinds[0] = self.extra;
            file = file.with(338, SHORT, &kinds);
        }
        if self.tiled {
            file = file.without(278).with(322, LONG, &[16]).with(323, LONG, &[16]);
        }
        file.with_chunks(self.tiled, chunks).bytes()
    }

    fn expected(self, x: usize, y: usize) -> Vec<u8> {
        let most = self.most() as f64;
        let part = |sample: usize| self.sample(x, y, sample) as f64;
        // The formula as it has always been, in floats of this length and cut off.
        let inked = |ink: f64| ((most as f32 - ink as f32) * (1.0 - part(3) as f32 / most as f32)).floor().into();
        let colors: Vec<f64> = match self.photometric {
            5 => (0..3).map(|ink| inked(part(ink))).collect(),
            _ => (0..self.colored).map(part).collect(),
        };
        let byte = |value: f64| ((value * 255.0 / most) + 0.499_999).floor() as u8;
        let has_alpha = self.samples > self.colored && self.extra > 0;
        if !has_alpha {
            return colors.into_iter().map(byte).collect();
        }
        let alpha = part(self.colored);
        let divided = |value: f64| match self.extra {
            2 => value,
            _ if alpha == 0.0 => 0.0,
            _ => (value * most / alpha + 0.5).floor().min(most),
        };
        colors.into_iter().map(|value| byte(divided(value))).chain([byte(alpha)]).collect()
    }
}

#[test]
fn every_combination_has_the_pixels_it_was_made_of() {
    let shapes = [(1, 1, 1), (2, 1, 1), (3, 1, 1), (3, 2, 3), (4, 2, 3), (5, 2, 3), (4, 5, 4), (5, 5, 4)];
    let mut count = 0_u64;
    for (samples, photometric, colored) in shapes {
        for extra in if samples > colored { vec![0, 1, 2] } else { vec![0] } {
            for compression in [1, 5, 8, 32_773] {
                for choice in 0..32_u64 {
                    let chosen = |bit: u64| choice >> bit & 1 == 1;
                    let case = Case {
                        form: Form { from_high: count % 2 == 1, big: count % 3 == 1 },
                        samples,
                        photometric,
                        colored,
                        extra,
                        predictor: 1 + u64::from(chosen(0)),
                        planar: chosen(1),
                        tiled: chosen(2),
                        reversed: chosen(3),
                        bits: if chosen(4) { 16 } else { 8 },
                        compression,
                    };
                    check(case);
                    count += 1;
                    if count.is_multiple_of(16) {
                        mutate(&case.file(), count, 20);
                    }
                }
            }
        }
    }
    assert_eq!(count, 8 * 128 + 5 * 2 * 128);
}

fn check(case: Case) {
    let raster = decoded(&case.file());
    let channels = raster.layout.channels();
    for (at, pixel) in raster.data.chunks_exact(channels).enumerate() {
        let (x, y) = (at % WIDTH, at / WIDTH);
        let expected = case.expected(x, y);
        assert_eq!(pixel, expected, "{case:?} at {x}, {y}");
    }
    assert_eq!(raster.data.len(), WIDTH * HEIGHT * channels);
}
