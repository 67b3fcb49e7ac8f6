//! Bits, most significant first, with the stuffing of a scan.

/// Writes the bits of a scan to the end of a file.
pub(super) struct BitWriter<'a> {
    bytes: &'a mut Vec<u8>,
    /// The bits not written yet, the last one lowest. Above them is what was written.
    pending: u64,
    /// How many: fewer than 32 between calls.
    count: u32,
}

impl<'a> BitWriter<'a> {
    pub(super) fn new(bytes: &'a mut Vec<u8>) -> Self {
        Self { bytes, pending: 0, count: 0 }
    }

    /// Writes the lowest `count` bits, at most 32, of `bits`, which has no others set.
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "what was written falls off")]
    pub(super) fn put(&mut self, bits: u32, count: u32) {
        self.pending = self.pending << count | u64::from(bits);
        self.count += count;
        if self.count >= 32 {
            self.count -= 32;
            self.word((self.pending >> self.count) as u32);
        }
    }

    #[inline(always)]
    fn word(&mut self, word: u32) {
        let bytes = word.to_be_bytes();
        // Whether any byte is 0xff, by its complement being zero.
        if (!word).wrapping_sub(0x0101_0101) & word & 0x8080_8080 == 0 {
            self.bytes.extend_from_slice(&bytes);
        } else {
            self.stuffed(bytes);
        }
    }

    #[cold]
    fn stuffed(&mut self, bytes: [u8; 4]) {
        for byte in bytes {
            self.bytes.push(byte);
            if byte == 0xff {
                self.bytes.push(0);
            }
        }
    }

    /// Fills the last byte with ones, as F.1.2.3 of T.81 wants it.
    #[expect(clippy::cast_possible_truncation, reason = "the bytes are taken one by one")]
    pub(super) fn finish(mut self) {
        let fill = self.count.wrapping_neg() & 7;
        self.put((1 << fill) - 1, fill);
        while self.count > 0 {
            self.count -= 8;
            let byte = (self.pending >> self.count) as u8;
            self.bytes.push(byte);
            if byte == 0xff {
                self.bytes.push(0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    #[test]
    fn bits_arrive_in_order_and_stuffed() {
        let mut random = fastrand::Rng::with_seed(4);
        for length in 0..200 {
            let mut expected = String::new();
            let mut bytes = Vec::new();
            let mut writer = BitWriter::new(&mut bytes);
            for _ in 0..length {
                let count = random.u32(0..=32);
                // Mostly ones, so that whole bytes of them are there.
                let bits =
                    (random.u32(..) | random.u32(..) | random.u32(..)) & u32::try_from((1_u64 << count) - 1).unwrap();
                writer.put(bits, count);
                if count > 0 {
                    write!(expected, "{bits:0width$b}", width = count as usize).unwrap();
                }
            }
            writer.finish();
            while !expected.len().is_multiple_of(8) {
                expected.push('1');
            }
            let mut found = String::new();
            let mut bytes = bytes.into_iter();
            while let Some(byte) = bytes.next() {
                write!(found, "{byte:08b}").unwrap();
                if byte == 0xff {
                    assert_eq!(bytes.next(), Some(0));
                }
            }
            assert_eq!(found, expected);
        }
    }
}
