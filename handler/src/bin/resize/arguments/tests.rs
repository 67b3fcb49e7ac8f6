//! Every help text as a snapshot, so that a change of words is seen in review.

use clap::{Command, CommandFactory as _};

use super::Arguments;

/// A width that fits a snapshot in a review; the terminal's would differ from machine to machine.
const COLUMNS: usize = 100;

#[test]
#[cfg_attr(feature = "avif", ignore = "the format `avif` adds a line")]
fn help_texts() {
    let mut root = Arguments::command().term_width(COLUMNS);
    root.build();
    snapshot(&mut root, "resize");
}

fn snapshot(command: &mut Command, name: &str) {
    insta::assert_snapshot!(name.to_owned(), command.render_long_help());
    for subcommand in command.get_subcommands_mut().filter(|it| it.get_name() != "help") {
        let name = format!("{name}-{}", subcommand.get_name());
        snapshot(subcommand, &name);
    }
}
