//! Doubly linked lists over slots of a slab: order by last touch, in constant time and without allocation a touch.

use std::collections::HashMap;

const NONE: u32 = u32::MAX;

/// An ordered list of slots. A slot is in it at most once.
#[derive(Debug, Default)]
pub(super) struct SlotList {
    links: Vec<Link>,
    head: Option<u32>,
    tail: Option<u32>,
}

#[derive(Debug, Clone, Copy)]
struct Link {
    before: u32,
    after: u32,
    listed: bool,
}

/// Bytes of a hash map: at most seven of eight buckets are in use, and each has a byte of control beside its entry.
pub(super) fn map_bytes<K, V>(map: &HashMap<K, V>) -> usize {
    map.capacity() / 7 * 8 * (size_of::<(K, V)>() + 1)
}

impl SlotList {
    /// Bytes for each slot of the slab.
    pub(super) const LINK_BYTES: usize = size_of::<Link>();

    /// The slot that was put here first.
    pub(super) fn front(&self) -> Option<usize> {
        self.head.map(|slot| slot as usize)
    }

    /// Whether a slot is listed.
    pub(super) fn contains(&self, slot: usize) -> bool {
        self.links.get(slot).is_some_and(|link| link.listed)
    }

    /// Puts a slot at the end, taking it from where it was.
    pub(super) fn push_back(&mut self, slot: usize) {
        if self.tail == Some(slot as u32) {
            return;
        }
        self.remove(slot);
        if self.links.len() <= slot {
            self.links.resize(slot + 1, Link { before: NONE, after: NONE, listed: false });
        }
        let slot_number = slot as u32;
        self.links[slot] = Link { before: self.tail.unwrap_or(NONE), after: NONE, listed: true };
        match self.tail {
            Some(tail) => self.links[tail as usize].after = slot_number,
            None => self.head = Some(slot_number),
        }
        self.tail = Some(slot_number);
    }

    /// Takes a slot out; nothing happens where it is not listed.
    pub(super) fn remove(&mut self, slot: usize) {
        let Some(&Link { before, after, listed: true }) = self.links.get(slot) else { return };
        match before {
            NONE => self.head = (after != NONE).then_some(after),
            before => self.links[before as usize].after = after,
        }
        match after {
            NONE => self.tail = (before != NONE).then_some(before),
            after => self.links[after as usize].before = before,
        }
        self.links[slot].listed = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::VecDeque;

    proptest! {
        #[test]
        fn behaves_as_a_plain_queue(moves in prop::collection::vec((0usize..8, any::<bool>()), 0..200)) {
            let (mut list, mut plain) = (SlotList::default(), VecDeque::new());
            for (slot, push) in moves {
                plain.retain(|&other| other != slot);
                if push {
                    plain.push_back(slot);
                    list.push_back(slot);
                } else {
                    list.remove(slot);
                }
                prop_assert_eq!(list.front(), plain.front().copied());
            }
            while let Some(slot) = plain.pop_front() {
                prop_assert_eq!(list.front(), Some(slot));
                list.remove(slot);
            }
            prop_assert_eq!(list.front(), None);
        }
    }
}
