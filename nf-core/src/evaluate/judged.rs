//! A capture replayed through the monitor: one score a session and head, with the session's key.

use super::labels::{numbered_ends, protocol_name};
use crate::{
    Capture, Detector, Error, ErrorKind, Event, Monitor, Result, Timestamp, Verdict,
    session::{Direction, FlowKey, Session, SessionConfig, TableStats},
};
use std::{fs::File, path::Path, sync::Arc};

/// Frames pushed between two looks for verdicts: many sessions judged at once cost less, and give the same verdicts.
const FRAMES: u64 = 4096;

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
    /// The score that decided, higher = stranger: of the evidence where the detector adds up over sessions, else of all heads
    /// combined.
    pub score: f32,
    /// Share of benign sessions at least as strange, above 0 and at most 1, by the detector's calibration.
    pub p_value: f64,
    /// The score of each head alone, in the order of [`JudgedCapture::heads`].
    pub heads: Vec<f32>,
}

impl JudgedCapture {
    /// Pushes every frame of a capture through a [`Monitor`] with the given detector, and keeps the verdicts in the order in
    /// which the sessions ended. `watch` is told the number of frames read, now and then.
    ///
    /// # Errors
    /// As [`Monitor::new`] and [`Capture::next_frame`], and what a model returns.
    pub fn replay(
        detector: &Arc<Detector>,
        mut capture: Capture,
        config: &SessionConfig,
        mut watch: impl FnMut(u64),
    ) -> Result<Self> {
        let heads = detector.head_names().map(str::to_owned).collect();
        let mut monitor = Monitor::new(detector.clone(), config)?;
        let mut sessions = Vec::new();
        while let Some(frame) = capture.next_frame()? {
            monitor.push(&frame);
            if capture.frames().is_multiple_of(FRAMES) {
                take_verdicts(&mut monitor, &mut sessions)?;
                watch(capture.frames());
            }
        }
        monitor.finish();
        take_verdicts(&mut monitor, &mut sessions)?;
        Ok(Self { heads, sessions, stats: monitor.stats().table })
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

    /// Writes the scores as CSV: `first_ts,src,dst,sport,dport,proto,score`, then a column a head. `first_ts` is in seconds, the
    /// nearest double with nine decimals, as programs that hold times in doubles write it. `src` sent the first packet of the session; ICMP is written by its identifier as both ports (60000 + its type without one), ARP with ports 0.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] where the file cannot be written.
    pub fn write_scores(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let file = File::create(path).map_err(|error| Error::io(path, error))?;
        self.write_csv(csv::Writer::from_writer(file))
            .map_err(|error| Error::new(ErrorKind::Io, format!("{}: {error}", path.display())).with_source(error))
    }

    fn write_csv(&self, mut writer: csv::Writer<File>) -> Result<(), csv::Error> {
        let fields = ["first_ts", "src", "dst", "sport", "dport", "proto", "score"];
        writer.write_record(fields.into_iter().chain(self.heads.iter().map(String::as_str)))?;
        for session in &self.sessions {
            let (orig, resp) = numbered_ends(&session.key);
            let mut record = vec![
                nearest_double(session.start),
                orig.addr.to_string(),
                resp.addr.to_string(),
                orig.port.to_string(),
                resp.port.to_string(),
                protocol_name(session.key.protocol),
                session.score.to_string(),
            ];
            record.extend(session.heads.iter().map(f32::to_string));
            writer.write_record(record)?;
        }
        Ok(writer.flush()?)
    }
}

/// Seconds as the nearest double, with nine decimals of it.
fn nearest_double(time: Timestamp) -> String {
    let nanos = time.as_nanos();
    let seconds = nanos.div_euclid(1_000_000_000) as f64 + nanos.rem_euclid(1_000_000_000) as f64 / 1e9;
    format!("{seconds:.9}")
}

fn take_verdicts(monitor: &mut Monitor, sessions: &mut Vec<JudgedSession>) -> Result<()> {
    while let Some(event) = monitor.pop() {
        match event {
            Event::Verdict { session, verdict } => sessions.push(JudgedSession::new(&session, &verdict)),
            Event::Failure { session, error } => return Err(error.at(session)),
        }
    }
    Ok(())
}

impl JudgedSession {
    /// What is kept of a session and its verdict.
    pub fn new(session: &Session, verdict: &Verdict) -> Self {
        let answered_first = session.packets().first().is_some_and(|packet| packet.direction == Direction::Resp);
        Self {
            key: if answered_first { session.key().reversed() } else { *session.key() },
            start: session.start(),
            end: session.end(),
            score: verdict.deciding_score(),
            p_value: verdict.deciding_p_value(),
            heads: verdict.heads.iter().map(|head| head.score).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_as_the_nearest_double() {
        let text = |nanos| nearest_double(Timestamp::from_parts(1_795_304_139, nanos));
        assert_eq!(text(584_699_722), "1795304139.584699631");
        assert_eq!(text(0), "1795304139.000000000");
        for nanos in (0..1_000_000_000).step_by(999_983) {
            let parsed: f64 = Timestamp::from_parts(1_795_304_139, nanos).to_string().parse().unwrap();
            assert_eq!(text(nanos), format!("{parsed:.9}"));
        }
    }
}
