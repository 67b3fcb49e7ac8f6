//! The primary image of a file: which coded pictures it is put together from, and what is done to it then.

use std::ops::Range;

use super::FORMAT;
use super::boxes::{Kind, Numbers};
use super::meta::{Meta, Targets};
use super::turns::Shown;
use crate::area::Size;
use crate::error::PixelError;
use crate::limits::Limits;
use crate::orientation::Orientation;
use crate::raster::Layout;

/// Tiles of a grid: 50 MP in tiles of half the usual side are 800.
const TILES_MAX: usize = 4096;

/// Bytes of the configuration of a decoder, which is read anew for each tile. Real ones have a hundred or two.
const CONFIG_BYTES_MAX: usize = 16 * 1024;

/// Images that only stand for others, one upon the other.
const IDENTITIES_MAX: usize = 4;

/// A coded picture is made of blocks of at most this many pixels along each side, and may hang over by part of one.
const BLOCK_PIXELS: u32 = 64;

/// What a decoder of HEVC holds for each pixel besides the samples: blocks by fours, their edges and parameters.
const STATE_BYTES_PER_PIXEL: u64 = 2;

/// What it holds once, and a few tables of each block.
const STATE_BYTES: u64 = 256 * 1024;

/// What auxiliary images are that are alpha.
const ALPHA: [&[u8]; 2] = [b"urn:mpeg:hevc:2015:auxid:1", b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha"];

/// What of the primaries and curves of H.273 counts as sRGB: unspecified, BT.709 and BT.601, which nobody tells apart, with
/// any of the curves that screens take for their own.
const SRGB_PRIMARIES: [u16; 4] = [1, 2, 5, 6];
const SRGB_CURVES: [u16; 6] = [1, 2, 6, 13, 14, 15];

/// What a file says of the colours of its samples, by the numbers of H.273.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Nclx {
    primaries: u16,
    transfer: u16,
    pub(super) matrix: u16,
    pub(super) full_range: bool,
}

/// One coded picture.
#[derive(Clone, Debug)]
pub(super) struct Coded {
    /// Its box `hvcC`.
    pub(super) config: Range<usize>,
    /// Its data, in parts.
    pub(super) data: Vec<Range<usize>>,
}

/// Pictures side by side that make one of samples: of colours, or of alpha.
#[derive(Clone, Debug)]
pub(super) struct Layer {
    pub(super) size: Size,
    /// The size of each of them.
    pub(super) tile: Size,
    pub(super) columns: u32,
    pub(super) tiles: Vec<Coded>,
    /// The format of chroma by H.265's numbers, from 0, which is none, to 3, which is full.
    pub(super) chroma: u8,
    pub(super) nclx: Option<Nclx>,
    icc: Option<Range<usize>>,
}

/// The primary image, before anything is decoded.
#[derive(Clone, Debug)]
pub(crate) struct Image {
    pub(super) color: Layer,
    pub(super) alpha: Option<Layer>,
    /// Whether the colours are multiplied by alpha.
    pub(super) premultiplied: bool,
    pub(super) shown: Shown,
    /// Where its colour profile lies.
    pub(crate) icc: Option<Range<usize>>,
}

impl Image {
    /// Reads the boxes of a file and checks that all data of the image lies within it.
    pub(crate) fn read(bytes: &[u8], limits: &Limits) -> Result<Self, PixelError> {
        let meta = Meta::read(bytes)?;
        let references = meta.references()?;
        let finder = Finder { meta: &meta, references: &references, limits, bytes: bytes.len() };
        let (color, shown) = finder.layer(meta.primary)?;
        let mut alpha = None;
        for (_, from, to) in references.iter().filter(|(kind, ..)| kind == b"auxl") {
            if alpha.is_none() && finder.is_alpha(*from) && is_among(to, meta.primary)? {
                alpha = Some((*from, finder.layer(*from)?.0));
            }
        }
        let mut premultiplied = false;
        if let Some((item, layer)) = &alpha {
            if layer.size != color.size {
                let Size { width, height } = layer.size;
                let own = format!("{}x{}", color.size.width, color.size.height);
                return Err(PixelError::unsupported(
                    FORMAT,
                    format!("alpha of {width}x{height} for an image of {own}"),
                ));
            }
            for (_, _, to) in references.iter().filter(|(kind, from, _)| kind == b"prem" && *from == meta.primary) {
                premultiplied |= is_among(to, *item)?;
            }
        }
        let icc = color.icc.clone();
        let alpha = alpha.map(|(_, layer)| layer);
        let all: usize = [Some(&color), alpha.as_ref()].into_iter().flatten().map(Layer::data_bytes).sum();
        // Otherwise a few bytes could be decoded again and again.
        if all > bytes.len() {
            return Err(PixelError::corrupt(FORMAT, "its images share their data"));
        }
        Ok(Self { color, alpha, premultiplied, shown, icc })
    }

    /// The size of what is shown of it, before it is turned.
    pub(crate) fn size(&self) -> Size {
        self.shown.size
    }

    /// How it is turned then.
    pub(crate) fn orientation(&self) -> Orientation {
        self.shown.orientation
    }

    /// The channels of its pixels.
    pub(crate) fn layout(&self) -> Layout {
        match (self.color.chroma == 0, self.alpha.is_some()) {
            (true, false) => Layout::Gray,
            (true, true) => Layout::GrayAlpha,
            (false, false) => Layout::Rgb,
            (false, true) => Layout::Rgba,
        }
    }

    /// Its primaries and its curve by the numbers of H.273, where these mean other colours than those of sRGB.
    pub(crate) fn primaries(&self) -> Option<(u16, u16)> {
        let Nclx { primaries, transfer, .. } = self.color.nclx.filter(|_| self.color.chroma > 0)?;
        let is_srgb = SRGB_PRIMARIES.contains(&primaries) && SRGB_CURVES.contains(&transfer);
        // The curves of video are those of screens here too.
        let transfer = if SRGB_CURVES.contains(&transfer) { 13 } else { transfer };
        (!is_srgb).then_some((primaries, transfer))
    }

    /// The most bytes that decoding takes besides the pixels. These are made when all tiles are decoded.
    pub(crate) fn memory_bytes_max(&self) -> u64 {
        let pixels = self.shown.size.pixels().saturating_mul(self.layout().channels() as u64);
        let (mut planes, mut most) = (0_u64, 0_u64);
        for layer in [Some(&self.color), self.alpha.as_ref()].into_iter().flatten() {
            let before = planes;
            planes = planes.saturating_add(layer.planes_bytes());
            // Those of the one picture that there is are made when it is decoded, and then it takes less than before by more
            // than they do.
            let held = if layer.tiles.len() == 1 { before } else { planes };
            most = most.max(held.saturating_add(layer.tile_bytes_max()));
        }
        planes.max(most.saturating_sub(pixels))
    }
}

impl Layer {
    /// The size of each of the planes of chroma; none for gray.
    pub(super) fn chroma_size(&self) -> Option<Size> {
        let (across, down) = self.chroma_pixels()?;
        let Size { width, height } = self.size;
        Some(Size { width: width.div_ceil(across), height: height.div_ceil(down) })
    }

    /// Pixels for which a sample of chroma stands, across and down; none for gray.
    pub(super) fn chroma_pixels(&self) -> Option<(u32, u32)> {
        match self.chroma {
            0 => None,
            1 => Some((2, 2)),
            2 => Some((2, 1)),
            _ => Some((1, 1)),
        }
    }

    /// The largest picture that a tile may be coded as.
    pub(super) fn coded_max(&self) -> Size {
        let up = |side: u32| side.next_multiple_of(BLOCK_PIXELS);
        Size { width: up(self.tile.width), height: up(self.tile.height) }
    }

    fn data_bytes(&self) -> usize {
        self.tiles.iter().map(Coded::data_bytes).fold(0, usize::saturating_add)
    }

    /// Bytes of all its samples.
    fn planes_bytes(&self) -> u64 {
        let chroma = self.chroma_size().map_or(0, Size::pixels);
        self.size.pixels().saturating_add(chroma.saturating_mul(2))
    }

    /// What decoding one of its tiles takes.
    fn tile_bytes_max(&self) -> u64 {
        // Samples have two bytes. One plane is copied before it is filtered.
        let samples_bytes = match self.chroma {
            0 => 2 + 2,
            1 => 3 + 2,
            2 => 4 + 2,
            _ => 6 + 2,
        };
        let pixels = self.coded_max().pixels();
        let data = self.tiles.iter().map(Coded::data_bytes).max().unwrap_or(0) as u64;
        pixels
            .saturating_mul(samples_bytes + STATE_BYTES_PER_PIXEL)
            // Joined, and without the bytes that keep start codes from arising.
            .saturating_add(data.saturating_mul(2))
            .saturating_add(STATE_BYTES)
    }
}

impl Coded {
    fn data_bytes(&self) -> usize {
        self.data.iter().map(ExactSizeIterator::len).fold(0, usize::saturating_add)
    }
}

/// What a box `colr` says.
#[derive(Default)]
struct Color {
    nclx: Option<Nclx>,
    icc: Option<Range<usize>>,
}

impl Color {
    /// Its own, where it says anything; else what the first of its tiles says.
    fn or(self, other: Self) -> Self {
        Self { nclx: self.nclx.or(other.nclx), icc: self.icc.or(other.icc) }
    }
}

struct Finder<'m, 'a> {
    meta: &'m Meta<'a>,
    references: &'m [(Kind, u32, Targets<'a>)],
    limits: &'m Limits,
    /// The length of the file.
    bytes: usize,
}

impl Finder<'_, '_> {
    /// The pictures of an item, and what of them is shown and how.
    fn layer(&self, item: u32) -> Result<(Layer, Shown), PixelError> {
        let mut chain = vec![item];
        let mut at = item;
        let layer = loop {
            match &self.meta.kind(at)? {
                b"hvc1" | b"hev1" => break self.single(at)?,
                b"grid" => break self.grid(at)?,
                // An item that stands for another one, to turn it otherwise.
                b"iden" if chain.len() <= IDENTITIES_MAX => {
                    let [source] = self.sources(at)?[..] else {
                        return Err(PixelError::corrupt(
                            FORMAT,
                            "an image that stands for another one names none, or several",
                        ));
                    };
                    chain.push(source);
                    at = source;
                }
                kind => return Err(unread(*kind)),
            }
        };
        let mut shown = Shown::whole(layer.size);
        for item in chain.iter().rev() {
            self.check_essential(*item)?;
            for (property, _) in self.meta.properties(*item) {
                shown.apply(property.kind, self.meta.numbers(property.body.clone()))?;
            }
        }
        Ok((layer, shown))
    }

    /// A picture that is coded as one.
    fn single(&self, item: u32) -> Result<Layer, PixelError> {
        let size = self.size(item)?;
        let (coded, chroma) = self.coded(item)?;
        let Color { nclx, icc } = self.color(item)?;
        Ok(Layer { size, tile: size, columns: 1, tiles: vec![coded], chroma, nclx, icc })
    }

    /// A picture in tiles of one size.
    fn grid(&self, item: u32) -> Result<Layer, PixelError> {
        let corrupt = |reason: &str| PixelError::corrupt(FORMAT, reason);
        let (rows, columns, size) = self.grid_header(item)?;
        self.check_size(size)?;
        let tiles = self.sources(item)?;
        if tiles.len() != rows as usize * columns as usize {
            return Err(PixelError::corrupt(FORMAT, format!("its grid of {columns}x{rows} has {} tiles", tiles.len())));
        }
        let first = *tiles.first().ok_or_else(|| corrupt("its grid has no tiles"))?;
        let tile = self.size(first)?;
        // Tiles beyond the image are no part of it, and the image has no gaps.
        let covers = |count: u32, tile: u32, whole: u32| {
            let (count, tile, whole) = (u64::from(count), u64::from(tile), u64::from(whole));
            (count - 1) * tile < whole && whole <= count * tile
        };
        if !covers(columns, tile.width, size.width) || !covers(rows, tile.height, size.height) {
            return Err(corrupt("its tiles do not cover its grid"));
        }
        let mut coded = Vec::with_capacity(tiles.len());
        let mut chroma = None;
        for item in tiles {
            match &self.meta.kind(item)? {
                b"hvc1" | b"hev1" => {}
                kind => return Err(unread(*kind)),
            }
            self.check_essential(item)?;
            let mut shown = Shown::whole(tile);
            for (property, _) in self.meta.properties(item) {
                shown.apply(property.kind, self.meta.numbers(property.body.clone()))?;
            }
            if shown != Shown::whole(tile) {
                return Err(PixelError::unsupported(FORMAT, "tiles that are turned or cropped"));
            }
            let (one, own) = self.coded(item)?;
            if self.size(item)? != tile || *chroma.get_or_insert(own) != own {
                return Err(corrupt("its tiles differ in their size or their colours"));
            }
            coded.push(one);
        }
        let Color { nclx, icc } = self.color(item)?.or(self.color(first)?);
        Ok(Layer { size, tile, columns, tiles: coded, chroma: chroma.unwrap_or(0), nclx, icc })
    }

    /// Rows, columns and the size of the whole.
    fn grid_header(&self, item: u32) -> Result<(u32, u32, Size), PixelError> {
        let short = || PixelError::corrupt(FORMAT, "its grid is broken");
        let [place] = &self.meta.data(item)?[..] else { return Err(short()) };
        let mut numbers = self.meta.numbers(place.clone());
        let read = |numbers: &mut Numbers<'_>| {
            let version = numbers.u8()?;
            let long = numbers.u8()? & 1 != 0;
            let (rows, columns) = (u32::from(numbers.u8()?) + 1, u32::from(numbers.u8()?) + 1);
            let size = Size { width: numbers.short_or_long(long)?, height: numbers.short_or_long(long)? };
            (version == 0).then_some((rows, columns, size))
        };
        read(&mut numbers).ok_or_else(short)
    }

    /// What an item is made from.
    fn sources(&self, item: u32) -> Result<Vec<u32>, PixelError> {
        let found = self.references.iter().find(|(kind, from, _)| kind == b"dimg" && *from == item);
        let Some((_, _, targets)) = found else { return Ok(Vec::new()) };
        let sources: Vec<u32> = targets.clone().take(TILES_MAX + 1).collect::<Result<_, _>>()?;
        if sources.len() > TILES_MAX {
            return Err(PixelError::unsupported(FORMAT, format!("a grid of more than {TILES_MAX} tiles")));
        }
        Ok(sources)
    }

    fn coded(&self, item: u32) -> Result<(Coded, u8), PixelError> {
        let missing = || PixelError::corrupt(FORMAT, "a coded picture lacks its description");
        let config = self.meta.property(item, *b"hvcC").ok_or_else(missing)?;
        if config.len() > CONFIG_BYTES_MAX {
            return Err(PixelError::corrupt(FORMAT, "the configuration of its decoder is too long"));
        }
        // The format of chroma stands behind the profile and the level.
        let chroma = {
            let mut numbers = self.meta.numbers(config.clone());
            let version = numbers.u8();
            numbers.skip(15);
            numbers.u8().filter(|_| version == Some(1)).ok_or_else(missing)? & 0x03
        };
        let data = self.meta.data(item)?;
        if data.is_empty() {
            return Err(PixelError::corrupt(FORMAT, format!("its item {item} has no data")));
        }
        let coded = Coded { config, data };
        if coded.data_bytes() > self.bytes {
            return Err(PixelError::corrupt(FORMAT, format!("the parts of its item {item} contradict each other")));
        }
        Ok((coded, chroma))
    }

    fn size(&self, item: u32) -> Result<Size, PixelError> {
        let place = self.meta.property(item, *b"ispe");
        let size = place.and_then(|place| {
            let mut numbers = self.meta.numbers(place);
            numbers.version()?;
            Some(Size { width: numbers.u32()?, height: numbers.u32()? })
        });
        let size = size.ok_or_else(|| PixelError::corrupt(FORMAT, "an image without a size"))?;
        self.check_size(size)?;
        Ok(size)
    }

    fn check_size(&self, size: Size) -> Result<(), PixelError> {
        if size.width == 0 || size.height == 0 {
            return Err(PixelError::corrupt(FORMAT, format!("its size is {}x{}", size.width, size.height)));
        }
        self.limits.check_source(size)
    }

    fn color(&self, item: u32) -> Result<Color, PixelError> {
        let mut color = Color::default();
        for (property, _) in self.meta.properties(item).filter(|(property, _)| &property.kind == b"colr") {
            let mut numbers = self.meta.numbers(property.body.clone());
            match &numbers.kind().unwrap_or_default() {
                b"prof" | b"rICC" if color.icc.is_none() => color.icc = Some(numbers.at()..property.body.end),
                b"nclx" if color.nclx.is_none() => {
                    let nclx =
                        nclx(&mut numbers).ok_or_else(|| PixelError::corrupt(FORMAT, "its box colr is too short"))?;
                    color.nclx = Some(nclx);
                }
                _ => {}
            }
        }
        if color.icc.is_none()
            && let Some(curve) = color.nclx.and_then(|nclx| hdr(nclx.transfer))
        {
            return Err(PixelError::unsupported(FORMAT, format!("HDR colours ({curve})")));
        }
        Ok(color)
    }

    /// An item must not be shown by who does not know what is essential to it.
    fn check_essential(&self, item: u32) -> Result<(), PixelError> {
        const KNOWN: [&Kind; 9] = [b"hvcC", b"ispe", b"colr", b"pixi", b"irot", b"imir", b"clap", b"auxC", b"pasp"];
        let unknown = self.meta.properties(item).find(|(part, essential)| *essential && !KNOWN.contains(&&part.kind));
        unknown.map_or(Ok(()), |(part, _)| {
            Err(PixelError::unsupported(FORMAT, format!("the property {}", part.kind.escape_ascii())))
        })
    }

    fn is_alpha(&self, item: u32) -> bool {
        let place = self.meta.property(item, *b"auxC");
        place.is_some_and(|place| {
            let mut numbers = self.meta.numbers(place);
            let has_text = numbers.version().is_some();
            let text = std::iter::from_fn(|| numbers.u8()).take_while(|byte| *byte != 0).take(64);
            has_text && ALPHA.contains(&text.collect::<Vec<u8>>().as_slice())
        })
    }
}

fn is_among(targets: &Targets<'_>, item: u32) -> Result<bool, PixelError> {
    for target in targets.clone() {
        if target? == item {
            return Ok(true);
        }
    }
    Ok(false)
}

fn nclx(numbers: &mut Numbers<'_>) -> Option<Nclx> {
    Some(Nclx {
        primaries: numbers.u16()?,
        transfer: numbers.u16()?,
        matrix: numbers.u16()?,
        full_range: numbers.u8()? & 0x80 != 0,
    })
}

/// Curves of light beyond white, which a screen of sRGB has not.
fn hdr(transfer: u16) -> Option<&'static str> {
    match transfer {
        16 => Some("PQ"),
        18 => Some("HLG"),
        _ => None,
    }
}

/// Why an item of another type is not supported.
fn unread(kind: Kind) -> PixelError {
    let feature = match &kind {
        b"av01" => return PixelError::UnsupportedFormat { found: "AVIF" },
        b"jxl " | b"jxlc" => return PixelError::UnsupportedFormat { found: "JPEG XL" },
        b"j2k1" => return PixelError::UnsupportedFormat { found: "JPEG 2000" },
        b"avc1" => "a picture coded as H.264".to_owned(),
        b"vvc1" => "a picture coded as H.266".to_owned(),
        b"jpeg" => "a picture coded as JPEG".to_owned(),
        b"unci" => "a picture that is not compressed".to_owned(),
        b"iovl" => "an overlay of several images".to_owned(),
        b"tmap" => "a tone map as its primary image".to_owned(),
        kind => format!("an item of the type {}", kind.escape_ascii()),
    };
    PixelError::unsupported(FORMAT, feature)
}
