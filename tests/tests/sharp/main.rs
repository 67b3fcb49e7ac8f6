//! What the handler makes of images, beside what sharp makes of the same files with the same words.
//!
//! Sharp is a package of npm, which `.ci/install_sharp` installs into `.cache/sharp`. Without it each test that needs it
//! says that it is skipped. The pictures are made on the spot, most of them by sharp.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

mod child;
mod colors;
mod corpus;
mod edits;
mod encoders;
mod oracle;
mod ours;
mod photo;
mod pixels;
mod places;
mod quality;
mod sizes;

use std::io::Write as _;
use std::path::Path;

use child::Sharp;
use handler::pixels::Encoded;
use handler::pixels::jpeg::Arena;
use quality::{Gamut, Picture};
use serde_json::Value;

/// Starts sharp, or says that a test does not run. Written past the test runner, which shows what a passed test prints to
/// nobody.
fn start_sharp(test: &str) -> Option<Sharp> {
    match Sharp::packages() {
        Ok(packages) => Some(Sharp::start(&packages)),
        Err(missing) => {
            std::io::stderr().write_all(format!("skipped: {test}, because {missing}\n").as_bytes()).unwrap();
            None
        }
    }
}

/// What the handler makes of a file.
fn make(file: &Path, outputs: &[Value]) -> Vec<Encoded> {
    let bytes = std::fs::read(file).unwrap();
    ours::resize(&bytes, &ours::renditions(outputs), &mut Arena::default())
        .unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// One output of a file by the handler and by sharp, as PNG, so that no encoder is between them.
fn make_both(sharp: &mut Sharp, file: &Path, output: &Value) -> [Picture; 2] {
    let mut output = output.clone();
    output["format"] = "png".into();
    let ours = Picture::decode(&make(file, std::slice::from_ref(&output))[0].bytes, Gamut::Srgb);
    [ours, make_sharps(sharp, file, output)]
}

/// The same by sharp alone, with the fields that only sharp knows.
fn make_sharps(sharp: &mut Sharp, file: &Path, mut output: Value) -> Picture {
    let to = tempfile::NamedTempFile::new().unwrap().into_temp_path();
    output["format"] = "png".into();
    output["to"] = to.to_str().unwrap().into();
    sharp.resize(file, &[output]).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    Picture::decode(&std::fs::read(&to).unwrap(), Gamut::Srgb)
}
