//! What is said when traffic is no longer what a detector was calibrated on.

use crate::Timestamp;
use std::{borrow::Cow, fmt};

/// The traffic is no longer what the detector was calibrated on.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct DriftAlarm {
    /// When it was called, by the clock of the session table, as [`Session::ended`](crate::Session::ended).
    pub at: Timestamp,
    /// When the block of time began from which on it is seen, by the same clock.
    pub since: Timestamp,
    /// What speaks against the traffic being what it was: a false alarm of this strength comes once in so many blocks of time.
    pub strength: f64,
    /// The strength from which on it is called.
    pub limit: f64,
    /// Sessions a second, where these moved.
    pub load: Option<Moved>,
    /// The mean p-value of sessions, by the detector's calibration, where it moved; 0.5 among benign sessions.
    pub p_value: Option<Moved>,
    /// The services whose share of the sessions moved, most first: `udp/53`.
    pub services: Vec<Moved>,
    /// The columns that moved, most first, at most 5.
    pub columns: Vec<Moved>,
}

/// Something that moved: what is typical of it then, among the benign sessions of the calibration, and now.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Moved {
    /// Its name; that of a column is its name in the [schema](crate::Schema).
    pub name: Cow<'static, str>,
    /// Its unit; empty for a plain number.
    pub unit: Cow<'static, str>,
    /// Then: the mean, taken on the column's own scale, of the sessions that have a value.
    pub then: f64,
    /// The same now; [`then`](Self::then) where no session has a value any more.
    pub now: f64,
    /// The share of the sessions that have a value, then and now; `None` where all have.
    pub present: Option<[f64; 2]>,
    /// How far it moved, in the deviations of a block of time from what was foretold; above 0 for up.
    pub deviations: f64,
}

impl fmt::Display for Moved {
    /// `dns_answers 0.40 records instead of 1.3`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match &*self.unit {
            // A number of 0 to 1 says so by itself.
            "" | "share" => String::new(),
            unit => format!(" {unit}"),
        };
        write!(f, "{} {}{unit} instead of {}", self.name, number(self.now), number(self.then))?;
        match self.present {
            Some([then, now]) => write!(f, " in {} of sessions instead of {}", percent(now), percent(then)),
            None => Ok(()),
        }
    }
}

/// Two digits that count, and no exponent where people would write none.
fn number(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 0.01 => format!("{value:.2}"),
        _ => format!("{value:.1e}"),
    }
}

fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

impl fmt::Display for DriftAlarm {
    /// One sentence; with `{:#}` the time as [`Timestamp`] has it with `{:#}`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("since ")?;
        fmt::Display::fmt(&self.since, f)?;
        f.write_str(" the traffic is not what the detector was calibrated on")?;
        let mut parts: Vec<String> = Vec::new();
        if let Some(load) = &self.load {
            parts.push(format!("{} sessions a second instead of {}", number(load.now), number(load.then)));
        }
        if let Some(p_value) = &self.p_value {
            parts.push(format!("mean p-value {} instead of {}", number(p_value.now), number(p_value.then)));
        }
        for service in self.services.iter().take(3) {
            let (then, now) = (percent(service.then), percent(service.now));
            parts.push(format!("{} {now} of sessions instead of {then}", service.name));
        }
        for (i, column) in self.columns.iter().take(3).enumerate() {
            let columns = if i == 0 { "columns that moved most: " } else { "" };
            parts.push(format!("{columns}{column}"));
        }
        for (i, part) in parts.iter().enumerate() {
            write!(f, "{}{part}", if i == 0 { ": " } else { ", " })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_it_in_one_sentence_with_units() {
        let moved = |name: &'static str, unit: &'static str, then, now| Moved {
            name: name.into(),
            unit: unit.into(),
            then,
            now,
            present: None,
            deviations: 5.0,
        };
        let mut alarm = DriftAlarm {
            at: Timestamp::from_parts(300, 0),
            since: Timestamp::from_parts(100, 0),
            strength: 2e5,
            limit: 1e5,
            load: Some(moved("load", "sessions/s", 16.2, 33.04)),
            p_value: None,
            services: vec![moved("udp/53", "share", 0.546, 0.2)],
            columns: vec![moved("dns_answers", "records", 0.0, 1.25), moved("resp_bytes", "bytes", 12345.6, 2e-5)],
        };
        let shown = "since 100.000000000 the traffic is not what the detector was calibrated on: 33.0 sessions a second \
            instead of 16.2, udp/53 20 % of sessions instead of 55 %, columns that moved most: dns_answers 1.25 records \
            instead of 0, resp_bytes 2.0e-5 bytes instead of 12346";
        assert_eq!(alarm.to_string(), shown);
        alarm.columns = vec![Moved { present: Some([0.5, 0.25]), ..moved("dns_labels", "labels", 3.0, 3.0) }];
        (alarm.load, alarm.services) = (None, Vec::new());
        let shown =
            "columns that moved most: dns_labels 3.00 labels instead of 3.00 in 25 % of sessions instead of 50 %";
        assert!(alarm.to_string().ends_with(shown), "{alarm}");
    }
}
