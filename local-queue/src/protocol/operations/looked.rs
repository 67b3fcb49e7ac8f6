//! Messages that somebody only looks at, as a receive would show them.

use super::messages::Wanted;
use crate::{
    engine::{Delivery, Peeked, QueueArn, Time},
    protocol::document::Document,
};

/// What stands in the place of a receipt handle: nobody has received the message. It is LocalStack's.
const NO_HANDLE: &str = "SQS/BACKDOOR/ACCESS";

/// A message with all its attributes, and what is said of it beside.
pub(in crate::protocol) struct Looked<'a> {
    pub(in crate::protocol) peeked: &'a Peeked,
    pub(in crate::protocol) queue: &'a QueueArn,
    /// Attributes that SQS does not have.
    pub(in crate::protocol) marks: &'a [(&'static str, bool)],
}

impl Looked<'_> {
    pub(in crate::protocol) fn render(&self) -> Document {
        let delivery = Delivery {
            message: self.peeked.message.clone(),
            receipt_handle: self.peeked.receipt_handle,
            receive_count: self.peeked.receive_count,
            // LocalStack says 0 of what has not been received.
            first_received_at: self.peeked.first_received_at.unwrap_or(Time::EPOCH),
        };
        let mut document = Wanted::all().render(&delivery, self.queue, NO_HANDLE.to_owned());
        let Document::Struct(members) = &mut document else { return document };
        for (name, value) in members {
            if let ("Attributes", Document::Map(attributes)) = (*name, value) {
                let marks =
                    self.marks.iter().map(|(name, flag)| ((*name).to_owned(), Document::text(flag.to_string())));
                attributes.extend(marks);
                attributes.sort_by(|one, other| one.0.cmp(&other.0));
            }
        }
        document
    }
}
