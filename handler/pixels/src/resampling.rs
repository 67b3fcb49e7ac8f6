//! What of the stored image each rendition is resampled from, and which of them is made from which.

use super::area::Size;
use super::encode;
use super::format::EncodedFormat;
use super::geometry::{Plan, ScaledBox};
use super::options::{Kernel, Rendition, Rotation};
use super::orientation::Orientation;
use super::probe::Probe;

/// How the stored image is turned for a rendition: upright, and then as it was asked for.
pub(super) fn orientation(probe: &Probe, rendition: &Rendition) -> Orientation {
    probe.orientation.then(match rendition.rotate {
        Rotation::None => Orientation::Upright,
        Rotation::Quarter => Orientation::Rotate90,
        Rotation::Half => Orientation::Rotate180,
        Rotation::ThreeQuarters => Orientation::Rotate270,
    })
}

/// Plans a rendition of a probed file.
pub(super) fn plan(probe: &Probe, rendition: &Rendition) -> Plan {
    Plan::new(orientation(probe, rendition).apply(probe.size()), rendition)
}

/// What of the stored image one rendition is resampled from, and to what size.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Resampling {
    /// Of pixels, or of luma.
    pub(super) luma: ScaledBox,
    /// Of chroma, where that is a plane of its own.
    pub(super) chroma: ScaledBox,
    pub(super) kernel: Kernel,
    /// Whether chroma is wanted at half the width and height.
    pub(super) half_chroma: bool,
}

impl Resampling {
    /// What a rendition of a probed file wants. `converted` says whether its colours are to be converted.
    pub(super) fn new(plan: &Plan, rendition: &Rendition, probe: &Probe, converted: bool) -> Self {
        // Pixels are needed where there is a border or another profile, or more is done. Otherwise planes are written as they
        // are.
        let half_chroma = (plan.canvas == plan.scaled || plan.strategy.is_some())
            && !converted
            && !rendition.edits()
            && encode::resolve(rendition.format, probe.format, None) == Some(EncodedFormat::Jpeg)
            && encode::halves_chroma(rendition);
        let orientation = orientation(probe, rendition);
        let luma = plan.stored_box(orientation, probe.size(), rendition.kernel);
        let chroma = if half_chroma { luma.halved(orientation) } else { luma };
        Self { luma, chroma, kernel: rendition.kernel, half_chroma }
    }

    /// All of the image, in pixels of another size.
    pub(super) fn looking(&self, scaled: Size) -> Self {
        let luma = ScaledBox { scaled, ..self.luma };
        Self { luma, chroma: luma, kernel: Kernel::Lanczos3, half_chroma: false }
    }

    /// What is wanted of a component of a JPEG.
    pub(super) fn scaled_box(&self, component: usize) -> ScaledBox {
        if component == 0 { self.luma } else { self.chroma }
    }

    /// Whether it takes pixels with all that a decoder can do for chroma: when they are not mixed anyway.
    pub(super) fn needs_pixels(&self) -> bool {
        let (across, down) = self.luma.shrink();
        self.luma.exact || (!self.half_chroma && across <= 1.0 && down <= 1.0)
    }

    /// Whether every pixel of what is made is a mean of others.
    fn mixes(&self) -> bool {
        self.kernel != Kernel::Nearest && self.luma.shrink() != (1.0, 1.0)
    }

    /// Whether this, once it is made, has at least twice the pixels, along each side, that another wants of the same
    /// part of the image.
    fn covers(&self, other: &Self) -> bool {
        let ((across, down), (other_across, other_down)) = (self.luma.shrink(), other.luma.shrink());
        let exact = self.luma.exact || other.luma.exact;
        !exact
            && self.kernel == other.kernel
            && self.luma.region.contains(other.luma.region)
            && across >= 1.0
            && down >= 1.0
            && other_across >= across * 2.0
            && other_down >= down * 2.0
    }
}

/// For each rendition the one whose result it is made from: the smallest that covers it; none for those that are made from
/// what is decoded.
pub(super) fn sources(resamplings: &[Resampling]) -> Vec<Option<usize>> {
    let source = |wanted: &Resampling| {
        let covering = resamplings.iter().enumerate().filter(|(_, resampling)| resampling.covers(wanted));
        covering.min_by_key(|(_, resampling)| resampling.luma.scaled.pixels()).map(|(index, _)| index)
    };
    resamplings.iter().map(source).collect()
}

/// Those that are made from what is decoded.
pub(super) fn roots(resamplings: &[Resampling], sources: &[Option<usize>]) -> Vec<Resampling> {
    let roots = resamplings.iter().zip(sources).filter(|(_, source)| source.is_none());
    roots.map(|(resampling, _)| *resampling).collect()
}

/// Whether colours with alpha are premultiplied in place, because no rendition wants them as they are.
pub(super) fn premultiplies(resamplings: &[Resampling]) -> bool {
    resamplings.iter().all(Resampling::mixes)
}
