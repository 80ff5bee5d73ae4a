//! What a detector promises, and what that rests on.

use super::Detector;
use crate::{
    Result, Timestamp,
    calibration::{Interval, Phased, block_bootstrap},
    session::Session,
};
use std::{fmt, time::Duration};

/// Parts that the held-out sessions are cut into, by time.
const BLOCKS: usize = 10;

/// A held-out benign session, as far as the promise needs it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct HeldOut {
    /// When it began.
    pub(super) start: Timestamp,
    /// Its deciding score before calibration.
    pub(super) score: f32,
    pub(super) cold: bool,
}

impl HeldOut {
    pub(super) fn new(session: &Session, score: f32) -> Self {
        Self { start: session.start(), score, cold: session.is_cold() }
    }
}

/// Silence that counts as time of a recording; a longer one lies between two recordings.
const LONGEST_SILENCE: Duration = Duration::from_secs(600);

/// Hours in which sessions began at these times: silences of more than ten minutes count as ten.
pub(super) fn hours(starts: impl IntoIterator<Item = Timestamp>) -> f64 {
    let mut starts: Vec<Timestamp> = starts.into_iter().collect();
    starts.sort_unstable();
    let mut before: Option<Timestamp> = None;
    let gap = |start: Timestamp| {
        before.replace(start).map_or(0.0, |before| start.since(before).min(LONGEST_SILENCE).as_secs_f64())
    };
    starts.into_iter().map(gap).sum::<f64>() / 3600.0
}

/// What a detector promises: its budget of false positives, what that means an hour, and how well the held-out benign sessions
/// bear it out.
///
/// Benign traffic drifts and comes in bursts, so sessions are not exchangeable as the p-value assumes. How much that matters is
/// measured: the held-out sessions are cut into ten parts by time, each is judged by a calibration of the deciding score on the
/// other nine (the heads' own calibrations stay those of all ten), and the share that alerts is stated with a block bootstrap over
/// minutes.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct CalibrationReport {
    /// The share of benign sessions that may be called anomalies.
    pub false_positive_rate: f64,
    /// What that is an hour, at as many sessions an hour as were held out; `None` where these took no time.
    pub alerts_per_hour: Option<f64>,
    /// Held-out benign sessions.
    pub sessions: u64,
    /// How many of them began in the first minute of their session table. Where these are fewer than 100, such sessions are
    /// judged like all others, and more of them alert.
    pub cold_sessions: u64,
    /// Hours in which they began; silences of more than ten minutes count as ten.
    pub hours: f64,
    /// How many held-out sessions the cut leaves above it, as expected; below about 3 it rests on the fitted tail.
    pub expected_above: f64,
    /// Whether the highest scores follow the fitted tail.
    pub tail_is_sound: bool,
    /// The share of held-out sessions that alert where each tenth of the time is judged by the other nine; `None` where nine
    /// tenths are too few to promise the rate.
    pub realised: Option<f64>,
    /// The 95 % interval of that share.
    pub interval: Option<Interval>,
}

impl Detector {
    /// What this detector promises at its budget, and what that rests on. Calibrates ten times; nothing of it is kept.
    pub fn report(&self) -> CalibrationReport {
        let held = &*self.held_out;
        let first = held.iter().map(|held| held.start).min().unwrap_or_default();
        let last = held.iter().map(|held| held.start).max().unwrap_or_default();
        let hours = hours(held.iter().map(|held| held.start));
        let share = self.blocks(first, last).ok().filter(|events| !events.is_empty());
        let alerts = |events: &[(Timestamp, bool)]| events.iter().filter(|(_, alert)| *alert).count() as f64;
        let deciding = self.evidence_calibration().unwrap_or(&self.combined);
        CalibrationReport {
            false_positive_rate: self.rate,
            alerts_per_hour: (hours > 0.0).then(|| self.rate * held.len() as f64 / hours),
            sessions: held.len() as u64,
            cold_sessions: held.iter().filter(|held| held.cold).count() as u64,
            hours,
            expected_above: self.rate * held.len() as f64,
            tail_is_sound: deciding.tail_is_sound(),
            realised: share.as_ref().map(|events| alerts(events) / events.len() as f64),
            interval: share.and_then(|events| block_bootstrap(&[events])),
        }
    }

    /// Each held-out session with whether a calibration on the other parts lets it alert.
    fn blocks(&self, first: Timestamp, last: Timestamp) -> Result<Vec<(Timestamp, bool)>> {
        let length = last.since(first).as_nanos() / BLOCKS as u128 + 1;
        let block = |held: &HeldOut| (held.start.since(first).as_nanos() / length) as usize;
        let mut events = Vec::with_capacity(self.held_out.len());
        // Sorted once, so that no part has to be: what is left in order sorts in one pass.
        let mut held: Vec<&HeldOut> = self.held_out.iter().collect();
        held.sort_unstable_by(|a, b| a.score.total_cmp(&b.score));
        for left_out in 0..BLOCKS {
            let (out, rest): (Vec<&HeldOut>, Vec<&HeldOut>) = held.iter().partition(|held| block(held) == left_out);
            if out.is_empty() || rest.is_empty() {
                continue;
            }
            let scores: Vec<f32> = rest.iter().map(|held| held.score).collect();
            let cold: Vec<bool> = rest.iter().map(|held| held.cold).collect();
            let calibration = Phased::fit(&scores, &cold)?;
            let cuts = [calibration.threshold(self.rate, false)?, calibration.threshold(self.rate, true)?];
            let alerts = |held: &HeldOut| calibration.surprise(held.score, held.cold) > cuts[usize::from(held.cold)];
            events.extend(out.into_iter().map(|held| (held.start, alerts(held))));
        }
        events.sort_by_key(|(time, _)| *time);
        Ok(events)
    }
}

impl fmt::Display for CalibrationReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = |share: f64| format!("{:.3} %", share * 100.0);
        writeln!(f, "promised: at most {} of benign sessions alert", percent(self.false_positive_rate))?;
        if let Some(alerts) = self.alerts_per_hour {
            writeln!(f, "which is {alerts:.1} an hour at as many sessions as were held out")?;
        }
        let tail = if self.tail_is_sound { "follow" } else { "do not follow" };
        writeln!(
            f,
            "rests on: {} benign sessions in {:.2} h, {} of them of a first minute, {:.1} expected above the cut; their highest scores {tail} the fitted tail",
            self.sessions, self.hours, self.cold_sessions, self.expected_above
        )?;
        match (self.realised, self.interval) {
            (Some(share), Some(interval)) => write!(
                f,
                "borne out: {} alert where each tenth of the time is judged by the rest, 95 % {} to {}",
                percent(share),
                percent(interval.low),
                percent(interval.high)
            ),
            _ => write!(f, "not borne out: nine tenths of these sessions are too few to promise the rate"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        FeatureSpec,
        detector::testing::{Distance, cut, frames},
    };

    fn detector(rate: f64) -> Detector {
        let benign = cut(&frames(1000, 1));
        let (spec, scaler, model) = Distance::head(FeatureSpec::flow(), &benign[..400]);
        let builder = Detector::builder().head("distance", spec, scaler, model);
        builder.false_positive_rate(rate).calibrate(&benign[400..]).unwrap()
    }

    #[test]
    fn states_rate_basis_and_what_was_borne_out() {
        let report = detector(0.05).report();
        assert_eq!((report.false_positive_rate, report.sessions), (0.05, 600));
        assert!((report.hours - 599.0 / 3600.0).abs() < 1e-3, "{}", report.hours);
        assert!((report.alerts_per_hour.unwrap() - 0.05 * 600.0 / report.hours).abs() < 1e-9);
        let (share, interval) = (report.realised.unwrap(), report.interval.unwrap());
        assert!(interval.contains(share) && interval.contains(0.05), "{report}");
        assert!(
            report.to_string().starts_with("promised: at most 5.000 % of benign sessions alert\nwhich is "),
            "{report}"
        );
        assert!(report.to_string().contains("rests on: 600 benign sessions in 0."), "{report}");
    }

    #[test]
    fn the_time_between_two_recordings_does_not_count() {
        let at = Timestamp::from_parts;
        let starts = [at(0, 0), at(300, 0), at(600, 0), at(900_000, 0), at(900_300, 0)];
        assert!((hours(starts) - 1500.0 / 3600.0).abs() < 1e-9);
        assert_eq!(hours([]), 0.0);
    }

    #[test]
    fn says_where_too_few_are_held_out_to_bear_it_out() {
        let report = detector(0.0009).report();
        assert_eq!((report.realised, report.interval), (None, None));
        assert!(report.to_string().ends_with("too few to promise the rate"), "{report}");
    }

    #[test]
    fn comes_back_from_a_file() {
        let detector = detector(0.05);
        let back = Detector::from_bytes_with(&detector.to_bytes(), Distance::load).unwrap();
        assert_eq!(back.report(), detector.report());
    }
}
