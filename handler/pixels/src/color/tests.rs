mod icc;

use image::{DynamicImage, GrayImage, ImageReader, Luma, Rgb, RgbImage};

use super::*;
use crate::jpeg::Arena;
use crate::options::OutputFormat;
use crate::samples;
use crate::{Encoded, InputFormat, PixelError, probe, render};
use icc::{ADOBE_RGB, Curve, DISPLAY_P3, PRO_PHOTO, SRGB, Space};

const FORMATS: [InputFormat; 4] = [InputFormat::Jpeg, InputFormat::Png, InputFormat::Webp, InputFormat::Tiff];

/// Colours of every kind: pale and dark, near gray, and such as sRGB has not.
const PATCHES: [[u8; 3]; 12] = [
    [0, 0, 0],
    [255, 255, 255],
    [128, 128, 128],
    [20, 20, 20],
    [200, 120, 90],
    [90, 130, 200],
    [60, 140, 70],
    [240, 230, 210],
    [30, 20, 60],
    [180, 180, 60],
    [220, 60, 60],
    [16, 200, 220],
];

fn patch(color: [u8; 3]) -> DynamicImage {
    DynamicImage::ImageRgb8(RgbImage::from_pixel(16, 16, Rgb(color)))
}

fn small(format: OutputFormat, metadata: Metadata) -> Rendition {
    Rendition { width: Some(8), format, metadata, ..Rendition::default() }
}

fn resize(bytes: &[u8], rendition: &Rendition) -> Result<Encoded, PixelError> {
    let limits = Limits::default();
    let probe = probe(bytes, &limits)?;
    Ok(render(bytes, &probe, std::slice::from_ref(rendition), &limits, &mut Arena::default())?.remove(0))
}

fn stripped(bytes: &[u8]) -> Encoded {
    resize(bytes, &small(OutputFormat::Png, Metadata::Strip)).unwrap()
}

fn decoded(bytes: &[u8]) -> DynamicImage {
    ImageReader::new(std::io::Cursor::new(bytes)).with_guessed_format().unwrap().decode().unwrap()
}

fn middle(encoded: &Encoded) -> [u8; 3] {
    decoded(&encoded.bytes).to_rgb8().get_pixel(4, 4).0
}

fn assert_near(found: [u8; 3], expected: [u8; 3], tolerance: u8, case: &str) {
    let near = found.iter().zip(expected).all(|(found, expected)| found.abs_diff(expected) <= tolerance);
    assert!(near, "{case}: {found:?} should be {expected:?}");
}

#[test]
fn colours_of_wide_spaces_become_those_of_srgb() {
    for (name, space) in [("Display P3", DISPLAY_P3), ("Adobe RGB", ADOBE_RGB), ("ProPhoto", PRO_PHOTO)] {
        let profile = space.profile();
        for color in PATCHES {
            let output = stripped(&samples::profiled(&patch(color), InputFormat::Png, &profile));
            assert_eq!(output.profile, ProfileUse::Converted);
            assert_near(middle(&output), space.in_srgb(color), 1, &format!("{name} {color:?}"));
        }
    }
}

/// But for a few values that lie between two levels, of which the library takes the other one.
#[test]
fn curves_and_a_matrix_give_what_the_library_gives() {
    let sides = || (0..=u8::MAX).step_by(5);
    let colors = sides().flat_map(|red| sides().flat_map(move |green| sides().map(move |blue| [red, green, blue])));
    let colors: Vec<u8> = colors.flatten().collect();
    let short = Space { curve: Curve::Samples(37), ..ADOBE_RGB };
    for space in [DISPLAY_P3, ADOBE_RGB, PRO_PHOTO, short] {
        let Ok(Meaning::Other(profile)) = profile::read(&space.profile(), Kind::Rgb) else { panic!("it is another") };
        let Ok(Conversion::Shaper(shaper)) = profile.to_srgb() else { panic!("it has no table") };
        let (mut found, mut expected) = (colors.clone(), vec![0; colors.len()]);
        shaper.apply(3, &mut found);
        profile.transform().unwrap().transform(&colors, &mut expected).unwrap();
        let distances = found.iter().zip(&expected).map(|(found, expected)| found.abs_diff(*expected));
        assert!(distances.clone().max() <= Some(1));
        let others = distances.filter(|distance| *distance > 0).count();
        assert!(others < found.len() / 500, "{others} of {}", found.len());
    }
}

/// The writer of the library that reads them here, as a check of the profiles that the other tests write.
#[test]
fn profiles_of_another_writer_say_the_same() {
    let table = [
        (ADOBE_RGB, moxcms::ColorProfile::new_adobe_rgb()),
        (DISPLAY_P3, moxcms::ColorProfile::new_display_p3()),
        (PRO_PHOTO, moxcms::ColorProfile::new_pro_photo_rgb()),
    ];
    for (space, profile) in table {
        for color in PATCHES {
            let bytes = samples::profiled(&patch(color), InputFormat::Png, &profile.encode().unwrap());
            assert_near(middle(&stripped(&bytes)), space.in_srgb(color), 2, &format!("{color:?}"));
        }
    }
}

#[test]
fn the_profile_is_found_in_every_format_that_carries_one() {
    let color = [200, 120, 90];
    for format in FORMATS {
        let bytes = samples::profiled(&patch(color), format, &DISPLAY_P3.profile());
        for output in [OutputFormat::Png, OutputFormat::Jpeg, OutputFormat::Webp] {
            let output = resize(&bytes, &small(output, Metadata::Strip)).unwrap();
            assert_eq!(output.profile, ProfileUse::Converted, "{format}");
            assert_near(middle(&output), DISPLAY_P3.in_srgb(color), 4, &format!("{format}"));
        }
    }
}

/// Near the edge of what sRGB has a table of few nodes is less exact than a matrix.
#[test]
fn a_table_goes_before_the_matrix() {
    let is_inside = |color: &[u8; 3]| {
        let found = DISPLAY_P3.in_srgb(*color);
        found == *color || !found.iter().any(|value| matches!(value, 0 | 255))
    };
    let patches: Vec<[u8; 3]> = PATCHES.into_iter().filter(is_inside).collect();
    assert!(patches.len() > 7, "{patches:?}");
    for color in patches {
        let bytes = samples::profiled(&patch(color), InputFormat::Png, &DISPLAY_P3.profile_with_table());
        let output = stripped(&bytes);
        assert_eq!(output.profile, ProfileUse::Converted);
        assert_near(middle(&output), DISPLAY_P3.in_srgb(color), 3, &format!("{color:?}"));
    }
}

#[test]
fn gray_follows_its_curve_and_stays_gray() {
    for (gamma, value) in [(1.0, 55), (1.8, 120), (1.8, 20), (2.2, 10), (2.2, 200)] {
        let picture = DynamicImage::ImageLuma8(GrayImage::from_pixel(16, 16, Luma([value])));
        let bytes = samples::profiled(&picture, InputFormat::Png, &icc::gray_profile(gamma));
        for format in [OutputFormat::Png, OutputFormat::Jpeg, OutputFormat::Webp] {
            let output = resize(&bytes, &small(format, Metadata::Strip)).unwrap();
            assert_eq!(output.profile, ProfileUse::Converted);
            let expected = icc::gray_in_srgb(gamma, value);
            assert_near(middle(&output), [expected; 3], 2, &format!("{gamma} {value} {format:?}"));
        }
    }
    let srgb = DynamicImage::ImageLuma8(GrayImage::from_pixel(16, 16, Luma([77])));
    let bytes = samples::profiled(&srgb, InputFormat::Png, &icc::gray_profile_of_srgb());
    assert_eq!(stripped(&bytes).profile, ProfileUse::Srgb);
}

/// Whatever it is called, and however it writes its curve.
#[test]
fn every_variant_of_srgb_is_left_alone() {
    let variants = [
        SRGB.profile(),
        Space { curve: Curve::Samples(1024), ..SRGB }.profile(),
        Space { curve: Curve::Samples(64), ..SRGB }.profile(),
        moxcms::ColorProfile::new_srgb().encode().unwrap(),
    ];
    for (index, profile) in variants.iter().enumerate() {
        for color in PATCHES {
            let output = stripped(&samples::profiled(&patch(color), InputFormat::Png, profile));
            assert_eq!((output.profile, middle(&output)), (ProfileUse::Srgb, color), "variant {index}");
        }
    }
    // The same primaries with another curve are another space.
    let plain = Space { curve: Curve::Gamma(2.2), ..SRGB };
    let output = stripped(&samples::profiled(&patch([20; 3]), InputFormat::Png, &plain.profile()));
    assert_eq!(output.profile, ProfileUse::Converted);
    assert_near(middle(&output), plain.in_srgb([20; 3]), 1, "gamma 2.2");
}

#[test]
fn alpha_is_kept_and_several_renditions_are_converted_once_each() {
    let color = [200, 120, 90];
    let picture = image::RgbaImage::from_pixel(64, 64, image::Rgba([color[0], color[1], color[2], 100]));
    let bytes = samples::profiled(&DynamicImage::ImageRgba8(picture), InputFormat::Png, &DISPLAY_P3.profile());
    let limits = Limits::default();
    let renditions =
        [8, 16, 32].map(|width| Rendition { width: Some(width), ..small(OutputFormat::Png, Metadata::Strip) });
    let probe = probe(&bytes, &limits).unwrap();
    for output in render(&bytes, &probe, &renditions, &limits, &mut Arena::default()).unwrap() {
        let found = decoded(&output.bytes).to_rgba8().get_pixel(4, 4).0;
        assert_eq!(found[3], 100);
        assert_near([found[0], found[1], found[2]], DISPLAY_P3.in_srgb(color), 2, "with alpha");
    }
}

/// The background is a colour of sRGB and is not converted.
#[test]
fn the_background_is_not_converted() {
    let bytes = samples::profiled(&patch([200, 120, 90]), InputFormat::Png, &DISPLAY_P3.profile());
    let background = crate::options::Color { rgba: [200, 120, 90, 255] };
    let fit = crate::options::Fit::Contain;
    let boxed = Rendition { height: Some(24), fit, background, ..small(OutputFormat::Png, Metadata::Strip) };
    let output = decoded(&resize(&bytes, &boxed).unwrap().bytes).to_rgb8();
    assert_eq!(output.get_pixel(4, 1).0, [200, 120, 90]);
    assert_near(output.get_pixel(4, 12).0, DISPLAY_P3.in_srgb([200, 120, 90]), 1, "image");
}

#[test]
fn a_profile_that_cannot_be_used_is_passed_over() {
    let color = [200, 120, 90];
    let good = DISPLAY_P3.profile();
    let mut linked = good.clone();
    linked[12..16].copy_from_slice(b"link");
    let table: [(&str, Vec<u8>); 7] = [
        ("it is broken", Vec::new()),
        ("it is broken", b"not a profile at all".to_vec()),
        ("it is broken", good[..140].to_vec()),
        ("it is broken", vec![0xff; 4000]),
        ("it is for another kind of colours", icc::gray_profile(1.8)),
        ("it is of a class that describes no image", linked),
        ("it has too many tags", [&good[..128], &[0, 0, 1, 0], &good[132..], &[0; 4000]].concat()),
    ];
    for (reason, profile) in table {
        let output = stripped(&samples::profiled(&patch(color), InputFormat::Png, &profile));
        assert_eq!((output.profile, middle(&output)), (ProfileUse::Ignored(reason), color));
        // Nor is it handed on.
        let kept = resize(
            &samples::profiled(&patch(color), InputFormat::Png, &profile),
            &small(OutputFormat::Png, Metadata::KeepIcc),
        );
        assert_eq!(kept.unwrap().profile, ProfileUse::Ignored(reason));
    }
    let gray = DynamicImage::ImageLuma8(GrayImage::from_pixel(16, 16, Luma([77])));
    let output = stripped(&samples::profiled(&gray, InputFormat::Png, &good));
    assert_eq!(output.profile, ProfileUse::Ignored("it is for another kind of colours"));
}

#[test]
fn parts_of_a_profile_that_do_not_fit_together_are_passed_over() {
    let (plain, icc) = (samples::file(&patch([200, 120, 90]), InputFormat::Jpeg), DISPLAY_P3.profile());
    let with = |parts: &[(u8, u8, &[u8])]| {
        let file = parts.iter().rev().fold(plain.clone(), |file, (number, count, part)| {
            let body = [b"ICC_PROFILE\0".as_slice(), &[*number, *count], part].concat();
            samples::with_jpeg_segment(&file, 0xe2, &body)
        });
        stripped(&file).profile
    };
    let (head, tail) = icc.split_at(300);
    assert_eq!(with(&[(1, 2, head), (2, 2, tail)]), ProfileUse::Converted);
    assert_eq!(with(&[(2, 2, tail), (1, 2, head)]), ProfileUse::Converted);
    let broken = ProfileUse::Ignored("it is incomplete");
    for parts in [
        &[(1, 2, head)][..],
        &[(1, 2, head), (1, 2, tail)],
        &[(1, 2, head), (2, 3, tail)],
        &[(0, 2, head), (1, 2, tail)],
        &[(1, 1, head), (1, 2, tail)],
        &[(1, 1, head), (2, 1, tail)],
    ] {
        assert_eq!(with(parts), broken, "{parts:?}");
    }
    // Editors add a profile to one; the first is that of the pixels.
    assert_eq!(with(&[(1, 1, &icc), (1, 1, &icc)]), ProfileUse::Converted);
    assert_eq!(with(&[(1, 1, &icc), (1, 1, b"another one")]), ProfileUse::Converted);
    assert_eq!(with(&[(1, 2, head), (2, 2, tail), (1, 2, head), (2, 2, tail)]), ProfileUse::Converted);
}

/// As libpng has it: a profile comes before what it is about.
#[test]
fn a_profile_behind_the_palette_or_the_pixels_of_a_png_is_none() {
    let color = [200, 120, 90];
    let plain = samples::file(&patch(color), InputFormat::Png);
    let icc = samples::png_chunk(*b"iCCP", &samples::png_profile(&DISPLAY_P3.profile()));
    let palette = samples::png_chunk(*b"PLTE", &[1, 2, 3]);
    let (header, rest) = plain.split_at(8 + 25);
    let (pixels, end) = plain.split_at(plain.len() - 12);
    for (file, expected) in [
        ([header, &icc, &palette, rest].concat(), ProfileUse::Converted),
        ([header, &palette, &icc, rest].concat(), ProfileUse::Absent),
        ([pixels, &icc, end].concat(), ProfileUse::Absent),
    ] {
        assert_eq!(stripped(&file).profile, expected);
    }
}

#[test]
fn values_of_colours_under_the_odd_type_of_stock_photos_are_read() {
    let color = [200, 120, 90];
    let mut odd = DISPLAY_P3.profile();
    let count = odd[131] as usize;
    let places: Vec<usize> = odd[132..][..count * 12]
        .chunks(12)
        .filter(|tag| tag[1..4] == *b"XYZ" || tag[..4] == *b"wtpt")
        .map(|tag| u32::from_be_bytes(tag[4..8].try_into().unwrap()) as usize)
        .collect();
    assert!(places.len() >= 3);
    for at in places {
        assert_eq!(odd[at..at + 4], *b"XYZ ");
        odd[at..at + 4].copy_from_slice(&[0x17, 0xa5, 0x05, 0xb8]);
    }
    let output = stripped(&samples::profiled(&patch(color), InputFormat::Png, &odd));
    assert_eq!(output.profile, ProfileUse::Converted);
    assert_near(middle(&output), DISPLAY_P3.in_srgb(color), 4, "the odd type");
}

#[test]
fn a_profile_beyond_the_limit_is_refused_by_its_limit() {
    let text = "colour profile (ICC) has more than 4194304 bytes, which is the limit";
    let long = vec![0; (4 << 20) + 1];
    for format in FORMATS {
        let error =
            resize(&samples::profiled(&patch([9; 3]), format, &long), &small(OutputFormat::Png, Metadata::Strip));
        let error = error.unwrap_err();
        assert_eq!((error.to_string().as_str(), error.fault()), (text, crate::Fault::Limit), "{format}");
        let most = samples::profiled(&patch([9; 3]), format, &long[1..]);
        assert_eq!(stripped(&most).profile, ProfileUse::Ignored("it is broken"), "{format}");
    }
}

/// A few bytes that ask a hundred thousand times for the same large table.
#[test]
fn a_profile_of_many_tags_costs_no_time() {
    let mut profile = DISPLAY_P3.profile_with_table();
    let tags = 300_000_u32;
    let table = profile[132 + 12 * 9..][..12].to_vec();
    assert!(table.starts_with(b"A2B0"));
    profile.splice(128..132, tags.to_be_bytes());
    profile.resize(3 << 20, 0);
    let output = stripped(&samples::profiled(&patch([9; 3]), InputFormat::Png, &profile));
    assert_eq!(output.profile, ProfileUse::Ignored("it has too many tags"));
}

#[test]
fn a_kept_profile_is_that_of_the_source_beside_its_own_colours() {
    let color = [200, 120, 90];
    for (source, profile) in FORMATS.into_iter().zip([
        DISPLAY_P3.profile(),
        SRGB.profile(),
        ADOBE_RGB.profile_with_table(),
        PRO_PHOTO.profile(),
    ]) {
        let bytes = samples::profiled(&patch(color), source, &profile);
        for (format, read) in [
            (OutputFormat::Png, InputFormat::Png),
            (OutputFormat::Jpeg, InputFormat::Jpeg),
            (OutputFormat::Webp, InputFormat::Webp),
        ] {
            let output = resize(&bytes, &small(format, Metadata::KeepIcc)).unwrap();
            assert_eq!(output.profile, ProfileUse::Kept);
            assert_near(middle(&output), color, 4, &format!("{source} to {format:?}"));
            let found = probe(&output.bytes, &Limits::default()).unwrap();
            assert_eq!(found.format, read);
            let embedded = found.icc.read(&output.bytes, &Limits::default()).unwrap().unwrap().unwrap();
            assert_eq!(embedded, profile.as_slice(), "{source} to {format:?}");
            assert_eq!(by_image(&output.bytes), Some(profile.clone()), "{source} to {format:?}");
        }
    }
}

/// The profile as `image` finds it.
fn by_image(bytes: &[u8]) -> Option<Vec<u8>> {
    let reader = ImageReader::new(std::io::Cursor::new(bytes)).with_guessed_format().unwrap();
    image::ImageDecoder::icc_profile(&mut reader.into_decoder().unwrap()).unwrap()
}

#[test]
fn a_kept_profile_comes_with_alpha_too() {
    let picture = image::RgbaImage::from_fn(32, 32, |x, y| {
        image::Rgba([x.to_le_bytes()[0] * 7, y.to_le_bytes()[0] * 7, 90, (x + y).to_le_bytes()[0] * 4])
    });
    let bytes = samples::profiled(&DynamicImage::ImageRgba8(picture), InputFormat::Png, &DISPLAY_P3.profile());
    for lossless in [false, true] {
        let rendition = Rendition { lossless, ..small(OutputFormat::Webp, Metadata::KeepIcc) };
        let output = resize(&bytes, &rendition).unwrap();
        assert!(probe(&output.bytes, &Limits::default()).unwrap().has_alpha);
        assert_eq!(by_image(&output.bytes), Some(DISPLAY_P3.profile()));
        let found = decoded(&output.bytes).to_rgba8();
        assert!(found.pixels().any(|pixel| pixel.0[3] < 100) && found.pixels().any(|pixel| pixel.0[3] > 150));
    }
}

#[test]
fn a_gray_profile_is_kept_beside_gray_and_applied_beside_colour() {
    let picture = DynamicImage::ImageLuma8(GrayImage::from_pixel(16, 16, Luma([120])));
    let profile = icc::gray_profile(1.0);
    let bytes = samples::profiled(&picture, InputFormat::Png, &profile);
    for format in [OutputFormat::Png, OutputFormat::Jpeg, OutputFormat::Auto] {
        let output = resize(&bytes, &small(format, Metadata::KeepIcc)).unwrap();
        assert_eq!((output.profile, by_image(&output.bytes)), (ProfileUse::Kept, Some(profile.clone())));
        assert_near(middle(&output), [120; 3], 2, "kept");
    }
    let red = crate::options::Color { rgba: [255, 0, 0, 255] };
    let fit = crate::options::Fit::Contain;
    let on_red = Rendition { height: Some(20), fit, background: red, ..small(OutputFormat::Png, Metadata::KeepIcc) };
    for (rendition, row) in [(on_red, 10), (small(OutputFormat::Webp, Metadata::KeepIcc), 4)] {
        let output = resize(&bytes, &rendition).unwrap();
        assert_eq!((output.profile, by_image(&output.bytes)), (ProfileUse::Converted, None));
        let found = decoded(&output.bytes).to_rgb8().get_pixel(4, row).0;
        assert_near(found, [icc::gray_in_srgb(1.0, 120); 3], 3, "applied");
    }
}

/// Whatever a profile says, the picture is made.
#[test]
fn seeded_mutants_of_profiles_never_fail_a_picture() {
    let profiles = [
        DISPLAY_P3.profile(),
        Space { curve: Curve::Samples(64), ..ADOBE_RGB }.profile(),
        DISPLAY_P3.profile_with_table(),
        moxcms::ColorProfile::new_display_p3().encode().unwrap(),
        icc::gray_profile(1.8),
        PRESS.profile_of_inks(2, 0.0),
        PRESS.profile_of_inks(1, 0.0),
    ];
    let (mut used, mut ignored) = (0, 0);
    for (index, profile) in profiles.iter().enumerate() {
        for seed in 0..60 {
            let mut random = fastrand::Rng::with_seed(seed + 100_000 * index as u64);
            let mut mutant = profile.clone();
            for _ in 0..random.usize(1..=4) {
                // Where the structure is, mostly.
                let end = if random.bool() { mutant.len().min(400) } else { mutant.len() };
                let at = random.usize(..end);
                match random.u8(0..4) {
                    0 => mutant[at] = random.u8(..),
                    1 => mutant[at] ^= 1 << random.u8(0..8),
                    2 => mutant[at] = [0, 0xff, 0x7f, 0x80][random.usize(0..4)],
                    _ => mutant.truncate(at.max(1)),
                }
            }
            let kind = match index {
                4 => Kind::Gray,
                5 | 6 => Kind::Inks,
                _ => Kind::Rgb,
            };
            let meaning = profile::read(&mutant, kind);
            let transform = meaning.and_then(|meaning| match meaning {
                Meaning::Srgb => Err("nothing to do"),
                Meaning::Other(profile) => profile.to_srgb(),
            });
            let layout = if index == 4 { crate::raster::Layout::Gray } else { crate::raster::Layout::Rgb };
            let mut raster = Raster::zeroed(crate::Size { width: 37, height: 9 }, layout).unwrap();
            random.fill(&mut raster.data);
            match transform {
                Ok(Conversion::Table(transform)) if kind == Kind::Inks => {
                    let inks = vec![random.u8(..); 37 * 9 * 4];
                    Inks(Some(transform)).to_rgb(&inks, &mut raster.data).unwrap();
                    used += 1;
                }
                Ok(conversion) => {
                    convert(&conversion, &mut raster).unwrap();
                    used += 1;
                }
                Err(_) => ignored += 1,
            }
        }
    }
    assert!(used > 0 && ignored > 0, "{used} used, {ignored} ignored");
}

/// What inks make on a press whose colours sRGB has all of.
const PRESS: Space = Space { curve: Curve::Gamma(1.8), ..SRGB };

/// Inks at the nodes of the tables that the tests write, so that little is left to interpolation.
const INKS: [[u8; 4]; 9] = [
    [0, 0, 0, 0],
    [0, 0, 0, 255],
    [255, 0, 0, 0],
    [0, 204, 51, 0],
    [51, 51, 51, 51],
    [102, 0, 204, 51],
    [0, 102, 153, 102],
    [153, 51, 0, 0],
    [0, 0, 0, 153],
];

fn jpeg_of_inks(inks: [u8; 4], color: jpeg_encoder::ColorType, icc: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    jpeg_encoder::Encoder::new(&mut bytes, 100).encode(&inks.repeat(16 * 16), 16, 16, color).unwrap();
    if icc.is_empty() {
        return bytes;
    }
    icc.chunks(60_000).zip(1..).fold(bytes, |bytes, (part, number)| {
        let count = u8::try_from(icc.len().div_ceil(60_000)).unwrap();
        samples::with_jpeg_segment(&bytes, 0xe2, &[b"ICC_PROFILE\0", [number, count].as_slice(), part].concat())
    })
}

/// An uncompressed TIFF of inks with so many bytes a sample, alpha behind them or not.
fn tiff_of_inks(inks: [u8; 4], wide: bool, alpha: bool, icc: &[u8]) -> Vec<u8> {
    let samples: Vec<u8> = inks.into_iter().chain(alpha.then_some(255)).collect();
    let pixel: Vec<u8> = samples.iter().flat_map(|sample| vec![*sample; if wide { 2 } else { 1 }]).collect();
    let pixels = pixel.repeat(16 * 16);
    let long = |number: usize| u32::try_from(number).unwrap();
    let entries: [(u16, u16, u32, u32); 11] = [
        (256, 3, 1, 16),
        (257, 3, 1, 16),
        (258, 3, 1, if wide { 16 } else { 8 }),
        (259, 3, 1, 1),
        (262, 3, 1, 5),
        (273, 4, 1, 8 + 2 + 11 * 12 + 4),
        (277, 3, 1, long(samples.len())),
        (278, 3, 1, 16),
        (279, 4, 1, long(pixels.len())),
        (338, 3, u32::from(alpha), 2),
        (if icc.is_empty() { 40_000 } else { 34_675 }, 7, long(icc.len()), 8 + 2 + 11 * 12 + 4 + long(pixels.len())),
    ];
    let mut bytes = b"II*\0\x08\0\0\0\x0b\0".to_vec();
    for (tag, kind, count, value) in entries {
        bytes.extend([tag.to_le_bytes(), kind.to_le_bytes()].concat());
        bytes.extend([count.to_le_bytes(), value.to_le_bytes()].concat());
    }
    [bytes, vec![0; 4], pixels, icc.to_vec()].concat()
}

fn files_of_inks(inks: [u8; 4], icc: &[u8]) -> [(&'static str, Vec<u8>); 6] {
    use jpeg_encoder::ColorType::{Cmyk, CmykAsYcck};
    [
        ("CMYK", jpeg_of_inks(inks, Cmyk, icc)),
        ("YCCK", jpeg_of_inks(inks, CmykAsYcck, icc)),
        ("TIFF", tiff_of_inks(inks, false, false, icc)),
        ("TIFF of words", tiff_of_inks(inks, true, false, icc)),
        ("TIFF with alpha", tiff_of_inks(inks, false, true, icc)),
        ("TIFF of words with alpha", tiff_of_inks(inks, true, true, icc)),
    ]
}

#[test]
fn inks_become_the_colours_of_their_profile() {
    for (width, tolerance) in [(2, 3), (1, 5)] {
        let profile = PRESS.profile_of_inks(width, 0.0);
        // Bytes of L*a*b* are too coarse for what has nothing of a colour.
        for inks in INKS.into_iter().filter(|inks| width == 2 || !PRESS.inks_in_srgb(*inks).contains(&0)) {
            for (name, bytes) in files_of_inks(inks, &profile) {
                for metadata in [Metadata::Strip, Metadata::KeepIcc] {
                    // No output has inks, which the profile describes.
                    let output = resize(&bytes, &small(OutputFormat::Png, metadata)).unwrap();
                    assert_eq!(output.profile, ProfileUse::Converted, "{name}");
                    assert!(!output.bytes.windows(4).any(|kind| kind == b"iCCP"), "{name}");
                    let expected = PRESS.inks_in_srgb(inks);
                    assert_near(middle(&output), expected, tolerance, &format!("{name} {inks:?} {width}"));
                }
            }
        }
    }
}

/// The darkest of a press is the black of a screen: as in sharp, whose Little CMS compensates for it.
#[test]
fn what_all_inks_leave_becomes_black() {
    for darkest in [0.004, 0.016, 0.05] {
        let profile = PRESS.profile_of_inks(2, darkest);
        for inks in INKS {
            for (name, bytes) in files_of_inks(inks, &profile).into_iter().take(3) {
                let expected = PRESS.inks_in_srgb(inks);
                assert_near(middle(&stripped(&bytes)), expected, 4, &format!("{name} {inks:?} {darkest}"));
            }
        }
    }
    // By the table, and by what is seen of it.
    for width in [1, 2] {
        let Ok(Meaning::Other(profile)) = profile::read(&PRESS.profile_of_inks(width, 0.016), Kind::Inks) else {
            panic!("it is sound")
        };
        let [table, seen] = [profile.last_node().unwrap()[1], profile.seen_black().unwrap()[1]];
        assert!((table - seen).abs() < 0.002 && (0.012..0.02).contains(&table), "{width}: {table} {seen}");
    }
    // More than half of white is no black, and nothing is stretched.
    let gray = PRESS.profile_of_inks(2, 0.5);
    let [value, ..] = middle(&stripped(&tiff_of_inks([0, 0, 0, 255], false, false, &gray)));
    assert!((186..=190).contains(&value), "{value}");
}

#[test]
fn inks_without_a_profile_that_can_be_used_follow_the_simple_formula() {
    let whole = PRESS.profile_of_inks(2, 0.0);
    let left = |ink: u8| f64::from(255 - ink) / 255.0;
    let profiles: [(&[u8], Option<&str>); 4] = [
        (&[], None),
        (&DISPLAY_P3.profile(), Some("it is for another kind of colours")),
        (&whole[..whole.len() / 2], Some("it is broken")),
        (&[whole[..128].to_vec(), vec![0; 4]].concat(), Some("its colours cannot be computed")),
    ];
    for (icc, reason) in profiles {
        for inks in INKS {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a part of 255")]
            let expected = [0, 1, 2].map(|ink| (left(inks[ink]) * left(inks[3]) * 255.0).round() as u8);
            for (name, bytes) in files_of_inks(inks, icc) {
                let output = stripped(&bytes);
                assert_eq!(output.profile, reason.map_or(ProfileUse::Absent, ProfileUse::Ignored), "{name}");
                assert_near(middle(&output), expected, 2, &format!("{name} {inks:?}"));
            }
        }
    }
}

/// In strips of any kind, and at every scale that JPEG is decoded at, inks are colours before they are mixed.
#[test]
fn inks_are_converted_wherever_they_lie() {
    let (width, height) = (96_u16, 80_u16);
    let quarter = |x: u16, y: u16| INKS[usize::from(x >= width / 2) + 2 * usize::from(y >= height / 2) + 3];
    let pixels: Vec<u8> = (0..height).flat_map(|y| (0..width).flat_map(move |x| quarter(x, y))).collect();
    for way in 0..3 {
        let mut bytes = Vec::new();
        let mut encoder = jpeg_encoder::Encoder::new(&mut bytes, 100);
        encoder.set_progressive(way == 1);
        encoder.set_optimized_huffman_tables(way == 2);
        encoder.set_sampling_factor(jpeg_encoder::SamplingFactor::F_2_2);
        encoder.encode(&pixels, width, height, jpeg_encoder::ColorType::CmykAsYcck).unwrap();
        let profile = PRESS.profile_of_inks(2, 0.0);
        let bytes = samples::with_jpeg_segment(&bytes, 0xe2, &[b"ICC_PROFILE\0\x01\x01", profile.as_slice()].concat());
        for side in [96, 60, 40, 20, 10] {
            let rendition = Rendition { width: Some(side), format: OutputFormat::Png, ..Rendition::default() };
            let output = decoded(&resize(&bytes, &rendition).unwrap().bytes).to_rgb8();
            let (width, height) = output.dimensions();
            for (nth, (x, y)) in [(1, 1), (3, 1), (1, 3), (3, 3)].into_iter().enumerate() {
                let found = output.get_pixel(width * x / 4, height * y / 4).0;
                assert_near(found, PRESS.inks_in_srgb(INKS[3 + nth]), 4, &format!("{way} {side} {nth}"));
            }
        }
    }
}
