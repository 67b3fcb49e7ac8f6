//! JPEG files that are right in every detail and cost far more than they weigh.

use super::Corpus;
use super::bytes::jpeg_segment;

/// Bits from the highest of each byte on, with the zero that follows 0xff in coded data.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    pending: u32,
    count: u32,
}

impl Bits {
    fn put(&mut self, value: u32, count: u32) {
        for bit in (0..count).rev() {
            self.pending = self.pending << 1 | (value >> bit & 1);
            self.count += 1;
            if self.count == 8 {
                let byte = self.pending.to_le_bytes()[0];
                self.bytes.push(byte);
                if byte == 0xff {
                    self.bytes.push(0);
                }
                (self.pending, self.count) = (0, 0);
            }
        }
    }

    /// The last byte is filled with ones.
    fn finish(mut self) -> Vec<u8> {
        while self.count != 0 {
            self.put(1, 1);
        }
        self.bytes
    }
}

/// A file in the making: everything before the scans. Its Huffman tables have one code each, a zero bit.
struct Bomb {
    blocks: u32,
    bytes: Vec<u8>,
}

/// The symbol of the largest run of blocks without further coefficients: 2^14 and 14 bits.
const LONGEST_RUN: u8 = 0xe0;

impl Bomb {
    fn new(marker: u8, side: u16, components: u8, ac_symbol: u8) -> Self {
        let blocks = u32::from(side).div_ceil(8).pow(2);
        let mut bytes = b"\xff\xd8".to_vec();
        bytes.extend(jpeg_segment(0xdb, &[&[0][..], &[1; 64]].concat()));
        let side = side.to_be_bytes();
        let frame = [&[8][..], &side, &side, &[components]].concat();
        let parts: Vec<u8> = (1..=components).flat_map(|id| [id, 0x11, 0]).collect();
        bytes.extend(jpeg_segment(marker, &[frame, parts].concat()));
        let table = |head: u8, symbol: u8| jpeg_segment(0xc4, &[&[head, 1][..], &[0; 15], &[symbol]].concat());
        bytes.extend(table(0x00, 0));
        bytes.extend(table(0x10, ac_symbol));
        Self { blocks, bytes }
    }

    /// Adds a scan of these components.
    fn scan(&mut self, ids: &[u8], band: [u8; 3], data: &[u8]) {
        let parts: Vec<u8> = ids.iter().flat_map(|id| [*id, 0]).collect();
        let count = u8::try_from(ids.len()).expect("at most four");
        self.bytes.extend(jpeg_segment(0xda, &[&[count][..], &parts, &band].concat()));
        self.bytes.extend(data);
    }

    /// Data of so many zero bits for each block of so many components.
    fn zeros(&self, bits: u32, components: u8) -> Vec<u8> {
        let bits = self.blocks as usize * bits as usize * usize::from(components);
        vec![0; bits.div_ceil(8) + 1]
    }

    /// Data that skip all blocks of a component in the longest runs there are.
    fn runs(&self) -> Vec<u8> {
        let mut bits = Bits::default();
        let mut left = self.blocks;
        // The last two runs share what is left, since none is shorter than 2^14.
        while left > 2 * 0x7fff {
            bits.put(0x3fff, 15);
            left -= 0x7fff;
        }
        bits.put(left / 2 - 0x4000, 15);
        bits.put(left - left / 2 - 0x4000, 15);
        bits.finish()
    }

    fn file(mut self) -> Vec<u8> {
        self.bytes.extend([0xff, 0xd9]);
        self.bytes
    }
}

/// Just below the pixel limit.
const SIDE: u16 = 7000;

pub(crate) fn hostile(corpus: &mut Corpus) {
    let mut add = |name: String, bomb: Bomb| corpus.add("jpeg: bombs", name, bomb.file());
    for components in [1, 3] {
        let ids: Vec<u8> = (1..=components).collect();
        let mut plain = Bomb::new(0xc0, SIDE, components, 0);
        let data = plain.zeros(2, components);
        plain.scan(&ids, [0, 63, 0], &data);
        add(format!("jpeg-flat-of-49-megapixels-{components}-components"), plain);
        for scans in [2, 30, 99] {
            // The same component again and again, whole each time.
            let mut again = Bomb::new(0xc0, SIDE, components, 0);
            let data = again.zeros(2, 1);
            for scan in 0..scans {
                again.scan(&[ids[scan % ids.len()]], [0, 63, 0], &data);
            }
            add(format!("jpeg-{scans}-whole-scans-of-49-megapixels-{components}-components"), again);

            let mut first = Bomb::new(0xc2, SIDE, components, LONGEST_RUN);
            let data = first.zeros(1, components);
            for _ in 0..scans {
                first.scan(&ids, [0, 0, 0], &data);
            }
            add(format!("jpeg-{scans}-first-scans-of-49-megapixels-{components}-components"), first);

            for (kind, band) in [("runs", [1, 63, 0]), ("refining-runs", [1, 63, 0x10])] {
                let mut runs = Bomb::new(0xc2, SIDE, components, LONGEST_RUN);
                let data = runs.zeros(1, components);
                runs.scan(&ids, [0, 0, 0], &data);
                let data = runs.runs();
                for scan in 1..scans {
                    runs.scan(&[ids[scan % ids.len()]], band, &data);
                }
                add(format!("jpeg-{scans}-scans-of-{kind}-of-49-megapixels-{components}-components"), runs);
            }
            let mut bits = Bomb::new(0xc2, SIDE, components, LONGEST_RUN);
            let data = bits.zeros(1, components);
            bits.scan(&ids, [0, 0, 0x0d], &data);
            for scan in 1..scans {
                let after = u8::try_from(12 - (scan - 1) % 13).expect("at most 12");
                bits.scan(&ids, [0, 0, (after + 1) << 4 | after], &data);
            }
            add(format!("jpeg-{scans}-scans-of-single-bits-of-49-megapixels-{components}-components"), bits);
        }
    }
}
