mod cut;
mod edits;
mod files;
mod keeps;
mod kinds;
mod written;

use image::{DynamicImage, GenericImageView as _, ImageReader, Rgba, RgbaImage};

use super::options::{Color, Fit, Kernel, OutputFormat, Position, Rendition};
use super::samples::{self, QUARTERS, quarters};
use super::*;

fn to_width(width: u32, format: OutputFormat) -> Rendition {
    Rendition { width: Some(width), format, ..Rendition::default() }
}

fn resize(bytes: &[u8], renditions: &[Rendition], limits: &Limits) -> Result<Vec<Encoded>, PixelError> {
    render(bytes, &probe(bytes, limits)?, renditions, limits, &mut jpeg::Arena::default())
}

fn one(bytes: &[u8], rendition: Rendition) -> Encoded {
    resize(bytes, &[rendition], &Limits::default()).unwrap().remove(0)
}

/// The output as `image` reads it, by content, and of the size that was reported.
fn picture(encoded: &Encoded) -> DynamicImage {
    let reader = ImageReader::new(std::io::Cursor::new(&encoded.bytes)).with_guessed_format().unwrap();
    assert_eq!(reader.format().unwrap().to_mime_type(), encoded.format.content_type());
    let picture = reader.decode().unwrap();
    assert_eq!(picture.dimensions(), (encoded.width, encoded.height));
    picture
}

fn assert_color(picture: &DynamicImage, place: (u32, u32), expected: [u8; 3], case: &str) {
    let Rgba([red, green, blue, _]) = picture.get_pixel(place.0, place.1);
    let near = [red, green, blue].iter().zip(expected).all(|(found, expected)| found.abs_diff(expected) <= 24);
    assert!(near, "{case}: {:?} at {place:?} should be {expected:?}", [red, green, blue]);
}

fn assert_quarters(picture: &DynamicImage, case: &str) {
    let (width, height) = picture.dimensions();
    let places = [(1, 1), (width - 2, 1), (1, height - 2), (width - 2, height - 2)];
    for (place, color) in places.into_iter().zip(QUARTERS) {
        assert_color(picture, place, color, case);
    }
}

#[test]
fn every_format_goes_in_and_every_format_comes_out() {
    let source = quarters(96, 64);
    let mut files: Vec<(String, Vec<u8>)> =
        samples::FORMATS.iter().map(|format| (format.to_string(), samples::file(&source, *format))).collect();
    files.push(("progressive JPEG".into(), samples::jpeg(&source, true)));
    files.push(("lossy WebP".into(), samples::lossy_webp(&source)));
    files.push(("16-bit PNG".into(), samples::file(&DynamicImage::ImageRgb16(source.to_rgb16()), InputFormat::Png)));
    files.push(("float TIFF".into(), samples::file(&DynamicImage::ImageRgb32F(source.to_rgb32f()), InputFormat::Tiff)));
    for (name, bytes) in files {
        for format in [OutputFormat::Jpeg, OutputFormat::Png, OutputFormat::Webp] {
            let output = one(&bytes, to_width(48, format));
            assert_eq!((output.width, output.height), (48, 32));
            assert_quarters(&picture(&output), &format!("{name} to {format:?}"));
        }
    }
}

#[test]
fn all_eight_orientations_in_every_format_that_carries_them() {
    let upright = quarters(96, 64);
    for format in [InputFormat::Jpeg, InputFormat::Png, InputFormat::Webp, InputFormat::Tiff] {
        for number in 1..=8 {
            let bytes = samples::oriented(&upright, format, number);
            let output = one(&bytes, to_width(47, OutputFormat::Png));
            assert_eq!((output.width, output.height), (47, 31), "{format} {number}");
            assert_quarters(&picture(&output), &format!("{format} {number}"));
            // A crop of the top right corner of what is seen, whatever is stored there.
            let corner = Rendition {
                height: Some(30),
                position: Position { x: 1.0, y: 0.0, focal: false },
                ..to_width(20, OutputFormat::Png)
            };
            let output = picture(&one(&bytes, corner));
            assert_eq!(output.dimensions(), (20, 30));
            assert_color(&output, (10, 4), QUARTERS[1], &format!("{format} {number}, cropped"));
            assert_color(&output, (10, 25), QUARTERS[3], &format!("{format} {number}, cropped"));
        }
    }
}

#[test]
fn contain_puts_the_image_on_the_background() {
    let bytes = samples::file(&quarters(96, 64), InputFormat::Jpeg);
    let boxed = Rendition {
        height: Some(60),
        fit: Fit::Contain,
        background: Color { rgba: [255, 255, 0, 255] },
        ..to_width(60, OutputFormat::Jpeg)
    };
    let output = picture(&one(&bytes, boxed.clone()));
    assert_eq!(output.dimensions(), (60, 60));
    assert_color(&output, (30, 3), [255, 255, 0], "above");
    assert_color(&output, (30, 56), [255, 255, 0], "below");
    assert_color(&output, (5, 15), QUARTERS[0], "image");
    let clear = Rendition { background: Color { rgba: [0; 4] }, format: OutputFormat::Png, ..boxed };
    let output = picture(&one(&bytes, clear)).to_rgba8();
    assert_eq!((output.get_pixel(30, 3).0[3], output.get_pixel(5, 15).0[3]), (0, 255));
}

#[test]
fn alpha_is_kept_where_it_can_be_and_flattened_where_not() {
    let half = RgbaImage::from_fn(64, 64, |x, _| Rgba([200, 100, 50, if x < 32 { 255 } else { 0 }]));
    let half = DynamicImage::ImageRgba8(half);
    for (name, bytes) in [
        ("PNG", samples::file(&half, InputFormat::Png)),
        ("lossless WebP", samples::file(&half, InputFormat::Webp)),
        ("lossy WebP", samples::lossy_webp(&half)),
        ("GIF", samples::file(&half, InputFormat::Gif)),
        ("TIFF", samples::file(&half, InputFormat::Tiff)),
    ] {
        assert!(probe(&bytes, &Limits::default()).unwrap().has_alpha, "{name}");
        for format in [OutputFormat::Png, OutputFormat::Webp] {
            let output = picture(&one(&bytes, to_width(16, format))).to_rgba8();
            assert_eq!((output.get_pixel(2, 8).0[3], output.get_pixel(13, 8).0[3]), (255, 0), "{name} to {format:?}");
        }
        let green = Rendition { background: Color { rgba: [0, 255, 0, 255] }, ..to_width(16, OutputFormat::Jpeg) };
        let output = picture(&one(&bytes, green));
        assert_color(&output, (2, 8), [200, 100, 50], name);
        assert_color(&output, (13, 8), [0, 255, 0], name);
    }
}

#[test]
fn auto_keeps_the_format_or_goes_by_alpha() {
    use EncodedFormat::{Jpeg, Png, Webp};
    let opaque = quarters(32, 32);
    let clear = DynamicImage::ImageRgba8(RgbaImage::from_pixel(32, 32, Rgba([9, 9, 9, 0])));
    let table = [
        (InputFormat::Jpeg, &opaque, Jpeg),
        (InputFormat::Png, &opaque, Png),
        (InputFormat::Webp, &opaque, Webp),
        (InputFormat::Gif, &opaque, Jpeg),
        (InputFormat::Gif, &clear, Png),
        (InputFormat::Tiff, &opaque, Jpeg),
        (InputFormat::Tiff, &clear, Png),
        (InputFormat::Bmp, &opaque, Jpeg),
    ];
    for (format, source, expected) in table {
        assert_eq!(one(&samples::file(source, format), to_width(8, OutputFormat::Auto)).format, expected, "{format}");
    }
}

#[test]
fn gray_stays_gray_and_deep_becomes_eight_bits() {
    let gray = DynamicImage::ImageLuma16(image::ImageBuffer::from_fn(64, 8, |x, _| {
        image::Luma([if x < 32 { 0x8000 } else { 0xffff }])
    }));
    let bytes = samples::file(&gray, InputFormat::Png);
    for format in [OutputFormat::Jpeg, OutputFormat::Png] {
        let output = picture(&one(&bytes, to_width(16, format)));
        assert_eq!(output.color(), image::ColorType::L8, "{format:?}");
        assert_color(&output, (2, 1), [128; 3], "dark");
        assert_color(&output, (13, 1), [255; 3], "light");
    }
}

#[test]
fn bars_beside_a_gray_image_keep_their_colour() {
    let gray = DynamicImage::ImageLuma8(image::GrayImage::from_pixel(32, 16, image::Luma([90])));
    let contain = |format, background| Rendition {
        height: Some(16),
        fit: Fit::Contain,
        background,
        flatten: true,
        ..to_width(16, format)
    };
    for source in [InputFormat::Jpeg, InputFormat::Png] {
        let bytes = samples::file(&gray, source);
        for format in [OutputFormat::Jpeg, OutputFormat::Png, OutputFormat::Webp] {
            let case = format!("{source} to {format:?}");
            let blue = contain(format, Color { rgba: [32, 64, 192, 255] });
            let output = picture(&one(&bytes, blue));
            assert_color(&output, (8, 1), [32, 64, 192], &case);
            assert_color(&output, (8, 8), [90; 3], &case);
            // Half of red lies on the same red, as flattening takes its colour from the background too.
            let red = contain(format, Color { rgba: [255, 0, 0, 128] });
            assert_color(&picture(&one(&bytes, red)), (8, 14), [255, 0, 0], &case);
        }
    }
}

#[test]
fn several_renditions_come_in_the_order_asked_and_twice_the_same() {
    let bytes = samples::file(&quarters(300, 200), InputFormat::Jpeg);
    let renditions = [
        to_width(30, OutputFormat::Webp),
        to_width(200, OutputFormat::Jpeg),
        to_width(100, OutputFormat::Png),
        Rendition { quality: Some(95), ..to_width(150, OutputFormat::Auto) },
    ];
    let outputs = resize(&bytes, &renditions, &Limits::default()).unwrap();
    assert_eq!(outputs.iter().map(|output| output.width).collect::<Vec<_>>(), [30, 200, 100, 150]);
    assert_eq!(outputs, resize(&bytes, &renditions, &Limits::default()).unwrap());
    for (rendition, output) in renditions.iter().zip(&outputs) {
        let alone = one(&bytes, rendition.clone());
        assert_eq!((alone.format, alone.width, alone.height), (output.format, output.width, output.height));
        let (alone, output) = (picture(&alone).to_rgb8(), picture(output).to_rgb8());
        let sum: u64 = alone.iter().zip(output.iter()).map(|(one, other)| u64::from(one.abs_diff(*other))).sum();
        assert!(sum <= 4 * alone.len() as u64, "alone or with others: {sum} of {}", alone.len());
    }
    let sampling = |output: &Encoded| {
        let at = output.bytes.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
        output.bytes[at + 11]
    };
    assert_eq!((sampling(&outputs[1]), sampling(&outputs[3])), (0x22, 0x11), "4:2:0 below quality 90");
}

/// A slope that is decoded at a reduced scale, and only in part, lies where it lies when all of it is decoded.
#[test]
fn reduced_scales_and_crops_do_not_shift_the_picture() {
    let (width, height) = (797_u32, 603);
    let slope = RgbaImage::from_fn(width, height, |x, y| {
        let part = |at: u32, of: u32| u8::try_from(at * 255 / of).unwrap();
        Rgba([part(x, width), part(y, height), part(x + y, width + height), 255])
    });
    let slope = DynamicImage::ImageRgba8(slope);
    let (jpeg, png) = (samples::file(&slope, InputFormat::Jpeg), samples::file(&slope, InputFormat::Png));
    let places = [(0.0, 0.0), (0.5, 0.5), (1.0, 1.0), (0.3, 0.9)];
    for (size, (x, y)) in
        [(40, 30), (13, 90), (99, 20), (150, 150), (397, 11), (600, 33)].into_iter().zip(places.iter().cycle())
    {
        let crop = Rendition {
            height: Some(size.1),
            position: Position { x: *x, y: *y, focal: false },
            ..to_width(size.0, OutputFormat::Png)
        };
        let [found, expected] = [&jpeg, &png].map(|file| picture(&one(file, crop.clone())).to_rgb8());
        let differences = || found.iter().zip(expected.iter()).map(|(one, other)| i32::from(*one) - i32::from(*other));
        let mean = f64::from(differences().sum::<i32>()) / f64::from(u32::try_from(found.len()).unwrap());
        assert!(mean.abs() < 0.4, "{size:?}: {mean}");
        assert!(differences().all(|difference| difference.abs() <= 6), "{size:?}");
    }
}

/// A picture of slopes in all channels, whose colours would give away any shift.
fn slopes(width: u32, height: u32) -> DynamicImage {
    let slope = RgbaImage::from_fn(width, height, |x, y| {
        let part = |at: u32, of: u32| u8::try_from(at * 255 / of).unwrap();
        Rgba([part(x, width), part(y, height), 255 - part(x + y, width + height), 255])
    });
    DynamicImage::ImageRgba8(slope)
}

/// A JPEG with a quarter of the chroma, and how it lies.
fn subsampled(picture: &DynamicImage, orientation: u16) -> Vec<u8> {
    let rgb = samples::stored(picture, orientation).to_rgb8();
    let mut bytes = Vec::new();
    let mut encoder = jpeg_encoder::Encoder::new(&mut bytes, 95);
    encoder.set_sampling_factor(jpeg_encoder::SamplingFactor::F_2_2);
    encoder.set_chroma_subsampling_method(jpeg_encoder::ChromaSubsamplingMethod::Average);
    let side = |side: u32| u16::try_from(side).unwrap();
    encoder.encode(&rgb, side(rgb.width()), side(rgb.height()), jpeg_encoder::ColorType::Rgb).unwrap();
    samples::with_jpeg_segment(&bytes, 0xe1, &[b"Exif\0\0", samples::exif(orientation).as_slice()].concat())
}

/// Half the chroma lies where all of it does: whole and cropped, of odd and even sizes, however the photo lies.
#[test]
fn chroma_stays_centred_in_all_eight_orientations() {
    let picture_of = slopes(397, 301);
    for number in 1..=8 {
        let bytes = subsampled(&picture_of, number);
        for (width, height) in
            [(47, None), (48, None), (131, Some(33)), (20, Some(61)), (397, None), (1, None), (19, Some(12))]
        {
            let asked = Rendition {
                height,
                position: Position { x: 0.9, y: 0.2, focal: false },
                quality: Some(89),
                ..to_width(width, OutputFormat::Jpeg)
            };
            let expected = picture(&one(&bytes, Rendition { format: OutputFormat::Png, ..asked.clone() })).to_rgb8();
            let output = one(&bytes, asked);
            let found = picture(&output).to_rgb8();
            let case = format!("{number} {width} {height:?}");
            assert_eq!(found.dimensions(), expected.dimensions(), "{case}");
            for channel in 0..3 {
                let pixels = found.pixels().zip(expected.pixels());
                let differences = pixels.map(|(one, other)| i32::from(one[channel]) - i32::from(other[channel]));
                let (sum, count) = differences.clone().fold((0, 0), |(sum, count), one| (sum + one, count + 1));
                assert!(sum.abs() <= count + count / 2, "{case}: channel {channel} is off by {sum} of {count}");
                let largest = differences.map(i32::abs).max().unwrap_or(0);
                assert!(largest <= 24, "{case}: channel {channel} differs by {largest}");
            }
        }
    }
}

/// Green and blue are no chroma: nothing of them is halved before the encoder does it.
#[test]
fn a_jpeg_of_red_green_and_blue_keeps_its_colours() {
    let source = slopes(160, 120).to_rgb8();
    let [red, green, blue] = [0, 1, 2].map(|channel| source.pixels().map(|pixel| pixel[channel]).collect::<Vec<u8>>());
    // Written as if they were luma and chroma, under a segment that says that they are not.
    let woven: Vec<u8> = (0..red.len()).flat_map(|index| [red[index], green[index], blue[index]]).collect();
    let mut bytes = Vec::new();
    let mut encoder = jpeg_encoder::Encoder::new(&mut bytes, 98);
    encoder.set_sampling_factor(jpeg_encoder::SamplingFactor::F_1_1);
    encoder.encode(&woven, 160, 120, jpeg_encoder::ColorType::Ycbcr).unwrap();
    // Past the JFIF segment, which would say otherwise.
    let jfif = 2 + 2 + usize::from(u16::from_be_bytes([bytes[4], bytes[5]]));
    let bytes = [&bytes[..2], b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0\0", &bytes[jfif..]].concat();
    for (width, quality) in [(40, 80), (60, 95), (80, 80)] {
        let output = picture(&one(&bytes, Rendition { quality: Some(quality), ..to_width(width, OutputFormat::Jpeg) }));
        let expected = image::imageops::resize(&source, width, width * 3 / 4, image::imageops::FilterType::Triangle);
        for (found, expected) in output.to_rgb8().iter().zip(expected.iter()) {
            assert!(found.abs_diff(*expected) <= 24, "{width}: {found} should be {expected}");
        }
    }
}

#[test]
fn planes_that_keep_their_size_are_passed_through() {
    let limits = Limits::default();
    for (width, height) in [(64, 48), (61, 47)] {
        let bytes = subsampled(&slopes(width, height), 1);
        let file = probe(&bytes, &limits).unwrap();
        let rendition = to_width(width, OutputFormat::Jpeg);
        let resampling = Resampling::new(&Plan::new(file.oriented_size(), &rendition), &rendition, &file, false);
        let mut decoded = {
            let (inks, mut arena) = (color::Inks::default(), jpeg::Arena::default());
            decode::decode(&bytes, &file, &[resampling], &inks, &limits, &mut arena).unwrap()
        };
        let scaled = decoded.scaled(&resampling, &mut scale::Scaler::default()).unwrap();
        assert_eq!(decoded.layers.len(), 3);
        for (from, to) in decoded.layers.iter().zip(&scaled.layers) {
            assert_eq!(from.raster, to.raster);
        }
    }
}

#[test]
fn smaller_renditions_are_made_from_larger_ones_that_show_as_much() {
    let bytes = samples::file(&quarters(1000, 800), InputFormat::Jpeg);
    let file = probe(&bytes, &Limits::default()).unwrap();
    let of = |renditions: &[Rendition]| {
        let resampling = |rendition: &Rendition| {
            Resampling::new(&Plan::new(file.oriented_size(), rendition), rendition, &file, false)
        };
        resampling::sources(&renditions.iter().map(resampling).collect::<Vec<_>>())
    };
    let jpeg = |width: u32| to_width(width, OutputFormat::Jpeg);
    let square = |side: u32| Rendition { height: Some(side), ..jpeg(side) };
    let sharp = Rendition { kernel: Kernel::Mitchell, ..jpeg(100) };
    let exact = Rendition { kernel: Kernel::Nearest, ..jpeg(100) };
    assert_eq!(of(&[jpeg(100), jpeg(800), jpeg(400)]), [Some(2), None, Some(1)]);
    assert_eq!(of(&[jpeg(401), jpeg(800)]), [None, None], "less than twice as large");
    assert_eq!(of(&[jpeg(800), square(200)]), [None, Some(0)], "a crop of the whole");
    assert_eq!(of(&[square(600), jpeg(100)]), [None, None], "the crop lacks a part");
    assert_eq!(of(&[jpeg(800), sharp, exact]), [None; 3], "another kernel");
    assert_eq!(of(&[jpeg(200), jpeg(200)]), [None, None]);
}

#[test]
fn impossible_outputs_are_refused_before_decoding() {
    let limits = Limits::default();
    let long = samples::file(&DynamicImage::new_rgb8(20_000, 1), InputFormat::Png);
    let error = resize(&long, &[to_width(20_000, OutputFormat::Webp)], &limits).unwrap_err();
    assert_eq!(error.to_string(), "output of 20000x1 cannot be encoded as WebP, whose sides end at 16383 pixels");
    let small = samples::file(&quarters(10, 10), InputFormat::Png);
    let huge = Rendition { enlarge: true, ..to_width(10_000, OutputFormat::Png) };
    let error = resize(&small, &[huge], &limits).unwrap_err();
    assert_eq!(error.to_string(), "output would be 10000x10000 (100 MP); the limit is 50 MP (MAX_PIXELS)");
    assert_eq!(error.fault(), Fault::Request);
    // A small output by way of a huge intermediate image: as wide as the source and as high as the output.
    let tall = Rendition { height: Some(65_000), fit: Fit::Fill, enlarge: true, ..to_width(700, OutputFormat::Png) };
    assert!(matches!(resize(&long, &[tall], &limits), Err(PixelError::OverMemory { .. })));
}

/// A profile of 32 MiB that takes 32 KiB in the file is not unpacked whole.
#[test]
fn inflated_metadata_is_refused() {
    let mut bytes = Vec::new();
    let mut encoder = image::codecs::png::PngEncoder::new(&mut bytes);
    image::ImageEncoder::set_icc_profile(&mut encoder, vec![0; 32 << 20]).unwrap();
    image::ImageEncoder::write_image(encoder, &[7; 8 * 8 * 3], 8, 8, image::ExtendedColorType::Rgb8).unwrap();
    assert!(bytes.len() < 100_000);
    let error = resize(&bytes, &[to_width(4, OutputFormat::Png)], &Limits::default()).unwrap_err();
    assert_eq!(error.to_string(), "colour profile (ICC) has more than 4194304 bytes, which is the limit");
}

/// The smallest part of a file that holds its whole image.
fn needed(format: InputFormat, bytes: &[u8]) -> usize {
    let is_progressive = bytes.windows(2).any(|pair| pair == [0xff, 0xc2]);
    match format {
        // The end marker of a JPEG of one scan, and the end chunk of a PNG.
        InputFormat::Jpeg if !is_progressive => bytes.len() - 2,
        InputFormat::Png => bytes.len() - 12,
        // The trailer of a GIF and the padding of a WebP are often missing in the wild.
        InputFormat::Gif | InputFormat::Webp => bytes.len() - 1,
        _ => bytes.len(),
    }
}

#[test]
fn a_cut_file_is_an_error_wherever_it_is_cut() {
    let source = quarters(24, 18);
    let mut files: Vec<(InputFormat, Vec<u8>)> =
        samples::FORMATS.iter().map(|format| (*format, samples::file(&source, *format))).collect();
    files.push((InputFormat::Jpeg, samples::jpeg(&source, true)));
    files.push((InputFormat::Webp, samples::lossy_webp(&source)));
    files.extend(
        [InputFormat::Jpeg, InputFormat::Png, InputFormat::Webp, InputFormat::Tiff]
            .map(|format| (format, samples::oriented(&source, format, 6))),
    );
    for (format, bytes) in files {
        let whole = resize(&bytes, &[to_width(8, OutputFormat::Png)], &Limits::default()).unwrap();
        let is_open = |_: &usize| matches!(format, InputFormat::Jpeg | InputFormat::Png);
        for length in (needed(format, &bytes)..bytes.len()).filter(is_open) {
            let same = resize(&bytes[..length], &[to_width(8, OutputFormat::Png)], &Limits::default());
            assert_eq!(same.as_ref(), Ok(&whole), "{format} cut at {length} of {}", bytes.len());
        }
        for length in 0..needed(format, &bytes) {
            let cut = resize(&bytes[..length], &[to_width(8, OutputFormat::Png)], &Limits::default());
            let error = cut.expect_err(&format!("{format} cut at {length} of {}", bytes.len()));
            assert_eq!(error.fault(), Fault::Input, "{error}");
        }
    }
}

#[test]
fn a_large_photo_cut_anywhere_is_called_truncated() {
    let mut random = fastrand::Rng::with_seed(1);
    let noise = RgbaImage::from_fn(320, 200, |_, _| Rgba([random.u8(..), random.u8(..), random.u8(..), 255]));
    let bytes = samples::file(&DynamicImage::ImageRgba8(noise), InputFormat::Jpeg);
    for part in 1..64 {
        let cut = &bytes[..bytes.len() * part / 64];
        let error = resize(cut, &[to_width(8, OutputFormat::Png)], &Limits::default()).unwrap_err();
        assert!(error.to_string().starts_with("JPEG is truncated: "), "{error}");
    }
}

/// Nothing but its end marker tells a JPEG that is whole from one that was cut below what is shown.
#[test]
fn a_jpeg_without_its_end_is_read_to_the_last_row_whatever_of_it_is_shown() {
    let bytes = samples::file(&quarters(64, 640), InputFormat::Jpeg);
    let top = Rendition {
        width: Some(32),
        height: Some(8),
        fit: Fit::Cover,
        position: crate::options::Position { y: 0.0, ..crate::options::Position::CENTER },
        format: OutputFormat::Png,
        ..Rendition::default()
    };
    let whole = resize(&bytes, std::slice::from_ref(&top), &Limits::default()).unwrap();
    let open = resize(&bytes[..bytes.len() - 2], std::slice::from_ref(&top), &Limits::default());
    assert_eq!(open.as_ref(), Ok(&whole));
    let error = resize(&bytes[..bytes.len() - 3], &[top], &Limits::default()).unwrap_err();
    assert_eq!(error.to_string(), "JPEG is truncated: no end marker");
}

/// Whatever a file says, the answer is an image or an error.
#[test]
fn seeded_mutants_never_panic() {
    let limits = Limits { pixels_max: 1_000_000, memory_bytes_max: 64 << 20, ..Limits::default() };
    let source = quarters(20, 14);
    let mut files: Vec<Vec<u8>> = samples::FORMATS.iter().map(|format| samples::file(&source, *format)).collect();
    files.push(samples::jpeg(&source, true));
    files.push(samples::lossy_webp(&source));
    files.push(samples::oriented(&source, InputFormat::Webp, 5));
    files.push(samples::oriented(&source, InputFormat::Tiff, 7));
    for (index, file) in files.iter().enumerate() {
        let mut made = 0;
        for seed in 0..600 {
            let mut random = fastrand::Rng::with_seed(seed + 1000 * index as u64);
            let mut mutant = file.clone();
            for _ in 0..random.usize(1..=4) {
                let at = random.usize(..mutant.len());
                match random.u8(0..4) {
                    0 => mutant[at] = random.u8(..),
                    1 => mutant[at] ^= 1 << random.u8(0..8),
                    2 => mutant[at] = [0, 0xff, 0x7f, 0x80][random.usize(0..4)],
                    _ => mutant.truncate(at.max(1)),
                }
            }
            made += usize::from(resize(&mutant, &[to_width(7, OutputFormat::Jpeg)], &limits).is_ok());
        }
        assert!(made < 600, "file {index}: some mutants must be refused");
    }
}
