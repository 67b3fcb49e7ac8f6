//! What is measured, and the bars.

use std::fs;
use std::path::{Path, PathBuf};

use handler::pixels::{Limits, probe};
use serde_json::{Value, json};

use crate::pictures;
use crate::quality::Gamut;

/// Outputs of one file.
pub(crate) struct Workload {
    pub(crate) name: String,
    pub(crate) input: PathBuf,
    pub(crate) outputs: Vec<Value>,
    /// What the numbers of the file mean; none if nobody says.
    pub(crate) gamut: Option<Gamut>,
    /// Our time by sharp's: what it must not exceed, and what it should not.
    pub(crate) bars: Option<(f64, f64)>,
}

/// The widths that JPEGs are resized to.
const WIDTHS: [u32; 3] = [200, 800, 1600];

/// All that a round has.
pub(crate) fn all(folder: &Path) -> Vec<Workload> {
    let plain = [(0.80, 0.55), (0.85, 0.60), (0.90, 0.60)];
    let converted = [(0.75, 0.50), (0.70, 0.45), (0.35, 0.20)];
    let inputs = [
        ("12 MP JPEG", pictures::JPEG_12, Gamut::Srgb, plain),
        ("12 MP JPEG, sRGB profile", pictures::JPEG_12_SRGB, Gamut::Srgb, plain),
        ("24 MP JPEG", pictures::JPEG_24, Gamut::Srgb, plain),
        ("24 MP JPEG, sRGB profile", pictures::JPEG_24_SRGB, Gamut::Srgb, plain),
        ("12 MP JPEG, Display P3", pictures::JPEG_12_P3, Gamut::DisplayP3, converted),
    ];
    let workload = |name: &str, file: &str, gamut, outputs: &[Value], bars| Workload {
        name: name.to_owned(),
        input: folder.join(file),
        outputs: outputs.to_vec(),
        gamut,
        bars: Some(bars),
    };
    let to_widths = inputs.into_iter().flat_map(|(name, file, gamut, bars)| {
        let to_width = move |(width, bars)| {
            workload(&format!("{name} -> {width}"), file, Some(gamut), &[output(width, "jpeg")], bars)
        };
        WIDTHS.into_iter().zip(bars).map(to_width)
    });
    let three = [output(1600, "jpeg"), output(800, "jpeg"), output(200, "jpeg")];
    let others = [
        ("16 MP progressive JPEG -> 800", pictures::JPEG_16_PROGRESSIVE, &[output(800, "jpeg")][..], (1.0, 0.75)),
        ("12 MP JPEG -> 1600, 800 and 200", pictures::JPEG_12, &three, (0.45, 0.30)),
        ("12 MP JPEG -> WebP 800", pictures::JPEG_12, &[output(800, "webp")], (0.87, 0.65)),
        ("4 MP RGBA PNG -> WebP 400", pictures::PNG_4_RGBA, &[output(400, "webp")], (0.80, 0.60)),
        ("4 MP RGBA PNG -> PNG 400", pictures::PNG_4_RGBA, &[output(400, "png")], (0.70, 0.40)),
    ];
    let others = others.map(|(name, file, outputs, bars)| workload(name, file, Some(Gamut::Srgb), outputs, bars));
    // The reference reads neither, as sharp does.
    let unknown = [
        ("12 MP CMYK JPEG, press profile -> 800", pictures::JPEG_12_INKS, output(800, "jpeg"), (1.0, 0.80)),
        ("A4 at 600 dpi, 16-bit TIFF -> 1600", pictures::TIFF_A4_600, output(1600, "jpeg"), (1.0, 0.80)),
    ];
    let unknown = unknown.map(|(name, file, output, bars)| workload(name, file, None, &[output], bars));
    let animated = workload(
        "animated GIF, first frame -> 400",
        pictures::GIF_ANIMATED,
        Some(Gamut::Srgb),
        &[output(400, "jpeg")],
        (1.0, 0.80),
    );
    to_widths.chain(others).chain(unknown).chain([animated]).collect()
}

/// The same for files of somebody's own, without bars.
pub(crate) fn of_photos(folder: &Path) -> Vec<Workload> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("PHOTOS, {}: {error}", folder.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("the folder can be read").path()).collect();
    files.sort_unstable();
    let mut workloads = Vec::new();
    for input in files.into_iter().filter(|file| file.is_file()) {
        let bytes = fs::read(&input).expect("the file can be read");
        let Ok(probe) = probe(&bytes, &Limits::default()) else {
            eprintln!("{} is left out: it is not an image that is read", input.display());
            continue;
        };
        let size = probe.oriented_size();
        let name = input.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        // The reference knows no profiles but those of the pictures made here, and does not turn.
        let plain = !bytes.windows(11).any(|window| window == b"ICC_PROFILE") && size == probe.size();
        for width in WIDTHS.into_iter().filter(|width| *width < size.width) {
            workloads.push(Workload {
                name: format!(
                    "{name}, {:.1} MP {} -> {width}",
                    f64::from(size.width) * f64::from(size.height) / 1e6,
                    probe.format
                ),
                input: input.clone(),
                outputs: vec![output(width, "jpeg")],
                gamut: plain.then_some(Gamut::Srgb),
                bars: None,
            });
        }
    }
    workloads
}

fn output(width: u32, format: &str) -> Value {
    json!({ "width": width, "format": format, "quality": 80 })
}
