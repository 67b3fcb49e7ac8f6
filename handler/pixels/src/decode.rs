//! From a probed file to pixels of eight bits, within the price that the probe named.
//!
//! - A JPEG is decoded by our own decoder, straight to the scale and the part that is needed, as planes that are not yet
//!   pixels. TIFF and GIF are decoded whole by our own readers, on decompressors of others, and so is HEIC, to planes where
//!   these can go on as such. All other formats are decoded whole by `image`.
//! - `image`'s own limits are set as a second net. They do not bind the output buffer, which is therefore ours: its
//!   length is compared with the price and its memory is reserved fallibly.
//! - Wider channels become eight bits, gray stays gray.
//! - Four inks become RGB a few rows at a time, by their profile or by a simple formula. All other colours stay as they are
//!   stored; their profiles are applied after scaling.

mod gif;
mod partly;
mod words;

use std::error::Error as _;
use std::io::{self, Cursor};
use std::panic::{AssertUnwindSafe, catch_unwind};

use image::codecs::{bmp::BmpDecoder, png::PngDecoder, webp::WebPDecoder};
use image::{ColorType, ExtendedColorType, ImageDecoder, ImageError, ImageResult, Rgba};

use super::area::Window;
use super::color::Inks;
use super::error::PixelError;
use super::format::InputFormat;
#[cfg(feature = "heic")]
use super::heif;
use super::jpeg::{self, ComponentPlane, Scale};
use super::limits::Limits;
use super::picture::{Colors, Layer, Picture};
use super::probe::{JpegDecoding, Probe, bmp, png};
use super::raster::{Layout, Raster, zeroed_bytes};
use super::resampling::Resampling;
use super::tiff;

/// Decodes the first frame, as stored, or as little of it as is resampled.
pub(super) fn decode(
    bytes: &[u8],
    probe: &Probe,
    resamplings: &[Resampling],
    inks: &Inks,
    limits: &Limits,
    arena: &mut jpeg::Arena,
) -> Result<Picture, PixelError> {
    if let (Some(decoding), Some(shape)) = (probe.jpeg_decoding(resamplings), &probe.jpeg) {
        let decoder = jpeg::Decoder::new(bytes, limits)?;
        let decoder = decoder.with_truncated(limits.truncated).with_last_row(shape.is_open);
        let picture = match decoding {
            JpegDecoding::Pixels(scale) => decode_pixels(&decoder, scale, resamplings, inks, arena),
            JpegDecoding::Planes(scales) => decode_planes(&decoder, scales, resamplings, arena),
        };
        return picture.map_err(|error| match error {
            PixelError::Truncated { .. } if shape.is_open => PixelError::truncated(probe.format, "no end marker"),
            error => error,
        });
    }
    // Decoders of others have panicked at broken files. What a panic leaves behind is dropped here, and the file will not be
    // any better the next time.
    let decoded = catch_unwind(AssertUnwindSafe(|| decode_contained(bytes, probe, resamplings, inks, limits)));
    decoded.unwrap_or_else(|_| Err(PixelError::corrupt(probe.format, "its parts contradict each other")))
}

/// Decodes by code that may panic.
fn decode_contained(
    bytes: &[u8],
    probe: &Probe,
    resamplings: &[Resampling],
    inks: &Inks,
    limits: &Limits,
) -> Result<Picture, PixelError> {
    #[cfg(feature = "heic")]
    if probe.format == InputFormat::Heic {
        let planes_wanted = !resamplings.iter().any(Resampling::needs_pixels);
        return match heif::decode(bytes, limits, planes_wanted)? {
            heif::Decoded::Pixels(raster) => Picture::whole(raster.without_needless_alpha(), resamplings),
            heif::Decoded::Planes(planes, per_sample) => Ok(Picture::of_planes(planes, per_sample)),
        };
    }
    let raster = decode_whole(bytes, probe, inks, limits)?;
    Picture::whole(raster.without_needless_alpha(), resamplings)
}

/// Decodes by code that is not ours, or not all.
fn decode_whole(bytes: &[u8], probe: &Probe, inks: &Inks, limits: &Limits) -> Result<Raster, PixelError> {
    let file = Cursor::new(bytes);
    match probe.format {
        InputFormat::Jpeg => Err(PixelError::Internal { stage: "decoding", reason: "a JPEG has no shape".to_owned() }),
        InputFormat::Png => match png::mended(bytes).filter(|_| !probe.truncated) {
            Some(mended) => read(open_png(Cursor::new(mended.as_slice()), probe, limits), probe, limits),
            None => read(open_png(file, probe, limits), probe, limits),
        },
        InputFormat::Webp => read(open_webp(file), probe, limits),
        InputFormat::Gif => gif::decode(bytes, limits),
        InputFormat::Tiff => {
            let by_profile = |four: &[u8], rgb: &mut [u8]| inks.to_rgb(four, rgb);
            tiff::decode(bytes, inks.has_profile().then_some(&by_profile), limits)
        }
        InputFormat::Bmp => match bmp::mended(bytes) {
            Some(mended) => read(BmpDecoder::new(Cursor::new(mended.as_slice())), probe, limits),
            None => read(BmpDecoder::new(file), probe, limits),
        },
        InputFormat::Heic => Err(PixelError::InputNotBuilt { format: InputFormat::Heic, feature: "heic" }),
    }
}

fn open_png<'a>(file: Cursor<&'a [u8]>, probe: &Probe, limits: &Limits) -> ImageResult<PngDecoder<Cursor<&'a [u8]>>> {
    PngDecoder::with_limits(file, decoder_limits(probe, limits))
}

fn decode_pixels(
    decoder: &jpeg::Decoder<'_>,
    scale: Scale,
    resamplings: &[Resampling],
    inks: &Inks,
    arena: &mut jpeg::Arena,
) -> Result<Picture, PixelError> {
    let (size, denominator) = (scale.apply(decoder.size()), f64::from(scale.denominator()));
    let per_sample = (denominator, denominator);
    // The last pixel may stand for a part of one, so that a box may end within it.
    let windows = resamplings.iter().map(|resampling| resampling.luma.divided(per_sample).needed(size));
    let window = windows.reduce(|one, other| one.and(&other)).unwrap_or_else(|| Window::whole(size));
    let (left, top) = (f64::from(window.columns.start), f64::from(window.rows.start));
    let raster = if decoder.is_inks() {
        let mut raster = Raster::zeroed(window.size(), Layout::Rgb)?;
        let row_bytes = window.columns.len() * Layout::Rgb.channels();
        let mut result = Ok(());
        decoder.decode_bands(scale, &window, arena, |first, rows| {
            let colors = raster.data.get_mut(first as usize * row_bytes..).unwrap_or_default();
            let converted = inks.to_rgb(rows, colors);
            result = std::mem::replace(&mut result, Ok(())).and(converted);
        })?;
        result?;
        raster
    } else {
        let pixels = decoder.decode(scale, &window, arena)?;
        let layout = if pixels.channels == 1 { Layout::Gray } else { Layout::Rgb };
        Raster { size: pixels.size, layout, data: pixels.data }
    };
    let layer = Layer { raster, left: left * denominator, top: top * denominator, per_sample };
    Ok(Picture { layers: vec![layer], colors: Colors::Pixels })
}

fn decode_planes(
    decoder: &jpeg::Decoder<'_>,
    scales: [Scale; 3],
    resamplings: &[Resampling],
    arena: &mut jpeg::Arena,
) -> Result<Picture, PixelError> {
    let size = decoder.size();
    // Nothing that follows may be done to red, green and blue by halves.
    let scales = if decoder.is_ycbcr() { scales } else { [scales[0]; 3] };
    let per_samples = decoder.pixels_per_sample().zip(scales).map(|((across, down), scale)| {
        let denominator = f64::from(scale.denominator());
        (across * denominator, down * denominator)
    });
    let per_samples: Vec<(f64, f64)> = per_samples.collect();
    let windows = resamplings.iter().flat_map(|resampling| {
        let components = per_samples.iter().enumerate();
        components.map(|(component, per_sample)| resampling.scaled_box(component).needed_pixels(size, *per_sample))
    });
    let window = windows.reduce(|one, other| one.and(&other)).unwrap_or_else(|| Window::whole(size));
    let planes = decoder.decode_planes(scales, &window, arena)?;
    let layer = |(plane, per_sample): (ComponentPlane, (f64, f64))| {
        let (left, top) = (f64::from(plane.left) * per_sample.0, f64::from(plane.top) * per_sample.1);
        let raster = Raster { size: plane.plane.size, layout: Layout::Gray, data: plane.plane.data };
        Layer { raster, left, top, per_sample }
    };
    let layers: Vec<Layer> = planes.into_iter().zip(per_samples).map(layer).collect();
    let colors = match layers.len() {
        1 => Colors::Pixels,
        _ if decoder.is_ycbcr() => Colors::YCbCr,
        _ => Colors::Rgb,
    };
    Ok(Picture { layers, colors })
}

/// What an animation's first frame leaves uncovered is transparent, as in browsers, whatever colour the file suggests.
fn open_webp(file: Cursor<&[u8]>) -> ImageResult<WebPDecoder<Cursor<&[u8]>>> {
    let mut decoder = WebPDecoder::new(file)?;
    if decoder.has_animation() {
        decoder.set_background_color(Rgba([0, 0, 0, 0]))?;
    }
    Ok(decoder)
}

fn decoder_limits(probe: &Probe, limits: &Limits) -> image::Limits {
    let mut decoder_limits = image::Limits::no_limits();
    decoder_limits.max_image_width = Some(probe.width);
    decoder_limits.max_image_height = Some(probe.height);
    // Metadata may be compressed: an 8x8 PNG may carry a profile that inflates to all the memory it is allowed.
    decoder_limits.max_alloc = Some(probe.decoding_bytes().1.saturating_add(limits.metadata_bytes_max));
    decoder_limits
}

fn read<D: ImageDecoder>(decoder: ImageResult<D>, probe: &Probe, limits: &Limits) -> Result<Raster, PixelError> {
    let refused = |error: ImageError| refusal(probe.format, &error);
    let mut decoder = decoder.map_err(refused)?;
    decoder.set_limits(decoder_limits(probe, limits)).map_err(refused)?;
    if decoder.dimensions() != (probe.width, probe.height) {
        let (width, height) = decoder.dimensions();
        let reason = format!("its header says {}x{}, its image {width}x{height}", probe.width, probe.height);
        return Err(PixelError::corrupt(probe.format, reason));
    }
    let (bytes, bytes_max) = (decoder.total_bytes(), probe.decoding_bytes().0);
    if bytes > bytes_max {
        return Err(PixelError::OverMemory { bytes, bytes_max });
    }
    let color = decoder.color_type();
    let mut data = zeroed_bytes(bytes)?;
    if partly::is_readable(probe) {
        partly::prepare(&mut data, color);
        if decoder.read_image(&mut data).is_err() {
            partly::finish(&mut data, color);
        }
    } else {
        decoder.read_image(&mut data).map_err(refused)?;
    }
    let layout = match color.channel_count() {
        1 => Layout::Gray,
        2 => Layout::GrayAlpha,
        3 => Layout::Rgb,
        _ => Layout::Rgba,
    };
    to_eight_bits(&mut data, color);
    Ok(Raster { size: probe.size(), layout, data })
}

/// Rewrites wider channels in place.
fn to_eight_bits(data: &mut Vec<u8>, color: ColorType) {
    if matches!(color, ColorType::L16 | ColorType::La16 | ColorType::Rgb16 | ColorType::Rgba16) {
        narrow::<2>(data, |field| {
            let value = u32::from(u16::from_ne_bytes(field));
            u8::try_from((value * 255 + 32_767) / 65_535).unwrap_or(u8::MAX)
        });
    }
}

fn narrow<const N: usize>(data: &mut Vec<u8>, channel: impl Fn([u8; N]) -> u8) {
    let count = data.len() / N;
    for index in 0..count {
        let mut field = [0; N];
        field.copy_from_slice(&data[index * N..][..N]);
        data[index] = channel(field);
    }
    // Not shrunk: where that moves what is left, it takes more than the price, which counts the whole buffer to the end.
    data.truncate(count);
}

/// Sorts a decoder's error by whose fault it is.
fn refusal(format: InputFormat, error: &ImageError) -> PixelError {
    match error {
        ImageError::Unsupported(error) => PixelError::unsupported(format, unsupported(&error.kind())),
        ImageError::IoError(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            PixelError::truncated(format, "the decoder ran out of data")
        }
        ImageError::Decoding(error) => {
            let reason = error.source().map_or_else(|| error.to_string(), ToString::to_string);
            PixelError::corrupt(format, words::plain(&reason))
        }
        error => PixelError::corrupt(format, words::plain(&error.to_string())),
    }
}

fn unsupported(kind: &image::error::UnsupportedErrorKind) -> String {
    use image::error::UnsupportedErrorKind as Kind;
    match kind {
        Kind::Color(ExtendedColorType::Unknown(bits)) => format!("colours of {bits} bits"),
        Kind::Color(color) => format!("the colour type {color:?}"),
        Kind::GenericFeature(feature) => words::feature(feature),
        _ => "an unknown feature".to_owned(),
    }
}
