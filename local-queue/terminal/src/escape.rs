//! Control characters as text that shows them.

use std::fmt;

/// Text with its control characters escaped when it is displayed.
#[derive(Clone, Copy, Debug)]
pub struct Escaped<'a> {
    text: &'a str,
    form: Form,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Lines,
    OneLine,
    Json,
}

/// Text of several lines: line feeds and tabs stay.
#[must_use]
pub fn lines(text: &str) -> Escaped<'_> {
    Escaped { text, form: Form::Lines }
}

/// Text that must not end a line: a file's name, a key, a reason that quotes a stranger.
#[must_use]
pub fn one_line(text: &str) -> Escaped<'_> {
    Escaped { text, form: Form::OneLine }
}

/// A JSON document, which has no raw control characters below U+0020 inside its strings; the others are escaped as JSON does.
#[must_use]
pub fn json(document: &str) -> Escaped<'_> {
    Escaped { text: document, form: Form::Json }
}

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.text;
        while let Some(at) = rest.find(|char| is_escaped(char, self.form)) {
            f.write_str(&rest[..at])?;
            let char = rest[at..].chars().next().unwrap_or_default();
            match (char, self.form) {
                ('\n', Form::OneLine) => f.write_str("\\n")?,
                ('\t', Form::OneLine) => f.write_str("\\t")?,
                ('\r', Form::OneLine | Form::Lines) => f.write_str("\\r")?,
                (_, Form::Json) => write!(f, "\\u{:04x}", u32::from(char))?,
                _ => write!(f, "\\u{{{:x}}}", u32::from(char))?,
            }
            rest = &rest[at + char.len_utf8()..];
        }
        f.write_str(rest)
    }
}

fn is_escaped(char: char, form: Form) -> bool {
    match char {
        '\n' | '\t' => form == Form::OneLine,
        // A document that was printed prettily on a system with other line ends.
        '\r' => form != Form::Json,
        _ => char.is_control() || is_invisible_command(char),
    }
}

/// Characters that are no control characters to Unicode and change how a line is shown all the same: marks, embeddings,
/// overrides and isolates of the bidirectional algorithm, line and paragraph separators, and the byte order mark.
fn is_invisible_command(char: char) -> bool {
    matches!(
        char,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_shown() {
        for (text, as_lines, as_one_line) in [
            ("caf\u{e9} \u{1f600}", "caf\u{e9} \u{1f600}", "caf\u{e9} \u{1f600}"),
            ("a\tb\nc", "a\tb\nc", "a\\tb\\nc"),
            ("a\rb", "a\\rb", "a\\rb"),
            ("\u{1b}]0;title\u{7}", "\\u{1b}]0;title\\u{7}", "\\u{1b}]0;title\\u{7}"),
            ("\u{9b}2J", "\\u{9b}2J", "\\u{9b}2J"),
            ("gpj.\u{202e}exe", "gpj.\\u{202e}exe", "gpj.\\u{202e}exe"),
            ("\u{7f}", "\\u{7f}", "\\u{7f}"),
            ("", "", ""),
        ] {
            assert_eq!(lines(text).to_string(), as_lines, "{text:?}");
            assert_eq!(one_line(text).to_string(), as_one_line, "{text:?}");
        }
    }

    #[test]
    fn no_character_is_left_that_commands_a_terminal() {
        for char in '\0'..=char::MAX {
            let text = char.to_string();
            let shown = one_line(&text).to_string();
            assert!(shown.chars().all(|char| !char.is_control() && !is_invisible_command(char)), "{char:?}");
            assert!(shown == text || shown.starts_with('\\'), "{char:?} became {shown:?}");
        }
    }

    #[test]
    fn a_json_document_keeps_its_meaning() {
        let document = "{\n  \"name\": \"\u{9b}31m\u{202e}\\n\"\n}";
        assert_eq!(json(document).to_string(), "{\n  \"name\": \"\\u009b31m\\u202e\\n\"\n}");
    }
}
