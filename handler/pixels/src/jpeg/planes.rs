//! Planes as the file has them, each at a scale of its own: nothing is made wider, and no colour is converted.

use std::ops::Range;

use super::arena::Arena;
use super::headers::COMPONENTS_MAX;
use super::layout::{Layout, Plane};
use super::progressive::{Coefficients, Transform};
use super::sequential::Target;
use super::strips::GRAY;
use super::transform::Block;
use crate::area::Size;
use crate::dispatch::dispatch;
use crate::error::PixelError;
use crate::planes;

/// A component of a part of an image, at a scale.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComponentPlane {
    /// The samples.
    pub plane: planes::Plane,
    /// Samples to the left of these, in the whole image at this scale.
    pub left: u32,
    /// Samples above these.
    pub top: u32,
}

/// The planes of a window of MCUs, filled row by row.
pub(super) struct WholePlanes<'m> {
    layout: &'m Layout,
    columns: Range<usize>,
    rows: Range<usize>,
    /// Rows of the window that are done.
    done: usize,
    samples: [Vec<u8>; 3],
}

impl<'m> WholePlanes<'m> {
    /// Planes for a window, all of gray if that is asked for.
    pub(super) fn new(
        layout: &'m Layout,
        columns: Range<usize>,
        rows: Range<usize>,
        gray: bool,
        arena: &mut Arena,
    ) -> Result<Self, PixelError> {
        let mut new = Self { layout, columns, rows, done: 0, samples: Default::default() };
        for (index, plane) in layout.planes.iter().enumerate() {
            let mut samples = arena.output(new.stride(plane) * plane.mcu_rows * new.rows.len())?;
            if gray {
                samples.fill(GRAY);
            }
            new.samples[index] = samples;
        }
        Ok(new)
    }

    /// Samples of a row: those of the window that lie within the image.
    fn stride(&self, plane: &Plane) -> usize {
        let end = (self.columns.end * plane.across * plane.side).min(plane.width);
        end - self.left(plane)
    }

    fn left(&self, plane: &Plane) -> usize {
        self.columns.start * plane.across * plane.side
    }

    /// Where the next row of MCUs of these components goes.
    pub(super) fn next_targets(&mut self, components: &[usize]) -> [Target<'_>; COMPONENTS_MAX] {
        self.targets(components, self.rows.start + self.done, false)
    }

    /// Where a row of MCUs goes, or of blocks for a component that is `alone`, counted from the image's first.
    pub(super) fn targets(&mut self, components: &[usize], row: usize, alone: bool) -> [Target<'_>; COMPONENTS_MAX] {
        let geometry = |plane: &Plane| {
            // Components that are not asked for have other rows, which may lie before the window.
            let row = if alone { row - self.rows.start * plane.down } else { row - self.rows.start };
            let rows = if alone { plane.side } else { plane.mcu_rows };
            (row * rows * self.stride(plane), self.stride(plane), self.left(plane))
        };
        let planes = self.layout.planes.iter().enumerate();
        let starts: Vec<Option<(usize, usize, usize)>> =
            planes.map(|(index, plane)| components.contains(&index).then(|| geometry(plane))).collect();
        let mut targets: [Target<'_>; COMPONENTS_MAX] = Default::default();
        let wanted = starts.into_iter().zip(&mut self.samples).filter_map(|(start, samples)| Some((start?, samples)));
        for (target, ((start, stride, left), samples)) in targets.iter_mut().zip(wanted) {
            *target = Target { samples: &mut samples[start..], stride, left };
        }
        targets
    }

    /// Makes the next row of MCUs of its coefficients.
    pub(super) fn transform(&mut self, coefficients: &Coefficients<'_>, steps: &[Block; COMPONENTS_MAX]) {
        let (layout, columns, mcu_row) = (self.layout, self.columns.clone(), self.rows.start + self.done);
        for (component, plane) in layout.planes.iter().enumerate() {
            let [target, ..] = self.next_targets(&[component]);
            let (columns, steps) = (columns.clone(), &steps[component]);
            dispatch(Transform { coefficients, component, plane, mcu_row, columns, steps, target });
        }
    }

    /// Turns to the next row of MCUs.
    pub(super) fn advance(&mut self) {
        self.done += 1;
    }

    /// Turns back to the first row of MCUs.
    pub(super) fn restart(&mut self) {
        self.done = 0;
    }

    /// The planes, without the rows below the image.
    pub(super) fn finish(self) -> Vec<ComponentPlane> {
        let narrow = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        let strides: Vec<usize> = self.layout.planes.iter().map(|plane| self.stride(plane)).collect();
        let parts = self.layout.planes.iter().zip(strides).zip(self.samples);
        parts
            .map(|((plane, width), mut data)| {
                let left = self.columns.start * plane.across * plane.side;
                let top = self.rows.start * plane.mcu_rows;
                let height = (self.rows.end * plane.mcu_rows).min(plane.height) - top;
                data.truncate(width * height);
                let size = Size { width: narrow(width), height: narrow(height) };
                ComponentPlane { plane: planes::Plane { size, data }, left: narrow(left), top: narrow(top) }
            })
            .collect()
    }
}

impl Arena {
    /// The most bytes that the planes of a layout take.
    pub(super) fn planes_bytes(layout: &Layout) -> u64 {
        layout.planes.iter().map(|plane| (plane.width * plane.mcu_rows * layout.mcus.1) as u64).sum()
    }
}
