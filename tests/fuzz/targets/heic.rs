//! HEIC whatever a file's first bytes are: boxes, coded pictures, planes and pixels. A picture is decoded twice, to planes and
//! to pixels, as what is asked of it decides.

#![no_main]

use std::cell::RefCell;

use image_renditions::jpeg::Arena;
use image_renditions::options::{Fit, OutputFormat};
use image_renditions::{InputFormat, Limits, probe, render};
use libfuzzer_sys::fuzz_target;

#[path = "../../src/hostile/rendition.rs"]
mod rendition;

/// Small, so that a run takes a fraction of a millisecond.
const PIXELS_MAX: u64 = 65_536;

/// The box with which every file begins here, so that none is lost for its sake.
const START: &[u8] = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic";

thread_local! {
    static ARENA: RefCell<Arena> = RefCell::default();
}

/// The decoder of others may panic, which is contained. Libfuzzer's own hook would end the process there; without it, that is
/// done by a panic that gets out.
fn let_panics_be_contained() {
    std::panic::set_hook(Box::new(|panic| eprintln!("{panic}")));
}

fuzz_target!(init: let_panics_be_contained(), |file: &[u8]| {
    let mut bytes = file.to_vec();
    let start = START.len().min(bytes.len());
    bytes[..start].copy_from_slice(&START[..start]);
    let limits = Limits { pixels_max: PIXELS_MAX, ..Limits::default() };
    let Ok(probe) = probe(&bytes, &limits) else { return };
    assert_eq!(probe.format, InputFormat::Heic);
    let sides = [probe.oriented_size().width, 16];
    for (side, format) in sides.into_iter().zip([OutputFormat::Png, OutputFormat::Jpeg]) {
        let output = rendition::rendition(side, Fit::Inside, format);
        ARENA.with_borrow_mut(|arena| match render(&bytes, &probe, std::slice::from_ref(&output), &limits, arena) {
            Ok(images) => assert!(images.len() == 1 && !images[0].bytes.is_empty()),
            Err(error) => assert!(!error.to_string().is_empty()),
        });
    }
});
