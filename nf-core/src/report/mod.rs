//! A judged capture as one HTML page for people: its incidents with their evidence, and all around them.
//!
//! Behind the cargo feature `report`. The page needs no script, no network and no fonts from elsewhere; it follows the reader's
//! choice of light or dark, and can be printed.
//!
//! ```no_run
//! # fn main() -> nf_core::Result<()> {
//! use nf_core::{Capture, Detector, Monitor, SessionConfig, report::Report};
//! let mut monitor = Monitor::new(Detector::load("office.nf")?, &SessionConfig::default())?;
//! let mut report = Report::new("Wednesday");
//! let mut capture = Capture::open("wednesday.pcap")?;
//! while let Some(frame) = capture.next_frame()? {
//!     monitor.push(&frame);
//!     while let Some(event) = monitor.pop() {
//!         report.note(&event);
//!     }
//! }
//! monitor.finish();
//! while let Some(event) = monitor.pop() {
//!     report.note(&event);
//! }
//! # let write = |page: String| ();
//! write(report.to_html(monitor.detector(), &monitor.stats())?);
//! # Ok(()) }
//! ```

mod card;
mod explained;
mod strip;
mod tally;
#[cfg(test)]
mod tests;
mod timeline;
mod told;
mod when;

pub use explained::explained;

use crate::{
    Detector, Result,
    detector::Verdict,
    incident::{Change, Incident},
    monitor::{Event, MonitorStats},
    page::{self, figures, section, table},
    session::Session,
};
use tally::Tally;
use timeline::Timeline;

/// Incidents that are shown with all their evidence; those beyond stand in the list alone.
const SHOWN: usize = 40;

/// Incidents that are kept for the list.
const LISTED: usize = 1000;

/// What a page is made from, gathered as sessions are judged, in bounded memory.
#[derive(Debug)]
pub struct Report {
    title: String,
    timeline: Timeline,
    tally: Tally,
    incidents: Vec<Incident>,
    /// Incidents beyond those kept.
    more: u64,
    judged: u64,
    alerts: u64,
    failures: u64,
}

impl Report {
    /// A report of nothing yet.
    pub fn new(title: impl Into<String>) -> Self {
        let (timeline, tally) = (Timeline::default(), Tally::default());
        Self { title: title.into(), timeline, tally, incidents: Vec::new(), more: 0, judged: 0, alerts: 0, failures: 0 }
    }

    /// Takes in what a [`Monitor`](crate::Monitor) has to say.
    pub fn note(&mut self, event: &Event) {
        match event {
            Event::Verdict { session, verdict } => self.add(session, verdict),
            Event::Incident { change: Change::Closed, incident } => self.add_incident((**incident).clone()),
            Event::Failure { .. } => self.failures += 1,
            _ => {}
        }
    }

    /// Takes in a session and what was said of it.
    pub fn add(&mut self, session: &Session, verdict: &Verdict) {
        self.timeline.add(session, verdict);
        self.judged += 1;
        if verdict.is_anomaly() {
            self.alerts += 1;
            self.tally.add(session);
        }
    }

    /// Takes in an incident that is over.
    pub fn add_incident(&mut self, incident: Incident) {
        if self.incidents.len() == LISTED {
            self.more += 1;
            return;
        }
        self.incidents.push(incident);
    }

    /// The page. `detector` judged all that was taken in, `stats` counts what that was cut from and what memory had no room for; of
    /// sessions that no monitor judged those of their table do ([`MonitorStats::from`]).
    ///
    /// # Errors
    /// As [`Incident::explain`].
    pub fn to_html(&self, detector: &Detector, stats: &MonitorStats) -> Result<String> {
        let mut incidents: Vec<&Incident> = self.incidents.iter().collect();
        incidents.sort_by_key(|incident| incident.id);
        let mut page = page::begin(&self.title);
        page.push_str(&self.summary(detector, stats.table.packets));
        section(&mut page, "Over time", &self.timeline.chart(detector.false_positive_rate(), &incidents));
        section(&mut page, "Incidents", &self.list(&incidents));
        for incident in incidents.iter().take(SHOWN) {
            let title = format!("#{} {}", incident.id, incident.summary());
            section(&mut page, &title, &card::card(incident, &incident.explain(detector)?));
        }
        section(&mut page, "Hosts and services of all alerts", &self.tally.tables(&incidents));
        section(&mut page, "What went in, and what could not be used", &self.counters(stats));
        Ok(page::end(page))
    }

    fn summary(&self, detector: &Detector, packets: u64) -> String {
        let budget = detector.false_positive_rate() * 100.0;
        let count = |count: u64, name: &str| (count.to_string(), name.to_owned());
        let span = self.timeline.span();
        let when = span.map_or(String::new(), |(first, last)| {
            let seconds = last.since(first);
            format!("<p class=\"note\">{} UTC, {}</p>\n", first.date_and_time(), when::length(seconds))
        });
        let shown = [
            count(self.incidents.len() as u64 + self.more, "incidents"),
            count(self.alerts, "sessions that alert"),
            count(self.judged, "sessions judged"),
            count(packets, "packets"),
            (format!("{budget} %"), "budget of false alerts".to_owned()),
        ];
        when + &figures(shown)
    }

    fn list(&self, incidents: &[&Incident]) -> String {
        if incidents.is_empty() {
            return "<p>None: no source or destination had enough alerts within half a minute.</p>\n".to_owned();
        }
        let rows = incidents.iter().map(|incident| {
            vec![
                incident.id.to_string(),
                incident.first.time_of_day(),
                when::length(incident.last.since(incident.first)),
                incident.summary(),
                incident.sessions.to_string(),
                format!("{:.1e}", incident.p_value()),
                incident.heads.first().map_or(String::new(), |(head, _)| head.to_string()),
            ]
        });
        let head = ["", "first seen", "lasted", "what", "sessions", "lowest p-value", "found by"];
        let mut html = table("In the order in which they opened, times in UTC", &head, &[3, 6], rows);
        let beyond = incidents.len().saturating_sub(SHOWN);
        if beyond > 0 || self.more > 0 {
            let more = self.more;
            html +=
                &format!("<p class=\"note\">{beyond} without a part of their own below, {more} more not listed.</p>\n");
        }
        html
    }

    /// What went in, and what could not be used.
    fn counters(&self, stats: &MonitorStats) -> String {
        let stat = |name: &str, count: u64| vec![name.to_owned(), count.to_string()];
        let (input, incidents) = (&stats.table, &stats.incidents);
        let always = [
            stat("frames", input.frames),
            stat("bytes on the wire", input.wire_bytes),
            stat("frames that became packets of a session", input.packets),
            stat("sessions judged", self.judged),
            stat("sessions that a model failed on", self.failures),
            stat("sessions ended early for memory", input.evicted),
            stat("sessions dropped for memory", input.dropped),
            stat("context counters dropped for memory", input.context_evicted),
        ];
        let seldom = [
            ("packets of sessions dropped", input.packets_dropped),
            ("looks at open sessions dropped for memory", input.looks_dropped),
            ("incidents not opened, as too many were open", incidents.refused),
            ("hosts forgotten whose alerts waited to become an incident", incidents.evicted),
            ("changes of incidents, and drift, dropped for memory", stats.news_dropped),
            ("pairs of hosts forgotten whose scores add up", stats.evidence_evicted),
            ("sessions forgotten that an explanation may need", stats.forgotten_early),
            ("sessions that the watch for drift could not count", stats.drift_late),
            ("times that it was said to be long before the newest packet", input.late_advances),
        ];
        let seldom = seldom.into_iter().filter(|(_, count)| *count > 0).map(|(name, count)| stat(name, count));
        let rows = always.into_iter().chain(seldom);
        let skipped: Vec<_> = input.skipped.iter().map(|(skip, count)| stat(&skip.to_string(), count)).collect();
        let mut html = format!("<div>{}</div>", table("What went in", &["", "how many"], &[0], rows));
        if !skipped.is_empty() {
            let skipped = table("Frames that gave no packet, by reason", &["", "frames"], &[0], skipped);
            html += &format!("<div>{skipped}</div>");
        }
        format!("<div class=\"two\">{html}</div>\n")
    }
}
