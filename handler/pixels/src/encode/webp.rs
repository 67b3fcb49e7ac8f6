//! WebP by libwebp, and the container around it where a profile goes along.

use webp::{Encoder, WebPConfig, WebPEncodingError};

use crate::area::Size;
use crate::error::PixelError;
use crate::options::Effort;
use crate::raster::{Layout, Raster};

/// Flags of the extended header.
const HAS_PROFILE: u8 = 0x20;
const HAS_ALPHA: u8 = 0x10;

/// Method and quality of lossless coding for each effort: the presets of libwebp.
const LOSSLESS: [(i32, f32); 10] =
    [(0, 0.0), (1, 20.0), (2, 25.0), (3, 30.0), (3, 50.0), (4, 50.0), (4, 75.0), (4, 90.0), (5, 90.0), (6, 100.0)];

/// Encodes lossily with a quality, and losslessly without.
pub(super) fn encode(
    image: Raster,
    quality: Option<u8>,
    effort: Effort,
    icc: Option<&[u8]>,
) -> Result<Vec<u8>, PixelError> {
    let layout = if image.layout.has_alpha() { Layout::Rgba } else { Layout::Rgb };
    let image = image.converted(layout)?;
    let Size { width, height } = image.size;
    let encoder = match layout {
        Layout::Rgba => Encoder::from_rgba(&image.data, width, height),
        _ => Encoder::from_rgb(&image.data, width, height),
    };
    let failed = |reason: String| PixelError::Internal { stage: "encoding WebP", reason };
    let mut config = WebPConfig::new().map_err(|()| failed("no configuration".to_owned()))?;
    config.lossless = i32::from(quality.is_none());
    (config.method, config.quality) = match quality {
        Some(quality) => (i32::from(effort.get().min(6)), f32::from(quality)),
        None => LOSSLESS[usize::from(effort.get())],
    };
    let file = encoder.encode_advanced(&config).map_err(|error: WebPEncodingError| failed(format!("{error:?}")))?;
    match icc {
        Some(icc) => with_profile(&file, image.size, layout == Layout::Rgba, icc)
            .ok_or_else(|| failed("its container is not the one that was expected".to_owned())),
        None => Ok(file.to_vec()),
    }
}

/// Puts a profile into a file, as "WebP Container Specification" says: behind the extended header, which a file that has
/// nothing but one image lacks.
fn with_profile(file: &[u8], size: Size, has_alpha: bool, icc: &[u8]) -> Option<Vec<u8>> {
    let chunks = file.get(12..)?;
    let (header, rest) = if chunks.starts_with(b"VP8X") {
        let (header, rest) = chunks.split_at_checked(18)?;
        (header.to_vec(), rest)
    } else {
        let less_one = |side: u32| side.checked_sub(1).map(u32::to_le_bytes);
        let ([w0, w1, w2, _], [h0, h1, h2, _]) = (less_one(size.width)?, less_one(size.height)?);
        let flags = if has_alpha { HAS_ALPHA } else { 0 };
        (chunk(*b"VP8X", &[flags, 0, 0, 0, w0, w1, w2, h0, h1, h2])?, chunks)
    };
    let mut body = header;
    *body.get_mut(8)? |= HAS_PROFILE;
    body.extend(chunk(*b"ICCP", icc)?);
    body.extend(rest);
    let length = u32::try_from(body.len() + 4).ok()?;
    Some([b"RIFF".as_slice(), &length.to_le_bytes(), b"WEBP", &body].concat())
}

fn chunk(kind: [u8; 4], body: &[u8]) -> Option<Vec<u8>> {
    let length = u32::try_from(body.len()).ok()?.to_le_bytes();
    Some([kind.as_slice(), &length, body, &[0][..body.len() % 2]].concat())
}
