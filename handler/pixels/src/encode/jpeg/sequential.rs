//! The order of interleaved blocks, and the one scan of a baseline file.

use super::Component;
use super::blocks::{Blocks, Coefficients};
use super::symbols::{Symbols, category};
use crate::dispatch::{HotLoop, dispatch};

/// DC of luma and of chroma, then AC.
pub(super) const TABLES: usize = 4;

/// A place of an MCU.
pub(super) enum Place<'a> {
    /// A block, the number of its tables, and the DC before it of its component.
    Block { coefficients: Coefficients<'a>, tables: usize, dc: &'a mut i32 },
    /// One of an MCU at the right or lower edge that lies beyond the component. It repeats the DC of the block before it and
    /// has nothing else.
    Beyond { tables: usize },
}

/// Visits all blocks in the order of A.2.3 of T.81.
#[inline(always)]
pub(super) fn in_order(components: &[Component], mut visit: impl FnMut(Place<'_>)) {
    let luma = &components[0];
    let mut dc = [0; 3];
    for mcu_row in 0..luma.rows.len().div_ceil(luma.sampling) {
        let mut cursors: [[Option<Blocks<'_>>; 2]; 3] = Default::default();
        for (cursors, component) in cursors.iter_mut().zip(components) {
            let rows = component.rows.iter().skip(mcu_row * component.sampling).take(component.sampling);
            for (cursor, row) in cursors.iter_mut().zip(rows) {
                *cursor = Some(row.blocks());
            }
        }
        for _ in 0..luma.blocks_wide().div_ceil(luma.sampling) {
            for ((component, cursors), dc) in components.iter().zip(&mut cursors).zip(&mut dc) {
                let tables = component.tables;
                for cursor in &mut cursors[..component.sampling] {
                    for _ in 0..component.sampling {
                        visit(match cursor.as_mut().and_then(Iterator::next) {
                            Some(coefficients) => Place::Block { coefficients, tables, dc },
                            None => Place::Beyond { tables },
                        });
                    }
                }
            }
        }
    }
}

/// Gives the symbols of a baseline file.
pub(super) fn scan(components: &[Component], symbols: &mut impl Symbols) {
    dispatch(Baseline { components, symbols });
}

struct Baseline<'s, S> {
    components: &'s [Component],
    symbols: &'s mut S,
}

impl<S: Symbols> HotLoop for Baseline<'_, S> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        baseline(self.components, self.symbols);
    }
}

#[inline(always)]
fn baseline(components: &[Component], symbols: &mut impl Symbols) {
    in_order(components, |place| match place {
        Place::Block { coefficients, tables, dc } => {
            difference(coefficients.dc(), tables, dc, symbols);
            ac(coefficients, tables + 2, symbols);
        }
        Place::Beyond { tables } => {
            symbols.symbol(tables, 0, 0, 0);
            symbols.symbol(tables + 2, 0, 0, 0);
        }
    });
}

/// F.1.2.1 of T.81.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "categories have four bits")]
pub(super) fn difference(value: i32, table: usize, dc: &mut i32, symbols: &mut impl Symbols) {
    let (bits, count) = category(value - *dc);
    *dc = value;
    symbols.symbol(table, count as u8, bits, count);
}

/// F.1.2.2 of T.81.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "runs have four bits and so have categories")]
fn ac(coefficients: Coefficients<'_>, table: usize, symbols: &mut impl Symbols) {
    let Coefficients { mut mask, values } = coefficients;
    let values = &values[(mask & 1) as usize..];
    mask >>= 1;
    let mut left = 63;
    for &value in values {
        let mut run = mask.trailing_zeros();
        mask = mask >> run >> 1;
        left -= run + 1;
        while run > 15 {
            symbols.symbol(table, 0xf0, 0, 0);
            run -= 16;
        }
        let (bits, count) = category(value.into());
        symbols.symbol(table, (run << 4 | count) as u8, bits, count);
    }
    if left > 0 {
        symbols.symbol(table, 0, 0, 0);
    }
}
