//! The MD5 digests by which SDKs check what SQS received and sent.

use std::fmt;

use md5::{Digest as _, Md5};

use crate::engine::{MessageAttribute, MessageAttributeValue, MessageBody};

/// An MD5, which is shown in lower-case hex.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Digest([u8; 16]);

impl Digest {
    /// The digest of this body, which is kept with it from here on.
    pub(super) fn keep(body: MessageBody) -> (MessageBody, Self) {
        let digest = body_md5(body.as_str());
        (body.with_digest(digest.0), digest)
    }

    /// The digest of a body, which is computed only if its sender has not left it: one that is no client of the wire.
    pub(super) fn kept(body: &MessageBody) -> Self {
        body.digest().map_or_else(|| body_md5(body.as_str()), Self)
    }

    /// Adds the digest to a text.
    pub(super) fn write_to(self, text: &mut String) {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut written = [0; 32];
        for (pair, byte) in written.chunks_exact_mut(2).zip(self.0) {
            pair.copy_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
        }
        text.push_str(std::str::from_utf8(&written).expect("digits are text"));
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::with_capacity(32);
        self.write_to(&mut text);
        f.write_str(&text)
    }
}

/// The digest of a body: MD5 of its UTF-8 bytes.
#[must_use]
pub(crate) fn body_md5(body: &str) -> Digest {
    Digest(Md5::digest(body.as_bytes()).into())
}

/// The digest of message attributes, which must come in the order of their names.
///
/// AWS (developer guide, "Calculating the MD5 message digest for message attributes"): the length and bytes of the
/// name, of the type, one byte for the kind of value, the length and bytes of the value.
#[must_use]
pub(crate) fn attributes_md5<'a>(attributes: impl IntoIterator<Item = (&'a str, &'a MessageAttribute)>) -> Digest {
    let mut md5 = Md5::new();
    for (name, attribute) in attributes {
        let (kind, value) = match &attribute.value {
            MessageAttributeValue::Text(text) => (1, text.as_bytes()),
            MessageAttributeValue::Binary(bytes) => (2, bytes.as_slice()),
        };
        update_with_length(&mut md5, name.as_bytes());
        update_with_length(&mut md5, attribute.data_type.as_bytes());
        md5.update([kind]);
        update_with_length(&mut md5, value);
    }
    Digest(md5.finalize().into())
}

fn update_with_length(md5: &mut Md5, bytes: &[u8]) {
    let length = u32::try_from(bytes.len()).expect("no attribute is longer than a message");
    md5.update(length.to_be_bytes());
    md5.update(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_that_sqs_was_recorded_to_answer() {
        let string = MessageAttribute::string;
        let one = [("test-key", string("test-value"))];
        let trace = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";
        let trace = [("AWSTraceHeader", string(trace))];
        let md5 =
            |pairs: &[(&'static str, MessageAttribute)]| attributes_md5(pairs.iter().map(|(n, a)| (*n, a))).to_string();
        assert_eq!(md5(&one), "befa18540a897f7d022bf07057754a03");
        assert_eq!(md5(&trace), "5ae4d5d7636402d80f4eb6d213245a88");
        assert_eq!(body_md5("hello").to_string(), "5d41402abc4b2a76b9719d911017c592");
    }
}
