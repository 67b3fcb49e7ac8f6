//! A photo as phones write it, beside libheif: sharp as it is installed reads no HEVC.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use handler::pixels::jpeg::Arena;
use serde_json::json;

use crate::{Side, ours, pictures, processor_time, program, rounds};

/// Prints the table, if this is built to read such files and the programs of libheif are there.
pub(crate) fn print(folder: &Path) {
    let file = folder.join("12.heic");
    if !cfg!(feature = "heic") {
        println!("\nHEIC is left out: `--features heic` reads it.");
        return;
    }
    if !file.exists() {
        let mut command = Command::new("heif-enc");
        command.args(["-q", "50"]).arg(folder.join(pictures::PNG_12)).arg("-o").arg(&file);
        if !command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success()) {
            println!("\nHEIC is left out: `heif-enc` of libheif makes the file, with x265.");
            return;
        }
    }
    let bytes = fs::read(&file).expect("it was made");
    let renditions = ours::renditions(&[json!({ "width": 800, "format": "jpeg" })]);
    let (mut ours, mut theirs) = <(Side, Side)>::default();
    let mut arena = Arena::default();
    for _ in 0..rounds() {
        let before = processor_time();
        ours::resize(&bytes, &renditions, &mut arena).expect("it is sound");
        ours.times.push(processor_time().saturating_sub(before));
        theirs.times.push(program::run(|out| {
            let mut command = Command::new("heif-convert");
            command.arg(&file).arg(out.join("whole.y4m"));
            command
        }));
    }
    let (ours, theirs) = (ours.median().as_secs_f64(), theirs.median().as_secs_f64());
    println!("\n| workload | time by libheif's | ms, libheif's, which only decodes it and writes its planes |");
    println!("| --- | --- | --- |");
    println!("| 12 MP HEIC -> 800 | {:.2} | {:.0}, {:.0} |", ours / theirs, ours * 1e3, theirs * 1e3);
}
