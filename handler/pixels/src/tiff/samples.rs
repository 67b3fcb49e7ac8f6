//! From the rows of strips or tiles to numbers, and with colours to pixels.

use super::ByProfile;
use super::colors::{Colors, Part, Sample, paint};
use super::data::Source;
use super::header::Image;
use super::jpeg;
use super::tags::{Compression, Kind, Predictor};
use crate::error::PixelError;
use crate::fields::ByteOrder;
use crate::raster::zeroed_bytes;

/// Reads strips or tiles, of which one for each plane are open at once.
pub(super) struct Rows<'i, 'a> {
    image: &'i Image<'a>,
    sources: Vec<Source<'a>>,
    /// A row of one plane as it is packed, or a row of blocks.
    packed: Vec<u8>,
    /// Rows that have been taken of the row of blocks.
    block_row: usize,
    /// A row of one plane, each sample in bytes of its own, from the lowest.
    plane: Vec<u8>,
    /// The same of all samples.
    row: Vec<u8>,
    words: Vec<u16>,
    floats: Vec<f32>,
    painter: Painter<'i>,
}

/// What makes colours of samples.
struct Painter<'i> {
    inks: Option<&'i ByProfile<'i>>,
    /// A row of four inks, and of their colours.
    inked: Vec<u8>,
    colors: Vec<u8>,
}

impl<'i, 'a> Rows<'i, 'a> {
    pub(super) fn new(image: &'i Image<'a>, inks: Option<&'i ByProfile<'i>>) -> Result<Self, PixelError> {
        let packed = zeroed_bytes(image.row_bytes() as u64)?;
        Ok(Self {
            image,
            sources: Vec::with_capacity(image.planes()),
            packed,
            block_row: 0,
            plane: Vec::new(),
            row: Vec::new(),
            words: Vec::new(),
            floats: Vec::new(),
            painter: Painter { inks, inked: Vec::new(), colors: Vec::new() },
        })
    }

    /// Turns to a strip or tile.
    pub(super) fn begin(
        &mut self,
        down: usize,
        across: usize,
        jpegs: &mut jpeg::Reader<'_, '_>,
    ) -> Result<(), PixelError> {
        self.sources.clear();
        self.block_row = 0;
        for plane in 0..self.image.planes() {
            let data = self.image.chunk_data(self.image.chunk_index(plane, down, across))?;
            let is_jpeg = self.image.compression == Compression::Jpeg;
            self.sources.push(if is_jpeg {
                let (pixels, row_bytes) = jpegs.decode(data)?;
                Source::pixels(pixels, row_bytes)
            } else {
                Source::new(data, self.image)?
            });
        }
        Ok(())
    }

    /// Makes pixels of the next row, as many as there is room for.
    pub(super) fn next(&mut self, pixels: &mut [u8]) -> Result<(), PixelError> {
        let image = self.image;
        if image.sampling() == (1, 1) {
            self.read()?;
        } else {
            self.read_block_row()?;
        }
        let width = pixels.len() / image.layout().channels();
        let bytes = image.bits.div_ceil(8);
        let (each, alpha) = (image.samples, image.alpha);
        let row = self.row.get(..width * image.samples * bytes).unwrap_or_default();
        match (image.bits, image.kind) {
            (..=8, _) if image.is_plain() && row.len() == pixels.len() => pixels.copy_from_slice(row),
            (..=8, _) => self.painter.paint(&Part { samples: row, each, alpha }, &image.colors, pixels)?,
            (16, Kind::Unsigned | Kind::Signed) => {
                let middle = if image.kind == Kind::Signed { 1 << 15 } else { 0 };
                self.words.clear();
                self.words.extend(row.as_chunks().0.iter().map(|word| u16::from_le_bytes(*word) ^ middle));
                self.painter.paint(&Part { samples: &self.words, each, alpha }, &image.colors, pixels)?;
            }
            _ => {
                self.floats.clear();
                floats(row, image, &mut self.floats);
                self.painter.paint(&Part { samples: &self.floats, each, alpha }, &image.colors, pixels)?;
            }
        }
        Ok(())
    }

    /// Brings the next row of all planes together.
    fn read(&mut self) -> Result<(), PixelError> {
        let image = self.image;
        let bytes = image.bits.div_ceil(8);
        for (number, source) in self.sources.iter_mut().enumerate() {
            source.read(&mut self.packed)?;
            if image.planar {
                unpack(&mut self.packed, image, &mut self.plane);
                self.row.resize(image.chunk.width as usize * image.samples * bytes, 0);
                let places = self.row.chunks_exact_mut(image.samples * bytes);
                for (place, sample) in places.zip(self.plane.chunks_exact(bytes)) {
                    place[number * bytes..][..bytes].copy_from_slice(sample);
                }
            } else {
                unpack(&mut self.packed, image, &mut self.row);
            }
        }
        Ok(())
    }

    /// Takes the next row of luma out of a row of blocks, with the chroma of each block.
    fn read_block_row(&mut self) -> Result<(), PixelError> {
        let (across, down) = self.image.sampling();
        if self.block_row == 0
            && let Some(source) = self.sources.first_mut()
        {
            source.read(&mut self.packed)?;
        }
        self.row.clear();
        let luma = across * down;
        for block in self.packed.chunks_exact(luma + 2) {
            for sample in &block[self.block_row * across..][..across] {
                self.row.extend([*sample, block[luma], block[luma + 1]]);
            }
        }
        self.block_row = (self.block_row + 1) % down;
        Ok(())
    }
}

impl Painter<'_> {
    /// Makes pixels of samples.
    fn paint<S: Sample>(
        &mut self,
        part: &Part<'_, S>,
        colors: &Colors<'_>,
        pixels: &mut [u8],
    ) -> Result<(), PixelError> {
        let (Some(to_rgb), Colors::Cmyk) = (self.inks, colors) else {
            paint(part, colors, pixels);
            return Ok(());
        };
        self.inked.clear();
        for sample in part.samples.chunks_exact(part.each) {
            self.inked.extend(sample.iter().take(4).map(|ink| ink.byte()));
        }
        self.colors.resize(self.inked.len() / 4 * 3, 0);
        to_rgb(&self.inked, &mut self.colors)?;
        part.put(&self.colors, pixels);
        Ok(())
    }
}

/// Undoes the predictor and brings each sample to bytes of its own, from the lowest.
fn unpack(packed: &mut [u8], image: &Image<'_>, samples: &mut Vec<u8>) {
    let stride = image.plane_samples();
    samples.clear();
    if image.predictor == Predictor::Float {
        for at in stride..packed.len() {
            packed[at] = packed[at].wrapping_add(packed[at - stride]);
        }
        let bytes = image.bits / 8;
        let count = packed.len() / bytes;
        samples.extend((0..count * bytes).map(|at| packed[(bytes - 1 - at % bytes) * count + at / bytes]));
        return;
    }
    let horizontal = image.predictor == Predictor::Horizontal;
    match image.bits {
        8 => {
            if horizontal {
                for at in stride..packed.len() {
                    packed[at] = packed[at].wrapping_add(packed[at - stride]);
                }
            }
            let middle = if image.kind == Kind::Signed { 0x80 } else { 0 };
            samples.extend(packed.iter().map(|sample| sample ^ middle));
        }
        16 => wide::<2>(packed, image.order, horizontal.then_some(stride), samples),
        32 => wide::<4>(packed, image.order, horizontal.then_some(stride), samples),
        64 => wide::<8>(packed, image.order, horizontal.then_some(stride), samples),
        bits => narrow(packed, bits, image, samples),
    }
}

/// Samples of several bytes.
fn wide<const N: usize>(packed: &[u8], order: ByteOrder, stride: Option<usize>, samples: &mut Vec<u8>) {
    samples.extend_from_slice(packed);
    let samples = samples.as_chunks_mut::<N>().0;
    if order == ByteOrder::Big {
        for sample in &mut *samples {
            sample.reverse();
        }
    }
    let number = |sample: [u8; N]| {
        let mut bytes = [0; 8];
        bytes[..N].copy_from_slice(&sample);
        u64::from_le_bytes(bytes)
    };
    if let Some(stride) = stride {
        for at in stride..samples.len() {
            let sum = number(samples[at]).wrapping_add(number(samples[at - stride]));
            samples[at].copy_from_slice(&sum.to_le_bytes()[..N]);
        }
    }
}

/// Samples of less than a byte: brought to the whole range of one, but for numbers of a palette.
fn narrow(packed: &[u8], bits: usize, image: &Image<'_>, samples: &mut Vec<u8>) {
    let most = (1_u8 << bits) - 1;
    let middle = if image.kind == Kind::Signed { 1 << (bits - 1) } else { 0 };
    let factor = if image.has_palette() { 1 } else { 255 / most };
    samples.resize(image.chunk.width as usize * image.plane_samples(), 0);
    for (samples, byte) in samples.chunks_mut(8 / bits).zip(packed) {
        for (nth, sample) in (1..).zip(samples) {
            *sample = ((byte >> (8 - nth * bits) & most) ^ middle) * factor;
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "what counts is the first eight bits")]
fn floats(row: &[u8], image: &Image<'_>, floats: &mut Vec<f32>) {
    match (image.kind, image.bits) {
        (Kind::Float, 16) => {
            floats.extend(row.as_chunks().0.iter().map(|half| half_to_float(u16::from_le_bytes(*half))));
        }
        (Kind::Float, 32) => floats.extend(row.as_chunks().0.iter().map(|float| f32::from_le_bytes(*float))),
        (Kind::Float, _) => floats.extend(row.as_chunks().0.iter().map(|float| f64::from_le_bytes(*float) as f32)),
        (kind, _) => {
            let middle = if kind == Kind::Signed { 1 << 31 } else { 0 };
            let part = |word: &[u8; 4]| (f64::from(u32::from_le_bytes(*word) ^ middle) / f64::from(u32::MAX)) as f32;
            floats.extend(row.as_chunks().0.iter().map(part));
        }
    }
}

/// A float of 16 bits: one for the sign, five for the exponent, ten for the fraction.
fn half_to_float(half: u16) -> f32 {
    let (exponent, fraction) = (u32::from(half >> 10 & 31), u32::from(half & 1023));
    let value = match exponent {
        0 => f32::from(half & 1023) / 16_777_216.0,
        31 => f32::from_bits(0x7f80_0000 | fraction << 13),
        _ => f32::from_bits((exponent + 127 - 15) << 23 | fraction << 13),
    };
    if half >> 15 == 1 { -value } else { value }
}
