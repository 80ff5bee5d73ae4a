//! Frames in, verdicts out, in one bounded loop.

use crate::{
    Error, Result, Timestamp,
    capture::Frame,
    detector::{Detector, Verdict, Weigher},
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
    ready: VecDeque<Event>,
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
    /// Bytes held of sessions that may come to carry an alert, to explain it with.
    pub remembered_bytes: usize,
    /// Sessions that could have carried an alert and were forgotten early for want of memory: an explanation counts their
    /// scores and cannot change them.
    pub forgotten_early: u64,
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
        let weigher = detector.weigher();
        Ok(Self { table, detector, weigher, ready: VecDeque::new(), judged: 0, anomalies: 0, failures: 0 })
    }

    /// Takes in one frame. A frame that cannot be used is counted, never an error.
    pub fn push(&mut self, frame: &Frame<'_>) {
        self.table.push(frame);
    }

    /// Says that it is `now`, so that silence can end sessions; a moment before the newest known one is ignored.
    pub fn advance(&mut self, now: Timestamp) {
        self.table.advance(now);
    }

    /// Ends all open sessions. Their verdicts can be popped; more frames may follow.
    pub fn finish(&mut self) {
        self.table.finish();
    }

    /// The next event, in the order in which sessions ended; `None` where there is none before more frames come.
    pub fn pop(&mut self) -> Option<Event> {
        if self.ready.is_empty() {
            self.judge();
        }
        self.ready.pop_front()
    }

    /// What went in and came out so far.
    pub fn stats(&self) -> MonitorStats {
        let (judged, anomalies, failures) = (self.judged, self.anomalies, self.failures);
        let weigher = self.weigher.as_ref();
        MonitorStats {
            table: self.table.stats().clone(),
            judged,
            anomalies,
            failures,
            remembered_bytes: weigher.map_or(0, Weigher::remembered_bytes),
            forgotten_early: weigher.map_or(0, Weigher::forgotten_early),
        }
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
    }

    fn give(&mut self, session: Session, verdict: Result<Verdict>) {
        self.ready.push_back(match verdict {
            Ok(mut verdict) => {
                if let Some(weigher) = &mut self.weigher {
                    self.detector.weigh(weigher, &session, &mut verdict);
                }
                self.judged += 1;
                self.anomalies += u64::from(verdict.is_anomaly());
                Event::Verdict { session, verdict }
            }
            Err(error) => {
                self.failures += 1;
                Event::Failure { session, error }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ErrorKind,
        detector::testing::{Distance, cut, frame, frames, frames_with_uploads},
        features::{FeatureSpec, Rows, Schema},
        model::Model,
    };

    fn detector() -> Detector {
        let benign = cut(&frames(800, 1));
        Detector::recipe().heads(&["forest"]).unwrap().false_positive_rate(0.02).fit(&benign).unwrap()
    }

    fn drain(monitor: &mut Monitor, into: &mut Vec<(String, Verdict)>) {
        while let Some(event) = monitor.pop() {
            match event {
                Event::Verdict { session, verdict } => into.push((session.to_string(), verdict)),
                Event::Failure { session, error } => panic!("{session}: {error}"),
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
