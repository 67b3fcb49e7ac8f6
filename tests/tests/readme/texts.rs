//! The texts of every error type as snapshots, one for each crate, so that a change of words is seen in review.

use std::{fs, path::Path};

use super::documents::{all, workspace};

#[test]
fn errors_of_the_engine() {
    insta::assert_snapshot!("local-queue-engine", texts("local-queue/engine/src"));
}

#[test]
fn errors_of_local_queue() {
    insta::assert_snapshot!("local-queue", texts("local-queue/src"));
}

#[test]
fn errors_of_the_handler() {
    insta::assert_snapshot!("handler", texts("handler/src"));
}

#[test]
fn errors_of_batches() {
    insta::assert_snapshot!("sqs-batch", texts("handler/batch/src"));
}

#[test]
fn errors_of_pixels() {
    insta::assert_snapshot!("image-renditions", texts("handler/pixels/src"));
}

/// Phrases that were rewritten everywhere, and what stands in their place.
const REWRITTEN: &[(&str, &str)] = &[
    ("unless given", "[default: VALUE]"),
    ("goes round in", "circular reference"),
    ("passed over", "skipped"),
    ("in vain", "what cannot help, or fails"),
    ("lets go of the", "releases"),
];

#[test]
fn rewritten_phrases_stay_away() {
    let root = workspace();
    let sources =
        ["handler/src", "handler/batch/src", "handler/pixels/src", "local-queue/src", "local-queue/engine/src"];
    let entries = sources.iter().flat_map(|folder| walkdir::WalkDir::new(root.join(folder))).map(Result::unwrap);
    let is_source = |path: &Path| path.extension().is_some_and(|it| it == "rs" || it == "py" || it == "cjs");
    let sources = entries
        .filter(|entry| is_source(entry.path()))
        .map(|entry| (entry.path().display().to_string(), fs::read_to_string(entry.path()).unwrap()));
    let documents = all().into_iter().map(|document| (document.name, document.text));
    let mut found = Vec::new();
    for (name, text) in sources.chain(documents) {
        let phrases = REWRITTEN.iter().filter(|(phrase, _)| text.contains(phrase));
        found.extend(phrases.map(|(phrase, instead)| format!("{name}: {phrase:?}; write {instead}")));
    }
    assert_eq!(found, Vec::<String>::new());
}

/// Each text of a `thiserror` attribute below a folder, with its type and variant.
fn texts(sources: &str) -> String {
    let folder = workspace().join(sources);
    let entries = walkdir::WalkDir::new(&folder).sort_by_file_name().into_iter().map(Result::unwrap);
    let files = entries.filter(|entry| entry.path().extension().is_some_and(|extension| extension == "rs"));
    let texts = files.flat_map(|file| of_file(file.path())).collect::<Vec<_>>();
    assert!(texts.len() > 3, "{sources} has no errors");
    texts.join("\n")
}

fn of_file(path: &Path) -> Vec<String> {
    let source = fs::read_to_string(path).unwrap();
    let mut texts = Vec::new();
    let mut owner = String::new();
    let mut lines = source.lines();
    while let Some(line) = lines.next() {
        let words = line.trim().trim_start_matches("pub(crate) ").trim_start_matches("pub(super) ");
        let words = words.trim_start_matches("pub ");
        if let Some(name) = words.strip_prefix("enum ").or_else(|| words.strip_prefix("struct ")) {
            name.split(|it: char| !it.is_alphanumeric()).next().unwrap_or_default().clone_into(&mut owner);
        }
        let Some(begun) = words.strip_prefix("#[error(") else { continue };
        let mut text = begun.to_owned();
        while !text.ends_with(")]") {
            let more = lines.next().unwrap().trim();
            text = text.trim_end_matches('\\').to_owned() + more;
        }
        let text = text.trim_end_matches(")]").to_owned();
        let next = lines.find(|line| !line.trim_start().starts_with(['#', '/'])).unwrap().trim();
        let name = next.trim_start_matches("pub ").trim_start_matches("pub(crate) ").trim_start_matches("pub(super) ");
        let name = match name.strip_prefix("enum ").or_else(|| name.strip_prefix("struct ")) {
            Some(name) => name.to_owned(),
            None => format!("{owner}::{name}"),
        };
        let name = name.split(['(', ' ', '{', ',', ';']).next().unwrap_or_default();
        texts.push(format!("{name}: {text}"));
    }
    texts
}
