//! A capture replayed through the monitor, and what it said when.

use super::{
    BUDGETS, Recording,
    judged::{COMBINED, JudgedCapture, JudgedSession, Series},
};
use crate::{
    Calibration, Capture, Detector, Event, Monitor, Result, Timestamp,
    session::{EndReason, Session, SessionConfig},
};
use std::{sync::Arc, time::Duration};

/// Frames pushed between two looks for verdicts: many sessions judged at once cost less, and give the same verdicts.
const FRAMES: u64 = 4096;

/// Most seconds of silence that follow a capture: an hour.
const LONGEST_SILENCE: u64 = 3600;

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
        let mut monitor = Monitor::new(detector.clone(), config)?;
        let mut judged = Self::none(detector);
        let mut last = Timestamp::from_nanos(i64::MIN);
        while let Some(frame) = capture.next_frame()? {
            monitor.push(&frame);
            last = last.max(frame.time);
            if capture.frames().is_multiple_of(FRAMES) {
                judged.take_events(&mut monitor)?;
                watch(capture.frames());
            }
        }
        // What is still open becomes known as silence goes on.
        let longest = config.idle_timeouts().into_iter().flatten().max().unwrap_or_default();
        for second in 1..=longest.as_secs().min(LONGEST_SILENCE) {
            monitor.advance(last + Duration::from_secs(second));
            judged.take_events(&mut monitor)?;
        }
        monitor.finish();
        judged.take_events(&mut monitor)?;
        judged.stats.push(monitor.stats().table);
        Ok(judged)
    }

    /// As [`replay`](Self::replay), for the sessions that count in a recording; each file meets a monitor of its own.
    ///
    /// # Errors
    /// As [`replay`](Self::replay) and [`Capture::open`].
    pub fn of_recording(
        detector: &Arc<Detector>,
        recording: &Recording,
        config: &SessionConfig,
        mut watch: impl FnMut(u64),
    ) -> Result<Self> {
        let mut all = Self::none(detector);
        for capture in recording.captures() {
            all.extend(Self::replay(detector, capture?, config, &mut watch)?);
        }
        all.sessions.retain(|session| recording.holds(session.start));
        Ok(all)
    }

    /// Nothing judged by a detector yet.
    fn none(detector: &Detector) -> Self {
        let series = series_of(detector);
        Self { series, sessions: Vec::new(), stats: Vec::new(), drift_alarms: Vec::new() }
    }

    fn take_events(&mut self, monitor: &mut Monitor) -> Result<()> {
        while let Some(event) = monitor.pop() {
            match event {
                Event::Verdict { session, verdict } => self.sessions.push(JudgedSession::new(&session, &verdict)),
                Event::Look { .. } => {}
                Event::Failure { session, error } => return Err(error.at(session)),
                Event::Drift(alarm) => self.drift_alarms.push(alarm),
                Event::Incident { .. } => {}
            }
        }
        Ok(())
    }
}

fn series_of(detector: &Detector) -> Arc<[Series]> {
    let combined = Series::new(COMBINED, |rate| detector.with_false_positive_rate(rate).map(|_| ()));
    let heads = detector.head_names().zip(detector.head_calibrations());
    std::iter::once(combined).chain(heads.map(|(name, calibration)| Series::calibrated(name, calibration))).collect()
}

impl Series {
    fn new(name: &str, promise: impl Fn(f64) -> Result<()>) -> Self {
        let refusals = BUDGETS.map(|rate| promise(rate).err().map(|error| error.to_string()));
        Self { name: name.to_owned(), refusals }
    }

    pub(super) fn calibrated(name: &str, calibration: &Calibration) -> Self {
        Self::new(name, |rate| calibration.threshold(rate).map(|_| ()))
    }
}

/// When silence would have ended a session that the end of the capture cut off.
pub(super) fn silence_ends(session: &Session, config: &SessionConfig) -> Timestamp {
    let idle = config.idle_timeouts()[SessionConfig::idle_class(session.key().protocol)];
    match (idle, session.end_reason()) {
        (Some(idle), EndReason::Flushed | EndReason::Fin | EndReason::Rst) => session.end() + idle,
        _ => session.end(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        FeatureSpec,
        detector::testing::{Distance, cut, frames},
        session::Looks,
    };
    use nf_tests::{PcapWriter, eth};
    use std::io::Cursor;

    #[test]
    fn a_verdict_is_known_when_the_next_frame_shows_that_nothing_follows() {
        let datagram = |port| eth().ipv4([10, 0, 0, 1], [10, 0, 0, 2]).udp(port, 9).payload(b"x").build();
        let second = 1_000_000_000;
        // The first falls silent behind its second packet; the frame at 75 s shows it. The second is cut off.
        let capture = PcapWriter::new()
            .packet(0, &datagram(1))
            .packet(10 * second, &datagram(1))
            .packet(75 * second, &datagram(2))
            .packet(76 * second, &datagram(2))
            .finish();
        let at = |seconds| Timestamp::from_parts(seconds, 0);
        for (looks, known) in [(Looks::default(), 78), (Looks::none(), 136)] {
            let (spec, scaler, model) = Distance::head(FeatureSpec::flow(), &cut(&frames(400, 1)));
            let config = SessionConfig::default().looks(looks);
            let builder = Detector::builder().head("distance", spec, scaler, model).session_config(&config);
            let detector = Arc::new(builder.calibrate(&cut(&frames(400, 2))).unwrap());
            let capture = Capture::from_reader(Cursor::new(capture.clone())).unwrap();
            let judged = JudgedCapture::replay(&detector, capture, &config, |_| {}).unwrap();
            let seen: Vec<_> = judged.sessions().iter().map(|s| (s.start, s.judged_at, s.packets)).collect();
            assert_eq!(seen, [(at(0), at(75), 2), (at(75), at(known), 2)]);
        }
    }
}
