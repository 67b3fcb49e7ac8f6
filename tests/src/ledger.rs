//! What happened to each message, and whether it should have.
//!
//! The rule: every submitted message ends in exactly one of *done* (its images are as specified, and it was deleted) and
//! *dead* (a dead letter with its body unchanged and its reason). None ends in both unless the test says why that may be,
//! none in neither, and at no moment is a message deleted that is not done or dead yet.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    io::Cursor,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use handler::storage::MemoryStore;
use image::ImageReader;
use local_queue::{
    LocalQueue,
    engine::{Delivery, MessageAttributeValue, QueueArn, Receive},
};

use crate::jobs::{Fate, Image, Job, Reason};

/// What a test explains beforehand; by default nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Explained {
    /// Messages are delivered again although they are done or dead, so a hopeless one may leave several dead letters: at
    /// most one for each delivery.
    pub redelivery: bool,
    /// The queue itself moves a message that was received so many times, whatever it is: a hopeless one has to go this
    /// way if nobody dead-letters it, and a good one may.
    pub redrive_after: Option<u32>,
}

/// A copy of a message in the dead-letter queue.
#[derive(Clone, Debug)]
struct DeadLetter {
    body: String,
    attributes: BTreeMap<String, String>,
    /// Moved here by the queue, not sent here by the handler.
    redriven: bool,
}

#[derive(Debug, Default)]
struct State {
    submitted: BTreeMap<String, Job>,
    received: BTreeMap<String, u32>,
    deleted: BTreeSet<String>,
    dead_letters: BTreeMap<String, Vec<DeadLetter>>,
    handles: HashMap<String, String>,
    violations: Vec<String>,
}

/// The book of one stack.
#[derive(Debug)]
pub struct Ledger {
    queues: LocalQueue,
    dead_letters: QueueArn,
    photos: Arc<MemoryStore>,
    thumbs: Arc<MemoryStore>,
    state: Mutex<State>,
}

impl Ledger {
    /// An empty book about these places.
    #[must_use]
    pub fn new(queues: LocalQueue, dead_letters: QueueArn, photos: Arc<MemoryStore>, thumbs: Arc<MemoryStore>) -> Self {
        Self { queues, dead_letters, photos, thumbs, state: Mutex::default() }
    }

    /// A message was sent.
    pub fn submitted(&self, id: String, job: Job) {
        self.lock().submitted.insert(id, job);
    }

    /// A message was delivered.
    pub fn received(&self, id: &str, receipt_handle: &str) {
        let mut state = self.lock();
        *state.received.entry(id.to_owned()).or_default() += 1;
        state.handles.insert(receipt_handle.to_owned(), id.to_owned());
    }

    /// A message is about to be deleted: it has to be done or dead *now*.
    pub async fn deleting(&self, receipt_handle: &str) {
        let id = self.lock().handles.get(receipt_handle).cloned();
        let Some((id, job)) = id.and_then(|id| self.lock().submitted.get(&id).cloned().map(|job| (id, job))) else {
            self.lock().violations.push(format!("{receipt_handle} is deleted and was never delivered"));
            return;
        };
        self.collect_dead_letters().await;
        let is_dead = self.lock().dead_letters.contains_key(&id);
        let wrong = match &job.fate {
            Fate::Done(images) => self.wrong_image(images),
            Fate::Dead(_) => Some("it is not in the dead-letter queue".to_owned()),
        };
        let mut state = self.lock();
        if let Some(wrong) = wrong.filter(|_| !is_dead) {
            state.violations.push(format!("{}: deleted before it was done: {wrong}", job.name));
        }
        state.deleted.insert(id);
    }

    /// How often each job was delivered, by its name.
    #[must_use]
    pub fn deliveries(&self) -> BTreeMap<String, u32> {
        let state = self.lock();
        let count = |id: &String| state.received.get(id).copied().unwrap_or_default();
        state.submitted.iter().map(|(id, job)| (job.name.clone(), count(id))).collect()
    }

    /// Everything that is not as it should be, once the queue is empty.
    pub async fn violations(&self, explained: Explained) -> Vec<String> {
        self.collect_dead_letters().await;
        let submitted = self.lock().submitted.clone();
        let mut violations = self.lock().violations.clone();
        let mut keys = BTreeSet::new();
        for (id, job) in &submitted {
            let wrong = match &job.fate {
                Fate::Done(images) => {
                    keys.extend(images.iter().map(|image| image.key.clone()));
                    let wrong_image = self.wrong_image(images);
                    self.lock().wrong_with_good(id, wrong_image, explained)
                }
                Fate::Dead(reason) => self.lock().wrong_with_poison(id, job, reason, explained),
            };
            violations.extend(wrong.map(|wrong| format!("{}: {wrong}", job.name)));
        }
        violations.extend(self.lock().strangers());
        violations.extend(self.changed_objects(&submitted, &keys));
        violations
    }

    /// Takes what is in the dead-letter queue, as somebody who looks after it would.
    async fn collect_dead_letters(&self) {
        loop {
            let request = Receive { max_messages: 10, wait_time: Some(Duration::ZERO), ..Receive::default() };
            let deliveries = self.queues.receive(&self.dead_letters, request).await.unwrap();
            if deliveries.is_empty() {
                return;
            }
            for delivery in deliveries {
                self.queues.delete(&self.dead_letters, delivery.receipt_handle).unwrap();
                let (id, dead_letter) = read_dead_letter(&delivery);
                self.lock().dead_letters.entry(id).or_default().push(dead_letter);
            }
        }
    }

    /// What is wrong with the first image that is not as specified.
    fn wrong_image(&self, images: &[Image]) -> Option<String> {
        for image in images {
            let Some((stored, content_type)) = self.thumbs.object(&image.key) else {
                return Some(format!("{} does not exist", image.key));
            };
            if let Some(wrong) = wrong_pixels(&stored, image) {
                return Some(format!("{} {wrong}", image.key));
            }
            if content_type != image.format.to_mime_type() {
                return Some(format!("{} has the content type {content_type:?}", image.key));
            }
        }
        None
    }

    /// Photos that are no longer what they were, and images that nobody asked for.
    fn changed_objects(&self, submitted: &BTreeMap<String, Job>, keys: &BTreeSet<String>) -> Vec<String> {
        let mut changed = Vec::new();
        for (key, bytes) in submitted.values().filter_map(|job| job.photo.as_ref()) {
            if self.photos.object(key).is_none_or(|(now, _)| now != *bytes) {
                changed.push(format!("the photo {key} was changed"));
            }
        }
        let stored = self.thumbs.keys();
        let unwanted = stored.iter().filter(|key| !keys.contains(*key));
        changed.extend(unwanted.map(|key| format!("nobody asked for {key}")));
        changed
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn wrong_with_good(&self, id: &str, wrong_image: Option<String>, explained: Explained) -> Option<String> {
        let received = self.received.get(id).copied().unwrap_or_default();
        match (self.dead_letters.get(id).map(Vec::as_slice), wrong_image) {
            (None, None) if self.deleted.contains(id) => None,
            (None, None) => Some("its images exist, but it was not deleted".to_owned()),
            (None, Some(wrong)) => Some(format!("lost: {wrong}")),
            (Some([dead]), _) if dead.redriven && explained.redrive_after.is_some_and(|count| received >= count) => {
                (dead.body != self.submitted[id].body).then(|| "its body was changed".to_owned())
            }
            (Some(dead), _) => Some(format!("dead-lettered without need after {received} deliveries: {dead:?}")),
        }
    }

    fn wrong_with_poison(&self, id: &str, job: &Job, reason: &Reason, explained: Explained) -> Option<String> {
        let received = self.received.get(id).copied().unwrap_or_default();
        let Some(dead_letters) = self.dead_letters.get(id) else {
            let deleted = self.deleted.contains(id);
            return Some(format!("not in the dead-letter queue; received {received} times, deleted: {deleted}"));
        };
        let redriven = dead_letters.iter().filter(|dead| dead.redriven).count();
        let sent = dead_letters.len() - redriven;
        let deleted = self.deleted.contains(id);
        let wrong = if sent > received as usize || redriven > 1 {
            Some("too many dead letters")
        } else if !explained.redelivery && sent + redriven > 1 {
            Some("more than one dead letter")
        } else if redriven == 0 && !deleted {
            Some("dead-lettered and not deleted")
        } else if redriven > 0 && deleted && !explained.redelivery {
            Some("deleted and redriven")
        } else {
            None
        };
        if let Some(wrong) = wrong {
            return Some(format!("{wrong}: {sent} sent and {redriven} redriven after {received} deliveries"));
        }
        dead_letters.iter().find_map(|dead| wrong_with_dead_letter(dead, id, job, reason, received, explained))
    }

    /// Dead letters of messages that nobody submitted.
    fn strangers(&self) -> Vec<String> {
        let strangers = self.dead_letters.keys().filter(|id| !self.submitted.contains_key(*id));
        strangers.map(|id| format!("the dead letter {id} was never submitted")).collect()
    }
}

fn wrong_with_dead_letter(
    dead: &DeadLetter,
    id: &str,
    job: &Job,
    reason: &Reason,
    received: u32,
    explained: Explained,
) -> Option<String> {
    if dead.body != job.body {
        return Some(format!("its body was changed to {:?}", dead.body));
    }
    if dead.redriven {
        let due = explained.redrive_after.is_some_and(|count| received >= count);
        return (!due).then(|| format!("redriven by the queue after {received} deliveries"));
    }
    let says = |name: &str| dead.attributes.get(name).map(String::as_str).unwrap_or_default();
    let count: u32 = says("OriginalReceiveCount").parse().unwrap_or_default();
    let right = says("FailureKind") == reason.kind
        && says("FailureBlame") == reason.blame
        && says("FailureMessage").contains(reason.names)
        && says("OriginalMessageId") == id
        && (1..=received).contains(&count);
    (!right).then(|| format!("expected {reason:?}, found {:?}", dead.attributes))
}

/// The id of the message that died, and its copy.
fn read_dead_letter(delivery: &Delivery) -> (String, DeadLetter) {
    let message = &delivery.message;
    let text = |value: &MessageAttributeValue| match value {
        MessageAttributeValue::Text(text) => text.clone(),
        MessageAttributeValue::Binary(bytes) => format!("{bytes:?}"),
    };
    let attributes = message.attributes().iter().map(|(name, attribute)| (name.to_owned(), text(&attribute.value)));
    let attributes: BTreeMap<_, _> = attributes.collect();
    let redriven = message.dead_letter_source().is_some();
    let original = attributes.get("OriginalMessageId").filter(|_| !redriven);
    let id = original.cloned().unwrap_or_else(|| message.id.to_string());
    (id, DeadLetter { body: message.body.as_str().to_owned(), attributes, redriven })
}

/// How far a colour may be off: lossy formats round, and the next colour is 51 away.
const COLOR_TOLERANCE: u8 = 16;

fn wrong_pixels(bytes: &Bytes, expected: &Image) -> Option<String> {
    let format = image::guess_format(bytes);
    if format.as_ref().ok() != Some(&expected.format) {
        return Some(format!("is {format:?}, not {:?}", expected.format));
    }
    let decoded = match ImageReader::with_format(Cursor::new(bytes), expected.format).decode() {
        Ok(decoded) => decoded.into_rgb8(),
        Err(error) => return Some(format!("cannot be decoded: {error}")),
    };
    if decoded.dimensions() != (expected.width, expected.height) {
        return Some(format!("is {:?}, not {}x{}", decoded.dimensions(), expected.width, expected.height));
    }
    let middle = decoded.get_pixel(expected.width / 2, expected.height / 2).0;
    let near = middle.iter().zip(expected.color).all(|(found, expected)| found.abs_diff(expected) <= COLOR_TOLERANCE);
    (!near).then(|| format!("shows {middle:?}, not {:?}: another job's photo?", expected.color))
}
