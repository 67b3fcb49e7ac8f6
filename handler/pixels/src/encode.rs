//! From pixels to a file, without any metadata but what is given. The same pixels and options always give the
//! same bytes.

#[cfg(feature = "avif")]
mod avif;
mod carried;
mod fitting;
pub(super) mod jpeg;
mod png;
mod webp;

use super::area::Size;
use super::error::PixelError;
use super::format::{EncodedFormat, InputFormat};
use super::options::{Chroma, OutputFormat, Rendition};
use super::planes::Planes;
use super::raster::Raster;

pub(super) use carried::Carried;

/// From here on the eye could see that colours have half the resolution.
const FULL_CHROMA_QUALITY_MIN: u8 = 90;

/// The format that `asked` means for an image of this source. None while it hangs on pixels not decoded yet.
pub(super) fn resolve(asked: OutputFormat, source: InputFormat, has_alpha: Option<bool>) -> Option<EncodedFormat> {
    match (asked, source) {
        (OutputFormat::Jpeg, _) | (OutputFormat::Auto, InputFormat::Jpeg) => Some(EncodedFormat::Jpeg),
        (OutputFormat::Png, _) | (OutputFormat::Auto, InputFormat::Png) => Some(EncodedFormat::Png),
        (OutputFormat::Webp, _) | (OutputFormat::Auto, InputFormat::Webp) => Some(EncodedFormat::Webp),
        (OutputFormat::Avif, _) => Some(EncodedFormat::Avif),
        (OutputFormat::Auto, InputFormat::Gif | InputFormat::Tiff | InputFormat::Bmp | InputFormat::Heic) => {
            has_alpha.map(|has_alpha| if has_alpha { EncodedFormat::Png } else { EncodedFormat::Jpeg })
        }
    }
}

/// Whether a JPEG of this rendition holds half the chroma along each side.
pub(super) fn halves_chroma(rendition: &Rendition) -> bool {
    // Where a search for a quality ends is not known yet, and bytes are short there.
    let by_quality = jpeg_quality(rendition) < FULL_CHROMA_QUALITY_MIN || rendition.max_bytes.is_some();
    rendition.chroma.map_or(by_quality, |chroma| chroma == Chroma::Half)
}

fn jpeg_quality(rendition: &Rendition) -> u8 {
    rendition.quality.unwrap_or(quality_default(EncodedFormat::Jpeg)).clamp(1, 100)
}

/// Refuses what the format cannot express, or this build cannot write.
pub(super) fn check(format: EncodedFormat, size: Size) -> Result<(), PixelError> {
    if format == EncodedFormat::Avif && !cfg!(feature = "avif") {
        return Err(PixelError::FormatNotBuilt { format, feature: "avif" });
    }
    let side_max = format.side_max();
    if size.width.max(size.height) > side_max {
        return Err(PixelError::SideNotEncodable { format, size, side_max });
    }
    Ok(())
}

/// Whether an image that is gray stays gray up to the file, so that a gray profile can describe it.
pub(super) fn keeps_gray(rendition: &Rendition, source: InputFormat) -> bool {
    let [red, green, blue, _] = rendition.background.rgba;
    let gray_format = match resolve(rendition.format, source, None) {
        Some(EncodedFormat::Webp | EncodedFormat::Avif) => false,
        // What is not known yet is one of these two.
        Some(EncodedFormat::Jpeg | EncodedFormat::Png) | None => true,
    };
    gray_format && red == green && green == blue
}

/// An encoded image.
pub(super) struct File {
    pub(super) bytes: Vec<u8>,
    /// As it was encoded; none where the format has none.
    pub(super) quality: Option<u8>,
}

/// Encodes an image, and what goes along with it; `palette` says that the source had one.
pub(super) fn encode(
    image: Raster,
    format: EncodedFormat,
    rendition: &Rendition,
    carried: &Carried<'_>,
    palette: bool,
) -> Result<File, PixelError> {
    let (size, effort) = (image.size, rendition.effort);
    check(format, size)?;
    match format {
        EncodedFormat::Jpeg => jpeg(image, rendition, carried),
        EncodedFormat::Png => {
            let file = png::encode(image, effort, carried.icc, palette)?;
            exact(format, size, rendition, carried::into_png(file, carried).ok_or_else(|| no_place(format))?)
        }
        EncodedFormat::Webp => {
            let image = webp::prepared(image)?;
            if rendition.lossless {
                return exact(format, size, rendition, webp::encode(&image, None, effort, carried)?);
            }
            lossy(format, size, rendition, |quality| webp::encode(&image, Some(quality), effort, carried))
        }
        #[cfg(feature = "avif")]
        EncodedFormat::Avif => {
            let image = avif::prepared(image)?;
            lossy(format, size, rendition, |quality| avif::encode(&image, quality, effort))
        }
        #[cfg(not(feature = "avif"))]
        EncodedFormat::Avif => Err(PixelError::FormatNotBuilt { format, feature: "avif" }),
    }
}

/// A file of the quality that is asked for, or, where it must not have more than so many bytes, of the best one that fits.
fn lossy(
    format: EncodedFormat,
    size: Size,
    rendition: &Rendition,
    mut encode: impl FnMut(u8) -> Result<Vec<u8>, PixelError>,
) -> Result<File, PixelError> {
    let asked = rendition.quality.unwrap_or(quality_default(format)).clamp(1, 100);
    let Some(bytes_max) = rendition.max_bytes else {
        return Ok(File { bytes: encode(asked)?, quality: Some(asked) });
    };
    let refused = |bytes, floor| PixelError::OverMaxBytes { format, size, quality: Some(floor), bytes, bytes_max };
    let (bytes, quality) = fitting::fitting(asked, bytes_max, encode, refused)?;
    Ok(File { bytes, quality: Some(quality) })
}

/// A file without a quality, if it fits.
fn exact(format: EncodedFormat, size: Size, rendition: &Rendition, bytes: Vec<u8>) -> Result<File, PixelError> {
    match rendition.max_bytes.filter(|bytes_max| bytes.len() as u64 > *bytes_max) {
        None => Ok(File { bytes, quality: None }),
        Some(bytes_max) => {
            let bytes = bytes.len() as u64;
            Err(PixelError::OverMaxBytes { format, size, quality: None, bytes, bytes_max })
        }
    }
}

/// Sharp's default, and for AVIF what looks about the same as sharp's default there.
fn quality_default(format: EncodedFormat) -> u8 {
    match format {
        EncodedFormat::Avif => 65,
        EncodedFormat::Jpeg | EncodedFormat::Png | EncodedFormat::Webp => 80,
    }
}

fn no_place(format: EncodedFormat) -> PixelError {
    PixelError::Internal { stage: "carrying metadata", reason: format!("{format} has no place for it") }
}

fn jpeg(image: Raster, rendition: &Rendition, carried: &Carried<'_>) -> Result<File, PixelError> {
    let planes = Planes::from_raster(&image.flattened(rendition.background)?, halves_chroma(rendition))?;
    encode_planes(&planes, rendition, carried)
}

/// Encodes planes as a JPEG. Those of chroma have half the size where [`halves_chroma`] says so.
pub(super) fn encode_planes(planes: &Planes, rendition: &Rendition, carried: &Carried<'_>) -> Result<File, PixelError> {
    check(EncodedFormat::Jpeg, planes.size())?;
    let (effort, progressive) = (rendition.effort.get(), rendition.progressive);
    lossy(EncodedFormat::Jpeg, planes.size(), rendition, |quality| {
        let settings = jpeg::Settings { quality, effort, progressive, icc: carried.icc };
        carried::into_jpeg(jpeg::encode(planes, &settings)?, carried).ok_or_else(|| no_place(EncodedFormat::Jpeg))
    })
}
