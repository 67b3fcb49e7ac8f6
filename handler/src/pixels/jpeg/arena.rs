//! Memory that outlives a decoder, so that the next image need not ask the system for it again.

use super::bits::{Chunk, new_chunk};
use super::strips::Rows;
use crate::pixels::error::PixelError;

/// The buffers of a worker that decodes one image after the other. Fresh pages cost as much as a good part of decoding.
#[derive(Default)]
pub struct Arena {
    pub(super) rows: Rows,
    pub(super) coefficients: Vec<i16>,
    pub(super) band: Vec<u8>,
    chunk: Option<Box<Chunk>>,
    spare: Vec<u8>,
}

impl Arena {
    /// Gives a buffer back, for the next output.
    pub fn recycle(&mut self, buffer: Vec<u8>) {
        if buffer.capacity() > self.spare.capacity() {
            self.spare = buffer;
        }
    }

    /// Bytes that are kept.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let chunk = self.chunk.as_ref().map_or(0, |chunk| chunk.len());
        self.rows.bytes() + self.coefficients.capacity() * 2 + self.band.capacity() + self.spare.capacity() + chunk
    }

    /// Gives everything back if it is more than so many bytes.
    pub fn shrink_to(&mut self, bytes_max: usize) {
        if self.bytes() > bytes_max {
            *self = Self::default();
        }
    }

    /// A buffer of this length, with whatever was in it.
    pub(super) fn output(&mut self, length: usize) -> Result<Vec<u8>, PixelError> {
        let mut buffer = std::mem::take(&mut self.spare);
        sized(&mut buffer, length, 0)?;
        Ok(buffer)
    }

    /// The memory for unstuffed bytes. To be given back by [`Arena::keep_chunk`].
    pub(super) fn chunk(&mut self) -> Box<Chunk> {
        self.chunk.take().unwrap_or_else(new_chunk)
    }

    pub(super) fn keep_chunk(&mut self, chunk: Box<Chunk>) {
        self.chunk = Some(chunk);
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
