//! PNG with as few bits as the picture needs.
//!
//! | picture | written as |
//! | --- | --- |
//! | gray in even steps of 1, 2 or 4 bits | gray of so many bits |
//! | at most 256 colours, with their alphas | a palette, of 1, 2, 4 or 8 bits |
//! | more, from a source with a palette | a palette of 256 colours, if that looks the same |
//! | anything else | eight bits a channel, without the channels that say nothing |
//!
//! All but the third are exact. A profile that goes along describes either gray or colours, so that colours stay colours
//! beside it, and gray stays gray.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

use png::{BitDepth, ColorType, Compression, Encoder, EncodingError, Filter, Info};
use quantizr::{Image, Options, QuantizeResult};

use crate::area::Size;
use crate::error::PixelError;
use crate::options::Effort;
use crate::raster::{Layout, Raster};

/// What a palette can hold.
const COLORS_MAX: usize = 256;

/// The bytes around the entries of a palette and of its alphas.
const PALETTE_CHUNKS_BYTES: usize = 24;

/// The mean square of the error of a value that a palette may make: 40 dB of PSNR.
const SQUARE_ERROR_MAX: f64 = 6.5;

/// How much of the error of a pixel goes to its neighbours: enough to break up bands, too little to be seen as noise.
const DITHERING: f32 = 0.5;

/// How the pixels are written.
struct Written {
    color: ColorType,
    bits: u8,
    /// Pixels of eight bits a channel, or numbers below `1 << bits`.
    data: Vec<u8>,
    /// Colours, those with alpha first.
    palette: Vec<[u8; 4]>,
}

/// The colours of a palette, and which of them each pixel is.
type Numbered = (Vec<[u8; 4]>, Vec<u8>);

/// Encodes an image; `source_palette` says that its source had a palette.
pub(super) fn encode(
    image: Raster,
    effort: Effort,
    icc: Option<&[u8]>,
    source_palette: bool,
) -> Result<Vec<u8>, PixelError> {
    let size = image.size;
    let image = if icc.is_some() { image } else { without_needless_color(image) };
    let written = choose(image, icc.is_some(), source_palette)?;
    let mut smallest: Option<Vec<u8>> = None;
    for (compression, filter) in attempts(&written, effort) {
        let file = write(size, &written, *compression, *filter, icc)
            .map_err(|error| PixelError::Internal { stage: "encoding PNG", reason: error.to_string() })?;
        if smallest.as_ref().is_none_or(|smallest| file.len() < smallest.len()) {
            smallest = Some(file);
        }
    }
    smallest.ok_or_else(|| PixelError::Internal { stage: "encoding PNG", reason: "nothing was tried".to_owned() })
}

fn choose(image: Raster, has_profile: bool, source_palette: bool) -> Result<Written, PixelError> {
    let is_gray = matches!(image.layout, Layout::Gray | Layout::GrayAlpha);
    if image.layout == Layout::Gray
        && let Some(bits) = [1, 2, 4].into_iter().find(|bits| image.data.iter().all(|value| value % step(*bits) == 0))
    {
        let data = image.data.iter().map(|value| value / step(bits)).collect();
        return Ok(Written { color: ColorType::Grayscale, bits, data, palette: Vec::new() });
    }
    let exact = if is_gray && has_profile { None } else { distinct(&image) };
    let paletted = match exact {
        Some((palette, data)) => Some((palette, data)),
        None if source_palette && !is_gray => quantized(&image)?,
        None => None,
    };
    if let Some((palette, data)) = paletted {
        let written = with_palette(&palette, data);
        let packed = image.size.pixels().saturating_mul(written.bits.into()) / 8;
        let table = written.palette.len() * 4 + PALETTE_CHUNKS_BYTES;
        if packed.saturating_add(table as u64) < image.data.len() as u64 {
            return Ok(written);
        }
    }
    let color = match image.layout {
        Layout::Gray => ColorType::Grayscale,
        Layout::GrayAlpha => ColorType::GrayscaleAlpha,
        Layout::Rgb => ColorType::Rgb,
        Layout::Rgba => ColorType::Rgba,
    };
    Ok(Written { color, bits: 8, data: image.data, palette: Vec::new() })
}

/// From one gray to the next, of so many bits.
fn step(bits: u8) -> u8 {
    u8::MAX / (u8::MAX >> (8 - bits))
}

/// The same picture without colour if there is none, and without alpha if it hides nothing.
fn without_needless_color(image: Raster) -> Raster {
    let image = image.without_needless_alpha();
    let channels = image.layout.channels();
    let layout = match image.layout {
        Layout::Rgb => Layout::Gray,
        Layout::Rgba => Layout::GrayAlpha,
        Layout::Gray | Layout::GrayAlpha => return image,
    };
    let mut pixels = image.data.chunks_exact(channels);
    if !pixels.all(|pixel| pixel[0] == pixel[1] && pixel[1] == pixel[2]) {
        return image;
    }
    let data = image.data.chunks_exact(channels).flat_map(|pixel| pixel[2..].iter().copied()).collect();
    Raster { layout, data, ..image }
}

fn rgba(pixel: &[u8]) -> [u8; 4] {
    match *pixel {
        [v] => [v, v, v, u8::MAX],
        [v, a] => [v, v, v, a],
        [r, g, b] => [r, g, b, u8::MAX],
        [r, g, b, a, ..] => [r, g, b, a],
        [] => [0; 4],
    }
}

/// The colours of a picture and which of them each pixel is, unless they are too many.
fn distinct(image: &Raster) -> Option<Numbered> {
    let mut numbers: HashMap<[u8; 4], u8> = HashMap::with_capacity(COLORS_MAX);
    let (mut palette, mut data) = (Vec::new(), Vec::new());
    let mut last: Option<([u8; 4], u8)> = None;
    for pixel in image.data.chunks_exact(image.layout.channels()) {
        let color = rgba(pixel);
        let number = match last {
            Some((same, number)) if same == color => number,
            _ => match numbers.entry(color) {
                Entry::Occupied(entry) => *entry.get(),
                Entry::Vacant(entry) => {
                    palette.push(color);
                    *entry.insert(u8::try_from(palette.len() - 1).ok()?)
                }
            },
        };
        last = Some((color, number));
        data.push(number);
    }
    Some((palette, data))
}

/// As many colours as a palette holds, and which of them each pixel is to be; none if the picture would look different.
fn quantized(image: &Raster) -> Result<Option<Numbered>, PixelError> {
    let failed =
        |_| PixelError::Internal { stage: "choosing a palette", reason: "the picture has no pixels".to_owned() };
    let pixels: Vec<u8> = image.data.chunks_exact(image.layout.channels()).flat_map(rgba).collect();
    let picture = Image::new(&pixels, image.size.width as usize, image.size.height as usize).map_err(failed)?;
    let mut result = QuantizeResult::quantize(&picture, &Options::default());
    let mut data = vec![0; pixels.len() / 4];
    result.set_dithering_level(0.0).map_err(failed)?;
    result.remap_image(&picture, &mut data).map_err(failed)?;
    let found = result.get_palette();
    let count = usize::try_from(found.count).unwrap_or(COLORS_MAX).min(COLORS_MAX);
    let palette: Vec<[u8; 4]> =
        found.entries[..count].iter().map(|color| [color.r, color.g, color.b, color.a]).collect();
    if square_error(&pixels, &palette, &data) > SQUARE_ERROR_MAX {
        return Ok(None);
    }
    result.set_dithering_level(DITHERING).map_err(failed)?;
    result.remap_image(&picture, &mut data).map_err(failed)?;
    Ok(Some((palette, data)))
}

/// The mean square of the difference in a channel, as seen on black and on white.
fn square_error(pixels: &[u8], palette: &[[u8; 4]], data: &[u8]) -> f64 {
    let sum: f64 = pixels
        .as_chunks::<4>()
        .0
        .iter()
        .zip(data)
        .map(|(pixel, number)| {
            let color = palette.get(usize::from(*number)).copied().unwrap_or_default();
            let (own, other) = (f64::from(pixel[3]) / 255.0, f64::from(color[3]) / 255.0);
            let on = |ground: f64| -> f64 {
                let over = |value: u8, alpha: f64| f64::from(value) * alpha + ground * (1.0 - alpha);
                (0..3).map(|channel| (over(pixel[channel], own) - over(color[channel], other)).powi(2)).sum()
            };
            f64::max(on(0.0), on(255.0))
        })
        .sum();
    #[expect(clippy::cast_precision_loss, reason = "pixels are far fewer than 2^52")]
    let values = (data.len() * 3).max(1) as f64;
    sum / values
}

/// Orders a palette so that the alphas of its end, all opaque, need not be written.
fn with_palette(palette: &[[u8; 4]], mut data: Vec<u8>) -> Written {
    let mut order: Vec<usize> = (0..palette.len()).collect();
    order.sort_by_key(|number| palette[*number][3] == u8::MAX);
    let mut places = [0_u8; COLORS_MAX];
    for (place, number) in (0..=u8::MAX).zip(&order) {
        places[*number] = place;
    }
    for number in &mut data {
        *number = places[usize::from(*number)];
    }
    let bits = match palette.len() {
        0..=2 => 1,
        3..=4 => 2,
        5..=16 => 4,
        _ => 8,
    };
    let palette = order.into_iter().map(|number| palette[number]).collect();
    Written { color: ColorType::Indexed, bits, data, palette }
}

/// What is tried. Numbers of colours, and pixels of less than a byte, have no neighbours to be told from; and with noise the
/// fast compressor is the better one.
fn attempts(written: &Written, effort: Effort) -> &'static [(Compression, Filter)] {
    use Compression::{Balanced, Fast, High};
    match (written.bits < 8 || !written.palette.is_empty(), effort.get()) {
        (true, 0..=1) => &[(Fast, Filter::NoFilter)],
        (true, 2..=6) => &[(Balanced, Filter::NoFilter)],
        (true, _) => &[(High, Filter::NoFilter), (Fast, Filter::NoFilter)],
        (false, 0..=4) => &[(Fast, Filter::Adaptive)],
        (false, 5..=6) => &[(Balanced, Filter::Adaptive)],
        (false, _) => {
            &[(High, Filter::Adaptive), (High, Filter::Paeth), (High, Filter::NoFilter), (Fast, Filter::Adaptive)]
        }
    }
}

fn write(
    size: Size,
    written: &Written,
    compression: Compression,
    filter: Filter,
    icc: Option<&[u8]>,
) -> Result<Vec<u8>, EncodingError> {
    let mut info = Info::with_size(size.width, size.height);
    info.icc_profile = icc.map(Cow::Borrowed);
    info.color_type = written.color;
    info.bit_depth = match written.bits {
        1 => BitDepth::One,
        2 => BitDepth::Two,
        4 => BitDepth::Four,
        _ => BitDepth::Eight,
    };
    if !written.palette.is_empty() {
        let colors: Vec<u8> = written.palette.iter().flat_map(|color| color[..3].iter().copied()).collect();
        let alphas: Vec<u8> =
            written.palette.iter().map(|color| color[3]).take_while(|alpha| *alpha < u8::MAX).collect();
        info.palette = Some(Cow::Owned(colors));
        info.trns = (!alphas.is_empty()).then_some(Cow::Owned(alphas));
    }
    let mut bytes = Vec::new();
    let mut encoder = Encoder::with_info(&mut bytes, info)?;
    encoder.set_compression(compression);
    encoder.set_filter(filter);
    let mut writer = encoder.write_header()?;
    if written.bits == 8 {
        writer.write_image_data(&written.data)?;
    } else {
        writer.write_image_data(&packed(&written.data, size.width as usize, written.bits))?;
    }
    writer.finish()?;
    Ok(bytes)
}

/// Numbers of less than eight bits, the first in the highest bits, each row from a byte of its own.
fn packed(data: &[u8], width: usize, bits: u8) -> Vec<u8> {
    let per_byte = usize::from(8 / bits);
    let byte = |numbers: &[u8]| {
        let joined = numbers.iter().fold(0, |byte, number| byte << bits | number);
        // The last byte of a row may hold fewer.
        (numbers.len()..per_byte).fold(joined, |byte, _| byte << bits)
    };
    data.chunks_exact(width).flat_map(|row| row.chunks(per_byte).map(byte)).collect()
}
