//! Pixels: those of sharp within bounds, for every kind of file and every way to fit, and no further than sharp's from
//! what a resampler in floats makes of the full decode.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::corpus::{Corpus, every_kind};
use crate::quality::{Gamut, Picture};
use crate::{make_both, start_sharp};

/// How far two pictures of one size are from each other, in levels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Distance {
    /// Of all samples.
    pub(crate) mean: f32,
    /// The largest of the means of blocks of 8x8 samples: what is left when single pixels do not count.
    pub(crate) block_max: f32,
}

impl Distance {
    pub(crate) fn between(one: &Picture, other: &Picture) -> Self {
        assert_eq!((one.width, one.height), (other.width, other.height));
        #[expect(clippy::cast_precision_loss, reason = "pictures are small")]
        let count = |samples: usize| samples as f32;
        let differences = |x: usize, y: usize| {
            let at = y * one.width + x;
            let pairs = one.pixels[at].into_iter().zip(other.pixels[at]);
            pairs.map(|(one, other)| one - other).collect::<Vec<_>>()
        };
        let (mut sum, mut block_max) = (0.0, 0.0_f32);
        for top in (0..one.height).step_by(8) {
            for left in (0..one.width).step_by(8) {
                let (rows, columns) = (top..one.height.min(top + 8), left..one.width.min(left + 8));
                let mut block = [0.0; 4];
                let pixels = count(rows.len() * columns.len());
                for (y, x) in rows.flat_map(|y| columns.clone().map(move |x| (y, x))) {
                    for (block, difference) in block.iter_mut().zip(differences(x, y)) {
                        *block += difference / pixels;
                        sum += difference.abs();
                    }
                }
                block_max = block.iter().fold(block_max, |max, mean| max.max(mean.abs()));
            }
        }
        Self { mean: sum / count(one.width * one.height * 4), block_max }
    }
}

/// How far the handler's pixels may be from sharp's.
fn bounds(name: &str, output: &Value) -> Distance {
    let scaled_by_the_decoder = [".jpg", ".webp"].iter().any(|end| name.ends_with(end));
    match name {
        // Four colours are converted by different rules.
        "cmyk.jpg" => Distance { mean: 40.0, block_max: 120.0 },
        // Sharp has a cubic kernel for what becomes larger, whatever the kernel is.
        _ if output["enlarge"] == true => Distance { mean: 4.0, block_max: 35.0 },
        // Both scale in the decoder, by different factors, and sharp rounds sizes after that, so that a crop of its image
        // may begin half a pixel from ours.
        _ if scaled_by_the_decoder => Distance { mean: 4.0, block_max: 20.0 },
        _ => Distance { mean: 2.0, block_max: 6.0 },
    }
}

/// Sharp has gray bars there, which is compared on its own.
fn is_gray_with_bars(name: &str, output: &Value) -> bool {
    name.starts_with("gray") && output["fit"] == "contain"
}

fn outputs() -> Vec<Value> {
    vec![
        json!({ "width": 49 }),
        json!({ "width": 91, "height": 91 }),
        json!({ "width": 150, "height": 60, "position": "northwest" }),
        json!({ "width": 60, "height": 150, "position": "right" }),
        json!({ "width": 120, "height": 120, "fit": "contain", "background": "#204060" }),
        json!({ "width": 120, "height": 120, "fit": "contain", "position": "top", "background": "#ff000080" }),
        json!({ "width": 133, "height": 45, "fit": "fill" }),
        json!({ "width": 200, "height": 200, "fit": "inside" }),
        json!({ "width": 140, "height": 140, "fit": "outside" }),
        json!({ "width": 300 }),
        json!({ "height": 255 }),
        json!({ "width": 700, "height": 500, "fit": "fill", "enlarge": true }),
    ]
}

#[test]
fn pixels_are_those_of_sharp() {
    let Some(mut sharp) = start_sharp("pixels") else { return };
    let corpus = Corpus::new();
    let (mut table, mut failures, mut compared, mut left_out) = (String::new(), String::new(), 0, 0);
    for (name, file) in every_kind(&mut sharp, &corpus) {
        let mut worst = Distance { mean: 0.0, block_max: 0.0 };
        for output in outputs().iter().filter(|output| !is_gray_with_bars(name, output)) {
            let bounds = bounds(name, output);
            let [ours, theirs] = make_both(&mut sharp, &file, output);
            if (ours.width, ours.height) != (theirs.width, theirs.height) {
                left_out += 1;
                continue;
            }
            compared += 1;
            let distance = Distance::between(&ours, &theirs);
            worst.mean = worst.mean.max(distance.mean);
            worst.block_max = worst.block_max.max(distance.block_max);
            if distance.mean > bounds.mean || distance.block_max > bounds.block_max {
                writeln!(failures, "{name} {output}: {distance:?}").unwrap();
            }
        }
        writeln!(table, "{name:<20} mean {:6.2}   blocks {:6.2}", worst.mean, worst.block_max).unwrap();
    }
    println!("{table}{compared} compared, {left_out} of a size that sharp rounds otherwise");
    assert!(failures.is_empty(), "further from sharp than the bounds:\n{failures}");
    assert!(left_out * 10 < compared, "{left_out} of {compared} were not compared");
}

/// Where both differ, the handler must not be the one that is wrong.
#[test]
fn pixels_are_as_near_to_the_truth_as_those_of_sharp() {
    let Some(mut sharp) = start_sharp("the truth of pixels") else { return };
    let corpus = Corpus::new();
    let mut failures = String::new();
    for (name, file) in every_kind(&mut sharp, &corpus) {
        // `image`, which decodes for the reference, neither turns nor has a profile of four colours.
        if matches!(name, "cmyk.jpg" | "lighthouse.jpg") {
            continue;
        }
        let source = Picture::decode(&std::fs::read(&file).unwrap(), Gamut::Srgb);
        for width in [49, 160, 300] {
            let [ours, theirs] = make_both(&mut sharp, &file, &json!({ "width": width }));
            let distance = |made: &Picture| Distance::between(&source.lanczos(made.width, made.height), made).mean;
            let (ours, theirs) = (distance(&ours), distance(&theirs));
            println!("{name:<20} {width:>4} ours {ours:5.2} sharp {theirs:5.2}");
            // A JPEG is decoded at a half as soon as that is large enough; sharp leaves more to its resampler.
            // What had a palette has one again where that looks the same; sharp writes all colours.
            let more = match name {
                _ if file.extension().is_some_and(|end| end == "jpg") => 0.75,
                "palette.png" | "palette.gif" => 0.5,
                _ => 0.25,
            };
            if ours > theirs * 1.25 + more {
                writeln!(failures, "{name} to {width}: {ours:.2} levels from the truth, sharp {theirs:.2}").unwrap();
            }
        }
    }
    assert!(failures.is_empty(), "{failures}");
}

/// Sharp turns the colour of the bars into the gray of a gray image; here they have the colour that was asked for.
#[test]
fn bars_keep_their_colour_on_gray_images() {
    let Some(mut sharp) = start_sharp("bars on gray images") else { return };
    let corpus = Corpus::new();
    for (name, file) in every_kind(&mut sharp, &corpus) {
        for output in outputs().iter().filter(|output| is_gray_with_bars(name, output)) {
            let [ours, theirs] = make_both(&mut sharp, &file, output);
            // Colours times alpha.
            let expected = match output["background"].as_str().unwrap() {
                "#204060" => [32.0, 64.0, 96.0, 255.0],
                "#ff000080" => [128.0, 0.0, 0.0, 128.0],
                other => panic!("{other} is not told here"),
            };
            let near = |pixel: &[f32; 4]| pixel.iter().zip(expected).all(|(found, level)| (found - level).abs() <= 1.0);
            let ([.., our_bar], [.., their_bar]) = (&ours.pixels[..], &theirs.pixels[..]) else {
                panic!("{name} {output} has no pixels")
            };
            assert!(near(our_bar), "{name} {output}: {our_bar:?} should be {expected:?}");
            let gray = their_bar[..3].iter().all(|level| (level - their_bar[0]).abs() < 0.5);
            assert!(gray, "sharp's is {their_bar:?}");
            // The image between the bars is the same.
            let middle = |picture: &Picture| picture.pixels[picture.width * (picture.height / 3) + picture.width / 2];
            let apart = middle(&ours).into_iter().zip(middle(&theirs)).map(|(one, other)| (one - other).abs());
            assert!(apart.fold(0.0, f32::max) <= 20.0, "{name} {output}: {:?}, {:?}", middle(&ours), middle(&theirs));
        }
    }
}
