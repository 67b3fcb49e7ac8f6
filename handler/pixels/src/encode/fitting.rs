//! The best quality at which a file has no more than so many bytes.
//!
//! First what is asked for; then as much less quality as there are bytes too many; then, unless that fits, the least. From
//! there on a quality that fits and one that does not are known, and the line between them says where to look: not in the
//! outer thirds, so that a curve that is no line is found out too. Whole numbers only: the same image gives the same file on
//! every machine.

use crate::error::PixelError;

/// Encodings of one image at most: each costs what one without a limit costs.
const ENCODINGS_MAX: u32 = 6;
/// Nothing is tried below it, unless it is asked for.
const QUALITY_MIN: u8 = 10;

/// A file, and the quality it has.
pub(super) type Fitted = (Vec<u8>, u8);

/// A quality that was tried.
#[derive(Clone, Copy)]
struct Tried {
    quality: u8,
    bytes: u64,
}

/// Encodes with the quality asked for, or the best one below it at which the file fits. `refused` makes the error out of the
/// fewest bytes that were reached, and the lowest quality.
pub(super) fn fitting(
    asked: u8,
    bytes_max: u64,
    mut encode: impl FnMut(u8) -> Result<Vec<u8>, PixelError>,
    refused: impl FnOnce(u64, u8) -> PixelError,
) -> Result<Fitted, PixelError> {
    let first = encode(asked)?;
    let mut high = Tried { quality: asked, bytes: first.len() as u64 };
    if high.bytes <= bytes_max {
        return Ok((first, asked));
    }
    drop(first);
    let floor = asked.min(QUALITY_MIN);
    let mut fewest = high.bytes;
    let mut best: Option<Fitted> = None;
    for encoding in 2..=ENCODINGS_MAX {
        let low = best.as_ref().map(|(file, quality)| Tried { quality: *quality, bytes: file.len() as u64 });
        let least = low.map_or(floor, |low| low.quality + 1);
        if least >= high.quality {
            break;
        }
        let guess = match low {
            Some(low) => between(low, high, bytes_max, encoding > 3),
            None if encoding == 2 => between(Tried { quality: 0, bytes: 0 }, high, bytes_max, false),
            None => floor,
        };
        let quality = guess.clamp(least, high.quality - 1);
        let file = encode(quality)?;
        let bytes = file.len() as u64;
        fewest = fewest.min(bytes);
        if bytes <= bytes_max {
            best = Some((file, quality));
        } else {
            high = Tried { quality, bytes };
        }
    }
    best.ok_or_else(|| refused(fewest, floor))
}

/// Where the line from a quality that fits to one that does not meets the limit; of the middle third of the way only, where
/// that is asked for.
fn between(low: Tried, high: Tried, bytes_max: u64, in_the_middle: bool) -> u8 {
    let across = u128::from(high.quality.saturating_sub(low.quality));
    let room = u128::from(bytes_max.saturating_sub(low.bytes));
    let step = across * room / u128::from(high.bytes.saturating_sub(low.bytes).max(1));
    let step = if in_the_middle { step.clamp(across / 3, across - across / 3) } else { step };
    low.quality.saturating_add(u8::try_from(step).unwrap_or(u8::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes of a file, by its quality.
    type Curve = fn(u64) -> u64;

    /// Curves, and how far from the best what is found may be.
    const CURVES: &[(&str, Curve, u8)] = &[
        ("even", |quality| quality * 1000, 0),
        ("even, with a header", |quality| 40_000 + quality * 100, 2),
        ("square", |quality| quality * quality * 10, 3),
        ("as a photo", |quality| 2000 + 60_000_000 / (1100 - quality * 10), 5),
        ("in steps", |quality| (quality / 7 + 1) * 5000, 5),
        ("always the same", |_| 20_000, 0),
    ];

    fn search(curve: Curve, asked: u8, bytes_max: u64) -> (Result<Fitted, PixelError>, Vec<u8>) {
        let mut tried = Vec::new();
        let encode = |quality: u8| {
            tried.push(quality);
            Ok(vec![0; usize::try_from(curve(quality.into())).unwrap()])
        };
        let refused = |bytes, floor| PixelError::OutOfMemory { bytes: bytes * 1000 + u64::from(floor) };
        (fitting(asked, bytes_max, encode, refused), tried)
    }

    #[test]
    fn what_is_found_is_the_best_or_nearly_and_takes_six_encodings_at_most() {
        for (name, curve, off_max) in CURVES {
            for asked in [100, 92, 80, 50, 11, 10, 3] {
                for percent in (1..=100).step_by(3) {
                    let bytes_max = curve(asked.into()) * percent / 100;
                    let floor = asked.min(QUALITY_MIN);
                    let best = (floor..=asked).rev().find(|quality| curve((*quality).into()) <= bytes_max);
                    let (found, tried) = search(*curve, asked, bytes_max);
                    let case = format!("{name}: {percent} % from {asked}, tried {tried:?}");
                    assert!(tried.len() <= 6 && tried[0] == asked, "{case}");
                    match (found, best) {
                        (Ok((file, quality)), Some(best)) => {
                            assert!(file.len() as u64 <= bytes_max && quality <= best, "{case}");
                            assert_eq!(file.len() as u64, curve(quality.into()));
                            assert!(best - quality <= *off_max, "{case}: {quality} where {best} would fit");
                        }
                        (Err(error), None) => {
                            let bytes = curve(floor.into()) * 1000 + u64::from(floor);
                            assert_eq!(error, PixelError::OutOfMemory { bytes }, "{case}");
                        }
                        (found, best) => panic!("{case}: {best:?} and {:?}", found.map(|(_, quality)| quality)),
                    }
                }
            }
        }
    }

    #[test]
    fn what_fits_is_encoded_once() {
        let (found, tried) = search(|quality| quality * 1000, 80, 80_000);
        assert_eq!((found.unwrap().1, tried), (80, vec![80]));
    }
}
