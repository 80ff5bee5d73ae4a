//! The budget of false positives, as the user states it.

use super::{
    Detector,
    report::{Began, hours},
};
use crate::{
    Error, ErrorKind, Result,
    calibration::{check_budget, check_rate, smallest_rate},
    session::Session,
};

/// A share of benign sessions, or a number of alerts an hour.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Budget {
    Share(f64),
    PerHour(f64),
}

impl Budget {
    /// What can be said against it before there are sessions.
    pub(super) fn check(self) -> Result<()> {
        match self {
            Self::Share(rate) => check_rate(rate),
            Self::PerHour(alerts) if alerts > 0.0 && alerts.is_finite() => Ok(()),
            Self::PerHour(alerts) => Err(Error::config("alerts_per_hour", alerts, "above 0 and finite")),
        }
    }

    /// The share of benign sessions it comes to, at as many sessions an hour as were held out. Refused where the held-out
    /// sessions cannot promise it however well their scores behave.
    pub(super) fn rate(self, held_out: Volume) -> Result<f64> {
        self.check()?;
        let rate = match self {
            Self::Share(rate) => rate,
            Self::PerHour(alerts) => held_out.share(alerts)?,
        };
        check_budget(rate, held_out.sessions, true, Some(held_out.hours))?;
        Ok(rate)
    }
}

/// How many sessions were held out, and the hours in which they began.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Volume {
    sessions: usize,
    hours: f64,
}

impl Volume {
    pub(super) fn of(held_out: &[&Session]) -> Self {
        Self { sessions: held_out.len(), hours: hours(held_out.iter().map(|session| Began::of(session))) }
    }

    /// The share of sessions that so many an hour are.
    fn share(self, alerts: f64) -> Result<f64> {
        if self.hours == 0.0 {
            let message = "the held-out sessions take no time, which leaves open how many there are in an hour";
            return Err(Error::new(ErrorKind::Data, message));
        }
        let an_hour = self.sessions as f64 / self.hours;
        let rate = alerts / an_hour;
        if rate > 0.5 {
            let allowed = format!("at most {:.0}, half of the {an_hour:.0} benign sessions an hour", an_hour / 2.0);
            return Err(Error::config("alerts_per_hour", alerts, &allowed));
        }
        Ok(rate)
    }
}

impl Detector {
    /// The same detector with another budget: so many false alerts an hour, above 0, at as many benign sessions an hour as
    /// were held out. More traffic has more alerts, as the share of sessions is what is kept.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] where `alerts` is not above 0 or more than half of the sessions of an hour; [`ErrorKind::Data`]
    /// where the held-out sessions take no time, or are too few to promise it; the message says how many more are needed, and
    /// how many hours that takes.
    pub fn with_alerts_per_hour(&self, alerts: f64) -> Result<Self> {
        let held_out = Volume { sessions: self.held_out.len(), hours: self.held_out_hours() };
        self.with_false_positive_rate(Budget::PerHour(alerts).rate(held_out)?)
    }

    /// The smallest [rate](Self::with_false_positive_rate) that the held-out sessions can promise; `None` where they are too few
    /// for any.
    pub fn smallest_false_positive_rate(&self) -> Option<f64> {
        let deciding = [Some(&*self.combined), self.evidence_calibration()].into_iter().flatten();
        let rates = deciding.map(|calibration| smallest_rate(calibration.len(), calibration.tail_is_sound()));
        rates.collect::<Option<Vec<f64>>>()?.into_iter().reduce(f64::max)
    }

    /// Whether the calibrations that decide can promise a rate.
    pub(super) fn check_budget(&self, rate: f64) -> Result<()> {
        let hours = self.held_out_hours();
        let deciding = [Some(&*self.combined), self.evidence_calibration()];
        deciding
            .into_iter()
            .flatten()
            .try_for_each(|calibration| check_budget(rate, calibration.len(), calibration.tail_is_sound(), Some(hours)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        FeatureSpec,
        detector::testing::{Distance, cut, frames},
    };

    /// Calibrated on 600 sessions, one a second.
    fn detector() -> Detector {
        let benign = cut(&frames(1000, 1));
        let (spec, scaler, model) = Distance::head(FeatureSpec::flow(), &benign[..400]);
        Detector::builder().head("distance", spec, scaler, model).calibrate(&benign[400..]).unwrap()
    }

    #[test]
    fn another_budget_an_hour_is_the_share_that_the_report_states() {
        let detector = detector().with_alerts_per_hour(72.0).unwrap();
        assert!((detector.false_positive_rate() - 0.02).abs() < 1e-4, "{}", detector.false_positive_rate());
        assert!((detector.report().alerts_per_hour.unwrap() - 72.0).abs() < 1e-9);
        let share = detector.with_false_positive_rate(detector.false_positive_rate()).unwrap();
        assert_eq!(share.threshold(), detector.threshold());
        assert!(share.with_alerts_per_hour(36.0).unwrap().threshold() > share.threshold());
        let loaded = Detector::from_bytes_with(&detector.to_bytes(), Distance::load).unwrap();
        assert_eq!(loaded.with_alerts_per_hour(36.0).unwrap().threshold(), {
            detector.with_alerts_per_hour(36.0).unwrap().threshold()
        });
    }

    #[test]
    fn the_smallest_rate_is_promised_and_less_is_not() {
        let detector = detector();
        let smallest = detector.smallest_false_positive_rate().unwrap();
        assert!((0.5 / 600.0..=3.0 / 600.0).contains(&smallest), "{smallest}");
        assert_eq!(detector.with_false_positive_rate(smallest).unwrap().false_positive_rate(), smallest);
        let error = detector.with_false_positive_rate(0.999 * smallest).unwrap_err();
        assert!(error.to_string().contains(": 1 more are needed"), "{error}");
    }

    #[test]
    fn refusals_say_how_many_sessions_and_hours_are_missing() {
        let detector = detector();
        let refuse = |result: Result<Detector>| {
            let error = result.unwrap_err();
            (error.kind(), error.to_string())
        };
        let (kind, message) = refuse(detector.with_alerts_per_hour(1.8));
        assert_eq!(kind, ErrorKind::Data);
        assert!(message.contains("h at 36") && message.ends_with(" in all"), "{message}");
        let (kind, message) = refuse(detector.with_false_positive_rate(0.0005));
        let (sessions, hours) = message.split_once(": ").unwrap().1.split_once(" more are needed (").unwrap();
        let hours: f64 = hours.split_once(" h at ").unwrap().0.parse().unwrap();
        assert!((hours - sessions.parse::<f64>().unwrap() / 3600.0).abs() < 0.02, "{message}");
        assert_eq!(kind, ErrorKind::Data);
        for alerts in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let expected = format!("alerts_per_hour is {alerts}, it must be above 0 and finite");
            assert_eq!(refuse(detector.with_alerts_per_hour(alerts)), (ErrorKind::Config, expected));
        }
        let (kind, message) = refuse(detector.with_alerts_per_hour(1e6));
        assert!(kind == ErrorKind::Config && message.starts_with("alerts_per_hour is 1000000, it must be at most 18"));
    }
}
