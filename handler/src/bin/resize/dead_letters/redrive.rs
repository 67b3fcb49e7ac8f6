//! Sending messages back: each is sent first and deleted then, and a journal says what was sent.
//!
//! What is known after a kill at any moment, and what the next run does about it:
//!
//! - before the request was written down: nothing was sent; the message is sent.
//! - between that and the answer's line: the message may have arrived. A FIFO queue takes it once within five minutes, and is
//!   sent it again; any other message is named and left.
//! - behind the answer's line: the message has arrived; it is deleted.

use std::collections::{BTreeMap, HashSet};

use anyhow::bail;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{Message, MessageSystemAttributeName};
use handler::event::FIFO_SUFFIX;
use local_queue_terminal::{note, one_line, print};

use super::command::what;
use super::destination::{Destination, Destinations};
use super::document::without_reason;
use super::journal::{self, Journal, Known};
use super::look::{Hold, INVISIBLE_SECONDS, QueueState, delete};
use super::select::Filter;
use super::{History, attribute, dead_letter, system_attribute};
use crate::arguments::RedriveDeadLetters;
use crate::send::{Batches, Outgoing, Pace, digest, send_batch};
use crate::stop::{Interruption, Stop};
use crate::table;

/// AWS: a FIFO queue takes a deduplication id once in five minutes (documentation: "Exactly-once processing in Amazon SQS").
/// Less by what a request may take.
const DEDUPLICATED_MILLIS: i64 = 240_000;
/// Ids that are named one by one.
const NAMED_MAX: usize = 20;

/// What a redrive is to do.
#[derive(Clone, Debug, Default)]
pub(super) struct Plan {
    pub(super) filter: Filter,
    pub(super) rate: Option<u16>,
    pub(super) resend_unsure: bool,
}

/// What became of the messages.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// By the ARN of the queue that took them.
    pub(super) sent: BTreeMap<String, u64>,
    /// Those that an earlier run had sent, and this one has deleted only.
    pub(super) sent_before: u64,
    /// Ids of those of which nobody knows whether they were sent.
    pub(super) unsure: Vec<String>,
    /// How many stay that were meant, by the reason.
    pub(super) left: BTreeMap<String, u64>,
    /// How many were there at the beginning and could not be received: delayed, or in flight to another consumer.
    pub(super) unseen: u64,
    pub(super) interruption: Option<Interruption>,
}

impl Outcome {
    fn stays(&mut self, reason: String) {
        *self.left.entry(reason).or_default() += 1;
    }
}

/// A message that was received, with what is sent of it.
struct Back {
    message: Message,
    mark: String,
    outgoing: Outgoing,
}

/// Carries out the command. Returns the exit code.
pub(super) async fn run(
    client: &Client,
    arguments: &RedriveDeadLetters,
    filter: Filter,
    stop: &Stop,
) -> anyhow::Result<u8> {
    let queue = QueueState::ask(client, &arguments.queue_url).await?;
    queue.check_policy(arguments.despite_redrive_policy)?;
    let mut destinations = Destinations::new(client, &queue.url, arguments.to.as_deref()).await?;
    let plan = Plan { filter, rate: arguments.rate, resend_unsure: arguments.resend_unsure };
    if arguments.dry_run {
        return rehearse(client, &queue, &plan, &mut destinations, stop).await;
    }
    let path = arguments.journal.clone().unwrap_or_else(|| journal::default_path(&queue.url, &queue.arn));
    let mut journal = Journal::open(&path)?;
    if journal.len() > 0 {
        let count = table::count(journal.len() as u64, "message");
        note(format_args!("resize: resuming an interrupted redrive: its journal has {count}"));
    }
    let outcome = redrive(client, &queue, &plan, &mut destinations, &mut journal, stop).await?;
    let code = report(&outcome, &journal, &queue);
    journal.close();
    Ok(code)
}

/// Says what would be done.
async fn rehearse(
    client: &Client,
    queue: &QueueState,
    plan: &Plan,
    destinations: &mut Destinations<'_>,
    stop: &Stop,
) -> anyhow::Result<u8> {
    let seen = queue.look(client, usize::MAX, true, stop).await?;
    if let Some(interruption) = seen.interruption {
        return Ok(super::command::interrupted(interruption));
    }
    let history = History::default();
    let mut rows = Vec::new();
    for message in &seen.messages {
        let letter = dead_letter(message, &history);
        if plan.filter.takes(message, &letter) {
            let to = destinations.of(message).await.map_or_else(|reason| format!("stays: {reason}"), |to| to.arn);
            rows.push([message.message_id().unwrap_or_default().to_owned(), what(&letter.body), letter.kind, to]);
        }
    }
    let count = table::count(rows.len() as u64, "message");
    if !rows.is_empty() {
        let mut table = table::table(["Message", "Source", "Kind", "Goes to"]);
        table.add_rows(rows.iter().map(|row| row.each_ref().map(|cell| one_line(cell).to_string())));
        print(format_args!("{table}"));
    }
    print(format_args!("{count} would be sent; nothing was"));
    if let Some(rest) = seen.rest {
        print(format_args!("{rest}"));
    }
    Ok(0)
}

fn report(outcome: &Outcome, journal: &Journal, queue: &QueueState) -> u8 {
    for (arn, count) in &outcome.sent {
        print(format_args!("{} sent to {arn}", table::count(*count, "message")));
    }
    if outcome.sent_before > 0 {
        let count = table::count(outcome.sent_before, "message");
        print(format_args!("{count} deleted, already sent by the interrupted redrive"));
    }
    if outcome.sent.is_empty() && outcome.sent_before == 0 {
        print(format_args!("no messages sent"));
    }
    if !outcome.unsure.is_empty() {
        let ids = outcome.unsure.iter().take(NAMED_MAX).map(String::as_str).collect::<Vec<_>>().join(", ");
        let more = if outcome.unsure.len() > NAMED_MAX { ", ..." } else { "" };
        note(format_args!(
            "resize: {} being sent when a redrive was interrupted, and may have arrived: --resend-unsure sends them again, \
             `dead-letters delete --id` deletes them: {ids}{more}",
            match outcome.unsure.len() {
                1 => "1 message was".to_owned(),
                count => format!("{count} messages were"),
            }
        ));
    }
    if let Some(interruption) = outcome.interruption {
        note(format_args!(
            "resize: stopped by {}; the rest stays in {}, and the same command resumes",
            interruption.name(),
            queue.url
        ));
        return interruption.exit_code();
    }
    for (reason, count) in &outcome.left {
        note(format_args!("resize: {} not sent: {}", table::count(*count, "message"), one_line(reason)));
    }
    if outcome.unseen > 0 {
        let reason = if queue.url.ends_with(FIFO_SUFFIX) {
            "a FIFO queue delivers no more of a message group while its earlier messages remain or are in flight to another consumer"
        } else {
            "delayed, or in flight to another consumer"
        };
        note(format_args!(
            "resize: {} could not be received: {reason}; what a killed redrive had received is visible again within \
             {INVISIBLE_SECONDS} s",
            table::count(outcome.unseen, "message")
        ));
    }
    if journal.len() > outcome.unsure.len() {
        let path = journal.path().display();
        note(format_args!(
            "resize: some messages were sent but not deleted; they are recorded in {path}: run the command again"
        ));
        return 1;
    }
    u8::from(!outcome.left.is_empty() || !outcome.unsure.is_empty() || outcome.unseen > 0)
}

/// Redrives the selected messages until none is left or a stop is requested.
pub(super) async fn redrive(
    client: &Client,
    queue: &QueueState,
    plan: &Plan,
    destinations: &mut Destinations<'_>,
    journal: &mut Journal,
    stop: &Stop,
) -> anyhow::Result<Outcome> {
    let mut redrive = Redrive {
        client,
        queue_url: &queue.url,
        plan,
        destinations,
        journal,
        hold: Hold::new(client, &queue.url),
        pace: Pace::new(plan.rate),
        outcome: Outcome::default(),
        new_ids: HashSet::new(),
    };
    let ended = redrive.run(stop).await;
    redrive.hold.give_back().await;
    let Redrive { mut outcome, hold, .. } = redrive;
    let seen = outcome.sent.values().sum::<u64>() + outcome.sent_before + hold.messages.len() as u64;
    // After a signal most were not asked for.
    outcome.unseen = if outcome.interruption.is_some() { 0 } else { queue.depth.saturating_sub(seen) };
    ended.map(|()| outcome)
}

struct Redrive<'a, 'b> {
    client: &'a Client,
    queue_url: &'a str,
    plan: &'a Plan,
    destinations: &'a mut Destinations<'b>,
    journal: &'a mut Journal,
    /// What was received and stays.
    hold: Hold<'a>,
    pace: Pace,
    outcome: Outcome,
    /// Ids of messages already sent: a message that fails again at once is not sent in an endless loop.
    new_ids: HashSet<String>,
}

impl Redrive<'_, '_> {
    async fn run(&mut self, stop: &Stop) -> anyhow::Result<()> {
        loop {
            self.hold.renew().await;
            let received = tokio::select! {
                biased;
                interruption = stop.requested() => {
                    self.outcome.interruption = Some(interruption);
                    return Ok(());
                }
                received = self.hold.receive(self.pace.batch()) => received?,
            };
            if received.is_empty() {
                return Ok(());
            }
            self.work(received, stop).await?;
            if self.outcome.interruption.is_some() {
                return Ok(());
            }
        }
    }

    /// What was received at once: sent where it belongs, or held.
    async fn work(&mut self, received: Vec<Message>, stop: &Stop) -> anyhow::Result<()> {
        // Kinds do not depend on how often a message was tried.
        let history = History::default();
        let mut batches: Vec<(Destination, Vec<Back>)> = Vec::new();
        let mut done = Vec::new();
        for message in received {
            let letter = dead_letter(&message, &history);
            let mark = journal::mark(&message);
            let known = self.journal.known(&mark);
            if known == Some(Known::Sent) {
                done.push((message, mark));
                continue;
            }
            if self.is_back(&message) || !self.plan.filter.takes(&message, &letter) {
                self.hold.keep(message);
                continue;
            }
            match self.back(message, mark, known).await {
                Ok((destination, back)) => match batches.iter_mut().find(|(other, _)| *other == destination) {
                    Some((_, batch)) => batch.push(back),
                    None => batches.push((destination, vec![back])),
                },
                Err(message) => self.hold.keep(*message),
            }
        }
        self.outcome.sent_before += done.len() as u64;
        self.delete(done).await?;
        for (destination, batch) in batches {
            self.send(&destination, batch, stop).await?;
        }
        Ok(())
    }

    /// Whether it is one that was sent just now, and has failed again.
    fn is_back(&self, message: &Message) -> bool {
        message.message_id().is_some_and(|id| self.new_ids.contains(id))
            || attribute(message, "OriginalMessageId").is_some_and(|id| self.new_ids.contains(&id))
    }

    /// What is sent of a message, and where; or the message, if it must stay.
    async fn back(
        &mut self,
        message: Message,
        mark: String,
        known: Option<Known>,
    ) -> Result<(Destination, Back), Box<Message>> {
        let destination = match self.destinations.of(&message).await {
            Ok(destination) => destination,
            Err(reason) => {
                self.outcome.stays(reason);
                return Err(Box::new(message));
            }
        };
        if let Some(Known::Unsure { since_millis }) = known {
            let is_deduplicated = destination.is_fifo() && now_millis() - since_millis < DEDUPLICATED_MILLIS;
            if !is_deduplicated && !self.plan.resend_unsure {
                self.outcome.unsure.push(message.message_id().unwrap_or_default().to_owned());
                return Err(Box::new(message));
            }
        }
        match outgoing(&message, destination.is_fifo()) {
            Ok(outgoing) => Ok((destination, Back { message, mark, outgoing })),
            Err(error) => {
                self.outcome.stays(format!("{error:#}"));
                Err(Box::new(message))
            }
        }
    }

    async fn send(&mut self, destination: &Destination, batch: Vec<Back>, stop: &Stop) -> anyhow::Result<()> {
        let mut waiting = batch.into_iter();
        // As many as one request can have, by their bytes.
        let outgoing = waiting.as_slice().iter().map(|back| Ok(back.outgoing.clone())).collect::<Vec<_>>();
        let mut requests = Batches::new(outgoing.into_iter(), self.pace.batch());
        while let Some(request) = requests.take()? {
            let backs = waiting.by_ref().take(request.len()).collect::<Vec<_>>();
            let interruption = tokio::select! {
                biased;
                interruption = stop.requested() => Some(interruption),
                () = self.pace.turn(backs.len()) => None,
            };
            if let Some(interruption) = interruption {
                self.outcome.interruption = Some(interruption);
                self.keep(backs.into_iter().chain(waiting));
                return Ok(());
            }
            self.send_request(destination, &request, backs).await?;
        }
        Ok(())
    }

    fn keep(&mut self, backs: impl IntoIterator<Item = Back>) {
        for back in backs {
            self.hold.keep(back.message);
        }
    }

    async fn send_request(
        &mut self,
        destination: &Destination,
        request: &[Outgoing],
        backs: Vec<Back>,
    ) -> anyhow::Result<()> {
        let marks = || backs.iter().map(|back| back.mark.clone()).collect::<Vec<_>>();
        if let Err(error) = self.journal.sending(marks(), now_millis()) {
            self.keep(backs);
            return Err(error);
        }
        let ids = match send_batch(self.client, &destination.url, request).await {
            Ok(ids) => ids,
            Err(error) => {
                if error.is_answered {
                    self.journal.not_sent(marks())?;
                }
                self.keep(backs);
                return Err(error.error);
            }
        };
        let (mut sent, mut not_sent) = (Vec::new(), Vec::new());
        for (back, id) in backs.into_iter().zip(ids) {
            if let Some(id) = id {
                self.new_ids.insert(id);
                sent.push((back.message, back.mark));
            } else {
                not_sent.push(back.mark);
                self.hold.keep(back.message);
            }
        }
        for _ in &not_sent {
            self.outcome.stays("SQS refused it".to_owned());
        }
        if !sent.is_empty() {
            *self.outcome.sent.entry(destination.arn.clone()).or_default() += sent.len() as u64;
        }
        self.journal.sent(sent.iter().map(|(_, mark)| mark.clone()).collect())?;
        self.journal.not_sent(not_sent)?;
        self.delete(sent).await
    }

    /// Deletes what was sent. What cannot be deleted is known to the journal: it is received again, and deleted then.
    async fn delete(&mut self, done: Vec<(Message, String)>) -> anyhow::Result<()> {
        let (messages, marks): (Vec<_>, Vec<_>) = done.into_iter().unzip();
        let gone = delete(self.client, self.queue_url, &messages).await;
        self.journal.deleted(marks.into_iter().zip(gone).filter_map(|(mark, gone)| gone.then_some(mark)).collect())
    }
}

/// A message as it was, without the reason for which it is here.
fn outgoing(message: &Message, is_fifo: bool) -> anyhow::Result<Outgoing> {
    let id = message.message_id().unwrap_or_default();
    let body = message.body().unwrap_or_default().to_owned();
    let group = system_attribute(message, &MessageSystemAttributeName::MessageGroupId).map(ToOwned::to_owned);
    let group = group.or_else(|| attribute(message, "OriginalMessageGroupId"));
    if is_fifo && group.is_none() {
        bail!("it has no message group, which a FIFO queue needs");
    }
    Ok(Outgoing {
        name: format!("message {id}"),
        group,
        // The same whenever it is sent: if it has arrived and nobody knows, the queue does.
        deduplication_id: is_fifo.then(|| digest(&format!("{id} {body}"))),
        attributes: without_reason(message.message_attributes.clone().unwrap_or_default()),
        trace_header: system_attribute(message, &MessageSystemAttributeName::AwsTraceHeader).map(ToOwned::to_owned),
        body,
    })
}

/// By the wall clock: it is compared with what an earlier process has written.
fn now_millis() -> i64 {
    i64::try_from(local_queue::clock::Clock::wall_now().as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
