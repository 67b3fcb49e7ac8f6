//! The report as one JSON document.

use std::path::Path;

use handler::resize::Oddities;
use serde_json::{Value, json};

use super::report::{Done, Report};

/// The document. Its fields are documented in the README of the package.
pub(crate) fn render(report: &Report) -> String {
    let shown = |path: &Path| report.display.path(path);
    let mut images: Vec<Value> = report.each.iter().flatten().map(|done| image(report, done)).collect();
    images.extend(report.dead_letters.iter().map(|dead_letter| {
        json!({
            "source": shown(&dead_letter.source),
            "outcome": "dead-lettered",
            "receives": dead_letter.receives,
            "kind": dead_letter.kind,
            "blame": dead_letter.blame,
            "reason": dead_letter.reason,
            "body": dead_letter.body,
        })
    }));
    images.extend(
        report
            .refused
            .iter()
            .map(|refused| json!({ "source": shown(&refused.source), "outcome": "refused", "reason": refused.reason })),
    );
    images.sort_by(|a, b| a["source"].as_str().cmp(&b["source"].as_str()));
    let left_out = report.left_out.iter().map(|(format, files)| json!({ "format": format, "files": files }));
    let left_out: Vec<Value> = left_out.collect();
    let passed_over = report.passed_over.iter().map(|passed| json!({ "path": shown(&passed.path), "is": passed.what }));
    let passed_over: Vec<Value> = passed_over.collect();
    let sum = |of: fn(&Oddities) -> u64| report.odd.iter().map(|odd| of(&odd.oddities)).sum::<u64>();
    let document = json!({
        "out": shown(&report.out),
        "interrupted": report.interruption.is_some() || report.failure.is_some(),
        "failure": report.failure,
        "kept_in": report.kept_in.as_deref().map(shown),
        "totals": {
            "images": report.images,
            "done": report.done,
            "done_before": report.done_before.unwrap_or_default(),
            "retried": report.retried.len(),
            "dead_lettered": report.dead_letters.len(),
            "refused": report.refused.len(),
            "outputs": report.outputs,
            "skipped": report.skipped,
            "seconds": report.elapsed.as_secs_f64(),
            "bytes_in": report.bytes_in,
            "bytes_out": report.bytes_out,
            "outputs_renamed": report.renamed,
            "truncated": sum(|odd| odd.truncated),
            "profiles_ignored": sum(|odd| odd.profiles_ignored),
            "inks_without_profile": sum(|odd| odd.inks_without_profile),
        },
        "images": images,
        "left_out": left_out,
        "passed_over": passed_over,
    });
    format!("{document:#}")
}

fn image(report: &Report, done: &Done) -> Value {
    let outputs = done.outputs.iter().map(|made| {
        let path = report.display.path(&made.path);
        let Some(image) = &made.image else {
            return json!({ "path": path, "format": "json", "bytes": made.bytes });
        };
        let mut output = json!({
            "path": path,
            "width": image.width,
            "height": image.height,
            "format": image.format.word(),
            "bytes": made.bytes,
        });
        if let Some(quality) = image.quality {
            output["quality"] = quality.into();
        }
        output
    });
    let outputs: Vec<Value> = outputs.collect();
    let retry_reason = report.retried.iter().find(|retried| done.receives > 1 && retried.source == done.source);
    let mut image = json!({
        "source": report.display.path(&done.source),
        "outcome": "done",
        "receives": done.receives,
        "bytes_in": done.bytes_in,
        "outputs": outputs,
    });
    if !done.skipped.is_empty() {
        let paths = done.skipped.iter().map(|path| report.display.path(path));
        image["skipped"] = paths.collect::<Vec<_>>().into();
    }
    if let Some(retried) = retry_reason {
        image["retry_reason"] = retried.reason.clone().into();
    }
    let odd = done.oddities;
    if odd.truncated > 0 {
        image["truncated"] = true.into();
    }
    if let Some(reason) = odd.profile_ignored_because {
        image["profile_ignored"] = reason.into();
    }
    if odd.inks_without_profile > 0 {
        image["inks_without_profile"] = true.into();
    }
    image
}
