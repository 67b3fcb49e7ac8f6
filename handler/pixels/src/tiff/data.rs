//! From a strip or tile as it is packed to its bytes, a row at a time.

use std::borrow::Cow;
use std::io::{self, BufRead, ErrorKind, Read};

use flate2::bufread::ZlibDecoder;
use weezl::{BitOrder, LzwStatus, decode};

use super::FORMAT;
use super::fax::Fax;
use super::header::Image;
use super::tags::Compression;
use crate::error::PixelError;
use crate::raster::zeroed_bytes;

/// The bytes of one strip or tile.
pub(super) enum Source<'a> {
    Plain(Bytes<'a>),
    PackBits(PackBits<'a>),
    Lzw(Box<Lzw<'a>>),
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
            Compression::Lzw => Self::Lzw(Box::new(Lzw::new(data))),
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
pub(super) struct Lzw<'a> {
    bytes: Bytes<'a>,
    decoder: decode::Decoder,
}

impl<'a> Lzw<'a> {
    fn new(data: Cow<'a, [u8]>) -> Self {
        // The first code clears the table: 256, of nine bits.
        let is_old = matches!(*data, [0, second, ..] if second & 1 == 1);
        let configuration = if is_old {
            decode::Configuration::new(BitOrder::Lsb, 8)
        } else {
            decode::Configuration::with_tiff_size_switch(BitOrder::Msb, 8)
        };
        Self { bytes: Bytes { data, at: 0 }, decoder: configuration.with_yield_on_full_buffer(true).build() }
    }
}

impl Read for Lzw<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let result = self.decoder.decode_bytes(self.bytes.rest(), buffer);
            self.bytes.consume(result.consumed_in);
            match result.status {
                Ok(LzwStatus::Ok) if result.consumed_out == 0 && result.consumed_in > 0 => {}
                Ok(_) => return Ok(result.consumed_out),
                Err(error) => return Err(io::Error::new(ErrorKind::InvalidData, error)),
            }
        }
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
