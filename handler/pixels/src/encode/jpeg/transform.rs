//! From the samples of a block to its coefficients.
//!
//! The arithmetic is that of libjpeg's accurate integer method, to the bit. Products are of sixteen-bit factors, which
//! compilers turn into vector instructions that every machine has.

/// Sixty-four values in natural order: row by row, the horizontal frequency growing along a row.
pub(super) type Block = [i16; 64];

const FRACTION_BITS: usize = 13;
/// What the first pass keeps of the fraction for the second one.
const PASS_BITS: usize = 2;

/// The coefficients of eight rows of samples, each eight times as large as the definition has it.
#[inline(always)]
pub(super) fn forward(samples: &[[u8; 8]; 8]) -> Block {
    let mut columns = [[0; 8]; 8];
    for (x, column) in columns.iter_mut().enumerate() {
        for (y, value) in column.iter_mut().enumerate() {
            *value = i16::from(samples[y][x]) - 128;
        }
    }
    let across = pass::<true>(&columns);
    let mut rows = [[0; 8]; 8];
    for (y, row) in rows.iter_mut().enumerate() {
        for (x, value) in row.iter_mut().enumerate() {
            *value = across[x][y];
        }
    }
    let mut block = [0; 64];
    for (to, from) in block.as_chunks_mut::<8>().0.iter_mut().zip(pass::<false>(&rows)) {
        *to = from;
    }
    block
}

#[inline(always)]
fn times(value: i16, factor: i16) -> i32 {
    i32::from(value) * i32::from(factor)
}

/// The sum of two products, and the way to the next pass: the first one keeps a part of the fraction, the second one
/// gives it up.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "eight samples of eight bits cannot sum up to more")]
fn descaled<const FIRST: bool>(sum: i32) -> i16 {
    let shift = if FIRST { FRACTION_BITS - PASS_BITS } else { FRACTION_BITS + PASS_BITS };
    ((sum + (1 << (shift - 1))) >> shift) as i16
}

/// One pass over all lanes. Rows are named one by one for the sake of the vectoriser.
#[inline(always)]
fn pass<const FIRST: bool>(input: &[[i16; 8]; 8]) -> [[i16; 8]; 8] {
    let [d0, d1, d2, d3, d4, d5, d6, d7] = input;
    let [mut w0, mut w1, mut w2, mut w3, mut w4, mut w5, mut w6, mut w7] = [[0; 8]; 8];
    let whole = |sum: i16| if FIRST { sum << PASS_BITS } else { (sum + (1 << (PASS_BITS - 1))) >> PASS_BITS };
    for lane in 0..8 {
        let (s0, t7) = (d0[lane] + d7[lane], d0[lane] - d7[lane]);
        let (s1, t6) = (d1[lane] + d6[lane], d1[lane] - d6[lane]);
        let (s2, t5) = (d2[lane] + d5[lane], d2[lane] - d5[lane]);
        let (s3, t4) = (d3[lane] + d4[lane], d3[lane] - d4[lane]);
        let (e0, e3) = (s0 + s3, s0 - s3);
        let (e1, e2) = (s1 + s2, s1 - s2);
        w0[lane] = whole(e0 + e1);
        w4[lane] = whole(e0 - e1);
        w2[lane] = descaled::<FIRST>(times(e2, 4433) + times(e3, 4433 + 6270));
        w6[lane] = descaled::<FIRST>(times(e2, 4433 - 15_137) + times(e3, 4433));
        let (z3, z4) = (t4 + t6, t5 + t7);
        let o3 = times(z3, 9633 - 16_069) + times(z4, 9633);
        let o4 = times(z3, 9633) + times(z4, 9633 - 3196);
        w7[lane] = descaled::<FIRST>(times(t4, 2446 - 7373) + times(t7, -7373) + o3);
        w5[lane] = descaled::<FIRST>(times(t5, 16_819 - 20_995) + times(t6, -20_995) + o4);
        w3[lane] = descaled::<FIRST>(times(t6, 25_172 - 20_995) + times(t5, -20_995) + o3);
        w1[lane] = descaled::<FIRST>(times(t7, 12_299 - 7373) + times(t4, -7373) + o4);
    }
    [w0, w1, w2, w3, w4, w5, w6, w7]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the definition of the transform says, in floating point, eight times as large.
    fn by_definition(samples: &[[u8; 8]; 8]) -> [f64; 64] {
        let factor = |k: usize| if k == 0 { 0.5_f64.sqrt() } else { 1.0 };
        let wave =
            |k: usize, at: usize| f64::from(u32::try_from((2 * at + 1) * k).unwrap()) * std::f64::consts::PI / 16.0;
        std::array::from_fn(|index| {
            let (v, u) = (index / 8, index % 8);
            let mut sum = 0.0;
            for (y, row) in samples.iter().enumerate() {
                for (x, sample) in row.iter().enumerate() {
                    sum += (f64::from(*sample) - 128.0) * wave(u, x).cos() * wave(v, y).cos();
                }
            }
            sum * factor(u) * factor(v) / 4.0 * 8.0
        })
    }

    #[test]
    fn is_the_definition_to_a_quarter_of_the_finest_step() {
        let mut random = fastrand::Rng::with_seed(1);
        for nth in 0..500 {
            let spread = [1, 20, 255][nth % 3];
            let samples = [[0; 8]; 8].map(|row| row.map(|_: u8| random.u8(0..=spread)));
            for (found, expected) in forward(&samples).iter().zip(by_definition(&samples)) {
                assert!((f64::from(*found) - expected).abs() <= 2.0, "{found} for {expected} in {samples:?}");
            }
        }
    }

    /// Debug builds check every sum: the extremes of all waves must fit into sixteen bits.
    #[test]
    fn extremes_fit() {
        for pattern in 0..64 {
            let (u, v) = (pattern % 8, pattern / 8);
            let positive = |k: usize, at: usize| (((2 * at + 1) * k + 8) / 16).is_multiple_of(2);
            for flip in [false, true] {
                let samples: [[u8; 8]; 8] = std::array::from_fn(|y| {
                    std::array::from_fn(|x| if (positive(u, x) == positive(v, y)) == flip { 0 } else { 255 })
                });
                let block = forward(&samples);
                assert!(block[1..].iter().all(|value| value.abs() < 1024 * 8), "{block:?}");
            }
        }
    }
}
