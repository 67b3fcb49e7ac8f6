//! Links within the repository lead to files and headings that are there, and figures stand beside a command.

use std::collections::BTreeMap;

use super::documents::{Document, all, workspace};

/// The targets of links in the prose of a document.
fn links(document: &Document) -> Vec<String> {
    let prose =
        document.sections(true).into_iter().flat_map(|(title, text)| [title, "\n".into(), text]).collect::<String>();
    let mut links = Vec::new();
    let mut rest = prose.as_str();
    while let Some(at) = rest.find("](") {
        rest = &rest[at + 2..];
        let Some(end) = rest.find(')') else { break };
        links.push(rest[..end].to_owned());
        rest = &rest[end..];
    }
    links
}

/// The anchor that GitHub makes of a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|it| it.is_alphanumeric() || matches!(it, ' ' | '-' | '_'));
    kept.map(|it| if it == ' ' { '-' } else { it.to_ascii_lowercase() }).collect()
}

#[test]
fn links_lead_somewhere() {
    let root = workspace();
    let documents = all();
    let anchors = documents.iter().map(|document| {
        let headings = document.sections(true).into_iter().map(|(title, _)| anchor(&title)).collect::<Vec<_>>();
        (root.join(&document.name), headings)
    });
    let anchors = anchors.collect::<BTreeMap<_, _>>();
    let mut broken = Vec::new();
    for document in &documents {
        let of = root.join(&document.name);
        for link in links(document) {
            if link.contains("://") {
                continue;
            }
            let (path, heading) = link.split_once('#').map_or((link.as_str(), None), |(path, it)| (path, Some(it)));
            let target = if path.is_empty() { Ok(of.clone()) } else { of.with_file_name("").join(path).canonicalize() };
            let is_there = target.is_ok_and(|target| match (heading, anchors.get(&target)) {
                (None, _) => true,
                (Some(heading), Some(headings)) => headings.iter().any(|it| it == heading),
                (Some(_), None) => false,
            });
            if !is_there {
                broken.push(format!("{}: {link}", document.name));
            }
        }
    }
    assert_eq!(broken, Vec::<String>::new());
}

/// How hosts of package registries begin.
const REGISTRIES: [&str; 3] = ["://crates.", "pypi.", "npmjs."];

/// Packages are named: a mirror or another tool may have them.
#[test]
fn packages_are_named_and_not_linked() {
    let documents = all();
    let linked = documents.iter().flat_map(|document| {
        let links = links(document).into_iter();
        let registries = links.filter(|link| REGISTRIES.iter().any(|begin| link.contains(begin)));
        registries.map(|link| format!("{}: {link}", document.name)).collect::<Vec<_>>()
    });
    assert_eq!(linked.collect::<Vec<_>>(), Vec::<String>::new());
}

/// What tells a measured figure.
const MEASURES: [&str; 5] = ["Measured on ", "measured on ", "operations/s", "requests/s", " of the processor"];

#[test]
fn figures_stand_beside_a_command() {
    let documents = all();
    let alone = documents.iter().flat_map(|document| {
        let sections = document.sections(false).into_iter().filter(|(_, text)| {
            let is_measured = MEASURES.iter().any(|measure| text.contains(measure));
            is_measured && !["cargo ", ".ci/"].iter().any(|command| text.contains(command))
        });
        sections.map(|(title, _)| format!("{}: {title}", document.name)).collect::<Vec<_>>()
    });
    assert_eq!(alone.collect::<Vec<_>>(), Vec::<String>::new());
}

#[test]
fn anchors_are_those_of_github() {
    assert_eq!(anchor("The developer's API"), "the-developers-api");
    assert_eq!(anchor("`resize dead-letters`"), "resize-dead-letters");
    assert_eq!(anchor("Why is this message not here?"), "why-is-this-message-not-here");
}
