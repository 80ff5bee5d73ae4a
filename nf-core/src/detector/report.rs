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

    fn began(&self) -> Began {
        Began { start: self.start, cold: self.cold }
    }
}

/// When a held-out session began, and whether that was in the first minute of its session table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Began {
    start: Timestamp,
    cold: bool,
}

impl Began {
    pub(super) fn of(session: &Session) -> Self {
        Self { start: session.start(), cold: session.is_cold() }
    }
}

/// Silence that counts as time of a recording; a longer one lies between two recordings.
const LONGEST_SILENCE: Duration = Duration::from_secs(600);

/// Hours in which held-out sessions began: silences of more than ten minutes count as ten. What lies between a first minute
/// and the sessions behind it does not count: there are those that [`Recipe::fit`](super::Recipe::fit) trains on.
pub(super) fn hours(sessions: impl IntoIterator<Item = Began>) -> f64 {
    let mut sessions: Vec<Began> = sessions.into_iter().collect();
    sessions.sort_unstable();
    let silence = |pair: &[Began]| match pair {
        [Began { cold: true, .. }, Began { cold: false, .. }] => 0.0,
        [before, after] => after.start.since(before.start).min(LONGEST_SILENCE).as_secs_f64(),
        _ => 0.0,
    };
    sessions.windows(2).map(silence).sum::<f64>() / 3600.0
}

/// What a detector promises: its budget of false positives, what that means an hour, and how well the held-out benign sessions
/// bear it out.
///
/// Benign traffic drifts and comes in bursts, so sessions are not exchangeable as the p-value assumes. How much that matters is
/// measured: the held-out sessions are cut into ten parts by time, those of first minutes and the others alike, each is judged by a
/// calibration of the deciding score on the other nine (the heads' own calibrations stay those of all ten), and the share that
/// alerts is stated with a block bootstrap over minutes.
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
    /// Hours in which they began; silences of more than ten minutes count as ten, and time between a first minute and the
    /// sessions behind it, which were trained on, does not.
    pub hours: f64,
    /// How many held-out sessions the cut leaves above it, as expected; below about 3 it rests on the fitted tail.
    pub expected_above: f64,
    /// Whether the highest scores follow the fitted tail, by an Anderson-Darling test: of some tens of scores it finds only
    /// plain misfits.
    pub tail_is_sound: bool,
    /// The share of held-out sessions that alert where each tenth of them, in the order of time, is judged by the other nine;
    /// `None` where nine tenths are too few to promise the rate.
    pub realised: Option<f64>,
    /// The 95 % interval of that share.
    pub interval: Option<Interval>,
}

impl Detector {
    /// What this detector promises at its budget, and what that rests on. Calibrates ten times; nothing of it is kept.
    pub fn report(&self) -> CalibrationReport {
        let held = &*self.held_out;
        let hours = self.held_out_hours();
        let share = self.blocks().ok().filter(|events| !events.is_empty());
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

    /// Hours in which the held-out sessions began.
    pub(super) fn held_out_hours(&self) -> f64 {
        hours(self.held_out.iter().map(HeldOut::began))
    }

    /// Each held-out session with whether a calibration on the other parts lets it alert.
    fn blocks(&self) -> Result<Vec<(Timestamp, bool)>> {
        // Sorted once, so that no part has to be: what is left in order sorts in one pass.
        let mut held = in_blocks(&self.held_out);
        held.sort_unstable_by(|(a, _), (b, _)| a.score.total_cmp(&b.score));
        let mut events = Vec::with_capacity(held.len());
        for left_out in 0..BLOCKS {
            let (out, rest): (Vec<_>, Vec<_>) = held.iter().partition(|(_, block)| *block == left_out);
            if out.is_empty() || rest.is_empty() {
                continue;
            }
            let scores: Vec<f32> = rest.iter().map(|(held, _)| held.score).collect();
            let cold: Vec<bool> = rest.iter().map(|(held, _)| held.cold).collect();
            let calibration = Phased::fit(&scores, &cold)?;
            let cuts = [calibration.threshold(self.rate, false)?, calibration.threshold(self.rate, true)?];
            let alerts = |held: &HeldOut| calibration.surprise(held.score, held.cold) > cuts[usize::from(held.cold)];
            events.extend(out.into_iter().map(|(held, _)| (held.start, alerts(held))));
        }
        events.sort_by_key(|(time, _)| *time);
        Ok(events)
    }
}

/// Held-out sessions, each with its part of [`BLOCKS`]: by its place in time among those of first minutes or among the others, so
/// that each part leaves nine tenths of both.
fn in_blocks(held_out: &[HeldOut]) -> Vec<(&HeldOut, usize)> {
    let (mut cold, mut warm): (Vec<&HeldOut>, Vec<&HeldOut>) = held_out.iter().partition(|held| held.cold);
    let mut all = Vec::with_capacity(held_out.len());
    for phase in [&mut cold, &mut warm] {
        phase.sort_by_key(|held| held.start);
        all.extend(phase.iter().enumerate().map(|(i, held)| (*held, i * BLOCKS / phase.len())));
    }
    all
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
                "borne out: {} alert where each tenth of them is judged by the rest, 95 % {} to {}",
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
        let at = |second| Began { start: Timestamp::from_parts(second, 0), cold: false };
        assert!((hours([0, 300, 600, 900_000, 900_300].map(at)) - 1500.0 / 3600.0).abs() < 1e-9);
        assert_eq!(hours([]), 0.0);
    }

    #[test]
    fn nor_does_time_that_was_trained_on() {
        let at = |(second, cold)| Began { start: Timestamp::from_parts(second, 0), cold };
        let starts = [(0, true), (50, true), (420, false), (600, false)];
        assert!((hours(starts.map(at)) - 230.0 / 3600.0).abs() < 1e-9);
    }

    #[test]
    fn parts_leave_nine_tenths_of_each_phase() {
        let held = |i: i64| HeldOut { start: Timestamp::from_parts(i, 0), score: 0.0, cold: i < 100 };
        let held: Vec<HeldOut> = (0..100).chain(5000..5900).map(held).collect();
        let blocks = in_blocks(&held);
        for part in 0..BLOCKS {
            let of = |cold| blocks.iter().filter(|(held, block)| held.cold == cold && *block == part).count();
            assert_eq!((of(true), of(false)), (10, 90), "{part}");
        }
        assert!(
            blocks.iter().all(
                |(held, block)| held.cold || *block == (held.start.as_nanos() / 1_000_000_000 - 5000) as usize / 90
            )
        );
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
