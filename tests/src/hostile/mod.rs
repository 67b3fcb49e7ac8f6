//! Files that nobody means well with: what a stranger may send to a resizer, made on the spot and always the same.
//!
//! | module | makes |
//! | --- | --- |
//! | [`samples`](mod@samples) | good files, small and of every kind |
//! | [`corpus`] | bombs, lies, junk and torn files made from them, each with a name that says what it is |
//! | [`mutants`] | files that chance made from them |
//! | [`rendition`](mod@rendition) | what they are asked for |
//! | [`large`] | good files at a pixel limit |
//! | [`examine`](mod@examine) | what must hold for every one of them |

mod bmp;
mod bytes;
mod exif;
mod general;
mod gif;
mod heic;
mod inks;
mod jpeg;
mod jpeg_bombs;
mod png;
mod tiff;
mod tiff_data;
mod webp;

pub mod examine;
pub mod large;
pub mod mutants;
pub mod rendition;
pub mod samples;

/// Sides that headers claim.
pub(crate) const SIDES: [u32; 9] = [0, 1, 255, 16_383, 65_535, 65_536, 0x7fff_ffff, 0x8000_0000, u32::MAX];

/// What has to become of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// An image comes of it.
    Accepted,
    /// The probe refuses it, so that no byte of its pixels is decoded.
    RefusedByProbe,
    /// Nothing bad: an image or a refusal.
    Either,
}

/// One file.
#[derive(Clone, Debug)]
pub struct HostileFile {
    /// What kind of attack it belongs to.
    pub family: &'static str,
    /// What it is.
    pub name: String,
    /// What has to become of it.
    pub expected: Expected,
    /// The file.
    pub bytes: Vec<u8>,
}

/// A collection in the making.
#[derive(Debug, Default)]
pub(crate) struct Corpus {
    files: Vec<HostileFile>,
}

impl Corpus {
    /// Adds a file that may be accepted or refused, but in good time and with a reason.
    pub(crate) fn add(&mut self, family: &'static str, name: impl Into<String>, bytes: Vec<u8>) {
        self.push(family, name.into(), Expected::Either, bytes);
    }

    /// Adds a file whose header shows that it must be refused.
    pub(crate) fn add_refused(&mut self, family: &'static str, name: impl Into<String>, bytes: Vec<u8>) {
        self.push(family, name.into(), Expected::RefusedByProbe, bytes);
    }

    fn push(&mut self, family: &'static str, name: String, expected: Expected, bytes: Vec<u8>) {
        self.files.push(HostileFile { family, name, expected, bytes });
    }
}

/// Every hostile file, and before them the good ones.
#[must_use]
pub fn corpus() -> Vec<HostileFile> {
    let mut corpus = Corpus::default();
    for sample in samples::samples() {
        corpus.push("good", sample.name.to_owned(), Expected::Accepted, sample.bytes);
    }
    jpeg::hostile(&mut corpus);
    jpeg_bombs::hostile(&mut corpus);
    inks::hostile(&mut corpus);
    png::hostile(&mut corpus);
    webp::hostile(&mut corpus);
    gif::hostile(&mut corpus);
    tiff::hostile(&mut corpus);
    bmp::hostile(&mut corpus);
    heic::hostile(&mut corpus);
    general::hostile(&mut corpus);
    corpus.files
}
