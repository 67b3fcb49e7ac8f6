//! An ordered set whose first element is at hand.

use std::collections::BTreeSet;

/// A set that is asked for its first element at every step and seldom changes there: the answer costs nothing, also when
/// the set is large. Inserting and removing are O(log n).
#[derive(Debug)]
pub(crate) struct OrderedSet<T> {
    set: BTreeSet<T>,
    first: Option<T>,
}

impl<T> Default for OrderedSet<T> {
    fn default() -> Self {
        Self { set: BTreeSet::new(), first: None }
    }
}

impl<T: Ord + Copy> OrderedSet<T> {
    pub(crate) const fn first(&self) -> Option<&T> {
        self.first.as_ref()
    }

    pub(crate) fn len(&self) -> usize {
        self.set.len()
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    pub(crate) fn insert(&mut self, value: T) {
        if self.first.is_none_or(|first| value < first) {
            self.first = Some(value);
        }
        self.set.insert(value);
    }

    pub(crate) fn remove(&mut self, value: &T) {
        self.set.remove(value);
        if self.first == Some(*value) {
            self.first = self.set.first().copied();
        }
    }

    pub(crate) fn clear(&mut self) {
        self.set.clear();
        self.first = None;
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.set.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_element_is_always_that_of_the_set() {
        let mut set = OrderedSet::default();
        let mut ids = crate::IdSource::seeded(7);
        for _ in 0..10_000 {
            let value = ids.next_u64() % 64;
            if ids.next_u64().is_multiple_of(2) {
                set.insert(value);
            } else {
                set.remove(&value);
            }
            assert_eq!(set.first(), set.iter().next());
            assert_eq!(set.len(), set.iter().count());
        }
    }
}
