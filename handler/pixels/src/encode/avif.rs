//! AVIF by rav1e, in Rust alone and on one thread.

use ravif::{Encoder, Img, RGB8, RGBA8};

use crate::area::Size;
use crate::error::PixelError;
use crate::options::Effort;
use crate::raster::{Layout, Raster};

/// The least speed of the encoder, by the pixels of the image: what keeps a large one from taking minutes.
const SPEEDS_MIN: [(u64, u8); 3] = [(1_000_000, 1), (4_000_000, 6), (u64::MAX, 8)];

/// The image with the channels that the encoder takes.
pub(super) fn prepared(image: Raster) -> Result<Raster, PixelError> {
    let layout = if image.layout.has_alpha() { Layout::Rgba } else { Layout::Rgb };
    image.converted(layout)
}

/// Encodes what was prepared.
pub(super) fn encode(image: &Raster, quality: u8, effort: Effort) -> Result<Vec<u8>, PixelError> {
    let layout = image.layout;
    let Size { width, height } = image.size;
    let (width, height) = (width as usize, height as usize);
    let encoder = Encoder::new()
        .with_quality(f32::from(quality))
        .with_alpha_quality(f32::from(quality))
        .with_speed(speed(image.size, effort))
        .with_num_threads(Some(1));
    let result = if layout == Layout::Rgba {
        let pixels: Vec<RGBA8> =
            image.data.as_chunks::<4>().0.iter().map(|[r, g, b, a]| RGBA8::new(*r, *g, *b, *a)).collect();
        encoder.encode_rgba(Img::new(pixels.as_slice(), width, height))
    } else {
        let pixels: Vec<RGB8> = image.data.as_chunks::<3>().0.iter().map(|[r, g, b]| RGB8::new(*r, *g, *b)).collect();
        encoder.encode_rgb(Img::new(pixels.as_slice(), width, height))
    };
    result
        .map(|image| image.avif_file)
        .map_err(|error| PixelError::Internal { stage: "encoding AVIF", reason: error.to_string() })
}

/// The encoder's own scale, on which 10 is the fastest and 1 the slowest.
fn speed(size: Size, effort: Effort) -> u8 {
    let least = SPEEDS_MIN.iter().find(|(pixels, _)| size.pixels() <= *pixels).map_or(8, |(_, speed)| *speed);
    (10 - effort.get()).max(least)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// No decoder is here to ask: the boxes of the container are looked at.
    #[test]
    fn a_file_of_its_size_with_or_without_alpha_and_smaller_with_less_quality() {
        let size = Size { width: 50, height: 31 };
        for layout in [Layout::Gray, Layout::Rgb, Layout::Rgba] {
            let mut image = Raster::zeroed(size, layout).unwrap();
            fastrand::Rng::with_seed(1).fill(&mut image.data);
            let [small, large] = [20, 90]
                .map(|quality| encode(&prepared(image.clone()).unwrap(), quality, Effort::new(0).unwrap()).unwrap());
            assert!(small.len() < large.len() / 2, "{layout:?}: {} and {}", small.len(), large.len());
            let text = crate::InputFormat::recognise(&large).unwrap_err().to_string();
            assert!(text.starts_with("file is AVIF"), "{text}");
            let sizes = [b"ispe\0\0\0\0".as_slice(), &50_u32.to_be_bytes(), &31_u32.to_be_bytes()].concat();
            assert!(large.windows(sizes.len()).any(|window| window == sizes), "{layout:?}");
            assert_eq!(encode(image, 90, Effort::new(0).unwrap()).unwrap(), large, "twice the same");
        }
    }

    #[test]
    fn a_large_image_is_never_encoded_slowly() {
        let of = |side: u32, effort| speed(Size { width: side, height: side }, Effort::new(effort).unwrap());
        assert_eq!([of(500, 0), of(500, 4), of(500, 9)], [10, 6, 1]);
        assert_eq!([of(2000, 0), of(2000, 4), of(2000, 9)], [10, 6, 6]);
        assert_eq!([of(7000, 0), of(7000, 4), of(7000, 9)], [10, 8, 8]);
    }
}
