//! A request of the Query protocol: the URL's path and query up to the first line feed, then the body, a form.

#![no_main]

use libfuzzer_sys::fuzz_target;

mod emulator;

fuzz_target!(|request: &[u8]| {
    let (target, body) = emulator::split(request);
    if let Ok(target) = http::Uri::try_from(target) {
        let form = http::Request::post(target).header("host", "localhost");
        emulator::check(form.header("content-type", "application/x-www-form-urlencoded"), body);
    }
});
