//! Things kept under small numbers, which are used again once free.

/// Values in one piece of memory: a slab that grows moves none of those that are there, and leaves no memory behind.
const CHUNK: usize = 256;

/// Values under `u32` keys. Inserting, looking up and removing are O(1).
#[derive(Debug)]
pub(crate) struct Slab<T> {
    /// All but the last are full. The first grows as vectors do, so that a few values take little.
    chunks: Vec<Vec<Option<T>>>,
    free: Vec<u32>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { chunks: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slab<T> {
    pub(crate) fn insert(&mut self, value: T) -> u32 {
        if let Some(key) = self.free.pop() {
            *self.slot_mut(key).expect("a freed key has its slot") = Some(value);
            return key;
        }
        let key = u32::try_from(self.slots()).expect("fewer than 2^32 values");
        if let Some(chunk) = self.chunks.last_mut().filter(|chunk| chunk.len() < CHUNK) {
            chunk.push(Some(value));
        } else {
            let mut chunk = Vec::with_capacity(if self.chunks.is_empty() { 0 } else { CHUNK });
            chunk.push(Some(value));
            self.chunks.push(chunk);
        }
        key
    }

    pub(crate) fn get(&self, key: u32) -> Option<&T> {
        let (chunk, at) = place(key);
        self.chunks.get(chunk)?.get(at)?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, key: u32) -> Option<&mut T> {
        self.slot_mut(key)?.as_mut()
    }

    pub(crate) fn remove(&mut self, key: u32) -> Option<T> {
        let value = self.slot_mut(key)?.take();
        if value.is_some() {
            self.free.push(key);
        }
        value
    }

    /// The keys that were in use and are free, the next to be used last, and how many keys there have been in all: what a
    /// [`restored`](Self::restored) slab needs to go on as this one.
    pub(crate) fn free(&self) -> (&[u32], usize) {
        (&self.free, self.slots())
    }

    /// A slab with these values, which are under all keys below `slots` that are not free; nothing if they are not.
    pub(crate) fn restored(values: Vec<(u32, T)>, free: Vec<u32>, slots: usize) -> Option<Self> {
        if values.len() + free.len() != slots {
            return None;
        }
        let chunk = |start: usize| (start..slots.min(start + CHUNK)).map(|_| None).collect::<Vec<_>>();
        let mut slab = Self { chunks: (0..slots).step_by(CHUNK).map(chunk).collect(), free };
        for (key, value) in values {
            let place = slab.slot_mut(key).filter(|place| place.is_none())?;
            *place = Some(value);
        }
        // As many keys are left as are free; they are if each of those is one of these, and named once.
        let mut named = slab.free.clone();
        named.sort_unstable();
        let is_distinct = named.is_sorted_by(|before, after| before < after);
        let is_free = |key: &u32| (*key as usize) < slots && slab.get(*key).is_none();
        (is_distinct && named.iter().all(is_free)).then_some(slab)
    }

    /// The values with their keys.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        let values = self.chunks.iter().flatten().zip(0..);
        values.filter_map(|(value, key)| value.as_ref().map(|value| (key, value)))
    }

    pub(crate) fn len(&self) -> usize {
        self.slots() - self.free.len()
    }

    pub(crate) fn clear(&mut self) {
        self.chunks.clear();
        self.free.clear();
    }

    /// Values and free places.
    fn slots(&self) -> usize {
        self.chunks.last().map_or(0, |last| (self.chunks.len() - 1) * CHUNK + last.len())
    }

    fn slot_mut(&mut self, key: u32) -> Option<&mut Option<T>> {
        let (chunk, at) = place(key);
        self.chunks.get_mut(chunk)?.get_mut(at)
    }
}

/// The chunk of a key, and its place in it.
const fn place(key: u32) -> (usize, usize) {
    (key as usize / CHUNK, key as usize % CHUNK)
}

impl<T> std::ops::Index<u32> for Slab<T> {
    type Output = T;

    fn index(&self, key: u32) -> &T {
        self.get(key).expect("the key is in use")
    }
}

impl<T> std::ops::IndexMut<u32> for Slab<T> {
    fn index_mut(&mut self, key: u32) -> &mut T {
        self.get_mut(key).expect("the key is in use")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_freed_key_is_used_again_and_no_other_value_moves() {
        let mut slab = Slab::default();
        let keys = ["a", "b", "c"].map(|value| slab.insert(value));
        assert_eq!(slab.remove(keys[1]), Some("b"));
        assert_eq!(slab.remove(keys[1]), None);
        assert_eq!(slab.len(), 2);
        assert_eq!(slab.insert("d"), keys[1]);
        assert_eq!(keys.map(|key| slab[key]), ["a", "d", "c"]);
    }

    #[test]
    fn a_restored_slab_goes_on_as_the_one_before_and_keys_that_do_not_add_up_make_none() {
        let mut slab = Slab::default();
        let count = u32::try_from(2 * CHUNK + 7).unwrap();
        for value in 0..count {
            assert_eq!(slab.insert(value), value);
        }
        for key in [300, 5, 511, 7] {
            slab.remove(key);
        }
        let values = || slab.iter().map(|(key, value)| (key, *value)).collect::<Vec<_>>();
        let (free, slots) = (slab.free().0.to_vec(), slab.free().1);
        let mut again = Slab::restored(values(), free.clone(), slots).unwrap();
        assert_eq!(again.iter().map(|(key, value)| (key, *value)).collect::<Vec<_>>(), values());
        assert!(Slab::restored(values(), free.clone(), slots + 1).is_none());
        assert!(Slab::restored(values(), vec![300, 5, 511, 511], slots).is_none());
        assert!(Slab::restored(values(), vec![300, 5, 511, 8], slots).is_none());
        assert!(Slab::restored(values(), vec![300, 5, 511, count], slots).is_none());
        for _ in 0..6 {
            assert_eq!(again.insert(0), slab.insert(0));
        }
    }

    #[test]
    fn keys_are_counted_on_over_the_ends_of_chunks() {
        let count = u32::try_from(3 * CHUNK + 1).unwrap();
        let mut slab = Slab::default();
        for expected in 0..count {
            assert_eq!((slab.len(), slab.insert(expected)), (expected as usize, expected));
        }
        for key in (0..count).step_by(7) {
            assert_eq!(slab.remove(key), Some(key));
        }
        for key in 0..count {
            assert_eq!(slab.get(key).copied(), (!key.is_multiple_of(7)).then_some(key));
        }
        assert_eq!(slab.get(count), None);
        assert_eq!(slab.remove(count), None);
        assert_eq!(slab.len(), (count - count.div_ceil(7)) as usize);
        slab.clear();
        assert_eq!((slab.len(), slab.insert(7)), (0, 0));
    }
}
