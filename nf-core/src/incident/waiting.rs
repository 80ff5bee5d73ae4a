//! Alerts that may become an incident, by what they have in common.

use super::{
    Centre, IncidentKind,
    alert::Alert,
    gathered::{Part, Strangest, stranger},
};
use crate::Timestamp;
use hashlink::LinkedHashMap;
use std::{
    collections::{VecDeque, hash_map::RandomState},
    net::IpAddr,
    time::Duration,
};

/// What alerts share.
pub(super) type Shared = (Centre, IncidentKind);

/// Most alerts kept of one thing that they share: enough to open with where each counts least.
const KEPT: usize = 32;

/// Alerts that may become an incident, in bounded memory: those quiet for longest make room.
#[derive(Debug)]
pub(super) struct Waiting {
    most: usize,
    within: Duration,
    by: LinkedHashMap<Shared, Few, RandomState>,
    pub(super) evicted: u64,
}

/// The last alerts that share something.
#[derive(Debug)]
pub(super) struct Few {
    pub(super) parts: VecDeque<Part>,
    pub(super) strangest: Strangest,
}

impl Few {
    /// What they come to.
    pub(super) fn weight(&self) -> f64 {
        self.parts.iter().map(|part| part.weight).sum()
    }

    /// What the one that counts most counts.
    pub(super) fn heaviest(&self) -> f64 {
        self.parts.iter().map(|part| part.weight).fold(0.0, f64::max)
    }

    /// Whether they have at least so many sources.
    pub(super) fn has_sources(&self, least: usize) -> bool {
        let mut sources: Vec<IpAddr> = self.parts.iter().map(|part| part.sighting.key.orig.addr).collect();
        sources.sort_unstable();
        sources.dedup();
        sources.len() >= least
    }
}

impl Waiting {
    pub(super) fn new(most: usize, within: Duration) -> Self {
        Self { most, within, by: LinkedHashMap::default(), evicted: 0 }
    }

    /// Notes an alert, known after all before, and takes out all that wait with it where `opens` says so.
    pub(super) fn add(
        &mut self,
        shared: Shared,
        alert: Alert<'_>,
        weight: f64,
        opens: impl FnOnce(&Few) -> bool,
    ) -> Option<Few> {
        let known = self.by.remove(&shared);
        if known.is_none() && self.by.len() >= self.most {
            self.by.pop_front();
            self.evicted += 1;
        }
        let (mut parts, kept) = known.map_or_else(Default::default, |few| (few.parts, Some(few.strangest)));
        // Of a session only its strangest look counts.
        parts.retain(|part| !part.sighting.is_of(alert.session));
        while parts.front().is_some_and(|part| alert.at.since(part.sighting.at) > self.within) || parts.len() == KEPT {
            parts.pop_front();
        }
        // What was strangest goes with the alerts that are forgotten.
        let kept = kept.filter(|kept| parts.iter().any(|part| part.sighting.is_of(&kept.session)));
        parts.push_back(Part::of(alert, weight));
        let few = Few { parts, strangest: stranger(kept, alert) };
        if opens(&few) {
            return Some(few);
        }
        self.by.insert(shared, few);
        None
    }

    /// Forgets what is too old to count.
    pub(super) fn forget(&mut self, now: Timestamp) {
        let old = |few: &Few| few.parts.back().is_none_or(|part| now.since(part.sighting.at) > self.within);
        while self.by.front().is_some_and(|(_, few)| old(few)) {
            self.by.pop_front();
        }
    }

    pub(super) fn len(&self) -> usize {
        self.by.len()
    }
}
