//! Doubly linked lists of slots: order by last touch, in constant time and without allocation a touch.

const NONE: u32 = u32::MAX;

/// The slots before and after one.
#[derive(Debug, Clone, Copy)]
struct Link {
    before: u32,
    after: u32,
}

const APART: Link = Link { before: NONE, after: NONE };

/// The links of lists, by slot: a slot is in at most one of the lists that share them.
///
/// They lie beside each other, apart from what the slots hold: moving a slot in its list touches two others, whose values
/// are rarely in the cache.
#[derive(Debug, Default)]
pub(super) struct Links(Vec<Link>);

impl Links {
    /// Bytes a slot.
    pub(super) const BYTES: usize = size_of::<Link>();

    fn at(&mut self, slot: u32) -> &mut Link {
        &mut self.0[slot as usize]
    }
}

/// Both ends of an ordered list. A slot is in it at most once; who uses the list knows whether it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct List {
    head: u32,
    tail: u32,
    len: usize,
}

impl Default for List {
    fn default() -> Self {
        Self { head: NONE, tail: NONE, len: 0 }
    }
}

impl List {
    /// The slot that was put here first.
    pub(super) fn front(&self) -> Option<u32> {
        (self.head != NONE).then_some(self.head)
    }

    /// The slot behind one that is listed.
    pub(super) fn after(&self, links: &Links, slot: u32) -> Option<u32> {
        let after = links.0[slot as usize].after;
        (after != NONE).then_some(after)
    }

    /// How many slots are listed.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Puts a slot that is not listed at the end.
    pub(super) fn push_back(&mut self, links: &mut Links, slot: u32) {
        if links.0.len() <= slot as usize {
            links.0.resize(slot as usize + 1, APART);
        }
        *links.at(slot) = Link { before: self.tail, after: NONE };
        match self.tail {
            NONE => self.head = slot,
            tail => links.at(tail).after = slot,
        }
        self.tail = slot;
        self.len += 1;
    }

    /// Takes a listed slot out.
    pub(super) fn remove(&mut self, links: &mut Links, slot: u32) {
        let Link { before, after } = std::mem::replace(links.at(slot), APART);
        match before {
            NONE => self.head = after,
            before => links.at(before).after = after,
        }
        match after {
            NONE => self.tail = before,
            after => links.at(after).before = before,
        }
        self.len -= 1;
    }

    /// Moves a listed slot to the end.
    #[inline]
    pub(super) fn touch(&mut self, links: &mut Links, slot: u32) {
        if self.tail != slot {
            self.remove(links, slot);
            self.push_back(links, slot);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::VecDeque;

    proptest! {
        #[test]
        fn behaves_as_a_plain_queue(moves in prop::collection::vec((0u32..8, any::<bool>()), 0..200)) {
            let (mut links, mut list, mut plain) = (Links::default(), List::default(), VecDeque::new());
            for (slot, keep) in moves {
                let listed = plain.contains(&slot);
                plain.retain(|&other| other != slot);
                match (listed, keep) {
                    (false, true) => list.push_back(&mut links, slot),
                    (true, true) => list.touch(&mut links, slot),
                    (true, false) => list.remove(&mut links, slot),
                    (false, false) => {}
                }
                if keep {
                    plain.push_back(slot);
                }
                let listed: Vec<u32> = std::iter::successors(list.front(), |&slot| list.after(&links, slot)).collect();
                prop_assert_eq!(&listed, &plain.iter().copied().collect::<Vec<_>>());
                prop_assert_eq!(list.len(), plain.len());
            }
        }
    }
}
