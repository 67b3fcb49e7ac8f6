//! Encoders: as good as sharp's at the same setting, and no larger.

use std::fmt::Write as _;

use serde_json::json;

use crate::corpus::{Corpus, Raw};
use crate::quality::{Gamut, Picture};
use crate::{make, start_sharp};

/// SSIMULACRA2 that may be lost to sharp.
const SCORE_LOST_MAX: f64 = 0.5;
/// Bytes by sharp's, and what a point of quality more may cost.
const BYTES_MAX: f64 = 1.05;
const BYTES_PER_POINT: f64 = 0.03;

#[test]
fn jpegs_are_as_good_as_those_of_sharp_and_no_larger() {
    check("jpeg", &[200, 400, 800]);
}

#[test]
fn webps_are_as_good_as_those_of_sharp_and_no_larger() {
    check("webp", &[200, 800]);
}

fn check(format: &str, widths: &[u32]) {
    let Some(mut sharp) = start_sharp("encoders") else { return };
    let corpus = Corpus::new();
    let jpeg = json!({ "as": "jpeg", "quality": 92, "chromaSubsampling": "4:2:0" });
    let photos = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("photos");
    let sources = [
        ("photo.jpg", corpus.by_sharp(&mut sharp, "photo.jpg", &Raw::photo(2000, 1500), &jpeg)),
        ("photo.png", corpus.by_sharp(&mut sharp, "photo.png", &Raw::photo(1201, 901), &json!({ "as": "png" }))),
        (
            "rgba.png",
            corpus.by_sharp(&mut sharp, "rgba.png", &Raw::photo(1201, 901).with_alpha(), &json!({ "as": "png" })),
        ),
        ("hills-at-dusk.jpg", photos.join("landscape/hills-at-dusk.jpg")),
        ("mountain-lake.jpg", photos.join("landscape/lake/mountain-lake.jpg")),
        ("fruit.webp", photos.join("still-life/fruit.webp")),
    ];
    let mut table = "source               output      SSIMULACRA2: ours sharp   bytes:   ours   sharp\n".to_owned();
    let mut failures = 0;
    for (name, file) in sources {
        let source = Picture::decode(&std::fs::read(&file).unwrap(), Gamut::Srgb);
        for &width in widths {
            if format == "jpeg" && name == "rgba.png" {
                continue;
            }
            let to = corpus.folder().join("sharps");
            let mut output = json!({ "width": width, "format": format, "quality": 80 });
            let ours = make(&file, std::slice::from_ref(&output)).remove(0).bytes;
            output["to"] = to.to_str().unwrap().into();
            sharp.resize(&file, &[output]).unwrap();
            let theirs = std::fs::read(&to).unwrap();
            let score = |bytes: &[u8]| {
                let made = Picture::decode(bytes, Gamut::Srgb);
                source.lanczos(made.width, made.height).score(&made)
            };
            let scores = [score(&ours), score(&theirs)];
            #[expect(clippy::cast_precision_loss, reason = "the files are small")]
            let larger = ours.len() as f64 / theirs.len() as f64;
            let better = (scores[0] - scores[1]).max(0.0);
            // Fewer bytes buy half a point at most, at the same price.
            let saved = ((1.0 - larger) / BYTES_PER_POINT).clamp(0.0, SCORE_LOST_MAX);
            let worse = scores[0] < scores[1] - SCORE_LOST_MAX - saved;
            let failed = worse || larger > BYTES_MAX + BYTES_PER_POINT * better;
            failures += u32::from(failed);
            writeln!(
                table,
                "{name:<20} {format} {width:<6} {:18.1} {:5.1} {:14} {:7} {}",
                scores[0],
                scores[1],
                ours.len(),
                theirs.len(),
                if failed { "worse" } else { "" }
            )
            .unwrap();
        }
    }
    println!("{table}");
    assert_eq!(failures, 0, "worse than sharp by more than {SCORE_LOST_MAX}, or larger than {BYTES_MAX}:\n{table}");
}
