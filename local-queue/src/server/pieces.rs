//! A body in the pieces that it comes in.

use bytes::{Bytes, BytesMut};

/// Headers and bodies up to here are not counted: they are no more than what a connection takes anyway.
pub(super) const FREE_BYTES: usize = 4 * 1024;
/// What a long body is collected in.
const BLOCK_BYTES: usize = 64 * 1024;

/// A body as it comes. Most bodies come in one piece and are not copied; the others are copied into blocks and put together
/// when they are whole. A buffer that grows would leave its smaller selves behind, which an allocator keeps for a while.
#[derive(Default)]
pub(super) struct Pieces {
    first: Bytes,
    blocks: Vec<BytesMut>,
    bytes: usize,
}

impl Pieces {
    pub(super) fn push(&mut self, mut data: Bytes) {
        self.bytes += data.len();
        if self.bytes == data.len() {
            self.first = data;
            return;
        }
        while !data.is_empty() {
            let room = self.blocks.last().map_or(0, |block| block.capacity() - block.len());
            match self.blocks.last_mut() {
                Some(block) if room > 0 => block.extend_from_slice(&data.split_to(room.min(data.len()))),
                None => self.blocks.push(BytesMut::with_capacity(FREE_BYTES)),
                Some(_) => self.blocks.push(BytesMut::with_capacity(BLOCK_BYTES)),
            }
        }
    }

    /// How many bytes there are.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn join(self) -> Bytes {
        if self.blocks.is_empty() {
            return self.first;
        }
        let mut whole = BytesMut::with_capacity(self.bytes);
        whole.extend_from_slice(&self.first);
        for block in self.blocks {
            whole.extend_from_slice(&block);
        }
        whole.freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_what_came_in_however_many_pieces() {
        let body = (0..200_000_u32).map(|index| u8::try_from(index % 251).unwrap()).collect::<Vec<_>>();
        for size in [1, 2, 1_000, FREE_BYTES, FREE_BYTES + 1, BLOCK_BYTES, BLOCK_BYTES + 1, 150_000, body.len()] {
            let mut pieces = Pieces::default();
            // An empty piece is none.
            pieces.push(Bytes::new());
            for piece in body.chunks(size) {
                pieces.push(Bytes::copy_from_slice(piece));
                pieces.push(Bytes::new());
            }
            let taken = pieces.blocks.iter().map(BytesMut::capacity).sum::<usize>();
            assert!(taken <= body.len() + FREE_BYTES + BLOCK_BYTES, "{taken} bytes for pieces of {size}");
            assert_eq!(pieces.join(), body, "pieces of {size} bytes");
        }
        assert!(Pieces::default().join().is_empty());
    }
}
