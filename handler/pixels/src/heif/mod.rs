//! HEIC: the primary image of a HEIF file whose pictures are coded as HEVC, as phones write it.
//!
//! ```text
//! bytes - boxes -> meta -> image, turns - hevc -> planes - pixels -> Raster
//!                             `- price
//! ```
//!
//! - The boxes are read by code of our own, so that a file has its price before anything of it is decoded; the decoder of HEVC
//!   is that of `heifer`, which is safe Rust, and is told only what was checked against that price.
//! - Read are single pictures and grids, of 8 to 16 bits, gray or with chroma of any format, and alpha, multiplied or not.
//! - Turns, mirrors and crops are those of the boxes alone, in the order in which these name them. EXIF may repeat them, and
//!   is not asked, as in libheif.
//! - Colours are those of the profile (ICC), else of the numbers of H.273 (`nclx`). HDR (PQ, HLG) is refused by name.
//! - Samples are bytes over the full range before they are anything else. Chroma lies between the samples of luma, as in JPEG:
//!   a photo goes on as planes where what follows takes planes.
//! - What is not read is refused by its name: pictures of other codecs, above all AVIF, overlays, sequences.

mod boxes;
mod hevc;
mod image;
mod meta;
mod pixels;
mod planes;
mod turns;

pub(crate) use image::Image;

use crate::error::PixelError;
use crate::format::InputFormat;
use crate::limits::Limits;
use crate::planes::Planes;
use crate::raster::Raster;

const FORMAT: InputFormat = InputFormat::Heic;

/// What a file was decoded to: all that is shown of its image, as stored.
pub(crate) enum Decoded {
    /// Pixels, with straight alpha.
    Pixels(Raster),
    /// Planes by JFIF's equations, and the pixels for which a sample of chroma stands, across and down.
    Planes(Planes, (u32, u32)),
}

/// Decodes the primary image of a file, to planes where that is wanted and can be.
pub(crate) fn decode(bytes: &[u8], limits: &Limits, planes_wanted: bool) -> Result<Decoded, PixelError> {
    let image = Image::read(bytes, limits)?;
    let color = planes::samples(bytes, &image.color)?;
    let is_plain =
        image.alpha.is_none() && image.shown.is_whole(image.color.size) && pixels::is_like_jpeg(color.matrix);
    if planes_wanted && is_plain {
        let per_sample = image.color.chroma_pixels().unwrap_or((1, 1));
        return Ok(Decoded::Planes(Planes { luma: color.luma, chroma: color.chroma }, per_sample));
    }
    let alpha = image.alpha.as_ref().map(|layer| planes::samples(bytes, layer)).transpose()?;
    pixels::pixels(&image, &color, alpha.as_ref()).map(Decoded::Pixels)
}

/// A block of EXIF of a file, if there is one in one piece.
pub(crate) fn exif(bytes: &[u8]) -> Option<&[u8]> {
    let meta = meta::Meta::read(bytes).ok()?;
    let [place] = meta.data(meta.first(*b"Exif")?).ok()?.try_into().ok()?;
    // How many bytes come before the block.
    let (before, rest) = bytes.get(place)?.split_first_chunk()?;
    rest.get(usize::try_from(u32::from_be_bytes(*before)).ok()?..)
}

#[cfg(test)]
mod tests;
