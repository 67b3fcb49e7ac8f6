//! Planes a few rows at a time, and the rows of the output that are made of them.

use std::ops::Range;

use super::arena::{Arena, sized};
use super::color;
use super::headers::{COMPONENTS_MAX, Colors};
use super::layout::{Layout, Plane, Upsampling};
use super::progressive::{Coefficients, Transform};
use super::sequential::Target;
use super::transform::Block;
use super::upsample;
use crate::dispatch::dispatch;
use crate::error::PixelError;

/// What a plane holds before anything is decoded: mid-gray.
pub(super) const GRAY: u8 = 128;

/// What stands for samples that a broken file lacks: no black ink, as Adobe stores it, makes the others gray.
fn missing(component: usize) -> u8 {
    if component == 3 { u8::MAX } else { GRAY }
}

/// A part of the output, in pixels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SampleWindow {
    pub(super) columns: Range<usize>,
    pub(super) rows: Range<usize>,
}

/// The memory of [`Strips`], kept by the [`Arena`].
#[derive(Debug, Default)]
pub(super) struct Rows {
    planes: [Vec<u8>; COMPONENTS_MAX],
    /// One row of the output, by plane.
    wide: [Vec<u8>; COMPONENTS_MAX],
    sums: Vec<u16>,
}

impl Rows {
    pub(super) fn bytes(&self) -> usize {
        let of = |rows: &[Vec<u8>; COMPONENTS_MAX]| rows.iter().map(Vec::capacity).sum::<usize>();
        of(&self.planes) + of(&self.wide) + self.sums.capacity() * 2
    }
}

/// The planes of so many rows of MCUs, and before them the last rows of the strip before.
pub(super) struct Strips<'m> {
    layout: &'m Layout,
    colors: Colors,
    window: SampleWindow,
    memory: &'m mut Rows,
    /// The row of MCUs that the first strip begins with, and the first one in the planes now.
    start_mcu_row: usize,
    first_mcu_row: usize,
    /// Rows of MCUs in the planes.
    mcu_rows: usize,
    /// The next row of the output.
    next_row: usize,
}

impl<'m> Strips<'m> {
    /// Strips of `mcu_rows` rows, from the first that the window needs.
    pub(super) fn new(
        layout: &'m Layout,
        colors: Colors,
        window: SampleWindow,
        mcu_rows: usize,
        memory: &'m mut Rows,
    ) -> Result<Self, PixelError> {
        for (component, (plane, samples)) in layout.planes.iter().zip(&mut memory.planes).enumerate() {
            let rows = plane.mcu_rows * mcu_rows + layout.kept_rows(plane);
            sized(samples, plane.stride * rows, missing(component))?;
        }
        let width = layout.mcus.0 * layout.mcu_size.0;
        for (_, wide) in layout.planes.iter().zip(&mut memory.wide) {
            sized(wide, width, 0)?;
        }
        sized(&mut memory.sums, width, 0)?;
        let next_row = window.rows.start;
        let first_mcu_row = if mcu_rows == layout.mcus.1 { 0 } else { mcu_row_range(layout, &window).start };
        let start_mcu_row = first_mcu_row;
        Ok(Self { layout, colors, window, memory, start_mcu_row, first_mcu_row, mcu_rows, next_row })
    }

    /// Where the samples of these components go, from a row of MCUs of the strip on. A scan of one component counts its
    /// blocks' rows instead, so that `row` is that of a block then.
    pub(super) fn targets(&mut self, components: &[usize], row: usize, alone: bool) -> [Target<'_>; COMPONENTS_MAX] {
        let mut targets: [Target<'_>; COMPONENTS_MAX] = Default::default();
        let planes = self.layout.planes.iter().zip(&mut self.memory.planes).enumerate();
        let wanted = planes.filter(|(index, _)| components.contains(index));
        for (target, (_, (plane, samples))) in targets.iter_mut().zip(wanted) {
            let rows = if alone { plane.side } else { plane.mcu_rows };
            let start = (self.layout.kept_rows(plane) + row * rows) * plane.stride;
            *target = Target { samples: &mut samples[start..], stride: plane.stride, left: 0 };
        }
        targets
    }

    /// Makes the strip gray, for what a broken file lacks.
    pub(super) fn clear(&mut self) {
        for (component, (plane, samples)) in self.layout.planes.iter().zip(&mut self.memory.planes).enumerate() {
            samples[self.layout.kept_rows(plane) * plane.stride..].fill(missing(component));
        }
    }

    /// Makes the strip, one row of MCUs, of its coefficients.
    pub(super) fn transform(&mut self, coefficients: &Coefficients<'_>, steps: &[Block; COMPONENTS_MAX]) {
        let columns = mcu_column_range(self.layout, &self.window);
        let (mcu_row, layout) = (self.first_mcu_row, self.layout);
        for (component, plane) in layout.planes.iter().enumerate() {
            let [target, ..] = self.targets(&[component], 0, false);
            let (columns, steps) = (columns.clone(), &steps[component]);
            dispatch(Transform { coefficients, component, plane, mcu_row, columns, steps, target });
        }
    }

    /// The rows of the output that can be made of the strip and have not been made.
    pub(super) fn ready(&self) -> Range<usize> {
        let end_mcu_row = self.first_mcu_row + self.mcu_rows;
        let mut end = self.layout.size.height as usize;
        if end_mcu_row < self.layout.mcus.1 {
            let held_back = if self.layout.needs_neighbours { self.layout.rows_in_group } else { 0 };
            end = end_mcu_row * self.layout.mcu_size.1 - held_back;
        }
        self.next_row..end.min(self.window.rows.end).max(self.next_row)
    }

    /// The first row of the window.
    pub(super) fn first_row(&self) -> usize {
        self.window.rows.start
    }

    /// Bytes of a row of the output.
    pub(super) fn row_bytes(&self) -> usize {
        self.window.columns.len() * self.colors.channels()
    }

    /// Makes some of the rows that are ready, which follow those made before. `pixels` has just as many rows.
    pub(super) fn make(&mut self, rows: Range<usize>, pixels: &mut [u8]) {
        self.next_row = rows.end;
        for (y, pixels) in rows.zip(pixels.chunks_exact_mut(self.row_bytes())) {
            self.row(y, pixels);
        }
    }

    /// Turns to the next strip, once all rows that were ready are made.
    pub(super) fn advance(&mut self) {
        for (plane, samples) in self.layout.planes.iter().zip(&mut self.memory.planes) {
            let from = plane.mcu_rows * self.mcu_rows * plane.stride;
            samples.copy_within(from..from + self.layout.kept_rows(plane) * plane.stride, 0);
        }
        self.first_mcu_row += self.mcu_rows;
    }

    /// Turns back to the first strip.
    pub(super) fn restart(&mut self) {
        self.first_mcu_row = self.start_mcu_row;
        self.next_row = self.window.rows.start;
    }

    fn row(&mut self, y: usize, pixels: &mut [u8]) {
        let Rows { planes, wide, sums } = &mut *self.memory;
        let mut rows: [&[u8]; COMPONENTS_MAX] = [&[]; COMPONENTS_MAX];
        for (((plane, samples), wide), row) in self.layout.planes.iter().zip(planes).zip(wide).zip(&mut rows) {
            let (base, kept) = (self.first_mcu_row * plane.mcu_rows, self.layout.kept_rows(plane));
            let source = Source { plane, samples, base, kept, rows_in_group: self.layout.rows_in_group };
            *row = source.widened(y, &self.window.columns, wide, sums);
        }
        let [first, second, third, fourth] = rows;
        match self.colors {
            Colors::Gray => pixels.copy_from_slice(first),
            Colors::YCbCr => color::from_ycbcr([first, second, third], pixels),
            Colors::Rgb => color::from_rgb([first, second, third], pixels),
            Colors::Cmyk => color::from_cmyk([first, second, third], fourth, pixels),
            Colors::Ycck => color::from_ycck([first, second, third], fourth, pixels),
            Colors::Stored => color::stored(rows, pixels),
        }
    }
}

/// A plane of which some rows are there.
struct Source<'s> {
    plane: &'s Plane,
    samples: &'s [u8],
    /// The first row of the strip, and how many rows before it are in `samples`.
    base: usize,
    kept: usize,
    /// Of the output.
    rows_in_group: usize,
}

impl<'s> Source<'s> {
    /// The samples for some columns of a row of the output.
    fn widened(&self, y: usize, columns: &Range<usize>, wide: &'s mut [u8], sums: &mut [u16]) -> &'s [u8] {
        let plane = self.plane;
        let nearest = y * plane.rows_in_group / self.rows_in_group;
        let upper = y.is_multiple_of(2);
        let further = if upper { nearest.saturating_sub(1) } else { nearest.saturating_add(1).min(plane.height - 1) };
        // A triangle reaches one sample further; what is wrong at the cut is outside of the window then.
        let halves = columns.start.div_ceil(2).saturating_sub(1)..(columns.end.div_ceil(2) + 1).min(plane.width);
        let (part, times) = match plane.upsampling {
            Upsampling::None => return self.samples_of(nearest, columns),
            Upsampling::TriangleDown => {
                upsample::down(self.samples_of(nearest, columns), self.samples_of(further, columns), upper, wide);
                return &wide[..columns.len()];
            }
            Upsampling::TriangleAcross => {
                upsample::across(self.samples_of(nearest, &halves), &mut wide[..halves.len() * 2]);
                (halves, 2)
            }
            Upsampling::Triangle => {
                let (near, far) = (self.samples_of(nearest, &halves), self.samples_of(further, &halves));
                upsample::both(near, far, sums, &mut wide[..halves.len() * 2]);
                (halves, 2)
            }
            Upsampling::Nearest { samples, pixels } => {
                let of = |column: usize| column * samples / pixels;
                let part = of(columns.start)..of(columns.end - 1) + 1;
                let from = self.samples_of(nearest, &part);
                for (column, to) in columns.clone().zip(wide.iter_mut()) {
                    *to = from[of(column) - part.start];
                }
                return &wide[..columns.len()];
            }
            Upsampling::Repeat(times) => {
                let part = columns.start / times..columns.end.div_ceil(times);
                upsample::repeat(self.samples_of(nearest, &part), times, &mut wide[..part.len() * times]);
                (part, times)
            }
        };
        let start = columns.start - part.start * times;
        &wide[start..start + columns.len()]
    }

    fn samples_of(&self, row: usize, columns: &Range<usize>) -> &'s [u8] {
        let start = (row + self.kept).saturating_sub(self.base) * self.plane.stride;
        &self.samples[start + columns.start..start + columns.end]
    }
}

/// The rows of MCUs that a window needs, with those that its first and last rows look at.
pub(super) fn mcu_row_range(layout: &Layout, window: &SampleWindow) -> Range<usize> {
    let (margin, height) = (2 * layout.rows_in_group, layout.mcu_size.1);
    window.rows.start.saturating_sub(margin) / height..(window.rows.end + margin).div_ceil(height).min(layout.mcus.1)
}

/// The columns of MCUs that a window needs.
pub(super) fn mcu_column_range(layout: &Layout, window: &SampleWindow) -> Range<usize> {
    let width = layout.mcu_size.0;
    // Four columns are one sample at the widest sampling.
    window.columns.start.saturating_sub(4) / width..(window.columns.end + 4).div_ceil(width).min(layout.mcus.0)
}

impl Arena {
    /// Bytes of working memory for a layout, besides coefficients and the output.
    pub(super) fn strip_bytes(layout: &Layout, mcu_rows: usize) -> u64 {
        layout.strip_bytes(mcu_rows) + (layout.mcus.0 * layout.mcu_size.0 * (layout.planes.len().max(3) + 2)) as u64
    }
}
