//! Pictures as files of every kind.

use std::path::{Path, PathBuf};

use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::child::Sharp;
use crate::photo::photo;

/// Files in a folder that goes when this does.
pub(crate) struct Corpus {
    folder: TempDir,
}

/// Pixels of eight bits a channel.
pub(crate) struct Raw {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) channels: u32,
    pub(crate) pixels: Vec<u8>,
}

impl Raw {
    pub(crate) fn photo(width: u32, height: u32) -> Self {
        Self { width, height, channels: 3, pixels: photo(width, height, 5.0, 7) }
    }

    /// Each pixel by its place.
    pub(crate) fn by_place(width: u32, height: u32, color: impl Fn(u32, u32) -> [u8; 3]) -> Self {
        let color = &color;
        let pixels = (0..height).flat_map(|y| (0..width).flat_map(move |x| color(x, y))).collect();
        Self { width, height, channels: 3, pixels }
    }

    /// With alpha that falls from left to right, and holes of nothing in it.
    pub(crate) fn with_alpha(self) -> Self {
        let alpha = |x: u32, y: u32| {
            let hole = (x / 24).is_multiple_of(3) && (y / 24).is_multiple_of(3);
            if hole { 0 } else { u8::try_from(255 - x * 200 / self.width).unwrap() }
        };
        let places = (0..self.height).flat_map(|y| (0..self.width).map(move |x| (x, y)));
        let rgb = self.pixels.as_chunks::<3>().0;
        let pixels = rgb.iter().zip(places).flat_map(|(&[r, g, b], (x, y))| [r, g, b, alpha(x, y)]).collect();
        Self { channels: 4, pixels, ..self }
    }

    /// As it is stored in a file whose EXIF orientation turns it upright.
    pub(crate) fn stored(&self, orientation: u32) -> Self {
        let turned = orientation >= 5;
        let (width, height) = if turned { (self.height, self.width) } else { (self.width, self.height) };
        // The first row and the first column of what is stored, by the EXIF standard's table of orientations.
        let upright = |x: u32, y: u32| match orientation {
            2 => (width - 1 - x, y),
            3 => (width - 1 - x, height - 1 - y),
            4 => (x, height - 1 - y),
            5 => (y, x),
            6 => (height - 1 - y, x),
            7 => (height - 1 - y, width - 1 - x),
            8 => (y, width - 1 - x),
            _ => (x, y),
        };
        Self::by_place(width, height, |x, y| {
            let (x, y) = upright(x, y);
            let at = (y * self.width + x) as usize * 3;
            [self.pixels[at], self.pixels[at + 1], self.pixels[at + 2]]
        })
    }
}

impl Corpus {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let file = self.folder.path().join(name);
        std::fs::write(&file, bytes).unwrap();
        file
    }

    /// A file written by sharp; see its script for what can be asked.
    pub(crate) fn by_sharp(&self, sharp: &mut Sharp, name: &str, raw: &Raw, asked: &Value) -> PathBuf {
        let file = self.folder.path().join(name);
        let mut request = asked.clone();
        request["make"] = self.write("raw", &raw.pixels).to_str().unwrap().into();
        request["to"] = file.to_str().unwrap().into();
        request["width"] = raw.width.into();
        request["height"] = raw.height.into();
        request["channels"] = raw.channels.into();
        sharp.make(&request);
        file
    }
}

/// A JPEG with what sharp does not write.
pub(crate) fn jpeg(raw: &Raw, sampling: SamplingFactor, orientation: u32, profile: Option<&[u8]>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, 92);
    encoder.set_sampling_factor(sampling);
    if orientation > 1 {
        let mut exif = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
        exif.extend([u8::try_from(orientation).unwrap(), 0, 0, 0, 0, 0, 0]);
        encoder.add_exif_metadata(&exif).unwrap();
    }
    if let Some(profile) = profile {
        encoder.add_icc_profile(profile).unwrap();
    }
    let color = match raw.channels {
        1 => ColorType::Luma,
        4 => ColorType::Cmyk,
        _ => ColorType::Rgb,
    };
    encoder.encode(&raw.pixels, u16::try_from(raw.width).unwrap(), u16::try_from(raw.height).unwrap(), color).unwrap();
    bytes
}

/// A file of every kind that photos come in, by name.
pub(crate) fn every_kind(sharp: &mut Sharp, corpus: &Corpus) -> Vec<(&'static str, PathBuf)> {
    let kinds = [
        ("4:2:0.jpg", json!({ "as": "jpeg", "quality": 92, "chromaSubsampling": "4:2:0" })),
        ("4:4:4.jpg", json!({ "as": "jpeg", "quality": 92, "chromaSubsampling": "4:4:4" })),
        ("progressive.jpg", json!({ "as": "jpeg", "quality": 92, "progressive": true })),
        ("gray.jpg", json!({ "as": "jpeg", "quality": 92, "space": "b-w" })),
        ("cmyk.jpg", json!({ "as": "jpeg", "quality": 92, "space": "cmyk" })),
        ("rgb.png", json!({ "as": "png" })),
        ("palette.png", json!({ "as": "png", "palette": true })),
        ("16-bit.png", json!({ "as": "png", "space": "rgb16" })),
        ("interlaced.png", json!({ "as": "png", "progressive": true })),
        ("gray.png", json!({ "as": "png", "space": "b-w" })),
        ("lossy.webp", json!({ "as": "webp", "quality": 92 })),
        ("lossless.webp", json!({ "as": "webp", "lossless": true })),
        ("palette.gif", json!({ "as": "gif" })),
        ("plain.tiff", json!({ "as": "tiff", "compression": "none" })),
        ("lzw.tiff", json!({ "as": "tiff", "compression": "lzw" })),
    ];
    let transparent = [
        ("rgba.png", json!({ "as": "png" })),
        ("rgba.webp", json!({ "as": "webp", "quality": 92 })),
        ("rgba-lossless.webp", json!({ "as": "webp", "lossless": true })),
    ];
    let opaque = Raw::photo(637, 421);
    let mut files: Vec<(&str, PathBuf)> =
        kinds.iter().map(|(name, asked)| (*name, corpus.by_sharp(sharp, name, &opaque, asked))).collect();
    files.push(("4:2:2.jpg", corpus.write("4:2:2.jpg", &jpeg(&opaque, SamplingFactor::F_2_1, 1, None))));
    files.push(("4:4:0.jpg", corpus.write("4:4:0.jpg", &jpeg(&opaque, SamplingFactor::F_1_2, 1, None))));
    let alpha = opaque.with_alpha();
    files.extend(transparent.iter().map(|(name, asked)| (*name, corpus.by_sharp(sharp, name, &alpha, asked))));
    let photos = Path::new(env!("CARGO_MANIFEST_DIR")).join("photos");
    let photos = [
        ("hills-at-dusk.jpg", "landscape/hills-at-dusk.jpg"),
        ("mountain-lake.jpg", "landscape/lake/mountain-lake.jpg"),
        ("lighthouse.jpg", "portrait/lighthouse.jpg"),
        ("fruit.webp", "still-life/fruit.webp"),
        ("marble.png", "still-life/marble.png"),
        ("moon.gif", "still-life/moon.gif"),
    ]
    .map(|(name, path)| (name, photos.join(path)));
    files.extend(photos);
    files
}
