//! What an image looks like in short: pure functions of a small picture of it.
//!
//! Every machine gives the same answer: whole numbers, and where there are fractions, arithmetic that is the same everywhere.

mod thumbhash;

use super::color::ProfileUse;
use super::error::PixelError;
use super::options::{Fit, OutputFormat, Rendition};
use super::raster::{Layout, Raster};

/// Pixels along a side of the picture that is looked at; what a thumbhash is made from has no more.
const SIDE_PIXELS_MAX: u32 = 100;
/// Levels of a channel that count as one colour, as a power of two: 16 are told apart, as by sharp's `dominant`.
const LEVELS_SHIFT: u32 = 4;

/// What an image looks like in short, in sRGB.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The colour that most of it has: the mean of the fullest of 16x16x16 parts of the colours, by alpha. None where nothing
    /// can be seen.
    pub dominant_color: Option<[u8; 3]>,
    /// A `ThumbHash`: some 25 bytes of which a blurred picture can be made.
    pub thumbhash: Vec<u8>,
    /// What became of the source's colour profile.
    pub profile: ProfileUse,
}

impl Summary {
    /// What it is made of, for whoever asks what that costs.
    #[must_use]
    pub fn rendition() -> Rendition {
        Rendition {
            width: Some(SIDE_PIXELS_MAX),
            height: Some(SIDE_PIXELS_MAX),
            fit: Fit::Inside,
            format: OutputFormat::Png,
            ..Rendition::default()
        }
    }

    /// Of a picture that is small, upright and in sRGB.
    pub(super) fn new(picture: Raster, profile: ProfileUse) -> Result<Self, PixelError> {
        let picture = picture.converted(Layout::Rgba)?;
        let pixels = picture.data.as_chunks().0;
        let thumbhash = thumbhash::thumbhash(picture.size, pixels);
        Ok(Self { dominant_color: dominant_color(pixels), thumbhash, profile })
    }
}

/// The mean of the colours of the fullest part; of several, of the darkest. What is transparent does not count.
fn dominant_color(pixels: &[[u8; 4]]) -> Option<[u8; 3]> {
    // For each part the sum of alphas, and of colours times alpha.
    let mut parts = vec![[0_u64; 4]; 1 << (3 * (8 - LEVELS_SHIFT))];
    for [red, green, blue, alpha] in pixels {
        let level = |value: u8| usize::from(value >> LEVELS_SHIFT);
        let part = (level(*red) << (2 * (8 - LEVELS_SHIFT))) | (level(*green) << (8 - LEVELS_SHIFT)) | level(*blue);
        let [count, reds, greens, blues] = &mut parts[part];
        let alpha = u64::from(*alpha);
        *count += alpha;
        for (sum, value) in [(reds, red), (greens, green), (blues, blue)] {
            *sum += alpha * u64::from(*value);
        }
    }
    let fullest = parts.iter().rev().max_by_key(|[count, ..]| *count)?;
    let [count, sums @ ..] = *fullest;
    (count > 0).then(|| sums.map(|sum| u8::try_from((sum + count / 2) / count).unwrap_or(u8::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dominant_color_is_that_of_most_of_what_can_be_seen() {
        let many = |count: usize, pixel: [u8; 4]| vec![pixel; count];
        for (pixels, expected) in [
            (many(9, [200, 30, 31, 255]), Some([200, 30, 31])),
            ([many(5, [10, 20, 30, 255]), many(4, [240, 240, 240, 255])].concat(), Some([10, 20, 30])),
            // Near colours are one, and their mean is shown.
            (
                [many(2, [240, 0, 0, 255]), many(2, [250, 4, 2, 255]), many(3, [0, 0, 255, 255])].concat(),
                Some([245, 2, 1]),
            ),
            // Half transparent counts half, and transparent nothing.
            ([many(5, [0, 255, 0, 127]), many(3, [0, 0, 255, 255])].concat(), Some([0, 0, 255])),
            ([many(9, [255, 255, 255, 0]), many(1, [16, 16, 16, 1])].concat(), Some([16, 16, 16])),
            (many(9, [1, 2, 3, 0]), None),
            (vec![], None),
            // As many of each: the darkest.
            ([many(2, [255, 0, 0, 255]), many(2, [0, 0, 0, 255])].concat(), Some([0, 0, 0])),
        ] {
            assert_eq!(dominant_color(&pixels), expected, "{pixels:?}");
        }
    }
}
