//! The parameters of the Query protocol: a flat form whose names spell a tree (`Attribute.1.Name=DelaySeconds`).

use std::{borrow::Cow, collections::BTreeMap};

use super::error::{ErrorKind, WireError};

/// Parameters of one request. A batch of ten messages with ten attributes each has under 500.
const PARAMETERS_MAX: usize = 2_000;
/// Parts of one name: `SendMessageBatchRequestEntry.1.MessageAttribute.1.Value.StringValue` has six.
const PARTS_MAX: usize = 8;

/// One node of the tree: a value, nodes below it, or both.
#[derive(Debug, Default)]
pub(super) struct FormNode<'f> {
    pub(super) value: Option<Cow<'f, str>>,
    children: BTreeMap<Cow<'f, str>, FormNode<'f>>,
}

impl<'f> FormNode<'f> {
    /// Reads a form, or the query of a URL.
    pub(super) fn parse(forms: &[&'f str]) -> Result<Self, WireError> {
        let mut root = Self::default();
        let pairs = forms.iter().flat_map(|form| form.split('&')).filter(|pair| !pair.is_empty());
        for (index, pair) in pairs.enumerate() {
            check_count(index)?;
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            root.insert(decode(name)?, decode(value)?)?;
        }
        Ok(root)
    }

    /// Adds a parameter by its whole name.
    pub(super) fn insert(&mut self, name: Cow<'f, str>, value: Cow<'f, str>) -> Result<(), WireError> {
        match name {
            Cow::Borrowed(name) => self.insert_parts(name.split('.').map(Cow::Borrowed), value),
            Cow::Owned(name) => self.insert_parts(name.split('.').map(|part| Cow::Owned(part.to_owned())), value),
        }
    }

    fn insert_parts(
        &mut self,
        parts: impl Iterator<Item = Cow<'f, str>>,
        value: Cow<'f, str>,
    ) -> Result<(), WireError> {
        let mut node = self;
        for (depth, part) in parts.enumerate() {
            if depth == PARTS_MAX {
                return Err(malformed(format!("The name of a parameter has more than {PARTS_MAX} parts.")));
            }
            node = node.children.entry(part).or_default();
        }
        node.value = Some(value);
        Ok(())
    }

    /// The same, borrowed from nothing.
    #[cfg(feature = "apis")]
    pub(super) fn into_owned(self) -> FormNode<'static> {
        let owned = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        let children = self.children.into_iter().map(|(name, node)| (owned(name), node.into_owned()));
        FormNode { value: self.value.map(owned), children: children.collect() }
    }

    pub(super) fn child(&self, name: &str) -> Option<&Self> {
        self.children.get(name)
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.child(name)?.value.as_deref()
    }

    /// The items of a list, by their numbers. Numbers may be left out.
    pub(super) fn items(&self) -> Vec<&Self> {
        let mut numbered = self.children.iter().filter(|(name, _)| is_number(name)).collect::<Vec<_>>();
        // By value, however many digits there are.
        numbered.sort_by_key(|(number, _)| {
            let digits = number.trim_start_matches('0');
            (digits.len(), digits)
        });
        numbered.into_iter().map(|(_, node)| node).collect()
    }

    /// Refuses lists that no action would read, so that nothing of a request is lost without a word.
    ///
    /// AWS (quoted by users): `Entries.1.Id`, which should be `DeleteMessageBatchRequestEntry.1.Id`, and
    /// `MessageAttributeNames.member.1`, as other services spell their lists, each with its own text.
    pub(super) fn check_lists(&self) -> Result<(), WireError> {
        for (name, node) in self.children.iter().filter(|(_, node)| !node.children.is_empty()) {
            let is_list = is_list_name(name);
            if !is_list && node.has_numbers() {
                return Err(malformed("Top level element may not be treated as a list"));
            }
            if is_list && node.children.iter().any(|(name, below)| !is_number(name) && below.has_numbers()) {
                return Err(malformed("Start of list found where not expected"));
            }
        }
        Ok(())
    }

    /// Whether there is nothing in it but an empty text.
    pub(super) fn is_blank(&self) -> bool {
        self.children.is_empty() && self.value.as_deref().is_none_or(str::is_empty)
    }

    fn has_numbers(&self) -> bool {
        self.children.keys().any(|name| is_number(name))
    }
}

/// A structure without members.
pub(super) static EMPTY: FormNode<'static> = FormNode { value: None, children: BTreeMap::new() };

fn is_number(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit())
}

/// Refuses a parameter that has so many before it, if these are as many as there may be.
pub(super) fn check_count(before: usize) -> Result<(), WireError> {
    if before < PARAMETERS_MAX {
        return Ok(());
    }
    Err(malformed(format!("The request has more than {PARAMETERS_MAX} parameters.")))
}

/// Undoes form encoding: `+` is a space, `%` begins two hex digits.
pub(super) fn decode(text: &str) -> Result<Cow<'_, str>, WireError> {
    if !text.bytes().any(|byte| matches!(byte, b'+' | b'%')) {
        return Ok(Cow::Borrowed(text));
    }
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
    String::from_utf8(bytes).map(Cow::Owned).map_err(|_| malformed("A parameter is not valid UTF-8."))
}

fn malformed(message: impl Into<Cow<'static, str>>) -> WireError {
    WireError::new(ErrorKind::MalformedInput, message)
}

/// Lists and maps: their name in AWS JSON, and in Query, where the plural is read too.
///
/// AWS (quoted by users): `MessageAttributes.1.key` and `MessageAttributeNames.member.1` get errors about the inside of
/// these lists, and Java's first SDK sends `Tags.1.Key`. The entries of batches have no plural: see
/// [`FormNode::check_lists`].
const LISTS: [(&str, &str); 11] = [
    ("AWSAccountIds", "AWSAccountId"),
    ("Actions", "ActionName"),
    ("AttributeNames", "AttributeName"),
    ("Attributes", "Attribute"),
    ("BinaryListValues", "BinaryListValue"),
    ("MessageAttributeNames", "MessageAttributeName"),
    ("MessageAttributes", "MessageAttribute"),
    ("MessageSystemAttributeNames", "MessageSystemAttributeName"),
    ("MessageSystemAttributes", "MessageSystemAttribute"),
    ("StringListValues", "StringListValue"),
    ("TagKeys", "TagKey"),
];

/// The names in Query of a list or map that JSON calls `name`: the documented one first.
pub(super) fn list_names(name: &str, operation: &str) -> Vec<String> {
    match name {
        "tags" | "Tags" => vec!["Tag".to_owned(), "Tags".to_owned()],
        "Entries" => vec![format!("{operation}RequestEntry")],
        plural => {
            let singular = LISTS.iter().find(|(list, _)| *list == plural).map(|(_, singular)| (*singular).to_owned());
            singular.into_iter().chain([plural.to_owned()]).collect()
        }
    }
}

fn is_list_name(name: &str) -> bool {
    matches!(name, "Tag" | "Tags")
        || name.ends_with("BatchRequestEntry")
        || LISTS.iter().any(|(plural, singular)| name == *plural || name == *singular)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_spell_a_tree_and_lists_go_by_their_numbers() {
        let node =
            FormNode::parse(&["A.10.N=ten&A.2.N=two&B=x+%2B%C3%A4&A.99999999999999999999.N=last&C", "D=1"]).unwrap();
        let names = node.child("A").unwrap().items().into_iter().map(|item| item.text("N").unwrap());
        assert_eq!(names.collect::<Vec<_>>(), ["two", "ten", "last"]);
        assert_eq!(node.text("B"), Some("x +\u{e4}"));
        assert_eq!((node.text("C"), node.text("D"), node.text("E")), (Some(""), Some("1"), None));
    }

    #[test]
    fn a_list_that_nobody_reads_is_refused() {
        let check = |form: &str| FormNode::parse(&[form]).unwrap().check_lists().map_err(|error| error.message);
        for form in
            ["Tags.1.Key=a", "Attribute.Name=a", "SendMessageBatchRequestEntry.1.MessageAttribute.1.Name=a", "A.B=1"]
        {
            assert_eq!(check(form), Ok(()), "{form}");
        }
        for form in ["Entries.1.Id=a", "MessageBody.1=a", "Nothing.1=a"] {
            assert_eq!(check(form).unwrap_err(), "Top level element may not be treated as a list", "{form}");
        }
        for form in ["AttributeNames.member.1=a", "AttributeName.member.1=a", "Tags.entry.1.key=a"] {
            assert_eq!(check(form).unwrap_err(), "Start of list found where not expected", "{form}");
        }
    }

    #[test]
    fn a_broken_or_endless_form_is_refused() {
        let endless = "a=1&".repeat(PARAMETERS_MAX + 1);
        let deep = "a.".repeat(PARTS_MAX) + "a=1";
        for form in ["a=%", "a=%4", "a=%zz", "a=%ff", &endless, &deep] {
            assert_eq!(FormNode::parse(&[form]).unwrap_err().kind, ErrorKind::MalformedInput, "{form:.20}");
        }
    }
}
