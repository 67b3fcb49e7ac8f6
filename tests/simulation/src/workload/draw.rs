//! Values for the operations: at the limits, beside them, and the few that make things meet.

use std::{collections::BTreeMap, time::Duration};

use local_queue_engine::{
    Attribute, DeduplicationScope, FifoThroughputLimit, Limits, MessageAttribute, MessageAttributes, MessageBody,
    QueueArn, QueueName, QuotaAction, ReceiptHandle, Receive, RedriveAllowPolicy, RedrivePolicy, SendMessage,
};

use super::{Operation, Workload};

/// Up to ten messages, for a minute.
pub(super) fn all() -> Receive {
    let visibility_timeout = Some(Duration::from_secs(60));
    Receive { max_messages: 10, visibility_timeout, wait_time: Some(Duration::ZERO), attempt_id: None }
}

const TAGS: [&str; 3] = ["x", "y", "z"];

impl Workload {
    pub(super) fn name(&mut self) -> QueueName {
        self.rng.choice(&self.names).expect("there are names").clone()
    }

    pub(super) fn queue(&mut self) -> QueueArn {
        // Now and then one that nobody ever creates.
        if self.rng.u32(..200) == 0 {
            return Self::scope().arn(if self.rng.bool() { "missing" } else { "missing.fifo" });
        }
        Self::scope().arn(self.name().as_str())
    }

    fn is_faulty(&mut self) -> bool {
        self.rng.u32(..self.fault_every) == 0
    }

    /// One of `inside`, or, as a fault, one of `outside`.
    fn seconds(&mut self, inside: &[u64], outside: &[u64]) -> Duration {
        let values = if self.is_faulty() { outside } else { inside };
        Duration::from_secs(*self.rng.choice(values).expect("there are values"))
    }

    pub(super) fn visibility_timeout(&mut self) -> Duration {
        self.seconds(&[0, 0, 1, 2, 30, 30, 300, 43_199, 43_200], &[43_201])
    }

    fn group(&mut self) -> String {
        format!("g{}", self.rng.u32(..self.groups))
    }

    fn token(&mut self) -> String {
        match self.rng.u32(..5) {
            0 => String::new(),
            1 => "a b".to_owned(),
            2 => "x".repeat(129),
            3 => "\u{e4}".to_owned(),
            _ => "x".repeat(128),
        }
    }

    pub(super) fn message(&mut self, is_fifo: bool) -> SendMessage {
        let body = match self.rng.u32(..60) {
            0 => "x".repeat(1_023 + self.rng.usize(..3)),
            _ => format!("b{}", self.rng.u32(..self.bodies)),
        };
        let mut message = SendMessage::new(MessageBody::parse(body).expect("the body is valid"));
        if self.rng.u32(..10) == 0 {
            let raw = BTreeMap::from([("color".to_owned(), MessageAttribute::string("red"))]);
            message.attributes = MessageAttributes::parse(raw, &Limits::STRICT).expect("the attribute is valid");
            message.trace_header = Some("Root=1-5759e988-bd862e3fe1be46a994272793".to_owned());
        }
        let takes_delay = self.rng.u32(..8) == 0 && (!is_fifo || self.rng.u32(..4) == 0);
        message.delay = takes_delay.then(|| self.seconds(&[0, 0, 1, 2, 899, 900], &[901]));
        if self.rng.u32(..self.ungrouped) != 0 {
            message.group_id = Some(if self.is_faulty() && self.rng.bool() { self.token() } else { self.group() });
        }
        let has_id = if is_fifo { self.rng.u32(..8) != 0 } else { self.rng.u32(..100) == 0 };
        if has_id {
            let id = format!("d{}", self.rng.u32(..self.deduplication_ids));
            message.deduplication_id = Some(if self.is_faulty() && self.rng.bool() { self.token() } else { id });
        }
        message
    }

    pub(super) fn receive(&mut self) -> Receive {
        let max_messages = match self.rng.u32(..8) {
            _ if self.is_faulty() => [0, 11][self.rng.usize(..2)],
            _ if self.receives_most => 10,
            0 => 10,
            1..=3 => 1,
            _ => 1 + self.rng.u64(..5),
        };
        let visibility_timeout = (self.rng.u32(..3) == 0).then(|| self.visibility_timeout());
        let wait_time = (self.rng.u32(..3) == 0).then(|| self.seconds(&[0, 1, 19, 20, 20], &[21]));
        let attempt_id = (self.rng.u32(..4) == 0)
            .then(|| if self.is_faulty() { self.token() } else { format!("r{}", self.rng.u32(..3)) });
        Receive { max_messages, visibility_timeout, wait_time, attempt_id }
    }

    /// Uses a handle given lately, mostly on its own queue.
    pub(super) fn with_handle(
        &mut self,
        queue: QueueArn,
        operation: impl FnOnce(QueueArn, ReceiptHandle, &mut Self) -> Operation,
    ) -> Operation {
        let count = self.handles.len();
        if count == 0 {
            return Operation::Receive { request: self.receive(), queue };
        }
        let back = if self.rng.bool() { self.rng.usize(..count) } else { self.rng.usize(..count.min(4)) };
        let (own, handle) = self.handles[count - 1 - back].clone();
        let queue = if self.rng.u32(..30) == 0 { queue } else { own };
        operation(queue, handle, self)
    }

    pub(super) fn create(&mut self, name: QueueName) -> Operation {
        let queue = Self::scope().arn(name.as_str());
        let mut attributes = if self.rng.bool() { Vec::new() } else { self.attributes(&queue) };
        if name.is_fifo() != (self.rng.u32(..50) == 0) {
            attributes.insert(0, Attribute::FifoQueue(true));
        }
        Operation::CreateQueue { name, attributes }
    }

    pub(super) fn attributes(&mut self, queue: &QueueArn) -> Vec<Attribute> {
        let count = 1 + self.rng.usize(..3);
        (0..count).map(|_| self.attribute(queue)).collect()
    }

    fn attribute(&mut self, queue: &QueueArn) -> Attribute {
        let is_fifo = queue.is_fifo() || self.rng.u32(..40) == 0;
        match self.rng.u32(..if is_fifo { 18 } else { 14 }) {
            0 => Attribute::Delay(self.seconds(&[0, 0, 0, 1, 2, 900], &[901])),
            1 | 2 => Attribute::VisibilityTimeout(self.visibility_timeout()),
            3 => Attribute::RetentionPeriod(self.seconds(&[60, 61, 300, 345_600, 1_209_600], &[59, 1_209_601])),
            4 => Attribute::WaitTime(self.seconds(&[0, 0, 1, 20], &[21])),
            5 => {
                let (inside, outside) = ([1_024, 1_025, 1_048_576], [1_023, 1_048_577]);
                Attribute::MaximumMessageSize(self.seconds(&inside, &outside).as_secs())
            }
            6..=8 => Attribute::RedrivePolicy(self.redrive_policy(queue)),
            9 => Attribute::RedriveAllowPolicy(self.redrive_allow_policy()),
            10 => Attribute::KmsMasterKeyId(["", "alias/aws/sqs"][self.rng.usize(..2)].to_owned()),
            11 => Attribute::KmsDataKeyReusePeriod(self.seconds(&[60, 300, 86_400], &[59, 86_401])),
            12 => Attribute::SqsManagedSse(self.rng.bool()),
            13 => Attribute::Policy(self.rng.bool().then(|| "{}".to_owned())),
            14 | 15 => Attribute::ContentBasedDeduplication(self.rng.u32(..4) != 0),
            16 => Attribute::DeduplicationScope(
                [DeduplicationScope::Queue, DeduplicationScope::MessageGroup][self.rng.usize(..2)],
            ),
            _ if self.rng.u32(..8) == 0 => Attribute::FifoQueue(self.rng.bool()),
            _ => Attribute::FifoThroughputLimit(
                [FifoThroughputLimit::PerQueue, FifoThroughputLimit::PerMessageGroupId][self.rng.usize(..2)],
            ),
        }
    }

    fn redrive_policy(&mut self, queue: &QueueArn) -> Option<RedrivePolicy> {
        if self.rng.u32(..5) == 0 {
            return None;
        }
        let mut target = self.queue();
        // The other type is refused, so try again once.
        if target.is_fifo() != queue.is_fifo() || target == *queue {
            target = self.queue();
        }
        let counts: &[u64] = if self.is_faulty() { &[0, 1_001] } else { &[1, 1, 1, 2, 2, 3, 1_000] };
        let count = *self.rng.choice(counts).expect("there are counts");
        Some(RedrivePolicy { dead_letter_target: target, max_receive_count: u32::try_from(count).unwrap_or(u32::MAX) })
    }

    fn redrive_allow_policy(&mut self) -> Option<RedriveAllowPolicy> {
        match self.rng.u32(..6) {
            0 => Some(RedriveAllowPolicy::DenyAll),
            1 => Some(RedriveAllowPolicy::ByQueue(vec![self.queue()])),
            2 => Some(RedriveAllowPolicy::AllowAll),
            _ => None,
        }
    }

    pub(super) fn tags(&mut self) -> BTreeMap<String, String> {
        let count = 1 + self.rng.usize(..2);
        (0..count).map(|_| (TAGS[self.rng.usize(..3)].to_owned(), self.rng.u32(..3).to_string())).collect()
    }

    pub(super) fn list(&mut self) -> Operation {
        let prefix = ["", "a", "b", "a.", "d"][self.rng.usize(..5)];
        let after = [None, Some("a"), Some("a.fifo"), Some("b"), Some("c")][self.rng.usize(..5)];
        Operation::List { prefix, after, max: self.rng.usize(..5) }
    }

    pub(super) fn action(&mut self) -> QuotaAction {
        [QuotaAction::Send, QuotaAction::Receive, QuotaAction::Delete, QuotaAction::ChangeVisibility]
            [self.rng.usize(..4)]
    }

    pub(super) fn start_task(&mut self, queue: QueueArn) -> Operation {
        let destination = self.rng.bool().then(|| self.queue());
        let rates: &[i64] = if self.is_faulty() { &[-1, 0, 501] } else { &[1, 2, 3, 7, 499, 500] };
        let rate = (self.rng.u32(..3) != 0).then(|| *self.rng.choice(rates).expect("there are rates"));
        Operation::StartTask { queue, destination, rate }
    }

    pub(super) fn cancel_task(&mut self, queue: QueueArn) -> Operation {
        let back = self.rng.usize(..3);
        match self.task_ids.iter().rev().nth(back).cloned() {
            Some((own, id)) if self.rng.u32(..8) != 0 => Operation::CancelTask { queue: own, id },
            Some((_, id)) => Operation::CancelTask { queue, id },
            None => Operation::CancelTask { queue, id: "none".to_owned() },
        }
    }
}
