//! The box `meta`: which items a file has, where their data lies, what is said of them and how they hang together
//! (ISO/IEC 14496-12 and 23008-12). Found, but not yet understood.

use std::ops::Range;

use super::FORMAT;
use super::boxes::{Kind, Numbers, Part, Parts};
use crate::error::PixelError;

/// Items of a file. A photo of 50 MP in tiles of 512 pixels has two hundred.
const ITEMS_MAX: usize = 16_384;

/// What one item can name: its number has fifteen bits.
const PROPERTIES_MAX: usize = 32_767;

/// What a file says of its items.
#[derive(Debug)]
pub(super) struct Meta<'a> {
    bytes: &'a [u8],
    pub(super) primary: u32,
    /// By their numbers.
    items: Vec<(u32, Kind)>,
    places: Places,
    properties: Vec<Part>,
    /// By the numbers of their items: how many properties each has, and where their list begins.
    associations: Vec<(u32, u8, usize)>,
    /// Whether the numbers of properties have fifteen bits instead of seven.
    wide: bool,
    references: Option<Part>,
    data: Option<Range<usize>>,
}

/// Where the data of items lies.
#[derive(Debug, Default)]
struct Places {
    /// By their numbers: where the entry continues behind the number.
    entries: Vec<(u32, usize)>,
    end: usize,
    version: u8,
    offset_bytes: u8,
    length_bytes: u8,
    base_bytes: u8,
    index_bytes: u8,
}

fn corrupt(reason: &'static str) -> PixelError {
    PixelError::corrupt(FORMAT, reason)
}

/// What a box with so little in it means.
fn short(what: &'static str) -> impl Fn() -> PixelError {
    move || PixelError::corrupt(FORMAT, format!("its box {what} is too short"))
}

impl<'a> Meta<'a> {
    /// Finds the box in a file, and all in it.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, PixelError> {
        let mut is_sequence = false;
        for part in Parts::new(bytes, 0..bytes.len()) {
            let part = part?;
            match &part.kind {
                b"meta" => return Self::of(bytes, part.body),
                b"moov" => is_sequence = true,
                _ => {}
            }
        }
        Err(if is_sequence {
            PixelError::unsupported(FORMAT, "a sequence of images without a still one")
        } else {
            corrupt("it has no box meta")
        })
    }

    fn of(bytes: &'a [u8], body: Range<usize>) -> Result<Self, PixelError> {
        let mut meta = Self {
            bytes,
            primary: 0,
            items: Vec::new(),
            places: Places::default(),
            properties: Vec::new(),
            associations: Vec::new(),
            wide: false,
            references: None,
            data: None,
        };
        let mut has_primary = false;
        // A version and flags come first.
        for part in Parts::new(bytes, body.start.saturating_add(4)..body.end) {
            let part = part?;
            let numbers = Numbers::new(bytes, part.body.clone());
            match &part.kind {
                b"pitm" => {
                    meta.primary = primary(numbers).ok_or_else(short("pitm"))?;
                    has_primary = true;
                }
                b"iinf" => meta.read_items(&part)?,
                b"iloc" => meta.places = places(numbers, part.body.end)?,
                b"iprp" => meta.read_properties(&part)?,
                b"iref" => meta.references = Some(part),
                b"idat" => meta.data = Some(part.body),
                _ => {}
            }
        }
        if !has_primary {
            return Err(corrupt("it does not say which image is the primary one"));
        }
        meta.items.sort_by_key(|(item, _)| *item);
        meta.places.entries.sort_by_key(|(item, _)| *item);
        meta.associations.sort_by_key(|(item, ..)| *item);
        Ok(meta)
    }

    fn read_items(&mut self, part: &Part) -> Result<(), PixelError> {
        let mut numbers = Numbers::new(self.bytes, part.body.clone());
        let (version, _) = numbers.version().ok_or_else(short("iinf"))?;
        numbers.short_or_long(version > 0).ok_or_else(short("iinf"))?;
        for entry in Parts::new(self.bytes, numbers.at()..part.body.end) {
            let entry = entry?;
            if &entry.kind != b"infe" {
                continue;
            }
            let mut numbers = Numbers::new(self.bytes, entry.body);
            let (version, _) = numbers.version().ok_or_else(short("infe"))?;
            // Older versions have no type, and no item of them is an image.
            if version < 2 {
                continue;
            }
            let item = numbers.short_or_long(version > 2).ok_or_else(short("infe"))?;
            numbers.u16().ok_or_else(short("infe"))?;
            self.items.push((item, numbers.kind().ok_or_else(short("infe"))?));
            if self.items.len() > ITEMS_MAX {
                return Err(PixelError::unsupported(FORMAT, format!("more than {ITEMS_MAX} items")));
            }
        }
        Ok(())
    }

    fn read_properties(&mut self, part: &Part) -> Result<(), PixelError> {
        for part in Parts::new(self.bytes, part.body.clone()) {
            let part = part?;
            match &part.kind {
                b"ipco" => {
                    for property in Parts::new(self.bytes, part.body) {
                        self.properties.push(property?);
                        if self.properties.len() > PROPERTIES_MAX {
                            return Err(corrupt("it has more properties than can be named"));
                        }
                    }
                }
                b"ipma" => self.read_associations(&part)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn read_associations(&mut self, part: &Part) -> Result<(), PixelError> {
        let mut numbers = Numbers::new(self.bytes, part.body.clone());
        let (version, flags) = numbers.version().ok_or_else(short("ipma"))?;
        let count = numbers.u32().ok_or_else(short("ipma"))?;
        self.wide = flags & 1 != 0;
        for _ in 0..count {
            let item = numbers.short_or_long(version > 0).ok_or_else(short("ipma"))?;
            let properties = numbers.u8().ok_or_else(short("ipma"))?;
            self.associations.push((item, properties, numbers.at()));
            if self.associations.len() > ITEMS_MAX {
                return Err(PixelError::unsupported(FORMAT, format!("more than {ITEMS_MAX} items")));
            }
            numbers.skip(usize::from(properties) * if self.wide { 2 } else { 1 }).ok_or_else(short("ipma"))?;
        }
        Ok(())
    }

    /// What an item is.
    pub(super) fn kind(&self, item: u32) -> Result<Kind, PixelError> {
        let at = self.items.partition_point(|(other, _)| *other < item);
        match self.items.get(at) {
            Some((found, kind)) if *found == item => Ok(*kind),
            _ => Err(PixelError::corrupt(FORMAT, format!("its item {item} is missing"))),
        }
    }

    /// The properties of an item in the order in which they apply, and whether it can be shown without each.
    pub(super) fn properties(&self, item: u32) -> impl Iterator<Item = (&Part, bool)> {
        let at = self.associations.partition_point(|(other, ..)| *other < item);
        let found = self.associations.get(at).filter(|(other, ..)| *other == item);
        let (count, start) = found.map_or((0, 0), |(_, count, start)| (*count, *start));
        let mut numbers = Numbers::new(self.bytes, start..self.bytes.len());
        (0..count).filter_map(move |_| {
            let (essential, index) = if self.wide {
                numbers.u16().map(|number| (number & 0x8000 != 0, usize::from(number & 0x7fff)))?
            } else {
                numbers.u8().map(|number| (number & 0x80 != 0, usize::from(number & 0x7f)))?
            };
            // They are counted from one; zero is none.
            Some((self.properties.get(index.checked_sub(1)?)?, essential))
        })
    }

    /// The first property of an item of this kind.
    pub(super) fn property(&self, item: u32, kind: Kind) -> Option<Range<usize>> {
        self.properties(item).find(|(part, _)| part.kind == kind).map(|(part, _)| part.body.clone())
    }

    /// The first item of this kind.
    pub(super) fn first(&self, kind: Kind) -> Option<u32> {
        self.items.iter().find(|(_, other)| *other == kind).map(|(item, _)| *item)
    }

    /// The numbers of a part of the file.
    pub(super) fn numbers(&self, within: Range<usize>) -> Numbers<'a> {
        Numbers::new(self.bytes, within)
    }

    /// What items refer to: the kind, from which, and to which.
    pub(super) fn references(&self) -> Result<Vec<(Kind, u32, Targets<'a>)>, PixelError> {
        let Some(part) = &self.references else { return Ok(Vec::new()) };
        let mut numbers = Numbers::new(self.bytes, part.body.clone());
        let (version, _) = numbers.version().ok_or_else(short("iref"))?;
        let long = version > 0;
        let mut references = Vec::new();
        for reference in Parts::new(self.bytes, numbers.at()..part.body.end) {
            let Part { kind, body } = reference?;
            // What does not make the picture is not kept: thumbnails, what metadata belongs to.
            if !matches!(&kind, b"dimg" | b"auxl" | b"prem") {
                continue;
            }
            let mut numbers = Numbers::new(self.bytes, body);
            let from = numbers.short_or_long(long).ok_or_else(short("iref"))?;
            let count = numbers.u16().ok_or_else(short("iref"))?;
            references.push((kind, from, Targets { numbers, count, long }));
            if references.len() > ITEMS_MAX {
                return Err(PixelError::unsupported(FORMAT, format!("more than {ITEMS_MAX} references")));
            }
        }
        Ok(references)
    }

    /// Where the data of an item lies, in the order in which it is to be read.
    pub(super) fn data(&self, item: u32) -> Result<Vec<Range<usize>>, PixelError> {
        let Places { entries, end, version, offset_bytes, length_bytes, base_bytes, index_bytes } = &self.places;
        let at = entries.partition_point(|(other, _)| *other < item);
        let found = entries.get(at).filter(|(other, _)| *other == item);
        let (_, start) = found.ok_or_else(|| PixelError::corrupt(FORMAT, format!("its item {item} has no data")))?;
        let mut numbers = Numbers::new(self.bytes, *start..*end);
        let method = if *version > 0 { numbers.u16().ok_or_else(short("iloc"))? & 0x0f } else { 0 };
        let around = match method {
            0 => 0..self.bytes.len(),
            1 => self.data.clone().ok_or_else(|| corrupt("it has no box idat"))?,
            _ => return Err(PixelError::unsupported(FORMAT, "data that is made of other items")),
        };
        if numbers.u16().ok_or_else(short("iloc"))? != 0 {
            return Err(PixelError::unsupported(FORMAT, "data in another file"));
        }
        let base = numbers.sized(*base_bytes).ok_or_else(short("iloc"))?;
        let count = numbers.u16().ok_or_else(short("iloc"))?;
        let mut extents = Vec::new();
        let mut total = 0_usize;
        for _ in 0..count {
            numbers.sized(*index_bytes).ok_or_else(short("iloc"))?;
            let offset = numbers.sized(*offset_bytes).ok_or_else(short("iloc"))?.checked_add(base);
            let length = numbers.sized(*length_bytes).ok_or_else(short("iloc"))?;
            let extent = extent(&around, offset, length).ok_or_else(|| {
                PixelError::truncated(FORMAT, format!("the data of its item {item} lies beyond its end"))
            })?;
            // What is given twice is no picture, and could be given a million times.
            total = total.saturating_add(extent.len());
            if extent.is_empty() || total > around.len() {
                return Err(PixelError::corrupt(FORMAT, format!("the parts of its item {item} contradict each other")));
            }
            extents.push(extent);
        }
        Ok(extents)
    }
}

/// Items that are referred to, in their order.
#[derive(Clone, Debug)]
pub(super) struct Targets<'a> {
    numbers: Numbers<'a>,
    count: u16,
    long: bool,
}

impl Iterator for Targets<'_> {
    type Item = Result<u32, PixelError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.count = self.count.checked_sub(1)?;
        Some(self.numbers.short_or_long(self.long).ok_or_else(short("iref")))
    }
}

/// A part of what is around it; a length of zero goes to the end.
fn extent(around: &Range<usize>, offset: Option<u64>, length: u64) -> Option<Range<usize>> {
    let start = around.start.checked_add(usize::try_from(offset?).ok()?)?;
    let end = match length {
        0 => around.end,
        length => start.checked_add(usize::try_from(length).ok()?)?,
    };
    (start <= end && end <= around.end).then_some(start..end)
}

fn primary(mut numbers: Numbers<'_>) -> Option<u32> {
    let (version, _) = numbers.version()?;
    numbers.short_or_long(version > 0)
}

fn places(mut numbers: Numbers<'_>, end: usize) -> Result<Places, PixelError> {
    let short = short("iloc");
    let (version, _) = numbers.version().ok_or_else(&short)?;
    if version > 2 {
        return Err(PixelError::unsupported(FORMAT, format!("version {version} of the box iloc")));
    }
    let (sizes, more) = (numbers.u8().ok_or_else(&short)?, numbers.u8().ok_or_else(&short)?);
    let mut places = Places {
        entries: Vec::new(),
        end,
        version,
        offset_bytes: sizes >> 4,
        length_bytes: sizes & 0x0f,
        base_bytes: more >> 4,
        index_bytes: if version > 0 { more & 0x0f } else { 0 },
    };
    let extent_bytes =
        [places.index_bytes, places.offset_bytes, places.length_bytes].map(usize::from).iter().sum::<usize>();
    let count = numbers.short_or_long(version > 1).ok_or_else(&short)?;
    for _ in 0..count {
        let item = numbers.short_or_long(version > 1).ok_or_else(&short)?;
        places.entries.push((item, numbers.at()));
        if places.entries.len() > ITEMS_MAX {
            return Err(PixelError::unsupported(FORMAT, format!("more than {ITEMS_MAX} items")));
        }
        let fixed = if version > 0 { 4 } else { 2 };
        numbers.skip(fixed + usize::from(places.base_bytes)).ok_or_else(&short)?;
        let extents = numbers.u16().ok_or_else(&short)?;
        numbers.skip(usize::from(extents) * extent_bytes).ok_or_else(&short)?;
    }
    Ok(places)
}
