//! What a package brings beside the program, made of its arguments: completions of shells, and manual pages.

use std::{fs, path::Path};

use anyhow::Context as _;
use clap::{Command, CommandFactory as _};
use clap_complete::Shell;
use local_queue_terminal::print_text;

use super::arguments::Arguments;

/// Prints the script that completes arguments in a shell.
pub(crate) fn print_completions(shell: Shell) -> anyhow::Result<()> {
    print_text(&completions(shell, &mut Arguments::command())?);
    Ok(())
}

fn completions(shell: Shell, command: &mut Command) -> anyhow::Result<String> {
    let mut script = Vec::new();
    clap_complete::generate(shell, command, env!("CARGO_BIN_NAME"), &mut script);
    String::from_utf8(script).context("the script is not UTF-8")
}

/// Writes a page for the program, and one for each subcommand.
pub(crate) fn write_pages(folder: &Path) -> anyhow::Result<()> {
    let failed = || format!("failed to write manual pages into {}", folder.display());
    fs::create_dir_all(folder).with_context(failed)?;
    clap_mangen::generate_to(Arguments::command(), folder).with_context(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shell_completes_subcommands_and_options() {
        for shell in [Shell::Bash, Shell::Elvish, Shell::Fish, Shell::PowerShell, Shell::Zsh] {
            let script = completions(shell, &mut Arguments::command()).unwrap();
            for word in ["run", "dead-letters", "renditions", "queue-url"] {
                assert!(script.contains(word), "{shell}: {word}");
            }
            assert_eq!(local_queue_terminal::lines(&script).to_string(), script, "{shell}: printed as it is");
        }
    }

    #[test]
    fn each_visible_subcommand_has_a_page() {
        let folder = tempfile::tempdir().unwrap();
        write_pages(folder.path()).unwrap();
        for (page, expected) in [
            ("resize.1", "resize\\-run(1)"),
            ("resize-run.1", "\\-\\-renditions"),
            ("resize-dead-letters-list.1", "\\-\\-queue\\-url"),
        ] {
            let text = fs::read_to_string(folder.path().join(page)).unwrap();
            assert!(text.contains(expected), "{page}: {text}");
        }
        assert!(!folder.path().join("resize-man.1").exists());
    }
}
