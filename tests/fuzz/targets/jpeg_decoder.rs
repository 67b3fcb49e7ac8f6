//! Our decoder of JPEG: any scale, a window that the file's own bytes choose, a used arena.

#![no_main]

use std::cell::RefCell;

use image_renditions::Limits;
use image_renditions::jpeg::{Arena, Decoder, Scale, Truncated, Window};
use libfuzzer_sys::fuzz_target;

const PIXELS_MAX: u64 = 1_000_000;

thread_local! {
    static ARENA: RefCell<Arena> = RefCell::default();
}

fuzz_target!(|file: &[u8]| {
    let limits = Limits { pixels_max: PIXELS_MAX, ..Limits::default() };
    let Ok(decoder) = Decoder::new(file, &limits) else { return };
    // A number that changes with every byte, so that mutants of one file meet every scale and window.
    let drawn = file.iter().fold(file.len() as u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(*byte)));
    let drawn = u32::try_from(drawn % 65_521).unwrap_or(0);
    let scale = Scale::ALL[drawn as usize % 4];
    let size = scale.apply(decoder.size());
    let range = |length: u32, start: u32| {
        let start = start % length;
        start..start + 1 + (drawn / 7) % (length - start)
    };
    let window = if drawn % 3 == 0 {
        Window { columns: range(size.width, drawn / 16), rows: range(size.height, drawn / 64) }
    } else {
        Window::whole(size)
    };
    let truncated = if drawn % 2 == 0 { Truncated::Allow } else { Truncated::Refuse };
    ARENA.with_borrow_mut(|arena| {
        if let Ok(decoded) = decoder.with_truncated(truncated).decode(scale, &window, arena) {
            assert_eq!(decoded.size, window.size());
            assert_eq!(decoded.data.len() as u64, decoded.size.pixels() * decoded.channels as u64);
            arena.recycle(decoded.data);
        }
    });
});
