//! Files made on the spot, and pixels computed from what they were made of.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "numbers here are small and known"
)]

mod file;
mod kinds;
mod packed;
mod table;

use super::decode;
use crate::limits::Limits;
use crate::raster::Raster;

fn decoded(bytes: &[u8]) -> Raster {
    decode(bytes, None, &Limits::default()).unwrap()
}

fn refusal(bytes: &[u8]) -> String {
    decode(bytes, None, &Limits::default()).unwrap_err().to_string()
}

/// What chance makes of a file is an image or a refusal. Nothing catches a panic here.
fn mutate(file: &[u8], seed: u64, times: usize) {
    let mut random = fastrand::Rng::with_seed(seed);
    for _ in 0..times {
        let mut bytes = file.to_vec();
        for _ in 0..random.usize(1..4) {
            let at = random.usize(..bytes.len());
            match random.u8(..4) {
                0 => bytes[at] = random.u8(..),
                1 => bytes[at] ^= 1 << random.u8(..8),
                2 => bytes[at] = *random.choice(&[0, 1, 2, 4, 0x7f, 0x80, 0xff]).unwrap(),
                _ => bytes.truncate(at.max(1)),
            }
        }
        let limits = Limits { pixels_max: 1 << 16, ..Limits::default() };
        let _ = decode(&bytes, None, &limits);
    }
}
