//! What is done to the pixels, what is found in them, and what goes along: as sharp has it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::child::Sharp;
use crate::corpus::{Corpus, Raw};
use crate::pixels::Distance;
use crate::quality::{Gamut, Picture};
use crate::{make, make_both, start_sharp};

fn sources(sharp: &mut Sharp, corpus: &Corpus) -> Vec<(&'static str, PathBuf)> {
    let photo = || Raw::photo(601, 447);
    let photos = Path::new(env!("CARGO_MANIFEST_DIR")).join("photos");
    vec![
        ("photo.png", corpus.by_sharp(sharp, "photo.png", &photo(), &json!({ "as": "png" }))),
        ("rgba.png", corpus.by_sharp(sharp, "rgba.png", &photo().with_alpha(), &json!({ "as": "png" }))),
        ("gray.png", corpus.by_sharp(sharp, "gray.png", &photo(), &json!({ "as": "png", "space": "b-w" }))),
        ("marble.png", photos.join("still-life/marble.png")),
        ("mountain-lake.jpg", photos.join("landscape/lake/mountain-lake.jpg")),
        ("lighthouse.jpg", photos.join("portrait/lighthouse.jpg")),
    ]
}

/// Each edit, and how far the mean of all samples and that of a block may be from sharp's, which blurs with masks that are
/// rounded to what a vector unit takes.
fn edits() -> Vec<(Value, f32, f32)> {
    vec![
        (json!({ "width": 90, "height": 150, "rotate": 90 }), 2.0, 8.0),
        (json!({ "width": 150, "height": 90, "rotate": 180, "position": "northwest" }), 2.0, 8.0),
        (json!({ "width": 150, "rotate": 270 }), 2.0, 8.0),
        (json!({ "width": 150, "grayscale": true }), 2.0, 6.0),
        (json!({ "width": 150, "blur": true }), 1.0, 4.0),
        (json!({ "width": 150, "blur": 0.3 }), 2.0, 6.0),
        (json!({ "width": 150, "blur": 0.8 }), 1.0, 4.0),
        (json!({ "width": 150, "blur": 3 }), 1.0, 4.0),
        (json!({ "width": 150, "blur": 25 }), 1.0, 4.0),
        (json!({ "width": 150, "sharpen": true }), 3.0, 8.0),
        (json!({ "width": 150, "sharpen": 0.5 }), 4.0, 8.0),
        (json!({ "width": 150, "sharpen": 1 }), 4.0, 8.0),
        (json!({ "width": 150, "sharpen": 4 }), 4.0, 8.0),
        (json!({ "width": 150, "height": 150, "fit": "contain", "background": "#a03010", "blur": 2 }), 1.0, 4.0),
        (json!({ "width": 150, "rotate": 90, "grayscale": true, "blur": 1.5, "sharpen": 1 }), 1.5, 5.0),
    ]
}

#[test]
fn edits_are_those_of_sharp() {
    let Some(mut sharp) = start_sharp("edits") else { return };
    let corpus = Corpus::new();
    let (mut table, mut failures) = (String::new(), String::new());
    for (name, file) in sources(&mut sharp, &corpus) {
        for (output, mean_max, block_max) in edits() {
            // Sharp's bars turn gray with the image.
            if name == "gray.png" && output["fit"] == "contain" {
                continue;
            }
            let [ours, theirs] = make_both(&mut sharp, &file, &output);
            let distance = Distance::between(&ours, &theirs);
            writeln!(table, "{name:<18} {distance:6.2?} {output}").unwrap();
            // Both decode a JPEG to different scales, and multiply by alpha in bytes at different places.
            let is_jpeg = file.extension().is_some_and(|end| end == "jpg");
            let more = if is_jpeg || name == "rgba.png" { 2.0 } else { 1.0 };
            if distance.mean > mean_max * more || distance.block_max > block_max * more {
                writeln!(failures, "{name} {output}: {distance:?}").unwrap();
            }
            if output["grayscale"] == true {
                let gray = |picture: &Picture| {
                    let is_gray = |[red, green, blue, _]: &[f32; 4]| (red - green).abs() + (green - blue).abs() < 0.5;
                    picture.pixels.iter().all(is_gray)
                };
                assert!(gray(&ours) && gray(&theirs), "{name} {output}");
            }
        }
    }
    println!("{table}");
    assert!(failures.is_empty(), "further from sharp than the bounds:\n{failures}");
}

/// Where a picture is in another one that holds it, but for rounding.
fn place_in(whole: &Picture, part: &Picture) -> (usize, usize) {
    let apart = |left: usize, top: usize| -> f32 {
        let row = |(y, row): (usize, &[[f32; 4]])| -> f32 {
            let start = (top + y) * whole.width + left;
            let pairs = whole.pixels[start..start + part.width].iter().zip(row);
            pairs.flat_map(|(one, other)| one.iter().zip(other)).map(|(one, other)| (one - other).abs()).sum()
        };
        part.pixels.chunks_exact(part.width).enumerate().map(row).sum()
    };
    let lefts = 0..=whole.width - part.width;
    let places = (0..=whole.height - part.height).flat_map(|top| lefts.clone().map(move |left| (left, top)));
    let apart_at = |(left, top): (usize, usize)| (apart(left, top), left, top);
    let nearest = places.map(apart_at).min_by(|one, other| one.0.total_cmp(&other.0)).unwrap();
    let (apart, left, top) = nearest;
    #[expect(clippy::cast_precision_loss, reason = "pictures are small")]
    let samples = (part.pixels.len() * 4) as f32;
    assert!(apart / samples < 0.5, "a crop is a part of the whole, and not {} levels from it", apart / samples);
    (left, top)
}

/// Attention places a crop by 32nds of the picture, and entropy by slices; so both may be one of these from sharp's.
#[test]
fn crops_are_found_where_sharp_finds_them() {
    let Some(mut sharp) = start_sharp("crops that are found") else { return };
    let corpus = Corpus::new();
    let (mut table, mut far, mut all) = (String::new(), 0, 0);
    for (name, file) in sources(&mut sharp, &corpus) {
        for strategy in ["attention", "entropy"] {
            for (width, height) in [(200_u32, 60_u32), (60, 200), (97, 97), (180, 41), (50, 140)] {
                let output = json!({ "width": width, "height": height, "position": strategy, "format": "png" });
                let mut outside = output.clone();
                outside["fit"] = "outside".into();
                let decode =
                    |output: &Value| Picture::decode(&make(&file, std::slice::from_ref(output))[0].bytes, Gamut::Srgb);
                let (whole, part) = (decode(&outside), decode(&output));
                let (left, top) = place_in(&whole, &part);
                let theirs = sharp.crop(&file, &output);
                let apart = |ours: usize, theirs: u32| ours.abs_diff(theirs as usize);
                let (across, down) = (apart(left, theirs.0), apart(top, theirs.1));
                let near = across <= whole.width / 32 + 2 && down <= whole.height / 32 + 2;
                (far, all) = (far + usize::from(!near), all + 1);
                let of = (whole.width, whole.height);
                writeln!(
                    table,
                    "{name:<18} {strategy:<9} {width:>3}x{height:<3} of {of:?}: {left}, {top}, sharp's {theirs:?} {}",
                    if near { "" } else { "FAR" }
                )
                .unwrap();
            }
        }
    }
    println!("{table}");
    assert!(far == 0, "{far} of {all} crops are elsewhere:\n{table}");
}

/// The names of the chunks or segments up to the pixels, with the frame's own header.
fn frame(file: &[u8]) -> (u8, u8) {
    let at = (2..file.len()).find(|at| file[*at] == 0xff && matches!(file[at + 1], 0xc0..=0xc2)).unwrap();
    (file[at + 1], file[at + 11])
}

/// The frame of a JPEG and its sampling are what sharp makes of the same words.
#[test]
fn jpegs_are_of_the_kind_that_sharp_writes() {
    let Some(mut sharp) = start_sharp("kinds of JPEG") else { return };
    let corpus = Corpus::new();
    let file = corpus.by_sharp(&mut sharp, "photo.png", &Raw::photo(301, 247), &json!({ "as": "png" }));
    for progressive in [false, true] {
        for chroma in ["4:2:0", "4:4:4"] {
            for quality in [70, 95] {
                let mut output = json!({
                    "width": 150, "format": "jpeg", "quality": quality, "progressive": progressive, "chroma": chroma
                });
                let ours = make(&file, std::slice::from_ref(&output)).remove(0).bytes;
                let to = corpus.folder().join("sharps.jpg");
                output["to"] = to.to_str().unwrap().into();
                sharp.resize(&file, std::slice::from_ref(&output)).unwrap();
                let theirs = std::fs::read(&to).unwrap();
                assert_eq!(frame(&ours), frame(&theirs), "{output}");
                let [ours, theirs] = [ours, theirs].map(|file| Picture::decode(&file, Gamut::Srgb));
                let distance = Distance::between(&ours, &theirs);
                assert!(distance.mean < 2.0, "{output}: {distance:?}");
            }
        }
    }
}
