//! A colour profile of a stranger: what it may hold, whether it means sRGB, and how its colours become those of sRGB.

use std::sync::{Arc, LazyLock};

use moxcms::{
    ColorProfile, DataColorSpace, Layout, LutStore, LutWarehouse, ParsingOptions, ProfileClass, ProfileVersion,
    RenderingIntent, ToneReprCurve, Transform8BitExecutor, TransformOptions, Vector3d, Xyzd,
};

use super::shaper::{Shaper, encoded};
use crate::fields::{ByteOrder, slice};

/// The header, and the count of tags behind it.
const HEADER_BYTES: usize = 128;
const TAGS_AT: usize = HEADER_BYTES + 4;
const TAG_BYTES: usize = 12;

/// As in Little CMS. Real profiles have a dozen or two.
const TAGS_MAX: usize = 100;

/// Samples of a curve; real ones have 4096 at most.
const CURVE_SAMPLES_MAX: usize = 65_536;

/// What is needed of a profile besides its one table.
const TAGS: [&[u8; 4]; 9] = [b"rXYZ", b"gXYZ", b"bXYZ", b"rTRC", b"gTRC", b"bTRC", b"kTRC", b"wtpt", b"chad"];

/// The type of XYZ values in profiles that millions of stock photos have ("Corbis RGB"), which Little CMS reads too.
const XYZ_AS_ODDLY_WRITTEN: [u8; 4] = [0x17, 0xa5, 0x05, 0xb8];

/// Tables from the device to the connection space, the best first.
const TABLES: [(&[u8; 4], RenderingIntent); 2] =
    [(b"A2B0", RenderingIntent::Perceptual), (b"A2B1", RenderingIntent::RelativeColorimetric)];

/// How far, in each of X, Y and Z, a primary of something called sRGB lies from the standard's at most. The published
/// profiles are within 0.0006; the nearest other space that is in use (SMPTE C) is 0.03 away.
const PRIMARY_TOLERANCE: f64 = 0.003;

/// How far, in values of eight bits, its curve may be from the standard's. Short tables are within one; a plain gamma of
/// 2.2 is five away.
const CURVE_TOLERANCE: f64 = 2.0;

/// The white of every profile.
const WHITE: [f64; 3] = [0.9642, 1.0, 0.8249];

/// The darkest of what profiles of version 4 mean perceptually.
const PERCEPTUAL_BLACK: [f64; 3] = [0.003_36, 0.003_473_1, 0.002_87];

/// The luminance that is no black any more, as in Little CMS: L* of 50.
const BLACK_MAX: f64 = 0.184_2;

static SRGB: LazyLock<ColorProfile> = LazyLock::new(ColorProfile::new_srgb);

/// What colours a profile is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// One value a pixel.
    Gray,
    /// Red, green and blue.
    Rgb,
    /// Cyan, magenta, yellow and black.
    Inks,
}

/// What a profile says.
pub(super) enum Meaning {
    /// The colours are those of sRGB, or so near that nobody sees a difference.
    Srgb,
    /// They are others.
    Other(Box<Profile>),
}

/// A profile that can be applied.
pub(super) struct Profile {
    read: ColorProfile,
    kind: Kind,
    intent: RenderingIntent,
}

/// What brings colours to sRGB.
pub(super) enum Conversion {
    /// Three curves and a matrix.
    Shaper(Box<Shaper>),
    /// Whatever else a profile may be.
    Table(Arc<Transform8BitExecutor>),
}

/// Reads the profile of pixels of a kind.
pub(super) fn read(icc: &[u8], kind: Kind) -> Result<Meaning, &'static str> {
    let (icc, intent) = needed(icc, kind)?;
    let options = ParsingOptions {
        max_profile_size: icc.len() + 1,
        max_allowed_clut_size: icc.len(),
        max_allowed_trc_size: CURVE_SAMPLES_MAX,
    };
    let profile = ColorProfile::new_from_slice_with_options(&icc, options).map_err(|_| "it is broken")?;
    let space = match kind {
        Kind::Gray => DataColorSpace::Gray,
        Kind::Rgb => DataColorSpace::Rgb,
        Kind::Inks => DataColorSpace::Cmyk,
    };
    if profile.color_space != space {
        return Err("it is for another kind of colours");
    }
    if !matches!(
        profile.profile_class,
        ProfileClass::InputDevice | ProfileClass::DisplayDevice | ProfileClass::OutputDevice | ProfileClass::ColorSpace
    ) {
        return Err("it is of a class that describes no image");
    }
    let is_srgb = match kind {
        Kind::Gray => is_srgb_curve(profile.gray_trc.as_ref()),
        Kind::Rgb => is_srgb(&profile),
        Kind::Inks => false,
    };
    if is_srgb {
        return Ok(Meaning::Srgb);
    }
    let intent = intent.unwrap_or_default();
    Ok(Meaning::Other(Box::new(Profile { read: profile, kind, intent })))
}

impl Profile {
    /// What brings the colours to sRGB.
    pub(super) fn to_srgb(&self) -> Result<Conversion, &'static str> {
        match self.shaper() {
            Some(shaper) => Ok(Conversion::Shaper(Box::new(shaper))),
            None => self.transform().map(Conversion::Table),
        }
    }

    /// The way of most profiles of colours, which have no table.
    fn shaper(&self) -> Option<Shaper> {
        let has_table = self.read.lut_a_to_b_perceptual.is_some() || self.read.lut_a_to_b_colorimetric.is_some();
        if self.kind != Kind::Rgb || has_table || self.read.pcs != DataColorSpace::Xyz || !self.read.is_matrix_shaper()
        {
            return None;
        }
        let curve = |curve: &Option<ToneReprCurve>| {
            let curve = curve.as_ref()?.make_linear_evaluator().ok()?;
            Some(std::array::from_fn(|value: usize| {
                let value = u8::try_from(value).unwrap_or(u8::MAX);
                curve.evaluate_value(f32::from(value) / 255.0)
            }))
        };
        let curves = Box::new([curve(&self.read.red_trc)?, curve(&self.read.green_trc)?, curve(&self.read.blue_trc)?]);
        Some(Shaper::new(curves, self.read.transform_matrix(&SRGB).v))
    }

    /// What brings the colours to sRGB, by the library.
    pub(super) fn transform(&self) -> Result<Arc<Transform8BitExecutor>, &'static str> {
        // The default, by whole numbers, is up to three levels off in dark blues.
        let options = TransformOptions {
            rendering_intent: self.intent,
            prefer_fixed_point: false,
            ..TransformOptions::default()
        };
        let transform = match self.kind {
            Kind::Gray => {
                let mut target = ColorProfile::new_gray_with_gamma(2.2);
                target.gray_trc.clone_from(&SRGB.red_trc);
                self.read.create_transform_8bit(Layout::Gray, &target, Layout::Gray, options)
            }
            Kind::Rgb => self.read.create_transform_8bit(Layout::Rgb, &SRGB, Layout::Rgb, options),
            // Four values a pixel, whatever they mean.
            Kind::Inks => {
                let target = compensated(self.black()?);
                self.read.create_transform_8bit(Layout::Rgba, &target, Layout::Rgb, options)
            }
        };
        transform.map_err(|_| "its colours cannot be computed")
    }
}

impl Profile {
    /// The darkest that inks can be, in XYZ.
    fn black(&self) -> Result<[f64; 3], &'static str> {
        if self.read.version() >= ProfileVersion::V4_0 && self.intent == RenderingIntent::Perceptual {
            return Ok(PERCEPTUAL_BLACK);
        }
        let black = match self.last_node() {
            Some(black) => black,
            None => self.seen_black()?,
        };
        // What is no black compensates for nothing.
        Ok(if black[1] > BLACK_MAX { [0.0; 3] } else { black })
    }

    /// What a table of version 2 has for all of each ink.
    pub(super) fn last_node(&self) -> Option<[f64; 3]> {
        let table = match self.intent {
            RenderingIntent::Perceptual => &self.read.lut_a_to_b_perceptual,
            _ => &self.read.lut_a_to_b_colorimetric,
        };
        let LutWarehouse::Lut(table) = table.as_ref()? else { return None };
        let entries = usize::from(table.num_input_table_entries);
        let ends_at_all = |ink: usize| Some(part(&table.input_table, (ink + 1) * entries - 1)? > 0.999_9);
        if entries == 0 || !(0..4).all(|ink| ends_at_all(ink) == Some(true)) {
            return None;
        }
        let (nodes, is_wide) = match &table.clut_table {
            LutStore::Store8(nodes) => (nodes.len(), false),
            LutStore::Store16(nodes) => (nodes.len(), true),
        };
        let last = usize::from(table.num_output_table_entries).checked_sub(1)?;
        let mut values = [0.0; 3];
        for (axis, value) in values.iter_mut().enumerate() {
            #[expect(clippy::cast_precision_loss, reason = "tables have few entries")]
            let place = part(&table.clut_table, (nodes + axis).checked_sub(3)?)? * last as f64;
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place in a table")]
            let below = place as usize;
            let curve = |at: usize| part(&table.output_table, axis * (last + 1) + at.min(last));
            *value = curve(below)? + (curve(below + 1)? - curve(below)?) * place.fract();
        }
        let [first, second, third] = values;
        Some(match self.read.pcs {
            DataColorSpace::Xyz => values.map(|value| value * 65_535.0 / 32_768.0),
            // As version 2 has it: of words 0xff00 is 100 in L, and 0x8000 is zero in a and b.
            _ if is_wide => {
                xyz([first * 65_535.0 / 652.8, second * 65_535.0 / 256.0 - 128.0, third * 65_535.0 / 256.0 - 128.0])
            }
            _ => xyz([first * 100.0, second * 255.0 - 128.0, third * 255.0 - 128.0]),
        })
    }

    /// What all of each ink becomes in sRGB, which takes as long as to make a table for all colours.
    pub(super) fn seen_black(&self) -> Result<[f64; 3], &'static str> {
        let options = TransformOptions { rendering_intent: self.intent, ..TransformOptions::default() };
        let mut darkest = [0; 3];
        self.read
            .create_transform_16bit(Layout::Rgba, &SRGB, Layout::Rgb, options)
            .and_then(|transform| transform.transform(&[u16::MAX; 4], &mut darkest))
            .map_err(|_| "its colours cannot be computed")?;
        let light = darkest.map(|value| linear(f64::from(value) / f64::from(u16::MAX)));
        Ok(SRGB.rgb_to_xyz_matrix().mul_vector(Vector3d { v: light }).v)
    }
}

/// An entry of a table as a part of one.
fn part(table: &LutStore, at: usize) -> Option<f64> {
    Some(match table {
        LutStore::Store8(table) => f64::from(*table.get(at)?) / 255.0,
        LutStore::Store16(table) => f64::from(*table.get(at)?) / 65_535.0,
    })
}

/// CIE 1976: L*a*b* as XYZ.
fn xyz([lightness, a, b]: [f64; 3]) -> [f64; 3] {
    let y = (lightness + 16.0) / 116.0;
    let of = |value: f64| {
        if value > 6.0 / 29.0 { value.powi(3) } else { (value - 4.0 / 29.0) * 3.0 * (6.0_f64 / 29.0).powi(2) }
    };
    [WHITE[0] * of(y + a / 500.0), WHITE[1] * of(y), WHITE[2] * of(y - b / 200.0)]
}

/// sRGB for colours whose darkest is not black but shall be, by compensation of the black point: in XYZ what lies between
/// that and white is stretched to what lies between nothing and white. In sRGB's light this is a matrix and a difference, of
/// which the one is in the target's primaries and the other in its curves. White stays one before the difference, because
/// what is more would be cut off.
fn compensated(black: [f64; 3]) -> ColorProfile {
    let stretch = [0, 1, 2].map(|axis| WHITE[axis] / (WHITE[axis] - black[axis]));
    let stretched = [0, 1, 2].map(|axis| black[axis] * stretch[axis]);
    let dark = SRGB.rgb_to_xyz_matrix().inverse().mul_vector(Vector3d { v: stretched }).v;
    let primary = |color: Xyzd, dark: f64| {
        let [x, y, z] = stretch.map(|stretch| (1.0 + dark) / stretch);
        Xyzd { x: color.x * x, y: color.y * y, z: color.z * z }
    };
    #[expect(clippy::cast_possible_truncation, reason = "a part of one")]
    let curve = |dark: f64| {
        let part = 1.0 / (1.0 + dark);
        let root = part.powf(1.0 / 2.4);
        let parameters = [2.4, root / 1.055, root * 0.055 / 1.055, part / 12.92, 0.040_45, dark * part, dark * part];
        Some(ToneReprCurve::Parametric(parameters.map(|parameter| parameter as f32).to_vec()))
    };
    let mut target = SRGB.clone();
    target.red_colorant = primary(target.red_colorant, dark[0]);
    target.green_colorant = primary(target.green_colorant, dark[1]);
    target.blue_colorant = primary(target.blue_colorant, dark[2]);
    (target.red_trc, target.green_trc, target.blue_trc) = (curve(dark[0]), curve(dark[1]), curve(dark[2]));
    target.cicp = None;
    target
}

/// A copy of a profile in which only what is needed can be found, and the intent of the table that is left.
///
/// What is not needed may be broken, as texts often are; and a few bytes could otherwise ask for the same large table a
/// hundred thousand times.
fn needed(icc: &[u8], kind: Kind) -> Result<(Vec<u8>, Option<RenderingIntent>), &'static str> {
    let broken = "it is broken";
    if slice(icc, 36, 4) != Some(b"acsp") {
        return Err(broken);
    }
    let count = ByteOrder::Big.u32(icc, HEADER_BYTES).and_then(|count| usize::try_from(count).ok()).ok_or(broken)?;
    if count > TAGS_MAX {
        return Err("it has too many tags");
    }
    let tags = slice(icc, TAGS_AT, count * TAG_BYTES).ok_or(broken)?;
    let has = |name: &[u8; 4]| tags.chunks_exact(TAG_BYTES).any(|tag| tag.starts_with(name));
    let table = if kind == Kind::Gray { None } else { TABLES.iter().find(|(name, _)| has(name)) };
    let mut copy = icc.to_vec();
    let mut seen: Vec<[u8; 4]> = Vec::new();
    let mut odd_types: Vec<usize> = Vec::new();
    for tag in copy[TAGS_AT..][..count * TAG_BYTES].as_chunks_mut::<TAG_BYTES>().0 {
        let [a, b, c, d, ..] = *tag;
        let name = [a, b, c, d];
        if name.ends_with(b"XYZ") || &name == b"wtpt" {
            odd_types.extend(usize::try_from(u32::from_be_bytes([tag[4], tag[5], tag[6], tag[7]])).ok());
        }
        let wanted = TAGS.contains(&&name) || table.is_some_and(|(table, _)| **table == name);
        if !wanted || seen.contains(&name) {
            tag[..4].fill(0);
        }
        seen.push(name);
    }
    for at in odd_types {
        let kind: Option<&mut [u8]> = usize::checked_add(at, 4).and_then(|end| copy.get_mut(at..end));
        if let Some(kind) = kind.filter(|kind| **kind == XYZ_AS_ODDLY_WRITTEN) {
            kind.copy_from_slice(b"XYZ ");
        }
    }
    Ok((copy, table.map(|(_, intent)| *intent)))
}

fn is_srgb(profile: &ColorProfile) -> bool {
    let near = |one: Xyzd, other: Xyzd| {
        [(one.x, other.x), (one.y, other.y), (one.z, other.z)]
            .iter()
            .all(|(one, other)| (one - other).abs() <= PRIMARY_TOLERANCE)
    };
    profile.lut_a_to_b_perceptual.is_none()
        && profile.lut_a_to_b_colorimetric.is_none()
        && profile.pcs == DataColorSpace::Xyz
        && near(profile.red_colorant, SRGB.red_colorant)
        && near(profile.green_colorant, SRGB.green_colorant)
        && near(profile.blue_colorant, SRGB.blue_colorant)
        && [&profile.red_trc, &profile.green_trc, &profile.blue_trc].iter().all(|curve| is_srgb_curve(curve.as_ref()))
}

fn is_srgb_curve(curve: Option<&ToneReprCurve>) -> bool {
    let Some(Ok(curve)) = curve.map(ToneReprCurve::make_linear_evaluator) else { return false };
    (0..=u8::MAX).all(|value| {
        let linear = f64::from(curve.evaluate_value(f32::from(value) / 255.0));
        (encoded(linear) * 255.0 - f64::from(value)).abs() <= CURVE_TOLERANCE
    })
}

/// IEC 61966-2-1: a value of sRGB as light.
fn linear(value: f64) -> f64 {
    if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
}
