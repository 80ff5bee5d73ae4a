//! How many different things were seen in the last seconds of packet time.

use super::series::{SPAN, Series};
use smallvec::SmallVec;
use std::hash::{BuildHasher, RandomState};

/// Items that `N` sets keep together, in one short list, before each set has a place of its own.
const FEW: usize = 16;

/// `N` sets of things seen lately: exact up to [`CAPACITY`](Self::CAPACITY) a set, saturating there.
#[derive(Debug)]
pub(super) enum Distinct<const N: usize> {
    /// As almost all are: a list of a few.
    Few(SmallVec<[Seen; 2]>),
    Many(Box<[Set; N]>),
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    item: u64,
    second: u32,
    set: u32,
}

/// One set with many items, found by a hash of its own: its items are addresses that senders choose.
#[derive(Debug)]
pub(super) struct Set {
    items: Vec<Item>,
    /// The first item of each chain, by hash; a power of two of them.
    chains: Vec<u16>,
    /// An odd random number: multiply-shift hashing is universal (Dietzfelbinger et al., J. Algorithms 25, 1997).
    factor: u64,
    /// How many items were last seen in each second.
    counts: Series<1>,
    /// No item was last seen before this second, and none left of `cursor` in it.
    oldest: u32,
    cursor: usize,
}

#[derive(Debug, Clone, Copy)]
struct Item {
    item: u64,
    /// When it was seen last.
    last: u32,
    /// The next item of its chain.
    next: u16,
}

/// The end of a chain.
const END: u16 = u16::MAX;

impl Default for Set {
    fn default() -> Self {
        let factor = RandomState::new().hash_one(0) | 1;
        Self { items: Vec::new(), chains: Vec::new(), factor, counts: Series::default(), oldest: 0, cursor: 0 }
    }
}

impl<const N: usize> Default for Distinct<N> {
    fn default() -> Self {
        Self::Few(SmallVec::new())
    }
}

impl<const N: usize> Distinct<N> {
    /// Most that is told apart in a set; the one seen longest ago makes room.
    pub(super) const CAPACITY: usize = 256;

    /// Notes that `item` was seen, at a second not before the newest one.
    pub(super) fn add(&mut self, second: u32, set: usize, item: u64) {
        if let Self::Few(seen) = self {
            if let Some(known) = seen.iter_mut().find(|seen| seen.item == item && seen.set == set as u32) {
                known.second = second;
                return;
            }
            if seen.len() == seen.capacity() {
                seen.retain(|seen| second.wrapping_sub(seen.second) < SPAN);
            }
            if seen.len() < FEW {
                seen.push(Seen { item, second, set: set as u32 });
                return;
            }
            let mut sets: Box<[Set; N]> = Box::new(std::array::from_fn(|_| Set::default()));
            // In the order of time, as the counts of a set want them.
            seen.sort_by_key(|seen| std::cmp::Reverse(second.wrapping_sub(seen.second)));
            seen.iter().for_each(|seen| sets[seen.set as usize].add(seen.second, seen.item));
            *self = Self::Many(sets);
        }
        if let Self::Many(sets) = self {
            sets[set].add(second, item);
        }
    }

    /// How many of a set were seen in the short and the long span up to `second`.
    pub(super) fn counts(&self, second: u32, set: usize) -> [u64; 2] {
        match self {
            Self::Few(seen) => {
                let ages =
                    seen.iter().filter(|seen| seen.set == set as u32).map(|seen| second.wrapping_sub(seen.second));
                ages.fold([0, 0], |[short, long], age| {
                    [short + u64::from(age < super::series::SHORT), long + u64::from(age < SPAN)]
                })
            }
            Self::Many(sets) => sets[set].counts.sums(second).map(|[count]| count),
        }
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Bytes on the heap, without what the allocator adds.
    pub(super) fn heap(&self) -> usize {
        match self {
            Self::Few(seen) if seen.spilled() => seen.capacity() * size_of::<Seen>(),
            Self::Few(_) => 0,
            Self::Many(sets) => size_of::<[Set; N]>() + sets.iter().map(Set::heap).sum::<usize>(),
        }
    }
}

impl Set {
    const CAPACITY: usize = Distinct::<1>::CAPACITY;

    fn heap(&self) -> usize {
        self.items.capacity() * size_of::<Item>() + self.chains.capacity() * size_of::<u16>() + self.counts.heap()
    }

    fn add(&mut self, second: u32, item: u64) {
        if let Some(place) = self.find(item) {
            let last = std::mem::replace(&mut self.items[place].last, second);
            if last != second {
                self.counts.take_back(last, 0);
                self.counts.add(second, 0, 1);
            }
            return;
        }
        let place = if self.items.len() == Self::CAPACITY {
            // Whether forgotten or not.
            let place = self.longest_ago(second);
            self.unchain(place);
            let oldest = std::mem::replace(&mut self.items[place], Item { item, last: second, next: END });
            self.counts.take_back(oldest.last, 0);
            place
        } else {
            if self.items.len() == self.items.capacity() {
                self.make_room(second);
            }
            self.items.push(Item { item, last: second, next: END });
            self.items.len() - 1
        };
        self.chain(place);
        self.counts.add(second, 0, 1);
    }

    /// Where the chain of an item starts, once there are chains.
    fn start(&self, item: u64) -> usize {
        // The high bits of the product, as many as there are chains.
        let bits = self.chains.len().trailing_zeros();
        (item.wrapping_mul(self.factor) >> 1 >> (63 - bits)) as usize
    }

    fn find(&self, item: u64) -> Option<usize> {
        if self.chains.is_empty() {
            return None;
        }
        let mut place = self.chains[self.start(item)];
        while place != END {
            let known = self.items[usize::from(place)];
            if known.item == item {
                return Some(place.into());
            }
            place = known.next;
        }
        None
    }

    fn chain(&mut self, place: usize) {
        let start = self.start(self.items[place].item);
        self.items[place].next = std::mem::replace(&mut self.chains[start], place as u16);
    }

    fn unchain(&mut self, place: usize) {
        let Item { item, next, .. } = self.items[place];
        let start = self.start(item);
        let mut before = self.chains[start];
        if usize::from(before) == place {
            self.chains[start] = next;
            return;
        }
        while before != END {
            let known = &mut self.items[usize::from(before)];
            if usize::from(known.next) == place {
                known.next = next;
                return;
            }
            before = known.next;
        }
    }

    /// Drops what was not seen within the span; where nothing was dropped, makes room for twice as many.
    fn make_room(&mut self, second: u32) {
        let before = self.items.len();
        self.items.retain(|item| second.wrapping_sub(item.last) < SPAN);
        if self.items.len() == before {
            self.items.reserve_exact(before.max(FEW));
        }
        self.chains.clear();
        self.chains.resize(self.items.capacity().next_power_of_two(), END);
        (0..self.items.len()).for_each(|place| self.chain(place));
        self.cursor = usize::MAX;
    }

    /// The first of those seen longest ago. Times only grow, so the search goes on from where it found the last one:
    /// under a flood this is asked for each packet.
    fn longest_ago(&mut self, second: u32) -> usize {
        loop {
            let later = self.items.iter().skip(self.cursor).position(|item| item.last == self.oldest);
            if let Some(further) = later {
                self.cursor += further;
                return self.cursor;
            }
            let age = self.items.iter().map(|item| second.wrapping_sub(item.last)).max().unwrap_or(0);
            (self.oldest, self.cursor) = (second.wrapping_sub(age), 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    /// The definition: a list of items with the second each was last seen.
    #[derive(Default)]
    struct Plain(Vec<(u64, u32)>);

    impl Plain {
        fn add(&mut self, second: u32, item: u64) {
            self.0.retain(|seen| second.wrapping_sub(seen.1) < SPAN);
            let full = self.0.len() == Set::CAPACITY;
            match self.0.iter_mut().find(|seen| seen.0 == item) {
                Some(seen) => seen.1 = second,
                None if full => {
                    if let Some(oldest) = self.0.iter_mut().max_by_key(|seen| second.wrapping_sub(seen.1)) {
                        *oldest = (item, second);
                    }
                }
                None => self.0.push((item, second)),
            }
        }
    }

    proptest! {
        #[test]
        fn agrees_with_a_list_of_events(
            steps in prop::collection::vec((0u32..20, 0usize..2, 0u64..40), 1..400), start: u32,
        ) {
            let (mut distinct, mut second) = (Distinct::<2>::default(), start);
            let mut events = Vec::new();
            for (step, set, item) in steps {
                second = second.wrapping_add(step / 8);
                // Items that differ in their upper half alone are told apart.
                let item = (item << 32) | (item % 2);
                distinct.add(second, set, item);
                events.push((second, set, item));
                for set in 0..2 {
                    let seen = |span: u32| {
                        let recent = events.iter().filter(|e| second.wrapping_sub(e.0) < span && e.1 == set);
                        recent.map(|e| e.2).collect::<BTreeSet<_>>().len() as u64
                    };
                    prop_assert_eq!(distinct.counts(second, set), [seen(10), seen(60)]);
                }
            }
        }

        #[test]
        fn saturates_as_a_list_that_drops_the_oldest(
            steps in prop::collection::vec((0u32..40, 0u64..2000), 1000..3000), start: u32,
        ) {
            let (mut distinct, mut plain, mut second) = (Distinct::<1>::default(), Plain::default(), start);
            for (step, item) in steps {
                second = second.wrapping_add(step / 39);
                distinct.add(second, 0, item);
                plain.add(second, item);
                prop_assert_eq!(distinct.counts(second, 0)[1], plain.0.len() as u64);
            }
        }
    }

    #[test]
    fn is_bounded() {
        let mut distinct = Distinct::<1>::default();
        (0..10_000).for_each(|item| distinct.add(5, 0, item));
        assert_eq!(distinct.counts(5, 0), [256, 256]);
        assert!(distinct.heap() <= 256 * 18 + 400, "{}", distinct.heap());
    }
}
