//! One queue of the model: a list of messages in the order of their arrival, and rules that scan it.

use std::{collections::BTreeMap, rc::Rc, time::Duration};

use local_queue_engine::{
    MoveTaskStatus, Place, QueueArn, QueueAttributes, QueueSettings, QuotaAction, SendMessage, TaskId, Time, Uuid,
};

/// A tenant of a standard queue is noisy with so many messages in flight, if these are also more than a tenth of all.
const NOISY_MIN: usize = 30;
/// A noisy tenant that sends nothing for so long is quiet again.
const SILENCE: Duration = Duration::from_secs(300);

/// What a message is known by for deduplication, as receivers see it.
#[derive(Clone, Debug)]
pub(crate) enum Deduplication {
    None,
    Text(Rc<str>),
    /// The id of a message, which the model may have to learn yet.
    IdOf(usize),
}

#[derive(Clone, Debug)]
pub(crate) struct Message {
    /// Its number among all arrivals in all queues.
    pub(crate) arrival: u64,
    /// Where the model keeps its id.
    pub(crate) id: usize,
    /// Where the model keeps its sequence number, if it has one.
    pub(crate) number: Option<usize>,
    pub(crate) sent: Rc<SendMessage>,
    pub(crate) deduplication: Deduplication,
    pub(crate) sent_at: Time,
    /// The queue that gave it up.
    pub(crate) source: Option<QueueArn>,
    /// What its retention is counted from.
    pub(crate) enqueued_at: Time,
    pub(crate) place: Place,
    /// When it becomes or became ready.
    pub(crate) visible_at: Time,
    pub(crate) received_at: Time,
    pub(crate) first_received_at: Option<Time>,
    pub(crate) receive_count: u32,
    pub(crate) receives_here: u32,
    /// Whether its visibility was changed since it was received.
    pub(crate) changed: bool,
}

impl Message {
    pub(crate) fn group(&self) -> Option<&str> {
        self.sent.group_id.as_deref()
    }
}

/// A right given by a receive: which queue, which message, which receive of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Handle {
    pub(crate) queue: u64,
    pub(crate) arrival: u64,
    pub(crate) receive: u32,
}

/// A message as it was handed out.
#[derive(Clone, Debug)]
pub(crate) struct Given {
    pub(crate) handle: Handle,
    pub(crate) message: Message,
}

#[derive(Debug)]
struct Tenant {
    name: String,
    noisy: bool,
    last_sent_at: Time,
}

/// A message that keeps its repetitions away.
#[derive(Debug)]
pub(crate) struct Seen {
    /// The group, if ids were unique by group when it was sent.
    pub(crate) group: Option<String>,
    pub(crate) id: Rc<str>,
    pub(crate) at: Time,
    pub(crate) message_id: usize,
    pub(crate) number: usize,
}

/// A receive that named itself, and what it was given.
#[derive(Debug)]
pub(crate) struct Attempt {
    pub(crate) id: String,
    pub(crate) at: Time,
    pub(crate) given: Vec<Handle>,
}

#[derive(Clone, Debug)]
pub(crate) struct Task {
    /// Learned from the answer.
    pub(crate) id: Option<TaskId>,
    pub(crate) destination: Option<QueueArn>,
    pub(crate) rate: Option<u32>,
    pub(crate) started_at: Time,
    pub(crate) status: MoveTaskStatus,
    pub(crate) moved: u64,
    pub(crate) to_move: u64,
    pub(crate) next_at: Time,
}

#[derive(Debug)]
pub(crate) struct Queue {
    /// Which of all queues ever created.
    pub(crate) incarnation: u64,
    pub(crate) arn: QueueArn,
    pub(crate) settings: QueueSettings,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) created_at: Time,
    pub(crate) modified_at: Time,
    pub(crate) purged_at: Option<Time>,
    pub(crate) messages: Vec<Message>,
    /// The groups of a FIFO queue that have something to receive, in the order of their turns.
    pub(crate) line: Vec<String>,
    tenants: Vec<Tenant>,
    pub(crate) seen: Vec<Seen>,
    pub(crate) attempts: Vec<Attempt>,
    /// Calls in the second of the last call.
    pub(crate) calls: (u64, Vec<QuotaAction>),
    pub(crate) tasks: Vec<Task>,
}

impl Queue {
    pub(crate) fn new(incarnation: u64, arn: QueueArn, settings: QueueSettings, now: Time) -> Self {
        Self {
            incarnation,
            arn,
            settings,
            tags: BTreeMap::new(),
            created_at: now,
            modified_at: now,
            purged_at: None,
            messages: Vec::new(),
            line: Vec::new(),
            tenants: Vec::new(),
            seen: Vec::new(),
            attempts: Vec::new(),
            calls: (0, Vec::new()),
            tasks: Vec::new(),
        }
    }

    pub(crate) fn is_fifo(&self) -> bool {
        self.arn.is_fifo()
    }

    pub(crate) fn count(&self, place: Place) -> usize {
        self.messages.iter().filter(|message| message.place == place).count()
    }

    pub(crate) fn attributes(&self) -> QueueAttributes {
        QueueAttributes {
            arn: self.arn.clone(),
            settings: self.settings.clone(),
            messages: self.count(Place::Ready),
            messages_delayed: self.count(Place::Delayed),
            messages_not_visible: self.count(Place::InFlight),
            created_at: self.created_at,
            modified_at: self.modified_at,
        }
    }

    /// Its messages, the oldest first.
    pub(crate) fn by_age(&self) -> Vec<&Message> {
        let mut messages: Vec<&Message> = self.messages.iter().collect();
        messages.sort_by_key(|message| (message.enqueued_at, message.arrival));
        messages
    }

    pub(crate) fn position(&self, arrival: u64) -> Option<usize> {
        self.messages.iter().position(|message| message.arrival == arrival)
    }

    // Time.

    fn expires_at(&self, message: &Message) -> Time {
        message.enqueued_at + self.settings.retention_period
    }

    /// The next moment at which a message expires or becomes ready.
    pub(crate) fn next_change(&self) -> Option<Time> {
        let moments = self.messages.iter().map(|message| {
            let expires_at = self.expires_at(message);
            if message.place == Place::Ready { expires_at } else { expires_at.min(message.visible_at) }
        });
        moments.min()
    }

    /// What is true at `now`: expired messages are gone, hidden ones whose time has come are ready.
    pub(crate) fn pass(&mut self, now: Time) {
        let expired = self.by_age().into_iter().filter(|message| self.expires_at(message) <= now);
        let expired: Vec<u64> = expired.map(|message| message.arrival).collect();
        for arrival in expired {
            self.messages.retain(|message| message.arrival != arrival);
            self.refresh();
        }
        let hidden = self.messages.iter().filter(|message| message.place != Place::Ready && message.visible_at <= now);
        let mut due: Vec<(Time, u64)> = hidden.map(|message| (message.visible_at, message.arrival)).collect();
        due.sort_unstable();
        for (_, arrival) in due {
            let position = self.position(arrival).expect("it was just found");
            self.messages[position].place = Place::Ready;
            self.refresh();
        }
    }

    // Changes. Each ends by looking who can be served now.

    pub(crate) fn arrive(&mut self, message: Message, now: Time) {
        if let (false, Some(group)) = (self.is_fifo(), message.group()) {
            match self.tenants.iter_mut().find(|tenant| tenant.name == group) {
                Some(tenant) => {
                    tenant.noisy &= tenant.last_sent_at + SILENCE > now;
                    tenant.last_sent_at = now;
                }
                None => self.tenants.push(Tenant { name: group.to_owned(), noisy: false, last_sent_at: now }),
            }
        }
        self.messages.push(message);
        self.refresh();
    }

    pub(crate) fn remove(&mut self, position: usize) -> Message {
        let message = self.messages.remove(position);
        self.refresh();
        message
    }

    pub(crate) fn hide(&mut self, position: usize, visible_at: Time) {
        self.messages[position].place = Place::InFlight;
        self.messages[position].visible_at = visible_at;
        self.refresh();
    }

    pub(crate) fn deliver(&mut self, position: usize, now: Time, timeout: Duration) -> Given {
        self.hide(position, now + timeout);
        let message = &mut self.messages[position];
        message.received_at = now;
        message.first_received_at.get_or_insert(now);
        message.receive_count += 1;
        message.receives_here += 1;
        message.changed = false;
        self.given(position)
    }

    pub(crate) fn given(&self, position: usize) -> Given {
        let message = self.messages[position].clone();
        let (queue, arrival, receive) = (self.incarnation, message.arrival, message.receives_here);
        Given { handle: Handle { queue, arrival, receive }, message }
    }

    pub(crate) fn purge(&mut self, now: Time) {
        self.messages.clear();
        self.seen.clear();
        self.attempts.clear();
        self.tenants.clear();
        self.purged_at = Some(now);
        self.refresh();
    }

    /// A group that has something to receive enters the line at its end; one that has not leaves it. A tenant whose
    /// backlog is gone is quiet.
    fn refresh(&mut self) {
        if !self.is_fifo() {
            for tenant in self.tenants.iter_mut().filter(|tenant| tenant.noisy) {
                let mut ready = self.messages.iter().filter(|message| message.place == Place::Ready);
                tenant.noisy = ready.any(|message| message.group() == Some(&tenant.name));
            }
            return;
        }
        // What precedes a group's first hidden message can be received: something, unless its first message is hidden.
        let mut groups: Vec<&str> = Vec::new();
        let mut available: Vec<&str> = Vec::new();
        for message in &self.messages {
            let group = message.group().unwrap_or_default();
            if !groups.contains(&group) {
                groups.push(group);
                if message.place == Place::Ready {
                    available.push(group);
                }
            }
        }
        self.line.retain(|group| available.contains(&group.as_str()));
        for group in available {
            if !self.line.iter().any(|it| it == group) {
                self.line.push(group.to_owned());
            }
        }
    }

    // Who is next.

    pub(crate) fn has_available(&self) -> bool {
        if self.is_fifo() { !self.line.is_empty() } else { self.count(Place::Ready) > 0 }
    }

    /// The arrivals of the messages that come next: of a FIFO queue what precedes the first hidden message of the group
    /// whose turn it is; of a standard queue one message.
    pub(crate) fn next(&mut self, now: Time) -> Vec<u64> {
        if !self.is_fifo() {
            return self.next_fair(now).map(|position| self.messages[position].arrival).into_iter().collect();
        }
        let Some(group) = self.line.first() else { return Vec::new() };
        let of_group = self.messages.iter().filter(|message| message.group() == Some(group));
        of_group.take_while(|message| message.place == Place::Ready).map(|message| message.arrival).collect()
    }

    /// By arrival, quiet tenants' messages first. Among noisy tenants the one with
    /// the fewest in flight. A tenant is judged when a message of its would be next.
    fn next_fair(&mut self, now: Time) -> Option<usize> {
        for tenant in &mut self.tenants {
            tenant.noisy &= tenant.last_sent_at + SILENCE > now;
        }
        loop {
            let first = self.first_ready(|tenant| tenant.is_none_or(|tenant| !tenant.noisy));
            let Some(position) = first else { break };
            let group = self.messages[position].group().map(str::to_owned);
            let (of_tenant, total) = (self.in_flight_of(group.as_deref()), self.count(Place::InFlight));
            let tenant = self.tenants.iter_mut().find(|tenant| Some(tenant.name.as_str()) == group.as_deref());
            match tenant {
                Some(tenant)
                    if of_tenant >= NOISY_MIN && of_tenant * 10 > total && tenant.last_sent_at + SILENCE > now =>
                {
                    tenant.noisy = true;
                }
                _ => return Some(position),
            }
        }
        let noisy = self.tenants.iter().filter(|tenant| tenant.noisy);
        let heads = noisy.filter_map(|tenant| {
            let head = self.first_ready(|it| it.is_some_and(|it| it.name == tenant.name))?;
            let message = &self.messages[head];
            Some((self.in_flight_of(Some(&tenant.name)), message.arrival, head))
        });
        heads.min().map(|head| head.2)
    }

    fn first_ready(&self, admits: impl Fn(Option<&Tenant>) -> bool) -> Option<usize> {
        let ready = self.messages.iter().enumerate().filter(|(_, message)| message.place == Place::Ready);
        let admitted = ready.filter(|(_, message)| {
            admits(self.tenants.iter().find(|tenant| Some(tenant.name.as_str()) == message.group()))
        });
        admitted.min_by_key(|(_, message)| message.arrival).map(|(position, _)| position)
    }

    fn in_flight_of(&self, group: Option<&str>) -> usize {
        let in_flight = self.messages.iter().filter(|message| message.place == Place::InFlight);
        in_flight.filter(|message| group.is_some() && message.group() == group).count()
    }

    /// Whether a message was received from here as often as the redrive policy allows.
    pub(crate) fn is_spent(&self, position: usize) -> bool {
        let policy = self.settings.redrive_policy.as_ref();
        policy.is_some_and(|policy| self.messages[position].receives_here >= policy.max_receive_count)
    }

    pub(crate) fn running(&mut self) -> Option<&mut Task> {
        self.tasks.iter_mut().find(|task| task.status == MoveTaskStatus::Running)
    }

    pub(crate) fn task(&mut self, id: &str) -> Option<&mut Task> {
        self.tasks.iter_mut().find(|task| task.id.map(|known: Uuid| known.to_string()).as_deref() == Some(id))
    }
}
