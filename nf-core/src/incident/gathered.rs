//! An incident while it grows.

use super::{Centre, Incident, IncidentKind, ServicePort, Sighting, listed::Distinct};
use crate::{Timestamp, decode::parent_domain, detector::Verdict, session::Session};
use std::{net::IpAddr, sync::Arc};

/// Sessions kept as evidence.
const EVIDENCE: usize = 5;

/// An alert that counts towards incidents.
#[derive(Debug, Clone, Copy)]
pub(super) struct Alert<'a> {
    pub(super) session: &'a Session,
    pub(super) verdict: &'a Verdict,
    /// When it was known.
    pub(super) at: Timestamp,
}

/// The strangest session of some, whole.
pub(super) type Strangest = Arc<(Session, Verdict)>;

/// An incident while it grows.
#[derive(Debug)]
pub(super) struct Gathered {
    pub(super) id: u64,
    kind: IncidentKind,
    centre: Centre,
    first: Timestamp,
    last: Timestamp,
    opened: Timestamp,
    pub(super) updated: Timestamp,
    pub(super) sessions: u64,
    /// How many sessions there were when it was last told of.
    pub(super) told: u64,
    packets: u64,
    sources: Distinct<IpAddr>,
    destinations: Distinct<IpAddr>,
    services: Distinct<ServicePort>,
    domains: Distinct<Arc<str>>,
    heads: Vec<(Arc<str>, u64)>,
    evidence: Vec<Sighting>,
    strangest: Strangest,
}

/// What is kept of a session that may become part of an incident.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) sighting: Sighting,
    end: Timestamp,
    domain: Option<Arc<str>>,
    /// What it counts.
    pub(super) weight: f64,
}

impl Part {
    pub(super) fn of(alert: Alert<'_>, weight: f64) -> Self {
        let Alert { session, verdict, at } = alert;
        let domain = session.dns().map(|dns| parent_domain(&dns.name).into());
        Self { sighting: Sighting::of(session, verdict, at), end: session.end(), domain, weight }
    }
}

impl Gathered {
    /// An incident of these sessions, which the last of them opened.
    pub(super) fn open<'a>(
        id: u64,
        (centre, kind): (Centre, IncidentKind),
        parts: impl IntoIterator<Item = &'a Part>,
        strangest: Strangest,
    ) -> Self {
        let mut incident = Self {
            id,
            kind,
            centre,
            first: Timestamp::from_nanos(i64::MAX),
            last: Timestamp::from_nanos(i64::MIN),
            opened: Timestamp::default(),
            updated: Timestamp::from_nanos(i64::MIN),
            sessions: 0,
            told: 0,
            packets: 0,
            sources: Distinct::default(),
            destinations: Distinct::default(),
            services: Distinct::default(),
            domains: Distinct::default(),
            heads: Vec::new(),
            evidence: Vec::new(),
            strangest,
        };
        parts.into_iter().for_each(|part| incident.count(part));
        (incident.opened, incident.told) = (incident.updated, incident.sessions);
        incident
    }

    /// Takes in an alert of another session.
    pub(super) fn add(&mut self, alert: Alert<'_>) {
        self.count(&Part::of(alert, 0.0));
        if alert.verdict.deciding_score() > self.strangest.1.deciding_score() {
            self.strangest = Arc::new((alert.session.clone(), alert.verdict.clone()));
        }
    }

    fn count(&mut self, part: &Part) {
        let Part { sighting, end, domain, .. } = part;
        let key = &sighting.key;
        self.first = self.first.min(sighting.start);
        self.last = self.last.max(*end);
        self.updated = self.updated.max(sighting.at);
        self.sessions += 1;
        self.packets += sighting.packets;
        self.sources.add(&key.orig.addr);
        self.destinations.add(&key.resp.addr);
        self.services.add(&ServicePort::of(key));
        if let Some(domain) = domain {
            self.domains.add(domain);
        }
        if let Some(head) = &sighting.head {
            match self.heads.iter_mut().find(|(name, _)| name == head) {
                Some((_, count)) => *count += 1,
                None => self.heads.push((head.clone(), 1)),
            }
        }
        let place = self.evidence.partition_point(|other| other.score >= sighting.score);
        if place < EVIDENCE {
            self.evidence.truncate(EVIDENCE - 1);
            self.evidence.insert(place, sighting.clone());
        }
    }

    /// The incident as it stands.
    pub(super) fn incident(&self) -> Incident {
        let mut heads = self.heads.clone();
        heads.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let (session, verdict) = (*self.strangest).clone();
        Incident {
            id: self.id,
            kind: self.kind,
            centre: self.centre,
            first: self.first,
            last: self.last,
            opened: self.opened,
            updated: self.updated,
            sessions: self.sessions,
            packets: self.packets,
            sources: self.sources.listed(),
            destinations: self.destinations.listed(),
            services: self.services.listed(),
            domains: self.domains.listed(),
            heads,
            evidence: self.evidence.clone(),
            session,
            verdict,
        }
    }
}

/// The stranger of what is kept and an alert.
pub(super) fn stranger(kept: Option<Strangest>, alert: Alert<'_>) -> Strangest {
    match kept {
        Some(kept) if kept.1.deciding_score() >= alert.verdict.deciding_score() => kept,
        _ => Arc::new((alert.session.clone(), alert.verdict.clone())),
    }
}
