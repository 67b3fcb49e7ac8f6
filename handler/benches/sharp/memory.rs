//! The most memory that a process has which makes one image: read from the kernel, by processes of their own.

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

use handler::pixels::jpeg::Arena;
use serde_json::json;

use crate::child::Sharp;
use crate::{ours, pictures};

/// What tells the benchmark to be such a process; a file and a width follow.
pub(crate) const FLAG: &str = "--one-process";

/// Megabytes by width: what we must not exceed, and what we should not.
const BARS: [(u32, f64, f64); 2] = [(200, 25.0, 15.0), (1600, 60.0, 40.0)];

/// Makes one image, and prints the most bytes of memory that this took.
pub(crate) fn be_one_process(file: &Path, width: &str) {
    let width: u32 = width.parse().expect("the width is a number");
    let bytes = fs::read(file).expect("the file can be read");
    let renditions = ours::renditions(&[json!({ "width": width, "format": "jpeg" })]);
    ours::resize(&bytes, &renditions, &mut Arena::default()).expect("it is sound");
    let status = fs::read_to_string("/proc/self/status").expect("Linux has it");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux has the line");
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().expect("it is a number");
    println!("{}", kilobytes * 1024);
}

/// Prints the table.
pub(crate) fn print(packages: &Path, folder: &Path) {
    println!("\n| peak memory of a process | MB | must | aim | sharp, MB |");
    println!("| --- | --- | --- | --- | --- |");
    let file = folder.join(pictures::JPEG_24);
    for (width, must, aim) in BARS {
        let mut command = Command::new(env::current_exe().expect("it is known"));
        let output = command.args([FLAG.as_ref(), file.as_os_str(), width.to_string().as_ref()]).output();
        let output = output.expect("it starts again").stdout;
        let ours: f64 = String::from_utf8_lossy(&output).trim().parse().expect("it prints a number");
        let outputs = [json!({ "width": width, "format": "jpeg" })];
        let sharp = Sharp::start(packages).resize(&file, &outputs).expect("it is sound").resident_bytes_max;
        #[expect(clippy::cast_precision_loss, reason = "memory is far from what a float cannot count")]
        let (ours, sharp) = (ours / 1e6, sharp as f64 / 1e6);
        let ours = crate::table::beside_bars(&format!("{ours:.0}"), ours, must, aim);
        println!("| 24 MP JPEG -> {width} | {ours} | {must:.0} | {aim:.0} | {sharp:.0} |");
    }
}
