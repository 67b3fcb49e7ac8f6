//! Receipt handles as text: opaque, as long as those of SQS, and recognisable as garbage when they are.

use base64::{Engine as _, prelude::BASE64_STANDARD};

use crate::engine::{ReceiptHandle, mix};

/// Handles of SQS begin with `AQEB` (recorded).
const MARK: [u8; 3] = [1, 1, 1];
/// Makes 412 characters, the length of most recorded handles.
const BYTES: usize = 309;
const PAYLOAD: usize = 20;

/// The handle as text.
#[must_use]
pub(crate) fn encode(handle: ReceiptHandle) -> String {
    BASE64_STANDARD.encode(bytes(handle))
}

/// The handle of a text, if the text was made by [`encode`].
#[must_use]
pub(crate) fn decode(text: &str) -> Option<ReceiptHandle> {
    let bytes_given: [u8; BYTES] = BASE64_STANDARD.decode(text).ok()?.try_into().ok()?;
    let payload: [u8; PAYLOAD] = scramble(&bytes_given).1;
    let number = |from: usize| u32::from_le_bytes(payload[from..from + 4].try_into().expect("four bytes"));
    let handle = ReceiptHandle {
        queue: number(0),
        slot: number(4),
        sequence: u64::from_le_bytes(payload[8..16].try_into().expect("eight bytes")),
        receive: number(16),
    };
    (bytes(handle) == bytes_given).then_some(handle)
}

fn bytes(handle: ReceiptHandle) -> [u8; BYTES] {
    let mut payload = [0; PAYLOAD];
    payload[0..4].copy_from_slice(&handle.queue.to_le_bytes());
    payload[4..8].copy_from_slice(&handle.slot.to_le_bytes());
    payload[8..16].copy_from_slice(&handle.sequence.to_le_bytes());
    payload[16..20].copy_from_slice(&handle.receive.to_le_bytes());
    let mut seed = payload
        .chunks(4)
        .fold(0, |seed, chunk| mix(seed ^ u64::from(u32::from_le_bytes(chunk.try_into().expect("chunks of four")))));
    let mut bytes = [0; BYTES];
    bytes[..3].copy_from_slice(&MARK);
    // Every byte after the payload follows from it, which makes them its check sum.
    for chunk in bytes[3 + PAYLOAD..].chunks_mut(8) {
        seed = mix(seed.wrapping_add(0x9e37_79b9_7f4a_7c15));
        chunk.copy_from_slice(&seed.to_le_bytes()[..chunk.len()]);
    }
    let (mask, _) = scramble(&bytes);
    for (index, byte) in payload.iter().enumerate() {
        bytes[3 + index] = byte ^ mask[index];
    }
    bytes
}

/// The mask that hides the payload, made from the bytes after it, and the payload laid open with it.
fn scramble(bytes: &[u8; BYTES]) -> ([u8; PAYLOAD], [u8; PAYLOAD]) {
    let mut mask = [0; PAYLOAD];
    mask.copy_from_slice(&bytes[3 + PAYLOAD..3 + 2 * PAYLOAD]);
    let mut payload = mask;
    for (index, byte) in payload.iter_mut().enumerate() {
        *byte ^= bytes[3 + index];
    }
    (mask, payload)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_comes_back_from_its_text_which_looks_like_that_of_sqs() {
        for sequence in [0, 1, u64::MAX] {
            let handle = ReceiptHandle { queue: 7, slot: u32::MAX, sequence, receive: 3 };
            let text = encode(handle);
            assert!(text.starts_with("AQEB"), "{text}");
            assert_eq!(text.len(), 412);
            assert_eq!(decode(&text), Some(handle));
        }
    }

    #[test]
    fn a_changed_handle_is_garbage() {
        let text = encode(ReceiptHandle { queue: 1, slot: 2, sequence: 3, receive: 4 });
        for index in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[index] = if changed[index] == b'A' { b'B' } else { b'A' };
            assert_eq!(decode(std::str::from_utf8(&changed).unwrap()), None, "character {index}");
        }
        for garbage in ["", "garbage", "AQEB", &text[1..], &format!("{text}A")] {
            assert_eq!(decode(garbage), None, "{garbage}");
        }
    }
}
