//! What the documents say: their examples run, their commands have the options that they use, their links lead somewhere,
//! their figures stand beside a command, and the texts of errors are snapshots.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

#[path = "readme/commands.rs"]
mod commands;
#[path = "readme/documents.rs"]
mod documents;
#[path = "readme/examples.rs"]
mod examples;
#[path = "readme/guides.rs"]
mod guides;
#[path = "readme/links.rs"]
mod links;
#[path = "readme/texts.rs"]
mod texts;
