//! Depths, palettes, floats, chroma, and what is refused by its name.

use super::file::{File, Form, HEIGHT, LONG, RATIONAL, SHORT, WIDTH, bits, pack};
use super::{decoded, mutate, refusal};
use crate::options::Rendition;
use crate::raster::Layout;

/// A file of one strip whose samples are computed from their number.
fn of_samples(file: &File, depth: u64, sample: impl Fn(usize) -> u64) -> File {
    let samples = file.entries.iter().find(|entry| entry.0 == 277).unwrap().2[0] as usize;
    let rows = (0..HEIGHT).flat_map(|y| {
        let row: Vec<u64> = (0..WIDTH * samples).map(|x| sample(y * WIDTH * samples + x)).collect();
        match depth {
            ..=8 => bits(&row, depth),
            _ => row.iter().flat_map(|sample| file.form.number(*sample, depth as usize / 8)).collect(),
        }
    });
    file.clone().without(278).with_chunks(false, vec![rows.collect()])
}

fn forms() -> [Form; 2] {
    [Form::default(), Form { from_high: true, big: true }]
}

#[test]
fn gray_of_few_bits_from_either_end() {
    for form in forms() {
        for depth in [1, 2, 4] {
            for white_is_zero in [false, true] {
                let most = (1 << depth) - 1;
                let file = File::new(form, u64::from(!white_is_zero), 1, depth);
                let file = of_samples(&file, depth, |at| at as u64 & most).bytes();
                let expected = (0..WIDTH * HEIGHT).map(|at| {
                    let value = ((at as u64 & most) * 255 / most) as u8;
                    if white_is_zero { 255 - value } else { value }
                });
                assert_eq!(decoded(&file).data, expected.collect::<Vec<u8>>(), "{depth} bits, {form:?}");
                mutate(&file, depth, 200);
            }
        }
    }
}

#[test]
fn palettes_of_one_to_sixteen_bits_with_words_or_bytes() {
    for depth in [1, 2, 4, 8, 16] {
        for wide in [true, false] {
            let colors = 1_usize << depth;
            let color = |index: usize| (index * 37 + 11) as u64 % 256;
            let map: Vec<u64> = (0..colors * 3).map(|at| color(at) * if wide { 256 } else { 1 }).collect();
            let file = File::new(Form::default(), 3, 1, depth).with(320, SHORT, &map);
            let file = of_samples(&file, depth, |at| at as u64 * 5 % colors as u64).bytes();
            let raster = decoded(&file);
            for (at, pixel) in raster.data.chunks_exact(3).enumerate() {
                let number = at * 5 % colors;
                let expected = [0, 1, 2].map(|plane| color(number + plane * colors) as u8);
                assert_eq!(pixel, expected, "{depth} bits, pixel {at}");
            }
            mutate(&file, depth, 100);
        }
    }
    let short = File::new(Form::default(), 3, 1, 4).with(320, SHORT, &[1; 47]);
    let short = of_samples(&short, 4, |_| 1).bytes();
    assert_eq!(refusal(&short), "TIFF is corrupt: its palette has 47 values instead of 48");
}

#[test]
fn numbers_with_a_sign_and_of_four_bytes() {
    for form in forms() {
        for depth in [8, 16, 32] {
            for signed in [false, true] {
                let most = f64::from(u32::MAX >> (32 - depth));
                let value = |at: usize| (at as u64 * 16_127_431) & u64::from(u32::MAX >> (32 - depth));
                let file = File::new(form, 1, 1, depth).with(339, SHORT, &[1 + u64::from(signed)]);
                let middle = if signed { 1 << (depth - 1) } else { 0 };
                let file = of_samples(&file, depth, |at| value(at) ^ middle).bytes();
                for (at, found) in decoded(&file).data.iter().enumerate() {
                    let expected = (value(at) as f64 / most * 255.0).round() as u8;
                    assert_eq!(*found, expected, "{depth} bits, signed {signed}, {form:?}");
                }
            }
        }
    }
}

/// The bits of a float, without rounding: the tests use numbers that are exact in any.
fn float(value: f32, depth: u64) -> u64 {
    match depth {
        16 => {
            let (sign, exponent) = (value.to_bits() >> 31, value.to_bits() >> 23 & 255);
            let fraction = value.to_bits() >> 13 & 1023;
            if exponent == 0 { 0 } else { u64::from(sign << 15 | (exponent + 15 - 127) << 10 | fraction) }
        }
        32 => value.to_bits().into(),
        _ => f64::from(value).to_bits(),
    }
}

#[test]
fn floats_of_every_length_with_their_predictor() {
    let value = |at: usize| (at % 40) as f32 / 32.0 - 0.125;
    for form in forms() {
        for (photometric, samples) in [(1, 1), (0, 1), (2, 3), (2, 4)] {
            for depth in [16, 32, 64] {
                for predictor in [1, 2, 3] {
                    let bytes = depth as usize / 8;
                    let mut strips = Vec::new();
                    for rows in (0..HEIGHT).collect::<Vec<usize>>().chunks(5) {
                        let row = |y: &usize| {
                            let numbers: Vec<u64> =
                                (0..WIDTH * samples).map(|x| float(value(y * WIDTH * samples + x), depth)).collect();
                            predicted(&numbers, form, bytes, samples, predictor)
                        };
                        strips.push(pack(8, &rows.iter().flat_map(row).collect::<Vec<u8>>()));
                    }
                    let file = File::new(form, photometric, samples, depth)
                        .with(259, SHORT, &[8])
                        .with(317, SHORT, &[predictor])
                        .with(338, SHORT, &vec![2; samples / 4])
                        .with(339, SHORT, &vec![3; samples])
                        .with_chunks(false, strips)
                        .bytes();
                    for (at, found) in decoded(&file).data.iter().enumerate() {
                        let value = if photometric == 0 { 1.0 - value(at) } else { value(at) };
                        let expected = (value.clamp(0.0, 1.0) * 255.0).round() as u8;
                        assert_eq!(*found, expected, "{depth} bits, predictor {predictor}, {samples} samples");
                    }
                    mutate(&file, depth, 20);
                }
            }
        }
    }
}

fn predicted(numbers: &[u64], form: Form, bytes: usize, samples: usize, predictor: u64) -> Vec<u8> {
    match predictor {
        2 => {
            let left = |at: usize| at.checked_sub(samples).map_or(0, |left| numbers[left]);
            (0..numbers.len()).flat_map(|at| form.number(numbers[at].wrapping_sub(left(at)), bytes)).collect()
        }
        3 => {
            let mut sorted: Vec<u8> = (0..bytes)
                .flat_map(|byte| numbers.iter().map(move |number| number.to_le_bytes()[bytes - 1 - byte]))
                .collect();
            for at in (samples..sorted.len()).rev() {
                sorted[at] = sorted[at].wrapping_sub(sorted[at - samples]);
            }
            sorted
        }
        _ => numbers.iter().flat_map(|number| form.number(*number, bytes)).collect(),
    }
}

#[test]
fn chroma_of_any_sampling_with_its_factors_and_range() {
    for (across, down) in [(1, 1), (2, 1), (2, 2), (4, 1), (1, 2), (4, 4)] {
        for studio in [false, true] {
            let sample = |x: usize, y: usize, which: usize| ((x * 13 + y * 29 + which * 71) % 220 + 16) as u8;
            let mut strips = Vec::new();
            for top in (0..HEIGHT).step_by(8) {
                let mut strip = Vec::new();
                for y in (top..HEIGHT.min(top + 8)).step_by(down) {
                    for x in (0..WIDTH).step_by(across) {
                        strip.extend((y..y + down).flat_map(|y| (x..x + across).map(move |x| sample(x, y, 0))));
                        strip.extend([sample(x, y, 1), sample(x, y, 2)]);
                    }
                }
                strips.push(strip);
            }
            let mut file = File::new(Form::default(), 6, 3, 8).with(278, SHORT, &[8]);
            file = file.with(530, SHORT, &[across as u64, down as u64]);
            if studio {
                file = file.with(532, RATIONAL, &[16, 1, 235, 1, 128, 1, 240, 1, 128, 1, 240, 1]);
            }
            let file = file.with_chunks(false, strips).bytes();
            for (at, pixel) in decoded(&file).data.chunks_exact(3).enumerate() {
                let (x, y) = (at % WIDTH, at / WIDTH);
                let (left, top) = (x - x % across, y - y % down);
                let [luma, blue, red] = [sample(x, y, 0), sample(left, top, 1), sample(left, top, 2)].map(f64::from);
                let (luma, blue, red) = if studio {
                    let chroma = |value: f64| (value - 128.0) * 127.0 / 112.0;
                    ((luma - 16.0) * 255.0 / 219.0, chroma(blue), chroma(red))
                } else {
                    (luma, blue - 128.0, red - 128.0)
                };
                let rgb = [luma + 1.402 * red, luma - 0.344_136 * blue - 0.714_136 * red, luma + 1.772 * blue];
                for (found, expected) in pixel.iter().zip(rgb) {
                    let distance = (f64::from(*found) - expected.clamp(0.0, 255.0)).abs();
                    assert!(distance < 0.51, "{across}x{down}, studio {studio}: {pixel:?} should be {rgb:?}");
                }
            }
            mutate(&file, 7, 100);
        }
    }
}

#[test]
fn what_the_directory_does_not_say_is_found() {
    let file = of_samples(&File::new(Form::default(), 2, 3, 8), 8, |at| at as u64 & 255);
    let expected = decoded(&file.bytes());
    for tag in [279, 278, 262, 258] {
        let mut without = file.clone().without(tag);
        if tag == 258 {
            without = without.with(258, SHORT, &[8]);
        }
        assert_eq!(decoded(&without.bytes()), expected, "without tag {tag}");
    }
    // Four samples of which nothing is said have alpha, as before.
    let four = of_samples(&File::new(Form::default(), 2, 4, 8), 8, |at| at as u64 & 255);
    assert_eq!(decoded(&four.bytes()).layout, Layout::Rgba);
    for kind in [1, 3, 4, 6, 8, 9, 13, 16] {
        let width = file.clone().with(256, kind, &[WIDTH as u64]);
        assert_eq!(decoded(&width.bytes()), expected, "a width of type {kind}");
    }
    // Strips in succession whose lengths are not known.
    let strips = |rows: std::ops::Range<usize>| vec![rows.start as u8; rows.len() * WIDTH];
    let several = File::new(Form::default(), 1, 1, 8).with(259, SHORT, &[8]);
    let several = several.with_chunks(false, [0..5, 5..10, 10..13].map(|rows| pack(8, &strips(rows))).to_vec());
    assert_eq!(decoded(&several.clone().without(279).bytes()), decoded(&several.bytes()));
}

#[test]
fn what_is_not_read_is_named() {
    let file = of_samples(&File::new(Form::default(), 2, 3, 8), 8, |at| at as u64 & 255);
    let table: [(u16, &[u64], &str); 15] = [
        (259, &[6], "TIFF uses JPEG compression of the old kind, which is not supported"),
        (259, &[50_000], "TIFF uses Zstandard compression, which is not supported"),
        (259, &[50_001], "TIFF uses WebP compression, which is not supported"),
        (259, &[34_925], "TIFF uses LZMA compression, which is not supported"),
        (259, &[77], "TIFF uses compression 77, which is not supported"),
        (259, &[4], "TIFF is corrupt: its fax has 3 samples of 8 bits"),
        (262, &[8], "TIFF uses colours in L*a*b*, which is not supported"),
        (262, &[4], "TIFF uses an image that is a mask, which is not supported"),
        (262, &[5], "TIFF is corrupt: its colours are of 4 samples, its pixels of 3"),
        (258, &[12, 12, 12], "TIFF uses 12 bits a sample, which is not supported"),
        (258, &[8, 16, 8], "TIFF uses samples of 8 and of 16 bits in one image, which is not supported"),
        (339, &[6, 6, 6], "TIFF uses complex numbers as samples, which is not supported"),
        (339, &[3, 3, 3], "TIFF uses floats of 8 bits, which is not supported"),
        (278, &[0], "TIFF is corrupt: its strips or tiles are 21x0"),
        (257, &[14], "TIFF is too short to hold the 21x14 pixels it claims"),
    ];
    for (tag, values, text) in table {
        assert_eq!(refusal(&file.clone().with(tag, SHORT, values).bytes()), text);
    }
    let deflated = file.clone().with(259, SHORT, &[8]);
    assert_eq!(
        refusal(&deflated.clone().with_chunks(false, vec![pack(8, &[7; 100])]).bytes()),
        "TIFF is truncated: the data of a strip or tile end within its rows"
    );
    assert_eq!(refusal(&deflated.bytes()), "TIFF is corrupt: the compressed data of a strip or tile are broken");
    let far = file.with(273, LONG, &[1_000_000]).bytes();
    assert_eq!(refusal(&far), "TIFF is truncated: its pixels lie beyond its end");
}

/// A scan of A4 at 600 dpi with 16 bits, whose samples take 209 MB.
#[test]
fn a_large_scan_costs_its_picture_in_eight_bits_and_little_more() {
    let scan = File::new(Form::default(), 2, 3, 16).with(256, LONG, &[4960]).with(257, LONG, &[7016]);
    for (tag, value) in [(259, 8), (317, 2), (278, 7016)] {
        let scan = scan.clone().with(259, SHORT, &[8]).with(tag, LONG, &[value]);
        let strips = if tag == 278 { 1 } else { 7016_usize.div_ceil(5) };
        let scan = scan.with_chunks(false, vec![pack(8, &[0]); strips]).bytes();
        let image = crate::tiff::Image::read(&scan, &crate::Limits::default()).unwrap();
        assert!(image.memory_bytes_max() < 1 << 20, "{}", image.memory_bytes_max());
        let probe = crate::probe(&scan, &crate::Limits::default()).unwrap();
        let bytes = probe.memory_bytes_max(&[Rendition { width: Some(800), ..Rendition::default() }]);
        assert!(bytes < 200 << 20, "{bytes}");
    }
}
