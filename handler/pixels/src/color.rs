//! From the colours of a source's profile to those of sRGB, after scaling, when there are few pixels.
//!
//! - A profile that means sRGB is not applied: its primaries and curves are compared, not its name, because there are many.
//! - A profile with a table is applied by its perceptual table, else by its colorimetric one; one without is applied by its
//!   matrix and curves. There is no compensation of the black point but for inks, as in sharp.
//! - What cannot be used (broken, or for another kind of colours) is skipped and said so: the picture is there, and
//!   without its profile it looks as it does in software that knows no profiles.
//! - Alpha has no colour and is not touched.
//! - Four inks become RGB while they are decoded, because no format that is written here has them. Their profile is applied to
//!   each pixel as decoded, as sharp does; without one it is the simple formula, what each ink leaves of white times what
//!   black leaves of it. (libvips has a profile of a printing press for these, which is darker and duller.)

mod profile;
mod shaper;

use std::borrow::Cow;
use std::sync::Arc;

use moxcms::Transform8BitExecutor;

use super::error::PixelError;
use super::limits::Limits;
use super::options::{Metadata, Rendition};
use super::probe::Probe;
use super::raster::Raster;

use profile::{Conversion, Kind, Meaning};

/// Pixels that are converted at once.
const CHUNK_PIXELS: usize = 1024;

/// What became of the colour profile of a source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProfileUse {
    /// There was none: the colours are taken for those of sRGB.
    #[default]
    Absent,
    /// It means sRGB, or nearly so: the colours are as they were.
    Srgb,
    /// The colours were converted to sRGB.
    Converted,
    /// The output has it, and the colours as they were.
    Kept,
    /// It was skipped, for this reason. Worth counting.
    Ignored(&'static str),
}

/// How four inks become red, green and blue.
#[derive(Default)]
pub(super) struct Inks(Option<Arc<Transform8BitExecutor>>);

impl Inks {
    /// Makes pixels of inks, from none to all of each, as many as there are.
    pub(super) fn to_rgb(&self, inks: &[u8], rgb: &mut [u8]) -> Result<(), PixelError> {
        let length = inks.len() / 4 * 3;
        let rgb = rgb.get_mut(..length).ok_or_else(|| internal("the buffer is too small".to_owned()))?;
        let Some(transform) = &self.0 else {
            for ([cyan, magenta, yellow, black], pixel) in inks.as_chunks().0.iter().zip(rgb.as_chunks_mut::<3>().0) {
                *pixel = [cyan, magenta, yellow].map(|ink| part_of(!ink, !black));
            }
            return Ok(());
        };
        transform.transform(inks, rgb).map_err(|error| internal(error.to_string()))
    }

    pub(super) fn has_profile(&self) -> bool {
        self.0.is_some()
    }
}

/// One part of another, of 255 each, rounded to nearest.
#[expect(clippy::cast_possible_truncation, reason = "a part of a byte is a byte")]
fn part_of(value: u8, of: u8) -> u8 {
    let product = u32::from(value) * u32::from(of) + 128;
    ((product + (product >> 8)) >> 8) as u8
}

fn internal(reason: String) -> PixelError {
    PixelError::Internal { stage: "converting colours", reason }
}

/// The colours of one source, for all its renditions.
pub(super) struct Colors<'a> {
    icc: Option<Cow<'a, [u8]>>,
    gray: bool,
    found: ProfileUse,
    conversion: Option<Conversion>,
    /// For the decoder of what is stored as inks.
    pub(super) inks: Inks,
}

impl<'a> Colors<'a> {
    /// Reads the profile of a source and prepares what its renditions need of it.
    pub(super) fn open(
        bytes: &'a [u8],
        probe: &Probe,
        renditions: &[Rendition],
        limits: &Limits,
    ) -> Result<Self, PixelError> {
        let absent = Self {
            icc: None,
            gray: probe.is_gray(),
            found: ProfileUse::Absent,
            conversion: None,
            inks: Inks::default(),
        };
        let kind = match () {
            () if probe.is_inks => Kind::Inks,
            () if probe.is_gray() => Kind::Gray,
            () => Kind::Rgb,
        };
        let icc = match probe.icc.read(bytes, limits)? {
            Ok(None) => return Ok(absent),
            Ok(Some(icc)) => icc,
            Err(reason) => return Ok(Self { found: ProfileUse::Ignored(reason), ..absent }),
        };
        Ok(match profile::read(&icc, kind) {
            // It describes no output, which is why none keeps it.
            Ok(Meaning::Other(profile)) if kind == Kind::Inks => match profile.transform() {
                Ok(transform) => Self { found: ProfileUse::Converted, inks: Inks(Some(transform)), ..absent },
                Err(reason) => Self { found: ProfileUse::Ignored(reason), ..absent },
            },
            Ok(Meaning::Srgb) => Self { icc: Some(icc), found: ProfileUse::Srgb, ..absent },
            Ok(Meaning::Other(profile)) => {
                // A gray profile may have to be applied even to what is to keep it.
                let needed = probe.is_gray() || renditions.iter().any(|one| one.profile() == Metadata::Strip);
                match needed.then(|| profile.to_srgb()).transpose() {
                    Ok(conversion) => Self { icc: Some(icc), found: ProfileUse::Converted, conversion, ..absent },
                    Err(reason) => Self { found: ProfileUse::Ignored(reason), ..absent },
                }
            }
            Err(reason) => Self { found: ProfileUse::Ignored(reason), ..absent },
        })
    }

    /// Whether the pixels of a rendition may have to be converted, for which they have to be gray or RGB.
    pub(super) fn converts(&self, metadata: Metadata) -> bool {
        self.conversion.is_some() && (self.gray || metadata == Metadata::Strip)
    }

    /// Brings the colours of one rendition to what it asks for: the profile to embed, if any, and what became of it.
    ///
    /// `gray_fits` says whether a gray profile can describe the output. Where it cannot, because the output is coloured, it
    /// is applied even if it was to be kept.
    pub(super) fn apply(
        &self,
        raster: &mut Raster,
        metadata: Metadata,
        gray_fits: bool,
    ) -> Result<(Option<&[u8]>, ProfileUse), PixelError> {
        let (icc, found) = self.unconverted(metadata, gray_fits);
        if icc.is_none()
            && let Some(conversion) = self.conversion.as_ref().filter(|_| self.converts(metadata))
        {
            convert(conversion, raster)?;
        }
        Ok((icc, found))
    }

    /// The profile to embed, and what became of it, for a rendition whose colours stay as they are.
    pub(super) fn unconverted(&self, metadata: Metadata, gray_fits: bool) -> (Option<&[u8]>, ProfileUse) {
        if metadata == Metadata::KeepIcc && self.icc.is_some() && (gray_fits || !self.gray) {
            (self.icc.as_deref(), ProfileUse::Kept)
        } else {
            (None, self.found)
        }
    }
}

/// Converts the colours in place.
fn convert(conversion: &Conversion, raster: &mut Raster) -> Result<(), PixelError> {
    match conversion {
        Conversion::Shaper(shaper) => {
            shaper.apply(raster.layout.channels(), &mut raster.data);
            Ok(())
        }
        Conversion::Table(transform) => convert_by_table(transform, raster),
    }
}

/// The same by the library, a few pixels at a time.
fn convert_by_table(transform: &Arc<Transform8BitExecutor>, raster: &mut Raster) -> Result<(), PixelError> {
    let channels = raster.layout.channels();
    let colors = if raster.layout.has_alpha() { channels - 1 } else { channels };
    let (mut from, mut to) = (vec![0; CHUNK_PIXELS * colors], vec![0; CHUNK_PIXELS * colors]);
    for chunk in raster.data.chunks_mut(CHUNK_PIXELS * channels) {
        let length = chunk.len() / channels * colors;
        for (color, pixel) in from.chunks_exact_mut(colors).zip(chunk.chunks_exact(channels)) {
            color.copy_from_slice(&pixel[..colors]);
        }
        transform.transform(&from[..length], &mut to[..length]).map_err(|error| internal(error.to_string()))?;
        for (pixel, color) in chunk.chunks_exact_mut(channels).zip(to.chunks_exact(colors)) {
            pixel[..colors].copy_from_slice(color);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
