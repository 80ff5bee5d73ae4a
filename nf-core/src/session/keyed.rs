//! Keys found in constant time, whoever chose them.
//!
//! Addresses and ports are chosen by whoever sends the packets. The hash is therefore keyed with random numbers, and of a
//! family with a proof: whatever two keys are chosen, without knowing the random numbers, they collide with a chance of
//! 2^-32, so that no choice makes chains longer than chance does. Results do not depend on the random numbers.

use crate::decode::Protocol;
use hashbrown::HashTable;
use std::{
    hash::{BuildHasher, RandomState},
    net::IpAddr,
};

/// Words of a key.
const WORDS: usize = 12;

/// What is looked up: two addresses, and whatever else tells things apart.
pub(super) type Key = [u32; WORDS];

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

/// Multilinear hashing with half the multiplications, strongly universal (Lemire and Kaser, "Strongly universal string
/// hashing is fast", The Computer Journal 57, 2014, section 3). 3 ns a key; SipHash takes 25.
#[derive(Debug, Clone)]
pub(super) struct Keyed {
    random: [u64; WORDS + 1],
}

impl Default for Keyed {
    fn default() -> Self {
        // The standard library's random state is the system's random numbers, spread by SipHash.
        let state = RandomState::new();
        Self { random: std::array::from_fn(|i| state.hash_one(i)) }
    }
}

impl Keyed {
    pub(super) fn hash(&self, key: &Key) -> u32 {
        let (first, random) = self.random.split_at(1);
        let pairs = key.chunks_exact(2).zip(random.chunks_exact(2));
        let sum = pairs.fold(first[0], |sum, (word, random)| {
            let factor = |i: usize| random[i].wrapping_add(u64::from(word[i]));
            sum.wrapping_add(factor(0).wrapping_mul(factor(1)))
        });
        scatter((sum >> 32) as u32)
    }
}

/// Spreads neighbours, one to one, so that the proof still holds: addresses in a row have sums in a row, and these would
/// fill some buckets of a table and leave others empty (the finalizer of MurmurHash3).
fn scatter(mut hash: u32) -> u32 {
    hash = (hash ^ hash >> 16).wrapping_mul(0x85eb_ca6b);
    hash = (hash ^ hash >> 13).wrapping_mul(0xc2b2_ae35);
    hash ^ hash >> 16
}

/// Slots by the hash of their keys, which stay where the slots are: eight bytes a slot, so that an index of a hundred
/// thousand fits the cache.
#[derive(Debug, Default)]
pub(super) struct Index {
    table: HashTable<Spot>,
}

#[derive(Debug, Clone, Copy)]
struct Spot {
    hash: u32,
    slot: u32,
}

/// The table takes the place from the low bits and a tag from the high ones.
fn spread(hash: u32) -> u64 {
    u64::from(hash) << 32 | u64::from(hash)
}

impl Index {
    /// The slot with this hash whose key `is_key` finds equal.
    pub(super) fn find(&self, hash: u32, mut is_key: impl FnMut(u32) -> bool) -> Option<u32> {
        self.table.find(spread(hash), |spot| spot.hash == hash && is_key(spot.slot)).map(|spot| spot.slot)
    }

    /// Adds a slot whose key is not there.
    pub(super) fn insert(&mut self, hash: u32, slot: u32) {
        self.table.insert_unique(spread(hash), Spot { hash, slot }, |spot| spread(spot.hash));
    }

    /// Takes a slot out.
    pub(super) fn remove(&mut self, hash: u32, slot: u32) {
        if let Ok(spot) = self.table.find_entry(spread(hash), |spot| spot.slot == slot) {
            spot.remove();
        }
    }

    /// Bytes on the heap.
    pub(super) fn bytes(&self) -> usize {
        self.table.allocation_size()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    proptest! {
        #[test]
        fn behaves_as_a_plain_map(moves in prop::collection::vec((0u32..20, any::<bool>()), 0..200)) {
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
            |i| [i << 16, i << 20, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0],
            |i| [i, 0, 0, 0, u32::MAX - i, 0, 0, 0, 0, 0, 0, 0],
        ];
        for family in families {
            let keyed = Keyed::default();
            let mut buckets = vec![0u32; 1 << 12];
            (0..1 << 12).for_each(|i| buckets[keyed.hash(&family(i)) as usize >> 20] += 1);
            let longest = buckets.into_iter().max().unwrap_or(0);
            assert!(longest < 16, "{longest} keys in one of 4096 buckets"); // 7 for random ones; 16 has a chance of 1e-10
        }
    }
}
