//! What hosts did lately: bounded counters by source, pair, service and destination, kept in packet time.
//!
//! Counters are keyed by service class and by outcome (answered or failed) as well. Keyed by destination alone, they make
//! the benign clients of an attacked server look strange: their counters are the attacker's, too.
//!
//! Everything here is causal. An attempt counts at its first packet; the outcome of a session counts when it is known or,
//! provisionally, after [`SETTLE`] of silence, and is corrected once when an answer comes after all.

use super::{
    context::{Activity, Context},
    counters::{
        ActivityCounters, DomainCounters, Event, PairCounters, PortCounters, ServiceCounters, StationCounters,
        Unaccounted,
    },
    distinct::Distinct,
    keyed::{Key, Keyed, address, number},
    session::Outcome,
    store::{Counters, Handle, Store},
};
use crate::{
    Timestamp,
    decode::{DnsFacts, Protocol, parent_domain},
};
use std::{
    hash::{DefaultHasher, Hash, Hasher},
    net::IpAddr,
    time::Duration,
};

/// Silence after which a session's outcome is taken for what it is so far.
pub(super) const SETTLE: Duration = Duration::from_secs(2);

/// What each store may take of the memory, in sixteenths: each has its own, so that a flood of one kind does not push out
/// the others.
const SHARES: [usize; 6] = [5, 5, 2, 2, 1, 1];

/// The index of answered sessions among outcomes.
const ANSWERED: usize = 1;

/// Sessions are compared within a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
    /// The session has more than one packet.
    lasting: bool,
    places: Places,
}

/// Where a session's counters were last: they are looked up once.
#[derive(Debug, Clone, Copy, Default)]
struct Places {
    source: Handle,
    pair: Handle,
    /// Of the pair's activity and service where its record does not hold them.
    activity: Handle,
    service: Handle,
    destination: Handle,
    port: Handle,
}

/// All counters of one session table, bounded in bytes.
#[derive(Debug)]
pub(super) struct HostTable {
    keyed: Keyed,
    /// Of sources, destinations, and pairs in other classes than that of their first session.
    activities: Store<ActivityCounters>,
    pairs: Store<PairCounters>,
    /// Of pairs beyond their first.
    services: Store<ServiceCounters>,
    ports: Store<PortCounters>,
    domains: Store<DomainCounters>,
    stations: Store<StationCounters>,
    /// Sources of answered TCP sessions in the whole network: who forges its address completes no handshake.
    clients: Distinct<1>,
    /// When any counter was last touched: what is older than that by the time to forget is forgotten.
    touched: Timestamp,
    /// The second in which forgotten counters were last dropped.
    swept: u32,
}

/// What a key is of.
#[derive(Clone, Copy)]
enum Of {
    Source,
    Destination,
    Pair,
    Service,
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
        Self { source, destination, port, protocol, class, mac, lasting: false, places: Places::default() }
    }

    /// The session has more than one packet.
    pub(super) fn last(&mut self) {
        self.lasting = true;
    }

    fn key(&self, of: Of) -> Key {
        match of {
            Of::Source => key(of, self.source, None, self.class, 0),
            Of::Destination => key(of, self.destination, None, self.class, 0),
            Of::Pair => key(of, self.source, Some(self.destination), self.class, 0),
            Of::Service => key(of, self.source, Some(self.destination), self.class, self.port),
        }
    }

    /// Of the pair over all classes.
    fn pair_key(&self) -> Key {
        key(Of::Pair, self.source, Some(self.destination), Class::Domain(0), 0)
    }

    fn port_key(&self) -> Key {
        key(Of::Destination, self.destination, None, self.class, self.port)
    }

    fn port_item(&self) -> u64 {
        u64::from(number(self.protocol)) << 16 | u64::from(self.port)
    }
}

fn key(of: Of, a: IpAddr, b: Option<IpAddr>, class: Class, port: u16) -> Key {
    let ([a0, a1, a2, a3], six_a) = address(a);
    let ([b0, b1, b2, b3], six_b) = b.map_or(([0; 4], 0), address);
    let (domain, class) = match class {
        Class::Protocol(protocol) => (0, u64::from(number(protocol))),
        Class::Domain(hash) => (1, hash),
    };
    let flags = six_a | six_b << 1 | domain << 2 | (of as u32) << 3;
    [a0, a1, a2, a3, b0, b1, b2, b3, class as u32, (class >> 32) as u32, u32::from(port), flags]
}

fn domain_key(source: IpAddr, domain: u64) -> Key {
    key(Of::Source, source, None, Class::Domain(domain), 0)
}

fn station_key([a, b, c, d, e, f]: [u8; 6]) -> Key {
    let mut key = Key::default();
    (key[0], key[1]) = (u32::from_be_bytes([a, b, c, d]), u32::from(u16::from_be_bytes([e, f])));
    key
}

/// A name for an address that is counted once: itself for IPv4, else a hash that is the same in every run.
fn item(addr: IpAddr) -> u64 {
    match addr {
        IpAddr::V4(addr) => u64::from(addr.to_bits()),
        IpAddr::V6(addr) => hash(addr),
    }
}

/// A 64-bit name for an item that is counted once; the same in every run.
fn hash(item: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    item.hash(&mut hasher);
    hasher.finish()
}

/// Whole seconds, modulo 2^32.
fn second(time: Timestamp) -> u32 {
    time.as_nanos().div_euclid(1_000_000_000) as u32
}

fn index(outcome: Outcome) -> Option<usize> {
    match outcome {
        Outcome::Pending => None,
        Outcome::Failed => Some(0),
        Outcome::Answered => Some(ANSWERED),
    }
}

/// Bits a character.
pub(crate) fn name_entropy(name: &str) -> f64 {
    let mut counts = [0u32; 256];
    name.bytes().for_each(|byte| counts[usize::from(byte)] += 1);
    let n = name.len() as f64;
    counts.iter().filter(|&&c| c > 0).map(|&c| f64::from(c) / n).map(|p| -p * p.log2()).sum()
}

/// Whether counters that are not where they were are looked up, and made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Missing {
    Make,
    Find,
    Leave,
}

/// Finds the counters of a session.
fn again<V: Counters>(
    store: &mut Store<V>,
    keyed: &Keyed,
    handle: &mut Handle,
    key: impl FnOnce() -> Key,
    touched: Timestamp,
    now: Timestamp,
    missing: Missing,
) -> bool {
    if store.get(*handle, touched).is_some() {
        return true;
    }
    let found = match missing {
        Missing::Make => Some(store.enter(keyed, key(), touched, now)),
        Missing::Find => store.find(keyed, &key(), touched),
        Missing::Leave => None,
    };
    if let Some(found) = found {
        *handle = found;
    }
    found.is_some()
}

/// The counters of a session, where they are still there.
fn look<'a, V: Counters>(
    store: &'a Store<V>,
    keyed: &Keyed,
    handle: Handle,
    key: impl FnOnce() -> Key,
    touched: Timestamp,
    missing: Missing,
) -> Option<&'a V> {
    let there = store.get(handle, touched);
    if there.is_some() || missing == Missing::Leave {
        return there;
    }
    store.get(store.find(keyed, &key(), touched)?, touched)
}

impl HostTable {
    pub(super) fn new(limit: usize) -> Self {
        let [activities, pairs, services, ports, domains, stations] = SHARES.map(|share| limit / 16 * share);
        Self {
            keyed: Keyed::default(),
            activities: Store::new(activities),
            pairs: Store::new(pairs),
            services: Store::new(services),
            ports: Store::new(ports),
            domains: Store::new(domains),
            stations: Store::new(stations),
            clients: Distinct::default(),
            touched: Timestamp::from_nanos(i64::MIN),
            swept: 0,
        }
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> usize {
        self.activities.bytes()
            + self.pairs.bytes()
            + self.services.bytes()
            + self.ports.bytes()
            + self.domains.bytes()
            + self.stations.bytes()
            + self.clients.heap()
    }

    /// Counters dropped for want of room.
    pub(super) fn evicted(&self) -> u64 {
        self.activities.evicted()
            + self.pairs.evicted()
            + self.services.evicted()
            + self.ports.evicted()
            + self.domains.evicted()
            + self.stations.evicted()
    }

    /// A session's first packet.
    pub(super) fn begin(&mut self, party: &mut Party, now: Timestamp) {
        let s = second(now);
        party.places = Places::default();
        let event = Event::Begin { start: now, port: party.port_item() };
        self.touched = now;
        self.source(party, s, now, Missing::Make, &event);
        // Who is not taken in among the sources is not known among the pairs.
        if party.places.source != Handle::default() {
            self.between(party, s, now, Missing::Make, &event);
        }
        if let (Protocol::Arp, Some(mac)) = (party.protocol, party.mac) {
            let station = self.stations.enter(&self.keyed, station_key(mac), now, now);
            self.stations.update(station, now, |counters| counters.claim(s, item(party.source)));
        }
        if s != self.swept {
            self.sweep(now);
            self.swept = s;
        }
    }

    /// A DNS query, the session's first or a later one.
    pub(super) fn query(&mut self, source: IpAddr, dns: &DnsFacts, now: Timestamp) {
        let s = second(now);
        let domain =
            self.domains.enter(&self.keyed, domain_key(source, hash(parent_domain(&dns.name))), self.touched, now);
        let millibits = (name_entropy(&dns.name) * 1000.0) as u64;
        self.domains.update(domain, now, |counters| {
            counters.query(s, hash(&dns.name), dns.name.len(), millibits);
        });
        self.touched = now;
    }

    /// The outcome of a session is known, or was counted as `before` and has turned out otherwise.
    pub(super) fn outcome(
        &mut self,
        party: &mut Party,
        before: Option<(Outcome, Timestamp)>,
        outcome: Outcome,
        now: Timestamp,
    ) {
        let s = second(now);
        let Some(outcome) = index(outcome) else { return };
        let before = before.and_then(|(outcome, time)| Some((index(outcome)?, second(time))));
        let (port, source) = (party.port_item(), item(party.source));
        if (party.protocol, outcome) == (Protocol::Tcp, ANSWERED) {
            self.clients.add(s, 0, source);
        }
        let event = Event::Outcome { before, outcome, port, host: item(party.destination) };
        let missing = self.missing(party, now);
        self.touched = now;
        self.source(party, s, now, missing, &event);
        self.between(party, s, now, missing, &event);

        let mut place = party.places.destination;
        again(&mut self.activities, &self.keyed, &mut place, || party.key(Of::Destination), now, now, Missing::Make);
        let event = Event::Outcome { before, outcome, port, host: source };
        self.activities.update(place, now, |counters| counters.apply(s, &event));
        party.places.destination = place;
        let mut place = party.places.port;
        again(&mut self.ports, &self.keyed, &mut place, || party.port_key(), now, now, Missing::Make);
        self.ports.update(place, now, |counters| counters.outcome(s, outcome, source));
        party.places.port = place;
    }

    /// More payload of a session that began at `start`: bytes since the last call.
    pub(super) fn traffic(&mut self, party: &mut Party, start: Timestamp, up: u64, down: u64, now: Timestamp) {
        if up > 0 || down > 0 {
            let missing = self.missing(party, now);
            self.between(party, second(now), now, missing, &Event::Bytes { start, up, down });
        }
    }

    /// A session's end. Counters made since it began did not count it as open.
    pub(super) fn end(&mut self, party: &mut Party, now: Timestamp) {
        self.between(party, second(now), now, Missing::Leave, &Event::End);
    }

    /// What is done about counters that are gone when a session goes on. They are made anew where they were forgotten.
    /// Where lately those of others made room they are not: in a flood that would be most of the work; and of a session that
    /// had one packet they are not even looked up.
    fn missing(&self, party: &Party, now: Timestamp) -> Missing {
        let crowded = self.activities.is_crowded(now) || self.pairs.is_crowded(now) || self.services.is_crowded(now);
        if !crowded {
            Missing::Make
        } else if party.lasting {
            Missing::Find
        } else {
            Missing::Leave
        }
    }

    /// Something happens to the counters of a session's source.
    fn source(&mut self, party: &mut Party, second: u32, now: Timestamp, missing: Missing, event: &Event) {
        let mut place = party.places.source;
        if again(&mut self.activities, &self.keyed, &mut place, || party.key(Of::Source), self.touched, now, missing) {
            self.activities.update(place, now, |counters| counters.apply(second, event));
        }
        party.places.source = place;
    }

    /// Something happens to the counters between a session's hosts: of the pair, of its activity in the session's class,
    /// and of its service.
    fn between(&mut self, party: &mut Party, second: u32, now: Timestamp, missing: Missing, event: &Event) {
        let touched = std::mem::replace(&mut self.touched, now);
        let Places { mut pair, mut activity, mut service, .. } = party.places;
        let (class, port) = (party.class, party.port);
        let elsewhere = again(&mut self.pairs, &self.keyed, &mut pair, || party.pair_key(), touched, now, missing)
            .then(|| self.pairs.update(pair, now, |counters| counters.apply(class, port, second, now, event)))
            .flatten();
        if let Some([activity_elsewhere, service_elsewhere]) = elsewhere {
            if activity_elsewhere
                && matches!(event, Event::Begin { .. } | Event::Outcome { .. })
                && again(
                    &mut self.activities,
                    &self.keyed,
                    &mut activity,
                    || party.key(Of::Pair),
                    touched,
                    now,
                    missing,
                )
            {
                self.activities.update(activity, now, |counters| counters.apply(second, event));
            }
            if service_elsewhere
                && again(
                    &mut self.services,
                    &self.keyed,
                    &mut service,
                    || party.key(Of::Service),
                    touched,
                    now,
                    missing,
                )
            {
                self.services.update(service, now, |counters| counters.apply(second, event));
            }
        }
        party.places = Places { pair, activity, service, ..party.places };
    }

    /// Has a session's counters read into the cache: it will end soon.
    pub(super) fn fetch(&self, party: &Party) {
        self.activities.fetch(party.places.source);
        self.pairs.fetch(party.places.pair);
        self.ports.fetch_key(&self.keyed, &party.port_key());
    }

    /// Has the place of a source's counters read into the cache: a session of it may begin soon.
    pub(super) fn fetch_source(&self, source: IpAddr, protocol: Protocol) {
        self.activities.fetch_key(&self.keyed, &key(Of::Source, source, None, Class::Protocol(protocol), 0));
    }

    /// What the counters say about a session of the given outcome, of which some payload may not be counted yet.
    pub(super) fn observe(&self, party: &Party, outcome: Outcome, own: &Unaccounted, now: Timestamp) -> Context {
        let s = second(now);
        let outcome = index(outcome).unwrap_or(0);
        let (places, missing) = (&party.places, self.missing(party, now));
        let activity = |place, of| look(&self.activities, &self.keyed, place, || party.key(of), self.touched, missing);
        let observe = |counters: Option<&ActivityCounters>| {
            counters.map_or_else(Activity::default, |counters| counters.observe(outcome, s))
        };
        let pair = look(&self.pairs, &self.keyed, places.pair, || party.pair_key(), self.touched, missing);
        let within_class = pair.and_then(|pair| match pair.activity(party.class) {
            Some(counters) => Some(counters),
            None => activity(places.activity, Of::Pair),
        });
        let service = pair.and_then(|pair| match pair.service(party.class, party.port, self.touched) {
            Some(held) => held,
            None => look(&self.services, &self.keyed, places.service, || party.key(Of::Service), self.touched, missing),
        });
        let port = look(&self.ports, &self.keyed, places.port, || party.port_key(), self.touched, missing);
        let mut context = Context {
            source: observe(activity(places.source, Of::Source)),
            pair: observe(within_class),
            destination: observe(activity(places.destination, Of::Destination)),
            port_sources: port.map_or([0.0; 2], |counters| counters.observe(outcome, s)),
            service: service.map(|counters| counters.observe(s, own)).unwrap_or_default(),
            host_pair: pair.map(|counters| counters.observe(s, own)).unwrap_or_default(),
            clients: self.clients.counts(s, 0)[1] as f64,
            ..Context::default()
        };
        if let Class::Domain(domain) = party.class {
            let key = || domain_key(party.source, domain);
            let domain = look(&self.domains, &self.keyed, Handle::default(), key, self.touched, Missing::Find);
            context.domain = domain.map(|counters| counters.observe(s)).unwrap_or_default();
        }
        if let (Protocol::Arp, Some(mac)) = (party.protocol, party.mac) {
            let station =
                look(&self.stations, &self.keyed, Handle::default(), || station_key(mac), self.touched, Missing::Find);
            context.arp_claims = station.map(|counters| counters.observe(s)).unwrap_or_default();
        }
        context
    }

    /// Drops what nobody touched for long.
    fn sweep(&mut self, now: Timestamp) {
        self.activities.forget(now);
        self.pairs.forget(now);
        self.services.forget(now);
        self.ports.forget(now);
        self.domains.forget(now);
        self.stations.forget(now);
    }
}
