//! Different things, the first of them listed, counted up to a limit.

use std::{
    collections::{HashSet, hash_map::RandomState},
    hash::{BuildHasher, Hash},
};

/// The first of some different things, and how many there were.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Listed<T> {
    /// The first of them, at most 16, in the order in which they came.
    pub first: Vec<T>,
    /// How many different ones there were, up to 1024.
    pub count: usize,
    /// Whether there were more than could be told apart.
    pub more: bool,
}

impl<T> Listed<T> {
    /// The only one.
    pub fn only(&self) -> Option<&T> {
        self.first.first().filter(|_| self.count == 1)
    }

    /// How many there were, in words: `17`, or `1024 and more`.
    pub fn how_many(&self) -> String {
        if self.more { format!("{} and more", self.count) } else { self.count.to_string() }
    }
}

/// Different things while they come in. Those not listed are told apart by their hashes under a key of its own, so that memory does not
/// depend on what they are; of 1024 two are alike once in 10^13 times.
#[derive(Debug)]
pub(super) struct Distinct<T> {
    first: Vec<T>,
    seen: HashSet<u64>,
    key: RandomState,
    more: bool,
}

/// Most that are listed.
const LISTED: usize = 16;
/// Most that are told apart.
const TOLD_APART: usize = 1024;

impl<T> Default for Distinct<T> {
    fn default() -> Self {
        Self { first: Vec::new(), seen: HashSet::new(), key: RandomState::new(), more: false }
    }
}

impl<T: Clone + Eq + Hash> Distinct<T> {
    pub(super) fn add(&mut self, item: &T) {
        let hash = self.key.hash_one(item);
        if self.seen.contains(&hash) {
            return;
        }
        if self.seen.len() == TOLD_APART {
            self.more = true;
            return;
        }
        self.seen.insert(hash);
        if self.first.len() < LISTED {
            self.first.push(item.clone());
        }
    }

    pub(super) fn listed(&self) -> Listed<T> {
        Listed { first: self.first.clone(), count: self.seen.len(), more: self.more }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_the_first_and_counts_to_the_limit() {
        let mut seen = Distinct::default();
        seen.add(&7);
        seen.add(&7);
        assert_eq!((seen.listed().only(), seen.listed().how_many()), (Some(&7), "1".to_owned()));
        (0..TOLD_APART).for_each(|i| seen.add(&i));
        let listed = seen.listed();
        assert_eq!((listed.first.len(), listed.count, listed.more, listed.only()), (16, 1024, false, None));
        assert_eq!(listed.first[..3], [7, 0, 1]);
        (0..100_000).for_each(|i| seen.add(&i));
        assert_eq!((seen.listed().how_many(), seen.seen.len()), ("1024 and more".to_owned(), 1024));
    }
}
