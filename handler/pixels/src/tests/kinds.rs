//! Every kind of every format, by what is seen of it.

use image::{GrayImage, Rgb, RgbImage};

use super::files::{self, GRAY, GRAY_ALPHA, GRAYS, HEIGHT, PALETTE, Packing, RGB, RGB_ALPHA, WIDTH};
use super::samples::png_chunk;
use super::*;
use crate::format::ACCEPTED;

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
        // As in libpng, bits that no pixel has do not count.
        ("gray of two bits, with others set", first(2, GRAY, &[0, 0xfc])),
        ("gray of four bits, with others set", first(4, GRAY, &[1, 0xf0])),
        ("gray of eight bits, with others set", first(8, GRAY, &[0xff, 0])),
        ("RGB", first(8, RGB, &QUARTERS[0].map(|value| [0, value]).concat())),
        ("RGB of sixteen bits", first(16, RGB, &QUARTERS[0].map(wide).concat())),
    ] {
        assert_eq!((corner(&bytes, 1), corner(&bytes, 30)), (0, 255), "{case}");
        assert!(probe(&bytes, &Limits::default()).unwrap().has_alpha, "{case}");
    }
    let bit = shown(&first(1, GRAY, &[0xff, 0xfe])).to_rgba8();
    assert_eq!((bit.get_pixel(1, 1).0[3], bit.get_pixel(30, 24).0[3]), (0, 255), "gray of one bit, with others set");
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
            assert!(probe(&bytes, &Limits::default()).unwrap().is_inks);
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

/// Headers that are shorter, longer or less true than those of Windows.
#[test]
fn bmp_of_other_writers() {
    let header = |bytes: &[u8]| bytes[14..54].to_vec();
    let with_header = |bytes: &[u8], header: &[u8]| {
        let length = long(header.len());
        let place = u32::from_le_bytes(bytes[10..14].try_into().unwrap()) + length - 40;
        [&bytes[..10], &place.to_le_bytes(), &length.to_le_bytes(), &header[4..], &bytes[54..]].concat()
    };
    for (bits, runs) in [(4, false), (8, false), (8, true), (16, false), (24, false), (32, false)] {
        let bytes = files::bmp(bits, false, runs);
        let os2_long = [header(&bytes), vec![0; 24]].concat();
        let no_place = [&bytes[..10], &[0; 4], &bytes[14..]].concat();
        let mut cases = vec![("OS/2 2.x", with_header(&bytes, &os2_long)), ("no place", no_place)];
        if !runs {
            // Compression and the number of colours are among what is left out.
            let palette = if bits <= 8 { 1_usize << bits } else { 0 };
            let mut short = with_header(&bytes, &header(&bytes)[..16]);
            let at = u32::from_le_bytes(short[10..14].try_into().unwrap()) as usize;
            let missing = palette.saturating_sub(4) * 4;
            short.splice(at..at, vec![0; if bits <= 8 { missing } else { 0 }]);
            short[10..14].copy_from_slice(&long(at + if bits <= 8 { missing } else { 0 }).to_le_bytes());
            cases.push(("OS/2 2.x of 16 bytes", short));
            let mut padded = bytes.clone();
            let padding = (WIDTH * usize::from(bits)).div_ceil(32) * 4 - (WIDTH * usize::from(bits)).div_ceil(8);
            padded.truncate(bytes.len() - padding);
            cases.push(("no padding at the end", padded));
        }
        if bits <= 8 {
            let mut many = bytes.clone();
            many[46..50].copy_from_slice(&5000_u32.to_le_bytes());
            cases.push(("a palette of 5000 colours", many));
        }
        for (case, bytes) in cases {
            assert_quarters(&shown(&bytes), &format!("{case}, {bits} bits, runs {runs}"));
        }
        let cut = &bytes[..bytes.len() - 40];
        assert!(runs || probe(cut, &Limits::default()).is_err(), "{bits}");
    }
    for (compression, name) in [(3_u32, "Huffman compression"), (4, "runs of 24 bits")] {
        let mut bytes =
            with_header(&files::bmp(24, false, false), &[header(&files::bmp(24, false, false)), vec![0; 24]].concat());
        bytes[30..34].copy_from_slice(&compression.to_le_bytes());
        let text = probe(&bytes, &Limits::default()).unwrap_err().to_string();
        assert_eq!(text, format!("BMP uses {name}, which is not supported"));
    }
}

#[test]
fn bmp_of_masks_with_alpha_behind_a_short_header() {
    let plain = files::bmp(32, false, false);
    let masks = [0xff_u32, 0xff00, 0xff_0000, 0xff00_0000].map(u32::to_le_bytes).concat();
    // Red comes first here, and alpha is a half.
    let pixels: Vec<u8> = plain[54..].as_chunks::<4>().0.iter().flat_map(|[b, g, r, _]| [*r, *g, *b, 128]).collect();
    let mut bytes = [&plain[..54], &masks, &pixels].concat();
    bytes[10..14].copy_from_slice(&70_u32.to_le_bytes());
    bytes[30..34].copy_from_slice(&6_u32.to_le_bytes());
    let found = shown(&bytes).to_rgba8();
    for (nth, (x, y)) in [(1, 1), (30, 1), (1, 24), (30, 24)].into_iter().enumerate() {
        let [r, g, b] = QUARTERS[nth];
        assert_eq!(found.get_pixel(x, y).0, [r, g, b, 128], "{nth}");
    }
}

fn long(value: usize) -> u32 {
    u32::try_from(value).unwrap()
}

/// A GIF of numbers, with codes that are as long as they begin and a code that clears the table before each.
fn gif(
    screen: (u8, u8),
    place: (u8, u8),
    size: (u8, u8),
    table: &[[u8; 3]],
    numbers: &[u8],
    interlaced: bool,
) -> Vec<u8> {
    let mut bits: Vec<bool> = Vec::new();
    let mut code = |code: u16| bits.extend((0..9).map(|bit| code >> bit & 1 == 1));
    for number in numbers {
        code(256);
        code(u16::from(*number));
    }
    code(257);
    let data: Vec<u8> =
        bits.chunks(8).map(|byte| byte.iter().rev().fold(0, |sum, bit| sum << 1 | u8::from(*bit))).collect();
    let flags = if table.is_empty() { 0 } else { 0x80 | u8::try_from(table.len().ilog2() - 1).unwrap() };
    let mut bytes = b"GIF89a".to_vec();
    bytes.extend([screen.0, 0, screen.1, 0, flags, 0, 0]);
    bytes.extend(table.concat());
    bytes.extend([0x2c, place.0, 0, place.1, 0, size.0, 0, size.1, 0, if interlaced { 0x40 } else { 0 }, 8]);
    for part in data.chunks(100) {
        bytes.push(u8::try_from(part.len()).unwrap());
        bytes.extend(part);
    }
    bytes.extend([0, 0x3b]);
    bytes
}

fn gif_pixels(bytes: &[u8], limits: &Limits) -> Result<(u32, u32, Vec<[u8; 4]>), PixelError> {
    let found = probe(bytes, limits)?;
    let rendition = to_width(found.width, OutputFormat::Png);
    let output = picture(&resize(bytes, &[rendition], limits)?[0]).to_rgba8();
    let pixels = output.pixels().map(|pixel| pixel.0).collect();
    Ok((output.width(), output.height(), pixels))
}

#[test]
fn gif_without_a_screen_or_without_colours() {
    let table = [[10, 20, 30], [200, 100, 50], [0, 90, 0], [1, 2, 3]];
    let numbers = [0, 1, 2, 3, 3, 2, 1, 0, 0, 0, 1, 1];
    let seen = |[r, g, b]: [u8; 3]| [r, g, b, 255];
    let expected: Vec<[u8; 4]> = numbers.iter().map(|number| seen(table[usize::from(*number)])).collect();
    let limits = Limits::default();
    for screen in [(4, 3), (0, 0), (0, 3), (4, 0)] {
        // Where there is no screen, neither is there a place on it.
        let place = if screen == (4, 3) { (0, 0) } else { (2, 1) };
        let bytes = gif(screen, place, (4, 3), &table, &numbers, false);
        assert_eq!(gif_pixels(&bytes, &limits).unwrap(), (4, 3, expected.clone()), "{screen:?}");
    }
    // Black, white, and black again.
    let bare = gif((4, 3), (0, 0), (4, 3), &[], &numbers, false);
    let of = |number: u8| if number == 1 { [255; 4] } else { [0, 0, 0, 255] };
    let expected: Vec<[u8; 4]> = numbers.into_iter().map(of).collect();
    assert_eq!(gif_pixels(&bare, &limits).unwrap(), (4, 3, expected));
}

#[test]
fn gif_in_passes_and_beyond_its_screen() {
    let table = [[10, 20, 30], [200, 100, 50], [0, 90, 0], [1, 2, 3]];
    // Each row has a number of its own, and rows are stored as the passes come.
    let stored: Vec<u8> = [0_u8, 8, 4, 2, 6, 10, 1, 3, 5, 7, 9].iter().flat_map(|row| vec![row % 4; 5]).collect();
    let bytes = gif((7, 9), (4, 2), (5, 11), &table, &stored, true);
    let (width, height, pixels) = gif_pixels(&bytes, &Limits::default()).unwrap();
    assert_eq!((width, height), (7, 9));
    for (at, pixel) in pixels.iter().enumerate() {
        let (x, y) = (at % 7, at / 7);
        let expected = if x < 4 || y < 2 {
            [0; 4]
        } else {
            let color = table[(y - 2) % 4];
            [color[0], color[1], color[2], 255]
        };
        assert_eq!(*pixel, expected, "{x} {y}");
    }
}

/// Of pixels that are missing the rule of cut files holds: an error, or transparent where that is allowed.
#[test]
fn gif_with_too_few_pixels() {
    let table = [[10, 20, 30], [200, 100, 50]];
    let short = gif((4, 3), (0, 0), (4, 3), &table, &[1, 1, 1, 1, 1, 0], false);
    let text = gif_pixels(&short, &Limits::default()).unwrap_err().to_string();
    assert_eq!(text, "GIF is truncated: its first frame has too few pixels");
    let allow = Limits { truncated: crate::jpeg::Truncated::Allow, ..Limits::DEFAULT };
    let (_, _, pixels) = gif_pixels(&short, &allow).unwrap();
    let expected: Vec<[u8; 4]> = (0..12)
        .map(|at| match at {
            0..5 => [200, 100, 50, 255],
            5 => [10, 20, 30, 255],
            _ => [0; 4],
        })
        .collect();
    assert_eq!(pixels, expected);
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
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        (b"%PDF-1.7\n", "PDF"),
        (b"\xff\x0a\x01\x02", "JPEG XL"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
        (b"\0\0\0\x20ftypisom", "a video (MP4 or QuickTime)"),
    ] {
        assert_eq!(
            probe(bytes, &Limits::default()).unwrap_err().to_string(),
            format!("file is {name}, which is not supported; accepted are {ACCEPTED}")
        );
    }
    let huge = super::samples::lying(InputFormat::Png, 30_000, 30_000);
    let text = probe(&huge, &Limits::default()).unwrap_err().to_string();
    assert_eq!(text, "image is 30000x30000 (900 MP); the limit is 50 MP (MAX_PIXELS)");
}
