//! Quantised coefficients, held compactly between the pass that counts symbols and the one that writes them.

use super::quantise::{Quantiser, mask};
use super::transform::{Block, forward};
use crate::dispatch::{HotLoop, dispatch};
use crate::error::PixelError;
use crate::planes::Plane;
use crate::zigzag::place;

/// What is not zero of one row of blocks.
#[derive(Debug, Default)]
pub(super) struct BlockRow {
    /// For each block, a bit for each coefficient that is not zero, in zigzag order from the lowest bit on.
    masks: Vec<u64>,
    /// The values of these coefficients, block by block.
    values: Vec<i16>,
}

impl BlockRow {
    /// The blocks from the left on.
    pub(super) fn blocks(&self) -> Blocks<'_> {
        Blocks { masks: self.masks.iter(), values: &self.values }
    }
}

/// One block: which coefficients are not zero, and their values in order.
#[derive(Clone, Copy, Debug)]
pub(super) struct Coefficients<'a> {
    /// A bit for each, in zigzag order.
    pub(super) mask: u64,
    /// As many as there are bits.
    pub(super) values: &'a [i16],
}

impl Coefficients<'_> {
    /// The first of them, zero or not.
    #[inline(always)]
    pub(super) fn dc(&self) -> i32 {
        if self.mask & 1 == 1 { self.values[0].into() } else { 0 }
    }
}

/// The blocks of a row, one after the other.
#[derive(Clone, Debug)]
pub(super) struct Blocks<'a> {
    masks: std::slice::Iter<'a, u64>,
    values: &'a [i16],
}

impl<'a> Iterator for Blocks<'a> {
    type Item = Coefficients<'a>;

    #[inline(always)]
    fn next(&mut self) -> Option<Coefficients<'a>> {
        let &mask = self.masks.next()?;
        let (values, rest) = self.values.split_at(mask.count_ones() as usize);
        self.values = rest;
        Some(Coefficients { mask, values })
    }
}

/// What decides on the coefficients of a block, from what the transform gives.
pub(super) trait Quantise {
    /// The coefficients in natural order, and a bit for each that is not zero, in zigzag order.
    fn quantise(&mut self, block: &Block) -> (Block, u64);
}

impl Quantise for Quantiser {
    #[inline(always)]
    fn quantise(&mut self, block: &Block) -> (Block, u64) {
        let block = Quantiser::quantise(self, block);
        let mask = mask(&block);
        (block, mask)
    }
}

/// The coefficients of a plane, row by row from the top. Samples beyond its edges are those at the edge.
pub(super) fn quantised(plane: &Plane, quantise: &mut impl Quantise) -> Result<Vec<BlockRow>, PixelError> {
    let (width, height) = (plane.size.width as usize, plane.size.height as usize);
    let row_max = width.div_ceil(8) * 64;
    let mut values = reserved(row_max)?;
    values.resize(row_max, 0);
    let mut rows = reserved(height.div_ceil(8))?;
    for band in plane.data.chunks(width * 8) {
        rows.push(dispatch(Band { samples: band, width, quantise, scratch: &mut values })?);
    }
    Ok(rows)
}

/// Up to eight rows of samples, to become a row of blocks. `scratch` has room for all of its coefficients.
struct Band<'b, Q> {
    samples: &'b [u8],
    width: usize,
    quantise: &'b mut Q,
    scratch: &'b mut [i16],
}

impl<Q: Quantise> HotLoop for Band<'_, Q> {
    type Output = Result<BlockRow, PixelError>;

    #[inline(always)]
    fn run(self) -> Self::Output {
        quantised_row(self.samples, self.width, self.quantise, self.scratch)
    }
}

#[inline(always)]
fn quantised_row(
    band: &[u8],
    width: usize,
    quantise: &mut impl Quantise,
    scratch: &mut [i16],
) -> Result<BlockRow, PixelError> {
    let last = band.len() / width - 1;
    let rows: [&[u8]; 8] = std::array::from_fn(|y| &band[y.min(last) * width..][..width]);
    let mut masks = reserved(width.div_ceil(8))?;
    let mut count = 0;
    let whole = rows.map(|row| row.as_chunks::<8>().0);
    for x in 0..width.div_ceil(8) {
        let samples = if x < width / 8 {
            whole.map(|row| row[x])
        } else {
            rows.map(|row| std::array::from_fn(|column| row[(x * 8 + column).min(width - 1)]))
        };
        let (block, mask) = quantise.quantise(&forward(&samples));
        masks.push(mask);
        let mut left = mask;
        while left != 0 {
            scratch[count] = block[place(left.trailing_zeros() as usize)];
            count += 1;
            left &= left - 1;
        }
    }
    let mut values = reserved(count)?;
    values.extend_from_slice(&scratch[..count]);
    Ok(BlockRow { masks, values })
}

/// An empty vector with room for so many, or an error where there is no memory.
fn reserved<T>(count: usize) -> Result<Vec<T>, PixelError> {
    let mut items = Vec::new();
    items.try_reserve_exact(count).map_err(|_| PixelError::OutOfMemory { bytes: (count * size_of::<T>()) as u64 })?;
    Ok(items)
}
