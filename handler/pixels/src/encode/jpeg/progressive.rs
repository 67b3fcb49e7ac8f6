//! The scans of a progressive file: ITU T.81, annex G.

use super::Component;
use super::blocks::Coefficients;
use super::headers::Selection;
use super::sequential::{self, Place};
use super::symbols::{Counts, Symbols, category};

/// Most scans have one table; that of the DC has one for luma and one for chroma.
pub(super) const TABLES: usize = 2;

/// The longest run of blocks that one symbol can end.
const END_RUN_MAX: u32 = 0x7fff;

/// How many bits of correction wait for a symbol before it is forced, as libjpeg has it.
const CORRECTION_BITS_MAX: u32 = 937;

/// One pass over one component or all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Scan {
    /// None for all components.
    pub(super) component: Option<usize>,
    pub(super) selection: Selection,
}

impl Scan {
    /// The DC of all components.
    pub(super) fn dc(high: u8, low: u8) -> Self {
        Self { component: None, selection: Selection { first: 0, last: 0, high, low } }
    }

    /// A band of the AC of one component.
    pub(super) fn ac(component: usize, band: (u8, u8), high: u8, low: u8) -> Self {
        let (first, last) = band;
        Self { component: Some(component), selection: Selection { first, last, high, low } }
    }

    /// The numbers of its components.
    pub(super) fn components(&self, total: usize) -> Vec<usize> {
        self.component.map_or_else(|| (0..total).collect(), |component| vec![component])
    }

    /// How long it is, with its header and tables.
    fn bytes(&self, components: &[Component]) -> u64 {
        let mut counts = Counts::<TABLES>::default();
        self.symbols(components, &mut counts);
        let tables = counts.tables();
        let headers = tables.iter().map(|table| if table.symbols.is_empty() { 0 } else { 21 + table.symbols.len() });
        10 + headers.sum::<usize>() as u64 + counts.total_bits(&tables) / 8
    }

    /// Gives the symbols of the scan.
    pub(super) fn symbols(&self, components: &[Component], symbols: &mut impl Symbols) {
        let Selection { high, low, .. } = self.selection;
        match self.component {
            None if high == 0 => dc_first(components, low, symbols),
            None => dc_refining(components, low, symbols),
            Some(component) if high == 0 => ac_first(&components[component], self.selection, symbols),
            Some(component) => ac_refining(&components[component], self.selection, symbols),
        }
    }
}

/// The ways to write the AC of a component, of which photos of one kind or another are smallest by each: bands, and the bits
/// that are left for later scans.
const PLANS: [(&[(u8, u8)], u8); 7] = [
    (&[(1, 63)], 0),
    (&[(1, 5), (6, 63)], 0),
    (&[(1, 8), (9, 63)], 0),
    (&[(1, 63)], 1),
    (&[(1, 5), (6, 63)], 1),
    (&[(1, 8), (9, 63)], 1),
    (&[(1, 8), (9, 63)], 2),
];

/// The scans that make the file smallest: DC first, then every component roughly, then what refines them.
pub(super) fn script(components: &[Component]) -> Vec<Scan> {
    let bytes = |scans: &Vec<Scan>| scans.iter().map(|scan| scan.bytes(components)).sum::<u64>();
    let dc = [vec![Scan::dc(0, 0)], vec![Scan::dc(0, 1), Scan::dc(1, 0)]];
    let mut script: Vec<Scan> = dc.into_iter().min_by_key(bytes).unwrap_or_default();
    for component in 0..components.len() {
        let plans = PLANS.iter().map(|&(bands, low)| {
            let first = bands.iter().map(|&band| Scan::ac(component, band, 0, low));
            first.chain((0..low).rev().map(|low| Scan::ac(component, (1, 63), low + 1, low))).collect()
        });
        script.extend(plans.min_by_key(bytes).unwrap_or_default());
    }
    script.sort_by_key(|scan| match scan.selection.high {
        0 => 0,
        high => u8::MAX - high,
    });
    script
}

fn dc_first(components: &[Component], low: u8, symbols: &mut impl Symbols) {
    sequential::in_order(components, |place| match place {
        Place::Block { coefficients, tables, dc } => {
            sequential::difference(coefficients.dc() >> low, tables, dc, symbols);
        }
        Place::Beyond { tables } => symbols.symbol(tables, 0, 0, 0),
    });
}

fn dc_refining(components: &[Component], low: u8, symbols: &mut impl Symbols) {
    sequential::in_order(components, |place| match place {
        Place::Block { coefficients, .. } => symbols.bits((coefficients.dc() >> low).cast_unsigned() & 1, 1),
        Place::Beyond { .. } => symbols.bits(0, 1),
    });
}

/// The coefficients of a band that are not zero: their places and values.
#[inline(always)]
fn band(coefficients: Coefficients<'_>, selection: Selection) -> impl Iterator<Item = (u32, i32)> {
    let Coefficients { mask, values } = coefficients;
    let below = mask & ((1 << selection.first) - 1);
    let mut left = mask & (u64::MAX << selection.first) & (u64::MAX >> (63 - selection.last));
    let values = values[below.count_ones() as usize..].iter();
    values.map_while(move |&value| {
        let place = left.trailing_zeros();
        left &= left.wrapping_sub(1);
        (place < 64).then_some((place, i32::from(value)))
    })
}

/// G.1.2.2: a run of blocks that have no more, which one symbol ends, and what corrects coefficients of these blocks.
#[derive(Default)]
struct EndRun {
    blocks: u32,
    corrections: Vec<Corrections>,
    correction_bits: u32,
}

/// Bits that correct the coefficients of one block, the last one lowest.
#[derive(Clone, Copy, Default)]
struct Corrections {
    bits: u64,
    count: u32,
}

impl Corrections {
    fn push(&mut self, bit: u32) {
        self.bits = self.bits << 1 | u64::from(bit);
        self.count += 1;
    }

    #[expect(clippy::cast_possible_truncation, reason = "halves are cut off")]
    fn flush(&mut self, symbols: &mut impl Symbols) {
        if self.count > 32 {
            symbols.bits((self.bits >> 32) as u32, self.count - 32);
        }
        let low = self.count.min(32);
        if low > 0 {
            symbols.bits((self.bits & ((1 << low) - 1)) as u32, low);
        }
        *self = Self::default();
    }
}

impl EndRun {
    fn add(&mut self, corrections: Corrections, symbols: &mut impl Symbols) {
        self.blocks += 1;
        if corrections.count > 0 {
            self.corrections.push(corrections);
            self.correction_bits += corrections.count;
        }
        if self.blocks == END_RUN_MAX || self.correction_bits > CORRECTION_BITS_MAX {
            self.flush(symbols);
        }
    }

    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "the category has four bits")]
    fn flush(&mut self, symbols: &mut impl Symbols) {
        if self.blocks == 0 {
            return;
        }
        let count = self.blocks.ilog2();
        symbols.symbol(0, (count << 4) as u8, self.blocks & ((1 << count) - 1), count);
        self.blocks = 0;
        self.correction_bits = 0;
        for mut corrections in self.corrections.drain(..) {
            corrections.flush(symbols);
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "runs have four bits and so have categories")]
fn ac_first(component: &Component, selection: Selection, symbols: &mut impl Symbols) {
    let mut end_run = EndRun::default();
    for coefficients in component.rows.iter().flat_map(|row| row.blocks()) {
        let mut next = u32::from(selection.first);
        for (place, value) in band(coefficients, selection) {
            // The point transform of AC rounds towards zero.
            let value = if value < 0 { -(-value >> selection.low) } else { value >> selection.low };
            if value == 0 {
                continue;
            }
            let mut run = place - next;
            next = place + 1;
            end_run.flush(symbols);
            while run > 15 {
                symbols.symbol(0, 0xf0, 0, 0);
                run -= 16;
            }
            let (bits, count) = category(value);
            symbols.symbol(0, (run << 4 | count) as u8, bits, count);
        }
        if next <= u32::from(selection.last) {
            end_run.add(Corrections::default(), symbols);
        }
    }
    end_run.flush(symbols);
}

/// G.1.2.3: coefficients that become other than zero have symbols; those that already were have a bit each, which follow
/// the symbol after which they are passed.
#[expect(clippy::cast_possible_truncation, reason = "runs have four bits")]
fn ac_refining(component: &Component, selection: Selection, symbols: &mut impl Symbols) {
    let mut end_run = EndRun::default();
    for coefficients in component.rows.iter().flat_map(|row| row.blocks()) {
        let magnitude = |value: i32| value.unsigned_abs() >> selection.low;
        let last_new = band(coefficients, selection).filter(|(_, value)| magnitude(*value) == 1).last();
        let last_new = last_new.map_or(0, |(place, _)| place);
        let mut next = u32::from(selection.first);
        let mut run = 0;
        let mut corrections = Corrections::default();
        for (place, value) in band(coefficients, selection) {
            let magnitude = magnitude(value);
            if magnitude == 0 {
                continue;
            }
            run += place - next;
            next = place + 1;
            while run > 15 && place <= last_new {
                end_run.flush(symbols);
                symbols.symbol(0, 0xf0, 0, 0);
                corrections.flush(symbols);
                run -= 16;
            }
            if magnitude > 1 {
                corrections.push(magnitude & 1);
                continue;
            }
            end_run.flush(symbols);
            symbols.symbol(0, (run << 4 | 1) as u8, u32::from(value > 0), 1);
            corrections.flush(symbols);
            run = 0;
        }
        run += u32::from(selection.last) + 1 - next;
        if run > 0 || corrections.count > 0 {
            end_run.add(corrections, symbols);
        }
    }
    end_run.flush(symbols);
}
