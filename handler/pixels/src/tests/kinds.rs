//! Every kind of every format, by what is seen of it.

use image::{GrayImage, Rgb, RgbImage};

use super::files::{self, GRAY, GRAY_ALPHA, GRAYS, HEIGHT, PALETTE, Packing, RGB, RGB_ALPHA, WIDTH};
use super::samples::png_chunk;
use super::*;

fn shown(bytes: &[u8]) -> DynamicImage {
    picture(&one(bytes, to_width(u32::try_from(WIDTH).unwrap(), OutputFormat::Png)))
}

fn assert_grays(picture: &DynamicImage, case: &str) {
    let (width, height) = picture.dimensions();
    let places = [(1, 1), (width - 2, 1), (1, height - 2), (width - 2, height - 2)];
    for (place, gray) in places.into_iter().zip(GRAYS) {
        assert_color(picture, place, [gray; 3], case);
    }
}

#[test]
fn png_of_every_depth_and_colour_plain_and_interlaced() {
    let kinds: [(u8, &[u8]); 5] =
        [(GRAY, &[2, 4, 8, 16]), (RGB, &[8, 16]), (PALETTE, &[2, 4, 8]), (GRAY_ALPHA, &[8, 16]), (RGB_ALPHA, &[8, 16])];
    for (color, depths) in kinds {
        for depth in depths {
            for interlaced in [false, true] {
                let case = format!("colour type {color}, {depth} bits, interlaced {interlaced}");
                let found = shown(&files::png(*depth, color, interlaced, &[]));
                let assert = if matches!(color, GRAY | GRAY_ALPHA) { assert_grays } else { assert_quarters };
                assert(&found, &case);
            }
        }
    }
    for interlaced in [false, true] {
        let gray = shown(&files::png(1, GRAY, interlaced, &[]));
        assert_color(&gray, (1, 1), [0; 3], "one bit");
        assert_color(&gray, (30, 24), [255; 3], "one bit");
        let palette = shown(&files::png(1, PALETTE, interlaced, &[]));
        assert_color(&palette, (1, 1), QUARTERS[0], "a palette of one bit");
        assert_color(&palette, (30, 24), QUARTERS[1], "a palette of one bit");
    }
}

#[test]
fn png_with_a_transparent_colour() {
    let corner = |bytes: &[u8], x| shown(bytes).to_rgba8().get_pixel(x, 1).0[3];
    let first = |depth: u8, color: u8, key: &[u8]| files::png(depth, color, false, &png_chunk(*b"tRNS", key));
    let wide = |value: u8| [value, value];
    for (case, bytes) in [
        ("palette", first(8, PALETTE, &[0, 255])),
        ("palette of two bits", first(2, PALETTE, &[0])),
        ("gray", first(8, GRAY, &[0, 0])),
        ("gray of two bits", first(2, GRAY, &[0, 0])),
        ("RGB", first(8, RGB, &QUARTERS[0].map(|value| [0, value]).concat())),
        ("RGB of sixteen bits", first(16, RGB, &QUARTERS[0].map(wide).concat())),
    ] {
        assert_eq!((corner(&bytes, 1), corner(&bytes, 30)), (0, 255), "{case}");
        assert!(probe(&bytes, &Limits::default()).unwrap().has_alpha, "{case}");
    }
}

#[test]
fn an_animated_png_shows_its_first_frame() {
    let control = |number: u8| {
        let side = |side: usize| u32::try_from(side).unwrap().to_be_bytes();
        [&[0, 0, 0, number], side(WIDTH).as_slice(), &side(HEIGHT), &[0; 8], &[0, 1, 0, 10, 0, 0]].concat()
    };
    let before = [png_chunk(*b"acTL", &[0, 0, 0, 2, 0, 0, 0, 0]), png_chunk(*b"fcTL", &control(0))].concat();
    let mut bytes = files::png(8, RGB, false, &before);
    let end = bytes.len() - 12;
    let still = files::png(8, GRAY, false, &[]);
    let data = still.windows(4).position(|kind| kind == b"IDAT").unwrap() + 4;
    let second = [&[0, 0, 0, 2], &still[data..still.len() - 16]].concat();
    bytes.splice(end..end, [png_chunk(*b"fcTL", &control(1)), png_chunk(*b"fdAT", &second)].concat());
    assert!(probe(&bytes, &Limits::default()).unwrap().animated);
    assert_quarters(&shown(&bytes), "APNG");
}

#[test]
fn jpeg_of_every_sampling_and_kind_of_colour() {
    use jpeg_encoder::{ColorType, Encoder, SamplingFactor as Sampling};
    let quarters = quarters(WIDTH.try_into().unwrap(), HEIGHT.try_into().unwrap()).to_rgb8();
    let (width, height) = (u16::try_from(WIDTH).unwrap(), u16::try_from(HEIGHT).unwrap());
    let encoded = |pixels: &[u8], color: ColorType, sampling: Sampling, progressive: bool| {
        let mut bytes = Vec::new();
        let mut encoder = Encoder::new(&mut bytes, 95);
        encoder.set_sampling_factor(sampling);
        encoder.set_progressive(progressive);
        encoder.encode(pixels, width, height, color).unwrap();
        bytes
    };
    let samplings = [
        Sampling::F_1_1,
        Sampling::F_2_1,
        Sampling::F_1_2,
        Sampling::F_2_2,
        Sampling::F_4_1,
        Sampling::F_1_4,
        Sampling::F_4_2,
        Sampling::F_2_4,
    ];
    for progressive in [false, true] {
        for sampling in samplings {
            let bytes = encoded(&quarters, ColorType::Rgb, sampling, progressive);
            assert_quarters(&shown(&bytes), &format!("{sampling:?}, progressive {progressive}"));
            assert!(!probe(&bytes, &Limits::default()).unwrap().is_jpeg_fallback());
        }
        let gray = GrayImage::from_fn(width.into(), height.into(), |x, y| {
            image::Luma([GRAYS[files::quarter(x as usize, y as usize)]])
        });
        assert_grays(&shown(&encoded(&gray, ColorType::Luma, Sampling::F_1_1, progressive)), "gray");
        // Adobe's way: the amount of ink, inverted, and its marker says whether three of them are YCbCr.
        let inks: Vec<u8> = quarters.pixels().flat_map(|Rgb([r, g, b])| [255 - r, 255 - g, 255 - b, 0]).collect();
        for color in [ColorType::Cmyk, ColorType::CmykAsYcck] {
            let bytes = encoded(&inks, color, Sampling::F_1_1, progressive);
            assert_quarters(&shown(&bytes), &format!("{color:?}, progressive {progressive}"));
            assert!(probe(&bytes, &Limits::default()).unwrap().is_jpeg_fallback());
        }
    }
}

#[test]
fn tiff_in_strips_and_tiles_with_every_packing_and_in_four_inks() {
    for packing in Packing::ALL {
        for tiled in [false, true] {
            for inks in [false, true] {
                let case = format!("{packing:?}, tiled {tiled}, inks {inks}");
                assert_quarters(&shown(&files::tiff(packing, tiled, inks)), &case);
            }
        }
    }
}

#[test]
fn bmp_of_every_depth_from_either_end_and_in_runs() {
    for from_top in [false, true] {
        for bits in [4, 8, 16, 24, 32] {
            assert_quarters(&shown(&files::bmp(bits, from_top, false)), &format!("{bits} bits, from top {from_top}"));
        }
    }
    let one_bit = shown(&files::bmp(1, false, false));
    assert_color(&one_bit, (1, 1), QUARTERS[0], "one bit");
    assert_color(&one_bit, (30, 1), QUARTERS[1], "one bit");
    assert_quarters(&shown(&files::bmp(8, false, true)), "runs");
}

#[test]
fn the_first_frame_of_an_animation_lies_where_it_says() {
    let patch = DynamicImage::ImageRgb8(RgbImage::from_pixel(8, 8, Rgb([200, 40, 40])));
    for (case, bytes) in
        [("GIF", files::offset_gif(&patch, 4, 10, (20, 24))), ("WebP", files::animated_webp(&patch, 4, 10, (20, 24)))]
    {
        let output = picture(&one(&bytes, to_width(20, OutputFormat::Png))).to_rgba8();
        assert_eq!(output.dimensions(), (20, 24), "{case}");
        for (place, alpha) in [((2, 12), 0), ((8, 8), 0), ((6, 12), 255), ((10, 16), 255), ((14, 14), 0), ((8, 20), 0)]
        {
            assert_eq!(output.get_pixel(place.0, place.1).0[3], alpha, "{case} at {place:?}");
        }
        assert_color(&DynamicImage::ImageRgba8(output), (8, 14), [200, 40, 40], case);
    }
    assert!(probe(&files::animated_webp(&patch, 4, 10, (20, 24)), &Limits::default()).unwrap().animated);
}

/// The decoder panics at some of these, and only that of a whole number of colours means anything.
#[test]
fn a_palette_of_broken_colours_is_refused() {
    let good = files::png(8, 3, false, &[]);
    assert!(probe(&good, &Limits::default()).is_ok());
    let at = good.windows(4).position(|kind| kind == b"PLTE").unwrap();
    let length = usize::from(u16::from_be_bytes([good[at - 2], good[at - 1]]));
    for bytes in [0_u16, 1, 4, 700, 771] {
        let palette = [&[0, 0], &bytes.to_be_bytes()[..], b"PLTE", &vec![7; usize::from(bytes)], &[0; 4]].concat();
        let file = [&good[..at - 4], &palette, &good[at + 8 + length..]].concat();
        let text = probe(&file, &Limits::default()).unwrap_err().to_string();
        assert!(text.starts_with(&format!("PNG is corrupt: its palette has {bytes} bytes")), "{text}");
    }
}

#[test]
fn a_frame_beyond_the_image_is_refused() {
    let good = files::animated_webp(&quarters(16, 16), 0, 0, (16, 16));
    assert!(probe(&good, &Limits::default()).is_ok());
    let at = good.windows(4).position(|kind| kind == b"ANMF").unwrap() + 8;
    for (field, text) in [(0, "18x16"), (3, "16x18")] {
        let mut bytes = good.clone();
        bytes[at + field] = 1;
        let error = probe(&bytes, &Limits::default()).unwrap_err().to_string();
        assert_eq!(error, format!("WebP is corrupt: its first frame ends at {text}, the image at 16x16"));
    }
}

#[test]
fn a_tiff_tag_of_many_values_is_refused_before_there_is_room_for_them() {
    let mut bytes = files::tiff(Packing::None, false, false);
    let at = bytes.windows(4).position(|entry| entry == [6, 1, 3, 0]).unwrap();
    let end = u32::try_from(bytes.len()).unwrap();
    bytes[at + 4..at + 8].copy_from_slice(&0x1000_0000_u32.to_le_bytes());
    bytes[at + 8..at + 12].copy_from_slice(&end.to_le_bytes());
    let refused = |bytes: &[u8]| probe(bytes, &Limits::default()).unwrap_err().to_string();
    assert_eq!(refused(&bytes), "TIFF is truncated: a table lies beyond its end");
    bytes[at + 4..at + 8].copy_from_slice(&65_u32.to_le_bytes());
    bytes.extend([0; 130]);
    assert_eq!(refused(&bytes), "TIFF is corrupt: tag 262 has 65 values; at most 64 make sense");
}

#[test]
fn what_is_not_read_is_named() {
    for (bytes, name) in [
        (b"\0\0\0\x1cftypavif\0\0\0\0".as_slice(), "AVIF"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "HEIC"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        (b"%PDF-1.7\n", "PDF"),
        (b"\xff\x0a\x01\x02", "JPEG XL"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
        (b"\0\0\0\x20ftypisom", "a video (MP4 or QuickTime)"),
    ] {
        assert_eq!(
            probe(bytes, &Limits::default()).unwrap_err().to_string(),
            format!("file is {name}, which is not supported; accepted are JPEG, PNG, WebP, GIF, TIFF and BMP")
        );
    }
    let huge = super::samples::lying(InputFormat::Png, 30_000, 30_000);
    let text = probe(&huge, &Limits::default()).unwrap_err().to_string();
    assert_eq!(text, "image is 30000x30000 (900 MP); the limit is 50 MP (MAX_PIXELS)");
}
