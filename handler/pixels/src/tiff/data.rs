//! From a strip or tile as it is packed to its bytes, a row at a time.

use std::borrow::Cow;
use std::io::{self, BufRead, ErrorKind, Read};

use flate2::bufread::ZlibDecoder;
use weezl::{BitOrder, decode::Configuration};

use super::FORMAT;
use super::fax::Fax;
use super::header::Image;
use super::tags::Compression;
use crate::error::PixelError;
use crate::lzw::Lzw;
use crate::raster::zeroed_bytes;

/// The bytes of one strip or tile.
pub(super) enum Source<'a> {
    Plain(Bytes<'a>),
    PackBits(PackBits<'a>),
    Lzw(Box<LzwBytes<'a>>),
    Deflate(Box<ZlibDecoder<Bytes<'a>>>),
    Fax(Fax<'a>),
    /// What a JPEG was decoded to, whose rows may be longer or shorter than those that are asked for.
    Pixels {
        pixels: Bytes<'a>,
        row_bytes: usize,
    },
}

impl<'a> Source<'a> {
    /// For everything but JPEG.
    pub(super) fn new(data: &'a [u8], image: &Image<'_>) -> Result<Self, PixelError> {
        let data = if image.reversed { Cow::Owned(reversed(data)?) } else { Cow::Borrowed(data) };
        Ok(match image.compression {
            Compression::None | Compression::Jpeg => Self::Plain(Bytes { data, at: 0 }),
            Compression::PackBits => Self::PackBits(PackBits { bytes: Bytes { data, at: 0 }, run: Run::Literal(0) }),
            Compression::Lzw => Self::Lzw(Box::new(LzwBytes::new(data))),
            Compression::Deflate => Self::Deflate(Box::new(ZlibDecoder::new(Bytes { data, at: 0 }))),
            Compression::Fax(coding) => Self::Fax(Fax::new(data, coding, image.chunk.width)),
        })
    }

    pub(super) fn pixels(pixels: Vec<u8>, row_bytes: usize) -> Self {
        Self::Pixels { pixels: Bytes { data: Cow::Owned(pixels), at: 0 }, row_bytes }
    }

    /// The next row.
    pub(super) fn read(&mut self, row: &mut [u8]) -> Result<(), PixelError> {
        let read = match self {
            Self::Plain(bytes) => bytes.read_exact(row),
            Self::PackBits(bytes) => bytes.read_exact(row),
            Self::Lzw(bytes) => bytes.read_exact(row),
            Self::Deflate(bytes) => bytes.read_exact(row),
            Self::Fax(fax) => return fax.read(row),
            Self::Pixels { pixels, row_bytes } => {
                let (wanted, missing) = row.split_at_mut((*row_bytes).min(row.len()));
                missing.fill(0);
                let beyond = *row_bytes - wanted.len();
                pixels.read_exact(wanted).map(|()| pixels.consume(beyond))
            }
        };
        read.map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof => {
                PixelError::truncated(FORMAT, "the data of a strip or tile end within its rows")
            }
            _ => PixelError::corrupt(FORMAT, "the compressed data of a strip or tile are broken"),
        })
    }
}

/// The bytes with their bits in the other order.
fn reversed(data: &[u8]) -> Result<Vec<u8>, PixelError> {
    let mut reversed = zeroed_bytes(data.len() as u64)?;
    for (to, from) in reversed.iter_mut().zip(data) {
        *to = from.reverse_bits();
    }
    Ok(reversed)
}

/// Bytes that are there, or that were made.
pub(super) struct Bytes<'a> {
    data: Cow<'a, [u8]>,
    at: usize,
}

impl Bytes<'_> {
    fn rest(&self) -> &[u8] {
        self.data.get(self.at..).unwrap_or_default()
    }
}

impl Read for Bytes<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.rest().read(buffer)?;
        self.at += read;
        Ok(read)
    }
}

impl BufRead for Bytes<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        Ok(self.rest())
    }

    fn consume(&mut self, amount: usize) {
        self.at = self.at.saturating_add(amount).min(self.data.len());
    }
}

/// LZW as in TIFF 6.0, or as it was before: codes from the lowest bit, which are not lengthened early.
pub(super) struct LzwBytes<'a> {
    bytes: Bytes<'a>,
    lzw: Lzw,
}

impl<'a> LzwBytes<'a> {
    fn new(data: Cow<'a, [u8]>) -> Self {
        // The first code clears the table: 256, of nine bits.
        let is_old = matches!(*data, [0, second, ..] if second & 1 == 1);
        let configuration = if is_old {
            Configuration::new(BitOrder::Lsb, 8)
        } else {
            Configuration::with_tiff_size_switch(BitOrder::Msb, 8)
        };
        Self { bytes: Bytes { data, at: 0 }, lzw: Lzw::new(configuration) }
    }
}

impl Read for LzwBytes<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while !buffer.is_empty() {
            let step = self.lzw.decode(self.bytes.rest(), buffer);
            let step = step.map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
            self.bytes.consume(step.taken);
            if step.made > 0 || step.end.is_some() {
                return Ok(step.made);
            }
        }
        Ok(0)
    }
}

/// What is being unpacked.
#[derive(Clone, Copy)]
enum Run {
    /// So many bytes as they are.
    Literal(usize),
    /// So many times this one.
    Repeat(usize, u8),
}

/// Apple's `PackBits`.
pub(super) struct PackBits<'a> {
    bytes: Bytes<'a>,
    run: Run,
}

impl PackBits<'_> {
    fn next_run(&mut self) -> Option<Run> {
        loop {
            let (&head, rest) = self.bytes.rest().split_first()?;
            let repeated = rest.first().copied();
            self.bytes.consume(1);
            match head {
                0..=127 => return Some(Run::Literal(usize::from(head) + 1)),
                128 => {}
                _ => {
                    self.bytes.consume(1);
                    return Some(Run::Repeat(257 - usize::from(head), repeated?));
                }
            }
        }
    }
}

impl Read for PackBits<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Run::Literal(0) | Run::Repeat(0, _) = self.run {
            let Some(run) = self.next_run() else { return Ok(0) };
            self.run = run;
        }
        Ok(match &mut self.run {
            Run::Literal(left) => {
                let length = buffer.len().min(*left);
                let read = self.bytes.read(&mut buffer[..length])?;
                *left -= read;
                read
            }
            Run::Repeat(left, byte) => {
                let length = buffer.len().min(*left);
                buffer[..length].fill(*byte);
                *left -= length;
                length
            }
        })
    }
}
