//! The bytes of an object: a rope of blocks, which uploads, copies, parts and answers share instead of copying them. A block is
//! in memory, or a stretch of a file.

use std::{any::Any, fmt, fs::File, io, ops::Range, sync::Arc};

use bytes::{Bytes, BytesMut};
use s3s::{
    StdError,
    dto::StreamingBlob,
    stream::{ByteStream, RemainingLength},
};

/// What small pieces are gathered in: a piece of a socket would keep the larger buffer alive that it came in. So much of a
/// file is read at once.
const BLOCK_BYTES: usize = 256 * 1024;

/// A file with bytes of objects.
pub(super) trait Source: fmt::Debug + Send + Sync {
    /// Opens it. What is open stays what it is, whatever becomes of the file's name.
    fn open(&self) -> io::Result<File>;

    /// For whoever has made it.
    fn as_any(&self) -> &dyn Any;
}

/// A file that is open already.
#[derive(Debug)]
struct Opened(File);

impl Source for Opened {
    fn open(&self) -> io::Result<File> {
        self.0.try_clone()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

#[derive(Clone, Debug)]
enum Block {
    Memory(Bytes),
    File { source: Arc<dyn Source>, start: u64, bytes: u64 },
}

impl Block {
    fn bytes(&self) -> u64 {
        match self {
            Self::Memory(block) => block.len() as u64,
            Self::File { bytes, .. } => *bytes,
        }
    }

    /// A stretch of it, which must lie within.
    fn slice(&self, range: Range<u64>) -> Self {
        match self {
            Self::Memory(block) => {
                let at = |at: u64| usize::try_from(at).unwrap_or(block.len());
                Self::Memory(block.slice(at(range.start)..at(range.end)))
            }
            Self::File { source, start, .. } => {
                Self::File { source: Arc::clone(source), start: start + range.start, bytes: range.end - range.start }
            }
        }
    }
}

/// Bytes that do not change any more.
#[derive(Clone, Debug, Default)]
pub(super) struct Content {
    blocks: Vec<Block>,
    bytes: u64,
}

impl Content {
    /// A whole file of this length.
    #[cfg_attr(not(unix), expect(dead_code, reason = "objects are files on Unix only"))]
    pub(super) fn of_file(source: Arc<dyn Source>, bytes: u64) -> Self {
        let mut content = Self::default();
        content.push(Block::File { source, start: 0, bytes });
        content
    }

    /// The file, if these bytes are all of one.
    #[cfg_attr(not(unix), expect(dead_code, reason = "objects are files on Unix only"))]
    pub(super) fn file(&self) -> Option<&dyn Source> {
        match &self.blocks[..] {
            [Block::File { source, start: 0, .. }] => Some(&**source),
            _ => None,
        }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The same bytes, which stay whatever is put in the place of their files.
    pub(super) fn pinned(&self) -> io::Result<Self> {
        let pin = |block: &Block| match block {
            Block::Memory(block) => Ok(Block::Memory(block.clone())),
            Block::File { source, start, bytes } => {
                let source = Arc::new(Opened(source.open()?));
                Ok(Block::File { source, start: *start, bytes: *bytes })
            }
        };
        Ok(Self { blocks: self.blocks.iter().map(pin).collect::<io::Result<_>>()?, bytes: self.bytes })
    }

    /// Gives all bytes, piece by piece.
    pub(super) fn read(&self, mut each: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        let mut reader = Reader { blocks: self.blocks.clone().into_iter(), file: None };
        while let Some(piece) = reader.next()? {
            each(&piece)?;
        }
        Ok(())
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
            let end = start + block.bytes();
            let (from, to) = (range.start.max(start), range.end.min(end));
            if from < to {
                part.push(block.slice(from - start..to - start));
            }
            start = end;
        }
        part
    }

    fn push(&mut self, block: Block) {
        self.bytes += block.bytes();
        self.blocks.push(block);
    }

    /// As an answer's body.
    pub(super) fn into_body(self) -> StreamingBlob {
        StreamingBlob::new(Body { left: self.bytes, reader: Reader { blocks: self.blocks.into_iter(), file: None } })
    }

    /// All in one piece.
    pub(super) fn to_bytes(&self) -> io::Result<Bytes> {
        if let [Block::Memory(block)] = &self.blocks[..] {
            return Ok(block.clone());
        }
        let mut whole = BytesMut::new();
        self.read(|piece| {
            whole.extend_from_slice(piece);
            Ok(())
        })?;
        Ok(whole.freeze())
    }
}

impl From<Bytes> for Content {
    fn from(bytes: Bytes) -> Self {
        let mut content = Self::default();
        if !bytes.is_empty() {
            content.push(Block::Memory(bytes));
        }
        content
    }
}

/// Where content goes that comes in piece by piece.
pub(super) trait Sink: Send {
    fn push(&mut self, piece: &[u8]) -> io::Result<()>;

    fn bytes(&self) -> u64;

    fn finish(self: Box<Self>) -> Content;
}

/// Content in the making, in memory.
#[derive(Debug, Default)]
pub(super) struct Gathering {
    content: Content,
    block: BytesMut,
}

impl Sink for Gathering {
    fn push(&mut self, piece: &[u8]) -> io::Result<()> {
        // A small object takes no more than its bytes.
        if self.block.capacity() == 0 {
            self.block.reserve(if self.content.bytes == 0 { piece.len() } else { BLOCK_BYTES });
        }
        self.block.extend_from_slice(piece);
        if self.block.len() >= BLOCK_BYTES {
            self.content.push(Block::Memory(std::mem::take(&mut self.block).freeze()));
        }
        Ok(())
    }

    fn bytes(&self) -> u64 {
        self.content.bytes + self.block.len() as u64
    }

    fn finish(mut self: Box<Self>) -> Content {
        if !self.block.is_empty() {
            self.content.push(Block::Memory(self.block.freeze()));
        }
        self.content
    }
}

/// Goes through blocks, files in pieces.
#[derive(Debug)]
struct Reader {
    blocks: std::vec::IntoIter<Block>,
    /// What is being read, from where on, and how much of it.
    file: Option<(File, u64, u64)>,
}

impl Reader {
    fn next(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            if let Some((file, start, left)) = &mut self.file {
                let length = usize::try_from(*left).unwrap_or(BLOCK_BYTES).min(BLOCK_BYTES);
                let mut piece = vec![0; length];
                // From the cache of the system as a rule; a task of its own would cost more than the read.
                read_exact_at(file, &mut piece, *start)?;
                *start += length as u64;
                *left -= length as u64;
                if *left == 0 {
                    self.file = None;
                }
                return Ok(Some(piece.into()));
            }
            match self.blocks.next() {
                None => return Ok(None),
                Some(Block::Memory(block)) => return Ok(Some(block)),
                Some(Block::File { bytes: 0, .. }) => {}
                Some(Block::File { source, start, bytes }) => self.file = Some((source.open()?, start, bytes)),
            }
        }
    }
}

#[cfg(unix)]
fn read_exact_at(file: &File, piece: &mut [u8], at: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, piece, at)
}

#[cfg(not(unix))]
fn read_exact_at(file: &File, piece: &mut [u8], at: u64) -> io::Result<()> {
    use std::io::{Read as _, Seek as _, SeekFrom};

    let mut file = file;
    file.seek(SeekFrom::Start(at))?;
    file.read_exact(piece)
}

struct Body {
    reader: Reader,
    left: u64,
}

impl futures_util::Stream for Body {
    type Item = Result<Bytes, StdError>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        let piece = self.reader.next();
        if let Ok(Some(piece)) = &piece {
            self.left = self.left.saturating_sub(piece.len() as u64);
        }
        std::task::Poll::Ready(piece.map_err(Into::into).transpose())
    }
}

impl ByteStream for Body {
    fn remaining_length(&self) -> RemainingLength {
        RemainingLength::new_exact(usize::try_from(self.left).unwrap_or(usize::MAX))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    /// The same bytes in memory, and in two files one behind the other.
    fn kinds(whole: &[u8], size: usize) -> [Content; 2] {
        let mut gathering = Box::<Gathering>::default();
        whole.chunks(size).for_each(|piece| gathering.push(piece).unwrap());
        assert_eq!(gathering.bytes(), whole.len() as u64);
        let mut files = Content::default();
        for piece in whole.chunks(whole.len() / 2 + 1) {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(piece).unwrap();
            files.append(&Content::of_file(Arc::new(Opened(file)), piece.len() as u64));
        }
        [gathering.finish(), files]
    }

    #[test]
    fn a_part_is_what_it_would_be_of_one_piece_however_the_bytes_came() {
        let whole = (0..1_000_000_u32).map(|index| u8::try_from(index % 251).unwrap()).collect::<Vec<_>>();
        for size in [1_000, 65_536, 300_000, whole.len()] {
            for content in kinds(&whole, size) {
                assert_eq!(content.to_bytes().unwrap(), whole);
                for (from, to) in
                    [(0, 0), (0, 1), (262_143, 262_145), (500_000, 500_002), (5, 999_999), (999_999, 1_000_000)]
                {
                    let part = content.part(from as u64..to as u64).pinned().unwrap();
                    assert_eq!(
                        (part.to_bytes().unwrap().as_ref(), part.bytes()),
                        (&whole[from..to], (to - from) as u64)
                    );
                }
            }
        }
    }

    #[test]
    fn parts_put_together_are_the_whole() {
        let mut content = Content::from(Bytes::from_static(b"one "));
        content.append(&Content::from(Bytes::from_static(b"two")));
        content.append(&Content::default());
        assert_eq!((content.to_bytes().unwrap().as_ref(), content.bytes()), (&b"one two"[..], 7));
    }
}
