//! What a frame becomes at a scale: planes, strips, and how each plane is brought to the size of the output.
//!
//! The rules are libjpeg's, so that sizes and samples are the same as those of `djpeg -scale`.

use super::headers::Frame;
use super::scale::Scale;
use crate::area::Size;

/// Rows of the output that are handed over at once.
pub(super) const BAND_ROWS: usize = 32;

/// How the samples of a plane become those of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Upsampling {
    /// One for one.
    None,
    /// Twice as many across, by a triangle filter.
    TriangleAcross,
    /// Twice as many down, by a triangle filter.
    TriangleDown,
    /// Twice as many both ways, by a triangle filter.
    Triangle,
    /// Each sample so many times across; rows are repeated by being read again.
    Repeat(usize),
    /// The sample at each pixel's left edge, where so many samples are so many pixels wide and that is no whole ratio.
    Nearest { samples: usize, pixels: usize },
}

impl Upsampling {
    /// Whether a row of the output needs the plane's rows above and below.
    fn needs_neighbours(self) -> bool {
        matches!(self, Self::TriangleDown | Self::Triangle)
    }
}

/// One component at a scale. Lengths are in samples unless they say otherwise.
#[derive(Clone, Debug)]
pub(super) struct Plane {
    /// Blocks across and down in an MCU.
    pub(super) across: usize,
    pub(super) down: usize,
    /// The side of a block after the inverse transform: 1, 2, 4 or 8.
    pub(super) side: usize,
    /// Blocks across and down in a scan of this component alone.
    pub(super) own_blocks: (usize, usize),
    /// What lies within the image.
    pub(super) width: usize,
    pub(super) height: usize,
    /// A row with what pads its last MCU.
    pub(super) stride: usize,
    /// Rows of an MCU.
    pub(super) mcu_rows: usize,
    /// Rows that become [`Layout::rows_in_group`] rows of the output.
    pub(super) rows_in_group: usize,
    pub(super) upsampling: Upsampling,
}

impl Plane {
    /// The plane of a component with these factors, not brought to any other size.
    fn new(image: Size, (across, down): (usize, usize), factors_max: (usize, usize), side: usize) -> Self {
        let (width, height) = (image.width as usize, image.height as usize);
        let (across_max, down_max) = factors_max;
        Self {
            across,
            down,
            side,
            own_blocks: ((width * across).div_ceil(across_max * 8), (height * down).div_ceil(down_max * 8)),
            width: (width * across * side).div_ceil(across_max * 8),
            height: (height * down * side).div_ceil(down_max * 8),
            stride: mcus(image, factors_max).0 * across * side,
            mcu_rows: down * side,
            rows_in_group: down * side,
            upsampling: Upsampling::None,
        }
    }
}

/// A frame at a scale.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    /// The output.
    pub(super) size: Size,
    /// MCUs across and down.
    pub(super) mcus: (usize, usize),
    /// Pixels of the output across and down in an MCU.
    pub(super) mcu_size: (usize, usize),
    /// The smallest number of the output's rows that is made of whole rows of every plane.
    pub(super) rows_in_group: usize,
    /// Whether rows can only be made once the next ones are there.
    pub(super) needs_neighbours: bool,
    pub(super) planes: Vec<Plane>,
}

impl Layout {
    pub(super) fn new(frame: &Frame, scale: Scale) -> Self {
        let side_min = scale.block_side();
        let (factors, (across_max, down_max)) = factors(frame);
        let planes = factors.iter().map(|&factors| {
            let (across, down) = factors;
            let mut side = side_min;
            while side < 8
                && (across_max * side_min).is_multiple_of(across * side * 2)
                && (down_max * side_min).is_multiple_of(down * side * 2)
            {
                side *= 2;
            }
            let plane = Plane::new(frame.size, factors, (across_max, down_max), side);
            let group = (across * side / side_min, down * side / side_min);
            let upsampling = upsampling(group, (across_max, down_max), side_min > 1, plane.width);
            Plane { rows_in_group: group.1, upsampling, ..plane }
        });
        let planes = planes.collect::<Vec<Plane>>();
        Self {
            size: scale.apply(frame.size),
            mcus: mcus(frame.size, (across_max, down_max)),
            mcu_size: (across_max * side_min, down_max * side_min),
            rows_in_group: down_max,
            needs_neighbours: planes.iter().any(|plane| plane.upsampling.needs_neighbours()),
            planes,
        }
    }

    /// The layout of a frame whose planes are wanted as they are, each component at its own scale. The pixels are those of
    /// the image as stored.
    pub(super) fn of_planes(frame: &Frame, scales: [Scale; 3]) -> Self {
        let (factors, factors_max) = factors(frame);
        let planes = factors.iter().zip(scales);
        Self {
            size: frame.size,
            mcus: mcus(frame.size, factors_max),
            mcu_size: (8 * factors_max.0, 8 * factors_max.1),
            rows_in_group: 8 * factors_max.1,
            needs_neighbours: false,
            planes: planes.map(|(own, scale)| Plane::new(frame.size, *own, factors_max, scale.block_side())).collect(),
        }
    }

    /// Rows of a plane that are kept from one strip to the next.
    pub(super) fn kept_rows(&self, plane: &Plane) -> usize {
        if self.needs_neighbours { 2 * plane.rows_in_group } else { 0 }
    }

    /// Bytes of the planes for strips of so many rows of MCUs.
    pub(super) fn strip_bytes(&self, mcu_rows: usize) -> u64 {
        self.planes
            .iter()
            .map(|plane| (plane.stride * (plane.mcu_rows * mcu_rows + self.kept_rows(plane))) as u64)
            .sum()
    }

    /// Coefficients of a plane's block that its inverse transform reads, or that must be known to decode those.
    pub(super) fn kept_coefficients(plane: &Plane) -> usize {
        if plane.side == 1 { 1 } else { 64 }
    }

    /// Coefficients of so many rows of MCUs that must be kept between the scans of a progressive file.
    pub(super) fn coefficients(&self, mcu_rows: usize) -> u64 {
        let blocks = |plane: &Plane| (self.mcus.0 * plane.across * mcu_rows * plane.down) as u64;
        self.planes.iter().map(|plane| blocks(plane) * Self::kept_coefficients(plane) as u64).sum()
    }
}

/// The blocks across and down that each component has in an MCU, and the most of them.
fn factors(frame: &Frame) -> (Vec<(usize, usize)>, (usize, usize)) {
    let factors = (0..frame.components.len()).map(|index| frame.factors(index)).map(|(a, d)| (a.into(), d.into()));
    let (across_max, down_max) = frame.factors_max();
    (factors.collect(), (across_max.into(), down_max.into()))
}

/// MCUs across and down.
fn mcus(size: Size, factors_max: (usize, usize)) -> (usize, usize) {
    ((size.width as usize).div_ceil(8 * factors_max.0), (size.height as usize).div_ceil(8 * factors_max.1))
}

/// libjpeg's choice for a component of which `group` samples become `of` pixels, where it has one: ratios that are not
/// whole it does not read.
fn upsampling(group: (usize, usize), of: (usize, usize), smooth: bool, width: usize) -> Upsampling {
    if !of.0.is_multiple_of(group.0) {
        return Upsampling::Nearest { samples: group.0, pixels: of.0 };
    }
    if !of.1.is_multiple_of(group.1) {
        return Upsampling::Repeat(of.0 / group.0);
    }
    match (of.0 / group.0, of.1 / group.1) {
        (1, 1) => Upsampling::None,
        (2, 1) if smooth && width > 2 => Upsampling::TriangleAcross,
        (1, 2) if smooth => Upsampling::TriangleDown,
        (2, 2) if smooth && width > 2 => Upsampling::Triangle,
        (across, _) => Upsampling::Repeat(across),
    }
}
