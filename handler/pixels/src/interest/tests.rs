use super::*;

const STRATEGIES: [Strategy; 2] = [Strategy::Attention, Strategy::Entropy];

/// A plain field with a patch of noise in it.
fn field(layout: Layout, whole: Size, patch: (u32, u32), side: u32) -> Raster {
    let mut random = fastrand::Rng::with_seed(31);
    let mut image = Raster::zeroed(whole, layout).unwrap();
    let (channels, width) = (layout.channels(), whole.width as usize);
    for (index, pixel) in image.data.chunks_exact_mut(channels).enumerate() {
        let (x, y) = (index % width, index / width);
        let within = |at: usize, start: u32| (start as usize..(start + side) as usize).contains(&at);
        pixel.fill(128);
        if within(x, patch.0) && within(y, patch.1) {
            random.fill(pixel);
        }
        if layout.has_alpha() {
            pixel[channels - 1] = 255;
        }
    }
    image
}

fn found(image: &mut Raster, size: Size, strategy: Strategy) -> (u32, u32) {
    let whole = image.size;
    place(image, whole, size, strategy, &mut Scaler::default()).unwrap()
}

#[test]
fn a_crop_holds_the_busy_patch_wherever_it_is() {
    let whole = Size { width: 400, height: 300 };
    let side = 48;
    for layout in [Layout::Gray, Layout::GrayAlpha, Layout::Rgb, Layout::Rgba] {
        for (x, y) in [(0, 0), (0, 130), (30, 200), (170, 120), (200, 40), (340, 10), (352, 252), (100, 250)] {
            let mut image = field(layout, whole, (x, y), side);
            for size in [
                Size { width: 400, height: 120 },
                Size { width: 130, height: 300 },
                Size { width: 130, height: 110 },
                Size { width: 399, height: 299 },
            ] {
                for strategy in STRATEGIES {
                    let (left, top) = found(&mut image, size, strategy);
                    let holds = |start: u32, length: u32, at: u32| start <= at && at + side <= start + length;
                    let case = format!("{layout:?} {strategy:?} {size:?}: {left}, {top} for {x}, {y}");
                    assert!(left + size.width <= 400 && top + size.height <= 300, "{case}");
                    // A slice may cut a pixel or two of the patch where the crop is hardly smaller than the picture.
                    let holds = size.width == 399 || (holds(left, size.width, x) && holds(top, size.height, y));
                    assert!(holds, "{case}");
                    assert_eq!(found(&mut image.clone(), size, strategy), (left, top), "{case}");
                }
            }
        }
    }
}

/// What is transparent is not seen, however much noise is in it.
#[test]
fn what_is_transparent_is_not_of_interest() {
    let whole = Size { width: 400, height: 300 };
    for layout in [Layout::GrayAlpha, Layout::Rgba] {
        let channels = layout.channels();
        let mut image = field(layout, whole, (340, 100), 48);
        let hidden = field(layout, whole, (10, 100), 48);
        for (index, (pixel, hidden)) in
            image.data.chunks_exact_mut(channels).zip(hidden.data.chunks_exact(channels)).enumerate()
        {
            // All of the left half is transparent, so that the seam is in the middle.
            if index % 400 < 200 {
                pixel.copy_from_slice(hidden);
                pixel[channels - 1] = 0;
            }
        }
        for strategy in STRATEGIES {
            let (left, _) = found(&mut image, Size { width: 150, height: 300 }, strategy);
            assert!(left >= 140, "{layout:?} {strategy:?}: {left}");
        }
    }
}

/// A face counts more than a gray thing of the same form, and what is black counts for nothing.
#[test]
fn attention_is_for_skin_and_bright_colours() {
    let whole = Size { width: 320, height: 160 };
    for (color, other) in [([224, 172, 140], [180, 180, 180]), ([220, 30, 30], [90, 90, 90])] {
        for (at, range) in [(40, 0..=60), (240, 100..=160)] {
            let mut image = Raster::zeroed(whole, Layout::Rgb).unwrap();
            for (index, pixel) in image.data.as_chunks_mut::<3>().0.iter_mut().enumerate() {
                let (x, y) = (index % 320, index / 320);
                let within = |start: usize| (start..start + 40).contains(&x) && (60..100).contains(&y);
                let elsewhere = 280 - at;
                *pixel = if within(at) {
                    color
                } else if within(elsewhere) {
                    other
                } else {
                    [10, 10, 10]
                };
            }
            let (left, _) = found(&mut image, Size { width: 160, height: 160 }, Strategy::Attention);
            assert!(range.contains(&left), "{color:?} at {at}: {left}");
        }
    }
}

/// The bits of what is drawn from so many values, as often each.
#[test]
fn information_is_that_of_the_values() {
    for (values, bits) in [(1_u16, 0.0), (2, 1.0), (16, 4.0), (256, 8.0)] {
        let data = (0..1024_u16).map(|at| u8::try_from(at % values).unwrap()).collect();
        let image = Raster { size: Size { width: 64, height: 16 }, layout: Layout::Gray, data };
        let all = Part { left: 0, top: 0, size: image.size };
        assert!((information(&image, all) - bits).abs() < 1e-9, "{values}");
    }
}

#[test]
fn every_size_has_a_place() {
    for (width, height) in [(1, 1), (1, 50), (50, 1), (2, 3), (31, 33), (700, 9)] {
        let size = Size { width, height };
        for layout in [Layout::Gray, Layout::GrayAlpha, Layout::Rgb, Layout::Rgba] {
            let mut image = field(layout, size, (0, 0), 5);
            for wanted in [size, Size { width: 1, height: 1 }, Size { width: width.div_ceil(2), height }] {
                for strategy in STRATEGIES {
                    let (left, top) = found(&mut image, wanted, strategy);
                    assert!(left + wanted.width <= width && top + wanted.height <= height, "{size:?} {wanted:?}");
                }
            }
        }
    }
}

/// What is found in a smaller picture is the same but for a pixel of that.
#[test]
fn a_smaller_picture_shows_as_much() {
    let whole = Size { width: 1600, height: 1200 };
    for (x, y) in [(0, 0), (130, 700), (1300, 300), (1390, 990)] {
        let mut image = field(Layout::Rgb, whole, (x, y), 200);
        let region = Region { left: 0.0, top: 0.0, width: 1600.0, height: 1200.0 };
        for strategy in STRATEGIES {
            let seen = looked_at(whole, strategy);
            assert!(seen.width <= 512 && seen.height <= 384, "{seen:?}");
            let mut small =
                Scaler::default().scale(&mut image, Alpha::Straight, region, seen, Kernel::Lanczos3).unwrap();
            for size in [Size { width: 1600, height: 500 }, Size { width: 600, height: 1200 }] {
                let (left, top) = place(&mut small, whole, size, strategy, &mut Scaler::default()).unwrap();
                let holds = |start: u32, length: u32, at: u32| start <= at + 4 && at + 196 <= start + length;
                assert!(
                    holds(left, size.width, x) && holds(top, size.height, y),
                    "{strategy:?} {size:?}: {left}, {top} for {x}, {y}"
                );
            }
        }
    }
    for (width, height) in [(1, 1), (512, 3), (40_000, 100), (7, 65_535)] {
        let seen = looked_at(Size { width, height }, Strategy::Entropy);
        assert!((1..=512).contains(&seen.width) && (1..=512).contains(&seen.height), "{seen:?}");
        assert_eq!(seen == Size { width, height }, width.max(height) <= 512);
    }
}
