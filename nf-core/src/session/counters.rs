//! The counters behind the context: what one source, pair, service or domain did in the last 60 s.

use super::{
    context::{Activity, Domain, HostPair, Service},
    window::{Distinct, SPAN, Window},
};
use crate::Timestamp;
use std::collections::VecDeque;

/// Seconds of the short span.
const SHORT: usize = 10;

/// How many sessions of one service the regularity columns look at.
const RECENT: usize = 16;

/// Fewest sessions of a service that say something about regularity.
const REGULAR_FROM: usize = 4;

#[derive(Debug)]
pub(super) enum Counters {
    Activity(Box<ActivityCounters>),
    Service(Box<ServiceCounters>),
    HostPair(Box<HostPairCounters>),
    Domain(Box<DomainCounters>),
    Station(Distinct),
}

#[derive(Debug, Default)]
pub(super) struct ActivityCounters {
    pub(super) attempts: Window,
    /// Failed, answered.
    pub(super) outcomes: [Option<Box<OutcomeCounters>>; 2],
}

#[derive(Debug, Default)]
pub(super) struct OutcomeCounters {
    pub(super) sessions: Window,
    pub(super) ports: Distinct,
    pub(super) hosts: Distinct,
}

#[derive(Debug, Default)]
pub(super) struct ServiceCounters {
    pub(super) sessions: Window,
    /// Failed, answered.
    pub(super) outcomes: [Window; 2],
    pub(super) up: Window,
    pub(super) down: Window,
    pub(super) open: u32,
    pub(super) recent: VecDeque<RecentSession>,
}

#[derive(Debug)]
pub(super) struct RecentSession {
    pub(super) start: Timestamp,
    pub(super) up: u64,
    pub(super) down: u64,
}

#[derive(Debug, Default)]
pub(super) struct HostPairCounters {
    pub(super) sessions: Window,
    pub(super) ports: Distinct,
    pub(super) outcomes: [Window; 2],
    pub(super) up: Window,
    pub(super) down: Window,
    pub(super) open: u32,
}

#[derive(Debug, Default)]
pub(super) struct DomainCounters {
    pub(super) queries: Window,
    pub(super) names: Distinct,
    pub(super) characters: Window,
    /// Millibits a character, summed over queries.
    pub(super) entropy: Window,
}

fn both(window: &Window, second: i64) -> [f64; 2] {
    [window.sum(second, SHORT) as f64, window.sum(second, SPAN) as f64]
}

fn distinct(set: &Distinct, second: i64) -> [f64; 2] {
    [set.count(second, SHORT) as f64, set.count(second, SPAN) as f64]
}

impl Counters {
    /// Bytes on the heap, with what the allocator adds to each allocation.
    pub(super) fn heap(&self) -> usize {
        const ALLOCATION: usize = 16;
        match self {
            Self::Activity(counters) => {
                let outcome = |counters: &OutcomeCounters| {
                    size_of::<OutcomeCounters>() + counters.ports.heap() + counters.hosts.heap() + 3 * ALLOCATION
                };
                size_of::<ActivityCounters>()
                    + ALLOCATION
                    + counters.outcomes.iter().flatten().map(|counters| outcome(counters)).sum::<usize>()
            }
            Self::Service(counters) => {
                size_of::<ServiceCounters>() + counters.recent.capacity() * size_of::<RecentSession>() + 2 * ALLOCATION
            }
            Self::HostPair(counters) => size_of::<HostPairCounters>() + counters.ports.heap() + 2 * ALLOCATION,
            Self::Domain(counters) => size_of::<DomainCounters>() + counters.names.heap() + 2 * ALLOCATION,
            Self::Station(claims) => claims.heap() + ALLOCATION,
        }
    }
}

impl ActivityCounters {
    pub(super) fn observe(&self, outcome: usize, second: i64) -> Activity {
        let attempts = both(&self.attempts, second);
        match &self.outcomes[outcome] {
            Some(counters) => Activity {
                attempts,
                sessions: both(&counters.sessions, second),
                ports: distinct(&counters.ports, second),
                hosts: distinct(&counters.hosts, second),
            },
            None => Activity { attempts, ..Activity::default() },
        }
    }
}

impl ServiceCounters {
    /// A session begins.
    pub(super) fn begin(&mut self, second: i64, start: Timestamp) {
        self.sessions.add(second, 1);
        self.open = self.open.saturating_add(1);
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(RecentSession { start, up: 0, down: 0 });
    }

    /// More payload of the session that began at `start`.
    pub(super) fn traffic(&mut self, second: i64, start: Timestamp, up: u64, down: u64) {
        self.up.add(second, up);
        self.down.add(second, down);
        if let Some(recent) = self.recent.iter_mut().rev().find(|recent| recent.start == start) {
            recent.up = recent.up.saturating_add(up);
            recent.down = recent.down.saturating_add(down);
        }
    }

    pub(super) fn observe(&self, second: i64) -> Service {
        let sessions = both(&self.sessions, second);
        let [failed, answered] = [0, 1].map(|outcome: usize| self.outcomes[outcome].sum(second, SPAN) as f64);
        let mut service = Service {
            sessions,
            failed: failed / (failed + answered).max(1.0),
            bytes_up: self.up.sum(second, SPAN) as f64,
            bytes_down: self.down.sum(second, SPAN) as f64,
            open: f64::from(self.open),
            recent: self.recent.len() as f64,
            gap_mean: SPAN as f64,
            gap_variation: 1.0,
            up_down: 0.0,
            payload_variation: 1.0,
        };
        let (up, down) = self.recent.iter().fold((0.0, 0.0), |(up, down), s| (up + s.up as f64, down + s.down as f64));
        service.up_down = ((1.0 + up) / (1.0 + down)).ln();
        if self.recent.len() >= REGULAR_FROM {
            let starts = self.recent.iter().zip(self.recent.iter().skip(1));
            let (mean, variation) = variation(starts.map(|(a, b)| b.start.since(a.start).as_secs_f64()));
            (service.gap_mean, service.gap_variation) = (mean, variation);
            service.payload_variation = self::variation(self.recent.iter().map(|s| (s.up + s.down) as f64)).1;
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

impl HostPairCounters {
    pub(super) fn observe(&self, second: i64) -> HostPair {
        HostPair {
            sessions: both(&self.sessions, second),
            ports: distinct(&self.ports, second),
            failed: self.outcomes[0].sum(second, SPAN) as f64,
            answered: self.outcomes[1].sum(second, SPAN) as f64,
            bytes_up: self.up.sum(second, SPAN) as f64,
            bytes_down: self.down.sum(second, SPAN) as f64,
            open: f64::from(self.open),
        }
    }
}

impl DomainCounters {
    pub(super) fn observe(&self, second: i64) -> Domain {
        let queries = both(&self.queries, second);
        let asked = queries[1].max(1.0);
        Domain {
            queries,
            names: self.names.count(second, SPAN) as f64,
            name_length: self.characters.sum(second, SPAN) as f64 / asked,
            name_entropy: self.entropy.sum(second, SPAN) as f64 / 1000.0 / asked,
        }
    }
}
