//! Where a file keeps its colour profile, found without copying it.
//!
//! | format | place | |
//! | --- | --- | --- |
//! | JPEG | segments APP2 | up to 255 parts, in any order |
//! | PNG | chunk `iCCP` | deflated |
//! | WebP | chunk `ICCP` | |
//! | TIFF | tag 34675 | |
//! | HEIC | property `colr` | or the numbers of H.273 |
//!
//! Not looked at are the profiles of GIF (an application block) and BMP (behind a header of version 5), which are hardly
//! ever written, and the `gAMA`, `cHRM` and `cICP` chunks of PNG, as in sharp.

use std::borrow::Cow;
use std::io::Read as _;
use std::ops::Range;

use flate2::read::ZlibDecoder;
#[cfg(feature = "heic")]
use moxcms::{CicpProfile, ColorProfile, MatrixCoefficients};

use crate::error::PixelError;
use crate::limits::Limits;

/// What starts a part of a profile in a JPEG; its number, from one, and how many there are follow.
const JPEG_SIGNATURE: &[u8] = b"ICC_PROFILE\0";

/// The longest name of a profile in a PNG.
const PNG_NAME_BYTES_MAX: usize = 79;

/// The longest profile that is made here.
#[cfg(feature = "heic")]
const MADE_BYTES_MAX: u64 = 64 * 1024;

/// A profile's place in its file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Icc {
    /// There is none.
    #[default]
    Absent,
    /// There is one in pieces that do not fit together.
    Broken(&'static str),
    /// These bytes, one range after the other.
    Plain(Vec<Range<usize>>),
    /// These bytes, in the format of zlib.
    Deflated(Range<usize>),
    /// None, but the numbers that H.273 has for primaries and a curve.
    #[cfg(feature = "heic")]
    Numbers {
        /// Where red, green, blue and white are.
        primaries: u16,
        /// How light is written as a number.
        transfer: u16,
    },
}

/// The profile of a file, if it has one; or why it cannot be had.
pub(crate) type Reading<'a> = Result<Option<Cow<'a, [u8]>>, &'static str>;

impl Icc {
    /// A profile in one piece, unless it is too long.
    pub(super) fn plain(place: Range<usize>, limits: &Limits) -> Result<Self, PixelError> {
        limits.check_profile(place.len() as u64)?;
        Ok(Self::Plain(vec![place]))
    }

    /// The profile of a PNG, from the body of its chunk at `at`.
    pub(super) fn png(body: &[u8], at: usize) -> Self {
        let head = &body[..body.len().min(PNG_NAME_BYTES_MAX + 1)];
        match head.iter().position(|byte| *byte == 0) {
            // A name, a zero, and the only method there is.
            Some(name) if name > 0 && body.get(name + 1) == Some(&0) => Self::Deflated(at + name + 2..at + body.len()),
            _ => Self::Broken("its chunk has no name or an unknown method"),
        }
    }

    /// The most bytes that the profile has, unpacked.
    pub(super) fn bytes_max(&self, limits: &Limits) -> u64 {
        match self {
            Self::Absent | Self::Broken(_) => 0,
            Self::Plain(places) => places.iter().map(|place| place.len() as u64).sum(),
            Self::Deflated(place) => (place.len() as u64).saturating_mul(1032).min(limits.metadata_bytes_max),
            #[cfg(feature = "heic")]
            Self::Numbers { .. } => MADE_BYTES_MAX,
        }
    }

    /// The profile, or why it cannot be had. A profile that is too long is an error: to pass over it would change colours.
    pub(crate) fn read<'a>(&self, bytes: &'a [u8], limits: &Limits) -> Result<Reading<'a>, PixelError> {
        let cut = "its place lies beyond the end of the file";
        Ok(match self {
            Self::Absent => Ok(None),
            Self::Broken(reason) => Err(*reason),
            Self::Plain(places) => match places.as_slice() {
                [place] => bytes.get(place.clone()).map(|icc| Some(Cow::Borrowed(icc))).ok_or(cut),
                places => {
                    let parts: Option<Vec<&[u8]>> = places.iter().map(|place| bytes.get(place.clone())).collect();
                    parts.map(|parts| Some(Cow::Owned(parts.concat()))).ok_or(cut)
                }
            },
            Self::Deflated(place) => match bytes.get(place.clone()) {
                Some(deflated) => inflate(deflated, limits)?.map(|icc| Some(Cow::Owned(icc))),
                None => Err(cut),
            },
            #[cfg(feature = "heic")]
            Self::Numbers { primaries, transfer } => made(*primaries, *transfer).map(|icc| Some(Cow::Owned(icc))),
        })
    }
}

/// A profile that says what the numbers of H.273 say, so that an output can have it where the colours are to be kept.
#[cfg(feature = "heic")]
fn made(primaries: u16, transfer: u16) -> Result<Vec<u8>, &'static str> {
    let unknown = "its primaries or its curve are not known";
    let number = |number: u16| u8::try_from(number).map_err(|_| unknown);
    let mut profile = ColorProfile::new_srgb();
    let cicp = CicpProfile {
        color_primaries: number(primaries)?.try_into().map_err(|_| unknown)?,
        transfer_characteristics: number(transfer)?.try_into().map_err(|_| unknown)?,
        matrix_coefficients: MatrixCoefficients::Identity,
        full_range: true,
    };
    // What is not understood is left as it was.
    profile.red_trc = None;
    profile.update_rgb_colorimetry_from_cicp(cicp);
    if profile.red_trc.is_none() {
        return Err(unknown);
    }
    profile.description = None;
    profile.encode().map_err(|_| unknown)
}

fn inflate(deflated: &[u8], limits: &Limits) -> Result<Result<Vec<u8>, &'static str>, PixelError> {
    let mut icc = Vec::new();
    let read = ZlibDecoder::new(deflated).take(limits.metadata_bytes_max + 1).read_to_end(&mut icc);
    limits.check_profile(icc.len() as u64)?;
    Ok(read.map(|_| icc).map_err(|_| "it cannot be unpacked"))
}

/// Collects the parts of a profile from the segments of a JPEG.
#[derive(Default)]
pub(super) struct JpegParts {
    /// Number, count and place of each.
    parts: Vec<(u8, u8, Range<usize>)>,
}

impl JpegParts {
    /// Looks at an APP2 segment whose body is at `at`.
    pub(super) fn note(&mut self, body: &[u8], at: usize) {
        let Some([number, count, rest @ ..]) = body.strip_prefix(JPEG_SIGNATURE) else { return };
        // More parts than there are numbers contradict each other anyway.
        if u8::try_from(self.parts.len()).is_ok() {
            self.parts.push((*number, *count, at + body.len() - rest.len()..at + body.len()));
        }
    }

    /// The profile, if all of its parts are there. Of a part that is given again, as editors do that add a profile to one,
    /// the first is taken.
    pub(super) fn finish(mut self, limits: &Limits) -> Result<Icc, PixelError> {
        if self.parts.is_empty() {
            return Ok(Icc::Absent);
        }
        self.parts.sort_by_key(|(number, ..)| *number);
        self.parts.dedup_by_key(|(number, of, _)| (*number, *of));
        let bytes = self.parts.iter().map(|(_, _, place)| place.len() as u64).sum();
        limits.check_profile(bytes)?;
        let count = self.parts.len();
        let whole = (1..)
            .zip(&self.parts)
            .all(|(expected, (number, of, _))| usize::from(*number) == expected && usize::from(*of) == count);
        if !whole {
            return Ok(Icc::Broken("it is incomplete"));
        }
        Ok(Icc::Plain(self.parts.into_iter().map(|(_, _, place)| place).collect()))
    }
}
