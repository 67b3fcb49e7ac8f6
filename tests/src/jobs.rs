//! Messages to submit, and what has to become of each: images as specified, or a dead letter with its reason.
//!
//! Each photo is of one colour that no other photo of the first two hundred has, so that an image which was made from
//! another job's photo is found out. Sides are multiples of three and four, so that every size is exact and known here
//! without the code under test.

use std::{io::Cursor, time::Duration};

use bytes::Bytes;
use image::{ImageFormat, Rgb, RgbImage};
use serde_json::{Value, json};

use crate::faults::{FOR_EVER, Fault, Operation};

/// The bucket of the sources.
pub const PHOTOS: &str = "photos";
/// The bucket of the targets.
pub const THUMBS: &str = "thumbs";

/// One message and everything around it.
#[derive(Clone, Debug)]
pub struct Job {
    /// What it is, for people.
    pub name: String,
    /// The message's body.
    pub body: String,
    /// The photo that has to be there: its key and its bytes.
    pub photo: Option<(String, Bytes)>,
    /// What goes wrong on its way.
    pub fault: Option<PlannedFault>,
    /// What has to become of it.
    pub fate: Fate,
}

/// A fault of one operation on one object.
#[derive(Clone, Debug)]
pub struct PlannedFault {
    /// Of which operation.
    pub operation: Operation,
    /// On which key.
    pub key: String,
    /// Which.
    pub fault: Fault,
    /// How often.
    pub times: usize,
}

/// What has to become of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// These images, and the message deleted.
    Done(Vec<Image>),
    /// A dead letter with this reason, and no image.
    Dead(Reason),
}

/// One image as it has to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Its key in [`THUMBS`].
    pub key: String,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// How it is encoded.
    pub format: ImageFormat,
    /// What its middle shows.
    pub color: [u8; 3],
}

/// Why a job can never be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reason {
    /// The attribute `FailureKind`.
    pub kind: &'static str,
    /// The attribute `FailureBlame`.
    pub blame: &'static str,
    /// What the attribute `FailureMessage` has to name.
    pub names: &'static str,
}

impl Job {
    /// A job that works: one photo, one to three outputs.
    #[must_use]
    pub fn good(index: usize, random: &mut fastrand::Rng) -> Self {
        let (unit, color) = (random.u32(4..=10), color(index));
        let landscape = random.bool();
        let size = if landscape { (4 * unit, 3 * unit) } else { (3 * unit, 4 * unit) };
        let formats = [
            ImageFormat::Png,
            ImageFormat::Jpeg,
            ImageFormat::WebP,
            ImageFormat::Gif,
            ImageFormat::Bmp,
            ImageFormat::Tiff,
        ];
        let photo = photo(size, color, formats[random.usize(..formats.len())]);
        let count = random.usize(1..=3);
        let (outputs, images): (Vec<_>, Vec<_>) =
            (0..count).map(|number| output(index, number, unit, landscape, random)).unzip();
        let source = format!("{index:03}/photo");
        let body = body(&source, &outputs);
        Self {
            name: format!("good {index}"),
            body,
            photo: Some((source, photo)),
            fault: None,
            fate: Fate::Done(images),
        }
    }

    /// A job that works after a storage fault that can pass has happened so many times.
    #[must_use]
    pub fn flaky(index: usize, times: usize, random: &mut fastrand::Rng) -> Self {
        let timeout = Fault::TimesOut(Duration::from_secs(4));
        let faults = [
            (Operation::Get, Fault::Status(503)),
            (Operation::Get, Fault::Status(429)),
            (Operation::Get, timeout),
            (Operation::Get, Fault::Reset),
            (Operation::Get, Fault::ResetInBody),
            (Operation::Get, Fault::ShortBody),
            (Operation::Put, Fault::Status(500)),
            (Operation::Put, Fault::Status(503)),
            (Operation::Put, timeout),
            (Operation::Put, Fault::Reset),
            (Operation::Put, Fault::AnswerLost),
        ];
        let (operation, fault) = faults[random.usize(..faults.len())];
        Self::good(index, random).failing(operation, fault, times)
    }

    /// The same job, whose photo (of a read) or last image (of a write) makes trouble so many times.
    #[must_use]
    pub fn failing(mut self, operation: Operation, fault: Fault, times: usize) -> Self {
        let key = match (operation, &self.photo, &self.fate) {
            (Operation::Get, Some((key, _)), _) => Some(key.clone()),
            (Operation::Put, _, Fate::Done(images)) => images.last().map(|image| image.key.clone()),
            _ => None,
        };
        let key = key.unwrap_or_else(|| panic!("{} has nothing that could fail", self.name));
        self.name = format!("{} with {times} times {fault:?} of {operation:?}", self.name);
        self.fault = Some(PlannedFault { operation, key, fault, times });
        self
    }

    /// A job that can never work, in one of [`POISONS`] ways.
    #[must_use]
    pub fn poison(index: usize, way: usize) -> Self {
        let source = format!("{index:03}/photo");
        let size = (16, 12);
        let photo_bytes = match way % POISONS {
            0 => Some(Bytes::from(format!("words about photo {index}"))),
            1 => Some(truncated(&photo(size, color(index), ImageFormat::Png))),
            2 => Some(truncated(&photo(size, color(index), ImageFormat::Jpeg))),
            3 => None,
            4 => Some(Bytes::from_static(BOMB)),
            _ => Some(photo(size, color(index), ImageFormat::Png)),
        };
        let target = json!({ "target": format!("s3://{THUMBS}/{index:03}/0"), "width": 8, "format": "png" });
        let (name, kind, blame, names) = POISON_WAYS[way % POISONS];
        let body = poisoned_body(way % POISONS, index, &source, target);
        let mut job = Self {
            name: format!("poison {index}: {name}"),
            body,
            photo: photo_bytes.map(|bytes| (source, bytes)),
            fault: None,
            fate: Fate::Dead(Reason { kind, blame, names }),
        };
        if name == "access denied" {
            job = job.failing(Operation::Get, Fault::Denied, FOR_EVER);
        }
        job
    }
}

/// In how many ways a job can be hopeless.
pub const POISONS: usize = POISON_WAYS.len();

/// Name, kind, blame, and what the message has to name.
const POISON_WAYS: [(&str, &str, &str, &str); 14] = [
    ("no image", "bad-image", "source", "not a known image format"),
    ("truncated PNG", "bad-image", "source", "PNG"),
    ("truncated JPEG", "bad-image", "source", "JPEG"),
    ("source missing", "source-not-found", "source", "/photo"),
    ("too many pixels", "image-too-large", "limits", "60000x60000"),
    ("access denied", "source-access-denied", "source", "/photo"),
    ("not JSON", "bad-job", "job", "not JSON"),
    ("unknown field", "bad-job", "job", "widht"),
    ("target is the source", "loop", "job", "outputs[0].target"),
    ("no outputs", "bad-job", "job", "outputs"),
    ("zero width", "bad-job", "job", "outputs[0].width"),
    ("unknown scheme", "bad-location", "job", "source"),
    ("bucket that is not configured", "bad-location", "job", "outputs[0].target"),
    ("two outputs, one target", "bad-job", "job", "outputs[1].target"),
];

fn poisoned_body(way: usize, index: usize, source: &str, mut target: Value) -> String {
    match POISON_WAYS[way].0 {
        "not JSON" => return format!("{{\"source\": \"s3://{PHOTOS}/{source}\", <{index}>"),
        "unknown field" => target["widht"] = 8.into(),
        "target is the source" => target["target"] = format!("s3://{PHOTOS}/{source}").into(),
        "no outputs" => return body(source, &[]),
        "zero width" => target["width"] = 0.into(),
        "unknown scheme" => return body(source, &[target]).replace(&format!("s3://{PHOTOS}"), "gopher://hole"),
        "bucket that is not configured" => target["target"] = format!("s3://elsewhere/{index:03}/0").into(),
        "two outputs, one target" => return body(source, &[target.clone(), target]),
        _ => {}
    }
    body(source, &[target])
}

fn body(source: &str, outputs: &[Value]) -> String {
    json!({ "source": format!("s3://{PHOTOS}/{source}"), "outputs": outputs }).to_string()
}

/// One output of a photo of four by three units, and the image that has to come of it.
fn output(index: usize, number: usize, unit: u32, landscape: bool, random: &mut fastrand::Rng) -> (Value, Image) {
    let part = random.u32(1..=unit);
    let (long, short) = (4 * part, 3 * part);
    let upright = |long, short| if landscape { (long, short) } else { (short, long) };
    // Box and result of each fit; nothing is enlarged.
    let (fit, asked, made) = match random.u8(0..5) {
        0 => ("cover", (short, short), (short, short)),
        1 => ("contain", (long, long), (long, long)),
        2 => ("fill", (short, part), (short, part)),
        3 => ("inside", (long, long), upright(long, short)),
        _ => ("outside", (short, short), upright(long, short)),
    };
    let formats = [("png", ImageFormat::Png), ("jpeg", ImageFormat::Jpeg), ("webp", ImageFormat::WebP)];
    // A lossy format lets the bars beside a tiny image bleed into its middle.
    let formats_count = if fit == "contain" { 1 } else { formats.len() };
    let (word, format) = formats[random.usize(..formats_count)];
    let key = format!("{index:03}/{number}.{word}");
    let target = format!("s3://{THUMBS}/{key}");
    let output = json!({ "target": target, "width": asked.0, "height": asked.1, "fit": fit, "format": word });
    (output, Image { key, width: made.0, height: made.1, format, color: color(index) })
}

/// A colour of its own for each of the first 216 jobs.
fn color(index: usize) -> [u8; 3] {
    [36, 6, 1].map(|place| u8::try_from(index / place % 6 * 51).unwrap_or_default())
}

fn photo((width, height): (u32, u32), color: [u8; 3], format: ImageFormat) -> Bytes {
    let mut bytes = Cursor::new(Vec::new());
    RgbImage::from_pixel(width, height, Rgb(color)).write_to(&mut bytes, format).unwrap();
    bytes.into_inner().into()
}

/// The file without its last third: the header is whole, the pixels are not.
fn truncated(file: &Bytes) -> Bytes {
    file.slice(..file.len() * 2 / 3)
}

/// 35 bytes that claim 60000 x 60000 pixels.
const BOMB: &[u8] = b"GIF89a\x60\xea\x60\xea\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0\x60\xea\x60\xea\0\x02\x02\x44\x01\0;";
