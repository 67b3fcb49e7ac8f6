//! Files that are cut, changed, or made to keep a decoder busy.

use jpeg_encoder::SamplingFactor::{F_1_1, F_2_1, F_2_2};

use super::*;
use crate::error::Fault;

/// Small files of every way of coding.
fn files() -> Vec<Vec<u8>> {
    vec![
        encoded(1, (37, 23), F_2_2, |_| {}),
        encoded(2, (23, 37), F_1_1, |encoder| encoder.set_restart_interval(2)),
        encoded(3, (37, 23), F_2_1, |encoder| encoder.set_optimized_huffman_tables(true)),
        encoded(4, (37, 23), F_2_2, |encoder| encoder.set_progressive(true)),
        encoded(5, (18, 40), F_1_1, |encoder| {
            encoder.set_progressive_scans(8);
            encoder.set_restart_interval(3);
        }),
    ]
}

fn scan_at(bytes: &[u8]) -> usize {
    let header = bytes.windows(2).position(|pair| pair == [0xff, 0xda]).unwrap();
    header + 2 + usize::from(bytes[header + 3])
}

fn any(bytes: &[u8], scale: Scale, truncated: Truncated, arena: &mut Arena) -> Result<Decoded, PixelError> {
    let limits = Limits { pixels_max: 1_000_000, ..Limits::default() };
    let decoder = Decoder::new(bytes, &limits)?;
    let window = Window::whole(scale.apply(decoder.size()));
    decoder.with_truncated(truncated).decode(scale, &window, arena)
}

/// 22,500 of them, each at one scale. Whatever a file says, the answer is an image or an error that blames the file.
#[test]
fn seeded_mutants_never_panic() {
    let mut arena = Arena::default();
    for (index, file) in files().iter().enumerate() {
        let (mut made, mut refused) = (0, 0);
        for seed in 0..4500 {
            let mut random = fastrand::Rng::with_seed(seed + 10_000 * index as u64);
            let mut mutant = file.clone();
            for _ in 0..random.usize(1..=4) {
                let at = random.usize(..mutant.len());
                match random.u8(0..6) {
                    0 => mutant[at] = random.u8(..),
                    1 => mutant[at] ^= 1 << random.u8(0..8),
                    2 => mutant[at] = [0, 0xff, 0x7f, 0x80][random.usize(0..4)],
                    3 => drop(mutant.drain(at..mutant.len().min(at + random.usize(1..9)))),
                    4 => mutant.insert(at, random.u8(..)),
                    _ => mutant.truncate(at.max(1)),
                }
                if mutant.is_empty() {
                    mutant.push(0);
                }
            }
            let truncated = if random.bool() { Truncated::Refuse } else { Truncated::Allow };
            match any(&mutant, Scale::ALL[random.usize(0..4)], truncated, &mut arena) {
                Ok(decoded) => {
                    assert_eq!(decoded.data.len() as u64, decoded.size.pixels() * decoded.channels as u64);
                    made += 1;
                }
                Err(error) => {
                    assert_ne!(error.fault(), Fault::Ours, "file {index}, seed {seed}: {error}");
                    refused += 1;
                }
            }
        }
        assert!(made > 100 && refused > 1000, "file {index}: {made} made, {refused} refused");
    }
}

/// The end marker is there, so that only the coded data themselves can tell.
#[test]
fn missing_data_before_an_end_marker_are_an_error_unless_allowed() {
    for file in files() {
        let start = scan_at(&file);
        for part in 1..8 {
            let cut = [&file[..start + (file.len() - start) * part / 8], &[0xff, 0xd9]].concat();
            for scale in Scale::ALL {
                let error = any(&cut, scale, Truncated::Refuse, &mut Arena::default());
                // At an eighth a progressive file needs only its first scans.
                if file[..start].windows(2).all(|pair| pair != [0xff, 0xc2]) || part == 1 && scale == Scale::Full {
                    assert_eq!(error.expect_err("data are missing").fault(), Fault::Input);
                }
                let allowed = any(&cut, scale, Truncated::Allow, &mut Arena::default()).unwrap();
                assert_eq!(allowed.size, decoded(&file, scale).unwrap().size);
            }
        }
    }
}

#[test]
fn what_is_there_of_a_cut_file_is_shown_and_the_rest_is_gray() {
    let file = encoded(9, (64, 64), F_1_1, |_| {});
    let start = scan_at(&file);
    let cut = &file[..start + (file.len() - start) / 2];
    let whole = decoded(&file, Scale::Full).unwrap();
    // What an earlier image left in the arena must not show.
    let mut arena = Arena::default();
    any(&file, Scale::Full, Truncated::Refuse, &mut arena).map(|decoded| arena.recycle(decoded.data)).unwrap();
    let part = any(cut, Scale::Full, Truncated::Allow, &mut arena).unwrap();
    let (row, all) = (64 * 3, whole.data.len());
    assert_eq!(part.data[..16 * row], whole.data[..16 * row]);
    assert!(part.data[all - 8 * row..].iter().all(|value| *value == 128));
}

#[test]
fn what_follows_the_window_is_not_read() {
    let file = encoded(9, (64, 64), F_1_1, |_| {});
    let start = scan_at(&file);
    let cut = &file[..start + (file.len() - start) / 2];
    let window = Window { columns: 0..64, rows: 0..8 };
    let part = open(cut).decode(Scale::Full, &window, &mut Arena::default()).unwrap();
    assert_eq!(part.data, cut_rows(&decoded(&file, Scale::Full).unwrap(), 8));
}

fn cut_rows(whole: &Decoded, rows: u32) -> Vec<u8> {
    cut(whole, &Window { columns: 0..whole.size.width, rows: 0..rows })
}

#[test]
fn scans_are_counted_and_may_not_repeat() {
    let file = encoded(1, (16, 16), F_1_1, |encoder| encoder.set_progressive(true));
    let end = file.len() - 2;
    let repeated = [0xff, 0xda, 0, 8, 1, 1, 0, 1, 1, 0];
    let with = |count: usize| {
        let mut bytes = file[..end].to_vec();
        (0..count).for_each(|_| bytes.extend(repeated));
        bytes.extend([0xff, 0xd9]);
        any(&bytes, Scale::Full, Truncated::Refuse, &mut Arena::default()).unwrap_err()
    };
    assert!(matches!(with(1), PixelError::Corrupt { .. }));
    let few = Limits { jpeg_scans_max: 2, ..Limits::default() };
    let decoder = Decoder::new(&file, &few).unwrap();
    let error = decoder.decode(Scale::Full, &Window::whole(decoder.size()), &mut Arena::default());
    assert_eq!(error, Err(PixelError::TooManyScans { scans_max: 2 }));
}

#[test]
fn a_missing_restart_marker_is_an_error() {
    let file = encoded(2, (40, 40), F_1_1, |encoder| encoder.set_restart_interval(2));
    let markers: Vec<usize> =
        (0..file.len() - 1).filter(|at| file[*at] == 0xff && (0xd0..=0xd7).contains(&file[at + 1])).collect();
    assert!(markers.len() > 8, "{}", markers.len());
    let mut swapped = file.clone();
    swapped[markers[3] + 1] ^= 1;
    assert!(matches!(
        any(&swapped, Scale::Eighth, Truncated::Refuse, &mut Arena::default()),
        Err(PixelError::Corrupt { .. })
    ));
}
