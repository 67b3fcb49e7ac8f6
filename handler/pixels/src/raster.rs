//! Decoded pixels, eight bits a channel, and what is done to them one by one: turn, flatten, embed.

use super::area::Size;
use super::error::PixelError;
use super::options::Color;
use super::orientation::Orientation;

/// The channels of a pixel. Alpha is straight, not premultiplied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    Gray,
    GrayAlpha,
    Rgb,
    Rgba,
}

impl Layout {
    pub(super) fn channels(self) -> usize {
        match self {
            Self::Gray => 1,
            Self::GrayAlpha => 2,
            Self::Rgb => 3,
            Self::Rgba => 4,
        }
    }

    pub(super) fn has_alpha(self) -> bool {
        matches!(self, Self::GrayAlpha | Self::Rgba)
    }

    fn is_gray(self) -> bool {
        matches!(self, Self::Gray | Self::GrayAlpha)
    }

    fn new(gray: bool, alpha: bool) -> Self {
        match (gray, alpha) {
            (true, false) => Self::Gray,
            (true, true) => Self::GrayAlpha,
            (false, false) => Self::Rgb,
            (false, true) => Self::Rgba,
        }
    }
}

/// An image in memory. `data` holds exactly `size` pixels of `layout`, row by row without padding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Raster {
    pub(super) size: Size,
    pub(super) layout: Layout,
    pub(super) data: Vec<u8>,
}

impl Raster {
    /// An image of zeros.
    pub(super) fn zeroed(size: Size, layout: Layout) -> Result<Self, PixelError> {
        let data = zeroed_bytes(size.pixels().saturating_mul(layout.channels() as u64))?;
        Ok(Self { size, layout, data })
    }

    /// Drops an alpha channel that hides nothing, so that later steps need not carry it.
    pub(super) fn without_needless_alpha(mut self) -> Self {
        match self.layout {
            Layout::Rgba if opaque::<4>(&self.data) => {
                keep_first::<4>(&mut self.data, 3);
                self.layout = Layout::Rgb;
            }
            Layout::GrayAlpha if opaque::<2>(&self.data) => {
                keep_first::<2>(&mut self.data, 1);
                self.layout = Layout::Gray;
            }
            _ => {}
        }
        self
    }

    /// Gray with alpha as if it had colours.
    pub(super) fn colored(&self) -> Result<Self, PixelError> {
        let mut colored = Self::zeroed(self.size, Layout::Rgba)?;
        for (to, &[gray, alpha]) in colored.data.as_chunks_mut::<4>().0.iter_mut().zip(pixels::<2>(&self.data)) {
            *to = [gray, gray, gray, alpha];
        }
        Ok(colored)
    }

    /// Gray with alpha again, from what [`Raster::colored`] made.
    pub(super) fn uncolored(mut self) -> Self {
        for index in 0..self.data.len() / 4 {
            let (gray, alpha) = (self.data[index * 4], self.data[index * 4 + 3]);
            (self.data[index * 2], self.data[index * 2 + 1]) = (gray, alpha);
        }
        self.data.truncate(self.data.len() / 2);
        self.layout = Layout::GrayAlpha;
        self
    }

    /// The image as it is to be seen.
    pub(super) fn upright(self, orientation: Orientation) -> Result<Self, PixelError> {
        if orientation == Orientation::Upright {
            return Ok(self);
        }
        let mut turned = Self::zeroed(orientation.apply(self.size), self.layout)?;
        match self.layout {
            Layout::Gray => turn::<1>(&self, &mut turned, orientation),
            Layout::GrayAlpha => turn::<2>(&self, &mut turned, orientation),
            Layout::Rgb => turn::<3>(&self, &mut turned, orientation),
            Layout::Rgba => turn::<4>(&self, &mut turned, orientation),
        }
        Ok(turned)
    }

    /// The image at a place of a larger canvas of one colour. The canvas has alpha if either has.
    pub(super) fn embedded(self, canvas: Size, left: u32, top: u32, background: Color) -> Result<Self, PixelError> {
        if canvas == self.size {
            return Ok(self);
        }
        let [red, green, blue, alpha] = background.rgba;
        let gray = self.layout.is_gray() && red == green && green == blue;
        let layout = Layout::new(gray, self.layout.has_alpha() || alpha < u8::MAX);
        let image = self.converted(layout)?;
        let mut embedded = Self::zeroed(canvas, layout)?;
        let color: &[u8] = match layout {
            Layout::Gray => &[red],
            Layout::GrayAlpha => &[red, alpha],
            Layout::Rgb => &[red, green, blue],
            Layout::Rgba => &[red, green, blue, alpha],
        };
        for pixel in embedded.data.chunks_exact_mut(layout.channels()) {
            pixel.copy_from_slice(color);
        }
        let row_bytes = image.size.width as usize * layout.channels();
        let stride = canvas.width as usize * layout.channels();
        let start = top as usize * stride + left as usize * layout.channels();
        for (from, to) in image.data.chunks_exact(row_bytes).zip(embedded.data[start..].chunks_mut(stride)) {
            to[..row_bytes].copy_from_slice(from);
        }
        Ok(embedded)
    }

    /// The image without alpha, laid on an opaque colour.
    pub(super) fn flattened(self, background: Color) -> Result<Self, PixelError> {
        if !self.layout.has_alpha() {
            return Ok(self);
        }
        let [red, green, blue, _] = background.rgba;
        let gray = self.layout.is_gray() && red == green && green == blue;
        let image = self.converted(Layout::new(gray, true))?;
        let mut flat = Self::zeroed(image.size, Layout::new(gray, false))?;
        if gray {
            for ([value, alpha], flat) in pixels::<2>(&image.data).zip(&mut flat.data) {
                *flat = blend(*value, red, *alpha);
            }
        } else {
            for ([r, g, b, alpha], flat) in pixels::<4>(&image.data).zip(flat.data.as_chunks_mut::<3>().0) {
                *flat = [blend(*r, red, *alpha), blend(*g, green, *alpha), blend(*b, blue, *alpha)];
            }
        }
        Ok(flat)
    }

    /// The same picture with at least the channels of `layout`: gray may become colour, alpha may be added.
    pub(super) fn converted(self, layout: Layout) -> Result<Self, PixelError> {
        if layout == self.layout {
            return Ok(self);
        }
        let mut to = Self::zeroed(self.size, layout)?;
        let (from_channels, to_channels) = (self.layout.channels(), layout.channels());
        for (from, to) in self.data.chunks_exact(from_channels).zip(to.data.chunks_exact_mut(to_channels)) {
            let [red, green, blue, alpha] = match *from {
                [v] => [v, v, v, u8::MAX],
                [v, a] => [v, v, v, a],
                [r, g, b] => [r, g, b, u8::MAX],
                [r, g, b, a] => [r, g, b, a],
                _ => unreachable!("a pixel has one to four channels"),
            };
            let pixel: &[u8] = match layout {
                Layout::Gray => &[red],
                Layout::GrayAlpha => &[red, alpha],
                Layout::Rgb => &[red, green, blue],
                Layout::Rgba => &[red, green, blue, alpha],
            };
            to.copy_from_slice(pixel);
        }
        Ok(to)
    }
}

/// A buffer of zeros, or an error where `vec!` would abort the process.
pub(super) fn zeroed_bytes(length: u64) -> Result<Vec<u8>, PixelError> {
    let refused = PixelError::OutOfMemory { bytes: length };
    let Ok(length) = usize::try_from(length) else { return Err(refused) };
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(length).map_err(|_| refused)?;
    bytes.resize(length, 0);
    Ok(bytes)
}

fn pixels<const N: usize>(data: &[u8]) -> impl Iterator<Item = &[u8; N]> {
    data.as_chunks::<N>().0.iter()
}

fn opaque<const N: usize>(data: &[u8]) -> bool {
    pixels::<N>(data).all(|pixel| pixel[N - 1] == u8::MAX)
}

fn keep_first<const N: usize>(data: &mut Vec<u8>, keep: usize) {
    let count = data.len() / N;
    for index in 0..count {
        data.copy_within(index * N..index * N + keep, index * keep);
    }
    data.truncate(count * keep);
}

fn turn<const N: usize>(from: &Raster, to: &mut Raster, orientation: Orientation) {
    let (width, height) = (from.size.width as usize, from.size.height as usize);
    let source = from.data.as_chunks::<N>().0;
    let rows = to.data.as_chunks_mut::<N>().0.chunks_exact_mut(to.size.width as usize);
    for (y, row) in rows.enumerate() {
        for (x, pixel) in row.iter_mut().enumerate() {
            let (mut stored_x, mut stored_y) = if orientation.swaps_sides() { (y, x) } else { (x, y) };
            if orientation.flips_stored_x() {
                stored_x = width - 1 - stored_x;
            }
            if orientation.flips_stored_y() {
                stored_y = height - 1 - stored_y;
            }
            *pixel = source[stored_y * width + stored_x];
        }
    }
}

/// `over` at `alpha` on `under`, rounded to nearest.
fn blend(over: u8, under: u8, alpha: u8) -> u8 {
    let (over, under, alpha) = (u32::from(over), u32::from(under), u32::from(alpha));
    u8::try_from((over * alpha + under * (255 - alpha) + 127) / 255).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gray(width: u32, height: u32, data: &[u8]) -> Raster {
        Raster { size: Size { width, height }, layout: Layout::Gray, data: data.to_vec() }
    }

    /// Written out by hand from the table of TIFF 6.0, tag 274: what row 0 and column 0 of the stored image are.
    #[test]
    fn all_eight_turns() {
        let stored = gray(3, 2, b"abcdef");
        let table: [(u32, u32, &[u8]); 8] = [
            (3, 2, b"abcdef"),
            (3, 2, b"cbafed"),
            (3, 2, b"fedcba"),
            (3, 2, b"defabc"),
            (2, 3, b"adbecf"),
            (2, 3, b"daebfc"),
            (2, 3, b"fcebda"),
            (2, 3, b"cfbead"),
        ];
        for (orientation, (width, height, data)) in Orientation::ALL.into_iter().zip(table) {
            assert_eq!(stored.clone().upright(orientation).unwrap(), gray(width, height, data), "{orientation:?}");
        }
    }

    #[test]
    fn flattening_mixes_and_keeps_gray_on_gray() {
        let image = Raster {
            size: Size { width: 3, height: 1 },
            layout: Layout::GrayAlpha,
            data: vec![200, 255, 200, 0, 200, 128],
        };
        let flat = image.clone().flattened(Color::BLACK).unwrap();
        assert_eq!((flat.layout, flat.data), (Layout::Gray, vec![200, 0, 100]));
        let flat = image.flattened(Color { rgba: [255, 0, 0, 255] }).unwrap();
        assert_eq!((flat.layout, flat.data), (Layout::Rgb, vec![200, 200, 200, 255, 0, 0, 227, 100, 100]));
    }

    #[test]
    fn embedding_adds_only_the_channels_it_needs() {
        let image = gray(1, 1, &[9]);
        let canvas = Size { width: 3, height: 1 };
        let plain = image.clone().embedded(canvas, 1, 0, Color::BLACK).unwrap();
        assert_eq!((plain.layout, plain.data), (Layout::Gray, vec![0, 9, 0]));
        let clear = image.clone().embedded(canvas, 2, 0, Color { rgba: [0, 0, 0, 0] }).unwrap();
        assert_eq!((clear.layout, clear.data), (Layout::GrayAlpha, vec![0, 0, 0, 0, 9, 255]));
        let red = image.embedded(canvas, 0, 0, Color { rgba: [255, 0, 0, 255] }).unwrap();
        assert_eq!((red.layout, red.data), (Layout::Rgb, vec![9, 9, 9, 255, 0, 0, 255, 0, 0]));
    }

    #[test]
    fn needless_alpha_goes() {
        let image = |alpha| Raster {
            size: Size { width: 1, height: 2 },
            layout: Layout::Rgba,
            data: vec![1, 2, 3, 255, 4, 5, 6, alpha],
        };
        let dropped = image(255).without_needless_alpha();
        assert_eq!((dropped.layout, dropped.data), (Layout::Rgb, vec![1, 2, 3, 4, 5, 6]));
        assert_eq!(image(254).without_needless_alpha(), image(254));
    }
}
