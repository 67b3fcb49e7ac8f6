//! JSON of requests, with a bound on its parts that holds before there is a tree of them.

use std::{cell::Cell, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// Values in one request, each member and item counted. The largest batch of SQS has under a thousand; a tree of so many
/// takes a few megabytes.
const VALUES_MAX: usize = 10_000;

/// Why a body is not a JSON object.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JsonError {
    #[error("is not valid JSON: {0}")]
    Invalid(serde_json::Error),
    #[error("is not a JSON object")]
    NotAnObject,
    #[error("has more than {VALUES_MAX} values")]
    TooManyValues,
}

/// Reads a JSON object.
pub(crate) fn parse_object(bytes: &[u8]) -> Result<Map<String, Value>, JsonError> {
    let left = Cell::new(VALUES_MAX + 1);
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = Bounded { left: &left }.deserialize(&mut deserializer);
    let value = value.and_then(|value| deserializer.end().map(|()| value));
    match value {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err(JsonError::NotAnObject),
        Err(_) if left.get() == 0 => Err(JsonError::TooManyValues),
        Err(error) => Err(JsonError::Invalid(error)),
    }
}

/// A value, and what may be left of the bound when it begins.
#[derive(Clone, Copy)]
struct Bounded<'a> {
    left: &'a Cell<usize>,
}

impl<'de> DeserializeSeed<'de> for Bounded<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.left.set(self.left.get() - 1);
        if self.left.get() == 0 {
            return Err(D::Error::custom("too many values"));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Bounded<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Value, E> {
        Ok(flag.into())
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            map.insert(name, members.next_value_seed(self)?);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_what_serde_json_reads() {
        let text =
            r#"{"a":[1,-2,3.5,1e3,true,false,null,"x\u00e4\n\ud83d\ude00"],"b":{"":{}},"a ":18446744073709551615}"#;
        assert_eq!(Value::Object(parse_object(text.as_bytes()).unwrap()), serde_json::from_str::<Value>(text).unwrap());
        let twice = parse_object(br#"{"a":1,"a":2}"#).unwrap();
        assert_eq!(twice["a"], 2, "of two members of one name the last counts");
        for text in ["", "{", "{\"a\":1} x", "{\"a\":1e400}", "{\"a\":\"\\ud800\"}", "{\"a\":\"\u{1}\"}"] {
            let ours = parse_object(text.as_bytes()).unwrap_err();
            assert_eq!(
                ours.to_string(),
                format!("is not valid JSON: {}", serde_json::from_str::<Value>(text).unwrap_err())
            );
        }
        assert!(matches!(parse_object(b"[]"), Err(JsonError::NotAnObject)));
    }

    #[test]
    fn values_are_bounded_however_they_are_nested() {
        let list = |count: usize| format!("{{\"a\":[{}1]}}", "1,".repeat(count - 1));
        // The object and the list are values themselves.
        assert_eq!(
            parse_object(list(VALUES_MAX - 2).as_bytes()).unwrap()["a"].as_array().unwrap().len(),
            VALUES_MAX - 2
        );
        let members = (0..VALUES_MAX).map(|index| format!("\"{index}\":{{}}")).collect::<Vec<_>>().join(",");
        let deep = format!("{{\"a\":{}1{}}}", "[".repeat(100), "]".repeat(100));
        assert!(parse_object(deep.as_bytes()).is_ok());
        for text in [list(VALUES_MAX - 1), format!("{{{members}}}"), format!("[{{{members}}}]")] {
            assert!(matches!(parse_object(text.as_bytes()), Err(JsonError::TooManyValues)));
        }
        // What comes behind is not even looked at.
        let broken = format!("{{\"a\":[{}", "1,".repeat(VALUES_MAX));
        assert!(matches!(parse_object(broken.as_bytes()), Err(JsonError::TooManyValues)));
    }
}
