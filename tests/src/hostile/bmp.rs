//! BMP files, good and hostile.

use super::samples::{Sample, pixels};
use super::{Corpus, SIDES};

/// The headers of a file; the fields that a hostile one bends.
#[derive(Clone)]
pub(crate) struct Bmp {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) bits: u16,
    pub(crate) compression: u32,
    pub(crate) colors: u32,
    pub(crate) header_bytes: u32,
    pub(crate) pixels_at: Option<u32>,
    /// Palette or masks.
    pub(crate) table: Vec<u8>,
    pub(crate) data: Vec<u8>,
}

impl Bmp {
    pub(crate) fn of(width: u32, height: u32, bits: u16) -> Self {
        let row_bytes = (width * u32::from(bits)).div_ceil(32) * 4;
        let table = if bits <= 8 { pixels(1 << bits, 1, 4) } else { Vec::new() };
        Self {
            width,
            height,
            bits,
            compression: 0,
            colors: 0,
            header_bytes: 40,
            pixels_at: None,
            table,
            data: pixels(row_bytes, height, 1),
        }
    }

    pub(crate) fn file(&self) -> Vec<u8> {
        let mut header = self.header_bytes.to_le_bytes().to_vec();
        header.extend(self.width.to_le_bytes());
        header.extend(self.height.to_le_bytes());
        header.extend(1_u16.to_le_bytes());
        header.extend(self.bits.to_le_bytes());
        header.extend(self.compression.to_le_bytes());
        header.extend([0; 12]);
        header.extend(self.colors.to_le_bytes());
        header.extend([0; 4]);
        let table_at = 14 + header.len();
        let pixels_at = self.pixels_at.unwrap_or(super::bytes::length32(table_at + self.table.len()));
        let length = super::bytes::length32(table_at + self.table.len() + self.data.len());
        [b"BM", length.to_le_bytes().as_slice(), &[0; 4], &pixels_at.to_le_bytes(), &header, &self.table, &self.data]
            .concat()
    }
}

/// Runs of eight pixels, row by row.
fn runs(width: u32, height: u32) -> Vec<u8> {
    let mut data = Vec::new();
    for row in 0..height {
        for run in 0..width / 8 {
            data.extend([8, (row * 8 + run).to_le_bytes()[0]]);
        }
        data.extend([0, 0]);
    }
    data.extend([0, 1]);
    data
}

pub(crate) fn samples(width: u32, height: u32) -> Vec<Sample> {
    let masks: Vec<u8> = [0xf800_u32, 0x07e0, 0x001f].iter().flat_map(|mask| mask.to_le_bytes()).collect();
    let sample = |name, bmp: &Bmp| Sample { name, bytes: bmp.file() };
    let plain = |bits| Bmp::of(width, height, bits);
    vec![
        sample("bmp-24", &plain(24)),
        sample("bmp-32", &plain(32)),
        sample("bmp-8", &plain(8)),
        sample("bmp-4", &plain(4)),
        sample("bmp-1", &plain(1)),
        sample("bmp-from-the-top", &Bmp { height: height.wrapping_neg(), ..plain(24) }),
        sample("bmp-565", &Bmp { compression: 3, table: masks, ..plain(16) }),
        sample("bmp-rle8", &Bmp { compression: 1, data: runs(width, height), ..plain(8) }),
    ]
}

pub(crate) fn hostile(corpus: &mut Corpus) {
    let (width, height) = (40, 27);
    let plain = |bits| Bmp::of(width, height, bits);
    for bits in [1, 8, 24, 32] {
        for side in SIDES {
            let name = |which: &str| format!("bmp-{bits}-bits-{which}-{side}");
            corpus.add("bmp: sizes", name("width"), Bmp { width: side, ..plain(bits) }.file());
            corpus.add("bmp: sizes", name("height"), Bmp { height: side, ..plain(bits) }.file());
            corpus.add("bmp: sizes", name("both"), Bmp { width: side, height: side, ..plain(bits) }.file());
        }
    }
    for height in [0x8000_0000, 0x8000_0001, 0xffff_0000, u32::MAX] {
        for bits in [8, 24] {
            corpus.add(
                "bmp: sizes",
                format!("bmp-{bits}-bits-height-{height:x}"),
                Bmp { height, ..plain(bits) }.file(),
            );
        }
    }
    for bits in [0, 2, 3, 5, 15, 16, 33, 64, 255, 65_535] {
        for compression in [0, 1, 3] {
            let name = format!("bmp-{bits}-bits-compression-{compression}");
            corpus.add("bmp: headers", name, Bmp { bits, compression, ..plain(24) }.file());
        }
    }
    for compression in [1, 2, 3, 4, 5, 6, 11, 255, u32::MAX] {
        for bits in [1, 4, 8, 16, 32] {
            let name = format!("bmp-compression-{compression}-of-{bits}-bits");
            corpus.add("bmp: headers", name, Bmp { compression, ..plain(bits) }.file());
        }
    }
    for header_bytes in [0, 1, 12, 16, 39, 41, 52, 56, 64, 108, 124, 125, 1 << 20, u32::MAX] {
        let name = format!("bmp-header-of-{header_bytes}-bytes");
        corpus.add("bmp: headers", name, Bmp { header_bytes, ..plain(8) }.file());
    }
    for colors in [1, 255, 256, 257, 65_536, 0x7fff_ffff, u32::MAX] {
        corpus.add("bmp: headers", format!("bmp-{colors}-colours"), Bmp { colors, ..plain(8) }.file());
        corpus.add("bmp: headers", format!("bmp-{colors}-colours-rle"), rle(&runs(width, height), colors));
    }
    for at in [0, 1, 14, 53, 54, 0x7fff_ffff, u32::MAX] {
        corpus.add("bmp: headers", format!("bmp-pixels-at-{at}"), Bmp { pixels_at: Some(at), ..plain(24) }.file());
        let runs = Bmp { pixels_at: Some(at), compression: 1, data: runs(width, height), ..plain(8) };
        corpus.add("bmp: headers", format!("bmp-rle-at-{at}"), runs.file());
    }
    let tricks: [(&str, Vec<u8>); 10] = [
        ("nothing", vec![]),
        ("end-at-once", vec![0, 1]),
        ("no-end", [255, 3].repeat(400)),
        ("runs-beyond-the-row", [[255, 1].repeat(40), vec![0, 1]].concat()),
        ("ends-of-rows-only", [0, 0].repeat(5000)),
        ("jumps-beyond-the-picture", [[0, 2, 255, 255].repeat(200), vec![0, 1]].concat()),
        ("jumps-by-nothing", [0, 2, 0, 0].repeat(5000)),
        ("literals-cut", vec![0, 255, 1, 2, 3]),
        ("literals-of-odd-length", [0, 3, 1, 2, 3, 0].repeat(100)),
        ("runs-of-nothing", [0, 0, 0, 0, 0, 2].repeat(1000)),
    ];
    for (name, data) in tricks {
        corpus.add("bmp: run lengths", format!("bmp-rle8-{name}"), rle(&data, 0));
        let four = Bmp { compression: 2, data: data.clone(), ..plain(4) };
        corpus.add("bmp: run lengths", format!("bmp-rle4-{name}"), four.file());
        let huge = Bmp { width: 7000, height: 7000, compression: 1, data, ..plain(8) };
        corpus.add("bmp: run lengths", format!("bmp-rle8-of-49-megapixels-{name}"), huge.file());
    }
    // Accepted for its size and nearly empty: all that is left is the time and memory of 49 megapixels.
    let lines = [0, 0].repeat(7000);
    let empty = Bmp { width: 7000, height: 7000, compression: 1, data: [lines, vec![0, 1]].concat(), ..plain(8) };
    corpus.add("bmp: run lengths", "bmp-rle8-7000x7000-of-empty-rows", empty.file());
}

fn rle(data: &[u8], colors: u32) -> Vec<u8> {
    Bmp { compression: 1, data: data.to_vec(), colors, ..Bmp::of(40, 27, 8) }.file()
}
