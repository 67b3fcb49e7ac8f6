//! The files of `tests/heic`: beside what libheif decodes them to, and beside the pictures that they were made of.

use std::fs;
use std::path::{Path, PathBuf};

use image::{DynamicImage, ImageFormat, RgbImage, imageops};

use crate::options::{Metadata, OutputFormat, Rendition};
use crate::{Encoded, Limits, Orientation, PixelError, ProfileUse, jpeg, probe, render};

/// What is known of a file.
struct Known {
    name: &'static str,
    /// Pixels as stored, the EXIF number of the turn, alpha, what becomes of the colour profile.
    probe: ((u32, u32), u16, bool, ProfileUse),
    /// The picture that it was made of, upright.
    source: DynamicImage,
    /// How far a channel may be from libheif's: in the mean, and at most but for one in a hundred.
    levels: (f64, u8),
}

/// Every file. Where chroma has half the samples libheif takes the nearest one, and ours lies between two: there they differ.
fn all() -> Vec<Known> {
    let plain = || picture(80, 64);
    let known = |name, size, orientation, source| Known {
        name,
        probe: (size, orientation, false, ProfileUse::Absent),
        source,
        levels: (2.5, 14),
    };
    let close = |known| Known { levels: (0.6, 2), ..known };
    let wide = |name, size, orientation, source| Known {
        probe: (size, orientation, false, ProfileUse::Converted),
        ..known(name, size, orientation, source)
    };
    let size = (80, 64);
    vec![
        known("plain", size, 1, plain()),
        known("mif1", size, 1, plain()),
        known("odd", (75, 67), 1, picture(75, 67)),
        close(known("444", size, 1, plain())),
        known("422", size, 1, plain()),
        close(known("gray", size, 1, gray())),
        known("10-bit", size, 1, plain()),
        known("12-bit", size, 1, plain()),
        known("irot-90", size, 8, plain().rotate270()),
        known("irot-180", size, 3, plain().rotate180()),
        known("irot-270", size, 6, plain().rotate90()),
        known("imir-0", size, 4, plain().flipv()),
        known("imir-1", size, 2, plain().fliph()),
        known("irot-90-imir-0", size, 5, plain().rotate270().flipv()),
        known("imir-1-irot-90", size, 5, plain().fliph().rotate270()),
        // EXIF says that it lies on its side, and is not asked.
        known("exif-6", size, 1, plain()),
        known("clap", (31, 22), 1, plain().crop_imm(18, 17, 31, 22)),
        known("clap-irot-90", (30, 22), 8, plain().crop_imm(35, 26, 30, 22).rotate270()),
        known("grid", (150, 110), 1, picture(150, 110)),
        wide("grid-irot-90", (150, 110), 8, picture(150, 110).rotate270()),
        wide("icc-p3", size, 1, plain()),
        wide("nclx-p3", size, 1, plain()),
        known("nclx-709-limited", size, 1, plain()),
        Known { probe: (size, 1, true, ProfileUse::Absent), ..known("alpha", size, 1, plain()) },
        Known {
            probe: (size, 1, true, ProfileUse::Absent),
            levels: (2.5, 20),
            ..known("alpha-premultiplied", size, 1, plain())
        },
        known("primary-second", size, 1, plain()),
        known("thumbnail", size, 1, plain()),
    ]
}

/// The picture of the script that made the files.
fn picture(width: u32, height: u32) -> DynamicImage {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "rounded, from 0 to 255")]
    let byte = |value: f64| value.round() as u8;
    let picture = RgbImage::from_fn(width, height, |x, y| {
        let (x, y) = (f64::from(x), f64::from(y));
        let red = 20.0 + 215.0 * x / f64::from(width - 1);
        let green = 235.0 - 215.0 * y / f64::from(height - 1);
        let blue = 128.0 + 100.0 * ((x + 2.0 * y) / 14.0).sin();
        image::Rgb([byte(red), byte(green), byte(blue)])
    });
    DynamicImage::ImageRgb8(picture)
}

/// Its red.
fn gray() -> DynamicImage {
    let picture = picture(80, 64).to_rgb8();
    DynamicImage::ImageRgb8(RgbImage::from_fn(80, 64, |x, y| image::Rgb([picture.get_pixel(x, y)[0]; 3])))
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/heic")
}

fn file(name: &str) -> Vec<u8> {
    fs::read(folder().join(format!("{name}.heic"))).unwrap()
}

/// What libheif makes of it.
fn reference(name: &str) -> DynamicImage {
    let bytes = fs::read(folder().join(format!("{name}.png"))).unwrap();
    image::load_from_memory_with_format(&bytes, ImageFormat::Png).unwrap()
}

fn resize(bytes: &[u8], rendition: &Rendition) -> Result<Encoded, PixelError> {
    let (limits, mut arena) = (Limits::default(), jpeg::Arena::default());
    let mut made = render(bytes, &probe(bytes, &limits)?, std::slice::from_ref(rendition), &limits, &mut arena)?;
    Ok(made.remove(0))
}

fn to_width(width: u32, format: OutputFormat, metadata: Metadata) -> Rendition {
    Rendition { width: Some(width), format, metadata, quality: Some(100), ..Rendition::default() }
}

/// An output as pixels.
fn made(bytes: &[u8], rendition: &Rendition) -> DynamicImage {
    let format = match rendition.format {
        OutputFormat::Jpeg => ImageFormat::Jpeg,
        OutputFormat::Webp => ImageFormat::WebP,
        _ => ImageFormat::Png,
    };
    image::load_from_memory_with_format(&resize(bytes, rendition).unwrap().bytes, format).unwrap()
}

/// The whole image, its colours as they are or those of sRGB.
fn whole(bytes: &[u8], metadata: Metadata) -> DynamicImage {
    let width = probe(bytes, &Limits::default()).unwrap().oriented_size().width;
    made(bytes, &to_width(width, OutputFormat::Png, metadata))
}

/// How far two pictures are apart where either is not clear: the mean of all channels, and the most of all but one in a
/// hundred.
fn difference(one: &DynamicImage, other: &DynamicImage) -> (f64, u8) {
    assert_eq!((one.width(), one.height()), (other.width(), other.height()));
    let (one, other) = (one.to_rgba8(), other.to_rgba8());
    let visible = one.pixels().zip(other.pixels()).filter(|(one, other)| one[3].min(other[3]) > 32);
    let channels = visible.flat_map(|(one, other)| [0, 1, 2].map(|channel| one[channel].abs_diff(other[channel])));
    let mut differences: Vec<u8> = channels.collect();
    differences.sort_unstable();
    let sum: u32 = differences.iter().map(|difference| u32::from(*difference)).sum();
    let count = u32::try_from(differences.len()).unwrap();
    (f64::from(sum) / f64::from(count), differences[differences.len() * 99 / 100])
}

#[test]
fn every_file_is_near_libheif_and_no_farther_from_its_source() {
    let mut faults = Vec::new();
    for Known { name, source, levels, .. } in all() {
        let (ours, reference) = (whole(&file(name), Metadata::KeepIcc), reference(name));
        let (mean, most) = difference(&ours, &reference);
        let (own, its) = (difference(&ours, &source).0, difference(&reference, &source).0);
        if mean > levels.0 || most > levels.1 || own > its + 0.1 || own > 3.0 {
            faults.push(format!(
                "{name}: {mean:.2} and {most} from libheif; from the source {own:.2}, and libheif {its:.2}"
            ));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn alpha_is_that_of_libheif() {
    for name in ["alpha", "alpha-premultiplied"] {
        let (ours, reference) = (whole(&file(name), Metadata::Strip).to_rgba8(), reference(name).to_rgba8());
        let far = ours.pixels().zip(reference.pixels()).map(|(one, other)| one[3].abs_diff(other[3])).max();
        assert!(far <= Some(1), "{name}: {far:?}");
    }
}

#[test]
fn the_probe_knows_size_turn_alpha_and_profile() {
    for Known { name, probe: expected, source, .. } in all() {
        let bytes = file(name);
        let probe = probe(&bytes, &Limits::default()).unwrap();
        let size = probe.oriented_size();
        assert_eq!((size.width, size.height), (source.width(), source.height()), "{name}");
        let made = resize(&bytes, &to_width(20, OutputFormat::Png, Metadata::Strip)).unwrap();
        let found = ((probe.width, probe.height), probe.orientation.exif(), probe.has_alpha, made.profile);
        assert_eq!(found, expected, "{name}");
    }
}

/// From the primaries of Display P3 to those of sRGB, both with the curve of sRGB.
fn p3_to_srgb(picture: &DynamicImage) -> DynamicImage {
    const MATRIX: [[f64; 3]; 3] = [[1.2249, -0.2247, 0.0], [-0.0420, 1.0419, 0.0], [-0.0197, -0.0786, 1.0979]];
    let linear = |value: u8| {
        let value = f64::from(value) / 255.0;
        if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
    };
    let mut picture = picture.to_rgb8();
    for pixel in picture.pixels_mut() {
        let light = pixel.0.map(linear);
        pixel.0 = MATRIX.map(|row| {
            let value = row.iter().zip(light).map(|(share, light)| share * light).sum::<f64>().clamp(0.0, 1.0);
            let value = if value <= 0.003_130_8 { value * 12.92 } else { 1.055 * value.powf(1.0 / 2.4) - 0.055 };
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 255")]
            let byte = (value * 255.0).round() as u8;
            byte
        });
    }
    DynamicImage::ImageRgb8(picture)
}

#[test]
fn wide_colours_become_those_of_srgb_by_profile_and_by_numbers() {
    for name in ["icc-p3", "nclx-p3", "grid-irot-90"] {
        let bytes = file(name);
        let expected = p3_to_srgb(&whole(&bytes, Metadata::KeepIcc));
        let (mean, most) = difference(&whole(&bytes, Metadata::Strip), &expected);
        assert!(mean < 0.6 && most <= 2, "{name}: {mean:.2} {most}");
        // What is kept says what the colours are, also where the file has only numbers.
        let kept = resize(&bytes, &to_width(20, OutputFormat::Jpeg, Metadata::KeepIcc)).unwrap();
        assert_eq!(kept.profile, ProfileUse::Kept, "{name}");
        let again = resize(&kept.bytes, &to_width(20, OutputFormat::Png, Metadata::Strip)).unwrap();
        assert_eq!(again.profile, ProfileUse::Converted, "{name}");
    }
}

/// A smaller JPEG is made of planes that never were pixels, a PNG of the same size of pixels at the end, and neither differs
/// from libheif's picture made smaller by another resampler.
#[test]
fn planes_and_pixels_make_the_same_picture() {
    for name in ["plain", "odd", "422", "444", "gray", "10-bit", "irot-90", "grid", "nclx-709-limited", "clap", "alpha"]
    {
        let bytes = file(name);
        let reference = reference(name);
        let (whole, width) = (reference.width(), reference.width() / 2);
        let height = (reference.height() * width * 2 + whole) / (whole * 2);
        let smaller = reference.resize_exact(width, height, imageops::FilterType::Lanczos3);
        for format in [OutputFormat::Jpeg, OutputFormat::Png] {
            let ours = made(&bytes, &Rendition { flatten: false, ..to_width(width, format, Metadata::Strip) });
            if name == "alpha" && format == OutputFormat::Jpeg {
                continue;
            }
            let (mean, most) = difference(&ours, &smaller);
            assert!(mean < 2.0 && most <= 12, "{name} {format:?}: {mean:.2} {most}");
        }
    }
}

/// A file with these bytes in the place of others, each time that they are there.
fn with(name: &str, from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut bytes = file(name);
    let places: Vec<usize> =
        bytes.windows(from.len()).enumerate().filter(|(_, window)| *window == from).map(|(at, _)| at).collect();
    assert!(!places.is_empty(), "{name} has no {from:?}");
    for at in places {
        bytes[at..at + to.len()].copy_from_slice(to);
    }
    bytes
}

#[test]
fn what_is_not_read_is_named() {
    let nclx = |primaries: u8, transfer: u8, matrix: u8| [b'n', b'c', b'l', b'x', 0, primaries, 0, transfer, 0, matrix];
    let p3 = nclx(12, 13, 6);
    let cut = |name: &str, missing: usize| {
        let bytes = file(name);
        bytes[..bytes.len() - missing].to_vec()
    };
    let table = [
        (with("plain", b"hvc1", b"av01"), "file is AVIF, which is not supported"),
        (with("mif1", b"hvc1", b"av01"), "file is AVIF, which is not supported"),
        (with("plain", b"hvc1", b"jxl "), "file is JPEG XL, which is not supported"),
        (with("plain", b"hvc1", b"avc1"), "HEIC uses a picture coded as H.264, which is not supported"),
        (with("grid", b"grid", b"iovl"), "HEIC uses an overlay of several images, which is not supported"),
        (with("grid", b"hvc1", b"av01"), "file is AVIF, which is not supported"),
        (with("plain", b"hvc1", b"a\nb\xff"), "HEIC uses an item of the type a\\nb\\xff, which is not supported"),
        (with("nclx-p3", &p3, &nclx(9, 16, 9)), "HEIC uses HDR colours (PQ), which is not supported"),
        (with("nclx-p3", &p3, &nclx(9, 18, 9)), "HEIC uses HDR colours (HLG), which is not supported"),
        (with("nclx-p3", &p3, &nclx(1, 13, 8)), "HEIC uses the colour matrix 8 of H.273, which is not supported"),
        (with("irot-90", b"irot", b"irqt"), "HEIC uses the property irqt, which is not supported"),
        (with("grid", b"dimg", b"cdsc"), "HEIC is corrupt: its grid of 3x2 has 0 tiles"),
        (with("plain", b"pitm", b"free"), "HEIC is corrupt: it does not say which image is the primary one"),
        (with("plain", b"meta", b"free"), "HEIC is corrupt: it has no box meta"),
        (with("plain", b"meta", b"moov"), "HEIC uses a sequence of images without a still one, which is not supported"),
        (with("plain", b"hvcC", b"free"), "HEIC is corrupt: a coded picture lacks its description"),
        (cut("plain", 1), "HEIC is truncated: the data of its item 1 lies beyond its end"),
        (cut("plain", 1200), "HEIC is truncated: it ends within a box"),
        (
            with("plain", &[0, 0, 0, 80, 0, 0, 0, 64], &[0, 0, 0, 79, 0, 0, 0, 129]),
            "HEIC is corrupt: its header says 79x129, its picture 80x64",
        ),
        (
            with("alpha", &[0, 0, 0, 80, 0, 0, 0, 64], &[0, 0, 200, 0, 0, 0, 200, 0]),
            "image is 51200x51200 (2621.44 MP)",
        ),
    ];
    for (bytes, expected) in table {
        let error = resize(&bytes, &to_width(20, OutputFormat::Png, Metadata::Strip)).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}, not {expected}");
    }
}

#[test]
fn a_file_that_ends_early_is_not_read_in_part() {
    let bytes = file("plain");
    let limits = Limits { truncated: crate::limits::Truncated::Allow, ..Limits::default() };
    let error = probe(&bytes[..bytes.len() - 9], &limits).unwrap_err().to_string();
    assert!(error.ends_with("; only JPEG, PNG, GIF and BMP can be read in part"), "{error}");
}

/// A photo of a phone in one piece, also with all of its chroma: what a function of 256 MiB has for pixels is 60 % of it.
#[test]
fn a_photo_in_one_piece_fits_the_smallest_function_of_use() {
    const PIXELS: u64 = 4000 * 3000;
    const BUDGET: u64 = (256 << 20) / 100 * 60;
    let limits = Limits { memory_bytes_max: BUDGET, ..Limits::default() };
    for (name, bytes_a_pixel) in [("flat-420", 8), ("flat-444", 11)] {
        let bytes = file(name);
        let probe = probe(&bytes, &limits).unwrap();
        let price = probe.decoded_bytes_max();
        assert!(price < bytes_a_pixel * PIXELS, "{name}: {price}");
        for format in [OutputFormat::Jpeg, OutputFormat::Png] {
            let rendition = to_width(1600, format, Metadata::Strip);
            let price = probe.memory_bytes_max(std::slice::from_ref(&rendition));
            assert!(price < BUDGET, "{name} as {format:?}: {price}");
        }
    }
    let small = Limits { memory_bytes_max: (128 << 20) / 100 * 60, ..Limits::default() };
    let refused = crate::probe(&file("flat-444"), &small).unwrap_err().to_string();
    assert!(refused.starts_with("image needs ") && refused.contains(" bytes of memory; the limit "), "{refused}");
}

/// What the boxes have turned lies upright, whatever EXIF said of it before.
#[test]
fn exif_goes_along_and_says_upright() {
    for (name, said) in [("exif-6", 6), ("irot-90", 6), ("plain", 0)] {
        let bytes = file(name);
        let exif = super::exif(&bytes);
        assert_eq!(exif.and_then(Orientation::from_exif_block).map_or(0, Orientation::exif), said, "{name}");
        let output = resize(&bytes, &to_width(40, OutputFormat::Jpeg, Metadata::Keep)).unwrap();
        let kept = jpeg::Segments::new(&output.bytes).map(Result::unwrap).find(|segment| segment.marker == 0xe1);
        let kept = kept.and_then(|segment| Orientation::from_exif_block(segment.body));
        assert_eq!(kept, (said > 0).then_some(Orientation::Upright), "{name}");
    }
}
