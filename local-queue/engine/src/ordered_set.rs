//! An ordered set whose first element is at hand.

use std::collections::{BTreeMap, btree_map::OccupiedEntry};

/// Elements in one piece of memory, at most.
const CHUNK: usize = 64;
/// With no more elements than this, a chunk joins the one before it, if that is at most half full.
const CHUNK_SPARSE: usize = CHUNK / 8;

/// A set that is asked for its first element at every step and seldom changes there: the answer costs nothing, also when
/// the set is large. Inserting and removing are O(log n).
///
/// Most elements come in order, and there may be millions. So they stand in chunks, which are full where that is so: a tree
/// of single elements would be half empty.
#[derive(Debug)]
pub(crate) struct OrderedSet<T> {
    /// Sorted, none of them empty, each under a key that none of its elements is below and that is above all before it.
    chunks: BTreeMap<T, Vec<T>>,
    len: usize,
    first: Option<T>,
}

impl<T> Default for OrderedSet<T> {
    fn default() -> Self {
        Self { chunks: BTreeMap::new(), len: 0, first: None }
    }
}

impl<T: Ord + Copy> OrderedSet<T> {
    pub(crate) const fn first(&self) -> Option<&T> {
        self.first.as_ref()
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    pub(crate) fn insert(&mut self, value: T) {
        if self.first.is_none_or(|first| value < first) {
            self.first = Some(value);
        }
        let is_last = self.chunks.last_key_value().is_some_and(|(key, _)| *key <= value);
        let chunk = if is_last {
            self.chunks.last_entry().map(OccupiedEntry::into_mut)
        } else {
            self.chunks.range_mut(..=value).next_back().map(|(_, chunk)| chunk)
        };
        let Some(chunk) = chunk else {
            // Before all others, where the first chunk gets another key.
            let mut first = self.chunks.pop_first().map(|(_, chunk)| chunk).unwrap_or_default();
            first.insert(0, value);
            self.len += 1;
            let rest = (first.len() > CHUNK).then(|| first.split_off(CHUNK / 2));
            self.chunks.insert(value, first);
            return self.add(rest);
        };
        let Err(at) = chunk.binary_search(&value) else { return };
        self.len += 1;
        if chunk.len() < CHUNK {
            return chunk.insert(at, value);
        }
        let mut rest = if is_last && at == CHUNK { Vec::with_capacity(CHUNK) } else { chunk.split_off(CHUNK / 2) };
        match at.checked_sub(chunk.len()) {
            Some(at) => rest.insert(at, value),
            None => chunk.insert(at, value),
        }
        self.add(Some(rest));
    }

    fn add(&mut self, chunk: Option<Vec<T>>) {
        if let Some(chunk) = chunk
            && let Some(key) = chunk.first()
        {
            self.chunks.insert(*key, chunk);
        }
    }

    pub(crate) fn remove(&mut self, value: &T) {
        let Some((&key, chunk)) = self.chunks.range_mut(..=*value).next_back() else { return };
        let Ok(at) = chunk.binary_search(value) else { return };
        chunk.remove(at);
        self.len -= 1;
        if chunk.len() <= CHUNK_SPARSE {
            self.join(key);
        }
        if self.first == Some(*value) {
            self.first = self.chunks.first_key_value().and_then(|(_, chunk)| chunk.first()).copied();
        }
    }

    /// Adds a chunk of few elements to the one before, so that many removals leave no chunks of one element each.
    fn join(&mut self, key: T) {
        let is_empty = self.chunks.get(&key).is_none_or(Vec::is_empty);
        let before = self.chunks.range(..key).next_back().filter(|(_, before)| before.len() <= CHUNK / 2);
        let before = before.map(|(before, _)| *before);
        if !is_empty && before.is_none() {
            return;
        }
        let elements = self.chunks.remove(&key).unwrap_or_default();
        if let Some(before) = before.and_then(|before| self.chunks.get_mut(&before)) {
            before.extend(elements);
        }
    }

    pub(crate) fn clear(&mut self) {
        self.chunks.clear();
        self.len = 0;
        self.first = None;
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.chunks.values().flatten()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn check(set: &OrderedSet<u64>, model: &BTreeSet<u64>) {
        assert_eq!((set.first(), set.len(), set.is_empty()), (model.first(), model.len(), model.is_empty()));
        assert!(set.iter().eq(model), "{set:?}");
        let mut before = None;
        for (key, chunk) in &set.chunks {
            assert!((1..=CHUNK).contains(&chunk.len()) && *key <= chunk[0] && before < Some(*key));
            before = chunk.last().copied();
        }
    }

    #[test]
    fn it_is_a_set_of_the_standard_library_with_its_first_element_at_hand() {
        let mut ids = crate::IdSource::seeded(7);
        // Few elements, and so many that chunks are split and joined; in order, against it, and in none.
        for (range, steps) in [(64, 4_000), (1_000, 8_000), (100_000, 8_000)] {
            let (mut set, mut model) = (OrderedSet::default(), BTreeSet::new());
            for step in 0..steps {
                let random = ids.next_u64() % range;
                let value = match ids.next_u64() % 4 {
                    0 => step % range,
                    1 => range - step % range,
                    _ => random,
                };
                // Phases of more insertions and of more removals.
                if ids.next_u64() % 4 < 1 + 2 * u64::from(step % 1_000 < 500) {
                    set.insert(value);
                    model.insert(value);
                } else {
                    let value = model.range(value..).next().copied().unwrap_or(value);
                    set.remove(&value);
                    model.remove(&value);
                }
                check(&set, &model);
            }
            set.clear();
            check(&set, &BTreeSet::new());
        }
    }

    #[test]
    fn what_comes_in_order_fills_its_chunks_and_few_that_are_left_do_not_keep_them() {
        let mut set = OrderedSet::default();
        (0..10_000_u64).for_each(|value| set.insert(value));
        assert_eq!(set.chunks.len(), 10_000_usize.div_ceil(CHUNK));
        (0..10_000).filter(|value| value % 100 != 0).for_each(|value| set.remove(&value));
        assert_eq!(set.len(), 100);
        assert!(set.chunks.len() <= 100 / CHUNK_SPARSE, "{} chunks", set.chunks.len());
    }
}
