//! Quantisation: the tables of the standard, scaled by quality, and exact division by multiplication.

use super::transform::Block;
use crate::zigzag::ZIGZAG;

/// ITU T.81, table K.1, in natural order.
#[rustfmt::skip]
const LUMA: [u8; 64] = [
    16, 11, 10, 16,  24,  40,  51,  61,
    12, 12, 14, 19,  26,  58,  60,  55,
    14, 13, 16, 24,  40,  57,  69,  56,
    14, 17, 22, 29,  51,  87,  80,  62,
    18, 22, 37, 56,  68, 109, 103,  77,
    24, 35, 55, 64,  81, 104, 113,  92,
    49, 64, 78, 87, 103, 121, 120, 101,
    72, 92, 95, 98, 112, 100, 103,  99,
];

/// ITU T.81, table K.2, in natural order.
#[rustfmt::skip]
const CHROMA: [u8; 64] = [
    17, 18, 24, 47, 99, 99, 99, 99,
    18, 21, 26, 66, 99, 99, 99, 99,
    24, 26, 56, 99, 99, 99, 99, 99,
    47, 66, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99,
];

/// The steps for a quality of 1 to 100, in natural order: as `jpeg_set_quality` of libjpeg has them for a baseline file.
pub(super) fn steps(chroma: bool, quality: u8) -> [u8; 64] {
    let quality = u32::from(quality.clamp(1, 100));
    let percent = if quality < 50 { 5000 / quality } else { 200 - 2 * quality };
    let table = if chroma { &CHROMA } else { &LUMA };
    table.map(|step| {
        let scaled = (u32::from(step) * percent + 50) / 100;
        u8::try_from(scaled.clamp(1, 255)).unwrap_or(u8::MAX)
    })
}

/// Divides what the transform gives by the steps, rounding to nearest, halves away from zero.
pub(super) struct Quantiser {
    /// Half of each divisor.
    half: [u16; 64],
    /// For each divisor d of k bits less one: 2^(15 + k) / d, rounded up.
    reciprocal: [u16; 64],
    /// Does the rest of the shift: 2^(17 - k).
    factor: [u16; 64],
}

impl Quantiser {
    pub(super) fn new(steps: &[u8; 64]) -> Self {
        let [mut half, mut reciprocal, mut factor] = [[0; 64]; 3];
        for (index, &step) in steps.iter().enumerate() {
            let divisor = u32::from(step) * 8;
            let bits = divisor.next_power_of_two().trailing_zeros();
            let narrow = |value: u32| u16::try_from(value).unwrap_or(u16::MAX);
            half[index] = narrow(divisor / 2);
            reciprocal[index] = narrow((1_u32 << (15 + bits)).div_ceil(divisor));
            factor[index] = narrow(1 << (17 - bits));
        }
        Self { half, reciprocal, factor }
    }

    /// The quantised block, in natural order.
    ///
    /// With n below 2^15, d of at most k bits and m = ceil(2^(15 + k) / d), n * m >> (15 + k) is n / d rounded down
    /// (Granlund and Montgomery 1994, theorem 4.2). The shift is done by two products of which the upper half is kept.
    #[inline(always)]
    pub(super) fn quantise(&self, block: &Block) -> Block {
        let mut quantised = [0; 64];
        for index in 0..64 {
            let sign = block[index] >> 15;
            let magnitude = block[index].unsigned_abs() + self.half[index];
            let quotient = upper(upper(magnitude, self.reciprocal[index]), self.factor[index]);
            quantised[index] = (quotient.cast_signed() ^ sign) - sign;
        }
        quantised
    }
}

/// The upper half of a product.
#[inline(always)]
fn upper(left: u16, right: u16) -> u16 {
    ((u32::from(left) * u32::from(right)) >> 16) as u16
}

/// For each row of a block and each set of its places, from the lowest bit on, a bit for each of them in zigzag order.
static IN_ZIGZAG_ORDER: [[u64; 256]; 8] = in_zigzag_order();

const fn in_zigzag_order() -> [[u64; 256]; 8] {
    let mut sets = [[0; 256]; 8];
    let mut nth = 0;
    while nth < 64 {
        let (row, column) = ((ZIGZAG[nth] / 8) as usize, ZIGZAG[nth] % 8);
        let mut set = 0;
        while set < 256 {
            if set >> column & 1 == 1 {
                sets[row][set] |= 1 << nth;
            }
            set += 1;
        }
        nth += 1;
    }
    sets
}

/// A bit for each coefficient of a block that is not zero, in zigzag order.
#[inline(always)]
pub(super) fn mask(block: &Block) -> u64 {
    let mut mask = 0;
    for (row, sets) in block.as_chunks::<8>().0.iter().zip(&IN_ZIGZAG_ORDER) {
        // Eight bytes of 0 or 1 become eight bits: the product moves the byte n to the bit 56 + n, and no two meet.
        let flags = u64::from_le_bytes(row.map(|value| u8::from(value != 0)));
        mask |= sets[(flags.wrapping_mul(0x0102_0408_1020_4080) >> 56) as usize];
    }
    mask
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn division_is_exact_for_every_step_and_value() {
        for step in 1..=255_u8 {
            let quantiser = Quantiser::new(&[step; 64]);
            let divisor = i32::from(step) * 8;
            let values: Vec<i16> = (-9000..=9000).collect();
            for values in values.chunks(64) {
                let mut block = [0; 64];
                block[..values.len()].copy_from_slice(values);
                let quotients = quantiser.quantise(&block);
                for (value, found) in block.iter().zip(quotients) {
                    let value = i32::from(*value);
                    let expected = value.signum() * ((value.abs() + divisor / 2) / divisor);
                    assert_eq!(i32::from(found), expected, "{value} / {divisor}");
                }
            }
        }
    }

    /// As libjpeg-turbo 2.1.5 writes them (`cjpeg -quality Q`): the first steps of each table, in natural order.
    #[test]
    fn steps_are_those_of_libjpeg() {
        assert_eq!(steps(false, 50), LUMA);
        assert_eq!(steps(true, 50), CHROMA);
        assert_eq!(steps(false, 75)[..8], [8, 6, 5, 8, 12, 20, 26, 31]);
        assert_eq!(steps(true, 75)[..8], [9, 9, 12, 24, 50, 50, 50, 50]);
        assert_eq!(steps(false, 80)[..8], [6, 4, 4, 6, 10, 16, 20, 24]);
        assert_eq!(steps(true, 80)[..8], [7, 7, 10, 19, 40, 40, 40, 40]);
        assert_eq!(steps(false, 90)[..8], [3, 2, 2, 3, 5, 8, 10, 12]);
        assert_eq!(steps(true, 90)[..8], [3, 4, 5, 9, 20, 20, 20, 20]);
        assert_eq!(steps(false, 100), [1; 64]);
        assert_eq!(steps(false, 1)[..2], [255, 255]);
        assert_eq!(steps(false, 10)[..8], [80, 55, 50, 80, 120, 200, 255, 255]);
    }

    #[test]
    fn the_mask_marks_what_is_not_zero() {
        let mut random = fastrand::Rng::with_seed(3);
        for _ in 0..200 {
            let block: Block = [0; 64].map(|_: i16| if random.bool() { 0 } else { random.i16(-9..9) });
            let mask = mask(&block);
            for (nth, index) in ZIGZAG.iter().enumerate() {
                assert_eq!(mask >> nth & 1 == 1, block[usize::from(*index)] != 0);
            }
        }
    }
}
