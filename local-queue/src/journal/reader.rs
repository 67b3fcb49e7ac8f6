//! Reading a segment: one whole frame after the other, and then a judgement of what comes behind them.

use super::format::{FRAME, Frame};

/// What is behind the last whole frame of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tail {
    /// Nothing, or room that was never used.
    Clean,
    /// Something that was being written when everything ended, and of which nobody was told that it is on the disk.
    Torn {
        /// Bytes up to the last that is not zero.
        bytes: usize,
    },
    /// Something that was on the disk once: a whole frame behind it says so.
    Damaged {
        /// Where the next whole frame is.
        next: usize,
    },
}

/// The frames of a segment.
#[derive(Clone, Debug)]
pub(crate) struct Frames<'a> {
    file: &'a [u8],
    at: usize,
    next: u64,
}

impl<'a> Frames<'a> {
    /// The frames from `at` on, of which the first has the number `next`.
    pub(crate) const fn new(file: &'a [u8], at: usize, next: u64) -> Self {
        Self { file, at, next }
    }

    /// Where the next frame is, or would be.
    pub(crate) const fn at(&self) -> usize {
        self.at
    }

    /// The number that the next frame has, or would have.
    pub(crate) const fn next_number(&self) -> u64 {
        self.next
    }

    /// What is behind the last whole frame, when all have been read.
    pub(crate) fn tail(&self) -> Tail {
        let rest = &self.file[self.at..];
        let Some(last) = rest.iter().rposition(|byte| *byte != 0) else { return Tail::Clean };
        let expected = self.next..self.next.saturating_add(rest.len() as u64);
        for offset in 1..rest.len().saturating_sub(FRAME) {
            let number = rest[offset + 8..offset + 16].try_into().map_or(0, u64::from_le_bytes);
            if expected.contains(&number)
                && let Some(frame) = Frame::read(&rest[offset..])
                && frame.durable >= self.next
            {
                return Tail::Damaged { next: self.at + offset };
            }
        }
        Tail::Torn { bytes: last + 1 }
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = (usize, Frame<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let frame = Frame::read(self.file.get(self.at..)?).filter(|frame| frame.number == self.next)?;
        let at = self.at;
        self.at += frame.len();
        self.next += 1;
        Some((at, frame))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::format::{add_frame, seal_frames};

    /// Two writes of two frames each.
    fn file() -> (Vec<u8>, Vec<usize>) {
        let (mut file, mut starts) = (Vec::new(), Vec::new());
        for first in [1, 3] {
            let mut write = Vec::new();
            for number in [first, first + 1] {
                starts.push(file.len() + write.len());
                add_frame(&mut write, number, |payload| payload.extend([7; 30]));
            }
            seal_frames(&mut write, first - 1);
            file.extend(write);
        }
        (file, starts)
    }

    fn read(file: &[u8]) -> (usize, Tail) {
        let mut frames = Frames::new(file, 0, 1);
        (frames.by_ref().count(), frames.tail())
    }

    #[test]
    fn what_was_known_to_be_on_the_disk_is_damaged_and_what_was_not_is_torn() {
        let (whole, starts) = file();
        assert_eq!(read(&whole), (4, Tail::Clean));
        assert_eq!(read(&[whole.as_slice(), &[0; 5_000]].concat()), (4, Tail::Clean));
        for (broken, tail) in [
            (0, Tail::Damaged { next: starts[2] }),
            (1, Tail::Damaged { next: starts[2] }),
            (2, Tail::Torn { bytes: whole.len() - starts[2] }),
            (3, Tail::Torn { bytes: whole.len() - starts[3] }),
        ] {
            let mut file = whole.clone();
            file[starts[broken] + FRAME] ^= 1;
            assert_eq!(read(&file), (broken, tail), "frame {broken}");
        }
        for cut in 0..whole.len() {
            let (count, tail) = read(&whole[..cut]);
            let rest = cut - starts.get(count).copied().unwrap_or(whole.len());
            let zeros = whole[cut - rest..cut].iter().rev().take_while(|byte| **byte == 0).count();
            let expected = if rest == zeros { Tail::Clean } else { Tail::Torn { bytes: rest - zeros } };
            assert_eq!(tail, expected, "cut at {cut}");
        }
    }
}
