//! How long a 12 MP JPEG takes at each scale, beside other decoders, and how long whole renditions take.
//!
//! ```text
//! cargo bench -p image-renditions --bench jpeg [-- FILE.jpg]
//! ```
//!
//! Rounds are interleaved, so that whatever else the machine does hits all alike; the median of each is printed. `djpeg` is
//! run as a process, where it is installed, and its time includes starting it and reading the file.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "the picture is made of small numbers"
)]

use std::io::Cursor;
use std::path::Path;
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::time::{Duration, Instant};

use image::ImageDecoder as _;
use image_renditions::jpeg::{Arena, Decoder, Scale, Window};
use image_renditions::options::{Fit, Kernel, OutputFormat, Rendition};
use image_renditions::{Limits, probe, render};

const ROUNDS: usize = 15;

/// One way to decode.
struct Arm {
    name: String,
    run: Box<dyn FnMut()>,
    times: Vec<Duration>,
}

fn main() {
    let files = match std::env::args().skip(1).find(|argument| !argument.starts_with('-')) {
        Some(path) => vec![(path.clone(), std::fs::read(path).expect("the file can be read"))],
        None => [("baseline", false), ("progressive", true)]
            .map(|(name, progressive)| (format!("12 MP {name} 4:2:0"), photo(4000, 3000, progressive)))
            .to_vec(),
    };
    for (name, bytes) in files {
        println!("{name}, {:.1} MB", bytes.len() as f64 / 1e6);
        let mut arms = arms(&bytes);
        for _ in 0..ROUNDS {
            for arm in &mut arms {
                arm.times.push(timed(&mut arm.run));
            }
        }
        for arm in &mut arms {
            arm.times.sort_unstable();
            let [fastest, median] = [0, ROUNDS / 2].map(|nth| arm.times[nth].as_secs_f64() * 1e3);
            println!("  {:<28} median {median:7.1} ms   fastest {fastest:7.1} ms", arm.name);
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a benchmark looks at the clock")]
fn timed(run: &mut dyn FnMut()) -> Duration {
    let start = Instant::now();
    run();
    start.elapsed()
}

fn arms(bytes: &[u8]) -> Vec<Arm> {
    let bytes: &'static [u8] = bytes.to_vec().leak();
    let arm = |name: String, run: Box<dyn FnMut()>| Arm { name, run, times: Vec::new() };
    let mut arms: Vec<Arm> = Scale::ALL
        .iter()
        .rev()
        .map(|&scale| {
            let mut arena = Arena::default();
            let run = move || {
                let decoder = Decoder::new(bytes, &Limits::default()).expect("it is sound");
                let window = Window::whole(scale.apply(decoder.size()));
                let pixels = decoder.decode(scale, &window, &mut arena).expect("it is sound");
                arena.recycle(pixels.data);
            };
            arm(format!("ours 1/{}", scale.denominator()), Box::new(run))
        })
        .collect();
    for scale in Scale::ALL.into_iter().rev() {
        let mut arena = Arena::default();
        let run = move || {
            let decoder = Decoder::new(bytes, &Limits::default()).expect("it is sound");
            let window = Window::whole(decoder.size());
            let planes = decoder.decode_planes([scale; 3], &window, &mut arena).expect("it is sound");
            for plane in planes {
                arena.recycle(plane.plane.data);
            }
        };
        arms.push(arm(format!("ours 1/{}, planes", scale.denominator()), Box::new(run)));
    }
    arms.extend(renditions(bytes));
    arms.push(arm(
        "image 1/1".into(),
        Box::new(move || {
            let decoder = image::codecs::jpeg::JpegDecoder::new(Cursor::new(bytes)).expect("it is sound");
            let mut pixels = vec![0; usize::try_from(decoder.total_bytes()).expect("it fits")];
            decoder.read_image(&mut pixels).expect("it is sound");
        }),
    ));
    for denominator in [8, 4, 2, 1] {
        let run = move || {
            let mut decoder = rusty_jpeg::decode::Decoder::new(Cursor::new(bytes));
            decoder.set_single_threaded(true);
            decoder.read_info().expect("it is sound");
            let info = decoder.info().expect("it was read");
            decoder.scale(info.width / denominator, info.height / denominator).expect("it has the scale");
            decoder.decode().expect("it is sound");
        };
        arms.push(arm(format!("rusty_jpeg 1/{denominator}"), Box::new(run)));
    }
    if Command::new("djpeg").arg("-version").stderr(Stdio::null()).status().is_ok() {
        let file = tempfile::NamedTempFile::new().expect("a file can be made");
        std::fs::write(&file, bytes).expect("it can be written");
        let file = Rc::new(file.into_temp_path());
        for denominator in [8, 4, 2, 1] {
            let (file, scale) = (Rc::clone(&file), format!("1/{denominator}"));
            let run = move || {
                let mut command = Command::new("djpeg");
                command.args(["-scale", &scale, "-outfile", "/dev/null"]).arg(&*file as &Path);
                assert!(command.status().expect("it starts").success());
            };
            arms.push(arm(format!("djpeg 1/{denominator}"), Box::new(run)));
        }
    }
    arms
}

/// Whole jobs: probed before, decoded, scaled and encoded.
fn renditions(bytes: &'static [u8]) -> Vec<Arm> {
    let arm = |widths: &[u32]| {
        let (mut arena, limits) = (Arena::default(), Limits::default());
        let file = probe(bytes, &limits).expect("it is sound");
        let renditions: Vec<Rendition> = widths.iter().map(|width| jpeg_of(*width)).collect();
        let run = move || {
            render(bytes, &file, &renditions, &limits, &mut arena).expect("it is sound");
        };
        Arm { name: format!("ours, JPEG of {widths:?}"), run: Box::new(run), times: Vec::new() }
    };
    [[200].as_slice(), &[800], &[1600], &[1600, 800, 200]].map(arm).into()
}

/// A JPEG of this width, with the defaults of a job.
fn jpeg_of(width: u32) -> Rendition {
    Rendition {
        width: Some(width),
        height: None,
        fit: Fit::default(),
        enlarge: false,
        kernel: Kernel::default(),
        format: OutputFormat::Jpeg,
        ..Rendition::default()
    }
}

/// Something like a photo: slopes of all sizes, some edges, and grain.
fn photo(width: u16, height: u16, progressive: bool) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(12);
    let lattice: Vec<f32> = (0..1 << 16).map(|_| random.f32() - 0.5).collect();
    let point = |x: usize, y: usize, octave: usize| lattice[(x * 31 + y * 1009 + octave * 7919) & 0xffff];
    let (octaves, (w, h)) = ([400, 160, 60, 24, 9, 4], (usize::from(width), usize::from(height)));
    let mut pixels = vec![0_u8; w * h * 3];
    for (y, row) in pixels.chunks_exact_mut(w * 3).enumerate() {
        for (x, pixel) in row.as_chunks_mut::<3>().0.iter_mut().enumerate() {
            let mut value = 0.0;
            for (octave, &period) in octaves.iter().enumerate() {
                let (left, top) = (x / period, y / period);
                let (across, down) = ((x % period) as f32 / period as f32, (y % period) as f32 / period as f32);
                let upper = point(left, top, octave) * (1.0 - across) + point(left + 1, top, octave) * across;
                let lower = point(left, top + 1, octave) * (1.0 - across) + point(left + 1, top + 1, octave) * across;
                value += (upper * (1.0 - down) + lower * down) * (period as f32).powf(0.45) * 15.0;
            }
            let grain = (random.f32() + random.f32() - 1.0) * 5.0;
            let tint = point(x / 700, y / 500, 9) * 60.0;
            *pixel = [value + tint, value, value - tint].map(|value| (value + grain + 118.0).clamp(0.0, 255.0) as u8);
        }
    }
    let mut bytes = Vec::new();
    let mut encoder = jpeg_encoder::Encoder::new(&mut bytes, 94);
    encoder.set_sampling_factor(jpeg_encoder::SamplingFactor::F_2_2);
    encoder.set_progressive(progressive);
    encoder.encode(&pixels, width, height, jpeg_encoder::ColorType::Rgb).expect("it fits");
    bytes
}
