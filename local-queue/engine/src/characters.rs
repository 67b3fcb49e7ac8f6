//! The characters that SQS accepts: those of XML 1.0.

/// SQS accepts #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF (`SendMessage` in the API
/// reference; U+FFFF and NUL recorded).
pub(crate) fn first_refused_character(text: &str) -> Option<char> {
    // Nearly all text is printable ASCII, where no decoding is needed to know it. Without an end in between, many bytes are
    // looked at in one step.
    if text.bytes().fold(true, |all, byte| all & (0x20..0x7f).contains(&byte)) {
        return None;
    }
    text.chars().find(|character| {
        !matches!(character, '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
    })
}
