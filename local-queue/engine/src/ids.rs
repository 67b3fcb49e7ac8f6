//! Identifiers from a seeded source: the same seed gives the same run.

use std::fmt;

/// A random (version 4) UUID, by which SQS names messages, requests and tasks.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uuid(u128);

/// The identifier of a message.
pub type MessageId = Uuid;

impl Uuid {
    /// A UUID of these random bits, six of which are given up for its version and variant (RFC 9562).
    #[must_use]
    pub const fn from_random(high: u64, low: u64) -> Self {
        let bits = ((high as u128) << 64) | low as u128;
        Self((bits & !(0xf000 << 64) & !(0xc000 << 48)) | (0x4000 << 64) | (0x8000 << 48))
    }

    /// Reads a UUID as [`write_to`](Self::write_to) writes it, in either case; `None` if it is anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_form = text.len() == 36
            && text.bytes().enumerate().all(|(at, byte)| match at {
                8 | 13 | 18 | 23 => byte == b'-',
                _ => byte.is_ascii_hexdigit(),
            });
        is_form.then(|| u128::from_str_radix(&text.replace('-', ""), 16).ok().map(Self))?
    }

    /// Its 128 bits.
    pub(crate) const fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    pub(crate) const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(bytes))
    }

    /// Adds the text of this UUID to another, in lower case.
    pub fn write_to(self, text: &mut String) {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut written = [b'-'; 36];
        // Every message and every request has one, so that this is done without the machinery of formats.
        let mut at = 0;
        for byte in self.0.to_be_bytes() {
            at += usize::from(matches!(at, 8 | 13 | 18 | 23));
            written[at] = DIGITS[usize::from(byte >> 4)];
            written[at + 1] = DIGITS[usize::from(byte & 15)];
            at += 2;
        }
        text.push_str(std::str::from_utf8(&written).expect("digits are text"));
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::with_capacity(36);
        self.write_to(&mut text);
        f.pad(&text)
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A splitmix64 generator: not secret, only distinct and repeatable.
#[derive(Clone, Debug)]
pub struct IdSource {
    state: u64,
}

impl IdSource {
    /// A source that yields the same identifiers for the same seed.
    #[must_use]
    pub const fn seeded(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The seed of a source that goes on as this one would.
    #[must_use]
    pub(crate) const fn state(&self) -> u64 {
        self.state
    }

    /// The output function of splitmix64: every input bit reaches every output bit, and no two inputs have one output.
    #[must_use]
    pub const fn mix(mut bits: u64) -> u64 {
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        Self::mix(self.state)
    }

    /// The next UUID.
    pub fn next_uuid(&mut self) -> Uuid {
        Uuid::from_random(self.next_u64(), self.next_u64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_is_written_with_hyphens_in_lower_case() {
        let id = Uuid::from_random(0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210);
        assert_eq!(id.to_string(), "01234567-89ab-4def-bedc-ba9876543210");
        assert_eq!(Uuid::parse(&id.to_string()), Some(id));
        assert_eq!(Uuid::parse(&id.to_string().to_uppercase()), Some(id));
        for other in [
            "",
            "01234567-89ab-4def-bedc-ba987654321",
            "0123456789ab-4def-bedc-ba9876543210-",
            "+1234567-89ab-4def-bedc-ba9876543210",
        ] {
            assert_eq!(Uuid::parse(other), None, "{other}");
        }
    }

    #[test]
    fn message_ids_are_version_4_uuids_and_repeat_with_the_seed() {
        let ids = |seed| {
            let mut source = IdSource::seeded(seed);
            (0..1_000).map(|_| source.next_uuid().to_string()).collect::<std::collections::BTreeSet<_>>()
        };
        assert_eq!(ids(1).len(), 1_000);
        assert_eq!(ids(1), ids(1));
        assert!(ids(1).is_disjoint(&ids(2)));
        for id in ids(3) {
            assert_eq!((id.len(), &id[14..15]), (36, "4"), "{id}");
            assert!("89ab".contains(&id[19..20]), "{id}");
        }
    }
}
