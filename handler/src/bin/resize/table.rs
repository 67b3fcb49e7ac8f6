//! The report for people: what went wrong one by one, what went well in numbers.

use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::path::Path;
use std::time::Duration;

use comfy_table::{ContentArrangement, Table, presets};
use handler::resize::Oddities;
use indicatif::HumanBytes;
use local_queue_terminal::one_line;

use super::report::{Done, Report, remarks};

/// Up to so many images every one is listed, so that a first try shows what was made.
pub(crate) const EACH_MAX: usize = 20;
/// Rows of what went wrong. Whoever has more wants `--json`.
const PROBLEMS_MAX: usize = 50;

/// Names of what was skipped.
const PASSED_OVER_MAX: usize = 10;

/// The tables and a closing line.
pub(crate) fn render(report: &Report) -> String {
    if report.images == 0 && report.interruption.is_none() {
        return format!("no images found\n{}", notes(report));
    }
    let mut text = String::new();
    let (rows, more) = rows(report);
    if !rows.is_empty() {
        let mut table = table(["Image", "Outcome", "Output or reason"]);
        table.add_rows(rows);
        let _ = writeln!(text, "{table}");
    }
    if more > 0 {
        let _ = writeln!(text, "... and {more} more; --json lists them all");
    }
    let _ = writeln!(text, "{}", totals(report));
    text + &notes(report) + &closing(report)
}

pub(crate) fn table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED).set_header(header);
    // What is piped is for other programs, which would stumble over a line that was folded.
    if std::io::stdout().is_terminal() {
        let (_, columns) = console::Term::stdout().size();
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(columns);
    }
    table
}

/// The rows to show, and how many problems are not among them.
fn rows(report: &Report) -> (Vec<[String; 3]>, usize) {
    let mut rows = Vec::new();
    let shown = |path| one_line(&report.display.path(path)).to_string();
    let dead_letters = report.dead_letters.iter().map(|dead_letter| {
        let reason = one_line(&format!("{}: {}", dead_letter.kind, dead_letter.reason)).to_string();
        let outcome = match dead_letter.receives {
            None | Some(0 | 1) => "dead-lettered".to_owned(),
            Some(receives) => format!("dead-lettered (try {receives})"),
        };
        [shown(&dead_letter.source), outcome, reason]
    });
    let refused = report
        .refused
        .iter()
        .map(|refused| [shown(&refused.source), "refused".to_owned(), one_line(&refused.reason).to_string()]);
    rows.extend(dead_letters.chain(refused).take(PROBLEMS_MAX));
    let mut problems = report.dead_letters.len() + report.refused.len();
    match &report.each {
        Some(each) if each.len() <= EACH_MAX => {
            rows.extend(each.iter().map(|done| [shown(&done.source), outcome(done), made(report, done)]));
        }
        _ => {
            problems += report.retried.len();
            let retried = report.retried.iter().map(|retried| {
                let outcome = format!("done (try {})", retried.receives);
                [shown(&retried.source), outcome, format!("before: {}", one_line(&retried.reason))]
            });
            problems += report.odd.len();
            let odd = report.odd.iter().map(|odd| {
                let remarks: Vec<String> = remarks(&odd.oddities).iter().map(|text| note(text)).collect();
                [shown(&odd.source), "done".to_owned(), remarks.join("\n")]
            });
            rows.extend(retried.chain(odd).take(PROBLEMS_MAX.saturating_sub(rows.len())));
        }
    }
    let listed = rows.len();
    rows.sort();
    (rows, problems.saturating_sub(listed))
}

fn outcome(done: &Done) -> String {
    if done.receives > 1 { format!("done (try {})", done.receives) } else { "done".to_owned() }
}

fn made(report: &Report, done: &Done) -> String {
    let outputs = done.outputs.iter().map(|made| {
        let name = below(report, &made.path);
        let size = made.image.map_or_else(String::new, |image| format!("{}x{}, ", image.width, image.height));
        format!("{}, {size}{}", one_line(&name), HumanBytes(made.bytes))
    });
    let skipped = done.skipped.iter().map(|path| format!("{}, skipped: is there", one_line(&below(report, path))));
    let remarks = remarks(&done.oddities);
    outputs.chain(skipped).chain(remarks.iter().map(|text| note(text))).collect::<Vec<_>>().join("\n")
}

/// The name of an output, from the folder of the outputs.
fn below(report: &Report, path: &Path) -> String {
    path.strip_prefix(&report.out).unwrap_or(path).display().to_string()
}

/// What is said below the outputs of an image.
fn note(text: &str) -> String {
    format!("note: {}", one_line(text))
}

fn totals(report: &Report) -> Table {
    let mut table = table(["Images", "Done", "Retried", "Dead-lettered", "Time", "Read", "Written"]);
    let written = format!("{} in {}", HumanBytes(report.bytes_out), count(report.outputs, "file"));
    table.add_row([
        report.images.to_string(),
        report.done.to_string(),
        report.retried.len().to_string(),
        report.dead_letters.len().to_string(),
        time(report.elapsed),
        HumanBytes(report.bytes_in).to_string(),
        written,
    ]);
    table
}

/// What would otherwise go unsaid.
fn notes(report: &Report) -> String {
    let mut text = String::new();
    if let Some(done_before) = report.done_before {
        let images = count(report.images, "image");
        let _ = writeln!(text, "Went on with a run of {images}, of which {done_before} had been made.");
    }
    if !report.left_out.is_empty() {
        let formats: Vec<_> = report.left_out.iter().map(|(format, files)| format!("{files} {format}")).collect();
        let _ = writeln!(text, "Skipped, because the format is not supported: {}.", formats.join(", "));
    }
    if !report.passed_over.is_empty() {
        let shown = report.passed_over.iter().take(PASSED_OVER_MAX);
        let shown: Vec<_> =
            shown.map(|passed| format!("{} ({})", report.display.path(&passed.path), passed.what)).collect();
        let more = report.passed_over.len() - shown.len();
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let _ = writeln!(text, "Skipped: {}{more}.", shown.join(", "));
    }
    let sum = |of: fn(&Oddities) -> u64| report.odd.iter().map(|odd| of(&odd.oddities)).sum::<u64>();
    let kinds = [
        (sum(|odd| odd.truncated), "was truncated", "were truncated"),
        (
            sum(|odd| odd.profiles_ignored),
            "had a colour profile that was ignored",
            "had colour profiles that were ignored",
        ),
        (sum(|odd| odd.inks_without_profile), "in CMYK had no profile to use", "in CMYK had no profile to use"),
    ];
    for (images, one, several) in kinds {
        if images > 0 {
            let _ = writeln!(text, "{} {}.", count(images, "image"), if images == 1 { one } else { several });
        }
    }
    if report.skipped > 0 {
        let were = if report.skipped == 1 { "was" } else { "were" };
        let _ = writeln!(text, "{} {were} there already and skipped.", count(report.skipped, "output"));
    }
    if report.renamed > 0 {
        let outputs = count(report.renamed as u64, "output");
        let _ = writeln!(text, "{outputs} got another name, because several images had the same one.");
    }
    text
}

fn closing(report: &Report) -> String {
    let out = report.display.path(&report.out);
    let out = one_line(&out);
    let by = match (report.interruption, &report.failure) {
        (Some(interruption), _) => interruption.name(),
        (None, Some(_)) => "a failure",
        (None, None) => return format!("The outputs are in {out}.\n"),
    };
    let mut text = String::new();
    if let Some(failure) = &report.failure {
        let _ = writeln!(text, "Failed to keep the jobs: {}.", one_line(failure));
    }
    let _ =
        writeln!(text, "Stopped by {by} with {} to go. Every output in {out} is whole.", count(report.left(), "image"));
    if let Some(kept_in) = &report.kept_in {
        let kept_in = report.display.path(kept_in);
        let _ = writeln!(text, "The run is kept in {}: the same command goes on with it.", one_line(&kept_in));
    }
    text
}

pub(crate) fn count(number: u64, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

fn time(elapsed: Duration) -> String {
    match elapsed.as_secs() {
        0..60 => format!("{:.1} s", elapsed.as_secs_f64()),
        seconds @ 60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        seconds => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
    }
}
