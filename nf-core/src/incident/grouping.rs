//! Alerts to incidents.

use super::{
    Centre, Incident, IncidentConfig,
    alert::Alert,
    gathered::Gathered,
    waiting::{Few, Shared, Waiting},
};
use crate::{Result, Timestamp, detector::Verdict, session::Session};
use hashlink::LinkedHashMap;
use std::{
    collections::{HashMap, VecDeque, hash_map::RandomState},
    net::IpAddr,
};

/// Fewest sources that make a crowd.
const CROWD: usize = 3;

/// Groups alerts into incidents as they come. Sessions with their verdicts go in with [`add`](Self::add), in the order in
/// which the verdicts were known; what becomes of incidents comes out of [`pop`](Self::pop).
///
/// Memory is bounded by [`IncidentConfig`], whatever goes in; [`stats`](Self::stats) counts what was left out for it. An
/// incident that is open keeps its place.
#[derive(Debug)]
pub struct Incidents {
    config: IncidentConfig,
    waiting: Waiting,
    /// By last alert.
    open: LinkedHashMap<Shared, Open, RandomState>,
    /// The sources of open incidents that opened without being suspected, and of how many.
    suspects: HashMap<IpAddr, usize>,
    ready: VecDeque<(Change, Incident)>,
    stats: IncidentStats,
}

#[derive(Debug)]
struct Open {
    gathered: Gathered,
    suspect: Option<IpAddr>,
}

/// What became of an incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Change {
    /// It opened.
    Opened,
    /// It has at least twice the sessions it had when it was last told of, or it came again, for the first, second, fourth, eighth ..
    /// time: after a pause of more than [`within`](IncidentConfig::within), alerts that come to [`from`](IncidentConfig::from),
    /// which would have opened it.
    Grown,
    /// It is over: no alert came for as long as [`silence`](IncidentConfig::silence) says, or nothing more will.
    Closed,
}

/// What went into incidents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct IncidentStats {
    /// Sessions that went in as alerts.
    pub alerts: u64,
    /// Sessions that became part of an incident; one that changed its kind may be part of two.
    pub grouped: u64,
    /// Incidents opened.
    pub opened: u64,
    /// Incidents that were not opened because too many were open.
    pub refused: u64,
    /// Sources and destinations forgotten because too many waited.
    pub evicted: u64,
}

impl Incidents {
    /// Without any alert yet.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) where a value of the configuration is out of its range.
    pub fn new(config: IncidentConfig) -> Result<Self> {
        config.check()?;
        Ok(Self {
            waiting: Waiting::new(config.most_waiting, config.within),
            open: LinkedHashMap::default(),
            suspects: HashMap::new(),
            ready: VecDeque::new(),
            stats: IncidentStats::default(),
            config,
        })
    }

    /// Takes in what is new of a session: the strangest look at it, known after all before. Where a session is looked at more than
    /// once, it goes in again at each look that is stranger than all before; only anomalies count.
    pub fn add(&mut self, session: &Session, verdict: &Verdict) {
        if verdict.is_anomaly()
            && let Some(alert) = Alert::all(session, verdict).last()
        {
            self.take(alert);
        }
    }

    /// Takes in an alert, known after all before.
    pub(super) fn take(&mut self, alert: Alert<'_>) {
        self.advance(alert.at);
        self.stats.alerts += u64::from(alert.first >= alert.at);
        let kind = alert.kind();
        let [source, destination] = alert.centres().map(|centre| (centre, kind));
        if self.join(source, alert) || self.join(destination, alert) {
            return;
        }
        let weight = alert.weight();
        let hosts = [alert.session.key().orig.addr, alert.session.key().resp.addr];
        let suspected = hosts.iter().any(|host| self.suspects.contains_key(host));
        let IncidentConfig { from, from_suspect, from_crowd, .. } = self.config;
        let enough = |few: &Few| few.weight() >= from || suspected && few.heaviest() >= from_suspect;
        if let Some(few) = self.waiting.add(source, alert, weight, enough) {
            self.begin(source, &few);
            return;
        }
        let many = |few: &Few| few.weight() >= from_crowd && few.has_sources(CROWD);
        if let Some(few) = self.waiting.add(destination, alert, weight, many) {
            self.begin(destination, &few);
        }
    }

    /// Says that it is `now` by the clock of the session table, that of [`Session::ended`], so that silence can end incidents.
    /// Nothing else comes of it: a wrong moment is forgotten, and one before the last alert of an incident ends none.
    pub fn advance(&mut self, now: Timestamp) {
        self.waiting.forget(now);
        let silence = self.config.silence;
        while self.open.front().is_some_and(|(_, open)| now.since(open.gathered.updated) > silence) {
            self.close_first();
        }
    }

    /// Ends all incidents; more sessions may follow.
    pub fn finish(&mut self) {
        while !self.open.is_empty() {
            self.close_first();
        }
        self.waiting.forget(Timestamp::from_nanos(i64::MAX));
    }

    /// What became of an incident, in the order in which it did, with the incident as it was then; `None` where there is no
    /// more news.
    pub fn pop(&mut self) -> Option<(Change, Incident)> {
        self.ready.pop_front()
    }

    /// What went in so far.
    pub fn stats(&self) -> IncidentStats {
        IncidentStats { evicted: self.waiting.evicted, ..self.stats }
    }

    /// Incidents that are open, and sources and destinations whose alerts wait to become one.
    pub fn held(&self) -> (usize, usize) {
        (self.open.len(), self.waiting.len())
    }

    /// Adds an alert to the open incident of what it shares, where there is one.
    fn join(&mut self, shared: Shared, alert: Alert<'_>) -> bool {
        let Some(Open { gathered, .. }) = self.open.to_back(&shared) else { return false };
        let before = gathered.sessions;
        let rested = alert.at.since(gathered.updated) > self.config.within;
        gathered.add(alert);
        self.stats.grouped += gathered.sessions - before;
        let came_again = gathered.sessions > before && gathered.came_again(rested, alert.weight(), self.config.from);
        if gathered.sessions >= 2 * gathered.told || came_again {
            gathered.told = gathered.sessions;
            self.ready.push_back((Change::Grown, gathered.incident()));
        }
        true
    }

    /// Opens an incident where there is room for one more.
    fn begin(&mut self, shared: Shared, few: &Few) {
        if self.open.len() >= self.config.most_open {
            self.stats.refused += 1;
            return;
        }
        self.stats.opened += 1;
        let gathered = Gathered::open(self.stats.opened, shared, &few.parts, few.strangest.clone());
        self.stats.grouped += gathered.sessions;
        // A host suspected for what a suspect did with it does not make suspects in turn.
        let suspect = match shared.0 {
            Centre::Source(host) if few.weight() >= self.config.from => Some(host),
            _ => None,
        };
        if let Some(host) = suspect {
            *self.suspects.entry(host).or_default() += 1;
        }
        self.ready.push_back((Change::Opened, gathered.incident()));
        self.open.insert(shared, Open { gathered, suspect });
    }

    /// Ends the incident whose last alert is the oldest.
    fn close_first(&mut self) {
        let Some((_, Open { gathered, suspect })) = self.open.pop_front() else { return };
        if let Some(host) = suspect
            && let Some(incidents) = self.suspects.get_mut(&host)
        {
            *incidents -= 1;
            if *incidents == 0 {
                self.suspects.remove(&host);
            }
        }
        self.ready.push_back((Change::Closed, gathered.incident()));
    }
}
