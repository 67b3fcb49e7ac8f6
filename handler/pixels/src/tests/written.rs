//! What the options make of the outputs, and what is not in them.

use super::*;
use crate::jpeg::Segments;
use crate::options::{Chroma, Effort, Metadata};

const FORMATS: [OutputFormat; 3] = [OutputFormat::Jpeg, OutputFormat::Png, OutputFormat::Webp];

/// A picture that no encoder finds easy.
fn photo(side: u32) -> DynamicImage {
    let mut random = fastrand::Rng::with_seed(3);
    DynamicImage::ImageRgba8(RgbaImage::from_fn(side, side, |x, y| {
        let [x, y] = [x, y].map(|at| u8::try_from(at % 256).unwrap());
        Rgba([x.wrapping_add(random.u8(..24)), y / 2 + random.u8(..24), (x ^ y) / 2 + 60, 255])
    }))
}

/// A disc with soft edges on a plain ground, as logos are.
fn logo(side: u32, colors: &[[u8; 3]]) -> DynamicImage {
    let middle = f64::from(side) / 2.0;
    DynamicImage::ImageRgba8(RgbaImage::from_fn(side, side, |x, y| {
        let distance = (f64::from(x) - middle).hypot(f64::from(y) - middle);
        let ring = colors.iter().enumerate().rfind(|(at, _)| {
            distance
                < middle
                    * (1.0 - f64::from(u32::try_from(*at).unwrap()) / f64::from(u32::try_from(colors.len()).unwrap()))
        });
        let [r, g, b] = ring.map_or([255; 3], |(_, color)| *color);
        Rgba([r, g, b, 255])
    }))
}

/// The colour type and the depth of a PNG.
fn kind(bytes: &[u8]) -> (u8, u8) {
    (bytes[25], bytes[24])
}

#[test]
fn more_effort_is_never_much_larger() {
    let bytes = samples::file(&photo(300), InputFormat::Png);
    for (format, lossless) in [
        (OutputFormat::Png, false),
        (OutputFormat::Webp, false),
        (OutputFormat::Webp, true),
        (OutputFormat::Jpeg, false),
    ] {
        let sizes = [0, 4, 9].map(|effort| {
            let effort = Effort::new(effort).unwrap();
            one(&bytes, Rendition { effort, lossless, ..to_width(200, format) }).bytes.len()
        });
        assert!(sizes[2] <= sizes[1].min(sizes[0]), "{format:?}, lossless {lossless}: {sizes:?}");
        assert!(sizes[1] <= sizes[0] * 11 / 10, "{format:?}, lossless {lossless}: {sizes:?}");
        assert!(format != OutputFormat::Webp || sizes[2] < sizes[0], "{format:?}, lossless {lossless}: {sizes:?}");
    }
    assert_eq!(Effort::new(10), None);
}

#[test]
fn lossless_webp_keeps_every_pixel() {
    let source = photo(64);
    let bytes = samples::file(&source, InputFormat::Png);
    let exact = Rendition { lossless: true, ..to_width(64, OutputFormat::Webp) };
    assert_eq!(picture(&one(&bytes, exact)).to_rgb8(), source.to_rgb8());
    assert_ne!(picture(&one(&bytes, to_width(64, OutputFormat::Webp))).to_rgb8(), source.to_rgb8());
}

#[test]
fn flatten_leaves_no_alpha_and_uses_the_background() {
    let half = RgbaImage::from_fn(64, 64, |x, _| Rgba([200, 100, 50, if x < 32 { 255 } else { 0 }]));
    let bytes = samples::file(&DynamicImage::ImageRgba8(half), InputFormat::Png);
    for format in FORMATS {
        let background = Color { rgba: [0, 0, 255, 0] };
        let output = picture(&one(&bytes, Rendition { flatten: true, background, ..to_width(16, format) }));
        assert!(!output.color().has_alpha(), "{format:?}");
        assert_color(&output, (2, 8), [200, 100, 50], "what is opaque");
        assert_color(&output, (13, 8), [0, 0, 255], "what is transparent");
    }
    // What `auto` chooses goes by what is left.
    let gif =
        samples::file(&DynamicImage::ImageRgba8(RgbaImage::from_pixel(8, 8, Rgba([9, 9, 9, 0]))), InputFormat::Gif);
    let auto = |flatten| one(&gif, Rendition { flatten, ..to_width(4, OutputFormat::Auto) }).format;
    assert_eq!((auto(false), auto(true)), (EncodedFormat::Png, EncodedFormat::Jpeg));
}

#[test]
fn png_takes_as_few_bits_as_the_picture_needs_and_loses_nothing() {
    let stripes = |colors: Vec<Rgba<u8>>| {
        let count = u32::try_from(colors.len()).unwrap();
        DynamicImage::ImageRgba8(RgbaImage::from_fn(count * 4, 32, |x, _| colors[usize::try_from(x / 4).unwrap()]))
    };
    let grays = |values: &[u8]| values.iter().map(|value| Rgba([*value, *value, *value, 255])).collect::<Vec<_>>();
    let hues = |count: u8| (0..count).map(|at| Rgba([at, 255 - at, 7, 255])).collect::<Vec<_>>();
    let glass = (0..20).map(|at| Rgba([at, 0, 200, 10 * at])).collect::<Vec<_>>();
    let gray_glass = (0..90).map(|at| Rgba([at, at, at, 2 * at])).collect::<Vec<_>>();
    let many = (0..=255).map(|at| Rgba([at, 3, 200, 255])).chain([Rgba([1, 2, 3, 255])]).collect::<Vec<_>>();
    let table = [
        ("black and white", grays(&[0, 255]), (0, 1)),
        ("four grays", grays(&[0, 85, 170, 255]), (0, 2)),
        ("sixteen grays", grays(&(0..16).map(|at| at * 17).collect::<Vec<_>>()), (0, 4)),
        ("three odd grays", grays(&[1, 90, 254]), (3, 2)),
        ("forty grays", grays(&(0..40).map(|at| at * 6).collect::<Vec<_>>()), (0, 8)),
        ("two hues", hues(2), (3, 1)),
        ("four hues", hues(4), (3, 2)),
        ("sixteen hues", hues(16), (3, 4)),
        ("two hundred hues", hues(200), (3, 8)),
        ("hues with alpha", glass, (3, 8)),
        ("grays with alpha", gray_glass, (3, 8)),
        ("too many hues", many, (2, 8)),
    ];
    for (case, colors, expected) in table {
        let source = stripes(colors);
        let output = one(&samples::file(&source, InputFormat::Png), to_width(source.width(), OutputFormat::Png));
        assert_eq!(kind(&output.bytes), expected, "{case}");
        // Colours that cannot be seen need not be kept.
        let seen = |image: DynamicImage| {
            let mut image = image.to_rgba8();
            image.pixels_mut().filter(|pixel| pixel.0[3] == 0).for_each(|pixel| pixel.0 = [0; 4]);
            image
        };
        assert_eq!(seen(picture(&output)), seen(source), "{case}");
    }
}

fn paletted(picture: &DynamicImage) -> Vec<u8> {
    one(&samples::file(picture, InputFormat::Png), to_width(picture.width(), OutputFormat::Png)).bytes
}

#[test]
fn a_palette_becomes_a_palette_again_where_it_looks_the_same() {
    let colors = [[200, 30, 30], [30, 60, 200], [250, 220, 40], [20, 20, 20]];
    let source = paletted(&logo(600, &colors));
    assert_eq!(kind(&source).0, 3);
    let found = one(&source, to_width(150, OutputFormat::Png));
    assert_eq!(kind(&found.bytes), (3, 8), "soft edges have more than 256 colours");
    // The same picture from a source without a palette keeps all its colours: that is the measure.
    let exact = one(
        &samples::file(&noise_in_a_corner(&logo(600, &colors)), InputFormat::Png),
        to_width(150, OutputFormat::Png),
    );
    assert_eq!(kind(&exact.bytes).0, 2);
    assert!(found.bytes.len() < exact.bytes.len(), "{} and {}", found.bytes.len(), exact.bytes.len());
    let (found, exact) = (picture(&found).to_rgb8(), picture(&exact).to_rgb8());
    let error: u64 = found
        .enumerate_pixels()
        .filter(|(x, y, _)| *x > 4 || *y > 4)
        .flat_map(|(x, y, pixel)| pixel.0.into_iter().zip(exact.get_pixel(x, y).0))
        .map(|(one, other)| u64::from(one.abs_diff(other)).pow(2))
        .sum();
    let mean = f64::from(u32::try_from(error).unwrap()) / (150.0 * 150.0 * 3.0);
    assert!(mean < 6.5, "mean square error {mean}");
}

/// The same picture with so many colours that no palette holds them.
fn noise_in_a_corner(picture: &DynamicImage) -> DynamicImage {
    let mut random = fastrand::Rng::with_seed(9);
    let mut picture = picture.to_rgba8();
    for y in 0..16 {
        for x in 0..16 {
            picture.put_pixel(x, y, Rgba([random.u8(..), random.u8(..), random.u8(..), 255]));
        }
    }
    DynamicImage::ImageRgba8(picture)
}

#[test]
fn a_palette_that_would_be_seen_is_not_used() {
    // A source of 256 colours whose mixtures are thousands, far apart.
    let mut random = fastrand::Rng::with_seed(5);
    let colors: Vec<[u8; 3]> = (0..256).map(|_| [random.u8(..), random.u8(..), random.u8(..)]).collect();
    let noise = RgbaImage::from_fn(256, 256, |_, _| {
        let [r, g, b] = colors[random.usize(..256)];
        Rgba([r, g, b, 255])
    });
    let source = paletted(&DynamicImage::ImageRgba8(noise));
    assert_eq!(kind(&source), (3, 8));
    assert_eq!(kind(&one(&source, to_width(128, OutputFormat::Png)).bytes), (2, 8));
}

const SECRET: &[u8] = b"SECRET-GPS";

/// Files with something to hide in every place that a format has for it.
fn telling() -> Vec<(&'static str, Vec<u8>)> {
    let source = quarters(48, 32);
    let says = |head: &[u8]| [head, SECRET].concat();
    let mut jpeg = samples::file(&source, InputFormat::Jpeg);
    for (marker, head) in [
        (0xe1, b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta>".as_slice()),
        (0xed, b"Photoshop 3.0\x008BIM\x04\x04\0\0\0\0\0\x0a"),
        (0xee, b"note "),
        (0xfe, b"a comment "),
        (0xec, b"Ducky"),
    ] {
        jpeg = samples::with_jpeg_segment(&jpeg, marker, &says(head));
    }
    jpeg = samples::with_jpeg_segment(&jpeg, 0xe1, &[b"Exif\0\0", samples::exif(6).as_slice()].concat());
    jpeg.extend(SECRET);
    let mut png = samples::file(&source, InputFormat::Png);
    for (kind, head) in [
        (*b"tEXt", b"Comment\0".as_slice()),
        (*b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0"),
        (*b"prIV", b""),
        (*b"eXIf", b"MM\0*"),
    ] {
        png = samples::with_png_chunk(&png, kind, &says(head));
    }
    let mut webp = samples::oriented(&source, InputFormat::Webp, 6);
    webp.extend(samples::webp_chunk(*b"XMP ", &says(b"<x:xmpmeta>")));
    let length = u32::try_from(webp.len() - 8).unwrap();
    webp[4..8].copy_from_slice(&length.to_le_bytes());
    let mut gif = samples::file(&source, InputFormat::Gif);
    let comment = [b"\x21\xfe\x0a".as_slice(), SECRET, &[0]].concat();
    let at = gif.windows(2).position(|pair| pair == [0x21, 0xf9]).unwrap();
    gif.splice(at..at, comment);
    let tiff = samples::profiled(&source, InputFormat::Tiff, &says(b"broken profile "));
    vec![("JPEG", jpeg), ("PNG", png), ("WebP", webp), ("GIF", gif), ("TIFF", tiff)]
}

fn holds(bytes: &[u8], word: &[u8]) -> bool {
    bytes.windows(word.len()).any(|window| window == word)
}

#[test]
fn nothing_of_what_a_source_says_reaches_an_output() {
    for (name, bytes) in telling() {
        assert!(holds(&bytes, SECRET), "{name}");
        for format in FORMATS {
            for metadata in [Metadata::Strip, Metadata::KeepIcc] {
                let output = one(&bytes, Rendition { metadata, ..to_width(24, format) }).bytes;
                let case = format!("{name} to {format:?}, {metadata:?}");
                for word in [SECRET, b"Exif", b"xmp", b"8BIM", b"GPS"] {
                    assert!(!holds(&output, word), "{case}");
                }
                for part in parts(&output, format) {
                    let known = [
                        "IHDR", "PLTE", "tRNS", "IDAT", "IEND", "VP8 ", "VP8L", "VP8X", "ALPH", "e0", "ee", "db", "c0",
                        "c1", "c2", "c4", "da", "d9", "dd",
                    ];
                    assert!(known.contains(&part.as_str()), "{case} holds {part:?}");
                }
            }
        }
    }
}

/// The names of the chunks or segments of a file.
fn parts(bytes: &[u8], format: OutputFormat) -> Vec<String> {
    if format == OutputFormat::Jpeg {
        return Segments::new(bytes).map(|segment| format!("{:02x}", segment.unwrap().marker)).collect();
    }
    let mut names = Vec::new();
    let png = format == OutputFormat::Png;
    let mut at = if png { 8 } else { 12 };
    while at < bytes.len() {
        let (length, kind) = if png { (at, at + 4) } else { (at + 4, at) };
        let length = <[u8; 4]>::try_from(&bytes[length..length + 4]).unwrap();
        let length = if png { u32::from_be_bytes(length) } else { u32::from_le_bytes(length) };
        names.push(String::from_utf8_lossy(&bytes[kind..kind + 4]).into_owned());
        let length = usize::try_from(length).unwrap();
        at += 8 + if png { length + 4 } else { length.next_multiple_of(2) };
    }
    names
}

/// The marker of the frame and the sampling of the first component of a JPEG.
fn frame(bytes: &[u8]) -> (u8, u8) {
    let frame = Segments::new(bytes).map(Result::unwrap).find(|segment| matches!(segment.marker, 0xc0..=0xc2)).unwrap();
    (frame.marker, frame.body[7])
}

/// What was asked for is written, and the rest is left to what it was by quality and effort.
#[test]
fn progressive_and_chroma_are_those_asked_for() {
    let source = samples::file(&photo(120), InputFormat::Png);
    let half = samples::file(&photo(120), InputFormat::Jpeg);
    for (progressive, marker) in [(None, 0xc0), (Some(false), 0xc0), (Some(true), 0xc2)] {
        for (chroma, quality, sampling) in [
            (None, 80, 0x22),
            (None, 90, 0x11),
            (Some(Chroma::Half), 80, 0x22),
            (Some(Chroma::Half), 95, 0x22),
            (Some(Chroma::Full), 80, 0x11),
            (Some(Chroma::Full), 95, 0x11),
        ] {
            for bytes in [&source, &half] {
                let asked =
                    Rendition { progressive, chroma, quality: Some(quality), ..to_width(60, OutputFormat::Jpeg) };
                let output = one(bytes, asked.clone());
                assert_eq!(frame(&output.bytes), (marker, sampling), "{asked:?}");
                let default = one(bytes, Rendition { progressive: None, chroma: None, ..asked });
                let by_default = progressive != Some(true) && sampling == if quality < 90 { 0x22 } else { 0x11 };
                assert_eq!(output == default, by_default, "{progressive:?} {chroma:?} {quality}");
            }
        }
    }
    for format in [OutputFormat::Png, OutputFormat::Webp] {
        let plain = one(&source, to_width(60, format));
        let asked = Rendition { progressive: Some(true), chroma: Some(Chroma::Full), ..to_width(60, format) };
        assert_eq!(one(&source, asked), plain, "{format:?} skips them");
    }
}

/// What is found is compared with every quality there is.
#[test]
fn a_file_that_has_to_fit_has_the_best_quality_or_nearly() {
    let bytes = samples::file(&photo(120), InputFormat::Png);
    for format in [OutputFormat::Jpeg, OutputFormat::Webp] {
        let of = |quality, max_bytes| Rendition { quality: Some(quality), max_bytes, ..to_width(90, format) };
        let sizes: Vec<u64> =
            (1..=95).map(|quality| one(&bytes, of(quality, Some(u64::MAX))).bytes.len() as u64).collect();
        for percent in [5, 15, 30, 50, 70, 90, 99] {
            let max_bytes = sizes[94] * percent / 100;
            let best = (10..=95).rev().find(|quality| sizes[*quality - 1] <= max_bytes);
            let made = resize(&bytes, &[of(95, Some(max_bytes))], &Limits::default());
            match (made, best) {
                (Ok(made), Some(best)) => {
                    let quality = made[0].quality.unwrap();
                    assert!(made[0].bytes.len() as u64 <= max_bytes, "{format:?} {percent} %");
                    assert_eq!(made[0].bytes.len() as u64, sizes[usize::from(quality) - 1]);
                    assert!(usize::from(quality) + 5 >= best, "{format:?} {percent} %: {quality}, and {best} fits");
                    let again = one(&bytes, of(95, Some(max_bytes)));
                    assert_eq!(again, made[0], "the same bytes each time");
                }
                (Err(PixelError::OverMaxBytes { quality, bytes, .. }), None) => {
                    assert_eq!((quality, bytes), (Some(10), sizes[9]), "{format:?} {percent} %");
                }
                (made, best) => panic!("{format:?} {percent} %: {made:?}, and {best:?} fits"),
            }
        }
    }
}
