//! A map that keeps what was used lately, in bounded memory.

use std::{collections::HashMap, hash::Hash};

/// Holds the values of the last `capacity` different keys, and of at most as many before these. Two generations: where the
/// younger is full the older is dropped, and what is found in the older moves to the younger.
#[derive(Debug)]
pub(super) struct Recent<K, V> {
    capacity: usize,
    young: HashMap<K, V>,
    old: HashMap<K, V>,
}

impl<K: Copy + Eq + Hash, V: Default> Recent<K, V> {
    pub(super) fn new(capacity: usize) -> Self {
        Self { capacity, young: HashMap::new(), old: HashMap::new() }
    }

    /// The value of a key, a new one where it is not known any more.
    pub(super) fn entry(&mut self, key: K) -> &mut V {
        if !self.young.contains_key(&key) {
            let value = self.old.remove(&key).unwrap_or_default();
            if self.young.len() >= self.capacity {
                self.old = std::mem::take(&mut self.young);
            }
            self.young.insert(key, value);
        }
        self.young.entry(key).or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_what_is_used_and_never_more_than_twice_its_capacity() {
        let mut recent: Recent<u32, u32> = Recent::new(10);
        for i in 0..1000 {
            *recent.entry(7777) += 1;
            *recent.entry(i) += 1;
            assert!(recent.young.len() <= 10 && recent.old.len() <= 10);
        }
        assert_eq!(*recent.entry(7777), 1000);
        assert_eq!(*recent.entry(999), 1);
        assert_eq!(*recent.entry(3), 0, "forgotten long ago");
    }
}
