//! Keys found in constant time, whoever chose them.
//!
//! Addresses and ports are chosen by whoever sends the packets, so the hash is keyed with random numbers, and of families
//! with proofs. Whatever two keys are chosen without knowing the random numbers, their words come to the same 32-bit sum
//! with a chance of 2^-32 (strongly universal multilinear hashing: Lemire and Kaser, "Strongly universal string hashing is
//! fast", The Computer Journal 57, 2014, section 3). The bytes of the sum then pick four random words that make the
//! hash (simple tabulation), with which linear probing takes constant time in expectation for any set of keys (Patrascu and
//! Thorup, "The power of simple tabulation hashing", Journal of the ACM 59, 2012, section 3). Results never depend on the
//! random numbers.

use super::slots::fetch;
use crate::decode::Protocol;
use std::{
    hash::{BuildHasher, RandomState},
    net::IpAddr,
};

/// Words of a key.
const WORDS: usize = 12;

/// What is looked up: two addresses, and whatever else tells things apart.
pub(super) type Key = [u32; WORDS];

/// Whether two keys are one. Compared as a whole: an early end would cost a branch a word, or a call.
#[inline]
pub(super) fn same(a: &Key, b: &Key) -> bool {
    a.iter().zip(b).fold(0, |differing, (a, b)| differing | (a ^ b)) == 0
}

/// An address as four words, and 1 where it is of IPv6.
pub(super) fn address(addr: IpAddr) -> ([u32; 4], u32) {
    match addr {
        IpAddr::V4(addr) => ([addr.to_bits(), 0, 0, 0], 0),
        IpAddr::V6(addr) => {
            let bits = addr.to_bits();
            ([bits as u32, (bits >> 32) as u32, (bits >> 64) as u32, (bits >> 96) as u32], 1)
        }
    }
}

/// A number for each protocol.
pub(super) fn number(protocol: Protocol) -> u32 {
    match protocol {
        Protocol::Other(number) => u32::from(number),
        Protocol::Tcp => 256,
        Protocol::Udp => 257,
        Protocol::Icmp => 258,
        Protocol::Icmpv6 => 259,
        Protocol::Arp => 260,
    }
}

/// The random numbers of a hash. 5 ns a key; SipHash takes 25.
#[derive(Debug, Clone)]
pub(super) struct Keyed {
    factors: [u64; WORDS + 1],
    tables: Box<[[u32; 256]; 4]>,
}

impl Default for Keyed {
    fn default() -> Self {
        // The standard library's random state is the system's random numbers, spread by SipHash.
        let state = RandomState::new();
        let word = |table: usize, byte: usize| state.hash_one((table, byte)) as u32;
        Self {
            factors: std::array::from_fn(|i| state.hash_one(i)),
            tables: Box::new(std::array::from_fn(|table| std::array::from_fn(|byte| word(table, byte)))),
        }
    }
}

impl Keyed {
    pub(super) fn hash(&self, key: &Key) -> u32 {
        let (first, factors) = self.factors.split_at(1);
        let pairs = key.chunks_exact(2).zip(factors.chunks_exact(2));
        let sum = pairs.fold(first[0], |sum, (word, random)| {
            let factor = |i: usize| random[i].wrapping_add(u64::from(word[i]));
            sum.wrapping_add(factor(0).wrapping_mul(factor(1)))
        });
        let bytes = ((sum >> 32) as u32).to_le_bytes();
        bytes.iter().zip(&*self.tables).fold(0, |hash, (&byte, table)| hash ^ table[usize::from(byte)])
    }
}

/// Slots by the hash of their keys, which stay where the slots are: eight bytes a cell, so that an index of a hundred
/// thousand fits the cache, and finding out that a key is not there reads one line of it.
///
/// Cells are taken in order from the one that the hash names (linear probing); a slot taken out is closed up behind.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// A power of two of cells, or none; at most three quarters are in use.
    cells: Vec<Cell>,
    used: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cell {
    hash: u32,
    slot: u32,
}

const EMPTY: Cell = Cell { hash: 0, slot: u32::MAX };

impl Index {
    /// Most bytes for each slot: right after it grew, three eighths of the cells are in use.
    pub(super) const SLOT_BYTES: usize = size_of::<Cell>() * 8 / 3 + 1;

    /// The slot with this hash whose key `is_key` finds equal.
    pub(super) fn find(&self, hash: u32, is_key: impl Fn(u32) -> bool) -> Option<u32> {
        let mut place = self.home(hash)?;
        loop {
            let cell = self.cells[place];
            if cell == EMPTY {
                return None;
            }
            if cell.hash == hash && is_key(cell.slot) {
                return Some(cell.slot);
            }
            place = self.after(place);
        }
    }

    /// Adds a slot whose key is not there.
    pub(super) fn insert(&mut self, hash: u32, slot: u32) {
        if self.used * 4 >= self.cells.len() * 3 {
            let more = (self.cells.len() * 2).max(16);
            let cells = std::mem::replace(&mut self.cells, vec![EMPTY; more]);
            cells.into_iter().filter(|&cell| cell != EMPTY).for_each(|cell| self.put(cell));
        }
        self.put(Cell { hash, slot });
        self.used += 1;
    }

    /// Takes a slot out that is there.
    pub(super) fn remove(&mut self, hash: u32, slot: u32) {
        let Some(home) = self.home(hash) else { return };
        let mut gap = home;
        while self.cells[gap].slot != slot {
            if self.cells[gap] == EMPTY {
                return;
            }
            gap = self.after(gap);
        }
        // Cells behind move up, unless that took them before their home.
        let mut place = gap;
        loop {
            place = self.after(place);
            let cell = self.cells[place];
            let Some(home) = self.home(cell.hash).filter(|_| cell != EMPTY) else { break };
            let mask = self.cells.len() - 1;
            if (place.wrapping_sub(home) & mask) >= (place.wrapping_sub(gap) & mask) {
                self.cells[gap] = cell;
                gap = place;
            }
        }
        self.cells[gap] = EMPTY;
        self.used -= 1;
    }

    /// Has the cells of a hash read into the cache: they will be used soon.
    pub(super) fn fetch(&self, hash: u32) {
        if let Some(home) = self.home(hash) {
            fetch(&self.cells[home]);
        }
    }

    /// Bytes on the heap.
    pub(super) fn bytes(&self) -> usize {
        self.cells.capacity() * size_of::<Cell>()
    }

    fn put(&mut self, cell: Cell) {
        let Some(mut place) = self.home(cell.hash) else { return };
        while self.cells[place] != EMPTY {
            place = self.after(place);
        }
        self.cells[place] = cell;
    }

    /// The cell that a hash names: its high bits, as many as it takes.
    fn home(&self, hash: u32) -> Option<usize> {
        let bits = self.cells.len().checked_ilog2()?;
        Some((u64::from(hash) << bits >> 32) as usize)
    }

    fn after(&self, place: usize) -> usize {
        (place + 1) & (self.cells.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    proptest! {
        #[test]
        fn behaves_as_a_plain_map(moves in prop::collection::vec((0u32..100, any::<bool>()), 0..600)) {
            let (keyed, mut index, mut plain) = (Keyed::default(), Index::default(), HashMap::new());
            let key = |i: u32| [0, i % 4, i / 4, 0, 0, 0, 0, 0, 0, 0, 0, i];
            for (i, insert) in moves {
                let hash = keyed.hash(&key(i));
                prop_assert_eq!(index.find(hash, |slot| slot == i), plain.get(&i).copied());
                if insert && plain.insert(i, i).is_none() {
                    index.insert(hash, i);
                } else if !insert && plain.remove(&i).is_some() {
                    index.remove(hash, i);
                }
            }
        }
    }

    #[test]
    fn chosen_keys_spread_as_random_ones_do() {
        // Addresses in a row, addresses that share their low bits, and pairs whose words sum up to the same.
        let families: [fn(u32) -> Key; 3] = [
            |i| [i, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0],
            |i| [i << 20, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0],
            |i| [i, 0, 0, 0, u32::MAX - i, 0, 0, 0, 0, 0, 0, 0],
        ];
        let longest = |hashes: Vec<u32>| {
            let mut buckets = vec![0; 1 << 12];
            hashes.into_iter().for_each(|hash| buckets[hash as usize >> 20] += 1);
            buckets.into_iter().max().unwrap_or(0)
        };
        for family in families {
            let keyed = Keyed::default();
            let longest = longest((0..1 << 12).map(|i| keyed.hash(&family(i))).collect());
            // Random numbers give 7, and 16 with a chance of 1e-10.
            assert!(longest < 16, "{longest} keys in one of 4096 buckets");
        }
    }
}
