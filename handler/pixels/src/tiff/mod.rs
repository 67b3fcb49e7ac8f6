//! TIFF: the first image of a file, row by row into the picture.
//!
//! ```text
//! bytes - directory -> tags -> header -+- data, fax -> rows as packed - samples -> numbers - colors -> pixels
//!                                      `- price
//! ```
//!
//! - Read are classic TIFF and `BigTIFF` in either byte order, in strips or tiles, with samples together or in planes.
//! - Samples have 1, 2, 4, 8, 16 or 32 bits, or are floats of 16, 32 or 64. Whole numbers are scaled to eight bits and rounded,
//!   those with a sign from their least to their greatest; floats are black at 0 and white at 1, and cut off beyond.
//! - Colours are gray from either end, RGB, of a palette, CMYK by its profile or by the simple formula, and YCbCr with any
//!   sampling.
//! - The first extra sample that is alpha is alpha. What is multiplied by it is divided again, and other extra samples are
//!   dropped, behind the predictor that runs over all of them.
//! - Compression is none, `PackBits`, LZW of both orders, deflate, JPEG or fax. What is not read is refused by its name.
//! - As in libtiff a predictor counts only where it can be: under LZW and deflate.
//! - Memory is a row of samples for each plane, apart from the picture; and for JPEG a strip or tile.

mod colors;
mod data;
mod directory;
mod fax;
mod header;
mod jpeg;
mod samples;
mod tags;

pub(crate) use header::Image;

use crate::error::PixelError;
use crate::format::InputFormat;
use crate::limits::Limits;
use crate::raster::Raster;

const FORMAT: InputFormat = InputFormat::Tiff;

/// Makes red, green and blue of four inks, from none to all of each, as many pixels as there are.
pub(crate) type ByProfile<'p> = dyn Fn(&[u8], &mut [u8]) -> Result<(), PixelError> + 'p;

/// Decodes the first image of a file to pixels of eight bits, with straight alpha. `inks` says what inks mean, where that
/// is known better than by the simple formula.
pub(crate) fn decode(bytes: &[u8], inks: Option<&ByProfile<'_>>, limits: &Limits) -> Result<Raster, PixelError> {
    let image = Image::read(bytes, limits)?;
    let mut raster = Raster::zeroed(image.size, image.layout())?;
    let channels = raster.layout.channels();
    let stride = image.size.width as usize * channels;
    let mut rows = samples::Rows::new(&image, inks)?;
    let mut jpegs = jpeg::Reader::new(&image.jpeg, limits);
    for (down, band) in raster.data.chunks_mut(stride.saturating_mul(image.chunk.height as usize)).enumerate() {
        for across in 0..image.chunks_across() {
            rows.begin(down, across, &mut jpegs)?;
            let left = across * image.chunk.width as usize * channels;
            for row in band.chunks_exact_mut(stride) {
                let end = stride.min(left.saturating_add(image.chunk.width as usize * channels));
                if let Some(pixels) = row.get_mut(left..end) {
                    rows.next(pixels)?;
                }
            }
        }
    }
    Ok(raster)
}

#[cfg(test)]
mod tests;
