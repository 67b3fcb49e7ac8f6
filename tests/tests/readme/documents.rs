//! The Markdown files of the repository, and their parts.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// A Markdown file.
pub(crate) struct Document {
    /// Below the workspace.
    pub(crate) name: String,
    pub(crate) text: String,
}

/// A block of code: its language, and its lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) language: String,
    pub(crate) text: String,
}

pub(crate) fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// Every Markdown file that people read.
pub(crate) fn all() -> Vec<Document> {
    let root = workspace();
    let is_source = |entry: &walkdir::DirEntry| {
        let name = entry.file_name().to_string_lossy();
        !matches!(&*name, "target" | "node_modules" | ".git" | ".cache" | "fuzz")
    };
    let entries = walkdir::WalkDir::new(&root).into_iter().filter_entry(is_source).map(Result::unwrap);
    let files = entries.filter(|entry| entry.path().extension().is_some_and(|extension| extension == "md"));
    let mut documents = files
        .map(|file| Document {
            name: file.path().strip_prefix(&root).unwrap().display().to_string(),
            text: fs::read_to_string(file.path()).unwrap(),
        })
        .collect::<Vec<_>>();
    documents.sort_by(|one, other| one.name.cmp(&other.name));
    assert!(documents.iter().any(|document| document.name == "README.md"), "the documents are elsewhere");
    documents
}

pub(crate) fn named(name: &str) -> Document {
    all().into_iter().find(|document| document.name == name).unwrap()
}

impl Document {
    /// The sections, each with its heading, without the code of fenced blocks if `prose`.
    pub(crate) fn sections(&self, prose: bool) -> Vec<(String, String)> {
        let mut sections = vec![(String::new(), String::new())];
        let mut is_fenced = false;
        for line in self.text.lines() {
            let is_fence = line.trim_start().starts_with("```");
            is_fenced ^= is_fence;
            match line.split_once(' ') {
                Some((marks, title)) if !is_fenced && !marks.is_empty() && marks.bytes().all(|byte| byte == b'#') => {
                    sections.push((title.trim().to_owned(), String::new()));
                }
                _ if prose && (is_fenced || is_fence) => {}
                _ => {
                    let (_, text) = sections.last_mut().unwrap();
                    text.push_str(line);
                    text.push('\n');
                }
            }
        }
        sections
    }

    /// The blocks of code below a heading, or all of them.
    pub(crate) fn blocks(&self, heading: Option<&str>) -> Vec<Block> {
        let sections = self.sections(false);
        let wanted = sections.iter().filter(|(title, _)| heading.is_none_or(|heading| heading == title));
        wanted.flat_map(|(_, text)| blocks(text)).collect()
    }
}

fn blocks(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for line in text.lines() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(language)) => {
                let language = language.split(',').next().unwrap_or_default().trim().to_owned();
                open = Some(Block { language, text: String::new() });
            }
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(block), None) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, None) => {}
        }
    }
    blocks
}

#[test]
fn blocks_are_found_below_their_headings() {
    let text = "# A\n```sh\n# no heading\n```\n## B\ntext\n```rust,no_run\nlet a;\n```\n".to_owned();
    let document = Document { name: String::new(), text };
    let block = |language: &str, text: &str| Block { language: language.to_owned(), text: text.to_owned() };
    assert_eq!(document.blocks(Some("B")), [block("rust", "let a;\n")]);
    assert_eq!(document.blocks(None), [block("sh", "# no heading\n"), block("rust", "let a;\n")]);
    let prose = document.sections(true);
    assert_eq!(prose[2], ("B".to_owned(), "text\n".to_owned()));
}
