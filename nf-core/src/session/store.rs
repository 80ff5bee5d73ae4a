//! A bounded table of counters: those touched longest ago make room, but newcomers before those known for longer.

use super::{
    keyed::{Index, Key, Keyed},
    list::{Link, Linked, List},
    slots::Slots,
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
    fresh: List<0>,
    known: List<0>,
    most_slots: usize,
    /// Bytes that entries keep elsewhere.
    heap: usize,
    limit: usize,
    serial: u32,
    evicted: u64,
}

#[derive(Debug)]
struct Entry<V> {
    link: Link,
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

impl<V> Linked<0> for Entry<V> {
    fn link(&self) -> &Link {
        &self.link
    }

    fn link_mut(&mut self) -> &mut Link {
        &mut self.link
    }
}

impl<V: Counters> Store<V> {
    /// An empty store that holds at most `limit` bytes.
    pub(super) fn new(limit: usize) -> Self {
        let most_slots = (limit / 4 * SLOT_QUARTERS / (Slots::<Entry<V>>::BYTES + Index::SLOT_BYTES)).max(1);
        Self {
            index: Index::default(),
            entries: Slots::default(),
            fresh: List::default(),
            known: List::default(),
            most_slots,
            heap: 0,
            limit,
            serial: 0,
            evicted: 0,
        }
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> usize {
        self.heap + self.entries.ever() * Slots::<Entry<V>>::BYTES + self.index.bytes()
    }

    /// Entries dropped for want of room.
    pub(super) fn evicted(&self) -> u64 {
        self.evicted
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
    /// forgotten.
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
            self.fresh.remove(&mut self.entries, slot);
            self.known.push_back(&mut self.entries, slot);
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
        list.touch(&mut self.entries, slot);
        if before != after {
            self.heap = self.heap + after - before;
            self.make_room(slot);
        }
        Some(result)
    }

    /// Has the place of a key read into the cache: it will be looked up soon.
    pub(super) fn fetch_key(&self, keyed: &Keyed, key: &Key) {
        self.index.fetch(keyed.hash(key));
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
            self.evict(None);
        }
        self.serial = self.serial.wrapping_add(1).max(1);
        let serial = self.serial;
        let slot = self.entries.take(|| Entry {
            link: Link::default(),
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
        self.fresh.push_back(&mut self.entries, slot);
        self.make_room(slot);
        Handle { slot, serial }
    }

    /// Evicts until all is within the limit; `kept` stays.
    fn make_room(&mut self, kept: u32) {
        while self.bytes() > self.limit && self.evict(Some(kept)) {}
    }

    /// Evicts one; says whether there was one.
    fn evict(&mut self, kept: Option<u32>) -> bool {
        let crowded = self.known.len() * 4 > self.entries.len() * KNOWN_QUARTERS;
        let order =
            if crowded { [self.known.front(), self.fresh.front()] } else { [self.fresh.front(), self.known.front()] };
        let Some(slot) = order.into_iter().flatten().find(|&slot| Some(slot) != kept) else { return false };
        self.evicted += 1;
        self.remove(slot);
        true
    }

    fn remove(&mut self, slot: u32) {
        let list = if self.entries[slot].known { &mut self.known } else { &mut self.fresh };
        if let Some(next) = list.after(&self.entries, slot) {
            // In a flood it is the next to go, and was fetched when the one before went.
            self.index.fetch(self.entries[next].hash);
            self.entries.fetch(list.after(&self.entries, next));
        }
        list.remove(&mut self.entries, slot);
        let entry = &mut self.entries[slot];
        (entry.serial, entry.known) = (0, false);
        self.heap -= std::mem::take(&mut entry.heap);
        entry.value.clear();
        self.index.remove(entry.hash, slot);
        self.entries.free(slot);
    }
}
