//! An SQS event, and the body of a message by itself: whatever it is, it is jobs or a failure that says why not.

#![no_main]

use handler::event::body::BodyReader;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    let Ok(body) = std::str::from_utf8(body) else { return };
    match BodyReader::default().read(body) {
        Ok(jobs) => assert!(jobs.iter().all(|job| !job.outputs().is_empty())),
        Err(failure) => assert!(!failure.message.is_empty()),
    }
    if let Err(error) = handler::event::parse(body) {
        assert!(!error.to_string().is_empty());
    }
});
