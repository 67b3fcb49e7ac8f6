//! HEIC files, good and hostile. Nothing here codes pictures: these are taken from the files of `tests/heic`, and the boxes
//! around them are made anew.

use super::bytes::{length16, length32};
use super::samples::{Sample, exif, icc_profile, pixels};
use super::{Corpus, SIDES};

/// Good files, with their names.
const FILES: [(&str, &[u8]); 12] = [
    ("heic-plain", include_bytes!("../../heic/plain.heic")),
    ("heic-mif1", include_bytes!("../../heic/mif1.heic")),
    ("heic-odd", include_bytes!("../../heic/odd.heic")),
    ("heic-444", include_bytes!("../../heic/444.heic")),
    ("heic-422", include_bytes!("../../heic/422.heic")),
    ("heic-gray", include_bytes!("../../heic/gray.heic")),
    ("heic-10-bit", include_bytes!("../../heic/10-bit.heic")),
    ("heic-clap-irot-90", include_bytes!("../../heic/clap-irot-90.heic")),
    ("heic-grid-irot-90", include_bytes!("../../heic/grid-irot-90.heic")),
    ("heic-icc-p3", include_bytes!("../../heic/icc-p3.heic")),
    ("heic-alpha", include_bytes!("../../heic/alpha-premultiplied.heic")),
    ("heic-primary-second", include_bytes!("../../heic/primary-second.heic")),
];

/// Pictures of one colour and 4000x3000 pixels: two planes of half the chroma, and of full.
const FLAT: [&[u8]; 2] = [include_bytes!("../../heic/flat-420.heic"), include_bytes!("../../heic/flat-444.heic")];

pub(super) fn samples() -> Vec<Sample> {
    FILES.map(|(name, bytes)| Sample { name, bytes: bytes.to_vec() }).to_vec()
}

/// A coded picture: the box that configures a decoder, and the data.
#[derive(Clone)]
struct Coded {
    config: Vec<u8>,
    data: Vec<u8>,
}

impl Coded {
    /// That of a file with one picture.
    fn of(file: &[u8]) -> Self {
        let config = position(file, *b"hvcC") - 4;
        let data = position(file, *b"mdat") + 4;
        Self { config: file[config..][..length_at(file, config)].to_vec(), data: file[data..].to_vec() }
    }
}

fn plain() -> Coded {
    Coded::of(FILES[0].1)
}

fn position(file: &[u8], kind: [u8; 4]) -> usize {
    file.windows(4).position(|window| window == kind).expect("the box is there")
}

fn length_at(file: &[u8], at: usize) -> usize {
    file[at..at + 4].iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte))
}

fn boxed(kind: [u8; 4], body: &[u8]) -> Vec<u8> {
    [length32(body.len() + 8).to_be_bytes().as_slice(), &kind, body].concat()
}

fn full(kind: [u8; 4], version: u8, body: &[u8]) -> Vec<u8> {
    boxed(kind, &[&[version, 0, 0, 0], body].concat())
}

fn shorts(numbers: &[u16]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_be_bytes()).collect()
}

fn longs(numbers: &[u32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_be_bytes()).collect()
}

fn ispe(width: u32, height: u32) -> Vec<u8> {
    full(*b"ispe", 0, &longs(&[width, height]))
}

fn grid(rows: u8, columns: u8, width: u32, height: u32) -> Vec<u8> {
    [vec![0, 1, rows, columns], longs(&[width, height])].concat()
}

#[derive(Clone)]
struct Item {
    kind: [u8; 4],
    /// Whole boxes.
    properties: Vec<Vec<u8>>,
    data: Vec<u8>,
    /// Offset and length, if not where the data is.
    place: Option<(u32, u32)>,
}

impl Item {
    fn picture(coded: &Coded, width: u32, height: u32) -> Self {
        Self {
            kind: *b"hvc1",
            properties: vec![coded.config.clone(), ispe(width, height)],
            data: coded.data.clone(),
            place: None,
        }
    }

    fn with(mut self, property: Vec<u8>) -> Self {
        self.properties.push(property);
        self
    }

    fn grid(data: Vec<u8>) -> Self {
        Self { kind: *b"grid", properties: Vec::new(), data, place: None }
    }
}

/// A file in the making; items are numbered from 1.
#[derive(Clone)]
struct Heif {
    items: Vec<Item>,
    /// Kind, from, to.
    references: Vec<([u8; 4], u16, Vec<u16>)>,
    primary: u16,
    /// Boxes of `meta` besides those that are always there.
    more: Vec<u8>,
}

impl Heif {
    fn of(items: Vec<Item>) -> Self {
        Self { items, references: Vec::new(), primary: 1, more: Vec::new() }
    }

    fn refer(mut self, kind: [u8; 4], from: u16, to: impl IntoIterator<Item = u16>) -> Self {
        self.references.push((kind, from, to.into_iter().collect()));
        self
    }

    /// A grid of the same tile, each with data of its own.
    fn tiled(coded: &Coded, rows: u8, columns: u8, width: u32, height: u32) -> Self {
        let count = u16::from(rows) * u16::from(columns);
        let tiles = (0..count).map(|_| Item::picture(coded, 80, 64));
        let items = std::iter::once(Item::grid(grid(rows.wrapping_sub(1), columns.wrapping_sub(1), width, height)));
        Self::of(items.chain(tiles).collect()).refer(*b"dimg", 1, 2..count + 2)
    }

    fn file(&self) -> Vec<u8> {
        let ftyp = boxed(*b"ftyp", b"heic\0\0\0\0mif1heic");
        let at = ftyp.len() + self.meta(0).len() + 8;
        let data: Vec<u8> = self.items.iter().flat_map(|item| item.data.iter().copied()).collect();
        [ftyp, self.meta(at), boxed(*b"mdat", &data)].concat()
    }

    fn meta(&self, data_at: usize) -> Vec<u8> {
        let mut shared: Vec<Vec<u8>> = Vec::new();
        let (mut associations, mut infos, mut places) = (Vec::new(), Vec::new(), Vec::new());
        let mut at = data_at;
        for (number, item) in (1_u16..).zip(&self.items) {
            associations.extend(number.to_be_bytes());
            associations.push(u8::try_from(item.properties.len()).expect("few properties"));
            for property in &item.properties {
                let known = shared.iter().position(|other| other == property).unwrap_or_else(|| {
                    shared.push(property.clone());
                    shared.len() - 1
                });
                associations.push(u8::try_from(known + 1).expect("few properties") | 0x80);
            }
            infos.extend(full(*b"infe", 2, &[shorts(&[number, 0]).as_slice(), &item.kind, &[0]].concat()));
            let (offset, length) = item.place.unwrap_or((length32(at), length32(item.data.len())));
            places.extend([shorts(&[number, 0, 1]), longs(&[offset, length])].concat());
            at += item.data.len();
        }
        let count = length16(self.items.len());
        let references: Vec<u8> = self
            .references
            .iter()
            .flat_map(|(kind, from, to)| boxed(*kind, &[shorts(&[*from, length16(to.len())]), shorts(to)].concat()))
            .collect();
        let associations = [longs(&[u32::from(count)]), associations].concat();
        let properties = [boxed(*b"ipco", &shared.concat()), full(*b"ipma", 0, &associations)].concat();
        let body = [
            full(*b"hdlr", 0, b"\0\0\0\0pict\0\0\0\0\0\0\0\0\0\0\0\0\0"),
            full(*b"pitm", 0, &self.primary.to_be_bytes()),
            full(*b"iinf", 0, &[shorts(&[count]), infos].concat()),
            boxed(*b"iprp", &properties),
            full(*b"iloc", 0, &[vec![0x44, 0], shorts(&[count]), places].concat()),
            full(*b"iref", 0, &references),
            self.more.clone(),
        ];
        full(*b"meta", 0, &body.concat())
    }
}

/// A good file of any size: tiles.
pub(super) fn large(width: u32, height: u32) -> Vec<u8> {
    let (rows, columns) = tiles(width, height);
    Heif::tiled(&plain(), rows, columns, width, height).file()
}

/// Rows and columns of the tiles that cover a size.
fn tiles(width: u32, height: u32) -> (u8, u8) {
    let count = |side: u32, tile: u32| u8::try_from(side.div_ceil(tile)).expect("not too large");
    (count(height, 64), count(width, 80))
}

/// A good file of 4000x3000 pixels with colours in one picture and alpha in tiles.
pub(super) fn flat_with_alpha() -> Vec<u8> {
    let (rows, columns) = tiles(4000, 3000);
    let gray = Coded::of(include_bytes!("../../heic/gray.heic"));
    let mut alpha = Heif::tiled(&gray, rows, columns, 4000, 3000).items;
    let kind = full(*b"auxC", 0, b"urn:mpeg:hevc:2015:auxid:1\0");
    alpha[0] = alpha[0].clone().with(kind);
    let last = length16(alpha.len()) + 1;
    let mut heif = Heif::of(vec![Item::picture(&Coded::of(FLAT[0]), 4000, 3000)]);
    heif.items.extend(alpha);
    heif.refer(*b"dimg", 2, 3..=last).refer(*b"auxl", 2, [1]).file()
}

/// A good file of 4000x3000 pixels in one picture.
pub(super) fn flat(full_chroma: bool) -> Vec<u8> {
    FLAT[usize::from(full_chroma)].to_vec()
}

pub(crate) fn hostile(corpus: &mut Corpus) {
    boxes(corpus);
    sizes(corpus);
    grids(corpus);
    items(corpus);
    turns(corpus);
    colors(corpus);
    streams(corpus);
}

/// Where each box of a file begins, through all that hold others.
fn walk(file: &[u8], from: usize, to: usize, found: &mut Vec<usize>) {
    let mut at = from;
    while at + 8 <= to {
        let length = length_at(file, at);
        if length < 8 || at + length > to {
            return;
        }
        found.push(at);
        let skipped = match &file[at + 4..at + 8] {
            b"meta" | b"iref" => Some(12),
            b"iinf" => Some(14),
            b"iprp" | b"ipco" => Some(8),
            _ => None,
        };
        if let Some(skipped) = skipped {
            walk(file, at + skipped, at + length, found);
        }
        at += length;
    }
}

/// Lengths that lie, boxes that are missing, twice or something else.
fn boxes(corpus: &mut Corpus) {
    for name in ["heic-plain", "heic-grid-irot-90", "heic-alpha"] {
        let file = FILES.iter().find(|(known, _)| *known == name).expect("it is there").1;
        let mut found = Vec::new();
        walk(file, 0, file.len(), &mut found);
        for at in found {
            let kind = String::from_utf8_lossy(&file[at + 4..at + 8]).into_owned();
            let length = length_at(file, at);
            let lengths = [0, 1, 2, 7, 8, 9, 11, 12, 16, length - 1, length + 1, length + 8, 0x7fff_ffff, 0xffff_ffff];
            for lie in lengths {
                let mut bytes = file.to_vec();
                bytes[at..at + 4].copy_from_slice(&length32(lie).to_be_bytes());
                corpus.add("heic: boxes", format!("{name}-{kind}-at-{at}-of-length-{lie}"), bytes);
            }
            let mut other = file.to_vec();
            other[at + 4..at + 8].copy_from_slice(b"free");
            corpus.add("heic: boxes", format!("{name}-without-{kind}-at-{at}"), other);
            let doubled = [&file[..at + length], &file[at..]].concat();
            corpus.add("heic: boxes", format!("{name}-{kind}-at-{at}-twice"), doubled);
            let mut empty = file[..at].to_vec();
            empty.extend(boxed(file[at + 4..at + 8].try_into().expect("four bytes"), &[]));
            empty.extend(&file[at + length..]);
            corpus.add("heic: boxes", format!("{name}-{kind}-at-{at}-empty"), empty);
        }
    }
    let long = [b"\0\0\0\x01ftyp\xff\xff\xff\xff\xff\xff\xff\xffheic".as_slice(), &[0; 64]].concat();
    corpus.add_refused("heic: boxes", "heic-length-of-64-bits", long);
    let many = [boxed(*b"ftyp", b"heic\0\0\0\0"), boxed(*b"free", &[]).repeat(500_000)].concat();
    corpus.add_refused("heic: boxes", "heic-500000-empty-boxes", many);
    let deep = (0..5000).fold(Vec::new(), |inner, _| boxed(*b"meta", &[vec![0; 4], inner].concat()));
    corpus.add_refused(
        "heic: boxes",
        "heic-5000-boxes-one-in-the-other",
        [boxed(*b"ftyp", b"heic\0\0\0\0"), deep].concat(),
    );
}

fn sizes(corpus: &mut Corpus) {
    for side in SIDES.into_iter().chain([8, 64, 79, 80, 81, 127, 128, 129, 4000, 7000, 16_384]) {
        for (which, width, height) in [("width", side, 64), ("height", 80, side), ("both", side, side)] {
            let file = Heif::of(vec![Item::picture(&plain(), width, height)]).file();
            corpus.add("heic: sizes", format!("heic-{which}-{side}"), file);
            let file = Heif::tiled(&plain(), 2, 2, width, height).file();
            corpus.add("heic: sizes", format!("heic-grid-{which}-{side}"), file);
            let mut tiles = Heif::tiled(&plain(), 2, 2, 160, 128);
            for tile in &mut tiles.items[1..] {
                tile.properties[1] = ispe(width, height);
            }
            corpus.add("heic: sizes", format!("heic-tiles-{which}-{side}"), tiles.file());
            let mut last = Heif::tiled(&plain(), 2, 2, 160, 128);
            last.items[4].properties[1] = ispe(width, height);
            corpus.add("heic: sizes", format!("heic-last-tile-{which}-{side}"), last.file());
        }
    }
    for (width, height) in [(20_000, 20_000), (65_535, 65_535), (7072, 7072)] {
        let file = Heif::of(vec![Item::picture(&plain(), width, height)]).file();
        corpus.add_refused("heic: bombs", format!("heic-claims-{width}x{height}"), file);
    }
}

fn grids(corpus: &mut Corpus) {
    for rows in [0_u8, 1, 2, 3, 15, 255] {
        for columns in [0_u8, 1, 2, 3, 15, 255] {
            let mut heif = Heif::tiled(&plain(), 2, 2, 160, 128);
            heif.items[0].data = grid(rows, columns, 160, 128);
            corpus.add("heic: grids", format!("heic-grid-of-{rows}-rows-{columns}-columns"), heif.file());
        }
    }
    for length in 0..12 {
        let mut heif = Heif::tiled(&plain(), 2, 2, 160, 128);
        heif.items[0].data.truncate(length);
        corpus.add("heic: grids", format!("heic-grid-of-{length}-bytes"), heif.file());
    }
    // All tiles are the same bytes.
    for (rows, columns) in [(2_u8, 2_u8), (16, 16), (60, 60)] {
        let mut heif = Heif::tiled(&plain(), rows, columns, u32::from(columns) * 80, u32::from(rows) * 64);
        let count = u16::from(rows) * u16::from(columns);
        heif.items.truncate(2);
        heif.references[0].2 = vec![2; count.into()];
        corpus.add_refused("heic: grids", format!("heic-one-tile-{count}-times"), heif.file());
    }
    for targets in [vec![], vec![1; 4], vec![2, 3, 4], vec![2, 3, 4, 5, 5], vec![2, 3, 4, 99], vec![9; 60_000]] {
        let mut heif = Heif::tiled(&plain(), 2, 2, 160, 128);
        let name = format!("heic-grid-of-{}-tiles-from-{:?}", targets.len(), targets.first());
        heif.references[0].2 = targets;
        corpus.add_refused("heic: grids", name, heif.file());
    }
    // Tiles that are grids, or stand for others, or nothing that is known.
    for kind in
        [b"grid", b"iden", b"iovl", b"av01", b"jpeg", b"unci", b"Exif", b"mime", b"\0\0\0\0", b"\xff\xff\xff\xff"]
    {
        let mut heif = Heif::tiled(&plain(), 2, 2, 160, 128);
        heif.items[3].kind = *kind;
        corpus.add_refused("heic: grids", format!("heic-tile-{}", kind.escape_ascii()), heif.file());
        let mut heif = Heif::of(vec![Item::picture(&plain(), 80, 64)]);
        heif.items[0].kind = *kind;
        corpus.add_refused("heic: grids", format!("heic-primary-{}", kind.escape_ascii()), heif.file());
    }
    let mut differing = Heif::tiled(&plain(), 2, 2, 160, 128);
    differing.items[2] = Item::picture(&Coded::of(FILES[3].1), 80, 64);
    corpus.add_refused("heic: grids", "heic-tiles-of-420-and-444", differing.file());
}

fn items(corpus: &mut Corpus) {
    let one = || Heif::of(vec![Item::picture(&plain(), 80, 64)]);
    let length = length32(one().file().len());
    for offset in [0, 1, 16, length - 1, length, length + 1, 0x7fff_ffff, u32::MAX] {
        for count in [0, 1, 4, 5, 700, length, 0x7fff_ffff, u32::MAX] {
            let mut heif = one();
            heif.items[0].place = Some((offset, count));
            corpus.add("heic: items", format!("heic-data-at-{offset}-of-{count}"), heif.file());
        }
    }
    for primary in [0, 2, 3, 255, u16::MAX] {
        corpus.add_refused("heic: items", format!("heic-primary-{primary}"), Heif { primary, ..one() }.file());
    }
    // Items that stand for each other, or for themselves.
    let stands = |count: u16| Heif::of(vec![Item { kind: *b"iden", ..Item::grid(Vec::new()) }; count.into()]);
    corpus.add_refused("heic: items", "heic-stands-for-itself", stands(1).refer(*b"dimg", 1, [1]).file());
    corpus.add_refused(
        "heic: items",
        "heic-stand-for-each-other",
        stands(2).refer(*b"dimg", 1, [2]).refer(*b"dimg", 2, [1]).file(),
    );
    let mut chain = stands(300);
    chain.items.push(Item::picture(&plain(), 80, 64));
    let chain = (1..=300).fold(chain, |chain, item| chain.refer(*b"dimg", item, [item + 1]));
    corpus.add_refused("heic: items", "heic-stands-for-301st", chain.file());
    let alpha = full(*b"auxC", 0, b"urn:mpeg:hevc:2015:auxid:1\0");
    let itself = Heif::of(vec![Item::picture(&plain(), 80, 64).with(alpha.clone())]).refer(*b"auxl", 1, [1]);
    corpus.add("heic: items", "heic-alpha-of-itself", itself.file());
    let gray = Coded::of(FILES[5].1);
    for (width, height) in [(0, 0), (64, 64), (81, 64), (80, 64), (65_535, 65_535)] {
        let items = vec![Item::picture(&plain(), 80, 64), Item::picture(&gray, width, height).with(alpha.clone())];
        let heif = Heif::of(items).refer(*b"auxl", 2, [1]).refer(*b"prem", 1, [2]);
        corpus.add("heic: items", format!("heic-alpha-of-{width}x{height}"), heif.file());
    }
    let many = (0..20_000).map(|_| Item::grid(Vec::new()));
    let many = Heif::of(std::iter::once(Item::picture(&plain(), 80, 64)).chain(many).collect());
    corpus.add_refused("heic: items", "heic-20001-items", many.file());
    for count in [3, 40_000] {
        let more = boxed(*b"iprp", &boxed(*b"ipco", &boxed(*b"free", &[]).repeat(count)));
        corpus.add("heic: items", format!("heic-{count}-more-properties"), Heif { more, ..one() }.file());
    }
    let more =
        full(*b"iloc", 1, &[vec![0, 0], shorts(&[u16::MAX]), shorts(&[1, 0, 0, 65_535]).repeat(65_535)].concat());
    corpus.add_refused("heic: items", "heic-extents-of-no-bytes", Heif { more, ..one() }.file());
    let more = full(*b"iloc", 1, &[vec![0, 0], shorts(&[1, 1, 0, 0, 65_535])].concat());
    corpus.add_refused("heic: items", "heic-65535-times-the-whole-file", Heif { more, ..one() }.file());
    let unknown = Heif::of(vec![Item::picture(&plain(), 80, 64).with(boxed(*b"abcd", &[1, 2, 3]))]);
    corpus.add_refused("heic: items", "heic-essential-property-unknown", unknown.file());
}

fn turns(corpus: &mut Corpus) {
    for byte in [0, 1, 2, 3, 4, 127, 128, 255] {
        for kind in [b"irot", b"imir"] {
            let item = Item::picture(&plain(), 80, 64).with(boxed(*kind, &[byte]));
            let name = format!("heic-{}-{byte}", String::from_utf8_lossy(kind));
            corpus.add("heic: turns", name, Heif::of(vec![item]).file());
        }
    }
    let numbers = [0, 1, 2, 80, 0x7fff_ffff, 0x8000_0000, u32::MAX];
    for field in 0..8 {
        for number in numbers {
            let mut crop = [40, 1, 30, 1, 2, 1, 2, 1];
            crop[field] = number;
            let item = Item::picture(&plain(), 80, 64).with(boxed(*b"clap", &longs(&crop)));
            corpus.add("heic: turns", format!("heic-crop-field-{field}-{number}"), Heif::of(vec![item]).file());
        }
    }
    let turns = (0..100).fold(Item::picture(&plain(), 80, 64), |item, turn| item.with(boxed(*b"irot", &[turn % 4])));
    corpus.add("heic: turns", "heic-100-turns", Heif::of(vec![turns]).file());
    for (name, body) in super::exif::blocks() {
        let metadata = Item { kind: *b"Exif", ..Item::grid([vec![0; 4], body].concat()) };
        let heif = Heif::of(vec![Item::picture(&plain(), 80, 64), metadata]).refer(*b"cdsc", 2, [1]);
        corpus.add("heic: turns", format!("heic-exif-{name}"), heif.file());
    }
    let turned = Item { kind: *b"Exif", ..Item::grid([vec![0; 4], exif(6)].concat()) };
    let heif = Heif::of(vec![Item::picture(&plain(), 80, 64), turned]).refer(*b"cdsc", 2, [1]);
    corpus.add("heic: turns", "heic-exif-6", heif.file());
}

fn colors(corpus: &mut Corpus) {
    let with = |property: Vec<u8>| Heif::of(vec![Item::picture(&plain(), 80, 64).with(property)]).file();
    for number in (0..=23).chain([255, 256, u16::MAX]) {
        for field in 0..3 {
            let mut numbers = [1, 13, 6];
            numbers[field] = number;
            let body = [b"nclx".to_vec(), shorts(&numbers), vec![0x80]].concat();
            corpus.add("heic: colours", format!("heic-nclx-field-{field}-{number}"), with(boxed(*b"colr", &body)));
        }
    }
    for length in 0..11 {
        let body = [b"nclx".to_vec(), shorts(&[1, 13, 6]), vec![0x80]].concat();
        corpus.add("heic: colours", format!("heic-nclx-of-{length}-bytes"), with(boxed(*b"colr", &body[..length])));
    }
    let profile = icc_profile();
    for length in [0, 1, 127, 128, 131, 132] {
        let body = [b"prof", &profile[..length]].concat();
        corpus.add("heic: colours", format!("heic-profile-of-{length}-bytes"), with(boxed(*b"colr", &body)));
    }
    let long = [b"prof".to_vec(), pixels(1000, 5000, 1)].concat();
    corpus.add_refused("heic: colours", "heic-profile-of-5-megabytes", with(boxed(*b"colr", &long)));
}

/// What the decoder of others is told.
fn streams(corpus: &mut Corpus) {
    let good = plain();
    let file = |coded: &Coded| Heif::of(vec![Item::picture(coded, 80, 64)]).file();
    for at in 8..good.config.len() {
        for bit in 0..8 {
            let mut coded = good.clone();
            coded.config[at] ^= 1 << bit;
            corpus.add("heic: parameters", format!("heic-config-byte-{at}-bit-{bit}"), file(&coded));
        }
    }
    for at in 0..good.data.len() {
        let mut coded = good.clone();
        coded.data[at] ^= 1 << (at % 8);
        corpus.add("heic: streams", format!("heic-data-byte-{at}"), file(&coded));
    }
    for times in [2, 100, 10_000] {
        // The same slice again and again.
        let coded = Coded { data: good.data.repeat(times), ..good.clone() };
        corpus.add("heic: streams", format!("heic-slice-{times}-times"), file(&coded));
        // With the bit that says that it is the first one cleared, each goes on where another was.
        let mut next = good.data.clone();
        next[6] &= 0x7f;
        let data = [good.data.clone(), next.repeat(times)].concat();
        corpus.add("heic: streams", format!("heic-slice-and-{times}-others"), file(&Coded { data, ..good.clone() }));
        let data = [[0, 0, 0, 2, 0x4e, 1].repeat(times * 100), good.data.clone()].concat();
        corpus.add("heic: streams", format!("heic-{}-small-units", times * 100), file(&Coded { data, ..good.clone() }));
    }
    for part in 0..32 {
        let data = good.data[..good.data.len() * part / 32].to_vec();
        corpus.add("heic: streams", format!("heic-data-first-{part}-of-32"), file(&Coded { data, ..good.clone() }));
    }
    for (name, other) in
        FILES.iter().filter(|(name, _)| ["heic-444", "heic-422", "heic-gray", "heic-10-bit"].contains(name))
    {
        // The configuration of one with the data of another.
        let other = Coded::of(other);
        corpus.add(
            "heic: streams",
            format!("{name}-data-under-420"),
            file(&Coded { data: other.data.clone(), ..good.clone() }),
        );
        corpus.add(
            "heic: streams",
            format!("{name}-over-data-of-420"),
            file(&Coded { config: other.config, ..good.clone() }),
        );
    }
    // A header of a few pixels over a picture of 12 million.
    for (name, flat) in ["420", "444"].iter().zip(FLAT) {
        let coded = Coded::of(flat);
        corpus.add("heic: bombs", format!("heic-80x64-over-4000x3000-{name}"), file(&coded));
        let tiles = Heif::tiled(&coded, 60, 60, 4800, 3840);
        corpus.add("heic: bombs", format!("heic-3600-tiles-over-4000x3000-{name}"), tiles.file());
    }
    let junk = Coded { data: [vec![0, 0, 4, 0, 0x28, 1], pixels(1022, 1, 1)].concat(), ..good };
    corpus.add("heic: streams", "heic-junk", file(&junk));
}
