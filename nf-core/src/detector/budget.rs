//! The budget of false positives, as the user states it.

use super::report::hours;
use crate::{Error, ErrorKind, Result, calibration::check_rate, session::Session};

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

    /// The share of benign sessions it comes to, at as many sessions an hour as these.
    pub(super) fn rate(self, held_out: &[&Session]) -> Result<f64> {
        self.check()?;
        let alerts = match self {
            Self::Share(rate) => return Ok(rate),
            Self::PerHour(alerts) => alerts,
        };
        let hours = hours(held_out.iter().map(|session| session.start()));
        if hours == 0.0 {
            let message = "the held-out sessions take no time, which leaves open how many there are in an hour";
            return Err(Error::new(ErrorKind::Data, message));
        }
        let an_hour = held_out.len() as f64 / hours;
        let rate = alerts / an_hour;
        if rate > 0.5 {
            let allowed = format!("at most {:.0}, half of the {an_hour:.0} benign sessions an hour", an_hour / 2.0);
            return Err(Error::config("alerts_per_hour", alerts, &allowed));
        }
        Ok(rate)
    }
}
