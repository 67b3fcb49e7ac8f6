//! Memory that outlives a decoder, so that the next image need not ask the system for it again.

use super::bits::{Chunk, new_chunk};
use super::strips::Rows;
use crate::error::PixelError;

/// Buffers that are kept for the next output: the planes of one image.
const SPARES_MAX: usize = 3;

/// The buffers of a worker that decodes one image after the other. Fresh pages cost as much as a good part of decoding.
#[derive(Default)]
pub struct Arena {
    rows: Rows,
    coefficients: Vec<i16>,
    band: Vec<u8>,
    chunk: Option<Box<Chunk>>,
    spares: Vec<Vec<u8>>,
}

/// What one decoding works with.
pub(super) struct Parts<'m> {
    pub(super) rows: &'m mut Rows,
    pub(super) coefficients: &'m mut Vec<i16>,
    pub(super) band: &'m mut Vec<u8>,
    pub(super) chunk: &'m mut Chunk,
}

impl Arena {
    /// Gives a buffer back, for the next output. The largest ones are kept.
    pub fn recycle(&mut self, buffer: Vec<u8>) {
        self.spares.push(buffer);
        self.spares.sort_by_key(|spare| std::cmp::Reverse(spare.capacity()));
        self.spares.truncate(SPARES_MAX);
    }

    /// Bytes that are kept.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let chunk = self.chunk.as_ref().map_or(0, |chunk| chunk.len());
        let spares: usize = self.spares.iter().map(Vec::capacity).sum();
        self.rows.bytes() + self.coefficients.capacity() * 2 + self.band.capacity() + spares + chunk
    }

    /// Gives everything back if it is more than so many bytes.
    pub fn shrink_to(&mut self, bytes_max: usize) {
        if self.bytes() > bytes_max {
            *self = Self::default();
        }
    }

    /// A buffer of this length, with whatever was in it: the smallest that is large enough, or else the largest.
    pub(super) fn output(&mut self, length: usize) -> Result<Vec<u8>, PixelError> {
        let large_enough = self.spares.iter().rposition(|spare| spare.capacity() >= length);
        let index = large_enough.unwrap_or(0);
        let mut buffer = if self.spares.is_empty() { Vec::new() } else { self.spares.remove(index) };
        sized(&mut buffer, length, 0)?;
        Ok(buffer)
    }

    pub(super) fn parts(&mut self) -> Parts<'_> {
        Parts {
            rows: &mut self.rows,
            coefficients: &mut self.coefficients,
            band: &mut self.band,
            chunk: self.chunk.get_or_insert_with(new_chunk),
        }
    }
}

impl std::fmt::Debug for Arena {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Arena").field("bytes", &self.bytes()).finish_non_exhaustive()
    }
}

/// Brings a buffer to a length. What was in it stays, so that pages are only touched when they are written.
pub(super) fn sized<T: Copy>(buffer: &mut Vec<T>, length: usize, value: T) -> Result<(), PixelError> {
    if length > buffer.len() {
        let more = length - buffer.len();
        buffer
            .try_reserve_exact(more)
            .map_err(|_| PixelError::OutOfMemory { bytes: (length * size_of::<T>()) as u64 })?;
    }
    buffer.resize(length, value);
    Ok(())
}
