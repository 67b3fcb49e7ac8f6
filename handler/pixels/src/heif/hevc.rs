//! One coded picture of HEVC, by the decoder of others. What it may be told, and in which order, is checked here: it makes
//! room for what a picture says of itself, and does again what it is told twice.

use std::borrow::Cow;

use heifer_hevc_dec::Error;
use heifer_hevc_dec::nal::{NalUnit, NalUnitType};
use heifer_hevc_dec::params::{ParameterSets, Pps, Sps};
use heifer_hevc_dec::recon::{Frame, Reconstructor};
use heifer_hevc_dec::scan::CtbLayout;
use heifer_hevc_dec::slice::SliceHeader;
use heifer_hevc_dec::syntax::{Picture, decode_slice_segment};

use super::FORMAT;
use super::boxes::Numbers;
use super::image::{Coded, Layer};
use crate::area::Size;
use crate::error::PixelError;

/// Units of a configuration. Real ones have three or four.
const CONFIG_UNITS_MAX: usize = 256;

/// Tiles of one picture, across and down, at the highest level of H.265.
const TILES_MAX: (u32, u32) = (20, 22);

/// A decoded picture, and where in it the image begins.
pub(super) struct Decoded {
    pub(super) frame: Frame,
    pub(super) left: usize,
    pub(super) top: usize,
}

/// Decodes one tile of a layer.
pub(super) fn decode(bytes: &[u8], layer: &Layer, coded: &Coded) -> Result<Decoded, PixelError> {
    let data: Cow<'_, [u8]> = match &coded.data[..] {
        [only] => Cow::Borrowed(bytes.get(only.clone()).unwrap_or_default()),
        several => Cow::Owned(several.iter().filter_map(|part| bytes.get(part.clone())).collect::<Vec<_>>().concat()),
    };
    let config = Config::read(bytes, coded)
        .ok_or_else(|| PixelError::corrupt(FORMAT, "the configuration of its decoder is broken"))?;
    let mut sets = ParameterSets::default();
    for unit in config.units {
        add(&mut sets, unit, layer)?;
    }
    let mut units = Units { data: &data, length_bytes: config.length_bytes };
    // The parameters may also come with the data, before the first slice.
    let first = loop {
        let unit = units.next().unwrap_or_else(|| Err(PixelError::corrupt(FORMAT, "a coded picture has no data")))?;
        let unit = NalUnit::parse(unit).map_err(|error| refusal(&error))?;
        if is_slice(&unit) {
            break unit;
        }
        add_unit(&mut sets, &unit, layer)?;
    };
    let header = SliceHeader::parse(&first.rbsp, &first.header, &sets, None).map_err(|error| refusal(&error))?;
    let (pps, sps) = sets.get(header.slice_pic_parameter_set_id.into()).map_err(|error| refusal(&error))?;
    check_tiles(pps)?;
    let mut slices = Slices::new(sps, pps, &sets);
    slices.decode(&first, header)?;
    while !slices.is_complete() {
        let Some(unit) = units.next() else {
            return Err(PixelError::truncated(FORMAT, "a coded picture is not complete"));
        };
        let unit = NalUnit::parse(unit?).map_err(|error| refusal(&error))?;
        if is_slice(&unit) {
            slices.decode_next(&unit)?;
        }
    }
    let frame = slices.reconstructor.finish(false);
    let (across, down) = sps.chroma_subsampling();
    let [left, _, top, _] = sps.conf_win_offsets;
    Ok(Decoded { frame, left: left as usize * across as usize, top: top as usize * down as usize })
}

/// The slices of one picture.
struct Slices<'s> {
    sets: &'s ParameterSets,
    layout: CtbLayout,
    picture: Picture<'s>,
    reconstructor: Reconstructor<'s>,
    /// The last header that others may refer to.
    last: Option<SliceHeader>,
    set: Option<u8>,
    /// Blocks that were decoded.
    done: u32,
}

impl<'s> Slices<'s> {
    fn new(sps: &'s Sps, pps: &'s Pps, sets: &'s ParameterSets) -> Self {
        Self {
            sets,
            layout: CtbLayout::new(sps, pps),
            picture: Picture::new(sps, pps),
            reconstructor: Reconstructor::new(sps, pps),
            last: None,
            set: None,
            done: 0,
        }
    }

    fn is_complete(&self) -> bool {
        self.done as usize >= self.layout.ts_to_rs.len()
    }

    fn decode_next(&mut self, unit: &NalUnit<'_>) -> Result<(), PixelError> {
        let header = SliceHeader::parse(&unit.rbsp, &unit.header, self.sets, self.last.as_ref());
        self.decode(unit, header.map_err(|error| refusal(&error))?)
    }

    fn decode(&mut self, unit: &NalUnit<'_>, header: SliceHeader) -> Result<(), PixelError> {
        // Each slice goes on where the one before it ended: otherwise each could be all of the picture.
        let at = self.layout.rs_to_ts.get(header.slice_segment_address as usize);
        let set = *self.set.get_or_insert(header.slice_pic_parameter_set_id);
        if at != Some(&self.done) || header.slice_pic_parameter_set_id != set {
            return Err(PixelError::corrupt(FORMAT, "the slices of a coded picture contradict each other"));
        }
        self.reconstructor.start_slice(&header);
        let quantiser = header.slice_qp_y(self.sets).map_err(|error| refusal(&error))?;
        let data = unit.rbsp.get(header.header_size..).unwrap_or_default();
        let decoded = decode_slice_segment(&mut self.picture, &header, quantiser, data, &mut self.reconstructor);
        let decoded = decoded.map_err(|error| refusal(&error))?;
        if let Some(error) = self.reconstructor.error.take() {
            return Err(refusal(&error));
        }
        self.done = self.done.saturating_add(decoded.ctus);
        if !header.dependent_slice_segment_flag {
            self.last = Some(header);
        }
        Ok(())
    }
}

/// Of a file with a second eye, only the first is looked at.
fn is_slice(unit: &NalUnit<'_>) -> bool {
    unit.header.unit_type.is_slice() && unit.header.layer_id == 0
}

fn add(sets: &mut ParameterSets, unit: &[u8], layer: &Layer) -> Result<(), PixelError> {
    add_unit(sets, &NalUnit::parse(unit).map_err(|error| refusal(&error))?, layer)
}

/// Takes a parameter set, if it is one that is needed and nothing in it is too large.
fn add_unit(sets: &mut ParameterSets, unit: &NalUnit<'_>, layer: &Layer) -> Result<(), PixelError> {
    if unit.header.layer_id != 0 || !matches!(unit.header.unit_type, NalUnitType::Sps | NalUnitType::Pps) {
        return Ok(());
    }
    if unit.header.unit_type == NalUnitType::Sps {
        // Before anything is made that depends on its size, as tables of the set that refers to it do.
        check(&Sps::parse(&unit.rbsp).map_err(|error| refusal(&error))?, layer)?;
    }
    sets.add(unit).map(|_| ()).map_err(|error| refusal(&error))
}

/// Holds what a coded picture says of itself against what the boxes say, by which it was priced.
fn check(sps: &Sps, layer: &Layer) -> Result<(), PixelError> {
    if sps.separate_colour_plane_flag {
        return Err(PixelError::unsupported(FORMAT, "planes of colours that are coded one by one"));
    }
    if sps.chroma_format_idc != layer.chroma {
        return Err(PixelError::corrupt(FORMAT, "a coded picture has other planes than its header says"));
    }
    let (coded, coded_max) =
        (Size { width: sps.pic_width_in_luma_samples, height: sps.pic_height_in_luma_samples }, layer.coded_max());
    let (width, height) = sps.output_size();
    let tile = layer.tile;
    if coded.width > coded_max.width || coded.height > coded_max.height || width < tile.width || height < tile.height {
        let reason = format!("its header says {}x{}, its picture {width}x{height}", tile.width, tile.height);
        return Err(PixelError::corrupt(FORMAT, reason));
    }
    Ok(())
}

fn check_tiles(pps: &Pps) -> Result<(), PixelError> {
    let few =
        |tiles: &heifer_hevc_dec::params::Tiles| tiles.num_columns <= TILES_MAX.0 && tiles.num_rows <= TILES_MAX.1;
    if pps.tiles.as_ref().is_none_or(few) {
        Ok(())
    } else {
        Err(PixelError::corrupt(FORMAT, "a coded picture has too many tiles"))
    }
}

/// What a box `hvcC` says: how long the lengths of units are, and units with parameters.
struct Config<'a> {
    length_bytes: usize,
    units: Vec<&'a [u8]>,
}

impl<'a> Config<'a> {
    fn read(bytes: &'a [u8], coded: &Coded) -> Option<Self> {
        let mut numbers = Numbers::new(bytes, coded.config.clone());
        numbers.skip(21)?;
        let length_bytes = usize::from(numbers.u8()? & 3) + 1;
        let mut units = Vec::new();
        for _ in 0..numbers.u8()? {
            numbers.u8()?;
            for _ in 0..numbers.u16()? {
                let length = usize::from(numbers.u16()?);
                units.push(bytes.get(numbers.at()..)?.get(..length)?);
                numbers.skip(length)?;
                if units.len() > CONFIG_UNITS_MAX {
                    return None;
                }
            }
        }
        Some(Self { length_bytes, units })
    }
}

/// The units of an item's data, each with its length before it.
struct Units<'a> {
    data: &'a [u8],
    length_bytes: usize,
}

impl<'a> Iterator for Units<'a> {
    type Item = Result<&'a [u8], PixelError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.data.is_empty() {
            return None;
        }
        let split = self.data.split_at_checked(self.length_bytes).and_then(|(length, rest)| {
            let length = length.iter().fold(0_usize, |sum, byte| sum << 8 | usize::from(*byte));
            rest.split_at_checked(length)
        });
        let Some((unit, rest)) = split else {
            self.data = &[];
            return Some(Err(PixelError::truncated(FORMAT, "a coded picture ends within a unit")));
        };
        self.data = rest;
        Some(Ok(unit))
    }
}

/// Sorts the decoder's error by whose fault it is.
fn refusal(error: &Error) -> PixelError {
    match error {
        Error::UnexpectedEof => PixelError::truncated(FORMAT, "a coded picture ends early"),
        Error::Invalid(reason) => PixelError::corrupt(FORMAT, format!("in a coded picture: {reason}")),
        Error::Unimplemented(feature) => PixelError::unsupported(FORMAT, *feature),
        Error::HashMismatch(_) => PixelError::corrupt(FORMAT, "a coded picture differs from its checksum"),
    }
}
