//! Huffman tables made for the image: ITU T.81, Annex K.2.

/// How often each symbol of a table occurs.
pub(super) type Frequencies = [u32; 256];

/// The longest code of a JPEG.
const LENGTH_MAX: usize = 16;

/// A table, in the form in which it is written and in the one by which symbols are looked up.
#[derive(Clone, Debug)]
pub(super) struct HuffmanTable {
    /// How many codes there are of each length, from one bit on.
    pub(super) counts: [u8; LENGTH_MAX],
    /// The symbols, in the order of their codes.
    pub(super) symbols: Vec<u8>,
    /// By symbol, the code and, in the upper half, its length. Zero for symbols that do not occur.
    codes: [u32; 256],
}

impl HuffmanTable {
    /// The best table for these frequencies that has no code of more than 16 bits and none of ones only.
    pub(super) fn new(frequencies: &Frequencies) -> Self {
        let lengths = lengths(frequencies);
        let mut by_length = [0_usize; 257];
        for &length in lengths.iter().filter(|&&length| length > 0) {
            by_length[length] += 1;
        }
        limit(&mut by_length);
        // The place of the code of ones only, which the pseudo symbol kept free, is that of the last of the longest.
        if let Some(longest) = (1..=LENGTH_MAX).rev().find(|&length| by_length[length] > 0) {
            by_length[longest] -= 1;
        }
        let mut counts = [0; LENGTH_MAX];
        for (count, by_length) in counts.iter_mut().zip(&by_length[1..]) {
            *count = u8::try_from(*by_length).unwrap_or(u8::MAX);
        }
        let mut symbols: Vec<u8> = (0..=u8::MAX).filter(|&symbol| lengths[usize::from(symbol)] > 0).collect();
        symbols.sort_by_key(|&symbol| lengths[usize::from(symbol)]);
        let codes = codes(&counts, &symbols);
        Self { counts, symbols, codes }
    }

    /// The code of a symbol and its length in bits.
    #[inline(always)]
    pub(super) fn code(&self, symbol: u8) -> (u32, u32) {
        let code = self.codes[usize::from(symbol)];
        (code & 0xffff, code >> 16)
    }
}

/// The code lengths of Huffman's own method, figure K.1 of T.81, for the 256 symbols and one pseudo symbol that occurs once
/// and keeps the code of ones only free. Of equals the later symbol is joined first, so that the pseudo symbol has the
/// longest code.
fn lengths(frequencies: &Frequencies) -> [usize; 257] {
    struct Tree {
        frequency: u64,
        /// Of its last symbol.
        index: usize,
        symbols: Vec<usize>,
    }

    let mut lengths = [0; 257];
    let occurring = frequencies.iter().enumerate().filter(|(_, frequency)| **frequency > 0);
    let mut trees: Vec<Tree> = occurring
        .map(|(index, &frequency)| Tree { frequency: frequency.into(), index, symbols: vec![index] })
        .collect();
    trees.push(Tree { frequency: 1, index: 256, symbols: vec![256] });
    if let [only] = trees.as_slice() {
        lengths[only.index] = 1;
    }
    let rarest = |trees: &[Tree]| {
        let nth = (0..trees.len()).min_by_key(|&nth| (trees[nth].frequency, usize::MAX - trees[nth].index));
        nth.expect("there are two trees")
    };
    while trees.len() > 1 {
        let first = rarest(&trees);
        let first = trees.swap_remove(first);
        let second = rarest(&trees);
        let joined = &mut trees[second];
        joined.frequency += first.frequency;
        // libjpeg keeps a joined tree at the place of the tree found first.
        joined.index = first.index;
        joined.symbols.extend(first.symbols);
        for &symbol in &joined.symbols {
            lengths[symbol] += 1;
        }
    }
    lengths
}

/// Shortens codes to 16 bits, figure K.3 of T.81: two of the longest become one that is shorter by a bit, and the other goes
/// below a shorter code, which becomes two.
fn limit(by_length: &mut [usize; 257]) {
    for long in (LENGTH_MAX + 1..by_length.len()).rev() {
        while by_length[long] > 0 {
            let shorter =
                (1..long - 1).rev().find(|&shorter| by_length[shorter] > 0).expect("a tree has shorter branches");
            by_length[long] -= 2;
            by_length[long - 1] += 1;
            by_length[shorter + 1] += 2;
            by_length[shorter] -= 1;
        }
    }
}

/// The codes of figures C.1 to C.3 of T.81.
fn codes(counts: &[u8; LENGTH_MAX], symbols: &[u8]) -> [u32; 256] {
    let mut codes = [0; 256];
    let mut symbols = symbols.iter();
    let mut code = 0;
    for (length, &count) in (1..).zip(counts) {
        for &symbol in symbols.by_ref().take(count.into()) {
            codes[usize::from(symbol)] = length << 16 | code;
            code += 1;
        }
        code <<= 1;
    }
    codes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Kraft's sum in units of the longest code; a code of ones only would complete it.
    fn kraft(table: &HuffmanTable) -> u32 {
        (1..).zip(&table.counts).map(|(length, &count)| u32::from(count) << (16 - length)).sum()
    }

    fn bits(table: &HuffmanTable, frequencies: &Frequencies) -> u64 {
        (0..=u8::MAX).map(|symbol| u64::from(table.code(symbol).1) * u64::from(frequencies[usize::from(symbol)])).sum()
    }

    #[test]
    fn skewed_frequencies_stay_within_sixteen_bits() {
        let mut fibonacci = [0; 256];
        let (mut last, mut next) = (1_u32, 1_u32);
        for frequency in fibonacci.iter_mut().take(44) {
            *frequency = last;
            (last, next) = (next, last + next);
        }
        let mut all = fibonacci;
        all[44..].fill(1);
        for frequencies in [fibonacci, all] {
            let table = HuffmanTable::new(&frequencies);
            assert!(lengths(&frequencies).iter().max().unwrap() > &LENGTH_MAX, "the case is no case");
            let occurring = frequencies.iter().filter(|&&frequency| frequency > 0).count();
            assert_eq!(table.symbols.len(), occurring);
            assert_eq!(table.counts.iter().map(|&count| usize::from(count)).sum::<usize>(), occurring);
            assert!(kraft(&table) < 1 << 16);
            for (symbol, &frequency) in (0..=u8::MAX).zip(&frequencies) {
                assert_eq!(table.code(symbol).1 > 0, frequency > 0);
            }
        }
    }

    #[test]
    fn codes_are_free_of_prefixes_and_near_the_entropy() {
        let mut random = fastrand::Rng::with_seed(5);
        for _ in 0..50 {
            let mut frequencies = [0; 256];
            for _ in 0..random.usize(1..300) {
                frequencies[random.usize(..256)] = 1 << random.u32(0..14);
            }
            let table = HuffmanTable::new(&frequencies);
            let codes: Vec<(u32, u32)> =
                (0..=u8::MAX).map(|symbol| table.code(symbol)).filter(|(_, length)| *length > 0).collect();
            for (nth, &(code, length)) in codes.iter().enumerate() {
                assert_ne!(code, (1 << length) - 1, "ones only");
                for &(other, longer) in codes.iter().skip(nth + 1) {
                    let (short, long) = (length.min(longer), length.max(longer));
                    let [code, other] = [(code, length), (other, longer)].map(|(code, length)| code << (long - length));
                    assert_ne!(code >> (long - short), other >> (long - short));
                }
            }
            let total: u32 = frequencies.iter().sum();
            let entropy: f64 = frequencies
                .iter()
                .filter(|&&frequency| frequency > 0)
                .map(|&frequency| f64::from(frequency) * (f64::from(total) / f64::from(frequency)).log2())
                .sum();
            let found = f64::from(u32::try_from(bits(&table, &frequencies)).unwrap());
            assert!(found < entropy + f64::from(total) + 16.0, "{found} bits for an entropy of {entropy}");
        }
    }

    #[test]
    fn one_symbol_has_a_code() {
        let mut frequencies = [0; 256];
        frequencies[7] = 1000;
        let table = HuffmanTable::new(&frequencies);
        assert_eq!((table.code(7), table.symbols.as_slice()), ((0, 1), [7].as_slice()));
        assert!(HuffmanTable::new(&[0; 256]).symbols.is_empty());
    }
}
