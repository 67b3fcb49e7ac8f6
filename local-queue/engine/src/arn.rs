//! Where queues live, and their full names.

use std::{borrow::Borrow, fmt, sync::Arc};

/// Where a queue lives: the region and the 12-digit account.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Scope {
    /// Such as `us-east-1`.
    pub region: Arc<str>,
    /// Such as `000000000000`.
    pub account: Arc<str>,
}

impl Scope {
    /// A scope by its two names, which are taken as they are.
    #[must_use]
    pub fn new(region: &str, account: &str) -> Self {
        Self { region: region.into(), account: account.into() }
    }

    /// The ARN that a queue of this name has here. The name need not be valid: no queue has an invalid one.
    #[must_use]
    pub fn arn(&self, name: &str) -> QueueArn {
        let mut arn = String::with_capacity(48 + name.len());
        arn.extend(["arn:aws:sqs:", &self.region, ":", &self.account, ":", name]);
        QueueArn(arn.into())
    }
}

impl Default for Scope {
    fn default() -> Self {
        Self::new("us-east-1", "000000000000")
    }
}

/// The full name of a queue: `arn:aws:sqs:REGION:ACCOUNT:NAME`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueueArn(Arc<str>);

impl QueueArn {
    /// Reads an ARN of SQS; `None` if it is anything else.
    #[must_use]
    pub fn parse(raw: &str) -> Option<Self> {
        let mut parts = raw.split(':');
        let known = parts.next() == Some("arn")
            && parts.next().is_some_and(|partition| partition.starts_with("aws"))
            && parts.next() == Some("sqs")
            && parts.next().is_some_and(|region| !region.is_empty())
            && parts.next().is_some_and(|account| !account.is_empty())
            && parts.next().is_some_and(|name| !name.is_empty());
        (known && parts.next().is_none()).then(|| Self(raw.into()))
    }

    /// The ARN as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn part(&self, index: usize) -> &str {
        self.0.split(':').nth(index).unwrap_or_default()
    }

    /// The region.
    #[must_use]
    pub fn region(&self) -> &str {
        self.part(3)
    }

    /// The account that owns the queue.
    #[must_use]
    pub fn account(&self) -> &str {
        self.part(4)
    }

    /// The queue's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.part(5)
    }

    /// Whether this is the ARN of a FIFO queue.
    #[must_use]
    pub fn is_fifo(&self) -> bool {
        self.0.ends_with(".fifo")
    }
}

impl Borrow<str> for QueueArn {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for QueueArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for QueueArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_is_taken_apart() {
        let arn = QueueArn::parse("arn:aws:sqs:eu-west-1:123456789012:jobs.fifo").unwrap();
        assert_eq!((arn.region(), arn.account(), arn.name()), ("eu-west-1", "123456789012", "jobs.fifo"));
        assert_eq!(Scope::new("eu-west-1", "123456789012").arn("jobs.fifo"), arn);
        assert!(arn.is_fifo());
        for raw in ["", "jobs", "arn:aws:s3:::bucket", "arn:aws:sqs:::jobs", "arn:aws:sqs:a:b:c:d", "arn:aws:sqs:a:b:"]
        {
            assert_eq!(QueueArn::parse(raw), None, "{raw}");
        }
    }
}
