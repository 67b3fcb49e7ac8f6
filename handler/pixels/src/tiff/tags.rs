//! What the tags of the directory say, one by one: what is read of them, and what is refused by its name.

use super::FORMAT;
use super::colors::{Alpha, Colors, YCbCr};
use super::directory::{Directory, Values};
use super::fax;
use crate::area::Size;
use crate::error::PixelError;

/// Samples of a pixel.
const SAMPLES_MAX: u64 = 64;

pub(super) mod tag {
    pub(in crate::tiff) const WIDTH: u16 = 256;
    pub(in crate::tiff) const HEIGHT: u16 = 257;
    pub(in crate::tiff) const BITS: u16 = 258;
    pub(in crate::tiff) const COMPRESSION: u16 = 259;
    pub(in crate::tiff) const PHOTOMETRIC: u16 = 262;
    pub(in crate::tiff) const FILL_ORDER: u16 = 266;
    pub(in crate::tiff) const STRIP_OFFSETS: u16 = 273;
    pub(in crate::tiff) const ORIENTATION: u16 = 274;
    pub(in crate::tiff) const SAMPLES: u16 = 277;
    pub(in crate::tiff) const ROWS_PER_STRIP: u16 = 278;
    pub(in crate::tiff) const STRIP_BYTES: u16 = 279;
    pub(in crate::tiff) const PLANAR: u16 = 284;
    pub(in crate::tiff) const GROUP3_OPTIONS: u16 = 292;
    pub(in crate::tiff) const PREDICTOR: u16 = 317;
    pub(in crate::tiff) const COLOR_MAP: u16 = 320;
    pub(in crate::tiff) const TILE_WIDTH: u16 = 322;
    pub(in crate::tiff) const TILE_HEIGHT: u16 = 323;
    pub(in crate::tiff) const TILE_OFFSETS: u16 = 324;
    pub(in crate::tiff) const TILE_BYTES: u16 = 325;
    pub(in crate::tiff) const EXTRA_SAMPLES: u16 = 338;
    pub(in crate::tiff) const SAMPLE_FORMAT: u16 = 339;
    pub(in crate::tiff) const JPEG_TABLES: u16 = 347;
    pub(in crate::tiff) const YCBCR_FACTORS: u16 = 529;
    pub(in crate::tiff) const CHROMA_SUBSAMPLING: u16 = 530;
    pub(in crate::tiff) const BLACK_WHITE: u16 = 532;
    pub(in crate::tiff) const ICC: u16 = 34_675;
}

/// How strips or tiles are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compression {
    None,
    PackBits,
    Lzw,
    Deflate,
    Jpeg,
    Fax(fax::Coding),
}

/// What samples are differences from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Predictor {
    None,
    /// The sample to the left.
    Horizontal,
    /// The byte to the left, among the bytes of a row of floats that are sorted by their weight.
    Float,
}

/// What a sample is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Unsigned,
    Signed,
    Float,
}

pub(super) fn side(directory: &Directory<'_>, tag: u16) -> Result<u32, PixelError> {
    Ok(u32::try_from(directory.required(tag)?).unwrap_or(u32::MAX))
}

pub(super) fn bits(directory: &Directory<'_>, samples: u64) -> Result<usize, PixelError> {
    let bits = directory.few(tag::BITS)?.filter(|bits| bits.len() > 0);
    let (least, most) = bits.map_or((1, 1), |bits| {
        bits.iter().fold((u64::MAX, 0), |(least, most), bits| (bits.min(least), bits.max(most)))
    });
    if samples == 0 || samples > SAMPLES_MAX || most == 0 || most > 64 {
        return Err(PixelError::unsupported(FORMAT, format!("{samples} samples of {most} bits")));
    }
    if least != most {
        return Err(PixelError::unsupported(FORMAT, format!("samples of {least} and of {most} bits in one image")));
    }
    match most {
        1 | 2 | 4 | 8 | 16 | 32 | 64 => Ok(usize::try_from(most).unwrap_or(64)),
        bits => Err(PixelError::unsupported(FORMAT, format!("{bits} bits a sample"))),
    }
}

pub(super) fn kind(directory: &Directory<'_>, bits: usize) -> Result<Kind, PixelError> {
    let formats = directory.few(tag::SAMPLE_FORMAT)?.filter(|formats| formats.len() > 0);
    let first = formats.and_then(|formats| formats.get(0)).unwrap_or(1);
    if formats.is_some_and(|formats| formats.iter().any(|format| format != first)) {
        return Err(PixelError::unsupported(FORMAT, "samples of several kinds"));
    }
    match (first, bits) {
        (1 | 4, 1..=32) => Ok(Kind::Unsigned),
        (2, 1..=32) => Ok(Kind::Signed),
        (3, 16 | 32 | 64) => Ok(Kind::Float),
        (1 | 2 | 4, _) => Err(PixelError::unsupported(FORMAT, format!("whole numbers of {bits} bits"))),
        (3, _) => Err(PixelError::unsupported(FORMAT, format!("floats of {bits} bits"))),
        (5 | 6, _) => Err(PixelError::unsupported(FORMAT, "complex numbers as samples")),
        (format, _) => Err(PixelError::unsupported(FORMAT, format!("samples of the kind {format}"))),
    }
}

pub(super) fn compression(directory: &Directory<'_>) -> Result<Compression, PixelError> {
    let name = match directory.value(tag::COMPRESSION)?.unwrap_or(1) {
        1 => return Ok(Compression::None),
        2 => return Ok(Compression::Fax(fax::Coding::ModifiedHuffman)),
        3 => {
            let two = directory.value(tag::GROUP3_OPTIONS)?.unwrap_or(0) & 1 == 1;
            let coding = if two { fax::Coding::Group3TwoDimensional } else { fax::Coding::Group3 };
            return Ok(Compression::Fax(coding));
        }
        4 => return Ok(Compression::Fax(fax::Coding::Group4)),
        5 => return Ok(Compression::Lzw),
        7 => return Ok(Compression::Jpeg),
        8 | 32_946 => return Ok(Compression::Deflate),
        32_773 => return Ok(Compression::PackBits),
        6 => "JPEG compression of the old kind",
        9 | 10 | 34_661 => "JBIG compression",
        32_766 => "NeXT compression",
        32_771 => "fax compression with rows of words",
        32_809 => "ThunderScan compression",
        32_947 => "DCS compression",
        34_676 | 34_677 => "SGI LogLuv compression",
        33_003 | 33_005 | 34_712 => "JPEG 2000 compression",
        34_887 => "LERC compression",
        34_925 => "LZMA compression",
        34_926 | 50_000 => "Zstandard compression",
        34_927 | 50_001 => "WebP compression",
        50_002 | 52_546 => "JPEG XL compression",
        number => return Err(PixelError::unsupported(FORMAT, format!("compression {number}"))),
    };
    Err(PixelError::unsupported(FORMAT, name))
}

pub(super) fn colors<'a>(
    directory: &Directory<'a>,
    samples: usize,
    bits: usize,
    compression: Compression,
) -> Result<Colors<'a>, PixelError> {
    let is_fax = matches!(compression, Compression::Fax(_));
    // Where nothing is said, as libtiff guesses.
    let photometric = directory.value(tag::PHOTOMETRIC)?.unwrap_or(match samples {
        1 | 2 if is_fax => 0,
        1 | 2 => 1,
        _ => 2,
    });
    let colors = match photometric {
        0 => Colors::Gray { white_is_zero: true },
        1 => Colors::Gray { white_is_zero: false },
        2 => Colors::Rgb,
        3 => {
            let map = directory.values(tag::COLOR_MAP)?;
            let map = map.ok_or_else(|| PixelError::corrupt(FORMAT, "its palette is missing"))?;
            Colors::palette(map, bits)?
        }
        5 => Colors::Cmyk,
        6 => {
            let sampling = directory.few(tag::CHROMA_SUBSAMPLING)?;
            let sampling = sampling.map_or((Some(2), Some(2)), |sampling| (sampling.get(0), sampling.get(1)));
            let factors = directory.fractions(tag::YCBCR_FACTORS);
            Colors::YCbCr(YCbCr::new(sampling, factors, directory.fractions(tag::BLACK_WHITE))?)
        }
        4 => return Err(PixelError::unsupported(FORMAT, "an image that is a mask")),
        8..=10 => return Err(PixelError::unsupported(FORMAT, "colours in L*a*b*")),
        32_803 | 34_892 => return Err(PixelError::unsupported(FORMAT, "raw data of a camera")),
        32_844 | 32_845 => return Err(PixelError::unsupported(FORMAT, "colours in LogLuv")),
        number => return Err(PixelError::unsupported(FORMAT, format!("colours of the kind {number}"))),
    };
    if colors.samples() > samples {
        return Err(PixelError::corrupt(
            FORMAT,
            format!("its colours are of {} samples, its pixels of {samples}", colors.samples()),
        ));
    }
    Ok(colors)
}

/// The first extra sample that is alpha. Where nothing is said, the only one is.
pub(super) fn alpha(directory: &Directory<'_>, samples: usize, colored: usize) -> Result<Option<Alpha>, PixelError> {
    let extra = samples - colored;
    let alpha = |(index, kind): (usize, u64)| {
        matches!(kind, 1 | 2).then_some(Alpha { sample: colored + index, associated: kind == 1 })
    };
    Ok(match directory.few(tag::EXTRA_SAMPLES)? {
        Some(kinds) => kinds.iter().take(extra).enumerate().find_map(alpha),
        None if extra == 1 => Some(Alpha { sample: colored, associated: false }),
        None => None,
    })
}

pub(super) fn predictor(directory: &Directory<'_>, compression: Compression) -> Result<Predictor, PixelError> {
    if !matches!(compression, Compression::Lzw | Compression::Deflate) {
        return Ok(Predictor::None);
    }
    match directory.value(tag::PREDICTOR)?.unwrap_or(1) {
        1 => Ok(Predictor::None),
        2 => Ok(Predictor::Horizontal),
        3 => Ok(Predictor::Float),
        number => Err(PixelError::unsupported(FORMAT, format!("predictor {number}"))),
    }
}

pub(super) fn planar(directory: &Directory<'_>) -> Result<bool, PixelError> {
    match directory.value(tag::PLANAR)?.unwrap_or(1) {
        1 => Ok(false),
        2 => Ok(true),
        number => Err(PixelError::corrupt(FORMAT, format!("its planar configuration is {number}"))),
    }
}

pub(super) type Chunks<'a> = (Size, Values<'a>, Option<Values<'a>>);

/// The size of strips or tiles, where they are, and how long if that is known.
pub(super) fn chunks<'a>(directory: &Directory<'a>, size: Size) -> Result<Chunks<'a>, PixelError> {
    let tiled = directory.value(tag::TILE_WIDTH)?.is_some();
    let (chunk, tags) = if tiled {
        let chunk = Size { width: side(directory, tag::TILE_WIDTH)?, height: side(directory, tag::TILE_HEIGHT)? };
        (chunk, (tag::TILE_OFFSETS, tag::TILE_BYTES))
    } else {
        let rows = directory
            .value(tag::ROWS_PER_STRIP)?
            .map_or(size.height, |rows| u32::try_from(rows).unwrap_or(u32::MAX).min(size.height));
        (Size { width: size.width, height: rows }, (tag::STRIP_OFFSETS, tag::STRIP_BYTES))
    };
    if chunk.width == 0 || chunk.height == 0 || chunk.width > size.width.max(u32::from(u16::MAX)) {
        let reason = format!("its strips or tiles are {}x{}", chunk.width, chunk.height);
        return Err(PixelError::corrupt(FORMAT, reason));
    }
    let found = |tag: u16| Ok::<_, PixelError>(directory.values(tag)?.filter(|values| values.len() > 0));
    // Some write tiles with the tags of strips.
    let (offsets, lengths) = match found(tags.0)? {
        Some(offsets) => (Some(offsets), found(tags.1)?),
        None => (found(tag::STRIP_OFFSETS)?, found(tag::STRIP_BYTES)?),
    };
    let offsets = offsets.ok_or_else(|| PixelError::corrupt(FORMAT, "it has neither strips nor tiles"))?;
    // Lengths of nothing are as good as none.
    Ok((chunk, offsets, lengths.filter(|lengths| lengths.iter().any(|length| length > 0))))
}
