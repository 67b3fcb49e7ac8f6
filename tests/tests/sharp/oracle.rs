//! How large an output is and which part a crop keeps, by exact fractions on the upright size: sharp's documentation of
//! `resize` in numbers, written without a look at the handler's own.

use std::cmp::Ordering;

use serde_json::Value;

/// How much larger: so many for so many.
#[derive(Clone, Copy)]
struct Scale {
    to: u128,
    from: u128,
}

impl Scale {
    const ONE: Self = Self { to: 1, from: 1 };

    fn cmp(self, other: Self) -> Ordering {
        (self.to * other.from).cmp(&(other.to * self.from))
    }

    /// Half up, and at least one pixel.
    fn apply(self, side: u32) -> u32 {
        let rounded = (2 * u128::from(side) * self.to + self.from) / (2 * self.from);
        u32::try_from(rounded).unwrap().max(1)
    }
}

/// The size of the whole image once it is scaled, and that of the output.
pub(crate) fn sizes(source: (u32, u32), output: &Value) -> [(u32, u32); 2] {
    let side = |name: &str| output[name].as_u64().map(|side| u32::try_from(side).unwrap());
    let (width, height) = (side("width"), side("height"));
    let fit = output["fit"].as_str().unwrap_or("cover");
    let enlarge = output["enlarge"].as_bool().unwrap_or(false);
    let limit = |asked: u32, own: u32| if enlarge { asked } else { asked.min(own) };
    if fit == "fill" {
        let stretched = (limit(width.unwrap_or(source.0), source.0), limit(height.unwrap_or(source.1), source.1));
        return [stretched, stretched];
    }
    let scale = |to: u32, from: u32| Scale { to: to.into(), from: from.into() };
    let scale = match (width, height) {
        (None, None) => Scale::ONE,
        (Some(width), None) => scale(width, source.0),
        (None, Some(height)) => scale(height, source.1),
        (Some(width), Some(height)) => {
            let (across, down) = (scale(width, source.0), scale(height, source.1));
            let (smaller, larger) = if across.cmp(down).is_lt() { (across, down) } else { (down, across) };
            if matches!(fit, "cover" | "outside") { larger } else { smaller }
        }
    };
    let scale = if scale.cmp(Scale::ONE).is_gt() && !enlarge { Scale::ONE } else { scale };
    let whole = (scale.apply(source.0), scale.apply(source.1));
    let canvas = match (fit, width, height) {
        ("cover", Some(width), Some(height)) => (width.min(whole.0), height.min(whole.1)),
        ("contain", Some(width), Some(height)) => (width, height),
        _ => whole,
    };
    [whole, canvas]
}

/// Where along a side a crop begins that has a focal point in its middle, as far as the image reaches.
pub(crate) fn focal_start(whole: u32, kept: u32, focus: f64) -> u32 {
    let starts = 0..=whole - kept;
    let distance = |start: &u32| (f64::from(*start) + f64::from(kept) / 2.0 - focus * f64::from(whole)).abs();
    starts.min_by(|a, b| distance(a).total_cmp(&distance(b)).then(b.cmp(a))).unwrap()
}
