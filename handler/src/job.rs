//! One resize job: its schema, read strictly and written back.
//!
//! Whoever holds a [`ResizeJob`] knows that it makes sense: sizes within bounds, every target distinct and none equal to
//! the source. Everything else is refused with the name of the field and what it accepts, because the text goes to a
//! dead-letter queue where somebody has to understand it.

mod edits;
pub(crate) mod fields;
mod headers;
mod if_exists;

use std::collections::BTreeSet;

use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};

use crate::failure::{Blame, Failure};
use crate::pixels::limits::Truncated;
use crate::pixels::options::{
    Chroma, Color, Effort, Fit, Kernel, Metadata, OutputFormat, Position, Rendition, Strategy,
};
use crate::storage::{Location, Role, Scheme, Storage};

use fields::{JobFields, kind_of};

pub use headers::OutputHeaders;
pub use if_exists::IfExists;

/// Pixels a side may have: what WebP, the smallest of the output formats, can hold.
pub const SIDE_PIXELS_MAX: u32 = 16_383;
/// Outputs of one job: each costs memory, time and a request.
pub const OUTPUTS_MAX: usize = 64;

/// What one message asks for: one source, decoded once, and the outputs made from it.
#[derive(Clone, Debug, PartialEq)]
pub struct ResizeJob {
    source: Location,
    outputs: Vec<Output>,
    truncated: Truncated,
}

/// One thing to make and where it goes.
#[derive(Clone, Debug, PartialEq)]
pub struct Output {
    /// Where it goes.
    pub target: Location,
    /// What is made.
    pub product: Product,
    /// What the object says of itself.
    pub headers: OutputHeaders,
    /// What is done about an object that is there.
    pub if_exists: IfExists,
}

/// What an output is.
#[derive(Clone, Debug, PartialEq)]
pub enum Product {
    /// An image.
    Image(Rendition),
    /// A JSON document about the source and the images of the same job.
    Document,
}

impl Output {
    /// One that says nothing of itself and replaces what is there.
    #[must_use]
    pub fn new(target: Location, product: Product) -> Self {
        Self { target, product, headers: OutputHeaders::default(), if_exists: IfExists::default() }
    }

    /// The image; none of a document.
    #[must_use]
    pub fn rendition(&self) -> Option<&Rendition> {
        self.product.rendition()
    }
}

impl Product {
    /// The image; none of a document.
    #[must_use]
    pub fn rendition(&self) -> Option<&Rendition> {
        match self {
            Self::Image(rendition) => Some(rendition),
            Self::Document => None,
        }
    }

    /// The word of its format; none where it is only known once the source is.
    pub(crate) fn format_word(&self) -> Option<&'static str> {
        match self {
            Self::Image(rendition) => format_word(rendition.format),
            Self::Document => Some(DOCUMENT_FORMAT),
        }
    }

    fn check(&self) -> Result<(), String> {
        self.rendition().map_or(Ok(()), check_rendition)
    }
}

/// The word of the format of documents.
const DOCUMENT_FORMAT: &str = "json";
/// All fields of an output that is a document.
const DOCUMENT_FIELDS: [&str; 4] = ["target", "format", "headers", "if_exists"];

/// An output whose place is still to be found: the template of its target, and the rest.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct OutputTemplate {
    pub(crate) target: String,
    pub(crate) product: Product,
    pub(crate) headers: OutputHeaders,
    pub(crate) if_exists: IfExists,
}

impl ResizeJob {
    /// A job from its parts, under the same rules as one that is read.
    pub fn new(source: Location, outputs: Vec<Output>) -> Result<Self, Failure> {
        if outputs.is_empty() {
            return Err(Failure::bad_job("outputs is empty; expected at least one output"));
        }
        if outputs.len() > OUTPUTS_MAX {
            let text = format!("outputs has {} entries; at most {OUTPUTS_MAX} are accepted", outputs.len());
            return Err(Failure::bad_job(text));
        }
        check_distinct(&source, &outputs, Location::canonical)?;
        for (index, output) in outputs.iter().enumerate() {
            output.product.check().map_err(|what| Failure::bad_job(format!("outputs[{index}].{what}")))?;
            if output.target.scheme() == Scheme::File && !output.headers.is_empty() {
                let text = "headers apply to s3:// targets only";
                return Err(Failure::bad_job(format!("outputs[{index}].{text}")));
            }
        }
        Ok(Self { source, outputs, truncated: Truncated::Refuse })
    }

    /// The same job with another answer to a source that ends before its image does.
    #[must_use]
    pub fn with_truncated(self, truncated: Truncated) -> Self {
        Self { truncated, ..self }
    }

    /// Reads a message body.
    pub fn parse(body: &str) -> Result<Self, Failure> {
        let value: Value = serde_json::from_str(body)
            .map_err(|error| Failure::bad_job(format!("the body is not JSON: {error}; expected a job object")))?;
        Self::from_value(&value)
    }

    /// Reads a job that is JSON already.
    pub fn from_value(value: &Value) -> Result<Self, Failure> {
        let mut fields = JobFields::new("", value)?;
        let source = location(&mut fields, "source")?;
        let outputs = fields.required("outputs")?;
        let Some(outputs) = outputs.as_array() else {
            return Err(Failure::bad_job(format!("outputs is {}; expected a list of outputs", kind_of(outputs))));
        };
        let truncated = fields.word("truncated", TRUNCATED_WORDS, truncated_from)?.unwrap_or_default();
        fields.finish()?;
        let outputs = outputs.iter().enumerate().map(|(index, output)| {
            let mut fields = JobFields::new(&format!("outputs[{index}]"), output)?;
            let target = location(&mut fields, "target")?;
            let product = product(&mut fields)?;
            let headers = OutputHeaders::read(&mut fields)?;
            let if_exists = IfExists::read(&mut fields)?;
            fields.finish()?;
            Ok(Output { target, product, headers, if_exists })
        });
        // Bounded before it is read: the body's size bounds the list only loosely.
        let outputs: Vec<Output> = outputs.take(OUTPUTS_MAX + 1).collect::<Result<_, Failure>>()?;
        Ok(Self::new(source, outputs)?.with_truncated(truncated))
    }

    /// Refuses a job whose places this storage does not have or does not allow, naming the field, and one whose places
    /// turn out to be the same here.
    pub fn check(&self, storage: &Storage) -> Result<(), Failure> {
        let targets = self.outputs.iter().enumerate().map(|(index, output)| (Some(index), &output.target));
        for (output, location) in std::iter::once((None, &self.source)).chain(targets) {
            storage.check(location).map_err(|unusable| {
                let field = output.map_or_else(|| "source".to_owned(), |index| format!("outputs[{index}].target"));
                Failure::permanent(Blame::Job, unusable.kind(), format!("{field}: {unusable}"))
            })?;
        }
        check_distinct(&self.source, &self.outputs, |location| storage.canonical(location))
    }

    /// What is read.
    #[must_use]
    pub fn source(&self) -> &Location {
        &self.source
    }

    /// What is made; at least one.
    #[must_use]
    pub fn outputs(&self) -> &[Output] {
        &self.outputs
    }

    /// What is made of a source that ends before its image does.
    #[must_use]
    pub fn truncated(&self) -> Truncated {
        self.truncated
    }

    /// What is made, by value.
    #[must_use]
    pub fn into_outputs(self) -> Vec<Output> {
        self.outputs
    }
}

impl Serialize for ResizeJob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let outputs: Vec<Value> = self.outputs.iter().map(output_value).collect();
        let mut job = json!({ "source": self.source.to_string(), "outputs": outputs });
        if self.truncated == Truncated::Allow {
            job["truncated"] = "allow".into();
        }
        job.serialize(serializer)
    }
}

/// Reads a list of renditions with target templates, as the setting `RENDITIONS` holds them.
pub(crate) fn templates(value: &Value) -> Result<Vec<OutputTemplate>, Failure> {
    let Some(list) = value.as_array().filter(|list| !list.is_empty() && list.len() <= OUTPUTS_MAX) else {
        return Err(Failure::bad_job(format!("expected a list of 1 to {OUTPUTS_MAX} outputs")));
    };
    let read = |(index, output)| {
        let mut fields = JobFields::new(&format!("[{index}]"), output)?;
        let target = fields.string("target", "a target template")?;
        let target = target.ok_or_else(|| fields.missing("target"))?.to_owned();
        let product = product(&mut fields)?;
        let headers = OutputHeaders::read(&mut fields)?;
        let if_exists = IfExists::read(&mut fields)?;
        fields.finish()?;
        product.check().map_err(|what| Failure::bad_job(format!("[{index}].{what}")))?;
        Ok(OutputTemplate { target, product, headers, if_exists })
    };
    list.iter().enumerate().map(read).collect()
}

/// Refuses outputs that would replace the source or each other, whichever way they are spelled.
fn check_distinct(
    source: &Location,
    outputs: &[Output],
    canonical: impl Fn(&Location) -> Location,
) -> Result<(), Failure> {
    let source = canonical(source);
    let mut targets = BTreeSet::new();
    for (index, output) in outputs.iter().enumerate() {
        let target = canonical(&output.target);
        if target == source {
            let text = format!("outputs[{index}].target is the source itself; expected another location");
            return Err(Failure::permanent(Blame::Job, "loop", text));
        }
        if !targets.insert(target) {
            let text = format!("outputs[{index}].target is the target of an earlier output too; expected its own");
            return Err(Failure::bad_job(text));
        }
    }
    Ok(())
}

fn check_rendition(rendition: &Rendition) -> Result<(), String> {
    let sides = [("width", rendition.width), ("height", rendition.height)];
    if sides.iter().all(|(_, side)| side.is_none()) {
        return Err("width and height are both missing; expected at least one".to_owned());
    }
    for (name, side) in sides {
        if side.is_some_and(|side| side == 0 || side > SIDE_PIXELS_MAX) {
            return Err(format!("{name} is {}; {SIDE_ACCEPTED}", side.unwrap_or_default()));
        }
    }
    if let Some(quality) = rendition.quality.filter(|quality| *quality == 0 || *quality > 100) {
        return Err(format!("quality is {quality}; {QUALITY_ACCEPTED}"));
    }
    edits::check(rendition)?;
    if let Some(max_bytes) = rendition.max_bytes.filter(|bytes| *bytes == 0 || *bytes > u64::from(u32::MAX)) {
        return Err(format!("max_bytes is {max_bytes}; {BYTES_ACCEPTED}"));
    }
    let format = format_word(rendition.format).unwrap_or("auto");
    if rendition.lossless && !matches!(rendition.format, OutputFormat::Png | OutputFormat::Webp) {
        return Err(format!("lossless is true and format {format}; expected format webp or png with it"));
    }
    if !rendition.format.is_built() {
        return Err(format!(
            "format is {format}, which needs a build with the feature {format}; expected {FORMAT_WORDS}"
        ));
    }
    if rendition.format == OutputFormat::Avif && rendition.metadata != Metadata::Strip {
        let word = metadata_word(rendition.metadata);
        return Err(format!(
            "metadata is {word} and format avif, whose encoder takes no profile; expected strip with it"
        ));
    }
    Ok(())
}

const SIDE_ACCEPTED: &str = "expected a whole number of pixels from 1 to 16383";
const BYTES_ACCEPTED: &str = "expected a whole number of bytes from 1 to 4294967295";
const QUALITY_ACCEPTED: &str = "expected a whole number from 1 to 100";
const KERNEL_WORDS: &str = "nearest, linear, cubic, mitchell or lanczos3";
const FIT_WORDS: &str = "cover, contain, fill, inside or outside";
const EFFORT_ACCEPTED: &str = "expected a whole number from 0 (fast) to 9 (small)";
const FORMAT_WORDS: &str =
    if cfg!(feature = "avif") { "jpeg, png, webp, avif, auto or json" } else { "jpeg, png, webp, auto or json" };
const CHROMA_WORDS: &str = "4:2:0 or 4:4:4";
const METADATA_WORDS: &str = "strip, keep-icc or keep";
const TRUNCATED_WORDS: &str = "refuse or allow";
const POSITION_WORDS: &str = "one of center, north, northeast, east, southeast, south, southwest, west, northwest \
                              (or top, right top, right, ...), attention, entropy, or a focal point such as {\"x\":0.5,\"y\":0.3}";
const COLOR_WORDS: &str = "#rgb, #rrggbb or #rrggbbaa";

fn location(fields: &mut JobFields<'_>, name: &str) -> Result<Location, Failure> {
    let accepted = "a location such as s3://bucket/key or file:///path";
    let text = fields.string(name, accepted)?.ok_or_else(|| fields.missing(name))?;
    let role = if name == "source" { Role::Source } else { Role::Target };
    Location::parse(text).map_err(|error| error.failure(role, &fields.path(name)))
}

/// What an output is, which its format decides.
fn product(fields: &mut JobFields<'_>) -> Result<Product, Failure> {
    if fields.peek("format").and_then(Value::as_str) != Some(DOCUMENT_FORMAT) {
        return rendition(fields).map(Product::Image);
    }
    fields.take("format");
    fields.only(&DOCUMENT_FIELDS, "is not a field of an output with the format json")?;
    Ok(Product::Document)
}

fn rendition(fields: &mut JobFields<'_>) -> Result<Rendition, Failure> {
    let side = |fields: &mut JobFields<'_>, name| fields.integer(name, 1, SIDE_PIXELS_MAX, SIDE_ACCEPTED);
    let width = side(fields, "width")?;
    let height = side(fields, "height")?;
    let quality = fields.integer("quality", 1, 100, QUALITY_ACCEPTED)?;
    let max_bytes = fields.integer("max_bytes", 1, u32::MAX, BYTES_ACCEPTED)?;
    let effort = fields.integer("effort", 0, u32::from(Effort::MAX.get()), EFFORT_ACCEPTED)?;
    let (position, strategy) = position(fields)?;
    let mut rendition = Rendition {
        width,
        height,
        fit: fields.word("fit", FIT_WORDS, fit_from)?.unwrap_or_default(),
        position,
        strategy,
        enlarge: fields.boolean("enlarge")?.unwrap_or(false),
        background: fields.word("background", COLOR_WORDS, color_from)?.unwrap_or_default(),
        kernel: fields.word("kernel", KERNEL_WORDS, kernel_from)?.unwrap_or_default(),
        format: fields.word("format", FORMAT_WORDS, format_from)?.unwrap_or_default(),
        quality: quality.and_then(|quality| u8::try_from(quality).ok()),
        max_bytes: max_bytes.map(u64::from),
        effort: effort.and_then(|effort| Effort::new(u8::try_from(effort).ok()?)).unwrap_or_default(),
        progressive: fields.boolean("progressive")?,
        chroma: fields.word("chroma", CHROMA_WORDS, chroma_from)?,
        lossless: fields.boolean("lossless")?.unwrap_or(false),
        flatten: fields.boolean("flatten")?.unwrap_or(false),
        metadata: fields.word("metadata", METADATA_WORDS, metadata_from)?.unwrap_or_default(),
        ..Rendition::default()
    };
    edits::read(fields, &mut rendition)?;
    Ok(rendition)
}

fn fit_from(word: &str) -> Option<Fit> {
    Some(match word {
        "cover" => Fit::Cover,
        "contain" => Fit::Contain,
        "fill" => Fit::Fill,
        "inside" => Fit::Inside,
        "outside" => Fit::Outside,
        _ => return None,
    })
}

fn fit_word(fit: Fit) -> &'static str {
    match fit {
        Fit::Cover => "cover",
        Fit::Contain => "contain",
        Fit::Fill => "fill",
        Fit::Inside => "inside",
        Fit::Outside => "outside",
    }
}

fn kernel_from(word: &str) -> Option<Kernel> {
    Some(match word {
        "nearest" => Kernel::Nearest,
        "linear" => Kernel::Linear,
        "cubic" => Kernel::Cubic,
        "mitchell" => Kernel::Mitchell,
        "lanczos3" => Kernel::Lanczos3,
        _ => return None,
    })
}

fn kernel_word(kernel: Kernel) -> &'static str {
    match kernel {
        Kernel::Nearest => "nearest",
        Kernel::Linear => "linear",
        Kernel::Cubic => "cubic",
        Kernel::Mitchell => "mitchell",
        Kernel::Lanczos3 => "lanczos3",
    }
}

fn format_from(word: &str) -> Option<OutputFormat> {
    Some(match word {
        "auto" => OutputFormat::Auto,
        "jpeg" | "jpg" => OutputFormat::Jpeg,
        "png" => OutputFormat::Png,
        "webp" => OutputFormat::Webp,
        "avif" => OutputFormat::Avif,
        _ => return None,
    })
}

/// The word of a format; `None` where it is only known once the source is.
pub(crate) fn format_word(format: OutputFormat) -> Option<&'static str> {
    match format {
        OutputFormat::Auto => None,
        OutputFormat::Jpeg => Some("jpeg"),
        OutputFormat::Png => Some("png"),
        OutputFormat::Webp => Some("webp"),
        OutputFormat::Avif => Some("avif"),
    }
}

fn chroma_from(word: &str) -> Option<Chroma> {
    match word {
        "4:2:0" => Some(Chroma::Half),
        "4:4:4" => Some(Chroma::Full),
        _ => None,
    }
}

fn metadata_from(word: &str) -> Option<Metadata> {
    match word {
        "strip" => Some(Metadata::Strip),
        "keep-icc" => Some(Metadata::KeepIcc),
        "keep" => Some(Metadata::Keep),
        _ => None,
    }
}

fn metadata_word(metadata: Metadata) -> &'static str {
    match metadata {
        Metadata::Strip => "strip",
        Metadata::KeepIcc => "keep-icc",
        Metadata::Keep => "keep",
    }
}

fn truncated_from(word: &str) -> Option<Truncated> {
    match word {
        "refuse" => Some(Truncated::Refuse),
        "allow" => Some(Truncated::Allow),
        _ => None,
    }
}

/// The nine gravities by sharp's words, which are compass points and pairs of sides in either order.
fn gravity_from(word: &str) -> Option<Position> {
    let (x, y) = match word {
        "center" | "centre" => (0.5, 0.5),
        "north" | "top" => (0.5, 0.0),
        "northeast" | "right top" | "top right" => (1.0, 0.0),
        "east" | "right" => (1.0, 0.5),
        "southeast" | "right bottom" | "bottom right" => (1.0, 1.0),
        "south" | "bottom" => (0.5, 1.0),
        "southwest" | "left bottom" | "bottom left" => (0.0, 1.0),
        "west" | "left" => (0.0, 0.5),
        "northwest" | "left top" | "top left" => (0.0, 0.0),
        _ => return None,
    };
    Some(Position { x, y, focal: false })
}

/// What a word for `position` means: a gravity or a strategy.
#[must_use]
pub fn position_from_word(word: &str) -> Option<(Position, Option<Strategy>)> {
    let strategy = strategy_from(word);
    if strategy.is_some() { Some((Position::CENTER, strategy)) } else { Some((gravity_from(word)?, None)) }
}

fn strategy_from(word: &str) -> Option<Strategy> {
    match word {
        "attention" => Some(Strategy::Attention),
        "entropy" => Some(Strategy::Entropy),
        _ => None,
    }
}

fn position(fields: &mut JobFields<'_>) -> Result<(Position, Option<Strategy>), Failure> {
    let path = fields.path("position");
    match fields.take("position") {
        None => Ok((Position::CENTER, None)),
        Some(Value::String(word)) => {
            position_from_word(word).ok_or_else(|| fields.unaccepted("position", word, POSITION_WORDS))
        }
        Some(point @ Value::Object(_)) => {
            let mut point = JobFields::new(&path, point)?;
            let x = point.fraction("x")?;
            let y = point.fraction("y")?;
            point.finish()?;
            Ok((Position { x, y, focal: true }, None))
        }
        Some(other) => Err(Failure::bad_job(format!("{path} is {}; expected {POSITION_WORDS}", kind_of(other)))),
    }
}

fn position_value(position: Position, strategy: Option<Strategy>) -> Value {
    match strategy {
        Some(Strategy::Attention) => return "attention".into(),
        Some(Strategy::Entropy) => return "entropy".into(),
        None => {}
    }
    if position.focal {
        return json!({ "x": position.x, "y": position.y });
    }
    let words = ["center", "north", "northeast", "east", "southeast", "south", "southwest", "west", "northwest"];
    words.into_iter().find(|word| gravity_from(word) == Some(position)).unwrap_or("center").into()
}

fn color_from(text: &str) -> Option<Color> {
    let digits = text.strip_prefix('#')?;
    if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let value = u32::from_str_radix(digits, 16).ok()?;
    let rgba = match digits.len() {
        3 => {
            let nibble = |shift: u32| u8::try_from((value >> shift) & 0xf).unwrap_or(0) * 17;
            [nibble(8), nibble(4), nibble(0), 255]
        }
        6 => {
            let [_, r, g, b] = value.to_be_bytes();
            [r, g, b, 255]
        }
        8 => value.to_be_bytes(),
        _ => return None,
    };
    Some(Color { rgba })
}

fn output_value(output: &Output) -> Value {
    let mut value = match &output.product {
        Product::Image(rendition) => rendition_value(rendition),
        Product::Document => Map::from_iter([("format".to_owned(), DOCUMENT_FORMAT.into())]),
    };
    let mut put = |name: &str, field: Value| value.insert(name.to_owned(), field);
    put("target", output.target.to_string().into());
    if let Some(headers) = output.headers.value() {
        put("headers", headers);
    }
    if output.if_exists != IfExists::default() {
        put("if_exists", output.if_exists.word().into());
    }
    Value::Object(value)
}

fn rendition_value(rendition: &Rendition) -> Map<String, Value> {
    let [r, g, b, a] = rendition.background.rgba;
    let mut value = Map::new();
    let mut put = |name: &str, field: Value| value.insert(name.to_owned(), field);
    if let Some(width) = rendition.width {
        put("width", width.into());
    }
    if let Some(height) = rendition.height {
        put("height", height.into());
    }
    put("fit", fit_word(rendition.fit).into());
    put("position", position_value(rendition.position, rendition.strategy));
    put("enlarge", rendition.enlarge.into());
    put("background", format!("#{r:02x}{g:02x}{b:02x}{a:02x}").into());
    put("kernel", kernel_word(rendition.kernel).into());
    put("format", format_word(rendition.format).unwrap_or("auto").into());
    if let Some(quality) = rendition.quality {
        put("quality", quality.into());
    }
    if let Some(max_bytes) = rendition.max_bytes {
        put("max_bytes", max_bytes.into());
    }
    put("effort", rendition.effort.get().into());
    if let Some(progressive) = rendition.progressive {
        put("progressive", progressive.into());
    }
    if let Some(chroma) = rendition.chroma {
        put("chroma", if chroma == Chroma::Half { "4:2:0" } else { "4:4:4" }.into());
    }
    put("lossless", rendition.lossless.into());
    put("flatten", rendition.flatten.into());
    put("metadata", metadata_word(rendition.metadata).into());
    edits::write(rendition, &mut value);
    value
}

#[cfg(test)]
mod tests;
