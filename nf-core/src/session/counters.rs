//! The counters behind the context: what one source, pair, service or domain did in the last 60 s.

use super::{
    context::{Activity, Domain, HostPair, Service},
    distinct::Distinct,
    host::Class,
    series::{SPAN, Series},
    store::{ALLOCATION, Counters, FORGET},
};
use crate::Timestamp;
use smallvec::SmallVec;

/// How many sessions of one service the regularity columns look at.
const RECENT: usize = 16;

/// Fewest sessions of a service that say something about regularity.
const REGULAR_FROM: usize = 4;

/// What happens to a session, as its counters see it. Outcomes are 0 for failed and 1 for answered.
#[derive(Debug, Clone, Copy)]
pub(super) enum Event {
    /// Its first packet, to a port of this name.
    Begin { start: Timestamp, port: u64 },
    /// Its outcome is known, or was counted otherwise at an earlier second and has changed.
    Outcome { before: Option<(usize, u32)>, outcome: usize, port: u64, host: u64 },
    /// More payload of the session that began at `start`.
    Bytes { start: Timestamp, up: u64, down: u64 },
    /// Its end.
    End,
}

/// Payload of an open session that was not counted yet, and when it began.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unaccounted {
    pub(super) start: Timestamp,
    /// Bytes up and down.
    pub(super) bytes: [u64; 2],
}

/// Of a source, a destination, or a pair within a class.
#[derive(Debug, Default)]
pub(super) struct ActivityCounters {
    /// Attempts, failed sessions, answered sessions.
    sessions: Series<3>,
    /// Ports of failed sessions, ports of answered ones, hosts of failed ones, hosts of answered ones.
    seen: Distinct<4>,
}

/// Different sources at one port of a destination, by outcome.
#[derive(Debug, Default)]
pub(super) struct PortCounters {
    sources: Distinct<2>,
}

/// Of a source, a destination, its port and a class.
#[derive(Debug, Default)]
pub(super) struct ServiceCounters {
    traffic: Traffic,
    recent: SmallVec<[RecentSession; 1]>,
}

#[derive(Debug)]
struct RecentSession {
    start: Timestamp,
    up: u64,
    down: u64,
}

/// Of a source and a destination over everything between them. The counters of their first service are kept here as well:
/// most pairs have no other, and those of a flood are looked up once.
#[derive(Debug, Default)]
pub(super) struct PairCounters {
    traffic: Traffic,
    ports: Distinct<1>,
    /// Class and port of the first session.
    first: Option<(Class, u16)>,
    /// Of the pair within the class of the first session.
    activity: ActivityCounters,
    /// Of the first session's service, and when it was touched last.
    service: ServiceCounters,
    service_touched: Timestamp,
}

/// Of a source's questions under one parent domain.
#[derive(Debug, Default)]
pub(super) struct DomainCounters {
    /// Queries, characters of names, their entropy in millibits a character.
    queries: Series<3>,
    names: Distinct<1>,
}

/// Protocol addresses that one hardware address claimed.
#[derive(Debug, Default)]
pub(super) struct StationCounters {
    claims: Distinct<1>,
}

/// Sessions started, failed and answered; bytes up and down; sessions open.
#[derive(Debug, Default)]
struct Traffic {
    sums: Series<5>,
    open: u32,
}

fn pair(sums: [u64; 2]) -> [f64; 2] {
    sums.map(|sum| sum as f64)
}

/// The heap of some parts, each of one allocation or none.
fn heap(parts: impl IntoIterator<Item = usize>) -> usize {
    parts.into_iter().filter(|&bytes| bytes > 0).map(|bytes| bytes + ALLOCATION).sum()
}

impl Traffic {
    fn clear(&mut self) {
        self.sums.clear();
        self.open = 0;
    }

    /// The sums over the short and the long span, as if the session had fallen silent now.
    fn sums(&self, second: u32, own: &Unaccounted) -> [[u64; 5]; 2] {
        self.sums.sums(second).map(|[begun, failed, answered, up, down]| {
            [begun, failed, answered, up.saturating_add(own.bytes[0]), down.saturating_add(own.bytes[1])]
        })
    }

    fn apply(&mut self, second: u32, event: &Event) {
        match *event {
            Event::Begin { .. } => {
                self.sums.add(second, 0, 1);
                self.open = self.open.saturating_add(1);
            }
            Event::Outcome { before, outcome, .. } => {
                if let Some((before, at)) = before {
                    self.sums.take_back(at, 1 + before);
                }
                self.sums.add(second, 1 + outcome, 1);
            }
            Event::Bytes { up, down, .. } => {
                self.sums.add(second, 3, up);
                self.sums.add(second, 4, down);
            }
            Event::End => self.open = self.open.saturating_sub(1),
        }
    }
}

impl ActivityCounters {
    pub(super) fn apply(&mut self, second: u32, event: &Event) {
        match *event {
            Event::Begin { .. } => self.sessions.add(second, 0, 1),
            Event::Outcome { before, outcome, port, host } => {
                if let Some((before, at)) = before {
                    self.sessions.take_back(at, 1 + before);
                }
                self.sessions.add(second, 1 + outcome, 1);
                self.seen.add(second, outcome, port);
                self.seen.add(second, 2 + outcome, host);
            }
            Event::Bytes { .. } | Event::End => {}
        }
    }

    pub(super) fn observe(&self, outcome: usize, second: u32) -> Activity {
        let [short, long] = self.sessions.sums(second);
        Activity {
            attempts: pair([short[0], long[0]]),
            sessions: pair([short[1 + outcome], long[1 + outcome]]),
            ports: pair(self.seen.counts(second, outcome)),
            hosts: pair(self.seen.counts(second, 2 + outcome)),
        }
    }
}

impl PortCounters {
    pub(super) fn outcome(&mut self, second: u32, outcome: usize, source: u64) {
        self.sources.add(second, outcome, source);
    }

    pub(super) fn observe(&self, outcome: usize, second: u32) -> [f64; 2] {
        pair(self.sources.counts(second, outcome))
    }
}

impl ServiceCounters {
    pub(super) fn apply(&mut self, second: u32, event: &Event) {
        self.traffic.apply(second, event);
        match *event {
            Event::Begin { start, .. } => {
                if self.recent.len() == RECENT {
                    self.recent.remove(0);
                }
                self.recent.push(RecentSession { start, up: 0, down: 0 });
            }
            Event::Bytes { start, up, down } => {
                if let Some(recent) = self.recent.iter_mut().rev().find(|recent| recent.start == start) {
                    recent.up = recent.up.saturating_add(up);
                    recent.down = recent.down.saturating_add(down);
                }
            }
            Event::Outcome { .. } | Event::End => {}
        }
    }

    pub(super) fn observe(&self, second: u32, own: &Unaccounted) -> Service {
        let [short, long] = self.traffic.sums(second, own);
        let [sessions, failed, answered, bytes_up, bytes_down] = long.map(|sum| sum as f64);
        let bytes = |s: &RecentSession| match s.start == own.start {
            true => [s.up.saturating_add(own.bytes[0]), s.down.saturating_add(own.bytes[1])].map(|bytes| bytes as f64),
            false => [s.up, s.down].map(|bytes| bytes as f64),
        };
        let mut service = Service {
            sessions: [short[0] as f64, sessions],
            failed: failed / (failed + answered).max(1.0),
            bytes_up,
            bytes_down,
            open: f64::from(self.traffic.open),
            recent: self.recent.len() as f64,
            gap_mean: f64::from(SPAN),
            gap_variation: 1.0,
            up_down: 0.0,
            payload_variation: 1.0,
        };
        let [up, down] = self.recent.iter().map(bytes).fold([0.0; 2], |[a, b], [up, down]| [a + up, b + down]);
        service.up_down = ((1.0 + up) / (1.0 + down)).ln();
        if self.recent.len() >= REGULAR_FROM {
            let starts = self.recent.iter().zip(self.recent.iter().skip(1));
            let (mean, variation) = variation(starts.map(|(a, b)| b.start.since(a.start).as_secs_f64()));
            (service.gap_mean, service.gap_variation) = (mean, variation);
            service.payload_variation = self::variation(self.recent.iter().map(|s| bytes(s).iter().sum())).1;
        }
        service
    }
}

/// Mean, and deviation over mean; the latter 0 where the mean is 0.
fn variation(values: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let n = values.clone().count().max(1) as f64;
    let mean = values.clone().sum::<f64>() / n;
    let variance = values.map(|x| (x - mean).powi(2)).sum::<f64>() / n;
    (mean, if mean > 0.0 { variance.sqrt() / mean } else { 0.0 })
}

impl PairCounters {
    /// Takes in what happened to a session of this class and port, and says which of its counters are not kept here:
    /// those of the pair's activity in the class, and of the service.
    pub(super) fn apply(&mut self, class: Class, port: u16, second: u32, now: Timestamp, event: &Event) -> [bool; 2] {
        self.traffic.apply(second, event);
        if let Event::Begin { port, .. } = *event {
            self.ports.add(second, 0, port);
        }
        let first = *self.first.get_or_insert((class, port));
        let elsewhere = [first.0 != class, first != (class, port)];
        if !elsewhere[0] {
            self.activity.apply(second, event);
        }
        if !elsewhere[1] {
            if now.since(self.service_touched) >= FORGET {
                self.service = ServiceCounters::default();
            }
            self.service.apply(second, event);
            self.service_touched = now;
        }
        elsewhere
    }

    /// The pair's activity in a class, where that is kept here.
    pub(super) fn activity(&self, class: Class) -> Option<&ActivityCounters> {
        self.first.is_some_and(|first| first.0 == class).then_some(&self.activity)
    }

    /// The service, where that is kept here, and unless it is forgotten.
    pub(super) fn service(&self, class: Class, port: u16, now: Timestamp) -> Option<Option<&ServiceCounters>> {
        let forgotten = now.since(self.service_touched) >= FORGET;
        (self.first == Some((class, port))).then(|| (!forgotten).then_some(&self.service))
    }

    pub(super) fn observe(&self, second: u32, own: &Unaccounted) -> HostPair {
        let [short, long] = self.traffic.sums(second, own);
        let [sessions, failed, answered, bytes_up, bytes_down] = long.map(|sum| sum as f64);
        HostPair {
            sessions: [short[0] as f64, sessions],
            ports: pair(self.ports.counts(second, 0)),
            failed,
            answered,
            bytes_up,
            bytes_down,
            open: f64::from(self.traffic.open),
        }
    }
}

impl DomainCounters {
    /// A question for a name of so many characters and so much entropy.
    pub(super) fn query(&mut self, second: u32, name: u64, characters: usize, millibits: u64) {
        self.queries.add(second, 0, 1);
        self.names.add(second, 0, name);
        self.queries.add(second, 1, characters as u64);
        self.queries.add(second, 2, millibits);
    }

    pub(super) fn observe(&self, second: u32) -> Domain {
        let [short, long] = self.queries.sums(second);
        let [queries, characters, millibits] = long.map(|sum| sum as f64);
        let asked = queries.max(1.0);
        Domain {
            queries: [short[0] as f64, queries],
            names: self.names.counts(second, 0)[1] as f64,
            name_length: characters / asked,
            name_entropy: millibits / 1000.0 / asked,
        }
    }
}

impl StationCounters {
    pub(super) fn claim(&mut self, second: u32, address: u64) {
        self.claims.add(second, 0, address);
    }

    pub(super) fn observe(&self, second: u32) -> f64 {
        self.claims.counts(second, 0)[1] as f64
    }
}

impl Counters for ActivityCounters {
    fn clear(&mut self) {
        self.sessions.clear();
        self.seen.clear();
    }

    fn heap(&self) -> usize {
        heap([self.sessions.heap(), self.seen.heap()])
    }
}

impl Counters for PortCounters {
    fn clear(&mut self) {
        self.sources.clear();
    }

    fn heap(&self) -> usize {
        heap([self.sources.heap()])
    }
}

impl Counters for ServiceCounters {
    fn clear(&mut self) {
        self.traffic.clear();
        self.recent = SmallVec::new();
    }

    fn heap(&self) -> usize {
        let recent = if self.recent.spilled() { self.recent.capacity() * size_of::<RecentSession>() } else { 0 };
        heap([self.traffic.sums.heap(), recent])
    }
}

impl Counters for PairCounters {
    fn clear(&mut self) {
        self.traffic.clear();
        self.ports.clear();
        self.first = None;
        self.activity.clear();
        self.service.clear();
    }

    fn heap(&self) -> usize {
        heap([self.traffic.sums.heap(), self.ports.heap()]) + self.activity.heap() + self.service.heap()
    }
}

impl Counters for DomainCounters {
    fn clear(&mut self) {
        self.queries.clear();
        self.names.clear();
    }

    fn heap(&self) -> usize {
        heap([self.queries.heap(), self.names.heap()])
    }
}

impl Counters for StationCounters {
    fn clear(&mut self) {
        self.claims.clear();
    }

    fn heap(&self) -> usize {
        heap([self.claims.heap()])
    }
}
