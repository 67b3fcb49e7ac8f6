//! Progressive files that are large enough for their scans to be read side by side.

use jpeg_encoder::SamplingFactor::{F_1_1, F_2_2};

use super::*;

fn files() -> [Vec<u8>; 3] {
    [
        encoded(11, (390, 310), F_2_2, |encoder| encoder.set_progressive(true)),
        encoded(12, (390, 310), F_1_1, |encoder| {
            encoder.set_progressive_scans(9);
            encoder.set_restart_interval(5);
        }),
        encoded(13, (310, 390), F_2_2, |encoder| encoder.set_progressive_scans(6)),
    ]
}

/// Whatever is wrong with a file, what comes first in it counts, and what comes behind it is not shown.
#[test]
fn scans_side_by_side_give_what_they_give_one_after_the_other() {
    let (mut side_by_side, mut one_by_one) = (Arena::default(), Arena::default());
    let (mut shown, mut refused, mut in_part) = (0, 0, 0);
    for (index, file) in files().iter().enumerate() {
        for seed in 0..300 {
            let mut random = fastrand::Rng::with_seed(seed + 1000 * index as u64);
            let mut mutant = file.clone();
            for _ in 0..random.usize(0..3) {
                let at = random.usize(700..mutant.len());
                match random.u8(0..5) {
                    0 => mutant[at] ^= 1 << random.u8(0..8),
                    1 => drop(mutant.drain(at..mutant.len().min(at + random.usize(1..90)))),
                    2 => mutant.insert(at, random.u8(..)),
                    3 => drop(mutant.splice(at..at, [0xff, 0xd9])),
                    _ => mutant.truncate(at),
                }
            }
            let Ok(decoder) = Decoder::new(&mutant, &Limits::default()) else { continue };
            let scale = Scale::ALL[random.usize(0..4)];
            let size = scale.apply(decoder.size());
            let (left, top) = (random.u32(0..size.width / 2), random.u32(0..size.height / 2));
            let window = Window { columns: left..size.width, rows: top..random.u32(top + 1..=size.height) };
            for truncated in [Truncated::Refuse, Truncated::Allow] {
                let decoder = decoder.clone().with_truncated(truncated);
                let found = decoder.decode(scale, &window, &mut side_by_side);
                let expected = decoder.with_scans_one_by_one().decode(scale, &window, &mut one_by_one);
                assert!(found == expected, "file {index}, seed {seed}, {scale:?}, {truncated:?}");
                match (found, truncated) {
                    (Err(_), _) => refused += 1,
                    (Ok(_), Truncated::Refuse) => shown += 1,
                    (Ok(_), Truncated::Allow) => in_part += 1,
                }
            }
        }
    }
    assert!(shown > 200 && refused > 200 && in_part > shown + 100, "{shown} {refused} {in_part}");
    let (row, all) = (side_by_side.bytes(), one_by_one.bytes());
    assert!(row * 3 < all, "{row} are not less than {all}");
}

/// The same coefficients, coded in one scan.
#[test]
fn a_progressive_file_looks_like_the_sequential_one() {
    for sampling in [F_1_1, F_2_2] {
        let progressive = encoded(21, (390, 310), sampling, |encoder| encoder.set_progressive(true));
        let sequential = encoded(21, (390, 310), sampling, |_| {});
        for scale in Scale::ALL {
            assert_eq!(decoded(&progressive, scale), decoded(&sequential, scale), "{sampling:?} {scale:?}");
        }
    }
}
