//! A whole resize of a file of any format, to what is asked most: a JPEG, a PNG and a WebP, of 40 pixels at most.

#![no_main]

use std::cell::RefCell;

use image_renditions::jpeg::Arena;
use image_renditions::options::{Fit, OutputFormat};
use image_renditions::{Limits, probe, render};
use libfuzzer_sys::fuzz_target;

#[path = "../../src/hostile/rendition.rs"]
mod rendition;

/// Small, so that a run takes a fraction of a millisecond.
const PIXELS_MAX: u64 = 250_000;

thread_local! {
    static ARENA: RefCell<Arena> = RefCell::default();
}

/// A panic that is contained, as those of the decoder for rare JPEGs are, is an error like others. Libfuzzer's own hook would
/// end the process there; without it, that is done by a panic that gets out.
fn let_panics_be_contained() {
    std::panic::set_hook(Box::new(|panic| eprintln!("{panic}")));
}

fuzz_target!(init: let_panics_be_contained(), |file: &[u8]| {
    let limits = Limits { pixels_max: PIXELS_MAX, ..Limits::default() };
    let Ok(probe) = probe(file, &limits) else { return };
    let outputs = [
        rendition::rendition(40, Fit::Inside, OutputFormat::Jpeg),
        rendition::rendition(23, Fit::Cover, OutputFormat::Png),
        rendition::rendition(17, Fit::Contain, OutputFormat::Webp),
    ];
    let output = &outputs[file.len() % outputs.len()];
    ARENA.with_borrow_mut(|arena| match render(file, &probe, std::slice::from_ref(output), &limits, arena) {
        Ok(images) => assert!(images.len() == 1 && !images[0].bytes.is_empty()),
        Err(error) => assert!(!error.to_string().is_empty()),
    });
});
