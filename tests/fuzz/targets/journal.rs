//! What stands behind the checksums of a journal: a state, or commands. Whatever it is, it is read or refused.

#![no_main]

use libfuzzer_sys::fuzz_target;
use local_queue::engine::{
    Command, Engine, Fingerprint, Limits, QueueName, Scope, Time,
    codec::{Decoder, Encoder},
};

const PREFIX: &str = "arn:aws:sqs:us-east-1:000000000000:";

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    if kind % 2 == 0 { read_state(bytes) } else { follow(bytes) }
});

/// A state that can be read is written as it was read.
fn read_state(bytes: &[u8]) {
    let Ok(engine) = Engine::load(Limits::STRICT, 0, bytes, PREFIX) else { return };
    let mut saved = Vec::new();
    engine.save(PREFIX, &mut |piece| saved.extend_from_slice(piece));
    let again = Engine::load(Limits::STRICT, 0, &saved, PREFIX).expect("what was written can be read");
    let mut saved_again = Vec::new();
    again.save(PREFIX, &mut |piece| saved_again.extend_from_slice(piece));
    assert!(saved == saved_again, "a state is not what was read");
}

/// Commands that can be read are the same when they are written and read again, and an engine does or refuses them.
fn follow(bytes: &[u8]) {
    let mut engine = Engine::new(Limits::STRICT, 1);
    engine.unbounded(Limits::STRICT);
    for name in ["jobs", "jobs.fifo"] {
        let name = QueueName::parse(name, &Limits::STRICT).expect("a name");
        let fifo = name.is_fifo().then_some(local_queue::engine::Attribute::FifoQueue(true));
        let attributes = fifo.into_iter().collect::<Vec<_>>();
        engine.create_queue(Time::EPOCH, &Scope::default(), &name, &attributes).expect("a queue");
    }
    let (mut from, mut now, mut seen) = (Decoder::new(bytes, PREFIX), 0, Fingerprint::default());
    while let (Ok(passed), Ok(command)) = (from.byte(), Command::decode(&mut from, 0)) {
        let mut written = Vec::new();
        command.encode(&mut Encoder::new(&mut written, PREFIX));
        let again = Command::decode(&mut Decoder::new(&written, PREFIX), 0).expect("what was written can be read");
        assert_eq!(format!("{again:?}"), format!("{command:?}"));
        now += u64::from(passed) * 100;
        let _ = engine.carry_out(Time::from_millis(now), command, &mut seen);
        while let Some(output) = engine.poll_output() {
            seen.add_output(&output);
        }
        engine.check();
    }
}
