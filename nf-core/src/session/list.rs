//! Doubly linked lists through slots: order by last touch, in constant time and without allocation a touch.

use super::slots::Slots;

const NONE: u32 = u32::MAX;

/// What a slot keeps for a list: the slots before and after it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Link {
    before: u32,
    after: u32,
}

impl Default for Link {
    fn default() -> Self {
        Self { before: NONE, after: NONE }
    }
}

/// A slot that can be in the list of this number, in one at a time.
pub(super) trait Linked<const LIST: usize> {
    fn link(&self) -> &Link;
    fn link_mut(&mut self) -> &mut Link;
}

/// Both ends of an ordered list. A slot is in it at most once; who uses the list knows whether it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct List<const LIST: usize> {
    head: u32,
    tail: u32,
    len: usize,
}

impl<const LIST: usize> Default for List<LIST> {
    fn default() -> Self {
        Self { head: NONE, tail: NONE, len: 0 }
    }
}

impl<const LIST: usize> List<LIST> {
    /// The slot that was put here first.
    pub(super) fn front(&self) -> Option<u32> {
        (self.head != NONE).then_some(self.head)
    }

    /// The slot behind one that is listed.
    pub(super) fn after<T: Linked<LIST>>(&self, slots: &Slots<T>, slot: u32) -> Option<u32> {
        let after = slots[slot].link().after;
        (after != NONE).then_some(after)
    }

    /// How many slots are listed.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Puts a slot that is not listed at the end.
    pub(super) fn push_back<T: Linked<LIST>>(&mut self, slots: &mut Slots<T>, slot: u32) {
        *slots[slot].link_mut() = Link { before: self.tail, after: NONE };
        match self.tail {
            NONE => self.head = slot,
            tail => slots[tail].link_mut().after = slot,
        }
        self.tail = slot;
        self.len += 1;
    }

    /// Takes a listed slot out.
    pub(super) fn remove<T: Linked<LIST>>(&mut self, slots: &mut Slots<T>, slot: u32) {
        let Link { before, after } = std::mem::take(slots[slot].link_mut());
        match before {
            NONE => self.head = after,
            before => slots[before].link_mut().after = after,
        }
        match after {
            NONE => self.tail = before,
            after => slots[after].link_mut().before = before,
        }
        self.len -= 1;
    }

    /// Moves a listed slot to the end.
    #[inline]
    pub(super) fn touch<T: Linked<LIST>>(&mut self, slots: &mut Slots<T>, slot: u32) {
        if self.tail != slot {
            self.remove(slots, slot);
            self.push_back(slots, slot);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::VecDeque;

    impl Linked<0> for Link {
        fn link(&self) -> &Link {
            self
        }

        fn link_mut(&mut self) -> &mut Link {
            self
        }
    }

    proptest! {
        #[test]
        fn behaves_as_a_plain_queue(moves in prop::collection::vec((0u32..8, any::<bool>()), 0..200)) {
            let mut slots = Slots::default();
            (0..8).for_each(|_| _ = slots.take(Link::default));
            let (mut list, mut plain) = (List::<0>::default(), VecDeque::new());
            for (slot, keep) in moves {
                let listed = plain.contains(&slot);
                plain.retain(|&other| other != slot);
                match (listed, keep) {
                    (false, true) => list.push_back(&mut slots, slot),
                    (true, true) => list.touch(&mut slots, slot),
                    (true, false) => list.remove(&mut slots, slot),
                    (false, false) => {}
                }
                if keep {
                    plain.push_back(slot);
                }
                let listed: Vec<u32> = std::iter::successors(list.front(), |&slot| list.after(&slots, slot)).collect();
                prop_assert_eq!(&listed, &plain.iter().copied().collect::<Vec<_>>());
                prop_assert_eq!(list.len(), plain.len());
            }
        }
    }
}
