//! A capture whose sessions were judged: scores, p-values, and when each verdict was known.

use super::{
    BUDGETS,
    labels::{numbered_ends, protocol_name},
};
use crate::{
    Error, ErrorKind, Result, Timestamp, Verdict,
    detector::{DriftAlarm, LookVerdict},
    session::{Direction, FlowKey, Session, TableStats},
};
use std::{fs::File, path::Path, sync::Arc};

/// A capture whose sessions were judged as they ended, so that no verdict knows what a live run would not have known.
#[derive(Debug, Clone)]
pub struct JudgedCapture {
    pub(super) series: Arc<[Series]>,
    pub(super) sessions: Vec<JudgedSession>,
    pub(super) stats: Vec<TableStats>,
    pub(super) drift_alarms: Vec<DriftAlarm>,
}

/// A score that every judged session has: that of all heads combined, or of one head.
#[derive(Debug, Clone)]
pub(super) struct Series {
    pub(super) name: String,
    /// Why its calibration does not promise a budget, for each of [`BUDGETS`] that it does not.
    pub(super) refusals: [Option<String>; BUDGETS.len()],
}

/// The name of the score that decides.
pub(super) const COMBINED: &str = "combined";

/// What is kept of a judged session.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct JudgedSession {
    /// Protocol and endpoints; `orig` is the end that sent the first packet, which is not always the one that sent the SYN.
    pub key: FlowKey,
    /// Time of the first packet.
    pub start: Timestamp,
    /// Time of the last packet.
    pub end: Timestamp,
    /// Whether it began in the first minute of its session table ([`Session::is_cold`]).
    pub cold: bool,
    /// When the strangest look at it was judged: with the frame that showed that it was due. Behind the end of the capture
    /// time goes on in silence.
    pub judged_at: Timestamp,
    /// Looks before that at which it was stranger than at all before, in the order of time.
    pub earlier: Vec<JudgedLook>,
    /// The last look, at the session as it ended.
    pub last: JudgedLook,
    /// How many looks there were.
    pub looks: usize,
    /// How many packets it has.
    pub packets: u64,
    /// The score that decides, higher = stranger: that of the evidence, or of all heads combined where there is none.
    pub score: f32,
    /// Share of benign sessions at least as strange, above 0 and at most 1, by the calibration of that score.
    pub p_value: f64,
    /// The score of each head alone, in the order of [`JudgedCapture::heads`].
    pub heads: Vec<f32>,
    /// The p-value of each head alone, in the same order.
    pub head_p_values: Vec<f64>,
}

/// What one look at a session came to.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct JudgedLook {
    /// When it was judged.
    pub at: Timestamp,
    /// The score that decides.
    pub score: f32,
    /// Its p-value.
    pub p_value: f64,
}

impl JudgedLook {
    fn new(look: &LookVerdict) -> Self {
        Self { at: look.at, score: look.score, p_value: look.p_value }
    }
}

impl JudgedCapture {
    /// The names of the heads.
    pub fn heads(&self) -> impl ExactSizeIterator<Item = &str> {
        self.series[1..].iter().map(|series| series.name.as_str())
    }

    /// The sessions, in the order in which they ended.
    pub fn sessions(&self) -> &[JudgedSession] {
        &self.sessions
    }

    /// What was read, and what could not be used, for each capture file.
    pub fn stats(&self) -> &[TableStats] {
        &self.stats
    }

    /// When and how the traffic ceased to be what the detector was calibrated on, in the order of time.
    pub fn drift_alarms(&self) -> &[DriftAlarm] {
        &self.drift_alarms
    }

    /// Adds the sessions of another capture that the same detector or baseline judged.
    pub(super) fn extend(&mut self, other: Self) {
        self.sessions.extend(other.sessions);
        self.stats.extend(other.stats);
        self.drift_alarms.extend(other.drift_alarms);
    }

    /// Seconds of packet time from the first packet of a session to the last; 0 without sessions.
    ///
    /// Of several files it is what lies between the first and the last of all: name files that follow each other.
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
        writer.write_record(fields.into_iter().chain(self.heads()))?;
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

impl JudgedSession {
    /// What is kept of a session and its verdict.
    pub fn new(session: &Session, verdict: &Verdict) -> Self {
        let (at, earlier) = match verdict.rises.split_last() {
            Some((strangest, earlier)) => (strangest.at, earlier),
            None => (verdict.at, &[][..]),
        };
        Self {
            heads: verdict.heads.iter().map(|head| head.score).collect(),
            head_p_values: verdict.heads.iter().map(|head| head.p_value).collect(),
            earlier: earlier.iter().map(JudgedLook::new).collect(),
            last: JudgedLook::new(&verdict.last),
            looks: verdict.last.look + 1,
            ..Self::scored(session, verdict.deciding_score(), verdict.deciding_p_value(), at)
        }
    }

    /// A session with one score and no heads.
    pub(super) fn scored(session: &Session, score: f32, p_value: f64, judged_at: Timestamp) -> Self {
        let answered_first = session.packets().first().is_some_and(|packet| packet.direction == Direction::Resp);
        Self {
            key: if answered_first { session.key().reversed() } else { *session.key() },
            start: session.start(),
            end: session.end(),
            cold: session.is_cold(),
            judged_at,
            earlier: Vec::new(),
            last: JudgedLook { at: judged_at, score, p_value },
            looks: 1,
            packets: session.stats().packets(),
            score,
            p_value,
            heads: Vec::new(),
            head_p_values: Vec::new(),
        }
    }

    /// Score and p-value of a series of [`JudgedCapture`]: 0 the score that decides, then the heads.
    pub(super) fn of(&self, series: usize) -> (f32, f64) {
        match series.checked_sub(1) {
            None => (self.score, self.p_value),
            Some(head) => (self.heads[head], self.head_p_values[head]),
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
