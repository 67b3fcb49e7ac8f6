//! What is done to the pixels, from file to file.

use image::imageops;

use super::*;
use crate::options::{Blur, Metadata, Rotation, Sharpen, Strategy};

const TURNS: [Rotation; 4] = [Rotation::None, Rotation::Quarter, Rotation::Half, Rotation::ThreeQuarters];

fn turned(picture: &DynamicImage, rotation: Rotation) -> RgbaImage {
    let picture = picture.to_rgba8();
    match rotation {
        Rotation::None => picture,
        Rotation::Quarter => imageops::rotate90(&picture),
        Rotation::Half => imageops::rotate180(&picture),
        Rotation::ThreeQuarters => imageops::rotate270(&picture),
    }
}

/// The turned picture is what the picture is that is turned when it is finished, however the file lies.
#[test]
fn a_turn_comes_after_the_orientation_and_before_the_size() {
    let source = slopes(90, 60);
    for number in 1..=8 {
        let bytes = samples::oriented(&source, InputFormat::Png, number);
        for rotate in TURNS {
            let swaps = matches!(rotate, Rotation::Quarter | Rotation::ThreeQuarters);
            let sides = |width, height| if swaps { (height, width) } else { (width, height) };
            for (fit, width, height) in
                [(Fit::Fill, Some(31), Some(22)), (Fit::Inside, Some(40), Some(40)), (Fit::Cover, Some(33), None)]
            {
                let plain = Rendition { width, height, fit, format: OutputFormat::Png, ..Rendition::default() };
                let (width, height) = sides(width, height);
                let found = picture(&one(&bytes, Rendition { width, height, rotate, ..plain.clone() }));
                let expected = turned(&picture(&one(&bytes, plain)), rotate);
                assert_eq!(found.to_rgba8(), expected, "{number} {rotate:?} {fit:?}");
            }
        }
    }
}

#[test]
fn positions_are_those_of_the_turned_picture() {
    // Which quarter is at the upper left: clockwise from the first.
    let source = quarters(80, 60);
    let corner = |rotate, format| {
        let position = Position { x: 0.0, y: 0.0, focal: false };
        let asked = Rendition {
            width: Some(40),
            height: Some(2),
            position,
            rotate,
            enlarge: true,
            format,
            ..Rendition::default()
        };
        picture(&one(&samples::file(&source, InputFormat::Png), asked)).to_rgb8().get_pixel(2, 0).0
    };
    let whole = source.to_rgb8();
    let at = |x, y| whole.get_pixel(x, y).0;
    let corners = [at(1, 1), at(1, 58), at(78, 58), at(78, 1)];
    for (rotate, expected) in TURNS.into_iter().zip(corners) {
        assert_eq!(corner(rotate, OutputFormat::Png), expected, "{rotate:?}");
    }
}

/// Chroma of half the size lies where luma does, also when it is turned twice.
#[test]
fn chroma_stays_centred_under_turns() {
    let source = slopes(397, 301);
    for number in [1, 3, 5, 6, 8] {
        let bytes = subsampled(&source, number);
        for rotate in TURNS {
            for (width, height) in [(47, None), (48, Some(33)), (131, Some(20))] {
                let asked = Rendition { height, rotate, quality: Some(89), ..to_width(width, OutputFormat::Jpeg) };
                let expected =
                    picture(&one(&bytes, Rendition { format: OutputFormat::Png, ..asked.clone() })).to_rgb8();
                let found = picture(&one(&bytes, asked)).to_rgb8();
                assert_eq!(found.dimensions(), expected.dimensions());
                let worst = found.iter().zip(expected.iter()).map(|(one, other)| one.abs_diff(*other)).max();
                assert!(worst < Some(25), "{number} {rotate:?} {width}: {worst:?}");
            }
        }
    }
}

/// One channel in JPEG and PNG, three that are the same in WebP.
#[test]
fn grays_are_written_in_one_channel_where_the_format_has_such() {
    let source = slopes(64, 48);
    for from in [InputFormat::Jpeg, InputFormat::Png] {
        let bytes = samples::file(&source, from);
        for format in [OutputFormat::Jpeg, OutputFormat::Png, OutputFormat::Webp] {
            for metadata in [Metadata::Strip, Metadata::KeepIcc] {
                let asked = Rendition { metadata, ..to_width(32, format) };
                let output = picture(&one(&bytes, Rendition { grayscale: true, ..asked.clone() }));
                let is_gray = matches!(output.color(), image::ColorType::L8);
                assert_eq!(is_gray, format != OutputFormat::Webp, "{from:?} {format:?}");
                let colored =
                    picture(&one(&bytes, Rendition { lossless: true, format: OutputFormat::Png, ..asked })).to_rgb8();
                for (found, color) in output.to_rgb8().pixels().zip(colored.pixels()) {
                    let expected = cie::gray(color.0);
                    let near = found.0.iter().all(|value| value.abs_diff(expected) <= 8);
                    assert!(near, "{from:?} {format:?}: {found:?} of {color:?} should be {expected}");
                }
            }
        }
    }
}

/// Also the bars, and what lies under transparency.
#[test]
fn a_background_turns_gray_with_its_picture() {
    let glass = DynamicImage::ImageRgba8(RgbaImage::from_pixel(20, 20, Rgba([0, 0, 255, 0])));
    let bytes = samples::file(&glass, InputFormat::Png);
    let background = Color { rgba: [255, 0, 0, 255] };
    for format in [OutputFormat::Jpeg, OutputFormat::Png, OutputFormat::Webp] {
        let asked = Rendition {
            width: Some(20),
            height: Some(10),
            fit: Fit::Contain,
            background,
            flatten: true,
            grayscale: true,
            format,
            ..Rendition::default()
        };
        for (x, y) in [(1, 5), (10, 5)] {
            assert_color(&picture(&one(&bytes, asked.clone())), (x, y), [127; 3], "red is 127 in gray");
        }
    }
}

/// What is blurred or sharpened is the finished size, and nothing else changes.
#[test]
fn blur_and_sharpening_are_of_the_finished_size() {
    for from in [InputFormat::Jpeg, InputFormat::Png] {
        let bytes = samples::file(&slopes(120, 80), from);
        let plain = Rendition {
            width: Some(60),
            height: Some(60),
            fit: Fit::Contain,
            format: OutputFormat::Png,
            ..Rendition::default()
        };
        let expected = |edits: &Rendition| {
            let image = picture(&one(&bytes, plain.clone())).to_rgb8();
            let size = Size { width: image.width(), height: image.height() };
            let raster = raster::Raster { size, layout: raster::Layout::Rgb, data: image.into_raw() };
            edit::refined(raster, edits).unwrap().data
        };
        for (blur, sharpen) in [
            (Some(Blur::Mild), None),
            (Some(Blur::Sigma(4.0)), None),
            (None, Some(Sharpen::Mild)),
            (None, Some(Sharpen::Sigma(1.5))),
            (Some(Blur::Sigma(1.0)), Some(Sharpen::Sigma(1.0))),
        ] {
            let edits = Rendition { blur, sharpen, ..plain.clone() };
            let found = picture(&one(&bytes, edits.clone())).to_rgb8().into_raw();
            assert_eq!(found, expected(&edits), "{from:?} {blur:?} {sharpen:?}");
            assert_ne!(found, expected(&plain), "{from:?} {blur:?} {sharpen:?}");
        }
    }
}

/// One rendition's edits are not another's, which may be made from it.
#[test]
fn edits_stay_in_their_own_rendition() {
    let bytes = samples::file(&slopes(400, 300), InputFormat::Jpeg);
    let small = to_width(40, OutputFormat::Png);
    let large = |edits: Rendition| Rendition { width: Some(200), format: OutputFormat::Png, ..edits };
    let of = |edits: Rendition| resize(&bytes, &[large(edits), small.clone()], &Limits::default()).unwrap().remove(1);
    let plain = of(Rendition::default());
    for edits in [
        Rendition { blur: Some(Blur::Sigma(9.0)), ..Rendition::default() },
        Rendition { sharpen: Some(Sharpen::Mild), ..Rendition::default() },
        Rendition { grayscale: true, ..Rendition::default() },
        Rendition { rotate: Rotation::Half, ..Rendition::default() },
    ] {
        assert_eq!(of(edits.clone()), plain, "{edits:?}");
    }
}

/// A crop is a part of the picture that the same fit makes without one, and it holds the busy patch.
#[test]
fn a_strategy_keeps_the_part_that_has_something_to_see() {
    let mut random = fastrand::Rng::with_seed(41);
    for (left, top) in [(0, 0), (300, 20), (150, 200), (310, 230)] {
        let mut source = RgbaImage::from_pixel(400, 300, Rgba([120, 130, 140, 255]));
        for (x, y) in (top..top + 60).flat_map(|y| (left..left + 60).map(move |x| (x, y))) {
            source.put_pixel(x, y, Rgba([random.u8(..), random.u8(..), random.u8(..), 255]));
        }
        let source = DynamicImage::ImageRgba8(source);
        for from in [InputFormat::Jpeg, InputFormat::Png] {
            let bytes = samples::file(&source, from);
            let whole = picture(&one(&bytes, to_width(200, OutputFormat::Png))).to_rgb8();
            for strategy in [Strategy::Attention, Strategy::Entropy] {
                for (width, height) in [(200, 50), (61, 150)] {
                    let asked = Rendition {
                        height: Some(height),
                        strategy: Some(strategy),
                        ..to_width(width, OutputFormat::Png)
                    };
                    let found = picture(&one(&bytes, asked.clone())).to_rgb8();
                    assert_eq!(found.dimensions(), (width, height));
                    let apart = |x: u32, y: u32| -> u32 {
                        let part = imageops::crop_imm(&whole, x, y, width, height).to_image();
                        part.iter().zip(found.iter()).map(|(one, other)| u32::from(one.abs_diff(*other))).sum()
                    };
                    let places = (0..=200 - width).flat_map(|x| (0..=150 - height).map(move |y| (x, y)));
                    let (x, y) = places.min_by_key(|(x, y)| apart(*x, *y)).unwrap();
                    assert!(apart(x, y) <= width * height / 10, "a crop is a part of the whole");
                    let holds = |start: u32, length: u32, at: u32| start <= at / 2 && at / 2 + 30 <= start + length;
                    let case = format!("{from:?} {strategy:?} {width}x{height}: {x}, {y} for {left}, {top}");
                    assert!(holds(x, width, left) && holds(y, height, top), "{case}");
                    let jpeg = one(&bytes, Rendition { format: OutputFormat::Jpeg, ..asked.clone() });
                    assert_eq!((jpeg.width, jpeg.height), (width, height), "{case}");
                    let jpeg = picture(&jpeg).to_rgb8();
                    let mean =
                        jpeg.iter().zip(found.iter()).map(|(one, other)| u32::from(one.abs_diff(*other))).sum::<u32>()
                            / (width * height * 3);
                    assert!(mean < 30, "{case}: the JPEG shows another part");
                }
            }
        }
    }
}

/// Where nothing is cropped there is nothing to find, and no other fit crops.
#[test]
fn a_strategy_without_a_crop_changes_nothing() {
    let bytes = samples::file(&slopes(120, 80), InputFormat::Jpeg);
    for (fit, width, height) in [
        (Fit::Cover, Some(60), None),
        (Fit::Cover, Some(60), Some(40)),
        (Fit::Contain, Some(60), Some(60)),
        (Fit::Fill, Some(20), Some(60)),
        (Fit::Inside, Some(20), Some(60)),
        (Fit::Outside, Some(20), Some(60)),
    ] {
        for format in [OutputFormat::Jpeg, OutputFormat::Png] {
            let plain = Rendition { width, height, fit, format, ..Rendition::default() };
            let expected = one(&bytes, plain.clone());
            for strategy in [Strategy::Attention, Strategy::Entropy] {
                assert_eq!(one(&bytes, Rendition { strategy: Some(strategy), ..plain.clone() }), expected, "{fit:?}");
            }
        }
    }
}

/// The whole of which a part is kept is never made, however large it would be.
#[test]
fn a_strategy_takes_no_more_than_a_plain_crop_but_to_look() {
    let limits = Limits { pixels_max: 1_000_000, ..Limits::default() };
    let long = samples::file(&DynamicImage::new_rgb8(4000, 10), InputFormat::Png);
    for strategy in [Strategy::Attention, Strategy::Entropy] {
        let plain = Rendition { height: Some(100), enlarge: true, ..to_width(100, OutputFormat::Png) };
        let found = Rendition { strategy: Some(strategy), ..plain };
        let output = resize(&long, &[found], &limits).unwrap().remove(0);
        assert_eq!((output.width, output.height), (100, 100));
    }
}

/// What is found does not hang on what else is asked for, nor does what else is asked for hang on it.
#[test]
fn what_is_found_is_the_same_alone_and_with_others() {
    let bytes = samples::file(&slopes(400, 300), InputFormat::Png);
    let whole = to_width(400, OutputFormat::Png);
    let found = Rendition { height: Some(50), strategy: Some(Strategy::Attention), ..to_width(200, OutputFormat::Png) };
    let small = to_width(50, OutputFormat::Png);
    let all = resize(&bytes, &[whole.clone(), found.clone(), small.clone()], &Limits::default()).unwrap();
    for (together, alone) in all.iter().zip([whole, found, small]) {
        let alone = picture(&one(&bytes, alone)).to_rgb8();
        let worst = picture(together).to_rgb8().iter().zip(alone.iter()).map(|(one, other)| one.abs_diff(*other)).max();
        assert!(worst <= Some(2), "{worst:?}");
    }
}
