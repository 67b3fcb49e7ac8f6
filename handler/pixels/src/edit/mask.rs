//! Gaussian blur with the integer masks of libvips (`gaussmat`), across and then down. Beyond the edge the edge goes on.
//!
//! A mask has at most 17 different weights, so that it is a sum of as many boxes: what a sample costs does not hang on the
//! sigma, and the result is that of the whole mask to the last bit.

use crate::area::Size;
use crate::error::PixelError;
use crate::raster::{Raster, zeroed_bytes};

/// The weight in the middle.
const WEIGHT_MAX: f64 = 20.0;
/// As far as libvips goes.
const RADIUS_MAX: u32 = 5000;

/// A box of weights around a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Step {
    /// How many samples it reaches to either side.
    radius: usize,
    /// How much more each of them weighs than those beyond.
    weight: u32,
}

/// The weights of a blur along a line, the same to either side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mask {
    /// From the middle outwards.
    weights: Vec<u32>,
    steps: Vec<Step>,
    /// The sum of all weights.
    scale: u32,
    /// `2^44` by the scale, rounded up.
    reciprocal: u64,
}

const RECIPROCAL_BITS: u32 = 44;

impl Mask {
    /// The gauss of a sigma, as far as it is not below a part of its height.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole numbers from 0 to 20")]
    pub(super) fn gauss(sigma: f64, amplitude_min: f64) -> Self {
        let height = |place: u32| (-f64::from(place).powi(2) / (2.0 * sigma * sigma)).exp();
        let within = |place: &u32| f64::from(*place) < (8.0 * sigma).floor();
        let mut weights: Vec<u32> = (0..RADIUS_MAX)
            .take_while(within)
            .map(height)
            .take_while(|height| *height >= amplitude_min)
            .map(|height| (WEIGHT_MAX * height).round_ties_even() as u32)
            .collect();
        if weights.is_empty() {
            weights.push(WEIGHT_MAX as u32);
        }
        Self::new(weights)
    }

    fn new(weights: Vec<u32>) -> Self {
        let next = |place: usize| weights.get(place + 1).copied().unwrap_or(0);
        let step = |(radius, weight): (usize, &u32)| Step { radius, weight: weight.saturating_sub(next(radius)) };
        let steps = weights.iter().enumerate().map(step).filter(|step| step.weight > 0).collect();
        let scale = (weights.iter().sum::<u32>() * 2 - weights[0]).max(1);
        let reciprocal = (1 << RECIPROCAL_BITS) / u64::from(scale) + 1;
        Self { weights, steps, scale, reciprocal }
    }

    fn radius(&self) -> usize {
        self.weights.len() - 1
    }

    /// Whether it leaves everything as it is.
    pub(super) fn is_nothing(&self) -> bool {
        self.radius() == 0
    }

    /// A weighted sum by the sum of the weights, rounded to nearest. Exact for sums of up to `2^16` times the scale.
    fn mean(&self, sum: u32) -> u64 {
        (u64::from(sum.wrapping_add(self.scale / 2)) * self.reciprocal) >> RECIPROCAL_BITS
    }
}

/// A sample of eight or sixteen bits.
pub(super) trait Sample: Copy + Default + Into<u32> + TryFrom<u64> {}

impl Sample for u8 {}
impl Sample for u16 {}

/// Blurs along a row of pixels, from one place to another.
pub(super) fn across<S: Sample>(mask: &Mask, from: &[S], channels: usize, prefix: &mut Vec<u32>, to: &mut [S]) {
    let margin = mask.radius() * channels;
    let (first, last) = (&from[..channels], &from[from.len() - channels..]);
    // Sums of all samples of a channel before a place, over a row whose ends go on. They may wrap: differences do not.
    prefix.clear();
    prefix.resize(channels, 0);
    let ends = |end: &'_ [S]| end.iter().copied().cycle().take(margin).collect::<Vec<S>>();
    for sample in ends(first).into_iter().chain(from.iter().copied()).chain(ends(last)) {
        prefix.push(prefix[prefix.len() - channels].wrapping_add(sample.into()));
    }
    let mut sums = vec![0_u32; from.len()];
    for step in &mask.steps {
        let start = (mask.radius() - step.radius) * channels;
        let end = (mask.radius() + step.radius + 1) * channels;
        for ((sum, before), after) in sums.iter_mut().zip(&prefix[start..]).zip(&prefix[end..]) {
            *sum = sum.wrapping_add(after.wrapping_sub(*before).wrapping_mul(step.weight));
        }
    }
    for (to, sum) in to.iter_mut().zip(sums) {
        *to = S::try_from(mask.mean(sum)).unwrap_or_default();
    }
}

/// Blurs down the columns of an image, row by row.
pub(super) struct Down<'a, S> {
    mask: &'a Mask,
    from: &'a [S],
    stride: usize,
    /// The weighted sums of the next row.
    sums: Vec<u32>,
    next: usize,
}

impl<'a, S: Sample> Down<'a, S> {
    pub(super) fn new(mask: &'a Mask, from: &'a [S], stride: usize) -> Self {
        let mut down = Self { mask, from, stride, sums: vec![0; stride], next: 0 };
        for (place, weight) in mask.weights.iter().enumerate() {
            down.add(place, *weight);
            if place > 0 {
                down.add(0, *weight);
            }
        }
        down
    }

    fn rows(&self) -> usize {
        self.from.len() / self.stride
    }

    /// Adds a row so many times. One below the image is its last.
    fn add(&mut self, row: usize, times: u32) {
        let row = &self.from[row.min(self.rows() - 1) * self.stride..][..self.stride];
        for (sum, sample) in self.sums.iter_mut().zip(row) {
            *sum = sum.wrapping_add((*sample).into().wrapping_mul(times));
        }
    }

    /// The next row, blurred.
    pub(super) fn row(&mut self, mut to: impl FnMut(usize, S)) {
        for (at, sum) in self.sums.iter().enumerate() {
            to(at, S::try_from(self.mask.mean(*sum)).unwrap_or_default());
        }
        for step in &self.mask.steps {
            self.add(self.next + 1 + step.radius, step.weight);
            self.add(self.next.saturating_sub(step.radius), step.weight.wrapping_neg());
        }
        self.next += 1;
    }
}

/// Blurs all channels of an image.
pub(super) fn blur(image: &mut Raster, sigma: f64) -> Result<(), PixelError> {
    let mask = Mask::gauss(sigma, 0.2);
    let (Size { width, .. }, channels) = (image.size, image.layout.channels());
    let stride = width as usize * channels;
    if mask.is_nothing() || image.data.is_empty() {
        return Ok(());
    }
    let (mut blurred, mut prefix) = (zeroed_bytes(image.data.len() as u64)?, Vec::new());
    for (from, to) in image.data.chunks_exact(stride).zip(blurred.chunks_exact_mut(stride)) {
        across(&mask, from, channels, &mut prefix, to);
    }
    let mut down = Down::new(&mask, &blurred, stride);
    for row in image.data.chunks_exact_mut(stride) {
        down.row(|at, sample| row[at] = sample);
    }
    Ok(())
}
