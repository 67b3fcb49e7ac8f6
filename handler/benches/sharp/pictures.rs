//! The pictures that are resized, made once and kept in `target/tmp`.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::child::Sharp;
use crate::photo::photo;

pub(crate) const JPEG_12: &str = "12.jpg";
pub(crate) const JPEG_12_SRGB: &str = "12-srgb.jpg";
pub(crate) const JPEG_12_P3: &str = "12-p3.jpg";
pub(crate) const JPEG_24: &str = "24.jpg";
pub(crate) const JPEG_24_SRGB: &str = "24-srgb.jpg";
pub(crate) const JPEG_16_PROGRESSIVE: &str = "16-progressive.jpg";
pub(crate) const PNG_4_RGBA: &str = "4-rgba.png";
pub(crate) const JPEG_12_INKS: &str = "12-inks.jpg";
pub(crate) const TIFF_A4_600: &str = "a4-600.tif";
pub(crate) const GIF_ANIMATED: &str = "animated.gif";
pub(crate) const PNG_12: &str = "12.png";

/// Counts up when the pictures change.
const EDITION: u32 = 2;
/// Noise in levels, so that a pixel takes as many bits as one of a phone does.
const GRAIN: f32 = 8.0;

/// Makes what is not there yet, and says where it all is.
pub(crate) fn make(sharp: &mut Sharp) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("beside-sharp-{EDITION}"));
    let done = folder.join("done");
    if done.exists() {
        return folder;
    }
    fs::create_dir_all(&folder).expect("the folder can be made");
    let jpeg = json!({ "as": "jpeg", "quality": 90, "chromaSubsampling": "4:2:0", "optimiseCoding": false });
    let with = |field: &str, value: &str| {
        let mut jpeg = jpeg.clone();
        jpeg[field] = value.into();
        jpeg
    };
    let mut inks = with("profile", "cmyk");
    inks["space"] = "cmyk".into();
    let files = [
        (JPEG_12, jpeg.clone()),
        (JPEG_12_SRGB, with("profile", "srgb")),
        (JPEG_12_P3, with("profile", "p3")),
        (JPEG_12_INKS, inks),
        (PNG_12, json!({ "as": "png" })),
    ];
    write(sharp, &folder, (4000, 3000), &photo(4000, 3000, GRAIN, 12), &files);
    let files = [(JPEG_24, jpeg.clone()), (JPEG_24_SRGB, with("profile", "srgb"))];
    write(sharp, &folder, (6000, 4000), &photo(6000, 4000, GRAIN, 24), &files);
    let progressive = json!({ "as": "jpeg", "quality": 90, "chromaSubsampling": "4:2:0", "progressive": true });
    let files = [(JPEG_16_PROGRESSIVE, progressive)];
    write(sharp, &folder, (4608, 3456), &photo(4608, 3456, GRAIN, 16), &files);
    let pixels = with_soft_edges(&photo(2000, 2000, GRAIN, 4), 2000);
    write(sharp, &folder, (2000, 2000), &pixels, &[(PNG_4_RGBA, json!({ "as": "png" }))]);
    let scan = json!({ "as": "tiff", "space": "rgb16", "compression": "none" });
    write(sharp, &folder, (4960, 7016), &photo(4960, 7016, GRAIN, 35), &[(TIFF_A4_600, scan)]);
    let frames = json!({ "as": "gif", "pageHeight": 600 });
    write(sharp, &folder, (800, 4800), &photo(800, 4800, 0.0, 5), &[(GIF_ANIMATED, frames)]);
    fs::write(done, "").expect("a file can be written");
    folder
}

/// Writes files of the same pixels.
fn write(sharp: &mut Sharp, folder: &Path, (width, height): (u32, u32), pixels: &[u8], files: &[(&str, Value)]) {
    let raw = folder.join("raw");
    fs::write(&raw, pixels).expect("a file can be written");
    let channels = pixels.len() / (width as usize * height as usize);
    for (name, request) in files {
        let mut request = request.clone();
        for (field, value) in [
            ("make", json!(raw)),
            ("to", json!(folder.join(name))),
            ("width", json!(width)),
            ("height", json!(height)),
            ("channels", json!(channels)),
        ] {
            request[field] = value;
        }
        sharp.make(&request);
    }
    fs::remove_file(raw).expect("it was just written");
}

/// A square picture as a round thing with a soft edge on nothing.
fn with_soft_edges(rgb: &[u8], side: u32) -> Vec<u8> {
    let middle = f64::from(side) / 2.0;
    let places = (0..side).flat_map(|y| (0..side).map(move |x| (x, y)));
    let pixels = rgb.as_chunks::<3>().0.iter().zip(places).flat_map(|(&[red, green, blue], (x, y))| {
        let from_middle = (f64::from(x) - middle).hypot(f64::from(y) - middle) / middle;
        let alpha = ((0.95 - from_middle) * 2550.0).clamp(0.0, 255.0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it was clamped")]
        let alpha = alpha as u8;
        [red, green, blue, alpha]
    });
    pixels.collect()
}
