//! Places: what a crop keeps, and how a photo lies.

use jpeg_encoder::SamplingFactor;
use serde_json::{Value, json};

use crate::corpus::{Corpus, Raw, jpeg};
use crate::quality::Picture;
use crate::{make_both, make_sharps, oracle, start_sharp};

/// Cells of a board whose colours tell where each is.
const CELL: u32 = 40;
const CELLS: (u32, u32) = (12, 9);

fn board() -> Raw {
    Raw::by_place(CELLS.0 * CELL, CELLS.1 * CELL, |x, y| cell_color(x / CELL, y / CELL))
}

fn cell_color(column: u32, row: u32) -> [u8; 3] {
    [30 + 18 * column, 40 + 22 * row, if (column + row).is_multiple_of(2) { 60 } else { 200 }]
        .map(|level| u8::try_from(level).unwrap())
}

/// Compares the middle of every cell that lies in a crop with what is there, in a picture of the board at a whole scale.
fn check_cells(picture: &Picture, start: (u32, u32), cell: u32, what: &str) {
    let mut seen = 0;
    for (column, row) in (0..CELLS.0).flat_map(|column| (0..CELLS.1).map(move |row| (column, row))) {
        let middle = |index: u32, start: u32| (index * cell + cell / 2).checked_sub(start).map(|place| place as usize);
        let (Some(x), Some(y)) = (middle(column, start.0), middle(row, start.1)) else { continue };
        if x >= picture.width || y >= picture.height {
            continue;
        }
        seen += 1;
        let expected = cell_color(column, row).map(f32::from);
        let found = picture.pixels[y * picture.width + x];
        let near = found.iter().zip(expected).all(|(found, expected)| (found - expected).abs() <= 6.0);
        assert!(near, "{what}: {found:?} at {x}, {y} should be cell {column}, {row}, which is {expected:?}");
    }
    assert!(seen > 0, "{what}: no cell is in the crop");
}

/// The nine gravities, at a scale of a half: what is cut off is the same for both, to the pixel.
#[test]
fn crops_keep_what_sharp_keeps() {
    let Some(mut sharp) = start_sharp("crops") else { return };
    let corpus = Corpus::new();
    let file = corpus.by_sharp(&mut sharp, "board.png", &board(), &json!({ "as": "png" }));
    let gravities = [
        ("center", 1, 1),
        ("north", 1, 0),
        ("northeast", 2, 0),
        ("right", 2, 1),
        ("right bottom", 2, 2),
        ("south", 1, 2),
        ("left bottom", 0, 2),
        ("west", 0, 1),
        ("northwest", 0, 0),
    ];
    for (word, across, down) in gravities {
        for (width, height) in [(240, 90), (120, 180), (101, 180), (240, 77)] {
            let output = json!({ "width": width, "height": height, "position": word });
            let over = (CELLS.0 * CELL / 2 - width, CELLS.1 * CELL / 2 - height);
            let start = ((over.0 * across).div_ceil(2), (over.1 * down).div_ceil(2));
            let [ours, theirs] = make_both(&mut sharp, &file, &output);
            check_cells(&ours, start, CELL / 2, &format!("ours, {output}"));
            check_cells(&theirs, start, CELL / 2, &format!("sharp's, {output}"));
            let worst = ours.pixels.iter().flatten().zip(theirs.pixels.iter().flatten());
            let worst = worst.map(|(ours, theirs)| (ours - theirs).abs()).fold(0.0, f32::max);
            assert!(worst <= 4.0, "{output}: a pixel is {worst} levels from sharp's, as if it were another place");
        }
    }
}

/// Sharp has no focal points. It is told where the crop of the scaled image is by the oracle.
#[test]
fn a_focal_point_is_in_the_middle_as_far_as_the_image_reaches() {
    let Some(mut sharp) = start_sharp("focal points") else { return };
    let corpus = Corpus::new();
    let file = corpus.by_sharp(&mut sharp, "board.png", &board(), &json!({ "as": "png" }));
    for (x, y) in [(0.0, 0.0), (0.3, 0.8), (0.5, 0.5), (0.62, 0.11), (0.91, 0.4), (1.0, 1.0)] {
        for (width, height) in [(240_u32, 90_u32), (120, 180), (101, 180)] {
            let output = json!({ "width": width, "height": height, "position": { "x": x, "y": y } });
            let [whole, _] = oracle::sizes((CELLS.0 * CELL, CELLS.1 * CELL), &output);
            let start = (oracle::focal_start(whole.0, width, x), oracle::focal_start(whole.1, height, y));
            let extract = json!({ "left": start.0, "top": start.1, "width": width, "height": height });
            let theirs = json!({ "width": whole.0, "height": whole.1, "fit": "fill", "extract": extract });
            let theirs = make_sharps(&mut sharp, &file, theirs);
            let bytes = std::fs::read(&file).unwrap();
            let ours = png(&bytes, &output);
            check_cells(&ours, start, CELL / 2, &format!("ours, {output}"));
            let worst = ours.pixels.iter().flatten().zip(theirs.pixels.iter().flatten());
            let worst = worst.map(|(ours, theirs)| (ours - theirs).abs()).fold(0.0, f32::max);
            assert!(worst <= 4.0, "{output}: a pixel is {worst} levels from sharp's, as if it were another place");
        }
    }
}

fn png(bytes: &[u8], output: &Value) -> Picture {
    let mut output = output.clone();
    output["format"] = "png".into();
    let renditions = crate::ours::renditions(&[output]);
    let made = crate::ours::resize(bytes, &renditions, &mut handler::pixels::jpeg::Arena::default()).unwrap();
    Picture::decode(&made[0].bytes, crate::quality::Gamut::Srgb)
}

#[test]
fn photos_lie_as_sharp_lays_them() {
    let Some(mut sharp) = start_sharp("orientations") else { return };
    let corpus = Corpus::new();
    let board = board();
    for orientation in 1..=8 {
        let stored = board.stored(orientation);
        let mut files =
            vec![("jpeg", corpus.write("board.jpg", &jpeg(&stored, SamplingFactor::F_1_1, orientation, None)))];
        for format in ["png", "webp", "tiff"] {
            let mut asked = json!({ "as": format, "orientation": orientation });
            match format {
                "webp" => asked["lossless"] = true.into(),
                "tiff" => asked["compression"] = "lzw".into(),
                _ => {}
            }
            files.push((format, corpus.by_sharp(&mut sharp, format, &stored, &asked)));
        }
        for (format, file) in files {
            for output in [json!({ "width": 240 }), json!({ "width": 100, "height": 180, "position": "right" })] {
                let [ours, theirs] = make_both(&mut sharp, &file, &output);
                let start = (240 - u32::try_from(ours.width).unwrap(), 0);
                check_cells(&ours, start, CELL / 2, &format!("ours, {format} {orientation}, {output}"));
                check_cells(&theirs, start, CELL / 2, &format!("sharp's, {format} {orientation}, {output}"));
            }
        }
    }
}
