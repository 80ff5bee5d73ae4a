//! Frames in, verdicts out, in one bounded loop.

use crate::{
    Error, Result, Timestamp,
    capture::Frame,
    detector::{Detector, Verdict},
    session::{Session, SessionConfig, SessionTable, TableStats},
};
use std::{collections::VecDeque, sync::Arc};

/// Most sessions judged at once.
const BATCH: usize = 256;

/// Judges sessions as they end. Frames go in with [`push`](Self::push), events come out of [`pop`](Self::pop).
///
/// There is no clock, no thread and no socket: the same frames give the same events, live or replayed, however often
/// `pop` is called between them. Ended sessions wait in the session table until they are popped; with all else there they
/// stay within [`memory_limit`](SessionConfig::memory_limit), beyond which the oldest are dropped and counted. So pop until
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
        Ok(Self { table, detector, ready: VecDeque::new(), judged: 0, anomalies: 0, failures: 0 })
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
        MonitorStats { table: self.table.stats().clone(), judged, anomalies, failures }
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
            Ok(verdict) => {
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
