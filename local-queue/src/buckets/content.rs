//! The bytes of an object: a rope of blocks, which uploads, copies, parts and answers share instead of copying them.

use std::ops::Range;

use bytes::{Bytes, BytesMut};
use s3s::{
    StdError,
    dto::StreamingBlob,
    stream::{ByteStream, RemainingLength},
};

/// What small pieces are gathered in: a piece of a socket would keep the larger buffer alive that it came in.
const BLOCK_BYTES: usize = 256 * 1024;

/// Bytes that do not change any more.
#[derive(Clone, Debug, Default)]
pub(super) struct Content {
    blocks: Vec<Bytes>,
    bytes: u64,
}

impl Content {
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn blocks(&self) -> &[Bytes] {
        &self.blocks
    }

    /// Puts other bytes behind these.
    pub(super) fn append(&mut self, other: &Self) {
        self.blocks.extend_from_slice(&other.blocks);
        self.bytes += other.bytes;
    }

    /// A part, which must lie within.
    pub(super) fn part(&self, range: Range<u64>) -> Self {
        let mut part = Self::default();
        let mut start = 0;
        for block in &self.blocks {
            let end = start + block.len() as u64;
            let (from, to) = (range.start.max(start), range.end.min(end));
            if from < to {
                let within = |at: u64| usize::try_from(at - start).unwrap_or(block.len());
                part.push(block.slice(within(from)..within(to)));
            }
            start = end;
        }
        part
    }

    fn push(&mut self, block: Bytes) {
        self.bytes += block.len() as u64;
        self.blocks.push(block);
    }

    /// As an answer's body.
    pub(super) fn into_body(self) -> StreamingBlob {
        StreamingBlob::new(Body { left: self.bytes, blocks: self.blocks.into_iter() })
    }

    /// All in one piece.
    pub(super) fn to_bytes(&self) -> Bytes {
        match &self.blocks[..] {
            [] => Bytes::new(),
            [block] => block.clone(),
            blocks => blocks.concat().into(),
        }
    }
}

impl From<Bytes> for Content {
    fn from(bytes: Bytes) -> Self {
        let mut content = Self::default();
        if !bytes.is_empty() {
            content.push(bytes);
        }
        content
    }
}

/// Content in the making.
#[derive(Debug, Default)]
pub(super) struct Gathering {
    content: Content,
    block: BytesMut,
}

impl Gathering {
    pub(super) fn push(&mut self, piece: &[u8]) {
        // A small object takes no more than its bytes.
        if self.block.capacity() == 0 {
            self.block.reserve(if self.content.bytes == 0 { piece.len() } else { BLOCK_BYTES });
        }
        self.block.extend_from_slice(piece);
        if self.block.len() >= BLOCK_BYTES {
            self.content.push(std::mem::take(&mut self.block).freeze());
        }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.content.bytes + self.block.len() as u64
    }

    pub(super) fn finish(mut self) -> Content {
        if !self.block.is_empty() {
            self.content.push(self.block.freeze());
        }
        self.content
    }
}

struct Body {
    blocks: std::vec::IntoIter<Bytes>,
    left: u64,
}

impl futures_util::Stream for Body {
    type Item = Result<Bytes, StdError>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        let block = self.blocks.next();
        self.left -= block.as_ref().map_or(0, |block| block.len() as u64);
        std::task::Poll::Ready(block.map(Ok))
    }
}

impl ByteStream for Body {
    fn remaining_length(&self) -> RemainingLength {
        RemainingLength::new_exact(usize::try_from(self.left).unwrap_or(usize::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_what_it_would_be_of_one_piece_however_the_bytes_came() {
        let whole = (0..1_000_000_u32).map(|index| u8::try_from(index % 251).unwrap()).collect::<Vec<_>>();
        for size in [1_000, 65_536, 300_000, whole.len()] {
            let mut gathering = Gathering::default();
            whole.chunks(size).for_each(|piece| gathering.push(piece));
            assert_eq!(gathering.bytes(), whole.len() as u64);
            let content = gathering.finish();
            assert_eq!(content.to_bytes(), whole);
            for (from, to) in [(0, 0), (0, 1), (262_143, 262_145), (5, 999_999), (999_999, 1_000_000)] {
                let part = content.part(from as u64..to as u64);
                assert_eq!((part.to_bytes().as_ref(), part.bytes()), (&whole[from..to], (to - from) as u64));
            }
        }
    }

    #[test]
    fn parts_put_together_are_the_whole() {
        let mut content = Content::from(Bytes::from_static(b"one "));
        content.append(&Content::from(Bytes::from_static(b"two")));
        content.append(&Content::default());
        assert_eq!((content.to_bytes().as_ref(), content.bytes(), content.blocks().len()), (&b"one two"[..], 7, 2));
    }
}
