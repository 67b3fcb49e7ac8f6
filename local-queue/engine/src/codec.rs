//! Values as bytes and back: what commands and the state of an engine are written in.
//!
//! Numbers take as many bytes as they need (LEB128), texts and blobs stand behind their length. Nothing here trusts the
//! bytes that it reads: a length is compared with what is there before anything is allocated.

use std::{sync::Arc, time::Duration};

use crate::{QueueArn, Time, Uuid};

/// The bytes are not what was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the bytes cannot be read: {what}")]
pub struct Malformed {
    /// What is wrong with them.
    pub what: &'static str,
}

pub(crate) const fn malformed(what: &'static str) -> Malformed {
    Malformed { what }
}

/// Writes values behind each other.
#[derive(Debug)]
pub struct Encoder<'a> {
    bytes: &'a mut Vec<u8>,
    /// What most ARNs begin with, which is left out of them.
    prefix: &'a str,
}

impl<'a> Encoder<'a> {
    /// Writes behind what is in `bytes`. ARNs that begin with `prefix` are written without it.
    pub const fn new(bytes: &'a mut Vec<u8>, prefix: &'a str) -> Self {
        Self { bytes, prefix }
    }

    pub(crate) const fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Takes what has been written.
    pub(crate) fn drain(&mut self, write: impl FnOnce(&[u8])) {
        write(self.bytes);
        self.bytes.clear();
    }

    /// One byte.
    pub fn byte(&mut self, byte: u8) {
        self.bytes.push(byte);
    }

    /// Whether something is so.
    pub fn flag(&mut self, flag: bool) {
        self.byte(flag.into());
    }

    /// A number.
    pub fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.byte((number & 0x7f) as u8 | 0x80);
            number >>= 7;
        }
        self.byte((number & 0x7f) as u8);
    }

    /// How many of something there are.
    pub fn count(&mut self, count: usize) {
        self.number(count as u64);
    }

    /// How many there are, and each.
    pub(crate) fn each<T>(&mut self, items: impl ExactSizeIterator<Item = T>, mut write: impl FnMut(&mut Self, T)) {
        self.count(items.len());
        for item in items {
            write(self, item);
        }
    }

    /// Bytes behind their number.
    pub fn blob(&mut self, blob: &[u8]) {
        self.count(blob.len());
        self.bytes.extend_from_slice(blob);
    }

    /// Bytes whose number the reader knows.
    pub fn array(&mut self, array: &[u8]) {
        self.bytes.extend_from_slice(array);
    }

    /// A text.
    pub fn text(&mut self, text: &str) {
        self.blob(text.as_bytes());
    }

    /// What may be absent.
    pub fn option<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        self.flag(value.is_some());
        if let Some(value) = value {
            write(self, value);
        }
    }

    /// A moment.
    pub fn time(&mut self, time: Time) {
        self.number(time.as_millis());
    }

    /// A time that passes.
    pub fn duration(&mut self, duration: Duration) {
        self.number(duration.as_secs());
        self.number(duration.subsec_nanos().into());
    }

    /// An identifier.
    pub fn uuid(&mut self, uuid: Uuid) {
        self.array(&uuid.to_bytes());
    }

    /// The ARN of a queue.
    pub fn arn(&mut self, arn: &str) {
        if let Some(name) = arn.strip_prefix(self.prefix).filter(|_| !self.prefix.is_empty()) {
            self.flag(true);
            self.text(name);
        } else {
            self.flag(false);
            self.text(arn);
        }
    }
}

/// Reads what an [`Encoder`] has written.
#[derive(Clone, Copy, Debug)]
pub struct Decoder<'a> {
    bytes: &'a [u8],
    prefix: &'a str,
}

impl<'a> Decoder<'a> {
    /// Reads from the beginning of `bytes`, with the prefix that they were written with.
    #[must_use]
    pub const fn new(bytes: &'a [u8], prefix: &'a str) -> Self {
        Self { bytes, prefix }
    }

    /// Whether everything has been read.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// So many bytes.
    pub fn array(&mut self, len: usize) -> Result<&'a [u8], Malformed> {
        let (array, rest) = self.bytes.split_at_checked(len).ok_or(malformed("they end too early"))?;
        self.bytes = rest;
        Ok(array)
    }

    /// One byte.
    pub fn byte(&mut self) -> Result<u8, Malformed> {
        let (byte, rest) = self.bytes.split_first().ok_or(malformed("they end too early"))?;
        self.bytes = rest;
        Ok(*byte)
    }

    /// Whether something is so.
    pub fn flag(&mut self) -> Result<bool, Malformed> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(malformed("a flag is neither 0 nor 1")),
        }
    }

    /// A number.
    pub fn number(&mut self) -> Result<u64, Malformed> {
        let mut number = 0_u64;
        for shift in (0..u64::BITS).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                break;
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(malformed("a number is too long"))
    }

    /// A number that fits into 32 bits.
    pub fn number32(&mut self) -> Result<u32, Malformed> {
        u32::try_from(self.number()?).map_err(|_| malformed("a number is too large"))
    }

    /// How many of something there are, each of at least one byte.
    pub fn count(&mut self) -> Result<usize, Malformed> {
        let count = usize::try_from(self.number()?).ok().filter(|count| *count <= self.bytes.len());
        count.ok_or(malformed("there are fewer than it says"))
    }

    /// Bytes behind their number.
    pub fn blob(&mut self) -> Result<&'a [u8], Malformed> {
        let len = self.count()?;
        self.array(len)
    }

    /// A text.
    pub fn text(&mut self) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.blob()?).map_err(|_| malformed("a text is not UTF-8"))
    }

    /// What may be absent.
    pub fn option<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, Malformed>) -> Result<Option<T>, Malformed> {
        if self.flag()? { read(self).map(Some) } else { Ok(None) }
    }

    /// A moment.
    pub fn time(&mut self) -> Result<Time, Malformed> {
        Ok(Time::from_millis(self.number()?))
    }

    /// A time that passes.
    pub fn duration(&mut self) -> Result<Duration, Malformed> {
        let (secs, nanos) = (self.number()?, self.number32()?);
        if nanos >= 1_000_000_000 {
            return Err(malformed("a duration has too many nanoseconds"));
        }
        Ok(Duration::new(secs, nanos))
    }

    /// An identifier.
    pub fn uuid(&mut self) -> Result<Uuid, Malformed> {
        let bytes = self.array(16)?.try_into().map_err(|_| malformed("they end too early"))?;
        Ok(Uuid::from_bytes(bytes))
    }

    /// The ARN of a queue.
    pub fn arn(&mut self) -> Result<QueueArn, Malformed> {
        let arn: Arc<str> =
            if self.flag()? { [self.prefix, self.text()?].concat().into() } else { self.text()?.into() };
        QueueArn::parse(&arn).ok_or(malformed("a queue has no ARN"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_and_those_that_are_too_long_are_refused() {
        let numbers = [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX - 1, u64::MAX];
        let mut bytes = Vec::new();
        for number in numbers {
            Encoder::new(&mut bytes, "").number(number);
        }
        let mut decoder = Decoder::new(&bytes, "");
        assert_eq!(numbers.map(|_| decoder.number()), numbers.map(Ok));
        assert!(decoder.is_empty());
        for bad in [&[0xff; 10][..], &[0x80; 11], &[0x80, 0x80], &[]] {
            assert!(Decoder::new(bad, "").number().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_arn_of_the_prefix_is_short_and_a_length_is_compared_with_what_is_there() {
        let prefix = "arn:aws:sqs:us-east-1:000000000000:";
        let mut bytes = Vec::new();
        let arns = [format!("{prefix}jobs"), "arn:aws:sqs:eu-west-1:111111111111:other".to_owned()];
        for arn in &arns {
            Encoder::new(&mut bytes, prefix).arn(arn);
        }
        assert_eq!(bytes[..6], *b"\x01\x04jobs");
        let mut decoder = Decoder::new(&bytes, prefix);
        assert_eq!([(), ()].map(|()| decoder.arn().unwrap().to_string()), arns);
        assert!(Decoder::new(&[0xff, 0xff, 0xff, 0xff, 0x0f, b'a'], "").blob().is_err());
    }
}
