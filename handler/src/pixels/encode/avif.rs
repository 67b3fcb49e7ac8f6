//! AVIF by rav1e, in Rust alone and on one thread.

use ravif::{Encoder, Img, RGB8, RGBA8};

use crate::pixels::error::PixelError;
use crate::pixels::geometry::Size;
use crate::pixels::options::Effort;
use crate::pixels::raster::{Layout, Raster};

/// The least speed of the encoder, by the pixels of the image: what keeps a large one from taking minutes.
const SPEEDS_MIN: [(u64, u8); 3] = [(1_000_000, 1), (4_000_000, 6), (u64::MAX, 8)];

/// Encodes an image.
pub(super) fn encode(image: Raster, quality: u8, effort: Effort) -> Result<Vec<u8>, PixelError> {
    let layout = if image.layout.has_alpha() { Layout::Rgba } else { Layout::Rgb };
    let image = image.converted(layout)?;
    let Size { width, height } = image.size;
    let (width, height) = (width as usize, height as usize);
    let encoder = Encoder::new()
        .with_quality(f32::from(quality))
        .with_alpha_quality(f32::from(quality))
        .with_speed(speed(image.size, effort))
        .with_num_threads(Some(1));
    let encoded = if layout == Layout::Rgba {
        let pixels: Vec<RGBA8> =
            image.data.as_chunks::<4>().0.iter().map(|[r, g, b, a]| RGBA8::new(*r, *g, *b, *a)).collect();
        encoder.encode_rgba(Img::new(pixels.as_slice(), width, height))
    } else {
        let pixels: Vec<RGB8> = image.data.as_chunks::<3>().0.iter().map(|[r, g, b]| RGB8::new(*r, *g, *b)).collect();
        encoder.encode_rgb(Img::new(pixels.as_slice(), width, height))
    };
    encoded
        .map(|image| image.avif_file)
        .map_err(|error| PixelError::Internal { stage: "encoding AVIF", reason: error.to_string() })
}

/// The encoder's own scale, on which 10 is the fastest and 1 the slowest.
fn speed(size: Size, effort: Effort) -> u8 {
    let least = SPEEDS_MIN.iter().find(|(pixels, _)| size.pixels() <= *pixels).map_or(8, |(_, speed)| *speed);
    (10 - effort.get()).max(least)
}
