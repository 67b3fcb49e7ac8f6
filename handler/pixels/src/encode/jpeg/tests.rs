//! The whole encoder, as other decoders see its files.

#![expect(clippy::cast_possible_truncation, reason = "the numbers of the tests are small")]

use std::io::Cursor;

use image::ImageDecoder as _;

use super::*;
use crate::area::Size;
use crate::jpeg::{Arena, Decoder, Scale, Window};
use crate::limits::Limits;
use crate::raster::{Layout, Raster};

/// Slopes, an edge and some grain, by integers only.
fn picture(width: u32, height: u32, layout: Layout) -> Raster {
    let mut state = 1_u32;
    let mut data = Vec::new();
    for y in 0..height {
        for x in 0..width {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let grain = state >> 29;
            let edge = if x * 3 + y > 110 { 60 } else { 0 };
            let pixel = [x * 2 + grain, 40 + y + edge + grain, 200_u32.saturating_sub(x / 2 + y) + grain]
                .map(|value| value.min(255) as u8);
            data.extend_from_slice(if layout == Layout::Gray { &pixel[1..2] } else { &pixel });
        }
    }
    Raster { size: Size { width, height }, layout, data }
}

fn file(image: &Raster, half_chroma: bool, quality: u8, effort: u8) -> Vec<u8> {
    encode(&Planes::from_raster(image, half_chroma).unwrap(), quality, effort).unwrap()
}

fn encode(planes: &Planes, quality: u8, effort: u8) -> Result<Vec<u8>, PixelError> {
    super::encode(planes, &Settings { quality, effort, progressive: None, icc: None })
}

/// The pixels by our own decoder and by zune-jpeg.
fn decoded(file: &[u8]) -> [(Size, Vec<u8>); 2] {
    let decoder = Decoder::new(file, &Limits::default()).unwrap();
    let ours = decoder.decode(Scale::Full, &Window::whole(decoder.size()), &mut Arena::default()).unwrap();
    let decoder = image::codecs::jpeg::JpegDecoder::new(Cursor::new(file)).unwrap();
    let (width, height) = decoder.dimensions();
    let mut theirs = vec![0; decoder.total_bytes() as usize];
    decoder.read_image(&mut theirs).unwrap();
    [(ours.size, ours.data), (Size { width, height }, theirs)]
}

fn psnr(one: &[u8], other: &[u8]) -> f64 {
    assert_eq!(one.len(), other.len());
    let squares: u32 = one.iter().zip(other).map(|(one, other)| u32::from(one.abs_diff(*other)).pow(2)).sum();
    let mean = f64::from(squares) / f64::from(one.len() as u32);
    10.0 * (255.0 * 255.0 / mean.max(1e-9)).log10()
}

/// The bodies of all segments before the first scan, by marker.
fn segments(file: &[u8]) -> Vec<(u8, &[u8])> {
    let mut rest = &file[2..];
    let mut segments = Vec::new();
    loop {
        let [0xff, marker, high, low, ..] = *rest else { panic!("no segment") };
        let (segment, after) = rest[2..].split_at(usize::from(u16::from_be_bytes([high, low])));
        segments.push((marker, &segment[2..]));
        if marker == 0xda {
            return segments;
        }
        rest = after;
    }
}

/// FNV-1a, 64 bits.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// What the kinds of planes are called, the layout, and whether chroma is halved.
const KINDS: [(&str, Layout, bool); 3] =
    [("gray", Layout::Gray, false), ("4:4:4", Layout::Rgb, false), ("4:2:0", Layout::Rgb, true)];

/// The files of `cjpeg -quality Q -sample AxA -optimize` of libjpeg-turbo 2.1.5 for the same pixels.
#[test]
fn baseline_files_are_those_of_libjpeg() {
    let table = [
        [0x8bd5_0510_fbe9_bc04, 0x3a2e_cb1c_d427_63f8, 0x6945_1509_20d6_251d],
        [0x9249_6652_d296_b126, 0xe9c6_dfb6_84b7_8e4d, 0xeb56_429e_3af7_0966],
        [0x6fa0_5827_aa2e_dfcd, 0xaed0_4d31_9986_92ea, 0xd2bc_6ad2_b961_e9d4],
    ];
    for (nth, (kind, layout, half)) in KINDS.into_iter().enumerate() {
        let image = picture(96, 64, layout);
        for (quality, expected) in [30, 80, 95].into_iter().zip(table[nth]) {
            assert_eq!(hash(&file(&image, half, quality, 4)), expected, "{kind} at {quality}");
        }
    }
}

/// The coefficients of an image by plain rounding.
fn rounded(planes: &Planes, quality: u8) -> Vec<Component> {
    let sampling = checked_sampling(planes, &Settings { quality, effort: 4, progressive: None, icc: None }).unwrap();
    let mut quantisers = [false, true].map(|chroma| Quantiser::new(&quantise::steps(chroma, quality)));
    quantised(planes, sampling, &mut quantisers).unwrap()
}

#[test]
fn progressive_files_hold_the_coefficients_of_baseline_ones() {
    for (kind, layout, half) in KINDS {
        // Sides that leave blocks of MCUs beyond the edge, and a flat image with the longest runs of ended blocks.
        let flat = Raster {
            size: Size { width: 1500, height: 1480 },
            layout,
            data: vec![77; 1500 * 1480 * layout.channels()],
        };
        for (image, quality) in [(picture(41, 73, layout), 20), (picture(130, 90, layout), 97), (flat, 80)] {
            let planes = Planes::from_raster(&image, half).unwrap();
            let components = rounded(&planes, quality);
            let files = [baseline, progressive].map(|scans| {
                let mut file = Vec::new();
                headers::start(&mut file, None, &[false, true].map(|chroma| quantise::steps(chroma, quality)));
                scans(&mut file, &planes, &components).unwrap();
                headers::end(&mut file);
                decoded(&file)
            });
            assert!(files[0] == files[1], "{kind} at {quality}");
        }
    }
}

/// All kinds of scans, whichever the script would choose: against the files of `cjpeg -progressive`.
#[test]
fn progressive_scans_are_those_of_libjpeg() {
    use progressive::Scan;

    let planes = Planes::from_raster(&picture(96, 64, Layout::Rgb), true).unwrap();
    let components = rounded(&planes, 80);
    let mut file = Vec::new();
    headers::start(&mut file, None, &[false, true].map(|chroma| quantise::steps(chroma, 80)));
    headers::frame(&mut file, Frame::Progressive, planes.size(), &components);
    for scan in [
        Scan::dc(0, 1),
        Scan::ac(0, (1, 5), 0, 2),
        Scan::ac(2, (1, 63), 0, 1),
        Scan::ac(1, (1, 63), 0, 1),
        Scan::ac(0, (6, 63), 0, 2),
        Scan::ac(0, (1, 63), 2, 1),
        Scan::dc(1, 0),
        Scan::ac(2, (1, 63), 1, 0),
        Scan::ac(1, (1, 63), 1, 0),
        Scan::ac(0, (1, 63), 1, 0),
    ] {
        progressive_scan(&mut file, &components, scan).unwrap();
    }
    headers::end(&mut file);
    assert_eq!(hash(&file), 0xff11_82bb_c5c4_e28f);
}

#[test]
fn effort_makes_files_smaller() {
    for (kind, layout, half) in KINDS {
        let image = picture(400, 300, layout);
        let [four, seven, nine] = [4, 7, 9].map(|effort| file(&image, half, 75, effort).len());
        assert!(seven * 100 < four * 98 && nine * 100 < four * 98, "{kind}: {four}, {seven}, {nine} bytes");
    }
}

#[test]
fn pictures_survive() {
    for (kind, layout, half) in KINDS {
        let image = picture(150, 83, layout);
        for (quality, floor) in [(30, 34.0), (75, 37.0), (90, 38.0), (100, 43.0)] {
            for effort in [4, 9] {
                for (size, pixels) in decoded(&file(&image, half, quality, effort)) {
                    assert_eq!(size, image.size);
                    let found = psnr(&image.data, &pixels);
                    assert!(found >= floor, "{found} dB for {kind} at {quality}, effort {effort}");
                }
            }
        }
    }
}

#[test]
fn every_small_size_survives() {
    for (kind, layout, half) in KINDS {
        for width in 1..=33 {
            for height in 1..=33 {
                let image = picture(width, height, layout);
                for effort in if (width + height) % 8 == 0 { [4, 9].as_slice() } else { &[4] } {
                    for (size, pixels) in decoded(&file(&image, half, 90, *effort)) {
                        assert_eq!(size, image.size);
                        let found = psnr(&image.data, &pixels);
                        assert!(found >= 28.0, "{found} dB for {kind} of {width}x{height}, effort {effort}");
                    }
                }
            }
        }
    }
}

#[test]
fn the_longest_side_is_encoded_and_a_longer_one_refused() {
    for (width, height) in [(65_535, 1), (1, 65_535)] {
        for (_, layout, half) in KINDS {
            let image = picture(width, height, layout);
            for (size, _) in decoded(&file(&image, half, 50, 4)) {
                assert_eq!(size, image.size);
            }
        }
    }
    let planes = Planes::from_raster(&picture(65_536, 1, Layout::Gray), false).unwrap();
    let error = encode(&planes, 80, 4).unwrap_err();
    assert_eq!(error.to_string(), "output of 65536x1 cannot be encoded as JPEG, whose sides end at 65535 pixels");
}

#[test]
fn headers_say_what_was_asked() {
    for (kind, layout, half) in KINDS {
        for effort in [4, 9] {
            let file = file(&picture(40, 20, layout), half, 75, effort);
            let segments = segments(&file);
            let of = |marker: u8| -> Vec<&[u8]> {
                segments.iter().filter(|(found, _)| *found == marker).map(|(_, body)| *body).collect()
            };
            assert_eq!(of(0xe0), [b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0"]);
            let components = match kind {
                "gray" => [1, 1, 0x11, 0].as_slice(),
                "4:4:4" => &[3, 1, 0x11, 0, 2, 0x11, 1, 3, 0x11, 1],
                _ => &[3, 1, 0x22, 0, 2, 0x11, 1, 3, 0x11, 1],
            };
            let frame = [[8, 0, 20, 0, 40].as_slice(), components].concat();
            assert_eq!(of(if effort == 9 { 0xc2 } else { 0xc0 }), [frame.as_slice()]);
            let tables = of(0xdb);
            assert_eq!(tables.len(), if kind == "gray" { 1 } else { 2 });
            for (number, table) in tables.iter().enumerate() {
                // In zigzag order the third is the first of the second row.
                let steps = quantise::steps(number == 1, 75);
                assert_eq!(
                    (table.len(), table[..4].to_vec()),
                    (65, vec![number as u8, steps[0], steps[1], steps[8]]),
                    "{kind}"
                );
            }
        }
    }
}

#[test]
fn a_profile_is_embedded_in_chunks() {
    let planes = Planes::from_raster(&picture(16, 16, Layout::Rgb), true).unwrap();
    let profile: Vec<u8> = (0..150_000_u32).map(|index| (index % 251) as u8).collect();
    let file =
        super::encode(&planes, &Settings { quality: 80, effort: 4, progressive: None, icc: Some(&profile) }).unwrap();
    let mut found = Vec::new();
    let all = segments(&file);
    let chunks = all.iter().filter(|(marker, _)| *marker == 0xe2);
    for (number, (_, body)) in (1..).zip(chunks) {
        assert_eq!(body[..14], *[b"ICC_PROFILE\0".as_slice(), &[number, 3]].concat());
        found.extend_from_slice(&body[14..]);
    }
    assert_eq!(found, profile);
    let mut decoder = image::codecs::jpeg::JpegDecoder::new(Cursor::new(&file)).unwrap();
    assert_eq!(decoder.icc_profile().unwrap(), Some(profile));

    let long = vec![0; ICC_BYTES_MAX + 1];
    assert!(super::encode(&planes, &Settings { quality: 80, effort: 4, progressive: None, icc: Some(&long) }).is_err());
}

#[test]
fn planes_of_other_shapes_are_an_error_of_ours() {
    let mut planes = Planes::from_raster(&picture(20, 20, Layout::Rgb), false).unwrap();
    let chroma = planes.chroma.as_mut().unwrap();
    chroma[0].size = Size { width: 10, height: 20 };
    chroma[0].data.truncate(200);
    chroma[1] = chroma[0].clone();
    let error = encode(&planes, 80, 4).unwrap_err();
    assert_eq!(error.to_string(), "encoding JPEG failed: planes of 20x20, 10x20 and 10x20 are neither 4:4:4 nor 4:2:0");
    planes.chroma = None;
    planes.luma.data.pop();
    assert!(encode(&planes, 80, 4).is_err());
}

/// The scans are another way to write the same coefficients: whatever the effort, the pixels are those of a baseline file.
#[test]
fn progressive_is_what_was_asked_for_and_shows_the_same_pixels() {
    for (width, height) in [(1, 1), (40, 20), (37, 19), (64, 64)] {
        for layout in [Layout::Gray, Layout::Rgb] {
            for half_chroma in [false, true] {
                let planes = Planes::from_raster(&picture(width, height, layout), half_chroma).unwrap();
                for (effort, by_effort) in [(0, false), (4, false), (6, false), (7, true), (9, true)] {
                    let file = |progressive| {
                        let settings = Settings { quality: 82, effort, progressive, icc: None };
                        super::encode(&planes, &settings).unwrap()
                    };
                    let [baseline, progressive] = [false, true].map(|wanted| file(Some(wanted)));
                    let has = |file: &[u8], marker: u8| segments(file).iter().any(|(found, _)| *found == marker);
                    assert!(has(&baseline, 0xc0) && !has(&baseline, 0xc2), "effort {effort}");
                    assert!(has(&progressive, 0xc2) && !has(&progressive, 0xc0), "effort {effort}");
                    assert_eq!(file(None), if by_effort { progressive.clone() } else { baseline.clone() });
                    assert_eq!(
                        decoded(&baseline),
                        decoded(&progressive),
                        "{width}x{height} {layout:?} effort {effort}"
                    );
                }
            }
        }
    }
}
