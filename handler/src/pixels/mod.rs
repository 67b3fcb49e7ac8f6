//! Bytes in, bytes out: probe, decode, scale, convert colours, orient, encode. No async, no input or output, no clock.
//!
//! ```text
//! bytes - probe -> Probe - decode -> Raster -+ scale - colours - upright - embed - encode -> Encoded
//!                                            `- ... once for each Rendition
//! ```
//!
//! | module | knows |
//! | --- | --- |
//! | [`options`] | what is asked for, in sharp's words |
//! | [`limits`] | what is refused, as one table |
//! | [`error`] | what can be wrong, and whose fault it is |
//! | [`format`](mod@format) | formats by their first bytes |
//! | [`probe`](mod@probe) | what a header claims, and its price in memory |
//! | [`orientation`] | the eight ways a photo can lie |
//! | [`geometry`] | sizes and crops, as pure arithmetic |
//! | [`jpeg`] | JPEG straight to a reduced scale |
//! | [`planes`] | pixels as JPEG holds them |
//! | `decode` | files to pixels |
//! | `raster` | pixels in memory, and what is done one by one |
//! | `scale` | the resampler |
//! | `color` | the source's colours to those of sRGB |
//! | `encode` | pixels to files |
//!
//! - Nothing is decoded that was not probed under the limits: [`render`] takes the [`Probe`] as the proof.
//! - Sizes, crops and positions are those of the upright image; pixels are turned after scaling, when there are few.
//! - The same bytes and renditions give the same output bytes.
//! - No metadata of the source reaches an output, but its colour profile where that is asked for.

pub mod error;
pub mod format;
pub mod geometry;
pub mod jpeg;
pub mod limits;
pub mod options;
pub mod orientation;
pub mod planes;
pub mod probe;

mod color;
mod decode;
mod encode;
mod fields;
mod raster;
mod scale;

pub use color::ProfileUse;
pub use error::{Fault, PixelError};
pub use format::{EncodedFormat, InputFormat};
pub use geometry::Size;
pub use limits::Limits;
pub use orientation::Orientation;
pub use probe::{Probe, probe};

use geometry::{Plan, ScaledBox};
use options::Rendition;

/// A finished output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// The file.
    pub bytes: Vec<u8>,
    /// Its format; for `auto` the one that was chosen.
    pub format: EncodedFormat,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// What became of the source's colour profile.
    pub profile: ProfileUse,
}

/// Makes every rendition of a probed file from one decode, in the order asked.
///
/// Requests that cannot be met are refused before anything is decoded. `probe` must be that of `bytes`. The arena is a
/// worker's own; it changes nothing but the time.
///
/// A JPEG is decoded no larger than the largest rendition needs. The pixels of the smaller ones may therefore differ, by
/// less than the eye sees, from what they are alone.
pub fn render(
    bytes: &[u8],
    probe: &Probe,
    renditions: &[Rendition],
    limits: &Limits,
    arena: &mut jpeg::Arena,
) -> Result<Vec<Encoded>, PixelError> {
    let plans: Vec<Plan> = renditions.iter().map(|rendition| Plan::new(probe.oriented_size(), rendition)).collect();
    for (plan, rendition) in plans.iter().zip(renditions) {
        limits.check_output(plan.canvas)?;
        if let Some(format) = encode::resolve(rendition.format, probe.format, None) {
            encode::check(format, plan.canvas)?;
        }
    }
    limits.check_memory(probe.memory_bytes_max(renditions))?;

    let boxes: Vec<ScaledBox> = plans
        .iter()
        .zip(renditions)
        .map(|(plan, rendition)| plan.stored_box(probe.orientation, probe.size(), rendition.kernel))
        .collect();
    let colors = color::Colors::open(bytes, probe, renditions, limits)?;
    let source = decode::decode(bytes, probe, &boxes, limits, arena)?;
    let mut scaler = scale::Scaler::default();
    let outputs = plans.iter().zip(&boxes).zip(renditions).map(|((plan, stored), rendition)| {
        let region = source.region(stored.region);
        let mut image = scaler.scale(&source.raster, region, stored.scaled, rendition.kernel)?;
        let gray_fits = encode::keeps_gray(rendition, probe.format);
        let (icc, profile) = colors.apply(&mut image, rendition.metadata, gray_fits)?;
        let image = image.upright(probe.orientation)?;
        let mut image = image.embedded(plan.canvas, plan.left, plan.top, rendition.background)?;
        if rendition.flatten {
            image = image.flattened(rendition.background)?;
        }
        let format = encode::resolve(rendition.format, probe.format, Some(image.layout.has_alpha()))
            .expect("the format is known once alpha is");
        let bytes = encode::encode(image, format, rendition, icc, probe.palette)?;
        Ok(Encoded { bytes, format, width: plan.canvas.width, height: plan.canvas.height, profile })
    });
    let outputs = outputs.collect();
    arena.recycle(source.raster.data);
    outputs
}

#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;
