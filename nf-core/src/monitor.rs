//! Frames in, verdicts and incidents out, in one bounded loop.

mod hosted;
mod ready;

use crate::{
    Error, Result, Timestamp,
    capture::Frame,
    detector::{Detector, Drift, DriftAlarm, Row, Scored, Standing, Verdict, Weigher},
    incident::{Change, Incident, IncidentConfig, IncidentStats, Incidents},
    session::{Happened, Session, SessionConfig, SessionTable, TableStats},
};
pub use hosted::{HostedMonitor, HostedSession, Judged};
use ready::Ready;
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

/// Most looks judged at once.
const BATCH: usize = 256;

/// Judges sessions at each look at them and at their end. Frames go in with [`push`](Self::push), events come out of [`pop`](Self::pop).
///
/// There is no clock, no thread and no socket: the same frames give the same events, live or replayed, however often
/// `pop` is called between them. Ended sessions wait in the session table until they are popped; with all else there they
/// stay within [`memory_limit`](SessionConfig::memory_limit), beyond which the oldest are dropped and counted; up to 256 more
/// are held with their verdicts. So pop until
/// there is nothing left after every few frames.
///
/// ```no_run
/// # fn main() -> nf_core::Result<()> {
/// use nf_core::{Capture, Detector, Event, Monitor, SessionConfig};
/// let mut monitor = Monitor::new(Detector::load("office.nf")?, &SessionConfig::default())?;
/// let mut capture = Capture::open("wednesday.pcap")?;
/// while let Some(frame) = capture.next_frame()? {
///     monitor.push(&frame);
///     while let Some(event) = monitor.pop() {
///         match event {
///             Event::Look { session, verdict } => println!("{session}: {verdict}"), // at once
///             Event::Verdict { session, verdict } if verdict.is_anomaly() => println!("{session}: {verdict}"),
///             Event::Incident { change, incident } => println!("{change:?}: {incident}"),
///             Event::Failure { session, error } => eprintln!("{session}: {error}"),
///             _ => {}
///         }
///     }
/// }
/// monitor.finish();
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Monitor {
    table: SessionTable,
    detector: Arc<Detector>,
    weigher: Option<Weigher>,
    /// `None` where the detector does not know how benign traffic varies.
    drift: Option<Drift>,
    incidents: Incidents,
    /// The table's clock when time was said to have passed; how many sessions will have ended by the end that was said, until they were judged.
    advanced: Timestamp,
    finishing: Option<u64>,
    /// What is known of open sessions.
    known: HashMap<u64, Known>,
    /// Bytes that these hold elsewhere.
    heap: usize,
    /// Ended sessions dropped when that was last cleared.
    dropped: u64,
    ready: Ready,
    ended: u64,
    looks: u64,
    early: u64,
    judged: u64,
    anomalies: u64,
    failures: u64,
    drift_alarms: u64,
}

/// Something a monitor has to say.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// A session that goes on is above the cut for the first time: an alert before its end. It is an anomaly from then on.
    Look {
        /// The session as it was at this look.
        session: Session,
        /// What the detector says of it.
        verdict: Verdict,
    },
    /// A session ended and was judged: the verdict is that of the strangest look at it.
    Verdict {
        /// The session.
        session: Session,
        /// What the detector says of it.
        verdict: Verdict,
    },
    /// A session ended and a model failed on a look at it. Only models of a user's own do.
    Failure {
        /// The session.
        session: Session,
        /// What the model returned.
        error: Error,
    },
    /// The traffic is no longer what the detector was calibrated on. Behind the verdict of the session that showed it, or
    /// when time was said to have passed.
    Drift(DriftAlarm),
    /// Alerts became an [incident](crate::incident), or what was one grew to twice its sessions or came again after a pause, or is over.
    Incident {
        /// What became of it.
        change: Change,
        /// The incident as it stands.
        incident: Box<Incident>,
    },
}

/// What a monitor took in and gave out.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct MonitorStats {
    /// Frames, packets and sessions.
    pub table: TableStats,
    /// Looks that were judged, the last at each session among them.
    pub looks: u64,
    /// Alerts at sessions that went on.
    pub early: u64,
    /// Sessions that were judged.
    pub judged: u64,
    /// How many of them are anomalies.
    pub anomalies: u64,
    /// Sessions that a model failed on.
    pub failures: u64,
    /// Alarms that the detector is stale.
    pub drift_alarms: u64,
    /// Sessions that the watch for drift could not count ([`Drift::late`]).
    pub drift_late: u64,
    /// What became of the anomalies.
    pub incidents: IncidentStats,
    /// What became of incidents, and alarms, that nobody popped and memory had no room for.
    pub news_dropped: u64,
    /// Pairs of hosts, and whatever else scores are added up by ([`EvidenceKey`](crate::evidence::EvidenceKey)), whose last sessions are held.
    pub evidence_keys: usize,
    /// Those dropped because there were too many ([`EvidenceConfig::limit`](crate::evidence::EvidenceConfig::limit)): what adds up of them began
    /// anew.
    pub evidence_evicted: u64,
    /// Bytes held of sessions that may come to carry an alert, to explain it with.
    pub remembered_bytes: usize,
    /// Sessions that could have carried an alert and were forgotten early for want of memory: an explanation counts their
    /// scores and cannot change them.
    pub forgotten_early: u64,
}

impl From<TableStats> for MonitorStats {
    /// Those of a session table, without a monitor.
    fn from(table: TableStats) -> Self {
        Self { table, ..Self::default() }
    }
}

impl Monitor {
    /// A monitor that cuts packets into sessions by `config`.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) where a value of the configuration is out of its range, or sessions
    /// cut so would not mean to the detector what those of its training did
    /// ([`check_sessions`](Detector::check_sessions)).
    pub fn new(detector: impl Into<Arc<Detector>>, config: &SessionConfig) -> Result<Self> {
        Self::with_table(detector.into(), config, SessionTable::new(config.clone())?)
    }

    /// A monitor of the sessions of this table, which end as if cut by `config`.
    fn with_table(detector: Arc<Detector>, config: &SessionConfig, mut table: SessionTable) -> Result<Self> {
        detector.check_sessions(config)?;
        table.follow();
        let weigher = detector.weigher();
        let drift = detector.drift().ok().map(|drift| drift.session_config(config));
        Ok(Self {
            table,
            detector,
            weigher,
            drift,
            incidents: Incidents::new(IncidentConfig::default())?,
            advanced: Timestamp::from_nanos(i64::MIN),
            finishing: None,
            known: HashMap::new(),
            heap: 0,
            dropped: 0,
            ready: Ready::default(),
            ended: 0,
            looks: 0,
            early: 0,
            judged: 0,
            anomalies: 0,
            failures: 0,
            drift_alarms: 0,
        })
    }

    /// The same monitor with other rules for incidents.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) where a value of the configuration is out of its range.
    pub fn with_incidents(self, config: IncidentConfig) -> Result<Self> {
        Ok(Self { incidents: Incidents::new(config)?, ..self })
    }

    /// Takes in one frame. A frame that cannot be used is counted, never an error.
    pub fn push(&mut self, frame: &Frame<'_>) {
        self.table.push(frame);
    }

    /// Says that it is `now`, so that silence can end sessions, incidents and blocks of time, by the clock that packet times are
    /// of. A moment before the newest known one is ignored; more than a minute before, it is counted
    /// ([`late_advances`](TableStats::late_advances)).
    pub fn advance(&mut self, now: Timestamp) {
        self.table.advance(now);
        self.advanced = self.table.now();
    }

    /// Ends all open sessions and incidents. Their verdicts can be popped; more frames may follow.
    pub fn finish(&mut self) {
        self.table.finish();
        self.finishing = Some(self.table.stats().ended);
    }

    /// The next event, in the order in which sessions were looked at and ended; `None` where there is none before more
    /// frames come. What became of incidents comes behind what showed it.
    pub fn pop(&mut self) -> Option<Event> {
        while self.ready.is_empty() && self.judge() {}
        self.ready.pop()
    }

    /// What went in and came out so far.
    pub fn stats(&self) -> MonitorStats {
        let Self { looks, early, judged, anomalies, failures, drift_alarms, .. } = *self;
        let (mut table, incidents) = (self.table.stats().clone(), self.incidents.stats());
        let unpopped = self.ready.dropped();
        table.dropped += unpopped.ends;
        table.packets_dropped += unpopped.packets;
        table.looks_dropped += unpopped.looks;
        let weigher = self.weigher.as_ref();
        MonitorStats {
            table,
            looks,
            early,
            judged,
            anomalies,
            failures,
            drift_alarms,
            drift_late: self.drift.as_ref().map_or(0, Drift::late),
            incidents,
            news_dropped: unpopped.news,
            evidence_keys: weigher.map_or(0, Weigher::keys),
            evidence_evicted: weigher.map_or(0, Weigher::evicted),
            remembered_bytes: weigher.map_or(0, Weigher::remembered_bytes),
            forgotten_early: weigher.map_or(0, Weigher::forgotten_early),
        }
    }

    /// The watch for drift, which knows how sure it is; `None` where the detector was made from too little time to have one.
    pub fn drift(&self) -> Option<&Drift> {
        self.drift.as_ref()
    }

    /// Replaces the watch for drift, by one with another budget of false alarms, or by none.
    pub fn set_drift(&mut self, drift: Option<Drift>) {
        self.drift = drift;
    }

    /// The detector that judges.
    pub fn detector(&self) -> &Detector {
        &self.detector
    }

    /// Judges what happened, at most a batch: judged together sessions cost less, and get the same verdicts. Says whether
    /// more may have happened.
    fn judge(&mut self) -> bool {
        let happened: Vec<Happened> = std::iter::from_fn(|| self.table.pop_any()).take(BATCH).collect();
        let rows: Vec<Row<'_>> = happened.iter().filter_map(unseen).collect();
        let scores = match self.detector.score(&rows) {
            Ok(scores) => scores.into_iter().map(Ok).collect(),
            // One by one, so that only those that a model fails on are without a verdict.
            Err(_) => rows.iter().map(|row| self.score(row)).collect::<Vec<_>>(),
        };
        self.looks += rows.len() as u64;
        let (more, mut scores) = (happened.len() == BATCH, scores.into_iter());
        for happened in happened {
            self.end_incidents();
            let scores = unseen(&happened).and_then(|_| scores.next());
            match happened {
                Happened::Look { id, session } => self.look(id, session, scores),
                Happened::End { id, session, .. } => {
                    self.ended += 1;
                    self.end(id, session, scores);
                }
            }
        }
        if !more {
            self.forget_dropped();
            let alarm = self.drift.as_mut().and_then(|drift| drift.advance(self.advanced));
            self.alarm(alarm);
            self.end_incidents();
            self.incidents.advance(self.advanced);
            self.take_incidents();
        }
        let each = size_of::<(u64, Known)>() + 1;
        self.table.charge(self.known.capacity() * each + self.heap);
        more
    }

    /// Ends all incidents once what an end ended was judged.
    fn end_incidents(&mut self) {
        let gone = self.ended + self.table.stats().dropped;
        if self.finishing.take_if(|ended| *ended <= gone).is_some() {
            self.incidents.finish();
            self.take_incidents();
        }
    }

    fn take_incidents(&mut self) {
        while let Some((change, incident)) = self.incidents.pop() {
            self.ready.push(Event::Incident { change, incident: Box::new(incident) });
        }
    }

    fn score(&self, row: &Row<'_>) -> Result<Scored> {
        self.detector.score(&[*row]).map(|mut scores| scores.swap_remove(0))
    }

    fn look(&mut self, id: u64, session: Session, scores: Option<Result<Scored>>) {
        let known = self.known.entry(id).or_default();
        let (before, rises) = (known.heap(), known.rises());
        let first = self.detector.know(known, &session, scores, id, self.weigher.as_mut());
        self.heap = self.heap + known.heap() - before;
        if known.rises() > rises
            && let Some(standing) = known.standing.as_ref().filter(|standing| standing.alerted())
        {
            let verdict = self.detector.verdict(standing.clone(), session.is_cold());
            self.incidents.add(&session, &verdict);
            if first {
                self.early += 1;
                self.ready.push(Event::Look { session, verdict });
            }
            self.take_incidents();
        }
    }

    fn end(&mut self, id: u64, session: Session, mut scores: Option<Result<Scored>>) {
        let mut known = self.known.remove(&id).unwrap_or_default();
        self.heap -= known.heap();
        let looks = session.looks().len();
        if scores.is_none() && known.standing.as_ref().is_none_or(|s| s.last() != session.moment(looks)) {
            // The look that told was dropped.
            scores = Some(self.score(&Row { session: &session, place: 0, look: looks }));
        }
        let rises = known.rises();
        self.detector.know(&mut known, &session, scores, id, self.weigher.as_mut());
        let mut alarm = None;
        let stranger = known.rises() > rises;
        let event = match known {
            Known { failed: Some(error), .. } => {
                self.failures += 1;
                Event::Failure { session, error: *error }
            }
            Known { standing: Some(standing), .. } => {
                let verdict = self.detector.verdict(standing, session.is_cold());
                alarm = self.drift.as_mut().and_then(|drift| drift.push(&session, &verdict));
                self.judged += 1;
                self.anomalies += u64::from(verdict.is_anomaly());
                if stranger {
                    self.incidents.add(&session, &verdict);
                }
                Event::Verdict { session, verdict }
            }
            Known { .. } => return,
        };
        self.ready.push(event);
        self.alarm(alarm);
        self.take_incidents();
        if self.known.len() < self.known.capacity() / 8 {
            self.known.shrink_to(2 * self.known.len());
        }
    }

    fn alarm(&mut self, alarm: Option<DriftAlarm>) {
        if let Some(alarm) = alarm {
            self.drift_alarms += 1;
            self.ready.push(Event::Drift(alarm));
        }
    }

    /// Forgets what was known of sessions whose end was dropped.
    fn forget_dropped(&mut self) {
        let dropped = self.table.stats().dropped;
        if std::mem::replace(&mut self.dropped, dropped) != dropped {
            let open: HashSet<u64> = self.table.open_ids().collect();
            self.known.retain(|id, _| open.contains(id));
            self.heap = self.known.values().map(Known::heap).sum();
        }
    }
}

/// The look that is to be judged, where it was not before.
fn unseen(happened: &Happened) -> Option<Row<'_>> {
    let (Happened::Look { session, .. } | Happened::End { session, seen: false, .. }) = happened else { return None };
    Some(Row { session, place: 0, look: session.looks().len() })
}

/// What is known of a session by its looks so far.
#[derive(Debug, Default)]
struct Known {
    standing: Option<Standing>,
    /// What a model returned at the first look that it failed on.
    failed: Option<Box<Error>>,
}

impl Known {
    /// How many looks were stranger than all before.
    fn rises(&self) -> usize {
        self.standing.as_ref().map_or(0, Standing::rises)
    }

    /// Bytes on the heap.
    fn heap(&self) -> usize {
        let error = self.failed.as_ref().map_or(0, |_| size_of::<Error>());
        self.standing.as_ref().map_or(0, Standing::heap) + error
    }
}

impl Detector {
    /// Takes in the look at a session as it is; says whether it is above the cut for the first time.
    fn know(
        &self,
        known: &mut Known,
        session: &Session,
        scores: Option<Result<Scored>>,
        id: u64,
        weigher: Option<&mut Weigher>,
    ) -> bool {
        let row = Row { session, place: 0, look: session.looks().len() };
        match scores {
            Some(Ok(scores)) => self.take(&mut known.standing, &row, scores, id, weigher),
            Some(Err(error)) => {
                known.failed.get_or_insert(Box::new(error));
                false
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests;
