//! Reads an object field by field, so that every refusal names the field and a leftover field is one too.

use serde_json::{Map, Value};

use crate::failure::Failure;

/// The fields of one object that have not been read yet.
pub(super) struct JobFields<'a> {
    path: String,
    object: &'a Map<String, Value>,
    read: Vec<String>,
}

impl<'a> JobFields<'a> {
    /// `path` is empty for the job itself.
    pub(super) fn new(path: &str, value: &'a Value) -> Result<Self, Failure> {
        let Some(object) = value.as_object() else {
            let what = if path.is_empty() { "the job" } else { path };
            return Err(Failure::bad_job(format!("{what} is {}; expected an object", kind_of(value))));
        };
        Ok(Self { path: path.to_owned(), object, read: Vec::new() })
    }

    /// A field's full name.
    pub(super) fn path(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// The field, unless it is absent or null.
    pub(super) fn take(&mut self, name: &str) -> Option<&'a Value> {
        self.read.push(name.to_owned());
        self.object.get(name).filter(|value| !value.is_null())
    }

    /// The same without reading it, so that it is left over.
    pub(super) fn peek(&self, name: &str) -> Option<&'a Value> {
        self.object.get(name).filter(|value| !value.is_null())
    }

    /// Refuses all fields but some, with the reason.
    pub(super) fn only(&self, names: &[&str], reason: &str) -> Result<(), Failure> {
        match self.object.keys().find(|name| !names.contains(&name.as_str())) {
            None => Ok(()),
            Some(other) => {
                let other: String = other.chars().take(40).collect();
                Err(Failure::bad_job(format!("{} {reason}; expected {}", self.path(&other), names.join(", "))))
            }
        }
    }

    pub(super) fn required(&mut self, name: &str) -> Result<&'a Value, Failure> {
        self.take(name).ok_or_else(|| self.missing(name))
    }

    pub(super) fn missing(&self, name: &str) -> Failure {
        Failure::bad_job(format!("{} is missing", self.path(name)))
    }

    pub(super) fn unaccepted(&self, name: &str, found: &str, accepted: &str) -> Failure {
        let found: String = found.chars().take(40).collect();
        Failure::bad_job(format!("{} is {found:?}; expected {accepted}", self.path(name)))
    }

    pub(super) fn string(&mut self, name: &str, accepted: &str) -> Result<Option<&'a str>, Failure> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => {
                Err(Failure::bad_job(format!("{} is {}; expected {accepted}", self.path(name), kind_of(other))))
            }
        }
    }

    pub(super) fn word<T>(
        &mut self,
        name: &str,
        accepted: &str,
        from: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, Failure> {
        let Some(text) = self.string(name, accepted)? else {
            return Ok(None);
        };
        from(text).map(Some).ok_or_else(|| self.unaccepted(name, text, accepted))
    }

    pub(super) fn boolean(&mut self, name: &str) -> Result<Option<bool>, Failure> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Bool(value)) => Ok(Some(*value)),
            Some(other) => {
                Err(Failure::bad_job(format!("{} is {}; expected true or false", self.path(name), kind_of(other))))
            }
        }
    }

    /// A whole number within bounds; `accepted` is the clause that says them.
    pub(super) fn integer(&mut self, name: &str, min: u32, max: u32, accepted: &str) -> Result<Option<u32>, Failure> {
        let Some(value) = self.take(name) else {
            return Ok(None);
        };
        let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
        match number.filter(|number| (min..=max).contains(number)) {
            Some(number) => Ok(Some(number)),
            None => Err(Failure::bad_job(format!("{} is {}; {accepted}", self.path(name), shown(value)))),
        }
    }

    /// A required number from 0 to 1.
    pub(super) fn fraction(&mut self, name: &str) -> Result<f64, Failure> {
        let value = self.required(name)?;
        match value.as_f64().filter(|number| (0.0..=1.0).contains(number)) {
            Some(number) => Ok(number),
            None => {
                Err(Failure::bad_job(format!("{} is {}; expected a number from 0 to 1", self.path(name), shown(value))))
            }
        }
    }

    /// Refuses what was not read.
    pub(super) fn finish(self) -> Result<(), Failure> {
        match self.object.keys().find(|key| !self.read.contains(key)) {
            None => Ok(()),
            Some(unknown) => {
                let unknown: String = unknown.chars().take(40).collect();
                let accepted = self.read.join(", ");
                Err(Failure::bad_job(format!("{} is not a known field; expected {accepted}", self.path(&unknown))))
            }
        }
    }
}

/// A number as it is, anything else by its kind.
fn shown(value: &Value) -> String {
    if value.is_number() { value.to_string() } else { kind_of(value).to_owned() }
}

/// What a value is, for people.
pub(crate) fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
