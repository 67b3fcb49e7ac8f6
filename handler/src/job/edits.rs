//! What is done to the pixels of an output, as fields: turn, gray, blur and sharpening.

use serde_json::{Map, Value};

use super::fields::{JobFields, kind_of};
use crate::failure::Failure;
use crate::pixels::options::{Blur, Rendition, Rotation, Sharpen};

const ROTATE_ACCEPTED: &str = "expected 0, 90, 180 or 270 degrees clockwise";
/// Sharp's own bounds.
const BLUR_SIGMA: (f64, f64) = (0.3, 1000.0);
const BLUR_ACCEPTED: &str = "expected true, false or a sigma from 0.3 to 1000";
const SHARPEN_SIGMA: (f64, f64) = (0.000_001, 10.0);
const SHARPEN_ACCEPTED: &str = "expected true, false or a sigma from 0.000001 to 10";

/// A field that is on, off or a number.
enum Amount {
    Mild,
    Sigma(f64),
}

/// Reads the fields into a rendition.
pub(super) fn read(fields: &mut JobFields<'_>, rendition: &mut Rendition) -> Result<(), Failure> {
    let degrees = fields.integer("rotate", 0, 270, ROTATE_ACCEPTED)?.unwrap_or(0);
    let refused = || Failure::bad_job(format!("{} is {degrees}; {ROTATE_ACCEPTED}", fields.path("rotate")));
    rendition.rotate = Rotation::from_degrees(degrees).ok_or_else(refused)?;
    rendition.grayscale = fields.boolean("grayscale")?.unwrap_or(false);
    let blur = amount(fields, "blur", BLUR_SIGMA, BLUR_ACCEPTED)?;
    let sharpen = amount(fields, "sharpen", SHARPEN_SIGMA, SHARPEN_ACCEPTED)?;
    rendition.blur = blur.map(|amount| match amount {
        Amount::Mild => Blur::Mild,
        Amount::Sigma(sigma) => Blur::Sigma(sigma),
    });
    rendition.sharpen = sharpen.map(|amount| match amount {
        Amount::Mild => Sharpen::Mild,
        Amount::Sigma(sigma) => Sharpen::Sigma(sigma),
    });
    Ok(())
}

fn amount(
    fields: &mut JobFields<'_>,
    name: &str,
    (min, max): (f64, f64),
    accepted: &str,
) -> Result<Option<Amount>, Failure> {
    let Some(value) = fields.take(name) else { return Ok(None) };
    match value {
        Value::Bool(on) => Ok(on.then_some(Amount::Mild)),
        Value::Number(number) => match number.as_f64().filter(|sigma| (min..=max).contains(sigma)) {
            Some(sigma) => Ok(Some(Amount::Sigma(sigma))),
            None => Err(Failure::bad_job(format!("{} is {number}; {accepted}", fields.path(name)))),
        },
        other => Err(Failure::bad_job(format!("{} is {}; {accepted}", fields.path(name), kind_of(other)))),
    }
}

/// Refuses values out of bounds in a rendition that was not read here.
pub(super) fn check(rendition: &Rendition) -> Result<(), String> {
    let check = |name: &str, sigma: Option<f64>, (min, max): (f64, f64), accepted: &str| match sigma {
        Some(sigma) if !(min..=max).contains(&sigma) => Err(format!("{name} is {sigma}; {accepted}")),
        _ => Ok(()),
    };
    let blur = match rendition.blur {
        Some(Blur::Sigma(sigma)) => Some(sigma),
        Some(Blur::Mild) | None => None,
    };
    let sharpen = match rendition.sharpen {
        Some(Sharpen::Sigma(sigma)) => Some(sigma),
        Some(Sharpen::Mild) | None => None,
    };
    check("blur", blur, BLUR_SIGMA, BLUR_ACCEPTED)?;
    check("sharpen", sharpen, SHARPEN_SIGMA, SHARPEN_ACCEPTED)
}

/// Writes those fields that do something.
pub(super) fn write(rendition: &Rendition, to: &mut Map<String, Value>) {
    let mut put = |name: &str, field: Value| to.insert(name.to_owned(), field);
    if rendition.rotate != Rotation::None {
        put("rotate", rendition.rotate.degrees().into());
    }
    if rendition.grayscale {
        put("grayscale", true.into());
    }
    match rendition.blur {
        Some(Blur::Mild) => drop(put("blur", true.into())),
        Some(Blur::Sigma(sigma)) => drop(put("blur", sigma.into())),
        None => {}
    }
    match rendition.sharpen {
        Some(Sharpen::Mild) => drop(put("sharpen", true.into())),
        Some(Sharpen::Sigma(sigma)) => drop(put("sharpen", sigma.into())),
        None => {}
    }
}
