//! The probe of a file of any format. What it accepts has a size, and a price within the limits.

#![no_main]

use image_renditions::{Limits, probe};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|file: &[u8]| {
    let limits = Limits::default();
    match probe(file, &limits) {
        Ok(probe) => {
            assert!(probe.size().pixels() > 0 && probe.size().pixels() <= limits.pixels_max);
            assert!(probe.memory_bytes_max(&[]) <= probe.decoded_bytes_max());
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
