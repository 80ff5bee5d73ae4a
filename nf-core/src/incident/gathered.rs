//! An incident while it grows.

use super::{Centre, Incident, IncidentKind, ServicePort, Sighting, alert::Alert, listed::Distinct};
use crate::{Timestamp, decode::parent_domain, detector::Carried, session::Session};
use std::{net::IpAddr, sync::Arc};

/// Sessions kept as evidence.
const EVIDENCE: usize = 5;

/// The strangest session of some, as it was then, and what was said of it.
pub(super) type Strangest = Arc<Whole>;

#[derive(Debug)]
pub(super) struct Whole {
    pub(super) session: Session,
    sighting: Sighting,
    /// What the alert follows from.
    carried: Option<Arc<Carried>>,
}

/// An incident while it grows.
#[derive(Debug)]
pub(super) struct Gathered {
    pub(super) id: u64,
    kind: IncidentKind,
    centre: Centre,
    first: Timestamp,
    last: Timestamp,
    opened: Timestamp,
    /// When the first alert of its first session was.
    began: Timestamp,
    pub(super) updated: Timestamp,
    pub(super) sessions: u64,
    /// How many sessions there were when it was last told of.
    pub(super) told: u64,
    /// What the alerts since its last pause come to; `None` where it had none, or they came to enough.
    after_pause: Option<f64>,
    /// How often they came to enough.
    returns: u64,
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
    /// When it alerted for the first time.
    first: Timestamp,
    end: Timestamp,
    domain: Option<Arc<str>>,
    /// What it counts.
    pub(super) weight: f64,
}

impl Part {
    pub(super) fn of(alert: Alert<'_>, weight: f64) -> Self {
        let Alert { session, look, first, .. } = alert;
        let domain = session.dns().map(|dns| parent_domain(&dns.name).into());
        Self { sighting: Sighting::of(&alert), first, end: session.end_at(look), domain, weight }
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
            began: Timestamp::from_nanos(i64::MAX),
            updated: Timestamp::from_nanos(i64::MIN),
            sessions: 0,
            told: 0,
            after_pause: None,
            returns: 0,
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

    /// Takes in an alert, of another session or of one that it has.
    pub(super) fn add(&mut self, alert: Alert<'_>) {
        let part = Part::of(alert, 0.0);
        if alert.first < alert.at && alert.first >= self.began {
            self.renew(&part);
        } else {
            self.count(&part);
        }
        if alert.score > self.strangest.sighting.score {
            self.strangest = whole(alert);
        }
    }

    /// Whether a reader is to be told that it came again: with another session, after a rest or not, that counts so much, the
    /// sessions since the last pause come to enough. Each time is twice as far from the last one, so that what comes and goes all
    /// day is told of a few times.
    pub(super) fn came_again(&mut self, rested: bool, weight: f64, enough: f64) -> bool {
        if rested {
            self.after_pause = Some(0.0);
        }
        let Some(sum) = &mut self.after_pause else { return false };
        *sum += weight;
        if *sum < enough {
            return false;
        }
        self.after_pause = None;
        self.returns += 1;
        self.returns.is_power_of_two()
    }

    /// Takes in what became of a session that was counted.
    fn renew(&mut self, part: &Part) {
        self.last = self.last.max(part.end);
        self.updated = self.updated.max(part.sighting.at);
        let same = |other: &Sighting| (other.start, &other.key) == (part.sighting.start, &part.sighting.key);
        self.evidence.retain(|other| !same(other));
        self.keep(&part.sighting);
    }

    fn count(&mut self, part: &Part) {
        let Part { sighting, end, domain, .. } = part;
        let key = &sighting.key;
        self.first = self.first.min(sighting.start);
        self.began = self.began.min(part.first);
        self.last = self.last.max(*end);
        self.updated = self.updated.max(sighting.at);
        self.sessions += 1;
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
        self.keep(sighting);
    }

    /// Keeps a session as evidence where it is among the strangest.
    fn keep(&mut self, sighting: &Sighting) {
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
        Incident {
            id: self.id,
            kind: self.kind,
            centre: self.centre,
            first: self.first,
            last: self.last,
            opened: self.opened,
            updated: self.updated,
            sessions: self.sessions,
            sources: self.sources.listed(),
            destinations: self.destinations.listed(),
            services: self.services.listed(),
            domains: self.domains.listed(),
            heads,
            evidence: self.evidence.clone(),
            session: self.strangest.session.clone(),
            strangest: self.strangest.sighting.clone(),
            carried: self.strangest.carried.clone(),
        }
    }
}

/// The stranger of what is kept and an alert.
pub(super) fn stranger(kept: Option<Strangest>, alert: Alert<'_>) -> Strangest {
    kept.filter(|kept| kept.sighting.score >= alert.score).unwrap_or_else(|| whole(alert))
}

/// The session of an alert as it was then.
fn whole(alert: Alert<'_>) -> Strangest {
    let (session, sighting) = (alert.session.at_look(alert.look), Sighting::of(&alert));
    Arc::new(Whole { session, sighting, carried: alert.carried.cloned() })
}
