//! Values of templates, which are those of JSON, and what can be asked of them.

use std::{cmp::Ordering, fmt::Write as _};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

use super::Operator;
use crate::apis::percent::decode_form;

/// What can be asked of a value.
pub(super) const METHODS: [&str; 28] = [
    "add",
    "contains",
    "containsKey",
    "endsWith",
    "entrySet",
    "equals",
    "equalsIgnoreCase",
    "get",
    "getKey",
    "getValue",
    "indexOf",
    "isEmpty",
    "keySet",
    "length",
    "matches",
    "put",
    "replace",
    "replaceAll",
    "size",
    "split",
    "startsWith",
    "substring",
    "toLowerCase",
    "toString",
    "toUpperCase",
    "trim",
    "values",
    "concat",
];
/// What Java's `URLEncoder` leaves as it is.
const FORM: &AsciiSet = &NON_ALPHANUMERIC.remove(b'*').remove(b'-').remove(b'.').remove(b'_').remove(b' ');

/// A value as Java writes it.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Object(members) => {
            let members = members.iter().map(|(name, value)| format!("{name}={}", shown(value)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

pub(super) fn is_true(value: &Value) -> bool {
    !matches!(value, Value::Null | Value::Bool(false))
}

/// What a function of `$util` gives.
pub(super) fn util(name: &str, argument: &Value) -> Value {
    let text = shown(argument);
    match name {
        "urlEncode" => utf8_percent_encode(&text, FORM).to_string().replace(' ', "+").into(),
        "urlDecode" => decode_form(&text).into(),
        "base64Encode" => STANDARD.encode(text).into(),
        "base64Decode" => String::from_utf8_lossy(&STANDARD.decode(text).unwrap_or_default()).into_owned().into(),
        "escapeJavaScript" => escape_java_script(&text).into(),
        _ => serde_json::from_str(&text).unwrap_or_default(),
    }
}

/// As Apache's `StringEscapeUtils` does it.
fn escape_java_script(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for unit in text.encode_utf16() {
        let ascii = u8::try_from(unit).ok().filter(|byte| (0x20..0x7f).contains(byte)).map(char::from);
        let short = match unit {
            0x08 => Some('b'),
            0x09 => Some('t'),
            0x0a => Some('n'),
            0x0c => Some('f'),
            0x0d => Some('r'),
            _ => ascii.filter(|c| matches!(c, '\'' | '"' | '\\' | '/')),
        };
        match (short, ascii) {
            (Some(short), _) => escaped.extend(['\\', short]),
            (None, Some(plain)) => escaped.push(plain),
            // Writing into a text does not fail.
            (None, None) => {
                let _ = write!(escaped, "\\u{unit:04X}");
            }
        }
    }
    escaped
}

/// The member of a value.
pub(super) fn member(value: &Value, name: &str) -> Value {
    value.get(name).cloned().unwrap_or_default()
}

/// The item of a list, or the member of a map.
pub(super) fn item(value: &Value, key: &Value) -> Value {
    match key.as_u64().and_then(|index| usize::try_from(index).ok()) {
        Some(index) if value.is_array() => value.get(index).cloned().unwrap_or_default(),
        _ => member(value, &shown(key)),
    }
}

/// What a value gives when it is asked; nothing of what it has not.
pub(super) fn ask(value: &Value, name: &str, arguments: &[Value]) -> Value {
    let first = arguments.first().unwrap_or(&Value::Null);
    let first_text = || shown(first);
    match (name, value) {
        ("size" | "length", Value::Array(items)) => items.len().into(),
        ("size" | "length", Value::Object(members)) => members.len().into(),
        ("size" | "length", _) => shown(value).encode_utf16().count().into(),
        ("isEmpty", Value::Array(items)) => items.is_empty().into(),
        ("isEmpty", Value::Object(members)) => members.is_empty().into(),
        ("isEmpty", _) => shown(value).is_empty().into(),
        ("get", _) => item(value, first),
        ("keySet", Value::Object(members)) => members.keys().cloned().collect(),
        ("values", Value::Object(members)) => members.values().cloned().collect(),
        ("entrySet", Value::Object(members)) => {
            members.iter().map(|(key, value)| json!({ "key": key, "value": value })).collect()
        }
        ("getKey", _) => member(value, "key"),
        ("getValue", _) => member(value, "value"),
        ("containsKey", _) => value.get(first_text()).is_some().into(),
        ("contains", Value::Array(items)) => items.contains(first).into(),
        ("contains", _) => shown(value).contains(&first_text()).into(),
        ("equals", _) => (shown(value) == first_text()).into(),
        ("toString", _) => shown(value).into(),
        (name, _) => text(&shown(value), name, arguments),
    }
}

fn text(text: &str, name: &str, arguments: &[Value]) -> Value {
    let argument = |index: usize| arguments.get(index).map(shown).unwrap_or_default();
    let number = |index: usize| arguments.get(index).and_then(Value::as_u64).and_then(|it| usize::try_from(it).ok());
    match name {
        "equalsIgnoreCase" => text.eq_ignore_ascii_case(&argument(0)).into(),
        "startsWith" => text.starts_with(&argument(0)).into(),
        "endsWith" => text.ends_with(&argument(0)).into(),
        "indexOf" => text.find(&argument(0)).map_or_else(|| json!(-1), |at| json!(at)),
        "toLowerCase" => text.to_lowercase().into(),
        "toUpperCase" => text.to_uppercase().into(),
        "trim" => text.trim().into(),
        "concat" => format!("{text}{}", argument(0)).into(),
        "replace" => text.replace(&argument(0), &argument(1)).into(),
        "substring" => {
            let end = number(1).unwrap_or(usize::MAX);
            let start = number(0).unwrap_or_default();
            text.chars().skip(start).take(end.saturating_sub(start)).collect::<String>().into()
        }
        "matches" | "replaceAll" | "split" => {
            let pattern = argument(0);
            let whole = if name == "matches" { format!("^(?:{pattern})$") } else { pattern };
            let Ok(regex) = regex_lite::Regex::new(&whole) else { return Value::Null };
            match name {
                "matches" => regex.is_match(text).into(),
                "replaceAll" => regex.replace_all(text, argument(1).replace("\\\\", "\\").as_str()).into_owned().into(),
                _ => regex.split(text).collect::<Vec<_>>().into(),
            }
        }
        _ => Value::Null,
    }
}

/// Changes a variable, for `put` and `add`; gives what these give.
pub(super) fn change(variable: &mut Value, name: &str, arguments: &[Value]) -> Value {
    match (name, variable, arguments) {
        ("put", Value::Object(members), [key, value]) => members.insert(shown(key), value.clone()).unwrap_or_default(),
        ("add", Value::Array(items), [value]) => {
            items.push(value.clone());
            true.into()
        }
        _ => Value::Null,
    }
}

/// What an operator gives, but for those that look at one side only.
pub(super) fn operate(operator: Operator, left: &Value, right: &Value) -> Value {
    let integers = || Some((left.as_i64()?, right.as_i64()?));
    let numbers = || Some((left.as_f64()?, right.as_f64()?));
    let ordering = || match numbers() {
        Some((left, right)) => left.partial_cmp(&right),
        None => Some(shown(left).cmp(&shown(right))),
    };
    let is_equal = || match (numbers(), left.is_null() || right.is_null()) {
        (Some((left, right)), _) => left.total_cmp(&right) == Ordering::Equal,
        (None, true) => left.is_null() && right.is_null(),
        (None, false) => shown(left) == shown(right),
    };
    let whole = |of: fn(i64, i64) -> Option<i64>| {
        integers().and_then(|(left, right)| of(left, right)).map_or(Value::Null, Into::into)
    };
    match operator {
        Operator::Or => (is_true(left) || is_true(right)).into(),
        Operator::And => (is_true(left) && is_true(right)).into(),
        Operator::Equal => is_equal().into(),
        Operator::Unequal => (!is_equal()).into(),
        Operator::Less => (ordering() == Some(Ordering::Less)).into(),
        Operator::LessOrEqual => ordering().is_some_and(Ordering::is_le).into(),
        Operator::Greater => (ordering() == Some(Ordering::Greater)).into(),
        Operator::GreaterOrEqual => ordering().is_some_and(Ordering::is_ge).into(),
        Operator::Plus if integers().is_none() => format!("{}{}", shown(left), shown(right)).into(),
        Operator::Plus => whole(i64::checked_add),
        Operator::Minus => whole(i64::checked_sub),
        Operator::Times => whole(i64::checked_mul),
        Operator::Divided => whole(i64::checked_div),
        Operator::Remainder => whole(i64::checked_rem),
    }
}

/// A map of texts.
pub(super) fn map<'a>(pairs: impl Iterator<Item = (&'a str, String)>) -> Value {
    Value::Object(pairs.map(|(name, value)| (name.to_owned(), value.into())).collect::<Map<_, _>>())
}
