//! Rows of a fax: modified Huffman, group 3 with one or two dimensions, group 4. The tables of codes are those of `fax`.

use std::borrow::Cow;

use fax::BitReader;
use fax::maps::{Mode, black, mode, white};

use super::FORMAT;
use crate::error::PixelError;

/// Zeros that no code begins with, so that they belong to an end of line.
const END_OF_LINE_ZEROS: u8 = 9;

/// Ends of line in succession that end a fax.
const ENDS_OF_LINE: u32 = 2;

/// How rows are coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    /// Runs; each row begins with a byte.
    ModifiedHuffman,
    /// Runs, an end of line before each row.
    Group3,
    /// The same, and a bit for each row that says whether it has runs or differences.
    Group3TwoDimensional,
    /// Differences from the row above.
    Group4,
}

/// A strip or tile on its way to rows of bits, of which those of black are set.
pub(super) struct Fax<'a> {
    bits: Bits<'a>,
    coding: Coding,
    width: u32,
    /// Where the colour changes in the last row, which begins white, and in this one. Each is greater than the one before.
    reference: Vec<u32>,
    current: Vec<u32>,
    /// Whether the file has said that there are no more rows.
    ended: bool,
}

impl<'a> Fax<'a> {
    pub(super) fn new(data: Cow<'a, [u8]>, coding: Coding, width: u32) -> Self {
        Self { bits: Bits { data, at: 0 }, coding, width, reference: Vec::new(), current: Vec::new(), ended: false }
    }

    /// The next row. Those that follow the end that the file has are white.
    pub(super) fn read(&mut self, row: &mut [u8]) -> Result<(), PixelError> {
        row.fill(0);
        self.current.clear();
        if !self.ended {
            self.next()?;
        }
        let mut changes = self.current.iter().copied();
        while let Some(start) = changes.next() {
            blacken(row, start, changes.next().unwrap_or(self.width));
        }
        std::mem::swap(&mut self.reference, &mut self.current);
        Ok(())
    }

    fn next(&mut self) -> Result<(), PixelError> {
        match self.coding {
            Coding::ModifiedHuffman => {
                self.runs()?;
                self.bits.align();
                Ok(())
            }
            Coding::Group3 => {
                self.line_begins(false)?;
                if self.ended { Ok(()) } else { self.runs() }
            }
            Coding::Group3TwoDimensional => match self.line_begins(true)? {
                _ if self.ended => Ok(()),
                true => self.runs(),
                false => self.differences(),
            },
            Coding::Group4 => self.differences(),
        }
    }

    /// Reads over the end of line before a row, and says whether the row has runs. Files without any such end exist.
    fn line_begins(&mut self, tagged: bool) -> Result<bool, PixelError> {
        let (mut found, mut runs) = (0, !tagged);
        while self.bits.peek(END_OF_LINE_ZEROS) == Some(0) {
            while self.bits.peek(1) == Some(0) {
                if self.bits.is_over() {
                    return Err(truncated());
                }
                self.bits.at += 1;
            }
            self.bits.at += 1;
            if tagged {
                runs = self.bits.peek(1) == Some(1);
                self.bits.at += 1;
            }
            found += 1;
            if found == ENDS_OF_LINE {
                self.ended = true;
                return Ok(true);
            }
        }
        if tagged && found == 0 {
            return Err(PixelError::corrupt(FORMAT, "a row of its fax does not begin with an end of line"));
        }
        Ok(runs)
    }

    /// A row of runs.
    fn runs(&mut self) -> Result<(), PixelError> {
        let (mut at, mut black) = (0, false);
        while at < self.width {
            at = self.width.min(at + self.run(black)?);
            self.change(at);
            black = !black;
        }
        Ok(())
    }

    /// A row of differences from the one above.
    fn differences(&mut self) -> Result<(), PixelError> {
        // The place before the first pixel is neither in the row nor beyond any change.
        let (mut at, mut begun, mut black, mut next) = (0, false, false, 0);
        while at < self.width {
            next = self.opposite(next, at, begun, black);
            let above = |index: usize| self.reference.get(index).copied().unwrap_or(self.width);
            match mode::decode(&mut self.bits) {
                Some(Mode::Pass) => at = above(next + 1),
                Some(Mode::Vertical(by)) => {
                    let to = above(next).checked_add_signed(by.into());
                    let to = to.filter(|to| (at..=self.width).contains(to)).ok_or_else(contradiction)?;
                    self.change(to);
                    (at, black) = (to, !black);
                }
                Some(Mode::Horizontal) => {
                    for black in [black, !black] {
                        at = self.width.min(at + self.run(black)?);
                        self.change(at);
                    }
                }
                Some(Mode::Extension) => return Err(PixelError::unsupported(FORMAT, "fax rows without compression")),
                Some(Mode::EOF) if at == 0 && !begun => {
                    self.ended = true;
                    return Ok(());
                }
                Some(Mode::EOF) => return Err(truncated()),
                None => return Err(if self.bits.is_over() { truncated() } else { contradiction() }),
            }
            begun = true;
        }
        Ok(())
    }

    /// The first change above that is to the right of a place and from this colour, near the last one found.
    fn opposite(&self, mut index: usize, at: u32, begun: bool, black: bool) -> usize {
        let reference = &self.reference;
        while index > 0 && reference.get(index - 1).is_none_or(|change| *change > at) {
            index -= 1;
        }
        while begun && reference.get(index).is_some_and(|change| *change <= at) {
            index += 1;
        }
        if (index % 2 == 1) == black { index } else { index + 1 }
    }

    /// Notes a change of colour. Two at one place are none.
    fn change(&mut self, at: u32) {
        if self.current.last() == Some(&at) {
            self.current.pop();
        } else if at < self.width {
            self.current.push(at);
        }
    }

    fn run(&mut self, is_black: bool) -> Result<u32, PixelError> {
        let mut run: u32 = 0;
        loop {
            let code = if is_black { black::decode(&mut self.bits) } else { white::decode(&mut self.bits) };
            let Some(code) = code else {
                return Err(if self.bits.is_over() { truncated() } else { contradiction() });
            };
            run = run.saturating_add(code.into()).min(self.width);
            if code < 64 {
                return Ok(run);
            }
        }
    }
}

fn truncated() -> PixelError {
    PixelError::truncated(FORMAT, "its fax ends within its rows")
}

fn contradiction() -> PixelError {
    PixelError::corrupt(FORMAT, "its fax has codes that do not exist or lead out of the row")
}

/// Sets the bits from `start` to `end`, from the highest of each byte.
fn blacken(row: &mut [u8], start: u32, end: u32) {
    let (first, last) = (start as usize / 8, end as usize / 8);
    let (head, tail) = (0xff >> (start % 8), !(0xff_u8 >> (end % 8)));
    if first == last {
        if let Some(byte) = row.get_mut(first) {
            *byte |= head & tail;
        }
        return;
    }
    if let Some(byte) = row.get_mut(first) {
        *byte |= head;
    }
    if let Some(bytes) = row.get_mut(first + 1..last) {
        bytes.fill(0xff);
    }
    if let Some(byte) = row.get_mut(last) {
        *byte |= tail;
    }
}

/// Bits, of which there are only zeros behind the end.
struct Bits<'a> {
    data: Cow<'a, [u8]>,
    at: usize,
}

impl Bits<'_> {
    fn is_over(&self) -> bool {
        self.at >= self.data.len() * 8
    }

    fn align(&mut self) {
        self.at = self.at.next_multiple_of(8);
    }
}

impl BitReader for Bits<'_> {
    type Error = ();

    fn peek(&self, bits: u8) -> Option<u16> {
        let byte = |index: usize| u32::from(self.data.get(self.at / 8 + index).copied().unwrap_or(0));
        let word = byte(0) << 16 | byte(1) << 8 | byte(2);
        let shift = 24_usize.checked_sub(self.at % 8 + usize::from(bits)).filter(|_| bits <= 16)?;
        u16::try_from(word >> shift & ((1 << bits) - 1)).ok()
    }

    fn consume(&mut self, bits: u8) -> Result<(), ()> {
        self.at += usize::from(bits);
        Ok(())
    }

    fn bits_to_byte_boundary(&self) -> u8 {
        u8::try_from(self.at.next_multiple_of(8) - self.at).unwrap_or(0)
    }
}
