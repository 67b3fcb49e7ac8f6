//! What the files are put together from: containers, checksums, compressed data.

use std::io::Write as _;

/// The 32-bit checksum of PNG and ZIP.
pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 })
    })
}

/// A length as a file has it. The files here are short.
pub(crate) fn length32(length: usize) -> u32 {
    u32::try_from(length).expect("the files here are short")
}

/// A length of sixteen bits.
pub(crate) fn length16(length: usize) -> u16 {
    u16::try_from(length).expect("the segments here are short")
}

/// A PNG chunk with the right checksum.
pub(crate) fn png_chunk(kind: [u8; 4], body: &[u8]) -> Vec<u8> {
    let covered = [&kind, body].concat();
    [length32(body.len()).to_be_bytes().as_slice(), &covered, &crc32(&covered).to_be_bytes()].concat()
}

/// A chunk of a RIFF container, padded.
pub(crate) fn riff_chunk(kind: [u8; 4], body: &[u8]) -> Vec<u8> {
    [kind.as_slice(), &length32(body.len()).to_le_bytes(), body, &[0][..body.len() % 2]].concat()
}

/// A WebP file of these chunks.
pub(crate) fn webp_file(chunks: &[u8]) -> Vec<u8> {
    [b"RIFF".as_slice(), &length32(chunks.len() + 4).to_le_bytes(), b"WEBP", chunks].concat()
}

/// A JPEG segment.
pub(crate) fn jpeg_segment(marker: u8, body: &[u8]) -> Vec<u8> {
    [&[0xff, marker], length16(body.len() + 2).to_be_bytes().as_slice(), body].concat()
}

/// Zlib data of these bytes.
pub(crate) fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).expect("memory takes everything");
    encoder.finish().expect("memory takes everything")
}

/// Zlib data of so many zeros at the best ratio that deflate has, 258 bytes for two bits, made without the zeros.
pub(crate) fn deflated_zeros(count: u64) -> Vec<u8> {
    // One block with tables of its own. Its codes: 285 (258 bytes again) is 0, the literal 0 is 10, the end is 11, the only
    // distance is 0.
    let mut bits = Bits::default();
    bits.put(0b1, 1); // the last block
    bits.put(0b10, 2); // dynamic tables
    bits.put(29, 5); // 286 literals and lengths
    bits.put(0, 5); // 1 distance
    bits.put(18 - 4, 4); // lengths of 18 codes of lengths, in the order of the format
    // 18: 1 bit, 1: 2 bits, 2: 2 bits; the rest absent.
    for symbol in [16_u8, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1] {
        let length = match symbol {
            18 => 1,
            1 | 2 => 2,
            _ => 0,
        };
        bits.put(length, 3);
    }
    // Codes of lengths: 18 is 0, 1 is 10, 2 is 11, each sent from its first bit on.
    let zeros = |bits: &mut Bits, count: u32| {
        bits.put(0b0, 1);
        bits.put(count - 11, 7);
    };
    bits.put(0b11, 2); // the literal 0 has a code of 2 bits
    zeros(&mut bits, 138);
    zeros(&mut bits, 117);
    bits.put(0b11, 2); // 256, the end: 2 bits
    zeros(&mut bits, 28);
    bits.put(0b01, 2); // 285: 1 bit
    bits.put(0b01, 2); // the distance: 1 bit
    let copies = count.saturating_sub(1) / 258;
    let literals = count - copies * 258;
    for _ in 0..literals {
        bits.put(0b01, 2);
    }
    for _ in 0..copies {
        bits.put(0b00, 2);
    }
    bits.put(0b11, 2);
    let adler = (count % 65_521) << 16 | 1;
    let adler = u32::try_from(adler).expect("two numbers below 65521");
    [&[0x78, 0xda], bits.finish().as_slice(), &adler.to_be_bytes()].concat()
}

/// LZW data with GIF's order of bits, in its blocks of up to 255 bytes.
pub(crate) fn gif_data(indices: &[u8], code_bits: u8) -> Vec<u8> {
    let data = weezl::encode::Encoder::new(weezl::BitOrder::Lsb, code_bits).encode(indices).expect("indices fit");
    [&[code_bits], gif_blocks(&data).as_slice()].concat()
}

/// Data in blocks of up to 255 bytes, and the empty block that ends them.
pub(crate) fn gif_blocks(data: &[u8]) -> Vec<u8> {
    let mut blocks = Vec::new();
    for block in data.chunks(255) {
        blocks.push(u8::try_from(block.len()).expect("at most 255"));
        blocks.extend(block);
    }
    blocks.push(0);
    blocks
}

/// Bits from the lowest of each byte on.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    pending: u64,
    count: u32,
}

impl Bits {
    fn put(&mut self, value: u32, count: u32) {
        self.pending |= u64::from(value) << self.count;
        self.count += count;
        while self.count >= 8 {
            self.bytes.push(self.pending.to_le_bytes()[0]);
            self.pending >>= 8;
            self.count -= 8;
        }
    }

    fn finish(mut self) -> Vec<u8> {
        self.bytes.push(self.pending.to_le_bytes()[0]);
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn zeros_come_back_as_zeros() {
        for count in [1, 2, 258, 259, 1000, 1_000_000] {
            let data = deflated_zeros(count);
            assert!((data.len() as u64) < 700 + count / 1000, "{count}: {}", data.len());
            let mut zeros = Vec::new();
            flate2::read::ZlibDecoder::new(data.as_slice()).read_to_end(&mut zeros).unwrap();
            assert_eq!(zeros.len() as u64, count);
            assert!(zeros.iter().all(|byte| *byte == 0));
        }
    }
}
