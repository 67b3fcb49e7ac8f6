//! What is done to the pixels of an output once they have its size: gray, blur and sharpening, as libvips does them for sharp.
//!
//! Blur and sharpening mix neighbours, so that colours are multiplied by their alpha meanwhile.

mod mask;
mod neighbours;
mod sharpen;

use super::cie;
use super::error::PixelError;
use super::options::{Blur, Color, Rendition, Sharpen};
use super::raster::{Layout, Raster};

/// The same colour without its hue.
pub(super) fn gray_color(Color { rgba: [red, green, blue, alpha] }: Color) -> Color {
    let gray = cie::gray([red, green, blue]);
    Color { rgba: [gray, gray, gray, alpha] }
}

/// The picture without its hues, in one channel, and alpha if it had that.
pub(super) fn grayed(mut image: Raster) -> Raster {
    match image.layout {
        Layout::Gray | Layout::GrayAlpha => return image,
        Layout::Rgb => {
            for index in 0..image.data.len() / 3 {
                let at = index * 3;
                image.data[index] = cie::gray([image.data[at], image.data[at + 1], image.data[at + 2]]);
            }
            image.data.truncate(image.data.len() / 3);
            image.layout = Layout::Gray;
        }
        Layout::Rgba => {
            for index in 0..image.data.len() / 4 {
                let at = index * 4;
                let gray = cie::gray([image.data[at], image.data[at + 1], image.data[at + 2]]);
                (image.data[index * 2], image.data[index * 2 + 1]) = (gray, image.data[at + 3]);
            }
            image.data.truncate(image.data.len() / 2);
            image.layout = Layout::GrayAlpha;
        }
    }
    image
}

/// Blurs and sharpens, in this order, as far as a rendition asks for it.
pub(super) fn refined(mut image: Raster, rendition: &Rendition) -> Result<Raster, PixelError> {
    if rendition.blur.is_none() && rendition.sharpen.is_none() {
        return Ok(image);
    }
    premultiply(&mut image);
    match rendition.blur {
        Some(Blur::Mild) => neighbours::convolve(&mut image, neighbours::mean)?,
        Some(Blur::Sigma(sigma)) => mask::blur(&mut image, sigma)?,
        None => {}
    }
    match rendition.sharpen {
        Some(Sharpen::Mild) => neighbours::convolve(&mut image, neighbours::sharper)?,
        Some(Sharpen::Sigma(sigma)) => sharpen::sharpen(&mut image, sigma)?,
        None => {}
    }
    divide(&mut image);
    Ok(image)
}

/// Applies a function of a colour's value and of its alpha to all colours of an image that has alpha.
fn with_alpha(image: &mut Raster, of: impl Fn(u8, u8) -> u8) {
    let channels = image.layout.channels();
    if image.layout.has_alpha() {
        for pixel in image.data.chunks_exact_mut(channels) {
            if let Some((alpha, colors)) = pixel.split_last_mut() {
                for value in colors {
                    *value = of(*value, *alpha);
                }
            }
        }
    }
}

fn premultiply(image: &mut Raster) {
    let byte = |product: u16| u8::try_from(product / 255).unwrap_or(u8::MAX);
    with_alpha(image, |value, alpha| byte(u16::from(value) * u16::from(alpha) + 127));
}

/// The way back. What is transparent is black.
fn divide(image: &mut Raster) {
    let byte = |quotient: u16| u8::try_from(quotient).unwrap_or(u8::MAX);
    with_alpha(image, |value, alpha| {
        let alpha = u16::from(alpha);
        (u16::from(value) * 255 + alpha / 2).checked_div(alpha).map_or(0, byte)
    });
}

#[cfg(test)]
mod tests;
