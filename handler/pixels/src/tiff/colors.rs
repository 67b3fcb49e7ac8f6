//! What numbers mean as colours, and pixels of eight bits that are made of them.

use super::FORMAT;
use super::directory::Values;
use crate::error::PixelError;

/// What the samples of a pixel are, without those that are extra.
#[derive(Clone)]
pub(super) enum Colors<'a> {
    Gray { white_is_zero: bool },
    Rgb,
    Palette(Palette<'a>),
    Cmyk,
    YCbCr(YCbCr),
}

impl<'a> Colors<'a> {
    /// Those of a table: all reds, all greens, all blues.
    pub(super) fn palette(map: Values<'a>, bits: usize) -> Result<Self, PixelError> {
        let colors = 1 << bits.min(16);
        if map.len() < colors * 3 {
            let reason = format!("its palette has {} values instead of {}", map.len(), colors * 3);
            return Err(PixelError::corrupt(FORMAT, reason));
        }
        // Some write bytes where words are due.
        let shift = if (0..colors * 3).any(|index| map.get(index).is_some_and(|value| value > 255)) { 8 } else { 0 };
        Ok(Self::Palette(Palette { map, colors, shift }))
    }

    /// Samples of a pixel that has no others.
    pub(super) fn samples(&self) -> usize {
        match self {
            Self::Gray { .. } | Self::Palette(_) => 1,
            Self::Rgb | Self::YCbCr(_) => 3,
            Self::Cmyk => 4,
        }
    }

    pub(super) fn is_gray(&self) -> bool {
        matches!(self, Self::Gray { .. })
    }
}

/// A table of colours.
#[derive(Clone)]
pub(super) struct Palette<'a> {
    map: Values<'a>,
    colors: usize,
    shift: u32,
}

impl Palette<'_> {
    fn color(&self, number: usize) -> [u8; 3] {
        [0, 1, 2].map(|plane| {
            let value = self.map.get(number.min(self.colors - 1) + plane * self.colors).unwrap_or(0) >> self.shift;
            u8::try_from(value & 0xff).unwrap_or(0)
        })
    }
}

/// Luma and chroma.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct YCbCr {
    /// Pixels across and down of a sample of chroma.
    pub(super) sampling: (usize, usize),
    /// What red, green and blue add to luma.
    factors: [f32; 3],
    /// What is black and what is white, or has the most chroma, for each sample.
    range: [f32; 6],
}

impl YCbCr {
    pub(super) fn new(
        sampling: (Option<u64>, Option<u64>),
        factors: Option<[f32; 3]>,
        range: Option<[f32; 6]>,
    ) -> Result<Self, PixelError> {
        let side = |side: Option<u64>| match side {
            Some(side @ (1 | 2 | 4)) => usize::try_from(side).ok(),
            _ => None,
        };
        let (Some(across), Some(down)) = (side(sampling.0), side(sampling.1)) else {
            return Err(PixelError::unsupported(FORMAT, "chroma of other than 1, 2 or 4 pixels a sample"));
        };
        let factors = factors.filter(|factors| factors[1] > 0.0).unwrap_or([0.299, 0.587, 0.114]);
        let is_range = |range: &[f32; 6]| range.as_chunks::<2>().0.iter().all(|[from, to]| from < to);
        let range = range.filter(is_range).unwrap_or([0.0, 255.0, 128.0, 255.0, 128.0, 255.0]);
        Ok(Self { sampling: (across, down), factors, range })
    }

    pub(super) fn is_sampled(&self) -> bool {
        self.sampling != (1, 1)
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
    fn rgb(&self, sample: [u8; 3]) -> [u8; 3] {
        let scaled = |index: usize, most: f32| {
            let (from, to) = (self.range[index * 2], self.range[index * 2 + 1]);
            (f32::from(sample[index]) - from) * most / (to - from)
        };
        let (luma, blue, red) = (scaled(0, 255.0), scaled(1, 127.0), scaled(2, 127.0));
        let [of_red, of_green, of_blue] = self.factors;
        let r = luma + red * (2.0 - 2.0 * of_red);
        let b = luma + blue * (2.0 - 2.0 * of_blue);
        let g = (luma - of_red * r - of_blue * b) / of_green;
        [r, g, b].map(|value| value.round() as u8)
    }
}

/// The extra sample that is alpha.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Alpha {
    /// Its place among the samples of a pixel.
    pub(super) sample: usize,
    /// Whether the colours are multiplied by it.
    pub(super) associated: bool,
}

/// A number that stands for a part of all there is.
pub(super) trait Sample: Copy {
    /// In eight bits.
    fn byte(self) -> u8;
    /// The other part.
    fn rest(self) -> Self;
    /// Undoes a multiplication by alpha.
    fn divided(self, alpha: Self) -> Self;
    /// Red, green and blue of cyan, magenta, yellow and black, by the simple formula.
    fn inked(inks: [Self; 4]) -> [Self; 3];
    /// A place in a table.
    fn number(self) -> usize;
}

impl Sample for u8 {
    fn byte(self) -> u8 {
        self
    }

    fn rest(self) -> Self {
        !self
    }

    fn divided(self, alpha: Self) -> Self {
        let (value, alpha) = (u32::from(self), u32::from(alpha));
        (value * 255 + alpha / 2).checked_div(alpha).map_or(0, |value| Self::try_from(value).unwrap_or(Self::MAX))
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a part of 255")]
    fn inked([cyan, magenta, yellow, black]: [Self; 4]) -> [Self; 3] {
        let light = 1.0 - f32::from(black) / 255.0;
        [cyan, magenta, yellow].map(|ink| ((255.0 - f32::from(ink)) * light) as Self)
    }

    fn number(self) -> usize {
        self.into()
    }
}

impl Sample for u16 {
    fn byte(self) -> u8 {
        u8::try_from((u32::from(self) * 255 + 32_767) / 65_535).unwrap_or(u8::MAX)
    }

    fn rest(self) -> Self {
        !self
    }

    fn divided(self, alpha: Self) -> Self {
        let (value, alpha) = (u64::from(self), u64::from(alpha));
        (value * 65_535 + alpha / 2).checked_div(alpha).map_or(0, |value| Self::try_from(value).unwrap_or(Self::MAX))
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a part of 65535")]
    fn inked([cyan, magenta, yellow, black]: [Self; 4]) -> [Self; 3] {
        let light = 1.0 - f32::from(black) / 65_535.0;
        [cyan, magenta, yellow].map(|ink| ((65_535.0 - f32::from(ink)) * light) as Self)
    }

    fn number(self) -> usize {
        self.into()
    }
}

impl Sample for f32 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped; not-a-number becomes zero")]
    fn byte(self) -> u8 {
        (self.clamp(0.0, 1.0) * 255.0).round() as u8
    }

    fn rest(self) -> Self {
        1.0 - self
    }

    fn divided(self, alpha: Self) -> Self {
        if alpha > 0.0 { self / alpha } else { 0.0 }
    }

    fn inked([cyan, magenta, yellow, black]: [Self; 4]) -> [Self; 3] {
        [cyan, magenta, yellow].map(|ink| (1.0 - ink) * (1.0 - black))
    }

    fn number(self) -> usize {
        0
    }
}

/// Makes pixels of samples.
pub(super) fn paint<S: Sample>(part: &Part<'_, S>, colors: &Colors<'_>, pixels: &mut [u8]) {
    match colors {
        Colors::Gray { white_is_zero: false } => part.paint(pixels, |sample| [sample[0]]),
        Colors::Gray { white_is_zero: true } => part.paint(pixels, |sample| [sample[0].rest()]),
        Colors::Rgb => part.paint(pixels, |sample| [sample[0], sample[1], sample[2]]),
        Colors::Cmyk => part.paint(pixels, |sample| S::inked([sample[0], sample[1], sample[2], sample[3]])),
        // What alpha a palette or chroma has beside it is of the same eight bits, or scaled to them.
        Colors::Palette(palette) => {
            let most = u32::try_from(palette.colors - 1).unwrap_or(u32::MAX).max(1);
            let alpha = |sample: S| {
                let number = u32::try_from(sample.number()).unwrap_or(0);
                u8::try_from((number * 255 + most / 2) / most).unwrap_or(u8::MAX)
            };
            part.paint_with(pixels, alpha, |sample| palette.color(sample[0].number()));
        }
        Colors::YCbCr(chroma) => {
            let rgb = |sample: &[S]| chroma.rgb([sample[0].byte(), sample[1].byte(), sample[2].byte()]);
            part.paint_with(pixels, S::byte, rgb);
        }
    }
}

/// A row of samples.
pub(super) struct Part<'s, S> {
    pub(super) samples: &'s [S],
    /// Samples of a pixel.
    pub(super) each: usize,
    pub(super) alpha: Option<Alpha>,
}

impl<S: Sample> Part<'_, S> {
    fn paint<const N: usize>(&self, pixels: &mut [u8], color: impl Fn(&[S]) -> [S; N]) {
        self.paint_with(pixels, |alpha| alpha, color);
    }

    /// Pixels of colours that are known, with the alpha of the samples.
    pub(super) fn put(&self, colors: &[u8], pixels: &mut [u8]) {
        let colors = colors.as_chunks::<3>().0;
        let Some(alpha) = self.alpha else {
            pixels.as_chunks_mut().0.iter_mut().zip(colors).for_each(|(pixel, color)| *pixel = *color);
            return;
        };
        let samples = self.samples.chunks_exact(self.each);
        for ((pixel, color), sample) in pixels.as_chunks_mut::<4>().0.iter_mut().zip(colors).zip(samples) {
            let part = sample[alpha.sample].byte();
            let [red, green, blue] = if alpha.associated { color.map(|value| value.divided(part)) } else { *color };
            *pixel = [red, green, blue, part];
        }
    }

    fn paint_with<T: Sample, const N: usize>(
        &self,
        pixels: &mut [u8],
        alpha_of: impl Fn(S) -> T,
        color: impl Fn(&[S]) -> [T; N],
    ) {
        let samples = self.samples.chunks_exact(self.each);
        let Some(alpha) = self.alpha else {
            for (pixel, sample) in pixels.as_chunks_mut::<N>().0.iter_mut().zip(samples) {
                *pixel = color(sample).map(T::byte);
            }
            return;
        };
        for (pixel, sample) in pixels.chunks_exact_mut(N + 1).zip(samples) {
            let (mut color, part) = (color(sample), alpha_of(sample[alpha.sample]));
            if alpha.associated {
                color = color.map(|value| value.divided(part));
            }
            pixel[..N].copy_from_slice(&color.map(T::byte));
            pixel[N] = part.byte();
        }
    }
}
