//! What is asked of the pixels: sharp's words, as values.
//!
//! These types carry no parsing beyond their names. Who reads them from a message checks them; the rest of the crate takes
//! them as proof.

use serde::Deserialize;

/// How the image meets the requested width and height, as in sharp's `resize`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fit {
    /// Fill both dimensions, keep the proportions, crop what hangs over.
    #[default]
    Cover,
    /// Fit within both dimensions, keep the proportions, fill the rest with the background.
    Contain,
    /// Stretch to both dimensions, ignoring the proportions. One that is absent stays as it is in the source.
    Fill,
    /// As large as possible while both dimensions stay at or below those requested.
    Inside,
    /// As small as possible while both dimensions stay at or above those requested.
    Outside,
}

/// Which part a crop keeps, and where `contain` puts the image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Position {
    /// 0 is the left edge, 1 the right edge.
    pub x: f64,
    /// 0 is the top edge, 1 the bottom edge.
    pub y: f64,
    /// Whether the point is to be kept in view (a focal point) instead of being an alignment (a gravity).
    pub focal: bool,
}

impl Position {
    /// The middle, sharp's default.
    pub const CENTER: Self = Self { x: 0.5, y: 0.5, focal: false };
}

impl Default for Position {
    fn default() -> Self {
        Self::CENTER
    }
}

/// How the part that a crop keeps is found in the picture, by sharp's strategies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// Where there are edges, the colours of skin, and bright ones.
    Attention,
    /// Where there are the most different values: what has fewer is cut off slice by slice.
    Entropy,
}

/// A colour with alpha, eight bits a channel, not premultiplied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Color {
    /// Red, green, blue, alpha.
    pub rgba: [u8; 4],
}

impl Color {
    /// Opaque black, sharp's default background.
    pub const BLACK: Self = Self { rgba: [0, 0, 0, 255] };
}

impl Default for Color {
    fn default() -> Self {
        Self::BLACK
    }
}

/// The convolution kernel of the resampler, by sharp's names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kernel {
    /// No interpolation.
    Nearest,
    /// Bilinear.
    Linear,
    /// Catmull-Rom.
    Cubic,
    /// Mitchell-Netravali.
    Mitchell,
    /// Lanczos with a = 3, sharp's default.
    #[default]
    Lanczos3,
}

/// The format of an output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OutputFormat {
    /// The source's own format where it can be written, else PNG for an image with alpha and JPEG without.
    #[default]
    Auto,
    /// JPEG; alpha is flattened onto the background.
    #[serde(alias = "jpg")]
    Jpeg,
    /// PNG.
    Png,
    /// WebP, lossy unless [`Rendition::lossless`] says otherwise.
    Webp,
    /// AVIF, only where the feature `avif` is built in.
    Avif,
}

impl OutputFormat {
    /// Whether this build writes it.
    #[must_use]
    pub fn is_built(self) -> bool {
        self != Self::Avif || cfg!(feature = "avif")
    }
}

/// How many samples of colour a JPEG has, in sharp's words for `chromaSubsampling`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chroma {
    /// `4:2:0`: half as many as pixels along each side.
    Half,
    /// `4:4:4`: as many as pixels.
    Full,
}

/// A turn clockwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rotation {
    /// None.
    #[default]
    None,
    /// By 90 degrees.
    Quarter,
    /// By 180 degrees.
    Half,
    /// By 270 degrees.
    ThreeQuarters,
}

impl Rotation {
    /// A turn by so many degrees; `None` for what is not in [`Rotation`].
    #[must_use]
    pub fn from_degrees(degrees: u32) -> Option<Self> {
        [Self::None, Self::Quarter, Self::Half, Self::ThreeQuarters].into_iter().find(|turn| turn.degrees() == degrees)
    }

    /// Degrees, clockwise.
    #[must_use]
    pub fn degrees(self) -> u32 {
        self as u32 * 90
    }
}

/// A blur, as sharp's `blur`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Blur {
    /// The mean of each pixel and its eight neighbours.
    Mild,
    /// A Gaussian blur; in a job from 0.3, below which it does nothing, to 1000.
    Sigma(f64),
}

/// A sharpening, as sharp's `sharpen`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Sharpen {
    /// By the eight neighbours of each pixel.
    Mild,
    /// Of the lightness, by what a Gaussian blur takes away from it; in a job from 0.000001 to 10.
    Sigma(f64),
}

/// What becomes of what the source says about itself besides its pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Metadata {
    /// Nothing of it is kept; colours become those of sRGB, which is what software takes for granted without a profile.
    #[default]
    Strip,
    /// The colour profile is kept, and with it the colours as they are; all else goes.
    KeepIcc,
    /// The colour profile, EXIF and XMP are kept, but for where a photo was taken, thumbnails and notes of makers; the
    /// orientation says upright.
    Keep,
}

/// How hard an encoder tries: one scale for all formats, from 0 (fast) to 9 (small).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Effort(u8);

impl Effort {
    /// The hardest.
    pub const MAX: Self = Self(9);

    /// An effort; `None` beyond [`Effort::MAX`].
    #[must_use]
    pub fn new(effort: u8) -> Option<Self> {
        (effort <= Self::MAX.0).then_some(Self(effort))
    }

    /// From 0 to 9.
    #[must_use]
    pub fn get(self) -> u8 {
        self.0
    }
}

impl Default for Effort {
    fn default() -> Self {
        Self(4)
    }
}

/// One image to make from the decoded source. In a job at least one of width and height is given and neither is zero.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "independent options")]
pub struct Rendition {
    /// Pixels; derived from the height and the proportions when absent (but see [`Fit::Fill`]).
    pub width: Option<u32>,
    /// Pixels; derived from the width and the proportions when absent (but see [`Fit::Fill`]).
    pub height: Option<u32>,
    /// A turn after that of the EXIF orientation. Width, height and position are those of the turned image.
    pub rotate: Rotation,
    /// How the image meets the size.
    pub fit: Fit,
    /// What a crop keeps.
    pub position: Position,
    /// How what a crop keeps is found, in place of the position. Nothing but `cover` crops.
    pub strategy: Option<Strategy>,
    /// Whether an image smaller than the size is enlarged. Without it no pixel is ever scaled up, as with sharp's
    /// `withoutEnlargement`, and the fits mean this for a source that is too small:
    /// - `inside` and `outside`: the image keeps its own size.
    /// - `cover`: the image keeps its scale and is cropped where it hangs over, so the output may be smaller than asked.
    /// - `contain`: the output has the size asked, with the image at its own scale and more background around it.
    /// - `fill`: each dimension is limited to the source's own.
    pub enlarge: bool,
    /// What fills the bars of `contain`, and what alpha is flattened onto: a colour of sRGB.
    pub background: Color,
    /// The resampling kernel.
    pub kernel: Kernel,
    /// Whether hues are left out: grays of the same light, in one channel where the format has such, and no colour profile.
    pub grayscale: bool,
    /// A blur of the finished size.
    pub blur: Option<Blur>,
    /// A sharpening of the finished size, after the blur.
    pub sharpen: Option<Sharpen>,
    /// What is written.
    pub format: OutputFormat,
    /// 1 to 100, for JPEG, WebP and AVIF. When absent 80, and 65 for AVIF, whose scale is another one.
    pub quality: Option<u8>,
    /// Bytes that the file may have. JPEG, lossy WebP and AVIF lower the quality for it, as far as 10, in at most six encodings;
    /// a JPEG has half the chroma then. Others fit or are refused.
    pub max_bytes: Option<u64>,
    /// How hard the encoder tries.
    pub effort: Effort,
    /// Whether a JPEG has the scans of a progressive one, which is shown whole before it is there whole. When absent it
    /// has from effort 7 on. Other formats pass over it.
    pub progressive: Option<bool>,
    /// How many samples of colour a JPEG has. When absent half below quality 90, and all from there on. Other formats pass
    /// over it.
    pub chroma: Option<Chroma>,
    /// Whether WebP keeps every pixel as it is. PNG always does; JPEG and AVIF cannot.
    pub lossless: bool,
    /// Whether alpha is flattened onto the background even where the format could keep it.
    pub flatten: bool,
    /// What is kept besides the pixels.
    pub metadata: Metadata,
}

impl Rendition {
    /// Whether something is done to its pixels besides scaling, for which they have to be pixels, and not planes.
    pub(super) fn edits(&self) -> bool {
        self.grayscale || self.blur.is_some() || self.sharpen.is_some()
    }

    /// What becomes of the source's profile. No profile of colours describes grays, so that it is applied to them.
    pub(super) fn profile(&self) -> Metadata {
        match self.metadata {
            _ if self.grayscale => Metadata::Strip,
            Metadata::Strip => Metadata::Strip,
            Metadata::KeepIcc | Metadata::Keep => Metadata::KeepIcc,
        }
    }
}
