//! The symbols of a scan: first counted, then written with the tables made of the counts.

use super::bits::BitWriter;
use super::huffman::{Frequencies, HuffmanTable};

/// What takes the symbols of a scan, in order.
pub(super) trait Symbols {
    /// A symbol by a table, then `count` bits as they are.
    fn symbol(&mut self, table: usize, symbol: u8, bits: u32, count: u32);

    /// Bits without a symbol before them.
    fn bits(&mut self, bits: u32, count: u32);
}

/// Counts how often each symbol occurs, for each table.
#[derive(Clone, Debug)]
pub(super) struct Counts<const TABLES: usize> {
    pub(super) frequencies: [Frequencies; TABLES],
    /// The bits that follow symbols or stand alone.
    pub(super) plain_bits: u64,
}

impl<const TABLES: usize> Default for Counts<TABLES> {
    fn default() -> Self {
        Self { frequencies: [[0; 256]; TABLES], plain_bits: 0 }
    }
}

impl<const TABLES: usize> Counts<TABLES> {
    /// The best tables for what was counted.
    pub(super) fn tables(&self) -> [HuffmanTable; TABLES] {
        self.frequencies.each_ref().map(HuffmanTable::new)
    }

    /// How many bits all of it takes with these tables.
    pub(super) fn total_bits(&self, tables: &[HuffmanTable; TABLES]) -> u64 {
        let coded = self.frequencies.iter().zip(tables).flat_map(|(frequencies, table)| {
            let lengths = (0..=u8::MAX).map(|symbol| u64::from(table.code(symbol).1));
            lengths.zip(frequencies).map(|(length, &frequency)| length * u64::from(frequency))
        });
        self.plain_bits + coded.sum::<u64>()
    }
}

impl<const TABLES: usize> Symbols for Counts<TABLES> {
    #[inline(always)]
    fn symbol(&mut self, table: usize, symbol: u8, _: u32, count: u32) {
        self.frequencies[table][usize::from(symbol)] += 1;
        self.plain_bits += u64::from(count);
    }

    #[inline(always)]
    fn bits(&mut self, _: u32, count: u32) {
        self.plain_bits += u64::from(count);
    }
}

/// Writes the symbols.
pub(super) struct Written<'a, const TABLES: usize> {
    pub(super) tables: &'a [HuffmanTable; TABLES],
    pub(super) writer: BitWriter<'a>,
}

impl<const TABLES: usize> Symbols for Written<'_, TABLES> {
    #[inline(always)]
    fn symbol(&mut self, table: usize, symbol: u8, bits: u32, count: u32) {
        let (code, length) = self.tables[table].code(symbol);
        self.writer.put(code << count | bits, length + count);
    }

    #[inline(always)]
    fn bits(&mut self, bits: u32, count: u32) {
        self.writer.put(bits, count);
    }
}

/// The bits of a value that are not its magnitude's category, F.1.2.1: those of one less for a negative value.
#[inline(always)]
pub(super) fn category(value: i32) -> (u32, u32) {
    let count = 32 - value.unsigned_abs().leading_zeros();
    let bits = (value + (value >> 31)).cast_unsigned() & ((1 << count) - 1);
    (bits, count)
}
