//! Frames in, verdicts and incidents out, in one bounded loop.

use crate::{
    Error, Result, Timestamp,
    capture::Frame,
    detector::{Detector, Verdict},
    evidence::Accumulator,
    incident::{Change, Incident, IncidentConfig, IncidentStats, Incidents},
    session::{Session, SessionConfig, SessionTable, TableStats},
};
use std::{collections::VecDeque, sync::Arc};

/// Most sessions judged at once.
const BATCH: usize = 256;

/// Judges sessions as they end. Frames go in with [`push`](Self::push), events come out of [`pop`](Self::pop).
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
    accumulator: Option<Accumulator>,
    incidents: Incidents,
    /// Time was said to be at least this; how many sessions will have ended by the end that was said, until they were judged.
    advanced: Timestamp,
    finishing: Option<u64>,
    ready: VecDeque<Event>,
    popped: u64,
    judged: u64,
    anomalies: u64,
    failures: u64,
}

/// Something a monitor has to say.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// A session ended and was judged.
    Verdict {
        /// The session.
        session: Session,
        /// What the detector says of it.
        verdict: Verdict,
    },
    /// A session ended and a model failed on it. Only models of a user's own do.
    Failure {
        /// The session.
        session: Session,
        /// What the model returned.
        error: Error,
    },
    /// Alerts became an [incident](crate::incident), or what was one grew to twice its sessions, or is over.
    Incident {
        /// What became of it.
        change: Change,
        /// The incident as it stands.
        incident: Box<Incident>,
    },
}

/// What a monitor took in and gave out.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct MonitorStats {
    /// Frames, packets and sessions.
    pub table: TableStats,
    /// Sessions that were judged.
    pub judged: u64,
    /// How many of them are anomalies.
    pub anomalies: u64,
    /// Sessions that a model failed on.
    pub failures: u64,
    /// What became of the anomalies.
    pub incidents: IncidentStats,
}

impl Monitor {
    /// A monitor that cuts packets into sessions by `config`.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) where a value of the configuration is out of its range, or sessions
    /// cut so would not mean to the detector what those of its training did
    /// ([`check_sessions`](Detector::check_sessions)).
    pub fn new(detector: impl Into<Arc<Detector>>, config: &SessionConfig) -> Result<Self> {
        let detector = detector.into();
        detector.check_sessions(config)?;
        let table = SessionTable::new(config.clone())?;
        let accumulator = detector.accumulator();
        Ok(Self {
            table,
            detector,
            accumulator,
            incidents: Incidents::new(IncidentConfig::default())?,
            advanced: Timestamp::from_nanos(i64::MIN),
            finishing: None,
            ready: VecDeque::new(),
            popped: 0,
            judged: 0,
            anomalies: 0,
            failures: 0,
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

    /// Says that it is `now`, so that silence can end sessions; a moment before the newest known one is ignored.
    pub fn advance(&mut self, now: Timestamp) {
        self.table.advance(now);
        self.advanced = self.advanced.max(now);
    }

    /// Ends all open sessions and incidents. Their verdicts can be popped; more frames may follow.
    pub fn finish(&mut self) {
        self.table.finish();
        self.finishing = Some(self.table.stats().ended);
    }

    /// The next event, in the order in which sessions ended, with what became of incidents behind the verdict that showed
    /// it; `None` where there is none before more frames come.
    pub fn pop(&mut self) -> Option<Event> {
        if self.ready.is_empty() {
            self.judge();
        }
        self.ready.pop_front()
    }

    /// What went in and came out so far.
    pub fn stats(&self) -> MonitorStats {
        let (judged, anomalies, failures) = (self.judged, self.anomalies, self.failures);
        let incidents = self.incidents.stats();
        MonitorStats { table: self.table.stats().clone(), judged, anomalies, failures, incidents }
    }

    /// The detector that judges.
    pub fn detector(&self) -> &Detector {
        &self.detector
    }

    /// Judges sessions that ended, at most a batch: judged together they cost less, and get the same verdicts.
    fn judge(&mut self) {
        let sessions: Vec<Session> = std::iter::from_fn(|| self.table.pop()).take(BATCH).collect();
        match self.detector.judge_batch(&sessions) {
            Ok(verdicts) => {
                for (session, verdict) in sessions.into_iter().zip(verdicts) {
                    self.give(session, Ok(verdict));
                }
            }
            // One by one, so that only those that a model fails on are without a verdict.
            Err(_) => {
                for session in sessions {
                    let verdict = self.detector.judge(&session);
                    self.give(session, verdict);
                }
            }
        }
        if self.ready.is_empty() {
            self.end_incidents();
            self.incidents.advance(self.advanced);
            self.take_incidents();
        }
    }

    /// Ends all incidents once the sessions that an end ended were judged.
    fn end_incidents(&mut self) {
        let gone = self.popped + self.table.stats().dropped;
        if self.finishing.take_if(|ended| *ended <= gone).is_some() {
            self.incidents.finish();
            self.take_incidents();
        }
    }

    fn take_incidents(&mut self) {
        while let Some((change, incident)) = self.incidents.pop() {
            self.ready.push_back(Event::Incident { change, incident: Box::new(incident) });
        }
    }

    fn give(&mut self, session: Session, verdict: Result<Verdict>) {
        self.end_incidents();
        self.popped += 1;
        let event = match verdict {
            Ok(mut verdict) => {
                if let Some(accumulator) = &mut self.accumulator {
                    self.detector.weigh(accumulator, &session, &mut verdict);
                }
                self.judged += 1;
                self.anomalies += u64::from(verdict.is_anomaly());
                self.incidents.add(&session, &verdict);
                Event::Verdict { session, verdict }
            }
            Err(error) => {
                self.failures += 1;
                Event::Failure { session, error }
            }
        };
        self.ready.push_back(event);
        self.take_incidents();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ErrorKind,
        detector::testing::{Distance, cut, frame, frames, frames_with_uploads},
        features::{FeatureSpec, Rows, Schema},
        incident::incidents,
        model::Model,
    };
    use std::time::Duration;

    fn detector() -> Detector {
        let benign = cut(&frames(800, 1));
        Detector::recipe().heads(&["forest"]).unwrap().false_positive_rate(0.02).fit(&benign).unwrap()
    }

    fn drain(monitor: &mut Monitor, into: &mut Vec<(String, Verdict)>) {
        while let Some(event) = monitor.pop() {
            match event {
                Event::Verdict { session, verdict } => into.push((session.to_string(), verdict)),
                Event::Failure { session, error } => panic!("{session}: {error}"),
                Event::Incident { .. } => {}
            }
        }
    }

    #[test]
    fn gives_the_verdicts_of_reading_and_judging_however_often_it_is_popped() {
        let detector = Arc::new(detector());
        let frames = frames_with_uploads(700, 3, 5);
        let sessions = cut(&frames);
        let verdicts = detector.judge_all(&sessions).unwrap();
        assert!(verdicts.iter().all(|verdict| verdict.evidence.is_some()));
        let expected: Vec<_> = sessions.iter().map(Session::to_string).zip(verdicts).collect();
        for every in [1, 50, usize::MAX] {
            let mut monitor = Monitor::new(detector.clone(), &SessionConfig::default()).unwrap();
            let mut seen = Vec::new();
            for (i, f) in frames.iter().enumerate() {
                monitor.push(&frame(f));
                if i % every == 0 {
                    drain(&mut monitor, &mut seen);
                }
            }
            monitor.finish();
            drain(&mut monitor, &mut seen);
            assert!(seen == expected, "popped every {every} frames");
            let stats = monitor.stats();
            assert_eq!((stats.table.frames, stats.judged, stats.failures), (frames.len() as u64, 703, 0));
            assert_eq!(stats.anomalies, expected.iter().filter(|(_, v)| v.is_anomaly()).count() as u64);
        }
    }

    /// Incidents of every alert, so that synthetic traffic has some.
    fn each() -> IncidentConfig {
        IncidentConfig { from: 0.25, from_suspect: 0.25, ..IncidentConfig::default() }
    }

    fn told(change: Change, incident: &Incident) -> String {
        format!("{change:?} {incident} {:?} {:?}", incident.updated, incident.evidence)
    }

    #[test]
    fn gives_the_incidents_of_a_replay_however_often_it_is_popped() {
        let detector = Arc::new(detector());
        let frames = frames_with_uploads(700, 6, 5);
        let sessions = cut(&frames);
        let verdicts = detector.judge_all(&sessions).unwrap();
        let expected = incidents(&sessions, &verdicts, &each()).unwrap();
        assert!(expected.len() > 3, "{}", expected.len());
        let expected: Vec<String> = expected.iter().map(|incident| told(Change::Closed, incident)).collect();
        let mut first: Option<Vec<String>> = None;
        for every in [1, 50, usize::MAX] {
            let mut monitor = Monitor::new(detector.clone(), &SessionConfig::default()).unwrap();
            monitor = monitor.with_incidents(each()).unwrap();
            let (mut news, mut closed) = (Vec::new(), Vec::new());
            let mut drain = |monitor: &mut Monitor| {
                while let Some(event) = monitor.pop() {
                    let Event::Incident { change, incident } = event else { continue };
                    news.push(told(change, &incident));
                    if change == Change::Closed {
                        closed.push((incident.id, told(change, &incident)));
                    }
                }
            };
            for (i, f) in frames.iter().enumerate() {
                monitor.push(&frame(f));
                if i % every == 0 {
                    drain(&mut monitor);
                }
            }
            monitor.finish();
            drain(&mut monitor);
            closed.sort();
            assert!(
                closed.into_iter().map(|(_, told)| told).eq(expected.iter().cloned()),
                "popped every {every} frames"
            );
            assert_eq!(*first.get_or_insert_with(|| news.clone()), news, "popped every {every} frames");
            assert_eq!(monitor.stats().incidents.opened, expected.len() as u64);
        }
    }

    #[test]
    fn incidents_end_in_silence_and_at_the_end() {
        let mut monitor = Monitor::new(detector(), &SessionConfig::default()).unwrap().with_incidents(each()).unwrap();
        // A strange upload that starts at that second; its session ends 121 s after it fell silent, within 8 minutes.
        let upload = |monitor: &mut Monitor, second: u64| {
            for (time, data) in frames_with_uploads(0, 1, 5) {
                monitor.push(&frame(&(time + Duration::from_secs(second), data)));
            }
        };
        let changes = |monitor: &mut Monitor| -> Vec<Change> {
            let events = std::iter::from_fn(|| monitor.pop());
            events.filter_map(|e| if let Event::Incident { change, .. } = e { Some(change) } else { None }).collect()
        };
        let second = |seconds| Timestamp::from_parts(seconds, 0);
        use Change::{Closed, Opened};

        upload(&mut monitor, 0);
        monitor.advance(second(500));
        assert_eq!(changes(&mut monitor), [Opened]);
        monitor.advance(second(400));
        assert_eq!(changes(&mut monitor), [], "time does not go back");
        monitor.advance(second(700));
        assert_eq!(changes(&mut monitor), [Closed]);
        // What comes after an end is another incident, also where nothing was popped between them.
        upload(&mut monitor, 1000);
        monitor.finish();
        upload(&mut monitor, 1100);
        assert_eq!(changes(&mut monitor), [Opened, Closed]);
        monitor.finish();
        assert_eq!(changes(&mut monitor), [Opened, Closed]);
    }

    #[test]
    fn silence_ends_sessions_and_gives_their_verdicts() {
        let mut monitor = Monitor::new(detector(), &SessionConfig::default()).unwrap();
        let frames = frames(1, 2);
        frames.iter().take(4).for_each(|f| monitor.push(&frame(f)));
        assert!(monitor.pop().is_none());
        monitor.advance(frames[3].0 + std::time::Duration::from_secs(3600));
        assert!(matches!(monitor.pop(), Some(Event::Verdict { .. })));
        assert!(monitor.pop().is_none());
    }

    #[test]
    fn refuses_sessions_that_mean_something_else() {
        let error = Monitor::new(detector(), &SessionConfig::default().context(false)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert_eq!(error.to_string(), "context is false, it must be true, head forest reads it");
    }

    /// Fails on rows of sessions with a payload above 1300 bytes.
    #[derive(Debug)]
    struct Moody(Distance);

    impl Model for Moody {
        fn kind(&self) -> &'static str {
            "moody"
        }

        fn schema(&self) -> &Schema {
            self.0.schema()
        }

        fn score(&self, rows: &Rows) -> Result<Vec<f32>> {
            let scores = self.0.score(rows)?;
            match scores.iter().find(|score| **score > 1.5) {
                Some(score) => Err(Error::new(ErrorKind::Data, format!("{score} is too much"))),
                None => Ok(scores),
            }
        }

        fn to_bytes(&self) -> Vec<u8> {
            Vec::new()
        }
    }

    #[test]
    fn a_model_that_fails_on_one_session_costs_that_one() {
        let benign = cut(&frames(400, 1));
        let (spec, scaler, model) = Distance::head(FeatureSpec::flow(), &benign);
        let own = Detector::builder().head("moody", spec, scaler, Moody(model)).calibrate(&benign).unwrap();
        let mut monitor = Monitor::new(own, &SessionConfig::default()).unwrap();
        frames_with_uploads(40, 2, 3).iter().for_each(|f| monitor.push(&frame(f)));
        monitor.finish();
        let events: Vec<Event> = std::iter::from_fn(|| monitor.pop()).collect();
        let failed: Vec<_> = events.iter().filter(|e| matches!(e, Event::Failure { .. })).collect();
        assert_eq!((events.len(), failed.len()), (42, 2));
        let Event::Failure { session, error } = failed[0] else { unreachable!() };
        assert!(session.duration().as_secs() > 60);
        assert!(error.to_string().starts_with("head moody: ") && error.to_string().ends_with("is too much"), "{error}");
        assert_eq!(monitor.stats().failures, 2);
    }
}
