//! From pixels to a file, without any metadata. The same pixels and options always give the same bytes.

pub(super) mod jpeg;

use image::ImageEncoder as _;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};

use super::error::PixelError;
use super::format::{EncodedFormat, InputFormat};
use super::geometry::Size;
use super::options::{OutputFormat, Rendition};
use super::planes::Planes;
use super::raster::{Layout, Raster};

/// Sharp's default.
const QUALITY_DEFAULT: u8 = 80;

/// A balance of time and bytes.
const JPEG_EFFORT_DEFAULT: u8 = 4;

/// From here on the eye could see that colours have half the resolution.
const FULL_CHROMA_QUALITY_MIN: u8 = 90;

/// The format that `asked` means for an image of this source. None while it hangs on pixels not decoded yet.
pub(super) fn resolve(asked: OutputFormat, source: InputFormat, has_alpha: Option<bool>) -> Option<EncodedFormat> {
    match (asked, source) {
        (OutputFormat::Jpeg, _) | (OutputFormat::Auto, InputFormat::Jpeg) => Some(EncodedFormat::Jpeg),
        (OutputFormat::Png, _) | (OutputFormat::Auto, InputFormat::Png) => Some(EncodedFormat::Png),
        (OutputFormat::Webp, _) | (OutputFormat::Auto, InputFormat::Webp) => Some(EncodedFormat::Webp),
        (OutputFormat::Auto, InputFormat::Gif | InputFormat::Tiff | InputFormat::Bmp) => {
            has_alpha.map(|has_alpha| if has_alpha { EncodedFormat::Png } else { EncodedFormat::Jpeg })
        }
    }
}

/// Refuses a size that the format cannot express.
pub(super) fn check_size(format: EncodedFormat, size: Size) -> Result<(), PixelError> {
    let side_max = format.side_max();
    if size.width.max(size.height) > side_max {
        return Err(PixelError::SideNotEncodable { format, size, side_max });
    }
    Ok(())
}

/// Encodes an image.
pub(super) fn encode(image: Raster, format: EncodedFormat, rendition: &Rendition) -> Result<Vec<u8>, PixelError> {
    check_size(format, image.size)?;
    let quality = rendition.quality.unwrap_or(QUALITY_DEFAULT).clamp(1, 100);
    match format {
        EncodedFormat::Jpeg => jpeg(image.flattened(rendition.background)?, quality),
        EncodedFormat::Png => png(&image),
        EncodedFormat::Webp => webp(image, quality),
    }
}

fn jpeg(image: Raster, quality: u8) -> Result<Vec<u8>, PixelError> {
    let planes = Planes::from_raster(&image, quality < FULL_CHROMA_QUALITY_MIN)?;
    drop(image);
    jpeg::encode(&planes, quality, JPEG_EFFORT_DEFAULT)
}

fn png(image: &Raster) -> Result<Vec<u8>, PixelError> {
    let color = match image.layout {
        Layout::Gray => image::ExtendedColorType::L8,
        Layout::GrayAlpha => image::ExtendedColorType::La8,
        Layout::Rgb => image::ExtendedColorType::Rgb8,
        Layout::Rgba => image::ExtendedColorType::Rgba8,
    };
    let mut bytes = Vec::new();
    PngEncoder::new_with_quality(&mut bytes, CompressionType::Default, FilterType::Adaptive)
        .write_image(&image.data, image.size.width, image.size.height, color)
        .map_err(|error| PixelError::Internal { stage: "encoding PNG", reason: error.to_string() })?;
    Ok(bytes)
}

fn webp(image: Raster, quality: u8) -> Result<Vec<u8>, PixelError> {
    let layout = if image.layout.has_alpha() { Layout::Rgba } else { Layout::Rgb };
    let image = image.converted(layout)?;
    let (width, height) = (image.size.width, image.size.height);
    let encoder = match layout {
        Layout::Rgba => webp::Encoder::from_rgba(&image.data, width, height),
        _ => webp::Encoder::from_rgb(&image.data, width, height),
    };
    // `encode` would panic where this returns an error.
    match encoder.encode_simple(false, f32::from(quality)) {
        Ok(bytes) => Ok(bytes.to_vec()),
        Err(error) => Err(PixelError::Internal { stage: "encoding WebP", reason: format!("{error:?}") }),
    }
}
