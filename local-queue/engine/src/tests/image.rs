//! States and commands as bytes.

use std::{borrow::Cow, collections::BTreeMap, time::Duration};

use crate::{
    Attribute, Command, Engine, Fingerprint, IdSource, Limits, MessageAttribute, MessageAttributes, MessageBody,
    QueueArn, ReceiptHandle, Receive, Received, RedrivePolicy, Scope, SendMessage, Time,
    codec::{Decoder, Encoder},
};

const STORE: u64 = 9;

fn save(engine: &Engine, prefix: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    engine.save(prefix, &mut |piece| bytes.extend_from_slice(piece));
    bytes
}

/// The command, written and read.
fn again(command: &Command<'_>, prefix: &str) -> Command<'static> {
    let mut bytes = Vec::new();
    command.encode(&mut Encoder::new(&mut bytes, prefix));
    // Read from memory that stays, so that what is borrowed from it may.
    let bytes: &'static [u8] = Vec::leak(bytes);
    let mut decoder = Decoder::new(bytes, Box::leak(prefix.to_owned().into_boxed_str()));
    let read = Command::decode(&mut decoder, STORE).unwrap();
    assert!(decoder.is_empty());
    assert_eq!(format!("{read:?}"), format!("{command:?}"));
    read
}

struct User {
    dice: IdSource,
    queues: Vec<QueueArn>,
    handles: Vec<(QueueArn, ReceiptHandle)>,
}

impl User {
    fn below(&mut self, end: u64) -> u64 {
        self.dice.next_u64() % end
    }

    fn queue(&mut self) -> QueueArn {
        let at = self.below(self.queues.len() as u64);
        self.queues[usize::try_from(at).unwrap()].clone()
    }

    fn message(&mut self, queue: &QueueArn) -> SendMessage {
        let body = format!("{}", self.below(30));
        let mut message = SendMessage::new(MessageBody::parse(body).unwrap().with_digest([7; 16]));
        if queue.is_fifo() || self.below(3) == 0 {
            message.group_id = Some(format!("g{}", self.below(3)));
            message.trace_header = Some("Root=1".to_owned());
            let attributes = BTreeMap::from([("color".to_owned(), MessageAttribute::string("red"))]);
            message.attributes = MessageAttributes::parse(attributes, &Limits::STRICT).unwrap();
        } else if self.below(3) == 0 {
            message.delay = Some(Duration::from_secs(self.below(9)));
        }
        message
    }

    fn command(&mut self) -> Command<'static> {
        let queue = self.queue();
        let named = || Cow::Owned(queue.as_str().to_owned());
        match self.below(12) {
            0..=4 => Command::Send { message: Cow::Owned(self.message(&queue)), queue: named() },
            5..=7 => {
                let attempt_id = (self.below(3) == 0).then(|| format!("a{}", self.below(3)));
                let wait_time = Some(Duration::from_secs(self.below(2) * 5));
                let request = Receive { max_messages: 3, wait_time, attempt_id, ..Receive::default() };
                Command::Receive { queue: named(), request: Cow::Owned(request) }
            }
            8 | 9 => match self.handles.pop() {
                Some((queue, handle)) if self.below(2) == 0 => {
                    Command::Delete { queue: queue.as_str().to_owned().into(), handle }
                }
                Some((queue, handle)) => Command::ChangeVisibility {
                    queue: queue.as_str().to_owned().into(),
                    handle,
                    timeout: Duration::from_secs(self.below(9)),
                },
                None => Command::Advance,
            },
            10 => Command::StartMoveTask { source: named(), destination: None, messages_per_second: Some(3) },
            _ => Command::TagQueue {
                queue: named(),
                tags: Cow::Owned(BTreeMap::from([("k".to_owned(), self.below(9).to_string())])),
            },
        }
    }
}

fn create(engine: &mut Engine, scope: &Scope, name: &str, attributes: Vec<Attribute>) -> QueueArn {
    let command = Command::CreateQueue {
        scope: Cow::Owned(scope.clone()),
        name: name.to_owned().into(),
        attributes: attributes.into(),
    };
    let prefix = scope.arn("");
    let command = again(&command, prefix.as_str());
    engine.carry_out(Time::from_millis(1_000), command, &mut Fingerprint::default()).unwrap();
    scope.arn(name)
}

#[test]
fn a_loaded_engine_goes_on_as_the_saved_one_and_commands_come_back() {
    for seed in 0..40 {
        let (scope, limits) = (Scope::default(), Limits::STRICT);
        let prefix = scope.arn("").as_str().to_owned();
        let mut saved = Engine::new(limits.clone(), seed).with_store(STORE);
        let dead = create(&mut saved, &scope, "dead", Vec::new());
        let policy = RedrivePolicy { dead_letter_target: dead.clone(), max_receive_count: 1 };
        let jobs = vec![Attribute::RedrivePolicy(Some(policy)), Attribute::VisibilityTimeout(Duration::from_secs(2))];
        let jobs = create(&mut saved, &scope, "jobs", jobs);
        let line = vec![Attribute::FifoQueue(true), Attribute::ContentBasedDeduplication(true)];
        let line = create(&mut saved, &scope, "line.fifo", line);
        let elsewhere = create(&mut saved, &Scope::new("eu-west-1", "111111111111"), "other", Vec::new());
        let mut user = User {
            dice: IdSource::seeded(IdSource::mix(seed)),
            queues: vec![dead, jobs, line, elsewhere],
            handles: Vec::new(),
        };
        let mut loaded = Engine::load(limits.clone(), STORE, &save(&saved, &prefix), &prefix).unwrap();
        let mut now = 2_000;
        for step in 0..150 {
            now += user.below(1_500);
            let (at, command) = (Time::from_millis(now), user.command());
            let command = again(&command, &prefix);
            if let Command::Receive { queue, request } = &command
                && let Ok(Received::Now(deliveries)) =
                    Engine::load(limits.clone(), STORE, &save(&saved, &prefix), &prefix).unwrap().receive(
                        at,
                        queue,
                        Receive::clone(request),
                    )
            {
                let queue = QueueArn::parse(queue).unwrap();
                user.handles.extend(deliveries.iter().map(|delivery| (queue.clone(), delivery.receipt_handle)));
            }
            let outcomes = [&mut saved, &mut loaded].map(|engine| {
                let mut seen = Fingerprint::default();
                let done = engine.carry_out(at, command.clone(), &mut seen);
                while let Some(output) = engine.poll_output() {
                    seen.add_output(&output);
                }
                seen.add_counters(engine);
                engine.check();
                (done, seen)
            });
            assert_eq!(outcomes[0], outcomes[1], "seed {seed}, step {step}: {command:?}");
            let bytes = save(&saved, &prefix);
            assert_eq!(bytes, save(&loaded, &prefix), "seed {seed}, step {step}");
            if step % 10 == 0 {
                loaded = Engine::load(limits.clone(), STORE, &bytes, &prefix).unwrap();
            }
        }
    }
}

#[test]
fn a_state_that_is_cut_or_changed_is_read_or_refused_but_never_followed_blindly() {
    let scope = Scope::default();
    let prefix = scope.arn("").as_str().to_owned();
    let mut engine = Engine::new(Limits::STRICT, 1).with_store(STORE);
    let attributes = vec![Attribute::FifoQueue(true), Attribute::ContentBasedDeduplication(true)];
    let line = create(&mut engine, &scope, "line.fifo", attributes);
    for body in ["a", "b"] {
        let message = SendMessage::new(MessageBody::parse(body).unwrap());
        let message = SendMessage { group_id: Some(body.to_owned()), ..message };
        engine.send(Time::from_millis(2_000), line.as_str(), message).unwrap();
    }
    engine.receive(Time::from_millis(3_000), line.as_str(), Receive::default()).unwrap();
    let bytes = save(&engine, &prefix);
    for cut in 0..bytes.len() {
        assert!(Engine::load(Limits::STRICT, STORE, &bytes[..cut], &prefix).is_err(), "cut at {cut}");
    }
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << bit;
            // What can be read is a state that can be written again.
            if let Ok(engine) = Engine::load(Limits::STRICT, STORE, &changed, &prefix) {
                save(&engine, &prefix);
            }
        }
    }
}
