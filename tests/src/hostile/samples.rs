//! Good files, small and of every kind: what the hostile ones are made from, and the proof that good ones are accepted.

use image::codecs::gif::GifEncoder;
use image::{DynamicImage, Frame, RgbaImage};
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};

use super::bytes::{deflated, gif_data, jpeg_segment, png_chunk, riff_chunk, webp_file};

/// A file that must be accepted.
#[derive(Clone, Debug)]
pub struct Sample {
    /// What it is, beginning with its format.
    pub name: &'static str,
    /// The file.
    pub bytes: Vec<u8>,
}

const WIDTH: u16 = 40;
const HEIGHT: u16 = 27;

/// Every sample, always the same.
#[must_use]
pub fn samples() -> Vec<Sample> {
    let mut samples = jpegs();
    samples.extend(pngs());
    samples.extend(webps());
    samples.extend(gifs());
    samples.extend(tiffs());
    samples.extend(bmps());
    samples.extend(super::heic::samples());
    samples
}

/// The sample of this name.
#[must_use]
pub fn sample(name: &str) -> Vec<u8> {
    samples().into_iter().find(|sample| sample.name == name).unwrap_or_else(|| panic!("there is no {name}")).bytes
}

/// Soft colours with some texture, `channels` bytes a pixel.
pub(crate) fn pixels(width: u32, height: u32, channels: u32) -> Vec<u8> {
    let pixel = |x: u32, y: u32| {
        let texture = (x * 7 + y * 13) % 11;
        let all = [x * 5 + texture, y * 8 + texture, (x + y) * 3 + texture, 255 - (x * y) % 200];
        let wanted = if channels == 2 { vec![all[0], all[3]] } else { all[..channels as usize].to_vec() };
        wanted.into_iter().map(|value| u8::try_from(value % 256).expect("a byte"))
    };
    (0..height).flat_map(|y| (0..width).flat_map(move |x| pixel(x, y))).collect()
}

fn jpegs() -> Vec<Sample> {
    let jpeg = |name, color: ColorType, channels: u32, set: fn(&mut Encoder<&mut Vec<u8>>)| {
        let mut bytes = Vec::new();
        let mut encoder = Encoder::new(&mut bytes, 75);
        set(&mut encoder);
        encoder.encode(&pixels(WIDTH.into(), HEIGHT.into(), channels), WIDTH, HEIGHT, color).expect("it fits");
        Sample { name, bytes }
    };
    let rgb = ColorType::Rgb;
    let mut all = vec![
        jpeg("jpeg-420", rgb, 3, |encoder| encoder.set_sampling_factor(SamplingFactor::F_2_2)),
        jpeg("jpeg-422", rgb, 3, |encoder| encoder.set_sampling_factor(SamplingFactor::F_2_1)),
        jpeg("jpeg-444", rgb, 3, |encoder| encoder.set_sampling_factor(SamplingFactor::F_1_1)),
        jpeg("jpeg-gray", ColorType::Luma, 1, |_| {}),
        jpeg("jpeg-cmyk", ColorType::Cmyk, 4, |_| {}),
        jpeg("jpeg-cmyk-several-scans", ColorType::Cmyk, 4, |encoder| {
            encoder.set_optimized_huffman_tables(true);
            encoder.set_sampling_factor(SamplingFactor::F_2_2);
        }),
        jpeg("jpeg-ycck-progressive", ColorType::CmykAsYcck, 4, |encoder| {
            encoder.set_progressive(true);
            encoder.set_sampling_factor(SamplingFactor::F_2_1);
        }),
        jpeg("jpeg-restarts", rgb, 3, |encoder| encoder.set_restart_interval(2)),
        jpeg("jpeg-several-scans", rgb, 3, |encoder| encoder.set_optimized_huffman_tables(true)),
        jpeg("jpeg-progressive", rgb, 3, |encoder| encoder.set_progressive(true)),
        jpeg("jpeg-progressive-420", rgb, 3, |encoder| {
            encoder.set_progressive(true);
            encoder.set_sampling_factor(SamplingFactor::F_2_2);
            encoder.set_restart_interval(1);
        }),
    ];
    let with = |name, body: &[u8]| {
        let file = &all[0].bytes;
        Sample { name, bytes: [&file[..2], &jpeg_segment(0xe1, body), &file[2..]].concat() }
    };
    let exif = with("jpeg-exif", &[b"Exif\0\0", exif(6).as_slice()].concat());
    let mut icc = with("jpeg-icc", &[]);
    let profile = jpeg_segment(0xe2, &[b"ICC_PROFILE\0\x01\x01", icc_profile().as_slice()].concat());
    icc.bytes.splice(2..6, profile);
    let mut inks = all.iter().find(|sample| sample.name == "jpeg-cmyk").expect("it was made").bytes.clone();
    let profile = jpeg_segment(0xe2, &[b"ICC_PROFILE\0\x01\x01", inks_profile().as_slice()].concat());
    inks.splice(2..2, profile);
    all.extend([exif, icc, Sample { name: "jpeg-cmyk-icc", bytes: inks }]);
    all
}

/// A block of EXIF with an orientation.
pub(crate) fn exif(orientation: u16) -> Vec<u8> {
    let entry = [b"\x01\x12\0\x03\0\0\0\x01".as_slice(), &orientation.to_be_bytes(), b"\0\0"].concat();
    [b"MM\0*\0\0\0\x08\0\x01".as_slice(), &entry, b"\0\0\0\0"].concat()
}

/// The header of a colour profile with no tags: enough to be looked at, not enough to be used.
pub(crate) fn icc_profile() -> Vec<u8> {
    let mut profile = vec![0; 132];
    profile[..4].copy_from_slice(&132_u32.to_be_bytes());
    profile[8..12].copy_from_slice(b"\x04\0\0\0");
    profile[12..24].copy_from_slice(b"mntrRGB XYZ ");
    profile[36..40].copy_from_slice(b"acsp");
    profile
}

/// The profile of a press whose inks each take from the lightness: a table with two nodes of each.
pub(crate) fn inks_profile() -> Vec<u8> {
    let mut table = b"mft2\0\0\0\0\x04\x03\x02\0".to_vec();
    table.extend([[0, 1, 0, 0], [0; 4], [0; 4], [0; 4]].concat());
    table.extend([[0, 1, 0, 0], [0; 4], [0; 4], [0; 4], [0, 1, 0, 0]].concat());
    table.extend([0, 2, 0, 2]);
    table.extend([0, 0, 0xff, 0xff].repeat(4));
    for inks in 0_u32..16 {
        let lightness = u16::try_from((4 - inks.count_ones()) * 0x3f00).expect("at most all of it");
        table.extend([lightness.to_be_bytes(), [0x80, 0], [0x80, 0]].concat());
    }
    table.extend([0, 0, 0xff, 0xff].repeat(3));
    let long = |value: usize| u32::try_from(value).expect("it is short").to_be_bytes();
    let mut profile = vec![0; 128];
    profile[..4].copy_from_slice(&long(144 + table.len()));
    profile[8..12].copy_from_slice(&[2, 0x20, 0, 0]);
    profile[12..24].copy_from_slice(b"prtrCMYKLab ");
    profile[36..40].copy_from_slice(b"acsp");
    [profile, long(1).to_vec(), b"A2B0".to_vec(), long(144).to_vec(), long(table.len()).to_vec(), table].concat()
}

/// The parts of a PNG that is not interlaced.
pub(crate) struct Png {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) depth: u8,
    pub(crate) color: u8,
    pub(crate) interlace: u8,
    /// Chunks before the data.
    pub(crate) before: Vec<u8>,
    /// What is deflated, or is already.
    pub(crate) data: Vec<u8>,
}

impl Png {
    /// The whole file.
    pub(crate) fn file(&self) -> Vec<u8> {
        let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
        let header = [self.depth, self.color, 0, 0, self.interlace];
        let header = [self.width.to_be_bytes().as_slice(), &self.height.to_be_bytes(), &header].concat();
        bytes.extend(png_chunk(*b"IHDR", &header));
        bytes.extend(&self.before);
        bytes.extend(png_chunk(*b"IDAT", &self.data));
        bytes.extend(png_chunk(*b"IEND", &[]));
        bytes
    }

    /// One of this kind with rows of some texture.
    pub(crate) fn of(depth: u8, color: u8) -> Self {
        let samples = [1, 0, 3, 1, 2, 0, 4][usize::from(color)];
        let row_bytes = (u32::from(WIDTH) * samples * u32::from(depth)).div_ceil(8);
        let data = filtered(row_bytes, HEIGHT.into());
        let before = if color == 3 { png_chunk(*b"PLTE", &pixels(256, 1, 3)) } else { Vec::new() };
        let (width, height) = (WIDTH.into(), HEIGHT.into());
        Self { width, height, depth, color, interlace: 0, before, data: deflated(&data) }
    }
}

/// Rows, each with a filter's number before it; every filter is used.
fn filtered(row_bytes: u32, height: u32) -> Vec<u8> {
    let row = |y: u32| {
        let filter = u8::try_from(y % 5).expect("a small number");
        std::iter::once(filter).chain(pixels(row_bytes, 1, 1))
    };
    (0..height).flat_map(row).collect()
}

fn pngs() -> Vec<Sample> {
    let mut all = Vec::new();
    let kinds = [
        ("png-gray-1", 1, 0),
        ("png-gray-8", 8, 0),
        ("png-gray-16", 16, 0),
        ("png-rgb-8", 8, 2),
        ("png-rgb-16", 16, 2),
        ("png-palette-4", 4, 3),
        ("png-palette-8", 8, 3),
        ("png-gray-alpha-8", 8, 4),
        ("png-rgba-8", 8, 6),
        ("png-rgba-16", 16, 6),
    ];
    all.extend(kinds.map(|(name, depth, color)| Sample { name, bytes: Png::of(depth, color).file() }));
    let passes = [(5, 4), (5, 4), (10, 3), (10, 7), (20, 7), (20, 14), (40, 13)];
    let data: Vec<u8> = passes.iter().flat_map(|(width, height)| filtered(width * 4, *height)).collect();
    let interlaced = Png { interlace: 1, data: deflated(&data), ..Png::of(8, 6) };
    all.push(Sample { name: "png-interlaced", bytes: interlaced.file() });
    let mut before = png_chunk(*b"tRNS", &[0, 10, 0, 20, 0, 30]);
    before.extend(png_chunk(*b"eXIf", &exif(3)));
    before.extend(png_chunk(*b"gAMA", &45_455_u32.to_be_bytes()));
    before.extend(png_chunk(*b"iCCP", &[b"profile\0\0", deflated(&icc_profile()).as_slice()].concat()));
    before.extend(png_chunk(*b"zTXt", &[b"Comment\0\0", deflated(b"a text").as_slice()].concat()));
    before.extend(png_chunk(*b"tEXt", b"Author\0somebody"));
    all.push(Sample { name: "png-metadata", bytes: Png { before, ..Png::of(8, 2) }.file() });
    all.push(Sample { name: "png-animated", bytes: apng(&Png::of(8, 6), 3) });
    all
}

/// An animation of one picture again and again.
pub(crate) fn apng(still: &Png, frames: u32) -> Vec<u8> {
    let control = |sequence: u32| {
        let numbers = [sequence, still.width, still.height, 0, 0];
        let numbers: Vec<u8> = numbers.iter().flat_map(|number| number.to_be_bytes()).collect();
        png_chunk(*b"fcTL", &[numbers.as_slice(), &[0, 1, 0, 10, 0, 0]].concat())
    };
    let actl = [frames.to_be_bytes(), 0_u32.to_be_bytes()].concat();
    let before = [png_chunk(*b"acTL", &actl), control(0)].concat();
    let mut file = Png { before, data: still.data.clone(), ..*still }.file();
    let end = file.split_off(file.len() - 12);
    for frame in 1..frames {
        file.extend(control(frame * 2 - 1));
        file.extend(png_chunk(*b"fdAT", &[(frame * 2).to_be_bytes().as_slice(), &still.data].concat()));
    }
    [file, end].concat()
}

/// A simple WebP file of any size.
pub(crate) fn webp(width: u32, height: u32, channels: u32, lossless: bool) -> Vec<u8> {
    let pixels = pixels(width, height, channels);
    let encoder = match channels {
        4 => webp::Encoder::from_rgba(&pixels, width, height),
        _ => webp::Encoder::from_rgb(&pixels, width, height),
    };
    encoder.encode_simple(lossless, 60.0).expect("it fits").to_vec()
}

/// The body of a chunk `VP8X`.
pub(crate) fn webp_header(flags: u8, width: u32, height: u32) -> Vec<u8> {
    let side = |side: u32| side.wrapping_sub(1).to_le_bytes()[..3].to_vec();
    riff_chunk(*b"VP8X", &[vec![flags, 0, 0, 0], side(width), side(height)].concat())
}

/// One frame of an animation, whose picture is that of a simple file.
pub(crate) fn webp_frame(left: u32, top: u32, width: u32, height: u32, simple: &[u8]) -> Vec<u8> {
    let short = |number: u32| number.to_le_bytes()[..3].to_vec();
    let header =
        [short(left / 2), short(top / 2), short(width.wrapping_sub(1)), short(height.wrapping_sub(1))].concat();
    // The picture of a file with alpha has a header of its own, which a frame has not.
    let picture = if simple[12..].starts_with(b"VP8X") { &simple[30..] } else { &simple[12..] };
    riff_chunk(*b"ANMF", &[header.as_slice(), &[100, 0, 0, 0], picture].concat())
}

fn webps() -> Vec<Sample> {
    let (width, height) = (WIDTH.into(), HEIGHT.into());
    let lossy = webp(width, height, 3, false);
    let metadata = [
        webp_header(0x28, width, height),
        riff_chunk(*b"ICCP", &icc_profile()),
        lossy[12..].to_vec(),
        riff_chunk(*b"EXIF", &exif(8)),
    ];
    let animated = [
        webp_header(0x12, width, height),
        riff_chunk(*b"ANIM", &[0, 0, 0, 0, 0, 0]),
        webp_frame(0, 0, width, height, &lossy),
        webp_frame(2, 4, 20, 10, &webp(20, 10, 4, true)),
    ];
    vec![
        Sample { name: "webp-lossless", bytes: webp(width, height, 3, true) },
        Sample { name: "webp-lossless-alpha", bytes: webp(width, height, 4, true) },
        Sample { name: "webp-lossy-alpha", bytes: webp(width, height, 4, false) },
        Sample { name: "webp-metadata", bytes: webp_file(&metadata.concat()) },
        Sample { name: "webp-animated", bytes: webp_file(&animated.concat()) },
        Sample { name: "webp-lossy", bytes: lossy },
    ]
}

fn gifs() -> Vec<Sample> {
    let frame = |channels: u32| {
        let picture = DynamicImage::ImageRgba8(
            RgbaImage::from_raw(WIDTH.into(), HEIGHT.into(), pixels(WIDTH.into(), HEIGHT.into(), channels))
                .expect("the length is right"),
        );
        Frame::new(picture.to_rgba8())
    };
    let gif = |name, frames: usize| {
        let mut bytes = Vec::new();
        let mut encoder = GifEncoder::new_with_speed(&mut bytes, 30);
        encoder.encode_frames(std::iter::repeat_n(frame(4), frames)).expect("memory takes everything");
        drop(encoder);
        Sample { name, bytes }
    };
    let indices = pixels(40, 27, 1).iter().map(|byte| byte % 4).collect::<Vec<u8>>();
    let interlaced = gif_file((40, 27), &[gif_frame((0, 0), (40, 27), 0x40, &gif_data(&indices, 2))].concat());
    let part = gif_file((64, 64), &gif_frame((3, 5), (40, 27), 0, &gif_data(&indices, 2)));
    vec![
        gif("gif-still", 1),
        gif("gif-animated", 3),
        Sample { name: "gif-interlaced", bytes: interlaced },
        Sample { name: "gif-part-of-screen", bytes: part },
    ]
}

/// A GIF with a palette of four colours and these blocks.
pub(crate) fn gif_file(screen: (u16, u16), blocks: &[u8]) -> Vec<u8> {
    let mut bytes = b"GIF89a".to_vec();
    bytes.extend(screen.0.to_le_bytes());
    bytes.extend(screen.1.to_le_bytes());
    bytes.extend([0x81, 0, 0]);
    bytes.extend([0, 0, 0, 255, 0, 0, 0, 255, 0, 255, 255, 255]);
    bytes.extend(blocks);
    bytes.push(0x3b);
    bytes
}

/// A frame without a palette of its own.
pub(crate) fn gif_frame(at: (u16, u16), size: (u16, u16), flags: u8, data: &[u8]) -> Vec<u8> {
    let numbers: Vec<u8> = [at.0, at.1, size.0, size.1].iter().flat_map(|number| number.to_le_bytes()).collect();
    [&[0x2c], numbers.as_slice(), &[flags], data].concat()
}

fn tiffs() -> Vec<Sample> {
    super::tiff::samples(WIDTH.into(), HEIGHT.into())
}

fn bmps() -> Vec<Sample> {
    super::bmp::samples(WIDTH.into(), HEIGHT.into())
}
