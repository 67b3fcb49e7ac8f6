//! A writer of every kind of TIFF.

use std::io::Write as _;

pub(super) const SHORT: u16 = 3;
pub(super) const LONG: u16 = 4;
pub(super) const RATIONAL: u16 = 5;

pub(super) const WIDTH: usize = 21;
pub(super) const HEIGHT: usize = 13;

/// How a file is written.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Form {
    pub(super) from_high: bool,
    pub(super) big: bool,
}

/// A file in the making.
#[derive(Clone, Debug, Default)]
pub(super) struct File {
    pub(super) form: Form,
    pub(super) entries: Vec<(u16, u16, Vec<u64>)>,
    pub(super) chunks: Vec<Vec<u8>>,
}

impl Form {
    pub(super) fn number(self, value: u64, bytes: usize) -> Vec<u8> {
        let mut number = value.to_le_bytes()[..bytes].to_vec();
        if self.from_high {
            number.reverse();
        }
        number
    }
}

impl File {
    /// An image of 21x13 in strips of five rows.
    pub(super) fn new(form: Form, photometric: u64, samples: usize, bits: u64) -> Self {
        let file = Self { form, ..Self::default() };
        file.with(256, LONG, &[WIDTH as u64])
            .with(257, LONG, &[HEIGHT as u64])
            .with(258, SHORT, &vec![bits; samples])
            .with(262, SHORT, &[photometric])
            .with(277, SHORT, &[samples as u64])
            .with(278, SHORT, &[5])
    }

    pub(super) fn with(mut self, tag: u16, kind: u16, values: &[u64]) -> Self {
        self = self.without(tag);
        self.entries.push((tag, kind, values.to_vec()));
        self.entries.sort_by_key(|entry| entry.0);
        self
    }

    pub(super) fn without(mut self, tag: u16) -> Self {
        self.entries.retain(|entry| entry.0 != tag);
        self
    }

    /// Strips or tiles, with their offsets and lengths.
    pub(super) fn with_chunks(mut self, tiled: bool, chunks: Vec<Vec<u8>>) -> Self {
        let (offsets, lengths) = if tiled { (324, 325) } else { (273, 279) };
        let mut at = 16;
        let mut places = Vec::new();
        for chunk in &chunks {
            places.push(at as u64);
            at += chunk.len();
        }
        let sizes: Vec<u64> = chunks.iter().map(|chunk| chunk.len() as u64).collect();
        self.chunks = chunks;
        self.with(offsets, LONG, &places).with(lengths, LONG, &sizes)
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let Form { from_high, big } = self.form;
        let number = |value: u64, bytes| self.form.number(value, bytes);
        let data = self.chunks.concat();
        let directory_at = (16 + data.len()).next_multiple_of(2);
        let mut file = if from_high { b"MM".to_vec() } else { b"II".to_vec() };
        if big {
            file.extend([number(43, 2), number(8, 2), number(0, 2), number(directory_at as u64, 8)].concat());
        } else {
            file.extend([number(42, 2), number(directory_at as u64, 4)].concat());
        }
        file.resize(16, 0);
        file.extend(data);
        file.resize(directory_at, 0);
        let (head, entry, word) = if big { (8, 20, 8) } else { (2, 12, 4) };
        let mut beyond_at = directory_at + head + self.entries.len() * entry + word;
        let mut beyond = Vec::new();
        file.extend(number(self.entries.len() as u64, head));
        for (tag, kind, values) in &self.entries {
            // A fraction is given as its two numbers.
            let (width, count) = match *kind {
                SHORT | 8 => (2, values.len()),
                LONG | 9 | 13 => (4, values.len()),
                RATIONAL => (4, values.len() / 2),
                16 => (8, values.len()),
                _ => (1, values.len()),
            };
            let mut field: Vec<u8> = values.iter().flat_map(|value| number(*value, width)).collect();
            file.extend([number((*tag).into(), 2), number((*kind).into(), 2), number(count as u64, word)].concat());
            if field.len() > word {
                let place = number(beyond_at as u64, word);
                beyond_at += field.len();
                beyond.extend(std::mem::replace(&mut field, place));
            }
            field.resize(word, 0);
            file.extend(field);
        }
        file.extend(vec![0; word]);
        file.extend(beyond);
        file
    }
}

/// Bits from the highest of each byte, rows of bytes.
pub(super) fn bits(values: &[u64], bits: u64) -> Vec<u8> {
    let all: Vec<u8> =
        values.iter().flat_map(|value| (0..bits).rev().map(move |bit| (value >> bit & 1) as u8)).collect();
    all.chunks(8).map(|byte| byte.iter().enumerate().fold(0, |byte, (at, bit)| byte | bit << (7 - at))).collect()
}

/// Packs a strip or tile by the number of a compression.
pub(super) fn pack(compression: u64, bytes: &[u8]) -> Vec<u8> {
    match compression {
        1 => bytes.to_vec(),
        5 => weezl::encode::Encoder::with_tiff_size_switch(weezl::BitOrder::Msb, 8).encode(bytes).unwrap(),
        8 | 32_946 => {
            let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        32_773 => {
            let mut packed = vec![128];
            for run in bytes.chunk_by(|one, other| one == other).flat_map(|run| run.chunks(128)) {
                match run {
                    [byte] => packed.extend([0, *byte]),
                    run => packed.extend([u8::try_from(257 - run.len()).unwrap(), run[0]]),
                }
            }
            packed
        }
        _ => unreachable!("no such compression"),
    }
}
