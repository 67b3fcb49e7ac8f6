//! What is printed: Markdown as the README has it.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;

use crate::{Row, Side};

/// Says on what machine this was measured, and when.
pub(crate) fn print_machine(packages: &Path) {
    let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = processors.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("an unknown processor", |(_, model)| model);
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let said = |command: &mut Command| {
        let output = command.output().expect("the command is there");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    let (date, node) = (said(Command::new("date").arg("+%Y-%m-%d")), said(Command::new("node").arg("--version")));
    let package = fs::read_to_string(packages.join("node_modules/sharp/package.json")).expect("sharp is there");
    let package: serde_json::Value = serde_json::from_str(&package).expect("npm wrote it");
    let sharp = package["version"].as_str().unwrap_or_default();
    println!("Measured on {date}: {model}, {cores} cores, sharp {sharp} on node {node}.");
}

/// Prints the table.
pub(crate) fn print(rows: &[Row]) {
    if rows.is_empty() {
        return;
    }
    println!("\n| workload | time by sharp's | must | aim | ms, sharp's | SSIMULACRA2, sharp's | kB, sharp's |");
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    for row in rows {
        let Row { workload, ours, sharp, .. } = row;
        let ratio = ours.median().as_secs_f64() / sharp.median().as_secs_f64();
        let text = format!("{ratio:.2}");
        let (ratio, must, aim) = match workload.bars {
            None => (text, String::new(), String::new()),
            Some((must, aim)) => (beside_bars(&text, ratio, must, aim), format!("{must:.2}"), format!("{aim:.2}")),
        };
        let both = |figure: &dyn Fn(&Side) -> String| format!("{}, {}", figure(ours), figure(sharp));
        let times = both(&|side| format!("{:.0}", side.median().as_secs_f64() * 1e3));
        let scores = both(&|side| side.score.map_or("?".to_owned(), |score| format!("{score:.1}")));
        let sizes = both(&|side| (side.bytes / 1000).to_string());
        println!("| {} | {ratio} | {must} | {aim} | {times} | {scores} | {sizes} |", workload.name);
    }
}

/// A figure, bold where it is below the aim, and with a mark where it is above what it must not exceed.
pub(crate) fn beside_bars(text: &str, figure: f64, must: f64, aim: f64) -> String {
    match figure {
        figure if figure > must => format!("{text} (over)"),
        figure if figure <= aim => format!("**{text}**"),
        _ => text.to_owned(),
    }
}
