//! Scans that refine the coefficients of the whole image step by step.
//!
//! - Only the coefficients that the scale needs are kept: of a plane that becomes one sample a block it is the first one,
//!   and the scans of all others are not even read.
//! - A scan may only add to what is known. A file that repeats scans to keep the decoder busy is refused.

use std::ops::Range;

use super::bits::{Bits, Chunk, Cursor};
use super::defect::Defect;
use super::dispatch::{HotLoop, dispatch};
use super::headers::Scan;
use super::huffman::Decoding;
use super::layout::{Layout, Plane};
use super::sequential::{Restarts, Target, fill, inverse};
use super::transform::{self, Block};
use crate::zigzag::place;

/// What the bits of a coefficient are before its first scan.
const UNKNOWN: u8 = u8::MAX;

/// Where the coefficients of a plane are.
#[derive(Clone, Copy, Debug)]
struct Place {
    start: usize,
    /// Blocks of a row, with what pads the last MCU.
    across: usize,
    /// Coefficients of a block.
    kept: usize,
}

/// The coefficients of the image.
pub(super) struct Coefficients<'m> {
    values: &'m mut [i16],
    places: Vec<Place>,
    /// By component and coefficient: the lowest bit that is known.
    known: Vec<[u8; 64]>,
}

impl<'m> Coefficients<'m> {
    /// The coefficients of a layout, in zeroed memory of [`Layout::coefficients`] values.
    pub(super) fn new(layout: &Layout, values: &'m mut [i16]) -> Self {
        let mut start = 0;
        let place = |plane: &Plane| {
            let (across, down) = (layout.mcus.0 * plane.across, layout.mcus.1 * plane.down);
            let place = Place { start, across, kept: Layout::kept_coefficients(plane) };
            start += across * down * place.kept;
            place
        };
        let places = layout.planes.iter().map(place).collect();
        Self { values, places, known: vec![[UNKNOWN; 64]; layout.planes.len()] }
    }

    /// Notes what a scan will tell. Says whether anything of it is kept.
    pub(super) fn announce(&mut self, scan: &Scan) -> Result<bool, Defect> {
        let (before, after) = scan.bits;
        let mut needed = false;
        for component in &scan.components {
            for known in &mut self.known[component.index][scan.band.0..=scan.band.1] {
                let expected = if before == 0 { UNKNOWN } else { before };
                if *known != expected {
                    return Err(Defect::Corrupt("a scan repeats what is known or refines what is not"));
                }
                *known = after;
            }
            needed |= scan.band.0 < self.places[component.index].kept;
        }
        Ok(needed)
    }

    /// Whether every component has had a scan.
    pub(super) fn is_complete(&self) -> bool {
        self.known.iter().all(|known| known[0] != UNKNOWN)
    }

    /// The coefficients of a block: all of them, or the first alone.
    #[inline(always)]
    pub(super) fn block(&self, component: usize, x: usize, y: usize) -> &[i16] {
        let place = self.places[component];
        let start = place.start + (y * place.across + x) * place.kept;
        &self.values[start..start + place.kept]
    }

    #[inline(always)]
    fn block_mut(&mut self, component: usize, x: usize, y: usize) -> &mut [i16] {
        let place = self.places[component];
        let start = place.start + (y * place.across + x) * place.kept;
        &mut self.values[start..start + place.kept]
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
                let block = self.coefficients.block(self.component, x, self.mcu_row * plane.down + down);
                match block.first_chunk::<64>() {
                    Some(block) if block[1..].iter().fold(0, |any, value| any | value) != 0 => {
                        inverse(block, self.steps, plane.side, samples);
                    }
                    _ => fill(samples, plane.side, transform::flat(block[0], self.steps[0])),
                }
            }
        }
    }
}

/// Later coefficients to be decoded.
struct LaterCoefficients<'l, 'a, 'm> {
    bits: &'l mut Bits<'a>,
    scan: &'l Scan,
    layout: &'l Layout,
    table: &'l Decoding,
    restarts: Restarts,
    coefficients: &'l mut Coefficients<'m>,
}

/// Decodes the first coefficients' scan. `tables` are those of the scan's components, for a first scan.
pub(super) fn first_coefficients(
    bits: &mut Bits<'_>,
    scan: &Scan,
    layout: &Layout,
    tables: &[&Decoding],
    mut restarts: Restarts,
    coefficients: &mut Coefficients<'_>,
) -> Result<(), Defect> {
    let single = scan.components.len() == 1;
    let mut predictors = [0_i32; 4];
    let only = &layout.planes[scan.components[0].index];
    let mcus = if single { only.own_blocks } else { layout.mcus };
    for y in 0..mcus.1 {
        for x in 0..mcus.0 {
            if restarts.due(bits)? {
                predictors = [0; 4];
            }
            for (index, component) in scan.components.iter().enumerate() {
                let plane = &layout.planes[component.index];
                let (across, down) = if single { (1, 1) } else { (plane.across, plane.down) };
                for row in 0..down {
                    for column in 0..across {
                        bits.ensure()?;
                        let block = coefficients.block_mut(component.index, x * across + column, y * down + row);
                        let (cursor, chunk) = (&mut bits.cursor, &*bits.chunk);
                        if scan.bits.0 == 0 {
                            let predictor = &mut predictors[index & 3];
                            *predictor = predictor.wrapping_add(tables[index].difference(cursor, chunk)?);
                            block[0] = low_bits(*predictor << scan.bits.1);
                        } else {
                            cursor.refill_below(1, chunk);
                            block[0] |= low_bits(cursor.take(1).cast_signed()) << scan.bits.1;
                        }
                    }
                }
            }
        }
    }
    Ok(())
}

/// Decodes a scan of later coefficients.
pub(super) fn later_coefficients(
    bits: &mut Bits<'_>,
    scan: &Scan,
    layout: &Layout,
    table: &Decoding,
    restarts: Restarts,
    coefficients: &mut Coefficients<'_>,
) -> Result<(), Defect> {
    dispatch(LaterCoefficients { bits, scan, layout, table, restarts, coefficients })
}

impl HotLoop for LaterCoefficients<'_, '_, '_> {
    type Output = Result<(), Defect>;

    #[inline(always)]
    fn run(mut self) -> Self::Output {
        let (bits, scan, table) = (self.bits, self.scan, self.table);
        let component = scan.components[0].index;
        let (across, down) = self.layout.planes[component].own_blocks;
        let mut blocks_ended = 0;
        for y in 0..down {
            for x in 0..across {
                if self.restarts.due(bits)? {
                    blocks_ended = 0;
                }
                if blocks_ended > 0 && scan.bits.0 == 0 {
                    blocks_ended -= 1;
                    continue;
                }
                bits.ensure()?;
                let block = self.coefficients.block_mut(component, x, y);
                let block = block.first_chunk_mut::<64>().ok_or(Defect::Corrupt("a scan is not expected"))?;
                let (cursor, chunk) = (&mut bits.cursor, &*bits.chunk);
                blocks_ended = if scan.bits.0 == 0 {
                    first_band(cursor, chunk, table, scan, block)?
                } else {
                    refined_band(cursor, chunk, table, scan, block, blocks_ended)?
                };
            }
        }
        Ok(())
    }
}

/// Reads a band of which nothing was known. Returns how many of the following blocks have nothing in it.
#[inline(always)]
fn first_band(at: &mut Cursor, chunk: &Chunk, table: &Decoding, scan: &Scan, block: &mut Block) -> Result<u32, Defect> {
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
        block[place(next)] = low_bits(code.value(cursor.bits) << scan.bits.1);
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
    cursor: &mut Cursor,
    chunk: &Chunk,
    table: &Decoding,
    scan: &Scan,
    block: &mut Block,
    mut blocks_ended: u32,
) -> Result<u32, Defect> {
    let bit = 1_i16 << scan.bits.1;
    let (mut next, last) = scan.band;
    while blocks_ended == 0 && next <= last {
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
        next = refine(cursor, chunk, block, (next, last), bit, Some(code.run()));
        if value != 0 {
            if next > last {
                return Err(PAST_THE_BAND);
            }
            block[place(next)] = value;
        }
        next += 1;
    }
    if blocks_ended == 0 {
        return Ok(0);
    }
    if next > 1 || block[1..].iter().fold(0, |any, value| any | value) != 0 {
        refine(cursor, chunk, block, (next, last), bit, None);
    }
    Ok(blocks_ended - 1)
}

/// Reads the next bit of every coefficient that is not zero, up to and without the zero that follows `zeros` others; to
/// the end of the band when that is none. Returns where it stopped.
#[inline(always)]
fn refine(
    cursor: &mut Cursor,
    chunk: &Chunk,
    block: &mut Block,
    band: (usize, usize),
    bit: i16,
    mut zeros: Option<u32>,
) -> usize {
    let (mut next, last) = band;
    while next <= last {
        let value = &mut block[place(next)];
        if *value == 0 {
            match &mut zeros {
                None => {}
                Some(0) => break,
                Some(zeros) => *zeros -= 1,
            }
        } else {
            cursor.refill_below(1, chunk);
            if cursor.take(1) == 1 && *value & bit == 0 {
                *value = value.wrapping_add(if *value < 0 { -bit } else { bit });
            }
        }
        next += 1;
    }
    next
}

#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "only a hostile file has more than 16 bits here")]
fn low_bits(value: i32) -> i16 {
    value as i16
}

const PAST_THE_BAND: Defect = Defect::Corrupt("a block has more coefficients than its scan");
