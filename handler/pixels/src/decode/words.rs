//! What decoders say of a file, for people: some of it is the debug form of their own types.

/// Characters of a reason. A decoder may quote the file.
const CHARS_MAX: usize = 160;

/// What was found, as the part of a sentence: without the names and braces of a program's types, on one line, no longer than
/// a log should bear.
pub(super) fn plain(text: &str) -> String {
    let mut rest = text.trim().trim_end_matches('.');
    let mut words = String::new();
    while let Some((before, name, inner, after)) = first_dump(rest) {
        words.push_str(before);
        match name {
            "Some" => words.push_str(&plain(inner)),
            // `ChunkType { type: IDAT, critical: true }`: only the first field says which it is.
            _ => words.push_str(first_field(inner).unwrap_or(name)),
        }
        rest = after;
    }
    words.push_str(rest);
    let words = words.replace("None", "none").replace("::", " ").replace("{ ", "{").replace(" }", "}");
    let mut chars = words.chars().map(|char| if char.is_control() { ' ' } else { char });
    chars.by_ref().take(CHARS_MAX).collect()
}

/// What a file uses, from a text that says by itself that it is not supported.
pub(super) fn feature(text: &str) -> String {
    let text = plain(text);
    let before = ["unsupported ", "Unsupported "].iter().find_map(|lead| text.strip_prefix(lead));
    let text = before.unwrap_or(&text);
    let ends = [" is unsupported", " is not supported", " are not supported", " not supported", " unsupported"];
    let after = ends.iter().find_map(|end| text.strip_suffix(end));
    after.unwrap_or(text).to_owned()
}

/// The first `Name { inner }` or `Some(inner)`: what is before it, its name, its inside, what is after it.
fn first_dump(text: &str) -> Option<(&str, &str, &str, &str)> {
    let is_name = |char: char| char.is_ascii_alphanumeric();
    let opened = text.match_indices(['{', '(']).find_map(|(at, open)| {
        let (name_end, close) = if open == "{" { (text[..at].trim_end().len(), '}') } else { (at, ')') };
        let name = &text[..name_end];
        let name = &name[name.trim_end_matches(is_name).len()..];
        let is_dump = if open == "{" { text[at..].starts_with("{ ") && !name.is_empty() } else { name == "Some" };
        is_dump.then_some((name_end - name.len(), name, at + 1, close))
    });
    let (start, name, inner_at, close) = opened?;
    let inner = &text[inner_at..];
    let mut depth = 1;
    let inner_end = if close == '}' {
        // A value may hold braces of its own: the type of a chunk is any four characters.
        inner.rfind(close)
    } else {
        inner.char_indices().find_map(|(at, char)| {
            depth += i32::from(char == '(') - i32::from(char == ')');
            (depth == 0).then_some(at)
        })
    };
    let inner_end = inner_at + inner_end?;
    Some((&text[..start], name, &text[inner_at..inner_end], &text[inner_end + 1..]))
}

fn first_field(inner: &str) -> Option<&str> {
    let (_, value) = inner.split_once(": ")?;
    Some(value.split_once(", ").map_or(value, |(first, _)| first).trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_of_programs_become_words() {
        let png = "CRC error: expected 0x1 have 0x2 while decoding ChunkType { type: IDAT, critical: true, private: false } \
                   chunk.";
        assert_eq!(plain(png), "CRC error: expected 0x1 have 0x2 while decoding IDAT chunk");
        assert_eq!(plain("planar configuration Some(Unknown(3))"), "planar configuration Unknown(3)");
        assert_eq!(plain("Some(1) and Some(2)"), "1 and 2");
        assert_eq!(plain("a: Some(None)\nb"), "a: none b");
        assert_eq!(plain("critical chunk: ChunkType { type: PL{E, critical: true }."), "critical chunk: PL{E");
        assert_eq!(plain("critical chunk: ChunkType { type: P} E, critical: true }."), "critical chunk: P} E");
        assert_eq!(plain("Invalid { of"), "Invalid {of");
        assert_eq!(plain(&"long".repeat(100)).chars().count(), CHARS_MAX);
        assert_eq!(plain("one of (1, 2) > 3"), "one of (1, 2) > 3");
    }

    #[test]
    fn a_feature_is_said_once_to_be_unsupported() {
        assert_eq!(feature("compression method Fax3 is unsupported"), "compression method Fax3");
        assert_eq!(feature("unsupported data type."), "data type");
    }
}
