//! Fax and JPEG within TIFF, and the older LZW.

use fax::maps::{black, white};
use fax::{BitWriter as _, Bits, Color, VecWriter};
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};

use super::file::{File, Form, HEIGHT, LONG, SHORT, WIDTH, pack};
use super::{decoded, mutate, refusal};
use crate::area::{Size, Window};
use crate::jpeg::{Arena, Decoder, Scale};
use crate::limits::Limits;

/// Black and white with long runs and short ones, rows that begin with either, and rows of one colour.
fn is_black(width: usize, x: usize, y: usize) -> bool {
    match y % 5 {
        0 => false,
        1 => true,
        2 => x.is_multiple_of(2),
        3 => x < width / 2,
        _ => (x * x + y * 31) % 97 < 40,
    }
}

fn run(writer: &mut VecWriter, black: bool, mut length: u16) {
    let mut code = |length| {
        let code = if black { black::encode(length) } else { white::encode(length) };
        writer.write(code.unwrap()).unwrap();
    };
    while length >= 2560 {
        code(2560);
        length -= 2560;
    }
    if length >= 64 {
        code(length / 64 * 64);
    }
    code(length % 64);
}

fn runs(writer: &mut VecWriter, width: usize, y: usize) {
    let (mut black, mut start) = (false, 0);
    for x in 0..=width {
        if x == width || is_black(width, x, y) != black {
            run(writer, black, u16::try_from(x - start).unwrap());
            (black, start) = (!black, x);
        }
    }
}

const END_OF_LINE: Bits = Bits { data: 1, len: 12 };

/// The rows of a strip by the number of a compression.
fn faxed(compression: u64, width: usize, rows: std::ops::Range<usize>) -> Vec<u8> {
    match compression {
        2 => rows
            .flat_map(|y| {
                let mut writer = VecWriter::new();
                runs(&mut writer, width, y);
                writer.finish()
            })
            .collect(),
        3 => {
            let mut writer = VecWriter::new();
            for y in rows {
                writer.write(END_OF_LINE).unwrap();
                runs(&mut writer, width, y);
            }
            for _ in 0..6 {
                writer.write(END_OF_LINE).unwrap();
            }
            writer.finish()
        }
        _ => {
            let mut encoder = fax::encoder::Encoder::new(VecWriter::new());
            for y in rows {
                let color = |x| if is_black(width, x, y) { Color::Black } else { Color::White };
                encoder.encode_line((0..width).map(color), u16::try_from(width).unwrap()).unwrap();
            }
            encoder.finish().unwrap().finish()
        }
    }
}

#[test]
fn fax_of_every_group_in_either_order_of_bits() {
    for width in [1, 7, 8, WIDTH, 640, 5300] {
        for compression in [2, 3, 4] {
            for reversed in [false, true] {
                let mut strips: Vec<Vec<u8>> =
                    [0..5, 5..10, 10..13].map(|rows| faxed(compression, width, rows)).to_vec();
                if reversed {
                    for byte in strips.iter_mut().flatten() {
                        *byte = byte.reverse_bits();
                    }
                }
                let file = File::new(Form::default(), 0, 1, 1)
                    .with(256, LONG, &[width as u64])
                    .with(259, SHORT, &[compression])
                    .with(266, SHORT, &[1 + u64::from(reversed)])
                    .with_chunks(false, strips)
                    .bytes();
                let expected =
                    (0..width * HEIGHT).map(|at| if is_black(width, at % width, at / width) { 0 } else { 255 });
                assert_eq!(decoded(&file).data, expected.collect::<Vec<u8>>(), "{compression}, {width} wide");
                mutate(&file, compression, 100);
            }
        }
    }
}

/// Rows of group 3 with a bit that says how each is coded: runs, then the differences that group 4 has.
#[test]
fn fax_of_two_dimensions() {
    let mut writer = VecWriter::new();
    for y in 0..HEIGHT {
        writer.write(END_OF_LINE).unwrap();
        writer.write(Bits { data: u16::from(y.is_multiple_of(2)), len: 1 }).unwrap();
        if y.is_multiple_of(2) {
            runs(&mut writer, WIDTH, y / 2);
        } else {
            // As above, to the end: every change is where it was.
            let changes =
                (0..WIDTH).filter(|x| is_black(WIDTH, *x, y / 2) != (*x > 0 && is_black(WIDTH, x - 1, y / 2)));
            for _ in 0..=changes.count() {
                writer.write(Bits { data: 1, len: 1 }).unwrap();
            }
        }
    }
    let file = File::new(Form::default(), 0, 1, 1).with(259, SHORT, &[3]).with(292, LONG, &[1]).without(278);
    let file = file.with_chunks(false, vec![writer.finish()]).bytes();
    let black = |at: usize| is_black(WIDTH, at % WIDTH, at / WIDTH / 2);
    let expected = (0..WIDTH * HEIGHT).map(|at| if black(at) { 0 } else { 255 });
    assert_eq!(decoded(&file).data, expected.collect::<Vec<u8>>());
    mutate(&file, 3, 500);
}

#[test]
fn lzw_from_the_lowest_bit() {
    let bytes: Vec<u8> = (0..WIDTH * HEIGHT).map(|at| (at * at % 251) as u8).collect();
    let old = weezl::encode::Encoder::new(weezl::BitOrder::Lsb, 8).encode(&bytes).unwrap();
    let file = File::new(Form::default(), 1, 1, 8).with(259, SHORT, &[5]).without(278);
    for packed in [old, pack(5, &bytes)] {
        assert_eq!(decoded(&file.clone().with_chunks(false, vec![packed]).bytes()).data, bytes);
    }
}

fn photo(width: usize, height: usize, channels: usize) -> Vec<u8> {
    (0..width * height * channels)
        .map(|at| {
            let (x, y, channel) = (at / channels % width, at / channels / width, at % channels);
            (128.0 + 90.0 * ((x as f32 / 9.0).sin() + (y as f32 / 7.0 + channel as f32).cos()) / 2.0) as u8
        })
        .collect()
}

fn jpeg(width: u16, height: u16, color: ColorType, sampling: SamplingFactor) -> Vec<u8> {
    let channels = match color {
        ColorType::Luma => 1,
        ColorType::Cmyk => 4,
        _ => 3,
    };
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, 90);
    encoder.set_sampling_factor(sampling);
    encoder.encode(&photo(width.into(), height.into(), channels), width, height, color).unwrap();
    bytes
}

/// The segments of tables as a file of their own, and the rest of the file; without what says what the colours are.
fn apart(jpeg: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let (mut tables, mut rest, mut at) = (vec![0xff, 0xd8], vec![0xff, 0xd8], 2);
    while jpeg[at + 1] != 0xda {
        let end = at + 2 + usize::from(u16::from_be_bytes([jpeg[at + 2], jpeg[at + 3]]));
        match jpeg[at + 1] {
            0xdb | 0xc4 => tables.extend(&jpeg[at..end]),
            0xe0..=0xef => {}
            _ => rest.extend(&jpeg[at..end]),
        }
        at = end;
    }
    rest.extend(&jpeg[at..]);
    tables.extend([0xff, 0xd9]);
    (tables, rest)
}

#[test]
fn jpeg_in_tiff_has_the_pixels_of_its_jpegs() {
    let sizes = [(WIDTH, 8), (WIDTH, 5)];
    for (photometric, color) in [(1, ColorType::Luma), (6, ColorType::Rgb), (2, ColorType::Rgb)] {
        for sampling in [SamplingFactor::F_1_1, SamplingFactor::F_2_2] {
            let samples = if photometric == 1 { 1 } else { 3 };
            let (mut strips, mut tables, mut expected) = (Vec::new(), Vec::new(), Vec::new());
            for (width, height) in sizes {
                let file = jpeg(width as u16, height as u16, color, sampling);
                let (own_tables, rest) = apart(&file);
                let decoder = Decoder::new(&file, &Limits::default()).unwrap();
                let size = Size { width: width as u32, height: height as u32 };
                let decoder = decoder.with_ycbcr(photometric == 6);
                let own = decoder.decode(Scale::Full, &Window::whole(size), &mut Arena::default()).unwrap();
                expected.extend(own.data);
                tables = own_tables.iter().map(|byte| u64::from(*byte)).collect();
                strips.push(rest);
            }
            let file = File::new(Form::default(), photometric, samples, 8)
                .with(259, SHORT, &[7])
                .with(278, SHORT, &[8])
                .with(347, 7, &tables)
                .with_chunks(false, strips)
                .bytes();
            assert_eq!(decoded(&file).data, expected, "{photometric}");
            mutate(&file, photometric, 300);
        }
    }
}

#[test]
fn jpeg_in_tiles_and_in_four_inks() {
    let tile = jpeg(32, 32, ColorType::Rgb, SamplingFactor::F_2_2);
    let whole = Decoder::new(&tile, &Limits::default()).unwrap();
    let window = Window::whole(Size { width: 32, height: 32 });
    let whole = whole.decode(Scale::Full, &window, &mut Arena::default()).unwrap().data;
    let file =
        File::new(Form::default(), 6, 3, 8).with(259, SHORT, &[7]).with(322, SHORT, &[32]).with(323, SHORT, &[32]);
    let file = file.without(278).with_chunks(true, vec![tile]).bytes();
    let expected = whole.chunks_exact(32 * 3).take(HEIGHT).flat_map(|row| row[..WIDTH * 3].to_vec());
    assert_eq!(decoded(&file).data, expected.collect::<Vec<u8>>());

    let inks = jpeg(WIDTH as u16, HEIGHT as u16, ColorType::Cmyk, SamplingFactor::F_1_1);
    let file = File::new(Form::default(), 5, 4, 8).with(259, SHORT, &[7]).without(278);
    let file = file.with_chunks(false, vec![inks]).bytes();
    assert_eq!(decoded(&file).data.len(), WIDTH * HEIGHT * 3);
    let narrow = jpeg(9, HEIGHT as u16, ColorType::Rgb, SamplingFactor::F_1_1);
    let file = File::new(Form::default(), 6, 3, 8).with(259, SHORT, &[7]).without(278);
    let text = refusal(&file.clone().with_chunks(false, vec![narrow]).bytes());
    assert_eq!(text, "TIFF is corrupt: a JPEG within it is 9 pixels wide, of 3 samples, its place 21, of 3");
    let high = jpeg(21, 14, ColorType::Rgb, SamplingFactor::F_1_1);
    let text = refusal(&file.with_chunks(false, vec![high]).bytes());
    assert_eq!(text, "TIFF is corrupt: a JPEG within it is 21x14, its place is 21x13");
}
