//! Scans that refine the coefficients of the image step by step.
//!
//! - Only the coefficients that the scale needs are kept: of a plane that becomes one sample a block it is the first one,
//!   and the scans of all others are not even read.
//! - All scans are read side by side, a row of MCUs of each, so that no more than this row is held. Only where that would
//!   take more memory, in small images, are they read one after the other.
//! - A scan may only add to what is known. A file that repeats scans to keep the decoder busy is refused.

use std::ops::Range;

use super::bits::{Bits, Chunk, Cursor};
use super::defect::Defect;
use super::headers::{HuffmanSpec, Scan, Tables};
use super::huffman::Decoding;
use super::layout::{Layout, Plane};
use super::sequential::{Restarts, Target, fill, inverse};
use super::transform::{self, Block};
use crate::dispatch::{HotLoop, dispatch};
use crate::zigzag::place;

/// What the bits of a coefficient are before its first scan.
const UNKNOWN: u8 = u8::MAX;

/// What a scan holds while it is read: the bytes at hand, and a table.
const SCAN_BYTES: u64 = (size_of::<Chunk>() + size_of::<Decoding>() + Decoding::BYTES) as u64;

/// What is known of the coefficients from the scans so far, by component and coefficient: the lowest bit.
pub(super) struct Known(Vec<[u8; 64]>);

impl Known {
    pub(super) fn new(layout: &Layout) -> Self {
        Self(vec![[UNKNOWN; 64]; layout.planes.len()])
    }

    /// Notes what a scan will tell. Says whether anything of it is kept.
    pub(super) fn announce(&mut self, scan: &Scan, layout: &Layout) -> Result<bool, Defect> {
        let (before, after) = scan.bits;
        let mut needed = false;
        for component in &scan.components {
            for known in &mut self.0[component.index][scan.band.0..=scan.band.1] {
                let expected = if before == 0 { UNKNOWN } else { before };
                if *known != expected {
                    return Err(Defect::Corrupt("a scan repeats what is known or refines what is not"));
                }
                *known = after;
            }
            needed |= scan.band.0 < Layout::kept_coefficients(&layout.planes[component.index]);
        }
        Ok(needed)
    }

    /// Whether every component has had a scan.
    pub(super) fn is_complete(&self) -> bool {
        self.0.iter().all(|known| known[0] != UNKNOWN)
    }
}

/// A scan that is to be read.
pub(super) struct Planned {
    scan: Scan,
    /// Those of its components, for a first scan; else one or none.
    codes: Vec<Option<HuffmanSpec>>,
    restart_interval: u32,
    /// Where its coded data begin.
    at: usize,
}

impl Planned {
    /// With the tables as they are before it.
    pub(super) fn new(scan: Scan, tables: &Tables, at: usize) -> Self {
        let codes = match scan.components.first() {
            Some(only) if scan.band.0 > 0 => vec![tables.ac[only.ac].as_deref().copied()],
            _ if scan.bits.0 > 0 => Vec::new(),
            _ => scan.components.iter().map(|component| tables.dc[component.dc].as_deref().copied()).collect(),
        };
        Self { scan, codes, restart_interval: tables.restart_interval, at }
    }

    /// The scan before its first MCU.
    pub(super) fn start<'p>(&'p self, file: &'p [u8], chunk: &'p mut Chunk) -> Result<Running<'p>, Defect> {
        let missing = Defect::Corrupt("a Huffman table is missing");
        let tables = self.codes.iter().map(|codes| Decoding::new(codes.as_ref().ok_or(missing)?));
        Ok(Running {
            bits: Bits::new(file, self.at, chunk),
            scan: &self.scan,
            tables: tables.collect::<Result<_, Defect>>()?,
            restarts: Restarts::new(self.restart_interval),
            predictors: [0; 4],
            blocks_ended: 0,
        })
    }
}

/// Bytes that so many scans take side by side, with a row of coefficients.
fn side_by_side_bytes(layout: &Layout, scans: u64) -> u64 {
    scans.saturating_mul(SCAN_BYTES).saturating_add(layout.coefficients(1) * 2)
}

/// Whether so many scans take less memory side by side than one after the other, for which all coefficients are held.
pub(super) fn fit_side_by_side(layout: &Layout, scans: usize) -> bool {
    side_by_side_bytes(layout, scans as u64) <= layout.coefficients(layout.mcus.1) * 2
}

/// The most bytes that so many scans take besides their tables.
pub(super) fn scans_bytes(layout: &Layout, scans: u32) -> u64 {
    side_by_side_bytes(layout, scans.into()).min(layout.coefficients(layout.mcus.1) * 2)
}

/// Where the coefficients of a plane are.
#[derive(Clone, Copy, Debug)]
struct Place {
    start: usize,
    /// Blocks before its first.
    blocks: usize,
    /// Blocks of a row, with what pads the last MCU, and rows of them in an MCU.
    across: usize,
    down: usize,
    /// Coefficients of a block.
    kept: usize,
}

/// The coefficients of some rows of MCUs.
pub(super) struct Coefficients<'m> {
    values: &'m mut [i16],
    /// For each block, a bit for each coefficient after the first that is not zero, in the order of the file.
    masks: Vec<u64>,
    places: Vec<Place>,
    /// The first row of MCUs that is held.
    first_row: usize,
}

/// One block.
struct BlockMut<'c> {
    /// All of its coefficients, or the first alone.
    values: &'c mut [i16],
    mask: &'c mut u64,
}

impl<'m> Coefficients<'m> {
    /// So many rows of a layout, in zeroed memory of [`Layout::coefficients`] values.
    pub(super) fn new(layout: &Layout, rows: usize, values: &'m mut [i16]) -> Self {
        let (mut start, mut blocks) = (0, 0);
        let place = |plane: &Plane| {
            let (across, down) = (layout.mcus.0 * plane.across, plane.down);
            let place = Place { start, blocks, across, down, kept: Layout::kept_coefficients(plane) };
            start += across * down * rows * place.kept;
            blocks += across * down * rows;
            place
        };
        let places = layout.planes.iter().map(place).collect();
        Self { values, masks: vec![0; blocks], places, first_row: 0 }
    }

    /// Forgets the rows that are held, and turns to those from this one on.
    pub(super) fn turn_to(&mut self, mcu_row: usize) {
        self.values.fill(0);
        self.masks.fill(0);
        self.first_row = mcu_row;
    }

    /// The coefficients of a block, and which of them after the first are not zero.
    #[inline(always)]
    fn block(&self, component: usize, x: usize, y: usize) -> (&[i16], u64) {
        let place = self.places[component];
        let block = (y - self.first_row * place.down) * place.across + x;
        let start = place.start + block * place.kept;
        (&self.values[start..start + place.kept], self.masks[place.blocks + block])
    }

    #[inline(always)]
    fn block_mut(&mut self, component: usize, x: usize, y: usize) -> BlockMut<'_> {
        let place = self.places[component];
        let block = (y - self.first_row * place.down) * place.across + x;
        let start = place.start + block * place.kept;
        BlockMut { values: &mut self.values[start..start + place.kept], mask: &mut self.masks[place.blocks + block] }
    }
}

/// The samples of a plane to be made for some columns of a row of MCUs.
pub(super) struct Transform<'t, 'm, 's> {
    pub(super) coefficients: &'t Coefficients<'m>,
    pub(super) component: usize,
    pub(super) plane: &'t Plane,
    pub(super) mcu_row: usize,
    pub(super) columns: Range<usize>,
    pub(super) steps: &'t Block,
    pub(super) target: Target<'s>,
}

impl HotLoop for Transform<'_, '_, '_> {
    type Output = ();

    #[inline(always)]
    fn run(mut self) {
        let plane = self.plane;
        for down in 0..plane.down {
            for x in self.columns.start * plane.across..self.columns.end * plane.across {
                let samples = &mut self.target.at(x * plane.side - self.target.left, down * plane.side);
                let (block, mask) = self.coefficients.block(self.component, x, self.mcu_row * plane.down + down);
                match block.first_chunk::<64>() {
                    Some(block) if mask != 0 => inverse(block, self.steps, plane.side, samples),
                    _ => fill(samples, plane.side, transform::flat(block[0], self.steps[0])),
                }
            }
        }
    }
}

/// A scan on its way through the image.
pub(super) struct Running<'p> {
    bits: Bits<'p>,
    scan: &'p Scan,
    tables: Vec<Decoding>,
    restarts: Restarts,
    /// The first coefficient of the block before, by component of the scan.
    predictors: [i32; 4],
    /// Blocks to come that have nothing, or nothing new, in the scan's band.
    blocks_ended: u32,
}

impl Running<'_> {
    /// Reads the next rows of MCUs, which are those that the coefficients hold.
    pub(super) fn rows(
        &mut self,
        rows: Range<usize>,
        layout: &Layout,
        coefficients: &mut Coefficients<'_>,
    ) -> Result<(), Defect> {
        dispatch(Stretch { running: self, rows, layout, coefficients })
    }

    /// Ends the scan, of which all must have been there that was read.
    pub(super) fn finish(mut self) -> Result<(), Defect> {
        self.bits.finish().map(|_| ())
    }
}

/// Rows of MCUs to be read.
struct Stretch<'r, 'p, 'm> {
    running: &'r mut Running<'p>,
    rows: Range<usize>,
    layout: &'r Layout,
    coefficients: &'r mut Coefficients<'m>,
}

impl HotLoop for Stretch<'_, '_, '_> {
    type Output = Result<(), Defect>;

    #[inline(always)]
    fn run(self) -> Self::Output {
        let Self { running, rows, layout, coefficients } = self;
        if running.scan.band.0 == 0 {
            running.first_coefficients(rows, layout, coefficients)
        } else {
            running.later_coefficients(rows, layout, coefficients)
        }
    }
}

impl Running<'_> {
    #[inline(always)]
    fn first_coefficients(
        &mut self,
        rows: Range<usize>,
        layout: &Layout,
        coefficients: &mut Coefficients<'_>,
    ) -> Result<(), Defect> {
        let (bits, scan) = (&mut self.bits, self.scan);
        let single = scan.components.len() == 1;
        let only = &layout.planes[scan.components[0].index];
        let (across, rows) = if single { (only.own_blocks.0, own_rows(only, &rows)) } else { (layout.mcus.0, rows) };
        for y in rows {
            for x in 0..across {
                if self.restarts.due(bits)? {
                    self.predictors = [0; 4];
                }
                for (index, component) in scan.components.iter().enumerate() {
                    let plane = &layout.planes[component.index];
                    let (across, down) = if single { (1, 1) } else { (plane.across, plane.down) };
                    for row in 0..down {
                        for column in 0..across {
                            bits.ensure()?;
                            let block = coefficients.block_mut(component.index, x * across + column, y * down + row);
                            let first = &mut block.values[0];
                            let (cursor, chunk) = (&mut bits.cursor, &*bits.chunk);
                            if scan.bits.0 == 0 {
                                let predictor = &mut self.predictors[index & 3];
                                let difference = self.tables[index].difference(cursor, chunk)?;
                                *predictor = predictor.wrapping_add(difference);
                                *first = low_bits(*predictor << scan.bits.1);
                            } else {
                                cursor.refill_below(1, chunk);
                                *first |= low_bits(cursor.take(1).cast_signed()) << scan.bits.1;
                            }
                        }
                    }
                }
            }
        }
        Ok(())
    }

    #[inline(always)]
    fn later_coefficients(
        &mut self,
        rows: Range<usize>,
        layout: &Layout,
        coefficients: &mut Coefficients<'_>,
    ) -> Result<(), Defect> {
        let (bits, scan) = (&mut self.bits, self.scan);
        let [table] = &self.tables[..] else { return Err(Defect::Corrupt("a Huffman table is missing")) };
        let component = scan.components[0].index;
        let plane = &layout.planes[component];
        for y in own_rows(plane, &rows) {
            for x in 0..plane.own_blocks.0 {
                if self.restarts.due(bits)? {
                    self.blocks_ended = 0;
                }
                if self.blocks_ended > 0 && scan.bits.0 == 0 {
                    self.blocks_ended -= 1;
                    continue;
                }
                bits.ensure()?;
                let BlockMut { values, mask } = coefficients.block_mut(component, x, y);
                let block = values.first_chunk_mut::<64>().ok_or(Defect::Corrupt("a scan is not expected"))?;
                let (cursor, chunk) = (&mut bits.cursor, &*bits.chunk);
                self.blocks_ended = if scan.bits.0 == 0 {
                    first_band(cursor, chunk, table, scan, block, mask)?
                } else {
                    refined_band(cursor, chunk, table, scan, block, mask, self.blocks_ended)?
                };
            }
        }
        Ok(())
    }
}

/// The rows of a plane's blocks that a scan of it alone has in rows of MCUs.
#[inline(always)]
fn own_rows(plane: &Plane, mcu_rows: &Range<usize>) -> Range<usize> {
    mcu_rows.start * plane.down..(mcu_rows.end * plane.down).min(plane.own_blocks.1)
}

/// Reads a band of which nothing was known. Returns how many of the following blocks have nothing in it.
#[inline(always)]
fn first_band(
    at: &mut Cursor,
    chunk: &Chunk,
    table: &Decoding,
    scan: &Scan,
    block: &mut Block,
    mask: &mut u64,
) -> Result<u32, Defect> {
    let mut cursor = *at;
    let (mut next, last) = scan.band;
    while next <= last {
        cursor.refill_below(32, chunk);
        let code = table.find(cursor.bits)?;
        if code.size() == 0 {
            cursor.drop(code.length());
            if code.run() != 15 {
                let ended = (1 << code.run()) - 1 + cursor.take(code.run());
                *at = cursor;
                return Ok(ended);
            }
            next += 16;
            continue;
        }
        next += code.run() as usize;
        if next > last {
            return Err(PAST_THE_BAND);
        }
        let value = low_bits(code.value(cursor.bits) << scan.bits.1);
        block[place(next)] = value;
        // A hostile file may shift all of a value out.
        *mask |= u64::from(value != 0) << (next & 63);
        cursor.drop(code.total());
        next += 1;
    }
    *at = cursor;
    if next > last + 1 { Err(PAST_THE_BAND) } else { Ok(0) }
}

/// Reads a band of which the upper bits are known. Takes and returns how many of the blocks, from this one on and from the
/// next one on, have nothing new in it.
#[inline(always)]
fn refined_band(
    at: &mut Cursor,
    chunk: &Chunk,
    table: &Decoding,
    scan: &Scan,
    block: &mut Block,
    mask: &mut u64,
    mut blocks_ended: u32,
) -> Result<u32, Defect> {
    /// Zeros before a new coefficient that are skipped without a branch; most have no more.
    const ZEROS_FEW: u32 = 4;

    let mut cursor = *at;
    let bit = 1_i16 << scan.bits.1;
    let (first, last) = scan.band;
    let band = (u64::MAX << (first & 63)) & (u64::MAX >> (63 - (last & 63)));
    // What is to come of the band: coefficients that are known, and the others.
    let (mut known, mut zeros) = (*mask & band, !*mask & band);
    while blocks_ended == 0 && known | zeros != 0 {
        cursor.refill_below(32, chunk);
        let code = table.find(cursor.bits)?;
        cursor.drop(code.length());
        let mut value = 0;
        match (code.run(), code.size()) {
            (15, 0) => {}
            (run, 0) => {
                blocks_ended = (1 << run) + cursor.take(run);
                break;
            }
            (_, 1) => value = if cursor.take(1) == 1 { bit } else { -bit },
            _ => return Err(Defect::Corrupt("a Huffman code is invalid")),
        }
        for passed in 0..ZEROS_FEW {
            zeros = if code.run() > passed { without_lowest(zeros) } else { zeros };
        }
        for _ in ZEROS_FEW..code.run() {
            zeros = without_lowest(zeros);
        }
        // All known ones up to the place of the new one, or to the end if not configured.
        let new = zeros & zeros.wrapping_neg();
        let before = new.wrapping_sub(1);
        refine(&mut cursor, chunk, block, known & before, bit);
        (known, zeros) = (known & !before, zeros ^ new);
        if value != 0 {
            if new == 0 {
                return Err(PAST_THE_BAND);
            }
            block[place(new.trailing_zeros() as usize)] = value;
            *mask |= new;
        }
    }
    if blocks_ended > 0 {
        refine(&mut cursor, chunk, block, known, bit);
        blocks_ended -= 1;
    }
    *at = cursor;
    Ok(blocks_ended)
}

#[inline(always)]
fn without_lowest(bits: u64) -> u64 {
    bits & bits.wrapping_sub(1)
}

/// Reads the next bit of coefficients that are not zero.
#[inline(always)]
fn refine(cursor: &mut Cursor, chunk: &Chunk, block: &mut Block, mut coefficients: u64, bit: i16) {
    while coefficients != 0 {
        // As many as there are bits at hand.
        cursor.refill(chunk);
        let (mut bits, mut count) = (cursor.bits, 0);
        while coefficients != 0 && count < 56 {
            let value = &mut block[place(coefficients.trailing_zeros() as usize)];
            let is_new = bits >> 63 == 1 && *value & bit == 0;
            let step = (bit ^ (*value >> 15)) - (*value >> 15);
            *value = value.wrapping_add(if is_new { step } else { 0 });
            coefficients = without_lowest(coefficients);
            bits <<= 1;
            count += 1;
        }
        cursor.drop(count);
    }
}

#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "only a hostile file has more than 16 bits here")]
fn low_bits(value: i32) -> i16 {
    value as i16
}

const PAST_THE_BAND: Defect = Defect::Corrupt("a block has more coefficients than its scan");
