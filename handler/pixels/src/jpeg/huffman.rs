//! Huffman tables, made for being looked up.

use super::bits::{Chunk, Cursor};
use super::defect::Defect;
use super::headers::HuffmanSpec;

/// Bits by which a single code is looked up. Longer codes are rare.
const CODE_BITS: u32 = 11;

/// Bits by which codes with their values are skipped, several at a time.
const SKIP_BITS: u32 = 12;

/// Bits by which codes with their values are read, up to two at a time.
const PAIR_BITS: u32 = 12;

/// Bits of the largest value that a pair holds.
const PAIR_SIZE_MAX: u32 = 6;

/// The most zeros before its first coefficient.
const PAIR_ZEROS_MAX: u32 = 7;

/// Until this coefficient the first of a pair, with its zeros, lies within the block.
pub(super) const PAIR_FROM_MAX: u32 = 63 - 16;

/// How far a skip may have come when it takes one more code.
const SKIP_BEFORE_LAST_MAX: u32 = 16;

/// Until this coefficient a skip of several codes cannot pass the end of the block: its last code, at most, does.
pub(super) const SKIP_FROM_MAX: u32 = 63 - SKIP_BEFORE_LAST_MAX;

/// Pairs that can be read from as many bits as the cursor tops up to.
pub(super) const PAIRS_AT_ONCE: u32 = 56 / PAIR_BITS;

/// What the end of a block adds to the number of its coefficients; more than any number of them.
pub(super) const END_OF_BLOCK: u32 = 128;

/// What it adds where no coefficient is read with it; more than a block with too many and its end. The last place before it,
/// in a block of 64, is that of the next coefficient, which is zero.
pub(super) const END_ALONE: u32 = END_OF_BLOCK * 2 + 1;

/// A code of the table: its length, its symbol, and its length with the value that follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Code(u32);

impl Code {
    fn new(length: u32, symbol: u8) -> Self {
        let (run, size) = (u32::from(symbol >> 4), u32::from(symbol & 15));
        Self((length + size) | length << 8 | run << 16 | size << 24)
    }

    /// Bits of the code and of its value.
    #[inline(always)]
    pub(super) fn total(self) -> u32 {
        self.0 & 0xff
    }

    /// Bits of the code.
    #[inline(always)]
    pub(super) fn length(self) -> u32 {
        self.0 >> 8 & 0xff
    }

    /// The upper half of the symbol.
    #[inline(always)]
    pub(super) fn run(self) -> u32 {
        self.0 >> 16 & 0xff
    }

    /// The lower half of the symbol.
    #[inline(always)]
    pub(super) fn size(self) -> u32 {
        self.0 >> 24
    }

    /// The value that follows the code at the top of `bits`.
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "at most 15 bits are left")]
    pub(super) fn value(self, bits: u64) -> i32 {
        let size = self.size();
        let raw = (bits.wrapping_shl(self.length()) >> 1 >> (63 - size)) as i32;
        // A leading zero means a negative value.
        let negative = (raw >> (size.wrapping_sub(1) & 31)) - 1;
        raw + (negative & (1 - (1 << size)))
    }
}

/// A table by which codes are read one by one.
pub(super) struct Decoding {
    short: Box<[Code; 1 << CODE_BITS]>,
    /// For each length: the first code that is too large for it, at the top of 16 bits.
    limits: [u32; 17],
    /// For each length: what leads from a code to its symbol.
    offsets: [i32; 17],
    symbols: [u8; 256],
}

impl Decoding {
    /// What one holds besides itself.
    pub(super) const BYTES: usize = size_of::<[Code; 1 << CODE_BITS]>();

    /// Makes the table; refuses one whose codes do not fit their lengths.
    #[expect(clippy::cast_possible_wrap, reason = "codes have 16 bits")]
    pub(super) fn new(spec: &HuffmanSpec) -> Result<Self, Defect> {
        let mut table = Self {
            short: Box::new([Code(0); 1 << CODE_BITS]),
            limits: [0; 17],
            offsets: [0; 17],
            symbols: spec.symbols,
        };
        let (mut code, mut index) = (0_u32, 0_u32);
        for length in 1..=16_u32 {
            let count = u32::from(spec.counts[length as usize - 1]);
            table.offsets[length as usize] = index as i32 - code as i32;
            if code + count > 1 << length {
                return Err(Defect::Corrupt("a Huffman table has more codes than fit"));
            }
            if length <= CODE_BITS {
                let width = 1_usize << (CODE_BITS - length);
                for nth in 0..count {
                    let entry = Code::new(length, spec.symbols[(index + nth) as usize & 255]);
                    let start = (code + nth) as usize * width;
                    table.short[start..start + width].fill(entry);
                }
            }
            code += count;
            index += count;
            table.limits[length as usize] = code << (16 - length);
            code <<= 1;
        }
        Ok(table)
    }

    /// The code at the top of `bits`.
    #[inline(always)]
    pub(super) fn find(&self, bits: u64) -> Result<Code, Defect> {
        let code = self.short[(bits >> (64 - CODE_BITS)) as usize];
        if code.0 == 0 { self.find_long(bits) } else { Ok(code) }
    }

    #[cold]
    #[inline(never)]
    #[expect(clippy::cast_possible_wrap, clippy::cast_sign_loss, reason = "codes have 16 bits")]
    fn find_long(&self, bits: u64) -> Result<Code, Defect> {
        let top = (bits >> 48) as u32;
        for length in CODE_BITS + 1..=16 {
            if top < self.limits[length as usize] {
                let index = (top >> (16 - length)) as i32 + self.offsets[length as usize];
                return Ok(Code::new(length, self.symbols[index as usize & 255]));
            }
        }
        Err(Defect::Corrupt("a Huffman code is invalid"))
    }

    /// Reads a code with the difference that follows it, as for the first coefficient of a block.
    #[inline(always)]
    pub(super) fn difference(&self, cursor: &mut Cursor, chunk: &Chunk) -> Result<i32, Defect> {
        cursor.refill_below(32, chunk);
        let code = self.find(cursor.bits)?;
        if code.run() != 0 {
            return Err(Defect::Corrupt("a Huffman code is invalid"));
        }
        let value = code.value(cursor.bits);
        cursor.drop(code.total());
        Ok(value)
    }
}

/// A table by which the coefficients after the first are skipped: bits in the lower byte, coefficients in the upper one.
pub(super) struct Skipping {
    entries: Box<[u16; 1 << SKIP_BITS]>,
}

impl Skipping {
    /// Makes the table from that for single codes.
    #[expect(clippy::cast_possible_truncation, reason = "both fields are below 256")]
    pub(super) fn new(codes: &Decoding) -> Self {
        let mut entries = Box::new([0; 1 << SKIP_BITS]);
        for (index, entry) in entries.iter_mut().enumerate() {
            let bits = (index as u64) << (64 - SKIP_BITS);
            let (mut length, mut coefficients) = (0, 0);
            while length < SKIP_BITS && coefficients <= SKIP_BEFORE_LAST_MAX {
                let Ok(code) = codes.find(bits << length) else { break };
                if length + code.length() > SKIP_BITS {
                    break;
                }
                length += code.total();
                coefficients += advance(code);
            }
            *entry = (length | coefficients << 8) as u16;
        }
        Self { entries }
    }

    /// A table that knows nothing, where nothing is skipped.
    pub(super) fn none() -> Self {
        Self { entries: Box::new([0; 1 << SKIP_BITS]) }
    }

    /// How many bits and coefficients to skip at the top of `bits`; both zero when the first code is too long.
    #[inline(always)]
    pub(super) fn find(&self, bits: u64) -> (u32, u32) {
        let entry = u32::from(self.entries[(bits >> (64 - SKIP_BITS)) as usize]);
        (entry & 0xff, entry >> 8)
    }
}

/// Up to two coefficients with the zeros before them, and possibly the end of the block, from one place of a table. Where
/// there is one, the second is the same.
///
/// From the lowest bit: six bits for the length, as many as a shift looks at, so that the way from one pair to the next is
/// short; three for the zeros before the first coefficient, nine for the advance, and seven for each value with its sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pair(u32);

impl Pair {
    /// What has to be read code by code: a long code, a large value, many zeros.
    const NONE: Self = Self(0);

    /// The codes at the top of `index`, as far as they and their values lie within its [`PAIR_BITS`] bits.
    fn new(codes: &Decoding, index: usize) -> Self {
        let bits = (index as u64) << (64 - PAIR_BITS);
        let at = |from: u32| codes.find(bits << from).ok().filter(|code| from + code.total() <= PAIR_BITS);
        let ends = |code: &Code| code.size() == 0 && code.run() != 15;
        let holds = |code: &Code| (1..=PAIR_SIZE_MAX).contains(&code.size());
        let (mut length, mut advanced, mut values) = (0, 0, [0; 2]);
        let mut zeros = None;
        for value in &mut values {
            let Some(code) = at(length).filter(holds) else { break };
            if zeros.is_none() && code.run() > PAIR_ZEROS_MAX {
                break;
            }
            *value = code.value(bits << length);
            zeros = zeros.or(Some(code.run()));
            length += code.total();
            advanced += advance(code);
        }
        if let Some(end) = at(length).filter(ends) {
            length += end.length();
            advanced += if advanced == 0 { END_ALONE } else { END_OF_BLOCK };
        }
        if values[1] == 0 {
            values[1] = values[0];
        }
        let [first, second] = values.map(|value| value.cast_unsigned() & 0x7f);
        Self(length | zeros.unwrap_or(0) << 6 | advanced << 9 | first << 18 | second << 25)
    }

    /// Whether nothing is known of the codes.
    #[inline(always)]
    pub(super) fn is_none(self) -> bool {
        self.0 == Self::NONE.0
    }

    /// Bits of all codes and values.
    #[inline(always)]
    pub(super) fn total(self) -> u32 {
        self.0 & 0x3f
    }

    /// The zeros before the first coefficient.
    #[inline(always)]
    pub(super) fn zeros(self) -> u32 {
        self.0 >> 6 & 0x7
    }

    /// The coefficients, with zeros, that it stands for, and [`END_OF_BLOCK`] or [`END_ALONE`]. The last of them is the last
    /// that has a value.
    #[inline(always)]
    pub(super) fn advance(self) -> u32 {
        self.0 >> 9 & 0x1ff
    }

    /// The value of the first coefficient; zero if there is none.
    #[inline(always)]
    pub(super) fn first(self) -> i16 {
        (self.0.cast_signed() << 7 >> 25) as i16
    }

    /// The value of the second coefficient, or of the only one; zero if there is none.
    #[inline(always)]
    pub(super) fn second(self) -> i16 {
        (self.0.cast_signed() >> 25) as i16
    }
}

/// A table by which the coefficients after the first are read, mostly two at a time.
pub(super) struct Pairs {
    entries: Box<[Pair; 1 << PAIR_BITS]>,
}

impl Pairs {
    /// Makes the table from that for single codes.
    pub(super) fn new(codes: &Decoding) -> Self {
        let mut entries = Box::new([Pair::NONE; 1 << PAIR_BITS]);
        for (index, entry) in entries.iter_mut().enumerate() {
            *entry = Pair::new(codes, index);
        }
        Self { entries }
    }

    /// A table that knows nothing, where nothing is read.
    pub(super) fn none() -> Self {
        Self { entries: Box::new([Pair::NONE; 1 << PAIR_BITS]) }
    }

    /// The table itself, for a loop.
    #[inline(always)]
    pub(super) fn entries(&self) -> &[Pair; 1 << PAIR_BITS] {
        &self.entries
    }
}

/// What is at the top of `bits`.
#[inline(always)]
pub(super) fn pair_at(entries: &[Pair; 1 << PAIR_BITS], bits: u64) -> Pair {
    entries[(bits >> (64 - PAIR_BITS)) as usize]
}

/// The coefficients that a code of a sequential scan stands for.
#[inline(always)]
pub(super) fn advance(code: Code) -> u32 {
    match (code.run(), code.size()) {
        (15, 0) => 16,
        (_, 0) => END_OF_BLOCK,
        (run, _) => run + 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(counts: &[u8], symbols: &[u8]) -> HuffmanSpec {
        let mut spec = HuffmanSpec { counts: [0; 16], symbols: [0; 256] };
        spec.counts[..counts.len()].copy_from_slice(counts);
        spec.symbols[..symbols.len()].copy_from_slice(symbols);
        spec
    }

    /// Codes 0, 10, 110 and one of 16 bits.
    fn table() -> Decoding {
        let mut spec = spec(&[1, 1, 1], &[0x00, 0x01, 0x12, 0xf0]);
        spec.counts[15] = 1;
        Decoding::new(&spec).unwrap()
    }

    #[test]
    fn short_and_long_codes_are_found() {
        let table = table();
        assert_eq!(table.find(0).unwrap(), Code::new(1, 0x00));
        assert_eq!(table.find(0b10 << 62).unwrap(), Code::new(2, 0x01));
        assert_eq!(table.find(0b110 << 61).unwrap(), Code::new(3, 0x12));
        assert_eq!(table.find(0b1110 << 60).unwrap(), Code::new(16, 0xf0));
        assert_eq!(table.find(u64::MAX), Err(Defect::Corrupt("a Huffman code is invalid")));
    }

    #[test]
    fn values_are_signed_by_their_first_bit() {
        let code = Code::new(3, 0x12);
        let values = [0b00, 0b01, 0b10, 0b11].map(|value| code.value((0b1_1000 | value) << 59));
        assert_eq!(values, [-3, -2, 2, 3]);
        assert_eq!(Code::new(1, 0).value(u64::MAX), 0);
        assert_eq!(Code::new(16, 0x0f).value(0x0000_ffff << 32), 32_767);
        assert_eq!(Code::new(16, 0x0f).value(0), -32_767);
    }

    #[test]
    fn several_codes_are_skipped_at_once() {
        let skipping = Skipping::new(&table());
        // 10 with a bit of value, 110 with two, the end of the block.
        let bits = 0b1_0111_0110_u64 << (64 - 9);
        assert_eq!(skipping.find(bits), (9, 1 + 2 + END_OF_BLOCK));
        assert_eq!(skipping.find(0b1110 << 60), (0, 0));
    }

    /// Tables of random shapes: whatever a pair says is what its codes say one by one.
    #[test]
    fn a_pair_is_what_its_codes_are_one_by_one() {
        let mut found = [0; 3];
        for seed in 0..40 {
            let mut random = fastrand::Rng::with_seed(seed);
            let symbols: Vec<u8> = (0..=255).filter(|symbol| symbol & 15 <= 10).collect();
            let mut spec = spec(&[], &symbols);
            let mut free = 1_u32;
            for count in &mut spec.counts {
                free *= 2;
                *count = u8::try_from(random.u32(0..=free.min(6).saturating_sub(1))).unwrap();
                free -= u32::from(*count);
            }
            random.shuffle(&mut spec.symbols[..symbols.len()]);
            let table = Decoding::new(&spec).unwrap();
            let pairs = Pairs::new(&table);
            for _ in 0..4000 {
                let bits = random.u64(..);
                let pair = pair_at(pairs.entries(), bits);
                if pair.is_none() {
                    continue;
                }
                let (mut length, mut advanced, mut values) = (0, 0, Vec::new());
                while length < pair.total() {
                    let code = table.find(bits << length).unwrap();
                    assert_ne!((code.run(), code.size()), (15, 0), "sixteen zeros are read alone");
                    if code.size() > 0 {
                        values.push((advanced + code.run(), code.value(bits << length)));
                    }
                    length += code.total();
                    advanced += advance(code);
                }
                let both = [(pair.zeros(), pair.first().into()), ((pair.advance() - 1) & 63, pair.second().into())];
                if let [only] = values[..] {
                    assert_eq!(both, [only; 2]);
                } else if values.is_empty() {
                    assert_eq!((both, advanced), ([(0, 0); 2], END_OF_BLOCK));
                    advanced = END_ALONE;
                } else {
                    assert_eq!(both, values[..]);
                }
                assert_eq!((pair.total(), pair.advance()), (length, advanced));
                found[values.len()] += 1;
            }
        }
        assert!(found.iter().all(|count| *count > 1000), "{found:?}");
    }

    #[test]
    fn too_many_codes_are_refused() {
        assert!(Decoding::new(&spec(&[3], &[1, 2, 3])).is_err());
        assert!(Decoding::new(&spec(&[2], &[1, 2])).is_ok());
    }
}
