//! What has happened in a queue since the process began, counted as `CloudWatch` counts it.

/// The counts of a queue. They are no part of its state: nothing depends on them, and nothing keeps them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueueCounts {
    /// `NumberOfMessagesSent`: without duplicates on a FIFO queue, and without what came from a queue whose dead letters go
    /// here.
    pub sent: u64,
    /// `NumberOfMessagesReceived`: as often as each was.
    pub received: u64,
    /// `NumberOfMessagesDeleted`: by receivers, those included that had been deleted before.
    pub deleted: u64,
    /// `NumberOfEmptyReceives`: receives that brought nothing, at once or after a wait.
    pub empty_receives: u64,
    /// `SentMessageSize`.
    pub sent_sizes: MessageSizes,
}

/// How large messages were: how many of them up to each of some sizes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MessageSizes {
    steps: [u64; MessageSizes::BOUNDS.len() + 1],
    bytes: u64,
}

impl QueueCounts {
    /// A message of so many bytes was sent.
    pub(crate) fn count_sent(&mut self, bytes: u64) {
        self.sent += 1;
        self.sent_sizes.add(bytes);
    }

    /// A receive has brought so many messages.
    pub(crate) fn count_receive(&mut self, messages: usize) {
        self.received += messages as u64;
        self.empty_receives += u64::from(messages == 0);
    }
}

impl MessageSizes {
    /// The largest of each step in bytes, but for the last, which has no bound.
    pub const BOUNDS: [u64; 9] = [64, 256, 1_024, 4_096, 16_384, 65_536, 262_144, 524_288, 1_048_576];

    /// How many messages were in each step. The last has those that were larger than all bounds.
    #[must_use]
    pub const fn steps(&self) -> &[u64] {
        &self.steps
    }

    /// The bytes of all of them.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    fn add(&mut self, bytes: u64) {
        self.steps[Self::BOUNDS.partition_point(|bound| *bound < bytes)] += 1;
        self.bytes += bytes;
    }
}
