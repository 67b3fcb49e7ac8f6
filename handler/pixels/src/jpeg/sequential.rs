//! Scans that code each block in one go: from bits straight to samples.

use std::ops::Range;

use super::bits::{Bits, Chunk, Cursor};
use super::defect::Defect;
use super::huffman::{
    Decoding, END_ALONE, END_OF_BLOCK, PAIR_FROM_MAX, PAIRS_AT_ONCE, Pairs, SKIP_FROM_MAX, Skipping, advance, pair_at,
};
use super::transform::{self, Block};
use crate::dispatch::{HotLoop, dispatch};
use crate::zigzag::place;

/// One component of a scan.
pub(super) struct Part<'t> {
    /// Blocks across and down in an MCU of this scan.
    pub(super) across: usize,
    pub(super) down: usize,
    /// The side of a block's samples.
    pub(super) side: usize,
    pub(super) dc: &'t Decoding,
    pub(super) ac: &'t Decoding,
    /// Where coefficients are read over.
    pub(super) skipping: &'t Skipping,
    /// Where they are read.
    pub(super) pairs: &'t Pairs,
    pub(super) steps: &'t Block,
}

/// Where the samples of one component go. What lies to the right of a row's end is dropped.
#[derive(Default)]
pub(super) struct Target<'s> {
    pub(super) samples: &'s mut [u8],
    /// Samples of a row.
    pub(super) stride: usize,
    /// The plane's columns before the first that is kept.
    pub(super) left: usize,
}

/// Where the samples of one block go.
pub(super) struct Place<'s> {
    samples: &'s mut [u8],
    stride: usize,
    /// The samples of a row that are kept, if fewer than the block has.
    width: usize,
}

impl Target<'_> {
    /// The place of the block whose first sample is here.
    #[inline(always)]
    pub(super) fn at(&mut self, x: usize, y: usize) -> Place<'_> {
        let width = self.stride.saturating_sub(x);
        // What is beyond the right edge may be beyond the last row, too.
        let start = if width == 0 { 0 } else { y * self.stride + x };
        Place { samples: &mut self.samples[start..], stride: self.stride, width }
    }
}

/// Counts the MCUs from one restart marker to the next.
#[derive(Clone, Copy, Debug)]
pub(super) struct Restarts {
    interval: u32,
    left: u32,
    number: u8,
}

impl Restarts {
    pub(super) fn new(interval: u32) -> Self {
        Self { interval, left: interval, number: 0 }
    }

    /// To be asked before each MCU: whether a restart marker comes first.
    #[inline(always)]
    pub(super) fn due(&mut self, bits: &mut Bits<'_>) -> Result<bool, Defect> {
        if self.interval == 0 {
            return Ok(false);
        }
        if self.left > 0 {
            self.left -= 1;
            return Ok(false);
        }
        self.left = self.interval - 1;
        bits.restart(self.number)?;
        self.number = self.number.wrapping_add(1);
        Ok(true)
    }
}

/// A scan on its way through the image.
pub(super) struct Sequential<'t, 'a> {
    pub(super) bits: Bits<'a>,
    pub(super) parts: Vec<Part<'t>>,
    /// MCUs in a row.
    pub(super) mcus_across: usize,
    pub(super) restarts: Restarts,
    /// The first coefficient of the block before, by part.
    pub(super) predictors: [i32; 4],
    pub(super) waiting: Waiting,
}

/// Blocks that were read and are not samples yet. A processor waits where it is to read at once, and in large pieces, what it
/// has just written in small ones.
pub(super) struct Waiting {
    /// Coefficients; all zero where no block waits.
    blocks: [Block; WAITING_MAX],
    /// Where their samples go: the part, and the first sample's place.
    places: [(usize, usize, usize); WAITING_MAX],
    count: usize,
}

/// As many as are in a few MCUs.
const WAITING_MAX: usize = 16;

impl Waiting {
    /// Room for blocks, of which none waits.
    pub(super) fn new() -> Self {
        Self { blocks: [[0; 64]; WAITING_MAX], places: [(0, 0, 0); WAITING_MAX], count: 0 }
    }

    /// Where the coefficients of the next block go.
    #[inline(always)]
    fn next(&mut self) -> &mut Block {
        &mut self.blocks[self.count & (WAITING_MAX - 1)]
    }

    /// Says where the samples of the block go whose coefficients have just been read.
    #[inline(always)]
    fn add(&mut self, part: usize, x: usize, y: usize) {
        self.places[self.count & (WAITING_MAX - 1)] = (part, x, y);
        self.count += 1;
    }
}

impl Sequential<'_, '_> {
    /// Decodes the next row of MCUs. Only the samples of those in `window` are made.
    pub(super) fn row(&mut self, window: &Range<usize>, targets: &mut [Target<'_>]) -> Result<(), Defect> {
        let result = dispatch(Row { scan: self, window, targets });
        // Also what came before a defect.
        self.transform_waiting(targets);
        result
    }

    /// Makes the samples of the blocks that wait.
    fn transform_waiting(&mut self, targets: &mut [Target<'_>]) {
        dispatch(Transform { waiting: &mut self.waiting, parts: &self.parts, targets });
    }

    #[inline(always)]
    fn decode_row(&mut self, window: &Range<usize>, targets: &mut [Target<'_>]) -> Result<(), Defect> {
        for mcu in 0..self.mcus_across {
            if self.restarts.due(&mut self.bits)? {
                self.predictors = [0; 4];
            }
            let wanted = window.contains(&mcu);
            for index in 0..self.parts.len() {
                for down in 0..self.parts[index].down {
                    for across in 0..self.parts[index].across {
                        if self.waiting.count == WAITING_MAX {
                            self.transform_waiting(targets);
                        }
                        let (part, predictor) = (&self.parts[index], &mut self.predictors[index & 3]);
                        self.bits.ensure()?;
                        let (cursor, chunk) = (&mut self.bits.cursor, &*self.bits.chunk);
                        let difference = part.dc.difference(cursor, chunk)?;
                        *predictor = predictor.wrapping_add(difference);
                        if !wanted {
                            skip(cursor, chunk, part)?;
                            continue;
                        }
                        let target = &mut targets[index];
                        let (x, y) = ((mcu * part.across + across) * part.side - target.left, down * part.side);
                        #[expect(
                            clippy::cast_possible_truncation,
                            reason = "only a hostile file has more than 16 bits"
                        )]
                        let dc = *predictor as i16;
                        if part.side == 1 {
                            skip(cursor, chunk, part)?;
                            store(&[[transform::flat(dc, part.steps[0])]], &mut target.at(x, y));
                            continue;
                        }
                        let block = self.waiting.next();
                        if read(cursor, chunk, part, block)? {
                            block[0] = dc;
                            self.waiting.add(index, x, y);
                        } else {
                            fill(&mut target.at(x, y), part.side, transform::flat(dc, part.steps[0]));
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// Reads over the next row of MCUs.
    pub(super) fn skip_row(&mut self) -> Result<(), Defect> {
        let mut nowhere: [Target<'_>; 4] = Default::default();
        self.row(&(0..0), &mut nowhere)
    }
}

/// A row of MCUs to be decoded.
struct Row<'r, 't, 'a, 's> {
    scan: &'r mut Sequential<'t, 'a>,
    window: &'r Range<usize>,
    targets: &'r mut [Target<'s>],
}

impl HotLoop for Row<'_, '_, '_, '_> {
    type Output = Result<(), Defect>;

    #[inline(always)]
    fn run(self) -> Self::Output {
        self.scan.decode_row(self.window, self.targets)
    }
}

/// Blocks to become samples.
struct Transform<'r, 't, 's> {
    waiting: &'r mut Waiting,
    parts: &'r [Part<'t>],
    targets: &'r mut [Target<'s>],
}

impl HotLoop for Transform<'_, '_, '_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Waiting { blocks, places, count } = self.waiting;
        for (block, (part, x, y)) in blocks.iter_mut().zip(places).take(*count) {
            let (part, target) = (&self.parts[*part], &mut self.targets[*part]);
            inverse(block, part.steps, part.side, &mut target.at(*x, *y));
            block.fill(0);
        }
        *count = 0;
    }
}

/// Makes the samples of a block that has more than its first coefficient.
#[inline(always)]
pub(super) fn inverse(block: &Block, steps: &Block, side: usize, place: &mut Place<'_>) {
    match side {
        2 => store(&transform::quarter(block, steps), place),
        4 => store(&transform::half(block, steps), place),
        _ => store(&transform::full(block, steps), place),
    }
}

/// Makes the samples of a block that is all one value.
#[inline(always)]
pub(super) fn fill(place: &mut Place<'_>, side: usize, value: u8) {
    match side {
        1 => store(&[[value]], place),
        2 => store(&[[value; 2]; 2], place),
        4 => store(&[[value; 4]; 4], place),
        _ => store(&[[value; 8]; 8], place),
    }
}

#[inline(always)]
fn store<const SIDE: usize>(block: &[[u8; SIDE]; SIDE], place: &mut Place<'_>) {
    if place.width < SIDE {
        return store_part(block.as_flattened(), SIDE, place);
    }
    for (y, row) in block.iter().enumerate() {
        place.samples[y * place.stride..y * place.stride + SIDE].copy_from_slice(row);
    }
}

/// Stores the left part of a block at the right edge.
#[cold]
#[inline(never)]
fn store_part(block: &[u8], side: usize, place: &mut Place<'_>) {
    for (row, samples) in block.chunks_exact(side).zip(place.samples.chunks_mut(place.stride.max(1))) {
        samples[..place.width].copy_from_slice(&row[..place.width]);
    }
}

/// Reads the coefficients after the first. Says whether there is one.
#[inline(always)]
fn read(at: &mut Cursor, chunk: &Chunk, part: &Part<'_>, block: &mut Block) -> Result<bool, Defect> {
    let mut cursor = *at;
    let pairs = part.pairs.entries();
    let mut next = 1;
    'block: while next <= PAIR_FROM_MAX {
        cursor.refill(chunk);
        for _ in 0..PAIRS_AT_ONCE {
            let pair = pair_at(pairs, cursor.bits);
            if pair.is_none() {
                cursor.refill_below(32, chunk);
                next = read_one(&mut cursor, part.ac, block, next)?;
                continue 'block;
            }
            // Where there are fewer than two, the second is the first again, or a zero where there is one.
            block[place((next + pair.zeros()) as usize)] = pair.first();
            next += pair.advance();
            block[place((next - 1) as usize)] = pair.second();
            cursor.drop(pair.total());
            if next > PAIR_FROM_MAX {
                break 'block;
            }
        }
    }
    while next < 64 {
        cursor.refill_below(32, chunk);
        next = read_one(&mut cursor, part.ac, block, next)?;
    }
    *at = cursor;
    match next {
        // Nothing came before the end.
        _ if next == END_OF_BLOCK + 1 || next == END_ALONE + 1 => Ok(false),
        64 => Ok(true),
        _ if (END_OF_BLOCK..=END_OF_BLOCK + 64).contains(&next) || next > END_ALONE => Ok(true),
        _ => Err(PAST_THE_END),
    }
}

/// Reads one code with its value. Returns the place of the next coefficient.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "a value has at most 15 bits and a sign")]
fn read_one(cursor: &mut Cursor, ac: &Decoding, block: &mut Block, next: u32) -> Result<u32, Defect> {
    let code = ac.find(cursor.bits)?;
    if code.size() != 0 {
        let at = next + code.run();
        if at > 63 {
            return Err(PAST_THE_END);
        }
        block[place(at as usize)] = code.value(cursor.bits) as i16;
    }
    cursor.drop(code.total());
    Ok(next + advance(code))
}

/// Reads over the coefficients after the first.
#[inline(always)]
fn skip(at: &mut Cursor, chunk: &Chunk, part: &Part<'_>) -> Result<(), Defect> {
    let mut cursor = *at;
    let mut next = 1;
    while next <= SKIP_FROM_MAX {
        cursor.refill(chunk);
        let (bits, coefficients) = part.skipping.find(cursor.bits);
        if bits == 0 {
            next += skip_one(&mut cursor, part.ac)?;
        } else {
            cursor.drop(bits);
            next += coefficients;
        }
    }
    while next < 64 {
        cursor.refill_below(32, chunk);
        next += skip_one(&mut cursor, part.ac)?;
    }
    *at = cursor;
    if next == 64 || next >= END_OF_BLOCK { Ok(()) } else { Err(PAST_THE_END) }
}

#[inline(always)]
fn skip_one(cursor: &mut Cursor, ac: &Decoding) -> Result<u32, Defect> {
    let code = ac.find(cursor.bits)?;
    cursor.drop(code.total());
    Ok(advance(code))
}

const PAST_THE_END: Defect = Defect::Corrupt("a block has more than 64 coefficients");
