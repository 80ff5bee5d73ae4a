//! One line for one happening: alerts that share a host, a kind and a time are one *incident*.
//!
//! A flood of thousands of sessions is one incident, and so is a scan of thousands of ports. Alerts share their source, or,
//! where their sources are forged, their destination; and their [kind](IncidentKind).
//!
//! A single alert is no incident yet: a budget of one in a thousand benign sessions still is an alert a minute in a small
//! office. What is an accident mostly stands alone, what is not comes again. So an incident opens once the alerts of a source
//! come to [`from`](IncidentConfig::from) within [`within`](IncidentConfig::within). Each alert counts one; a
//! long session that is far beyond the cut counts more, so that it can be an incident by itself; one of a session table's first
//! minute counts a quarter. Of a long session of a host that is the source of an open incident less is asked. What these rules are worth stands in
//! docs/detection.md.
//!
//! A reader is told as an incident opens, as its sessions double, as it comes again after a pause, and as it is over: what one attacker
//! does next in the same way is the same line, and is not passed over in silence. That is a few times a line, whatever goes in.
//!
//! [`incidents`] groups the verdicts of a replay, a [`Monitor`](crate::Monitor) groups them as they come: with the same
//! result, through [`Incidents`].

mod alert;
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

pub use config::IncidentConfig;
pub use grouping::{Change, IncidentStats, Incidents};
pub use incident::{Centre, Incident, ServicePort, Sighting};
pub use kind::IncidentKind;
pub use listed::Listed;

use crate::{Error, ErrorKind, Result, detector::Verdict, session::Session};
use alert::Alert;

/// The incidents of some sessions of one session table with their verdicts
/// ([`judge_all`](crate::Detector::judge_all)), in the order in which they opened, as a [`Monitor`](crate::Monitor) finds them.
///
/// # Errors
/// [`ErrorKind::Config`] where a value of the configuration is out of its range, [`ErrorKind::Data`] where there is not one
/// verdict a session.
pub fn incidents(sessions: &[Session], verdicts: &[Verdict], config: &IncidentConfig) -> Result<Vec<Incident>> {
    let mut closed = Vec::new();
    replay(sessions, verdicts, config, |change, incident| {
        if change == Change::Closed {
            closed.push(incident);
        }
    })?;
    closed.sort_by_key(|incident| incident.id);
    Ok(closed)
}

/// All that becomes of these incidents, in the order in which a [`Monitor`](crate::Monitor) tells it, with each incident as it
/// was then.
///
/// # Errors
/// As [`incidents`].
pub fn news(sessions: &[Session], verdicts: &[Verdict], config: &IncidentConfig) -> Result<Vec<(Change, Incident)>> {
    let mut news = Vec::new();
    replay(sessions, verdicts, config, |change, incident| news.push((change, incident)))?;
    Ok(news)
}

/// Hands on what becomes of incidents.
fn replay(
    sessions: &[Session],
    verdicts: &[Verdict],
    config: &IncidentConfig,
    mut told: impl FnMut(Change, Incident),
) -> Result<()> {
    if sessions.len() != verdicts.len() {
        let message = format!("{} verdicts for {} sessions, there must be one each", verdicts.len(), sessions.len());
        return Err(Error::new(ErrorKind::Data, message));
    }
    let judged = sessions.iter().zip(verdicts).filter(|(_, verdict)| verdict.is_anomaly());
    let mut alerts: Vec<Alert<'_>> = judged.flat_map(|(session, verdict)| Alert::all(session, verdict)).collect();
    alerts.sort_by_key(Alert::moment);
    let mut incidents = Incidents::new(config.clone())?;
    let mut tell = |incidents: &mut Incidents| {
        while let Some((change, incident)) = incidents.pop() {
            told(change, incident);
        }
    };
    for alert in alerts {
        incidents.take(alert);
        tell(&mut incidents);
    }
    incidents.finish();
    tell(&mut incidents);
    Ok(())
}
