//! Files that chance makes from good ones. A mutant is given by a seed and its number, so that each can be made again alone.

use fastrand::Rng;

use super::bytes::crc32;
use super::samples::{Sample, samples};

/// What mutants are made from.
#[derive(Debug)]
pub struct Mutants {
    seed: u64,
    samples: Vec<Sample>,
}

/// One of them.
#[derive(Clone, Debug)]
pub struct Mutant {
    /// The sample it was made from.
    pub sample: &'static str,
    /// The file.
    pub bytes: Vec<u8>,
}

/// Numbers that fields are set to: those at which programs go wrong.
const NUMBERS: [u32; 22] = [
    0,
    1,
    2,
    3,
    4,
    7,
    8,
    15,
    16,
    127,
    128,
    255,
    256,
    4095,
    4096,
    16_384,
    32_767,
    32_768,
    65_535,
    65_536,
    0x7fff_ffff,
    u32::MAX,
];

/// What takes longer than all others together, for the table of a profile of inks: fewer of these are made.
const COSTLY: [&str; 2] = ["jpeg-cmyk-icc", "tiff-cmyk-icc"];

/// Bytes of a mutant.
const BYTES_MAX: usize = 16 * 1024;

impl Mutants {
    /// Those of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { seed, samples: samples() }
    }

    /// The mutant of this number.
    #[must_use]
    pub fn mutant(&self, number: u64) -> Mutant {
        let mut rng = Rng::with_seed(self.seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut index = rng.usize(..self.samples.len());
        if COSTLY.contains(&self.samples[index].name) && rng.u8(..10) != 0 {
            index = rng.usize(..self.samples.len());
        }
        let mut bytes = self.samples[index].bytes.clone();
        // Mostly one change, sometimes many: one is what gets past the checks, many meet each other.
        let changes = if rng.u8(..4) == 0 { rng.usize(2..12) } else { 1 };
        for _ in 0..changes {
            self.change(&mut bytes, &mut rng);
            bytes.truncate(BYTES_MAX);
        }
        if rng.bool() {
            mend_png(&mut bytes);
            mend_riff(&mut bytes);
        }
        Mutant { sample: self.samples[index].name, bytes }
    }

    fn change(&self, bytes: &mut Vec<u8>, rng: &mut Rng) {
        if bytes.is_empty() {
            bytes.push(rng.u8(..));
        }
        let length = bytes.len();
        // Half of all changes are where the headers are.
        let at = if rng.bool() { rng.usize(..length.min(200)) } else { rng.usize(..length) };
        let block = rng.usize(1..=(length - at).min(64));
        match rng.u8(..12) {
            0..=2 => bytes[at] ^= 1 << rng.u8(..8),
            3 => bytes[at] = [0, 1, 0x7f, 0x80, 0xfe, 0xff][rng.usize(..6)],
            4 => bytes[at] = rng.u8(..),
            5 | 6 => number(bytes, at, rng),
            7 => bytes.truncate(at),
            8 => {
                let to = rng.usize(..=length - block);
                bytes.copy_within(at..at + block, to);
            }
            9 => {
                let copy = bytes[at..at + block].to_vec();
                let to = rng.usize(..length);
                bytes.splice(to..to, copy);
            }
            10 => drop(bytes.drain(at..at + block)),
            _ => {
                let other = &self.samples[rng.usize(..self.samples.len())].bytes;
                let from = rng.usize(..other.len());
                bytes.truncate(at);
                bytes.extend(&other[from..]);
            }
        }
    }
}

/// Sets a field of one, two or four bytes to a number, or moves it a little.
fn number(bytes: &mut [u8], at: usize, rng: &mut Rng) {
    let width = [1, 2, 4][rng.usize(..3)].min(bytes.len() - at);
    let field = &mut bytes[at..at + width];
    let big = rng.bool();
    let number = if rng.bool() {
        NUMBERS[rng.usize(..NUMBERS.len())]
    } else {
        let old = field.iter().fold(0_u32, |sum, byte| sum << 8 | u32::from(*byte));
        old.wrapping_add(rng.u32(..9)).wrapping_sub(4)
    };
    let little = number.to_le_bytes();
    for (index, byte) in field.iter_mut().enumerate() {
        *byte = if big { little[width - 1 - index] } else { little[index] };
    }
}

/// Makes the checksums of a PNG right again, so that what lies behind them is met.
fn mend_png(bytes: &mut [u8]) {
    if !bytes.starts_with(b"\x89PNG") {
        return;
    }
    let mut at = 8;
    while let Some(length) = bytes.get(at..at + 4) {
        let length = length.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
        let Some(covered) = bytes.get(at + 4..at + 8 + length) else { return };
        let sum = crc32(covered).to_be_bytes();
        let Some(field) = bytes.get_mut(at + 8 + length..at + 12 + length) else { return };
        field.copy_from_slice(&sum);
        at += 12 + length;
    }
}

/// Makes the length of a RIFF container right again.
fn mend_riff(bytes: &mut [u8]) {
    if bytes.starts_with(b"RIFF") && bytes.len() >= 12 {
        let length = super::bytes::length32(bytes.len() - 8);
        bytes[4..8].copy_from_slice(&length.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mutants_are_the_same_every_time_and_differ_from_each_other() {
        let (one, other) = (Mutants::new(7), Mutants::new(7));
        let mut distinct = std::collections::HashSet::new();
        for number in 0..500 {
            let mutant = one.mutant(number);
            assert_eq!(mutant.bytes, other.mutant(number).bytes);
            distinct.insert(mutant.bytes);
        }
        assert!(distinct.len() > 450, "{}", distinct.len());
    }
}
