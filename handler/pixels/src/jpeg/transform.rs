//! From the coefficients of a block to its samples, at four sizes.
//!
//! The arithmetic is that of libjpeg's accurate integer method and of its reduced ones, to the bit: each reduced
//! transform gives the averages of the samples of the full one. Products are of sixteen-bit factors, which compilers
//! turn into vector instructions that every machine has. What overflows, which only a hostile file can, wraps.

use std::hint::black_box;
use std::num::Wrapping;

/// Coefficients or quantisation steps of a block, in natural order.
pub(super) type Block = [i16; 64];

const FRACTION_BITS: usize = 13;
/// What the first pass leaves of the fraction for the second one.
const PASS_BITS: usize = 2;

/// The sample of a block whose only coefficient is the first.
#[inline(always)]
pub(super) fn flat(dc: i16, step: i16) -> u8 {
    sample((i32::from(dc).wrapping_mul(i32::from(step.cast_unsigned())).wrapping_add(4)) >> 3)
}

/// Eight by eight samples.
#[inline(always)]
pub(super) fn full(block: &Block, steps: &Block) -> [[u8; 8]; 8] {
    let columns = pass_full(&dequantised(block, steps), FRACTION_BITS - PASS_BITS);
    let rows = pass_full(&transposed(&columns), FRACTION_BITS + PASS_BITS + 3);
    let mut samples = [[0; 8]; 8];
    for (y, row) in samples.iter_mut().enumerate() {
        for (x, value) in row.iter_mut().enumerate() {
            *value = sample(rows[x][y].into());
        }
    }
    samples
}

/// Four by four samples.
#[inline(always)]
pub(super) fn half(block: &Block, steps: &Block) -> [[u8; 4]; 4] {
    let columns = pass_half(&dequantised(block, steps), FRACTION_BITS - PASS_BITS + 1);
    let mut turned = [[0; 4]; 8];
    for (x, column) in turned.iter_mut().enumerate() {
        for (y, value) in column.iter_mut().enumerate() {
            *value = columns[y][x];
        }
    }
    let rows = pass_half(&turned, FRACTION_BITS + PASS_BITS + 3 + 1);
    let mut samples = [[0; 4]; 4];
    for (y, row) in samples.iter_mut().enumerate() {
        for (x, value) in row.iter_mut().enumerate() {
            *value = sample(rows[x][y].into());
        }
    }
    samples
}

/// Two by two samples.
#[inline(always)]
pub(super) fn quarter(block: &Block, steps: &Block) -> [[u8; 2]; 2] {
    let halves = pass_quarter(&dequantised(block, steps), FRACTION_BITS - PASS_BITS + 2);
    // Not all columns have a part in what follows. Where that is known, they are computed one by one instead of at once.
    let [above, below] = black_box(halves);
    let mut turned = [[0; 2]; 8];
    for (x, column) in turned.iter_mut().enumerate() {
        *column = [above[x], below[x]];
    }
    let [left, right] = pass_quarter(&turned, FRACTION_BITS + PASS_BITS + 3 + 2);
    let pair = |y: usize| [sample(left[y].into()), sample(right[y].into())];
    [pair(0), pair(1)]
}

#[inline(always)]
fn dequantised(block: &Block, steps: &Block) -> [[i16; 8]; 8] {
    let mut rows = [[0; 8]; 8];
    for ((row, block), steps) in rows.iter_mut().zip(block.as_chunks::<8>().0).zip(steps.as_chunks::<8>().0) {
        for ((value, coefficient), step) in row.iter_mut().zip(block).zip(steps) {
            *value = coefficient.wrapping_mul(*step);
        }
    }
    rows
}

#[inline(always)]
fn transposed(rows: &[[i16; 8]; 8]) -> [[i16; 8]; 8] {
    let mut turned = [[0; 8]; 8];
    for (x, column) in turned.iter_mut().enumerate() {
        for (y, value) in column.iter_mut().enumerate() {
            *value = rows[y][x];
        }
    }
    turned
}

#[inline(always)]
fn times(value: i16, factor: i16) -> Wrapping<i32> {
    Wrapping(i32::from(value) * i32::from(factor))
}

#[inline(always)]
fn shifted(value: i16, bits: usize) -> Wrapping<i32> {
    Wrapping(i32::from(value)) << bits
}

#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "only a hostile file has more than 16 bits here")]
fn rounded(value: Wrapping<i32>, shift: usize) -> i16 {
    ((value + (Wrapping(1_i32) << (shift - 1))) >> shift).0 as i16
}

#[inline(always)]
fn sample(value: i32) -> u8 {
    u8::try_from(value.wrapping_add(128).clamp(0, 255)).unwrap_or(0)
}

/// One pass of the full transform over all lanes. Rows are named one by one for the sake of the vectoriser.
#[inline(always)]
fn pass_full(input: &[[i16; 8]; 8], shift: usize) -> [[i16; 8]; 8] {
    let [r0, r1, r2, r3, r4, r5, r6, r7] = input;
    let [mut w0, mut w1, mut w2, mut w3, mut w4, mut w5, mut w6, mut w7] = [[0; 8]; 8];
    for lane in 0..8 {
        let sum = shifted(r0[lane], FRACTION_BITS) + shifted(r4[lane], FRACTION_BITS);
        let difference = shifted(r0[lane], FRACTION_BITS) - shifted(r4[lane], FRACTION_BITS);
        let outer = times(r2[lane], 4433 + 6270) + times(r6[lane], 4433);
        let inner = times(r2[lane], 4433) + times(r6[lane], 4433 - 15_137);
        let (e0, e1, e2, e3) = (sum + outer, difference + inner, difference - inner, sum - outer);
        let (x1, x3, x5, x7) = (r1[lane], r3[lane], r5[lane], r7[lane]);
        let o0 = times(x7, 2260) + times(x5, 6437) + times(x3, 9633) + times(x1, 11_363);
        let o1 = times(x7, -6436) + times(x5, -11_362) + times(x3, -2259) + times(x1, 9633);
        let o2 = times(x7, 9633) + times(x5, 2261) + times(x3, -11_362) + times(x1, 6437);
        let o3 = times(x7, -11_363) + times(x5, 9633) + times(x3, -6436) + times(x1, 2260);
        w0[lane] = rounded(e0 + o0, shift);
        w7[lane] = rounded(e0 - o0, shift);
        w1[lane] = rounded(e1 + o1, shift);
        w6[lane] = rounded(e1 - o1, shift);
        w2[lane] = rounded(e2 + o2, shift);
        w5[lane] = rounded(e2 - o2, shift);
        w3[lane] = rounded(e3 + o3, shift);
        w4[lane] = rounded(e3 - o3, shift);
    }
    [w0, w1, w2, w3, w4, w5, w6, w7]
}

/// One pass of the transform to half the size. The fifth coefficient has no part in it.
#[inline(always)]
fn pass_half<const LANES: usize>(input: &[[i16; LANES]; 8], shift: usize) -> [[i16; LANES]; 4] {
    let [r0, r1, r2, r3, _, r5, r6, r7] = input;
    let [mut w0, mut w1, mut w2, mut w3] = [[0; LANES]; 4];
    for lane in 0..LANES {
        let base = shifted(r0[lane], FRACTION_BITS + 1);
        let slope = times(r2[lane], 15_137) + times(r6[lane], -6270);
        let (x1, x3, x5, x7) = (r1[lane], r3[lane], r5[lane], r7[lane]);
        let outer = times(x7, -4176) + times(x5, -4926) + times(x3, 7373) + times(x1, 20_995);
        let inner = times(x7, -1730) + times(x5, 11_893) + times(x3, -17_799) + times(x1, 8697);
        w0[lane] = rounded(base + slope + outer, shift);
        w3[lane] = rounded(base + slope - outer, shift);
        w1[lane] = rounded(base - slope + inner, shift);
        w2[lane] = rounded(base - slope - inner, shift);
    }
    [w0, w1, w2, w3]
}

/// One pass of the transform to a quarter of the size. Of the even coefficients only the first has a part in it.
#[inline(always)]
fn pass_quarter<const LANES: usize>(input: &[[i16; LANES]; 8], shift: usize) -> [[i16; LANES]; 2] {
    let [r0, r1, _, r3, _, r5, _, r7] = input;
    let [mut w0, mut w1] = [[0; LANES]; 2];
    for lane in 0..LANES {
        let base = shifted(r0[lane], FRACTION_BITS + 2);
        let (x1, x3, x5, x7) = (r1[lane], r3[lane], r5[lane], r7[lane]);
        let odd = times(x7, -5906) + times(x5, 6967) + times(x3, -10_426) + times(x1, 29_692);
        w0[lane] = rounded(base + odd, shift);
        w1[lane] = rounded(base - odd, shift);
    }
    [w0, w1]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the definition of the transform says, in floating point.
    fn by_definition(block: &Block) -> [[f64; 8]; 8] {
        let factor = |k: usize| if k == 0 { 0.5_f64.sqrt() } else { 1.0 };
        let wave =
            |k: usize, at: usize| f64::from(u32::try_from((2 * at + 1) * k).unwrap()) * std::f64::consts::PI / 16.0;
        let mut samples = [[128.0; 8]; 8];
        for (y, row) in samples.iter_mut().enumerate() {
            for (x, sample) in row.iter_mut().enumerate() {
                for v in 0..8 {
                    for u in 0..8 {
                        let value = f64::from(block[v * 8 + u]) * factor(u) * factor(v) / 4.0;
                        *sample += value * wave(u, x).cos() * wave(v, y).cos();
                    }
                }
            }
        }
        samples
    }

    fn blocks() -> impl Iterator<Item = Block> {
        (0..500).map(|seed| {
            let mut random = fastrand::Rng::with_seed(seed);
            let mut block = [0; 64];
            block[0] = random.i16(-300..300);
            for _ in 0..random.usize(0..10) {
                block[random.usize(..64)] = random.i16(-60..60);
            }
            block
        })
    }

    #[test]
    fn the_full_transform_is_near_its_definition() {
        for block in blocks() {
            for (row, expected) in full(&block, &[1; 64]).iter().zip(by_definition(&block)) {
                for (sample, expected) in row.iter().zip(expected) {
                    assert!((f64::from(*sample) - expected.clamp(0.0, 255.0)).abs() <= 1.0);
                }
            }
        }
    }

    #[test]
    fn a_flat_block_is_the_same_by_all_transforms() {
        for dc in -1200..1200 {
            let mut block = [0; 64];
            block[0] = dc;
            let expected = flat(dc, 3);
            assert!(full(&block, &[3; 64]).as_flattened().iter().all(|sample| *sample == expected));
            assert!(half(&block, &[3; 64]).as_flattened().iter().all(|sample| *sample == expected));
            assert!(quarter(&block, &[3; 64]).as_flattened().iter().all(|sample| *sample == expected));
        }
    }
}
