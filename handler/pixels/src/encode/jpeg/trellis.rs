//! Coefficients chosen by what they cost and what they are worth, block by block.
//!
//! Rounding to nearest has the least error, not the best use of bits: a lone coefficient far behind the others may cost a
//! dozen bits and remove an error that nobody sees. The cheapest way through a block, by bits times a price plus squared
//! error in steps, is found as through a trellis: each coefficient that rounds to something may follow each earlier one, all
//! between them being zero. The price grows with the energy of the block, since noise hides in texture: both follow mozjpeg.

use super::blocks::Quantise;
use super::huffman::HuffmanTable;
use super::quantise::{Quantiser, mask};
use super::transform::Block;
use crate::zigzag::ZIGZAG;

/// The error of one step, squared, which is worth 64 / PRICE bits in a block without texture: 2^14.75 of mozjpeg's lambda.
const WORTH: u64 = 27_554;
/// The mean square of coefficients, eight times as large as they are, at which the price doubles: 2^16.5.
const TEXTURE: u64 = 92_682;
/// Binary digits of the fraction of costs.
const FRACTION_BITS: u32 = 10;

/// Chooses the AC coefficients of blocks. The DC is rounded to nearest.
pub(super) struct Trellis {
    quantiser: Quantiser,
    /// The divisors, in zigzag order.
    divisors: [u32; 64],
    /// The inverse of each squared step, with 24 digits of fraction, in zigzag order.
    weights: [u64; 64],
    /// For each run and category, the bits of the symbol and those that follow it.
    bits: [u64; 256],
}

/// A coefficient that is not zero, and the cheapest way to it.
#[derive(Clone, Copy, Default)]
struct TrellisNode {
    /// In zigzag order.
    place: usize,
    /// Its magnitude.
    value: u32,
    /// The node before it.
    before: usize,
    cost: u64,
}

impl Trellis {
    /// For these steps, in natural order, and the codes that the coefficients are expected to get.
    pub(super) fn new(steps: &[u8; 64], codes: &HuffmanTable) -> Self {
        /// What a symbol may cost that has not been seen before.
        const UNSEEN_BITS: u32 = 14;

        let zigzag = ZIGZAG.map(|index| u32::from(steps[usize::from(index)]));
        let mut bits = [0; 256];
        for (symbol, bits) in (0..=u8::MAX).zip(&mut bits) {
            let (_, length) = codes.code(symbol);
            *bits = u64::from(if length == 0 { UNSEEN_BITS } else { length } + u32::from(symbol & 15));
        }
        Self {
            quantiser: Quantiser::new(steps),
            divisors: zigzag.map(|step| step * 8),
            weights: zigzag.map(|step| (1 << 24) / u64::from(step * step)),
            bits,
        }
    }

    /// A squared error, as a part of a cost.
    #[inline(always)]
    fn error(&self, place: usize, distance: u32) -> u64 {
        (u64::from(distance) * u64::from(distance) * self.weights[place]) >> (24 - FRACTION_BITS)
    }

    #[inline(always)]
    fn run_bits(&self, run: usize, category: u32) -> u64 {
        (run / 16) as u64 * self.bits[0xf0] + self.bits[(run % 16) * 16 + category as usize]
    }

    /// The best values for a block whose coefficients have these magnitudes, of which those in the mask round to something.
    /// Both are in zigzag order.
    fn chosen(&self, magnitudes: &[u32; 64], mut mask: u64) -> ([u32; 64], u64) {
        let energy: u64 = magnitudes[1..].iter().map(|&value| u64::from(value * value)).sum();
        let price = ((TEXTURE + energy / 63) << FRACTION_BITS) / WORTH;
        // The error of all coefficients up to each one, if they are zero.
        let mut zeros = [0; 64];
        for place in 1..64 {
            zeros[place] = zeros[place - 1] + self.error(place, magnitudes[place]);
        }
        let mut nodes = [TrellisNode::default(); 64];
        let mut count = 1;
        while mask != 0 {
            let place = mask.trailing_zeros() as usize;
            mask &= mask - 1;
            let divisor = self.divisors[place];
            let rounded = (magnitudes[place] + divisor / 2) / divisor;
            let categories = 32 - rounded.leading_zeros();
            let mut best = TrellisNode { cost: u64::MAX, ..TrellisNode::default() };
            for category in 1..=categories {
                // Of a smaller category the largest value is nearest.
                let value = if category == categories { rounded } else { (1 << category) - 1 };
                let error = self.error(place, magnitudes[place].abs_diff(value * divisor));
                for (before, node) in nodes[..count].iter().enumerate() {
                    let bits = self.run_bits(place - node.place - 1, category);
                    let cost = node.cost + zeros[place - 1] - zeros[node.place] + error + bits * price;
                    if cost < best.cost {
                        best = TrellisNode { place, value, before, cost };
                    }
                }
            }
            nodes[count] = best;
            count += 1;
        }
        let total = |node: &TrellisNode| {
            let end = if node.place == 63 { 0 } else { self.bits[0] * price };
            node.cost + zeros[63] - zeros[node.place] + end
        };
        let mut last = (0..count).min_by_key(|&nth| total(&nodes[nth])).unwrap_or(0);
        let (mut values, mut chosen) = ([0; 64], 0);
        while last > 0 {
            let node = nodes[last];
            values[node.place] = node.value;
            chosen |= 1 << node.place;
            last = node.before;
        }
        (values, chosen)
    }
}

impl Quantise for Trellis {
    #[expect(clippy::cast_possible_truncation, reason = "values are no larger than those that are rounded")]
    fn quantise(&mut self, block: &Block) -> (Block, u64) {
        let mut quantised = self.quantiser.quantise(block);
        let mask = mask(&quantised);
        let ac = mask & !1;
        if ac == 0 {
            return (quantised, mask);
        }
        let magnitudes = ZIGZAG.map(|index| u32::from(block[usize::from(index)].unsigned_abs()));
        let (values, chosen) = self.chosen(&magnitudes, ac);
        for (value, index) in values[1..].iter().zip(&ZIGZAG[1..]) {
            let to = &mut quantised[usize::from(*index)];
            *to = to.signum() * *value as i16;
        }
        (quantised, chosen | mask & 1)
    }
}

#[cfg(test)]
mod tests {
    use super::super::huffman::Frequencies;
    use super::*;

    fn trellis() -> Trellis {
        let mut frequencies: Frequencies = [0; 256];
        for (symbol, frequency) in frequencies.iter_mut().enumerate() {
            *frequency = 1 + (10_000 >> (symbol / 16 + symbol % 16));
        }
        Trellis::new(&[10; 64], &HuffmanTable::new(&frequencies))
    }

    /// The cost of a choice by its definition.
    fn cost(trellis: &Trellis, magnitudes: &[u32; 64], values: &[u32; 64]) -> u64 {
        let energy: u64 = magnitudes[1..].iter().map(|&value| u64::from(value * value)).sum();
        let price = ((TEXTURE + energy / 63) << FRACTION_BITS) / WORTH;
        let (mut bits, mut error, mut run) = (0, 0, 0);
        for place in 1..64 {
            error += trellis.error(place, magnitudes[place].abs_diff(values[place] * trellis.divisors[place]));
            if values[place] == 0 {
                run += 1;
            } else {
                bits += trellis.run_bits(run, values[place].ilog2() + 1);
                run = 0;
            }
        }
        error + (bits + if run > 0 { trellis.bits[0] } else { 0 }) * price
    }

    /// Against all choices there are, for blocks that have few.
    #[test]
    fn no_choice_is_cheaper() {
        let mut random = fastrand::Rng::with_seed(7);
        let trellis = trellis();
        let mut dropped = 0;
        for _ in 0..60 {
            let mut magnitudes = [0; 64].map(|_: u32| random.u32(0..39));
            let places: Vec<usize> = (0..6).map(|_| random.usize(1..64)).collect();
            for &place in &places {
                magnitudes[place] = random.u32(40..200);
            }
            let mask = (1..64).filter(|&place| magnitudes[place] >= 40).fold(0, |mask, place| mask | 1 << place);
            let (values, chosen) = trellis.chosen(&magnitudes, mask);
            assert_eq!(chosen & !mask, 0);
            dropped += (mask & !chosen).count_ones();
            let mut choices = vec![[0; 64]];
            for place in (1..64).filter(|place| mask >> place & 1 == 1) {
                let rounded = (magnitudes[place] + 40) / 80;
                let with = |value: u32| {
                    choices.iter().map(move |choice| {
                        let mut choice = *choice;
                        choice[place] = value;
                        choice
                    })
                };
                choices = [0, 1, 3, rounded].into_iter().filter(|&value| value <= rounded).flat_map(with).collect();
            }
            let least = choices.iter().map(|choice| cost(&trellis, &magnitudes, choice)).min();
            assert_eq!(Some(cost(&trellis, &magnitudes, &values)), least);
        }
        assert!(dropped > 10, "only {dropped} were dropped");
    }

    #[test]
    fn signs_and_the_dc_stay() {
        let mut block = [0; 64];
        (block[0], block[1], block[8], block[63]) = (-45, -900, 700, 41);
        let (quantised, mask) = trellis().quantise(&block);
        assert_eq!((quantised[0], quantised[1], quantised[8]), (-1, -11, 9));
        assert_eq!((quantised[63], mask), (0, 0b111));
    }
}
