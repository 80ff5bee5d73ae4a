//! When alerts become an incident.

use crate::{Error, Result};
use std::time::Duration;

/// When alerts become an incident, and when that is over.
///
/// An alert counts one, more where it lies beyond the cut in a session of many packets (see [the module](super)). The
/// defaults lie where benign traffic has hardly an incident and attacks still have all of theirs; docs/detection.md has what
/// each is worth.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct IncidentConfig {
    /// What the alerts of one source must come to within [`within`](Self::within), above 0. Default 4: one in a thousand
    /// benign sessions alerts, in an hour of a small office sixty; four of one host and one kind within half a minute are
    /// no accident.
    pub from: f64,
    /// What a single alert must come to where an end of the session is the source of an open incident, above 0 and at most
    /// `from`. Default 2: a long session of a host that was just caught needs half the proof. Short ones need as many as
    /// elsewhere, since a host does not stop its usual business for an attack.
    pub from_suspect: f64,
    /// The same for the alerts of at least three sources on one destination, at least `from`. Default 8: servers share more
    /// bad luck than hosts have.
    pub from_crowd: f64,
    /// How long an alert counts towards opening an incident; above 0. Default 30 s.
    pub within: Duration,
    /// Silence without another alert that ends an incident, in packet time; at least `within`. Default 120 s, so that what
    /// a host does every two minutes stays one line.
    pub silence: Duration,
    /// Most incidents open at once, at least 1; what would open more is counted. Default 256, at most 25 MB, and what heads read
    /// of the sessions that carry the strangest alert of each: of the default recipe at most 8 of about 500 bytes.
    pub most_open: usize,
    /// Most sources and destinations whose alerts wait to become an incident, at least 2; those quiet for longest make room.
    /// Default 4096, about 25 MB, at most 110 MB where all have many alerts of DNS with the longest names, and their carriers as above, at most 16 MB more.
    pub most_waiting: usize,
}

impl Default for IncidentConfig {
    fn default() -> Self {
        Self {
            from: 4.0,
            from_suspect: 2.0,
            from_crowd: 8.0,
            within: Duration::from_secs(30),
            silence: Duration::from_secs(120),
            most_open: 256,
            most_waiting: 4096,
        }
    }
}

impl IncidentConfig {
    /// Checks the ranges.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) with name, value and allowed range.
    pub fn check(&self) -> Result<()> {
        let Self { from, from_suspect, from_crowd, .. } = *self;
        if !(from > 0.0 && from.is_finite()) {
            return Err(Error::config("from", from, "above 0 and finite"));
        }
        if !(from_suspect > 0.0 && from_suspect <= from) {
            return Err(Error::config("from_suspect", from_suspect, &format!("above 0 and at most from, {from}")));
        }
        if !(from_crowd >= from && from_crowd.is_finite()) {
            return Err(Error::config("from_crowd", from_crowd, &format!("at least from, {from}, and finite")));
        }
        if self.within.is_zero() {
            return Err(Error::config("within", "0 s", "above 0 s"));
        }
        if self.silence < self.within {
            let seconds = |time: Duration| format!("{} s", time.as_secs_f64());
            let allowed = format!("at least within, {}", seconds(self.within));
            return Err(Error::config("silence", seconds(self.silence), &allowed));
        }
        if self.most_open == 0 {
            return Err(Error::config("most_open", 0, "at least 1"));
        }
        if self.most_waiting < 2 {
            return Err(Error::config("most_waiting", self.most_waiting, "at least 2"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_makes_no_sense() {
        let refused = |change: fn(&mut IncidentConfig)| {
            let mut config = IncidentConfig::default();
            config.check().unwrap();
            change(&mut config);
            config.check().unwrap_err().to_string()
        };
        assert_eq!(refused(|c| c.from = f64::NAN), "from is NaN, it must be above 0 and finite");
        assert_eq!(refused(|c| c.from = 0.0), "from is 0, it must be above 0 and finite");
        assert_eq!(refused(|c| c.from_suspect = 5.0), "from_suspect is 5, it must be above 0 and at most from, 4");
        assert_eq!(refused(|c| c.from_crowd = 1.0), "from_crowd is 1, it must be at least from, 4, and finite");
        assert_eq!(refused(|c| c.within = Duration::ZERO), "within is 0 s, it must be above 0 s");
        let short = refused(|c| c.silence = Duration::from_secs(1));
        assert_eq!(short, "silence is 1 s, it must be at least within, 30 s");
        assert_eq!(refused(|c| c.most_open = 0), "most_open is 0, it must be at least 1");
        assert_eq!(refused(|c| c.most_waiting = 1), "most_waiting is 1, it must be at least 2");
    }
}
