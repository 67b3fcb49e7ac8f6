//! A request of AWS JSON: the action's name up to the first line feed, then the body.

#![no_main]

use libfuzzer_sys::fuzz_target;

mod emulator;

fuzz_target!(|request: &[u8]| {
    let (action, body) = emulator::split(request);
    emulator::check(emulator::json(action), body);
});
