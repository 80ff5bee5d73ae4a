//! What hosts did lately: bounded counters by source, pair, service and destination, kept in packet time.
//!
//! Counters are keyed by service class and by outcome (answered or failed) as well. Keyed by destination alone, they make
//! the benign clients of an attacked server look strange: their counters are the attacker's, too.
//!
//! Everything here is causal. An attempt counts at its first packet; the outcome of a session counts when it is known or,
//! provisionally, after [`SETTLE`] of silence, and is corrected once when an answer comes after all.

use super::{
    context::{Activity, Context},
    counters::{ActivityCounters, Counters, DomainCounters, HostPairCounters, ServiceCounters},
    list::{SlotList, map_bytes},
    session::Outcome,
    window::{Distinct, SPAN, Window},
};
use crate::{
    Timestamp,
    decode::{DnsFacts, Protocol, parent_domain},
};
use slab::Slab;
use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    net::IpAddr,
    time::Duration,
};

/// Silence after which a session's outcome is taken for what it is so far.
pub(super) const SETTLE: Duration = Duration::from_secs(2);

/// A counter that nobody touched for this long is forgotten.
pub(super) const FORGET: Duration = Duration::from_secs(900);

/// Sessions are compared within a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Class {
    Protocol(Protocol),
    /// DNS by a hash of the parent domain, so that the subdomains of a tunnel share one counter.
    Domain(u64),
}

/// What of a session the counters need.
#[derive(Debug, Clone)]
pub(super) struct Party {
    source: IpAddr,
    destination: IpAddr,
    port: u16,
    protocol: Protocol,
    class: Class,
    mac: Option<[u8; 6]>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    Source(IpAddr, Class),
    Pair(IpAddr, IpAddr, Class),
    Destination(IpAddr, Class),
    Port(IpAddr, Class, u16),
    Service(IpAddr, IpAddr, Class, u16),
    HostPair(IpAddr, IpAddr),
    Domain(IpAddr, u64),
    Station([u8; 6]),
}

/// All counters of one session table, bounded in bytes: those touched longest ago make room.
#[derive(Debug)]
pub(super) struct HostTable {
    index: HashMap<Key, usize>,
    entries: Slab<Entry>,
    order: SlotList,
    /// Slots that were ever in use.
    slots: usize,
    /// Bytes of the counters, without their slots.
    counters_bytes: usize,
    limit: usize,
    evicted: u64,
}

#[derive(Debug)]
struct Entry {
    key: Key,
    counters: Counters,
    touched: Timestamp,
    bytes: usize,
}

impl Party {
    pub(super) fn new(
        source: IpAddr,
        destination: IpAddr,
        port: u16,
        protocol: Protocol,
        dns: Option<&DnsFacts>,
        mac: Option<[u8; 6]>,
    ) -> Self {
        let class = match dns {
            Some(dns) => Class::Domain(hash(parent_domain(&dns.name))),
            None => Class::Protocol(protocol),
        };
        let port = if dns.is_some() || !matches!(protocol, Protocol::Tcp | Protocol::Udp) { 0 } else { port };
        Self { source, destination, port, protocol, class, mac }
    }

    fn activities(&self) -> [Key; 3] {
        [self.source_key(), self.pair_key(), self.destination_key()]
    }

    fn source_key(&self) -> Key {
        Key::Source(self.source, self.class)
    }

    fn pair_key(&self) -> Key {
        Key::Pair(self.source, self.destination, self.class)
    }

    fn destination_key(&self) -> Key {
        Key::Destination(self.destination, self.class)
    }

    fn port_key(&self) -> Key {
        Key::Port(self.destination, self.class, self.port)
    }

    fn service_key(&self) -> Key {
        Key::Service(self.source, self.destination, self.class, self.port)
    }

    fn host_pair_key(&self) -> Key {
        Key::HostPair(self.source, self.destination)
    }
}

/// A 64-bit name for an item that is counted once; the same in every run.
fn hash(item: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    item.hash(&mut hasher);
    hasher.finish()
}

fn second(time: Timestamp) -> i64 {
    time.as_nanos().div_euclid(1_000_000_000)
}

fn index(outcome: Outcome) -> Option<usize> {
    match outcome {
        Outcome::Pending => None,
        Outcome::Failed => Some(0),
        Outcome::Answered => Some(1),
    }
}

/// Bits a character.
pub(crate) fn name_entropy(name: &str) -> f64 {
    let mut counts = [0u32; 256];
    name.bytes().for_each(|byte| counts[usize::from(byte)] += 1);
    let n = name.len() as f64;
    counts.iter().filter(|&&c| c > 0).map(|&c| f64::from(c) / n).map(|p| -p * p.log2()).sum()
}

impl HostTable {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            index: HashMap::new(),
            entries: Slab::new(),
            order: SlotList::default(),
            slots: 0,
            counters_bytes: 0,
            limit,
            evicted: 0,
        }
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> usize {
        let slot = size_of::<Entry>() + size_of::<usize>() + SlotList::LINK_BYTES;
        self.counters_bytes + self.slots * slot + map_bytes(&self.index)
    }

    /// Counters dropped for want of room.
    pub(super) fn evicted(&self) -> u64 {
        self.evicted
    }

    /// A session's first packet.
    pub(super) fn begin(&mut self, party: &Party, now: Timestamp) {
        let s = second(now);
        for key in [party.source_key(), party.pair_key()] {
            self.activity(key, now, |counters| counters.attempts.add(s, 1));
        }
        self.service(party, now, |counters| counters.begin(s, now));
        self.host_pair(party, now, |counters| {
            counters.sessions.add(s, 1);
            counters.ports.add(s, hash((party.protocol, party.port)));
            counters.open = counters.open.saturating_add(1);
        });
        if let (Protocol::Arp, Some(mac)) = (party.protocol, party.mac) {
            self.station(mac, now, |claims| claims.add(s, hash(party.source)));
        }
    }

    /// A DNS query, the session's first or a later one.
    pub(super) fn query(&mut self, source: IpAddr, dns: &DnsFacts, now: Timestamp) {
        let s = second(now);
        self.domain(Key::Domain(source, hash(parent_domain(&dns.name))), now, |counters| {
            counters.queries.add(s, 1);
            counters.names.add(s, hash(&dns.name));
            counters.characters.add(s, dns.name.len() as u64);
            counters.entropy.add(s, (name_entropy(&dns.name) * 1000.0) as u64);
        });
    }

    /// The outcome of a session is known, or was counted as `before` and has turned out otherwise.
    pub(super) fn outcome(
        &mut self,
        party: &Party,
        before: Option<(Outcome, Timestamp)>,
        outcome: Outcome,
        now: Timestamp,
    ) {
        let s = second(now);
        let Some(new) = index(outcome) else { return };
        let old = before.and_then(|(outcome, time)| Some((index(outcome)?, second(time))));
        let port = hash((party.protocol, party.port));
        let hosts = [party.destination, party.destination, party.source];
        for (key, host) in party.activities().into_iter().zip(hosts) {
            if !matches!(key, Key::Destination(..)) && !self.has(&key) {
                continue;
            }
            self.activity(key, now, |counters| {
                if let Some((old, at)) = old
                    && let Some(counters) = &mut counters.outcomes[old]
                {
                    counters.sessions.take_back(at);
                }
                let counters = counters.outcomes[new].get_or_insert_default();
                counters.sessions.add(s, 1);
                counters.ports.add(s, port);
                counters.hosts.add(s, hash(host));
            });
        }
        self.activity(party.port_key(), now, |counters| {
            counters.outcomes[new].get_or_insert_default().hosts.add(s, hash(party.source));
        });
        let count = |outcomes: &mut [Window; 2]| {
            if let Some((old, at)) = old {
                outcomes[old].take_back(at);
            }
            outcomes[new].add(s, 1);
        };
        if self.has(&party.service_key()) {
            self.service(party, now, |counters| count(&mut counters.outcomes));
        }
        if self.has(&party.host_pair_key()) {
            self.host_pair(party, now, |counters| count(&mut counters.outcomes));
        }
    }

    /// More payload of a session that began at `start`: bytes since the last call.
    pub(super) fn traffic(&mut self, party: &Party, start: Timestamp, up: u64, down: u64, now: Timestamp) {
        if up == 0 && down == 0 {
            return;
        }
        let s = second(now);
        if self.has(&party.service_key()) {
            self.service(party, now, |counters| counters.traffic(s, start, up, down));
        }
        if self.has(&party.host_pair_key()) {
            self.host_pair(party, now, |counters| {
                counters.up.add(s, up);
                counters.down.add(s, down);
            });
        }
    }

    /// A session's end.
    pub(super) fn end(&mut self, party: &Party, now: Timestamp) {
        if self.has(&party.service_key()) {
            self.service(party, now, |counters| counters.open = counters.open.saturating_sub(1));
        }
        if self.has(&party.host_pair_key()) {
            self.host_pair(party, now, |counters| counters.open = counters.open.saturating_sub(1));
        }
    }

    /// Whether there are counters that a session's start made. Where those of others make room, they are not made anew
    /// for what the session does later: in a flood that would be most of the work.
    fn has(&self, key: &Key) -> bool {
        self.evicted == 0 || self.index.contains_key(key)
    }

    /// What the counters say about a session of the given outcome.
    pub(super) fn observe(&self, party: &Party, outcome: Outcome, now: Timestamp) -> Context {
        let s = second(now);
        let outcome = index(outcome).unwrap_or(0);
        let mut context = Context {
            source: self.activity_at(&party.source_key(), outcome, s),
            pair: self.activity_at(&party.pair_key(), outcome, s),
            destination: self.activity_at(&party.destination_key(), outcome, s),
            port_sources: self.activity_at(&party.port_key(), outcome, s).hosts,
            ..Context::default()
        };
        if let Some(Counters::Service(counters)) = self.find(&party.service_key()) {
            context.service = counters.observe(s);
        }
        if let Some(Counters::HostPair(counters)) = self.find(&party.host_pair_key()) {
            context.host_pair = counters.observe(s);
        }
        if let Class::Domain(domain) = party.class
            && let Some(Counters::Domain(counters)) = self.find(&Key::Domain(party.source, domain))
        {
            context.domain = counters.observe(s);
        }
        if let (Protocol::Arp, Some(mac)) = (party.protocol, party.mac)
            && let Some(Counters::Station(claims)) = self.find(&Key::Station(mac))
        {
            context.arp_claims = claims.count(s, SPAN) as f64;
        }
        context
    }

    fn find(&self, key: &Key) -> Option<&Counters> {
        self.index.get(key).map(|&slot| &self.entries[slot].counters)
    }

    fn activity_at(&self, key: &Key, outcome: usize, second: i64) -> Activity {
        match self.find(key) {
            Some(Counters::Activity(counters)) => counters.observe(outcome, second),
            _ => Activity::default(),
        }
    }

    fn activity(&mut self, key: Key, now: Timestamp, update: impl FnOnce(&mut ActivityCounters)) {
        self.touch(
            key,
            now,
            || Counters::Activity(Box::default()),
            |counters| {
                if let Counters::Activity(counters) = counters {
                    update(counters);
                }
            },
        );
    }

    fn service(&mut self, party: &Party, now: Timestamp, update: impl FnOnce(&mut ServiceCounters)) {
        self.touch(
            party.service_key(),
            now,
            || Counters::Service(Box::default()),
            |counters| {
                if let Counters::Service(counters) = counters {
                    update(counters);
                }
            },
        );
    }

    fn host_pair(&mut self, party: &Party, now: Timestamp, update: impl FnOnce(&mut HostPairCounters)) {
        self.touch(
            party.host_pair_key(),
            now,
            || Counters::HostPair(Box::default()),
            |counters| {
                if let Counters::HostPair(counters) = counters {
                    update(counters);
                }
            },
        );
    }

    fn domain(&mut self, key: Key, now: Timestamp, update: impl FnOnce(&mut DomainCounters)) {
        self.touch(
            key,
            now,
            || Counters::Domain(Box::default()),
            |counters| {
                if let Counters::Domain(counters) = counters {
                    update(counters);
                }
            },
        );
    }

    fn station(&mut self, mac: [u8; 6], now: Timestamp, update: impl FnOnce(&mut Distinct)) {
        self.touch(
            Key::Station(mac),
            now,
            || Counters::Station(Distinct::default()),
            |counters| {
                if let Counters::Station(claims) = counters {
                    update(claims);
                }
            },
        );
    }

    /// Updates the entry of `key`, made anew where there is none, and drops the oldest entries beyond age or memory.
    fn touch(&mut self, key: Key, now: Timestamp, new: impl FnOnce() -> Counters, update: impl FnOnce(&mut Counters)) {
        let slot = match self.index.get(&key) {
            Some(&slot) => slot,
            None => {
                let slot = self.entries.insert(Entry { key: key.clone(), counters: new(), touched: now, bytes: 0 });
                self.index.insert(key, slot);
                self.slots = self.slots.max(slot + 1);
                slot
            }
        };
        let entry = &mut self.entries[slot];
        update(&mut entry.counters);
        entry.touched = now;
        let bytes = entry.counters.heap();
        self.counters_bytes = self.counters_bytes + bytes - entry.bytes;
        entry.bytes = bytes;
        self.order.push_back(slot);
        while let Some(oldest) = self.order.front()
            && oldest != slot
        {
            let full = self.bytes() > self.limit;
            if !full && now.since(self.entries[oldest].touched) < FORGET {
                break;
            }
            self.evicted += u64::from(full);
            self.order.remove(oldest);
            let entry = self.entries.remove(oldest);
            self.counters_bytes -= entry.bytes;
            self.index.remove(&entry.key);
        }
    }
}
