//! A capture replayed through the monitor: one score a session and head, with the session's key.

use super::labels::{numbered_ends, protocol_name};
use crate::{
    Detector, Error, ErrorKind, Event, Frame, Monitor, Result, Timestamp, Verdict,
    capture::Capture,
    decode::Protocol,
    session::{Direction, FlowKey, Session, SessionConfig, TableStats},
};
use std::{fs::File, path::Path};

/// A capture whose sessions were judged as they ended, so that no verdict knows what a live run would not have known.
#[derive(Debug, Clone)]
pub struct JudgedCapture {
    heads: Vec<String>,
    sessions: Vec<JudgedSession>,
    stats: TableStats,
}

/// What is kept of a judged session.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct JudgedSession {
    /// Protocol and endpoints; `orig` is the end that sent the first packet, which is not always the one that sent the SYN.
    pub key: FlowKey,
    /// Time of the first packet.
    pub start: Timestamp,
    /// Time of the last packet.
    pub end: Timestamp,
    /// The combined verdict.
    pub combined: JudgedScore,
    /// What each head said alone, in the order of [`JudgedCapture::heads`].
    pub heads: Vec<JudgedScore>,
}

/// A score and how it stands among held-out benign sessions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct JudgedScore {
    /// Score, higher = stranger.
    pub score: f32,
    /// Share of benign sessions at least as strange, 0 to 1, by the detector's calibration.
    pub p_value: f64,
}

impl JudgedCapture {
    /// Pushes every frame of a capture through a [`Monitor`] with the given detector, and keeps the verdicts in the order in
    /// which the sessions ended. `watch` is called with the number of frames and uncompressed bytes read, now and then.
    ///
    /// # Errors
    /// As [`Monitor::new`], [`Capture::next_frame`] and [`Detector::judge`].
    pub fn replay(
        detector: &std::sync::Arc<Detector>,
        mut capture: Capture,
        config: &SessionConfig,
        mut watch: impl FnMut(u64, u64),
    ) -> Result<Self> {
        let heads = detector.head_names().into_iter().map(str::to_owned).collect();
        let mut monitor = Monitor::new(detector.clone(), config)?;
        let mut sessions = Vec::new();
        let mut take = |monitor: &mut Monitor| {
            while let Some(event) = monitor.pop() {
                if let Event::Verdict { session, verdict } = event {
                    sessions.push(JudgedSession::new(&session, &verdict));
                }
            }
        };
        while let Some(frame) = capture.next_frame()? {
            monitor.push(&frame)?;
            take(&mut monitor);
            if capture.frames() % 4096 == 0 {
                watch(capture.frames(), capture.bytes());
            }
        }
        monitor.finish()?;
        take(&mut monitor);
        watch(capture.frames(), capture.bytes());
        let stats = monitor.stats().clone();
        Ok(Self { heads, sessions, stats })
    }

    /// The names of the heads.
    pub fn heads(&self) -> &[String] {
        &self.heads
    }

    /// The sessions, in the order in which they ended.
    pub fn sessions(&self) -> &[JudgedSession] {
        &self.sessions
    }

    /// What was read, and what could not be used.
    pub fn stats(&self) -> &TableStats {
        &self.stats
    }

    /// Seconds of packet time from the first packet of a session to the last; 0 without sessions.
    pub fn seconds(&self) -> f64 {
        let start = self.sessions.iter().map(|session| session.start).min();
        let end = self.sessions.iter().map(|session| session.end).max();
        start.zip(end).map_or(0.0, |(start, end)| end.since(start).as_secs_f64())
    }

    /// Writes the scores as CSV: `first_ts,src,dst,sport,dport,proto,score`, then a column a head. `src` sent the first packet
    /// of the session; ICMP is written by its identifier as both ports (60000 + its type without one), ARP with ports 0.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] where the file cannot be written.
    pub fn write_scores(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let file = File::create(path).map_err(|error| Error::io(path, error))?;
        self.write_csv(csv::Writer::from_writer(file)).map_err(|error| {
            Error::new(ErrorKind::Io, format!("{}: {error}", path.display())).with_source(error)
        })
    }

    fn write_csv(&self, mut writer: csv::Writer<File>) -> Result<(), csv::Error> {
        let fields = ["first_ts", "src", "dst", "sport", "dport", "proto", "score"];
        writer.write_record(fields.into_iter().chain(self.heads.iter().map(String::as_str)))?;
        for session in &self.sessions {
            let (orig, resp) = numbered_ends(&session.key);
            let mut record = vec![
                session.start.to_string(),
                orig.addr.to_string(),
                resp.addr.to_string(),
                orig.port.to_string(),
                resp.port.to_string(),
                protocol_name(session.key.protocol),
                session.combined.score.to_string(),
            ];
            record.extend(session.heads.iter().map(|head| head.score.to_string()));
            writer.write_record(record)?;
        }
        Ok(writer.flush()?)
    }
}

impl JudgedSession {
    fn new(session: &Session, verdict: &Verdict) -> Self {
        let answered_first = session.packets().first().is_some_and(|packet| packet.direction == Direction::Resp);
        let key = if answered_first { session.key().reversed() } else { *session.key() };
        let heads = verdict.heads.iter().map(|head| JudgedScore { score: head.score, p_value: head.p_value }).collect();
        let combined = JudgedScore { score: verdict.score, p_value: verdict.p_value };
        Self { key, start: session.start(), end: session.end(), combined, heads }
    }

    /// The session's protocol.
    pub fn protocol(&self) -> Protocol {
        self.key.protocol
    }
}
