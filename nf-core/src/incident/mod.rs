//! One line for one happening: alerts that share a host, a kind and a time are one *incident*.
//!
//! A flood of thousands of sessions is one incident, and so is a scan of thousands of ports. Alerts share their source, or,
//! where their sources are forged, their destination; and their [kind](IncidentKind).
//!
//! A single alert is no incident yet: a budget of one in a thousand benign sessions still is an alert a minute in a small
//! office. What is an accident mostly stands alone, what is not comes again. So an incident opens once the alerts of a source
//! come to [`from`](IncidentConfig::from) within [`within`](IncidentConfig::within). Each alert counts one; a
//! long session that is far beyond the cut counts more, so that it can be an incident by itself; one of a session table's first
//! minute counts a quarter; and one that alerts only because its pair of hosts had just done something strange, while it looks
//! usual itself, does not count. Of a host that is the source of an open incident less is asked. What these rules are worth stands in
//! docs/detection.md.
//!
//! [`incidents`] groups the verdicts of a replay, a [`Monitor`](crate::Monitor) groups them as they come: with the same
//! result, through [`Incidents`].

mod config;
mod gathered;
mod grouping;
#[expect(clippy::module_inception, reason = "the file of the type Incident")]
mod incident;
mod kind;
mod listed;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod waiting;
mod weight;

pub use config::IncidentConfig;
#[cfg(feature = "evaluate")]
pub(crate) use grouping::known_at;
pub use grouping::{Change, IncidentStats, Incidents};
pub use incident::{Centre, Incident, ServicePort, Sighting};
pub use kind::IncidentKind;
pub use listed::Listed;

use crate::{Error, ErrorKind, Result, detector::Verdict, session::Session};

/// The incidents of some sessions of one session table with their verdicts
/// ([`judge_all`](crate::Detector::judge_all)), in the order in which they opened, as a [`Monitor`](crate::Monitor) finds them.
///
/// # Errors
/// [`ErrorKind::Config`] where a value of the configuration is out of its range, [`ErrorKind::Data`] where there is not one
/// verdict a session.
pub fn incidents(sessions: &[Session], verdicts: &[Verdict], config: &IncidentConfig) -> Result<Vec<Incident>> {
    if sessions.len() != verdicts.len() {
        let message = format!("{} verdicts for {} sessions, there must be one each", verdicts.len(), sessions.len());
        return Err(Error::new(ErrorKind::Data, message));
    }
    let mut places: Vec<usize> = (0..sessions.len()).collect();
    places.sort_by_key(|&i| grouping::known_at(&sessions[i]));
    let mut incidents = Incidents::new(config.clone())?;
    let mut closed = Vec::new();
    let mut collect = |incidents: &mut Incidents| {
        let news = std::iter::from_fn(|| incidents.pop());
        closed.extend(news.filter(|(change, _)| *change == Change::Closed).map(|(_, incident)| incident));
    };
    for i in places {
        incidents.add(&sessions[i], &verdicts[i]);
        collect(&mut incidents);
    }
    incidents.finish();
    collect(&mut incidents);
    closed.sort_by_key(|incident| incident.id);
    Ok(closed)
}
