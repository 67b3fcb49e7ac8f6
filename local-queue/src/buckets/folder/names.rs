//! Which file an object is: by its key where that is a name of a file everywhere, else under an escaped one.

use sha2::{Digest as _, Sha256};

use super::hex;

/// The folder of objects whose keys are no names of files.
const ESCAPED: &str = ".escaped";
/// What systems take as a name, less what a suffix needs.
const NAME_BYTES_MAX: usize = 240;
/// So much of a key is seen in an escaped name.
const SHOWN_CHARS_MAX: usize = 60;

/// A file within a bucket's folder: names without `..`, links or separators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place(Vec<String>);

impl Place {
    /// The place that a key names by itself, if it does.
    pub(super) fn plain(key: &str, tells_case: bool) -> Option<Self> {
        let names = key.split('/').map(str::to_owned).collect::<Vec<_>>();
        let is_plain = names.first().is_some_and(|first| first != ESCAPED)
            && names.iter().all(|name| is_name(name) && (tells_case || is_told_without_case(name)));
        is_plain.then_some(Self(names))
    }

    /// The place of any other key: its letters as far as they are harmless, and a digest, so that no two keys have one.
    pub(super) fn escaped(key: &str) -> Self {
        let shown = key.chars().take(SHOWN_CHARS_MAX);
        let shown = shown.map(|character| match character {
            'a'..='z' | '0'..='9' | '-' | '.' => character,
            'A'..='Z' => character.to_ascii_lowercase(),
            _ => '_',
        });
        let digest = digest(key);
        let name = format!("{}-{}", shown.collect::<String>(), digest.get(..32).unwrap_or(&digest));
        Self(vec![ESCAPED.to_owned(), name])
    }

    /// As it was written down.
    pub(super) fn parse(path: &str) -> Result<Self, String> {
        let names = path.split('/').map(str::to_owned).collect::<Vec<_>>();
        if names.iter().all(|name| is_name(name)) { Ok(Self(names)) } else { Err(format!("{path:?}")) }
    }

    pub(super) fn path(&self) -> String {
        self.0.join("/")
    }

    pub(super) fn folders(&self) -> Vec<&str> {
        self.0.split_last().map(|(_, folders)| folders.iter().map(String::as_str).collect()).unwrap_or_default()
    }

    pub(super) fn name(&self) -> &str {
        self.0.last().map_or("", String::as_str)
    }

    pub(super) fn is_escaped(&self) -> bool {
        self.0.first().is_some_and(|first| first == ESCAPED)
    }

    /// The file beside it in which its key is.
    pub(super) fn key_name(&self) -> String {
        format!("{}.key", self.name())
    }
}

/// Whether a file can have this name on every system that is likely.
fn is_name(name: &str) -> bool {
    !matches!(name, "" | "." | "..")
        && name.len() <= NAME_BYTES_MAX
        && !name.contains(|character: char| character.is_control() || matches!(character, '/' | '\\'))
}

/// Whether no other name is the same to a system that tells no case, or writes letters with marks in another way.
fn is_told_without_case(name: &str) -> bool {
    name.is_ascii() && !name.contains(|character: char| character.is_ascii_uppercase())
}

fn digest(key: &str) -> String {
    hex(&Sha256::digest(key))
}

/// Where what is said of an object is: before it is in place, and then.
pub(super) fn records(key: &str) -> [String; 2] {
    let digest = digest(key);
    [format!("{digest}.new"), format!("{digest}.json")]
}

/// Whether a file is about an object that may not be in place.
pub(super) fn is_new(record: &str) -> bool {
    record.rsplit_once('.').is_some_and(|(_, kind)| kind == "new")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_its_own_place_if_it_is_a_name_of_a_file() {
        let long = "x".repeat(241);
        for (key, tells_case, is_plain) in [
            ("cat.jpg", true, true),
            ("2026/a b+c/\u{e4}.jpg", true, true),
            ("a:b", true, true),
            ("Cat.jpg", true, true),
            ("Cat.jpg", false, false),
            ("cat.jpg", false, true),
            ("\u{e4}.jpg", false, false),
            ("a//b", true, false),
            ("/a", true, false),
            ("a/", true, false),
            (".", true, false),
            ("..", true, false),
            ("../../etc/passwd", true, false),
            ("a/../b", true, false),
            ("a\\..\\b", true, false),
            ("a\0b", true, false),
            ("a\nb", true, false),
            (".escaped/a", true, false),
            (".local-queue/lock", true, true),
            (&long, true, false),
            (&format!("{}/x", &long[1..]), true, true),
        ] {
            let plain = Place::plain(key, tells_case);
            assert_eq!(plain.as_ref().map(Place::path), is_plain.then(|| key.to_owned()), "{key:?}");
            let escaped = Place::escaped(key);
            assert!(escaped.is_escaped() && escaped.0.iter().all(|name| is_name(name)), "{escaped:?}");
            assert_eq!(Place::parse(&escaped.path()), Ok(escaped));
        }
        assert_ne!(Place::escaped("A"), Place::escaped("a"));
        assert_ne!(Place::escaped(&long), Place::escaped(&format!("{long}x")));
        for path in ["", "/etc", "a/../b", "a\0"] {
            assert!(Place::parse(path).is_err(), "{path:?}");
        }
    }
}
