//! The parameters of the Query protocol: a flat form whose names spell a tree (`Attribute.1.Name=DelaySeconds`).

use std::collections::BTreeMap;

use super::error::{ErrorKind, WireError};

/// Parameters of one request. A batch of ten messages with ten attributes each has under 500.
const PARAMETERS_MAX: usize = 2_000;
/// Parts of one name: `SendMessageBatchRequestEntry.1.MessageAttribute.1.Value.StringValue` has six.
const PARTS_MAX: usize = 8;

/// One node of the tree: a value, nodes below it, or both.
#[derive(Debug, Default)]
pub(super) struct Node {
    pub(super) value: Option<String>,
    children: BTreeMap<String, Node>,
}

impl Node {
    /// Reads a form, or the query of a URL.
    pub(super) fn parse(forms: &[&str]) -> Result<Self, WireError> {
        let mut root = Self::default();
        let pairs = forms.iter().flat_map(|form| form.split('&')).filter(|pair| !pair.is_empty());
        for (index, pair) in pairs.enumerate() {
            if index == PARAMETERS_MAX {
                return Err(malformed(format!("The request has more than {PARAMETERS_MAX} parameters.")));
            }
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            root.insert(&decode(name)?, decode(value)?)?;
        }
        Ok(root)
    }

    fn insert(&mut self, name: &str, value: String) -> Result<(), WireError> {
        let mut node = self;
        for (depth, part) in name.split('.').enumerate() {
            if depth == PARTS_MAX {
                return Err(malformed(format!("The name of a parameter has more than {PARTS_MAX} parts.")));
            }
            node = node.children.entry(part.to_owned()).or_default();
        }
        node.value = Some(value);
        Ok(())
    }

    pub(super) fn child(&self, name: &str) -> Option<&Self> {
        self.children.get(name)
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.child(name)?.value.as_deref()
    }

    /// The items of a list, by their numbers. Numbers may be left out.
    pub(super) fn items(&self) -> Vec<&Self> {
        let numbered = self.children.iter().filter_map(|(number, node)| Some((number.parse::<u32>().ok()?, node)));
        let mut numbered = numbered.collect::<Vec<_>>();
        numbered.sort_by_key(|(number, _)| *number);
        numbered.into_iter().map(|(_, node)| node).collect()
    }
}

/// Undoes form encoding: `+` is a space, `%` begins two hex digits.
pub(super) fn decode(text: &str) -> Result<String, WireError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || rest.next().and_then(|byte| char::from(byte).to_digit(16));
                let (high, low) = (digit(), digit());
                let code = high.zip(low).and_then(|(high, low)| u8::try_from(high * 16 + low).ok());
                code.ok_or_else(|| malformed("A parameter has a % that is not followed by two hexadecimal digits."))?
            }
            other => other,
        });
    }
    String::from_utf8(bytes).map_err(|_| malformed("A parameter is not valid UTF-8."))
}

fn malformed(message: impl Into<std::borrow::Cow<'static, str>>) -> WireError {
    WireError::new(ErrorKind::MalformedInput, message)
}

/// The name in Query of a list or map that JSON calls `name`.
pub(super) fn member_name(name: &str, operation: &str) -> String {
    match name {
        "tags" | "Tags" => "Tag".to_owned(),
        "Actions" => "ActionName".to_owned(),
        "Entries" => format!("{operation}RequestEntry"),
        plural => plural.strip_suffix('s').unwrap_or(plural).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_spell_a_tree_and_lists_go_by_their_numbers() {
        let node = Node::parse(&["A.10.N=ten&A.2.N=two&B=x+%2B%C3%A4&A.1000000000.N=last&C", "D=1"]).unwrap();
        let names = node.child("A").unwrap().items().into_iter().map(|item| item.text("N").unwrap());
        assert_eq!(names.collect::<Vec<_>>(), ["two", "ten", "last"]);
        assert_eq!(node.text("B"), Some("x +\u{e4}"));
        assert_eq!((node.text("C"), node.text("D"), node.text("E")), (Some(""), Some("1"), None));
    }

    #[test]
    fn a_broken_or_endless_form_is_refused() {
        let endless = "a=1&".repeat(PARAMETERS_MAX + 1);
        let deep = "a.".repeat(PARTS_MAX) + "a=1";
        for form in ["a=%", "a=%4", "a=%zz", "a=%ff", &endless, &deep] {
            assert_eq!(Node::parse(&[form]).unwrap_err().kind, ErrorKind::MalformedInput, "{form:.20}");
        }
    }
}
