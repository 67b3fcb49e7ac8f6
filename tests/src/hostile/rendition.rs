//! What the hostile files are asked for. Also compiled into the fuzz targets, so it needs `handler` and nothing else.

use handler::pixels::options::{Color, Fit, Kernel, OutputFormat, Position, Rendition};

/// An image in a square of so many pixels, never enlarged.
#[must_use]
pub fn rendition(side: u32, fit: Fit, format: OutputFormat) -> Rendition {
    Rendition {
        width: Some(side),
        height: Some(side),
        fit,
        position: Position::default(),
        enlarge: false,
        background: Color::default(),
        kernel: Kernel::default(),
        format,
        quality: None,
    }
}
