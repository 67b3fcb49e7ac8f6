//! What the hostile files are asked for. Also compiled into the fuzz targets, so it needs `handler` and nothing else.

use image_renditions::options::{Fit, OutputFormat, Rendition};

/// An image in a square of so many pixels, never enlarged.
#[must_use]
pub fn rendition(side: u32, fit: Fit, format: OutputFormat) -> Rendition {
    Rendition { width: Some(side), height: Some(side), fit, enlarge: false, format, ..Rendition::default() }
}
