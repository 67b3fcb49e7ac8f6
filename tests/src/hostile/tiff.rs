//! TIFF files, good and hostile.

use super::bytes::{deflated, length32};
use super::samples::{Sample, icc_profile, inks_profile, pixels};
use super::{Corpus, SIDES};

pub(super) const SHORT: u16 = 3;
pub(super) const LONG: u16 = 4;

pub(super) const WIDTH: u16 = 256;
pub(super) const HEIGHT: u16 = 257;
pub(super) const BITS: u16 = 258;
pub(super) const COMPRESSION: u16 = 259;
pub(super) const PHOTOMETRIC: u16 = 262;
const FILL_ORDER: u16 = 266;
pub(super) const STRIP_OFFSETS: u16 = 273;
const ORIENTATION: u16 = 274;
pub(super) const SAMPLES: u16 = 277;
pub(super) const ROWS_PER_STRIP: u16 = 278;
pub(super) const STRIP_BYTES: u16 = 279;
pub(super) const PLANAR: u16 = 284;
pub(super) const PREDICTOR: u16 = 317;
const COLOR_MAP: u16 = 320;
pub(super) const TILE_WIDTH: u16 = 322;
pub(super) const TILE_HEIGHT: u16 = 323;
pub(super) const TILE_OFFSETS: u16 = 324;
pub(super) const TILE_BYTES: u16 = 325;
pub(super) const EXTRA_SAMPLES: u16 = 338;
const SAMPLE_FORMAT: u16 = 339;
const CHROMA_SUBSAMPLING: u16 = 530;
pub(super) const ICC: u16 = 34_675;

/// A little-endian file: the picture's data from the eighth byte on, then the directory.
#[derive(Clone)]
pub(crate) struct Tiff {
    entries: Vec<Entry>,
    pub(super) data: Vec<u8>,
    /// Where the header says that the directory is, if not where it is.
    directory_at: Option<u32>,
    /// What follows the directory.
    next: u32,
}

/// An entry. Values that do not fit into it are written after the directory.
#[derive(Clone)]
struct Entry {
    tag: u16,
    kind: u16,
    /// As claimed; the number of values when absent.
    count: Option<u32>,
    values: Vec<u32>,
    /// The field as it is, instead of values.
    raw: Option<u32>,
}

/// Where the data are.
pub(super) const DATA_AT: u32 = 8;

impl Tiff {
    /// One strip of data that may be compressed.
    pub(crate) fn of(width: u32, height: u32, samples: u32, bits: u32) -> Self {
        let data = pixels((width * samples * bits).div_ceil(8), height, 1);
        let photometric = match samples {
            1 | 2 => 1,
            _ => 2,
        };
        let length = length32(data.len());
        let mut tiff = Self { entries: Vec::new(), data, directory_at: None, next: 0 };
        tiff.set(WIDTH, LONG, &[width]);
        tiff.set(HEIGHT, LONG, &[height]);
        tiff.set(BITS, SHORT, &vec![bits; samples as usize]);
        tiff.set(COMPRESSION, SHORT, &[1]);
        tiff.set(PHOTOMETRIC, SHORT, &[photometric]);
        tiff.set(STRIP_OFFSETS, LONG, &[DATA_AT]);
        tiff.set(SAMPLES, SHORT, &[samples]);
        tiff.set(ROWS_PER_STRIP, LONG, &[height]);
        tiff.set(STRIP_BYTES, LONG, &[length]);
        if samples == 2 || samples == 4 {
            tiff.set(EXTRA_SAMPLES, SHORT, &[2]);
        }
        tiff
    }

    fn set(&mut self, tag: u16, kind: u16, values: &[u32]) {
        self.remove(tag);
        self.entries.push(Entry { tag, kind, count: None, values: values.to_vec(), raw: None });
        self.entries.sort_by_key(|entry| entry.tag);
    }

    pub(super) fn remove(&mut self, tag: u16) {
        self.entries.retain(|entry| entry.tag != tag);
    }

    pub(super) fn with(mut self, tag: u16, kind: u16, values: &[u32]) -> Self {
        self.set(tag, kind, values);
        self
    }

    /// An entry whose count and field are as given, whatever they mean.
    pub(super) fn with_raw(mut self, tag: u16, kind: u16, count: u32, raw: u32) -> Self {
        self.remove(tag);
        self.entries.push(Entry { tag, kind, count: Some(count), values: Vec::new(), raw: Some(raw) });
        self.entries.sort_by_key(|entry| entry.tag);
        self
    }

    /// Other data, in one strip.
    pub(super) fn with_data(mut self, compression: u32, data: Vec<u8>) -> Self {
        self.set(COMPRESSION, SHORT, &[compression]);
        self.set(STRIP_BYTES, LONG, &[length32(data.len())]);
        self.data = data;
        self
    }

    pub(crate) fn file(&self) -> Vec<u8> {
        let padded = self.data.len().next_multiple_of(2);
        let directory_at = DATA_AT + length32(padded);
        let mut overflow_at = directory_at + 2 + length32(self.entries.len()) * 12 + 4;
        let mut bytes = b"II*\0".to_vec();
        bytes.extend(self.directory_at.unwrap_or(directory_at).to_le_bytes());
        bytes.extend(&self.data);
        bytes.resize(DATA_AT as usize + padded, 0);
        bytes.extend(super::bytes::length16(self.entries.len()).to_le_bytes());
        let mut overflow: Vec<u8> = Vec::new();
        for entry in &self.entries {
            let short = entry.kind == SHORT;
            let field = |value: &u32| value.to_le_bytes()[..if short { 2 } else { 4 }].to_vec();
            let mut values: Vec<u8> = entry.values.iter().flat_map(field).collect();
            bytes.extend(entry.tag.to_le_bytes());
            bytes.extend(entry.kind.to_le_bytes());
            bytes.extend(entry.count.unwrap_or(length32(entry.values.len())).to_le_bytes());
            if let Some(raw) = entry.raw {
                bytes.extend(raw.to_le_bytes());
            } else if values.len() <= 4 {
                values.resize(4, 0);
                bytes.extend(values);
            } else {
                bytes.extend(overflow_at.to_le_bytes());
                overflow_at += length32(values.len());
                overflow.extend(values);
            }
        }
        bytes.extend(self.next.to_le_bytes());
        bytes.extend(overflow);
        bytes
    }
}

pub(super) fn lzw(data: &[u8]) -> Vec<u8> {
    weezl::encode::Encoder::with_tiff_size_switch(weezl::BitOrder::Msb, 8).encode(data).expect("all bytes are codes")
}

/// Runs of literals, as a lazy writer makes them.
pub(super) fn packbits(data: &[u8]) -> Vec<u8> {
    data.chunks(128)
        .flat_map(|chunk| {
            std::iter::once(super::bytes::length32(chunk.len() - 1).to_le_bytes()[0]).chain(chunk.to_vec())
        })
        .collect()
}

pub(super) fn tiled(width: u32, height: u32) -> Tiff {
    let (across, down) = (width.div_ceil(16), height.div_ceil(16));
    let offsets: Vec<u32> = (0..across * down).map(|tile| DATA_AT + tile * 16 * 16 * 3).collect();
    let mut tiff = Tiff::of(width, height, 3, 8);
    tiff.data = pixels(16 * across * 3, 16 * down, 1);
    for tag in [STRIP_OFFSETS, STRIP_BYTES, ROWS_PER_STRIP] {
        tiff.remove(tag);
    }
    tiff.with(TILE_WIDTH, LONG, &[16]).with(TILE_HEIGHT, LONG, &[16]).with(TILE_OFFSETS, LONG, &offsets).with(
        TILE_BYTES,
        LONG,
        &vec![16 * 16 * 3; offsets.len()],
    )
}

/// The same data, as planes one behind the other.
pub(super) fn planes(tiff: &Tiff, width: u32, height: u32) -> Tiff {
    let tiles = tiff.entries.iter().any(|entry| entry.tag == TILE_WIDTH);
    let (offsets, lengths, count) = if tiles {
        (TILE_OFFSETS, TILE_BYTES, width.div_ceil(16) * height.div_ceil(16))
    } else {
        (STRIP_OFFSETS, STRIP_BYTES, 1)
    };
    let length = length32(tiff.data.len()) / (count * 3);
    let places: Vec<u32> = (0..count * 3).map(|chunk| DATA_AT + chunk * length).collect();
    tiff.clone().with(PLANAR, SHORT, &[2]).with(offsets, LONG, &places).with(lengths, LONG, &vec![length; places.len()])
}

pub(crate) fn samples(width: u32, height: u32) -> Vec<Sample> {
    let sample = |name, tiff: &Tiff| Sample { name, bytes: tiff.file() };
    let rgb = Tiff::of(width, height, 3, 8);
    let strips: Vec<u32> = (0..height.div_ceil(8)).map(|strip| DATA_AT + strip * 8 * width * 3).collect();
    let lengths: Vec<u32> = (0..height.div_ceil(8)).map(|strip| (height - strip * 8).min(8) * width * 3).collect();
    let several = rgb.clone().with(STRIP_OFFSETS, LONG, &strips).with(STRIP_BYTES, LONG, &lengths).with(
        ROWS_PER_STRIP,
        SHORT,
        &[8],
    );
    let mut cmyk = Tiff::of(width, height, 4, 8).with(PHOTOMETRIC, SHORT, &[5]);
    cmyk.remove(EXTRA_SAMPLES);
    let floats = Tiff::of(width, height, 3, 32).with(SAMPLE_FORMAT, SHORT, &[3, 3, 3]);
    let spot = Tiff::of(width, height, 4, 16).with(EXTRA_SAMPLES, SHORT, &[0]).with(PREDICTOR, SHORT, &[2]);
    let spot = spot.clone().with_data(5, lzw(&spot.data));
    let associated = Tiff::of(width, height, 4, 8).with(EXTRA_SAMPLES, SHORT, &[1]).with(FILL_ORDER, SHORT, &[2]);
    let chroma = rgb.clone().with(PHOTOMETRIC, SHORT, &[6]).with(CHROMA_SUBSAMPLING, SHORT, &[2, 1]);
    let map: Vec<u32> = (0..16 * 3).map(|at| at * 1300).collect();
    let palette = Tiff::of(width, height, 1, 4).with(PHOTOMETRIC, SHORT, &[3]).with(COLOR_MAP, SHORT, &map);
    // Rows that are all white: a bit each, for nothing that changes.
    let white = Tiff::of(width, height, 1, 1).with(PHOTOMETRIC, SHORT, &[0]);
    let white = white.with_data(4, vec![0xff; height.div_ceil(8) as usize]);
    vec![
        sample("tiff-rgb", &rgb),
        sample("tiff-strips", &several),
        sample("tiff-tiles", &tiled(width, height)),
        sample("tiff-lzw", &rgb.clone().with_data(5, lzw(&rgb.data))),
        sample("tiff-deflate", &rgb.clone().with_data(8, deflated(&rgb.data)).with(PREDICTOR, SHORT, &[2])),
        sample("tiff-packbits", &rgb.clone().with_data(32_773, packbits(&rgb.data)).with(ORIENTATION, SHORT, &[6])),
        sample("tiff-gray-16", &Tiff::of(width, height, 1, 16)),
        sample("tiff-rgba", &Tiff::of(width, height, 4, 8)),
        sample("tiff-cmyk", &cmyk),
        Sample { name: "tiff-cmyk-icc", bytes: super::inks::tiff(&inks_profile()) },
        sample("tiff-floats", &floats),
        sample("tiff-spot-lzw-16", &spot),
        sample("tiff-associated-alpha", &associated),
        sample("tiff-planes", &planes(&rgb, width, height)),
        sample("tiff-tiles-of-planes", &planes(&tiled(width, height), width, height)),
        sample("tiff-palette", &palette),
        sample("tiff-gray-alpha", &Tiff::of(width, height, 2, 8)),
        sample("tiff-chroma", &chroma),
        sample("tiff-fax", &white),
    ]
}

/// A large file of one strip.
pub(crate) fn large(width: u32, height: u32, samples: u32, bits: u32, compressed: bool) -> Vec<u8> {
    let data = super::large::texture((width * samples * bits / 8) as usize, height as usize);
    let tiff = Tiff::of(8, 8, samples, bits);
    let tiff = tiff.with(WIDTH, LONG, &[width]).with(HEIGHT, LONG, &[height]).with(ROWS_PER_STRIP, LONG, &[height]);
    let (compression, data) = if compressed { (8, deflated(&data)) } else { (1, data) };
    tiff.with_data(compression, data).file()
}

/// A file of one strip that is a JPEG of three colours or four inks.
pub(crate) fn around_jpeg(width: u32, height: u32, jpeg: Vec<u8>, samples: u32) -> Vec<u8> {
    let photometric = if samples == 4 { 5 } else { 6 };
    let mut tiff = Tiff::of(8, 8, samples, 8).with(PHOTOMETRIC, SHORT, &[photometric]);
    tiff.remove(EXTRA_SAMPLES);
    let tiff = tiff.with(WIDTH, LONG, &[width]).with(HEIGHT, LONG, &[height]).with(ROWS_PER_STRIP, LONG, &[height]);
    tiff.with_data(7, jpeg).file()
}

pub(crate) fn hostile(corpus: &mut Corpus) {
    let rgb = Tiff::of(40, 27, 3, 8);
    sizes(corpus, &rgb);
    counts(corpus, &rgb);
    directories(corpus, &rgb);
    super::tiff_data::data(corpus, &rgb);
    super::tiff_data::tiles(corpus);
    super::tiff_data::fax(corpus);
}

fn sizes(corpus: &mut Corpus, rgb: &Tiff) {
    let compressed = rgb.clone().with_data(8, deflated(&rgb.data));
    let tiles = tiled(40, 27);
    for (kind, tiff) in [("plain", rgb), ("deflate", &compressed), ("tiles", &tiles)] {
        for side in SIDES {
            let mut add = |which: &str, tiff: Tiff| {
                corpus.add("tiff: sizes", format!("tiff-{kind}-{which}-{side}"), tiff.file());
            };
            add("width", tiff.clone().with(WIDTH, LONG, &[side]));
            add("height", tiff.clone().with(HEIGHT, LONG, &[side]));
            add("both", tiff.clone().with(WIDTH, LONG, &[side]).with(HEIGHT, LONG, &[side]));
            add("rows-per-strip", tiff.clone().with(ROWS_PER_STRIP, LONG, &[side]));
            add("tile", tiff.clone().with(TILE_WIDTH, LONG, &[side]).with(TILE_HEIGHT, LONG, &[side]));
        }
    }
    // As large as is accepted, over nothing: the price of 49 megapixels for a few bytes.
    for compression in [5, 8, 32_773] {
        for (samples, bits) in [(1, 1), (3, 8), (4, 8), (3, 16), (4, 32)] {
            let small = Tiff::of(40, 27, samples, bits);
            let huge = small.with(WIDTH, LONG, &[7000]).with(HEIGHT, LONG, &[7000]).with(ROWS_PER_STRIP, LONG, &[7000]);
            let name = format!("tiff-49-megapixels-of-{samples}x{bits}-compression-{compression}");
            corpus.add("tiff: bombs", name, huge.with_data(compression, vec![0x80, 0x0b, 0x60, 0x50]).file());
        }
    }
    for (width, height) in [(7000, 7000), (65_535, 700), (700, 65_535), (50_000, 50_000)] {
        let zeros = super::bytes::deflated_zeros(u64::from(width) * u64::from(height) * 3);
        let bomb = rgb.clone().with(WIDTH, LONG, &[width]).with(HEIGHT, LONG, &[height]);
        let bomb = bomb.with(ROWS_PER_STRIP, LONG, &[height]).with_data(8, zeros);
        corpus.add("tiff: bombs", format!("tiff-deflate-zeros-{width}x{height}"), bomb.file());
    }
    // Deflated data that inflate to far more than the picture.
    let bomb = rgb.clone().with_data(8, super::bytes::deflated_zeros(1 << 30));
    corpus.add("tiff: bombs", "tiff-40x27-over-a-gigabyte-of-zeros", bomb.file());
}

fn counts(corpus: &mut Corpus, rgb: &Tiff) {
    let tags = [WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, STRIP_OFFSETS, SAMPLES, ROWS_PER_STRIP, STRIP_BYTES];
    for tag in tags {
        for count in [0, 2, 3, 1000, 0x7fff_ffff, u32::MAX] {
            for at in [0, DATA_AT, 0x7fff_ffff] {
                let name = format!("tiff-tag-{tag}-of-{count}-values-at-{at}");
                corpus.add("tiff: counts", name, rgb.clone().with_raw(tag, LONG, count, at).file());
            }
        }
        for kind in [0, 1, 2, 5, 11, 12, 13, 16, 255, u16::MAX] {
            let name = format!("tiff-tag-{tag}-of-type-{kind}");
            corpus.add("tiff: counts", name, rgb.clone().with_raw(tag, kind, 1, 1).file());
        }
        let mut without = rgb.clone();
        without.remove(tag);
        corpus.add("tiff: counts", format!("tiff-without-tag-{tag}"), without.file());
        let mut twice = rgb.clone();
        let again = twice.entries.iter().find(|entry| entry.tag == tag).expect("all are there").clone();
        twice.entries.push(Entry { values: vec![u32::MAX], ..again });
        corpus.add("tiff: counts", format!("tiff-tag-{tag}-twice"), twice.file());
    }
    for count in [100, 10_000, 65_535, 300_000] {
        let one = vec![DATA_AT; count];
        let lengths = vec![3_u32; count];
        let strips = rgb.clone().with(STRIP_OFFSETS, LONG, &one).with(STRIP_BYTES, LONG, &lengths);
        let strips = strips.with(ROWS_PER_STRIP, LONG, &[1]).with(HEIGHT, LONG, &[length32(count)]);
        corpus.add("tiff: counts", format!("tiff-{count}-strips-at-one-place"), strips.with(WIDTH, LONG, &[1]).file());
        let tiles = tiled(40, 27).with(TILE_OFFSETS, LONG, &one).with(TILE_BYTES, LONG, &lengths);
        corpus.add("tiff: counts", format!("tiff-{count}-tiles-at-one-place"), tiles.file());
        // Overlapping strips: each is the whole file, again and again.
        let whole = vec![length32(rgb.data.len()); count];
        let strips = rgb.clone().with(STRIP_OFFSETS, LONG, &one).with(STRIP_BYTES, LONG, &whole);
        let strips = strips.with(HEIGHT, LONG, &[length32(count).saturating_mul(27).min(65_535)]);
        corpus.add("tiff: counts", format!("tiff-{count}-whole-strips-at-one-place"), strips.file());
    }
}

fn directories(corpus: &mut Corpus, rgb: &Tiff) {
    let mut add = |name: String, tiff: Tiff| corpus.add("tiff: directories", name, tiff.file());
    for at in [0, 1, 4, 7, 8, 0x7fff_fffe, 0xffff_fffe, u32::MAX] {
        add(format!("tiff-directory-at-{at}"), Tiff { directory_at: Some(at), ..rgb.clone() });
        add(format!("tiff-next-directory-at-{at}"), Tiff { next: at, ..rgb.clone() });
    }
    let own = DATA_AT + length32(rgb.data.len().next_multiple_of(2));
    add("tiff-directory-follows-itself".to_owned(), Tiff { next: own, ..rgb.clone() });
    for (tag, name) in [(330, "sub-directory"), (34_665, "exif"), (34_853, "gps"), (40_965, "interoperability")] {
        for at in [0, 8, own, u32::MAX] {
            add(format!("tiff-{name}-at-{at}"), rgb.clone().with(tag, LONG, &[at]));
        }
    }
    let mut many = rgb.clone();
    many.entries.extend((0..60_000).map(|tag| Entry {
        tag: 1000 + tag,
        kind: LONG,
        count: None,
        values: vec![7],
        raw: None,
    }));
    add("tiff-60000-entries".to_owned(), many);
    for length in [0, 100, 1 << 20, 0x7fff_ffff, u32::MAX] {
        add(format!("tiff-profile-of-{length}-bytes"), rgb.clone().with_raw(ICC, 7, length, DATA_AT));
        add(format!("tiff-exif-values-of-{length}-bytes"), rgb.clone().with_raw(37_500, 7, length, DATA_AT));
    }
    let mut profile = rgb.clone();
    profile.data.extend(icc_profile().repeat(100_000));
    let profile = profile.with_raw(ICC, 7, 13_200_000, DATA_AT + length32(rgb.data.len()));
    add("tiff-profile-of-13-megabytes".to_owned(), profile);
    let mut big = rgb.file();
    big[2] = 43;
    corpus.add("tiff: directories", "tiff-that-says-it-is-big", big);
    let mut swapped = rgb.file();
    swapped[..2].copy_from_slice(b"MM");
    corpus.add("tiff: directories", "tiff-of-the-other-byte-order", swapped);
    corpus.add("tiff: directories", "tiff-of-nothing", b"II*\0".to_vec());
}
