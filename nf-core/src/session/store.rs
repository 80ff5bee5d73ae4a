//! A bounded table of counters: those touched longest ago make room, but newcomers before those known for longer.

use super::{
    keyed::{Index, Key, Keyed},
    list::{Links, List},
    slots::{Slots, fetch},
};
use crate::Timestamp;
use std::time::Duration;

/// What nobody touched for this long is forgotten.
pub(super) const FORGET: Duration = Duration::from_secs(900);

/// An entry that is asked for anew this long after it was made is known. A flood of fresh sources gets no entry known: the
/// faster it comes, the sooner its own entries make room for those that follow.
const KNOWN_AFTER: Duration = Duration::from_secs(10);

/// Known entries make room where they are more than this share of all, in quarters.
const KNOWN_QUARTERS: usize = 3;

/// Share of its memory that the slots of a store may take, in quarters; the rest is for what entries keep elsewhere.
const SLOT_QUARTERS: usize = 3;

/// Where what makes room was touched this lately, newcomers push each other out before they are of use. Then only those
/// are taken in that come a second time: a flood of sources that come once costs no work and pushes nobody out.
const HURRY: Duration = Duration::from_secs(2);

/// For so long after there was no room the store counts as crowded: as far as counters look back.
const CROWDED: Duration = Duration::from_secs(super::series::SPAN as u64);

/// What the allocator adds to each allocation, as glibc does.
pub(super) const ALLOCATION: usize = 16;

/// What a store keeps for a key.
pub(super) trait Counters: Default {
    /// Forgets everything, and gives back what is on the heap.
    fn clear(&mut self);

    /// Bytes on the heap, with what the allocator adds to each allocation.
    fn heap(&self) -> usize;
}

/// A place in a store, and whose it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Handle {
    slot: u32,
    /// Above 0 for any entry.
    serial: u32,
}

/// Counters by key, bounded in bytes.
#[derive(Debug)]
pub(super) struct Store<V> {
    index: Index,
    entries: Slots<Entry<V>>,
    links: Links,
    fresh: List,
    known: List,
    most_slots: usize,
    callers: Callers,
    /// Bytes that entries keep elsewhere.
    heap: usize,
    limit: usize,
    serial: u32,
    evicted: u64,
    /// When there was last no room.
    crowded: Timestamp,
}

/// Keys that came once while there was no room, as one bit each in a filter that is emptied when a sixteenth is set, so
/// that one in thirty is taken for another one that came before (the doorkeeper of Einziger, Friedman and Manes, "TinyLFU", ACM Transactions on Storage 13, 2017).
///
/// Its hash is a fixed one, as who is let in decides what columns say, and that must not depend on random numbers. Whoever
/// chooses addresses by it is let in at the first call instead of the second, among those that make room first.
#[derive(Debug)]
struct Callers {
    bits: Vec<u64>,
    set: usize,
}

impl Callers {
    /// Most bytes for each slot of the store.
    const SLOT_BYTES: usize = 4;

    /// 16 KiB: it stays in the cache while a flood pushes all else out.
    const MOST_WORDS: usize = 2048;

    /// For a store of so many slots.
    fn new(slots: usize) -> Self {
        Self { bits: vec![0; slots.next_power_of_two().div_ceil(4).min(Self::MOST_WORDS)], set: 0 }
    }

    fn place(&self, key: &Key) -> usize {
        let mix = |hash: u64, word: &u32| (hash.rotate_left(5) ^ u64::from(*word)).wrapping_mul(0x517c_c1b7_2722_0a95);
        (key.iter().fold(0, mix) >> 32) as usize % (self.bits.len() * 64)
    }

    /// Whether this key came before; notes that it came.
    fn come_again(&mut self, key: &Key) -> bool {
        let place = self.place(key);
        let (word, bit) = (&mut self.bits[place / 64], 1 << (place % 64));
        if *word & bit != 0 {
            return true;
        }
        *word |= bit;
        self.set += 1;
        if self.set > self.bits.len() * 4 {
            self.bits.fill(0);
            self.set = 0;
        }
        false
    }
}

#[derive(Debug)]
struct Entry<V> {
    hash: u32,
    serial: u32,
    heap: usize,
    made: Timestamp,
    touched: Timestamp,
    known: bool,
    key: Key,
    value: V,
}

impl<V> Entry<V> {
    fn belongs_to(&self, handle: Handle) -> bool {
        self.serial == handle.serial && handle.serial != 0
    }
}

impl<V: Counters> Store<V> {
    /// Bytes of an entry and its place in the lists.
    const SLOT_BYTES: usize = Slots::<Entry<V>>::BYTES + Links::BYTES;

    /// An empty store that holds at most `limit` bytes.
    pub(super) fn new(limit: usize) -> Self {
        let most_slots =
            (limit / 4 * SLOT_QUARTERS / (Self::SLOT_BYTES + Index::SLOT_BYTES + Callers::SLOT_BYTES)).max(1);
        Self {
            index: Index::default(),
            entries: Slots::default(),
            links: Links::default(),
            fresh: List::default(),
            known: List::default(),
            most_slots,
            callers: Callers::new(most_slots),
            heap: 0,
            limit,
            serial: 0,
            evicted: 0,
            crowded: Timestamp::from_nanos(i64::MIN),
        }
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> usize {
        self.callers.bits.len() * 8 + self.heap + self.entries.ever() * Self::SLOT_BYTES + self.index.bytes()
    }

    /// Entries dropped, or not made, for want of room.
    pub(super) fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Whether entries were dropped, or not made, for want of room so lately that somebody may miss them who goes on.
    pub(super) fn is_crowded(&self, now: Timestamp) -> bool {
        self.evicted > 0 && now.since(self.crowded) < CROWDED
    }

    /// The counters of a handle, unless they are gone or, by `now`, forgotten.
    pub(super) fn get(&self, handle: Handle, now: Timestamp) -> Option<&V> {
        let entry = self.entries.get(handle.slot)?;
        (entry.belongs_to(handle) && now.since(entry.touched) < FORGET).then_some(&entry.value)
    }

    /// The handle of a key.
    pub(super) fn find(&self, keyed: &Keyed, key: &Key, now: Timestamp) -> Option<Handle> {
        let slot = self.index.find(keyed.hash(key), |slot| self.entries[slot].key == *key)?;
        let entry = &self.entries[slot];
        (now.since(entry.touched) < FORGET).then_some(Handle { slot, serial: entry.serial })
    }

    /// The handle of a key for one who begins something new, made where there is none or where, by `seen`, it was
    /// forgotten; a handle of nothing where there is no room.
    pub(super) fn enter(&mut self, keyed: &Keyed, key: Key, seen: Timestamp, now: Timestamp) -> Handle {
        let hash = keyed.hash(&key);
        let Some(slot) = self.index.find(hash, |slot| self.entries[slot].key == key) else {
            return self.insert(key, hash, now);
        };
        let entry = &mut self.entries[slot];
        if seen.since(entry.touched) >= FORGET {
            self.remove(slot);
            return self.insert(key, hash, now);
        }
        let handle = Handle { slot, serial: entry.serial };
        if !entry.known && now.since(entry.made) >= KNOWN_AFTER {
            entry.known = true;
            self.fresh.remove(&mut self.links, slot);
            self.known.push_back(&mut self.links, slot);
        }
        handle
    }

    /// Changes the counters of a handle at `now`, where they are still there.
    pub(super) fn update<R>(&mut self, handle: Handle, now: Timestamp, change: impl FnOnce(&mut V) -> R) -> Option<R> {
        let slot = handle.slot;
        if !self.entries.get(slot)?.belongs_to(handle) {
            return None;
        }
        let entry = &mut self.entries[slot];
        entry.touched = now;
        let result = change(&mut entry.value);
        let (before, after) = (entry.heap, entry.value.heap());
        entry.heap = after;
        let list = if entry.known { &mut self.known } else { &mut self.fresh };
        list.touch(&mut self.links, slot);
        if before != after {
            self.heap = self.heap + after - before;
            self.make_room(slot, now);
        }
        Some(result)
    }

    /// Has the place of a key read into the cache: it will be looked up soon.
    pub(super) fn fetch_key(&self, keyed: &Keyed, key: &Key) {
        let hash = keyed.hash(key);
        self.index.fetch(hash);
        if self.entries.len() >= self.most_slots {
            fetch(&self.callers.bits[self.callers.place(key) / 64]);
        }
    }

    /// Has the counters of a handle read into the cache: they will be asked for soon.
    pub(super) fn fetch(&self, handle: Handle) {
        self.entries.fetch((handle.serial != 0).then_some(handle.slot));
    }

    /// Drops what was forgotten by `now`.
    pub(super) fn forget(&mut self, now: Timestamp) {
        for known in [false, true] {
            while let Some(slot) = if known { self.known.front() } else { self.fresh.front() }
                && now.since(self.entries[slot].touched) >= FORGET
            {
                self.remove(slot);
            }
        }
    }

    fn insert(&mut self, key: Key, hash: u32, now: Timestamp) -> Handle {
        if self.entries.len() >= self.most_slots {
            let hurried = self.victim(None).is_some_and(|slot| now.since(self.entries[slot].touched) < HURRY);
            if hurried && !self.callers.come_again(&key) {
                self.note_eviction(now);
                return Handle::default();
            }
            self.evict(None, now);
        }
        self.serial = self.serial.wrapping_add(1).max(1);
        let serial = self.serial;
        let slot = self.entries.take(|| Entry {
            hash,
            serial,
            heap: 0,
            made: now,
            touched: now,
            known: false,
            key,
            value: V::default(),
        });
        let entry = &mut self.entries[slot];
        (entry.hash, entry.serial, entry.made, entry.touched, entry.key) = (hash, serial, now, now, key);
        self.index.insert(hash, slot);
        self.fresh.push_back(&mut self.links, slot);
        self.make_room(slot, now);
        Handle { slot, serial }
    }

    /// Evicts until all is within the limit; `kept` stays.
    fn make_room(&mut self, kept: u32, now: Timestamp) {
        while self.bytes() > self.limit && self.evict(Some(kept), now) {}
    }

    fn note_eviction(&mut self, now: Timestamp) {
        self.evicted += 1;
        self.crowded = now;
    }

    /// What makes room next: newcomers before those known for longer, unless these are too many.
    fn victim(&self, kept: Option<u32>) -> Option<u32> {
        let crowded = self.known.len() * 4 > self.entries.len() * KNOWN_QUARTERS;
        let (fresh, known) = (self.fresh.front(), self.known.front());
        let order = if crowded { [known, fresh] } else { [fresh, known] };
        order.into_iter().flatten().find(|&slot| Some(slot) != kept)
    }

    /// Evicts one; says whether there was one.
    fn evict(&mut self, kept: Option<u32>, now: Timestamp) -> bool {
        let Some(slot) = self.victim(kept) else { return false };
        self.note_eviction(now);
        self.remove(slot);
        true
    }

    fn remove(&mut self, slot: u32) {
        let list = if self.entries[slot].known { &mut self.known } else { &mut self.fresh };
        if let Some(next) = list.after(&self.links, slot) {
            // In a flood it is the next to go, and was fetched when the one before went.
            self.index.fetch(self.entries[next].hash);
            self.entries.fetch(list.after(&self.links, next));
        }
        list.remove(&mut self.links, slot);
        let entry = &mut self.entries[slot];
        (entry.serial, entry.known) = (0, false);
        self.heap -= std::mem::take(&mut entry.heap);
        entry.value.clear();
        self.index.remove(entry.hash, slot);
        self.entries.free(slot);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Debug, Default)]
    struct Count(Vec<u8>);

    impl Counters for Count {
        fn clear(&mut self) {
            self.0 = Vec::new();
        }

        fn heap(&self) -> usize {
            if self.0.capacity() == 0 { 0 } else { self.0.capacity() + ALLOCATION }
        }
    }

    const LIMIT: usize = 100_000;

    fn key(i: u32) -> Key {
        [i, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
    }

    fn seconds(seconds: i64) -> Timestamp {
        Timestamp::from_parts(seconds, 0)
    }

    /// Enters a key and adds bytes to what is kept for it.
    fn add(store: &mut Store<Count>, keyed: &Keyed, i: u32, bytes: usize, now: Timestamp) -> Handle {
        let handle = store.enter(keyed, key(i), now, now);
        store.update(handle, now, |count| count.0.resize(count.0.len() + bytes, 0));
        handle
    }

    fn known(store: &Store<Count>, keyed: &Keyed, range: std::ops::Range<u32>, now: Timestamp) -> usize {
        range.filter(|&i| store.find(keyed, &key(i), now).is_some()).count()
    }

    #[test]
    fn forgets_what_nobody_touched() {
        let (mut store, keyed) = (Store::new(LIMIT), Keyed::default());
        let first = add(&mut store, &keyed, 1, 5, seconds(0));
        add(&mut store, &keyed, 2, 5, seconds(100));
        let now = seconds(0) + FORGET;
        assert!(store.get(first, seconds(899)).is_some() && store.get(first, now).is_none());
        let again = store.enter(&keyed, key(1), now, now);
        assert!(store.get(first, now).is_none() && store.get(again, now).is_some_and(|count| count.0.is_empty()));
        store.forget(seconds(100) + FORGET);
        assert_eq!((store.entries.len(), store.heap, store.evicted()), (1, 0, 0));
        assert!(store.update(first, now, |_| ()).is_none() && store.get(Handle::default(), now).is_none());
    }

    #[test]
    fn a_flood_of_newcomers_leaves_what_is_known() {
        let (mut store, keyed) = (Store::new(LIMIT), Keyed::default());
        for second in [0, 20] {
            (0..100).for_each(|i| _ = add(&mut store, &keyed, i, 1, seconds(second)));
        }
        // Slow or fast, and each newcomer twice.
        for (start, step) in [(1000, 1_000_000_000), (100_000, 1000)] {
            for i in start..start + 50_000 {
                let now = seconds(20) + Duration::from_nanos(u64::from(i - start) * step / 100);
                add(&mut store, &keyed, i, 1, now);
                add(&mut store, &keyed, i, 1, now);
                assert!(store.bytes() <= LIMIT);
            }
        }
        assert!(store.evicted() > 90_000);
        assert_eq!(known(&store, &keyed, 0..100, seconds(20)), 100);
    }

    #[test]
    fn newcomers_that_come_once_do_not_push_each_other_out_in_a_hurry() {
        let (mut store, keyed) = (Store::new(LIMIT), Keyed::default());
        let most = store.most_slots as u32;
        (0..10 * most).for_each(|i| _ = add(&mut store, &keyed, i, 0, seconds(0)));
        // A few share a bit of the filter with another.
        assert!(known(&store, &keyed, 0..most, seconds(0)) > most as usize / 2);
        let stranger = 1_000_000;
        let handles = [0, 0, 0].map(|_| add(&mut store, &keyed, stranger, 0, seconds(1)));
        assert!(handles[2] != Handle::default() && handles[1] == handles[2]);
        // Where those before are of use no more, nobody need come twice.
        let handle = add(&mut store, &keyed, stranger + 1, 0, seconds(100));
        assert_ne!(handle, Handle::default());
    }

    #[test]
    fn counts_as_crowded_for_a_minute() {
        let (mut store, keyed) = (Store::new(LIMIT), Keyed::default());
        let most = store.most_slots as u32;
        (0..most).for_each(|i| _ = add(&mut store, &keyed, i, 0, seconds(i64::from(i))));
        let last = seconds(i64::from(most));
        assert!(!store.is_crowded(last));
        add(&mut store, &keyed, most, 0, last);
        assert!(store.evicted() == 1 && store.is_crowded(last + Duration::from_secs(59)));
        assert!(!store.is_crowded(last + CROWDED));
    }

    #[test]
    fn what_is_known_makes_room_where_it_is_too_much() {
        let (mut store, keyed) = (Store::new(LIMIT), Keyed::default());
        let most = store.most_slots as u32;
        for second in [0, 20] {
            (0..most).for_each(|i| _ = add(&mut store, &keyed, i, 0, seconds(second)));
        }
        assert_eq!(store.known.len(), most as usize);
        (most..2 * most).for_each(|i| _ = add(&mut store, &keyed, i, 0, seconds(60)));
        assert_eq!(store.known.len(), most as usize * KNOWN_QUARTERS / 4);
        // Those touched longest ago went first.
        assert_eq!(known(&store, &keyed, 0..most / 8, seconds(60)), 0);
    }

    proptest! {
        #[test]
        fn what_it_says_it_holds_is_what_it_holds(moves in prop::collection::vec((0u32..2000, 0usize..300), 0..2000)) {
            let (mut store, keyed) = (Store::new(LIMIT), Keyed::default());
            for (step, &(i, bytes)) in moves.iter().enumerate() {
                add(&mut store, &keyed, i, bytes, seconds(step as i64));
                prop_assert!(store.bytes() <= LIMIT, "{}", store.bytes());
            }
            let all = store.fresh.len() + store.known.len();
            prop_assert_eq!(store.entries.len(), all);
            let now = seconds(moves.len() as i64);
            let handles: Vec<_> = (0..2000).filter_map(|i| store.find(&keyed, &key(i), now)).collect();
            let heap: usize = handles.iter().filter_map(|&handle| store.get(handle, now)).map(Counters::heap).sum();
            prop_assert!(heap <= store.heap && (moves.len() > 899 || heap == store.heap));
        }
    }
}
