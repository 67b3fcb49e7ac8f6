//! What renditions of a file cost in memory, before any is made.

use super::area::{Region, Size};
use super::geometry::{Plan, ScaledBox};
use super::interest;
use super::jpeg::{Fidelity, Scale};
use super::options::{Metadata, Rendition};
use super::probe::{JpegDecoding, Probe};
use super::resampling::{self, Resampling};

/// EXIF and XMP of a file that keeps them.
const CARRIED_BYTES_MAX: u64 = 128 * 1024;

/// An encoder's working copies and its output, by output pixel.
const ENCODER_BYTES_PER_PIXEL: u64 = 12;

impl Probe {
    /// The most memory, in bytes, that decoding and then making these renditions takes, with the encoded outputs and
    /// without the file's own bytes.
    ///
    /// Checked by hand against the peak of a process at 12 MP, with outputs of 200 and 2500 pixels, for PNG, lossless WebP,
    /// GIF, TIFF and BMP of eight bits: from just above the measured value to 2.6 times it (GIF). Not measured at that
    /// size: lossy and animated WebP, 16-bit channels.
    #[must_use]
    pub fn memory_bytes_max(&self, renditions: &[Rendition]) -> u64 {
        let plans = renditions.iter().map(|rendition| {
            let plan = resampling::plan(self, rendition);
            (
                plan,
                Resampling::new(&plan, rendition, self, self.color_bytes > 0 && rendition.profile() == Metadata::Strip),
            )
        });
        let (plans, resamplings): (Vec<Plan>, Vec<Resampling>) = plans.unzip();
        let sources = resampling::sources(&resamplings);
        let roots = resampling::roots(&resamplings, &sources);
        let decoding = self.jpeg_decoding(&roots).unwrap_or_default();
        let channels = u64::from(self.channels);
        // The resampler's copy of what it reads, with colours, and these multiplied by their alpha.
        let premultiplied = |source: Option<usize>| match source {
            _ if !self.has_alpha => 0,
            None if channels == 4 && resampling::premultiplies(&roots) => 0,
            None => self.size().pixels().saturating_mul(4),
            Some(larger) => resamplings[larger].luma.scaled.pixels().saturating_mul(4),
        };
        let each = plans.iter().zip(&resamplings).zip(&sources).zip(renditions);
        let scaling = each.map(|(((plan, resampling), source), rendition)| {
            let working = self.scaling_bytes(decoding, resampling).saturating_add(premultiplied(*source));
            // The turned, the converted, the embedded and the blurred copy, and the lightness of pixels and of what is around
            // them; at most two at a time, with four channels at most.
            let copies = plan.canvas.pixels().saturating_mul(8);
            let encoder = plan.canvas.pixels().saturating_mul(ENCODER_BYTES_PER_PIXEL);
            // The best file so far, while the next one is made.
            let fitting = if rendition.max_bytes.is_some() { plan.canvas.pixels().saturating_mul(2) } else { 0 };
            working.saturating_add(copies).saturating_add(encoder).saturating_add(fitting).max(self.looking_bytes(plan))
        });
        let scaling = scaling.max().unwrap_or(0);
        // A larger one is held while smaller ones are made from it; the file of each is held to the end.
        let held = resamplings.iter().zip(&plans).fold(0_u64, |sum, (resampling, plan)| {
            let scaled = resampling.luma.scaled.pixels().saturating_mul(channels);
            sum.saturating_add(scaled).saturating_add(plan.canvas.pixels().saturating_mul(2))
        });
        let keeping = renditions.iter().filter(|rendition| rendition.metadata == Metadata::Keep).count() as u64;
        let held = held.saturating_add(keeping * CARRIED_BYTES_MAX);
        self.peak(decoding, scaling).saturating_add(held)
    }

    /// What it takes to look at all of the image in search of a part.
    fn looking_bytes(&self, plan: &Plan) -> u64 {
        let Some(strategy) = plan.strategy else { return 0 };
        let seen = interest::looked_at(plan.scaled, strategy);
        // Columns first, with colours and alpha, from a copy if there is alpha; then turned, with its planes.
        let copy = if self.has_alpha { self.size().pixels().saturating_mul(4) } else { 0 };
        let rows = u64::from(seen.width.max(seen.height)) * 4;
        copy.saturating_add(u64::from(self.width.max(self.height)) * rows).saturating_add(seen.pixels() * 12)
    }

    /// What the resampler needs besides its source, in whatever form, and its result.
    fn scaling_bytes(&self, decoding: JpegDecoding, resampling: &Resampling) -> u64 {
        // It works on columns first: as wide as what is read, as high as what is written.
        let intermediate = |wanted: ScaledBox, size: Size, per_sample: (f64, f64), channels: u64| {
            let needed = wanted.divided(per_sample).needed(size).size();
            u64::from(needed.width).saturating_mul(wanted.scaled.height.into()).saturating_mul(channels)
        };
        match (decoding, &self.jpeg) {
            (JpegDecoding::Planes(scales), Some(shape)) => {
                let planes = (0..shape.frame.components.len()).zip(scales).map(|(component, scale)| {
                    let (per_sample, size) = shape.frame.plane(component, scale);
                    let wanted = resampling.scaled_box(component);
                    let working = intermediate(wanted, size, per_sample, 1);
                    // A box that reaches beyond the image, by a pixel of the output, is read from a wider copy.
                    let beyond = wanted.shrink();
                    let wider = Size {
                        width: size.width.saturating_add(samples_up(beyond.0 / per_sample.0)),
                        height: size.height.saturating_add(samples_up(beyond.1 / per_sample.1)),
                    };
                    let is_wider = component > 0 && resampling.half_chroma;
                    working.saturating_add(if is_wider { wider.pixels() } else { 0 })
                });
                planes.max().unwrap_or(0)
            }
            (JpegDecoding::Pixels(scale), _) => {
                let (size, denominator) = (scale.apply(self.size()), f64::from(scale.denominator()));
                // What is gray with alpha is scaled as if it had colours.
                let channels = if self.has_alpha { 4 } else { self.channels.into() };
                intermediate(resampling.luma, size, (denominator, denominator), channels)
            }
            (JpegDecoding::Planes(_), None) => 0,
        }
    }

    /// How a JPEG is decoded for all of these; none for what is decoded whole.
    pub(super) fn jpeg_decoding(&self, resamplings: &[Resampling]) -> Option<JpegDecoding> {
        let frame = &self.jpeg.as_ref()?.frame;
        let scale = |wanted: ScaledBox, per_sample: (f64, f64)| {
            if wanted.exact {
                return Scale::Full;
            }
            let Region { width, height, .. } = wanted.region.divided(per_sample);
            Scale::covering(width, height, wanted.scaled, Fidelity::default())
        };
        // What inks mean together is not what each means alone.
        if self.is_inks || resamplings.iter().any(Resampling::needs_pixels) {
            let scales = resamplings.iter().map(|resampling| scale(resampling.luma, (1.0, 1.0)));
            return Some(JpegDecoding::Pixels(scales.min().unwrap_or_default()));
        }
        let mut scales = [Scale::Full; 3];
        for (component, own) in scales.iter_mut().enumerate().take(frame.components.len()) {
            let per_sample = frame.pixels_per_sample(component);
            *own = resamplings
                .iter()
                .map(|resampling| scale(resampling.scaled_box(component), per_sample))
                .min()
                .unwrap_or_default();
        }
        Some(JpegDecoding::Planes(scales))
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive; the cast saturates")]
fn samples_up(value: f64) -> u32 {
    value.ceil() as u32
}
