//! YAML as CloudFormation reads it: into JSON, with `!Sub` and its like as `Fn::Sub`.

use saphyr_parser::{Event, Parser, ScalarStyle, Tag};
use serde_json::{Map, Value, json};

/// The one document of a text. Panics with the line of what is not YAML, or is YAML that CloudFormation refuses.
pub(crate) fn read(text: &str) -> Value {
    let mut events = Events { parser: Parser::new_from_str(text) };
    loop {
        match events.next() {
            Event::StreamStart | Event::DocumentStart(_) => {}
            first => return events.node(first),
        }
    }
}

struct Events<'a> {
    parser: Parser<'a, saphyr_parser::StrInput<'a>>,
}

impl<'a> Events<'a> {
    fn next(&mut self) -> Event<'a> {
        let (event, _) = self.parser.next().expect("the document ends early").expect("the template is YAML");
        event
    }

    fn node(&mut self, event: Event<'a>) -> Value {
        match event {
            Event::Scalar(text, style, _, tag) => match tag {
                Some(tag) => intrinsic(&tag, Value::String(text.into_owned())),
                None if style == ScalarStyle::Plain => plain(&text),
                None => Value::String(text.into_owned()),
            },
            Event::SequenceStart(_, tag) => {
                let mut items = Vec::new();
                loop {
                    match self.next() {
                        Event::SequenceEnd => break,
                        item => items.push(self.node(item)),
                    }
                }
                tagged(tag.as_deref(), Value::Array(items))
            }
            Event::MappingStart(_, tag) => {
                let mut fields = Map::new();
                loop {
                    let key = match self.next() {
                        Event::MappingEnd => break,
                        Event::Scalar(key, ..) => key.into_owned(),
                        other => panic!("a key is {other:?}; expected text"),
                    };
                    let value = self.next();
                    let value = self.node(value);
                    assert!(fields.insert(key.clone(), value).is_none(), "the key {key} is there twice");
                }
                tagged(tag.as_deref(), Value::Object(fields))
            }
            other => panic!("CloudFormation reads no {other:?}"),
        }
    }
}

fn tagged(tag: Option<&Tag>, value: Value) -> Value {
    tag.map_or(value.clone(), |tag| intrinsic(tag, value))
}

fn intrinsic(tag: &Tag, value: Value) -> Value {
    assert_eq!(tag.handle, "!", "the tag {tag:?} is none of CloudFormation's");
    match (tag.suffix.as_str(), value) {
        ("Ref", value) => json!({ "Ref": value }),
        ("Condition", value) => json!({ "Condition": value }),
        ("GetAtt", Value::String(path)) => {
            let (resource, attribute) = path.split_once('.').expect("GetAtt names a resource and an attribute");
            json!({ "Fn::GetAtt": [resource, attribute] })
        }
        (name, value) => json!({ (format!("Fn::{name}")): value }),
    }
}

/// A plain scalar by the core schema, as far as templates use it.
fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" => Value::Null,
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        _ => text.parse::<i64>().map_or_else(|_| Value::String(text.to_owned()), Value::from),
    }
}
