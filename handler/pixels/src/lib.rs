//! Bytes in, bytes out: probe, decode, scale, convert colours, orient, encode. No async, no input or output, no clock.
//!
//! ```text
//! bytes - probe -> Probe - decode -> Picture -+ scale - upright - colours - embed - edit - encode -> Encoded
//!                                             `- ... once for each Rendition
//! ```
//!
//! | module | knows |
//! | --- | --- |
//! | `dispatch` | hot loops by the best instructions of the machine |
//! | [`area`] | sizes and parts of images |
//! | [`options`] | what is asked for, in sharp's words |
//! | [`format`](mod@format) | the formats, and `recognise` one by its first bytes |
//! | [`error`] | what can be wrong, and whose fault it is |
//! | [`limits`] | what is refused, as one table |
//! | [`orientation`] | the eight ways a photo can lie |
//! | `geometry` | sizes and crops, as pure arithmetic |
//! | `raster` | pixels in memory, and what is done one by one |
//! | [`planes`] | pixels as JPEG holds them |
//! | `scale` | the resampler |
//! | `cie` | light and lightness of colours |
//! | `edit` | gray, blur and sharpening |
//! | `interest` | which part of a picture is worth keeping |
//! | `encode` | pixels to files |
//! | [`jpeg`] | JPEG straight to a reduced scale |
//! | `tiff` | TIFF, row by row |
//! | `heif` | HEIC, with the feature `heic` |
//! | [`probe`](mod@probe) | what a header claims |
//! | `color` | the source's colours to those of sRGB |
//! | `resampling` | what of the stored image each rendition is resampled from |
//! | `kept` | what the source says of itself, and an output may say too |
//! | `price` | what they cost in memory |
//! | [`Summary`] | what an image looks like in short |
//! | `picture` | pixels or planes, and which part of the stored image they show |
//! | `decode` | files to pictures |
//!
//! Each knows those above it, and none below.
//!
//! - Nothing is decoded that was not probed under the limits: [`render`] takes the [`Probe`] as the proof.
//! - Sizes, crops and positions are those of the upright image; pixels are turned after scaling, when there are few.
//! - The same bytes and renditions give the same output bytes.
//! - No metadata of the source reaches an output, but its colour profile, and more, where that is asked for.

#![warn(clippy::print_stdout, clippy::print_stderr)] // a library is silent

pub mod area;
pub mod error;
pub mod format;
pub mod jpeg;
pub mod limits;
pub mod options;
pub mod orientation;
pub mod planes;
pub mod probe;

mod cie;
mod color;
mod decode;
mod dispatch;
mod edit;
mod encode;
mod fields;
mod geometry;
#[cfg(feature = "heic")]
mod heif;
mod interest;
mod kept;
mod lzw;
mod picture;
mod price;
mod raster;
mod recognise;
mod resampling;
mod scale;
mod summary;
mod tiff;
mod zigzag;

pub use area::Size;
pub use color::ProfileUse;
pub use error::{Fault, PixelError};
pub use format::{EncodedFormat, InputFormat};
pub use limits::Limits;
pub use orientation::Orientation;
pub use probe::{Probe, probe};
pub use summary::Summary;

use geometry::Plan;
use options::{Metadata, Rendition};
use picture::Picture;
use resampling::Resampling;

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
    /// As it was encoded, which [`Rendition::max_bytes`] may have lowered; none for PNG and lossless WebP.
    pub quality: Option<u8>,
    /// What became of the source's colour profile.
    pub profile: ProfileUse,
}

/// Makes every rendition of a probed file from one decode, in the order asked.
///
/// Requests that cannot be met are refused before anything is decoded. `probe` must be that of `bytes`. The arena is a
/// worker's own; it changes nothing but the time.
///
/// A JPEG is decoded to planes, no larger than what is made of them needs; they are scaled each on their own, and become
/// pixels only where the output takes pixels. A rendition of which a larger one has at least twice the pixels, along each
/// side and of the same part of the image, is made from that one before it is encoded. What a rendition looks like may
/// therefore differ, by less than the eye sees, from what it is alone; which are made from which hangs on what is asked
/// for, and on nothing else.
pub fn render(
    bytes: &[u8],
    probe: &Probe,
    renditions: &[Rendition],
    limits: &Limits,
    arena: &mut jpeg::Arena,
) -> Result<Vec<Encoded>, PixelError> {
    Ok(rendered(bytes, probe, renditions, None, limits, arena)?.0)
}

/// As [`render`], from the same decode, and what the image looks like in short. It costs what [`Summary::rendition`] does,
/// as one more of the renditions.
pub fn render_with_summary(
    bytes: &[u8],
    probe: &Probe,
    renditions: &[Rendition],
    limits: &Limits,
    arena: &mut jpeg::Arena,
) -> Result<(Vec<Encoded>, Summary), PixelError> {
    let all: Vec<Rendition> = renditions.iter().cloned().chain([Summary::rendition()]).collect();
    let (images, summary) = rendered(bytes, probe, &all, Some(renditions.len()), limits, arena)?;
    let missing = || PixelError::Internal { stage: "summing up", reason: "there is no picture of it".to_owned() };
    Ok((images, summary.ok_or_else(missing)?))
}

/// Makes all renditions, of which one may be what a summary is made of and is not encoded.
fn rendered(
    bytes: &[u8],
    probe: &Probe,
    renditions: &[Rendition],
    summed_up: Option<usize>,
    limits: &Limits,
    arena: &mut jpeg::Arena,
) -> Result<(Vec<Encoded>, Option<Summary>), PixelError> {
    let plans: Vec<Plan> = renditions.iter().map(|rendition| resampling::plan(probe, rendition)).collect();
    for (plan, rendition) in plans.iter().zip(renditions) {
        limits.check_output(plan.canvas)?;
        if let Some(format) = encode::resolve(rendition.format, probe.format, None) {
            encode::check(format, plan.canvas)?;
        }
    }
    limits.check_memory(probe.memory_bytes_max(renditions))?;

    let colors = color::Colors::open(bytes, probe, renditions, limits)?;
    let wanted = |(plan, rendition): (&Plan, &Rendition)| {
        Resampling::new(plan, rendition, probe, colors.converts(rendition.profile()))
    };
    let resamplings: Vec<Resampling> = plans.iter().zip(renditions).map(wanted).collect();
    let sources = resampling::sources(&resamplings);
    let roots = resampling::roots(&resamplings, &sources);
    let mut decoded = decode::decode(bytes, probe, &roots, &colors.inks, limits, arena)?;
    let outputs = renditions.iter().map(|_| None).collect();
    let is_kept = renditions.iter().any(|rendition| rendition.metadata == Metadata::Keep);
    let kept = if is_kept { kept::Kept::open(bytes, probe) } else { kept::Kept::default() };
    let mut rendering = Rendering {
        probe,
        renditions,
        kept,
        colors,
        plans,
        resamplings,
        sources,
        scaler: scale::Scaler::default(),
        outputs,
        summed_up,
        summary: None,
    };
    let result = rendering.find(&mut decoded).and_then(|()| rendering.made_from(None, &mut decoded));
    for layer in decoded.layers {
        arena.recycle(layer.raster.data);
    }
    result?;
    Ok((rendering.outputs.into_iter().flatten().collect(), rendering.summary))
}

/// Renditions in the making.
struct Rendering<'r> {
    probe: &'r Probe,
    renditions: &'r [Rendition],
    /// What those carry along that keep it.
    kept: kept::Kept<'r>,
    colors: color::Colors<'r>,
    plans: Vec<Plan>,
    resamplings: Vec<Resampling>,
    /// What each is made from; see [`resampling::sources`].
    sources: Vec<Option<usize>>,
    scaler: scale::Scaler,
    outputs: Vec<Option<Encoded>>,
    /// The rendition that a summary is made of.
    summed_up: Option<usize>,
    summary: Option<Summary>,
}

impl Rendering<'_> {
    /// Finds the parts that are still to be found, in what was decoded.
    fn find(&mut self, decoded: &mut Picture) -> Result<(), PixelError> {
        for (index, rendition) in self.renditions.iter().enumerate() {
            let plan = self.plans[index];
            let Some(strategy) = plan.strategy else { continue };
            let orientation = resampling::orientation(self.probe, rendition);
            let seen = orientation.apply(interest::looked_at(plan.scaled, strategy));
            let looking = self.resamplings[index].looking(seen);
            let mut image = decoded.scaled(&looking, &mut self.scaler)?.into_raster(orientation)?;
            self.colors.apply(&mut image, rendition.profile(), encode::keeps_gray(rendition, self.probe.format))?;
            if rendition.grayscale {
                image = edit::grayed(image);
            }
            let (left, top) = interest::place(&mut image, plan.scaled, plan.canvas, strategy, &mut self.scaler)?;
            self.plans[index] = plan.found(left, top);
            let converted = self.colors.converts(rendition.profile());
            self.resamplings[index] = Resampling::new(&self.plans[index], rendition, self.probe, converted);
        }
        // What was to be made of a whole of which a part is left is made of what was decoded.
        self.sources = resampling::sources(&self.resamplings);
        Ok(())
    }

    /// Makes all that are made from a picture, each after those that are made from it, so that few pictures are held at
    /// once.
    fn made_from(&mut self, source: Option<usize>, picture: &mut Picture) -> Result<(), PixelError> {
        for index in 0..self.renditions.len() {
            if self.sources[index] == source {
                let mut scaled = picture.scaled(&self.resamplings[index], &mut self.scaler)?;
                self.made_from(Some(index), &mut scaled)?;
                if self.summed_up == Some(index) {
                    self.summary = Some(self.summary(scaled)?);
                } else {
                    self.outputs[index] = Some(self.finished(index, scaled)?);
                }
            }
        }
        Ok(())
    }

    /// Turns, converts and sums up.
    fn summary(&self, scaled: Picture) -> Result<Summary, PixelError> {
        let mut picture = scaled.into_raster(self.probe.orientation)?;
        let (_, profile) = self.colors.apply(&mut picture, Metadata::Strip, false)?;
        Summary::new(picture, profile)
    }

    /// Turns, converts, embeds, edits and encodes.
    fn finished(&self, index: usize, scaled: Picture) -> Result<Encoded, PixelError> {
        let (plan, rendition) = (&self.plans[index], &self.renditions[index]);
        let orientation = resampling::orientation(self.probe, rendition);
        let Size { width, height } = plan.canvas;
        let keeps = rendition.metadata == Metadata::Keep;
        let exif = if keeps { self.kept.exif(plan.canvas) } else { None };
        let carried = encode::Carried { icc: None, exif: exif.as_deref(), xmp: self.kept.xmp().filter(|_| keeps) };
        let gray_fits = encode::keeps_gray(rendition, self.probe.format);
        let format = encode::resolve(rendition.format, self.probe.format, Some(scaled.has_alpha()));
        let bordered = plan.canvas != plan.scaled;
        let converted = self.colors.converts(rendition.profile());
        if format == Some(EncodedFormat::Jpeg) && scaled.is_planes() && !bordered && !converted && !rendition.edits() {
            let (icc, profile) = self.colors.unconverted(rendition.profile(), gray_fits);
            let encode::File { bytes, quality } = encode::encode_planes(
                &scaled.into_planes(orientation)?,
                rendition,
                &encode::Carried { icc, ..carried },
            )?;
            return Ok(Encoded { bytes, format: EncodedFormat::Jpeg, width, height, quality, profile });
        }
        let mut image = scaled.into_raster(orientation)?;
        let (icc, profile) = self.colors.apply(&mut image, rendition.profile(), gray_fits)?;
        let mut background = rendition.background;
        if rendition.grayscale {
            (image, background) = (edit::grayed(image), edit::gray_color(background));
        }
        let mut image = image.embedded(plan.canvas, plan.left, plan.top, background)?;
        if rendition.flatten {
            image = image.flattened(background)?;
        }
        let format = encode::resolve(rendition.format, self.probe.format, Some(image.layout.has_alpha()))
            .expect("the format is known once alpha is");
        if format == EncodedFormat::Jpeg {
            image = image.flattened(background)?;
        }
        let image = edit::refined(image, rendition)?;
        let carried = encode::Carried { icc, ..carried };
        let encode::File { bytes, quality } = encode::encode(image, format, rendition, &carried, self.probe.palette)?;
        Ok(Encoded { bytes, format, width, height, quality, profile })
    }
}

#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
