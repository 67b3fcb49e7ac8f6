//! Files that end before their image does.

use super::*;
use crate::jpeg::Truncated;

const ALLOW: Limits = Limits { truncated: Truncated::Allow, ..Limits::DEFAULT };

/// Large and restless enough that its end is far from its start.
fn noisy_quarters() -> DynamicImage {
    let mut random = fastrand::Rng::with_seed(7);
    let mut picture = quarters(96, 96).to_rgba8();
    for pixel in picture.pixels_mut() {
        for value in &mut pixel.0[..3] {
            *value = value.saturating_add(random.u8(..16));
        }
    }
    DynamicImage::ImageRgba8(picture)
}

fn readable() -> Vec<(&'static str, Vec<u8>)> {
    let source = noisy_quarters();
    let rgb = source.to_rgb8();
    let inks: Vec<u8> = rgb.pixels().flat_map(|image::Rgb([r, g, b])| [255 - r, 255 - g, 255 - b, 0]).collect();
    let mut cmyk = Vec::new();
    jpeg_encoder::Encoder::new(&mut cmyk, 90).encode(&inks, 96, 96, jpeg_encoder::ColorType::Cmyk).unwrap();
    let mut from_top = samples::file(&source, InputFormat::Bmp);
    // Rows from the bottom are what this encoder writes; what is left of a cut file would be its lower half.
    let height = 96_i32;
    from_top[22..26].copy_from_slice(&(-height).to_le_bytes());
    let rows_at = from_top.len() - 96 * 96 * 3;
    let rows: Vec<u8> = from_top[rows_at..].chunks(96 * 3).rev().flatten().copied().collect();
    from_top.splice(rows_at.., rows);
    vec![
        ("JPEG", samples::file(&source, InputFormat::Jpeg)),
        ("JPEG of four inks", cmyk),
        ("PNG", samples::file(&DynamicImage::ImageRgb8(rgb), InputFormat::Png)),
        ("PNG of sixteen bits", samples::file(&DynamicImage::ImageRgb16(source.to_rgb16()), InputFormat::Png)),
        ("PNG with alpha", samples::file(&with_alpha(&source), InputFormat::Png)),
        ("BMP", from_top),
        ("GIF", samples::file(&source, InputFormat::Gif)),
    ]
}

fn with_alpha(source: &DynamicImage) -> DynamicImage {
    let mut picture = source.to_rgba8();
    picture.pixels_mut().for_each(|pixel| pixel.0[3] = 254);
    DynamicImage::ImageRgba8(picture)
}

#[test]
fn what_is_there_is_shown_where_that_is_allowed_and_refused_where_not() {
    for (name, bytes) in readable() {
        let cut = &bytes[..bytes.len() * 7 / 10];
        let rendition = to_width(96, OutputFormat::Png);
        let error = resize(cut, std::slice::from_ref(&rendition), &Limits::default()).unwrap_err();
        assert!(error.to_string().contains("is truncated: "), "{name}: {error}");
        let found = probe(cut, &ALLOW).unwrap();
        assert!(found.truncated && !probe(&bytes, &ALLOW).unwrap().truncated, "{name}");
        let output = picture(&resize(cut, &[rendition], &ALLOW).unwrap()[0]);
        assert_color(&output, (20, 20), QUARTERS[0], name);
        assert_color(&output, (70, 20), QUARTERS[1], name);
        assert_color(&output, (20, 52), QUARTERS[2], name);
        let [red, green, blue, alpha] = output.get_pixel(20, 94).0;
        let missing = alpha == 0 || [red, green, blue].iter().all(|value| value.abs_diff(128) < 8);
        assert!(missing, "{name}: {:?} at the end", [red, green, blue, alpha]);
        // Whole files are the same, allowed or not.
        let whole = |limits: &Limits| resize(&bytes, &[to_width(9, OutputFormat::Png)], limits).unwrap();
        assert_eq!(whole(&ALLOW), whole(&Limits::default()), "{name}");
    }
}

#[test]
fn the_scans_of_a_progressive_jpeg_that_are_there_are_shown() {
    let bytes = samples::jpeg(&noisy_quarters(), true);
    let output = resize(&bytes[..bytes.len() / 2], &[to_width(96, OutputFormat::Png)], &ALLOW).unwrap();
    assert_quarters(&picture(&output[0]), "half of a progressive JPEG");
}

#[test]
fn wherever_a_file_is_cut_the_answer_is_an_image_or_an_error() {
    let mut files = readable();
    files.push(("progressive JPEG", samples::jpeg(&noisy_quarters(), true)));
    for (name, bytes) in files {
        let mut made = 0;
        for part in 0..100 {
            let cut = &bytes[..bytes.len() * part / 100];
            match resize(cut, &[to_width(8, OutputFormat::Jpeg)], &ALLOW) {
                Ok(_) => made += 1,
                Err(error) => assert_eq!(error.fault(), Fault::Input, "{name}: {error}"),
            }
        }
        assert!(made > 80, "{name}: {made}");
        let headless = resize(&bytes[..20], &[to_width(8, OutputFormat::Jpeg)], &ALLOW).unwrap_err();
        assert!(headless.to_string().contains("is truncated"), "{name}: {headless}");
    }
}

#[test]
fn formats_that_cannot_be_read_in_part_say_so() {
    let source = noisy_quarters();
    for format in [InputFormat::Webp, InputFormat::Tiff] {
        let bytes = samples::file(&source, format);
        let text =
            resize(&bytes[..bytes.len() / 2], &[to_width(8, OutputFormat::Png)], &ALLOW).unwrap_err().to_string();
        assert!(text.starts_with(&format!("{format} is truncated: ")), "{text}");
        assert!(text.ends_with("; only JPEG, PNG, GIF and BMP can be read in part"), "{text}");
    }
    let interlaced = super::files::png(8, super::files::RGB, true, &[]);
    let text = resize(&interlaced[..interlaced.len() - 30], &[to_width(8, OutputFormat::Png)], &ALLOW).unwrap_err();
    assert_eq!(text.to_string(), "PNG is truncated: no end chunk; an interlaced one cannot be read in part");
}
