//! JSON of requests, with a bound on its parts that holds before there is a tree of them. Texts stay where they are in the
//! body, unless something in them is escaped.

use std::{borrow::Cow, cell::Cell, fmt};

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

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

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Json<'a> {
    Null,
    Boolean(bool),
    Number(Number),
    Text(Cow<'a, str>),
    List(Vec<Self>),
    Object(Object<'a>),
}

impl Json<'_> {
    pub(crate) const fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }
}

/// The members of an object, in the order of their names. Of several of one name the last counts.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Object<'a>(Vec<(Cow<'a, str>, Json<'a>)>);

impl<'a> Object<'a> {
    fn new(mut members: Vec<(Cow<'a, str>, Json<'a>)>) -> Self {
        if !members.is_sorted_by(|one, next| one.0 < next.0) {
            members.reverse();
            members.sort_by(|one, other| one.0.cmp(&other.0));
            members.dedup_by(|later, first| later.0 == first.0);
        }
        Self(members)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Json<'a>> {
        self.iter().find(|(this, _)| *this == name).map(|(_, value)| value)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Json<'a>)> {
        self.0.iter().map(|(name, value)| (&**name, value))
    }
}

impl From<Object<'_>> for Map<String, Value> {
    fn from(object: Object<'_>) -> Self {
        object.0.into_iter().map(|(name, value)| (name.into_owned(), value.into())).collect()
    }
}

impl From<Json<'_>> for Value {
    fn from(json: Json<'_>) -> Self {
        match json {
            Json::Null => Self::Null,
            Json::Boolean(flag) => Self::Bool(flag),
            Json::Number(number) => Self::Number(number),
            Json::Text(text) => Self::String(text.into_owned()),
            Json::List(items) => items.into_iter().map(Self::from).collect(),
            Json::Object(members) => Self::Object(members.into()),
        }
    }
}

/// Reads a JSON object.
pub(crate) fn parse_object(bytes: &[u8]) -> Result<Object<'_>, JsonError> {
    let left = Cell::new(VALUES_MAX + 1);
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = Bounded { left: &left }.deserialize(&mut deserializer);
    let value = value.and_then(|value| deserializer.end().map(|()| value));
    match value {
        Ok(Json::Object(members)) => Ok(members),
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
    type Value = Json<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json<'de>, D::Error> {
        self.left.set(self.left.get() - 1);
        if self.left.get() == 0 {
            return Err(D::Error::custom("too many values"));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Bounded<'_> {
    type Value = Json<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json<'de>, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Json<'de>, E> {
        Ok(Json::Boolean(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Json<'de>, E> {
        Ok(Json::Number(number.into()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Json<'de>, E> {
        Ok(Json::Number(number.into()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Json<'de>, E> {
        Ok(Number::from_f64(number).map_or(Json::Null, Json::Number))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Json<'de>, E> {
        Ok(Json::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Json<'de>, E> {
        Ok(Json::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json<'de>, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            list.push(item);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Json<'de>, A::Error> {
        let mut list = Vec::new();
        while let Some(Name(name)) = members.next_key()? {
            list.push((name, members.next_value_seed(self)?));
        }
        Ok(Json::Object(Object::new(list)))
    }
}

/// A name that stays where it is, which serde's own `Cow` does not.
struct Name<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(NameVisitor)
    }
}

struct NameVisitor;

impl<'de> Visitor<'de> for NameVisitor {
    type Value = Name<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Name<'de>, E> {
        Ok(Name(Cow::Borrowed(name)))
    }

    fn visit_str<E>(self, name: &str) -> Result<Name<'de>, E> {
        Ok(Name(Cow::Owned(name.to_owned())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_what_serde_json_reads() {
        let text =
            r#"{"a":[1,-2,3.5,1e3,true,false,null,"x\u00e4\n\ud83d\ude00"],"b":{"":{}},"a ":18446744073709551615}"#;
        let read = Json::Object(parse_object(text.as_bytes()).unwrap());
        assert_eq!(Value::from(read), serde_json::from_str::<Value>(text).unwrap());
        for text in ["", "{", "{\"a\":1} x", "{\"a\":1e400}", "{\"a\":\"\\ud800\"}", "{\"a\":\"\u{1}\"}", "{1:2}"] {
            let ours = parse_object(text.as_bytes()).unwrap_err();
            assert_eq!(
                ours.to_string(),
                format!("is not valid JSON: {}", serde_json::from_str::<Value>(text).unwrap_err())
            );
        }
        assert!(matches!(parse_object(b"[]"), Err(JsonError::NotAnObject)));
    }

    #[test]
    fn members_are_in_the_order_of_their_names_and_of_two_of_one_name_the_last_counts() {
        let object = parse_object(br#"{"b":1,"c":2,"a":3,"c":4,"b":5,"c":6}"#).unwrap();
        let members = object.iter().map(|(name, it)| (name, Value::from(it.clone()))).collect::<Vec<_>>();
        assert_eq!(members, [("a", 3.into()), ("b", 5.into()), ("c", 6.into())]);
        assert_eq!(object.get("c"), Some(&Json::Number(6.into())));
        assert_eq!(object.get("d"), None);
    }

    #[test]
    fn texts_are_not_copied_but_where_something_is_escaped() {
        let object = parse_object(br#"{"plain":"text","esc\u0061ped":"t\next"}"#).unwrap();
        assert!(
            object.0.iter().any(|member| matches!(member, (Cow::Borrowed("plain"), Json::Text(Cow::Borrowed("text")))))
        );
        assert_eq!(object.get("escaped"), Some(&Json::Text("t\next".into())));
    }

    #[test]
    fn values_are_bounded_however_they_are_nested() {
        let list = |count: usize| format!("{{\"a\":[{}1]}}", "1,".repeat(count - 1));
        // The object and the list are values themselves.
        let text = list(VALUES_MAX - 2);
        let object = parse_object(text.as_bytes()).unwrap();
        assert!(matches!(object.get("a"), Some(Json::List(items)) if items.len() == VALUES_MAX - 2));
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
