use super::*;
use crate::samples::{self, lying, quarters};

fn claim(format: InputFormat, width: u32, height: u32) -> Result<Probe, PixelError> {
    probe(&lying(format, width, height), &Limits::default())
}

#[test]
fn every_format_is_probed() {
    for format in samples::FORMATS {
        let found = probe(&samples::file(&quarters(33, 21), format), &Limits::default()).unwrap();
        assert_eq!((found.format, found.width, found.height), (format, 33, 21));
        assert_eq!(found.orientation, Orientation::Upright);
        assert!(!found.animated);
    }
}

#[test]
fn headers_that_claim_too_much_are_refused_by_name() {
    use InputFormat::{Bmp, Gif, Jpeg, Png, Tiff, Webp};
    let table = [
        (Jpeg, 65_500, "image is 65500x65500 (4290.25 MP); the limit is 50 MP (MAX_PIXELS)"),
        (Png, 50_000, "image is 50000x50000 (2500 MP); the limit is 50 MP (MAX_PIXELS)"),
        (Webp, 16_383, "image is 16383x16383 (268.41 MP); the limit is 50 MP (MAX_PIXELS)"),
        (Gif, 65_535, "image is 65535x65535 (4294.84 MP); the limit is 50 MP (MAX_PIXELS)"),
        (Tiff, 100_000, "image is 100000x100000 (10000 MP); the limit is 50 MP (MAX_PIXELS)"),
        (Bmp, 40_000, "image is 40000x40000 (1600 MP); the limit is 50 MP (MAX_PIXELS)"),
    ];
    for (format, side, text) in table {
        let error = claim(format, side, side).unwrap_err();
        assert_eq!(error.to_string(), text);
        assert_eq!(error.fault(), crate::Fault::Limit);
    }
    assert!(matches!(claim(Png, 100_000, 10), Err(PixelError::SideTooLong { .. })));
}

#[test]
fn limits_are_exact() {
    let bytes = samples::file(&quarters(40, 25), InputFormat::Png);
    let with = |pixels_max| probe(&bytes, &Limits { pixels_max, ..Limits::default() });
    assert!(with(1000).is_ok());
    assert!(matches!(with(999), Err(PixelError::TooManyPixels { .. })));
    let with = |file_bytes_max| probe(&bytes, &Limits { file_bytes_max, ..Limits::default() });
    assert!(with(bytes.len() as u64).is_ok());
    assert!(matches!(with(bytes.len() as u64 - 1), Err(PixelError::FileTooLong { .. })));
}

/// Within the pixel limit, and still provably a lie.
#[test]
fn files_too_short_for_their_claim_are_refused() {
    for format in [InputFormat::Jpeg, InputFormat::Png, InputFormat::Tiff] {
        let error = claim(format, 7000, 7000).unwrap_err();
        let text = format!("{format} is too short to hold the 7000x7000 pixels it claims");
        assert_eq!(error.to_string(), text);
    }
    assert!(matches!(claim(InputFormat::Bmp, 7000, 7000), Err(PixelError::Truncated { .. })));
}

#[test]
fn empty_scans_are_counted() {
    let mut bytes = samples::jpeg(&quarters(16, 16), true);
    let end = bytes.len() - 2;
    let scan = [0xff, 0xda, 0, 8, 1, 1, 0, 0, 0, 0];
    for _ in 0..101 {
        bytes.splice(end..end, scan);
    }
    assert_eq!(probe(&bytes, &Limits::default()), Err(PixelError::TooManyScans { scans_max: 100 }));
}

#[test]
fn empty_segments_are_counted() {
    let good = samples::jpeg(&quarters(16, 16), false);
    let with = |comments: usize| {
        let comments = [0xff, 0xfe, 0, 2].repeat(comments);
        probe(&[&good[..2], &comments, &good[2..]].concat(), &Limits::default())
    };
    assert!(with(8000).is_ok());
    let text = with(8192).unwrap_err().to_string();
    assert!(text.starts_with("JPEG is corrupt: it has more than 8192 segments"), "{text}");
}

#[test]
fn features_that_are_not_read_are_named() {
    let with = |marker: u8| {
        let mut bytes = samples::file(&quarters(16, 16), InputFormat::Jpeg);
        let at = bytes.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap() + 1;
        bytes[at] = marker;
        probe(&bytes, &Limits::default()).unwrap_err().to_string()
    };
    assert_eq!(with(0xc3), "JPEG uses lossless coding, which is not supported");
    assert_eq!(with(0xc9), "JPEG uses arithmetic coding, which is not supported");
    assert_eq!(with(0xca), "JPEG uses arithmetic coding, which is not supported");
    assert_eq!(with(0xc5), "JPEG uses hierarchical coding, which is not supported");
    let mut deep = samples::file(&quarters(16, 16), InputFormat::Jpeg);
    let at = deep.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    deep[at + 4] = 12;
    let text = probe(&deep, &Limits::default()).unwrap_err().to_string();
    assert_eq!(text, "JPEG uses 12 bits a sample, which is not supported");
}

/// One component after the other: rare, but it is what some encoders write with optimised tables.
#[test]
fn baseline_coding_in_several_scans_is_read() {
    let file = |pixels: &[u8], color| {
        let mut bytes = Vec::new();
        let mut encoder = jpeg_encoder::Encoder::new(&mut bytes, 80);
        encoder.set_optimized_huffman_tables(true);
        encoder.encode(pixels, 16, 16, color).unwrap();
        bytes
    };
    let rgb = file(&[90; 16 * 16 * 3], jpeg_encoder::ColorType::Rgb);
    assert!(!probe(&rgb, &Limits::default()).unwrap().is_inks);
    let inks = file(&[90; 16 * 16 * 4], jpeg_encoder::ColorType::Cmyk);
    assert!(probe(&inks, &Limits::default()).unwrap().is_inks);
}

#[test]
fn every_orientation_is_found_in_every_format_that_carries_one() {
    let upright = quarters(48, 32);
    for format in [InputFormat::Jpeg, InputFormat::Png, InputFormat::Webp, InputFormat::Tiff] {
        for number in 1..=8 {
            let found = probe(&samples::oriented(&upright, format, number), &Limits::default()).unwrap();
            assert_eq!(found.orientation.exif(), number, "{format}");
            assert_eq!(found.oriented_size(), Size { width: 48, height: 32 }, "{format} {number}");
        }
        for number in [0, 9, 999] {
            let found = probe(&samples::oriented(&upright, format, number), &Limits::default()).unwrap();
            assert_eq!(found.orientation, Orientation::Upright, "{format} {number}");
        }
    }
}

/// As in sharp: a later block is of a thumbnail, or of an editor that appends.
#[test]
fn the_first_block_of_exif_decides_also_by_saying_nothing() {
    let mute = &samples::exif(6)[..8].iter().copied().chain([0, 0]).collect::<Vec<u8>>()[..];
    let turned = |file: &[u8]| probe(file, &Limits::default()).unwrap().orientation.exif();
    let jpeg = samples::oriented(&quarters(48, 32), InputFormat::Jpeg, 6);
    let png = samples::oriented(&quarters(48, 32), InputFormat::Png, 6);
    let webp = samples::oriented(&quarters(48, 32), InputFormat::Webp, 6);
    assert_eq!((turned(&jpeg), turned(&png), turned(&webp)), (6, 6, 6));
    // Each is put before what is there.
    for (first, expected) in [(mute.to_vec(), 1), (samples::exif(3), 3)] {
        let body = [b"Exif\0\0", first.as_slice()].concat();
        assert_eq!(turned(&samples::with_jpeg_segment(&jpeg, 0xe1, &body)), expected);
        assert_eq!(turned(&samples::with_png_chunk(&png, *b"eXIf", &first)), expected);
        let (head, rest) = webp[12..].split_at(18);
        assert_eq!(turned(&samples::riff(&[head, &samples::webp_chunk(*b"EXIF", &first), rest].concat())), expected);
    }
}

#[test]
fn a_bitmap_whose_pixels_would_be_its_headers_is_refused() {
    let good = samples::file(&quarters(16, 16), InputFormat::Bmp);
    let header_bytes = u32::from_le_bytes(good[14..18].try_into().unwrap());
    for at in [1, 13, 14, 13 + header_bytes] {
        let file = [&good[..10], &at.to_le_bytes(), &good[14..]].concat();
        let error = probe(&file, &Limits::default()).unwrap_err().to_string();
        assert_eq!(error, format!("BMP is corrupt: its pixels would begin at byte {at}, within its headers"));
    }
}

#[test]
fn the_price_follows_format_depth_and_alpha() {
    let per_hundred_pixels = |bytes: &[u8]| {
        let found = probe(bytes, &Limits::default()).unwrap();
        (found.decoded_bytes_max() - BASE_BYTES) * 100 / found.size().pixels()
    };
    let picture = quarters(640, 480);
    let baseline = per_hundred_pixels(&samples::jpeg(&picture, false));
    let progressive = per_hundred_pixels(&samples::jpeg(&picture, true));
    assert!((600..700).contains(&baseline), "{baseline}");
    assert!((baseline + 30..baseline + 200).contains(&progressive), "{progressive}");
    assert!((1190..1210).contains(&per_hundred_pixels(&samples::file(&picture, InputFormat::Png))));
    let deep = image::DynamicImage::ImageRgba16(picture.to_rgba16());
    assert!((1590..1610).contains(&per_hundred_pixels(&samples::file(&deep, InputFormat::Png))));
}
