//! The JSON document about a source and the images made of it.
//!
//! The same job gives the same bytes: fields stand in one order, and nothing in them is about the run.

use aws_smithy_types::base64;
use bytes::Bytes;
use serde::Serialize;

use crate::failure::{Blame, Failure};
use crate::pixels::{Encoded, InputFormat, Size, Summary};
use crate::storage::Location;

/// The media type.
pub(super) const CONTENT_TYPE: &str = "application/json";

/// What is known of a source once it was decoded.
pub(super) struct Described {
    /// As it is displayed.
    pub(super) size: Size,
    pub(super) format: InputFormat,
    pub(super) has_alpha: bool,
    pub(super) summary: Summary,
}

/// The document. Its fields are documented in the README of the package.
#[derive(Serialize)]
struct Document {
    width: u32,
    height: u32,
    format: &'static str,
    bytes: u64,
    alpha: bool,
    dominant_color: Option<String>,
    thumbhash: String,
    renditions: Vec<Rendition>,
}

#[derive(Serialize)]
struct Rendition {
    target: String,
    width: u32,
    height: u32,
    format: &'static str,
    bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    quality: Option<u8>,
}

/// Writes the document about a source of so many bytes and these images.
pub(super) fn write<'i>(
    source: &Described,
    bytes: u64,
    images: impl Iterator<Item = (&'i Location, &'i Encoded)>,
) -> Result<Bytes, Failure> {
    let renditions = images.map(|(target, image)| Rendition {
        target: target.to_string(),
        width: image.width,
        height: image.height,
        format: image.format.word(),
        bytes: image.bytes.len() as u64,
        quality: image.quality,
    });
    let hexadecimal = |[red, green, blue]: [u8; 3]| format!("#{red:02x}{green:02x}{blue:02x}");
    let document = Document {
        width: source.size.width,
        height: source.size.height,
        format: source.format.word(),
        bytes,
        alpha: source.has_alpha,
        dominant_color: source.summary.dominant_color.map(hexadecimal),
        thumbhash: base64::encode(&source.summary.thumbhash),
        renditions: renditions.collect(),
    };
    let written = serde_json::to_vec(&document);
    written.map(Bytes::from).map_err(|error| Failure::permanent(Blame::Ours, "internal", error.to_string()))
}
