//! WebP by libwebp, and the container around it where something goes along.

use webp::{Encoder, WebPConfig, WebPEncodingError};

use super::carried::{Carried, into_webp};
use crate::area::Size;
use crate::error::PixelError;
use crate::options::Effort;
use crate::raster::{Layout, Raster};

/// Method and quality of lossless coding for each effort: the presets of libwebp.
const LOSSLESS: [(i32, f32); 10] =
    [(0, 0.0), (1, 20.0), (2, 25.0), (3, 30.0), (3, 50.0), (4, 50.0), (4, 75.0), (4, 90.0), (5, 90.0), (6, 100.0)];

/// The image with the channels that the encoder takes.
pub(super) fn prepared(image: Raster) -> Result<Raster, PixelError> {
    let layout = if image.layout.has_alpha() { Layout::Rgba } else { Layout::Rgb };
    image.converted(layout)
}

/// Encodes what was prepared: lossily with a quality, and losslessly without.
pub(super) fn encode(
    image: &Raster,
    quality: Option<u8>,
    effort: Effort,
    carried: &Carried<'_>,
) -> Result<Vec<u8>, PixelError> {
    let layout = image.layout;
    let Size { width, height } = image.size;
    let encoder = match layout {
        Layout::Rgba => Encoder::from_rgba(&image.data, width, height),
        _ => Encoder::from_rgb(&image.data, width, height),
    };
    let failed = |reason: String| PixelError::Internal { stage: "encoding WebP", reason };
    let mut config = WebPConfig::new().map_err(|()| failed("no configuration".to_owned()))?;
    config.lossless = i32::from(quality.is_none());
    (config.method, config.quality) = match quality {
        Some(quality) => (i32::from(effort.get().min(6)), f32::from(quality)),
        None => LOSSLESS[usize::from(effort.get())],
    };
    let file = encoder.encode_advanced(&config).map_err(|error: WebPEncodingError| failed(format!("{error:?}")))?;
    into_webp(&file, image.size, layout == Layout::Rgba, carried)
        .ok_or_else(|| failed("its container is not the one that was expected".to_owned()))
}
