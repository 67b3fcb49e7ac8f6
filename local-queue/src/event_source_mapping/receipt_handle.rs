//! Receipt handles as text.

use crate::engine::ReceiptHandle;

pub(super) fn encode(handle: ReceiptHandle) -> String {
    let ReceiptHandle { queue, slot, sequence, receive } = handle;
    format!("{queue:x}-{slot:x}-{sequence:x}-{receive:x}")
}

pub(super) fn decode(text: &str) -> Option<ReceiptHandle> {
    let mut parts = text.split('-');
    let mut number = || u64::from_str_radix(parts.next()?, 16).ok();
    let (queue, slot, sequence, receive) = (number()?, number()?, number()?, number()?);
    Some(ReceiptHandle {
        queue: queue.try_into().ok()?,
        slot: slot.try_into().ok()?,
        sequence,
        receive: receive.try_into().ok()?,
    })
}
