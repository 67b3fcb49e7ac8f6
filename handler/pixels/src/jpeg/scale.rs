//! The scales that a JPEG is decoded at, and which of them serves.

use crate::area::Size;

/// How much smaller than the image its pixels are decoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scale {
    /// As stored.
    #[default]
    Full,
    /// Half the width and height.
    Half,
    /// A quarter of the width and height.
    Quarter,
    /// An eighth of the width and height.
    Eighth,
}

/// How much is left to the resampler when an image is decoded at a reduced scale.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fidelity {
    /// At least a factor of 1.15. Below that hardly anything is left to a good kernel; sharp decodes twice the size there,
    /// and up to a factor of 1.125, 1.25 or 1.5 for an eighth, a quarter and a half. What this loses to it in between, the
    /// planes make up for, whose chroma is resampled once instead of twice.
    #[default]
    Fast,
    /// At least a factor of two: up to two points of SSIMULACRA2 better where [`Fidelity::Fast`] leaves a factor of 1.2 to
    /// 1.5, for up to twice the time.
    Fine,
}

impl Scale {
    /// All scales, from the largest image to the smallest.
    pub const ALL: [Self; 4] = [Self::Full, Self::Half, Self::Quarter, Self::Eighth];

    /// How many pixels of the image become one, along each side.
    #[must_use]
    pub fn denominator(self) -> u32 {
        match self {
            Self::Full => 1,
            Self::Half => 2,
            Self::Quarter => 4,
            Self::Eighth => 8,
        }
    }

    /// The size of an image at this scale. The last pixel of a side may stand for a part of one.
    #[must_use]
    pub fn apply(self, size: Size) -> Size {
        let shrunk = |side: u32| side.div_ceil(self.denominator());
        Size { width: shrunk(size.width), height: shrunk(size.height) }
    }

    /// The smallest scale at which a part of an image, so many pixels wide and high, still has as many more pixels than
    /// are wanted of it, along each side, as the fidelity asks.
    #[must_use]
    pub fn covering(width: f64, height: f64, wanted: Size, fidelity: Fidelity) -> Self {
        /// What the sums that lead to a part's size may lose.
        const ROUNDING: f64 = 1e-6;

        let covers = |scale: &&Self| {
            let denominator = f64::from(scale.denominator());
            let side = |side: f64, wanted: u32| match fidelity {
                Fidelity::Fast => side / denominator + ROUNDING >= f64::from(wanted) * 1.15,
                Fidelity::Fine => side / denominator + ROUNDING >= f64::from(wanted) * 2.0,
            };
            side(width, wanted.width) && side(height, wanted.height)
        };
        Self::ALL.iter().rev().find(covers).copied().unwrap_or_default()
    }

    /// The side of a block's samples, for components of the full resolution.
    pub(super) fn block_side(self) -> usize {
        8 / self.denominator() as usize
    }
}
