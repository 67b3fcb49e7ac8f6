//! Receipt handles as text: opaque, as long as those of SQS, and sealed with the secret of their emulator.
//!
//! A handle is worth what it says only if a code over it (HMAC-SHA-256) is right, which nobody can compute who does not have
//! the secret. So none can be made up for another message, queue or account, and none of an earlier process, whose secret
//! was another, is taken for one of this.

use std::fmt;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::engine::{IdSource, QueueNumber, ReceiptHandle};

/// Handles of SQS begin with `AQEB` (recorded).
const MARK: [u8; 3] = [1, 1, 1];
/// Makes 412 characters, the length of most recorded handles.
const BYTES: usize = 309;
const PAYLOAD: usize = 28;
const CODE: usize = 32;

const PAYLOAD_AT: usize = MARK.len();
const CODE_AT: usize = PAYLOAD_AT + PAYLOAD;
const FILLING_AT: usize = CODE_AT + CODE;

/// Kept apart from the seed of identifiers, which show what their seed is.
const SEEDED: u64 = 0x5ea1;

/// What makes the receipt handles of one emulator its own.
#[derive(Clone)]
pub(crate) struct Secret([u8; 32]);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl Secret {
    /// One that nobody knows.
    pub(crate) fn random() -> Self {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).expect("the operating system has random bytes");
        Self(secret)
    }

    /// One that is the same in every run, and so no secret.
    pub(crate) fn seeded(seed: u64) -> Self {
        let mut ids = IdSource::seeded(IdSource::mix(seed ^ SEEDED));
        let mut secret = [0; 32];
        for chunk in secret.chunks_exact_mut(8) {
            chunk.copy_from_slice(&ids.next_u64().to_le_bytes());
        }
        Self(secret)
    }

    /// One that was kept.
    #[cfg(feature = "journal")]
    pub(crate) const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// What is to be kept of it.
    #[cfg(feature = "journal")]
    pub(crate) const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// By what the engine tells its handles from those of other engines, in calls that need no text.
    pub(crate) fn store(&self) -> u64 {
        let code = Seal::new(self).0.chain_update(b"store").finalize().into_bytes();
        u64::from_le_bytes(code[..8].try_into().expect("eight bytes"))
    }
}

/// Writes handles, and reads what it has written.
#[derive(Debug)]
pub(crate) struct Seal(Hmac<Sha256>);

impl Seal {
    pub(crate) fn new(secret: &Secret) -> Self {
        Self(Hmac::new_from_slice(&secret.0).expect("a key of any length will do"))
    }

    /// The handle as text.
    #[must_use]
    pub(crate) fn encode(&self, handle: ReceiptHandle) -> String {
        let mut bytes = [0; BYTES];
        let payload = payload(handle);
        let code: [u8; CODE] = self.code(&payload).finalize().into_bytes().into();
        bytes[..PAYLOAD_AT].copy_from_slice(&MARK);
        bytes[PAYLOAD_AT..CODE_AT].copy_from_slice(&masked(payload, &code));
        bytes[CODE_AT..FILLING_AT].copy_from_slice(&code);
        fill(&code, &mut bytes[FILLING_AT..]);
        BASE64_STANDARD.encode(bytes)
    }

    /// The handle of a text, if the text was made by [`encode`](Self::encode) with the same secret.
    #[must_use]
    pub(crate) fn decode(&self, text: &str) -> Option<ReceiptHandle> {
        let bytes: [u8; BYTES] = BASE64_STANDARD.decode(text).ok()?.try_into().ok()?;
        let code: [u8; CODE] = bytes[CODE_AT..FILLING_AT].try_into().expect("the length of a code");
        let payload = masked(bytes[PAYLOAD_AT..CODE_AT].try_into().expect("the length of a payload"), &code);
        // In a time that does not tell how much of the code is right.
        self.code(&payload).verify_slice(&code).ok()?;
        let mut filling = [0; BYTES - FILLING_AT];
        fill(&code, &mut filling);
        let is_whole = bytes[..PAYLOAD_AT] == MARK && bytes[FILLING_AT..] == filling;
        is_whole.then(|| read(&payload))
    }

    fn code(&self, payload: &[u8; PAYLOAD]) -> Hmac<Sha256> {
        self.0.clone().chain_update(payload)
    }
}

fn payload(handle: ReceiptHandle) -> [u8; PAYLOAD] {
    let mut payload = [0; PAYLOAD];
    payload[0..8].copy_from_slice(&handle.queue.store.to_le_bytes());
    payload[8..12].copy_from_slice(&handle.queue.number.to_le_bytes());
    payload[12..16].copy_from_slice(&handle.slot.to_le_bytes());
    payload[16..24].copy_from_slice(&handle.sequence.to_le_bytes());
    payload[24..28].copy_from_slice(&handle.receive.to_le_bytes());
    payload
}

fn read(payload: &[u8; PAYLOAD]) -> ReceiptHandle {
    let four = |from: usize| u32::from_le_bytes(payload[from..from + 4].try_into().expect("four bytes"));
    let eight = |from: usize| u64::from_le_bytes(payload[from..from + 8].try_into().expect("eight bytes"));
    let queue = QueueNumber { store: eight(0), number: four(8) };
    ReceiptHandle { queue, slot: four(12), sequence: eight(16), receive: four(24) }
}

/// Makes handles that differ by little look as if they had nothing in common. It hides nothing from who knows this code.
fn masked(mut payload: [u8; PAYLOAD], code: &[u8; CODE]) -> [u8; PAYLOAD] {
    payload.iter_mut().zip(code).for_each(|(byte, mask)| *byte ^= mask);
    payload
}

/// Fills a handle up to its length, by what follows from the code.
fn fill(code: &[u8; CODE], filling: &mut [u8]) {
    let mut seed = u64::from_le_bytes(code[..8].try_into().expect("eight bytes"));
    for chunk in filling.chunks_mut(8) {
        seed = IdSource::mix(seed.wrapping_add(0x9e37_79b9_7f4a_7c15));
        chunk.copy_from_slice(&seed.to_le_bytes()[..chunk.len()]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HANDLE: ReceiptHandle =
        ReceiptHandle { queue: QueueNumber { store: u64::MAX, number: 7 }, slot: u32::MAX, sequence: 5, receive: 3 };

    #[test]
    fn a_handle_comes_back_from_its_text_which_looks_like_that_of_sqs() {
        let seal = Seal::new(&Secret::random());
        for sequence in [0, 1, u64::MAX] {
            let handle = ReceiptHandle { sequence, ..HANDLE };
            let text = seal.encode(handle);
            assert!(text.starts_with("AQEB"), "{text}");
            assert_eq!(text.len(), 412);
            assert_eq!(seal.decode(&text), Some(handle));
            assert_eq!(seal.encode(handle), text, "a repeated receive shows the same text");
        }
    }

    #[test]
    fn a_changed_handle_is_garbage() {
        let seal = Seal::new(&Secret::seeded(1));
        let text = seal.encode(HANDLE);
        for index in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[index] = if changed[index] == b'A' { b'B' } else { b'A' };
            assert_eq!(seal.decode(std::str::from_utf8(&changed).unwrap()), None, "character {index}");
        }
        for garbage in ["", "garbage", "AQEB", &text[1..], &format!("{text}A")] {
            assert_eq!(seal.decode(garbage), None, "{garbage}");
        }
    }

    #[test]
    fn who_has_another_secret_can_read_a_handle_but_make_none() {
        let ours = Seal::new(&Secret::random());
        for theirs in [Secret::random(), Secret::random(), Secret::seeded(0), Secret::seeded(1), Secret([0; 32])] {
            // The scheme is public, so that the payload of one's own handle can be read and another's be written.
            assert_eq!(ours.decode(&Seal::new(&theirs).encode(HANDLE)), None);
        }
    }

    #[test]
    fn a_right_code_is_right_for_its_own_payload_only() {
        let seal = Seal::new(&Secret::seeded(1));
        let bytes = BASE64_STANDARD.decode(seal.encode(HANDLE)).unwrap();
        let code: [u8; CODE] = bytes[CODE_AT..FILLING_AT].try_into().unwrap();
        let other = payload(ReceiptHandle { sequence: HANDLE.sequence + 1, ..HANDLE });
        let mut forged = bytes.clone();
        forged[PAYLOAD_AT..CODE_AT].copy_from_slice(&masked(other, &code));
        assert_eq!(seal.decode(&BASE64_STANDARD.encode(forged)), None);
        assert_eq!(seal.decode(&BASE64_STANDARD.encode(bytes)), Some(HANDLE));
    }

    #[test]
    fn a_secret_is_the_same_for_the_same_seed_only() {
        assert_eq!(Secret::seeded(1).0, Secret::seeded(1).0);
        assert_ne!(Secret::seeded(1).0, Secret::seeded(2).0);
        assert_ne!(Secret::random().0, Secret::random().0);
        assert_ne!(Secret::seeded(1).store(), Secret::seeded(2).store());
    }
}
