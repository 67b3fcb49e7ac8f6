//! What the directory says of the image, checked against what is read and against the length of the file.

use std::ops::Range;

use super::FORMAT;
use super::colors::{Alpha, Colors};
use super::directory::{Directory, Values};
use super::jpeg;
use super::tags::{self, Compression, Kind, Predictor, tag};
use crate::area::Size;
use crate::error::PixelError;
use crate::fields::{ByteOrder, slice};
use crate::limits::Limits;
use crate::orientation::Orientation;
use crate::raster::Layout;

/// Strips or tiles. With as many, the beginning of each takes longer than its pixels.
const CHUNKS_MAX: usize = 1 << 18;

/// Those of JPEG, of which each has tables.
const JPEG_CHUNKS_MAX: usize = 1 << 15;

/// Bytes of strips or tiles that share their place with others: of a few that are white, one may be there for all.
const SHARED_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Pixels of tiles that lie beyond the image.
const BEYOND_PIXELS_MAX: u64 = 16 * 1024 * 1024;

/// Bytes of a pixel that is unpacked: four floats, or eight samples of 16 bits.
const PIXEL_BYTES_MAX: u64 = 16;

/// Bytes of an image so small that its pixels may have more.
const SMALL_BYTES: u64 = 64 * 1024 * 1024;

/// The state of a decompressor, and what it reads ahead.
const DECOMPRESSOR_BYTES: u64 = 96 * 1024;

/// The first image of a file.
pub(crate) struct Image<'a> {
    bytes: &'a [u8],
    pub(super) order: ByteOrder,
    /// As stored.
    pub(crate) size: Size,
    pub(crate) orientation: Orientation,
    /// Where the colour profile is.
    pub(crate) icc: Option<Range<usize>>,
    /// Samples of a pixel, with those that are extra.
    pub(super) samples: usize,
    pub(super) bits: usize,
    pub(super) kind: Kind,
    pub(super) colors: Colors<'a>,
    pub(super) alpha: Option<Alpha>,
    pub(super) compression: Compression,
    pub(super) predictor: Predictor,
    /// Whether each sample has strips or tiles of its own.
    pub(super) planar: bool,
    /// Whether the bits of each byte begin with the lowest.
    pub(super) reversed: bool,
    /// The size of a strip or tile; a tile may reach beyond the image.
    pub(super) chunk: Size,
    offsets: Values<'a>,
    lengths: Option<Values<'a>>,
    /// What is JPEG within it.
    pub(super) jpeg: jpeg::Place<'a>,
    /// The longest strip or tile, as packed.
    packed_bytes: u64,
}

impl<'a> Image<'a> {
    /// Reads the first directory and checks that every strip or tile lies within the file.
    pub(crate) fn read(bytes: &'a [u8], limits: &Limits) -> Result<Self, PixelError> {
        let directory = Directory::read(bytes)?;
        let size = Size { width: tags::side(&directory, tag::WIDTH)?, height: tags::side(&directory, tag::HEIGHT)? };
        if size.width == 0 || size.height == 0 {
            return Err(PixelError::corrupt(FORMAT, format!("its size is {}x{}", size.width, size.height)));
        }
        limits.check_source(size)?;
        let samples = directory.value(tag::SAMPLES)?.unwrap_or(1);
        let bits = tags::bits(&directory, samples)?;
        let samples = usize::try_from(samples).unwrap_or(usize::MAX);
        let kind = tags::kind(&directory, bits)?;
        let compression = tags::compression(&directory)?;
        let colors = tags::colors(&directory, samples, bits, compression)?;
        let (chunk, offsets, lengths) = tags::chunks(&directory, size)?;
        let jpeg_tables = match directory.values(tag::JPEG_TABLES)? {
            Some(tables) if tables.data.len() < 4 && compression == Compression::Jpeg => {
                return Err(PixelError::corrupt(FORMAT, "its JPEG tables are empty"));
            }
            tables => tables.map_or(&[][..], |tables| tables.data),
        };
        let orientation =
            directory.value(tag::ORIENTATION).ok().flatten().and_then(|number| u16::try_from(number).ok());
        let mut image = Self {
            bytes,
            order: directory.order,
            size,
            orientation: orientation.and_then(Orientation::from_exif).unwrap_or_default(),
            icc: directory.place(tag::ICC),
            samples,
            bits,
            kind,
            alpha: tags::alpha(&directory, samples, colors.samples())?,
            colors,
            compression,
            predictor: tags::predictor(&directory, compression)?,
            planar: tags::planar(&directory)? && samples > 1,
            reversed: directory.value(tag::FILL_ORDER)? == Some(2) && compression != Compression::Jpeg,
            chunk,
            offsets,
            lengths,
            jpeg: jpeg::Place { chunk, image: size, samples, is_ycbcr: false, tables: jpeg_tables, bytes_max: 0 },
            packed_bytes: 0,
        };
        image.check()?;
        image.jpeg.samples = image.plane_samples();
        if image.compression == Compression::Jpeg && !image.planar && matches!(image.colors, Colors::YCbCr(_)) {
            (image.jpeg.is_ycbcr, image.colors) = (true, Colors::Rgb);
        }
        image.check_work()?;
        image.check_data(limits)?;
        Ok(image)
    }

    /// Refuses what goes together in no file that is read here.
    fn check(&self) -> Result<(), PixelError> {
        let unsupported = |feature: String| Err(PixelError::unsupported(FORMAT, feature));
        let bits = self.bits;
        match self.compression {
            Compression::Fax(_) if self.samples != 1 || bits != 1 => {
                return Err(PixelError::corrupt(
                    FORMAT,
                    format!("its fax has {} samples of {bits} bits", self.samples),
                ));
            }
            Compression::Jpeg if bits != 8 || self.kind != Kind::Unsigned => {
                return unsupported(format!("JPEG compression of {bits} bits a sample"));
            }
            _ => {}
        }
        match self.predictor {
            Predictor::Horizontal if bits < 8 => return unsupported(format!("a predictor of {bits} bits a sample")),
            Predictor::Float if self.kind != Kind::Float => {
                return Err(PixelError::corrupt(FORMAT, "its predictor is for floats, but its samples are not floats"));
            }
            _ => {}
        }
        match &self.colors {
            Colors::Palette(_) if self.kind != Kind::Unsigned || bits > 16 => {
                unsupported(format!("a palette of {bits} bits, or of numbers with a sign"))
            }
            Colors::YCbCr(_) if bits != 8 || self.kind != Kind::Unsigned => {
                unsupported(format!("YCbCr of {bits} bits a sample"))
            }
            Colors::YCbCr(_) if self.compression == Compression::Jpeg && !self.planar => match self.samples {
                3 => Ok(()),
                _ => unsupported("JPEG compression of YCbCr with extra samples".to_owned()),
            },
            Colors::YCbCr(chroma) if chroma.is_sampled() => match () {
                () if self.planar => unsupported("planes of YCbCr with fewer samples of chroma".to_owned()),
                () if self.samples != 3 => unsupported("YCbCr with extra samples and fewer of chroma".to_owned()),
                () if self.predictor != Predictor::None => unsupported("a predictor over samples of chroma".to_owned()),
                () => Ok(()),
            },
            _ => Ok(()),
        }
    }

    /// Refuses what would keep a decompressor busy for other things than pixels of the image.
    fn check_work(&self) -> Result<(), PixelError> {
        let down = self.size.height.div_ceil(self.chunk.height.max(1)) as usize;
        let needed = self.chunks_across().saturating_mul(down).saturating_mul(self.planes());
        let chunks_max = if self.compression == Compression::Jpeg { JPEG_CHUNKS_MAX } else { CHUNKS_MAX };
        if needed > chunks_max {
            let reason = format!("its image is in {needed} strips or tiles; at most {chunks_max} are read");
            return Err(PixelError::corrupt(FORMAT, reason));
        }
        if self.offsets.len() < needed && self.compression == Compression::None {
            return Err(PixelError::too_short(FORMAT, self.size));
        }
        if self.offsets.len() < needed {
            let reason = format!("it has {} strips or tiles, its image takes {needed}", self.offsets.len());
            return Err(PixelError::corrupt(FORMAT, reason));
        }
        let across = u64::from(self.chunk.width) * self.chunks_across() as u64;
        let pixels = across.saturating_mul(self.size.height.into());
        if pixels - self.size.pixels() > BEYOND_PIXELS_MAX.max(self.size.pixels()) {
            return Err(PixelError::corrupt(
                FORMAT,
                format!("its tiles of {} pixels reach far beyond it", self.chunk.width),
            ));
        }
        let bytes_each = (self.samples * self.bits).div_ceil(8) as u64;
        let bytes = pixels.saturating_mul(bytes_each);
        if self.compression != Compression::None && bytes_each > PIXEL_BYTES_MAX && bytes > SMALL_BYTES {
            let feature =
                format!("{} samples of {} bits under compression in an image of this size", self.samples, self.bits);
            return Err(PixelError::unsupported(FORMAT, feature));
        }
        Ok(())
    }

    /// Looks whether every strip or tile is there, and what the JPEG files among them claim.
    fn check_data(&mut self, limits: &Limits) -> Result<(), PixelError> {
        let down = self.size.height.div_ceil(self.chunk.height) as usize;
        let needed = self.chunks_across() * down * self.planes();
        let (mut sum, mut longest) = (0, 0);
        for index in 0..needed {
            let length = self.chunk_data(index)?.len() as u64;
            (sum, longest) = (sum + length, length.max(longest));
        }
        if sum > (self.bytes.len() as u64).saturating_add(SHARED_BYTES_MAX) {
            return Err(PixelError::corrupt(FORMAT, "too many of its strips or tiles are at one place"));
        }
        self.packed_bytes = longest;
        if self.compression == Compression::None {
            let row_bytes = (u64::from(self.size.width) * (self.plane_samples() * self.bits) as u64).div_ceil(8);
            let row_bytes = if self.sampling() == (1, 1) { row_bytes } else { self.size.width.into() };
            let rows = u64::from(self.size.height).saturating_mul(self.planes() as u64);
            if sum < row_bytes.saturating_mul(rows) {
                return Err(PixelError::too_short(FORMAT, self.size));
            }
        }
        if self.compression == Compression::Jpeg {
            for index in 0..needed {
                let data = self.chunk_data(index)?;
                let bytes = self.jpeg.memory_bytes(data, data.len(), limits)?;
                self.jpeg.bytes_max = self.jpeg.bytes_max.max(bytes);
            }
        }
        Ok(())
    }

    /// Planes that have strips or tiles of their own.
    pub(super) fn planes(&self) -> usize {
        if self.planar { self.samples } else { 1 }
    }

    /// Samples of a pixel in one plane.
    pub(super) fn plane_samples(&self) -> usize {
        if self.planar { 1 } else { self.samples }
    }

    pub(super) fn chunks_across(&self) -> usize {
        self.size.width.div_ceil(self.chunk.width.max(1)) as usize
    }

    /// The number of a strip or tile among all of them.
    pub(super) fn chunk_index(&self, plane: usize, down: usize, across: usize) -> usize {
        let down_all = self.size.height.div_ceil(self.chunk.height.max(1)) as usize;
        (plane * down_all + down) * self.chunks_across() + across
    }

    /// Pixels across and down of a sample of chroma, where rows are packed in blocks of these.
    pub(super) fn sampling(&self) -> (usize, usize) {
        match &self.colors {
            Colors::YCbCr(chroma) => chroma.sampling,
            _ => (1, 1),
        }
    }

    /// Bytes of a row of a plane's strip or tile, or of a row of blocks.
    pub(super) fn row_bytes(&self) -> usize {
        let width = self.chunk.width as usize;
        match self.sampling() {
            (1, 1) => (width * self.plane_samples() * self.bits).div_ceil(8),
            (across, down) => width.div_ceil(across) * (across * down + 2),
        }
    }

    pub(crate) fn layout(&self) -> Layout {
        match (self.colors.is_gray(), self.alpha.is_some()) {
            (true, false) => Layout::Gray,
            (true, true) => Layout::GrayAlpha,
            (false, false) => Layout::Rgb,
            (false, true) => Layout::Rgba,
        }
    }

    /// Whether samples of eight bits are pixels as they are.
    pub(super) fn is_plain(&self) -> bool {
        let alpha = self.alpha.map(|alpha| (alpha.sample, alpha.associated));
        match self.colors {
            Colors::Gray { white_is_zero: false } => matches!((self.samples, alpha), (1, None) | (2, Some((1, false)))),
            Colors::Rgb => matches!((self.samples, alpha), (3, None) | (4, Some((3, false)))),
            _ => false,
        }
    }

    /// Whether the pixels are amounts of four inks.
    pub(crate) fn is_inks(&self) -> bool {
        matches!(self.colors, Colors::Cmyk)
    }

    /// Whether the pixels are numbers of a palette.
    pub(crate) fn has_palette(&self) -> bool {
        matches!(self.colors, Colors::Palette(_))
    }

    /// The most memory that decoding takes, without the file and the picture.
    pub(crate) fn memory_bytes_max(&self) -> u64 {
        let row = u64::from(self.chunk.width) * self.samples as u64 * (self.bits.div_ceil(8) as u64 * 4 + 8);
        // Four inks and their colours, where they have a profile.
        let row = row + if self.is_inks() { u64::from(self.chunk.width) * 7 } else { 0 };
        let reversed = if self.reversed { self.packed_bytes } else { 0 };
        let each = reversed + self.jpeg.bytes_max + DECOMPRESSOR_BYTES;
        each.saturating_mul(self.planes() as u64).saturating_add(row)
    }

    /// A strip or tile as packed.
    pub(super) fn chunk_data(&self, index: usize) -> Result<&'a [u8], PixelError> {
        let cut = || PixelError::truncated(FORMAT, "its pixels lie beyond its end");
        let at = self.offsets.get(index).and_then(|at| usize::try_from(at).ok()).ok_or_else(cut)?;
        let Some(lengths) = self.lengths else {
            let rest = self.bytes.get(at..).ok_or_else(cut)?;
            // Strips in succession end where the next one begins; the last ends with the file.
            let next = self.offsets.get(index + 1).and_then(|next| usize::try_from(next).ok());
            let length = next.and_then(|next| next.checked_sub(at)).filter(|length| *length > 0);
            return Ok(length.and_then(|length| rest.get(..length)).unwrap_or(rest));
        };
        let length = lengths.get(index).and_then(|length| usize::try_from(length).ok()).ok_or_else(cut)?;
        slice(self.bytes, at, length).ok_or_else(cut)
    }
}
