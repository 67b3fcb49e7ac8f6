//! What is made of an image: one output by flags, or several by a file of renditions.

use std::path::Path;

use anyhow::{Context as _, bail};
use handler::event::body::Renditions;
use handler::job::{IfExists, Output, Product, position_from_word};
use handler::pixels::options::{OutputFormat, Rendition};
use handler::storage::Location;
use serde_json::Value;

use super::arguments::Run;
use super::find::Image;

/// Stands for the folder of the outputs while templates are filled: locations are checked, paths are not.
const OUT: &str = "memory://out/";
/// The folder of the inputs, another one, because a target equal to its source is refused.
const IN: &str = "in";

/// What is made of every image.
#[derive(Debug)]
pub(crate) enum RenditionChoice {
    /// One output, which has the image's own name.
    One(Rendition, IfExists),
    /// Renditions by what `auto` means: for JPEG, PNG and WebP.
    Several(Box<[(OutputFormat, Renditions); 3]>),
}

/// One output of an image.
#[derive(Debug)]
pub(crate) struct Requested {
    /// Its path below the folder of the outputs.
    pub(crate) name: String,
    pub(crate) product: Product,
    pub(crate) if_exists: IfExists,
}

impl RenditionChoice {
    /// As the arguments say.
    pub(crate) fn new(arguments: &Run) -> anyhow::Result<Self> {
        if let Some(path) = &arguments.renditions {
            let name = path.display();
            let text = std::fs::read_to_string(path).with_context(|| format!("cannot read --renditions {name}"))?;
            let read = Self::read(&text, arguments.if_exists.map(Into::into));
            return read.with_context(|| format!("cannot use --renditions {name}"));
        }
        let word = arguments.output.position.as_deref();
        let (position, strategy) = word.and_then(position_from_word).unwrap_or_default();
        let rendition = Rendition {
            width: arguments.output.width,
            height: arguments.output.height,
            rotate: arguments.output.rotate,
            position,
            strategy,
            metadata: arguments.output.metadata.into(),
            grayscale: arguments.output.grayscale,
            fit: arguments.output.fit.into(),
            enlarge: arguments.output.enlarge,
            format: arguments.output.format.into(),
            quality: arguments.output.quality,
            progressive: arguments.output.progressive.then_some(true),
            max_bytes: arguments.output.max_bytes.map(u64::from),
            ..Rendition::default()
        };
        Ok(Self::One(rendition, arguments.if_exists.map(Into::into).unwrap_or_default()))
    }

    fn read(text: &str, if_exists: Option<IfExists>) -> anyhow::Result<Self> {
        let mut value: Value = serde_json::from_str(text).context("it is not JSON")?;
        set_if_exists(&mut value, if_exists);
        let of = |format, word| anyhow::Ok((format, renditions(&value, word)?));
        let several = [of(OutputFormat::Jpeg, "jpeg")?, of(OutputFormat::Png, "png")?, of(OutputFormat::Webp, "webp")?];
        Ok(Self::Several(Box::new(several)))
    }

    /// The outputs of an image.
    pub(crate) fn outputs(&self, image: &Image) -> Result<Vec<Requested>, String> {
        let Some(relative) = image.relative.to_str() else {
            return Err("its name is not UTF-8".to_owned());
        };
        match self {
            Self::One(rendition, if_exists) => {
                let mut rendition = rendition.clone();
                if rendition.format == OutputFormat::Auto {
                    rendition.format = image.auto;
                }
                let name = named_for(relative, rendition.format);
                Ok(vec![Requested { name, product: Product::Image(rendition), if_exists: *if_exists }])
            }
            Self::Several(several) => {
                let (_, renditions) = several.iter().find(|(auto, _)| *auto == image.auto).unwrap_or(&several[0]);
                let source = Location::memory(IN, relative).map_err(|error| error.to_string())?;
                let outputs = renditions.outputs(&source).map_err(|failure| failure.message.replace(OUT, ""))?;
                let requested = |Output { target, product, if_exists, .. }: Output| Requested {
                    name: target.key().to_owned(),
                    product,
                    if_exists,
                };
                Ok(outputs.into_iter().map(requested).collect())
            }
        }
    }
}

/// Sets the field `if_exists` of every output that does not have it.
pub(crate) fn set_if_exists(value: &mut Value, if_exists: Option<IfExists>) {
    let Some(if_exists) = if_exists else { return };
    for output in value.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
        let field = output.entry("if_exists").or_insert(Value::Null);
        if field.is_null() {
            *field = if_exists.word().into();
        }
    }
}

/// Reads the list with targets below a folder instead of locations, and `auto` decided.
fn renditions(value: &Value, auto: &str) -> anyhow::Result<Renditions> {
    let mut value = value.clone();
    for (index, output) in value.as_array_mut().into_iter().flatten().enumerate() {
        let Some(output) = output.as_object_mut() else { continue };
        if matches!(output.get("format"), None | Some(Value::Null)) || output.get("format") == Some(&"auto".into()) {
            output.insert("format".to_owned(), auto.into());
        }
        if output.get("headers").is_some_and(|headers| !headers.is_null()) {
            bail!("[{index}].headers apply to s3:// targets only");
        }
        if let Some(Value::String(target)) = output.get_mut("target") {
            if target.contains("://") || target.starts_with('/') || target.contains("{bucket}") {
                bail!(
                    "[{index}].target is {target:?}; expected a path below --out, such as {{dir}}/{{stem}}-{{width}}.{{format}}"
                );
            }
            target.insert_str(0, OUT);
        }
    }
    Renditions::parse(&value.to_string()).map_err(|reason| anyhow::anyhow!("{}", reason.replace(OUT, "")))
}

/// The image's own name, with an extension that its format has: its own if it fits.
fn named_for(relative: &str, format: OutputFormat) -> String {
    let accepted: &[&str] = match format {
        OutputFormat::Jpeg | OutputFormat::Auto => &["jpg", "jpeg", "jpe", "jfif"],
        OutputFormat::Png => &["png"],
        OutputFormat::Webp => &["webp"],
        OutputFormat::Avif => &["avif"],
    };
    let path = Path::new(relative);
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    if accepted.iter().any(|accepted| extension.eq_ignore_ascii_case(accepted)) {
        return relative.to_owned();
    }
    // A short ending after the last dot is taken for an extension; what is longer belongs to the name.
    let stem = match relative.len().checked_sub(extension.len() + 1) {
        Some(end) if !extension.is_empty() && extension.len() <= 5 => &relative[..end],
        _ => relative,
    };
    format!("{stem}.{}", accepted[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_keeps_the_name_and_has_an_extension_of_its_format() {
        for (relative, format, expected) in [
            ("a/cat.jpg", OutputFormat::Jpeg, "a/cat.jpg"),
            ("a/CAT.JPEG", OutputFormat::Jpeg, "a/CAT.JPEG"),
            ("a-jpeg-called.png", OutputFormat::Jpeg, "a-jpeg-called.jpg"),
            ("cat.jpg", OutputFormat::Webp, "cat.webp"),
            ("a.b/cat", OutputFormat::Png, "a.b/cat.png"),
            (".cat", OutputFormat::Png, ".cat.png"),
            ("cat.2026-05-04", OutputFormat::Png, "cat.2026-05-04.png"),
        ] {
            assert_eq!(named_for(relative, format), expected);
        }
    }

    #[test]
    fn renditions_have_targets_below_the_folder_and_know_their_format() {
        let choice = RenditionChoice::read(
            r#"[{"target":"{dir}/{stem}-{width}.{format}","width":9},{"target":"x/{key}","height":9,"if_exists":"replace"}]"#,
            Some(IfExists::Skip),
        );
        let image = |relative: &str, auto| Image { path: "/p".into(), relative: relative.into(), auto };
        let names = |image| -> Vec<_> {
            choice.as_ref().unwrap().outputs(&image).unwrap().into_iter().map(|output| output.name).collect()
        };
        assert_eq!(names(image("a/cat.gif", OutputFormat::Png)), ["a/cat-9.png", "x/a/cat.gif"]);
        assert_eq!(names(image("cat.jpg", OutputFormat::Jpeg)), ["cat-9.jpeg", "x/cat.jpg"]);
        let outputs = choice.as_ref().unwrap().outputs(&image("cat.jpg", OutputFormat::Jpeg)).unwrap();
        let if_exists: Vec<_> = outputs.iter().map(|output| output.if_exists).collect();
        assert_eq!(
            if_exists,
            [IfExists::Skip, IfExists::Replace],
            "the flag is for those that do not say it themselves"
        );
    }

    #[test]
    fn a_wrong_list_of_renditions_is_refused_by_its_field() {
        for (text, expected) in [
            ("no", "it is not JSON"),
            ("{}", "expected a list"),
            (r#"[{"target":"{stem}","width":0}]"#, "[0].width is 0"),
            (r#"[{"target":"{stem}","widht":1}]"#, "[0].widht is not a known field"),
            (r#"[{"target":"{nope}","width":1}]"#, "[0].target \"{nope}\" uses {nope}"),
            (
                r#"[{"target":"s3://bucket/{stem}","width":1}]"#,
                "[0].target is \"s3://bucket/{stem}\"; expected a path below --out",
            ),
            (r#"[{"target":"../{stem}","width":1}]"#, "has a '.' or '..' segment"),
            (r#"[{"target":"a","width":1},{"target":"a","width":2}]"#, "target of an earlier output"),
        ] {
            let error = format!("{:#}", RenditionChoice::read(text, None).unwrap_err());
            assert!(error.contains(expected), "{error:?} lacks {expected:?}");
        }
    }
}
