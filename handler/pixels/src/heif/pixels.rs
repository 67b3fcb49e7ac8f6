//! From planes of samples to pixels: chroma brought to the size of luma, red, green and blue by the matrices of H.273, alpha.

use super::FORMAT;
use super::image::Image;
use super::planes::Samples;
use crate::error::PixelError;
use crate::raster::Raster;

/// What of luma red and blue are, by the numbers of H.273. None for a matrix of another kind.
fn shares(matrix: u16) -> Option<(f32, f32)> {
    match matrix {
        1 => Some((0.2126, 0.0722)),
        // Where nothing is said it is BT.601, as in libheif.
        2 | 5 | 6 => Some((0.299, 0.114)),
        4 => Some((0.30, 0.11)),
        7 => Some((0.212, 0.087)),
        9 => Some((0.2627, 0.0593)),
        _ => None,
    }
}

/// Planes that are red, green and blue.
const IDENTITY: u16 = 0;

/// Whether the matrix is that of JPEG.
pub(super) fn is_like_jpeg(matrix: u16) -> bool {
    shares(matrix) == shares(6)
}

/// The pixels of what is shown of an image.
pub(super) fn pixels(image: &Image, color: &Samples, alpha: Option<&Samples>) -> Result<Raster, PixelError> {
    let shown = image.shown;
    let mut raster = Raster::zeroed(shown.size, image.layout())?;
    let channels = raster.layout.channels();
    let columns = shown.left as usize..shown.left as usize + shown.size.width as usize;
    let conversion = Conversion::new(color.matrix)?;
    let mut chroma = Chroma::new(image, color);
    let stride = color.luma.size.width as usize;
    let rows = raster.data.chunks_exact_mut((shown.size.width as usize * channels).max(1));
    for (y, row) in (shown.top as usize..).zip(rows) {
        let luma = within(&color.luma.data, y * stride, &columns);
        match chroma.row(y) {
            None => {
                for (pixel, luma) in row.chunks_exact_mut(channels).zip(luma) {
                    pixel[0] = *luma;
                }
            }
            Some((blue, red)) => {
                let chroma = blue
                    .get(columns.clone())
                    .unwrap_or_default()
                    .iter()
                    .zip(red.get(columns.clone()).unwrap_or_default());
                for ((pixel, luma), (blue, red)) in row.chunks_exact_mut(channels).zip(luma).zip(chroma) {
                    pixel[..3].copy_from_slice(&conversion.rgb(f32::from(*luma), *blue, *red));
                }
            }
        }
        if let Some(alpha) = alpha {
            let alpha = within(&alpha.luma.data, y * stride, &columns);
            for (pixel, alpha) in row.chunks_exact_mut(channels).zip(alpha) {
                set_alpha(pixel, *alpha, image.premultiplied);
            }
        }
    }
    Ok(raster)
}

fn within<'d>(data: &'d [u8], row: usize, columns: &std::ops::Range<usize>) -> &'d [u8] {
    data.get(row + columns.start..row + columns.end).unwrap_or_default()
}

/// Alpha is the last channel; colours that are multiplied by it are divided again.
fn set_alpha(pixel: &mut [u8], alpha: u8, premultiplied: bool) {
    let Some((last, colors)) = pixel.split_last_mut() else { return };
    *last = alpha;
    if premultiplied {
        for color in colors {
            let straight = (u32::from(*color) * 255 + u32::from(alpha) / 2).checked_div(alpha.into()).unwrap_or(0);
            *color = u8::try_from(straight).unwrap_or(u8::MAX);
        }
    }
}

/// From luma and chroma to red, green and blue.
struct Conversion {
    /// What chroma adds to red and to blue, and takes from green: of blue, and of red.
    red: f32,
    blue: f32,
    green: (f32, f32),
    is_identity: bool,
}

impl Conversion {
    fn new(matrix: u16) -> Result<Self, PixelError> {
        let is_identity = matrix == IDENTITY;
        let Some((red, blue)) = shares(if is_identity { 6 } else { matrix }) else {
            return Err(PixelError::unsupported(FORMAT, format!("the colour matrix {matrix} of H.273")));
        };
        let green = 1.0 - red - blue;
        let (of_red, of_blue) = (2.0 * (1.0 - red), 2.0 * (1.0 - blue));
        Ok(Self { red: of_red, blue: of_blue, green: (of_blue * blue / green, of_red * red / green), is_identity })
    }

    fn rgb(&self, luma: f32, blue: f32, red: f32) -> [u8; 3] {
        if self.is_identity {
            return [byte(red), byte(luma), byte(blue)];
        }
        let (blue, red) = (blue - 128.0, red - 128.0);
        let green = luma - self.green.0 * blue - self.green.1 * red;
        [byte(luma + self.red * red), byte(green), byte(luma + self.blue * blue)]
    }
}

/// Rows of chroma as wide as those of luma.
struct Chroma<'s> {
    planes: Option<[&'s [u8]; 2]>,
    /// Samples of a row and rows of a plane.
    width: usize,
    height: usize,
    per_sample: (usize, usize),
    /// A row between two, and that row widened; of blue and of red.
    narrow: [Vec<f32>; 2],
    wide: [Vec<f32>; 2],
}

impl<'s> Chroma<'s> {
    fn new(image: &Image, color: &'s Samples) -> Self {
        let planes = color.chroma.as_ref().map(|[blue, red]| [blue.data.as_slice(), red.data.as_slice()]);
        let (across, down) = image.color.chroma_pixels().unwrap_or((1, 1));
        let (width, height) =
            color.chroma.as_ref().map_or((0, 0), |[blue, _]| (blue.size.width as usize, blue.size.height as usize));
        let narrow = [(); 2].map(|()| vec![0.0; width]);
        let wide = [(); 2].map(|()| vec![0.0; width * across as usize]);
        Self { planes, width, height, per_sample: (across as usize, down as usize), narrow, wide }
    }

    /// Blue and red for a row of luma; none for gray.
    fn row(&mut self, y: usize) -> Option<(&[f32], &[f32])> {
        let planes = self.planes?;
        let (across, down) = self.per_sample;
        let (nearest, next) = neighbours(y, down, self.height);
        for ((plane, narrow), wide) in planes.iter().zip(&mut self.narrow).zip(&mut self.wide) {
            let row = |y: usize| plane.get(y * self.width..(y + 1) * self.width).unwrap_or_default();
            for ((mixed, near), far) in narrow.iter_mut().zip(row(nearest)).zip(row(next)) {
                *mixed = 0.75 * f32::from(*near) + 0.25 * f32::from(*far);
            }
            if across == 1 {
                wide.copy_from_slice(narrow);
            } else {
                for (x, pair) in wide.chunks_exact_mut(2).enumerate() {
                    let (before, after) = (x.saturating_sub(1), (x + 1).min(narrow.len() - 1));
                    pair[0] = 0.75 * narrow[x] + 0.25 * narrow[before];
                    pair[1] = 0.75 * narrow[x] + 0.25 * narrow[after];
                }
            }
        }
        let [blue, red] = &self.wide;
        Some((blue, red))
    }
}

/// The row of chroma that is nearest to one of luma, and the one on the other side of it.
fn neighbours(y: usize, down: usize, height: usize) -> (usize, usize) {
    let nearest = (y / down).min(height.saturating_sub(1));
    let next = match (down, y % 2) {
        (1, _) => nearest,
        (_, 0) => nearest.saturating_sub(1),
        _ => (nearest + 1).min(height.saturating_sub(1)),
    };
    (nearest, next)
}

/// A value as the nearest byte.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "rounded; the cast saturates")]
fn byte(value: f32) -> u8 {
    (value + 0.5) as u8
}
