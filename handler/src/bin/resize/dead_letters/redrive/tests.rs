use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_sdk_sqs::config::interceptors::{
    BeforeDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextRef,
};
use aws_sdk_sqs::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_sqs::error::BoxError;
use aws_sdk_sqs::types::{MessageAttributeValue, QueueAttributeName};
use local_queue::LocalQueue;
use local_queue::engine::{Attribute, RedrivePolicy};
use tokio::time::Instant;

use super::*;
use crate::arguments::Selection;

/// Messages of a scenario, of which every fifth is not meant.
const MESSAGES: usize = 25;
const GROUPS: usize = 3;

/// A queue for jobs and its dead-letter queue, with nothing of a network.
struct World {
    queues: LocalQueue,
    client: Client,
    suffix: &'static str,
    _folder: tempfile::TempDir,
    journal: std::path::PathBuf,
}

/// Ends the task in the middle of one request, before it is made or before its answer is read.
#[derive(Debug)]
struct Kill {
    at: usize,
    moments: Arc<AtomicUsize>,
}

impl Kill {
    fn moment(&self) {
        assert_ne!(self.moments.fetch_add(1, Ordering::Relaxed), self.at, "killed on purpose");
    }
}

#[aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint]
impl Intercept for Kill {
    fn name(&self) -> &'static str {
        "Kill"
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.moment();
        Ok(())
    }

    fn read_after_transmit(
        &self,
        _: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.moment();
        Ok(())
    }
}

fn text(value: &str) -> MessageAttributeValue {
    MessageAttributeValue::builder().data_type("String").string_value(value).build().unwrap()
}

impl World {
    fn new(is_fifo: bool) -> Self {
        let queues = LocalQueue::virtual_time();
        let suffix = if is_fifo { FIFO_SUFFIX } else { "" };
        let fifo: &[_] = if is_fifo { &[Attribute::FifoQueue(true)] } else { &[] };
        let dead = queues.create_queue(&format!("dead{suffix}"), fifo).unwrap();
        let redrive = Attribute::RedrivePolicy(Some(RedrivePolicy { dead_letter_target: dead, max_receive_count: 3 }));
        queues.create_queue(&format!("jobs{suffix}"), &[fifo, &[redrive]].concat()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let journal = folder.path().join("journal");
        Self { client: queues.client(), queues, suffix, _folder: folder, journal }
    }

    fn queue(&self, name: &str) -> String {
        format!("{name}{}", self.suffix)
    }

    /// Puts dead letters with a reason into the queue, and one in five that have another.
    async fn fill(&self) {
        for number in 0..MESSAGES {
            let kind = if number % 5 == 4 { "other" } else { "bad-image" };
            let mut request = self.client.send_message().queue_url(self.queue("dead")).message_body(body(number));
            for (name, value) in
                [("FailureKind", kind), ("FailureMessage", "x"), ("OriginalMessageId", "m"), ("mine", "1")]
            {
                request = request.message_attributes(name, text(value));
            }
            if !self.suffix.is_empty() {
                let group = format!("group-{}", number % GROUPS);
                request = request.message_group_id(group).message_deduplication_id(number.to_string());
            }
            request.send().await.unwrap();
        }
    }

    fn plan(resend_unsure: bool) -> Plan {
        let selection = Selection { kind: vec!["bad-image".to_owned()], ..Selection::default() };
        Plan { filter: Filter::read(&selection, 0).unwrap(), rate: None, resend_unsure }
    }

    async fn redrive(&self, client: &Client, plan: &Plan, stop: &Stop) -> anyhow::Result<Outcome> {
        let mut journal = Journal::open(&self.journal)?;
        let queue = QueueState::ask(client, &self.queue("dead")).await?;
        let mut destinations = Destinations::new(client, &queue.url, None).await?;
        let outcome = redrive(client, &queue, plan, &mut destinations, &mut journal, stop).await;
        journal.close();
        outcome
    }

    /// All that is in a queue, in the order in which it is received; everything is taken out.
    async fn drain(&self, queue: &str) -> Vec<Message> {
        let mut all = Vec::new();
        loop {
            let request = self.client.receive_message().queue_url(self.queue(queue)).max_number_of_messages(10);
            let request = request.message_attribute_names("All");
            let request = request.message_system_attribute_names(MessageSystemAttributeName::All);
            let messages = request.send().await.unwrap().messages.unwrap_or_default();
            if messages.is_empty() {
                return all;
            }
            assert!(delete(&self.client, &self.queue(queue), &messages).await.into_iter().all(|gone| gone));
            all.extend(messages);
        }
    }
}

fn body(number: usize) -> String {
    format!("job {number:02}")
}

fn meant() -> impl Iterator<Item = String> {
    (0..MESSAGES).filter(|number| number % 5 != 4).map(body)
}

fn bodies(messages: &[Message]) -> Vec<String> {
    messages.iter().map(|message| message.body().unwrap().to_owned()).collect()
}

fn sorted(mut bodies: Vec<String>) -> Vec<String> {
    bodies.sort();
    bodies
}

#[tokio::test(start_paused = true)]
async fn what_is_meant_is_sent_back_without_its_reason_and_the_rest_is_given_back() {
    for is_fifo in [false, true] {
        let world = World::new(is_fifo);
        world.fill().await;
        let (_hand, stop) = Stop::by_hand();
        let outcome = world.redrive(&world.client, &World::plan(false), &stop).await.unwrap();
        let sent = world.drain("jobs").await;
        let sent_bodies = sorted(bodies(&sent));
        if is_fifo {
            // A held message locks its group, so that what is behind the first receive of a group is not seen.
            assert!(!sent_bodies.is_empty() && sent_bodies.iter().all(|sent| meant().any(|body| body == *sent)));
        } else {
            assert_eq!((outcome.unseen, sent_bodies), (0, meant().collect()));
        }
        for message in &sent {
            let attributes = message.message_attributes.clone().unwrap();
            assert_eq!(attributes, [("mine".to_owned(), text("1"))].into());
        }
        let left = world.drain("dead").await;
        assert_eq!(left.len() + sent.len(), MESSAGES, "they are visible at once");
        let of_other_kinds = left.iter().filter(|message| !meant().any(|body| Some(&*body) == message.body()));
        for message in of_other_kinds {
            let count = system_attribute(message, &MessageSystemAttributeName::ApproximateReceiveCount);
            assert!(is_fifo || count == Some("2"), "looked at once, and received by this test: {count:?}");
        }
        assert!(!world.journal.exists());
    }
}

/// Kills the redrive at each moment, and looks at what another one makes of it.
#[tokio::test(start_paused = true)]
async fn killed_at_any_moment_it_goes_on_without_duplicates_and_without_loss() {
    for is_fifo in [false, true] {
        let (mut at, mut unsure_seen) = (0, 0);
        loop {
            let world = Arc::new(World::new(is_fifo));
            world.fill().await;
            let kill = Kill { at, moments: Arc::default() };
            let killing = Client::from_conf(world.queues.client_config().interceptor(kill).build());
            let (_hand, stop) = Stop::by_hand();
            let plan = Plan { filter: Filter::default(), ..World::plan(false) };
            let run = {
                let (world, plan, stop) = (Arc::clone(&world), plan.clone(), stop.clone());
                tokio::spawn(async move { world.redrive(&killing, &plan, &stop).await })
            };
            let was_killed = run.await.is_err();
            // Paused time, until what the killed one held is visible again.
            tokio::time::sleep(Duration::from_secs(121)).await;
            let outcome = world.redrive(&world.client, &plan, &stop).await.unwrap();
            let sent = world.drain("jobs").await;
            let dead = bodies(&world.drain("dead").await);
            let mut arrived = bodies(&sent);
            if is_fifo {
                for group in 0..GROUPS {
                    let of_group = |body: &&String| body[4..].parse::<usize>().unwrap() % GROUPS == group;
                    assert!(arrived.iter().filter(of_group).is_sorted(), "moment {at}: {arrived:?}");
                }
                assert!(outcome.unsure.is_empty(), "the queue itself knows: moment {at}");
            }
            unsure_seen += outcome.unsure.len();
            assert_eq!(outcome.unsure.len(), dead.len(), "moment {at}: only what nobody can know is left");
            arrived.sort();
            let count = arrived.len();
            arrived.dedup();
            assert_eq!(arrived.len(), count, "moment {at}: nothing twice");
            arrived.extend(dead);
            let all = (0..MESSAGES).map(body).collect::<Vec<_>>();
            arrived.sort();
            arrived.dedup();
            assert_eq!(arrived, all, "moment {at}: nothing lost");
            if !was_killed {
                break;
            }
            at += 1;
        }
        assert!(at > 20, "{at} moments");
        assert_eq!(unsure_seen > 0, !is_fifo, "a kill in the middle of a request is among the moments");
    }
}

#[tokio::test(start_paused = true)]
async fn what_nobody_knows_is_sent_again_when_it_is_asked_for() {
    let world = World::new(false);
    world.fill().await;
    let (_hand, stop) = Stop::by_hand();
    let request = world.client.receive_message().queue_url("dead").visibility_timeout(0);
    let request = request.message_system_attribute_names(MessageSystemAttributeName::All);
    let message = request.send().await.unwrap().messages.unwrap().remove(0);
    Journal::open(&world.journal).unwrap().sending(vec![journal::mark(&message)], 0).unwrap();
    let plan = Plan { filter: Filter::default(), ..World::plan(false) };
    let outcome = world.redrive(&world.client, &plan, &stop).await.unwrap();
    assert_eq!(outcome.unsure, [message.message_id().unwrap()]);
    assert!(world.journal.exists());
    let outcome = world.redrive(&world.client, &Plan { resend_unsure: true, ..plan }, &stop).await.unwrap();
    assert_eq!((outcome.unsure.len(), outcome.sent.values().sum::<u64>()), (0, 1));
    assert!(!world.journal.exists());
    assert_eq!(world.drain("jobs").await.len(), MESSAGES);
}

#[tokio::test(start_paused = true)]
async fn a_signal_ends_it_between_two_requests_and_nothing_is_held() {
    let world = Arc::new(World::new(false));
    world.fill().await;
    let (hand, stop) = Stop::by_hand();
    let plan = Plan { filter: Filter::default(), rate: Some(1), resend_unsure: false };
    let run = {
        let (world, stop) = (Arc::clone(&world), stop.clone());
        tokio::spawn(async move { world.redrive(&world.client, &plan, &stop).await })
    };
    // Paused time, in the midst of the messages that the rate lets through one by one.
    tokio::time::sleep(Duration::from_millis(4500)).await;
    hand.send_replace(Some(Interruption::Interrupt));
    let outcome = run.await.unwrap().unwrap();
    assert_eq!((outcome.interruption, outcome.unseen), (Some(Interruption::Interrupt), 0));
    let sent = world.drain("jobs").await.len();
    assert_eq!((sent, outcome.sent.values().sum::<u64>()), (5, 5), "one a second");
    assert_eq!(world.drain("dead").await.len(), MESSAGES - sent, "visible at once");
}

#[tokio::test(start_paused = true)]
async fn a_rate_is_kept_and_what_is_held_meanwhile_stays_held() {
    for (rate, seconds) in [(1, 19), (7, 1), (500, 0)] {
        let world = World::new(false);
        world.fill().await;
        let began = Instant::now();
        let (_hand, stop) = Stop::by_hand();
        let plan = Plan { rate: Some(rate), ..World::plan(false) };
        let outcome = world.redrive(&world.client, &plan, &stop).await.unwrap();
        assert_eq!(outcome.sent.values().sum::<u64>(), 20);
        // The last receive waits a second for more.
        let elapsed = began.elapsed().as_secs();
        assert!((seconds..=seconds + 2).contains(&elapsed), "{rate} a second: {elapsed} s");
    }
    // Longer than messages are invisible: those that are not meant are kept, and not received again and again.
    let world = World::new(false);
    world.fill().await;
    for number in MESSAGES..200 {
        let request = world.client.send_message().queue_url("dead").message_body(body(number));
        request.message_attributes("FailureKind", text("bad-image")).send().await.unwrap();
    }
    let (_hand, stop) = Stop::by_hand();
    let plan = Plan { rate: Some(1), ..World::plan(false) };
    let outcome = world.redrive(&world.client, &plan, &stop).await.unwrap();
    assert_eq!((outcome.sent.values().sum::<u64>(), outcome.unseen), (195, 0));
    for message in world.drain("dead").await {
        assert_eq!(system_attribute(&message, &MessageSystemAttributeName::ApproximateReceiveCount), Some("2"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_comes_back_at_once_is_not_sent_for_ever() {
    let world = Arc::new(World::new(false));
    world.fill().await;
    let failing = {
        let world = Arc::clone(&world);
        // A function that fails each job as soon as it is there, as the batch runtime does.
        tokio::spawn(async move {
            loop {
                let request = world.client.receive_message().queue_url("jobs").wait_time_seconds(20);
                for message in request.send().await.unwrap().messages.unwrap_or_default() {
                    let back = world.client.send_message().queue_url("dead").message_body(message.body().unwrap());
                    let back = back.message_attributes("FailureKind", text("bad-image"));
                    let back = back.message_attributes("OriginalMessageId", text(message.message_id().unwrap()));
                    back.send().await.unwrap();
                    delete(&world.client, "jobs", &[message]).await;
                }
            }
        })
    };
    let (_hand, stop) = Stop::by_hand();
    let plan = Plan { rate: Some(5), ..World::plan(false) };
    let outcome = world.redrive(&world.client, &plan, &stop).await.unwrap();
    assert_eq!(outcome.sent.values().sum::<u64>(), 20);
    failing.abort();
    assert_eq!(world.drain("dead").await.len() + world.drain("jobs").await.len(), MESSAGES);
}

#[tokio::test(start_paused = true)]
async fn each_message_goes_to_the_queue_that_gave_it_up() {
    let world = World::new(false);
    let dead = world.queues.queue_attributes(&world.queues.scope().arn("dead")).unwrap().arn;
    let redrive = RedrivePolicy { dead_letter_target: dead, max_receive_count: 1 };
    let attributes = [Attribute::RedrivePolicy(Some(redrive))];
    world.queues.create_queue("others", &attributes).unwrap();
    world.queues.set_queue_attributes(&world.queues.scope().arn("jobs"), &attributes).unwrap();
    for queue in ["jobs", "others"] {
        world.client.send_message().queue_url(queue).message_body(queue).send().await.unwrap();
        for _ in 0..2 {
            world.client.receive_message().queue_url(queue).visibility_timeout(0).send().await.unwrap();
        }
    }
    world.client.send_message().queue_url("dead").message_body("of nobody").send().await.unwrap();
    let (_hand, stop) = Stop::by_hand();
    let plan = Plan::default();
    let outcome = world.redrive(&world.client, &plan, &stop).await.unwrap();
    assert_eq!((outcome.sent.len(), outcome.left.values().sum::<u64>()), (2, 1));
    let reason = outcome.left.keys().next().unwrap();
    assert!(reason.starts_with("2 queues have dead as their dead-letter queue"), "{reason}");
    for queue in ["jobs", "others"] {
        assert_eq!(bodies(&world.drain(queue).await), [queue]);
    }
    let name = QueueAttributeName::ApproximateNumberOfMessages;
    let request = world.client.get_queue_attributes().queue_url("dead").attribute_names(name.clone());
    assert_eq!(request.send().await.unwrap().attributes.unwrap()[&name], "1");
}
