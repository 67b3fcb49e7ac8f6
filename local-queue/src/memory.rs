//! Memory for what is under way: bodies of requests, and answers that clients have not taken yet.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The unit in which memory is shared out.
const UNIT_BYTES: usize = 1024;

/// Memory that requests and answers share. Clones share it too.
#[derive(Clone, Debug)]
pub(crate) struct Memory {
    units: Arc<Semaphore>,
    units_max: usize,
}

/// A part of the memory, until it is dropped.
#[derive(Debug, Default)]
pub(crate) struct Share(Option<OwnedSemaphorePermit>);

impl Memory {
    pub(crate) fn new(bytes_max: usize) -> Self {
        let units_max = (bytes_max / UNIT_BYTES).clamp(1, Semaphore::MAX_PERMITS.min(u32::MAX as usize));
        Self { units: Arc::new(Semaphore::new(units_max)), units_max }
    }

    pub(crate) fn bytes_max(&self) -> usize {
        self.units_max * UNIT_BYTES
    }

    pub(crate) fn used_bytes(&self) -> usize {
        (self.units_max - self.units.available_permits().min(self.units_max)) * UNIT_BYTES
    }

    /// Makes a share as large as `bytes`, if there is so much now. A share that is large enough is left as it is.
    #[must_use]
    pub(crate) fn grow(&self, share: &mut Share, bytes: usize) -> bool {
        let missing = units(bytes).saturating_sub(share.units());
        if missing == 0 {
            return true;
        }
        match Arc::clone(&self.units).try_acquire_many_owned(saturate(missing)) {
            Ok(more) => {
                match &mut share.0 {
                    Some(permit) => permit.merge(more),
                    none => *none = Some(more),
                }
                true
            }
            Err(_) => false,
        }
    }

    /// Takes a share when its turn has come, but waits no longer than `within`. Something that is larger than all memory
    /// takes all of it.
    pub(crate) async fn take(&self, bytes: usize, within: Duration) -> Option<Share> {
        let units = saturate(units(bytes).min(self.units_max));
        let taken = tokio::time::timeout(within, Arc::clone(&self.units).acquire_many_owned(units)).await;
        Some(Share(Some(taken.ok()?.ok()?)))
    }
}

const fn units(bytes: usize) -> usize {
    bytes.div_ceil(UNIT_BYTES)
}

fn saturate(units: usize) -> u32 {
    u32::try_from(units).unwrap_or(u32::MAX)
}

impl Share {
    fn units(&self) -> usize {
        self.0.as_ref().map_or(0, OwnedSemaphorePermit::num_permits)
    }

    /// Whether it is a share of nothing.
    #[cfg(feature = "server")]
    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Bytes that keep this share until nobody has them any more.
    pub(crate) fn keep_with(self, bytes: impl AsRef<[u8]> + Send + 'static) -> Bytes {
        Bytes::from_owner(BytesWithShare { bytes, _share: self })
    }
}

struct BytesWithShare<T> {
    bytes: T,
    _share: Share,
}

impl<T: AsRef<[u8]>> AsRef<[u8]> for BytesWithShare<T> {
    fn as_ref(&self) -> &[u8] {
        self.bytes.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_share_comes_back_when_the_last_of_its_bytes_is_gone() {
        let memory = Memory::new(10 * UNIT_BYTES);
        let mut share = Share::default();
        assert!(memory.grow(&mut share, 3 * UNIT_BYTES) && memory.grow(&mut share, 7 * UNIT_BYTES - 1));
        assert_eq!(memory.used_bytes(), 7 * UNIT_BYTES);
        assert!(!memory.grow(&mut share, 11 * UNIT_BYTES), "more than there is");
        assert!(memory.take(4 * UNIT_BYTES, Duration::from_secs(5)).await.is_none());
        let bytes = share.keep_with(vec![1; 5]);
        let part = bytes.slice(1..2);
        drop(bytes);
        assert_eq!(memory.used_bytes(), 7 * UNIT_BYTES);
        drop(part);
        assert_eq!(memory.used_bytes(), 0);
        // What is too large for the memory has it alone.
        let all = memory.take(100 * UNIT_BYTES, Duration::from_secs(5)).await.unwrap();
        assert_eq!(memory.used_bytes(), memory.bytes_max());
        drop(all);
    }
}
