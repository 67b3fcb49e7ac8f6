//! Message attributes: names, types and values by SQS's rules.

use std::collections::BTreeMap;

use crate::{EngineError, Limits, MessageAttributeProblem, characters::first_refused_character};

/// The value of one message attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MessageAttributeValue {
    /// Of type `String` or `Number`: numbers travel as text and keep their spelling.
    Text(String),
    /// Of type `Binary`.
    Binary(Vec<u8>),
}

/// One message attribute: its type, custom label included, and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageAttribute {
    /// `String`, `Number` or `Binary`, possibly with a label: `Number.int`.
    pub data_type: String,
    /// The value.
    pub value: MessageAttributeValue,
}

impl MessageAttribute {
    /// An attribute of type `String`.
    #[must_use]
    pub fn string(value: impl Into<String>) -> Self {
        Self { data_type: "String".to_owned(), value: MessageAttributeValue::Text(value.into()) }
    }

    pub(crate) fn value_bytes(&self) -> &[u8] {
        match &self.value {
            MessageAttributeValue::Text(text) => text.as_bytes(),
            MessageAttributeValue::Binary(bytes) => bytes,
        }
    }

    fn check(&self, name: &str) -> Result<(), MessageAttributeProblem> {
        check_attribute_name(name)?;
        if self.data_type.is_empty() {
            let has_value = !self.value_bytes().is_empty();
            let problem =
                if has_value { MessageAttributeProblem::TypeMissing } else { MessageAttributeProblem::ValueMissing };
            return Err(problem);
        }
        let (kind, label) = self.data_type.split_once('.').unwrap_or((&self.data_type, ""));
        if self.data_type.len() > 256 || (label.is_empty() && self.data_type.contains('.')) {
            return Err(MessageAttributeProblem::Type);
        }
        match (kind, &self.value) {
            ("String" | "Number", MessageAttributeValue::Text(text)) if !text.is_empty() => {
                if first_refused_character(text).is_some() {
                    return Err(MessageAttributeProblem::Contents);
                }
                if kind == "Number" && !is_number(text) {
                    return Err(MessageAttributeProblem::NotANumber);
                }
                Ok(())
            }
            ("Binary", MessageAttributeValue::Binary(bytes)) if !bytes.is_empty() => Ok(()),
            ("String", _) => Err(MessageAttributeProblem::Empty { expected: "String" }),
            ("Number", _) => Err(MessageAttributeProblem::Empty { expected: "Number" }),
            ("Binary", _) => Err(MessageAttributeProblem::Empty { expected: "Binary" }),
            _ => Err(MessageAttributeProblem::Type),
        }
    }
}

/// Letters of any script pass: `attr.1\u{f8}\u{df}` was accepted where this was validated against AWS, although the
/// documentation speaks of ASCII.
fn check_attribute_name(name: &str) -> Result<(), MessageAttributeProblem> {
    let lower = name.to_ascii_lowercase();
    if lower.starts_with("aws.") || lower.starts_with("amazon.") {
        return Err(MessageAttributeProblem::NameReserved);
    }
    let allowed = |character: char| character.is_alphanumeric() || matches!(character, '_' | '-' | '.');
    let fits = (1..=256).contains(&name.chars().count()) && name.chars().all(allowed);
    if !fits || name.starts_with('.') || name.ends_with('.') {
        return Err(MessageAttributeProblem::Name);
    }
    Ok(())
}

/// A number of up to 38 digits, without zeros at its ends, and zero or from 10^-128 to 10^126 in size (developer guide,
/// "Message attribute data types").
fn is_number(text: &str) -> bool {
    const PRECISION_MAX: usize = 38;
    const MAGNITUDES: std::ops::RangeInclusive<i64> = -128..=125;
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let Ok(exponent) = exponent.parse::<i64>() else { return false };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return false;
    }
    let leading_zeros = digits.bytes().take_while(|byte| *byte == b'0').count();
    let significant = digits[leading_zeros..].trim_end_matches('0');
    // The power of ten of the first digit that is not zero.
    let places = i64::try_from(whole.len()).unwrap_or(i64::MAX) - i64::try_from(leading_zeros).unwrap_or(i64::MAX) - 1;
    let magnitude = exponent.saturating_add(places);
    let fits = MAGNITUDES.contains(&magnitude) || (magnitude == 126 && significant == "1");
    significant.is_empty() || (significant.len() <= PRECISION_MAX && fits)
}

/// The attributes of a message, by name: each is valid, and there are not too many.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MessageAttributes(BTreeMap<String, MessageAttribute>);

impl MessageAttributes {
    pub(crate) const NONE: Self = Self(BTreeMap::new());

    /// Checks attributes against SQS's rules on their number, names, types and values.
    pub fn parse(raw: BTreeMap<String, MessageAttribute>, limits: &Limits) -> Result<Self, EngineError> {
        if raw.len() > limits.message_attributes_max {
            let (count, count_max) = (raw.len(), limits.message_attributes_max);
            return Err(EngineError::TooManyMessageAttributes { count, count_max });
        }
        for (name, attribute) in &raw {
            attribute
                .check(name)
                .map_err(|problem| EngineError::MessageAttributeInvalid { name: name.clone(), problem })?;
        }
        Ok(Self(raw))
    }

    /// Attributes that were checked before.
    pub(crate) const fn known(attributes: BTreeMap<String, MessageAttribute>) -> Self {
        Self(attributes)
    }

    /// The attributes in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &MessageAttribute)> {
        self.0.iter().map(|(name, attribute)| (name.as_str(), attribute))
    }

    /// The attribute of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&MessageAttribute> {
        self.0.get(name)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.0.iter().map(|(name, it)| (name.len() + it.data_type.len() + it.value_bytes().len()) as u64).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_attributes_are_checked_one_by_one() {
        use MessageAttributeProblem as Problem;
        let text = |data_type: &str, value: &str| MessageAttribute {
            data_type: data_type.to_owned(),
            value: MessageAttributeValue::Text(value.to_owned()),
        };
        let binary = |data_type: &str, value: &[u8]| MessageAttribute {
            data_type: data_type.to_owned(),
            value: MessageAttributeValue::Binary(value.to_vec()),
        };
        let long = "n".repeat(257);
        let table = [
            ("color", text("String", "red"), None),
            ("count", text("Number.java.lang.Long", "-1.5e3"), None),
            ("blob", binary("Binary.png", b"\x00\xff"), None),
            ("attr.1\u{f8}\u{df}\u{e4}", text("String", "accepted"), None),
            ("a..b", text("String", "not rejected where it was validated"), None),
            ("x", text("Stringy", "v"), Some(Problem::Type)),
            ("x", text("string", "v"), Some(Problem::Type)),
            ("x", text("String.", "v"), Some(Problem::Type)),
            ("x", text("", "v"), Some(Problem::TypeMissing)),
            ("x", text("", ""), Some(Problem::ValueMissing)),
            ("x", text("String", ""), Some(Problem::Empty { expected: "String" })),
            ("x", binary("String", b"v"), Some(Problem::Empty { expected: "String" })),
            ("x", text("Binary", "v"), Some(Problem::Empty { expected: "Binary" })),
            ("x", text("Number", "ten"), Some(Problem::NotANumber)),
            ("x", text("Number", "inf"), Some(Problem::NotANumber)),
            ("x", text("String", "\u{1}"), Some(Problem::Contents)),
            ("AWS.x", text("String", "v"), Some(Problem::NameReserved)),
            ("amazon.x", text("String", "v"), Some(Problem::NameReserved)),
            (".x", text("String", "v"), Some(Problem::Name)),
            ("x.", text("String", "v"), Some(Problem::Name)),
            ("x/y", text("String", "v"), Some(Problem::Name)),
            ("", text("String", "v"), Some(Problem::Name)),
            (&long, text("String", "v"), Some(Problem::Name)),
        ];
        for (name, attribute, problem) in table {
            let raw = BTreeMap::from([(name.to_owned(), attribute.clone())]);
            let found = MessageAttributes::parse(raw, &Limits::STRICT).err();
            let expected =
                problem.map(|problem| EngineError::MessageAttributeInvalid { name: name.to_owned(), problem });
            assert_eq!(found, expected, "{name:?} {attribute:?}");
        }
    }

    #[test]
    fn a_number_has_up_to_38_digits_and_a_size_from_ten_to_the_minus_128_to_ten_to_the_126() {
        let (longest, zeros) = ("9".repeat(38), "0".repeat(200));
        let numbers =
            ["0", "-0.0", "1", "+1", "-1.5e3", ".5", "5.", "1e-128", "9.9e125", "1e126", "-10E125", "0e9999", &longest];
        let padded = [format!("{zeros}{longest}.{zeros}"), format!("0.{longest}{zeros}"), format!("{longest}e88")];
        for number in numbers.into_iter().map(str::to_owned).chain(padded) {
            assert!(is_number(&number), "{number}");
        }
        let none = [
            "",
            "-",
            ".",
            "e5",
            "1e",
            "1e5.0",
            "1x",
            "ten",
            "inf",
            "NaN",
            "0x10",
            " 1",
            "1 ",
            "1_000",
            "1e99999999999999999999",
        ];
        let others = [format!("{longest}1"), format!("0.{longest}1"), format!("{longest}e89"), "1".repeat(60)];
        let sizes = ["9.9e-129", "1.1e126", "2e126", "1e127", "1e-129"];
        for text in none.into_iter().chain(sizes).map(str::to_owned).chain(others) {
            assert!(!is_number(&text), "{text}");
        }
    }
}
