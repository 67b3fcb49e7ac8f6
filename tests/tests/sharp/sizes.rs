//! Sizes: exactly those of the oracle, and sharp's own, give or take the pixel that it rounds away.

use jpeg_encoder::SamplingFactor;
use serde_json::{Value, json};

use crate::corpus::{Corpus, Raw, jpeg};
use crate::{make, oracle, start_sharp};

const FITS: [&str; 5] = ["cover", "contain", "fill", "inside", "outside"];
/// Small, as the outputs are then, each of which is written: a narrow source makes a long output of a wide one.
const SOURCES: [(u32, u32); 6] = [(1, 1), (37, 53), (51, 34), (32, 32), (65, 16), (3, 40)];
const SIDES: [Option<u32>; 6] = [None, Some(1), Some(7), Some(25), Some(34), Some(75)];

/// All outputs of the grid.
fn outputs() -> Vec<Value> {
    let mut outputs = Vec::new();
    for fit in FITS {
        for enlarge in [false, true] {
            for width in SIDES {
                for height in SIDES {
                    let mut output = json!({ "fit": fit, "enlarge": enlarge, "format": "png" });
                    for (name, side) in [("width", width), ("height", height)] {
                        if let Some(side) = side {
                            output[name] = side.into();
                        }
                    }
                    if width.or(height).is_some() {
                        outputs.push(output);
                    }
                }
            }
        }
    }
    outputs
}

fn flat(width: u32, height: u32) -> Raw {
    Raw::by_place(width, height, |x, y| [40, 90, 160].map(|level| level + u8::from((x + y) % 2 == 0) * 20))
}

#[test]
fn sizes_are_exact_for_every_fit_side_and_orientation() {
    let corpus = Corpus::new();
    let outputs = outputs();
    for source in SOURCES {
        let raw = flat(source.0, source.1);
        for orientation in 1..=8 {
            let bytes = jpeg(&raw.stored(orientation), SamplingFactor::F_2_2, orientation, None);
            let file = corpus.write("oriented.jpg", &bytes);
            // Each orientation has a part of the grid, and three have each part.
            let outputs: Vec<Value> = outputs.iter().skip(orientation as usize % 3).step_by(3).cloned().collect();
            // A list of renditions is as long as a job may be.
            for outputs in outputs.chunks(64) {
                for (made, output) in make(&file, outputs).iter().zip(outputs) {
                    let [_, expected] = oracle::sizes(source, output);
                    let found = (made.width, made.height);
                    assert_eq!(found, expected, "{source:?}, orientation {orientation}, {output}");
                }
            }
        }
    }
}

#[test]
fn sizes_are_those_of_sharp_but_for_a_pixel() {
    let Some(mut sharp) = start_sharp("sizes") else { return };
    let corpus = Corpus::new();
    let mut random = fastrand::Rng::with_seed(5);
    let outputs = outputs();
    let positions = ["center", "north", "right top", "southwest"];
    for source in SOURCES {
        let raw = flat(source.0, source.1);
        for orientation in [1, 3, 6, 7] {
            // No JPEG: sharp lets its decoder scale them, and rounds a side of three pixels to two before it computes.
            let asked = json!({ "as": "png", "orientation": orientation });
            let file = corpus.by_sharp(&mut sharp, "oriented.png", &raw.stored(orientation), &asked);
            let outputs = random.choose_multiple(&outputs, 40).into_iter().map(|output| {
                let mut output = output.clone();
                output["position"] = (*random.choice(&positions).unwrap()).into();
                output
            });
            for output in outputs.collect::<Vec<_>>() {
                let expected = sharps_size(source, &output);
                let (width, height, _) = sharp.resize(&file, std::slice::from_ref(&output)).unwrap().outputs[0];
                let near = width.abs_diff(expected.0) <= 1 && height.abs_diff(expected.1) <= 1;
                assert!(near, "{source:?}, orientation {orientation}, {output}: {expected:?}, sharp {width}x{height}");
            }
        }
    }
}

/// The size by sharp's rules, which are ours but for one: `contain` without enlargement has bars up to the one side that
/// is asked, where the handler leaves the image as it is.
fn sharps_size(source: (u32, u32), output: &Value) -> (u32, u32) {
    let [_, size] = oracle::sizes(source, output);
    let asked = |name: &str| output[name].as_u64().map_or(0, |side| u32::try_from(side).unwrap());
    match output["fit"].as_str() {
        Some("contain") => (size.0.max(asked("width")), size.1.max(asked("height"))),
        _ => size,
    }
}

/// Sharp rounds what is left of the height after it has been decoded at an eighth; the handler rounds once.
#[test]
fn a_height_is_rounded_once_where_sharp_rounds_twice() {
    let corpus = Corpus::new();
    let file = corpus.write("large.jpg", &jpeg(&flat(6028, 3391), SamplingFactor::F_2_2, 1, None));
    let output = json!({ "width": 200, "format": "png" });
    let made = &make(&file, std::slice::from_ref(&output))[0];
    assert_eq!((made.width, made.height), (200, 113));
    let Some(mut sharp) = start_sharp("the twice rounded height") else { return };
    let (width, height, _) = sharp.resize(&file, &[output]).unwrap().outputs[0];
    assert_eq!((width, height), (200, 112));
}
