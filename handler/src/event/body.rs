//! What a message's body means: one resize job, or what S3, SNS and `EventBridge` say about an object.
//!
//! A job brings its own outputs. A notification brings only a source; its outputs come from templates
//! ([`Renditions`], the setting `RENDITIONS`).

use percent_encoding::percent_decode_str;
use serde_json::Value;

use crate::failure::{Blame, Failure};
use crate::job::{Output, OutputTemplate, Product, ResizeJob, templates};
use crate::storage::{Location, Role, Scheme, file_encoded};

/// Reads bodies into jobs.
#[derive(Clone, Debug, Default)]
pub struct BodyReader {
    renditions: Option<Renditions>,
}

/// What to make of an object that a notification names: renditions and where they go.
///
/// A target template is a location with `{bucket}`, `{key}`, `{dir}`, `{stem}`, `{ext}` of the source and `{width}`,
/// `{height}`, `{format}` of the rendition. A slash after an empty `{dir}` is left out.
#[derive(Clone, Debug, PartialEq)]
pub struct Renditions(Vec<(Template, OutputTemplate)>);

#[derive(Clone, Debug, PartialEq)]
struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq)]
enum Part {
    Text(String),
    Bucket,
    Key,
    Dir,
    Stem,
    Extension,
}

impl Renditions {
    /// Reads the JSON list of the setting; the error says which entry is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let value: Value = serde_json::from_str(text).map_err(|error| format!("is not JSON: {error}"))?;
        let read = templates(&value).map_err(|failure| failure.message)?;
        let mut renditions = Vec::new();
        for (index, output) in read.into_iter().enumerate() {
            let template = Template::parse(&output.target, &output.product)
                .map_err(|reason| format!("[{index}].target {:?} {reason}", output.target))?;
            renditions.push((template, output));
        }
        // Two templates that meet for one source meet for every source that looks alike: find it out before any message.
        let renditions = Self(renditions);
        let example = Location::s3("source-bucket", "folder/name.jpg").map_err(|error| error.to_string())?;
        renditions.job(&example, false).map_err(|failure| failure.message)?;
        Ok(renditions)
    }

    /// The outputs of one source: every template filled.
    pub fn outputs(&self, source: &Location) -> Result<Vec<Output>, Failure> {
        self.job(source, false).map(ResizeJob::into_outputs)
    }

    fn job(&self, source: &Location, notified: bool) -> Result<ResizeJob, Failure> {
        let mut outputs = Vec::new();
        for (index, (template, output)) in self.0.iter().enumerate() {
            let target = template.fill(source);
            let target = Location::parse(&target)
                .map_err(|error| error.failure(Role::Target, &format!("RENDITIONS[{index}].target for {source}")))?;
            let comes_back =
                would_be_notified(source, &target) || would_be_notified(&source.canonical(), &target.canonical());
            if notified && comes_back {
                let text = format!(
                    "RENDITIONS[{index}].target {target} would be notified like its source {source}; \
                                    expected another bucket, folder or extension"
                );
                return Err(Failure::permanent(Blame::Job, "loop", text));
            }
            let OutputTemplate { product, headers, if_exists, .. } = output.clone();
            outputs.push(Output { target, product, headers, if_exists });
        }
        ResizeJob::new(source.clone(), outputs)
    }
}

/// Whether every S3 filter by folder and extension that let the source through lets the target through too: the same
/// bucket, at or below the same folder, with the same extension. Such an output would be announced as a source again, in an endless loop.
fn would_be_notified(source: &Location, target: &Location) -> bool {
    let below = target.dir() == source.dir()
        || source.dir().is_empty()
        || target.dir().strip_prefix(source.dir()).is_some_and(|rest| rest.starts_with('/'));
    source.scheme() == target.scheme()
        && source.bucket() == target.bucket()
        && below
        && source.extension().eq_ignore_ascii_case(target.extension())
}

impl Template {
    fn parse(text: &str, product: &Product) -> Result<Self, String> {
        let rendition = product.rendition();
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').ok_or("has a '{' without '}'")?;
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            let side = |side: Option<u32>| match side {
                Some(side) => Ok(Part::Text(side.to_string())),
                None => Err(format!("uses {{{name}}} but the output has no {name}")),
            };
            parts.push(match name {
                "bucket" => Part::Bucket,
                "key" => Part::Key,
                "dir" => Part::Dir,
                "stem" => Part::Stem,
                "ext" => Part::Extension,
                "width" => side(rendition.and_then(|rendition| rendition.width))?,
                "height" => side(rendition.and_then(|rendition| rendition.height))?,
                "format" => {
                    let word = product.format_word();
                    Part::Text(word.ok_or("uses {format} but the output has none; name one or use {ext}")?.to_owned())
                }
                other => {
                    return Err(format!(
                        "uses {{{other}}}; expected {{bucket}}, {{key}}, {{dir}}, {{stem}}, {{ext}}, \
                                        {{width}}, {{height}} or {{format}}"
                    ));
                }
            });
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Self(parts))
    }

    fn fill(&self, source: &Location) -> String {
        let mut filled = String::new();
        let mut skip_slash = false;
        // Only file:// locations are encoded, so that only there a percent sign of the source has to be.
        let is_file = matches!(self.0.first(), Some(Part::Text(text)) if text.starts_with("file://"));
        for part in &self.0 {
            let value = match part {
                Part::Text(text) => {
                    filled.push_str(if skip_slash { text.strip_prefix('/').unwrap_or(text) } else { text });
                    ""
                }
                Part::Bucket => source.bucket(),
                Part::Key => source.key(),
                Part::Dir => source.dir(),
                Part::Stem => source.stem(),
                Part::Extension => source.extension(),
            };
            if is_file {
                filled.extend(file_encoded(value));
            } else {
                filled.push_str(value);
            }
            skip_slash = matches!(part, Part::Dir) && source.dir().is_empty();
        }
        filled
    }
}

impl BodyReader {
    /// Without renditions, only jobs are understood.
    #[must_use]
    pub fn new(renditions: Option<Renditions>) -> Self {
        Self { renditions }
    }

    /// The jobs of a body; none when it asks for nothing, as `s3:TestEvent` does.
    pub fn read(&self, body: &str) -> Result<Vec<ResizeJob>, Failure> {
        let value: Value = serde_json::from_str(body).map_err(|error| {
            Failure::bad_job(format!("the body is not JSON: {error}; expected a job or an S3 notification"))
        })?;
        match Shape::of(&value) {
            Shape::Sns(message) => {
                let inner: Value = serde_json::from_str(message).map_err(|error| {
                    Failure::bad_job(format!("Message of the SNS notification is not JSON: {error}"))
                })?;
                match Shape::of(&inner) {
                    Shape::Sns(_) => Err(Failure::bad_job("an SNS notification within an SNS notification")),
                    shape => self.read_shape(shape, &inner),
                }
            }
            shape => self.read_shape(shape, &value),
        }
    }

    fn read_shape(&self, shape: Shape<'_>, value: &Value) -> Result<Vec<ResizeJob>, Failure> {
        match shape {
            // AWS: S3 sends s3:TestEvent when a notification is configured (documentation: "Event message structure").
            Shape::S3Test => Ok(Vec::new()),
            Shape::S3(records) => {
                let jobs = records.iter().enumerate().map(|(index, record)| self.s3_job(index, record));
                Ok(jobs.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
            }
            Shape::EventBridge(detail) => Ok(self.event_bridge_job(value, detail)?.into_iter().collect()),
            Shape::Job | Shape::Sns(_) => Ok(vec![ResizeJob::from_value(value)?]),
        }
    }

    fn s3_job(&self, index: usize, record: &Value) -> Result<Option<ResizeJob>, Failure> {
        let field = |path: &str| {
            record.pointer(path).and_then(Value::as_str).ok_or_else(|| {
                let path = path.replace('/', ".");
                Failure::bad_job(format!("Records[{index}]{path} is missing; expected an S3 notification"))
            })
        };
        let name = field("/eventName")?;
        // AWS: the event name of a message is without the "s3:" of the configuration (documentation: "Event message
        // structure"); emulators send it either way.
        if !name.trim_start_matches("s3:").starts_with("ObjectCreated") {
            return Ok(None);
        }
        let bucket = field("/s3/bucket/name")?;
        let key = form_decoded(field("/s3/object/key")?)
            .ok_or_else(|| Failure::bad_job(format!("Records[{index}].s3.object.key is not UTF-8 once decoded")))?;
        self.object_job(bucket, &key, record.pointer("/s3/object/size"))
    }

    fn event_bridge_job(&self, value: &Value, detail: &Value) -> Result<Option<ResizeJob>, Failure> {
        if value.get("detail-type").and_then(Value::as_str) != Some("Object Created") {
            return Ok(None);
        }
        let field = |path: &str| {
            detail.pointer(path).and_then(Value::as_str).ok_or_else(|| {
                Failure::bad_job(format!("detail{} is missing; expected an S3 event", path.replace('/', ".")))
            })
        };
        // AWS: in an EventBridge event the key is not encoded (documentation: "EventBridge event message structure").
        self.object_job(field("/bucket/name")?, field("/object/key")?, detail.pointer("/object/size"))
    }

    fn object_job(&self, bucket: &str, key: &str, size: Option<&Value>) -> Result<Option<ResizeJob>, Failure> {
        // The console makes a folder by storing an empty object whose key ends with a slash.
        if key.ends_with('/') && size.and_then(Value::as_u64).is_none_or(|bytes| bytes == 0) {
            return Ok(None);
        }
        let source = Location::s3(bucket, key).map_err(|error| error.failure(Role::Source, "the object"))?;
        debug_assert_eq!(source.scheme(), Scheme::S3);
        let Some(renditions) = &self.renditions else {
            let text = format!("{source} was announced, but RENDITIONS is not set; no output is defined");
            return Err(Failure::permanent(Blame::Environment, "no-renditions", text));
        };
        renditions.job(&source, true).map(Some)
    }
}

/// The kinds of body, told apart by the fields that only they have.
#[derive(Clone, Copy)]
enum Shape<'a> {
    Job,
    S3(&'a [Value]),
    S3Test,
    Sns(&'a str),
    EventBridge(&'a Value),
}

impl<'a> Shape<'a> {
    fn of(value: &'a Value) -> Self {
        let text = |name: &str| value.get(name).and_then(Value::as_str);
        if let Some(Value::Array(records)) = value.get("Records") {
            Self::S3(records)
        } else if text("Event") == Some("s3:TestEvent") {
            Self::S3Test
        } else if let (Some("Notification"), Some(message)) = (text("Type"), text("Message")) {
            Self::Sns(message)
        } else if let (Some("aws.s3"), Some(detail)) = (text("source"), value.get("detail")) {
            Self::EventBridge(detail)
        } else {
            Self::Job
        }
    }
}

/// AWS: the key of an S3 notification is form-encoded (documentation: "Event message structure"), so a plus is a space and
/// has to be replaced before the percent signs are decoded.
fn form_decoded(key: &str) -> Option<String> {
    let spaced = key.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

#[cfg(test)]
mod tests;
